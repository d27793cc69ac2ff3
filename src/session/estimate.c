/* Whether a model fits, before anything is taken on a device: its plan is made on stand-ins of the devices, which count and
 * pack nothing, and laid out for the shapes of its inputs. Working memory of kernels is not known before a run. */
#include <stdatomic.h>
#include <stdio.h>

#include "session/session.h"

/* A device of the same name and kernels, on which everything is free of charge. */
typedef struct stand_in {
    bt_device device;
    bt_device_ops ops;
} stand_in;

static berth_status rehearsal_open(const berth_session *s, bt_rehearsal *r, stand_in *stand_ins,
                                   berth_error *error)
{
    for (int i = 0; i < s->model->n_places; i++) {
        const bt_device *real = s->model->places[i];
        stand_ins[i].ops = *real->ops;
        stand_ins[i].ops.alloc = bt_cpu_ops.alloc, stand_ins[i].ops.free = bt_cpu_ops.free;
        stand_ins[i].device = (bt_device){.index = real->index,
                                          .ordinal = real->ordinal,
                                          .physical = real->physical,
                                          .ops = &stand_ins[i].ops,
                                          .is_cpu_shaped = real->is_cpu_shaped};
        memcpy(stand_ins[i].device.name, real->name, sizeof real->name);
        r->places[i] = &stand_ins[i].device;
        r->stores[i] = bt_store_new_estimate(&s->model->source, r->places[i]);
        if (!r->stores[i]) return bt_fail_memory(error);
    }
    return BERTH_OK;
}

static void rehearsal_close(bt_rehearsal *r)
{
    for (int i = 0; i < BT_MAX_PLACES; i++) bt_store_free(r->stores[i]);
}

static int64_t weights_of(const bt_plan *plan, int place)
{
    int64_t bytes = plan->weight_bytes[place];
    for (size_t i = 0; i < plan->n_bodies; i++) bytes += weights_of(plan->bodies[i], place);
    return bytes;
}

/* What can be had on a device; the weights of this model that already lie there are shared. INT64_MAX: nobody knows. */
static int64_t room_on(const berth_session *s, int place)
{
    const bt_device *device = s->model->places[place];
    int64_t held = atomic_load(&device->in_use), room = device->limit ? device->limit - held : INT64_MAX;
    bt_device_props props;
    if (device->ops->compile && !device->ops->info(device, &props, NULL) && props.memory_free < room)
        room = props.memory_free;
    return room == INT64_MAX ? room : room + bt_store_bytes(s->model->stores[place]);
}

/* ---- Shapes ------------------------------------------------------------------------------------------- */

/* Tensors without data, of the shapes that feeds have; an open first dimension as `batch`, other open ones as 1. */
typedef struct shapes {
    bt_tensor *tensors, **pointers;
    bool *has_batch;
    size_t n;
    bool is_open; /* some first dimension is */
} shapes;

static bool shape_feeds(bt_arena *arena, const bt_plan *plan, const bt_names *names, shapes *x)
{
    x->n = names->n_feeds;
    x->tensors = bt_arena_array(arena, bt_tensor, x->n + 1);
    x->pointers = bt_arena_array(arena, bt_tensor *, x->n + 1);
    x->has_batch = bt_arena_array(arena, bool, x->n + 1);
    if (!x->tensors || !x->pointers || !x->has_batch) return false;
    for (size_t i = 0; i < x->n; i++) {
        bt_tensor *t = &x->tensors[i];
        x->pointers[i] = t;
        if (plan->feeds[i] < 0) continue;
        const bt_fact *fact = &plan->slots[plan->feeds[i]].fact;
        *t = (bt_tensor){.dtype = fact->dtype, .shape = fact->shape};
        if (names->feeds[i].tensor) t->shape = names->feeds[i].tensor->t.shape;
        if (t->shape.rank < 0) return false;
        x->has_batch[i] = fact->shape.rank > 0 && fact->shape.dim[0] < 0;
        x->is_open |= x->has_batch[i];
        for (int d = 0; d < t->shape.rank; d++)
            if (t->shape.dim[d] < 0) t->shape.dim[d] = 1;
    }
    return true;
}

/* Bytes of activations on a place; -1: they cannot be known. */
static int64_t activations_of(bt_plan *plan, const shapes *x, int place)
{
    bt_layout *layout = bt_plan_layout(plan, x->pointers, NULL);
    if (!layout) return -1;
    int64_t bytes = (int64_t)layout->arena_bytes[place];
    bt_layout_release(plan, layout);
    return bytes;
}

