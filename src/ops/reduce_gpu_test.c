/* Reductions, softmax and norms on a device against the CPU. */
#include "gpu_trial.h"

static const berth_dtype dtypes[] = {BERTH_FLOAT, BERTH_HALF, BERTH_BFLOAT16, BERTH_INT32, BERTH_INT64, BERTH_BOOL};

static void test_reduce(const char *name, berth_dtype dtype)
{
    const bt_op *op = bt_op_find(name);
    if (!CHECK(op) || !(op->gpu_types >> dtype & 1)) return;
    bt_shape s = {.rank = (int)check_int(0, 5)};
    int32_t axes[5];
    int n = 0;
    for (int i = 0; i < s.rank; i++) {
        s.dim[i] = check_int(0, 15) ? check_int(1, 6) : 0;
        if (check_int(0, 1)) axes[n++] = i;
    }
    if (check_int(0, 3) == 0 && s.rank > 0) s.dim[s.rank - 1] = 700;
    void *x = gpu_random(dtype, bt_shape_count(&s), -2, 2);
    op_begin(name);
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_bool(&op_graph, 0, "keep_dims", check_int(0, 1));
    op_input(dtype, s, x);
    op_input(BERTH_INT32, BT_SHAPE(n), axes);
    gpu_agrees(20 * gpu_ulp(dtype));
    op_end();
    bt_free(x);
}

static void test_rows(const char *name, berth_dtype dtype)
{
    bt_shape s = {.rank = (int)check_int(1, 3)};
    for (int i = 0; i < s.rank; i++) s.dim[i] = check_int(1, 40);
    void *x = gpu_random(dtype, bt_shape_count(&s), -9, 9);
    op_begin(name);
    bt_set_type(&op_graph, 0, "T", dtype);
    op_input(dtype, s, x);
    gpu_agrees(8 * gpu_ulp(dtype));
    op_end();
    bt_free(x);
}

static void test_layer_norm(void)
{
    int64_t n = check_int(1, 300);
    void *x = gpu_random(BERTH_FLOAT, 7 * n, -9, 9), *gamma = gpu_random(BERTH_FLOAT, n, -2, 2),
         *beta = gpu_random(BERTH_FLOAT, n, -2, 2);
    op_begin("_LayerNorm");
    op_input(BERTH_FLOAT, BT_SHAPE(7, n), x);
    op_input(BERTH_FLOAT, BT_SHAPE(n), gamma);
    op_input(BERTH_FLOAT, BT_SHAPE(n), beta);
    gpu_agrees(2e-5);
    op_end();
    bt_free(x);
    bt_free(gamma);
    bt_free(beta);
}

static void test_batch_norm(berth_dtype dtype, bool first)
{
    void *x = gpu_random(dtype, 2 * 3 * 4 * 5, -9, 9), *of[4];
    op_begin("FusedBatchNormV3");
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_type(&op_graph, 0, "U", BERTH_FLOAT);
    bt_set_bool(&op_graph, 0, "is_training", false);
    bt_set_string(&op_graph, 0, "data_format", first ? "NCHW" : "NHWC");
    op_input(dtype, first ? BT_SHAPE(2, 5, 3, 4) : BT_SHAPE(2, 3, 4, 5), x);
    for (int i = 0; i < 4; i++) op_input(BERTH_FLOAT, BT_SHAPE(5), of[i] = gpu_random(BERTH_FLOAT, 5, 0.1, 2));
    bt_tensor out[6];
    gpu_n_blocks = 0;
    if (CHECK_EQ(op_run(), BERTH_OK) && CHECK_EQ(gpu_run(out, 6, 0), BERTH_OK))
        for (int i = 0; i < 5; i++) CHECK(gpu_same(i, &out[i], 8 * gpu_ulp(dtype)));
    while (gpu_n_blocks > 0) {
        gpu_n_blocks--;
        bt_device_free(gpu, gpu_blocks[gpu_n_blocks].p, gpu_blocks[gpu_n_blocks].bytes);
    }
    op_end();
    bt_free(x);
    for (int i = 0; i < 4; i++) bt_free(of[i]);
}

int main(void)
{
    static const char *const ops[] = {"Sum", "Mean", "Prod", "Max", "Min", "EuclideanNorm", "All", "Any"};
    if (!gpu_open()) return 0;
    for (int round = 0; round < 4; round++)
        for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
            for (size_t d = 0; d < sizeof dtypes / sizeof dtypes[0]; d++) test_reduce(ops[i], dtypes[d]);
    for (int d = 0; d < 3; d++) {
        test_rows("Softmax", dtypes[d]);
        test_rows("LogSoftmax", dtypes[d]);
        test_batch_norm(dtypes[d], d % 2);
    }
    test_batch_norm(BERTH_FLOAT, true);
    for (int round = 0; round < 3; round++) test_layer_norm();
    gpu_close();
    return check_done();
}
