/* Rows of a tensor named by vectors of indices, on a device (scatter_gpu.c). The host's are in gather.c and scatter.c. */
#ifndef BT_SCATTER_H
#define BT_SCATTER_H

#include "ops/gpu.h"
#include "ops/move.h"
#include "ops/variable.h"

#define BT_BAD_ROW "index %lld of row %lld is not in [0, %lld)"

/* out [n, slice] = the rows of params that indices [n, depth] name. */
berth_status bt_gather_nd_gpu(bt_call *c, void *out, const bt_tensor *params, const bt_tensor *indices);
/* Indices out of range: a fault, unless the node has another policy; taken modulo the dimension; passed over. */
typedef enum bt_bad_rows { BT_ROWS_FAULT, BT_ROWS_WRAP, BT_ROWS_SKIP } bt_bad_rows;

/* out[indices[i]] op= updates[i], in the order of i; out has this shape, and an index alone is a vector. */
berth_status bt_scatter_gpu(bt_call *c, void *out, const bt_shape *shape, const bt_tensor *indices,
                            const bt_tensor *updates, bt_combine_op op, bt_bad_rows bad);
/* Row from[i] of `in` becomes row to[i] of out, for n rows of `row` elements; the lists lie on the host. */
berth_status bt_carry_rows_gpu(bt_call *c, berth_dtype dtype, void *out, const void *in, const int64_t *to, const int64_t *from,
                               int64_t n, int64_t row);

#endif
