/* Elements by their position on a device against the CPU: diagonals, bands, one-hot, permutations, steps. */
#include "gpu_trial.h"

static const berth_dtype dtypes[] = {BERTH_FLOAT, BERTH_HALF, BERTH_DOUBLE, BERTH_INT64, BERTH_UINT8, BERTH_BOOL};
enum { N_DTYPES = sizeof dtypes / sizeof *dtypes };

static void number(int32_t value)
{
    int32_t *p = bt_arena_new(&op_arena, int32_t);
    *p = value;
    op_input(BERTH_INT32, BT_SCALAR, p);
}

static void vector(int32_t a, int32_t b)
{
    int32_t *p = bt_arena_array(&op_arena, int32_t, 2);
    p[0] = a, p[1] = b;
    op_input(BERTH_INT32, BT_SHAPE(2), p);
}

static void finish(void)
{
    gpu_agrees(0);
    op_end();
}

static void test_diagonals(berth_dtype dtype)
{
    static const char *const aligns[] = {"LEFT_LEFT", "LEFT_RIGHT", "RIGHT_LEFT", "RIGHT_RIGHT"};
    const char *align = aligns[check_int(0, 3)];
    int64_t batch = check_int(0, 3), n = check_int(1, 6);
    op_begin("MatrixDiag");
    gpu_input(dtype, BT_SHAPE(batch, n), 0, 9);
    finish();
    op_begin("MatrixDiagPart");
    gpu_input(dtype, BT_SHAPE(batch, n, 5), 0, 9);
    finish();
    op_begin("MatrixSetDiag");
    gpu_input(dtype, BT_SHAPE(batch, n, n), 0, 9);
    gpu_input(dtype, BT_SHAPE(batch, n), 0, 9);
    finish();
    op_begin("MatrixDiagV3");
    bt_set_string(&op_graph, 0, "align", align);
    gpu_input(dtype, BT_SHAPE(batch, 3, n), 0, 9);
    vector(-1, 1), number(-1), number(-1);
    gpu_input(dtype, BT_SCALAR, 0, 9);
    finish();
    op_begin("MatrixDiagPartV3");
    bt_set_string(&op_graph, 0, "align", align);
    gpu_input(dtype, BT_SHAPE(batch, 4, 5), 0, 9);
    vector(-2, 3);
    gpu_input(dtype, BT_SCALAR, 0, 9);
    finish();
    op_begin("MatrixSetDiagV3");
    bt_set_string(&op_graph, 0, "align", align);
    gpu_input(dtype, BT_SHAPE(batch, 5, 5), 0, 9);
    gpu_input(dtype, BT_SHAPE(batch, 4), 0, 9);
    number(1);
    finish();
    op_begin("Diag");
    gpu_input(dtype, BT_SHAPE(2, n), 0, 9);
    finish();
    op_begin("DiagPart");
    gpu_input(dtype, BT_SHAPE(2, n, 2, n), 0, 9);
    finish();
}

static void test_band(berth_dtype dtype)
{
    op_begin("MatrixBandPart");
    gpu_input(dtype, BT_SHAPE(check_int(0, 3), check_int(3, 40), check_int(3, 70)), 0, 9);
    number(check_int(-1, 3)), number(check_int(-1, 3));
    finish();
}

static void test_one_hot(berth_dtype dtype)
{
    static const berth_dtype index[] = {BERTH_INT32, BERTH_INT64, BERTH_UINT8};
    op_begin("OneHot");
    bt_set_int(&op_graph, 0, "axis", check_int(-1, 2));
    gpu_input(index[check_int(0, 2)], BT_SHAPE(check_int(0, 4), 5), 0, 6);
    number(check_int(0, 7));
    gpu_input(dtype, BT_SCALAR, 0, 9);
    gpu_input(dtype, BT_SCALAR, 0, 9);
    finish();
}

static void test_line(berth_dtype dtype)
{
    op_begin("LinSpace");
    gpu_input(dtype, BT_SCALAR, -3, 9);
    gpu_input(dtype, BT_SCALAR, -3, 9);
    number(check_int(1, 50));
    finish();
}

static void test_invert(bool wide)
{
    int64_t n = check_int(1, 300);
    op_begin("InvertPermutation");
    char *p = gpu_input(wide ? BERTH_INT64 : BERTH_INT32, BT_SHAPE(n), 0, 1);
    for (int64_t i = 0; i < n; i++) gpu_put(p, wide ? 8 : 4, i, (i * 7 + 3) % n);
    if (n % 7) finish();
    else op_end();
    const int32_t beyond[3] = {0, 3, 1}, twice[3] = {0, 1, 1};
    for (int k = 0; k < 2; k++) {
        op_begin("InvertPermutation");
        op_input(BERTH_INT32, BT_SHAPE(3), k ? twice : beyond);
        CHECK_EQ(op_run(), BERTH_BAD_INPUT);
        CHECK(gpu_fails(0, k ? "node 'node' (InvertPermutation): 1 is there twice"
                             : "node 'node' (InvertPermutation): 3 is not between 0 and 3"));
        op_end();
    }
}

static void test_cross(berth_dtype dtype)
{
    int64_t n = check_int(0, 30);
    op_begin("Cross");
    gpu_input(dtype, BT_SHAPE(n, 3), -5, 5);
    gpu_input(dtype, BT_SHAPE(n, 3), -5, 5);
    gpu_agrees(gpu_ulp(dtype) * 50);
    op_end();
}

int main(void)
{
    if (!gpu_open()) return 0;
    for (int i = 0; i < N_DTYPES; i++) {
        test_diagonals(dtypes[i]);
        test_band(dtypes[i]);
        test_one_hot(dtypes[i]);
        if (dtypes[i] != BERTH_BOOL) test_cross(dtypes[i]);
        if (bt_dtype_is_float(dtypes[i])) test_line(dtypes[i]);
        test_invert(i % 2);
    }
    gpu_close();
    return check_done();
}
