/* Ops about shapes: those that read one (Shape, Size, Rank), those that give the same elements another one
 * (Reshape, Squeeze, ExpandDims, EnsureShape), and broadcasting by hand. The values of Shape and its kind are
 * told at plan time by the planner, not here. */
#include "ops/move.h"

/* ---- Reading a shape ---------------------------------------------------------------------------------- */

static berth_dtype out_type(const bt_node *node) { return bt_attr_type(node, "out_type", BERTH_INT32); }

static berth_status infer_shape(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, x->n_out);
    for (int i = 0; !status && i < x->n_out; i++) {
        int rank = x->in[i].shape.rank;
        x->out[i].dtype = out_type(x->node);
        x->out[i].shape = BT_SHAPE(rank < 0 ? -1 : rank);
    }
    return status;
}

static berth_status infer_size(bt_infer *x)
{
    x->out[0].dtype = out_type(x->node);
    x->out[0].shape = BT_SCALAR;
    return bt_infer_arity(x, 1);
}

static berth_status infer_rank(bt_infer *x)
{
    x->out[0].dtype = BERTH_INT32;
    x->out[0].shape = BT_SCALAR;
    return bt_infer_arity(x, 1);
}

/* Writes numbers as output i, of type out_type. */
static berth_status put_sizes(bt_call *c, int i, bt_shape shape, const int64_t *sizes, berth_dtype dtype)
{
    if (dtype != BERTH_INT32 && dtype != BERTH_INT64)
        return bt_call_fail(c, "sizes are int32 or int64, not %s", bt_dtype_name(dtype));
    void *out = bt_out(c, i, dtype, &shape);
    if (!out) return BERTH_NO_MEMORY;
    int64_t n = bt_shape_count(&shape);
    for (int64_t k = 0; k < n; k++) {
        if (dtype == BERTH_INT64) {
            ((int64_t *)out)[k] = sizes[k];
        } else if (sizes[k] > INT32_MAX) {
            return bt_call_fail(c, "size %lld does not fit int32: out_type must be int64",
                                (long long)sizes[k]);
        } else {
            ((int32_t *)out)[k] = (int32_t)sizes[k];
        }
    }
    return BERTH_OK;
}

static berth_status run_shape(bt_call *c)
{
    berth_status status = BERTH_OK;
    for (int i = 0; !status && i < c->n_out; i++)
        status = put_sizes(c, i, BT_SHAPE(c->in[i]->shape.rank), c->in[i]->shape.dim, out_type(c->node));
    return status;
}

static berth_status run_size(bt_call *c)
{
    int64_t n = bt_tensor_count(c->in[0]);
    return put_sizes(c, 0, BT_SCALAR, &n, out_type(c->node));
}

static berth_status run_rank(bt_call *c)
{
    int64_t rank = c->in[0]->shape.rank;
    return put_sizes(c, 0, BT_SCALAR, &rank, BERTH_INT32);
}

/* ---- Another shape for the same elements -------------------------------------------------------------- */

/* The shape that an input's value says, -1 for what it leaves open; unknown where nothing can be told. */
static berth_status wanted_shape(bt_infer *x, int i, bt_shape *shape)
{
    int64_t rank = bt_infer_length(x, i);
    *shape = BT_SHAPE_UNKNOWN;
    if (x->in[i].shape.rank > 1)
        return bt_infer_fail(x, "a shape must be a vector, and input %d has %d dimensions", i,
                             x->in[i].shape.rank);
    if (rank > BT_MAX_RANK)
        return bt_fail(x->error, BERTH_UNSUPPORTED, "a tensor of %lld dimensions (at most %d)",
                       (long long)rank, BT_MAX_RANK);
    if (x->in[i].value) {
        if (!bt_tensor_shape_value(x->in[i].value, shape)) return bt_infer_fail(x, "input %d is no shape", i);
        return BERTH_OK;
    }
    if (rank < 0) return BERTH_OK;
    shape->rank = (int)rank;
    for (int k = 0; k < shape->rank; k++) shape->dim[k] = -1;
    return BERTH_OK;
}

