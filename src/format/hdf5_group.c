/* HDF5 groups: the links of a group, in the old layout (B-tree version 1 over symbol table nodes, names in a
 * local heap) and the new one (link messages; many links: fractal heap and B-tree version 2, hdf5_heap.c).
 * Soft links are followed by bt_hdf5_find; external ones are left out. */
#include "format/hdf5_inner.h"

enum { MAX_LEVELS = 32, MAX_SOFT_LINKS = 8 };

/* target: of a soft link; else empty. */
static berth_status add_link(bt_hdf5 *h, bt_hdf5_group *group, const void *name, size_t n, uint64_t address,
                             bt_str target)
{
    bt_hdf5_link *link = bt_arena_new(h->arena, bt_hdf5_link);
    char *text = link ? bt_arena_copy(h->arena, name, n) : NULL;
    if (!text) return bt_fail_memory(h->error);
    *link = (bt_hdf5_link){{text, n}, address, target};
    if (!bt_map_put(&group->links, link->name, link)) return bt_fail_memory(h->error);
    return bt_h5_work(h, 1);
}

/* ---- Old groups --------------------------------------------------------------------------------------- */

typedef struct old_group {
    bt_hdf5_group *group;
    const uint8_t *names; /* data segment of the local heap */
    uint64_t names_size;
} old_group;

/* The text that begins at an offset of the names; p NULL: there is none such. */
static bt_str old_text(const old_group *old, uint64_t offset)
{
    if (offset >= old->names_size) return (bt_str){0};
    const uint8_t *text = old->names + offset, *end = memchr(text, 0, old->names_size - offset);
    return end ? (bt_str){(const char *)text, (size_t)(end - text)} : (bt_str){0};
}

/* SNOD: version 1, reserved, entries (2); an entry: offset of the name, header, cache type (4), reserved (4),
 * scratch (16): of a soft link the offset of its target (4). */
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
        bt_str name = old_text(old, bt_h5_offset(h, &r)), target = {0};
        uint64_t object = bt_h5_offset(h, &r), cache = bt_read_uint(&r, 4);
        bt_read_uint(&r, 4);
        uint64_t scratch = bt_read_uint(&r, 4);
        bt_read_bytes(&r, 12);
        if (cache == 2) target = old_text(old, scratch), object = 0;
        if (!name.p || (cache == 2 && !target.n)) return bt_h5_fail(h, "a link without a name");
        if ((status = add_link(h, old->group, name.p, name.n, object, target))) return status;
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

/* Version 1, flags, [type], [creation order (8)], [character set], length of the name, name, address; of a soft link
 * (type 1) the length of its target (2) and the target. */
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
    if (type > 1) return BERTH_OK;
    bt_str target = {0};
    uint64_t address = type ? 0 : bt_h5_offset(h, &r);
    if (type) target.n = bt_read_uint(&r, 2), target.p = (const char *)bt_read_bytes(&r, target.n);
    if (r.failed || (type && !target.n)) return bt_h5_fail(h, "a damaged link");
    return add_link(h, user, name, n, address, target);
}

static berth_status group_message(bt_hdf5 *h, const bt_h5_message *m, void *user, bool *stop)
{
    (void)stop;
    switch (m->type) {
    case H5_SYMBOL_TABLE: return old_links(h, user, m);
    case H5_LINK: return new_link(h, m->data, m->size, user);
    case H5_LINK_INFO: return bt_h5_dense(h, m, 8, 5, new_link, user);
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

/* ---- Paths -------------------------------------------------------------------------------------------- */

/* The address that a soft link of this group leads to: from the root where its target begins with a slash. One that
 * leads through itself leads nowhere. */
static berth_status follow(bt_hdf5 *h, const bt_hdf5_group *group, const bt_hdf5_link *link,
                           uint64_t *address)
{
    bt_hdf5_group root = {0};
    bt_str path = link->target;
    berth_status status = BERTH_OK;
    *address = 0;
    if (h->soft_links == MAX_SOFT_LINKS) return BERTH_OK;
    if (path.p[0] == '/') status = bt_hdf5_group_open(h, h->root, &root), group = &root;
    while (path.n && path.p[0] == '/') path.p++, path.n--;
    h->soft_links++;
    if (!status && path.n) status = bt_hdf5_find(h, group, path, address);
    h->soft_links--;
    bt_hdf5_group_free(&root);
    return status;
}

/* The member of a group; *address is 0 when there is none such. */
static berth_status member(bt_hdf5 *h, const bt_hdf5_group *group, bt_str name, uint64_t *address)
{
    const bt_hdf5_link *link = bt_map_get(&group->links, name);
    *address = link ? link->address : 0;
    return link && link->target.n ? follow(h, group, link, address) : BERTH_OK;
}

berth_status bt_hdf5_find(bt_hdf5 *h, const bt_hdf5_group *group, bt_str path, uint64_t *address)
{
    const char *slash = memchr(path.p, '/', path.n);
    bt_hdf5_group current = {0};
    berth_status status =
        member(h, group, (bt_str){path.p, slash ? (size_t)(slash - path.p) : path.n}, address);
    while (!status && *address && slash) { /* one level a turn; only the last is left open */
        path = (bt_str){slash + 1, (size_t)(path.p + path.n - slash - 1)};
        slash = memchr(path.p, '/', path.n);
        bt_hdf5_group_free(&current);
        status = bt_hdf5_group_open(h, *address, &current);
        if (!status)
            status =
                member(h, &current, (bt_str){path.p, slash ? (size_t)(slash - path.p) : path.n}, address);
    }
    bt_hdf5_group_free(&current);
    return status;
}
