/* When a CUDA device took its work: a pair of events around each launch and copy that is watched (device/watch.h). Events tell
 * how long it is from one to another; one of which the host knows when it was, the origin, puts the others on the host's clock. */
#include "device/cuda/cuda.h"
#include "device/watch.h"

struct bt_cu_span {
    cu_event started, ended;
    cu_stream stream; /* of the work */
    int64_t queued;   /* bt_now */
};

/* Elapsed times are floats of ms: 61 ns in the second second. Then a later event becomes the origin. */
static const int64_t too_long_ago = 2000000000;

/* ---- Around the work ---------------------------------------------------------------------------------- */

/* Of the calling thread's context. */
static void span_free(const bt_cu_device *d, bt_cu_span *span)
{
    if (span->started) d->cu->cuEventDestroy_v2(span->started);
    if (span->ended) d->cu->cuEventDestroy_v2(span->ended);
    bt_free(span);
}

/* The first time, and with the device idle: what it does then it does at once. A host that is held up meanwhile knows only
 * that it came after `before`: told so, times are too early if anything, which set_clock finds out at the next work, and mends
 * forwards. Were they too late, it would be found out behind work that was told of already, and put what follows into that. */
static void open_clock(bt_cu_device *d)
{
    cu_event origin = NULL;
    pthread_mutex_lock(&d->clock);
    if (!d->origin && !d->cu->cuStreamSynchronize(d->stream) && !d->cu->cuEventCreate(&origin, 0)) {
        int64_t before = bt_now();
        if (d->cu->cuEventRecord(origin, d->stream) || d->cu->cuEventSynchronize(origin))
            d->cu->cuEventDestroy_v2(origin);
        else d->origin = origin, d->origin_ns = before;
    }
    pthread_mutex_unlock(&d->clock);
}

bt_cu_span *bt_cu_span_begin(bt_cu_device *d, cu_stream stream)
{
    if (!bt_watch_event() || bt_cu_is_recording(d)) return NULL;
    open_clock(d);
    bt_cu_span *span = bt_calloc(1, sizeof *span);
    if (!span) return NULL;
    if (d->cu->cuEventCreate(&span->started, 0)) span->started = NULL;
    if (!span->started || d->cu->cuEventCreate(&span->ended, 0)) span->ended = NULL;
    span->queued = bt_now(), span->stream = stream;
    if (span->ended && !d->cu->cuEventRecord(span->started, stream)) return span;
    return span_free(d, span), NULL;
}

void bt_cu_span_end(bt_cu_device *d, bt_cu_span *span, cu_result code)
{
    if (!span) return;
    if (code || d->cu->cuEventRecord(span->ended, span->stream)) span_free(d, span);
    else *bt_watch_event() = span;
}

/* ---- Afterwards --------------------------------------------------------------------------------------- */

/* ns of bt_now; the clock is locked. */
static cu_result time_of(const bt_cu_device *d, cu_event event, int64_t *ns)
{
    float ms = 0;
    cu_result code = d->origin ? d->cu->cuEventElapsedTime(&ms, d->origin, event) : CU_NOT_FOUND;
    *ns = d->origin_ns + (int64_t)((double)ms * 1e6);
    return code;
}

/* The two clocks drift: nothing starts before it is queued, and what is waited for has ended. */
static void set_clock(bt_cu_device *d, const bt_cu_span *span, int64_t now, int64_t times[BT_N_TIMES])
{
    int64_t early = span->queued - times[BT_TIME_STARTED], late = times[BT_TIME_ENDED] - now;
    int64_t by = early > 0 ? early : late > 0 ? -late : 0;
    times[BT_TIME_STARTED] += by, times[BT_TIME_ENDED] += by, d->origin_ns += by;
}

static cu_result read_span(bt_cu_device *d, bt_cu_span *span, int64_t times[BT_N_TIMES])
{
    cu_result code = d->cu->cuEventSynchronize(span->ended);
    int64_t now = bt_now();
    pthread_mutex_lock(&d->clock);
    if (!code) code = time_of(d, span->started, &times[BT_TIME_STARTED]);
    if (!code) code = time_of(d, span->ended, &times[BT_TIME_ENDED]);
    if (!code) {
        set_clock(d, span, now, times);
        if (times[BT_TIME_STARTED] - d->origin_ns > too_long_ago) {
            cu_event old = d->origin; /* what follows did not start before this ended, however both are rounded */
            d->origin = span->ended, d->origin_ns = times[BT_TIME_ENDED];
            span->ended = old;
        }
    }
    pthread_mutex_unlock(&d->clock);
    return code;
}

berth_status bt_cu_times(bt_device *device, void *event, int64_t times[BT_N_TIMES])
{
    bt_cu_device *d = device->physical->state;
    bt_cu_span *span = event;
    cu_result code = bt_cu_enter(d);
    times[BT_TIME_QUEUED] = span->queued;
    if (code) return bt_free(span), BERTH_DEVICE;
    code = read_span(d, span, times);
    span_free(d, span);
    bt_cu_leave(d);
    return code ? BERTH_DEVICE : BERTH_OK;
}
