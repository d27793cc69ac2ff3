/* One vector of floats, AVX-512: the vocabulary of gemm_lanes.h and window_lanes.h. */
#ifndef BT_LANES_H
#define BT_LANES_H

#include <immintrin.h>

enum { VECTOR = 16 };
typedef __m512 lanes;
typedef __mmask16 lanes_mask;

#define INLINE static inline __attribute__((always_inline))

/* The first n lanes. */
INLINE lanes_mask mask_of(int64_t n)
{
    return (lanes_mask)(n >= VECTOR ? 0xffff : n <= 0 ? 0 : (1u << n) - 1);
}
INLINE lanes_mask mask_if(bool yes, lanes_mask m) { return yes ? m : 0; }
INLINE lanes load(const float *p) { return _mm512_loadu_ps(p); }
INLINE lanes load_masked(lanes_mask m, const float *p)
{
    return _mm512_maskz_loadu_ps(m, p);
} /* zero elsewhere */
INLINE void store(float *p, lanes x) { _mm512_storeu_ps(p, x); }
INLINE void store_masked(float *p, lanes_mask m, lanes x) { _mm512_mask_storeu_ps(p, m, x); }
INLINE lanes zero(void) { return _mm512_setzero_ps(); }
INLINE lanes all(float x) { return _mm512_set1_ps(x); }
INLINE lanes add(lanes a, lanes b) { return _mm512_add_ps(a, b); }
INLINE lanes mul(lanes a, lanes b) { return _mm512_mul_ps(a, b); }
INLINE lanes fma_of(lanes a, lanes b, lanes c) { return _mm512_fmadd_ps(a, b, c); }
/* The larger, smaller; b where either is NaN. */
INLINE lanes larger(lanes a, lanes b) { return _mm512_max_ps(a, b); }
INLINE lanes smaller(lanes a, lanes b) { return _mm512_min_ps(a, b); }
/* b, but a where a is NaN. */
INLINE lanes keep_nan(lanes a, lanes b)
{
    return _mm512_mask_mov_ps(b, _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), a);
}
INLINE float sum_of(lanes x) { return _mm512_reduce_add_ps(x); }

/* gcc forms 2-D addresses from one base and then spills: as assembly, a broadcast takes its row's own pointer. clang
 * does the reverse. */
INLINE lanes broadcast(const float *p)
{
#if defined(__clang__)
    return _mm512_set1_ps(*p);
#else
    lanes x;
    __asm__("vbroadcastss %1, %0" : "=v"(x) : "m"(*p));
    return x;
#endif
}

#endif
