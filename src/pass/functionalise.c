/* TF1's loops become While. A loop there is a frame of nodes: each variable of the loop goes round through Merge (from
 * Enter or NextIteration), Switch (by LoopCond) and NextIteration, and leaves through Switch and Exit. Here it becomes an
 * argument of two functions, cond and body, made of the nodes that LoopCond and the NextIterations need. Inner loops
 * go first, so that in an outer one they are nodes like others. Conditions (Switch, Merge) stay what they are. */
#include "pass/frames.h"

/* A variable of a loop; edges and nodes of the graph, -1 where there is none. */
typedef struct variable {
    int32_t merge, enter, next, branch; /* branch: its Switch */
} variable;

typedef struct loop {
    bt_pass_context *x;
    const bt_frames *frames;
    int32_t frame, condition; /* condition: the LoopCond */
    variable *vars;
    int n_vars;
    bt_edge *captured; /* inputs beside the variables: edges outside the frame */
    int n_captured;
    size_t captured_room;
    int32_t *var_of; /* by node: 1 + the variable whose Merge or Switch it is */
    int32_t *outer;  /* nodes outside that the loop waits for */
    int n_outer;
    size_t outer_room;
} loop;

static bool is_op(const loop *l, int32_t node, const char *op)
{
    return !strcmp(l->x->graph.nodes[node].op, op);
}

static berth_status unstructured(const loop *l, int32_t node, const char *why)
{
    const bt_node *n = &l->x->graph.nodes[node];
    return bt_fail(l->x->error, BERTH_UNSUPPORTED, "node '%s' (%s): loop '%s' is not one that can be run: %s",
                   n->name, n->op, l->frames->at[l->frame].name, why);
}

/* Nodes added for inner loops run in the frame around them; they stand behind those that frames know. */
static bool runs_inside(const loop *l, int32_t node, const int32_t *frame_of_added)
{
    size_t known = l->frames->n_nodes;
    int32_t frame = (size_t)node < known ? l->frames->of[node] : frame_of_added[(size_t)node - known];
    return frame == l->frame;
}

/* ---- The parts of a loop -------------------------------------------------------------------------------- */

static berth_status add_variable(loop *l, int32_t merge)
{
    const bt_node *node = &l->x->graph.nodes[merge];
    variable v = {merge, -1, -1, -1};
    for (int i = 0; i < node->n_inputs; i++) {
        int32_t from = node->inputs[i].node;
        if (is_op(l, from, "NextIteration")) v.next = from;
        if (is_op(l, from, "Enter")) v.enter = from;
    }
    if (v.next < 0) return BERTH_OK; /* the end of a condition */
    if (v.enter < 0 || node->n_inputs != 2)
        return unstructured(l, merge, "a variable does not start with one Enter");
    l->vars[l->n_vars++] = v;
    l->var_of[merge] = l->n_vars;
    return BERTH_OK;
}

/* The Switch nodes that LoopCond steers. */
static berth_status add_branch(loop *l, int32_t index)
{
    const bt_node *node = &l->x->graph.nodes[index];
    if (node->n_inputs != 2 || node->inputs[1].node != l->condition) return BERTH_OK;
    int32_t v = l->var_of[node->inputs[0].node];
    if (!v || node->inputs[0].slot) return unstructured(l, index, "it does not steer a variable of the loop");
    l->var_of[index] = v;
    l->vars[v - 1].branch = index;
    return BERTH_OK;
}

static berth_status find_parts(loop *l)
{
    bt_pass_context *x = l->x;
    size_t n = l->frames->n_nodes;
    berth_status status = BERTH_OK;
    l->condition = -1;
    l->vars = bt_arena_array(x->arena, variable, n + 1);
    l->var_of = bt_arena_array(x->arena, int32_t, x->graph.n_nodes + 1);
    if (!l->vars || !l->var_of) return bt_fail_memory(x->error);
    int32_t any = -1;
    for (size_t i = 0; i < n && !status; i++) {
        if (l->frames->of[i] != l->frame) continue;
        any = (int32_t)i;
        if (is_op(l, any, "Merge")) status = add_variable(l, any);
        if (!is_op(l, any, "LoopCond")) continue;
        if (l->condition >= 0) return unstructured(l, any, "it has two conditions");
        l->condition = any;
    }
    if (!status && (l->condition < 0 || x->graph.nodes[l->condition].n_inputs != 1))
        return unstructured(l, any, "it has no condition");
    for (size_t i = 0; i < n && !status; i++)
        if (l->frames->of[i] == l->frame && is_op(l, (int32_t)i, "Switch"))
            status = add_branch(l, (int32_t)i);
    return status;
}

