/* TensorFlow's tensor bundle (tensor_bundle.proto). The index is a table (sstable.c): the key "" has the header, each
 * other key is a tensor's name, or stands for a slice of a partitioned one (slice_key). Who asks for which
 * tensors: restore.c. */
#include "format/bundle.h"

#include <inttypes.h>

#include "format/archive.h"
#include "format/graphdef.h"
#include "format/sstable.h"
#include "simd/crc.h"

#define CHECK_NOW_BYTES (64 << 10)

#define TOLD_LIMIT ((size_t)64 << 20)

enum { SLICES = 7 }; /* the field of BundleEntryProto */

/* BundleEntryProto */
typedef struct entry {
    bt_str key;
    bt_str message; /* in the arena */
    berth_dtype dtype;
    bt_shape shape;
    uint64_t shard, offset, bytes;
    uint32_t crc;
    int n_slices;
    bool is_old;     /* a slice of the old format: */
    bt_tensor value; /* it is here already */
} entry;

struct bt_bundle {
    bt_source *source;
    const char *prefix, *name;
    bt_map entries; /* key -> entry * */
    uint64_t n_shards;
    bt_file **shards; /* NULL: not mapped yet; the source owns them */
    bool has_header;
    uint64_t mapped, copied; /* bytes of the data files, and of what had to be copied from them */
    size_t told;             /* bytes of lists of slices, in the old format */
    berth_error *error;      /* of the call in progress */
};

/* ---- The index ---------------------------------------------------------------------------------------- */

static berth_status damaged(bt_bundle *b, const char *what)
{
    return bt_fail(b->error, BERTH_BAD_MODEL, "%s.index: %s", b->name, what);
}

/* BundleHeaderProto: num_shards = 1, endianness = 2 */
static berth_status read_header(bt_bundle *b, bt_str message)
{
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w)) {
        if (w.field == 1) b->n_shards = bt_wire_uint(&w);
        if (w.field == 2 && bt_wire_uint(&w) != 0)
            return bt_fail(b->error, BERTH_UNSUPPORTED, "%s.index: a big-endian checkpoint", b->name);
    }
    if (w.failed || b->n_shards > 99999) return damaged(b, "a damaged header");
    b->has_header = true;
    return BERTH_OK;
}

/* dtype = 1, shape = 2, shard_id = 3, offset = 4, size = 5, crc32c = 6, slices = 7 */
static bool read_entry(bt_str message, entry *e)
{
    int rank = 0;
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w)) {
        switch (w.field) {
        case 1: e->dtype = bt_dtype_read(bt_wire_uint(&w)); break;
        case 2: w.failed |= !bt_shape_read(bt_wire_bytes(&w), &e->shape, &rank); break;
        case 3: e->shard = bt_wire_uint(&w); break;
        case 4: e->offset = bt_wire_uint(&w); break;
        case 5: e->bytes = bt_wire_uint(&w); break;
        case 6: e->crc = (uint32_t)w.value; break;
        case SLICES: e->n_slices += bt_wire_bytes(&w).p != NULL; break;
        }
    }
    return !w.failed;
}

static berth_status visit(void *user, bt_str key, bt_str value, berth_error *error)
{
    bt_bundle *b = user;
    bt_arena *arena = &b->source->arena;
    if (key.n == 0) return read_header(b, value);
    entry *e = bt_arena_new(arena, entry);
    if (!e) return bt_fail_memory(error);
    e->key = (bt_str){bt_arena_copy(arena, key.p, key.n), key.n};
    if (!e->key.p) return bt_fail_memory(error);
    if (!read_entry(value, e)) return damaged(b, "a damaged entry");
    if (e->n_slices) {
        e->message = (bt_str){bt_arena_copy(arena, value.p, value.n), value.n};
        if (!e->message.p) return bt_fail_memory(error);
    }
    return bt_map_put(&b->entries, e->key, e) ? BERTH_OK : bt_fail_memory(error);
}

static berth_status read_index(bt_bundle *b)
{
    const char *path = bt_arena_print(&b->source->arena, "%s.index", b->prefix);
    if (!path) return bt_fail_memory(b->error);
    bt_file *file = bt_files_open(b->source, path, b->error);
    if (!file) return b->error->status;
    if (bt_sstable_read((bt_str){(const char *)file->data, file->size}, visit, b, b->error) &&
        !bt_starts(b->error->message, b->name))
        bt_error_prefix(b->error, "%s.index", b->name);
    bt_file_free(file);
    if (b->error->status) return b->error->status;
    if (!b->has_header) return damaged(b, "no header");
    b->shards = bt_arena_array(&b->source->arena, bt_file *, b->n_shards);
    return b->shards ? BERTH_OK : bt_fail_memory(b->error);
}

