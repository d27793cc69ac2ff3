/* Constant folding: what depends on constants alone is computed once. Large results are kept only where they replace
 * constants at least as large, so that Fill or Tile do not swell a plan. */
#include "pass/pass.h"

enum { ALWAYS_FOLD = 64 * 1024 }; /* bytes */

/* The pass, and what it knows of each node that was there when it began. A constant may wait: for a branch to be taken,
 * for an effect before it. What is computed from it waits for the same. */
typedef struct folding {
    bt_pass_context *x;
    bt_redirects redirects;
    bool *constant;  /* Const, or folded */
    bool *in_branch; /* needs a Switch, in the end: its value may be known, but not whether there is one */
    int32_t **waits; /* of constants */
    int *n_waits;
} folding;

static bool all_constant(const folding *f, const bt_node *node)
{
    for (int i = 0; i < node->n_inputs; i++)
        if (!f->constant[node->inputs[i].node]) return false;
    return true;
}

/* Gathers what the inputs wait for. */
static bool join_waits(folding *f, int32_t index)
{
    const bt_node *node = &f->x->graph.nodes[index];
    int most = 0, n = 0;
    for (int i = 0; i < node->n_inputs; i++) most += f->n_waits[node->inputs[i].node];
    int32_t *all = most ? bt_arena_array(f->x->arena, int32_t, (size_t)most) : NULL;
    if (most && !all) return false;
    for (int i = 0; i < node->n_inputs; i++)
        for (int k = 0; k < f->n_waits[node->inputs[i].node]; k++) {
            int32_t wait = f->waits[node->inputs[i].node][k];
            bool seen = false;
            for (int j = 0; j < n && !seen; j++) seen = all[j] == wait;
            if (!seen) all[n++] = wait;
        }
    f->waits[index] = all, f->n_waits[index] = n;
    return true;
}

/* A constant in the place of node `index`, or of one that waits for the same. */
static int32_t add_constant(folding *f, int32_t index, const char *name, const bt_tensor *value)
{
    int32_t constant = bt_pass_const(f->x, name, value);
    bool ok =
        constant >= 0 && bt_node_set_controls(&f->x->graph, constant, f->waits[index], f->n_waits[index]);
    return ok ? constant : -1;
}

static bool foldable(bt_pass_context *x, const bt_node *node, int n_out)
{
    const bt_op *op = node->def;
    if (!op->cpu || op->flags & (BT_OP_STATEFUL | BT_OP_NO_FOLD | BT_OP_DEAD) || n_out == 0 ||
        node->n_controls)
        return false;
    size_t in_bytes = 0;
    for (int i = 0; i < node->n_inputs; i++) {
        const bt_tensor *value = bt_pass_fact(x, node->inputs[i])->value;
        if (!value || value->dtype == BERTH_RESOURCE || value->dtype == BERTH_VARIANT) return false;
        in_bytes += bt_tensor_bytes(value);
    }
    size_t most = in_bytes > ALWAYS_FOLD / 8 ? 8 * in_bytes : ALWAYS_FOLD; /* a cast may widen */
    for (int i = 0; i < n_out; i++) {
        const bt_fact *out = &x->facts[x->first_fact[node - x->graph.nodes] + i];
        size_t bytes;
        if (out->dtype == BERTH_VARIANT || out->dtype == BERTH_RESOURCE) return false;
        if (bt_shape_known(&out->shape) &&
            (!bt_shape_bytes(&out->shape, bt_dtype_size(out->dtype), &bytes) || bytes > most))
            return false;
    }
    return true;
}

/* Moves a result into the arena, where constants live. */
static bt_tensor *into_arena(bt_pass_context *x, bt_tensor *t)
{
    bt_tensor *kept = bt_arena_new(x->arena, bt_tensor);
    size_t bytes = bt_tensor_bytes(t);
    void *data = bt_arena_alloc_aligned(x->arena, bytes ? bytes : 1, 64);
    if (!kept || !data) return NULL;
    if (t->dtype == BERTH_STRING) {
        const bt_string *from = t->data;
        bt_string *to = data;
        for (int64_t i = 0; i < bt_tensor_count(t); i++) {
            to[i] = (bt_string){bt_arena_copy(x->arena, from[i].p ? from[i].p : "", from[i].n), from[i].n};
            if (!to[i].p) return NULL;
        }
    } else if (bytes) memcpy(data, t->data, bytes);
    *kept = (bt_tensor){.dtype = t->dtype, .shape = t->shape, .data = data};
    return kept;
}

