/* Placement in the order of precedence: the last rule that matches, an explicit device, the graph's own device strings
 * (only where the device was left open, and never so that they make a graph fail), the chosen device. */
#include "plan/place.h"

#include <strings.h>

typedef struct rule {
    bool by_op;
    const char *pattern, *device;
    bt_device *found;
} rule;

static berth_status parse_rule(const char *text, bt_registry *registry, bt_arena *arena, rule *r,
                               berth_error *error)
{
    const char *equals = strrchr(text, '=');
    if (!equals || equals == text)
        return bt_fail(error, BERTH_BAD_ARGUMENT, "rule '%s': must be PATTERN=DEVICE", text);
    r->by_op = bt_starts(text, "op:");
    const char *start = text + (r->by_op ? 3 : 0);
    r->pattern = bt_arena_copy(arena, start, (size_t)(equals - start));
    r->device = bt_arena_copy(arena, equals + 1, strlen(equals + 1));
    if (!r->pattern || !r->device) return bt_fail_memory(error);
    r->found = bt_registry_find(registry, r->device, error);
    if (!r->found) return bt_error_prefix(error, "rule '%s'", text), error->status;
    return BERTH_OK;
}

struct bt_placer {
    bt_registry *registry;
    const char *device; /* NULL: left open */
    bt_device *chosen;
    rule *rules;
    size_t n_rules;
};

bool bt_device_is_open(const char *device) { return !device || !strcasecmp(device, "auto"); }
bt_device *bt_placer_device(const bt_placer *placer) { return placer->chosen; }

bt_placer *bt_placer_new(bt_registry *registry, const bt_place_options *options, bt_arena *arena,
                         berth_error *error)
{
    bool open = bt_device_is_open(options->device);
    bt_placer *placer = bt_arena_new(arena, bt_placer);
    rule *rules = bt_arena_array(arena, rule, options->n_rules + 1);
    char *device = open ? NULL : bt_arena_copy(arena, options->device, strlen(options->device));
    if (!placer || !rules || (!open && !device)) return bt_fail_memory(error), NULL;
    if (open) bt_registry_count(registry); /* whatever the graph names is known from now on */
    bt_device *chosen =
        open && options->chosen ? options->chosen : bt_registry_find(registry, open ? "CPU" : device, error);
    *placer = (bt_placer){registry, device, chosen, rules, options->n_rules};
    if (!placer->chosen) return NULL;
    for (size_t i = 0; i < options->n_rules; i++)
        if (parse_rule(options->rules[i], registry, arena, &rules[i], error)) return NULL;
    return placer;
}

static const rule *match(const bt_placer *placer, const char *name, const char *op)
{
    for (size_t i = placer->n_rules; i-- > 0;) {
        const rule *r = &placer->rules[i];
        if (bt_glob(r->pattern, r->by_op ? op : name)) return r;
    }
    return NULL;
}

/* What the graph asks for itself; a device that is not there is passed over. */
static bool by_graph(const bt_placer *placer, const char *asked, bt_arena *arena, bt_place *place)
{
    bt_device *found = *asked ? bt_registry_find(placer->registry, asked, NULL) : NULL;
    place->requested = asked;
    place->device = found ? found : placer->chosen;
    place->reason = !*asked ? "placed"
                    : found ? "placed as the graph asks"
                            : bt_arena_print(arena, "moved because %s is not there", asked);
    return place->reason != NULL;
}

bool bt_place_node(const bt_placer *placer, const char *name, const char *op, const char *asked,
                   bt_arena *arena, bt_place *place)
{
    const rule *r = match(placer, name, op);
    if (r) *place = (bt_place){r->device, r->found, "placed by a rule"};
    else if (placer->device) *place = (bt_place){placer->device, placer->chosen, "placed"};
    else return by_graph(placer, asked, arena, place);
    return true;
}
