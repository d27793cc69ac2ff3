/* Runs of which the device's part is recorded and replayed, on the driver that stands in for CUDA's: how many replays there
 * are and that answers stay right when feeds, shapes, threads and devices change; and when recording fails. */
#include <pthread.h>
#include <stdatomic.h>

#include "standin/standin.h"

#include "compact.h"
#include "scene.h"

static const standin *driver;

static standin_counts counts(void) { return standin_counted(driver); }

typedef struct runs {
    scene scene;
    const trial *trial;
    berth_error error;
} runs;

static runs begin(const trial *t)
{
    runs r = {.trial = t};
    if (!CHECK(open_alone(&r.scene, t, "/GPU:0", NULL, &r.error))) printf("%s\n", r.error.message);
    return r;
}

static void end(runs *r)
{
    berth_session_free(r->scene.session);
    CHECK_EQ(counts().graphs, 0); /* they go before the memory that they name */
    r->scene.session = NULL;
    close_scene(&r->scene);
    berth_context_free(r->scene.context);
    standin_counts c = counts();
    CHECK(!c.bytes && !c.contexts && !c.streams && !c.events);
    CHECK_EQ(c.misuses, 0);
}

/* n runs of so many rows (0: as the trial has them) on feeds that change, and right answers; gives how many replays there were. */
static int64_t replays(runs *s, int n, int64_t rows)
{
    int64_t before = counts().replays;
    for (int i = 0; i < n; i++) {
        trial t = *s->trial;
        if (s->trial == &trial_mlp) trial_mlp_answers();
        if (rows) t.in[0].dims[0] = t.out[0].dims[0] = rows;
        if (!CHECK(trial_run(&t, s->scene.session, NULL, &s->error))) printf("%s\n", s->error.message);
    }
    return counts().replays - before;
}

static void test_counts(void)
{
    runs s = begin(&trial_mlp);
    int64_t abandoned = counts().abandoned;
    CHECK_EQ(replays(&s, 1, 0), 0);
    int64_t launches = counts().launches;
    CHECK_EQ(replays(&s, 1, 0), 1); /* recorded, and done */
    int64_t a_run = counts().launches - launches;
    CHECK(a_run > 1 && counts().graphs == 1);
    CHECK_EQ(replays(&s, 5, 0), 5);
    CHECK_EQ(counts().launches - launches, 6 * a_run); /* nothing was done twice */
    CHECK_EQ(counts().graphs, 1);
    end(&s);
    s = begin(&trial_digits);
    CHECK_EQ(replays(&s, 4, 0), 3);
    end(&s);
    CHECK_EQ(counts().abandoned, abandoned);
}

/* Smaller shapes lie in the arena of larger ones, and what was recorded stays; a larger one wants another arena. */
static void test_shapes(void)
{
    runs s = begin(&trial_mlp);
    CHECK_EQ(replays(&s, 3, 3), 2);
    CHECK_EQ(replays(&s, 3, 2), 2);
    CHECK_EQ(replays(&s, 1, 3), 1);
    CHECK_EQ(replays(&s, 1, 2), 1);
    CHECK_EQ(counts().graphs, 2);
    CHECK_EQ(replays(&s, 3, 5), 2);
    CHECK_EQ(counts().graphs, 1);
    CHECK_EQ(replays(&s, 3, 2), 2);
    for (int rows = 1; rows <= 5; rows++) replays(&s, 2, rows);
    CHECK(counts().graphs <= 4);
    end(&s);
}

/* Sizes known at run time, loops, branches, variables: right, and what of it is recorded must not be wrong. */
static void test_others(void)
{
    for (int i = 0; i < N_TRIALS; i++) {
        runs s = begin(trials[i]);
        int64_t n = replays(&s, 5, 0);
        if (trials[i] == &trial_squares || trials[i] == &trial_branch) CHECK_EQ(n, 0);
        end(&s);
    }
}

/* A step that brings indices over from the host cannot be recorded: what stands before it and after it is. */
static void test_divided(void)
{
    static const char nodes[] =
        "i Const {dtype:DT_INT32 ints:0,1,2,3,4}; j Const {dtype:DT_INT32 ints:9,8,7,6,5}; a Relu x; "
        "b Neg a; s DynamicStitch i j a b {N:2}; c Neg s; y Relu c";
    static float x[5][4], y[10][4];
    static trial t = {"divided", .in = {{"x:0", BERTH_FLOAT, 2, {5, 4}, x}},
                      .out = {{"y:0", BERTH_FLOAT, 2, {10, 4}, y}}, .n_in = 1, .n_out = 1};
    bt_text text = {0};
    bt_text_print(&text,
                  "node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } }\n");
    compact_nodes(&text, nodes);
    bool ok = trial_write(&t, text.p);
    bt_text_free(&text);
    if (!ok) return;
    runs s = begin(&t);
    for (int run = 0; run < 4; run++) {
        for (int i = 0; i < 20; i++)
            x[i / 4][i % 4] = check_float(-1, 1), y[9 - i / 4][i % 4] = fmaxf(x[i / 4][i % 4], 0);
        CHECK_EQ(replays(&s, 1, 0), run ? 2 : 0);
    }
    CHECK_EQ(counts().graphs, 2);
    end(&s);
    unlink(t.path);
}

