/* Snappy: literals and copies from what was decoded already. The format: format_description.txt in
 * https://github.com/google/snappy. */
#include "format/snappy.h"

#include "base/file.h"

#define MOST_FROM_A_BYTE 64 /* a copy of two bytes gives at most 64 */

static bool read_length(bt_reader *r, size_t *bytes)
{
    *bytes = bt_read_varint(r);
    return !r->failed && *bytes <= UINT32_MAX;
}

bool bt_snappy_bytes(bt_str block, size_t *bytes)
{
    bt_reader r = bt_reader_of(block.p, block.n);
    return read_length(&r, bytes) && *bytes / MOST_FROM_A_BYTE <= bt_reader_left(&r);
}

/* Length and offset of the copy that the tag begins. */
static void read_copy(bt_reader *r, uint8_t tag, size_t *n, size_t *offset)
{
    if ((tag & 3) == 1) {
        *n = 4 + (tag >> 2 & 7);
        *offset = (size_t)(tag >> 5) << 8 | bt_read_uint(r, 1);
    } else {
        *n = 1 + (tag >> 2);
        *offset = bt_read_uint(r, (tag & 3) == 2 ? 2 : 4);
    }
}

bool bt_snappy_decode(bt_str block, uint8_t *out, size_t bytes)
{
    bt_reader r = bt_reader_of(block.p, block.n);
    size_t said, done = 0, n, offset;
    if (!read_length(&r, &said) || said != bytes) return false;
    while (bt_reader_left(&r) > 0) {
        uint8_t tag = (uint8_t)bt_read_uint(&r, 1);
        if ((tag & 3) == 0) {
            n = tag >> 2;
            if (n >= 60) n = bt_read_uint(&r, (int)n - 59);
            n++;
            const uint8_t *p = bt_read_bytes(&r, n);
            if (!p || n > bytes - done) return false;
            memcpy(out + done, p, n);
        } else {
            read_copy(&r, tag, &n, &offset);
            if (r.failed || offset == 0 || offset > done || n > bytes - done) return false;
            for (size_t i = 0; i < n; i++) out[done + i] = out[done + i - offset]; /* may overlap itself */
        }
        done += n;
    }
    return done == bytes;
}
