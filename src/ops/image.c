/* Colours of images: contrast about the mean, hue, saturation, and the conversions between RGB and HSV. Float and
 * double; half and bfloat16 by way of float. Hue lies in [0, 1]. */
#include "ops/gpu.h"
#include "ops/move.h"
#include "ops/product.h"

#include <math.h>
#include <stdio.h>

BT_CL_DECLARE(image);

/* ---- Shapes ------------------------------------------------------------------------------------------- */

static berth_status infer_colours(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    bool adjusts = bt_starts(x->node->op, "Adjust"), contrast = bt_starts(x->node->op, "AdjustContrast");
    const bt_shape *in = &x->in[0].shape;
    x->out[0] = (bt_fact){bt_infer_type(x, 0), *in, NULL};
    if (adjusts && x->n_in < 2) return bt_infer_fail(x, "needs 2 inputs");
    if (adjusts && x->in[1].shape.rank > 0) return bt_infer_fail(x, "what to adjust by must be a scalar");
    if (in->rank >= 0 && in->rank < (adjusts ? 3 : 1))
        return bt_infer_fail(x, "input must have at least %d dimensions, not %d", adjusts ? 3 : 1, in->rank);
    if (!contrast && in->rank > 0 && in->dim[in->rank - 1] >= 0 && in->dim[in->rank - 1] != 3)
        return bt_infer_fail(x, "input must have 3 channels, not %lld", (long long)in->dim[in->rank - 1]);
    return BERTH_OK;
}

/* ---- Pixels ------------------------------------------------------------------------------------------- */

typedef struct colours {
    const void *in;
    void *out;
    float by; /* hue to add, or factor of the saturation */
} colours;

/* A loop over pixels of three channels p -> q. */
#define PIXELS(name, T, ...)                                                   \
    static void name##_##T(void *user, int64_t first, int64_t end, int worker) \
    {                                                                          \
        const colours *k = user;                                               \
        (void)worker, (void)k->by;                                             \
        for (int64_t i = first; i < end; i++) {                                \
            const T *p = (const T *)k->in + 3 * i;                             \
            T *q = (T *)k->out + 3 * i;                                        \
            __VA_ARGS__                                                        \
        }                                                                      \
    }

