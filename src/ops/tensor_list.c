/* Tensor lists: making them, and reading and changing single items. Whole lists from and to tensors are in
 * tensor_list_stack.c; the array of items is in items.c. */
#include "ops/tensor_list.h"

/* ---- The object --------------------------------------------------------------------------------------- */

static void destroy_list(void *object)
{
    bt_list *list = object;
    bt_items_free(&list->items);
    bt_free(list);
}

static berth_status leave_list(void *object, berth_error *error)
{
    return bt_items_leave(&((bt_list *)object)->items, error);
}

static bt_object *zero_list(const void *object, int depth, berth_error *error);

static const bt_object_type list_type = {"tensor list", destroy_list, leave_list, zero_list};

/* Without items. */
static bt_list *new_list(berth_dtype dtype, const bt_shape *shape, berth_error *error)
{
    bt_list *list = bt_calloc(1, sizeof *list);
    if (!list) return bt_fail_memory(error), NULL;
    list->base = (bt_object){&list_type, 1};
    list->dtype = dtype;
    list->shape = *shape;
    list->max = -1;
    return list;
}

/* As TensorFlow's, it has no bound. */
static bt_object *zero_list(const void *object, int depth, berth_error *error)
{
    const bt_list *from = object;
    bt_list *list = new_list(from->dtype, &from->shape, error);
    if (!list) return NULL;
    if (bt_items_zeros(&list->items, &from->items, depth, error)) return bt_object_free(&list->base), NULL;
    return &list->base;
}

bt_list *bt_list_new(bt_call *c, berth_dtype dtype, const bt_shape *shape, int64_t n)
{
    bt_list *list = new_list(dtype, shape, c->error);
    if (!list) return NULL;
    if (bt_items_resize(&list->items, n, c->error)) return bt_object_free(&list->base), NULL;
    return list;
}

const bt_list *bt_list_input(bt_call *c, int i)
{
    const bt_list *list = (const bt_list *)bt_object_input(c, i, &list_type);
    if (!list) return NULL;
    berth_dtype dtype = bt_attr_type(c->node, "element_dtype", list->dtype);
    if (dtype == list->dtype) return list;
    bt_call_fail(c, "the list holds %s, not %s", bt_dtype_name(list->dtype), bt_dtype_name(dtype));
    return NULL;
}

bt_list *bt_list_take(bt_call *c, int i)
{
    const bt_list *list = bt_list_input(c, i);
    if (!list) return NULL;
    bt_tensor *t = c->in[i];
    if (i < 64 && c->last >> i & 1 && list->base.refs == 1 && t->buffer && t->buffer->refs == 1) {
        bt_object **slot = t->data;
        bt_list *own = (bt_list *)*slot;
        *slot = NULL;
        return own;
    }
    bt_list *copy = bt_list_new(c, list->dtype, &list->shape, 0);
    if (!copy) return NULL;
    copy->max = list->max;
    if (bt_items_copy(&copy->items, &list->items, c->error)) return bt_object_free(&copy->base), NULL;
    return copy;
}

berth_status bt_list_out(bt_call *c, int i, bt_list *list, berth_status status)
{
    if (status) return bt_object_free(&list->base), status;
    return bt_out_object(c, i, BERTH_VARIANT, &list->base);
}

static berth_status shape_input(bt_call *c, int i, bt_shape *shape)
{
    if (i >= c->n_in || !bt_element_shape(c->in[i], shape))
        return bt_call_fail(c, "input %d is no shape: a vector of sizes, or the scalar -1 for any rank", i);
    return BERTH_OK;
}

berth_status bt_list_shape(bt_call *c, const bt_list *list, int input, bool look_at_items, bt_shape *shape)
{
    char ta[BT_SHAPE_TEXT], tb[BT_SHAPE_TEXT];
    bt_shape asked = BT_SHAPE_UNKNOWN;
    berth_status status = input < 0 ? BERTH_OK : shape_input(c, input, &asked);
    if (status) return status;
    *shape = list->shape;
    if (!bt_shape_merge(shape, &asked))
        return bt_call_fail(c, "the list's items have shape %s, not %s", bt_shape_text(&list->shape, ta),
                            bt_shape_text(&asked, tb));
    for (int64_t i = 0; look_at_items && i < list->items.n; i++) {
        const bt_tensor *item = &list->items.at[i];
        if (item->dtype && !bt_shape_merge(shape, &item->shape))
            return bt_call_fail(c, "item %lld has shape %s, not %s", (long long)i,
                                bt_shape_text(&item->shape, ta), bt_shape_text(shape, tb));
    }
    return BERTH_OK;
}

