/* Elementwise ops on a device against the CPU: every op that has a kernel, float and one other dtype, random broadcasts. */
#include "gpu_trial.h"

static const berth_dtype dtypes[] = {BERTH_FLOAT, BERTH_HALF,  BERTH_BFLOAT16,
                                     BERTH_INT32, BERTH_INT64, BERTH_BOOL};

/* A shape that broadcasts to `whole`: leading dimensions left out, others 1. */
static bt_shape narrowed(const bt_shape *whole)
{
    int drop = (int)check_int(0, whole->rank);
    bt_shape s = {.rank = whole->rank - drop};
    for (int i = 0; i < s.rank; i++) s.dim[i] = check_int(0, 2) ? whole->dim[drop + i] : 1;
    return s;
}

static bool takes(const bt_op *op, berth_dtype dtype) { return op && op->gpu && op->gpu_types >> dtype & 1; }

static void *set_input(berth_dtype dtype, bt_shape shape, double low, double high)
{
    void *x = gpu_random(dtype, bt_shape_count(&shape), low, high);
    op_input(dtype, shape, x);
    return x;
}

static void test_op(const char *name, int n_in, bool broadcasts, double low, double high)
{
    const bt_op *op = bt_op_find(name);
    berth_dtype chosen = dtypes[check_int(1, 5)];
    for (size_t d = 0; d < sizeof dtypes / sizeof dtypes[0]; d++) {
        if (takes(op, BERTH_FLOAT) && dtypes[d] != BERTH_FLOAT && dtypes[d] != chosen)
            continue; /* each takes a compiler's time */
        bt_shape whole = {.rank = (int)check_int(0, 5)};
        void *x[3];
        if (!CHECK(op) || !takes(op, dtypes[d])) continue;
        for (int i = 0; i < whole.rank; i++)
            whole.dim[i] = check_int(0, 12) ? check_int(1, 9) : check_int(0, 70);
        op_begin(name);
        for (int k = 0; k < n_in; k++)
            x[k] = set_input(dtypes[d], broadcasts ? narrowed(&whole) : whole, low, high);
        bt_set_type(&op_graph, 0, "T", dtypes[d]);
        gpu_agrees(4 * gpu_ulp(dtypes[d]));
        op_end();
        for (int k = 0; k < n_in; k++) bt_free(x[k]);
    }
}

static void test_all(void)
{
    static const char *const unary[] = {
        "Exp",    "Tanh", "Sigmoid", "Expm1",     "Sin",       "Cos",   "Atan",     "Sinh",     "Cosh",
        "Asinh",  "Inv",  "Erf",     "Erfc",      "Ceil",      "Floor", "Rint",     "Round",    "Abs",
        "Neg",    "Sign", "Square",  "OnesLike",  "ZerosLike", "IsNan", "IsInf",    "IsFinite", "LogicalNot",
        "Invert", "Relu", "Relu6",   "LeakyRelu", "Elu",       "Selu",  "Softplus", "Softsign", "Reciprocal"};
    static const char *const positive[] = {"Log", "Sqrt", "Rsqrt", "Log1p"};
    static const char *const small[] = {"Asin", "Acos", "Atanh", "Tan"};
    static const char *const binary[] = {"Add",
                                         "AddV2",
                                         "Sub",
                                         "Mul",
                                         "Maximum",
                                         "Minimum",
                                         "SquaredDifference",
                                         "RealDiv",
                                         "Div",
                                         "TruncateDiv",
                                         "FloorDiv",
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
    test_op("Pow", 2, true, 0.1, 3);
    test_op("Xlogy", 2, true, 0.1, 3);
    test_op("Xlog1py", 2, true, 0.1, 3);
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

static void test_select(void)
{
    for (int round = 0; round < 12; round++) {
        bt_shape whole = {.rank = (int)check_int(0, 4)};
        for (int i = 0; i < whole.rank; i++) whole.dim[i] = check_int(1, 9);
        berth_dtype dtype = dtypes[round % 6];
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

int main(void)
{
    if (!gpu_open()) return 0;
    test_all();
    test_special();
    test_select();
    test_bias();
    gpu_close();
    return check_done();
}
