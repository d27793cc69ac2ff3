/* Tensor arrays: the mutable arrays that TF1's loops read and write through a handle; a float called flow orders
 * the ops. An array lives as long as its handle; an item is written once and, unless told otherwise, read once.
 * The array of items is in items.c; TF2's lists, which are values, are in tensor_list.c. */
#include "ops/gpu.h"
#include "ops/items.h"
#include "ops/move.h"
#include "ops/object.h"

enum { WRITTEN = 1, CLEARED = 2 };

typedef struct array {
    bt_object base;
    berth_dtype dtype;
    bt_shape shape; /* of every item; maybe partly unknown */
    bool dynamic, clears, identical, closed;
    bt_items items;
    uint8_t *marks; /* by item: WRITTEN, CLEARED */
    size_t marks_capacity;
} array;

static void destroy_array(void *object)
{
    array *a = object;
    bt_items_free(&a->items);
    bt_free(a->marks);
    bt_free(a);
}

static berth_status leave_array(void *object, berth_error *error)
{
    return bt_items_leave(&((array *)object)->items, error);
}

static const bt_object_type array_type = {"tensor array", destroy_array, leave_array};

/* NULL with the error set: none, or one that was closed. */
static array *array_input(bt_call *c)
{
    array *a = (array *)bt_object_input(c, 0, &array_type);
    if (a && a->closed) return bt_call_fail(c, "the array was closed"), NULL;
    return a;
}

static berth_status resize(bt_call *c, array *a, int64_t n)
{
    int64_t old = a->items.n;
    if (n > INT32_MAX || !bt_grow(&a->marks, &a->marks_capacity, (size_t)n, 1))
        return bt_fail_memory(c->error);
    if (n > old) memset(a->marks + old, 0, (size_t)(n - old));
    return bt_items_resize(&a->items, n, c->error);
}

/* ---- Items --------------------------------------------------------------------------------------------- */

/* Item i is about to be written: grows a dynamic array, and checks what the array knows. */
static berth_status check_write(bt_call *c, array *a, int64_t i, berth_dtype dtype, const bt_shape *shape)
{
    char ta[BT_SHAPE_TEXT], tb[BT_SHAPE_TEXT];
    if (dtype != a->dtype)
        return bt_call_fail(c, "an array of %s takes no item of %s", bt_dtype_name(a->dtype),
                            bt_dtype_name(dtype));
    if (i < 0 || (i >= a->items.n && !a->dynamic))
        return bt_call_fail(c, "cannot write item %lld of an array of size %lld", (long long)i,
                            (long long)a->items.n);
    berth_status status = i >= a->items.n ? resize(c, a, i + 1) : BERTH_OK;
    if (status) return status;
    if (a->marks[i] & CLEARED)
        return bt_call_fail(c, "item %lld has already been read and cleared: it cannot be written",
                            (long long)i);
    if (a->marks[i]) return bt_call_fail(c, "item %lld has already been written", (long long)i);
    if (!bt_shape_compatible(&a->shape, shape))
        return bt_call_fail(c, "item %lld has shape %s, not %s", (long long)i, bt_shape_text(shape, ta),
                            bt_shape_text(&a->shape, tb));
    if (a->identical) a->shape = *shape;
    a->marks[i] = WRITTEN;
    return BERTH_OK;
}

static berth_status check_read(bt_call *c, const array *a, int64_t i)
{
    if (i < 0 || i >= a->items.n)
        return bt_call_fail(c, "cannot read item %lld of an array of size %lld", (long long)i,
                            (long long)a->items.n);
    if (a->marks[i] & CLEARED)
        return bt_call_fail(
            c, "cannot read item %lld twice: the first read cleared it (see clear_after_read)", (long long)i);
    if (!a->items.at[i].dtype && !bt_shape_known(&a->shape))
        return bt_call_fail(c, "cannot read item %lld: it was never written, and its shape is not known",
                            (long long)i);
    return BERTH_OK;
}

static void after_read(array *a, int64_t i)
{
    if (!a->clears) return;
    bt_tensor_clear(&a->items.at[i]);
    a->marks[i] |= CLEARED;
}

static const bt_shape *item_shape(const array *a, int64_t i)
{
    return a->items.at[i].dtype ? &a->items.at[i].shape : &a->shape;
}

/* ---- Kernels ------------------------------------------------------------------------------------------- */

/* Nobody looks at it: on a device it is what came in. */
static berth_status out_flow(bt_call *c)
{
    return bt_on_gpu(c) ? bt_out_alias(c, 0, c->n_in - 1, BERTH_FLOAT, &BT_SCALAR)
                        : bt_out_scalar(c, 0, BERTH_FLOAT, 0);
}

