/* The public functions that are no more than a view of what lies behind: versions, dtypes, tensors, devices, models.
 * Sessions: session/session.c. */
#include <stdatomic.h>

#include "base/log.h"
#include "pass/portable.h"
#include "session/transform.h"

#include "simd/simd.h"

const char *berth_version(void) { return BERTH_VERSION; }

const char *berth_status_name(berth_status status)
{
    static const char *const names[] = {"ok",        "bad model",     "bad input", "bad argument",
                                        "not found", "unsupported",   "device",    "no memory",
                                        "cancelled", "internal fault"};
    return (unsigned)status < sizeof names / sizeof *names ? names[status] : "unknown";
}

const char *berth_dtype_name(berth_dtype dtype) { return bt_dtype_name(dtype); }
size_t berth_dtype_size(berth_dtype dtype) { return bt_dtype_is_object(dtype) ? 0 : bt_dtype_size(dtype); }

void berth_set_log(berth_log_fn *log, berth_log_level level, void *user) { bt_log_set(log, level, user); }

/* ---- Options ------------------------------------------------------------------------------------------ */

void berth_context_options_init(berth_context_options *options)
{
    *options = (berth_context_options){.size = sizeof *options};
}
void berth_load_options_init(berth_load_options *options)
{
    *options = (berth_load_options){.size = sizeof *options};
}
void berth_session_options_init(berth_session_options *options)
{
    *options = (berth_session_options){.size = sizeof *options};
}
void berth_run_options_init(berth_run_options *options)
{
    *options = (berth_run_options){.size = sizeof *options};
}
void berth_transform_options_init(berth_transform_options *options)
{
    *options = (berth_transform_options){.size = sizeof *options};
}

void berth_device_options_init(berth_device_options *options)
{
    *options = (berth_device_options){
        .size = sizeof *options, .count = -1, .growth = -1, .limit = -1, .fraction = -1};
}

/* ---- Tensors ------------------------------------------------------------------------------------------ */

static berth_status check_dims(berth_dtype dtype, int rank, const int64_t *dims, bt_shape *shape,
                               berth_error *error)
{
    if (!bt_dtype_valid(dtype)) return bt_fail(error, BERTH_BAD_ARGUMENT, "dtype %d: is none", (int)dtype);
    if (rank < 0 || rank > BERTH_MAX_RANK)
        return bt_fail(error, BERTH_BAD_ARGUMENT, "rank %d: must be from 0 to %d", rank, BERTH_MAX_RANK);
    *shape = bt_shape_from(rank, dims);
    size_t bytes;
    char text[BT_SHAPE_TEXT];
    if (!bt_shape_bytes(shape, bt_dtype_size(dtype), &bytes))
        return bt_fail(error, BERTH_BAD_ARGUMENT, "shape %s: cannot be", bt_shape_text(shape, text));
    return BERTH_OK;
}

berth_tensor *berth_tensor_new(berth_dtype dtype, int rank, const int64_t *dims, berth_error *error)
{
    bt_error_clear(error);
    bt_shape shape;
    if (check_dims(dtype, rank, dims, &shape, error)) return NULL;
    berth_tensor *tensor = bt_calloc(1, sizeof *tensor);
    if (!tensor) return bt_fail_memory(error), NULL;
    if (bt_tensor_init(&tensor->t, dtype, &shape, error)) return bt_free(tensor), NULL;
    if (!bt_dtype_is_object(dtype)) memset(tensor->t.data, 0, bt_tensor_bytes(&tensor->t));
    return tensor;
}

/* A wrapped tensor's buffer: the caller's release function and its argument. */
typedef struct wrapped {
    void (*release)(void *user);
    void *user;
} wrapped;

static void release_wrapped(bt_buffer *buffer)
{
    wrapped *w = buffer->owner;
    if (w->release) w->release(w->user);
    bt_free(w);
}

berth_tensor *berth_tensor_wrap(berth_dtype dtype, int rank, const int64_t *dims, void *data,
                                void (*release)(void *user), void *user, berth_error *error)
{
    bt_error_clear(error);
    bt_shape shape;
    if (check_dims(dtype, rank, dims, &shape, error)) return NULL;
    size_t element = bt_dtype_size(dtype);
    if (bt_dtype_is_object(dtype))
        return bt_fail(error, BERTH_BAD_ARGUMENT, "a %s tensor cannot be wrapped", bt_dtype_name(dtype)),
               NULL;
    if ((uintptr_t)data % (element > 8 ? 8 : element))
        return bt_fail(error, BERTH_BAD_ARGUMENT, "the data is not aligned for its elements"), NULL;
    berth_tensor *tensor = bt_calloc(1, sizeof *tensor);
    wrapped *w = bt_calloc(1, sizeof *w);
    bt_buffer *buffer = bt_buffer_new(0);
    if (!tensor || !w || !buffer) {
        bt_free(tensor), bt_free(w), bt_buffer_free(buffer);
        return bt_fail_memory(error), NULL;
    }
    *w = (wrapped){release, user};
    buffer->data = data, buffer->release = release_wrapped, buffer->owner = w;
    bt_shape_bytes(&shape, element, &buffer->bytes);
    tensor->t = (bt_tensor){.dtype = dtype, .shape = shape, .data = data, .buffer = buffer};
    return tensor;
}

