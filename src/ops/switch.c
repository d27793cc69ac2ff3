/* TF1's branches: Switch hands its value to one output and leaves the other dead; Merge takes the input that is alive.
 * What a dead tensor skips is the executor's matter (../plan/run.c). Loops (Enter, NextIteration, Exit) have become
 * While before anything runs (../pass/functionalise.c), so their records here only say what flows through them. On a
 * device it is only told on the host which way a tensor goes. */
#include "ops/move.h"
#include "ops/object.h"

static berth_status check_inputs(bt_infer *x, int n)
{
    return x->n_in >= n ? BERTH_OK : bt_infer_fail(x, "needs %d inputs, has %d", n, x->n_in);
}

static berth_status infer_switch(bt_infer *x)
{
    berth_status status = check_inputs(x, 2);
    if (!status && !strcmp(x->node->op + strlen(x->node->op) - 6, "Switch") && x->in[1].shape.rank > 0)
        return bt_infer_fail(x, "the predicate must be a scalar");
    for (int i = 0; i < x->n_out && !status; i++)
        x->out[i].dtype = x->in[0].dtype, x->out[i].shape = x->in[0].shape;
    return status;
}

static berth_status switch_to(bt_call *c, int taken)
{
    for (int i = 0; i < c->n_out; i++) c->out[i]->dead = i != taken;
    return bt_out_alias(c, taken, 0, c->in[0]->dtype, &c->in[0]->shape);
}

static berth_status run_switch(bt_call *c)
{
    const bt_tensor *predicate = c->in[1];
    if (predicate->dtype != BERTH_BOOL || predicate->shape.rank)
        return bt_call_fail(c, "the predicate must be one bool");
    return switch_to(c, *(const bool *)predicate->data);
}

static berth_status run_switch_n(bt_call *c)
{
    int64_t index;
    berth_status status = bt_int_input(c, 1, &index);
    if (status) return status;
    return switch_to(c, index < 0 || index >= c->n_out ? c->n_out - 1 : (int)index);
}

/* What all inputs agree on. */
static berth_status infer_merge(bt_infer *x)
{
    berth_status status = check_inputs(x, 1);
    if (status) return status;
    x->out[0].dtype = x->in[0].dtype;
    bt_shape shape = x->in[0].shape;
    for (int i = 1; i < x->n_in; i++) {
        const bt_shape *other = &x->in[i].shape;
        if (other->rank != shape.rank) shape = BT_SHAPE_UNKNOWN;
        for (int d = 0; d < shape.rank; d++)
            if (other->dim[d] != shape.dim[d]) shape.dim[d] = -1;
    }
    x->out[0].shape = shape;
    if (x->n_out > 1) bt_infer_scalar(x, 1, BERTH_INT32);
    return BERTH_OK;
}

static berth_status run_merge(bt_call *c)
{
    int live = 0;
    while (live < c->n_in && c->in[live]->dead) live++;
    if (live == c->n_in) return bt_call_fail(c, "no input is alive");
    berth_status status = bt_out_alias(c, 0, live, c->in[live]->dtype, &c->in[live]->shape);
    return status || c->n_out < 2 ? status : bt_out_scalar(c, 1, BERTH_INT32, live);
}

static berth_status run_loop(bt_call *c)
{
    return bt_call_unsupported(c, "is part of no loop that could be made out");
}

#define LOOP(op)                                                                   \
    {op, bt_infer_same, .cpu = run_loop, .flags = BT_OP_NO_FOLD | BT_OP_STATEFUL}, \
    {                                                                              \
        "Ref" op, bt_infer_same, .flags = BT_OP_NO_FOLD | BT_OP_STATEFUL           \
    }

const bt_op bt_ops_switch[] = {
    {"Switch", infer_switch, .cpu = run_switch, .flags = BT_OP_NO_FOLD, .outputs = "output_false,output_true",
     .gpu = run_switch, .gpu_types = BT_GPU_MOVES, .host_inputs = 2},
    {"_SwitchN", infer_switch, .cpu = run_switch_n, .flags = BT_OP_NO_FOLD, .outputs = "outputs*num_outs",
     .gpu = run_switch_n, .gpu_types = BT_GPU_MOVES, .host_inputs = 2},
    {"Merge", infer_merge, .cpu = run_merge, .flags = BT_OP_DEAD | BT_OP_NO_FOLD,
     .outputs = "output,value_index", .gpu = run_merge, .gpu_types = BT_GPU_MOVES, .host_outputs = 2},
    {"RefSwitch", infer_switch, .flags = BT_OP_NO_FOLD, .outputs = "output_false,output_true"},
    {"RefMerge", infer_merge, .flags = BT_OP_NO_FOLD, .outputs = "output,value_index"},
    LOOP("Enter"),
    LOOP("Exit"),
    LOOP("NextIteration"),
    {"LoopCond", bt_infer_same, .cpu = run_loop, .flags = BT_OP_NO_FOLD | BT_OP_STATEFUL},
    {NULL},
};
