/* StructuredValue: what a function gives, as a tree of lists, dictionaries and tensors' specifications; here, the names of its
 * leaves. They come in the order of the function's results: dictionaries by their keys. */
#include "format/graphdef.h"
#include "format/saved_functions.h"

#include <stdlib.h>

enum { TENSOR = 33, COMPOSITE = 34, BOUNDED = 35, LIST = 51, TUPLE = 52, DICTIONARY = 53, NAMED_TUPLE = 54 };
enum { SPARSE = 1 }; /* of the classes of composites */
enum { MOST_DEPTH = 50, LONGEST_NAME = 1000 };

typedef struct leaves {
    bt_arena *arena;
    bt_port *ports;
    bt_map taken;
    int n, room; /* n: also beyond the room */
    bool damaged, no_memory;
} leaves;

const char *bt_saved_name(bt_map *taken, bt_arena *arena, const char *base)
{
    ptrdiff_t next = bt_map_get_index(taken, bt_str_of(base));
    const char *name = base;
    if (next >= 0) {
        do name = bt_arena_print(arena, "%s_%td", base, next++);
        while (name && bt_map_get(taken, bt_str_of(name)));
        if (!name || !bt_map_put_index(taken, bt_str_of(base), (size_t)next)) return NULL;
    }
    return bt_map_put_index(taken, bt_str_of(name), 1) ? name : NULL;
}

static void add_leaf(leaves *l, const char *name, bt_str shape)
{
    int rank;
    if (l->n++ >= l->room) return;
    bt_port *port = &l->ports[l->n - 1];
    port->key = bt_saved_name(&l->taken, l->arena, name);
    l->no_memory |= !port->key;
    if (shape.p && !bt_shape_read(shape, &port->shape, &rank)) l->damaged = true;
}

/* TensorSpecProto: shape = 2 */
static void add_tensor(leaves *l, bt_str message, const char *name)
{
    bt_str shape = {0};
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w))
        if (w.field == 2) shape = bt_wire_bytes(&w);
    l->damaged |= w.failed;
    add_leaf(l, name, shape);
}

/* TypeSpecProto: type_spec_class = 1, type_spec_class_name = 3, num_flat_components = 4. Parts are called as in signatures (metagraph.c). */
static void add_composite(leaves *l, bt_str message, const char *name)
{
    static const char *const of_sparse[] = {"indices", "values", "dense_shape"};
    uint64_t kind = 0, n = 0;
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w)) {
        if (w.field == 1) kind = bt_wire_uint(&w);
        if (w.field == 3 && bt_str_is(bt_wire_bytes(&w), "SparseTensorSpec")) kind = SPARSE;
        if (w.field == 4) n = bt_wire_uint(&w);
    }
    l->damaged |= w.failed;
    if (!n) n = kind == SPARSE ? 3 : 2; /* older files do not count them */
    for (uint64_t i = 0; i < n && l->n <= l->room && !l->no_memory; i++) {
        const char *part = kind == SPARSE && i < 3 ? bt_arena_print(l->arena, "%s/%s", name, of_sparse[i])
                                                   : bt_arena_print(l->arena, "%s/%d", name, (int)i);
        if (part) add_leaf(l, part, (bt_str){0});
        else l->no_memory = true;
    }
}

typedef struct entry {
    bt_str key, value;
} entry;

static int by_key(const void *a, const void *b)
{
    bt_str x = ((const entry *)a)->key, y = ((const entry *)b)->key;
    int order = memcmp(x.p, y.p, x.n < y.n ? x.n : y.n);
    return order ? order : (x.n > y.n) - (x.n < y.n);
}

static void add(leaves *l, bt_str message, const char *name, int depth);

/* A member: at the top, its own name; further down, behind what it is a member of. */
static void add_member(leaves *l, bt_str message, const char *of, bt_str key, int depth)
{
    bool top = depth == 0;
    if (strlen(of) + key.n > LONGEST_NAME) l->damaged = true;
    const char *name =
        l->damaged ? NULL
                   : bt_arena_print(l->arena, "%s%s%.*s", top ? "" : of, top ? "" : "_", (int)key.n, key.p);
    if (name) add(l, message, name, depth + 1);
    else l->no_memory |= !l->damaged;
}

