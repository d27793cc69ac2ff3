/* ScaleAndTranslate: images resampled by one of several kernels, along x and y independently. What an output row or
 * column reads is a span of pixels with weights that add up to 1. */
#include "ops/gpu.h"
#include "ops/move.h"

#include <math.h>

BT_CL_DECLARE(resize);

typedef struct kernel {
    const char *name;
    float radius;
    float (*at)(float x); /* x >= 0 */
} kernel;

static float lanczos(float x, float radius)
{
    const float pi = 3.14159265358979323846f;
    if (x > radius) return 0;
    if (x <= 1e-3f) return 1;
    return radius * sinf(pi * x) * sinf(pi * x / radius) / (pi * pi * x * x);
}

static float lanczos1(float x) { return lanczos(x, 1); }
static float lanczos3(float x) { return lanczos(x, 3); }
static float lanczos5(float x) { return lanczos(x, 5); }
static float gaussian(float x) { return x >= 1.5f ? 0 : expf(-x * x / (2 * 0.5f * 0.5f)); }
static float box(float x) { return x < 0.5f ? 1 : x == 0.5f ? 0.5f : 0; }
static float triangle(float x) { return x < 1 ? 1 - x : 0; }

static float keys_cubic(float x)
{
    if (x >= 2) return 0;
    return x >= 1 ? ((-0.5f * x + 2.5f) * x - 4) * x + 2 : (1.5f * x - 2.5f) * x * x + 1;
}

static float mitchell_cubic(float x)
{
    if (x >= 2) return 0;
    return x >= 1 ? (((-7.0f / 18) * x + 2) * x - 10.0f / 3) * x + 16.0f / 9
                  : ((7.0f / 6) * x - 2) * x * x + 8.0f / 9;
}

static const kernel kernels[] = {{"lanczos1", 1, lanczos1},
                                 {"lanczos3", 3, lanczos3},
                                 {"lanczos5", 5, lanczos5},
                                 {"gaussian", 1.5f, gaussian},
                                 {"box", 1, box},
                                 {"triangle", 1, triangle},
                                 {"keyscubic", 2, keys_cubic},
                                 {"mitchellcubic", 2, mitchell_cubic}};

/* For each output place, `width` weights from pixel `first` on; those that are not used are 0. */
typedef struct spans {
    int64_t width;
    int64_t *first;
    float *weight;
} spans;

typedef struct resample {
    const float *in;
    float *out, *rows; /* rows: [batch, out_h, w, channels] between the two steps */
    int64_t h, w, out_h, out_w, channels;
    spans x, y;
} resample;

static berth_status infer_scale(bt_infer *x)
{
    int64_t size[2] = {-1, -1};
    int n = 2;
    berth_status status = bt_infer_arity(x, 4);
    if (status) return status;
    const bt_shape *in = &x->in[0].shape;
    x->out[0].dtype = BERTH_FLOAT;
    if (in->rank >= 0 && in->rank != 4)
        return bt_infer_fail(x, "images must have 4 dimensions, not %d", in->rank);
    if (x->in[1].value && (!bt_ints(x->in[1].value, size, 2, &n) || n != 2 || size[0] < 1 || size[1] < 1 ||
                           size[0] > INT32_MAX || size[1] > INT32_MAX))
        return bt_infer_fail(x, "the size must be two positive integers");
    x->out[0].shape =
        BT_SHAPE(in->rank < 0 ? -1 : in->dim[0], size[0], size[1], in->rank < 0 ? -1 : in->dim[3]);
    return BERTH_OK;
}

