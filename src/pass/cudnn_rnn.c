/* CudnnRNN, V2 and V3 as plain ops, for processors without cuDNN: of each layer and direction one product of the whole input,
 * then a loop over the steps, StatelessWhile, whose body is one step of the cell. What it computes, and how the parameters lie:
 * ../ops/cudnn.h. */
#include "ops/cudnn.h"
#include "pass/draft.h"
#include "pass/portable.h"
#include "pass/sizes.h"

enum { INPUT, INPUT_H, INPUT_C, PARAMS, LENGTHS, N_OUT = 5 };

/* What goes around a loop; those behind CELLS only go through it. Not all are there in every mode. */
enum { STEP, STATE, OUTPUTS, CELLS, STEPS, GATES, WEIGHTS, PROJECTION, BACK, ENDS, N_VARS };

typedef struct rnn {
    bt_builder b; /* of the graph */
    bt_cudnn r;
    const char *name;
    berth_dtype dtype;
    bool major;                     /* time is axis 0 */
    bt_edge params, lengths, steps; /* lengths: node -1 where all are whole */
    bt_edge element;                /* shape of a step's output, [batch, hidden] */
} rnn;

/* A function that is being made. */
typedef struct draft {
    bt_draft f;
    bt_builder *b;
    bt_edge in[N_VARS]; /* its arguments */
} draft;

/* ---- Formulas ----------------------------------------------------------------------------------------- */

static bt_edge product(bt_builder *b, berth_dtype dtype, bt_edge x, bt_edge weights)
{
    bt_edge y = BT_BUILD(b, "MatMul", dtype, x, weights);
    bt_build_bool(b, y, "transpose_b", true);
    return y;
}

static bt_edge reshape(bt_builder *b, berth_dtype dtype, bt_edge x, bt_edge shape)
{
    bt_edge y = BT_BUILD(b, "Reshape", dtype, x, shape);
    bt_build_type(b, y, "Tshape", BERTH_INT32);
    return y;
}

static bt_edge pack(bt_builder *b, berth_dtype dtype, const bt_edge *parts, int n)
{
    bt_edge y = bt_build(b, "Pack", dtype, parts, n);
    bt_build_int(b, y, "N", n);
    return y;
}

/* Row i of a tensor, without its first axis. */
static bt_edge row(bt_builder *b, berth_dtype dtype, bt_edge x, int64_t i)
{
    bt_edge y =
        BT_BUILD(b, "GatherV2", BERTH_NO_DTYPE, x, bt_build_index(b, "row", i), bt_build_index(b, "axis", 0));
    bt_build_type(b, y, "Tparams", dtype);
    bt_build_type(b, y, "Tindices", BERTH_INT32);
    bt_build_type(b, y, "Taxis", BERTH_INT32);
    return y;
}

static bt_edge concat(bt_builder *b, berth_dtype dtype, bt_edge one, bt_edge two, int64_t axis)
{
    bt_edge y = BT_BUILD(b, "ConcatV2", dtype, one, two, bt_build_index(b, "axis", axis));
    bt_build_int(b, y, "N", 2);
    bt_build_type(b, y, "Tidx", BERTH_INT32);
    return y;
}

/* n parts of a row of gates: outputs 0 to n - 1. */
static bt_edge split(bt_builder *b, berth_dtype dtype, bt_edge x, int n)
{
    bt_edge y = BT_BUILD(b, "Split", dtype, bt_build_index(b, "axis", 1), x);
    bt_build_int(b, y, "num_split", n);
    return y;
}

static bt_edge part(bt_edge all, int i) { return (bt_edge){all.node, i}; }

/* ---- Functions ---------------------------------------------------------------------------------------- */

/* A function of what goes around the loop, as far as it is there. */
static void draft_begin(draft *d, rnn *n, const char *what, const bt_edge *vars, const berth_dtype *types)
{
    berth_dtype given[N_VARS];
    int count = 0;
    for (int i = 0; i < N_VARS; i++)
        if (vars[i].node >= 0) given[count++] = types[i];
    bt_draft_begin(&d->f, &n->b, n->name, what, given, count);
    d->b = &d->f.b;
    for (int i = 0, k = 0; i < N_VARS; i++)
        if (vars[i].node >= 0) d->in[i] = bt_draft_arg(&d->f, k++);
}

