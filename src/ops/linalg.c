/* Dense linear algebra: Cholesky, LU, determinants, inverses, linear systems. Orthogonal factors, eigenvalues and what is
 * made of them: linalg_factor.c. Bands: linalg_band.c. */
#include "ops/linalg.h"

#include "ops/gpu.h"
#include "ops/move.h"

#include <math.h>

#define NOT_INVERTIBLE "the matrix is not invertible"

/* ---- Batches of matrices ------------------------------------------------------------------------------ */

static bt_z load(berth_dtype dtype, const void *p, int64_t i)
{
    switch (dtype) {
    case BERTH_FLOAT: return ((const float *)p)[i];
    case BERTH_DOUBLE: return ((const double *)p)[i];
    case BERTH_HALF: return bt_half_to_float(((const uint16_t *)p)[i]);
    case BERTH_BFLOAT16: return bt_bf16_to_float(((const uint16_t *)p)[i]);
    case BERTH_COMPLEX64: return ((const float complex *)p)[i];
    default: return ((const bt_z *)p)[i];
    }
}

static void store(berth_dtype dtype, void *p, int64_t i, bt_z v)
{
    if (dtype == BERTH_COMPLEX64) ((float complex *)p)[i] = (float complex)v;
    else if (dtype == BERTH_COMPLEX128) ((bt_z *)p)[i] = v;
    else bt_put_number(dtype, bt_at(dtype, p, i), creal(v));
}

typedef struct matrices_job {
    bt_call *c;
    const bt_matrices *s;
    bt_z *memory;
    int64_t each;
    const char **wrong; /* one a thread */
} matrices_job;

static void run_batch(void *user, int64_t first, int64_t end, int worker)
{
    const matrices_job *j = user;
    const bt_matrices *s = j->s;
    bt_z *at = j->memory + worker * j->each, *in[2], *out[3];
    for (int i = 0; i < 2; i++) in[i] = at, at += s->in[i];
    for (int i = 0; i < 3; i++) out[i] = at, at += s->out[i];
    for (int64_t b = first; b < end && !j->wrong[worker]; b++) {
        for (int i = 0; i < 2; i++)
            for (int64_t e = 0, from = (s->which[i] ? s->which[i][b] : b) * s->in[i]; e < s->in[i]; e++)
                in[i][e] = load(j->c->in[i]->dtype, j->c->in[i]->data, from + e);
        j->wrong[worker] = s->run(s, in, out, at);
        for (int i = 0; i < 3; i++)
            for (int64_t e = 0; e < s->out[i]; e++)
                store(j->c->out[i]->dtype, j->c->out[i]->data, b * s->out[i] + e, out[i][e]);
    }
}

berth_status bt_matrices_run(bt_call *c, const bt_matrices *s)
{
    int threads = bt_pool_threads(c->pool);
    matrices_job j = {.c = c, .s = s, .each = s->work + 1};
    for (int i = 0; i < 2; i++) j.each += s->in[i];
    for (int i = 0; i < 3; i++) j.each += s->out[i];
    j.memory = bt_scratch(c, (size_t)j.each * (size_t)threads * sizeof *j.memory);
    j.wrong = j.memory ? bt_scratch(c, (size_t)threads * sizeof *j.wrong) : NULL;
    if (!j.wrong) return BERTH_NO_MEMORY;
    for (int i = 0; i < threads; i++) j.wrong[i] = NULL;
    bt_parallel(c->pool, s->batch, 1 + 20000 / (s->m * s->n * (s->n + s->k) + 1), run_batch, &j);
    for (int i = 0; i < threads; i++)
        if (j.wrong[i]) return bt_call_fail(c, "%s", j.wrong[i]);
    return BERTH_OK;
}

/* ---- Algorithms --------------------------------------------------------------------------------------- */

