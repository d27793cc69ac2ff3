/* Cumsum, Cumprod, CumulativeLogsumexp along one axis: x as [outer, n, inner], each column by itself. `exclusive`
 * leaves the element itself out, `reverse` runs from the end. Half and bfloat16 round at every step, as TensorFlow. */
#include <complex.h>
#include <math.h>
#include <stdio.h>

#include "ops/gpu.h"
#include "ops/op.h"

typedef enum kind { SUM, PROD, LOGSUMEXP } kind;

/* One row of `inner` columns after another: y = the state, then the state takes x in (or before). */
typedef void scan_fn(void *y, const void *x, int64_t n, int64_t inner, bool exclusive, bool reverse);

#define KEEP(v) (v)
/* T the element, C what it is computed in; a the state, x the element. */
#define SCAN(name, T, C, LOAD, STORE, start, expression)                                                \
    static void name(void *out, const void *p, int64_t n, int64_t inner, bool exclusive, bool reverse)  \
    {                                                                                                   \
        T *y = out;                                                                                     \
        const T *v = p;                                                                                 \
        for (int64_t i = 0; i < n; i++) {                                                               \
            int64_t row = (reverse ? n - 1 - i : i) * inner, before = row + (reverse ? inner : -inner); \
            for (int64_t j = 0; j < inner; j++) {                                                       \
                C a = i > 0 ? LOAD(y[before + j]) : start, x;                                           \
                if (exclusive && i == 0) {                                                              \
                    y[row + j] = STORE(a);                                                              \
                    continue;                                                                           \
                }                                                                                       \
                x = LOAD(v[(exclusive ? before : row) + j]);                                            \
                y[row + j] = STORE(expression);                                                         \
            }                                                                                           \
        }                                                                                               \
    }
