/* One batch over several devices: its rows are divided (shares.c), the parts run at once, each with the plan of its device,
 * and their results are joined in the caller's tensors. Only where plan/batch.c shows that the parts together give what the
 * whole would. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "plan/batch.h"
#include "session/session.h"
#include "session/shares.h"

enum { MOST_DIVISIONS = 32 };

/* A batch of certain shapes, divided in a certain way: it was shown to be right. */
typedef struct division {
    struct division *next;
    bt_shape *shapes;            /* of the feeds */
    bt_fact *fetches;            /* of the whole: dtypes and shapes */
    bool *carries;               /* by feed: it is divided */
    int64_t total;               /* rows of the batch */
    int64_t rows[BT_MAX_PLACES]; /* by part */
    int n_runs, refs;
} division;

struct bt_split {
    int n;
    bt_plan *plans[BT_MAX_PLACES];
    const bt_device *devices[BT_MAX_PLACES];
    char **fetch_names;
    bool logs;            /* how batches are divided */
    pthread_mutex_t lock; /* of what follows */
    bt_shares shares;
    division *divisions; /* most recent first */
};

bt_split *bt_split_new(const bt_session_plan *p, bool logs, berth_error *error)
{
    bt_split *s = bt_calloc(1, sizeof *s);
    if (!s) return bt_fail_memory(error), NULL;
    pthread_mutex_init(&s->lock, NULL);
    s->n = p->n_parts;
    s->logs = logs;
    s->fetch_names = p->names + p->n_feeds;
    for (int i = 0; i < s->n; i++) {
        s->plans[i] = p->parts[i].plan;
        s->devices[i] = bt_placer_device(p->placing->parts[i]->placer);
    }
    bt_shares_init(&s->shares, s->devices, s->n);
    return s;
}

static void division_free(division *d)
{
    if (!d) return;
    bt_free(d->shapes), bt_free(d->fetches), bt_free(d->carries), bt_free(d);
}

void bt_split_free(bt_split *s)
{
    if (!s) return;
    while (s->divisions) {
        division *d = s->divisions;
        s->divisions = d->next;
        division_free(d);
    }
    pthread_mutex_destroy(&s->lock);
    bt_free(s);
}

/* ---- Divisions ---------------------------------------------------------------------------------------- */

static division *division_new(const bt_split *s, bt_tensor *const *in, const bool *carries, int64_t total,
                              const int64_t *rows, berth_error *error)
{
    const bt_plan *plan = s->plans[0];
    size_t n_feeds = (size_t)plan->n_feeds;
    division *d = bt_calloc(1, sizeof *d);
    if (!d) return bt_fail_memory(error), NULL;
    d->shapes = bt_calloc(n_feeds + 1, sizeof *d->shapes);
    d->fetches = bt_calloc((size_t)plan->n_fetches + 1, sizeof *d->fetches);
    d->carries = bt_calloc(n_feeds + 1, sizeof *d->carries);
    if (!d->shapes || !d->fetches || !d->carries) return division_free(d), bt_fail_memory(error), NULL;
    for (size_t i = 0; i < n_feeds; i++) d->shapes[i] = in[i]->shape, d->carries[i] = carries[i];
    d->total = total;
    memcpy(d->rows, rows, sizeof d->rows);
    d->refs = 1;
    return d;
}

static bool is_for(const bt_split *s, const division *d, bt_tensor *const *in, const int64_t *rows)
{
    const bt_plan *plan = s->plans[0];
    if (memcmp(d->rows, rows, sizeof d->rows)) return false;
    for (int i = 0; i < plan->n_feeds; i++)
        if (plan->feeds[i] >= 0 && !bt_shape_equal(&d->shapes[i], &in[i]->shape)) return false;
    return true;
}

/* Shows that the division is right; where one part has all rows, that a batch of two could be divided: whether a model can
 * does not depend on the batch of the day. */
static berth_status show(const bt_split *s, division *d, berth_error *error)
{
    bt_plan *plan = s->plans[0];
    int64_t first = 0;
    bool any = false;
    for (int i = 0; i < s->n; i++) {
        if (d->rows[i] > 0 && d->rows[i] < d->total) {
            berth_status status = bt_batch_check(plan, d->shapes, d->carries, d->total, first, d->rows[i],
                                                 (const char *const *)s->fetch_names, d->fetches, error);
            if (status) return status;
            any = true;
        }
        first += d->rows[i];
    }
    for (int i = 0; any && i < plan->n_fetches; i++)
        if (!d->fetches[i].dtype)
            return bt_fail(error, BERTH_UNSUPPORTED, "output '%s': its type is not known before it runs",
                           s->fetch_names[i]);
    if (any) return BERTH_OK;
    bt_shape *two = bt_calloc((size_t)plan->n_feeds + 1, sizeof *two);
    if (!two) return bt_fail_memory(error);
    for (int i = 0; i < plan->n_feeds; i++) {
        two[i] = d->shapes[i];
        if (d->carries[i]) two[i].dim[0] = 2;
    }
    berth_status status = bt_batch_check(plan, two, d->carries, 2, 1, 1, (const char *const *)s->fetch_names,
                                         d->fetches, error);
    bt_free(two);
    if (status == BERTH_BAD_INPUT) status = error->status = BERTH_UNSUPPORTED; /* it was not what was given */
    return status;
}

