/* What only training needs goes: assertions and checks of numbers, printing, summaries, the branches that a switch never takes,
 * dropout. Whether the model is being trained was settled before (inference.c). */
#include "pass/pattern.h"
#include "pass/portable.h"

static bool op_in(const bt_node *node, const char *const *ops)
{
    for (int i = 0; ops[i]; i++)
        if (bt_is_op(node, ops[i])) return true;
    return false;
}

/* A node without inputs, or at the border of a loop of TensorFlow 1, that stands in the same loop as this one. */
static int32_t anchor_of(const bt_pass_context *x, int32_t node)
{
    static const char *const borders[] = {"Enter", "Exit", "Merge", "Switch", "NextIteration", NULL};
    for (size_t hops = 0; hops < x->graph.n_nodes; hops++) {
        const bt_node *at = &x->graph.nodes[node];
        if (!at->n_inputs || (hops && op_in(at, borders))) break;
        node = at->inputs[0].node;
    }
    return node;
}

/* In a loop of TensorFlow 1 it stays there, and with it the constants that wait for it: they know by that alone where they are. */
static berth_status become_nothing(bt_pass_context *x, int32_t index, bool has_frames)
{
    int32_t anchor = anchor_of(x, index);
    bt_node *node = &x->graph.nodes[index];
    node->op = "NoOp", node->def = bt_op_find("NoOp");
    node->n_inputs = node->n_attrs = 0;
    if (!has_frames) node->n_controls = 0;
    else if (anchor != index && !bt_node_set_controls(&x->graph, index, &anchor, 1))
        return bt_fail_memory(x->error);
    return BERTH_OK;
}

/* ---- Checks and prints -------------------------------------------------------------------------------- */

/* A function that can do nothing but fail. */
static bool only_asserts(const bt_pass_context *x, const char *name)
{
    static const char *const ops[] = {"Assert", "NoOp", "Identity", "Const", "_Arg", NULL};
    const bt_function *f = name ? bt_map_get(x->functions, bt_str_of(name)) : NULL;
    for (size_t i = 0; f && i < f->graph.n_nodes; i++)
        if (!op_in(&f->graph.nodes[i], ops)) return false;
    return f != NULL;
}

/* No output is read by anything; control edges do not count. */
static bool is_unread(const bt_uses *uses, int32_t node)
{
    for (int32_t k = uses->first[node]; k < uses->first[node + 1]; k++)
        if (uses->uses[k].slot >= 0) return false;
    return true;
}

static berth_status drop_checks(bt_pass_context *x)
{
    static const char *const checks[] = {"CheckNumerics", "CheckNumericsV2", "Print", NULL};
    static const char *const ends[] = {"Assert", "PrintV2", NULL};
    static const char *const branches[] = {"If", "StatelessIf", NULL};
    bt_redirects redirects;
    bt_uses uses;
    size_t n = 0;
    bool has_frames = false;
    berth_status status = bt_redirects_init(x, &redirects);
    if (!status) status = bt_uses_build(x, &uses);
    for (size_t i = 0; i < x->graph.n_nodes; i++) has_frames |= bt_is_op(&x->graph.nodes[i], "Enter");
    for (size_t i = 0; i < x->graph.n_nodes && !status; i++) {
        bt_node *node = &x->graph.nodes[i];
        bool guard = op_in(node, branches) && is_unread(&uses, (int32_t)i) &&
                     only_asserts(x, bt_attr_func(node, "then_branch")) &&
                     only_asserts(x, bt_attr_func(node, "else_branch"));
        if (op_in(node, checks) && node->n_inputs) {
            bt_redirects_set(&redirects, (bt_edge){(int32_t)i, 0}, node->inputs[0]), n++;
        } else if (guard || op_in(node, ends)) {
            status = become_nothing(x, (int32_t)i, has_frames), n++;
        }
    }
    if (status) return status;
    bt_redirects_apply(x, &redirects);
    bt_pass_change(x, "checks and prints removed", n);
    return bt_pass_sweep(x);
}

/* ---- Branches that are never taken -------------------------------------------------------------------- */

typedef struct pruning {
    bt_pass_context *x;
    bt_redirects redirects;
    bool *dead; /* by output */
    size_t n;
    bool give_up;
} pruning;

static bool is_dead(const pruning *p, bt_edge e) { return p->dead[p->x->first_fact[e.node] + e.slot]; }

static void set_dead(pruning *p, int32_t node)
{
    for (int32_t k = p->x->first_fact[node]; k < p->x->first_fact[node + 1]; k++) p->dead[k] = true;
}

static bool all_dead(const pruning *p, int32_t node)
{
    int32_t k = p->x->first_fact[node], end = p->x->first_fact[node + 1];
    while (k < end && p->dead[k]) k++;
    return k == end && end > p->x->first_fact[node];
}

/* One live input stands for the Merge; where several may be alive, dead ones cannot be taken out. */
static void settle_merge(pruning *p, int32_t index, bool read_index)
{
    const bt_node *node = &p->x->graph.nodes[index];
    int alive = 0, last = 0;
    for (int i = 0; i < node->n_inputs; i++)
        if (!is_dead(p, node->inputs[i])) alive++, last = i;
    if (alive == node->n_inputs) return;
    if (!alive) set_dead(p, index);
    else if (alive > 1 || read_index) p->give_up = true;
    else bt_redirects_set(&p->redirects, (bt_edge){index, 0}, node->inputs[last]);
}

