/* What a device's kernels find in data that they cannot take: the run fails as on the CPU, with the node's name, and the
 * next run of the session is right. Mechanism: src/plan/fault.c. */
#include "trial.h"

static const int32_t good[2] = {2, 0}, bad[2] = {0, 3};
static const float rows[6] = {1, 2, 3, 4, 5, 6}, picked[4] = {5, 6, 1, 2};

/* y = -(rows i of x); the negation is there so that the run goes on after the fault. */
static const char pick_text[] =
    TRIAL_NODE("x", "Placeholder", "", TRIAL_TYPE("dtype", "DT_FLOAT"))
    TRIAL_NODE("i", "Placeholder", "", TRIAL_TYPE("dtype", "DT_INT32"))
    TRIAL_NODE("axis", "Const", "", TRIAL_SCALAR("DT_INT32", "int_val", "0"))
    TRIAL_NODE("minus", "Neg", "input: 'x'", TRIAL_FLOAT)
    TRIAL_NODE("pick", "GatherV2", "input: 'minus' input: 'i' input: 'axis'",
               TRIAL_TYPE("Tparams", "DT_FLOAT") TRIAL_TYPE("Tindices", "DT_INT32") TRIAL_TYPE("Taxis", "DT_INT32"))
    TRIAL_NODE("y", "Neg", "input: 'pick'", TRIAL_FLOAT);

static trial pick = {"pick",
                     .in = {{"x:0", BERTH_FLOAT, 2, {3, 2}, rows}, {"i:0", BERTH_INT32, 1, {2}, good}},
                     .out = {{"y:0", BERTH_FLOAT, 2, {2, 2}, picked}},
                     .n_in = 2,
                     .n_out = 1};

static void test_indices(berth_session *session)
{
    berth_error error = {0};
    for (int round = 0; round < 5; round++) {
        bool fails = round % 2;
        berth_feed in[2], out = {.name = "y:0"};
        pick.in[1].data = fails ? bad : good;
        for (int i = 0; i < 2; i++) in[i] = (berth_feed){pick.in[i].name, trial_wrap(&pick.in[i], &error)};
        berth_status status = berth_session_run(session, in, 2, &out, 1, NULL, &error);
        if (!CHECK_EQ(status, fails ? BERTH_BAD_INPUT : BERTH_OK)) printf("    %s\n", error.message);
        if (fails) CHECK(!strcmp(error.message, "node 'pick' (GatherV2): index 3 at 1 is not in [0, 3)"));
        else CHECK(trial_same("pick", &pick.out[0], out.tensor));
        berth_tensor_free(out.tensor);
        for (int i = 0; i < 2; i++) berth_tensor_free(in[i].tensor);
    }
}

int main(void)
{
    berth_error error = {0};
    setenv("BERTH_OPENCL", "cpu", 0);
    if (!trial_make() || !trial_write(&pick, pick_text)) return 1;
    for (int gpu = 0; gpu < 2; gpu++) {
        berth_session_options options;
        berth_session_options_init(&options);
        options.device = gpu ? "/GPU:0" : "/CPU:0";
        berth_model *model = berth_model_load(pick.path, NULL, &error);
        berth_session *session = model ? berth_session_new(model, &options, &error) : NULL;
        if (session) test_indices(session);
        else if (gpu) printf("skipped on %s: %s\n", options.device, error.message);
        else CHECK(session);
        berth_session_free(session);
        berth_model_free(model);
    }
    unlink(pick.path);
    trial_unmake();
    return check_done();
}
