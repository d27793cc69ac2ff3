/* Joining tensors along an axis and taking them apart: Concat, Pack, Split, Unpack and their variants. All are
 * strided copies of blocks: with outer = the product of the dimensions before the axis, and inner of those from it
 * on, a part is `outer` rows of its own inner elements. */
#include "ops/move.h"

enum direction { JOIN, PART };

/* Copies rows between one part (rows lie close) and its place in the whole, `at` elements into rows of `whole`. */
static berth_status move_rows(bt_call *c, enum direction way, berth_dtype dtype, void *dst, const void *src,
                              int64_t outer, int64_t inner, int64_t whole, int64_t at)
{
    bt_move m = {.dtype = dtype};
    bool join = way == JOIN;
    if (outer == 0 || inner == 0) return BERTH_OK;
    bt_move_axis(&m, outer, join ? whole : inner, join ? inner : whole);
    bt_move_axis(&m, inner, 1, 1);
    return bt_call_move(c, &m, join ? bt_at(dtype, dst, at) : dst, join ? src : bt_at_const(dtype, src, at));
}

/* ---- Concat ------------------------------------------------------------------------------------------- */

/* Shape of in[first .. first + n) joined along an axis; axis -1: not known. */
static berth_status infer_join(bt_infer *x, int first, int n, int axis)
{
    bt_shape *out = &x->out[0].shape;
    char one[BT_SHAPE_TEXT], other[BT_SHAPE_TEXT];
    int rank = -1;
    for (int i = first; i < first + n; i++) {
        bt_shape in = x->in[i].shape;
        if (in.rank < 0) continue;
        if (rank >= 0 && in.rank != rank)
            return bt_infer_fail(x, "joins shapes %s and %s", bt_shape_text(out, one),
                                 bt_shape_text(&in, other));
        if (rank < 0) *out = in, rank = in.rank;
        for (int k = 0; axis < 0 && k < rank; k++) out->dim[k] = -1;
        int64_t mine = axis < 0 ? -1 : in.dim[axis];
        if (axis >= 0) in.dim[axis] = out->dim[axis] = -1;
        if (axis >= 0 && !bt_shape_merge(out, &in)) {
            in.dim[axis] = mine;
            return bt_infer_fail(x, "joins shapes %s and %s along axis %d", bt_shape_text(out, one),
                                 bt_shape_text(&in, other), axis);
        }
    }
    if (rank < 0 || axis < 0) return BERTH_OK;
    int64_t total = 0;
    for (int i = first; i < first + n; i++) {
        int64_t mine = x->in[i].shape.rank < 0 ? -1 : x->in[i].shape.dim[axis];
        total = total < 0 || mine < 0 ? -1 : total + mine;
    }
    out->dim[axis] = total;
    return BERTH_OK;
}

static int known_rank(const bt_infer *x, int first, int n)
{
    for (int i = first; i < first + n; i++)
        if (x->in[i].shape.rank >= 0) return x->in[i].shape.rank;
    return -1;
}

/* Values in [first, first + n), the axis in input `at`. */
static berth_status infer_concat_of(bt_infer *x, int first, int n, int at)
{
    berth_status status = bt_infer_alike(x, first, first + n);
    int rank = known_rank(x, first, n), axis = -1;
    x->out[0].dtype = bt_infer_type(x, first);
    if (!status && rank == 0) return bt_infer_fail(x, "cannot join scalars");
    if (!status && rank > 0) status = bt_infer_axis(x, at, rank, &axis);
    return status ? status : infer_join(x, first, n, axis);
}

static berth_status infer_concat(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 2);
    return status ? status : infer_concat_of(x, 1, x->n_in - 1, 0);
}

static berth_status infer_concat_v2(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 2);
    return status ? status : infer_concat_of(x, 0, x->n_in - 1, x->n_in - 1);
}

static berth_status infer_parallel_concat(bt_infer *x)
{
    bt_shape declared;
    berth_status status = bt_infer_arity(x, 1);
    if (status || (status = bt_infer_alike(x, 0, x->n_in))) return status;
    x->out[0].dtype = bt_infer_type(x, 0);
    int rank = known_rank(x, 0, x->n_in);
    if (rank == 0) return bt_infer_fail(x, "cannot join scalars");
    if (rank > 0 && (status = infer_join(x, 0, x->n_in, 0))) return status;
    if (bt_attr_shape(x->node, "shape", &declared) && !bt_shape_merge(&x->out[0].shape, &declared))
        return bt_infer_fail(x, "the values do not join to the declared shape");
    return BERTH_OK;
}

