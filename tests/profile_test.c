/* What is seen of runs: the steps of a plan, their times and bytes, and the timeline, which is read back. On logical CPUs, and
 * on an OpenCL device where BERTH_OPENCL finds one. */
#include "base/json.h"

#include "torture.h"
#include "trial.h"

typedef struct scene {
    berth_context *context;
    berth_model *model;
    berth_session *session;
    const berth_step *steps;
    size_t n;
} scene;

static bool scene_open(scene *s, const trial *t, const char *device, const char *rule)
{
    berth_error error = {0};
    berth_device_options cpus;
    berth_load_options load;
    berth_session_options options;
    *s = (scene){.context = berth_context_new(NULL, &error)};
    berth_device_options_init(&cpus);
    cpus.device = "CPU:0", cpus.logical = "0,0";
    if (!CHECK(s->context && !berth_device_configure(s->context, &cpus, &error))) return false;
    berth_load_options_init(&load);
    load.context = s->context;
    berth_session_options_init(&options);
    options.device = device, options.rules = &rule, options.n_rules = rule ? 1 : 0;
    s->model = berth_model_load(t->path, &load, &error);
    s->session = s->model ? berth_session_new(s->model, &options, &error) : NULL;
    if (!s->session) printf("skipped on %s: %s\n", device, error.message);
    return s->session;
}

static void scene_close(scene *s)
{
    berth_session_free(s->session);
    berth_model_free(s->model);
    berth_context_free(s->context);
}

static void list(scene *s, const trial *t)
{
    berth_error error = {0};
    berth_feed feeds[TRIAL_PORTS] = {{0}}, fetches[TRIAL_PORTS] = {{0}};
    for (int i = 0; i < t->n_in; i++) feeds[i].name = t->in[i].name;
    for (int i = 0; i < t->n_out; i++) fetches[i].name = t->out[i].name;
    s->n = 0;
    if (!CHECK(!berth_session_steps(s->session, feeds, (size_t)t->n_in, fetches, (size_t)t->n_out, &s->steps,
                                    &s->n, &error)))
        printf("    %s\n", error.message);
}

static bool run(const scene *s, const trial *t)
{
    berth_error error = {0};
    bool ok = trial_run(t, s->session, NULL, &error);
    if (!CHECK(ok)) printf("    %s: %s\n", t->name, error.message);
    return ok;
}

static const berth_step *find(const scene *s, const char *op)
{
    for (size_t i = 0; i < s->n; i++)
        if (!strcmp(s->steps[i].op, op)) return &s->steps[i];
    return NULL;
}

static int count(const scene *s, const char *op)
{
    int n = 0;
    for (size_t i = 0; i < s->n; i++) n += !strcmp(s->steps[i].op, op);
    return n;
}

/* Inputs stand before their readers, feeds first, fetches last. */
static void check_order(const scene *s, const trial *t)
{
    CHECK_EQ(count(s, "_Feed"), t->n_in);
    CHECK_EQ(count(s, "_Fetch"), t->n_out);
    for (size_t i = 0; i < s->n; i++) {
        const berth_step *step = &s->steps[i];
        for (size_t k = 0; k < step->n_inputs; k++) CHECK(step->inputs[k] < i);
        CHECK(step->caller == SIZE_MAX || step->caller < i);
        CHECK_EQ(!strcmp(step->op, "_Copy"), step->from != NULL);
        CHECK_EQ(!strcmp(step->op, "_Feed"), i < (size_t)t->n_in);
        CHECK_EQ(!strcmp(step->op, "_Fetch"), i >= s->n - (size_t)t->n_out);
        CHECK(step->node && *step->node);
    }
}