static berth_status run_new(bt_call *c)
{
    int64_t n;
    berth_status status = bt_int_input(c, 0, &n);
    if (status) return status;
    if (n < 0) return bt_call_fail(c, "size %lld is negative", (long long)n);
    array *a = bt_calloc(1, sizeof *a);
    if (!a) return bt_fail_memory(c->error);
    a->base = (bt_object){&array_type, 1};
    a->dtype = bt_attr_type(c->node, "dtype", BERTH_FLOAT);
    if (!bt_attr_shape(c->node, "element_shape", &a->shape)) a->shape = BT_SHAPE_UNKNOWN;
    a->dynamic = bt_attr_bool(c->node, "dynamic_size", false);
    a->clears = bt_attr_bool(c->node, "clear_after_read", true);
    a->identical = bt_attr_bool(c->node, "identical_element_shapes", false);
    status = resize(c, a, n);
    if (status) return bt_object_free(&a->base), status;
    status = bt_out_object(c, 0, BERTH_RESOURCE, &a->base);
    return status || c->n_out < 2 ? status : bt_out_zeros(c, 1, BERTH_FLOAT, &BT_SCALAR);
}

static berth_status run_write(bt_call *c)
{
    array *a = array_input(c);
    int64_t i;
    if (!a) return BERTH_BAD_INPUT;
    berth_status status =
        c->n_in > 2 ? bt_int_input(c, 1, &i) : bt_call_fail(c, "needs an index and a value");
    if (!status) status = check_write(c, a, i, c->in[2]->dtype, &c->in[2]->shape);
    if (!status) status = bt_items_set(&a->items, i, c->in[2], c->error);
    return status ? status : out_flow(c);
}

static berth_status run_read(bt_call *c)
{
    array *a = array_input(c);
    int64_t i;
    berth_status status = a ? bt_int_input(c, 1, &i) : BERTH_BAD_INPUT;
    if (!status) status = check_read(c, a, i);
    if (status) return status;
    if (bt_attr_type(c->node, "dtype", a->dtype) != a->dtype)
        return bt_call_fail(c, "the array holds %s", bt_dtype_name(a->dtype));
    if (!a->items.at[i].dtype) {
        status = bt_out_zeros(c, 0, a->dtype, &a->shape);
    } else {
        status = bt_out_item(c, 0, &a->items.at[i]);
    }
    if (!status) after_read(a, i);
    return status;
}

static berth_status run_gather(bt_call *c)
{
    array *a = array_input(c);
    const bt_tensor *index = c->n_in > 1 ? c->in[1] : NULL;
    char ta[BT_SHAPE_TEXT], tb[BT_SHAPE_TEXT];
    if (!a) return BERTH_BAD_INPUT;
    if (!index || index->dtype != BERTH_INT32 || index->shape.rank != 1)
        return bt_call_fail(c, "needs a vector of indices");
    int64_t n = index->shape.dim[0];
    bt_shape asked = BT_SHAPE_UNKNOWN, shape = a->shape;
    bt_attr_shape(c->node, "element_shape", &asked);
    if (!bt_shape_merge(&shape, &asked))
        return bt_call_fail(c, "the array's items have shape %s, not %s", bt_shape_text(&a->shape, ta),
                            bt_shape_text(&asked, tb));
    a->shape = shape;  /* from now on */
    bool none = false; /* the first item has no elements: TensorFlow looks at no other's shape then */
    for (int64_t i = 0; i < n; i++) {
        int64_t at = bt_tensor_int(index, i);
        berth_status status = check_read(c, a, at);
        if (status) return status;
        if (!none && !bt_shape_merge(&shape, item_shape(a, at)))
            return bt_call_fail(c, "item %lld has shape %s, not %s", (long long)at,
                                bt_shape_text(item_shape(a, at), ta), bt_shape_text(&shape, tb));
        none = none || (i == 0 && bt_shape_count(&shape) == 0);
    }
    if (!bt_shape_known(&shape))
        return bt_call_fail(c, "no item is read, and the array's shape %s is not fully known",
                            bt_shape_text(&shape, ta));
    bool in_order = n == a->items.n;
    for (int64_t i = 0; in_order && i < n; i++) in_order = bt_tensor_int(index, i) == i;
    berth_status status = bt_items_stack(c, 0, &a->items, in_order ? NULL : index, n, a->dtype, &shape);
    if (status || !a->clears) return status;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = bt_tensor_int(index, i);
        if (a->marks[at] & CLEARED) return check_read(c, a, at);
        after_read(a, at);
    }
    return BERTH_OK;
}

