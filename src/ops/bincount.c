/* Counting equal integers: Bincount and its dense, sparse and ragged forms, and those that give a sparse result. */
#include "ops/gpu.h"
#include "ops/move.h"
#include "ops/scatter.h"

/* n values, each of one of `rows` rows, and a weight for each or none. */
typedef struct counted {
    const bt_tensor *values;
    const bt_tensor *weights; /* NULL: each counts 1 */
    const int64_t *row;       /* of each value; NULL: see below */
    const int64_t *splits;    /* [rows + 1], ragged; NULL: rows of equal length */
    const int64_t *index;     /* on a device, of a sparse matrix: [n, 2], the rows first */
    int64_t n, rows;
    bool matrix;       /* counts for each row; else one vector of them */
    berth_dtype dtype; /* of the counts */
    bool binary;
} counted;

/* ---- Values, rows, weights ---------------------------------------------------------------------------- */

/* Values in input `values`, weights in input `weights`: empty, or one for each value. */
static berth_status read_values(bt_call *c, int values, int weights, counted *k)
{
    *k = (counted){.values = c->in[values],
                   .n = bt_tensor_count(c->in[values]),
                   .dtype = c->in[weights]->dtype,
                   .binary = bt_attr_bool(c->node, "binary_output", false)};
    int64_t n = bt_tensor_count(c->in[weights]);
    if (!bt_dtype_is_int(k->values->dtype)) return bt_call_fail(c, "counts integers only");
    if (k->dtype != BERTH_INT32 && k->dtype != BERTH_INT64 && k->dtype != BERTH_FLOAT &&
        k->dtype != BERTH_DOUBLE)
        return bt_call_fail(c, "counts of type %s", bt_dtype_name(k->dtype));
    if (n != 0 && n != k->n)
        return bt_call_fail(c, "%lld weights for %lld values", (long long)n, (long long)k->n);
    if (n) k->weights = c->in[weights];
    return BERTH_OK;
}

/* Rows of a vector (one, without a number) or of a matrix. */
static berth_status dense_rows(bt_call *c, counted *k)
{
    if (k->values->shape.rank < 1 || k->values->shape.rank > 2)
        return bt_call_fail(c, "takes a vector or a matrix, not %d dimensions", k->values->shape.rank);
    k->matrix = k->values->shape.rank == 2;
    k->rows = k->matrix ? k->values->shape.dim[0] : 0;
    return BERTH_OK;
}

#define NO_ROW "row %lld of %lld"

/* Rows of a sparse tensor: indices [n, 1] or [n, 2] in input 0, its shape in input 2. */
static berth_status sparse_rows(bt_call *c, counted *k)
{
    const bt_tensor *indices = c->in[0], *shape = c->in[2];
    int64_t dims[2];
    int rank;
    if (indices->shape.rank != 2 || k->values->shape.rank != 1 || indices->shape.dim[0] != k->n ||
        !bt_ints(shape, dims, 2, &rank) || rank < 1 || indices->shape.dim[1] != rank ||
        indices->dtype != BERTH_INT64)
        return bt_call_fail(c, "takes a sparse vector or matrix with indices [n, 1] or [n, 2]");
    if (rank == 1) return BERTH_OK;
    if (dims[0] < 0) return bt_call_fail(c, "a negative dimension");
    k->rows = dims[0], k->matrix = true;
    if (bt_on_gpu(c)) return k->index = indices->data, BERTH_OK;
    int64_t *row = bt_scratch(c, ((size_t)k->n + 1) * sizeof *row);
    if (!row) return BERTH_NO_MEMORY;
    k->row = row;
    for (int64_t i = 0; i < k->n; i++) {
        row[i] = ((const int64_t *)indices->data)[2 * i];
        if (row[i] < 0 || row[i] >= dims[0])
            return bt_call_fail(c, NO_ROW, (long long)row[i], (long long)dims[0]);
    }
    return BERTH_OK;
}

/* Rows of a ragged tensor, splits in input 0. */
static berth_status ragged_rows(bt_call *c, counted *k)
{
    const bt_tensor *splits = c->in[0];
    int64_t n = bt_tensor_count(splits), last = 0;
    if (splits->shape.rank != 1 || k->values->shape.rank != 1 || n < 1 ||
        !(k->splits = bt_call_indices(c, splits)))
        return bt_call_fail(c, "the splits and the values must be vectors");
    k->rows = n - 1, k->matrix = true;
    int64_t *row = bt_scratch(c, ((size_t)k->n + 1) * sizeof *row);
    if (!row) return BERTH_NO_MEMORY;
    for (int64_t i = 0; i < n; i++) {
        if (k->splits[i] < last || k->splits[i] > k->n || (i == 0 && k->splits[i] != 0))
            return bt_call_fail(c, "the splits must rise from 0 to the number of values");
        for (int64_t v = last; v < k->splits[i]; v++) row[v] = i - 1;
        last = k->splits[i];
    }
    if (last != k->n) return bt_call_fail(c, "the splits must rise from 0 to the number of values");
    k->row = row;
    return BERTH_OK;
}

