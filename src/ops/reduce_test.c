/* Reductions, scans, ArgMax and softmax: random shapes and axes against a plain loop over every element, and
 * TensorFlow's answers on empty, NaN and wrapping values. */
#include "../../tests/op_test.h"

enum { MOST = 2048 };

static bt_shape random_shape(int most_rank)
{
    bt_shape s = {.rank = (int)check_int(0, most_rank)};
    for (int i = 0; i < s.rank; i++) s.dim[i] = check_int(0, 40) ? check_int(1, 5) : 0;
    return s;
}

/* What op gives for each output, by visiting all inputs. */
static void plain_reduce(const char *op, const bt_shape *in, const bool *reduced, const double *x, double *y,
                         int64_t n_out)
{
    int64_t n = bt_shape_count(in), each = n_out ? n / n_out : 0;
    char kind = strcmp(op, "Max") == 0    ? '>'
                : strcmp(op, "Min") == 0  ? '<'
                : strcmp(op, "Prod") == 0 ? '*'
                                          : '+';
    for (int64_t k = 0; k < n_out; k++) y[k] = kind == '>' ? -INFINITY : kind == '<' ? INFINITY : kind == '*';
    for (int64_t k = 0; k < n; k++) {
        int64_t rest = k, to = 0, step = 1;
        for (int i = in->rank - 1; i >= 0; i--) {
            if (!reduced[i]) to += rest % in->dim[i] * step, step *= in->dim[i];
            rest /= in->dim[i];
        }
        if (kind == '>') y[to] = fmax(y[to], x[k]);
        else if (kind == '<') y[to] = fmin(y[to], x[k]);
        else if (kind == '*') y[to] *= x[k];
        else y[to] += strcmp(op, "EuclideanNorm") ? x[k] : x[k] * x[k];
    }
    for (int64_t k = 0; k < n_out; k++) {
        if (strcmp(op, "Mean") == 0) y[k] /= (double)each;
        if (strcmp(op, "EuclideanNorm") == 0) y[k] = sqrt(y[k]);
    }
}

static void convert(berth_dtype dtype, void *to, const double *from, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (dtype == BERTH_DOUBLE) ((double *)to)[i] = from[i];
        else if (dtype == BERTH_FLOAT) ((float *)to)[i] = (float)from[i];
        else if (dtype == BERTH_HALF) ((uint16_t *)to)[i] = bt_float_to_half((float)from[i]);
        else if (dtype == BERTH_INT32) ((int32_t *)to)[i] = (int32_t)from[i];
        else ((uint8_t *)to)[i] = (uint8_t)from[i];
}

static void test_reduce(void)
{
    static const char *const ops[] = {"Sum", "Mean", "Max", "Min", "Prod", "EuclideanNorm"};
    static const berth_dtype types[] = {BERTH_FLOAT, BERTH_DOUBLE, BERTH_HALF, BERTH_INT32, BERTH_UINT8};
    static double x[4096], want[4096], converted[4096], wanted[4096];
    for (int round = 0; round < 400; round++) {
        const char *op = ops[check_int(0, 5)];
        berth_dtype dtype = types[check_int(0, 4)];
        bool keep = check_int(0, 1), reduced[BT_MAX_RANK] = {false};
        bt_shape in = random_shape(5), out = {.rank = 0}, axes = {.rank = 1};
        int32_t list[BT_MAX_RANK];
        int64_t n = bt_shape_count(&in);
        bool whole = dtype == BERTH_INT32 || dtype == BERTH_UINT8;
        for (int64_t i = 0; i < n; i++) x[i] = whole ? (double)check_int(0, 2) : (double)check_int(-8, 8) / 8;
        for (int i = 0; i < in.rank; i++)
            if (check_int(0, 1)) reduced[i] = true, list[axes.dim[0]++] = check_int(0, 1) ? i : i - in.rank;
        for (int i = 0; i < in.rank; i++)
            if (!reduced[i] || keep) out.dim[out.rank++] = reduced[i] ? 1 : in.dim[i];
        int64_t n_out = bt_shape_count(&out);
        if (n == 0 || (whole && (strcmp(op, "Mean") == 0 || op[0] == 'E'))) continue;
        plain_reduce(op, &in, reduced, x, want, n_out);
        if (dtype == BERTH_UINT8)
            for (int64_t i = 0; i < n_out; i++) want[i] = fmod(want[i], 256);
        if (whole && fabs(want[0]) > 1e9) continue;
        convert(dtype, converted, x, n), convert(dtype, wanted, want, n_out);
        op_begin(op);
        bt_set_bool(&op_graph, 0, "keep_dims", keep);
        op_input(dtype, in, converted), op_input(BERTH_INT32, axes, list);
        CHECK(op_run() == BERTH_OK);
        if (!whole || op[0] != 'P') CHECK(op_gives(0, dtype, out, wanted, dtype == BERTH_HALF ? 2e-3 : 1e-6));
        op_end();
    }
}

static berth_status reduce_to(const char *op, berth_dtype dtype, bt_shape shape, const void *x, int32_t axis)
{
    op_begin(op);
    op_input(dtype, shape, x), op_input(BERTH_INT32, BT_SHAPE(1), &axis);
    return op_run();
}

