/* What the Schur form of a square matrix gives: Eig, and the principal MatrixSquareRoot and MatrixLogarithm. Hermitian
 * matrices have simpler ways: linalg_factor.c. */
#include "ops/linalg.h"
#include "ops/move.h"

#include <float.h>
#include <math.h>

static double square_of(bt_z z) { return creal(z) * creal(z) + cimag(z) * cimag(z); }

static void copy(bt_z *to, const bt_z *from, int64_t n) { memcpy(to, from, (size_t)n * sizeof *to); }

/* ---- Schur form --------------------------------------------------------------------------------------- */

/* A unitary combination of two rows or columns: [x y] becomes [c x + s y, c y - conj(s) x]. */
typedef struct turn {
    double c;
    bt_z s;
} turn;

static void combine(turn t, bt_z *x, bt_z *y)
{
    bt_z was = *x;
    *x = t.c * was + t.s * *y;
    *y = t.c * *y - conj(t.s) * was;
}

/* The one that makes y zero. */
static turn turn_of(bt_z x, bt_z y)
{
    double r = hypot(cabs(x), cabs(y));
    if (r == 0) return (turn){1, 0};
    if (cabs(x) == 0) return (turn){0, conj(y) / r};
    return (turn){cabs(x) / r, x / cabs(x) * conj(y) / r};
}

/* a = t^-1 a t of rows and columns k and k + 1, of which columns from `first` and rows to `last` are not zero; u = u t. */
static void turn_both(turn t, bt_z *a, bt_z *u, int64_t n, int64_t k, int64_t first, int64_t last)
{
    turn back = {t.c, conj(t.s)};
    for (int64_t j = first; j < n; j++) combine(t, &a[k * n + j], &a[(k + 1) * n + j]);
    for (int64_t i = 0; i <= last; i++) combine(back, &a[i * n + k], &a[i * n + k + 1]);
    for (int64_t i = 0; i < n; i++) combine(back, &u[i * n + k], &u[i * n + k + 1]);
}

/* Makes a zero below its first subdiagonal, from the bottom row of each column up. */
static void hessenberg(bt_z *a, bt_z *u, int64_t n)
{
    for (int64_t c = 0; c + 2 < n; c++)
        for (int64_t r = n - 2; r > c; r--) {
            if (a[(r + 1) * n + c] == 0) continue;
            turn_both(turn_of(a[r * n + c], a[(r + 1) * n + c]), a, u, n, r, c, n - 1);
            a[(r + 1) * n + c] = 0;
        }
}

/* The eigenvalue of the last two by two of rows up to `hi` that is closer to its corner. */
static bt_z shift_of(const bt_z *a, int64_t n, int64_t hi)
{
    bt_z p = a[(hi - 1) * n + hi - 1], q = a[(hi - 1) * n + hi], r = a[hi * n + hi - 1], s = a[hi * n + hi];
    bt_z half = (p - s) / 2, root = csqrt(half * half + q * r);
    if (creal(half * conj(root)) < 0) root = -root;
    return half + root == 0 ? s : s - q * r / (half + root);
}

/* a [n][n] becomes upper triangular, t, and u unitary: the a that was = u t u^H. False when that does not converge, which
 * finite numbers do. QR steps with shifts on the Hessenberg form, from the last eigenvalue to the first. */
static bool schur(bt_z *a, bt_z *u, int64_t n)
{
    for (int64_t i = 0; i < n * n; i++) u[i] = i % (n + 1) == 0;
    hessenberg(a, u, n);
    int steps = 0;
    for (int64_t hi = n - 1; hi > 0;) {
        int64_t lo = hi;
        for (; lo > 0; lo--) {
            double beside = cabs(a[lo * n + lo]) + cabs(a[(lo - 1) * n + lo - 1]);
            if (cabs(a[lo * n + lo - 1]) <= DBL_EPSILON * beside + DBL_MIN) break;
        }
        if (lo > 0) a[lo * n + lo - 1] = 0;
        if (lo == hi) {
            hi--, steps = 0;
            continue;
        }
        if (++steps > 100) return false;
        bt_z shift = steps % 10 ? shift_of(a, n, hi) : a[hi * n + hi] + cabs(a[hi * n + hi - 1]);
        bt_z x = a[lo * n + lo] - shift, y = a[(lo + 1) * n + lo];
        for (int64_t k = lo; k < hi; k++) {
            if (k > lo) x = a[k * n + k - 1], y = a[(k + 1) * n + k - 1];
            turn_both(turn_of(x, y), a, u, n, k, k > lo ? k - 1 : lo, k + 2 < hi ? k + 2 : hi);
            if (k > lo) a[(k + 1) * n + k - 1] = 0;
        }
    }
    return true;
}

