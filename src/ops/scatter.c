/* Scattering into a tensor by index, and sorting rows apart and together again (DynamicPartition, DynamicStitch).
 * Scattering into variables: variable_scatter.c. */
#include "ops/scatter.h"

/* ---- ScatterNd and TensorScatter* --------------------------------------------------------------------- */

/* updates must be indices.shape[:-1] + shape[depth:], with depth = indices.shape[-1]. A vector of indices: TensorFlow's shape
 * function takes it for the coordinates of one place, and its kernel refuses it. */
static berth_status check_updates(bt_infer *x, const bt_shape *indices, const bt_shape *updates,
                                  const bt_shape *shape)
{
    char have[BT_SHAPE_TEXT];
    if (indices->rank < 0 || updates->rank < 0 || shape->rank < 0) return BERTH_OK;
    if (indices->rank == 1 && !x->planning)
        return bt_infer_fail(x, "a vector of indices: a matrix has a row for each place");
    int lead = indices->rank > 0 ? indices->rank - 1 : 0;
    int64_t depth = indices->rank == 0 ? 1 : indices->dim[indices->rank - 1];
    if (depth < 0) return BERTH_OK;
    bool fits = depth <= shape->rank && updates->rank == lead + shape->rank - depth;
    for (int i = 0; fits && i < updates->rank; i++) {
        int64_t want = i < lead ? indices->dim[i] : shape->dim[i - lead + depth];
        fits = want < 0 || updates->dim[i] < 0 || want == updates->dim[i];
    }
    if (fits) return BERTH_OK;
    return bt_infer_fail(x, "updates of shape %s do not fit the indices and the tensor",
                         bt_shape_text(updates, have));
}

static berth_status infer_scatter_nd(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 3);
    if (status) return status;
    bt_shape *out = &x->out[0].shape;
    x->out[0].dtype = bt_infer_type(x, 1);
    if (x->in[2].shape.rank >= 0 && x->in[2].shape.rank != 1)
        return bt_infer_fail(x, "the shape must be a vector");
    if (x->in[2].value && !bt_tensor_shape_value(x->in[2].value, out))
        return bt_infer_fail(x, "input 2 is no shape");
    for (int i = 0; x->in[2].value && i < out->rank; i++)
        if (out->dim[i] < 0) return bt_infer_fail(x, "a negative size");
    return check_updates(x, &x->in[0].shape, &x->in[1].shape, out);
}

static berth_status infer_tensor_scatter(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 3);
    if (status || (status = bt_infer_same(x))) return status;
    if (x->in[0].dtype && x->in[2].dtype && x->in[0].dtype != x->in[2].dtype)
        return bt_infer_fail(x, "the updates have another type than the tensor");
    return check_updates(x, &x->in[1].shape, &x->in[2].shape, &x->in[0].shape);
}

/* dst += src for what has no arithmetic of its own: bools (or) and strings (one behind the other). */
static berth_status join_elements(bt_call *c, berth_dtype dtype, void *dst, const void *src, int64_t n)
{
    for (int64_t i = 0; dtype == BERTH_BOOL && i < n; i++) ((bool *)dst)[i] |= ((const bool *)src)[i];
    for (int64_t i = 0; dtype == BERTH_STRING && i < n; i++) {
        bt_string *a = (bt_string *)dst + i;
        const bt_string *b = (const bt_string *)src + i;
        char *both = b->n ? bt_scratch(c, a->n + b->n) : NULL;
        if (b->n == 0) continue;
        if (!both) return BERTH_NO_MEMORY;
        if (a->n) memcpy(both, a->p, a->n);
        memcpy(both + a->n, b->p, b->n);
        if (!bt_string_set(a, both, a->n + b->n)) return bt_fail_memory(c->error);
    }
    return BERTH_OK;
}

/* Row at `index` of a tensor: its number, or -1 with *bad the position that is out of range. */
static int64_t row_at(const int64_t *index, int64_t depth, const bt_shape *shape, int *bad)
{
    int64_t row = 0;
    for (int k = 0; k < depth; k++) {
        if (index[k] < 0 || index[k] >= shape->dim[k]) return *bad = k, -1;
        row = row * shape->dim[k] + index[k];
    }
    return row;
}

