/* In a model that is to be written out, variables that nothing writes become constants: a VarHandleOp the constant itself, and
 * whatever the handle went through (loops, branches, functions) now carries the value. Variables of TensorFlow 1 are
 * handles by then (refs.c). The same for a plan, where bodies are planned one by one: freeze.c. */
#include "ops/function.h"
#include "pass/portable.h"

enum { STEP_LIMIT = 1 << 22 };

/* What the pass knows of a unit. */
typedef struct view {
    bt_pass_context *x;
    bt_uses uses;
    berth_dtype *holds; /* by output: the dtype of the value that stands for a handle; 0: as it is */
} view;

typedef struct mark {
    size_t unit;
    bt_edge edge;
} mark;

typedef struct freezing {
    bt_portable *p;
    view *views;
    mark *marks; /* of the variable that is being followed: a queue, and what to undo */
    size_t n_marks, room, steps;
    berth_dtype dtype;
    const bt_node *writer; /* why it cannot be */
} freezing;

static bool op_is(const bt_node *node, const char *op) { return strcmp(node->op, op) == 0; }

static berth_dtype *held(const view *v, bt_edge e)
{
    return &v->holds[v->uses.slot_count_first[e.node] + e.slot];
}

/* ---- Where a handle goes ------------------------------------------------------------------------------ */

/* Ops that take a handle and give something else. */
static bool reads(const bt_node *node)
{
    static const char *const ops[] = {"ReadVariableOp", "ResourceGather",     "ResourceGatherNd",
                                      "VariableShape",  "VarIsInitializedOp", NULL};
    for (int i = 0; ops[i]; i++)
        if (op_is(node, ops[i])) return true;
    return false;
}

/* Ops that hand on what they are given; Merge's second output is an index. */
static bool hands_on(const bt_node *node)
{
    static const char *const ops[] = {"Identity", "Enter", "Exit", "NextIteration", "Switch", "Merge", NULL};
    for (int i = 0; ops[i]; i++)
        if (op_is(node, ops[i])) return true;
    return false;
}

static bool is_while(const bt_node *node) { return op_is(node, "While") || op_is(node, "StatelessWhile"); }
/* If, Case: a condition stands before the arguments. */
static bool is_branch(const bt_node *node)
{
    return op_is(node, "If") || op_is(node, "StatelessIf") || op_is(node, "Case") ||
           op_is(node, "StatelessCase");
}

static bool push(freezing *f, size_t unit, bt_edge e)
{
    berth_dtype *dtype = held(&f->views[unit], e);
    if (*dtype) return *dtype == f->dtype;
    if (!bt_grow(&f->marks, &f->room, f->n_marks + 1, sizeof *f->marks))
        return bt_fail_memory(f->p->error), false;
    *dtype = f->dtype;
    f->marks[f->n_marks++] = (mark){unit, e};
    return true;
}

/* Argument `arg` of every function that the node calls. */
static bool push_arguments(freezing *f, const bt_node *node, int arg)
{
    for (int a = 0; a < node->n_attrs; a++) {
        const bt_attr *attr = &node->attrs[a];
        if (attr->kind != BT_ATTR_FUNC) continue;
        for (int i = 0; i < (attr->is_list ? attr->n : 1); i++) {
            ptrdiff_t unit =
                bt_map_get_index(&f->p->unit_of, attr->is_list ? attr->list[i].s : attr->value.s);
            const bt_pass_context *x = unit < 0 ? NULL : &f->p->units[unit]->x;
            if (!x || arg < 0 || arg >= x->n_feeds || x->feeds[arg].node < 0) return false;
            if (!push(f, (size_t)unit, x->feeds[arg])) return false;
        }
    }
    return true;
}

