/* Rows picked and changed by index on a device against the CPU: repeated indices, empty tensors, indices out of range. */
#include "gpu_trial.h"

static const berth_dtype moves[] = {BERTH_HALF,  BERTH_BFLOAT16, BERTH_FLOAT,  BERTH_DOUBLE, BERTH_INT8,
                                    BERTH_INT16, BERTH_INT32,    BERTH_INT64,  BERTH_UINT8,  BERTH_UINT16,
                                    BERTH_UINT32, BERTH_UINT64,  BERTH_BOOL};
enum { N_MOVES = sizeof moves / sizeof *moves };

/* Vectors of indices below dim, of int32 or int64; a shape of one dimension is one of single indices. */
static void *take_indices(bt_shape shape, const int64_t *dim, bool wide)
{
    int64_t n = bt_shape_count(&shape), depth = shape.rank > 1 ? shape.dim[shape.rank - 1] : 1;
    char *p = bt_alloc((size_t)(n + 1) * 8);
    for (int64_t i = 0; i < n; i++) gpu_put(p, wide ? 8 : 4, i, check_int(0, (int)dim[i % depth] - 1));
    op_input(wide ? BERTH_INT64 : BERTH_INT32, shape, p);
    return p;
}

static void *take(berth_dtype dtype, bt_shape shape)
{
    void *p = gpu_random(dtype, bt_shape_count(&shape), 0, 10);
    op_input(dtype, shape, p);
    return p;
}

static void finish(void **p, int n, berth_dtype dtype)
{
    gpu_agrees(gpu_ulp(dtype) * 4);
    for (int i = 0; i < n; i++) bt_free(p[i]);
    op_end();
}

static void test_gather(berth_dtype dtype, bool wide)
{
    const int64_t dim[3] = {check_int(1, 5), check_int(1, 4), check_int(0, 9)};
    int64_t n = dim[2] ? check_int(0, 70) : 0; /* nothing is to be had of an empty tensor */
    op_begin("GatherNd");
    void *p[2] = {take(dtype, BT_SHAPE(dim[0], dim[1], dim[2])), take_indices(BT_SHAPE(n, 2), dim, wide)};
    finish(p, 2, dtype);
    int32_t axis = 1;
    op_begin("GatherV2");
    void *q[2] = {take(dtype, BT_SHAPE(dim[1], dim[0], dim[2])), take_indices(BT_SHAPE(check_int(0, 70), 1), dim, wide)};
    op_input(BERTH_INT32, BT_SCALAR, &axis);
    finish(q, 2, dtype);
}

static void test_scatter(const char *op, berth_dtype dtype, bool wide)
{
    const int64_t dim[3] = {check_int(1, 5), check_int(1, 4), check_int(0, 9)}, n = check_int(0, 60);
    bt_shape shape = BT_SHAPE(dim[0], dim[1], dim[2]);
    if (!bt_shape_count(&shape) && n) return;
    op_begin(op);
    void *p[3] = {NULL};
    if (!strcmp(op, "ScatterNd")) {
        p[0] = take_indices(BT_SHAPE(n, 2), dim, wide);
        p[1] = take(dtype, BT_SHAPE(n, dim[2]));
        op_input(BERTH_INT64, BT_SHAPE(3), dim);
    } else {
        p[0] = take(dtype, shape);
        p[1] = take_indices(BT_SHAPE(n, 2), dim, wide);
        p[2] = take(dtype, BT_SHAPE(n, dim[2]));
    }
    finish(p, 3, dtype);
}

/* Many updates of few rows: the lists are long, and the sums still come in order. */
static void test_crowd(void)
{
    const int64_t dim[1] = {3}, n = 5000;
    op_begin("TensorScatterAdd");
    void *p[3] = {take(BERTH_FLOAT, BT_SHAPE(3, 2)), take_indices(BT_SHAPE(n, 1), dim, false),
                  take(BERTH_FLOAT, BT_SHAPE(n, 2))};
    gpu_agrees(0);
    for (int i = 0; i < 3; i++) bt_free(p[i]);
    op_end();
}

static void test_inplace(const char *op, berth_dtype dtype)
{
    const int64_t rows = check_int(1, 5), row = check_int(1, 9), n = check_int(0, 9), around[1] = {40};
    op_begin(op);
    void *p[3] = {take(dtype, BT_SHAPE(rows, row)), take_indices(BT_SHAPE(n), around, false), take(dtype, BT_SHAPE(n, row))};
    int32_t *index = p[1];
    for (int64_t i = 0; i < n; i++) index[i] -= 20;
    finish(p, 3, dtype);
}

