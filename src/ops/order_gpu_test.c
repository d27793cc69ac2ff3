/* Largest elements, places among sorted numbers, and counts by value, on a device against the CPU. */
#include "ops/move.h"

#include "gpu_trial.h"

static void test_top(berth_dtype dtype, bt_shape shape, int32_t k, berth_dtype index)
{
    void *x = gpu_random(dtype, bt_shape_count(&shape), -20, 20); /* integers: many are equal */
    op_begin("TopKV2");
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_type(&op_graph, 0, "index_type", index);
    op_input(dtype, shape, x);
    op_input(BERTH_INT32, BT_SCALAR, &k);
    gpu_agrees(0);
    op_end();
    bt_free(x);
}

static void test_tops(void)
{
    static const float odd[] = {NAN, 1, -0.0f, 0, INFINITY, -INFINITY, 1, NAN};
    static const int32_t all = 8;
    for (int d = 0; d < GPU_DTYPES; d++) {
        berth_dtype dtype = gpu_dtypes[d];
        if (!(BT_REALS >> dtype & 1)) continue;
        test_top(dtype, BT_SHAPE(3, 2, check_int(5, 400)), (int32_t)check_int(0, 5), BERTH_INT32);
        test_top(dtype, BT_SHAPE(check_int(1, 3), check_int(60, 300)), (int32_t)check_int(30, 60), BERTH_INT64);
    }
    test_top(BERTH_FLOAT, BT_SHAPE(3000), 1000, BERTH_INT32);
    test_top(BERTH_FLOAT, BT_SHAPE(2, 3000), 7, BERTH_INT16);
    test_top(BERTH_FLOAT, BT_SHAPE(0, 3), 2, BERTH_INT32);
    op_begin("TopKV2");
    op_input(BERTH_FLOAT, BT_SHAPE(8), odd);
    op_input(BERTH_INT32, BT_SCALAR, &all);
    gpu_agrees(0);
    op_end();
}

static void test_bounds(const char *name, berth_dtype dtype)
{
    double rising[2 * 40];
    bt_shape sorted = BT_SHAPE(2, check_int(1, 40)), values = BT_SHAPE(2, 9);
    int64_t n = bt_shape_count(&sorted);
    size_t size = bt_dtype_size(dtype);
    void *x = gpu_random(dtype, n, 0, 30), *v = gpu_random(dtype, 18, -2, 33);
    bt_tensor t = {.dtype = dtype, .shape = sorted, .data = x};
    for (int64_t i = 0; i < n; i++) rising[i] = bt_tensor_number(&t, i);
    for (int64_t r = 0; r < 2; r++) /* sorted by insertion, bytes along */
        for (int64_t i = 1; i < n / 2; i++)
            for (int64_t j = r * n / 2 + i; j > r * n / 2 && rising[j - 1] > rising[j]; j--) {
                double number = rising[j];
                char bytes[8], *at = (char *)x + (size_t)j * size;
                rising[j] = rising[j - 1], rising[j - 1] = number;
                memcpy(bytes, at, size), memcpy(at, at - size, size), memcpy(at - size, bytes, size);
            }
    op_begin(name);
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_type(&op_graph, 0, "out_type", check_int(0, 1) ? BERTH_INT32 : BERTH_INT64);
    op_input(dtype, sorted, x);
    op_input(dtype, values, v);
    gpu_agrees(0);
    op_end();
    bt_free(x), bt_free(v);
}

