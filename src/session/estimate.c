/* Whether a model fits, before anything is taken on a device; and what would fit, after a run that did not. */
#include <stdio.h>

#include "session/session.h"

static berth_status refuse(const berth_session *s, bt_rehearsal *r, int place, const bt_use *use,
                           const int64_t *room, berth_error *error)
{
    int64_t weights = bt_rehearsal_weights(r, place);
    bool batch = r->batch && weights <= room[place] && !bt_rehearsal_fits(r, 1, room);
    bool streams = !s->stream_weights && s->model->places[place]->ops->compile;
    return bt_fail(error, BERTH_DEVICE,
                   "%s: the model does not fit: %lld bytes of weights, %lld of activations and %lld of "
                   "workspace, where %lld are left%s; what would help: %s%sa fall-back device",
                   s->model->places[place]->name, (long long)weights, (long long)use->activations,
                   (long long)use->workspace, (long long)room[place],
                   batch ? "; not even a batch of 1 does" : "", r->batch > 1 && !batch ? "a smaller batch, " : "",
                   streams ? "--stream-weights, " : "");
}

static berth_status measure(berth_session *s, bt_rehearsal *r, berth_error *error)
{
    bt_use uses[BT_MAX_PLACES] = {{0}};
    int64_t room[BT_MAX_PLACES];
    for (int p = 0; p < r->n_places; p++) room[p] = bt_session_room(s, p, false);
    if (!bt_rehearsal_use(r, 0, uses)) memset(uses, 0, sizeof uses);
    for (int p = 0; p < r->n_places; p++) {
        int64_t need = bt_rehearsal_weights(r, p) + uses[p].activations + uses[p].workspace;
        if (need > 0 && need > room[p]) return refuse(s, r, p, &uses[p], room, error);
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
    bt_rehearsal r;
    bt_names names = {0};
    berth_error unplanned = {0};
    berth_status status = bt_session_names(s, &arena, &names, error);
    if (!status) {
        bt_rehearse(&r, s, placing, &names, NULL, &unplanned);
        if (unplanned.status == BERTH_NO_MEMORY) status = bt_fail_memory(error);
        else if (!unplanned.status) status = measure(s, &r, error);
        bt_rehearsal_close(&r);
    }
    bt_arena_free(&arena);
    return status;
}

void bt_session_advise(berth_session *s, const bt_session_plan *plan, const berth_feed *feeds, size_t n_feeds,
                       berth_error *error)
{
    if (plan->split || !strstr(error->message, "out of memory")) return; /* a part had not the batch that was given */
    bt_names names = {.feeds = feeds,
                      .n_feeds = n_feeds,
                      .targets = (const char *const *)plan->names + plan->n_feeds + plan->n_fetches,
                      .n_targets = plan->n_targets,
                      .n_fetches = plan->n_fetches};
    bt_arena arena;
    bt_arena_init(&arena);
    berth_feed *fetches = bt_arena_array(&arena, berth_feed, plan->n_fetches + 1);
    berth_error ignored = {0};
    bt_rehearsal r;
    names.fetches = fetches;
    for (size_t i = 0; fetches && i < plan->n_fetches; i++) fetches[i].name = plan->names[n_feeds + i];
    pthread_mutex_lock(&s->lock);
    if (fetches && !bt_rehearse(&r, s, (bt_placing *)plan->placing, &names, NULL, &ignored)) {
        int64_t room[BT_MAX_PLACES];
        for (int p = 0; p < r.n_places; p++)
            room[p] =
                bt_session_room(s, p, false) + plan->parts[0].plan->arena_bytes[p] + plan->parts[0].plan->scratch_bytes[p];
        int64_t given = r.batch, best = bt_rehearsal_largest(&r, room);
        size_t n = strlen(error->message);
        if (best >= 0 && best < given)
            snprintf(error->message + n, sizeof error->message - n, "; the largest batch that fits is %lld",
                     (long long)best);
    }
    if (fetches) bt_rehearsal_close(&r);
    pthread_mutex_unlock(&s->lock);
    bt_arena_free(&arena);
}
