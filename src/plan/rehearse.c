/* What a run takes on devices, found without taking it: the steps of a layout are gone through, the functions of devices are
 * called with addresses at which nothing lies, and what they ask for is counted. The plan stands on devices whose launches do
 * nothing (session/rehearsal.c). Kernels of the host are not called: what they work in is known after a run only. */
#include "ops/gpu.h"
#include "plan/plan.h"

typedef struct rehearsal {
    bt_run_host host; /* first: the functions below find the rehearsal from it */
    bt_plan *plan;
    const bt_layout *layout;
    bt_tensor *values; /* by slot; data NULL: not known on the host */
    const bt_step *step;
    bt_use *uses;          /* by place */
    size_t used, overflow; /* by the step: of the place's block of scratch, and beyond it */
    size_t blocks[BT_MAX_PLACES], most[BT_MAX_PLACES];
    bool *has_record; /* by place; of the whole run */
    bt_arena written; /* what functions of devices write on the host, which nobody reads */
} rehearsal;

/* Where nothing lies. */
static void *nowhere(void) { return (void *)(uintptr_t)4096; }

static rehearsal *of(const bt_call *c) { return (rehearsal *)(uintptr_t)c->host; }

static bool is_device(const rehearsal *r, int place) { return r->plan->env.places[place]->ops->compile; }

static int64_t slot_of(const rehearsal *r, const bt_tensor *t) { return t - r->values; }

static void *count_out(bt_call *c, int i, berth_dtype dtype, const bt_shape *shape)
{
    rehearsal *r = of(c);
    bt_tensor *t = c->out[i];
    int place = r->plan->slots[slot_of(r, t)].place;
    size_t bytes = 0;
    if (r->layout->offset[slot_of(r, t)] == BT_DYNAMIC && is_device(r, place) &&
        bt_shape_bytes(shape, bt_dtype_size(dtype), &bytes))
        r->uses[place].activations += (int64_t)bytes;
    t->dtype = dtype, t->shape = *shape;
    if (is_device(r, place)) return t->data = nowhere();
    if (!bt_shape_bytes(shape, bt_dtype_size(dtype), &bytes)) return bt_fail_memory(c->error), NULL;
    t->data = bt_arena_alloc_aligned(&r->written, bytes + 1, 64);
    if (!t->data) bt_fail_memory(c->error);
    return t->data;
}

static berth_status count_alias(bt_call *c, int i, int j, berth_dtype dtype, const bt_shape *shape)
{
    c->out[i]->dtype = dtype, c->out[i]->shape = *shape, c->out[i]->data = c->in[j]->data;
    return BERTH_OK;
}

/* As workspace.c does. */
static void *count_scratch(bt_call *c, size_t bytes)
{
    rehearsal *r = of(c);
    size_t room = bt_align(bytes ? bytes : 1, 64);
    int place = r->step->place;
    if (!r->used && !r->overflow && r->blocks[place] < room) r->blocks[place] = room;
    if (r->blocks[place] - r->used >= room) r->used += room;
    else r->overflow += room;
    if (r->blocks[place] + r->overflow > r->most[place]) r->most[place] = r->blocks[place] + r->overflow;
    return nowhere();
}

static void *count_fault(bt_call *c)
{
    rehearsal *r = of(c);
    int place = r->step->place;
    if (!r->has_record[place]) r->uses[place].workspace += (int64_t)sizeof(bt_fault);
    r->has_record[place] = true;
    return nowhere();
}

/* What a device's function that calls no other has no need of. */
static berth_status no_move(bt_call *c, int i, bt_tensor *t, bool swap)
{
    return (void)i, (void)t, (void)swap, bt_call_unsupported(c, "cannot be measured");
}
static bt_tensor *no_kept(bt_call *c, int n)
{
    return (void)n, bt_call_unsupported(c, "cannot be measured"), NULL;
}
static void *host_scratch(bt_call *c, size_t bytes)
{
    return (void)bytes, bt_call_unsupported(c, "cannot be measured"), NULL;
}
static berth_status no_body(bt_call *c, struct bt_body *body, bt_tensor *const *in, bt_tensor *const *out,
                            uint64_t take)
{
    return (void)body, (void)in, (void)out, (void)take, bt_call_unsupported(c, "cannot be measured");
}
static berth_status no_check(bt_call *c, int64_t iteration) { return (void)c, (void)iteration, BERTH_OK; }
static struct bt_resources *no_resources(bt_call *c) { return (void)c, NULL; }

