/* Keras 3: operations of linear algebra: factors of matrices, inverses, determinants, what is made of singular values. To read
 * next: keras_operation_matrix.c (products and norms). */
#include "format/keras_operation.h"

#include <math.h>

static btk_tensor matrix_of(btk_call *c)
{
    btk_tensor x = btk_as_float(c->k, btk_operand(c, 0, "x|a|input|tensor", BERTH_NO_DTYPE));
    btk_rank(c->k, x, 2, BT_MAX_RANK);
    return x;
}

/* [..., rows, columns], the leading axes those of x. */
static bt_shape matrices(btk_tensor x, int64_t rows, int64_t columns)
{
    return btk_with_dim(btk_with_dim(x.shape, -2, rows), -1, columns);
}

/* The leading axes of x, and one more of this size. */
static bt_shape vectors(btk_tensor x, int64_t n)
{
    bt_shape shape = x.shape;
    shape.rank--;
    return btk_with_dim(shape, -1, n);
}

static int64_t least(int64_t a, int64_t b) { return a < 0 || b < 0 ? -1 : a < b ? a : b; }

static double epsilon_of(berth_dtype dtype)
{
    return dtype == BERTH_DOUBLE ? 2.220446049250313e-16 : 1.1920928955078125e-7;
}

static bool flag(btk_call *c, const char *name, bool otherwise)
{
    return bt_json_bool(btk_operand_json(c, -1, name), otherwise);
}

/* ---- Factors ------------------------------------------------------------------------------------------ */

static btk_tensor eye(btk *k, btk_tensor like)
{
    int64_t n = btk_known(k, like, -1, "the size of a matrix");
    double *values = n > 1 << 13 || k->failed ? NULL : bt_arena_array(k->arena, double, (size_t)(n * n) + 1);
    if (!values) return btk_unsupported(k, "so large a matrix"), like;
    for (int64_t i = 0; i < n * n; i++) values[i] = i % (n + 1) == 0;
    return btk_binary(k, "AddV2", btk_unary(k, "ZerosLike", like),
                      btk_numbers(k, like.dtype, BT_SHAPE(n, n), values));
}

static btk_tensor triangular_solve(btk *k, btk_tensor a, btk_tensor b, bool lower)
{
    btk_tensor y = btk_node(k, "MatrixTriangularSolve", 2, (btk_tensor[]){a, b}, b.dtype, b.shape);
    btk_attr_bool(k, y, "lower", lower);
    btk_attr_bool(k, y, "adjoint", false);
    return y;
}

static void cholesky(btk_call *c, const char *op)
{
    btk_tensor x = matrix_of(c), y = btk_node(c->k, op, 1, &x, x.dtype, x.shape);
    btk_return(c, flag(c, "upper", false) ? btk_swap(c->k, y, -1, -2) : y);
}

/* Of a matrix whose factor this is. */
static void cholesky_inverse(btk_call *c, const char *detail)
{
    (void)detail;
    bool upper = flag(c, "upper", false);
    btk_tensor x = matrix_of(c);
    if (c->k->failed) return;
    btk_tensor y = triangular_solve(c->k, x, eye(c->k, x), !upper);
    btk_return(c, btk_matmul(c->k, y, y, !upper, upper));
}

static void qr(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = matrix_of(c);
    bool whole = bt_json_is_text(btk_operand_json(c, 1, "mode"), "complete");
    int64_t rows = btk_dim(x, -2), columns = btk_dim(x, -1), inner = whole ? rows : least(rows, columns);
    btk_tensor q = btk_node(c->k, "Qr", 1, &x, x.dtype, matrices(x, rows, inner));
    btk_attr_bool(c->k, q, "full_matrices", whole);
    btk_returns(c, (btk_tensor[]){q, btk_output(q, 1, x.dtype, matrices(x, inner, columns))}, 2);
}

/* Singular values; u and v as further outputs. */
static btk_tensor svd_of(btk *k, btk_tensor x, bool factors, bool full)
{
    btk_tensor s = btk_node(k, "Svd", 1, &x, x.dtype, vectors(x, least(btk_dim(x, -2), btk_dim(x, -1))));
    btk_attr_bool(k, s, "compute_uv", factors);
    btk_attr_bool(k, s, "full_matrices", full);
    return s;
}

static void svd_factors(btk_tensor x, btk_tensor s, bool full, btk_tensor *u, btk_tensor *v)
{
    int64_t rows = btk_dim(x, -2), columns = btk_dim(x, -1), n = least(rows, columns);
    *u = btk_output(s, 1, x.dtype, matrices(x, rows, full ? rows : n));
    *v = btk_output(s, 2, x.dtype, matrices(x, columns, full ? columns : n));
}

