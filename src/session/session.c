/* Sessions: plans kept by their names, and runs of them. From names to a plan: request.c; to read next: plan/plan.c. */
#include "session/session.h"

#include <stdatomic.h>
#include <stdio.h>

enum { MOST_PLANS = 16 };

/* ---- Plans -------------------------------------------------------------------------------------------- */

void bt_session_plan_drop(bt_session_plan *p)
{
    if (!p || --p->refs) return;
    for (size_t i = 0; p->names && i < p->n_feeds + p->n_fetches + p->n_targets; i++) bt_free(p->names[i]);
    bt_free((void *)p->names);
    bt_split_free(p->split);
    for (int i = 0; i < p->n_parts; i++) bt_plan_free(p->parts[i].plan), bt_stream_free(p->parts[i].window), bt_free(p->parts[i].fates.list);
    bt_free(p->parts);
    bt_free(p);
}

static const char *name_at(const bt_names *n, size_t i)
{
    if (i < n->n_feeds) return n->feeds[i].name;
    i -= n->n_feeds;
    return i < n->n_fetches ? n->fetches[i].name : n->targets[i - n->n_fetches];
}

static bool is_for(const bt_session_plan *p, const bt_placing *placing, const bt_names *n)
{
    if (p->placing != placing || p->n_feeds != n->n_feeds || p->n_fetches != n->n_fetches ||
        p->n_targets != n->n_targets)
        return false;
    for (size_t i = 0; i < n->n_feeds + n->n_fetches + n->n_targets; i++)
        if (strcmp(p->names[i], name_at(n, i))) return false;
    return true;
}

static berth_status copy_names(bt_session_plan *p, const bt_names *n, berth_error *error)
{
    size_t count = n->n_feeds + n->n_fetches + n->n_targets;
    p->names = bt_calloc(count + 1, sizeof *p->names);
    if (!p->names) return bt_fail_memory(error);
    p->n_feeds = n->n_feeds, p->n_fetches = n->n_fetches, p->n_targets = n->n_targets;
    for (size_t i = 0; i < count; i++)
        if (!(p->names[i] = bt_strdup(name_at(n, i)))) return bt_fail_memory(error);
    return BERTH_OK;
}

void bt_session_retire_plans(berth_session *s)
{
    bt_session_plan *former = s->plans;
    s->plans = NULL;
    s->n_moving++;
    for (bt_session_plan *p = former; p; p = p->next)
        while (atomic_load(&p->refs) > 1) pthread_cond_wait(&s->moved, &s->lock);
    s->n_moving--;
    while (former) {
        bt_session_plan *p = former;
        former = p->next;
        bt_session_plan_drop(p);
    }
}

/* Plans that may have frozen a variable which is now known to be written are made anew, too. */
void bt_session_drop_plans(berth_session *s)
{
    while (s->plans) {
        bt_session_plan *p = s->plans;
        s->plans = p->next;
        bt_session_plan_drop(p);
    }
}

static void drop_oldest(berth_session *s)
{
    int n = 0;
    for (bt_session_plan **link = &s->plans; *link; link = &(*link)->next)
        if (++n > MOST_PLANS) {
            bt_session_plan *old = *link;
            *link = NULL;
            bt_session_plan_drop(old);
            return;
        }
}

/* The graph's own nodes, of which nothing is known yet. */
static bool enter_nodes(const bt_graph *g, bt_fates *fates)
{
    if (!bt_grow(&fates->list, &fates->room, g->n_nodes + 1, sizeof *fates->list)) return false;
    for (; fates->n < g->n_nodes; fates->n++) {
        const bt_node *node = &g->nodes[fates->n];
        fates->list[fates->n] =
            (bt_fate){.kind = BT_FATE_PRUNED, .name = node->name, .op = node->op, .device = node->device};
    }
    return true;
}

/* A line a node that does work, as TensorFlow's log_device_placement has them. */
static bool log_placement(berth_session *s, const bt_session_plan *p)
{
    bt_arena work;
    bt_arena_init(&work);
    bool ok = true;
    const bt_fates *fates = &p->parts[0].fates;
    for (size_t i = 0; ok && i < fates->n; i++) {
        const char *device = bt_session_device_of(s, p, i, &work);
        ok = device != NULL;
        if (ok && *device)
            bt_log(BERTH_LOG_INFO, "%s: (%s): %s", fates->list[i].name, fates->list[i].op, device);
    }
    bt_arena_free(&work);
    return ok;
}

