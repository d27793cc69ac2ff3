/* Channels last, for processors without kernels for channels first: NCHW and NCDHW become NHWC and NDHWC, with the fewest
 * transposes that go.
 *
 * Each op of layout_rules.c that can compute in either order is a vertex of a network; those with a data_format stay with the
 * source, all others with the sink. Where a tensor is made in one order and read in the other, it costs one transpose, however
 * many read it. The cheapest cut says what computes in which order. Transposes that the graph has itself between the orders
 * become nothing where what they give is wanted in the order that they take. Constants are turned here and now, once. */
#include "pass/cut.h"
#include "pass/layout.h"
#include "pass/portable.h"

/* A tensor in its forms; node -1: not made yet. */
typedef struct form {
    bt_edge order[2]; /* as the graph has it, channels last */
    bt_edge
        lifted; /* with dimensions of 1 before it, up to the rank of what it is broadcast to, channels last */
    int lifted_rank;
    int32_t is_read[2]; /* vertices of the network, 0: none: something reads it first, last */
} form;

typedef struct work {
    bt_layouts l;
    form *forms;   /* by fact */
    bool *is_last; /* by node: it computes channels last */
    size_t n_formatted, n_transposes, n_at_borders;
} work;

enum { TRANSPOSE = 4, NEEDLESS = 1 }; /* costs: of a transpose; of turning what nothing asks for */

static form *form_of(work *w, bt_edge e) { return &w->forms[w->l.x->first_fact[e.node] + e.slot]; }
static const bt_fact *fact_of(work *w, bt_edge e) { return bt_pass_fact(w->l.x, e); }
static bool is_carried(const bt_layout_rule *r, int i) { return i >= r->first_in && i < r->end_in; }

/* A number of any type that can be turned here. */
static bool is_constant(const bt_fact *f) { return f->value && !bt_dtype_is_object(f->value->dtype); }

/* ---- Which op computes in which order ----------------------------------------------------------------- */

/* The vertex of the node where its output is carried, else the sink: as the graph has it. */
static int32_t maker_of(work *w, const int32_t *vertex, bt_edge e)
{
    return e.slot < w->l.rules[e.node].end_out ? vertex[e.node] : BT_CUT_SINK;
}

/* `reader` wants tensor e in its own order. */
static bool add_read(work *w, bt_cut *cut, const int32_t *vertex, bt_edge e, int32_t reader)
{
    int32_t maker = maker_of(w, vertex, e);
    form *f = form_of(w, e);
    if (is_constant(fact_of(w, e)) || maker == reader) return true;
    for (int last = 0; last < 2; last++) {
        if (reader == (last ? BT_CUT_SINK : BT_CUT_SOURCE)) continue;
        if (!f->is_read[last]) {
            int32_t read = bt_cut_vertex(cut);
            if (read < 0 || !bt_cut_add(cut, last ? read : maker, last ? maker : read, TRANSPOSE))
                return false;
            f->is_read[last] = read;
        }
        int32_t from = last ? reader : f->is_read[0], to = last ? f->is_read[1] : reader;
        if (!bt_cut_add(cut, from, to, BT_CUT_NEVER)) return false;
    }
    return true;
}

/* Whether a broadcast operand has fewer dimensions than the result, and more than none. */
static bool is_lower(work *w, const bt_layout_rule *r, bt_edge e)
{
    const bt_fact *f = fact_of(w, e);
    return f->shape.rank >= 0 && f->shape.rank < r->rank;
}

static bool add_reads(work *w, bt_cut *cut, const int32_t *vertex, int32_t index)
{
    const bt_node *node = &w->l.x->graph.nodes[index];
    const bt_layout_rule *r = &w->l.rules[index];
    bool is_asked = false;
    for (int i = 0; i < node->n_inputs; i++) {
        bt_edge e = node->inputs[i];
        if (i == r->any_in) continue;
        int32_t reader = !is_carried(r, i)              ? BT_CUT_SINK
                         : r->kind == BT_LAYOUT_TO_LAST ? BT_CUT_SOURCE
                                                        : vertex[index];
        if (is_carried(r, i) && is_lower(w, r, e)) {
            bool is_scalar = fact_of(w, e)->shape.rank == 0 || is_constant(fact_of(w, e));
            if (!is_scalar && !bt_cut_add(cut, vertex[index], BT_CUT_SINK, TRANSPOSE)) return false;
            if (!is_scalar) reader = BT_CUT_SINK;
            else continue;
        }
        is_asked |= is_carried(r, i) && !is_constant(fact_of(w, e));
        if (!add_read(w, cut, vertex, e, reader)) return false;
    }
    if (r->kind == BT_LAYOUT_TO_FIRST) return bt_cut_add(cut, BT_CUT_SOURCE, vertex[index], TRANSPOSE);
    return r->kind != BT_LAYOUT_EITHER || is_asked || bt_cut_add(cut, vertex[index], BT_CUT_SINK, NEEDLESS);
}

