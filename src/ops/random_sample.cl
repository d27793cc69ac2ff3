/* Draws that need more than a block of bits: categories and gamma numbers, from the same bits as on the CPU. Where a device has
 * no double, in float. Who calls: random_sample.c. */

#include "philox.cl"

#define MOST_ITEMS 256

#ifdef HAS_F64
typedef double Wide;
#define UNIFORM(b, i) (DOUBLE_OF_BITS((((U64)(b).x[2 * (i)] & 0xfffffu) << 32) | (b).x[2 * (i) + 1] | (U64)1023 << 52) - 1.0)
#else
typedef float Wide;
#define UNIFORM(b, i) (FLOAT_OF_BITS(((b).x[2 * (i)] & 0x7fffffu) | 0x3f800000u) - 1.0f)
#endif

/* ---- Categories ---------------------------------------------------------------------------------------- */

#ifdef DT1
/* cumulated [batch, classes]: sums of exp(logit - the largest), which only finite ones add to. A group takes a row, an item a
 * stretch of it. */
KERNEL void cumulate(GLOBAL const T *logits, GLOBAL Wide *cumulated, I64 batch, I64 classes)
{
    LOCAL Wide part[MOST_ITEMS];
    const I64 first = classes * LID(0) / LSZ(0), end = classes * (LID(0) + 1) / LSZ(0);
    for (I64 row = WGID(0); row < batch; row += NWG(0)) {
        GLOBAL const T *x = logits + row * classes;
        GLOBAL Wide *to = cumulated + row * classes;
        Wide most = -M_INF, sum = 0;
        for (I64 k = first; k < end; k++) {
            const Wide v = (Wide)LOAD(x, k);
            if (v - v == 0 && v > most) most = v;
        }
        part[LID(0)] = most;
        BARRIER;
        for (int k = 0; k < LSZ(0); k++) most = part[k] > most ? part[k] : most;
        BARRIER;
        for (I64 k = first; k < end; k++) {
            const Wide v = (Wide)LOAD(x, k);
            if (v - v == 0) sum += exp(v - most);
        }
        part[LID(0)] = sum;
        BARRIER;
        sum = 0;
        for (int k = 0; k < LID(0); k++) sum += part[k];
        BARRIER;
        for (I64 k = first; k < end; k++) {
            const Wide v = (Wide)LOAD(x, k);
            if (v - v == 0) sum += exp(v - most);
            to[k] = sum;
        }
    }
}

/* Each sample takes half a block of bits. */
KERNEL void draw_categories(GLOBAL const Wide *cumulated, GLOBAL T1 *out, philox p, I64 n, I64 samples, I64 classes)
{
    EACH(0, i, n)
    {
        const bits4 b = block_at(p, (U64)i / 2);
        GLOBAL const Wide *row = cumulated + i / samples * classes;
        const Wide at = (i % 2 ? UNIFORM(b, 1) : UNIFORM(b, 0)) * row[classes - 1];
        I64 low = 0, high = classes;
        while (low < high) {
            const I64 middle = low + (high - low) / 2;
            if (row[middle] <= at) low = middle + 1;
            else high = middle;
        }
        STORE1(out, i, (A1)low);
    }
}
#else

/* ---- Gamma ---------------------------------------------------------------------------------------------- */

/* Numbers of blocks of two, last first. */
typedef struct pairs {
    Wide x[2];
    int left;
} pairs;

DEVFN Wide next_uniform(pairs *u, philox p, U64 *at)
{
    if (!u->left) {
        const bits4 b = block_at(p, (*at)++);
        u->x[0] = UNIFORM(b, 0), u->x[1] = UNIFORM(b, 1), u->left = 2;
    }
    return u->x[--u->left];
}

DEVFN Wide next_normal(pairs *u, philox p, U64 *at)
{
    if (!u->left) {
        const bits4 b = block_at(p, (*at)++);
        const Wide v = UNIFORM(b, 0), angle = (Wide)6.28318530717958647692 * UNIFORM(b, 1);
        const Wide radius = sqrt((Wide)-2 * log(v < (Wide)1e-7 ? (Wide)1e-7 : v));
        u->x[0] = sin(angle) * radius, u->x[1] = cos(angle) * radius, u->left = 2;
    }
    return u->x[--u->left];
}

/* Marsaglia's and Tsang's way, as in random_sample.c; from block `at` on. */
DEVFN Wide gamma_sample(Wide alpha, philox p, U64 at)
{
    pairs normals, uniforms;
    normals.left = uniforms.left = 0;
    if (alpha == 1) return -log1p(-next_uniform(&uniforms, p, &at));
    if (!(alpha >= 0)) return M_NAN;
    const Wide d = alpha + (alpha < 1 ? (Wide)2 / 3 : -(Wide)1 / 3), c = (Wide)1 / 3 / sqrt(d);
    for (;;) {
        const Wide x = next_normal(&normals, p, &at);
        Wide v = 1 + c * x;
        if (v <= 0) continue;
        v = v * v * v;
        const Wide u = next_uniform(&uniforms, p, &at);
        if (u < 1 - (Wide)0.0331 * (x * x) * (x * x) || log(u) < (Wide)0.5 * x * x + d * (1 - v + log(v)))
            return d * v * (alpha < 1 ? pow(next_uniform(&uniforms, p, &at), 1 / alpha) : 1);
    }
}

/* `samples` of each alpha, which come first; a sample has 256 blocks of its own. */
KERNEL void draw_gammas(GLOBAL const T *alpha, GLOBAL T *out, philox p, I64 n, I64 samples, I64 alphas)
{
    EACH(0, i, n)
    STORE(out, i % samples * alphas + i / samples, (A)gamma_sample((Wide)LOAD(alpha, i / samples), p, 256 * (U64)i));
}
#endif
