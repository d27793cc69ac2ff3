/* Random numbers from Philox 4x32-10, as philox.h has them: an item makes whole groups of numbers, each from blocks of its own.
 * KIND: what they are. Who calls: random.c. */

#define UNIFORM 0
#define NORMAL 1
#define TRUNCATED 2
#define RANGE 3
#define FULL 4

#include "philox.cl"

typedef struct fill {
    philox p;
    I64 n, low, range; /* RANGE: from low, so many */
} fill;

#define BYTES_f64 8
#define BYTES_i64 8
#define BYTES_u64 8
#if JOIN(BYTES_, DT) == 8
#define GROUP 2
#else
#define GROUP 4
#endif

/* ---- Floats -------------------------------------------------------------------------------------------- */

#if IS_FLOAT(DT)
#define NARROW_f16 13
#define NARROW_bf16 16
#define TWO_PI 6.28318530717958647692
/* [0, 1) from the low bits: they become the fraction of a number in [1, 2). A block gives GROUP of them. */
#if GROUP == 2
DEVFN A uniform(bits4 b, int i)
{
    return DOUBLE_OF_BITS((((U64)b.x[2 * i] & 0xfffffu) << 32) | b.x[2 * i + 1] | (U64)1023 << 52) - 1.0;
}
#else
DEVFN A uniform(bits4 b, int i) { return FLOAT_OF_BITS((b.x[i] & 0x7fffffu) | 0x3f800000u) - 1.0f; }
#endif

/* Two normal numbers (Box and Muller) from uniform ones i and i + 1. */
DEVFN void normal(bits4 b, int i, A *to)
{
    const A u = uniform(b, i), angle = (A)TWO_PI * uniform(b, i + 1);
    const A radius = sqrt((A)-2 * log(u < (A)1e-7 ? (A)1e-7 : u));
    to[0] = sin(angle) * radius;
    to[1] = cos(angle) * radius;
}

DEVFN void group_of(fill f, U64 g, A *v)
{
#if KIND == TRUNCATED
    int n = 0;
    for (U64 at = g * GROUP * 64; n < GROUP; at++) { /* 256 numbers are reserved for each */
        const bits4 b = block_at(f.p, at);
        for (int i = 0; i < GROUP && n < GROUP; i += 2) {
            A pair[2];
            normal(b, i, pair);
            for (int k = 0; k < 2; k++)
                if (n < GROUP && fabs(pair[k]) < 2) v[n++] = pair[k];
        }
    }
#else
    bits4 b = block_at(f.p, g);
#if KIND == NORMAL
    for (int i = 0; i < GROUP; i += 2) normal(b, i, v + i);
#else
#if JOIN(NARROW_, DT)
    /* Narrow types take as many of the low bits as their fraction has. */
    for (int i = 0; i < 4; i++) b.x[i] = (b.x[i] & ((1u << (23 - JOIN(NARROW_, DT))) - 1)) << JOIN(NARROW_, DT);
#endif
    for (int i = 0; i < GROUP; i++) v[i] = uniform(b, i);
#endif
#endif
}

/* ---- Integers ------------------------------------------------------------------------------------------ */

#else
DEVFN void group_of(fill f, U64 g, A *v)
{
    const bits4 b = block_at(f.p, g);
    for (int i = 0; i < GROUP; i++) {
#if GROUP == 2
        const U64 bits = b.x[2 * i] | (U64)b.x[2 * i + 1] << 32, range = (U64)f.range;
#else
        const U32 bits = b.x[i], range = (U32)f.range;
#endif
        v[i] = KIND == FULL ? (A)bits : (A)((U64)f.low + (range ? bits % range : 0));
    }
}
#endif

KERNEL void random_fill(GLOBAL T *out, fill f)
{
    EACH(0, g, (f.n + GROUP - 1) / GROUP)
    {
        A v[GROUP];
        group_of(f, (U64)g, v);
        for (int i = 0; i < GROUP; i++)
            if (g * GROUP + i < f.n) STORE(out, g * GROUP + i, v[i]);
    }
}
