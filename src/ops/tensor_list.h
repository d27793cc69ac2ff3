/* Tensor lists: the object in a variant tensor, for the families that build lists (tensor_list.c) and those that
 * turn them into tensors and back (tensor_list_stack.c). A list is a value: an op changes it in place only when it
 * holds the last reference, and else copies the references to its items. */
#ifndef BT_TENSOR_LIST_H
#define BT_TENSOR_LIST_H

#include "ops/items.h"
#include "ops/move.h"
#include "ops/object.h"

typedef struct bt_list {
    bt_object base;
    berth_dtype dtype;
    bt_shape shape; /* of every item; maybe partly unknown */
    int64_t max;    /* items; -1: no bound */
    bt_items items;
} bt_list;

/* NULL with the error set. */
bt_list *bt_list_new(bt_call *c, berth_dtype dtype, const bt_shape *shape, int64_t n);
/* The list in input i, borrowed; NULL with the error set when there is none, or one of another dtype than the
 * attribute element_dtype says. */
const bt_list *bt_list_input(bt_call *c, int i);
/* The list in input i to change and hand out: that very one when nobody else holds it, else a copy. */
bt_list *bt_list_take(bt_call *c, int i);
/* Hands the list out as output i, or drops it when `status` is a failure, which is returned. */
berth_status bt_list_out(bt_call *c, int i, bt_list *list, berth_status status);
/* The shape that the items have for all that the list, input `input` (-1: none) and the items say. */
berth_status bt_list_shape(bt_call *c, const bt_list *list, int input, bool look_at_items, bt_shape *shape);

/* A record. The list is the host's; its items lie where they were made. */
#define BT_LIST(op, infer_, run, ...)                                                                         \
    {                                                                                                      \
        .name = op, .infer = infer_, .cpu = run, .gpu = run, .gpu_types = BT_GPU_MOVES, .flags = BT_OP_NO_FOLD, \
        .type_attr = "element_dtype", __VA_ARGS__                                                          \
    }

bt_infer_fn bt_infer_list; /* output 0: a scalar variant */
/* Output `out` is an item: dtype element_dtype, shape as input `input` says. */
void bt_infer_item(bt_infer *x, int out, int input);

#endif