/* The largest first dimension whose activations fit into `room`, below `most`; by bisection. */
static int64_t largest_batch(bt_plan *plan, shapes *x, int place, int64_t room, int64_t most)
{
    int64_t fits = 0, fails = most;
    while (fails - fits > 1) {
        int64_t batch = fits + (fails - fits) / 2;
        for (size_t i = 0; i < x->n; i++)
            if (x->has_batch[i]) x->tensors[i].shape.dim[0] = batch;
        int64_t bytes = activations_of(plan, x, place);
        if (bytes < 0) return -1;
        if (bytes <= room) fits = batch;
        else fails = batch;
    }
    return fits;
}

/* ---- The answer --------------------------------------------------------------------------------------- */

static berth_status refuse(const berth_session *s, int place, int64_t weights, int64_t activations,
                           int64_t room, const shapes *x, berth_error *error)
{
    bool batch = x->is_open && weights <= room;
    return bt_fail(
        error, BERTH_DEVICE,
        "%s: the model does not fit: %lld bytes of weights and %lld of activations, where %lld are left%s",
        s->model->places[place]->name, (long long)weights, (long long)activations, (long long)room,
        batch ? "; not even a batch of 1 does" : "");
}

static berth_status measure(berth_session *s, bt_plan *plan, const bt_names *names, bt_arena *arena,
                            berth_error *error)
{
    shapes x = {0};
    bool known = shape_feeds(arena, plan, names, &x);
    for (int p = 0; p < s->model->n_places; p++) {
        int64_t room = room_on(s, p), weights = weights_of(plan, p),
                activations = known ? activations_of(plan, &x, p) : 0;
        if (activations < 0) activations = 0;
        if (room != INT64_MAX && weights + activations > room && weights + activations > 0)
            return refuse(s, p, weights, activations, room, &x, error);
    }
    return BERTH_OK;
}

/* A CPU without a limit takes what the host has. */
static bool is_bounded(const berth_session *s)
{
    bool bounded = false;
    for (int i = 0; i < s->model->n_places; i++)
        bounded |= s->model->places[i]->limit || s->model->places[i]->ops->compile;
    return bounded;
}

berth_status bt_session_estimate(berth_session *s, bt_placing *placing, berth_error *error)
{
    if (!is_bounded(s)) return BERTH_OK;
    bt_arena arena;
    bt_arena_init(&arena);
    stand_in *stand_ins = bt_arena_array(&arena, stand_in, BT_MAX_PLACES);
    bt_rehearsal r = {0};
    bt_names names = {0};
    berth_status status = stand_ins ? rehearsal_open(s, &r, stand_ins, error) : bt_fail_memory(error);
    if (!status) status = bt_session_names(s, &arena, &names, error);
    bt_plan *plan = status ? NULL : bt_session_make_plan(s, placing, &names, &(bt_planning){.rehearsal = &r}, NULL);
    if (plan) status = measure(s, plan, &names, &arena, error);
    bt_plan_free(plan);
    rehearsal_close(&r);
    bt_arena_free(&arena);
    return status;
}

void bt_session_advise(const berth_session *s, bt_plan *plan, const berth_feed *feeds, size_t n_feeds,
                       berth_error *error)
{
    bt_arena arena;
    bt_arena_init(&arena);
    bt_names names = {.feeds = feeds, .n_feeds = n_feeds};
    shapes x = {0};
    int64_t best = INT64_MAX, given = 0;
    bool known =
        strstr(error->message, "out of memory") && shape_feeds(&arena, plan, &names, &x) && x.is_open;
    for (size_t i = 0; known && i < x.n; i++)
        if (x.has_batch[i] && x.tensors[i].shape.dim[0] > given) given = x.tensors[i].shape.dim[0];
    for (int p = 0; known && p < s->model->n_places; p++) {
        int64_t room = room_on(s, p) - bt_store_bytes(s->model->stores[p]) + plan->arena_bytes[p];
        int64_t batch = room_on(s, p) == INT64_MAX ? INT64_MAX : largest_batch(plan, &x, p, room, given);
        if (batch >= 0 && batch < best) best = batch;
    }
    size_t n = strlen(error->message);
    if (known && best < given)
        snprintf(error->message + n, sizeof error->message - n, "; the largest batch that fits is %lld",
                 (long long)best);
    bt_arena_free(&arena);
}
