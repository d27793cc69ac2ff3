/* Whether a model that is to be written out is being trained: no. Placeholders that ask for it become false, or their default, and
 * the branches of conditionals that this settles for good come in place of these. What of training is left then:
 * strip_training.c. */
#include <ctype.h>

#include "pass/build.h"
#include "pass/pattern.h"
#include "pass/portable.h"

/* ---- What is done with a truth value ------------------------------------------------------------------- */

enum { MOST_SCOPES = 64, MOST_STEPS = 1 << 22 };

/* The graph, or a function that it calls. */
typedef struct scope {
    const bt_function *f;
    bt_pass_context *x, own;
    bt_uses uses;
    int32_t *seen; /* by node: the search that came by */
} scope;

typedef struct value {
    int scope;
    int32_t node;
} value;

typedef struct search {
    scope scopes[MOST_SCOPES];
    int n;
    value *queue;
    size_t n_queue, room, steps;
    int32_t number;
    bool failed; /* out of memory */
} search;

/* Its index; -1: there are too many, or s->failed. */
static int add_scope(search *s, bt_pass_context *x, const bt_function *f)
{
    scope *at = &s->scopes[s->n];
    if (s->n == MOST_SCOPES) return -1;
    *at = (scope){.f = f, .x = x};
    if (f) {
        at->own = (bt_pass_context){.arena = x->arena,
                                    .graph = f->graph,
                                    .fetches = f->results,
                                    .n_fetches = f->n_results,
                                    .error = x->error};
        at->x = &at->own;
    }
    at->seen = bt_arena_array(x->arena, int32_t, at->x->graph.n_nodes + 1);
    s->failed |= !at->seen || bt_uses_build(at->x, &at->uses);
    return s->failed ? -1 : s->n++;
}

static bool push(search *s, int in, int32_t node)
{
    if (s->scopes[in].seen[node] == s->number) return true;
    s->failed |= !bt_grow(&s->queue, &s->room, s->n_queue + 1, sizeof *s->queue);
    if (s->failed || s->steps++ > MOST_STEPS) return false;
    s->scopes[in].seen[node] = s->number;
    s->queue[s->n_queue++] = (value){in, node};
    return true;
}

/* What the branches of a conditional do with the argument. */
static bool push_argument(search *s, const bt_node *node, int arg)
{
    static const char *const branches[] = {"then_branch", "else_branch"};
    bt_pass_context *x = s->scopes[0].x;
    for (int i = 0; i < 2; i++) {
        const char *name = bt_attr_func(node, branches[i]);
        const bt_function *f = name ? bt_map_get(x->functions, bt_str_of(name)) : NULL;
        int in = 0;
        if (!f || arg < 0 || arg >= f->n_args) return false;
        while (in < s->n && s->scopes[in].f != f) in++;
        if (in == s->n && (in = add_scope(s, x, f)) < 0) return false;
        if (!push(s, in, f->args[arg])) return false;
    }
    return true;
}

/* One use of the value: false where it does more than choose. */
static bool only_chosen(search *s, int in, bt_edge use)
{
    if (use.node < 0) return false; /* fetched */
    const bt_node *user = &s->scopes[in].x->graph.nodes[use.node];
    bool is_if = bt_has_word("If StatelessIf", user->op), selects = bt_has_word("Select SelectV2", user->op);
    if (use.slot < 0 || ((is_if || selects) && use.slot == 0)) return true;
    if (is_if) return push_argument(s, user, use.slot - 1);
    bool switches = bt_has_word("Switch RefSwitch", user->op); /* by itself as well: the pivot of a cond */
    if (switches && use.slot == 1) return true;
    return (switches ||
            bt_has_word("Identity LogicalNot LogicalAnd LogicalOr Squeeze Reshape ExpandDims Fill Tile",
                        user->op)) &&
           push(s, in, use.node);
}

