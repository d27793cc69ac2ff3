/* The same elements in another order along axes: Reverse, ReverseSequence, Roll. */
#include "ops/move.h"

/* A copy of a tensor of this shape onto itself; what to turn round is put into it afterwards. */
static bt_move whole_move(berth_dtype dtype, const bt_shape *shape)
{
    bt_move m = {.dtype = dtype};
    int64_t strides[BT_MAX_RANK];
    bt_strides(shape, strides);
    for (int i = 0; i < shape->rank; i++) bt_move_axis(&m, shape->dim[i], strides[i], strides[i]);
    return m;
}

/* Turns an axis of the move round; returns how far src's first element moves. */
static int64_t turn_round(bt_move *m, int axis, int64_t n)
{
    int64_t step = m->from[axis];
    m->dim[axis] = n;
    m->from[axis] = -step;
    return n > 0 ? (n - 1) * step : 0;
}

static berth_status infer_reverse(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 2);
    return status ? status : bt_infer_same(x);
}

static berth_status reverse_axes(bt_call *c, const bool *turned)
{
    const bt_tensor *in = c->in[0];
    void *out = bt_out(c, 0, in->dtype, &in->shape);
    if (!out) return BERTH_NO_MEMORY;
    bt_move m = whole_move(in->dtype, &in->shape);
    int64_t offset = 0;
    for (int i = 0; i < in->shape.rank; i++)
        if (turned[i]) offset += turn_round(&m, i, in->shape.dim[i]);
    return bt_call_move(c, &m, out, bt_at_const(in->dtype, in->data, offset));
}

static berth_status run_reverse(bt_call *c)
{
    const bt_tensor *flags = c->in[1];
    if (flags->dtype != BERTH_BOOL || flags->shape.rank != 1 || flags->shape.dim[0] != c->in[0]->shape.rank)
        return bt_call_fail(c, "the dimensions to reverse must be a bool for each of %d",
                            c->in[0]->shape.rank);
    return reverse_axes(c, flags->data);
}

static berth_status read_axes(const bt_tensor *t, int rank, bool turned[BT_MAX_RANK], berth_error *error)
{
    int64_t axes[BT_MAX_RANK];
    int n;
    if (t->shape.rank != 1 || !bt_ints(t, axes, BT_MAX_RANK, &n))
        return bt_fail(error, BERTH_BAD_INPUT, "the axes must be a vector of at most %d integers",
                       BT_MAX_RANK);
    for (int i = 0; i < n; i++) {
        int axis;
        if (!bt_axis(axes[i], rank, &axis))
            return bt_fail(error, BERTH_BAD_INPUT, "axis %lld is out of range [%d, %d)", (long long)axes[i],
                           -rank, rank);
        if (turned[axis]) return bt_fail(error, BERTH_BAD_INPUT, "axis %d is named twice", axis);
        turned[axis] = true;
    }
    return BERTH_OK;
}

/* The kernel takes any axes of a scalar and of an empty tensor. */
static berth_status infer_reverse_v2(bt_infer *x)
{
    bool turned[BT_MAX_RANK] = {false};
    berth_status status = infer_reverse(x);
    int rank = status ? -1 : x->in[0].shape.rank;
    bool told = x->planning && rank >= 0 && x->in[1].value;
    return told ? read_axes(x->in[1].value, rank, turned, x->error) : status;
}

static berth_status run_reverse_v2(bt_call *c)
{
    bool turned[BT_MAX_RANK] = {false};
    int rank = c->in[0]->shape.rank;
    bool any = rank > 0 && bt_tensor_count(c->in[0]) > 0;
    berth_status status = any ? read_axes(c->in[1], rank, turned, c->error) : BERTH_OK;
    return status ? status : reverse_axes(c, turned);
}

/* ---- ReverseSequence ---------------------------------------------------------------------------------- */

static berth_status infer_reverse_sequence(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 2);
    if (status || (status = bt_infer_same(x))) return status;
    const bt_shape *in = &x->in[0].shape, *lengths = &x->in[1].shape;
    int64_t along = bt_attr_int(x->node, "seq_dim", 0), batch = bt_attr_int(x->node, "batch_dim", 0);
    if (lengths->rank >= 0 && lengths->rank != 1) return bt_infer_fail(x, "the lengths must be a vector");
    if (in->rank < 0) return BERTH_OK;
    if (along < 0 || along >= in->rank || batch < 0 || batch >= in->rank || along == batch)
        return bt_infer_fail(x, "seq_dim %lld and batch_dim %lld of a tensor of %d dimensions",
                             (long long)along, (long long)batch, in->rank);
    if (lengths->rank == 1 && lengths->dim[0] >= 0 && in->dim[batch] >= 0 &&
        lengths->dim[0] != in->dim[batch])
        return bt_infer_fail(x, "%lld lengths for a batch of %lld", (long long)lengths->dim[0],
                             (long long)in->dim[batch]);
    return BERTH_OK;
}

