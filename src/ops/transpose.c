/* Transpose, with and without conjugation, and the inverse of a permutation. The copying itself, blocked where it
 * has to be, is move.c's. */
#include "ops/gpu.h"
#include "ops/move.h"

BT_CL_DECLARE(arrange);

/* order[i]: which axis of the input becomes axis i. False when `perm` is no permutation of rank axes. */
static bool read_order(const bt_tensor *perm, int rank, int *order)
{
    int64_t values[BT_MAX_RANK];
    bool seen[BT_MAX_RANK] = {false};
    int n;
    if (perm->shape.rank != 1 || !bt_ints(perm, values, BT_MAX_RANK, &n) || n != rank) return false;
    for (int i = 0; i < rank; i++) {
        if (!bt_axis(values[i], rank, &order[i]) || seen[order[i]]) return false;
        seen[order[i]] = true;
    }
    return true;
}

static berth_status infer_transpose(bt_infer *x)
{
    int order[BT_MAX_RANK];
    berth_status status = bt_infer_arity(x, 2);
    if (status) return status;
    const bt_shape *in = &x->in[0].shape;
    bt_shape *out = &x->out[0].shape;
    int64_t length = bt_infer_length(x, 1);
    x->out[0].dtype = bt_infer_type(x, 0);
    if (in->rank < 0 && (length < 0 || length > BT_MAX_RANK)) return BERTH_OK;
    if (in->rank >= 0 && length >= 0 && length != in->rank)
        return bt_infer_fail(x, "a permutation of %lld axes for %d dimensions", (long long)length, in->rank);
    out->rank = in->rank >= 0 ? in->rank : (int)length;
    if (x->in[1].value && !read_order(x->in[1].value, out->rank, order))
        return bt_infer_fail(x, "input 1 is no permutation of %d axes", out->rank);
    for (int i = 0; i < out->rank; i++)
        out->dim[i] = x->in[1].value && in->rank >= 0 ? in->dim[order[i]] : -1;
    return BERTH_OK;
}

static berth_status run_transpose(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    int order[BT_MAX_RANK];
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    void *out = bt_out(c, 0, in->dtype, &fact.shape);
    if (!out) return BERTH_NO_MEMORY;
    bt_move m = {.dtype = in->dtype};
    int64_t to[BT_MAX_RANK], from[BT_MAX_RANK];
    bt_strides(&fact.shape, to);
    bt_strides(&in->shape, from);
    read_order(c->in[1], in->shape.rank, order);
    for (int i = 0; i < in->shape.rank; i++) bt_move_axis(&m, fact.shape.dim[i], to[i], from[order[i]]);
    return bt_call_move(c, &m, out, in->data);
}

static berth_status conjugate_on_gpu(bt_call *c, int64_t n)
{
    bt_arg args[] = {bt_pointer(c->out[0]->data), bt_long(n)};
    bt_grid grid = bt_grid_of(c, n);
    if (n == 0 || !bt_dtype_is_complex(c->out[0]->dtype)) return BERTH_OK;
    return bt_gpu_launch(c, BT_CL(arrange), "-DDT=f32", "conjugate", &grid, args, 2);
}

static berth_status run_conjugate_transpose(bt_call *c)
{
    berth_status status = run_transpose(c);
    if (status) return status;
    int64_t n = bt_tensor_count(c->out[0]);
    if (bt_on_device(c)) return conjugate_on_gpu(c, n);
    if (c->out[0]->dtype == BERTH_COMPLEX64)
        for (float *y = c->out[0]->data; n > 0; n--, y += 2) y[1] = -y[1];
    else if (c->out[0]->dtype == BERTH_COMPLEX128)
        for (double *y = c->out[0]->data; n > 0; n--, y += 2) y[1] = -y[1];
    return BERTH_OK;
}

#define OUT_OF_RANGE "%lld is not between 0 and %lld"
#define TWICE "%lld is there twice"

static berth_status invert_on_gpu(bt_call *c, berth_dtype dtype, void *out, int64_t n)
{
    char defines[BT_DEFINES];
    void *seen = bt_scratch(c, (size_t)n * sizeof(uint32_t));
    if (!seen) return BERTH_NO_MEMORY;
    if (n == 0) return BERTH_OK;
    bt_arg args[8] = {bt_pointer(c->in[0]->data), bt_pointer(out), bt_pointer(seen), bt_long(n),
                      bt_long((int64_t)(uintptr_t)TWICE)};
    berth_status status = bt_call_zero(c, BERTH_UINT32, seen, n);
    if (!status) status = bt_gpu_fault(c, OUT_OF_RANGE, args + 5);
    bt_grid grid = bt_grid_of(c, n);
    bt_gpu_defines(defines, BERTH_UINT8, dtype, "");
    return status ? status : bt_gpu_launch(c, BT_CL(arrange), defines, "invert", &grid, args, 8);
}

/* y[x[i]] = i */
#define INVERT(type)                                                                                     \
    do {                                                                                                 \
        const type *x = c->in[0]->data;                                                                  \
        type *y = out;                                                                                   \
        for (int64_t i = 0; i < n; i++) y[i] = -1;                                                       \
        for (int64_t i = 0; i < n; i++) {                                                                \
            if (x[i] < 0 || x[i] >= n)                                                                   \
                return bt_call_fail(c, OUT_OF_RANGE, (long long)x[i], (long long)n);                     \
            if (y[x[i]] != -1) return bt_call_fail(c, TWICE, (long long)x[i]);                           \
            y[x[i]] = (type)i;                                                                           \
        }                                                                                                \
    } while (0)

static berth_status run_invert(bt_call *c)
{
    berth_dtype dtype = c->in[0]->dtype;
    if (c->in[0]->shape.rank != 1) return bt_call_fail(c, "a permutation must be a vector");
    if (dtype != BERTH_INT32 && dtype != BERTH_INT64)
        return bt_call_fail(c, "a permutation is of int32 or int64");
    int64_t n = c->in[0]->shape.dim[0];
    void *out = bt_out(c, 0, dtype, &c->in[0]->shape);
    if (!out) return BERTH_NO_MEMORY;
    if (bt_on_device(c)) return invert_on_gpu(c, dtype, out, n);
    if (dtype == BERTH_INT32) INVERT(int32_t);
    else INVERT(int64_t);
    return BERTH_OK;
}

const bt_op bt_ops_transpose[] = {
    {.name = "Transpose",
     .infer = infer_transpose,
     .cpu = run_transpose,
     .gpu = run_transpose,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = 2},
    {.name = "ConjugateTranspose",
     .infer = infer_transpose,
     .cpu = run_conjugate_transpose,
     .gpu = run_conjugate_transpose,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = 2},
    {.name = "InvertPermutation",
     .infer = bt_infer_same,
     .cpu = run_invert,
     .gpu = run_invert,
     .gpu_types = BT_T(BERTH_INT32) | BT_T(BERTH_INT64)},
    {0},
};