static berth_status run_scatter(bt_call *c)
{
    array *a = array_input(c);
    const bt_tensor *index = c->n_in > 2 ? c->in[1] : NULL, *value = index ? c->in[2] : NULL;
    if (!a) return BERTH_BAD_INPUT;
    if (!index || index->dtype != BERTH_INT32 || index->shape.rank != 1)
        return bt_call_fail(c, "needs a vector of indices and a value");
    int64_t n = index->shape.dim[0];
    if (value->shape.rank < 1 || value->shape.dim[0] != n)
        return bt_call_fail(c, "has %lld indices for %lld rows", (long long)n,
                            (long long)(value->shape.rank < 1 ? 0 : value->shape.dim[0]));
    bt_shape row = bt_shape_from(value->shape.rank - 1, value->shape.dim + 1);
    bt_tensor kept = {0};
    berth_status status = bt_tensor_keep(&kept, value, c->error);
    for (int64_t i = 0; i < n && !status; i++) {
        int64_t at = bt_tensor_int(index, i);
        status = check_write(c, a, at, value->dtype, &row);
        if (!status) a->items.at[at] = bt_tensor_row(&kept, i);
    }
    bt_tensor_clear(&kept);
    return status ? status : out_flow(c);
}

static berth_status run_concat(bt_call *c)
{
    array *a = array_input(c);
    char ta[BT_SHAPE_TEXT], tb[BT_SHAPE_TEXT];
    bt_shape rest = BT_SHAPE_UNKNOWN, whole;
    if (!a) return BERTH_BAD_INPUT;
    int64_t n = a->items.n, total = 0;
    bt_attr_shape(c->node, "element_shape_except0", &rest);
    for (int64_t i = 0; i < n; i++) {
        berth_status status = check_read(c, a, i);
        if (status) return status;
        const bt_shape *shape = item_shape(a, i);
        if (shape->rank < 1)
            return bt_call_fail(c, "item %lld is a scalar: it cannot be joined", (long long)i);
        bt_shape tail = bt_shape_from(shape->rank - 1, shape->dim + 1);
        if (!bt_shape_merge(&rest, &tail))
            return bt_call_fail(c, "item %lld has shape %s, not [?] + %s", (long long)i,
                                bt_shape_text(shape, ta), bt_shape_text(&rest, tb));
        if (__builtin_add_overflow(total, shape->dim[0], &total))
            return bt_call_fail(c, "the joined tensor is too large");
    }
    if (!bt_shape_known(&rest) || !bt_shape_prepend(total, &rest, &whole))
        return bt_call_fail(c, "cannot join an array of %lld items of shape [?] + %s", (long long)n,
                            bt_shape_text(&rest, ta));
    bt_shape vector = BT_SHAPE(n);
    int64_t *lengths = bt_out(c, 1, BERTH_INT64, &vector);
    char *out = lengths ? bt_out(c, 0, a->dtype, &whole) : NULL;
    if (!out) return c->error ? c->error->status : BERTH_NO_MEMORY;
    for (int64_t i = 0; i < n; i++) {
        int64_t count = bt_shape_count(item_shape(a, i));
        size_t bytes = (size_t)count * bt_dtype_size(a->dtype);
        berth_status status = bt_call_item(c, &a->items.at[i], a->dtype, out, count);
        if (status) return status;
        lengths[i] = item_shape(a, i)->dim[0];
        out += bytes;
        after_read(a, i);
    }
    return BERTH_OK;
}

static berth_status run_split(bt_call *c)
{
    array *a = array_input(c);
    const bt_tensor *value = c->n_in > 2 ? c->in[1] : NULL, *lengths = value ? c->in[2] : NULL;
    if (!a) return BERTH_BAD_INPUT;
    if (!lengths || lengths->dtype != BERTH_INT64 || lengths->shape.rank != 1 || value->shape.rank < 1)
        return bt_call_fail(c, "needs a value and a vector of lengths");
    int64_t n = lengths->shape.dim[0], left = value->shape.dim[0];
    for (int64_t i = 0; i < n && left >= 0; i++) {
        int64_t length = bt_tensor_int(lengths, i);
        left = length < 0 || length > left ? -1 : left - length;
    }
    if (left) return bt_call_fail(c, "lengths do not add up to %lld rows", (long long)value->shape.dim[0]);
    if (n != a->items.n && (!a->dynamic || n < a->items.n))
        return bt_call_fail(c, "has %lld lengths for an array of size %lld", (long long)n,
                            (long long)a->items.n);
    size_t row_bytes =
               (size_t)bt_shape_span(&value->shape, 1, value->shape.rank) * bt_dtype_size(value->dtype),
           at = 0;
    bt_tensor kept = {0};
    berth_status status = bt_tensor_keep(&kept, value, c->error);
    for (int64_t i = 0; i < n && !status; i++) {
        bt_shape shape = value->shape;
        shape.dim[0] = bt_tensor_int(lengths, i);
        status = check_write(c, a, i, value->dtype, &shape);
        if (status) break;
        bt_tensor *item = &a->items.at[i];
        bt_tensor_share(item, &kept);
        item->shape = shape;
        item->data = (char *)kept.data + at;
        at += (size_t)shape.dim[0] * row_bytes;
    }
    bt_tensor_clear(&kept);
    return status ? status : out_flow(c);
}

