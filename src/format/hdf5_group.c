/* HDF5 groups: the links of a group, in the old layout (B-tree version 1 over symbol table nodes, names in a
 * local heap) and the new one (link messages; many links: fractal heap and B-tree version 2, hdf5_heap.c).
 * Soft and external links are left out. */
#include "format/hdf5_inner.h"

enum { MAX_LEVELS = 32 };

static berth_status add_link(bt_hdf5 *h, bt_hdf5_group *group, const void *name, size_t n, uint64_t address)
{
    bt_hdf5_link *link = bt_arena_new(h->arena, bt_hdf5_link);
    char *text = link ? bt_arena_copy(h->arena, name, n) : NULL;
    if (!text) return bt_fail_memory(h->error);
    *link = (bt_hdf5_link){{text, n}, address};
    if (!bt_map_put(&group->links, link->name, link)) return bt_fail_memory(h->error);
    return bt_h5_work(h, 1);
}

/* ---- Old groups --------------------------------------------------------------------------------------- */

typedef struct old_group {
    bt_hdf5_group *group;
    const uint8_t *names; /* data segment of the local heap */
    uint64_t names_size;
} old_group;

/* SNOD: version 1, reserved, entries (2); an entry: offset of the name, header, cache type (4), reserved (4),
 * scratch (16). */
static berth_status symbols(bt_hdf5 *h, old_group *old, uint64_t address)
{
    bt_reader r;
    uint64_t entry = 2 * (uint64_t)h->offset_bytes + 24;
    berth_status status = bt_h5_block(h, address, 8, "SNOD", 1, &r);
    if (status) return status;
    bt_read_uint(&r, 1);
    uint64_t n = bt_read_uint(&r, 2);
    const uint8_t *p = bt_h5_at(h, address + 8, n * entry);
    if (!p) return BERTH_BAD_MODEL;
    r = bt_reader_of(p, n * entry);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t name = bt_h5_offset(h, &r), object = bt_h5_offset(h, &r), cache = bt_read_uint(&r, 4);
        bt_read_bytes(&r, 20);
        if (name >= old->names_size) return bt_h5_fail(h, "a link without a name");
        const uint8_t *text = old->names + name, *end = memchr(text, 0, old->names_size - name);
        if (!end) return bt_h5_fail(h, "a link whose name has no end");
        if (cache == 2) continue; /* a soft link */
        if ((status = add_link(h, old->group, text, (size_t)(end - text), object))) return status;
    }
    return BERTH_OK;
}

/* TREE: type 0, level, entries (2), siblings; then key, child, key, child ... key; a key is a length. */
static berth_status old_tree(bt_hdf5 *h, old_group *old, uint64_t address, int depth)
{
    bt_reader r;
    uint64_t head = 8 + 2 * (uint64_t)h->offset_bytes, pair = (uint64_t)(h->length_bytes + h->offset_bytes);
    berth_status status = bt_h5_block(h, address, head, "TREE", 0, &r);
    if (status) return status;
    uint64_t level = bt_read_uint(&r, 1), n = bt_read_uint(&r, 2);
    if (depth > MAX_LEVELS || level > MAX_LEVELS) return bt_h5_fail(h, "a B-tree too deep");
    const uint8_t *p = bt_h5_at(h, address + head, n * pair);
    if (!p) return BERTH_BAD_MODEL;
    r = bt_reader_of(p, n * pair);
    for (uint64_t i = 0; i < n && !status; i++) {
        bt_h5_length(h, &r);
        uint64_t child = bt_h5_offset(h, &r);
        status = level ? old_tree(h, old, child, depth + 1) : symbols(h, old, child);
    }
    return status;
}

/* HEAP: version 0, reserved (3), size of the data segment, free list, address of the segment. */
static berth_status old_links(bt_hdf5 *h, bt_hdf5_group *group, const bt_h5_message *m)
{
    bt_reader r = bt_reader_of(m->data, m->size), heap;
    uint64_t tree = bt_h5_offset(h, &r), names = bt_h5_offset(h, &r);
    if (r.failed) return bt_h5_fail(h, "a damaged symbol table");
    uint64_t head = 8 + 2 * (uint64_t)h->length_bytes + (uint64_t)h->offset_bytes;
    berth_status status = bt_h5_block(h, names, head, "HEAP", 0, &heap);
    if (status) return status;
    bt_read_bytes(&heap, 3);
    old_group old = {.group = group, .names_size = bt_h5_length(h, &heap)};
    bt_h5_length(h, &heap);
    if (!(old.names = bt_h5_at(h, bt_h5_offset(h, &heap), old.names_size))) return BERTH_BAD_MODEL;
    return old_tree(h, &old, tree, 0);
}

