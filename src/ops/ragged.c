/* Ragged tensors made dense, made sparse, gathered from, and made of ranges. In variants: ragged_variant.c; crossed:
 * cross.c. */
#include "ops/ragged.h"

#include <math.h>

/* ---- Levels ------------------------------------------------------------------------------------------- */

const bt_splits *bt_ragged_splits(bt_call *c, int first, int n, int64_t items)
{
    bt_splits *s = bt_scratch(c, ((size_t)n + 1) * sizeof *s);
    if (!s) return NULL;
    for (int i = n - 1; i >= 0; i--) {
        const bt_tensor *t = c->in[first + i];
        if (t->shape.rank != 1 || t->shape.dim[0] < 1)
            return bt_call_fail(c, "row splits must be a vector with one element or more"), NULL;
        s[i] = (bt_splits){bt_call_indices(c, t), t->shape.dim[0] - 1};
        if (!s[i].at) return NULL;
        if (s[i].at[0] != 0) return bt_call_fail(c, "row splits must begin with 0"), NULL;
        for (int64_t r = 0; r < s[i].rows; r++)
            if (s[i].at[r] > s[i].at[r + 1])
                return bt_call_fail(c, "row splits fall from %lld to %lld", (long long)s[i].at[r],
                                    (long long)s[i].at[r + 1]),
                       NULL;
        if (s[i].at[s[i].rows] != items)
            return bt_call_fail(c, "row splits end with %lld, not with the number of items, %lld",
                                (long long)s[i].at[s[i].rows], (long long)items),
                   NULL;
        items = s[i].rows;
    }
    return s;
}

berth_status bt_ragged_put(bt_call *c, int i, const int64_t *at, int64_t rows)
{
    berth_dtype dtype = bt_attr_type(c->node, "Tsplits", BERTH_INT64);
    bt_shape shape = BT_SHAPE(rows + 1);
    void *out = bt_out(c, i, dtype, &shape);
    if (!out) return BERTH_NO_MEMORY;
    if (dtype != BERTH_INT32) return memcpy(out, at, (size_t)(rows + 1) * sizeof *at), BERTH_OK;
    if (at[rows] > INT32_MAX) return bt_call_fail(c, "row splits up to %lld as int32", (long long)at[rows]);
    for (int64_t r = 0; r <= rows; r++) ((int32_t *)out)[r] = (int32_t)at[r];
    return BERTH_OK;
}

berth_status bt_ragged_put_batch(bt_call *c, const bt_shape *dims)
{
    berth_status status = BERTH_OK;
    for (int i = 0; !status && i + 1 < dims->rank; i++) {
        int64_t rows = bt_shape_span(dims, 0, i + 1);
        int64_t *at = bt_scratch(c, ((size_t)rows + 1) * sizeof *at);
        if (!at) return BERTH_NO_MEMORY;
        for (int64_t r = 0; r <= rows; r++) at[r] = r * dims->dim[i + 1];
        status = bt_ragged_put(c, i, at, rows);
    }
    return status;
}

/* ---- RaggedTensorToTensor: shape, values, default, partitions ----------------------------------------- */

/* How many levels the partitions are; -1 with the error set. `sized`: the first says how many rows there are. */
static int partition_levels(const bt_node *node, int n_in, bool *sized, berth_error *error)
{
    const bt_attr_value *types;
    int n = bt_attr_list(node, "row_partition_types", &types);
    if (n < 1 || n_in != 3 + n)
        return bt_fail(error, BERTH_BAD_INPUT, "%d inputs for %d partitions", n_in, n), -1;
    *sized = bt_str_is(types[0].s, "FIRST_DIM_SIZE");
    for (int i = *sized; i < n; i++) {
        bool splits = bt_str_is(types[i].s, "ROW_SPLITS"), ids = bt_str_is(types[i].s, "VALUE_ROWIDS");
        if (i == 0 ? !splits : i == 1 && *sized ? !ids : !splits && !ids)
            return bt_fail(error, BERTH_BAD_INPUT, "partition %d of type %.40s", i, types[i].s.p), -1;
    }
    if (n == *sized) return bt_fail(error, BERTH_BAD_INPUT, "FIRST_DIM_SIZE without VALUE_ROWIDS"), -1;
    return n - *sized;
}