/* ---- What a function needs ------------------------------------------------------------------------------- */

/* One function in the making. */
typedef struct draft {
    loop *l;
    const int32_t *frame_of_added;
    bt_function *f;
    bt_edge *results; /* of the graph; a body hands what is captured on behind them */
    int32_t *controls;
    int n_results, n_controls;
    int32_t *moved; /* by node: 1 + its copy in f; -1 while it waits */
    int32_t *nodes; /* those, in the order in which they were reached */
    size_t n;
} draft;

/* The argument that an edge is: a variable, or something from outside; -1 when a node of the loop computes it. */
static berth_status argument_of(draft *d, bt_edge e, int *arg)
{
    loop *l = d->l;
    bt_pass_context *x = l->x;
    const bt_node *node = &x->graph.nodes[e.node];
    *arg = -1;
    if (l->var_of[e.node]) {
        bool is_branch = l->vars[l->var_of[e.node] - 1].branch == e.node;
        if (e.slot != is_branch)
            return unstructured(l, e.node, "a value is used where the loop has ended, or is none");
        *arg = l->var_of[e.node] - 1;
        return BERTH_OK;
    }
    bool inside = runs_inside(l, e.node, d->frame_of_added);
    if (inside && strcmp(node->op, "Enter")) return BERTH_OK;
    if (!inside && !strcmp(node->op, "_Feed"))
        return bt_fail(x->error, BERTH_UNSUPPORTED, "'%s:%d' cannot be fed: it lies in the loop '%s'",
                       node->name, e.slot, l->frames->at[l->frame].name);
    if (!inside && !strcmp(node->op, "Const")) return BERTH_OK; /* copied */
    bt_edge outer = inside ? node->inputs[0] : e;
    for (int i = 0; i < l->n_captured; i++)
        if (l->captured[i].node == outer.node && l->captured[i].slot == outer.slot) {
            *arg = l->n_vars + i;
            return BERTH_OK;
        }
    if (!bt_grow(&l->captured, &l->captured_room, (size_t)l->n_captured + 1, sizeof *l->captured))
        return bt_fail_memory(x->error);
    l->captured[l->n_captured++] = outer;
    *arg = l->n_vars + l->n_captured - 1;
    return BERTH_OK;
}

static void reach(draft *d, int32_t node)
{
    if (d->moved[node]) return;
    d->moved[node] = -1;
    d->nodes[d->n++] = node;
}

/* A control edge to what is alive in every round says nothing; one to the outside the loop as a whole waits for. */
static berth_status reach_control(draft *d, int32_t control, bool *drop)
{
    loop *l = d->l;
    const bt_node *node = &l->x->graph.nodes[control];
    *drop = true;
    if (l->var_of[control] || control == l->condition) return BERTH_OK;
    if (!runs_inside(l, control, d->frame_of_added)) {
        for (int i = 0; i < l->n_outer; i++)
            if (l->outer[i] == control) return BERTH_OK;
        if (!bt_grow(&l->outer, &l->outer_room, (size_t)l->n_outer + 1, sizeof *l->outer))
            return bt_fail_memory(l->x->error);
        l->outer[l->n_outer++] = control;
        return BERTH_OK;
    }
    if (!strcmp(node->op, "Enter")) return BERTH_OK;
    if (!strcmp(node->op, "Identity") && node->n_inputs == 1 && l->var_of[node->inputs[0].node])
        return BERTH_OK;
    *drop = false;
    reach(d, control);
    return BERTH_OK;
}

static berth_status reach_edge(draft *d, bt_edge e)
{
    int arg;
    berth_status status = argument_of(d, e, &arg);
    if (!status && arg < 0) reach(d, e.node);
    return status;
}