static berth_status join(bt_call *c, int first, int n, const bt_shape *shape, int axis)
{
    berth_dtype dtype = c->in[first]->dtype;
    void *out = bt_out(c, 0, dtype, shape);
    if (!out) return BERTH_NO_MEMORY;
    int64_t outer = bt_shape_span(shape, 0, axis), whole = bt_shape_span(shape, axis, shape->rank), at = 0;
    berth_status status = BERTH_OK;
    for (int i = first; !status && i < first + n; i++) {
        int64_t inner = bt_shape_span(&c->in[i]->shape, axis, shape->rank);
        status = move_rows(c, JOIN, dtype, out, c->in[i]->data, outer, inner, whole, at);
        at += inner;
    }
    return status;
}

static berth_status run_concat(bt_call *c)
{
    bt_fact out;
    berth_status status = bt_call_facts(c, &out);
    return status ? status : join(c, 1, c->n_in - 1, &out.shape, bt_call_axis(c, 0, out.shape.rank));
}

static berth_status run_concat_v2(bt_call *c)
{
    bt_fact out;
    berth_status status = bt_call_facts(c, &out);
    return status ? status
                  : join(c, 0, c->n_in - 1, &out.shape, bt_call_axis(c, c->n_in - 1, out.shape.rank));
}

static berth_status run_parallel_concat(bt_call *c)
{
    bt_fact out;
    berth_status status = bt_call_facts(c, &out);
    return status ? status : join(c, 0, c->n_in, &out.shape, 0);
}

/* Where each of the shapes begins in their concatenation. */
static berth_status infer_concat_offset(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, x->n_out + 1);
    for (int i = 0; !status && i < x->n_out; i++)
        x->out[i] = (bt_fact){bt_infer_type(x, i + 1), BT_SHAPE(bt_infer_length(x, i + 1)), NULL};
    return status;
}

static berth_status run_concat_offset(bt_call *c)
{
    int64_t first[BT_MAX_RANK], sizes[BT_MAX_RANK], at = 0;
    int rank = 0, n, axis = 0;
    for (int i = 0; i < c->n_out; i++) {
        const bt_tensor *in = c->in[i + 1];
        if (!bt_ints(in, sizes, BT_MAX_RANK, &n) || in->shape.rank != 1 || (i > 0 && n != rank) ||
            (in->dtype != BERTH_INT32 && in->dtype != BERTH_INT64))
            return bt_call_fail(c, "input %d is no shape of %d dimensions", i + 1, rank);
        if (i == 0) {
            rank = n;
            memcpy(first, sizes, sizeof first);
            if (!bt_axis(bt_tensor_int(c->in[0], 0), rank, &axis))
                return bt_call_fail(c, "the axis is out of range [%d, %d)", -rank, rank);
        }
        void *out = bt_out(c, i, in->dtype, &in->shape);
        if (!out) return BERTH_NO_MEMORY;
        for (int k = 0; k < rank; k++) {
            if (k != axis && sizes[k] != first[k])
                return bt_call_fail(c, "shapes 0 and %d differ in dimension %d", i, k);
            int64_t value = k == axis ? at : 0;
            if (in->dtype == BERTH_INT64) ((int64_t *)out)[k] = value;
            else ((int32_t *)out)[k] = (int32_t)value;
        }
        at += rank ? sizes[axis] : 0;
    }
    return BERTH_OK;
}

/* ---- Pack and Unpack ---------------------------------------------------------------------------------- */

static berth_status infer_pack(bt_infer *x)
{
    bt_shape joined = BT_SHAPE_UNKNOWN, *out = &x->out[0].shape;
    char one[BT_SHAPE_TEXT], other[BT_SHAPE_TEXT];
    int axis;
    berth_status status = bt_infer_arity(x, 1);
    if (status || (status = bt_infer_alike(x, 0, x->n_in))) return status;
    x->out[0].dtype = bt_infer_type(x, 0);
    for (int i = 0; i < x->n_in; i++)
        if (!bt_shape_merge(&joined, &x->in[i].shape))
            return bt_infer_fail(x, "packs shapes %s and %s", bt_shape_text(&joined, one),
                                 bt_shape_text(&x->in[i].shape, other));
    if (joined.rank < 0) return BERTH_OK;
    if (joined.rank == BT_MAX_RANK)
        return bt_fail(x->error, BERTH_UNSUPPORTED, "more than %d dimensions", BT_MAX_RANK);
    if (!bt_axis(bt_attr_int(x->node, "axis", 0), joined.rank + 1, &axis))
        return bt_infer_fail(x, "the axis is out of range [%d, %d)", -joined.rank - 1, joined.rank + 1);
    out->rank = joined.rank + 1;
    for (int i = 0; i < out->rank; i++) out->dim[i] = i == axis ? x->n_in : joined.dim[i - (i > axis)];
    return BERTH_OK;
}

