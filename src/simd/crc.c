/* CRC-32C: eight tables in plain C; on x86 the crc32 instruction, three streams at a time since one alone waits for
 * its own result. The state below is the checksum inverted, which makes one bit string's state linear in the bits:
 * state(a b) = shift(state(a)) ^ state from 0 (b), where shift appends as many zero bytes as b is long. */
#include "simd/crc.h"

#include <pthread.h>
#include <string.h>

#include "simd/crc_tables.h"
#include "simd/simd.h"

#define STREAM_BYTES 2048

static bt_crc_tables slices;
static uint32_t shifts[4][256]; /* [k][b]: b as byte k of a state, followed by STREAM_BYTES zero bytes */

static uint32_t append_zeros(uint32_t state, size_t n)
{
    while (n--) state = state >> 8 ^ slices[0][state & 0xff];
    return state;
}

static void fill_tables(void)
{
    bt_crc_tables_fill(slices, 0x82f63b78u);
    for (int k = 0; k < 4; k++)
        for (uint32_t b = 1; b < 256; b++) {
            uint32_t low = b & -b;
            shifts[k][b] =
                low == b ? append_zeros(b << (8 * k), STREAM_BYTES) : shifts[k][low] ^ shifts[k][b ^ low];
        }
}

static void need_tables(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_tables);
}

uint32_t bt_crc32c_c(uint32_t crc, const void *data, size_t n)
{
    need_tables();
    return ~bt_crc_tables_run(slices, ~crc, data, n);
}

#if defined(__x86_64__)
static uint64_t shift(uint64_t state)
{
    return shifts[0][state & 0xff] ^ shifts[1][state >> 8 & 0xff] ^ shifts[2][state >> 16 & 0xff] ^
           shifts[3][state >> 24 & 0xff];
}

static uint64_t word(const uint8_t *p, size_t i)
{
    uint64_t v;
    memcpy(&v, p + i, sizeof v);
    return v;
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const uint8_t *p, size_t n)
{
    uint64_t state = (uint32_t)~crc;
    for (; n >= 3 * STREAM_BYTES; n -= 3 * STREAM_BYTES, p += 3 * STREAM_BYTES) {
        uint64_t a = state, b = 0, c = 0;
        for (size_t i = 0; i < STREAM_BYTES; i += 8) {
            a = __builtin_ia32_crc32di(a, word(p, i));
            b = __builtin_ia32_crc32di(b, word(p, i + STREAM_BYTES));
            c = __builtin_ia32_crc32di(c, word(p, i + 2 * STREAM_BYTES));
        }
        state = shift(shift(a) ^ b) ^ c;
    }
    for (; n >= 8; n -= 8, p += 8) state = __builtin_ia32_crc32di(state, word(p, 0));
    for (; n > 0; n--) state = __builtin_ia32_crc32qi((uint32_t)state, *p++);
    return ~(uint32_t)state;
}
#endif

uint32_t bt_crc32c(uint32_t crc, const void *p, size_t n)
{
#if defined(__x86_64__)
    need_tables();
    if (bt_simd_get()->level >= BT_SIMD_AVX2) return crc32c_sse42(crc, p, n);
#endif
    return bt_crc32c_c(crc, p, n);
}
