/* The end record is looked for from the end of the file on; it says where the directory lies, the directory where each
 * member does. Sizes of members in the directory count, not those before their bytes, which may be missing. */
#include "format/zip.h"

#include "format/inflate.h"
#include "simd/crc.h"

enum {
    LOCAL = 0x04034b50,
    ENTRY = 0x02014b50,
    END = 0x06054b50,
    END64 = 0x06064b50,
    LOCATOR64 = 0x07064b50,
    LOCAL_BYTES = 30,
    ENTRY_BYTES = 46,
    END_BYTES = 22,
    LOCATOR64_BYTES = 20,
    END64_BYTES = 56,
    STORED = 0,
    DEFLATED = 8,
    ENCRYPTED = 1,
    MAX_RATIO = 1032 /* deflate's: 258 bytes of a match from two bits */
};

bool bt_zip_sniff(const void *data, size_t size)
{
    return size >= 4 && (!memcmp(data, "PK\3\4", 4) || !memcmp(data, "PK\5\6", 4));
}

/* ---- The directory ------------------------------------------------------------------------------------ */

typedef struct directory {
    uint64_t offset, bytes, entries;
} directory;

/* n bytes that begin with a signature, behind it. */
static bool record(const bt_zip *zip, uint64_t at, uint64_t n, uint32_t signature, bt_reader *out)
{
    if (at > zip->size || n > zip->size - at) return false;
    *out = bt_reader_of(zip->data + at, n);
    return bt_read_uint(out, 4) == signature;
}

/* END64: size of the record (8), versions (2, 2), disks (4, 4), entries here and in all (8, 8), bytes, offset. */
static berth_status read_end64(const bt_zip *zip, uint64_t end, directory *d, berth_error *error)
{
    bt_reader r;
    uint64_t at = end >= LOCATOR64_BYTES ? end - LOCATOR64_BYTES : zip->size;
    if (!record(zip, at, LOCATOR64_BYTES, LOCATOR64, &r)) return BERTH_OK;
    bt_read_uint(&r, 4);
    if (!record(zip, bt_read_uint(&r, 8), END64_BYTES, END64, &r))
        return bt_fail(error, BERTH_BAD_MODEL, "zip: a damaged end record");
    bt_read_bytes(&r, 8 + 4 + 8 + 8);
    d->entries = bt_read_uint(&r, 8);
    d->bytes = bt_read_uint(&r, 8);
    d->offset = bt_read_uint(&r, 8);
    return BERTH_OK;
}

/* END: disks (2, 2), entries here and in all (2, 2), bytes and offset of the directory (4, 4), length of a comment (2),
 * which stands last. */
static berth_status find_directory(const bt_zip *zip, directory *d, berth_error *error)
{
    bt_reader r;
    for (uint64_t back = END_BYTES; back <= zip->size && back <= END_BYTES + UINT16_MAX; back++) {
        uint64_t end = zip->size - back;
        if (!record(zip, end, END_BYTES, END, &r)) continue;
        bool split = bt_read_uint(&r, 4) != 0;
        uint64_t here = bt_read_uint(&r, 2);
        d->entries = bt_read_uint(&r, 2);
        d->bytes = bt_read_uint(&r, 4);
        d->offset = bt_read_uint(&r, 4);
        if (bt_read_uint(&r, 2) != back - END_BYTES) continue;
        if (split || here != d->entries)
            return bt_fail(error, BERTH_UNSUPPORTED, "zip: an archive of several parts");
        bool wide = d->entries == UINT16_MAX || d->bytes == UINT32_MAX || d->offset == UINT32_MAX;
        if (wide && read_end64(zip, end, d, error)) return error->status;
        if (d->offset > end || d->bytes > end - d->offset || d->entries > d->bytes / ENTRY_BYTES)
            return bt_fail(error, BERTH_BAD_MODEL, "zip: a directory that does not lie in the file");
        return BERTH_OK;
    }
    return bt_fail(error, BERTH_BAD_MODEL, "zip: cut short or damaged: it has no directory");
}

bool bt_zip_name_is_safe(bt_str name)
{
    if (!name.n || name.p[0] == '/' || memchr(name.p, '\\', name.n) || memchr(name.p, ':', name.n) ||
        memchr(name.p, '\0', name.n))
        return false;
    for (size_t i = 0; i + 1 < name.n; i++) {
        bool begins = i == 0 || name.p[i - 1] == '/', ends = i + 2 == name.n || name.p[i + 2] == '/';
        if (begins && ends && name.p[i] == '.' && name.p[i + 1] == '.') return false;
    }
    return true;
}

/* Extra fields: id (2), bytes (2), content. In field 1 stand those of size, stored size and offset that are too wide. */
static bool read_wide(bt_reader extra, bt_zip_member *m)
{
    uint64_t *const members[] = {&m->size, &m->stored, &m->header};
    while (bt_reader_left(&extra) >= 4) {
        uint64_t id = bt_read_uint(&extra, 2), n = bt_read_uint(&extra, 2);
        const uint8_t *p = bt_read_bytes(&extra, n);
        bt_reader field = bt_reader_of(p, p ? n : 0);
        for (int i = 0; i < 3 && p && id == 1; i++)
            if (*members[i] == UINT32_MAX) *members[i] = bt_read_uint(&field, 8);
        if (!p || field.failed) return false;
    }
    return true;
}

/* Made by, needed (2, 2), flags, method (2, 2), time (4), checksum, stored, size (4, 4, 4), lengths of the name, the extra
 * fields and a comment (2, 2, 2), disk (2), attributes (2, 4), offset (4); then these three. */