static berth_status make_parts(berth_session *s, bt_session_plan *p, const bt_names *n, const bt_rehearsal *rehearsal,
                               berth_error *error)
{
    p->parts = bt_calloc((size_t)p->placing->n_parts, sizeof *p->parts);
    if (!p->parts) return bt_fail_memory(error);
    for (; p->n_parts < p->placing->n_parts; p->n_parts++) {
        bt_session_part *part = &p->parts[p->n_parts];
        bt_placing *placing = p->placing->parts[p->n_parts];
        if (!enter_nodes(&s->model->source.graph, &part->fates)) return bt_fail_memory(error);
        if (s->stream_weights && !rehearsal && bt_session_window(s, placing, n, &part->window, error)) return error->status;
        part->plan = bt_session_make_plan(
            s, placing, n, &(bt_planning){.rehearsal = rehearsal, .fates = &part->fates, .window = part->window}, error);
        p->placing->refused = placing->refused;
        if (part->plan) continue;
        bt_stream_free(part->window);
        bt_free(part->fates.list);
        return error->status;
    }
    p->split = p->n_parts > 1 ? bt_split_new(p, s->log_placement, error) : NULL;
    return p->n_parts > 1 && !p->split ? error->status : BERTH_OK;
}

bt_session_plan *bt_session_plan_for(berth_session *s, bt_placing *placing, const bt_names *n,
                                     const bt_rehearsal *rehearsal, berth_error *error)
{
    for (bt_session_plan **link = &s->plans; *link; link = &(*link)->next) {
        bt_session_plan *p = *link;
        if (!is_for(p, placing, n)) continue;
        *link = p->next;
        p->next = s->plans, s->plans = p;
        p->refs++;
        return p;
    }
    bt_session_plan *p = bt_calloc(1, sizeof *p);
    if (!p) return bt_fail_memory(error), NULL;
    p->refs = 1;
    p->placing = placing;
    size_t written = s->written.count;
    if (copy_names(p, n, error) || make_parts(s, p, n, rehearsal, error)) return bt_session_plan_drop(p), NULL;
    if (s->log_placement && !log_placement(s, p)) return bt_session_plan_drop(p), bt_fail_memory(error), NULL;
    if (s->written.count != written) bt_session_drop_plans(s);
    if (rehearsal) return p;
    p->next = s->plans, s->plans = p;
    p->refs++;
    drop_oldest(s);
    return p;
}

/* ---- Initialisation ----------------------------------------------------------------------------------- */

/* Other plans' idle states give way to a run that has no room. */
static bool make_room(void *user)
{
    berth_session *s = user;
    bool any = false;
    pthread_mutex_lock(&s->lock);
    for (bt_session_plan *p = s->plans; p; p = p->next)
        for (int k = 0; k < p->n_parts; k++) any |= bt_plan_trim(p->parts[k].plan);
    pthread_mutex_unlock(&s->lock);
    return any;
}

static bt_services services_of(berth_session *s, const berth_run_options *options, bt_recorder *recorder)
{
    bt_services services = {.resources = s->resources, .recorder = recorder, .make_room = make_room, .user = s};
    if (options && options->size >= sizeof *options)
        services.cancel = options->cancel, services.max_iterations = options->max_iterations;
    return services;
}

static berth_status feed_assets(const bt_source *source, berth_tensor *tensors, berth_feed *feeds,
                                berth_error *error)
{
    for (int i = 0; i < source->n_asset_feeds; i++) {
        const char *path = source->asset_feeds[i].key;
        bt_shape shape = source->asset_feeds[i].shape.rank == 1 ? BT_SHAPE(1) : BT_SCALAR;
        if (bt_tensor_init(&tensors[i].t, BERTH_STRING, &shape, error)) return error->status;
        if (!bt_string_set(tensors[i].t.data, path, strlen(path))) return bt_fail_memory(error);
        feeds[i] = (berth_feed){source->asset_feeds[i].tensor, &tensors[i]};
    }
    return BERTH_OK;
}

