/* Matrix products on a device against the CPU: transposed sides, broadcast batches, fused operations. */
#include "gpu_trial.h"

static const berth_dtype dtypes[] = {BERTH_FLOAT, BERTH_HALF, BERTH_BFLOAT16};
static void *input(berth_dtype dtype, bt_shape shape) { return gpu_input(dtype, shape, -1, 1); }

static void end(berth_dtype dtype)
{
    gpu_agrees(dtype == BERTH_FLOAT ? 1e-4 : 16 * gpu_ulp(dtype));
    op_end();
}

static bt_shape matrix(int64_t rows, int64_t columns, bool turned)
{
    return turned ? BT_SHAPE(columns, rows) : BT_SHAPE(rows, columns);
}

static void test_plain(int round)
{
    berth_dtype dtype = dtypes[round % 3];
    int64_t m = check_int(1, 140), n = check_int(1, 140), k = check_int(round ? 1 : 0, 90);
    bool ta = round & 1, tb = round & 2;
    op_begin("MatMul");
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_bool(&op_graph, 0, "transpose_a", ta);
    bt_set_bool(&op_graph, 0, "transpose_b", tb);
    input(dtype, matrix(m, k, ta));
    input(dtype, matrix(k, n, tb));
    end(dtype);
}

static void test_batch(int round)
{
    berth_dtype dtype = dtypes[round % 3];
    bt_shape a = BT_SHAPE(3, 1, 7, 20), b = BT_SHAPE(4, 20, 33);
    op_begin("BatchMatMulV2");
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_bool(&op_graph, 0, "adj_y", round & 1);
    if (round & 1) b = BT_SHAPE(4, 33, 20);
    if (round & 2) b = round & 1 ? BT_SHAPE(33, 20) : BT_SHAPE(20, 33);
    input(dtype, a);
    input(dtype, b);
    end(dtype);
}

static void test_fused(const char *activation)
{
    const char *ops[] = {"BiasAdd", activation};
    op_begin("_FusedMatMul");
    bt_set_type(&op_graph, 0, "T", BERTH_FLOAT);
    bt_set_strings(&op_graph, 0, "fused_ops", ops, 2);
    input(BERTH_FLOAT, BT_SHAPE(9, 40));
    input(BERTH_FLOAT, BT_SHAPE(40, 70));
    input(BERTH_FLOAT, BT_SHAPE(70));
    end(BERTH_FLOAT);
}

/* Large enough that a library splits the work as it likes; what is not a number stays so through a Relu. */
static void test_large(berth_dtype dtype, const char *activation, bool with_add, int64_t m, int64_t k, int64_t n)
{
    const char *ops[3];
    int n_ops = 0;
    ops[n_ops++] = "BiasAdd";
    if (with_add) ops[n_ops++] = "Add";
    if (activation) ops[n_ops++] = activation;
    op_begin("_FusedMatMul");
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_strings(&op_graph, 0, "fused_ops", ops, n_ops);
    void *left = input(dtype, BT_SHAPE(m, k));
    input(dtype, BT_SHAPE(k, n));
    input(dtype, BT_SHAPE(n));
    if (dtype == BERTH_FLOAT && m > 1) ((float *)left)[k + 1] = NAN;
    if (with_add) input(dtype, BT_SHAPE(m, n));
    gpu_agrees(dtype == BERTH_FLOAT ? 2e-4 : 32 * gpu_ulp(dtype));
    op_end();
}

static void test_many(berth_dtype dtype, bool turned)
{
    op_begin("BatchMatMulV2");
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_bool(&op_graph, 0, "adj_y", turned);
    input(dtype, BT_SHAPE(2, 12, 96, 64));
    input(dtype, turned ? BT_SHAPE(2, 12, 128, 64) : BT_SHAPE(2, 12, 64, 128));
    end(dtype);
}

/* Orders that need copies and none, a label twice, in one input alone, and an ellipsis that is broadcast. */
static void test_einsum(const char *equation, bt_shape a, bt_shape b)
{
    for (int i = 0; i < 3; i++) {
        op_begin("Einsum");
        bt_set_type(&op_graph, 0, "T", dtypes[i]);
        bt_set_string(&op_graph, 0, "equation", equation);
        input(dtypes[i], a);
        if (b.rank >= 0) input(dtypes[i], b);
        end(dtypes[i]);
    }
}

static void test_einsums(void)
{
    test_einsum("BTNH,BFNH->BNFT", BT_SHAPE(2, 5, 3, 8), BT_SHAPE(2, 7, 3, 8));
    test_einsum("BNFT,BTNH->BFNH", BT_SHAPE(2, 3, 7, 5), BT_SHAPE(2, 5, 3, 8));
    test_einsum("abc,cde->abde", BT_SHAPE(2, 9, 16), BT_SHAPE(16, 4, 8));
    test_einsum("aab,cb->ac", BT_SHAPE(4, 4, 3), BT_SHAPE(5, 3));
    test_einsum("abc,bd->ad", BT_SHAPE(3, 4, 40), BT_SHAPE(4, 6));
    test_einsum("...ij,...jk->...ik", BT_SHAPE(2, 1, 5, 6), BT_SHAPE(3, 6, 4));
    test_einsum("ab,b->aab", BT_SHAPE(4, 3), BT_SHAPE(3));
    test_einsum("ij->ji", BT_SHAPE(7, 33), BT_SHAPE_UNKNOWN);
    test_einsum("ij->i", BT_SHAPE(7, 33), BT_SHAPE_UNKNOWN);
    test_einsum("ab,cb->ac", BT_SHAPE(0, 3), BT_SHAPE(5, 3));
    test_einsum("ab,cb->ac", BT_SHAPE(2, 0), BT_SHAPE(5, 0));
}

int main(void)
{
    static const char *const activations[] = {"Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Sigmoid", "Tanh", "Softplus", "Swish",
                                              "HardSwish", "HardSigmoid", "Gelu", "GeluTanh"};
    if (!gpu_open()) return 0;
    for (int round = 0; round < 12; round++) {
        test_plain(round);
        test_batch(round);
    }
    for (size_t i = 0; i < sizeof activations / sizeof activations[0]; i++) test_fused(activations[i]);
    for (int i = 0; i < 3; i++) {
        test_large(dtypes[i], "Relu", false, 130, 700, 257);
        test_large(dtypes[i], NULL, false, 1, 1024, 512);
        test_large(dtypes[i], "Gelu", false, 64, 256, 512);
        test_many(dtypes[i], i & 1);
    }
    test_einsums();
    test_large(BERTH_FLOAT, "Relu", true, 130, 300, 256);
    test_large(BERTH_FLOAT, NULL, true, 64, 64, 64);
    gpu_close();
    return check_done();
}
