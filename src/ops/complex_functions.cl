/* Functions of complex numbers, A, which are pairs of R. Formulas follow DLMF's chapter 4; ranges are as large as those of
 * the real functions that they are made of. */

typedef JOIN(part_, DT) R;

#define of(re, im) JOIN(complex_, DT)(re, im)

DEVFN A conj_of(A z) { return of(z.re, -z.im); }
DEVFN A neg(A z) { return of(-z.re, -z.im); }
DEVFN A add(A x, A y) { return of(x.re + y.re, x.im + y.im); }
DEVFN A sub(A x, A y) { return of(x.re - y.re, x.im - y.im); }
DEVFN A scaled(A z, R by) { return of(z.re * by, z.im * by); }
DEVFN A mul(A x, A y) { return of(x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re); }
DEVFN A cube(A z) { return mul(z, mul(z, z)); }
DEVFN int is_zero(A z) { return z.re == 0 && z.im == 0; }
DEVFN int same(A x, A y) { return x.re == y.re && x.im == y.im; }
DEVFN A times_i(A z) { return of(-z.im, z.re); }

/* Smith's way: the larger part of y is divided by first. */
DEVFN A over(A x, A y)
{
    if (fabs(y.re) >= fabs(y.im)) {
        const R q = y.im / y.re, d = y.re + y.im * q;
        return of((x.re + x.im * q) / d, (x.im - x.re * q) / d);
    }
    const R q = y.re / y.im, d = y.re * q + y.im;
    return of((x.re * q + x.im) / d, (x.im * q - x.re) / d);
}

DEVFN A inverse(A z) { return over(of(1, 0), z); }
DEVFN R absolute(A z) { return hypot(z.re, z.im); }
DEVFN A exp_of(A z)
{
    const R e = exp(z.re);
    return z.im == 0 ? of(e, z.im) : of(e * cos(z.im), e * sin(z.im));
}
DEVFN A log_of(A z) { return of(log(absolute(z)), atan2(z.im, z.re)); }
DEVFN A log1p_of(A z) { return of((R)0.5 * log1p(z.re * (z.re + 2) + z.im * z.im), atan2(z.im, 1 + z.re)); }
/* At -1 TensorFlow's quotient of infinities has no angle. */
DEVFN A log1p_op(A z) { return z.re == -1 && z.im == 0 ? of(log1p(z.re), M_NAN) : log1p_of(z); }
/* Without cancellation. */
DEVFN A expm1_of(A z)
{
    const R s = sin(z.im / 2);
    return of(expm1(z.re) * cos(z.im) - 2 * s * s, exp(z.re) * sin(z.im));
}
DEVFN A sqrt_of(A z)
{
    if (is_zero(z)) return of(0, z.im);
    const R t = sqrt((absolute(z) + fabs(z.re)) / 2);
    return z.re >= 0 ? of(t, z.im / (2 * t)) : of(fabs(z.im) / (2 * t), copysign(t, z.im));
}
DEVFN A sinh_of(A z) { return of(sinh(z.re) * cos(z.im), cosh(z.re) * sin(z.im)); }
DEVFN A cosh_of(A z) { return of(cosh(z.re) * cos(z.im), sinh(z.re) * sin(z.im)); }
DEVFN A tanh_of(A z)
{
    if (fabs(z.re) > 20) return of(copysign((R)1, z.re), 4 * sin(z.im) * cos(z.im) * exp(-2 * fabs(z.re)));
    const R d = cosh(2 * z.re) + cos(2 * z.im);
    return of(sinh(2 * z.re) / d, sin(2 * z.im) / d);
}
/* f(z) = -i g(iz) */
DEVFN A turned(A g) { return of(g.im, -g.re); }
DEVFN A asinh_of(A z)
{
    const R sign = z.re < 0 ? -1 : 1;
    const A w = scaled(z, sign);
    return scaled(log_of(add(w, sqrt_of(add(of(1, 0), mul(w, w))))), sign);
}
DEVFN A acosh_of(A z)
{
    return log_of(add(z, mul(sqrt_of(add(z, of(1, 0))), sqrt_of(sub(z, of(1, 0))))));
}
DEVFN A atanh_of(A z) { return scaled(sub(log1p_of(z), log1p_of(neg(z))), (R)0.5); }
/* The angle of a large power needs more digits than a float has. */
#ifdef HAS_F64
typedef double Wide;
#else
typedef float Wide;
#endif
DEVFN A power(A x, A y)
{
    if (is_zero(y)) return of(1, 0);
    if (is_zero(x)) return of(0, 0);
    const Wide radius = log(hypot((Wide)x.re, (Wide)x.im)), angle = atan2((Wide)x.im, (Wide)x.re);
    const Wide e = exp(y.re * radius - y.im * angle), turn = y.re * angle + y.im * radius;
    return of((R)(e * cos(turn)), (R)(e * sin(turn)));
}

