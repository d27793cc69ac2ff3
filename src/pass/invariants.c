/* Loops that hand a constant through: what used that output of the loop uses the constant, and the loop, whose bodies
 * have the constant folded in, need not hold it at run time. A weight that a loop captures is then packed and no more.
 * In a graph with branches (Switch) the output also tells whether the loop ran at all, and stays. */
#include "ops/function.h"
#include "pass/pass.h"

/* The outputs of a loop that are constants, noted on the node and redirected. */
static berth_status settle_loop(bt_pass_context *x, int32_t index, bt_redirects *redirects)
{
    const bt_node *node = &x->graph.nodes[index];
    const char *name = bt_attr_func(node, "body");
    const bt_function *body = name ? bt_map_get(x->functions, bt_str_of(name)) : NULL;
    int64_t *unread = bt_arena_array(x->arena, int64_t, (size_t)node->n_inputs + 1);
    int n = 0;
    if (!unread) return bt_fail_memory(x->error);
    if (!body || body->n_results != node->n_inputs || bt_node_outputs(node) != node->n_inputs)
        return BERTH_OK;
    for (int k = 0; k < node->n_inputs; k++) {
        bt_edge from = node->inputs[k];
        if (strcmp(x->graph.nodes[from.node].op, "Const") || bt_function_argument(body, k) != k) continue;
        bt_redirects_set(redirects, (bt_edge){index, k}, from);
        unread[n++] = k;
    }
    return !n || bt_set_ints(&x->graph, index, "_unread", unread, n) ? BERTH_OK : bt_fail_memory(x->error);
}

berth_status bt_pass_invariants(bt_pass_context *x)
{
    bool any = false;
    for (size_t i = 0; i < x->graph.n_nodes; i++) {
        const bt_node *node = &x->graph.nodes[i];
        if (node->def && node->def->flags & BT_OP_DEAD) return BERTH_OK;
        any |= !strcmp(node->op, "While") || !strcmp(node->op, "StatelessWhile");
    }
    bt_redirects redirects;
    berth_status status = any ? bt_redirects_init(x, &redirects) : BERTH_OK;
    for (size_t i = 0; any && !status && i < x->graph.n_nodes; i++) {
        const char *op = x->graph.nodes[i].op;
        if (!strcmp(op, "While") || !strcmp(op, "StatelessWhile"))
            status = settle_loop(x, (int32_t)i, &redirects);
    }
    if (any && !status) bt_redirects_apply(x, &redirects);
    return status;
}
