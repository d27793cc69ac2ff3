/* Images [N, H, W, C] of another size: ResizeBilinear, ResizeNearestNeighbor, ResizeBicubic, ResizeArea, and
 * CropAndResize. All arithmetic is TensorFlow's, in float. What a step along x or y reads is worked out once. */
#include "ops/gpu.h"
#include "ops/move.h"
#include "ops/resize.h"

#include <math.h>

typedef struct resize {
    const float *in;
    char *out;
    int64_t h, w, out_h, out_w, channels;
    const void *x, *y; /* what each output column and row reads */
    size_t size;       /* of an element, for nearest */
    const char *raw;   /* the elements as they are, for nearest */
    float scale;       /* for area */
} resize;

/* ---- Shapes ------------------------------------------------------------------------------------------- */

berth_status bt_infer_image_size(bt_infer *x, berth_dtype dtype)
{
    int64_t size[2] = {-1, -1};
    int n = 2;
    berth_status status = bt_infer_arity(x, 2);
    if (status) return status;
    const bt_shape *in = &x->in[0].shape, *s = &x->in[1].shape;
    x->out[0].dtype = dtype;
    if (in->rank >= 0 && in->rank != 4)
        return bt_infer_fail(x, "images must have 4 dimensions, not %d", in->rank);
    if ((s->rank >= 0 && (s->rank != 1 || (s->dim[0] >= 0 && s->dim[0] != 2))) ||
        (x->in[1].value && (!bt_ints(x->in[1].value, size, 2, &n) || n != 2)))
        return bt_infer_fail(x, "the size must be two integers");
    if (x->in[1].value && (size[0] < 1 || size[1] < 1 || size[0] > INT32_MAX || size[1] > INT32_MAX))
        return bt_infer_fail(x, "a size of %lld by %lld", (long long)size[0], (long long)size[1]);
    if (in->rank == 4 && (in->dim[1] == 0 || in->dim[2] == 0 || in->dim[3] == 0))
        return bt_infer_fail(x, "images without pixels");
    x->out[0].shape =
        BT_SHAPE(in->rank < 0 ? -1 : in->dim[0], size[0], size[1], in->rank < 0 ? -1 : in->dim[3]);
    return BERTH_OK;
}

static berth_status infer_size(bt_infer *x, berth_dtype dtype)
{
    bool both =
        bt_attr_bool(x->node, "align_corners", false) && bt_attr_bool(x->node, "half_pixel_centers", false);
    if (both) return bt_infer_fail(x, "align_corners and half_pixel_centers exclude each other");
    return bt_infer_image_size(x, dtype);
}

static berth_status infer_resize(bt_infer *x) { return infer_size(x, BERTH_FLOAT); }
static berth_status infer_nearest(bt_infer *x) { return infer_size(x, bt_infer_type(x, 0)); }

/* Checks, makes the output, and gives the images as floats unless they are to stay as they are. */
static berth_status begin(bt_call *c, resize *r, bool as_floats)
{
    const bt_tensor *in = c->in[0];
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    r->h = in->shape.dim[1], r->w = in->shape.dim[2], r->channels = in->shape.dim[3];
    r->out_h = fact.shape.dim[1], r->out_w = fact.shape.dim[2];
    r->raw = in->data, r->size = bt_dtype_size(in->dtype);
    if (as_floats && !(r->in = bt_call_floats(c, in))) return c->error->status;
    r->out = bt_out(c, 0, fact.dtype, &fact.shape);
    return r->out ? BERTH_OK : BERTH_NO_MEMORY;
}

static berth_status run_rows(bt_call *c, resize *r, bt_range_fn *rows)
{
    int64_t row = r->out_w * r->channels;
    bt_parallel(c->pool, c->in[0]->shape.dim[0] * r->out_h, 8192 / row + 1, rows, r);
    return BERTH_OK;
}

/* ---- Where an output pixel lies in the input ---------------------------------------------------------- */

float bt_resize_scale(bool corners, int64_t in, int64_t out)
{
    return corners && in > 1 && out > 1 ? (float)(in - 1) / (float)(out - 1) : (float)in / (float)out;
}

