/* Questions of pattern-matching passes. */
#include "pass/pattern.h"

berth_status bt_matcher_init(bt_matcher *m, bt_pass_context *x)
{
    m->x = x;
    berth_status status = bt_pass_infer(x);
    return status ? status : bt_uses_build(x, &m->uses);
}

bool bt_is_add(const bt_node *node) { return bt_is_op(node, "AddV2") || bt_is_op(node, "Add"); }

bt_node *bt_match(const bt_matcher *m, bt_edge e, const char *op, int n)
{
    bt_node *node = bt_producer(m, e);
    return e.slot == 0 && bt_is_op(node, op) && node->n_inputs == n && node->n_controls == 0 ? node : NULL;
}

int bt_use_count(const bt_matcher *m, bt_edge e)
{
    return m->uses.slot_count[m->uses.slot_count_first[e.node] + e.slot];
}

int32_t bt_only_consumer(const bt_matcher *m, int32_t node, int *input)
{
    int32_t first = m->uses.first[node];
    if (m->uses.first[node + 1] - first != 1 || bt_use_count(m, (bt_edge){node, 0}) != 1) return -1;
    bt_edge use = m->uses.uses[first];
    if (use.node < 0 || use.slot < 0) return -1;
    *input = use.slot;
    return use.node;
}

bool bt_scalar_value(const bt_matcher *m, bt_edge e, float *value)
{
    const bt_tensor *t = bt_pass_fact(m->x, e)->value;
    if (!t || t->dtype != BERTH_FLOAT || bt_tensor_count(t) != 1) return false;
    memcpy(value, t->data, sizeof *value);
    return true;
}

bool bt_scalar_side(const bt_matcher *m, const bt_node *node, float *value, bt_edge *other)
{
    if (node->n_inputs != 2) return false;
    for (int side = 0; side < 2; side++)
        if (bt_scalar_value(m, node->inputs[side], value)) return *other = node->inputs[1 - side], true;
    return false;
}

bool bt_vector_value(const bt_matcher *m, bt_edge e, int64_t channels, int rank, float *dst)
{
    const bt_tensor *t = bt_pass_fact(m->x, e)->value;
    if (!t || t->dtype != BERTH_FLOAT || t->shape.rank > rank) return false;
    int64_t count = bt_tensor_count(t);
    if (count != channels && count != 1) return false;
    if (count == channels && count > 1 && (t->shape.rank < 1 || t->shape.dim[t->shape.rank - 1] != channels))
        return false;
    memcpy(dst, t->data, (size_t)count * sizeof *dst);
    for (int64_t i = 1; count == 1 && i < channels; i++) dst[i] = dst[0];
    return true;
}

berth_status bt_become(bt_matcher *m, int32_t node, const char *op, const bt_edge *inputs, int n)
{
    bt_node *it = &m->x->graph.nodes[node];
    if (!bt_pass_has_kernel(m->x, it->place, bt_op_find(op))) return BERTH_OK; /* stays as it is written */
    it->op = op;
    it->def = bt_op_find(op);
    if (!it->def) return bt_fail(m->x->error, BERTH_INTERNAL, "no op %s", op);
    return bt_node_set_inputs(&m->x->graph, node, inputs, n) ? BERTH_OK : bt_fail_memory(m->x->error);
}