static berth_status read_entry(bt_zip *zip, bt_reader *r, berth_error *error)
{
    bt_zip_member *m = bt_arena_new(zip->arena, bt_zip_member);
    if (!m) return bt_fail_memory(error);
    bool good = bt_read_uint(r, 4) == ENTRY;
    bt_read_uint(r, 4);
    m->flags = (int)bt_read_uint(r, 2);
    m->method = (int)bt_read_uint(r, 2);
    bt_read_uint(r, 4);
    m->crc = (uint32_t)bt_read_uint(r, 4);
    m->stored = bt_read_uint(r, 4);
    m->size = bt_read_uint(r, 4);
    size_t name = bt_read_uint(r, 2), extra = bt_read_uint(r, 2), comment = bt_read_uint(r, 2);
    bt_read_bytes(r, 8);
    m->header = bt_read_uint(r, 4);
    m->name = (bt_str){(const char *)bt_read_bytes(r, name), name};
    const uint8_t *fields = bt_read_bytes(r, extra);
    bt_read_bytes(r, comment);
    if (!good || r->failed || !read_wide(bt_reader_of(fields, extra), m))
        return bt_fail(error, BERTH_BAD_MODEL, "zip: a damaged directory");
    if (!bt_zip_name_is_safe(m->name))
        return bt_fail(error, BERTH_BAD_MODEL, "zip: a member whose name leads out of the archive");
    if (bt_map_get(&zip->members, m->name))
        return bt_fail(error, BERTH_BAD_MODEL, "zip: two members of one name");
    return bt_map_put(&zip->members, m->name, m) ? BERTH_OK : bt_fail_memory(error);
}

berth_status bt_zip_open(bt_zip *zip, const void *data, size_t size, bt_arena *arena, berth_error *error)
{
    directory d = {0};
    *zip = (bt_zip){.data = data, .size = size, .arena = arena};
    berth_status status = find_directory(zip, &d, error);
    bt_reader r = bt_reader_of(zip->data + (status ? 0 : d.offset), status ? 0 : d.bytes);
    for (uint64_t i = 0; i < d.entries && !status; i++) status = read_entry(zip, &r, error);
    if (status) bt_zip_free(zip);
    return status;
}

void bt_zip_free(bt_zip *zip) { bt_map_free(&zip->members); }

/* ---- Members ------------------------------------------------------------------------------------------ */

static berth_status inflate_member(const bt_zip *zip, const bt_zip_member *m, const uint8_t *p,
                                   const char *name, bt_str *out, berth_error *error)
{
    size_t written = 0;
    if (m->size / MAX_RATIO > m->stored)
        return bt_fail(error, BERTH_BAD_MODEL, "zip: %s: %llu bytes cannot come from %llu", name,
                       (unsigned long long)m->size, (unsigned long long)m->stored);
    uint8_t *bytes = bt_arena_alloc(zip->arena, m->size + 1);
    if (!bytes) return bt_fail_memory(error);
    *out = (bt_str){(const char *)bytes, m->size};
    berth_status status = bt_inflate(p, m->stored, true, bytes, m->size, &written);
    if (!status && written == m->size) return BERTH_OK;
    if (status == BERTH_NO_MEMORY) return bt_fail_memory(error);
    if (status == BERTH_UNSUPPORTED)
        return bt_fail(error, status, "zip: %s is compressed, and this build of berth is without zlib", name);
    return bt_fail(error, BERTH_BAD_MODEL, "zip: %s: compressed data that is damaged", name);
}

/* LOCAL: needed, flags, method (2, 2, 2), time (4), checksum, stored, size (4, 4, 4), lengths of name and extra fields
 * (2, 2); these two, then the bytes. */
static const uint8_t *stored_bytes(const bt_zip *zip, const bt_zip_member *m)
{
    bt_reader r;
    if (!record(zip, m->header, LOCAL_BYTES, LOCAL, &r)) return NULL;
    bt_read_bytes(&r, 22);
    uint64_t skip = bt_read_uint(&r, 2) + bt_read_uint(&r, 2);
    r = bt_reader_of(zip->data + m->header + LOCAL_BYTES, zip->size - m->header - LOCAL_BYTES);
    bt_read_bytes(&r, skip);
    return bt_read_bytes(&r, m->stored);
}

berth_status bt_zip_read(const bt_zip *zip, const char *name, bt_str *out, berth_error *error)
{
    const bt_zip_member *m = bt_map_get(&zip->members, bt_str_of(name));
    *out = (bt_str){0};
    return m ? bt_zip_read_member(zip, m, name, out, error) : BERTH_OK;
}

berth_status bt_zip_read_member(const bt_zip *zip, const bt_zip_member *m, const char *name, bt_str *out, berth_error *error)
{
    if (m->flags & ENCRYPTED) return bt_fail(error, BERTH_UNSUPPORTED, "zip: %s is encrypted", name);
    if (m->method != STORED && m->method != DEFLATED)
        return bt_fail(error, BERTH_UNSUPPORTED, "zip: %s: compression method %d", name, m->method);
    const uint8_t *p = stored_bytes(zip, m);
    if (!p || (m->method == STORED && m->size != m->stored))
        return bt_fail(error, BERTH_BAD_MODEL, "zip: %s does not lie in the file", name);
    *out = (bt_str){(const char *)p, m->size};
    if (m->method == DEFLATED && inflate_member(zip, m, p, name, out, error)) return error->status;
    if (bt_crc32(0, out->p, out->n) == m->crc) return BERTH_OK;
    return bt_fail(error, BERTH_BAD_MODEL, "zip: %s: its checksum is wrong", name);
}