/* Weights of the pixels around `sample`, divided by their sum; gives the first of them. */
static int64_t weigh(const kernel *k, float sample, float stretch, int64_t in, int64_t width, float *weight)
{
    float total = 0;
    memset(weight, 0, (size_t)width * sizeof *weight);
    if (!(sample >= 0 && sample <= (float)in)) return 0;
    int64_t first = (int64_t)ceilf(sample - k->radius * stretch - 0.5f);
    int64_t last = (int64_t)floorf(sample + k->radius * stretch - 0.5f);
    first = first < 0 ? 0 : first >= in ? in - 1 : first;
    last = last < 0 ? 0 : last >= in ? in - 1 : last;
    for (int64_t i = first; i <= last && i - first < width; i++) {
        weight[i - first] = k->at(fabsf(((float)i + 0.5f - sample) / stretch));
        total += weight[i - first];
    }
    if (fabsf(total) < 1000 * 1.17549435e-38f) total = INFINITY;
    for (int64_t i = 0; i < width; i++) weight[i] /= total;
    return first;
}

/* How much a kernel is stretched over an axis of `in` pixels, and how many weights that takes. */
static int64_t reach_of(const bt_node *node, const kernel *k, int64_t in, float scale, float *stretch)
{
    *stretch = bt_attr_bool(node, "antialias", true) && 1 / scale > 1 ? 1 / scale : 1;
    float reach = 2 * ceilf(k->radius * *stretch) + 1;
    return reach < (float)in ? (int64_t)reach : in;
}

static berth_status weigh_on_gpu(bt_call *c, const kernel *k, int64_t out, int64_t in, float scale, float shift,
                                 float stretch, const spans *s)
{
    bt_arg args[] = {bt_pointer(s->first),  bt_pointer(s->weight), bt_long(out),       bt_long(in),
                     bt_long(s->width),     bt_long(k - kernels),  bt_float(1 / scale), bt_float(shift),
                     bt_float(k->radius), bt_float(stretch)};
    bt_grid grid = bt_grid_of(c, out);
    return bt_gpu_launch(c, BT_CL(resize), "-DDT=f32 -DSCALE", "weigh", &grid, args, 10);
}

static berth_status make_spans(bt_call *c, const kernel *k, int64_t out, int64_t in, float scale, float shift,
                               spans *s)
{
    float inverse = 1 / scale, stretch;
    s->width = reach_of(c->node, k, in, scale, &stretch);
    s->first = bt_scratch(c, (size_t)out * sizeof *s->first);
    size_t count;
    if (!s->first || !bt_mul((size_t)out, (size_t)s->width, &count) || count > SIZE_MAX / 8)
        return bt_fail_memory(c->error);
    s->weight = bt_scratch(c, (count + 1) * sizeof *s->weight);
    if (!s->weight) return BERTH_NO_MEMORY;
    if (bt_on_device(c)) return weigh_on_gpu(c, k, out, in, scale, shift, stretch, s);
    for (int64_t i = 0; i < out; i++)
        s->first[i] = weigh(k, ((float)i + 0.5f) * inverse - inverse * shift, stretch, in, s->width,
                            s->weight + i * s->width);
    return BERTH_OK;
}

static berth_status resample_on_gpu(bt_call *c, const resample *r, int64_t rows)
{
    char defines[BT_DEFINES];
    const int64_t by[8] = {rows, r->h, r->w, r->out_h, r->out_w, r->channels}; /* `resize` in resize.cl */
    bt_arg down[] = {bt_pointer(c->in[0]->data),  bt_pointer(r->rows),   bt_pointer(r->y.first),
                     bt_pointer(r->y.weight), bt_long(r->y.width), bt_bytes(by, sizeof by)};
    bt_arg across[] = {bt_pointer(r->rows),     bt_pointer(r->out),    bt_pointer(r->x.first),
                       bt_pointer(r->x.weight), bt_long(r->x.width), bt_bytes(by, sizeof by)};
    bt_gpu_defines(defines, c->in[0]->dtype, 0, "-DSCALE");
    bt_grid grid = bt_grid_rows(c, r->w * r->channels, rows);
    berth_status status = rows ? bt_gpu_launch(c, BT_CL(resize), defines, "scale_down", &grid, down, 6) : BERTH_OK;
    grid = bt_grid_rows(c, r->out_w * r->channels, rows);
    return status || !rows ? status : bt_gpu_launch(c, BT_CL(resize), defines, "scale_across", &grid, across, 6);
}