/* out[indices[i]] op= updates[i], one after the other. */
static berth_status scatter(bt_call *c, void *out, const bt_shape *shape, const bt_tensor *indices,
                            const bt_tensor *updates, bt_combine_op op)
{
    int rank = indices->shape.rank > 2 ? indices->shape.rank : 2;
    bt_tensor vectors = *indices;
    if (indices->shape.rank < 2) vectors.shape = BT_SHAPE(bt_tensor_count(indices), 1);
    if (bt_on_device(c)) return bt_scatter_gpu(c, out, shape, &vectors, updates, op, BT_ROWS_FAULT);
    bool ignore = strcmp(bt_attr_string(c->node, "bad_indices_policy", ""), "IGNORE") == 0;
    int64_t depth = vectors.shape.dim[rank - 1], n = bt_shape_span(&vectors.shape, 0, rank - 1);
    int64_t slice = bt_shape_span(shape, (int)depth, shape->rank);
    berth_dtype dtype = updates->dtype;
    bool joins = op == BT_ADD && (dtype == BERTH_BOOL || dtype == BERTH_STRING);
    const int64_t *index = bt_call_indices(c, indices);
    if (!index) return c->error->status;
    if (bt_shape_count(shape) == 0 && bt_tensor_count(indices) > 0)
        return bt_call_fail(c, "there are indices for an empty tensor");
    for (int64_t i = 0; i < n; i++) {
        int bad = 0;
        int64_t row = row_at(index + i * depth, depth, shape, &bad);
        if (row < 0 && ignore) continue;
        if (row < 0)
            return bt_call_fail(c, BT_BAD_ROW, (long long)index[i * depth + bad], (long long)i,
                                (long long)shape->dim[bad]);
        if (slice == 0) continue;
        void *dst = bt_at(dtype, out, row * slice);
        const void *src = bt_at_const(dtype, updates->data, i * slice);
        berth_status status = joins ? join_elements(c, dtype, dst, src, slice)
                                    : bt_combine(dtype, op, dst, src, slice, 1, c->error);
        if (status) return status;
    }
    return BERTH_OK;
}

/* Repeated indices add up. */
static berth_status run_scatter_nd(bt_call *c)
{
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    berth_dtype dtype = c->in[1]->dtype;
    void *out = status ? NULL : bt_out(c, 0, dtype, &fact.shape);
    if (!out) return status ? status : BERTH_NO_MEMORY;
    status = bt_call_zero(c, dtype, out, bt_shape_count(&fact.shape));
    return status ? status : scatter(c, out, &fact.shape, c->in[0], c->in[1], BT_ADD);
}

static berth_status tensor_scatter(bt_call *c, bt_combine_op op)
{
    bt_fact fact;
    const bt_tensor *in = c->in[0];
    berth_status status = bt_call_facts(c, &fact);
    void *out = status ? NULL : bt_out(c, 0, in->dtype, &in->shape);
    if (!out) return status ? status : BERTH_NO_MEMORY;
    status = bt_call_row(c, in->dtype, out, in->data, bt_tensor_count(in));
    return status ? status : scatter(c, out, &in->shape, c->in[1], c->in[2], op);
}

static berth_status run_scatter_update(bt_call *c) { return tensor_scatter(c, BT_SET); }
static berth_status run_scatter_add(bt_call *c) { return tensor_scatter(c, BT_ADD); }
static berth_status run_scatter_sub(bt_call *c) { return tensor_scatter(c, BT_SUB); }
static berth_status run_scatter_min(bt_call *c) { return tensor_scatter(c, BT_MIN); }
static berth_status run_scatter_max(bt_call *c) { return tensor_scatter(c, BT_MAX); }

/* ---- InplaceUpdate, InplaceAdd, InplaceSub ------------------------------------------------------------ */

/* x, i, v: rows i of x are changed by the rows of v; indices wrap around, and a scalar i means one row v. */
static berth_status infer_inplace(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 3);
    if (status || (status = bt_infer_same(x))) return status;
    const bt_shape *in = &x->in[0].shape, *i = &x->in[1].shape, *v = &x->in[2].shape;
    if (in->rank == 0) return bt_infer_fail(x, "a scalar has no rows");
    if (i->rank > 1) return bt_infer_fail(x, "the row numbers must be a vector");
    if (x->in[0].dtype && x->in[2].dtype && x->in[0].dtype != x->in[2].dtype)
        return bt_infer_fail(x, "the values have another type than the tensor");
    if (in->rank > 0 && v->rank >= 0 && i->rank == 1) {
        bt_shape want = *in;
        want.dim[0] = i->dim[0];
        if (!bt_shape_compatible(&want, v)) return bt_infer_fail(x, "the values do not fit the rows");
    }
    return BERTH_OK;
}

