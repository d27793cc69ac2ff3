/* Looking into a session: where its nodes are placed, what it holds on a device, its graph at a stage. Changes nothing,
 * though a plan that is looked at may have to be made first. */
#include "session/session.h"

/* ---- Placement ---------------------------------------------------------------------------------------- */

/* Node i in the plan of each part of the batch: the passes before placement are the same for all. */
static const bt_fate *fate_in(const bt_session_plan *p, int part, size_t i)
{
    return i < p->parts[part].fates.n ? &p->parts[part].fates.list[i] : NULL;
}

const char *bt_session_device_of(const berth_session *s, const bt_session_plan *p, size_t i, bt_arena *arena)
{
    const char *devices = "";
    for (int k = 0; k < p->n_parts && devices; k++) {
        const bt_fate *fate = fate_in(p, k, i);
        bool is_new = fate && bt_fate_works(fate);
        for (int j = 0; j < k && is_new; j++) {
            const bt_fate *before = fate_in(p, j, i);
            is_new = !before || !bt_fate_works(before) || before->place != fate->place;
        }
        const char *name = is_new ? s->model->places[fate->place]->name : NULL;
        if (name) devices = *devices ? bt_arena_print(arena, "%s,%s", devices, name) : name;
    }
    return devices;
}

static const char *reason_of(bt_arena *arena, const bt_fate *fate, const bt_place *place)
{
    switch (fate->kind) {
    case BT_FATE_PRUNED: return "pruned";
    case BT_FATE_FOLDED: return "folded";
    case BT_FATE_REMOVED: return "removed: it changes nothing";
    case BT_FATE_INLINED: return "inlined";
    case BT_FATE_FUSED: return bt_arena_print(arena, "fused into %s", fate->into);
    case BT_FATE_KEPT: break;
    }
    return fate->why ? fate->why : place->reason;
}

static const char *keep(berth_session *s, const char *text)
{
    return bt_arena_copy(&s->listing, text, strlen(text));
}

static berth_status list_nodes(berth_session *s, const bt_session_plan *p, berth_error *error)
{
    s->n_listed = p->parts[0].fates.n;
    s->listed = bt_arena_array(&s->listing, berth_placement, s->n_listed + 1);
    if (!s->listed) return bt_fail_memory(error);
    for (size_t i = 0; i < s->n_listed; i++) {
        const bt_fate *fate = fate_in(p, 0, i);
        for (int k = 1; k < p->n_parts && !fate->why; k++) /* what one device cannot do is worth telling */
            if (fate_in(p, k, i) && fate_in(p, k, i)->why) fate = fate_in(p, k, i);
        bt_place place = {0};
        bool ok = bt_place_node(p->placing->placer, fate->name, fate->op, fate->device, &s->listing, &place);
        const char *reason = ok ? reason_of(&s->listing, fate, &place) : NULL;
        const char *device = bt_session_device_of(s, p, i, &s->listing);
        bool by_device = p->split && !strcmp(place.reason, "placed");
        berth_placement *it = &s->listed[i]; /* the plan may go before the list does */
        *it = (berth_placement){keep(s, fate->name), keep(s, fate->op),
                                by_device ? p->placing->device : place.requested, device,
                                reason ? keep(s, reason) : NULL};
        if (!it->node || !it->op || !it->device || !it->reason) return bt_fail_memory(error);
    }
    return BERTH_OK;
}

berth_status berth_session_placement(berth_session *s, const berth_feed *feeds, size_t n_feeds,
                                     const berth_feed *fetches, size_t n_fetches,
                                     const berth_placement **nodes, size_t *n_nodes, size_t *n_copies,
                                     berth_error *error)
{
    berth_error own;
    if (!error) error = &own;
    bt_error_clear(error);
    pthread_mutex_lock(&s->lock);
    bt_arena_free(&s->listing);
    bt_arena_init(&s->listing);
    bt_names names = {.feeds = feeds, .n_feeds = n_feeds, .fetches = fetches, .n_fetches = n_fetches};
    berth_status status = bt_session_names(s, &s->listing, &names, error);
    bt_rehearsal r = {0};
    if (!status) status = bt_rehearsal_open(&r, s, error);
    bt_session_plan *p = status ? NULL : bt_session_plan_for(s, s->placing, &names, &r, error);
    status = p ? list_nodes(s, p, error) : error->status;
    size_t copies = 0;
    for (int k = 0; p && k < p->n_parts; k++) copies += (size_t)p->parts[k].plan->n_copies;
    bt_session_plan_drop(p);
    bt_rehearsal_close(&r);
    if (!status) *nodes = s->listed, *n_nodes = s->n_listed, *n_copies = copies;
    pthread_mutex_unlock(&s->lock);
    return status;
}

