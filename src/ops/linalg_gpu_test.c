/* Factors, determinants, inverses and linear systems on a device against the CPU, of well-conditioned matrices; and what cannot be. */
#include "ops/move.h"

#include "gpu_trial.h"

#include <complex.h>

/* A large diagonal; Hermitian where asked. */
static void *matrices(berth_dtype dtype, int64_t batch, int64_t n, bool symmetric)
{
    int parts = bt_dtype_is_complex(dtype) ? 2 : 1;
    berth_dtype part = parts == 1 ? dtype : dtype == BERTH_COMPLEX64 ? BERTH_FLOAT : BERTH_DOUBLE;
    void *p = gpu_random(part, batch * n * n * parts, -1, 1);
    bt_tensor t = {.dtype = part, .shape = BT_SHAPE(batch * n * n * parts), .data = p};
    for (int64_t e = 0; e < batch * n * n; e++)
        for (int k = 0; k < parts; k++) {
            int64_t i = e / n % n, j = e % n, mirror = e - i * n - j + j * n + i;
            double v = bt_tensor_number(&t, (symmetric ? mirror : e) * parts + k);
            if (symmetric && j > i) v = k ? -v : v;
            if (i == j && symmetric && k) v = 0;
            if (i == j && k == 0) v = symmetric || i % 2 ? (double)n + v : -(double)n + v;
            if (i == j || (symmetric && j > i)) bt_put_number(part, bt_at(part, p, e * parts + k), v);
        }
    return p;
}

static double tolerance(berth_dtype dtype)
{
    return dtype == BERTH_FLOAT || dtype == BERTH_COMPLEX64 ? 2e-4 : 1e-11;
}

static void test_square(const char *name, berth_dtype dtype)
{
    int64_t batch = check_int(0, 4), n = check_int(1, 40);
    void *a = matrices(dtype, batch, n, !strcmp(name, "Cholesky"));
    if (strstr(name, "MatrixDeterminant") == name)
        n = n < 12 ? n : 12, batch = batch < 1 ? batch : 1; /* a power of it */
    op_begin(name);
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_bool(&op_graph, 0, "adjoint", check_int(0, 1));
    op_input(dtype, BT_SHAPE(batch, n, n), a);
    gpu_agrees(tolerance(dtype));
    op_end();
    bt_free(a);
}

static void test_solve(const char *name, berth_dtype dtype)
{
    int64_t batch = check_int(1, 4), n = check_int(1, 30), k = check_int(0, 9);
    void *a = matrices(dtype, batch, n, false), *b = gpu_random(dtype, batch * n * k, -1, 1);
    op_begin(name);
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_bool(&op_graph, 0, "adjoint", check_int(0, 1)),
        bt_set_bool(&op_graph, 0, "lower", check_int(0, 1));
    op_input(dtype, BT_SHAPE(batch, n, n), a);
    op_input(dtype, BT_SHAPE(batch, n, k), b);
    gpu_agrees(tolerance(dtype));
    op_end();
    bt_free(a), bt_free(b);
}

static void test_bands(berth_dtype dtype, bool broken)
{
    int64_t batch = check_int(1, 3), n = check_int(1, 40), k = check_int(1, 5);
    op_begin("TridiagonalSolve");
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_bool(&op_graph, 0, "partial_pivoting", check_int(0, 1));
    char *bands = gpu_input(dtype, BT_SHAPE(batch, 3, n), 0.5, 1);
    for (int64_t i = 0; i < n; i++) /* of each the middle is large in one case of two */
        for (int64_t b = 0; b < batch; b++)
            bt_put_number(dtype, bt_at(dtype, bands, (3 * b + 1) * n + i), broken ? 0 : 3);
    if (broken) bt_put_number(dtype, bt_at(dtype, bands, 2 * n + 1 % n), 0);
    gpu_input(dtype, BT_SHAPE(batch, n, k), -1, 1);
    if (!broken || n > 2) gpu_agrees(tolerance(dtype));
    op_end();
    op_begin("TridiagonalMatMul");
    bt_set_type(&op_graph, 0, "T", dtype);
    for (int i = 0; i < 3; i++) gpu_input(dtype, BT_SHAPE(batch, 1, n), -1, 1);
    gpu_input(dtype, BT_SHAPE(batch, n, k), -1, 1);
    gpu_agrees(4 * gpu_ulp(dtype));
    op_end();
}