/* What is out of range is the CPU's error, unless it is to be ignored. */
static void test_bad(const char *op, const char *message)
{
    const float x[6] = {1, 2, 3, 4, 5, 6}, v[4] = {1, 2, 3, 4};
    const int32_t index[2] = {1, 3}, negative[2] = {1, -1}, axis = 0;
    for (int round = 0; round < 3; round++) {
        bool gathers = !strncmp(op, "Gather", 6), along = !strcmp(op, "GatherV2");
        op_begin(op);
        if (round == 2) bt_set_string(&op_graph, 0, "bad_indices_policy", "IGNORE");
        op_input(BERTH_FLOAT, BT_SHAPE(3, 2), x);
        op_input(BERTH_INT32, along ? BT_SHAPE(2) : BT_SHAPE(2, 1), round == 1 ? negative : index);
        if (along) op_input(BERTH_INT32, BT_SCALAR, &axis);
        if (!gathers) op_input(BERTH_FLOAT, BT_SHAPE(2, 2), v);
        if (round == 2 && !along) {
            gpu_agrees(0);
        } else {
            CHECK_EQ(op_run(), BERTH_BAD_INPUT);
            char want[600];
            snprintf(want, sizeof want, "node 'node' (%s): %s", op, op_error.message);
            CHECK(round || !strcmp(op_error.message, message));
            op_error = (berth_error){0};
            CHECK(gpu_fails(0, want));
        }
        op_end();
    }
}

static void test_where(berth_dtype dtype)
{
    op_begin("Where");
    gpu_input(dtype, BT_SHAPE(check_int(0, 30), check_int(0, 7), 3), 0, 2.5);
    gpu_agrees(0);
    op_end();
}

static void test_apart(berth_dtype dtype)
{
    int64_t n = check_int(0, 40), row = check_int(0, 5);
    op_begin("DynamicPartition");
    bt_set_int(&op_graph, 0, "num_partitions", 3);
    gpu_input(dtype, BT_SHAPE(n, 2, row), 0, 9);
    gpu_input(BERTH_INT32, BT_SHAPE(n, 2), 0, 3);
    gpu_agrees(0);
    op_end();
    op_begin("DynamicStitch");
    bt_set_int(&op_graph, 0, "N", 2);
    gpu_input(BERTH_INT32, BT_SHAPE(n), 0, 40);
    gpu_input(BERTH_INT32, BT_SHAPE(5, 2), 0, 40);
    gpu_input(dtype, BT_SHAPE(n, row), 0, 9);
    gpu_input(dtype, BT_SHAPE(5, 2, row), 0, 9);
    gpu_agrees(0);
    op_end();
}

int main(void)
{
    static const char *const sums[] = {"ScatterNd", "ScatterNdNonAliasingAdd", "TensorScatterAdd", "TensorScatterSub",
                                       "TensorScatterMin", "TensorScatterMax"};
    if (!gpu_open()) return 0;
    for (int i = 0; i < N_MOVES; i++) {
        test_gather(moves[i], i % 2);
        test_scatter("TensorScatterUpdate", moves[i], i % 2);
        test_inplace("InplaceUpdate", moves[i]);
        test_where(moves[i]);
        test_apart(moves[i]);
    }
    test_gather(BERTH_COMPLEX64, false);
    test_gather(BERTH_COMPLEX128, true);
    for (int i = 0; i < 6; i++) { /* a program a type and op: not all types */
        static const berth_dtype types[] = {BERTH_FLOAT, BERTH_HALF, BERTH_BFLOAT16, BERTH_DOUBLE, BERTH_INT32, BERTH_UINT8};
        for (int k = 0; k < 6; k++) test_scatter(sums[k], types[i], (i + k) % 2);
        test_inplace("InplaceAdd", types[i]);
        test_inplace("InplaceSub", types[i]);
    }
    test_scatter("ScatterNd", BERTH_BOOL, true);
    test_crowd();
    test_bad("GatherV2", "index 3 at 1 is not in [0, 3)");
    test_bad("GatherNd", "index 3 of row 1 is not in [0, 3)");
    test_bad("TensorScatterAdd", "index 3 of row 1 is not in [0, 3)");
    gpu_close();
    return check_done();
}
