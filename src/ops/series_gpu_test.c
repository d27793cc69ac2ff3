/* Running sums, random numbers, fake quantisation, rows by segment, and tensors made from a few numbers, on a device against
 * the CPU. */
#include "ops/move.h"

#include "gpu_trial.h"

/* Half and bfloat16 round at every step, which a GPU takes in another order: small integers are exact. */
static void test_scan(const char *name, berth_dtype dtype)
{
    bt_shape s = BT_SHAPE(check_int(0, 4), check_int(1, 40), check_int(1, 3));
    bool narrow = dtype == BERTH_HALF || dtype == BERTH_BFLOAT16, log_ = !strcmp(name, "CumulativeLogsumexp");
    int32_t axis = (int32_t)check_int(-3, 2);
    double most = bt_dtype_is_complex(dtype) ? 0.9 : 2;
    int64_t n = bt_shape_count(&s);
    void *x = gpu_random(dtype, n, -most, most);
    for (int64_t i = 0; narrow && i < n; i++)
        ((uint16_t *)x)[i] = dtype == BERTH_HALF ? bt_float_to_half((float)check_int(-1, 1))
                                                 : bt_float_to_bf16((float)check_int(-1, 1));
    op_begin(name);
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_bool(&op_graph, 0, "exclusive", check_int(0, 1));
    bt_set_bool(&op_graph, 0, "reverse", check_int(0, 1));
    op_input(dtype, s, x);
    op_input(BERTH_INT32, BT_SCALAR, &axis);
    gpu_agrees((log_ && narrow ? 60 : 20) * gpu_ulp(dtype));
    op_end();
    bt_free(x);
}

static void test_random(const char *name, berth_dtype dtype, bool bounded)
{
    const int32_t shape[] = {(int32_t)check_int(0, 5), (int32_t)check_int(1, 77)};
    const int64_t seed[] = {check_int(0, 1000), check_int(-9, 9)}, low = 3, high = 1003;
    op_begin(name);
    bt_set_type(&op_graph, 0, "dtype", dtype);
    op_input(BERTH_INT32, BT_SHAPE(2), shape);
    op_input(BERTH_INT64, BT_SHAPE(2), seed);
    if (bounded) op_input(dtype, BT_SCALAR, &low), op_input(dtype, BT_SCALAR, &high);
    gpu_agrees(4 * gpu_ulp(dtype));
    op_end();
}

static void test_fake(const char *kind, int n_ranges)
{
    char name[64];
    snprintf(name, sizeof name, "FakeQuantWithMinMax%s", kind);
    const float min[] = {-1, 0, -3, 0.5f}, max[] = {2, 0, 3, 4};
    void *x = gpu_random(BERTH_FLOAT, 5 * 7 * 4, -4, 4);
    op_begin(name);
    bt_set_int(&op_graph, 0, "num_bits", check_int(2, 16));
    bt_set_bool(&op_graph, 0, "narrow_range", check_int(0, 1));
    op_input(BERTH_FLOAT, BT_SHAPE(5, 7, 4), x);
    if (n_ranges) {
        op_input(BERTH_FLOAT, n_ranges > 1 ? BT_SHAPE(4) : BT_SCALAR, min);
        op_input(BERTH_FLOAT, n_ranges > 1 ? BT_SHAPE(4) : BT_SCALAR, max);
    }
    gpu_agrees(1e-6);
    op_end();
    bt_free(x);
}

static void test_back(const char *version, berth_dtype dtype)
{
    char name[40];
    bool first = !*version, third = !strcmp(version, "V3"), given = check_int(0, 1), each = third && check_int(0, 1);
    const int32_t bits = (int32_t)check_int(2, 9);
    void *x = gpu_random(dtype, 5 * 4 * 3, -3, 5), *low = gpu_random(dtype, 4, -3, -1), *high = gpu_random(dtype, 4, 0, 4);
    snprintf(name, sizeof name, "QuantizeAndDequantize%s", version);
    op_begin(name);
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_int(&op_graph, 0, "num_bits", bits);
    bt_set_bool(&op_graph, 0, "signed_input", check_int(0, 1));
    bt_set_bool(&op_graph, 0, "narrow_range", check_int(0, 1));
    bt_set_bool(&op_graph, 0, "range_given", given);
    bt_set_float(&op_graph, 0, "input_min", -2), bt_set_float(&op_graph, 0, "input_max", 3);
    bt_set_string(&op_graph, 0, "round_mode", check_int(0, 1) ? "HALF_UP" : "HALF_TO_EVEN");
    if (!first) bt_set_int(&op_graph, 0, "axis", each ? 1 : -1);
    op_input(dtype, BT_SHAPE(5, 4, 3), x);
    if (!first) op_input(dtype, each ? BT_SHAPE(4) : BT_SCALAR, low), op_input(dtype, each ? BT_SHAPE(4) : BT_SCALAR, high);
    if (third) op_input(BERTH_INT32, BT_SCALAR, &bits);
    gpu_agrees(4 * gpu_ulp(dtype));
    op_end();
    bt_free(x), bt_free(low), bt_free(high);
}