/* out = u t u^H; work: 2 n n. */
static void from_schur(const bt_z *t, const bt_z *u, int64_t n, bt_z *out, bt_z *work)
{
    bt_adjoint(u, n, n, work);
    bt_multiply(u, t, n, n, n, work + n * n);
    bt_multiply(work + n * n, work, n, n, n, out);
}

static const char *fill_nan(bt_z *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = NAN + NAN * I;
    return NULL;
}

/* ---- Functions ---------------------------------------------------------------------------------------- */

/* out = the root of a triangular t whose diagonal's roots are the principal ones. Equal to Eigen's, by columns. */
static void triangular_root(const bt_z *t, int64_t n, bt_z *out)
{
    for (int64_t i = 0; i < n * n; i++) out[i] = i % (n + 1) ? 0 : csqrt(t[i]);
    for (int64_t j = 1; j < n; j++)
        for (int64_t i = j - 1; i >= 0; i--) {
            bt_z sum = t[i * n + j], beside = out[i * n + i] + out[j * n + j];
            for (int64_t k = i + 1; k < j; k++) sum -= out[i * n + k] * out[k * n + j];
            out[i * n + j] = sum == 0 ? 0 : sum / beside;
        }
}

/* Of a real matrix with an eigenvalue below zero, more than by rounding, there is no real root: nan, as in TensorFlow. */
static const char *one_root(const bt_matrices *s, bt_z *const *in, bt_z *const *out, bt_z *work)
{
    int64_t n = s->n, nn = n * n;
    bt_z *u = work, *root = u + nn;
    if (!schur(in[0], u, n)) return fill_nan(out[0], nn);
    triangular_root(in[0], n, root);
    from_schur(root, u, n, out[0], root + nn);
    double size = 0, imaginary = 0;
    for (int64_t i = 0; i < nn; i++)
        size += square_of(out[0][i]), imaginary += cimag(out[0][i]) * cimag(out[0][i]);
    return !isfinite(size) || (s->real && imaginary > 1e-6 * size) ? fill_nan(out[0], nn) : NULL;
}

/* Roots of the triangular form until it is close to 1; then log t = 2 artanh((t - 1) (t + 1)^-1), as a series. */
static const char *one_logarithm(const bt_matrices *s, bt_z *const *in, bt_z *const *out, bt_z *work)
{
    int64_t n = s->n, nn = n * n;
    bt_z *t = in[0], *u = work, *x = u + nn, *square = x + nn, *power = square + nn, *spare = power + nn;
    double factor = 2;
    if (!schur(t, u, n)) return fill_nan(out[0], nn);
    for (int roots = 0;; roots++, factor *= 2) {
        double off = 0;
        for (int64_t i = 0; i < nn; i++) off = fmax(off, cabs(t[i] - (i % (n + 1) == 0)));
        if (off * (double)n < 0.25) break;
        if (roots == 60) return "the matrix has no principal logarithm that could be found";
        triangular_root(t, n, spare);
        copy(t, spare, nn);
    }
    for (int64_t i = 0; i < nn; i++) spare[i] = t[i] + (i % (n + 1) == 0), x[i] = t[i] - (i % (n + 1) == 0);
    bt_triangular_solve(spare, n, false, false, x, n);
    bt_multiply(x, x, n, n, n, square);
    copy(power, x, nn);
    for (int64_t i = 0; i < nn; i++) t[i] = factor * x[i];
    for (int k = 3; k < 40; k += 2) {
        bt_multiply(power, square, n, n, n, spare);
        copy(power, spare, nn);
        for (int64_t i = 0; i < nn; i++) t[i] += factor * power[i] / k;
    }
    from_schur(t, u, n, out[0], x);
    return NULL;
}

/* ---- Eigenvalues -------------------------------------------------------------------------------------- */

/* x [n][n] = the eigenvectors of a triangular t, by columns, each with a 1 on the diagonal. */
static void triangular_vectors(const bt_z *t, int64_t n, bt_z *x)
{
    double size = 0;
    for (int64_t i = 0; i < n * n; i++) size += square_of(t[i]), x[i] = i % (n + 1) == 0;
    for (int64_t k = n - 1; k >= 0; k--)
        for (int64_t i = k - 1; i >= 0; i--) {
            bt_z sum = -t[i * n + k], beside = t[i * n + i] - t[k * n + k];
            for (int64_t j = i + 1; j < k; j++) sum -= t[i * n + j] * x[j * n + k];
            x[i * n + k] = sum / (beside == 0 ? DBL_EPSILON * sqrt(size) : beside);
        }
}

