/* CRC-32 of zip and gzip (0xedb88320, bits reversed): eight tables in plain C; on x86 carry-less products, which fold 64 bytes
 * into the next 64: a block b, so many bits before another, is worth b x^bits mod P there. What is left, 16 bytes with the
 * same rest as the whole, goes through the tables. Source: V. Gopal and others, "Fast CRC Computation for Generic Polynomials
 * Using PCLMULQDQ Instruction", Intel, 2009. */
#include <pthread.h>

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

/* n is at least 64. */
FOLD uint32_t by_products(uint32_t state, const uint8_t *p, size_t n)
{
    const __m128i far = _mm_set_epi64x(0x1c6e41596, 0x154442bd4),
                  near = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
    const __m128i *in = (const __m128i *)(const void *)p;
    __m128i at[4], rest;
    for (int i = 0; i < 4; i++) at[i] = _mm_loadu_si128(in++);
    at[0] = _mm_xor_si128(at[0], _mm_cvtsi32_si128((int)state));
    for (n -= 64; n >= 64; n -= 64)
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
    if (n >= 64 && bt_simd_get()->level >= BT_SIMD_AVX2 && __builtin_cpu_supports("pclmul"))
        return ~by_products(~crc, p, n);
#endif
    return bt_crc32_c(crc, p, n);
}
