/* Pooling of 2 and 3 spatial axes: the largest, its place, or the mean of a window. Channels last; float images go to
 * simd/gemm.h a pixel at a time, half and bfloat16 by way of float, all else through plain loops. */
#include <float.h>
#include <math.h>

#include "ops/gpu.h"
#include "ops/move.h"
#include "ops/product.h"
#include "ops/window.h"

/* ---- Shapes ------------------------------------------------------------------------------------------- */

static berth_status parse(const bt_node *node, int n_in, bt_windowing *w, berth_error *error)
{
    int least = strcmp(node->op, "MaxPoolV2") ? 1 : 3;
    if (n_in < least) return bt_fail(error, BERTH_BAD_MODEL, "has %d inputs, not %d", n_in, least);
    bool deep = bt_ends(node->op, "3D");
    berth_status status = bt_windowing_parse(node, deep ? 3 : 2, true, w, error);
    w->centred = deep;
    return status;
}

/* Pooling over channels: all of them in whole groups, and nothing along the other axes. */
static berth_status check_depth(const bt_windowing *w, const bt_sizes *s, berth_error *error)
{
    bool over_pixels = bt_axes_count(w->size) != 1 || bt_axes_count(w->stride) != 1;
    if (over_pixels || w->depth_step != w->depth || (s->in_c >= 0 && s->in_c % w->depth))
        return bt_fail(error, BERTH_BAD_MODEL, "pooling of %lld channels each", (long long)w->depth);
    return BERTH_OK;
}

/* Sizes; MaxPoolV2's window and strides come as inputs 1 and 2. False in *known when they are not to be told yet. */
static berth_status all_sizes(bt_windowing *w, const bt_fact *in, int n_in, bt_sizes *s, bool *known,
                              berth_error *error)
{
    berth_status status = bt_sizes_input(w, &in[0].shape, s, error);
    *known = n_in < 3 || (in[1].value && in[2].value);
    if (!status && n_in >= 3 && *known) status = bt_windowing_read(in[1].value, w, w->size, &w->depth, error);
    if (!status && n_in >= 3 && *known)
        status = bt_windowing_read(in[2].value, w, w->stride, &w->depth_step, error);
    if (!status && *known && w->depth > 1) status = check_depth(w, s, error);
    s->out_c = s->in_c < 0 ? -1 : s->in_c / w->depth;
    memcpy(s->filter, w->size, sizeof s->filter);
    for (int i = 0; i < BT_AXES; i++) s->out[i] = -1;
    return status || !*known ? status : bt_sizes_output(w, s, error);
}

static berth_status infer_pool(bt_infer *x)
{
    bt_windowing w;
    bt_sizes s;
    bool known;
    berth_status status = parse(x->node, x->n_in, &w, x->error);
    if (status) return status;
    w.planning = x->planning;
    x->out[0].dtype = x->in[0].dtype ? x->in[0].dtype : bt_attr_type(x->node, "T", BERTH_FLOAT);
    status = all_sizes(&w, x->in, x->n_in, &s, &known, x->error);
    if (!status && w.depth > 1 && strcmp(x->node->op, "MaxPool") && strcmp(x->node->op, "MaxPoolV2"))
        return bt_fail(x->error, BERTH_UNSUPPORTED, "pooling over channels");
    if (!status) x->out[0].shape = bt_sizes_shape(&w, s.batch, s.out, s.out_c);
    return status;
}

static berth_status infer_argmax(bt_infer *x)
{
    berth_status status = infer_pool(x);
    x->out[1].dtype = bt_attr_type(x->node, "Targmax", BERTH_INT64);
    x->out[1].shape = x->out[0].shape;
    return status;
}

/* ---- Windows ------------------------------------------------------------------------------------------ */

typedef struct pooling {
    const bt_sizes *s;
    const bt_windowing *w;
    const void *x;
    void *y, *argmax;
    berth_dtype argmax_type;
    bool with_batch; /* in argmax */
} pooling;

