/* Matrix products: MatMul, BatchMatMul and its later versions, and MatMul with fused operations. Float, half and bfloat16
 * (both summed in float) go to the tiles of simd/gemm.h; all other dtypes to a plain loop. A constant right side is
 * packed when the plan is made; any other is read in place or packed at each run, whichever costs less. */
#include "ops/elementwise.h"
#include "ops/epilogue_gpu.h"
#include "ops/gemm_gpu.h"
#include "ops/product.h"

#include "ops/move.h"

/* ---- Shapes ------------------------------------------------------------------------------------------- */

/* What the attributes say. */
typedef struct matmul {
    bool adjoint_a, adjoint_b; /* transposed, */
    bool conjugate;            /* and conjugated if complex */
    bool is_batch;
    berth_dtype result; /* 0: the inputs' */
    bt_epilogue epilogue;
    bt_columns columns; /* known when `packed` is there */
    const float *packed;
    bt_right right;
} matmul;

static berth_status parse(const bt_node *node, int n_in, matmul *m, berth_error *error)
{
    *m = (matmul){.is_batch = bt_starts(node->op, "BatchMatMul")};
    m->conjugate = m->is_batch;
    m->result = bt_attr_type(node, "Tout", 0);
    m->adjoint_a = bt_attr_bool(node, m->is_batch ? "adj_x" : "transpose_a", false);
    m->adjoint_b = bt_attr_bool(node, m->is_batch ? "adj_y" : "transpose_b", false);
    if (n_in < 2) return bt_fail(error, BERTH_BAD_MODEL, "has %d inputs, not 2", n_in);
    return bt_epilogue_parse(node, 2, n_in, &m->epilogue, error);
}

/* Rows, columns and the dimension summed over; -1 where not known. */
static berth_status matrix_sizes(const matmul *op, const bt_shape *a, const bt_shape *b, int64_t *m,
                                 int64_t *k, int64_t *n, berth_error *error)
{
    int64_t k_b = *m = *k = *n = -1;
    if ((a->rank >= 0 && (a->rank < 2 || (!op->is_batch && a->rank != 2))) ||
        (b->rank >= 0 && (b->rank < 2 || (!op->is_batch && b->rank != 2))))
        return bt_fail(error, BERTH_BAD_MODEL, "inputs have %d and %d dimensions, not 2%s", a->rank, b->rank,
                       op->is_batch ? " or more" : "");
    if (a->rank >= 0) *m = a->dim[a->rank - 2 + op->adjoint_a], *k = a->dim[a->rank - 1 - op->adjoint_a];
    if (b->rank >= 0) *n = b->dim[b->rank - 1 - op->adjoint_b], k_b = b->dim[b->rank - 2 + op->adjoint_b];
    if (*k >= 0 && k_b >= 0 && *k != k_b)
        return bt_fail(error, BERTH_BAD_MODEL, "matrices do not fit: %lld columns and %lld rows",
                       (long long)*k, (long long)k_b);
    if (*k < 0) *k = k_b;
    return BERTH_OK;
}

static bt_shape batch_of(const bt_shape *s)
{
    bt_shape batch = *s;
    batch.rank = s->rank < 0 ? -1 : s->rank - 2;
    return batch;
}

static berth_status output_shape(const bt_node *node, const matmul *op, const bt_shape *a, const bt_shape *b,
                                 bt_shape *out, berth_error *error)
{
    int64_t m, k, n;
    berth_status status = matrix_sizes(op, a, b, &m, &k, &n, error);
    bt_shape batch_a = batch_of(a), batch_b = batch_of(b);
    if (status) return status;
    *out = BT_SHAPE_UNKNOWN;
    if (op->is_batch && (a->rank < 0 || b->rank < 0)) return BERTH_OK;
    if (!op->is_batch) *out = (bt_shape){.rank = 0};
    else if (strcmp(node->op, "BatchMatMul") == 0 && !bt_shape_compatible(&batch_a, &batch_b))
        return bt_fail(error, BERTH_BAD_MODEL, "batches differ");
    else if (!bt_shape_broadcast(&batch_a, &batch_b, out) || out->rank + 2 > BT_MAX_RANK)
        return bt_fail(error, BERTH_BAD_MODEL, "batches cannot be broadcast");
    out->dim[out->rank++] = m;
    out->dim[out->rank++] = n;
    return BERTH_OK;
}

