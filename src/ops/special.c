/* Special functions of one operand: Bessel, gamma, error function's inverse, exponential and Fresnel integrals,
 * dilogarithm. All are computed in double by series, integrals and asymptotic expansions from the textbooks (DLMF's
 * numbers are given), to about 1e-13; none is on a model's hot path. */
#include <complex.h>
#include <math.h>

#include "ops/elementwise.h"
#include "ops/special.h"

#define EULER 0.57721566490153286061

/* ---- Bessel functions --------------------------------------------------------------------------------- */

/* The sum of Hankel's expansion in 1 / z, for |z| of 30 and more (DLMF 10.40.1 and 10.40.2). */
static double bessel_tail(double z, int order)
{
    double term = 1, sum = 1;
    for (int k = 1; k < 60 && fabs(term) > 1e-17; k++) {
        double next = term * (4.0 * order * order - (2 * k - 1) * (2 * k - 1)) / (8 * k * z);
        if (fabs(next) > fabs(term)) break;
        sum += term = next;
    }
    return sum;
}

/* e^-|x| I_order(x): the ascending series (DLMF 10.25.2), all terms positive; beyond 30 the expansion 10.40.1. */
static double bessel_ie(double x, int order)
{
    double z = fabs(x), term, sum, sign = x < 0 && order ? -1 : 1;
    if (z <= 30) {
        term = sum = order ? z / 2 : 1;
        for (int k = 1; term > sum * 1e-17; k++) sum += term *= z * z / 4 / k / (k + order);
        return sign * sum * exp(-z);
    }
    return sign * bessel_tail(-z, order) / sqrt(2 * M_PI * z);
}

static double bessel_i(double x, int order) { return exp(fabs(x)) * bessel_ie(x, order); }

/* e^x K_order(x) = integral over t >= 0 of e^(-x (cosh t - 1)) cosh(order t) (DLMF 10.32.9): the trapezoidal rule
 * with steps of 0.1 is exact to double, until the bell is too narrow for them. */
static double bessel_ke(double x, int order)
{
    const double h = 0.1;
    double sum = 0.5;
    if (x != x) return x;
    if (x <= 0) return INFINITY;
    if (order && x < 1e-8) return 1 / x;
    if (x > 30) return bessel_tail(x, order) * sqrt(M_PI / (2 * x));
    for (int k = 1;; k++) {
        double t = k * h, s = sinh(t / 2), term = exp(-2 * x * s * s) * (order ? cosh(t) : 1);
        sum += term;
        if (2 * x * s * s > 40) return h * sum;
    }
}

static double bessel_k(double x, int order) { return x > 0 && isinf(x) ? 0 : exp(-x) * bessel_ke(x, order); }

/* All four of the first and second kind: NaN at infinity, as TensorFlow has them. */
static double bessel_j(double x, int order) { return isinf(x) ? NAN : order ? j1(x) : j0(x); }

static double bessel_y(double x, int order)
{
    if (x > 0 && isinf(x)) return NAN;
    return x != x ? x : x <= 0 ? -INFINITY : order ? y1(x) : y0(x);
}

/* ---- Gamma -------------------------------------------------------------------------------------------- */

static double log_gamma(double x)
{
    int sign;
    return lgamma_r(x, &sign);
}

/* Reflection, recurrence up to 10, then Stirling's series (DLMF 5.11.2). */
double bt_digamma(double x)
{
    double shift = 0;
    if (x <= 0) {
        if (x == floor(x)) return NAN;
        double fraction = x - floor(x); /* then in (-0.5, 0.5], where tiny ones keep their digits */
        if (fraction > 0.5) fraction = x - (floor(x) + 1);
        return bt_digamma(1 - x) - (fraction == 0.5 ? 0 : M_PI / tan(M_PI * fraction));
    }
    for (; x < 10; x++) shift += 1 / x;
    double z = 1 / (x * x);
    double tail =
        z *
        (1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240 - z * (1.0 / 132 - z * 691 / 32760)))));
    return log(x) - 0.5 / x - tail - shift;
}

/* Terms up to 10 + q, then Euler and Maclaurin's formula (DLMF 25.11.5). Where q < 0 only whole exponents have
 * real terms. */
