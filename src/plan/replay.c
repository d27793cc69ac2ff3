/* Recording and replaying stretches of steps; see replay.h. */
#include "plan/replay.h"

enum { MOST_TRIES = 2, MOST_RECORDED = 8, MOST_REFUSED = 8, MOST_REPLAYS = 4, LEAST_STEPS = 2 };

typedef struct stretch {
    int32_t first, end; /* of the layout's steps */
    int16_t place;
    int n_failed, n_recorded;               /* tries to record or replay it; and how often it was */
    bt_recording *recording;                /* NULL: not yet, or not any more */
    const void *arena, *workspace, *record; /* that it names */
    bool asks_faults;
} stretch;

struct bt_replay {
    bt_replay *next;
    uint64_t layout; /* its number */
    bool is_warm;    /* the state ran it before */
    stretch *stretches;
    int32_t n, at;                      /* at: the one looked for next */
    const bt_op *refused[MOST_REFUSED]; /* ops that were found not to be recordable here */
    int n_refused;
};

/* ---- Which steps -------------------------------------------------------------------------------------- */

/* The tensor is the same in all runs of the layout: where it lies, and what is in it where the host reads it. */
static bool is_fixed(const bt_run *run, int32_t index, int place)
{
    const bt_slot *slot = &run->plan->slots[index];
    const bt_layout *layout = run->layout;
    if (slot->kind == BT_SLOT_CONST && !slot->streamed) return true;
    if (layout->offset[index] == BT_DYNAMIC) return false;
    return layout->initial[index].data || (slot->place == place && layout->offset[index] >= 0);
}

static bool can_record(const bt_run *run, const bt_replay *r, const bt_step *step)
{
    const bt_plan *plan = run->plan;
    bool can = step->place && plan->env.places[step->place]->ops->record && !step->is_streamed &&
               !(step->op->flags & (BT_OP_STATEFUL | BT_OP_BODY));
    for (int i = 0; i < r->n_refused && can; i++) can = step->op != r->refused[i];
    for (int i = 0; i < step->n_in && can; i++) can = is_fixed(run, step->in[i], step->place);
    for (int i = 0; i < step->n_out && can; i++)
        can = plan->slots[step->out[i]].place == step->place && is_fixed(run, step->out[i], step->place);
    return can;
}

/* False: out of memory. */
static bool find_stretches(const bt_run *run, bt_replay *r)
{
    const bt_layout *layout = run->layout;
    size_t room = 0;
    for (int32_t i = 0, end; i < layout->n_steps; i = end) {
        int16_t place = run->plan->steps[layout->steps[i]].place;
        for (end = i; end < layout->n_steps; end++) {
            const bt_step *step = &run->plan->steps[layout->steps[end]];
            if (step->place != place || !can_record(run, r, step)) break;
        }
        if (end - i >= LEAST_STEPS) {
            if (!bt_grow(&r->stretches, &room, (size_t)r->n + 1, sizeof *r->stretches)) return false;
            r->stretches[r->n++] = (stretch){.first = i, .end = end, .place = place};
        }
        if (end == i) end++;
    }
    return true;
}

/* ---- Their life --------------------------------------------------------------------------------------- */

static void forget(const bt_run *run, stretch *s)
{
    bt_device *device = run->plan->env.places[s->place];
    if (s->recording) device->ops->forget(device, s->recording);
    s->recording = NULL;
}

static void drop_stretches(const bt_run *run, bt_replay *r)
{
    for (int32_t i = 0; i < r->n; i++) forget(run, &r->stretches[i]);
    bt_free(r->stretches);
    r->stretches = NULL, r->n = r->at = 0;
}

static void drop_from(bt_run *run, bt_replay **at)
{
    for (bt_replay *r = *at, *next; r; r = next) {
        next = r->next;
        drop_stretches(run, r);
        bt_free(r);
    }
    *at = NULL;
}

void bt_replays_free(bt_run *run) { drop_from(run, &run->replays); }

