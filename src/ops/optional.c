/* Optionals: values or nothing in a variant, as branches of a conditional hand them to its gradient. */
#include "ops/items.h"
#include "ops/object.h"

typedef struct optional {
    bt_object base;
    bool has_value;
    bt_items items;
} optional;

static void destroy(void *object)
{
    optional *o = object;
    bt_items_free(&o->items);
    bt_free(o);
}

static bt_object *zeros(const void *object, int depth, berth_error *error);

static const bt_object_type optional_type = {"optional", destroy, .zeros = zeros};

static optional *new_optional(bool has_value, berth_error *error)
{
    optional *o = bt_calloc(1, sizeof *o);
    if (!o) return bt_fail_memory(error), NULL;
    o->base = (bt_object){&optional_type, 1};
    o->has_value = has_value;
    return o;
}

static bt_object *zeros(const void *object, int depth, berth_error *error)
{
    const optional *from = object;
    optional *o = new_optional(from->has_value, error);
    if (!o) return NULL;
    if (bt_items_zeros(&o->items, &from->items, depth, error)) return bt_object_free(&o->base), NULL;
    return &o->base;
}

static berth_status make(bt_call *c, bool has_value)
{
    optional *o = new_optional(has_value, c->error);
    if (!o) return BERTH_NO_MEMORY;
    berth_status status = bt_items_resize(&o->items, has_value ? c->n_in : 0, c->error);
    for (int64_t i = 0; i < o->items.n && !status; i++)
        status = bt_items_set(&o->items, i, c->in[i], c->error);
    if (status) return bt_object_free(&o->base), status;
    return bt_out_object(c, 0, BERTH_VARIANT, &o->base);
}

static berth_status run_from_value(bt_call *c) { return make(c, true); }
static berth_status run_none(bt_call *c) { return make(c, false); }

static const optional *optional_input(bt_call *c)
{
    return (const optional *)bt_object_input(c, 0, &optional_type);
}

static berth_status run_has_value(bt_call *c)
{
    const optional *o = optional_input(c);
    return o ? bt_out_scalar(c, 0, BERTH_BOOL, o->has_value) : BERTH_BAD_INPUT;
}

static berth_status run_get_value(bt_call *c)
{
    const optional *o = optional_input(c);
    const bt_attr_value *types;
    int n = bt_attr_list(c->node, "output_types", &types);
    if (!o) return BERTH_BAD_INPUT;
    if (!o->has_value) return bt_call_fail(c, "the optional has no value");
    if (n != o->items.n)
        return bt_call_fail(c, "the optional has %lld values, not %d", (long long)o->items.n, n);
    berth_status status = BERTH_OK;
    for (int i = 0; i < n && !status; i++) {
        bt_tensor value;
        if (o->items.at[i].dtype != types[i].type)
            return bt_call_fail(c, "value %d of the optional is %s, not %s", i,
                                bt_dtype_name(o->items.at[i].dtype), bt_dtype_name(types[i].type));
        bt_tensor_share(&value, &o->items.at[i]);
        status = bt_out_move(c, i, &value);
    }
    return status;
}

static berth_status infer_optional(bt_infer *x)
{
    bt_infer_scalar(x, 0, BERTH_VARIANT);
    return BERTH_OK;
}

static berth_status infer_get_value(bt_infer *x)
{
    const bt_attr_value *types, *shapes;
    int n = bt_attr_list(x->node, "output_types", &types),
        known = bt_attr_shapes(x->node, "output_shapes", &shapes);
    for (int i = 0; i < n && i < x->n_out; i++) {
        x->out[i].dtype = types[i].type;
        x->out[i].shape = i < known ? *shapes[i].shape : BT_SHAPE_UNKNOWN;
    }
    return BERTH_OK;
}

const bt_op bt_ops_optional[] = {
    {"OptionalFromValue", infer_optional, .cpu = run_from_value, .flags = BT_OP_NO_FOLD,
     .outputs = "optional"},
    {"OptionalNone", infer_optional, .cpu = run_none, .flags = BT_OP_NO_FOLD, .outputs = "optional"},
    {"OptionalHasValue", bt_infer_bool, .cpu = run_has_value, .flags = BT_OP_NO_FOLD, .outputs = "has_value"},
    {"OptionalGetValue", infer_get_value, .cpu = run_get_value, .flags = BT_OP_NO_FOLD,
     .outputs = "components*output_types"},
    {0},
};