static int64_t row_of(const counted *k, int64_t i)
{
    return k->row ? k->row[i] : k->rows > 0 ? i / (k->n / k->rows) : 0;
}

/* One more value i on a count. */
static berth_status count_one(bt_call *c, const counted *k, void *count, int64_t i)
{
    uint64_t one;
    bt_put_number(k->dtype, &one, 1);
    const void *by = k->weights ? bt_at_const(k->dtype, k->weights->data, i) : &one;
    if (!k->binary) return bt_combine(k->dtype, BT_ADD, count, by, 1, 1, c->error);
    memcpy(count, &one, bt_dtype_size(k->dtype));
    return BERTH_OK;
}

/* ---- Dense results: [size] or [rows, size] ------------------------------------------------------------ */

BT_CL_DECLARE(bincount);

#define IS_NEGATIVE "value %lld at %lld is negative"

/* As in bincount.cl. */
typedef struct bins {
    int64_t n, rows, size, each, sparse;
} bins;

static berth_status launch(bt_call *c, const counted *k, const char *kernel, int64_t n, const bt_arg *args,
                           int n_args)
{
    char defines[BT_DEFINES];
    bt_grid grid = bt_grid_of(c, n);
    bt_gpu_defines(defines, k->values->dtype, k->dtype, "");
    return n ? bt_gpu_launch(c, BT_CL(bincount), defines, kernel, &grid, args, n_args) : BERTH_OK;
}

/* Each value's weight is added to its bin, in the order of the values. */
static berth_status weights_on_gpu(bt_call *c, const counted *k, const bins *by, void *out, int64_t count)
{
    bt_shape shape = BT_SHAPE(count);
    bt_tensor found = {.dtype = BERTH_INT64, .shape = BT_SHAPE(k->n, 1)};
    found.data = bt_scratch(c, (size_t)k->n * sizeof(int64_t) + 1);
    if (!found.data) return c->error->status;
    bt_arg args[8] = {bt_pointer(k->values->data), bt_pointer(k->index), bt_pointer(found.data),
                      bt_bytes(by, sizeof *by), bt_long((int64_t)(uintptr_t)NO_ROW)};
    berth_status status = bt_gpu_fault(c, IS_NEGATIVE, args + 5);
    if (!status) status = bt_call_zero(c, k->dtype, out, count);
    if (!status) status = launch(c, k, "find_bins", k->n, args, 8);
    return status || !count ? status
                            : bt_scatter_gpu(c, out, &shape, &found, k->weights, BT_ADD, BT_ROWS_SKIP);
}

/* Without weights counts are made in 32 bits. */
static berth_status bins_on_gpu(bt_call *c, const counted *k, void *out, int64_t size, int64_t count)
{
    bins by = {k->n, k->rows, size, k->rows && !k->index ? k->n / k->rows : k->n, k->index != NULL};
    if (k->weights && !k->binary) return weights_on_gpu(c, k, &by, out, count);
    void *counts = bt_scratch(c, (size_t)count * sizeof(uint32_t) + 1);
    if (!counts) return c->error->status;
    bt_arg args[9] = {bt_pointer(k->values->data), bt_pointer(k->index), bt_pointer(counts),
                      bt_bytes(&by, sizeof by),    bt_int(k->binary),    bt_long((int64_t)(uintptr_t)NO_ROW)};
    bt_arg last[] = {bt_pointer(counts), bt_pointer(out), bt_long(count)};
    berth_status status = bt_gpu_fault(c, IS_NEGATIVE, args + 6);
    if (!status) status = bt_call_zero(c, BERTH_UINT32, counts, count);
    if (!status) status = launch(c, k, "count_values", k->n, args, 9);
    return status ? status : launch(c, k, "counts_as", count, last, 3);
}

static berth_status count_into_bins(bt_call *c, const counted *k, const bt_tensor *bins)
{
    int64_t size;
    int n;
    if (!bt_ints(bins, &size, 1, &n) || n != 1 || size < 0)
        return bt_call_fail(c, "size must be one integer, and not negative");
    bt_shape shape = k->matrix ? BT_SHAPE(k->rows, size) : BT_SHAPE(size);
    char *out = bt_out(c, 0, k->dtype, &shape);
    if (!out) return BERTH_NO_MEMORY;
    if (bt_on_gpu(c)) return bins_on_gpu(c, k, out, size, bt_shape_count(&shape));
    memset(out, 0, (size_t)bt_shape_count(&shape) * bt_dtype_size(k->dtype));
    berth_status status = BERTH_OK;
    for (int64_t i = 0; !status && i < k->n; i++) {
        int64_t value = bt_tensor_int(k->values, i);
        if (value < 0)
            return bt_call_fail(c, IS_NEGATIVE, (long long)value, (long long)i);
        if (value < size) status = count_one(c, k, bt_at(k->dtype, out, row_of(k, i) * size + value), i);
    }
    return status;
}