static const bt_run_host counting = {count_out,    count_alias, no_move,  no_kept,      count_scratch,
                                     host_scratch, no_body,     no_check, no_resources, count_fault};

/* ---- Bodies ------------------------------------------------------------------------------------------- */

static berth_status measure(bt_plan *plan, bt_tensor *const *feeds, bt_use *uses, bool *has_record);

/* The last of a step's plans for a function counts: the others were tries. */
static bool is_superseded(const bt_plan *plan, size_t i)
{
    const bt_plan *body = plan->bodies[i];
    for (size_t j = i + 1; j < plan->n_bodies; j++)
        if (plan->bodies[j]->caller == body->caller &&
            !strcmp(plan->bodies[j]->env.function, body->env.function))
            return true;
    return false;
}

/* A loop turns its state over: two sets of its results. */
static void count_state(const bt_plan *body, bt_use *uses)
{
    for (int i = 0; i < body->n_fetches; i++) {
        const bt_slot *slot = &body->slots[body->fetches[i]];
        size_t bytes;
        if (!body->env.places[slot->place]->ops->compile || !bt_shape_known(&slot->fact.shape)) continue;
        if (bt_shape_bytes(&slot->fact.shape, bt_dtype_size(slot->fact.dtype), &bytes))
            uses[slot->place].activations += 2 * (int64_t)bytes;
    }
}

/* A body's arguments are the last inputs of the step that calls it, but for those whose shape the step itself knows. */
static berth_status measure_body(const rehearsal *r, bt_plan *body)
{
    bt_arena arena;
    bt_arena_init(&arena);
    size_t n = (size_t)body->n_feeds;
    bt_tensor *args = bt_arena_array(&arena, bt_tensor, n + 1);
    bt_tensor **pointers = bt_arena_array(&arena, bt_tensor *, n + 1);
    berth_status status = args && pointers ? BERTH_OK : BERTH_NO_MEMORY;
    for (int i = 0; i < body->n_feeds && !status; i++) {
        int from = i + r->step->n_in - body->n_feeds;
        const bt_fact *fact = body->feeds[i] >= 0 ? &body->slots[body->feeds[i]].fact : NULL;
        if (fact) args[i] = (bt_tensor){.dtype = fact->dtype, .shape = fact->shape};
        if (from >= 0 && from < r->step->n_in && !bt_shape_known(&args[i].shape))
            args[i].shape = r->values[r->step->in[from]].shape;
        pointers[i] = &args[i];
    }
    if (!status) status = measure(body, pointers, r->uses, r->has_record);
    if (!strcmp(r->step->op->name, "While") || !strcmp(r->step->op->name, "StatelessWhile") ||
        !strcmp(r->step->op->name, "For"))
        count_state(body, r->uses);
    bt_arena_free(&arena);
    return status;
}

static berth_status measure_bodies(const rehearsal *r)
{
    berth_status status = BERTH_OK;
    for (size_t i = 0; i < r->plan->n_bodies && !status; i++)
        if (r->plan->bodies[i]->caller == r->step - r->plan->steps && !is_superseded(r->plan, i))
            status = measure_body(r, r->plan->bodies[i]);
    return status;
}

/* ---- Steps -------------------------------------------------------------------------------------------- */

/* Whether all is known that its function may look at. */
static bool can_call(const rehearsal *r, const bt_step *step)
{
    for (int i = 0; i < step->n_in; i++) {
        const bt_slot *slot = &r->plan->slots[step->in[i]];
        const bt_tensor *t = &r->values[step->in[i]];
        bool unread = slot->kind == BT_SLOT_CONST && !slot->is_read;
        if (!t->dtype || !bt_shape_known(&t->shape)) return false;
        if (!t->data && !unread && !is_device(r, slot->place) && bt_shape_count(&t->shape) > 0) return false;
    }
    return step->run && step->n_in + step->n_out <= 4096;
}