/* ---- One step ----------------------------------------------------------------------------------------- */

static bt_edge lstm(draft *d, const rnn *n, bt_edge z, bt_edge *cells)
{
    bt_builder *b = d->b;
    berth_dtype t = n->dtype;
    bt_edge gates = split(b, t, z, 4);
    bt_edge in = BT_BUILD(b, "Sigmoid", t, part(gates, 0)),
            forget = BT_BUILD(b, "Sigmoid", t, part(gates, 1));
    bt_edge fresh = BT_BUILD(b, "Tanh", t, part(gates, 2)), out = BT_BUILD(b, "Sigmoid", t, part(gates, 3));
    bt_edge kept = BT_BUILD(b, "Mul", t, forget, d->in[CELLS]), added = BT_BUILD(b, "Mul", t, in, fresh);
    *cells = BT_BUILD(b, "AddV2", t, kept, added);
    return BT_BUILD(b, "Mul", t, out, BT_BUILD(b, "Tanh", t, *cells));
}

/* x: the input's part of the gates; h: the state's. */
static bt_edge gru(draft *d, const rnn *n, bt_edge x, bt_edge h)
{
    bt_builder *b = d->b;
    berth_dtype t = n->dtype;
    bt_edge gates = split(b, t, x, 3), back = split(b, t, h, 3), turn[2];
    for (int i = 0; i < 2; i++)
        turn[i] = BT_BUILD(b, "Sigmoid", t, BT_BUILD(b, "AddV2", t, part(gates, i), part(back, i)));
    bt_edge inner = BT_BUILD(b, "AddV2", t, part(back, 2), d->in[BACK]);
    bt_edge reset = BT_BUILD(b, "Mul", t, turn[0], inner);
    bt_edge fresh = BT_BUILD(b, "Tanh", t, BT_BUILD(b, "AddV2", t, part(gates, 2), reset));
    bt_edge change = BT_BUILD(b, "Sub", t, d->in[STATE], fresh); /* (1 - z) g + z h = g + z (h - g) */
    return BT_BUILD(b, "AddV2", t, fresh, BT_BUILD(b, "Mul", t, turn[1], change));
}

/* Sequences that have ended keep their states, and give zeros. */
static void stop_ended(draft *d, const rnn *n, bt_edge step, bt_edge *state, bt_edge *cells, bt_edge *out)
{
    bt_builder *b = d->b;
    bt_edge runs = BT_BUILD(b, "Less", BERTH_INT32, step, d->in[ENDS]);
    bt_edge rows = BT_BUILD(b, "ExpandDims", BERTH_BOOL, runs, bt_build_index(b, "axis", 1));
    bt_build_type(b, rows, "Tdim", BERTH_INT32);
    bt_edge none = BT_BUILD(b, "ZerosLike", n->dtype, *state);
    *out = BT_BUILD(b, "SelectV2", n->dtype, rows, *state, none);
    *state = BT_BUILD(b, "SelectV2", n->dtype, rows, *state, d->in[STATE]);
    if (n->r.mode == BT_CUDNN_LSTM) *cells = BT_BUILD(b, "SelectV2", n->dtype, rows, *cells, d->in[CELLS]);
}

