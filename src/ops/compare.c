/* Comparisons: two operands with numpy's broadcasting, bool out. */
#include <complex.h>
#include <math.h>

#include "ops/elementwise.h"

#define LOOP_BOOL(name, T, R, expression) BT_LOOP2(name, T, uint8_t, expression)
#define ORDER(name, operator)                                                        \
    BT_FLOAT_LOOPS(LOOP_BOOL, name, x operator y)                                    \
    BT_INT_LOOPS(LOOP_BOOL, name, x operator y)                                      \
    static const bt_elementwise name##_op = {                                        \
        .n_in = 2, .out = BERTH_BOOL, .of = {BT_OF_FLOATS(name), BT_OF_INTS(name)}}; \
    BT_ELEMENTWISE_RUN(name)
ORDER(less, <)
ORDER(less_equal, <=)
ORDER(greater, >)
ORDER(greater_equal, >=)

static inline bool same_string(bt_string a, bt_string b)
{
    return a.n == b.n && (a.n == 0 || !memcmp(a.p, b.p, a.n));
}

#define EQUALITY(name, operator, strings)                                                             \
    BT_FLOAT_LOOPS(LOOP_BOOL, name, x operator y)                                                     \
    BT_COMPLEX_LOOPS(LOOP_BOOL, name, x operator y)                                                   \
    BT_INT_LOOPS(LOOP_BOOL, name, x operator y)                                                       \
    LOOP_BOOL(name##_string, bt_string, uint8_t, strings)                                             \
    static const bt_elementwise name##_op = {                                                         \
        .n_in = 2,                                                                                    \
        .out = BERTH_BOOL,                                                                            \
        .of = {BT_OF_FLOATS(name), BT_OF_COMPLEXES(name), BT_OF_INTS(name), [BERTH_BOOL] = name##_u8, \
               [BERTH_STRING] = name##_string, [BERTH_QINT8] = name##_i8, [BERTH_QUINT8] = name##_u8, \
               [BERTH_QINT16] = name##_i16, [BERTH_QUINT16] = name##_u16, [BERTH_QINT32] = name##_i32}};
EQUALITY(equal, ==, same_string(x, y))
EQUALITY(not_equal, !=, !same_string(x, y))

/* With incompatible_shape_error = false, shapes that do not broadcast are one answer: they differ. */
static berth_status equality(bt_call *c, const bt_elementwise *op, bool differ)
{
    bt_shape joint;
    if (c->n_in == 2 && !bt_attr_bool(c->node, "incompatible_shape_error", true) &&
        !bt_shape_broadcast(&c->in[0]->shape, &c->in[1]->shape, &joint)) {
        uint8_t *y = bt_out(c, 0, BERTH_BOOL, &BT_SCALAR);
        if (!y) return c->error->status;
        *y = differ;
        return BERTH_OK;
    }
    return bt_elementwise_run(c, op, NULL);
}

static berth_status run_equal(bt_call *c) { return equality(c, &equal_op, false); }
static berth_status run_not_equal(bt_call *c) { return equality(c, &not_equal_op, true); }

static berth_status infer_equality(bt_infer *x)
{
    if (x->n_in < 2 || bt_attr_bool(x->node, "incompatible_shape_error", true))
        return bt_infer_broadcast_bool(x);
    x->out[0].dtype = BERTH_BOOL;
    const bt_shape *a = &x->in[0].shape, *b = &x->in[1].shape;
    bool known = bt_shape_known(a) && bt_shape_known(b);
    if (known && !bt_shape_broadcast(a, b, &x->out[0].shape)) x->out[0].shape = BT_SCALAR;
    return BERTH_OK;
}

static const char *equality_refuses(const bt_node *node, const bt_fact *in, int n_in)
{
    (void)in, (void)n_in;
    return bt_attr_bool(node, "incompatible_shape_error", true) ? NULL : "its shapes may differ";
}

/* ---- ApproximateEqual --------------------------------------------------------------------------------- */

#define NEAR(name, T, magnitude)                                                                           \
    static bool name(void *out, const void *const *in, const int64_t *step, int64_t n, const float *param) \
    {                                                                                                      \
        uint8_t *y = out;                                                                                  \
        const T *a = in[0], *b = in[1];                                                                    \
        for (int64_t i = 0; i < n; i++) y[i] = magnitude(a[i * step[0]] - b[i * step[1]]) <= (T)param[0];  \
        return true;                                                                                       \
    }
NEAR(approximate_f32, float, fabsf)
NEAR(approximate_f64, double, fabs)
static const bt_elementwise approximate_op = {
    .n_in = 2, .out = BERTH_BOOL, .of = {BT_OF_FLOATS(approximate)}};

static berth_status run_approximate(bt_call *c)
{
    const float param[2] = {bt_attr_float(c->node, "tolerance", 1e-5f), 0};
    char a[BT_SHAPE_TEXT], b[BT_SHAPE_TEXT];
    if (c->n_in == 2 && !bt_shape_equal(&c->in[0]->shape, &c->in[1]->shape))
        return bt_call_fail(c, "x and y must be of the same shape. x shape: %s. y shape: %s",
                            bt_shape_text(&c->in[0]->shape, a), bt_shape_text(&c->in[1]->shape, b));
    return bt_elementwise_run(c, &approximate_op, param);
}

/* ---- Records ------------------------------------------------------------------------------------------ */

#define ORDER_ROW(op, name)                                                                   \
    {                                                                                         \
        op, bt_infer_broadcast_bool, .cpu = run_##name, .types = BT_REALS, .gpu = run_##name, \
                                     .gpu_types = BT_REALS                                    \
    }
#define EQUALITY_ROW(op, name)                                                                          \
    {                                                                                                   \
        op, infer_equality, .cpu = run_##name, .gpu = run_##name,                                       \
                            .gpu_types = BT_NUMBERS | BT_T(BERTH_BOOL), .gpu_refuses = equality_refuses \
    }
#define WIDE_FLOATS (BT_T(BERTH_FLOAT) | BT_T(BERTH_DOUBLE))

const bt_op bt_ops_compare[] = {
    ORDER_ROW("Less", less),
    ORDER_ROW("LessEqual", less_equal),
    ORDER_ROW("Greater", greater),
    ORDER_ROW("GreaterEqual", greater_equal),
    EQUALITY_ROW("Equal", equal),
    EQUALITY_ROW("NotEqual", not_equal),
    {"ApproximateEqual", bt_infer_same_bool, .cpu = run_approximate, .types = WIDE_FLOATS,
     .gpu = run_approximate, .gpu_types = WIDE_FLOATS},
    {0},
};
