/* Convolutions and poolings on a device against the CPU: random sizes, strides, dilations, both layouts. */
#include "gpu_trial.h"

#include "ops/window.h"

static void set_list(const char *name, bool first, int spatial, const int64_t *axes)
{
    int64_t list[5] = {1, 1, 1, 1, 1};
    for (int i = 0; i < spatial; i++) list[(first ? 2 : 1) + i] = axes[i];
    bt_set_ints(&op_graph, 0, name, list, spatial + 2);
}

/* [batch, axes, channels] in the layout. */
static bt_shape image_shape(bool first, int spatial, int64_t batch, const int64_t *axes, int64_t channels)
{
    bt_shape s = {.rank = spatial + 2};
    s.dim[0] = batch, s.dim[first ? 1 : spatial + 1] = channels;
    for (int i = 0; i < spatial; i++) s.dim[(first ? 2 : 1) + i] = axes[i];
    return s;
}

static void *take(berth_dtype dtype, bt_shape shape)
{
    void *p = gpu_random(dtype, bt_shape_count(&shape), -1, 1);
    op_input(dtype, shape, p);
    return p;
}

static void begin(const char *op, berth_dtype dtype, bool first, int spatial)
{
    op_begin(op);
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_string(&op_graph, 0, "padding", check_int(0, 1) ? "SAME" : "VALID");
    bt_set_string(&op_graph, 0, "data_format",
                  spatial == 3 ? (first ? "NCDHW" : "NDHWC") : (first ? "NCHW" : "NHWC"));
}

static void test_conv(const char *op, int spatial, berth_dtype dtype, bool fused)
{
    bool depthwise = strstr(op, "Depthwise") != NULL, first = check_int(0, 1);
    int64_t in[3], dilation[3], stride[3], n = check_int(1, 40),
                                           groups = depthwise || check_int(0, 3) ? 1 : 2;
    bt_shape filter = {.rank = spatial + 2};
    int64_t each = check_int(0, 2), depth = check_int(1, 20) * groups, any = check_int(1, 2);
    for (int i = 0; i < spatial; i++) {
        in[i] = check_int(7, 12), filter.dim[i] = check_int(1, 3);
        stride[i] = any, dilation[i] = any == 1 ? 1 + (each == 2) : 1;
    }
    if (depthwise) n = check_int(1, 2);
    filter.dim[spatial] = depth / groups, filter.dim[spatial + 1] = depthwise ? n : n * groups;
    begin(op, dtype, first, spatial);
    set_list("strides", first, spatial, stride);
    set_list("dilations", first, spatial, dilation);
    void *x[3] = {take(dtype, image_shape(first, spatial, 2, in, depth)), take(dtype, filter), NULL};
    if (fused) {
        static const char *const activations[] = {"Relu",    "Relu6",     "Elu",     "LeakyRelu",
                                                  "Sigmoid", "HardSwish", "GeluTanh"};
        const char *const list[2] = {"BiasAdd", activations[check_int(0, 6)]};
        bt_set_strings(&op_graph, 0, "fused_ops", list, 2);
        x[2] = take(dtype, BT_SHAPE(depthwise ? n * depth : n * groups));
    }
    gpu_agrees_with(check_int(0, 1) ? 2 : 0, dtype == BERTH_FLOAT ? 1e-4 : 8 * gpu_ulp(dtype)); /* the filter known, or not */
    op_end();
    for (int i = 0; i < 3; i++) bt_free(x[i]);
}

static void test_depthwise_transposed(berth_dtype dtype)
{
    bool first = check_int(0, 1);
    int64_t stride = check_int(1, 3), dilation = stride == 1 ? check_int(1, 2) : 1, channels = check_int(1, 20), each = check_int(1, 3);
    int64_t in[2], out[2], filter[2], strides[2] = {stride, stride}, dilations[2] = {dilation, dilation};
    int32_t sizes[4];
    begin("DepthwiseConv2dNativeBackpropInput", dtype, first, 2);
    bool same = !strcmp(bt_attr_string(&op_graph.nodes[0], "padding", ""), "SAME");
    for (int i = 0; i < 2; i++) {
        in[i] = check_int(7, 12), filter[i] = check_int(1, 3);
        out[i] = same ? (in[i] + stride - 1) / stride : (in[i] - (filter[i] - 1) * dilation - 1) / stride + 1;
    }
    bt_shape result = image_shape(first, 2, 2, in, channels);
    for (int i = 0; i < 4; i++) sizes[i] = (int32_t)result.dim[i];
    set_list("strides", first, 2, strides);
    set_list("dilations", first, 2, dilations);
    op_input(BERTH_INT32, BT_SHAPE(4), sizes);
    gpu_input(dtype, BT_SHAPE(filter[0], filter[1], channels, each), -1, 1);
    gpu_input(dtype, image_shape(first, 2, 2, out, channels * each), -1, 1);
    gpu_agrees_with(1, dtype == BERTH_FLOAT ? 1e-4 : 8 * gpu_ulp(dtype));
    op_end();
}