/* ---- Factors, which are told by what they make: signs are anyone's ------------------------------------- */

typedef struct factors {
    bt_tensor t[3];
} factors;

/* The outputs of the device, on the host, after it has been seen that the CPU agrees on output 0 if that is real values. */
static bool device_factors(factors *f, int n_out, bool values, double tolerance)
{
    bt_tensor out[OP_TEST_PORTS];
    gpu_n_blocks = 0;
    bool ok = CHECK_EQ(op_run(), BERTH_OK) && CHECK_EQ(gpu_run(out, n_out, 0), BERTH_OK);
    if (ok && values) ok = CHECK(gpu_same(0, &out[0], tolerance));
    for (int i = 0; ok && i < n_out; i++) {
        f->t[i] = out[i];
        f->t[i].data = bt_arena_alloc_aligned(&op_arena, bt_tensor_bytes(&out[i]) + 1, 64);
        gpu->ops->download(gpu, f->t[i].data, out[i].data, bt_tensor_bytes(&out[i]), &op_error);
        gpu->ops->sync(gpu, &op_error);
        ok = CHECK(bt_shape_equal(&out[i].shape, &op_out[i].shape) && out[i].dtype == op_out[i].dtype);
    }
    if (!ok && op_error.status) printf("    %s\n", op_error.message);
    gpu_drop();
    return ok;
}

static double complex at(const bt_tensor *t, int64_t i)
{
    if (!bt_dtype_is_complex(t->dtype)) return bt_tensor_number(t, i);
    if (t->dtype == BERTH_COMPLEX64) return ((const float complex *)t->data)[i];
    return ((const double complex *)t->data)[i];
}

/* sum over j < k of left[r][j] scale[j] right: [j][c], or, adjoint, conj(right[c][j]). */
static double complex product_at(const bt_tensor *left, const bt_tensor *scale, const bt_tensor *right,
                                 bool adjoint, int64_t r, int64_t c, int64_t k)
{
    int64_t wide = left->shape.dim[1], columns = right->shape.dim[1];
    double complex sum = 0;
    for (int64_t j = 0; j < k; j++)
        sum += at(left, r * wide + j) * (scale ? at(scale, j) : 1) *
               (adjoint ? conj(at(right, c * columns + j)) : at(right, j * columns + c));
    return sum;
}

static bool is_orthonormal(const bt_tensor *q, double tolerance)
{
    int64_t m = q->shape.dim[0], k = q->shape.dim[1];
    double worst = 0;
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = 0; j < k; j++) {
            double complex sum = i == j ? -1 : 0;
            for (int64_t r = 0; r < m; r++) sum += conj(at(q, r * k + i)) * at(q, r * k + j);
            worst = fmax(worst, cabs(sum));
        }
    if (!(worst <= tolerance)) printf("    columns are not orthonormal: %g\n", worst);
    return worst <= tolerance;
}

static bool makes(const bt_tensor *a, const bt_tensor *left, const bt_tensor *scale, const bt_tensor *right,
                  bool adjoint, int64_t k, double tolerance)
{
    double worst = 0;
    for (int64_t r = 0; r < a->shape.dim[0]; r++)
        for (int64_t c = 0; c < a->shape.dim[1]; c++)
            worst = fmax(worst, cabs(product_at(left, scale, right, adjoint, r, c, k) -
                                     at(a, r * a->shape.dim[1] + c)));
    if (!(worst <= tolerance)) printf("    the product is another matrix: %g\n", worst);
    return worst <= tolerance;
}

