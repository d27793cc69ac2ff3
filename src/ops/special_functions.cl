/* Special functions, in double: Bessel, gamma, error function's inverse, exponential and Fresnel integrals, dilogarithm,
 * incomplete gamma and beta, zeta. By series, integrals and asymptotic expansions from the textbooks (DLMF's numbers are
 * given), to about 1e-13. In the dialect of device/dialect.h: special.c and special_many.c compile them for the host,
 * special.cl for devices. */

#define PI 3.14159265358979323846
#define EULER 0.57721566490153286061
#define SQRT_HALF 0.70710678118654752440
#define HALF_SQRT_PI 0.88622692545275801365
#define EPSILON 1e-17
#define STEPS 20000 /* bound of series and fractions: about 6 sqrt(a) are needed */

/* ---- Modified Bessel functions ------------------------------------------------------------------------ */

/* The sum of Hankel's expansion in 1 / z, for |z| of 30 and more (DLMF 10.40.1 and 10.40.2). */
DEVFN double bessel_tail(double z, int order)
{
    double term = 1, sum = 1;
    for (int k = 1; k < 60 && fabs(term) > EPSILON; k++) {
        const double next = term * (4.0 * order * order - (2 * k - 1) * (2 * k - 1)) / (8 * k * z);
        if (fabs(next) > fabs(term)) break;
        sum += term = next;
    }
    return sum;
}

/* e^-|x| I_order(x): the ascending series (DLMF 10.25.2), all terms positive; beyond 30 the expansion 10.40.1. */
DEVFN double bessel_ie(double x, int order)
{
    const double z = fabs(x), sign = x < 0 && order ? -1.0 : 1.0;
    if (z <= 30) {
        double term = order ? z / 2 : 1.0, sum = term;
        for (int k = 1; term > sum * EPSILON; k++) sum += term *= z * z / 4 / k / (k + order);
        return sign * sum * exp(-z);
    }
    return sign * bessel_tail(-z, order) / sqrt(2 * PI * z);
}

DEVFN double bessel_i(double x, int order) { return exp(fabs(x)) * bessel_ie(x, order); }

/* e^x K_order(x) = integral over t >= 0 of e^(-x (cosh t - 1)) cosh(order t) (DLMF 10.32.9): the trapezoidal rule with
 * steps of 0.1 is exact to double, until the bell is too narrow for them. */
DEVFN double bessel_ke(double x, int order)
{
    const double h = 0.1;
    double sum = 0.5;
    if (x != x) return x;
    if (x <= 0) return M_INF;
    if (order && x < 1e-8) return 1 / x;
    if (x > 30) return bessel_tail(x, order) * sqrt(PI / (2 * x));
    for (int k = 1;; k++) {
        const double t = k * h, s = sinh(t / 2);
        sum += exp(-2 * x * s * s) * (order ? cosh(t) : 1.0);
        if (2 * x * s * s > 40) return h * sum;
    }
}

DEVFN double bessel_k(double x, int order) { return x == M_INF ? 0.0 : exp(-x) * bessel_ke(x, order); }

/* ---- Bessel functions --------------------------------------------------------------------------------- */

typedef struct bessel_pair {
    double j, y; /* of the first kind, of the second */
} bessel_pair;

/* x <= 2: the ascending series DLMF 10.2.2 and 10.8.1, where little cancels. */
DEVFN bessel_pair bessel_ascending(double x, int order)
{
    const double z = -x * x / 4;
    double term = order ? x / 2 : 1.0, harmonic = order ? 1.0 : 0.0, sum = 0, tail = 0;
    bessel_pair f;
    for (int k = 0; k < 30; k++) { /* harmonic: psi(k + 1) + psi(k + order + 1) + 2 EULER, halved where order is 0 */
        sum += term, tail += term * harmonic;
        term *= z / (k + 1) / (k + 1 + order);
        harmonic += 1.0 / (k + 1) + (order ? 1.0 / (k + 2) : 0.0);
    }
    f.j = sum;
    f.y = 2 / PI * (log(x / 2) + EULER) * sum - (order ? 2 / (PI * x) + tail / PI : 2 / PI * tail);
    return f;
}

/* 2 < x <= 25: all J_k by the recurrence DLMF 10.6.1 downwards, scaled so that J_0 + 2 (J_2 + J_4 + ...) is 1; Y_0 by
 * Neumann's series, 2/pi (log(x/2) + EULER) J_0 - 4/pi sum (-1)^k J_2k / k, and Y_1 = -Y_0'. */