static const char *make_body(rnn *n, const bt_edge *vars, const berth_dtype *types, bool backward)
{
    draft d;
    berth_dtype t = n->dtype;
    draft_begin(&d, n, "step", vars, types);
    bt_builder *b = d.b;
    bt_edge one = bt_build_index(b, "one", 1), step = d.in[STEP], cells = d.in[CELLS];
    bt_edge next = BT_BUILD(b, "AddV2", BERTH_INT32, d.in[STEP], one);
    if (backward) step = BT_BUILD(b, "Sub", BERTH_INT32, d.in[STEPS], next);
    bt_edge any = bt_build_ints(b, "shape", BERTH_INT32, (const int64_t[]){-1, n->r.gates * n->r.units}, 2);
    bt_edge x = BT_BUILD(b, "TensorListGetItem", BERTH_NO_DTYPE, d.in[GATES], step, any);
    bt_build_type(b, x, "element_dtype", t);
    bt_edge h = product(b, t, d.in[STATE], d.in[WEIGHTS]), state;
    if (n->r.mode == BT_CUDNN_GRU) state = gru(&d, n, x, h);
    else if (n->r.mode == BT_CUDNN_LSTM) state = lstm(&d, n, BT_BUILD(b, "AddV2", t, x, h), &cells);
    else state = BT_BUILD(b, n->r.mode == BT_CUDNN_TANH ? "Tanh" : "Relu", t, BT_BUILD(b, "AddV2", t, x, h));
    if (n->r.projected) state = product(b, t, state, d.in[PROJECTION]);
    bt_edge out = state;
    if (vars[ENDS].node >= 0) stop_ended(&d, n, step, &state, &cells, &out);
    bt_edge outputs = BT_BUILD(b, "TensorListSetItem", BERTH_NO_DTYPE, d.in[OUTPUTS], step, out);
    bt_build_type(b, outputs, "element_dtype", t);
    bt_edge results[N_VARS];
    berth_dtype kinds[N_VARS];
    int k = 0;
    for (int i = 0; i < N_VARS; i++) {
        if (vars[i].node < 0) continue;
        kinds[k] = types[i];
        results[k++] = i == STEP      ? next
                       : i == STATE   ? state
                       : i == OUTPUTS ? outputs
                       : i == CELLS   ? cells
                                      : d.in[i];
    }
    return bt_draft_end(&d.f, results, kinds, k);
}

static const char *make_condition(rnn *n, const bt_edge *vars, const berth_dtype *types)
{
    draft d;
    berth_dtype truth = BERTH_BOOL;
    draft_begin(&d, n, "more", vars, types);
    bt_edge more = BT_BUILD(d.b, "Less", BERTH_INT32, d.in[STEP], d.in[STEPS]);
    return bt_draft_end(&d.f, &more, &truth, 1);
}

/* ---- One layer, one direction ------------------------------------------------------------------------- */

/* A piece of the parameters, as a matrix, or a vector where cols is 0. */
static bt_edge piece(rnn *n, int64_t at, int64_t rows, int64_t cols)
{
    bt_builder *b = &n->b;
    int64_t count = cols ? rows * cols : rows;
    bt_edge from = bt_build_ints(b, "at", BERTH_INT64, &at, 1),
            size = bt_build_ints(b, "size", BERTH_INT64, &count, 1);
    bt_edge flat = BT_BUILD(b, "Slice", n->dtype, n->params, from, size);
    bt_build_type(b, flat, "Index", BERTH_INT64);
    if (!cols) return flat;
    return reshape(b, n->dtype, flat,
                   bt_build_ints(b, "shape", BERTH_INT32, (const int64_t[]){rows, cols}, 2));
}

