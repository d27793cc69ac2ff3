/* Functions of a graph of objects (SavedObjectGraph: nodes = 1, concrete_functions = 2) as signatures. Each gets placeholders for its
 * arguments and a call; what it was traced with besides (bound_inputs: variables, tables, constants) comes from the nodes that
 * the graph has for them. The objects: object_graph.c; names of outputs: saved_structure.c. */
#include "format/saved_functions.h"

#include "format/metagraph.h"
#include "ops/op.h"

#include <inttypes.h>

/* Fields of SavedObject, of which it has one: what it is. */
enum { ASSET = 5, FUNCTION = 6, VARIABLE = 7, BARE_FUNCTION = 8, CONSTANT = 9, RESOURCE = 10, CAPTURED = 12 };

enum { LONGEST_PATH = 1000 };

static const char creator[] = "_create_resource";

/* Those that belong to a table, and to its initialisation, which the graph does itself. */
static bool is_hidden(bt_str name)
{
    return bt_str_is(name, creator) || bt_str_is(name, "_initialize") || bt_str_is(name, "_destroy_resource");
}

static uint32_t kind_of(bt_str object, bt_str *message)
{
    uint32_t kind = 0;
    bt_wire w = bt_wire_of(object);
    while (bt_wire_next(&w))
        if (w.field >= 4 && w.field <= CAPTURED && w.field != 11)
            kind = w.field, *message = bt_wire_bytes(&w);
    return kind;
}

static bool is_function(uint32_t kind) { return kind == FUNCTION || kind == BARE_FUNCTION; }

/* ---- Finding ------------------------------------------------------------------------------------------ */

/* SavedConcreteFunction. */
typedef struct concrete {
    bt_str message;
    const char *note; /* once it is asked for */
    bool is_default;
} concrete;

/* How an object was reached first. */
typedef struct place {
    size_t parent, length; /* of the path */
    bt_str name;
    bool seen;
} place;

typedef struct walk {
    bt_saved_functions *f;
    place *places;
    bt_map taken; /* functions */
    size_t room;
} walk;

/* "inner.apply", from the end. */
static const char *path_of(walk *w, size_t parent, bt_str name)
{
    size_t n = w->places[parent].length + name.n, at = n - name.n;
    char *path = bt_arena_alloc(&w->f->source->arena, n + 1);
    if (!path) return NULL;
    memcpy(path + at, name.p, name.n);
    for (size_t i = parent; i; i = w->places[i].parent) {
        path[--at] = '.';
        at -= w->places[i].name.n;
        memcpy(path + at, w->places[i].name.p, w->places[i].name.n);
    }
    return path;
}

/* A function under its first name. */
static berth_status offer_trace(walk *w, const char *path, bt_str function, int trace)
{
    bt_saved_functions *f = w->f;
    const concrete *known = bt_map_get(&f->concrete, function);
    if (!known || bt_map_get(&w->taken, function)) return BERTH_OK;
    if (!bt_map_put(&w->taken, function, f) ||
        !bt_grow(&f->offered, &w->room, f->n_offered + 1, sizeof *f->offered))
        return bt_fail_memory(f->error);
    f->offered[f->n_offered++] = (bt_saved_function){path, function, known->message, known->note, trace};
    return BERTH_OK;
}

/* SavedConcreteFunction: canonicalized_input_signature = 3. Done once, however often a function is listed. */
static berth_status read_note(walk *w, bt_str function, bt_str spec, bool *is_default)
{
    bool failed = false;
    concrete *known = bt_map_get(&w->f->concrete, function);
    *is_default = false;
    if (!known) return BERTH_OK;
    if (!known->note)
        known->note = bt_saved_structure_values(bt_wire_field(known->message, 3, &failed), spec,
                                                &w->f->source->arena, &known->is_default);
    *is_default = known->is_default;
    return known->note ? BERTH_OK : bt_fail_memory(w->f->error);
}

/* SavedFunction: concrete_functions = 1, function_spec = 2; SavedBareConcreteFunction: concrete_function_name = 1,
 * function_spec = 4. One that is traced for several kinds of arguments is several; that of its defaults comes first. */