int bt_lu(bt_z *a, int64_t n, int64_t *perm)
{
    int sign = 1;
    bool singular = false;
    for (int64_t i = 0; i < n; i++) perm[i] = i;
    for (int64_t c = 0; c < n; c++) {
        int64_t best = c;
        for (int64_t r = c + 1; r < n; r++) best = cabs(a[r * n + c]) > cabs(a[best * n + c]) ? r : best;
        if (a[best * n + c] == 0) singular = true;
        if (best != c) {
            int64_t p = perm[c];
            perm[c] = perm[best], perm[best] = p;
            sign = -sign;
            for (int64_t k = 0; k < n; k++) {
                bt_z v = a[c * n + k];
                a[c * n + k] = a[best * n + k], a[best * n + k] = v;
            }
        }
        for (int64_t r = c + 1; r < n && a[c * n + c] != 0; r++) {
            bt_z f = a[r * n + c] /= a[c * n + c];
            for (int64_t k = c + 1; f != 0 && k < n; k++) a[r * n + k] -= f * a[c * n + k];
        }
    }
    return singular ? 0 : sign;
}

void bt_lu_solve(const bt_z *lu, const int64_t *perm, int64_t n, bt_z *b, int64_t k, bt_z *work)
{
    for (int64_t c = 0; c < k; c++) {
        for (int64_t r = 0; r < n; r++) {
            work[r] = b[perm[r] * k + c];
            for (int64_t i = 0; i < r; i++) work[r] -= lu[r * n + i] * work[i];
        }
        for (int64_t r = n - 1; r >= 0; r--) {
            for (int64_t i = r + 1; i < n; i++) work[r] -= lu[r * n + i] * work[i];
            work[r] /= lu[r * n + r];
        }
        for (int64_t r = 0; r < n; r++) b[r * k + c] = work[r];
    }
}

bool bt_cholesky(bt_z *a, int64_t n)
{
    for (int64_t c = 0; c < n; c++) {
        double d = creal(a[c * n + c]);
        for (int64_t i = 0; i < c; i++) d -= creal(a[c * n + i] * conj(a[c * n + i])), a[i * n + c] = 0;
        if (!(d > 0)) return false;
        a[c * n + c] = d = sqrt(d);
        for (int64_t r = c + 1; r < n; r++) {
            bt_z v = a[r * n + c];
            for (int64_t i = 0; i < c; i++) v -= a[r * n + i] * conj(a[c * n + i]);
            a[r * n + c] = v / d;
        }
    }
    return true;
}

void bt_triangular_solve(const bt_z *t, int64_t n, bool lower, bool adjoint, bt_z *b, int64_t k)
{
    bool forward = lower != adjoint;
    for (int64_t step = 0; step < n; step++) {
        int64_t r = forward ? step : n - 1 - step;
        for (int64_t i = forward ? 0 : r + 1; i < (forward ? r : n); i++) {
            bt_z f = adjoint ? conj(t[i * n + r]) : t[r * n + i];
            for (int64_t c = 0; c < k; c++) b[r * k + c] -= f * b[i * k + c];
        }
        bt_z d = adjoint ? conj(t[r * n + r]) : t[r * n + r];
        for (int64_t c = 0; c < k; c++) b[r * k + c] /= d;
    }
}

void bt_adjoint(const bt_z *a, int64_t m, int64_t n, bt_z *out)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) out[j * m + i] = conj(a[i * n + j]);
}

void bt_multiply(const bt_z *a, const bt_z *b, int64_t m, int64_t n, int64_t k, bt_z *out)
{
    for (int64_t i = 0; i < m * k; i++) out[i] = 0;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++)
            for (int64_t c = 0; c < k; c++) out[i * k + c] += a[i * n + j] * b[j * k + c];
}

static void copy(bt_z *to, const bt_z *from, int64_t n)
{
    for (int64_t i = 0; i < n; i++) to[i] = from[i];
}

/* ---- Ops, one element of the batch -------------------------------------------------------------------- */

static const char *one_cholesky(const bt_matrices *s, bt_z *const *in, bt_z *const *out, bt_z *work)
{
    (void)work;
    copy(out[0], in[0], s->n * s->n);
    if (bt_cholesky(out[0], s->n)) return NULL;
    for (int64_t i = 0; i < s->n * s->n; i++) out[0][i] = i % s->n <= i / s->n ? NAN : 0;
    return NULL;
}

/* Perm lies at the head of the working memory, a bt_z a number. */
static const char *one_solve(const bt_matrices *s, bt_z *const *in, bt_z *const *out, bt_z *work)
{
    int64_t *perm = (int64_t *)work;
    bt_z *a = work + s->n, *row = a + s->n * s->n;
    if (s->adjoint) bt_adjoint(in[0], s->n, s->n, a);
    else copy(a, in[0], s->n * s->n);
    if (!bt_lu(a, s->n, perm)) return NOT_INVERTIBLE;
    if (s->in[1]) copy(out[0], in[1], s->n * s->k);
    for (int64_t i = 0; !s->in[1] && i < s->n * s->n; i++) out[0][i] = i % (s->n + 1) == 0;
    bt_lu_solve(a, perm, s->n, out[0], s->k, row);
    return NULL;
}