static void test_range(berth_dtype dtype)
{
    uint64_t numbers[3];
    for (int i = 0; i < 3; i++) bt_put_number(dtype, &numbers[i], i == 0 ? 3 : i == 1 ? 40 : 2);
    op_begin("Range");
    bt_set_type(&op_graph, 0, "Tidx", dtype);
    for (int i = 0; i < 3; i++) op_input(dtype, BT_SCALAR, &numbers[i]);
    gpu_agrees(0);
    op_end();
}

/* broken: the last id, or index, is one that cannot be. */
static void test_segment(const char *name, berth_dtype dtype, bool broken)
{
    bool unsorted = bt_starts(name, "Unsorted"), sparse = bt_starts(name, "Sparse");
    int64_t n = check_int(1, 40), row = check_int(1, 5), ids[40], rows[40], id = 0;
    const int32_t some = 25;
    int32_t narrow[40];
    void *x = gpu_random(dtype, n * row, -2, 2);
    for (int64_t i = 0; i < n; i++) {
        id += check_int(0, 2) == 0;
        ids[i] = unsorted ? check_int(-1, 24) : id < 24 ? id : 24;
        rows[i] = check_int(0, n - 1);
        if (broken && i == n - 1) *(sparse ? &rows[i] : &ids[i]) = unsorted ? 25 : sparse ? n : -1;
        narrow[i] = (int32_t)ids[i];
    }
    op_begin(name);
    bt_set_type(&op_graph, 0, "T", dtype);
    op_input(dtype, BT_SHAPE(n, row), x);
    if (sparse) op_input(BERTH_INT64, BT_SHAPE(n), rows);
    if (check_int(0, 1)) op_input(BERTH_INT64, BT_SHAPE(n), ids);
    else op_input(BERTH_INT32, BT_SHAPE(n), narrow);
    if (unsorted || bt_ends(name, "Segments")) op_input(BERTH_INT32, BT_SCALAR, &some);
    if (!broken) gpu_agrees(8 * gpu_ulp(dtype));
    else gpu_both_fail();
    op_end();
    bt_free(x);
}

int main(void)
{
    const berth_dtype integers[] = {BERTH_INT32, BERTH_INT64, BERTH_UINT32, BERTH_UINT64};
    if (!gpu_open()) return 0;
    for (int d = 0; d < GPU_DTYPES; d++) {
        berth_dtype dtype = gpu_dtypes[d];
        if (dtype == BERTH_BOOL) continue;
        if (!bt_dtype_is_complex(dtype)) test_range(dtype);
        test_scan("Cumsum", dtype);
        test_scan("Cumprod", dtype);
        if (bt_dtype_is_float(dtype)) test_scan("CumulativeLogsumexp", dtype);
    }
    for (int d = 0; d < 4; d++) {
        test_random("StatelessRandomUniform", gpu_dtypes[d], false);
        test_random("StatelessRandomNormal", gpu_dtypes[d], false);
        test_random("StatelessTruncatedNormal", gpu_dtypes[d], false);
        test_random("StatelessRandomUniformInt", integers[d], true);
        test_random("StatelessRandomUniformFullInt", integers[d], false);
    }
    for (int round = 0; round < 3; round++) {
        test_fake("Args", 0);
        test_fake("Vars", 1);
        test_fake("VarsPerChannel", 4);
        for (int d = 0; d < 4; d++) {
            test_back("", gpu_dtypes[d]), test_back("V2", gpu_dtypes[d]);
            test_back("V3", gpu_dtypes[d]), test_back("V4", gpu_dtypes[d]);
        }
    }
    static const char *const ops[] = {"SegmentSum",
                                      "SegmentMean",
                                      "SegmentProd",
                                      "SegmentMin",
                                      "SegmentMax",
                                      "UnsortedSegmentSum",
                                      "UnsortedSegmentProd",
                                      "UnsortedSegmentMin",
                                      "UnsortedSegmentMax",
                                      "SparseSegmentSum",
                                      "SparseSegmentMean",
                                      "SparseSegmentSqrtN",
                                      "SparseSegmentSumWithNumSegments"};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        for (int round = 0; round < 4; round++) {
            berth_dtype dtype = gpu_dtypes[round < 2 ? round : check_int(0, GPU_DTYPES - 1)];
            const bt_op *op = bt_op_find(ops[i]);
            if (CHECK(op) && op->gpu_types >> dtype & 1) test_segment(ops[i], dtype, false);
        }
    test_segment("UnsortedSegmentSum", BERTH_FLOAT, true);
    test_segment("SparseSegmentSum", BERTH_FLOAT, true);
    gpu_close();
    return check_done();
}
