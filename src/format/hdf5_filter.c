/* HDF5 filters: deflate (by zlib, where the build has it), shuffle and fletcher32. Any other is an error that
 * names it. */
#include "format/hdf5_filter.h"

#include "format/inflate.h"

enum { DEFLATE = 1, SHUFFLE = 2, FLETCHER = 3 };

/* Version 1: number, reserved (6); each id, length of the name, flags, parameters (2 each), name padded to 8,
 * parameters (4 each), padded to 8. Version 2: no padding, no name for the ids below 256. */
berth_status bt_h5_filters_read(bt_hdf5 *h, const bt_h5_message *m, bt_h5_filters *out)
{
    *out = (bt_h5_filters){0};
    if (!m->data) return BERTH_OK;
    bt_reader r = bt_reader_of(m->data, m->size);
    uint64_t version = bt_read_uint(&r, 1), n = bt_read_uint(&r, 1);
    if (version == 1) bt_read_bytes(&r, 6);
    if (version < 1 || version > 2 || n > H5_MAX_FILTERS) return bt_h5_fail(h, "a damaged list of filters");
    out->n = (int)n;
    for (int i = 0; i < out->n; i++) {
        out->filter[i].id = (int)bt_read_uint(&r, 2);
        size_t name = version == 1 || out->filter[i].id >= 256 ? bt_read_uint(&r, 2) : 0;
        bt_read_uint(&r, 2);
        uint64_t values = bt_read_uint(&r, 2);
        bt_read_bytes(&r, version == 1 ? bt_align(name, 8) : name);
        for (uint64_t j = 0; j < values && !r.failed; j++) {
            uint32_t value = (uint32_t)bt_read_uint(&r, 4);
            if (j == 0) out->filter[i].value = value;
        }
        if (version == 1 && values % 2) bt_read_bytes(&r, 4);
    }
    return r.failed ? bt_h5_fail(h, "a damaged list of filters") : BERTH_OK;
}

static berth_status inflate_all(bt_hdf5 *h, const uint8_t *p, size_t n, uint8_t *out, size_t room,
                                size_t *written)
{
    switch (bt_inflate(p, n, false, out, room, written)) {
    case BERTH_OK: return BERTH_OK;
    case BERTH_NO_MEMORY: return bt_fail_memory(h->error);
    case BERTH_UNSUPPORTED:
        return bt_fail(h->error, BERTH_UNSUPPORTED,
                       "HDF5: compressed data, and this build of berth is without zlib");
    default: return bt_h5_fail(h, "compressed data that is damaged");
    }
}

/* Fletcher's sum of big-endian 16-bit words, folded every 360 of them. */
static uint32_t fletcher32(const uint8_t *p, size_t n)
{
    uint32_t a = 0, b = 0;
    size_t words = n / 2;
    while (words) {
        size_t run = words < 360 ? words : 360;
        words -= run;
        for (; run; run--, p += 2) a += (uint32_t)(p[0] << 8 | p[1]), b += a;
        a = (a & 0xffff) + (a >> 16);
        b = (b & 0xffff) + (b >> 16);
    }
    if (n % 2) {
        a += (uint32_t)(*p << 8), b += a;
        a = (a & 0xffff) + (a >> 16);
        b = (b & 0xffff) + (b >> 16);
    }
    a = (a & 0xffff) + (a >> 16);
    b = (b & 0xffff) + (b >> 16);
    return b << 16 | a;
}

static berth_status check_sum(bt_hdf5 *h, const uint8_t *p, size_t *n)
{
    if (*n < 4) return bt_h5_fail(h, "a chunk without its checksum");
    *n -= 4;
    bt_reader r = bt_reader_of(p + *n, 4);
    uint32_t stored = (uint32_t)bt_read_uint(&r, 4), sum = fletcher32(p, *n);
    uint32_t swapped =
        (sum & 0x00ff00ff) << 8 | (sum >> 8 & 0x00ff00ff); /* as versions before 1.6.3 wrote it */
    return stored == sum || stored == swapped ? BERTH_OK : bt_h5_fail(h, "a chunk whose checksum is wrong");
}

/* Byte j of all elements, for each j, becomes elements again; what is left over stays. */
static void unshuffle(const uint8_t *p, size_t n, size_t size, uint8_t *out)
{
    size_t count = n / size;
    for (size_t j = 0; j < size; j++)
        for (size_t i = 0; i < count; i++) out[i * size + j] = p[j * count + i];
    memcpy(out + count * size, p + count * size, n - count * size);
}

static const char *filter_name(int id)
{
    return id == 4       ? "szip"
           : id == 5     ? "nbit"
           : id == 6     ? "scaleoffset"
           : id == 32000 ? "lzf"
                         : "of another's";
}

berth_status bt_h5_unfilter(bt_hdf5 *h, const bt_h5_filters *f, uint64_t skipped, const uint8_t *p, size_t n,
                            uint8_t *out, uint8_t *spare, size_t bytes)
{
    berth_status status = BERTH_OK;
    uint8_t *result = out;
    for (int i = f->n - 1; i >= 0 && !status; i--) {
        uint8_t *to = p == out ? spare : out;
        uint32_t value = f->filter[i].value;
        if (skipped >> i & 1) continue;
        switch (f->filter[i].id) {
        case DEFLATE:
            status = inflate_all(h, p, n, to, bytes, &n);
            p = to;
            break;
        case SHUFFLE:
            if (n > bytes) return bt_h5_fail(h, "a chunk larger than it should be");
            if (value < 2) break;
            unshuffle(p, n, value, to);
            p = to;
            break;
        case FLETCHER: status = check_sum(h, p, &n); break;
        default:
            return bt_fail(h->error, BERTH_UNSUPPORTED,
                           "HDF5: data behind filter %d (%s), which berth does not have: repack the file "
                           "(h5repack -f GZIP=1)",
                           f->filter[i].id, filter_name(f->filter[i].id));
        }
    }
    if (!status && n != bytes) return bt_h5_fail(h, "a chunk of another size than it should be");
    if (!status && p != result) memcpy(result, p, bytes);
    return status;
}
