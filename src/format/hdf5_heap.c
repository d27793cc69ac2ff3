/* HDF5 dense storage: version 2 B-trees and the fractal heaps that they point into; hold the links of large
 * groups and the attributes of objects with many. Also the global heap (text of variable length). */
#include "format/hdf5_inner.h"

enum { MAX_DEPTH = 16, MAX_DIRECT_ROWS = 64 };

/* ---- Version 2 B-tree --------------------------------------------------------------------------------- */

typedef struct tree {
    uint64_t node_size, record_size;
    struct {
        uint64_t records; /* at most, in one node of the level */
        uint64_t total;   /* at most, below and in one node */
        int total_bytes;
    } level[MAX_DEPTH + 1];
    int count_bytes; /* of a child's number of records */
    bt_h5_object_fn *f;
    void *user;
} tree;

static int bytes_for(uint64_t n)
{
    int bytes = 1;
    for (; n > 255; n >>= 8) bytes++;
    return bytes;
}

static uint64_t child_bytes(const bt_hdf5 *h, const tree *t, int level)
{
    return (uint64_t)(h->offset_bytes + t->count_bytes + (level > 1 ? t->level[level - 1].total_bytes : 0));
}

/* BTLF or BTIN: version, type, records, then children: address, records, [all records below]. */
static berth_status walk(bt_hdf5 *h, const tree *t, uint64_t address, uint64_t n, int level)
{
    bt_reader r, records, children;
    berth_status status = bt_h5_block(h, address, t->node_size, level ? "BTIN" : "BTLF", 0, &r);
    if (status) return status;
    bt_read_uint(&r, 1);
    if (n > t->level[level].records) return bt_h5_fail(h, "a B-tree node with too many records");
    records = bt_reader_of(r.p, n * t->record_size);
    children = r;
    bt_read_bytes(&children, n * t->record_size);
    for (uint64_t i = 0; i <= n && !status; i++) {
        if (level) {
            uint64_t child = bt_h5_offset(h, &children), count = bt_read_uint(&children, t->count_bytes);
            if (level > 1) bt_read_uint(&children, t->level[level - 1].total_bytes);
            if (children.failed) return bt_h5_fail(h, "a damaged B-tree node");
            status = walk(h, t, child, count, level - 1);
        }
        const uint8_t *record = i < n ? bt_read_bytes(&records, t->record_size) : NULL;
        if (!status && record && !(status = bt_h5_work(h, 1)))
            status = t->f(h, record, t->record_size, t->user);
    }
    return status;
}

/* BTHD: version 0, type, node size (4), record size (2), depth (2), split and merge percents, root, its
 * records (2). */
berth_status bt_h5_btree2(bt_hdf5 *h, uint64_t address, int record_type, bt_h5_object_fn *f, void *user)
{
    tree t = {.f = f, .user = user};
    bt_reader r;
    berth_status status = bt_h5_block(h, address, 16 + (uint64_t)h->offset_bytes + 2, "BTHD", 0, &r);
    if (status) return status;
    int type = (int)bt_read_uint(&r, 1);
    t.node_size = bt_read_uint(&r, 4);
    t.record_size = bt_read_uint(&r, 2);
    int depth = (int)bt_read_uint(&r, 2);
    bt_read_bytes(&r, 2);
    uint64_t root = bt_h5_offset(h, &r), n = bt_read_uint(&r, 2);
    if (root == H5_NOWHERE) return BERTH_OK;
    if (type != record_type || !t.record_size || t.node_size < 10 + t.record_size || depth > MAX_DEPTH)
        return bt_h5_fail(h, "a damaged B-tree");
    t.level[0].records = t.level[0].total = (t.node_size - 10) / t.record_size;
    t.count_bytes = bytes_for(t.level[0].records);
    for (int i = 1; i <= depth; i++) {
        uint64_t pointer = child_bytes(h, &t, i);
        t.level[i].records =
            (t.node_size - 10 - (pointer < t.node_size - 10 ? pointer : 0)) / (t.record_size + pointer);
        if (t.level[i - 1].total > UINT32_MAX) return bt_h5_fail(h, "a B-tree too large");
        t.level[i].total = (t.level[i].records + 1) * t.level[i - 1].total + t.level[i].records;
        t.level[i].total_bytes = bytes_for(t.level[i].total);
    }
    return walk(h, &t, root, n, depth);
}

/* ---- Fractal heap ------------------------------------------------------------------------------------- */

typedef struct heap {
    uint64_t address;
    int id_bytes, flags, offset_bits;
    int width;                  /* blocks a row */
    uint64_t start, max_direct; /* bytes of the blocks of row 0, of the largest direct block */
    uint64_t max_managed;
    uint64_t root, huge_tree;
    int rows; /* of the root indirect block; 0: the root is a direct block */
    int record_type;
    bt_h5_object_fn *f;
    void *user;
} heap;