/* All that the results need, and the controls: nodes that must run though no result needs them. */
static berth_status collect(draft *d)
{
    const bt_graph *g = &d->l->x->graph;
    berth_status status = BERTH_OK;
    bool drop;
    for (int i = 0; i < d->n_results && !status; i++) status = reach_edge(d, d->results[i]);
    for (int i = 0; i < d->n_controls && !status; i++) status = reach_control(d, d->controls[i], &drop);
    for (size_t k = 0; k < d->n && !status; k++) {
        const bt_node *node = &g->nodes[d->nodes[k]];
        if (!runs_inside(d->l, d->nodes[k], d->frame_of_added)) continue; /* a constant */
        for (int i = 0; i < node->n_inputs && !status; i++) status = reach_edge(d, node->inputs[i]);
        for (int i = 0; i < node->n_controls && !status; i++)
            status = reach_control(d, node->controls[i], &drop);
    }
    return status;
}

/* ---- Writing a function ---------------------------------------------------------------------------------- */

static berth_dtype type_of_argument(const loop *l, int k)
{
    bt_edge from = k < l->n_vars ? (bt_edge){l->vars[k].merge, 0} : l->captured[k - l->n_vars];
    return bt_node_output_type(&l->x->graph.nodes[from.node], from.slot);
}

static berth_status add_arguments(draft *d)
{
    loop *l = d->l;
    bt_function *f = d->f;
    bt_graph *g = &f->graph;
    f->n_args = l->n_vars + l->n_captured;
    f->args = bt_arena_array(g->arena, int32_t, (size_t)f->n_args + 1);
    f->arg_names = bt_arena_array(g->arena, const char *, (size_t)f->n_args + 1);
    if (!f->args || !f->arg_names) return bt_fail_memory(l->x->error);
    for (int k = 0; k < f->n_args; k++) {
        int32_t from = k < l->n_vars ? l->vars[k].merge : l->captured[k - l->n_vars].node;
        const char *name = bt_graph_unique_name(g, l->x->graph.nodes[from].name);
        f->args[k] = name ? bt_graph_add(g, name, "_Arg") : -1;
        if (f->args[k] < 0 || !bt_set_int(g, f->args[k], "index", k) ||
            !bt_set_type(g, f->args[k], "T", type_of_argument(l, k)))
            return bt_fail_memory(l->x->error);
        f->arg_names[k] = name;
    }
    return BERTH_OK;
}

static berth_status copy_nodes(draft *d)
{
    bt_graph *g = &d->f->graph;
    bt_pass_context *x = d->l->x;
    for (size_t k = 0; k < d->n; k++) {
        const bt_node *old = &x->graph.nodes[d->nodes[k]];
        const char *name = bt_graph_unique_name(g, old->name);
        int32_t added = name ? bt_graph_add(g, name, strcmp(old->op, "LoopCond") ? old->op : "Identity") : -1;
        if (added < 0) return bt_fail_memory(x->error);
        bt_node *node = &g->nodes[added];
        node->device = old->device, node->attrs = old->attrs, node->n_attrs = old->n_attrs;
        d->moved[d->nodes[k]] = added + 1;
    }
    return BERTH_OK;
}

static berth_status moved_edge(draft *d, bt_edge e, bt_edge *to)
{
    int arg;
    berth_status status = argument_of(d, e, &arg);
    *to = arg >= 0 ? (bt_edge){d->f->args[arg], 0} : (bt_edge){d->moved[e.node] - 1, e.slot};
    return status;
}

/* Control edges that say something, moved; *n of them. */
static berth_status moved_controls(draft *d, const int32_t *controls, int n_controls, int32_t *to, int *n)
{
    for (int i = 0; i < n_controls; i++) {
        bool drop;
        berth_status status = reach_control(d, controls[i], &drop);
        if (status) return status;
        if (!drop) to[(*n)++] = d->moved[controls[i]] - 1;
    }
    return BERTH_OK;
}

