/* Variables that nobody writes become constants: reads of a VarHandleOp whose value the file has, unless a plan of this
 * session writes it. Which variables a plan writes is seen here, before anything is frozen; the session drops plans
 * that had frozen one of them. */
#include "pass/pass.h"

#include "ops/function.h"

/* Of a handle; TensorFlow 1's variables have become such (refs.c). */
static const bt_variable *variable_of(const bt_pass_context *x, const bt_node *handle)
{
    return strcmp(handle->op, "VarHandleOp") ? NULL : bt_source_variable(x->source, handle);
}

static bool only_reads(const char *op)
{
    static const char *const readers[] = {"ReadVariableOp",
                                          "ResourceGather",
                                          "ResourceGatherNd",
                                          "VariableShape",
                                          "VarIsInitializedOp",
                                          "Identity",
                                          NULL};
    for (int i = 0; readers[i]; i++)
        if (!strcmp(op, readers[i])) return true;
    return false;
}

static bool node_writes(const bt_pass_context *x, const bt_node *node, int input, int depth);

/* A function writes its argument when a node does that the argument goes to. */
static bool function_writes(const bt_pass_context *x, const char *name, int arg, int depth)
{
    const bt_function *f = name ? bt_map_get(x->functions, bt_str_of(name)) : NULL;
    if (!f || arg < 0 || arg >= f->n_args || depth > 64) return true;
    for (size_t i = 0; i < f->graph.n_nodes; i++) {
        const bt_node *node = &f->graph.nodes[i];
        for (int j = 0; j < node->n_inputs; j++)
            if (node->inputs[j].node == f->args[arg] && node_writes(x, node, j, depth + 1)) return true;
    }
    return false;
}

/* Whether a node that gets a handle as this input may write the variable: any op that is not known only to read. */
static bool node_writes(const bt_pass_context *x, const bt_node *node, int input, int depth)
{
    if (only_reads(node->op)) return false;
    bool calls = false, writes = false;
    bool has_leading = strstr(node->op, "While") == NULL && !bt_op_calls(node->op);
    for (int a = 0; a < node->n_attrs; a++) {
        const bt_attr *attr = &node->attrs[a];
        if (attr->kind != BT_ATTR_FUNC) continue;
        calls = true;
        int n = attr->is_list ? attr->n : 1;
        for (int i = 0; i < n && !writes; i++)
            writes = function_writes(x, (attr->is_list ? attr->list[i] : attr->value).s.p,
                                     input - has_leading, depth);
    }
    return calls ? writes : true;
}

/* Adds the variables that this graph writes to x->written. */
static berth_status note_written(bt_pass_context *x)
{
    for (size_t i = 0; i < x->graph.n_nodes; i++) {
        const bt_node *node = &x->graph.nodes[i];
        for (int j = 0; j < node->n_inputs; j++) {
            const bt_variable *v = variable_of(x, &x->graph.nodes[node->inputs[j].node]);
            if (!v || !node_writes(x, node, j, 0)) continue;
            if (!bt_map_put(x->written, bt_str_of(v->name), (void *)v)) return bt_fail_memory(x->error);
        }
    }
    return BERTH_OK;
}

static const bt_variable *frozen_variable(const bt_pass_context *x, const bt_node *handle)
{
    const bt_variable *v = variable_of(x, handle);
    return v && !bt_map_get(x->written, bt_str_of(v->name)) ? v : NULL;
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
    berth_status status = note_written(x);
    if (!status) status = bt_redirects_init(x, &redirects);
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
            /* What is left are the control edges onto it, which must not keep the variable alive. */
            node->op = "NoOp", node->def = bt_op_find("NoOp");
            node->n_inputs = 0;
        } else {
            node->op = "Gather", node->def = bt_op_find("Gather");
            node->inputs[0] = (bt_edge){constant, 0};
            if (!bt_set_type(&x->graph, (int32_t)i, "Tparams", variable->value.dtype))
                return bt_fail_memory(x->error);
        }
    }
    bt_redirects_apply(x, &redirects);
    return bt_pass_sweep(x);
}