/* A loop's variable must come out of its body as it went in. */
static bool is_invariant(freezing *f, const bt_node *node, int arg)
{
    const char *name = bt_attr_func(node, "body");
    ptrdiff_t unit = name ? bt_map_get_index(&f->p->unit_of, bt_str_of(name)) : -1;
    const bt_pass_context *x = unit < 0 ? NULL : &f->p->units[unit]->x;
    if (!x || arg >= x->n_fetches) return false;
    bt_edge e = x->fetches[arg];
    for (int hops = 0; op_is(&x->graph.nodes[e.node], "Identity") && hops < 64; hops++)
        e = x->graph.nodes[e.node].inputs[0];
    return e.node == x->feeds[arg].node && e.slot == x->feeds[arg].slot;
}

/* One use of a handle; false when it may be written there. */
static bool follow(freezing *f, size_t unit, int32_t user, int input)
{
    const bt_node *node = &f->views[unit].x->graph.nodes[user];
    f->writer = node;
    if (reads(node)) return input == 0;
    if (hands_on(node)) {
        bool both = op_is(node, "Switch");
        if (both && input) return false;
        return push(f, unit, (bt_edge){user, 0}) && (!both || push(f, unit, (bt_edge){user, 1}));
    }
    if (is_while(node))
        return is_invariant(f, node, input) && push_arguments(f, node, input) &&
               push(f, unit, (bt_edge){user, input});
    if (is_branch(node)) return input > 0 && push_arguments(f, node, input - 1);
    return bt_op_calls(node->op) && push_arguments(f, node, input);
}

/* All uses of what is marked. A handle that a function gives back is one only where a loop hands it round. */
static bool follow_all(freezing *f)
{
    for (size_t k = 0; k < f->n_marks && f->steps++ < STEP_LIMIT; k++) {
        size_t unit = f->marks[k].unit;
        bt_edge e = f->marks[k].edge;
        const bt_uses *uses = &f->views[unit].uses;
        for (int32_t u = uses->first[e.node]; u < uses->first[e.node + 1]; u++) {
            bt_edge use = uses->uses[u];
            if (use.slot < 0) continue; /* a control edge */
            bool fetch = use.node < 0;
            const bt_pass_context *x = f->views[unit].x;
            bt_edge from = fetch ? x->fetches[use.slot] : x->graph.nodes[use.node].inputs[use.slot];
            if (from.slot != e.slot) continue;
            if (fetch && !unit) return false;
            if (!fetch && !follow(f, unit, use.node, use.slot)) return false;
        }
    }
    return f->steps < STEP_LIMIT;
}

/* Marks all that the handles of one variable reach; nothing where it cannot be frozen. */
static berth_status try_variable(freezing *f, const bt_variable *variable, bool *done)
{
    f->n_marks = 0;
    f->dtype = variable->value.dtype;
    *done = true;
    for (size_t k = 0; k < f->p->n_reached && *done; k++) {
        size_t unit = f->p->reached[k]->index;
        const bt_graph *g = &f->views[unit].x->graph;
        for (size_t i = 0; i < g->n_nodes && *done; i++)
            if (bt_source_variable(f->p->source, &g->nodes[i]) == variable)
                *done = push(f, unit, (bt_edge){(int32_t)i, 0});
    }
    *done = *done && follow_all(f);
    for (size_t k = 0; !*done && k < f->n_marks; k++)
        *held(&f->views[f->marks[k].unit], f->marks[k].edge) = BERTH_NO_DTYPE;
    return f->p->error->status;
}

/* ---- Values in the place of handles ------------------------------------------------------------------- */

static bool become_constant(bt_pass_context *x, int32_t index, const bt_variable *variable)
{
    bt_node *node = &x->graph.nodes[index];
    node->op = "Const", node->def = bt_op_find("Const");
    node->n_attrs = 0;
    return bt_set_type(&x->graph, index, "dtype", variable->value.dtype) &&
           bt_set_tensor(&x->graph, index, "value", &variable->value);
}

