/* Tar archives: regular files, of the old form, ustar, GNU's (long names) and pax (path, size). All else in them, links and
 * devices too, is passed over. Source: POSIX.1-2008, pax, "ustar Interchange Format"; GNU tar's manual, "Basic Tar Format". */
#include "format/archive.h"

enum {
    BLOCK = 512,
    NAME = 0,
    NAME_BYTES = 100,
    SIZE = 124,
    SUM = 148,
    TYPE = 156,
    MAGIC = 257,
    PREFIX = 345,
    PREFIX_BYTES = 155
};

/* Octal digits between blanks, or, with the top bit set, a big-endian number. False: neither, or above 2^62. */
static bool read_number(const uint8_t *p, size_t n, uint64_t *value)
{
    *value = 0;
    if (*p & 0x80) {
        *value = *p & 0x3f;
        for (size_t i = 1; i < n; i++) {
            if (*value >> 54) return false;
            *value = *value << 8 | p[i];
        }
        return !(*p & 0x40);
    }
    size_t i = 0;
    while (i < n && p[i] == ' ') i++;
    for (; i < n && p[i] >= '0' && p[i] <= '7'; i++)
        *value = *value << 3 | (uint64_t)(p[i] - '0'); /* 12 digits fit */
    return i == n || p[i] == ' ' || p[i] == '\0';
}

/* The bytes of the header, those of the sum itself taken as blanks. */
static bool sum_is_right(const uint8_t *header)
{
    uint64_t sum = 0, wanted;
    for (size_t i = 0; i < BLOCK; i++) sum += i >= SUM && i < SUM + 8 ? ' ' : header[i];
    return read_number(header + SUM, 8, &wanted) && wanted == sum;
}

bool bt_tar_sniff(const void *data, size_t size)
{
    return size >= BLOCK && *(const char *)data && sum_is_right(data);
}

typedef struct reading {
    bt_arena *arena;
    const char *name; /* of the next file, as an entry before it said; NULL: none did */
    bool has_size;
    uint64_t size;
} reading;

static berth_status damaged(berth_error *error)
{
    return bt_fail(error, BERTH_BAD_MODEL, "tar: damaged or cut short");
}

/* A pax header: records "LENGTH KEY=VALUE\n", the length of the whole record in decimal. */
static berth_status read_pax(reading *r, bt_str text, berth_error *error)
{
    while (text.n > 0) {
        size_t digits = 0;
        int64_t n;
        while (digits < text.n && text.p[digits] != ' ') digits++;
        if (!bt_str_int((bt_str){text.p, digits}, &n) || n < (int64_t)digits + 3 || (uint64_t)n > text.n ||
            text.p[n - 1] != '\n')
            return damaged(error);
        bt_str record = {text.p + digits + 1, (size_t)n - digits - 2};
        const char *equals = memchr(record.p, '=', record.n);
        if (!equals) return damaged(error);
        bt_str key = {record.p, (size_t)(equals - record.p)}, value = {equals + 1, record.n - key.n - 1};
        if (bt_str_is(key, "path") && !(r->name = bt_arena_copy(r->arena, value.p, value.n)))
            return bt_fail_memory(error);
        int64_t size;
        if (bt_str_is(key, "size")) {
            if (!bt_str_int(value, &size) || size < 0) return damaged(error);
            r->has_size = true, r->size = (uint64_t)size;
        }
        text.p += n, text.n -= (size_t)n;
    }
    return BERTH_OK;
}

static const char *name_of(const reading *r, const uint8_t *header)
{
    bool has_prefix = !memcmp(header + MAGIC, "ustar", 6) && header[PREFIX];
    const char *name = (const char *)header + NAME, *prefix = (const char *)header + PREFIX;
    int n = (int)strnlen(name, NAME_BYTES);
    if (!has_prefix) return bt_arena_copy(r->arena, name, (size_t)n);
    return bt_arena_print(r->arena, "%.*s/%.*s", (int)strnlen(prefix, PREFIX_BYTES), prefix, n, name);
}

/* One entry: what it says of the next one, or a file to visit. */
static berth_status read_entry(reading *r, const uint8_t *header, bt_str bytes, bt_tar_visit *visit,
                               void *user, berth_error *error)
{
    switch (header[TYPE]) {
    case 'x': return read_pax(r, bytes, error);
    case 'L':
        r->name = bt_arena_copy(r->arena, bytes.p, strnlen(bytes.p, bytes.n));
        return r->name ? BERTH_OK : bt_fail_memory(error);
    case '0':
    case '\0':
    case '7': {
        const char *name = r->name ? r->name : name_of(r, header);
        *r = (reading){.arena = r->arena};
        return name ? visit(user, name, bytes, error) : bt_fail_memory(error);
    }
    case 'g': return BERTH_OK;
    default: *r = (reading){.arena = r->arena}; return BERTH_OK;
    }
}

berth_status bt_tar_read(const void *data, size_t size, bt_arena *arena, bt_tar_visit *visit, void *user,
                         berth_error *error)
{
    bt_reader in = bt_reader_of(data, size);
    reading r = {.arena = arena};
    while (bt_reader_left(&in) >= BLOCK) {
        const uint8_t *header = bt_read_bytes(&in, BLOCK);
        uint64_t n;
        if (!*header) return BERTH_OK; /* the end: blocks of zeros */
        if (!sum_is_right(header) || !read_number(header + SIZE, 12, &n)) return damaged(error);
        if (r.has_size && header[TYPE] != 'x' && header[TYPE] != 'L') n = r.size;
        const uint8_t *p = bt_read_bytes(&in, n);
        if (!p) return damaged(error);
        berth_status status = read_entry(&r, header, (bt_str){(const char *)p, n}, visit, user, error);
        if (status) return status;
        size_t pad = bt_align(n, BLOCK) - n;
        bt_read_bytes(&in, pad < bt_reader_left(&in) ? pad : bt_reader_left(&in));
    }
    return BERTH_OK;
}