static void test_unique(const char *name, berth_dtype dtype, int64_t n)
{
    static const int32_t none = 0;
    uint16_t *x = gpu_random(dtype, n, -9, 9); /* many are equal; of floats some */
    for (int64_t i = 0; bt_dtype_is_float(dtype) && i + 1 < n; i += (int64_t)check_int(1, 3)) {
        static const double odd[] = {NAN, -0.0, 0, INFINITY, 1, 2.5};
        bt_put_number(dtype, bt_at(dtype, x, i), odd[check_int(0, 5)]);
    }
    op_begin(name);
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_type(&op_graph, 0, "out_idx", check_int(0, 1) ? BERTH_INT32 : BERTH_INT64);
    op_input(dtype, BT_SHAPE(n), x);
    if (bt_ends(name, "V2")) op_input(BERTH_INT32, check_int(0, 1) ? BT_SHAPE(0) : BT_SHAPE(1), &none);
    gpu_agrees(0);
    op_end();
    bt_free(x);
}

/* Slices along an axis, many of them the same, and some in a part alone. */
static void test_unique_slices(const char *name, berth_dtype dtype)
{
    int32_t axis = (int32_t)check_int(-3, 2);
    bt_shape shape = BT_SHAPE(check_int(1, 30), check_int(1, 30), check_int(0, 3));
    int64_t n = bt_shape_count(&shape), span = bt_shape_span(&shape, (axis + 3) % 3 + 1, 3), size = shape.dim[(axis + 3) % 3];
    char *x = gpu_random(dtype, n + 1, 0, 2);
    size_t bytes = bt_dtype_size(dtype);
    for (int64_t i = 0; i < n; i++) /* as the slice three before it, but for one in forty */
        if (i / span % size >= 3 && check_int(0, 39)) memcpy(x + (size_t)i * bytes, x + (size_t)(i - 3 * span) * bytes, bytes);
    for (int64_t i = 0; bt_dtype_is_float(dtype) && i < n; i += (int64_t)check_int(1, 300)) {
        static const double odd[] = {NAN, -0.0, 0, INFINITY};
        bt_put_number(dtype, bt_at(dtype, x, i), odd[check_int(0, 3)]);
    }
    op_begin(name);
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_type(&op_graph, 0, "out_idx", check_int(0, 1) ? BERTH_INT32 : BERTH_INT64);
    op_input(dtype, shape, x);
    op_input(BERTH_INT32, BT_SHAPE(1), &axis);
    gpu_agrees(0);
    op_end();
    bt_free(x);
}

static void test_in_top(bool second, berth_dtype dtype)
{
    float x[5 * 7];
    const int64_t targets[] = {0, 6, 3, 7, 2}, k = 3;
    const int32_t narrow[] = {0, 6, 3, -1, 2}, three = 3;
    for (int i = 0; i < 35; i++) x[i] = (float)check_int(0, 6);
    x[30] = INFINITY;
    op_begin(second ? "InTopKV2" : "InTopK");
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_int(&op_graph, 0, "k", 3);
    op_input(BERTH_FLOAT, BT_SHAPE(5, 7), x);
    op_input(dtype, BT_SHAPE(5), dtype == BERTH_INT64 ? (const void *)targets : narrow);
    if (second) op_input(dtype, BT_SCALAR, dtype == BERTH_INT64 ? (const void *)&k : &three);
    gpu_agrees(0);
    op_end();
}

static void test_buckets(berth_dtype dtype)
{
    bt_attr_value bounds[] = {{.f = -3.5f}, {.f = 0}, {.f = 0}, {.f = 7}};
    void *x = gpu_random(dtype, 90, -5, 9);
    op_begin("Bucketize");
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_attr(&op_graph, 0, &(bt_attr){.name = "boundaries", .kind = BT_ATTR_FLOAT, .is_list = true, .n = 4, .list = bounds});
    op_input(dtype, BT_SHAPE(9, 10), x);
    gpu_agrees(0);
    op_end();
    bt_free(x);
}

static void test_histogram(berth_dtype dtype, berth_dtype counts)
{
    const int32_t bins = (int32_t)check_int(1, 12);
    void *x = gpu_random(dtype, 700, -4, 12), *range = bt_alloc(16);
    bt_put_number(dtype, range, -1), bt_put_number(dtype, bt_at(dtype, range, 1), 9);
    op_begin("HistogramFixedWidth");
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_type(&op_graph, 0, "dtype", counts);
    op_input(dtype, BT_SHAPE(700), x);
    op_input(dtype, BT_SHAPE(2), range);
    op_input(BERTH_INT32, BT_SCALAR, &bins);
    gpu_agrees(0);
    op_end();
    bt_free(x), bt_free(range);
}

