/* Variables: handles, reads, assignments. Indexed reads and writes are in variable_scatter.c; the ref variables of
 * TF1 (VariableV2, Assign) come here as these ops (../pass/refs.c), and so the records of theirs never run. */
#include "ops/variable.h"

/* ---- The object --------------------------------------------------------------------------------------- */

static void destroy_var(void *object)
{
    bt_var *var = object;
    bt_tensor_clear(&var->value);
    pthread_mutex_destroy(&var->lock);
    bt_free(var);
}

static const bt_object_type var_type = {"variable", destroy_var};

static bt_var *var_new(const char *name, berth_dtype dtype, const bt_shape *shape, berth_error *error)
{
    size_t n = strlen(name) + 1;
    bt_var *var = bt_calloc(1, sizeof *var + n);
    if (!var) return bt_fail_memory(error), NULL;
    var->base = (bt_object){&var_type, 1};
    pthread_mutex_init(&var->lock, NULL);
    var->dtype = dtype;
    var->shape = *shape;
    memcpy(var->name, name, n);
    return var;
}

typedef struct creation {
    const bt_source *source;
    const char *name;
    berth_dtype dtype;
    bt_shape shape;
} creation;

/* A run never reads the mapped file later: the value is copied here. */
static bt_object *create_var(void *user, berth_error *error)
{
    const creation *make = user;
    bt_var *var = var_new(make->name, make->dtype, &make->shape, error);
    const bt_variable *saved =
        var && make->source ? bt_map_get(&make->source->variables, bt_str_of(make->name)) : NULL;
    if (!saved || saved->value.dtype != make->dtype) return var ? &var->base : NULL;
    bt_file *file = bt_source_file_of(make->source, saved->value.data);
    if ((file && (bt_file_unchanged(file, error) || bt_source_verify(make->source, &saved->value, error))) ||
        bt_tensor_copy(&var->value, &saved->value, error)) {
        bt_object_free(&var->base);
        return NULL;
    }
    return &var->base;
}

bt_var *bt_var_input(bt_call *c, int i) { return (bt_var *)bt_object_input(c, i, &var_type); }

static berth_status fail_uninitialised(bt_call *c, const bt_var *var)
{
    return bt_call_fail(
        c, "variable '%s' is uninitialized: it has no value in the file and nothing assigned one", var->name);
}

berth_status bt_var_lock(bt_call *c, bt_var *var, berth_dtype dtype)
{
    pthread_mutex_lock(&var->lock);
    bt_tensor *value = &var->value;
    berth_status status = BERTH_OK;
    if (!value->dtype) {
        status = fail_uninitialised(c, var);
    } else if (value->dtype != dtype) {
        status = bt_call_fail(c, "variable '%s' holds %s, not %s", var->name, bt_dtype_name(value->dtype),
                              bt_dtype_name(dtype));
    } else if (!value->buffer || value->buffer->refs != 1) {
        bt_tensor own = {0};
        status = bt_tensor_copy(&own, value, c->error);
        if (!status) bt_tensor_clear(value), *value = own;
    }
    if (status) pthread_mutex_unlock(&var->lock);
    return status;
}

berth_status bt_var_read(bt_call *c, bt_var *var, bt_tensor *value)
{
    pthread_mutex_lock(&var->lock);
    bool set = var->value.dtype != BERTH_NO_DTYPE;
    if (set) bt_tensor_share(value, &var->value);
    pthread_mutex_unlock(&var->lock);
    return set ? BERTH_OK : fail_uninitialised(c, var);
}

/* ---- Ops ---------------------------------------------------------------------------------------------- */

berth_status bt_infer_var_value(bt_infer *x)
{
    x->out[0].dtype = bt_attr_type(x->node, "dtype", bt_attr_type(x->node, "T", BERTH_NO_DTYPE));
    if (!bt_attr_shape(x->node, "shape", &x->out[0].shape)) x->out[0].shape = BT_SHAPE_UNKNOWN;
    return BERTH_OK;
}

static creation creation_of(const bt_node *node)
{
    const char *shared = bt_attr_string(node, "shared_name", "");
    creation make = {.name = *shared ? shared : node->name,
                     .dtype = bt_attr_type(node, "dtype", BERTH_FLOAT),
                     .shape = BT_SHAPE_UNKNOWN};
    if (!bt_attr_shape(node, "shape", &make.shape)) make.shape = BT_SHAPE_UNKNOWN;
    return make;
}

