/* GraphDef written: the reverse of graphdef.c. Each field of it is encoded by itself and handed on, so that the whole
 * never stands in memory; large constants are not even copied once. Attribute values: value_write.c. */
#include "format/graphdef.h"
#include "format/write.h"
#include "ops/op.h"

typedef struct writing {
    const bt_source *source;
    bt_graphdef_put *put;
    void *user;
    bt_text field; /* being encoded */
    uint64_t bytes;
    berth_error *error;
} writing;

static berth_status fail_node(writing *w, const bt_node *node)
{
    bt_error_prefix(w->error, "node '%s' (%s)", node->name, node->op);
    return w->error->status;
}

/* ---- Nodes -------------------------------------------------------------------------------------------- */

/* What a node's input is called: "node", "node:slot"; in a function "argument" or "node:output:index". */
static berth_status print_edge(writing *w, const bt_graph *g, bt_edge e, bool in_function, bt_text *name)
{
    const bt_node *from = &g->nodes[e.node];
    bt_str arg;
    int index;
    name->n = 0;
    bt_text_print(name, "%s", from->name);
    if (!in_function && e.slot) bt_text_print(name, ":%d", e.slot);
    if (!in_function || !strcmp(from->op, "_Arg")) return BERTH_OK;
    if (!from->def || !bt_node_output_arg(from, e.slot, &arg, &index)) {
        bt_fail(w->error, BERTH_UNSUPPORTED, "the name of its output %d is not known", e.slot);
        return fail_node(w, from);
    }
    bt_text_print(name, ":%.*s:%d", (int)arg.n, arg.p, index);
    return BERTH_OK;
}

static berth_status put_inputs(writing *w, const bt_graph *g, const bt_node *node, bool in_function)
{
    bt_text name = {0};
    berth_status status = BERTH_OK;
    for (int i = 0; i < node->n_inputs && !status; i++) {
        status = print_edge(w, g, node->inputs[i], in_function, &name);
        bt_wire_put_bytes(&w->field, 3, (bt_str){name.p, name.n});
    }
    for (int i = 0; i < node->n_controls; i++) {
        name.n = 0;
        bt_text_print(&name, "^%s", g->nodes[node->controls[i]].name);
        bt_wire_put_bytes(&w->field, 3, (bt_str){name.p, name.n});
    }
    if (name.failed) status = bt_fail_memory(w->error);
    bt_text_free(&name);
    return status;
}

/* An entry of a map of attributes. */
static berth_status put_attr(writing *w, uint32_t field, const bt_attr *a, bt_str *behind)
{
    size_t entry = bt_wire_begin(&w->field, field);
    bt_wire_put_bytes(&w->field, 1, bt_str_of(a->name));
    size_t value = bt_wire_begin(&w->field, 2);
    if (bt_attr_write(w->source, a, &w->field, behind, w->error)) return w->error->status;
    bt_wire_end_before(&w->field, value, behind ? behind->n : 0);
    bt_wire_end_before(&w->field, entry, behind ? behind->n : 0);
    return BERTH_OK;
}

/* NodeDef: name = 1, op = 2, input = 3, device = 4, attr = 5. A large constant comes last, and is *behind. */
static berth_status put_node(writing *w, uint32_t field, const bt_graph *g, const bt_node *node,
                             bool in_function, bt_str *behind)
{
    size_t begin = bt_wire_begin(&w->field, field);
    bt_wire_put_bytes(&w->field, 1, bt_str_of(node->name));
    bt_wire_put_bytes(&w->field, 2, bt_str_of(node->op));
    if (put_inputs(w, g, node, in_function)) return w->error->status;
    if (node->device && *node->device) bt_wire_put_bytes(&w->field, 4, bt_str_of(node->device));
    for (int last = 0; last < 2; last++)
        for (int i = 0; i < node->n_attrs; i++) {
            const bt_attr *a = &node->attrs[i];
            bool is_tensor = a->kind == BT_ATTR_TENSOR && !a->is_list;
            if (is_tensor != last || (!a->kind && !a->is_list)) continue;
            if (put_attr(w, 5, a, is_tensor ? behind : NULL)) return fail_node(w, node);
        }
    bt_wire_end_before(&w->field, begin, behind ? behind->n : 0);
    return BERTH_OK;
}

/* ---- Functions ---------------------------------------------------------------------------------------- */

/* ArgDef: name = 1, type = 3 */
static berth_status put_arg(writing *w, uint32_t field, const char *name, berth_dtype type)
{
    if (!type) return bt_fail(w->error, BERTH_UNSUPPORTED, "'%s' has no type of its own", name);
    size_t begin = bt_wire_begin(&w->field, field);
    bt_wire_put_bytes(&w->field, 1, bt_str_of(name));
    bt_wire_put_uint(&w->field, 3, (uint64_t)type);
    bt_wire_end(&w->field, begin);
    return BERTH_OK;
}

