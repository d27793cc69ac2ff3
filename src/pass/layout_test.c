/* Channels last: how many transposes whole networks end with, and random graphs that must answer as before. TensorFlow reads
 * such models in tests/interop.py. */
#include "rewrite.h"

#include "pass/cut.h"

/* ---- Networks ----------------------------------------------------------------------------------------- */

#define NCHW FLOATS TEXT("data_format", "NCHW")
#define SAME_CONV NCHW TEXT("padding", "SAME")
#define STEP_1 LIST("strides", "1, 1, 1, 1")

static char name_room[64][24];
static const char *named(const char *base, int i)
{
    static int next;
    char *to = name_room[next++ & 63];
    snprintf(to, sizeof name_room[0], "%s%d", base, i);
    return to;
}

static const char *joined(const char *a, const char *b)
{
    static char room[8][128];
    static int next;
    char *to = room[next++ & 7];
    snprintf(to, sizeof room[0], "%s %s", a, b);
    return to;
}

/* Convolution, batch norm and, maybe, Relu; gives the name of the end. */
static const char *block(int i, const char *from, int in, int out, bool relu)
{
    static const char *const parts[] = {"scale", "offset", "mean", "variance"};
    const char *f = named("filter", i), *conv = named("conv", i), *bn = named("bn", i);
    char all[128];
    floats(f, -0.5f, 0.5f, DIMS(3, 3, in, out));
    node(conv, "Conv2D", joined(from, f), SAME_CONV STEP_1);
    int n = snprintf(all, sizeof all, "%s", conv);
    for (int k = 0; k < 4; k++) {
        floats(named(parts[k], i), 0.5f, 1.5f, DIMS(out));
        n += snprintf(all + n, sizeof all - (size_t)n, " %s", named(parts[k], i));
    }
    node(bn, "FusedBatchNormV3", all,
         NCHW TYPE("U", "DT_FLOAT") ATTR("epsilon", "f: 0.001") ATTR("is_training", "b: false"));
    if (relu) node(named("relu", i), "Relu", bn, FLOATS);
    return relu ? named("relu", i) : bn;
}

/* A residual network over [2,3,8,8], up to its last image. */
static const char *residual(void)
{
    input("x", "DT_FLOAT", DIMS(-1, 3, 8, 8));
    ints("paddings", DIMS(4, 2), (const int[]){0, 0, 0, 0, 1, 2, 0, 1});
    node("pad", "Pad", "x paddings", FLOATS TYPE("Tpaddings", "DT_INT32"));
    const char *at = block(0, "pad", 3, 4, true);
    node("pool", "MaxPool", at, SAME_CONV LIST("ksize", "1, 1, 3, 2") LIST("strides", "1, 1, 2, 1"));
    at = "pool";
    for (int i = 1; i < 7; i += 2) {
        const char *sum = named("sum", i), *end = named("end", i), *inner = block(i, at, 4, 4, true);
        node(sum, "AddV2", joined(block(i + 1, inner, 4, 4, false), at), FLOATS);
        node(end, "Relu", sum, FLOATS);
        at = end;
    }
    return at;
}

/* The network, transformed, and the number of its transposes. */
static size_t transposes_of(const char *output)
{
    berth_error error = {0};
    berth_feed x = {"x:0", rewrite_floats(DIMS(2, 3, 8, 8))};
    berth_model *model = rewrite_load(&error), *made = rewrite_check(model, &x, 1, &output, 1, 1e-4);
    size_t n = made ? rewrite_count(made, "Transpose") : 99;
    if (!model) printf("%s\n", error.message);
    berth_tensor_free(x.tensor);
    berth_model_free(made), berth_model_free(model);
    return n;
}

static void test_networks(void)
{
    const char *end = residual();
    INTS("space", 2, -1);
    node("mean", "Mean", joined(end, "space"), FLOATS TYPE("Tidx", "DT_INT32"));
    floats("w", -1, 1, DIMS(4, 5));
    node("logits", "MatMul", "mean w", FLOATS);
    CHECK_EQ(transposes_of("logits:0"), 1);
    end = residual();
    INTS("flat", -1, 4 * 6 * 9);
    node("flatten", "Reshape", joined(end, "flat"), FLOATS TYPE("Tshape", "DT_INT32"));
    CHECK_EQ(transposes_of("flatten:0"), 2);
    end = residual();
    CHECK_EQ(transposes_of(end), 2);
    end = residual(); /* the graph's own: NHWC again at the end */
    INTS("back", 0, 2, 3, 1);
    node("nhwc", "Transpose", joined(end, "back"), FLOATS TYPE("Tperm", "DT_INT32"));
    CHECK_EQ(transposes_of("nhwc:0"), 1);
}

