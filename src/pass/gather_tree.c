/* GatherTree, which TensorFlow Addons has, and TensorFlow itself has not, as plain ops: a loop from the last step back, and then the
 * end token behind the first one. What it computes: ../ops/gather_tree.c.
 *
 * Steps and parents are [T, B, W], lengths [B]. At step t, from T - 1 on, `at` [B, W] is the beam at which each sequence stands:
 * where t < length, the token there is taken, and its parent is where to stand next. */
#include "pass/draft.h"
#include "pass/portable.h"

enum { IDS, PARENTS, LENGTHS, END };
enum { STEP, AT, OUT, CONSTANTS, N_VARS = CONSTANTS + 4 }; /* of the loop; behind them the inputs */

static const berth_dtype types[N_VARS] = {BERTH_INT32, BERTH_INT32, BERTH_VARIANT, BERTH_INT32,
                                          BERTH_INT32, BERTH_INT32, BERTH_INT32};

/* Along `axis` of x, of which as many axes come first in both: axis 0, or 1. */
static bt_edge gather(bt_builder *b, bt_edge x, bt_edge which, int axis)
{
    bt_edge y = BT_BUILD(b, "GatherV2", BERTH_NO_DTYPE, x, which, bt_build_index(b, "axis", axis));
    bt_build_type(b, y, "Tparams", BERTH_INT32);
    bt_build_type(b, y, "Tindices", BERTH_INT32);
    bt_build_type(b, y, "Taxis", BERTH_INT32);
    bt_build_int(b, y, "batch_dims", axis);
    return y;
}

static bt_edge size(bt_builder *b, bt_edge shape, int axis)
{
    return gather(b, shape, bt_build_index(b, "axis", axis), 0);
}

static bt_edge choose(bt_builder *b, bt_edge which, bt_edge one, bt_edge other)
{
    return BT_BUILD(b, "SelectV2", BERTH_INT32, which, one, other);
}

static const char *make_step(bt_builder *caller, const char *name)
{
    bt_draft d;
    bt_draft_begin(&d, caller, name, "step", types, N_VARS);
    bt_builder *b = &d.b;
    bt_edge in[N_VARS], results[N_VARS];
    for (int i = 0; i < N_VARS; i++) results[i] = in[i] = bt_draft_arg(&d, i);
    const bt_edge *given = in + CONSTANTS;
    bt_edge runs = BT_BUILD(b, "Less", BERTH_INT32, in[STEP], given[LENGTHS]);
    bt_edge rows = BT_BUILD(b, "ExpandDims", BERTH_BOOL, runs, bt_build_index(b, "axis", 1));
    bt_build_type(b, rows, "Tdim", BERTH_INT32);
    bt_edge token = gather(b, gather(b, given[IDS], in[STEP], 0), in[AT], 1);
    bt_edge parent = gather(b, gather(b, given[PARENTS], in[STEP], 0), in[AT], 1);
    results[OUT] = BT_BUILD(b, "TensorListSetItem", BERTH_NO_DTYPE, in[OUT], in[STEP],
                            choose(b, rows, token, given[END]));
    bt_build_type(b, results[OUT], "element_dtype", BERTH_INT32);
    results[AT] = choose(b, rows, parent, in[AT]);
    results[STEP] = BT_BUILD(b, "Sub", BERTH_INT32, in[STEP], bt_build_index(b, "one", 1));
    return bt_draft_end(&d, results, types, N_VARS);
}

static const char *make_condition(bt_builder *caller, const char *name)
{
    bt_draft d;
    berth_dtype truth = BERTH_BOOL;
    bt_draft_begin(&d, caller, name, "more", types, N_VARS);
    bt_edge more =
        BT_BUILD(&d.b, "GreaterEqual", BERTH_INT32, bt_draft_arg(&d, STEP), bt_build_index(&d.b, "zero", 0));
    return bt_draft_end(&d, &more, &truth, 1);
}

/* Every sequence standing at its own beam, [B, W]. */
static bt_edge own_beams(bt_builder *b, bt_edge element)
{
    bt_edge beams = BT_BUILD(b, "Range", BERTH_NO_DTYPE, bt_build_index(b, "zero", 0), size(b, element, 1),
                             bt_build_index(b, "one", 1));
    bt_build_type(b, beams, "Tidx", BERTH_INT32);
    bt_edge all = BT_BUILD(b, "BroadcastTo", BERTH_INT32, beams, element);
    bt_build_type(b, all, "Tidx", BERTH_INT32);
    return all;
}

