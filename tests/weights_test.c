/* Weights in the form that a device wants, on the driver that stands in for CUDA's: a batch norm and constant factors are folded
 * into the filters that they follow, so that each convolution or product is one step, and a library's alone; and all sessions
 * of a model have one copy, in whatever type. */
#include "standin/standin.h"

#include "scene.h"

enum {
    PIXELS = 8,
    IN = 4,
    MID = 320,
    DEEP = 640,
    OUT = 3,
    SHARED = IN * MID + OUT * DEEP, /* smaller ones are a plan's own: they are no views of the file */
    LIMIT = 1 << 20
};

static const standin *driver;
static const struct lt_counts {
    int alive;
    int64_t lookups, products;
} * library;

static float x[PIXELS * IN], filter[IN * MID], norm[4][MID], depthwise[DEEP], factors[DEEP], bias[DEEP],
    turned[OUT * DEEP], scale[OUT], shift[OUT], y[PIXELS * OUT], size[PIXELS * OUT];
static trial folded = {"folded", .in = {{"x:0", BERTH_FLOAT, 4, {2, 2, 2, IN}, x}},
                       .out = {{"y:0", BERTH_FLOAT, 2, {PIXELS, OUT}, y}}, .n_in = 1, .n_out = 1};

/* ---- The model ---------------------------------------------------------------------------------------- */

#define WINDOW                                                  \
    TRIAL_FLOAT "attr { key: 'padding' value { s: 'VALID' } } " \
                "attr { key: 'strides' value { list { i: 1 i: 1 i: 1 i: 1 } } } "
#define PAIR(name, first, second)                                                                      \
    TRIAL_NODE(name, "Const", "",                                                                      \
               TRIAL_TYPE("dtype", "DT_INT32") "attr { key: 'value' value { tensor { dtype: DT_INT32 " \
                                               "tensor_shape { dim { size: 2 } } int_val: " first      \
                                               " int_val: " second " } } } ")
#define RESHAPE TRIAL_FLOAT TRIAL_TYPE("Tshape", "DT_INT32")

/* The filter is read as frozen graphs do it, through an Identity that something waits for; the other is given its shape. */
static const char text[] =
    TRIAL_NODE("x", "Placeholder", "",
               TRIAL_TYPE("dtype", "DT_FLOAT") "attr { key: 'shape' value { shape { dim { size: -1 } dim { "
                                               "size: 2 } dim { size: 2 } dim { size: 4 } } } }")
        TRIAL_NODE("read", "Identity", "input: 'filter'",
                   TRIAL_FLOAT) TRIAL_NODE("done", "NoOp", "input: '^read'", "") PAIR("shape", "3", "640")
            TRIAL_NODE("shaped", "Reshape", "input: 'turned' input: 'shape'", RESHAPE)
                TRIAL_NODE("conv", "Conv2D", "input: 'x' input: 'read'", WINDOW) TRIAL_NODE(
                    "bn", "FusedBatchNormV3",
                    "input: 'conv' input: 'gamma' input: 'beta' input: 'mean' input: 'variance'",
                    TRIAL_FLOAT TRIAL_TYPE("U", "DT_FLOAT") "attr { key: 'is_training' value { b: false } } "
                                                            "attr { key: 'epsilon' value { f: 0.001 } }")
                    TRIAL_NODE("relu", "Relu", "input: 'bn'", TRIAL_FLOAT) TRIAL_NODE(
                        "deep", "DepthwiseConv2dNative", "input: 'relu' input: 'depthwise'",
                        WINDOW) TRIAL_NODE("times", "Mul", "input: 'deep' input: 'factors'", TRIAL_FLOAT)
                        TRIAL_NODE("plus", "BiasAdd", "input: 'times' input: 'bias'", TRIAL_FLOAT) TRIAL_NODE(
                            "relu6", "Relu6", "input: 'plus'", TRIAL_FLOAT) PAIR("rows", "-1", "640")
                            TRIAL_NODE("flat", "Reshape", "input: 'relu6' input: 'rows'", RESHAPE) TRIAL_NODE(
                                "product", "MatMul", "input: 'flat' input: 'shaped'",
                                TRIAL_FLOAT "attr { key: 'transpose_b' value { b: true } }")
                                TRIAL_NODE("scaled", "Mul", "input: 'scale' input: 'product'", TRIAL_FLOAT)
                                    TRIAL_NODE("y", "AddV2", "input: 'scaled' input: 'shift' input: '^done'",
                                               TRIAL_FLOAT);

/* A number, and how large what it is summed up from may be: as large as that many roundings may make it wrong. */
typedef struct sized {
    double value, size;
} sized;

static sized times(sized a, double by) { return (sized){a.value * by, a.size * fabs(by)}; }
static sized plus(sized a, sized b) { return (sized){a.value + b.value, a.size + b.size}; }
static sized plain(double value) { return (sized){value, fabs(value)}; }

static void answer(const float *in, float *out, float *sizes)
{
    sized mid[MID], deep[DEEP];
    for (int c = 0; c < MID; c++) {
        sized sum = plain(-norm[2][c]);
        for (int i = 0; i < IN; i++) sum = plus(sum, plain((double)in[i] * filter[i * MID + c]));
        mid[c] = plus(times(sum, norm[0][c] / sqrt(norm[3][c] + 0.001)), plain(norm[1][c]));
        mid[c].value = fmax(0, mid[c].value);
    }
    for (int c = 0; c < DEEP; c++) {
        deep[c] = plus(times(mid[c / 2], (double)depthwise[c] * factors[c]), plain(bias[c]));
        deep[c].value = fmin(6, fmax(0, deep[c].value));
    }
    for (int k = 0; k < OUT; k++) {
        sized row = {0, 0};
        for (int c = 0; c < DEEP; c++) row = plus(row, times(deep[c], turned[k * DEEP + c]));
        row = plus(times(row, scale[k]), plain(shift[k]));
        out[k] = (float)row.value, sizes[k] = (float)row.size;
    }
}