DEVFN bessel_pair bessel_downwards(double x, int order)
{
    double above = 0, own = 1e-200, norm = 0, zeroth = 0, first = 0, j1 = 0;
    for (int k = 80; k > 0; k--) { /* own is J_k, above J_k+1 */
        const double below = 2 * k / x * own - above;
        if (k % 2 == 0) {
            const double sign = k % 4 == 0 ? 2.0 / k : -2.0 / k;
            norm += 2 * own;
            zeroth += sign * own;
            first += sign * (below - above) / 2;
        }
        if (k == 1) j1 = own;
        above = own, own = below;
    }
    norm += own;
    const double j0 = own / norm, log_part = log(x / 2) + EULER;
    bessel_pair f;
    f.j = order ? j1 / norm : j0;
    f.y = order ? 2 / PI * log_part * (j1 / norm) - 2 / (PI * x) * j0 + 4 / PI * (first / norm)
                : 2 / PI * log_part * j0 - 4 / PI * (zeroth / norm);
    return f;
}

/* x > 25: Hankel's expansions (DLMF 10.17.3, .4); sines and cosines of x - pi/4 from those of x. */
DEVFN bessel_pair bessel_far(double x, int order)
{
    const double mu = 4.0 * order;
    double term = 1, p = 1, q = 0;
    for (int k = 1; k < 40; k++) {
        const double next = term * (mu - (2 * k - 1) * (2 * k - 1)) / (8 * k * x);
        if (fabs(next) > fabs(term) || fabs(next) < 1e-18) break;
        term = next;
        if (k % 2) q += k % 4 == 1 ? term : -term;
        else p += k % 4 == 0 ? term : -term;
    }
    const double s = sin(x), c = cos(x), a = (c + s) * SQRT_HALF, b = (s - c) * SQRT_HALF;
    const double co = order ? b : a, si = order ? -a : b, scale = sqrt(2 / (PI * x));
    bessel_pair f;
    f.j = scale * (p * co - q * si);
    f.y = scale * (p * si + q * co);
    return f;
}

/* NaN at infinity, as TensorFlow has them. */
DEVFN double bessel_j(double x, int order)
{
    const double z = fabs(x), sign = x < 0 && order ? -1.0 : 1.0;
    if (z == M_INF) return M_NAN;
    if (z <= 2) { /* without the logarithm of 0 */
        double term = order ? z / 2 : 1.0, sum = term;
        for (int k = 1; k < 30; k++) sum += term *= -z * z / 4 / k / (k + order);
        return sign * sum;
    }
    return sign * (z <= 25 ? bessel_downwards(z, order).j : bessel_far(z, order).j);
}

DEVFN double bessel_y(double x, int order)
{
    if (x != x) return x;
    if (x <= 0) return -M_INF;
    if (x == M_INF) return M_NAN;
    return x <= 2 ? bessel_ascending(x, order).y : x <= 25 ? bessel_downwards(x, order).y : bessel_far(x, order).y;
}

/* ---- Gamma -------------------------------------------------------------------------------------------- */

/* Reflection, recurrence up to 10, then Stirling's series (DLMF 5.11.2). */
DEVFN double digamma(double x)
{
    double shift = 0;
    if (x <= 0) {
        if (x == floor(x)) return M_NAN;
        double part = x - floor(x); /* then in (-0.5, 0.5], where tiny ones keep their digits */
        if (part > 0.5) part = x - (floor(x) + 1);
        if (part != 0.5) shift = PI / tan(PI * part);
        x = 1 - x;
    }
    for (; x < 10; x++) shift += 1 / x;
    const double z = 1 / (x * x);
    const double tail =
        z * (1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240 - z * (1.0 / 132 - z * 691 / 32760)))));
    return log(x) - 0.5 / x - tail - shift;
}

/* The sum over k >= 0 of (q + k)^-x: terms up to 10 + q, then Euler and Maclaurin's formula (DLMF 25.11.5). Where q < 0
 * only whole exponents have real terms. */
DEVFN double zeta(double x, double q)
{
    const double bernoulli[] = {1.0 / 6,  -1.0 / 30,     1.0 / 42, -1.0 / 30,      5.0 / 66,
                                -691.0 / 2730, 7.0 / 6, -3617.0 / 510, 43867.0 / 798, -174611.0 / 330};
    if (x != x || q != q || x < 1) return M_NAN;
    if (x == 1) return M_INF;
    if (q <= 0 && q == floor(q)) return fmod(x, 2.0) == 0 ? M_INF : M_NAN;
    if (q <= 0 && x != floor(x)) return M_NAN;
    if (q < -1e6) return M_NAN;
    if (q == M_INF) return 0;
    if (q > 1e8) return (1 / (x - 1) + 0.5 / q) * pow(q, 1 - x);
    double sum = 0;
    for (; q < 10; q++) {
        const double term = pow(q, -x);
        sum += term;
        if (q > 0 && term < sum * 1e-18) return sum;
    }
    const double power = pow(q, -x);
    double factor = x / q * power;
    sum += power * q / (x - 1) + power / 2;
    for (int k = 0; k < 10; k++) {
        const double term = bernoulli[k] * factor / ((2 * k + 1) * (2 * k + 2));
        sum += term;
        if (fabs(term) < fabs(sum) * EPSILON) break;
        factor *= (x + 2 * k + 1) / q * (x + 2 * k + 2) / q / ((2 * k + 1) * (2 * k + 2));
    }
    return sum;
}