/* The part [from, to) of an axis that a window covers. */
typedef struct span {
    int64_t from, to;
} span;

static span cover(const pooling *p, int axis, int64_t i)
{
    int64_t from = i * p->w->stride[axis] - p->s->before[axis], to = from + p->s->filter[axis];
    return (span){from > 0 ? from : 0, to < p->s->in[axis] ? to : p->s->in[axis]};
}

/* What lies under output pixel `index`. */
typedef struct region {
    int64_t image; /* first pixel of the input image */
    span z, y, x;
    int64_t pixels;
} region;

static region region_of(const pooling *p, int64_t index)
{
    const int64_t *out = p->s->out;
    region r = {.image = index / (out[0] * out[1] * out[2]) * bt_axes_count(p->s->in),
                .z = cover(p, 0, index / (out[1] * out[2]) % out[0]),
                .y = cover(p, 1, index / out[2] % out[1]),
                .x = cover(p, 2, index % out[2])};
    int64_t d = r.z.to - r.z.from, h = r.y.to - r.y.from, w = r.x.to - r.x.from;
    r.pixels = d > 0 && h > 0 && w > 0 ? d * h * w : 0;
    return r;
}

#define FOR_PIXELS(p, r)                                                                                  \
    for (int64_t z = (r).z.from; z < (r).z.to; z++)                                                       \
        for (int64_t i = (r).y.from; i < (r).y.to; i++)                                                   \
            for (int64_t j = (r).x.from, pixel = (r).image + (z * (p)->s->in[1] + i) * (p)->s->in[2] + j; \
                 j < (r).x.to; j++, pixel++)

/* A NaN wins. */
#define MAX(name, T, LEAST)                                                         \
    static void max_##name(void *user, int64_t begin, int64_t end, int worker)      \
    {                                                                               \
        const pooling *p = user;                                                    \
        int64_t channels = p->s->in_c;                                              \
        (void)worker;                                                               \
        for (int64_t index = begin; index < end; index++) {                         \
            region r = region_of(p, index);                                         \
            T *y = (T *)p->y + index * channels;                                    \
            for (int64_t c = 0; c < channels; c++) y[c] = LEAST;                    \
            FOR_PIXELS(p, r)                                                        \
            {                                                                       \
                const T *x = (const T *)p->x + pixel * channels;                    \
                for (int64_t c = 0; c < channels; c++)                              \
                    if (x[c] > y[c] || x[c] != x[c]) y[c] = x[c];                   \
            }                                                                       \
        }                                                                           \
    }                                                                               \
    /* The first of the largest. */                                                 \
    static void argmax_##name(void *user, int64_t begin, int64_t end, int worker)   \
    {                                                                               \
        const pooling *p = user;                                                    \
        int64_t channels = p->s->in_c;                                              \
        (void)worker;                                                               \
        for (int64_t index = begin; index < end; index++) {                         \
            region r = region_of(p, index);                                         \
            T *y = (T *)p->y + index * channels;                                    \
            for (int64_t c = 0; c < channels; c++) {                                \
                int64_t place = -1;                                                 \
                y[c] = LEAST;                                                       \
                FOR_PIXELS(p, r)                                                    \
                {                                                                   \
                    T x = ((const T *)p->x)[pixel * channels + c];                  \
                    if (place >= 0 && !(x > y[c])) continue;                        \
                    y[c] = x;                                                       \
                    place = (pixel - (p->with_batch ? 0 : r.image)) * channels + c; \
                }                                                                   \
                if (p->argmax_type == BERTH_INT32)                                  \
                    ((int32_t *)p->argmax)[index * channels + c] = (int32_t)place;  \
                else ((int64_t *)p->argmax)[index * channels + c] = place;          \
            }                                                                       \
        }                                                                           \
    }
MAX(float, float, -INFINITY)
MAX(double, double, -INFINITY)
MAX(int8, int8_t, INT8_MIN)
MAX(int16, int16_t, INT16_MIN)
MAX(int32, int32_t, INT32_MIN)
MAX(int64, int64_t, INT64_MIN)
MAX(uint8, uint8_t, 0)
MAX(uint16, uint16_t, 0)
MAX(uint32, uint32_t, 0)
MAX(uint64, uint64_t, 0)