#define SUM_AND_PRODUCT(S, T, C, LOAD, STORE)  \
    SCAN(sum_##S, T, C, LOAD, STORE, 0, a + x) \
    SCAN(prod_##S, T, C, LOAD, STORE, 1, a *x)

static inline double log_add(double a, double b)
{
    double top = a > b ? a : b, low = a > b ? b : a;
    if (a != a || b != b) return NAN;
    return isinf(top) || isinf(low) ? top : top + log1p(exp(low - top));
}
#define LOG_SUM(S, T, LOAD, STORE) SCAN(log_##S, T, double, LOAD, STORE, -INFINITY, log_add(a, x))

#define TO_HALF(v) bt_float_to_half((float)(v))
#define TO_BF16(v) bt_float_to_bf16((float)(v))

SUM_AND_PRODUCT(f32, float, float, KEEP, KEEP)
SUM_AND_PRODUCT(f64, double, double, KEEP, KEEP)
SUM_AND_PRODUCT(half, uint16_t, float, bt_half_to_float, TO_HALF)
SUM_AND_PRODUCT(bf16, uint16_t, float, bt_bf16_to_float, TO_BF16)
SUM_AND_PRODUCT(c64, float complex, float complex, KEEP, KEEP)
SUM_AND_PRODUCT(c128, double complex, double complex, KEEP, KEEP)
/* Unsigned arithmetic wraps around for the signed types too. */
SUM_AND_PRODUCT(8, uint8_t, uint8_t, KEEP, (uint8_t))
SUM_AND_PRODUCT(16, uint16_t, uint32_t, KEEP, (uint16_t))
SUM_AND_PRODUCT(32, uint32_t, uint32_t, KEEP, KEEP)
SUM_AND_PRODUCT(64, uint64_t, uint64_t, KEEP, KEEP)
LOG_SUM(f32, float, KEEP, (float))
LOG_SUM(f64, double, KEEP, KEEP)
LOG_SUM(half, uint16_t, bt_half_to_float, TO_HALF)
LOG_SUM(bf16, uint16_t, bt_bf16_to_float, TO_BF16)

#define FLOATS(way)                                                                   \
    [BERTH_FLOAT] = way##_f32, [BERTH_DOUBLE] = way##_f64, [BERTH_HALF] = way##_half, \
    [BERTH_BFLOAT16] = way##_bf16
#define NUMBERS(way)                                                                                     \
    FLOATS(way), [BERTH_COMPLEX64] = way##_c64, [BERTH_COMPLEX128] = way##_c128, [BERTH_INT8] = way##_8, \
                 [BERTH_UINT8] = way##_8, [BERTH_INT16] = way##_16, [BERTH_UINT16] = way##_16,           \
                 [BERTH_INT32] = way##_32, [BERTH_UINT32] = way##_32, [BERTH_INT64] = way##_64,          \
                 [BERTH_UINT64] = way##_64
static scan_fn *const loops[][BERTH_UINT64 + 1] = {
    [SUM] = {NUMBERS(sum)}, [PROD] = {NUMBERS(prod)}, [LOGSUMEXP] = {FLOATS(log)}};

typedef struct scan_job {
    scan_fn *loop;
    const char *x;
    char *y;
    int64_t n, inner;
    size_t size;
    bool exclusive, reverse;
} scan_job;

static void scan_rows(void *user, int64_t begin, int64_t end, int worker)
{
    const scan_job *job = user;
    size_t block = (size_t)(job->n * job->inner) * job->size;
    (void)worker;
    for (int64_t r = begin; r < end; r++)
        job->loop(job->y + (size_t)r * block, job->x + (size_t)r * block, job->n, job->inner, job->exclusive,
                  job->reverse);
}

BT_CL_DECLARE(scan);

/* As in scan.cl. */
typedef struct gpu_scan {
    int64_t columns, n, inner, exclusive, reverse;
} gpu_scan;

static berth_status scan_on_gpu(bt_call *c, const scan_job *job)
{
    char defines[BT_DEFINES], op[48];
    int64_t count = bt_tensor_count(c->in[0]);
    if (count == 0) return BERTH_OK;
    gpu_scan by = {count / job->n, job->n, job->inner, job->exclusive, job->reverse};
    snprintf(op, sizeof op, "-DOP=%s", c->node->op);
    bt_gpu_defines(defines, c->in[0]->dtype, 0, op);
    bt_grid grid = bt_grid_groups(c, by.columns, by.n);
    bt_arg args[] = {bt_pointer(job->x), bt_pointer(job->y), bt_bytes(&by, sizeof by)};
    return bt_gpu_launch(c, BT_CL(scan), defines, "scan_columns", &grid, args, 3);
}

static berth_status scan_axis(const bt_tensor *axis, int rank, int *out, berth_error *error)
{
    if ((axis->dtype != BERTH_INT32 && axis->dtype != BERTH_INT64) || bt_tensor_count(axis) != 1)
        return bt_fail(error, BERTH_BAD_INPUT, "ScanOp: axis must be a scalar");
    int64_t given = bt_tensor_int(axis, 0);
    if (!bt_axis(given, rank, out))
        return bt_fail(error, BERTH_BAD_INPUT,
                       "ScanOp: Expected scan axis in the range [%d, %d), but got %lld", -rank, rank,
                       (long long)given);
    return BERTH_OK;
}

static berth_status run(bt_call *c, kind k)
{
    int axis;
    if (c->n_in != 2) return bt_call_fail(c, "needs 2 inputs, has %d", c->n_in);
    const bt_tensor *x = c->in[0];
    scan_job job = {loops[k][x->dtype], x->data, .size = bt_dtype_size(x->dtype)};
    if (!job.loop) return bt_call_unsupported(c, "no kernel for %s", bt_dtype_name(x->dtype));
    berth_status status = scan_axis(c->in[1], x->shape.rank, &axis, c->error);
    if (status) return status;
    job.exclusive = bt_attr_bool(c->node, "exclusive", false),
    job.reverse = bt_attr_bool(c->node, "reverse", false);
    job.n = x->shape.dim[axis], job.inner = bt_shape_span(&x->shape, axis + 1, x->shape.rank);
    job.y = bt_out(c, 0, x->dtype, &x->shape);
    if (!job.y) return c->error->status;
    if (bt_on_gpu(c)) return scan_on_gpu(c, &job);
    int64_t block = job.n * job.inner;
    if (block > 0) bt_parallel(c->pool, bt_tensor_count(x) / block, 16384 / block + 1, scan_rows, &job);
    return BERTH_OK;
}

static berth_status run_cumsum(bt_call *c) { return run(c, SUM); }
static berth_status run_cumprod(bt_call *c) { return run(c, PROD); }
static berth_status run_cumulative_logsumexp(bt_call *c) { return run(c, LOGSUMEXP); }

static berth_status infer_scan(bt_infer *x)
{
    int axis;
    if (x->n_in < 2) return bt_infer_fail(x, "needs two inputs, has %d", x->n_in);
    if (x->in[1].value && x->in[0].shape.rank >= 0) {
        berth_status status = scan_axis(x->in[1].value, x->in[0].shape.rank, &axis, x->error);
        if (status) return status;
    }
    return bt_infer_same(x);
}

#define ROW(op, name, all)                                                                                   \
    {                                                                                                        \
        op, infer_scan, .cpu = run_##name, .types = all, .gpu = run_##name, .gpu_types = all, .host_inputs = 2 \
    }

/* The exclusive form reads the element behind the one it writes: never in place. */
const bt_op bt_ops_scan[] = {
    ROW("Cumsum", cumsum, BT_NUMBERS),
    ROW("Cumprod", cumprod, BT_NUMBERS),
    ROW("CumulativeLogsumexp", cumulative_logsumexp, BT_FLOATS),
    {0},
};