/* The product of the sizes that are not 0, without dimension `left_out`. */
static int64_t span_but_zeros(const bt_shape *s, int left_out)
{
    int64_t n = 1;
    for (int k = 0; k < s->rank; k++)
        if (k != left_out && s->dim[k] && __builtin_mul_overflow(n, s->dim[k], &n)) return INT64_MAX;
    return n;
}

/* Puts the size that -1 stands for into a wanted shape whose other sizes are given. */
static berth_status fill_open(bt_infer *x, bt_shape *shape)
{
    char have[BT_SHAPE_TEXT], want[BT_SHAPE_TEXT];
    int64_t count = bt_shape_count(&x->in[0].shape), rest = 1;
    int open = -1;
    for (int k = 0; k < shape->rank; k++) {
        if (shape->dim[k] < 0 && open >= 0) return bt_infer_fail(x, "only one size of a shape can be -1");
        if (shape->dim[k] < 0) open = k;
        else if (__builtin_mul_overflow(rest, shape->dim[k], &rest))
            return bt_infer_fail(x, "the shape is too large");
    }
    if (count < 0) return BERTH_OK;
    if (open >= 0 && rest == 0 && count == 0) {
        /* Sizes of 0 are left out on both sides. */
        shape->dim[open] = span_but_zeros(&x->in[0].shape, -1) / span_but_zeros(shape, open);
        return BERTH_OK;
    }
    if (open >= 0 && rest == 0) return bt_infer_fail(x, "-1 in a shape with a size of 0 cannot be told");
    if (open >= 0) shape->dim[open] = count / rest;
    if (open >= 0 ? count % rest != 0 : count != rest)
        return bt_infer_fail(x, "shape %s cannot become %s", bt_shape_text(&x->in[0].shape, have),
                             bt_shape_text(shape, want));
    return BERTH_OK;
}

static berth_status infer_reshape(bt_infer *x)
{
    bt_shape *shape = &x->out[0].shape;
    berth_status status = bt_infer_arity(x, 2);
    if (status || (status = wanted_shape(x, 1, shape))) return status;
    x->out[0].dtype = x->in[0].dtype;
    return x->in[1].value ? fill_open(x, shape) : BERTH_OK;
}

static berth_status infer_squeeze(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    const bt_shape *in = &x->in[0].shape;
    bt_shape *out = &x->out[0].shape;
    x->out[0].dtype = x->in[0].dtype;
    if (in->rank < 0) return BERTH_OK;
    const bt_attr_value *axes;
    int n_axes = bt_attr_list(x->node, "squeeze_dims", &axes);
    bool drop[BT_MAX_RANK] = {false};
    for (int i = 0; i < n_axes; i++) {
        int axis;
        if (!bt_axis(axes[i].i, in->rank, &axis))
            return bt_infer_fail(x, "axis %lld of a tensor of %d dimensions", (long long)axes[i].i, in->rank);
        if (in->dim[axis] >= 0 && in->dim[axis] != 1)
            return bt_infer_fail(x, "cannot squeeze dimension %d of size %lld", axis,
                                 (long long)in->dim[axis]);
        drop[axis] = true;
    }
    for (int i = 0; n_axes <= 0 && i < in->rank; i++) {
        if (in->dim[i] < 0) return BERTH_OK;
        drop[i] = in->dim[i] == 1;
    }
    out->rank = 0;
    for (int i = 0; i < in->rank; i++)
        if (!drop[i]) out->dim[out->rank++] = in->dim[i];
    return BERTH_OK;
}

