/* Rehearsals: a plan that is only measured. It is made on stand-ins of the devices, on which nothing costs and nothing is done
 * (plan/rehearse.c counts), and laid out for the shapes of its inputs. What comes of it: estimate.c, check.c. */
#include <stdatomic.h>

#include "session/session.h"

/* ---- Stand-ins ---------------------------------------------------------------------------------------- */

static berth_status no_copy(bt_device *device, void *dst, const void *src, size_t bytes, berth_error *error)
{
    return (void)device, (void)dst, (void)src, (void)bytes, (void)error, BERTH_OK;
}

static bt_kernel *no_compile(bt_device *device, const char *source, const char *defines, const char *name,
                             berth_error *error)
{
    return (void)source, (void)defines, (void)name, (void)error, (bt_kernel *)device; /* not NULL */
}

static berth_status no_launch(bt_device *device, bt_kernel *kernel, const bt_grid *grid, const bt_arg *args,
                              int n, berth_error *error)
{
    return (void)device, (void)kernel, (void)grid, (void)args, (void)n, (void)error, BERTH_OK;
}

/* As if it did all. */
static const bt_gemm_plan *any_gemm(bt_device *device, const bt_gemm *what, size_t *workspace)
{
    *workspace = what->no_workspace ? 0 : BT_LIBRARY_WORKSPACE;
    return (const bt_gemm_plan *)device; /* not NULL */
}
static bool no_gemm(bt_device *device, const bt_gemm_plan *plan, const bt_gemm_data *data)
{
    return (void)device, (void)plan, (void)data, true;
}

static const bt_conv_plan *any_conv(bt_device *device, const bt_conv *what, size_t *workspace)
{
    *workspace = what->no_workspace ? 0 : (size_t)bt_conv_workspace(what);
    return (const bt_conv_plan *)device; /* not NULL */
}
static bool no_conv(bt_device *device, const bt_conv_plan *plan, const bt_conv_data *data)
{
    return (void)device, (void)plan, (void)data, true;
}

/* A device of the same name and kind, on which everything is free of charge. */
struct bt_stand_in {
    bt_device device;
    bt_device_ops ops;
    unsigned libraries; /* that the real one has */
};

static void offer(bt_stand_in *s, unsigned libraries)
{
    s->ops.gemm_plan = libraries & BT_LIBRARY_GEMM ? any_gemm : NULL;
    s->ops.conv_plan = libraries & BT_LIBRARY_CONV ? any_conv : NULL;
}

berth_status bt_rehearsal_open(bt_rehearsal *r, const berth_session *s, berth_error *error)
{
    *r = (bt_rehearsal){.n_places = 0};
    bt_arena_init(&r->arena);
    bt_stand_in *stand_ins = r->stand_ins = bt_arena_array(&r->arena, bt_stand_in, BT_MAX_PLACES);
    if (!stand_ins) return bt_fail_memory(error);
    for (r->n_places = 0; r->n_places < s->model->n_places; r->n_places++) {
        int i = r->n_places;
        const bt_device *real = s->model->places[i];
        bt_device_ops *ops = &stand_ins[i].ops;
        *ops = (bt_device_ops){.kind = real->ops->kind,
                               .alloc = bt_cpu_ops.alloc,
                               .free = bt_cpu_ops.free,
                               .upload = no_copy,
                               .download = no_copy,
                               .copy = no_copy,
                               .sync = bt_cpu_ops.sync,
                               .compile = real->ops->compile ? no_compile : NULL,
                               .launch = real->ops->compile ? no_launch : NULL,
                               .libraries = real->ops->libraries,
                               .gemm = no_gemm,
                               .conv = no_conv};
        stand_ins[i].libraries = real->ops->libraries ? real->ops->libraries() : 0;
        stand_ins[i].device = (bt_device){.index = real->index,
                                          .ops = ops,
                                          .is_cpu_shaped = real->is_cpu_shaped,
                                          .lacks_f64 = real->lacks_f64,
                                          .limit = real->limit ? INT64_MAX : 0};
        memcpy(stand_ins[i].device.name, real->name, sizeof real->name);
        r->places[i] = stand_ins[i].device.physical = &stand_ins[i].device;
        r->stores[i] = bt_store_new_estimate(&s->model->source, r->places[i]);
        if (!r->stores[i]) return bt_fail_memory(error);
    }
    return BERTH_OK;
}

/* ---- Shapes ------------------------------------------------------------------------------------------- */

/* Tensors without data, of the shapes that feeds have; open dimensions as 1. False when a rank is not known. */
static bool shape_feeds(bt_rehearsal *r, const bt_names *names, berth_error *error)
{
    r->n_feeds = names->n_feeds;
    r->feeds = bt_arena_array(&r->arena, bt_tensor, r->n_feeds + 1);
    r->pointers = bt_arena_array(&r->arena, bt_tensor *, r->n_feeds + 1);
    r->has_batch = bt_arena_array(&r->arena, bool, r->n_feeds + 1);
    if (!r->feeds || !r->pointers || !r->has_batch) return bt_fail_memory(error), false;
    for (size_t i = 0; i < r->n_feeds; i++) {
        bt_tensor *t = &r->feeds[i];
        r->pointers[i] = t;
        if (r->plan->feeds[i] < 0) continue;
        const bt_fact *fact = &r->plan->slots[r->plan->feeds[i]].fact;
        *t = (bt_tensor){.dtype = fact->dtype, .shape = fact->shape};
        if (names->feeds[i].tensor && names->feeds[i].tensor->t.shape.rank >= 0)
            t->shape = names->feeds[i].tensor->t.shape;
        if (t->shape.rank < 0) return false;
        r->has_batch[i] = t->shape.rank > 0 && (fact->shape.rank < 0 || fact->shape.dim[0] < 0);
        for (int d = 0; d < t->shape.rank; d++)
            if (t->shape.dim[d] < 0) t->shape.dim[d] = 1;
        if (r->has_batch[i] && t->shape.dim[0] > r->batch) r->batch = t->shape.dim[0];
    }
    return true;
}

