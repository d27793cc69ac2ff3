/* Tensor lists as a whole: stacked, gathered, joined and split along dimension 0, and made from tensors the same
 * way. Single items are in tensor_list.c. */
#include "ops/tensor_list.h"

/* ---- Shape functions ----------------------------------------------------------------------------------- */

/* [rows] + the shape of an item. */
static void infer_rows(bt_infer *x, int input, int64_t rows)
{
    bt_infer_item(x, 0, input);
    bt_shape item = x->out[0].shape;
    if (item.rank < 0 || !bt_shape_prepend(rows, &item, &x->out[0].shape)) x->out[0].shape = BT_SHAPE_UNKNOWN;
}

static berth_status infer_stack(bt_infer *x)
{
    infer_rows(x, 1, bt_attr_int(x->node, "num_elements", -1));
    return BERTH_OK;
}

static berth_status infer_gather(bt_infer *x)
{
    const bt_shape *index = &x->in[1].shape;
    infer_rows(x, 2, index->rank == 1 ? index->dim[0] : -1);
    return BERTH_OK;
}

static berth_status infer_concat(bt_infer *x)
{
    x->out[0].dtype = bt_attr_type(x->node, "element_dtype", BERTH_NO_DTYPE);
    x->out[1].dtype = BERTH_INT64;
    x->out[1].shape = BT_SHAPE(-1);
    return BERTH_OK;
}

/* ---- Lists to tensors ---------------------------------------------------------------------------------- */

/* The shape of every item, which must be known in the end; only items that are read need to agree. */
static berth_status stacked_shape(bt_call *c, const bt_list *list, int input, int64_t n, bt_shape *shape)
{
    char text[BT_SHAPE_TEXT];
    berth_status status = bt_list_shape(c, list, input, false, shape);
    if (!status && n) status = bt_list_shape(c, list, input, true, shape);
    if (status || bt_shape_known(shape)) return status;
    return bt_call_fail(c, "cannot stack a list with %lld items of shape %s", (long long)list->items.n,
                        bt_shape_text(shape, text));
}

static berth_status run_stack(bt_call *c)
{
    const bt_list *list = bt_list_input(c, 0);
    int64_t expected = bt_attr_int(c->node, "num_elements", -1);
    bt_shape shape;
    if (!list) return BERTH_BAD_INPUT;
    if (expected != -1 && list->items.n != expected)
        return bt_call_fail(c, "expects a list with %lld items, got one with %lld", (long long)expected,
                            (long long)list->items.n);
    berth_status status = stacked_shape(c, list, 1, list->items.n, &shape);
    if (status) return status;
    return bt_items_stack(c, 0, &list->items, NULL, list->items.n, list->dtype, &shape);
}

static berth_status check_vector(bt_call *c, int i, const char *what)
{
    const bt_tensor *t = i < c->n_in ? c->in[i] : NULL;
    if (t && t->shape.rank == 1 && (t->dtype == BERTH_INT32 || t->dtype == BERTH_INT64)) return BERTH_OK;
    return bt_call_fail(c, "%s must be a vector of integers", what);
}

static berth_status run_gather(bt_call *c)
{
    const bt_list *list = bt_list_input(c, 0);
    bt_shape shape;
    berth_status status = list ? check_vector(c, 1, "indices") : BERTH_BAD_INPUT;
    if (status) return status;
    int64_t n = c->in[1]->shape.dim[0];
    for (int64_t i = 0; i < n; i++) {
        int64_t at = bt_tensor_int(c->in[1], i);
        if (at < 0 || at >= list->items.n)
            return bt_call_fail(c, "item %lld of a list with %lld items", (long long)at,
                                (long long)list->items.n);
    }
    status = stacked_shape(c, list, 2, n, &shape);
    return status ? status : bt_items_stack(c, 0, &list->items, c->in[1], n, list->dtype, &shape);
}

