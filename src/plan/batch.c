/* The batch through a plan. Shapes of all tensors, and the small values that follow from shapes, are computed twice, for the
 * whole batch and for a part of its rows, and every tensor is one of the kinds of flow.h. A step whose inputs are all the SAME
 * gives the SAME. Any other must be of an op that batch_rules.c knows, whose rule says when its outputs are ROWS; the computed
 * shapes must bear it out. What is not shown is refused with the node's name: an op that no rule is for, and any that has an
 * effect or is random. Loops and branches: batch_body.c. */
#include "plan/batch.h"

#include "plan/flow.h"

/* Steps looked at in one analysis, those of loops' bodies each time that they are: more are refused. */
enum { MOST_STEPS = 1 << 20, ROUNDS = 8 };

/* Ops that have an effect, or a state, by their records, but only make a handle, read what no plan changes, or fail. */
static const char *const harmless =
    "HashTable HashTableV2 LookupTableFind LookupTableFindV2 LookupTableSize LookupTableSizeV2 Assert";
/* The same, of variables, where no plan of the session writes any. */
static const char *const reads =
    "VarHandleOp ReadVariableOp VarIsInitializedOp ResourceGather ResourceGatherNd";

/* ---- What is known ------------------------------------------------------------------------------------ */

int bt_batch_axis(const bt_batch *b, const bt_shape *whole, const bt_shape *some, int64_t outer)
{
    int axis = -1;
    if (!bt_shape_known(whole) || !bt_shape_known(some) || whole->rank != some->rank) return -1;
    for (int d = 0; d < whole->rank; d++) {
        if (whole->dim[d] == some->dim[d]) continue;
        if (axis >= 0) return -1;
        axis = d;
    }
    if (axis < 0) return -1;
    int64_t each = whole->dim[axis] / b->rows;
    bool is_whole =
        each * b->rows == whole->dim[axis] && some->dim[axis] == each * b->part && each % outer == 0;
    return is_whole ? axis : -1;
}

/* What is known in both runs tells itself what it is. */
static bt_flow flow_of_values(const bt_batch *b, const bt_tensor *whole, const bt_tensor *some)
{
    const bt_flow size = {.kind = BT_SIZE};
    const char *all = whole->data, *few = some->data;
    size_t n = bt_tensor_bytes(some), element = bt_dtype_size(some->dtype);
    if (bt_dtype_is_object(whole->dtype)) return size;
    if (bt_shape_equal(&whole->shape, &some->shape))
        return n && memcmp(all, few, n) ? size : (bt_flow){BT_SAME};
    int axis = bt_batch_axis(b, &whole->shape, &some->shape, 1);
    if (axis < 0) return size;
    size_t inner = (size_t)bt_shape_span(&whole->shape, axis + 1, whole->shape.rank) * element;
    size_t stride = (size_t)whole->shape.dim[axis] * inner, length = (size_t)some->shape.dim[axis] * inner;
    all += (size_t)(whole->shape.dim[axis] / b->rows * b->first) * inner;
    for (size_t at = 0; at < n; at += length, all += stride)
        if (memcmp(all, few + at, length)) return size;
    return (bt_flow){.kind = BT_ROWS, .axis = axis, .outer = 1};
}

bt_both bt_batch_slot(const bt_walk *w, int32_t slot)
{
    return (bt_both){w->whole[slot], w->some[slot], w->flow[slot]};
}

/* ---- The walk ----------------------------------------------------------------------------------------- */

berth_status bt_batch_refuse(const bt_walk *w, const bt_step *it, const char *why)
{
    if (w->batch->no_memory) return bt_fail_memory(w->batch->error);
    return bt_fail(w->batch->error, BERTH_UNSUPPORTED, "node '%s' (%s): %s", it->node->name, it->op->name,
                   why);
}

static bool has_effect(const bt_walk *w, const bt_step *it)
{
    const bt_map *written = w->plan->env.written;
    if (!(it->op->flags & BT_OP_STATEFUL) || bt_has_word(harmless, it->op->name)) return false;
    return !bt_has_word(reads, it->op->name) || (written && written->count);
}

/* Facts of a step in both runs; *known: all that it gives is known without one, in both. */
static berth_status infer_twice(bt_walk *w, int32_t step, bool *known)
{
    bool too = false;
    bt_arena *arena = w->batch->arena;
    berth_status status =
        bt_plan_infer_step(w->plan, step, arena, w->in, w->out, w->whole, known, w->batch->error);
    if (!status)
        status = bt_plan_infer_step(w->plan, step, arena, w->in, w->out, w->some, &too, w->batch->error);
    *known = *known && too;
    if (status && status != BERTH_NO_MEMORY) status = w->batch->error->status = BERTH_UNSUPPORTED;
    return status;
}