/* "/GPU:0: (part of a batch): 4 of 7 rows" */
static void log_division(const bt_split *s, const division *d)
{
    for (int i = 0; i < s->n; i++)
        bt_log(BERTH_LOG_INFO, "%s: (part of a batch): %lld of %lld rows", s->devices[i]->name,
               (long long)d->rows[i], (long long)d->total);
}

/* Into the list, whose oldest that no run uses goes. */
static void enter(bt_split *s, division *d)
{
    int n = 0;
    if (s->logs) log_division(s, d);
    d->next = s->divisions, s->divisions = d;
    for (division **link = &s->divisions; *link; link = &(*link)->next) {
        division *old = *link;
        if (++n <= MOST_DIVISIONS || old->refs) continue;
        *link = old->next;
        division_free(old);
        return;
    }
}

static berth_status cannot(const bt_split *s, berth_error *error)
{
    bt_text devices = {0};
    if (error->status == BERTH_NO_MEMORY || error->status == BERTH_BAD_INPUT) return error->status;
    for (int i = 0; i < s->n; i++) bt_text_print(&devices, "%s%s", i ? "," : "", s->devices[i]->name);
    error->status = BERTH_UNSUPPORTED;
    bt_error_prefix(error, "the batch cannot be divided over %s", devices.p ? devices.p : "the devices");
    bt_text_free(&devices);
    return error->status;
}

/* How the batch in these tensors is divided now; a reference. */
static division *division_for(bt_split *s, bt_tensor *const *in, berth_error *error)
{
    const bt_plan *plan = s->plans[0];
    bool few[64], *carries = plan->n_feeds <= 64 ? few : bt_calloc((size_t)plan->n_feeds, sizeof *carries);
    int64_t total = 0, rows[BT_MAX_PLACES] = {0};
    division *d = NULL;
    if (!carries) return bt_fail_memory(error), NULL;
    if (bt_batch_rows(plan, in, carries, &total, error)) cannot(s, error);
    else {
        pthread_mutex_lock(&s->lock);
        bt_shares_divide(&s->shares, total, rows);
        for (d = s->divisions; d && !is_for(s, d, in, rows);) d = d->next;
        if (d) d->refs++;
        else if ((d = division_new(s, in, carries, total, rows, error))) {
            if (show(s, d, error)) cannot(s, error), division_free(d), d = NULL;
            else enter(s, d);
        }
        pthread_mutex_unlock(&s->lock);
    }
    if (carries != few) bt_free(carries);
    return d;
}

/* ---- Parts -------------------------------------------------------------------------------------------- */

typedef struct part {
    bt_plan *plan;
    const bt_services *services;
    int64_t first, rows, ns;
    bt_tensor *in, *out; /* rows of the caller's tensors */
    bt_tensor **ins, **outs;
    pthread_t thread;
    bool has_thread;
    berth_error error;
} part;

static void release_nothing(bt_buffer *buffer) { (void)buffer; }

/* `rows` of the `total` rows of a tensor, from `first` on. */
static bt_tensor rows_of(const bt_tensor *whole, int64_t total, int64_t first, int64_t rows)
{
    bt_tensor t = *whole;
    size_t row = bt_tensor_bytes(whole) / (size_t)total;
    t.shape.dim[0] = whole->shape.dim[0] / total * rows;
    t.data = (char *)whole->data + row * (size_t)first;
    t.buffer = NULL;
    return t;
}

/* Where a part writes its rows: in the caller's tensor, which a run takes for a buffer of its own. */
static berth_status view_out(part *p, int i, const bt_tensor *whole, int64_t total, berth_error *error)
{
    if (bt_dtype_is_object(whole->dtype)) return BERTH_OK;
    bt_tensor t = rows_of(whole, total, p->first, p->rows);
    t.buffer = bt_buffer_new(0);
    if (!t.buffer) return bt_fail_memory(error);
    t.buffer->data = t.data, t.buffer->bytes = bt_tensor_bytes(&t);
    t.buffer->release = release_nothing, t.buffer->owner = p;
    p->out[i] = t;
    return BERTH_OK;
}