/* Rows of item i of a joined list: its own, or as leading_dims (input 2 of V2) says where it was never set. */
static berth_status item_rows(bt_call *c, const bt_list *list, int64_t i, const bt_shape *shape,
                              int64_t *rows)
{
    const bt_tensor *item = &list->items.at[i], *leading = c->n_in > 2 ? c->in[2] : NULL;
    if (item->dtype) {
        if (item->shape.rank < 1)
            return bt_call_fail(c, "item %lld is a scalar: it cannot be joined", (long long)i);
        *rows = item->shape.dim[0];
        return BERTH_OK;
    }
    *rows = leading && leading->shape.rank == 1 && i < leading->shape.dim[0] ? bt_tensor_int(leading, i)
            : shape->rank > 0                                                ? shape->dim[0]
                                                                             : -1;
    if (*rows >= 0) return BERTH_OK;
    return bt_call_fail(c, "item %lld was never set, and nothing tells how many rows it has", (long long)i);
}

/* What items have behind dimension 0, in shape->dim[1..]; dim[0]: the rows of one that was never set, -1 unknown. */
static berth_status joined_shape(bt_call *c, const bt_list *list, bt_shape *shape)
{
    char ta[BT_SHAPE_TEXT], tb[BT_SHAPE_TEXT];
    bt_shape asked = BT_SHAPE_UNKNOWN;
    if (c->n_in > 1 && !bt_element_shape(c->in[1], &asked))
        return bt_call_fail(c, "element_shape is no shape");
    if (c->n_in <= 1 && !bt_attr_shape(c->node, "element_shape", &asked)) asked = BT_SHAPE_UNKNOWN;
    *shape = list->shape;
    if (!bt_shape_merge(shape, &asked))
        return bt_call_fail(c, "the list's items have shape %s, not %s", bt_shape_text(&list->shape, ta),
                            bt_shape_text(&asked, tb));
    if (shape->rank == 0) return bt_call_fail(c, "items are scalars: they cannot be joined");
    /* The attribute's first dimension says nothing, an input's does. */
    const bt_shape *told = c->n_in > 1 ? shape : &list->shape;
    int64_t rows = told->rank > 0 ? told->dim[0] : -1;
    bool differ = false, any = false;
    for (int64_t i = 0; i < list->items.n; i++) {
        const bt_tensor *item = &list->items.at[i];
        if (!item->dtype) continue;
        bt_shape rest = item->shape;
        if (rest.rank > 0) {
            differ = differ || (any && rows != rest.dim[0]);
            rows = rest.dim[0], any = true;
        }
        if (rest.rank > 0) rest.dim[0] = shape->rank > 0 ? shape->dim[0] : -1;
        if (!bt_shape_merge(shape, &rest))
            return bt_call_fail(c, "item %lld has shape %s, not %s", (long long)i,
                                bt_shape_text(&item->shape, ta), bt_shape_text(shape, tb));
    }
    if (shape->rank > 0) shape->dim[0] = differ ? -1 : rows;
    bt_shape first = *shape;
    if (first.rank > 0) first.dim[0] = 0;
    if (bt_shape_known(&first)) return BERTH_OK;
    return bt_call_fail(c, "cannot join a list with %lld items of shape %s", (long long)list->items.n,
                        bt_shape_text(shape, ta));
}

static berth_status run_concat(bt_call *c)
{
    const bt_list *list = bt_list_input(c, 0);
    bt_shape shape, whole;
    berth_status status = list ? joined_shape(c, list, &shape) : BERTH_BAD_INPUT;
    if (status) return status;
    int64_t n = list->items.n, total = 0;
    bt_shape vector = BT_SHAPE(n);
    int64_t *lengths = bt_out(c, 1, BERTH_INT64, &vector);
    if (!lengths) return BERTH_NO_MEMORY;
    for (int64_t i = 0; i < n; i++) {
        status = item_rows(c, list, i, &shape, &lengths[i]);
        if (status) return status;
        if (__builtin_add_overflow(total, lengths[i], &total))
            return bt_call_fail(c, "the joined tensor is too large");
    }
    whole = shape;
    whole.dim[0] = total;
    char *out = bt_out(c, 0, list->dtype, &whole);
    if (!out) return c->error ? c->error->status : BERTH_NO_MEMORY;
    int64_t row = bt_shape_span(&whole, 1, whole.rank);
    for (int64_t i = 0; i < n && !status; i++) {
        const bt_tensor *item = &list->items.at[i];
        size_t bytes = (size_t)(lengths[i] * row) * bt_dtype_size(list->dtype);
        status = bt_call_item(c, item, list->dtype, out, lengths[i] * row);
        out += bytes;
    }
    return status;
}