static berth_status copy_edges(draft *d, int32_t index)
{
    const bt_node *old = &d->l->x->graph.nodes[index];
    bt_graph *g = &d->f->graph;
    bt_edge *inputs = bt_arena_array(g->arena, bt_edge, (size_t)old->n_inputs + 1);
    int32_t *controls = bt_arena_array(g->arena, int32_t, (size_t)old->n_controls + 1);
    int n_controls = 0;
    if (!inputs || !controls) return bt_fail_memory(d->l->x->error);
    berth_status status = BERTH_OK;
    if (!runs_inside(d->l, index, d->frame_of_added)) return BERTH_OK;
    for (int i = 0; i < old->n_inputs && !status; i++) status = moved_edge(d, old->inputs[i], &inputs[i]);
    if (!status) status = moved_controls(d, old->controls, old->n_controls, controls, &n_controls);
    bt_node *node = &g->nodes[d->moved[index] - 1];
    node->inputs = inputs, node->n_inputs = old->n_inputs;
    node->controls = controls, node->n_controls = n_controls;
    return status;
}

static berth_status draft_begin(draft *d, loop *l, const int32_t *frame_of_added, const char *what)
{
    bt_pass_context *x = l->x;
    size_t n = x->graph.n_nodes + 1;
    *d = (draft){.l = l, .frame_of_added = frame_of_added, .f = bt_arena_new(x->arena, bt_function)};
    d->moved = bt_arena_array(x->arena, int32_t, n);
    d->nodes = bt_arena_array(x->arena, int32_t, n);
    d->results = bt_arena_array(x->arena, bt_edge, (size_t)l->n_vars + 1);
    if (!d->f || !d->moved || !d->nodes || !d->results) return bt_fail_memory(x->error);
    bt_graph_init(&d->f->graph, x->arena);
    const char *frame = l->frames->at[l->frame].name;
    for (int i = 0; !i || bt_map_get(x->functions, bt_str_of(d->f->name)); i++) {
        d->f->name = i ? bt_arena_print(x->arena, "%s/%s_%d", frame, what, i)
                       : bt_arena_print(x->arena, "%s/%s", frame, what);
        if (!d->f->name) return bt_fail_memory(x->error);
    }
    return BERTH_OK;
}

static berth_status draft_cond(draft *d, loop *l, const int32_t *frame_of_added)
{
    berth_status status = draft_begin(d, l, frame_of_added, "cond");
    if (status) return status;
    const bt_node *condition = &l->x->graph.nodes[l->condition];
    d->results[d->n_results++] = condition->inputs[0];
    d->controls = condition->controls, d->n_controls = condition->n_controls;
    return collect(d);
}

static berth_status draft_body(draft *d, loop *l, const int32_t *frame_of_added)
{
    berth_status status = draft_begin(d, l, frame_of_added, "body");
    const bt_graph *g = &l->x->graph;
    size_t n = 0;
    for (int k = 0; k < l->n_vars; k++) n += (size_t)g->nodes[l->vars[k].next].n_controls;
    d->controls = bt_arena_array(l->x->arena, int32_t, n + 1);
    if (status || !d->controls) return status ? status : bt_fail_memory(l->x->error);
    for (int k = 0; k < l->n_vars; k++) {
        const bt_node *next = &g->nodes[l->vars[k].next];
        if (next->n_inputs != 1) return unstructured(l, l->vars[k].next, "it has no input");
        d->results[d->n_results++] = next->inputs[0];
        for (int i = 0; i < next->n_controls; i++) d->controls[d->n_controls++] = next->controls[i];
    }
    return collect(d);
}

static berth_status set_results(draft *d, int n_results)
{
    bt_function *f = d->f;
    bt_pass_context *x = d->l->x;
    f->n_results = n_results;
    f->results = bt_arena_array(x->arena, bt_edge, (size_t)n_results + 1);
    f->result_names = bt_arena_array(x->arena, const char *, (size_t)n_results + 1);
    f->controls = bt_arena_array(x->arena, int32_t, (size_t)d->n_controls + 1);
    if (!f->results || !f->result_names || !f->controls) return bt_fail_memory(x->error);
    for (int i = 0; i < n_results; i++) {
        f->results[i] = (bt_edge){f->args[i < f->n_args ? i : 0], 0};
        f->result_names[i] = i < d->n_results ? x->graph.nodes[d->results[i].node].name : f->arg_names[i];
        berth_status status = i < d->n_results ? moved_edge(d, d->results[i], &f->results[i]) : BERTH_OK;
        if (status) return status;
    }
    return moved_controls(d, d->controls, d->n_controls, f->controls, &f->n_controls);
}

