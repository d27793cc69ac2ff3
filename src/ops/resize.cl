/* Images [N, H, W, C] of another size, beside the simple ways of pick.cl: bicubic, by area, crops, and any kernel's weights
 * (ScaleAndTranslate). The arithmetic is that of resize.c and scale_translate.c, which call. */

#define BOUND(i, n) ((i) < 0 ? 0 : (i) >= (n) ? (n)-1 : (i))

/* rows: of all outputs. */
typedef struct resize {
    I64 rows, h, w, out_h, out_w, channels, half_pixel, corners;
} resize;

#ifdef RESIZE
/* ---- Bicubic ------------------------------------------------------------------------------------------ */

typedef struct cubic {
    I64 at[4];
    float weight[4];
} cubic;

DEVFN float cubic_near(float x, float a) { return ((a + 2) * x - (a + 3)) * x * x + 1; }
DEVFN float cubic_far(float x, float a) { return ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a; }

DEVFN cubic cubic_step(I64 i, float scale, I64 in, I64 half_pixel)
{
    const float at = half_pixel ? ((float)i + 0.5f) * scale - 0.5f : (float)i * scale;
    const float a = half_pixel ? -0.5f : -0.75f, step = rint((at - floor(at)) * 1024) / 1024;
    const I64 base = (I64)floor(at);
    float sum = 0;
    cubic s;
    s.weight[0] = cubic_far(step, a), s.weight[1] = cubic_near(step, a);
    s.weight[2] = cubic_near(1 - step, a), s.weight[3] = cubic_far(1 - step, a);
    for (int k = 0; k < 4; k++) {
        s.at[k] = BOUND(base - 1 + k, in);
        if (half_pixel && s.at[k] != base - 1 + k) s.weight[k] = 0;
        sum += s.weight[k];
    }
    for (int k = 0; half_pixel && fabs(sum) >= 1000 * 1.17549435e-38f && k < 4; k++) s.weight[k] *= 1 / sum;
    return s;
}

KERNEL void bicubic(GLOBAL const T *x, GLOBAL float *y, resize by, float down, float across)
{
    EACH(0, pixel, by.rows * by.out_w)
    {
        const cubic u = cubic_step(pixel % by.out_w, across, by.w, by.half_pixel);
        const cubic v = cubic_step(pixel / by.out_w % by.out_h, down, by.h, by.half_pixel);
        GLOBAL const T *image = x + pixel / (by.out_w * by.out_h) * by.h * by.w * by.channels;
        for (I64 k = 0; k < by.channels; k++) {
            float sum = 0;
            for (int j = 0; j < 4; j++) {
                const I64 at = u.at[j] * by.channels + k, row = by.w * by.channels;
                sum += ((float)LOAD(image, v.at[0] * row + at) * v.weight[0] + (float)LOAD(image, v.at[1] * row + at) * v.weight[1] +
                        (float)LOAD(image, v.at[2] * row + at) * v.weight[2] + (float)LOAD(image, v.at[3] * row + at) * v.weight[3]) *
                       u.weight[j];
            }
            y[pixel * by.channels + k] = sum;
        }
    }
}

/* ---- By area ------------------------------------------------------------------------------------------ */

/* How much of pixel i lies between `from` and `to`. */
DEVFN float part_of_pixel(I64 i, float from, float to, float scale)
{
    const float pixel = (float)i, next = pixel + 1;
    if (pixel < from) return next > to ? scale : next - from;
    return next > to ? to - pixel : 1;
}

DEVFN float span_weight(I64 i, I64 first, I64 end, float from, float to, float scale)
{
    return i == first || i == end - 1 ? part_of_pixel(i, from, to, scale) : 1;
}

KERNEL void area(GLOBAL const T *x, GLOBAL float *y, resize by, float down, float across)
{
    const float whole = 1 / (down * across);
    EACH(0, pixel, by.rows * by.out_w)
    {
        const I64 i = pixel / by.out_w % by.out_h, j = pixel % by.out_w;
        const float top = (float)i * down, bottom = (float)(i + 1) * down;
        const float left = (float)j * across, right = (float)(j + 1) * across;
        const I64 v0 = (I64)floor(top), v1 = (I64)ceil(bottom), u0 = (I64)floor(left), u1 = (I64)ceil(right);
        GLOBAL const T *image = x + pixel / (by.out_w * by.out_h) * by.h * by.w * by.channels;
        for (I64 k = 0; k < by.channels; k++) {
            float sum = 0;
            for (I64 v = v0; v < v1; v++) {
                GLOBAL const T *line = image + BOUND(v, by.h) * by.w * by.channels + k;
                float part = 0;
                for (I64 u = u0; u < u1; u++)
                    part += (float)LOAD(line, BOUND(u, by.w) * by.channels) * span_weight(u, u0, u1, left, right, across);
                sum += part * span_weight(v, v0, v1, top, bottom, down);
            }
            y[pixel * by.channels + k] = sum * whole;
        }
    }
}

/* ---- Crops: boxes [n, 4] of y1, x1, y2, x2, as parts of an image --------------------------------------- */

/* Place i of n between from and to, in pixels of an axis of `dim`. */
DEVFN float crop_place(I64 i, I64 n, float from, float to, I64 dim)
{
    const float last = (float)(dim - 1);
    if (n <= 1) return 0.5f * (from + to) * last;
    return from * last + (float)i * ((to - from) * last / (float)(n - 1));
}

