/* Pooling, channels last: the largest or the mean of what a window covers. Who calls: pool.c. */

#define CHANNELS 16

/* in: of x; out: of y. `mean`: not the largest. */
typedef struct pool {
    I64 pixels, channels, mean;
    I64 in[3], out[3], filter[3], stride[3], before[3];
} pool;

#define FROM(axis, i) ((i) * by.stride[axis] - by.before[axis])
#define COVER(axis, i, from, to)                                                                                 \
    const int from = (int)(FROM(axis, i) > 0 ? FROM(axis, i) : 0);                                               \
    const int to = (int)(FROM(axis, i) + by.filter[axis] < by.in[axis] ? FROM(axis, i) + by.filter[axis] : by.in[axis]);

KERNEL void pool_windows(GLOBAL const T *x, GLOBAL T *y, pool by)
{
    const I64 tiles = (by.channels + CHANNELS - 1) / CHANNELS;
    EACH(0, tile, by.pixels * tiles)
    {
        const I64 q = tile / tiles, first = tile % tiles * CHANNELS;
        const int width = by.channels - first < CHANNELS ? (int)(by.channels - first) : CHANNELS;
        COVER(0, q / (by.out[2] * by.out[1]) % by.out[0], z0, z1)
        COVER(1, q / by.out[2] % by.out[1], i0, i1)
        COVER(2, q % by.out[2], j0, j1)
        const I64 image = q / (by.out[2] * by.out[1] * by.out[0]) * by.in[0];
        A sum[CHANNELS];
        int n = 0;
        for (int k = 0; k < CHANNELS; k++) sum[k] = by.mean ? (A)0 : (A)LEAST;
        for (int z = z0; z < z1; z++)
            for (int i = i0; i < i1; i++)
                for (int j = j0; j < j1; j++, n++) {
                    GLOBAL const T *pixel = x + (((image + z) * by.in[1] + i) * by.in[2] + j) * by.channels + first;
                    if (by.mean) {
                        for (int k = 0; k < width; k++) sum[k] += LOAD(pixel, k);
                    } else {
                        for (int k = 0; k < width; k++) {
                            const A v = LOAD(pixel, k);
                            if (v > sum[k] || v != v) sum[k] = v; /* a NaN wins */
                        }
                    }
                }
        for (int k = 0; k < width; k++) STORE(y, q * by.channels + first + k, by.mean ? sum[k] / (A)n : sum[k]);
    }
}

#ifdef DT1
/* The largest, and where it stands in its image (or, with_batch, in x): the first of such. */
KERNEL void pool_argmax(GLOBAL const T *x, GLOBAL T *y, GLOBAL T1 *argmax, pool by, I64 with_batch)
{
    EACH(0, e, by.pixels * by.channels)
    {
        const I64 q = e / by.channels, k = e % by.channels;
        COVER(0, q / (by.out[2] * by.out[1]) % by.out[0], z0, z1)
        COVER(1, q / by.out[2] % by.out[1], i0, i1)
        COVER(2, q % by.out[2], j0, j1)
        const I64 image = q / (by.out[2] * by.out[1] * by.out[0]) * by.in[0] * by.in[1] * by.in[2];
        I64 place = -1;
        A most = (A)LEAST;
        for (int z = z0; z < z1; z++)
            for (int i = i0; i < i1; i++)
                for (int j = j0; j < j1; j++) {
                    const I64 pixel = image + (z * by.in[1] + i) * by.in[2] + j;
                    const A v = LOAD(x, pixel * by.channels + k);
                    if (place >= 0 && !(v > most)) continue;
                    most = v, place = (pixel - (with_batch ? 0 : image)) * by.channels + k;
                }
        STORE(y, e, most);
        STORE1(argmax, e, (A1)place);
    }
}
#endif

#ifdef FLOATS
/* x / (bias + alpha sum of x^2 over channels within radius)^beta; n: elements. */
KERNEL void lrn(GLOBAL const T *x, GLOBAL T *y, I64 n, I64 channels, I64 radius, float bias, float alpha, float beta)
{
    EACH(0, e, n)
    {
        const I64 k = e % channels, from = k > radius ? k - radius : 0, to = channels - k > radius ? k + radius : channels - 1;
        float sum = 0;
        for (I64 i = from; i <= to; i++) {
            const float v = LOAD(x, e - k + i);
            sum += v * v;
        }
        const float base = bias + alpha * sum;
        STORE(y, e, beta == 1 ? LOAD(x, e) / base : LOAD(x, e) * (beta == 0.5f ? 1 / sqrt(base) : exp(-beta * log(base))));
    }
}
#endif
