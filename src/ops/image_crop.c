/* Parts of images and marks on them: ExtractGlimpse, DrawBoundingBoxes, ImageProjectiveTransform. Images are
 * [N, H, W, C]. Crops that are resized: resize.c. */
#include "ops/gpu.h"
#include "ops/move.h"
#include "ops/product.h"

#include <math.h>

BT_CL_DECLARE(image);

/* `frames` in image.cl: images of h x w into out_h x out_w; n: rows of all outputs. */
typedef struct frames {
    int64_t n, h, w, channels, out_h, out_w;
    int64_t centered, normalized, plain;
    int64_t boxes, colours, colour_size;
    int64_t transforms, mode, nearest;
} frames;

static frames frames_of(const bt_tensor *in, const bt_shape *out)
{
    return (frames){.n = in->shape.dim[0] * out->dim[1],
                    .h = in->shape.dim[1],
                    .w = in->shape.dim[2],
                    .channels = in->shape.dim[3],
                    .out_h = out->dim[1],
                    .out_w = out->dim[2]};
}

/* Images in input 0, and two integers, at least `least`, in input `size` as height
 * and width of the output. */
static berth_status infer_sized(bt_infer *x, int n_in, int size, int64_t least)
{
    int64_t hw[2] = {-1, -1};
    int n = 2;
    berth_status status = bt_infer_arity(x, n_in);
    if (status) return status;
    const bt_shape *in = &x->in[0].shape, *s = &x->in[size].shape;
    if (in->rank >= 0 && in->rank != 4)
        return bt_infer_fail(x, "images must have 4 dimensions, not %d", in->rank);
    if ((s->rank >= 0 && (s->rank != 1 || (s->dim[0] >= 0 && s->dim[0] != 2))) ||
        (x->in[size].value && (!bt_ints(x->in[size].value, hw, 2, &n) || n != 2)))
        return bt_infer_fail(x, "the size must be two integers");
    if (x->in[size].value && (hw[0] < least || hw[1] < least))
        return bt_infer_fail(x, "a size of %lld by %lld", (long long)hw[0], (long long)hw[1]);
    x->out[0].dtype = bt_infer_type(x, 0);
    x->out[0].shape = BT_SHAPE(in->rank < 0 ? -1 : in->dim[0], hw[0], hw[1], in->rank < 0 ? -1 : in->dim[3]);
    return BERTH_OK;
}

/* ---- ExtractGlimpse ----------------------------------------------------------------------------------- */

static berth_status infer_glimpse(bt_infer *x)
{
    berth_status status = infer_sized(x, 3, 1, 0);
    if (status) return status;
    const bt_shape *in = &x->in[0].shape, *offsets = &x->in[2].shape;
    if (offsets->rank >= 0 &&
        (offsets->rank != 2 || (offsets->dim[1] >= 0 && offsets->dim[1] != 2) ||
         (in->rank == 4 && in->dim[0] >= 0 && offsets->dim[0] >= 0 && in->dim[0] != offsets->dim[0])))
        return bt_infer_fail(x, "offsets must be two numbers an image");
    return BERTH_OK;
}

typedef enum noise { NOISE_ZERO, NOISE_UNIFORM, NOISE_GAUSSIAN } noise;

/* Uniform in (0, 1]: splitmix64. TensorFlow draws other numbers every time; here they are the same every time. */
static double draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53 + 0x1p-53;
}

/* n numbers that spread like the `count` of an image: between the least and the largest, or normally. */
static void fill_noise(noise kind, const float *image, int64_t count, float *out, int64_t n, uint64_t *state)
{
    double least = INFINITY, most = -INFINITY, sum = 0, squares = 0;
    for (int64_t i = 0; i < count; i++) {
        least = fmin(least, image[i]), most = fmax(most, image[i]);
        sum += image[i], squares += (double)image[i] * image[i];
    }
    double mean = count ? sum / (double)count : 0;
    double sigma = count ? sqrt(fmax(squares / (double)count - mean * mean, 0)) : 0;
    for (int64_t i = 0; i < n; i++) {
        double u = draw(state);
        out[i] = kind == NOISE_UNIFORM
                     ? (float)(least + u * (most - least))
                     : (float)(mean + sigma * sqrt(-2 * log(u)) * cos(6.283185307179586 * draw(state)));
    }
}

