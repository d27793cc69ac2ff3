/* Elementwise ops: TensorFlow's answers on the values that matter, and broadcasting of random shapes against a
 * plain loop. */
#include "../../tests/op_test.h"

typedef struct unary_case {
    const char *op;
    float want[9];
} unary_case;

/* Of NaN, inf, -inf, -200, 200, -0, 0, 3, -3. */
static void test_special_values(void)
{
    const float n = NAN, f = INFINITY;
    const float x[9] = {n, f, -f, -200, 200, -0.0f, 0, 3, -3};
    const unary_case cases[] = {
        {"Relu", {n, f, 0, 0, 200, 0, 0, 3, 0}},
        {"Relu6", {n, 6, 0, 0, 6, 0, 0, 3, 0}},
        {"Elu", {n, f, -1, -1, 200, 0, 0, 3, -0.950212955f}},
        {"Selu", {n, f, -1.7580993f, -1.7580993f, 210.14019775f, 0, 0, 3.1521029f, -1.67056866f}},
        {"Softplus", {n, f, 0, 0, 200, 0.69314718f, 0.69314718f, 3.04858708f, 0.04858735f}},
        {"Softsign", {n, n, n, -0.99502486f, 0.99502486f, 0, 0, 0.75f, -0.75f}},
        {"LeakyRelu", {n, f, -f, -40, 200, 0, 0, 3, -0.6f}},
        {"Exp", {n, f, 0, 0, f, 1, 1, 20.0855369f, 0.04978707f}},
        {"Log", {n, f, n, n, 5.29831743f, -f, -f, 1.09861231f, n}},
        {"Sigmoid", {n, 1, 0, 0, 1, 0.5f, 0.5f, 0.95257413f, 0.04742587f}},
        {"Tanh", {n, 1, -1, -1, 1, 0, 0, 0.99505472f, -0.99505472f}},
        {"Erf", {n, 1, -1, -1, 1, 0, 0, 0.99997801f, -0.99997801f}},
        {"Sqrt", {n, f, n, n, 14.14213562f, 0, 0, 1.73205078f, n}},
        {"Rsqrt", {n, 0, n, n, 0.07071068f, -f, f, 0.57735026f, n}},
        {"Sign", {n, 1, -1, -1, 1, 0, 0, 1, -1}},
        {"Round", {n, f, -f, -200, 200, 0, 0, 3, -3}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        op_begin(cases[i].op);
        op_input(BERTH_FLOAT, BT_SHAPE(9), x);
        if (!CHECK(op_run() == BERTH_OK) ||
            !CHECK(op_gives(0, BERTH_FLOAT, BT_SHAPE(9), cases[i].want, 1e-6)))
            printf("    %s %s\n", cases[i].op, op_error.message);
        op_end();
    }
}

static void test_integers(void)
{
    const int32_t x[6] = {7, -7, 7, -7, INT32_MIN, 0}, y[6] = {2, 2, -2, -2, -1, 3}, zero[6] = {0};
    const struct {
        const char *op;
        int32_t want[6];
        const char *fault;
    } cases[] = {
        {"Div", {3, -3, -3, 3, INT32_MIN, 0}, "Integer division by zero"},
        {"FloorDiv", {3, -4, -4, 3, INT32_MIN, 0}, "Integer division by zero"},
        {"FloorMod", {1, 1, -1, -1, 0, 0}, "Integer division by zero"},
        {"Mod", {1, -1, 1, -1, 0, 0}, "Integer division by zero"},
        {"Add", {9, -5, 5, -9, INT32_MAX, 3}, NULL},
        {"Mul", {14, -14, -14, 14, INT32_MIN, 0}, NULL},
        {"Maximum", {7, 2, 7, -2, -1, 3}, NULL},
        {"SquaredDifference", {25, 81, 81, 25, 1, 9}, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        op_begin(cases[i].op);
        op_input(BERTH_INT32, BT_SHAPE(6), x), op_input(BERTH_INT32, BT_SHAPE(6), y);
        CHECK(op_run() == BERTH_OK);
        CHECK(op_gives(0, BERTH_INT32, BT_SHAPE(6), cases[i].want, 0));
        op_end();
        op_begin(cases[i].op);
        op_input(BERTH_INT32, BT_SHAPE(6), x), op_input(BERTH_INT32, BT_SHAPE(6), zero);
        CHECK((op_run() != BERTH_OK) == (cases[i].fault != NULL));
        CHECK_TEXT(op_error.message, cases[i].fault ? cases[i].fault : "");
        op_end();
    }
    op_begin("Pow");
    op_input(BERTH_INT32, BT_SHAPE(6), x), op_input(BERTH_INT32, BT_SHAPE(6), y);
    CHECK(op_run() != BERTH_OK);
    CHECK_TEXT(op_error.message, "Integers to negative integer powers are not allowed");
    op_end();
}

/* Random shapes of up to four dimensions, any of them 1 in either operand, in every float type. */
static void test_broadcast(void)
{
    static float a[4096], b[4096], want[4096];
    static uint16_t ha[4096], hb[4096];
    static double da[4096], db[4096];
    for (int i = 0; i < 4096; i++) {
        a[i] = (float)check_int(-20, 20), b[i] = (float)check_int(-20, 20);
        ha[i] = bt_float_to_half(a[i]), hb[i] = bt_float_to_bf16(b[i]), da[i] = (double)a[i],
        db[i] = (double)b[i];
    }
    for (int i = 0; i < 4096; i++) hb[i] = bt_float_to_half(b[i]);
    for (int round = 0; round < 300; round++) {
        int rank = (int)check_int(0, 4), ra = (int)check_int(0, rank),
            rb = ra < rank ? rank : (int)check_int(0, rank);
        bt_shape sa = {.rank = ra}, sb = {.rank = rb}, out;
        for (int i = 0; i < rank; i++) {
            int64_t dim = check_int(0, 30) ? check_int(1, 7) : 0;
            if (i >= rank - ra) sa.dim[i - (rank - ra)] = check_int(0, 2) ? dim : 1;
            if (i >= rank - rb) sb.dim[i - (rank - rb)] = check_int(0, 2) ? dim : 1;
        }
        if (!CHECK(bt_shape_broadcast(&sa, &sb, &out))) continue;
        int64_t n = bt_shape_count(&out);
        for (int64_t k = 0; k < n; k++) {
            int64_t ia = 0, ib = 0, rest = k, ma = 1, mb = 1;
            for (int i = 1; i <= out.rank; i++) {
                int64_t at = rest % out.dim[out.rank - i];
                rest /= out.dim[out.rank - i];
                if (i <= ra) ia += sa.dim[ra - i] == 1 ? 0 : at * ma, ma *= sa.dim[ra - i];
                if (i <= rb) ib += sb.dim[rb - i] == 1 ? 0 : at * mb, mb *= sb.dim[rb - i];
            }
            want[k] = a[ia] - b[ib];
        }
        const berth_dtype types[] = {BERTH_FLOAT, BERTH_HALF, BERTH_DOUBLE};
        const void *left[] = {a, ha, da}, *right[] = {b, hb, db};
        for (int t = 0; t < 3; t++) {
            op_begin("Sub");
            op_input(types[t], sa, left[t]), op_input(types[t], sb, right[t]);
            CHECK(op_run() == BERTH_OK);
            CHECK(op_out[0].dtype == types[t] && bt_shape_equal(&op_out[0].shape, &out));
            bool same = true;
            for (int64_t k = 0; k < n; k++) same &= bt_tensor_number(&op_out[0], k) == (double)want[k];
            CHECK(same);
            op_end();
        }
    }
}

int main(void)
{
    test_special_values();
    test_integers();
    test_broadcast();
    return check_done();
}
