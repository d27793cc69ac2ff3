/* The whole path, from file to answer, while its first, second, third ... allocation fails, until none does: it
 * says what went wrong, crashes never, leaks nothing and never gives a wrong answer. */
#include "torture.h"

#include "trial.h"

/* One pass over everything, in a context of its own with one thread, so that every pass allocates the same. */
static bool whole(void *user)
{
    const trial *t = user;
    berth_error error = {0};
    berth_context_options context_options;
    berth_load_options load;
    berth_context_options_init(&context_options);
    berth_load_options_init(&load);
    context_options.threads = 1;
    load.context = berth_context_new(&context_options, &error);
    berth_model *model = load.context ? berth_model_load(t->path, &load, &error) : NULL;
    berth_session *session = model ? berth_session_new(model, NULL, &error) : NULL;
    bool ok = session && trial_start(t, session, &error) && trial_run(t, session, NULL, &error) &&
              trial_run(t, session, NULL, &error);
    if (!ok && !CHECK((error.status == BERTH_NO_MEMORY || error.status == BERTH_DEVICE) && *error.message))
        printf("%s: status %d: %s\n", t->name, error.status, error.message);
    berth_session_free(session);
    berth_model_free(model);
    berth_context_free(load.context);
    return ok;
}

/* A run that fails leaves the session as it was: the next one is right. */
static bool again(void *user)
{
    static const trial_port rows[] = {{"x:0", BERTH_FLOAT, 2, {1, TRIAL_IN}, trial_x},
                                      {"x:0", BERTH_FLOAT, 2, {2, TRIAL_IN}, trial_x},
                                      {"x:0", BERTH_FLOAT, 2, {TRIAL_ROWS, TRIAL_IN}, trial_x}};
    berth_session *session = user;
    berth_error error = {0};
    bool ok = true;
    for (int i = 0; i < 3 && ok; i++) {
        trial t = trial_mlp;
        t.in[0] = rows[i];
        t.out[0].dims[0] = rows[i].dims[0];
        ok = trial_run(&t, session, NULL, &error);
    }
    return ok;
}

static void torture_session(void)
{
    berth_error error = {0};
    for (uint64_t n = 1, made = n; made >= n; n++) {
        berth_model *model = berth_model_load(trial_mlp.path, NULL, &error);
        berth_session *session = model ? berth_session_new(model, NULL, &error) : NULL;
        if (!CHECK(session)) return;
        bt_mem_fail_at(n);
        bool ok = again(session);
        made = bt_mem_fail_at(0);
        CHECK(ok || made >= n);
        CHECK(again(session));
        berth_session_free(session);
        berth_model_free(model);
    }
}

int main(void)
{
    if (!trial_make()) return check_done();
    for (int i = 0; i < N_TRIALS; i++) {
        bt_mem_fail_at(0);
        uint64_t made = torture(whole, trials[i], true);
        printf("%s: %llu allocations, each refused once\n", trials[i]->name, (unsigned long long)made);
    }
    torture_session();
    trial_unmake();
    return check_done();
}