static berth_status run_handle(bt_call *c)
{
    bt_resources *resources = bt_run_resources(c);
    creation make = creation_of(c->node);
    if (!resources) return bt_call_unsupported(c, "needs a session");
    make.source = bt_resources_source(resources);
    bt_object *object = bt_resources_get(resources, bt_attr_string(c->node, "container", ""), make.name,
                                         &var_type, create_var, &make, c->error);
    if (!object) return c->error ? c->error->status : BERTH_NO_MEMORY;
    berth_dtype dtype = ((bt_var *)object)->dtype;
    if (dtype == make.dtype) return bt_out_object(c, 0, BERTH_RESOURCE, object);
    bt_object_free(object);
    return bt_call_fail(c, "variable '%s' is %s, not %s", make.name, bt_dtype_name(dtype),
                        bt_dtype_name(make.dtype));
}

/* A variable of one run, under no name, zero until assigned. */
static berth_status run_temporary(bt_call *c)
{
    creation make = creation_of(c->node);
    bt_var *var = var_new(c->node->name, make.dtype, &make.shape, c->error);
    if (!var) return BERTH_NO_MEMORY;
    berth_status status = BERTH_OK;
    if (bt_shape_known(&make.shape)) status = bt_tensor_init(&var->value, make.dtype, &make.shape, c->error);
    if (status) return bt_object_free(&var->base), status;
    if (var->value.dtype && !bt_dtype_is_object(make.dtype))
        memset(var->value.data, 0, bt_tensor_bytes(&var->value));
    return bt_out_object(c, 0, BERTH_RESOURCE, &var->base);
}

static berth_status run_read(bt_call *c)
{
    bt_var *var = bt_var_input(c, 0);
    bt_tensor value = {0};
    if (!var) return BERTH_BAD_INPUT;
    berth_dtype dtype = bt_attr_type(c->node, "dtype", bt_attr_type(c->node, "T", var->dtype));
    berth_status status = bt_var_read(c, var, &value);
    if (!status && value.dtype != dtype) {
        status = bt_call_fail(c, "variable '%s' is %s, not %s", var->name, bt_dtype_name(value.dtype),
                              bt_dtype_name(dtype));
        bt_tensor_clear(&value);
    }
    return status ? status : bt_out_move(c, 0, &value);
}

static void var_reset(bt_var *var)
{
    pthread_mutex_lock(&var->lock);
    bt_tensor old = var->value;
    var->value = (bt_tensor){0};
    pthread_mutex_unlock(&var->lock);
    bt_tensor_clear(&old);
}

static berth_status run_destroy_temporary(bt_call *c)
{
    bt_var *var = bt_var_input(c, 0);
    bt_tensor value = {0};
    berth_status status = var ? bt_var_read(c, var, &value) : BERTH_BAD_INPUT;
    if (status) return status;
    var_reset(var);
    return bt_out_move(c, 0, &value);
}

static berth_status check_assigned_shape(bt_call *c, const bt_var *var, const bt_shape *shape)
{
    char want[BT_SHAPE_TEXT], got[BT_SHAPE_TEXT];
    const bt_shape *current = var->value.dtype ? &var->value.shape : &var->shape;
    if (!bt_attr_bool(c->node, "validate_shape", false) || bt_shape_compatible(current, shape))
        return BERTH_OK;
    return bt_call_fail(c, "cannot assign a tensor of shape %s to variable '%s' of shape %s",
                        bt_shape_text(shape, got), var->name, bt_shape_text(current, want));
}

static berth_status run_assign(bt_call *c)
{
    bt_var *var = bt_var_input(c, 0);
    const bt_tensor *value = c->n_in > 1 ? c->in[1] : NULL;
    if (!var || !value) return bt_call_fail(c, "needs a variable and a value");
    if (value->dtype != var->dtype)
        return bt_call_fail(c, "cannot assign %s to variable '%s' of dtype %s", bt_dtype_name(value->dtype),
                            var->name, bt_dtype_name(var->dtype));
    bt_tensor kept = {0};
    berth_status status = bt_tensor_keep(&kept, value, c->error);
    if (status) return status;
    pthread_mutex_lock(&var->lock);
    status = check_assigned_shape(c, var, &kept.shape);
    if (!status) {
        bt_tensor old = var->value;
        var->value = kept;
        kept = old;
    }
    pthread_mutex_unlock(&var->lock);
    bt_tensor_clear(&kept);
    return status;
}

static berth_status assign_combined(bt_call *c, bt_combine_op op)
{
    bt_var *var = bt_var_input(c, 0);
    const bt_tensor *value = c->n_in > 1 ? c->in[1] : NULL;
    char want[BT_SHAPE_TEXT], got[BT_SHAPE_TEXT];
    if (!var || !value) return bt_call_fail(c, "needs a variable and a value");
    berth_status status = bt_var_lock(c, var, value->dtype);
    if (status) return status;
    if (!bt_shape_equal(&var->value.shape, &value->shape))
        status = bt_call_fail(c, "variable '%s' has shape %s and the value %s: they must be equal", var->name,
                              bt_shape_text(&var->value.shape, want), bt_shape_text(&value->shape, got));
    else
        status =
            bt_combine(value->dtype, op, var->value.data, value->data, bt_tensor_count(value), 1, c->error);
    pthread_mutex_unlock(&var->lock);
    return status;
}