/* OpDef: name = 1, input_arg = 2, output_arg = 3, is_stateful = 17, control_output = 20 */
static berth_status put_signature(writing *w, const bt_function *f)
{
    size_t begin = bt_wire_begin(&w->field, 1);
    bt_wire_put_bytes(&w->field, 1, bt_str_of(f->name));
    for (int i = 0; i < f->n_args; i++)
        if (put_arg(w, 2, f->arg_names[i], bt_attr_type(&f->graph.nodes[f->args[i]], "T", BERTH_NO_DTYPE)))
            return w->error->status;
    for (int i = 0; i < f->n_results; i++)
        if (put_arg(w, 3, f->result_names[i], f->result_types ? f->result_types[i] : BERTH_NO_DTYPE))
            return w->error->status;
    if (f->is_stateful) bt_wire_put_uint(&w->field, 17, 1);
    for (int i = 0; i < f->n_controls; i++)
        bt_wire_put_bytes(&w->field, 20, bt_str_of(f->graph.nodes[f->controls[i]].name));
    bt_wire_end(&w->field, begin);
    return BERTH_OK;
}

/* The entry of a map of strings. */
static void put_entry(writing *w, uint32_t field, bt_str key, bt_str value)
{
    size_t begin = bt_wire_begin(&w->field, field);
    bt_wire_put_bytes(&w->field, 1, key);
    bt_wire_put_bytes(&w->field, 2, value);
    bt_wire_end(&w->field, begin);
}

/* FunctionDef: signature = 1, node_def = 3, ret = 4, control_ret = 6 */
static berth_status put_function(writing *w, const bt_function *f)
{
    bt_text name = {0};
    size_t begin = bt_wire_begin(&w->field, 1);
    berth_status status = put_signature(w, f);
    for (size_t i = 0; i < f->graph.n_nodes && !status; i++)
        if (strcmp(f->graph.nodes[i].op, "_Arg"))
            status = put_node(w, 3, &f->graph, &f->graph.nodes[i], true, NULL);
    for (int i = 0; i < f->n_results && !status; i++) {
        status = print_edge(w, &f->graph, f->results[i], true, &name);
        put_entry(w, 4, bt_str_of(f->result_names[i]), (bt_str){name.p, name.n});
    }
    for (int i = 0; i < f->n_controls && !status; i++) {
        bt_str control = bt_str_of(f->graph.nodes[f->controls[i]].name);
        put_entry(w, 6, control, control);
    }
    bt_wire_end(&w->field, begin);
    if (name.failed) status = bt_fail_memory(w->error);
    bt_text_free(&name);
    if (status) bt_error_prefix(w->error, "function '%s'", f->name);
    return status;
}

/* ---- The whole ---------------------------------------------------------------------------------------- */

static berth_status hand_on(writing *w, bt_str behind)
{
    if (w->field.failed) return bt_fail_memory(w->error);
    w->bytes += w->field.n + behind.n;
    if (w->bytes > BT_MESSAGE_LIMIT)
        return bt_fail(w->error, BERTH_UNSUPPORTED,
                       "more than 2 GiB, which TensorFlow does not read; a SavedModel keeps variables apart");
    w->put(w->user, (bt_str){w->field.p, w->field.n}, behind);
    w->field.n = 0;
    return BERTH_OK;
}

/* GraphDef: node = 1, library = 2 { function = 1 }, versions = 4 { producer = 1 } */
static berth_status write_graph(writing *w)
{
    const bt_source *source = w->source;
    const bt_graph *g = &source->graph;
    for (size_t i = 0; i < g->n_nodes; i++) {
        bt_str behind = {NULL, 0};
        if (put_node(w, 1, g, &g->nodes[i], false, &behind) || hand_on(w, behind)) return w->error->status;
    }
    size_t begin = bt_wire_begin(&w->field, 2);
    for (size_t i = 0; i < source->functions.count; i++)
        if (put_function(w, source->functions.entries[i].value)) return w->error->status;
    bt_wire_end(&w->field, begin);
    if (source->functions.count && hand_on(w, (bt_str){NULL, 0})) return w->error->status;
    w->field.n = 0;
    begin = bt_wire_begin(&w->field, 4);
    bt_wire_put_uint(&w->field, 1, (uint64_t)source->producer);
    bt_wire_end(&w->field, begin);
    return hand_on(w, (bt_str){NULL, 0});
}

berth_status bt_graphdef_write(const bt_source *source, bt_graphdef_put *put, void *user, berth_error *error)
{
    writing w = {.source = source, .put = put, .user = user, .error = error};
    berth_status status = bt_source_unchanged(source, error);
    if (!status) status = write_graph(&w);
    bt_text_free(&w.field);
    return status;
}

/* ---- Files -------------------------------------------------------------------------------------------- */

berth_status bt_graphdef_check(const bt_source *source, berth_error *error)
{
    for (size_t i = 0; i < source->graph.n_nodes; i++) {
        const bt_node *node = &source->graph.nodes[i];
        if (bt_source_variable(source, node))
            return bt_fail(
                error, BERTH_UNSUPPORTED,
                "variable '%s': is written by the graph, and a GraphDef holds none; a SavedModel does",
                node->name);
    }
    return BERTH_OK;
}

static void put_binary(void *user, bt_str head, bt_str behind)
{
    bt_save_add(user, head.p, head.n);
    bt_save_add(user, behind.p, behind.n);
}

berth_status bt_graphdef_save(const bt_source *source, const char *path, berth_error *error)
{
    bt_save file;
    if (bt_graphdef_check(source, error) || bt_save_open(&file, path, error)) return error->status;
    berth_status status = bt_graphdef_write(source, put_binary, &file, error);
    if (status) bt_error_prefix(error, "%s", path);
    berth_status closed = bt_save_close(&file, !status, error);
    return status ? status : closed;
}
