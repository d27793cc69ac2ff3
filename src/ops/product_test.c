/* Products, convolutions and poolings of random legal shapes: float, by packed tiles, against double, by plain loops,
 * with the filter constant and fed, in both data formats. What TensorFlow answers is in the acceptance cases. */
#include "ops/product.h"
#include "check.h"

static bt_arena arena;
static bt_graph graph;

enum { MOST_INPUTS = 4 };

/* A node and its inputs as double; the same node runs in both types. */
typedef struct trial {
    int32_t node;
    bt_tensor in[MOST_INPUTS];
    int n_in;
    bool is_index[MOST_INPUTS]; /* int32, not of the node's type */
} trial;

static trial begin(const char *op)
{
    bt_arena_init(&arena);
    bt_graph_init(&graph, &arena);
    return (trial){.node = bt_graph_add(&graph, "x", op)};
}

static void add_input(trial *t, bt_shape shape)
{
    bt_tensor *in = &t->in[t->n_in++];
    bt_tensor_init(in, BERTH_DOUBLE, &shape, NULL);
    for (int64_t i = 0; i < bt_tensor_count(in); i++) ((double *)in->data)[i] = check_float(-1, 1);
}

static void add_sizes(trial *t, const bt_shape *sizes)
{
    bt_tensor *in = &t->in[t->n_in];
    t->is_index[t->n_in++] = true;
    bt_shape vector = BT_SHAPE(sizes->rank);
    bt_tensor_init(in, BERTH_INT32, &vector, NULL);
    for (int i = 0; i < sizes->rank; i++) ((int32_t *)in->data)[i] = (int32_t)sizes->dim[i];
}

static berth_status evaluate(const trial *t, berth_dtype dtype, bt_tensor *out, berth_error *error)
{
    bt_tensor in[MOST_INPUTS];
    const bt_tensor *ins[MOST_INPUTS];
    bt_set_type(&graph, t->node, "T", dtype);
    bt_ops_resolve(&graph);
    for (int i = 0; i < t->n_in; i++) {
        bt_tensor_share(&in[i], &t->in[i]);
        ins[i] = &in[i];
        if (t->is_index[i] || dtype == BERTH_DOUBLE) continue;
        bt_tensor_clear(&in[i]);
        bt_tensor_init(&in[i], BERTH_FLOAT, &t->in[i].shape, NULL);
        for (int64_t j = 0; j < bt_tensor_count(&in[i]); j++)
            ((float *)in[i].data)[j] = (float)((double *)t->in[i].data)[j];
    }
    berth_status status = bt_eval(&graph.nodes[t->node], ins, t->n_in, out, 1, NULL, error);
    for (int i = 0; i < t->n_in; i++) bt_tensor_clear(&in[i]);
    return status;
}

/* Both types agree, in failing as well. */
static void finish(trial *t)
{
    bt_tensor wide = {0}, narrow = {0};
    berth_error error = {0}, error_float = {0};
    berth_status status = evaluate(t, BERTH_DOUBLE, &wide, &error);
    if (CHECK_EQ(evaluate(t, BERTH_FLOAT, &narrow, &error_float), status) && !status &&
        CHECK(bt_shape_equal(&wide.shape, &narrow.shape))) {
        bool ok = true;
        for (int64_t i = 0; ok && i < bt_tensor_count(&wide); i++)
            ok = CHECK_CLOSE(((float *)narrow.data)[i], ((double *)wide.data)[i], 1e-4);
    }
    bt_tensor_clear(&wide), bt_tensor_clear(&narrow);
    for (int i = 0; i < t->n_in; i++) bt_tensor_clear(&t->in[i]);
    bt_graph_free(&graph);
    bt_arena_free(&arena);
}

/* ---- Trials ------------------------------------------------------------------------------------------- */

static void set_axes(trial *t, const char *name, bool first, int64_t h, int64_t w)
{
    int64_t last[] = {1, h, w, 1}, front[] = {1, 1, h, w};
    bt_set_ints(&graph, t->node, name, first ? front : last, 4);
}

static bt_shape image(bool first, int64_t n, int64_t h, int64_t w, int64_t c)
{
    return first ? BT_SHAPE(n, c, h, w) : BT_SHAPE(n, h, w, c);
}

/* Strides, dilations, padding; returns whether channels come first. */
static bool random_window(trial *t, int64_t dilation)
{
    static const char *const paddings[] = {"SAME", "VALID", "EXPLICIT"};
    bool first = check_int(0, 3) == 0;
    int padding = (int)check_int(0, 2);
    int64_t explicit[8] = {0};
    for (int i = first ? 4 : 2; i < (first ? 8 : 6); i++) explicit[i] = check_int(0, 2);
    bt_set_string(&graph, t->node, "data_format", first ? "NCHW" : "NHWC");
    bt_set_string(&graph, t->node, "padding", paddings[padding]);
    if (padding == 2) bt_set_ints(&graph, t->node, "explicit_paddings", explicit, 8);
    set_axes(t, "strides", first, check_int(1, 3), check_int(1, 3));
    if (dilation > 1) set_axes(t, "dilations", first, check_int(1, dilation), check_int(1, dilation));
    return first;
}

static void try_conv(void)
{
    trial t = begin("Conv2D");
    bool first = random_window(&t, 3);
    int64_t groups = check_int(1, 3), depth = check_int(1, 9), kh = check_int(1, 5), kw = check_int(1, 5);
    add_input(&t, image(first, check_int(0, 2), check_int(1, 14), check_int(1, 14), groups * depth));
    add_input(&t, BT_SHAPE(kh, kw, depth, groups * check_int(1, 40)));
    finish(&t);
}