static const char *one_triangular(const bt_matrices *s, bt_z *const *in, bt_z *const *out, bt_z *work)
{
    (void)work;
    copy(out[0], in[1], s->n * s->k);
    bt_triangular_solve(in[0], s->n, s->lower, s->adjoint, out[0], s->k);
    return NULL;
}

static const char *one_lu(const bt_matrices *s, bt_z *const *in, bt_z *const *out, bt_z *work)
{
    int64_t *perm = (int64_t *)work;
    copy(out[0], in[0], s->n * s->n);
    if (!bt_lu(out[0], s->n, perm)) return NOT_INVERTIBLE;
    for (int64_t i = 0; i < s->n; i++) out[1][i] = (double)perm[i];
    return NULL;
}

static const char *one_determinant(const bt_matrices *s, bt_z *const *in, bt_z *const *out, bt_z *work)
{
    bt_z product = bt_lu(in[0], s->n, (int64_t *)work);
    for (int64_t i = 0; i < s->n; i++) product *= in[0][i * (s->n + 1)];
    out[0][0] = product;
    return NULL;
}

/* sign, log |det| */
static const char *one_log_determinant(const bt_matrices *s, bt_z *const *in, bt_z *const *out, bt_z *work)
{
    bt_z sign = bt_lu(in[0], s->n, (int64_t *)work);
    double sum = 0;
    for (int64_t i = 0; i < s->n; i++) {
        bt_z d = in[0][i * (s->n + 1)];
        sign *= d != 0 ? d / cabs(d) : 0;
        sum += log(cabs(d));
    }
    out[0][0] = sign, out[1][0] = sum;
    return NULL;
}

/* ---- Shapes ------------------------------------------------------------------------------------------- */

berth_status bt_infer_matrix(bt_infer *x, int64_t *m, int64_t *n, bt_shape *batch)
{
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    const bt_shape *in = &x->in[0].shape;
    *batch = *in;
    *m = *n = -1;
    if (in->rank < 0) return BERTH_OK;
    if (in->rank < 2) return bt_infer_fail(x, "input must have at least 2 dimensions, not %d", in->rank);
    *m = in->dim[in->rank - 2], *n = in->dim[in->rank - 1];
    batch->rank -= 2;
    return BERTH_OK;
}

bt_shape bt_batch_with(const bt_shape *batch, int rank, int64_t a, int64_t b)
{
    bt_shape s = *batch;
    if (s.rank < 0 || s.rank + rank > BT_MAX_RANK) return BT_SHAPE_UNKNOWN;
    if (rank > 0) s.dim[s.rank++] = a;
    if (rank > 1) s.dim[s.rank++] = b;
    return s;
}

static berth_status square(bt_infer *x, int64_t *n, bt_shape *batch)
{
    int64_t m = -1;
    berth_status status = bt_infer_matrix(x, &m, n, batch);
    if (!status && m >= 0 && *n >= 0 && m != *n)
        status = bt_infer_fail(x, "matrices must be square, not %lld by %lld", (long long)m, (long long)*n);
    if (*n < 0) *n = m;
    return status;
}

berth_status bt_infer_square(bt_infer *x)
{
    bt_shape batch;
    int64_t n;
    berth_status status = square(x, &n, &batch);
    if (!status) x->out[0] = (bt_fact){bt_infer_type(x, 0), bt_batch_with(&batch, 2, n, n), NULL};
    return status;
}

static berth_status infer_determinant(bt_infer *x)
{
    bt_shape batch;
    int64_t n;
    berth_status status = square(x, &n, &batch);
    for (int i = 0; !status && i < x->n_out; i++) x->out[i] = (bt_fact){bt_infer_type(x, 0), batch, NULL};
    return status;
}

