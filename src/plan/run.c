/* Runs: one loop over the steps of a layout, and what kernels ask for meanwhile. What a run works on: state.c. */
#include <stdatomic.h>
#include <stdio.h>

#include "plan/replay.h"

/* ---- Services for kernels ----------------------------------------------------------------------------- */

static int64_t offset_of(const bt_call *c, const bt_tensor *t)
{
    return c->run->layout->offset[t - c->run->values];
}

static bool same_place(const bt_tensor *t, berth_dtype dtype, const bt_shape *shape)
{
    return t->dtype == dtype && bt_shape_equal(&t->shape, shape);
}

/* The buffer of an input that an elementwise step may write over, taken from it. */
static bool take_input(bt_call *c, bt_device *device, bt_tensor *out, berth_dtype dtype,
                       const bt_shape *shape)
{
    if (!(c->run->step->op->flags & BT_OP_INPLACE) || bt_dtype_is_object(dtype)) return false;
    for (int i = 0; i < c->n_in && i < 64; i++) {
        bt_tensor *in = c->in[i];
        if (!(c->run->step->last >> i & 1) || !bt_run_owns(in) || !bt_shape_equal(&in->shape, shape) ||
            bt_dtype_size(in->dtype) != bt_dtype_size(dtype) || offset_of(c, in) != BT_DYNAMIC ||
            in->device != device)
            continue;
        bt_buffer *mine = out->buffer;
        out->buffer = in->buffer, out->data = in->data, out->device = device;
        in->buffer =
            mine; /* in->data stays for the kernel to read; the buffers are swapped for the next run */
        return true;
    }
    return false;
}

/* A caller's own memory, which is not the run's to keep. */
static bool is_wrapped(const bt_buffer *buffer) { return buffer->owner && !buffer->on_device; }

static berth_status take_dynamic(bt_device *device, bt_tensor *t, berth_dtype dtype, const bt_shape *shape,
                                 berth_error *error)
{
    size_t bytes;
    if (!bt_shape_bytes(shape, bt_dtype_size(dtype), &bytes))
        return bt_fail(error, BERTH_NO_MEMORY, "its result is too large");
    const bt_buffer *b = t->buffer;
    bool objects = bt_dtype_is_object(dtype) || bt_dtype_is_object(t->dtype);
    bool fits = objects ? t->dtype == dtype && b && b->bytes == bytes
                        : b && t->device == (device->ops->compile ? device : NULL) && !is_wrapped(b) && b->bytes >= bytes &&
                              b->bytes <= 2 * bytes + 4096;
    if (fits && bt_run_owns(t)) {
        t->dtype = dtype, t->shape = *shape, t->data = t->buffer->data;
        return BERTH_OK;
    }
    bt_tensor_clear(t);
    return device->ops->compile ? bt_tensor_init_on(device, t, dtype, shape, error)
                                : bt_tensor_init_counted(device, t, dtype, shape, error);
}

/* The device of a slot's place. */
static bt_device *place_of(const bt_run *run, const bt_tensor *t)
{
    return run->plan->env.places[run->plan->slots[t - run->values].place];
}

static void *run_out(bt_call *c, int i, berth_dtype dtype, const bt_shape *shape)
{
    bt_tensor *t = c->out[i];
    if (offset_of(c, t) != BT_DYNAMIC) {
        if (same_place(t, dtype, shape)) return t->data;
        char got[BT_SHAPE_TEXT], planned[BT_SHAPE_TEXT];
        bt_fail(c->error, BERTH_INTERNAL, "gave %s%s where %s%s was planned", bt_dtype_name(dtype),
                bt_shape_text(shape, got), bt_dtype_name(t->dtype), bt_shape_text(&t->shape, planned));
        return NULL;
    }
    t->dead = false;
    bt_device *place = place_of(c->run, t), *device = place->ops->compile ? place : NULL;
    if (take_input(c, device, t, dtype, shape)) {
        t->dtype = dtype, t->shape = *shape;
        return t->data;
    }
    return take_dynamic(place, t, dtype, shape, c->error) ? NULL : t->data;
}

