/* Fourier transforms: see fft.h. Stockham's order: after the factors whose product is l, row k of A [n / l][l] is the
 * transform of every (n / l)-th element from k on, and with one factor p more
 *
 *     A'[k][j + l s] = sum over q < p of e^(-2 pi i q (j + l s) / (l p)) A[k + q n / (l p)][j]. */
#include "ops/fft.h"

#include <math.h>
#include <string.h>

enum { LARGEST_FACTOR = 31 };

static const double pi = 3.14159265358979323846;

static bt_point times(bt_point a, bt_point b)
{
    return (bt_point){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
static bt_point plus(bt_point a, bt_point b) { return (bt_point){a.re + b.re, a.im + b.im}; }
static bt_point minus(bt_point a, bt_point b) { return (bt_point){a.re - b.re, a.im - b.im}; }

/* Fours first, then the rest in order; what is left of n beside small primes. */
static int64_t factorise(int64_t n, int *factors, int *count)
{
    *count = 0;
    for (; n % 4 == 0 && n > 0; n /= 4) factors[(*count)++] = 4;
    for (int p = 2; p <= LARGEST_FACTOR && n > 1; p++)
        for (; n % p == 0; n /= p) factors[(*count)++] = p;
    return n;
}

/* The length that is transformed by factors. */
static int64_t inner_length(int64_t n)
{
    int factors[64], count;
    int64_t m = 1;
    if (n <= 1 || factorise(n, factors, &count) == 1) return n;
    while (m < 2 * n - 1) m *= 2;
    return m;
}

int64_t bt_fft_memory(int64_t n)
{
    if (n > (int64_t)1 << 40) return -1;
    int64_t m = inner_length(n);
    return m == n ? n : 2 * m + n;
}

int64_t bt_fft_work(int64_t n)
{
    int64_t m = inner_length(n);
    return m == n ? n : 2 * m;
}

/* One factor: from A to out. */
static void pass(const bt_fft *f, const bt_point *a, bt_point *out, int p, int64_t l)
{
    int64_t m = f->m / l / p, far = m * l;
    for (int64_t k = 0; k < m; k++)
        for (int64_t j = 0; j < l; j++) {
            const bt_point *in = a + k * l + j;
            bt_point *y = out + k * l * p + j, v[LARGEST_FACTOR];
            v[0] = in[0];
            for (int q = 1; q < p; q++) v[q] = j ? times(in[q * far], f->roots[q * j * m]) : in[q * far];
            if (p == 2) {
                y[0] = plus(v[0], v[1]), y[l] = minus(v[0], v[1]);
            } else if (p == 4) {
                bt_point even = plus(v[0], v[2]), odd = plus(v[1], v[3]), e = minus(v[0], v[2]),
                         o = minus(v[1], v[3]);
                y[0] = plus(even, odd), y[2 * l] = minus(even, odd);
                y[l] = (bt_point){e.re + o.im, e.im - o.re}, y[3 * l] = (bt_point){e.re - o.im, e.im + o.re};
            } else {
                for (int s = 0; s < p; s++) {
                    bt_point sum = v[0];
                    for (int q = 1; q < p; q++)
                        sum = plus(sum, times(v[q], f->roots[q * s % p * (f->m / p)]));
                    y[s * l] = sum;
                }
            }
        }
}

/* In place, of length m; work: m points. */
static void transform(const bt_fft *f, bt_point *x, bt_point *work)
{
    bt_point *from = x, *to = work;
    int64_t l = 1;
    for (int i = 0; i < f->n_factors; i++) {
        pass(f, from, to, f->factors[i], l);
        l *= f->factors[i];
        bt_point *swap = from;
        from = to, to = swap;
    }
    if (from != x) memcpy(x, from, (size_t)f->m * sizeof *x);
}

static bt_point root(double turns) { return (bt_point){cos(2 * pi * turns), -sin(2 * pi * turns)}; }

void bt_fft_init(bt_fft *f, int64_t n, bt_point *memory, bt_point *work)
{
    *f = (bt_fft){.n = n, .m = inner_length(n), .roots = memory};
    if (n < 1) return;
    factorise(f->m, f->factors, &f->n_factors);
    for (int64_t k = 0; k < f->m; k++) f->roots[k] = root((double)k / (double)f->m);
    if (f->m == n) return;
    f->chirp = memory + f->m, f->kernel = f->chirp + n;
    memset(f->kernel, 0, (size_t)f->m * sizeof *f->kernel);
    for (int64_t k = 0; k < n; k++) {
        int64_t square = (int64_t)((unsigned __int128)k * (unsigned __int128)k % (unsigned __int128)(2 * n));
        f->chirp[k] = root((double)square / (double)(2 * n));
        f->kernel[k] = f->kernel[(f->m - k) % f->m] = (bt_point){f->chirp[k].re, -f->chirp[k].im};
    }
    transform(f, f->kernel, work);
}

/* j k = (j^2 + k^2 - (k - j)^2) / 2 makes of the transform a convolution with a chirp. */
static void bluestein(const bt_fft *f, bt_point *x, bt_point *work)
{
    bt_point *row = work, *rest = work + f->m;
    for (int64_t k = 0; k < f->n; k++) row[k] = times(x[k], f->chirp[k]);
    memset(row + f->n, 0, (size_t)(f->m - f->n) * sizeof *row);
    transform(f, row, rest);
    for (int64_t k = 0; k < f->m; k++) {
        bt_point v = times(row[k], f->kernel[k]);
        row[k] = (bt_point){v.re, -v.im};
    }
    transform(f, row, rest);
    double scale = 1.0 / (double)f->m;
    for (int64_t k = 0; k < f->n; k++)
        x[k] = times((bt_point){row[k].re * scale, -row[k].im * scale}, f->chirp[k]);
}

void bt_fft_run(const bt_fft *f, bt_point *x, bt_point *work, bool inverse)
{
    for (int64_t k = 0; inverse && k < f->n; k++) x[k].im = -x[k].im;
    if (f->n > 1) f->chirp ? bluestein(f, x, work) : transform(f, x, work);
    for (int64_t k = 0; inverse && k < f->n; k++) x[k].im = -x[k].im;
}
