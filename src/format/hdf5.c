/* HDF5: superblock, bounded access, object headers and their messages. To read next: hdf5_group.c (what
 * groups hold), hdf5_data.c (attributes and datasets). */
#include "format/hdf5_inner.h"

static const uint8_t signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

/* ---- Bounded access ----------------------------------------------------------------------------------- */

berth_status bt_h5_fail(bt_hdf5 *h, const char *what)
{
    return bt_fail(h->error, BERTH_BAD_MODEL, "HDF5: %s", what);
}

berth_status bt_h5_work(bt_hdf5 *h, uint64_t steps)
{
    if (steps > h->budget) return bt_h5_fail(h, "structures that point in circles");
    h->budget -= steps;
    return BERTH_OK;
}

const uint8_t *bt_h5_at(bt_hdf5 *h, uint64_t address, uint64_t n)
{
    uint64_t room = h->size - h->base;
    if (address > room || n > room - address) {
        bt_fail(h->error, BERTH_BAD_MODEL, "HDF5: %llu bytes at %llu lie beyond the end of the file",
                (unsigned long long)n, (unsigned long long)address);
        return NULL;
    }
    return h->data + h->base + address;
}

uint64_t bt_h5_offset(bt_hdf5 *h, bt_reader *r)
{
    uint64_t value = bt_read_uint(r, h->offset_bytes);
    return value == UINT64_MAX >> (64 - 8 * h->offset_bytes) ? H5_NOWHERE : value;
}

uint64_t bt_h5_length(bt_hdf5 *h, bt_reader *r) { return bt_read_uint(r, h->length_bytes); }

berth_status bt_h5_block(bt_hdf5 *h, uint64_t address, uint64_t n, const char *name, int version,
                         bt_reader *out)
{
    const uint8_t *p = bt_h5_at(h, address, n);
    if (!p) return BERTH_BAD_MODEL;
    if (n < 5 || memcmp(p, name, 4) || (version >= 0 && p[4] != version))
        return bt_fail(h->error, BERTH_BAD_MODEL, "HDF5: no %s where one should be, at %llu", name,
                       (unsigned long long)address);
    *out = bt_reader_of(p + 5, n - 5);
    return bt_h5_work(h, 1);
}

/* ---- Superblock --------------------------------------------------------------------------------------- */

bool bt_hdf5_sniff(const void *data, size_t size)
{
    for (size_t at = 0; at + sizeof signature <= size; at = at ? at * 2 : 512)
        if (!memcmp((const uint8_t *)data + at, signature, sizeof signature)) return true;
    return false;
}

static bool read_sizes(bt_hdf5 *h, bt_reader *r)
{
    h->offset_bytes = (int)bt_read_uint(r, 1);
    h->length_bytes = (int)bt_read_uint(r, 1);
#define LEGAL(n) ((n) == 2 || (n) == 4 || (n) == 8)
    return LEGAL(h->offset_bytes) && LEGAL(h->length_bytes);
#undef LEGAL
}

static berth_status read_superblock(bt_hdf5 *h, bt_reader *r)
{
    uint64_t version = bt_read_uint(r, 1), end;
    if (version > 3) return bt_fail(h->error, BERTH_UNSUPPORTED, "HDF5: superblock version %d", (int)version);
    if (version < 2) bt_read_bytes(r, 4);
    if (!read_sizes(h, r)) return bt_h5_fail(h, "a damaged superblock");
    bt_read_bytes(r, version == 0 ? 9 : version == 1 ? 13 : 1);
    uint64_t base = bt_h5_offset(h, r);
    bt_h5_offset(h, r);
    end = bt_h5_offset(h, r);
    if (version < 2) bt_h5_offset(h, r), bt_h5_offset(h, r); /* driver information, name of the root entry */
    h->root = bt_h5_offset(h, r);
    if (r->failed || base > h->size || h->root == H5_NOWHERE) return bt_h5_fail(h, "a damaged superblock");
    if (base) h->base = base;
    if (end != H5_NOWHERE && end > h->size)
        return bt_fail(h->error, BERTH_BAD_MODEL, "cut short: %llu bytes of %llu",
                       (unsigned long long)h->size, (unsigned long long)end);
    return BERTH_OK;
}

berth_status bt_hdf5_open(bt_hdf5 *h, const void *data, size_t size, bt_arena *arena, berth_error *error)
{
    *h = (bt_hdf5){.data = data, .size = size, .arena = arena, .error = error};
    h->budget = size / 4 + (1u << 20);
    size_t at = 0;
    while (at + sizeof signature <= size && memcmp(h->data + at, signature, sizeof signature))
        at = at ? at * 2 : 512;
    if (at + sizeof signature > size) return bt_fail(error, BERTH_BAD_MODEL, "not an HDF5 file");
    h->base = at;
    bt_reader r = bt_reader_of(h->data + at + sizeof signature, size - at - sizeof signature);
    return read_superblock(h, &r);
}

