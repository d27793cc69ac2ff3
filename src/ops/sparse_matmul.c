/* SparseMatMul: a product of dense matrices of float or bfloat16 that are expected to hold many zeros; the result is float.
 * The zeros are multiplied like the rest: matmul.c's kernels are faster than looking for them. */
#include "ops/move.h"
#include "ops/product.h"

#include <math.h>

static berth_status infer_sparse_product(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 2);
    if (status) return status;
    const bt_shape *a = &x->in[0].shape, *b = &x->in[1].shape;
    bool ta = bt_attr_bool(x->node, "transpose_a", false), tb = bt_attr_bool(x->node, "transpose_b", false);
    if ((a->rank >= 0 && a->rank != 2) || (b->rank >= 0 && b->rank != 2))
        return bt_infer_fail(x, "both sides must be matrices");
    if (a->rank == 2 && b->rank == 2 && a->dim[!ta] >= 0 && b->dim[tb] >= 0 && a->dim[!ta] != b->dim[tb])
        return bt_infer_fail(x, "%lld columns against %lld rows", (long long)a->dim[!ta],
                             (long long)b->dim[tb]);
    x->out[0] =
        (bt_fact){BERTH_FLOAT, BT_SHAPE(a->rank < 0 ? -1 : a->dim[ta], b->rank < 0 ? -1 : b->dim[!tb]), NULL};
    return BERTH_OK;
}

/* Input i as floats, rows and columns exchanged if asked. NULL with the error set. */
static const float *matrix_of(bt_call *c, int i, bool transposed)
{
    const bt_tensor *t = c->in[i];
    int64_t rows = t->shape.dim[0], columns = t->shape.dim[1];
    if (t->dtype != BERTH_FLOAT && t->dtype != BERTH_BFLOAT16)
        return bt_call_unsupported(c, "matrices of %s", bt_dtype_name(t->dtype)), NULL;
    const float *x = bt_floats(c, t->dtype, t->data, rows * columns);
    float *y = x && transposed ? bt_scratch(c, (size_t)(rows * columns) * sizeof *y + 1) : NULL;
    if (y) bt_simd_get()->gemm.transpose(y, rows, x, columns, columns, rows);
    return transposed ? y : x;
}

static berth_status run_sparse_product(bt_call *c)
{
    bool ta = bt_attr_bool(c->node, "transpose_a", false), tb = bt_attr_bool(c->node, "transpose_b", false);
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    int64_t m = fact.shape.dim[0], n = fact.shape.dim[1], k = c->in[0]->shape.dim[!ta];
    const float *a = matrix_of(c, 0, ta), *b = a ? matrix_of(c, 1, tb) : NULL;
    float *out = b ? bt_out(c, 0, BERTH_FLOAT, &fact.shape) : NULL;
    if (!out) return c->error && c->error->status ? c->error->status : BERTH_NO_MEMORY;
    if (k == 0) memset(out, 0, (size_t)(m * n) * sizeof *out);
    if (k == 0 || m * n == 0) return BERTH_OK;
    bt_product p = {.left = bt_gather_matrix(a, m, k, k),
                    .packed = b,
                    .ldb = n,
                    .k = k,
                    .n = n,
                    .c = out,
                    .ldc = n,
                    .low = -INFINITY,
                    .high = INFINITY};
    bt_product_all(c->pool, &p, m);
    return BERTH_OK;
}

const bt_op bt_ops_sparse_matmul[] = {
    {.name = "SparseMatMul", .infer = infer_sparse_product, .cpu = run_sparse_product, .outputs = "product"},
    {0},
};
