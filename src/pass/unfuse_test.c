/* Fused ops and grouped convolutions as plain ops: the answers are those of the ops themselves, and none is left. */
#include "rewrite.h"

enum { N = 2, C = 4, H = 5, W = 6 };

/* Transforms the model for a CPU; NULL where the answers differ. */
static berth_model *checked(const char *output, int rank, const int64_t *dims, size_t *n_fused)
{
    static const char *const fused[] = {"_FusedConv2D", "_FusedMatMul", "_FusedDepthwiseConv2dNative",
                                        "_FusedBatchNormEx"};
    berth_error error = {0};
    berth_feed x = {"x:0", rewrite_floats(rank, dims)};
    berth_model *model = rewrite_load(&error), *made = rewrite_check(model, &x, 1, &output, 1, 1e-4);
    if (!model) printf("    %s\n", error.message);
    *n_fused = 0;
    for (int i = 0; made && i < 4; i++) *n_fused += rewrite_count(made, fused[i]);
    berth_tensor_free(x.tensor);
    berth_model_free(model);
    return made;
}

static void arguments(char *all, size_t room, const char *fused)
{
    static const char *const norm[] = {"scale", "offset", "mean", "variance"};
    size_t n = (size_t)snprintf(all, room, "x f");
    if (strstr(fused, "BiasAdd")) {
        floats("bias", -1, 1, DIMS(C));
        n += (size_t)snprintf(all + n, room - n, " bias");
    }
    for (int i = 0; i < 4 && strstr(fused, "FusedBatchNorm"); i++) {
        floats(norm[i], 0.5f, 1.5f, DIMS(C));
        n += (size_t)snprintf(all + n, room - n, " %s", norm[i]);
    }
    if (strstr(fused, "'Add'")) n += (size_t)snprintf(all + n, room - n, " x");
}

static void test_convolutions(void)
{
    static const char *const fused[] = {"'BiasAdd'",
                                        "'BiasAdd', 'Relu'",
                                        "'BiasAdd', 'Relu6'",
                                        "'BiasAdd', 'Elu'",
                                        "'BiasAdd', 'LeakyRelu'",
                                        "'BiasAdd', 'Add'",
                                        "'BiasAdd', 'Add', 'Relu'",
                                        "'FusedBatchNorm'",
                                        "'FusedBatchNorm', 'Relu'",
                                        "'FusedBatchNorm', 'LeakyRelu'",
                                        "'BiasAdd', 'Tanh'",
                                        "'BiasAdd', 'Sigmoid'"};
    for (size_t i = 0; i < 3 * sizeof fused / sizeof *fused; i++) {
        const char *what = fused[i / 3];
        bool first = i % 3 == 1, depthwise = i % 3 == 2 && !strstr(what, "Add'") && !strstr(what, "Norm");
        char attrs[512], all[128];
        size_t left;
        input("x", "DT_FLOAT", DIMS(-1, first ? C : H, first ? H : W, first ? W : C));
        floats("f", -0.5f, 0.5f, DIMS(3, 2, C, depthwise ? 1 : C));
        arguments(all, sizeof all, what);
        snprintf(attrs, sizeof attrs,
                 FLOATS LIST("strides", "1, 1, 1, 1") TEXT("padding", "SAME") TEXT("data_format", "%s")
                     ATTR("num_args", "i: 1") ATTR("epsilon", "f: 0.01") ATTR("leakyrelu_alpha", "f: 0.3")
                         ATTR("fused_ops", "list { s: [%s] }"),
                 first ? "NCHW" : "NHWC", what);
        node("y", depthwise ? "_FusedDepthwiseConv2dNative" : "_FusedConv2D", all, attrs);
        berth_model *made =
            first ? checked("y:0", DIMS(N, C, H, W), &left) : checked("y:0", DIMS(N, H, W, C), &left);
        if (!CHECK(made && !left)) printf("    %s\n", what);
        if (made) CHECK_EQ(rewrite_count(made, "Transpose"), first ? 2 : 0);
        berth_model_free(made);
    }
}