static berth_status infer_matmul(bt_infer *x)
{
    matmul op;
    berth_status status = parse(x->node, x->n_in, &op, x->error);
    if (status) return status;
    x->out[0].dtype = op.result ? op.result : x->in[0].dtype ? x->in[0].dtype : bt_attr_type(x->node, "T", 0);
    status = output_shape(x->node, &op, &x->in[0].shape, &x->in[1].shape, &x->out[0].shape, x->error);
    const bt_shape *out = &x->out[0].shape;
    return status ? status
                  : bt_epilogue_check(&op.epilogue, x->in, out->rank < 0 ? -1 : out->dim[out->rank - 1], out,
                                      x->error);
}

/* ---- Any dtype ---------------------------------------------------------------------------------------- */

/* One matrix product on plain pointers; strides in elements, already swapped for a transposed side. */
typedef struct plain {
    const void *a, *b;
    void *y;
    int64_t k, n, a_row, a_col, b_row, b_col;
    bool conjugate_a, conjugate_b;
} plain;

#define PLAIN(name, A, B, Y, SUM, CONJUGATE)                                            \
    static void plain_##name(void *user, int64_t begin, int64_t end, int worker)        \
    {                                                                                   \
        const plain *p = user;                                                          \
        (void)worker;                                                                   \
        for (int64_t i = begin; i < end; i++)                                           \
            for (int64_t j = 0; j < p->n; j++) {                                        \
                SUM sum = 0;                                                            \
                for (int64_t l = 0; l < p->k; l++) {                                    \
                    SUM a = (SUM)((const A *)p->a)[i * p->a_row + l * p->a_col];        \
                    SUM b = (SUM)((const B *)p->b)[l * p->b_row + j * p->b_col];        \
                    sum += CONJUGATE(p->conjugate_a, a) * CONJUGATE(p->conjugate_b, b); \
                }                                                                       \
                ((Y *)p->y)[i * p->n + j] = (Y)sum;                                     \
            }                                                                           \
    }
#define AS_IS(yes, x) (x)
#define CONJUGATED(yes, x) ((yes) ? __builtin_conjf(x) : (x))
#define CONJUGATED_DOUBLE(yes, x) ((yes) ? __builtin_conj(x) : (x))
PLAIN(double, double, double, double, double, AS_IS)
PLAIN(int8, int8_t, int8_t, int8_t, uint32_t, AS_IS)
PLAIN(int16, int16_t, int16_t, int16_t, uint32_t, AS_IS)
PLAIN(int32, int32_t, int32_t, int32_t, uint32_t, AS_IS)
PLAIN(int64, int64_t, int64_t, int64_t, uint64_t, AS_IS)
PLAIN(uint8, uint8_t, uint8_t, uint8_t, uint32_t, AS_IS)
PLAIN(uint16, uint16_t, uint16_t, uint16_t, uint32_t, AS_IS)
PLAIN(complex64, _Complex float, _Complex float, _Complex float, _Complex float, CONJUGATED)
PLAIN(complex128, _Complex double, _Complex double, _Complex double, _Complex double, CONJUGATED_DOUBLE)
PLAIN(int8_int8, int8_t, int8_t, int32_t, int32_t, AS_IS)
PLAIN(uint8_int8, uint8_t, int8_t, int32_t, int32_t, AS_IS)
PLAIN(int8_uint8, int8_t, uint8_t, int32_t, int32_t, AS_IS)
PLAIN(uint8_uint8, uint8_t, uint8_t, int32_t, int32_t, AS_IS)

