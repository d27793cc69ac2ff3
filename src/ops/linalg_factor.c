/* Orthogonal factors and what is made of them: Qr, SelfAdjointEigV2, Svd, MatrixSolveLs. QR by Householder's
 * reflections, the others by Jacobi's rotations. */
#include "ops/linalg.h"
#include "ops/move.h"

#include <math.h>

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static void identity(bt_z *a, int64_t rows, int64_t columns)
{
    for (int64_t i = 0; i < rows * columns; i++) a[i] = i / columns == i % columns;
}

/* ---- QR ----------------------------------------------------------------------------------------------- */

/* a [m][n] becomes R below which the reflections' vectors lie; tau [min(m, n)]. R's diagonal is -sign(re x) |x|, as
 * Eigen and LAPACK have it, and x itself where nothing lies below. */
static void reflect_all(bt_z *a, int64_t m, int64_t n, bt_z *tau)
{
    for (int64_t c = 0; c < least(m, n); c++) {
        double below = 0;
        for (int64_t r = c + 1; r < m; r++) below += creal(a[r * n + c] * conj(a[r * n + c]));
        bt_z x = a[c * n + c];
        tau[c] = 0;
        if (below == 0 && cimag(x) == 0) continue;
        double beta = sqrt(creal(x * conj(x)) + below);
        if (creal(x) >= 0) beta = -beta;
        for (int64_t r = c + 1; r < m; r++) a[r * n + c] /= x - beta;
        tau[c] = conj((beta - x) / beta);
        a[c * n + c] = beta;
        for (int64_t k = c + 1; k < n; k++) {
            bt_z sum = a[c * n + k];
            for (int64_t r = c + 1; r < m; r++) sum += conj(a[r * n + c]) * a[r * n + k];
            a[c * n + k] -= tau[c] * sum;
            for (int64_t r = c + 1; r < m; r++) a[r * n + k] -= tau[c] * a[r * n + c] * sum;
        }
    }
}

/* q [m][k] = the first k columns of the product of the reflections. */
static void form_q(const bt_z *a, int64_t m, int64_t n, const bt_z *tau, bt_z *q, int64_t k)
{
    identity(q, m, k);
    for (int64_t c = least(m, n) - 1; c >= 0; c--)
        for (int64_t j = 0; j < k; j++) {
            bt_z sum = q[c * k + j];
            for (int64_t r = c + 1; r < m; r++) sum += conj(a[r * n + c]) * q[r * k + j];
            q[c * k + j] -= conj(tau[c]) * sum;
            for (int64_t r = c + 1; r < m; r++) q[r * k + j] -= conj(tau[c]) * a[r * n + c] * sum;
        }
}

static const char *one_qr(const bt_matrices *s, bt_z *const *in, bt_z *const *out, bt_z *work)
{
    int64_t k = s->full ? s->m : least(s->m, s->n);
    reflect_all(in[0], s->m, s->n, work);
    form_q(in[0], s->m, s->n, work, out[0], k);
    for (int64_t i = 0; i < k * s->n; i++) out[1][i] = i % s->n < i / s->n ? 0 : in[0][i];
    return NULL;
}

/* ---- Eigenvalues -------------------------------------------------------------------------------------- */

/* Columns p and q of a [rows][n] become c p - s q and conj(s) p + c q. */
static void rotate(bt_z *a, int64_t rows, int64_t n, int64_t p, int64_t q, double c, bt_z s)
{
    for (int64_t r = 0; r < rows; r++) {
        bt_z x = a[r * n + p], y = a[r * n + q];
        a[r * n + p] = c * x - s * y;
        a[r * n + q] = conj(s) * x + c * y;
    }
}

/* The rotation that makes the off-diagonal element `off` of [[a, off], [conj(off), b]] zero. */
static void rotation(double a, double b, bt_z off, double *c, bt_z *s)
{
    double size = cabs(off), theta = (b - a) / (2 * size);
    double t = (theta >= 0 ? 1 : -1) / (fabs(theta) + sqrt(theta * theta + 1));
    *c = 1 / sqrt(t * t + 1);
    *s = t * *c * conj(off) / size;
}

