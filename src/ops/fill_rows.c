/* SparseFillEmptyRows and RaggedFillEmptyRows: elements by row, and a default for each row that has none. A ragged
 * tensor is here a sparse one whose elements have no index but their row. */
#include "ops/object.h"
#include "ops/sparse.h"

/* indices, values, shape (or number of rows), default -> indices, values, empty [rows], map [n] */
static berth_status infer_fill(bt_infer *x, int64_t rows, bool ragged)
{
    int64_t rank = ragged ? 1 : bt_infer_length(x, 2);
    x->out[0] = (bt_fact){BERTH_INT64, ragged && rows ? BT_SHAPE(-1) : BT_SHAPE(-1, rank), NULL};
    x->out[1] = (bt_fact){bt_infer_type(x, 1), BT_SHAPE(-1), NULL};
    x->out[2] = (bt_fact){BERTH_BOOL, BT_SHAPE(rows < 0 ? -1 : rows), NULL};
    x->out[3] = (bt_fact){BERTH_INT64, BT_SHAPE(bt_infer_length(x, 1)), NULL};
    return BERTH_OK;
}

static berth_status infer_fill_sparse(bt_infer *x)
{
    bt_shape shape = BT_SHAPE_UNKNOWN;
    berth_status status = bt_infer_arity(x, 4);
    if (!status && x->in[2].value) bt_tensor_shape_value(x->in[2].value, &shape);
    return status ? status : infer_fill(x, shape.rank > 0 ? shape.dim[0] : -1, false);
}

static berth_status infer_fill_ragged(bt_infer *x)
{
    int64_t rows = -1;
    int n;
    berth_status status = bt_infer_arity(x, 4);
    if (!status && x->in[2].value && (!bt_ints(x->in[2].value, &rows, 1, &n) || n != 1)) rows = -1;
    return status ? status : infer_fill(x, rows, true);
}

/* On a device: the values, and the default behind them, to their places. */
static berth_status bring_values(bt_call *c, const bt_sparse *s, const bt_sparse_out *out)
{
    bt_tensor all = {.dtype = s->values->dtype, .shape = BT_SHAPE(s->n + 1)};
    if (!(all.data = bt_scratch(c, bt_tensor_bytes(&all)))) return BERTH_NO_MEMORY;
    berth_status status = bt_call_row(c, all.dtype, all.data, s->values->data, s->n);
    if (!status) status = bt_call_row(c, all.dtype, bt_at(all.dtype, all.data, s->n), c->in[3]->data, 1);
    return status ? status : bt_sparse_done(c, out, &all);
}

/* Elements sorted by row, as they came within one; a row without any gets the default. next: [rows], where the next
 * element of a row goes. */
static berth_status put_rows(bt_call *c, const bt_sparse *s, bool ragged, int64_t *next, bool *empty,
                             int64_t *map)
{
    int rank = s->shape.rank;
    int64_t rows = s->shape.dim[0], n = 0, row_index[BT_MAX_RANK] = {0};
    memset(next, 0, (size_t)rows * sizeof *next);
    for (int64_t i = 0; i < s->n; i++) next[bt_sparse_row(s, i)[0]]++;
    for (int64_t r = 0; r < rows; r++) {
        int64_t here = next[r];
        empty[r] = here == 0;
        next[r] = n, n += empty[r] ? 1 : here;
    }
    /* Without rows the row numbers of a ragged tensor have a dimension more, as TensorFlow has it. */
    bt_shape index_shape = ragged && rows ? BT_SHAPE(n) : BT_SHAPE(n, rank), value_shape = BT_SHAPE(n);
    bt_sparse_out out = {.n = n, .index = bt_out(c, 0, BERTH_INT64, &index_shape)};
    if (!out.index || !(out.values = bt_out(c, 1, s->values->dtype, &value_shape))) return BERTH_NO_MEMORY;
    if (bt_on_device(c) && !(out.from = bt_host_scratch(c, (size_t)n * sizeof *out.from + 1)))
        return BERTH_NO_MEMORY;
    berth_status status = BERTH_OK;
    for (int64_t r = 0; !status && r < rows; r++) {
        row_index[0] = r;
        if (empty[r])
            status = bt_sparse_put(c, &out, next[r], row_index, rank, c->in[3], out.from ? s->n : 0);
    }
    for (int64_t i = 0; !status && i < s->n; i++) {
        const int64_t *row = bt_sparse_row(s, i);
        map[i] = next[row[0]]++;
        status = bt_sparse_put(c, &out, map[i], row, rank, s->values, i);
    }
    return status || !out.from ? status : bring_values(c, s, &out);
}