/* A table of single keys and values, made in this plan, gives as many as it is asked for; its shape function cannot know. */
static void tell_found(bt_walk *w, const bt_step *it)
{
    static const char *const single = "HashTable HashTableV2 MutableHashTable MutableHashTableV2";
    if (strncmp(it->op->name, "LookupTableFind", 15) || it->n_in < 3 || w->whole[it->in[2]].shape.rank)
        return;
    const bt_slot *table = &w->plan->slots[it->in[0]];
    if (table->kind != BT_SLOT_STEP) return;
    for (int32_t s = 0; s < w->plan->n_steps; s++) {
        const bt_step *maker = &w->plan->steps[s];
        if (maker->n_out != 1 || maker->out[0] != it->in[0] || !bt_has_word(single, maker->op->name))
            continue;
        bt_shape_merge(&w->whole[it->out[0]].shape, &w->whole[it->in[1]].shape);
        bt_shape_merge(&w->some[it->out[0]].shape, &w->some[it->in[1]].shape);
    }
}

/* Results that the rule calls ROWS must have shapes that bear it out, and tell their axis. */
static const char *settle(bt_walk *w, const bt_step *it)
{
    for (int i = 0; i < it->n_out; i++) {
        bt_flow *flow = &w->results[i];
        const bt_shape *whole = &w->whole[it->out[i]].shape, *some = &w->some[it->out[i]].shape;
        w->flow[it->out[i]] = *flow;
        if (flow->kind != BT_ROWS) continue;
        if (!bt_shape_known(whole) || !bt_shape_known(some))
            return "the shape of its result is not known before it runs";
        int axis = bt_batch_axis(w->batch, whole, some, flow->outer);
        if (axis < 0) return "its result does not have the batch as a dimension";
        w->flow[it->out[i]].axis = axis;
    }
    return NULL;
}

static berth_status walk_step(bt_walk *w, int32_t index)
{
    const bt_step *it = &w->plan->steps[index];
    bool known = false, is_one = false, same = true;
    if (--w->batch->left < 0) return bt_batch_refuse(w, it, "there are too many steps to look at");
    berth_status status = infer_twice(w, index, &known);
    if (!status) tell_found(w, it);
    if (!status) status = bt_batch_body(w, index, &is_one);
    if (status || is_one) return status;
    const char *why = bt_batch_items_rule(w, it, &is_one);
    if (is_one) return (why = why ? why : settle(w, it)) ? bt_batch_refuse(w, it, why) : BERTH_OK;
    if (has_effect(w, it))
        return bt_batch_refuse(
            w, it, "it has an effect, or is random, so that runs on parts of a batch would differ");
    for (int i = 0; known && i < it->n_out; i++)
        w->flow[it->out[i]] = flow_of_values(w->batch, w->whole[it->out[i]].value, w->some[it->out[i]].value);
    if (known) return BERTH_OK;
    for (int i = 0; i < it->n_in; i++) same = same && w->flow[it->in[i]].kind == BT_SAME;
    for (int i = 0; i < it->n_out; i++) w->results[i] = (bt_flow){BT_SAME};
    if (!same) why = bt_batch_rule(w, it);
    if (!why) why = settle(w, it);
    return why ? bt_batch_refuse(w, it, why) : BERTH_OK;
}

static berth_status make_room(bt_walk *w)
{
    const bt_plan *plan = w->plan;
    bt_arena *arena = w->batch->arena;
    size_t most = 1, n = (size_t)plan->n_slots + 1;
    for (int32_t s = 0; s < plan->n_steps; s++) {
        size_t ports = (size_t)plan->steps[s].n_in + (size_t)plan->steps[s].n_out;
        if (ports > most) most = ports;
    }
    w->whole = bt_arena_array(arena, bt_fact, n), w->some = bt_arena_array(arena, bt_fact, n);
    w->flow = bt_arena_array(arena, bt_flow, n), w->results = bt_arena_array(arena, bt_flow, most);
    w->in = bt_arena_array(arena, bt_fact, most), w->out = bt_arena_array(arena, bt_fact, most);
    bool fits = w->whole && w->some && w->flow && w->results && w->in && w->out;
    return fits ? BERTH_OK : bt_fail_memory(w->batch->error);
}

/* What the plan knows of an argument for all of its runs, and what these two bring. */
static bt_fact fact_of(const bt_fact *planned, const bt_fact *given)
{
    bt_fact fact = *given;
    if (!fact.dtype) fact.dtype = planned->dtype;
    if (!bt_shape_known(&fact.shape)) bt_shape_merge(&fact.shape, &planned->shape);
    return fact;
}

