/* The ordered list of passes, and what they share: facts, order, redirection, uses, sweeping. */
#include "pass/pass.h"

const bt_pass bt_passes[] = {
    /* Portable: the graph stays one that TensorFlow could run. */
    {"inline", bt_pass_inline},
    {"refs", bt_pass_refs},
    {"functionalise", bt_pass_functionalise},
    {"simplify", bt_pass_simplify},
    {"freeze", bt_pass_freeze},
    {"fold", bt_pass_fold},
    {"invariants", bt_pass_invariants},
    {"controls", bt_pass_controls},
    /* For the device. */
    {"pad", bt_pass_pad, true},
    {"activations", bt_pass_activations, true},
    {"layer_norm", bt_pass_layer_norm, true},
    {"fuse", bt_pass_fuse, true},
    {"precision", bt_pass_precision, true},
    {NULL, NULL},
};

void bt_pass_fate(bt_pass_context *x, int32_t node, bt_fate_kind kind, const char *into)
{
    int32_t origin = x->graph.nodes[node].origin;
    if (!x->fates || origin < 0) return;
    x->fates->list[origin].kind = kind;
    x->fates->list[origin].into = into;
}

bool bt_pass_add_fate(bt_pass_context *x, int32_t node)
{
    bt_fates *f = x->fates;
    bt_node *it = &x->graph.nodes[node];
    if (!f) return true;
    if (!bt_grow(&f->list, &f->room, f->n + 1, sizeof *f->list)) return false;
    f->list[f->n] = (bt_fate){.kind = BT_FATE_KEPT, .name = it->name, .op = it->op, .device = it->device};
    it->origin = (int32_t)f->n++;
    return true;
}

int32_t bt_pass_const(bt_pass_context *x, const char *name, const bt_tensor *value)
{
    const char *unique = bt_graph_unique_name(&x->graph, name);
    int32_t node = unique ? bt_graph_add(&x->graph, unique, "Const") : -1;
    if (node < 0 || !bt_set_tensor(&x->graph, node, "value", value) ||
        !bt_set_type(&x->graph, node, "dtype", value->dtype))
        return -1;
    x->graph.nodes[node].def = bt_op_find("Const");
    return node;
}

int32_t bt_pass_weights(bt_pass_context *x, int32_t origin, const bt_weights *w)
{
    const bt_node *of = &x->graph.nodes[origin];
    const char *name = bt_arena_print(x->arena, "%s/%s", of->name, w->scale ? "scaled" : bt_dtype_name(w->to));
    int32_t node = name ? bt_pass_const(x, name, w->from) : -1;
    if (node < 0 || !bt_set_type(&x->graph, node, "dtype", w->to) || !bt_set_int(&x->graph, node, "inner", w->inner)) return -1;
    if (w->scale) {
        bt_tensor *scale = bt_arena_new(x->arena, bt_tensor);
        if (!scale) return -1;
        *scale = (bt_tensor){.dtype = BERTH_FLOAT, .shape = BT_SHAPE(w->n), .data = (void *)w->scale};
        if (!bt_set_tensor(&x->graph, node, "scale", scale)) return -1;
    }
    bt_node *it = &x->graph.nodes[node];
    it->op = "_Weights", it->def = bt_op_find(it->op), it->origin = x->graph.nodes[origin].origin;
    return node;
}

/* ---- Order -------------------------------------------------------------------------------------------- */

typedef struct order_walk {
    bt_pass_context *x;
    int32_t *order, *stack, *next; /* next[node]: the input to look at next; -1 done */
    size_t n;
} order_walk;

/* Inputs first, then controls. */
static int32_t input_node(const bt_node *node, int32_t i)
{
    if (i < node->n_inputs) return node->inputs[i].node;
    i -= node->n_inputs;
    return i < node->n_controls ? node->controls[i] : -1;
}

/* The nodes on the stack from `node` on wait for one another. */
static berth_status fail_cycle(const order_walk *w, int32_t node, size_t depth)
{
    const bt_node *nodes = w->x->graph.nodes;
    bt_text path = {0};
    size_t at = depth;
    while (w->stack[--at] != node) continue;
    for (; at < depth && path.n < 300; at++) bt_text_print(&path, "'%s', ", nodes[w->stack[at]].name);
    berth_status status =
        bt_fail(w->x->error, BERTH_BAD_MODEL, "node '%s' (%s): is part of a cycle: %sand again '%s'",
                nodes[node].name, nodes[node].op, path.p ? path.p : "", nodes[node].name);
    bt_text_free(&path);
    return status;
}

