/* GatherTree: the sequences that a beam search found, followed from their last step back through the parents. */
#include "ops/gpu.h"
#include "ops/object.h"

#define NO_BEAM "step %lld of batch %lld has parent %lld, which is no beam"

BT_CL_DECLARE(pick);

static berth_status infer_tree(bt_infer *x)
{
    if (x->n_in != 4) return bt_infer_fail(x, "needs 4 inputs, has %d", x->n_in);
    return bt_infer_same(x);
}

/* Step t of beam w, [T, B, W]. */
static int64_t at(const bt_tensor *t, int64_t step, int64_t batch, int64_t beam)
{
    return bt_tensor_int(t, (step * t->shape.dim[1] + batch) * t->shape.dim[2] + beam);
}

/* One sequence: the walk back from its last step; what lies behind its end is the end token. */
static berth_status follow(bt_call *c, int32_t *out, int64_t batch, int64_t beam)
{
    const bt_tensor *ids = c->in[0], *parents = c->in[1];
    int64_t steps = ids->shape.dim[0], beams = ids->shape.dim[2], stride = ids->shape.dim[1] * beams;
    int32_t end = (int32_t)bt_tensor_int(c->in[3], 0), *sequence = out + batch * beams + beam;
    int64_t length = bt_tensor_int(c->in[2], batch), from = beam;
    if (length > steps) length = steps;
    for (int64_t t = 0; t < steps; t++) sequence[t * stride] = end;
    for (int64_t t = length - 1; t >= 0; t--) {
        if (from < 0 || from >= beams)
            return bt_call_fail(c, NO_BEAM, (long long)t + 1, (long long)batch, (long long)from);
        sequence[t * stride] = (int32_t)at(ids, t, batch, from);
        from = at(parents, t, batch, from);
    }
    bool ended = false;
    for (int64_t t = 0; t < length; t++) {
        if (ended) sequence[t * stride] = end;
        ended |= sequence[t * stride] == end;
    }
    return BERTH_OK;
}

static berth_status tree_on_gpu(bt_call *c, int32_t *out)
{
    const bt_shape *s = &c->in[0]->shape;
    int64_t n = s->dim[1] * s->dim[2];
    bt_arg args[11] = {bt_pointer(c->in[0]->data), bt_pointer(c->in[1]->data), bt_pointer(c->in[2]->data), bt_pointer(out),
                       bt_long(s->dim[0]), bt_long(s->dim[1]), bt_long(s->dim[2]), bt_int((int32_t)bt_tensor_int(c->in[3], 0))};
    berth_status status = bt_gpu_fault(c, NO_BEAM, args + 8);
    bt_grid grid = bt_grid_of(c, n);
    return status || !n ? status : bt_gpu_launch(c, BT_CL(pick), "-DDT=i32 -DDT1=i32 -DTREE", "follow", &grid, args, 11);
}

static berth_status run_tree(bt_call *c)
{
    const bt_tensor *ids = c->in[0], *parents = c->in[1], *lengths = c->in[2];
    bool fits = ids->dtype == BERTH_INT32 && ids->shape.rank == 3 && parents->dtype == BERTH_INT32 &&
                bt_shape_equal(&ids->shape, &parents->shape) && lengths->dtype == BERTH_INT32 &&
                lengths->shape.rank == 1 && lengths->shape.dim[0] == ids->shape.dim[1] &&
                c->in[3]->dtype == BERTH_INT32 && bt_tensor_count(c->in[3]) == 1;
    if (!fits)
        return bt_call_fail(c, "needs steps and parents [T, B, W], lengths [B] and an end token, all int32");
    int32_t *out = bt_out(c, 0, BERTH_INT32, &ids->shape);
    if (!out) return c->error ? c->error->status : BERTH_NO_MEMORY;
    if (bt_on_gpu(c)) return tree_on_gpu(c, out);
    berth_status status = BERTH_OK;
    for (int64_t b = 0; b < ids->shape.dim[1]; b++)
        for (int64_t w = 0; w < ids->shape.dim[2] && !status; w++) status = follow(c, out, b, w);
    return status;
}

const bt_op bt_ops_gather_tree[] = {
    {"GatherTree", infer_tree, .cpu = run_tree, .types = BT_T(BERTH_INT32), .gpu = run_tree, .gpu_types = BT_T(BERTH_INT32), .host_inputs = 8},
    {NULL},
};
