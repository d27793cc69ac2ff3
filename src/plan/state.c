/* States of runs: made, set up for a layout, kept, and given back. See state.h. */
#include "plan/state.h"

static void state_free(bt_run *run)
{
    for (int32_t i = 0; run->values && i < run->plan->n_slots; i++) bt_tensor_clear(&run->values[i]);
    bt_replays_free(run);
    bt_layout_release(run->plan, run->layout);
    bt_free(run->values);
    bt_free((void *)run->pointers);
    bt_free(run->dead);
    for (int32_t s = 0; run->kept && s < run->plan->n_steps; s++) {
        for (int i = 0; i < run->kept[s].n; i++) bt_tensor_clear(&run->kept[s].tensors[i]);
        bt_free(run->kept[s].tensors);
    }
    bt_free(run->kept);
    for (int p = 0; p < run->plan->env.n_places; p++) {
        bt_device *device = run->plan->env.places[p];
        run->plan->arena_bytes[p] -= (int64_t)run->arena_bytes[p];
        bt_device_free(device, run->arena[p], run->arena_bytes[p]);
        bt_workspace_free(&run->workspace[p]);
    }
    bt_faults_free(&run->faults, run->plan->env.places, run->plan->env.n_places);
    bt_free(run);
}

static bt_run *state_new(bt_plan *plan, berth_error *error)
{
    bt_run *run = bt_calloc(1, sizeof *run);
    if (!run) return bt_fail_memory(error), NULL;
    run->plan = plan;
    for (int p = 0; p < plan->env.n_places; p++)
        run->workspace[p] = (bt_workspace){.device = plan->env.places[p], .counted = &plan->scratch_bytes[p]};
    run->values = bt_calloc((size_t)plan->n_slots + 1, sizeof *run->values);
    run->pointers = bt_calloc((size_t)plan->n_pointers + 1, sizeof *run->pointers);
    run->dead = bt_calloc((size_t)plan->n_steps + 1, sizeof *run->dead);
    run->kept = bt_calloc((size_t)plan->n_steps + 1, sizeof *run->kept);
    if (!run->values || !run->pointers || !run->dead || !run->kept) {
        state_free(run);
        return bt_fail_memory(error), NULL;
    }
    for (int32_t s = 0; s < plan->n_steps; s++) {
        const bt_step *step = &plan->steps[s];
        bt_tensor **p = run->pointers + step->first_pointer;
        for (int i = 0; i < step->n_in; i++) *p++ = &run->values[step->in[i]];
        for (int i = 0; i < step->n_out; i++) *p++ = &run->values[step->out[i]];
    }
    return run;
}

static void end_one(bt_plan *plan)
{
    pthread_mutex_lock(&plan->lock);
    plan->n_running--, plan->n_ended++;
    pthread_cond_broadcast(&plan->ended);
    pthread_mutex_unlock(&plan->lock);
}

bool bt_plan_trim(bt_plan *plan)
{
    pthread_mutex_lock(&plan->lock);
    bt_run *idle = plan->idle;
    bool any = idle;
    plan->idle = NULL;
    plan->n_running += any; /* who is short of memory meanwhile waits for what is given back here */
    pthread_mutex_unlock(&plan->lock);
    while (idle) {
        bt_run *run = idle;
        idle = run->next;
        state_free(run);
    }
    if (any) end_one(plan);
    for (size_t i = 0; i < plan->n_bodies; i++) any |= bt_plan_trim(plan->bodies[i]);
    return any;
}

/* Sets up values and arena for a layout, whose reference it takes over. */
static berth_status adopt(bt_run *run, bt_layout *layout, berth_error *error)
{
    bt_plan *plan = run->plan;
    for (int p = 0; p < plan->env.n_places; p++) {
        if (layout->arena_bytes[p] <= run->arena_bytes[p]) continue;
        bt_replays_free(run);
        plan->arena_bytes[p] -= (int64_t)run->arena_bytes[p];
        bt_device_free(plan->env.places[p], run->arena[p], run->arena_bytes[p]);
        run->arena_bytes[p] = layout->arena_bytes[p];
        run->arena[p] = bt_device_alloc(plan->env.places[p], run->arena_bytes[p], error);
        if (!run->arena[p]) return run->arena_bytes[p] = 0, bt_layout_release(plan, layout), BERTH_DEVICE;
        plan->arena_bytes[p] += (int64_t)run->arena_bytes[p];
    }
    for (int32_t i = 0; i < plan->n_slots; i++) {
        bt_tensor *t = &run->values[i];
        bool was_dynamic = run->layout && run->layout->offset[i] == BT_DYNAMIC;
        if (layout->offset[i] == BT_DYNAMIC && was_dynamic) continue; /* its buffer may serve again */
        bt_tensor_clear(t);
        *t = layout->initial[i];
        if (layout->offset[i] >= 0) t->data = run->arena[plan->slots[i].place] + layout->offset[i];
    }
    bt_layout_release(plan, run->layout);
    run->layout = layout;
    return BERTH_OK;
}

