/* Scenes for tests of devices through the public header: a context with two logical CPUs, a model and a session on one of
 * its devices, and what lies where. The models are those of trial.h. */
#ifndef SCENE_H
#define SCENE_H

#include "trial.h"

typedef struct scene {
    berth_context *context;
    berth_model *model;
    berth_session *session;
} scene;

static int n_warnings;    /* in the log since it was set to 0 */
static char warning[600]; /* the last one */

static inline void note(void *user, berth_log_level level, const char *line)
{
    (void)user;
    if (level != BERTH_LOG_WARNING) return;
    n_warnings++;
    snprintf(warning, sizeof warning, "%s", line);
}

static inline void close_scene(scene *s)
{
    berth_session_free(s->session);
    berth_model_free(s->model);
    s->session = NULL, s->model = NULL;
}

/* A model and a session of their own on a device; false with the error set. */
static inline bool open_scene(scene *s, const trial *t, const char *device, const char *fallback,
                              berth_error *error)
{
    berth_load_options load;
    berth_session_options options;
    berth_load_options_init(&load);
    berth_session_options_init(&options);
    load.context = s->context;
    options.device = device, options.fallback = fallback;
    if (!CHECK(s->model = berth_model_load(t->path, &load, error))) return false;
    return (s->session = berth_session_new(s->model, &options, error)) != NULL;
}

/* On a context of its own, of one thread, and what the trial runs at its start; false with the error set. */
static inline bool open_alone(scene *s, const trial *t, const char *device, const char *fallback, berth_error *error)
{
    berth_context_options options;
    berth_context_options_init(&options);
    options.threads = 1;
    s->context = berth_context_new(&options, error);
    return s->context && open_scene(s, t, device, fallback, error) && trial_start(t, s->session, error);
}

/* A context with two logical CPUs, of which the second has a limit. */
static inline berth_context *two_cpus(const char *logical)
{
    berth_error error = {0};
    berth_device_options options;
    berth_device_options_init(&options);
    options.device = "CPU:0", options.logical = logical;
    berth_context *context = berth_context_new(NULL, &error);
    if (!CHECK(context && !berth_device_configure(context, &options, &error)))
        printf("    %s\n", error.message);
    return context;
}

static inline berth_device_info info_of(const scene *s, const char *name)
{
    berth_device_info info = {0};
    for (size_t i = 0; i < berth_device_count(s->context); i++)
        if (!berth_device_get(s->context, i, &info, NULL) && !strcmp(info.name, name)) return info;
    return (berth_device_info){0};
}

static inline int64_t held(const scene *s, const char *name) { return info_of(s, name).memory_in_use; }

static inline berth_status run_on(scene *s, const trial *t, const char *device, berth_feed *out,
                                  berth_error *error)
{
    berth_feed in[TRIAL_PORTS] = {{0}};
    berth_run_options options;
    berth_run_options_init(&options);
    options.device = device;
    for (int i = 0; i < t->n_in; i++) in[i] = (berth_feed){t->in[i].name, trial_wrap(&t->in[i], error)};
    for (int i = 0; i < t->n_out; i++) out[i].name = t->out[i].name;
    berth_status status =
        berth_session_run(s->session, in, (size_t)t->n_in, out, (size_t)t->n_out, &options, error);
    for (int i = 0; i < t->n_out && !status; i++) CHECK(trial_same(t->name, &t->out[i], out[i].tensor));
    for (int i = 0; i < t->n_in; i++) berth_tensor_free(in[i].tensor);
    return status;
}

static inline void drop(const trial *t, berth_feed *out)
{
    for (int i = 0; i < t->n_out; i++) berth_tensor_free(out[i].tensor);
}

#endif
