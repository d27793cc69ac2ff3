/* Streams of the stand-in: queues of work, done when somebody waits. Graphs: work that a capturing stream noted. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "inside.h"

void drop_work(work *first)
{
    for (work *w = first, *next; w; w = next) {
        next = w->next;
        free(w->own);
        free(w);
    }
}

static size_t own_bytes(const work *w)
{
    size_t bytes = 0;
    if (w->kind != LAUNCH) return w->own ? w->bytes : 0;
    for (int i = 0; w->function->sizes[i]; i++) bytes += (w->function->sizes[i] + 15u) / 16 * 16;
    return bytes;
}

/* A copy, with what it owns. */
cu_result enqueue(struct CUstream_st *s, const work *from)
{
    work *w = malloc(sizeof *w);
    if (!w) return CU_OUT_OF_MEMORY;
    *w = *from, w->next = NULL;
    if (from->own) {
        size_t bytes = own_bytes(from);
        if (!(w->own = malloc(bytes + 1))) return free(w), CU_OUT_OF_MEMORY;
        memcpy(w->own, from->own, bytes);
        if (from->src == from->own) w->src = w->own;
    }
    *s->last = w, s->last = &w->next;
    s->n_given++;
    return s->is_eager && !s->is_capturing ? flush(s, NULL, 0) : CU_OK;
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static cu_result perform(const work *w);

/* The next piece of a stream. */
static cu_result advance(struct CUstream_st *s)
{
    work *w = s->first;
    if (!(s->first = w->next)) s->last = &s->first;
    w->next = NULL;
    cu_result code = perform(w);
    s->n_done++;
    return drop_work(w), code;
}

static cu_result wait_for(struct CUstream_st *s, int64_t upto)
{
    cu_result code = CU_OK;
    while (s && s->n_done < upto && !code) code = s->first ? advance(s) : misuse("streams that wait for one another");
    return code;
}

static cu_result perform(const work *w)
{
    switch (w->kind) {
    case COPY_UP:
    case COPY_DOWN:
    case COPY_ACROSS: memmove(w->dst, w->src, w->bytes), counts.copies++; return CU_OK;
    case LAUNCH: return run_kernel(w);
    case LIBRARY: return w->library(w->own), counts.launches++, CU_OK;
    case WAIT: return wait_for(w->other, w->upto);
    case EVENT:
        if (w->event) w->event->stream = NULL, w->event->ns = now_ns();
        return CU_OK;
    }
    return UNKNOWN;
}

/* What fails takes the device with it, as a fault in a kernel does. */
cu_result flush(struct CUstream_st *s, const struct CUevent_st *until, int steps)
{
    device *d = s->context->device;
    cu_result code = d->is_lost ? LAUNCH_FAILED : CU_OK;
    if (s->is_capturing) return s->is_invalid = true, CAPTURE_UNSUPPORTED;
    if (s->first && !d->is_lost) {
        unlock_memory(true);
        for (int n = 0; s->first && !code && (!until || until->stream) && (!steps || n < steps); n++)
            code = advance(s);
        unlock_memory(false);
    }
    if (code) d->is_lost = true;
    return code;
}