bt_bundle *bt_bundle_open(const char *prefix, const char *name, bt_source *source, berth_error *error)
{
    bt_bundle *b = bt_calloc(1, sizeof *b);
    if (!b) return bt_fail_memory(error), NULL;
    b->source = source, b->name = name, b->error = error;
    b->prefix = bt_arena_copy(&source->arena, prefix, strlen(prefix));
    bt_text index = {0};
    bt_text_print(&index, "%s.index", prefix);
    int old = index.failed ? -2 : bt_files_has(source, index.p) ? -1 : bt_bundle_old_shards(source, prefix);
    bt_text_free(&index);
    if (!b->prefix || old < -1) bt_fail_memory(error);
    else if (!(old < 0 ? read_index(b) : bt_bundle_read_old(b, prefix, name, source, old, error))) return b;
    bt_bundle_free(b);
    return NULL;
}

void bt_bundle_free(bt_bundle *b)
{
    if (!b) return;
    bt_map_free(&b->entries);
    bt_free(b);
}

bool bt_bundle_is_there(bt_source *source, const char *prefix)
{
    bt_text index = {0};
    bt_text_print(&index, "%s.index", prefix);
    bool there = index.failed || bt_files_has(source, index.p) || bt_bundle_old_shards(source, prefix) != -1;
    bt_text_free(&index);
    return there; /* without memory, opening says so */
}

bool bt_bundle_has(const bt_bundle *b, bt_str key) { return bt_map_get(&b->entries, key) != NULL; }

/* ---- Whole tensors ------------------------------------------------------------------------------------ */

static const bt_file *open_shard(bt_bundle *b, uint64_t i)
{
    if (i >= b->n_shards) return damaged(b, "an entry in a data file that there is not"), NULL;
    if (b->shards[i]) return b->shards[i];
    const char *path =
        bt_arena_print(&b->source->arena, "%s.data-%05d-of-%05d", b->prefix, (int)i, (int)b->n_shards);
    if (!path) return bt_fail_memory(b->error), NULL;
    bt_file *file = bt_files_open(b->source, path, b->error);
    if (!file) return NULL;
    if (!bt_source_add_file(b->source, file)) return bt_fail_memory(b->error), NULL;
    b->mapped += file->size;
    return b->shards[i] = file;
}

/* The bytes of an entry in its data file. */
static const uint8_t *find_bytes(bt_bundle *b, const entry *e)
{
    const bt_file *file = open_shard(b, e->shard);
    if (!file) return NULL;
    if (e->offset <= file->size && e->bytes <= file->size - e->offset) return file->data + e->offset;
    bt_fail(b->error, BERTH_BAD_MODEL,
            "%s.data-%05d-of-%05d: cut short: %" PRIu64 " bytes from %" PRIu64
            " on are asked for, it has %zu",
            b->name, (int)e->shard, (int)b->n_shards, e->bytes, e->offset, file->size);
    return NULL;
}

/* Room in the arena for a copy: all copies together are bounded, whatever an index says. */
static void *copy_room(bt_bundle *b, uint64_t bytes)
{
    b->copied += bytes;
    void *p = NULL;
    for (uint64_t i = 0; i < b->n_shards && b->copied / 8 > b->mapped; i++) /* what is not read yet counts too */
        if (!open_shard(b, i)) return NULL;
    if (b->copied / 8 > b->mapped) damaged(b, "its tensors are larger than the data files");
    else if (!(p = bt_arena_alloc(&b->source->arena, bytes))) bt_fail_memory(b->error);
    return p;
}

/* Strings: their lengths as varints, a masked checksum of the lengths, their bytes. The entry's checksum runs over
 * each length as four bytes (eight when it needs them), the checksum, and the bytes. */