static bool read_noise(const bt_node *node, noise *kind)
{
    const char *name = bt_attr_string(node, "noise", "uniform");
    bool is_uniform = strcmp(name, "uniform") == 0;
    if (bt_attr_bool(node, "uniform_noise", true) && !is_uniform) return false;
    *kind = strcmp(name, "zero") == 0 ? NOISE_ZERO : is_uniform ? NOISE_UNIFORM : NOISE_GAUSSIAN;
    return is_uniform || *kind == NOISE_ZERO || strcmp(name, "gaussian") == 0;
}

/* The first pixel of a glimpse of `size` along an axis of `in` pixels. Offsets are in pixels or, normalized, in sizes of
 * the image, from its first pixel or, centered, half as long and from its middle. They say where the middle of the
 * glimpse lies. The second version halves, and means the middle, only where offsets are normalized and centered. */
static void glimpse_flags(const bt_node *node, bool *centered, bool *normalized, bool *plain)
{
    *centered = bt_attr_bool(node, "centered", true), *normalized = bt_attr_bool(node, "normalized", true);
    *plain = strcmp(node->op, "ExtractGlimpse") && !(*centered && *normalized);
}

static int64_t glimpse_start(const bt_node *node, float offset, int64_t in, int64_t size)
{
    bool centered, normalized, plain;
    glimpse_flags(node, &centered, &normalized, &plain);
    if (normalized) offset *= (float)in;
    if (centered) offset = (plain ? offset : offset / 2) + (float)in / 2;
    if (!plain) offset -= (float)size / 2;
    return offset >= -0x1p62f && offset <= 0x1p62f ? (int64_t)offset : INT64_MIN / 2;
}

static const char *glimpse_refuses(const bt_node *node, const bt_fact *in, int n_in)
{
    (void)in, (void)n_in;
    return strcmp(bt_attr_string(node, "noise", "uniform"), "zero") ? "its kernel has no noise" : NULL;
}

static berth_status glimpse_on_gpu(bt_call *c, void *out, const bt_shape *shape)
{
    bool centered, normalized, plain;
    frames by = frames_of(c->in[0], shape);
    glimpse_flags(c->node, &centered, &normalized, &plain);
    by.centered = centered, by.normalized = normalized, by.plain = plain;
    bt_arg args[] = {bt_pointer(c->in[0]->data), bt_pointer(c->in[2]->data), bt_pointer(out),
                     bt_bytes(&by, sizeof by)};
    bt_grid grid = bt_grid_rows(c, by.out_w * by.channels, by.n);
    return bt_shape_count(shape)
               ? bt_gpu_launch(c, BT_CL(image), "-DDT=f32 -DMARKS", "glimpse", &grid, args, 4)
               : BERTH_OK;
}

static berth_status run_glimpse(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    noise kind;
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    if (!read_noise(c->node, &kind)) return bt_call_fail(c, "uniform_noise and noise do not agree");
    if (in->dtype != BERTH_FLOAT || c->in[2]->dtype != BERTH_FLOAT)
        return bt_call_fail(c, "images and offsets must be float32");
    float *out = bt_out(c, 0, BERTH_FLOAT, &fact.shape);
    if (!out) return BERTH_NO_MEMORY;
    if (bt_on_device(c)) return glimpse_on_gpu(c, out, &fact.shape);
    int64_t h = in->shape.dim[1], w = in->shape.dim[2], n = in->shape.dim[3];
    int64_t out_h = fact.shape.dim[1], out_w = fact.shape.dim[2];
    uint64_t state = 0;
    for (int64_t image = 0; image < in->shape.dim[0]; image++, out += out_h * out_w * n) {
        const float *from = (const float *)in->data + image * h * w * n,
                    *offset = (const float *)c->in[2]->data + 2 * image;
        int64_t top = glimpse_start(c->node, offset[0], h, out_h),
                left = glimpse_start(c->node, offset[1], w, out_w);
        if (kind == NOISE_ZERO) memset(out, 0, (size_t)(out_h * out_w * n) * sizeof *out);
        else fill_noise(kind, from, h * w * n, out, out_h * out_w * n, &state);
        int64_t first = left < 0 ? -left : 0, end = w - left < out_w ? w - left : out_w;
        for (int64_t y = top < 0 ? -top : 0; y < out_h && y + top < h && first < end; y++)
            memcpy(out + (y * out_w + first) * n, from + ((y + top) * w + left + first) * n,
                   (size_t)((end - first) * n) * sizeof *out);
    }
    return BERTH_OK;
}

