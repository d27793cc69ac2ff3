/* Several threads, one model: the first run, plans, layouts and variables are all fought for at once. */
#include <pthread.h>
#include <stdatomic.h>

#include "trial.h"

enum { THREADS = 4, RUNS = 60 };

typedef struct worker {
    const trial *t;
    berth_model *model;
    berth_session *session; /* NULL: makes its own */
    int number;
} worker;

static atomic_int wrong;

static void *work(void *user)
{
    const worker *w = user;
    berth_error error = {0};
    berth_session *session = w->session ? w->session : berth_session_new(w->model, NULL, &error);
    bool ok = session && (w->session || trial_start(w->t, session, &error));
    for (int i = 0; i < RUNS && ok; i++) {
        trial t = *w->t;
        int64_t rows = (w->number + i) % TRIAL_ROWS + 1;
        if (w->t == &trial_mlp) t.in[0].dims[0] = t.out[0].dims[0] = rows;
        berth_feed in[TRIAL_PORTS], out[TRIAL_PORTS] = {{0}};
        for (int k = 0; k < t.n_in; k++) in[k] = (berth_feed){t.in[k].name, trial_wrap(&t.in[k], &error)};
        for (int k = 0; k < t.n_out; k++) out[k].name = t.out[k].name;
        ok = !berth_session_run(session, in, (size_t)t.n_in, out, (size_t)t.n_out, NULL, &error);
        for (int k = 0; k < t.n_out && ok; k++) ok = trial_same(t.name, &t.out[k], out[k].tensor);
        for (int k = 0; k < t.n_in; k++) berth_tensor_free(in[k].tensor);
        for (int k = 0; k < t.n_out; k++) berth_tensor_free(out[k].tensor);
    }
    if (!ok) printf("%s: %s\n", w->t->name, error.message), wrong++;
    if (!w->session) berth_session_free(session);
    return NULL;
}

static void test_threads(const trial *t, bool share)
{
    berth_error error = {0};
    berth_context_options context;
    berth_load_options load;
    berth_context_options_init(&context);
    berth_load_options_init(&load);
    context.threads = 2;
    load.context = berth_context_new(&context, &error);
    berth_model *model = berth_model_load(t->path, &load, &error);
    berth_session *session = model ? berth_session_new(model, NULL, &error) : NULL;
    if (CHECK(session && trial_start(t, session, &error))) {
        pthread_t threads[THREADS];
        worker workers[THREADS];
        int started = 0;
        for (; started < THREADS; started++) {
            workers[started] = (worker){t, model, share ? session : NULL, started};
            if (!CHECK(!pthread_create(&threads[started], NULL, work, &workers[started]))) break;
        }
        for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
        CHECK_EQ(wrong, 0);
    } else printf("%s: %s\n", t->name, error.message);
    berth_session_free(session);
    berth_model_free(model);
    berth_context_free(load.context);
}

int main(void)
{
    if (!trial_make()) return check_done();
    for (int i = 0; i < N_TRIALS; i++) {
        test_threads(trials[i], true);
        test_threads(trials[i], false);
    }
    trial_unmake();
    return check_done();
}