static void test_bins(const char *name, berth_dtype counts, berth_dtype values, bool broken, bool weighted)
{
    const int32_t size = 7;
    const int64_t wide = 7;
    bt_shape shape = !strcmp(name, "Bincount") ? BT_SHAPE(60) : BT_SHAPE(6, 10);
    void *x = gpu_random(values, 60, 0, 9);
    if (broken) gpu_put((char *)x, bt_dtype_size(values), 59, -2);
    op_begin(name);
    bt_set_type(&op_graph, 0, "T", counts);
    bt_set_bool(&op_graph, 0, "binary_output", check_int(0, 1));
    op_input(values, shape, x);
    if (values == BERTH_INT64 && bt_starts(name, "Dense")) op_input(BERTH_INT64, BT_SCALAR, &wide);
    else op_input(BERTH_INT32, BT_SCALAR, &size);
    if (weighted) gpu_input(counts, shape, -3, 3);
    else op_input(counts, BT_SHAPE(0), &size);
    if (broken) gpu_both_fail();
    else gpu_agrees(0);
    op_end();
    bt_free(x);
}

static void test_sparse_bins(berth_dtype counts, berth_dtype values, int64_t columns, bool broken)
{
    int64_t index[2 * 80], n = check_int(1, 80), shape[] = {6, 90}, size = 7;
    const int32_t narrow = 7;
    for (int64_t i = 0; i < n; i++)
        index[columns * i] = check_int(0, 5), index[columns * i + columns - 1] = i;
    if (broken) index[columns * (n - 1)] = 6;
    op_begin("SparseBincount");
    bt_set_type(&op_graph, 0, "T", counts);
    bt_set_bool(&op_graph, 0, "binary_output", check_int(0, 3) == 0);
    op_input(BERTH_INT64, BT_SHAPE(n, columns), index);
    gpu_input(values, BT_SHAPE(n), 0, 9);
    op_input(BERTH_INT64, BT_SHAPE(columns), shape + 2 - columns);
    if (values == BERTH_INT64) op_input(BERTH_INT64, BT_SCALAR, &size);
    else op_input(BERTH_INT32, BT_SCALAR, &narrow);
    gpu_input(counts, check_int(0, 1) ? BT_SHAPE(n) : BT_SHAPE(0), -3, 3);
    if (broken) gpu_both_fail();
    else gpu_agrees(0);
    op_end();
}

static void test_tree(bool broken)
{
    int32_t ids[6 * 2 * 3], parents[6 * 2 * 3], lengths[2] = {4, 9};
    const int32_t end = 3;
    for (int i = 0; i < 36; i++) ids[i] = (int32_t)check_int(0, 9), parents[i] = broken ? 3 : (int32_t)check_int(0, 2);
    if (broken) lengths[0] = 0;
    op_begin("GatherTree");
    bt_set_type(&op_graph, 0, "T", BERTH_INT32);
    op_input(BERTH_INT32, BT_SHAPE(6, 2, 3), ids);
    op_input(BERTH_INT32, BT_SHAPE(6, 2, 3), parents);
    op_input(BERTH_INT32, BT_SHAPE(2), lengths);
    op_input(BERTH_INT32, BT_SCALAR, &end);
    if (broken) gpu_both_fail();
    else gpu_agrees(0);
    op_end();
}

/* Rising places of [rows, columns], one in three. */
static int64_t some_places(int64_t *places, int64_t rows, int64_t columns)
{
    int64_t n = 0;
    for (int64_t i = 0; i < rows * columns; i++)
        if (check_int(0, 2) == 0) places[2 * n] = i / columns, places[2 * n++ + 1] = i % columns;
    return n;
}