/* ---- New groups --------------------------------------------------------------------------------------- */

/* Version 1, flags, [type], [creation order (8)], [character set], length of the name, name, address. */
static berth_status new_link(bt_hdf5 *h, const uint8_t *data, size_t size, void *user)
{
    bt_reader r = bt_reader_of(data, size);
    uint64_t version = bt_read_uint(&r, 1), flags = bt_read_uint(&r, 1);
    uint64_t type = flags & 8 ? bt_read_uint(&r, 1) : 0;
    if (flags & 4) bt_read_bytes(&r, 8);
    if (flags & 16) bt_read_bytes(&r, 1);
    size_t n = bt_read_uint(&r, 1 << (flags & 3));
    const uint8_t *name = bt_read_bytes(&r, n);
    if (r.failed || version != 1) return bt_h5_fail(h, "a damaged link");
    if (type != 0) return BERTH_OK;
    uint64_t address = bt_h5_offset(h, &r);
    if (r.failed) return bt_h5_fail(h, "a damaged link");
    return add_link(h, user, name, n, address);
}

/* Version 0, flags, [largest creation index (8)], fractal heap, B-tree by name. */
static berth_status dense_links(bt_hdf5 *h, bt_hdf5_group *group, const bt_h5_message *m)
{
    bt_reader r = bt_reader_of(m->data, m->size);
    bt_read_uint(&r, 1);
    if (bt_read_uint(&r, 1) & 1) bt_read_bytes(&r, 8);
    uint64_t heap = bt_h5_offset(h, &r), tree = bt_h5_offset(h, &r);
    if (r.failed) return bt_h5_fail(h, "a damaged link table");
    return heap == H5_NOWHERE ? BERTH_OK : bt_h5_dense(h, heap, tree, 5, new_link, group);
}

static berth_status group_message(bt_hdf5 *h, const bt_h5_message *m, void *user, bool *stop)
{
    (void)stop;
    switch (m->type) {
    case H5_SYMBOL_TABLE: return old_links(h, user, m);
    case H5_LINK: return new_link(h, m->data, m->size, user);
    case H5_LINK_INFO: return dense_links(h, user, m);
    default: return BERTH_OK;
    }
}

void bt_hdf5_group_free(bt_hdf5_group *group) { bt_map_free(&group->links); }

berth_status bt_hdf5_group_open(bt_hdf5 *h, uint64_t address, bt_hdf5_group *group)
{
    *group = (bt_hdf5_group){.address = address};
    berth_status status = bt_h5_messages(h, address, group_message, group);
    if (status) bt_hdf5_group_free(group);
    return status;
}

berth_status bt_hdf5_find(bt_hdf5 *h, const bt_hdf5_group *group, bt_str path, uint64_t *address)
{
    const char *slash = memchr(path.p, '/', path.n);
    bt_str first = {path.p, slash ? (size_t)(slash - path.p) : path.n};
    const bt_hdf5_link *link = bt_map_get(&group->links, first);
    berth_status status = BERTH_OK;
    bt_hdf5_group current = {0};
    *address = link ? link->address : 0;
    while (!status && *address && slash) { /* one level a turn; only the last is left open */
        path = (bt_str){slash + 1, (size_t)(path.p + path.n - slash - 1)};
        slash = memchr(path.p, '/', path.n);
        first = (bt_str){path.p, slash ? (size_t)(slash - path.p) : path.n};
        bt_hdf5_group_free(&current);
        status = bt_hdf5_group_open(h, *address, &current);
        link = status ? NULL : bt_map_get(&current.links, first);
        *address = link ? link->address : 0;
    }
    bt_hdf5_group_free(&current);
    return status;
}