static berth_status change_rows(bt_call *c, bt_combine_op op)
{
    bt_fact fact;
    const bt_tensor *in = c->in[0], *v = c->in[2];
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    int64_t row = bt_shape_span(&in->shape, 1, in->shape.rank), n = bt_tensor_count(c->in[1]),
            dim = in->shape.dim[0];
    if (bt_tensor_count(v) != n * row) return bt_call_fail(c, "the values do not fit the rows");
    void *out = bt_out(c, 0, in->dtype, &in->shape);
    if (!out) return BERTH_NO_MEMORY;
    status = bt_call_row(c, in->dtype, out, in->data, bt_tensor_count(in));
    if (status) return status;
    if (dim == 0 && n > 0) return bt_call_fail(c, "a tensor without rows");
    if (bt_on_device(c)) {
        bt_tensor vectors = *c->in[1]; /* of one index each */
        vectors.shape = BT_SHAPE(n, 1);
        return row ? bt_scatter_gpu(c, out, &in->shape, &vectors, v, op, BT_ROWS_WRAP) : BERTH_OK;
    }
    const int64_t *rows = bt_call_indices(c, c->in[1]);
    if (!rows) return c->error->status;
    for (int64_t i = 0; !status && row > 0 && i < n; i++) {
        int64_t r = (rows[i] % dim + dim) % dim;
        status = bt_combine(in->dtype, op, bt_at(in->dtype, out, r * row),
                            bt_at_const(in->dtype, v->data, i * row), row, 1, c->error);
    }
    return status;
}

static berth_status run_inplace_update(bt_call *c) { return change_rows(c, BT_SET); }
static berth_status run_inplace_add(bt_call *c) { return change_rows(c, BT_ADD); }
static berth_status run_inplace_sub(bt_call *c) { return change_rows(c, BT_SUB); }

/* ---- DynamicPartition --------------------------------------------------------------------------------- */

static berth_status infer_partition(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 2);
    if (status) return status;
    const bt_shape *data = &x->in[0].shape, *parts = &x->in[1].shape;
    bt_shape lead = *data, out = BT_SHAPE_UNKNOWN;
    if (data->rank >= 0 && parts->rank >= 0) {
        if (parts->rank > data->rank) return bt_infer_fail(x, "more dimensions of partitions than of data");
        lead.rank = parts->rank;
        if (!bt_shape_compatible(&lead, parts))
            return bt_infer_fail(x, "the shape of data must begin with that of partitions");
        out.rank = data->rank - parts->rank + 1;
        if (out.rank > BT_MAX_RANK)
            return bt_fail(x->error, BERTH_UNSUPPORTED, "more than %d dimensions", BT_MAX_RANK);
        out.dim[0] = -1;
        for (int i = 1; i < out.rank; i++) out.dim[i] = data->dim[parts->rank + i - 1];
    }
    for (int i = 0; i < x->n_out; i++) x->out[i] = (bt_fact){bt_infer_type(x, 0), out, NULL};
    return BERTH_OK;
}

static berth_status check_partition(bt_call *c)
{
    const bt_tensor *data = c->in[0], *parts = c->in[1];
    bt_shape lead = data->shape;
    lead.rank = parts->shape.rank;
    if (parts->dtype != BERTH_INT32 || lead.rank > data->shape.rank || !bt_shape_equal(&lead, &parts->shape))
        return bt_call_fail(c, "the shape of data must begin with that of partitions, which are int32");
    const int32_t *part = parts->data;
    for (int64_t i = 0, n = bt_tensor_count(parts); i < n; i++)
        if (part[i] < 0 || part[i] >= c->n_out)
            return bt_call_fail(c, "partition %d at %lld is not in [0, %d)", part[i], (long long)i, c->n_out);
    return BERTH_OK;
}

/* From the outputs, whose shapes are known by now: row i of data is the next row of output part[i]. */
static berth_status part_on_device(bt_call *c, const int32_t *part, int64_t n, int64_t row)
{
    int64_t *from = bt_host_scratch(c, (size_t)n * sizeof *from),
            *to = from ? bt_host_scratch(c, (size_t)n * sizeof *to) : NULL;
    if (!to) return BERTH_NO_MEMORY;
    for (int k = 0; k < c->n_out; k++) {
        int64_t rows = 0;
        for (int64_t i = 0; i < n; i++)
            if (part[i] == k) from[rows] = i, to[rows] = rows, rows++;
        berth_status status =
            bt_carry_rows_gpu(c, c->in[0]->dtype, c->out[k]->data, c->in[0]->data, to, from, rows, row);
        if (status) return status;
    }
    return BERTH_OK;
}

