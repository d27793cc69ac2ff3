/* Checksums by eight tables of 256 entries, for any polynomial of 32 bits (given with its bits reversed). The state is the
 * checksum inverted. */
#ifndef BT_CRC_TABLES_H
#define BT_CRC_TABLES_H

#include <stddef.h>
#include <stdint.h>

typedef uint32_t bt_crc_tables[8][256]; /* [k][b]: byte b, followed by k zero bytes */

static inline void bt_crc_tables_fill(bt_crc_tables t, uint32_t polynomial)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t state = b;
        for (int i = 0; i < 8; i++) state = state >> 1 ^ (state & 1 ? polynomial : 0);
        t[0][b] = state;
    }
    for (int k = 1; k < 8; k++)
        for (int b = 0; b < 256; b++) t[k][b] = t[k - 1][b] >> 8 ^ t[0][t[k - 1][b] & 0xff];
}

static inline uint32_t bt_crc_tables_run(bt_crc_tables t, uint32_t state, const uint8_t *p, size_t n)
{
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t v = state;
        for (int i = 0; i < 8; i++) v ^= (uint64_t)p[i] << (8 * i);
        state = 0;
        for (int k = 0; k < 8; k++) state ^= t[7 - k][v >> (8 * k) & 0xff];
    }
    for (; n > 0; n--) state = state >> 8 ^ t[0][(state ^ *p++) & 0xff];
    return state;
}

#endif