static berth_status read_strings(bt_bundle *b, const entry *e, const uint8_t *p, size_t count, bt_tensor *out)
{
    if (count > e->bytes) return damaged(b, "more strings than bytes");
    bt_string *s = bt_arena_array(&b->source->arena, bt_string, count);
    char *text = copy_room(b, e->bytes);
    if (!s || !text) return bt_fail_memory(b->error);
    memcpy(text, p, e->bytes);
    bt_reader r = bt_reader_of(text, e->bytes);
    uint32_t crc = 0;
    for (size_t i = 0; i < count; i++) {
        s[i].n = bt_read_varint(&r);
        uint64_t n = s[i].n;
        crc = bt_crc32c(crc, &n, n > UINT32_MAX ? 8 : 4);
    }
    uint32_t lengths_crc = bt_crc32c_mask(crc);
    const uint8_t *stored = bt_read_bytes(&r, 4);
    bool good = stored && memcmp(stored, &lengths_crc, 4) == 0;
    if (good) crc = bt_crc32c(crc, stored, 4);
    for (size_t i = 0; good && i < count; i++) {
        s[i].p = (char *)bt_read_bytes(&r, s[i].n);
        if (s[i].p) crc = bt_crc32c(crc, s[i].p, s[i].n);
        if (s[i].n == 0) s[i].p = NULL;
    }
    if (!good || r.failed || bt_crc32c_mask(crc) != e->crc)
        return bt_fail(b->error, BERTH_BAD_MODEL, "the checksum of its strings is wrong");
    out->data = s;
    return BERTH_OK;
}

/* Large tensors are verified by who reads them, small ones here. */
static berth_status watch(bt_bundle *b, const entry *e, const uint8_t *p)
{
    if (e->bytes > CHECK_NOW_BYTES)
        return bt_source_add_check(b->source, p, e->bytes, e->crc, e->key.p) ? BERTH_OK
                                                                             : bt_fail_memory(b->error);
    if (bt_crc32c_mask(bt_crc32c(0, p, e->bytes)) == e->crc) return BERTH_OK;
    return bt_fail(b->error, BERTH_BAD_MODEL, "%s.data-%05d-of-%05d: its checksum is wrong", b->name,
                   (int)e->shard, (int)b->n_shards);
}

static berth_status read_whole(bt_bundle *b, const entry *e, bt_tensor *out)
{
    char text[BT_SHAPE_TEXT];
    size_t bytes;
    if (e->is_old) return *out = e->value, BERTH_OK;
    *out = (bt_tensor){.dtype = e->dtype, .shape = e->shape};
    if (!e->dtype || e->dtype == BERTH_RESOURCE || e->dtype == BERTH_VARIANT)
        return bt_fail(b->error, BERTH_UNSUPPORTED, "its type");
    if (!bt_shape_known(&e->shape) || !bt_shape_bytes(&e->shape, bt_dtype_size(e->dtype), &bytes))
        return damaged(b, "an impossible shape");
    const uint8_t *p = find_bytes(b, e);
    if (!p) return b->error->status;
    if (e->dtype == BERTH_STRING) return read_strings(b, e, p, (size_t)bt_shape_count(&e->shape), out);
    if (bytes != e->bytes)
        return bt_fail(b->error, BERTH_BAD_MODEL, "%s.index: %" PRIu64 " bytes for %s %s", b->name, e->bytes,
                       bt_dtype_name(e->dtype), bt_shape_text(&e->shape, text));
    out->data = (void *)p;
    return watch(b, e, p);
}

/* ---- Slices ------------------------------------------------------------------------------------------- */

/* A box in a tensor. length -1 while it is being read: the whole dimension. */
typedef struct box {
    int rank;
    int64_t start[BT_MAX_RANK], length[BT_MAX_RANK];
} box;

/* Fills in whole dimensions; false when the box does not lie in the shape. */
static bool fit_box(box *x, const bt_shape *shape)
{
    if (x->rank != shape->rank) return false;
    for (int i = 0; i < x->rank; i++) {
        if (x->length[i] < 0) x->start[i] = 0, x->length[i] = shape->dim[i];
        if (x->start[i] < 0 || x->length[i] > shape->dim[i] || x->start[i] > shape->dim[i] - x->length[i])
            return false;
    }
    return true;
}

/* TensorSliceProto: extent = 1 { start = 1, length = 2 }, no length for a whole dimension. */
static bool read_box(bt_str message, box *x)
{
    *x = (box){0};
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w)) {
        if (w.field != 1) continue;
        if (x->rank == BT_MAX_RANK) return false;
        int64_t start = 0, length = -1;
        bt_wire extent = bt_wire_of(bt_wire_bytes(&w));
        while (bt_wire_next(&extent)) {
            if (extent.field == 1) start = bt_wire_int(&extent);
            if (extent.field == 2) length = bt_wire_int(&extent);
        }
        if (extent.failed) return false;
        x->start[x->rank] = start, x->length[x->rank++] = length;
    }
    return !w.failed;
}

