/* zlib's counters have 32 bits: it is fed in pieces. */
#include "format/inflate.h"

#ifdef BERTH_ZLIB
#include <zlib.h>

static void *z_alloc(void *user, unsigned n, unsigned size)
{
    (void)user;
    return bt_calloc(n, size);
}

static void z_free(void *user, void *p)
{
    (void)user;
    bt_free(p);
}

berth_status bt_inflate(const uint8_t *p, size_t n, bool raw, uint8_t *out, size_t room, size_t *written)
{
    enum { PIECE = 1 << 30 };
    z_stream z = {.zalloc = z_alloc, .zfree = z_free, .next_in = (uint8_t *)(uintptr_t)p, .next_out = out};
    int result = inflateInit2(&z, raw ? -MAX_WBITS : MAX_WBITS);
    if (result != Z_OK) return BERTH_NO_MEMORY;
    while (result == Z_OK) { /* without progress it ends with Z_BUF_ERROR */
        size_t in = n - (size_t)(z.next_in - p), left = room - (size_t)(z.next_out - out);
        z.avail_in = in < PIECE ? (unsigned)in : PIECE;
        z.avail_out = left < PIECE ? (unsigned)left : PIECE;
        result = inflate(&z, Z_NO_FLUSH);
    }
    *written = (size_t)(z.next_out - out);
    inflateEnd(&z);
    return result == Z_STREAM_END ? BERTH_OK : result == Z_MEM_ERROR ? BERTH_NO_MEMORY : BERTH_BAD_MODEL;
}
#else
berth_status bt_inflate(const uint8_t *p, size_t n, bool raw, uint8_t *out, size_t room, size_t *written)
{
    (void)p, (void)n, (void)raw, (void)out, (void)room, (void)written;
    return BERTH_UNSUPPORTED;
}
#endif