static const struct {
    berth_dtype a, b, y;
    bt_range_fn *run;
} plains[] = {
    {BERTH_DOUBLE, BERTH_DOUBLE, BERTH_DOUBLE, plain_double},
    {BERTH_INT8, BERTH_INT8, BERTH_INT8, plain_int8},
    {BERTH_INT16, BERTH_INT16, BERTH_INT16, plain_int16},
    {BERTH_INT32, BERTH_INT32, BERTH_INT32, plain_int32},
    {BERTH_UINT32, BERTH_UINT32, BERTH_UINT32, plain_int32},
    {BERTH_INT64, BERTH_INT64, BERTH_INT64, plain_int64},
    {BERTH_UINT64, BERTH_UINT64, BERTH_UINT64, plain_int64},
    {BERTH_UINT8, BERTH_UINT8, BERTH_UINT8, plain_uint8},
    {BERTH_UINT16, BERTH_UINT16, BERTH_UINT16, plain_uint16},
    {BERTH_COMPLEX64, BERTH_COMPLEX64, BERTH_COMPLEX64, plain_complex64},
    {BERTH_COMPLEX128, BERTH_COMPLEX128, BERTH_COMPLEX128, plain_complex128},
    {BERTH_INT8, BERTH_INT8, BERTH_INT32, plain_int8_int8},
    {BERTH_UINT8, BERTH_INT8, BERTH_INT32, plain_uint8_int8},
    {BERTH_INT8, BERTH_UINT8, BERTH_INT32, plain_int8_uint8},
    {BERTH_UINT8, BERTH_UINT8, BERTH_INT32, plain_uint8_uint8},
};

/* ---- A call ------------------------------------------------------------------------------------------- */

typedef struct product_call {
    bt_call *c;
    const matmul *op;
    int64_t m, k, n, batch;
    bt_shape out, batch_shape;
    int64_t step_a[BT_MAX_RANK],
        step_b[BT_MAX_RANK]; /* matrices from batch to batch of each side; 0 where broadcast */
    bt_columns columns;
    const float *a, *b;
    float *y;
    float *work; /* `work_floats` for every worker */
    int64_t work_floats;
} product_call;

/* Which matrix of a side belongs to batch `index` of the output. */
static int64_t matrix_of(const product_call *p, const int64_t *step, int64_t index)
{
    int64_t at = 0;
    for (int i = p->batch_shape.rank - 1; i >= 0; i--) {
        at += index % p->batch_shape.dim[i] * step[i];
        index /= p->batch_shape.dim[i];
    }
    return at;
}

static void set_steps(const bt_shape *side, const bt_shape *batch, int64_t *step)
{
    int64_t size = 1, skip = batch->rank - (side->rank - 2);
    for (int i = batch->rank - 1; i >= 0; i--) {
        int64_t dim = i >= skip ? side->dim[i - skip] : 1;
        step[i] = dim == 1 ? 0 : size;
        size *= dim;
    }
}

static berth_status run_plain(product_call *p, berth_dtype y_dtype, void *y)
{
    bt_call *c = p->c;
    const bt_tensor *a = c->in[0], *b = c->in[1];
    const matmul *op = p->op;
    size_t kind = 0;
    while (kind < sizeof plains / sizeof *plains &&
           (plains[kind].a != a->dtype || plains[kind].b != b->dtype || plains[kind].y != y_dtype))
        kind++;
    if (kind == sizeof plains / sizeof *plains || c->n_in > 2)
        return bt_call_unsupported(c, "product of %s and %s to %s", bt_dtype_name(a->dtype),
                                   bt_dtype_name(b->dtype), bt_dtype_name(y_dtype));
    plain one = {.k = p->k,
                 .n = p->n,
                 .a_row = op->adjoint_a ? 1 : p->k,
                 .a_col = op->adjoint_a ? p->m : 1,
                 .b_row = op->adjoint_b ? 1 : p->n,
                 .b_col = op->adjoint_b ? p->k : 1,
                 .conjugate_a = op->conjugate && op->adjoint_a,
                 .conjugate_b = op->conjugate && op->adjoint_b};
    int64_t grain = 1 + (int64_t)(10000 / ((double)p->k * (double)p->n + 1));
    for (int64_t i = 0; i < p->batch; i++) {
        one.a = bt_at_const(a->dtype, a->data, matrix_of(p, p->step_a, i) * p->m * p->k);
        one.b = bt_at_const(b->dtype, b->data, matrix_of(p, p->step_b, i) * p->k * p->n);
        one.y = bt_at(y_dtype, y, i * p->m * p->n);
        bt_parallel(c->pool, p->m, grain, plains[kind].run, &one);
    }
    return BERTH_OK;
}

/* ---- Float -------------------------------------------------------------------------------------------- */

static bt_product product_of(const product_call *p, const float *a, int64_t rows, float *y)
{
    const bt_epilogue *e = &p->op->epilogue;
    return (bt_product){.left = bt_gather_matrix(a, rows, p->k, p->k),
                        .k = p->k,
                        .n = p->n,
                        .c = y,
                        .ldc = p->n,
                        .bias = p->columns.bias,
                        .ld_add = p->n,
                        .low = e->low,
                        .high = e->high,
                        .activation = e->run,
                        .alpha = e->alpha,
                        .beta = e->beta};
}