/* Orders values and the columns of up to two matrices: [rows][n]. */
static void order_columns(double *values, int64_t n, bool descending, bt_z *a, int64_t a_rows, bt_z *b,
                          int64_t b_rows)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t best = i;
        for (int64_t j = i + 1; j < n; j++)
            if (descending ? values[j] > values[best] : values[j] < values[best]) best = j;
        double v = values[i];
        values[i] = values[best], values[best] = v;
        for (int64_t r = 0; best != i && r < a_rows + b_rows; r++) {
            bt_z *row = r < a_rows ? a + r * n : b + (r - a_rows) * n, x = row[i];
            row[i] = row[best], row[best] = x;
        }
    }
}

/* Eigenvalues of a Hermitian matrix, of which the lower triangle is read, ascending, and eigenvectors as columns of v. */
static void hermitian_eigen(bt_z *a, int64_t n, double *values, bt_z *v)
{
    identity(v, n, n);
    for (int64_t i = 0; i < n; i++) {
        a[i * n + i] = creal(a[i * n + i]);
        for (int64_t j = 0; j < i; j++) a[j * n + i] = conj(a[i * n + j]);
    }
    for (int sweep = 0; sweep < 60; sweep++) {
        double off = 0, all = 0;
        for (int64_t i = 0; i < n * n; i++) {
            double size = creal(a[i] * conj(a[i]));
            all += size, off += i / n == i % n ? 0 : size;
        }
        if (!(off > 1e-32 * all)) break;
        for (int64_t p = 0; p < n; p++)
            for (int64_t q = p + 1; q < n; q++) {
                double c;
                bt_z s, x = a[p * n + q];
                if (cabs(x) == 0) continue;
                rotation(creal(a[p * n + p]), creal(a[q * n + q]), x, &c, &s);
                rotate(a, n, n, p, q, c, s);
                for (int64_t k = 0; k < n; k++) { /* and the rows */
                    bt_z y = a[p * n + k], z = a[q * n + k];
                    a[p * n + k] = c * y - conj(s) * z;
                    a[q * n + k] = s * y + c * z;
                }
                rotate(v, n, n, p, q, c, s);
            }
    }
    for (int64_t i = 0; i < n; i++) values[i] = creal(a[i * n + i]);
    order_columns(values, n, false, v, n, NULL, 0);
}

static const char *one_eigen(const bt_matrices *s, bt_z *const *in, bt_z *const *out, bt_z *work)
{
    double *values = (double *)work;
    bt_z *v = s->out[1] ? out[1] : work + s->n;
    hermitian_eigen(in[0], s->n, values, v);
    for (int64_t i = 0; i < s->n; i++) out[0][i] = values[i];
    return NULL;
}

/* ---- Singular values ---------------------------------------------------------------------------------- */

/* a [m][n], m >= n, becomes U times the singular values, which are descending; v [n][n]. One-sided Jacobi. */
static void orthogonalise(bt_z *a, int64_t m, int64_t n, double *values, bt_z *v)
{
    bool again = true;
    identity(v, n, n);
    for (int sweep = 0; again && sweep < 60; sweep++) {
        again = false;
        for (int64_t p = 0; p < n; p++)
            for (int64_t q = p + 1; q < n; q++) {
                double x = 0, y = 0, c;
                bt_z off = 0, s;
                for (int64_t r = 0; r < m; r++) {
                    bt_z ap = a[r * n + p], aq = a[r * n + q];
                    x += creal(ap * conj(ap)), y += creal(aq * conj(aq)), off += conj(ap) * aq;
                }
                if (!(cabs(off) > 1e-15 * sqrt(x * y)) || cabs(off) < 1e-300) continue;
                again = true;
                rotation(x, y, off, &c, &s);
                rotate(a, m, n, p, q, c, s);
                rotate(v, n, n, p, q, c, s);
            }
    }
    for (int64_t c = 0; c < n; c++) {
        values[c] = 0;
        for (int64_t r = 0; r < m; r++) values[c] += creal(a[r * n + c] * conj(a[r * n + c]));
        values[c] = sqrt(values[c]);
    }
    order_columns(values, n, true, a, m, v, n);
}

