/* What becomes of a plan's constants when its steps are prepared: those that are read at run time lie in the store of their place,
 * where all sessions of the model find them, or pass through a window; of the others the file is let go. To read next: store.h,
 * stream.h. */
#include "plan/plan.h"

static bool is_gpu(const bt_plan *plan, int place)
{
    return place > 0 && plan->env.places[place]->ops->compile;
}

bt_packed *bt_plan_hold(bt_plan *plan, int place, const bt_tensor *constant, const char *layout, size_t bytes,
                        bt_pack_fn *pack, void *user, berth_error *error)
{
    if (!bt_grow(&plan->held, &plan->held_room, plan->n_held + 1, sizeof *plan->held))
        return bt_fail_memory(error), NULL;
    bt_packed *packed = bt_store_get(plan->env.stores[place], constant, layout, bytes, pack, user, error);
    if (!packed) return NULL;
    plan->weight_bytes[place] += (int64_t)bytes;
    plan->held[plan->n_held++] = (bt_held){packed, place};
    return packed;
}

static berth_status copy_plain(void *user, void *dst, berth_error *error)
{
    const bt_tensor *t = user;
    (void)error;
    memcpy(dst, t->data, bt_tensor_bytes(t));
    return BERTH_OK;
}

/* Of a constant, whose shape is known. */
static size_t bytes_of(const bt_slot *slot)
{
    size_t bytes = 0;
    bt_shape_bytes(&slot->fact.shape, bt_dtype_size(slot->fact.dtype), &bytes);
    return bytes;
}

/* Its bytes, as the device of its own place wants them, in the store of `place`. */
static const void *hold_constant(bt_plan *plan, const bt_slot *slot, int place, berth_error *error)
{
    char layout[BT_WEIGHTS_TEXT] = "plain";
    const bt_tensor *from = slot->weights ? slot->weights->from : slot->fact.value;
    size_t bytes = bytes_of(slot);
    if (slot->weights) bt_weights_layout(slot->weights, layout);
    bt_packed *packed = bt_plan_hold(plan, place, from, layout, bytes ? bytes : 1,
                                     slot->weights ? bt_weights_pack : copy_plain,
                                     slot->weights ? (void *)slot->weights : (void *)from, error);
    return packed ? bt_packed_data(packed) : NULL;
}

/* What layouts may want to know of a constant when the file is no longer to be touched: the value of a small one (axes,
 * sizes); none wants that of a large one. */
static berth_status detach_constant(bt_plan *plan, bt_slot *slot, berth_error *error)
{
    enum { SMALL = 8192 };
    const bt_tensor *value = slot->fact.value;
    slot->fact.value = NULL;
    if (!value) return BERTH_OK;
    if (!bt_source_file_of(plan->env.source, value->data)) slot->fact.value = value;
    else if (bt_tensor_bytes(value) <= SMALL) {
        bt_tensor *copy = bt_arena_new(&plan->arena, bt_tensor);
        if (!copy) return bt_fail_memory(error);
        *copy = *value;
        copy->data = bt_arena_copy(&plan->arena, value->data, bt_tensor_bytes(value));
        if (!copy->data) return bt_fail_memory(error);
        slot->fact.value = copy;
    }
    return BERTH_OK;
}

/* One that has no room on its device: a copy on the host, in the layout that the device wants. */
static berth_status stream_constant(bt_plan *plan, bt_slot *slot, berth_error *error)
{
    bt_tensor *host = bt_arena_new(&plan->arena, bt_tensor);
    if (!host) return bt_fail_memory(error);
    *host = (bt_tensor){.dtype = slot->fact.dtype, .shape = slot->fact.shape};
    host->data = (void *)hold_constant(plan, slot, 0, error);
    if (!host->data) return error->status ? error->status : BERTH_NO_MEMORY;
    slot->constant.data = NULL, slot->constant.buffer = NULL,
    slot->constant.device = plan->env.places[slot->place];
    slot->streamed = host;
    if (bt_stream_open(plan->env.window, error)) return error->status;
    return detach_constant(plan, slot, error);
}

