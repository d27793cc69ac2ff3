/* Compressed sparse rows: matrices, or batches of them, as objects in variants. Made of sparse and dense tensors, turned
 * back, and multiplied with dense ones. Products of sparse tensors as they are: sparse_dense.c. */
#include "ops/object.h"
#include "ops/sparse.h"

#include <complex.h>

/* Entries first[b * (rows + 1) + r] .. first[b * (rows + 1) + r + 1) are row r of matrix b. */
typedef struct matrix {
    bt_object base;
    bt_shape shape; /* [rows, columns] or [batch, rows, columns] */
    int64_t batch, rows, columns;
    int64_t *first;
    int64_t *column;
    bt_tensor values; /* a vector */
} matrix;

static void destroy(void *object)
{
    matrix *m = object;
    bt_tensor_clear(&m->values);
    bt_free(m->first), bt_free(m->column);
    bt_free(m);
}

static bt_object *zeros(const void *object, int depth, berth_error *error);

static const bt_object_type matrix_type = {"sparse matrix", destroy, .zeros = zeros};

static matrix *matrix_new(const bt_shape *shape, int64_t n, berth_dtype dtype, berth_error *error)
{
    int rank = shape->rank;
    size_t bytes;
    bt_shape firsts = BT_SHAPE(rank == 3 ? shape->dim[0] : 1, shape->dim[rank - 2] + 1), length = BT_SHAPE(n);
    matrix *m = bt_calloc(1, sizeof *m);
    if (!m) return bt_fail_memory(error), NULL;
    m->base.type = &matrix_type, m->base.refs = 1;
    m->shape = *shape, m->batch = firsts.dim[0], m->rows = shape->dim[rank - 2],
    m->columns = shape->dim[rank - 1];
    bool fits = bt_shape_bytes(&firsts, sizeof *m->first, &bytes);
    m->first = fits ? bt_calloc(bytes / sizeof *m->first + 1, sizeof *m->first) : NULL;
    m->column = bt_alloc(((size_t)n + 1) * sizeof *m->column);
    if (!m->first || !m->column) bt_fail_memory(error);
    else if (!bt_tensor_init(&m->values, dtype, &length, error)) return m;
    bt_object_free(&m->base);
    return NULL;
}

/* Without entries. */
static bt_object *zeros(const void *object, int depth, berth_error *error)
{
    const matrix *from = object;
    (void)depth;
    matrix *m = matrix_new(&from->shape, 0, from->values.dtype, error);
    return m ? &m->base : NULL;
}

static bool is_matrix_type(berth_dtype dtype)
{
    return dtype == BERTH_FLOAT || dtype == BERTH_DOUBLE || bt_dtype_is_complex(dtype);
}

/* Entries of the indices [n, rank] in the order in which they come, as TensorFlow takes them: rows are counted, and the
 * columns follow one another. */
static berth_status put_entries(bt_call *c, const bt_sparse *s, const bt_tensor *values, const int64_t *place)
{
    int rank = s->shape.rank;
    if (rank != 2 && rank != 3)
        return bt_call_fail(c, "takes a matrix or a batch of them, not %d dimensions", rank);
    if (!is_matrix_type(values->dtype))
        return bt_call_unsupported(c, "sparse matrices of %s", bt_dtype_name(values->dtype));
    berth_status status = bt_sparse_check(c, s, false);
    matrix *m = status ? NULL : matrix_new(&s->shape, s->n, values->dtype, c->error);
    if (!m) return status ? status : c->error->status;
    for (int64_t i = 0; i < s->n; i++) {
        const int64_t *row = bt_sparse_row(s, i);
        m->first[(rank == 3 ? row[0] : 0) * (m->rows + 1) + row[rank - 2] + 1]++;
        m->column[i] = row[rank - 1];
        memcpy(bt_at(values->dtype, m->values.data, i),
               bt_at_const(values->dtype, values->data, place ? place[i] : i), bt_dtype_size(values->dtype));
    }
    int64_t total = 0;
    for (int64_t i = 0, n = m->batch * (m->rows + 1); i < n; i++) m->first[i] = total += m->first[i];
    return bt_out_object(c, 0, BERTH_VARIANT, &m->base);
}