static const struct {
    berth_dtype dtype;
    bt_range_fn *max, *argmax;
} kinds[] = {
    {BERTH_FLOAT, max_float, argmax_float},    {BERTH_DOUBLE, max_double, argmax_double},
    {BERTH_INT8, max_int8, argmax_int8},       {BERTH_INT16, max_int16, argmax_int16},
    {BERTH_INT32, max_int32, argmax_int32},    {BERTH_INT64, max_int64, argmax_int64},
    {BERTH_UINT8, max_uint8, argmax_uint8},    {BERTH_UINT16, max_uint16, argmax_uint16},
    {BERTH_UINT32, max_uint32, argmax_uint32}, {BERTH_UINT64, max_uint64, argmax_uint64},
};

#define MEAN(name, T)                                                           \
    static void mean_##name(void *user, int64_t begin, int64_t end, int worker) \
    {                                                                           \
        const pooling *p = user;                                                \
        int64_t channels = p->s->in_c;                                          \
        (void)worker;                                                           \
        for (int64_t index = begin; index < end; index++) {                     \
            region r = region_of(p, index);                                     \
            T *y = (T *)p->y + index * channels;                                \
            for (int64_t c = 0; c < channels; c++) y[c] = 0;                    \
            FOR_PIXELS(p, r)                                                    \
            {                                                                   \
                const T *x = (const T *)p->x + pixel * channels;                \
                for (int64_t c = 0; c < channels; c++) y[c] += x[c];            \
            }                                                                   \
            for (int64_t c = 0; c < channels; c++) y[c] /= (T)r.pixels;         \
        }                                                                       \
    }
MEAN(float, float)
MEAN(double, double)

/* Float images without depth: whole windows in registers. */
static void image_max(void *user, int64_t begin, int64_t end, int worker)
{
    const pooling *p = user;
    int64_t channels = p->s->in_c, row = p->s->in[2] * channels;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        region r = region_of(p, i);
        float *y = (float *)p->y + i * channels;
        const float *x = (const float *)p->x + (r.image + r.y.from * p->s->in[2] + r.x.from) * channels;
        if (r.pixels > 0)
            bt_simd_get()->gemm.window_max(y, x, r.y.to - r.y.from, r.x.to - r.x.from, row, channels,
                                           channels);
        for (int64_t c = 0; r.pixels == 0 && c < channels; c++) y[c] = -FLT_MAX;
    }
}

static void image_mean(void *user, int64_t begin, int64_t end, int worker)
{
    const pooling *p = user;
    int64_t channels = p->s->in_c, row = p->s->in[2] * channels;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        region r = region_of(p, i);
        float *y = (float *)p->y + i * channels;
        const float *x = (const float *)p->x + (r.image + r.y.from * p->s->in[2] + r.x.from) * channels;
        int64_t h = r.pixels > 0 ? r.y.to - r.y.from : 0;
        bt_simd_get()->gemm.window_sum(y, x, h, r.x.to - r.x.from, row, channels, channels,
                                       1.0f / (float)r.pixels);
    }
}

/* ---- On a device -------------------------------------------------------------------------------------- */

BT_CL_DECLARE(pool);

/* As in pool.cl. */
typedef struct device_pool {
    int64_t pixels, channels, mean;
    int64_t in[BT_AXES], out[BT_AXES], filter[BT_AXES], stride[BT_AXES], before[BT_AXES];
} device_pool;

static const char *least_of(berth_dtype dtype)
{
    return dtype == BERTH_INT32   ? "-DLEAST=-2147483648"
           : dtype == BERTH_INT64 ? "-DLEAST=-9223372036854775807L-1"
                                  : "-DLEAST=-M_INF";
}