static berth_status infer_lu(bt_infer *x)
{
    bt_shape batch;
    int64_t n;
    berth_status status = square(x, &n, &batch);
    if (status) return status;
    x->out[0] = (bt_fact){bt_infer_type(x, 0), bt_batch_with(&batch, 2, n, n), NULL};
    x->out[1] = (bt_fact){bt_attr_type(x->node, "output_idx_type", BERTH_INT32),
                          bt_batch_with(&batch, 1, n, 0), NULL};
    return BERTH_OK;
}

/* The batches of the two sides are the same, or for triangular ones broadcast. */
static berth_status infer_solve(bt_infer *x)
{
    bt_shape batch, other, both;
    int64_t n;
    berth_status status = bt_infer_arity(x, 2);
    if (!status) status = square(x, &n, &batch);
    if (!status) status = bt_infer_alike(x, 0, 2);
    if (status) return status;
    const bt_shape *rhs = &x->in[1].shape;
    x->out[0].dtype = bt_infer_type(x, 0);
    if (rhs->rank >= 0 && rhs->rank < 2)
        return bt_infer_fail(x, "rhs must have at least 2 dimensions, not %d", rhs->rank);
    if (rhs->rank < 0 || batch.rank < 0) return BERTH_OK;
    int64_t rows = rhs->dim[rhs->rank - 2];
    if (rows >= 0 && n >= 0 && rows != n)
        return bt_infer_fail(x, "matrices of %lld rows and rhs of %lld", (long long)n, (long long)rows);
    other = *rhs, other.rank -= 2;
    both = batch;
    bool fits = strcmp(x->node->op, "MatrixTriangularSolve") ? bt_shape_merge(&both, &other)
                                                             : bt_shape_broadcast(&batch, &other, &both);
    if (!fits) return bt_infer_fail(x, "the batches of matrix and rhs do not agree");
    x->out[0].shape = bt_batch_with(&both, 2, n < 0 ? rows : n, rhs->dim[rhs->rank - 1]);
    return BERTH_OK;
}

/* ---- On a device -------------------------------------------------------------------------------------- */

BT_CL_DECLARE(linalg);

berth_status bt_linalg_launch(bt_call *c, const char *kernel, bool groups, int64_t count, int64_t n,
                              const bt_arg *args, int n_args)
{
    char defines[BT_DEFINES];
    bt_grid grid = groups ? bt_grid_groups(c, count, n) : bt_grid_of(c, count);
    berth_dtype index = bt_attr_type(c->node, "output_idx_type", BERTH_INT32);
    bt_gpu_defines(defines, c->in[0]->dtype, index, "");
    return bt_gpu_launch(c, BT_CL(linalg), defines, kernel, &grid, args, n_args);
}

berth_status bt_linalg_copy(bt_call *c, int64_t batch, int64_t m, int64_t n, bool adjoint, void *to)
{
    berth_dtype dtype = c->in[0]->dtype;
    int64_t rows = adjoint ? n : m, columns = adjoint ? m : n, count = batch * m * n;
    bt_move move = {.dtype = dtype};
    bt_move_axis(&move, batch, m * n, m * n);
    bt_move_axis(&move, rows, columns, adjoint ? 1 : n);
    bt_move_axis(&move, columns, 1, adjoint ? n : 1);
    berth_status status = bt_call_move(c, &move, to, c->in[0]->data);
    bt_arg args[] = {bt_pointer(to), bt_long(count)};
    if (status || !adjoint || !bt_dtype_is_complex(dtype) || !count) return status;
    return bt_linalg_launch(c, "conjugate_all", false, count, n, args, 2);
}

berth_status bt_linalg_units(bt_call *c, int64_t batch, int64_t n, berth_dtype dtype, void *to)
{
    bt_z one = 0;
    bt_put_number(dtype, &one, 1);
    bt_move m = {.dtype = dtype};
    bt_move_axis(&m, batch, n * n, 0);
    bt_move_axis(&m, n, n + 1, 0);
    berth_status status = bt_call_zero(c, dtype, to, batch * n * n);
    return status ? status : bt_call_repeat(c, &m, to, &one);
}

/* b, in output 0: the right sides, or of an inverse the unit matrix. */
static berth_status put_right_sides(bt_call *c, const bt_matrices *s)
{
    berth_dtype dtype = c->in[0]->dtype;
    void *out = c->out[0]->data;
    if (s->in[1]) return bt_call_row(c, dtype, out, c->in[1]->data, s->batch * s->n * s->k);
    return bt_linalg_units(c, s->batch, s->n, dtype, out);
}