static void test_products(void)
{
    static const char *const fused[] = {"'BiasAdd'", "'BiasAdd', 'Relu'", "'BiasAdd', 'GeluExact'",
                                        "'BiasAdd', 'GeluApproximate'", "'BiasAdd', 'Tanh'"};
    for (size_t i = 0; i < sizeof fused / sizeof *fused; i++) {
        char attrs[512], all[128];
        size_t left;
        input("x", "DT_FLOAT", DIMS(-1, 7));
        floats("f", -1, 1, DIMS(C, 7));
        arguments(all, sizeof all, fused[i]);
        snprintf(attrs, sizeof attrs,
                 FLOATS ATTR("transpose_b", "b: true") ATTR("num_args", "i: 1")
                     ATTR("fused_ops", "list { s: [%s] }"),
                 fused[i]);
        node("y", "_FusedMatMul", all, attrs);
        berth_model *made = checked("y:0", DIMS(3, 7), &left);
        if (!CHECK(made && !left)) printf("    %s\n", fused[i]);
        berth_model_free(made);
    }
}

/* groups of `deep` input channels each. */
static void grouped(int groups, int deep, int out, const char *attrs, const char *op, size_t n_plain)
{
    size_t left;
    input("x", "DT_FLOAT", DIMS(-1, groups * deep, H, W));
    floats("f", -0.5f, 0.5f, DIMS(3, 3, deep, out));
    node("y", "Conv2D", "x f", attrs);
    berth_model *made = checked("y:0", DIMS(N, groups * deep, H, W), &left);
    if (CHECK(made)) CHECK_EQ(rewrite_count(made, op), n_plain);
    berth_model_free(made);
}

static void test_groups(void)
{
#define GROUPED(strides) FLOATS TEXT("padding", "SAME") TEXT("data_format", "NCHW") LIST("strides", strides)
    grouped(3, 2, 6, GROUPED("1, 1, 1, 1"), "Conv2D", 3);
    grouped(4, 1, 8, GROUPED("1, 1, 2, 2"), "DepthwiseConv2dNative", 1);
    grouped(4, 1, 4, GROUPED("1, 1, 2, 1"), "Conv2D", 4);
    grouped(2, 1, 4, GROUPED("1, 1, 1, 1") LIST("dilations", "1, 1, 2, 2"), "Conv2D", 2);
    grouped(1, 3, 4, GROUPED("1, 1, 1, 1"), "Conv2D", 1);
}

static void test_dilations(void)
{
#define DILATED(format, dilations)                                                           \
    FLOATS TEXT("padding", "SAME") TEXT("data_format", format) LIST("strides", "1, 1, 1, 1") \
        LIST("dilations", dilations)
    for (int i = 0; i < 4; i++) {
        size_t left;
        bool first = i & 1;
        input("x", "DT_FLOAT", DIMS(-1, first ? C : H, first ? H : W, first ? W : C));
        floats("f", -0.5f, 0.5f, DIMS(3, 2, C, i < 2 ? 2 : C));
        INTS("sizes", N, first ? C : H, first ? H : W, first ? W : C);
        node("y", i < 2 ? "DepthwiseConv2dNative" : "Conv2DBackpropInput", i < 2 ? "x f" : "sizes f x",
             first ? DILATED("NCHW", "1, 1, 2, 3") : DILATED("NHWC", "1, 2, 3, 1"));
        berth_model *made =
            first ? checked("y:0", DIMS(N, C, H, W), &left) : checked("y:0", DIMS(N, H, W, C), &left);
        if (CHECK(made)) CHECK_EQ(rewrite_count(made, "Pad"), 1);
        berth_model_free(made);
    }
}

/* The gradient of a grouped convolution by its input; first: NCHW. sizes: packed at run time, or a constant. */
static void transposed(bool first, int groups, int deep, int out, int stride, bool packed, const char *op,
                       size_t n_plain)
{
    char attrs[512];
    size_t left;
    int in_c = groups * deep, h = H * stride, w = W * stride;
    input("x", "DT_FLOAT", DIMS(-1, first ? out : H, first ? H : W, first ? W : out));
    floats("f", -0.5f, 0.5f, DIMS(3, 3, deep, out));
    if (packed) {
        INDEX("h", h), INDEX("w", w), INDEX("c", in_c);
        node("shape", "Shape", "x", FLOATS);
        INTS("from", 0), INTS("to", 1), INTS("by", 1);
        node("b", "StridedSlice", "shape from to by",
             TYPE("T", "DT_INT32") TYPE("Index", "DT_INT32") ATTR("shrink_axis_mask", "i: 1"));
        node("sizes", "Pack", first ? "b c h w" : "b h w c", TYPE("T", "DT_INT32") ATTR("N", "i: 4"));
    } else {
        INTS("sizes", N, first ? in_c : h, first ? h : w, first ? w : in_c);
    }
    snprintf(attrs, sizeof attrs,
             FLOATS TEXT("padding", "SAME") TEXT("data_format", "%s") LIST("strides", "%s"),
             first ? "NCHW" : "NHWC",
             stride == 1 ? "1, 1, 1, 1"
             : first     ? "1, 1, 2, 2"
                         : "1, 2, 2, 1");
    node("y", "Conv2DBackpropInput", "sizes f x", attrs);
    berth_model *made =
        first ? checked("y:0", DIMS(N, out, H, W), &left) : checked("y:0", DIMS(N, H, W, out), &left);
    if (CHECK(made)) CHECK_EQ(rewrite_count(made, op), n_plain);
    berth_model_free(made);
}

