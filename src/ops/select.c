/* Choice between two tensors by a third, and clipping. */
#include "ops/elementwise.h"
#include "ops/gpu.h"
#include "ops/move.h"

/* ---- Select, SelectV2 --------------------------------------------------------------------------------- */

typedef struct select_job {
    berth_dtype dtype;
    size_t size;
    char *y;
    const uint8_t *condition;
    const char *then, *otherwise;
    berth_error *error;
} select_job;

typedef struct pair64 {
    uint64_t low, high;
} pair64;

/* Both sides are loaded, so that the loop has no branch. */
#define CHOOSE_EACH(T, left, right)                      \
    _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) \
    {                                                    \
        const T l = left, r = right;                     \
        y[i] = condition[i] ? l : r;                     \
    }                                                    \
    return
#define CHOOSE(name, T)                                                                                      \
    static void name(T *y, const uint8_t *condition, const T *a, const T *b, const int64_t *step, int64_t n) \
    {                                                                                                        \
        const T one = *a, other = *b;                                                                        \
        if (step[0] == 0) {                                                                                  \
            const T *from = *condition ? a : b;                                                              \
            int64_t by = *condition ? step[1] : step[2];                                                     \
            for (int64_t i = 0; i < n; i++) y[i] = from[i * by];                                             \
            return;                                                                                          \
        }                                                                                                    \
        if (step[1] && step[2]) {                                                                            \
            CHOOSE_EACH(T, a[i], b[i]);                                                                      \
        }                                                                                                    \
        if (step[1]) {                                                                                       \
            CHOOSE_EACH(T, a[i], other);                                                                     \
        }                                                                                                    \
        if (step[2]) {                                                                                       \
            CHOOSE_EACH(T, one, b[i]);                                                                       \
        }                                                                                                    \
        CHOOSE_EACH(T, one, other);                                                                          \
    }
CHOOSE(choose_8, uint8_t)
CHOOSE(choose_16, uint16_t)
CHOOSE(choose_32, uint32_t)
CHOOSE(choose_64, uint64_t)
CHOOSE(choose_128, pair64)

static bool select_row(void *user, int64_t at, const int64_t *in_at, const int64_t *step, int64_t n)
{
    const select_job *job = user;
    char *y = job->y + (size_t)at * job->size;
    const uint8_t *condition = job->condition + in_at[0];
    const char *then = job->then + (size_t)in_at[1] * job->size;
    const char *otherwise = job->otherwise + (size_t)in_at[2] * job->size;
    if (bt_dtype_is_object(job->dtype)) {
        for (int64_t i = 0; i < n; i++) {
            const char *from = condition[i * step[0]] ? then + (size_t)(i * step[1]) * job->size
                                                      : otherwise + (size_t)(i * step[2]) * job->size;
            if (bt_elements_copy(job->dtype, y + (size_t)i * job->size, from, 1, job->error)) return false;
        }
        return true;
    }
    const void *a = then, *b = otherwise;
    switch (job->size) {
    case 1: choose_8((uint8_t *)y, condition, a, b, step, n); break;
    case 2: choose_16((uint16_t *)(void *)y, condition, a, b, step, n); break;
    case 4: choose_32((uint32_t *)(void *)y, condition, a, b, step, n); break;
    case 8: choose_64((uint64_t *)(void *)y, condition, a, b, step, n); break;
    default: choose_128((pair64 *)(void *)y, condition, a, b, step, n); break;
    }
    return true;
}

static berth_status select_into(bt_call *c, const bt_shape *out, const bt_shape *condition)
{
    bt_broadcast plan;
    berth_dtype dtype = c->in[1]->dtype;
    const bt_shape *shapes[] = {condition, &c->in[1]->shape, &c->in[2]->shape};
    if (!bt_broadcast_plan(&plan, out, shapes, 3)) return bt_call_fail(c, "Incompatible shapes");
    if (bt_on_gpu(c)) return bt_select_gpu(c, &plan, out);
    select_job job = {dtype,          bt_dtype_size(dtype), bt_out(c, 0, dtype, out),
                      c->in[0]->data, c->in[1]->data,       c->in[2]->data,
                      c->error};
    if (!job.y) return c->error->status;
    bt_pool *pool = bt_dtype_is_object(dtype) ? NULL : c->pool;
    return bt_broadcast_run(&plan, pool, select_row, &job) ? BERTH_OK : bt_fail_memory(c->error);
}

