/* Convolutions, channels last, by direct sums: a work item holds a tile of output pixels and channels in registers. Dense
 * and transposed ones are one kernel, depthwise ones another, and their gradients, a sum an item, the third. PIXELS, CHANNELS: the tile; TURNED: weights of a dense one as a
 * library wants them, [channel of y][filter][channel of x]. Who calls: conv_gpu.c. */

typedef struct conv {
    I64 pixels, x_c, y_c;                 /* output pixels; channels of a pixel of x and of y */
    I64 groups, depth, n;                 /* channels of x and of y in a group */
    I64 per_tap, per_group, per_row, per_channel; /* steps in the weights: of a tap, a group, a channel of x, and of y */
    I64 in[3], out[3], filter[3], stride[3], dilation[3], before[3]; /* in: of x, out: of y */
    I64 transposed, activation;
    I64 scale, bias, norm, add;           /* whether there is one */
} conv;

#include "epilogue.cl"

/* ---- Pixels ------------------------------------------------------------------------------------------- */

/* The pixel of x that meets index i of y at tap k along an axis; -1: none. */
DEVFN int meets(int i, int k, int size, int stride, int dilation, int before, int transposed)
{
    if (!transposed) {
        const int at = i * stride - before + k * dilation;
        return at < size ? at : -1;
    }
    const int at = i + before - k * dilation;
    return at >= 0 && at % stride == 0 && at / stride < size ? at / stride : -1;
}

#define MEETS(axis, i, k)                                                                                         \
    meets(i, k, (int)by.in[axis], (int)by.stride[axis], (int)by.dilation[axis], (int)by.before[axis], (int)by.transposed)

/* Position of pixel q of y in its image. */
#define POSITION(q, image, z, i, j)                                      \
    const int j = (int)((q) % by.out[2]);                                \
    const int i = (int)((q) / by.out[2] % by.out[1]);                    \
    const int z = (int)((q) / (by.out[2] * by.out[1]) % by.out[0]);      \
    const I64 image = (q) / (by.out[2] * by.out[1] * by.out[0]) * by.in[0] * by.in[1] * by.in[2];

#define UNROLL _Pragma("unroll")

#ifdef TURNED
#define CHANNEL(k) ((k) * by.per_channel)
#else
#define CHANNEL(k) (k)
#endif

/* sum[p][k] += x[at[p] + c] w[c][k] over the depth; `width` channels. */
#define ADD_TAP(hint, width)                                                                            \
    for (int c = 0; c < (int)by.depth; c++) {                                                        \
        GLOBAL const T *row = w + c * by.per_row;                                                    \
        A value[PIXELS];                                                                             \
        UNROLL for (int p = 0; p < PIXELS; p++) value[p] = at[p] < 0 ? (A)0 : LOAD(x, at[p] + c); \
        hint for (int k = 0; k < width; k++)                                            \
        {                                                                                            \
            const A weight = LOAD(row, CHANNEL(k));                                                        \
            UNROLL for (int p = 0; p < PIXELS; p++) sum[p][k] = fma(value[p], weight, sum[p][k]); \
        }                                                                                            \
    }

KERNEL void dense(GLOBAL const T *x, GLOBAL const T *weights, GLOBAL T *y, conv by, EPILOGUE_ARGUMENTS)
{
    const I64 pixel_tiles = (by.pixels + PIXELS - 1) / PIXELS, channel_tiles = (by.n + CHANNELS - 1) / CHANNELS;
    EACH(0, tile, pixel_tiles * channel_tiles * by.groups)
    {
#ifdef CPU_SHAPED
        const I64 q = tile % pixel_tiles * PIXELS, other = tile / pixel_tiles;
#else
        const I64 q = tile / (channel_tiles * by.groups) * PIXELS, other = tile % (channel_tiles * by.groups);
#endif
        const I64 group = other / channel_tiles, first = other % channel_tiles * CHANNELS;
        const int width = by.n - first < CHANNELS ? (int)(by.n - first) : CHANNELS;
        A sum[PIXELS][CHANNELS];
        int pz[PIXELS], pi[PIXELS], pj[PIXELS];
        I64 images[PIXELS], at[PIXELS];
        for (int p = 0; p < PIXELS; p++) {
            const I64 pixel = q + p < by.pixels ? q + p : by.pixels - 1;
            POSITION(pixel, image, z, i, j)
            images[p] = image, pz[p] = z, pi[p] = i, pj[p] = j;
            for (int k = 0; k < CHANNELS; k++) sum[p][k] = (A)0;
        }
        GLOBAL const T *w = weights + group * by.per_group + CHANNEL(first);
        for (int z = 0; z < (int)by.filter[0]; z++)
            for (int i = 0; i < (int)by.filter[1]; i++)
                for (int j = 0; j < (int)by.filter[2]; j++, w += by.per_tap) {
                    int any = 0;
                    for (int p = 0; p < PIXELS; p++) {
                        const int az = MEETS(0, pz[p], z), ai = MEETS(1, pi[p], i), aj = MEETS(2, pj[p], j);
                        at[p] = -1;
                        if (az < 0 || ai < 0 || aj < 0) continue;
                        at[p] = (images[p] + (az * by.in[1] + ai) * by.in[2] + aj) * by.x_c + group * by.depth;
                        any = 1;
                    }
                    if (!any) continue;
                    if (width == CHANNELS) ADD_TAP(UNROLL, CHANNELS)
                    else ADD_TAP(, width)
                }
        for (int p = 0; p < PIXELS && q + p < by.pixels; p++)
            for (int k = 0; k < width; k++) {
                const I64 channel = group * by.n + first + k;
                FINISH(sum[p][k], channel, (q + p) * by.y_c + channel)
            }
    }
}