static berth_status run_reverse_sequence(bt_call *c)
{
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    const bt_tensor *in = c->in[0];
    int along = (int)bt_attr_int(c->node, "seq_dim", 0), batch = (int)bt_attr_int(c->node, "batch_dim", 0);
    for (int64_t b = 0; !status && b < in->shape.dim[batch]; b++) {
        int64_t n = bt_tensor_int(c->in[1], b);
        if (n < 0 || n > in->shape.dim[along])
            return bt_call_fail(c, "length %lld of a sequence of %lld", (long long)n,
                                (long long)in->shape.dim[along]);
    }
    char *out = status ? NULL : bt_out(c, 0, in->dtype, &in->shape);
    if (!out) return status ? status : BERTH_NO_MEMORY;
    for (int64_t b = 0; !status && b < in->shape.dim[batch]; b++) {
        bt_move head = whole_move(in->dtype, &in->shape), tail = head;
        int64_t first = b * head.to[batch], n = bt_tensor_int(c->in[1], b), rest = first + n * head.to[along];
        head.dim[batch] = tail.dim[batch] = 1;
        tail.dim[along] -= n;
        int64_t turned = first + turn_round(&head, along, n);
        status =
            bt_call_move(c, &head, bt_at(in->dtype, out, first), bt_at_const(in->dtype, in->data, turned));
        if (status) break;
        status = bt_call_move(c, &tail, bt_at(in->dtype, out, rest), bt_at_const(in->dtype, in->data, rest));
    }
    return status;
}

/* ---- Roll --------------------------------------------------------------------------------------------- */

static berth_status infer_roll(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 3);
    if (status || (status = bt_infer_same(x))) return status;
    const bt_shape *shift = &x->in[1].shape, *axis = &x->in[2].shape;
    if (x->in[0].shape.rank == 0) return bt_infer_fail(x, "cannot roll a scalar");
    if (shift->rank > 1 || axis->rank > 1 || !bt_shape_compatible(shift, axis))
        return bt_infer_fail(x, "shift and axis must be scalars, or vectors of one length");
    return BERTH_OK;
}

static berth_status run_roll(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    int64_t shift[BT_MAX_RANK] = {0}, n = bt_tensor_count(c->in[1]);
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    for (int64_t i = 0; i < n; i++) {
        int axis;
        if (!bt_axis(bt_tensor_int(c->in[2], i), in->shape.rank, &axis))
            return bt_call_fail(c, "an axis is out of range");
        int64_t dim = in->shape.dim[axis] ? in->shape.dim[axis] : 1;
        shift[axis] = ((shift[axis] + bt_tensor_int(c->in[1], i) % dim) % dim + dim) % dim;
    }
    char *out = bt_out(c, 0, in->dtype, &in->shape);
    if (!out) return BERTH_NO_MEMORY;
    /* Each axis falls in two pieces that change places: bit i of `piece` says which one of axis i. */
    for (unsigned piece = 0; !status && piece < 1u << in->shape.rank; piece++) {
        bt_move m = whole_move(in->dtype, &in->shape);
        int64_t to = 0, from = 0;
        for (int i = 0; i < m.rank; i++) {
            int64_t keep = m.dim[i] - shift[i];
            bool wraps = piece >> i & 1;
            m.dim[i] = wraps ? shift[i] : keep;
            *(wraps ? &from : &to) += (wraps ? keep : shift[i]) * m.to[i];
        }
        status = bt_call_move(c, &m, bt_at(in->dtype, out, to), bt_at_const(in->dtype, in->data, from));
    }
    return status;
}

const bt_op bt_ops_reverse[] = {
    {.name = "Reverse",
     .infer = infer_reverse,
     .cpu = run_reverse,
     .gpu = run_reverse,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = 2},
    {.name = "ReverseV2",
     .infer = infer_reverse_v2,
     .cpu = run_reverse_v2,
     .gpu = run_reverse_v2,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = 2},
    {.name = "ReverseSequence",
     .infer = infer_reverse_sequence,
     .cpu = run_reverse_sequence,
     .gpu = run_reverse_sequence,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = 2},
    {.name = "Roll",
     .infer = infer_roll,
     .cpu = run_roll,
     .gpu = run_roll,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = 6},
    {0},
};
