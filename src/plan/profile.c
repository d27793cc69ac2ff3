/* Taking in what runs do; see profile.h. */
#include "plan/profile.h"

#include <stdatomic.h>

enum { MOST_EVENTS = 1000000, MOST_WORKS = 4096 };

bt_profile *bt_profile_new(void)
{
    bt_profile *p = bt_calloc(1, sizeof *p);
    if (!p) return NULL;
    pthread_mutex_init(&p->lock, NULL);
    bt_arena_init(&p->texts);
    p->origin = bt_now();
    return p;
}

void bt_profile_free(bt_profile *p)
{
    if (!p) return;
    bt_map_free(&p->known);
    bt_arena_free(&p->texts);
    bt_free(p->events);
    pthread_mutex_destroy(&p->lock);
    bt_free(p);
}

void bt_profile_clear(bt_profile *p)
{
    pthread_mutex_lock(&p->lock);
    bt_map_free(&p->known);
    bt_arena_free(&p->texts);
    bt_arena_init(&p->texts);
    p->n = p->dropped = 0;
    p->n_devices = 0;
    pthread_mutex_unlock(&p->lock);
}

/* ---- Events; the lock is held ------------------------------------------------------------------------- */

/* A copy that lives as long as the profile, one of each text. */
static const char *keep(bt_profile *p, const char *text)
{
    bt_str key = bt_str_of(text);
    const char *known = bt_map_get(&p->known, key);
    if (known) return known;
    char *copy = bt_arena_copy(&p->texts, text, key.n);
    return copy && bt_map_put(&p->known, (bt_str){copy, key.n}, copy) ? copy : NULL;
}

static void add(bt_profile *p, bt_event e)
{
    bool room = p->n < MOST_EVENTS && bt_grow(&p->events, &p->room, p->n + 1, sizeof *p->events);
    if (room && (e.name = keep(p, e.name)) && (e.node = keep(p, e.node))) p->events[p->n++] = e;
    else p->dropped++;
}

static void note_memory(bt_profile *p, const bt_device *device, int64_t in_use, int64_t now)
{
    int i = 0;
    while (i < p->n_devices && p->devices[i] != device) i++;
    if (i == BT_PROFILE_DEVICES) return;
    if (i == p->n_devices) p->devices[p->n_devices++] = device, p->in_use[i] = -1;
    if (in_use == p->in_use[i]) return;
    p->in_use[i] = in_use;
    add(p,
        (bt_event){
            .kind = BT_EVENT_MEMORY, .device = device, .name = "", .node = "", .end = now, .bytes = in_use});
}

/* ---- Recorders ---------------------------------------------------------------------------------------- */

static int thread_number(bt_profile *p)
{
    pthread_t self = pthread_self();
    for (int i = 0; i < p->n_threads; i++)
        if (pthread_equal(p->threads[i], self)) return i;
    if (p->n_threads == BT_PROFILE_THREADS) return BT_PROFILE_THREADS;
    p->threads[p->n_threads] = self;
    return p->n_threads++;
}

bt_recorder *bt_recorder_begin(bt_recorder *r, bt_profile *p, bt_device *host)
{
    if (!p) return NULL;
    *r = (bt_recorder){.profile = p, .host = host};
    pthread_mutex_lock(&p->lock);
    r->thread = thread_number(p);
    note_memory(p, host, host->in_use, bt_now());
    pthread_mutex_unlock(&p->lock);
    bt_watch_begin(&r->watch);
    return r;
}

/* Kernels without a time of their own are no more than the launch of their step. */
static void add_work(bt_recorder *r, const bt_work *w)
{
    if (w->owner) atomic_fetch_add(&((bt_step_count *)w->owner)->ns, w->end - w->start);
    note_memory(r->profile, w->device, w->in_use, w->given);
    if (w->kind == BT_WORK_KERNEL ? !w->is_own : !w->bytes) return;
    add(r->profile, (bt_event){.kind = w->kind == BT_WORK_KERNEL ? BT_EVENT_KERNEL : BT_EVENT_COPY,
                               .is_own = w->is_own,
                               .thread = r->thread,
                               .device = w->device,
                               .name = w->name,
                               .node = w->node ? w->node : "",
                               .start = w->start,
                               .end = w->end,
                               .bytes = (int64_t)w->bytes});
}

void bt_recorder_drain(bt_recorder *r)
{
    bt_watch_settle(&r->watch);
    pthread_mutex_lock(&r->profile->lock);
    for (size_t i = 0; i < r->watch.n; i++) add_work(r, &r->watch.list[i]);
    pthread_mutex_unlock(&r->profile->lock);
    r->watch.n = r->n_taken = 0;
}

void bt_recorder_step(bt_recorder *r, const bt_ended *step)
{
    int64_t end = bt_now();
    bool is_timed = false;
    for (size_t i = r->n_taken; i < r->watch.n && !step->on_host; i++)
        is_timed |= r->watch.list[i].event != NULL;
    for (; r->n_taken < r->watch.n; r->n_taken++) {
        bt_work *w = &r->watch.list[r->n_taken];
        w->node = step->node, w->owner = is_timed ? step->count : NULL;
    }
    atomic_fetch_add(&step->count->runs, 1);
    atomic_fetch_add(&step->count->bytes, step->bytes);
    if (!is_timed) atomic_fetch_add(&step->count->ns, end - step->start);
    pthread_mutex_lock(&r->profile->lock);
    add(r->profile, (bt_event){.kind = is_timed ? BT_EVENT_LAUNCH : BT_EVENT_STEP,
                               .thread = r->thread,
                               .device = is_timed || step->on_host ? r->host : step->device,
                               .name = step->op,
                               .node = step->node,
                               .start = step->start,
                               .end = end,
                               .bytes = step->bytes});
    note_memory(r->profile, r->host, r->host->in_use, end);
    note_memory(r->profile, step->device, step->device->in_use, end);
    pthread_mutex_unlock(&r->profile->lock);
    if (r->watch.n >= MOST_WORKS) bt_recorder_drain(r);
}

void bt_recorder_end(bt_recorder *r)
{
    if (!r) return;
    bt_recorder_drain(r);
    bt_watch_end(&r->watch);
}