static void settle_node(pruning *p, const bt_uses *uses, int32_t index)
{
    bt_pass_context *x = p->x;
    const bt_node *node = &x->graph.nodes[index];
    if (bt_is_op(node, "Merge") || bt_is_op(node, "RefMerge")) {
        settle_merge(p, index, uses->slot_count[uses->slot_count_first[index] + 1] > 0);
        return;
    }
    bool dead = false;
    for (int i = 0; i < node->n_inputs; i++) dead |= is_dead(p, node->inputs[i]);
    for (int i = 0; i < node->n_controls; i++) dead |= all_dead(p, node->controls[i]);
    if (dead) set_dead(p, index);
    if (dead || node->n_inputs != 2 || !(bt_is_op(node, "Switch") || bt_is_op(node, "RefSwitch"))) return;
    const bt_tensor *taken = bt_pass_fact(x, node->inputs[1])->value;
    if (!taken) return;
    int live = bt_tensor_int(taken, 0) != 0;
    p->dead[x->first_fact[index] + !live] = true;
    bt_redirects_set(&p->redirects, (bt_edge){index, live}, node->inputs[0]);
    p->n++;
}

static berth_status drop_branches(bt_pass_context *x)
{
    pruning p = {.x = x};
    bt_uses uses;
    int32_t *order;
    size_t n;
    berth_status status = bt_pass_infer(x);
    if (!status) status = bt_pass_order(x, &order, &n);
    if (!status) status = bt_redirects_init(x, &p.redirects);
    if (!status) status = bt_uses_build(x, &uses);
    if (status) return status;
    p.dead = bt_arena_array(x->arena, bool, (size_t)x->first_fact[x->graph.n_nodes] + 1);
    if (!p.dead) return bt_fail_memory(x->error);
    for (size_t i = 0; i < n; i++) settle_node(&p, &uses, order[i]);
    for (int i = 0; i < x->n_fetches; i++) p.give_up |= is_dead(&p, x->fetches[i]);
    for (int i = 0; i < x->n_targets; i++) p.give_up |= all_dead(&p, x->targets[i]);
    if (p.give_up || !p.n) return BERTH_OK;
    for (size_t i = 0; i < x->graph.n_nodes; i++) { /* nothing that runs waits for what does not */
        bt_node *node = &x->graph.nodes[i];
        int kept = 0;
        for (int k = 0; k < node->n_controls; k++)
            if (!all_dead(&p, node->controls[k])) node->controls[kept++] = node->controls[k];
        node->n_controls = kept;
    }
    bt_redirects_apply(x, &p.redirects);
    bt_pass_change(x, "switches that are set for good removed", p.n);
    return bt_pass_sweep(x);
}

/* ---- Dropout ------------------------------------------------------------------------------------------ */

/* Random numbers, maybe moved and scaled. */
static bool is_random(const bt_matcher *m, bt_edge e, int depth)
{
    static const char *const sources[] = {"RandomUniform", "StatelessRandomUniform",
                                          "StatelessRandomUniformV2", NULL};
    static const char *const moves[] = {"Add", "AddV2", "Mul", NULL};
    const bt_node *node = bt_producer(m, e);
    if (op_in(node, sources)) return true;
    if (!op_in(node, moves) || node->n_inputs != 2 || depth > 4) return false;
    return is_random(m, node->inputs[0], depth + 1) || is_random(m, node->inputs[1], depth + 1);
}

/* Zeros and ones: floor(keep + random), or random >= rate, cast or not. */
static bool is_mask(const bt_matcher *m, bt_edge e)
{
    const bt_node *node = bt_producer(m, e);
    if (bt_is_op(node, "Floor")) return is_random(m, node->inputs[0], 0);
    if (bt_is_op(node, "Cast")) node = bt_producer(m, node->inputs[0]);
    return bt_is_op(node, "GreaterEqual") && node->n_inputs == 2 && is_random(m, node->inputs[0], 0);
}

/* What dropout scaled: x / keep, or x times a constant. */
static bool scaled(const bt_matcher *m, bt_edge e, bt_edge *x)
{
    float value;
    const bt_node *node = bt_producer(m, e);
    if (bt_is_op(node, "Mul") && node->n_inputs == 2) return bt_scalar_side(m, node, &value, x);
    bool divides =
        (bt_is_op(node, "RealDiv") || bt_is_op(node, "Div")) && bt_scalar_value(m, node->inputs[1], &value);
    if (divides) *x = node->inputs[0];
    return divides;
}

static berth_status drop_dropout(bt_pass_context *x)
{
    bt_matcher m;
    bt_redirects redirects;
    size_t n = 0;
    berth_status status = bt_matcher_init(&m, x);
    if (!status) status = bt_redirects_init(x, &redirects);
    if (status) return status;
    for (size_t i = 0; i < x->graph.n_nodes; i++) {
        const bt_node *node = &x->graph.nodes[i];
        bool selects = (bt_is_op(node, "SelectV2") || bt_is_op(node, "Select")) && node->n_inputs == 3;
        bool product = bt_is_op(node, "Mul") && node->n_inputs == 2;
        float zero;
        bt_edge kept;
        bool found = selects && is_mask(&m, node->inputs[0]) && scaled(&m, node->inputs[1], &kept) &&
                     bt_scalar_value(&m, node->inputs[2], &zero) && zero == 0;
        for (int side = 0; product && !found && side < 2; side++)
            found = is_mask(&m, node->inputs[!side]) && scaled(&m, node->inputs[side], &kept);
        if (!found) continue;
        bt_redirects_set(&redirects, (bt_edge){(int32_t)i, 0}, kept);
        n++;
    }
    if (!n) return BERTH_OK;
    bt_redirects_apply(x, &redirects);
    bt_pass_change(x, "dropouts removed", n);
    return bt_pass_sweep(x);
}

berth_status bt_pass_strip_training(bt_pass_context *x)
{
    berth_status status = drop_checks(x);
    if (!status) status = drop_branches(x);
    if (!status) status = drop_dropout(x);
    return status ? status : bt_pass_controls(x);
}