static bool make_model(void)
{
    static const char *const names[] = {"gamma", "beta", "mean", "variance"};
    bt_text all = {0};
    trial_tensor(&all, "filter", 4, (const int[]){1, 1, IN, MID}, -1, filter);
    for (int i = 0; i < 4; i++)
        trial_tensor(&all, names[i], 1, (const int[]){MID}, i == 3 ? 0.5f : -1, norm[i]);
    trial_tensor(&all, "depthwise", 4, (const int[]){1, 1, MID, DEEP / MID}, -1, depthwise);
    trial_tensor(&all, "factors", 1, (const int[]){DEEP}, -1, factors);
    trial_tensor(&all, "bias", 1, (const int[]){DEEP}, -1, bias);
    trial_tensor(&all, "turned", 1, (const int[]){OUT * DEEP}, -1, turned);
    trial_tensor(&all, "scale", 1, (const int[]){OUT}, -1, scale);
    trial_tensor(&all, "shift", 1, (const int[]){OUT}, -1, shift);
    bt_text_print(&all, "%s", text);
    bool ok = trial_write(&folded, all.p);
    bt_text_free(&all);
    for (int i = 0; i < PIXELS * IN; i++) x[i] = check_float(-2, 2);
    for (int i = 0; i < PIXELS; i++) answer(x + i * IN, y + i * OUT, size + i * OUT);
    return ok;
}

/* ---- Checks ------------------------------------------------------------------------------------------- */

static berth_context *gpu_with_limit(berth_error *error)
{
    berth_device_options options;
    berth_device_options_init(&options);
    options.device = "/GPU:0", options.limit = LIMIT; /* so that every byte is counted by itself */
    berth_context *context = berth_context_new(NULL, error);
    CHECK(context && !berth_device_configure(context, &options, error));
    return context;
}

static berth_session *session_in(berth_model *model, const char *precision, berth_error *error)
{
    berth_session_options options;
    berth_session_options_init(&options);
    options.device = "/GPU:0", options.precision = precision;
    return berth_session_new(model, &options, error);
}

/* Runs it; `most`: by how much an answer may be off, as a part of what it is summed up from. */
static void run(berth_session *session, double most, berth_error *error)
{
    berth_feed in = {"x:0", trial_wrap(&folded.in[0], error)}, out = {"y:0"};
    if (!CHECK(session && !berth_session_run(session, &in, 1, &out, 1, NULL, error)))
        printf("    %s\n", error->message);
    for (int i = 0; i < PIXELS * OUT && out.tensor; i++)
        CHECK_CLOSE(((const float *)berth_tensor_data(out.tensor))[i] / size[i], y[i] / size[i], most);
    berth_tensor_free(in.tensor), berth_tensor_free(out.tensor);
}

/* The convolution and the product are the library's and nothing follows them; the depthwise one is a kernel of our own. */
static void test_folded(void)
{
    berth_error error = {0};
    scene s = {.context = gpu_with_limit(&error)};
    if (!CHECK(open_scene(&s, &folded, "/GPU:0", "none", &error))) exit(check_done());
    run(s.session, 0x1p-23, &error);
    int64_t launches = standin_counted(driver).launches, products = library->products;
    run(s.session, 0x1p-23, &error);
    CHECK_EQ(library->products - products, 2);
    CHECK_EQ(standin_counted(driver).launches - launches, 3);
    close_scene(&s);
    CHECK_EQ(held(&s, "/GPU:0"), 0);
    berth_context_free(s.context);
}

/* What a second session takes is less by the weights of the file. */
static void test_shared(const char *precision, int element, double most)
{
    berth_error error = {0};
    berth_load_options load;
    berth_load_options_init(&load);
    scene s = {.context = gpu_with_limit(&error)};
    load.context = s.context;
    s.model = berth_model_load(folded.path, &load, &error);
    berth_session *sessions[3] = {0};
    int64_t taken[3];
    for (int i = 0; i < 3; i++) {
        int64_t before = held(&s, "/GPU:0");
        sessions[i] = s.model ? session_in(s.model, precision, &error) : NULL;
        run(sessions[i], most, &error);
        taken[i] = held(&s, "/GPU:0") - before;
    }
    CHECK_EQ(taken[0] - taken[1], SHARED * element);
    CHECK_EQ(taken[2], taken[1]);
    for (int i = 0; i < 3; i++) berth_session_free(sessions[i]);
    close_scene(&s);
    CHECK_EQ(held(&s, "/GPU:0"), 0);
    berth_context_free(s.context);
}

int main(void)
{
    driver = standin_open(1, 256 << 20);
    void *handle = dlopen(STANDIN_LT, RTLD_NOW);
    library = handle ? dlsym(handle, "standin_lt_counts") : NULL;
    if (!CHECK(driver && library) || !trial_make() || !make_model()) return check_done();
    test_folded();
    test_shared("f32", 4, 0x1p-23);
    test_shared("f16", 2, 0x1p-10);
    test_shared("bf16", 2, 0x1p-8);
    CHECK_EQ(library->alive, 0);
    CHECK_EQ(standin_counted(driver).misuses, 0);
    unlink(folded.path);
    trial_unmake();
    return check_done();
}
