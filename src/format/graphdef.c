/* GraphDef: nodes, their inputs by name, and the library of functions. A binary .pb file is one such message; the
 * text form (pbtxt.c) and SavedModel (savedmodel.c) come here too. Attribute values: value.c. Of the library, only
 * the functions that the graph reaches are read: files written by Keras 2 carry hundreds of stored traces. */
#include "format/graphdef.h"

#include "format/format.h"
#include "ops/op.h"

#define DAMAGED(error, ...) bt_fail(error, BERTH_BAD_MODEL, __VA_ARGS__)

/* Fields of NodeDef. */
enum { NODE_NAME = 1, NODE_OP = 2, NODE_INPUT = 3, NODE_DEVICE = 4, NODE_ATTR = 5 };
/* Of FunctionDef. */
enum {
    FUNCTION_SIGNATURE = 1,
    FUNCTION_NODE = 3,
    FUNCTION_RESULT = 4,
    FUNCTION_CONTROL = 6,
    FUNCTION_ARG_ATTR = 7
};
/* Of GraphDef. */
enum { GRAPH_NODE = 1, GRAPH_LIBRARY = 2, GRAPH_VERSION = 3, GRAPH_VERSIONS = 4 };

static bt_arena *arena_of(bt_loader *l) { return &l->source->arena; }

/* ---- Functions that are referred to ------------------------------------------------------------------- */

/* ArgDef: name = 1, type = 3 (0 when it is an attribute of the call), number_attr = 5, type_list_attr = 6 */
static berth_status read_arg(bt_loader *l, bt_str message, const char **name, berth_dtype *type)
{
    bt_str text = {"", 0};
    bt_wire w = bt_wire_of(message);
    *type = BERTH_NO_DTYPE;
    while (bt_wire_next(&w)) {
        if (w.field == 1) text = bt_wire_bytes(&w);
        if (w.field == 3) *type = bt_dtype_read(bt_wire_uint(&w));
        if (w.field == 5 || w.field == 6)
            return bt_fail(l->error, BERTH_UNSUPPORTED, "an argument that is a list of tensors");
    }
    if (w.failed) return DAMAGED(l->error, "damaged argument");
    *name = bt_name_read(l, text, "the name of an argument");
    return l->error->status;
}

static berth_status add_arg(bt_loader *l, bt_function *f, bt_str message)
{
    berth_dtype type;
    const char *name;
    if (read_arg(l, message, &name, &type)) return l->error->status;
    if (bt_graph_find(&f->graph, bt_str_of(name)) >= 0)
        return DAMAGED(l->error, "two arguments are named '%s'", name);
    int32_t node = bt_graph_add(&f->graph, name, "_Arg");
    if (node < 0 || !bt_set_int(&f->graph, node, "index", f->n_args) ||
        (type && !bt_set_type(&f->graph, node, "T", type)))
        return bt_fail_memory(l->error);
    f->arg_names[f->n_args] = name;
    f->args[f->n_args++] = node;
    return BERTH_OK;
}

/* OpDef, a function's signature: input_arg = 2, output_arg = 3, is_stateful = 17 */
static berth_status read_signature(bt_loader *l, bt_function *f, bt_str message)
{
    size_t n_args = bt_wire_count(message, 2), n_results = bt_wire_count(message, 3);
    f->args = bt_arena_array(arena_of(l), int32_t, n_args);
    f->arg_names = bt_arena_array(arena_of(l), const char *, n_args);
    f->results = bt_arena_array(arena_of(l), bt_edge, n_results);
    f->result_names = bt_arena_array(arena_of(l), const char *, n_results);
    f->result_types = bt_arena_array(arena_of(l), berth_dtype, n_results);
    if (!f->args || !f->arg_names || !f->results || !f->result_names || !f->result_types)
        return bt_fail_memory(l->error);
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w)) {
        if (w.field == 2 && add_arg(l, f, bt_wire_bytes(&w))) return l->error->status;
        if (w.field == 3) {
            int i = f->n_results++;
            if (read_arg(l, bt_wire_bytes(&w), &f->result_names[i], &f->result_types[i])) return l->error->status;
        }
        if (w.field == 17) f->is_stateful = bt_wire_uint(&w) != 0;
    }
    return w.failed ? DAMAGED(l->error, "damaged signature") : BERTH_OK;
}

/* Puts a function of the library on the list of those to read, once, with its signature. A name that the library
 * does not have is left to the node that calls it. */
