/* Buffers and objects: what is shared by reference. */
#include "tensor/tensor.h"

#include <stdatomic.h>

enum { HEAD = 64 }; /* the struct's room before the data, which stays 64-byte aligned */
_Static_assert(sizeof(bt_buffer) <= HEAD, "the data of a small buffer lies behind its struct");

static void release_huge(bt_buffer *buffer) { bt_free_huge(buffer->data, buffer->bytes); }

bt_buffer *bt_buffer_new(size_t bytes)
{
    static const size_t large = (size_t)1 << 20;
    size_t total;
    if (!bt_add(bytes, HEAD, &total)) return NULL;
    bt_buffer *buffer = bt_alloc(bytes < large ? total : sizeof *buffer);
    if (!buffer) return NULL;
    *buffer = (bt_buffer){.refs = 1, .data = (char *)buffer + HEAD, .bytes = bytes};
    if (bytes < large) return buffer;
    buffer->data = bt_alloc_huge(bytes);
    buffer->release = release_huge;
    if (buffer->data) return buffer;
    bt_free(buffer);
    return NULL;
}

bt_buffer *bt_buffer_ref(bt_buffer *buffer)
{
    if (buffer) atomic_fetch_add_explicit(&buffer->refs, 1, memory_order_relaxed);
    return buffer;
}

void bt_buffer_free(bt_buffer *buffer)
{
    if (!buffer || atomic_fetch_sub_explicit(&buffer->refs, 1, memory_order_acq_rel) != 1) return;
    if (buffer->release) buffer->release(buffer);
    bt_free(buffer);
}

bt_object *bt_object_ref(bt_object *object)
{
    if (object) atomic_fetch_add_explicit(&object->refs, 1, memory_order_relaxed);
    return object;
}

void bt_object_free(bt_object *object)
{
    if (object && atomic_fetch_sub_explicit(&object->refs, 1, memory_order_acq_rel) == 1)
        object->type->destroy(object);
}
