/* Copies of parts of a graph, and the first pass: the part of the graph as written that a plan needs, with its feeds
 * in the place of what they replace. */
#include "pass/clone.h"

/* Nodes in the order in which they are copied. */
typedef struct walk {
    int32_t *nodes;
    size_t n;
} walk;

static int given_index(const bt_clone *c, bt_edge e)
{
    for (int i = 0; i < c->n_given; i++)
        if (c->given[i].node == e.node && c->given[i].slot == e.slot) return i;
    return -1;
}

static void reach(bt_clone *c, walk *w, int32_t node)
{
    enum { PENDING = -2 };
    if (c->moved[node] != -1) return;
    c->moved[node] = PENDING;
    w->nodes[w->n++] = node;
}

/* Marks all that is needed, breadth first: w->nodes is both the queue and the result. */
static berth_status collect(bt_clone *c, walk *w, const bt_edge *roots, int n_roots, const int32_t *targets,
                            int n_targets)
{
    size_t count = c->from->n_nodes;
    c->moved = bt_arena_array(c->x->arena, int32_t, count + 1);
    w->nodes = bt_arena_array(c->x->arena, int32_t, count + 1);
    bool *has_given = bt_arena_array(c->x->arena, bool, count + 1);
    if (!c->moved || !w->nodes || !has_given) return bt_fail_memory(c->x->error);
    for (size_t i = 0; i < count; i++) c->moved[i] = -1;
    for (int i = 0; i < c->n_given; i++) has_given[c->given[i].node] = true;
    for (int i = 0; i < n_roots; i++)
        if (given_index(c, roots[i]) < 0) reach(c, w, roots[i].node);
    for (int i = 0; i < n_targets; i++) reach(c, w, targets[i]);
    for (size_t i = 0; i < w->n; i++) {
        const bt_node *node = &c->from->nodes[w->nodes[i]];
        for (int j = 0; j < node->n_inputs; j++)
            if (!has_given[node->inputs[j].node] || given_index(c, node->inputs[j]) < 0)
                reach(c, w, node->inputs[j].node);
        for (int j = 0; j < node->n_controls; j++)
            if (!has_given[node->controls[j]]) reach(c, w, node->controls[j]);
    }
    return BERTH_OK;
}

/* Every op that this build lacks, in one message. */
static berth_status report_unknown(bt_clone *c, const walk *w)
{
    bt_text text = {0};
    int n = 0;
    if (c->x->obstacles) return BERTH_OK; /* make_missing enters each */
    for (size_t i = 0; i < w->n; i++) {
        const bt_node *node = &c->from->nodes[w->nodes[i]];
        if (bt_op_find(node->op) || bt_map_get(c->x->functions, bt_str_of(node->op))) continue;
        bool seen = false;
        for (size_t j = 0; j < i && !seen; j++) seen = !strcmp(c->from->nodes[w->nodes[j]].op, node->op);
        if (!seen && text.n < 400)
            bt_text_print(&text, "%s%s (node '%s')", n++ ? ", " : "", node->op, node->name);
    }
    if (!n) return BERTH_OK;
    berth_status status = bt_fail(c->x->error, BERTH_UNSUPPORTED, "this build does not have %s %s",
                                  n == 1 ? "the op" : "the ops", text.p ? text.p : "");
    bt_text_free(&text);
    return status;
}

/* An op that this build lacks stands as _Missing, with as many outputs as are used of it. */
static berth_status make_missing(bt_clone *c, int32_t added, int32_t index)
{
    bt_pass_context *x = c->x;
    bt_node *node = &x->graph.nodes[added];
    bt_obstacle obstacle = {node->name, node->op, "", "this build does not have the op", false};
    if (bt_obstacle_add(x->obstacles, x->function, &obstacle, x->error)) return x->error->status;
    int32_t most = 0;
    for (size_t i = 0; i < c->from->n_nodes; i++)
        for (int j = 0; j < c->from->nodes[i].n_inputs; j++) {
            bt_edge e = c->from->nodes[i].inputs[j];
            if (e.node == index && e.slot >= most) most = e.slot + 1;
        }
    for (int i = 0; i < c->n_roots; i++)
        if (c->roots[i].node == index && c->roots[i].slot >= most) most = c->roots[i].slot + 1;
    node->op = "_Missing", node->def = bt_op_find("_Missing"), node->n_attrs = 0;
    return bt_set_int(&x->graph, added, "n", most) ? BERTH_OK : bt_fail_memory(x->error);
}

static berth_status check_node(bt_pass_context *x, const bt_node *node)
{
    const bt_op *op = node->def;
    if (!op->types) return BERTH_OK;
    berth_dtype type = bt_attr_type(node, op->type_attr ? op->type_attr : "T", BERTH_NO_DTYPE);
    if (type == BERTH_NO_DTYPE || op->types & BT_T(type)) return BERTH_OK;
    bt_fail(x->error, BERTH_UNSUPPORTED, "node '%s' (%s): dtype %s is not supported", node->name, node->op,
            bt_dtype_name(type));
    return bt_obstacle_take(x, node, "", NULL) ? BERTH_OK : BERTH_UNSUPPORTED;
}

