/* HDF5 datasets in chunks: the index that says where each chunk lies (B-tree version 1; of layout version 4 a
 * single chunk, implicit, fixed array, extensible array, B-tree version 2), and the assembly of chunks into one
 * dense tensor in the arena. A dataset of one unfiltered chunk stays a view. */
#include "format/hdf5_chunk.h"
#include "format/hdf5_filter.h"

enum { SINGLE = 1, IMPLICIT, FIXED_ARRAY, EXTENSIBLE_ARRAY, BTREE2, BTREE1 };
enum { MAX_LEVELS = 32, DEFLATE_RATIO = 1032 };

typedef struct chunked {
    const bt_h5_type *type;
    const bt_shape *shape;
    const uint64_t *max; /* what the dataset may grow to: its chunks are counted by that */
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

static uint64_t chunks_along(uint64_t size, uint64_t chunk) { return size / chunk + (size % chunk > 0); }

/* The axis that may grow without end; -1: none does. */
static int endless(const chunked *c)
{
    for (int axis = 0; axis < c->rank; axis++)
        if (c->max[axis] == UINT64_MAX) return axis;
    return -1;
}

/* The first element of chunk number i, in row-major order of all chunks that there may be; the axis that may grow
 * without end stands before the others. False: it lies outside the dataset as it is. */
static bool chunk_at(const chunked *c, uint64_t i, uint64_t *at)
{
    int open = endless(c);
    bool inside = true;
    for (int axis = c->rank - 1; axis >= 0; axis--) {
        if (axis == open) continue;
        uint64_t n = chunks_along(c->max[axis], c->dim[axis]);
        at[axis] = i % n * c->dim[axis];
        i /= n;
    }
    if (open >= 0 && __builtin_mul_overflow(i, c->dim[open], &at[open])) return false;
    for (int axis = 0; axis < c->rank; axis++) inside &= at[axis] < (uint64_t)c->shape->dim[axis];
    return inside;
}

/* How many there may be, but for more along the axis without end; 0: more than can be counted. */
static uint64_t chunk_count(const chunked *c)
{
    uint64_t n = 1;
    for (int i = 0; i < c->rank; i++) {
        uint64_t size = c->max[i] == UINT64_MAX ? (uint64_t)c->shape->dim[i] : c->max[i];
        if (__builtin_mul_overflow(n, chunks_along(size, c->dim[i]), &n)) return 0;
    }
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
static berth_status element(bt_hdf5 *h, chunked *c, bt_reader *r, uint64_t size, uint64_t i)
{
    uint64_t at[BT_MAX_RANK], address = bt_h5_offset(h, r), stored = c->chunk_bytes, skipped = 0;
    if (size > (uint64_t)h->offset_bytes) {
        stored = bt_read_uint(r, (int)size - h->offset_bytes - 4);
        skipped = bt_read_uint(r, 4);
    }
    if (r->failed) return bt_h5_fail(h, "a damaged chunk index");
    return chunk_at(c, i, at) ? chunk(h, c, address, stored, skipped, at) : bt_h5_work(h, 1);
}

/* n elements that lie at an address; the first is that of chunk i. */
static berth_status elements(bt_hdf5 *h, chunked *c, uint64_t address, uint64_t n, uint64_t size, uint64_t i)
{
    const uint8_t *p = n > UINT64_MAX / size ? NULL : bt_h5_at(h, address, n * size);
    if (!p) return bt_h5_fail(h, "a damaged chunk index");
    bt_reader r = bt_reader_of(p, n * size);
    berth_status status = BERTH_OK;
    for (; n && !status; n--) status = element(h, c, &r, size, i++);
    return status;
}

/* Whether an element of that size can be one. */
static bool legal_size(const bt_hdf5 *h, const chunked *c, uint64_t size)
{
    uint64_t least = (uint64_t)h->offset_bytes + (c->filters.n ? 5 : 0);
    return size >= least && size <= (uint64_t)h->offset_bytes + 12;
}

/* Elements in pages, each with a checksum behind it; a bit of `used` for each that was ever written, that of the
 * first one being number `first`, the highest of a byte before the others. */
static berth_status pages(bt_hdf5 *h, chunked *c, uint64_t address, uint64_t n, uint64_t page, uint64_t size,
                          uint64_t i, const uint8_t *used, uint64_t first)
{
    berth_status status = BERTH_OK;
    for (uint64_t bit = first, run; n && !status; n -= run, i += run, bit++, address += page * size + 4) {
        run = n < page ? n : page;
        if (used[bit / 8] & 0x80 >> bit % 8) status = elements(h, c, address, run, size, i);
    }
    return status;
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
             wanted = chunk_count(c);
    uint64_t block = bt_h5_offset(h, &r);
    if (block == H5_NOWHERE) return BERTH_OK;
    if (n != wanted || page_bits > 31 || !legal_size(h, c, size))
        return bt_h5_fail(h, "a damaged chunk index");
    uint64_t head = 6 + (uint64_t)h->offset_bytes, page = (uint64_t)1 << page_bits, bits = 0;
    if ((status = bt_h5_block(h, block, head, "FADB", 0, &r))) return status;
    if (n <= page) return elements(h, c, block + head, n, size, 0);
    bits = chunks_along(chunks_along(n, page), 8);
    const uint8_t *used = bt_h5_at(h, block + head, bits);
    return used ? pages(h, c, block + head + bits + 4, n, page, size, 0, used, 0) : BERTH_BAD_MODEL;
}

/* ---- Extensible array --------------------------------------------------------------------------------- */

/* Its elements lie in the index block, then in data blocks, which come in levels: level u has 2^(u / 2) of them with
 * 2^((u + 1) / 2) times the least number of elements each. The index block has the addresses of those of the first
 * levels itself, and for each later level that of a block of addresses. */
typedef struct growing {
    uint64_t header, size, own, least, page,
        used;           /* size: bytes of an element; the others: counts of elements */
    int offset_bytes;   /* of what a block says of its own place */
    int levels, direct; /* the first ones lie in the index block */
} growing;

/* EADB: version 0, client, header, place, then elements; more than a page of them in pages behind a checksum. */
static berth_status growing_data(bt_hdf5 *h, chunked *c, const growing *g, uint64_t address, uint64_t n,
                                 uint64_t i, const uint8_t *used, uint64_t first)
{
    bt_reader r;
    uint64_t head = 6 + (uint64_t)(h->offset_bytes + g->offset_bytes);
    if (address == H5_NOWHERE) return BERTH_OK;
    berth_status status = bt_h5_block(h, address, head, "EADB", 0, &r);
    if (status) return status;
    uint64_t left = g->used - i < n ? g->used - i : n;
    return n > g->page ? pages(h, c, address + head + 4, left, g->page, g->size, i, used, first)
                       : elements(h, c, address + head, left, g->size, i);
}

/* The data blocks of level u, whose addresses r reads; those of pages have bits of which are used. */
static berth_status growing_level(bt_hdf5 *h, chunked *c, const growing *g, int u, bt_reader *r,
                                  const uint8_t *used)
{
    uint64_t n = g->least << (u + 1) / 2, i = g->own + (((uint64_t)1 << u) - 1) * g->least;
    berth_status status = BERTH_OK;
    for (uint64_t block = 0; block < (uint64_t)1 << u / 2 && i < g->used && !status; block++, i += n) {
        uint64_t address = bt_h5_offset(h, r);
        if (r->failed || (n > g->page && !used)) return bt_h5_fail(h, "a damaged chunk index");
        status = growing_data(h, c, g, address, n, i, used, block * (n / g->page));
    }
    return status;
}

/* EASB: version 0, client, header, place, [bits of pages], addresses of data blocks. */
static berth_status growing_block(bt_hdf5 *h, chunked *c, const growing *g, int u, uint64_t address)
{
    bt_reader r;
    uint64_t head = 6 + (uint64_t)(h->offset_bytes + g->offset_bytes), n = g->least << (u + 1) / 2,
             blocks = (uint64_t)1 << u / 2,
             bits = n > g->page ? blocks * chunks_along(chunks_along(n, g->page), 8) : 0;
    if (address == H5_NOWHERE) return BERTH_OK;
    berth_status status = bt_h5_block(h, address, head, "EASB", 0, &r);
    const uint8_t *p = status ? NULL : bt_h5_at(h, address + head, bits + blocks * (uint64_t)h->offset_bytes);
    if (!p) return BERTH_BAD_MODEL;
    r = bt_reader_of(p + bits, blocks * (uint64_t)h->offset_bytes);
    return growing_level(h, c, g, u, &r, bits ? p : NULL);
}

/* EAIB: version 0, client, header, elements, addresses of the data blocks of the first levels, of the blocks of the
 * later ones. */
static berth_status growing_index(bt_hdf5 *h, chunked *c, const growing *g, uint64_t address)
{
    bt_reader r;
    uint64_t head = 6 + (uint64_t)h->offset_bytes, pointers = (uint64_t)(g->levels - g->direct);
    for (int u = 0; u < g->direct; u++) pointers += (uint64_t)1 << u / 2;
    berth_status status = bt_h5_block(h, address, head, "EAIB", 0, &r);
    uint64_t own = g->used < g->own ? g->used : g->own, places = address + head + g->own * g->size;
    if (!status) status = elements(h, c, address + head, own, g->size, 0);
    if (status) return status;
    const uint8_t *p = bt_h5_at(h, places, pointers * (uint64_t)h->offset_bytes);
    if (!p) return BERTH_BAD_MODEL;
    r = bt_reader_of(p, pointers * (uint64_t)h->offset_bytes);
    for (int u = 0; u < g->levels && !status; u++)
        status = u < g->direct ? growing_level(h, c, g, u, &r, NULL)
                               : growing_block(h, c, g, u, bt_h5_offset(h, &r));
    return status;
}

static int log2_of(uint64_t n) { return n && !(n & (n - 1)) ? __builtin_ctzll(n) : -1; }

/* EAHD: version 0, client, element size, bits of a count, elements of the index block, least ones of a data block,
 * least addresses of a block of them, bits of a page's elements, six counts, of which the fifth is one more than the
 * last element's number, index block. */
static berth_status extensible_array(bt_hdf5 *h, chunked *c, uint64_t address)
{
    bt_reader r;
    growing g = {0};
    uint64_t size = 12 + 6 * (uint64_t)h->length_bytes + (uint64_t)h->offset_bytes;
    berth_status status = bt_h5_block(h, address, size, "EAHD", 0, &r);
    if (status) return status;
    bt_read_uint(&r, 1);
    g.size = bt_read_uint(&r, 1);
    int bits = (int)bt_read_uint(&r, 1);
    g.own = bt_read_uint(&r, 1);
    g.least = bt_read_uint(&r, 1);
    int least = log2_of(g.least), addresses = log2_of(bt_read_uint(&r, 1)), page = (int)bt_read_uint(&r, 1);
    for (int i = 0; i < 6; i++) {
        uint64_t count = bt_h5_length(h, &r);
        if (i == 4) g.used = count;
    }
    uint64_t block = bt_h5_offset(h, &r);
    if (block == H5_NOWHERE) return BERTH_OK;
    g.levels = 1 + bits - least;
    g.direct = 2 * addresses;
    g.page = (uint64_t)1 << (page & 31);
    g.offset_bytes = (bits + 7) / 8;
    if (r.failed || least < 0 || addresses < 0 || bits > 48 || page > 31 || g.levels < g.direct ||
        g.levels < 1 || !legal_size(h, c, g.size))
        return bt_h5_fail(h, "a damaged chunk index");
    return growing_index(h, c, &g, block);
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
    for (uint64_t i = 0, n = chunk_count(c); i < n && !status; i++, address += c->chunk_bytes)
        status = chunk_at(c, i, at) ? chunk(h, c, address, c->chunk_bytes, 0, at) : bt_h5_work(h, 1);
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
    case EXTENSIBLE_ARRAY: return extensible_array(h, c, index->address);
    default: return btree1(h, c, index->address, 0);
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
    chunked c = {.type = type, .shape = shape, .max = layout->max, .rank = shape->rank};
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