static int64_t known_size(const bt_fact *f)
{
    int64_t size;
    int n;
    return f->value && bt_ints(f->value, &size, 1, &n) && n == 1 && size >= 0 ? size : -1;
}

static berth_status infer_bincount(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 3);
    if (!status) x->out[0] = (bt_fact){bt_infer_type(x, 2), BT_SHAPE(known_size(&x->in[1])), NULL};
    return status;
}

static berth_status run_bincount(bt_call *c)
{
    counted k;
    berth_status status = read_values(c, 0, 2, &k);
    return status ? status : count_into_bins(c, &k, c->in[1]);
}

static berth_status infer_dense_bincount(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 3);
    if (status) return status;
    const bt_shape *in = &x->in[0].shape;
    int64_t size = known_size(&x->in[1]);
    x->out[0].dtype = bt_infer_type(x, 2);
    if (in->rank > 2) return bt_infer_fail(x, "takes a vector or a matrix, not %d dimensions", in->rank);
    if (in->rank > 0) x->out[0].shape = in->rank == 2 ? BT_SHAPE(in->dim[0], size) : BT_SHAPE(size);
    return BERTH_OK;
}

static berth_status run_dense_bincount(bt_call *c)
{
    counted k;
    berth_status status = read_values(c, 0, 2, &k);
    if (status || (status = dense_rows(c, &k))) return status;
    return count_into_bins(c, &k, c->in[1]);
}

static berth_status infer_sparse_bincount(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 5);
    if (!status) x->out[0].dtype = bt_infer_type(x, 4);
    return status;
}

static berth_status run_sparse_bincount(bt_call *c)
{
    counted k;
    berth_status status = read_values(c, 1, 4, &k);
    if (status || (status = sparse_rows(c, &k))) return status;
    return count_into_bins(c, &k, c->in[3]);
}

static berth_status infer_ragged_bincount(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 4);
    if (status) return status;
    int64_t n = bt_infer_length(x, 0);
    x->out[0] = (bt_fact){bt_infer_type(x, 3), BT_SHAPE(n > 0 ? n - 1 : -1, known_size(&x->in[2])), NULL};
    return BERTH_OK;
}

static berth_status run_ragged_bincount(bt_call *c)
{
    counted k;
    berth_status status = read_values(c, 1, 3, &k);
    if (status || (status = ragged_rows(c, &k))) return status;
    return count_into_bins(c, &k, c->in[2]);
}

/* ---- Sparse results: indices, counts, dense shape ----------------------------------------------------- */

typedef struct entry {
    int64_t row, value, at;
} entry;

static bool entry_before(const entry *a, const entry *b)
{
    return a->row != b->row ? a->row < b->row : a->value != b->value ? a->value < b->value : a->at < b->at;
}

static void sift_entry(entry *heap, int64_t n, int64_t at)
{
    entry moved = heap[at];
    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && entry_before(&heap[child], &heap[child + 1])) child++;
        if (!entry_before(&moved, &heap[child])) break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

static void sort_entries(entry *e, int64_t n)
{
    for (int64_t i = n / 2 - 1; i >= 0; i--) sift_entry(e, n, i);
    for (int64_t i = n - 1; i > 0; i--) {
        entry last = e[0];
        e[0] = e[i], e[i] = last;
        sift_entry(e, i, 0);
    }
}

static berth_status infer_sparse_counts(bt_infer *x)
{
    for (int i = 0; i < 3; i++)
        x->out[i] = (bt_fact){i == 1 ? bt_attr_type(x->node, "output_type", BERTH_NO_DTYPE) : BERTH_INT64,
                              i == 0 ? BT_SHAPE(-1, -1) : BT_SHAPE(-1), NULL};
    return bt_infer_arity(x, bt_starts(x->node->op, "Dense") ? 2 : bt_starts(x->node->op, "Sparse") ? 4 : 3);
}

/* Values below the limit as sorted entries; gives how many, and the largest value; -1 with the error set. */
static int64_t collect(bt_call *c, const counted *k, int64_t limit, entry *e, int64_t *largest)
{
    int64_t n = 0;
    *largest = 0;
    for (int64_t i = 0; i < k->n; i++) {
        int64_t value = bt_tensor_int(k->values, i);
        if (value < 0)
            return bt_call_fail(c, "value %lld at %lld is negative", (long long)value, (long long)i), -1;
        if (limit >= 0 && value >= limit) continue;
        e[n++] = (entry){row_of(k, i), value, i};
        if (value > *largest) *largest = value;
    }
    sort_entries(e, n);
    return n;
}