/* Whether a variable has its value is known by now. */
static bool become_true(bt_pass_context *x, int32_t index)
{
    bt_tensor *t = bt_arena_new(x->arena, bt_tensor);
    bool *yes = bt_arena_new(x->arena, bool);
    if (!t || !yes) return false;
    *yes = true;
    *t = (bt_tensor){.dtype = BERTH_BOOL, .shape = BT_SCALAR, .data = yes};
    bt_node *node = &x->graph.nodes[index];
    node->op = "Const", node->def = bt_op_find("Const");
    node->n_inputs = node->n_attrs = 0;
    return bt_set_type(&x->graph, index, "dtype", BERTH_BOOL) && bt_set_tensor(&x->graph, index, "value", t);
}

/* Gather along the first axis behind the batch's. */
static bool become_gather(bt_pass_context *x, int32_t index, berth_dtype dtype)
{
    bt_tensor *t = bt_arena_new(x->arena, bt_tensor);
    int32_t *axis = bt_arena_new(x->arena, int32_t);
    if (!t || !axis) return false;
    *axis = (int32_t)bt_attr_int(&x->graph.nodes[index], "batch_dims", 0);
    *t = (bt_tensor){.dtype = BERTH_INT32, .shape = BT_SCALAR, .data = axis};
    const char *name = bt_arena_print(x->arena, "%s/axis", x->graph.nodes[index].name);
    int32_t constant = name ? bt_pass_const(x, name, t) : -1;
    if (constant < 0) return false;
    bt_node *node = &x->graph.nodes[index];
    bt_edge in[3] = {node->inputs[0], node->inputs[1], {constant, 0}};
    berth_dtype indices = bt_attr_type(node, "Tindices", BERTH_INT32);
    node->op = "GatherV2", node->def = bt_op_find("GatherV2");
    node->n_attrs = 0;
    return bt_node_set_inputs(&x->graph, index, in, 3) && bt_set_type(&x->graph, index, "Tparams", dtype) &&
           bt_set_type(&x->graph, index, "Tindices", indices) &&
           bt_set_type(&x->graph, index, "Taxis", BERTH_INT32) &&
           bt_set_int(&x->graph, index, "batch_dims", *axis);
}

static bool rewrite_reader(bt_pass_context *x, int32_t index, berth_dtype dtype)
{
    bt_node *node = &x->graph.nodes[index];
    if (op_is(node, "VarIsInitializedOp")) return become_true(x, index);
    if (op_is(node, "ResourceGather")) return become_gather(x, index, dtype);
    if (op_is(node, "ResourceGatherNd")) {
        node->op = "GatherNd", node->def = bt_op_find("GatherNd");
        return bt_set_type(&x->graph, index, "Tparams", dtype);
    }
    bool shape = op_is(node, "VariableShape");
    berth_dtype out = bt_attr_type(node, "out_type", BERTH_INT32);
    node->op = shape ? "Shape" : "Identity", node->def = bt_op_find(node->op);
    node->n_attrs = 0;
    return bt_set_type(&x->graph, index, "T", dtype) &&
           (!shape || bt_set_type(&x->graph, index, "out_type", out));
}

/* Element i of a list of types. */
static bool set_type_at(bt_pass_context *x, int32_t index, const char *name, int i, berth_dtype dtype)
{
    const bt_attr_value *list;
    int n = bt_attr_list(&x->graph.nodes[index], name, &list);
    berth_dtype *types = n > i && i >= 0 ? bt_arena_array(x->arena, berth_dtype, (size_t)n) : NULL;
    for (int k = 0; types && k < n; k++) types[k] = k == i ? dtype : list[k].type;
    return types && bt_set_types(&x->graph, index, name, types, n);
}

/* The shape of a handle, which a loop may declare, is not that of its value. */
static bool forget_shape(bt_pass_context *x, int32_t index, int i)
{
    const bt_attr_value *list;
    int n = bt_attr_shapes(&x->graph.nodes[index], "output_shapes", &list);
    if (n <= i) return true;
    bt_shape *shapes = bt_arena_array(x->arena, bt_shape, (size_t)n);
    for (int k = 0; shapes && k < n; k++) shapes[k] = k == i ? BT_SHAPE_UNKNOWN : *list[k].shape;
    return shapes && bt_set_shapes(&x->graph, index, "output_shapes", shapes, n);
}

