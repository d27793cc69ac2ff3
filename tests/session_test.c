/* Sessions through the public header: open batch sizes, tensors inside the graph, constant strings, runs that allocate nothing. */
#include "base/mem.h"

#include "trial.h"

static berth_model *model_of(const trial *t)
{
    berth_error error = {0};
    berth_model *model = berth_model_load(t->path, NULL, &error);
    if (!CHECK(model)) printf("%s: %s\n", t->name, error.message);
    return model;
}

static berth_session *session_of(berth_model *model)
{
    berth_error error = {0};
    berth_session *session = model ? berth_session_new(model, NULL, &error) : NULL;
    if (!CHECK(session)) printf("%s\n", error.message);
    return session;
}

static bool run(const trial *t, berth_session *session, berth_feed *out)
{
    berth_error error = {0};
    bool ok = trial_run(t, session, out, &error);
    if (!CHECK(ok)) printf("%s: %s\n", t->name, error.message);
    return ok;
}

static trial mlp_of(int64_t rows)
{
    trial t = trial_mlp;
    t.in[0].dims[0] = t.out[0].dims[0] = rows;
    return t;
}

/* One session, batches of any size, back and forth. */
static void test_batches(void)
{
    static const int64_t sizes[] = {1, 2, 5, 1, 3, 2, 0, 5};
    berth_model *model = model_of(&trial_mlp);
    berth_session *session = session_of(model);
    for (size_t i = 0; session && i < sizeof sizes / sizeof *sizes; i++) {
        trial t = mlp_of(sizes[i]);
        run(&t, session, NULL);
    }
    berth_session_free(session);
    berth_model_free(model);
}

/* Any tensor of the graph can be given and asked for. */
static void test_inside(void)
{
    static const trial_port hidden = {"hidden:0", BERTH_FLOAT, 2, {TRIAL_ROWS, TRIAL_HIDDEN}, trial_hidden};
    berth_model *model = model_of(&trial_mlp);
    berth_session *session = session_of(model);
    if (!session) return berth_model_free(model);
    trial both = trial_mlp, half = trial_mlp, pass = trial_mlp, bare = trial_mlp, twice = trial_mlp;
    both.out[1] = hidden, both.n_out = 2;
    run(&both, session, NULL);
    half.in[0] = hidden;
    run(&half, session, NULL); /* x is not needed then */
    pass.in[0] = pass.out[0] = hidden;
    run(&pass, session, NULL);
    bare.in[0].name = "x", bare.out[0].name = "y";
    run(&bare, session, NULL);
    twice.out[1] = twice.out[0], twice.n_out = 2;
    run(&twice, session, NULL);
    trial weight = {
        .name = "weight", .out = {{"w:0", BERTH_FLOAT, 2, {TRIAL_IN, TRIAL_HIDDEN}, trial_w}}, .n_out = 1};
    run(&weight, session, NULL);
    berth_session_free(session);
    berth_model_free(model);
}

static void check_refused(berth_session *session, const trial *t, berth_status status, const char *has)
{
    berth_error error = {0};
    CHECK(!trial_run(t, session, NULL, &error));
    CHECK_EQ(error.status, status);
    if (!CHECK(strstr(error.message, has))) printf("    %s\n", error.message);
}