/* An idle state that is set up for this layout, which counts as running from here on; NULL: there is none. */
static bt_run *take_ready(bt_plan *plan, const bt_layout *layout)
{
    pthread_mutex_lock(&plan->lock);
    bt_run **at = &plan->idle;
    while (*at && (*at)->layout != layout) at = &(*at)->next;
    bt_run *run = *at;
    if (run) *at = run->next, plan->n_running++;
    pthread_mutex_unlock(&plan->lock);
    return run;
}

/* Any idle state or a new one, set up for the layout, whose reference it takes over. *ended: how many runs had ended before.
 * Under the lock `begin`: who finds no room there sees all others that hold some as running. */
static bt_run *take_any(bt_plan *plan, bt_layout *layout, uint64_t *ended, berth_error *error)
{
    pthread_mutex_lock(&plan->begin);
    pthread_mutex_lock(&plan->lock);
    *ended = plan->n_ended;
    bt_run *run = plan->idle;
    if (run) plan->idle = run->next;
    pthread_mutex_unlock(&plan->lock);
    if (!run) run = state_new(plan, error);
    if (!run || run->layout == layout) bt_layout_release(plan, layout);
    else if (adopt(run, layout, error)) state_free(run), run = NULL;
    pthread_mutex_lock(&plan->lock);
    plan->n_running += run != NULL;
    pthread_mutex_unlock(&plan->lock);
    pthread_mutex_unlock(&plan->begin);
    return run;
}

/* Objects are let go; buffers stay for the next run. */
static void state_put(bt_run *run)
{
    bt_plan *plan = run->plan;
    bt_layout *layout = run->layout;
    for (int32_t i = 0; i < plan->n_slots; i++) {
        bt_tensor *t = &run->values[i];
        if (layout->offset[i] != BT_DYNAMIC) continue;
        if (!t->buffer) *t = (bt_tensor){0};
        else if (!bt_run_owns(t)) bt_tensor_clear(t);
        else if (bt_dtype_is_object(t->dtype)) bt_tensor_empty(t);
    }
    pthread_mutex_lock(&plan->lock);
    run->services = NULL;
    run->next = plan->idle;
    plan->idle = run;
    pthread_mutex_unlock(&plan->lock);
}

/* Where memory is short: what waits idle goes first, of this plan and then of the session's others; then the end of a run in
 * flight is waited for. False when there is none, and none ended since `ended` was counted. */
static bool make_room(bt_plan *plan, const bt_services *services, uint64_t ended)
{
    if (bt_plan_trim(plan) || (services && services->make_room && services->make_room(services->user)))
        return true;
    pthread_mutex_lock(&plan->lock);
    bool there = plan->n_running > 0 || plan->n_ended != ended;
    while (there && plan->n_ended == ended) pthread_cond_wait(&plan->ended, &plan->lock);
    pthread_mutex_unlock(&plan->lock);
    return there;
}

bt_run *bt_run_begin(bt_plan *plan, const bt_services *services, bt_tensor *const *in, berth_error *error)
{
    bt_run *run;
    berth_error full;
    uint64_t ended;
    do {
        full = (berth_error){0};
        bt_layout *layout = bt_plan_layout(plan, in, &full);
        if (!layout) return bt_fail(error, full.status, "%s", full.message), NULL;
        run = take_ready(plan, layout);
        if (run) bt_layout_release(plan, layout);
        else run = take_any(plan, layout, &ended, &full);
    } while (!run && full.status == BERTH_DEVICE && make_room(plan, services, ended));
    if (!run) return bt_fail(error, full.status, "%s", full.message), NULL;
    return run;
}

void bt_run_end(bt_run *run, bool stays)
{
    bt_plan *plan = run->plan;
    if (stays) state_put(run);
    else state_free(run);
    end_one(plan);
}
