/* Fused ops of TensorFlow's graph optimizer, grouped convolutions, and dilated ones, as the plain ops that every TensorFlow has
 * for a CPU. */
#include "pass/build.h"
#include "pass/portable.h"
#include "pass/sizes.h"

typedef struct work {
    bt_pass_context *x;
    bt_builder b;
    bt_redirects redirects;
    size_t n;
} work;

/* A node of the plain op with the attributes of `from` that the op has. */
static bt_edge plain(work *w, const bt_node *from, const char *op, const bt_edge *inputs, int n)
{
    static const char *const kept =
        "T strides padding explicit_paddings data_format dilations use_cudnn_on_gpu transpose_a transpose_b";
    bt_edge e = bt_build(&w->b, op, BERTH_NO_DTYPE, inputs, n);
    for (int i = 0; i < from->n_attrs && !w->b.failed; i++)
        if (bt_has_word(kept, from->attrs[i].name))
            w->b.failed = !bt_set_attr(&w->x->graph, e.node, &from->attrs[i]);
    return e;
}

static void copy_format(work *w, const bt_node *from, bt_edge e)
{
    const char *format = bt_attr_string(from, "data_format", NULL);
    if (format && !w->b.failed) w->b.failed = !bt_set_string(&w->x->graph, e.node, "data_format", format);
}

static bt_edge scalar(work *w, berth_dtype dtype, double value)
{
    bt_tensor *t = bt_arena_new(w->x->arena, bt_tensor);
    double *data = bt_arena_new(w->x->arena, double);
    w->b.failed |= !t || !data;
    if (w->b.failed) return (bt_edge){-1, 0};
    if (dtype == BERTH_DOUBLE) *data = value;
    else if (dtype == BERTH_HALF) *(uint16_t *)data = bt_float_to_half((float)value);
    else if (dtype == BERTH_BFLOAT16) *(uint16_t *)data = bt_float_to_bf16((float)value);
    else *(float *)data = (float)value;
    *t = (bt_tensor){.dtype = dtype, .data = data};
    return bt_build_const(&w->b, "number", t);
}

/* x / 2 (1 + erf(x / sqrt 2)), or by tanh(sqrt(2 / pi) (x + 0.044715 x^3)). */
static bt_edge gelu(work *w, berth_dtype t, bt_edge x, bool exact)
{
    bt_builder *b = &w->b;
    bt_edge in = x;
    if (!exact) {
        bt_edge cube = BT_BUILD(b, "Mul", t, x, BT_BUILD(b, "Square", t, x));
        in = BT_BUILD(b, "AddV2", t, x, BT_BUILD(b, "Mul", t, cube, scalar(w, t, 0.044715)));
    }
    in = BT_BUILD(b, "Mul", t, in, scalar(w, t, exact ? 0.70710678118654752 : 0.79788456080286536));
    bt_edge curve = BT_BUILD(b, exact ? "Erf" : "Tanh", t, in);
    bt_edge weight = BT_BUILD(b, "AddV2", t, curve, scalar(w, t, 1));
    return BT_BUILD(b, "Mul", t, BT_BUILD(b, "Mul", t, x, scalar(w, t, 0.5)), weight);
}

/* ---- Fused ops ---------------------------------------------------------------------------------------- */

/* One of the fused operations, on `y`; *next: the input that it takes. */
static berth_status unfuse_one(work *w, const bt_node *node, const char *op, berth_dtype t, int *next,
                               bt_edge *y)
{
    static const char *const activations = "Relu Relu6 Elu Selu Tanh Sigmoid Softplus LeakyRelu";
    bt_builder *b = &w->b;
    int takes = !strcmp(op, "FusedBatchNorm") ? 4 : !strcmp(op, "BiasAdd") || !strcmp(op, "Add");
    if (*next + takes > node->n_inputs)
        return bt_fail(w->x->error, BERTH_BAD_MODEL, "has %d inputs, fewer than its fused operations take",
                       node->n_inputs);
    const bt_edge *in = node->inputs + *next;
    *next += takes;
    if (!strcmp(op, "BiasAdd")) {
        *y = BT_BUILD(b, op, t, *y, in[0]);
        copy_format(w, node, *y);
    } else if (!strcmp(op, "Add")) {
        *y = BT_BUILD(b, "AddV2", t, *y, in[0]);
    } else if (takes) {
        *y = BT_BUILD(b, "FusedBatchNormV3", t, *y, in[0], in[1], in[2], in[3]);
        bt_build_type(b, *y, "U", BERTH_FLOAT);
        bt_build_bool(b, *y, "is_training", false);
        if (!b->failed)
            b->failed =
                !bt_set_float(&w->x->graph, y->node, "epsilon", bt_attr_float(node, "epsilon", 1e-4f));
        copy_format(w, node, *y);
    } else if (bt_has_word(activations, op)) {
        *y = BT_BUILD(b, op, t, *y);
        if (!strcmp(op, "LeakyRelu") && !b->failed)
            b->failed =
                !bt_set_float(&w->x->graph, y->node, "alpha", bt_attr_float(node, "leakyrelu_alpha", 0.2f));
    } else if (!strcmp(op, "GeluExact") || !strcmp(op, "GeluApproximate")) {
        *y = gelu(w, t, *y, op[4] == 'E');
    } else {
        return bt_fail(w->x->error, BERTH_UNSUPPORTED, "fused operation '%.60s'", op);
    }
    return BERTH_OK;
}