static berth_status offer_function(walk *w, size_t parent, bt_str name, uint32_t kind, bt_str message)
{
    bool failed = false, is_default;
    if (is_hidden(name) || w->places[parent].length + name.n > LONGEST_PATH) return BERTH_OK;
    const char *path = path_of(w, parent, name);
    bt_str spec = bt_wire_field(message, kind == FUNCTION ? 2 : 4, &failed);
    if (!path) return bt_fail_memory(w->f->error);
    int trace = 0;
    for (int turn = 0; turn < 2; turn++) { /* the first of the defaults, then the others */
        bt_wire m = bt_wire_of(message);
        bool found = false;
        while (bt_wire_next(&m)) {
            if (m.field != 1) continue;
            bt_str function = bt_wire_bytes(&m);
            if (read_note(w, function, spec, &is_default)) return w->f->error->status;
            bool is_it = is_default && !found;
            found |= is_it;
            if ((turn == 0) == is_it && offer_trace(w, path, function, trace++)) return w->f->error->status;
        }
    }
    return BERTH_OK;
}

/* The function that makes a resource; empty when there is none. */
static bt_str creator_of(bt_saved_functions *f, size_t resource)
{
    size_t child;
    bool failed = false;
    bt_str message = {"", 0};
    if (!bt_objects_find(&f->objects, resource, bt_str_of(creator), &child) ||
        !is_function(kind_of(f->objects.nodes[child], &message)))
        return message;
    return bt_wire_field(message, 1, &failed);
}

static berth_status visit(walk *w, size_t i, size_t *queue, size_t *n)
{
    bt_str name, message = {"", 0};
    size_t child;
    bt_wire members = bt_wire_of(w->f->objects.nodes[i]);
    while (bt_objects_next(&w->f->objects, &members, &name, &child)) {
        place *to = &w->places[child];
        bool is_signatures =
            !i && w->f->is_beside && bt_str_is(name, "signatures"); /* which are read already */
        if (to->seen || is_signatures) continue;
        to->seen = true;
        uint32_t kind = kind_of(w->f->objects.nodes[child], &message);
        if (is_function(kind)) {
            if (offer_function(w, i, name, kind, message)) return w->f->error->status;
        } else if (w->places[i].length + name.n < LONGEST_PATH) {
            *to = (place){i, w->places[i].length + name.n + 1, name, true};
            queue[(*n)++] = child;
        }
    }
    return BERTH_OK;
}

/* Nearest first, so that each function has its shortest path. */
static berth_status walk_objects(walk *w)
{
    bt_saved_functions *f = w->f;
    size_t n = 0;
    size_t *queue = bt_arena_array(&f->source->arena, size_t, f->objects.n + 1);
    w->places = bt_arena_array(&f->source->arena, place, f->objects.n + 1);
    if (!queue || !w->places) return bt_fail_memory(f->error);
    if (f->objects.n) w->places[0].seen = true, queue[n++] = 0;
    for (size_t i = 0; i < n; i++)
        if (visit(w, queue[i], queue, &n)) return f->error->status;
    return BERTH_OK;
}

/* First traces are called by the path alone, the others "path_1", "path_2". */
static berth_status name_functions(bt_saved_functions *f)
{
    for (int first = 1; first >= 0; first--)
        for (size_t i = 0; i < f->n_offered; i++) {
            bt_saved_function *o = &f->offered[i];
            if ((o->trace == 0) != first) continue;
            o->name = bt_saved_name(&f->names, &f->source->arena, o->name);
            if (!o->name) return bt_fail_memory(f->error);
        }
    return BERTH_OK;
}

/* The map of concrete functions: key = 1, value = 2. */
static berth_status read_concrete(bt_saved_functions *f, bt_str graph)
{
    bool failed = false;
    bt_wire w = bt_wire_of(graph);
    while (bt_wire_next(&w)) {
        if (w.field != 2) continue;
        bt_str entry = bt_wire_bytes(&w);
        concrete *made = bt_arena_new(&f->source->arena, concrete);
        if (!made) return bt_fail_memory(f->error);
        made->message = bt_wire_field(entry, 2, &failed);
        if (!bt_map_put(&f->concrete, bt_wire_field(entry, 1, &failed), made))
            return bt_fail_memory(f->error);
    }
    return failed || w.failed ? bt_fail(f->error, BERTH_BAD_MODEL, "a damaged graph of objects") : BERTH_OK;
}

