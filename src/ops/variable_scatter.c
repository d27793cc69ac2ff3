/* Reading and changing rows and elements of a variable by index: ResourceGather, ResourceScatter... and their Nd
 * forms. The same on plain tensors is elsewhere. Indices are all checked before anything is changed. */
#include "ops/slice.h"
#include "ops/variable.h"

/* ---- Rows: indices into dimension 0 (or, for a gather, dimension batch_dims) --------------------------- */

static berth_status check_indices(bt_call *c, const bt_tensor *indices, int64_t limit)
{
    if (indices->dtype != BERTH_INT32 && indices->dtype != BERTH_INT64)
        return bt_call_fail(c, "indices are %s, not int32 or int64", bt_dtype_name(indices->dtype));
    int64_t n = bt_tensor_count(indices);
    for (int64_t i = 0; i < n; i++) {
        int64_t at = bt_tensor_int(indices, i);
        if (at < 0 || at >= limit)
            return bt_call_fail(c, "indices[%lld] = %lld is not in [0, %lld)", (long long)i, (long long)at,
                                (long long)limit);
    }
    return BERTH_OK;
}

/* indices.shape + value.shape[1:]; of unknown rank where either is. */
static bt_shape shape_of_updates(const bt_shape *indices, const bt_shape *value)
{
    bt_shape shape = *indices;
    if (value->rank < 0) shape.rank = -1;
    for (int i = 1; shape.rank >= 0 && i < value->rank && shape.rank < BT_MAX_RANK; i++)
        shape.dim[shape.rank++] = value->dim[i];
    return shape;
}

/* What the graph tells of the shapes of indices and updates. */
typedef struct told {
    bt_shape indices, updates;
} told;

static berth_status prepare_rows(bt_prepare *p)
{
    told *t = p->n_in == 3 ? bt_arena_new(p->arena, told) : NULL;
    if (p->n_in == 3 && !t) return bt_fail_memory(p->error);
    if (t) t->indices = p->in[1].shape, t->updates = p->in[2].shape;
    p->state = t;
    return BERTH_OK;
}

/* Of no rows TensorFlow's kernel for a resource looks at the updates' rank alone, but its shape function holds what the graph
 * tells against the shape that the variable was declared with. */
static bool no_rows_fit(const told *t, const bt_shape *declared, const bt_shape *updates, int rank)
{
    if (updates->rank != rank) return false;
    if (!t || t->updates.rank <= 0) return true;
    bt_shape expected = shape_of_updates(&t->indices, declared);
    return bt_shape_compatible(&expected, &t->updates);
}

/* updates: indices.shape + value.shape[1:], or a scalar for all. */
static berth_status scatter_locked(bt_call *c, bt_var *var, bt_combine_op op)
{
    const bt_tensor *indices = c->in[1], *updates = c->in[2];
    bt_tensor *value = &var->value;
    char want[BT_SHAPE_TEXT], got[BT_SHAPE_TEXT];
    if (value->shape.rank < 1) return bt_call_fail(c, "variable '%s' is a scalar: it has no rows", var->name);
    bool scalar = updates->shape.rank == 0;
    bt_shape expected = shape_of_updates(&indices->shape, &value->shape);
    bool is_nothing = bt_tensor_count(indices) == 0 && !bt_attr_bool(c->node, "_of_ref", false);
    if (is_nothing && no_rows_fit(c->state, &var->shape, &updates->shape, expected.rank)) return BERTH_OK;
    if (!scalar && !bt_shape_equal(&expected, &updates->shape))
        return bt_call_fail(c, "updates have shape %s, not %s (the indices', then a row's)",
                            bt_shape_text(&updates->shape, got), bt_shape_text(&expected, want));
    berth_status status = check_indices(c, indices, value->shape.dim[0]);
    int64_t row = bt_shape_span(&value->shape, 1, value->shape.rank), n = bt_tensor_count(indices);
    size_t row_bytes = (size_t)row * bt_dtype_size(value->dtype);
    for (int64_t i = 0; i < n && !status; i++) {
        char *dst = (char *)value->data + (size_t)bt_tensor_int(indices, i) * row_bytes;
        const char *src = (const char *)updates->data + (scalar ? 0 : (size_t)i * row_bytes);
        status = bt_combine(value->dtype, op, dst, src, row, !scalar, c->error);
    }
    return status;
}