static bool is_back_edge(const bt_pass_context *x, int32_t input)
{
    const char *op = x->graph.nodes[input].op;
    return x->has_loops && (!strcmp(op, "NextIteration") || !strcmp(op, "RefNextIteration"));
}

static berth_status order_from(order_walk *w, int32_t root)
{
    enum { UNSEEN = 0, DONE = -1 };
    size_t depth = 0;
    if (w->next[root] == DONE) return BERTH_OK;
    w->stack[depth++] = root;
    w->next[root] = 1;
    while (depth) {
        int32_t node = w->stack[depth - 1];
        int32_t input = input_node(&w->x->graph.nodes[node], w->next[node] - 1);
        if (input < 0) {
            w->next[node] = DONE;
            w->order[w->n++] = node;
            depth--;
            continue;
        }
        w->next[node]++;
        if (w->next[input] == DONE || is_back_edge(w->x, input)) continue;
        if (w->next[input] != UNSEEN) return fail_cycle(w, input, depth);
        w->next[input] = 1;
        w->stack[depth++] = input;
    }
    return BERTH_OK;
}

berth_status bt_pass_order(bt_pass_context *x, int32_t **order, size_t *n)
{
    size_t count = x->graph.n_nodes;
    order_walk w = {.x = x,
                    .order = bt_arena_array(x->arena, int32_t, count + 1),
                    .stack = bt_arena_array(x->arena, int32_t, count + 1),
                    .next = bt_arena_array(x->arena, int32_t, count + 1)};
    if (!w.order || !w.stack || !w.next) return bt_fail_memory(x->error);
    for (size_t i = 0; i < count; i++) {
        berth_status status = order_from(&w, (int32_t)i);
        if (status) return status;
    }
    *order = w.order, *n = w.n;
    return BERTH_OK;
}

/* ---- Facts -------------------------------------------------------------------------------------------- */

enum { SMALL_VALUE = 1024 }; /* elements: shapes, axes, sizes */

/* A node without inputs that names a resource gives the same handle wherever it stands: such a handle is a
 * constant, whose one element points to the node, so that it can be passed into bodies. */
static berth_status handle_value(bt_pass_context *x, const bt_node *node, bt_fact *fact)
{
    if (fact->dtype != BERTH_RESOURCE || node->n_inputs || !bt_attr_find(node, "shared_name"))
        return BERTH_OK;
    bt_tensor *value = bt_arena_new(x->arena, bt_tensor);
    const bt_node **handle = bt_arena_new(x->arena, const bt_node *);
    bt_node *copy = bt_arena_new(x->arena, bt_node);
    if (!value || !handle || !copy) return bt_fail_memory(x->error);
    *copy = *node, *handle = copy;
    *value = (bt_tensor){.dtype = BERTH_RESOURCE, .data = handle};
    fact->value = value;
    return BERTH_OK;
}

static bool small_and_known(const bt_fact *facts, int n)
{
    for (int i = 0; i < n; i++)
        if (!facts[i].value || bt_dtype_is_object(facts[i].dtype) ||
            bt_tensor_count(facts[i].value) > SMALL_VALUE)
            return false;
    return true;
}

static berth_status shape_value(bt_arena *arena, const bt_node *node, const bt_fact *in, bt_fact *out,
                                int n_out)
{
    bool is_size = !strcmp(node->op, "Size"), is_rank = !strcmp(node->op, "Rank");
    if (!is_size && !is_rank && strcmp(node->op, "Shape") && strcmp(node->op, "ShapeN")) return BERTH_OK;
    for (int i = 0; i < n_out; i++) {
        const bt_shape *s = &in[i].shape;
        if (s->rank < 0 || (!is_rank && !bt_shape_known(s))) continue;
        bool is_scalar = is_size || is_rank;
        bt_tensor *value = bt_arena_new(arena, bt_tensor);
        int64_t *data = bt_arena_array(arena, int64_t, BT_MAX_RANK + 1);
        if (!value || !data) return BERTH_NO_MEMORY;
        *value = (bt_tensor){
            .dtype = out[i].dtype, .shape = is_scalar ? BT_SCALAR : BT_SHAPE(s->rank), .data = data};
        for (int d = 0; d < (is_scalar ? 1 : s->rank); d++) {
            int64_t v = is_rank ? s->rank : is_size ? bt_shape_count(s) : s->dim[d];
            if (out[i].dtype == BERTH_INT64) data[d] = v;
            else ((int32_t *)data)[d] = (int32_t)v;
        }
        out[i].value = value;
    }
    return BERTH_OK;
}