/* ---- Shape functions ----------------------------------------------------------------------------------- */

berth_status bt_infer_list(bt_infer *x)
{
    bt_infer_scalar(x, 0, BERTH_VARIANT);
    return BERTH_OK;
}

void bt_infer_item(bt_infer *x, int out, int input)
{
    x->out[out].dtype = bt_attr_type(x->node, "element_dtype", BERTH_NO_DTYPE);
    const bt_tensor *value = input < x->n_in ? x->in[input].value : NULL;
    if (!value || !bt_element_shape(value, &x->out[out].shape)) x->out[out].shape = BT_SHAPE_UNKNOWN;
}

static berth_status infer_get(bt_infer *x)
{
    bt_infer_item(x, 0, 2);
    return BERTH_OK;
}

static berth_status infer_pop(bt_infer *x)
{
    bt_infer_list(x);
    bt_infer_item(x, 1, 1);
    return BERTH_OK;
}

static berth_status infer_element_shape(bt_infer *x)
{
    x->out[0].dtype = bt_attr_type(x->node, "shape_type", BERTH_INT32);
    return BERTH_OK;
}

/* ---- Kernels ------------------------------------------------------------------------------------------- */

static berth_status run_empty(bt_call *c)
{
    bt_shape shape;
    int64_t max;
    berth_status status = shape_input(c, 0, &shape);
    if (!status) status = bt_int_input(c, 1, &max);
    if (status) return status;
    bt_list *list = bt_list_new(c, bt_attr_type(c->node, "element_dtype", BERTH_FLOAT), &shape, 0);
    if (!list) return BERTH_NO_MEMORY;
    list->max = max;
    return bt_list_out(c, 0, list, BERTH_OK);
}

static berth_status run_reserve(bt_call *c)
{
    bt_shape shape;
    int64_t n;
    berth_status status = shape_input(c, 0, &shape);
    if (!status) status = bt_int_input(c, 1, &n);
    if (status) return status;
    if (n < 0) return bt_call_fail(c, "cannot reserve %lld items", (long long)n);
    bt_list *list = bt_list_new(c, bt_attr_type(c->node, "element_dtype", BERTH_FLOAT), &shape, n);
    return list ? bt_list_out(c, 0, list, BERTH_OK) : BERTH_NO_MEMORY;
}

static berth_status check_item(bt_call *c, const bt_list *list, const bt_tensor *item)
{
    char ta[BT_SHAPE_TEXT], tb[BT_SHAPE_TEXT];
    if (item->dtype != list->dtype)
        return bt_call_fail(c, "a list of %s takes no item of %s", bt_dtype_name(list->dtype),
                            bt_dtype_name(item->dtype));
    if (bt_shape_compatible(&list->shape, &item->shape)) return BERTH_OK;
    return bt_call_fail(c, "a list of items of shape %s takes none of shape %s",
                        bt_shape_text(&list->shape, ta), bt_shape_text(&item->shape, tb));
}

static berth_status run_push(bt_call *c)
{
    const bt_list *in = bt_list_input(c, 0);
    if (!in || c->n_in < 2) return bt_call_fail(c, "needs a list and an item");
    berth_status status = check_item(c, in, c->in[1]);
    if (status) return status;
    if (in->max >= 0 && in->items.n >= in->max)
        return bt_call_fail(c, "the list is full: it takes %lld items at most", (long long)in->max);
    bt_list *list = bt_list_take(c, 0);
    if (!list) return BERTH_NO_MEMORY;
    status = bt_items_resize(&list->items, list->items.n + 1, c->error);
    if (!status) status = bt_items_set(&list->items, list->items.n - 1, c->in[1], c->error);
    return bt_list_out(c, 0, list, status);
}

/* Item i as output `out`; zeros when it was never set, if its shape can be told: by GetItem also from the others'. */
static berth_status out_item(bt_call *c, int out, const bt_list *list, int64_t i)
{
    const bt_tensor *item = &list->items.at[i];
    char text[BT_SHAPE_TEXT];
    bt_shape shape;
    if (item->dtype) return bt_out_item(c, out, item); /* whatever is said of its shape */
    berth_status status = bt_list_shape(c, list, out == 0 ? 2 : 1, false, &shape);
    if (status) return status;
    if (!bt_shape_known(&shape) && out == 0) status = bt_list_shape(c, list, 2, true, &shape);
    if (status) return status;
    if (!bt_shape_known(&shape))
        return bt_call_fail(c, "item %lld was never set, and its shape %s is not fully known", (long long)i,
                            bt_shape_text(&shape, text));
    return bt_out_zeros(c, out, list->dtype, &shape);
}

