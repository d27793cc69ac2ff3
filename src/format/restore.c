/* Nothing is run here: from the restore op, edges are followed to every assignment whose value comes out of a
 * RestoreV2, through functions in TensorFlow 2's files. Its constants name the tensor and the slice; the other end
 * of the assignment is the variable. Tables that are filled likewise are filled from constants when a session starts.
 * Reading tensors: bundle.c. */
#include "format/restore.h"

#include "base/wire.h"
#include "ops/function.h"

#define CALL_LIMIT 10000 /* functions entered, and steps along one edge */
#define DEPTH_LIMIT 50

/* A graph, and how it was entered when it is a function's. */
typedef struct frame {
    const bt_graph *graph;
    const struct frame *caller;
    const bt_node *call;
    int depth;
} frame;

/* A table's node, and what is to fill it. */
typedef struct filling {
    int32_t table;
    bt_tensor sides[2]; /* keys, values */
} filling;

typedef struct restore {
    bt_source *source;
    bt_bundle *bundle;
    bt_restored *restored; /* may be NULL */
    filling *fillings;
    size_t n_fillings, room;
    int n_calls;
    berth_error *error;
} restore;

static bool op_is(const bt_node *node, const char *op) { return node && strcmp(node->op, op) == 0; }

/* The node that gives input i, seen through identities and arguments; *slot is which output. *f becomes the frame
 * that it stands in. NULL: none. */
static const bt_node *trace(const frame **f, const bt_node *node, int i, int *slot)
{
    for (int steps = 0; steps < CALL_LIMIT && i >= 0 && i < node->n_inputs; steps++) {
        *slot = node->inputs[i].slot;
        node = &(*f)->graph->nodes[node->inputs[i].node];
        if (op_is(node, "Identity")) {
            i = 0;
        } else if (op_is(node, "_Arg") && (*f)->caller) {
            i = (int)bt_attr_int(node, "index", -1);
            node = (*f)->call;
            *f = (*f)->caller;
        } else {
            return node;
        }
    }
    return NULL;
}

/* Element `index` of the constant strings at input i. */
static bool constant_string(const frame *f, const bt_node *node, int i, int index, bt_str *out)
{
    int slot;
    const bt_node *constant = trace(&f, node, i, &slot);
    const bt_tensor *t = op_is(constant, "Const") ? bt_attr_tensor(constant, "value") : NULL;
    if (!t || t->dtype != BERTH_STRING || index >= bt_tensor_count(t)) return false;
    const bt_string *s = (const bt_string *)t->data + index;
    *out = (bt_str){s->p ? s->p : "", s->n};
    return true;
}

/* The name of a variable's node in source->variables; NULL when it is no variable. */
static const char *variable_name(const bt_node *node)
{
    if (!node) return NULL;
    if (op_is(node, "VariableV2") || op_is(node, "Variable")) return node->name;
    if (!op_is(node, "VarHandleOp")) return NULL;
    const char *shared = bt_attr_string(node, "shared_name", "");
    return *shared ? shared : node->name;
}

/* Whether the node of a variable holds such a tensor: by a name alone, it may be another one's. */
static bool can_hold(const bt_node *node, const bt_tensor *value)
{
    bt_shape shape;
    return bt_attr_type(node, "dtype", value->dtype) == value->dtype &&
           (!op_is(node, "VarHandleOp") || !bt_attr_shape(node, "shape", &shape) ||
            bt_shape_compatible(&shape, &value->shape));
}

/* node: of the graph, or NULL when it stands in a function. by_name: it is no more than likely. */
static berth_status read_variable(restore *r, const bt_node *node, const char *name, bt_str key, bt_str slice,
                                  bool by_name)
{
    bt_variable *variable = bt_arena_new(&r->source->arena, bt_variable);
    if (!variable) return bt_fail_memory(r->error);
    variable->name = name;
    if (bt_bundle_read(r->bundle, key, slice, &variable->value, r->error)) return r->error->status;
    if (by_name && !can_hold(node, &variable->value)) return BERTH_OK;
    if (node && r->restored && !bt_map_get(&r->restored->handles, key) &&
        !bt_map_put_index(&r->restored->handles, key, (size_t)(node - r->source->graph.nodes)))
        return bt_fail_memory(r->error);
    return bt_map_put(&r->source->variables, bt_str_of(name), variable) ? BERTH_OK : bt_fail_memory(r->error);
}

/* Whether input i comes out of RestoreV2(prefix, names, slices), or of its elders, RestoreSlice(pattern, name, slice) and
 * Restore(pattern, name): which tensor of the checkpoint it is, and which slice of it. */
static bool is_restored(const frame *f, const bt_node *node, int i, bt_str *key, bt_str *slice)
{
    int slot;
    const bt_node *value = trace(&f, node, i, &slot);
    bool whole = op_is(value, "Restore");
    if (!(whole || op_is(value, "RestoreV2") || op_is(value, "RestoreSlice"))) return false;
    if (whole) *slice = (bt_str){"", 0};
    return constant_string(f, value, 1, slot, key) && (whole || constant_string(f, value, 2, slot, slice));
}