/* (-1)^(n+1) n! zeta(n + 1, x) */
DEVFN double polygamma(double n, double x)
{
    if (!(n >= 0) || n != floor(n) || x != x) return M_NAN;
    if (n == 0) return digamma(x);
    return (fmod(n, 2.0) == 0 ? -1.0 : 1.0) * exp(LOG_GAMMA(n + 1)) * zeta(n + 1, x);
}

/* x^a e^-x / Gamma(a) */
DEVFN double gamma_factor(double a, double x) { return exp(a * log(x) - x - LOG_GAMMA(a)); }

/* DLMF 8.7.1: P(a, x) for x < a + 1. */
DEVFN double lower_series(double a, double x)
{
    double term = 1 / a, sum = term;
    for (int k = 1; k < STEPS && term > sum * EPSILON; k++) sum += term *= x / (a + k);
    return sum * gamma_factor(a, x);
}

#define NOT_ZERO(v) ((v) == 0 ? 1e-300 : (v))

/* DLMF 8.9.2 by Lentz's method: Q(a, x) for x >= a + 1. */
DEVFN double upper_fraction(double a, double x)
{
    double b = x + 1 - a, c = 1e300, d = 1 / b, h = d;
    for (int k = 1; k < STEPS; k++) {
        const double n = -k * (k - a);
        b += 2;
        d = n * d + b, c = b + n / c;
        d = 1 / NOT_ZERO(d), c = NOT_ZERO(c);
        h *= d * c;
        if (fabs(d * c - 1) < 1e-16) break;
    }
    return h * gamma_factor(a, x);
}

/* upper: Q, else P. */
DEVFN double incomplete_gamma(double a, double x, int upper)
{
    if (a != a || x != x) return M_NAN;
    if (!upper && x == 0) return 0;
    if (x < 0 || a <= 0) return M_NAN;
    if (x == 0 || a == M_INF) return upper ? 1.0 : 0.0;
    if (x == M_INF) return upper ? 0.0 : 1.0;
    if (x < a + 1) return upper ? 1 - lower_series(a, x) : lower_series(a, x);
    return upper ? upper_fraction(a, x) : 1 - upper_fraction(a, x);
}

/* ---- Incomplete beta: DLMF 8.17.22 by Lentz's method --------------------------------------------------- */

DEVFN double beta_fraction(double a, double b, double x)
{
    double c = 1, d = 1 - (a + b) * x / (a + 1), h;
    d = 1 / NOT_ZERO(d), h = d;
    for (int k = 1; k < STEPS; k++) {
        const double even = k * (b - k) * x / ((a + 2 * k - 1) * (a + 2 * k));
        const double odd = -(a + k) * (a + b + k) * x / ((a + 2 * k) * (a + 2 * k + 1));
        d = 1 + even * d, c = 1 + even / c;
        d = 1 / NOT_ZERO(d), c = NOT_ZERO(c);
        h *= d * c;
        d = 1 + odd * d, c = 1 + odd / c;
        d = 1 / NOT_ZERO(d), c = NOT_ZERO(c);
        h *= d * c;
        if (fabs(d * c - 1) < 1e-16) break;
    }
    return h;
}

DEVFN double incomplete_beta(double a, double b, double x)
{
    if (!(a > 0 && b > 0 && x >= 0 && x <= 1)) return M_NAN;
    if (x == 0 || x == 1) return x;
    const double factor = exp(LOG_GAMMA(a + b) - LOG_GAMMA(a) - LOG_GAMMA(b) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2) ? factor * beta_fraction(a, b, x) / a
                                     : 1 - factor * beta_fraction(b, a, 1 - x) / b;
}

/* ---- Inverses of the normal distribution -------------------------------------------------------------- */

/* z >= 0 with probability q <= 1/2 above it. log Q is concave, so Newton's steps for it cannot go astray. */
DEVFN double upper_quantile(double q)
{
    if (q == 0) return M_INF;
    double z = q < 0.1 ? sqrt(-2 * log(q)) : 1.0;
    for (int i = 0; i < 60; i++) {
        const double above = 0.5 * erfc(z * SQRT_HALF), density = exp(-z * z / 2) / sqrt(2 * PI);
        if (above == 0 || density == 0) { /* beyond double's range: step back */
            z -= 0.5;
            continue;
        }
        const double step = log(above / q) * above / density;
        z += step;
        if (fabs(step) <= 1e-15 * z) break;
    }
    return z;
}