/* What an alias (Identity, Reshape) of numbers gives: the same bytes, in the file where they lie there. False: it is none, or its
 * shape is not known. */
static bool alias_of(bt_pass_context *x, const bt_node *node, bt_fact *out, bt_tensor **value)
{
    const bt_tensor *in = node->def->flags & BT_OP_ALIAS ? bt_pass_fact(x, node->inputs[0])->value : NULL;
    size_t bytes;
    if (!in || bt_dtype_is_object(in->dtype) || !bt_shape_known(&out->shape) || !out->dtype ||
        !bt_shape_bytes(&out->shape, bt_dtype_size(out->dtype), &bytes) || bytes != bt_tensor_bytes(in))
        return false;
    if ((*value = bt_arena_new(x->arena, bt_tensor)))
        **value = (bt_tensor){.dtype = out->dtype, .shape = out->shape, .data = in->data};
    return true;
}

/* a / sqrt(b) becomes a rsqrt(b). */
static berth_status times_rsqrt(bt_pass_context *x, int32_t index)
{
    const bt_node *root = &x->graph.nodes[x->graph.nodes[index].inputs[1].node];
    if (strcmp(root->op, "Sqrt") || root->n_inputs != 1 || root->n_controls) return BERTH_OK;
    bt_edge of = root->inputs[0];
    bt_attr *attrs = root->attrs;
    int n_attrs = root->n_attrs;
    const char *name = bt_graph_unique_name(&x->graph, root->name);
    int32_t added = name ? bt_graph_add(&x->graph, name, "Rsqrt") : -1;
    if (added < 0 || !bt_node_set_inputs(&x->graph, added, &of, 1)) return bt_fail_memory(x->error);
    bt_node *node = &x->graph.nodes[added];
    node->def = bt_op_find("Rsqrt"), node->attrs = attrs, node->n_attrs = n_attrs;
    node = &x->graph.nodes[index];
    node->op = "Mul", node->def = bt_op_find("Mul");
    node->inputs[1] = (bt_edge){added, 0};
    return BERTH_OK;
}

/* A division by a constant becomes a multiplication by its reciprocal, one by a square root one by the reciprocal root, as
 * TensorFlow's own optimiser has them: so the results are TensorFlow's. */
static berth_status reciprocal(folding *f, int32_t index)
{
    bt_pass_context *x = f->x;
    bt_node *node = &x->graph.nodes[index];
    if ((strcmp(node->op, "RealDiv") && strcmp(node->op, "Div")) || node->n_inputs != 2) return BERTH_OK;
    const bt_fact *divisor = bt_pass_fact(x, node->inputs[1]);
    const bt_op *op = bt_op_find("Reciprocal"), *mul = bt_op_find("Mul");
    if (!op || !mul || (divisor->dtype != BERTH_FLOAT && divisor->dtype != BERTH_DOUBLE)) return BERTH_OK;
    if (!divisor->value) return times_rsqrt(x, index);
    int32_t from = node->inputs[1].node;
    if ((size_t)from >= f->redirects.n_nodes || (f->in_branch[from] && !f->constant[from])) return BERTH_OK;
    bt_tensor result;
    bt_node inverse = {.name = node->name,
                       .op = "Reciprocal",
                       .device = "",
                       .attrs = node->attrs,
                       .n_attrs = node->n_attrs,
                       .def = op};
    if (bt_eval(&inverse, &divisor->value, 1, &result, 1, x->pool, NULL)) return BERTH_OK;
    bt_tensor *value = into_arena(x, &result);
    bt_tensor_clear(&result);
    int32_t constant = value ? add_constant(f, from, node->name, value) : -1;
    if (constant < 0) return bt_fail_memory(x->error);
    node = &x->graph.nodes[index];
    node->op = "Mul", node->def = mul;
    node->inputs[1] = (bt_edge){constant, 0};
    return BERTH_OK;
}

