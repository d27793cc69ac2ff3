/* CRC-32 of zip and gzip (0xedb88320, bits reversed): eight tables in plain C; on x86 carry-less products, which fold 64 bytes
 * into the next 64: a block b, so many bits before another, is worth b x^bits mod P there. What is left, 16 bytes with the
 * same rest as the whole, goes through the tables. Source: V. Gopal and others, "Fast CRC Computation for Generic Polynomials
 * Using PCLMULQDQ Instruction", Intel, 2009. */
#include <pthread.h>

#include "simd/crc.h"
#include "simd/simd.h"

static uint32_t slices[8][256]; /* [k][b]: byte b, followed by k zero bytes */

static void fill_tables(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t state = b;
        for (int i = 0; i < 8; i++) state = state >> 1 ^ (state & 1 ? 0xedb88320u : 0);
        slices[0][b] = state;
    }
    for (int k = 1; k < 8; k++)
        for (int b = 0; b < 256; b++)
            slices[k][b] = slices[k - 1][b] >> 8 ^ slices[0][slices[k - 1][b] & 0xff];
}

static uint32_t load32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t by_tables(uint32_t state, const uint8_t *p, size_t n)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_tables);
    for (; n >= 8; p += 8, n -= 8) {
        uint32_t a = state ^ load32(p), b = load32(p + 4);
        state = slices[7][a & 255] ^ slices[6][a >> 8 & 255] ^ slices[5][a >> 16 & 255] ^ slices[4][a >> 24] ^
                slices[3][b & 255] ^ slices[2][b >> 8 & 255] ^ slices[1][b >> 16 & 255] ^ slices[0][b >> 24];
    }
    for (; n; p++, n--) state = state >> 8 ^ slices[0][(state ^ *p) & 255];
    return state;
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
