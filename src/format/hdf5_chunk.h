/* HDF5 datasets in chunks. Not for others. */
#ifndef BT_HDF5_CHUNK_H
#define BT_HDF5_CHUNK_H

#include "format/hdf5_inner.h"

/* What the layout message says: `rest` is what follows the class (and the address, in versions 1 and 2). */
typedef struct h5_chunks {
    bt_reader rest;
    int version, rank; /* rank: versions 1 and 2 only, one more than the dataset's */
    uint64_t address;  /* versions 1 and 2 only */
    const h5_message *filters;
} h5_chunks;

berth_status h5_chunked(bt_hdf5 *h, const h5_type *type, const bt_shape *shape, const h5_chunks *layout,
                        bt_tensor *out);

#endif