/* ---- DrawBoundingBoxes -------------------------------------------------------------------------------- */

static berth_status infer_draw(bt_infer *x)
{
    bool coloured = bt_ends(x->node->op, "V2");
    berth_status status = bt_infer_arity(x, coloured ? 3 : 2);
    if (status) return status;
    const bt_shape *in = &x->in[0].shape, *boxes = &x->in[1].shape;
    x->out[0] = (bt_fact){bt_infer_type(x, 0), *in, NULL};
    if (in->rank >= 0 && in->rank != 4)
        return bt_infer_fail(x, "images must have 4 dimensions, not %d", in->rank);
    if (in->rank == 4 && in->dim[3] >= 0 && in->dim[3] != 1 && in->dim[3] != 3 && in->dim[3] != 4)
        return bt_infer_fail(x, "images must have 1, 3 or 4 channels, not %lld", (long long)in->dim[3]);
    if (boxes->rank >= 0 &&
        (boxes->rank != 3 || (boxes->dim[2] >= 0 && boxes->dim[2] != 4) ||
         (in->rank == 4 && in->dim[0] >= 0 && boxes->dim[0] >= 0 && in->dim[0] != boxes->dim[0])))
        return bt_infer_fail(x, "boxes must be [batch, n, 4]");
    if (coloured && x->in[2].shape.rank >= 0 && x->in[2].shape.rank != 2)
        return bt_infer_fail(x, "colors must be a matrix");
    return BERTH_OK;
}

/* Where none are given. */
static const float palette[][4] = {{1, 1, 0, 1},     {0, 0, 1, 1},     {1, 0, 0, 1},   {0, 1, 0, 1},
                                   {0.5, 0, 0.5, 1}, {0.5, 0.5, 0, 1}, {0.5, 0, 0, 1}, {0, 0, 0.5, 1},
                                   {0, 1, 1, 1},     {1, 0, 1, 1}};
static const float white[4] = {1, 1, 1, 1};

typedef struct canvas {
    float *pixels;
    int64_t h, w, n;
} canvas;

/* Pixels [x, to_x] of [y, to_y], which may lie outside in part. */
static void fill(const canvas *k, int64_t y, int64_t x, int64_t to_y, int64_t to_x, const float *colour)
{
    if (y < 0) y = 0;
    if (x < 0) x = 0;
    for (; y <= to_y && y < k->h; y++)
        for (int64_t i = x; i <= to_x && i < k->w; i++)
            memcpy(k->pixels + (y * k->w + i) * k->n, colour, (size_t)k->n * sizeof *colour);
}

static int64_t pixel_of(float place, int64_t size)
{
    float v = place * (float)(size - 1);
    return v >= -0x1p40f && v <= 0x1p40f ? (int64_t)v : v > 0 ? (int64_t)1 << 40 : -((int64_t)1 << 40);
}

static void draw_box(const canvas *k, const float *box, const float *colour)
{
    int64_t top = pixel_of(box[0], k->h), left = pixel_of(box[1], k->w);
    int64_t bottom = pixel_of(box[2], k->h), right = pixel_of(box[3], k->w);
    if (top > bottom || left > right || top >= k->h || bottom < 0 || left >= k->w || right < 0) return;
    if (top >= 0) fill(k, top, left, top, right, colour);
    if (bottom < k->h) fill(k, bottom, left, bottom, right, colour);
    if (left >= 0) fill(k, top, left, bottom, left, colour);
    if (right < k->w) fill(k, top, right, bottom, right, colour);
}