static berth_status check_select(bt_call *c)
{
    if (c->n_in != 3) return bt_call_fail(c, "needs 3 inputs, has %d", c->n_in);
    if (c->in[0]->dtype != BERTH_BOOL)
        return bt_call_fail(c, "the condition is %s, not bool", bt_dtype_name(c->in[0]->dtype));
    if (c->in[1]->dtype != c->in[2]->dtype)
        return bt_call_fail(c, "'then' is %s, 'else' %s", bt_dtype_name(c->in[1]->dtype),
                            bt_dtype_name(c->in[2]->dtype));
    return BERTH_OK;
}

/* All three broadcast. */
static berth_status run_select_v2(bt_call *c)
{
    char a[BT_SHAPE_TEXT], b[BT_SHAPE_TEXT], d[BT_SHAPE_TEXT];
    bt_shape values, out;
    berth_status status = check_select(c);
    if (status) return status;
    if (!bt_shape_broadcast(&c->in[1]->shape, &c->in[2]->shape, &values) ||
        !bt_shape_broadcast(&c->in[0]->shape, &values, &out))
        return bt_call_fail(c, "condition %s, then %s, and else %s must be broadcastable",
                            bt_shape_text(&c->in[0]->shape, a), bt_shape_text(&c->in[1]->shape, b),
                            bt_shape_text(&c->in[2]->shape, d));
    return select_into(c, &out, &c->in[0]->shape);
}

/* 'then' and 'else' have one shape; the condition has it too, or is a scalar, or a vector over rows. */
static berth_status run_select(bt_call *c)
{
    char a[BT_SHAPE_TEXT], b[BT_SHAPE_TEXT];
    berth_status status = check_select(c);
    if (status) return status;
    const bt_shape *values = &c->in[1]->shape;
    bt_shape condition = c->in[0]->shape;
    if (!bt_shape_equal(values, &c->in[2]->shape))
        return bt_call_fail(c, "'then' and 'else' must have the same size.  but received: %s vs. %s",
                            bt_shape_text(values, a), bt_shape_text(&c->in[2]->shape, b));
    if (condition.rank == 1 && values->rank > 1) {
        if (condition.dim[0] != values->dim[0])
            return bt_call_fail(
                c, "Number of batches of 'then' must match size of 'cond', but saw: %lld vs. %lld",
                (long long)values->dim[0], (long long)condition.dim[0]);
        for (condition.rank = 1; condition.rank < values->rank; condition.rank++)
            condition.dim[condition.rank] = 1;
    } else if (condition.rank > 0 && !bt_shape_equal(&condition, values)) {
        return bt_call_fail(
            c, "'cond' must be a scalar, a vector over the rows of 'then', or of its shape: %s vs. %s",
            bt_shape_text(&condition, a), bt_shape_text(values, b));
    }
    return select_into(c, values, &condition);
}

static berth_status infer_select(bt_infer *x)
{
    if (x->n_in < 3) return bt_infer_fail(x, "needs three inputs, has %d", x->n_in);
    x->out[0].dtype = x->in[1].dtype ? x->in[1].dtype : x->in[2].dtype;
    x->out[0].shape = x->in[1].shape;
    if (!bt_shape_merge(&x->out[0].shape, &x->in[2].shape))
        return bt_infer_fail(x, "'then' and 'else' differ in shape");
    const bt_shape *condition = &x->in[0].shape, *values = &x->out[0].shape;
    bool rows = condition->rank == 1 && values->rank >= 1 &&
                (condition->dim[0] < 0 || values->dim[0] < 0 || condition->dim[0] == values->dim[0]);
    if (condition->rank > 0 && values->rank >= 0 && !rows && !bt_shape_compatible(condition, values))
        return bt_infer_fail(x, "the condition's shape does not fit that of 'then'");
    return BERTH_OK;
}

static berth_status infer_select_v2(bt_infer *x)
{
    bt_shape values;
    if (x->n_in < 3) return bt_infer_fail(x, "needs three inputs, has %d", x->n_in);
    x->out[0].dtype = x->in[1].dtype ? x->in[1].dtype : x->in[2].dtype;
    if (!bt_shape_broadcast(&x->in[1].shape, &x->in[2].shape, &values) ||
        !bt_shape_broadcast(&x->in[0].shape, &values, &x->out[0].shape))
        return bt_infer_fail(x, "condition, 'then' and 'else' do not broadcast");
    return BERTH_OK;
}