static berth_status want_function(bt_loader *l, bt_str name)
{
    ptrdiff_t index = bt_map_get_index(&l->library, name);
    if (index < 0 || bt_map_get(&l->source->functions, name)) return BERTH_OK;
    bt_function *f = bt_arena_new(arena_of(l), bt_function);
    if (!f || !bt_grow(&l->wanted, &l->wanted_capacity, l->n_wanted + 1, sizeof *l->wanted))
        return bt_fail_memory(l->error);
    f->name = bt_arena_copy(arena_of(l), name.p, name.n);
    if (!f->name || !bt_map_put(&l->source->functions, bt_str_of(f->name), f))
        return bt_fail_memory(l->error);
    l->wanted[l->n_wanted++] = (bt_wanted){f, l->messages[index]};
    bt_graph_init(&f->graph, arena_of(l));
    bt_wire w = bt_wire_of(l->messages[index]);
    while (bt_wire_next(&w) && w.field != FUNCTION_SIGNATURE) {}
    if (read_signature(l, f, bt_wire_bytes(&w))) bt_error_prefix(l->error, "function '%s'", f->name);
    return l->error->status;
}

/* A node refers to functions by its attributes, or by its op when it is the name of one. */
static berth_status want_functions(bt_loader *l, const bt_graph *graph)
{
    if (l->library.count == 0) return BERTH_OK;
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const bt_node *node = &graph->nodes[i];
        if (!node->def && want_function(l, bt_str_of(node->op))) return l->error->status;
        for (int k = 0; k < node->n_attrs; k++) {
            const bt_attr *a = &node->attrs[k];
            if (a->kind != BT_ATTR_FUNC) continue;
            for (int j = 0; j < (a->is_list ? a->n : 1); j++)
                if (want_function(l, a->is_list ? a->list[j].s : a->value.s)) return l->error->status;
        }
    }
    return BERTH_OK;
}

/* The entry of a map field: key = 1, value = 2. */
static bool read_entry(bt_str message, bt_str *key, bt_str *value)
{
    *key = *value = (bt_str){"", 0};
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w)) {
        if (w.field == 1) *key = bt_wire_bytes(&w);
        if (w.field == 2) *value = bt_wire_bytes(&w);
    }
    return !w.failed;
}

/* ---- Nodes -------------------------------------------------------------------------------------------- */

/* Adds the attributes in the entries of map field `field` to those that the node has. */
static berth_status read_attrs(bt_loader *l, bt_str message, uint32_t field, bt_node *node)
{
    size_t n = bt_wire_count(message, field);
    if (n == 0) return BERTH_OK;
    bt_attr *attrs = n < INT32_MAX ? bt_arena_array(arena_of(l), bt_attr, n + (size_t)node->n_attrs) : NULL;
    if (!attrs) return bt_fail_memory(l->error);
    if (node->n_attrs) memcpy(attrs, node->attrs, (size_t)node->n_attrs * sizeof *attrs);
    node->attrs = attrs;
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w)) {
        bt_str key, value;
        if (w.field != field) continue;
        if (!read_entry(bt_wire_bytes(&w), &key, &value)) return DAMAGED(l->error, "damaged attribute");
        bt_attr *attr = &attrs[node->n_attrs];
        attr->name = bt_name_read(l, key, "the name of an attribute");
        if (!attr->name) return l->error->status;
        if (bt_attr_read(l, value, attr)) {
            bt_error_prefix(l->error, "attribute '%s'", attr->name);
            return l->error->status;
        }
        node->n_attrs++;
    }
    return BERTH_OK;
}

/* Adds the node of a NodeDef; its inputs wait until all names are known. */
static berth_status read_node(bt_loader *l, bt_graph *graph, bt_str message)
{
    bt_str name = {"", 0}, op = {"", 0}, device = {"", 0};
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w)) {
        if (w.field == NODE_NAME) name = bt_wire_bytes(&w);
        if (w.field == NODE_OP) op = bt_wire_bytes(&w);
        if (w.field == NODE_DEVICE) device = bt_wire_bytes(&w);
    }
    if (w.failed) return DAMAGED(l->error, "damaged node, the %zu. of the graph", graph->n_nodes + 1);
    const char *name_text = bt_name_read(l, name, "the name of a node");
    if (!name_text) return l->error->status;
    if (bt_graph_find(graph, name) >= 0) return DAMAGED(l->error, "two nodes are named '%s'", name_text);
    const char *op_text = bt_name_read(l, op, "its op");
    const char *device_text = device.n && op_text ? bt_name_read(l, device, "its device") : "";
    if (op_text && device_text) {
        int32_t i = bt_graph_add(graph, name_text, op_text);
        if (i < 0) return bt_fail_memory(l->error);
        graph->nodes[i].device = device_text;
        read_attrs(l, message, NODE_ATTR, &graph->nodes[i]);
    }
    if (l->error->status) bt_error_prefix(l->error, "node '%s'", name_text);
    return l->error->status;
}