/* Values that the facts already hold (shapes that are known, small results) or that one evaluation gives. A node that
 * fails to compute is left for the run, which may never reach it. */
static berth_status fold_node(folding *f, int32_t index)
{
    bt_pass_context *x = f->x;
    const bt_node *node = &x->graph.nodes[index];
    int n_out = x->first_fact[index + 1] - x->first_fact[index];
    bt_fact *out = x->facts + x->first_fact[index];
    bool known =
        n_out > 0 && !(node->def->flags & BT_OP_STATEFUL) && strcmp(node->op, "_Feed") && !node->n_controls;
    if (f->constant[index] || (f->in_branch[index] && !all_constant(f, node))) return BERTH_OK;
    for (int i = 0; i < n_out; i++) known = known && out[i].value;
    if (!known) {
        if (!foldable(x, node, n_out)) return reciprocal(f, index);
        bool kept = true;
        bt_tensor results[16] = {{0}}, *same;
        const bt_tensor *in[64];
        if (n_out > 16 || node->n_inputs > 64) return BERTH_OK;
        if (alias_of(x, node, out, &same)) {
            out->value = same, kept = same;
        } else {
            for (int i = 0; i < node->n_inputs; i++) in[i] = bt_pass_fact(x, node->inputs[i])->value;
            if (bt_eval(node, in, node->n_inputs, results, n_out, x->pool, NULL)) return BERTH_OK;
            for (int i = 0; i < n_out; i++) {
                bt_tensor *value = into_arena(x, &results[i]);
                out[i] = (bt_fact){results[i].dtype, results[i].shape, value};
                kept = kept && value;
                bt_tensor_clear(&results[i]);
            }
        }
        if (!kept) return bt_fail_memory(x->error);
    }
    if (!join_waits(f, index)) return bt_fail_memory(x->error);
    for (int i = 0; i < n_out; i++) {
        int32_t constant = add_constant(f, index, x->graph.nodes[index].name, out[i].value);
        if (constant < 0) return bt_fail_memory(x->error);
        x->graph.nodes[constant].origin = x->graph.nodes[index].origin;
        bt_redirects_set(&f->redirects, (bt_edge){index, i}, (bt_edge){constant, 0});
    }
    f->constant[index] = true;
    bt_pass_fate(x, index, BT_FATE_FOLDED, NULL);
    return BERTH_OK;
}

static void look_at(folding *f, int32_t index)
{
    const bt_node *node = &f->x->graph.nodes[index];
    bool branch = !strcmp(node->op, "Switch") || !strcmp(node->op, "_SwitchN");
    for (int i = 0; i < node->n_inputs; i++) branch |= f->in_branch[node->inputs[i].node];
    for (int i = 0; i < node->n_controls; i++) branch |= f->in_branch[node->controls[i]];
    f->in_branch[index] = branch;
    if (strcmp(node->op, "Const")) return;
    f->constant[index] = true;
    f->waits[index] = node->controls, f->n_waits[index] = node->n_controls;
}

berth_status bt_pass_fold(bt_pass_context *x)
{
    folding f = {.x = x};
    int32_t *order;
    size_t n, count = x->graph.n_nodes + 1;
    berth_status status = bt_pass_infer(x);
    if (!status) status = bt_redirects_init(x, &f.redirects);
    if (!status) status = bt_pass_order(x, &order, &n);
    if (status) return status;
    f.constant = bt_arena_array(x->arena, bool, count);
    f.in_branch = bt_arena_array(x->arena, bool, count);
    f.waits = bt_arena_array(x->arena, int32_t *, count);
    f.n_waits = bt_arena_array(x->arena, int, count);
    if (!f.constant || !f.in_branch || !f.waits || !f.n_waits) return bt_fail_memory(x->error);
    for (size_t i = 0; !status && i < n; i++) {
        look_at(&f, order[i]);
        status = fold_node(&f, order[i]);
    }
    if (status) return status;
    bt_redirects_apply(x, &f.redirects);
    return bt_pass_sweep(x);
}
