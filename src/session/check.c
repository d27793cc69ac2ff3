/* berth_model_check: what of a model cannot run where it is to run, and whether it fits there; nothing is taken for the
 * answer. How it is found: rehearsal.c. */
#include "plan/batch.h"
#include "session/session.h"

typedef struct check {
    berth_check is; /* first: what the caller sees */
    bt_arena arena;
    bt_obstacles obstacles;
} check;

void berth_check_free(berth_check *is)
{
    check *c = (check *)is;
    if (!c) return;
    bt_obstacles_free(&c->obstacles);
    bt_arena_free(&c->arena);
    bt_free(c);
}

/* ---- What is asked ------------------------------------------------------------------------------------ */

static bool is_input(const berth_session *s, int i, const char *name)
{
    const bt_port *port = &s->signature->inputs[i];
    return !strcmp(port->key, name) || !strcmp(port->tensor, name);
}

/* The inputs and outputs of the signature, but for those that are given; an input's shape as a tensor without data. */
static berth_status take_names(check *c, const berth_session *s, const berth_spec *inputs, size_t n_inputs,
                               const char *const *outputs, size_t n_outputs, bt_names *names,
                               berth_error *error)
{
    const bt_signature *sig = s->signature;
    berth_feed *feeds = bt_arena_array(&c->arena, berth_feed, n_inputs + (size_t)sig->n_inputs + 1);
    berth_tensor *shapes = bt_arena_array(&c->arena, berth_tensor, n_inputs + 1);
    size_t n_fetches = n_outputs ? n_outputs : (size_t)sig->n_outputs;
    berth_feed *fetches = bt_arena_array(&c->arena, berth_feed, n_fetches + 1);
    if (!feeds || !shapes || !fetches) return bt_fail_memory(error);
    for (size_t i = 0; i < n_inputs; i++) {
        if (!inputs[i].name || inputs[i].rank > BERTH_MAX_RANK)
            return bt_fail(error, BERTH_BAD_ARGUMENT, "an input has no name, or too many dimensions");
        shapes[i].t.dtype = inputs[i].dtype;
        shapes[i].t.shape =
            inputs[i].rank < 0 ? BT_SHAPE_UNKNOWN : bt_shape_from(inputs[i].rank, inputs[i].dims);
        feeds[names->n_feeds++] = (berth_feed){inputs[i].name, &shapes[i]};
    }
    for (int i = 0; i < sig->n_inputs; i++) {
        bool given = false;
        for (size_t j = 0; j < n_inputs; j++) given |= is_input(s, i, inputs[j].name);
        if (!given) feeds[names->n_feeds++].name = sig->inputs[i].key;
    }
    for (size_t i = 0; i < n_fetches; i++) fetches[i].name = n_outputs ? outputs[i] : sig->outputs[i].key;
    names->feeds = feeds, names->fetches = fetches, names->n_fetches = n_fetches;
    return BERTH_OK;
}

/* ---- What is found ------------------------------------------------------------------------------------ */

/* A failure that is the model's: of the node that its message names, or of none. */
static berth_status take_failure(check *c, berth_error *error)
{
    if (error->status != BERTH_UNSUPPORTED && error->status != BERTH_BAD_MODEL) return error->status;
    const char *text = error->message, *op = strstr(text, "' ("), *end = op ? strstr(op, "): ") : NULL;
    bt_obstacle obstacle = {"", "", "", text, false};
    if (bt_starts(text, "node '") && end) {
        const char *name = text + strlen("node '");
        obstacle.node = bt_arena_copy(&c->arena, name, (size_t)(op - name));
        obstacle.op = bt_arena_copy(&c->arena, op + 3, (size_t)(end - op - 3));
        obstacle.reason = bt_arena_copy(&c->arena, end + 3, strlen(end + 3));
        if (!obstacle.node || !obstacle.op || !obstacle.reason) return bt_fail_memory(error);
    }
    berth_error own = {0};
    bt_obstacle_add(&c->obstacles, NULL, &obstacle, &own);
    *error = own;
    return own.status;
}

static berth_status list_obstacles(check *c, berth_error *error)
{
    berth_obstacle *list = bt_arena_array(&c->arena, berth_obstacle, c->obstacles.n + 1);
    if (!list) return bt_fail_memory(error);
    c->is.runs = true;
    for (size_t i = 0; i < c->obstacles.n; i++) {
        const bt_obstacle *o = &c->obstacles.list[i];
        list[i] = (berth_obstacle){o->node, o->op, o->device, o->reason, o->is_moved};
        c->is.runs &= o->is_moved;
    }
    c->is.obstacles = list, c->is.n_obstacles = c->obstacles.n;
    return BERTH_OK;
}

/* What all parts of a batch take together, by place. */
typedef struct sums {
    berth_memory of[BT_MAX_PLACES];
    int64_t more[BT_MAX_PLACES]; /* workspace that would be of use, and is not needed */
    int64_t room[BT_MAX_PLACES];
    int64_t largest; /* batch that fits in every part, were they even; -1: there is none to divide */
    bool is_measured;
} sums;

