/* Devices through the public header: memory comes back, limits hold, runs and sessions change places, and what fails on
 * one device goes on on another. The second device is a logical CPU, and an OpenCL one where BERTH_OPENCL finds it. */
#include <pthread.h>

#include "resident.h"
#include "scene.h"

/* ---- It comes back ---- */

/* One load, run, move and end; false when that goes wrong. */
static bool round_trip(scene *s, const trial *t, const char *device, int64_t before, berth_error *error)
{
    if (!CHECK(open_scene(s, t, device, NULL, error))) return false;
    CHECK_EQ(held(s, device), before); /* nothing is taken before the first run */
    CHECK(trial_run(t, s->session, NULL, error));
    CHECK(held(s, device) > before);
    CHECK(!berth_session_place(s->session, NULL, "/CPU:0", error) && held(s, device) == before);
    CHECK(trial_run(t, s->session, NULL, error));
    CHECK(!berth_session_place(s->session, NULL, device, error));
    CHECK(trial_run(t, s->session, NULL, error));
    close_scene(s);
    return CHECK_EQ(held(s, device), before) && CHECK_EQ(held(s, "/CPU:0"), 0);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1 /* what was freed is kept for a while */
#else
#define IS_SANITIZED 0
#endif

/* CUDA's driver tells what is free. OpenCL's do not: there it is what no process has taken, others that come and go included,
 * and says nothing of this one that `held` does not. */
static bool is_free_told(const berth_device_info *info)
{
    return info->memory_context > 0 && strncmp(info->detail, "OpenCL", 6) != 0;
}

/* 200 rounds; what the process has does not grow from the 40th on, but for what allocators and the driver keep. Where the
 * driver tells what is free on the device, that does not fall by a block of it. */
static void test_back(scene *s, const char *device)
{
    enum { ROUNDS = 200, WARM = 40, SLACK = 6 << 20, BLOCK = 2 << 20 };
    berth_error error = {0};
    int64_t before = held(s, device), warm = 0, free = 0;
    for (int i = 0; i < ROUNDS; i++) {
        if (!round_trip(s, i % 2 ? &trial_digits : &trial_mlp, device, before, &error)) break;
        if (i == WARM) warm = resident(), free = info_of(s, device).memory_free;
    }
    int64_t grown = resident() - warm;
    if (!IS_SANITIZED && !CHECK(grown < SLACK)) printf("    %s: %lld bytes more\n", device, (long long)grown);
    berth_device_info info = info_of(s, device);
    if (is_free_told(&info) && !CHECK(free - info.memory_free < BLOCK))
        printf("    %s: %lld bytes fewer are free\n", device, (long long)(free - info.memory_free));
    if (error.status) printf("%s: %s\n", device, error.message);
    close_scene(s);
}

/* ---- Limits ---- */

/* As much as the model was seen to take is enough, and a byte less is not. */
static void test_limit(void)
{
    berth_error error = {0};
    scene s = {.context = two_cpus("0,1GiB")};
    if (!CHECK(open_scene(&s, &trial_digits, "/CPU:1", NULL, &error))) return;
    CHECK(trial_run(&trial_digits, s.session, NULL, &error));
    int64_t peak = info_of(&s, "/CPU:1").memory_peak;
    CHECK(peak > 0);
    close_scene(&s);
    berth_context_free(s.context);
    for (int less = 0; less < 2; less++) {
        char logical[40];
        snprintf(logical, sizeof logical, "0,%lld", (long long)peak - less);
        s.context = two_cpus(logical);
        berth_error why = {0};
        bool ok = open_scene(&s, &trial_digits, "/CPU:1", NULL, &why) && trial_run(&trial_digits, s.session, NULL, &why);
        CHECK_EQ(ok, !less);
        CHECK(ok || (why.status == BERTH_DEVICE && strstr(why.message, "/CPU:1")));
        CHECK(info_of(&s, "/CPU:1").memory_peak <= peak - less);
        close_scene(&s);
        CHECK_EQ(held(&s, "/CPU:1"), 0);
        berth_context_free(s.context);
    }
}

static void test_refused(void)
{
    berth_error error = {0};
    scene s = {.context = two_cpus("0,1000")};
    CHECK(!open_scene(&s, &trial_digits, "/CPU:1", NULL, &error) && error.status == BERTH_DEVICE);
    CHECK(strstr(error.message, "does not fit") && strstr(error.message, "1000"));
    CHECK_EQ(info_of(&s, "/CPU:1").memory_peak, 0);
    close_scene(&s);
    berth_context_free(s.context);
}

/* Tensors whose size is known only at run time are counted like any others; what a run gives is the caller's. */
static void test_dynamic(void)
{
    berth_error error = {0};
    scene s = {.context = two_cpus("0,30000")};
    berth_feed out[TRIAL_PORTS] = {{0}};
    int32_t n = 1000, more = 5000;
    trial squares = trial_squares;
    squares.n_out = 0, squares.in[0].data = &n, out[0].name = trial_squares.out[0].name;
    if (!CHECK(open_scene(&s, &trial_squares, "/CPU:1", NULL, &error))) return;
    CHECK(trial_run(&trial_squares, s.session, NULL, &error));
    berth_feed in = {squares.in[0].name, trial_wrap(&squares.in[0], &error)};
    CHECK_EQ(berth_session_run(s.session, &in, 1, out, 1, NULL, &error), BERTH_OK);
    CHECK(held(&s, "/CPU:1") >= 8000); /* 1000 numbers and as many squares, at the least */
    *(int32_t *)berth_tensor_data(in.tensor) = more;
    berth_feed none = {out[0].name, NULL};
    CHECK_EQ(berth_session_run(s.session, &in, 1, &none, 1, NULL, &error), BERTH_DEVICE);
    CHECK(strstr(error.message, "/CPU:1") && strstr(error.message, "30000"));
    CHECK(info_of(&s, "/CPU:1").memory_peak <= 30000);
    CHECK(trial_run(&trial_squares, s.session, NULL, &error)); /* it runs on */
    close_scene(&s);
    CHECK_EQ(held(&s, "/CPU:1"), 0);
    berth_context_free(s.context);
    CHECK_CLOSE(((float *)berth_tensor_data(out[0].tensor))[999], 998001, 0);
    berth_tensor_free(in.tensor), berth_tensor_free(out[0].tensor);
}

/* ---- Weights that pass through ---- */

/* A limit that the weights pass: refused with what it takes and what would help; with stream_weights it runs, right and within
 * the limit, a larger batch too, and gives everything back. */
static void test_streaming(void)
{
    enum { LIMIT = 70000 };
    berth_error error = {0};
    berth_load_options load;
    berth_device_options device;
    berth_session_options options;
    scene s = {.context = two_cpus("0,0")};
    berth_device_options_init(&device);
    device.device = "/GPU:0", device.limit = LIMIT;
    CHECK(!berth_device_configure(s.context, &device, &error));
    CHECK(!open_scene(&s, &trial_digits, "/GPU:0", NULL, &error) && error.status == BERTH_DEVICE);
    if (!CHECK(strstr(error.message, "76712 bytes of weights") && strstr(error.message, "70000 are left") &&
               strstr(error.message, "--stream-weights") && strstr(error.message, "fall-back")))
        printf("    %s\n", error.message);
    close_scene(&s);
    error = (berth_error){0};
    berth_load_options_init(&load);
    load.context = s.context;
    berth_session_options_init(&options);
    options.device = "/GPU:0", options.fallback = "none", options.stream_weights = true;
    if (!CHECK(s.model = berth_model_load(trial_digits.path, &load, &error))) return;
    berth_check *check = berth_model_check(s.model, &options, NULL, 0, NULL, 0, &error);
    CHECK(check && check->fits && check->runs);
    berth_check_free(check);
    CHECK(s.session = berth_session_new(s.model, &options, &error));
    CHECK_EQ(info_of(&s, "/GPU:0").memory_taken, 0);
    static float image[8][8];
    int64_t dims[] = {1, 8, 8, 1}; /* it leaves more room to the weights than the batch of 2 that follows does */
    berth_feed in = {"image", berth_tensor_wrap(BERTH_FLOAT, 4, dims, image, NULL, NULL, &error)}, out = {"probability"};
    CHECK_EQ(berth_session_run(s.session, &in, 1, &out, 1, NULL, &error), BERTH_OK);
    berth_tensor_free(in.tensor), berth_tensor_free(out.tensor);
    for (int i = 0; i < 5; i++) CHECK(s.session && trial_run(&trial_digits, s.session, NULL, &error));
    if (error.status) printf("    %s\n", error.message);
    berth_device_info info = info_of(&s, "/GPU:0");
    CHECK(info.memory_peak <= LIMIT && info.memory_peak > LIMIT / 2);
    CHECK(held(&s, "/CPU:0") > 0); /* what did not stay there */
    close_scene(&s);
    CHECK_EQ(held(&s, "/GPU:0"), 0);
    CHECK_EQ(held(&s, "/CPU:0"), 0);
    berth_context_free(s.context);
}

/* ---- Runs at once ---- */

enum { THREADS = 6, ROUNDS = 30 };

typedef struct runner {
    scene *s;
    int failed;
    char message[200];
} runner;

static void *run_many(void *user)
{
    runner *r = user;
    for (int i = 0; i < ROUNDS; i++) {
        berth_error error = {0};
        int64_t dims[] = {32, 8, 8, 1};
        static float images[32][8][8];
        berth_feed in = {"image", berth_tensor_wrap(BERTH_FLOAT, 4, dims, images, NULL, NULL, &error)}, out = {"probability"};
        if (berth_session_run(r->s->session, &in, 1, &out, 1, NULL, &error)) r->failed++, memcpy(r->message, error.message, 199);
        berth_tensor_free(in.tensor), berth_tensor_free(out.tensor);
    }
    return NULL;
}

/* A run that has no room beside those in flight waits for one of them, and takes what idle ones hold. */
static void test_waiting(const char *device)
{
    berth_error error = {0};
    berth_device_options options;
    scene s = {.context = two_cpus(strstr(device, "CPU") ? "0,600000" : "0,0")};
    berth_device_options_init(&options);
    options.device = device, options.limit = 600000; /* a run of 32 takes two thirds of it */
    if (strstr(device, "GPU")) CHECK(!berth_device_configure(s.context, &options, &error));
    if (!CHECK(open_scene(&s, &trial_digits, device, "none", &error))) return close_scene(&s);
    runner runners[THREADS] = {{0}};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        runners[i].s = &s;
        if (pthread_create(&threads[i], NULL, run_many, &runners[i])) abort();
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        if (!CHECK_EQ(runners[i].failed, 0)) printf("    %s: %s\n", device, runners[i].message);
    }
    CHECK(info_of(&s, device).memory_peak <= 600000);
    CHECK(trial_run(&trial_digits, s.session, NULL, &error));
    close_scene(&s);
    CHECK_EQ(held(&s, device), 0);
    berth_context_free(s.context);
}

