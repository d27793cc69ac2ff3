/* Tile: a tensor repeated along each of its axes. */
#include "ops/move.h"

static berth_status infer_tile(bt_infer *x)
{
    int64_t times[BT_MAX_RANK];
    berth_status status = bt_infer_arity(x, 2);
    if (status) return status;
    const bt_shape *in = &x->in[0].shape;
    bt_shape *out = &x->out[0].shape;
    int64_t length = bt_infer_length(x, 1);
    x->out[0].dtype = bt_infer_type(x, 0);
    if (x->in[1].shape.rank >= 0 && x->in[1].shape.rank != 1)
        return bt_infer_fail(x, "multiples must be a vector");
    if (length > BT_MAX_RANK)
        return bt_fail(x->error, BERTH_UNSUPPORTED, "more than %d dimensions", BT_MAX_RANK);
    if (in->rank >= 0 && length >= 0 && in->rank != length)
        return bt_infer_fail(x, "%lld multiples for %d dimensions", (long long)length, in->rank);
    int n = in->rank >= 0 ? in->rank : (int)length;
    out->rank = n;
    if (x->in[1].value && !bt_ints(x->in[1].value, times, BT_MAX_RANK, &n))
        return bt_infer_fail(x, "multiples must be integers");
    for (int i = 0; i < out->rank; i++) {
        out->dim[i] = -1;
        if (x->in[1].value && times[i] < 0) return bt_infer_fail(x, "a negative multiple of dimension %d", i);
        if (x->in[1].value && in->rank >= 0 && in->dim[i] >= 0 &&
            __builtin_mul_overflow(in->dim[i], times[i], &out->dim[i]))
            return bt_infer_fail(x, "dimension %d becomes too large", i);
    }
    return BERTH_OK;
}

static berth_status run_tile(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    void *out = bt_out(c, 0, in->dtype, &fact.shape);
    if (!out) return BERTH_NO_MEMORY;
    bt_move m = {.dtype = in->dtype};
    int64_t to[BT_MAX_RANK], from[BT_MAX_RANK];
    bt_strides(&fact.shape, to);
    bt_strides(&in->shape, from);
    for (int i = 0; i < in->shape.rank; i++) {
        bt_move_axis(&m, bt_tensor_int(c->in[1], i), to[i] * in->shape.dim[i], 0);
        bt_move_axis(&m, in->shape.dim[i], to[i], from[i]);
    }
    return bt_call_move(c, &m, out, in->data);
}

const bt_op bt_ops_tile[] = {
    {.name = "Tile",
     .infer = infer_tile,
     .cpu = run_tile,
     .gpu = run_tile,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = 2},
    {0},
};