/* All that is done with the truth value, a node of the graph, is to choose between branches. */
static bool only_chooses(search *s, int32_t node)
{
    s->n_queue = 0, s->number++;
    bool only = push(s, 0, node);
    for (size_t k = 0; only && k < s->n_queue; k++) {
        value v = s->queue[k];
        const bt_uses *uses = &s->scopes[v.scope].uses;
        for (int32_t u = uses->first[v.node]; only && u < uses->first[v.node + 1]; u++)
            only = only_chosen(s, v.scope, uses->uses[u]);
    }
    return only;
}

/* ---- Placeholders -------------------------------------------------------------------------------------- */

/* Placeholders of a truth value or a rate become their defaults. */
static berth_status settle_defaults(bt_pass_context *x)
{
    bt_redirects redirects;
    size_t n = 0;
    berth_status status = bt_redirects_init(x, &redirects);
    for (size_t i = 0; i < x->graph.n_nodes && !status; i++) {
        const bt_node *node = &x->graph.nodes[i];
        if (!bt_is_op(node, "PlaceholderWithDefault") || node->n_inputs != 1) continue;
        const bt_node *value = &x->graph.nodes[node->inputs[0].node];
        const bt_tensor *t = bt_is_op(value, "Const") ? bt_attr_tensor(value, "value") : NULL;
        if (!t || t->shape.rank || (t->dtype != BERTH_BOOL && !bt_dtype_is_float(t->dtype))) continue;
        bt_redirects_set(&redirects, (bt_edge){(int32_t)i, 0}, node->inputs[0]), n++;
    }
    if (status || !n) return status;
    bt_redirects_apply(x, &redirects);
    bt_pass_change(x, "placeholders replaced by their defaults", n);
    return bt_pass_sweep(x);
}

/* The last part of the name without what numbers it: "model/is_training_1". A rate (keep_prob) is not told by its name: without
 * a default it stays an input. */
static bool says_training(const char *name)
{
    static const char *const names[] = {
        "is_training",      "istraining",           "training",   "is_train",       "train_phase",
        "training_phase",   "phase_train",          "train_mode", "learning_phase", "training_mode",
        "is_training_mode", "keras_learning_phase", NULL};
    char text[32];
    const char *slash = strrchr(name, '/');
    name = slash ? slash + 1 : name;
    size_t n = strlen(name), digits = n;
    while (digits > 0 && isdigit((unsigned char)name[digits - 1])) digits--;
    if (digits > 1 && digits < n && name[digits - 1] == '_') n = digits - 1;
    if (n >= sizeof text) return false;
    for (size_t i = 0; i < n; i++) text[i] = (char)tolower((unsigned char)name[i]);
    text[n] = '\0';
    for (int i = 0; names[i]; i++)
        if (!strcmp(text, names[i])) return true;
    return false;
}

static bool is_phase(search *s, int32_t index)
{
    const bt_pass_context *x = s->scopes[0].x;
    const int32_t *first = s->scopes[0].uses.first;
    const bt_node *node = &x->graph.nodes[index];
    bool feed = bt_is_op(node, "_Feed");
    if (!feed && !bt_is_op(node, "Placeholder")) return false;
    if (bt_attr_type(node, feed ? "T" : "dtype", BERTH_NO_DTYPE) != BERTH_BOOL ||
        !(says_training(node->name) || says_training(bt_attr_string(node, "_key", ""))))
        return false;
    return first[index] < first[index + 1] && only_chooses(s, index);
}

