/* CRC-32 of zip and gzip (0xedb88320, bits reversed): eight tables in plain C; on x86 carry-less products, which fold 64 bytes
 * (256 with AVX-512) into the next ones: a block b, so many bits before another, is worth b x^bits mod P there. What is
 * left, 16 bytes with the same rest as the whole, goes through the tables. Source: V. Gopal and others, "Fast CRC
 * Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel, 2009. */
#include <pthread.h>
#include <string.h>

#include "simd/crc.h"
#include "simd/crc_tables.h"
#include "simd/simd.h"

static bt_crc_tables slices;

static void fill_tables(void) { bt_crc_tables_fill(slices, 0xedb88320u); }

static uint32_t by_tables(uint32_t state, const uint8_t *p, size_t n)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_tables);
    return bt_crc_tables_run(slices, state, p, n);
}

uint32_t bt_crc32_c(uint32_t crc, const void *p, size_t n) { return ~by_tables(~crc, p, n); }

#if defined(__x86_64__)
#include <immintrin.h>

#define FOLD __attribute__((target("pclmul,sse4.1"))) static

/* The low half times x^(distance + 32), the high half times x^(distance - 32), mod P and bits reversed: k has both. */
FOLD __m128i fold(__m128i block, __m128i k, __m128i next)
{
    __m128i low = _mm_clmulepi64_si128(block, k, 0x00), high = _mm_clmulepi64_si128(block, k, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/* at: 64 bytes with the same rest as the first ones, whose number it gives. n is at least 64. */
typedef size_t begin_fn(__m128i at[4], uint32_t state, const uint8_t *p, size_t n);

FOLD size_t begin(__m128i at[4], uint32_t state, const uint8_t *p, size_t n)
{
    (void)n;
    memcpy(at, p, 64);
    at[0] = _mm_xor_si128(at[0], _mm_cvtsi32_si128((int)state));
    return 64;
}

#define FOLD_WIDE __attribute__((target("pclmul,sse4.1,avx512f,vpclmulqdq"))) static

FOLD_WIDE __m512i fold_wide(__m512i block, __m512i k, __m512i next)
{
    __m512i low = _mm512_clmulepi64_epi128(block, k, 0x00), high = _mm512_clmulepi64_epi128(block, k, 0x11);
    return _mm512_xor_si512(_mm512_xor_si512(low, high), next);
}

/* n is at least 256. */
FOLD_WIDE size_t begin_wide(__m128i at[4], uint32_t state, const uint8_t *p, size_t n)
{
    const __m512i farther = _mm512_broadcast_i32x4(_mm_set_epi64x(0x1322d1430, 0x11542778a)),
                  far = _mm512_broadcast_i32x4(_mm_set_epi64x(0x1c6e41596, 0x154442bd4));
    const uint8_t *in = p;
    __m512i wide[4];
    for (int i = 0; i < 4; i++, in += 64) wide[i] = _mm512_loadu_si512(in);
    wide[0] = _mm512_xor_si512(wide[0], _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)state)));
    for (n -= 256; n >= 256; n -= 256)
        for (int i = 0; i < 4; i++, in += 64) wide[i] = fold_wide(wide[i], farther, _mm512_loadu_si512(in));
    for (int i = 1; i < 4; i++) wide[0] = fold_wide(wide[0], far, wide[i]);
    _mm512_storeu_si512(at, wide[0]);
    return (size_t)(in - p);
}

FOLD uint32_t by_products(begin_fn *first, uint32_t state, const uint8_t *p, size_t n)
{
    const __m128i far = _mm_set_epi64x(0x1c6e41596, 0x154442bd4),
                  near = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
    __m128i at[4], rest;
    size_t done = first(at, state, p, n);
    const __m128i *in = (const __m128i *)(const void *)(p + done);
    for (n -= done; n >= 64; n -= 64)
        for (int i = 0; i < 4; i++) at[i] = fold(at[i], far, _mm_loadu_si128(in++));
    rest = at[0];
    for (int i = 1; i < 4; i++) rest = fold(rest, near, at[i]);
    for (; n >= 16; n -= 16) rest = fold(rest, near, _mm_loadu_si128(in++));
    uint8_t bytes[16];
    _mm_storeu_si128((__m128i *)(void *)bytes, rest);
    return by_tables(by_tables(0, bytes, sizeof bytes), (const uint8_t *)in, n);
}
#endif

uint32_t bt_crc32(uint32_t crc, const void *p, size_t n)
{
#if defined(__x86_64__)
    bt_simd_level level = bt_simd_get()->level;
    if (n >= 256 && level >= BT_SIMD_AVX512 && __builtin_cpu_supports("vpclmulqdq"))
        return ~by_products(begin_wide, ~crc, p, n);
    if (n >= 64 && level >= BT_SIMD_AVX2 && __builtin_cpu_supports("pclmul"))
        return ~by_products(begin, ~crc, p, n);
#endif
    return bt_crc32_c(crc, p, n);
}
