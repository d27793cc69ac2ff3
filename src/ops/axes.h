/* Reduced axes: read, checked, and the shape folded into the fewest dimensions that alternate between kept and
 * reduced. Used by reduce.c. */
#ifndef BT_AXES_H
#define BT_AXES_H

#include "ops/op.h"

typedef struct bt_axes {
    bt_shape out;             /* with keep_dims as asked */
    int rank;                 /* of the folded shape */
    int64_t dim[BT_MAX_RANK]; /* no dimension of 1, neighbours differ in kind */
    bool reduced[BT_MAX_RANK];
    int64_t count; /* elements that each output is made of */
} bt_axes;

/* axes: int32 or int64, a scalar or a vector; each in [-rank, rank). */
berth_status bt_axes_resolve(bt_axes *a, const bt_shape *in, const bt_tensor *axes, bool keep_dims,
                             berth_error *error);
/* Shape function: out 0 is in 0 less the axes in 1. The dtype is in 0's. */
bt_infer_fn bt_infer_reduce;

#endif
