/* Profiles: what ran when and where, while someone wants to know. A run has a recorder, on its own thread, that takes in its
 * steps and what they gave to devices (device/watch.h), and hands them to the session's profile, which all runs share;
 * timeline.c writes that out. What each step took in all is kept with its plan. */
#ifndef BT_PROFILE_H
#define BT_PROFILE_H

#include <pthread.h>

#include "base/arena.h"
#include "base/map.h"
#include "device/watch.h"

/* Of a step, while it was profiled. */
typedef struct bt_step_count {
    _Atomic int64_t runs, ns, bytes; /* bytes: of its results */
} bt_step_count;

typedef enum bt_event_kind {
    BT_EVENT_STEP,   /* by the host's clock, until its device was done */
    BT_EVENT_LAUNCH, /* the same, of a step whose device tells the times of its work itself */
    BT_EVENT_KERNEL, /* of a device */
    BT_EVENT_COPY,   /* to, from or on a device */
    BT_EVENT_MEMORY, /* bytes in use on a device, at `end` */
} bt_event_kind;

typedef struct bt_event {
    bt_event_kind kind;
    bool is_own; /* KERNEL, COPY: by the device's clock */
    int thread;
    const bt_device *device;
    const char *name; /* an op, a kernel, "upload", "download", "copy" */
    const char *node; /* "" where none was at work */
    int64_t start, end, bytes;
} bt_event;

enum { BT_PROFILE_DEVICES = 64, BT_PROFILE_THREADS = 64 };

typedef struct bt_profile {
    pthread_mutex_t lock;
    bt_arena texts;
    bt_map known; /* texts by themselves */
    bt_event *events;
    size_t n, room, dropped;
    const bt_device *devices[BT_PROFILE_DEVICES]; /* that were seen */
    int64_t in_use[BT_PROFILE_DEVICES];           /* on them, when it was last noted */
    int n_devices;
    pthread_t threads[BT_PROFILE_THREADS];
    int n_threads;
    int64_t origin; /* bt_now when it began */
} bt_profile;

bt_profile *bt_profile_new(void); /* NULL: out of memory */
void bt_profile_free(bt_profile *profile);
void bt_profile_clear(bt_profile *profile);
/* {"traceEvents": [...]}: see berth_session_trace. */
void bt_profile_write(bt_profile *profile, bt_text *out);

typedef struct bt_recorder {
    bt_profile *profile;
    bt_device *host;
    bt_watch watch;
    size_t n_taken; /* works of steps that have ended */
    int thread;
} bt_recorder;

/* A step that has ended. Its texts and count must stay until the recorder is drained. */
typedef struct bt_ended {
    const char *node, *op;
    bt_device *device;
    bool on_host; /* though its tensors may lie elsewhere: it runs a body */
    bt_step_count *count;
    int64_t start, bytes;
} bt_ended;

/* For what this thread does until the end; NULL when there is no profile. */
bt_recorder *bt_recorder_begin(bt_recorder *recorder, bt_profile *profile, bt_device *host);
void bt_recorder_step(bt_recorder *recorder, const bt_ended *step);
void bt_recorder_drain(
    bt_recorder *recorder); /* hands over what it has: before the plan that it came from can go */
void bt_recorder_end(bt_recorder *recorder); /* NULL is legal */

#endif
