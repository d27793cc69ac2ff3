/* The largest elements, the n-th element, and places in sorted rows: TopK, InTopK, NthElement, LowerBound, UpperBound,
 * Bucketize, HistogramFixedWidth. */
#include "ops/elementwise.h"
#include "ops/gpu.h"
#include "ops/order.h"

#include <math.h>

BT_CL_DECLARE(topk);

/* Launches a kernel of topk.cl over n. */
static berth_status launch(bt_call *c, berth_dtype t1, const char *kernel, int64_t n, const bt_arg *args, int n_args)
{
    char defines[BT_DEFINES];
    bt_grid grid = bt_grid_of(c, n);
    bt_gpu_defines(defines, c->in[0]->dtype, t1, "");
    return n ? bt_gpu_launch(c, BT_CL(topk), defines, kernel, &grid, args, n_args) : BERTH_OK;
}

/* ---- TopK --------------------------------------------------------------------------------------------- */

typedef struct top {
    const uint64_t *keys; /* [rows, n] */
    int32_t *index;       /* [rows, k] */
    int64_t n, k;
} top;

/* The number of elements wanted: an input or an attribute; -1: not known. */
static berth_status wanted(bt_infer *x, int64_t *k)
{
    int n = 1;
    *k = x->n_in > 1 ? -1 : bt_attr_int(x->node, "k", -1);
    if (x->n_in > 1 && x->in[1].value && (!bt_ints(x->in[1].value, k, 1, &n) || n != 1 || *k < 0))
        return bt_infer_fail(x, "k must be one integer, and not negative");
    if (x->n_in < 2 && *k < 0) return bt_infer_fail(x, "k must not be negative");
    return BERTH_OK;
}

static berth_status infer_top_k(bt_infer *x)
{
    int64_t k;
    berth_status status = bt_infer_arity(x, bt_ends(x->node->op, "V2") ? 2 : 1);
    if (status || (status = wanted(x, &k))) return status;
    bt_shape shape = x->in[0].shape;
    if (shape.rank == 0) return bt_infer_fail(x, "a scalar has no largest elements");
    if (shape.rank > 0) {
        int64_t *dim = &shape.dim[shape.rank - 1];
        if (*dim >= 0 && k > *dim)
            return bt_infer_fail(x, "%lld of %lld elements", (long long)k, (long long)*dim);
        *dim = k;
    }
    x->out[0] = (bt_fact){bt_infer_type(x, 0), shape, NULL};
    x->out[1] = (bt_fact){bt_attr_type(x->node, "index_type", BERTH_INT32), shape, NULL};
    return BERTH_OK;
}

/* As TensorFlow's kernel for CPUs, which is not approximate: along the last dimension, and the largest ones. */
static berth_status infer_approximate(bt_infer *x)
{
    if (bt_attr_int(x->node, "reduction_dimension", -1) != -1 || !bt_attr_bool(x->node, "is_max_k", true))
        return bt_fail(x->error, BERTH_UNSUPPORTED, "another dimension than -1, or the smallest elements");
    return infer_top_k(x);
}

/* Whether element a stands behind element b: smaller, or equal and later. */
static bool behind(const uint64_t *keys, int32_t a, int32_t b)
{
    return keys[a] != keys[b] ? keys[a] < keys[b] : a > b;
}