void berth_tensor_free(berth_tensor *tensor)
{
    if (!tensor) return;
    bt_tensor_clear(&tensor->t);
    bt_free(tensor);
}

berth_dtype berth_tensor_dtype(const berth_tensor *tensor) { return tensor->t.dtype; }
int berth_tensor_rank(const berth_tensor *tensor) { return tensor->t.shape.rank; }
int64_t berth_tensor_dim(const berth_tensor *tensor, int axis)
{
    return axis >= 0 && axis < tensor->t.shape.rank ? tensor->t.shape.dim[axis] : 0;
}
int64_t berth_tensor_count(const berth_tensor *tensor) { return bt_tensor_count(&tensor->t); }
size_t berth_tensor_bytes(const berth_tensor *tensor)
{
    return bt_dtype_is_object(tensor->t.dtype) ? 0 : bt_tensor_bytes(&tensor->t);
}
void *berth_tensor_data(berth_tensor *tensor)
{
    return bt_dtype_is_object(tensor->t.dtype) ? NULL : tensor->t.data;
}

static bt_string *string_at(const berth_tensor *tensor, int64_t index)
{
    bool there = tensor->t.dtype == BERTH_STRING && index >= 0 && index < bt_tensor_count(&tensor->t);
    return there ? (bt_string *)tensor->t.data + index : NULL;
}

berth_status berth_tensor_set_string(berth_tensor *tensor, int64_t index, const char *bytes, size_t n,
                                     berth_error *error)
{
    bt_error_clear(error);
    bt_string *s = string_at(tensor, index);
    if (!s)
        return bt_fail(error, BERTH_BAD_ARGUMENT, "there is no string %lld in the tensor", (long long)index);
    return bt_string_set(s, bytes, n) ? BERTH_OK : bt_fail_memory(error);
}

const char *berth_tensor_get_string(const berth_tensor *tensor, int64_t index, size_t *n)
{
    const bt_string *s = string_at(tensor, index);
    if (n) *n = s ? s->n : 0;
    return !s ? NULL : s->p ? s->p : "";
}

/* ---- Devices ------------------------------------------------------------------------------------------ */

size_t berth_device_count(berth_context *context)
{
    context = bt_context_of(context, NULL);
    return context ? bt_registry_count(context->registry) : 0;
}

berth_status berth_device_configure(berth_context *context, const berth_device_options *options,
                                    berth_error *error)
{
    berth_error own;
    if (!error) error = &own;
    bt_error_clear(error);
    context = bt_context_of(context, error);
    if (!context) return error->status;
    if (!options || options->size < sizeof *options)
        return bt_fail(error, BERTH_BAD_ARGUMENT, "options of a device: not initialised");
    return bt_registry_configure(context->registry, options, false, error);
}

berth_status berth_config_read(berth_context *context, const char *path, berth_error *error)
{
    berth_error own;
    if (!error) error = &own;
    bt_error_clear(error);
    context = bt_context_of(context, error);
    return context ? bt_context_config(context, path, error) : error->status;
}

berth_status berth_device_get(berth_context *context, size_t index, berth_device_info *info,
                              berth_error *error)
{
    bt_error_clear(error);
    context = bt_context_of(context, error);
    if (!context) return BERTH_NO_MEMORY;
    bt_registry_count(context->registry);
    bt_device *device = bt_registry_at(context->registry, index);
    if (!device) return bt_fail(error, BERTH_BAD_ARGUMENT, "there is no device %zu", index);
    static _Thread_local bt_device_props props;
    int64_t others;
    berth_status status = bt_device_info(device, &props, &others, error);
    if (status) return status;
    int64_t held = atomic_load(&device->in_use), left = device->limit ? device->limit - held : INT64_MAX;
    *info = (berth_device_info){.name = device->name,
                                .hardware = device->physical->name + 1,
                                .model = props.model,
                                .detail = props.detail,
                                .memory_total = props.memory_total,
                                .memory_free = left < props.memory_free ? left : props.memory_free,
                                .memory_in_use = held,
                                .memory_peak = atomic_load(&device->peak),
                                .memory_taken = atomic_load(&device->taken),
                                .memory_limit = device->limit,
                                .memory_others = others,
                                .memory_context = props.memory_context,
                                .threads = !strcmp(device->ops->kind, "CPU") ? context->threads : 0};
    if (!*props.detail && info->threads) info->detail = bt_simd_get()->name;
    return BERTH_OK;
}

