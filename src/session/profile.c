/* What runs do, step by step: listed, timed when that is switched on, and written out as a timeline. */
#include <stdatomic.h>

#include "session/session.h"

static void forget(bt_plan *plan)
{
    for (int32_t i = 0; i < plan->n_steps; i++) {
        atomic_store(&plan->counts[i].runs, 0);
        atomic_store(&plan->counts[i].ns, 0);
        atomic_store(&plan->counts[i].bytes, 0);
    }
    for (size_t i = 0; i < plan->n_bodies; i++) forget(plan->bodies[i]);
}

berth_status berth_session_profile(berth_session *s, bool on, berth_error *error)
{
    bt_error_clear(error);
    pthread_mutex_lock(&s->lock);
    if (on && !s->profiled) s->profiled = bt_profile_new();
    berth_status status = on && !s->profiled ? bt_fail_memory(error) : BERTH_OK;
    if (!on && s->profiled) bt_profile_clear(s->profiled);
    for (bt_session_plan *p = s->plans; p && !on; p = p->next)
        for (int k = 0; k < p->n_parts; k++) forget(p->parts[k].plan);
    s->profile = on ? s->profiled : NULL;
    pthread_mutex_unlock(&s->lock);
    return status;
}

berth_status berth_session_trace(berth_session *s, berth_write_fn *write, void *user, berth_error *error)
{
    berth_error own;
    if (!error) error = &own;
    bt_error_clear(error);
    pthread_mutex_lock(&s->lock);
    bt_profile *profile = s->profiled;
    pthread_mutex_unlock(&s->lock);
    if (!profile) return bt_fail(error, BERTH_BAD_ARGUMENT, "the session was never profiled");
    bt_text text = {0};
    bt_profile_write(profile, &text);
    if (text.failed) bt_fail_memory(error);
    else if (write(user, text.p, text.n)) bt_fail(error, BERTH_CANCELLED, "the trace was stopped");
    bt_text_free(&text);
    return error->status;
}

/* ---- Steps -------------------------------------------------------------------------------------------- */

typedef struct lister {
    bt_arena *arena;
    berth_step *list;
    size_t n;
    size_t *reader; /* by index: the last step that reads it */
    bool failed;    /* out of memory */
} lister;

static size_t count_steps(const bt_plan *plan)
{
    size_t n = (size_t)plan->n_steps;
    for (size_t i = 0; i < plan->n_bodies; i++) n += count_steps(plan->bodies[i]);
    return n;
}

/* The list may outlive the plan. */
static const char *keep(lister *l, const char *text)
{
    char *copy = bt_arena_copy(l->arena, text, strlen(text));
    if (!copy) l->failed = true;
    return copy;
}

static const char *device_name(const bt_plan *plan, int place) { return plan->env.places[place]->name; }

/* Feeds of the whole come first in the list, those of a body are not in it: SIZE_MAX. index: of the plan's steps. */
static size_t source_of(const bt_plan *plan, const size_t *index, int32_t slot)
{
    const bt_slot *s = &plan->slots[slot];
    if (s->kind == BT_SLOT_STEP) return index[s->step];
    return s->kind == BT_SLOT_FEED && !plan->env.function ? (size_t)s->step : SIZE_MAX;
}

static berth_step *add(lister *l, const bt_plan *plan, const size_t *index, const int32_t *slots, int n)
{
    size_t *inputs = bt_arena_array(l->arena, size_t, (size_t)n + 1);
    berth_step *step = &l->list[l->n++];
    if (!inputs) return l->failed = true, step;
    *step = (berth_step){.inputs = inputs, .caller = SIZE_MAX};
    for (int i = 0; i < n; i++) {
        size_t source = source_of(plan, index, slots[i]);
        if (source == SIZE_MAX || l->reader[source] == l->n) continue;
        l->reader[source] = l->n;
        inputs[step->n_inputs++] = source;
    }
    return step;
}

static void add_plan(lister *l, const bt_plan *plan, size_t *index, size_t caller);