/* ---- Object headers ----------------------------------------------------------------------------------- */

/* A run of messages, in one of the two layouts; `later` receives the continuations that it names. */
typedef struct header {
    bool is_new;     /* version 2 */
    int order_bytes; /* version 2: creation order in each message */
    struct {
        uint64_t address, size;
    } later[64];
    int n_later;
} header;

static berth_status continuation(bt_hdf5 *h, header *o, const bt_h5_message *m)
{
    bt_reader r = bt_reader_of(m->data, m->size);
    uint64_t address = bt_h5_offset(h, &r), size = bt_h5_length(h, &r);
    if (r.failed || size < 8) return bt_h5_fail(h, "a damaged continuation");
    if (o->n_later == (int)(sizeof o->later / sizeof *o->later))
        return bt_h5_fail(h, "an object header in too many pieces");
    if (o->is_new) {
        bt_reader block;
        if (bt_h5_block(h, address, size, "OCHK", -1, &block)) return BERTH_BAD_MODEL;
        address += 4, size -= 8; /* signature, checksum */
    }
    o->later[o->n_later].address = address;
    o->later[o->n_later++].size = size;
    return BERTH_OK;
}

static berth_status run_messages(bt_hdf5 *h, header *o, const uint8_t *p, uint64_t n, bt_h5_message_fn *f,
                                 void *user, bool *stop)
{
    bt_reader r = bt_reader_of(p, n);
    size_t least = o->is_new ? 4 + (size_t)o->order_bytes : 8; /* what is left below that is a gap */
    while (!*stop && bt_reader_left(&r) >= least) {
        bt_h5_message m = {.type = (int)bt_read_uint(&r, o->is_new ? 1 : 2)};
        m.size = bt_read_uint(&r, 2);
        m.flags = (int)bt_read_uint(&r, 1);
        bt_read_bytes(&r, o->is_new ? (size_t)o->order_bytes : 3);
        m.data = bt_read_bytes(&r, m.size);
        if (r.failed) return bt_h5_fail(h, "a damaged object header");
        berth_status status = bt_h5_work(h, 1);
        if (!status && m.type == H5_CONTINUATION) status = continuation(h, o, &m);
        else if (!status) status = f(h, &m, user, stop);
        if (status) return status;
    }
    return BERTH_OK;
}

/* The first run of messages: its address and size. */
static berth_status open_header(bt_hdf5 *h, uint64_t address, header *o, uint64_t *at, uint64_t *size)
{
    const uint8_t *p = bt_h5_at(h, address, 16);
    if (!p) return BERTH_BAD_MODEL;
    bt_reader r = bt_reader_of(p, 16);
    if (memcmp(p, "OHDR", 4)) {
        if (p[0] != 1) return bt_h5_fail(h, "no object header where one should be");
        bt_read_bytes(&r, 8);
        *size = bt_read_uint(&r, 4);
        *at = address + 16;
        return BERTH_OK;
    }
    if (p[4] != 2) return bt_fail(h->error, BERTH_UNSUPPORTED, "HDF5: object header version %d", p[4]);
    int flags = p[5], size_bytes = 1 << (flags & 3);
    uint64_t before = 6 + (flags & 0x20 ? 16 : 0) + (flags & 0x10 ? 4 : 0);
    if (!(p = bt_h5_at(h, address, before + (uint64_t)size_bytes))) return BERTH_BAD_MODEL;
    r = bt_reader_of(p + before, (size_t)size_bytes);
    o->is_new = true;
    o->order_bytes = flags & 4 ? 2 : 0;
    *size = bt_read_uint(&r, size_bytes);
    *at = address + before + (uint64_t)size_bytes;
    return BERTH_OK;
}

berth_status bt_h5_messages(bt_hdf5 *h, uint64_t address, bt_h5_message_fn *f, void *user)
{
    header o = {0};
    uint64_t at = 0, size = 0;
    bool stop = false;
    berth_status status = open_header(h, address, &o, &at, &size);
    for (int next = 0; !status && !stop; next++) {
        const uint8_t *p = bt_h5_at(h, at, size);
        if (!p) return BERTH_BAD_MODEL;
        status = run_messages(h, &o, p, size, f, user, &stop);
        if (next == o.n_later) break;
        at = o.later[next].address;
        size = o.later[next].size;
    }
    return status;
}
