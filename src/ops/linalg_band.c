/* Linear algebra on bands: TridiagonalSolve, TridiagonalMatMul, BandedTriangularSolve. A band of n diagonals is a matrix
 * [bands][n]. Also the cross product of vectors of three. */
#include "ops/gpu.h"
#include "ops/linalg.h"
#include "ops/move.h"

#include <float.h>
#include <math.h>

/* ---- One element of the batch ------------------------------------------------------------------------- */

/* What TensorFlow answers for a matrix that is not invertible. */
static const char *fill_nan(bt_z *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) x[i] = NAN;
    return NULL;
}

/* Gaussian elimination; with pivoting, rows change places and a second diagonal appears above. diagonals: above (its
 * last is not used), main, below (its first is not used). */
static const char *one_tridiagonal(const bt_matrices *s, bt_z *const *in, bt_z *const *out, bt_z *work)
{
    int64_t n = s->n, k = s->k;
    bt_z *u = in[0], *d = u + n, *l = d + n, *second = work, *x = out[0];
    for (int64_t i = 0; i < n * k; i++) x[i] = in[1][i];
    for (int64_t i = 0; i < n; i++) second[i] = 0;
    for (int64_t i = 0; i + 1 < n; i++) {
        bt_z below = l[i + 1];
        if (s->full && cabs(below) > cabs(d[i])) {
            bt_z a = d[i], b = u[i];
            l[i + 1] = a, d[i] = below, u[i] = d[i + 1], d[i + 1] = b;
            if (i + 2 < n) second[i] = u[i + 1], u[i + 1] = 0;
            for (int64_t c = 0; c < k; c++) {
                bt_z v = x[i * k + c];
                x[i * k + c] = x[(i + 1) * k + c], x[(i + 1) * k + c] = v;
            }
        }
        if (d[i] == 0) return fill_nan(x, n * k);
        bt_z f = l[i + 1] / d[i];
        d[i + 1] -= f * u[i];
        if (i + 2 < n) u[i + 1] -= f * second[i];
        for (int64_t c = 0; c < k; c++) x[(i + 1) * k + c] -= f * x[i * k + c];
    }
    if (n > 0 && d[n - 1] == 0) return fill_nan(x, n * k);
    for (int64_t i = n - 1; i >= 0; i--)
        for (int64_t c = 0; c < k; c++) {
            if (i + 1 < n) x[i * k + c] -= u[i] * x[(i + 1) * k + c];
            if (i + 2 < n) x[i * k + c] -= second[i] * x[(i + 2) * k + c];
            x[i * k + c] /= d[i];
        }
    return NULL;
}

/* The pivot, made larger as long as 1 or the row divided by it overflows, by steps that double; where the row is as small, both
 * are scaled instead. */
static bt_z firm(bt_z pivot, double step, double tiny, bt_z *row, int64_t k)
{
    double most = 0, size = cabs(pivot);
    for (int64_t c = 0; c < k; c++) most = fmax(most, cabs(row[c]));
    step = copysign(fmax(step, tiny), creal(pivot));
    while (size < 1 && !(size >= tiny && most <= size / tiny)) {
        if (size > 0 && size < tiny && most * tiny <= size) {
            for (int64_t c = 0; c < k; c++) row[c] /= tiny;
            return pivot / tiny;
        }
        pivot += step, step *= 2, size = cabs(pivot);
    }
    return pivot;
}

/* As above, of matrices that may be singular: rows are exchanged by what pivots are in proportion to their rows, and pivots near
 * zero are made larger in proportion to the largest number of U. After LAPACK's xLAGTF and xLAGTS, as TensorFlow's. */