/* The names of the MetaGraph's own signatures, which functions leave to them. */
static berth_status take_signatures(bt_saved_functions *f)
{
    bool failed = false;
    bt_wire w = bt_wire_of(f->meta);
    while (bt_wire_next(&w)) {
        bt_str name = w.field == META_SIGNATURE ? bt_wire_field(bt_wire_bytes(&w), 1, &failed) : (bt_str){0};
        const char *text = name.n ? bt_arena_copy(&f->source->arena, name.p, name.n) : NULL;
        if (name.n && (!text || !bt_map_put_index(&f->names, bt_str_of(text), 1)))
            return bt_fail_memory(f->error);
    }
    return BERTH_OK;
}

/* Leaves the wanted one. */
static void choose(bt_saved_functions *f, const char *wanted)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n_offered; i++)
        if (!strcmp(f->offered[i].name, wanted)) f->offered[n++] = f->offered[i];
    f->n_offered = n;
}

/* Of the library: the functions, and what makes the tables that they may be bound to. */
static berth_status find_needed(bt_saved_functions *f)
{
    bt_str message;
    if (!f->n_offered) return BERTH_OK;
    f->needed = bt_arena_array(&f->source->arena, bt_str, f->n_offered + f->objects.n);
    if (!f->needed) return bt_fail_memory(f->error);
    for (size_t i = 0; i < f->n_offered; i++) f->needed[f->n_needed++] = f->offered[i].function;
    for (size_t i = 0; i < f->objects.n; i++)
        if (kind_of(f->objects.nodes[i], &message) == RESOURCE) f->needed[f->n_needed++] = creator_of(f, i);
    return BERTH_OK;
}

berth_status bt_saved_functions_find(bt_saved_functions *f, bt_str meta, const char *wanted,
                                     bt_source *source, berth_error *error)
{
    bool failed = false;
    *f = (bt_saved_functions){.source = source, .meta = meta, .error = error};
    f->is_beside = bt_metagraph_has_signatures(meta);
    if (f->is_beside && (!wanted || take_signatures(f) || bt_map_get(&f->names, bt_str_of(wanted))))
        return error->status;
    bt_str graph = bt_wire_field(meta, META_OBJECTS, &failed);
    walk w = {.f = f};
    if (!bt_objects_read(&f->objects, graph, &source->arena, error) && !read_concrete(f, graph) &&
        !walk_objects(&w) && !name_functions(f)) {
        if (f->is_beside && strcmp(wanted, "*")) choose(f, wanted);
        find_needed(f);
    }
    bt_map_free(&w.taken);
    return error->status;
}

/* ---- What functions are bound to ----------------------------------------------------------------------- */

typedef struct offering {
    bt_saved_functions *f;
    const bt_restored *restored;
    bt_objects stored; /* the checkpoint's graph of objects */
    size_t *twins;     /* the same object there, +1; 0: none */
    bt_map shared;     /* shared_name -> index of a node */
    berth_error why;   /* the function at hand is refused, or out of memory */
} offering;

static bt_graph *graph_of(offering *o) { return &o->f->source->graph; }

/* Both graphs are gone through side by side: numbers of objects need not be the same, names of members are. */
static berth_status find_twins(offering *o)
{
    bt_saved_functions *f = o->f;
    size_t n = 0, child, twin;
    bt_str name;
    size_t *queue = bt_arena_array(&f->source->arena, size_t, f->objects.n + 1);
    o->twins = bt_arena_array(&f->source->arena, size_t, f->objects.n + 1);
    if (!queue || !o->twins) return bt_fail_memory(f->error);
    if (bt_objects_read(&o->stored, o->restored->objects, &f->source->arena, f->error))
        return f->error->status;
    if (f->objects.n && o->stored.n) o->twins[0] = 1, queue[n++] = 0;
    for (size_t i = 0; i < n; i++) {
        bt_wire members = bt_wire_of(f->objects.nodes[queue[i]]);
        while (bt_objects_next(&f->objects, &members, &name, &child)) {
            if (o->twins[child] || !bt_objects_find(&o->stored, o->twins[queue[i]] - 1, name, &twin))
                continue;
            o->twins[child] = twin + 1;
            queue[n++] = child;
        }
    }
    return BERTH_OK;
}