static berth_status infer_expand_dims(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 2);
    if (status) return status;
    const bt_shape *in = &x->in[0].shape;
    bt_shape *out = &x->out[0].shape;
    x->out[0].dtype = x->in[0].dtype;
    if (in->rank < 0) return BERTH_OK;
    if (in->rank == BT_MAX_RANK)
        return bt_fail(x->error, BERTH_UNSUPPORTED, "more than %d dimensions", BT_MAX_RANK);
    int axis;
    if ((status = bt_infer_axis(x, 1, in->rank + 1, &axis))) return status;
    out->rank = in->rank + 1;
    for (int i = 0; i < out->rank; i++) out->dim[i] = axis < 0 ? -1 : i == axis ? 1 : in->dim[i - (i > axis)];
    return BERTH_OK;
}

static berth_status infer_ensure_shape(bt_infer *x)
{
    bt_shape wanted;
    char have[BT_SHAPE_TEXT], want[BT_SHAPE_TEXT];
    berth_status status = bt_infer_same(x);
    if (status || !bt_attr_shape(x->node, "shape", &wanted)) return status;
    if (!bt_shape_merge(&x->out[0].shape, &wanted))
        return bt_infer_fail(x, "the shape is %s, and must be %s", bt_shape_text(&x->in[0].shape, have),
                             bt_shape_text(&wanted, want));
    return BERTH_OK;
}

static berth_status run_same_elements(bt_call *c)
{
    bt_fact out;
    berth_status status = bt_call_facts(c, &out);
    return status ? status : bt_out_alias(c, 0, 0, c->in[0]->dtype, &out.shape);
}

/* ---- Broadcasting ------------------------------------------------------------------------------------- */

static berth_status infer_broadcast_to(bt_infer *x)
{
    bt_shape joined, *shape = &x->out[0].shape;
    char have[BT_SHAPE_TEXT], want[BT_SHAPE_TEXT];
    berth_status status = bt_infer_arity(x, 2);
    if (status || (status = wanted_shape(x, 1, shape))) return status;
    x->out[0].dtype = x->in[0].dtype;
    for (int i = 0; x->in[1].value && i < shape->rank; i++)
        if (shape->dim[i] < 0) return bt_infer_fail(x, "a negative size to broadcast to");
    if (x->in[1].value && x->in[0].shape.rank >= 0 &&
        (!bt_shape_broadcast(&x->in[0].shape, shape, &joined) || !bt_shape_compatible(&joined, shape)))
        return bt_infer_fail(x, "shape %s does not broadcast to %s", bt_shape_text(&x->in[0].shape, have),
                             bt_shape_text(shape, want));
    return BERTH_OK;
}

static berth_status run_broadcast_to(bt_call *c)
{
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    const bt_tensor *in = c->in[0];
    const bt_shape *shape = &fact.shape;
    void *out = bt_out(c, 0, in->dtype, shape);
    if (!out) return BERTH_NO_MEMORY;
    int64_t to[BT_MAX_RANK], from[BT_MAX_RANK];
    bt_strides(shape, to);
    bt_strides(&in->shape, from);
    bt_move move = {.dtype = in->dtype};
    for (int i = 0; i < shape->rank; i++) {
        int j = i - (shape->rank - in->shape.rank);
        bt_move_axis(&move, shape->dim[i], to[i], j < 0 || in->shape.dim[j] == 1 ? 0 : from[j]);
    }
    return bt_call_move(c, &move, out, in->data);
}

static berth_status infer_broadcast_args(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 2);
    if (status || (status = bt_infer_alike(x, 0, 2))) return status;
    int64_t a = bt_infer_length(x, 0), b = bt_infer_length(x, 1);
    x->out[0].dtype = bt_infer_type(x, 0);
    x->out[0].shape = BT_SHAPE(a < 0 || b < 0 ? -1 : a > b ? a : b);
    return BERTH_OK;
}

/* Two shape vectors; false with the error set when they are none. */
static bool shape_pair(bt_call *c, bt_shape *a, bt_shape *b)
{
    if (bt_ints(c->in[0], a->dim, BT_MAX_RANK, &a->rank) &&
        bt_ints(c->in[1], b->dim, BT_MAX_RANK, &b->rank) && c->in[0]->dtype == c->in[1]->dtype)
        return true;
    return bt_call_fail(c, "takes two shapes of at most %d sizes", BT_MAX_RANK), false;
}