static berth_status run_pack(bt_call *c)
{
    bt_fact fact;
    int axis = 0;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    void *out = bt_out(c, 0, c->in[0]->dtype, &fact.shape);
    if (!out) return BERTH_NO_MEMORY;
    bt_axis(bt_attr_int(c->node, "axis", 0), fact.shape.rank, &axis);
    int64_t outer = bt_shape_span(&fact.shape, 0, axis);
    int64_t inner = bt_shape_span(&fact.shape, axis + 1, fact.shape.rank);
    for (int i = 0; !status && i < c->n_in; i++)
        status = move_rows(c, JOIN, c->in[0]->dtype, out, c->in[i]->data, outer, inner, c->n_in * inner,
                           i * inner);
    return status;
}

static berth_status infer_unpack(bt_infer *x)
{
    int axis;
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    const bt_shape *in = &x->in[0].shape;
    for (int i = 0; i < x->n_out; i++) x->out[i].dtype = bt_infer_type(x, 0);
    if (in->rank < 0) return BERTH_OK;
    if (!bt_axis(bt_attr_int(x->node, "axis", 0), in->rank, &axis))
        return bt_infer_fail(x, "the axis is out of range [%d, %d)", -in->rank, in->rank);
    if (in->dim[axis] >= 0 && in->dim[axis] != x->n_out)
        return bt_infer_fail(x, "takes apart %lld elements along axis %d into %d", (long long)in->dim[axis],
                             axis, x->n_out);
    for (int i = 0; i < x->n_out; i++) {
        bt_shape *out = &x->out[i].shape;
        out->rank = 0;
        for (int k = 0; k < in->rank; k++)
            if (k != axis) out->dim[out->rank++] = in->dim[k];
    }
    return BERTH_OK;
}

static berth_status run_unpack(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    int axis = 0;
    bt_fact *facts = bt_call_facts_many(c);
    if (!facts) return c->error->status;
    bt_axis(bt_attr_int(c->node, "axis", 0), in->shape.rank, &axis);
    int64_t outer = bt_shape_span(&in->shape, 0, axis),
            inner = bt_shape_span(&in->shape, axis + 1, in->shape.rank);
    berth_status status = BERTH_OK;
    for (int i = 0; !status && i < c->n_out; i++) {
        void *out = bt_out(c, i, in->dtype, &facts[i].shape);
        if (!out) return BERTH_NO_MEMORY;
        status = move_rows(c, PART, in->dtype, out, in->data, outer, inner, c->n_out * inner, i * inner);
    }
    return status;
}

/* ---- Split and SplitV --------------------------------------------------------------------------------- */

static berth_status infer_split(bt_infer *x)
{
    int axis;
    berth_status status = bt_infer_arity(x, 2);
    if (status) return status;
    const bt_shape *in = &x->in[1].shape;
    for (int i = 0; i < x->n_out; i++) x->out[i].dtype = bt_infer_type(x, 1);
    if (in->rank < 0 || (status = bt_infer_axis(x, 0, in->rank, &axis))) return status;
    bt_shape part = *in;
    for (int k = 0; axis < 0 && k < in->rank; k++) part.dim[k] = -1;
    if (axis >= 0 && in->dim[axis] >= 0) {
        if (x->n_out == 0 || in->dim[axis] % x->n_out)
            return bt_infer_fail(x, "%lld elements do not split into %d equal parts",
                                 (long long)in->dim[axis], x->n_out);
        part.dim[axis] = in->dim[axis] / x->n_out;
    }
    for (int i = 0; i < x->n_out; i++) x->out[i].shape = part;
    return BERTH_OK;
}