/* A node whose op is a function of the model is a call of it. */
static berth_status make_call(bt_pass_context *x, int32_t added)
{
    const char *name = x->graph.nodes[added].op;
    const bt_function *f = bt_map_get(x->functions, bt_str_of(name));
    berth_dtype *types = bt_arena_array(x->arena, berth_dtype, (size_t)(f ? f->n_results : 0) + 1);
    if (!f) return bt_fail(x->error, BERTH_UNSUPPORTED, "this build does not have the op %s", name);
    for (int i = 0; types && i < f->n_results; i++)
        types[i] = bt_attr_type(&f->graph.nodes[f->results[i].node], "T", BERTH_NO_DTYPE);
    x->graph.nodes[added].op = f->is_stateful ? "StatefulPartitionedCall" : "PartitionedCall";
    if (!types || !bt_set_func(&x->graph, added, "f", name) ||
        !bt_set_types(&x->graph, added, "Tout", types, f->n_results))
        return bt_fail_memory(x->error);
    x->graph.nodes[added].def = bt_op_find(x->graph.nodes[added].op);
    return BERTH_OK;
}

static berth_status copy_node(bt_clone *c, int32_t index)
{
    bt_pass_context *x = c->x;
    const bt_node *old = &c->from->nodes[index];
    const char *name = *c->prefix ? bt_arena_print(x->arena, "%s%s", c->prefix, old->name) : old->name;
    if (name && bt_graph_find(&x->graph, bt_str_of(name)) >= 0) name = bt_graph_unique_name(&x->graph, name);
    int32_t added = name ? bt_graph_add(&x->graph, name, old->op) : -1;
    bt_attr *attrs = bt_arena_array(x->arena, bt_attr, (size_t)old->n_attrs + 1);
    if (added < 0 || !attrs) return bt_fail_memory(x->error);
    if (old->n_attrs) memcpy(attrs, old->attrs, (size_t)old->n_attrs * sizeof *attrs);
    bt_node *node = &x->graph.nodes[added];
    node->device = old->device, node->attrs = attrs, node->n_attrs = old->n_attrs;
    node->origin = c->keep_origin ? index : -1;
    node->def = bt_op_find(node->op);
    c->moved[index] = added;
    bool is_call = !node->def && bt_map_get(x->functions, bt_str_of(node->op));
    if (!node->def && !is_call && x->obstacles) return make_missing(c, added, index);
    return node->def ? check_node(x, node) : make_call(x, added);
}

static bt_edge moved_edge(const bt_clone *c, bt_edge e)
{
    int i = given_index(c, e);
    return i >= 0 ? c->given_as[i] : (bt_edge){c->moved[e.node], e.slot};
}

/* What TensorFlow refuses as it reads a graph: inputs that are too many or too few, or of other types than the node says. */
static berth_status check_inputs(bt_pass_context *x, const bt_node *node)
{
    int64_t n = bt_node_inputs(node);
    berth_status status = BERTH_OK;
    if (n >= 0 && n != node->n_inputs)
        status = bt_fail(x->error, BERTH_BAD_MODEL, "node '%s' (%s): has %d input%s, not %lld", node->name, node->op,
                         node->n_inputs, node->n_inputs == 1 ? "" : "s", (long long)n);
    for (int i = 0; i < node->n_inputs && !status; i++) {
        const bt_node *from = &x->graph.nodes[node->inputs[i].node];
        berth_dtype wanted = bt_node_input_type(node, i), given = bt_node_output_type(from, node->inputs[i].slot);
        if (wanted == BERTH_NO_DTYPE || given == BERTH_NO_DTYPE || wanted == given) continue;
        status = bt_fail(x->error, BERTH_BAD_MODEL,
                         "node '%s' (%s): input %d was passed %s from '%s:%d', incompatible with expected %s", node->name,
                         node->op, i, bt_dtype_name(given), from->name, node->inputs[i].slot, bt_dtype_name(wanted));
    }
    return status && bt_obstacle_take(x, node, "", NULL) ? BERTH_OK : status;
}

static berth_status copy_edges(bt_clone *c, int32_t index)
{
    bt_pass_context *x = c->x;
    const bt_node *old = &c->from->nodes[index];
    bt_edge *inputs = bt_arena_array(x->arena, bt_edge, (size_t)old->n_inputs + 1);
    int32_t *controls = bt_arena_array(x->arena, int32_t, (size_t)old->n_controls + 1);
    if (!inputs || !controls) return bt_fail_memory(x->error);
    int n = 0;
    for (int i = 0; i < old->n_inputs; i++) {
        inputs[i] = moved_edge(c, old->inputs[i]);
        const bt_node *from = &x->graph.nodes[inputs[i].node];
        if (inputs[i].slot < 0 || inputs[i].slot >= bt_node_outputs(from))
            return bt_fail(x->error, BERTH_BAD_MODEL,
                           "node '%s' (%s): input %d is '%s:%d', which has %d outputs", old->name, old->op, i,
                           from->name, inputs[i].slot, bt_node_outputs(from));
    }
    for (int i = 0; i < old->n_controls; i++)
        if (c->moved[old->controls[i]] >= 0) controls[n++] = c->moved[old->controls[i]];
    bt_node *node = &x->graph.nodes[c->moved[index]];
    node->inputs = inputs, node->n_inputs = old->n_inputs;
    node->controls = controls, node->n_controls = n;
    return check_inputs(x, node);
}

