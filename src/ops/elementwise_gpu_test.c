/* Elementwise ops on a device against the CPU: every op that has a kernel, one
 * dtype each time, random broadcasts. */
#include "gpu_trial.h"

/* A shape that broadcasts to `whole`: leading dimensions left out, others 1. */
static bt_shape narrowed(const bt_shape *whole)
{
    int drop = (int)check_int(0, whole->rank);
    bt_shape s = {.rank = whole->rank - drop};
    for (int i = 0; i < s.rank; i++) s.dim[i] = check_int(0, 2) ? whole->dim[drop + i] : 1;
    return s;
}

static void *set_input(berth_dtype dtype, bt_shape shape, double low, double high)
{
    void *x = gpu_random(dtype, bt_shape_count(&shape), low, high);
    op_input(dtype, shape, x);
    return x;
}

static void test_dtype(const char *name, berth_dtype dtype, int n_in, bool broadcasts, double low,
                       double high)
{
    bt_shape whole = {.rank = (int)check_int(0, 5)};
    void *x[3];
    for (int i = 0; i < whole.rank; i++) whole.dim[i] = check_int(0, 12) ? check_int(1, 9) : check_int(0, 70);
    op_begin(name);
    for (int k = 0; k < n_in; k++) x[k] = set_input(dtype, broadcasts ? narrowed(&whole) : whole, low, high);
    bt_set_type(&op_graph, 0, "T", dtype);
    gpu_agrees(4 * gpu_ulp(dtype));
    op_end();
    for (int k = 0; k < n_in; k++) bt_free(x[k]);
}

/* Float, or another dtype that the op takes: each takes a compiler's time. */
static void test_op(const char *name, int n_in, bool broadcasts, double low, double high)
{
    const bt_op *op = bt_op_find(name);
    berth_dtype others[GPU_DTYPES];
    int n = 0;
    if (!CHECK(op) || !CHECK(op->gpu)) return;
    for (int d = 0; d < GPU_DTYPES; d++)
        if (op->gpu_types >> gpu_dtypes[d] & 1 && gpu_dtypes[d] != BERTH_FLOAT) others[n++] = gpu_dtypes[d];
    bool floats = op->gpu_types >> BERTH_FLOAT & 1;
    if (n && (!floats || check_int(0, 1))) test_dtype(name, others[check_int(0, n - 1)], n_in, broadcasts, low, high);
    else test_dtype(name, BERTH_FLOAT, n_in, broadcasts, low, high);
}

static void test_all(void)
{
    static const char *const unary[] = {"Exp",
                                        "Tanh",
                                        "Sigmoid",
                                        "Expm1",
                                        "Sin",
                                        "Cos",
                                        "Atan",
                                        "Sinh",
                                        "Cosh",
                                        "Asinh",
                                        "Inv",
                                        "Erf",
                                        "Erfc",
                                        "Ceil",
                                        "Floor",
                                        "Rint",
                                        "Round",
                                        "Abs",
                                        "Neg",
                                        "Sign",
                                        "Square",
                                        "OnesLike",
                                        "ZerosLike",
                                        "IsNan",
                                        "IsInf",
                                        "IsFinite",
                                        "LogicalNot",
                                        "Invert",
                                        "Relu",
                                        "Relu6",
                                        "LeakyRelu",
                                        "Elu",
                                        "Selu",
                                        "Softplus",
                                        "Softsign",
                                        "Reciprocal",
                                        "PopulationCount",
                                        "ToBool",
                                        "BesselI0",
                                        "BesselI1",
                                        "BesselI0e",
                                        "BesselI1e",
                                        "BesselJ0",
                                        "BesselJ1",
                                        "Digamma",
                                        "Dawsn",
                                        "FresnelCos",
                                        "FresnelSin",
                                        "Real",
                                        "Imag",
                                        "Angle",
                                        "ComplexAbs",
                                        "Conj"};
    static const char *const positive[] = {"Log",      "Sqrt",      "Rsqrt",     "Log1p",    "BesselK0",
                                           "BesselK1", "BesselK0e", "BesselK1e", "BesselY0", "BesselY1",
                                           "Lgamma",   "Expint",    "Spence"};
    static const char *const small[] = {"Asin", "Acos", "Atanh", "Tan", "Erfinv"};
    static const char *const binary[] = {"Add",
                                         "AddV2",
                                         "Sub",
                                         "Mul",
                                         "Maximum",
                                         "Minimum",
                                         "SquaredDifference",
                                         "RealDiv",
                                         "Complex",
                                         "NextAfter",
                                         "LeftShift",
                                         "RightShift",
                                         "DivNoNan",
                                         "MulNoNan",
                                         "Xdivy",
                                         "Atan2",
                                         "Less",
                                         "LessEqual",
                                         "Greater",
                                         "GreaterEqual",
                                         "Equal",
                                         "NotEqual",
                                         "LogicalAnd",
                                         "LogicalOr",
                                         "BitwiseAnd",
                                         "BitwiseOr",
                                         "BitwiseXor"};
    static const char *const above_zero[] = {"Div",    "TruncateDiv", "FloorDiv",  "FloorMod",
                                             "Mod",    "TruncateMod", "Xlogy",     "Xlog1py",
                                             "Igamma", "Igammac",     "Polygamma", "Pow"};
    static const char *const gradients[] = {"ReluGrad", "Relu6Grad",    "LeakyReluGrad", "EluGrad",
                                            "SeluGrad", "SoftplusGrad", "SoftsignGrad",  "SigmoidGrad",
                                            "TanhGrad", "SqrtGrad",     "RsqrtGrad",     "InvGrad"};
#define EACH_OF(names, ...) \
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) test_op(names[i], __VA_ARGS__)
    EACH_OF(unary, 1, false, -7, 7);
    EACH_OF(positive, 1, false, 0.01, 9);
    EACH_OF(small, 1, false, -0.95, 0.95);
    EACH_OF(binary, 2, true, -5, 5);
    EACH_OF(gradients, 2, false, 0.5, 3);
    EACH_OF(above_zero, 2, true, 1, 6);
    test_op("ApproximateEqual", 2, false, 0.5, 0.50002);
    test_op("Acosh", 1, false, 1, 9);
    test_op("Ndtri", 1, false, 0.001, 0.999);
    test_op("Zeta", 2, true, 1.5, 6);
    test_op("Betainc", 3, false, 0.1, 0.9);
}