/* Adds all nodes in field `field` of a GraphDef or FunctionDef. */
static berth_status read_nodes(bt_loader *l, bt_graph *graph, bt_str message, uint32_t field)
{
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w))
        if (w.field == field && read_node(l, graph, bt_wire_bytes(&w))) return l->error->status;
    if (w.failed) return DAMAGED(l->error, "damaged graph");
    bt_ops_resolve(graph);
    for (size_t i = 0; i < graph->n_nodes; i++) /* what attributes an unknown op has is its own affair */
        if (graph->nodes[i].def && bt_attr_check(&l->kinds, &graph->nodes[i], l->error)) return l->error->status;
    return want_functions(l, graph);
}

/* ---- Edges -------------------------------------------------------------------------------------------- */

/* Finds what an input's name stands for: an edge, or a node to wait for (*edge has slot -1). */
typedef berth_status find_fn(bt_loader *l, const bt_graph *graph, bt_str text, bt_edge *edge);

static berth_status no_such(bt_loader *l, bt_str text)
{
    return DAMAGED(l->error, "its input '%.*s' is not in the graph", (int)(text.n < 200 ? text.n : 200),
                   text.p);
}

/* In a graph: "node", "node:slot", "^node". */
static berth_status find_in_graph(bt_loader *l, const bt_graph *graph, bt_str text, bt_edge *edge)
{
    bt_str name;
    int slot;
    if (!bt_tensor_name(text, &name, &slot)) return no_such(l, text);
    *edge = (bt_edge){bt_graph_find(graph, name), slot};
    if (edge->node < 0) return no_such(l, text);
    const bt_node *from = &graph->nodes[edge->node];
    if (slot >= 0 && from->def && slot >= bt_node_outputs(from))
        return DAMAGED(l->error, "its input '%.*s' is beyond the %d outputs of that node (%s)", (int)text.n,
                       text.p, bt_node_outputs(from), from->op);
    return BERTH_OK;
}

/* The slot of output argument `arg` of a node whose op is the name of a function, or is not known here, where
 * nothing better than `index` can be told. */
static int64_t callee_slot(bt_loader *l, const char *callee, bt_str arg, int64_t index)
{
    const bt_function *f = bt_map_get(&l->source->functions, bt_str_of(callee));
    if (!f) return index;
    for (int i = 0; i < f->n_results && i < 4096; i++)
        if (bt_str_is(arg, f->result_names[i])) return i + index;
    return -1;
}

/* In a function: "argument", "node:output argument:index", "^node". */
static berth_status find_in_function(bt_loader *l, const bt_graph *graph, bt_str text, bt_edge *edge)
{
    bt_str name = text, arg = {"", 0}, number = {"0", 1};
    bool control = text.n && text.p[0] == '^';
    if (control) name.p++, name.n--;
    const char *colon = memchr(name.p, ':', name.n);
    if (colon) {
        arg = (bt_str){colon + 1, (size_t)(name.p + name.n - colon - 1)};
        name.n = (size_t)(colon - name.p);
        colon = memchr(arg.p, ':', arg.n);
        if (colon) {
            number = (bt_str){colon + 1, (size_t)(arg.p + arg.n - colon - 1)};
            arg.n = (size_t)(colon - arg.p);
        }
    }
    int64_t slot;
    *edge = (bt_edge){bt_graph_find(graph, name), control ? -1 : 0};
    if (edge->node < 0 || !bt_str_int(number, &slot) || slot < 0 || slot > INT32_MAX) return no_such(l, text);
    if (control) return BERTH_OK;
    const bt_node *from = &graph->nodes[edge->node];
    if (from->def && arg.n) slot = bt_node_output_slot(from, arg, slot);
    else if (!from->def) slot = callee_slot(l, from->op, arg, slot);
    if (slot < 0 || slot > INT32_MAX || (from->def && slot >= bt_node_outputs(from)))
        return DAMAGED(l->error, "its input '%.*s' is no output of that node (%s)",
                       (int)(text.n < 200 ? text.n : 200), text.p, from->op);
    edge->slot = (int32_t)slot;
    return BERTH_OK;
}

