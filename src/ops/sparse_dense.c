/* Sparse tensors with dense ones: made dense, added to, multiplied with. Sparse with sparse: sparse.c. */
#include "ops/gpu.h"
#include "ops/sparse.h"
#include "ops/variable.h"

#include <complex.h>

/* ---- SparseToDense ------------------------------------------------------------------------------------ */

static berth_status infer_to_dense(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 4);
    if (status) return status;
    bt_shape *out = &x->out[0].shape;
    int64_t rank = bt_infer_length(x, 1);
    x->out[0].dtype = bt_infer_type(x, 2);
    if (x->in[1].shape.rank >= 0 && x->in[1].shape.rank != 1)
        return bt_infer_fail(x, "the shape must be a vector");
    if (rank > BT_MAX_RANK)
        return bt_fail(x->error, BERTH_UNSUPPORTED, "more than %d dimensions", BT_MAX_RANK);
    for (int i = 0; i < rank; i++) out->dim[i] = -1;
    out->rank = rank < 0 ? -1 : (int)rank;
    if (x->in[1].value && (!bt_tensor_shape_value(x->in[1].value, out) || !bt_shape_known(out)))
        return bt_infer_fail(x, "input 1 is no shape");
    return BERTH_OK;
}

/* indices [n, rank], [n] or []; values [n] or []; default [] */
static berth_status read_to_dense(bt_call *c, bt_sparse *s)
{
    const bt_tensor *indices = c->in[0], *values = c->in[2];
    if (indices->shape.rank > 2) return bt_call_fail(c, "the indices must be a scalar, vector or matrix");
    s->values = values;
    s->n = indices->shape.rank > 0 ? indices->shape.dim[0] : 1;
    int64_t rank = indices->shape.rank > 1 ? indices->shape.dim[1] : 1;
    if (rank != s->shape.rank)
        return bt_call_fail(c, "indices of %lld elements for %d dimensions", (long long)rank, s->shape.rank);
    if (values->shape.rank > 1 || (values->shape.rank == 1 && values->shape.dim[0] != s->n))
        return bt_call_fail(c, "the values must be a scalar, or one for each of %lld indices",
                            (long long)s->n);
    if (c->in[3]->shape.rank != 0) return bt_call_fail(c, "the default value must be a scalar");
    if (c->in[3]->dtype != values->dtype) return bt_call_fail(c, "the default value has another type");
    s->index = bt_call_indices(c, indices);
    return s->index ? BERTH_OK : c->error->status;
}

#define PUT_ALL(type)                                                                 \
    for (int64_t i = 0; i < s->n; i++)                                                \
        ((type *)out)[bt_sparse_place(bt_sparse_row(s, i), strides, s->shape.rank)] = \
            ((const type *)s->values->data)[i * step];                                \
    return BERTH_OK

/* out[index[i]] = values[i] for indices that were checked; the last of equal ones stays. */
static berth_status put_values(bt_call *c, const bt_sparse *s, void *out)
{
    int64_t strides[BT_MAX_RANK], step = s->values->shape.rank;
    berth_dtype dtype = s->values->dtype;
    bt_strides(&s->shape, strides);
    switch (bt_dtype_is_object(dtype) ? 0 : bt_dtype_size(dtype)) {
    case 1: PUT_ALL(uint8_t);
    case 2: PUT_ALL(uint16_t);
    case 4: PUT_ALL(uint32_t);
    case 8: PUT_ALL(uint64_t);
    default: break;
    }
    berth_status status = BERTH_OK;
    for (int64_t i = 0; !status && i < s->n; i++) {
        int64_t at = bt_sparse_place(bt_sparse_row(s, i), strides, s->shape.rank);
        status = bt_elements_copy(dtype, bt_at(dtype, out, at), bt_at_const(dtype, s->values->data, i * step),
                                  1, c->error);
    }
    return status;
}

BT_CL_DECLARE(sparse);