static bool is_inside(const bt_shape *shape, const bt_tensor *indices, int64_t i, int64_t depth)
{
    for (int64_t k = 0; k < depth; k++) {
        int64_t index = bt_tensor_int(indices, i * depth + k);
        if (index < 0 || index >= shape->dim[k]) return false;
    }
    return true;
}

/* Which slice the i-th group of `depth` coordinates means; -1 with the error set. */
static int64_t slice_at(bt_call *c, const bt_shape *shape, const bt_tensor *indices, int64_t i, int64_t depth)
{
    int64_t at = 0;
    for (int64_t k = 0; k < depth; k++) {
        int64_t index = bt_tensor_int(indices, i * depth + k);
        if (index < 0 || index >= shape->dim[k]) {
            bt_call_fail(c, "indices[%lld] = %lld is not in [0, %lld) of dimension %lld", (long long)i,
                         (long long)index, (long long)shape->dim[k], (long long)k);
            return -1;
        }
        at = at * shape->dim[k] + index;
    }
    return at;
}

/* indices: [..., K]; updates: indices.shape[:-1] + value.shape[K:]. A vector of indices is [n, 1]. */
static berth_status scatter_nd_locked(bt_call *c, bt_var *var, bt_combine_op op)
{
    const bt_tensor *indices = c->in[1], *updates = c->in[2];
    bt_tensor *value = &var->value;
    char want[BT_SHAPE_TEXT], got[BT_SHAPE_TEXT];
    int rank = indices->shape.rank;
    if (rank < 1) return bt_call_fail(c, "indices are a scalar: they need at least one dimension");
    if (indices->dtype != BERTH_INT32 && indices->dtype != BERTH_INT64)
        return bt_call_fail(c, "indices are %s, not int32 or int64", bt_dtype_name(indices->dtype));
    if (rank == 1) rank = 2;
    int64_t depth = indices->shape.rank == 1 ? 1 : indices->shape.dim[rank - 1];
    if (depth > value->shape.rank)
        return bt_call_fail(c, "indices have %lld coordinates for a variable of shape %s", (long long)depth,
                            bt_shape_text(&value->shape, got));
    if (depth == 0 && bt_shape_span(&indices->shape, 0, rank - 1) > 0)
        return bt_call_fail(c, "indices have no coordinates");
    bt_shape expected = indices->shape;
    expected.rank = rank - 1;
    for (int i = (int)depth; i < value->shape.rank && expected.rank < BT_MAX_RANK; i++)
        expected.dim[expected.rank++] = value->shape.dim[i];
    if (!bt_shape_equal(&expected, &updates->shape))
        return bt_call_fail(c, "updates have shape %s, not %s", bt_shape_text(&updates->shape, got),
                            bt_shape_text(&expected, want));
    int64_t n = bt_shape_span(&indices->shape, 0, rank - 1);
    int64_t slice = bt_shape_span(&value->shape, (int)depth, value->shape.rank);
    size_t slice_bytes = (size_t)slice * bt_dtype_size(value->dtype);
    bool ignore = strcmp(bt_attr_string(c->node, "bad_indices_policy", ""), "IGNORE") == 0;
    for (int64_t i = 0; i < n && !ignore; i++)
        if (slice_at(c, &value->shape, indices, i, depth) < 0) return BERTH_BAD_INPUT;
    berth_status status = BERTH_OK;
    for (int64_t i = 0; i < n && !status; i++) {
        if (ignore && !is_inside(&value->shape, indices, i, depth)) continue;
        size_t at = (size_t)slice_at(c, &value->shape, indices, i, depth);
        status = bt_combine(value->dtype, op, (char *)value->data + at * slice_bytes,
                            (const char *)updates->data + (size_t)i * slice_bytes, slice, 1, c->error);
    }
    return status;
}

/* Inputs: variable, begin, end, strides, value; the five masks are attributes. */
static berth_status run_slice_assign(bt_call *c)
{
    bt_var *var = c->n_in == 5 ? bt_var_input(c, 0) : NULL;
    if (!var) return bt_call_fail(c, "needs a variable, begin, end, strides and a value");
    const bt_tensor *part = c->in[4];
    berth_status status = bt_var_lock(c, var, part->dtype);
    if (status) return status;
    bt_slice slice;
    bt_tensor *value = &var->value;
    status = bt_slice_of_call(c, &value->shape, 1, &slice);
    if (!status) status = bt_slice_write(c, value->data, &value->shape, &slice, part);
    pthread_mutex_unlock(&var->lock);
    return status;
}