static berth_status choose(work *w)
{
    bt_pass_context *x = w->l.x;
    bt_cut cut;
    bool *with_source, made = bt_cut_begin(&cut);
    int32_t *vertex = bt_arena_array(x->arena, int32_t, w->l.n + 1);
    w->is_last = bt_arena_array(x->arena, bool, w->l.n + 1);
    made = made && vertex && w->is_last;
    for (size_t i = 0; i < w->l.n && made; i++) {
        bt_layout_kind kind = w->l.rules[i].kind;
        bool is_free = kind == BT_LAYOUT_EITHER || kind == BT_LAYOUT_TO_FIRST;
        vertex[i] = kind == BT_LAYOUT_LAST ? BT_CUT_SOURCE : is_free ? bt_cut_vertex(&cut) : BT_CUT_SINK;
        made = vertex[i] >= 0;
    }
    for (size_t i = 0; i < w->l.n && made; i++) made = add_reads(w, &cut, vertex, (int32_t)i);
    for (int i = 0; i < x->n_fetches && made; i++)
        made = add_read(w, &cut, vertex, x->fetches[i], BT_CUT_SINK);
    berth_status status =
        made ? bt_cut_solve(&cut, x->arena, &with_source, x->error) : bt_fail_memory(x->error);
    for (size_t i = 0; i < w->l.n && !status; i++) w->is_last[i] = with_source[vertex[i]];
    bt_cut_free(&cut);
    return status;
}

/* Made channels last. */
static bool is_made_last(work *w, bt_edge e)
{
    return w->is_last[e.node] && e.slot < w->l.rules[e.node].end_out;
}

/* The rank of a tensor, if only by what makes it; otherwise: where that does not tell. */
static int rank_of(work *w, bt_edge e, int otherwise)
{
    return e.slot < w->l.rules[e.node].end_out ? w->l.rules[e.node].out_rank : otherwise;
}

/* ---- Tensors in the other order ----------------------------------------------------------------------- */

static const char *name_of(work *w, bt_edge e) { return w->l.x->graph.nodes[e.node].name; }

/* New nodes are named after this tensor, and run where it is made. */
static bt_builder *beside(work *w, bt_edge e)
{
    w->l.b.scope = name_of(w, e);
    w->l.b.beside = w->l.has_frames ? e.node : -1;
    return &w->l.b;
}

/* A constant, with dimensions of 1 before it up to `rank`, channels last. Those of 1 go again that are not needed. */
static bt_edge turn_constant(work *w, bt_edge e, int rank)
{
    bt_pass_context *x = w->l.x;
    const bt_tensor *value = fact_of(w, e)->value;
    int64_t order[BT_MAX_RANK];
    int lead = rank - value->shape.rank;
    bt_tensor from = *value, to, *kept = bt_arena_new(x->arena, bt_tensor);
    from.shape = (bt_shape){.rank = rank};
    for (int i = 0; i < rank; i++) from.shape.dim[i] = i < lead ? 1 : value->shape.dim[i - lead];
    bt_layout_order(rank, true, order);
    bt_tensor perm = {.dtype = BERTH_INT64, .shape = BT_SHAPE(rank), .data = order};
    bt_node node = {.name = "", .op = "Transpose", .device = "", .def = bt_op_find("Transpose")};
    size_t bytes = bt_tensor_bytes(&from);
    void *data = bt_arena_alloc_aligned(x->arena, bytes + 1, 16);
    w->l.b.failed |=
        !kept || !data || bt_eval(&node, (const bt_tensor *[]){&from, &perm}, 2, &to, 1, x->pool, x->error);
    if (w->l.b.failed) return (bt_edge){-1, 0};
    memcpy(data, to.data, bytes);
    *kept = (bt_tensor){.dtype = to.dtype, .shape = to.shape, .data = data};
    bt_tensor_clear(&to);
    int drop = 0;
    while (drop < lead && drop < rank - 1 && kept->shape.dim[drop] == 1) drop++;
    kept->shape.rank -= drop;
    memmove(kept->shape.dim, kept->shape.dim + drop, (size_t)kept->shape.rank * sizeof *kept->shape.dim);
    return bt_build_const(beside(w, e), "nhwc", kept);
}