/* ---- Random graphs ------------------------------------------------------------------------------------ */

enum { N = 2, C = 4, H = 6, W = 5 }; /* all tensors */

/* A node that makes of tensors of this shape one more. */
static void unary(int i, const char *a)
{
    static const char *const ops[] = {"Relu", "Neg", "Sigmoid", "Identity", "Square"};
    node(named("t", i), ops[check_int(0, 4)], a, FLOATS);
}

static void sum(int i, const char *a, const char *b)
{
    static const char *const ops[] = {"AddV2", "Mul", "Maximum", "Sub"};
    node(named("t", i), ops[check_int(0, 3)], joined(a, b), FLOATS);
}

static void with_constant(int i, const char *a)
{
    const char *c = named("c", i);
    bool swap = check_int(0, 1);
    switch (check_int(0, 4)) {
    case 0: floats(c, -1, 1, 0, NULL); break;
    case 1: floats(c, -1, 1, DIMS(C, 1, 1)); break;
    case 2: floats(c, -1, 1, DIMS(1, C, H, 1)); break;
    case 3: floats(c, -1, 1, DIMS(W)); break;
    default: floats(c, -1, 1, DIMS(H, 1)); break;
    }
    sum(i, swap ? c : a, swap ? a : c);
}

static void convolution(int i, const char *a)
{
    const char *f = named("c", i);
    bool depthwise = check_int(0, 1);
    floats(f, -0.4f, 0.4f, DIMS(2, 3, C, depthwise ? 1 : C));
    node(named("t", i), depthwise ? "DepthwiseConv2dNative" : "Conv2D", joined(a, f),
         check_int(0, 1) ? SAME_CONV STEP_1
                         : NCHW TEXT("padding", "EXPLICIT")
                               STEP_1 LIST("explicit_paddings", "0, 0, 0, 0, 1, 0, 0, 2"));
}

static void bias(int i, const char *a)
{
    floats(named("c", i), -1, 1, DIMS(C));
    node(named("t", i), "BiasAdd", joined(a, named("c", i)), NCHW);
}

static void pool(int i, const char *a)
{
    node(named("t", i), check_int(0, 1) ? "MaxPool" : "AvgPool", a,
         SAME_CONV STEP_1 LIST("ksize", "1, 1, 2, 3"));
}

static void transposed_conv(int i, const char *a)
{
    char all[96];
    bool known = check_int(0, 1);
    floats(named("c", i), -0.4f, 0.4f, DIMS(3, 2, C, C));
    if (known) INTS(named("s", i), N, C, H, W);
    else node(named("s", i), "Shape", a, FLOATS TYPE("out_type", "DT_INT32"));
    snprintf(all, sizeof all, "%s %s %s", named("s", i), named("c", i), a);
    node(named("t", i), "Conv2DBackpropInput", all, SAME_CONV STEP_1);
}

static void parts(int i, const char *a, const char *b)
{
    char all[96];
    int axis = (int)check_int(1, 3), given = check_int(0, 1) ? axis : axis - 4,
        half = axis == 1 ? C / 2 : H / 2;
    if (axis == 3) axis = 1, given = -3, half = C / 2;
    INDEX(named("axis", i), given);
    node(named("p", i), "Split", joined(named("axis", i), a), FLOATS ATTR("num_split", "i: 2"));
    node(named("q", i), "Split", joined(named("axis", i), b), FLOATS ATTR("num_split", "i: 2"));
    snprintf(all, sizeof all, "%s:1 %s %s", named("p", i), named("q", i), named("axis", i));
    node(named("t", i), "ConcatV2", all, FLOATS TYPE("Tidx", "DT_INT32") ATTR("N", "i: 2"));
    CHECK(half > 0);
}

