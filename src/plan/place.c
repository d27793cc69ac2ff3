/* Placement in the order of precedence: the last rule that matches, an explicit device, the graph's own device strings
 * (only where the device was left open, and never so that they make a graph fail), the chosen device. */
#include "plan/place.h"

typedef struct rule {
    bool by_op;
    const char *pattern, *device;
    bt_device *found;
} rule;

static berth_status parse_rule(const char *text, bt_registry *registry, bt_arena *arena, rule *r, berth_error *error)
{
    const char *equals = strrchr(text, '=');
    if (!equals || equals == text) return bt_fail(error, BERTH_BAD_ARGUMENT, "rule '%s': must be PATTERN=DEVICE", text);
    r->by_op = bt_starts(text, "op:");
    const char *start = text + (r->by_op ? 3 : 0);
    r->pattern = bt_arena_copy(arena, start, (size_t)(equals - start));
    r->device = bt_arena_copy(arena, equals + 1, strlen(equals + 1));
    if (!r->pattern || !r->device) return bt_fail_memory(error);
    r->found = bt_registry_find(registry, r->device, error);
    if (!r->found) return bt_error_prefix(error, "rule '%s'", text), error->status;
    return BERTH_OK;
}

static const rule *match(const rule *rules, size_t n, const bt_node *node)
{
    while (n--)
        if (bt_glob(rules[n].pattern, rules[n].by_op ? node->op : node->name)) return &rules[n];
    return NULL;
}

/* What the graph asks for itself; a device that is not there is passed over. */
static berth_status by_graph(const bt_node *node, bt_registry *registry, bt_device *chosen, bt_arena *arena, bt_place *place)
{
    berth_error ignored = {0};
    bt_device *found = *node->device ? bt_registry_find(registry, node->device, &ignored) : NULL;
    place->requested = node->device;
    place->device = found ? found : chosen;
    place->reason = !*node->device ? "placed" : found ? "placed as the graph asks"
                    : bt_arena_print(arena, "moved because %s is not there", node->device);
    return place->reason ? BERTH_OK : BERTH_NO_MEMORY;
}

berth_status bt_place_graph(const bt_graph *graph, bt_registry *registry, const bt_place_options *options, bt_arena *arena,
                            bt_place **places, berth_error *error)
{
    bool open = !options->device || !strcmp(options->device, "auto");
    bt_device *chosen = bt_registry_find(registry, open ? "CPU" : options->device, error);
    if (!chosen) return error->status;
    rule *rules = bt_arena_array(arena, rule, options->n_rules + 1);
    *places = bt_arena_array(arena, bt_place, graph->n_nodes + 1);
    if (!rules || !*places) return bt_fail_memory(error);
    for (size_t i = 0; i < options->n_rules; i++) {
        berth_status status = parse_rule(options->rules[i], registry, arena, &rules[i], error);
        if (status) return status;
    }
    for (size_t i = 0; i < graph->n_nodes; i++) {
        bt_place *place = &(*places)[i];
        const rule *r = match(rules, options->n_rules, &graph->nodes[i]);
        if (r) *place = (bt_place){r->device, r->found, "placed by a rule"};
        else if (!open) *place = (bt_place){options->device, chosen, "placed"};
        else if (by_graph(&graph->nodes[i], registry, chosen, arena, place)) return bt_fail_memory(error);
    }
    return BERTH_OK;
}