static berth_status open_heap(bt_hdf5 *h, uint64_t address, heap *out)
{
    bt_reader r;
    uint64_t size = 22 + 12 * (uint64_t)h->length_bytes + 3 * (uint64_t)h->offset_bytes;
    berth_status status = bt_h5_block(h, address, size, "FRHP", 0, &r);
    if (status) return status;
    out->address = address;
    out->id_bytes = (int)bt_read_uint(&r, 2);
    uint64_t filters = bt_read_uint(&r, 2);
    out->flags = (int)bt_read_uint(&r, 1);
    out->max_managed = bt_read_uint(&r, 4);
    bt_h5_length(h, &r);
    out->huge_tree = bt_h5_offset(h, &r);
    bt_h5_length(h, &r), bt_h5_offset(h, &r);
    for (int i = 0; i < 8; i++) bt_h5_length(h, &r); /* counts of what is in it */
    out->width = (int)bt_read_uint(&r, 2);
    out->start = bt_h5_length(h, &r);
    out->max_direct = bt_h5_length(h, &r);
    out->offset_bits = (int)bt_read_uint(&r, 2);
    bt_read_bytes(&r, 2);
    out->root = bt_h5_offset(h, &r);
    out->rows = (int)bt_read_uint(&r, 2);
    if (filters) return bt_fail(h->error, BERTH_UNSUPPORTED, "HDF5: a fractal heap with filters");
    if (r.failed || !out->width || !out->start || out->max_direct < out->start || out->offset_bits < 1 ||
        out->offset_bits > 64 || out->rows > MAX_DIRECT_ROWS)
        return bt_h5_fail(h, "a damaged fractal heap");
    return BERTH_OK;
}

/* Where a managed object lies: down the indirect blocks (FHIB) to the direct block (FHDB) that spans the
 * offset. Rows 0 and 1 have blocks of `start` bytes, each later row twice as large ones; rows whose blocks
 * are larger than max_direct hold indirect blocks. A block's own head counts as part of its span. */
static berth_status locate(bt_hdf5 *h, const heap *o, uint64_t offset, uint64_t n, const uint8_t **out)
{
    uint64_t block = o->root, head = 5 + (uint64_t)h->offset_bytes + (uint64_t)(o->offset_bits + 7) / 8;
    int rows = o->rows;
    for (int depth = 0; rows; depth++) {
        bt_reader r;
        if (depth > MAX_DEPTH) return bt_h5_fail(h, "a fractal heap too deep");
        if (bt_h5_block(h, block, head, "FHIB", 0, &r)) return BERTH_BAD_MODEL;
        uint64_t size = o->start, index = 0;
        int row = 0;
        for (; row < rows && offset / size >= (uint64_t)o->width; row++) { /* skip whole rows */
            offset -= size * (uint64_t)o->width;
            index += (uint64_t)o->width;
            if (row > 0 && __builtin_mul_overflow(size, 2, &size))
                return bt_h5_fail(h, "a damaged fractal heap");
        }
        if (row == rows) return bt_h5_fail(h, "an object outside its heap");
        index += offset / size;
        offset %= size;
        const uint8_t *entry =
            bt_h5_at(h, block + head + index * (uint64_t)h->offset_bytes, (uint64_t)h->offset_bytes);
        if (!entry) return BERTH_BAD_MODEL;
        r = bt_reader_of(entry, (size_t)h->offset_bytes);
        block = bt_h5_offset(h, &r);
        if (size <= o->max_direct) break;
        uint64_t span = o->start * (uint64_t)o->width; /* an indirect block has the rows that span `size` */
        for (rows = 1; span < size && rows < MAX_DIRECT_ROWS; rows++) span *= 2;
    }
    bt_reader direct;
    if (bt_h5_block(h, block, head, "FHDB", 0, &direct)) return BERTH_BAD_MODEL;
    if (offset > UINT64_MAX - block) return bt_h5_fail(h, "a damaged fractal heap");
    return (*out = bt_h5_at(h, block + offset, n)) ? BERTH_OK : BERTH_BAD_MODEL;
}

typedef struct huge {
    uint64_t id;
    const uint8_t *data;
    uint64_t size;
} huge;

/* Record of type 1: address, length, id. */
static berth_status huge_record(bt_hdf5 *h, const uint8_t *data, size_t size, void *user)
{
    huge *want = user;
    bt_reader r = bt_reader_of(data, size);
    uint64_t address = bt_h5_offset(h, &r), length = bt_h5_length(h, &r);
    if (bt_h5_length(h, &r) != want->id || r.failed) return BERTH_OK;
    want->size = length;
    return (want->data = bt_h5_at(h, address, length)) ? BERTH_OK : BERTH_BAD_MODEL;
}

