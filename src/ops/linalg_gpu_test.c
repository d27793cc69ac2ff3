/* Factors, determinants, inverses and linear systems on a device against the CPU, of well-conditioned matrices; and what cannot be. */
#include "ops/move.h"

#include "gpu_trial.h"

/* A large diagonal; symmetric where asked. */
static void *matrices(berth_dtype dtype, int64_t batch, int64_t n, bool symmetric)
{
    void *p = gpu_random(dtype, batch * n * n, -1, 1);
    bt_tensor t = {.dtype = dtype, .shape = BT_SHAPE(batch * n * n), .data = p};
    for (int64_t e = 0; e < batch * n * n; e++) {
        int64_t i = e / n % n, j = e % n, mirror = e - i * n - j + j * n + i;
        double v = bt_tensor_number(&t, symmetric ? mirror : e);
        if (symmetric ? j > i : false) bt_put_number(dtype, bt_at(dtype, p, e), v);
        if (i == j) bt_put_number(dtype, bt_at(dtype, p, e), symmetric || i % 2 ? (double)n + v : -(double)n + v);
    }
    return p;
}

static void test_square(const char *name, berth_dtype dtype)
{
    int64_t batch = check_int(0, 4), n = check_int(1, 40);
    void *a = matrices(dtype, batch, n, !strcmp(name, "Cholesky"));
    if (strstr(name, "MatrixDeterminant") == name) n = n < 12 ? n : 12, batch = batch < 1 ? batch : 1; /* a power of it */
    op_begin(name);
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_bool(&op_graph, 0, "adjoint", check_int(0, 1));
    op_input(dtype, BT_SHAPE(batch, n, n), a);
    gpu_agrees(dtype == BERTH_FLOAT ? 2e-4 : 1e-11);
    op_end();
    bt_free(a);
}

static void test_solve(const char *name, berth_dtype dtype)
{
    int64_t batch = check_int(1, 4), n = check_int(1, 30), k = check_int(0, 9);
    void *a = matrices(dtype, batch, n, false), *b = gpu_random(dtype, batch * n * k, -1, 1);
    op_begin(name);
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_bool(&op_graph, 0, "adjoint", check_int(0, 1)), bt_set_bool(&op_graph, 0, "lower", check_int(0, 1));
    op_input(dtype, BT_SHAPE(batch, n, n), a);
    op_input(dtype, BT_SHAPE(batch, n, k), b);
    gpu_agrees(dtype == BERTH_FLOAT ? 2e-4 : 1e-11);
    op_end();
    bt_free(a), bt_free(b);
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
    static const char *const squares[] = {"Cholesky", "MatrixInverse", "MatrixDeterminant", "LogMatrixDeterminant"};
    if (!gpu_open()) return 0;
    for (int round = 0; round < 4; round++) {
        berth_dtype dtype = round % 2 ? BERTH_DOUBLE : BERTH_FLOAT;
        for (int i = 0; i < 4; i++) test_square(squares[i], dtype);
        test_solve("MatrixSolve", dtype);
        test_solve("MatrixTriangularSolve", dtype);
    }
    test_broken();
    gpu_close();
    return check_done();
}