/* The shape asked for, -1 where it is left open, with the dimensions of the values behind those of the levels. */
static berth_status dense_shape(const bt_fact *in, int levels, bt_shape *out, berth_error *error)
{
    char want[BT_SHAPE_TEXT], have[BT_SHAPE_TEXT];
    const bt_tensor *asked = in[0].value;
    const bt_shape *values = &in[1].shape;
    bool open =
        asked && asked->shape.rank == 0 && bt_dtype_is_int(asked->dtype) && bt_tensor_int(asked, 0) == -1;
    *out = BT_SHAPE_UNKNOWN;
    if (values->rank == 0) return bt_fail(error, BERTH_BAD_INPUT, "the values are a scalar");
    if (values->rank < 0) return BERTH_OK;
    bt_shape from = {.rank = levels + values->rank};
    if (from.rank > BT_MAX_RANK)
        return bt_fail(error, BERTH_UNSUPPORTED, "more than %d dimensions", BT_MAX_RANK);
    for (int i = 0; i < from.rank; i++) from.dim[i] = i <= levels ? -1 : values->dim[i - levels];
    *out = from;
    if (!asked || open) return BERTH_OK;
    if (asked->shape.rank != 1 || !bt_tensor_shape_value(asked, out))
        return bt_fail(error, BERTH_BAD_INPUT, "the shape is none");
    if (bt_shape_merge(out, &from)) return BERTH_OK;
    return bt_fail(error, BERTH_BAD_INPUT, "shape %s does not fit values of shape %s in %d levels",
                   bt_shape_text(out, want), bt_shape_text(values, have), levels);
}

static berth_status infer_to_tensor(bt_infer *x)
{
    bool sized;
    berth_status status = bt_infer_arity(x, 4);
    if (status) return status;
    int levels = partition_levels(x->node, x->n_in, &sized, x->error);
    if (levels < 0) return BERTH_BAD_INPUT;
    x->out[0].dtype = bt_infer_type(x, 1);
    return dense_shape(x->in, levels, &x->out[0].shape, x->error);
}

/* The longest row of a level: of row splits, or of runs of equal row numbers. */
static int64_t longest_row(const int64_t *at, int64_t n, bool splits)
{
    int64_t longest = 0, run = 0;
    for (int64_t i = splits; i < n; i++) {
        run = splits ? at[i] - at[i - 1] : i && at[i] == at[i - 1] ? run + 1 : 1;
        if (run > longest) longest = run;
    }
    return longest;
}

/* For each item of a level, where its row of the output begins; -1: it has none. */
typedef struct places {
    int64_t *at;
    int64_t n;
} places;

/* Items of `width` columns at `step` apart behind those of their rows. As in TensorFlow, row splits may be anything as
 * long as the lengths of the rows, none where they fall, sum up to the last of them. */
static berth_status place_splits(bt_call *c, const int64_t *splits, int64_t n, int64_t width, int64_t step,
                                 places *p)
{
    if (n < 1) return bt_call_fail(c, "row splits without an element");
    int64_t rows = n - 1, items = splits[rows], i = 0;
    size_t bytes;
    bt_shape shape = BT_SHAPE(items);
    if (rows > p->n || items < 0 || !bt_shape_bytes(&shape, sizeof *p->at, &bytes))
        return bt_call_fail(c, "row splits of %lld rows and %lld items, where %lld rows are", (long long)rows,
                            (long long)items, (long long)p->n);
    int64_t *at = bt_scratch(c, bytes + 1);
    if (!at) return BERTH_NO_MEMORY;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t k = splits[r]; k < splits[r + 1] && i <= items; k++, i++) {
            int64_t column = k - splits[r];
            if (i < items) at[i] = p->at[r] < 0 || column >= width ? -1 : p->at[r] + column * step;
        }
    if (i != items)
        return bt_call_fail(c, "the rows do not have %lld items, as the row splits end", (long long)items);
    *p = (places){at, items};
    return BERTH_OK;
}

static berth_status place_ids(bt_call *c, const int64_t *ids, int64_t n, int64_t width, int64_t step,
                              places *p)
{
    int64_t *at = bt_scratch(c, ((size_t)n + 1) * sizeof *at), column = 0;
    if (!at) return BERTH_NO_MEMORY;
    for (int64_t i = 0; i < n; i++) {
        if (ids[i] < 0 || ids[i] >= p->n)
            return bt_call_fail(c, "row %lld of value %lld is not in [0, %lld)", (long long)ids[i],
                                (long long)i, (long long)p->n);
        column = i && ids[i] == ids[i - 1] ? column + 1 : 0;
        at[i] = p->at[ids[i]] < 0 || column >= width ? -1 : p->at[ids[i]] + column * step;
    }
    *p = (places){at, n};
    return BERTH_OK;
}

