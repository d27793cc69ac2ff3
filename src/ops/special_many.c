/* Special functions of several operands: incomplete gamma and beta, Hurwitz's zeta, polygamma. */
#include <math.h>

#include "ops/elementwise.h"
#include "ops/special.h"

enum { STEPS = 20000 }; /* bound of series and fractions: about 6 sqrt(a) are needed */

static double log_gamma(double x)
{
    int sign;
    return lgamma_r(x, &sign);
}

/* ---- Incomplete gamma --------------------------------------------------------------------------------- */

/* x^a e^-x / Gamma(a) */
static double gamma_factor(double a, double x) { return exp(a * log(x) - x - log_gamma(a)); }

/* DLMF 8.7.1: P(a, x) for x < a + 1. */
static double lower_series(double a, double x)
{
    double term = 1 / a, sum = term;
    for (int k = 1; k < STEPS && term > sum * 1e-17; k++) sum += term *= x / (a + k);
    return sum * gamma_factor(a, x);
}

/* DLMF 8.9.2 by Lentz's method: Q(a, x) for x >= a + 1. */
static double upper_fraction(double a, double x)
{
    double b = x + 1 - a, c = 1e300, d = 1 / b, h = d;
    for (int k = 1; k < STEPS; k++) {
        double n = -k * (k - a);
        b += 2;
        d = n * d + b, c = b + n / c;
        d = 1 / (d == 0 ? 1e-300 : d), c = c == 0 ? 1e-300 : c;
        h *= d * c;
        if (fabs(d * c - 1) < 1e-16) break;
    }
    return h * gamma_factor(a, x);
}

/* upper: Q, else P. */
static double incomplete_gamma(double a, double x, bool upper)
{
    if (a != a || x != x) return NAN;
    if (!upper && x == 0) return 0;
    if (x < 0 || a <= 0) return NAN;
    if (x == 0 || isinf(a)) return upper;
    if (isinf(x)) return !upper;
    if (x < a + 1) return upper ? 1 - lower_series(a, x) : lower_series(a, x);
    return upper ? upper_fraction(a, x) : 1 - upper_fraction(a, x);
}

/* ---- Incomplete beta: DLMF 8.17.22 by Lentz's method --------------------------------------------------- */

static double beta_fraction(double a, double b, double x)
{
    double c = 1, d = 1 - (a + b) * x / (a + 1), h;
    d = 1 / (d == 0 ? 1e-300 : d), h = d;
    for (int k = 1; k < STEPS; k++) {
        double even = k * (b - k) * x / ((a + 2 * k - 1) * (a + 2 * k));
        double odd = -(a + k) * (a + b + k) * x / ((a + 2 * k) * (a + 2 * k + 1));
        d = 1 + even * d, c = 1 + even / c;
        d = 1 / (d == 0 ? 1e-300 : d), c = c == 0 ? 1e-300 : c;
        h *= d * c;
        d = 1 + odd * d, c = 1 + odd / c;
        d = 1 / (d == 0 ? 1e-300 : d), c = c == 0 ? 1e-300 : c;
        h *= d * c;
        if (fabs(d * c - 1) < 1e-16) break;
    }
    return h;
}

static double incomplete_beta(double a, double b, double x)
{
    if (!(a > 0 && b > 0 && x >= 0 && x <= 1)) return NAN;
    if (x == 0 || x == 1) return x;
    double factor = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2) ? factor * beta_fraction(a, b, x) / a
                                     : 1 - factor * beta_fraction(b, a, 1 - x) / b;
}

/* ---- Polygamma: (-1)^(n+1) n! zeta(n + 1, x) ---------------------------------------------------------- */

static double polygamma(double n, double x)
{
    if (!(n >= 0) || n != floor(n) || x != x) return NAN;
    if (n == 0) return bt_digamma(x);
    return (fmod(n, 2) == 0 ? -1 : 1) * exp(log_gamma(n + 1)) * bt_zeta(n + 1, x);
}

/* ---- Kernels ------------------------------------------------------------------------------------------ */

#define SPECIAL(name, expression)                                                    \
    BT_FLOAT_LOOPS(BT_LOOP2, name, expression)                                       \
    static const bt_elementwise name##_op = {.n_in = 2, .of = {BT_OF_FLOATS(name)}}; \
    BT_ELEMENTWISE_RUN(name)
SPECIAL(igamma, incomplete_gamma((double)x, (double)y, false))
SPECIAL(igammac, incomplete_gamma((double)x, (double)y, true))
SPECIAL(zeta, bt_zeta((double)x, (double)y))
SPECIAL(polygamma, polygamma((double)x, (double)y))

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
static const bt_elementwise betainc_op = {.n_in = 3, .of = {BT_OF_FLOATS(betainc)}};

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

#define ROW(op, name, infer)                                                          \
    {                                                                                 \
        op, infer, .cpu = run_##name, .types = BT_T(BERTH_FLOAT) | BT_T(BERTH_DOUBLE) \
    }

const bt_op bt_ops_special_many[] = {
    ROW("Igamma", igamma, bt_infer_broadcast), ROW("Igammac", igammac, bt_infer_broadcast),
    ROW("Zeta", zeta, bt_infer_broadcast),     ROW("Polygamma", polygamma, bt_infer_broadcast),
    ROW("Betainc", betainc, infer_betainc),    {0},
};