static void test_refused(void)
{
    static const int32_t numbers[TRIAL_IN];
    berth_model *model = model_of(&trial_mlp);
    berth_session *session = session_of(model);
    if (!session) return berth_model_free(model);
    trial t = trial_mlp;
    t.in[0] = (trial_port){"x:0", BERTH_INT32, 2, {1, TRIAL_IN}, numbers};
    check_refused(session, &t, BERTH_BAD_INPUT, "x:0");
    t.in[0] = (trial_port){"x:0", BERTH_FLOAT, 2, {TRIAL_IN, 1}, trial_x};
    check_refused(session, &t, BERTH_BAD_INPUT, "x:0");
    t.in[0] = (trial_port){"x:0", BERTH_FLOAT, 1, {TRIAL_IN}, trial_x};
    check_refused(session, &t, BERTH_BAD_INPUT, "x:0");
    t.n_in = 0;
    check_refused(session, &t, BERTH_BAD_INPUT, "x:0");
    t = trial_mlp, t.in[0].name = "nobody:0";
    check_refused(session, &t, BERTH_NOT_FOUND, "nobody");
    t = trial_mlp, t.out[0].name = "y:1";
    check_refused(session, &t, BERTH_NOT_FOUND, "y:1");
    t = trial_mlp, t.in[1] = t.in[0], t.n_in = 2;
    check_refused(session, &t, BERTH_BAD_INPUT, "x:0");
    run(&trial_mlp, session, NULL); /* none of which has done any harm */
    berth_session_free(session);
    berth_model_free(model);
}

/* Runs of a shape seen before, into tensors given, allocate nothing. */
static void test_warm(const trial *t)
{
    enum { WARM = 3, RUNS = 20 };
    berth_model *model = model_of(t);
    berth_session *session = session_of(model);
    berth_error error = {0};
    if (!session || !CHECK(trial_start(t, session, &error)))
        return berth_session_free(session), berth_model_free(model);
    berth_feed in[TRIAL_PORTS], out[TRIAL_PORTS];
    for (int i = 0; i < t->n_in; i++) in[i] = (berth_feed){t->in[i].name, trial_wrap(&t->in[i], &error)};
    for (int i = 0; i < t->n_out; i++)
        out[i] = (berth_feed){t->out[i].name,
                              berth_tensor_new(t->out[i].dtype, t->out[i].rank, t->out[i].dims, &error)};
    uint64_t before = 0;
    for (int i = 0; i < WARM + RUNS; i++) {
        if (i == WARM) before = bt_mem_count();
        CHECK_EQ(berth_session_run(session, in, (size_t)t->n_in, out, (size_t)t->n_out, NULL, &error),
                 BERTH_OK);
    }
    uint64_t made = bt_mem_count() - before;
    if (!CHECK_EQ(made, 0)) printf("    allocations in %d warm runs of %s\n", RUNS, t->name);
    for (int i = 0; i < t->n_out; i++) CHECK(trial_same(t->name, &t->out[i], out[i].tensor));
    for (int i = 0; i < t->n_in; i++) berth_tensor_free(in[i].tensor);
    for (int i = 0; i < t->n_out; i++) berth_tensor_free(out[i].tensor);
    berth_session_free(session);
    berth_model_free(model);
}

/* y = x, a string, with a constant one behind it, which is fetched, too. */
static const char strings_text[] = TRIAL_NODE("x", "Placeholder", "", TRIAL_TYPE("dtype", "DT_STRING"))
    TRIAL_NODE("end", "Const", "", TRIAL_SCALAR("DT_STRING", "string_val", "'!'"))
        TRIAL_NODE("same", "Identity", "input: 'end'", TRIAL_TYPE("T", "DT_STRING"))
            TRIAL_NODE("y", "StringJoin", "input: 'x' input: 'same'", "attr { key: 'N' value { i: 2 } }");

static bool is_text(const berth_tensor *t, const char *want)
{
    size_t n = 0;
    const char *p = t ? berth_tensor_get_string(t, 0, &n) : NULL;
    return p && n == strlen(want) && memcmp(p, want, n) == 0;
}