/* The places are counted on the host, where the indices are. */
static berth_status put_on_gpu(bt_call *c, const bt_sparse *s, void *out)
{
    char defines[BT_DEFINES];
    int64_t strides[BT_MAX_RANK], *place = bt_host_scratch(c, (size_t)(s->n + 1) * sizeof *place);
    berth_dtype unit = bt_gpu_unit(s->values->dtype);
    if (!place) return c->error->status;
    if (!s->n) return BERTH_OK;
    bt_strides(&s->shape, strides);
    for (int64_t i = 0; i < s->n; i++) place[i] = bt_sparse_place(bt_sparse_row(s, i), strides, s->shape.rank);
    void *there = bt_gpu_upload(c, place, (size_t)s->n * sizeof *place);
    if (!there) return c->error->status;
    bt_arg args[] = {bt_pointer(s->values->data), bt_pointer(there), bt_pointer(out), bt_long(s->n), bt_int(s->values->shape.rank == 0)};
    bt_grid grid = bt_grid_of(c, s->n);
    bt_gpu_defines(defines, unit, 0, "-DPUT");
    return bt_gpu_launch(c, BT_CL(sparse), defines, "put_values", &grid, args, 5);
}

/* Of equal indices, which are told only where they are looked at, the last would count. */
static const char *to_dense_refuses(const bt_node *node, const bt_fact *in, int n_in)
{
    (void)in, (void)n_in;
    return bt_attr_bool(node, "validate_indices", true) ? NULL : "its indices may be equal";
}

static berth_status run_to_dense(bt_call *c)
{
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    bt_sparse s = {.shape = fact.shape};
    if ((status = read_to_dense(c, &s))) return status;
    status = bt_sparse_check(c, &s, bt_attr_bool(c->node, "validate_indices", true));
    void *out = status ? NULL : bt_out(c, 0, fact.dtype, &s.shape);
    if (!out) return status ? status : BERTH_NO_MEMORY;
    status = bt_call_fill(c, fact.dtype, out, c->in[3]->data, bt_shape_count(&s.shape));
    return status ? status : bt_on_gpu(c) ? put_on_gpu(c, &s, out) : put_values(c, &s, out);
}

/* ---- SparseTensorDenseAdd ----------------------------------------------------------------------------- */

static berth_status infer_dense_add(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 4);
    if (!status) x->out[0] = (bt_fact){bt_infer_type(x, 3), x->in[3].shape, NULL};
    return status;
}

static berth_status run_dense_add(bt_call *c)
{
    bt_sparse s;
    int64_t strides[BT_MAX_RANK];
    const bt_tensor *b = c->in[3];
    berth_dtype dtype = b->dtype;
    berth_status status = bt_sparse_input(c, 0, &s);
    if (status) return status;
    if (!bt_shape_equal(&s.shape, &b->shape) || s.values->dtype != dtype)
        return bt_call_fail(c, "the two tensors differ in shape or type");
    if ((status = bt_sparse_check(c, &s, false))) return status;
    void *out = bt_out(c, 0, dtype, &b->shape);
    if (!out) return BERTH_NO_MEMORY;
    status = bt_move_row(dtype, out, b->data, bt_tensor_count(b), c->pool, c->error);
    bt_strides(&s.shape, strides);
    for (int64_t i = 0; !status && i < s.n; i++) {
        int64_t at = bt_sparse_place(bt_sparse_row(&s, i), strides, s.shape.rank);
        status = bt_combine(dtype, BT_ADD, bt_at(dtype, out, at), bt_at_const(dtype, s.values->data, i), 1, 1,
                            c->error);
    }
    return status;
}

/* ---- SparseDenseCwise: only at the places of the sparse one ------------------------------------------- */

static berth_status infer_cwise(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 4);
    if (!status) x->out[0] = (bt_fact){bt_infer_type(x, 1), x->in[1].shape, NULL};
    return status;
}