/* The last word of "10 4 0,5:-". */
static bool parse_box(bt_str text, box *x)
{
    *x = (box){0};
    for (size_t i = text.n; i > 0; i--)
        if (text.p[i - 1] == ' ') {
            text = (bt_str){text.p + i, text.n - i};
            break;
        }
    while (text.n > 0 && x->rank < BT_MAX_RANK) {
        const char *colon = memchr(text.p, ':', text.n);
        bt_str part = {text.p, colon ? (size_t)(colon - text.p) : text.n};
        const char *comma = memchr(part.p, ',', part.n);
        int64_t *start = &x->start[x->rank], *length = &x->length[x->rank];
        if (comma) {
            bt_str from = {part.p, (size_t)(comma - part.p)},
                   n = {comma + 1, part.n - (size_t)(comma - part.p) - 1};
            if (!bt_str_int(from, start) || !bt_str_int(n, length) || *length < 0) return false;
        } else if (bt_str_is(part, "-")) {
            *length = -1;
        } else {
            return false;
        }
        x->rank++;
        text.p += part.n, text.n -= part.n;
        if (colon) text.p++, text.n--;
    }
    return text.n == 0;
}

/* A number in order-preserving form: 7n - 1 bits and the sign in n bytes, the first bits of which tell n. */
static void put_ordered(bt_text *out, int64_t value)
{
    uint64_t magnitude = (uint64_t)(value < 0 ? ~value : value);
    int n = 1;
    while (n < 10 && magnitude >> (7 * n - 1 < 63 ? 7 * n - 1 : 63)) n++;
    uint8_t bytes[10];
    for (int i = 0; i < n; i++) {
        int bit = 8 * (n - 1 - i);
        bytes[i] = (uint8_t)(bit < 64 ? value >> bit : value >> 63);
    }
    uint16_t head = (uint16_t)(0xffff << (16 - n));
    bytes[0] ^= (uint8_t)(head >> 8);
    if (n > 1) bytes[1] ^= (uint8_t)head;
    bt_text_add(out, (const char *)bytes, (size_t)n);
}

/* The key of a slice: 0, the tensor's name escaped, the rank, start and length of each dimension (0 and -1 for a
 * whole one), in order-preserving form (TensorFlow's OrderedCode). */
static void slice_key(bt_text *out, bt_str name, const box *x)
{
    bt_text_add(out, "\0", 1);
    for (size_t i = 0; i < name.n; i++) {
        bt_text_add(out, name.p + i, 1);
        if (name.p[i] == '\0') bt_text_add(out, "\xff", 1);
        if (name.p[i] == '\xff') bt_text_add(out, "\0", 1);
    }
    bt_text_add(out, "\0\1", 2);
    char rank[2] = {x->rank > 0, (char)x->rank};
    bt_text_add(out, rank, x->rank > 0 ? 2 : 1);
    for (int i = 0; i < x->rank; i++) put_ordered(out, x->start[i]), put_ordered(out, x->length[i]);
}

/* ---- For bundle_old.c --------------------------------------------------------------------------------- */

static entry *add_entry(bt_bundle *b, bt_str key)
{
    bt_arena *arena = &b->source->arena;
    entry *e = bt_arena_new(arena, entry);
    if (e) e->key = (bt_str){bt_arena_copy(arena, key.p, key.n), key.n};
    if (e && e->key.p && bt_map_put(&b->entries, e->key, e)) return e;
    return bt_fail_memory(b->error), NULL;
}

void bt_bundle_put_slice(bt_text *slices, bt_str slice) { bt_wire_put_bytes(slices, SLICES, slice); }

berth_status bt_bundle_add(bt_bundle *b, bt_str key, berth_dtype dtype, const bt_shape *shape, bt_str slices)
{
    entry *e = bt_map_get(&b->entries, key);
    bool fits = !e || (!e->is_old && e->dtype == dtype && bt_shape_equal(&e->shape, shape));
    if (!fits) return bt_fail(b->error, BERTH_BAD_MODEL, "%s: parts that say different things", b->name);
    if (!e && !(e = add_entry(b, key))) return b->error->status;
    bt_text all = {0};
    bt_text_add(&all, e->message.p, e->message.n);
    bt_text_add(&all, slices.p, slices.n);
    b->told += all.n;
    const char *copy = all.failed ? NULL : bt_arena_copy(&b->source->arena, all.p, all.n);
    if (!copy) bt_fail_memory(b->error);
    else if (b->told > TOLD_LIMIT) bt_fail(b->error, BERTH_BAD_MODEL, "%s: too many slices", b->name);
    else e->message = (bt_str){copy, all.n}, e->n_slices = 1, e->dtype = dtype, e->shape = *shape;
    bt_text_free(&all);
    return b->error->status;
}

