/* Queues: first in, first out, of tuples of tensors; named, and kept from run to run. Nothing else runs while a step
 * does, so where TensorFlow would wait (an empty queue, a full one), this is an error. */
#include <pthread.h>

#include "ops/items.h"
#include "ops/object.h"
#include "ops/resource.h"

typedef struct queue {
    bt_object base;
    pthread_mutex_t lock;
    int64_t capacity; /* tuples; negative: no bound */
    bool closed;
    int64_t head; /* tuples that were taken and not yet dropped from the arrays */
    int n_parts;
    bt_fact *facts; /* what each part must be */
    bt_items parts[];
} queue;

static void destroy_queue(void *object)
{
    queue *q = object;
    for (int i = 0; i < q->n_parts; i++) bt_items_free(&q->parts[i]);
    pthread_mutex_destroy(&q->lock);
    bt_free(q);
}

static const bt_object_type queue_type = {"queue", destroy_queue};

static bt_object *create_queue(void *user, berth_error *error)
{
    const bt_node *node = user;
    const bt_attr_value *types, *shapes = NULL;
    int n = bt_attr_list(node, "component_types", &types);
    bool is_shaped = bt_attr_shapes(node, "shapes", &shapes) == n;
    if (n < 1) return bt_fail(error, BERTH_BAD_MODEL, "has no component types"), NULL;
    size_t bytes = sizeof(queue) + (size_t)n * (sizeof(bt_items) + sizeof(bt_fact));
    queue *q = bt_calloc(1, bytes);
    if (!q) return bt_fail_memory(error), NULL;
    q->facts = (bt_fact *)(q->parts + n);
    for (int i = 0; i < n; i++)
        q->facts[i] = (bt_fact){types[i].type, is_shaped ? *shapes[i].shape : BT_SHAPE_UNKNOWN, NULL};
    q->base = (bt_object){&queue_type, 1};
    pthread_mutex_init(&q->lock, NULL);
    q->capacity = bt_attr_int(node, "capacity", -1);
    q->n_parts = n;
    return &q->base;
}

static berth_status run_new(bt_call *c)
{
    bt_resources *resources = bt_run_resources(c);
    if (!resources) return bt_call_unsupported(c, "needs a session");
    const char *shared = bt_attr_string(c->node, "shared_name", "");
    bt_object *q = bt_resources_get(resources, bt_attr_string(c->node, "container", ""),
                                    *shared ? shared : c->node->name, &queue_type, create_queue,
                                    (void *)c->node, c->error);
    return q ? bt_out_object(c, 0, BERTH_RESOURCE, q) : BERTH_NO_MEMORY;
}

/* Does something to the queue in input 0, which is locked meanwhile. */
static berth_status locked(bt_call *c, berth_status (*act)(bt_call *c, queue *q))
{
    queue *q = (queue *)bt_object_input(c, 0, &queue_type);
    if (!q) return BERTH_BAD_INPUT;
    pthread_mutex_lock(&q->lock);
    berth_status status = act(c, q);
    pthread_mutex_unlock(&q->lock);
    return status;
}

static int64_t length(const queue *q) { return q->parts[0].n - q->head; }

/* ---- In ---------------------------------------------------------------------------------------------------- */

static berth_status check_part(bt_call *c, const queue *q, int part, const bt_shape *shape)
{
    char ta[BT_SHAPE_TEXT], tb[BT_SHAPE_TEXT];
    const bt_tensor *t = c->in[part + 1];
    if (t->dtype != q->facts[part].dtype)
        return bt_call_fail(c, "component %d is %s, not %s", part, bt_dtype_name(t->dtype),
                            bt_dtype_name(q->facts[part].dtype));
    if (bt_shape_compatible(&q->facts[part].shape, shape)) return BERTH_OK;
    return bt_call_fail(c, "component %d has shape %s, not %s", part, bt_shape_text(shape, ta),
                        bt_shape_text(&q->facts[part].shape, tb));
}

