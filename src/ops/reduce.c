/* Reductions over axes: Sum, Mean, Max, Min, Prod, EuclideanNorm, All, Any, L2Loss. Over the folded shape
 * (axes.h) the innermost dimension is either reduced, then each stretch of it is folded to one number, or kept, then
 * rows are folded element by element into a row of accumulators. ArgMax and ArgMin are in arg.c.
 *
 * Half and bfloat16 accumulate in float, integers in 64 bits (which wraps like the narrow type once it is stored). */
#include <complex.h>
#include <math.h>
#include <stdio.h>

#include "ops/axes.h"
#include "ops/elementwise.h"
#include "ops/gpu.h"
#include "simd/simd.h"

typedef enum kind { SUM, MEAN, NORM, PROD, MAX, MIN, ALL, ANY } kind;

/* Folds n elements into *acc, or element by element into acc[0..n). */
typedef void fold_fn(void *acc, const void *x, int64_t n);

typedef struct folds {
    size_t acc_size;
    fold_fn *across[ANY + 1], *along[ANY + 1]; /* by kind; MEAN and NORM as SUM and SUM of squares */
    void (*start)(void *acc, int64_t n, kind k);
    void (*finish)(void *y, const void *acc, int64_t n, kind k, int64_t count);
} folds;

/* ---- Loops: T the element, A the accumulator ---------------------------------------------------------- */

#define FOLD(name, T, A, expression)                               \
    static void across_##name(void *acc, const void *p, int64_t n) \
    {                                                              \
        const T *v = p;                                            \
        A a = *(A *)acc;                                           \
        for (int64_t i = 0; i < n; i++) {                          \
            const A x = (A)v[i];                                   \
            a = expression;                                        \
        }                                                          \
        *(A *)acc = a;                                             \
    }                                                              \
    static void along_##name(void *acc, const void *p, int64_t n)  \
    {                                                              \
        const T *v = p;                                            \
        A *r = acc;                                                \
        for (int64_t i = 0; i < n; i++) {                          \
            const A x = (A)v[i], a = r[i];                         \
            r[i] = expression;                                     \
        }                                                          \
    }

#define START(S, A, none, least, most)                                                         \
    static void start_##S(void *acc, int64_t n, kind k)                                        \
    {                                                                                          \
        A a = k == PROD || k == ALL ? 1 : k == MAX ? least : k == MIN ? most : none, *r = acc; \
        for (int64_t i = 0; i < n; i++) r[i] = a;                                              \
    }