/* Dimensions that are open become as large as the rows are. */
static berth_status close_shape(bt_call *c, const int64_t *const *part, bool sized, int levels,
                                bt_shape *shape)
{
    const bt_attr_value *types = bt_attr_find(c->node, "row_partition_types")->list;
    if (c->in[3]->shape.rank > 1 || bt_tensor_count(c->in[3]) < 1 ||
        (sized && bt_tensor_count(c->in[3]) != 1))
        return bt_call_fail(c, "the first partition must have an element");
    if (shape->dim[0] < 0) shape->dim[0] = sized ? part[0][0] : bt_tensor_count(c->in[3]) - 1;
    if (shape->dim[0] < 0) return bt_call_fail(c, "%lld rows", (long long)shape->dim[0]);
    for (int k = 0; k < levels; k++)
        if (shape->dim[k + 1] < 0)
            shape->dim[k + 1] = longest_row(part[sized + k], bt_tensor_count(c->in[3 + sized + k]),
                                            bt_str_is(types[sized + k].s, "ROW_SPLITS"));
    return BERTH_OK;
}

static berth_status place_values(bt_call *c, const int64_t *const *part, bool sized, int levels,
                                 const bt_shape *shape, places *p)
{
    int64_t strides[BT_MAX_RANK];
    const bt_attr_value *types = bt_attr_find(c->node, "row_partition_types")->list;
    bt_strides(shape, strides);
    p->n = sized ? part[0][0] : bt_tensor_count(c->in[3]) - 1;
    size_t bytes;
    bt_shape rows = BT_SHAPE(p->n);
    if (p->n < 0 || !bt_shape_bytes(&rows, sizeof *p->at, &bytes))
        return bt_call_fail(c, "%lld rows", (long long)p->n);
    if (!(p->at = bt_scratch(c, bytes + 1))) return BERTH_NO_MEMORY;
    for (int64_t i = 0; i < p->n; i++) p->at[i] = i < shape->dim[0] ? i * strides[0] : -1;
    berth_status status = BERTH_OK;
    for (int k = 0; !status && k < levels; k++) {
        int64_t n = bt_tensor_count(c->in[3 + sized + k]), width = shape->dim[k + 1], step = strides[k + 1];
        bool splits = bt_str_is(types[sized + k].s, "ROW_SPLITS");
        status = (splits ? place_splits : place_ids)(c, part[sized + k], n, width, step, p);
    }
    return status;
}

/* All of out is the default, broadcast to the dimensions of a value. TensorFlow holds the default's dimensions against those from the
 * first on, too, and takes one that has as many elements as a value as it lies. */
static berth_status fill_default(bt_call *c, const bt_shape *shape, int levels, void *out)
{
    const bt_tensor *value = c->in[2];
    bt_move m = {.dtype = value->dtype};
    int64_t own[BT_MAX_RANK], strides[BT_MAX_RANK];
    int lead = shape->rank - value->shape.rank;
    bool fits = lead > levels && value->dtype == c->in[1]->dtype;
    for (int i = 0; fits && i < value->shape.rank; i++)
        fits = value->shape.dim[i] == 1 || value->shape.dim[i] == shape->dim[levels + 1 + i];
    if (!fits) return bt_call_fail(c, "the default value does not fit the values");
    bt_shape of = value->shape;
    if (bt_shape_count(&of) == bt_shape_span(shape, levels + 1, shape->rank))
        of = bt_shape_from(shape->rank - levels - 1, shape->dim + levels + 1), lead = levels + 1;
    bt_strides(shape, strides), bt_strides(&of, own);
    for (int i = 0; fits && i < shape->rank; i++) {
        int64_t dim = i < lead ? 1 : of.dim[i - lead];
        fits = dim == 1 || dim == shape->dim[i];
        bt_move_axis(&m, shape->dim[i], strides[i], dim == 1 ? 0 : own[i - lead]);
    }
    if (bt_shape_count(shape) == 0) return BERTH_OK;
    if (!fits) return bt_call_fail(c, "the default value does not broadcast to the values");
    return bt_move_run(&m, out, value->data, c->pool, c->error);
}