/* What each of `count` output pixels, from `first` on, sees: [filter][depth] a pixel, of a convolution without groups. */
KERNEL void patches(GLOBAL const T *x, GLOBAL T *y, conv by, I64 first, I64 count)
{
    const int high = (int)by.filter[1], wide = (int)by.filter[2], taps = (int)by.filter[0] * high * wide;
    EACH(1, row, count * taps)
    {
        const int tap = (int)(row % taps);
        const I64 q = first + row / taps;
        POSITION(q, image, z, i, j)
        const int az = MEETS(0, z, tap / (high * wide)), ai = MEETS(1, i, tap / wide % high), aj = MEETS(2, j, tap % wide);
        const int inside = az >= 0 && ai >= 0 && aj >= 0;
        const I64 at = inside ? (image + (az * by.in[1] + ai) * by.in[2] + aj) * by.x_c : 0;
        EACH(0, c, by.depth) STORE(y, row * by.depth + c, inside ? LOAD(x, at + c) : (A)0);
    }
}

/* n: output channels an input channel. */
KERNEL void depthwise(GLOBAL const T *x, GLOBAL const T *weights, GLOBAL T *y, conv by, EPILOGUE_ARGUMENTS)
{
    const I64 channel_tiles = (by.y_c + CHANNELS - 1) / CHANNELS;
    EACH(0, tile, by.pixels * channel_tiles)
    {
        const I64 q = tile / channel_tiles, first = tile % channel_tiles * CHANNELS;
        const int width = by.y_c - first < CHANNELS ? (int)(by.y_c - first) : CHANNELS;
        GLOBAL const T *w = weights + first;
        A sum[CHANNELS];
        POSITION(q, image, z, i, j)
        (void)z;
        for (int k = 0; k < CHANNELS; k++) sum[k] = (A)0;
        for (int a = 0; a < (int)by.filter[1]; a++)
            for (int b = 0; b < (int)by.filter[2]; b++, w += by.y_c) {
                const int ai = MEETS(1, i, a), aj = MEETS(2, j, b);
                if (ai < 0 || aj < 0) continue;
                GLOBAL const T *pixel = x + (image + ai * by.in[2] + aj) * by.x_c;
                if (width == CHANNELS && by.n == 1) {
                    for (int k = 0; k < CHANNELS; k++) sum[k] = fma(LOAD(pixel, first + k), LOAD(w, k), sum[k]);
                } else {
                    for (int k = 0; k < width; k++)
                        sum[k] = fma(LOAD(pixel, (first + k) / by.n), LOAD(w, k), sum[k]);
                }
            }
        for (int k = 0; k < width; k++) FINISH(sum[k], first + k, q * by.y_c + first + k)
    }
}

/* The gradient of the same by its input: by.n channels of x, and as many weights, meet in a channel of y. */
KERNEL void depthwise_transposed(GLOBAL const T *x, GLOBAL const T *weights, GLOBAL T *y, conv by)
{
    EACH(0, at, by.pixels * by.y_c)
    {
        const I64 q = at / by.y_c, channel = at % by.y_c * by.n;
        GLOBAL const T *w = weights + channel;
        A sum = (A)0;
        POSITION(q, image, z, i, j)
        (void)z;
        for (int a = 0; a < (int)by.filter[1]; a++)
            for (int b = 0; b < (int)by.filter[2]; b++, w += by.x_c) {
                const int ai = MEETS(1, i, a), aj = MEETS(2, j, b);
                if (ai < 0 || aj < 0) continue;
                GLOBAL const T *pixel = x + (image + ai * by.in[2] + aj) * by.x_c + channel;
                for (int k = 0; k < (int)by.n; k++) sum = fma(LOAD(pixel, k), LOAD(w, k), sum);
            }
        STORE(y, at, sum);
    }
}