enum { SOLVE, DETERMINANT, FACTORS }; /* as in linalg.cl */

static berth_status eliminate_on_gpu(bt_call *c, const bt_matrices *s, int what)
{
    int64_t count = s->batch * s->n * s->n;
    bool is_determinant = what == DETERMINANT;
    void *a =
        what == FACTORS ? c->out[0]->data : bt_scratch(c, (size_t)count * bt_dtype_size(c->in[0]->dtype) + 1);
    if (!a) return c->error->status;
    berth_status status = bt_linalg_copy(c, s->batch, s->n, s->n, what == SOLVE && s->adjoint, a);
    if (!status && what == SOLVE) status = put_right_sides(c, s);
    bt_arg args[13] = {bt_pointer(a),
                       bt_pointer(what == SOLVE ? c->out[0]->data : a),
                       bt_pointer(is_determinant ? c->out[0]->data : NULL),
                       bt_pointer(is_determinant && c->n_out > 1 ? c->out[1]->data : NULL),
                       bt_pointer(what == FACTORS ? c->out[1]->data : NULL),
                       bt_long(s->batch),
                       bt_long(s->n),
                       bt_long(what == SOLVE ? s->k : 0),
                       bt_int(what),
                       bt_int(is_determinant && c->n_out > 1)};
    if (!status) status = bt_gpu_fault(c, NOT_INVERTIBLE, args + 10);
    return status || !s->batch ? status
                               : bt_linalg_launch(c, "eliminate", true, s->batch, s->n * s->n, args, 13);
}

static berth_status square_on_gpu(bt_call *c, const bt_matrices *s)
{
    const char *op = c->node->op;
    if (strcmp(op, "Cholesky"))
        return eliminate_on_gpu(c, s,
                                !strcmp(op, "MatrixInverse") ? SOLVE
                                : !strcmp(op, "Lu")          ? FACTORS
                                                             : DETERMINANT);
    berth_status status = bt_linalg_copy(c, s->batch, s->n, s->n, false, c->out[0]->data);
    bt_arg args[] = {bt_pointer(c->out[0]->data), bt_long(s->batch), bt_long(s->n)};
    return status || !s->batch ? status
                               : bt_linalg_launch(c, "cholesky", true, s->batch, s->n * s->n, args, 3);
}

static berth_status solve_on_gpu(bt_call *c, const bt_matrices *s, bool triangular)
{
    if (!triangular) return eliminate_on_gpu(c, s, SOLVE);
    berth_status status = put_right_sides(c, s);
    bt_arg args[] = {bt_pointer(c->in[0]->data), bt_pointer(c->out[0]->data), bt_long(s->batch * s->k), bt_long(s->n), bt_long(s->k),
                     bt_int(s->lower), bt_int(s->adjoint)};
    return status ? status : bt_linalg_launch(c, "triangular", false, s->batch * s->k, s->n, args, 7);
}

static const char *solve_refuses(const bt_node *node, const bt_fact *in, int n_in)
{
    (void)node;
    bool same = n_in > 1 && in[0].shape.rank >= 2 && in[0].shape.rank == in[1].shape.rank;
    for (int i = 0; same && i < in[0].shape.rank - 2; i++)
        same = in[0].shape.dim[i] >= 0 && in[0].shape.dim[i] == in[1].shape.dim[i];
    return same ? NULL : "its batches are not known to be the same";
}

/* ---- Running ------------------------------------------------------------------------------------------ */

static bool is_algebraic(berth_dtype dtype) { return bt_dtype_is_float(dtype) || bt_dtype_is_complex(dtype); }

/* Makes the outputs; s gets the sizes of input 0. */
static berth_status open_square(bt_call *c, bt_matrices *s, bt_fact *facts)
{
    const bt_shape *in = &c->in[0]->shape;
    berth_status status = bt_call_facts(c, facts);
    if (status) return status;
    if (!is_algebraic(c->in[0]->dtype))
        return bt_call_unsupported(c, "matrices of %s", bt_dtype_name(c->in[0]->dtype));
    s->m = s->n = in->dim[in->rank - 1];
    s->k = s->n;
    s->in[0] = s->n * s->n;
    s->work = s->n * s->n + 2 * s->n;
    s->batch = bt_shape_span(in, 0, in->rank - 2);
    for (int i = 0; i < c->n_out; i++)
        if (!bt_out(c, i, facts[i].dtype, &facts[i].shape)) return BERTH_NO_MEMORY;
    return BERTH_OK;
}

