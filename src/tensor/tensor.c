/* Tensors: making, sharing, copying, and reading single elements. Conversions of whole arrays are kernels'
 * work (ops/cast.c); half floats stand in convert.c. */
#include "tensor/tensor.h"

#include "device/watch.h"

/* ---- Object elements ---------------------------------------------------------------------------------- */

bool bt_string_set(bt_string *s, const char *bytes, size_t n)
{
    char *p = n ? bt_alloc(n) : NULL;
    if (n && !p) return false;
    if (n) memcpy(p, bytes, n);
    bt_free(s->p);
    *s = (bt_string){p, n};
    return true;
}

static void drop_elements(berth_dtype dtype, const bt_buffer *buffer)
{
    bt_string *s = buffer->data;
    bt_object **o = buffer->data;
    if (dtype == BERTH_STRING)
        for (size_t i = 0; i < buffer->bytes / sizeof *s; i++) bt_free(s[i].p);
    else
        for (size_t i = 0; i < buffer->bytes / sizeof *o; i++) bt_object_free(o[i]);
}

static void release_strings(bt_buffer *buffer)
{
    drop_elements(BERTH_STRING, buffer);
    bt_free(buffer->data);
}

static void release_objects(bt_buffer *buffer)
{
    drop_elements(BERTH_RESOURCE, buffer);
    bt_free(buffer->data);
}

/* A buffer of zeroed elements that are released with it. */
static bt_buffer *object_buffer(berth_dtype dtype, size_t bytes)
{
    bt_buffer *buffer = bt_alloc(sizeof *buffer);
    void *data = buffer ? bt_calloc(1, bytes) : NULL;
    if (!data) return bt_free(buffer), NULL;
    *buffer = (bt_buffer){.refs = 1,
                          .data = data,
                          .bytes = bytes,
                          .release = dtype == BERTH_STRING ? release_strings : release_objects};
    return buffer;
}

berth_status bt_elements_copy(berth_dtype dtype, void *dst, const void *src, int64_t n, berth_error *error)
{
    if (dtype == BERTH_STRING) {
        bt_string *to = dst;
        const bt_string *from = src;
        for (int64_t i = 0; i < n; i++)
            if (to + i != from + i && !bt_string_set(&to[i], from[i].p, from[i].n))
                return bt_fail_memory(error);
    } else if (bt_dtype_is_object(dtype)) {
        bt_object **to = dst, *const *from = src;
        for (int64_t i = 0; i < n; i++) {
            bt_object *old = to[i];
            to[i] = bt_object_ref(from[i]);
            bt_object_free(old);
        }
    } else if (n > 0) {
        memmove(dst, src, (size_t)n * bt_dtype_size(dtype));
    }
    return BERTH_OK;
}

/* ---- Whole tensors ------------------------------------------------------------------------------------ */

berth_status bt_tensor_init(bt_tensor *t, berth_dtype dtype, const bt_shape *shape, berth_error *error)
{
    char text[BT_SHAPE_TEXT];
    size_t bytes;
    *t = (bt_tensor){0};
    if (!bt_dtype_valid((int)dtype)) return bt_fail(error, BERTH_UNSUPPORTED, "dtype %d is none", (int)dtype);
    if (!bt_shape_bytes(shape, bt_dtype_size(dtype), &bytes))
        return bt_fail(error, BERTH_BAD_INPUT, "a tensor of %s%s cannot be", bt_dtype_name(dtype),
                       bt_shape_text(shape, text));
    bt_buffer *buffer = bt_dtype_is_object(dtype) ? object_buffer(dtype, bytes) : bt_buffer_new(bytes);
    if (!buffer)
        return bt_fail(error, BERTH_NO_MEMORY, "out of memory for %s%s (%zu bytes)", bt_dtype_name(dtype),
                       bt_shape_text(shape, text), bytes);
    *t = (bt_tensor){.dtype = dtype, .shape = *shape, .data = buffer->data, .buffer = buffer};
    return BERTH_OK;
}

void bt_tensor_clear(bt_tensor *t)
{
    bt_buffer_free(t->buffer);
    *t = (bt_tensor){0};
}

void bt_tensor_empty(bt_tensor *t)
{
    drop_elements(t->dtype, t->buffer);
    memset(t->buffer->data, 0, t->buffer->bytes);
}

void bt_tensor_share(bt_tensor *dst, const bt_tensor *src)
{
    *dst = *src;
    bt_buffer_ref(dst->buffer);
}

/* A device's bytes: what release needs to know. */
static void release_device(bt_buffer *buffer) { bt_device_free(buffer->owner, buffer->data, buffer->bytes); }

berth_status bt_tensor_init_on(bt_device *device, bt_tensor *t, berth_dtype dtype, const bt_shape *shape, berth_error *error)
{
    if (!device) return bt_tensor_init(t, dtype, shape, error);
    size_t bytes;
    *t = (bt_tensor){0};
    if (bt_dtype_is_object(dtype) || !bt_shape_bytes(shape, bt_dtype_size(dtype), &bytes))
        return bt_fail(error, BERTH_INTERNAL, "a tensor of %s cannot lie on %s", bt_dtype_name(dtype), device->name);
    bt_buffer *buffer = bt_buffer_new(0);
    if (!buffer) return bt_fail_memory(error);
    buffer->data = bt_device_alloc(device, bytes ? bytes : 1, error);
    if (!buffer->data) return bt_buffer_free(buffer), BERTH_DEVICE;
    buffer->bytes = bytes ? bytes : 1;
    buffer->release = release_device, buffer->owner = device, buffer->on_device = true;
    *t = (bt_tensor){.dtype = dtype, .shape = *shape, .data = buffer->data, .buffer = buffer, .device = device};
    return BERTH_OK;
}