/* Strides of the dense one as the sparse one's indices see it: broadcast along dimensions of 1 or absent. */
static berth_status cwise_strides(bt_call *c, const bt_sparse *s, const bt_shape *dense, int64_t *strides)
{
    int64_t own[BT_MAX_RANK];
    char a[BT_SHAPE_TEXT], b[BT_SHAPE_TEXT];
    int lead = s->shape.rank - dense->rank;
    bool fits = lead >= 0;
    bt_strides(dense, own);
    for (int k = 0; fits && k < s->shape.rank; k++) {
        int64_t dim = k < lead ? 1 : dense->dim[k - lead];
        strides[k] = dim == 1 ? 0 : own[k - lead];
        fits = dim == 1 || dim == s->shape.dim[k];
    }
    if (fits) return BERTH_OK;
    return bt_call_fail(c, "the dense shape %s does not broadcast to the sparse %s", bt_shape_text(dense, b),
                        bt_shape_text(&s->shape, a));
}

static berth_status run_cwise(bt_call *c)
{
    bt_sparse s;
    int64_t strides[BT_MAX_RANK];
    const bt_tensor *dense = c->in[3];
    berth_dtype dtype = dense->dtype;
    const char *op = c->node->op + strlen("SparseDenseCwise");
    berth_status status = bt_sparse_input(c, 0, &s);
    if (!status && s.values->dtype != dtype) return bt_call_fail(c, "the two tensors differ in type");
    if (!status) status = cwise_strides(c, &s, &dense->shape, strides);
    if (!status) status = bt_sparse_check(c, &s, false);
    if (status) return status;
    void *out = bt_out(c, 0, dtype, &s.values->shape), *gathered;
    if (!out || !(gathered = bt_scratch(c, ((size_t)s.n + 1) * bt_dtype_size(dtype)))) return BERTH_NO_MEMORY;
    for (int64_t i = 0; i < s.n; i++) {
        int64_t at = bt_sparse_place(bt_sparse_row(&s, i), strides, s.shape.rank);
        memcpy(bt_at(dtype, gathered, i), bt_at_const(dtype, dense->data, at), bt_dtype_size(dtype));
    }
    if (s.n) memcpy(out, s.values->data, (size_t)s.n * bt_dtype_size(dtype));
    return bt_combine(dtype,
                      *op == 'A'   ? BT_ADD
                      : *op == 'M' ? BT_MUL
                                   : BT_DIV,
                      out, gathered, s.n, 1, c->error);
}

/* ---- SparseTensorDenseMatMul -------------------------------------------------------------------------- */

static berth_status infer_matmul(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 4);
    if (status) return status;
    const bt_shape *b = &x->in[3].shape;
    bt_shape a = BT_SHAPE(-1, -1);
    if (b->rank >= 0 && b->rank != 2) return bt_infer_fail(x, "the right side must be a matrix");
    if (x->in[2].value && (!bt_tensor_shape_value(x->in[2].value, &a) || a.rank != 2))
        return bt_infer_fail(x, "the left side must be a matrix");
    bool adjoint_a = bt_attr_bool(x->node, "adjoint_a", false),
         adjoint_b = bt_attr_bool(x->node, "adjoint_b", false);
    int64_t columns = b->rank == 2 ? b->dim[adjoint_b ? 0 : 1] : -1;
    x->out[0] = (bt_fact){bt_infer_type(x, 3), BT_SHAPE(a.dim[adjoint_a], columns), NULL};
    return BERTH_OK;
}

/* y [m, n] += a [m, k] b [k, n], columns begin .. end of y; b's element (k, n) lies at k * b_row + n * b_column. */
typedef struct product {
    const bt_sparse *a;
    const void *b;
    void *y;
    int64_t n, b_row, b_column;
    bool adjoint_a, adjoint_b;
} product;