static void pad_and_cut(int i, const char *a)
{
    char all[128];
    ints(named("c", i), DIMS(4, 2), (const int[]){0, 0, 1, 2, 2, 0, 0, 1});
    node(named("p", i), check_int(0, 1) ? "Pad" : "MirrorPad", joined(a, named("c", i)),
         FLOATS TYPE("Tpaddings", "DT_INT32") TEXT("mode", "REFLECT"));
    if (check_int(0, 1)) {
        INTS(named("b", i), 0, 1, 1, 1);
        INTS(named("s", i), N, C, H, W);
        snprintf(all, sizeof all, "%s %s %s", named("p", i), named("b", i), named("s", i));
        node(named("t", i), "Slice", all, FLOATS TYPE("Index", "DT_INT32"));
        return;
    }
    INTS(named("b", i), 0, 1, 2);
    INTS(named("s", i), 0, C + 1, 0);
    INTS(named("e", i), 1, 1, 1);
    snprintf(all, sizeof all, "%s %s %s %s", named("p", i), named("b", i), named("s", i), named("e", i));
    node(named("u", i), "StridedSlice", all,
         FLOATS TYPE("Index", "DT_INT32") ATTR("begin_mask", "i: 1") ATTR("end_mask", "i: 5"));
    INTS(named("v", i), 0, 0, 0, 0);
    INTS(named("w", i), N, C, H, W);
    snprintf(all, sizeof all, "%s %s %s", named("u", i), named("v", i), named("w", i));
    node(named("t", i), "Slice", all, FLOATS TYPE("Index", "DT_INT32"));
}

static void reduced(int i, const char *a)
{
    bool keep = check_int(0, 1);
    const char *mean = named("p", i);
    if (check_int(0, 1)) INTS(named("c", i), 3, 2);
    else INTS(named("c", i), keep ? 1 : -2);
    node(mean, check_int(0, 1) ? "Mean" : "Max", joined(a, named("c", i)),
         keep ? FLOATS TYPE("Tidx", "DT_INT32") ATTR("keep_dims", "b: true")
              : FLOATS TYPE("Tidx", "DT_INT32"));
    if (keep) {
        sum(i, a, mean);
        return;
    }
    INTS(named("k", i), -1); /* [N, C] or [N, C, W]: its sum is a scalar, over all it has */
    node(named("r", i), "Reshape", joined(mean, named("k", i)), FLOATS TYPE("Tshape", "DT_INT32"));
    INDEX(named("z", i), 0);
    node(named("s", i), "Sum", joined(named("r", i), named("z", i)), FLOATS TYPE("Tidx", "DT_INT32"));
    sum(i, a, named("s", i));
}

static void squeezed(int i, const char *a)
{
    const char *m = named("m", i);
    int axis = (int)check_int(2, 3);
    INTS(named("c", i), axis);
    node(m, "Max", joined(a, named("c", i)), FLOATS TYPE("Tidx", "DT_INT32") ATTR("keep_dims", "b: true"));
    node(named("s", i), "Squeeze", m,
         axis == 2 ? FLOATS LIST("squeeze_dims", "2") : FLOATS LIST("squeeze_dims", "-1"));
    node(named("r", i), "Tanh", named("s", i), FLOATS);
    INDEX(named("e", i), axis == 2 ? -2 : 3);
    node(named("u", i), "ExpandDims", joined(named("r", i), named("e", i)), FLOATS TYPE("Tdim", "DT_INT32"));
    sum(i, named("u", i), a);
}

static void turned(int i, const char *a)
{
    INTS(named("c", i), 0, 2, 3, 1);
    INTS(named("b", i), 0, 3, 1, 2);
    node(named("p", i), "Transpose", joined(a, named("c", i)), FLOATS TYPE("Tperm", "DT_INT32"));
    node(named("q", i), "Softmax", named("p", i), FLOATS);
    node(named("t", i), "Transpose", joined(named(check_int(0, 1) ? "p" : "q", i), named("b", i)),
         FLOATS TYPE("Tperm", "DT_INT32"));
}

static void reshaped(int i, const char *a)
{
    node(named("s", i), "Shape", a, FLOATS TYPE("out_type", "DT_INT32"));
    INTS(named("c", i), -1, H * W);
    node(named("r", i), "Reshape", joined(a, named("c", i)), FLOATS TYPE("Tshape", "DT_INT32"));
    node(named("p", i), "Softmax", named("r", i), FLOATS);
    node(named("t", i), "Reshape", joined(named("p", i), named("s", i)), FLOATS TYPE("Tshape", "DT_INT32"));
}

static void blocks(int i, const char *a)
{
    node(named("p", i), "DepthToSpace", a, NCHW ATTR("block_size", "i: 2"));
    node(named("q", i), "Abs", named("p", i), FLOATS);
    node(named("t", i), "SpaceToDepth", named("q", i), NCHW ATTR("block_size", "i: 2"));
}