static berth_status unfuse(work *w, int32_t index, const char *op)
{
    const bt_node node = w->x->graph.nodes[index];
    const bt_attr_value *list;
    const bt_attr *fused = bt_attr_find(&node, "fused_ops");
    int n = fused && fused->kind == BT_ATTR_STRING ? bt_attr_list(&node, "fused_ops", &list) : 0, next = 2;
    berth_dtype t = bt_attr_type(&node, "T", bt_pass_fact(w->x, node.inputs[0])->dtype);
    berth_status status = BERTH_OK;
    const char *filter = bt_attr_string(&node, "filter_format", "HWIO");
    if (strcmp(filter, "HWIO"))
        return bt_fail(w->x->error, BERTH_UNSUPPORTED, "node '%s' (%s): filter_format '%.60s'", node.name,
                       node.op, filter);
    bt_edge y = plain(w, &node, op, node.inputs, 2);
    for (int i = 0; i < n && !status && !w->b.failed; i++)
        status = unfuse_one(w, &node, list[i].s.p, t, &next, &y);
    if (status) return bt_error_prefix(w->x->error, "node '%s' (%s)", node.name, node.op), status;
    if (!w->b.failed) bt_redirects_set(&w->redirects, (bt_edge){index, 0}, y);
    return BERTH_OK;
}

/* A batch norm with a side input and an activation: its statistics are those of the plain one. */
static berth_status unfuse_norm(work *w, int32_t index)
{
    static const char *const kept[] = {"T",           "U",          "epsilon", "exponential_avg_factor",
                                       "data_format", "is_training"};
    const bt_node node = w->x->graph.nodes[index];
    const char *activation = bt_attr_string(&node, "activation_mode", "Identity");
    bool rectifies = !strcmp(activation, "Relu"), has_side = bt_attr_int(&node, "num_side_inputs", 0) > 0;
    if (!rectifies && strcmp(activation, "Identity"))
        return bt_fail(w->x->error, BERTH_UNSUPPORTED, "node '%s' (%s): activation_mode '%.60s'", node.name,
                       node.op, activation);
    if (node.n_inputs < 5 + has_side)
        return bt_fail(w->x->error, BERTH_BAD_MODEL, "node '%s' (%s): has %d inputs", node.name, node.op,
                       node.n_inputs);
    berth_dtype t = bt_attr_type(&node, "T", bt_pass_fact(w->x, node.inputs[0])->dtype);
    bt_edge norm = bt_build(&w->b, "FusedBatchNormV3", BERTH_NO_DTYPE, node.inputs, 5), y = norm;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) bt_build_copy(&w->b, norm, index, kept[i]);
    if (has_side) y = BT_BUILD(&w->b, "AddV2", t, y, node.inputs[5]);
    if (rectifies) y = BT_BUILD(&w->b, "Relu", t, y);
    if (w->b.failed) return BERTH_OK;
    bt_redirects_set(&w->redirects, (bt_edge){index, 0}, y);
    for (int i = 1; i < bt_node_outputs(&node); i++)
        bt_redirects_set(&w->redirects, (bt_edge){index, i}, (bt_edge){norm.node, i});
    return BERTH_OK;
}

/* ---- Grouped convolutions ----------------------------------------------------------------------------- */

/* Of a convolution, or of one by its input (transposed): which input is the filter, and which is cut into groups. */
static bool is_transposed(const bt_node *node) { return node->n_inputs == 3; }
static bt_edge filter_of(const bt_node *node) { return node->inputs[1]; }
static bt_edge image_of(const bt_node *node) { return node->inputs[is_transposed(node) ? 2 : 0]; }