/* A whole result, where it is not the caller's already. */
static berth_status make_whole(bt_tensor *t, const bt_fact *fact, berth_error *error)
{
    bool fits = t->buffer && atomic_load(&t->buffer->refs) == 1 && !t->device && t->dtype == fact->dtype &&
                bt_shape_equal(&t->shape, &fact->shape) && !bt_dtype_is_object(t->dtype);
    if (fits) return BERTH_OK;
    bt_tensor_clear(t);
    return bt_tensor_init(t, fact->dtype, &fact->shape, error);
}

/* What the part's run put elsewhere is brought into its rows of the whole. */
static berth_status bring_home(const part *p, int i, bt_tensor *whole, int64_t total, berth_error *error)
{
    const bt_tensor home = rows_of(whole, total, p->first, p->rows), *t = &p->out[i];
    char given[BT_SHAPE_TEXT], wanted[BT_SHAPE_TEXT];
    if (t->dtype != home.dtype || !bt_shape_equal(&t->shape, &home.shape))
        return bt_fail(error, BERTH_INTERNAL, "part of a batch gave %s%s where %s%s was shown",
                       bt_dtype_name(t->dtype), bt_shape_text(&t->shape, given), bt_dtype_name(home.dtype),
                       bt_shape_text(&home.shape, wanted));
    return t->data == home.data ? BERTH_OK
                                : bt_elements_copy(t->dtype, home.data, t->data, bt_tensor_count(t), error);
}

static void *run_part(void *user)
{
    part *p = user;
    int64_t start = bt_now();
    bt_recorder own, *caller = p->services->recorder;
    bt_services services = *p->services;
    if (p->has_thread && caller) services.recorder = bt_recorder_begin(&own, caller->profile, caller->host);
    bt_plan_run(p->plan, &services, p->ins, p->outs, 0, &p->error);
    if (p->has_thread) bt_recorder_end(services.recorder);
    p->ns = bt_now() - start;
    return NULL;
}