static berth_status read_inputs(bt_loader *l, bt_graph *graph, int32_t i, bt_str message, find_fn *find)
{
    size_t n = bt_wire_count(message, NODE_INPUT);
    if (n == 0) return BERTH_OK;
    bt_edge *edges = n < INT32_MAX ? bt_arena_array(arena_of(l), bt_edge, n) : NULL;
    int32_t *controls = edges ? bt_arena_array(arena_of(l), int32_t, n) : NULL;
    if (!controls) return bt_fail_memory(l->error);
    bt_node *node = &graph->nodes[i];
    node->inputs = edges, node->controls = controls;
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w)) {
        bt_edge edge;
        if (w.field != NODE_INPUT) continue;
        if (find(l, graph, bt_wire_bytes(&w), &edge)) return l->error->status;
        if (edge.slot < 0) controls[node->n_controls++] = edge.node;
        else if (node->n_controls) return DAMAGED(l->error, "a data input stands behind a control input");
        else edges[node->n_inputs++] = edge;
    }
    return BERTH_OK;
}

/* Inputs of the nodes that read_nodes added, the first of which is `first`. */
static berth_status read_edges(bt_loader *l, bt_graph *graph, bt_str message, uint32_t field, size_t first,
                               find_fn *find)
{
    bt_wire w = bt_wire_of(message);
    for (size_t i = first; bt_wire_next(&w);) {
        if (w.field != field) continue;
        if (read_inputs(l, graph, (int32_t)i, bt_wire_bytes(&w), find)) {
            bt_error_prefix(l->error, "node '%s'", graph->nodes[i].name);
            return l->error->status;
        }
        i++;
    }
    return BERTH_OK;
}

/* ---- Functions ---------------------------------------------------------------------------------------- */

/* arg_attr, a map from an argument's index to ArgAttrs, whose field 1 is a map like a node's attributes. */
static berth_status read_arg_attrs(bt_loader *l, bt_function *f, bt_str entry)
{
    uint64_t index = 0;
    bt_str attrs = {"", 0};
    bt_wire w = bt_wire_of(entry);
    while (bt_wire_next(&w)) {
        if (w.field == 1) index = bt_wire_uint(&w);
        if (w.field == 2) attrs = bt_wire_bytes(&w);
    }
    if (w.failed || index >= (uint64_t)f->n_args) return DAMAGED(l->error, "damaged argument attributes");
    return read_attrs(l, attrs, 1, &f->graph.nodes[f->args[index]]);
}

/* The edges that the map `ret` names for each result, and the nodes of control_ret. */
static berth_status read_results(bt_loader *l, bt_function *f, bt_str message, bt_map *edges)
{
    bt_str key, value;
    size_t n = bt_wire_count(message, FUNCTION_RESULT), i = 0;
    bt_str *texts = bt_arena_array(arena_of(l), bt_str, n);
    f->controls = bt_arena_array(arena_of(l), int32_t, bt_wire_count(message, FUNCTION_CONTROL));
    if (!texts || !f->controls) return bt_fail_memory(l->error);
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w)) {
        if (w.field != FUNCTION_RESULT && w.field != FUNCTION_CONTROL) continue;
        if (!read_entry(bt_wire_bytes(&w), &key, &value)) return DAMAGED(l->error, "damaged result");
        if (w.field == FUNCTION_RESULT) {
            texts[i] = value;
            if (!bt_map_put(edges, key, &texts[i++])) return bt_fail_memory(l->error);
        } else {
            int32_t node = bt_graph_find(&f->graph, value);
            if (node < 0) return no_such(l, value);
            f->controls[f->n_controls++] = node;
        }
    }
    for (int k = 0; k < f->n_results; k++) {
        const bt_str *text = bt_map_get(edges, bt_str_of(f->result_names[k]));
        if (!text) return DAMAGED(l->error, "result '%s' comes from nowhere", f->result_names[k]);
        if (find_in_function(l, &f->graph, *text, &f->results[k]) || f->results[k].slot < 0) {
            no_such(l, *text);
            bt_error_prefix(l->error, "result '%s'", f->result_names[k]);
            return l->error->status;
        }
    }
    return BERTH_OK;
}