static berth_status run_alias(bt_call *c, int i, int j, berth_dtype dtype, const bt_shape *shape)
{
    bt_tensor *t = c->out[i], *in = c->in[j];
    if (offset_of(c, t) != BT_DYNAMIC) {
        if (!run_out(c, i, dtype, shape)) return c->error->status;
        return t->data == in->data ? BERTH_OK : bt_tensor_transfer(t, in, c->error);
    }
    bool shares = in->buffer || c->run->step->op->flags & BT_OP_ALIAS;
    bt_tensor_clear(t);
    berth_status status = BERTH_OK;
    if (shares) bt_tensor_share(t, in);
    else status = bt_tensor_copy(t, in, c->error);
    t->dtype = dtype, t->shape = *shape, t->dead = false;
    return status;
}

static berth_status run_move(bt_call *c, int i, bt_tensor *from, bool swap)
{
    bt_tensor *t = c->out[i];
    berth_status status = BERTH_OK;
    if (offset_of(c, t) != BT_DYNAMIC) {
        status = run_out(c, i, from->dtype, &from->shape) ? bt_tensor_transfer(t, from, c->error)
                                                          : c->error->status;
    } else if (from->buffer) {
        bt_tensor old = *t;
        *t = *from;
        *from = old;
        bool serves = swap && bt_run_owns(from) && !is_wrapped(from->buffer) && !bt_dtype_is_object(from->dtype);
        if (serves) return BERTH_OK;
    } else {
        bt_tensor_clear(t);
        status = bt_tensor_copy(t, from, c->error);
    }
    if (!swap || bt_dtype_is_object(from->dtype) || !from->buffer) bt_tensor_clear(from);
    return status;
}

/* By step; made when it is first asked for. */
static bt_tensor *run_kept(bt_call *c, int n)
{
    bt_tensor **kept = &c->run->kept[c->run->step - c->run->plan->steps].tensors;
    if (!*kept) {
        *kept = bt_calloc((size_t)n + 1, sizeof **kept);
        if (!*kept) return bt_fail_memory(c->error), NULL;
        c->run->kept[c->run->step - c->run->plan->steps].n = n;
    }
    return *kept;
}

/* Ops that call functions work on the host wherever their tensors lie. */
static int scratch_place(const bt_step *step) { return step->op->flags & BT_OP_BODY ? 0 : step->place; }

static void *run_scratch(bt_call *c, size_t bytes)
{
    return bt_workspace_take(&c->run->workspace[scratch_place(c->run->step)], bytes, c->error);
}
static void *run_host_scratch(bt_call *c, size_t bytes)
{
    return bt_workspace_take(&c->run->workspace[0], bytes, c->error);
}

static berth_status run_body(bt_call *c, struct bt_body *body, bt_tensor *const *in, bt_tensor *const *out,
                             uint64_t take)
{
    return bt_plan_run((bt_plan *)body, c->run->services, in, out, take, c->error);
}

static berth_status run_check(bt_call *c, int64_t iteration)
{
    const bt_services *s = c->run->services;
    if (s->cancel && *s->cancel) return bt_fail(c->error, BERTH_CANCELLED, "the run was cancelled");
    if (s->max_iterations > 0 && iteration > s->max_iterations)
        return bt_fail(c->error, BERTH_CANCELLED, "passed its bound of %lld iterations", (long long)s->max_iterations);
    const bt_plan_env *env = &c->run->plan->env;
    return iteration % 1024 != 1023 ? BERTH_OK : bt_faults_read(s->faults, env->places, env->n_places, BERTH_OK, c->error);
}

static void *run_fault(bt_call *c)
{
    return bt_faults_record(c->run->services->faults, c->device, c->run->step->place, c->error);
}
static struct bt_resources *run_resources(bt_call *c) { return c->run->services->resources; }

static const bt_run_host run_host = {run_out,          run_alias, run_move,  run_kept,     run_scratch,
                                     run_host_scratch, run_body,  run_check, run_resources, run_fault};

/* ---- The run ------------------------------------------------------------------------------------------ */

static void bind_feeds(bt_run *run, bt_tensor *const *in)
{
    bt_plan *plan = run->plan;
    const bt_layout *layout = run->layout;
    for (int i = 0; i < plan->n_feeds; i++) {
        int32_t slot = plan->feeds[i];
        if (slot < 0) continue;
        run->values[slot] = *in[i];
        for (int32_t k = layout->feed_first[i]; k < layout->feed_first[i + 1]; k++)
            run->values[layout->feed_slots[k]].data = in[i]->data;
    }
}

