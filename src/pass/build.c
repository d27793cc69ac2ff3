/* New nodes: see build.h. */
#include "pass/build.h"

static bt_edge nothing(bt_builder *b)
{
    b->failed = true;
    return (bt_edge){-1, 0};
}

static const char *name_of(bt_builder *b, const char *what)
{
    const char *whole = bt_arena_print(b->x->arena, "%s/%s", b->scope, what);
    return whole ? bt_graph_unique_name(&b->x->graph, whole) : NULL;
}

bt_edge bt_build(bt_builder *b, const char *op, berth_dtype dtype, const bt_edge *inputs, int n)
{
    bt_graph *g = &b->x->graph;
    const char *name = b->failed ? NULL : name_of(b, op);
    int32_t node = name ? bt_graph_add(g, name, op) : -1;
    if (node < 0 || !bt_node_set_inputs(g, node, inputs, n)) return nothing(b);
    g->nodes[node].def = bt_op_find(op);
    g->nodes[node].device = b->beside >= 0 ? g->nodes[b->beside].device : "";
    g->nodes[node].origin = -1;
    if (!g->nodes[node].def || (dtype && !bt_set_type(g, node, "T", dtype))) return nothing(b);
    return (bt_edge){node, 0};
}

void bt_build_type(bt_builder *b, bt_edge e, const char *name, berth_dtype value)
{
    if (!b->failed) b->failed = !bt_set_type(&b->x->graph, e.node, name, value);
}

void bt_build_int(bt_builder *b, bt_edge e, const char *name, int64_t value)
{
    if (!b->failed) b->failed = !bt_set_int(&b->x->graph, e.node, name, value);
}

void bt_build_bool(bt_builder *b, bt_edge e, const char *name, bool value)
{
    if (!b->failed) b->failed = !bt_set_bool(&b->x->graph, e.node, name, value);
}

void bt_build_copy(bt_builder *b, bt_edge e, int32_t from, const char *name)
{
    const bt_attr *attr = b->failed ? NULL : bt_attr_find(&b->x->graph.nodes[from], name);
    if (attr) b->failed = !bt_set_attr(&b->x->graph, e.node, attr);
}

bt_edge bt_build_const(bt_builder *b, const char *name, const bt_tensor *value)
{
    const char *whole = b->failed ? NULL : bt_arena_print(b->x->arena, "%s/%s", b->scope, name);
    int32_t node = whole ? bt_pass_const(b->x, whole, value) : -1;
    if (node < 0) return nothing(b);
    b->x->graph.nodes[node].device = b->beside >= 0 ? b->x->graph.nodes[b->beside].device : "";
    b->x->graph.nodes[node].origin = -1;
    if (b->beside >= 0 && !bt_node_set_controls(&b->x->graph, node, &b->beside, 1)) return nothing(b);
    return (bt_edge){node, 0};
}

static bt_edge build_numbers(bt_builder *b, const char *name, berth_dtype dtype, const bt_shape *shape,
                             const int64_t *values, int n)
{
    bt_tensor *t = bt_arena_new(b->x->arena, bt_tensor);
    int64_t *data = bt_arena_array(b->x->arena, int64_t, (size_t)n + 1);
    if (!t || !data) return nothing(b);
    *t = (bt_tensor){.dtype = dtype, .shape = *shape, .data = data};
    for (int i = 0; i < n; i++)
        if (dtype == BERTH_INT64) data[i] = values[i];
        else ((int32_t *)data)[i] = (int32_t)values[i];
    return bt_build_const(b, name, t);
}

bt_edge bt_build_ints(bt_builder *b, const char *name, berth_dtype dtype, const int64_t *values, int n)
{
    bt_shape shape = BT_SHAPE(n);
    return build_numbers(b, name, dtype, &shape, values, n);
}

bt_edge bt_build_index(bt_builder *b, const char *name, int64_t value)
{
    return build_numbers(b, name, BERTH_INT32, &BT_SCALAR, &value, 1);
}

bt_edge bt_build_transpose(bt_builder *b, bt_edge e, berth_dtype dtype, const int64_t *order, int rank)
{
    bt_edge perm = bt_build_ints(b, "perm", BERTH_INT32, order, rank);
    bt_edge moved = BT_BUILD(b, "Transpose", dtype, e, perm);
    bt_build_type(b, moved, "Tperm", BERTH_INT32);
    return moved;
}

bt_edge bt_build_gather(bt_builder *b, bt_edge e, berth_dtype dtype, const int64_t *order, int n)
{
    bt_edge indices = bt_build_ints(b, "order", BERTH_INT32, order, n), axis = bt_build_index(b, "axis", 0);
    bt_edge moved = BT_BUILD(b, "GatherV2", BERTH_NO_DTYPE, e, indices, axis);
    bt_build_type(b, moved, "Tparams", dtype);
    bt_build_type(b, moved, "Tindices", BERTH_INT32);
    bt_build_type(b, moved, "Taxis", BERTH_INT32);
    return moved;
}

void bt_build_become(bt_builder *b, int32_t node, const char *op, const bt_edge *inputs, int n)
{
    if (b->failed) return;
    b->x->graph.nodes[node].op = op;
    b->x->graph.nodes[node].def = bt_op_find(op);
    b->failed = !b->x->graph.nodes[node].def || !bt_node_set_inputs(&b->x->graph, node, inputs, n);
}