/* The model's own initialisers (of tables), once a session. The lock is held. */
static berth_status initialise(berth_session *s, bt_placing *placing, bt_recorder *recorder, berth_error *error)
{
    const bt_source *source = &s->model->source;
    if (s->initialised || source->n_init_targets == 0) return s->initialised = true, BERTH_OK;
    size_t n = (size_t)source->n_asset_feeds;
    berth_tensor *tensors = bt_calloc(n + 1, sizeof *tensors);
    berth_feed *feeds = bt_calloc(n + 1, sizeof *feeds);
    bt_tensor **in = bt_calloc(n + 1, sizeof *in);
    berth_status status =
        tensors && feeds && in ? feed_assets(source, tensors, feeds, error) : bt_fail_memory(error);
    if (!status) {
        bt_names names = {.feeds = feeds,
                          .n_feeds = n,
                          .targets = source->init_targets,
                          .n_targets = (size_t)source->n_init_targets};
        bt_plan *plan = bt_session_make_plan(s, placing->parts[0], &names, &(bt_planning){0}, error);
        bt_services services = services_of(s, NULL, recorder);
        services.make_room = NULL; /* the lock is held */
        for (size_t i = 0; i < n; i++) in[i] = &tensors[i].t;
        status = plan ? bt_plan_run(plan, &services, in, NULL, 0, error) : error->status;
        bt_plan_free(plan);
    }
    for (size_t i = 0; tensors && i < n; i++) bt_tensor_clear(&tensors[i].t);
    bt_free(tensors);
    bt_free(feeds);
    bt_free((void *)in);
    s->initialised = !status;
    return status;
}

/* ---- Public ------------------------------------------------------------------------------------------- */

berth_session *berth_session_new(berth_model *model, const berth_session_options *options, berth_error *error)
{
    return bt_session_open(model, options, true, error);
}

static const char *const precisions[] = {"f32", "tf32", "bf16", "f16"}; /* by bt_precision */

static berth_status parse_precision(const char *name, bt_precision *precision, berth_error *error)
{
    *precision = BT_PRECISION_F32;
    while (name && *precision <= BT_PRECISION_F16 && strcmp(name, precisions[*precision])) ++*precision;
    return *precision <= BT_PRECISION_F16
               ? BERTH_OK
               : bt_fail(error, BERTH_BAD_ARGUMENT, "precision '%s': must be f32, tf32, bf16 or f16", name);
}

/* Where it falls back to later, a session computes in f32 if need be. */
static berth_status check_precision(const berth_session *s, berth_error *error)
{
    for (int i = 0; i < s->placing->n_parts && s->precision; i++) {
        const bt_device *device = bt_placer_device(s->placing->parts[i]->placer);
        if (!(device->ops->precisions >> s->precision & 1))
            return bt_fail(error, BERTH_UNSUPPORTED, "precision %s: %s does not compute in it", precisions[s->precision],
                           device->name);
    }
    return BERTH_OK;
}

berth_session *bt_session_open(berth_model *model, const berth_session_options *options, bool is_measured, berth_error *error)
{
    berth_error own = {0};
    if (!error) error = &own;
    bt_error_clear(error);
    berth_session_options defaults;
    berth_session_options_init(&defaults);
    if (!options || options->size < sizeof *options) options = &defaults;
    bt_precision precision;
    if (parse_precision(options->precision, &precision, error)) return NULL;
    const bt_signature *signature = bt_model_signature(model, options->signature, error);
    berth_session *s = signature ? bt_calloc(1, sizeof *s) : NULL;
    if (!s) return signature ? bt_fail_memory(error) : 0, NULL;
    bt_arena_init(&s->arena);
    bt_arena_init(&s->listing);
    bt_arena_init(&s->stepping);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->moved, NULL);
    s->model = bt_model_ref(model);
    s->signature = signature;
    s->log_placement = options->log_placement || model->context->log > 0;
    s->stream_weights = options->stream_weights;
    s->precision = precision;
    s->hard = options->hard_placement || (model->context->soft == 0 && !options->soft_placement);
    berth_status status = bt_session_place_first(s, options, is_measured, error);
    if (!status) status = check_precision(s, error);
    if (!status && !(s->resources = bt_resources_new(&model->source))) status = bt_fail_memory(error);
    if (!status) return s;
    berth_session_free(s);
    return NULL;
}