/* An id: version and kind (managed, huge, tiny), then where it lies. */
static berth_status heap_object(bt_hdf5 *h, const heap *o, const uint8_t *id)
{
    bt_reader r = bt_reader_of(id + 1, (size_t)o->id_bytes - 1);
    int kind = id[0] >> 4 & 3;
    const uint8_t *data = NULL;
    if (kind == 2) {
        size_t n = (size_t)(id[0] & 15) + 1;
        if (o->id_bytes > 18)
            return bt_fail(h->error, BERTH_UNSUPPORTED, "HDF5: a tiny object of the long kind");
        if (!(data = bt_read_bytes(&r, n))) return bt_h5_fail(h, "a damaged heap id");
        return o->f(h, data, n, o->user);
    }
    if (kind == 0) {
        uint64_t limit = o->max_managed < o->max_direct ? o->max_managed : o->max_direct;
        uint64_t offset = bt_read_uint(&r, (o->offset_bits + 7) / 8), n = bt_read_uint(&r, bytes_for(limit));
        berth_status status = r.failed ? bt_h5_fail(h, "a damaged heap id") : locate(h, o, offset, n, &data);
        return status ? status : o->f(h, data, n, o->user);
    }
    if (kind != 1) return bt_h5_fail(h, "a damaged heap id");
    huge want = {0};
    if (bt_reader_left(&r) >= (size_t)(h->offset_bytes + h->length_bytes)) {
        uint64_t address = bt_h5_offset(h, &r);
        want.size = bt_h5_length(h, &r);
        if (!(want.data = bt_h5_at(h, address, want.size))) return BERTH_BAD_MODEL;
    } else {
        int n = (int)bt_reader_left(&r);
        want.id = bt_read_uint(&r, n < h->length_bytes ? n : h->length_bytes);
        berth_status status = bt_h5_btree2(h, o->huge_tree, 1, huge_record, &want);
        if (status) return status;
        if (!want.data) return bt_h5_fail(h, "an object that its heap lacks");
    }
    return o->f(h, want.data, want.size, o->user);
}

/* Records: of type 5 (links) hash (4), id (7); of type 8 (attributes) id (8), flags, creation order, hash. */
static berth_status dense_record(bt_hdf5 *h, const uint8_t *data, size_t size, void *user)
{
    const heap *o = user;
    size_t before = o->record_type == 5 ? 4 : 0;
    if (size < before + (size_t)o->id_bytes || o->id_bytes < 1)
        return bt_h5_fail(h, "a damaged B-tree record");
    return heap_object(h, o, data + before);
}

berth_status bt_h5_dense(bt_hdf5 *h, const bt_h5_message *m, size_t index_bytes, int record_type,
                         bt_h5_object_fn *f, void *user)
{
    heap o = {.record_type = record_type, .f = f, .user = user};
    bt_reader r = bt_reader_of(m->data, m->size);
    bt_read_uint(&r, 1);
    if (bt_read_uint(&r, 1) & 1) bt_read_bytes(&r, index_bytes);
    uint64_t address = bt_h5_offset(h, &r), names = bt_h5_offset(h, &r);
    if (r.failed) return bt_h5_fail(h, record_type == 5 ? "a damaged link table" : "a damaged attribute table");
    if (address == H5_NOWHERE) return BERTH_OK;
    berth_status status = open_heap(h, address, &o);
    return status ? status : bt_h5_btree2(h, names, record_type, dense_record, &o);
}

/* ---- Global heap -------------------------------------------------------------------------------------- */

/* A reference: length (4), collection, index (4). GCOL: version 1, reserved (3), size; objects: index (2),
 * references (2), reserved (4), size, data padded to 8. */
berth_status bt_h5_string(bt_hdf5 *h, const uint8_t *reference, bt_string *out)
{
    bt_reader r = bt_reader_of(reference, (size_t)h->offset_bytes + 8), c;
    uint64_t n = bt_read_uint(&r, 4), address = bt_h5_offset(h, &r), index = bt_read_uint(&r, 4);
    *out = (bt_string){0};
    if (!n || !address || address == H5_NOWHERE) return BERTH_OK;
    uint64_t head = 8 + (uint64_t)h->length_bytes;
    berth_status status = bt_h5_block(h, address, head, "GCOL", 1, &c);
    if (status) return status;
    bt_read_bytes(&c, 3);
    uint64_t size = bt_h5_length(h, &c);
    const uint8_t *p = size < head ? NULL : bt_h5_at(h, address, size);
    if (!p) return bt_h5_fail(h, "a damaged heap of text");
    c = bt_reader_of(p + head, size - head);
    while (bt_reader_left(&c) >= 8 + (size_t)h->length_bytes && !(status = bt_h5_work(h, 1))) {
        uint64_t i = bt_read_uint(&c, 2);
        bt_read_bytes(&c, 6);
        uint64_t bytes = bt_h5_length(h, &c);
        if (!i || bytes > bt_reader_left(&c)) break;
        const uint8_t *text = bt_read_bytes(&c, bytes);
        if (i == index && n <= bytes) {
            if (!(out->p = bt_arena_copy(h->arena, (const char *)text, n))) return bt_fail_memory(h->error);
            return out->n = n, BERTH_OK;
        }
        if (bytes % 8 && bt_reader_left(&c) >= 8 - bytes % 8) bt_read_bytes(&c, 8 - bytes % 8);
    }
    return status ? status : bt_h5_fail(h, "text that its heap lacks");
}