/* ---- Tensors to lists ---------------------------------------------------------------------------------- */

/* A list for the rows of input 0, with the element shape of input `input`. */
static berth_status list_for_rows(bt_call *c, int input, int64_t n, bool whole_rows, bt_list **list)
{
    const bt_tensor *t = c->in[0];
    bt_shape shape;
    char ta[BT_SHAPE_TEXT], tb[BT_SHAPE_TEXT];
    if (t->shape.rank < 1) return bt_call_fail(c, "a scalar has no rows");
    if (input >= c->n_in || !bt_element_shape(c->in[input], &shape))
        return bt_call_fail(c, "input %d is no shape", input);
    bt_shape row = bt_shape_from(t->shape.rank - 1, t->shape.dim + 1);
    if (whole_rows && !bt_shape_compatible(&shape, &row))
        return bt_call_fail(c, "rows have shape %s, not %s", bt_shape_text(&row, ta),
                            bt_shape_text(&shape, tb));
    *list = bt_list_new(c, t->dtype, &shape, n);
    return *list ? BERTH_OK : BERTH_NO_MEMORY;
}

static berth_status run_from_tensor(bt_call *c)
{
    bt_list *list = NULL;
    const bt_tensor *t = c->in[0];
    berth_status status = list_for_rows(c, 1, t->shape.rank > 0 ? t->shape.dim[0] : 0, true, &list);
    if (status) return status;
    return bt_list_out(c, 0, list, bt_items_unstack(&list->items, 0, t, c->error));
}

/* Row i of t becomes item indices[i] of the list, which grows when it must. */
static berth_status scatter_rows(bt_call *c, bt_list *list, const bt_tensor *t, const bt_tensor *indices)
{
    int64_t n = indices->shape.dim[0];
    if (t->shape.rank < 1 || t->shape.dim[0] != n)
        return bt_call_fail(c, "has %lld indices for %lld rows", (long long)n,
                            (long long)(t->shape.rank < 1 ? 0 : t->shape.dim[0]));
    for (int64_t i = 0; i < n; i++)
        if (bt_tensor_int(indices, i) < 0) return bt_call_fail(c, "indices must not be negative");
    bt_tensor kept = {0};
    berth_status status = bt_tensor_keep(&kept, t, c->error);
    for (int64_t i = 0; i < n && !status; i++) {
        int64_t at = bt_tensor_int(indices, i);
        bt_tensor row = bt_tensor_row(&kept, i);
        if (at >= list->items.n) status = bt_items_resize(&list->items, at + 1, c->error);
        if (!status) {
            bt_tensor_clear(&list->items.at[at]);
            list->items.at[at] = row;
        } else {
            bt_tensor_clear(&row);
        }
    }
    bt_tensor_clear(&kept);
    return status;
}

static berth_status run_scatter(bt_call *c)
{
    bt_list *list = NULL;
    int64_t n = -1, highest = -1;
    berth_status status = c->n_in > 2 ? check_vector(c, 1, "indices") : bt_call_fail(c, "needs indices");
    if (!status && c->n_in > 3) status = bt_int_input(c, 3, &n);
    if (status) return status;
    for (int64_t i = 0; i < c->in[1]->shape.dim[0]; i++)
        if (bt_tensor_int(c->in[1], i) > highest) highest = bt_tensor_int(c->in[1], i);
    if (n < -1 || (n >= 0 && highest >= n))
        return bt_call_fail(c, "index %lld for a list of %lld items", (long long)highest, (long long)n);
    status = list_for_rows(c, 2, n >= 0 ? n : highest + 1, true, &list);
    return status ? status : bt_list_out(c, 0, list, scatter_rows(c, list, c->in[0], c->in[1]));
}

static berth_status run_scatter_into(bt_call *c)
{
    const bt_list *in = bt_list_input(c, 0);
    berth_status status =
        in && c->n_in > 2 ? check_vector(c, 2, "indices") : bt_call_fail(c, "needs indices");
    if (status) return status;
    const bt_tensor *t = c->in[1];
    if (t->shape.rank < 1 || t->dtype != in->dtype) return bt_call_fail(c, "needs rows of the list's dtype");
    bt_list *list = bt_list_take(c, 0);
    return list ? bt_list_out(c, 0, list, scatter_rows(c, list, t, c->in[2])) : BERTH_NO_MEMORY;
}