static void add_step(lister *l, const bt_plan *plan, size_t *index, int32_t i, size_t caller)
{
    const bt_step *s = &plan->steps[i];
    const bt_step_count *count = &plan->counts[i];
    size_t mine = index[i] = l->n;
    berth_step *step = add(l, plan, index, s->in, s->n_in);
    bool is_copy = !strcmp(s->op->name, "_Copy");
    step->node = keep(l, s->node->name), step->op = s->op->name, step->device = device_name(plan, s->place);
    step->from = is_copy ? device_name(plan, plan->slots[s->in[0]].place) : NULL;
    step->caller = caller;
    step->weight_bytes = s->packed_bytes;
    for (int k = 0; k < s->n_in; k++) {
        const bt_slot *slot = &plan->slots[s->in[k]];
        if (slot->kind == BT_SLOT_CONST && slot->is_read && !bt_dtype_is_object(slot->constant.dtype))
            step->weight_bytes += (int64_t)bt_tensor_bytes(&slot->constant);
    }
    step->runs = count->runs, step->total_ns = count->ns, step->bytes = count->bytes;
    for (size_t b = 0; b < plan->n_bodies; b++)
        if (plan->bodies[b]->caller == i) add_plan(l, plan->bodies[b], NULL, mine);
}

static void add_plan(lister *l, const bt_plan *plan, size_t *index, size_t caller)
{
    if (!index) index = bt_arena_array(l->arena, size_t, (size_t)plan->n_steps + 1);
    if (!index) l->failed = true;
    for (int32_t i = 0; i < plan->n_steps && !l->failed; i++) add_step(l, plan, index, i, caller);
}

/* What each part of a batch gives of it, joined. */
static void add_fetch(lister *l, const bt_session_plan *p, size_t *const *index, int fetch)
{
    const bt_plan *first = p->parts[0].plan;
    const char *name = p->names[p->n_feeds + (size_t)fetch];
    size_t *inputs = bt_arena_array(l->arena, size_t, (size_t)p->n_parts);
    berth_step *step = add(l, first, index[0], NULL, 0);
    step->node = keep(l, name);
    step->op = "_Fetch", step->device = device_name(first, 0);
    if (!inputs || !step->node) return (void)(l->failed = true);
    step->inputs = inputs;
    for (int k = 0; k < p->n_parts; k++) {
        const bt_plan *plan = p->parts[k].plan;
        size_t source = source_of(plan, index[k], plan->fetches[fetch]);
        if (source != SIZE_MAX && (!k || source != inputs[0])) inputs[step->n_inputs++] = source;
    }
}

static berth_status list_steps(lister *l, const bt_session_plan *p, berth_error *error)
{
    const bt_plan *first = p->parts[0].plan;
    size_t most = (size_t)first->n_feeds + (size_t)first->n_fetches + 1, *index[BT_MAX_PLACES];
    for (int k = 0; k < p->n_parts; k++) {
        most += count_steps(p->parts[k].plan);
        index[k] = bt_arena_array(l->arena, size_t, (size_t)p->parts[k].plan->n_steps + 1);
        if (!index[k]) return bt_fail_memory(error);
    }
    l->list = bt_arena_array(l->arena, berth_step, most);
    l->reader = bt_arena_array(l->arena, size_t, most);
    if (!l->list || !l->reader) return bt_fail_memory(error);
    for (int i = 0; i < first->n_feeds; i++) {
        berth_step *step = add(l, first, index[0], NULL, 0);
        step->node = keep(l, first->feed_names[i]), step->op = "_Feed", step->device = device_name(first, 0);
    }
    for (int k = 0; k < p->n_parts; k++) add_plan(l, p->parts[k].plan, index[k], SIZE_MAX);
    for (int i = 0; i < first->n_fetches && !l->failed; i++) add_fetch(l, p, index, i);
    return l->failed ? bt_fail_memory(error) : BERTH_OK;
}

berth_status berth_session_steps(berth_session *s, const berth_feed *feeds, size_t n_feeds,
                                 const berth_feed *fetches, size_t n_fetches, const berth_step **steps,
                                 size_t *n_steps, berth_error *error)
{
    berth_error own;
    if (!error) error = &own;
    bt_error_clear(error);
    pthread_mutex_lock(&s->lock);
    bt_arena_free(&s->stepping);
    bt_arena_init(&s->stepping);
    bt_names names = {.feeds = feeds, .n_feeds = n_feeds, .fetches = fetches, .n_fetches = n_fetches};
    lister l = {.arena = &s->stepping};
    bt_session_plan *p = NULL;
    if (!bt_session_names(s, l.arena, &names, error)) p = bt_session_plan_for(s, s->placing, &names, NULL, error);
    if (p && !list_steps(&l, p, error)) *steps = l.list, *n_steps = l.n;
    bt_session_plan_drop(p);
    pthread_mutex_unlock(&s->lock);
    return error->status;
}
