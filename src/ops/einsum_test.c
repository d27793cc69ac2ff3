/* Einsum: random equations of one and two tensors against the sum over all labels, with ellipses, labels that repeat in
 * an input or in the output, and labels summed in one input alone. */
#include "../../tests/op_test.h"

enum { LETTERS = 5, MOST = 4, ROOM = 4096 };

static int64_t sizes[LETTERS];

static bt_shape shape_of(const char *labels)
{
    bt_shape s = {.rank = (int)strlen(labels)};
    for (int i = 0; i < s.rank; i++) s.dim[i] = sizes[labels[i] - 'a'];
    return s;
}

static int64_t offset_of(const char *labels, const int64_t *index)
{
    int64_t at = 0;
    for (; *labels; labels++) at = at * sizes[*labels - 'a'] + index[*labels - 'a'];
    return at;
}

/* y[output labels] += a[...] b[...] for every value of all labels that are in the equation. */
static void plain_einsum(const char *a, const char *b, const char *y, const double *x0, const double *x1,
                         double *out)
{
    int64_t index[LETTERS] = {0}, count = 1;
    bool used[LETTERS] = {false};
    for (const char *p = a; *p; p++) used[*p - 'a'] = true;
    for (const char *p = b; *p; p++) used[*p - 'a'] = true;
    for (int i = 0; i < LETTERS; i++) count *= used[i] ? sizes[i] : 1;
    for (int64_t n = 0; n < count; n++) {
        int64_t rest = n;
        for (int i = 0; i < LETTERS; i++)
            if (used[i]) index[i] = rest % sizes[i], rest /= sizes[i];
        out[offset_of(y, index)] += x0[offset_of(a, index)] * (x1 ? x1[offset_of(b, index)] : 1);
    }
}

static void random_labels(char *labels, int most)
{
    int n = (int)check_int(0, most);
    for (int i = 0; i < n; i++) labels[i] = (char)('a' + check_int(0, LETTERS - 1));
    labels[n] = '\0';
}

static void test_random(berth_dtype dtype)
{
    static double x[2][ROOM], want[ROOM];
    static float narrow[2][ROOM];
    char a[MOST + 1], b[MOST + 1], y[MOST + 1], equation[32];
    for (int round = 0; round < 1500; round++) {
        bool two = check_int(0, 3) > 0;
        for (int i = 0; i < LETTERS; i++) sizes[i] = check_int(1, 4);
        random_labels(a, MOST), random_labels(b, two ? MOST : 0), random_labels(y, MOST);
        int n = 0;
        for (int i = 0; y[i]; i++)
            if (strchr(a, y[i]) || strchr(b, y[i])) y[n++] = y[i];
        y[n] = '\0';
        snprintf(equation, sizeof equation, two ? "%s,%s->%s" : "%s%s->%s", a, b, y);
        for (int i = 0; i < ROOM; i++)
            for (int k = 0; k < 2; k++) x[k][i] = narrow[k][i] = (float)check_int(-3, 3);
        memset(want, 0, sizeof want);
        plain_einsum(a, b, y, x[0], two ? x[1] : NULL, want);
        op_begin("Einsum");
        bt_set_string(&op_graph, 0, "equation", equation);
        op_input(dtype, shape_of(a), dtype == BERTH_FLOAT ? (void *)narrow[0] : x[0]);
        if (two) op_input(dtype, shape_of(b), dtype == BERTH_FLOAT ? (void *)narrow[1] : x[1]);
        bt_shape shape = shape_of(y);
        bool good = CHECK(op_run() == BERTH_OK) &&
                    CHECK(op_out[0].dtype == dtype && bt_shape_equal(&op_out[0].shape, &shape));
        for (int64_t i = 0; good && i < bt_shape_count(&shape); i++)
            good = CHECK_EQ(bt_tensor_number(&op_out[0], i), want[i]);
        if (!good) printf("    %s: %s\n", equation, op_error.message);
        op_end();
    }
}

static void test_ellipsis(void)
{
    /* [2, 1, 2] by [3, 2]: the ellipsis of [2, 1] broadcasts with that of [3]. */
    const float a[4] = {1, 2, 3, 4}, b[6] = {1, 0, 0, 1, 1, 1}, want[6] = {1, 2, 3, 3, 4, 7};
    op_begin("Einsum");
    bt_set_string(&op_graph, 0, "equation", "...k,...k->...");
    op_input(BERTH_FLOAT, BT_SHAPE(2, 1, 2), a), op_input(BERTH_FLOAT, BT_SHAPE(3, 2), b);
    CHECK(op_run() == BERTH_OK && op_gives(0, BERTH_FLOAT, BT_SHAPE(2, 3), want, 0));
    op_end();
}

static void test_refused(void)
{
    const char *const equations[] = {"ab,bc",     "ab,bc->ad",    "ab->a",      "a.b,bc->ac",
                                     "abc,bc->a", "ab,bc->ac->b", "...a,ab->b", ""};
    const float x[4] = {0};
    for (size_t i = 0; i < sizeof equations / sizeof *equations; i++) {
        op_begin("Einsum");
        bt_set_string(&op_graph, 0, "equation", equations[i]);
        op_input(BERTH_FLOAT, BT_SHAPE(2, 2), x), op_input(BERTH_FLOAT, BT_SHAPE(2, 2), x);
        if (!CHECK(op_run() != BERTH_OK)) printf("    %s\n", equations[i]);
        op_end();
    }
}

int main(void)
{
    test_random(BERTH_FLOAT);
    test_random(BERTH_DOUBLE);
    test_ellipsis();
    test_refused();
    return check_done();
}
