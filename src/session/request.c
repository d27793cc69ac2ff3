/* From the names of feeds, fetches and targets to a plan: what they mean in the graph, what the model says of them. Keeps
 * nothing; who keeps plans: session.c. */
#include "session/session.h"

#include <stdio.h>

/* ---- Names -------------------------------------------------------------------------------------------- */

static const bt_port *port_of(const bt_port *ports, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(ports[i].key, name)) return &ports[i];
    return NULL;
}

/* A key of the signature, or a tensor's name. */
static berth_status resolve(const berth_session *s, const char *name, bool is_feed, bt_edge *edge,
                            const bt_port **port, berth_error *error)
{
    const bt_signature *sig = s->signature;
    *port = is_feed ? port_of(sig->inputs, sig->n_inputs, name) : port_of(sig->outputs, sig->n_outputs, name);
    bt_str node;
    int slot;
    const char *kind = is_feed ? "input" : "output";
    if (!bt_tensor_name(bt_str_of(*port ? (*port)->tensor : name), &node, &slot) || slot < 0)
        return bt_fail(error, BERTH_NOT_FOUND, "%s '%s': is no tensor's name", kind, name);
    int32_t index = bt_graph_find(&s->model->source.graph, node);
    if (index < 0)
        return bt_fail(error, BERTH_NOT_FOUND, "%s '%s': the model has no such tensor", kind, name);
    const bt_node *found = &s->model->source.graph.nodes[index];
    if (found->def && slot >= bt_node_outputs(found))
        return bt_fail(error, BERTH_NOT_FOUND, "%s '%s': node '%s' (%s) has %d output%s", kind, name,
                       found->name, found->op, bt_node_outputs(found),
                       bt_node_outputs(found) == 1 ? "" : "s");
    *edge = (bt_edge){index, slot};
    return BERTH_OK;
}

/* What the model says of a fed tensor; its dtype is the given tensor's where the model leaves it open. */
static bt_fact feed_fact(const berth_session *s, bt_edge edge, const bt_port *port, const berth_feed *feed)
{
    const bt_node *node = &s->model->source.graph.nodes[edge.node];
    bt_fact fact = {port ? port->dtype : BERTH_NO_DTYPE, port ? port->shape : BT_SHAPE_UNKNOWN, NULL};
    bool is_input = bt_starts(node->op, "Placeholder");
    if (is_input && !fact.dtype) fact.dtype = bt_attr_type(node, "dtype", BERTH_NO_DTYPE);
    bt_shape shape = is_input ? bt_input_shape(node, s->model->source.producer) : BT_SHAPE_UNKNOWN;
    bt_shape_merge(&fact.shape, &shape);
    if (!fact.dtype && feed->tensor) fact.dtype = feed->tensor->t.dtype;
    return fact;
}

/* The signature's own names where none are given. */
berth_status bt_session_names(const berth_session *s, bt_arena *arena, bt_names *n, berth_error *error)
{
    if (n->n_feeds || n->n_fetches) return BERTH_OK;
    const bt_signature *sig = s->signature;
    berth_feed *feeds = bt_arena_array(arena, berth_feed, (size_t)sig->n_inputs + (size_t)sig->n_outputs + 1);
    if (!feeds) return bt_fail_memory(error);
    for (int i = 0; i < sig->n_inputs; i++) feeds[i].name = sig->inputs[i].key;
    for (int i = 0; i < sig->n_outputs; i++) feeds[sig->n_inputs + i].name = sig->outputs[i].key;
    n->feeds = feeds, n->n_feeds = (size_t)sig->n_inputs;
    n->fetches = feeds + sig->n_inputs, n->n_fetches = (size_t)sig->n_outputs;
    return BERTH_OK;
}

/* ---- Plans -------------------------------------------------------------------------------------------- */

typedef struct request_arrays {
    bt_edge *feeds, *fetches;
    bt_fact *facts;
    const char **names;
    int32_t *targets;
} request_arrays;