static bt_edge transpose(work *w, bt_edge named, bt_edge e, int rank, bool to_last)
{
    int64_t order[BT_MAX_RANK];
    bt_layout_order(rank, to_last, order);
    w->n_transposes++;
    if (!fact_of(w, named)->dtype) {
        bt_fail(w->l.x->error, BERTH_UNSUPPORTED, "node '%s': its dtype is not known", name_of(w, named));
        w->l.b.failed = true;
    }
    return bt_build_transpose(beside(w, named), e, fact_of(w, named)->dtype, order, rank);
}

/* The tensor in the order wanted. Of a tensor without orders: itself. */
static bt_edge in_order(work *w, bt_edge e, int rank, bool last)
{
    form *f = form_of(w, e);
    if (f->order[last].node >= 0) return f->order[last];
    if (f->order[!last].node < 0) f->order[is_made_last(w, e)] = e;
    if (f->order[last].node >= 0) return e;
    if (last && is_constant(fact_of(w, e))) return f->order[1] = turn_constant(w, e, rank);
    return f->order[last] = transpose(w, e, f->order[!last], rank, last);
}

/* A broadcast operand of fewer dimensions, channels last. */
static bt_edge lifted(work *w, bt_edge e, int rank)
{
    form *f = form_of(w, e);
    const bt_fact *fact = fact_of(w, e);
    if (fact->shape.rank == 0) return in_order(w, e, 0, false);
    if (f->lifted.node >= 0 && f->lifted_rank == rank) return f->lifted;
    f->lifted_rank = rank;
    if (is_constant(fact)) return f->lifted = turn_constant(w, e, rank);
    bt_edge to = in_order(w, e, fact->shape.rank, false);
    for (int i = fact->shape.rank; i < rank; i++) {
        to = BT_BUILD(beside(w, e), "ExpandDims", fact->dtype, to, bt_build_index(beside(w, e), "axis", 0));
        bt_build_type(&w->l.b, to, "Tdim", BERTH_INT32);
    }
    return f->lifted = transpose(w, e, to, rank, true);
}

/* ---- Nodes -------------------------------------------------------------------------------------------- */

/* What a Transpose between the orders gives is what it takes, in the other order. */
static void settle_transpose(work *w, int32_t index)
{
    const bt_layout_rule *r = &w->l.rules[index];
    bt_edge out = {index, 0}, in = w->l.x->graph.nodes[index].inputs[0];
    bt_edge as_it_is = in_order(w, in, rank_of(w, in, r->rank), false);
    form *from = form_of(w, in), *to = form_of(w, out);
    bool is_kept = r->kind == BT_LAYOUT_TO_FIRST ? !w->is_last[index] : from->order[1].node < 0;
    if (r->kind == BT_LAYOUT_TO_FIRST) to->order[1] = as_it_is;
    else if (is_kept) from->order[1] = out;
    if (is_kept) to->order[0] = out, w->l.x->graph.nodes[index].inputs[0] = as_it_is;
    else if (r->kind == BT_LAYOUT_TO_LAST) to->order[0] = from->order[1];
}

/* A Shape of channels last gives its numbers in the order of channels first. */
static void settle_shape(work *w, int32_t index)
{
    int64_t order[BT_MAX_RANK];
    bt_edge out = {index, 0};
    int rank = w->l.rules[index].rank;
    bt_layout_order(rank, false, order);
    form_of(w, out)->order[0] = bt_build_gather(beside(w, out), out, fact_of(w, out)->dtype, order, rank);
}

/* A node that takes or gives a tensor as a function has it, or whoever calls that, or as it goes round a loop of TensorFlow 1. */
static bool is_border(const work *w, int32_t index)
{
    static const char *const calls =
        "If StatelessIf Case StatelessCase While StatelessWhile PartitionedCall StatefulPartitionedCall";
    const bt_pass_context *x = w->l.x;
    for (int i = 0; x->function && i < x->n_fetches; i++)
        if (x->fetches[i].node == index) return true;
    const bt_node *node = &x->graph.nodes[index];
    for (int hops = 0; hops < 8 && node->n_inputs && !strcmp(node->op, "Identity"); hops++)
        node = &x->graph.nodes[node->inputs[0].node];
    if (w->l.has_frames && bt_has_word("Enter Exit NextIteration Merge Switch", node->op)) return true;
    return bt_has_word(calls, node->op) || (x->function && !strcmp(node->op, "_Feed"));
}

/* Input i as the node is to have it. */
static bt_edge settle_input(work *w, int32_t index, int i, bt_edge e)
{
    const bt_layout_rule *r = &w->l.rules[index];
    bool last = w->is_last[index];
    if (i == r->any_in) return in_order(w, e, r->rank, is_made_last(w, e));
    if (!is_carried(r, i)) return in_order(w, e, rank_of(w, e, fact_of(w, e)->shape.rank), false);
    if (!is_lower(w, r, e)) return in_order(w, e, r->rank, last);
    return last ? lifted(w, e, r->rank) : in_order(w, e, fact_of(w, e)->shape.rank, false);
}