static bool rewrite_input(bt_pass_context *x, int32_t index, int input, berth_dtype dtype)
{
    const bt_node *node = &x->graph.nodes[index];
    if (reads(node)) return rewrite_reader(x, index, dtype);
    if (hands_on(node)) return bt_set_type(&x->graph, index, "T", dtype);
    if (is_while(node)) return set_type_at(x, index, "T", input, dtype) && forget_shape(x, index, input);
    return set_type_at(x, index, "Tin", input - is_branch(node), dtype);
}

static berth_status rewrite_unit(freezing *f, size_t unit)
{
    view *v = &f->views[unit];
    bt_pass_context *x = v->x;
    size_t count = x->graph.n_nodes;
    for (size_t i = 0; i < count; i++) {
        const bt_variable *variable = bt_source_variable(f->p->source, &x->graph.nodes[i]);
        if (variable && *held(v, (bt_edge){(int32_t)i, 0}) && !become_constant(x, (int32_t)i, variable))
            return bt_fail_memory(x->error);
        bool is_reader = reads(&x->graph.nodes[i]); /* a reader has one handle, and other inputs afterwards */
        for (int j = 0; j < (is_reader ? 1 : x->graph.nodes[i].n_inputs); j++) {
            berth_dtype dtype = *held(v, x->graph.nodes[i].inputs[j]);
            if (dtype && !rewrite_input(x, (int32_t)i, j, dtype)) return bt_fail_memory(x->error);
        }
    }
    for (int i = 0; i < x->n_feeds; i++) {
        berth_dtype dtype = x->feeds[i].node < 0 ? BERTH_NO_DTYPE : *held(v, x->feeds[i]);
        if (!dtype) continue;
        x->feed_facts[i] = (bt_fact){.dtype = dtype, .shape = BT_SHAPE_UNKNOWN};
        if (!bt_set_type(&x->graph, x->feeds[i].node, "T", dtype)) return bt_fail_memory(x->error);
        f->p->units[unit]->is_retyped = true;
    }
    return BERTH_OK;
}

/* ---- Functions that are called with both --------------------------------------------------------------- */

enum { COPY_LIMIT = 1000 };

/* One function that a node calls. */
typedef struct call {
    size_t unit;
    int32_t node;
    int attr, item; /* of the attribute's list */
    size_t callee;
} call;

/* Whether the call gives values where the function takes some, and handles where it takes these. */
static bool call_fits(freezing *f, const call *c)
{
    const bt_node *node = &f->views[c->unit].x->graph.nodes[c->node];
    const bt_pass_context *y = f->views[c->callee].x;
    int before = is_branch(node);
    for (int j = before; y && j < node->n_inputs && j - before < y->n_feeds; j++)
        if (*held(&f->views[c->unit], node->inputs[j]) != *held(&f->views[c->callee], y->feeds[j - before]))
            return false;
    return true;
}

/* A call that does not fit its function, which others call too. */
static bool find_misfit(freezing *f, call *c)
{
    for (size_t u = 0; u < f->p->n_reached; u++) {
        c->unit = f->p->reached[u]->index;
        const bt_graph *g = &f->views[c->unit].x->graph;
        for (c->node = 0; (size_t)c->node < g->n_nodes; c->node++) {
            const bt_node *node = &g->nodes[c->node];
            if (!is_branch(node) && !is_while(node) && !bt_op_calls(node->op)) continue;
            for (c->attr = 0; c->attr < node->n_attrs; c->attr++) {
                const bt_attr *attr = &node->attrs[c->attr];
                for (c->item = 0; attr->kind == BT_ATTR_FUNC && c->item < (attr->is_list ? attr->n : 1);
                     c->item++) {
                    bt_str name = attr->is_list ? attr->list[c->item].s : attr->value.s;
                    ptrdiff_t callee = bt_map_get_index(&f->p->unit_of, name);
                    c->callee = callee < 0 ? 0 : (size_t)callee;
                    if (callee >= 0 && !call_fits(f, c)) return true;
                }
            }
        }
    }
    return false;
}