void berth_session_free(berth_session *s)
{
    if (!s) return;
    bt_session_drop_plans(s);
    bt_profile_free(s->profiled);
    bt_resources_free(s->resources);
    bt_map_free(&s->written);
    bt_arena_free(&s->arena);
    bt_arena_free(&s->listing);
    bt_arena_free(&s->stepping);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->moved);
    bt_model_free(s->model);
    bt_free(s);
}

/* ---- Runs ---- */

/* The plan for a run; *placing: where, or NULL to be found. */
static bt_session_plan *begin(berth_session *s, bt_placing **placing, const char *device,
                              const bt_names *names, bt_recorder *recorder, berth_error *error)
{
    pthread_mutex_lock(&s->lock);
    if (!*placing) *placing = bt_session_placing(s, device, error);
    bool ready = *placing && (s->initialised || !initialise(s, *placing, recorder, error));
    bt_session_plan *p = ready ? bt_session_plan_for(s, *placing, names, NULL, error) : NULL;
    pthread_mutex_unlock(&s->lock);
    return p;
}

static void end(berth_session *s, bt_session_plan *p)
{
    bt_session_plan_drop(p);
    if (!s->n_moving) return;
    pthread_mutex_lock(&s->lock);
    pthread_cond_broadcast(&s->moved);
    pthread_mutex_unlock(&s->lock);
}

/* Weights that stay on a device leave less to a larger batch than it needs: the plans are made anew, for it, once. */
static bool plans_anew(berth_session *s, bool *again, berth_error *error)
{
    if (!s->stream_weights || *again || error->status != BERTH_DEVICE || !strstr(error->message, "out of memory"))
        return false;
    *again = true;
    pthread_mutex_lock(&s->lock);
    bt_session_retire_plans(s);
    pthread_mutex_unlock(&s->lock);
    bt_error_clear(error);
    return true;
}

/* After a failure: whether the work is to be done again, on *placing. */
static bool goes_on(berth_session *s, bt_placing **placing, berth_error *error)
{
    if (error->status != BERTH_DEVICE || !s->fallback || !*placing) return false;
    pthread_mutex_lock(&s->lock);
    bt_placing *next = bt_session_fall_back(s, *placing, error);
    pthread_mutex_unlock(&s->lock);
    if (next) *placing = next;
    return next;
}

static const char *device_of(const berth_run_options *options)
{
    return options && options->size >= sizeof *options ? options->device : NULL;
}

static bt_names names_of(const berth_feed *feeds, size_t n_feeds, const berth_feed *fetches, size_t n_fetches,
                         const berth_run_options *options)
{
    bt_names n = {.feeds = feeds, .n_feeds = n_feeds, .fetches = fetches, .n_fetches = n_fetches};
    if (options && options->size >= sizeof *options)
        n.targets = options->targets, n.n_targets = options->n_targets;
    return n;
}

enum { FEW = 16 }; /* feeds and fetches whose arrays fit on the stack */

static berth_status run_plan(const bt_session_plan *p, const bt_services *services, const berth_feed *feeds,
                             size_t n_feeds, berth_feed *fetches, size_t n_fetches, bt_tensor **pointers,
                             berth_tensor **made, berth_error *error)
{
    for (size_t i = 0; i < n_feeds; i++) {
        if (!feeds[i].tensor)
            return bt_fail(error, BERTH_BAD_INPUT, "input '%s': has no tensor", feeds[i].name);
        pointers[i] = &feeds[i].tensor->t;
    }
    for (size_t i = 0; i < n_fetches; i++) {
        made[i] = NULL;
        if (!fetches[i].tensor && !(made[i] = bt_calloc(1, sizeof *made[i]))) {
            while (i--) bt_free(made[i]);
            return bt_fail_memory(error);
        }
        pointers[n_feeds + i] = fetches[i].tensor ? &fetches[i].tensor->t : &made[i]->t;
    }
    berth_status status =
        p->split ? bt_split_run(p->split, services, pointers, pointers + n_feeds, error)
                 : bt_plan_run(p->parts[0].plan, services, pointers, pointers + n_feeds, 0, error);
    for (size_t i = 0; i < n_fetches; i++) {
        if (!made[i]) continue;
        if (status) berth_tensor_free(made[i]);
        else fetches[i].tensor = made[i];
    }
    return status;
}

