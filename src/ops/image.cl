/* Images [N, H, W, C]: colours, windows side by side, glimpses, marks, projections. Who calls: image.c, image_crop.c,
 * image_patches.c, dilation.c. Of another size: resize.cl. */

/* ---- Colours: n pixels of three channels; hue lies in [0, 1] ------------------------------------------- */

#ifdef COLOURS
DEVFN A unit(A x) { return x < 0 ? (A)0 : x > 1 ? (A)1 : x; }
DEVFN A largest(A r, A g, A b) { return b > (r > g ? r : g) ? b : r > g ? r : g; }
DEVFN A smallest(A r, A g, A b) { return b < (r < g ? r : g) ? b : r < g ? r : g; }

/* v: the largest of the three; 0 where there is no range. */
DEVFN A hue_of(A r, A g, A b, A v, A range)
{
    const A part = 1 / (6 * range);
    if (!(range > 0)) return 0;
    const A h = r == v ? part * (g - b) : g == v ? part * (b - r) + (A)2 / 6 : part * (r - g) + (A)4 / 6;
    return h < 0 ? h + 1 : h;
}

typedef struct triple {
    A a, b, c;
} triple;

DEVFN triple to_hsv(triple p)
{
    const A v = largest(p.a, p.b, p.c), range = v - smallest(p.a, p.b, p.c);
    const triple q = {hue_of(p.a, p.b, p.c, v, range), v > 0 ? range / v : 0, v};
    return q;
}

DEVFN triple to_rgb(triple p)
{
    const A h = p.a * 6, s = p.b, v = p.c;
    const triple q = {(1 - s + s * unit((A)fabs(h - 3) - 1)) * v, (1 - s + s * unit(2 - (A)fabs(h - 2))) * v,
                      (1 - s + s * unit(2 - (A)fabs(h - 4))) * v};
    return q;
}

DEVFN triple saturated(triple p, A by)
{
    triple q = to_hsv(p);
    q.b = unit(q.b * by);
    return to_rgb(q);
}

/* The hue turns between the least and the largest channel, whatever their signs. */
DEVFN triple turned(triple p, A by)
{
    const A v = largest(p.a, p.b, p.c), least = smallest(p.a, p.b, p.c), h = hue_of(p.a, p.b, p.c, v, v - least) + by;
    triple q = {h - floor(h), 1, 1};
    q = to_rgb(q);
    q.a = least + q.a * (v - least), q.b = least + q.b * (v - least), q.c = least + q.c * (v - least);
    return q;
}

#define RGBToHSV to_hsv(p)
#define HSVToRGB to_rgb(p)
#define AdjustSaturation saturated(p, (A)by[0])
#define AdjustHue turned(p, (A)by[0])

KERNEL void colours(GLOBAL const T *x, GLOBAL T *y, GLOBAL const float *by, I64 n)
{
    EACH(0, i, n)
    {
        const triple p = {LOAD(x, 3 * i), LOAD(x, 3 * i + 1), LOAD(x, 3 * i + 2)};
        const triple q = COLOURS;
        STORE(y, 3 * i, q.a);
        STORE(y, 3 * i + 1, q.b);
        STORE(y, 3 * i + 2, q.c);
    }
}

/* A channel of an image a group: its mean, by sums that keep what each addition drops; then the distance from it. */
KERNEL void contrast(GLOBAL const T *x, GLOBAL T *y, GLOBAL const float *by, I64 n, I64 pixels, I64 channels)
{
    LOCAL float part[256];
    for (I64 o = WGID(0); o < n; o += NWG(0)) {
        const I64 first = o / channels * pixels * channels + o % channels;
        float sum = 0, low = 0;
        for (I64 i = LID(0); i < pixels; i += LSZ(0)) {
            const float v = LOAD(x, first + i * channels), next = sum + v;
            low += fabs(sum) >= fabs(v) ? (sum - next) + v : (v - next) + sum;
            sum = next;
        }
        part[LID(0)] = sum + low;
        BARRIER;
        for (int half_ = LSZ(0) / 2; half_ > 0; half_ /= 2) {
            if (LID(0) < half_) part[LID(0)] += part[LID(0) + half_];
            BARRIER;
        }
        const float mean = part[0] / (float)pixels;
        BARRIER;
        for (I64 i = LID(0); i < pixels; i += LSZ(0))
            STORE(y, first + i * channels, (LOAD(x, first + i * channels) - mean) * by[0] + mean);
    }
}
#endif

/* ---- Windows ------------------------------------------------------------------------------------------ */

/* Sizes of three axes: of x, of y, of the window; n: output pixels, or those times the places of a window. */
typedef struct windows {
    I64 n, channels, in[3], out[3], filter[3], stride[3], dilation[3], before[3];
} windows;

