/* One vector of floats, AVX2: the vocabulary of gemm_lanes.h and window_lanes.h. */
#ifndef BT_LANES_H
#define BT_LANES_H

#include <immintrin.h>

enum { VECTOR = 8 };
typedef __m256 lanes;
typedef __m256i lanes_mask;

#define INLINE static inline __attribute__((always_inline))

/* The first n lanes. */
INLINE lanes_mask mask_of(int64_t n)
{
    int bound = n > VECTOR ? VECTOR : n < 0 ? 0 : (int)n;
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(bound), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
INLINE lanes_mask mask_if(bool yes, lanes_mask m) { return yes ? m : _mm256_setzero_si256(); }
INLINE lanes load(const float *p) { return _mm256_loadu_ps(p); }
INLINE lanes load_masked(lanes_mask m, const float *p)
{
    return _mm256_maskload_ps(p, m);
} /* zero elsewhere */
INLINE void store(float *p, lanes x) { _mm256_storeu_ps(p, x); }
INLINE void store_masked(float *p, lanes_mask m, lanes x) { _mm256_maskstore_ps(p, m, x); }
INLINE lanes zero(void) { return _mm256_setzero_ps(); }
INLINE lanes all(float x) { return _mm256_set1_ps(x); }
INLINE lanes add(lanes a, lanes b) { return _mm256_add_ps(a, b); }
INLINE lanes mul(lanes a, lanes b) { return _mm256_mul_ps(a, b); }
INLINE lanes fma_of(lanes a, lanes b, lanes c) { return _mm256_fmadd_ps(a, b, c); }
/* The larger, smaller; b where either is NaN. */
INLINE lanes larger(lanes a, lanes b) { return _mm256_max_ps(a, b); }
INLINE lanes smaller(lanes a, lanes b) { return _mm256_min_ps(a, b); }
/* b, but a where a is NaN. */
INLINE lanes keep_nan(lanes a, lanes b) { return _mm256_blendv_ps(b, a, _mm256_cmp_ps(a, a, _CMP_UNORD_Q)); }
INLINE float sum_of(lanes x)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

/* gcc forms 2-D addresses from one base and then spills: as assembly, a broadcast takes its row's own pointer. clang
 * does the reverse. */
INLINE lanes broadcast(const float *p)
{
#if defined(__clang__)
    return _mm256_set1_ps(*p);
#else
    lanes x;
    __asm__("vbroadcastss %1, %0" : "=x"(x) : "m"(*p));
    return x;
#endif
}

#endif
