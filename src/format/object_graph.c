/* Objects and their members, of either kind of graph: nodes = 1 { children = 1 { node_id = 1, local_name = 2 } }. All else in
 * a node is left to who asks for it. */
#include "format/object_graph.h"

static void make_key(bt_objects *o, size_t parent, bt_str name)
{
    uint32_t number = (uint32_t)parent;
    o->key.n = 0;
    bt_text_add(&o->key, (const char *)&number, sizeof number);
    bt_text_add(&o->key, name.p, name.n);
}

bool bt_objects_add(bt_objects *o, size_t parent, bt_str name, size_t child)
{
    make_key(o, parent, name);
    const char *key = o->key.failed ? NULL : bt_arena_copy(o->arena, o->key.p, o->key.n);
    return key && bt_map_put_index(&o->children, (bt_str){key, o->key.n}, child);
}

bool bt_objects_find(bt_objects *o, size_t parent, bt_str name, size_t *child)
{
    make_key(o, parent, name);
    ptrdiff_t i = o->key.failed ? -1 : bt_map_get_index(&o->children, (bt_str){o->key.p, o->key.n});
    *child = i < 0 ? 0 : (size_t)i;
    return i >= 0;
}

bool bt_objects_next(const bt_objects *o, bt_wire *w, bt_str *name, size_t *child)
{
    while (bt_wire_next(w)) {
        if (w->field != 1) continue;
        uint64_t id = 0;
        *name = (bt_str){"", 0};
        bt_wire reference = bt_wire_of(bt_wire_bytes(w));
        while (bt_wire_next(&reference)) {
            if (reference.field == 1) id = bt_wire_uint(&reference);
            if (reference.field == 2) *name = bt_wire_bytes(&reference);
        }
        w->failed |= reference.failed;
        *child = (size_t)id;
        if (!w->failed && id < o->n) return true;
    }
    return false;
}

/* attributes = 2, each a SerializedTensor { name = 1, full_name = 2, checkpoint_key = 3 } */
bt_str bt_objects_variable(const bt_objects *o, size_t object, bt_str *full_name)
{
    bt_str found = {"", 0};
    bt_wire node = bt_wire_of(o->nodes[object]);
    *full_name = found;
    while (bt_wire_next(&node)) {
        bt_str kind = {"", 0}, name = kind, key = kind;
        if (node.field != 2) continue;
        bt_wire w = bt_wire_of(bt_wire_bytes(&node));
        while (bt_wire_next(&w)) {
            if (w.field == 1) kind = bt_wire_bytes(&w);
            if (w.field == 2) name = bt_wire_bytes(&w);
            if (w.field == 3) key = bt_wire_bytes(&w);
        }
        if (bt_str_is(kind, "VARIABLE_VALUE")) found = key, *full_name = name;
    }
    return found;
}

berth_status bt_objects_read(bt_objects *o, bt_str message, bt_arena *arena, berth_error *error)
{
    size_t n = bt_wire_count(message, 1);
    bt_wire w = bt_wire_of(message);
    o->arena = arena;
    if (n > INT32_MAX) return bt_fail(error, BERTH_BAD_MODEL, "too many objects");
    if (!(o->nodes = bt_arena_array(arena, bt_str, n + 1))) return bt_fail_memory(error);
    while (bt_wire_next(&w))
        if (w.field == 1) o->nodes[o->n++] = bt_wire_bytes(&w);
    for (size_t i = 0; i < o->n && !w.failed; i++) {
        bt_str name;
        size_t child;
        bt_wire members = bt_wire_of(o->nodes[i]);
        while (bt_objects_next(o, &members, &name, &child))
            if (!bt_objects_add(o, i, name, child)) return bt_fail_memory(error);
        w.failed = members.failed;
    }
    return w.failed ? bt_fail(error, BERTH_BAD_MODEL, "a damaged graph of objects") : BERTH_OK;
}

void bt_objects_free(bt_objects *o)
{
    bt_map_free(&o->children);
    bt_text_free(&o->key);
}