/* As large as those of networks: what a library is asked for, the last of many pixels too. */
static void test_network(berth_dtype dtype, int64_t size, int64_t filter, int64_t stride, int64_t in_c, int64_t out_c)
{
    static const char *const ops[] = {"BiasAdd", "Add", "Relu"};
    int64_t out = (size + stride - 1) / stride;
    const int64_t strides[] = {1, stride, stride, 1};
    op_begin("_FusedConv2D");
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_string(&op_graph, 0, "padding", "SAME");
    bt_set_ints(&op_graph, 0, "strides", strides, 4);
    bool with_add = dtype == BERTH_FLOAT;
    const char *without[] = {ops[0], ops[2]};
    bt_set_strings(&op_graph, 0, "fused_ops", with_add ? ops : without, with_add ? 3 : 2);
    double scale = 1 / sqrt((double)(filter * filter * in_c));
    gpu_input(dtype, BT_SHAPE(2, size, size, in_c), -1, 1);
    gpu_input(dtype, BT_SHAPE(filter, filter, in_c, out_c), -scale, scale);
    gpu_input(dtype, BT_SHAPE(out_c), -1, 1);
    if (with_add) gpu_input(dtype, BT_SHAPE(2, out, out, out_c), -1, 1);
    gpu_agrees_with(2, dtype == BERTH_FLOAT ? 1e-4 : 8 * gpu_ulp(dtype));
    op_end();
}

static void test_pool(const char *op, int spatial, berth_dtype dtype)
{
    bool first = check_int(0, 1);
    int64_t in[3], size[3], stride[3];
    for (int i = 0; i < spatial; i++)
        in[i] = check_int(4, 11), size[i] = check_int(1, 4), stride[i] = check_int(1, 3);
    begin(op, dtype, first, spatial);
    set_list("ksize", first, spatial, size);
    set_list("strides", first, spatial, stride);
    void *x = take(dtype, image_shape(first, spatial, 2, in, check_int(1, 37)));
    gpu_agrees(4 * gpu_ulp(dtype));
    op_end();
    bt_free(x);
}

static void test_argmax(berth_dtype dtype)
{
    op_begin("MaxPoolWithArgmax");
    const int64_t size[4] = {1, check_int(1, 3), check_int(1, 3), 1}, stride[4] = {1, check_int(1, 2), check_int(1, 3), 1};
    bt_set_ints(&op_graph, 0, "ksize", size, 4);
    bt_set_ints(&op_graph, 0, "strides", stride, 4);
    bt_set_string(&op_graph, 0, "padding", check_int(0, 1) ? "SAME" : "VALID");
    bt_set_type(&op_graph, 0, "Targmax", check_int(0, 1) ? BERTH_INT32 : BERTH_INT64);
    bt_set_bool(&op_graph, 0, "include_batch_in_index", check_int(0, 1));
    gpu_input(dtype, BT_SHAPE(2, check_int(4, 9), check_int(4, 9), check_int(1, 5)), -9, 9);
    gpu_agrees(0);
    op_end();
}

static void test_lrn(berth_dtype dtype)
{
    static const float beta[3] = {1, 0.5f, 0.75f};
    op_begin("LRN");
    bt_set_int(&op_graph, 0, "depth_radius", check_int(0, 6));
    bt_set_float(&op_graph, 0, "bias", 1.5f);
    bt_set_float(&op_graph, 0, "alpha", 0.2f);
    bt_set_float(&op_graph, 0, "beta", beta[check_int(0, 2)]);
    gpu_input(dtype, BT_SHAPE(check_int(0, 2), 3, 4, check_int(1, 20)), -3, 3);
    gpu_agrees(4 * gpu_ulp(dtype));
    op_end();
}

int main(void)
{
    if (!gpu_open()) return 0;
    for (int i = 0; i < 12; i++) {
        berth_dtype dtype = i % 4 == 2 ? BERTH_HALF : i % 4 == 3 ? BERTH_BFLOAT16 : BERTH_FLOAT;
        test_conv("Conv2D", 2, dtype, false);
        test_conv("_FusedConv2D", 2, dtype, true);
        test_conv("Conv3D", 3, dtype, false);
        test_conv("DepthwiseConv2dNative", 2, dtype, false);
        test_conv("_FusedDepthwiseConv2d", 2, dtype, true);
        test_depthwise_transposed(i == 4 ? BERTH_DOUBLE : dtype);
        test_pool("MaxPool", 2, dtype);
        test_pool("AvgPool", 2, dtype);
        test_pool("MaxPool3D", 3, dtype);
        test_pool("AvgPool3D", 3, dtype);
        test_argmax(i % 3 ? dtype : BERTH_INT32);
        test_lrn(dtype);
    }
    for (int i = 0; i < 3; i++) {
        test_network(gpu_dtypes[i], 28, 1, 1, 64, 96);
        test_network(gpu_dtypes[i], 30, 3, 1, 24, 40);
        test_network(gpu_dtypes[i], 45, 7, 2, 3, 32);
    }
    test_network(BERTH_FLOAT, 171, 3, 1, 32, 8); /* more than is gathered at once */
    gpu_close();
    return check_done();
}
