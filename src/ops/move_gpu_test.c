/* Ops that move elements on a device against the CPU. */
#include "gpu_trial.h"

static const berth_dtype dtypes[] = {BERTH_FLOAT, BERTH_HALF, BERTH_INT64, BERTH_BOOL};
static void *held[OP_TEST_PORTS];
static int n_held;
static berth_dtype dtype;

static void begin(const char *op, int round)
{
    dtype = dtypes[round % 4];
    op_begin(op);
    bt_set_type(&op_graph, 0, "T", dtype);
}

static void values(bt_shape shape)
{
    held[n_held] = gpu_random(dtype, bt_shape_count(&shape), -90, 90);
    op_input(dtype, shape, held[n_held++]);
}

static void end(void)
{
    gpu_agrees(0);
    op_end();
    while (n_held > 0) bt_free(held[--n_held]);
}

static bt_shape random_shape(int least, int most)
{
    bt_shape s = {.rank = (int)check_int(least, most)};
    for (int i = 0; i < s.rank; i++) s.dim[i] = check_int(1, 6);
    return s;
}

static void test_transpose(int round)
{
    bt_shape s = random_shape(0, 5);
    int32_t order[5] = {0, 1, 2, 3, 4};
    for (int i = s.rank - 1; i > 0; i--) {
        int j = (int)check_int(0, i), k = order[i];
        order[i] = order[j], order[j] = k;
    }
    begin("Transpose", round);
    values(s);
    op_input(BERTH_INT32, BT_SHAPE(s.rank), order);
    end();
}

static void test_concat(int round)
{
    bt_shape s = random_shape(1, 4);
    int32_t axis = (int32_t)check_int(-s.rank, s.rank - 1), real = axis < 0 ? axis + s.rank : axis;
    begin("ConcatV2", round);
    bt_set_int(&op_graph, 0, "N", 3);
    for (int i = 0; i < 3; i++) {
        s.dim[real] = check_int(0, 5);
        values(s);
    }
    op_input(BERTH_INT32, BT_SCALAR, &axis);
    end();
    begin("Split", round);
    bt_set_int(&op_graph, 0, "num_split", 2);
    s.dim[real] = 4;
    op_input(BERTH_INT32, BT_SCALAR, &axis);
    values(s);
    end();
    begin("Pack", round);
    bt_set_int(&op_graph, 0, "N", 2);
    bt_set_int(&op_graph, 0, "axis", axis);
    values(s);
    values(s);
    end();
    begin("Unpack", round);
    bt_set_int(&op_graph, 0, "num", 4);
    bt_set_int(&op_graph, 0, "axis", axis);
    values(s);
    end();
}

static void test_slices(int round)
{
    int32_t from[] = {1, 0, 5}, size[] = {2, -1, 1}, to[] = {4, 3, 0}, step[] = {2, 1, -2};
    begin("Slice", round);
    values(BT_SHAPE(4, 3, 6));
    op_input(BERTH_INT32, BT_SHAPE(3), from);
    op_input(BERTH_INT32, BT_SHAPE(3), size);
    end();
    begin("StridedSlice", round);
    bt_set_int(&op_graph, 0, "shrink_axis_mask", 2);
    values(BT_SHAPE(4, 3, 6));
    op_input(BERTH_INT32, BT_SHAPE(3), from);
    op_input(BERTH_INT32, BT_SHAPE(3), to);
    op_input(BERTH_INT32, BT_SHAPE(3), step);
    end();
}

static void test_pads(int round)
{
    int32_t pads[] = {1, 2, 0, 3}, times[] = {2, 3}, shape[] = {4, 3, 5};
    begin(round % 2 ? "Pad" : "PadV2", round);
    values(BT_SHAPE(3, 5));
    op_input(BERTH_INT32, BT_SHAPE(2, 2), pads);
    if (round % 2 == 0) values(BT_SCALAR);
    end();
    begin("Tile", round);
    values(BT_SHAPE(3, 5));
    op_input(BERTH_INT32, BT_SHAPE(2), times);
    end();
    begin("BroadcastTo", round);
    values(BT_SHAPE(3, 1));
    op_input(BERTH_INT32, BT_SHAPE(3), shape);
    end();
    begin("Fill", round);
    op_input(BERTH_INT32, BT_SHAPE(3), shape);
    values(BT_SCALAR);
    end();
}

static void test_mirrors(berth_dtype of)
{
    int32_t pads[6];
    bt_shape inner = {.rank = 3}, outer = {.rank = 3};
    bool reflect = check_int(0, 1);
    for (int i = 0; i < 3; i++) {
        inner.dim[i] = check_int(2, 6);
        for (int k = 0; k < 2; k++) pads[2 * i + k] = (int32_t)check_int(0, inner.dim[i] - reflect);
        outer.dim[i] = inner.dim[i] + pads[2 * i] + pads[2 * i + 1];
    }
    for (int grad = 0; grad < 2; grad++) {
        op_begin(grad ? "MirrorPadGrad" : "MirrorPad");
        bt_set_type(&op_graph, 0, "T", of);
        bt_set_string(&op_graph, 0, "mode", reflect ? "REFLECT" : "SYMMETRIC");
        gpu_input(of, grad ? outer : inner, -9, 9);
        op_input(BERTH_INT32, BT_SHAPE(3, 2), pads);
        gpu_agrees(gpu_ulp(of)); /* an order of its own in the sums of corners */
        op_end();
    }
}

static void test_reshape(int round)
{
    int64_t dims[] = {3, 10};
    begin("Reshape", round);
    values(BT_SHAPE(2, 5, 3));
    op_input(BERTH_INT64, BT_SHAPE(2), dims);
    end();
}

int main(void)
{
    if (!gpu_open()) return 0;
    for (int round = 0; round < 8; round++) {
        test_transpose(round);
        test_concat(round);
        test_slices(round);
        test_pads(round);
        test_reshape(round);
    }
    for (int d = 0; d < GPU_DTYPES; d++)
        if (gpu_dtypes[d] != BERTH_BOOL) test_mirrors(gpu_dtypes[d]);
    gpu_close();
    return check_done();
}