/* A heap of the best so far, the worst of them at its top. */
static void sift(const uint64_t *keys, int32_t *heap, int64_t n, int64_t at)
{
    int32_t moved = heap[at];
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= n) break;
        if (child + 1 < n && behind(keys, heap[child + 1], heap[child])) child++;
        if (!behind(keys, heap[child], moved)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

static void top_rows(void *user, int64_t begin, int64_t end, int worker)
{
    const top *t = user;
    (void)worker;
    for (int64_t r = begin; r < end; r++) {
        const uint64_t *keys = t->keys + r * t->n;
        int32_t *heap = t->index + r * t->k;
        for (int64_t i = 0; i < t->k; i++) heap[i] = (int32_t)i;
        for (int64_t i = t->k / 2 - 1; i >= 0; i--) sift(keys, heap, t->k, i);
        for (int64_t i = t->k; t->k > 0 && i < t->n; i++) {
            if (!behind(keys, heap[0], (int32_t)i)) continue;
            heap[0] = (int32_t)i;
            sift(keys, heap, t->k, 0);
        }
        for (int64_t n = t->k - 1; n > 0; n--) {
            int32_t worst = heap[0];
            heap[0] = heap[n], heap[n] = worst;
            sift(keys, heap, n, 0);
        }
    }
}

/* Rows of [rows, n] sorted whole. */
static berth_status sort_on_gpu(bt_call *c, void *values, void *indices, berth_dtype type, int64_t rows, int64_t n, int64_t k)
{
    bt_sort_rows s;
    berth_status status = bt_sort_rows_take(c, n, rows, INT64_MAX, &s);
    if (status) return status;
    int64_t count = rows * s.size;
    bt_arg spread[] = {bt_pointer(c->in[0]->data), bt_pointer(s.keys), bt_pointer(s.places), bt_long(count), bt_long(n), bt_long(s.size)};
    status = launch(c, type, "spread", count, spread, 6);
    if (!status) status = bt_sort_rows_gpu(c, &s, rows);
    bt_arg take[] = {bt_pointer(c->in[0]->data), bt_pointer(s.places), bt_pointer(values), bt_pointer(indices),
                     bt_long(rows * k), bt_long(n), bt_long(k), bt_long(s.size)};
    return status ? status : launch(c, type, "take_first", rows * k, take, 8);
}

static berth_status top_on_gpu(bt_call *c, void *values, void *indices, berth_dtype type, int64_t rows, int64_t n, int64_t k)
{
    enum { FEW = 24 };
    char defines[BT_DEFINES];
    if (rows * k == 0) return BERTH_OK;
    if (k > FEW) return sort_on_gpu(c, values, indices, type, rows, n, k);
    bt_arg args[] = {bt_pointer(c->in[0]->data), bt_pointer(values), bt_pointer(indices), bt_long(rows), bt_long(n), bt_long(k)};
    bt_grid grid = bt_grid_groups(c, rows, n);
    bt_gpu_defines(defines, c->in[0]->dtype, type, "");
    return bt_gpu_launch(c, BT_CL(topk), defines, "best_of_rows", &grid, args, 6);
}

/* Always sorted, also where the node does not ask for it. */
static berth_status run_top_k(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bt_fact facts[2];
    berth_status status = bt_call_facts(c, facts);
    if (status) return status;
    top t = {.n = in->shape.dim[in->shape.rank - 1], .k = facts[0].shape.dim[in->shape.rank - 1]};
    int64_t rows = bt_shape_span(&in->shape, 0, in->shape.rank - 1);
    if (t.n > INT32_MAX) return bt_call_unsupported(c, "rows of more than 2^31 elements");
    if (!bt_on_gpu(c) && !(t.keys = bt_call_keys(c, in))) return c->error->status;
    berth_dtype type = facts[1].dtype;
    void *indices = bt_out(c, 1, type, &facts[1].shape),
         *values = indices ? bt_out(c, 0, in->dtype, &facts[0].shape) : NULL;
    if (!values) return BERTH_NO_MEMORY;
    if (type != BERTH_INT32 && type != BERTH_INT64 && type != BERTH_INT16)
        return bt_call_fail(c, "indices of type %s", bt_dtype_name(type));
    if (bt_on_gpu(c)) return top_on_gpu(c, values, indices, type, rows, t.n, t.k);
    t.index = type == BERTH_INT32 ? indices : bt_scratch(c, ((size_t)(rows * t.k) + 1) * sizeof *t.index);
    if (!t.index) return BERTH_NO_MEMORY;
    bt_parallel(c->pool, rows, 32768 / (t.n + 1) + 1, top_rows, &t);
    size_t size = bt_dtype_size(in->dtype);
    for (int64_t i = 0; i < rows * t.k; i++) {
        memcpy((char *)values + (size_t)i * size,
               (const char *)in->data + (size_t)(i / t.k * t.n + t.index[i]) * size, size);
        if (type == BERTH_INT64) ((int64_t *)indices)[i] = t.index[i];
        else if (type == BERTH_INT16) ((int16_t *)indices)[i] = (int16_t)t.index[i];
    }
    return BERTH_OK;
}

/* ---- InTopK ------------------------------------------------------------------------------------------- */

/* predictions [batch, classes], targets [batch] [, k] */
static berth_status infer_in_top_k(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, bt_ends(x->node->op, "V2") ? 3 : 2);
    if (status) return status;
    const bt_shape *p = &x->in[0].shape;
    bt_shape batch = BT_SHAPE(p->rank < 0 ? -1 : p->dim[0]);
    if ((p->rank >= 0 && p->rank != 2) || !bt_shape_merge(&batch, &x->in[1].shape))
        return bt_infer_fail(x, "takes a matrix of predictions and a target for each row");
    x->out[0] = (bt_fact){BERTH_BOOL, batch, NULL};
    return BERTH_OK;
}