static void test_mlp(void)
{
    scene s;
    if (!scene_open(&s, &trial_mlp, "/CPU:0", "y=/CPU:1")) return scene_close(&s);
    list(&s, &trial_mlp);
    check_order(&s, &trial_mlp);
    CHECK_EQ(s.n, 4);
    const berth_step *first = &s.steps[1], *second = &s.steps[2];
    CHECK_TEXT(s.steps[0].node, "x:0");
    CHECK_TEXT(first->device, "/CPU:0");
    CHECK_TEXT(second->device, "/CPU:1");
    CHECK_TEXT(second->node, "y");
    CHECK_TEXT(second->op, "MatMul");
    CHECK_TEXT(s.steps[3].node, "y:0");
    CHECK(first->n_inputs == 1 && first->inputs[0] == 0 && second->n_inputs == 1 && second->inputs[0] == 1);
    CHECK(second->weight_bytes >= TRIAL_HIDDEN * TRIAL_OUT * 4);
    CHECK(first->runs == 0 && first->total_ns == 0 && first->bytes == 0);
    run(&s, &trial_mlp); /* nobody is looking */
    berth_session_profile(s.session, true, NULL);
    for (int i = 0; i < 3; i++) run(&s, &trial_mlp);
    list(&s, &trial_mlp);
    CHECK_EQ(s.steps[1].runs, 3);
    CHECK_EQ(s.steps[2].runs, 3);
    CHECK_EQ(s.steps[1].bytes, 3 * TRIAL_ROWS * TRIAL_HIDDEN * 4);
    CHECK_EQ(s.steps[2].bytes, 3 * TRIAL_ROWS * TRIAL_OUT * 4);
    CHECK(s.steps[1].total_ns > 0 && s.steps[1].total_ns < 3000000000);
    CHECK(s.steps[0].runs == 0 && s.steps[3].runs == 0);
    berth_session_profile(s.session, false, NULL);
    run(&s, &trial_mlp);
    list(&s, &trial_mlp);
    CHECK(s.steps[1].runs == 0 && s.steps[1].total_ns == 0 && s.steps[1].bytes == 0);
    scene_close(&s);
}

/* ---- The timeline ------------------------------------------------------------------------------------- */

static bt_arena arena;

static int take_text(void *user, const char *text, size_t n)
{
    bt_text_add(user, text, n);
    return 0;
}

static const bt_json *timeline(const scene *s)
{
    berth_error error = {0};
    bt_text text = {0};
    const bt_json *j = NULL;
    if (CHECK(!berth_session_trace(s->session, take_text, &text, &error)))
        j = bt_json_get(
            bt_json_parse(&arena, (bt_str){bt_arena_copy(&arena, text.p, text.n), text.n}, &error),
            "traceEvents");
    if (!CHECK(j)) printf("    %s\n", error.message);
    bt_text_free(&text);
    return j;
}

static int64_t args(const bt_json *event, const char *key)
{
    return bt_json_int(bt_json_get(bt_json_get(event, "args"), key), -1);
}

static bool is(const bt_json *event, const char *key, const char *text)
{
    return bt_json_is_text(bt_json_get(event, key), text);
}

static const bt_json *event_of(const bt_json *events, const char *category, const char *name, int nth)
{
    for (const bt_json *e = bt_json_first(events); e; e = e->next)
        if (is(e, "cat", category) && is(e, "name", name) && !nth--) return e;
    return NULL;
}

/* Every row that has an event has a name, and so has its process. */
static void check_names(const bt_json *events)
{
    for (const bt_json *e = bt_json_first(events); e; e = e->next) {
        int64_t process = bt_json_int(bt_json_get(e, "pid"), 0), row = bt_json_int(bt_json_get(e, "tid"), 0);
        int named = 0, row_named = 0;
        for (const bt_json *m = bt_json_first(events); m; m = m->next) {
            if (bt_json_int(bt_json_get(m, "pid"), 0) != process) continue;
            named += is(m, "name", "process_name");
            row_named += is(m, "name", "thread_name") && bt_json_int(bt_json_get(m, "tid"), 0) == row;
        }
        CHECK(process > 0 && named == 1);
        if (is(e, "ph", "X")) CHECK_EQ(row_named, 1);
    }
}

/* Whether event b lies within event a, in the same row. */
static bool is_within(const bt_json *a, const bt_json *b)
{
    double start = bt_json_double(bt_json_get(a, "ts"), 0),
           end = start + bt_json_double(bt_json_get(a, "dur"), 0);
    double mine = bt_json_double(bt_json_get(b, "ts"), 0),
           last = mine + bt_json_double(bt_json_get(b, "dur"), 0);
    return start <= mine + 0.002 && last <= end + 0.002 &&
           bt_json_int(bt_json_get(a, "tid"), 0) == bt_json_int(bt_json_get(b, "tid"), 1) &&
           bt_json_int(bt_json_get(a, "pid"), 0) == bt_json_int(bt_json_get(b, "pid"), 1);
}