berth_status bt_facts_node(bt_arena *arena, const bt_node *node, const bt_fact *in, int n_in, bt_fact *out,
                           int n_out, int producer, bool planning, bt_pool *pool, berth_error *error)
{
    for (int i = 0; i < n_out; i++) out[i] = (bt_fact){.shape = BT_SHAPE_UNKNOWN};
    bt_infer infer = {node, in, n_in, out, n_out, producer, error, planning};
    berth_status status = node->def->infer ? node->def->infer(&infer) : BERTH_OK;
    if (status) return bt_error_prefix(error, "node '%s' (%s)", node->name, node->op), status;
    if (shape_value(arena, node, in, out, n_out)) return bt_fail_memory(error);
    if (n_out == 0 || out[0].value || !node->def->cpu || n_in == 0 || node->def->flags & BT_OP_STATEFUL)
        return BERTH_OK;
    bool small = small_and_known(in, n_in);
    for (int i = 0; i < n_out; i++) {
        int64_t count = bt_shape_count(&out[i].shape);
        small = small && count <= SMALL_VALUE && out[i].dtype && !bt_dtype_is_object(out[i].dtype);
    }
    if (!small || n_out > 64 || n_in > 1024) return BERTH_OK;
    const bt_tensor **values = bt_arena_array(arena, const bt_tensor *, (size_t)n_in);
    bt_tensor *results = bt_arena_array(arena, bt_tensor, (size_t)n_out);
    if (!values || !results) return bt_fail_memory(error);
    for (int i = 0; i < n_in; i++) values[i] = in[i].value;
    /* A value that cannot be computed now is left to the run, which reports it. */
    if (bt_eval(node, values, n_in, results, n_out, pool, NULL)) return BERTH_OK;
    for (int i = 0; i < n_out; i++) {
        size_t bytes = bt_tensor_bytes(&results[i]);
        void *data = bt_arena_alloc_aligned(arena, bytes + 1, 16);
        if (data) memcpy(data, results[i].data, bytes);
        bt_tensor_clear(&(bt_tensor){.buffer = results[i].buffer});
        if (!data) return bt_fail_memory(error);
        results[i].data = data, results[i].buffer = NULL;
        out[i] = (bt_fact){results[i].dtype, results[i].shape, &results[i]};
    }
    return BERTH_OK;
}

/* What is known of a feed stands in x->feed_facts, at the index that the _Feed node carries. */
static berth_status infer_node(bt_pass_context *x, int32_t index, bt_fact *in)
{
    bt_node *node = &x->graph.nodes[index];
    bt_fact *out = x->facts + x->first_fact[index];
    int n_out = x->first_fact[index + 1] - x->first_fact[index];
    if (!strcmp(node->op, "_Feed")) {
        *out = x->feed_facts[bt_attr_int(node, "index", 0)];
        return BERTH_OK;
    }
    for (int i = 0; i < node->n_inputs; i++) in[i] = *bt_pass_fact(x, node->inputs[i]);
    /* In a model that is written out it is an input, which may be given anything. */
    if (x->changes && node->n_inputs && !strcmp(node->op, "PlaceholderWithDefault"))
        in[0] = (bt_fact){.dtype = in[0].dtype, .shape = BT_SHAPE_UNKNOWN};
    berth_status status = bt_facts_node(x->arena, node, in, node->n_inputs, out, n_out, x->source->producer,
                                        x->fates != NULL, x->pool, x->error);
    if (status && bt_obstacle_take(x, node, "", in)) {
        for (int i = 0; i < n_out; i++) out[i] = (bt_fact){.shape = BT_SHAPE_UNKNOWN};
        return BERTH_OK;
    }
    return status || n_out == 0 ? status : handle_value(x, node, out);
}

berth_status bt_pass_infer(bt_pass_context *x)
{
    size_t count = x->graph.n_nodes, n = 0;
    int32_t *order;
    berth_status status = bt_pass_order(x, &order, &n);
    if (status) return status;
    x->first_fact = bt_arena_array(x->arena, int32_t, count + 1);
    if (!x->first_fact) return bt_fail_memory(x->error);
    int32_t total = 0;
    int most = 0;
    for (size_t i = 0; i < count; i++) {
        const bt_node *node = &x->graph.nodes[i];
        x->first_fact[i] = total;
        int64_t outputs = bt_node_outputs(node);
        if (outputs > 1 << 20 || total > INT32_MAX / 2)
            return bt_fail(x->error, BERTH_BAD_MODEL, "node '%s' (%s): too many outputs", node->name,
                           node->op);
        total += (int32_t)outputs;
        if (node->n_inputs > most) most = node->n_inputs;
    }
    x->first_fact[count] = total;
    x->facts = bt_arena_array(x->arena, bt_fact, (size_t)total + 1);
    bt_fact *in = bt_arena_array(x->arena, bt_fact, (size_t)most + 1);
    if (!x->facts || !in) return bt_fail_memory(x->error);
    for (int32_t i = 0; i < total; i++) x->facts[i].shape = BT_SHAPE_UNKNOWN; /* of a back edge, and known no better */
    for (size_t i = 0; i < n && !status; i++) status = infer_node(x, order[i], in);
    return status;
}