/* One behind the other, at their places or, where something is there already, behind that, as TensorFlow does. */
static berth_status put_values(bt_call *c, const places *p, const bt_shape *shape, void *out)
{
    const bt_tensor *values = c->in[1];
    berth_status status = BERTH_OK;
    int64_t row = bt_ragged_inner(&values->shape), total = bt_shape_count(shape), end = 0;
    for (int64_t i = 0; !status && i < p->n; i++) {
        if (p->at[i] < 0) continue;
        if (p->at[i] > end) end = p->at[i];
        if (i >= values->shape.dim[0] || end + row > total)
            return bt_call_fail(c, "%lld values for partitions of %lld", (long long)values->shape.dim[0],
                                (long long)p->n);
        status = bt_move_row(values->dtype, bt_at(values->dtype, out, end),
                             bt_at_const(values->dtype, values->data, i * row), row, NULL, c->error);
        end += row;
    }
    return status;
}

static berth_status run_to_tensor(bt_call *c)
{
    bool sized = false;
    int levels = partition_levels(c->node, c->n_in, &sized, c->error);
    const bt_tensor *values = c->in[1];
    bt_fact in[2] = {{c->in[0]->dtype, c->in[0]->shape, c->in[0]}, {values->dtype, values->shape, NULL}};
    bt_shape shape;
    if (levels < 0) return BERTH_BAD_INPUT;
    berth_status status = dense_shape(in, levels, &shape, c->error);
    if (status) return status;
    const int64_t **part = bt_scratch(c, (size_t)c->n_in * sizeof *part);
    if (!part) return BERTH_NO_MEMORY;
    for (int i = 3; i < c->n_in; i++)
        if (!(part[i - 3] = bt_call_indices(c, c->in[i]))) return c->error->status;
    places p;
    if ((status = close_shape(c, part, sized, levels, &shape))) return status;
    size_t bytes;
    if (!bt_shape_bytes(&shape, bt_dtype_size(values->dtype), &bytes))
        return bt_call_fail(c, "too large a result");
    bool is_empty = bt_shape_span(&shape, 0, levels + 1) == 0; /* whatever the partitions are */
    if (!is_empty && (status = place_values(c, part, sized, levels, &shape, &p))) return status;
    void *out = bt_out(c, 0, values->dtype, &shape);
    if (!out) return BERTH_NO_MEMORY;
    status = fill_default(c, &shape, levels, out);
    return status || bt_shape_count(&shape) == 0 ? status : put_values(c, &p, &shape, out);
}

/* ---- RaggedTensorToSparse: splits, values ------------------------------------------------------------- */

static berth_status infer_to_sparse(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 2);
    if (status) return status;
    const bt_fact *values = &x->in[x->n_in - 1];
    int64_t rank = values->shape.rank < 0 ? -1 : values->shape.rank + x->n_in - 1,
            n = bt_shape_count(&values->shape);
    x->out[0] = (bt_fact){BERTH_INT64, BT_SHAPE(n, rank), NULL};
    x->out[1] = (bt_fact){bt_infer_type(x, x->n_in - 1), BT_SHAPE(n), NULL};
    x->out[2] = (bt_fact){BERTH_INT64, BT_SHAPE(rank), NULL};
    return BERTH_OK;
}

/* row[0 .. levels]: the indices of flat value i, told from those of the value before it. */
static void next_value(const bt_splits *s, int levels, int64_t i, int64_t *row, int64_t *at)
{
    for (int k = levels - 1; k >= 0; k--) {
        while (s[k].at[at[k] + 1] <= i) at[k]++;
        row[k + 1] = i - s[k].at[at[k]];
        i = at[k];
    }
    row[0] = i;
}

