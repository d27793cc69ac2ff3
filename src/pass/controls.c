/* Control edges that order nothing go: those from nodes that neither have an effect nor come after one. With them go
 * the NoOps and Identities that were only there to be waited for. In a graph with branches (Switch) control edges also
 * tell which branch a node belongs to, and stay. */
#include "pass/pass.h"

static bool is_waiting_only(const bt_node *node) { return !strcmp(node->op, "NoOp") || !strcmp(node->op, "ControlTrigger"); }

/* effects[i]: node i has an effect or comes after one. */
static berth_status find_effects(bt_pass_context *x, bool *effects)
{
    int32_t *order;
    size_t n;
    berth_status status = bt_pass_order(x, &order, &n);
    for (size_t i = 0; !status && i < n; i++) {
        const bt_node *node = &x->graph.nodes[order[i]];
        bool after = node->def->flags & BT_OP_STATEFUL && !is_waiting_only(node);
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
    bool *effects = bt_arena_array(x->arena, bool, g->n_nodes + 1);
    berth_status status = effects ? find_effects(x, effects) : bt_fail_memory(x->error);
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