/* ---- Redirection, uses -------------------------------------------------------------------------------- */

static int32_t *first_slots(bt_pass_context *x)
{
    int32_t *first = bt_arena_array(x->arena, int32_t, x->graph.n_nodes + 1);
    for (size_t i = 0; first && i < x->graph.n_nodes; i++) {
        /* Edges may point past what an op has in a damaged graph: count what is used. */
        first[i + 1] = first[i] + bt_node_outputs(&x->graph.nodes[i]);
    }
    return first;
}

void bt_pass_redirect(bt_pass_context *x, bt_edge from, bt_edge to)
{
    for (size_t i = 0; i < x->graph.n_nodes; i++)
        for (int j = 0; j < x->graph.nodes[i].n_inputs; j++) {
            bt_edge *e = &x->graph.nodes[i].inputs[j];
            if (e->node == from.node && e->slot == from.slot) *e = to;
        }
    for (int i = 0; i < x->n_fetches; i++)
        if (x->fetches[i].node == from.node && x->fetches[i].slot == from.slot) x->fetches[i] = to;
}

berth_status bt_redirects_init(bt_pass_context *x, bt_redirects *r)
{
    r->n_nodes = x->graph.n_nodes;
    r->first = first_slots(x);
    r->to = r->first ? bt_arena_array(x->arena, bt_edge, (size_t)r->first[x->graph.n_nodes] + 1) : NULL;
    if (!r->to) return bt_fail_memory(x->error);
    for (size_t i = 0; i < x->graph.n_nodes; i++)
        for (int32_t k = r->first[i]; k < r->first[i + 1]; k++)
            r->to[k] = (bt_edge){(int32_t)i, k - r->first[i]};
    return BERTH_OK;
}

static bt_edge follow(const bt_redirects *r, size_t known, bt_edge e)
{
    for (;;) {
        if ((size_t)e.node >= known) return e; /* a node added after the redirects were made */
        bt_edge next = r->to[r->first[e.node] + e.slot];
        if (next.node == e.node && next.slot == e.slot) return e;
        e = next;
    }
}

void bt_redirects_apply(bt_pass_context *x, bt_redirects *r)
{
    for (size_t i = 0; i < x->graph.n_nodes; i++)
        for (int j = 0; j < x->graph.nodes[i].n_inputs; j++)
            x->graph.nodes[i].inputs[j] = follow(r, r->n_nodes, x->graph.nodes[i].inputs[j]);
    for (int i = 0; i < x->n_fetches; i++) x->fetches[i] = follow(r, r->n_nodes, x->fetches[i]);
}

berth_status bt_uses_build(bt_pass_context *x, bt_uses *u)
{
    size_t count = x->graph.n_nodes, total = (size_t)x->n_fetches;
    for (size_t i = 0; i < count; i++)
        total += (size_t)x->graph.nodes[i].n_inputs + (size_t)x->graph.nodes[i].n_controls;
    u->first = bt_arena_array(x->arena, int32_t, count + 2);
    u->uses = bt_arena_array(x->arena, bt_edge, total + 1);
    u->slot_count_first = first_slots(x);
    u->slot_count = u->slot_count_first
                        ? bt_arena_array(x->arena, int32_t, (size_t)u->slot_count_first[count] + 1)
                        : NULL;
    if (!u->first || !u->uses || !u->slot_count) return bt_fail_memory(x->error);
    /* Count, sum, fill: first[] is kept one behind while filling. */
    for (int pass = 0; pass < 2; pass++) {
#define USE(producer, consumer, index)                                                               \
    do {                                                                                             \
        if (pass == 0) u->first[(producer) + 2]++;                                                   \
        else u->uses[u->first[(producer) + 1]++] = (bt_edge){(int32_t)(consumer), (int32_t)(index)}; \
    } while (0)
        for (size_t i = 0; i < count; i++) {
            const bt_node *node = &x->graph.nodes[i];
            for (int j = 0; j < node->n_inputs; j++) {
                USE(node->inputs[j].node, i, j);
                if (pass == 0)
                    u->slot_count[u->slot_count_first[node->inputs[j].node] + node->inputs[j].slot]++;
            }
            for (int j = 0; j < node->n_controls; j++) USE(node->controls[j], i, -1);
        }
        for (int i = 0; i < x->n_fetches; i++) {
            USE(x->fetches[i].node, -1, i);
            if (pass == 0) u->slot_count[u->slot_count_first[x->fetches[i].node] + x->fetches[i].slot]++;
        }
#undef USE
        if (pass == 0)
            for (size_t i = 2; i < count + 2; i++) u->first[i] += u->first[i - 1];
    }
    return BERTH_OK;
}

