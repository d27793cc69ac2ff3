/* Objects in tensors: how kernels find the object behind a handle (RESOURCE) or value (VARIANT), and hand one out. */
#ifndef BT_OBJECT_H
#define BT_OBJECT_H

#include "ops/op.h"

/* The object in input i, borrowed; NULL with the error set when there is none of that type. */
bt_object *bt_object_input(bt_call *c, int i, const bt_object_type *type);
/* Hands a reference out as scalar output i (dtype RESOURCE or VARIANT); drops it on failure. */
berth_status bt_out_object(bt_call *c, int i, berth_dtype dtype, bt_object *object);
/* Output i is one number, of dtype int32, int64, bool or float. */
berth_status bt_out_scalar(bt_call *c, int i, berth_dtype dtype, int64_t value);
/* Output 0 is a shape as a vector of dtype int32 or int64; an unknown rank is the scalar -1. */
berth_status bt_out_shape(bt_call *c, berth_dtype dtype, const bt_shape *shape);
/* The integer scalar in input i. */
berth_status bt_int_input(bt_call *c, int i, int64_t *value);

/* *to is of the form of *from, with zeros for numbers; objects are those that their types make (bt_object_type). */
berth_status bt_tensor_zeros(bt_tensor *to, const bt_tensor *from, int depth, berth_error *error);

bt_infer_fn bt_infer_handle; /* output 0: a scalar resource */
bt_infer_fn bt_infer_none;   /* no outputs */
bt_infer_fn bt_infer_bool, bt_infer_int32; /* output 0: a scalar of the dtype */
void bt_infer_scalar(bt_infer *x, int i, berth_dtype dtype);

#endif