double bt_zeta(double x, double q)
{
    static const double bernoulli[] = {1.0 / 6,       -1.0 / 30,      1.0 / 42, -1.0 / 30,
                                       5.0 / 66,      -691.0 / 2730,  7.0 / 6,  -3617.0 / 510,
                                       43867.0 / 798, -174611.0 / 330};
    if (x != x || q != q || x < 1) return NAN;
    if (x == 1) return INFINITY;
    if (q <= 0 && q == floor(q)) return fmod(x, 2) == 0 ? INFINITY : NAN;
    if (q <= 0 && x != floor(x)) return NAN;
    if (q < -1e6) return NAN;
    double sum = 0;
    if (isinf(q)) return 0;
    if (q > 1e8) return (1 / (x - 1) + 0.5 / q) * pow(q, 1 - x);
    for (; q < 10; q++) {
        double term = pow(q, -x);
        sum += term;
        if (q > 0 && term < sum * 1e-18) return sum;
    }
    double power = pow(q, -x), factor = x / q * power;
    sum += power * q / (x - 1) + power / 2;
    for (int k = 0; k < 10; k++) {
        double term = bernoulli[k] * factor / ((2 * k + 1) * (2 * k + 2));
        sum += term;
        if (fabs(term) < fabs(sum) * 1e-17) break;
        factor *= (x + 2 * k + 1) / q * (x + 2 * k + 2) / q / ((2 * k + 1) * (2 * k + 2));
    }
    return sum;
}

/* ---- Inverses of the normal distribution -------------------------------------------------------------- */

/* z >= 0 with probability q <= 1/2 above it. log Q is concave, so Newton's steps for it cannot go astray. */
static double upper_quantile(double q)
{
    if (q == 0) return INFINITY;
    double z = q < 0.1 ? sqrt(-2 * log(q)) : 1;
    for (int i = 0; i < 60; i++) {
        double above = 0.5 * erfc(z * M_SQRT1_2), density = exp(-z * z / 2) / sqrt(2 * M_PI);
        if (above == 0 || density == 0) { /* beyond double's range: step back */
            z -= 0.5;
            continue;
        }
        double step = log(above / q) * above / density;
        z += step;
        if (fabs(step) <= 1e-15 * z) break;
    }
    return z;
}

static double ndtri(double p)
{
    if (!(p >= 0 && p <= 1)) return NAN;
    return p < 0.5 ? -upper_quantile(p) : p > 0.5 ? upper_quantile(1 - p) : 0;
}

static double erfinv(double y)
{
    if (!(y >= -1 && y <= 1)) return NAN;
    if (fabs(y) >= 0.5) return copysign(upper_quantile((1 - fabs(y)) / 2) * M_SQRT1_2, y);
    double z = y * 0.88622692545275801365; /* sqrt(pi) / 2 */
    for (int i = 0; i < 20; i++) {
        double step = (erf(z) - y) * 0.88622692545275801365 * exp(z * z);
        z -= step;
        if (fabs(step) <= 1e-16 * fabs(z)) break;
    }
    return z;
}

/* ---- Integrals ---------------------------------------------------------------------------------------- */

/* e^(-x^2) times the integral of e^(t^2) up to x: a series of positive terms; beyond 7 DLMF 7.12's expansion. */
static double dawson(double x)
{
    double z = fabs(x), sum, term;
    if (z < 7) {
        sum = term = z;
        for (int k = 1; term > sum * 1e-18; k++) {
            term *= z * z / k;
            sum += term / (2 * k + 1);
            if (term / (2 * k + 1) < sum * 1e-17) break;
        }
        return copysign(sum * exp(-z * z), x);
    }
    sum = term = 1;
    for (int k = 1; k < 40 && term > 1e-17; k++) sum += term *= (2 * k - 1) / (2 * z * z);
    return copysign(sum / (2 * z), x);
}

/* Ei(x) for x > 0: DLMF 6.6.2, beyond 40 the expansion 6.12.2. */
static double exponential_integral(double x)
{
    double sum = 0, term = 1;
    if (x != x || x < 0) return NAN;
    if (x == 0) return -INFINITY;
    if (x < 40) {
        for (int k = 1; k < 300; k++) {
            term *= x / k;
            sum += term / k;
            if (term / k < sum * 1e-17) break;
        }
        return EULER + log(x) + sum;
    }
    sum = 1;
    for (int k = 1; k < 40 && term > 1e-17; k++) sum += term *= k / x;
    return exp(x) / x * sum;
}

/* C(x) + i S(x) = (1+i)/2 erf(z), z = sqrt(pi)/2 (1-i) x: the series of erf up to 1.6, then the continued fraction
 * of erfc (DLMF 7.9.1) from its 200th step back. */
