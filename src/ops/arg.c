/* ArgMax and ArgMin along one axis. The first of equal values wins; NaN never does, nor does a value no better than
 * the type's worst finite one, so that where nothing wins the answer is 0, as in TensorFlow. */
#include <float.h>

#include "ops/gpu.h"
#include "ops/move.h"
#include "ops/op.h"

/* Rows of `inner` elements, n of them: the index of the best in each column. */
typedef void arg_fn(int64_t *index, const void *x, int64_t n, int64_t inner);

#define KEEP(v) (v)
#define ARG(name, T, C, LOAD, operator, worst)                                \
    static void name(int64_t *index, const void *p, int64_t n, int64_t inner) \
    {                                                                         \
        for (int64_t j = 0; j < inner; j++) {                                 \
            const T *x = (const T *)p + j;                                    \
            C best = worst;                                                   \
            int64_t at = 0;                                                   \
            for (int64_t i = 0; i < n; i++) {                                 \
                C v = LOAD(x[i * inner]);                                     \
                if (v operator best) best = v, at = i;                        \
            }                                                                 \
            index[j] = at;                                                    \
        }                                                                     \
    }
#define BOTH(S, T, C, LOAD, least, most) \
    ARG(max_##S, T, C, LOAD, >, least)   \
    ARG(min_##S, T, C, LOAD, <, most)
BOTH(float, float, float, KEEP, -FLT_MAX, FLT_MAX)
BOTH(double, double, double, KEEP, -DBL_MAX, DBL_MAX)
BOTH(half, uint16_t, float, bt_half_to_float, -65504.0f, 65504.0f)
BOTH(bf16, uint16_t, float, bt_bf16_to_float, -0x1.fep127f, 0x1.fep127f)
BOTH(i8, int8_t, int8_t, KEEP, INT8_MIN, INT8_MAX)
BOTH(i16, int16_t, int16_t, KEEP, INT16_MIN, INT16_MAX)
BOTH(i32, int32_t, int32_t, KEEP, INT32_MIN, INT32_MAX)
BOTH(i64, int64_t, int64_t, KEEP, INT64_MIN, INT64_MAX)
BOTH(u8, uint8_t, uint8_t, KEEP, 0, UINT8_MAX)
BOTH(u16, uint16_t, uint16_t, KEEP, 0, UINT16_MAX)
BOTH(u32, uint32_t, uint32_t, KEEP, 0, UINT32_MAX)
BOTH(u64, uint64_t, uint64_t, KEEP, 0, UINT64_MAX)
BOTH(b8, uint8_t, uint8_t, KEEP, 0, 1)

#define ROW(way)                                                                               \
    {                                                                                          \
        [BERTH_FLOAT] = way##_float, [BERTH_DOUBLE] = way##_double, [BERTH_HALF] = way##_half, \
        [BERTH_BFLOAT16] = way##_bf16, [BERTH_INT8] = way##_i8, [BERTH_INT16] = way##_i16,     \
        [BERTH_INT32] = way##_i32, [BERTH_INT64] = way##_i64, [BERTH_UINT8] = way##_u8,        \
        [BERTH_UINT16] = way##_u16, [BERTH_UINT32] = way##_u32, [BERTH_UINT64] = way##_u64,    \
        [BERTH_BOOL] = way##_b8                                                                \
    }
static arg_fn *const loops[2][BERTH_UINT64 + 1] = {ROW(max), ROW(min)};

typedef struct arg_job {
    arg_fn *loop;
    const char *x;
    int64_t *index; /* int64, one an output */
    int64_t n, inner;
    size_t size;
} arg_job;

static void arg_rows(void *user, int64_t begin, int64_t end, int worker)
{
    const arg_job *job = user;
    (void)worker;
    for (int64_t r = begin; r < end; r++)
        job->loop(job->index + r * job->inner, job->x + (size_t)(r * job->n * job->inner) * job->size, job->n,
                  job->inner);
}

static void store(void *y, berth_dtype dtype, const int64_t *index, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (dtype == BERTH_INT64) ((int64_t *)y)[i] = index[i];
        else if (dtype == BERTH_INT32) ((int32_t *)y)[i] = (int32_t)index[i];
        else ((uint16_t *)y)[i] = (uint16_t)index[i];
}

static berth_status axis_of(const bt_tensor *axis, int rank, int *out, berth_error *error)
{
    if ((axis->dtype != BERTH_INT16 && axis->dtype != BERTH_INT32 && axis->dtype != BERTH_INT64) ||
        bt_tensor_count(axis) != 1)
        return bt_fail(error, BERTH_BAD_INPUT, "dim must be a scalar integer");
    int64_t given = bt_tensor_int(axis, 0);
    if (!bt_axis(given, rank, out))
        return bt_fail(error, BERTH_BAD_INPUT, "Expected dimension in the range [%d, %d), but got %lld",
                       -rank, rank, (long long)given);
    return BERTH_OK;
}

BT_CL_DECLARE(pick);

/* x [outer, n, inner] */
static berth_status run_on_device(bt_call *c, int way, berth_dtype out, const bt_shape *shape, int64_t n,
                                  int64_t inner)
{
    char defines[BT_DEFINES];
    void *y = bt_out(c, 0, out, shape);
    if (!y) return c->error->status;
    int64_t count = bt_shape_count(shape);
    bt_grid grid = bt_grid_of(c, count * (c->device->is_cpu_shaped ? n : 1));
    bt_arg args[] = {
        bt_pointer(c->in[0]->data), bt_pointer(y), bt_long(count), bt_long(n), bt_long(inner), bt_int(way)};
    bt_gpu_defines(defines, c->in[0]->dtype, out, "-DARG");
    return bt_gpu_launch(c, BT_CL(pick), defines, "arg_best", &grid, args, 6);
}

static berth_status run_arg(bt_call *c, int way)
{
    char text[BT_SHAPE_TEXT];
    int axis;
    if (c->n_in != 2) return bt_call_fail(c, "needs 2 inputs, has %d", c->n_in);
    const bt_tensor *x = c->in[0];
    berth_dtype out = bt_attr_type(c->node, "output_type", BERTH_INT64);
    berth_status status = axis_of(c->in[1], x->shape.rank, &axis, c->error);
    if (status) return status;
    if (!loops[way][x->dtype]) return bt_call_unsupported(c, "no kernel for %s", bt_dtype_name(x->dtype));
    if (out != BERTH_INT64 && out != BERTH_INT32 && out != BERTH_INT16 && out != BERTH_UINT16)
        return bt_call_unsupported(c, "no kernel for indices of %s", bt_dtype_name(out));
    if (x->shape.dim[axis] == 0)
        return bt_call_fail(c, "Reduction axis %d is empty in shape %s", axis,
                            bt_shape_text(&x->shape, text));
    bt_shape shape = {.rank = x->shape.rank - 1};
    for (int i = 0; i < shape.rank; i++) shape.dim[i] = x->shape.dim[i < axis ? i : i + 1];
    if (bt_on_device(c))
        return run_on_device(c, way, out, &shape, x->shape.dim[axis],
                             bt_shape_span(&x->shape, axis + 1, x->shape.rank));
    int64_t outputs = bt_shape_count(&shape);
    arg_job job = {loops[way][x->dtype],
                   x->data,
                   bt_scratch(c, (size_t)outputs * sizeof(int64_t)),
                   x->shape.dim[axis],
                   bt_shape_span(&x->shape, axis + 1, x->shape.rank),
                   bt_dtype_size(x->dtype)};
    if (!job.index) return c->error->status;
    if (outputs > 0)
        bt_parallel(c->pool, outputs / job.inner, 16384 / (job.n * job.inner) + 1, arg_rows, &job);
    void *y = bt_out(c, 0, out, &shape);
    if (!y) return c->error->status;
    store(y, out, job.index, outputs);
    return BERTH_OK;
}

static berth_status run_arg_max(bt_call *c) { return run_arg(c, 0); }
static berth_status run_arg_min(bt_call *c) { return run_arg(c, 1); }

static berth_status infer_arg(bt_infer *x)
{
    int axis;
    if (x->n_in < 2) return bt_infer_fail(x, "needs two inputs, has %d", x->n_in);
    const bt_shape *in = &x->in[0].shape;
    bt_shape *out = &x->out[0].shape;
    x->out[0].dtype = bt_attr_type(x->node, "output_type", BERTH_INT64);
    if (in->rank < 0) return BERTH_OK;
    if (in->rank > 0 && !x->in[1].value) {
        out->rank = in->rank - 1;
        for (int i = 0; i < out->rank; i++) out->dim[i] = -1;
        return BERTH_OK;
    }
    if (!x->in[1].value) return BERTH_OK;
    berth_status status = axis_of(x->in[1].value, in->rank, &axis, x->error);
    if (status) return status;
    out->rank = in->rank - 1;
    for (int i = 0; i < out->rank; i++) out->dim[i] = in->dim[i < axis ? i : i + 1];
    return BERTH_OK;
}

const bt_op bt_ops_arg[] = {
    {"ArgMax", infer_arg, .cpu = run_arg_max, .gpu = run_arg_max, .host_inputs = 2,
     .types = BT_REALS | BT_T(BERTH_BOOL), .gpu_types = BT_REALS | BT_T(BERTH_BOOL)},
    {"ArgMin", infer_arg, .cpu = run_arg_min, .gpu = run_arg_min, .host_inputs = 2,
     .types = BT_REALS | BT_T(BERTH_BOOL), .gpu_types = BT_REALS | BT_T(BERTH_BOOL)},
    {0},
};
