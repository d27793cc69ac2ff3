/* Nodes that change nothing go: Identity and its kin. An Identity that something waits for, or that waits, stays as it
 * is: in TF1 graphs it stands for a branch. */
#include "pass/pass.h"

static bool changes_nothing(const bt_node *node)
{
    static const char *const ops[] = {"Identity",
                                      "StopGradient",
                                      "PreventGradient",
                                      "Snapshot",
                                      "DebugGradientIdentity",
                                      "GuaranteeConst",
                                      "IdentityN",
                                      NULL};
    if (node->n_controls) return false;
    if (!strcmp(node->op, "Cast")) return bt_attr_type(node, "SrcT", 0) == bt_attr_type(node, "DstT", 1);
    for (int i = 0; ops[i]; i++)
        if (!strcmp(node->op, ops[i])) return true;
    return false;
}

berth_status bt_pass_simplify(bt_pass_context *x)
{
    bt_redirects redirects;
    berth_status status = bt_redirects_init(x, &redirects);
    if (status) return status;
    for (size_t i = 0; i < x->graph.n_nodes; i++) {
        const bt_node *node = &x->graph.nodes[i];
        if (!changes_nothing(node)) continue;
        for (int j = 0; j < node->n_inputs; j++)
            bt_redirects_set(&redirects, (bt_edge){(int32_t)i, j}, node->inputs[j]);
        bt_pass_fate(x, (int32_t)i, BT_FATE_REMOVED, NULL);
    }
    bt_redirects_apply(x, &redirects);
    return bt_pass_sweep(x);
}