static berth_status change(bt_call *c, bt_combine_op op,
                           berth_status (*locked)(bt_call *c, bt_var *var, bt_combine_op op))
{
    bt_var *var = c->n_in == 3 ? bt_var_input(c, 0) : NULL;
    if (!var) return bt_call_fail(c, "needs a variable, indices and updates");
    berth_status status = bt_var_lock(c, var, c->in[2]->dtype);
    if (status) return status;
    status = locked(c, var, op);
    pthread_mutex_unlock(&var->lock);
    return status;
}

static berth_status run_update(bt_call *c) { return change(c, BT_SET, scatter_locked); }
static berth_status run_add(bt_call *c) { return change(c, BT_ADD, scatter_locked); }
static berth_status run_sub(bt_call *c) { return change(c, BT_SUB, scatter_locked); }
static berth_status run_mul(bt_call *c) { return change(c, BT_MUL, scatter_locked); }
static berth_status run_div(bt_call *c) { return change(c, BT_DIV, scatter_locked); }
static berth_status run_min(bt_call *c) { return change(c, BT_MIN, scatter_locked); }
static berth_status run_max(bt_call *c) { return change(c, BT_MAX, scatter_locked); }
static berth_status run_nd_update(bt_call *c) { return change(c, BT_SET, scatter_nd_locked); }
static berth_status run_nd_add(bt_call *c) { return change(c, BT_ADD, scatter_nd_locked); }
static berth_status run_nd_sub(bt_call *c) { return change(c, BT_SUB, scatter_nd_locked); }
static berth_status run_nd_min(bt_call *c) { return change(c, BT_MIN, scatter_nd_locked); }
static berth_status run_nd_max(bt_call *c) { return change(c, BT_MAX, scatter_nd_locked); }

/* ---- Gathers ------------------------------------------------------------------------------------------- */

/* out: value.shape[:b] + indices.shape[b:] + value.shape[b+1:], b = batch_dims. */
static berth_status gather_from(bt_call *c, const bt_tensor *value)
{
    const bt_tensor *indices = c->in[1];
    int64_t b = bt_attr_int(c->node, "batch_dims", 0);
    char tv[BT_SHAPE_TEXT], ti[BT_SHAPE_TEXT];
    if (b < 0) b += indices->shape.rank;
    bool fits = b >= 0 && b <= indices->shape.rank && b < value->shape.rank;
    for (int i = 0; fits && i < b; i++) fits = value->shape.dim[i] == indices->shape.dim[i];
    if (!fits || indices->shape.rank + value->shape.rank - 1 - b > BT_MAX_RANK)
        return bt_call_fail(c, "cannot gather by indices of shape %s from shape %s with batch_dims %lld",
                            bt_shape_text(&indices->shape, ti), bt_shape_text(&value->shape, tv),
                            (long long)b);
    bt_shape shape = indices->shape;
    for (int i = (int)b + 1; i < value->shape.rank; i++) shape.dim[shape.rank++] = value->shape.dim[i];
    int64_t limit = value->shape.dim[b];
    berth_status status = check_indices(c, indices, limit);
    char *out = status ? NULL : bt_out(c, 0, value->dtype, &shape);
    if (!out) return c->error ? c->error->status : BERTH_BAD_INPUT;
    int64_t row = bt_shape_span(&value->shape, (int)b + 1, value->shape.rank);
    int64_t batches = bt_shape_span(&value->shape, 0, (int)b);
    int64_t n = bt_shape_span(&indices->shape, (int)b, indices->shape.rank);
    size_t row_bytes = (size_t)row * bt_dtype_size(value->dtype);
    for (int64_t i = 0; i < batches * n && !status; i++) {
        int64_t at = i / n * limit + bt_tensor_int(indices, i);
        status = bt_elements_copy(value->dtype, out + (size_t)i * row_bytes,
                                  (const char *)value->data + (size_t)at * row_bytes, row, c->error);
    }
    return status;
}

