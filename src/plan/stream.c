/* Windows for weights that pass through a device: see stream.h. */
#include "plan/stream.h"

bt_stream *bt_stream_new(bt_device *device, int place, int64_t resident, size_t bytes)
{
    bt_stream *w = bt_calloc(1, sizeof *w);
    if (!w) return NULL;
    w->device = device, w->place = place, w->resident = resident, w->bytes = bytes;
    pthread_mutex_init(&w->lock, NULL);
    return w;
}

void bt_stream_free(bt_stream *w)
{
    if (!w) return;
    bt_device_free(w->device, w->data, w->bytes);
    pthread_mutex_destroy(&w->lock);
    bt_free(w);
}

bool bt_stream_keeps(bt_stream *w, size_t bytes)
{
    if ((int64_t)bytes > w->resident) return false;
    w->resident -= (int64_t)bytes;
    return true;
}

berth_status bt_stream_open(bt_stream *w, berth_error *error)
{
    if (!w->data) w->data = bt_device_alloc(w->device, w->bytes, error);
    return w->data ? BERTH_OK : BERTH_DEVICE;
}

berth_status bt_stream_enter(bt_stream *w, const void *step, const bt_tensor *const *from,
                             bt_tensor *const *to, int n, berth_error *error)
{
    pthread_mutex_lock(&w->lock);
    bool is_there = w->content == step;
    size_t at = 0;
    berth_status status = BERTH_OK;
    w->content = NULL; /* what comes is put there after the kernels of the step before, which may be at work yet */
    for (int i = 0; i < n && !status; i++) {
        size_t bytes = bt_tensor_bytes(from[i]);
        if (at + bt_stream_need(bytes) > w->bytes)
            status =
                bt_fail(error, BERTH_INTERNAL, "%s: the window for weights is too small", w->device->name);
        else if (!is_there) status = bt_device_upload(w->device, w->data + at, from[i]->data, bytes, error);
        to[i]->data = w->data + at;
        at += bt_stream_need(bytes);
    }
    if (status) return pthread_mutex_unlock(&w->lock), status;
    w->content = step;
    return BERTH_OK;
}

void bt_stream_leave(bt_stream *w) { pthread_mutex_unlock(&w->lock); }