/* The input's part of the gates of all steps, [steps, batch, gates units], and all biases that are only added. */
static bt_edge gates_of(rnn *n, int64_t layer, bt_edge x)
{
    bt_builder *b = &n->b;
    const bt_cudnn *r = &n->r;
    int64_t wide = r->gates * r->units, rows, cols, at = bt_cudnn_weight(r, layer, 0, &rows, &cols);
    int64_t added = r->mode == BT_CUDNN_GRU ? 2 * r->units : wide;
    bt_edge bias = piece(n, bt_cudnn_bias(r, layer, 0), wide, 0),
            back = piece(n, bt_cudnn_bias(r, layer, r->gates), added, 0);
    if (added < wide) {
        bt_tensor *zero = bt_arena_new(b->x->arena, bt_tensor);
        void *data = bt_arena_alloc_n(b->x->arena, (size_t)r->units, bt_dtype_size(n->dtype));
        b->failed |= !zero || !data;
        if (b->failed) return x;
        *zero = (bt_tensor){.dtype = n->dtype, .shape = BT_SHAPE(r->units), .data = data};
        back = concat(b, n->dtype, back, bt_build_const(b, "zero", zero), 0);
    }
    bias = BT_BUILD(b, "AddV2", n->dtype, bias, back);
    if (!rows) { /* skipped: the input is added to every gate */
        bt_edge times = bt_build_ints(b, "times", BERTH_INT32, (const int64_t[]){1, 1, r->gates}, 3);
        x = BT_BUILD(b, "Tile", n->dtype, x, times);
        bt_build_type(b, x, "Tmultiples", BERTH_INT32);
        return BT_BUILD(b, "AddV2", n->dtype, x, bias);
    }
    bt_edge flat = bt_build_ints(b, "flat", BERTH_INT32, (const int64_t[]){-1, cols}, 2);
    bt_edge y = product(b, n->dtype, reshape(b, n->dtype, x, flat), piece(n, at, wide, cols));
    y = BT_BUILD(b, "BiasAdd", n->dtype, y, bias);
    bt_edge batch = row(b, BERTH_INT32, n->element, 0), units = bt_build_index(b, "units", wide);
    return reshape(b, n->dtype, y, pack(b, BERTH_INT32, (const bt_edge[]){n->steps, batch, units}, 3));
}

static bt_edge list_of(bt_builder *b, const char *op, berth_dtype dtype, bt_edge first, bt_edge second)
{
    bt_edge list = BT_BUILD(b, op, BERTH_NO_DTYPE, first, second);
    bt_build_type(b, list, "element_dtype", dtype);
    bt_build_type(b, list, "shape_type", BERTH_INT32);
    return list;
}

/* The loop: outputs [steps, batch, hidden], the last state and the last cells. */
static void run_layer(rnn *n, int64_t layer, bt_edge x, bt_edge h, bt_edge c, bt_edge out[3])
{
    bt_builder *b = &n->b;
    const bt_cudnn *r = &n->r;
    int64_t wide = r->gates * r->units, rows, cols;
    bt_edge vars[N_VARS], inputs[N_VARS];
    berth_dtype types[N_VARS], kinds[N_VARS];
    int place[N_VARS], count = 0;
    for (int i = 0; i < N_VARS; i++) vars[i].node = -1, types[i] = n->dtype;
    types[STEP] = types[STEPS] = types[ENDS] = BERTH_INT32, types[OUTPUTS] = types[GATES] = BERTH_VARIANT;
    bt_edge any = bt_build_ints(b, "shape", BERTH_INT32, (const int64_t[]){-1, wide}, 2);
    vars[STEP] = bt_build_index(b, "first", 0), vars[STEPS] = n->steps, vars[STATE] = h,
    vars[ENDS] = n->lengths;
    vars[GATES] = list_of(b, "TensorListFromTensor", n->dtype, gates_of(n, layer, x), any);
    vars[OUTPUTS] = list_of(b, "TensorListReserve", n->dtype, n->element, n->steps);
    vars[WEIGHTS] = piece(n, bt_cudnn_weight(r, layer, r->gates, &rows, &cols), wide, r->hidden);
    if (r->mode == BT_CUDNN_LSTM) vars[CELLS] = c;
    if (r->mode == BT_CUDNN_GRU)
        vars[BACK] = piece(n, bt_cudnn_bias(r, layer, r->gates) + 2 * r->units, r->units, 0);
    if (r->projected)
        vars[PROJECTION] =
            piece(n, bt_cudnn_weight(r, layer, 2 * r->gates, &rows, &cols), r->hidden, r->units);
    for (int i = 0; i < N_VARS; i++)
        if (vars[i].node >= 0) place[i] = count, kinds[count] = types[i], inputs[count++] = vars[i];
    const char *more = b->failed ? NULL : make_condition(n, vars, types);
    const char *body = more ? make_body(n, vars, types, layer % r->directions) : NULL;
    bt_edge loop = bt_build_loop(b, more, body, inputs, kinds, count);
    if (b->failed) return;
    out[0] = BT_BUILD(b, "TensorListStack", BERTH_NO_DTYPE, part(loop, place[OUTPUTS]), n->element);
    bt_build_type(b, out[0], "element_dtype", n->dtype);
    out[1] = part(loop, place[STATE]);
    out[2] = r->mode == BT_CUDNN_LSTM ? part(loop, place[CELLS]) : (bt_edge){-1, 0};
}