static berth_status run_get(bt_call *c)
{
    const bt_list *list = bt_list_input(c, 0);
    int64_t i;
    berth_status status = list ? bt_int_input(c, 1, &i) : BERTH_BAD_INPUT;
    if (status) return status;
    if (i < 0 || i >= list->items.n)
        return bt_call_fail(c, "item %lld of a list with %lld items", (long long)i, (long long)list->items.n);
    return out_item(c, 0, list, i);
}

static berth_status run_pop(bt_call *c)
{
    const bt_list *in = bt_list_input(c, 0);
    if (!in) return BERTH_BAD_INPUT;
    if (!in->items.n) return bt_call_fail(c, "cannot pop from an empty list");
    berth_status status = out_item(c, 1, in, in->items.n - 1);
    bt_list *list = status ? NULL : bt_list_take(c, 0);
    if (!list) return status ? status : BERTH_NO_MEMORY;
    return bt_list_out(c, 0, list, bt_items_resize(&list->items, list->items.n - 1, c->error));
}

static berth_status run_set(bt_call *c)
{
    const bt_list *in = bt_list_input(c, 0);
    int64_t i;
    berth_status status = in ? bt_int_input(c, 1, &i) : BERTH_BAD_INPUT;
    if (!status) status = c->n_in > 2 ? check_item(c, in, c->in[2]) : bt_call_fail(c, "needs an item");
    if (status) return status;
    bool grows = bt_attr_bool(c->node, "resize_if_index_out_of_bounds", false);
    if (i < 0 || (i >= in->items.n && !grows))
        return bt_call_fail(c, "item %lld of a list with %lld items", (long long)i, (long long)in->items.n);
    bt_list *list = bt_list_take(c, 0);
    if (!list) return BERTH_NO_MEMORY;
    if (i >= list->items.n) status = bt_items_resize(&list->items, i + 1, c->error);
    if (!status) status = bt_items_set(&list->items, i, c->in[2], c->error);
    return bt_list_out(c, 0, list, status);
}

static berth_status run_length(bt_call *c)
{
    const bt_list *list = bt_list_input(c, 0);
    return list ? bt_out_scalar(c, 0, BERTH_INT32, list->items.n) : BERTH_BAD_INPUT;
}

static berth_status run_resize(bt_call *c)
{
    int64_t n;
    berth_status status = bt_int_input(c, 1, &n);
    if (status) return status;
    if (n < 0) return bt_call_fail(c, "cannot resize to %lld items", (long long)n);
    bt_list *list = bt_list_take(c, 0);
    if (!list) return BERTH_BAD_INPUT;
    return bt_list_out(c, 0, list, bt_items_resize(&list->items, n, c->error));
}

static berth_status run_element_shape(bt_call *c)
{
    const bt_list *list = bt_list_input(c, 0);
    return list ? bt_out_shape(c, bt_attr_type(c->node, "shape_type", BERTH_INT32), &list->shape)
                : BERTH_BAD_INPUT;
}

const bt_op bt_ops_tensor_list[] = {
    BT_LIST("EmptyTensorList", bt_infer_list, run_empty, .host_inputs = 3),
    BT_LIST("TensorListReserve", bt_infer_list, run_reserve, .host_inputs = 3),
    BT_LIST("TensorListPushBack", bt_infer_list, run_push),
    BT_LIST("TensorListPopBack", infer_pop, run_pop, .host_inputs = 2, .outputs = "output_handle,tensor"),
    BT_LIST("TensorListGetItem", infer_get, run_get, .host_inputs = 6),
    BT_LIST("TensorListSetItem", bt_infer_list, run_set, .host_inputs = 2),
    BT_LIST("TensorListLength", bt_infer_int32, run_length, .host_outputs = 1),
    BT_LIST("TensorListResize", bt_infer_list, run_resize, .host_inputs = 2),
    BT_LIST("TensorListElementShape", infer_element_shape, run_element_shape, .host_outputs = 1),
    {NULL},
};