/* The one of the run's layout, now the first of the list, which keeps the few used last. */
static bt_replay *replay_of(bt_run *run)
{
    bt_replay **at = &run->replays;
    int n = 1;
    for (; *at && (*at)->layout != run->layout->number; n++) {
        if (n == MOST_REPLAYS) drop_from(run, at);
        else at = &(*at)->next;
    }
    bt_replay *r = *at;
    if (r) *at = r->next;
    else if (!(r = bt_calloc(1, sizeof *r))) return NULL;
    r->layout = run->layout->number;
    r->next = run->replays, run->replays = r;
    return r;
}

bt_replay *bt_replay_begin(bt_run *run)
{
    const bt_plan *plan = run->plan;
    bool any = false;
    for (int p = 1; p < plan->env.n_places; p++) any |= plan->env.places[p]->ops->record != NULL;
    if (!any || plan->guarded || run->services->recorder) return NULL;
    bt_replay *r = replay_of(run);
    if (!r) return NULL;
    if (!r->is_warm) {
        r->is_warm = find_stretches(run, r);
        if (!r->is_warm) drop_stretches(run, r);
        return NULL;
    }
    r->at = 0;
    return r->n ? r : NULL;
}

/* ---- Recording ---------------------------------------------------------------------------------------- */

/* Steps of the op are left out from now on, and what was recorded is recorded anew. */
static void refuse(const bt_run *run, bt_replay *r, const bt_op *op)
{
    drop_stretches(run, r);
    if (r->n_refused == MOST_REFUSED) return;
    r->refused[r->n_refused++] = op;
    if (!find_stretches(run, r)) drop_stretches(run, r);
}

/* Notes the steps. *refused: the one that cannot be, if it was that. */
static void record(bt_run *run, bt_call *c, stretch *s, bt_step_fn *step, const bt_op **refused)
{
    bt_device *device = run->plan->env.places[s->place];
    bt_faults *faults = run->services->faults;
    berth_error ignored = {0}, *error = c->error;
    bool asked = faults->asked[s->place];
    if (device->ops->record(device, NULL)) return;
    faults->asked[s->place] = false;
    c->error = &ignored;
    for (int32_t i = s->first; i < s->end && !*refused; i++)
        if (step(c, i)) *refused = run->step->op;
    c->error = error;
    s->recording = device->ops->recorded(device, NULL);
    s->arena = run->arena[s->place], s->workspace = run->workspace[s->place].data;
    s->record = faults->records[s->place], s->asks_faults = faults->asked[s->place];
    faults->asked[s->place] = asked;
    s->n_recorded++;
    if (*refused) forget(run, s);
}

/* What it names is where it was. */
static bool is_valid(const bt_run *run, const stretch *s)
{
    bool same_record = !s->asks_faults || s->record == run->services->faults->records[s->place];
    return s->recording && same_record && s->arena == run->arena[s->place] &&
           s->workspace == run->workspace[s->place].data;
}

int32_t bt_replay_from(bt_replay *r, bt_call *c, int32_t i, bt_step_fn *step)
{
    bt_run *run = c->run;
    const bt_op *refused = NULL;
    while (r->at < r->n && r->stretches[r->at].first < i) r->at++;
    stretch *s = r->at < r->n ? &r->stretches[r->at] : NULL;
    if (!s || s->first != i || s->n_failed == MOST_TRIES) return i;
    if (!is_valid(run, s)) {
        forget(run, s);
        if (s->n_recorded == MOST_RECORDED) return i;
        record(run, c, s, step, &refused);
        if (refused) return refuse(run, r, refused), bt_replay_from(r, c, i, step);
    }
    bt_device *device = run->plan->env.places[s->place];
    if (!s->recording || device->ops->replay(device, s->recording, NULL)) {
        forget(run, s);
        s->n_failed++;
        return i;
    }
    run->services->faults->asked[s->place] |= s->asks_faults;
    return s->end;
}