/* Large enough for Winograd's method where the filter is 3 x 3. */
static void try_wide_conv(void)
{
    trial t = begin("Conv2D");
    bool first = random_window(&t, 1);
    if (check_int(0, 3)) set_axes(&t, "strides", first, 1, 1);
    int64_t depth = check_int(32, 50), size = check_int(2, 3);
    add_input(&t, image(first, check_int(1, 2), check_int(13, 20), check_int(13, 20), depth));
    add_input(&t, BT_SHAPE(size, size, depth, check_int(32, 70)));
    finish(&t);
}

static void try_depthwise(void)
{
    trial t = begin("DepthwiseConv2dNative");
    bool first = random_window(&t, 2);
    int64_t size = check_int(1, 5), depth = check_int(1, 40);
    if (check_int(0, 1)) set_axes(&t, "strides", first, 1 + size % 2, 1 + size % 2);
    add_input(&t, image(first, check_int(0, 2), check_int(1, 14), check_int(1, 14), depth));
    add_input(&t, BT_SHAPE(size, size, depth, check_int(1, 3) / 2 + 1));
    finish(&t);
}

static void try_transposed(void)
{
    trial t = begin("Conv2DBackpropInput");
    bool first = random_window(&t, 1),
         same = strcmp(bt_attr_string(&graph.nodes[t.node], "padding", ""), "SAME") == 0;
    const bt_attr_value *strides, *pads;
    bt_attr_list(&graph.nodes[t.node], "strides", &strides);
    bool explicit = bt_attr_list(&graph.nodes[t.node], "explicit_paddings", &pads) > 0;
    int64_t in[2], out[2], k[2], n = check_int(1, 2), c = check_int(1, 20), filters = check_int(1, 20);
    for (int i = 0; i < 2; i++) {
        int64_t stride = strides[(first ? 2 : 1) + i].i;
        int64_t pad = explicit ? pads[(first ? 4 : 2) + 2 * i].i + pads[(first ? 5 : 3) + 2 * i].i : 0;
        k[i] = check_int(1, 5);
        in[i] = check_int(k[i], 14);
        out[i] = same ? (in[i] + stride - 1) / stride : (in[i] + pad - k[i]) / stride + 1;
    }
    bt_shape sizes = image(first, n, in[0], in[1], c);
    add_sizes(&t, &sizes);
    add_input(&t, BT_SHAPE(k[0], k[1], c, filters));
    add_input(&t, image(first, n, out[0], out[1], filters));
    finish(&t);
}

static void try_volume(void)
{
    trial t = begin("Conv3D");
    bt_set_string(&graph, t.node, "data_format", "NDHWC");
    bt_set_string(&graph, t.node, "padding", check_int(0, 1) ? "SAME" : "VALID");
    bt_set_ints(&graph, t.node, "strides",
                (int64_t[]){1, check_int(1, 2), check_int(1, 2), check_int(1, 2), 1}, 5);
    int64_t depth = check_int(1, 9);
    add_input(&t, BT_SHAPE(check_int(1, 2), check_int(1, 6), check_int(1, 8), check_int(1, 8), depth));
    add_input(&t, BT_SHAPE(check_int(1, 3), check_int(1, 3), check_int(1, 3), depth, check_int(1, 40)));
    finish(&t);
}

static void try_matmul(void)
{
    bool is_batch = check_int(0, 1);
    trial t = begin(is_batch ? "BatchMatMulV2" : "MatMul");
    bool a = check_int(0, 1), b = check_int(0, 1);
    int64_t m = check_int(0, 3) ? check_int(0, 40) : 1, k = check_int(0, 60),
            n = check_int(0, 3) ? check_int(1, 300) : 1;
    int64_t batch = check_int(1, 4);
    bt_set_bool(&graph, t.node, is_batch ? "adj_x" : "transpose_a", a);
    bt_set_bool(&graph, t.node, is_batch ? "adj_y" : "transpose_b", b);
    bt_shape x = a ? BT_SHAPE(k, m) : BT_SHAPE(m, k), y = b ? BT_SHAPE(n, k) : BT_SHAPE(k, n);
    if (is_batch) x = BT_SHAPE(batch, 1, x.dim[0], x.dim[1]);
    if (is_batch && check_int(0, 1))
        y = BT_SHAPE(check_int(0, 1) ? batch : 1, check_int(1, 2), y.dim[0], y.dim[1]);
    add_input(&t, x);
    add_input(&t, y);
    finish(&t);
}

static void try_pool(void)
{
    trial t = begin(check_int(0, 1) ? "MaxPool" : "AvgPool");
    bool first = random_window(&t, 1);
    if (strcmp(graph.nodes[t.node].op, "AvgPool") == 0) bt_set_string(&graph, t.node, "padding", "SAME");
    set_axes(&t, "ksize", first, check_int(3, 4), check_int(3, 4));
    add_input(&t, image(first, check_int(0, 2), check_int(4, 14), check_int(4, 14), check_int(1, 70)));
    finish(&t);
}

int main(void)
{
    for (int i = 0; i < 200; i++) {
        try_conv();
        try_depthwise();
        try_transposed();
        try_volume();
        try_matmul();
        try_pool();
    }
    for (int i = 0; i < 20; i++) try_wide_conv();
    return check_done();
}