/* indices: [..., K]; out: indices.shape[:-1] + value.shape[K:]. */
static berth_status gather_nd_from(bt_call *c, const bt_tensor *value)
{
    const bt_tensor *indices = c->in[1];
    int rank = indices->shape.rank;
    int64_t depth = rank < 1 ? -1 : indices->shape.dim[rank - 1];
    if (depth < 0 || depth > value->shape.rank || rank - 1 + value->shape.rank - depth > BT_MAX_RANK)
        return bt_call_fail(c, "indices of rank %d do not fit a variable of rank %d", rank,
                            value->shape.rank);
    bt_shape shape = indices->shape;
    shape.rank = rank - 1;
    for (int i = (int)depth; i < value->shape.rank; i++) shape.dim[shape.rank++] = value->shape.dim[i];
    int64_t n = bt_shape_span(&indices->shape, 0, rank - 1);
    int64_t slice = bt_shape_span(&value->shape, (int)depth, value->shape.rank);
    size_t slice_bytes = (size_t)slice * bt_dtype_size(value->dtype);
    if (n > 0 && bt_tensor_count(value) == 0) return bt_call_fail(c, "there are indices for an empty tensor");
    char *out = bt_out(c, 0, value->dtype, &shape);
    if (!out) return c->error ? c->error->status : BERTH_NO_MEMORY;
    berth_status status = BERTH_OK;
    for (int64_t i = 0; i < n && !status; i++) {
        int64_t at = slice_at(c, &value->shape, indices, i, depth);
        if (at < 0) return BERTH_BAD_INPUT;
        status = bt_elements_copy(value->dtype, out + (size_t)i * slice_bytes,
                                  (const char *)value->data + (size_t)at * slice_bytes, slice, c->error);
    }
    return status;
}

/* Reads the variable once and works on that value. */
static berth_status with_value(bt_call *c, berth_status (*gather)(bt_call *c, const bt_tensor *value))
{
    bt_var *var = c->n_in == 2 ? bt_var_input(c, 0) : NULL;
    if (!var) return bt_call_fail(c, "needs a variable and indices");
    bt_tensor value = {0};
    berth_status status = bt_var_read(c, var, &value);
    if (status) return status;
    status = gather(c, &value);
    bt_tensor_clear(&value);
    return status;
}

static berth_status run_gather(bt_call *c) { return with_value(c, gather_from); }
static berth_status run_gather_nd(bt_call *c) { return with_value(c, gather_nd_from); }

#define STATE .flags = BT_OP_STATEFUL
#define GATHER(op, run)                                                 \
    {                                                                   \
        op, bt_infer_var_value, .cpu = run, STATE, .type_attr = "dtype" \
    }
/* The op on a resource, and TF1's on a ref, which becomes it. */
#define CHANGE(op, run, of, attr, ...)                              \
    {"Resource" op, bt_infer_none,     .cpu = run,    STATE,        \
     .types = of,   .type_attr = attr, .outputs = "", __VA_ARGS__}, \
    {                                                               \
        op, bt_infer_var_value, STATE, .types = of                  \
    }
#define ROWS(op, run, of) CHANGE(op, run, of, "dtype", .prepare = prepare_rows)

const bt_op bt_ops_variable_scatter[] = {
    GATHER("ResourceGather", run_gather),
    GATHER("ResourceGatherNd", run_gather_nd),
    ROWS("ScatterUpdate", run_update, BT_ANY),
    ROWS("ScatterAdd", run_add, BT_NUMBERS),
    ROWS("ScatterSub", run_sub, BT_NUMBERS),
    ROWS("ScatterMul", run_mul, BT_NUMBERS),
    ROWS("ScatterDiv", run_div, BT_NUMBERS),
    ROWS("ScatterMin", run_min, BT_REALS),
    ROWS("ScatterMax", run_max, BT_REALS),
    CHANGE("ScatterNdUpdate", run_nd_update, BT_ANY, "T"),
    CHANGE("ScatterNdAdd", run_nd_add, BT_NUMBERS | BT_T(BERTH_BOOL), "T"),
    CHANGE("ScatterNdSub", run_nd_sub, BT_NUMBERS | BT_T(BERTH_BOOL), "T"),
    CHANGE("ScatterNdMin", run_nd_min, BT_REALS, "T"),
    CHANGE("ScatterNdMax", run_nd_max, BT_REALS, "T"),
    CHANGE("StridedSliceAssign", run_slice_assign, BT_ANY, "T"),
    {NULL},
};