static berth_status read_body(bt_loader *l, bt_function *f, bt_str message)
{
    bt_map edges = {0};
    if (read_nodes(l, &f->graph, message, FUNCTION_NODE)) return l->error->status;
    if (read_edges(l, &f->graph, message, FUNCTION_NODE, (size_t)f->n_args, find_in_function))
        return l->error->status;
    read_results(l, f, message, &edges);
    bt_map_free(&edges);
    bt_wire w = bt_wire_of(message);
    while (!l->error->status && bt_wire_next(&w))
        if (w.field == FUNCTION_ARG_ATTR) read_arg_attrs(l, f, bt_wire_bytes(&w));
    return l->error->status;
}

/* The name in the signature of a FunctionDef. What stands behind the signature is not even touched. */
static bool function_name(bt_str function, bt_str *name)
{
    *name = (bt_str){"", 0};
    bt_wire f = bt_wire_of(function);
    while (bt_wire_next(&f)) {
        if (f.field != FUNCTION_SIGNATURE) continue;
        bt_wire signature = bt_wire_of(bt_wire_bytes(&f));
        while (bt_wire_next(&signature))
            if (signature.field == 1) return *name = bt_wire_bytes(&signature), !signature.failed;
    }
    return false;
}

/* FunctionDefLibrary: function = 1. Only the names are looked at. */
static berth_status index_library(bt_loader *l, bt_str message)
{
    size_t n = bt_wire_count(message, 1);
    if (!bt_grow(&l->messages, &l->messages_capacity, l->n_messages + n, sizeof *l->messages))
        return bt_fail_memory(l->error);
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w)) {
        bt_str name;
        if (w.field != 1) continue;
        bt_str function = bt_wire_bytes(&w);
        if (!function_name(function, &name))
            return DAMAGED(l->error, "damaged function, the %zu. of the library", l->n_messages + 1);
        l->messages[l->n_messages] = function;
        if (!bt_map_put_index(&l->library, name, l->n_messages++)) return bt_fail_memory(l->error);
    }
    return w.failed ? DAMAGED(l->error, "damaged library of functions") : BERTH_OK;
}

/* ---- Graphs ------------------------------------------------------------------------------------------- */

/* VersionDef: producer = 1 */
static int read_producer(bt_str message)
{
    int producer = 0;
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w))
        if (w.field == 1) producer = (int)bt_wire_uint(&w);
    return producer;
}

static berth_status read_graph(bt_loader *l, bt_str message, const bt_str *functions, size_t n)
{
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w)) {
        if (w.field == GRAPH_LIBRARY && index_library(l, bt_wire_bytes(&w))) return l->error->status;
        if (w.field == GRAPH_VERSION && !l->source->producer) l->source->producer = (int)bt_wire_uint(&w);
        if (w.field == GRAPH_VERSIONS) l->source->producer = read_producer(bt_wire_bytes(&w));
    }
    if (w.failed) return DAMAGED(l->error, "damaged or cut short: the graph does not end where it should");
    bt_graph *graph = &l->source->graph;
    if (graph->n_nodes) return DAMAGED(l->error, "a second graph");
    if (read_nodes(l, graph, message, GRAPH_NODE)) return l->error->status;
    if (graph->n_nodes == 0) return DAMAGED(l->error, "the graph has no nodes");
    if (read_edges(l, graph, message, GRAPH_NODE, 0, find_in_graph)) return l->error->status;
    for (size_t i = 0; i < n; i++)
        if (want_function(l, functions[i])) return l->error->status;
    for (size_t i = 0; i < l->n_wanted; i++) { /* grows on the way */
        bt_function *f = l->wanted[i].function;
        if (read_body(l, f, l->wanted[i].message)) {
            bt_error_prefix(l->error, "function '%s'", f->name);
            return l->error->status;
        }
    }
    return BERTH_OK;
}

berth_status bt_graphdef_read(bt_str message, bt_source *source, berth_error *error)
{
    return bt_graphdef_read_with(message, NULL, 0, source, error);
}

berth_status bt_graphdef_read_with(bt_str message, const bt_str *functions, size_t n, bt_source *source, berth_error *error)
{
    bt_loader l = {.source = source, .error = error};
    berth_status status = bt_attr_kinds(&l.kinds) ? read_graph(&l, message, functions, n) : bt_fail_memory(error);
    bt_map_free(&l.kinds);
    bt_map_free(&l.library);
    bt_free(l.messages);
    bt_free(l.wanted);
    return status;
}

