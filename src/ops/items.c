/* The array of tensors behind tensor lists (tensor_list.c) and tensor arrays (tensor_array.c). */
#include "ops/items.h"

#include "ops/gpu.h"
#include "ops/move.h"
#include "ops/object.h"

void bt_items_free(bt_items *items)
{
    for (int64_t i = 0; i < items->n; i++) bt_tensor_clear(&items->at[i]);
    bt_free(items->at);
    bt_buffer_free(items->slab);
    *items = (bt_items){0};
}

berth_status bt_items_resize(bt_items *items, int64_t n, berth_error *error)
{
    if (n > INT32_MAX || !bt_grow(&items->at, &items->capacity, (size_t)n, sizeof *items->at))
        return bt_fail_memory(error);
    for (int64_t i = n; i < items->n; i++) bt_tensor_clear(&items->at[i]);
    if (n < items->n && items->slab_end > n)
        items->slab_end = n; /* the dropped rows may have readers still */
    if (n > items->n) memset(items->at + items->n, 0, (size_t)(n - items->n) * sizeof *items->at);
    items->n = n;
    return BERTH_OK;
}

berth_status bt_items_leave(bt_items *items, berth_error *error)
{
    berth_status status = BERTH_OK;
    for (int64_t i = 0; i < items->n && !status; i++) {
        bt_tensor *item = &items->at[i], host;
        status = bt_tensor_leave(item, error);
        if (status || !item->dtype || !item->device) continue;
        status = bt_tensor_init(&host, item->dtype, &item->shape, error);
        if (!status && (status = bt_tensor_transfer(&host, item, error))) bt_tensor_clear(&host);
        if (status) break;
        bt_tensor_clear(item);
        *item = host;
    }
    bt_buffer_free(items->slab);
    items->slab = NULL;
    return status;
}

berth_status bt_items_copy(bt_items *to, const bt_items *from, berth_error *error)
{
    *to = (bt_items){0};
    berth_status status = bt_items_resize(to, from->n, error);
    for (int64_t i = 0; i < from->n && !status; i++) bt_tensor_share(&to->at[i], &from->at[i]);
    return status;
}

berth_status bt_items_zeros(bt_items *to, const bt_items *from, int depth, berth_error *error)
{
    *to = (bt_items){0};
    berth_status status = bt_items_resize(to, from->n, error);
    for (int64_t i = 0; i < from->n && !status; i++) {
        if (!from->at[i].dtype) continue;
        bt_tensor item;
        if (!(status = bt_tensor_zeros(&item, &from->at[i], depth, error))) to->at[i] = item;
    }
    return status;
}

/* False: there is no room for one. */
static bool new_slab(bt_items *items, bt_device *device, size_t bytes)
{
    bt_tensor slab;
    bt_shape shape = BT_SHAPE((int64_t)bytes);
    if (bytes > INT64_MAX || bt_tensor_init_on(device, &slab, BERTH_UINT8, &shape, NULL)) return false;
    bt_buffer_free(items->slab);
    items->slab = slab.buffer, items->slab_device = device;
    return true;
}

/* A row of the slab for item i, which is not set yet; NULL when it has none. */
static void *slab_row(bt_items *items, int64_t i, size_t row_bytes, bt_device *device)
{
    if (!items->slab || i >= items->slab_end) {
        int64_t first = items->slab ? i : 0;
        int64_t rows = items->n - first > first ? items->n - first : first;
        size_t bytes;
        if (rows < 2 || !bt_mul((size_t)rows, row_bytes, &bytes)) return NULL;
        if (!new_slab(items, device, bytes)) return NULL;
        items->slab_first = first;
        items->slab_end = first + rows;
        items->row_bytes = row_bytes;
    }
    if (i < items->slab_first || row_bytes != items->row_bytes || device != items->slab_device) return NULL;
    return (char *)items->slab->data + (size_t)(i - items->slab_first) * row_bytes;
}

berth_status bt_items_set(bt_items *items, int64_t i, const bt_tensor *value, berth_error *error)
{
    enum { SLAB_ROW = 1 << 18 }; /* larger tensors are not worth a copy */
    bt_tensor *item = &items->at[i], kept = {0};
    size_t bytes = bt_dtype_is_object(value->dtype) ? 0 : bt_tensor_bytes(value);
    void *row = !item->dtype && bytes && bytes <= SLAB_ROW ? slab_row(items, i, bytes, value->device) : NULL;
    if (row) {
        *item = (bt_tensor){.dtype = value->dtype,
                            .shape = value->shape,
                            .data = row,
                            .buffer = bt_buffer_ref(items->slab),
                            .device = value->device};
        return bt_tensor_transfer(item, value, error);
    }
    berth_status status = bt_tensor_keep(&kept, value, error);
    if (status) return status;
    bt_tensor_clear(item);
    *item = kept;
    return BERTH_OK;
}