#define PRODUCT(name, T, S, LOAD, CONJUGATE)                                                           \
    static void multiply_##name(void *user, int64_t begin, int64_t end, int worker)                    \
    {                                                                                                  \
        const product *p = user;                                                                       \
        (void)worker;                                                                                  \
        for (int64_t i = 0; i < p->a->n; i++) {                                                        \
            const int64_t *row = bt_sparse_row(p->a, i);                                               \
            S v = LOAD(((const T *)p->a->values->data)[i]);                                            \
            if (p->adjoint_a) v = CONJUGATE(v);                                                        \
            const T *b = (const T *)p->b + row[!p->adjoint_a] * p->b_row;                              \
            S *y = (S *)p->y + row[p->adjoint_a] * p->n;                                               \
            if (p->adjoint_b)                                                                          \
                for (int64_t j = begin; j < end; j++) y[j] += v * CONJUGATE(LOAD(b[j * p->b_column])); \
            else                                                                                       \
                for (int64_t j = begin; j < end; j++) y[j] += v * LOAD(b[j]);                          \
        }                                                                                              \
    }
#define KEEP(x) (x)
PRODUCT(float, float, float, KEEP, KEEP)
PRODUCT(double, double, double, KEEP, KEEP)
PRODUCT(int32, uint32_t, uint32_t, KEEP, KEEP)
PRODUCT(int64, uint64_t, uint64_t, KEEP, KEEP)
PRODUCT(complex64, _Complex float, _Complex float, KEEP, conjf)
PRODUCT(complex128, _Complex double, _Complex double, KEEP, conj)
PRODUCT(half, uint16_t, float, bt_half_to_float, KEEP)
PRODUCT(bfloat16, uint16_t, float, bt_bf16_to_float, KEEP)

static bt_range_fn *const multiply[] = {
    [BERTH_FLOAT] = multiply_float,         [BERTH_DOUBLE] = multiply_double,
    [BERTH_INT32] = multiply_int32,         [BERTH_INT64] = multiply_int64,
    [BERTH_COMPLEX64] = multiply_complex64, [BERTH_COMPLEX128] = multiply_complex128,
    [BERTH_HALF] = multiply_half,           [BERTH_BFLOAT16] = multiply_bfloat16,
};

static berth_status multiply_into(bt_call *c, product *p, berth_dtype dtype, void *out, int64_t count)
{
    bool rounded = dtype == BERTH_HALF || dtype == BERTH_BFLOAT16;
    size_t bytes = (size_t)count * (rounded ? sizeof(float) : bt_dtype_size(dtype));
    p->y = rounded ? bt_scratch(c, bytes + 1) : out;
    if (!p->y) return BERTH_NO_MEMORY;
    memset(p->y, 0, bytes);
    if (p->a->n) bt_parallel(c->pool, p->n, 65536 / p->a->n + 16, multiply[dtype], p);
    uint16_t *to = out;
    for (int64_t i = 0; rounded && i < count; i++) {
        float y = ((const float *)p->y)[i];
        to[i] = dtype == BERTH_HALF ? bt_float_to_half(y) : bt_float_to_bf16(y);
    }
    return BERTH_OK;
}

/* Entries by row of the result, as `start`, `entry` and `from` of sparse.cl; NULL with the error set. */
static int64_t *sort_entries(bt_call *c, const product *p, int64_t m)
{
    const bt_sparse *a = p->a;
    int64_t *start = bt_host_scratch(c, (size_t)(m + 2 + 2 * a->n) * sizeof *start);
    if (!start) return NULL;
    int64_t *entry = start + m + 1, *from = entry + a->n;
    memset(start, 0, (size_t)(m + 2) * sizeof *start);
    for (int64_t i = 0; i < a->n; i++) start[bt_sparse_row(a, i)[p->adjoint_a] + 1]++;
    for (int64_t r = 0; r < m; r++) start[r + 1] += start[r];
    for (int64_t i = 0; i < a->n; i++) { /* start[r] moves to the end of row r, where row r + 1 begins */
        int64_t at = start[bt_sparse_row(a, i)[p->adjoint_a]]++;
        entry[at] = i, from[at] = bt_sparse_row(a, i)[!p->adjoint_a];
    }
    memmove(start + 1, start, (size_t)m * sizeof *start);
    start[0] = 0;
    return start;
}