/* Sizes of the parts into out[].shape.dim[axis]; one of them may be -1: what is left. */
static berth_status part_sizes(bt_infer *x, const bt_tensor *sizes, int64_t whole, int axis)
{
    int64_t sum = 0;
    int open = -1;
    if (bt_tensor_count(sizes) != x->n_out)
        return bt_infer_fail(x, "%lld sizes for %d parts", (long long)bt_tensor_count(sizes), x->n_out);
    for (int i = 0; i < x->n_out; i++) {
        int64_t size = bt_tensor_int(sizes, i);
        x->out[i].shape.dim[axis] = size;
        if (size < -1 || (size == -1 && open >= 0))
            return bt_infer_fail(x, "sizes of parts must not be negative, but one may be -1");
        if (size == -1) open = i;
        else if (__builtin_add_overflow(sum, size, &sum))
            return bt_infer_fail(x, "the sizes of the parts are too large");
    }
    if (whole < 0) return BERTH_OK;
    if (open >= 0 ? sum > whole : sum != whole)
        return bt_infer_fail(x, "the sizes of the parts add up to %lld, and not to %lld", (long long)sum,
                             (long long)whole);
    if (open >= 0) x->out[open].shape.dim[axis] = whole - sum;
    return BERTH_OK;
}

static berth_status infer_split_v(bt_infer *x)
{
    int axis;
    berth_status status = bt_infer_arity(x, 3);
    if (status) return status;
    const bt_shape *in = &x->in[0].shape;
    for (int i = 0; i < x->n_out; i++) x->out[i].dtype = bt_infer_type(x, 0);
    if (in->rank < 0 || (status = bt_infer_axis(x, 2, in->rank, &axis))) return status;
    for (int i = 0; i < x->n_out; i++) {
        x->out[i].shape = *in;
        for (int k = 0; k < in->rank; k++)
            if (axis < 0 || k == axis) x->out[i].shape.dim[k] = -1;
    }
    return axis < 0 || !x->in[1].value ? BERTH_OK : part_sizes(x, x->in[1].value, in->dim[axis], axis);
}

static berth_status run_split_of(bt_call *c, const bt_tensor *in, int axis_input)
{
    bt_fact *facts = bt_call_facts_many(c);
    if (!facts) return c->error->status;
    int axis = bt_call_axis(c, axis_input, in->shape.rank);
    int64_t outer = bt_shape_span(&in->shape, 0, axis),
            whole = bt_shape_span(&in->shape, axis, in->shape.rank), at = 0;
    berth_status status = BERTH_OK;
    for (int i = 0; !status && i < c->n_out; i++) {
        void *out = bt_out(c, i, in->dtype, &facts[i].shape);
        if (!out) return BERTH_NO_MEMORY;
        int64_t inner = bt_shape_span(&facts[i].shape, axis, in->shape.rank);
        status = move_rows(c, PART, in->dtype, out, in->data, outer, inner, whole, at);
        at += inner;
    }
    return status;
}

static berth_status run_split(bt_call *c) { return run_split_of(c, c->in[1], 0); }
static berth_status run_split_v(bt_call *c) { return run_split_of(c, c->in[0], 2); }

const bt_op bt_ops_concat[] = {
    {.name = "Concat",
     .infer = infer_concat,
     .cpu = run_concat,
     .gpu = run_concat,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = 1},
    {.name = "ConcatV2",
     .infer = infer_concat_v2,
     .cpu = run_concat_v2,
     .gpu = run_concat_v2,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = BT_HOST_LAST},
    {.name = "ParallelConcat",
     .infer = infer_parallel_concat,
     .cpu = run_parallel_concat,
     .gpu = run_parallel_concat,
     .gpu_types = BT_GPU_MOVES},
    {.name = "ConcatOffset", .infer = infer_concat_offset, .cpu = run_concat_offset, .outputs = "offset*N"},
    {.name = "Pack", .infer = infer_pack, .cpu = run_pack, .gpu = run_pack, .gpu_types = BT_GPU_MOVES},
    {.name = "Unpack",
     .infer = infer_unpack,
     .cpu = run_unpack,
     .gpu = run_unpack,
     .gpu_types = BT_GPU_MOVES,
     .outputs = "output*num"},
    {.name = "Split",
     .infer = infer_split,
     .cpu = run_split,
     .gpu = run_split,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = 1,
     .outputs = "output*num_split"},
    {.name = "SplitV",
     .infer = infer_split_v,
     .cpu = run_split_v,
     .gpu = run_split_v,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = 6,
     .outputs = "output*num_split"},
    {0},
};