/* The call gets a function of its own, a copy. */
static berth_status specialise(freezing *f, const call *c)
{
    bt_pass_context *x = f->views[c->unit].x;
    bt_str name = bt_portable_copy(f->p, c->callee);
    if (!name.p) return f->p->error->status;
    bt_node *node = &x->graph.nodes[c->node];
    bt_attr *attrs = bt_arena_array(x->arena, bt_attr, (size_t)node->n_attrs); /* nodes may share theirs */
    if (!attrs) return bt_fail_memory(x->error);
    memcpy(attrs, node->attrs, (size_t)node->n_attrs * sizeof *attrs);
    node->attrs = attrs;
    bt_attr *attr = &attrs[c->attr];
    if (!attr->is_list) return attr->value.s = name, BERTH_OK;
    bt_attr_value *list = bt_arena_array(x->arena, bt_attr_value, (size_t)attr->n);
    if (!list) return bt_fail_memory(x->error);
    memcpy(list, attr->list, (size_t)attr->n * sizeof *list);
    attr->list = list;
    list[c->item].s = name;
    return BERTH_OK;
}

static berth_status open_views(freezing *f)
{
    bt_portable *p = f->p;
    f->views = bt_arena_array(p->arena, view, p->n_units + 1);
    if (!f->views) return bt_fail_memory(p->error);
    for (size_t u = 0; u < p->n_reached; u++) {
        view *v = &f->views[p->reached[u]->index];
        v->x = &p->reached[u]->x;
        if (bt_uses_build(v->x, &v->uses)) return p->error->status;
        v->holds =
            bt_arena_array(p->arena, berth_dtype, (size_t)v->uses.slot_count_first[v->x->graph.n_nodes] + 1);
        if (!v->holds) return bt_fail_memory(p->error);
    }
    return BERTH_OK;
}

/* Marks what every variable reaches that can be frozen; counts them. */
static berth_status try_all(freezing *f, size_t *made, size_t *kept)
{
    berth_status status = open_views(f);
    *made = *kept = 0;
    for (size_t i = 0; i < f->p->source->variables.count && !status; i++) {
        bool done;
        status = try_variable(f, f->p->source->variables.entries[i].value, &done);
        if (!status && f->n_marks) ++*(done ? made : kept);
    }
    return status;
}

/* A function that is called with a variable that is written, and with one that is not, becomes two. */
berth_status bt_portable_freeze(bt_portable *p)
{
    freezing f = {.p = p};
    size_t made, kept, copies = 0;
    call misfit;
    berth_status status = bt_portable_each(p, bt_pass_refs);
    if (!status) status = try_all(&f, &made, &kept);
    while (!status && find_misfit(&f, &misfit)) {
        if (copies++ == COPY_LIMIT) {
            status = bt_fail(p->error, BERTH_UNSUPPORTED,
                             "functions are called in too many ways to freeze variables");
            break;
        }
        status = specialise(&f, &misfit);
        if (!status) status = bt_portable_each(p, NULL);
        if (!status) status = try_all(&f, &made, &kept);
    }
    if (!status) {
        bt_pass_change(&p->units[0]->x, "functions copied for calls of their own", copies);
        bt_pass_change(&p->units[0]->x, "variables made constants", made);
        bt_pass_change(&p->units[0]->x, "variables kept, since they are written", kept);
    }
    for (size_t u = 0; u < p->n_reached && !status; u++) status = rewrite_unit(&f, p->reached[u]->index);
    bt_free(f.marks);
    for (size_t u = 0; u < p->n_reached && !status; u++) status = bt_pass_sweep(&p->reached[u]->x);
    return status;
}