berth_status bt_pass_inference_phase(bt_pass_context *x)
{
    bt_redirects redirects;
    search s = {0};
    size_t count = x->graph.n_nodes, n = 0;
    bt_tensor *t = bt_arena_new(x->arena, bt_tensor);
    bool *no = bt_arena_new(x->arena, bool), *phase = bt_arena_array(x->arena, bool, count + 1);
    if (!t || !no || !phase) return bt_fail_memory(x->error);
    berth_status status = add_scope(&s, x, NULL) < 0 ? x->error->status : BERTH_OK;
    for (size_t i = 0; i < count && !status && !s.failed; i++) n += phase[i] = is_phase(&s, (int32_t)i);
    bt_free(s.queue);
    if (s.failed) status = bt_fail_memory(x->error);
    if (status || !n) return status;
    *t = (bt_tensor){.dtype = BERTH_BOOL, .shape = BT_SCALAR, .data = no};
    int32_t constant = bt_pass_const(x, "not_training", t);
    if (constant < 0) return bt_fail_memory(x->error);
    if ((status = bt_redirects_init(x, &redirects))) return status;
    for (size_t i = 0; i < count; i++)
        if (phase[i]) bt_redirects_set(&redirects, (bt_edge){(int32_t)i, 0}, (bt_edge){constant, 0});
    bt_redirects_apply(x, &redirects);
    bt_pass_change(x, "placeholders that ask whether the model is trained set to false", n);
    return BERTH_OK;
}

/* ---- Conditionals ---------------------------------------------------------------------------------------- */

/* The branch of an If or a Case whose condition is known; NULL: it is not. */
static const char *taken_branch(bt_pass_context *x, const bt_node *node)
{
    const bt_tensor *t = node->n_inputs ? bt_pass_fact(x, node->inputs[0])->value : NULL;
    if (!t || t->shape.rank || (t->dtype != BERTH_BOOL && !bt_dtype_is_int(t->dtype))) return NULL;
    int64_t which = bt_tensor_int(t, 0);
    if (bt_has_word("If StatelessIf", node->op))
        return bt_attr_func(node, which ? "then_branch" : "else_branch");
    const bt_attr_value *branches;
    int n = bt_has_word("Case StatelessCase", node->op) ? bt_attr_list(node, "branches", &branches) : 0;
    if (n < 1) return NULL;
    return branches[which >= 0 && which < n ? which : n - 1].s.p;
}

/* The branch is called, whatever the condition. */
static bool become_call(bt_pass_context *x, int32_t index, const char *function)
{
    bt_node *node = &x->graph.nodes[index], was = *node;
    bt_builder b = {.x = x, .beside = -1};
    bool stateful = !bt_starts(node->op, "Stateless");
    node->n_attrs = 0;
    bt_build_become(&b, index, stateful ? "StatefulPartitionedCall" : "PartitionedCall", was.inputs + 1,
                    was.n_inputs - 1);
    for (int i = 0; i < was.n_attrs && !b.failed; i++)
        if (bt_has_word("Tin Tout", was.attrs[i].name))
            b.failed = !bt_set_attr(&x->graph, index, &was.attrs[i]);
    return !b.failed && bt_set_func(&x->graph, index, "f", function);
}

/* Conditionals whose branch is known give way to the nodes of that branch, and so do those within. */
static berth_status settle_conditions(bt_pass_context *x)
{
    enum { MOST_DEEP = 64 };
    berth_status status = BERTH_OK;
    for (int round = 0; round < MOST_DEEP && !status; round++) {
        size_t n = 0;
        if ((status = bt_pass_infer(x))) break;
        for (size_t i = 0; i < x->graph.n_nodes && !status; i++) {
            const char *function = taken_branch(x, &x->graph.nodes[i]);
            if (!function) continue;
            n++;
            if (!become_call(x, (int32_t)i, function)) status = bt_fail_memory(x->error);
        }
        if (status || !n) break;
        bt_pass_change(x, "conditionals that are set for good removed", n);
        status = bt_pass_inline(x);
    }
    return status;
}

berth_status bt_pass_inference(bt_pass_context *x)
{
    bool has_conditions = false;
    berth_status status = settle_defaults(x);
    for (size_t i = 0; i < x->graph.n_nodes; i++)
        has_conditions |= bt_has_word("If StatelessIf Case StatelessCase", x->graph.nodes[i].op);
    return status || !has_conditions ? status : settle_conditions(x);
}