static berth_status put_sparse_counts(bt_call *c, const counted *k)
{
    int64_t limit = bt_attr_int(c->node, "maxlength", -1), least = bt_attr_int(c->node, "minlength", -1),
            largest, kinds = 0;
    entry *e = bt_scratch(c, ((size_t)k->n + 1) * sizeof *e);
    if (!e) return BERTH_NO_MEMORY;
    int64_t n = collect(c, k, limit, e, &largest);
    if (n < 0) return BERTH_BAD_INPUT;
    for (int64_t i = 0; i < n; i++)
        kinds += i == 0 || e[i].row != e[i - 1].row || e[i].value != e[i - 1].value;
    int rank = k->matrix ? 2 : 1;
    bt_shape index_shape = BT_SHAPE(kinds, rank), count_shape = BT_SHAPE(kinds), dims_shape = BT_SHAPE(rank);
    int64_t *index = bt_out(c, 0, BERTH_INT64, &index_shape);
    char *counts = index ? bt_out(c, 1, k->dtype, &count_shape) : NULL;
    int64_t *dims = counts ? bt_out(c, 2, BERTH_INT64, &dims_shape) : NULL;
    if (!dims) return BERTH_NO_MEMORY;
    if (k->matrix) dims[0] = k->rows;
    dims[rank - 1] = limit >= 0 ? limit : largest + 1 > least ? largest + 1 : least;
    size_t size = bt_dtype_size(k->dtype);
    memset(counts, 0, (size_t)kinds * size);
    berth_status status = BERTH_OK;
    for (int64_t i = 0, at = -1; !status && i < n; i++) {
        if (i == 0 || e[i].row != e[i - 1].row || e[i].value != e[i - 1].value) {
            at++;
            if (k->matrix) index[2 * at] = e[i].row;
            index[rank * at + rank - 1] = e[i].value;
        }
        status = count_one(c, k, counts + (size_t)at * size, e[i].at);
    }
    return status;
}

static berth_status run_dense_counts(bt_call *c)
{
    counted k;
    berth_status status = read_values(c, 0, 1, &k);
    if (status || (status = dense_rows(c, &k))) return status;
    if (k.values->shape.rank == 2 && k.values->shape.dim[0] == 0)
        return bt_call_fail(c, "values must have a row");
    return put_sparse_counts(c, &k);
}

static berth_status run_sparse_counts(bt_call *c)
{
    counted k;
    berth_status status = read_values(c, 1, 3, &k);
    if (status || (status = sparse_rows(c, &k))) return status;
    return put_sparse_counts(c, &k);
}

static berth_status run_ragged_counts(bt_call *c)
{
    counted k;
    berth_status status = read_values(c, 1, 2, &k);
    if (status || (status = ragged_rows(c, &k))) return status;
    if (k.rows == 0) return bt_call_fail(c, "the splits must be two at least");
    return put_sparse_counts(c, &k);
}

#define COUNTS(op, what)                                                                          \
    {                                                                                             \
        .name = op "CountSparseOutput", .infer = infer_sparse_counts, .cpu = run_##what##_counts, \
        .outputs = "output_indices,output_values,output_dense_shape"                              \
    }

#define COUNT_TYPES (BT_T(BERTH_INT32) | BT_T(BERTH_INT64) | BT_T(BERTH_FLOAT) | BT_T(BERTH_DOUBLE))
#define ON_GPU(run, on_host) .gpu = run, .gpu_types = COUNT_TYPES, .host_inputs = on_host

const bt_op bt_ops_bincount[] = {
    {.name = "Bincount",
     .infer = infer_bincount,
     .cpu = run_bincount,
     .types = COUNT_TYPES,
     ON_GPU(run_bincount, 2)},
    {.name = "DenseBincount",
     .infer = infer_dense_bincount,
     .cpu = run_dense_bincount,
     .types = COUNT_TYPES,
     ON_GPU(run_dense_bincount, 2)},
    {.name = "SparseBincount",
     .infer = infer_sparse_bincount,
     .cpu = run_sparse_bincount,
     .types = COUNT_TYPES,
     ON_GPU(run_sparse_bincount, 4 | 8)},
    {.name = "RaggedBincount",
     .infer = infer_ragged_bincount,
     .cpu = run_ragged_bincount,
     .types = COUNT_TYPES},
    COUNTS("Dense", dense),
    COUNTS("Sparse", sparse),
    COUNTS("Ragged", ragged),
    {0},
};