static berth_status run_in_top_k(bt_call *c)
{
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    if (c->in[0]->dtype != BERTH_FLOAT) return bt_call_fail(c, "predictions must be float32");
    int64_t k = c->n_in > 2 ? bt_tensor_int(c->in[2], 0) : bt_attr_int(c->node, "k", 0);
    int64_t classes = c->in[0]->shape.dim[1];
    const float *row = c->in[0]->data;
    bool *out = bt_out(c, 0, BERTH_BOOL, &fact.shape);
    if (!out) return BERTH_NO_MEMORY;
    bt_arg args[] = {bt_pointer(row), bt_pointer(c->in[1]->data), bt_pointer(out), bt_long(fact.shape.dim[0]), bt_long(classes), bt_long(k)};
    if (bt_on_gpu(c)) return launch(c, c->in[1]->dtype, "in_top", fact.shape.dim[0], args, 6);
    const int64_t *targets = bt_call_indices(c, c->in[1]);
    if (!targets) return c->error->status;
    for (int64_t i = 0; i < fact.shape.dim[0]; i++, row += classes) {
        int64_t above = 0;
        bool sound = targets[i] >= 0 && targets[i] < classes && isfinite(row[targets[i]]);
        for (int64_t j = 0; sound && j < classes; j++) {
            sound = isfinite(row[j]);
            above += row[j] > row[targets[i]];
        }
        out[i] = sound && above < k;
    }
    return BERTH_OK;
}

/* ---- NthElement --------------------------------------------------------------------------------------- */

static berth_status infer_nth(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 2);
    if (status) return status;
    x->out[0] = (bt_fact){bt_infer_type(x, 0), x->in[0].shape, NULL};
    if (x->in[0].shape.rank == 0) return bt_infer_fail(x, "a scalar has no n-th element");
    if (x->in[1].shape.rank > 0) return bt_infer_fail(x, "n must be a scalar");
    if (x->out[0].shape.rank > 0) x->out[0].shape.rank--;
    return BERTH_OK;
}

/* The key that would stand at n if they were sorted; they are moved about. */
static uint64_t select_key(uint64_t *keys, int64_t count, int64_t n)
{
    int64_t low = 0, high = count - 1;
    while (low < high) {
        uint64_t pivot = keys[low + (high - low) / 2];
        int64_t i = low, j = high;
        while (i <= j) {
            while (keys[i] < pivot) i++;
            while (keys[j] > pivot) j--;
            if (i > j) break;
            uint64_t key = keys[i];
            keys[i++] = keys[j], keys[j--] = key;
        }
        if (n <= j) high = j;
        else if (n >= i) low = i;
        else break;
    }
    return keys[n];
}

static berth_status run_nth(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    int64_t count = in->shape.dim[in->shape.rank - 1], n = bt_tensor_int(c->in[1], 0),
            rows = bt_shape_count(&fact.shape);
    if (n < 0 || n >= count)
        return bt_call_fail(c, "element %lld of rows of %lld", (long long)n, (long long)count);
    if (bt_attr_bool(c->node, "reverse", false)) n = count - 1 - n;
    uint64_t *keys = bt_call_keys(c, in), *row = keys ? bt_scratch(c, (size_t)count * sizeof *row) : NULL;
    if (!row) return c->error->status;
    void *out = bt_out(c, 0, in->dtype, &fact.shape);
    if (!out) return BERTH_NO_MEMORY;
    for (int64_t r = 0; r < rows; r++, keys += count) {
        memcpy(row, keys, (size_t)count * sizeof *row);
        uint64_t key = select_key(row, count, n);
        int64_t at = 0;
        while (keys[at] != key) at++;
        memcpy(bt_at(in->dtype, out, r), bt_at_const(in->dtype, in->data, r * count + at),
               bt_dtype_size(in->dtype));
    }
    return BERTH_OK;
}

/* ---- LowerBound, UpperBound --------------------------------------------------------------------------- */

static berth_status infer_bound(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 2);
    if (status || (status = bt_infer_alike(x, 0, 2))) return status;
    const bt_shape *a = &x->in[0].shape, *b = &x->in[1].shape;
    if ((a->rank >= 0 && a->rank != 2) || (b->rank >= 0 && b->rank != 2) ||
        (a->rank == 2 && b->rank == 2 && a->dim[0] >= 0 && b->dim[0] >= 0 && a->dim[0] != b->dim[0]))
        return bt_infer_fail(x, "takes two matrices of as many rows");
    x->out[0] = (bt_fact){bt_attr_type(x->node, "out_type", BERTH_INT32), *b, NULL};
    return BERTH_OK;
}