static berth_status run_on_device(bt_call *c, const bt_windowing *w, const bt_sizes *s, const void *x,
                                  void *y, const pooling *p)
{
    char defines[BT_DEFINES];
    berth_dtype dtype = c->in[0]->dtype;
    device_pool by = {s->batch * bt_axes_count(s->out), s->in_c, bt_starts(c->node->op, "Avg")};
    memcpy(by.in, s->in, sizeof by.in);
    memcpy(by.out, s->out, sizeof by.out);
    memcpy(by.filter, s->filter, sizeof by.filter);
    memcpy(by.stride, w->stride, sizeof by.stride);
    memcpy(by.before, s->before, sizeof by.before);
    bt_grid grid = bt_grid_of(c, by.pixels * by.channels);
    bt_gpu_defines(defines, dtype, c->n_out > 1 ? p->argmax_type : 0, least_of(dtype));
    if (c->n_out > 1)
        return bt_gpu_launch(c, BT_CL(pool), defines, "pool_argmax", &grid,
                             (bt_arg[]){bt_pointer(x), bt_pointer(y), bt_pointer(p->argmax), bt_bytes(&by, sizeof by),
                                        bt_long(p->with_batch)},
                             5);
    return bt_gpu_launch(c, BT_CL(pool), defines, "pool_windows", &grid,
                         (bt_arg[]){bt_pointer(x), bt_pointer(y), bt_bytes(&by, sizeof by)}, 3);
}

/* ---- Running ------------------------------------------------------------------------------------------ */

static berth_status prepare_pool(bt_prepare *p)
{
    bt_windowing *w = bt_arena_new(p->arena, bt_windowing);
    if (!w) return bt_fail_memory(p->error);
    p->state = w;
    return parse(p->node, p->n_in, w, p->error);
}

static bt_range_fn *choose(const bt_call *c, const bt_sizes *s, berth_dtype dtype)
{
    bool is_image = dtype == BERTH_FLOAT && s->in[0] == 1 && s->filter[0] == 1;
    if (bt_starts(c->node->op, "Avg"))
        return is_image                ? image_mean
               : dtype == BERTH_FLOAT  ? mean_float
               : dtype == BERTH_DOUBLE ? mean_double
                                       : NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].dtype == dtype)
            return c->n_out > 1 ? kinds[i].argmax : is_image ? image_max : kinds[i].max;
    return NULL;
}

/* Groups of channels as windows along a row of pixels of one channel each. */
static void along_channels(bt_windowing *w, bt_sizes *s)
{
    int64_t n = s->batch * bt_axes_count(s->in) * s->in_c;
    *s = (bt_sizes){.batch = 1,
                    .in_c = 1,
                    .out_c = 1,
                    .in = {1, 1, n},
                    .filter = {1, 1, w->depth},
                    .out = {1, 1, n / w->depth}};
    w->stride[2] = w->depth;
}

