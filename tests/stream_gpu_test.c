/* Weights that pass through a device: answers are right and the limit holds, whether the window has one part or two, of which one
 * is filled while a step reads the other; with several threads too. */
#include <pthread.h>

#include "scene.h"

enum {
    WIDE = 64,
    LAYERS = 8,
    ROWS = 4,
    PART = WIDE * WIDE * 4,
    ACTIVATIONS = 4 * ROWS * WIDE * 4,
    THREADS = 3,
    ROUNDS = 10
};

static float x[ROWS * WIDE], y[ROWS * WIDE], weights[LAYERS][WIDE * WIDE];
static trial layers = {"layers", .in = {{"x:0", BERTH_FLOAT, 2, {ROWS, WIDE}, x}},
                       .out = {{"l7:0", BERTH_FLOAT, 2, {ROWS, WIDE}, y}}, .n_in = 1, .n_out = 1};

/* Products one after the other, of small weights, so that answers stay small. */
static bool make_model(void)
{
    bt_text all = {0};
    float in[ROWS * WIDE];
    bt_text_print(
        &all, "%s",
        TRIAL_NODE(
            "x", "Placeholder", "",
            TRIAL_TYPE(
                "dtype",
                "DT_FLOAT") "attr { key: 'shape' value { shape { dim { size: -1 } dim { size: 64 } } } }"));
    for (int i = 0; i < ROWS * WIDE; i++) x[i] = y[i] = check_float(-1, 1);
    for (int l = 0; l < LAYERS; l++) {
        char name[8], before[8];
        snprintf(name, sizeof name, "w%d", l), snprintf(before, sizeof before, "l%d", l - 1);
        trial_const(&all, name, WIDE, WIDE, weights[l]);
        bt_text_print(&all, "node { name: 'l%d' op: 'MatMul' input: '%s' input: 'w%d' " TRIAL_FLOAT "}\n", l,
                      l ? before : "x", l);
        memcpy(in, y, sizeof in);
        for (int i = 0; i < ROWS * WIDE; i++) {
            double sum = 0;
            for (int k = 0; k < WIDE; k++)
                sum += (double)in[i / WIDE * WIDE + k] * weights[l][k * WIDE + i % WIDE];
            y[i] = (float)sum;
        }
    }
    bool ok = trial_write(&layers, all.p);
    bt_text_free(&all);
    return ok;
}

/* The largest answer is some 10^6: what is wrong is so by as much. */
static bool run(berth_session *session, berth_error *error)
{
    float largest = 0;
    berth_feed in = {"x:0", trial_wrap(&layers.in[0], error)}, out = {"l7:0"};
    bool ok = !berth_session_run(session, &in, 1, &out, 1, NULL, error);
    for (int i = 0; i < ROWS * WIDE; i++) largest = fmaxf(largest, fabsf(y[i]));
    for (int i = 0; i < ROWS * WIDE && ok; i++)
        ok = fabsf(((const float *)berth_tensor_data(out.tensor))[i] - y[i]) <= 1e-4f * largest;
    berth_tensor_free(in.tensor), berth_tensor_free(out.tensor);
    return ok;
}

static void *run_many(void *user)
{
    for (int i = 0; i < ROUNDS; i++) {
        berth_error error = {0};
        if (!run(user, &error)) return printf("    %s\n", error.message), "failed";
    }
    return NULL;
}

/* A session with so much room; gives what is held there after a run, of which `threads` are at once. */
static int64_t held_after(int64_t limit, int threads)
{
    berth_error error = {0};
    berth_device_options device;
    berth_load_options load;
    berth_session_options options;
    scene s = {.context = berth_context_new(NULL, &error)};
    berth_device_options_init(&device);
    device.device = "/GPU:0", device.limit = limit;
    CHECK(!berth_device_configure(s.context, &device, &error));
    berth_load_options_init(&load);
    load.context = s.context;
    berth_session_options_init(&options);
    options.device = "/GPU:0", options.fallback = "none", options.stream_weights = true;
    s.model = berth_model_load(layers.path, &load, &error);
    s.session = s.model ? berth_session_new(s.model, &options, &error) : NULL;
    for (int i = 0; i < 3; i++)
        if (!CHECK(s.session && run(s.session, &error)))
            printf("    limit %lld: %s\n", (long long)limit, error.message);
    int64_t held_then = held(&s, "/GPU:0");
    pthread_t ids[THREADS];
    for (int i = 0; i < threads; i++)
        if (pthread_create(&ids[i], NULL, run_many, s.session)) abort();
    for (int i = 0; i < threads; i++) {
        void *failed = NULL;
        pthread_join(ids[i], &failed);
        CHECK(!failed);
    }
    CHECK(info_of(&s, "/GPU:0").memory_peak <= limit);
    close_scene(&s);
    CHECK_EQ(held(&s, "/GPU:0"), 0);
    berth_context_free(s.context);
    return held_then;
}

static void test_parts(void)
{
    int64_t one = held_after(PART + ACTIVATIONS, 0), two = held_after(2 * PART + ACTIVATIONS, 0);
    CHECK(one > PART && one < 2 * PART);
    CHECK_EQ(two - one, PART);
    CHECK_EQ(held_after(5 * PART + ACTIVATIONS, 0) - two, 3 * PART); /* the others stay */
    held_after(2 * PART + THREADS * ACTIVATIONS, THREADS);
}

int main(void)
{
    setenv("BERTH_OPENCL", "cpu", 0);
    if (!trial_make() || !make_model()) return check_done();
    scene s = {.context = berth_context_new(NULL, NULL)};
    bool is_there = info_of(&s, "/GPU:0").name != NULL;
    berth_context_free(s.context);
    if (!is_there) printf("skipped: there is no GPU\n");
    else test_parts();
    setenv("STANDIN_EAGER", "1", 1); /* where that is the driver: what comes is there as soon as it may */
    if (is_there) test_parts();
    unlink(layers.path);
    trial_unmake();
    return check_done();
}