/* rows: of the batch, for this part; 0: all that was given. */
static void add_part(sums *sum, bt_rehearsal *r, int64_t rows, bool is_idle)
{
    bt_use uses[BT_MAX_PLACES] = {{0}};
    int64_t more[BT_MAX_PLACES] = {0};
    if (!is_idle) sum->is_measured &= bt_rehearsal_use(r, rows, uses) && bt_rehearsal_wish(r, rows, uses, more);
    int64_t largest = bt_rehearsal_largest(r, sum->room);
    if (largest < sum->largest) sum->largest = largest;
    for (int p = 0; p < r->n_places; p++) {
        sum->of[p].weights += bt_rehearsal_weights(r, p);
        sum->of[p].activations += uses[p].activations, sum->of[p].workspace += uses[p].workspace;
        sum->more[p] += more[p];
    }
}

static bool is_chosen(const berth_session *s, const bt_device *device)
{
    for (int k = 0; k < s->placing->n_parts; k++)
        if (bt_placer_device(s->placing->parts[k]->placer) == device) return true;
    return false;
}

static berth_status list_needs(check *c, const berth_session *s, const sums *sum, berth_error *error)
{
    int n_places = s->model->n_places, n_parts = s->placing->n_parts;
    berth_need *needs = bt_arena_array(&c->arena, berth_need, (size_t)n_places + 1);
    if (!needs) return bt_fail_memory(error);
    c->is.is_measured = sum->is_measured;
    c->is.fits = true;
    for (int p = 0; p < n_places; p++) {
        berth_need need = {.device = s->model->places[p]->name, .memory = sum->of[p], .room = sum->room[p]};
        int64_t total = need.memory.weights + need.memory.activations + need.memory.workspace;
        need.fits = total <= need.room;
        if (total == 0 && !is_chosen(s, s->model->places[p])) continue;
        c->is.fits &= need.fits;
        if (need.fits) need.memory.workspace += sum->more[p] < need.room - total ? sum->more[p] : need.room - total;
        needs[c->is.n_needs++] = need;
    }
    c->is.needs = needs;
    c->is.largest_batch = sum->largest > 0 ? sum->largest * n_parts : sum->largest;
    return BERTH_OK;
}

/* Where the batch is to be divided: whether it can be, by the plan of a part for the whole batch. */
static berth_status check_division(const berth_session *s, bt_rehearsal *r, const bt_names *names,
                                   bt_arena *arena, berth_error *error)
{
    if (s->placing->n_parts == 1 || !r->is_shaped) return BERTH_OK;
    if (!r->batch)
        return bt_fail(error, BERTH_UNSUPPORTED,
                       "no input has an open first dimension, so that there is no batch to divide");
    bt_shape *shapes = bt_arena_array(arena, bt_shape, r->n_feeds + 1);
    bt_fact *results = bt_arena_array(arena, bt_fact, names->n_fetches + 1);
    const char **fetches = bt_arena_array(arena, const char *, names->n_fetches + 1);
    if (!shapes || !results || !fetches) return bt_fail_memory(error);
    int64_t rows = r->batch < 2 ? 2 : r->batch;
    for (size_t i = 0; i < names->n_fetches; i++) fetches[i] = names->fetches[i].name;
    for (size_t i = 0; i < r->n_feeds; i++) {
        shapes[i] = r->feeds[i].shape;
        if (r->has_batch[i]) shapes[i].dim[0] = rows;
    }
    return bt_batch_check(r->plan, shapes, r->has_batch, rows, rows - 1, 1, fetches, results, error);
}

static berth_status run_part(check *c, berth_session *s, int part, const bt_names *names, sums *sum,
                             berth_error *error)
{
    bt_rehearsal r;
    int n = s->placing->n_parts;
    berth_status status = bt_rehearse(&r, s, s->placing->parts[part], names, &c->obstacles, error);
    for (int p = 0; p < r.n_places && !status; p++) sum->room[p] = bt_session_room(s, p, true);
    if (!status && !part && check_division(s, &r, names, &c->arena, error)) status = take_failure(c, error);
    else if (status && !r.plan) status = take_failure(c, error), sum->is_measured = false;
    int64_t rows = n > 1 ? r.batch / n + (part < r.batch % n) : 0;
    if (!status && r.plan) add_part(sum, &r, rows, n > 1 && r.batch && !rows);
    bt_rehearsal_close(&r);
    return status;
}

static berth_status run(check *c, berth_session *s, const bt_names *names, berth_error *error)
{
    sums sum = {.largest = INT64_MAX, .is_measured = true};
    berth_status status = BERTH_OK;
    bool planned = true;
    for (int k = 0; k < s->placing->n_parts && !status && planned; k++) {
        status = run_part(c, s, k, names, &sum, error);
        planned = sum.largest != INT64_MAX;
    }
    if (!status && planned) status = list_needs(c, s, &sum, error);
    return status ? status : list_obstacles(c, error);
}

berth_check *berth_model_check(berth_model *model, const berth_session_options *options,
                               const berth_spec *inputs, size_t n_inputs, const char *const *outputs,
                               size_t n_outputs, berth_error *error)
{
    berth_error own;
    if (!error) error = &own;
    bt_error_clear(error);
    bt_names names = {0};
    berth_session *s = bt_session_open(model, options, false, error);
    check *c = s ? bt_calloc(1, sizeof *c) : NULL;
    if (s && !c) bt_fail_memory(error);
    if (c) c->is.largest_batch = -1;
    bool ok = c && !take_names(c, s, inputs, n_inputs, outputs, n_outputs, &names, error) &&
              !run(c, s, &names, error);
    berth_session_free(s);
    if (ok) return &c->is;
    berth_check_free(c ? &c->is : NULL);
    return NULL;
}
