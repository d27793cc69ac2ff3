/* What runs bodies, in the analysis of batches: the branches of If and Case, of which the same is taken in both runs, must
 * give results that are alike; a call is looked through; and of a loop, whose condition must be the same in every round of
 * both runs, what holds before the first round and after each is sought, from what comes in on: as in bt_flow, and of shapes
 * what does not change. That ends, since each step of the search forgets something. */
#include "ops/function.h"
#include "plan/flow.h"

enum { ROUNDS = 8 };

static const char *const unlike = "its branches give rows of the batch in different ways, or only one does";
static const char *const turns = "which branch is taken depends on the batch";

static bt_both *arguments(bt_walk *w, const bt_step *it, int first)
{
    bt_both *args = bt_arena_array(w->batch->arena, bt_both, (size_t)it->n_in + 1);
    for (int i = first; args && i < it->n_in; i++) args[i - first] = bt_batch_slot(w, it->in[i]);
    return args;
}

static bt_both *some_more(bt_walk *w, const bt_step *it)
{
    return bt_arena_array(w->batch->arena, bt_both, (size_t)it->n_in + (size_t)it->n_out + 1);
}

/* The results of the step, where they are not at odds with what its attributes say. */
static berth_status give(bt_walk *w, const bt_step *it, const bt_both *results)
{
    for (int i = 0; i < it->n_out; i++) {
        int32_t slot = it->out[i];
        bt_fact *whole = &w->whole[slot], *some = &w->some[slot];
        if (!bt_shape_merge(&whole->shape, &results[i].whole.shape) ||
            !bt_shape_merge(&some->shape, &results[i].some.shape))
            return bt_batch_refuse(w, it, "its result is not of the shape that it says");
        if (!whole->dtype) whole->dtype = some->dtype = results[i].whole.dtype;
        whole->value = results[i].whole.value, some->value = results[i].some.value;
        w->flow[slot] = results[i].flow;
    }
    return BERTH_OK;
}

/* ---- Branches ----------------------------------------------------------------------------------------- */

/* The branch that is known to be taken, in both runs; -1: it is not known; -2: another in each. */
static int taken(const bt_walk *w, const bt_step *it, int n)
{
    const bt_tensor *whole = w->whole[it->in[0]].value, *some = w->some[it->in[0]].value;
    if (w->flow[it->in[0]].kind != BT_SAME) return -2;
    if (!whole || !some || whole->shape.rank) return -1;
    if (whole->dtype == BERTH_BOOL) return !*(const bool *)whole->data;
    if (whole->dtype != BERTH_INT32 || bt_ends(it->op->name, "If")) return -1;
    int64_t i = bt_tensor_int(whole, 0);
    return i < 0 || i >= n ? n - 1 : (int)i;
}

static berth_status branch(bt_walk *w, const bt_step *it, struct bt_body *const *bodies, int n, bool decides)
{
    int first = decides, only = decides ? taken(w, it, n) : 0;
    bt_both *args = arguments(w, it, first), *results = some_more(w, it), *others = some_more(w, it);
    bool changed = false;
    if (!args || !results || !others) return bt_fail_memory(w->batch->error);
    if (only == -2) return bt_batch_refuse(w, it, turns);
    int from = only < 0 ? 0 : only, to = only < 0 ? n : only + 1;
    berth_status status = bt_batch_walk(w->batch, (bt_plan *)bodies[from], args, results);
    for (int k = from + 1; k < to && !status; k++) {
        status = bt_batch_walk(w->batch, (bt_plan *)bodies[k], args, others);
        for (int i = 0; i < it->n_out && !status; i++) {
            results[i].whole.value = results[i].some.value = NULL;
            if (!bt_batch_join(w->batch, &results[i], &others[i], &changed))
                status = bt_batch_refuse(w, it, unlike);
        }
    }
    return status ? status : give(w, it, results);
}

/* ---- Loops -------------------------------------------------------------------------------------------- */

/* What is true of the state in every round, from what comes in. */
static berth_status settle_state(bt_walk *w, const bt_step *it, const bt_loop_parts *parts, bt_both *state)
{
    bt_both *results = some_more(w, it), go_on;
    bool changed = true;
    if (!results) return bt_fail_memory(w->batch->error);
    for (int k = 0; k < it->n_in; k++) {
        if (parts->invariant[k]) continue;
        if (state[k].flow.kind == BT_SIZE) return bt_batch_refuse(w, it, bt_batch_sized);
        state[k].whole.value = state[k].some.value = NULL;
    }
    berth_status status = BERTH_OK;
    for (int round = 0; changed && !status; round++) {
        changed = false;
        if (round == ROUNDS)
            return bt_batch_refuse(w, it, "what its rounds have in common could not be told");
        status = bt_batch_walk(w->batch, (bt_plan *)parts->cond, state, &go_on);
        if (!status && go_on.flow.kind != BT_SAME)
            return bt_batch_refuse(w, it, "how many rounds it goes depends on the batch");
        if (!status) status = bt_batch_walk(w->batch, (bt_plan *)parts->body, state, results);
        for (int k = 0; k < it->n_in && !status; k++)
            if (!parts->invariant[k] && !bt_batch_join(w->batch, &state[k], &results[k], &changed))
                status =
                    bt_batch_refuse(w, it, "a round makes of its state what treats the batch in another way");
    }
    return status;
}

berth_status bt_batch_body(bt_walk *w, int32_t step, bool *is_one)
{
    const bt_step *it = &w->plan->steps[step];
    struct bt_body *const *bodies = NULL;
    bt_loop_parts parts;
    bool decides = false;
    int n = bt_branches(it->op, it->state, &bodies, &decides);
    *is_one = n > 0;
    if (n) return branch(w, it, bodies, n, decides);
    *is_one = bt_while_parts(it->op, it->state, &parts);
    for (size_t i = 0; !*is_one && i < w->plan->n_bodies; i++)
        if (w->plan->bodies[i]->caller == step)
            return bt_batch_refuse(w, it, "nothing is known of how its function treats the rows of a batch");
    if (!*is_one) return BERTH_OK;
    bt_both *state = arguments(w, it, 0);
    if (!state) return bt_fail_memory(w->batch->error);
    berth_status status = settle_state(w, it, &parts, state);
    return status ? status : give(w, it, state);
}