/* Nodes by the names that they share what they hold under. */
static berth_status find_shared(offering *o)
{
    bt_graph *g = graph_of(o);
    for (size_t i = 0; i < g->n_nodes; i++) {
        bt_str name = bt_str_of(bt_attr_string(&g->nodes[i], "shared_name", ""));
        if (name.n && strcmp(g->nodes[i].op, "VarHandleOp") && !bt_map_get(&o->shared, name) &&
            !bt_map_put_index(&o->shared, name, i))
            return bt_fail_memory(o->f->error);
    }
    return BERTH_OK;
}

/* SavedVariable: name = 6. Its values stand under a key of the checkpoint, and that restores a node of the graph. */
static berth_status bound_variable(offering *o, size_t id, bt_str message, bt_edge *edge)
{
    bool failed = false;
    bt_str name = bt_wire_field(message, 6, &failed), full;
    bt_str key = o->twins[id] ? bt_objects_variable(&o->stored, o->twins[id] - 1, &full) : (bt_str){"", 0};
    ptrdiff_t node = bt_map_get_index(&o->restored->handles, key);
    if (node < 0 || strcmp(graph_of(o)->nodes[node].op, "VarHandleOp"))
        return bt_fail(&o->why, BERTH_BAD_MODEL, "nothing restores its variable '%.*s'",
                       (int)(name.n < 200 ? name.n : 200), name.p);
    *edge = (bt_edge){(int32_t)node, 0};
    return BERTH_OK;
}

/* SavedConstant: operation = 1 */
static berth_status bound_constant(offering *o, bt_str message, bt_edge *edge)
{
    bool failed = false;
    bt_str name = bt_wire_field(message, 1, &failed);
    *edge = (bt_edge){bt_graph_find(graph_of(o), name), 0};
    if (edge->node >= 0) return BERTH_OK;
    return bt_fail(&o->why, BERTH_BAD_MODEL, "its constant '%.*s' is not in the graph",
                   (int)(name.n < 200 ? name.n : 200), name.p);
}

/* SavedAsset: asset_file_def_index = 1. The file's path, as a constant. */
static berth_status bound_asset(offering *o, bt_str message, bt_edge *edge)
{
    bt_source *s = o->f->source;
    uint64_t index = 0;
    bool failed = false;
    bt_wire w = bt_wire_of(message), assets = bt_wire_of(o->f->meta);
    bt_str tensor = {"", 0};
    while (bt_wire_next(&w))
        if (w.field == 1) index = bt_wire_uint(&w);
    while (bt_wire_next(&assets))
        if (assets.field == META_ASSET && index-- == 0)
            tensor = bt_wire_field(bt_wire_field(bt_wire_bytes(&assets), 1, &failed), 1, &failed);
    int i = 0;
    while (i < s->n_asset_feeds && !bt_str_is(tensor, s->asset_feeds[i].tensor)) i++;
    if (i == s->n_asset_feeds)
        return bt_fail(&o->why, BERTH_BAD_MODEL, "an asset that it reads is not among the model's");
    const char *path = s->asset_feeds[i].key, *name = bt_graph_unique_name(&s->graph, "asset_path");
    bt_string *text = bt_arena_new(&s->arena, bt_string);
    int32_t node = name && text ? bt_graph_add(&s->graph, name, "Const") : -1;
    if (node < 0) return bt_fail_memory(&o->why);
    *text = (bt_string){(char *)path, strlen(path)};
    bt_tensor value = {.dtype = BERTH_STRING, .shape = BT_SCALAR, .data = text};
    *edge = (bt_edge){node, 0};
    return bt_set_tensor(&s->graph, node, "value", &value) &&
                   bt_set_type(&s->graph, node, "dtype", BERTH_STRING)
               ? BERTH_OK
               : bt_fail_memory(&o->why);
}