static void test_sparse_to_dense(berth_dtype dtype)
{
    int64_t places[2 * 60], n = some_places(places, 6, 10);
    const int64_t shape[] = {6, 10};
    void *values = gpu_random(dtype, n + 1, -9, 9);
    op_begin("SparseToDense");
    bt_set_type(&op_graph, 0, "T", dtype);
    op_input(BERTH_INT64, BT_SHAPE(n, 2), places);
    op_input(BERTH_INT64, BT_SHAPE(2), shape);
    op_input(dtype, check_int(0, 3) ? BT_SHAPE(n) : BT_SCALAR, values);
    op_input(dtype, BT_SCALAR, (const char *)values + (size_t)n * bt_dtype_size(dtype));
    gpu_agrees(0);
    op_end();
    bt_free(values);
}

/* The indices stay on the host, the values move. */
static void test_sparse_moves(berth_dtype dtype)
{
    int64_t places[2 * 60], n = some_places(places, 6, 10);
    const int64_t shape[] = {6, 10}, start[] = {1, 2}, size[] = {check_int(0, 4), 7};
    for (int64_t i = 0; i + 1 < n; i += 3) { /* in no order */
        int64_t was[2] = {places[2 * i], places[2 * i + 1]};
        memcpy(places + 2 * i, places + 2 * (n - 1), sizeof was),
            memcpy(places + 2 * (n - 1), was, sizeof was);
    }
    for (int op = 0; op < 3; op++) {
        op_begin(op == 0 ? "SparseReorder" : op == 1 ? "SparseSlice" : "SparseFillEmptyRows");
        bt_set_type(&op_graph, 0, "T", dtype);
        op_input(BERTH_INT64, BT_SHAPE(n, 2), places);
        gpu_input(dtype, BT_SHAPE(n), -9, 9);
        op_input(BERTH_INT64, BT_SHAPE(2), shape);
        if (op == 1) op_input(BERTH_INT64, BT_SHAPE(2), start), op_input(BERTH_INT64, BT_SHAPE(2), size);
        if (op == 2) gpu_input(dtype, BT_SCALAR, 1, 2);
        gpu_agrees(0);
        op_end();
    }
}

static void test_sparse_joins(berth_dtype dtype)
{
    int64_t places[2][2 * 60], n[2] = {some_places(places[0], 6, 10), some_places(places[1], 6, 10)}, axis;
    const int64_t shape[] = {6, 10}, empty[] = {0, 0};
    op_begin("SparseConcat");
    bt_set_type(&op_graph, 0, "T", dtype), bt_set_int(&op_graph, 0, "N", 3);
    bt_set_int(&op_graph, 0, "concat_dim", axis = check_int(0, 1));
    const int64_t none[] = {axis ? 6 : 0, axis ? 0 : 10};
    op_input(BERTH_INT64, BT_SHAPE(n[0], 2), places[0]);
    op_input(BERTH_INT64, BT_SHAPE(0, 2), empty);
    op_input(BERTH_INT64, BT_SHAPE(n[1], 2), places[1]);
    gpu_input(dtype, BT_SHAPE(n[0]), -9, 9);
    gpu_input(dtype, BT_SHAPE(0), -9, 9);
    gpu_input(dtype, BT_SHAPE(n[1]), -9, 9);
    op_input(BERTH_INT64, BT_SHAPE(2), shape);
    op_input(BERTH_INT64, BT_SHAPE(2), none);
    op_input(BERTH_INT64, BT_SHAPE(2), shape);
    gpu_agrees(0);
    op_end();
    op_begin("SparseSplit");
    bt_set_type(&op_graph, 0, "T", dtype), bt_set_int(&op_graph, 0, "num_split", 3);
    op_input(BERTH_INT64, BT_SCALAR, &axis);
    op_input(BERTH_INT64, BT_SHAPE(n[0], 2), places[0]);
    gpu_input(dtype, BT_SHAPE(n[0]), -9, 9);
    op_input(BERTH_INT64, BT_SHAPE(2), shape);
    gpu_agrees(0);
    op_end();
}