static berth_status multiply_on_gpu(bt_call *c, const product *p, berth_dtype dtype, void *out, int64_t m)
{
    char defines[BT_DEFINES];
    int64_t *start = sort_entries(c, p, m);
    int64_t *there = start ? bt_gpu_upload(c, start, (size_t)(m + 1 + 2 * p->a->n) * sizeof *start) : NULL;
    if (!there) return c->error->status;
    bt_arg args[] = {bt_pointer(p->a->values->data), bt_pointer(there), bt_pointer(there + m + 1), bt_pointer(there + m + 1 + p->a->n),
                     bt_pointer(p->b), bt_pointer(out), bt_long(m), bt_long(p->n), bt_long(p->b_row), bt_long(p->b_column)};
    bt_grid grid = bt_grid_rows(c, p->n, m);
    bt_gpu_defines(defines, dtype, 0, "");
    return m && p->n ? bt_gpu_launch(c, BT_CL(sparse), defines, "sparse_product", &grid, args, 10) : BERTH_OK;
}

static berth_status run_matmul(bt_call *c)
{
    bt_sparse a;
    bt_fact fact;
    const bt_tensor *b = c->in[3];
    berth_status status = bt_sparse_input(c, 0, &a);
    if (status || (status = bt_call_facts(c, &fact))) return status;
    product p = {.a = &a, .b = b->data, .n = fact.shape.dim[1]};
    p.adjoint_a = bt_attr_bool(c->node, "adjoint_a", false);
    p.adjoint_b = bt_attr_bool(c->node, "adjoint_b", false);
    p.b_row = p.adjoint_b ? 1 : b->shape.dim[1];
    p.b_column = p.adjoint_b ? b->shape.dim[1] : 1;
    if (a.shape.dim[!p.adjoint_a] != b->shape.dim[p.adjoint_b])
        return bt_call_fail(c, "cannot multiply: the inner sizes are %lld and %lld",
                            (long long)a.shape.dim[!p.adjoint_a], (long long)b->shape.dim[p.adjoint_b]);
    if (a.values->dtype != b->dtype) return bt_call_fail(c, "the two tensors differ in type");
    if ((size_t)b->dtype >= sizeof multiply / sizeof *multiply || !multiply[b->dtype])
        return bt_call_unsupported(c, "products of %s", bt_dtype_name(b->dtype));
    if (bt_tensor_count(b) == 0) a.n = 0;
    if ((status = bt_sparse_check(c, &a, false))) return status;
    void *out = bt_out(c, 0, b->dtype, &fact.shape);
    if (!out) return BERTH_NO_MEMORY;
    return bt_on_gpu(c) ? multiply_on_gpu(c, &p, b->dtype, out, fact.shape.dim[0])
                        : multiply_into(c, &p, b->dtype, out, bt_shape_count(&fact.shape));
}

#define PRODUCT_TYPES (BT_FLOATS | BT_T(BERTH_INT32) | BT_T(BERTH_INT64))
#define CWISE(op)                                                                                  \
    {                                                                                              \
        .name = "SparseDenseCwise" op, .infer = infer_cwise, .cpu = run_cwise, .types = BT_NUMBERS \
    }

const bt_op bt_ops_sparse_dense[] = {
    {.name = "SparseToDense",
     .infer = infer_to_dense,
     .cpu = run_to_dense,
     .outputs = "dense",
     .gpu = run_to_dense,
     .gpu_types = (BT_GPU_MOVES) & ~BT_T(BERTH_COMPLEX128),
     .gpu_refuses = to_dense_refuses,
     .host_inputs = 11},
    {.name = "SparseTensorDenseAdd", .infer = infer_dense_add, .cpu = run_dense_add, .types = BT_NUMBERS},
    {.name = "SparseTensorDenseMatMul",
     .infer = infer_matmul,
     .cpu = run_matmul,
     .outputs = "product",
     .types = PRODUCT_TYPES | BT_COMPLEXES,
     .gpu = run_matmul,
     .gpu_types = PRODUCT_TYPES,
     .host_inputs = 5},
    CWISE("Add"),
    CWISE("Mul"),
    CWISE("Div"),
    {0},
};