/* The tensor of which this is a slice; *x as the box was written. NULL sets the error. */
static const entry *tensor_of(bt_bundle *b, bt_str key, bt_str slice, box *x)
{
    const entry *e = bt_map_get(&b->entries, key);
    if (e && !e->is_old && e->dtype && bt_shape_known(&e->shape) && read_box(slice, x)) return e;
    bt_fail(b->error, e && !e->dtype ? BERTH_UNSUPPORTED : BERTH_BAD_MODEL, "%s: a slice of %s", b->name,
            e && !e->dtype ? "a tensor of an unknown type" : "no tensor");
    return NULL;
}

berth_status bt_bundle_slice_of(bt_bundle *b, bt_str key, bt_str slice, bt_tensor *out)
{
    box x;
    const entry *e = tensor_of(b, key, slice, &x);
    if (!e) return b->error->status;
    if (!fit_box(&x, &e->shape))
        return bt_fail(b->error, BERTH_BAD_MODEL, "%s: a slice that does not fit", b->name);
    *out = (bt_tensor){.dtype = e->dtype, .shape = bt_shape_from(x.rank, x.length)};
    return BERTH_OK;
}

berth_status bt_bundle_set_slice(bt_bundle *b, bt_str key, bt_str slice, const bt_tensor *value)
{
    box x;
    bt_text at = {0};
    if (!tensor_of(b, key, slice, &x)) return b->error->status;
    slice_key(&at, key, &x);
    entry *e = at.failed ? NULL : add_entry(b, (bt_str){at.p, at.n});
    if (at.failed) bt_fail_memory(b->error);
    bt_text_free(&at);
    if (!e) return b->error->status;
    e->is_old = true, e->dtype = value->dtype, e->shape = value->shape, e->value = *value;
    b->mapped += (uint64_t)bt_shape_count(&value->shape) * bt_dtype_size(value->dtype);
    return b->error->status;
}

/* ---- Parts of tensors --------------------------------------------------------------------------------- */

/* Copies what box `from` (whose elements are src) and box `to` (dst), which meet, have in common; gives its elements. */
static int64_t copy_common(const box *from, const uint8_t *src, const box *to, uint8_t *dst, size_t element)
{
    int64_t n[BT_MAX_RANK] = {0}, at[BT_MAX_RANK] = {0}, begin[BT_MAX_RANK], rows = 1;
    int rank = to->rank;
    for (int i = 0; i < rank; i++) {
        int64_t end_from = from->start[i] + from->length[i], end_to = to->start[i] + to->length[i];
        begin[i] = from->start[i] > to->start[i] ? from->start[i] : to->start[i];
        n[i] = (end_from < end_to ? end_from : end_to) - begin[i];
        if (i < rank - 1) rows *= n[i];
    }
    int64_t row = rank ? n[rank - 1] : 1;
    for (int64_t r = 0; r < rows; r++) {
        int64_t s = 0, d = 0;
        for (int i = 0; i < rank; i++) {
            s = s * from->length[i] + begin[i] + at[i] - from->start[i];
            d = d * to->length[i] + begin[i] + at[i] - to->start[i];
        }
        memcpy(dst + (size_t)d * element, src + (size_t)s * element, (size_t)row * element);
        for (int i = rank - 2; i >= 0 && ++at[i] == n[i]; i--) at[i] = 0;
    }
    return rows * row;
}

static bool same_box(const box *a, const box *b)
{
    size_t bytes = (size_t)a->rank * sizeof(int64_t);
    return a->rank == b->rank && !memcmp(a->start, b->start, bytes) && !memcmp(a->length, b->length, bytes);
}

/* Of one rank. */
static bool boxes_meet(const box *a, const box *b)
{
    for (int i = 0; i < a->rank; i++)
        if (a->start[i] + a->length[i] <= b->start[i] || b->start[i] + b->length[i] <= a->start[i])
            return false;
    return true;
}

/* The stored slice of e whose key is that of `x`, as the box was written; NULL when there is none. */
static const entry *find_slice(bt_bundle *b, const entry *e, const box *x)
{
    bt_text key = {0};
    slice_key(&key, e->key, x);
    const entry *slice = key.failed ? NULL : bt_map_get(&b->entries, (bt_str){key.p, key.n});
    if (key.failed) bt_fail_memory(b->error);
    bt_text_free(&key);
    return slice;
}