berth_status bt_batch_walk(bt_batch *b, bt_plan *plan, const bt_both *args, bt_both *results)
{
    bt_walk w = {.batch = b, .plan = plan};
    berth_status status = make_room(&w);
    if (status) return status;
    for (int32_t i = 0; i < plan->n_slots; i++) w.whole[i] = w.some[i] = plan->slots[i].fact;
    for (int i = 0; i < plan->n_feeds; i++) {
        int32_t slot = plan->feeds[i];
        if (slot < 0) continue;
        w.whole[slot] = fact_of(&plan->slots[slot].fact, &args[i].whole);
        w.some[slot] = fact_of(&plan->slots[slot].fact, &args[i].some);
        w.flow[slot] = args[i].flow;
    }
    for (int32_t s = 0; s < plan->n_steps && !status; s++) status = walk_step(&w, s);
    for (int i = 0; results && i < plan->n_fetches && !status; i++)
        results[i] = bt_batch_slot(&w, plan->fetches[i]);
    return status;
}

/* ---- The check ---------------------------------------------------------------------------------------- */

static berth_status check_fetches(const bt_both *results, int n, const char *const *names, berth_error *error)
{
    for (int i = 0; i < n; i++) {
        const bt_flow *flow = &results[i].flow;
        if (flow->kind != BT_ROWS || flow->axis || flow->outer != 1)
            return bt_fail(error, BERTH_UNSUPPORTED, "output '%s': does not have the batch as dimension 0",
                           names[i]);
    }
    return BERTH_OK;
}

static berth_status check(bt_batch *b, bt_plan *plan, const bt_shape *shapes, const bool *carries,
                          const char *const *names, bt_both *results)
{
    size_t n_feeds = (size_t)plan->n_feeds + 1;
    bt_both *args = bt_arena_array(b->arena, bt_both, n_feeds);
    bt_fact *facts = bt_arena_array(b->arena, bt_fact, (size_t)plan->n_slots + 1);
    bool *known = bt_arena_array(b->arena, bool, (size_t)plan->n_steps + 1);
    if (!args || !facts || !known) return bt_fail_memory(b->error);
    /* Whether the inputs fit the model at all comes first: it is not the division's matter. */
    berth_status status = bt_plan_infer(plan, shapes, b->arena, b->arena, facts, known, b->error);
    if (status) return status == BERTH_NO_MEMORY ? status : (b->error->status = BERTH_BAD_INPUT);
    for (int i = 0; i < plan->n_feeds; i++) {
        args[i].whole.shape = args[i].some.shape = shapes[i];
        if (!carries[i]) continue;
        args[i].some.shape.dim[0] = b->part;
        args[i].flow = (bt_flow){.kind = BT_ROWS, .outer = 1};
    }
    b->again = true;
    for (int round = 0; b->again && !status; round++) {
        b->again = false;
        if (round == ROUNDS)
            return bt_fail(b->error, BERTH_UNSUPPORTED, "what its tensor arrays hold could not be told");
        status = bt_batch_walk(b, plan, args, results);
    }
    return status ? status : check_fetches(results, plan->n_fetches, names, b->error);
}

berth_status bt_batch_check(bt_plan *plan, const bt_shape *shapes, const bool *carries, int64_t rows,
                            int64_t first, int64_t part, const char *const *fetch_names, bt_fact *fetches,
                            berth_error *error)
{
    bt_arena arena;
    bt_arena_init(&arena);
    bt_batch b = {
        .rows = rows, .first = first, .part = part, .arena = &arena, .left = MOST_STEPS, .error = error};
    bt_both *results = bt_arena_array(&arena, bt_both, (size_t)plan->n_fetches + 1);
    berth_status status =
        results ? check(&b, plan, shapes, carries, fetch_names, results) : bt_fail_memory(error);
    for (int i = 0; i < plan->n_fetches && !status; i++) {
        fetches[i] = results[i].whole;
        fetches[i].value = NULL;
    }
    bt_arena_free(&arena);
    return status;
}

berth_status bt_batch_rows(const bt_plan *plan, bt_tensor *const *in, bool *carries, int64_t *rows,
                           berth_error *error)
{
    int first = -1;
    for (int i = 0; i < plan->n_feeds; i++) {
        const bt_shape *open = plan->feeds[i] < 0 ? NULL : &plan->slots[plan->feeds[i]].fact.shape;
        carries[i] = open && in[i]->shape.rank > 0 && (open->rank < 0 || open->dim[0] < 0);
        if (!carries[i]) continue;
        if (first < 0) first = i, *rows = in[i]->shape.dim[0];
        if (in[i]->shape.dim[0] != *rows)
            return bt_fail(error, BERTH_BAD_INPUT,
                           "input '%s': has %lld rows where input '%s' has %lld, so that they are no batch "
                           "that could be divided",
                           plan->feed_names[i], (long long)in[i]->shape.dim[0], plan->feed_names[first],
                           (long long)*rows);
    }
    return first >= 0 ? BERTH_OK
                      : bt_fail(error, BERTH_UNSUPPORTED,
                                "no input has an open first dimension, so that there is no batch to divide");
}
