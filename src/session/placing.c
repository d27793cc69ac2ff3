/* Where a session's work is done: what options, runs and moves ask for, the device that `auto` means, and the fall-back
 * when a device is absent, broken or full. What each node gets of it: plan/place.c. */
#include <stdatomic.h>
#include <stdlib.h>
#include <strings.h>

#include "base/log.h"
#include "session/session.h"

static const char *keep(berth_session *s, const char *text)
{
    return bt_arena_copy(&s->arena, text, strlen(text));
}

static bt_placing *placing_new(berth_session *s, const bt_place_options *options, berth_error *error)
{
    bt_placing *placing = bt_arena_new(&s->arena, bt_placing);
    if (!placing) return bt_fail_memory(error), NULL;
    const char *device = bt_device_is_open(options->device) ? NULL : keep(s, options->device);
    *placing = (bt_placing){.session = s, .device = device};
    placing->placer = bt_placer_new(s->model->context->registry, options, &s->arena, error);
    if (!placing->placer || bt_model_places(s->model, error)) return NULL;
    return placing;
}

/* As the session was asked to, but on this device where one is named. */
static bt_placing *placing_on(berth_session *s, const char *device, bt_device *chosen, berth_error *error)
{
    bt_place_options options = {
        .device = device, .chosen = chosen, .rules = s->rules, .n_rules = s->n_rules, .hard = s->hard};
    return placing_new(s, &options, error);
}

/* ---- auto --------------------------------------------------------------------------------------------- */

typedef struct candidate {
    bt_device *device;
    int64_t free;
} candidate;

static int most_free(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->free != y->free) return x->free < y->free ? 1 : -1;
    return x->device < y->device ? -1 : 1;
}

static int64_t free_bytes(const bt_device *device)
{
    bt_device_props props;
    if (device->ops->info(device, &props, NULL)) return -1;
    int64_t left = device->limit ? device->limit - atomic_load(&device->in_use) : INT64_MAX;
    return left < props.memory_free ? left : props.memory_free;
}

/* The GPU with the most free memory on which the model fits, else the CPU. */
static bt_placing *place_auto(berth_session *s, berth_error *error)
{
    bt_registry *registry = s->model->context->registry;
    candidate list[BT_MAX_PLACES];
    size_t n = 0;
    for (size_t i = 0; i < bt_registry_count(registry) && n < BT_MAX_PLACES; i++) {
        bt_device *device = bt_registry_at(registry, i);
        int64_t left = device->ops->compile ? free_bytes(device) : -1;
        if (left > 0) list[n++] = (candidate){device, left};
    }
    qsort(list, n, sizeof *list, most_free);
    for (size_t i = 0; i < n; i++) {
        berth_error why = {0};
        bt_placing *placing = placing_on(s, NULL, list[i].device, error);
        if (!placing) return NULL;
        if (!bt_session_estimate(s, placing, &why)) return placing;
        bt_log(BERTH_LOG_DEBUG, "%s", why.message);
    }
    return placing_on(s, NULL, NULL, error);
}

/* ---- Fall-back ---------------------------------------------------------------------------------------- */

static bt_placing *last_resort(berth_session *s, berth_error *error)
{
    if (!s->last_resort)
        s->last_resort = placing_new(s, &(bt_place_options){.device = s->fallback, .hard = s->hard}, error);
    return s->last_resort;
}

bt_placing *bt_session_fall_back(berth_session *s, bt_placing *from, berth_error *error)
{
    berth_error ignored = {0};
    if (!s->fallback || error->status != BERTH_DEVICE || (from && (from == s->last_resort || from->refused)))
        return NULL;
    bt_placing *to = last_resort(s, &ignored);
    if (!to || (from && bt_placer_device(from->placer) == bt_placer_device(to->placer) && !s->n_rules))
        return NULL;
    bool is_move =
        from == s->placing && from; /* of the whole session, not of one run; another run may have done it */
    if (is_move) s->placing = to, bt_session_drop_plans(s);
    if (is_move || !from || from != s->placing)
        bt_log(BERTH_LOG_WARNING, "%s: %s runs on %s now", error->message,
               !from || is_move ? "the model" : "the work", s->fallback);
    bt_error_clear(error);
    return to;
}

/* ---- What is asked for -------------------------------------------------------------------------------- */