/* All at once, the first in this thread; one for which the system has no thread, too. */
static void run_parts(part *parts, int n)
{
    sigset_t all, before;
    sigfillset(&all); /* signals are for the host program's threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (int i = 1; i < n; i++) {
        parts[i].has_thread = true;
        bool failed = pthread_create(&parts[i].thread, NULL, run_part, &parts[i]) != 0;
        if (failed) parts[i].has_thread = false;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    for (int i = 0; i < n; i++)
        if (!parts[i].has_thread) run_part(&parts[i]);
    for (int i = 1; i < n; i++)
        if (parts[i].has_thread) pthread_join(parts[i].thread, NULL);
}

/* Parts with rows, n of them, each with its views; all memory is zeroed. out NULL: only inputs. */
static berth_status make_parts(const bt_split *s, const division *d, bt_tensor *const *in,
                               bt_tensor *const *out, part *parts, bt_tensor *tensors, bt_tensor **pointers,
                               int *n, berth_error *error)
{
    const bt_plan *plan = s->plans[0];
    int ports = plan->n_feeds + plan->n_fetches;
    int64_t first = 0;
    berth_status status = BERTH_OK;
    for (int k = 0; k < s->n && !status; first += d->rows[k++]) {
        if (!d->rows[k]) continue;
        part *p = &parts[*n];
        *p = (part){.plan = s->plans[k], .first = first, .rows = d->rows[k]};
        p->in = tensors + *n * ports, p->out = p->in + plan->n_feeds;
        p->ins = pointers + *n * ports, p->outs = p->ins + plan->n_feeds;
        *n += 1;
        for (int i = 0; i < ports; i++) p->ins[i] = &p->in[i];
        for (int i = 0; i < plan->n_feeds; i++) {
            p->in[i] = d->carries[i] ? rows_of(in[i], d->total, first, p->rows) : *in[i];
            p->in[i].buffer = NULL;
        }
        for (int i = 0; out && i < plan->n_fetches && !status; i++)
            status = view_out(p, i, out[i], d->total, error);
    }
    return status;
}

/* The first error of any; a device's comes before one that a user can mend, for it may be why. */
static berth_status first_error(const part *parts, int n, berth_error *error)
{
    const part *worst = NULL;
    for (int i = 0; i < n; i++)
        if (parts[i].error.status &&
            (!worst || (parts[i].error.status == BERTH_DEVICE && worst->error.status != BERTH_DEVICE)))
            worst = &parts[i];
    if (worst) *error = worst->error;
    return worst ? worst->error.status : BERTH_OK;
}

/* The rest of a run: memory for all is there. */
static berth_status run_divided(bt_split *s, division *d, const bt_services *services, bt_tensor *const *in,
                                bt_tensor *const *out, part *parts, bt_tensor *tensors, bt_tensor **pointers,
                                berth_error *error)
{
    const bt_plan *plan = s->plans[0];
    int64_t ns[BT_MAX_PLACES] = {0};
    int n = 0;
    berth_status status = BERTH_OK;
    for (int i = 0; i < plan->n_fetches && !status; i++) status = make_whole(out[i], &d->fetches[i], error);
    if (!status) status = make_parts(s, d, in, out, parts, tensors, pointers, &n, error);
    for (int k = 0; k < n; k++) parts[k].services = services;
    if (!status) run_parts(parts, n), status = first_error(parts, n, error);
    for (int k = 0; k < n; k++)
        for (int i = 0; i < plan->n_fetches; i++) {
            if (!status) status = bring_home(&parts[k], i, out[i], d->total, error);
            bt_tensor_clear(&parts[k].out[i]);
        }
    if (status) return status;
    pthread_mutex_lock(&s->lock);
    for (int i = 0, k = 0; i < s->n; i++)
        if (d->rows[i]) ns[i] = parts[k++].ns;
    if (d->n_runs++)
        bt_shares_learn(&s->shares, d->total, d->rows,
                        ns); /* a first run takes memory and compiles kernels */
    pthread_mutex_unlock(&s->lock);
    return BERTH_OK;
}

/* Which part has all rows; -1: several have some. Without rows it is the first. */
static int only_part(const bt_split *s, const division *d)
{
    int only = -1, n = 0;
    for (int i = 0; i < s->n; i++)
        if (d->rows[i]) only = i, n++;
    return n ? n == 1 ? only : -1 : 0;
}

static void done_with(bt_split *s, division *d)
{
    pthread_mutex_lock(&s->lock);
    d->refs--;
    pthread_mutex_unlock(&s->lock);
}

/* services NULL: parts are made ready, not run. */
static berth_status each_part(bt_split *s, division *d, const bt_services *services, bt_tensor *const *in,
                              bt_tensor *const *out, berth_error *error)
{
    size_t n = (size_t)s->n, ports = (size_t)(s->plans[0]->n_feeds + s->plans[0]->n_fetches) + 1;
    part *parts = bt_calloc(n, sizeof *parts);
    bt_tensor *tensors = bt_calloc(n * ports, sizeof *tensors),
              **pointers = bt_calloc(n * ports, sizeof *pointers);
    berth_status status;
    int made = 0;
    if (!parts || !tensors || !pointers) status = bt_fail_memory(error);
    else if (services) status = run_divided(s, d, services, in, out, parts, tensors, pointers, error);
    else {
        status = make_parts(s, d, in, NULL, parts, tensors, pointers, &made, error);
        for (int i = 0; i < made && !status; i++) status = bt_plan_warm(parts[i].plan, parts[i].ins, error);
    }
    bt_free(parts), bt_free(tensors), bt_free((void *)pointers);
    return status;
}

berth_status bt_split_run(bt_split *s, const bt_services *services, bt_tensor *const *in,
                          bt_tensor *const *out, berth_error *error)
{
    if (bt_plan_check_feeds(s->plans[0], in, error)) return error->status;
    division *d = division_for(s, in, error);
    if (!d) return error->status;
    int only = only_part(s, d);
    berth_status status = only >= 0 ? bt_plan_run(s->plans[only], services, in, out, 0, error)
                                    : each_part(s, d, services, in, out, error);
    done_with(s, d);
    return status;
}

berth_status bt_split_warm(bt_split *s, bt_tensor *const *in, berth_error *error)
{
    if (bt_plan_check_feeds(s->plans[0], in, error)) return error->status;
    division *d = division_for(s, in, error);
    if (!d) return error->status;
    int only = only_part(s, d);
    berth_status status =
        only >= 0 ? bt_plan_warm(s->plans[only], in, error) : each_part(s, d, NULL, in, NULL, error);
    done_with(s, d);
    return status;
}

berth_status bt_split_rows(bt_split *s, bt_tensor *const *in, int64_t *rows, double *speed,
                           berth_error *error)
{
    if (bt_plan_check_feeds(s->plans[0], in, error)) return error->status;
    division *d = division_for(s, in, error);
    if (!d) return error->status;
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < s->n; i++) rows[i] = d->rows[i], speed[i] = s->shares.speed[i] * 1e9;
    d->refs--;
    pthread_mutex_unlock(&s->lock);
    return BERTH_OK;
}