/* Taken tuples leave the arrays once they are half of them. */
static void compact(queue *q)
{
    if (q->head * 2 < q->parts[0].n) return;
    for (int i = 0; i < q->n_parts; i++) {
        bt_items *part = &q->parts[i];
        memmove(part->at, part->at + q->head, (size_t)(part->n - q->head) * sizeof *part->at);
        part->n -= q->head;
        bt_buffer_free(part->slab); /* its rows have moved */
        part->slab = NULL;
    }
    q->head = 0;
}

static berth_status put(bt_call *c, queue *q, int64_t n, bool rows)
{
    int64_t first = q->parts[0].n;
    if (q->closed) return bt_call_fail(c, "the queue is closed");
    if (c->n_in != q->n_parts + 1) return bt_call_fail(c, "needs %d components", q->n_parts);
    if (q->capacity >= 0 && length(q) + n > q->capacity)
        return bt_call_fail(c, "the queue is full (%lld), and nothing else takes from it",
                            (long long)q->capacity);
    for (int i = 0; i < q->n_parts; i++) {
        const bt_tensor *t = c->in[i + 1];
        bool fits = !rows || (t->shape.rank > 0 && t->shape.dim[0] == n);
        if (!fits) return bt_call_fail(c, "component %d does not have %lld rows", i, (long long)n);
        bt_shape shape = rows ? bt_shape_from(t->shape.rank - 1, t->shape.dim + 1) : t->shape;
        berth_status status = check_part(c, q, i, &shape);
        if (status) return status;
    }
    berth_status status = BERTH_OK;
    for (int i = 0; i < q->n_parts && !status; i++) {
        status = bt_items_resize(&q->parts[i], first + n, c->error);
        if (status) break;
        status = rows ? bt_items_unstack(&q->parts[i], first, c->in[i + 1], c->error)
                      : bt_items_set(&q->parts[i], first, c->in[i + 1], c->error);
    }
    for (int i = 0; status && i < q->n_parts; i++) /* all or nothing */
        if (q->parts[i].n > first) bt_items_resize(&q->parts[i], first, c->error);
    return status;
}

static berth_status put_one(bt_call *c, queue *q) { return put(c, q, 1, false); }

static berth_status put_many(bt_call *c, queue *q)
{
    const bt_tensor *t = c->n_in > 1 ? c->in[1] : NULL;
    if (!t || t->shape.rank < 1) return bt_call_fail(c, "needs components with rows");
    return put(c, q, t->shape.dim[0], true);
}

static berth_status run_put(bt_call *c) { return locked(c, put_one); }
static berth_status run_put_many(bt_call *c) { return locked(c, put_many); }

/* ---- Out --------------------------------------------------------------------------------------------------- */

static berth_status check_length(bt_call *c, const queue *q, int64_t n)
{
    if (c->n_out != q->n_parts)
        return bt_call_fail(c, "the queue has %d components, not %d", q->n_parts, c->n_out);
    if (length(q) >= n) return BERTH_OK;
    return bt_call_fail(c, "the queue has %lld elements, not %lld, and %s", (long long)length(q),
                        (long long)n, q->closed ? "is closed" : "nothing else adds to it");
}

static berth_status take(bt_call *c, queue *q)
{
    berth_status status = check_length(c, q, 1);
    for (int i = 0; i < q->n_parts && !status; i++) {
        bt_tensor *item = &q->parts[i].at[q->head], view = *item;
        *item = (bt_tensor){0};
        status = bt_out_move(c, i, &view);
    }
    if (!status) q->head++, compact(q);
    return status;
}