/* Signed sums are kept unsigned, so that they wrap around. */
#define INTEGER(S, T, A, least, most)                                                                      \
    FOLD(sum_##S, T, uint64_t, a + x)                                                                      \
    FOLD(norm_##S, T, uint64_t, a + x * x)                                                                 \
    FOLD(prod_##S, T, uint64_t, a *x)                                                                      \
    FOLD(max_##S, T, A, x > a ? x : a)                                                                     \
    FOLD(min_##S, T, A, x < a ? x : a)                                                                     \
    START(S, A, 0, least, most)                                                                            \
    static void finish_##S(void *out, const void *acc, int64_t n, kind k, int64_t count)                   \
    {                                                                                                      \
        T *y = out;                                                                                        \
        const A *a = acc;                                                                                  \
        for (int64_t i = 0; i < n; i++)                                                                    \
            y[i] = k == MEAN ? (T)(count ? a[i] / (A)count : 0) : k == NORM ? root_##S((T)a[i]) : (T)a[i]; \
    }
/* The root of a wrapped sum; of a negative one, the indefinite value. */
#define ROOT(S, T, indefinite) \
    static T root_##S(T sum) { return sum >= 0 ? (T)sqrt((double)sum) : (T)(indefinite); }
#define ROOT_UNSIGNED(S, T) \
    static T root_##S(T sum) { return (T)sqrt((double)sum); }
ROOT(i8, int8_t, 0)
ROOT(i16, int16_t, 0)
ROOT(i32, int32_t, INT32_MIN)
ROOT(i64, int64_t, INT64_MIN)
ROOT_UNSIGNED(u8, uint8_t)
ROOT_UNSIGNED(u16, uint16_t)
ROOT_UNSIGNED(u32, uint32_t)
ROOT_UNSIGNED(u64, uint64_t)
INTEGER(i8, int8_t, int64_t, INT8_MIN, INT8_MAX)
INTEGER(i16, int16_t, int64_t, INT16_MIN, INT16_MAX)
INTEGER(i32, int32_t, int64_t, INT32_MIN, INT32_MAX)
INTEGER(i64, int64_t, int64_t, INT64_MIN, INT64_MAX)
INTEGER(u8, uint8_t, uint64_t, 0, UINT8_MAX)
INTEGER(u16, uint16_t, uint64_t, 0, UINT16_MAX)
INTEGER(u32, uint32_t, uint64_t, 0, UINT32_MAX)
INTEGER(u64, uint64_t, uint64_t, 0, UINT64_MAX)

/* least: what a mean divides by at least; the mean of no numbers is nan, but of no complex numbers it is 0. */
#define FINISH_FLOAT(S, T, root, least)                                                               \
    static void finish_##S(void *out, const void *acc, int64_t n, kind k, int64_t count)              \
    {                                                                                                 \
        T *y = out;                                                                                   \
        const T *a = acc, by = (T)(count > least ? count : least);                                    \
        for (int64_t i = 0; i < n; i++) y[i] = k == MEAN ? a[i] / by : k == NORM ? root(a[i]) : a[i]; \
    }

FOLD(sum_f64, double, double, a + x)
FOLD(norm_f64, double, double, a + x * x)
FOLD(prod_f64, double, double, a *x)
FOLD(max_f64, double, double, a != a || a > x ? a : x)
FOLD(min_f64, double, double, a != a || a < x ? a : x)
START(f64, double, 0, -INFINITY, INFINITY)
FINISH_FLOAT(f64, double, sqrt, 0)

/* |z| for z = sum of x conj(x). */
#define COMPLEX(S, T, conjugate, root)         \
    FOLD(sum_##S, T, T, a + x)                 \
    FOLD(norm_##S, T, T, a + x * conjugate(x)) \
    FOLD(prod_##S, T, T, a *x)                 \
    START(S, T, 0, 0, 0)                       \
    FINISH_FLOAT(S, T, root, 1)
COMPLEX(c64, float complex, conjf, csqrtf)
COMPLEX(c128, double complex, conj, csqrt)

FOLD(all_b8, uint8_t, uint8_t, a &&x)
FOLD(any_b8, uint8_t, uint8_t, a || x)
START(b8, uint8_t, 0, 0, 0)
static void finish_b8(void *y, const void *acc, int64_t n, kind k, int64_t count)
{
    (void)k, (void)count;
    memcpy(y, acc, (size_t)n);
}

/* Floats by the vector maths. */
#define ACROSS_VEC(name, id, expression)                           \
    static void across_##name(void *acc, const void *p, int64_t n) \
    {                                                              \
        float *a = acc, x = bt_simd_get()->vec.fold[id](p, n);     \
        *a = expression;                                           \
    }
ACROSS_VEC(sum_f32, BT_VEC_SUM, *a + x)
ACROSS_VEC(norm_f32, BT_VEC_SUM_SQUARES, *a + x)
ACROSS_VEC(max_f32, BT_VEC_FOLD_MAX, *a != *a || *a > x ? *a : x)
ACROSS_VEC(min_f32, BT_VEC_FOLD_MIN, *a != *a || *a < x ? *a : x)
static void along_sum_f32(void *acc, const void *p, int64_t n) { bt_simd_get()->vec.accumulate(acc, p, n); }
static void along_max_f32(void *acc, const void *p, int64_t n)
{
    bt_simd_get()->vec.binary[BT_VEC_MAX](acc, acc, p, n);
}
static void along_min_f32(void *acc, const void *p, int64_t n)
{
    bt_simd_get()->vec.binary[BT_VEC_MIN](acc, acc, p, n);
}
static void along_norm_f32(void *acc, const void *p, int64_t n)
{
    float *a = acc;
    const float *x = p;
    for (int64_t i = 0; i < n; i++) a[i] += x[i] * x[i];
}
FOLD(prod_f32, float, float, a *x)
START(f32, float, 0, -INFINITY, INFINITY)
FINISH_FLOAT(f32, float, sqrtf, 0)

/* Half and bfloat16: the float folds on pieces made wide. */
#define NARROW_FOLD(S, name)                                                   \
    static void across_##name##_##S(void *acc, const void *p, int64_t n)       \
    {                                                                          \
        float wide[256];                                                       \
        for (int64_t i = 0, m; i < n; i += m) {                                \
            m = n - i < 256 ? n - i : 256;                                     \
            bt_simd_get()->vec.S##_to_float(wide, (const uint16_t *)p + i, m); \
            across_##name##_f32(acc, wide, m);                                 \
        }                                                                      \
    }                                                                          \
    static void along_##name##_##S(void *acc, const void *p, int64_t n)        \
    {                                                                          \
        float wide[256];                                                       \
        for (int64_t i = 0, m; i < n; i += m) {                                \
            m = n - i < 256 ? n - i : 256;                                     \
            bt_simd_get()->vec.S##_to_float(wide, (const uint16_t *)p + i, m); \
            along_##name##_f32((float *)acc + i, wide, m);                     \
        }                                                                      \
    }
#define NARROW(S)                                                                      \
    NARROW_FOLD(S, sum)                                                                \
    NARROW_FOLD(S, norm)                                                               \
    NARROW_FOLD(S, prod)                                                               \
    NARROW_FOLD(S, max)                                                                \
    NARROW_FOLD(S, min)                                                                \
    static void finish_##S(void *y, const void *acc, int64_t n, kind k, int64_t count) \
    {                                                                                  \
        float wide[256];                                                               \
        for (int64_t i = 0, m; i < n; i += m) {                                        \
            m = n - i < 256 ? n - i : 256;                                             \
            finish_f32(wide, (const float *)acc + i, m, k, count);                     \
            bt_simd_get()->vec.float_to_##S((uint16_t *)y + i, wide, m);               \
        }                                                                              \
    }
NARROW(half)
NARROW(bf16)

#define SUMS(way, S) \
    [SUM] = way##_sum_##S, [MEAN] = way##_sum_##S, [NORM] = way##_norm_##S, [PROD] = way##_prod_##S
#define EXTREMES(way, S) [MAX] = way##_max_##S, [MIN] = way##_min_##S
#define REAL(S, A)                                                                                          \
    {                                                                                                       \
        sizeof(A), {SUMS(across, S), EXTREMES(across, S)}, {SUMS(along, S), EXTREMES(along, S)}, start_##S, \
            finish_##S                                                                                      \
    }
#define start_half start_f32
#define start_bf16 start_f32

static const folds table[] = {
    [BERTH_FLOAT] = REAL(f32, float),
    [BERTH_DOUBLE] = REAL(f64, double),
    [BERTH_HALF] = REAL(half, float),
    [BERTH_BFLOAT16] = REAL(bf16, float),
    [BERTH_INT8] = REAL(i8, int64_t),
    [BERTH_INT16] = REAL(i16, int64_t),
    [BERTH_INT32] = REAL(i32, int64_t),
    [BERTH_INT64] = REAL(i64, int64_t),
    [BERTH_UINT8] = REAL(u8, uint64_t),
    [BERTH_UINT16] = REAL(u16, uint64_t),
    [BERTH_UINT32] = REAL(u32, uint64_t),
    [BERTH_UINT64] = REAL(u64, uint64_t),
    [BERTH_COMPLEX64] =
        {sizeof(float complex), {SUMS(across, c64)}, {SUMS(along, c64)}, start_c64, finish_c64},
    [BERTH_COMPLEX128] =
        {sizeof(double complex), {SUMS(across, c128)}, {SUMS(along, c128)}, start_c128, finish_c128},
    [BERTH_BOOL] = {1,
                    {[ALL] = across_all_b8, [ANY] = across_any_b8},
                    {[ALL] = along_all_b8, [ANY] = along_any_b8},
                    start_b8,
                    finish_b8},
};

/* ---- Walking the folded shape ------------------------------------------------------------------------- */

typedef struct reduce_job {
    const folds *f;
    kind k;
    const bt_axes *axes;
    int64_t stride[BT_MAX_RANK]; /* elements */
    size_t size;
    const char *x;
    char *y, *scratch; /* scratch: a row of accumulators a worker */
    int64_t row;       /* outputs made together: the innermost dimension if kept, else 1 */
    size_t row_bytes;
} reduce_job;

/* Folds all stretches that output row `index` is made of; columns [from, from + n) of it. */
static void reduce_row(const reduce_job *job, int64_t index, int64_t from, int64_t n, void *acc)
{
    const bt_axes *a = job->axes;
    int inner = a->rank - 1;
    bool along = inner >= 0 && !a->reduced[inner];
    int64_t at = from, counter[BT_MAX_RANK] = {0}, stretch = inner < 0 ? 1 : along ? n : a->dim[inner];
    for (int i = inner - 1; i >= 0; i--)
        if (!a->reduced[i]) at += index % a->dim[i] * job->stride[i], index /= a->dim[i];
    job->f->start(acc, along ? n : 1, job->k);
    if (a->count == 0) return;
    bool sums = job->f == &table[BERTH_FLOAT] && (job->k == SUM || job->k == MEAN);
    if (along && sums && (a->rank == 2 || a->rank == 3)) { /* one reduced axis, the one before the innermost */
        bt_simd_get()->vec.sum_rows(acc, (const float *)job->x + at, a->count, job->stride[inner - 1], n);
        return;
    }
    for (;;) {
        (along ? job->f->along : job->f->across)[job->k](acc, job->x + (size_t)at * job->size, stretch);
        int i = inner - 1;
        for (; i >= 0; i--) {
            if (!a->reduced[i]) continue;
            at += job->stride[i];
            if (++counter[i] < a->dim[i]) break;
            at -= a->dim[i] * job->stride[i], counter[i] = 0;
        }
        if (i < 0) return;
    }
}

static void reduce_rows(void *user, int64_t begin, int64_t end, int worker)
{
    const reduce_job *job = user;
    void *acc = job->scratch + (size_t)worker * job->row_bytes;
    for (int64_t r = begin; r < end; r++) {
        reduce_row(job, r, 0, job->row, acc);
        job->f->finish(job->y + (size_t)(r * job->row) * job->size, acc, job->row, job->k, job->axes->count);
    }
}

/* A single row of outputs, by columns. */
static void reduce_columns(void *user, int64_t begin, int64_t end, int worker)
{
    const reduce_job *job = user;
    void *acc = job->scratch + (size_t)begin * job->f->acc_size;
    (void)worker;
    reduce_row(job, 0, begin, end - begin, acc);
    job->f->finish(job->y + (size_t)begin * job->size, acc, end - begin, job->k, job->axes->count);
}

static berth_status reduce(bt_call *c, const bt_axes *a, kind k)
{
    berth_dtype dtype = c->in[0]->dtype;
    const folds *f = dtype < (int)(sizeof table / sizeof *table) ? &table[dtype] : NULL;
    if (!f || !f->across[k]) return bt_call_unsupported(c, "no kernel for %s", bt_dtype_name(dtype));
    int threads = c->pool ? bt_pool_threads(c->pool) : 1, inner = a->rank - 1;
    int64_t outputs = bt_shape_count(&a->out);
    reduce_job job = {f, k, a, .size = bt_dtype_size(dtype), .x = c->in[0]->data, .row = 1};
    int64_t stride = 1;
    for (int i = inner; i >= 0; i--) job.stride[i] = stride, stride *= a->dim[i];
    if (inner >= 0 && !a->reduced[inner]) job.row = a->dim[inner];
    job.y = bt_out(c, 0, dtype, &a->out);
    if (!job.y) return c->error->status;
    if (outputs == 0) return BERTH_OK;
    job.row_bytes = bt_align((size_t)job.row * f->acc_size, 64);
    job.scratch = bt_scratch(c, job.row_bytes * (size_t)threads);
    if (!job.scratch) return c->error->status;
    int64_t work = a->count > 0 ? a->count : 1;
    if (outputs == job.row) bt_parallel(c->pool, job.row, 32768 / work + 64, reduce_columns, &job);
    else bt_parallel(c->pool, outputs / job.row, 32768 / (work * job.row) + 1, reduce_rows, &job);
    return BERTH_OK;
}

/* ---- On a device -------------------------------------------------------------------------------------- */

BT_CL_DECLARE(reduce);

/* As in reduce.cl. */
typedef struct gpu_folds {
    int64_t outputs, rows, inner, inner_step, kept[BT_MAX_RANK], kept_step[BT_MAX_RANK], reduced[BT_MAX_RANK],
        reduced_step[BT_MAX_RANK];
} gpu_folds;

static gpu_folds folds_of(const bt_axes *a)
{
    gpu_folds f = {.outputs = bt_shape_count(&a->out), .rows = a->count ? 1 : 0, .inner = 1};
    int kept = 0, reduced = 0;
    bool inner = false;
    int64_t stride = 1;
    for (int i = 0; i < BT_MAX_RANK; i++) f.kept[i] = f.reduced[i] = 1;
    for (int i = a->rank - 1; i >= 0; stride *= a->dim[i], i--) {
        if (!a->reduced[i]) f.kept[kept] = a->dim[i], f.kept_step[kept++] = stride;
        else if (!inner) f.inner = a->dim[i], f.inner_step = stride, inner = true;
        else f.reduced[reduced] = a->dim[i], f.reduced_step[reduced++] = stride, f.rows *= a->dim[i];
    }
    return f;
}

static berth_status reduce_on_gpu(bt_call *c, const bt_axes *a)
{
    char defines[BT_DEFINES], op[64];
    berth_dtype dtype = c->in[0]->dtype;
    gpu_folds f = folds_of(a);
    void *y = bt_out(c, 0, dtype, &a->out);
    if (!y) return c->error->status;
    if (f.outputs == 0) return BERTH_OK;
    snprintf(op, sizeof op, "-DOP=%s", c->node->op);
    bt_gpu_defines(defines, dtype, 0, op);
    bt_grid grid = bt_grid_groups(c, f.outputs, a->count);
    bt_arg args[] = {bt_pointer(c->in[0]->data), bt_pointer(y), bt_bytes(&f, sizeof f)};
    return bt_gpu_launch(c, BT_CL(reduce), defines, "reduce", &grid, args, 3);
}

/* ---- Kernels ------------------------------------------------------------------------------------------ */

static berth_status run(bt_call *c, kind k)
{
    bt_axes axes;
    if (c->n_in != 2) return bt_call_fail(c, "needs 2 inputs, has %d", c->n_in);
    berth_status status = bt_axes_resolve(&axes, &c->in[0]->shape, c->in[1],
                                          bt_attr_bool(c->node, "keep_dims", false), c->error);
    return status ? status : bt_on_gpu(c) ? reduce_on_gpu(c, &axes) : reduce(c, &axes, k);
}

static berth_status run_sum(bt_call *c) { return run(c, SUM); }
static berth_status run_mean(bt_call *c) { return run(c, MEAN); }
static berth_status run_norm(bt_call *c) { return run(c, NORM); }
static berth_status run_prod(bt_call *c) { return run(c, PROD); }
static berth_status run_max(bt_call *c) { return run(c, MAX); }
static berth_status run_min(bt_call *c) { return run(c, MIN); }
static berth_status run_all(bt_call *c) { return run(c, ALL); }
static berth_status run_any(bt_call *c) { return run(c, ANY); }

/* sum(x^2) / 2 over everything. */
static berth_status run_l2_loss(bt_call *c)
{
    if (c->n_in != 1) return bt_call_fail(c, "needs an input");
    const bt_tensor *x = c->in[0];
    berth_dtype dtype = x->dtype;
    if (!bt_dtype_is_float(dtype)) return bt_call_unsupported(c, "no kernel for %s", bt_dtype_name(dtype));
    if (bt_on_gpu(c)) {
        int64_t n = bt_tensor_count(x);
        return reduce_on_gpu(c, &(bt_axes){.out = BT_SCALAR, .rank = 1, .dim = {n}, .reduced = {true}, .count = n});
    }
    char acc[8], sum[8];
    table[dtype].start(acc, 1, SUM);
    table[dtype].across[NORM](acc, x->data, bt_tensor_count(x));
    table[dtype].finish(sum, acc, 1, MEAN, 2);
    void *y = bt_out(c, 0, dtype, &BT_SCALAR);
    if (!y) return c->error->status;
    memcpy(y, sum, bt_dtype_size(dtype));
    return BERTH_OK;
}

static berth_status infer_scalar(bt_infer *x)
{
    berth_status status = bt_infer_same(x);
    x->out[0].shape = BT_SCALAR;
    return status;
}

#define ROW(op, name, all)                                                                         \
    {                                                                                              \
        op, bt_infer_reduce, .cpu = run_##name, .types = all, .gpu = run_##name, .gpu_types = all, \
        .host_inputs = 2                                                                           \
    }

const bt_op bt_ops_reduce[] = {
    ROW("Sum", sum, BT_NUMBERS),
    ROW("Mean", mean, BT_NUMBERS),
    ROW("EuclideanNorm", norm, BT_NUMBERS),
    ROW("Prod", prod, BT_NUMBERS),
    ROW("Max", max, BT_REALS),
    ROW("Min", min, BT_REALS),
    {"All", bt_infer_reduce, .cpu = run_all, .gpu = run_all, .gpu_types = BT_T(BERTH_BOOL), .host_inputs = 2},
    {"Any", bt_infer_reduce, .cpu = run_any, .gpu = run_any, .gpu_types = BT_T(BERTH_BOOL), .host_inputs = 2},
    {"L2Loss", infer_scalar, .cpu = run_l2_loss, .types = BT_FLOATS, .gpu = run_l2_loss, .gpu_types = BT_FLOATS},
    {0},
};
