/* Replayed runs on whatever GPU is there (replay_test.c: more, on the stand-in driver): right answers while feeds and shapes
 * change, and as many replays as there should be, counted by a table of functions put in the device's place. */
#include "session/model.h"

#include "trial.h"

static const bt_device_ops *real;
static bt_device_ops spy;
static int n_replays, n_launches;

static berth_status spy_replay(bt_device *device, bt_recording *recording, berth_error *error)
{
    n_replays++;
    return real->replay(device, recording, error);
}

static berth_status spy_launch(bt_device *device, bt_kernel *kernel, const bt_grid *grid, const bt_arg *args,
                               int n, berth_error *error)
{
    n_launches++;
    return real->launch(device, kernel, grid, args, n, error);
}

/* False: there is no GPU, or nothing can be recorded on it. */
static bool watch(const berth_context *context)
{
    bt_device *gpu = bt_registry_find(context->registry, "/GPU:0", NULL);
    if (!gpu || !gpu->ops->record) return false;
    real = gpu->ops, spy = *real;
    spy.replay = spy_replay, spy.launch = spy_launch;
    gpu->ops = &spy;
    return true;
}

/* `rows` of each of n runs. */
static void runs(const trial *t, berth_session *session, int n, const int *rows)
{
    berth_error error = {0};
    for (int i = 0; i < n; i++) {
        trial now = *t;
        if (t == &trial_mlp) trial_mlp_answers(), now.in[0].dims[0] = now.out[0].dims[0] = rows[i];
        if (!CHECK(trial_run(&now, session, NULL, &error))) printf("%s: %s\n", t->name, error.message);
    }
}

static void test(const trial *t, berth_context *context)
{
    static const int same[] = {5, 5, 5, 5, 5, 5}, other[] = {2, 2, 5, 2, 5, 5};
    berth_error error = {0};
    berth_load_options load;
    berth_session_options options;
    berth_load_options_init(&load);
    berth_session_options_init(&options);
    load.context = context, options.device = "/GPU:0";
    berth_model *model = berth_model_load(t->path, &load, &error);
    berth_session *session = model ? berth_session_new(model, &options, &error) : NULL;
    n_replays = n_launches = 0;
    if (CHECK(session)) {
        runs(t, session, 6, same);
        CHECK_EQ(n_replays, 5);
        int launches = n_launches; /* of the first run, and of the recording */
        runs(t, session, 6, same);
        CHECK_EQ(n_replays, 11);
        CHECK_EQ(n_launches, launches);
        if (t == &trial_mlp) runs(t, session, 6, other), CHECK_EQ(n_replays, 16);
    }
    berth_session_free(session);
    berth_model_free(model);
}

int main(void)
{
    berth_error error = {0};
    setenv("BERTH_OPENCL", "cpu", 0);
    berth_context *context = berth_context_new(NULL, &error);
    if (!CHECK(context)) return check_done();
    if (!watch(context)) {
        printf("skipped: there is no GPU on which anything is recorded\n");
        berth_context_free(context);
        return 0;
    }
    if (!trial_make()) return 1;
    test(&trial_mlp, context);
    test(&trial_digits, context);
    berth_context_free(context);
    trial_unmake();
    return check_done();
}
