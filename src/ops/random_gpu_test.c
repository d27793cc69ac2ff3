/* Categories and gamma numbers drawn on a device against those of the CPU: from equal seeds come equal numbers. */
#include "gpu_trial.h"

#include "ops/move.h"

static void test_categories(berth_dtype dtype, berth_dtype drawn, int64_t batch, int64_t classes,
                            int32_t samples)
{
    static const int64_t seed[] = {12, 34};
    op_begin("StatelessMultinomial");
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_type(&op_graph, 0, "output_dtype", drawn);
    char *logits = gpu_input(dtype, BT_SHAPE(batch, classes), -3, 3);
    for (int64_t i = 0; bt_dtype_is_float(dtype) && i < batch * classes; i += 5)
        bt_put_number(dtype, bt_at(dtype, logits, i), i % 10 ? -INFINITY : NAN);
    op_input(BERTH_INT32, BT_SCALAR, &samples);
    op_input(BERTH_INT64, BT_SHAPE(2), seed);
    gpu_agrees(0);
    op_end();
}

static void test_gamma(berth_dtype dtype, bool keyed, double low, double high)
{
    static const int32_t shape[] = {40, 3}, philox = 1;
    static const int64_t seed[] = {5, -6};
    static const uint64_t key = 77, counter[] = {3, UINT64_MAX};
    op_begin(keyed ? "StatelessRandomGammaV3" : "StatelessRandomGammaV2");
    bt_set_type(&op_graph, 0, "dtype", dtype);
    op_input(BERTH_INT32, BT_SHAPE(2), shape);
    if (keyed) {
        op_input(BERTH_UINT64, BT_SHAPE(1), &key);
        op_input(BERTH_UINT64, BT_SHAPE(2), counter);
        op_input(BERTH_INT32, BT_SCALAR, &philox);
    } else {
        op_input(BERTH_INT64, BT_SHAPE(2), seed);
    }
    gpu_input(dtype, BT_SHAPE(3), low, high);
    gpu_agrees(4 * gpu_ulp(dtype));
    op_end();
}

int main(void)
{
    static const berth_dtype floats[] = {BERTH_FLOAT, BERTH_HALF, BERTH_BFLOAT16, BERTH_DOUBLE};
    if (!gpu_open()) return 0;
    for (int i = 0; i < 4; i++) {
        test_categories(floats[i], i & 1 ? BERTH_INT32 : BERTH_INT64, check_int(1, 4), check_int(1, 900),
                        (int32_t)check_int(1, 99));
        test_gamma(floats[i], i & 1, 0.1, 0.9), test_gamma(floats[i], i & 1, 1, 9),
            test_gamma(floats[i], true, -1, 1);
        test_gamma(floats[i], false, 1, 1);
    }
    test_categories(BERTH_INT32, BERTH_INT32, 2, 7, 50);
    test_categories(BERTH_FLOAT, BERTH_INT64, 0, 7, 50), test_categories(BERTH_FLOAT, BERTH_INT64, 3, 7, 0);
    gpu_close();
    return check_done();
}