bt_tensor bt_tensor_row(const bt_tensor *t, int64_t i)
{
    bt_tensor row = {.dtype = t->dtype, .buffer = bt_buffer_ref(t->buffer), .device = t->device};
    row.shape = bt_shape_from(t->shape.rank - 1, t->shape.dim + 1);
    row.data = (char *)t->data + (size_t)i * (size_t)bt_shape_count(&row.shape) * bt_dtype_size(t->dtype);
    return row;
}

berth_status bt_items_unstack(bt_items *items, int64_t first, const bt_tensor *value, berth_error *error)
{
    bt_tensor kept = {0};
    berth_status status = bt_tensor_keep(&kept, value, error);
    for (int64_t i = 0; i < value->shape.dim[0] && !status; i++) {
        bt_tensor_clear(&items->at[first + i]);
        items->at[first + i] = bt_tensor_row(&kept, i);
    }
    bt_tensor_clear(&kept);
    return status;
}

berth_status bt_out_zeros(bt_call *c, int out, berth_dtype dtype, const bt_shape *shape)
{
    void *p = bt_out(c, out, dtype, shape);
    if (!p) return c->error ? c->error->status : BERTH_NO_MEMORY;
    return bt_call_zero(c, dtype, p, bt_shape_count(shape));
}

/* Where the call's data lies, as in bt_tensor. */
static bt_device *place_of(const bt_call *c) { return bt_on_gpu(c) ? c->device : NULL; }

berth_status bt_out_item(bt_call *c, int out, const bt_tensor *item)
{
    bt_tensor t;
    if (item->device == place_of(c)) {
        bt_tensor_share(&t, item);
        return bt_out_move(c, out, &t);
    }
    t = (bt_tensor){.dtype = item->dtype, .shape = item->shape, .device = place_of(c)};
    t.data = bt_out(c, out, item->dtype, &item->shape);
    if (!t.data) return c->error ? c->error->status : BERTH_NO_MEMORY;
    return bt_tensor_transfer(&t, item, c->error);
}

berth_status bt_call_item(bt_call *c, const bt_tensor *item, berth_dtype dtype, void *p, int64_t count)
{
    bt_tensor to = {.dtype = dtype, .shape = item->shape, .data = p, .device = place_of(c)};
    if (!item->dtype) return bt_call_zero(c, dtype, p, count);
    if (to.device || item->device) return bt_tensor_transfer(&to, item, c->error);
    return bt_elements_copy(dtype, p, item->data, count, c->error);
}

bool bt_shape_prepend(int64_t rows, const bt_shape *shape, bt_shape *out)
{
    if (shape->rank >= BT_MAX_RANK) return false;
    *out = BT_SHAPE(rows);
    out->rank = shape->rank + 1;
    for (int i = 0; i < shape->rank; i++) out->dim[i + 1] = shape->dim[i];
    return true;
}

/* True when all items lie behind one another in one buffer. */
static bool lie_in_row(const bt_items *items, int64_t n, size_t bytes)
{
    if (!n || n != items->n || !items->at[0].dtype) return false;
    const char *p = items->at[0].data;
    for (int64_t i = 0; i < n; i++, p += bytes)
        if (items->at[i].buffer != items->at[0].buffer || items->at[i].data != p) return false;
    return true;
}

berth_status bt_items_stack(bt_call *c, int out, const bt_items *items, const bt_tensor *index, int64_t n,
                            berth_dtype dtype, const bt_shape *shape)
{
    bt_shape whole;
    size_t count = (size_t)bt_shape_count(shape), bytes = count * bt_dtype_size(dtype), total;
    if (!bt_shape_prepend(n, shape, &whole) || !bt_shape_bytes(&whole, bt_dtype_size(dtype), &total))
        return bt_call_fail(c, "the stacked tensor is too large");
    if (!index && bytes && lie_in_row(items, n, bytes) && items->at[0].device == place_of(c)) {
        bt_tensor view;
        bt_tensor_share(&view, &items->at[0]);
        view.shape = whole;
        return bt_out_move(c, out, &view);
    }
    char *p = bt_out(c, out, dtype, &whole);
    if (!p) return c->error ? c->error->status : BERTH_NO_MEMORY;
    berth_status status = BERTH_OK;
    for (int64_t i = 0; i < n && count && !status; i++, p += bytes)
        status = bt_call_item(c, &items->at[index ? bt_tensor_int(index, i) : i], dtype, p, (int64_t)count);
    return status;
}

bool bt_element_shape(const bt_tensor *t, bt_shape *shape)
{
    if (t->shape.rank == 0) {
        *shape = BT_SHAPE_UNKNOWN;
        return (t->dtype == BERTH_INT32 || t->dtype == BERTH_INT64) && bt_tensor_int(t, 0) == -1;
    }
    return t->shape.rank == 1 && bt_tensor_shape_value(t, shape);
}