static berth_status run_partition(bt_call *c)
{
    const bt_tensor *data = c->in[0], *parts = c->in[1];
    berth_status status = check_partition(c);
    int64_t *counts = status ? NULL : bt_host_scratch(c, ((size_t)c->n_out + 1) * sizeof *counts);
    char **next = counts ? bt_host_scratch(c, ((size_t)c->n_out + 1) * sizeof *next) : NULL;
    if (!next) return status ? status : BERTH_NO_MEMORY;
    const int32_t *part = parts->data;
    int64_t n = bt_tensor_count(parts),
            row = bt_shape_span(&data->shape, parts->shape.rank, data->shape.rank);
    memset(counts, 0, (size_t)c->n_out * sizeof *counts);
    for (int64_t i = 0; i < n; i++) counts[part[i]]++;
    bt_shape shape = {.rank = data->shape.rank - parts->shape.rank + 1};
    for (int i = 1; i < shape.rank; i++) shape.dim[i] = data->shape.dim[parts->shape.rank + i - 1];
    for (int i = 0; i < c->n_out; i++) {
        shape.dim[0] = counts[i];
        if (!(next[i] = bt_out(c, i, data->dtype, &shape))) return BERTH_NO_MEMORY;
    }
    if (bt_on_device(c)) return part_on_device(c, part, n, row);
    size_t bytes = (size_t)row * bt_dtype_size(data->dtype);
    bool object = bt_dtype_is_object(data->dtype);
    for (int64_t i = 0; !status && row > 0 && i < n; i++) {
        const char *src = (const char *)data->data + (size_t)i * bytes;
        if (object) status = bt_elements_copy(data->dtype, next[part[i]], src, row, c->error);
        else memcpy(next[part[i]], src, bytes);
        next[part[i]] += bytes;
    }
    return status;
}

/* ---- DynamicStitch ------------------------------------------------------------------------------------ */

/* Inputs: n lists of indices, then the n tensors whose rows they place. */
static berth_status infer_stitch(bt_infer *x)
{
    int n = x->n_in / 2;
    int64_t top = -1;
    bool known = true;
    bt_shape row = BT_SHAPE_UNKNOWN, *out = &x->out[0].shape;
    if (n < 1 || x->n_in % 2) return bt_infer_fail(x, "takes as many tensors as lists of indices");
    berth_status status = bt_infer_alike(x, n, x->n_in);
    if (status) return status;
    x->out[0].dtype = bt_infer_type(x, n);
    for (int i = 0; i < n; i++) {
        const bt_shape *indices = &x->in[i].shape, *data = &x->in[n + i].shape;
        int64_t count = x->in[i].value ? bt_tensor_count(x->in[i].value) : 0;
        known = known && x->in[i].value;
        for (int64_t k = 0; k < count; k++) {
            int64_t at = bt_tensor_int(x->in[i].value, k);
            if (at < 0 || at > INT32_MAX)
                return bt_infer_fail(x, "index %lld is out of range", (long long)at);
            if (at > top) top = at;
        }
        if (indices->rank < 0 || data->rank < 0) continue;
        bt_shape lead = *data, rest = {.rank = data->rank - indices->rank};
        if (rest.rank < 0) return bt_infer_fail(x, "more dimensions of indices than of data");
        lead.rank = indices->rank;
        memcpy(rest.dim, data->dim + indices->rank, (size_t)rest.rank * sizeof *rest.dim);
        if (!bt_shape_compatible(&lead, indices) || !bt_shape_merge(&row, &rest))
            return bt_infer_fail(x, "the shapes of data and indices %d do not fit", i);
    }
    if (row.rank < 0) return BERTH_OK;
    if (row.rank == BT_MAX_RANK)
        return bt_fail(x->error, BERTH_UNSUPPORTED, "more than %d dimensions", BT_MAX_RANK);
    out->rank = row.rank + 1;
    out->dim[0] = known ? top + 1 : -1;
    memcpy(out->dim + 1, row.dim, (size_t)row.rank * sizeof *row.dim);
    return BERTH_OK;
}

/* Of each row of out, which row of which input is the last to be placed there; an input at a time. */
static berth_status stitch_on_device(bt_call *c, char *out, int64_t rows, int64_t row)
{
    int n = c->n_in / 2;
    berth_dtype dtype = c->in[n]->dtype;
    berth_status status = bt_call_zero(c, dtype, out, rows * row);
    int64_t most = 0;
    for (int i = 0; i < n; i++) most = bt_tensor_count(c->in[i]) > most ? bt_tensor_count(c->in[i]) : most;
    int32_t *last = bt_host_scratch(c, (size_t)rows * sizeof *last);
    int64_t *from = last ? bt_host_scratch(c, 2 * (size_t)most * sizeof *from) : NULL, *to = from + most;
    if (!from) return BERTH_NO_MEMORY;
    for (int i = 0; i < n; i++)
        for (int64_t k = 0; k < bt_tensor_count(c->in[i]); k++) last[bt_tensor_int(c->in[i], k)] = i;
    for (int i = 0; i < n && !status; i++) {
        int64_t placed = 0;
        for (int64_t k = bt_tensor_count(c->in[i]); k-- > 0;) {
            int32_t *by = &last[bt_tensor_int(c->in[i], k)];
            if (*by != i) continue;
            from[placed] = k, to[placed++] = bt_tensor_int(c->in[i], k);
            *by = -1;
        }
        status = bt_carry_rows_gpu(c, dtype, out, c->in[n + i]->data, to, from, placed, row);
    }
    return status;
}