static berth_status run_to_sparse(bt_call *c)
{
    int levels = c->n_in - 1;
    const bt_tensor *values = c->in[levels];
    int64_t n = bt_tensor_count(values), row[BT_MAX_RANK] = {0}, at[BT_MAX_RANK] = {0};
    int rank = levels + values->shape.rank;
    if (values->shape.rank < 1) return bt_call_fail(c, "the values are a scalar");
    if (rank > BT_MAX_RANK) return bt_call_unsupported(c, "more than %d dimensions", BT_MAX_RANK);
    const bt_splits *s = bt_ragged_splits(c, 0, levels, values->shape.dim[0]);
    if (!s) return c->error->status;
    bt_shape index_shape = BT_SHAPE(n, rank), value_shape = BT_SHAPE(n), shape_shape = BT_SHAPE(rank);
    int64_t *index = bt_out(c, 0, BERTH_INT64, &index_shape), inner = bt_ragged_inner(&values->shape);
    void *out = index ? bt_out(c, 1, values->dtype, &value_shape) : NULL;
    int64_t *shape = out ? bt_out(c, 2, BERTH_INT64, &shape_shape) : NULL;
    if (!shape) return BERTH_NO_MEMORY;
    shape[0] = levels ? s[0].rows : values->shape.dim[0];
    for (int k = 0; k < levels; k++) shape[k + 1] = longest_row(s[k].at, s[k].rows + 1, true);
    for (int k = levels + 1; k < rank; k++) shape[k] = values->shape.dim[k - levels];
    for (int64_t i = 0; inner && i < values->shape.dim[0]; i++) {
        next_value(s, levels, i, row, at);
        for (int64_t j = 0; j < inner; j++, index += rank) {
            int64_t rest = j;
            memcpy(index, row, (size_t)(levels + 1) * sizeof *row);
            for (int k = rank - 1; k > levels; k--) index[k] = rest % shape[k], rest /= shape[k];
        }
    }
    return bt_move_row(values->dtype, out, values->data, n, c->pool, c->error);
}

/* ---- RaggedRange -------------------------------------------------------------------------------------- */

static berth_status infer_range(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 3);
    if (status) return status;
    int64_t rows = -1;
    for (int i = 0; i < 3; i++)
        if (x->in[i].shape.rank == 1 && x->in[i].shape.dim[0] >= 0) rows = x->in[i].shape.dim[0];
    if (x->in[0].shape.rank == 0 && x->in[1].shape.rank == 0 && x->in[2].shape.rank == 0) rows = 1;
    x->out[0] =
        (bt_fact){bt_attr_type(x->node, "Tsplits", BERTH_INT64), BT_SHAPE(rows < 0 ? -1 : rows + 1), NULL};
    x->out[1] = (bt_fact){bt_infer_type(x, 0), BT_SHAPE(-1), NULL};
    return BERTH_OK;
}

/* Rows of start, limit and delta; a scalar's step is 0. */
typedef struct ranges {
    const void *start, *limit, *delta;
    int64_t step[3], rows;
} ranges;

/* How long row i is, -1 where that cannot be; and its values: each is the one before plus delta. */
typedef int64_t range_size_fn(const ranges *r, int64_t i);
typedef void range_fill_fn(const ranges *r, int64_t i, void *out, int64_t n);

#define START(T) (((const T *)r->start)[i * r->step[0]])
#define LIMIT(T) (((const T *)r->limit)[i * r->step[1]])
#define DELTA(T) (((const T *)r->delta)[i * r->step[2]])

#define RANGE(name, T, C, LOAD, STORE, SIZE)                                                                \
    static int64_t size_##name(const ranges *r, int64_t i)                                                  \
    {                                                                                                       \
        C start = LOAD(START(T)), limit = LOAD(LIMIT(T)), delta = LOAD(DELTA(T));                           \
        if (delta == 0) return -1;                                                                          \
        if (delta > 0 ? start >= limit : start <= limit) return 0;                                          \
        return SIZE(C, start, limit, delta);                                                                \
    }                                                                                                       \
    static void fill_##name(const ranges *r, int64_t i, void *out, int64_t n)                               \
    {                                                                                                       \
        T value = START(T);                                                                                 \
        for (int64_t k = 0; k < n; k++, value = STORE(LOAD(value) + LOAD(DELTA(T)))) ((T *)out)[k] = value; \
    }

/* ceil(|limit - start| / |delta|), for integers without overflow. */
static int64_t int_size(int64_t start, int64_t limit, int64_t delta)
{
    uint64_t reach = delta > 0 ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit;
    uint64_t by = delta > 0 ? (uint64_t)delta : 0 - (uint64_t)delta, n = reach / by + (reach % by != 0);
    return n > INT64_MAX ? -1 : (int64_t)n;
}

static int64_t float_size(double n) { return n >= 0 && n < 0x1p63 ? (int64_t)n : -1; }