static berth_status resolve_names(const berth_session *s, const bt_names *n, request_arrays *r,
                                  berth_error *error)
{
    const bt_port *port;
    for (size_t i = 0; i < n->n_feeds; i++) {
        berth_status status = resolve(s, n->feeds[i].name, true, &r->feeds[i], &port, error);
        if (status) return status;
        r->facts[i] = feed_fact(s, r->feeds[i], port, &n->feeds[i]);
        r->names[i] = n->feeds[i].name;
        for (size_t j = 0; j < i; j++)
            if (r->feeds[j].node == r->feeds[i].node && r->feeds[j].slot == r->feeds[i].slot)
                return bt_fail(error, BERTH_BAD_INPUT, "input '%s': is given twice", n->feeds[i].name);
    }
    for (size_t i = 0; i < n->n_fetches; i++) {
        berth_status status = resolve(s, n->fetches[i].name, false, &r->fetches[i], &port, error);
        if (status) return status;
    }
    for (size_t i = 0; i < n->n_targets; i++) {
        bt_str node;
        int slot;
        bool named = bt_tensor_name(bt_str_of(n->targets[i]), &node, &slot);
        r->targets[i] = named ? bt_graph_find(&s->model->source.graph, node) : -1;
        if (r->targets[i] < 0)
            return bt_fail(error, BERTH_NOT_FOUND, "target '%s': the model has no such node", n->targets[i]);
    }
    return BERTH_OK;
}

/* A missing input is named as the signature does. */
static void name_missing_input(const berth_session *s, berth_error *error)
{
    char quoted[300];
    for (int i = 0; error && i < s->signature->n_inputs; i++) {
        const bt_port *port = &s->signature->inputs[i];
        snprintf(quoted, sizeof quoted, "'%s' is an input that must be given", port->tensor);
        if (strcmp(error->message, quoted) || !strcmp(port->key, port->tensor)) continue;
        error->status = BERTH_OK;
        bt_fail(error, BERTH_BAD_INPUT, "input '%s' (%s) must be given", port->key, port->tensor);
        return;
    }
}

/* The place that the options and the graph ask for. */
static int place_of(void *user, const bt_node *node)
{
    const bt_placing *placing = user;
    const berth_session *s = placing->session;
    bt_arena work;
    bt_arena_init(&work);
    bt_place place = {.device = s->model->places[0]};
    bt_place_node(placing->placer, node->name, node->op, node->device, &work, &place);
    bt_arena_free(&work);
    for (int i = 0; i < s->model->n_places; i++)
        if (s->model->places[i] == place.device) return i;
    return 0;
}

bt_plan *bt_session_make_plan(berth_session *s, bt_placing *placing, const bt_names *n,
                              const bt_planning *how, berth_error *error)
{
    bt_arena work;
    bt_arena_init(&work);
    request_arrays r = {
        bt_arena_array(&work, bt_edge, n->n_feeds + 1), bt_arena_array(&work, bt_edge, n->n_fetches + 1),
        bt_arena_array(&work, bt_fact, n->n_feeds + 1), bt_arena_array(&work, const char *, n->n_feeds + 1),
        bt_arena_array(&work, int32_t, n->n_targets + 1)};
    bt_plan *plan = NULL;
    if (!r.feeds || !r.fetches || !r.facts || !r.names || !r.targets) bt_fail_memory(error);
    else if (!resolve_names(s, n, &r, error) && !bt_source_unchanged(&s->model->source, error)) {
        bt_plan_request request = {.graph = &s->model->source.graph,
                                   .as_written = true,
                                   .feeds = r.feeds,
                                   .feed_facts = r.facts,
                                   .feed_names = r.names,
                                   .n_feeds = (int)n->n_feeds,
                                   .fetches = r.fetches,
                                   .n_fetches = (int)n->n_fetches,
                                   .targets = r.targets,
                                   .n_targets = (int)n->n_targets,
                                   .fates = how->fates,
                                   .dump_stage = how->stage,
                                   .dump = how->dump};
        bt_plan_env env = {.source = &s->model->source,
                           .functions = &s->model->source.functions,
                           .pool = s->model->context->pool,
                           .places = how->rehearsal ? how->rehearsal->places : s->model->places,
                           .stores = how->rehearsal ? how->rehearsal->stores : s->model->stores,
                           .n_places = s->model->n_places,
                           .place = place_of,
                           .place_user = placing,
                           .precision = s->precision,
                           .hard = s->hard,
                           .refused = &placing->refused,
                           .obstacles = how->obstacles,
                           .is_streaming = s->stream_weights,
                           .window = how->window,
                           .written = &s->written};
        placing->refused = false;
        plan = bt_plan_new(&env, &request, error);
        if (!plan) name_missing_input(s, error);
    }
    bt_arena_free(&work);
    return plan;
}
