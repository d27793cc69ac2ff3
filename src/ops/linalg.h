/* Dense linear algebra on row-major matrices of complex doubles: what linalg.c and linalg_factor.c share. Every type is
 * computed in double, so one algorithm each serves all of them. Not for large matrices: matmul.c is. */
#ifndef BT_LINALG_H
#define BT_LINALG_H

#include <complex.h>

#include "ops/gpu.h"

typedef double complex bt_z;

/* Matrices of one element of the batch and what to do with them. NULL from `run` is success, else it says what is wrong. */
typedef struct bt_matrices {
    int64_t m, n, k;             /* input 0 is [m][n], input 1 [its rows][k] */
    int64_t in[2], out[3], work; /* elements of each, a matrix; 0: there is none */
    bool lower, adjoint, full, fast, real;
    double l2, eps; /* eps: of the dtype */
    const char *(*run)(const struct bt_matrices *s, bt_z *const *in, bt_z *const *out, bt_z *work);
    int64_t batch, batch_in[2]; /* of the output and the inputs, which are repeated */
    const int64_t *which[2];    /* matrix of the input for each of the batch; NULL: the same number */
} bt_matrices;

/* Runs all of the batch into outputs that exist. */
berth_status bt_matrices_run(bt_call *c, const bt_matrices *s);
/* a becomes L U with rows exchanged: perm[i] is the row that came to i. Gives the sign of that, or 0 when singular. */
int bt_lu(bt_z *a, int64_t n, int64_t *perm);
/* b [n][k] becomes the solution of what bt_lu left. work: n. */
void bt_lu_solve(const bt_z *lu, const int64_t *perm, int64_t n, bt_z *b, int64_t k, bt_z *work);
/* The lower triangle of a becomes L, the upper zero; false when a is not positive definite. */
bool bt_cholesky(bt_z *a, int64_t n);
/* b [n][k] becomes the solution of t x = b, of which one triangle is read, or with t's adjoint; a zero on the
 * diagonal divides. */
void bt_triangular_solve(const bt_z *t, int64_t n, bool lower, bool adjoint, bt_z *b, int64_t k);
/* out [n][m] = adjoint of a [m][n] */
void bt_adjoint(const bt_z *a, int64_t m, int64_t n, bt_z *out);
/* out [m][k] = a [m][n] b [n][k] */
void bt_multiply(const bt_z *a, const bt_z *b, int64_t m, int64_t n, int64_t k, bt_z *out);

/* Shape function of ops whose output is like the square matrices of input 0. */
bt_infer_fn bt_infer_square;
/* Rows, columns and batch of input 0; fails when it is no matrix. */
berth_status bt_infer_matrix(bt_infer *x, int64_t *m, int64_t *n, bt_shape *batch);
/* batch with dimensions behind it; -1 of `rank`: unknown. */
bt_shape bt_batch_with(const bt_shape *batch, int rank, int64_t a, int64_t b);

/* On a device: kernels of linalg.cl for the type of input 0, of which a group takes one of `count` matrices of n elements, or, groups
 * false, an item one of `count` columns. */
#define BT_LINALG_TYPES (BT_T(BERTH_FLOAT) | BT_T(BERTH_DOUBLE) | BT_COMPLEXES)
berth_status bt_linalg_launch(bt_call *c, const char *kernel, bool groups, int64_t count, int64_t n,
                              const bt_arg *args, int n_args);
/* The matrices [m][n] of input 0, or their adjoints, at `to`. */
berth_status bt_linalg_copy(bt_call *c, int64_t batch, int64_t m, int64_t n, bool adjoint, void *to);
/* Unit matrices [n][n]. */
berth_status bt_linalg_units(bt_call *c, int64_t batch, int64_t n, berth_dtype dtype, void *to);

#endif