static berth_status run_assign_add(bt_call *c) { return assign_combined(c, BT_ADD); }
static berth_status run_assign_sub(bt_call *c) { return assign_combined(c, BT_SUB); }

static berth_status run_is_initialized(bt_call *c)
{
    bt_var *var = bt_var_input(c, 0);
    if (!var) return BERTH_BAD_INPUT;
    pthread_mutex_lock(&var->lock);
    bool set = var->value.dtype != BERTH_NO_DTYPE;
    pthread_mutex_unlock(&var->lock);
    return bt_out_scalar(c, 0, BERTH_BOOL, set);
}

static berth_status infer_shape(bt_infer *x)
{
    x->out[0].dtype = bt_attr_type(x->node, "out_type", BERTH_INT32);
    x->out[0].shape = BT_SHAPE(-1);
    return BERTH_OK;
}

static berth_status run_shape(bt_call *c)
{
    bt_var *var = bt_var_input(c, 0);
    bt_tensor value = {0};
    berth_status status = var ? bt_var_read(c, var, &value) : BERTH_BAD_INPUT;
    if (status) return status;
    bt_shape shape = value.shape;
    bt_tensor_clear(&value);
    return bt_out_shape(c, bt_attr_type(c->node, "out_type", BERTH_INT32), &shape);
}

/* A destroyed variable is an uninitialised one: its name stays known, its value in the file does not come back. */
static berth_status run_destroy(bt_call *c)
{
    const bt_tensor *handle = c->n_in ? c->in[0] : NULL;
    if (!handle || handle->dtype != BERTH_RESOURCE || bt_tensor_count(handle) != 1)
        return bt_call_fail(c, "needs one resource");
    bt_object *object = *(bt_object **)handle->data;
    bt_resources *resources = bt_run_resources(c);
    if (!object || object->type != &var_type) {
        if (object && resources) bt_resources_drop(resources, object);
        return BERTH_OK;
    }
    bt_var *var = (bt_var *)object;
    bt_tensor value = {0};
    if (!bt_attr_bool(c->node, "ignore_lookup_error", true)) {
        berth_status status = bt_var_read(c, var, &value);
        if (status) return status;
        bt_tensor_clear(&value);
    }
    var_reset(var);
    return BERTH_OK;
}

#define STATE .flags = BT_OP_STATEFUL
/* A TF1 op on a ref: only its dtype and shape are ever asked for. */
#define REF(op)                       \
    {                                 \
        op, bt_infer_var_value, STATE \
    }

const bt_op bt_ops_variable[] = {
    {"VarHandleOp", bt_infer_handle, .cpu = run_handle, STATE, .type_attr = "dtype"},
    {"ReadVariableOp", bt_infer_var_value, .cpu = run_read, STATE, .type_attr = "dtype"},
    {"AssignVariableOp", bt_infer_none, .cpu = run_assign, STATE, .type_attr = "dtype", .outputs = ""},
    {"AssignAddVariableOp", bt_infer_none, .cpu = run_assign_add, STATE, .types = BT_NUMBERS,
     .type_attr = "dtype", .outputs = ""},
    {"AssignSubVariableOp", bt_infer_none, .cpu = run_assign_sub, STATE, .types = BT_NUMBERS,
     .type_attr = "dtype", .outputs = ""},
    {"VarIsInitializedOp", bt_infer_bool, .cpu = run_is_initialized, STATE},
    {"VariableShape", infer_shape, .cpu = run_shape, STATE},
    {"DestroyResourceOp", bt_infer_none, .cpu = run_destroy, STATE, .outputs = ""},
    {"_TemporaryVariable", bt_infer_handle, .cpu = run_temporary, STATE},
    {"_DestroyTemporaryVariable", bt_infer_var_value, .cpu = run_destroy_temporary, STATE},
    {"IsVariableInitialized", bt_infer_bool, STATE},
    REF("Variable"),
    REF("VariableV2"),
    REF("TemporaryVariable"),
    REF("DestroyTemporaryVariable"),
    REF("Assign"),
    {"AssignAdd", bt_infer_var_value, STATE, .types = BT_NUMBERS},
    {"AssignSub", bt_infer_var_value, STATE, .types = BT_NUMBERS},
    REF("RefIdentity"),
    {NULL},
};