static berth_status keep_options(berth_session *s, const berth_session_options *options, berth_error *error)
{
    bool open = bt_device_is_open(options->device);
    const char *fallback = options->fallback ? options->fallback : open ? "/CPU:0" : "none";
    bt_device_name name;
    s->rules = bt_arena_array(&s->arena, const char *, options->n_rules + 1);
    if (!s->rules) return bt_fail_memory(error);
    for (; s->n_rules < options->n_rules; s->n_rules++)
        if (!(s->rules[s->n_rules] = keep(s, options->rules[s->n_rules]))) return bt_fail_memory(error);
    if (!open && !(s->device = keep(s, options->device))) return bt_fail_memory(error);
    if (!*fallback || !strcasecmp(fallback, "none")) return BERTH_OK;
    if (!(s->fallback = keep(s, fallback))) return bt_fail_memory(error);
    if (bt_device_parse(fallback, &name, error)) return bt_error_prefix(error, "fall-back"), error->status;
    return name.is_auto
               ? bt_fail(error, BERTH_BAD_ARGUMENT, "fall-back: must be a device, not '%s'", fallback)
               : BERTH_OK;
}

berth_status bt_session_place_first(berth_session *s, const berth_session_options *options, bool is_measured,
                                    berth_error *error)
{
    berth_status status = keep_options(s, options, error);
    if (status) return status;
    s->placing = s->device ? placing_on(s, s->device, NULL, error) : place_auto(s, error);
    if (s->placing && (!is_measured || !bt_session_estimate(s, s->placing, error))) return BERTH_OK;
    bt_placing *from = s->placing;
    bt_placing *to = bt_session_fall_back(s, from, error);
    if (!to) return error->status ? error->status : BERTH_NO_MEMORY;
    s->placing = to;
    return is_measured ? bt_session_estimate(s, to, error) : BERTH_OK;
}

bt_placing *bt_session_placing(berth_session *s, const char *device, berth_error *error)
{
    if (!device) return s->placing;
    for (bt_placing *p = s->placings; p; p = p->next)
        if (p->device && !strcmp(p->device, device)) return p;
    bt_placing *placing =
        bt_device_is_open(device) ? place_auto(s, error) : placing_on(s, device, NULL, error);
    if (!placing) return bt_session_fall_back(s, NULL, error);
    if (!(placing->device = keep(s, device))) return bt_fail_memory(error), NULL;
    placing->next = s->placings, s->placings = placing;
    return placing;
}

/* The rule for these nodes behind all others; or, for all of them, the device and no rules. */
static berth_status ask(berth_session *s, const char *nodes, const char *device, berth_error *error)
{
    const char **rules = bt_arena_array(&s->arena, const char *, s->n_rules + 2);
    if (!rules) return bt_fail_memory(error);
    if (!nodes) {
        bool open = bt_device_is_open(device);
        s->rules = rules, s->n_rules = 0;
        s->device = open ? NULL : keep(s, device);
        return open || s->device ? BERTH_OK : bt_fail_memory(error);
    }
    if (s->n_rules) memcpy((void *)rules, (const void *)s->rules, s->n_rules * sizeof *rules);
    rules[s->n_rules] = bt_arena_print(&s->arena, "%s=%s", nodes, device);
    if (!rules[s->n_rules]) return bt_fail_memory(error);
    s->rules = rules, s->n_rules++;
    return BERTH_OK;
}

berth_status berth_session_place(berth_session *s, const char *nodes, const char *device, berth_error *error)
{
    berth_error own;
    if (!error) error = &own;
    bt_error_clear(error);
    bt_device_name name;
    if (!device) return bt_fail(error, BERTH_BAD_ARGUMENT, "a device must be named");
    if (bt_device_parse(device, &name, error)) return error->status;
    pthread_mutex_lock(&s->lock);
    const char *old_device = s->device, **old_rules = s->rules;
    size_t n_old = s->n_rules;
    bt_placing *placing = NULL;
    if (!ask(s, nodes, device, error))
        placing = s->device ? placing_on(s, s->device, NULL, error) : place_auto(s, error);
    if (placing) bt_session_estimate(s, placing, error);
    if (error->status) s->device = old_device, s->rules = old_rules, s->n_rules = n_old;
    else {
        s->placing = placing, s->placings = NULL; /* those of single runs followed the former rules */
        bt_session_retire_plans(s);
    }
    pthread_mutex_unlock(&s->lock);
    return error->status;
}