/* Columns [from, k) of q [m][k] become unit vectors orthogonal to all before. */
static void complete(bt_z *q, int64_t m, int64_t k, int64_t from)
{
    for (int64_t c = from, axis = 0; c < k && axis < m; axis++) {
        for (int64_t r = 0; r < m; r++) q[r * k + c] = r == axis;
        double size = 0;
        for (int twice = 0; twice < 2; twice++)
            for (int64_t p = 0; p < c; p++) {
                bt_z dot = 0;
                for (int64_t r = 0; r < m; r++) dot += conj(q[r * k + p]) * q[r * k + c];
                for (int64_t r = 0; r < m; r++) q[r * k + c] -= dot * q[r * k + p];
            }
        for (int64_t r = 0; r < m; r++) size += creal(q[r * k + c] * conj(q[r * k + c]));
        if (size < 1e-8 / (double)m) continue;
        for (int64_t r = 0; r < m; r++) q[r * k + c] /= sqrt(size);
        c++;
    }
}

/* Singular values in values, and singular vectors of the tall a [m][n] in u [m][nu], v [n][n]. */
static void tall_svd(bt_z *a, int64_t m, int64_t n, double *values, bt_z *u, int64_t nu, bt_z *v)
{
    int64_t rank = 0;
    orthogonalise(a, m, n, values, v);
    while (rank < n && values[rank] > 1e-14 * values[0]) rank++;
    for (int64_t r = 0; u && r < m; r++)
        for (int64_t c = 0; c < rank; c++) u[r * nu + c] = a[r * n + c] / values[c];
    if (u) complete(u, m, nu, rank);
}

static const char *one_svd(const bt_matrices *s, bt_z *const *in, bt_z *const *out, bt_z *work)
{
    bool wide = s->m<s->n, vectors = s->out[1]> 0;
    int64_t p = least(s->m, s->n), t = s->m + s->n - p, nu = s->full ? t : p;
    double *values = (double *)work;
    bt_z *a = work + p, *small = a + s->m * s->n;
    if (wide) bt_adjoint(in[0], s->m, s->n, a);
    else memcpy(a, in[0], (size_t)(s->m * s->n) * sizeof *a);
    tall_svd(a, t, p, values, vectors ? out[wide ? 2 : 1] : NULL, nu, small);
    for (int64_t i = 0; i < p; i++) out[0][i] = values[i];
    if (vectors) memcpy(out[wide ? 1 : 2], small, (size_t)(p * p) * sizeof *small);
    return NULL;
}

/* ---- Least squares ------------------------------------------------------------------------------------ */

/* With the normal equations of the smaller side: (A* A + l I)^-1 A* b, or A* (A A* + l I)^-1 b. */
static const char *fast_least(const bt_matrices *s, const bt_z *a, const bt_z *b, bt_z *x, bt_z *work)
{
    int64_t p = least(s->m, s->n);
    bt_z *adjoint = work, *normal = adjoint + s->m * s->n, *y = normal + p * p;
    bool tall = s->m >= s->n;
    bt_adjoint(a, s->m, s->n, adjoint);
    if (tall) bt_multiply(adjoint, a, p, s->m, p, normal);
    else bt_multiply(a, adjoint, p, s->n, p, normal);
    for (int64_t i = 0; i < p; i++) normal[i * (p + 1)] += s->l2;
    if (!bt_cholesky(normal, p))
        return "the matrix was rank deficient or ill-conditioned: try fast=False or a larger l2_regularizer";
    if (tall) bt_multiply(adjoint, b, s->n, s->m, s->k, y);
    else memcpy(y, b, (size_t)(p * s->k) * sizeof *y);
    bt_triangular_solve(normal, p, true, false, y, s->k);
    bt_triangular_solve(normal, p, true, true, y, s->k);
    if (tall) memcpy(x, y, (size_t)(p * s->k) * sizeof *x);
    else bt_multiply(adjoint, y, s->n, s->m, s->k, x);
    return NULL;
}

