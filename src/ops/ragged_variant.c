/* Ragged tensors in variants: one ragged tensor as an element, or its rows as the elements of a vector, and back. The
 * values of the elements are views of one copy. */
#include "ops/object.h"
#include "ops/ragged.h"

typedef struct ragged {
    bt_object base;
    int levels;
    bt_splits *splits; /* [levels], outermost first; they follow the struct in memory */
    bt_tensor values;
} ragged;

static void destroy(void *object)
{
    ragged *r = object;
    bt_tensor_clear(&r->values);
    bt_free(r);
}

static bt_object *zeros(const void *object, int depth, berth_error *error);

static const bt_object_type ragged_type = {"ragged tensor", destroy, .zeros = zeros};

/* Rows begin .. end of the values under all levels s[0 .. levels), which are cut to s[0]'s rows begin .. end. */
static ragged *ragged_new(const bt_splits *s, int levels, int64_t begin, int64_t end, const bt_tensor *values)
{
    size_t rows = 0;
    int64_t from = begin, to = end;
    for (int k = 0; k < levels; k++) {
        rows += (size_t)(to - from) + 1;
        from = s[k].at[from], to = s[k].at[to];
    }
    size_t head = bt_align(sizeof(ragged), 64) + (size_t)levels * sizeof(bt_splits);
    ragged *r = bt_alloc(head + rows * sizeof(int64_t));
    if (!r) return NULL;
    *r = (ragged){.base = {&ragged_type, 1}, .levels = levels};
    r->splits = (bt_splits *)((char *)r + bt_align(sizeof(ragged), 64));
    int64_t *at = (int64_t *)((char *)r + head);
    for (int k = 0; k < levels; k++) {
        int64_t n = end - begin, first = s[k].at[begin];
        for (int64_t i = 0; i <= n; i++) at[i] = s[k].at[begin + i] - first;
        r->splits[k] = (bt_splits){at, n};
        at += n + 1, end = s[k].at[end], begin = first;
    }
    bt_tensor_share(&r->values, values);
    r->values.shape.dim[0] = end - begin;
    r->values.data = bt_at(values->dtype, values->data, begin * bt_ragged_inner(&values->shape));
    return r;
}

/* A tensor without any level: any rank. */
static ragged *plain_new(const bt_tensor *values)
{
    ragged *r = bt_calloc(1, sizeof *r);
    if (!r) return NULL;
    r->base.type = &ragged_type, r->base.refs = 1;
    bt_tensor_share(&r->values, values);
    return r;
}

static bt_object *zeros(const void *object, int depth, berth_error *error)
{
    const ragged *from = object;
    bt_tensor values;
    if (bt_tensor_zeros(&values, &from->values, depth, error)) return NULL;
    ragged *r = from->levels ? ragged_new(from->splits, from->levels, 0, from->splits[0].rows, &values)
                             : plain_new(&values);
    bt_tensor_clear(&values);
    if (!r) return bt_fail_memory(error), NULL;
    return &r->base;
}

/* ---- RaggedTensorToVariant: splits, values ------------------------------------------------------------ */

static berth_status infer_to_variant(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    const bt_shape *values = &x->in[x->n_in - 1].shape;
    bool batched = bt_attr_bool(x->node, "batched_input", false);
    int64_t rows = x->n_in > 1        ? bt_infer_length(x, 0)
                   : values->rank > 0 ? values->dim[0] + (values->dim[0] >= 0)
                                      : -1;
    x->out[0] = (bt_fact){BERTH_VARIANT, batched ? BT_SHAPE(rows > 0 ? rows - 1 : -1) : BT_SCALAR, NULL};
    return BERTH_OK;
}

/* Element i is row i: of the first level, which is then gone, or of the values, without their first dimension. */
static berth_status put_rows(bt_call *c, const bt_splits *s, int levels, const bt_tensor *values)
{
    int64_t rows = levels ? s[0].rows : values->shape.dim[0];
    bt_shape shape = BT_SHAPE(rows);
    bt_object **out = bt_out(c, 0, BERTH_VARIANT, &shape);
    if (!out) return BERTH_NO_MEMORY;
    for (int64_t i = 0; i < rows; i++) {
        int64_t begin = levels ? s[0].at[i] : i, end = levels ? s[0].at[i + 1] : i + 1;
        ragged *r = ragged_new(s + (levels > 0), levels ? levels - 1 : 0, begin, end, values);
        if (!r) return bt_fail_memory(c->error);
        if (!levels) {
            r->values.shape.rank--;
            memmove(r->values.shape.dim, r->values.shape.dim + 1,
                    (BT_MAX_RANK - 1) * sizeof *r->values.shape.dim);
        }
        out[i] = &r->base;
    }
    return BERTH_OK;
}

static berth_status run_to_variant(bt_call *c)
{
    int levels = c->n_in - 1;
    bool batched = bt_attr_bool(c->node, "batched_input", false);
    bt_tensor values;
    const bt_tensor *in = c->in[levels];
    if (in->shape.rank == 0 && (batched || levels)) return bt_call_fail(c, "the values are a scalar");
    const bt_splits *s = bt_ragged_splits(c, 0, levels, in->shape.rank ? in->shape.dim[0] : 0);
    if (!s) return c->error->status;
    berth_status status = bt_tensor_keep(&values, in, c->error);
    if (status) return status;
    if (batched) {
        status = put_rows(c, s, levels, &values);
    } else {
        ragged *r = levels ? ragged_new(s, levels, 0, s[0].rows, &values) : plain_new(&values);
        status = r ? bt_out_object(c, 0, BERTH_VARIANT, &r->base) : bt_fail_memory(c->error);
    }
    bt_tensor_clear(&values);
    return status;
}

