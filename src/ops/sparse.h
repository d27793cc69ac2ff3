/* Sparse tensors as TensorFlow passes them: indices [n, rank], values [n], dense shape [rank], in three inputs or
 * outputs. What the families of sparse ops share (sparse_tensor.c); the kernels are in sparse.c, sparse_dense.c,
 * sparse_reduce.c and cross.c. */
#ifndef BT_SPARSE_H
#define BT_SPARSE_H

#include "ops/move.h"

typedef struct bt_sparse {
    const int64_t *index; /* [n][shape.rank] */
    const bt_tensor *values;
    int64_t n;
    bt_shape shape;
} bt_sparse;

/* The sparse tensor in these three inputs. Checks that the three fit one another, not that the indices lie inside. */
berth_status bt_sparse_read(bt_call *c, int indices, int values, int shape, bt_sparse *s);
static inline berth_status bt_sparse_input(bt_call *c, int first, bt_sparse *s)
{
    return bt_sparse_read(c, first, first + 1, first + 2, s);
}
static inline const int64_t *bt_sparse_row(const bt_sparse *s, int64_t i)
{
    return s->index + i * s->shape.rank;
}
/* Fails when an index lies outside; `ordered`: or is not behind the one before it. */
berth_status bt_sparse_check(bt_call *c, const bt_sparse *s, bool ordered);
/* -1, 0, 1: as two rows of `rank` indices are in row-major order. */
static inline int bt_sparse_compare(const int64_t *a, const int64_t *b, int rank)
{
    for (int k = 0; k < rank; k++)
        if (a[k] != b[k]) return a[k] < b[k] ? -1 : 1;
    return 0;
}
/* The numbers of n rows of `rank` indices in row-major order, equal ones as they came; in working memory. */
int64_t *bt_sparse_order(bt_call *c, const int64_t *index, int64_t n, int rank);

/* Where a row of indices is, in elements. */
static inline int64_t bt_sparse_place(const int64_t *row, const int64_t *strides, int rank)
{
    int64_t at = 0;
    for (int k = 0; k < rank; k++) at += row[k] * strides[k];
    return at;
}

/* Outputs of `n` elements of `rank` indices: where to write them. */
typedef struct bt_sparse_out {
    int64_t *index;
    void *values;
    int64_t
        *from; /* on a device, where the indices are the host's: which value each is, until bt_sparse_done */
    int64_t n;
} bt_sparse_out;
/* Outputs indices and values; the shape is a third output when `shape` >= 0, and is written. */
berth_status bt_sparse_make(bt_call *c, int indices, int values, int shape, int64_t n, berth_dtype dtype,
                            const bt_shape *dims, bt_sparse_out *out);
/* Element `at` of the outputs: a row of indices, and element i of `values`. */
berth_status bt_sparse_put(bt_call *c, const bt_sparse_out *out, int64_t at, const int64_t *row, int rank,
                           const bt_tensor *values, int64_t i);
/* After all elements were put: on a device brings the values, which all come from `values`. */
berth_status bt_sparse_done(bt_call *c, const bt_sparse_out *out, const bt_tensor *values);
/* Outputs first, first + 1, first + 2 are a sparse tensor; -1: not known. */
void bt_infer_sparse(bt_infer *x, int first, int64_t n, int64_t rank, berth_dtype dtype);

#endif