/* A constant that is read at run time: where it lies, when it is aligned and no part of a file, else a copy in the store. */
static berth_status settle_constant(bt_plan *plan, bt_slot *slot, bool can_stream, berth_error *error)
{
    const bt_tensor *value = slot->fact.value;
    bt_store *store = plan->env.stores[slot->place];
    bool on_gpu = is_gpu(plan, slot->place);
    slot->constant = value ? *value : (bt_tensor){.dtype = slot->fact.dtype, .shape = slot->fact.shape};
    if (bt_dtype_is_object(slot->fact.dtype)) return BERTH_OK;
    if (value && !on_gpu) {
        bool in_file = bt_source_file_of(plan->env.source, value->data) != NULL,
             counted = plan->env.places[slot->place]->limit;
        if (bytes_of(slot) == 0 || (!in_file && !counted && (uintptr_t)value->data % 16 == 0))
            return BERTH_OK;
    }
    bt_stream *w = plan->env.window;
    if (can_stream && w && w->place == slot->place && !bt_stream_keeps(w, bytes_of(slot)))
        return stream_constant(plan, slot, error);
    slot->constant.data = (void *)hold_constant(plan, slot, slot->place, error);
    if (!slot->constant.data) return error->status ? error->status : BERTH_NO_MEMORY;
    slot->constant.buffer = NULL;
    if (on_gpu) slot->constant.device = plan->env.places[slot->place];
    if (on_gpu || bt_store_is_estimate(store)) return detach_constant(plan, slot, error);
    slot->fact.value = &slot->constant;
    return BERTH_OK;
}

/* Which constants could pass through a window: large ones, which only steps of their own device read, that call nothing and
 * hand nothing on. And how large a window must be. */
static bool *find_streamable(bt_plan *plan)
{
    enum { LEAST = 4096, MOST_INPUTS = BT_MAX_STREAMED };
    bool *can = bt_arena_array(&plan->arena, bool, (size_t)plan->n_slots + 1);
    if (!can) return NULL;
    for (int32_t i = 0; i < plan->n_slots; i++) {
        const bt_slot *slot = &plan->slots[i];
        can[i] = slot->kind == BT_SLOT_CONST && slot->is_read && is_gpu(plan, slot->place) &&
                 !bt_dtype_is_object(slot->fact.dtype) && bytes_of(slot) >= LEAST;
    }
    for (int32_t s = 0; s < plan->n_steps; s++) {
        const bt_step *step = &plan->steps[s];
        for (int i = 0; i < step->n_in; i++)
            can[step->in[i]] &= !(step->op->flags & (BT_OP_ALIAS | BT_OP_BODY)) &&
                                step->n_in <= MOST_INPUTS && step->place == plan->slots[step->in[i]].place;
    }
    for (int i = 0; i < plan->n_fetches; i++) can[plan->fetches[i]] = false;
    for (int32_t i = 0; i < plan->n_slots; i++)
        if (can[i]) plan->streamable[plan->slots[i].place] += (int64_t)bytes_of(&plan->slots[i]);
    for (int32_t s = 0; s < plan->n_steps; s++) {
        size_t need = 0, *most = &plan->largest_need[plan->steps[s].place];
        for (int i = 0; i < plan->steps[s].n_in; i++)
            if (can[plan->steps[s].in[i]])
                need += bt_stream_need(bytes_of(&plan->slots[plan->steps[s].in[i]]));
        if (need > *most) *most = need;
    }
    for (size_t i = 0; i < plan->n_bodies; i++)
        for (int p = 0; p < plan->env.n_places; p++) {
            plan->streamable[p] += plan->bodies[i]->streamable[p];
            if (plan->bodies[i]->largest_need[p] > plan->largest_need[p])
                plan->largest_need[p] = plan->bodies[i]->largest_need[p];
        }
    return can;
}

berth_status bt_plan_settle(bt_plan *plan, berth_error *error)
{
    bool *can_stream = find_streamable(plan);
    berth_status status = can_stream ? BERTH_OK : bt_fail_memory(error);
    for (int32_t i = 0; i < plan->n_slots && !status; i++) {
        bt_slot *slot = &plan->slots[i];
        if (slot->kind == BT_SLOT_CONST)
            status = slot->is_read ? settle_constant(plan, slot, can_stream[i], error)
                                   : detach_constant(plan, slot, error);
    }
    for (int32_t s = 0; s < plan->n_steps && !status; s++)
        for (int i = 0; i < plan->steps[s].n_in; i++)
            plan->steps[s].is_streamed |= plan->slots[plan->steps[s].in[i]].streamed != NULL;
    return status;
}
