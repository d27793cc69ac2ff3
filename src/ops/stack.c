/* Stacks: what the gradient of a TF1 loop leaves in a graph. A stack lives as long as its handle. Queues, which
 * have names and outlive a run, are in queue.c. */
#include "ops/items.h"
#include "ops/object.h"

typedef struct stack {
    bt_object base;
    berth_dtype dtype;
    int64_t max; /* items; negative: no bound */
    bt_items items;
} stack;

static void destroy_stack(void *object)
{
    stack *s = object;
    bt_items_free(&s->items);
    bt_free(s);
}

static const bt_object_type stack_type = {"stack", destroy_stack};

static stack *stack_input(bt_call *c) { return (stack *)bt_object_input(c, 0, &stack_type); }

static berth_status run_new(bt_call *c)
{
    stack *s = bt_calloc(1, sizeof *s);
    if (!s) return bt_fail_memory(c->error);
    s->base = (bt_object){&stack_type, 1};
    s->dtype = bt_attr_type(c->node, "elem_type", BERTH_FLOAT);
    s->max = c->n_in && bt_tensor_count(c->in[0]) == 1 ? bt_tensor_int(c->in[0], 0) : -1;
    return bt_out_object(c, 0, BERTH_RESOURCE, &s->base);
}

static berth_status run_push(bt_call *c)
{
    stack *s = stack_input(c);
    if (!s || c->n_in < 2) return bt_call_fail(c, "needs a stack and a value");
    const bt_tensor *value = c->in[1];
    if (value->dtype != s->dtype)
        return bt_call_fail(c, "a stack of %s takes no %s", bt_dtype_name(s->dtype),
                            bt_dtype_name(value->dtype));
    if (s->max >= 0 && s->items.n >= s->max)
        return bt_call_fail(c, "the stack is full: it takes %lld values at most", (long long)s->max);
    berth_status status = bt_items_resize(&s->items, s->items.n + 1, c->error);
    if (!status) status = bt_items_set(&s->items, s->items.n - 1, value, c->error);
    return status ? status : bt_out_alias(c, 0, 1, value->dtype, &value->shape);
}

static berth_status run_pop(bt_call *c)
{
    stack *s = stack_input(c);
    if (!s) return BERTH_BAD_INPUT;
    if (!s->items.n) return bt_call_fail(c, "the stack is empty");
    bt_tensor value;
    bt_tensor_share(&value, &s->items.at[s->items.n - 1]);
    berth_status status = bt_items_resize(&s->items, s->items.n - 1, c->error);
    return status ? bt_tensor_clear(&value), status : bt_out_move(c, 0, &value);
}

static berth_status run_close(bt_call *c)
{
    stack *s = stack_input(c);
    return s ? bt_items_resize(&s->items, 0, c->error) : BERTH_BAD_INPUT;
}

static berth_status infer_push(bt_infer *x)
{
    if (x->n_in > 1) x->out[0].dtype = x->in[1].dtype, x->out[0].shape = x->in[1].shape;
    return BERTH_OK;
}

static berth_status infer_pop(bt_infer *x)
{
    x->out[0].dtype = bt_attr_type(x->node, "elem_type", BERTH_NO_DTYPE);
    return BERTH_OK;
}

#define VERSIONS(op, ...) \
    {op, __VA_ARGS__}, { op "V2", __VA_ARGS__ }
#define STATE .flags = BT_OP_STATEFUL

const bt_op bt_ops_stack[] = {
    VERSIONS("Stack", bt_infer_handle, .cpu = run_new, STATE),
    VERSIONS("StackPush", infer_push, .cpu = run_push, STATE),
    VERSIONS("StackPop", infer_pop, .cpu = run_pop, STATE),
    VERSIONS("StackClose", bt_infer_none, .cpu = run_close, STATE, .outputs = ""),
    {NULL},
};
