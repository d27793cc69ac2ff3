/* HDF5 filters: how a stored chunk becomes its bytes. Not for others. */
#ifndef BT_HDF5_FILTER_H
#define BT_HDF5_FILTER_H

#include "format/hdf5_inner.h"

enum { H5_MAX_FILTERS = 8 };

typedef struct bt_h5_filters {
    int n;
    struct {
        int id;
        uint32_t value; /* the first of its parameters: the element size of shuffle */
    } filter[H5_MAX_FILTERS];
} bt_h5_filters;

berth_status bt_h5_filters_read(bt_hdf5 *h, const bt_h5_message *m, bt_h5_filters *out);
/* Undoes the filters whose bit in `skipped` is not set. out and spare: `bytes` each; the result is in out,
 * and must fill it. */
berth_status bt_h5_unfilter(bt_hdf5 *h, const bt_h5_filters *f, uint64_t skipped, const uint8_t *p, size_t n,
                            uint8_t *out, uint8_t *spare, size_t bytes);

#endif