/* Points the slots of fetches that have a place of their own into the caller's tensors. */
static berth_status bind_fetches(bt_run *run, bt_tensor *const *out, berth_error *error)
{
    bt_plan *plan = run->plan;
    const bt_layout *layout = run->layout;
    for (int i = 0; i < plan->n_fetches; i++) {
        if (layout->fetch_first[i] == layout->fetch_first[i + 1]) continue;
        const bt_tensor *want = &layout->initial[plan->fetches[i]];
        bt_tensor none = {0}, *t = out[i];
        bool fits = t && bt_run_owns(t) && t->device == want->device && same_place(t, want->dtype, &want->shape);
        if (t && !fits) {
            bt_tensor_clear(t);
            if (bt_tensor_init_on(want->device, t, want->dtype, &want->shape, error)) return error->status;
        }
        if (!t) { /* not wanted, but computed: the slot needs a place all the same */
            bt_tensor *slot = &run->values[plan->fetches[i]];
            if (!slot->buffer && bt_tensor_init_on(want->device, &none, want->dtype, &want->shape, error))
                return error->status;
            if (!slot->buffer) *slot = none;
            t = slot;
        }
        for (int32_t k = layout->fetch_first[i]; k < layout->fetch_first[i + 1]; k++)
            run->values[layout->fetch_slots[k]].data = t->data;
    }
    return BERTH_OK;
}

static uint64_t given_away(const bt_plan *plan, const bt_step *step, uint64_t take)
{
    uint64_t last = step->last;
    for (int i = 0; step->last_feed && i < step->n_in && i < 64; i++) {
        int32_t feed = plan->slots[plan->slots[step->in[i]].root].step;
        if (step->last_feed >> i & 1 && feed < 64 && take >> feed & 1) last |= (uint64_t)1 << i;
    }
    return last;
}

/* A step is dead when anything that it needs is; a Merge, when all its inputs are. */
static bool step_is_dead(bt_run *run, const bt_step *step, const bt_call *c)
{
    bool merges = step->op->flags & BT_OP_DEAD, dead = merges;
    for (int i = 0; i < step->n_in; i++) dead = merges ? dead && c->in[i]->dead : dead || c->in[i]->dead;
    for (int i = 0; i < step->n_controls && !merges; i++) dead |= run->dead[step->controls[i]];
    for (int i = 0; i < step->n_out; i++) c->out[i]->dead = dead;
    return run->dead[step - run->plan->steps] = dead;
}

static berth_status fail_step(const bt_step *step, berth_error *error)
{
    if (!error->status) bt_fail(error, BERTH_INTERNAL, "failed without saying why");
    if (strncmp(error->message, "node '", 6))
        bt_error_prefix(error, "node '%s' (%s)", step->node->name, step->node->op);
    return error->status;
}

/* A step of a device that tells no times ends when its kernels do. */
static void note_step(bt_recorder *recorder, const bt_plan *plan, const bt_step *step, const bt_call *c, int64_t start)
{
    bt_device *device = plan->env.places[step->place];
    bt_ended ended = {.node = step->node->name,
                      .op = step->op->name,
                      .device = device,
                      .on_host = step->op->flags & BT_OP_BODY,
                      .count = &plan->counts[step - plan->steps],
                      .start = start};
    for (int i = 0; i < c->n_out; i++)
        if (!bt_dtype_is_object(c->out[i]->dtype)) ended.bytes += (int64_t)bt_tensor_bytes(c->out[i]);
    if (device->ops->compile && !device->ops->times) device->ops->sync(device, NULL);
    bt_recorder_step(recorder, &ended);
}

/* What of a step comes to the device's window. */
static int streamed_of(const bt_plan *plan, const bt_step *step, const bt_tensor **from, int32_t *inputs)
{
    int n = 0;
    for (int i = 0; i < step->n_in; i++)
        if (plan->slots[step->in[i]].streamed) from[n] = plan->slots[step->in[i]].streamed, inputs[n++] = i;
    return n;
}

/* Runs step i of the layout, whose weights come to the window first; nobody else has it until the step is launched. Then those of
 * the next such step may come. */
static berth_status run_streamed(bt_call *c, const bt_step *step, int32_t i)
{
    const bt_plan *plan = c->run->plan;
    const bt_layout *layout = c->run->layout;
    const bt_tensor *from[BT_MAX_STREAMED];
    bt_tensor *to[BT_MAX_STREAMED];
    int32_t inputs[BT_MAX_STREAMED];
    int n = streamed_of(plan, step, from, inputs);
    for (int k = 0; k < n; k++) to[k] = c->in[inputs[k]];
    berth_status status = bt_stream_enter(plan->env.window, step, from, to, n, c->error);
    if (status) return status;
    status = step->run(c);
    do i++;
    while (i < layout->n_steps && !plan->steps[layout->steps[i]].is_streamed);
    const bt_step *next = !status && i < layout->n_steps ? &plan->steps[layout->steps[i]] : NULL;
    if (next) bt_stream_ahead(plan->env.window, next, from, streamed_of(plan, next, from, inputs));
    bt_stream_leave(plan->env.window);
    return status;
}