/* The hue of r, g, b whose largest is v; it is 0 where there is no range. */
#define HUE(T)                                                                                          \
    static inline T hue_##T(T r, T g, T b, T v, T range)                                                \
    {                                                                                                   \
        T unit = 1 / (6 * range);                                                                       \
        if (!(range > 0)) return 0;                                                                     \
        T h = r == v ? unit * (g - b) : g == v ? unit * (b - r) + (T)2 / 6 : unit * (r - g) + (T)4 / 6; \
        return h < 0 ? h + 1 : h;                                                                       \
    }                                                                                                   \
    static inline T unit_##T(T x) { return x < 0 ? 0 : x > 1 ? 1 : x; }                                 \
    static inline void to_hsv_##T(const T *p, T *q)                                                     \
    {                                                                                                   \
        T r = p[0], g = p[1], b = p[2], v = r > g ? r : g, least = r < g ? r : g;                       \
        v = b > v ? b : v, least = b < least ? b : least;                                               \
        q[0] = hue_##T(r, g, b, v, v - least);                                                          \
        q[1] = v > 0 ? (v - least) / v : 0;                                                             \
        q[2] = v;                                                                                       \
    }                                                                                                   \
    static inline void to_rgb_##T(const T *p, T *q)                                                     \
    {                                                                                                   \
        T h = p[0] * 6, s = p[1], v = p[2];                                                             \
        q[0] = (1 - s + s * unit_##T((T)fabs(h - 3) - 1)) * v;                                          \
        q[1] = (1 - s + s * unit_##T(2 - (T)fabs(h - 2))) * v;                                          \
        q[2] = (1 - s + s * unit_##T(2 - (T)fabs(h - 4))) * v;                                          \
    }                                                                                                   \
    PIXELS(rgb_to_hsv, T, to_hsv_##T(p, q);)                                                            \
    PIXELS(hsv_to_rgb, T, to_rgb_##T(p, q);)
HUE(float)
HUE(double)

PIXELS(saturate, float, {
    float hsv[3];
    to_hsv_float(p, hsv);
    hsv[1] = unit_float(hsv[1] * k->by);
    to_rgb_float(hsv, q);
})

/* The hue turns between the least and the largest channel, whatever their signs. */
PIXELS(turn, float, {
    float v = fmaxf(p[0], fmaxf(p[1], p[2])), least = fminf(p[0], fminf(p[1], p[2]));
    float h = hue_float(p[0], p[1], p[2], v, v - least) + k->by;
    float full[3] = {h - floorf(h), 1, 1};
    to_rgb_float(full, q);
    for (int c = 0; c < 3; c++) q[c] = least + q[c] * (v - least);
})

static berth_status pixels_on_gpu(bt_call *c, void *out, int64_t n)
{
    char defines[BT_DEFINES], op[64];
    const bt_tensor *in = c->in[0];
    bt_arg args[] = {bt_pointer(in->data), bt_pointer(out), bt_pointer(c->in[c->n_in > 1]->data), bt_long(n)};
    bt_grid grid = bt_grid_of(c, n);
    snprintf(op, sizeof op, "-DCOLOURS=%s", c->node->op);
    bt_gpu_defines(defines, in->dtype, 0, op);
    return n ? bt_gpu_launch(c, BT_CL(image), defines, "colours", &grid, args, 4) : BERTH_OK;
}

static berth_status run_pixels(bt_call *c, bt_range_fn *floats, bt_range_fn *doubles)
{
    const bt_tensor *in = c->in[0];
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    int64_t n = bt_tensor_count(in);
    berth_dtype dtype = in->dtype;
    bool is_double = dtype == BERTH_DOUBLE;
    if (!bt_dtype_is_float(dtype) || (is_double && !doubles))
        return bt_call_unsupported(c, "colours of type %s", bt_dtype_name(dtype));
    void *out = bt_out(c, 0, dtype, &in->shape);
    if (!out) return BERTH_NO_MEMORY;
    if (bt_on_device(c)) return pixels_on_gpu(c, out, n / 3);
    colours k = {.by = c->n_in > 1 ? (float)bt_tensor_number(c->in[1], 0) : 0};
    k.in = is_double ? in->data : bt_floats(c, dtype, in->data, n);
    k.out = is_double ? out : bt_floats_out(c, dtype, out, n);
    if (!k.in || !k.out) return BERTH_NO_MEMORY;
    bt_parallel(c->pool, n / 3, 4096, is_double ? doubles : floats, &k);
    if (!is_double) bt_floats_done(c, dtype, out, k.out, n);
    return BERTH_OK;
}

static berth_status run_rgb_to_hsv(bt_call *c) { return run_pixels(c, rgb_to_hsv_float, rgb_to_hsv_double); }
static berth_status run_hsv_to_rgb(bt_call *c) { return run_pixels(c, hsv_to_rgb_float, hsv_to_rgb_double); }
static berth_status run_hue(bt_call *c) { return run_pixels(c, turn_float, NULL); }
static berth_status run_saturation(bt_call *c) { return run_pixels(c, saturate_float, NULL); }

/* ---- Contrast ----------------------------------------------------------------------------------------- */

typedef struct contrast {
    const float *in;
    float *out;
    double *mean; /* a row of channels an image */
    int64_t pixels, channels;
    float factor;
} contrast;

static void stretch(void *user, int64_t first, int64_t end, int worker)
{
    const contrast *k = user;
    (void)worker;
    for (int64_t image = first; image < end; image++) {
        const float *in = k->in + image * k->pixels * k->channels;
        float *out = k->out + image * k->pixels * k->channels;
        double *mean = k->mean + image * k->channels;
        for (int64_t j = 0; j < k->channels; j++) mean[j] = 0;
        for (int64_t i = 0; i < k->pixels; i++)
            for (int64_t j = 0; j < k->channels; j++) mean[j] += in[i * k->channels + j];
        for (int64_t j = 0; j < k->channels; j++) mean[j] /= (double)k->pixels;
        for (int64_t i = 0; i < k->pixels; i++)
            for (int64_t j = 0; j < k->channels; j++) {
                float m = (float)mean[j];
                out[i * k->channels + j] = (in[i * k->channels + j] - m) * k->factor + m;
            }
    }
}

static berth_status contrast_on_gpu(bt_call *c, void *out, int64_t images)
{
    char defines[BT_DEFINES];
    const bt_tensor *in = c->in[0];
    int64_t channels = in->shape.dim[in->shape.rank - 1], pixels = bt_tensor_count(in) / images / channels;
    bt_arg args[] = {bt_pointer(in->data),       bt_pointer(out),  bt_pointer(c->in[1]->data),
                     bt_long(images * channels), bt_long(pixels), bt_long(channels)};
    bt_grid grid = bt_grid_groups(c, images * channels, pixels);
    bt_gpu_defines(defines, in->dtype, 0, "-DCOLOURS=p");
    return bt_gpu_launch(c, BT_CL(image), defines, "contrast", &grid, args, 6);
}

static berth_status run_contrast(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    if (!bt_dtype_is_float(in->dtype) || in->dtype == BERTH_DOUBLE)
        return bt_call_unsupported(c, "contrast of type %s", bt_dtype_name(in->dtype));
    int64_t n = bt_tensor_count(in), images = bt_shape_span(&in->shape, 0, in->shape.rank - 3);
    void *out = bt_out(c, 0, in->dtype, &in->shape);
    if (!out) return BERTH_NO_MEMORY;
    if (n == 0) return BERTH_OK;
    if (bt_on_device(c)) return contrast_on_gpu(c, out, images);
    contrast k = {.in = bt_floats(c, in->dtype, in->data, n),
                  .out = bt_floats_out(c, in->dtype, out, n),
                  .channels = in->shape.dim[in->shape.rank - 1],
                  .factor = (float)bt_tensor_number(c->in[1], 0)};
    k.pixels = n / images / k.channels;
    k.mean = bt_scratch(c, (size_t)(images * k.channels) * sizeof *k.mean);
    if (!k.in || !k.out || !k.mean) return BERTH_NO_MEMORY;
    bt_parallel(c->pool, images, 1, stretch, &k);
    bt_floats_done(c, in->dtype, out, k.out, n);
    return BERTH_OK;
}

#define GPU(run, types) .gpu = run, .gpu_types = types
#define NARROW (BT_FLOATS & ~BT_T(BERTH_DOUBLE))

const bt_op bt_ops_image[] = {
    {.name = "AdjustContrastv2", .infer = infer_colours, .cpu = run_contrast, GPU(run_contrast, NARROW)},
    {.name = "AdjustHue", .infer = infer_colours, .cpu = run_hue, GPU(run_hue, NARROW)},
    {.name = "AdjustSaturation", .infer = infer_colours, .cpu = run_saturation, GPU(run_saturation, NARROW)},
    {.name = "RGBToHSV", .infer = infer_colours, .cpu = run_rgb_to_hsv, GPU(run_rgb_to_hsv, BT_FLOATS)},
    {.name = "HSVToRGB", .infer = infer_colours, .cpu = run_hsv_to_rgb, GPU(run_hsv_to_rgb, BT_FLOATS)},
    {0},
};