static double complex fresnel(double x)
{
    double u = fabs(x);
    if (x != x) return CMPLX(x, x);
    if (u > 1e7) return CMPLX(copysign(0.5, x), copysign(0.5, x));
    double complex z = CMPLX(1, -1) * (0.88622692545275801365 * u), sum;
    if (u <= 1.6) {
        double complex term = z;
        sum = z;
        for (int k = 1; k < 60; k++) term *= -z * z / k, sum += term / (2 * k + 1);
        sum *= M_2_SQRTPI;
    } else {
        double complex tail = 0;
        for (int k = 200; k > 0; k--) tail = (k / 2.0) / (z + tail);
        double angle = M_PI / 2 * fmod(u * u, 4); /* e^(-z^2) = e^(i pi u^2 / 2) */
        sum = 1 - CMPLX(cos(angle), sin(angle)) / (sqrt(M_PI) * (z + tail));
    }
    return CMPLX(0.5, 0.5) * sum * (x < 0 ? -1 : 1);
}

static double fresnel_cos(double x) { return creal(fresnel(x)); }
static double fresnel_sin(double x) { return cimag(fresnel(x)); }

/* Li2(1 - x): the series where |1 - x| <= 1/2, elsewhere brought there by DLMF 25.12.4 and .6. */
static double spence(double x)
{
    if (!(x >= 0) || isinf(x)) return NAN; /* infinity as TensorFlow has it */
    if (x == 0) return M_PI * M_PI / 6;
    if (x > 1.5) return -0.5 * log(x) * log(x) - spence(1 / x);
    if (x < 0.5) return M_PI * M_PI / 6 - log(x) * log1p(-x) - spence(1 - x);
    double z = 1 - x, power = 1, sum = 0;
    for (int k = 1; k < 60; k++) power *= z, sum += power / k / k;
    return sum;
}

/* ---- Records ------------------------------------------------------------------------------------------ */

#define SPECIAL(name, expression)                                                    \
    BT_LOOP1(name##_f32, float, float, expression)                                   \
    BT_LOOP1(name##_f64, double, double, expression)                                 \
    static const bt_elementwise name##_op = {.n_in = 1, .of = {BT_OF_FLOATS(name)}}; \
    BT_ELEMENTWISE_RUN(name)
SPECIAL(i0, bessel_i(x, 0))
SPECIAL(i1, bessel_i(x, 1))
SPECIAL(i0e, bessel_ie(x, 0))
SPECIAL(i1e, bessel_ie(x, 1))
SPECIAL(j0, bessel_j(x, 0))
SPECIAL(j1, bessel_j(x, 1))
SPECIAL(k0, bessel_k(x, 0))
SPECIAL(k1, bessel_k(x, 1))
SPECIAL(k0e, bessel_ke(x, 0))
SPECIAL(k1e, bessel_ke(x, 1))
SPECIAL(y0, bessel_y(x, 0))
SPECIAL(y1, x == 0 && sizeof x == 4 ? (float)NAN : bessel_y(x, 1)) /* as TensorFlow's float kernel */
SPECIAL(lgamma, log_gamma(x))
SPECIAL(digamma, bt_digamma(x))
SPECIAL(ndtri, ndtri(x))
SPECIAL(erfinv, erfinv(x))
SPECIAL(dawson, dawson(x))
SPECIAL(expint, exponential_integral(x))
SPECIAL(fresnel_cos, fresnel_cos(x))
SPECIAL(fresnel_sin, fresnel_sin(x))
SPECIAL(spence, spence(x))

#define ROW(op, name, types)                                                \
    {                                                                       \
        op, bt_infer_same, .cpu = run_##name, .flags = BT_OP_INPLACE, types \
    }
#define WIDE (BT_T(BERTH_FLOAT) | BT_T(BERTH_DOUBLE))
#define WITH_HALF (WIDE | BT_T(BERTH_HALF))

const bt_op bt_ops_special[] = {
    ROW("BesselI0", i0, WITH_HALF),
    ROW("BesselI1", i1, WITH_HALF),
    ROW("BesselI0e", i0e, WITH_HALF),
    ROW("BesselI1e", i1e, WITH_HALF),
    ROW("BesselJ0", j0, WITH_HALF),
    ROW("BesselJ1", j1, WITH_HALF),
    ROW("BesselK0", k0, WITH_HALF),
    ROW("BesselK1", k1, WITH_HALF),
    ROW("BesselK0e", k0e, WITH_HALF),
    ROW("BesselK1e", k1e, WITH_HALF),
    ROW("BesselY0", y0, WITH_HALF),
    ROW("BesselY1", y1, WITH_HALF),
    ROW("Lgamma", lgamma, WITH_HALF),
    ROW("Digamma", digamma, WITH_HALF),
    ROW("Ndtri", ndtri, WIDE),
    ROW("Erfinv", erfinv, WIDE),
    ROW("Dawsn", dawson, WIDE),
    ROW("Expint", expint, WIDE),
    ROW("FresnelCos", fresnel_cos, WIDE),
    ROW("FresnelSin", fresnel_sin, WIDE),
    ROW("Spence", spence, WIDE),
    {0},
};
