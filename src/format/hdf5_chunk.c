/* HDF5 datasets in chunks: the index that says where each chunk lies (B-tree version 1; of layout version 4 a
 * single chunk, implicit, fixed array, B-tree version 2), and the assembly of chunks into one dense tensor in
 * the arena. A dataset of one unfiltered chunk stays a view. Extensible arrays (one unlimited dimension,
 * libver 1.10) are refused. */
#include "format/hdf5_chunk.h"
#include "format/hdf5_filter.h"

enum { SINGLE = 1, IMPLICIT, FIXED_ARRAY, EXTENSIBLE_ARRAY, BTREE2, BTREE1 };
enum { MAX_LEVELS = 32, DEFLATE_RATIO = 1032 };

typedef struct chunked {
    const bt_h5_type *type;
    const bt_shape *shape;
    int rank;
    uint64_t dim[BT_MAX_RANK]; /* of a chunk, in elements */
    size_t chunk_bytes, bytes; /* of a chunk, of all */
    bt_h5_filters filters;
    uint8_t *out, *buffer, *spare;
} chunked;

/* ---- Assembly ----------------------------------------------------------------------------------------- */

/* Copies the part of a chunk that lies inside the dataset; `at` is the chunk's first element. */
static void place(const chunked *c, const uint64_t *at, const uint8_t *from)
{
    uint64_t run[BT_MAX_RANK] = {0}, index[BT_MAX_RANK] = {0};
    size_t size = c->type->size;
    int last = c->rank - 1;
    for (int i = 0; i < c->rank; i++) {
        uint64_t room = (uint64_t)c->shape->dim[i] - at[i];
        run[i] = room < c->dim[i] ? room : c->dim[i];
    }
    for (;;) {
        uint64_t source = 0, target = 0;
        for (int i = 0; i < c->rank; i++) {
            source = source * c->dim[i] + index[i];
            target = target * (uint64_t)c->shape->dim[i] + at[i] + index[i];
        }
        memcpy(c->out + target * size, from + source * size, run[last] * size);
        int axis = last - 1;
        while (axis >= 0 && ++index[axis] == run[axis]) index[axis--] = 0;
        if (axis < 0) return;
    }
}

static berth_status chunk(bt_hdf5 *h, chunked *c, uint64_t address, uint64_t stored, uint64_t skipped,
                          const uint64_t *at)
{
    if (address == H5_NOWHERE) return BERTH_OK; /* never written: zeros */
    for (int i = 0; i < c->rank; i++)
        if (at[i] >= (uint64_t)c->shape->dim[i] || at[i] % c->dim[i])
            return bt_h5_fail(h, "a chunk outside its dataset");
    const uint8_t *p = bt_h5_at(h, address, stored);
    if (!p) return BERTH_BAD_MODEL;
    berth_status status = bt_h5_work(h, 1 + c->chunk_bytes / DEFLATE_RATIO);
    if (!status && c->filters.n) {
        status = bt_h5_unfilter(h, &c->filters, skipped, p, stored, c->buffer, c->spare, c->chunk_bytes);
        p = c->buffer;
    } else if (!status && stored < c->chunk_bytes) {
        status = bt_h5_fail(h, "a chunk of another size than it should be");
    }
    if (!status) place(c, at, p);
    return status;
}

/* The first element of chunk number i, in row-major order of chunks. */
static void chunk_at(const chunked *c, uint64_t i, uint64_t *at)
{
    for (int axis = c->rank - 1; axis >= 0; axis--) {
        uint64_t n = ((uint64_t)c->shape->dim[axis] + c->dim[axis] - 1) / c->dim[axis];
        at[axis] = i % n * c->dim[axis];
        i /= n;
    }
}

static uint64_t chunk_count(const chunked *c)
{
    uint64_t n = 1;
    for (int i = 0; i < c->rank; i++) n *= ((uint64_t)c->shape->dim[i] + c->dim[i] - 1) / c->dim[i];
    return n;
}

/* ---- Indices ------------------------------------------------------------------------------------------ */

/* TREE of type 1; a key: bytes stored (4), filters skipped (4), place of the first element (8 an axis, one
 * axis more). */
static berth_status btree1(bt_hdf5 *h, chunked *c, uint64_t address, int depth)
{
    bt_reader r;
    uint64_t head = 8 + 2 * (uint64_t)h->offset_bytes, key = 8 + 8 * (uint64_t)(c->rank + 1);
    berth_status status = bt_h5_block(h, address, head, "TREE", 1, &r);
    if (status) return status;
    uint64_t level = bt_read_uint(&r, 1), n = bt_read_uint(&r, 2), pair = key + (uint64_t)h->offset_bytes;
    if (depth > MAX_LEVELS) return bt_h5_fail(h, "a B-tree too deep");
    const uint8_t *p = bt_h5_at(h, address + head, n * pair);
    if (!p) return BERTH_BAD_MODEL;
    r = bt_reader_of(p, n * pair);
    for (uint64_t i = 0; i < n && !status; i++) {
        uint64_t stored = bt_read_uint(&r, 4), skipped = bt_read_uint(&r, 4), at[BT_MAX_RANK];
        for (int axis = 0; axis < c->rank; axis++) at[axis] = bt_read_uint(&r, 8);
        bt_read_uint(&r, 8);
        uint64_t child = bt_h5_offset(h, &r);
        status = level ? btree1(h, c, child, depth + 1) : chunk(h, c, child, stored, skipped, at);
    }
    return status;
}

