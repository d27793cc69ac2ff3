/* Variables that nobody writes become constants: reads of a VarHandleOp whose value the file has, unless a plan of this
 * session writes it. (Which plans write is known when they are made: session/session.c.) */
#include "pass/pass.h"

static const bt_variable *frozen_variable(const bt_pass_context *x, const bt_node *handle)
{
    if (strcmp(handle->op, "VarHandleOp")) return NULL;
    const char *shared = bt_attr_string(handle, "shared_name", "");
    const char *name = *shared ? shared : handle->name;
    if (x->written && bt_map_get(x->written, bt_str_of(name))) return NULL;
    return bt_map_get(&x->source->variables, bt_str_of(name));
}

/* The constant of a variable, made once a plan. */
static int32_t constant_of(bt_pass_context *x, const bt_variable *variable, int32_t *made, int32_t handle)
{
    if (made[handle]) return made[handle] - 1;
    int32_t origin = x->graph.nodes[handle].origin;
    int32_t node = bt_pass_const(x, variable->name, &variable->value);
    if (node < 0) return -1;
    x->graph.nodes[node].origin = origin;
    return made[handle] = node + 1, node;
}

berth_status bt_pass_freeze(bt_pass_context *x)
{
    size_t count = x->graph.n_nodes;
    int32_t *made = bt_arena_array(x->arena, int32_t, count + 1);
    bt_redirects redirects;
    berth_status status = bt_redirects_init(x, &redirects);
    if (status || !made) return status ? status : bt_fail_memory(x->error);
    for (size_t i = 0; i < count; i++) {
        bt_node *node = &x->graph.nodes[i];
        bool is_read = !strcmp(node->op, "ReadVariableOp"), is_gather = !strcmp(node->op, "ResourceGather");
        if ((!is_read && !is_gather) || node->n_inputs < 1) continue;
        int32_t handle = node->inputs[0].node;
        const bt_variable *variable = frozen_variable(x, &x->graph.nodes[handle]);
        if (!variable) continue;
        int32_t constant = constant_of(x, variable, made, handle);
        if (constant < 0) return bt_fail_memory(x->error);
        node = &x->graph.nodes[i];
        if (is_read) {
            bt_redirects_set(&redirects, (bt_edge){(int32_t)i, 0}, (bt_edge){constant, 0});
            bt_pass_fate(x, (int32_t)i, BT_FATE_FOLDED, NULL);
        } else {
            node->op = "Gather", node->def = bt_op_find("Gather");
            node->inputs[0] = (bt_edge){constant, 0};
            if (!bt_set_type(&x->graph, (int32_t)i, "Tparams", variable->value.dtype)) return bt_fail_memory(x->error);
        }
    }
    bt_redirects_apply(x, &redirects);
    return bt_pass_sweep(x);
}
