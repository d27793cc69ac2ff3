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
    *placing = (bt_placing){
        .session = s, .device = device, .parts = bt_arena_new(&s->arena, bt_placing *), .n_parts = 1};
    if (!placing->parts) return bt_fail_memory(error), NULL;
    placing->parts[0] = placing;
    placing->placer = bt_placer_new(s->model->context->registry, options, &s->arena, error);
    if (!placing->placer || bt_model_places(s->model, error)) return NULL;
    return placing;
}

static bool is_several(const char *devices) { return devices && strchr(devices, ','); }

/* One after the other out of "/GPU:0,/GPU:1", in the arena; *at starts at the text, and is NULL after the last. NULL: out of
 * memory. */
static const char *next_device(berth_session *s, const char **at)
{
    size_t n = strcspn(*at, ",");
    const char *device = bt_arena_copy(&s->arena, *at, n);
    *at = (*at)[n] ? *at + n + 1 : NULL;
    return device;
}

/* What a device, or each of several, may be called. */
static berth_status check_devices(berth_session *s, const char *devices, berth_error *error)
{
    bt_device_name name;
    for (const char *at = devices; at;) {
        const char *device = next_device(s, &at);
        if (!device) return bt_fail_memory(error);
        if (bt_device_parse(device, &name, error)) return error->status;
        if (name.is_auto && is_several(devices))
            return bt_fail(error, BERTH_BAD_ARGUMENT, "device '%s': each of several must be named, not '%s'",
                           devices, device);
    }
    return BERTH_OK;
}

static berth_status add_part(berth_session *s, bt_placing *whole, const char *device, berth_error *error)
{
    bt_place_options options = {.device = device, .rules = s->rules, .n_rules = s->n_rules, .hard = s->hard};
    if (whole->n_parts == BT_MAX_PLACES)
        return bt_fail(error, BERTH_BAD_ARGUMENT, "device '%s': more than %d devices", whole->device,
                       BT_MAX_PLACES);
    bt_placing *part = device ? placing_new(s, &options, error) : NULL;
    if (!part) return device ? error->status : bt_fail_memory(error);
    for (int i = 0; i < whole->n_parts; i++)
        if (bt_placer_device(whole->parts[i]->placer) == bt_placer_device(part->placer))
            return bt_fail(error, BERTH_BAD_ARGUMENT, "device '%s': %s is named twice", whole->device,
                           bt_placer_device(part->placer)->name);
    whole->parts[whole->n_parts++] = part;
    return BERTH_OK;
}

/* A part a device. */
static bt_placing *placing_over(berth_session *s, const char *devices, berth_error *error)
{
    bt_placing *whole = bt_arena_new(&s->arena, bt_placing);
    bt_placing **parts = bt_arena_array(&s->arena, bt_placing *, BT_MAX_PLACES);
    if (!whole || !parts) return bt_fail_memory(error), NULL;
    *whole = (bt_placing){.session = s, .device = keep(s, devices), .parts = parts};
    if (!whole->device) return bt_fail_memory(error), NULL;
    if (check_devices(s, devices, error)) return NULL;
    for (const char *at = devices; at;)
        if (add_part(s, whole, next_device(s, &at), error)) return NULL;
    whole->placer = parts[0]->placer;
    return whole;
}

/* As the session was asked to, but on this device, or over these, where one is named. */
static bt_placing *placing_on(berth_session *s, const char *device, bt_device *chosen, berth_error *error)
{
    if (is_several(device)) return placing_over(s, device, error);
    bt_place_options options = {
        .device = device, .chosen = chosen, .rules = s->rules, .n_rules = s->n_rules, .hard = s->hard};
    return placing_new(s, &options, error);
}

static berth_status estimate(berth_session *s, bt_placing *placing, berth_error *error)
{
    berth_status status = BERTH_OK;
    for (int i = 0; i < placing->n_parts && !status; i++)
        status = bt_session_estimate(s, placing->parts[i], error);
    return status;
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
    int64_t others;
    if (bt_device_info(device, &props, &others, NULL)) return -1;
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
    if (!to || (from && from->n_parts == 1 &&
                bt_placer_device(from->placer) == bt_placer_device(to->placer) && !s->n_rules))
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
    if (s->placing && (!is_measured || !estimate(s, s->placing, error))) return BERTH_OK;
    bt_placing *from = s->placing;
    bt_placing *to = bt_session_fall_back(s, from, error);
    if (!to) return error->status ? error->status : BERTH_NO_MEMORY;
    s->placing = to;
    return is_measured ? estimate(s, to, error) : BERTH_OK;
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
    if (!device) return bt_fail(error, BERTH_BAD_ARGUMENT, "a device must be named");
    if (nodes && is_several(device))
        return bt_fail(error, BERTH_BAD_ARGUMENT,
                       "device '%s': nodes go to one device; only a whole session is divided", device);
    pthread_mutex_lock(&s->lock);
    if (check_devices(s, device, error)) return pthread_mutex_unlock(&s->lock), error->status;
    const char *old_device = s->device, **old_rules = s->rules;
    size_t n_old = s->n_rules;
    bt_placing *placing = NULL;
    if (!ask(s, nodes, device, error))
        placing = s->device ? placing_on(s, s->device, NULL, error) : place_auto(s, error);
    if (placing) estimate(s, placing, error);
    if (error->status) s->device = old_device, s->rules = old_rules, s->n_rules = n_old;
    else {
        s->placing = placing, s->placings = NULL; /* those of single runs followed the former rules */
        bt_session_retire_plans(s);
    }
    pthread_mutex_unlock(&s->lock);
    return error->status;
}
