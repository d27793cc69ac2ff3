/* Copies between the host and a CUDA device. They go through a ring of pieces of pinned memory, so that the driver copies
 * while the host does, and nobody waits for an upload. Copies of a device are put into its stream (or, beside its work, into a second one); what a download brings
 * stays in the ring until the thread that asked for it waits (or until its place in the ring is wanted). */
#include "device/cuda/cuda.h"

/* ---- The ring ----------------------------------------------------------------------------------------- */

static bool open_slots(bt_cu_device *d)
{
    const bt_cu_library *cu = d->cu;
    if (d->slots[0].data || d->unpinned) return !d->unpinned;
    for (int i = 0; i < BT_CU_SLOTS && !d->unpinned; i++) {
        bt_cu_slot *s = &d->slots[i];
        d->unpinned = cu->cuEventCreate(&s->done, CU_NO_TIMING) != CU_OK ||
                      cu->cuMemHostAlloc((void **)&s->data, BT_CU_SLOT_BYTES, 0) != CU_OK;
    }
    if (d->unpinned) bt_cu_slots_free(d);
    return !d->unpinned;
}

void bt_cu_slots_free(bt_cu_device *d)
{
    for (int i = 0; i < BT_CU_SLOTS; i++) {
        bt_cu_slot *s = &d->slots[i];
        if (s->done) d->cu->cuEventDestroy_v2(s->done);
        if (s->data) d->cu->cuMemFreeHost(s->data);
        *s = (bt_cu_slot){0};
    }
}

static void hand_over(bt_cu_slot *s)
{
    if (s->to) memcpy(s->to, s->data, s->bytes);
    s->to = NULL, s->is_busy = false;
}

/* The next slot, free; NULL with the code set. */
static bt_cu_slot *take_slot(bt_cu_device *d, cu_result *code)
{
    bt_cu_slot *s = &d->slots[d->next_slot];
    if (s->is_busy && (*code = d->cu->cuEventSynchronize(s->done))) return NULL;
    if (s->is_busy) hand_over(s);
    d->next_slot = (d->next_slot + 1) % BT_CU_SLOTS;
    return s;
}

void bt_cu_drop_downloads(bt_cu_device *d)
{
    pthread_mutex_lock(&d->staging);
    for (int i = 0; i < BT_CU_SLOTS; i++)
        if (d->slots[i].to && pthread_equal(d->slots[i].thread, pthread_self())) d->slots[i].to = NULL;
    pthread_mutex_unlock(&d->staging);
}

/* ---- Copies ------------------------------------------------------------------------------------------- */

/* A copy of which the end cannot be told must not go on in a slot that is free. */
static cu_result end_piece(bt_cu_device *d, cu_stream stream, bt_cu_slot *s)
{
    cu_result code = d->cu->cuEventRecord(s->done, stream);
    if (code) d->cu->cuStreamSynchronize(stream);
    return code;
}

static cu_result upload_piece(bt_cu_device *d, cu_stream stream, cu_pointer dst, void *host, size_t bytes)
{
    cu_result code = CU_OK;
    bt_cu_slot *s = take_slot(d, &code);
    if (!s) return code;
    memcpy(s->data, host, bytes);
    code = d->cu->cuMemcpyHtoDAsync_v2(dst, s->data, bytes, stream);
    code = code ? code : end_piece(d, stream, s);
    s->is_busy = !code;
    return code;
}

static cu_result download_piece(bt_cu_device *d, cu_stream stream, cu_pointer src, void *host, size_t bytes)
{
    cu_result code = CU_OK;
    bt_cu_slot *s = take_slot(d, &code);
    if (!s) return code;
    code = d->cu->cuMemcpyDtoHAsync_v2(s->data, src, bytes, stream);
    if (code || (code = end_piece(d, stream, s))) return code;
    s->is_busy = true, s->to = host, s->bytes = bytes, s->thread = pthread_self();
    return CU_OK;
}

/* Without pinned memory the driver makes do with what the host has, and the copy is done when it returns. */
static cu_result copy_unpinned(bt_cu_device *d, bool up, cu_stream stream, cu_pointer device, void *host, size_t bytes)
{
    cu_result code = up ? d->cu->cuMemcpyHtoDAsync_v2(device, host, bytes, stream)
                        : d->cu->cuMemcpyDtoHAsync_v2(host, device, bytes, stream);
    return code ? code : d->cu->cuStreamSynchronize(stream);
}

cu_result bt_cu_transfer(bt_cu_device *d, bool up, cu_stream stream, const void *on_device, void *host, size_t bytes)
{
    cu_pointer device = (cu_pointer)(uintptr_t)on_device;
    cu_result code = CU_OK;
    pthread_mutex_lock(&d->staging);
    bool is_pinned = open_slots(d);
    if (!is_pinned) code = copy_unpinned(d, up, stream, device, host, bytes);
    for (size_t at = 0; is_pinned && at < bytes && !code; at += BT_CU_SLOT_BYTES) {
        size_t n = bytes - at < BT_CU_SLOT_BYTES ? bytes - at : BT_CU_SLOT_BYTES;
        code = (up ? upload_piece : download_piece)(d, stream, device + at, (uint8_t *)host + at, n);
    }
    pthread_mutex_unlock(&d->staging);
    return code;
}

/* An event is what it was when a stream is told to wait for it, and may be recorded again at once. */
cu_result bt_cu_meet(bt_cu_device *d, bool second)
{
    cu_result code = CU_OK;
    pthread_mutex_lock(&d->staging);
    if (!d->meeting && (code = d->cu->cuEventCreate(&d->meeting, CU_NO_TIMING))) d->meeting = NULL;
    if (!code && !d->second && (code = d->cu->cuStreamCreate(&d->second, CU_NON_BLOCKING))) d->second = NULL;
    if (!code) code = d->cu->cuEventRecord(d->meeting, second ? d->stream : d->second);
    if (!code) code = d->cu->cuStreamWaitEvent(second ? d->second : d->stream, d->meeting, 0);
    pthread_mutex_unlock(&d->staging);
    return code;
}

/* Those of other threads that are not done are theirs to wait for. */
cu_result bt_cu_sync(bt_cu_device *d)
{
    cu_result code = d->cu->cuStreamSynchronize(d->stream);
    pthread_mutex_lock(&d->staging);
    for (int i = 0; i < BT_CU_SLOTS && !code; i++) {
        bt_cu_slot *s = &d->slots[i];
        if (!s->to) continue;
        cu_result done = d->cu->cuEventQuery(s->done);
        if (!done) hand_over(s);
        else if (done != CU_NOT_READY || pthread_equal(s->thread, pthread_self())) code = done;
    }
    pthread_mutex_unlock(&d->staging);
    return code;
}