#define INT_SIZE(C, start, limit, delta) int_size(start, limit, delta)
#define FLOAT_SIZE(C, start, limit, delta) float_size(ceil(fabs((C)((C)(limit - start) / delta))))
#define KEEP(x) (x)
#define WRAP32(x) ((int32_t)(x))
#define LOAD_INT32(x) ((int64_t)(x))
RANGE(float, float, float, KEEP, KEEP, FLOAT_SIZE)
RANGE(double, double, double, KEEP, KEEP, FLOAT_SIZE)
RANGE(half, uint16_t, float, bt_half_to_float, bt_float_to_half, FLOAT_SIZE)
RANGE(bfloat16, uint16_t, float, bt_bf16_to_float, bt_float_to_bf16, FLOAT_SIZE)
RANGE(int32, int32_t, int64_t, LOAD_INT32, WRAP32, INT_SIZE)

static int64_t size_int64(const ranges *r, int64_t i)
{
    int64_t start = START(int64_t), limit = LIMIT(int64_t), delta = DELTA(int64_t);
    if (delta == 0) return -1;
    return (delta > 0 ? start >= limit : start <= limit) ? 0 : int_size(start, limit, delta);
}

static void fill_int64(const ranges *r, int64_t i, void *out, int64_t n)
{
    uint64_t value = START(uint64_t), delta = DELTA(uint64_t);
    for (int64_t k = 0; k < n; k++, value += delta) ((uint64_t *)out)[k] = value;
}

static const struct {
    range_size_fn *size;
    range_fill_fn *fill;
} range_of[] = {
    [BERTH_FLOAT] = {size_float, fill_float}, [BERTH_DOUBLE] = {size_double, fill_double},
    [BERTH_HALF] = {size_half, fill_half},    [BERTH_BFLOAT16] = {size_bfloat16, fill_bfloat16},
    [BERTH_INT32] = {size_int32, fill_int32}, [BERTH_INT64] = {size_int64, fill_int64},
};

static berth_status run_range(bt_call *c)
{
    berth_dtype dtype = c->in[0]->dtype;
    ranges r = {c->in[0]->data, c->in[1]->data, c->in[2]->data, {0}, -1};
    if ((size_t)dtype >= sizeof range_of / sizeof *range_of || !range_of[dtype].size)
        return bt_call_unsupported(c, "ranges of %s", bt_dtype_name(dtype));
    for (int k = 0; k < 3; k++) {
        const bt_shape *shape = &c->in[k]->shape;
        r.step[k] = shape->rank;
        if (shape->rank > 1 || c->in[k]->dtype != dtype ||
            (shape->rank && r.rows >= 0 && shape->dim[0] != r.rows))
            return bt_call_fail(
                c, "starts, limits and deltas must be vectors of one length and type, or scalars");
        if (shape->rank) r.rows = shape->dim[0];
    }
    if (r.rows < 0) r.rows = 1;
    int64_t *at = bt_scratch(c, ((size_t)r.rows + 1) * sizeof *at);
    if (!at) return BERTH_NO_MEMORY;
    at[0] = 0;
    for (int64_t i = 0; i < r.rows; i++) {
        int64_t n = range_of[dtype].size(&r, i);
        if (n < 0 || __builtin_add_overflow(at[i], n, &at[i + 1]))
            return bt_call_fail(c, "range %lld has a delta of 0 or too many values", (long long)i);
    }
    berth_status status = bt_ragged_put(c, 0, at, r.rows);
    bt_shape shape = BT_SHAPE(at[r.rows]);
    void *out = status ? NULL : bt_out(c, 1, dtype, &shape);
    if (!out) return status ? status : BERTH_NO_MEMORY;
    for (int64_t i = 0; i < r.rows; i++)
        range_of[dtype].fill(&r, i, bt_at(dtype, out, at[i]), at[i + 1] - at[i]);
    return BERTH_OK;
}

/* ---- RaggedGather: splits, values, indices ------------------------------------------------------------ */

static berth_status infer_gather(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 3);
    if (status) return status;
    for (int i = 0; i + 1 < x->n_out; i++)
        x->out[i] = (bt_fact){bt_attr_type(x->node, "Tsplits", BERTH_INT64), BT_SHAPE(-1), NULL};
    bt_fact *out = &x->out[x->n_out - 1];
    *out = (bt_fact){bt_infer_type(x, x->n_in - 2), x->in[x->n_in - 2].shape, NULL};
    if (out->shape.rank > 0) out->shape.dim[0] = -1;
    return BERTH_OK;
}