/* ---- Beside others ------------------------------------------------------------------------------------ */

static atomic_int wrong;

static void *work(void *user)
{
    const runs *s = user;
    berth_error error = {0};
    for (int i = 0; i < 30; i++)
        if (!trial_run(s->trial, s->scene.session, NULL, &error)) wrong++;
    return NULL;
}

static void test_threads(void)
{
    runs s = begin(&trial_mlp);
    pthread_t other;
    int64_t before = counts().replays;
    CHECK(!pthread_create(&other, NULL, work, &s));
    work(&s);
    pthread_join(other, NULL);
    CHECK_EQ(wrong, 0);
    CHECK(counts().graphs <= 2 &&
          counts().replays - before >= 56); /* a state a thread: all but the first runs */
    end(&s);
}

static void test_place(void)
{
    runs s = begin(&trial_mlp);
    CHECK_EQ(replays(&s, 3, 0), 2);
    CHECK_EQ(berth_session_place(s.scene.session, "*", "/GPU:1", &s.error), BERTH_OK);
    CHECK_EQ(counts().graphs, 0);
    CHECK_EQ(replays(&s, 3, 0), 2);
    CHECK_EQ(berth_session_place(s.scene.session, "*", "/CPU:0", &s.error), BERTH_OK);
    CHECK(!counts().graphs && !counts().bytes);
    CHECK_EQ(replays(&s, 3, 0), 0);
    CHECK_EQ(berth_session_place(s.scene.session, "*", "/GPU:0", &s.error), BERTH_OK);
    CHECK_EQ(replays(&s, 3, 0), 2);
    end(&s);
}

/* While someone wants to know the steps' times nothing is replayed. */
static void test_profile(void)
{
    runs s = begin(&trial_mlp);
    CHECK_EQ(replays(&s, 3, 0), 2);
    CHECK_EQ(berth_session_profile(s.scene.session, true, &s.error), BERTH_OK);
    CHECK_EQ(replays(&s, 3, 0), 0);
    CHECK_EQ(berth_session_profile(s.scene.session, false, &s.error), BERTH_OK);
    CHECK_EQ(replays(&s, 3, 0), 3);
    end(&s);
}

/* ---- Failures ----------------------------------------------------------------------------------------- */

/* What fails whenever it is called: each run is done without, and it is not tried for ever. */
static void test_failures(void)
{
    static const char *const calls[] = {"cuStreamBeginCapture_v2", "cuStreamEndCapture",
                                        "cuGraphInstantiateWithFlags", "cuGraphLaunch"};
    for (int i = 0; i < 4; i++) {
        runs s = begin(&trial_mlp);
        driver->fail_call(calls[i]);
        CHECK_EQ(replays(&s, 4, 0), 0);
        driver->fail_call(NULL);
        CHECK_EQ(counts().graphs, 0);
        CHECK_EQ(replays(&s, 3, 0), 0); /* given up */
        CHECK_EQ(replays(&s, 3, 2), 2); /* other shapes are another matter */
        end(&s);
    }
}

static void test_off(void)
{
    setenv("BERTH_CUDA_GRAPHS", "off", 1);
    runs s = begin(&trial_mlp);
    CHECK_EQ(replays(&s, 4, 0), 0);
    end(&s);
    unsetenv("BERTH_CUDA_GRAPHS");
}

/* Once only: the next run tries again. */
static void test_failed_once(void)
{
    runs s = begin(&trial_mlp);
    driver->fail_call("cuGraphLaunch");
    CHECK_EQ(replays(&s, 2, 0), 0);
    driver->fail_call(NULL);
    CHECK_EQ(replays(&s, 3, 0), 3);
    driver->fail_call("cuGraphLaunch");
    CHECK_EQ(replays(&s, 1, 0), 0);
    driver->fail_call(NULL);
    CHECK_EQ(replays(&s, 3, 0), 0);
    end(&s);
}

int main(void)
{
    setenv("BERTH_OPENCL", "off", 1);
    driver = standin_open(2, 256 << 20);
    if (!CHECK(driver) || !trial_make()) return check_done();
    test_counts();
    test_shapes();
    test_others();
    test_divided();
    test_threads();
    test_place();
    test_profile();
    test_failures();
    test_failed_once();
    test_off();
    trial_unmake();
    return check_done();
}