static void test_transposed(void)
{
    for (int i = 0; i < 8; i++) {
        bool first = i & 1, packed = i & 2;
        int stride = i & 4 ? 2 : 1;
        transposed(first, 3, 2, 6, stride, packed, "Conv2DBackpropInput", 3);
        transposed(first, 4, 1, 8, stride, packed, "DepthwiseConv2dNativeBackpropInput", 1);
        transposed(first, 1, 3, 5, stride, packed, "Conv2DBackpropInput", 1);
    }
}

static void test_norms(void)
{
    for (int i = 0; i < 16; i++) {
        bool first = i & 1, side = i & 2, relu = i & 4, training = i & 8;
        char attrs[512];
        size_t left;
        input("x", "DT_FLOAT", DIMS(-1, first ? C : H, first ? H : W, first ? W : C));
        node("side", "Neg", "x", FLOATS);
        floats("scale", 0.5f, 1.5f, DIMS(C)), floats("offset", 0.5f, 1.5f, DIMS(C));
        floats("mean", 0.5f, 1.5f, DIMS(C)), floats("variance", 0.5f, 1.5f, DIMS(C));
        snprintf(attrs, sizeof attrs,
                 FLOATS TYPE("U", "DT_FLOAT") ATTR("num_side_inputs", "i: %d") TEXT("activation_mode", "%s")
                     TEXT("data_format", "%s") ATTR("is_training", "b: %s") ATTR("epsilon", "f: 0.01"),
                 side, relu ? "Relu" : "Identity", first ? "NCHW" : "NHWC", training ? "true" : "false");
        node("n", "_FusedBatchNormEx",
             side ? "x scale offset mean variance side" : "x scale offset mean variance", attrs);
        node("y", first ? "Identity" : "AddV2", first ? "n" : "n n:1", FLOATS); /* a mean a channel */
        berth_model *made =
            first ? checked("y:0", DIMS(N, C, H, W), &left) : checked("y:0", DIMS(N, H, W, C), &left);
        if (CHECK(made && !left)) CHECK_EQ(rewrite_count(made, "FusedBatchNormV3"), 1);
        berth_model_free(made);
    }
}

/* Sequences of a beam search; tokens are few, so that most hold the end token. */
static void test_trees(void)
{
    enum { T = 5, B = 2, W = 3, ALL = T * B * W };
    static const char *const output = "y:0";
    for (int round = 0; round < 40; round++) {
        int ids[ALL], parents[ALL], lengths[B];
        berth_error error = {0};
        const int64_t dims[] = {T, B, W}, batch = B;
        for (int i = 0; i < ALL; i++) ids[i] = (int)check_int(0, 4), parents[i] = (int)check_int(0, W - 1);
        for (int i = 0; i < B; i++) lengths[i] = (int)check_int(0, T + 1);
        input("x", "DT_FLOAT", DIMS(1));
        ints("ids", 3, dims, ids), ints("parents", 3, dims, parents), ints("lengths", 1, &batch, lengths);
        INDEX("end", 3);
        node("tree", "GatherTree", "ids parents lengths end", TYPE("T", "DT_INT32"));
        node("numbers", "Cast", "tree", TYPE("SrcT", "DT_INT32") TYPE("DstT", "DT_FLOAT"));
        node("y", "AddV2", "numbers x ^tree", FLOATS);
        berth_feed x = {"x:0", rewrite_floats(DIMS(1))};
        berth_model *model = rewrite_load(&error), *made = rewrite_check(model, &x, 1, &output, 1, 0);
        if (CHECK(made))
            CHECK(!rewrite_count(made, "GatherTree") && rewrite_count(made, "StatelessWhile") == 1);
        berth_tensor_free(x.tensor);
        berth_model_free(made), berth_model_free(model);
    }
}

int main(void)
{
    test_trees();
    test_convolutions();
    test_products();
    test_groups();
    test_dilations();
    test_transposed();
    test_norms();
    return check_done();
}