/* values = 1, of lists and tuples */
static void add_list(leaves *l, bt_str message, const char *of, int depth)
{
    bt_wire w = bt_wire_of(message);
    for (int i = 0; bt_wire_next(&w) && l->n <= l->room;) {
        bt_text key = {0};
        if (w.field != 1) continue;
        bt_text_print(&key, depth ? "%d" : "output_%d", i++);
        if (key.failed) l->no_memory = true;
        else add_member(l, bt_wire_bytes(&w), of, (bt_str){key.p, key.n}, depth);
        bt_text_free(&key);
        if (l->damaged || l->no_memory) return;
    }
    l->damaged |= w.failed;
}

/* DictValue: fields = 1; NamedTupleValue: values = 2; each entry { key = 1, value = 2 } */
static void add_entries(leaves *l, bt_str message, const char *of, int depth, uint32_t field)
{
    size_t n = 0;
    entry *entries = bt_arena_array(l->arena, entry, bt_wire_count(message, field) + 1);
    if (!entries) {
        l->no_memory = true;
        return;
    }
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w)) {
        if (w.field != field) continue;
        bt_str one = bt_wire_bytes(&w);
        entries[n].key = bt_wire_field(one, 1, &l->damaged);
        entries[n++].value = bt_wire_field(one, 2, &l->damaged);
    }
    l->damaged |= w.failed;
    if (field == 1) qsort(entries, n, sizeof *entries, by_key);
    for (size_t i = 0; i < n && l->n <= l->room && !l->damaged && !l->no_memory; i++)
        add_member(l, entries[i].value, of, entries[i].key, depth);
}

/* Numbers, texts and None are no results. */
static void add(leaves *l, bt_str message, const char *name, int depth)
{
    bt_wire w = bt_wire_of(message);
    if (depth > MOST_DEPTH) l->damaged = true;
    if (l->damaged || !bt_wire_next(&w) || w.type != BT_WIRE_BYTES) return;
    switch (w.field) {
    case TENSOR:
    case BOUNDED: add_tensor(l, w.bytes, name); break;
    case COMPOSITE: add_composite(l, w.bytes, name); break;
    case LIST:
    case TUPLE: add_list(l, w.bytes, name, depth); break;
    case DICTIONARY: add_entries(l, w.bytes, name, depth, 1); break;
    case NAMED_TUPLE: add_entries(l, w.bytes, name, depth, 2); break;
    default: break;
    }
}

berth_status bt_saved_structure_name(bt_str structure, bt_arena *arena, bt_port *ports, int n,
                                     berth_error *error)
{
    leaves l = {.arena = arena, .ports = ports, .room = n};
    add(&l, structure, "output_0", 0);
    bt_map_free(&l.taken);
    /* What older files say less of: in their order. */
    for (int i = 0; !l.damaged && !l.no_memory && l.n != n && i < n; i++) {
        ports[i].key = bt_arena_print(arena, "output_%d", i);
        ports[i].shape = BT_SHAPE_UNKNOWN;
        l.no_memory = !ports[i].key;
    }
    if (l.no_memory) return bt_fail_memory(error);
    return l.damaged ? bt_fail(error, BERTH_BAD_MODEL, "damaged, long or deep names of its outputs")
                     : BERTH_OK;
}

/* ---- Values that are no tensors ----------------------------------------------------------------------- */

enum { NONE = 1, FLOAT = 11, INTEGER = 12, STRING = 13, TRUTH = 14, MOST_VALUES = 64, LONGEST_VALUES = 300 };

/* What a value is, and its message. */
static uint32_t open_value(bt_str value, bt_str *message)
{
    bt_wire w = bt_wire_of(value);
    bool some = value.n && bt_wire_next(&w);
    *message = some && w.type == BT_WIRE_BYTES ? w.bytes : (bt_str){"", 0};
    return some ? w.field : 0;
}