/* A call of a function of the model; -1: out of memory. */
static int32_t add_call(offering *o, const char *base, const bt_function *callee, const bt_edge *inputs)
{
    bt_graph *g = graph_of(o);
    int n = callee->n_args;
    const char *name = bt_graph_unique_name(g, base);
    berth_dtype *types = bt_arena_array(g->arena, berth_dtype, (size_t)n + 1);
    int32_t node =
        name && types
            ? bt_graph_add(g, name, callee->is_stateful ? "StatefulPartitionedCall" : "PartitionedCall")
            : -1;
    if (node < 0) return -1;
    for (int i = 0; i < n; i++)
        types[i] = bt_attr_type(&callee->graph.nodes[callee->args[i]], "T", BERTH_NO_DTYPE);
    bool set = bt_node_set_inputs(g, node, inputs, n) && bt_set_types(g, node, "Tin", types, n) &&
               bt_set_types(g, node, "Tout", callee->result_types, callee->n_results) &&
               bt_set_func(g, node, "f", callee->name);
    return set ? node : -1;
}

const char *bt_saved_table(const char *op)
{
    static const char *const ops[][2] = {
        {"AnonymousHashTable", "HashTableV2"},
        {"AnonymousMutableHashTable", "MutableHashTableV2"},
        {"AnonymousMutableHashTableOfTensors", "MutableHashTableOfTensorsV2"},
        {"AnonymousMutableDenseHashTable", "MutableDenseHashTableV2"}};
    if (!bt_starts(op, "Anonymous")) return NULL;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (!strcmp(op, ops[i][0])) return ops[i][1];
    return NULL;
}

/* Of tables that had no name (savedmodel.c gave them one), where there is but one of the kind. */
static berth_status only_table(offering *o, const char *op, bt_edge *edge)
{
    const bt_graph *g = graph_of(o);
    int n = 0;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const char *name = bt_attr_string(&g->nodes[i], "shared_name", "");
        if (!strcmp(g->nodes[i].op, op) && bt_starts(name, "anonymous/") && n++ == 0)
            *edge = (bt_edge){(int32_t)i, 0};
    }
    if (n == 1) return BERTH_OK;
    return bt_fail(&o->why, BERTH_UNSUPPORTED, "nothing says which of the tables without a name it reads");
}

/* The node that the graph has for a table, which its initialisation fills; else what the function that makes it gives. */
static berth_status bound_resource(offering *o, size_t id, bt_edge *edge)
{
    bt_graph *g = graph_of(o);
    const bt_function *f = bt_map_get(&o->f->source->functions, creator_of(o->f, id));
    if (!f || f->n_args || f->n_results != 1)
        return bt_fail(&o->why, BERTH_UNSUPPORTED,
                       "nothing says how the table or other resource that it reads is made");
    const bt_node *made = &f->graph.nodes[f->results[0].node];
    if (!strcmp(made->op, "Identity") && made->n_inputs) made = &f->graph.nodes[made->inputs[0].node];
    ptrdiff_t shared = bt_map_get_index(&o->shared, bt_str_of(bt_attr_string(made, "shared_name", "")));
    if (bt_saved_table(made->op)) return only_table(o, bt_saved_table(made->op), edge);
    if (shared >= 0 && !strcmp(g->nodes[shared].op, made->op)) *edge = (bt_edge){(int32_t)shared, 0};
    else *edge = (bt_edge){add_call(o, "resource", f, NULL), 0};
    return edge->node < 0 ? bt_fail_memory(&o->why) : BERTH_OK;
}

static berth_status bound_value(offering *o, uint64_t id, bt_edge *edge)
{
    bt_str message = {"", 0};
    if (id >= o->f->objects.n)
        return bt_fail(&o->why, BERTH_BAD_MODEL, "it needs object %" PRIu64 ", which is not there", id);
    bt_edge *known = &o->f->values[id];
    if (known->slot == 0) return *edge = *known, BERTH_OK;
    switch (kind_of(o->f->objects.nodes[id], &message)) {
    case VARIABLE: bound_variable(o, id, message, edge); break;
    case CONSTANT: bound_constant(o, message, edge); break;
    case ASSET: bound_asset(o, message, edge); break;
    case RESOURCE: bound_resource(o, id, edge); break;
    case CAPTURED:
        return bt_fail(&o->why, BERTH_UNSUPPORTED,
                       "it reads a tensor of another function, and runs only within that");
    default: return bt_fail(&o->why, BERTH_UNSUPPORTED, "it needs an object of the program that wrote it");
    }
    if (!o->why.status) *known = *edge;
    return o->why.status;
}