/* ---- Fall-back ---- */

static void falls_back(const char *logical, const char *device, const char *fallback, const trial *t, const char *word)
{
    berth_error error = {0};
    scene s = {.context = two_cpus(logical)};
    n_warnings = 0;
    CHECK(open_scene(&s, t, device, fallback, &error));
    for (int i = 0; i < 2; i++) CHECK(s.session && trial_run(t, s.session, NULL, &error));
    if (error.status) printf("    %s\n", error.message);
    CHECK_EQ(n_warnings, 1);
    if (!CHECK(strstr(warning, word) && strstr(warning, fallback))) printf("    %s\n", warning);
    close_scene(&s);
    CHECK_EQ(held(&s, "/CPU:1"), 0);
    berth_context_free(s.context);
}

static void test_fall_back(void)
{
    berth_error error = {0};
    falls_back("0,1000", "/CPU:1", "/CPU:0", &trial_digits, "does not fit");
    falls_back("0,0", "/GPU:7", "/CPU:1", &trial_digits, "not there");
    scene s = {.context = two_cpus("0,110kB")}; /* enough for a batch of 1, not for a large one */
    static float images[64][8][8];
    trial many = trial_digits;
    many.in[0].dims[0] = 64, many.in[0].data = images;
    CHECK(open_scene(&s, &many, "/CPU:1", NULL, &error));
    berth_feed out[TRIAL_PORTS] = {{0}};
    many.n_out = 0, out[0].name = many.out[0].name;
    berth_feed in = {"image", trial_wrap(&many.in[0], &error)};
    CHECK_EQ(berth_session_run(s.session, &in, 1, out, 1, NULL, &error), BERTH_DEVICE);
    CHECK(strstr(error.message, "largest batch"));
    close_scene(&s);
    CHECK_EQ(held(&s, "/CPU:1"), 0);
    n_warnings = 0;
    error = (berth_error){0};
    CHECK(open_scene(&s, &many, "/CPU:1", "/CPU:0", &error));
    CHECK_EQ(berth_session_run(s.session, &in, 1, out, 1, NULL, &error), BERTH_OK);
    CHECK(n_warnings == 1 && strstr(warning, "out of memory"));
    CHECK_EQ(held(&s, "/CPU:1"), 0);
    berth_tensor_free(in.tensor), berth_tensor_free(out[0].tensor);
    close_scene(&s);
    berth_context_free(s.context);
}