KERNEL void crop(GLOBAL const T *x, GLOBAL const float *boxes, GLOBAL const int *images, GLOBAL float *y, resize by,
                 I64 n_images, I64 nearest, float outside, FAULT_ARGS)
{
    EACH(0, pixel, by.rows * by.out_w)
    {
        const I64 n = pixel / (by.out_w * by.out_h), number = images[n];
        GLOBAL const float *box = boxes + 4 * n;
        const float v = crop_place(pixel / by.out_w % by.out_h, by.out_h, box[0], box[2], by.h);
        const float u = crop_place(pixel % by.out_w, by.out_w, box[1], box[3], by.w);
        const int known = number >= 0 && number < n_images;
        const int inside = known && v >= 0 && v <= (float)(by.h - 1) && u >= 0 && u <= (float)(by.w - 1);
        if (!known) FAULT(number, n_images, 0);
        GLOBAL const T *image = x + (inside ? number : 0) * by.h * by.w * by.channels;
        const I64 row = by.w * by.channels, top = inside ? (I64)floor(v) * row : 0, bottom = inside ? (I64)ceil(v) * row : 0;
        const I64 left = inside ? (I64)floor(u) * by.channels : 0, right = inside ? (I64)ceil(u) * by.channels : 0;
        const float across = u - floor(u), down = v - floor(v);
        for (I64 k = 0; k < by.channels; k++) {
            float value = outside;
            if (inside && nearest) {
                value = (float)LOAD(image, (I64)round(v) * row + (I64)round(u) * by.channels + k);
            } else if (inside) {
                const float a = (float)LOAD(image, top + left + k), b = (float)LOAD(image, top + right + k);
                const float d = (float)LOAD(image, bottom + left + k), e = (float)LOAD(image, bottom + right + k);
                const float above = a + (b - a) * across, below = d + (e - d) * across;
                value = above + (below - above) * down;
            }
            y[pixel * by.channels + k] = value;
        }
    }
}
#endif

/* ---- Weights of a kernel ------------------------------------------------------------------------------ */

#ifdef SCALE
/* The kernels' numbers as in scale_translate.c. */
DEVFN float lanczos(float x, float radius)
{
    const float pi = 3.14159265358979323846f;
    if (x > radius) return 0;
    if (x <= 1e-3f) return 1;
    return radius * sin(pi * x) * sin(pi * x / radius) / (pi * pi * x * x);
}

DEVFN float weight_at(I64 kernel_number, float x)
{
    switch (kernel_number) {
    case 0: return lanczos(x, 1);
    case 1: return lanczos(x, 3);
    case 2: return lanczos(x, 5);
    case 3: return x >= 1.5f ? 0 : exp(-x * x / (2 * 0.5f * 0.5f));
    case 4: return x < 0.5f ? 1 : x == 0.5f ? 0.5f : 0;
    case 5: return x < 1 ? 1 - x : 0;
    case 6:
        if (x >= 2) return 0;
        return x >= 1 ? ((-0.5f * x + 2.5f) * x - 4) * x + 2 : (1.5f * x - 2.5f) * x * x + 1;
    default:
        if (x >= 2) return 0;
        return x >= 1 ? (((-7.0f / 18) * x + 2) * x - 10.0f / 3) * x + 16.0f / 9 : ((7.0f / 6) * x - 2) * x * x + 8.0f / 9;
    }
}

/* For each of `out` places, `width` weights from pixel first[i] on, which add up to 1. */
KERNEL void weigh(GLOBAL I64 *first, GLOBAL float *weights, I64 out, I64 in, I64 width, I64 kernel_number, float inverse,
                  float shift, float radius, float stretch)
{
    EACH(0, i, out)
    {
        GLOBAL float *weight = weights + i * width;
        const float sample = ((float)i + 0.5f) * inverse - inverse * shift;
        float total = 0;
        for (I64 k = 0; k < width; k++) weight[k] = 0;
        first[i] = 0;
        if (!(sample >= 0 && sample <= (float)in)) continue;
        const I64 from = (I64)ceil(sample - radius * stretch - 0.5f), to = (I64)floor(sample + radius * stretch - 0.5f);
        const I64 begin = BOUND(from, in), last = BOUND(to, in);
        for (I64 k = begin; k <= last && k - begin < width; k++) {
            weight[k - begin] = weight_at(kernel_number, fabs(((float)k + 0.5f - sample) / stretch));
            total += weight[k - begin];
        }
        if (fabs(total) < 1000 * 1.17549435e-38f) total = M_INF;
        for (I64 k = 0; k < width; k++) weight[k] /= total;
        first[i] = begin;
    }
}

/* rows [batch, out_h, w, channels]: sums over y of x [batch, h, w, channels]. */
KERNEL void scale_down(GLOBAL const T *x, GLOBAL float *rows, GLOBAL const I64 *first, GLOBAL const float *weights, I64 width,
                       resize by)
{
    const I64 line = by.w * by.channels;
    EACH(1, row, by.rows)
    {
        const I64 v = row % by.out_h;
        EACH(0, i, line)
        {
            float sum = 0;
            for (I64 k = 0; k < width && first[v] + k < by.h; k++)
                if (weights[v * width + k] != 0)
                    sum += weights[v * width + k] * (float)LOAD(x, (row / by.out_h * by.h + first[v] + k) * line + i);
            rows[row * line + i] = sum;
        }
    }
}

/* y [rows, out_w, channels]: sums over x of rows [rows, w, channels]. */
KERNEL void scale_across(GLOBAL const float *rows, GLOBAL float *y, GLOBAL const I64 *first, GLOBAL const float *weights,
                         I64 width, resize by)
{
    EACH(1, row, by.rows)
    {
        EACH(0, i, by.out_w * by.channels)
        {
            const I64 u = i / by.channels;
            float sum = 0;
            for (I64 k = 0; k < width && first[u] + k < by.w; k++)
                sum += weights[u * width + k] * rows[(row * by.w + first[u] + k) * by.channels + i % by.channels];
            y[row * by.out_w * by.channels + i] = sum;
        }
    }
}
#endif