/* Who reads node i: list[first[i] .. first[i + 1]). */
typedef struct readers {
    int32_t *first, *list;
} readers;

static int32_t source_of(const bt_node *node, int k)
{
    return k < node->n_inputs ? node->inputs[k].node : node->controls[k - node->n_inputs];
}

static bool find_readers(const bt_graph *graph, readers *r)
{
    size_t n = graph->n_nodes, total = 0;
    for (size_t i = 0; i < n; i++) total += (size_t)graph->nodes[i].n_inputs + (size_t)graph->nodes[i].n_controls;
    if (total > INT32_MAX) return false;
    r->first = bt_calloc(n + 2, sizeof *r->first);
    r->list = bt_calloc(total + 1, sizeof *r->list);
    if (!r->first || !r->list) return false;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < n; i++) {
            const bt_node *node = &graph->nodes[i];
            for (int k = 0; k < node->n_inputs + node->n_controls; k++) {
                int32_t from = source_of(node, k);
                if (pass == 0) r->first[from + 2]++;
                else r->list[r->first[from + 1]++] = (int32_t)i;
            }
        }
        for (size_t i = 0; pass == 0 && i < n; i++) r->first[i + 2] += r->first[i + 1];
    }
    return true;
}

/* fed[i] becomes true when node i needs a placeholder's value. */
static bool find_fed(const bt_graph *graph, bool *fed)
{
    readers r = {0};
    int32_t *queue = bt_alloc((graph->n_nodes + 1) * sizeof *queue);
    bool done = queue && find_readers(graph, &r);
    size_t n = 0;
    for (size_t i = 0; done && i < graph->n_nodes; i++) {
        const char *op = graph->nodes[i].op;
        bool uses_table = bt_starts(op, "LookupTable") && !bt_starts(op, "LookupTableImport");
        if (uses_table || !strcmp(op, "Placeholder")) fed[i] = true, queue[n++] = (int32_t)i;
    }
    for (size_t i = 0; done && i < n; i++)
        for (int32_t k = r.first[queue[i]]; k < r.first[queue[i] + 1]; k++)
            if (!fed[r.list[k]]) fed[r.list[k]] = true, queue[n++] = r.list[k];
    bt_free(queue);
    bt_free(r.first);
    bt_free(r.list);
    return done;
}

/* Table initialisers: but for those that take what a run feeds or gets of a table, and so belong to that run. */
berth_status bt_graphdef_find_init(bt_source *source, berth_error *error)
{
    const bt_graph *graph = &source->graph;
    source->n_init_targets = 0;
    source->init_targets = bt_arena_array(&source->arena, const char *, graph->n_nodes);
    bool *fed = bt_calloc(graph->n_nodes + 1, sizeof *fed);
    bool done = source->init_targets && fed && find_fed(graph, fed);
    for (size_t i = 0; done && i < graph->n_nodes; i++) {
        const bt_node *node = &graph->nodes[i];
        bool is_init = bt_starts(node->op, "InitializeTable") || bt_starts(node->op, "LookupTableImport");
        if (is_init && !fed[i]) source->init_targets[source->n_init_targets++] = node->name;
    }
    bt_free(fed);
    return done ? BERTH_OK : bt_fail_memory(error);
}

/* ---- Files -------------------------------------------------------------------------------------------- */

/* The first bytes are the tag of a field that a GraphDef has, and its message fits. */
static bool sniff(const bt_source *source, const char *path, const bt_file *file)
{
    (void)source, (void)path;
    if (!file || file->size == 0) return false;
    bt_wire w = bt_wire_of((bt_str){(const char *)file->data, file->size});
    return bt_wire_next(&w) &&
           ((w.field <= GRAPH_LIBRARY && w.type == BT_WIRE_BYTES) || w.field == GRAPH_VERSIONS);
}

static berth_status load(const char *path, bt_file *file, const bt_format_options *options, bt_source *source,
                         berth_error *error)
{
    (void)path, (void)options;
    if (!bt_source_add_file(source, bt_file_ref(file))) return bt_fail_memory(error);
    if (bt_graphdef_read((bt_str){(const char *)file->data, file->size}, source, error)) return error->status;
    return bt_graphdef_mend(source, error) ? error->status : bt_graphdef_find_init(source, error);
}

const bt_format bt_format_graphdef = {.name = "GraphDef", .sniff = sniff, .load = load};