berth_status bt_clone_run(bt_clone *c, bt_edge *roots, int n_roots, int32_t *targets, int n_targets)
{
    walk w = {0};
    c->roots = roots, c->n_roots = n_roots;
    berth_status status = collect(c, &w, roots, n_roots, targets, n_targets);
    if (!status) status = report_unknown(c, &w);
    for (size_t i = 0; i < w.n && !status; i++) status = copy_node(c, w.nodes[i]);
    for (size_t i = 0; i < w.n && !status; i++) status = copy_edges(c, w.nodes[i]);
    if (status) return status;
    for (int i = 0; i < n_roots; i++) {
        roots[i] = moved_edge(c, roots[i]);
        const bt_node *node = &c->x->graph.nodes[roots[i].node];
        if (roots[i].slot < 0 || roots[i].slot >= bt_node_outputs(node))
            return bt_fail(c->x->error, BERTH_BAD_INPUT, "'%s:%d': node '%s' (%s) has %d output%s",
                           node->name, roots[i].slot, node->name, node->op, bt_node_outputs(node),
                           bt_node_outputs(node) == 1 ? "" : "s");
    }
    for (int i = 0; i < n_targets; i++) targets[i] = c->moved[targets[i]];
    return BERTH_OK;
}

/* ---- Prune -------------------------------------------------------------------------------------------- */

/* A feed is a `_Feed` node, or, where its value is known for good, that value. */
static int32_t add_feed(bt_pass_context *x, int i, const char *name)
{
    const bt_tensor *value = x->feed_facts[i].value;
    if (value && value->dtype == BERTH_RESOURCE) {
        const bt_node *handle = *(const bt_node *const *)value->data;
        int32_t node = bt_graph_add(&x->graph, bt_graph_unique_name(&x->graph, handle->name), handle->op);
        for (int a = 0; node >= 0 && a < handle->n_attrs; a++)
            if (!bt_set_attr(&x->graph, node, &handle->attrs[a])) return -1;
        /* Its name was its identity unless it had another. */
        if (node >= 0 && !*bt_attr_string(handle, "shared_name", "") &&
            !bt_set_string(&x->graph, node, "shared_name", handle->name))
            return -1;
        return node;
    }
    if (value) return bt_pass_const(x, name, value);
    int32_t node = bt_graph_add(&x->graph, bt_graph_unique_name(&x->graph, name), "_Feed");
    if (node < 0 || !bt_set_int(&x->graph, node, "index", i) ||
        !bt_set_type(&x->graph, node, "T", x->feed_facts[i].dtype) ||
        !bt_set_shape(&x->graph, node, "shape", &x->feed_facts[i].shape))
        return -1;
    return node;
}

berth_status bt_pass_prune(bt_pass_context *x, const bt_graph *from, bool keep_origin)
{
    bt_edge *given = bt_arena_array(x->arena, bt_edge, (size_t)x->n_feeds + 1);
    if (!given) return bt_fail_memory(x->error);
    for (int i = 0; i < x->n_feeds; i++) {
        given[i] = x->feeds[i];
        const bt_node *fed = &from->nodes[given[i].node];
        int32_t node = add_feed(x, i, fed->name);
        if (node < 0) return bt_fail_memory(x->error);
        x->graph.nodes[node].def = bt_op_find(x->graph.nodes[node].op);
        if (!x->graph.nodes[node].def)
            return bt_fail(x->error, BERTH_INTERNAL, "no op %s", x->graph.nodes[node].op);
        x->graph.nodes[node].origin = keep_origin && (!strcmp(fed->op, "Placeholder")) ? given[i].node : -1;
        x->feeds[i] = (bt_edge){node, 0};
    }
    bt_clone clone = {.x = x,
                      .from = from,
                      .prefix = "",
                      .keep_origin = keep_origin,
                      .given = given,
                      .given_as = x->feeds,
                      .n_given = x->n_feeds};
    berth_status status = bt_clone_run(&clone, x->fetches, x->n_fetches, x->targets, x->n_targets);
    for (size_t i = 0; !status && i < x->graph.n_nodes; i++)
        if (!strcmp(x->graph.nodes[i].op, "Placeholder"))
            return bt_fail(x->error, BERTH_BAD_INPUT, "'%s:0' is an input that must be given",
                           x->graph.nodes[i].name);
    if (x->fates)
        for (size_t i = 0; i < x->graph.n_nodes; i++) bt_pass_fate(x, (int32_t)i, BT_FATE_KEPT, NULL);
    return status;
}