static berth_status run_square(bt_call *c)
{
    static const struct {
        const char *op;
        const char *(*run)(const bt_matrices *s, bt_z *const *in, bt_z *const *out, bt_z *work);
        bool matrix, vector;
    } kinds[] = {{"Cholesky", one_cholesky, true, false},
                 {"MatrixInverse", one_solve, true, false},
                 {"Lu", one_lu, true, true},
                 {"MatrixDeterminant", one_determinant, false, false},
                 {"LogMatrixDeterminant", one_log_determinant, false, false}};
    bt_matrices s = {.adjoint = bt_attr_bool(c->node, "adjoint", false)};
    bt_fact facts[3];
    berth_status status = open_square(c, &s, facts);
    if (status) return status;
    if (bt_on_gpu(c)) return square_on_gpu(c, &s);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(c->node->op, kinds[i].op) == 0) {
            s.run = kinds[i].run;
            s.out[0] = kinds[i].matrix ? s.n * s.n : 1;
            s.out[1] = c->n_out > 1 ? kinds[i].vector ? s.n : 1 : 0;
        }
    return bt_matrices_run(c, &s);
}

/* Matrix of input i for each of the output's batch, where it is broadcast. NULL with the error set. */
static const int64_t *spread(bt_call *c, int i, const bt_shape *out)
{
    const bt_shape *in = &c->in[i]->shape;
    int64_t n = bt_shape_span(out, 0, out->rank - 2), *which = bt_scratch(c, (size_t)(n + 1) * sizeof *which);
    for (int64_t b = 0; which && b < n; b++) {
        int64_t rest = b, step = 1;
        which[b] = 0;
        for (int d = 1; d <= in->rank - 2; d++) {
            int64_t size = in->dim[in->rank - 2 - d], whole = out->dim[out->rank - 2 - d];
            which[b] += size == 1 ? 0 : rest % whole * step;
            rest /= whole, step *= size;
        }
    }
    return which;
}

static berth_status run_solve(bt_call *c)
{
    bool triangular = strcmp(c->node->op, "MatrixTriangularSolve") == 0;
    bt_matrices s = {.adjoint = bt_attr_bool(c->node, "adjoint", false),
                     .lower = bt_attr_bool(c->node, "lower", true),
                     .run = triangular ? one_triangular : one_solve};
    bt_fact fact;
    berth_status status = open_square(c, &s, &fact);
    if (status) return status;
    s.k = fact.shape.dim[fact.shape.rank - 1];
    s.in[1] = s.out[0] = s.n * s.k;
    s.batch = bt_shape_span(&fact.shape, 0, fact.shape.rank - 2);
    if (bt_shape_count(&fact.shape) == 0) return BERTH_OK;
    if (bt_on_gpu(c)) return solve_on_gpu(c, &s, triangular);
    for (int i = 0; triangular && i < 2; i++)
        if (!(s.which[i] = spread(c, i, &fact.shape))) return BERTH_NO_MEMORY;
    return bt_matrices_run(c, &s);
}

#define TYPES (BT_FLOATS | BT_COMPLEXES)
#define ON_BOTH(run) .cpu = run, .types = TYPES, .gpu = run, .gpu_types = BT_LINALG_TYPES

const bt_op bt_ops_linalg[] = {
    {.name = "Cholesky", .infer = bt_infer_square, ON_BOTH(run_square)},
    {.name = "MatrixInverse", .infer = bt_infer_square, ON_BOTH(run_square)},
    {.name = "Lu", .infer = infer_lu, ON_BOTH(run_square), .outputs = "lu,p"},
    {.name = "MatrixDeterminant", .infer = infer_determinant, ON_BOTH(run_square)},
    {.name = "LogMatrixDeterminant",
     .infer = infer_determinant,
     ON_BOTH(run_square),
     .outputs = "sign,log_abs_determinant"},
    {.name = "MatrixSolve", .infer = infer_solve, ON_BOTH(run_solve), .gpu_refuses = solve_refuses},
    {.name = "MatrixTriangularSolve", .infer = infer_solve, ON_BOTH(run_solve), .gpu_refuses = solve_refuses},
    {0},
};