/* Step i of the layout. */
static berth_status run_step(bt_call *c, int32_t i)
{
    bt_run *run = c->run;
    const bt_plan *plan = run->plan;
    const bt_step *step = run->step = &plan->steps[run->layout->steps[i]];
    c->node = step->node;
    c->state = step->state;
    c->in = run->pointers + step->first_pointer;
    c->n_in = step->n_in;
    c->out = c->in + step->n_in;
    c->n_out = step->n_out;
    c->last = step->last_feed && run->take ? given_away(plan, step, run->take) : step->last;
    if (plan->guarded && step_is_dead(run, step, c)) return BERTH_OK;
    c->device = plan->env.places[step->place];
    bt_recorder *recorder = run->services->recorder;
    int64_t start = recorder ? bt_now() : 0;
    berth_status status = step->is_streamed ? run_streamed(c, step, i) : step->run(c);
    if (recorder) note_step(recorder, plan, step, c, start);
    bt_workspace_settle(&run->workspace[scratch_place(step)]);
    bt_workspace_settle(&run->workspace[0]);
    return status ? fail_step(step, c->error) : BERTH_OK;
}

static berth_status run_steps(bt_run *run, berth_error *error)
{
    const volatile int *cancel = run->services->cancel;
    bt_call c = {.pool = run->plan->env.pool, .run = run, .host = &run_host, .error = error};
    bt_replay *replay = bt_replay_begin(run);
    for (int32_t i = 0; i < run->layout->n_steps;) {
        int32_t next = replay ? bt_replay_from(replay, &c, i, run_step) : i;
        if (next == i && run_step(&c, next++)) return error->status;
        if (cancel && *cancel) return bt_fail(error, BERTH_CANCELLED, "the run was cancelled");
        i = next;
    }
    return BERTH_OK;
}

/* Hands a fetch over that does not lie in the caller's tensor yet. */
static berth_status deliver(bt_run *run, int i, bt_tensor *out, berth_error *error)
{
    bt_plan *plan = run->plan;
    int32_t index = plan->fetches[i];
    const bt_slot *slot = &plan->slots[index], *root = &plan->slots[slot->root];
    bt_tensor *t = &run->values[index];
    if (t->dead)
        return bt_fail(error, BERTH_BAD_INPUT, "a fetched output of node '%s' lies in a branch that was not taken",
                       slot->kind == BT_SLOT_STEP ? plan->steps[slot->step].node->name : "");
    if (!plan->env.function && bt_tensor_leave(t, error)) return error->status;
    bool fits = bt_run_owns(out) && out->device == t->device && same_place(out, t->dtype, &t->shape) &&
                !bt_dtype_is_object(t->dtype) && out->buffer != t->buffer;
    bool counted = t->buffer && t->buffer->on_device && !t->device && !plan->env.function; /* the caller's must not be */
    bool mine = run->layout->offset[index] == BT_DYNAMIC && t->buffer && slot->root == index &&
                slot->kind == BT_SLOT_STEP && root->n_fetched == 1 && !counted;
    if (mine) { /* the buffers change hands, so that neither side allocates next time */
        bt_tensor old = *out;
        *out = *t;
        if (fits && !is_wrapped(old.buffer)) *t = old;
        else bt_tensor_clear(&old), *t = (bt_tensor){0};
        return BERTH_OK;
    }
    bool given = root->kind == BT_SLOT_FEED && root->step < 64 && run->take >> root->step & 1;
    if (fits && !(given && t->buffer)) {
        return bt_tensor_transfer(out, t, error);
    }
    bt_tensor kept = {0};
    if (counted ? bt_tensor_copy(&kept, t, error) : bt_tensor_keep(&kept, t, error)) return error->status;
    bt_tensor_clear(out);
    *out = kept;
    return BERTH_OK;
}