/* rank: of the matrix, which is the product of two; -1: full. */
static void test_factors(const char *name, berth_dtype dtype, int64_t m, int64_t n, bool full, int64_t rank)
{
    factors f;
    double t = tolerance(dtype);
    int64_t p = m < n ? m : n;
    bool is_svd = !strcmp(name, "Svd"), is_qr = !strcmp(name, "Qr");
    op_begin(name);
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_bool(&op_graph, 0, "full_matrices", full);
    void *hermitian = is_svd || is_qr ? NULL : matrices(dtype, 1, n, true);
    char *a = hermitian ? (op_input(dtype, BT_SHAPE(n, n), hermitian), hermitian)
                        : gpu_input(dtype, BT_SHAPE(m, n), -1, 1);
    for (int64_t r = 0; r < m && rank >= 0; r++) /* columns repeat */
        for (int64_t c = rank; c < n; c++)
            memcpy(bt_at(dtype, a, r * n + c), bt_at(dtype, a, r * n + c % (rank ? rank : 1)),
                   bt_dtype_size(dtype));
    if (device_factors(&f, is_svd ? 3 : 2, !is_qr, t)) {
        const bt_tensor *left = &f.t[is_svd ? 1 : is_qr ? 0 : 1], *right = &f.t[is_svd ? 2 : 1];
        CHECK(is_orthonormal(left, t) && (is_qr || is_orthonormal(right, t)));
        CHECK(makes(&op_in[0], left, is_qr ? NULL : &f.t[0], right, !is_qr, is_qr && full ? m : p, t * 4));
    } else {
        printf("    of %s of %s[%lld,%lld], rank %lld\n", name, bt_dtype_name(dtype), (long long)m,
               (long long)n, (long long)rank);
    }
    op_end();
    bt_free(hermitian);
}

static void test_orthogonal(berth_dtype dtype)
{
    for (int i = 0; i < 6; i++) {
        int64_t m = check_int(1, 40), n = check_int(1, 40);
        test_factors("Qr", dtype, m, n, i & 1, -1);
        test_factors("SelfAdjointEigV2", dtype, n, n, false, -1);
        test_factors("Svd", dtype, m, n, i & 1, i == 5 ? n / 3 : -1);
    }
    op_begin("Svd"); /* values alone, of a batch */
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_bool(&op_graph, 0, "compute_uv", false);
    gpu_input(dtype, BT_SHAPE(3, 7, 5), -1, 1);
    gpu_agrees(tolerance(dtype));
    op_end();
    op_begin("SelfAdjointEigV2");
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_bool(&op_graph, 0, "compute_v", false);
    gpu_input(dtype, BT_SHAPE(2, 2, 9, 9), -1, 1);
    gpu_agrees(tolerance(dtype));
    op_end();
    for (int i = 0; i < 2; i++) {
        op_begin(i ? "Svd" : "Qr"); /* nothing */
        bt_set_type(&op_graph, 0, "T", dtype);
        bt_set_bool(&op_graph, 0, "full_matrices", true);
        gpu_input(dtype, BT_SHAPE(2, 4, 0), -1, 1);
        gpu_agrees(0);
        op_end();
    }
}

static void test_broken(void)
{
    static const float singular[9] = {1, 2, 3, 2, 4, 6, 1, 1, 1}, indefinite[4] = {1, 2, 2, 1};
    op_begin("MatrixInverse");
    op_input(BERTH_FLOAT, BT_SHAPE(3, 3), singular);
    gpu_both_fail();
    op_end();
    op_begin("MatrixDeterminant");
    op_input(BERTH_FLOAT, BT_SHAPE(3, 3), singular);
    gpu_agrees(0);
    op_end();
    op_begin("LogMatrixDeterminant");
    op_input(BERTH_FLOAT, BT_SHAPE(3, 3), singular);
    gpu_agrees(0);
    op_end();
    op_begin("Cholesky");
    op_input(BERTH_FLOAT, BT_SHAPE(2, 2), indefinite);
    gpu_agrees(0);
    op_end();
}

int main(void)
{
    static const char *const squares[] = {"Cholesky", "MatrixInverse", "MatrixDeterminant",
                                          "LogMatrixDeterminant", "Lu"};
    static const berth_dtype dtypes[] = {BERTH_FLOAT, BERTH_DOUBLE, BERTH_COMPLEX64, BERTH_COMPLEX128};
    if (!gpu_open()) return 0;
    for (int d = 0; d < 4; d++) {
        berth_dtype dtype = dtypes[d];
        for (int round = 0; round < 2; round++) {
            for (int i = 0; i < 5; i++) test_square(squares[i], dtype);
            test_solve("MatrixSolve", dtype);
            test_solve("MatrixTriangularSolve", dtype);
            test_bands(dtype, false);
        }
        test_bands(dtype, true);
        test_orthogonal(dtype);
    }
    test_broken();
    gpu_close();
    return check_done();
}