/* Index of the pixel of x under place `at` of the window of output pixel q; -1: outside. */
DEVFN I64 under(windows by, I64 q, I64 at)
{
    I64 pixel = 0, step = 1;
    for (int axis = 2; axis >= 0; axis--) {
        const I64 i = q % by.out[axis] * by.stride[axis] - by.before[axis] + at % by.filter[axis] * by.dilation[axis];
        if (i < 0 || i >= by.in[axis]) return -1;
        pixel += i * step;
        step *= by.in[axis];
        q /= by.out[axis];
        at /= by.filter[axis];
    }
    return pixel + q * step;
}

#ifdef PATCHES
/* T is an unsigned integer of the elements' size. */
KERNEL void patches(GLOBAL const T *x, GLOBAL T *y, windows by)
{
    const I64 places = by.filter[0] * by.filter[1] * by.filter[2];
    EACH(1, r, by.n)
    {
        const I64 pixel = under(by, r / places, r % places);
        EACH(0, k, by.channels) y[r * by.channels + k] = pixel < 0 ? (T)0 : x[pixel * by.channels + k];
    }
}
#endif

#ifdef DILATION
/* y = max over the window of x + filter. */
KERNEL void dilate(GLOBAL const T *x, GLOBAL const T *filter, GLOBAL T *y, windows by)
{
    const I64 places = by.filter[0] * by.filter[1] * by.filter[2];
    EACH(1, q, by.n)
    {
        EACH(0, k, by.channels)
        {
            A most = LOWEST;
            for (I64 at = 0; at < places; at++) {
                const I64 pixel = under(by, q, at);
                if (pixel < 0) continue;
                const A v = (A)(LOAD(x, pixel * by.channels + k) + LOAD(filter, at * by.channels + k));
                most = v > most ? v : most;
            }
            STORE(y, q * by.channels + k, most);
        }
    }
}
#endif

/* ---- Glimpses, marks ---------------------------------------------------------------------------------- */

/* One image of h x w into out_h x out_w. */
typedef struct frames {
    I64 n, h, w, channels, out_h, out_w; /* n: rows of all outputs */
    I64 centered, normalized, plain;     /* glimpses */
    I64 boxes, colours, colour_size;     /* boxes an image */
    I64 transforms, mode, nearest;       /* projections: 1 or one an image; first letter of fill_mode */
} frames;

#ifdef MARKS
/* The first pixel of a glimpse along an axis: glimpse_start in image_crop.c. */
DEVFN I64 glimpse_start(frames by, float offset, I64 in, I64 size)
{
    if (by.normalized) offset *= (float)in;
    if (by.centered) offset = (by.plain ? offset : offset / 2) + (float)in / 2;
    if (!by.plain) offset -= (float)size / 2;
    return offset >= -4.6e18f && offset <= 4.6e18f ? (I64)offset : (I64)-1 << 61;
}

/* What lies outside the image is zero. */
KERNEL void glimpse(GLOBAL const float *x, GLOBAL const float *offsets, GLOBAL float *y, frames by)
{
    EACH(1, row, by.n)
    {
        const I64 image = row / by.out_h;
        const I64 i = glimpse_start(by, offsets[2 * image], by.h, by.out_h) + row % by.out_h;
        const I64 left = glimpse_start(by, offsets[2 * image + 1], by.w, by.out_w);
        EACH(0, e, by.out_w * by.channels)
        {
            const I64 j = left + e / by.channels;
            const int inside = i >= 0 && i < by.h && j >= 0 && j < by.w;
            y[row * by.out_w * by.channels + e] =
                inside ? x[((image * by.h + i) * by.w + j) * by.channels + e % by.channels] : 0;
        }
    }
}

/* Channel k of the colour of a box where none are given. */
DEVFN float palette(I64 box, I64 k)
{
    const float list[40] = {1, 1, 0, 1, 0,    0, 1, 1, 1, 0, 0, 1, 0, 1,    0, 1, 0.5f, 0, 0.5f, 1,
                            0.5f, 0.5f, 0, 1, 0.5f, 0, 0, 1, 0, 0, 0.5f, 1, 0, 1, 1, 1, 1, 0, 1, 1};
    return list[box % 10 * 4 + k];
}

DEVFN I64 pixel_of(float place, I64 size)
{
    const float v = place * (float)(size - 1);
    return v >= -1.0e12f && v <= 1.0e12f ? (I64)v : v > 0 ? (I64)1 << 40 : -((I64)1 << 40);
}