static berth_status run_pool(bt_call *c)
{
    bt_windowing w = *(const bt_windowing *)c->state;
    bt_fact in[3] = {{0}};
    bt_sizes s;
    bool known;
    for (int i = 0; i < 3 && i < c->n_in; i++) in[i] = (bt_fact){c->in[i]->dtype, c->in[i]->shape, c->in[i]};
    berth_status status = all_sizes(&w, in, c->n_in, &s, &known, c->error);
    if (status) return status;
    berth_dtype dtype = c->in[0]->dtype;
    bool narrow = dtype == BERTH_HALF || dtype == BERTH_BFLOAT16;
    bt_range_fn *run = choose(c, &s, narrow ? BERTH_FLOAT : dtype);
    if (!run) return bt_call_unsupported(c, "pooling of %s", bt_dtype_name(dtype));
    for (int i = 0; i < BT_AXES; i++)
        if (w.before[i] >= w.size[i] || w.after[i] >= w.size[i])
            return bt_call_fail(c, "padding must be smaller than the window");
    bt_shape shape = bt_sizes_shape(&w, s.batch, s.out, s.out_c);
    int64_t count = bt_shape_count(&shape);
    void *out = bt_out(c, 0, dtype, &shape);
    pooling p = {.s = &s,
                 .w = &w,
                 .argmax_type = bt_attr_type(c->node, "Targmax", BERTH_INT64),
                 .with_batch = bt_attr_bool(c->node, "include_batch_in_index", false)};
    if (!out || (c->n_out > 1 && !(p.argmax = bt_out(c, 1, p.argmax_type, &shape)))) return BERTH_NO_MEMORY;
    if (c->n_out > 1 && bt_tensor_count(c->in[0]) == 0)
        return bt_call_fail(c, "the input must have elements");
    if (count == 0) return BERTH_OK;
    const void *x = bt_channels_last(c, 0, &w, &s);
    void *y = w.channels_first ? bt_scratch(c, bt_tensor_bytes(c->out[0])) : out;
    if (!x || !y) return BERTH_NO_MEMORY;
    const bt_sizes whole = s;
    if (w.depth > 1) along_channels(&w, &s);
    if (bt_on_device(c)) {
        status = run_on_device(c, &w, &s, x, y, &p);
        return status || y == out
                   ? status
                   : bt_swap_axes(c, dtype, out, y, whole.batch, bt_axes_count(whole.out), whole.out_c);
    }
    p.x = narrow ? bt_floats(c, dtype, x, bt_tensor_count(c->in[0])) : x;
    p.y = narrow ? bt_floats_out(c, dtype, y, count) : y;
    if (!p.x || !p.y) return BERTH_NO_MEMORY;
    double each = (double)s.in_c * (double)s.filter[0] * (double)s.filter[1] * (double)s.filter[2];
    bt_parallel(c->pool, s.batch * bt_axes_count(s.out), 1 + (int64_t)(20000 / (each + 1)), run, &p);
    if (narrow) bt_floats_done(c, dtype, y, p.y, count);
    return y == out ? BERTH_OK
                    : bt_swap_axes(c, dtype, out, y, whole.batch, bt_axes_count(whole.out), whole.out_c);
}

const bt_op bt_ops_pool[] = {
    {.name = "MaxPool",
     .infer = infer_pool,
     .prepare = prepare_pool,
     .cpu = run_pool,
     .gpu = run_pool,
     .gpu_prepare = prepare_pool,
     .gpu_types = BT_FLOATS | BT_T(BERTH_INT32) | BT_T(BERTH_INT64),
     .types = BT_REALS},
    {.name = "MaxPoolV2",
     .host_inputs = 6,
     .infer = infer_pool,
     .prepare = prepare_pool,
     .cpu = run_pool,
     .gpu = run_pool,
     .gpu_prepare = prepare_pool,
     .gpu_types = BT_FLOATS | BT_T(BERTH_INT32) | BT_T(BERTH_INT64),
     .types = BT_REALS},
    {.name = "MaxPool3D",
     .infer = infer_pool,
     .prepare = prepare_pool,
     .cpu = run_pool,
     .gpu = run_pool,
     .gpu_prepare = prepare_pool,
     .gpu_types = BT_FLOATS,
     .types = BT_FLOATS},
    {.name = "AvgPool",
     .infer = infer_pool,
     .prepare = prepare_pool,
     .cpu = run_pool,
     .gpu = run_pool,
     .gpu_prepare = prepare_pool,
     .gpu_types = BT_FLOATS,
     .types = BT_FLOATS},
    {.name = "AvgPool3D",
     .infer = infer_pool,
     .prepare = prepare_pool,
     .cpu = run_pool,
     .gpu = run_pool,
     .gpu_prepare = prepare_pool,
     .gpu_types = BT_FLOATS,
     .types = BT_FLOATS},
    {.name = "MaxPoolWithArgmax",
     .infer = infer_argmax,
     .prepare = prepare_pool,
     .cpu = run_pool,
     .gpu = run_pool,
     .gpu_prepare = prepare_pool,
     .gpu_types = BT_FLOATS | BT_T(BERTH_INT32) | BT_T(BERTH_INT64),
     .types = BT_REALS,
     .outputs = "output,argmax"},
    {0},
};