/* Rows begin .. end of a level, which a picked row is. */
typedef struct piece {
    int64_t begin, end;
} piece;

/* The level of the rows in the pieces, as output i; the pieces become those of the next level. */
static berth_status gather_level(bt_call *c, int i, const bt_splits *s, piece *pieces, int64_t n)
{
    int64_t rows = 0, at = 0, *out;
    for (int64_t k = 0; k < n; k++) rows += pieces[k].end - pieces[k].begin;
    if (!(out = bt_scratch(c, ((size_t)rows + 1) * sizeof *out))) return BERTH_NO_MEMORY;
    out[at] = 0;
    for (int64_t k = 0; k < n; k++) {
        for (int64_t r = pieces[k].begin; r < pieces[k].end; r++, at++)
            out[at + 1] = out[at] + s->at[r + 1] - s->at[r];
        pieces[k] = (piece){s->at[pieces[k].begin], s->at[pieces[k].end]};
    }
    return bt_ragged_put(c, i, out, rows);
}

static berth_status gather_values(bt_call *c, const bt_tensor *values, const piece *pieces, int64_t n)
{
    bt_shape shape = values->shape;
    int64_t row = bt_ragged_inner(&shape), at = 0;
    shape.dim[0] = 0;
    for (int64_t k = 0; k < n; k++) shape.dim[0] += pieces[k].end - pieces[k].begin;
    void *out = bt_out(c, c->n_out - 1, values->dtype, &shape);
    berth_status status = out ? BERTH_OK : BERTH_NO_MEMORY;
    for (int64_t k = 0; !status && k < n; k++) {
        int64_t count = (pieces[k].end - pieces[k].begin) * row;
        status = bt_move_row(values->dtype, bt_at(values->dtype, out, at),
                             bt_at_const(values->dtype, values->data, pieces[k].begin * row), count, NULL,
                             c->error);
        at += count;
    }
    return status;
}

static berth_status run_gather(bt_call *c)
{
    int levels = c->n_in - 2;
    const bt_tensor *values = c->in[levels], *indices = c->in[levels + 1];
    int64_t n = bt_tensor_count(indices);
    int batch = indices->shape.rank - 1;
    if (values->shape.rank < 1) return bt_call_fail(c, "the values are a scalar");
    if (c->n_out - 1 != levels + batch)
        return bt_call_fail(c, "%d levels of output for indices of rank %d in %d levels", c->n_out - 1,
                            batch + 1, levels);
    const bt_splits *s = bt_ragged_splits(c, 0, levels, values->shape.dim[0]);
    const int64_t *index = s ? bt_call_indices(c, indices) : NULL;
    if (!index) return c->error->status;
    piece *pieces = bt_scratch(c, ((size_t)n + 1) * sizeof *pieces);
    if (!pieces) return BERTH_NO_MEMORY;
    for (int64_t k = 0; k < n; k++) {
        if (index[k] < 0 || index[k] >= s[0].rows)
            return bt_call_fail(c, "index %lld at %lld is not in [0, %lld)", (long long)index[k],
                                (long long)k, (long long)s[0].rows);
        pieces[k] = (piece){index[k], index[k] + 1};
    }
    /* One row alone has no splits of its own: what it holds is the outermost level. */
    bool alone = batch < 0;
    if (alone) pieces[0] = (piece){s[0].at[index[0]], s[0].at[index[0] + 1]};
    berth_status status = alone ? BERTH_OK : bt_ragged_put_batch(c, &indices->shape);
    for (int k = alone; !status && k < levels; k++) status = gather_level(c, batch + k, &s[k], pieces, n);
    return status ? status : gather_values(c, values, pieces, n);
}

const bt_op bt_ops_ragged[] = {
    {.name = "RaggedTensorToTensor", .infer = infer_to_tensor, .cpu = run_to_tensor, .outputs = "result"},
    {.name = "RaggedTensorToSparse",
     .infer = infer_to_sparse,
     .cpu = run_to_sparse,
     .outputs = "sparse_indices,sparse_values,sparse_dense_shape"},
    {.name = "RaggedRange",
     .infer = infer_range,
     .cpu = run_range,
     .outputs = "rt_nested_splits,rt_dense_values"},
    {.name = "RaggedGather",
     .infer = infer_gather,
     .cpu = run_gather,
     .outputs = "output_nested_splits*OUTPUT_RAGGED_RANK,output_dense_values"},
    {0},
};
