/* vec.h for AVX-512 (F, DQ, BW, VL): the macros of vec_tmpl.h and the conversions. */
#include <immintrin.h>

#include "simd/vec.h"

typedef __m512 V;
typedef __mmask16 M;
#define W 16
#define FILL bt_vec_fill_avx512
#define LANES(n) ((__mmask16)((1u << (n)) - 1u))
#define LOAD(p) _mm512_loadu_ps(p)
#define STORE(p, v) _mm512_storeu_ps(p, v)
#define LOAD_N(p, n) _mm512_maskz_loadu_ps(LANES(n), p)
#define STORE_N(p, v, n) _mm512_mask_storeu_ps(p, LANES(n), v)
#define SET(c) _mm512_set1_ps(c)
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define FNMA(a, b, c) _mm512_fnmadd_ps(a, b, c)
#define MAX(a, b) _mm512_max_ps(a, b)
#define MIN(a, b) _mm512_min_ps(a, b)
#define LT(a, b) _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ)
#define GT(a, b) _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ)
#define EQ(a, b) _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ)
#define UNORD(a, b) _mm512_cmp_ps_mask(a, b, _CMP_UNORD_Q)
#define SELECT(m, a, b) _mm512_mask_blend_ps(m, b, a)
#define ANY(m) ((m) != 0)
#define ROUND(x) _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define SQRT(x) _mm512_sqrt_ps(x)
#define ABS(x) _mm512_abs_ps(x)
#define SIGN_OF(m, s) _mm512_or_ps(m, _mm512_and_ps(s, SET(-0.0f)))
#define SCALE(p, n) _mm512_scalef_ps(p, n)
#define SUM_LANES(v) _mm512_reduce_add_ps(v)
#define MAX_LANES(v) _mm512_reduce_max_ps(v)
#define MIN_LANES(v) _mm512_reduce_min_ps(v)

/* 14 bits of 1/b, then one correction of the quotient with its exact remainder. */
static inline V QUOTIENT(V a, V b)
{
    V r = _mm512_rcp14_ps(b), q = a * r;
    return FMA(FNMA(b, q, a), r, q);
}

/* getmant's [0.75, 1.5) interval splits near 1 without a jump in the exponent. */
static inline V SPLIT(V x, V *e)
{
    V m = _mm512_getmant_ps(x, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_src);
    *e = _mm512_getexp_ps(x) - _mm512_getexp_ps(m);
    return m;
}

static void half_to_float(float *y, const uint16_t *x, int64_t n)
{
    int64_t i = 0;
    for (; i + W <= n; i += W) STORE(y + i, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(x + i))));
    if (i < n) STORE_N(y + i, _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(LANES(n - i), x + i)), n - i);
}

static void float_to_half(uint16_t *y, const float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + W <= n; i += W)
        _mm256_storeu_si256((__m256i *)(y + i), _mm512_cvtps_ph(LOAD(x + i), _MM_FROUND_TO_NEAREST_INT));
    if (i < n)
        _mm256_mask_storeu_epi16(y + i, LANES(n - i),
                                 _mm512_cvtps_ph(LOAD_N(x + i, n - i), _MM_FROUND_TO_NEAREST_INT));
}

static void bf16_to_float(float *y, const uint16_t *x, int64_t n)
{
    for (int64_t i = 0; i < n; i += W) {
        __mmask16 m = n - i < W ? LANES(n - i) : 0xffff;
        __m512i bits = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, x + i));
        _mm512_mask_storeu_ps(y + i, m, _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16)));
    }
}

/* Nearest even: add 0x7fff and the lowest bit that stays; a NaN becomes 0x7fc0 with its sign. */
static void float_to_bf16(uint16_t *y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i += W) {
        __mmask16 m = n - i < W ? LANES(n - i) : 0xffff;
        V v = _mm512_maskz_loadu_ps(m, x + i);
        __m512i u = _mm512_castps_si512(v),
                odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
        __m512i r =
            _mm512_srli_epi32(_mm512_add_epi32(_mm512_add_epi32(u, odd), _mm512_set1_epi32(0x7fff)), 16);
        __m512i quiet = _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(0x8000)),
                                        _mm512_set1_epi32(0x7fc0));
        r = _mm512_mask_blend_epi32(UNORD(v, v), r, quiet);
        _mm256_mask_storeu_epi16(y + i, m, _mm512_cvtepi32_epi16(r));
    }
}

#include "simd/vec_tmpl.h"