static berth_status run_bound(bt_call *c)
{
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    bool strict = strcmp(c->node->op, "UpperBound") == 0;
    if (fact.dtype != BERTH_INT32 && fact.dtype != BERTH_INT64)
        return bt_call_fail(c, "out_type must be int32 or int64");
    int64_t n = c->in[0]->shape.dim[1], each = fact.shape.dim[1];
    void *out = bt_out(c, 0, fact.dtype, &fact.shape);
    if (!out) return BERTH_NO_MEMORY;
    int64_t count = fact.shape.dim[0] * each;
    bt_arg args[] = {bt_pointer(c->in[0]->data), bt_pointer(c->in[1]->data), bt_pointer(out), bt_long(count), bt_long(n),
                     bt_long(each), bt_long(strict)};
    if (bt_on_gpu(c)) return launch(c, fact.dtype, "bounds", count, args, 7);
    const uint64_t *sorted = bt_call_keys(c, c->in[0]), *values = sorted ? bt_call_keys(c, c->in[1]) : NULL;
    if (!values) return c->error->status;
    for (int64_t i = 0; i < count; i++) {
        int64_t at = bt_key_search(sorted + i / each * n, n, values[i], strict);
        if (fact.dtype == BERTH_INT64) ((int64_t *)out)[i] = at;
        else ((int32_t *)out)[i] = (int32_t)at;
    }
    return BERTH_OK;
}

/* ---- Bucketize ---------------------------------------------------------------------------------------- */

static berth_status infer_bucketize(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 1);
    if (!status) x->out[0] = (bt_fact){BERTH_INT32, x->in[0].shape, NULL};
    return status;
}

static berth_status bucketize_on_gpu(bt_call *c, int32_t *out, const bt_attr_value *bounds, int n)
{
    float *host = bt_host_scratch(c, (size_t)(n + 1) * sizeof *host);
    if (!host) return c->error->status;
    for (int i = 0; i < n; i++) host[i] = bounds[i].f;
    void *there = bt_gpu_upload(c, host, (size_t)(n + 1) * sizeof *host);
    if (!there) return c->error->status;
    bt_arg args[] = {bt_pointer(c->in[0]->data), bt_pointer(there), bt_pointer(out), bt_long(bt_tensor_count(c->in[0])), bt_long(n)};
    return launch(c, 0, "buckets", bt_tensor_count(c->in[0]), args, 5);
}

/* How many boundaries an element is not below; integers are compared as floats. */
static berth_status run_bucketize(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    const bt_attr_value *bounds;
    int n = bt_attr_list(c->node, "boundaries", &bounds);
    if (!bt_dtype_is_int(in->dtype) && !bt_dtype_is_float(in->dtype))
        return bt_call_unsupported(c, "buckets of %s", bt_dtype_name(in->dtype));
    for (int i = 1; i < n; i++)
        if (bounds[i].f < bounds[i - 1].f) return bt_call_fail(c, "the boundaries must rise");
    int32_t *out = bt_out(c, 0, BERTH_INT32, &in->shape);
    if (!out) return BERTH_NO_MEMORY;
    if (bt_on_gpu(c)) return bucketize_on_gpu(c, out, bounds, n > 0 ? n : 0);
    for (int64_t i = 0, count = bt_tensor_count(in); i < count; i++) {
        double v = bt_tensor_number(in, i);
        if (in->dtype != BERTH_DOUBLE) v = (float)v;
        int low = 0, high = n > 0 ? n : 0;
        while (low < high) {
            int middle = low + (high - low) / 2;
            if (v < (double)bounds[middle].f) high = middle;
            else low = middle + 1;
        }
        out[i] = low;
    }
    return BERTH_OK;
}

/* ---- HistogramFixedWidth ------------------------------------------------------------------------------ */

static berth_status infer_histogram(bt_infer *x)
{
    int64_t bins = -1;
    int n = 1;
    berth_status status = bt_infer_arity(x, 3);
    if (status || (status = bt_infer_alike(x, 0, 2))) return status;
    if (x->in[2].value && (!bt_ints(x->in[2].value, &bins, 1, &n) || n != 1 || bins < 1))
        return bt_infer_fail(x, "nbins must be one integer above 0");
    x->out[0] = (bt_fact){bt_attr_type(x->node, "dtype", BERTH_INT32), BT_SHAPE(bins), NULL};
    return BERTH_OK;
}