/* ---- Offering ------------------------------------------------------------------------------------------ */

/* Placeholder i of a call, for an argument of its name. */
static berth_status add_input(offering *o, const bt_function *callee, int i, const char *base, bt_map *taken,
                              bt_port *port, bt_edge *edge)
{
    bt_graph *g = graph_of(o);
    const bt_node *arg = &callee->graph.nodes[callee->args[i]];
    const bt_attr_value *shapes;
    berth_dtype dtype = bt_attr_type(arg, "T", BERTH_NO_DTYPE);
    const char *key = bt_attr_string(arg, "_user_specified_name", callee->arg_names[i]);
    bool is_shaped = bt_attr_shapes(arg, "_output_shapes", &shapes) == 1;
    if (dtype == BERTH_RESOURCE || dtype == BERTH_VARIANT)
        return bt_fail(&o->why, BERTH_UNSUPPORTED, "its argument '%s' is no tensor, but a %s", key,
                       bt_dtype_name(dtype));
    key = bt_saved_name(taken, g->arena, *key ? key : "input");
    const char *text = key ? bt_arena_print(g->arena, "%s_%s", base, key) : NULL;
    const char *clean = text ? bt_graph_clean_name(g->arena, bt_str_of(text)) : NULL;
    const char *name = clean ? bt_graph_unique_name(g, clean) : NULL;
    int32_t node = name ? bt_graph_add(g, name, "Placeholder") : -1;
    *port = (bt_port){.key = key, .dtype = dtype, .shape = is_shaped ? *shapes[0].shape : BT_SHAPE_UNKNOWN};
    if (node < 0 || !bt_set_type(g, node, "dtype", dtype) || !bt_set_shape(g, node, "shape", &port->shape) ||
        !(port->tensor = bt_arena_print(g->arena, "%s:0", name)))
        return bt_fail_memory(&o->why);
    *edge = (bt_edge){node, 0};
    return BERTH_OK;
}

static berth_status add_outputs(offering *o, const bt_saved_function *offer, const bt_function *callee,
                                int32_t call, bt_signature *s)
{
    bool failed = false;
    bt_graph *g = graph_of(o);
    bt_str structure = bt_wire_field(offer->message, 4, &failed);
    if (failed) return bt_fail(&o->why, BERTH_BAD_MODEL, "damaged outputs");
    s->n_outputs = callee->n_results;
    s->outputs = bt_arena_array(g->arena, bt_port, (size_t)s->n_outputs);
    if (!s->outputs) return bt_fail_memory(&o->why);
    for (int i = 0; i < s->n_outputs; i++) {
        const char *tensor = bt_arena_print(g->arena, "%s:%d", g->nodes[call].name, i);
        s->outputs[i] =
            (bt_port){.tensor = tensor, .dtype = callee->result_types[i], .shape = BT_SHAPE_UNKNOWN};
        if (!tensor) return bt_fail_memory(&o->why);
        if (s->outputs[i].dtype == BERTH_RESOURCE || s->outputs[i].dtype == BERTH_VARIANT)
            return bt_fail(&o->why, BERTH_UNSUPPORTED, "it gives what is no tensor, but a %s",
                           bt_dtype_name(s->outputs[i].dtype));
    }
    return bt_saved_structure_name(structure, g->arena, s->outputs, s->n_outputs, &o->why);
}

/* What is bound stands behind the arguments: bound_inputs = 2. */
static berth_status bind(offering *o, const bt_saved_function *offer, bt_edge *edges, int room)
{
    int n = 0;
    bt_wire w = bt_wire_of(offer->message);
    while (bt_wire_next(&w)) {
        if (w.field != 2) continue;
        bt_reader ids = bt_wire_numbers(&w, BT_WIRE_VARINT);
        while (bt_reader_left(&ids) > 0 && !ids.failed && n < room)
            if (bound_value(o, bt_wire_number(&ids, BT_WIRE_VARINT), &edges[n++])) return o->why.status;
        w.failed |= ids.failed;
    }
    return w.failed ? bt_fail(&o->why, BERTH_BAD_MODEL, "damaged") : BERTH_OK;
}

