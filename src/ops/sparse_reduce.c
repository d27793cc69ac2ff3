/* Reductions of sparse tensors: sums and maxima along axes, dense or sparse again, and softmax along the last. What is
 * not there is not part of any group; a group without elements is 0. */
#include "ops/sparse.h"
#include "ops/variable.h"

#include <math.h>

/* ---- SparseReduceSum, SparseReduceMax ----------------------------------------------------------------- */

/* The axes that stay, and the shape of the result. */
typedef struct kept {
    int axis[BT_MAX_RANK];  /* of the input */
    int place[BT_MAX_RANK]; /* where it is in the result */
    int n;
    bt_shape shape;
} kept;

static berth_status find_kept(const bt_node *node, const bt_shape *shape, const bt_tensor *axes, kept *k,
                              berth_error *error)
{
    bool gone[BT_MAX_RANK] = {false}, keep_dims = bt_attr_bool(node, "keep_dims", false);
    int axis;
    *k = (kept){.shape = BT_SCALAR};
    for (int64_t i = 0, n = bt_tensor_count(axes); i < n; i++) {
        int64_t along = bt_tensor_int(axes, i);
        if (!bt_axis(along, shape->rank, &axis))
            return bt_fail(error, BERTH_BAD_INPUT, "axis %lld is out of range [%d, %d)", (long long)along,
                           -shape->rank, shape->rank);
        gone[axis] = true;
    }
    for (int i = 0; i < shape->rank; i++) {
        if (gone[i] && !keep_dims) continue;
        if (!gone[i]) k->axis[k->n] = i, k->place[k->n++] = k->shape.rank;
        k->shape.dim[k->shape.rank++] = gone[i] ? 1 : shape->dim[i];
    }
    return BERTH_OK;
}

/* The result's shape where the axes are known; its rank alone where only that can be told. */
static berth_status infer_reduce(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 4);
    if (status) return status;
    kept k = {.shape = BT_SHAPE_UNKNOWN};
    bt_shape shape = BT_SHAPE_UNKNOWN;
    const bt_tensor *axes = x->in[3].value;
    if (x->in[2].value && !bt_tensor_shape_value(x->in[2].value, &shape))
        return bt_infer_fail(x, "input 2 is no shape");
    if (!x->in[2].value && bt_infer_length(x, 2) >= 0 && bt_infer_length(x, 2) <= BT_MAX_RANK) {
        shape.rank = (int)bt_infer_length(x, 2);
        for (int i = 0; i < shape.rank; i++) shape.dim[i] = -1;
    }
    if (axes && !bt_dtype_is_int(axes->dtype)) return bt_infer_fail(x, "the axes must be integers");
    if (shape.rank >= 0 && axes && (status = find_kept(x->node, &shape, axes, &k, x->error))) return status;
    if (x->n_out == 1) x->out[0] = (bt_fact){bt_infer_type(x, 1), k.shape, NULL};
    else bt_infer_sparse(x, 0, -1, k.shape.rank, bt_infer_type(x, 1));
    return BERTH_OK;
}

/* Elements by group: those order[begin[g] .. begin[g + 1]) have the same indices along the axes that stay. */
typedef struct groups {
    bt_sparse s;
    kept k;
    int64_t *rows; /* [s.n][k.n]: the indices that stay */
    int64_t *order, *begin;
    int64_t n;
} groups;