DEVFN double ndtri(double p)
{
    if (!(p >= 0 && p <= 1)) return M_NAN;
    return p < 0.5 ? -upper_quantile(p) : p > 0.5 ? upper_quantile(1 - p) : 0.0;
}

DEVFN double erfinv(double y)
{
    if (!(y >= -1 && y <= 1)) return M_NAN;
    if (fabs(y) >= 0.5) return copysign(upper_quantile((1 - fabs(y)) / 2) * SQRT_HALF, y);
    double z = y * HALF_SQRT_PI;
    for (int i = 0; i < 20; i++) {
        const double step = (erf(z) - y) * HALF_SQRT_PI * exp(z * z);
        z -= step;
        if (fabs(step) <= 1e-16 * fabs(z)) break;
    }
    return z;
}

/* ---- Integrals ---------------------------------------------------------------------------------------- */

/* e^(-x^2) times the integral of e^(t^2) up to x: a series of positive terms; beyond 7 DLMF 7.12's expansion. */
DEVFN double dawson(double x)
{
    const double z = fabs(x);
    double sum = 1, term = 1;
    if (z < 7) {
        sum = term = z;
        for (int k = 1; term > sum * 1e-18; k++) {
            term *= z * z / k;
            sum += term / (2 * k + 1);
            if (term / (2 * k + 1) < sum * EPSILON) break;
        }
        return copysign(sum * exp(-z * z), x);
    }
    for (int k = 1; k < 40 && term > EPSILON; k++) sum += term *= (2 * k - 1) / (2 * z * z);
    return copysign(sum / (2 * z), x);
}

/* Ei(x) for x > 0: DLMF 6.6.2, beyond 40 the expansion 6.12.2. */
DEVFN double exponential_integral(double x)
{
    double sum = 0, term = 1;
    if (x != x || x < 0) return M_NAN;
    if (x == 0) return -M_INF;
    if (x < 40) {
        for (int k = 1; k < 300; k++) {
            term *= x / k;
            sum += term / k;
            if (term / k < sum * EPSILON) break;
        }
        return EULER + log(x) + sum;
    }
    sum = 1;
    for (int k = 1; k < 40 && term > EPSILON; k++) sum += term *= k / x;
    return exp(x) / x * sum;
}

/* C(x) or S(x): up to 1.6 the series DLMF 7.6.4 and .6, of powers of w = pi x^2 / 2; then C + i S = (1+i)/2 erf(z) with
 * z = sqrt(pi)/2 (1-i) x, by the continued fraction of erfc (7.9.1) from its 200th step back. */
DEVFN double fresnel(double x, int sine)
{
    const double u = fabs(x), w = PI / 2 * u * u, z = HALF_SQRT_PI * u;
    if (x != x) return x;
    if (u > 1e7) return copysign(0.5, x);
    if (u <= 1.6) {
        double term = sine ? w : 1.0, sum = 0;
        for (int k = sine; k < 60; k += 2) {
            sum += term / (2 * k + 1);
            term *= -w * w / ((k + 1) * (k + 2));
        }
        return x * sum;
    }
    double re = 0, im = 0; /* the tail */
    for (int k = 200; k > 0; k--) {
        const double a = z + re, b = im - z, scale = k / 2.0 / (a * a + b * b);
        re = a * scale, im = -b * scale;
    }
    /* e^(-z^2) / (sqrt(pi) (z + tail)), where e^(-z^2) = e^(i w) */
    const double angle = PI / 2 * fmod(u * u, 4.0), c = cos(angle), s = sin(angle);
    const double a = z + re, b = im - z, scale = 1 / (2 * HALF_SQRT_PI * (a * a + b * b));
    const double erf_re = 1 - (c * a + s * b) * scale, erf_im = -(s * a - c * b) * scale;
    return copysign(1.0, x) * (sine ? erf_re + erf_im : erf_re - erf_im) / 2;
}

/* Li2(1 - x): the series where |1 - x| <= 1/2, elsewhere brought there by DLMF 25.12.4 and .6. */
DEVFN double spence(double x)
{
    double whole = 0, sign = 1;
    if (!(x >= 0) || x == M_INF) return M_NAN; /* infinity as TensorFlow has it */
    if (x == 0) return PI * PI / 6;
    if (x > 1.5) {
        whole = -0.5 * log(x) * log(x), sign = -1;
        x = 1 / x;
    }
    if (x < 0.5) {
        whole += sign * (PI * PI / 6 - log(x) * log1p(-x));
        sign = -sign;
        x = 1 - x;
    }
    const double z = 1 - x;
    double power = 1, sum = 0;
    for (int k = 1; k < 60; k++) power *= z, sum += power / k / k;
    return whole + sign * sum;
}
