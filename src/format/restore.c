/* Nothing is run here: from the restore op, edges are followed to every assignment whose value comes out of a
 * RestoreV2, through functions in TensorFlow 2's files. Its constants name the tensor and the slice; the other end
 * of the assignment is the variable. Reading tensors: bundle.c. */
#include "format/restore.h"

#include "base/wire.h"
#include "ops/op.h"

#define CALL_LIMIT 10000 /* functions entered, and steps along one edge */
#define DEPTH_LIMIT 50

/* A graph, and how it was entered when it is a function's. */
typedef struct frame {
    const bt_graph *graph;
    const struct frame *caller;
    const bt_node *call;
    int depth;
} frame;

typedef struct restore {
    bt_source *source;
    bt_bundle *bundle;
    bt_restored *restored; /* may be NULL */
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

/* node: of the graph, or NULL when it stands in a function. */
static berth_status read_variable(restore *r, const bt_node *node, const char *name, bt_str key, bt_str slice)
{
    if (node && r->restored && !bt_map_get(&r->restored->handles, key) &&
        !bt_map_put_index(&r->restored->handles, key, (size_t)(node - r->source->graph.nodes)))
        return bt_fail_memory(r->error);
    bt_variable *variable = bt_arena_new(&r->source->arena, bt_variable);
    if (!variable) return bt_fail_memory(r->error);
    variable->name = name;
    if (bt_bundle_read(r->bundle, key, slice, &variable->value, r->error)) return r->error->status;
    return bt_map_put(&r->source->variables, bt_str_of(name), variable) ? BERTH_OK : bt_fail_memory(r->error);
}

/* Assign(ref, value), AssignVariableOp(handle, value): value out of RestoreV2(prefix, names, slices), or of its elders,
 * RestoreSlice(pattern, name, slice) and Restore(pattern, name). */
static berth_status assign(restore *r, const frame *f, const bt_node *node)
{
    int slot, ignored;
    bt_str key, slice;
    const frame *to = f, *from = f;
    const bt_node *variable = trace(&to, node, 0, &ignored);
    const char *name = variable_name(variable);
    const bt_node *value = trace(&from, node, 1, &slot);
    bool whole = op_is(value, "Restore");
    if (!name || !(whole || op_is(value, "RestoreV2") || op_is(value, "RestoreSlice"))) return BERTH_OK;
    if (!constant_string(from, value, 1, slot, &key)) return BERTH_OK;
    if (whole) slice = (bt_str){"", 0};
    else if (!constant_string(from, value, 2, slot, &slice)) return BERTH_OK;
    return read_variable(r, to->caller ? NULL : variable, name, key, slice);
}

static berth_status visit(restore *r, const frame *f, const bt_node *node);

/* All nodes of the function that a call enters. */
static berth_status enter(restore *r, const frame *caller, const bt_node *call)
{
    const char *name = bt_attr_func(call, "f");
    const bt_function *function = bt_map_get(&r->source->functions, bt_str_of(name ? name : call->op));
    if (!function || caller->depth == DEPTH_LIMIT || ++r->n_calls > CALL_LIMIT) return BERTH_OK;
    frame f = {&function->graph, caller, call, caller->depth + 1};
    for (size_t i = 0; i < f.graph->n_nodes; i++)
        if (visit(r, &f, &f.graph->nodes[i])) return r->error->status;
    return BERTH_OK;
}

static berth_status visit(restore *r, const frame *f, const bt_node *node)
{
    if (op_is(node, "AssignVariableOp") || op_is(node, "Assign")) return assign(r, f, node);
    if (op_is(node, "PartitionedCall") || op_is(node, "StatefulPartitionedCall") || !node->def)
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
 * full name -> its key, a bt_str in the arena. */
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
            if (name.n && key->n && !bt_map_put(keys, name, key)) return bt_fail_memory(r->error);
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
        bt_str found = key ? *key : bt_str_of(name);
        if (bt_bundle_has(r->bundle, found) && read_variable(r, &graph->nodes[i], name, found, all))
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

berth_status bt_restore_variables(bt_source *source, const char *restore_op, bt_bundle *bundle, bt_restored *restored,
                                  berth_error *error)
{
    restore r = {.source = source, .bundle = bundle, .restored = restored, .error = error};
    if (restored && find_objects(&r, &restored->objects)) return error->status;
    int32_t first = restore_op ? bt_graph_find(&source->graph, bt_str_of(restore_op)) : -1;
    if (first >= 0 && (follow(&r, first) || !lacks_values(source))) return error->status;
    bt_map keys = {0};
    match_names(&r, &keys);
    bt_map_free(&keys);
    return error->status;
}