static berth_status fill_rows(bt_call *c, const bt_sparse *s, bool ragged)
{
    if (c->in[3]->shape.rank != 0 || c->in[3]->dtype != s->values->dtype)
        return bt_call_fail(c, "the default value must be a scalar of the values' type");
    int64_t rows = s->shape.dim[0];
    for (int64_t i = 0; i < s->n; i++) {
        int64_t row = bt_sparse_row(s, i)[0];
        if (row < 0 || row >= rows)
            return bt_call_fail(c, "row %lld of element %lld is not in [0, %lld)", (long long)row,
                                (long long)i, (long long)rows);
    }
    size_t bytes;
    bt_shape row_shape = BT_SHAPE(rows), map_shape = BT_SHAPE(s->n);
    if (!bt_shape_bytes(&row_shape, sizeof(int64_t), &bytes)) return bt_call_fail(c, "too many rows");
    bool *empty = bt_out(c, 2, BERTH_BOOL, &row_shape);
    int64_t *map = empty ? bt_out(c, 3, BERTH_INT64, &map_shape) : NULL;
    int64_t *next = map ? bt_host_scratch(c, bytes + 1) : NULL;
    return next ? put_rows(c, s, ragged, next, empty, map) : BERTH_NO_MEMORY;
}

static berth_status run_fill_sparse(bt_call *c)
{
    bt_sparse s;
    berth_status status = bt_sparse_input(c, 0, &s);
    if (status) return status;
    return s.shape.rank ? fill_rows(c, &s, false) : bt_call_fail(c, "the dense shape is empty");
}

static berth_status run_fill_ragged(bt_call *c)
{
    const bt_tensor *rows = c->in[0], *values = c->in[1];
    int64_t n_rows;
    berth_status status = bt_int_input(c, 2, &n_rows);
    if (status) return status;
    if (rows->shape.rank != 1 || rows->dtype != BERTH_INT64 || values->shape.rank != 1 ||
        values->shape.dim[0] != rows->shape.dim[0])
        return bt_call_fail(c, "takes a row number for each of a vector of values");
    if (n_rows < 0) return bt_call_fail(c, "%lld rows", (long long)n_rows);
    bt_sparse s = {rows->data, values, rows->shape.dim[0], BT_SHAPE(n_rows)};
    return fill_rows(c, &s, true);
}

/* The values and the default lie there, all else on the host. */
#define ON_GPU(run) .gpu = run, .gpu_types = BT_GPU_MOVES, .host_inputs = 1 | 4, .host_outputs = 1 | 4 | 8

const bt_op bt_ops_fill_rows[] = {
    {.name = "SparseFillEmptyRows",
     .infer = infer_fill_sparse,
     .cpu = run_fill_sparse,
     .outputs = "output_indices,output_values,empty_row_indicator,reverse_index_map",
     ON_GPU(run_fill_sparse)},
    {.name = "RaggedFillEmptyRows",
     .infer = infer_fill_ragged,
     .cpu = run_fill_ragged,
     .outputs = "output_value_rowids,output_values,empty_row_indicator,reverse_index_map",
     ON_GPU(run_fill_ragged)},
    {0},
};
