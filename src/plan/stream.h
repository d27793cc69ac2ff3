/* Windows: weights that pass through a device in turn (stream_weights). A plan's large constants are divided: as many as have
 * room stay on the device, the others stay in the host's store and come, a step's at a time, into one window, whose parts are
 * as large as the largest step's need. So a run brings over no more than what had no room. Where the device works off two
 * orders of work at once and has room for two parts, one is filled while the step at work reads the other. One window of a
 * plan and its bodies. */
#ifndef BT_STREAM_H
#define BT_STREAM_H

#include <pthread.h>

#include "device/device.h"
#include "device/watch.h"
#include "tensor/tensor.h"

enum { BT_MAX_STREAMED = 16 }; /* inputs of a step */

typedef struct bt_stream {
    bt_device *device;
    int place;
    int64_t resident;     /* bytes of constants that may yet stay on the device */
    size_t bytes;         /* of a part */
    int n_parts;          /* 1 or 2 */
    uint8_t *data;        /* of all; taken when the first constant has no room */
    const void *content[2]; /* by part: the step whose constants lie there; NULL: none */
    int last;             /* the part that was used last */
    pthread_mutex_t lock; /* from bringing them until the step is launched */
} bt_stream;

/* bytes: of a part; n_parts: 2 where the device can `bring`, else 1; resident: what may stay beside them. Nothing is taken yet.
 * NULL: out of memory. */
bt_stream *bt_stream_new(bt_device *device, int place, int64_t resident, size_t bytes, int n_parts);
void bt_stream_free(bt_stream *w); /* NULL is legal */
/* Whether a constant of so many bytes may stay on the device; counts it when it may. */
bool bt_stream_keeps(bt_stream *w, size_t bytes);
/* Takes the window's memory, once. */
berth_status bt_stream_open(bt_stream *w, berth_error *error);
/* Bytes of a part that a constant needs. */
static inline size_t bt_stream_need(size_t bytes) { return bt_align(bytes ? bytes : 1, 64); }
/* Brings n constants of a step over from the host and points to[i]->data at them; the window is the caller's until leave. */
berth_status bt_stream_enter(bt_stream *w, const void *step, const bt_tensor *const *from,
                             bt_tensor *const *to, int n, berth_error *error);
/* Before leave, when the step is launched: brings the constants of a step that will come, if they are not there, while that one
 * is at work. Nothing where there is one part; what fails is brought when its step comes. */
void bt_stream_ahead(bt_stream *w, const void *step, const bt_tensor *const *from, int n);
void bt_stream_leave(bt_stream *w);

#endif
