/* Function calls become copies of the function's nodes, so that folding and fusing see through them. A call stays
 * a call (ops/function.c) where its branch might not be taken: a graph with Switch nodes, for functions with effects. */
#include "pass/clone.h"

#include "ops/function.h"

/* The calls that a node came out of, innermost first. */
typedef struct chain {
    const char *function;
    const struct chain *outer;
} chain;

typedef struct inliner {
    bt_pass_context *x;
    const chain **chains; /* by node */
    size_t n_chains, room;
    bool has_switch;
} inliner;

/* All nodes without a chain so far came out of this one. */
static berth_status note_chain(inliner *l, const chain *c)
{
    size_t n = l->x->graph.n_nodes;
    if (!bt_grow(&l->chains, &l->room, n + 1, sizeof *l->chains)) return bt_fail_memory(l->x->error);
    while (l->n_chains < n) l->chains[l->n_chains++] = c;
    return BERTH_OK;
}

static int32_t *joined(bt_arena *arena, const int32_t *a, int n_a, const int32_t *b, int n_b)
{
    int32_t *all = bt_arena_array(arena, int32_t, (size_t)n_a + (size_t)n_b + 1);
    if (all && n_a) memcpy(all, a, (size_t)n_a * sizeof *all);
    if (all && n_b) memcpy(all + n_a, b, (size_t)n_b * sizeof *all);
    return all;
}

/* The call itself stays as a NoOp that waits for the function's effects: what waited for the call waits for it. What
 * the call waited for, the effects inside wait for. */
static berth_status settle_controls(inliner *l, int32_t call, size_t first_new, const int32_t *effects,
                                    int n_effects)
{
    bt_graph *g = &l->x->graph;
    bt_node *node = &g->nodes[call];
    for (size_t i = first_new; node->n_controls && i < g->n_nodes; i++) {
        bt_node *copy = &g->nodes[i];
        if (!copy->def || !(copy->def->flags & BT_OP_STATEFUL)) continue;
        copy->controls =
            joined(l->x->arena, copy->controls, copy->n_controls, node->controls, node->n_controls);
        if (!copy->controls) return bt_fail_memory(l->x->error);
        copy->n_controls += node->n_controls;
    }
    node->controls = joined(l->x->arena, node->controls, node->n_controls, effects, n_effects);
    if (!node->controls) return bt_fail_memory(l->x->error);
    node->n_controls += n_effects;
    node->n_inputs = node->n_attrs = 0;
    node->op = "NoOp", node->def = bt_op_find("NoOp");
    return BERTH_OK;
}

static berth_status check_call(inliner *l, int32_t call, const bt_function *f)
{
    const bt_node *node = &l->x->graph.nodes[call];
    for (const chain *c = l->chains[call]; c; c = c->outer)
        if (!strcmp(c->function, f->name))
            return bt_fail(l->x->error, BERTH_BAD_MODEL, "node '%s' (%s): function '%s' calls itself",
                           node->name, node->op, f->name);
    if (node->n_inputs == f->n_args && bt_node_outputs(node) == f->n_results) return BERTH_OK;
    return bt_fail(l->x->error, BERTH_BAD_MODEL,
                   "node '%s' (%s): function '%s' takes %d arguments and gives %d results, not %d and %d",
                   node->name, node->op, f->name, f->n_args, f->n_results, node->n_inputs,
                   bt_node_outputs(node));
}

static berth_status inline_call(inliner *l, int32_t call, const bt_function *f)
{
    bt_pass_context *x = l->x;
    berth_status status = check_call(l, call, f);
    if (status) return status;
    const bt_node *node = &x->graph.nodes[call];
    bt_edge *given = bt_arena_array(x->arena, bt_edge, (size_t)f->n_args + 1);
    bt_edge *results = bt_arena_array(x->arena, bt_edge, (size_t)f->n_results + 1);
    int32_t *effects = joined(x->arena, f->controls, f->n_controls, NULL, 0);
    chain *c = bt_arena_new(x->arena, chain);
    const char *prefix = bt_arena_print(x->arena, "%s/", node->name);
    if (!given || !results || !effects || !c || !prefix) return bt_fail_memory(x->error);
    *c = (chain){f->name, l->chains[call]};
    for (int i = 0; i < f->n_args; i++) given[i] = (bt_edge){f->args[i], 0};
    for (int i = 0; i < f->n_results; i++) results[i] = f->results[i];
    size_t first_new = x->graph.n_nodes;
    bt_clone clone = {.x = x,
                      .from = &f->graph,
                      .prefix = prefix,
                      .given = given,
                      .given_as = node->inputs,
                      .n_given = f->n_args};
    status = bt_clone_run(&clone, results, f->n_results, effects, f->n_controls);
    if (!status) status = note_chain(l, c);
    if (status) return status;
    for (size_t i = first_new; i < x->graph.n_nodes; i++)
        if (!bt_pass_add_fate(x, (int32_t)i)) return bt_fail_memory(x->error);
    bt_pass_fate(x, call, BT_FATE_INLINED, NULL);
    for (int i = 0; i < f->n_results; i++) bt_pass_redirect(x, (bt_edge){call, i}, results[i]);
    return settle_controls(l, call, first_new, effects, f->n_controls);
}

static bool has_effects(const bt_function *f)
{
    for (size_t i = 0; i < f->graph.n_nodes; i++) {
        const bt_op *op = bt_op_find(f->graph.nodes[i].op);
        if (op && op->flags & BT_OP_STATEFUL && f->graph.nodes[i].n_inputs) return true;
    }
    return f->n_controls > 0;
}

berth_status bt_pass_inline(bt_pass_context *x)
{
    inliner l = {.x = x};
    berth_status status = note_chain(&l, NULL);
    for (size_t i = 0; i < x->graph.n_nodes; i++) l.has_switch |= !strcmp(x->graph.nodes[i].op, "Switch");
    /* The nodes that a call brings are appended, and looked at in their turn. */
    for (size_t i = 0; !status && i < x->graph.n_nodes; i++) {
        const bt_node *node = &x->graph.nodes[i];
        if (!bt_op_calls(node->op)) continue;
        const char *name = bt_attr_func(node, "f");
        const bt_function *f = name ? bt_map_get(x->functions, bt_str_of(name)) : NULL;
        if (!f)
            status = bt_fail(x->error, BERTH_BAD_MODEL, "node '%s' (%s): there is no function '%s'",
                             node->name, node->op, name ? name : "");
        else if (!strcmp(node->op, "BatchFunction") && (status = bt_batch_limits(node, x->error)))
            bt_error_prefix(x->error, "node '%s' (%s)", node->name, node->op);
        else if (!l.has_switch || !has_effects(f)) status = inline_call(&l, (int32_t)i, f);
    }
    bt_free((void *)l.chains);
    return status ? status : bt_pass_sweep(x);
}
