/* The timeline of runs, in the format of Chrome's tracer. */
#include "plan/profile.h"

#include <pthread.h>
#include <time.h>

#include "base/arena.h"

enum { MOST_EVENTS = 1000000, MOST_THREADS = 64 };

typedef struct event {
    const char *name, *op;
    const bt_device *device;
    int thread;
    int64_t start, end, in_use;
} event;

struct bt_profile {
    pthread_mutex_t lock;
    bt_arena texts;
    event *events;
    size_t n, room, dropped;
    pthread_t threads[MOST_THREADS];
    int n_threads;
    int64_t origin;
};

int64_t bt_profile_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

bt_profile *bt_profile_new(void)
{
    bt_profile *p = bt_calloc(1, sizeof *p);
    if (!p) return NULL;
    pthread_mutex_init(&p->lock, NULL);
    bt_arena_init(&p->texts);
    p->origin = bt_profile_now();
    return p;
}

void bt_profile_free(bt_profile *p)
{
    if (!p) return;
    bt_arena_free(&p->texts);
    bt_free(p->events);
    pthread_mutex_destroy(&p->lock);
    bt_free(p);
}

void bt_profile_clear(bt_profile *p)
{
    pthread_mutex_lock(&p->lock);
    bt_arena_free(&p->texts);
    bt_arena_init(&p->texts);
    p->n = p->dropped = 0;
    pthread_mutex_unlock(&p->lock);
}

static int thread_number(bt_profile *p)
{
    pthread_t self = pthread_self();
    for (int i = 0; i < p->n_threads; i++)
        if (pthread_equal(p->threads[i], self)) return i;
    if (p->n_threads == MOST_THREADS) return MOST_THREADS;
    p->threads[p->n_threads] = self;
    return p->n_threads++;
}

void bt_profile_step(bt_profile *p, const char *name, const char *op, const bt_device *device, int64_t start)
{
    int64_t end = bt_profile_now();
    pthread_mutex_lock(&p->lock);
    char *copy = NULL, *kind = NULL;
    if (p->n < MOST_EVENTS && bt_grow(&p->events, &p->room, p->n + 1, sizeof *p->events)) {
        copy = bt_arena_copy(&p->texts, name, strlen(name));
        kind = bt_arena_copy(&p->texts, op, strlen(op));
    }
    if (copy && kind)
        p->events[p->n++] = (event){copy, kind, device, thread_number(p), start, end, device->in_use};
    else p->dropped++;
    pthread_mutex_unlock(&p->lock);
}

static void json_text(bt_text *out, const char *s)
{
    bt_text_add(out, "\"", 1);
    for (; *s; s++) {
        if (*s == '"' || *s == '\\') bt_text_print(out, "\\%c", *s);
        else if ((unsigned char)*s < 0x20) bt_text_print(out, "\\u%04x", *s);
        else bt_text_add(out, s, 1);
    }
    bt_text_add(out, "\"", 1);
}

/* Microseconds since the profile began. */
static double us(const bt_profile *p, int64_t ns) { return (double)(ns - p->origin) / 1e3; }

static void write_event(const bt_profile *p, const event *e, bt_text *out)
{
    bt_text_print(out,
                  ",\n{\"ph\": \"X\", \"pid\": \"%s\", \"tid\": %d, \"ts\": %.3f, \"dur\": %.3f, \"cat\": ",
                  e->device->name, e->thread, us(p, e->start), (double)(e->end - e->start) / 1e3);
    json_text(out, e->op);
    bt_text_print(out, ", \"name\": ");
    json_text(out, e->op);
    bt_text_print(out, ", \"args\": {\"node\": ");
    json_text(out, e->name);
    bt_text_print(out, "}}");
}

void bt_profile_write(bt_profile *p, bt_text *out)
{
    pthread_mutex_lock(&p->lock);
    bt_text_print(
        out,
        "{\"displayTimeUnit\": \"ns\", \"otherData\": {\"dropped\": %zu}, \"traceEvents\": [\n"
        "{\"ph\": \"M\", \"name\": \"process_name\", \"pid\": \"berth\", \"args\": {\"name\": \"berth\"}}",
        p->dropped);
    int64_t last = -1;
    for (size_t i = 0; i < p->n; i++) {
        const event *e = &p->events[i];
        write_event(p, e, out);
        if (e->in_use != last)
            bt_text_print(out,
                          ",\n{\"ph\": \"C\", \"pid\": \"%s\", \"ts\": %.3f, \"name\": \"bytes in use\", "
                          "\"args\": {\"bytes\": %lld}}",
                          e->device->name, us(p, e->end), (long long)e->in_use);
        last = e->in_use;
    }
    bt_text_print(out, "\n]}\n");
    pthread_mutex_unlock(&p->lock);
}