/* How many groups a convolution in NHWC or NDHWC has; 0: it cannot be told. Filter: [k..., in / groups, out], of a transposed one
 * `in` being what comes out. */
static int64_t groups_of(work *w, const bt_node *node)
{
    const bt_shape *filter = &bt_pass_fact(w->x, filter_of(node))->shape;
    bool is_last = !bt_starts(bt_attr_string(node, "data_format", "NHWC"), "NC");
    int rank = filter->rank;
    if (!is_last || rank < 4 || rank > 5) return 0;
    int64_t channels = is_transposed(node) ? bt_size_element(w->x, node->inputs[0], rank - 1)
                                           : bt_size_dim(w->x, image_of(node), rank - 1, rank);
    int64_t depth = filter->dim[rank - 2], out = filter->dim[rank - 1];
    if (channels < 1 || depth < 1 || out < 1 || channels % depth || out % (channels / depth)) return 0;
    return channels / depth;
}

static bool all_ones(const bt_node *node, const char *name)
{
    const bt_attr_value *list;
    for (int i = 0, n = bt_attr_list(node, name, &list); i < n; i++)
        if (list[i].i != 1) return false;
    return true;
}

/* TensorFlow's depthwise convolution has strides that are the same both ways, and, on a CPU, no dilations. */
static bool is_depthwise(work *w, const bt_node *node)
{
    const bt_attr_value *list;
    const bt_shape *filter = &bt_pass_fact(w->x, filter_of(node))->shape;
    bool is_even = bt_attr_list(node, "strides", &list) == 4 && list[1].i == list[2].i;
    return filter->rank == 4 && filter->dim[2] == 1 && is_even && all_ones(node, "dilations") &&
           bt_shape_known(filter);
}

static bt_edge parts_of(work *w, berth_dtype t, bt_edge e, int axis, int64_t n)
{
    bt_edge y = BT_BUILD(&w->b, "Split", t, bt_build_index(&w->b, "axis", axis), e);
    bt_build_int(&w->b, y, "num_split", n);
    return y;
}

/* The sizes of one group's result: the last of them is that of its channels. */
static bt_edge sizes_of_group(work *w, const bt_node *node, int channel, int64_t channels)
{
    bt_builder *b = &w->b;
    berth_dtype t = bt_pass_fact(w->x, node->inputs[0])->dtype;
    const int64_t first = 0, n = channel;
    bt_edge from = bt_build_ints(b, "begin", BERTH_INT32, &first, 1);
    bt_edge sizes =
        BT_BUILD(b, "Slice", t, node->inputs[0], from, bt_build_ints(b, "size", BERTH_INT32, &n, 1));
    bt_build_type(b, sizes, "Index", BERTH_INT32);
    sizes = BT_BUILD(b, "ConcatV2", t, sizes, bt_build_ints(b, "channels", t, &channels, 1),
                     bt_build_index(b, "axis", 0));
    bt_build_int(b, sizes, "N", 2);
    bt_build_type(b, sizes, "Tidx", BERTH_INT32);
    return sizes;
}

/* The convolution itself, or one of a group; sizes: of a transposed one. */
static bt_edge one_of(work *w, const bt_node *node, const char *op, bt_edge sizes, bt_edge image,
                      bt_edge filter)
{
    bt_edge y = is_transposed(node) ? plain(w, node, op, (const bt_edge[]){sizes, filter, image}, 3)
                                    : plain(w, node, op, (const bt_edge[]){image, filter}, 2);
    if (!strcmp(op, "Conv3DBackpropInputV2"))
        bt_build_type(&w->b, y, "Tshape", bt_pass_fact(w->x, node->inputs[0])->dtype);
    return y;
}