/* rows -1: not all feeds are given. */
static berth_status list_parts(const bt_session_plan *p, const bt_names *names, bt_arena *arena,
                               berth_part *parts, size_t room, berth_error *error)
{
    bt_tensor **in = bt_arena_array(arena, bt_tensor *, names->n_feeds + 1);
    int64_t rows[BT_MAX_PLACES];
    double speed[BT_MAX_PLACES] = {0};
    bool given = true;
    if (!in) return bt_fail_memory(error);
    for (size_t i = 0; i < names->n_feeds; i++) {
        given = given && names->feeds[i].tensor;
        in[i] = given ? &names->feeds[i].tensor->t : NULL;
    }
    for (int k = 0; k < p->n_parts; k++) rows[k] = -1;
    berth_status status = given ? bt_split_rows(p->split, in, rows, speed, error) : BERTH_OK;
    for (int k = 0; k < p->n_parts && (size_t)k < room && !status; k++)
        parts[k] = (berth_part){bt_placer_device(p->placing->parts[k]->placer)->name, rows[k], speed[k]};
    return status;
}

berth_status berth_session_parts(berth_session *s, const berth_feed *feeds, size_t n_feeds,
                                 const berth_feed *fetches, size_t n_fetches, berth_part *parts, size_t room,
                                 size_t *n_parts, berth_error *error)
{
    berth_error own;
    if (!error) error = &own;
    bt_error_clear(error);
    bt_arena work;
    bt_arena_init(&work);
    bt_names names = {.feeds = feeds, .n_feeds = n_feeds, .fetches = fetches, .n_fetches = n_fetches};
    pthread_mutex_lock(&s->lock);
    berth_status status = bt_session_names(s, &work, &names, error);
    bt_rehearsal r = {0};
    if (!status) status = bt_rehearsal_open(&r, s, error);
    bt_session_plan *p = status ? NULL : bt_session_plan_for(s, s->placing, &names, &r, error);
    if (p && p->split) status = list_parts(p, &names, &work, parts, room, error);
    else status = error->status;
    if (!status) *n_parts = p->split ? (size_t)p->n_parts : 0;
    bt_session_plan_drop(p);
    bt_rehearsal_close(&r);
    pthread_mutex_unlock(&s->lock);
    bt_arena_free(&work);
    return status;
}

/* ---- Memory ------------------------------------------------------------------------------------------- */

/* What a plan and the bodies in it hold on a place. */
static void add_memory(const bt_plan *plan, int place, berth_memory *memory)
{
    memory->weights += plan->weight_bytes[place];
    memory->activations += plan->arena_bytes[place];
    memory->workspace += plan->scratch_bytes[place];
    for (size_t i = 0; i < plan->n_bodies; i++) add_memory(plan->bodies[i], place, memory);
}

berth_status berth_session_memory(berth_session *s, const char *device, berth_memory *memory,
                                  berth_error *error)
{
    berth_error own;
    if (!error) error = &own;
    bt_error_clear(error);
    bt_device *found = bt_registry_find(s->model->context->registry, device, error);
    if (!found) return error->status;
    *memory = (berth_memory){0};
    int place = 0;
    while (place < s->model->n_places && s->model->places[place] != found) place++;
    if (place == s->model->n_places) return BERTH_OK;
    pthread_mutex_lock(&s->lock);
    for (const bt_session_plan *p = s->plans; p; p = p->next)
        for (int k = 0; k < p->n_parts; k++) add_memory(p->parts[k].plan, place, memory);
    pthread_mutex_unlock(&s->lock);
    return BERTH_OK;
}

/* ---- Stages ------------------------------------------------------------------------------------------- */

static bool is_stage(const char *stage)
{
    if (!strcmp(stage, "prune") || !strcmp(stage, "plan")) return true;
    for (const bt_pass *pass = bt_passes; pass->name; pass++)
        if (!strcmp(pass->name, stage)) return true;
    return false;
}

static berth_status unknown_stage(const char *stage, berth_error *error)
{
    bt_text list = {0};
    for (const bt_pass *pass = bt_passes; pass->name; pass++) bt_text_print(&list, "%s, ", pass->name);
    bt_fail(error, BERTH_BAD_ARGUMENT, "there is no stage '%s'; there are: source, prune, %splan", stage,
            list.p ? list.p : "");
    bt_text_free(&list);
    return BERTH_BAD_ARGUMENT;
}

berth_status berth_session_dump(berth_session *s, const char *stage, berth_write_fn *write, void *user,
                                berth_error *error)
{
    berth_error own;
    if (!error) error = &own;
    bt_error_clear(error);
    bt_text text = {0};
    bt_arena work;
    bt_arena_init(&work);
    bt_names names = {0};
    if (!strcmp(stage, "source")) bt_graph_dump(&s->model->source.graph, NULL, NULL, &text);
    else if (!is_stage(stage)) unknown_stage(stage, error);
    else if (!bt_session_names(s, &work, &names, error)) {
        pthread_mutex_lock(&s->lock);
        bt_plan_free(bt_session_make_plan(s, s->placing->parts[0], &names,
                                          &(bt_planning){.stage = stage, .dump = &text}, error));
        pthread_mutex_unlock(&s->lock);
    }
    if (!error->status && text.failed) bt_fail_memory(error);
    if (!error->status && text.n && write(user, text.p, text.n))
        bt_fail(error, BERTH_CANCELLED, "the dump was stopped");
    bt_text_free(&text);
    bt_arena_free(&work);
    return error->status;
}
