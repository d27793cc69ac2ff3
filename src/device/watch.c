/* Watching what a thread gives to devices; see watch.h. */
#include "device/watch.h"

#include <stdio.h>
#include <time.h>

static _Thread_local bt_watch *watching;
static _Thread_local bt_work *current; /* in watching->list */

int64_t bt_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void bt_watch_begin(bt_watch *watch)
{
    *watch = (bt_watch){.outer = watching};
    watching = watch;
}

void bt_watch_end(bt_watch *watch)
{
    watching = watch->outer;
    bt_watch_settle(watch); /* events are given back */
    bt_free(watch->list);
    *watch = (bt_watch){0};
}

void **bt_watch_event(void) { return current ? &current->event : NULL; }

/* ---- Clocks ------------------------------------------------------------------------------------------- */

/* A device's clock set against bt_now: each work was queued between `start` and `end`, so that what is to be added to the
 * device's times lies between the largest `low` and the smallest `high` of all. */
typedef struct clocks {
    bt_device *device;
    int64_t low, high;
} clocks;

static void take_times(bt_work *w, clocks *c)
{
    int64_t times[BT_N_TIMES];
    w->is_own = !w->device->ops->times(w->device, w->event, times);
    w->event = NULL;
    if (!w->is_own) return;
    int64_t low = w->start - times[BT_TIME_QUEUED], high = w->end - times[BT_TIME_QUEUED];
    if (!c->device || low > c->low) c->low = low;
    if (!c->device || high < c->high) c->high = high;
    c->device = w->device->physical;
    w->start = times[BT_TIME_STARTED], w->end = times[BT_TIME_ENDED];
}

/* Of the works from `first` on, those on the hardware of the first. */
static void settle_device(bt_watch *watch, size_t first)
{
    clocks c = {0};
    const bt_device *hardware = watch->list[first].device->physical;
    for (size_t i = first; i < watch->n; i++) {
        bt_work *w = &watch->list[i];
        if (w->event && w->device->physical == hardware) take_times(w, &c);
    }
    int64_t offset = c.low <= c.high ? c.low + (c.high - c.low) / 2 : c.high;
    for (size_t i = first; i < watch->n; i++) {
        bt_work *w = &watch->list[i];
        if (w->is_own && w->device->physical == hardware) w->start += offset, w->end += offset;
    }
}

void bt_watch_settle(bt_watch *watch)
{
    for (size_t i = 0; i < watch->n; i++)
        if (watch->list[i].event) settle_device(watch, i);
}

/* ---- Work --------------------------------------------------------------------------------------------- */

/* What finds no memory is not noted. */
static void begin(bt_device *device, bt_work_kind kind, const char *name, size_t bytes)
{
    bt_watch *watch = watching;
    if (!watch || !bt_grow(&watch->list, &watch->room, watch->n + 1, sizeof *watch->list)) return;
    current = &watch->list[watch->n++];
    *current = (bt_work){.device = device, .kind = kind, .bytes = bytes};
    snprintf(current->name, sizeof current->name, "%s", name);
    current->in_use = device->in_use;
    current->given = current->start = bt_now();
}

static berth_status end(berth_status status)
{
    if (current) current->end = bt_now();
    current = NULL;
    return status;
}

berth_status bt_device_upload(bt_device *device, void *dst, const void *host, size_t bytes,
                              berth_error *error)
{
    begin(device, BT_WORK_UPLOAD, "upload", bytes);
    return end(device->ops->upload(device, dst, host, bytes, error));
}

berth_status bt_device_bring(bt_device *device, void *dst, const void *host, size_t bytes, berth_error *error)
{
    begin(device, BT_WORK_UPLOAD, "upload", bytes);
    return end(device->ops->bring(device, dst, host, bytes, error));
}

berth_status bt_device_download(bt_device *device, void *host, const void *src, size_t bytes,
                                berth_error *error)
{
    begin(device, BT_WORK_DOWNLOAD, "download", bytes);
    return end(device->ops->download(device, host, src, bytes, error));
}

berth_status bt_device_copy(bt_device *device, void *dst, const void *src, size_t bytes, berth_error *error)
{
    begin(device, BT_WORK_COPY, "copy", bytes);
    return end(device->ops->copy(device, dst, src, bytes, error));
}

berth_status bt_device_launch(bt_device *device, bt_kernel *kernel, const char *name, const bt_grid *grid,
                              const bt_arg *args, int n_args, berth_error *error)
{
    begin(device, BT_WORK_KERNEL, name, 0);
    return end(device->ops->launch(device, kernel, grid, args, n_args, error));
}

bool bt_device_gemm(bt_device *device, const bt_gemm_plan *plan, const bt_gemm_data *data)
{
    begin(device, BT_WORK_KERNEL, "gemm (library)", 0);
    bool is_done = device->ops->gemm(device, plan, data);
    end(BERTH_OK);
    return is_done;
}

int64_t bt_conv_workspace(const bt_conv *what)
{
    int64_t in = what->batch * what->in_c, out = what->batch * what->out_c, filter = what->out_c * (what->in_c / what->groups);
    for (int i = 0; i < 3; i++) in *= what->in[i], out *= what->out[i], filter *= what->filter[i];
    return BT_LIBRARY_WORKSPACE + (in + out + filter) * (what->type == BERTH_FLOAT ? 4 : 2);
}

bool bt_device_conv(bt_device *device, const bt_conv_plan *plan, const bt_conv_data *data)
{
    begin(device, BT_WORK_KERNEL, "convolution (library)", 0);
    bool is_done = device->ops->conv(device, plan, data);
    end(BERTH_OK);
    return is_done;
}