static const bt_function *callee(const restore *r, const bt_node *call)
{
    const char *name = bt_attr_func(call, "f");
    return bt_map_get(&r->source->functions, bt_str_of(name ? name : call->op));
}

/* LookupTableImport(table, keys, values), both restored. The graph does not change before it is gone through. */
static berth_status fill(restore *r, const frame *f, const bt_node *node)
{
    int ignored;
    bt_str key, slice;
    const frame *to = f;
    const bt_node *table = trace(&to, node, 0, &ignored);
    if (!table || to->caller) return BERTH_OK;
    if (!bt_grow(&r->fillings, &r->room, r->n_fillings + 1, sizeof *r->fillings))
        return bt_fail_memory(r->error);
    filling *filled = &r->fillings[r->n_fillings];
    *filled = (filling){.table = (int32_t)(table - r->source->graph.nodes)};
    for (int i = 0; i < 2; i++) {
        if (!is_restored(f, node, i + 1, &key, &slice)) return BERTH_OK;
        if (bt_bundle_read(r->bundle, key, slice, &filled->sides[i], r->error)) return r->error->status;
    }
    r->n_fillings++;
    return BERTH_OK;
}

/* The constant; of a dense table's buckets, which are [n, elements of a row], behind a node that hides the shape: TensorFlow's shape
 * function of LookupTableImport wants vectors. -1: out of memory. */
static int32_t add_side(bt_graph *g, const char *base, const bt_tensor *side, bool is_dense)
{
    const char *name = bt_graph_unique_name(g, base);
    int32_t node = name ? bt_graph_add(g, name, "Const") : -1;
    if (node < 0 || !bt_set_tensor(g, node, "value", side) || !bt_set_type(g, node, "dtype", side->dtype))
        return -1;
    if (!is_dense) return node;
    bt_edge in = {node, 0};
    name = bt_graph_unique_name(g, base);
    node = name ? bt_graph_add(g, name, "PlaceholderWithDefault") : -1;
    bool set = node >= 0 && bt_node_set_inputs(g, node, &in, 1) &&
               bt_set_type(g, node, "dtype", side->dtype) &&
               bt_set_shape(g, node, "shape", &BT_SHAPE_UNKNOWN);
    return set ? node : -1;
}

/* A table is filled from constants when a session starts. */
static bool add_filling(restore *r, const filling *filled)
{
    bt_graph *g = &r->source->graph;
    bool is_dense = filled->sides[0].shape.rank == 2;
    bt_edge inputs[3] = {{filled->table, 0}};
    inputs[1].node = add_side(g, "restored_keys", &filled->sides[0], is_dense);
    inputs[2].node = add_side(g, "restored_values", &filled->sides[1], is_dense);
    const char *name = bt_graph_unique_name(g, "restored_table");
    int32_t node = name ? bt_graph_add(g, name, "LookupTableImportV2") : -1;
    return inputs[1].node >= 0 && inputs[2].node >= 0 && node >= 0 &&
           bt_node_set_inputs(g, node, inputs, 3) && bt_set_type(g, node, "Tin", filled->sides[0].dtype) &&
           bt_set_type(g, node, "Tout", filled->sides[1].dtype) && bt_source_add_init(r->source, name);
}

/* Assign(ref, value), AssignVariableOp(handle, value): value restored. */
static berth_status assign(restore *r, const frame *f, const bt_node *node)
{
    int ignored;
    bt_str key, slice;
    const frame *to = f;
    const bt_node *variable = trace(&to, node, 0, &ignored);
    const char *name = variable_name(variable);
    if (!name || !is_restored(f, node, 1, &key, &slice)) return BERTH_OK;
    return read_variable(r, to->caller ? NULL : variable, name, key, slice, false);
}

static berth_status visit(restore *r, const frame *f, const bt_node *node);

/* All nodes of the function that a call enters. */
static berth_status enter(restore *r, const frame *caller, const bt_node *call)
{
    const bt_function *function = callee(r, call);
    if (!function || caller->depth == DEPTH_LIMIT || ++r->n_calls > CALL_LIMIT) return BERTH_OK;
    frame f = {&function->graph, caller, call, caller->depth + 1};
    for (size_t i = 0; i < f.graph->n_nodes; i++)
        if (visit(r, &f, &f.graph->nodes[i])) return r->error->status;
    return BERTH_OK;
}

static berth_status visit(restore *r, const frame *f, const bt_node *node)
{
    if (op_is(node, "AssignVariableOp") || op_is(node, "Assign")) return assign(r, f, node);
    if (op_is(node, "LookupTableImportV2") || op_is(node, "LookupTableImport")) return fill(r, f, node);
    if (bt_op_calls(node->op) || !node->def)
        return enter(r, f, node);
    return BERTH_OK;
}