/* ---- RaggedTensorFromVariant -------------------------------------------------------------------------- */

static berth_status infer_from_variant(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    for (int i = 0; i + 1 < x->n_out; i++)
        x->out[i] = (bt_fact){bt_attr_type(x->node, "Tsplits", BERTH_INT64), BT_SHAPE(-1), NULL};
    x->out[x->n_out - 1].dtype = bt_attr_type(x->node, "Tvalues", BERTH_NO_DTYPE);
    return BERTH_OK;
}

/* Elements that fit one another: as many levels, the type asked for, values of one inner shape. */
static berth_status check_elements(bt_call *c, ragged *const *r, int64_t n, int levels, berth_dtype dtype)
{
    for (int64_t i = 0; i < n; i++) {
        if (!r[i] || r[i]->base.type != &ragged_type)
            return bt_call_fail(c, "element %lld is no ragged tensor", (long long)i);
        if (r[i]->levels != levels)
            return bt_call_fail(c, "element %lld has %d levels, not %d", (long long)i, r[i]->levels, levels);
        if (r[i]->values.dtype != dtype)
            return bt_call_fail(c, "element %lld has values of %s", (long long)i,
                                bt_dtype_name(r[i]->values.dtype));
        bt_shape a = r[i]->values.shape, b = r[0]->values.shape;
        if (a.rank > 0 && b.rank > 0) a.dim[0] = b.dim[0] = 0;
        if (!bt_shape_equal(&a, &b))
            return bt_call_fail(c, "element %lld has values of another shape", (long long)i);
    }
    return BERTH_OK;
}

/* Level k of all elements, one behind the other; k = -1: the level that the elements themselves are. */
static berth_status join_level(bt_call *c, int out, ragged *const *r, int64_t n, int levels, int k)
{
    int64_t rows = 0, end = 0, *at;
    for (int64_t i = 0; i < n; i++) rows += k < 0 ? 1 : r[i]->splits[k].rows;
    if (!(at = bt_scratch(c, ((size_t)rows + 1) * sizeof *at))) return BERTH_NO_MEMORY;
    int64_t *to = at;
    *to++ = 0;
    for (int64_t i = 0; i < n; i++) {
        if (k < 0) {
            *to++ = end += levels ? r[i]->splits[0].rows : r[i]->values.shape.dim[0];
            continue;
        }
        const bt_splits *s = &r[i]->splits[k];
        for (int64_t j = 1; j <= s->rows; j++) *to++ = end + s->at[j];
        end += s->at[s->rows];
    }
    return bt_ragged_put(c, out, at, rows);
}

static berth_status join_values(bt_call *c, ragged *const *r, int64_t n, bool rows, berth_dtype dtype)
{
    bt_shape shape = n ? r[0]->values.shape : BT_SHAPE(0);
    if (rows) shape.dim[0] = 0;
    for (int64_t i = 0; rows && i < n; i++) shape.dim[0] += r[i]->values.shape.dim[0];
    void *out = bt_out(c, c->n_out - 1, dtype, &shape);
    berth_status status = out ? BERTH_OK : BERTH_NO_MEMORY;
    for (int64_t i = 0, at = 0; !status && i < n; i++) {
        int64_t count = bt_tensor_count(&r[i]->values);
        status = bt_move_row(dtype, bt_at(dtype, out, at), r[i]->values.data, count, NULL, c->error);
        at += count;
    }
    return status;
}

static berth_status run_from_variant(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    berth_dtype dtype = bt_attr_type(c->node, "Tvalues", BERTH_NO_DTYPE);
    int all = c->n_out - 1, batch = in->shape.rank;
    int64_t levels = bt_attr_int(c->node, "input_ragged_rank", -1), n = bt_tensor_count(in);
    if (levels < 0) levels = all - batch;
    if (in->dtype != BERTH_VARIANT || levels < 0 || all != levels + batch)
        return bt_call_fail(c, "%d levels cannot be made of %d dimensions of elements with %lld levels", all,
                            batch, (long long)levels);
    ragged *const *r = in->data;
    berth_status status = check_elements(c, r, n, (int)levels, dtype);
    if (status) return status;
    if (batch && n && r[0]->values.shape.rank == 0) return bt_call_fail(c, "the elements are scalars");
    status = bt_ragged_put_batch(c, &in->shape);
    if (!status && batch) status = join_level(c, batch - 1, r, n, (int)levels, -1);
    for (int k = 0; !status && k < levels; k++) status = join_level(c, batch + k, r, n, (int)levels, k);
    return status ? status : join_values(c, r, n, batch > 0, dtype);
}

const bt_op bt_ops_ragged_variant[] = {
    {.name = "RaggedTensorToVariant",
     .infer = infer_to_variant,
     .cpu = run_to_variant,
     .outputs = "encoded_ragged"},
    {.name = "RaggedTensorFromVariant",
     .infer = infer_from_variant,
     .cpu = run_from_variant,
     .outputs = "output_nested_splits*output_ragged_rank,output_dense_values"},
    {0},
};