static berth_status run_size(bt_call *c)
{
    const array *a = array_input(c);
    return a ? bt_out_scalar(c, 0, BERTH_INT32, a->items.n) : BERTH_BAD_INPUT;
}

static berth_status run_close(bt_call *c)
{
    array *a = (array *)bt_object_input(c, 0, &array_type);
    if (!a) return BERTH_BAD_INPUT;
    a->closed = true;
    for (int64_t i = 0; i < a->items.n; i++) bt_tensor_clear(&a->items.at[i]);
    return BERTH_OK;
}

/* ---- Shape functions ----------------------------------------------------------------------------------- */

static berth_status infer_new(bt_infer *x)
{
    bt_infer_handle(x);
    if (x->n_out > 1) bt_infer_scalar(x, 1, BERTH_FLOAT);
    return BERTH_OK;
}

static berth_status infer_flow(bt_infer *x)
{
    bt_infer_scalar(x, 0, BERTH_FLOAT);
    return BERTH_OK;
}

static berth_status infer_read(bt_infer *x)
{
    x->out[0].dtype = bt_attr_type(x->node, "dtype", BERTH_NO_DTYPE);
    return BERTH_OK;
}

static berth_status infer_rows(bt_infer *x, const char *attr, int64_t rows)
{
    bt_shape row;
    infer_read(x);
    if (!bt_attr_shape(x->node, attr, &row) || row.rank < 0 ||
        !bt_shape_prepend(rows, &row, &x->out[0].shape))
        x->out[0].shape = BT_SHAPE_UNKNOWN;
    return BERTH_OK;
}

static berth_status infer_gather(bt_infer *x)
{
    const bt_shape *index = &x->in[1].shape;
    return infer_rows(x, "element_shape", index->rank == 1 ? index->dim[0] : -1);
}

static berth_status infer_concat(bt_infer *x)
{
    x->out[1].dtype = BERTH_INT64;
    x->out[1].shape = BT_SHAPE(-1);
    return infer_rows(x, "element_shape_except0", -1);
}

/* The first two versions differ in how the handle travels, which is no matter here. */
#define VERSIONS(op, ...) \
    {op, __VA_ARGS__}, {op "V2", __VA_ARGS__}, { op "V3", __VA_ARGS__ }
/* The array is the host's; its items lie where they were made. */
#define RUN(run) .cpu = run, .gpu = run, .gpu_types = BT_GPU_MOVES, .flags = BT_OP_STATEFUL
#define DTYPE .type_attr = "dtype"

const bt_op bt_ops_tensor_array[] = {
    {"TensorArray", infer_new, RUN(run_new), DTYPE, .host_inputs = 1},
    {"TensorArrayV2", infer_new, RUN(run_new), DTYPE, .host_inputs = 1},
    {"TensorArrayV3", infer_new, RUN(run_new), DTYPE, .host_inputs = 1, .outputs = "handle,flow"},
    VERSIONS("TensorArrayWrite", infer_flow, RUN(run_write), .host_inputs = 2),
    VERSIONS("TensorArrayRead", infer_read, RUN(run_read), DTYPE, .host_inputs = 2),
    VERSIONS("TensorArrayGather", infer_gather, RUN(run_gather), DTYPE, .host_inputs = 2),
    VERSIONS("TensorArrayScatter", infer_flow, RUN(run_scatter), .host_inputs = 2),
    VERSIONS("TensorArrayConcat", infer_concat, RUN(run_concat), DTYPE, .outputs = "value,lengths",
             .host_outputs = 2),
    VERSIONS("TensorArraySplit", infer_flow, RUN(run_split), .host_inputs = 4),
    VERSIONS("TensorArraySize", bt_infer_int32, RUN(run_size), .host_outputs = 1),
    VERSIONS("TensorArrayClose", bt_infer_none, RUN(run_close), .outputs = ""),
    {NULL},
};
