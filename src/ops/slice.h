/* Slices of a tensor, as StridedSlice and the ops that write to one (StridedSliceGrad, ...Assign) say them. */
#ifndef BT_SLICE_H
#define BT_SLICE_H

#include "ops/move.h"

typedef struct bt_slice {
    int rank;                    /* of the input; -1: nothing is known */
    int64_t begin[BT_MAX_RANK];  /* first element of each dimension, */
    int64_t stride[BT_MAX_RANK]; /* and the step to the next */
    int64_t size[BT_MAX_RANK];   /* how many; -1 unknown */
    bt_shape shape;              /* of the result: dimensions dropped and added */
    int source[BT_MAX_RANK];     /* which of the input's each of those is; -1: added */
} bt_slice;

/* From the five masks of the node and the inputs' values, each of which may be NULL when it is not known yet; n is
 * the length of the three vectors, -1 unknown. Errors are BERTH_BAD_INPUT. */
berth_status bt_slice_resolve(const bt_node *node, const bt_shape *in, const bt_tensor *begin,
                              const bt_tensor *end, const bt_tensor *strides, int64_t n, bt_slice *slice,
                              berth_error *error);
/* The same for a call whose inputs first, first + 1, first + 2 are begin, end, strides. */
berth_status bt_slice_of_call(bt_call *c, const bt_shape *in, int first, bt_slice *slice);
/* The copy out of a slice of a dense tensor of shape `in` (offset: its first element) into a dense one. */
bt_move bt_slice_move(berth_dtype dtype, const bt_shape *in, const bt_slice *slice, int64_t *offset);
/* `part`, broadcast, into the slice of a dense tensor of its dtype. */
berth_status bt_slice_write(bt_call *c, void *whole, const bt_shape *shape, const bt_slice *slice,
                            const bt_tensor *part);

#endif