/* Ascending by their size, as TensorFlow has those of complex matrices; those of real ones are in no order there. The
 * vectors, columns of out[1], have length 1 and any phase. */
static const char *one_eigen(const bt_matrices *s, bt_z *const *in, bt_z *const *out, bt_z *work)
{
    int64_t n = s->n, nn = n * n;
    bt_z *u = work, *x = u + nn, *v = x + nn;
    if (!schur(in[0], u, n))
        return "the eigenvalues could not be found: the matrix has numbers that are not finite";
    for (int64_t i = 0; i < n; i++) out[0][i] = in[0][i * n + i];
    if (s->out[1]) {
        triangular_vectors(in[0], n, x);
        bt_multiply(u, x, n, n, n, v);
    }
    for (int64_t c = 0; c < n; c++) {
        int64_t best = c;
        for (int64_t i = c + 1; i < n; i++) best = cabs(out[0][i]) < cabs(out[0][best]) ? i : best;
        bt_z value = out[0][c];
        double size = 0;
        out[0][c] = out[0][best], out[0][best] = value;
        for (int64_t r = 0; s->out[1] && r < n; r++) {
            bt_z at = v[r * n + c];
            v[r * n + c] = v[r * n + best], v[r * n + best] = at;
            size += square_of(v[r * n + c]);
        }
        for (int64_t r = 0; s->out[1] && r < n; r++) out[1][r * n + c] = v[r * n + c] / sqrt(size);
    }
    return NULL;
}

static berth_status infer_eigen(bt_infer *x)
{
    bt_shape batch;
    int64_t m, n;
    berth_status status = bt_infer_matrix(x, &m, &n, &batch);
    if (status) return status;
    if (m >= 0 && n >= 0 && m != n)
        return bt_infer_fail(x, "matrices must be square, not %lld by %lld", (long long)m, (long long)n);
    berth_dtype out = bt_attr_type(x->node, "Tout", BERTH_COMPLEX64);
    x->out[0] = (bt_fact){out, bt_batch_with(&batch, 1, n, 0), NULL};
    x->out[1] = (bt_fact){
        out, bt_attr_bool(x->node, "compute_v", true) ? bt_batch_with(&batch, 2, n, n) : BT_SCALAR, NULL};
    return BERTH_OK;
}

/* ---- Running ------------------------------------------------------------------------------------------ */

static berth_status run_function(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bt_fact facts[2];
    berth_status status = bt_call_facts(c, facts);
    if (status) return status;
    int64_t n = in->shape.dim[in->shape.rank - 1];
    bt_matrices s = {.m = n,
                     .n = n,
                     .k = 20 * n,
                     .in = {n * n},
                     .work = 5 * n * n,
                     .real = !(BT_T(in->dtype) & BT_COMPLEXES),
                     .run = strcmp(c->node->op, "MatrixLogarithm") == 0 ? one_logarithm
                            : strcmp(c->node->op, "Eig") == 0           ? one_eigen
                                                                        : one_root,
                     .batch = bt_shape_span(&in->shape, 0, in->shape.rank - 2)};
    for (int i = 0; i < c->n_out; i++) {
        void *out = bt_out(c, i, facts[i].dtype, &facts[i].shape);
        if (!out) return BERTH_NO_MEMORY;
        s.out[i] =
            facts[i].shape.rank ? bt_shape_span(&facts[i].shape, in->shape.rank - 2, facts[i].shape.rank) : 0;
        if (!facts[i].shape.rank)
            status = bt_call_zero(c, facts[i].dtype, out, 1); /* vectors not asked for */
        if (status) return status;
    }
    return n && s.batch ? bt_matrices_run(c, &s) : BERTH_OK;
}

const bt_op bt_ops_linalg_function[] = {
    {.name = "MatrixSquareRoot",
     .infer = bt_infer_square,
     .cpu = run_function,
     .types = BT_FLOATS | BT_COMPLEXES},
    {.name = "MatrixLogarithm", .infer = bt_infer_square, .cpu = run_function, .types = BT_COMPLEXES},
    {.name = "Eig",
     .infer = infer_eigen,
     .cpu = run_function,
     .types = BT_FLOATS | BT_COMPLEXES,
     .outputs = "e,v"},
    {0},
};
