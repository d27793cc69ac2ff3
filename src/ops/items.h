/* Items: a growing array of tensors, what a tensor list and a tensor array hold. Small number tensors are written
 * side by side into one block (the slab), so that storing one costs a memcpy and stacking all of them nothing. An item stays
 * on the device where it was made; who wants it elsewhere copies it. */
#ifndef BT_ITEMS_H
#define BT_ITEMS_H

#include "ops/op.h"

typedef struct bt_items {
    bt_tensor *at; /* dtype 0: not set; others own their bytes */
    int64_t n;
    size_t capacity;
    bt_buffer *slab; /* rows [slab_first, slab_end), each of row_bytes; written once a row */
    bt_device *slab_device; /* where it lies, as in bt_tensor */
    int64_t slab_first, slab_end;
    size_t row_bytes;
} bt_items;

void bt_items_free(bt_items *items);
/* Grows with items that are not set, or drops the last. */
berth_status bt_items_resize(bt_items *items, int64_t n, berth_error *error);
/* Items on devices are copied to the host. */
berth_status bt_items_leave(bt_items *items, berth_error *error);
/* References to the same tensors; the copy starts a slab of its own. */
berth_status bt_items_copy(bt_items *to, const bt_items *from, berth_error *error);
/* Zeros in the form of the same tensors (bt_tensor_zeros). */
berth_status bt_items_zeros(bt_items *to, const bt_items *from, int depth, berth_error *error);
/* Item i, 0 <= i < n, becomes *value. */
berth_status bt_items_set(bt_items *items, int64_t i, const bt_tensor *value, berth_error *error);
/* Items first .. first + rows of *value along dimension 0, as views of one copy. */
berth_status bt_items_unstack(bt_items *items, int64_t first, const bt_tensor *value, berth_error *error);
/* Output `out` is the items index[0..n) (NULL: 0, 1, 2 ...) side by side, [n] + shape, which is known; items that
 * are not set are zeros. All that are set have that shape; it is not
 * looked at where it has no elements. */
berth_status bt_items_stack(bt_call *c, int out, const bt_items *items, const bt_tensor *index, int64_t n,
                            berth_dtype dtype, const bt_shape *shape);
/* Output `out` becomes what the item is; the item stays as it is. */
berth_status bt_out_item(bt_call *c, int out, const bt_tensor *item);
/* The elements of an item, which is set and has `count` of them, or as many zeros, at p, where the call's data lies. */
berth_status bt_call_item(bt_call *c, const bt_tensor *item, berth_dtype dtype, void *p, int64_t count);
/* Output `out`, where the call's data lies, is a zero tensor. */
berth_status bt_out_zeros(bt_call *c, int out, berth_dtype dtype, const bt_shape *shape);
/* Row i of t along dimension 0, sharing its bytes. */
bt_tensor bt_tensor_row(const bt_tensor *t, int64_t i);
/* An element shape as these ops take it: a vector with -1 for unknown, or the scalar -1 for an unknown rank. */
bool bt_element_shape(const bt_tensor *t, bt_shape *shape);
/* rows + shape; false when the rank becomes too high. */
bool bt_shape_prepend(int64_t rows, const bt_shape *shape, bt_shape *out);

#endif
