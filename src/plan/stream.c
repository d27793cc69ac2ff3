/* Windows for weights that pass through a device: see stream.h. */
#include "plan/stream.h"

bt_stream *bt_stream_new(bt_device *device, int place, int64_t resident, size_t bytes, int n_parts)
{
    bt_stream *w = bt_calloc(1, sizeof *w);
    if (!w) return NULL;
    w->device = device, w->place = place, w->resident = resident, w->bytes = bytes, w->n_parts = n_parts;
    pthread_mutex_init(&w->lock, NULL);
    return w;
}

static size_t all_bytes(const bt_stream *w) { return w->bytes * (size_t)w->n_parts; }

void bt_stream_free(bt_stream *w)
{
    if (!w) return;
    if (w->data && w->n_parts > 1) w->device->ops->meet(w->device, false, NULL);
    bt_device_free(w->device, w->data, all_bytes(w));
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
    if (!w->data) w->data = bt_device_alloc(w->device, all_bytes(w), error);
    return w->data ? BERTH_OK : BERTH_DEVICE;
}

/* Which part has a step's constants, -1: none. */
static int part_of(const bt_stream *w, const void *step)
{
    for (int i = 0; i < w->n_parts; i++)
        if (w->content[i] == step) return i;
    return -1;
}

static berth_status fill(bt_stream *w, int part, const void *step, const bt_tensor *const *from, int n,
                         berth_error *error)
{
    uint8_t *at = w->data + w->bytes * (size_t)part, *end = at + w->bytes;
    berth_status status = BERTH_OK;
    w->content[part] = NULL;
    for (int i = 0; i < n && !status; i++) {
        size_t bytes = bt_tensor_bytes(from[i]), need = bt_stream_need(bytes);
        if (need > (size_t)(end - at))
            return bt_fail(error, BERTH_INTERNAL, "%s: the window for weights is too small", w->device->name);
        status =
            (w->n_parts > 1 ? bt_device_bring : bt_device_upload)(w->device, at, from[i]->data, bytes, error);
        at += need;
    }
    if (!status) w->content[part] = step;
    return status;
}

/* With one part, what comes is put there after the kernels of the step before, which may be at work yet. With two, it waits for
 * all that was launched until now; and so does what will come ahead into the other part, but not for this step. */
static berth_status bring(bt_stream *w, const void *step, const bt_tensor *const *from, int n,
                          berth_error *error)
{
    const bt_device_ops *ops = w->device->ops;
    int part = part_of(w, step);
    bool is_there = part >= 0, two = w->n_parts > 1;
    berth_status status = BERTH_OK;
    if (!is_there) part = two ? 1 - w->last : 0;
    if (!is_there && two) status = ops->meet(w->device, true, error);
    if (!is_there && !status) status = fill(w, part, step, from, n, error);
    if (!status && two) status = ops->meet(w->device, false, error);
    if (!status && two) status = ops->meet(w->device, true, error);
    w->last = part;
    return status;
}

berth_status bt_stream_enter(bt_stream *w, const void *step, const bt_tensor *const *from,
                             bt_tensor *const *to, int n, berth_error *error)
{
    pthread_mutex_lock(&w->lock);
    berth_status status = bring(w, step, from, n, error);
    if (status) return pthread_mutex_unlock(&w->lock), status;
    uint8_t *at = w->data + w->bytes * (size_t)w->last;
    for (int i = 0; i < n; i++) to[i]->data = at, at += bt_stream_need(bt_tensor_bytes(from[i]));
    return BERTH_OK;
}

void bt_stream_ahead(bt_stream *w, const void *step, const bt_tensor *const *from, int n)
{
    if (w->n_parts > 1 && part_of(w, step) < 0) fill(w, 1 - w->last, step, from, n, NULL);
}

void bt_stream_leave(bt_stream *w) { pthread_mutex_unlock(&w->lock); }
