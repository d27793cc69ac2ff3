/* Reductions, softmax, cross entropies and norms on a device against the CPU. */
#include "gpu_trial.h"

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
    double most = bt_dtype_is_complex(dtype) ? 0.8 : 2; /* so that no product overflows */
    void *x = gpu_random(dtype, bt_shape_count(&s), -most, most);
    op_begin(name);
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_bool(&op_graph, 0, "keep_dims", check_int(0, 1));
    op_input(dtype, s, x);
    op_input(BERTH_INT32, BT_SHAPE(n), axes);
    /* Sums in another order differ by roundings of what the magnitudes add up to, however small the result is. */
    double terms = 1, rounding = gpu_ulp(dtype) / 16;
    for (int i = 0; i < n; i++) terms *= (double)s.dim[axes[i]];
    gpu_agrees(fmax(20 * gpu_ulp(dtype), strcmp(name, "Sum") ? 0 : rounding * terms * most / 2));
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
    for (int i = 0; i < 4; i++)
        op_input(BERTH_FLOAT, BT_SHAPE(5), of[i] = gpu_random(BERTH_FLOAT, 5, 0.1, 2));
    bt_tensor out[6];
    gpu_n_blocks = 0;
    if (CHECK_EQ(op_run(), BERTH_OK) && CHECK_EQ(gpu_run(out, 6, 0), BERTH_OK))
        for (int i = 0; i < 5; i++) CHECK(gpu_same(i, &out[i], 8 * gpu_ulp(dtype)));
    gpu_drop();
    op_end();
    bt_free(x);
    for (int i = 0; i < 4; i++) bt_free(of[i]);
}

static void test_l2_loss(berth_dtype dtype)
{
    int64_t n = check_int(0, 1) ? check_int(0, 5) : check_int(0, 3000);
    void *x = gpu_random(dtype, n, -0.1, 0.1);
    op_begin("L2Loss");
    bt_set_type(&op_graph, 0, "T", dtype);
    op_input(dtype, BT_SHAPE(n), x);
    gpu_agrees(20 * gpu_ulp(dtype));
    op_end();
    bt_free(x);
}

/* labels: -1: one a row, out of range; 0: one a row; else a shape that broadcasts. */
static void test_entropy(berth_dtype dtype, int labels)
{
    int64_t rows = check_int(1, 9), n = check_int(1, 70);
    void *x = gpu_random(dtype, rows * n, -5, 5), *of = gpu_random(dtype, rows * n, 0, 1);
    int64_t classes[9];
    for (int64_t i = 0; i < rows; i++) classes[i] = labels < 0 && i == rows - 1 ? n : check_int(0, n - 1);
    op_begin(labels > 0 ? "SoftmaxCrossEntropyWithLogits" : "SparseSoftmaxCrossEntropyWithLogits");
    bt_set_type(&op_graph, 0, "T", dtype);
    op_input(dtype, BT_SHAPE(rows, n), x);
    if (labels > 0)
        op_input(dtype, labels == 1 ? BT_SHAPE(rows, n) : labels == 2 ? BT_SHAPE(1, n) : BT_SHAPE(n), of);
    else op_input(BERTH_INT64, BT_SHAPE(rows), classes);
    if (labels < 0) gpu_both_fail();
    else gpu_agrees(20 * gpu_ulp(dtype));
    op_end();
    bt_free(x);
    bt_free(of);
}

static void test_arg(const char *name, berth_dtype dtype)
{
    const berth_dtype indices[] = {BERTH_INT32, BERTH_INT64, BERTH_UINT16};
    bt_shape s = BT_SHAPE(check_int(0, 3), check_int(1, 90), check_int(1, 4));
    const int32_t axis = (int32_t)check_int(0, 1) ? 1 : -1;
    const float worst[] = {NAN, -INFINITY, NAN};
    void *x = gpu_random(dtype, bt_shape_count(&s), -9, 9);
    op_begin(name);
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_type(&op_graph, 0, "output_type", indices[check_int(0, 2)]);
    if (dtype == BERTH_FLOAT && check_int(0, 1)) op_input(dtype, BT_SHAPE(1, 1, 3), worst);
    else op_input(dtype, s, x);
    op_input(BERTH_INT32, BT_SCALAR, &axis);
    gpu_agrees(0);
    op_end();
    bt_free(x);
}

static void test_global_norm(bool scaled)
{
    void *x = gpu_random(BERTH_FLOAT, 2 * 3 * 4 * 5, -2, 2), *vector = gpu_random(BERTH_FLOAT, 5, 0.1, 2);
    op_begin("BatchNormWithGlobalNormalization");
    bt_set_type(&op_graph, 0, "T", BERTH_FLOAT);
    bt_set_bool(&op_graph, 0, "scale_after_normalization", scaled);
    bt_set_float(&op_graph, 0, "variance_epsilon", 1e-3f);
    op_input(BERTH_FLOAT, BT_SHAPE(2, 3, 4, 5), x);
    for (int i = 0; i < 4; i++) op_input(BERTH_FLOAT, BT_SHAPE(5), vector);
    gpu_agrees(1e-5);
    op_end();
    bt_free(x), bt_free(vector);
}

int main(void)
{
    static const char *const ops[] = {"Sum", "Mean", "Prod", "Max", "Min", "EuclideanNorm", "All", "Any"};
    if (!gpu_open()) return 0;
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        for (int d = 0; d < GPU_DTYPES; d++)
            for (int round = 0; round < 3; round++) test_reduce(ops[i], gpu_dtypes[d]);
    for (int d = 0; d < 4; d++) {
        test_rows("Softmax", gpu_dtypes[d]);
        test_rows("LogSoftmax", gpu_dtypes[d]);
        test_l2_loss(gpu_dtypes[d]);
        for (int labels = -1; labels < 4; labels++) test_entropy(gpu_dtypes[d], labels);
        if (gpu_dtypes[d] != BERTH_DOUBLE) test_batch_norm(gpu_dtypes[d], d % 2);
    }
    for (int d = 0; d < GPU_DTYPES; d++)
        if (!bt_dtype_is_complex(gpu_dtypes[d])) test_arg(d % 2 ? "ArgMax" : "ArgMin", gpu_dtypes[d]);
    test_arg("ArgMax", BERTH_FLOAT);
    test_batch_norm(BERTH_FLOAT, true);
    for (int round = 0; round < 3; round++) test_layer_norm();
    test_global_norm(false), test_global_norm(true);
    gpu_close();
    return check_done();
}