/* An element: address, and with filters bytes stored (what is left of the element), filters skipped (4). */
static berth_status fixed_element(bt_hdf5 *h, chunked *c, bt_reader *r, uint64_t size, uint64_t i)
{
    uint64_t at[BT_MAX_RANK], address = bt_h5_offset(h, r), stored = c->chunk_bytes, skipped = 0;
    if (size > (uint64_t)h->offset_bytes) {
        stored = bt_read_uint(r, (int)size - h->offset_bytes - 4);
        skipped = bt_read_uint(r, 4);
    }
    chunk_at(c, i, at);
    return r->failed ? bt_h5_fail(h, "a damaged chunk index") : chunk(h, c, address, stored, skipped, at);
}

/* FAHD: version 0, client, element size, page bits, elements, data block. FADB: version, client, header, [bit
 * map of pages, checksum], then elements; beyond 2^page_bits of them in pages, each with a checksum behind
 * it. */
static berth_status fixed_array(bt_hdf5 *h, chunked *c, uint64_t address)
{
    bt_reader r;
    berth_status status =
        bt_h5_block(h, address, 8 + (uint64_t)(h->length_bytes + h->offset_bytes), "FAHD", 0, &r);
    if (status) return status;
    bt_read_uint(&r, 1);
    uint64_t size = bt_read_uint(&r, 1), page_bits = bt_read_uint(&r, 1), n = bt_h5_length(h, &r),
             left = chunk_count(c);
    uint64_t block = bt_h5_offset(h, &r), least = (uint64_t)h->offset_bytes + (c->filters.n ? 5 : 0);
    if (block == H5_NOWHERE) return BERTH_OK;
    if (n < left || page_bits > 31 || size < least || size > (uint64_t)h->offset_bytes + 12)
        return bt_h5_fail(h, "a damaged chunk index");
    uint64_t head = 6 + (uint64_t)h->offset_bytes, page = (uint64_t)1 << page_bits;
    if ((status = bt_h5_block(h, block, head, "FADB", 0, &r))) return status;
    bool paged = n > page;
    uint64_t place_of = block + head + (paged ? ((n + page - 1) / page + 7) / 8 + 4 : 0);
    for (uint64_t i = 0; left && !status;) {
        uint64_t run = paged && left > page ? page : left;
        const uint8_t *p = bt_h5_at(h, place_of, run * size);
        if (!p) return BERTH_BAD_MODEL;
        r = bt_reader_of(p, run * size);
        left -= run;
        place_of += run * size + 4;
        for (; run && !status; run--) status = fixed_element(h, c, &r, size, i++);
    }
    return status;
}

/* Record: address, [bytes stored, filters skipped (4)], number of the chunk on each axis (8 each). */
static berth_status btree2_record(bt_hdf5 *h, const uint8_t *data, size_t size, void *user)
{
    chunked *c = user;
    bt_reader r = bt_reader_of(data, size);
    uint64_t address = bt_h5_offset(h, &r), stored = c->chunk_bytes, skipped = 0, at[BT_MAX_RANK];
    if (c->filters.n) {
        size_t other = (size_t)h->offset_bytes + 4 + 8 * (size_t)c->rank;
        if (size <= other || size - other > 8) return bt_h5_fail(h, "a damaged chunk index");
        stored = bt_read_uint(&r, (int)(size - other));
        skipped = bt_read_uint(&r, 4);
    }
    for (int i = 0; i < c->rank; i++)
        if (__builtin_mul_overflow(bt_read_uint(&r, 8), c->dim[i], &at[i]))
            return bt_h5_fail(h, "a damaged chunk index");
    return r.failed ? bt_h5_fail(h, "a damaged chunk index") : chunk(h, c, address, stored, skipped, at);
}

static berth_status implicit(bt_hdf5 *h, chunked *c, uint64_t address)
{
    berth_status status = BERTH_OK;
    uint64_t at[BT_MAX_RANK];
    for (uint64_t i = 0, n = chunk_count(c); i < n && !status; i++, address += c->chunk_bytes) {
        chunk_at(c, i, at);
        status = chunk(h, c, address, c->chunk_bytes, 0, at);
    }
    return status;
}

/* ---- Layouts ------------------------------------------------------------------------------------------ */

typedef struct chunk_index {
    int kind;
    uint64_t address, stored, skipped; /* the last two: of a single chunk with filters */
} chunk_index;

