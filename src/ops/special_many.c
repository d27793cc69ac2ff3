/* Special functions of several operands: incomplete gamma and beta, Hurwitz's zeta, polygamma; the functions themselves are
 * in special_functions.cl. */
#include "device/dialect.cl"
#include "ops/special_functions.cl"

#include "ops/elementwise.h"
#include "ops/gpu.h"

BT_CL_DECLARE(special);

#define SPECIAL(name, expression)                                                                           \
    BT_FLOAT_LOOPS(BT_LOOP2, name, expression)                                                              \
    static const bt_elementwise name##_op = {.n_in = 2, .gpu = BT_CL(special), .of = {BT_OF_FLOATS(name)}}; \
    BT_ELEMENTWISE_RUN(name)
SPECIAL(igamma, incomplete_gamma(x, y, 0))
SPECIAL(igammac, incomplete_gamma(x, y, 1))
SPECIAL(zeta, zeta(x, y))
SPECIAL(polygamma, polygamma(x, y))

#define BETA(name, T)                                                                                       \
    static bool name(void *out, const void *const *in, const int64_t *step, int64_t n, const float *param)  \
    {                                                                                                       \
        T *y = out;                                                                                         \
        const T *a = in[0], *b = in[1], *x = in[2];                                                         \
        (void)param;                                                                                        \
        for (int64_t i = 0; i < n; i++)                                                                     \
            y[i] =                                                                                          \
                (T)incomplete_beta((double)a[i * step[0]], (double)b[i * step[1]], (double)x[i * step[2]]); \
        return true;                                                                                        \
    }
BETA(betainc_f32, float)
BETA(betainc_f64, double)
static const bt_elementwise betainc_op = {.n_in = 3, .gpu = BT_CL(special), .of = {BT_OF_FLOATS(betainc)}};

/* The operands are scalars or have one shape. */
static berth_status run_betainc(bt_call *c)
{
    char a[BT_SHAPE_TEXT], b[BT_SHAPE_TEXT];
    const bt_shape *shape = NULL;
    for (int k = 0; k < c->n_in; k++) {
        const bt_shape *own = &c->in[k]->shape;
        if (own->rank == 0) continue;
        if (shape && !bt_shape_equal(shape, own))
            return bt_call_fail(c, "Shapes of a, b and x are inconsistent: %s vs. %s",
                                bt_shape_text(shape, a), bt_shape_text(own, b));
        shape = own;
    }
    return bt_elementwise_run(c, &betainc_op, NULL);
}

static berth_status infer_betainc(bt_infer *x)
{
    if (x->n_in < 3) return bt_infer_fail(x, "needs three inputs, has %d", x->n_in);
    bt_shape joint = x->in[0].shape;
    bool fits = bt_shape_broadcast(&x->in[0].shape, &x->in[1].shape, &joint);
    x->out[0].dtype = x->in[0].dtype;
    if (!fits || !bt_shape_broadcast(&joint, &x->in[2].shape, &x->out[0].shape))
        return bt_infer_fail(x, "Shapes of a, b and x are inconsistent");
    return BERTH_OK;
}

#define WIDE (BT_T(BERTH_FLOAT) | BT_T(BERTH_DOUBLE))
#define ROW(op, name, infer)                                                              \
    {                                                                                     \
        op, infer, .cpu = run_##name, .types = WIDE, .gpu = run_##name, .gpu_types = WIDE \
    }

const bt_op bt_ops_special_many[] = {
    ROW("Igamma", igamma, bt_infer_broadcast), ROW("Igammac", igammac, bt_infer_broadcast),
    ROW("Zeta", zeta, bt_infer_broadcast),     ROW("Polygamma", polygamma, bt_infer_broadcast),
    ROW("Betainc", betainc, infer_betainc),    {0},
};