/* All nodes that the restore op waits for. */
static berth_status follow(restore *r, int32_t first)
{
    const bt_graph *graph = &r->source->graph;
    frame f = {graph, NULL, NULL, 0};
    bool *seen = bt_calloc(graph->n_nodes, sizeof *seen);
    int32_t *stack = bt_calloc(graph->n_nodes, sizeof *stack);
    size_t n = 0;
    if (!seen || !stack) bt_fail_memory(r->error);
    else seen[stack[n++] = first] = true;
    while (n > 0 && !r->error->status) {
        const bt_node *node = &graph->nodes[stack[--n]];
        visit(r, &f, node);
        for (int i = 0; i < node->n_inputs + node->n_controls; i++) {
            int32_t next = i < node->n_inputs ? node->inputs[i].node : node->controls[i - node->n_inputs];
            if (!seen[next]) seen[stack[n++] = next] = true;
        }
    }
    bt_free(seen);
    bt_free(stack);
    return r->error->status;
}

/* ---- By name ------------------------------------------------------------------------------------------ */

/* TrackableObjectGraph: nodes = 1 { attributes = 2 { full_name = 2, checkpoint_key = 3 } }. Adds to `keys`:
 * full name -> its key, a bt_str in the arena; an empty one where several have the name. */
static berth_status read_object_graph(restore *r, bt_str message, bt_map *keys)
{
    bt_wire graph = bt_wire_of(message);
    while (bt_wire_next(&graph)) {
        if (graph.field != 1) continue;
        bt_wire node = bt_wire_of(bt_wire_bytes(&graph));
        while (bt_wire_next(&node)) {
            if (node.field != 2) continue;
            bt_str name = {"", 0}, *key = bt_arena_new(&r->source->arena, bt_str);
            if (!key) return bt_fail_memory(r->error);
            bt_wire attribute = bt_wire_of(bt_wire_bytes(&node));
            while (bt_wire_next(&attribute)) {
                if (attribute.field == 2) name = bt_wire_bytes(&attribute);
                if (attribute.field == 3) *key = bt_wire_bytes(&attribute);
            }
            bt_str *known = name.n && key->n ? bt_map_get(keys, name) : NULL;
            if (known && !bt_str_equal(*known, *key)) *known = (bt_str){"", 0};
            else if (name.n && key->n && !bt_map_put(keys, name, key)) return bt_fail_memory(r->error);
        }
    }
    return BERTH_OK;
}

/* The checkpoint's graph of objects; empty when it has none. */
static berth_status find_objects(restore *r, bt_str *objects)
{
    bt_str key = bt_str_of("_CHECKPOINTABLE_OBJECT_GRAPH"), all = {"", 0};
    bt_tensor t;
    *objects = all;
    if (!bt_bundle_has(r->bundle, key)) return BERTH_OK;
    if (bt_bundle_read(r->bundle, key, all, &t, r->error)) return r->error->status;
    const bt_string *s = t.dtype == BERTH_STRING && bt_tensor_count(&t) == 1 ? t.data : NULL;
    if (s && s->n) *objects = (bt_str){s->p, s->n};
    return BERTH_OK;
}

/* A checkpoint of objects says under which key each variable's full name stands; any other uses the names. */
static berth_status match_names(restore *r, bt_map *keys)
{
    const bt_graph *graph = &r->source->graph;
    bt_str all = {"", 0}, objects;
    if (find_objects(r, &objects) || read_object_graph(r, objects, keys)) return r->error->status;
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const char *name = variable_name(&graph->nodes[i]);
        if (!name || bt_map_get(&r->source->variables, bt_str_of(name))) continue;
        const bt_str *key = bt_map_get(keys, bt_str_of(name));
        bt_str found = key && key->n ? *key : bt_str_of(name);
        if (bt_bundle_has(r->bundle, found) && read_variable(r, &graph->nodes[i], name, found, all, true))
            return r->error->status;
    }
    return BERTH_OK;
}

/* TensorFlow sometimes restores into copies of the variables that its functions read: some then are still without. */
static bool lacks_values(const bt_source *source)
{
    for (size_t i = 0; i < source->graph.n_nodes; i++) {
        const char *name = variable_name(&source->graph.nodes[i]);
        if (name && !bt_map_get(&source->variables, bt_str_of(name))) return true;
    }
    return false;
}

berth_status bt_restore_variables(bt_source *source, const char *restore_op, bt_bundle *bundle,
                                  bt_restored *restored, berth_error *error)
{
    restore r = {.source = source, .bundle = bundle, .restored = restored, .error = error};
    if (restored && find_objects(&r, &restored->objects)) return error->status;
    int32_t first = restore_op ? bt_graph_find(&source->graph, bt_str_of(restore_op)) : -1;
    bt_map keys = {0};
    if (first < 0 || (!follow(&r, first) && lacks_values(source))) match_names(&r, &keys);
    for (size_t i = 0; i < r.n_fillings && !error->status; i++)
        if (!add_filling(&r, &r.fillings[i])) bt_fail_memory(error);
    bt_map_free(&keys);
    bt_free(r.fillings);
    return error->status;
}