/* ---- Sweeping ----------------------------------------------------------------------------------------- */

/* Marks what must stay: fetches, targets, and all that these wait for. */
static berth_status mark_needed(bt_pass_context *x, bool *needed)
{
    int32_t *stack = bt_arena_array(x->arena, int32_t, x->graph.n_nodes + 1);
    if (!stack) return bt_fail_memory(x->error);
    size_t depth = 0;
#define NEED(i)                                                 \
    do {                                                        \
        if (!needed[i]) needed[i] = true, stack[depth++] = (i); \
    } while (0)
    for (int i = 0; i < x->n_fetches; i++) NEED(x->fetches[i].node);
    for (int i = 0; i < x->n_targets; i++) NEED(x->targets[i]);
    for (size_t i = 0; i < x->graph.n_nodes; i++)
        if (!strcmp(x->graph.nodes[i].op, "_Feed")) NEED((int32_t)i);
    while (depth) {
        const bt_node *node = &x->graph.nodes[stack[--depth]];
        for (int32_t i = 0, input; (input = input_node(node, i)) >= 0; i++) NEED(input);
    }
#undef NEED
    return BERTH_OK;
}

/* A control edge onto a node with no effect of its own stands for that node's own inputs: such nodes are not
 * kept alive by control edges alone. Constants and other sources just vanish. */
static bool waits_matter(const bt_node *node)
{
    return !node->def || node->def->flags & BT_OP_STATEFUL || node->n_inputs || node->n_controls;
}

berth_status bt_pass_sweep(bt_pass_context *x)
{
    bt_graph *g = &x->graph;
    for (size_t i = 0; i < g->n_nodes; i++) {
        bt_node *node = &g->nodes[i];
        int kept = 0;
        for (int j = 0; j < node->n_controls; j++)
            if (waits_matter(&g->nodes[node->controls[j]])) node->controls[kept++] = node->controls[j];
        node->n_controls = kept;
    }
    bool *needed = bt_arena_array(x->arena, bool, g->n_nodes + 1);
    int32_t *moved = bt_arena_array(x->arena, int32_t, g->n_nodes + 1);
    if (!needed || !moved) return bt_fail_memory(x->error);
    berth_status status = mark_needed(x, needed);
    if (status) return status;
    size_t n = 0;
    for (size_t i = 0; i < g->n_nodes; i++) {
        if (!needed[i]) {
            bool kept = x->fates && g->nodes[i].origin >= 0 &&
                        x->fates->list[g->nodes[i].origin].kind == BT_FATE_KEPT;
            if (kept) bt_pass_fate(x, (int32_t)i, BT_FATE_FOLDED, NULL);
            continue;
        }
        moved[i] = (int32_t)n;
        g->nodes[n++] = g->nodes[i];
    }
    if (n == g->n_nodes) return BERTH_OK;
    g->n_nodes = n;
    bt_map_free(&g->by_name);
    g->by_name = (bt_map){0};
    for (size_t i = 0; i < n; i++) {
        bt_node *node = &g->nodes[i];
        for (int j = 0; j < node->n_inputs; j++) node->inputs[j].node = moved[node->inputs[j].node];
        for (int j = 0; j < node->n_controls; j++) node->controls[j] = moved[node->controls[j]];
        if (!bt_map_put_index(&g->by_name, bt_str_of(node->name), i)) return bt_fail_memory(x->error);
    }
    for (int i = 0; i < x->n_fetches; i++) x->fetches[i].node = moved[x->fetches[i].node];
    for (int i = 0; i < x->n_targets; i++) x->targets[i] = moved[x->targets[i]];
    for (int i = 0; i < x->n_feeds; i++) {
        int32_t node = x->feeds[i].node;
        x->feeds[i].node =
            node < 0 || !needed[node] ? -1 : moved[node]; /* a feed that is a constant nobody reads goes */
    }
    x->facts = NULL, x->first_fact = NULL;
    return BERTH_OK;
}