static void settle_node(work *w, int32_t index)
{
    bt_graph *g = &w->l.x->graph;
    const bt_layout_rule *r = &w->l.rules[index];
    bt_node was = g->nodes[index];
    if (r->kind == BT_LAYOUT_TO_FIRST || r->kind == BT_LAYOUT_TO_LAST) {
        settle_transpose(w, index);
        return;
    }
    bt_edge *inputs = bt_arena_array(g->arena, bt_edge, (size_t)was.n_inputs + 1);
    w->l.b.failed |= !inputs;
    for (int i = 0; i < was.n_inputs && !w->l.b.failed; i++) {
        size_t before = w->n_transposes;
        bool at_border = is_border(w, index) || is_border(w, was.inputs[i].node);
        inputs[i] = settle_input(w, index, i, was.inputs[i]);
        if (at_border) w->n_at_borders += w->n_transposes - before;
    }
    if (w->l.b.failed) return;
    g->nodes[index].inputs = inputs;
    w->n_formatted += r->kind == BT_LAYOUT_LAST;
    w->l.b.scope = was.name;
    if (w->is_last[index]) bt_layout_rewrite(&w->l, index, r, &was);
    if (r->any_in >= 0 && !strcmp(was.op, "Shape") && is_made_last(w, was.inputs[0])) settle_shape(w, index);
}

/* ---- The pass ----------------------------------------------------------------------------------------- */

static size_t count_transposes(const bt_pass_context *x)
{
    size_t n = 0;
    for (size_t i = 0; i < x->graph.n_nodes; i++) n += !strcmp(x->graph.nodes[i].op, "Transpose");
    return n;
}

/* The rule of every node; *found: one has a data_format to change, or a Transpose may be needless. */
static berth_status find_rules(work *w, bool *found)
{
    bt_pass_context *x = w->l.x;
    berth_status status = BERTH_OK;
    *found = false;
    w->l.rules = bt_arena_array(x->arena, bt_layout_rule, w->l.n + 1);
    if (!w->l.rules) return bt_fail_memory(x->error);
    for (size_t i = 0; i < w->l.n; i++) w->l.has_frames |= !strcmp(x->graph.nodes[i].op, "Enter");
    for (size_t i = 0; i < w->l.n && !status; i++) {
        status = bt_layout_rule_of(&w->l, (int32_t)i, &w->l.rules[i]);
        *found |= w->l.rules[i].kind == BT_LAYOUT_LAST || w->l.rules[i].kind == BT_LAYOUT_TO_FIRST;
    }
    return status;
}

static berth_status settle(work *w)
{
    bt_pass_context *x = w->l.x;
    size_t n, n_facts = (size_t)x->first_fact[w->l.n];
    int32_t *order;
    for (size_t i = 0; i < n_facts; i++)
        w->forms[i].order[0].node = w->forms[i].order[1].node = w->forms[i].lifted.node = -1;
    berth_status status = bt_pass_order(x, &order, &n);
    for (size_t i = 0; i < n && !status && !w->l.b.failed; i++) settle_node(w, order[i]);
    size_t before = w->n_transposes;
    for (int i = 0; i < x->n_fetches && !status && !w->l.b.failed; i++)
        x->fetches[i] = in_order(w, x->fetches[i], rank_of(w, x->fetches[i], 0), false);
    if (x->function) w->n_at_borders += w->n_transposes - before;
    if (w->l.b.failed) return x->error->status ? x->error->status : bt_fail_memory(x->error);
    return status ? status : bt_pass_sweep(x);
}

berth_status bt_pass_channels_last(bt_pass_context *x)
{
    work w = {.l = {.x = x, .b = {.x = x, .beside = -1}, .n = x->graph.n_nodes}};
    size_t before = count_transposes(x);
    bool found;
    berth_status status = bt_pass_infer(x);
    if (!status) status = find_rules(&w, &found);
    if (status || !found) return status;
    w.forms = bt_arena_array(x->arena, form, (size_t)x->first_fact[w.l.n] + 1);
    if (!w.forms) return bt_fail_memory(x->error);
    status = choose(&w);
    if (!status) status = settle(&w);
    if (status) return status;
    bt_pass_change(x, "nodes changed from channels first to channels last", w.n_formatted);
    bt_pass_change(x, "transposes put in", w.n_transposes);
    bt_pass_change(x, "transposes at the borders of functions and loops, among those put in", w.n_at_borders);
    bt_pass_change(x, "transposes taken out", before + w.n_transposes - count_transposes(x));
    return BERTH_OK;
}