/* Item i of a list or tuple; p NULL: there is none. */
static bt_str item_of(bt_str list, size_t i)
{
    bt_str message;
    uint32_t kind = open_value(list, &message);
    bt_wire w = bt_wire_of(message);
    while ((kind == LIST || kind == TUPLE) && bt_wire_next(&w))
        if (w.field == 1 && w.type == BT_WIRE_BYTES && i-- == 0) return w.bytes;
    return (bt_str){0};
}

static size_t count_items(bt_str list)
{
    bt_str message;
    uint32_t kind = open_value(list, &message);
    return kind == LIST || kind == TUPLE ? bt_wire_count(message, 1) : 0;
}

/* Entry i of a dictionary or named tuple, or, where one is given, that of a key; false: there is none. */
static bool entry_of(bt_str dictionary, size_t i, const bt_str *wanted, bt_str *key, bt_str *value)
{
    bt_str message;
    bool failed = false;
    uint32_t kind = open_value(dictionary, &message);
    bt_wire w = bt_wire_of(message);
    while ((kind == DICTIONARY || kind == NAMED_TUPLE) && bt_wire_next(&w)) {
        if (w.field != (kind == DICTIONARY ? 1 : 2) || w.type != BT_WIRE_BYTES) continue;
        *key = bt_wire_field(w.bytes, 1, &failed);
        *value = bt_wire_field(w.bytes, 2, &failed);
        if (wanted ? bt_str_equal(*key, *wanted) : i-- == 0) return !failed;
    }
    return false;
}

static bt_str member_of(bt_str dictionary, bt_str name)
{
    bt_str key, value;
    return entry_of(dictionary, 0, &name, &key, &value) ? value : (bt_str){0};
}

/* "name=True", behind others. None is not told. */
static void put_value(bt_text *out, bt_str name, bt_str value, bt_str otherwise, bool *is_default)
{
    bt_wire w = bt_wire_of(value);
    double number;
    if (!bt_wire_next(&w) || (w.field != NONE && (w.field < FLOAT || w.field > TRUTH))) return;
    if (!bt_str_equal(value, otherwise)) *is_default = false;
    if (w.field == NONE || out->n > LONGEST_VALUES) return;
    bt_text_print(out, "%s%.*s%s", out->n ? ", " : "", (int)(name.n < 60 ? name.n : 60), name.p ? name.p : "",
                  name.n ? "=" : "");
    memcpy(&number, &w.value, sizeof number);
    if (w.field == TRUTH) bt_text_print(out, "%s", w.value ? "True" : "False");
    else if (w.field == FLOAT) bt_text_print(out, "%g", number);
    else if (w.field == INTEGER) bt_text_print(out, "%lld", (long long)(w.value >> 1 ^ -(w.value & 1)));
    else bt_text_print(out, "'%.*s'", (int)(w.bytes.n < 60 ? w.bytes.n : 60), w.bytes.n ? w.bytes.p : "");
}

const char *bt_saved_structure_values(bt_str arguments, bt_str spec, bt_arena *arena, bool *is_default)
{
    bool failed = false;
    bt_text out = {0};
    bt_str full = bt_wire_field(spec, 1, &failed), key, value, name;
    bt_str names = member_of(full, bt_str_of("args")), defaults = member_of(full, bt_str_of("defaults"));
    bt_str keywords = item_of(arguments, 1), others = member_of(full, bt_str_of("kwonlydefaults"));
    size_t n_names = count_items(names), n_defaults = count_items(defaults);
    open_value(item_of(names, 0), &name);
    size_t first = bt_str_is(name, "self");
    *is_default = true;
    for (size_t i = 0; i < MOST_VALUES && (value = item_of(item_of(arguments, 0), i)).p; i++) {
        size_t at = i + first + n_defaults;
        open_value(item_of(names, i + first), &name);
        put_value(&out, name, value, at >= n_names ? item_of(defaults, at - n_names) : (bt_str){0},
                  is_default);
    }
    for (size_t i = 0; i < MOST_VALUES && entry_of(keywords, i, NULL, &key, &value); i++)
        put_value(&out, key, value, member_of(others, key), is_default);
    const char *text = out.failed ? NULL : bt_arena_copy(arena, out.n ? out.p : "", out.n);
    bt_text_free(&out);
    return text;
}