/* Whether each operand has the shape of all, sum() and with_constant() see to it. */
static void random_node(int i, const char *a, const char *b)
{
    switch (check_int(0, 13)) {
    case 0: unary(i, a); break;
    case 1: sum(i, a, b); break;
    case 2: {
        floats(named("k", i), -1, 1, DIMS(1, C, 1, 1));
        node(named("o", i), "Mul", joined(a, named("k", i)), FLOATS);
        with_constant(i, named("o", i));
        break;
    }
    case 3: convolution(i, a); break;
    case 4: bias(i, a); break;
    case 5: pool(i, a); break;
    case 6: transposed_conv(i, a); break;
    case 7: parts(i, a, b); break;
    case 8: pad_and_cut(i, a); break;
    case 9: reduced(i, a); break;
    case 10: squeezed(i, a); break;
    case 11: turned(i, a); break;
    case 12: reshaped(i, a); break;
    default: blocks(i, a); break;
    }
}

static void test_random(void)
{
    for (int round = 0; round < 150; round++) {
        berth_error error = {0};
        int n = (int)check_int(2, 14);
        berth_feed x = {"t0:0", rewrite_floats(DIMS(N, C, H, W))};
        input("t0", "DT_FLOAT", DIMS(check_int(0, 1) ? N : -1, C, H, W));
        for (int i = 1; i < n; i++)
            random_node(i, named("t", i - 1), named("t", (int)check_int(i > 4 ? i - 4 : 0, i - 1)));
        const char *outputs[2] = {named("t", n - 1), named("t", n / 2)};
        berth_model *model = rewrite_load(&error),
                    *made = rewrite_check(model, &x, 1, outputs, n > 2 ? 2 : 1, 1e-3);
        if (!made) printf("    round %d: %s\n", round, error.message);
        for (int op = 0; made && op < 3; op++) {
            static const char *const ops[] = {"Conv2D", "MaxPool", "BiasAdd"};
            CHECK(rewrite_count(made, ops[op]) <= rewrite_count(model, ops[op]));
        }
        berth_tensor_free(x.tensor);
        berth_model_free(made), berth_model_free(model);
    }
}

static void test_refused(void)
{
    berth_error error = {0};
    input("x", "DT_QINT8", DIMS(1, 1, 4, 4, 4));
    node("y", "SpaceToDepth", "x",
         TYPE("T", "DT_QINT8") TEXT("data_format", "NCHW_VECT_C") ATTR("block_size", "i: 2"));
    rewrite_refused(rewrite_load(&error), "NCHW_VECT_C");
}

/* ---- The cheapest cut --------------------------------------------------------------------------------- */

enum { VERTICES = 8, EDGES = 18 };

static void test_cut(void)
{
    for (int round = 0; round < 300; round++) {
        int from[EDGES], to[EDGES], cost[EDGES], least = INT32_MAX, cheapest = 0, found = 0;
        bt_cut cut;
        bt_arena arena;
        berth_error error = {0};
        bool *with_source;
        bt_arena_init(&arena);
        CHECK(bt_cut_begin(&cut));
        for (int i = 2; i < VERTICES; i++) CHECK(bt_cut_vertex(&cut) == i);
        for (int i = 0; i < EDGES; i++) {
            from[i] = (int)check_int(0, VERTICES - 1), to[i] = (int)check_int(0, VERTICES - 1),
            cost[i] = (int)check_int(0, 5);
            CHECK(bt_cut_add(&cut, from[i], to[i], cost[i]));
        }
        for (int set = 0; set < 1 << VERTICES; set++) { /* bit v: with the source */
            int all = 0;
            if (!(set & 1) || set & 2) continue;
            for (int i = 0; i < EDGES; i++) all += (set >> from[i] & 1) && !(set >> to[i] & 1) ? cost[i] : 0;
            if (all < least) least = all, cheapest = set;
            else if (all == least &&
                     __builtin_popcount((unsigned)set) > __builtin_popcount((unsigned)cheapest))
                cheapest = set;
        }
        CHECK(!bt_cut_solve(&cut, &arena, &with_source, &error));
        for (int i = 0; i < VERTICES; i++) found |= with_source[i] << i;
        CHECK_EQ(found, cheapest);
        bt_cut_free(&cut);
        bt_arena_free(&arena);
    }
}

static void test_memory(void)
{
    berth_error error = {0};
    input("t0", "DT_FLOAT", DIMS(-1, C, H, W));
    convolution(1, "t0");
    reshaped(2, "t1");
    with_constant(3, "t2");
    rewrite_torture(rewrite_load(&error));
}

#define POOL                                                                               \
    FLOATS TEXT("padding", "SAME") TEXT("data_format", "NCHW") LIST("ksize", "1, 1, 3, 3") \
        LIST("strides", "1, 1, 1, 1")