static const char *one_perturbed(const bt_matrices *s, bt_z *const *in, bt_z *const *out, bt_z *work)
{
    int64_t n = s->n, k = s->k;
    bt_z *u = in[0], *d = u + n, *l = d + n, *second = work, *x = out[0];
    if (n == 0) return NULL;
    double scale = cabs(d[0]) + cabs(u[0]), most = n > 1 ? fmax(cabs(d[0]), cabs(u[0])) : 0;
    for (int64_t i = 0; i < n * k; i++) x[i] = in[1][i];
    for (int64_t i = 0; i + 1 < n; i++) {
        bt_z below = l[i + 1], next = d[i + 1], *row = x + i * k;
        double next_scale = cabs(below) + cabs(next) + (i + 2 < n ? cabs(u[i + 1]) : 0);
        second[i] = 0;
        if (below == 0 || cabs(below) / next_scale <= (d[i] == 0 ? 0 : cabs(d[i]) / scale)) {
            bt_z f = below == 0 ? 0 : below / d[i];
            d[i + 1] -= f * u[i];
            for (int64_t c = 0; c < k; c++) row[k + c] -= f * row[c];
            scale = next_scale;
        } else {
            bt_z f = d[i] / below;
            d[i] = below, d[i + 1] = u[i] - f * next, u[i] = next;
            if (i + 2 < n) second[i] = u[i + 1], u[i + 1] *= -f;
            for (int64_t c = 0; c < k; c++) {
                bt_z v = row[c];
                row[c] = row[k + c], row[k + c] = v - f * row[c];
            }
        }
        if (i + 2 < n) most = fmax(fmax(most, cabs(second[i])), fmax(cabs(d[i]), cabs(u[i])));
    }
    most = fmax(most, cabs(d[n - 1]));
    for (int64_t i = n - 1; i >= 0; i--) {
        for (int64_t c = 0; c < k; c++) {
            if (i + 1 < n) x[i * k + c] -= u[i] * x[(i + 1) * k + c];
            if (i + 2 < n) x[i * k + c] -= second[i] * x[(i + 2) * k + c];
        }
        bt_z pivot = firm(d[i], s->eps * most, s->eps == FLT_EPSILON ? FLT_MIN : DBL_MIN, x + i * k, k);
        for (int64_t c = 0; c < k; c++) x[i * k + c] *= 1 / pivot;
    }
    return NULL;
}

/* Row b of the band holds the b-th diagonal below the main one (lower), or the (bands - 1 - b)-th above it, each at the
 * columns' places of the rows that it stands in. */
static const char *one_banded(const bt_matrices *s, bt_z *const *in, bt_z *const *out, bt_z *work)
{
    int64_t n = s->n, k = s->k, bands = s->m;
    bool forward = s->lower != s->adjoint;
    (void)work;
    for (int64_t i = 0; i < n * k; i++) out[0][i] = in[1][i];
    for (int64_t step = 0; step < n; step++) {
        int64_t r = forward ? step : n - 1 - step;
        for (int64_t b = 1; b < bands; b++) {
            int64_t other = forward ? r - b : r + b;
            if (other < 0 || other >= n) continue;
            int64_t row = s->adjoint ? other : r, band = s->lower ? b : bands - 1 - b;
            bt_z f = in[0][band * n + row];
            f = s->adjoint ? conj(f) : f;
            for (int64_t c = 0; c < k; c++) out[0][r * k + c] -= f * out[0][other * k + c];
        }
        bt_z d = in[0][(s->lower ? 0 : bands - 1) * n + r];
        d = s->adjoint ? conj(d) : d;
        for (int64_t c = 0; c < k; c++) out[0][r * k + c] /= d;
    }
    return NULL;
}

/* ---- Solving ------------------------------------------------------------------------------------------ */

/* Input 0 [..., bands, n], input 1 [..., n, k]. */
static berth_status infer_band(bt_infer *x)
{
    bt_shape batch, other;
    int64_t bands, n;
    berth_status status = bt_infer_arity(x, 2);
    if (!status) status = bt_infer_matrix(x, &bands, &n, &batch);
    if (!status) status = bt_infer_alike(x, 0, 2);
    if (status) return status;
    const bt_shape *rhs = &x->in[1].shape;
    x->out[0].dtype = bt_infer_type(x, 0);
    if (bands >= 0 && (bands < 1 || (bt_starts(x->node->op, "Tri") && bands != 3)))
        return bt_infer_fail(x, "%lld bands", (long long)bands);
    if (rhs->rank >= 0 && rhs->rank < 2)
        return bt_infer_fail(x, "rhs must have at least 2 dimensions, not %d", rhs->rank);
    if (rhs->rank < 0 || batch.rank < 0) return BERTH_OK;
    other = *rhs, other.rank -= 2;
    int64_t rows = rhs->dim[rhs->rank - 2];
    if ((rows >= 0 && n >= 0 && rows != n) || (n >= 0 && bands > n && !bt_starts(x->node->op, "Tri")) ||
        !bt_shape_merge(&batch, &other))
        return bt_infer_fail(x, "the shapes of the bands and rhs do not agree");
    x->out[0].shape = bt_batch_with(&batch, 2, n, rhs->dim[rhs->rank - 1]);
    return BERTH_OK;
}

/* Each band is factored by an item, and each column solved by one. */
static berth_status tridiagonal_on_gpu(bt_call *c, const bt_matrices *s)
{
    int64_t columns = s->batch * s->k;
    void *out = c->out[0]->data,
         *work = bt_scratch(c, (size_t)(s->batch * 4 * s->n) * bt_dtype_size(c->in[0]->dtype));
    void *swaps = work ? bt_scratch(c, (size_t)(s->batch * s->n)) : NULL;
    if (!swaps) return BERTH_NO_MEMORY;
    bt_arg factor[] = {bt_pointer(c->in[0]->data), bt_pointer(work), bt_pointer(swaps),
                       bt_long(s->batch),          bt_long(s->n),    bt_int(s->full)};
    bt_arg solve[] = {bt_pointer(work), bt_pointer(swaps), bt_pointer(out),
                      bt_long(columns), bt_long(s->n),     bt_long(s->k)};
    berth_status status = bt_call_row(c, c->in[0]->dtype, out, c->in[1]->data, columns * s->n);
    if (!status) status = bt_linalg_launch(c, "factor_tridiagonal", false, s->batch, 1, factor, 6);
    return status ? status : bt_linalg_launch(c, "solve_tridiagonal", false, columns, 1, solve, 6);
}