static bool is_fused(const product_call *p)
{
    return p->c->n_in > 2 || p->op->epilogue.run || p->op->epilogue.low > -1e38f;
}

/* A right side that is not constant is read in place while rows are too few to repay a copy, or where it is one panel. */
static bool in_place(const product_call *p)
{
    const bt_gemm_kernels *g = &bt_simd_get()->gemm;
    return !p->op->adjoint_b && !p->columns.scale && (p->m <= 24 || p->n <= g->vector * g->max_vectors);
}

/* Floats of working memory that one matrix product wants: a transposed left side, a packed right side. */
static bool work_of(const product_call *p, int64_t *floats)
{
    size_t left = 0, right = 0;
    if (p->op->adjoint_a && !bt_mul((size_t)p->m, (size_t)p->k, &left)) return false;
    if (!in_place(p) && !bt_gemm_packed_bytes(&bt_simd_get()->gemm, p->k, p->n, &right)) return false;
    *floats = (int64_t)(bt_align(left, 16) + right / sizeof(float));
    return true;
}

/* One matrix product with both sides as they came; threads: NULL from inside a parallel loop. */
static void run_matrix(const product_call *p, bt_pool *pool, int64_t index, float *work)
{
    const bt_gemm_kernels *g = &bt_simd_get()->gemm;
    const float *a = p->a + matrix_of(p, p->step_a, index) * p->m * p->k;
    const float *b = p->b + matrix_of(p, p->step_b, index) * p->k * p->n;
    float *y = p->y + index * p->m * p->n;
    if (p->op->adjoint_a && p->m > 1 && p->k > 1) {
        g->transpose(work, p->k, a, p->m, p->m, p->k);
        a = work;
        work += bt_align((size_t)(p->m * p->k), 16);
    }
    bool column = p->n == 1 || p->op->adjoint_b; /* a [k][1] matrix is its own transpose */
    if (column && p->m <= 4 && !is_fused(p)) {
        for (int64_t i = 0; i < p->m; i++)
            g->gemv_transposed(y + i * p->n, a + i * p->k, b, p->k, p->k, p->n, NULL);
        return;
    }
    if (!column && p->m == 1 && !is_fused(p)) {
        g->gemv(y, a, b, p->n, p->k, p->n, NULL);
        return;
    }
    bt_product product = product_of(p, a, p->m, y);
    if (p->op->epilogue.add >= 0)
        product.add = (const float *)p->c->in[p->op->epilogue.add]->data + index * p->m * p->n;
    product.packed = b;
    product.ldb = p->n;
    if (!in_place(p)) {
        bt_gemm_pack(g, work, b, p->op->adjoint_b ? p->k : p->n, p->op->adjoint_b, p->k, p->n,
                     p->columns.scale);
        product.packed = work;
        product.ldb = 0;
    }
    bt_product_all(pool, &product, p->m);
}

static void run_matrices(void *user, int64_t begin, int64_t end, int worker)
{
    const product_call *p = user;
    for (int64_t i = begin; i < end; i++) run_matrix(p, NULL, i, p->work + worker * p->work_floats);
}

static berth_status run_packed(const product_call *p)
{
    const bt_epilogue *e = &p->op->epilogue;
    bool one = p->batch <= 1 || (!p->op->adjoint_a && p->c->in[1]->shape.rank == 2);
    int64_t rows = one ? p->batch * p->m : p->m;
    const float *a = p->a;
    float *work = p->op->adjoint_a ? bt_scratch(p->c, (size_t)(p->m * p->k) * sizeof(float) + 1) : NULL;
    if (p->op->adjoint_a && !work) return BERTH_NO_MEMORY;
    for (int64_t i = 0; i < (one ? 1 : p->batch); i++) {
        if (!one) a = p->a + matrix_of(p, p->step_a, i) * p->m * p->k;
        if (work) bt_simd_get()->gemm.transpose(work, p->k, a, p->m, p->m, p->k);
        bt_product product = product_of(p, work ? work : a, rows, p->y + i * p->m * p->n);
        if (e->add >= 0) product.add = (const float *)p->c->in[e->add]->data + i * p->m * p->n;
        product.packed = p->op->packed;
        bt_product_all(p->c->pool, &product, rows);
    }
    return BERTH_OK;
}