/* NaN, infinities and zeros come out as on the CPU. */
static void test_special(void)
{
    static const char *const ops[] = {"Relu",     "Relu6",   "LeakyRelu", "Elu",         "Abs",
                                      "Sign",     "IsNan",   "IsInf",     "IsFinite",    "Sqrt",
                                      "Maximum",  "Minimum", "FloorMod",  "TruncateMod", "FloorDiv",
                                      "Softplus", "Tanh",    "Sigmoid"};
    const float x[] = {NAN, INFINITY, -INFINITY, 0, -0.0f, 1, -1, 7.5f, -7.5f, NAN, 3, -3},
                y[] = {1, NAN, 2, INFINITY, 0, -2, 3, -2, 2, NAN, -INFINITY, 2};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        op_begin(ops[i]);
        op_input(BERTH_FLOAT, BT_SHAPE(12), x);
        if (bt_op_find(ops[i])->infer == bt_infer_broadcast) op_input(BERTH_FLOAT, BT_SHAPE(12), y);
        bt_set_type(&op_graph, 0, "T", BERTH_FLOAT);
        gpu_agrees(1e-6);
        op_end();
    }
}

/* Integers that cannot be divided, or raised, are the step's fault. */
static void test_checked(void)
{
    static const char *const ops[] = {"Div", "TruncateDiv", "FloorDiv", "FloorMod", "Pow"};
    const int32_t x[] = {1, 2, INT32_MIN}, good[] = {1, 2, -1}, none[] = {1, 0, -1};
    for (int i = 0; i < 10; i++) {
        bool bad = i % 2;
        op_begin(ops[i / 2]);
        op_input(BERTH_INT32, BT_SHAPE(3), x);
        op_input(BERTH_INT32, BT_SHAPE(3), bad ? none : good);
        bt_set_type(&op_graph, 0, "T", BERTH_INT32);
        if (bad || i / 2 == 4) gpu_both_fail();
        else gpu_agrees(0);
        op_end();
    }
}

static void test_select(void)
{
    for (int round = 0; round < GPU_DTYPES; round++) {
        bt_shape whole = {.rank = (int)check_int(0, 4)};
        for (int i = 0; i < whole.rank; i++) whole.dim[i] = check_int(1, 9);
        berth_dtype dtype = gpu_dtypes[round];
        void *x[3];
        op_begin("SelectV2");
        x[0] = set_input(BERTH_BOOL, narrowed(&whole), 0, 1);
        for (int k = 1; k < 3; k++) x[k] = set_input(dtype, narrowed(&whole), -9, 9);
        gpu_agrees(0);
        op_end();
        for (int k = 0; k < 3; k++) bt_free(x[k]);
    }
    for (int round = 0; round < 2; round++) {
        void *x[3];
        op_begin(round ? "Select" : "ClipByValue");
        x[0] =
            round ? set_input(BERTH_BOOL, BT_SHAPE(3), 0, 1) : set_input(BERTH_FLOAT, BT_SHAPE(3, 5), -9, 9);
        x[1] = set_input(BERTH_FLOAT, round ? BT_SHAPE(3, 5) : BT_SCALAR, -4, -1);
        x[2] = set_input(BERTH_FLOAT, BT_SHAPE(3, 5), 1, 4);
        bt_set_type(&op_graph, 0, "T", BERTH_FLOAT);
        gpu_agrees(0);
        op_end();
        for (int k = 0; k < 3; k++) bt_free(x[k]);
    }
}

