/* HDF5 datasets in chunks. Not for others. */
#ifndef BT_HDF5_CHUNK_H
#define BT_HDF5_CHUNK_H

#include "format/hdf5_inner.h"

/* What the layout message says: `rest` is what follows the class (and the address, in versions 1 and 2). */
typedef struct bt_h5_chunks {
    bt_reader rest;
    int version, rank; /* rank: versions 1 and 2 only, one more than the dataset's */
    uint64_t address;  /* versions 1 and 2 only */
    const uint64_t *max; /* what the dataset's dimensions may grow to; UINT64_MAX: any */
    const bt_h5_message *filters;
} bt_h5_chunks;

berth_status bt_h5_chunked(bt_hdf5 *h, const bt_h5_type *type, const bt_shape *shape,
                           const bt_h5_chunks *layout, bt_tensor *out);

#endif