/* The nodes move into the arena, where the function lives; the tables behind them go. */
static berth_status settle_graph(draft *d)
{
    bt_graph *g = &d->f->graph;
    size_t n = g->n_nodes;
    bt_node *nodes = bt_arena_array(g->arena, bt_node, n + 1);
    if (nodes && n) memcpy(nodes, g->nodes, n * sizeof *nodes);
    bt_graph_free(g);
    if (!nodes) return bt_fail_memory(d->l->x->error);
    g->nodes = nodes, g->n_nodes = n;
    bt_ops_resolve(g);
    for (size_t i = 0; i < n; i++) d->f->is_stateful |= !nodes[i].def || nodes[i].def->flags & BT_OP_STATEFUL;
    return BERTH_OK;
}

static berth_status draft_end(draft *d, bool is_body)
{
    bt_pass_context *x = d->l->x;
    berth_status status = add_arguments(d);
    if (!status) status = copy_nodes(d);
    for (size_t k = 0; k < d->n && !status; k++) status = copy_edges(d, d->nodes[k]);
    if (!status) status = set_results(d, is_body ? d->f->n_args : 1);
    berth_status settled = settle_graph(d);
    if (status || settled) return status ? status : settled;
    return bt_map_put(x->functions, bt_str_of(d->f->name), d->f) ? BERTH_OK : bt_fail_memory(x->error);
}

/* ---- The loop as a node ---------------------------------------------------------------------------------- */

static berth_status add_while(loop *l, const bt_function *cond, const bt_function *body, int32_t *added)
{
    bt_pass_context *x = l->x;
    bt_graph *g = &x->graph;
    int n = l->n_vars + l->n_captured;
    const char *name = bt_graph_unique_name(g, l->frames->at[l->frame].name);
    bt_edge *inputs = bt_arena_array(x->arena, bt_edge, (size_t)n + 1);
    berth_dtype *types = bt_arena_array(x->arena, berth_dtype, (size_t)n + 1);
    size_t n_controls = (size_t)l->n_outer;
    for (int k = 0; k < l->n_vars; k++) n_controls += (size_t)g->nodes[l->vars[k].enter].n_controls;
    int32_t *controls = bt_arena_array(x->arena, int32_t, n_controls + 1), n_waits = 0;
    if (!name || !inputs || !types || !controls) return bt_fail_memory(x->error);
    for (int k = 0; k < n; k++) {
        const bt_node *enter = k < l->n_vars ? &g->nodes[l->vars[k].enter] : NULL;
        if (enter && enter->n_inputs != 1) return unstructured(l, l->vars[k].enter, "it has no input");
        inputs[k] = enter ? enter->inputs[0] : l->captured[k - l->n_vars];
        types[k] = type_of_argument(l, k);
        for (int i = 0; enter && i < enter->n_controls; i++) controls[n_waits++] = enter->controls[i];
    }
    for (int i = 0; i < l->n_outer; i++) controls[n_waits++] = l->outer[i];
    const char *op = cond->is_stateful || body->is_stateful ? "While" : "StatelessWhile";
    *added = bt_graph_add(g, name, op);
    if (*added < 0 || !bt_node_set_inputs(g, *added, inputs, n) ||
        !bt_node_set_controls(g, *added, controls, n_waits) || !bt_set_func(g, *added, "cond", cond->name) ||
        !bt_set_func(g, *added, "body", body->name) || !bt_set_types(g, *added, "T", types, n))
        return bt_fail_memory(x->error);
    g->nodes[*added].def = bt_op_find(op);
    g->nodes[*added].device = g->nodes[l->condition].device;
    g->nodes[*added].origin = g->nodes[l->condition].origin;
    return BERTH_OK;
}