/* n tuples, stacked: outputs are [n] + the shape of a component. */
static berth_status take_rows(bt_call *c, queue *q, int64_t n)
{
    char ta[BT_SHAPE_TEXT], tb[BT_SHAPE_TEXT];
    berth_status status =
        n < 0 ? bt_call_fail(c, "cannot take %lld elements", (long long)n) : check_length(c, q, n);
    for (int i = 0; i < q->n_parts && !status; i++) {
        bt_items view = {.at = q->parts[i].at + q->head, .n = n};
        bt_shape shape = q->facts[i].shape;
        for (int64_t k = 0; k < n; k++)
            if (!bt_shape_merge(&shape, &view.at[k].shape))
                return bt_call_fail(c, "elements have shapes %s and %s", bt_shape_text(&shape, ta),
                                    bt_shape_text(&view.at[k].shape, tb));
        if (!bt_shape_known(&shape)) return bt_call_fail(c, "the shape of no elements is not known");
        status = bt_items_stack(c, i, &view, NULL, n, q->facts[i].dtype, &shape);
    }
    for (int i = 0; i < q->n_parts && !status; i++)
        for (int64_t k = 0; k < n; k++) bt_tensor_clear(&q->parts[i].at[q->head + k]);
    if (!status) q->head += n, compact(q);
    return status;
}

static berth_status take_many(bt_call *c, queue *q)
{
    int64_t n;
    berth_status status = bt_int_input(c, 1, &n);
    return status ? status : take_rows(c, q, n);
}

/* What is left is enough, once the queue is closed. */
static berth_status take_up_to(bt_call *c, queue *q)
{
    int64_t n;
    berth_status status = bt_int_input(c, 1, &n);
    if (q->closed && n > length(q) && length(q) > 0) n = length(q);
    return status ? status : take_rows(c, q, n);
}

static berth_status size(bt_call *c, queue *q) { return bt_out_scalar(c, 0, BERTH_INT32, length(q)); }
static berth_status is_closed(bt_call *c, queue *q) { return bt_out_scalar(c, 0, BERTH_BOOL, q->closed); }
static berth_status close_queue(bt_call *c, queue *q) { return (void)c, q->closed = true, BERTH_OK; }

static berth_status run_take(bt_call *c) { return locked(c, take); }
static berth_status run_take_many(bt_call *c) { return locked(c, take_many); }
static berth_status run_take_up_to(bt_call *c) { return locked(c, take_up_to); }
static berth_status run_size(bt_call *c) { return locked(c, size); }
static berth_status run_close(bt_call *c) { return locked(c, close_queue); }
static berth_status run_is_closed(bt_call *c) { return locked(c, is_closed); }

/* ---- Shape functions ----------------------------------------------------------------------------------------- */

static berth_status infer_taken(bt_infer *x)
{
    const bt_attr_value *types = NULL;
    int n = bt_attr_list(x->node, "component_types", &types);
    for (int i = 0; i < n && i < x->n_out; i++) x->out[i].dtype = types[i].type;
    return BERTH_OK;
}

#define VERSIONS(op, ...) \
    {op, __VA_ARGS__}, { op "V2", __VA_ARGS__ }
#define STATE .flags = BT_OP_STATEFUL

const bt_op bt_ops_queue[] = {
    VERSIONS("FIFOQueue", bt_infer_handle, .cpu = run_new, STATE),
    VERSIONS("QueueEnqueue", bt_infer_none, .cpu = run_put, STATE, .outputs = ""),
    VERSIONS("QueueEnqueueMany", bt_infer_none, .cpu = run_put_many, STATE, .outputs = ""),
    VERSIONS("QueueDequeue", infer_taken, .cpu = run_take, STATE, .outputs = "components*component_types"),
    VERSIONS("QueueDequeueMany", infer_taken, .cpu = run_take_many, STATE,
             .outputs = "components*component_types"),
    VERSIONS("QueueDequeueUpTo", infer_taken, .cpu = run_take_up_to, STATE,
             .outputs = "components*component_types"),
    VERSIONS("QueueSize", bt_infer_int32, .cpu = run_size, STATE),
    VERSIONS("QueueClose", bt_infer_none, .cpu = run_close, STATE, .outputs = ""),
    VERSIONS("QueueIsClosed", bt_infer_bool, .cpu = run_is_closed, STATE),
    {NULL},
};