static berth_status find_groups(bt_call *c, groups *g)
{
    berth_status status = bt_sparse_input(c, 0, &g->s);
    if (status) return status;
    if (!bt_dtype_is_int(c->in[3]->dtype)) return bt_call_fail(c, "the axes must be integers");
    if ((status = find_kept(c->node, &g->s.shape, c->in[3], &g->k, c->error))) return status;
    int rank = g->k.n;
    int64_t n = g->s.n;
    if (!(g->rows = bt_scratch(c, ((size_t)n * (size_t)rank + 1) * sizeof *g->rows))) return BERTH_NO_MEMORY;
    for (int64_t i = 0; i < n; i++)
        for (int j = 0; j < rank; j++) g->rows[i * rank + j] = bt_sparse_row(&g->s, i)[g->k.axis[j]];
    g->order = bt_sparse_order(c, g->rows, n, rank);
    g->begin = g->order ? bt_scratch(c, ((size_t)n + 1) * sizeof *g->begin) : NULL;
    if (!g->begin) return BERTH_NO_MEMORY;
    for (int64_t i = 0; i < n; i++) {
        const int64_t *row = g->rows + g->order[i] * rank;
        if (i == 0 || bt_sparse_compare(g->rows + g->order[i - 1] * rank, row, rank)) g->begin[g->n++] = i;
    }
    g->begin[g->n] = n;
    return BERTH_OK;
}

static berth_status reduce_group(bt_call *c, const groups *g, int64_t group, void *to)
{
    const bt_tensor *v = g->s.values;
    bt_combine_op op = bt_starts(c->node->op, "SparseReduceMax") ? BT_MAX : BT_ADD;
    _Alignas(16) char next[16];
    size_t size = bt_dtype_size(v->dtype);
    int64_t i = g->begin[group], end = g->begin[group + 1];
    berth_status status = BERTH_OK;
    memcpy(to, bt_at_const(v->dtype, v->data, g->order[i]), size);
    while (!status && ++i < end) {
        memcpy(next, bt_at_const(v->dtype, v->data, g->order[i]), size);
        status = bt_combine(v->dtype, op, next, to, 1, 1,
                            c->error); /* of a NaN and a number the later one stays */
        memcpy(to, next, size);
    }
    return status;
}

static berth_status run_reduce(bt_call *c)
{
    groups g = {0};
    int64_t strides[BT_MAX_RANK];
    berth_status status = find_groups(c, &g);
    if (status) return status;
    berth_dtype dtype = g.s.values->dtype;
    void *out = bt_out(c, 0, dtype, &g.k.shape);
    if (!out) return BERTH_NO_MEMORY;
    memset(out, 0, (size_t)bt_shape_count(&g.k.shape) * bt_dtype_size(dtype));
    bt_strides(&g.k.shape, strides);
    for (int64_t i = 0; !status && i < g.n; i++) {
        const int64_t *row = g.rows + g.order[g.begin[i]] * g.k.n;
        int64_t at = 0;
        for (int j = 0; j < g.k.n; at += row[j] * strides[g.k.place[j]], j++)
            if (row[j] < 0 || row[j] >= g.k.shape.dim[g.k.place[j]])
                return bt_call_fail(c, "index %lld of dimension %d is not in [0, %lld)", (long long)row[j],
                                    g.k.axis[j], (long long)g.k.shape.dim[g.k.place[j]]);
        status = reduce_group(c, &g, i, bt_at(dtype, out, at));
    }
    return status;
}

static berth_status run_reduce_sparse(bt_call *c)
{
    groups g = {0};
    bt_sparse_out out;
    berth_status status = find_groups(c, &g);
    if (status) return status;
    berth_dtype dtype = g.s.values->dtype;
    if ((status = bt_sparse_make(c, 0, 1, 2, g.n, dtype, &g.k.shape, &out))) return status;
    int rank = g.k.shape.rank;
    memset(out.index, 0, (size_t)g.n * (size_t)rank * sizeof *out.index);
    for (int64_t i = 0; !status && i < g.n; i++) {
        const int64_t *row = g.rows + g.order[g.begin[i]] * g.k.n;
        for (int j = 0; j < g.k.n; j++) out.index[i * rank + g.k.place[j]] = row[j];
        status = reduce_group(c, &g, i, bt_at(dtype, out.values, i));
    }
    return status;
}

/* ---- SparseSoftmax: along the last dimension ---------------------------------------------------------- */