btk_tensor btk_singular_values(btk *k, btk_tensor x) { return svd_of(k, x, false, false); }

static void svd(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = matrix_of(c), u, v;
    bool full = flag(c, "full_matrices", true);
    if (!flag(c, "compute_uv", true)) return btk_return(c, btk_singular_values(c->k, x));
    btk_tensor s = svd_of(c->k, x, true, full);
    svd_factors(x, s, full, &u, &v);
    btk_returns(c, (btk_tensor[]){u, s, btk_swap(c->k, v, -1, -2)}, 3);
}

static void eigh(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = matrix_of(c),
               e = btk_node(c->k, "SelfAdjointEigV2", 1, &x, x.dtype, vectors(x, btk_dim(x, -1)));
    btk_attr_bool(c->k, e, "compute_v", true);
    btk_returns(c, (btk_tensor[]){e, btk_output(e, 1, x.dtype, x.shape)}, 2);
}

/* Of any square matrix: complex, of twice its width. */
static void eig(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = matrix_of(c);
    berth_dtype dtype = x.dtype == BERTH_DOUBLE ? BERTH_COMPLEX128 : BERTH_COMPLEX64;
    btk_tensor e = btk_node(c->k, "Eig", 1, &x, dtype, vectors(x, btk_dim(x, -1)));
    btk_attr_type(c->k, e, "Tout", dtype);
    btk_attr_bool(c->k, e, "compute_v", true);
    btk_returns(c, (btk_tensor[]){e, btk_output(e, 1, dtype, x.shape)}, 2);
}

/* Both factors in one matrix, and where each row went. */
static void lu(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = matrix_of(c), y = btk_node(k, "Lu", 1, &x, x.dtype, x.shape);
    if (x.shape.rank != 2) return btk_unsupported(k, "the factors of several matrices, which Keras refuses");
    btk_attr_type(k, y, "output_idx_type", BERTH_INT32);
    btk_tensor p = btk_output(y, 1, BERTH_INT32, vectors(x, btk_dim(x, -1)));
    btk_returns(c, (btk_tensor[]){y, btk_unary(k, "InvertPermutation", p)}, 2);
}

/* ---- Inverses and determinants ------------------------------------------------------------------------ */

static void inverse(btk_call *c, const char *op)
{
    btk_tensor x = matrix_of(c), y = btk_node(c->k, op, 1, &x, x.dtype, x.shape);
    btk_attr_bool(c->k, y, "adjoint", false);
    btk_return(c, y);
}

static void determinant(btk_call *c, const char *op)
{
    btk_tensor x = matrix_of(c);
    bt_shape shape = x.shape;
    shape.rank -= 2;
    if (c->k->failed) return;
    btk_tensor y = btk_node(c->k, op, 1, &x, x.dtype, shape);
    if (*op == 'M') return btk_return(c, y);
    btk_returns(c, (btk_tensor[]){y, btk_output(y, 1, x.dtype, shape)}, 2); /* its sign, and the logarithm */
}

/* Twice the sum of the logarithms on the diagonal of the Cholesky factor. */
static void log_determinant(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = matrix_of(c), factor = btk_node(k, "Cholesky", 1, &x, x.dtype, x.shape);
    if (k->failed) return;
    btk_tensor y = btk_node(k, "MatrixDiagPart", 1, &factor, x.dtype, vectors(x, btk_dim(x, -1)));
    y = btk_unary(k, "Log", y);
    btk_return(c, btk_scaled(k, btk_reduce(k, "Sum", y, btk_last_axis(y), false), 2));
}

static void solve(btk_call *c, const char *op)
{
    btk *k = c->k;
    btk_tensor a, b;
    btk_operands(c, &a, &b);
    a = btk_as_float(k, a), b = btk_as_float(k, b);
    bool column = b.shape.rank == a.shape.rank - 1;
    if (column) b = btk_expand(k, b, -1);
    btk_tensor y;
    if (strcmp(op, "MatrixSolve")) {
        y = triangular_solve(k, a, b, flag(c, "lower", false));
    } else {
        y = btk_node(k, op, 2, (btk_tensor[]){a, b}, b.dtype, b.shape);
        btk_attr_bool(k, y, "adjoint", false);
    }
    btk_return(c, column ? btk_squeeze(k, y, -1) : y);
}

/* ---- By singular values ------------------------------------------------------------------------------- */

static int64_t largest_side(btk *k, btk_tensor x)
{
    int64_t rows = btk_known(k, x, -2, "the size of a matrix"),
            columns = btk_known(k, x, -1, "the size of a matrix");
    return rows > columns ? rows : columns;
}