/* ---- ClipByValue: the bounds are scalars or of the input's shape -------------------------------------- */

/* A NaN stays, since no comparison with it holds. */
#define CLIP(name, T)                                                                                      \
    static bool name(void *out, const void *const *in, const int64_t *step, int64_t n, const float *param) \
    {                                                                                                      \
        T *y = out;                                                                                        \
        const T *x = in[0], *low = in[1], *high = in[2];                                                   \
        (void)param;                                                                                       \
        for (int64_t i = 0; i < n; i++) {                                                                  \
            T v = x[i * step[0]], least = low[i * step[1]], most = high[i * step[2]];                      \
            v = v > most ? most : v;                                                                       \
            y[i] = v < least ? least : v;                                                                  \
        }                                                                                                  \
        return true;                                                                                       \
    }
CLIP(clip_any_f32, float)
CLIP(clip_f64, double)
CLIP(clip_i8, int8_t)
CLIP(clip_i16, int16_t)
CLIP(clip_i32, int32_t)
CLIP(clip_i64, int64_t)
CLIP(clip_u8, uint8_t)
CLIP(clip_u16, uint16_t)
CLIP(clip_u32, uint32_t)
CLIP(clip_u64, uint64_t)

/* Real and imaginary parts each for themselves. */
#define CLIP_COMPLEX(name, T)                                                                                      \
    static bool name(void *out, const void *const *in, const int64_t *step, int64_t n, const float *param)         \
    {                                                                                                              \
        T *y = out;                                                                                                \
        (void)param;                                                                                               \
        for (int64_t i = 0; i < 2 * n; i++) {                                                                      \
            T v[3];                                                                                                \
            for (int k = 0; k < 3; k++) v[k] = ((const T *)in[k])[step[k] ? i : i & 1];                            \
            v[0] = v[0] > v[2] ? v[2] : v[0];                                                                      \
            y[i] = v[0] < v[1] ? v[1] : v[0];                                                                      \
        }                                                                                                          \
        return true;                                                                                               \
    }
CLIP_COMPLEX(clip_c64, float)
CLIP_COMPLEX(clip_c128, double)

static bool clip_f32(void *y, const void *const *in, const int64_t *step, int64_t n, const float *param)
{
    float low = *(const float *)in[1], high = *(const float *)in[2];
    if (step[1] || step[2] || !(low <= high)) return clip_any_f32(y, in, step, n, param);
    bt_simd_get()->vec.unary[BT_VEC_CLAMP](y, in[0], n, low, high);
    return true;
}
static const bt_elementwise clip_op = {.n_in = 3, .of = {BT_OF_FLOATS(clip), BT_OF_INTS(clip), BT_OF_COMPLEXES(clip)}};

static berth_status run_clip(bt_call *c)
{
    for (int k = 1; k < c->n_in; k++)
        if (c->in[k]->shape.rank > 0 && !bt_shape_equal(&c->in[k]->shape, &c->in[0]->shape))
            return bt_call_fail(
                c,
                "clip_value_min and clip_value_max must be either of the same shape as input, or a scalar.");
    return bt_elementwise_run(c, &clip_op, NULL);
}

static berth_status infer_clip(bt_infer *x)
{
    for (int k = 1; k < x->n_in; k++)
        if (x->in[k].shape.rank > 0 && !bt_shape_compatible(&x->in[k].shape, &x->in[0].shape))
            return bt_infer_fail(
                x,
                "clip_value_min and clip_value_max must be either of the same shape as input, or a scalar.");
    return bt_infer_same(x);
}

/* ---- Records ------------------------------------------------------------------------------------------ */

const bt_op bt_ops_select[] = {
    {"Select", infer_select, .cpu = run_select, .gpu = run_select, .gpu_types = BT_GPU_MOVES},
    {"SelectV2", infer_select_v2, .cpu = run_select_v2, .gpu = run_select_v2, .gpu_types = BT_GPU_MOVES},
    {"ClipByValue", infer_clip, .cpu = run_clip, .flags = BT_OP_INPLACE, BT_NUMBERS, .gpu = run_clip,
     .gpu_types = BT_NUMBERS},
    {0},
};