static berth_status run_float(product_call *p, berth_dtype dtype, void *out)
{
    bt_call *c = p->c;
    const matmul *op = p->op;
    int64_t count = bt_shape_count(&p->out);
    if (count == 0) return BERTH_OK;
    if (op->epilogue.add >= 0 && dtype != BERTH_FLOAT)
        return bt_call_unsupported(c, "fused Add of %s", bt_dtype_name(dtype));
    p->a = bt_floats(c, dtype, c->in[0]->data, bt_tensor_count(c->in[0]));
    p->y = bt_floats_out(c, dtype, out, count);
    if (!p->a || !p->y) return BERTH_NO_MEMORY;
    if (op->packed) {
        p->columns = op->columns;
        berth_status status = run_packed(p);
        if (!status) bt_floats_done(c, dtype, out, p->y, count);
        return status;
    }
    p->b = bt_floats(c, dtype, c->in[1]->data, bt_tensor_count(c->in[1]));
    if (!p->b || bt_epilogue_call(c, &op->epilogue, p->n, &p->columns)) return BERTH_NO_MEMORY;
    if (!work_of(p, &p->work_floats)) return bt_fail_memory(c->error);
    int workers = p->batch > 1 ? bt_pool_threads(c->pool) : 1;
    p->work = bt_scratch(c, ((size_t)p->work_floats * (size_t)workers + 1) * sizeof(float));
    if (!p->work) return BERTH_NO_MEMORY;
    double each = (double)p->m * (double)p->k * (double)p->n;
    if (p->batch > 1) bt_parallel(c->pool, p->batch, 1 + (int64_t)(100000 / (each + 1)), run_matrices, p);
    else run_matrix(p, c->pool, 0, p->work);
    bt_floats_done(c, dtype, out, p->y, count);
    return BERTH_OK;
}

/* ---- On a device -------------------------------------------------------------------------------------- */

BT_CL_DECLARE(matmul);

/* As in matmul.cl. */
typedef struct gpu_product {
    int64_t batch, m, n, k, a_row, a_col, b_row, b_col, dim[BT_MAX_RANK], a_step[BT_MAX_RANK],
        b_step[BT_MAX_RANK];
    bt_epilogue_kinds kinds;
} gpu_product;

static gpu_product gpu_product_of(const product_call *p)
{
    const matmul *op = p->op;
    gpu_product by = {.batch = p->batch,
                      .m = p->m,
                      .n = p->n,
                      .k = p->k,
                      .a_row = op->adjoint_a ? 1 : p->k,
                      .a_col = op->adjoint_a ? p->m : 1,
                      .b_row = op->adjoint_b ? 1 : p->n,
                      .b_col = op->adjoint_b ? p->k : 1,
                      .kinds = bt_epilogue_kinds_of(&op->epilogue, op->epilogue.add >= 0)};
    for (int i = 0; i < BT_MAX_RANK; i++) {
        int axis = p->batch_shape.rank - 1 - i;
        by.dim[i] = axis < 0 ? 1 : p->batch_shape.dim[axis];
        by.a_step[i] = axis < 0 ? 0 : p->step_a[axis] * p->m * p->k;
        by.b_step[i] = axis < 0 ? 0 : p->step_b[axis] * p->k * p->n;
    }
    return by;
}

/* How many matrices lie at even steps on both sides, from the innermost dimension of the batch on; the steps. */
static int64_t even_run(const gpu_product *by, int64_t *step_a, int64_t *step_b)
{
    int64_t n = 1;
    *step_a = *step_b = 0;
    for (int i = 0; i < BT_MAX_RANK && n < by->batch; i++) {
        if (by->dim[i] == 1) continue;
        if (n == 1) *step_a = by->a_step[i], *step_b = by->b_step[i];
        else if (by->a_step[i] != n * *step_a || by->b_step[i] != n * *step_b) break;
        n *= by->dim[i];
    }
    return n;
}

