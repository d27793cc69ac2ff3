/* vec.h for AVX2 with FMA and F16C: the macros of vec_tmpl.h and the conversions. */
#include <immintrin.h>

#include "simd/vec.h"
#include "simd/vec_bf16.h"

typedef __m256 V;
typedef __m256 M;
#define W 8
#define FILL bt_vec_fill_avx2
#define LOAD(p) _mm256_loadu_ps(p)
#define STORE(p, v) _mm256_storeu_ps(p, v)
#define LOAD_N(p, n) _mm256_maskload_ps(p, lanes(n))
#define STORE_N(p, v, n) _mm256_maskstore_ps(p, lanes(n), v)
#define SET(c) _mm256_set1_ps(c)
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define FNMA(a, b, c) _mm256_fnmadd_ps(a, b, c)
#define MAX(a, b) _mm256_max_ps(a, b)
#define MIN(a, b) _mm256_min_ps(a, b)
#define LT(a, b) _mm256_cmp_ps(a, b, _CMP_LT_OQ)
#define GT(a, b) _mm256_cmp_ps(a, b, _CMP_GT_OQ)
#define EQ(a, b) _mm256_cmp_ps(a, b, _CMP_EQ_OQ)
#define UNORD(a, b) _mm256_cmp_ps(a, b, _CMP_UNORD_Q)
#define SELECT(m, a, b) _mm256_blendv_ps(b, a, m)
#define ANY(m) (_mm256_movemask_ps(m) != 0)
#define ROUND(x) _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define SQRT(x) _mm256_sqrt_ps(x)
#define ABS(x) _mm256_andnot_ps(SET(-0.0f), x)
#define SIGN_OF(m, s) _mm256_or_ps(m, _mm256_and_ps(s, SET(-0.0f)))
#define QUOTIENT(a, b) ((a) / (b))

static inline __m256i lanes(int64_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* Two factors, since 2^n alone may lie outside the normal range. */
static inline V SCALE(V p, V n)
{
    __m256i k = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(k, 1), bias = _mm256_set1_epi32(127);
    V a = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
    V b = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(k, half), bias), 23));
    return p * a * b;
}

static inline V SPLIT(V x, V *e)
{
    M tiny = LT(x, SET(0x1p-126f));
    __m256i u = _mm256_castps_si256(SELECT(tiny, x * 0x1p23f, x));
    __m256i k =
        _mm256_srai_epi32(_mm256_sub_epi32(u, _mm256_set1_epi32(0x3f3504f3)), 23); /* of u / (1/sqrt 2) */
    *e = _mm256_cvtepi32_ps(k) - _mm256_and_ps(tiny, SET(23.0f));
    return _mm256_castsi256_ps(_mm256_sub_epi32(u, _mm256_slli_epi32(k, 23)));
}

#define ACROSS(name, op)                                                       \
    static inline float name(V v)                                              \
    {                                                                          \
        __m128 h = op(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1)); \
        h = op(h, _mm_movehl_ps(h, h));                                        \
        return _mm_cvtss_f32(op(h, _mm_movehdup_ps(h)));                       \
    }
ACROSS(SUM_LANES, _mm_add_ps)
ACROSS(MAX_LANES, _mm_max_ps)
ACROSS(MIN_LANES, _mm_min_ps)

static void half_to_float(float *y, const uint16_t *x, int64_t n)
{
    int64_t i = 0;
    for (; i + W <= n; i += W) STORE(y + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(x + i))));
    for (; i < n; i++) y[i] = _cvtsh_ss(x[i]);
}

static void float_to_half(uint16_t *y, const float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + W <= n; i += W)
        _mm_storeu_si128((__m128i *)(y + i), _mm256_cvtps_ph(LOAD(x + i), _MM_FROUND_TO_NEAREST_INT));
    for (; i < n; i++) y[i] = _cvtss_sh(x[i], _MM_FROUND_TO_NEAREST_INT);
}

#include "simd/vec_tmpl.h"