static berth_status unlike_shapes(bt_call *c, const bt_shape *a, const bt_shape *b)
{
    char left[BT_SHAPE_TEXT], right[BT_SHAPE_TEXT];
    return bt_call_fail(c, "shapes %s and %s do not broadcast", bt_shape_text(a, left),
                        bt_shape_text(b, right));
}

static berth_status run_broadcast_args(bt_call *c)
{
    bt_shape a, b, joined;
    if (!shape_pair(c, &a, &b)) return BERTH_BAD_INPUT;
    if (!bt_shape_broadcast(&a, &b, &joined)) return unlike_shapes(c, &a, &b);
    return put_sizes(c, 0, BT_SHAPE(joined.rank), joined.dim, c->in[0]->dtype);
}

static berth_status infer_gradient_args(bt_infer *x)
{
    for (int i = 0; i < 2; i++) x->out[i] = (bt_fact){bt_infer_type(x, 0), BT_SHAPE(-1), NULL};
    return bt_infer_arity(x, 2);
}

/* The axes over which a gradient of the broadcast result is summed to get back to each shape: those where that
 * shape has 1 (or nothing) and the other has not, and those where both have 1; none when the two are equal. */
static berth_status run_gradient_args(bt_call *c)
{
    bt_shape s[2], joined;
    if (!shape_pair(c, &s[0], &s[1])) return BERTH_BAD_INPUT;
    if (!bt_shape_broadcast(&s[0], &s[1], &joined)) return unlike_shapes(c, &s[0], &s[1]);
    bool equal = bt_shape_equal(&s[0], &s[1]);
    for (int i = 0; i < 2; i++) {
        int64_t axes[BT_MAX_RANK], n = 0;
        for (int k = 0; !equal && k < joined.rank; k++) {
            int j = k - (joined.rank - s[i].rank);
            if (j < 0 || s[i].dim[j] == 1) axes[n++] = k;
        }
        berth_status status = put_sizes(c, i, BT_SHAPE(n), axes, c->in[0]->dtype);
        if (status) return status;
    }
    return BERTH_OK;
}

const bt_op bt_ops_shape[] = {
    {.name = "Shape", .infer = infer_shape, .cpu = run_shape},
    {.name = "ShapeN", .infer = infer_shape, .cpu = run_shape, .outputs = "output*N"},
    {.name = "Size", .infer = infer_size, .cpu = run_size},
    {.name = "Rank", .infer = infer_rank, .cpu = run_rank},
    {.name = "Reshape",
     .infer = infer_reshape,
     .cpu = run_same_elements,
     .gpu = run_same_elements,
     .gpu_types = ~0u,
     .host_inputs = 2,
     .flags = BT_OP_ALIAS},
    {.name = "Squeeze",
     .infer = infer_squeeze,
     .cpu = run_same_elements,
     .gpu = run_same_elements,
     .gpu_types = ~0u,
     .flags = BT_OP_ALIAS},
    {.name = "ExpandDims",
     .infer = infer_expand_dims,
     .cpu = run_same_elements,
     .gpu = run_same_elements,
     .gpu_types = ~0u,
     .host_inputs = 2,
     .flags = BT_OP_ALIAS},
    {.name = "EnsureShape",
     .infer = infer_ensure_shape,
     .cpu = run_same_elements,
     .gpu = run_same_elements,
     .gpu_types = ~0u,
     .flags = BT_OP_ALIAS},
    {.name = "BroadcastTo",
     .infer = infer_broadcast_to,
     .cpu = run_broadcast_to,
     .gpu = run_broadcast_to,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = 2},
    {.name = "BroadcastArgs", .infer = infer_broadcast_args, .cpu = run_broadcast_args},
    {.name = "BroadcastGradientArgs",
     .infer = infer_gradient_args,
     .cpu = run_gradient_args,
     .outputs = "r0,r1"},
    {0},
};