static void test_values(void)
{
    const float x[3] = {1, NAN, 2}, inf = INFINITY, minus = -INFINITY, nan = NAN;
    const uint8_t big[3] = {250, 250, 250}, wrapped[3] = {200, 200, 200}, thirteen = 13;
    const int32_t mixed[5] = {1, 2, 2, -5, -2}, zero = 0;
    CHECK(!reduce_to("Max", BERTH_FLOAT, BT_SHAPE(3), x, 0) && op_gives(0, BERTH_FLOAT, BT_SCALAR, &nan, 0));
    op_end();
    CHECK(!reduce_to("Max", BERTH_FLOAT, BT_SHAPE(0), x, 0) &&
          op_gives(0, BERTH_FLOAT, BT_SCALAR, &minus, 0));
    op_end();
    CHECK(!reduce_to("Min", BERTH_FLOAT, BT_SHAPE(0), x, 0) && op_gives(0, BERTH_FLOAT, BT_SCALAR, &inf, 0));
    op_end();
    CHECK(!reduce_to("Mean", BERTH_FLOAT, BT_SHAPE(0), x, 0) && op_gives(0, BERTH_FLOAT, BT_SCALAR, &nan, 0));
    op_end();
    CHECK(!reduce_to("Mean", BERTH_UINT8, BT_SHAPE(3), big, -1) &&
          op_gives(0, BERTH_UINT8, BT_SCALAR, big, 0));
    op_end();
    CHECK(!reduce_to("Mean", BERTH_INT32, BT_SHAPE(5), mixed, 0) &&
          op_gives(0, BERTH_INT32, BT_SCALAR, &zero, 0));
    op_end();
    CHECK(!reduce_to("EuclideanNorm", BERTH_UINT8, BT_SHAPE(3), wrapped, 0) &&
          op_gives(0, BERTH_UINT8, BT_SCALAR, &thirteen, 0));
    op_end();
    CHECK(reduce_to("Sum", BERTH_FLOAT, BT_SHAPE(3), x, 5) != BERTH_OK);
    CHECK_TEXT(op_error.message, "Invalid reduction dimension (5 for input with 1 dimension(s)");
    op_end();
    const int32_t twice[2] = {0, -1};
    op_begin("Sum");
    op_input(BERTH_FLOAT, BT_SHAPE(3), x), op_input(BERTH_INT32, BT_SHAPE(2), twice);
    CHECK(op_run() != BERTH_OK);
    CHECK_TEXT(op_error.message, "Invalid reduction arguments: Axes contains duplicate dimension: 0");
    op_end();
}

static void test_arg(void)
{
    const float x[12] = {1, NAN, 2, NAN, 1, 2, -INFINITY, -INFINITY, -INFINITY, NAN, NAN, NAN};
    const int64_t best[4] = {2, 2, 0, 0},
                  least[4] = {0, 1, 0, 0}; /* of inf, not -inf, in the third row of ArgMin */
    const int32_t axis = -1;
    op_begin("ArgMax");
    op_input(BERTH_FLOAT, BT_SHAPE(4, 3), x), op_input(BERTH_INT32, BT_SCALAR, &axis);
    CHECK(op_run() == BERTH_OK && op_gives(0, BERTH_INT64, BT_SHAPE(4), best, 0));
    op_end();
    op_begin("ArgMin");
    op_input(BERTH_FLOAT, BT_SHAPE(4, 3), x), op_input(BERTH_INT32, BT_SCALAR, &axis);
    CHECK(op_run() == BERTH_OK && op_gives(0, BERTH_INT64, BT_SHAPE(4), least, 0));
    op_end();
    op_begin("ArgMax");
    op_input(BERTH_FLOAT, BT_SHAPE(3, 0), x), op_input(BERTH_INT32, BT_SCALAR, &axis);
    CHECK(op_run() != BERTH_OK);
    CHECK_TEXT(op_error.message, "Reduction axis 1 is empty in shape [3,0]");
    op_end();
}

static void test_scan(void)
{
    const int32_t axis = 0;
    const float x[5] = {1, -INFINITY, 2, INFINITY, 3}, logs[5] = {1, 1, 2.31326175f, INFINITY, INFINITY};
    const int8_t v[4] = {100, 100, 3, -2}, sums[4] = {101, 1, -2, 0}, products[4] = {100, 16, 48, -96};
    op_begin("CumulativeLogsumexp");
    op_input(BERTH_FLOAT, BT_SHAPE(5), x), op_input(BERTH_INT32, BT_SCALAR, &axis);
    CHECK(op_run() == BERTH_OK && op_gives(0, BERTH_FLOAT, BT_SHAPE(5), logs, 1e-6));
    op_end();
    op_begin("Cumsum");
    bt_set_bool(&op_graph, 0, "exclusive", true), bt_set_bool(&op_graph, 0, "reverse", true);
    op_input(BERTH_INT8, BT_SHAPE(4), v), op_input(BERTH_INT32, BT_SCALAR, &axis);
    CHECK(op_run() == BERTH_OK && op_gives(0, BERTH_INT8, BT_SHAPE(4), sums, 0));
    op_end();
    op_begin("Cumprod");
    op_input(BERTH_INT8, BT_SHAPE(4), v), op_input(BERTH_INT32, BT_SCALAR, &axis);
    CHECK(op_run() == BERTH_OK && op_gives(0, BERTH_INT8, BT_SHAPE(4), products, 0));
    op_end();
}

int main(void)
{
    for (int i = 0; i < 4; i++) test_reduce();
    test_values();
    test_arg();
    test_scan();
    return check_done();
}