berth_status bt_tensor_init_counted(bt_device *device, bt_tensor *t, berth_dtype dtype, const bt_shape *shape,
                                    berth_error *error)
{
    if (!device->limit || bt_dtype_is_object(dtype)) return bt_tensor_init(t, dtype, shape, error);
    berth_status status = bt_tensor_init_on(device, t, dtype, shape, error);
    t->device = NULL;
    return status;
}

berth_status bt_tensor_transfer(const bt_tensor *dst, const bt_tensor *src, berth_error *error)
{
    size_t bytes = bt_tensor_bytes(src);
    bt_device *to = dst->device, *from = src->device;
    if (!bytes) return BERTH_OK;
    if (!to && !from) return memcpy(dst->data, src->data, bytes), BERTH_OK;
    if (to == from) return bt_device_copy(to, dst->data, src->data, bytes, error);
    if (!from) return bt_device_upload(to, dst->data, src->data, bytes, error);
    berth_status status;
    if (!to) {
        status = bt_device_download(from, dst->data, src->data, bytes, error);
        return status ? status : from->ops->sync(from, error);
    }
    void *staging = bt_alloc(bytes); /* from one device to another by way of the host */
    if (!staging) return bt_fail_memory(error);
    status = bt_device_download(from, staging, src->data, bytes, error);
    if (!status) status = from->ops->sync(from, error);
    if (!status) status = bt_device_upload(to, dst->data, staging, bytes, error);
    if (!status) status = to->ops->sync(to, error);
    bt_free(staging);
    return status;
}

berth_status bt_tensor_keep(bt_tensor *dst, const bt_tensor *src, berth_error *error)
{
    if (!src->buffer && !src->dead) return bt_tensor_copy(dst, src, error);
    bt_tensor_share(dst, src);
    return BERTH_OK;
}

berth_status bt_tensor_copy(bt_tensor *dst, const bt_tensor *src, berth_error *error)
{
    bt_tensor copy;
    berth_status status = bt_tensor_init_on(src->device, &copy, src->dtype, &src->shape, error);
    if (!status) status = src->device ? bt_tensor_transfer(&copy, src, error)
                                      : bt_elements_copy(src->dtype, copy.data, src->data, bt_tensor_count(src), error);
    if (status) return bt_tensor_clear(&copy), status;
    copy.dead = src->dead;
    *dst = copy;
    return BERTH_OK;
}

berth_status bt_tensor_leave(const bt_tensor *t, berth_error *error)
{
    bool holds_objects = t->dtype == BERTH_VARIANT || t->dtype == BERTH_RESOURCE;
    berth_status status = BERTH_OK;
    for (int64_t i = 0, n = holds_objects ? bt_tensor_count(t) : 0; i < n && !status; i++) {
        bt_object *object = ((bt_object **)t->data)[i];
        if (object && object->type->leave) status = object->type->leave(object, error);
    }
    return status;
}

int64_t bt_tensor_count(const bt_tensor *t) { return bt_shape_count(&t->shape); }

size_t bt_tensor_bytes(const bt_tensor *t)
{
    size_t bytes;
    return bt_shape_bytes(&t->shape, bt_dtype_size(t->dtype), &bytes) ? bytes : 0;
}

/* ---- Single elements, maybe unaligned ----------------------------------------------------------------- */

#define LOAD(type)                                                                       \
    ({                                                                                   \
        type value_;                                                                     \
        memcpy(&value_, (const char *)t->data + (size_t)i * sizeof(type), sizeof(type)); \
        value_;                                                                          \
    })

int64_t bt_tensor_int(const bt_tensor *t, int64_t i)
{
    switch (t->dtype) {
    case BERTH_BOOL: return LOAD(uint8_t) != 0;
    case BERTH_INT8:
    case BERTH_QINT8: return LOAD(int8_t);
    case BERTH_UINT8:
    case BERTH_QUINT8: return LOAD(uint8_t);
    case BERTH_INT16:
    case BERTH_QINT16: return LOAD(int16_t);
    case BERTH_UINT16:
    case BERTH_QUINT16: return LOAD(uint16_t);
    case BERTH_INT32:
    case BERTH_QINT32: return LOAD(int32_t);
    case BERTH_UINT32: return LOAD(uint32_t);
    case BERTH_INT64: return LOAD(int64_t);
    case BERTH_UINT64: return (int64_t)LOAD(uint64_t);
    default: return 0;
    }
}

double bt_tensor_number(const bt_tensor *t, int64_t i)
{
    switch (t->dtype) {
    case BERTH_FLOAT: return LOAD(float);
    case BERTH_DOUBLE: return LOAD(double);
    case BERTH_HALF: return bt_half_to_float(LOAD(uint16_t));
    case BERTH_BFLOAT16: return bt_bf16_to_float(LOAD(uint16_t));
    case BERTH_UINT64: return (double)LOAD(uint64_t);
    default: return (double)bt_tensor_int(t, i);
    }
}

bool bt_tensor_shape_value(const bt_tensor *t, bt_shape *out)
{
    if ((t->dtype != BERTH_INT32 && t->dtype != BERTH_INT64) || t->shape.rank < 0 || t->shape.rank > 1)
        return false;
    int64_t n = bt_tensor_count(t);
    if (n < 0 || n > BT_MAX_RANK) return false;
    bt_shape s = {.rank = (int)n};
    for (int i = 0; i < s.rank; i++)
        if ((s.dim[i] = bt_tensor_int(t, i)) < -1) return false;
    *out = s;
    return true;
}