/* ---- Moves ---- */

static void test_moves(scene *s, const char *there)
{
    berth_error error = {0};
    if (!CHECK(open_scene(s, &trial_digits, "/CPU:0", NULL, &error))) return close_scene(s);
    CHECK(trial_run(&trial_digits, s->session, NULL, &error));
    CHECK_EQ(berth_session_place(s->session, NULL, there, &error), BERTH_OK);
    CHECK_EQ(held(s, "/CPU:0"), 0);
    CHECK(trial_run(&trial_digits, s->session, NULL, &error));
    CHECK_EQ(berth_session_place(s->session, "op:MatMul", "/CPU:0", &error), BERTH_OK);
    CHECK(trial_run(&trial_digits, s->session, NULL, &error));
    CHECK_EQ(berth_session_place(s->session, NULL, "/GPU:9", &error), BERTH_DEVICE);
    CHECK_EQ(berth_session_place(s->session, NULL, "/XPU:0", &error), BERTH_BAD_ARGUMENT);
    CHECK(trial_run(&trial_digits, s->session, NULL, &error));
    CHECK_EQ(berth_session_place(s->session, NULL, "/CPU:0", &error), BERTH_OK);
    CHECK_EQ(held(s, there), 0);
    close_scene(s);
}

/* Runs on either device in turn: once both have their plans, nothing is made any more. */
static void test_alternating(scene *s, const char *there)
{
    berth_error error = {0};
    berth_feed out[TRIAL_PORTS] = {{0}};
    if (!CHECK(open_scene(s, &trial_digits, "/CPU:0", NULL, &error))) return close_scene(s);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(run_on(s, &trial_digits, NULL, out, &error), BERTH_OK);
        CHECK_EQ(run_on(s, &trial_digits, there, out, &error), BERTH_OK);
    }
    berth_device_info here = info_of(s, "/CPU:0"), second = info_of(s, there);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(run_on(s, &trial_digits, NULL, out, &error), BERTH_OK);
        CHECK_EQ(run_on(s, &trial_digits, there, out, &error), BERTH_OK);
    }
    CHECK_EQ(info_of(s, "/CPU:0").memory_in_use, here.memory_in_use);
    CHECK_EQ(info_of(s, "/CPU:0").memory_taken, here.memory_taken);
    CHECK_EQ(info_of(s, there).memory_taken, second.memory_taken);
    CHECK_EQ(run_on(s, &trial_digits, "/GPU:9", out, &error), BERTH_DEVICE);
    if (error.status != BERTH_DEVICE) printf("    %s\n", error.message);
    drop(&trial_digits, out);
    close_scene(s);
}

int main(void)
{
    setenv("BERTH_OPENCL", "cpu", 0);
    if (!trial_make()) return 1;
    berth_set_log(note, BERTH_LOG_WARNING, NULL);
    test_limit();
    test_refused();
    test_dynamic();
    test_fall_back();
    scene s = {.context = two_cpus("0,0")};
    const char *devices[] = {"/CPU:0", "/CPU:1", info_of(&s, "/GPU:0").name ? "/GPU:0" : NULL};
    for (int i = 0; i < 3 && devices[i]; i++) {
        test_back(&s, devices[i]);
        if (i) test_moves(&s, devices[i]), test_alternating(&s, devices[i]), test_waiting(devices[i]);
    }
    if (devices[2]) test_streaming();
    berth_context_free(s.context);
    trial_unmake();
    return check_done();
}