/* What used an Exit uses the output of its variable. */
static berth_status replace_exits(loop *l, int32_t added)
{
    bt_pass_context *x = l->x;
    size_t n = l->frames->n_nodes;
    int32_t *exit_of = bt_arena_array(x->arena, int32_t, n + 1); /* 1 + variable */
    if (!exit_of) return bt_fail_memory(x->error);
    for (size_t i = 0; i < n; i++) {
        if (l->frames->of[i] != l->frame) continue;
        bt_pass_fate(x, (int32_t)i, BT_FATE_FUSED, x->graph.nodes[added].name);
        if (!is_op(l, (int32_t)i, "Exit")) continue;
        const bt_node *node = &x->graph.nodes[i];
        bt_edge from = node->n_inputs == 1 ? node->inputs[0] : (bt_edge){-1, 0};
        int32_t v = from.node >= 0 ? l->var_of[from.node] : 0;
        if (!v || l->vars[v - 1].branch != from.node || from.slot)
            return unstructured(l, (int32_t)i, "it ends no variable");
        exit_of[i] = v;
    }
    for (size_t i = 0; i < x->graph.n_nodes; i++) {
        bt_node *node = &x->graph.nodes[i];
        for (int j = 0; j < node->n_inputs; j++) {
            bt_edge *e = &node->inputs[j];
            if ((size_t)e->node < n && exit_of[e->node]) *e = (bt_edge){added, exit_of[e->node] - 1};
        }
        for (int j = 0; j < node->n_controls; j++)
            if ((size_t)node->controls[j] < n && exit_of[node->controls[j]]) node->controls[j] = added;
    }
    for (int i = 0; i < x->n_fetches; i++) {
        bt_edge *e = &x->fetches[i];
        if ((size_t)e->node < n && exit_of[e->node]) *e = (bt_edge){added, exit_of[e->node] - 1};
    }
    for (int i = 0; i < x->n_targets; i++)
        if ((size_t)x->targets[i] < n && exit_of[x->targets[i]]) x->targets[i] = added;
    return BERTH_OK;
}

static berth_status convert(loop *l, int32_t *frame_of_added)
{
    draft cond, body;
    int32_t added = -1;
    berth_status status = find_parts(l);
    if (!status) status = draft_cond(&cond, l, frame_of_added);
    if (!status) status = draft_body(&body, l, frame_of_added);
    if (!status) status = draft_end(&cond, false);
    if (!status) status = draft_end(&body, true);
    if (!status) status = add_while(l, cond.f, body.f, &added);
    if (!status) frame_of_added[(size_t)added - l->frames->n_nodes] = l->frames->at[l->frame].parent;
    return status ? status : replace_exits(l, added);
}

static berth_status check_outside(bt_pass_context *x, const bt_frames *frames, int32_t node)
{
    int32_t frame = bt_frames_after(x, frames, node);
    if (!frame) return BERTH_OK;
    return bt_fail(x->error, BERTH_UNSUPPORTED, "'%s' cannot be fetched: it lies in the loop '%s'",
                   x->graph.nodes[node].name, frames->at[frame].name);
}

berth_status bt_pass_functionalise(bt_pass_context *x)
{
    bt_frames frames;
    berth_status status = bt_frames_find(x, &frames);
    if (status || frames.n == 1) return status;
    for (int i = 0; i < x->n_fetches && !status; i++) status = check_outside(x, &frames, x->fetches[i].node);
    for (int i = 0; i < x->n_targets && !status; i++) status = check_outside(x, &frames, x->targets[i]);
    int32_t *frame_of_added = bt_arena_array(x->arena, int32_t, (size_t)frames.n);
    if (!frame_of_added) return bt_fail_memory(x->error);
    int deepest = 0;
    for (int32_t i = 1; i < frames.n; i++)
        if (frames.at[i].depth > deepest) deepest = frames.at[i].depth;
    for (int depth = deepest; depth > 0; depth--)
        for (int32_t i = 1; i < frames.n && !status; i++) {
            if (frames.at[i].depth != depth) continue;
            loop l = {.x = x, .frames = &frames, .frame = i};
            status = convert(&l, frame_of_added);
            bt_free(l.captured);
            bt_free(l.outer);
        }
    return status ? status : bt_pass_sweep(x);
}