/* Whether pixel i, j lies on the box's edge. */
DEVFN int is_marked(GLOBAL const float *box, I64 i, I64 j, I64 h, I64 w)
{
    const I64 top = pixel_of(box[0], h), left = pixel_of(box[1], w), bottom = pixel_of(box[2], h), right = pixel_of(box[3], w);
    if (top > bottom || left > right || i < top || i > bottom || j < left || j > right) return 0;
    return i == top || i == bottom || j == left || j == right;
}

KERNEL void draw(GLOBAL const T *x, GLOBAL const float *boxes, GLOBAL const float *colours, GLOBAL T *y, frames by)
{
    EACH(1, row, by.n)
    {
        const I64 image = row / by.h;
        EACH(0, j, by.w)
        {
            const I64 at = (row * by.w + j) * by.channels;
            I64 box = by.boxes - 1;
            while (box >= 0 && !is_marked(boxes + (image * by.boxes + box) * 4, row % by.h, j, by.h, by.w)) box--;
            for (I64 k = 0; k < by.channels; k++) {
                if (box < 0) y[at + k] = x[at + k];
                else if (by.colours) STORE(y, at + k, colours[box % by.colours * by.colour_size + k]);
                else STORE(y, at + k, by.channels == 1 ? 1 : palette(box, k));
            }
        }
    }
}
#endif

/* ---- Projections -------------------------------------------------------------------------------------- */

#ifdef PROJECTION
/* A place outside [0, n - 1] brought inside, or left there. */
DEVFN float bring_inside(float at, I64 n, I64 mode)
{
    const float last = (float)(n - 1), size = (float)n;
    if (mode == 'C') return at;
    if (mode == 'R' && n > 1) {
        if (at < 0) {
            if (at < 2 * size) at = 2 * size * trunc(-at / (2 * size)) + at;
            at = at < -size ? at + 2 * size : -at - 1;
        } else if (at > last) {
            at -= 2 * size * trunc(at / (2 * size));
            if (at >= size) at = 2 * size - at - 1;
        }
    } else if (mode == 'W' && n > 1) {
        if (at < 0) at += size * (trunc(-at / last) + 1);
        else if (at > last) at -= size * trunc(at / last);
    }
    return n <= 1 ? 0 : fmax(0.0f, fmin(at, last));
}

/* Index of a pixel's first channel; -1: outside. */
DEVFN I64 pixel_at(frames by, I64 image, float y, float x)
{
    if (!(y >= 0 && x >= 0 && y < (float)by.h && x < (float)by.w)) return -1;
    return ((image * by.h + (I64)y) * by.w + (I64)x) * by.channels;
}

DEVFN float colour_at(GLOBAL const T *x, I64 at, I64 k, float outside) { return at < 0 ? outside : (float)LOAD(x, at + k); }

KERNEL void project(GLOBAL const T *x, GLOBAL const float *transforms, GLOBAL const float *fill, GLOBAL T *out, frames by)
{
#ifdef WHOLE
    const float outside = trunc(fill[0]);
#else
    const float outside = fill[0];
#endif
    EACH(0, pixel, by.n * by.out_w)
    {
        const I64 image = pixel / (by.out_w * by.out_h), to = pixel * by.channels;
        GLOBAL const float *t = transforms + (by.transforms == 1 ? 0 : 8 * image);
        const float i = (float)(pixel / by.out_w % by.out_h), j = (float)(pixel % by.out_w), part = t[6] * j + t[7] * i + 1;
        float u = (t[0] * j + t[1] * i + t[2]) / part, v = (t[3] * j + t[4] * i + t[5]) / part;
        if (part == 0 || u != u || v != v) u = v = -2;
        else u = bring_inside(u, by.w, by.mode), v = bring_inside(v, by.h, by.mode);
        if (by.nearest) {
            const I64 at = pixel_at(by, image, round(v), round(u));
            for (I64 k = 0; k < by.channels; k++) {
                if (at >= 0) out[to + k] = x[at + k];
                else STORE(out, to + k, (A)outside);
            }
            continue;
        }
        const float left = floor(u), top = floor(v), across = u - left, down = v - top;
        const I64 a = pixel_at(by, image, top, left), b = pixel_at(by, image, top, left + 1);
        const I64 d = pixel_at(by, image, top + 1, left), e = pixel_at(by, image, top + 1, left + 1);
        for (I64 k = 0; k < by.channels; k++) {
            const float upper = (left + 1 - u) * colour_at(x, a, k, outside) + across * colour_at(x, b, k, outside);
            const float lower = (left + 1 - u) * colour_at(x, d, k, outside) + across * colour_at(x, e, k, outside);
            STORE(out, to + k, (A)((top + 1 - v) * upper + down * lower));
        }
    }
}
#endif
