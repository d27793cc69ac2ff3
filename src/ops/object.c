/* What the families of stateful and list ops share: objects and small numbers in and out. */
#include "ops/object.h"

bt_object *bt_object_input(bt_call *c, int i, const bt_object_type *type)
{
    const bt_tensor *t = i < c->n_in ? c->in[i] : NULL;
    if (t && (t->dtype == BERTH_RESOURCE || t->dtype == BERTH_VARIANT) && bt_tensor_count(t) == 1) {
        bt_object *object = *(bt_object **)t->data;
        if (object && object->type == type) return object;
    }
    bt_call_fail(c, "input %d is no %s", i, type->name);
    return NULL;
}

static berth_status failure(const bt_call *c) { return c->error ? c->error->status : BERTH_NO_MEMORY; }

berth_status bt_out_object(bt_call *c, int i, berth_dtype dtype, bt_object *object)
{
    bt_object **slot = bt_out(c, i, dtype, &BT_SCALAR);
    if (!slot) return bt_object_free(object), failure(c);
    *slot = object;
    return BERTH_OK;
}

static void store(void *to, int64_t i, berth_dtype dtype, int64_t value)
{
    if (dtype == BERTH_INT64) ((int64_t *)to)[i] = value;
    else if (dtype == BERTH_FLOAT) ((float *)to)[i] = (float)value;
    else if (dtype == BERTH_BOOL) ((bool *)to)[i] = value != 0;
    else ((int32_t *)to)[i] = (int32_t)value;
}

berth_status bt_out_scalar(bt_call *c, int i, berth_dtype dtype, int64_t value)
{
    void *out = bt_out(c, i, dtype, &BT_SCALAR);
    if (!out) return failure(c);
    store(out, 0, dtype, value);
    return BERTH_OK;
}

berth_status bt_out_shape(bt_call *c, berth_dtype dtype, const bt_shape *shape)
{
    if (shape->rank < 0) return bt_out_scalar(c, 0, dtype, -1);
    bt_shape length = BT_SHAPE(shape->rank);
    void *out = bt_out(c, 0, dtype, &length);
    if (!out) return failure(c);
    for (int i = 0; i < shape->rank; i++) store(out, i, dtype, shape->dim[i]);
    return BERTH_OK;
}

berth_status bt_int_input(bt_call *c, int i, int64_t *value)
{
    const bt_tensor *t = i < c->n_in ? c->in[i] : NULL;
    if (!t || bt_tensor_count(t) != 1 || (t->dtype != BERTH_INT32 && t->dtype != BERTH_INT64))
        return bt_call_fail(c, "input %d is no integer scalar", i);
    *value = bt_tensor_int(t, 0);
    return BERTH_OK;
}

static bt_object *object_zeros(const bt_tensor *from, int depth, berth_error *error)
{
    enum { DEEPEST = 100 };
    const bt_object *object = from->shape.rank ? NULL : *(bt_object *const *)from->data;
    if (from->shape.rank) return bt_fail(error, BERTH_BAD_INPUT, "no zeros of many variants at once"), NULL;
    if (!object || !object->type->zeros)
        return bt_fail(error, BERTH_BAD_INPUT, "no zeros of type %s",
                       object ? object->type->name : "variant"),
               NULL;
    if (depth == DEEPEST)
        return bt_fail(error, BERTH_UNSUPPORTED, "lists in lists more than %d deep", depth), NULL;
    return object->type->zeros(object, depth + 1, error);
}

berth_status bt_tensor_zeros(bt_tensor *to, const bt_tensor *from, int depth, berth_error *error)
{
    bool is_variant = from->dtype == BERTH_VARIANT;
    if (bt_dtype_is_object(from->dtype) && !is_variant)
        return bt_fail(error, BERTH_BAD_INPUT, "no zeros of dtype %s", bt_dtype_name(from->dtype));
    bt_object *object = is_variant ? object_zeros(from, depth, error) : NULL;
    if (is_variant && !object) return error ? error->status : BERTH_NO_MEMORY;
    berth_status status = bt_tensor_init(to, from->dtype, &from->shape, error);
    if (status) return bt_object_free(object), status;
    if (is_variant) *(bt_object **)to->data = object;
    else memset(to->data, 0, bt_tensor_bytes(to));
    return BERTH_OK;
}

berth_status bt_infer_handle(bt_infer *x)
{
    bt_infer_scalar(x, 0, BERTH_RESOURCE);
    return BERTH_OK;
}

berth_status bt_infer_none(bt_infer *x) { return (void)x, BERTH_OK; }

berth_status bt_infer_bool(bt_infer *x)
{
    bt_infer_scalar(x, 0, BERTH_BOOL);
    return BERTH_OK;
}

berth_status bt_infer_int32(bt_infer *x)
{
    bt_infer_scalar(x, 0, BERTH_INT32);
    return BERTH_OK;
}

void bt_infer_scalar(bt_infer *x, int i, berth_dtype dtype)
{
    x->out[i].dtype = dtype;
    x->out[i].shape = BT_SCALAR;
}