static berth_status draw_on_gpu(bt_call *c, void *out)
{
    char defines[BT_DEFINES];
    const bt_tensor *in = c->in[0], *boxes = c->in[1], *colours = c->n_in > 2 ? c->in[2] : NULL;
    frames by = frames_of(in, &in->shape);
    by.boxes = boxes->shape.dim[1];
    if (colours) by.colours = colours->shape.dim[0], by.colour_size = colours->shape.dim[1];
    bt_arg args[] = {bt_pointer(in->data), bt_pointer(boxes->data),
                     bt_pointer(colours ? colours->data : boxes->data), bt_pointer(out),
                     bt_bytes(&by, sizeof by)};
    bt_grid grid = bt_grid_rows(c, by.w, by.n);
    bt_gpu_defines(defines, in->dtype, 0, "-DMARKS");
    return bt_tensor_count(in) ? bt_gpu_launch(c, BT_CL(image), defines, "draw", &grid, args, 5) : BERTH_OK;
}

static berth_status run_draw(bt_call *c)
{
    const bt_tensor *in = c->in[0], *boxes = c->in[1], *colours = c->n_in > 2 ? c->in[2] : NULL;
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    int64_t count = bt_tensor_count(in), n = in->shape.dim[3], n_boxes = boxes->shape.dim[1];
    int64_t n_colours = colours ? colours->shape.dim[0] : 0;
    if ((in->dtype != BERTH_FLOAT && in->dtype != BERTH_HALF) || boxes->dtype != BERTH_FLOAT ||
        (colours && colours->dtype != BERTH_FLOAT))
        return bt_call_unsupported(c, "drawing on %s", bt_dtype_name(in->dtype));
    if (colours && colours->shape.dim[1] < n)
        return bt_call_fail(c, "colors of %lld channels for images of %lld", (long long)colours->shape.dim[1],
                            (long long)n);
    void *out = bt_out(c, 0, in->dtype, &in->shape);
    if (!out) return BERTH_NO_MEMORY;
    if (bt_on_device(c)) return draw_on_gpu(c, out);
    const float *from = bt_floats(c, in->dtype, in->data, count);
    float *pixels = from ? bt_floats_out(c, in->dtype, out, count) : NULL;
    if (!pixels) return BERTH_NO_MEMORY;
    if (count) memcpy(pixels, from, (size_t)count * sizeof *pixels);
    canvas k = {pixels, in->shape.dim[1], in->shape.dim[2], n};
    for (int64_t image = 0; count && image < in->shape.dim[0]; image++, k.pixels += k.h * k.w * n)
        for (int64_t i = 0; i < n_boxes; i++) {
            const float *given =
                n_colours ? (const float *)colours->data + i % n_colours * colours->shape.dim[1] : NULL;
            draw_box(&k, (const float *)boxes->data + (image * n_boxes + i) * 4,
                     given    ? given
                     : n == 1 ? white
                              : palette[i % 10]);
        }
    bt_floats_done(c, in->dtype, out, pixels, count);
    return BERTH_OK;
}

/* ---- ImageProjectiveTransform ------------------------------------------------------------------------- */

static berth_status infer_project(bt_infer *x)
{
    bool fills = bt_ends(x->node->op, "V3");
    berth_status status = infer_sized(x, fills ? 4 : 3, 2, 1);
    if (status) return status;
    const bt_shape *in = &x->in[0].shape, *t = &x->in[1].shape;
    x->out[0].dtype = x->in[0].dtype ? x->in[0].dtype : bt_attr_type(x->node, "dtype", BERTH_NO_DTYPE);
    bool one_each = t->rank != 2 || in->rank != 4 || t->dim[0] < 0 || t->dim[0] == 1 || in->dim[0] < 0 ||
                    t->dim[0] == in->dim[0];
    if (t->rank >= 0 && (t->rank != 2 || (t->dim[1] >= 0 && t->dim[1] != 8) || !one_each))
        return bt_infer_fail(x, "transforms must be [batch or 1, 8]");
    if (fills && x->in[3].shape.rank > 0) return bt_infer_fail(x, "fill_value must be a scalar");
    return BERTH_OK;
}

typedef struct projection {
    const bt_tensor *in;
    const float *floats; /* of in */
    const float *transforms;
    int64_t n_transforms, out_h, out_w;
    char *out;
    float outside;
    char mode; /* first letter of fill_mode */
    bool nearest;
} projection;