/* ---- Measures ----------------------------------------------------------------------------------------- */

berth_status bt_rehearse(bt_rehearsal *r, berth_session *s, bt_placing *placing, const bt_names *names,
                         bt_obstacles *obstacles, berth_error *error)
{
    berth_status status = bt_rehearsal_open(r, s, error);
    r->streams = s->stream_weights;
    bt_planning how = {.rehearsal = r, .obstacles = obstacles};
    if (!status && !(r->plan = bt_session_make_plan(s, placing, names, &how, error))) status = error->status;
    if (!status) r->is_shaped = shape_feeds(r, names, error);
    return status ? status : error->status;
}

void bt_rehearsal_close(bt_rehearsal *r)
{
    bt_plan_free(r->plan);
    for (int i = 0; i < r->n_places; i++) bt_store_free(r->stores[i]);
    bt_arena_free(&r->arena);
}

static bool measure(bt_rehearsal *r, int64_t batch, bool libraries, bt_use *uses)
{
    if (!r->is_shaped) return false;
    for (int i = 0; i < r->n_places; i++) offer(&r->stand_ins[i], libraries ? r->stand_ins[i].libraries : 0);
    for (size_t i = 0; i < r->n_feeds && batch > 0; i++)
        if (r->has_batch[i]) r->feeds[i].shape.dim[0] = batch;
    return !bt_plan_measure(r->plan, r->pointers, uses);
}

bool bt_rehearsal_use(bt_rehearsal *r, int64_t batch, bt_use *uses) { return measure(r, batch, false, uses); }

bool bt_rehearsal_wish(bt_rehearsal *r, int64_t batch, const bt_use *uses, int64_t more[BT_MAX_PLACES])
{
    bt_use with[BT_MAX_PLACES];
    bool any = false;
    memset(more, 0, BT_MAX_PLACES * sizeof more[0]);
    for (int p = 0; p < r->n_places; p++) any |= r->stand_ins[p].libraries != 0;
    if (!any) return true;
    if (!measure(r, batch, true, with)) return false;
    for (int p = 0; p < r->n_places; p++)
        if (with[p].workspace > uses[p].workspace) more[p] = with[p].workspace - uses[p].workspace;
    return true;
}

int64_t bt_rehearsal_weights(const bt_rehearsal *r, int place)
{
    int64_t all = bt_store_bytes(r->stores[place]);
    if (!r->streams || !r->plan) return all;
    int64_t least = all - r->plan->streamable[place] + (int64_t)r->plan->largest_need[place];
    return least < all ? least : all;
}

bool bt_rehearsal_fits(bt_rehearsal *r, int64_t batch, const int64_t *room)
{
    bt_use uses[BT_MAX_PLACES];
    if (!bt_rehearsal_use(r, batch, uses)) return false;
    for (int p = 0; p < r->n_places; p++)
        if (bt_rehearsal_weights(r, p) + uses[p].activations + uses[p].workspace > room[p]) return false;
    return true;
}

int64_t bt_rehearsal_largest(bt_rehearsal *r, const int64_t *room)
{
    enum { MOST = 1 << 24 };
    int64_t fits = 0, fails = 1;
    bt_use uses[BT_MAX_PLACES];
    if (!r->batch || !bt_rehearsal_use(r, 0, uses)) return -1;
    while (fails <= MOST && bt_rehearsal_fits(r, fails, room)) fits = fails, fails *= 2;
    while (fails - fits > 1 && fails <= MOST) {
        int64_t batch = fits + (fails - fits) / 2;
        if (bt_rehearsal_fits(r, batch, room)) fits = batch;
        else fails = batch;
    }
    return fits;
}

int64_t bt_session_room(const berth_session *s, int place, bool host)
{
    const bt_device *device = s->model->places[place];
    int64_t held = atomic_load(&device->in_use), room = device->limit ? device->limit - held : INT64_MAX;
    bt_device_props props;
    int64_t others;
    if ((host || device->ops->compile) && !bt_device_info(device, &props, &others, NULL) &&
        props.memory_free < room)
        room = props.memory_free;
    return room == INT64_MAX ? room : room + bt_store_bytes(s->model->stores[place]);
}

berth_status bt_session_window(berth_session *s, bt_placing *placing, const bt_names *names, bt_stream **window,
                               berth_error *error)
{
    bt_rehearsal r;
    bt_use uses[BT_MAX_PLACES] = {{0}};
    berth_status status = bt_rehearse(&r, s, placing, names, NULL, error);
    if (!status && !bt_rehearsal_use(&r, 0, uses)) memset(uses, 0, sizeof uses);
    *window = NULL;
    for (int p = 1; p < r.n_places && !status && !*window; p++) {
        int64_t all = bt_store_bytes(r.stores[p]), least = bt_rehearsal_weights(&r, p);
        int64_t left = bt_session_room(s, p, false) - uses[p].activations - uses[p].workspace;
        if (!s->model->places[p]->ops->compile || all <= left || least == all) continue;
        int64_t resident = left > least ? left - least : 0, part = (int64_t)r.plan->largest_need[p];
        bool two = s->model->places[p]->ops->bring && resident >= part; /* least has room for one */
        *window = bt_stream_new(s->model->places[p], p, resident - two * part, (size_t)part, 1 + two);
        if (!*window) status = bt_fail_memory(error);
    }
    bt_rehearsal_close(&r);
    return status;
}
