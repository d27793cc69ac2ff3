/* Workspace of a run on a device: see workspace.h. */
#include "plan/workspace.h"

typedef struct bt_overflow {
    struct bt_overflow *next;
    void *data;
    size_t bytes;
} overflow;

static void *take(bt_workspace *w, size_t bytes, berth_error *error)
{
    void *p = bt_device_alloc(w->device, bytes, error);
    if (p) *w->counted += (int64_t)bytes;
    return p;
}

static void give_back(bt_workspace *w, void *p, size_t bytes)
{
    if (!p) return;
    *w->counted -= (int64_t)bytes;
    bt_device_free(w->device, p, bytes);
}

static void *take_beyond(bt_workspace *w, size_t bytes, berth_error *error)
{
    overflow *o = bt_calloc(1, sizeof *o);
    if (!o) return bt_fail_memory(error), NULL;
    o->bytes = bytes;
    o->data = take(w, bytes, error);
    if (!o->data) return bt_free(o), NULL;
    o->next = w->overflow;
    w->overflow = o;
    return o->data;
}

/* In the place of a block that nothing uses, so that the two are never held together. */
static bool enlarge(bt_workspace *w, size_t bytes, berth_error *error)
{
    if (w->device->ops->compile && w->data)
        w->device->ops->sync(w->device, NULL); /* kernels may still be at work in it */
    give_back(w, w->data, w->bytes);
    w->data = take(w, bytes, error);
    w->bytes = w->data ? bytes : 0;
    return w->data;
}

void *bt_workspace_take(bt_workspace *w, size_t bytes, berth_error *error)
{
    size_t room = bt_align(bytes ? bytes : 1, 64);
    bool is_fresh = !w->used && !w->overflow;
    if (is_fresh && w->bytes < room && !enlarge(w, room, error)) return NULL;
    if (w->bytes - w->used < room) return take_beyond(w, room, error);
    w->used += room;
    return w->data + w->used - room;
}

static size_t drop_overflow(bt_workspace *w)
{
    size_t bytes = 0;
    while (w->overflow) {
        overflow *o = w->overflow;
        w->overflow = o->next;
        bytes += o->bytes;
        give_back(w, o->data, o->bytes);
        bt_free(o);
    }
    return bytes;
}

void bt_workspace_settle(bt_workspace *w)
{
    size_t used = w->used;
    w->used = 0;
    if (!w->overflow) return;
    if (w->device->ops->compile) w->device->ops->sync(w->device, NULL);
    used += drop_overflow(w);
    enlarge(w, used, NULL);
}

void bt_workspace_free(bt_workspace *w)
{
    drop_overflow(w);
    give_back(w, w->data, w->bytes);
    w->data = NULL, w->bytes = 0;
}