/* A product of the library's for each even run of the batch; many runs are better one launch of our own. */
static bool run_by_library(const product_call *p, const gpu_product *by, berth_dtype dtype, void *out)
{
    enum { MOST_RUNS = 16 };
    bt_call *c = p->c;
    const bt_epilogue *e = &p->op->epilogue;
    bt_gemm_way way = {0};
    bt_gemm g = {.m = by->m,
                 .n = by->n,
                 .k = by->k,
                 .type = dtype,
                 .out = dtype,
                 .turned_a = p->op->adjoint_a,
                 .turned_b = p->op->adjoint_b,
                 .tf32 = bt_attr_bool(c->node, "_tf32", false)};
    g.batch = by->batch > 1 ? even_run(by, &g.step_a, &g.step_b) : 1;
    if (by->batch > MOST_RUNS * g.batch) return false;
    for (int64_t i = 0; i < by->batch; i += g.batch) {
        const void *a = bt_at_const(dtype, c->in[0]->data,
                                    by->batch > 1 ? matrix_of(p, p->step_a, i) * by->m * by->k : 0);
        const void *b = bt_at_const(dtype, c->in[1]->data,
                                    by->batch > 1 ? matrix_of(p, p->step_b, i) * by->k * by->n : 0);
        const void *add = e->add < 0 ? NULL : bt_at_const(dtype, c->in[e->add]->data, i * by->m * by->n);
        if (!bt_gemm_by_library(c, g, e, a, b, add, bt_at(dtype, out, i * by->m * by->n), &way)) return false;
    }
    return true;
}

static berth_status run_on_gpu(product_call *p, berth_dtype dtype, void *out)
{
    bt_call *c = p->c;
    char defines[BT_DEFINES];
    gpu_product by = gpu_product_of(p);
    const bt_epilogue *e = &p->op->epilogue;
    if (bt_shape_count(&p->out) == 0) return BERTH_OK;
    if (by.batch > 1 && !p->op->adjoint_a && c->in[1]->shape.rank == 2)
        by.m *= by.batch, by.batch = 1; /* one tall product */
    if (run_by_library(p, &by, dtype, out)) return BERTH_OK;
    bt_arg args[4 + BT_EPILOGUE_ARGS] = {bt_pointer(c->in[0]->data), bt_pointer(c->in[1]->data),
                                         bt_pointer(out), bt_bytes(&by, sizeof by)};
    bt_epilogue_args(c, e, bt_input_or(c, e->add, NULL), out, args + 4);
    bt_grid grid = bt_grid_of(c, by.batch * ((by.m + 5) / 6) * ((by.n + 31) / 32) * 4096);
    if (!c->device->is_cpu_shaped)
        grid = (bt_grid){{(size_t)(by.n + 63) / 64 * 16, (size_t)(by.m + 63) / 64 * 16,
                          (size_t)(by.batch < 65535 ? by.batch : 65535)},
                         {16, 16, 1}};
    bt_gpu_defines(defines, dtype, 0, "");
    return bt_gpu_launch(c, BT_CL(matmul), defines, "product_tiles", &grid, args, sizeof args / sizeof *args);
}

berth_status bt_gpu_product(bt_call *c, berth_dtype dtype, const void *a, const void *b, bool turned_b,
                            void *y, int64_t m, int64_t k, int64_t n)
{
    bt_tensor sides[2] = {
        {.dtype = dtype, .shape = BT_SHAPE(m, k), .data = (void *)a},
        {.dtype = dtype, .shape = turned_b ? BT_SHAPE(n, k) : BT_SHAPE(k, n), .data = (void *)b}};
    bt_call call = *c;
    matmul op = {.adjoint_b = turned_b};
    product_call p = {.c = &call,
                      .op = &op,
                      .m = m,
                      .k = k,
                      .n = n,
                      .batch = 1,
                      .out = BT_SHAPE(m, n),
                      .batch_shape = BT_SCALAR};
    call.in = (bt_tensor *[]){&sides[0], &sides[1]}, call.n_in = 2;
    berth_status status = bt_epilogue_parse(c->node, 2, 2, &op.epilogue, c->error);
    return status ? status : run_on_gpu(&p, dtype, y);
}

/* A device takes both sides as they are. */
static berth_status prepare_gpu(bt_prepare *p)
{
    matmul *op = bt_arena_new(p->arena, matmul);
    p->state = op;
    return op ? parse(p->node, p->n_in, op, p->error) : bt_fail_memory(p->error);
}