/* The shortest of the best solutions, by singular values: x = V S^-1 U* b, for the adjoint of a wide matrix U and V trade
 * places. */
static const char *one_least(const bt_matrices *s, bt_z *const *in, bt_z *const *out, bt_z *work)
{
    if (s->fast) return fast_least(s, in[0], in[1], out[0], work);
    bool wide = s->m < s->n;
    int64_t p = least(s->m, s->n), t = s->m + s->n - p;
    double *values = (double *)work;
    bt_z *a = work + p, *u = a + s->m * s->n, *v = u + t * p, *left = wide ? v : u, *right = wide ? u : v;
    if (wide) bt_adjoint(in[0], s->m, s->n, a);
    else memcpy(a, in[0], (size_t)(s->m * s->n) * sizeof *a);
    tall_svd(a, t, p, values, u, p, v);
    memset(out[0], 0, (size_t)(s->n * s->k) * sizeof **out);
    for (int64_t i = 0; i < p && values[i] > 1e-13 * values[0]; i++)
        for (int64_t c = 0; c < s->k; c++) {
            bt_z dot = 0;
            for (int64_t r = 0; r < s->m; r++) dot += conj(left[r * p + i]) * in[1][r * s->k + c];
            for (int64_t r = 0; r < s->n; r++) out[0][r * s->k + c] += right[r * p + i] * dot / values[i];
        }
    return NULL;
}

/* ---- Shapes ------------------------------------------------------------------------------------------- */

static int64_t smaller(int64_t m, int64_t n) { return m < 0 || n < 0 ? -1 : least(m, n); }

static berth_status infer_factor(bt_infer *x)
{
    bt_shape batch, none = BT_SCALAR;
    int64_t m, n;
    berth_status status = bt_infer_matrix(x, &m, &n, &batch);
    if (status) return status;
    bool full = bt_attr_bool(x->node, "full_matrices", false), is_svd = strcmp(x->node->op, "Svd") == 0;
    int64_t p = smaller(m, n);
    bt_shape shapes[3];
    if (is_svd) {
        bool vectors = bt_attr_bool(x->node, "compute_uv", true);
        shapes[0] = bt_batch_with(&batch, 1, p, 0);
        shapes[1] = vectors ? bt_batch_with(&batch, 2, m, full ? m : p) : none;
        shapes[2] = vectors ? bt_batch_with(&batch, 2, n, full ? n : p) : none;
    } else if (strcmp(x->node->op, "Qr") == 0) {
        shapes[0] = bt_batch_with(&batch, 2, m, full ? m : p);
        shapes[1] = bt_batch_with(&batch, 2, full ? m : p, n);
    } else {
        if (m >= 0 && n >= 0 && m != n)
            return bt_infer_fail(x, "matrices must be square, not %lld by %lld", (long long)m, (long long)n);
        shapes[0] = bt_batch_with(&batch, 1, n, 0);
        shapes[1] = bt_attr_bool(x->node, "compute_v", true) ? bt_batch_with(&batch, 2, n, n) : none;
    }
    for (int i = 0; i < x->n_out; i++) x->out[i] = (bt_fact){bt_infer_type(x, 0), shapes[i], NULL};
    return BERTH_OK;
}

static berth_status infer_least(bt_infer *x)
{
    bt_shape batch, other;
    int64_t m, n;
    berth_status status = bt_infer_arity(x, 3);
    if (!status) status = bt_infer_matrix(x, &m, &n, &batch);
    if (!status) status = bt_infer_alike(x, 0, 2);
    if (status) return status;
    const bt_shape *rhs = &x->in[1].shape;
    x->out[0].dtype = bt_infer_type(x, 0);
    if (x->in[2].shape.rank > 0) return bt_infer_fail(x, "l2_regularizer must be a scalar");
    if (rhs->rank >= 0 && rhs->rank < 2)
        return bt_infer_fail(x, "rhs must have at least 2 dimensions, not %d", rhs->rank);
    if (rhs->rank < 0 || batch.rank < 0) return BERTH_OK;
    other = *rhs, other.rank -= 2;
    int64_t rows = rhs->dim[rhs->rank - 2];
    if ((rows >= 0 && m >= 0 && rows != m) || !bt_shape_merge(&batch, &other))
        return bt_infer_fail(x, "the shapes of matrix and rhs do not agree");
    x->out[0].shape = bt_batch_with(&batch, 2, n, rhs->dim[rhs->rank - 1]);
    return BERTH_OK;
}

