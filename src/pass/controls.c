/* Control edges that order nothing go: those from nodes that neither have an effect nor come after one. With them go
 * the NoOps and Identities that were only there to be waited for. In a graph with branches (Switch) control edges also
 * tell which branch a node belongs to, and stay. */
#include "pass/pass.h"

static bool is_waiting_only(const bt_node *node)
{
    return !strcmp(node->op, "NoOp") || !strcmp(node->op, "ControlTrigger");
}

/* Making a variable is no effect of a run, nor is a read that nobody looks at (the variable was frozen). */
static bool has_effect(const bt_node *node, bool is_used)
{
    if (is_waiting_only(node) || !strcmp(node->op, "VarHandleOp")) return false;
    return node->def->flags & BT_OP_STATEFUL && (is_used || strcmp(node->op, "ReadVariableOp"));
}

/* effects[i]: node i has an effect or comes after one. used[i]: a node or the caller reads an output of node i. */
static berth_status find_effects(bt_pass_context *x, const bool *used, bool *effects)
{
    int32_t *order;
    size_t n;
    berth_status status = bt_pass_order(x, &order, &n);
    for (size_t i = 0; !status && i < n; i++) {
        const bt_node *node = &x->graph.nodes[order[i]];
        bool after = has_effect(node, used[order[i]]);
        for (int j = 0; j < node->n_inputs; j++) after |= effects[node->inputs[j].node];
        for (int j = 0; j < node->n_controls; j++) after |= effects[node->controls[j]];
        effects[order[i]] = after;
    }
    return status;
}

berth_status bt_pass_controls(bt_pass_context *x)
{
    bt_graph *g = &x->graph;
    for (size_t i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].def->flags & BT_OP_DEAD) return BERTH_OK;
    bool *effects = bt_arena_array(x->arena, bool, g->n_nodes * 2 + 2), *used = effects + g->n_nodes + 1;
    if (!effects) return bt_fail_memory(x->error);
    for (size_t i = 0; i < g->n_nodes; i++)
        for (int j = 0; j < g->nodes[i].n_inputs; j++) used[g->nodes[i].inputs[j].node] = true;
    for (int i = 0; i < x->n_fetches; i++) used[x->fetches[i].node] = true;
    berth_status status = find_effects(x, used, effects);
    if (status) return status;
    for (size_t i = 0; i < g->n_nodes; i++) {
        bt_node *node = &g->nodes[i];
        int kept = 0;
        for (int j = 0; j < node->n_controls; j++)
            if (effects[node->controls[j]]) node->controls[kept++] = node->controls[j];
        node->n_controls = kept;
    }
    return bt_pass_simplify(x);
}