/* Counts are made in 32 bits. */
static berth_status histogram_on_gpu(bt_call *c, void *out, berth_dtype dtype, int64_t bins)
{
    int64_t n = bt_tensor_count(c->in[0]);
    void *counts = dtype == BERTH_INT32 ? out : bt_scratch(c, (size_t)bins * sizeof(uint32_t) + 1);
    if (!counts) return c->error->status;
    bt_arg args[8] = {bt_pointer(c->in[0]->data), bt_pointer(c->in[1]->data), bt_pointer(counts), bt_long(n), bt_long(bins)};
    berth_status status = bt_call_zero(c, BERTH_UINT32, counts, bins);
    if (!status) status = bt_gpu_fault(c, "the range must rise, and the values contain no NaN", args + 5);
    if (!status) status = launch(c, dtype, "histogram", n, args, 8);
    if (status || dtype == BERTH_INT32) return status;
    bt_arg last[] = {bt_pointer(counts), bt_pointer(out), bt_long(bins)};
    return launch(c, dtype, "widened", bins, last, 3);
}

static berth_status run_histogram(bt_call *c)
{
    const bt_tensor *in = c->in[0], *range = c->in[1];
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    if (range->shape.rank != 1 || range->shape.dim[0] != 2 ||
        (!bt_dtype_is_float(in->dtype) && !bt_dtype_is_int(in->dtype)) ||
        (fact.dtype != BERTH_INT32 && fact.dtype != BERTH_INT64))
        return bt_call_fail(c, "takes numbers, a range of two of them, and gives int32 or int64");
    int64_t bins = fact.shape.dim[0];
    void *out = bt_out(c, 0, fact.dtype, &fact.shape);
    if (!out) return BERTH_NO_MEMORY;
    if (bt_on_gpu(c)) return histogram_on_gpu(c, out, fact.dtype, bins);
    double low = bt_tensor_number(range, 0), high = bt_tensor_number(range, 1);
    if (!(low < high)) return bt_call_fail(c, "the range must rise");
    memset(out, 0, (size_t)bins * bt_dtype_size(fact.dtype));
    double step =
        high / (double)bins - low / (double)bins; /* rounded like that, TensorFlow's edges are met */
    for (int64_t i = 0, n = bt_tensor_count(in); i < n; i++) {
        double v = bt_tensor_number(in, i);
        if (isnan(v)) return bt_call_fail(c, "the values contain NaN");
        double above = (v > low ? v : low) - low;
        int64_t at = (int64_t)fmin(above / step, (double)(bins - 1));
        if (fact.dtype == BERTH_INT64) ((int64_t *)out)[at]++;
        else ((int32_t *)out)[at]++;
    }
    return BERTH_OK;
}

/* The device's kernels take what the host's do. */
#define ON_GPU(run, takes) .cpu = run, .types = takes, .gpu = run, .gpu_types = takes

const bt_op bt_ops_topk[] = {
    {.name = "TopK", .infer = infer_top_k, ON_GPU(run_top_k, BT_REALS), .outputs = "values,indices"},
    {.name = "ApproxTopK", .infer = infer_approximate, ON_GPU(run_top_k, BT_REALS), .outputs = "values,indices"},
    {.name = "TopKV2", .infer = infer_top_k, ON_GPU(run_top_k, BT_REALS), .outputs = "values,indices", .host_inputs = 2},
    {.name = "InTopK", .infer = infer_in_top_k, ON_GPU(run_in_top_k, BT_T(BERTH_INT32) | BT_T(BERTH_INT64))},
    {.name = "InTopKV2", .infer = infer_in_top_k, ON_GPU(run_in_top_k, BT_T(BERTH_INT32) | BT_T(BERTH_INT64)), .host_inputs = 4},
    {.name = "NthElement", .infer = infer_nth, .cpu = run_nth, .types = BT_REALS},
    {.name = "LowerBound", .infer = infer_bound, ON_GPU(run_bound, BT_REALS)},
    {.name = "UpperBound", .infer = infer_bound, ON_GPU(run_bound, BT_REALS)},
    {.name = "Bucketize", .infer = infer_bucketize, ON_GPU(run_bucketize, BT_REALS)},
    {.name = "HistogramFixedWidth", .infer = infer_histogram, ON_GPU(run_histogram, BT_REALS), .host_inputs = 4},
    {0},
};