static berth_status split_rows(bt_call *c, bt_list *list, const bt_tensor *t, const bt_tensor *lengths)
{
    char ta[BT_SHAPE_TEXT], tb[BT_SHAPE_TEXT];
    bt_tensor kept = {0};
    size_t row_bytes = (size_t)bt_shape_span(&t->shape, 1, t->shape.rank) * bt_dtype_size(t->dtype), at = 0;
    berth_status status = bt_tensor_keep(&kept, t, c->error);
    for (int64_t i = 0; i < list->items.n && !status; i++) {
        bt_tensor *item = &list->items.at[i];
        bt_shape shape = t->shape;
        shape.dim[0] = bt_tensor_int(lengths, i);
        if (!bt_shape_compatible(&list->shape, &shape)) {
            status = bt_call_fail(c, "a piece has shape %s, not %s", bt_shape_text(&shape, ta),
                                  bt_shape_text(&list->shape, tb));
            break;
        }
        bt_tensor_share(item, &kept);
        item->shape = shape;
        item->data = (char *)kept.data + at;
        at += (size_t)shape.dim[0] * row_bytes;
    }
    bt_tensor_clear(&kept);
    return status;
}

static berth_status run_split(bt_call *c)
{
    bt_list *list = NULL;
    const bt_tensor *t = c->in[0];
    berth_status status = c->n_in > 2 ? check_vector(c, 2, "lengths") : bt_call_fail(c, "needs lengths");
    if (!status) status = list_for_rows(c, 1, c->in[2]->shape.dim[0], false, &list);
    if (status) return status;
    int64_t left = t->shape.dim[0];
    for (int64_t i = 0; i < list->items.n && left >= 0; i++) {
        int64_t length = bt_tensor_int(c->in[2], i);
        left = length < 0 || length > left ? -1 : left - length;
    }
    if (left) status = bt_call_fail(c, "lengths do not add up to %lld rows", (long long)t->shape.dim[0]);
    return bt_list_out(c, 0, list, status ? status : split_rows(c, list, t, c->in[2]));
}

static berth_status run_concat_lists(bt_call *c)
{
    const bt_list *a = bt_list_input(c, 0), *b = a ? bt_list_input(c, 1) : NULL;
    char ta[BT_SHAPE_TEXT], tb[BT_SHAPE_TEXT];
    if (!b) return BERTH_BAD_INPUT;
    if (a->dtype != b->dtype || !bt_shape_equal(&a->shape, &b->shape))
        return bt_call_fail(c, "lists of items of shape %s and %s do not join", bt_shape_text(&a->shape, ta),
                            bt_shape_text(&b->shape, tb));
    bt_list *list = bt_list_take(c, 0);
    if (!list) return BERTH_NO_MEMORY;
    int64_t n = list->items.n, added = b->items.n; /* both may be one list */
    berth_status status = bt_items_resize(&list->items, n + added, c->error);
    for (int64_t i = 0; i < added && !status; i++) bt_tensor_share(&list->items.at[n + i], &b->items.at[i]);
    return bt_list_out(c, 0, list, status);
}

const bt_op bt_ops_tensor_list_stack[] = {
    BT_LIST("TensorListStack", infer_stack, run_stack, .host_inputs = 2),
    BT_LIST("TensorListGather", infer_gather, run_gather, .host_inputs = 6),
    BT_LIST("TensorListConcat", infer_concat, run_concat, .outputs = "tensor,lengths", .host_outputs = 2),
    BT_LIST("TensorListConcatV2", infer_concat, run_concat, .outputs = "tensor,lengths", .host_inputs = 6, .host_outputs = 2),
    BT_LIST("TensorListFromTensor", bt_infer_list, run_from_tensor, .host_inputs = 2),
    BT_LIST("TensorListScatter", bt_infer_list, run_scatter, .host_inputs = 6),
    BT_LIST("TensorListScatterV2", bt_infer_list, run_scatter, .host_inputs = 14),
    BT_LIST("TensorListScatterIntoExistingList", bt_infer_list, run_scatter_into, .host_inputs = 4),
    BT_LIST("TensorListSplit", bt_infer_list, run_split, .host_inputs = 6),
    BT_LIST("TensorListConcatLists", bt_infer_list, run_concat_lists),
    {NULL},
};
