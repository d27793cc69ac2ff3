/* Functions of square matrices: MatrixSquareRoot and MatrixLogarithm, the principal ones. */
#include "ops/linalg.h"
#include "ops/move.h"

#include <math.h>

static void copy(bt_z *to, const bt_z *from, int64_t n) { memcpy(to, from, (size_t)n * sizeof *to); }

static double size_of(const bt_z *a, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += creal(a[i] * conj(a[i]));
    return sqrt(sum);
}

/* out = a^-1; a is lost. work: 2 n. */
static bool invert(bt_z *a, int64_t n, bt_z *out, bt_z *work)
{
    if (!bt_lu(a, n, (int64_t *)work)) return false;
    for (int64_t i = 0; i < n * n; i++) out[i] = i % (n + 1) == 0;
    bt_lu_solve(a, (int64_t *)work, n, out, n, work + n);
    return true;
}

/* a becomes its square root, by the iteration of Denman and Beavers: y = (y + z^-1) / 2, z = (z + y^-1) / 2 from y = a,
 * z = 1. False when it does not converge: there is an eigenvalue on the negative axis. work: 5 n n + 2 n. */
static bool square_root(bt_z *a, int64_t n, bt_z *work)
{
    bt_z *z = work, *y_inverse = z + n * n, *z_inverse = y_inverse + n * n, *spare = z_inverse + n * n,
         *row = spare + n * n;
    for (int64_t i = 0; i < n * n; i++) z[i] = i % (n + 1) == 0;
    for (int step = 0; step < 100; step++) {
        double moved = 0;
        copy(spare, a, n * n);
        if (!invert(spare, n, y_inverse, row)) return false;
        copy(spare, z, n * n);
        if (!invert(spare, n, z_inverse, row)) return false;
        for (int64_t i = 0; i < n * n; i++) {
            bt_z next = (a[i] + z_inverse[i]) / 2;
            moved += creal((next - a[i]) * conj(next - a[i]));
            a[i] = next, z[i] = (z[i] + y_inverse[i]) / 2;
        }
        if (sqrt(moved) <= 1e-14 * size_of(a, n * n)) return true;
        if (!isfinite(moved)) return false;
    }
    return false;
}

static const char *const no_root = "the matrix has no principal square root that could be found";

static const char *one_root(const bt_matrices *s, bt_z *const *in, bt_z *const *out, bt_z *work)
{
    copy(out[0], in[0], s->n * s->n);
    return size_of(in[0], s->n * s->n) == 0 || square_root(out[0], s->n, work) ? NULL : no_root;
}

/* Roots until a is close to 1; then log a = 2 artanh((a - 1) (a + 1)^-1), as a series. */
static const char *one_logarithm(const bt_matrices *s, bt_z *const *in, bt_z *const *out, bt_z *work)
{
    int64_t n = s->n, nn = n * n;
    bt_z *a = in[0], *x = work, *square = x + nn, *power = square + nn, *spare = power + nn;
    double factor = 2;
    for (int roots = 0;; roots++, factor *= 2) {
        double off = 0;
        for (int64_t i = 0; i < nn; i++) off = fmax(off, cabs(a[i] - (i % (n + 1) == 0)));
        if (off * (double)n < 0.25) break;
        if (roots == 60 || !square_root(a, n, work))
            return "the matrix has no principal logarithm that could be found";
    }
    for (int64_t i = 0; i < nn; i++) spare[i] = a[i] + (i % (n + 1) == 0), a[i] -= i % (n + 1) == 0;
    if (!invert(spare, n, square, spare + nn)) return "the matrix has no logarithm";
    bt_multiply(a, square, n, n, n, x);
    bt_multiply(x, x, n, n, n, square);
    copy(power, x, nn);
    for (int64_t i = 0; i < nn; i++) out[0][i] = factor * x[i];
    for (int k = 3; k < 40; k += 2) {
        bt_multiply(power, square, n, n, n, spare);
        copy(power, spare, nn);
        for (int64_t i = 0; i < nn; i++) out[0][i] += factor * power[i] / k;
    }
    return NULL;
}

static berth_status run_function(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    int64_t n = in->shape.dim[in->shape.rank - 1];
    bt_matrices s = {.m = n,
                     .n = n,
                     .k = 50 * n,
                     .in = {n * n},
                     .out = {n * n},
                     .work = 6 * n * n + 2 * n,
                     .run = strcmp(c->node->op, "MatrixLogarithm") ? one_root : one_logarithm,
                     .batch = bt_shape_span(&in->shape, 0, in->shape.rank - 2)};
    if (!bt_out(c, 0, in->dtype, &fact.shape)) return BERTH_NO_MEMORY;
    return bt_shape_count(&fact.shape) ? bt_matrices_run(c, &s) : BERTH_OK;
}

const bt_op bt_ops_linalg_function[] = {
    {.name = "MatrixSquareRoot",
     .infer = bt_infer_square,
     .cpu = run_function,
     .types = BT_FLOATS | BT_COMPLEXES},
    {.name = "MatrixLogarithm", .infer = bt_infer_square, .cpu = run_function, .types = BT_COMPLEXES},
    {0},
};