/* A place outside [0, n - 1] brought inside, or left there. */
static float bring_inside(float at, int64_t n, char mode)
{
    float last = (float)(n - 1), size = (float)n;
    if (mode == 'C') return at;
    if (mode == 'R' && n > 1) {
        if (at < 0) {
            if (at < 2 * size) at = 2 * size * truncf(-at / (2 * size)) + at;
            at = at < -size ? at + 2 * size : -at - 1;
        } else if (at > last) {
            at -= 2 * size * truncf(at / (2 * size));
            if (at >= size) at = 2 * size - at - 1;
        }
    } else if (mode == 'W' && n > 1) {
        if (at < 0) at += size * (truncf(-at / last) + 1);
        else if (at > last) at -= size * truncf(at / last);
    }
    return n <= 1 ? 0 : fmaxf(0, fminf(at, last));
}

/* Index of a pixel's first channel; -1: outside. */
static int64_t pixel_at(const projection *p, int64_t image, float y, float x)
{
    const int64_t *dim = p->in->shape.dim;
    if (!(y >= 0 && x >= 0 && y < (float)dim[1] && x < (float)dim[2])) return -1;
    return ((image * dim[1] + (int64_t)y) * dim[2] + (int64_t)x) * dim[3];
}

static void project_pixel(const projection *p, int64_t image, float y, float x, int64_t to)
{
    berth_dtype dtype = p->in->dtype;
    int64_t n = p->in->shape.dim[3], at[4];
    float left = floorf(x), top = floorf(y), fx = x - left, fy = y - top;
    if (p->nearest) {
        at[0] = pixel_at(p, image, roundf(y), roundf(x));
        if (at[0] >= 0)
            memcpy(bt_at(dtype, p->out, to), bt_at_const(dtype, p->in->data, at[0]),
                   (size_t)n * bt_dtype_size(dtype));
        for (int64_t k = 0; at[0] < 0 && k < n; k++)
            bt_put_number(dtype, bt_at(dtype, p->out, to + k), p->outside);
        return;
    }
    for (int i = 0; i < 4; i++) at[i] = pixel_at(p, image, top + (float)(i / 2), left + (float)(i % 2));
    for (int64_t k = 0; k < n; k++) {
        float v[4];
        for (int i = 0; i < 4; i++) v[i] = at[i] < 0 ? p->outside : p->floats[at[i] + k];
        float upper = (left + 1 - x) * v[0] + fx * v[1], lower = (left + 1 - x) * v[2] + fx * v[3];
        bt_put_number(dtype, bt_at(dtype, p->out, to + k), (top + 1 - y) * upper + fy * lower);
    }
}

/* Rows of all outputs, flattened. */
static void project_rows(void *user, int64_t first, int64_t end, int worker)
{
    const projection *p = user;
    const int64_t *dim = p->in->shape.dim;
    (void)worker;
    for (int64_t row = first; row < end; row++) {
        int64_t image = row / p->out_h;
        const float *t = p->transforms + (p->n_transforms == 1 ? 0 : 8 * image), y = (float)(row % p->out_h);
        for (int64_t i = 0; i < p->out_w; i++) {
            float x = (float)i, by = t[6] * x + t[7] * y + 1;
            float from_x = (t[0] * x + t[1] * y + t[2]) / by, from_y = (t[3] * x + t[4] * y + t[5]) / by;
            if (by == 0 || isnan(from_x) || isnan(from_y)) from_x = from_y = -2;
            else
                from_x = bring_inside(from_x, dim[2], p->mode),
                from_y = bring_inside(from_y, dim[1], p->mode);
            project_pixel(p, image, from_y, from_x, (row * p->out_w + i) * dim[3]);
        }
    }
}

