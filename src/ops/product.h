/* What MatMul and the convolutions share above the kernels of simd/gemm.h: the list of fused operations behind a
 * product, right sides packed at plan time or at run time, and the sharing-out to threads. */
#ifndef BT_PRODUCT_H
#define BT_PRODUCT_H

#include "ops/op.h"
#include "simd/simd.h"

/* ---- Fused operations --------------------------------------------------------------------------------- */

/* The attribute fused_ops: ["Scale"] ["BiasAdd"] ["Add"] [activation], or ["FusedBatchNorm"] [activation]. Scale and
 * BiasAdd have one argument of [n] each, Add one of the output's shape, FusedBatchNorm four of [n] (scale, offset, mean,
 * variance). TensorFlow knows BiasAdd, FusedBatchNorm and some activations; the rest are the fuse pass's. */
typedef struct bt_epilogue {
    int scale, bias, add, norm;   /* input of each, -1: none; norm: the first of four */
    bt_vec_unary activation;      /* BT_VEC_COPY: none, or one that low and high do */
    float low, high, alpha, beta; /* clamp of the sum; parameters of the activation */
    float epsilon;
    bt_vec_unary_fn *run; /* the activation, NULL where there is none */
} bt_epilogue;

/* `first`: input of the first argument. Without the attribute nothing is fused. */
berth_status bt_epilogue_parse(const bt_node *node, int first, int n_in, bt_epilogue *e, berth_error *error);
/* Shapes of the arguments: [n] vectors; Add like the output. */
berth_status bt_epilogue_check(const bt_epilogue *e, const bt_fact *in, int64_t n, const bt_shape *out,
                               berth_error *error);

/* The vectors [n] that a product wants: a factor for the columns (NULL: 1) and a start (NULL: 0). */
typedef struct bt_columns {
    const float *scale, *bias;
} bt_columns;

/* From arguments that are constant, in the arena; *known false when some are not. Marks them as consumed. */
berth_status bt_epilogue_prepare(bt_prepare *p, const bt_epilogue *e, int64_t n, bt_columns *columns,
                                 bool *known);
/* From the arguments of a call, in working memory where need be. */
berth_status bt_epilogue_call(bt_call *c, const bt_epilogue *e, int64_t n, bt_columns *columns);

/* ---- Right sides -------------------------------------------------------------------------------------- */

/* A right side: `slices` one behind the other (0 counts as 1), each of `groups` matrices [k][n] side by side in rows of
 * groups * n; or one transposed, [n][k]. Packed, all lie one behind the other, slices outermost, and then as many zeros
 * as the borders of a convolution read. */
typedef struct bt_right {
    berth_dtype dtype; /* float, half or bfloat16 */
    bool transposed;
    int64_t k, n, groups, slices, zeros;
} bt_right;

bool bt_right_bytes(const bt_right *r, size_t *bytes);
/* Where the matrix of a slice and group begins in the packed floats; the zeros: slice = slices, group = 0. */
int64_t bt_right_offset(const bt_right *r, int64_t slice, int64_t group);
/* Packs constant input i through the model's store and marks it as consumed. NULL on failure. */
const float *bt_right_prepare(bt_prepare *p, int i, const bt_right *r, const float *scale);
/* Packs elements that came with a call, into working memory. NULL on failure. */
const float *bt_right_call(bt_call *c, const void *elements, const bt_right *r, const float *scale);

/* ---- Running ------------------------------------------------------------------------------------------ */

/* All rows and columns of a product, shared out over the pool. */
void bt_product_all(bt_pool *pool, const bt_product *product, int64_t rows);

/* Elements of a float, half or bfloat16 tensor as float: its own, or a copy in working memory. NULL on failure. */
const float *bt_floats(bt_call *c, berth_dtype dtype, const void *elements, int64_t n);
/* The memory to compute output 0 in as float, and the end of that: rounding to half or bfloat16. */
float *bt_floats_out(bt_call *c, berth_dtype dtype, void *out, int64_t n);
void bt_floats_done(bt_call *c, berth_dtype dtype, void *out, const float *y, int64_t n);

#endif