static berth_status run_once(bt_run *run, bt_tensor *const *in, bt_tensor *const *out, uint64_t take,
                             berth_error *error)
{
    bt_plan *plan = run->plan;
    bind_feeds(run, in);
    berth_status status = bind_fetches(run, out, error);
    run->take = take;
    if (!status) status = run_steps(run, error);
    for (int i = 0; i < plan->n_fetches && !status; i++) {
        bool bound = run->layout->fetch_first[i] < run->layout->fetch_first[i + 1];
        if (!bound && out[i]) status = deliver(run, i, out[i], error);
    }
    if (!plan->env.function) status = bt_faults_read(&run->faults, plan->env.places, plan->env.n_places, status, error);
    for (int p = 1; p < plan->env.n_places && !plan->env.function; p++) {
        bt_device *device = plan->env.places[p];
        berth_status done = device->ops->compile && run->arena_bytes[p]
                                ? device->ops->sync(device, status ? NULL : error)
                                : BERTH_OK;
        if (!status) status = done;
    }
    /* Nothing of the caller's is left behind. */
    for (int i = 0; i < plan->n_feeds; i++)
        if (plan->feeds[i] >= 0)
            run->values[plan->feeds[i]].buffer = NULL, run->values[plan->feeds[i]].data = NULL;
    return status;
}

berth_status bt_plan_check_feeds(const bt_plan *plan, bt_tensor *const *in, berth_error *error)
{
    char given[BT_SHAPE_TEXT], wanted[BT_SHAPE_TEXT];
    for (int i = 0; i < plan->n_feeds; i++) {
        int32_t slot = plan->feeds[i];
        if (slot < 0) continue;
        if (!in[i] || !bt_shape_known(&in[i]->shape))
            return bt_fail(error, BERTH_BAD_INPUT, "input '%s' is not given", plan->feed_names[i]);
        const bt_fact *fact = &plan->slots[slot].fact;
        if (fact->dtype && in[i]->dtype != fact->dtype)
            return bt_fail(error, BERTH_BAD_INPUT, "input '%s': is %s, must be %s", plan->feed_names[i],
                           bt_dtype_name(in[i]->dtype), bt_dtype_name(fact->dtype));
        if (!bt_shape_compatible(&in[i]->shape, &fact->shape))
            return bt_fail(error, BERTH_BAD_INPUT, "input '%s': has shape %s, must be %s",
                           plan->feed_names[i], bt_shape_text(&in[i]->shape, given),
                           bt_shape_text(&fact->shape, wanted));
    }
    return BERTH_OK;
}

/* What does not fit together for these inputs' shapes is said with the inputs. */
static berth_status fail_with_feeds(const bt_plan *plan, bt_tensor *const *in, berth_error *error)
{
    char shape[BT_SHAPE_TEXT];
    if (plan->env.function || error->status == BERTH_NO_MEMORY || error->status == BERTH_DEVICE)
        return error->status;
    for (int i = 0; i < plan->n_feeds; i++) {
        size_t n = strlen(error->message);
        snprintf(error->message + n, sizeof error->message - n, "%s'%s' %s", i ? ", " : " (with input ",
                 plan->feed_names[i], bt_shape_text(&in[i]->shape, shape));
    }
    size_t n = strlen(error->message);
    if (plan->n_feeds && n + 1 < sizeof error->message) memcpy(error->message + n, ")", 2);
    return error->status = BERTH_BAD_INPUT;
}

berth_status bt_plan_run(bt_plan *plan, const bt_services *services, bt_tensor *const *in,
                         bt_tensor *const *out, uint64_t take, berth_error *error)
{
    berth_status status = bt_plan_check_feeds(plan, in, error);
    if (status) return status;
    bt_run *run = bt_run_begin(plan, services, in, error);
    if (!run) return fail_with_feeds(plan, in, error);
    bt_services mine = *services;
    if (!mine.faults) mine.faults = &run->faults;
    run->services = &mine;
    status = run_once(run, in, out, take, error);
    if (mine.recorder && !plan->env.function) bt_recorder_drain(mine.recorder);
    bt_run_end(run, status != BERTH_DEVICE);
    return status;
}

berth_status bt_plan_warm(bt_plan *plan, bt_tensor *const *in, berth_error *error)
{
    berth_status status = bt_plan_check_feeds(plan, in, error);
    if (status) return status;
    bt_run *run = bt_run_begin(plan, NULL, in, error);
    if (!run) return fail_with_feeds(plan, in, error);
    bt_run_end(run, true);
    return BERTH_OK;
}