/* Reads a stored slice of e, after *x was fitted to e. */
static berth_status read_slice(bt_bundle *b, const entry *e, const entry *slice, const box *x, bt_tensor *t)
{
    if (slice->n_slices || slice->dtype != e->dtype || slice->shape.rank != x->rank ||
        memcmp(slice->shape.dim, x->length, (size_t)x->rank * sizeof(int64_t)) != 0)
        return damaged(b, "a slice that does not fit its tensor");
    return read_whole(b, slice, t);
}

/* An empty tensor for part `want` of e. */
static berth_status part_new(bt_bundle *b, const entry *e, const box *want, bt_tensor *out)
{
    size_t bytes;
    *out = (bt_tensor){.dtype = e->dtype, .shape = bt_shape_from(want->rank, want->length)};
    if (e->dtype == BERTH_STRING)
        return bt_fail(b->error, BERTH_UNSUPPORTED, "a part of a variable of strings");
    if (!bt_shape_bytes(&out->shape, bt_dtype_size(e->dtype), &bytes))
        return damaged(b, "an impossible slice");
    return (out->data = copy_room(b, bytes)) ? BERTH_OK : b->error->status;
}

/* Part `want` of e, put together from the stored slices that it meets. */
static berth_status assemble(bt_bundle *b, const entry *e, const box *want, bt_tensor *out)
{
    if (part_new(b, e, want, out)) return b->error->status;
    int64_t count = 0, needed = bt_shape_count(&out->shape);
    bt_wire w = bt_wire_of(e->message);
    while (count < needed && bt_wire_next(&w)) {
        box x;
        bt_tensor part;
        if (w.field != SLICES) continue;
        if (!read_box(bt_wire_bytes(&w), &x)) return damaged(b, "a damaged slice");
        const entry *slice = find_slice(b, e, &x);
        if (!slice || !fit_box(&x, &e->shape)) return damaged(b, "a slice is missing");
        if (!boxes_meet(&x, want)) continue;
        if (read_slice(b, e, slice, &x, &part) || bt_source_verify(b->source, &part, b->error))
            return b->error->status;
        count += copy_common(&x, part.data, want, out->data, bt_dtype_size(e->dtype));
    }
    return count == needed ? BERTH_OK : damaged(b, "slices that do not cover their tensor");
}

/* Part `want` of e, which is stored in one piece. */
static berth_status cut(bt_bundle *b, const entry *e, const box *want, bt_tensor *out)
{
    bt_tensor whole;
    box all = {.rank = e->shape.rank};
    memcpy(all.length, e->shape.dim, sizeof all.length);
    if (read_whole(b, e, &whole)) return b->error->status;
    if (same_box(&all, want)) return *out = whole, BERTH_OK;
    if (part_new(b, e, want, out) || bt_source_verify(b->source, &whole, b->error)) return b->error->status;
    if (boxes_meet(&all, want)) copy_common(&all, whole.data, want, out->data, bt_dtype_size(e->dtype));
    return BERTH_OK;
}

static berth_status read_part(bt_bundle *b, const entry *e, bt_str slice, bt_tensor *out)
{
    box want = {.rank = e->shape.rank};
    if (!bt_shape_known(&e->shape)) return damaged(b, "an impossible shape");
    for (int i = 0; i < want.rank; i++) want.length[i] = -1;
    bool legal = slice.n == 0 || parse_box(slice, &want);
    const entry *stored = legal && e->n_slices ? find_slice(b, e, &want) : NULL;
    if (!legal || !fit_box(&want, &e->shape))
        return bt_fail(b->error, BERTH_BAD_MODEL, "slice '%.*s' does not fit it",
                       (int)(slice.n < 99 ? slice.n : 99), slice.p);
    if (stored) return read_slice(b, e, stored, &want, out);
    return e->n_slices ? assemble(b, e, &want, out) : cut(b, e, &want, out);
}

berth_status bt_bundle_read(bt_bundle *b, bt_str key, bt_str slice, bt_tensor *out, berth_error *error)
{
    b->error = error;
    const entry *e = bt_map_get(&b->entries, key);
    int n = key.n < 200 ? (int)key.n : 200;
    if (!e) return bt_fail(error, BERTH_BAD_MODEL, "%s.index: no tensor '%.*s'", b->name, n, key.p);
    if (read_part(b, e, slice, out)) bt_error_prefix(error, "tensor '%.*s'", n, key.p);
    return error->status;
}