/* ---- On a device -------------------------------------------------------------------------------------- */

BT_CL_DECLARE(linalg_factor);

enum { MOST_ITEMS = 256 }; /* as in linalg_factor.cl */

static berth_status launch(bt_call *c, const char *kernel, const bt_matrices *s, const bt_arg *args,
                           int n_args)
{
    char defines[BT_DEFINES];
    bt_grid grid = bt_grid_groups(c, s->batch, s->m * s->n);
    bt_gpu_defines(defines, c->in[0]->dtype, 0, "");
    return bt_gpu_launch(c, BT_CL(linalg_factor), defines, kernel, &grid, args, n_args);
}

/* Working memory of `each` numbers a matrix; real ones have room for complex. */
static void *numbers(bt_call *c, const bt_matrices *s, int64_t each)
{
    return bt_scratch(c, (size_t)(s->batch * each + 1) * bt_dtype_size(c->in[0]->dtype));
}

static berth_status qr_on_gpu(bt_call *c, const bt_matrices *s)
{
    int64_t p = least(s->m, s->n), k = s->full ? s->m : p;
    void *a = numbers(c, s, s->m * s->n), *tau = a ? numbers(c, s, p) : NULL;
    if (!tau) return BERTH_NO_MEMORY;
    berth_status status = bt_linalg_copy(c, s->batch, s->m, s->n, false, a);
    bt_arg args[] = {bt_pointer(a),
                     bt_pointer(tau),
                     bt_pointer(c->out[0]->data),
                     bt_pointer(c->out[1]->data),
                     bt_long(s->batch),
                     bt_long(s->m),
                     bt_long(s->n),
                     bt_long(k)};
    return status ? status : launch(c, "qr", s, args, 8);
}

static berth_status eigen_on_gpu(bt_call *c, const bt_matrices *s)
{
    int64_t square = s->n * s->n;
    void *a = numbers(c, s, square), *w = a ? numbers(c, s, square) : NULL,
         *cosines = w ? numbers(c, s, s->n) : NULL;
    void *sizes = cosines ? numbers(c, s, s->n) : NULL, *sines = sizes ? numbers(c, s, s->n) : NULL;
    if (!sines) return BERTH_NO_MEMORY;
    berth_status status = bt_linalg_copy(c, s->batch, s->n, s->n, false, a);
    bt_arg args[] = {bt_pointer(a),
                     bt_pointer(w),
                     bt_pointer(cosines),
                     bt_pointer(sizes),
                     bt_pointer(sines),
                     bt_pointer(c->out[0]->data),
                     bt_pointer(c->out[1]->data),
                     bt_long(s->batch),
                     bt_long(s->n),
                     bt_int(s->out[1] > 0)};
    return status ? status : launch(c, "eigen", s, args, 10);
}

/* As in linalg_factor.cl. */
typedef struct singular {
    int64_t batch, m, n, k, with_vectors;
} singular;

/* Of a wide matrix the adjoint, for which U and V trade places. */
static berth_status svd_on_gpu(bt_call *c, const bt_matrices *s)
{
    bool wide = s->m < s->n;
    int64_t p = least(s->m, s->n), t = s->m + s->n - p;
    singular by = {s->batch, t, p, s->full ? t : p, s->out[1] > 0};
    void *a = numbers(c, s, t * p), *w = a ? numbers(c, s, p * p) : NULL,
         *work = w ? numbers(c, s, 2 * (p + MOST_ITEMS)) : NULL;
    void *products = work ? numbers(c, s, p + MOST_ITEMS) : NULL, *sizes = products ? numbers(c, s, p) : NULL;
    if (!sizes) return BERTH_NO_MEMORY;
    berth_status status = bt_linalg_copy(c, s->batch, s->m, s->n, wide, a);
    bt_arg args[] = {bt_pointer(a),
                     bt_pointer(w),
                     bt_pointer(work),
                     bt_pointer(products),
                     bt_pointer(sizes),
                     bt_pointer(c->out[0]->data),
                     bt_pointer(c->out[wide ? 2 : 1]->data),
                     bt_pointer(c->out[wide ? 1 : 2]->data),
                     bt_bytes(&by, sizeof by)};
    return status ? status : launch(c, "svd", s, args, 9);
}