/* Where two rows meet, the later one stays; rows that nobody places are zeros. */
static berth_status run_stitch(bt_call *c)
{
    int n = c->n_in / 2;
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    berth_dtype dtype = c->in[n]->dtype;
    int64_t row = bt_shape_span(&fact.shape, 1, fact.shape.rank);
    size_t bytes = (size_t)row * bt_dtype_size(dtype);
    char *out = bt_out(c, 0, dtype, &fact.shape);
    if (!out) return BERTH_NO_MEMORY;
    if (bt_on_device(c)) return stitch_on_device(c, out, fact.shape.dim[0], row);
    if (!bt_dtype_is_object(dtype)) memset(out, 0, (size_t)fact.shape.dim[0] * bytes);
    for (int i = 0; row > 0 && i < n; i++) {
        int64_t count = bt_tensor_count(c->in[i]);
        for (int64_t k = 0; !status && k < count; k++) {
            char *dst = out + (size_t)bt_tensor_int(c->in[i], k) * bytes;
            const char *src = (const char *)c->in[n + i]->data + (size_t)k * bytes;
            if (bt_dtype_is_object(dtype)) status = bt_elements_copy(dtype, dst, src, row, c->error);
            else memcpy(dst, src, bytes);
        }
    }
    return status;
}

#define SUMS (BT_FLOATS | BT_INTS)
#define TENSOR_SCATTER(op, run, on_cpu, on_gpu)                                             \
    {                                                                                       \
        .name = op, .infer = infer_tensor_scatter, .cpu = run, .types = on_cpu, .gpu = run, \
        .gpu_types = on_gpu                                                                 \
    }
#define INPLACE(op, run, on_cpu, on_gpu)                                                                 \
    {                                                                                                    \
        .name = op, .infer = infer_inplace, .cpu = run, .types = on_cpu, .gpu = run, .gpu_types = on_gpu \
    }

#define STITCH(op)                                                                                          \
    {                                                                                                       \
        .name = op, .infer = infer_stitch, .cpu = run_stitch, .gpu = run_stitch, .gpu_types = BT_GPU_MOVES, \
        .host_inputs = BT_HOST_HALF                                                                         \
    }

const bt_op bt_ops_scatter[] = {
    {.name = "ScatterNd",
     .infer = infer_scatter_nd,
     .cpu = run_scatter_nd,
     .gpu = run_scatter_nd,
     .gpu_types = SUMS | BT_T(BERTH_BOOL),
     .host_inputs = 4},
    TENSOR_SCATTER("ScatterNdNonAliasingAdd", run_scatter_add, BT_NUMBERS | BT_T(BERTH_BOOL),
                   SUMS | BT_T(BERTH_BOOL)),
    TENSOR_SCATTER("TensorScatterUpdate", run_scatter_update, BT_ANY, BT_GPU_MOVES),
    TENSOR_SCATTER("TensorScatterAdd", run_scatter_add, BT_NUMBERS, SUMS),
    TENSOR_SCATTER("TensorScatterSub", run_scatter_sub, BT_NUMBERS, SUMS),
    TENSOR_SCATTER("TensorScatterMin", run_scatter_min, BT_REALS, SUMS),
    TENSOR_SCATTER("TensorScatterMax", run_scatter_max, BT_REALS, SUMS),
    INPLACE("InplaceUpdate", run_inplace_update, BT_ANY, BT_GPU_MOVES),
    INPLACE("InplaceAdd", run_inplace_add, BT_NUMBERS, SUMS),
    INPLACE("InplaceSub", run_inplace_sub, BT_NUMBERS, SUMS),
    {.name = "DynamicPartition",
     .infer = infer_partition,
     .cpu = run_partition,
     .gpu = run_partition,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = 2,
     .outputs = "outputs*num_partitions"},
    STITCH("DynamicStitch"),
    STITCH("ParallelDynamicStitch"),
    {0},
};
