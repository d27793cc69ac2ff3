/* Whole models on /GPU:0, of which the driver is the one that stands in for CUDA's (tests/standin): right answers, memory that
 * comes back, every call of the driver failed once with and without a fall-back, a device that is lost in mid-run. */
#include "standin/standin.h"

#include "base/mem.h"

#include "scene.h"

static const standin *driver;
enum { MEMORY = 256 << 20 };

static standin_counts counts(void) { return standin_counted(driver); }

/* Nothing is left on any device. */
static void all_back(void)
{
    standin_counts c = counts();
    CHECK(!c.bytes && !c.pinned && !c.contexts && !c.streams && !c.events && !c.modules && !c.graphs);
    CHECK_EQ(c.misuses, 0);
}

typedef struct place {
    const char *device, *fallback;
    int lost_after; /* runs, after which the device is lost; 0: never */
} place;

/* A context, a model, a session, and some runs. */
static bool whole(const trial *t, const place *where, berth_error *error)
{
    scene s = {0};
    bool ok = open_alone(&s, t, where->device, where->fallback, error);
    for (int i = 1; i <= 4 && ok; i++) {
        ok = trial_run(t, s.session, NULL, error);
        if (i == where->lost_after) driver->lose(0);
    }
    close_scene(&s);
    berth_context_free(s.context);
    return ok;
}

static void test_right(void)
{
    for (int i = 0; i < N_TRIALS; i++) {
        berth_error error = {0};
        int64_t before = counts().launches, abandoned = counts().abandoned;
        if (!CHECK(whole(trials[i], &(place){.device = "/GPU:0"}, &error))) printf("%s: %s\n", trials[i]->name, error.message);
        all_back();
        CHECK_EQ(counts().abandoned, abandoned);
        printf("%s: %lld launches\n", trials[i]->name, (long long)(counts().launches - before));
        if (!CHECK(whole(trials[i], &(place){.device = "/GPU:1"}, &error))) printf("%s: %s\n", trials[i]->name, error.message);
        all_back();
    }
}

/* The n-th call fails, n = 1, 2, 3 ...: an error in one line that names the device, or the fall-back and its one warning. */
static void torture_driver(const trial *t, const char *fallback)
{
    for (uint64_t n = 1;; n++) {
        berth_error error = {0};
        n_warnings = 0;
        driver->fail_at(n);
        bool ok = whole(t, &(place){.device = "/GPU:0", .fallback = fallback}, &error);
        uint64_t made = driver->calls();
        driver->fail_at(0);
        bool said = fallback ? ok && n_warnings <= 1 && (!n_warnings || strstr(warning, "/CPU:0"))
                             : ok || (error.status == BERTH_DEVICE && strstr(error.message, "/GPU:0") && !strchr(error.message, '\n'));
        if (!CHECK(said)) printf("%s: call %llu: %d warnings, %s, %s\n", t->name, (unsigned long long)n, n_warnings, warning, error.message);
        all_back();
        if (made >= n) continue;
        CHECK(ok && !n_warnings);
        printf("%s: %llu calls, each failed once\n", t->name, (unsigned long long)made);
        return;
    }
}

static void test_lost(void)
{
    berth_error error = {0};
    CHECK(!whole(&trial_digits, &(place){.device = "/GPU:0", .lost_after = 2}, &error));
    CHECK(error.status == BERTH_DEVICE && strstr(error.message, "/GPU:0"));
    driver->find();
    n_warnings = 0;
    CHECK(whole(&trial_digits, &(place){.device = "/GPU:0", .fallback = "/CPU:0", .lost_after = 2}, &error));
    CHECK(n_warnings == 1 && strstr(warning, "/CPU:0"));
    driver->find();
    all_back();
}

int main(void)
{
    setenv("BERTH_OPENCL", "off", 1);
    driver = standin_open(2, MEMORY);
    if (!CHECK(driver) || !trial_make()) return check_done();
    berth_set_log(note, BERTH_LOG_WARNING, NULL);
    test_right();
    torture_driver(&trial_digits, NULL);
    torture_driver(&trial_mlp, "/CPU:0");
    test_lost();
    trial_unmake();
    return check_done();
}