/* How many objects it is bound to. */
static size_t count_bound(bt_str message)
{
    size_t n = 0;
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w)) {
        if (w.field != 2) continue;
        bt_reader ids = bt_wire_numbers(&w, BT_WIRE_VARINT);
        n += bt_wire_numbers_count(&ids, BT_WIRE_VARINT);
    }
    return n;
}

/* Nodes that were added for a function that is refused in the end stay, and nothing reads them. */
static berth_status offer(offering *o, const bt_saved_function *offered, bt_signature *s)
{
    bt_arena *arena = graph_of(o)->arena;
    const bt_function *callee = bt_map_get(&o->f->source->functions, offered->function);
    size_t n_bound = count_bound(offered->message);
    bt_map taken = {0};
    const char *name = offered->name + strspn(offered->name, "_");
    *s = (bt_signature){.name = offered->name, .method = "tensorflow/serving/predict", .note = offered->note};
    if (!callee) return bt_fail(&o->why, BERTH_BAD_MODEL, "the file does not have it");
    if (n_bound > (size_t)callee->n_args)
        return bt_fail(&o->why, BERTH_BAD_MODEL, "it is bound to %zu objects and has %d arguments", n_bound,
                       callee->n_args);
    if (!callee->n_results) return bt_fail(&o->why, BERTH_UNSUPPORTED, "it gives no output");
    s->n_inputs = callee->n_args - (int)n_bound;
    s->inputs = bt_arena_array(arena, bt_port, (size_t)s->n_inputs);
    bt_edge *edges = bt_arena_array(arena, bt_edge, (size_t)callee->n_args + 1);
    const char *base = bt_graph_clean_name(arena, *name ? bt_str_of(name) : bt_str_of("function"));
    if (!s->inputs || !edges || !base) return bt_fail_memory(&o->why);
    bind(o, offered, edges + s->n_inputs, (int)n_bound);
    for (int i = 0; i < s->n_inputs && !o->why.status; i++)
        add_input(o, callee, i, base, &taken, &s->inputs[i], &edges[i]);
    bt_map_free(&taken);
    int32_t call = o->why.status ? -1 : add_call(o, base, callee, edges);
    if (call < 0) return bt_fail_memory(&o->why);
    return add_outputs(o, offered, callee, call, s);
}

static berth_status offer_all(offering *o)
{
    bt_saved_functions *f = o->f;
    bt_source *s = f->source;
    const bt_signature *own = s->signatures;
    int n_own = s->n_signatures;
    s->signatures = bt_arena_array(&s->arena, bt_signature, (size_t)n_own + f->n_offered);
    s->refused = bt_arena_array(&s->arena, bt_refusal, f->n_offered);
    f->values = bt_arena_array(&s->arena, bt_edge, f->objects.n + 1);
    if (!s->signatures || !s->refused || !f->values) return bt_fail_memory(f->error);
    if (n_own) memcpy(s->signatures, own, (size_t)n_own * sizeof *own);
    for (size_t i = 0; i < f->objects.n; i++) f->values[i].slot = -1;
    if (find_twins(o) || find_shared(o)) return f->error->status;
    for (size_t i = 0; i < f->n_offered; i++) {
        bt_error_clear(&o->why);
        if (!offer(o, &f->offered[i], &s->signatures[s->n_signatures])) {
            s->n_signatures++;
            continue;
        }
        const char *reason = bt_arena_copy(&s->arena, o->why.message, strlen(o->why.message));
        if (o->why.status == BERTH_NO_MEMORY || !reason) return bt_fail_memory(f->error);
        s->refused[s->n_refused++] = (bt_refusal){f->offered[i].name, reason};
    }
    s->n_functions = f->is_beside ? s->n_signatures - n_own : 0;
    return BERTH_OK;
}

berth_status bt_saved_functions_offer(bt_saved_functions *f, const bt_restored *restored)
{
    offering o = {.f = f, .restored = restored};
    if (f->n_offered) offer_all(&o);
    bt_objects_free(&o.stored);
    bt_map_free(&o.shared);
    return f->error->status;
}

void bt_saved_functions_free(bt_saved_functions *f)
{
    bt_objects_free(&f->objects);
    bt_map_free(&f->concrete);
    bt_map_free(&f->names);
    bt_free(f->offered);
}