static berth_status infer_matrix(bt_infer *x)
{
    bt_infer_scalar(x, 0, BERTH_VARIANT);
    return BERTH_OK;
}

static berth_status run_from_sparse(bt_call *c)
{
    bt_sparse s;
    berth_status status = bt_sparse_input(c, 0, &s);
    return status ? status : put_entries(c, &s, s.values, NULL);
}

/* The elements of a dense tensor at these indices. */
static berth_status run_from_dense(bt_call *c)
{
    const bt_tensor *dense = c->in[0], *indices = c->in[1];
    int64_t strides[BT_MAX_RANK];
    if (indices->shape.rank != 2 || indices->dtype != BERTH_INT64 ||
        indices->shape.dim[1] != dense->shape.rank)
        return bt_call_fail(c, "takes indices [n, %d]", dense->shape.rank);
    bt_sparse s = {indices->data, dense, indices->shape.dim[0], dense->shape};
    berth_status status = bt_sparse_check(c, &s, false);
    int64_t *place = status ? NULL : bt_scratch(c, ((size_t)s.n + 1) * sizeof *place);
    if (!place) return status ? status : BERTH_NO_MEMORY;
    bt_strides(&s.shape, strides);
    for (int64_t i = 0; i < s.n; i++) place[i] = bt_sparse_place(bt_sparse_row(&s, i), strides, s.shape.rank);
    return put_entries(c, &s, dense, place);
}

/* The matrix in an input, of the type that attribute `type` names (NULL: any). */
static const matrix *matrix_input(bt_call *c, int i, const char *type)
{
    const matrix *m = (const matrix *)bt_object_input(c, i, &matrix_type);
    berth_dtype want = m && type ? bt_attr_type(c->node, type, m->values.dtype) : BERTH_NO_DTYPE;
    if (!m || !type || want == m->values.dtype) return m;
    return bt_call_fail(c, "a sparse matrix of %s, not %s", bt_dtype_name(m->values.dtype),
                        bt_dtype_name(want)),
           NULL;
}

/* ---- Back to tensors ---------------------------------------------------------------------------------- */

static berth_status infer_to_dense(bt_infer *x)
{
    x->out[0].dtype = bt_attr_type(x->node, "type", BERTH_NO_DTYPE);
    return bt_infer_arity(x, 1);
}

/* Calls for each entry; the later of two at one place stays. */
#define EACH_ENTRY(m)                                                   \
    for (int64_t b = 0; b < (m)->batch; b++)                            \
        for (int64_t r = 0; r < (m)->rows; r++)                         \
            for (int64_t i = (m)->first[b * ((m)->rows + 1) + r],       \
                         end = (m)->first[b * ((m)->rows + 1) + r + 1]; \
                 i < end; i++)

static berth_status run_to_dense(bt_call *c)
{
    const matrix *m = matrix_input(c, 0, "type");
    if (!m) return c->error->status;
    berth_dtype dtype = m->values.dtype;
    size_t bytes, size = bt_dtype_size(dtype);
    if (!bt_shape_bytes(&m->shape, size, &bytes)) return bt_call_fail(c, "too large to be dense");
    char *out = bt_out(c, 0, dtype, &m->shape);
    if (!out) return BERTH_NO_MEMORY;
    memset(out, 0, (size_t)bt_shape_count(&m->shape) * size);
    EACH_ENTRY(m)
    memcpy(bt_at(dtype, out, (b * m->rows + r) * m->columns + m->column[i]), bt_at(dtype, m->values.data, i),
           size);
    return BERTH_OK;
}

static berth_status infer_to_sparse(bt_infer *x)
{
    bt_infer_sparse(x, 0, -1, -1, bt_attr_type(x->node, "type", BERTH_NO_DTYPE));
    return bt_infer_arity(x, 1);
}