/* ---- The network -------------------------------------------------------------------------------------- */

static bt_edge swap(rnn *n, bt_edge x)
{
    return n->major ? x : bt_build_transpose(&n->b, x, n->dtype, (const int64_t[]){1, 0, 2}, 3);
}

static bt_edge empty(rnn *n, berth_dtype dtype, const bt_shape *shape)
{
    bt_tensor *t = bt_arena_new(n->b.x->arena, bt_tensor);
    void *data = bt_arena_alloc(n->b.x->arena, sizeof(double));
    n->b.failed |= !t || !data;
    if (n->b.failed) return (bt_edge){-1, 0};
    *t = (bt_tensor){.dtype = dtype, .shape = *shape, .data = data};
    return bt_build_const(&n->b, "none", t);
}

static void run_network(rnn *n, const bt_edge *in, bt_edge out[N_OUT])
{
    bt_builder *b = &n->b;
    const bt_cudnn *r = &n->r;
    bool lstm = r->mode == BT_CUDNN_LSTM;
    bt_edge x = swap(n, in[INPUT]), h = swap(n, in[INPUT_H]), c = lstm ? swap(n, in[INPUT_C]) : h;
    bt_edge *states = bt_arena_array(b->x->arena, bt_edge, (size_t)r->layers),
            *cells = bt_arena_array(b->x->arena, bt_edge, (size_t)r->layers);
    bt_edge shape = BT_BUILD(b, "Shape", n->dtype, x), level[2] = {x, x};
    bt_build_type(b, shape, "out_type", BERTH_INT32);
    n->steps = row(b, BERTH_INT32, shape, 0);
    n->element =
        pack(b, BERTH_INT32,
             (const bt_edge[]){row(b, BERTH_INT32, shape, 1), bt_build_index(b, "hidden", r->hidden)}, 2);
    b->failed |= !states || !cells;
    for (int64_t i = 0; i < r->layers && !b->failed; i++) {
        bt_edge ends[3], at = lstm ? row(b, n->dtype, c, i) : h;
        run_layer(n, i, x, row(b, n->dtype, h, i), at, ends);
        level[i % r->directions] = ends[0], states[i] = ends[1], cells[i] = ends[2];
        if (i % r->directions == r->directions - 1)
            x = r->directions > 1 ? concat(b, n->dtype, level[0], level[1], 2) : level[0];
    }
    bt_shape none = BT_SHAPE(0);
    if (b->failed) return;
    out[0] = swap(n, x);
    out[1] = swap(n, pack(b, n->dtype, states, (int)r->layers));
    out[2] = lstm ? swap(n, pack(b, n->dtype, cells, (int)r->layers)) : empty(n, n->dtype, &BT_SCALAR);
    out[3] = empty(n, n->dtype, &none);
    out[4] = empty(n, BERTH_INT8, &none);
}

/* ---- Sizes -------------------------------------------------------------------------------------------- */

/* The width of the input from how many parameters there are, of which each number of it takes as many; -1: it cannot be. */
static int64_t width_of(const rnn *n, bt_shape shapes[INPUT_C + 1], int64_t total)
{
    bt_cudnn r[2] = {n->r, n->r};
    if (n->r.skip || n->r.may_skip || total < 0) return -1;
    for (int i = 0; i < 2; i++) {
        shapes[INPUT].dim[2] = i;
        if (!bt_cudnn_of_shapes(&r[i], &shapes[INPUT], &shapes[INPUT_H], &shapes[INPUT_C], n->major))
            return -1;
    }
    int64_t each = r[1].total - r[0].total, rest = total - r[0].total;
    return each > 0 && rest >= 0 && rest % each == 0 ? rest / each : -1;
}