static void test_sparse_product(berth_dtype dtype)
{
    int64_t places[2 * 60], n = some_places(places, 6, 10), columns = check_int(0, 40);
    bool a = check_int(0, 1), b = check_int(0, 1);
    const int64_t shape[] = {6, 10}, inner = a ? 6 : 10;
    void *values = gpu_random(dtype, n, -2, 2), *right = gpu_random(dtype, inner * columns, -2, 2);
    for (int64_t i = 0; i + 1 < n; i += 2) /* in no order */
        for (int k = 0; k < 2; k++) {
            int64_t was = places[2 * i + k];
            places[2 * i + k] = places[2 * i + 2 + k], places[2 * i + 2 + k] = was;
        }
    op_begin("SparseTensorDenseMatMul");
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_bool(&op_graph, 0, "adjoint_a", a), bt_set_bool(&op_graph, 0, "adjoint_b", b);
    op_input(BERTH_INT64, BT_SHAPE(n, 2), places);
    op_input(dtype, BT_SHAPE(n), values);
    op_input(BERTH_INT64, BT_SHAPE(2), shape);
    op_input(dtype, b ? BT_SHAPE(columns, inner) : BT_SHAPE(inner, columns), right);
    gpu_agrees(8 * gpu_ulp(dtype));
    op_end();
    bt_free(values), bt_free(right);
}

int main(void)
{
    if (!gpu_open()) return 0;
    test_tops();
    for (int d = 0; d < GPU_DTYPES; d++) {
        berth_dtype dtype = gpu_dtypes[d];
        if (!(BT_REALS >> dtype & 1)) continue;
        test_bounds("LowerBound", dtype);
        test_bounds("UpperBound", dtype);
        test_buckets(dtype);
        test_unique(d & 1 ? "Unique" : "UniqueWithCounts", dtype, (int64_t)check_int(1, 1500));
        test_unique(d & 1 ? "UniqueWithCountsV2" : "UniqueV2", dtype, (int64_t)check_int(0, 60));
        for (int i = 0; i < 4; i++) test_unique_slices(i & 1 ? "UniqueV2" : "UniqueWithCountsV2", dtype);
        if (!(BT_UNSIGNED >> dtype & 1)) test_histogram(dtype, d & 1 ? BERTH_INT32 : BERTH_INT64);
    }
    static const berth_dtype counts[] = {BERTH_INT32, BERTH_INT64, BERTH_FLOAT, BERTH_DOUBLE};
    static const berth_dtype sums[] = {BERTH_FLOAT, BERTH_DOUBLE, BERTH_HALF, BERTH_BFLOAT16, BERTH_INT32, BERTH_INT64};
    for (int i = 0; i < 4; i++) {
        for (int weighted = 0; weighted < 2; weighted++) {
            test_bins("Bincount", counts[i], BERTH_INT32, i == 3, weighted);
            test_bins("DenseBincount", counts[i], BERTH_INT64, i == 3, weighted);
            test_bins("DenseBincount", counts[i], BERTH_INT32, i == 2, weighted);
            test_sparse_bins(counts[i], weighted ? BERTH_INT32 : BERTH_INT64, 1 + weighted,
                             weighted && i == 1);
        }
    }
    test_tree(false), test_tree(true);
    for (int d = 0; d < GPU_DTYPES; d++) test_sparse_moves(gpu_dtypes[d]), test_sparse_joins(gpu_dtypes[d]);
    for (int i = 0; i < 6; i++) test_sparse_to_dense(sums[i]), test_sparse_product(sums[i]), test_sparse_product(sums[i]);
    for (int i = 0; i < 4; i++) test_in_top(i & 1, i & 2 ? BERTH_INT32 : BERTH_INT64);
    gpu_close();
    return check_done();
}