static berth_status call(rehearsal *r, const bt_step *step, bt_tensor **pointers)
{
    berth_error error = {0};
    bt_call c = {.node = step->node,
                 .state = step->state,
                 .in = pointers,
                 .n_in = step->n_in,
                 .out = pointers + step->n_in,
                 .n_out = step->n_out,
                 .pool = r->plan->env.pool,
                 .device = r->plan->env.places[step->place],
                 .host = &r->host,
                 .error = &error};
    for (int i = 0; i < step->n_in; i++) pointers[i] = &r->values[step->in[i]];
    for (int i = 0; i < step->n_out; i++) pointers[step->n_in + i] = &r->values[step->out[i]];
    r->used = r->overflow = 0;
    berth_status status = step->run(&c);
    for (int i = 0; i < step->n_out; i++)
        if (!is_device(r, r->plan->slots[step->out[i]].place)) c.out[i]->data = NULL;
    if (r->overflow) r->blocks[step->place] = r->used + r->overflow;
    return status == BERTH_NO_MEMORY ? status : BERTH_OK;
}

static bool has_object(const rehearsal *r, const bt_step *step)
{
    for (int i = 0; i < step->n_in + step->n_out; i++)
        if (bt_dtype_is_object(r->plan->slots[i < step->n_in ? step->in[i] : step->out[i - step->n_in]].fact.dtype)) return true;
    return false;
}

/* What lists and arrays hold is not known beforehand: as much as what is put in or taken out at once. */
static void count_items(rehearsal *r, const bt_step *step)
{
    for (int i = 0; i < step->n_in + step->n_out; i++) {
        int32_t slot = i < step->n_in ? step->in[i] : step->out[i - step->n_in];
        const bt_tensor *t = &r->values[slot];
        int place = r->plan->slots[slot].place;
        if (is_device(r, place) && t->dtype && bt_shape_known(&t->shape))
            r->uses[place].activations += (int64_t)bt_tensor_bytes(t);
    }
}

static void set_values(rehearsal *r, bt_tensor *const *feeds)
{
    const bt_plan *plan = r->plan;
    for (int32_t i = 0; i < plan->n_slots; i++) {
        r->values[i] = r->layout->initial[i];
        r->values[i].buffer = NULL;
        if (plan->slots[i].kind == BT_SLOT_CONST) /* nothing was packed: the value as the plan keeps it */
            r->values[i].data = plan->slots[i].fact.value ? plan->slots[i].fact.value->data : NULL;
        if (is_device(r, plan->slots[i].place)) r->values[i].data = nowhere();
    }
    for (int i = 0; i < plan->n_feeds; i++)
        if (plan->feeds[i] >= 0) r->values[plan->feeds[i]].shape = feeds[i]->shape;
}

static berth_status go_through(rehearsal *r)
{
    bt_tensor **pointers = bt_calloc(4096, sizeof *pointers);
    berth_status status = pointers ? BERTH_OK : BERTH_NO_MEMORY;
    for (int32_t i = 0; i < r->layout->n_steps && !status; i++) {
        const bt_step *step = r->step = &r->plan->steps[r->layout->steps[i]];
        if (step->op->flags & BT_OP_BODY) status = measure_bodies(r);
        else if (is_device(r, step->place) && has_object(r, step)) count_items(r, step);
        else if (is_device(r, step->place) && can_call(r, step)) status = call(r, step, pointers);
    }
    bt_free((void *)pointers);
    return status;
}

static berth_status measure(bt_plan *plan, bt_tensor *const *feeds, bt_use *uses, bool *has_record)
{
    berth_error error = {0};
    bt_layout *layout = bt_plan_layout(plan, feeds, &error);
    if (!layout) return error.status;
    rehearsal r = {.host = counting, .plan = plan, .layout = layout, .uses = uses, .has_record = has_record};
    bt_arena_init(&r.written);
    r.values = bt_calloc((size_t)plan->n_slots + 1, sizeof *r.values);
    berth_status status = r.values ? BERTH_OK : BERTH_NO_MEMORY;
    if (!status) set_values(&r, feeds);
    if (!status) status = go_through(&r);
    for (int p = 0; p < plan->env.n_places; p++) {
        uses[p].activations += (int64_t)layout->arena_bytes[p];
        uses[p].workspace += (int64_t)r.most[p];
    }
    bt_free(r.values);
    bt_arena_free(&r.written);
    bt_layout_release(plan, layout);
    return status;
}

berth_status bt_plan_measure(bt_plan *plan, bt_tensor *const *feeds, bt_use *uses)
{
    bool has_record[BT_MAX_PLACES] = {false};
    memset(uses, 0, BT_MAX_PLACES * sizeof *uses);
    return measure(plan, feeds, uses, has_record);
}