/* Behind the first end token of each sequence there are no others. */
static bt_edge close(bt_builder *b, bt_edge tokens, bt_edge end)
{
    bt_edge is_end = BT_BUILD(b, "Equal", BERTH_INT32, tokens, end),
            ended = BT_BUILD(b, "Cast", BERTH_NO_DTYPE, is_end);
    bt_build_type(b, ended, "SrcT", BERTH_BOOL);
    bt_build_type(b, ended, "DstT", BERTH_INT32);
    bt_edge before = BT_BUILD(b, "Cumsum", BERTH_INT32, ended, bt_build_index(b, "axis", 0));
    bt_build_type(b, before, "Tidx", BERTH_INT32);
    bt_build_bool(b, before, "exclusive", true);
    return choose(b, BT_BUILD(b, "Greater", BERTH_INT32, before, bt_build_index(b, "none", 0)), end, tokens);
}

static bt_edge unpack(bt_builder *b, const bt_node *node)
{
    const bt_edge *in = node->inputs;
    bt_edge shape = BT_BUILD(b, "Shape", BERTH_INT32, in[IDS]), vars[N_VARS];
    bt_build_type(b, shape, "out_type", BERTH_INT32);
    bt_edge steps = size(b, shape, 0),
            element = bt_build_gather(b, shape, BERTH_INT32, (const int64_t[]){1, 2}, 2);
    vars[STEP] = BT_BUILD(b, "Sub", BERTH_INT32, steps, bt_build_index(b, "one", 1));
    vars[AT] = own_beams(b, element);
    vars[OUT] = BT_BUILD(b, "TensorListReserve", BERTH_NO_DTYPE, element, steps);
    bt_build_type(b, vars[OUT], "element_dtype", BERTH_INT32);
    bt_build_type(b, vars[OUT], "shape_type", BERTH_INT32);
    for (int i = 0; i < 4; i++) vars[CONSTANTS + i] = in[i];
    const char *more = b->failed ? NULL : make_condition(b, node->name);
    bt_edge loop = bt_build_loop(b, more, more ? make_step(b, node->name) : NULL, vars, types, N_VARS);
    bt_edge tokens = BT_BUILD(b, "TensorListStack", BERTH_NO_DTYPE, (bt_edge){loop.node, OUT}, element);
    bt_build_type(b, tokens, "element_dtype", BERTH_INT32);
    return close(b, tokens, in[END]);
}

berth_status bt_pass_gather_tree(bt_pass_context *x)
{
    bt_redirects redirects;
    size_t found = 0, n = x->graph.n_nodes;
    bool has_frames = false;
    for (size_t i = 0; i < n; i++) {
        found += !strcmp(x->graph.nodes[i].op, "GatherTree");
        has_frames |= !strcmp(x->graph.nodes[i].op, "Enter");
    }
    if (!found) return BERTH_OK;
    berth_status status = bt_redirects_init(x, &redirects);
    for (size_t i = 0; i < n && !status; i++) {
        const bt_node node = x->graph.nodes[i];
        if (strcmp(node.op, "GatherTree")) continue;
        if (node.n_inputs != 4)
            return bt_fail(x->error, BERTH_BAD_MODEL, "node '%s' (%s): needs 4 inputs, has %d", node.name,
                           node.op, node.n_inputs);
        bt_builder b = {.x = x, .scope = node.name, .beside = has_frames ? node.inputs[IDS].node : -1};
        bt_edge y = unpack(&b, &node);
        if (b.failed) return bt_fail_memory(x->error);
        bt_redirects_set(&redirects, (bt_edge){(int32_t)i, 0}, y);
    }
    if (status) return status;
    bt_redirects_apply(x, &redirects);
    for (size_t i = 0; i < n; i++) { /* what waits for one waits for nothing */
        bt_node *node = &x->graph.nodes[i];
        if (strcmp(node->op, "GatherTree")) continue;
        node->op = "NoOp", node->def = bt_op_find("NoOp");
        node->n_inputs = node->n_attrs = 0;
    }
    bt_pass_change(x, "searches of beams made of plain ops", found);
    return bt_pass_sweep(x);
}
