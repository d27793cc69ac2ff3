/* Non-maximum suppression on a device against the CPU: many boxes, equal scores, thresholds, all forms. */
#include "gpu_trial.h"

#include "ops/move.h"

/* Corners in any order; some boxes are empty, and many scores equal. */
static void add_boxes(berth_dtype dtype, bt_shape boxes, bt_shape scores)
{
    int64_t n = bt_shape_count(&boxes);
    char *box = gpu_input(dtype, boxes, 0, 1), *score;
    bt_tensor t = {.dtype = dtype, .shape = boxes, .data = box};
    for (int64_t i = 0; i + 3 < n; i += 4)
        for (int j = 0; j < 2; j++) /* not too large */
            bt_put_number(dtype, bt_at(dtype, box, i + 2 + j),
                          bt_tensor_number(&t, i + j) +
                              (check_int(0, 20) ? 0.3 * (bt_tensor_number(&t, i + 2 + j) - 0.5) : 0));
    score = gpu_input(dtype, scores, 0, 1);
    for (int64_t i = 0; i < bt_shape_count(&scores); i += 3)
        bt_put_number(dtype, bt_at(dtype, score, i), (double)check_int(0, 8) / 8);
}

static void add_number(berth_dtype dtype, double v)
{
    void *p = bt_arena_alloc_aligned(&op_arena, 8, 64);
    bt_put_number(dtype, p, v);
    op_input(dtype, BT_SCALAR, p);
}

static void test_single(int version, berth_dtype dtype, int64_t n, double soft)
{
    static const char *const names[] = {"",
                                        "NonMaxSuppression",
                                        "NonMaxSuppressionV2",
                                        "NonMaxSuppressionV3",
                                        "NonMaxSuppressionV4",
                                        "NonMaxSuppressionV5"};
    op_begin(names[version]);
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_type(&op_graph, 0, "T_threshold", BERTH_FLOAT);
    bt_set_float(&op_graph, 0, "iou_threshold", 0.3f);
    bt_set_bool(&op_graph, 0, "pad_to_max_output_size", check_int(0, 1));
    add_boxes(dtype, BT_SHAPE(n, 4), BT_SHAPE(n));
    add_number(BERTH_INT32, (double)check_int(0, 60));
    if (version >= 2) add_number(BERTH_FLOAT, 0.25 * (double)check_int(0, 4));
    if (version >= 3) add_number(BERTH_FLOAT, 0.25 * (double)check_int(0, 3));
    if (version >= 5) add_number(BERTH_FLOAT, soft);
    gpu_agrees(soft > 0 ? 4 * gpu_ulp(dtype) : 0);
    op_end();
}

static void test_matrix(int64_t n)
{
    op_begin("NonMaxSuppressionWithOverlaps");
    gpu_input(BERTH_FLOAT, BT_SHAPE(n, n), 0, 1);
    gpu_input(BERTH_FLOAT, BT_SHAPE(n), 0, 1);
    add_number(BERTH_INT32, (double)check_int(1, 40));
    add_number(BERTH_FLOAT, 0.9), add_number(BERTH_FLOAT, 0.1);
    gpu_agrees(0);
    op_end();
}

static void test_combined(int64_t batch, int64_t n, int64_t classes, bool shared, int64_t per_class,
                          int64_t total)
{
    op_begin("CombinedNonMaxSuppression");
    bt_set_bool(&op_graph, 0, "pad_per_class", check_int(0, 1));
    bt_set_bool(&op_graph, 0, "clip_boxes", check_int(0, 1));
    add_boxes(BERTH_FLOAT, BT_SHAPE(batch, n, shared ? 1 : classes, 4), BT_SHAPE(batch, n, classes));
    add_number(BERTH_INT32, (double)per_class), add_number(BERTH_INT32, (double)total);
    add_number(BERTH_FLOAT, 0.4), add_number(BERTH_FLOAT, 0.5 * (double)check_int(0, 1));
    gpu_agrees(0);
    op_end();
}

int main(void)
{
    if (!gpu_open()) return 0;
    for (int version = 1; version <= 5; version++) {
        berth_dtype dtype = version < 3 ? BERTH_FLOAT : gpu_dtypes[check_int(0, 1)];
        test_single(version, dtype, check_int(1, 400), 0);
        test_single(version, dtype, check_int(700, 1500), 0);
        test_single(version, dtype, 0, 0);
    }
    for (int i = 0; i < 4; i++) test_single(5, BERTH_FLOAT, check_int(1, 900), 0.5);
    test_single(5, BERTH_FLOAT, 0, 0.5);
    test_matrix(1), test_matrix(check_int(100, 300));
    for (int i = 0; i < 4; i++)
        test_combined(check_int(1, 3), check_int(1, 700), check_int(1, 7), i & 1, check_int(1, 30),
                      check_int(1, 90));
    test_combined(2, 0, 3, false, 4, 5), test_combined(2, 6, 0, true, 4, 5),
        test_combined(0, 6, 2, true, 4, 5);
    gpu_close();
    return check_done();
}