static void test_bias(void)
{
    for (int first = 0; first < 2; first++) {
        op_begin("BiasAdd");
        bt_set_string(&op_graph, 0, "data_format", first ? "NCHW" : "NHWC");
        bt_set_type(&op_graph, 0, "T", BERTH_FLOAT);
        void *x = set_input(BERTH_FLOAT, BT_SHAPE(2, 6, 5, 6), -1, 1),
             *b = set_input(BERTH_FLOAT, BT_SHAPE(6), -1, 1);
        gpu_agrees(0);
        op_end();
        bt_free(x);
        bt_free(b);
    }
}

/* Values that fit, and floats that do not. */
static void test_cast(void)
{
    const float odd[] = {NAN,   INFINITY, -INFINITY, 3e9f, -3e9f, 300, -300,
                         70000, 1e20f,    -1e20f,    1.5f, -0.5f, 5e9f};
    for (int round = 0; round < 24; round++) {
        berth_dtype from = round < GPU_DTYPES ? BERTH_FLOAT : gpu_dtypes[check_int(0, GPU_DTYPES - 1)],
                    to = gpu_dtypes[round < GPU_DTYPES ? round : check_int(0, GPU_DTYPES - 1)];
        int64_t n = round % 4 ? check_int(0, 300) : 13;
        void *x = gpu_random(from, n, -100, 100);
        if (from == BERTH_FLOAT && n == 13) memcpy(x, odd, sizeof odd);
        op_begin("Cast");
        op_input(from, BT_SHAPE(n), x);
        bt_set_type(&op_graph, 0, "SrcT", from);
        bt_set_type(&op_graph, 0, "DstT", to);
        bt_set_bool(&op_graph, 0, "Truncate", check_int(0, 1));
        gpu_agrees(0);
        op_end();
        bt_free(x);
    }
}

static void test_bitcast(void)
{
    op_begin("Bitcast");
    void *x = set_input(BERTH_FLOAT, BT_SHAPE(3, 5), -9, 9);
    bt_set_type(&op_graph, 0, "T", BERTH_FLOAT);
    bt_set_type(&op_graph, 0, "type", BERTH_UINT16);
    gpu_agrees(0);
    op_end();
    bt_free(x);
}

static void test_sums(void)
{
    for (int round = 0; round < 2 * GPU_DTYPES; round++) {
        berth_dtype dtype = gpu_dtypes[round / 2];
        int n = (int)check_int(1, 5);
        bt_shape shape = BT_SHAPE(check_int(0, 5), check_int(1, 99));
        void *x[5];
        if (dtype == BERTH_BOOL) continue;
        op_begin(round % 2 ? "AddN" : "AccumulateNV2");
        for (int k = 0; k < n; k++) x[k] = set_input(dtype, shape, -9, 9);
        bt_set_type(&op_graph, 0, "T", dtype);
        gpu_agrees(gpu_ulp(dtype));
        op_end();
        for (int k = 0; k < n; k++) bt_free(x[k]);
    }
}

/* All sets of what can be found, and nothing of it. */
static void test_check_numerics(void)
{
    const float found[] = {1, NAN, INFINITY, -INFINITY};
    for (int round = 0; round < 16; round++) {
        float x[4] = {1, 2, 3, 4};
        for (int bit = 0; bit < 3; bit++) x[bit] = found[round >> bit & 1 ? bit + 1 : 0];
        op_begin(round & 8 ? "CheckNumericsV2" : "CheckNumerics");
        op_input(BERTH_FLOAT, BT_SHAPE(4), x);
        bt_set_type(&op_graph, 0, "T", BERTH_FLOAT);
        bt_set_string(&op_graph, 0, "message", "100%d sure");
        if (round & 7) gpu_both_fail();
        else gpu_agrees(0);
        op_end();
    }
}

int main(void)
{
    if (!gpu_open()) return 0;
    test_all();
    test_special();
    test_checked();
    test_select();
    test_bias();
    test_cast();
    test_bitcast();
    test_sums();
    test_check_numerics();
    gpu_close();
    return check_done();
}