/* Constant strings are there in every run, whether the tensors of the last are given or not. */
static void test_strings(void)
{
    trial t = {.name = "strings"};
    if (!CHECK(trial_write(&t, strings_text))) return;
    berth_model *model = model_of(&t);
    berth_session *session = session_of(model);
    berth_error error = {0};
    static const char *const words[] = {"one", "two",
                                        "a word that is longer than any that lies in its tensor", ""};
    berth_feed in = {"x:0", berth_tensor_new(BERTH_STRING, 0, NULL, &error)};
    berth_feed out[] = {{.name = "y:0"}, {.name = "end:0"}, {.name = "same:0"}};
    for (int i = 0; session && i < 8; i++) {
        char want[80];
        snprintf(want, sizeof want, "%s!", words[i % 4]);
        berth_tensor_set_string(in.tensor, 0, words[i % 4], strlen(words[i % 4]), &error);
        CHECK_EQ(berth_session_run(session, &in, 1, out, 3, NULL, &error), BERTH_OK);
        CHECK(is_text(out[0].tensor, want) && is_text(out[1].tensor, "!") && is_text(out[2].tensor, "!"));
        for (int k = 0; k < 3 && i % 3 == 0; k++) berth_tensor_free(out[k].tensor), out[k].tensor = NULL;
    }
    for (int k = 0; k < 3; k++) berth_tensor_free(out[k].tensor);
    berth_tensor_free(in.tensor);
    berth_session_free(session);
    berth_model_free(model);
    unlink(t.path);
}

/* A damaged name says another tensor than its node's: the graph has inputs and outputs for all that. */
static void test_names(void)
{
    static const char graph[] = TRIAL_NODE("x:y", "Placeholder", "", TRIAL_TYPE("dtype", "DT_FLOAT"))
        TRIAL_NODE("x", "Placeholder", "", TRIAL_TYPE("dtype", "DT_FLOAT"))
            TRIAL_NODE("y", "Abs", "input: 'x'", TRIAL_FLOAT);
    berth_error error = {0};
    berth_model *model = berth_model_load_memory(graph, sizeof graph - 1, NULL, NULL, NULL, &error);
    if (model) CHECK(berth_model_input_count(model, NULL) == 2 && berth_model_output_count(model, NULL) == 1);
    else CHECK(error.status == BERTH_BAD_MODEL);
    berth_model_free(model);
}

/* A session keeps its model alive; the store gives back what it held. */
static void test_life(void)
{
    berth_model *model = model_of(&trial_mlp);
    berth_session *first = session_of(model), *second = session_of(model);
    berth_model_free(model);
    if (first && second) run(&trial_mlp, first, NULL);
    berth_session_free(first);
    if (second) run(&trial_mlp, second, NULL);
    berth_session_free(second);
}

static void release(void *user) { ++*(int *)user; }

/* A model in memory: it is used where it lies, and given back once. */
static void test_memory(const trial *t)
{
    static char bytes[1 << 20];
    berth_error error;
    int n_released = 0;
    FILE *file = fopen(t->path, "rb");
    size_t n = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    if (file) fclose(file);
    if (!CHECK(n > 0 && n < sizeof bytes)) return;
    CHECK(!berth_model_load_memory(bytes, n / 2, release, &n_released, NULL, &error));
    CHECK(error.status == BERTH_BAD_MODEL && strstr(error.message, "memory"));
    CHECK(!berth_model_load_memory(bytes, 0, release, &n_released, NULL, &error) &&
          error.status == BERTH_BAD_MODEL);
    CHECK_EQ(n_released, 0);
    berth_model *model = berth_model_load_memory(bytes, n, release, &n_released, NULL, &error);
    if (!CHECK(model)) return;
    berth_session *session = berth_session_new(model, NULL, &error);
    berth_model_free(model);
    CHECK_EQ(n_released, 0);
    CHECK(session && run(t, session, NULL));
    berth_session_free(session);
    CHECK_EQ(n_released, 1);
}

int main(void)
{
    if (!trial_make()) return check_done();
    test_batches();
    test_inside();
    test_refused();
    test_strings();
    test_names();
    test_life();
    test_memory(&trial_mlp);
    for (int i = 0; i < N_TRIALS; i++) test_warm(trials[i]);
    trial_unmake();
    return check_done();
}