/* How many are above a part of the largest. */
static void matrix_rank(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = matrix_of(c), s = btk_singular_values(k, x), bound;
    const bt_json *tolerance = btk_operand_json(c, 1, "tol");
    if (k->failed) return;
    if (tolerance) bound = btk_number(k, s.dtype, bt_json_double(tolerance, 0));
    else
        bound = btk_scaled(k, btk_reduce(k, "Max", s, btk_last_axis(s), true),
                           epsilon_of(x.dtype) * (double)largest_side(k, x));
    btk_tensor counted = btk_cast(k, btk_compare(k, "Greater", s, bound), BERTH_INT32);
    btk_return(c, btk_reduce(k, "Sum", counted, btk_last_axis(s), false));
}

/* v (1 / s) u^T, where small s count as infinite. */
static void pseudo_inverse(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = matrix_of(c), u, v;
    double part = bt_json_double(btk_operand_json(c, 1, "rcond"),
                                 10 * epsilon_of(x.dtype) * (double)largest_side(k, x));
    if (k->failed) return;
    btk_tensor s = svd_of(k, x, true, false);
    svd_factors(x, s, false, &u, &v);
    btk_tensor bound = btk_scaled(k, btk_reduce(k, "Max", s, btk_last_axis(s), true), part);
    s = btk_select(k, btk_compare(k, "Greater", s, bound), s, btk_number(k, s.dtype, INFINITY));
    btk_return(c, btk_matmul(k, btk_binary(k, "RealDiv", v, btk_expand(k, s, -2)), u, false, true));
}

/* The x for which a x comes nearest to b: v (1 / s) u^T b, small s left out. */
static void least_squares(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor a, b, u, v;
    btk_operands(c, &a, &b);
    bool column = b.shape.rank == 1;
    if (column) b = btk_expand(k, b, 1);
    if (!btk_rank(k, a, 2, 2) || !btk_rank(k, b, 2, 2)) return;
    double part = bt_json_double(btk_operand_json(c, 2, "rcond"), NAN), epsilon = epsilon_of(a.dtype);
    part = isnan(part) ? epsilon * (double)largest_side(k, a) : part < 0 ? epsilon : part;
    if (k->failed) return;
    btk_tensor s = svd_of(k, a, true, false);
    svd_factors(a, s, false, &u, &v);
    btk_tensor bound = btk_scaled(k, btk_slice(k, s, 0, 0, 1), part);
    btk_tensor is = btk_compare(k, "GreaterEqual", s, bound), one = btk_number(k, s.dtype, 1);
    btk_tensor weight = btk_binary(k, "RealDiv", one, btk_select(k, is, s, one));
    weight = btk_expand(k, btk_select(k, is, weight, btk_number(k, s.dtype, 0)), 1);
    btk_tensor y =
        btk_matmul(k, v, btk_binary(k, "Mul", weight, btk_matmul(k, u, b, true, false)), false, false);
    btk_return(c, column ? btk_flat(k, y) : y);
}

/* Products of rows from which the mean is taken, over the roots of their squares. */
static void correlation(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = matrix_of(c);
    if (!btk_rank(k, x, 2, 2)) return;
    int64_t n = btk_known(k, x, -1, "the number of samples");
    x = btk_binary(k, "Sub", x, btk_reduce(k, "Mean", x, btk_last_axis(x), true));
    btk_tensor products = btk_scaled(k, btk_matmul(k, x, x, false, true), 1 / ((double)n - 1));
    btk_tensor own = btk_node(k, "MatrixDiagPart", 1, &products, x.dtype, vectors(products, btk_dim(x, 0)));
    own = btk_unary(k, "Sqrt", own);
    btk_tensor both = btk_binary(k, "Mul", btk_expand(k, own, 1), btk_expand(k, own, 0));
    btk_return(c, btk_clip(k, btk_binary(k, "RealDiv", products, both), -1, 1));
}

const btk_operation btk_linalg_operations[] = {
    {"cholesky", cholesky, "Cholesky"},
    {"cholesky_inverse", cholesky_inverse, NULL},
    {"qr", qr, NULL},
    {"s_v_d", svd, NULL},
    {"eigh", eigh, NULL},
    {"eig", eig, NULL},
    {"lu_factor", lu, NULL},
    {"inv", inverse, "MatrixInverse"},
    {"det", determinant, "MatrixDeterminant"},
    {"slogdet", determinant, "LogMatrixDeterminant"},
    {"logdet", log_determinant, NULL},
    {"solve", solve, "MatrixSolve"},
    {"solve_triangular", solve, "MatrixTriangularSolve"},
    {"matrix_rank", matrix_rank, NULL},
    {"pinv", pseudo_inverse, NULL},
    {"lstsq", least_squares, NULL},
    {"corrcoef", correlation, NULL},
    {NULL, NULL, NULL},
};