/* Version 3: rank + 1, address, sizes (4 each), element size. Version 4: flags, rank + 1, bytes of a size,
 * sizes, kind of index, what it needs, address. */
static berth_status read_chunks(bt_hdf5 *h, const bt_h5_chunks *layout, chunked *c, chunk_index *index)
{
    bt_reader r = layout->rest;
    int flags = layout->version >= 4 ? (int)bt_read_uint(&r, 1) : 0;
    int rank = layout->version < 3 ? layout->rank : (int)bt_read_uint(&r, 1), bytes = 4;
    index->kind = BTREE1;
    index->address = layout->version == 3 ? bt_h5_offset(h, &r) : layout->address;
    if (layout->version >= 4) bytes = (int)bt_read_uint(&r, 1);
    if (rank != c->rank + 1 || rank < 2 || bytes > 8) return bt_h5_fail(h, "a damaged layout");
    c->chunk_bytes = c->type->size;
    for (int i = 0; i < rank; i++) {
        uint64_t dim = bt_read_uint(&r, bytes);
        if (i == c->rank) break;
        if (!dim || !bt_mul(c->chunk_bytes, dim, &c->chunk_bytes)) return bt_h5_fail(h, "a damaged layout");
        c->dim[i] = dim;
    }
    if (layout->version >= 4) {
        static const uint8_t parameters[] = {[FIXED_ARRAY] = 1, [EXTENSIBLE_ARRAY] = 5, [BTREE2] = 6};
        index->kind = (int)bt_read_uint(&r, 1);
        if (index->kind < SINGLE || index->kind > BTREE2) return bt_h5_fail(h, "a damaged layout");
        index->stored = c->chunk_bytes;
        if (index->kind == SINGLE && flags & 2)
            index->stored = bt_h5_length(h, &r), index->skipped = bt_read_uint(&r, 4);
        bt_read_bytes(&r, parameters[index->kind]);
        index->address = bt_h5_offset(h, &r);
    }
    return r.failed ? bt_h5_fail(h, "a damaged layout") : BERTH_OK;
}

static berth_status read_index(bt_hdf5 *h, chunked *c, const chunk_index *index)
{
    static const uint64_t origin[BT_MAX_RANK];
    if (index->address == H5_NOWHERE) return BERTH_OK;
    switch (index->kind) {
    case SINGLE: return chunk(h, c, index->address, index->stored, index->skipped, origin);
    case IMPLICIT: return implicit(h, c, index->address);
    case FIXED_ARRAY: return fixed_array(h, c, index->address);
    case BTREE2: return bt_h5_btree2(h, index->address, c->filters.n ? 11 : 10, btree2_record, c);
    case BTREE1: return btree1(h, c, index->address, 0);
    default:
        return bt_fail(h->error, BERTH_UNSUPPORTED,
                       "HDF5: a dataset that can grow (extensible array index); "
                       "repack the file with h5repack");
    }
}

/* True when the one chunk is the dataset as it is. */
static bool is_view(const chunked *c, const chunk_index *index)
{
    for (int i = 0; i < c->rank; i++)
        if (c->dim[i] != (uint64_t)c->shape->dim[i]) return false;
    return (index->kind == SINGLE || index->kind == IMPLICIT) && !c->filters.n &&
           index->address != H5_NOWHERE;
}

berth_status bt_h5_chunked(bt_hdf5 *h, const bt_h5_type *type, const bt_shape *shape,
                           const bt_h5_chunks *layout, bt_tensor *out)
{
    chunked c = {.type = type, .shape = shape, .rank = shape->rank};
    chunk_index index = {0};
    berth_status status = read_chunks(h, layout, &c, &index);
    if (!status) status = bt_h5_filters_read(h, layout->filters, &c.filters);
    if (status) return status;
    size_t limit = h->size < SIZE_MAX / DEFLATE_RATIO - 65536 ? (h->size + 65536) * DEFLATE_RATIO : SIZE_MAX;
    if (!bt_shape_bytes(shape, type->size, &c.bytes) || c.bytes > limit || c.chunk_bytes > limit)
        return bt_h5_fail(h, "a dataset larger than its file can hold");
    if (is_view(&c, &index)) {
        const uint8_t *p = bt_h5_at(h, index.address, c.bytes);
        return p ? bt_h5_decode(h, type, shape, p, c.bytes, out) : BERTH_BAD_MODEL;
    }
    c.out = bt_arena_alloc(h->arena, c.bytes ? c.bytes : 1);
    c.buffer = bt_alloc(c.chunk_bytes);
    c.spare = bt_alloc(c.chunk_bytes);
    if (!c.out || !c.buffer || !c.spare) status = bt_fail_memory(h->error);
    else if (c.bytes) status = read_index(h, &c, &index);
    bt_free(c.buffer);
    bt_free(c.spare);
    return status ? status : bt_h5_decode(h, type, shape, c.out, c.bytes, out);
}