static berth_status prepare_matmul(bt_prepare *p)
{
    matmul *op = bt_arena_new(p->arena, matmul);
    if (!op) return bt_fail_memory(p->error);
    berth_status status = parse(p->node, p->n_in, op, p->error);
    p->state = op;
    const bt_fact *b = &p->in[1];
    berth_dtype dtype = b->dtype;
    bool narrow = dtype == BERTH_HALF || dtype == BERTH_BFLOAT16;
    bool known = false;
    int64_t m, k, n;
    if (status || !b->value || b->shape.rank != 2 || (dtype != BERTH_FLOAT && !narrow)) return status;
    if (p->out[0].dtype && p->out[0].dtype != dtype) return BERTH_OK;
    bt_shape nothing = BT_SHAPE_UNKNOWN;
    status = matrix_sizes(op, &nothing, &b->shape, &m, &k, &n, p->error);
    if (status || n == 0) return status;
    k = b->shape.dim[op->adjoint_b ? 1 : 0];
    status = bt_epilogue_prepare(p, &op->epilogue, n, &op->columns, &known);
    if (status || !known) return status;
    op->right = (bt_right){.dtype = dtype, .transposed = op->adjoint_b, .k = k, .n = n, .groups = 1};
    op->packed = bt_right_prepare(p, 1, &op->right, op->columns.scale);
    return op->packed ? BERTH_OK : p->error ? p->error->status : BERTH_NO_MEMORY;
}

static berth_status run_matmul(bt_call *c)
{
    const matmul *op = c->state;
    const bt_shape *a = &c->in[0]->shape, *b = &c->in[1]->shape;
    berth_dtype dtype = c->in[0]->dtype;
    product_call p = {.c = c, .op = op};
    berth_status status = matrix_sizes(op, a, b, &p.m, &p.k, &p.n, c->error);
    if (!status) status = output_shape(c->node, op, a, b, &p.out, c->error);
    for (int i = 2; !status && i < c->n_in; i++) {
        bool like = i == op->epilogue.add;
        const bt_shape *s = &c->in[i]->shape;
        if (like ? !bt_shape_equal(s, &p.out) : s->rank != 1 || s->dim[0] != p.n)
            status = bt_call_fail(c, "input %d does not fit the product", i);
    }
    if (status) return status;
    p.batch_shape = batch_of(&p.out);
    p.batch = bt_shape_count(&p.batch_shape);
    set_steps(a, &p.batch_shape, p.step_a);
    set_steps(b, &p.batch_shape, p.step_b);
    berth_dtype y_dtype = op->result ? op->result : dtype;
    void *out = bt_out(c, 0, y_dtype, &p.out);
    if (!out) return BERTH_NO_MEMORY;
    if (bt_on_gpu(c)) return run_on_gpu(&p, dtype, out);
    bool wide = dtype == BERTH_FLOAT || dtype == BERTH_HALF || dtype == BERTH_BFLOAT16;
    return wide && c->in[1]->dtype == dtype && y_dtype == dtype ? run_float(&p, dtype, out)
                                                                : run_plain(&p, y_dtype, out);
}

static const char *product_refuses(const bt_node *node, const bt_fact *in, int n_in)
{
    bool mixed =
        n_in > 1 && (in[0].dtype != in[1].dtype || bt_attr_type(node, "Tout", in[0].dtype) != in[0].dtype);
    return mixed ? "its types differ" : NULL;
}

#define PRODUCT_TYPES (BT_FLOATS | BT_INTS | BT_COMPLEXES)

#define PRODUCT(op, ...)                                                                                    \
    {                                                                                                       \
        .name = op, .infer = infer_matmul, .prepare = prepare_matmul, .cpu = run_matmul, .gpu = run_matmul, \
        .gpu_prepare = prepare_gpu, .gpu_types = BT_GPU_FLOATS, .gpu_refuses = product_refuses, __VA_ARGS__ \
    }

const bt_op bt_ops_matmul[] = {
    PRODUCT("MatMul", .types = PRODUCT_TYPES),
    PRODUCT("_FusedMatMul", .types = BT_FLOATS),
    PRODUCT("BatchMatMul", .types = PRODUCT_TYPES),
    PRODUCT("BatchMatMulV2", .types = PRODUCT_TYPES),
    PRODUCT("BatchMatMulV3", .types = PRODUCT_TYPES, .type_attr = "Ta"),
    {0},
};
