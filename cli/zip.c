/*
 * .npz: a zip archive of .npy files, stored or deflated. Reads one member by the central directory.
 * The format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, sections 4.3 to 4.5.
 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#ifdef BERTH_ZLIB
#include <zlib.h>
#endif

static uint64_t le(const uint8_t *p, int n)
{
    uint64_t value = 0;
    while (n--) value = value << 8 | p[n];
    return value;
}

static _Noreturn void damaged(const char *where)
{
    cli_fail(CLI_MODEL, "%s: the archive is damaged or cut short", where);
}

struct member {
    const uint8_t *name;
    size_t name_n;
    int method;
    uint32_t crc;
    uint64_t packed, size, offset; /* offset: of the local header */
};

/* Sizes that do not fit stand in the extra field 1, in this order, only those that are all ones. */
static void take_zip64(struct member *m, const uint8_t *extra, size_t n)
{
    uint64_t *fields[3] = {&m->size, &m->packed, &m->offset};
    while (n >= 4) {
        size_t bytes = (size_t)le(extra + 2, 2);
        if (bytes > n - 4) return;
        const uint8_t *p = extra + 4, *end = p + bytes;
        for (int i = 0; i < 3 && le(extra, 2) == 1; i++)
            if (*fields[i] == UINT32_MAX && end - p >= 8) *fields[i] = le(p, 8), p += 8;
        extra = end, n -= 4 + bytes;
    }
}

/* The entry at *at of the central directory; moves *at behind it; false when there is none there. */
static bool next(struct member *m, cli_bytes file, size_t *at)
{
    const uint8_t *p = file.p + *at;
    if (file.n - *at < 46 || le(p, 4) != 0x02014b50) return false;
    size_t name = (size_t)le(p + 28, 2), extra = (size_t)le(p + 30, 2), comment = (size_t)le(p + 32, 2);
    if (46 + name + extra + comment > file.n - *at) return false;
    *m = (struct member){p + 46,        name,          (int)le(p + 10, 2), (uint32_t)le(p + 16, 4),
                         le(p + 20, 4), le(p + 24, 4), le(p + 42, 4)};
    take_zip64(m, p + 46 + name, extra);
    *at += 46 + name + extra + comment;
    return true;
}

/* Where the central directory starts: named by the end record, which a comment of up to 64 KiB may follow. */
static size_t directory(const char *where, cli_bytes file)
{
    if (file.n < 22) damaged(where);
    for (size_t at = file.n - 22;; at--) {
        if (le(file.p + at, 4) == 0x06054b50) {
            uint64_t start = le(file.p + at + 16, 4);
            if (start == UINT32_MAX && at >= 20 && le(file.p + at - 20, 4) == 0x07064b50) {
                uint64_t record = le(file.p + at - 12, 8);
                if (file.n < 56 || record > file.n - 56) damaged(where);
                start = le(file.p + record + 48, 8);
            }
            if (start > at) damaged(where);
            return (size_t)start;
        }
        if (at == 0 || file.n - at > 22 + 65535) damaged(where);
    }
}

static bool is_named(const struct member *m, const char *name)
{
    size_t n = strcspn(name, ":"); /* x:0 is x.npy */
    return (m->name_n == n + 4 && !memcmp(m->name, name, n) && !memcmp(m->name + n, ".npy", 4)) ||
           (m->name_n == strlen(name) + 4 && !memcmp(m->name, name, m->name_n - 4));
}

static void unpack(const char *where, const struct member *m, const uint8_t *from, uint8_t *to)
{
    if (m->method == 0) {
        if (m->packed != m->size) damaged(where);
        memcpy(to, from, m->size);
        return;
    }
#ifdef BERTH_ZLIB
    z_stream z = {.next_in = (Bytef *)from, .next_out = to};
    uint64_t in = m->packed, out = m->size;
    int status = inflateInit2(&z, -MAX_WBITS);
    while (status == Z_OK) {
        if (!z.avail_in) z.avail_in = (uInt)(in > 1 << 30 ? 1 << 30 : in), in -= z.avail_in;
        if (!z.avail_out) z.avail_out = (uInt)(out > 1 << 30 ? 1 << 30 : out), out -= z.avail_out;
        status = inflate(&z, Z_NO_FLUSH);
    }
    inflateEnd(&z);
    if (status != Z_STREAM_END || out || z.avail_out) damaged(where);
#else
    cli_fail(CLI_MODEL, "%s: is compressed, and this berth was built without zlib", where);
#endif
}

cli_bytes cli_zip_member(const char *where, cli_bytes file, const char *name)
{
    struct member m, chosen = {0};
    size_t n = 0, at = directory(where, file);
    bool named = false;
    for (; next(&m, file, &at); n++) {
        if (!n || (!named && is_named(&m, name))) chosen = m;
        named |= is_named(&m, name);
    }
    if (!n) damaged(where);
    if (!named && n > 1) cli_fail(CLI_MODEL, "%s: holds %zu arrays, none of them '%s.npy'", where, n, name);
    if (chosen.method != 0 && chosen.method != 8)
        cli_fail(CLI_MODEL, "%s: compression method %d is unknown", where, chosen.method);
    const uint8_t *p = file.p + chosen.offset;
    if (file.n < 30 || chosen.offset > file.n - 30 || le(p, 4) != 0x04034b50) damaged(where);
    uint64_t data = chosen.offset + 30 + le(p + 26, 2) + le(p + 28, 2);
    /* Deflate cannot pack below 1 : 1032, so a larger claim is a lie. */
    if (data > file.n || chosen.packed > file.n - data || chosen.size / 1032 > chosen.packed) damaged(where);
    cli_bytes member = {cli_alloc((size_t)chosen.size + 1, 1), (size_t)chosen.size};
    unpack(where, &chosen, file.p + data, member.p);
#ifdef BERTH_ZLIB
    uint32_t crc = (uint32_t)crc32_z(crc32(0, NULL, 0), member.p, member.n);
    if (crc != chosen.crc)
        cli_fail(CLI_MODEL, "%s: the checksum of '%.*s' is wrong", where, (int)chosen.name_n, chosen.name);
#endif
    return member;
}