static berth_status run_to_sparse(bt_call *c)
{
    const matrix *m = matrix_input(c, 0, "type");
    if (!m) return c->error->status;
    bt_sparse_out out;
    int rank = m->shape.rank;
    int64_t n = bt_tensor_count(&m->values);
    berth_status status = bt_sparse_make(c, 0, 1, 2, n, m->values.dtype, &m->shape, &out);
    if (status) return status;
    EACH_ENTRY(m)
    {
        int64_t *row = out.index + i * rank;
        row[0] = b, row[rank - 2] = r, row[rank - 1] = m->column[i];
    }
    return bt_move_row(m->values.dtype, out.values, m->values.data, n, c->pool, c->error);
}

static berth_status run_entry_count(bt_call *c)
{
    const matrix *m = matrix_input(c, 0, NULL);
    if (!m) return c->error->status;
    bt_shape shape = BT_SHAPE(m->batch);
    int32_t *out = bt_out(c, 0, BERTH_INT32, m->shape.rank == 3 ? &shape : &BT_SCALAR);
    if (!out) return BERTH_NO_MEMORY;
    for (int64_t b = 0; b < m->batch; b++) {
        const int64_t *first = m->first + b * (m->rows + 1);
        out[b] = (int32_t)(first[m->rows] - first[0]);
    }
    return BERTH_OK;
}

static berth_status infer_entry_count(bt_infer *x)
{
    x->out[0].dtype = BERTH_INT32;
    return bt_infer_arity(x, 1);
}

/* ---- SparseMatrixMatMul ------------------------------------------------------------------------------- */

/* b [batch, inner, n], or as it lies: [batch, n, inner] when transposed; y [batch, m, n], or [batch, n, m]. */
typedef struct product {
    const matrix *a;
    const void *b;
    void *y;
    int64_t m, n, inner;
    bool across_a, conjugate_a, across_b, conjugate_b, across_y, conjugate_y;
} product;

static berth_status read_product(bt_call *c, product *p)
{
    const bt_node *node = c->node;
    const bt_tensor *b = c->in[1];
    bool adjoint_a = bt_attr_bool(node, "adjoint_a", false),
         adjoint_b = bt_attr_bool(node, "adjoint_b", false);
    bool transpose_a = bt_attr_bool(node, "transpose_a", false),
         transpose_b = bt_attr_bool(node, "transpose_b", false);
    if ((adjoint_a && transpose_a) || (adjoint_b && transpose_b))
        return bt_call_fail(c, "only one of adjoint and transpose can be asked for");
    int rank = b->shape.rank;
    if (!(p->a = matrix_input(c, 0, NULL))) return c->error->status;
    if (p->a->values.dtype != b->dtype)
        return bt_call_fail(c, "types %s and %s differ", bt_dtype_name(p->a->values.dtype),
                            bt_dtype_name(b->dtype));
    if (rank != p->a->shape.rank || (rank == 3 && b->shape.dim[0] != p->a->batch))
        return bt_call_fail(c, "the two differ in rank or batch");
    p->across_a = adjoint_a || transpose_a, p->conjugate_a = adjoint_a;
    p->across_b = adjoint_b || transpose_b, p->conjugate_b = adjoint_b;
    p->across_y = bt_attr_bool(node, "transpose_output", false);
    p->conjugate_y = bt_attr_bool(node, "conjugate_output", false);
    p->b = b->data;
    p->m = p->across_a ? p->a->columns : p->a->rows;
    p->inner = p->across_a ? p->a->rows : p->a->columns;
    p->n = b->shape.dim[p->across_b ? rank - 2 : rank - 1];
    if (b->shape.dim[p->across_b ? rank - 1 : rank - 2] == p->inner) return BERTH_OK;
    return bt_call_fail(c, "the inner sizes %lld and %lld differ", (long long)p->inner,
                        (long long)b->shape.dim[p->across_b ? rank - 1 : rank - 2]);
}