static berth_status run_band(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    int rank = in->shape.rank;
    bt_matrices s = {.m = in->shape.dim[rank - 2],
                     .n = in->shape.dim[rank - 1],
                     .k = fact.shape.dim[rank - 1],
                     .lower = bt_attr_bool(c->node, "lower", true),
                     .adjoint = bt_attr_bool(c->node, "adjoint", false),
                     .full = bt_attr_bool(c->node, "partial_pivoting", true),
                     .run = bt_starts(c->node->op, "Tri") ? one_tridiagonal : one_banded,
                     .batch = bt_shape_span(&in->shape, 0, rank - 2)};
    if (bt_attr_bool(c->node, "perturb_singular", false)) {
        if (!s.full) return bt_call_fail(c, "perturb_singular goes with partial_pivoting alone");
        s.run = one_perturbed;
        s.eps = in->dtype == BERTH_FLOAT || in->dtype == BERTH_COMPLEX64 ? FLT_EPSILON : DBL_EPSILON;
    }
    s.in[0] = s.m * s.n, s.in[1] = s.out[0] = s.n * s.k, s.work = s.n;
    bool empty = bt_tensor_count(in) == 0 || bt_tensor_count(c->in[1]) == 0;
    if (empty && s.run == one_banded) return bt_call_fail(c, "the bands and rhs must not be empty");
    if (!bt_out(c, 0, in->dtype, &fact.shape)) return BERTH_NO_MEMORY;
    if (bt_shape_count(&fact.shape) == 0) return BERTH_OK;
    return bt_on_gpu(c) ? tridiagonal_on_gpu(c, &s) : bt_matrices_run(c, &s);
}

/* ---- TridiagonalMatMul -------------------------------------------------------------------------------- */

/* Three diagonals [..., 1, m] as in TridiagonalSolve, rhs [..., m, n]. */
static berth_status infer_tridiagonal_product(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 4);
    if (!status) status = bt_infer_alike(x, 0, 4);
    if (status) return status;
    const bt_shape *rhs = &x->in[3].shape;
    x->out[0] = (bt_fact){bt_infer_type(x, 3), *rhs, NULL};
    if (rhs->rank >= 0 && rhs->rank < 2)
        return bt_infer_fail(x, "rhs must have at least 2 dimensions, not %d", rhs->rank);
    for (int i = 0; i < 3 && rhs->rank >= 0; i++) {
        bt_shape want = *rhs;
        want.dim[rhs->rank - 2] = 1, want.dim[rhs->rank - 1] = rhs->dim[rhs->rank - 2];
        if (x->in[i].shape.rank >= 0 && !bt_shape_compatible(&x->in[i].shape, &want))
            return bt_infer_fail(x, "the diagonals must be [..., 1, m] for rhs [..., m, n]");
    }
    return BERTH_OK;
}

#define PRODUCT(T)                                                                \
    for (int64_t r = 0; r < rows; r++) {                                          \
        const T *x = (const T *)c->in[3]->data + r * n;                           \
        T a = ((const T *)c->in[0]->data)[r], b = ((const T *)c->in[1]->data)[r], \
          l = ((const T *)c->in[2]->data)[r];                                     \
        for (int64_t j = 0; j < n; j++) {                                         \
            T v = b * x[j];                                                       \
            if (r % m > 0) v += l * x[j - n];                                     \
            if (r % m < m - 1) v += a * x[j + n];                                 \
            ((T *)out)[r * n + j] = v;                                            \
        }                                                                         \
    }                                                                             \
    return BERTH_OK;

static berth_status run_tridiagonal_product(bt_call *c)
{
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    int rank = fact.shape.rank;
    int64_t m = fact.shape.dim[rank - 2], n = fact.shape.dim[rank - 1],
            rows = bt_shape_span(&fact.shape, 0, rank - 1);
    void *out = bt_out(c, 0, fact.dtype, &fact.shape);
    if (!out) return BERTH_NO_MEMORY;
    bt_arg args[] = {bt_pointer(c->in[0]->data),
                     bt_pointer(c->in[1]->data),
                     bt_pointer(c->in[2]->data),
                     bt_pointer(c->in[3]->data),
                     bt_pointer(out),
                     bt_long(rows),
                     bt_long(m),
                     bt_long(n)};
    if (bt_on_gpu(c))
        return rows * n > 0 ? bt_linalg_launch(c, "multiply_tridiagonal", false, rows * n, 1, args, 8)
                            : BERTH_OK;
    switch (fact.dtype) {
    case BERTH_FLOAT: PRODUCT(float)
    case BERTH_DOUBLE: PRODUCT(double)
    case BERTH_COMPLEX64: PRODUCT(float complex)
    case BERTH_COMPLEX128: PRODUCT(bt_z)
    default: return bt_call_unsupported(c, "diagonals of %s", bt_dtype_name(fact.dtype));
    }
}