/* Rows of the intermediate: sums over y; then rows of the output: sums over x. */
static void resample_rows(void *user, int64_t begin, int64_t end, int worker)
{
    const resample *r = user;
    int64_t line = r->w * r->channels;
    (void)worker;
    for (int64_t row = begin; row < end; row++) {
        int64_t y = row % r->out_h;
        float *sums = r->rows + row * line, *out = r->out + row * r->out_w * r->channels;
        memset(sums, 0, (size_t)line * sizeof *sums);
        for (int64_t k = 0; k < r->y.width && r->y.first[y] + k < r->h; k++) {
            float weight = r->y.weight[y * r->y.width + k];
            const float *in = r->in + (row / r->out_h * r->h + r->y.first[y] + k) * line;
            for (int64_t i = 0; weight != 0 && i < line; i++) sums[i] += weight * in[i];
        }
        memset(out, 0, (size_t)(r->out_w * r->channels) * sizeof *out);
        for (int64_t x = 0; x < r->out_w; x++, out += r->channels)
            for (int64_t k = 0; k < r->x.width && r->x.first[x] + k < r->w; k++)
                for (int64_t i = 0; i < r->channels; i++)
                    out[i] += r->x.weight[x * r->x.width + k] * sums[(r->x.first[x] + k) * r->channels + i];
    }
}

static berth_status run_scale(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    const kernel *k = NULL;
    const char *name = bt_attr_string(c->node, "kernel_type", "lanczos3");
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        if (strcmp(kernels[i].name, name) == 0) k = &kernels[i];
    if (status || !k) return status ? status : bt_call_fail(c, "kernel_type '%.40s'", name);
    for (int i = 2; i < 4; i++)
        if (c->in[i]->dtype != BERTH_FLOAT || bt_tensor_count(c->in[i]) != 2)
            return bt_call_fail(c, "scale and translation must be two floats each");
    const float *scale = c->in[2]->data, *shift = c->in[3]->data;
    if (!(scale[0] > 0 && scale[1] > 0)) return bt_call_fail(c, "the scale must be above 0");
    resample r = {.h = in->shape.dim[1],
                  .w = in->shape.dim[2],
                  .channels = in->shape.dim[3],
                  .out_h = fact.shape.dim[1],
                  .out_w = fact.shape.dim[2]};
    if (r.h == 0 || r.w == 0 || r.channels == 0) return bt_call_fail(c, "images without pixels");
    int64_t rows = in->shape.dim[0] * r.out_h;
    if (!bt_on_device(c) && !(r.in = bt_call_floats(c, in))) return c->error->status;
    if ((status = make_spans(c, k, r.out_h, r.h, scale[0], shift[0], &r.y))) return status;
    if ((status = make_spans(c, k, r.out_w, r.w, scale[1], shift[1], &r.x))) return status;
    r.out = bt_out(c, 0, BERTH_FLOAT, &fact.shape);
    r.rows = r.out ? bt_scratch(c, ((size_t)(rows * r.w * r.channels) + 1) * sizeof *r.rows) : NULL;
    if (!r.rows) return BERTH_NO_MEMORY;
    if (bt_on_device(c)) return resample_on_gpu(c, &r, rows);
    bt_parallel(c->pool, rows, 4096 / (r.out_w * r.channels) + 1, resample_rows, &r);
    return BERTH_OK;
}

const bt_op bt_ops_scale_translate[] = {
    {.name = "ScaleAndTranslate", .infer = infer_scale, .cpu = run_scale, .gpu = run_scale, .gpu_types = BT_REALS,
     .host_inputs = 14},
    {0},
};