static berth_status ungroup(work *w, int32_t index, int64_t groups)
{
    const bt_node node = w->x->graph.nodes[index];
    bt_builder *b = &w->b;
    berth_dtype t = bt_pass_fact(w->x, filter_of(&node))->dtype;
    const bt_shape filter = bt_pass_fact(w->x, filter_of(&node))->shape;
    int channel = filter.rank - 1;
    bt_edge y, sizes = node.inputs[0];
    if (is_depthwise(w, &node)) {
        const int64_t dims[4] = {filter.dim[0], filter.dim[1], groups, filter.dim[3] / groups};
        bt_edge each =
            BT_BUILD(b, "Reshape", t, filter_of(&node), bt_build_ints(b, "shape", BERTH_INT64, dims, 4));
        bt_build_type(b, each, "Tshape", BERTH_INT64);
        y = one_of(w, &node,
                   is_transposed(&node) ? "DepthwiseConv2dNativeBackpropInput" : "DepthwiseConv2dNative",
                   sizes, image_of(&node), each);
    } else {
        bt_edge *parts = bt_arena_array(w->x->arena, bt_edge, (size_t)groups + 1);
        bt_edge in = parts_of(w, t, image_of(&node), channel, groups),
                by = parts_of(w, t, filter_of(&node), channel, groups);
        if (is_transposed(&node)) sizes = sizes_of_group(w, &node, channel, filter.dim[channel - 1]);
        b->failed |= !parts;
        for (int i = 0; i < groups && !b->failed; i++)
            parts[i] = one_of(w, &node, node.op, sizes, (bt_edge){in.node, i}, (bt_edge){by.node, i});
        if (b->failed) return BERTH_OK;
        parts[groups] = bt_build_index(b, "axis", channel);
        y = bt_build(b, "ConcatV2", t, parts, (int)groups + 1);
        bt_build_int(b, y, "N", groups);
        bt_build_type(b, y, "Tidx", BERTH_INT32);
    }
    if (!b->failed) bt_redirects_set(&w->redirects, (bt_edge){index, 0}, y);
    return BERTH_OK;
}

/* ---- Dilations ---------------------------------------------------------------------------------------- */

/* A filter [k..., in, out] with zeros between its rows and columns: [k, 1, ...] padded to [k, d, ...] is [k d, ...], without the
 * zeros at its ends. */
static bt_edge spread(work *w, bt_edge filter, const bt_shape *shape, const bt_attr_value *dilations,
                      berth_dtype t)
{
    enum { MOST_SPACE = 3 };
    bt_builder *b = &w->b;
    int space = shape->rank - 2, n = 0;
    int64_t apart[2 * MOST_SPACE + 2], joined[MOST_SPACE + 2], end[MOST_SPACE + 2],
        begin[MOST_SPACE + 2] = {0};
    int64_t pads[2 * (2 * MOST_SPACE + 2)] = {0};
    for (int i = 0; i < shape->rank; i++) {
        int64_t d = i < space ? dilations[1 + i].i : 1;
        apart[n++] = shape->dim[i];
        if (i < space) pads[2 * n + 1] = d - 1, apart[n++] = 1;
        joined[i] = shape->dim[i] * d, end[i] = i < space ? joined[i] - d + 1 : joined[i];
    }
    bt_edge y = BT_BUILD(b, "Reshape", t, filter, bt_build_ints(b, "shape", BERTH_INT64, apart, n));
    bt_build_type(b, y, "Tshape", BERTH_INT64);
    const int64_t sides[2] = {n, 2};
    bt_edge paddings =
        BT_BUILD(b, "Reshape", BERTH_INT64, bt_build_ints(b, "paddings", BERTH_INT64, pads, 2 * n),
                 bt_build_ints(b, "shape", BERTH_INT64, sides, 2));
    bt_build_type(b, paddings, "Tshape", BERTH_INT64);
    y = BT_BUILD(b, "Pad", t, y, paddings);
    bt_build_type(b, y, "Tpaddings", BERTH_INT64);
    y = BT_BUILD(b, "Reshape", t, y, bt_build_ints(b, "shape", BERTH_INT64, joined, shape->rank));
    bt_build_type(b, y, "Tshape", BERTH_INT64);
    bt_edge from = bt_build_ints(b, "begin", BERTH_INT64, begin, shape->rank);
    y = BT_BUILD(b, "Slice", t, y, from, bt_build_ints(b, "size", BERTH_INT64, end, shape->rank));
    bt_build_type(b, y, "Index", BERTH_INT64);
    return y;
}

