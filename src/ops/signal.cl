/* Fourier transforms of any length by mixed radix, after Stockham: each pass reads one array and writes another, and no order
 * needs mending. T is complex, T1 its real type. Who calls: signal.c. */

#include "complex_functions.cl"

/* Images [d0][d1][d2] out of larger ones. */
typedef struct crop {
    I64 count, from[3], to[3];
} crop;

#define FROM_OF(i)                                                                                                        \
    ((((i) / (by.to[0] * by.to[1] * by.to[2]) * by.from[0] + (i) / (by.to[1] * by.to[2]) % by.to[0]) * by.from[1] +        \
      (i) / by.to[2] % by.to[1]) * by.from[2] + (i) % by.to[2])

KERNEL void from_real(GLOBAL const T1 *x, GLOBAL T *y, crop by)
{
    EACH(0, i, by.count) STORE(y, i, of(LOAD1(x, FROM_OF(i)), 0));
}

KERNEL void from_complex(GLOBAL const T *x, GLOBAL T *y, crop by, A1 scale)
{
    EACH(0, i, by.count) STORE(y, i, scaled(LOAD(x, FROM_OF(i)), scale));
}

KERNEL void to_real(GLOBAL const T *x, GLOBAL T1 *y, I64 n, A1 scale)
{
    EACH(0, i, n) STORE1(y, i, LOAD(x, i).re * scale);
}

/* Rows of n of which the second half is the conjugate of the first; the ends' imaginary parts do not count. */
KERNEL void from_half(GLOBAL const T *x, GLOBAL T *y, I64 count, I64 n)
{
    EACH(0, i, count)
    {
        const I64 half_ = n / 2 + 1, at = i % n, mirror = at < half_ ? at : n - at;
        const A v = LOAD(x, i / n * half_ + mirror);
        STORE(y, i, mirror == 0 || 2 * mirror == n ? of(v.re, 0) : at < half_ ? v : conj_of(v));
    }
}

/* e^(-2 pi i t / n), 0 <= t < n; inverse: with +. By the quarter, so that the angle is small and exact. */
DEVFN A turn(I64 t, I64 n, int is_inverse)
{
    const I64 quarter = 4 * t / n;
    const R angle = (R)1.57079632679489661923 * ((R)(4 * t - quarter * n) / (R)n);
    const R c = cos(angle), s = sin(angle);
    const R re = quarter == 0 ? c : quarter == 1 ? -s : quarter == 2 ? -c : s;
    const R im = quarter == 0 ? s : quarter == 1 ? c : quarter == 2 ? -s : -c;
    return of(re, is_inverse ? im : -im);
}

/* One pass: what is left of the length is radix m, and `near` elements lie between neighbours. */
KERNEL void fft_pass(GLOBAL const T *x, GLOBAL T *y, I64 count, I64 near, I64 radix, I64 m, int is_inverse)
{
    EACH(0, i, count)
    {
        const I64 block = near * radix * m, e = i % block, q = e % near, j = e / near % radix, p = e / near / radix;
        GLOBAL const T *from = x + (i - e) + q + near * p;
        A sum = LOAD(from, 0);
        for (I64 k = 1; k < radix; k++) sum = add(sum, mul(LOAD(from, near * m * k), turn(j * k % radix, radix, is_inverse)));
        STORE(y, i, p && j ? mul(sum, turn(p * j, radix * m, is_inverse)) : sum);
    }
}