/* A loop's steps are listed behind it, counted an iteration each, and lie inside it in the timeline. */
static void test_loop(void)
{
    scene s;
    if (!scene_open(&s, &trial_loop, "/CPU:0", NULL)) return scene_close(&s);
    berth_session_profile(s.session, true, NULL);
    run(&s, &trial_loop);
    list(&s, &trial_loop);
    check_order(&s, &trial_loop);
    const berth_step *loop = find(&s, "StatelessWhile"), *less = find(&s, "Less");
    if (CHECK(loop && less)) {
        CHECK_EQ(loop->caller, SIZE_MAX);
        CHECK_EQ(less->caller, loop - s.steps);
        CHECK(loop->runs == 1 && less->runs == 5);
        CHECK(loop->total_ns >= less->total_ns);
    }
    const bt_json *events = timeline(&s), *outer = event_of(events, "step", "StatelessWhile", 0);
    check_names(events);
    CHECK(outer && event_of(events, "step", "Less", 4) && !event_of(events, "step", "Less", 5));
    for (int i = 0; i < 5 && outer; i++) CHECK(is_within(outer, event_of(events, "step", "Less", i)));
    scene_close(&s);
}

static void test_gpu(void)
{
    scene s;
    if (!scene_open(&s, &trial_digits, "/GPU:0", "op:*Conv2D=/GPU:0")) return scene_close(&s);
    berth_session_profile(s.session, true, NULL);
    for (int i = 0; i < 2; i++) run(&s, &trial_digits);
    list(&s, &trial_digits);
    check_order(&s, &trial_digits);
    const berth_step *up = find(&s, "_Copy"), *conv = find(&s, "_FusedConv2D");
    if (CHECK(up && conv)) {
        CHECK_TEXT(up->from, "/CPU:0");
        CHECK_TEXT(up->device, "/GPU:0");
        CHECK_EQ(up->bytes, 2 * (int64_t)sizeof trial_images);
        CHECK_TEXT(conv->device, "/GPU:0");
        CHECK(conv->runs == 2 && conv->total_ns > 0 && conv->weight_bytes > 0);
    }
    const bt_json *events = timeline(&s);
    check_names(events);
    int uploads = 0, kernels = 0, counters = 0;
    double last = -1e9;
    for (const bt_json *e = bt_json_first(events); e; e = e->next) {
        double start = bt_json_double(bt_json_get(e, "ts"), -1);
        bool is_kernel = is(e, "cat", "kernel");
        uploads += is(e, "name", "upload") && args(e, "bytes") == (int64_t)sizeof trial_images;
        counters += is(e, "ph", "C") && args(e, "bytes") > 0;
        kernels += is_kernel;
        if (is_kernel) CHECK(start >= last), last = start + bt_json_double(bt_json_get(e, "dur"), -1) - 0.002;
    }
    CHECK_EQ(uploads, 2);
    CHECK(counters >= 2 && kernels >= 2 * 3);
    CHECK(event_of(events, "copy", "download", 1) && event_of(events, "launch", "_FusedConv2D", 0));
    scene_close(&s);
}

static void test_faults(void)
{
    scene s;
    berth_error error = {0};
    bt_text text = {0};
    if (!scene_open(&s, &trial_mlp, "/CPU:0", NULL)) return scene_close(&s);
    CHECK_EQ(berth_session_trace(s.session, take_text, &text, &error), BERTH_BAD_ARGUMENT);
    berth_feed absent = {"absent:0", NULL};
    CHECK_EQ(berth_session_steps(s.session, NULL, 0, &absent, 1, &s.steps, &s.n, &error), BERTH_NOT_FOUND);
    bt_text_free(&text);
    scene_close(&s);
}

/* What finds no memory is said, or not noted; it harms no run. */
static bool look(void *user)
{
    const trial *t = user;
    berth_error error = {0};
    bt_text text = {0};
    berth_model *model = berth_model_load(t->path, NULL, &error);
    berth_session *session = model ? berth_session_new(model, NULL, &error) : NULL;
    const berth_step *steps;
    size_t n;
    bool ok = session && !berth_session_profile(session, true, &error) &&
              trial_run(t, session, NULL, &error) &&
              !berth_session_steps(session, NULL, 0, NULL, 0, &steps, &n, &error) &&
              !berth_session_trace(session, take_text, &text, &error);
    if (!ok) CHECK(error.status == BERTH_NO_MEMORY && *error.message);
    bt_text_free(&text);
    berth_session_free(session);
    berth_model_free(model);
    return ok;
}

int main(void)
{
    setenv("BERTH_OPENCL", "cpu", 0);
    bt_arena_init(&arena);
    if (trial_make()) {
        test_mlp();
        test_loop();
        test_gpu();
        test_faults();
        torture(look, &trial_loop, true);
    }
    trial_unmake();
    bt_arena_free(&arena);
    return check_done();
}