static berth_status project_on_gpu(bt_call *c, const bt_shape *shape, char mode, bool nearest)
{
    char defines[BT_DEFINES];
    const bt_tensor *in = c->in[0];
    bool whole = !bt_dtype_is_float(in->dtype);
    frames by = frames_of(in, shape);
    by.transforms = c->in[1]->shape.dim[0], by.mode = mode, by.nearest = nearest;
    void *out = bt_out(c, 0, in->dtype, shape),
         *fill = c->n_in > 3 ? c->in[3]->data : bt_scratch(c, sizeof(float));
    if (!out || !fill) return BERTH_NO_MEMORY;
    berth_status status = c->n_in > 3 ? BERTH_OK : bt_call_zero(c, BERTH_FLOAT, fill, 1);
    bt_arg args[] = {bt_pointer(in->data), bt_pointer(c->in[1]->data), bt_pointer(fill), bt_pointer(out),
                     bt_bytes(&by, sizeof by)};
    bt_grid grid = bt_grid_of(c, by.n * by.out_w * (c->device->is_cpu_shaped ? by.channels : 1));
    if (status || bt_shape_count(shape) == 0) return status;
    bt_gpu_defines(defines, in->dtype, 0, whole ? "-DPROJECTION -DWHOLE" : "-DPROJECTION");
    return bt_gpu_launch(c, BT_CL(image), defines, "project", &grid, args, 5);
}

static berth_status run_project(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    const char *interpolation = bt_attr_string(c->node, "interpolation", ""),
               *mode = bt_attr_string(c->node, "fill_mode", "CONSTANT");
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    bool nearest = strcmp(interpolation, "NEAREST") == 0;
    if (!nearest && strcmp(interpolation, "BILINEAR"))
        return bt_call_fail(c, "interpolation '%.40s'", interpolation);
    if (strcmp(mode, "CONSTANT") && strcmp(mode, "REFLECT") && strcmp(mode, "WRAP") &&
        strcmp(mode, "NEAREST"))
        return bt_call_fail(c, "fill_mode '%.40s'", mode);
    if (c->in[1]->dtype != BERTH_FLOAT) return bt_call_fail(c, "transforms must be float32");
    if (bt_on_device(c)) return project_on_gpu(c, &fact.shape, mode[0], nearest);
    projection p = {.in = in,
                    .transforms = c->in[1]->data,
                    .n_transforms = c->in[1]->shape.dim[0],
                    .out_h = fact.shape.dim[1],
                    .out_w = fact.shape.dim[2],
                    .outside = c->n_in > 3 ? (float)bt_tensor_number(c->in[3], 0) : 0,
                    .mode = mode[0],
                    .nearest = nearest};
    if (!bt_dtype_is_float(in->dtype)) p.outside = truncf(p.outside);
    if (!p.nearest && !(p.floats = bt_call_floats(c, in)))
        return c->error ? c->error->status : BERTH_NO_MEMORY;
    if (!(p.out = bt_out(c, 0, in->dtype, &fact.shape))) return BERTH_NO_MEMORY;
    bt_parallel(c->pool, in->shape.dim[0] * p.out_h, 4096 / (p.out_w * in->shape.dim[3] + 1) + 1,
                project_rows, &p);
    return BERTH_OK;
}

#define PROJECT_TYPES (BT_FLOATS | BT_T(BERTH_UINT8) | BT_T(BERTH_INT32) | BT_T(BERTH_INT64))
#define PROJECT(version)                                                                                   \
    {                                                                                                      \
        .name = "ImageProjectiveTransform" version, .infer = infer_project, .cpu = run_project,            \
        .types = PROJECT_TYPES, .type_attr = "dtype", .outputs = "transformed_images", .gpu = run_project, \
        .gpu_types = PROJECT_TYPES, .host_inputs = 4                                                       \
    }
#define GLIMPSE(op)                                                                                       \
    {                                                                                                     \
        .name = op, .infer = infer_glimpse, .cpu = run_glimpse, .outputs = "glimpse", .gpu = run_glimpse, \
        .gpu_refuses = glimpse_refuses, .host_inputs = 2                                                  \
    }
#define DRAW(op)                                                           \
    {                                                                      \
        .name = op, .infer = infer_draw, .cpu = run_draw, .gpu = run_draw, \
        .gpu_types = BT_T(BERTH_FLOAT) | BT_T(BERTH_HALF)                  \
    }

const bt_op bt_ops_image_crop[] = {
    GLIMPSE("ExtractGlimpse"),
    GLIMPSE("ExtractGlimpseV2"),
    DRAW("DrawBoundingBoxes"),
    DRAW("DrawBoundingBoxesV2"),
    PROJECT("V2"),
    PROJECT("V3"),
    {0},
};
