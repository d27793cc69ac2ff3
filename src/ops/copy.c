/* A tensor brought from one device to another: a step that plan/assign.c puts in, and plan/run.c knows. */
#include "ops/op.h"

static berth_status run_copy(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    if (!bt_out(c, 0, in->dtype, &in->shape)) return c->error->status;
    return bt_tensor_transfer(c->out[0], in, c->error);
}

const bt_op bt_ops_copy[] = {
    {"_Copy", bt_infer_same, .cpu = run_copy, .gpu = run_copy, .gpu_types = ~0u},
    {0},
};