static berth_status factor_on_gpu(bt_call *c, const bt_matrices *s)
{
    for (int i = 0; i < c->n_out && s->in[0] == 0; i++) { /* of empty matrices what there is is square */
        const bt_tensor *out = c->out[i];
        berth_status status = s->out[i] ? bt_linalg_units(c, s->batch, out->shape.dim[out->shape.rank - 1],
                                                          out->dtype, out->data)
                                        : BERTH_OK;
        if (status) return status;
    }
    if (s->in[0] == 0) return BERTH_OK;
    return s->run == one_qr ? qr_on_gpu(c, s) : s->run == one_svd ? svd_on_gpu(c, s) : eigen_on_gpu(c, s);
}

/* ---- Running ------------------------------------------------------------------------------------------ */

static berth_status run_factor(bt_call *c)
{
    const char *op = c->node->op;
    const bt_tensor *in = c->in[0];
    bt_fact facts[3];
    berth_status status = bt_call_facts(c, facts);
    if (status) return status;
    int rank = in->shape.rank;
    bt_matrices s = {.m = in->shape.dim[rank - 2],
                     .n = in->shape.dim[rank - 1],
                     .full = bt_attr_bool(c->node, "full_matrices", false),
                     .fast = bt_attr_bool(c->node, "fast", true),
                     .batch = bt_shape_span(&in->shape, 0, rank - 2)};
    bool is_least = strcmp(op, "MatrixSolveLs") == 0;
    s.run = is_least                 ? one_least
            : strcmp(op, "Qr") == 0  ? one_qr
            : strcmp(op, "Svd") == 0 ? one_svd
                                     : one_eigen;
    if (is_least)
        s.k = facts[0].shape.dim[rank - 1], s.in[1] = s.m * s.k, s.l2 = bt_tensor_number(c->in[2], 0);
    s.in[0] = s.m * s.n;
    s.work = 3 * (s.m * s.n + s.m + s.n) + (s.m + s.n) * s.k;
    for (int i = 0; i < c->n_out; i++) {
        void *out = bt_out(c, i, facts[i].dtype, &facts[i].shape);
        if (!out) return BERTH_NO_MEMORY;
        bool is_none = i > 0 && facts[i].shape.rank == 0; /* vectors that are not asked for are a 0 */
        if (is_none) status = bt_call_zero(c, facts[i].dtype, out, 1);
        if (status) return status;
        s.out[i] = is_none ? 0 : bt_shape_span(&facts[i].shape, rank - 2, facts[i].shape.rank);
    }
    if (s.batch == 0) return BERTH_OK;
    return bt_on_gpu(c) ? factor_on_gpu(c, &s) : bt_matrices_run(c, &s);
}

#define FACTOR(op, outs)                                                                         \
    {                                                                                            \
        .name = op, .infer = infer_factor, .cpu = run_factor, .types = BT_FLOATS | BT_COMPLEXES, \
        .gpu = run_factor, .gpu_types = BT_LINALG_TYPES, .outputs = outs                         \
    }

const bt_op bt_ops_linalg_factor[] = {
    FACTOR("Qr", "q,r"),
    FACTOR("SelfAdjointEigV2", "e,v"),
    FACTOR("Svd", "s,u,v"),
    {.name = "MatrixSolveLs", .infer = infer_least, .cpu = run_factor, .types = BT_FLOATS | BT_COMPLEXES},
    {0},
};
