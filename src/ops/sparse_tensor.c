/* Reading, checking, ordering and handing out sparse tensors: see sparse.h. No records here. */
#include "ops/sparse.h"

#include "ops/scatter.h"

berth_status bt_sparse_read(bt_call *c, int indices, int values, int shape, bt_sparse *s)
{
    const bt_tensor *index = c->in[indices], *dims = c->in[shape];
    *s = (bt_sparse){.values = c->in[values]};
    if (index->shape.rank != 2) return bt_call_fail(c, "the indices must be a matrix");
    if (s->values->shape.rank != 1) return bt_call_fail(c, "the values must be a vector");
    if (dims->shape.rank != 1) return bt_call_fail(c, "the dense shape must be a vector");
    if (dims->shape.dim[0] > BT_MAX_RANK)
        return bt_call_unsupported(c, "more than %d dimensions", BT_MAX_RANK);
    if (!bt_tensor_shape_value(dims, &s->shape) || !bt_shape_known(&s->shape))
        return bt_call_fail(c, "the dense shape is none");
    s->n = index->shape.dim[0];
    if (s->values->shape.dim[0] != s->n)
        return bt_call_fail(c, "%lld values for %lld indices", (long long)s->values->shape.dim[0],
                            (long long)s->n);
    if (index->shape.dim[1] != s->shape.rank)
        return bt_call_fail(c, "indices of %lld elements for %d dimensions", (long long)index->shape.dim[1],
                            s->shape.rank);
    s->index = bt_call_indices(c, index);
    return s->index ? BERTH_OK : c->error->status;
}

berth_status bt_sparse_check(bt_call *c, const bt_sparse *s, bool ordered)
{
    int rank = s->shape.rank;
    for (int64_t i = 0; i < s->n; i++) {
        const int64_t *row = bt_sparse_row(s, i);
        for (int k = 0; k < rank; k++)
            if (row[k] < 0 || row[k] >= s->shape.dim[k])
                return bt_call_fail(c, "index %lld of element %lld is not in [0, %lld)", (long long)row[k],
                                    (long long)i, (long long)s->shape.dim[k]);
        int order = i && ordered ? bt_sparse_compare(row - rank, row, rank) : -1;
        if (order >= 0)
            return bt_call_fail(c, "the indices of element %lld %s", (long long)i,
                                order ? "are out of order" : "are there twice");
    }
    return BERTH_OK;
}

/* Two sorted runs, [0, half) and [half, n) of `from`, into one. */
static void merge_runs(const int64_t *from, int64_t *to, int64_t half, int64_t n, const int64_t *index,
                       int rank)
{
    int64_t i = 0, j = half, k = 0;
    while (i < half && j < n) {
        bool second = bt_sparse_compare(index + from[i] * rank, index + from[j] * rank, rank) > 0;
        to[k++] = second ? from[j++] : from[i++];
    }
    while (i < half) to[k++] = from[i++];
    while (j < n) to[k++] = from[j++];
}

int64_t *bt_sparse_order(bt_call *c, const int64_t *index, int64_t n, int rank)
{
    int64_t *order = bt_host_scratch(c, ((size_t)n + 1) * sizeof *order), *other;
    if (!order) return NULL;
    bool sorted = true;
    for (int64_t i = 0; i < n; i++) {
        order[i] = i;
        if (i && bt_sparse_compare(index + (i - 1) * rank, index + i * rank, rank) > 0) sorted = false;
    }
    if (sorted) return order;
    if (!(other = bt_host_scratch(c, (size_t)n * sizeof *other))) return NULL;
    for (int64_t run = 1; run < n; run *= 2) {
        for (int64_t at = 0; at < n; at += 2 * run) {
            int64_t left = n - at, both = left < 2 * run ? left : 2 * run;
            merge_runs(order + at, other + at, left < run ? left : run, both, index, rank);
        }
        int64_t *swap = order;
        order = other, other = swap;
    }
    return order;
}

berth_status bt_sparse_make(bt_call *c, int indices, int values, int shape, int64_t n, berth_dtype dtype,
                            const bt_shape *dims, bt_sparse_out *out)
{
    bt_shape index_shape = BT_SHAPE(n, dims->rank), value_shape = BT_SHAPE(n),
             shape_shape = BT_SHAPE(dims->rank);
    out->index = bt_out(c, indices, BERTH_INT64, &index_shape);
    out->values = out->index ? bt_out(c, values, dtype, &value_shape) : NULL;
    if (!out->values) return BERTH_NO_MEMORY;
    out->n = n;
    out->from = bt_on_gpu(c) ? bt_host_scratch(c, (size_t)n * sizeof *out->from + 1) : NULL;
    if (bt_on_gpu(c) && !out->from) return BERTH_NO_MEMORY;
    if (shape < 0) return BERTH_OK;
    int64_t *to = bt_out(c, shape, BERTH_INT64, &shape_shape);
    if (!to) return BERTH_NO_MEMORY;
    if (dims->rank) memcpy(to, dims->dim, (size_t)dims->rank * sizeof *to);
    return BERTH_OK;
}

berth_status bt_sparse_put(bt_call *c, const bt_sparse_out *out, int64_t at, const int64_t *row, int rank,
                           const bt_tensor *values, int64_t i)
{
    berth_dtype dtype = values->dtype;
    if (rank) memcpy(out->index + at * rank, row, (size_t)rank * sizeof *row);
    if (out->from) return out->from[at] = i, BERTH_OK;
    return bt_move_row(dtype, bt_at(dtype, out->values, at), bt_at_const(dtype, values->data, i), 1, NULL,
                       c->error);
}

berth_status bt_sparse_done(bt_call *c, const bt_sparse_out *out, const bt_tensor *values)
{
    if (!out->from || !out->n) return BERTH_OK;
    int64_t *to = bt_host_scratch(c, (size_t)out->n * sizeof *to);
    if (!to) return BERTH_NO_MEMORY;
    for (int64_t i = 0; i < out->n; i++) to[i] = i;
    return bt_carry_rows_gpu(c, values->dtype, out->values, values->data, to, out->from, out->n, 1);
}

void bt_infer_sparse(bt_infer *x, int first, int64_t n, int64_t rank, berth_dtype dtype)
{
    x->out[first] = (bt_fact){BERTH_INT64, BT_SHAPE(n, rank), NULL};
    x->out[first + 1] = (bt_fact){dtype, BT_SHAPE(n), NULL};
    if (first + 2 < x->n_out) x->out[first + 2] = (bt_fact){BERTH_INT64, BT_SHAPE(rank), NULL};
}