/* From the node's inputs; false where they do not tell. */
static bool find_sizes(rnn *n, const bt_node *node)
{
    bt_shape shapes[INPUT_C + 1];
    for (int i = 0; i <= INPUT_C; i++) {
        shapes[i].rank = 3;
        for (int axis = 0; axis < 3; axis++)
            shapes[i].dim[axis] = bt_size_dim(n->b.x, node->inputs[i], axis, 3);
    }
    if (shapes[INPUT].dim[2] < 0)
        shapes[INPUT].dim[2] = width_of(n, shapes, bt_size_dim(n->b.x, node->inputs[PARAMS], 0, 1));
    return bt_cudnn_of_shapes(&n->r, &shapes[INPUT], &shapes[INPUT_H], &shapes[INPUT_C], n->major);
}

/* ---- The pass ----------------------------------------------------------------------------------------- */

static berth_status unpack(bt_pass_context *x, int32_t index, bool has_frames, bt_redirects *redirects)
{
    const bt_node node = x->graph.nodes[index];
    rnn n = {.b = {.x = x, .scope = node.name, .beside = -1},
             .name = node.name,
             .major = bt_attr_bool(&node, "time_major", true),
             .lengths = {-1, 0}};
    bt_edge out[N_OUT];
    berth_status status = bt_cudnn_parse(&node, &n.r, x->error);
    if (!status && node.n_inputs <= PARAMS) status = bt_fail(x->error, BERTH_BAD_MODEL, "too few inputs");
    if (!status && bt_attr_float(&node, "dropout", 0) > 0 && bt_attr_bool(&node, "is_training", true))
        status = bt_fail(x->error, BERTH_UNSUPPORTED, "dropout while training");
    if (!status) {
        n.dtype = bt_pass_fact(x, node.inputs[INPUT])->dtype;
        if (!n.dtype || !find_sizes(&n, &node))
            status = bt_fail(
                x->error, BERTH_UNSUPPORTED,
                "the sizes of the RNN are not known: the graph, or the shapes given for its inputs, must "
                "say the layers and units of the states, and those of the input or how many parameters "
                "there are");
    }
    if (status) return bt_error_prefix(x->error, "node '%s' (%s)", node.name, node.op), status;
    n.params = node.inputs[PARAMS];
    if (has_frames) n.b.beside = node.inputs[INPUT].node;
    if (node.n_inputs > LENGTHS) n.lengths = node.inputs[LENGTHS];
    run_network(&n, node.inputs, out);
    if (n.b.failed) return bt_fail_memory(x->error);
    for (int i = 0; i < bt_node_outputs(&node); i++) bt_redirects_set(redirects, (bt_edge){index, i}, out[i]);
    return BERTH_OK;
}

berth_status bt_pass_cudnn_rnn(bt_pass_context *x)
{
    static const char *const ops = "CudnnRNN CudnnRNNV2 CudnnRNNV3";
    bt_redirects redirects;
    size_t found = 0, n = x->graph.n_nodes;
    bool has_frames = false;
    for (size_t i = 0; i < n; i++) {
        found += bt_has_word(ops, x->graph.nodes[i].op);
        has_frames |= !strcmp(x->graph.nodes[i].op, "Enter");
    }
    if (!found) return BERTH_OK;
    berth_status status = bt_pass_infer(x);
    if (!status) status = bt_redirects_init(x, &redirects);
    for (size_t i = 0; i < n && !status; i++)
        if (bt_has_word(ops, x->graph.nodes[i].op)) status = unpack(x, (int32_t)i, has_frames, &redirects);
    if (status) return status;
    bt_redirects_apply(x, &redirects);
    for (size_t i = 0; i < n; i++) { /* what waits for one waits for nothing */
        bt_node *node = &x->graph.nodes[i];
        if (!bt_has_word(ops, node->op)) continue;
        node->op = "NoOp", node->def = bt_op_find("NoOp");
        node->n_inputs = node->n_attrs = 0;
    }
    bt_pass_change(x, "cuDNN's recurrent networks made of plain ops", found);
    return bt_pass_sweep(x);
}