#define STEP_ARGS "input_arg { name: 'i' type: DT_INT32 } input_arg { name: 'a' type: DT_FLOAT } "
#define STEP_INT(name, value)                                                                     \
    "node_def { name: '" name                                                                     \
    "' op: 'Const' " TYPE("dtype", "DT_INT32") "attr { key: 'value' value { tensor { "            \
                                               "dtype: DT_INT32 tensor_shape { } int_val: " value \
                                               " } } } } "

/* A loop hands on what it is given as it is: what its body turns is counted apart. */
static void test_functions(void)
{
    static const char library[] = "library { function { signature { name: 'more' " STEP_ARGS
                                  "output_arg { name: 'r' type: DT_BOOL } } " STEP_INT(
                                      "n", "3") "node_def { name: 'l' op: 'Less' input: 'i' input: "
                                                "'n:output:0' " TYPE("T", "DT_INT32") "} "
                                                                                      "ret { key: 'r' value: "
                                                                                      "'l:z:0' } } "
                                                                                      "function { signature "
                                                                                      "{ name: "
                                                                                      "'step' " STEP_ARGS
                                                                                      "output_arg { name: "
                                                                                      "'j' type: DT_INT32 } "
                                                                                      "output_arg { name: "
                                                                                      "'b' type: DT_FLOAT } "
                                                                                      "} " STEP_INT("n", "1") "node_def { name: 's' op: 'AddV2' input: 'i' input: 'n:output:0' " TYPE(
                                                                                          "T",
                                                                                          "DT_INT32") "} "
                                                                                                      "node_"
                                                                                                      "def { "
                                                                                                      "name: "
                                                                                                      "'p' "
                                                                                                      "op: "
                                                                                                      "'AvgPo"
                                                                                                      "ol' "
                                                                                                      "input:"
                                                                                                      " 'a'"
                                                                                                      " " POOL
                                                                                                      "} "
                                                                                                      "node_"
                                                                                                      "def { "
                                                                                                      "name: "
                                                                                                      "'y' "
                                                                                                      "op: "
                                                                                                      "'Neg' "
                                                                                                      "input:"
                                                                                                      " 'p:"
                                                                                                      "output"
                                                                                                      ":0'"
                                                                                                      " " FLOATS
                                                                                                      "} "
                                                                                                      "ret { "
                                                                                                      "key: "
                                                                                                      "'j' "
                                                                                                      "value:"
                                                                                                      " 's:z:"
                                                                                                      "0' } "
                                                                                                      "ret { "
                                                                                                      "key: "
                                                                                                      "'b' "
                                                                                                      "value:"
                                                                                                      " 'y:y:"
                                                                                                      "0' } "
                                                                                                      "} }\n";
    static const char *const outputs[] = {"y:0"};
    berth_error error = {0};
    const char *what;
    size_t n, borders = 0, put_in = 0;
    input("x", "DT_FLOAT", DIMS(-1, C, H, W));
    node("before", "MaxPool", "x", POOL);
    INDEX("zero", 0);
    node("loop", "StatelessWhile", "zero before",
         "attr { key: 'T' value { list { type: [DT_INT32, DT_FLOAT] } } } attr { key: 'cond' value { func { "
         "name: 'more' } } } "
         "attr { key: 'body' value { func { name: 'step' } } } "
         "attr { key: 'output_shapes' value { list { shape { } shape { dim { size: -1 } dim { size: -1 } dim "
         "{ size: -1 } "
         "dim { size: -1 } } } } }");
    node("y", "MaxPool", "loop:1", POOL);
    bt_text_print(&rewrite_text, "%s", library);
    berth_feed x = {"x:0", rewrite_floats(DIMS(N, C, H, W))};
    berth_model *model = rewrite_load(&error), *made = rewrite_check(model, &x, 1, outputs, 1, 1e-5);
    if (!CHECK(made)) printf("    %s\n", error.message);
    for (size_t i = 0; made && berth_model_change(made, i, &what, &n); i++) {
        if (bt_starts(what, "transposes at the borders")) borders = n;
        if (bt_starts(what, "transposes put in")) put_in = n;
    }
    CHECK_EQ(put_in, 6), CHECK_EQ(borders, 4);
    berth_tensor_free(x.tensor);
    berth_model_free(made), berth_model_free(model);
}

int main(void)
{
    test_cut();
    test_functions();
    test_networks();
    test_random();
    test_refused();
    test_memory();
    return check_done();
}