#define PRODUCT(name, T, CONJUGATE)                                                                     \
    static void multiply_##name(const product *p)                                                       \
    {                                                                                                   \
        int64_t y_row = p->across_y ? 1 : p->n, y_column = p->across_y ? p->m : 1;                      \
        int64_t b_row = p->across_b ? 1 : p->n, b_column = p->across_b ? p->inner : 1;                  \
        EACH_ENTRY(p->a)                                                                                \
        {                                                                                               \
            int64_t to = p->across_a ? p->a->column[i] : r, from = p->across_a ? r : p->a->column[i];   \
            const T *x = (const T *)p->b + b * p->inner * p->n + from * b_row;                          \
            T v = ((const T *)p->a->values.data)[i], *y = (T *)p->y + b * p->m * p->n + to * y_row;     \
            if (p->conjugate_a) v = CONJUGATE(v);                                                       \
            for (int64_t j = 0; j < p->n; j++)                                                          \
                y[j * y_column] += v * (p->conjugate_b ? CONJUGATE(x[j * b_column]) : x[j * b_column]); \
        }                                                                                               \
        T *y = p->y;                                                                                    \
        for (int64_t k = 0, n = p->a->batch * p->m * p->n; p->conjugate_y && k < n; k++)                \
            y[k] = CONJUGATE(y[k]);                                                                     \
    }
#define KEEP(x) (x)
PRODUCT(float, float, KEEP)
PRODUCT(double, double, KEEP)
PRODUCT(complex64, _Complex float, conjf)
PRODUCT(complex128, _Complex double, conj)

static berth_status infer_product(bt_infer *x)
{
    x->out[0].dtype = bt_infer_type(x, 1);
    return bt_infer_arity(x, 2);
}

static berth_status run_product(bt_call *c)
{
    product p = {0};
    berth_status status = read_product(c, &p);
    if (status) return status;
    berth_dtype dtype = c->in[1]->dtype;
    int rank = p.a->shape.rank;
    bt_shape shape = p.a->shape;
    size_t bytes;
    shape.dim[rank - 2] = p.across_y ? p.n : p.m, shape.dim[rank - 1] = p.across_y ? p.m : p.n;
    if (!bt_shape_bytes(&shape, bt_dtype_size(dtype), &bytes)) return bt_call_fail(c, "too large a product");
    if (!(p.y = bt_out(c, 0, dtype, &shape))) return BERTH_NO_MEMORY;
    memset(p.y, 0, (size_t)bt_shape_count(&shape) * bt_dtype_size(dtype));
    switch (dtype) {
    case BERTH_FLOAT: multiply_float(&p); break;
    case BERTH_DOUBLE: multiply_double(&p); break;
    case BERTH_COMPLEX64: multiply_complex64(&p); break;
    default: multiply_complex128(&p); break;
    }
    return BERTH_OK;
}

const bt_op bt_ops_sparse_matrix[] = {
    {.name = "SparseTensorToCSRSparseMatrix",
     .infer = infer_matrix,
     .cpu = run_from_sparse,
     .outputs = "sparse_matrix"},
    {.name = "DenseToCSRSparseMatrix",
     .infer = infer_matrix,
     .cpu = run_from_dense,
     .outputs = "sparse_output"},
    {.name = "CSRSparseMatrixToDense",
     .infer = infer_to_dense,
     .cpu = run_to_dense,
     .outputs = "dense_output"},
    {.name = "CSRSparseMatrixToSparseTensor",
     .infer = infer_to_sparse,
     .cpu = run_to_sparse,
     .outputs = "indices,values,dense_shape"},
    {.name = "SparseMatrixNNZ", .infer = infer_entry_count, .cpu = run_entry_count, .outputs = "nnz"},
    {.name = "SparseMatrixMatMul", .infer = infer_product, .cpu = run_product},
    {0},
};