static berth_status warm_plan(const bt_session_plan *p, bt_tensor *const *in, berth_error *error)
{
    return p->split ? bt_split_warm(p->split, in, error) : bt_plan_warm(p->parts[0].plan, in, error);
}

berth_status berth_session_run(berth_session *s, const berth_feed *feeds, size_t n_feeds, berth_feed *fetches,
                               size_t n_fetches, const berth_run_options *options, berth_error *error)
{
    berth_error own;
    if (!error) error = &own;
    bt_error_clear(error);
    bt_names names = names_of(feeds, n_feeds, fetches, n_fetches, options);
    bt_tensor *few[2 * FEW];
    berth_tensor *few_made[FEW];
    bool fits = n_feeds <= FEW && n_fetches <= FEW;
    bt_tensor **pointers = fits ? few : bt_calloc(n_feeds + n_fetches, sizeof *pointers);
    berth_tensor **made = fits ? few_made : bt_calloc(n_fetches + 1, sizeof *made);
    if (!pointers || !made) bt_fail_memory(error);
    bt_recorder own_recorder, *recorder = bt_recorder_begin(&own_recorder, s->profile, s->model->places[0]);
    bt_services services = services_of(s, options, recorder);
    bool again = false;
    for (bt_placing *placing = NULL; pointers && made;) {
        bt_session_plan *p = begin(s, &placing, device_of(options), &names, recorder, error);
        if (p && run_plan(p, &services, feeds, n_feeds, fetches, n_fetches, pointers, made, error) == BERTH_DEVICE)
            bt_session_advise(s, p, feeds, n_feeds, error);
        if (p) end(s, p);
        if (!error->status || (!plans_anew(s, &again, error) && !goes_on(s, &placing, error))) break;
    }
    bt_recorder_end(recorder);
    if (!fits) bt_free((void *)pointers), bt_free((void *)made);
    return error->status;
}

berth_status berth_session_prepare(berth_session *s, const berth_feed *feeds, size_t n_feeds,
                                   const berth_feed *fetches, size_t n_fetches,
                                   const berth_run_options *options, berth_error *error)
{
    berth_error own;
    if (!error) error = &own;
    bt_error_clear(error);
    bt_names names = names_of(feeds, n_feeds, fetches, n_fetches, options);
    bool given = true;
    for (size_t i = 0; i < n_feeds; i++) given = given && feeds[i].tensor;
    bt_tensor **in = bt_calloc(n_feeds + 1, sizeof *in);
    if (!in) return bt_fail_memory(error);
    for (size_t i = 0; given && i < n_feeds; i++) in[i] = &feeds[i].tensor->t;
    bt_recorder own_recorder, *recorder = bt_recorder_begin(&own_recorder, s->profile, s->model->places[0]);
    bool again = false;
    for (bt_placing *placing = NULL;;) {
        bt_session_plan *p = begin(s, &placing, device_of(options), &names, recorder, error);
        if (p && given && warm_plan(p, in, error) == BERTH_DEVICE)
            bt_session_advise(s, p, feeds, n_feeds, error);
        if (p) end(s, p);
        if (!error->status || (!plans_anew(s, &again, error) && !goes_on(s, &placing, error))) break;
    }
    bt_recorder_end(recorder);
    bt_free((void *)in);
    return error->status;
}

berth_status berth_session_reset(berth_session *s, berth_error *error)
{
    bt_error_clear(error);
    pthread_mutex_lock(&s->lock);
    bt_resources_clear(s->resources);
    s->initialised = false;
    pthread_mutex_unlock(&s->lock);
    return BERTH_OK;
}