/* ---- Models ------------------------------------------------------------------------------------------- */

/* Those of a caller that was compiled before a field was added lack it. */
static berth_load_options load_options(const berth_load_options *given)
{
    berth_load_options options = {0};
    if (given) memcpy(&options, given, given->size < sizeof options ? given->size : sizeof options);
    return options;
}

berth_model *berth_model_load(const char *path, const berth_load_options *options, berth_error *error)
{
    berth_error own;
    if (!error) error = &own;
    bt_error_clear(error);
    berth_load_options known = load_options(options);
    return bt_model_load(path, NULL, &known, error);
}

berth_model *berth_model_load_memory(const void *data, size_t bytes, void (*release)(void *user), void *user,
                                     const berth_load_options *options, berth_error *error)
{
    berth_error own;
    if (!error) error = &own;
    bt_error_clear(error);
    bt_file *file = bt_file_memory("memory", data, bytes, NULL, NULL, error);
    if (!file) return NULL;
    berth_load_options known = load_options(options);
    berth_model *model = bt_model_load(NULL, file, &known, error);
    if (model) file->release = release, file->user = user;
    bt_file_free(file);
    return model;
}

void berth_model_free(berth_model *model) { bt_model_free(model); }
const char *berth_model_format(const berth_model *model) { return model->source.format; }
const char *berth_model_tags(const berth_model *model)
{
    return model->source.tags ? model->source.tags : "";
}
size_t berth_model_signature_count(const berth_model *model) { return (size_t)model->source.n_signatures; }

const char *berth_model_signature_name(const berth_model *model, size_t index)
{
    return index < (size_t)model->source.n_signatures ? model->source.signatures[index].name : NULL;
}

const char *berth_model_signature_note(const berth_model *model, size_t index)
{
    if (index >= (size_t)model->source.n_signatures) return NULL;
    const char *note = model->source.signatures[index].note;
    return note ? note : "";
}

static berth_status port_at(const berth_model *model, const char *signature, bool is_input, size_t index,
                            berth_spec *spec, berth_error *error)
{
    bt_error_clear(error);
    const bt_signature *s = bt_model_signature(model, signature, error);
    if (!s) return BERTH_NOT_FOUND;
    if (index >= (size_t)(is_input ? s->n_inputs : s->n_outputs))
        return bt_fail(error, BERTH_BAD_ARGUMENT, "there is no %s %zu", is_input ? "input" : "output", index);
    bt_port_spec(is_input ? &s->inputs[index] : &s->outputs[index], spec);
    return BERTH_OK;
}

size_t berth_model_input_count(const berth_model *model, const char *signature)
{
    const bt_signature *s = bt_model_signature(model, signature, NULL);
    return s ? (size_t)s->n_inputs : 0;
}

berth_status berth_model_input(const berth_model *model, const char *signature, size_t index,
                               berth_spec *spec, berth_error *error)
{
    return port_at(model, signature, true, index, spec, error);
}

size_t berth_model_output_count(const berth_model *model, const char *signature)
{
    const bt_signature *s = bt_model_signature(model, signature, NULL);
    return s ? (size_t)s->n_outputs : 0;
}

berth_status berth_model_output(const berth_model *model, const char *signature, size_t index,
                                berth_spec *spec, berth_error *error)
{
    return port_at(model, signature, false, index, spec, error);
}

int64_t berth_model_weight_bytes(const berth_model *model) { return model->weight_bytes; }

bool berth_model_op(const berth_model *model, size_t index, const char **op, size_t *count)
{
    const bt_op_count *counts = bt_model_op_counts((berth_model *)model);
    for (size_t i = 0; counts && counts[i].op; i++)
        if (i == index) return *op = counts[i].op, *count = counts[i].count, true;
    return false;
}

berth_model *berth_model_transform(berth_model *model, const berth_transform_options *options, berth_error *error)
{
    berth_error own;
    if (!error) error = &own;
    bt_error_clear(error);
    return bt_model_transform(model, options && options->size >= sizeof *options ? options : NULL, false, error);
}

bool berth_model_change(const berth_model *model, size_t index, const char **what, size_t *count)
{
    if (index >= model->n_changes) return false;
    return *what = model->changes[index].what, *count = model->changes[index].n, true;
}

berth_status berth_model_save(berth_model *model, const char *path, const char *format, berth_error *error)
{
    berth_error own;
    if (!error) error = &own;
    bt_error_clear(error);
    return bt_model_save(model, path, format, error);
}