static berth_status infer_softmax(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 3);
    if (status) return status;
    if (bt_infer_length(x, 2) >= 0 && bt_infer_length(x, 2) < 2)
        return bt_infer_fail(x, "takes two dimensions or more");
    x->out[0] = (bt_fact){bt_infer_type(x, 1), x->in[1].shape, NULL};
    return BERTH_OK;
}

/* y = exp(x - max) / sum exp(x - max) over elements order[0..n), which y has in that order: the results come sorted. */
#define SOFTMAX(name, T, C, LOAD, STORE, EXP)                                              \
    static void softmax_##name(void *out, const void *in, const int64_t *order, int64_t n) \
    {                                                                                      \
        const T *x = in;                                                                   \
        T *y = out;                                                                        \
        C most = LOAD(x[order[0]]), sum = 0;                                               \
        for (int64_t i = 1; i < n; i++)                                                    \
            if (LOAD(x[order[i]]) > most) most = LOAD(x[order[i]]);                        \
        for (int64_t i = 0; i < n; i++) sum += EXP(LOAD(x[order[i]]) - most);              \
        for (int64_t i = 0; i < n; i++) y[i] = STORE(EXP(LOAD(x[order[i]]) - most) / sum); \
    }
#define KEEP(x) (x)
SOFTMAX(float, float, float, KEEP, KEEP, expf)
SOFTMAX(double, double, double, KEEP, KEEP, exp)
SOFTMAX(half, uint16_t, float, bt_half_to_float, bt_float_to_half, expf)
SOFTMAX(bfloat16, uint16_t, float, bt_bf16_to_float, bt_float_to_bf16, expf)

typedef void softmax_fn(void *out, const void *in, const int64_t *order, int64_t n);

static berth_status run_softmax(bt_call *c)
{
    bt_sparse s;
    berth_status status = bt_sparse_input(c, 0, &s);
    if (status) return status;
    int rank = s.shape.rank;
    if (rank < 2) return bt_call_fail(c, "takes two dimensions or more, not %d", rank);
    berth_dtype dtype = s.values->dtype;
    softmax_fn *softmax = dtype == BERTH_FLOAT      ? softmax_float
                          : dtype == BERTH_DOUBLE   ? softmax_double
                          : dtype == BERTH_HALF     ? softmax_half
                          : dtype == BERTH_BFLOAT16 ? softmax_bfloat16
                                                    : NULL;
    if (!softmax) return bt_call_unsupported(c, "softmax of %s", bt_dtype_name(dtype));
    int64_t *order = bt_sparse_order(c, s.index, s.n, rank);
    void *out = order ? bt_out(c, 0, dtype, &s.values->shape) : NULL;
    if (!out) return BERTH_NO_MEMORY;
    for (int64_t begin = 0, end; begin < s.n; begin = end) {
        const int64_t *row = bt_sparse_row(&s, order[begin]);
        for (end = begin + 1; end < s.n; end++)
            if (bt_sparse_compare(row, bt_sparse_row(&s, order[end]), rank - 1)) break;
        softmax(bt_at(dtype, out, begin), s.values->data, order + begin, end - begin);
    }
    return BERTH_OK;
}

#define REDUCE(op, kinds)                                                                                    \
    {.name = "SparseReduce" op, .infer = infer_reduce, .cpu = run_reduce, .types = kinds},                   \
    {                                                                                                        \
        .name = "SparseReduce" op "Sparse", .infer = infer_reduce, .cpu = run_reduce_sparse, .types = kinds, \
        .outputs = "output_indices,output_values,output_shape"                                               \
    }

const bt_op bt_ops_sparse_reduce[] = {
    REDUCE("Sum", BT_NUMBERS),
    REDUCE("Max", BT_REALS),
    {.name = "SparseSoftmax", .infer = infer_softmax, .cpu = run_softmax, .types = BT_FLOATS},
    {0},
};