static float scale_of(const bt_node *node, int64_t in, int64_t out)
{
    return bt_resize_scale(bt_attr_bool(node, "align_corners", false), in, out);
}

static float place(bool half_pixel, int64_t i, float scale)
{
    return half_pixel ? ((float)i + 0.5f) * scale - 0.5f : (float)i * scale;
}

static int64_t bound(int64_t i, int64_t n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

bt_between bt_between_of(float at, int64_t in)
{
    float floor_at = floorf(at);
    return (bt_between){bound((int64_t)floor_at, in), bound((int64_t)ceilf(at), in), at - floor_at};
}

/* ---- On a device -------------------------------------------------------------------------------------- */

BT_CL_DECLARE(pick);
BT_CL_DECLARE(resize);

/* `resize` in pick.cl and resize.cl; rows: of all outputs. */
typedef struct gpu_resize {
    int64_t rows, h, w, out_h, out_w, channels, half_pixel, corners;
} gpu_resize;

static gpu_resize resize_of(const bt_node *node, const resize *r, int64_t images)
{
    return (gpu_resize){images * r->out_h,
                        r->h,
                        r->w,
                        r->out_h,
                        r->out_w,
                        r->channels,
                        bt_attr_bool(node, "half_pixel_centers", false),
                        bt_attr_bool(node, "align_corners", false)};
}

static bt_grid grid_of_pixels(const bt_call *c, const gpu_resize *by)
{
    return bt_grid_of(c, by->rows * by->out_w * (c->device->is_cpu_shaped ? by->channels : 1));
}

static berth_status run_on_device(bt_call *c, const char *source, const char *kernel)
{
    char defines[BT_DEFINES];
    resize r;
    berth_status status = begin(c, &r, false);
    if (status) return status;
    gpu_resize by = resize_of(c->node, &r, c->in[0]->shape.dim[0]);
    bt_grid grid = grid_of_pixels(c, &by);
    bt_arg args[] = {bt_pointer(r.raw), bt_pointer(r.out), bt_bytes(&by, sizeof by),
                     bt_float(scale_of(c->node, r.h, r.out_h)), bt_float(scale_of(c->node, r.w, r.out_w))};
    bt_gpu_defines(defines, c->in[0]->dtype, 0, "-DRESIZE");
    return by.rows ? bt_gpu_launch(c, source, defines, kernel, &grid, args, 5) : BERTH_OK;
}

/* ---- Bilinear ----------------------------------------------------------------------------------------- */

static bt_between *linear_steps(bt_call *c, int64_t in, int64_t out)
{
    bool half_pixel = bt_attr_bool(c->node, "half_pixel_centers", false);
    float scale = scale_of(c->node, in, out);
    bt_between *steps = bt_scratch(c, (size_t)out * sizeof *steps);
    for (int64_t i = 0; steps && i < out; i++) steps[i] = bt_between_of(place(half_pixel, i, scale), in);
    return steps;
}

static void bilinear_rows(void *user, int64_t first, int64_t end, int worker)
{
    const resize *r = user;
    const bt_between *xs = r->x, *ys = r->y;
    int64_t channels = r->channels;
    (void)worker;
    for (int64_t row = first; row < end; row++) {
        const float *image = r->in + row / r->out_h * r->h * r->w * channels;
        bt_between y = ys[row % r->out_h];
        const float *top = image + y.low * r->w * channels, *bottom = image + y.high * r->w * channels;
        float *out = (float *)r->out + row * r->out_w * channels;
        for (int64_t i = 0; i < r->out_w; i++, out += channels) {
            bt_between x = xs[i];
            const float *a = top + x.low * channels, *b = top + x.high * channels;
            const float *d = bottom + x.low * channels, *e = bottom + x.high * channels;
            for (int64_t k = 0; k < channels; k++) {
                float above = a[k] + (b[k] - a[k]) * x.part, below = d[k] + (e[k] - d[k]) * x.part;
                out[k] = above + (below - above) * y.part;
            }
        }
    }
}

static berth_status run_bilinear(bt_call *c)
{
    resize r;
    if (bt_on_device(c)) return run_on_device(c, BT_CL(pick), "bilinear");
    berth_status status = begin(c, &r, true);
    if (status) return status;
    if (!(r.x = linear_steps(c, r.w, r.out_w)) || !(r.y = linear_steps(c, r.h, r.out_h)))
        return BERTH_NO_MEMORY;
    return run_rows(c, &r, bilinear_rows);
}

/* ---- Nearest neighbour -------------------------------------------------------------------------------- */

static int64_t *nearest_steps(bt_call *c, int64_t in, int64_t out)
{
    bool half_pixel = bt_attr_bool(c->node, "half_pixel_centers", false);
    bool corners = bt_attr_bool(c->node, "align_corners", false);
    float scale = scale_of(c->node, in, out);
    int64_t *steps = bt_scratch(c, (size_t)out * sizeof *steps);
    for (int64_t i = 0; steps && i < out; i++) {
        float at = half_pixel ? ((float)i + 0.5f) * scale : (float)i * scale;
        steps[i] = bound((int64_t)(corners ? roundf(at) : floorf(at)), in);
    }
    return steps;
}

#define NEAREST(bytes)                                                                                       \
    for (int64_t i = 0; i < r->out_w; i++, out += (bytes)) memcpy(out, in + (size_t)xs[i] * (bytes), bytes); \
    break;

static void nearest_rows(void *user, int64_t first, int64_t end, int worker)
{
    const resize *r = user;
    const int64_t *xs = r->x, *ys = r->y;
    size_t pixel = (size_t)r->channels * r->size;
    (void)worker;
    for (int64_t row = first; row < end; row++) {
        const char *in = r->raw + (size_t)((row / r->out_h * r->h + ys[row % r->out_h]) * r->w) * pixel;
        char *out = r->out + (size_t)(row * r->out_w) * pixel;
        switch (pixel) {
        case 4: NEAREST(4)
        case 12: NEAREST(12)
        default: NEAREST(pixel)
        }
    }
}

static berth_status run_nearest(bt_call *c)
{
    resize r;
    if (bt_on_device(c)) return run_on_device(c, BT_CL(pick), "nearest");
    if (bt_dtype_is_object(c->in[0]->dtype))
        return bt_call_unsupported(c, "images of %s", bt_dtype_name(c->in[0]->dtype));
    berth_status status = begin(c, &r, false);
    if (status) return status;
    if (!(r.x = nearest_steps(c, r.w, r.out_w)) || !(r.y = nearest_steps(c, r.h, r.out_h)))
        return BERTH_NO_MEMORY;
    return run_rows(c, &r, nearest_rows);
}

/* ---- Bicubic ------------------------------------------------------------------------------------------ */

enum { CUBIC_TABLE = 1024 };

typedef struct cubic {
    int64_t at[4];
    float weight[4];
} cubic;

/* The kernel at distance x: `near` below 1, `far` from 1 to 2; a is -0.5 for Keys's, -0.75 for the older one.
 * TensorFlow reads it from a table of 1024 steps, hence the rounding of the distance. */
static float cubic_near(float x, float a) { return ((a + 2) * x - (a + 3)) * x * x + 1; }

static float cubic_far(float x, float a)
{
    x += 1;
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}

static cubic cubic_step(float at, int64_t in, bool half_pixel)
{
    float a = half_pixel ? -0.5f : -0.75f, floor_at = floorf(at), sum = 0;
    int64_t base = (int64_t)floor_at;
    float step = (float)lrintf((at - floor_at) * CUBIC_TABLE) / CUBIC_TABLE;
    cubic s = {
        .weight = {cubic_far(step, a), cubic_near(step, a), cubic_near(1 - step, a), cubic_far(1 - step, a)}};
    for (int k = 0; k < 4; k++) {
        s.at[k] = bound(base - 1 + k, in);
        if (half_pixel && s.at[k] != base - 1 + k) s.weight[k] = 0;
        sum += s.weight[k];
    }
    for (int k = 0; half_pixel && fabsf(sum) >= 1000 * 1.17549435e-38f && k < 4; k++) s.weight[k] *= 1 / sum;
    return s;
}

static cubic *cubic_steps(bt_call *c, int64_t in, int64_t out)
{
    bool half_pixel = bt_attr_bool(c->node, "half_pixel_centers", false);
    float scale = scale_of(c->node, in, out);
    cubic *steps = bt_scratch(c, (size_t)out * sizeof *steps);
    for (int64_t i = 0; steps && i < out; i++)
        steps[i] = cubic_step(place(half_pixel, i, scale), in, half_pixel);
    return steps;
}

static void bicubic_rows(void *user, int64_t first, int64_t end, int worker)
{
    const resize *r = user;
    const cubic *xs = r->x, *ys = r->y;
    int64_t channels = r->channels, row_size = r->w * channels;
    (void)worker;
    for (int64_t row = first; row < end; row++) {
        const float *image = r->in + row / r->out_h * r->h * row_size, *lines[4];
        const cubic *y = &ys[row % r->out_h];
        float *out = (float *)r->out + row * r->out_w * channels;
        for (int k = 0; k < 4; k++) lines[k] = image + y->at[k] * row_size;
        for (int64_t i = 0; i < r->out_w; i++)
            for (int64_t k = 0; k < channels; k++) {
                float sum = 0;
                for (int j = 0; j < 4; j++) {
                    int64_t at = xs[i].at[j] * channels + k;
                    sum += (lines[0][at] * y->weight[0] + lines[1][at] * y->weight[1] +
                            lines[2][at] * y->weight[2] + lines[3][at] * y->weight[3]) *
                           xs[i].weight[j];
                }
                *out++ = sum;
            }
    }
}

static berth_status run_bicubic(bt_call *c)
{
    resize r;
    if (bt_on_device(c)) return run_on_device(c, BT_CL(resize), "bicubic");
    berth_status status = begin(c, &r, true);
    if (status) return status;
    if (!(r.x = cubic_steps(c, r.w, r.out_w)) || !(r.y = cubic_steps(c, r.h, r.out_h)))
        return BERTH_NO_MEMORY;
    return run_rows(c, &r, bicubic_rows);
}

/* ---- Area --------------------------------------------------------------------------------------------- */

/* Pixels [first, end) of an axis under an output pixel; those within count whole, those at the ends in part. */
typedef struct span {
    int64_t first, end;
    float at_first, at_last;
} span;

static float part_of_pixel(int64_t i, float from, float to, float scale)
{
    float pixel = (float)i, next = pixel + 1;
    if (pixel < from) return next > to ? scale : next - from;
    return next > to ? to - pixel : 1;
}

static span *area_steps(bt_call *c, int64_t out, float scale)
{
    span *steps = bt_scratch(c, (size_t)out * sizeof *steps);
    for (int64_t i = 0; steps && i < out; i++) {
        float from = (float)i * scale, to = (float)(i + 1) * scale;
        span *s = &steps[i];
        s->first = (int64_t)floorf(from), s->end = (int64_t)ceilf(to);
        s->at_first = part_of_pixel(s->first, from, to, scale);
        s->at_last = part_of_pixel(s->end - 1, from, to, scale);
    }
    return steps;
}

static float span_weight(const span *s, int64_t i)
{
    return i == s->first ? s->at_first : i == s->end - 1 ? s->at_last : 1;
}

static void area_rows(void *user, int64_t first, int64_t end, int worker)
{
    const resize *r = user;
    const span *xs = r->x, *ys = r->y;
    (void)worker;
    for (int64_t row = first; row < end; row++) {
        const float *image = r->in + row / r->out_h * r->h * r->w * r->channels;
        const span *y = &ys[row % r->out_h];
        float *out = (float *)r->out + row * r->out_w * r->channels;
        for (int64_t i = 0; i < r->out_w; i++)
            for (int64_t k = 0; k < r->channels; k++) {
                float sum = 0;
                for (int64_t v = y->first; v < y->end; v++) {
                    const float *line = image + bound(v, r->h) * r->w * r->channels + k;
                    float part = 0;
                    for (int64_t u = xs[i].first; u < xs[i].end; u++)
                        part += line[bound(u, r->w) * r->channels] * span_weight(&xs[i], u);
                    sum += part * span_weight(y, v);
                }
                *out++ = sum * r->scale;
            }
    }
}

static berth_status run_area(bt_call *c)
{
    resize r;
    if (bt_on_device(c)) return run_on_device(c, BT_CL(resize), "area");
    berth_status status = begin(c, &r, true);
    if (status) return status;
    float across = scale_of(c->node, r.w, r.out_w), down = scale_of(c->node, r.h, r.out_h);
    if (!(r.x = area_steps(c, r.out_w, across)) || !(r.y = area_steps(c, r.out_h, down)))
        return BERTH_NO_MEMORY;
    r.scale = 1 / (down * across);
    return run_rows(c, &r, area_rows);
}

/* ---- CropAndResize ------------------------------------------------------------------------------------ */

typedef struct crops {
    resize r;
    const float *boxes;    /* [n, 4]: y1, x1, y2, x2, of 1 */
    const int32_t *images; /* [n] */
    float outside;
    bool nearest;
} crops;

static berth_status infer_crop(bt_infer *x)
{
    int64_t size[2] = {-1, -1};
    int n = 2;
    berth_status status = bt_infer_arity(x, 4);
    if (status) return status;
    const bt_shape *in = &x->in[0].shape, *boxes = &x->in[1].shape, *images = &x->in[2].shape;
    x->out[0].dtype = BERTH_FLOAT;
    if ((in->rank >= 0 && in->rank != 4) ||
        (boxes->rank >= 0 && (boxes->rank != 2 || (boxes->dim[1] >= 0 && boxes->dim[1] != 4))) ||
        (images->rank >= 0 && images->rank != 1))
        return bt_infer_fail(x, "takes images of 4 dimensions, boxes [n, 4] and n image numbers");
    bt_shape count = BT_SHAPE(boxes->rank < 0 ? -1 : boxes->dim[0]);
    if (!bt_shape_merge(&count, images)) return bt_infer_fail(x, "boxes and image numbers differ in number");
    if (x->in[3].value && (!bt_ints(x->in[3].value, size, 2, &n) || n != 2 || size[0] < 1 || size[1] < 1 ||
                           size[0] > INT32_MAX || size[1] > INT32_MAX))
        return bt_infer_fail(x, "the size of a crop must be two positive integers");
    x->out[0].shape = BT_SHAPE(count.dim[0], size[0], size[1], in->rank < 0 ? -1 : in->dim[3]);
    return BERTH_OK;
}

/* Place i of n between from and to, in pixels of an axis of `dim`. */
static float crop_place(int64_t i, int64_t n, float from, float to, int64_t dim)
{
    float last = (float)(dim - 1);
    if (n <= 1) return 0.5f * (from + to) * last;
    return from * last + (float)i * ((to - from) * last / (float)(n - 1));
}

static void crop_pixel(const crops *p, const float *image, float y, float x, float *out)
{
    int64_t channels = p->r.channels, row = p->r.w * channels;
    if (p->nearest) {
        memcpy(out, image + (int64_t)roundf(y) * row + (int64_t)roundf(x) * channels,
               (size_t)channels * sizeof *out);
        return;
    }
    const float *top = image + (int64_t)floorf(y) * row, *bottom = image + (int64_t)ceilf(y) * row;
    int64_t left = (int64_t)floorf(x) * channels, right = (int64_t)ceilf(x) * channels;
    float across = x - floorf(x), down = y - floorf(y);
    for (int64_t k = 0; k < channels; k++) {
        float above = top[left + k] + (top[right + k] - top[left + k]) * across;
        float below = bottom[left + k] + (bottom[right + k] - bottom[left + k]) * across;
        out[k] = above + (below - above) * down;
    }
}

/* Rows of all crops, flattened. */
static void crop_rows(void *user, int64_t first, int64_t end, int worker)
{
    const crops *p = user;
    const resize *r = &p->r;
    (void)worker;
    for (int64_t row = first; row < end; row++) {
        int64_t n = row / r->out_h;
        const float *box = p->boxes + 4 * n, *image = r->in + p->images[n] * r->h * r->w * r->channels;
        float y = crop_place(row % r->out_h, r->out_h, box[0], box[2], r->h);
        float *out = (float *)r->out + row * r->out_w * r->channels;
        for (int64_t i = 0; i < r->out_w; i++, out += r->channels) {
            float x = crop_place(i, r->out_w, box[1], box[3], r->w);
            if (y >= 0 && y <= (float)(r->h - 1) && x >= 0 && x <= (float)(r->w - 1))
                crop_pixel(p, image, y, x, out);
            else
                for (int64_t k = 0; k < r->channels; k++) out[k] = p->outside;
        }
    }
}

#define BAD_IMAGE "image %lld of %lld"

static berth_status crop_on_gpu(bt_call *c, crops *p, const bt_shape *shape)
{
    char defines[BT_DEFINES];
    const bt_tensor *in = c->in[0];
    gpu_resize by = resize_of(c->node, &p->r, shape->dim[0]);
    void *out = bt_out(c, 0, BERTH_FLOAT, shape);
    if (!out) return BERTH_NO_MEMORY;
    if (bt_shape_count(shape) == 0) return BERTH_OK;
    bt_arg args[11] = {bt_pointer(in->data), bt_pointer(p->boxes),      bt_pointer(p->images), bt_pointer(out),
                       bt_bytes(&by, sizeof by), bt_long(in->shape.dim[0]), bt_long(p->nearest),   bt_float(p->outside)};
    bt_grid grid = grid_of_pixels(c, &by);
    berth_status status = bt_gpu_fault(c, BAD_IMAGE, args + 8);
    bt_gpu_defines(defines, in->dtype, 0, "-DRESIZE");
    return status ? status : bt_gpu_launch(c, BT_CL(resize), defines, "crop", &grid, args, 11);
}

static berth_status run_crop(bt_call *c)
{
    crops p = {.outside = bt_attr_float(c->node, "extrapolation_value", 0)};
    const bt_shape *in = &c->in[0]->shape;
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    const char *method = bt_attr_string(c->node, "method", "bilinear");
    p.nearest = strcmp(method, "nearest") == 0;
    if (!p.nearest && strcmp(method, "bilinear")) return bt_call_fail(c, "method '%.40s'", method);
    if (in->dim[1] == 0 || in->dim[2] == 0) return bt_call_fail(c, "images without pixels");
    if (c->in[1]->dtype != BERTH_FLOAT || c->in[2]->dtype != BERTH_INT32)
        return bt_call_fail(c, "boxes must be float32 and image numbers int32");
    p.boxes = c->in[1]->data, p.images = c->in[2]->data;
    p.r = (resize){.h = in->dim[1],
                   .w = in->dim[2],
                   .channels = in->dim[3],
                   .out_h = fact.shape.dim[1],
                   .out_w = fact.shape.dim[2]};
    if (bt_on_device(c)) return crop_on_gpu(c, &p, &fact.shape);
    for (int64_t i = 0; i < fact.shape.dim[0]; i++)
        if (p.images[i] < 0 || p.images[i] >= in->dim[0])
            return bt_call_fail(c, BAD_IMAGE, (long long)p.images[i], (long long)in->dim[0]);
    if (!(p.r.in = bt_call_floats(c, c->in[0]))) return c->error->status;
    if (!(p.r.out = bt_out(c, 0, BERTH_FLOAT, &fact.shape))) return BERTH_NO_MEMORY;
    bt_parallel(c->pool, fact.shape.dim[0] * p.r.out_h, 8192 / (p.r.out_w * p.r.channels + 1) + 1, crop_rows,
                &p);
    return BERTH_OK;
}

#define RESIZE(op, shape, run, on_host)                                                                     \
    {                                                                                                       \
        .name = op, .infer = shape, .cpu = run, .gpu = run, .gpu_types = BT_REALS, .host_inputs = on_host   \
    }

const bt_op bt_ops_resize[] = {
    RESIZE("ResizeBilinear", infer_resize, run_bilinear, 2),
    RESIZE("ResizeNearestNeighbor", infer_nearest, run_nearest, 2),
    RESIZE("ResizeBicubic", infer_resize, run_bicubic, 2),
    RESIZE("ResizeArea", infer_resize, run_area, 2),
    RESIZE("CropAndResize", infer_crop, run_crop, 8),
    {0},
};