/* ---- Cross -------------------------------------------------------------------------------------------- */

static berth_status infer_cross(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 2);
    if (!status) status = bt_infer_alike(x, 0, 2);
    if (status) return status;
    bt_shape s = x->in[0].shape;
    if (!bt_shape_merge(&s, &x->in[1].shape)) return bt_infer_fail(x, "the shapes of both must be the same");
    if (s.rank == 0 || (s.rank > 0 && s.dim[s.rank - 1] >= 0 && s.dim[s.rank - 1] != 3))
        return bt_infer_fail(x, "the last dimension must be 3");
    x->out[0] = (bt_fact){bt_infer_type(x, 0), s, NULL};
    return BERTH_OK;
}

#define CROSS(T, get, put)                                                                  \
    for (int64_t i = 0; i < n; i += 3)                                                      \
        for (int k = 0; k < 3; k++) {                                                       \
            const T *a = (const T *)c->in[0]->data + i, *b = (const T *)c->in[1]->data + i; \
            int p = (k + 1) % 3, q = (k + 2) % 3;                                           \
            ((T *)out)[i + k] = put(get(a[p]) * get(b[q]) - get(a[q]) * get(b[p]));         \
        }                                                                                   \
    return BERTH_OK;

BT_CL_DECLARE(arrange);

static berth_status cross_on_gpu(bt_call *c, berth_dtype dtype, void *out, int64_t n)
{
    char defines[BT_DEFINES];
    bt_arg args[] = {bt_pointer(c->in[0]->data), bt_pointer(c->in[1]->data), bt_pointer(out), bt_long(n)};
    bt_grid grid = bt_grid_of(c, 3 * n);
    bt_gpu_defines(defines, dtype, 0, "");
    return n ? bt_gpu_launch(c, BT_CL(arrange), defines, "cross_products", &grid, args, 4) : BERTH_OK;
}

static berth_status run_cross(bt_call *c)
{
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    void *out = status ? NULL : bt_out(c, 0, fact.dtype, &fact.shape);
    if (!out) return status ? status : BERTH_NO_MEMORY;
    int64_t n = bt_shape_count(&fact.shape);
    if (bt_on_gpu(c)) return cross_on_gpu(c, fact.dtype, out, n / 3);
    switch (fact.dtype) {
    case BERTH_FLOAT: CROSS(float, , )
    case BERTH_DOUBLE: CROSS(double, , )
    case BERTH_HALF: CROSS(uint16_t, bt_half_to_float, bt_float_to_half)
    case BERTH_BFLOAT16: CROSS(uint16_t, bt_bf16_to_float, bt_float_to_bf16)
    case BERTH_INT8:
    case BERTH_UINT8: CROSS(uint8_t, , (uint8_t))
    case BERTH_INT16:
    case BERTH_UINT16: CROSS(uint16_t, (uint32_t), (uint16_t))
    case BERTH_INT32:
    case BERTH_UINT32: CROSS(uint32_t, , )
    case BERTH_INT64:
    case BERTH_UINT64: CROSS(uint64_t, , )
    default: return bt_call_unsupported(c, "vectors of %s", bt_dtype_name(fact.dtype));
    }
}

#define BAND_TYPES (BT_FLOATS | BT_COMPLEXES)

const bt_op bt_ops_linalg_band[] = {
    {.name = "TridiagonalSolve",
     .infer = infer_band,
     .cpu = run_band,
     .types = BAND_TYPES,
     .gpu = run_band,
     .gpu_types = BT_LINALG_TYPES},
    {.name = "BandedTriangularSolve", .infer = infer_band, .cpu = run_band, .types = BAND_TYPES},
    {.name = "TridiagonalMatMul",
     .infer = infer_tridiagonal_product,
     .cpu = run_tridiagonal_product,
     .types = BAND_TYPES,
     .gpu = run_tridiagonal_product,
     .gpu_types = BT_LINALG_TYPES},
    {.name = "Cross",
     .infer = infer_cross,
     .cpu = run_cross,
     .types = BT_REALS,
     .outputs = "product",
     .gpu = run_cross,
     .gpu_types = BT_REALS},
    {0},
};