/* Convolutions that TensorFlow has no dilations of on a CPU get a filter with zeros. */
static berth_status replace_dilated(work *w, int32_t index)
{
    static const char *const ops = "DepthwiseConv2dNative Conv2DBackpropInput Conv3D Conv3DBackpropInputV2";
    const bt_node node = w->x->graph.nodes[index];
    const bt_attr_value *list;
    static const int64_t ones[] = {1, 1, 1, 1, 1};
    if (!bt_has_word(ops, node.op) || node.n_inputs < 2 || all_ones(&node, "dilations")) return BERTH_OK;
    const bt_fact *filter = bt_pass_fact(w->x, node.inputs[1]);
    const bt_shape *shape = &filter->shape;
    int rank = bt_attr_list(&node, "dilations", &list);
    bool is_last = !bt_starts(bt_attr_string(&node, "data_format", "NHWC"), "NC");
    bool is_fit = is_last && bt_shape_known(shape) && shape->rank == rank && (rank == 4 || rank == 5);
    for (int i = 0; i < rank && is_fit; i++)
        is_fit = list[i].i >= 1 && list[i].i <= INT32_MAX && shape->dim[i] <= INT32_MAX;
    if (!is_fit)
        return bt_fail(w->x->error, BERTH_UNSUPPORTED,
                       "node '%s' (%s): dilations of a filter of unknown size", node.name, node.op);
    bt_edge *inputs = bt_arena_array(w->x->arena, bt_edge, (size_t)node.n_inputs);
    if (!inputs) return bt_fail_memory(w->x->error);
    memcpy(inputs, node.inputs, (size_t)node.n_inputs * sizeof *inputs);
    inputs[1] = spread(w, node.inputs[1], shape, list, filter->dtype);
    if (w->b.failed || !bt_set_ints(&w->x->graph, index, "dilations", ones, rank))
        return bt_fail_memory(w->x->error);
    w->x->graph.nodes[index].inputs = inputs;
    return w->n++, BERTH_OK;
}

/* ---- The passes --------------------------------------------------------------------------------------- */

/* What takes the place of a node, if it is one of those; counts it. */
typedef berth_status replace_fn(work *w, int32_t index);

static berth_status replace_fused(work *w, int32_t index)
{
    static const struct {
        const char *op, *plain;
    } fused[] = {{"_FusedConv2D", "Conv2D"},
                 {"_FusedMatMul", "MatMul"},
                 {"_FusedDepthwiseConv2d", "DepthwiseConv2dNative"},
                 {"_FusedDepthwiseConv2dNative", "DepthwiseConv2dNative"}};
    const bt_node *node = &w->x->graph.nodes[index];
    for (size_t i = 0; i < sizeof fused / sizeof *fused; i++)
        if (!strcmp(node->op, fused[i].op) && node->n_inputs >= 2)
            return w->n++, unfuse(w, index, fused[i].plain);
    return strcmp(node->op, "_FusedBatchNormEx") ? BERTH_OK : (w->n++, unfuse_norm(w, index));
}

static berth_status replace_grouped(work *w, int32_t index)
{
    const bt_node *node = &w->x->graph.nodes[index];
    bool is_conv = (!strcmp(node->op, "Conv2D") || !strcmp(node->op, "Conv3D")) && node->n_inputs == 2;
    is_conv |= bt_has_word("Conv2DBackpropInput Conv3DBackpropInputV2", node->op) && node->n_inputs == 3;
    int64_t groups = is_conv ? groups_of(w, node) : 0;
    if (groups < 2) return BERTH_OK;
    if (groups > 1 << 16)
        return bt_fail(w->x->error, BERTH_UNSUPPORTED, "node '%s' (%s): %lld groups", node->name, node->op,
                       (long long)groups);
    return w->n++, ungroup(w, index, groups);
}

static berth_status replace(bt_pass_context *x, replace_fn *with, const char *what)
{
    work w = {.x = x};
    size_t n = x->graph.n_nodes;
    bool has_frames = false;
    for (size_t i = 0; i < n; i++) has_frames |= !strcmp(x->graph.nodes[i].op, "Enter");
    berth_status status = bt_pass_infer(x);
    if (!status) status = bt_redirects_init(x, &w.redirects);
    for (size_t i = 0; i < n && !status && !w.b.failed; i++) {
        const bt_node *node = &x->graph.nodes[i];
        w.b = (bt_builder){
            .x = x, .scope = node->name, .beside = has_frames && node->n_inputs ? node->inputs[0].node : -1};
        status = with(&w, (int32_t)i);
    }
    if (status || w.b.failed) return status ? status : bt_fail_memory(x->error);
    if (!w.n) return BERTH_OK;
    bt_redirects_apply(x, &w.redirects);
    bt_pass_change(x, what, w.n);
    return bt_pass_sweep(x);
}

berth_status bt_pass_unfuse(bt_pass_context *x)
{
    return replace(x, replace_fused, "fused ops made of plain ones");
}

berth_status bt_pass_ungroup(bt_pass_context *x)
{
    return replace(x, replace_grouped, "grouped convolutions made of plain or depthwise ones");
}

berth_status bt_pass_undilate(bt_pass_context *x)
{
    return replace(x, replace_dilated, "dilations made zeros in filters");
}
