/* Making a plan: the part of the graph that is needed, through the passes, then a step a node in order, with kernels
 * prepared and weights packed. To read next: constant.c, layout.c, run.c. */
#include "plan/plan.h"

#include "pass/clone.h"

/* While a plan is made. */
typedef struct builder {
    bt_prepare_host host; /* first: the host functions find the builder from it */
    bt_plan *plan;
    bt_pass_context x;
    bt_map own_functions; /* when passes may add some */
    int32_t *first_slot;  /* by node of the working graph */
    int32_t *order;
    size_t n_order;
    bt_step *step; /* that is prepared */
    berth_error *error;
} builder;

/* ---- Services for prepare functions ------------------------------------------------------------------- */

static const void *host_pack(const bt_prepare_host *host, const bt_tensor *constant, const char *layout,
                             size_t bytes, bt_pack_fn *pack, void *user, berth_error *error)
{
    builder *b = (builder *)host;
    b->step->packed_bytes += (int64_t)bytes;
    bt_packed *packed = bt_plan_hold(b->plan, b->step->place, constant, layout, bytes, pack, user, error);
    return packed ? bt_packed_data(packed) : NULL;
}

static const bt_function *host_function(const bt_prepare_host *host, const char *name, berth_error *error)
{
    const builder *b = (const builder *)host;
    const bt_function *f = bt_map_get(b->x.functions, bt_str_of(name));
    if (!f) bt_fail(error, BERTH_BAD_MODEL, "there is no function '%s'", name);
    return f;
}

static berth_status check_recursion(const bt_plan_env *env, const char *name, berth_error *error)
{
    int depth = 0;
    for (const bt_plan_env *e = env; e; e = e->outer, depth++)
        if ((e->function && !strcmp(e->function, name)) || depth > 64)
            return bt_fail(error, BERTH_BAD_MODEL, "function '%s' calls itself", name);
    return BERTH_OK;
}

static bt_plan *plan_body(builder *b, const bt_function *f, const bt_fact *facts, berth_error *error)
{
    bt_arena *arena = &b->plan->arena;
    bt_edge *feeds = bt_arena_array(arena, bt_edge, (size_t)f->n_args + 1);
    bt_fact *feed_facts = bt_arena_array(arena, bt_fact, (size_t)f->n_args + 1);
    bt_plan_env *env = bt_arena_new(arena, bt_plan_env);
    if (!feeds || !feed_facts || !env) return bt_fail_memory(error), NULL;
    *env = b->plan->env;
    env->functions = b->x.functions, env->function = f->name, env->outer = &b->plan->env;
    env->body_place = b->step->place;
    for (int i = 0; i < f->n_args; i++) {
        feeds[i] = (bt_edge){f->args[i], 0};
        feed_facts[i] = facts ? facts[i] : (bt_fact){.shape = BT_SHAPE_UNKNOWN};
        if (!feed_facts[i].dtype)
            feed_facts[i].dtype = bt_attr_type(&f->graph.nodes[f->args[i]], "T", BERTH_NO_DTYPE);
    }
    bt_plan_request request = {.graph = &f->graph,
                               .feeds = feeds,
                               .feed_facts = feed_facts,
                               .feed_names = f->arg_names,
                               .n_feeds = f->n_args,
                               .fetches = f->results,
                               .n_fetches = f->n_results,
                               .targets = f->controls,
                               .n_targets = f->n_controls};
    return bt_plan_new(env, &request, error);
}

static struct bt_body *host_body(const bt_prepare_host *host, const char *function, const bt_fact *facts,
                                 bt_fact *results, berth_error *error)
{
    builder *b = (builder *)host;
    bt_plan *plan = b->plan;
    const bt_function *f = host_function(host, function, error);
    if (!f || check_recursion(&plan->env, function, error)) return NULL;
    if (!bt_grow(&plan->bodies, &plan->bodies_room, plan->n_bodies + 1, sizeof *plan->bodies))
        return bt_fail_memory(error), NULL;
    bt_plan *body = plan_body(b, f, facts, error);
    if (!body) return NULL;
    body->caller = (int32_t)(b->step - plan->steps);
    plan->bodies[plan->n_bodies++] = body;
    for (int i = 0; results && i < body->n_fetches; i++) results[i] = body->slots[body->fetches[i]].fact;
    return (struct bt_body *)body;
}

/* ---- Slots and steps ---------------------------------------------------------------------------------- */

static bool is_op(const bt_node *node, const char *op) { return strcmp(node->op, op) == 0; }

/* A constant that belongs to a branch (it waits for a Switch) is a step that hands it on, so that it can be dead. */
static bool guarded_constant(const builder *b, const bt_node *node)
{
    return b->plan->guarded && is_op(node, "Const") && node->n_controls;
}

static berth_status make_slots(builder *b)
{
    bt_plan *plan = b->plan;
    const bt_graph *g = &b->x.graph;
    b->first_slot = bt_arena_array(b->x.arena, int32_t, g->n_nodes + 1);
    if (!b->first_slot) return bt_fail_memory(b->error);
    int32_t n_slots = 0, n_steps = 0;
    for (size_t i = 0; i < b->n_order; i++) {
        const bt_node *node = &g->nodes[b->order[i]];
        bool guarded = guarded_constant(b, node);
        b->first_slot[b->order[i]] = n_slots + guarded;
        n_slots += bt_node_outputs(node) + guarded;
        n_steps += guarded || !(is_op(node, "_Feed") || bt_pass_is_const(node));
    }
    plan->slots = bt_arena_array(&plan->arena, bt_slot, (size_t)n_slots + 1);
    plan->steps = bt_arena_array(&plan->arena, bt_step, (size_t)n_steps + 1);
    if (!plan->slots || !plan->steps) return bt_fail_memory(b->error);
    plan->counts = bt_arena_array(&plan->arena, bt_step_count, (size_t)n_steps + 1);
    if (!plan->counts) return bt_fail_memory(b->error);
    plan->n_slots = n_slots;
    return BERTH_OK;
}

/* The node that a guarded constant runs as: Identity of its own slot. */
static const bt_node *identity_of(builder *b, const bt_node *constant, berth_dtype dtype)
{
    bt_arena *arena = &b->plan->arena;
    bt_node *node = bt_arena_new(arena, bt_node);
    bt_attr *attr = bt_arena_new(arena, bt_attr);
    if (!node || !attr) return NULL;
    *attr = (bt_attr){.name = "T", .kind = BT_ATTR_TYPE, .value.type = dtype};
    *node = (bt_node){.name = constant->name,
                      .op = "Identity",
                      .device = "",
                      .attrs = attr,
                      .n_attrs = 1,
                      .controls = constant->controls,
                      .n_controls = constant->n_controls,
                      .origin = constant->origin,
                      .def = bt_op_find("Identity")};
    return node->def ? node : NULL;
}

static berth_status add_step(builder *b, const bt_node *node, const int32_t *in, int n_in, int32_t first_out,
                             int n_out)
{
    bt_plan *plan = b->plan;
    bool on_gpu = bt_pass_is_gpu(&b->x, node->place);
    bt_run_fn *run = on_gpu ? node->def->gpu : node->def->cpu;
    const char *device = b->x.places[node->place]->name;
    if (!run && strcmp(node->op, "_Missing")) {
        bt_fail(b->error, BERTH_UNSUPPORTED, "node '%s' (%s): there is no kernel for %s", node->name, node->op,
                on_gpu ? device : "the CPU");
        if (!bt_obstacle_take(&b->x, node, device, NULL)) return BERTH_UNSUPPORTED;
    }
    bt_step *step = &plan->steps[plan->n_steps];
    int32_t *slots = bt_arena_array(&plan->arena, int32_t, (size_t)n_in + (size_t)n_out + 1);
    if (!slots) return bt_fail_memory(b->error);
    if (n_in) memcpy(slots, in, (size_t)n_in * sizeof *slots);
    for (int i = 0; i < n_out; i++) slots[n_in + i] = first_out + i;
    *step = (bt_step){.run = run,
                      .place = node->place,
                      .op = node->def,
                      .node = node,
                      .in = slots,
                      .out = slots + n_in,
                      .n_in = n_in,
                      .n_out = n_out,
                      .first_pointer = plan->n_pointers};
    plan->n_pointers += n_in + n_out;
    for (int i = 0; i < n_out; i++) plan->slots[first_out + i].step = plan->n_steps;
    if (node->def->flags & BT_OP_ALIAS && n_in && n_out)
        plan->slots[first_out].root = plan->slots[in[0]].root;
    plan->n_steps++;
    return BERTH_OK;
}

/* The nodes outlive the working graph. */
static const bt_node *keep_nodes(builder *b)
{
    size_t n = b->x.graph.n_nodes;
    bt_node *nodes = bt_arena_array(&b->plan->arena, bt_node, n + 1);
    if (nodes && n) memcpy(nodes, b->x.graph.nodes, n * sizeof *nodes);
    return nodes;
}

static berth_status add_node(builder *b, const bt_node *nodes, int32_t index)
{
    bt_plan *plan = b->plan;
    const bt_node *node = &nodes[index];
    int32_t slot = b->first_slot[index];
    int n_out = b->x.first_fact[index + 1] - b->x.first_fact[index];
    for (int i = 0; i < n_out; i++) {
        const bt_fact *fact = &b->x.facts[b->x.first_fact[index] + i];
        int place = bt_pass_is_const(node) ? node->place : bt_output_place(&b->x, node, i, fact->dtype);
        plan->slots[slot + i] =
            (bt_slot){.kind = BT_SLOT_STEP, .place = (int16_t)place, .root = slot + i, .fact = *fact};
    }
    if (is_op(node, "_Feed")) {
        plan->slots[slot].kind = BT_SLOT_FEED;
        plan->slots[slot].step = (int32_t)bt_attr_int(node, "index", 0);
        return BERTH_OK;
    }
    bt_weights weights;
    if (bt_weights_of(node, &weights)) {
        bt_weights *kept = bt_arena_new(&plan->arena, bt_weights);
        if (!kept) return bt_fail_memory(b->error);
        *kept = weights;
        plan->slots[slot].kind = BT_SLOT_CONST, plan->slots[slot].weights = kept;
        return BERTH_OK;
    }
    if (is_op(node, "Const")) {
        bool guarded = guarded_constant(b, node);
        bt_slot *constant = &plan->slots[slot - guarded];
        *constant = plan->slots[slot];
        constant->kind = BT_SLOT_CONST, constant->root = slot - guarded;
        if (!constant->fact.value)
            return bt_fail(b->error, BERTH_BAD_MODEL, "node '%s' (Const): has no value", node->name);
        if (!guarded) return BERTH_OK;
        int32_t in = slot - 1;
        plan->slots[slot].fact.value = NULL;
        node = identity_of(b, node, constant->fact.dtype);
        return node ? add_step(b, node, &in, 1, slot, 1) : bt_fail_memory(b->error);
    }
    int32_t *in = bt_arena_array(b->x.arena, int32_t, (size_t)node->n_inputs + 1);
    if (!in) return bt_fail_memory(b->error);
    for (int i = 0; i < node->n_inputs; i++)
        in[i] = b->first_slot[node->inputs[i].node] + node->inputs[i].slot;
    return add_step(b, node, in, node->n_inputs, slot, n_out);
}

/* Steps that a step waits for, where that can make it dead. */
static berth_status add_controls(builder *b)
{
    bt_plan *plan = b->plan;
    int32_t *step_of = bt_arena_array(b->x.arena, int32_t, b->x.graph.n_nodes + 1);
    if (!step_of) return bt_fail_memory(b->error);
    for (size_t i = 0; i < b->x.graph.n_nodes; i++) step_of[i] = -1;
    for (int32_t s = 0; s < plan->n_steps; s++) {
        int32_t node = bt_graph_find(&b->x.graph, bt_str_of(plan->steps[s].node->name));
        if (node >= 0) step_of[node] = s;
    }
    for (int32_t s = 0; s < plan->n_steps; s++) {
        bt_step *step = &plan->steps[s];
        int32_t *controls = bt_arena_array(&plan->arena, int32_t, (size_t)step->node->n_controls + 1);
        if (!controls) return bt_fail_memory(b->error);
        for (int i = 0; i < step->node->n_controls; i++)
            if (step_of[step->node->controls[i]] >= 0)
                controls[step->n_controls++] = step_of[step->node->controls[i]];
        step->controls = controls;
    }
    return BERTH_OK;
}

/* ---- Life of slots, preparing ------------------------------------------------------------------------- */

static void find_lives(bt_plan *plan)
{
    for (int32_t s = 0; s < plan->n_steps; s++)
        for (int i = 0; i < plan->steps[s].n_in; i++)
            plan->slots[plan->slots[plan->steps[s].in[i]].root].last = s;
    for (int i = 0; i < plan->n_fetches; i++) {
        bt_slot *root = &plan->slots[plan->slots[plan->fetches[i]].root];
        root->last = plan->n_steps;
        root->n_fetched++;
    }
    for (int32_t s = 0; s < plan->n_steps; s++) {
        bt_step *step = &plan->steps[s];
        for (int i = 0; i < step->n_in && i < 64; i++) {
            const bt_slot *slot = &plan->slots[step->in[i]], *root = &plan->slots[slot->root];
            bool repeated = false;
            for (int j = 0; j < step->n_in; j++)
                repeated |= j != i && plan->slots[step->in[j]].root == slot->root;
            if (root->last != s || repeated) continue;
            if (root->kind == BT_SLOT_STEP) step->last |= (uint64_t)1 << i;
            if (root->kind == BT_SLOT_FEED) step->last_feed |= (uint64_t)1 << i;
        }
    }
}

static berth_status prepare_step(builder *b, bt_step *step)
{
    bt_plan *plan = b->plan;
    bt_fact *facts = bt_arena_array(b->x.arena, bt_fact, (size_t)step->n_in + (size_t)step->n_out + 1);
    if (!facts) return bt_fail_memory(b->error);
    for (int i = 0; i < step->n_in; i++) facts[i] = plan->slots[step->in[i]].fact;
    for (int i = 0; i < step->n_out; i++) facts[step->n_in + i] = plan->slots[step->out[i]].fact;
    bt_prepare p = {.node = step->node,
                    .in = facts,
                    .n_in = step->n_in,
                    .out = facts + step->n_in,
                    .n_out = step->n_out,
                    .arena = &plan->arena,
                    .device = plan->env.places[step->place],
                    .is_streaming = plan->env.is_streaming,
                    .host = &b->host,
                    .error = b->error};
    bt_prepare_fn *prepare = bt_pass_is_gpu(&b->x, step->place) ? step->op->gpu_prepare : step->op->prepare;
    b->step = step;
    berth_status status = prepare ? prepare(&p) : BERTH_OK;
    if (status && bt_obstacle_take(&b->x, step->node, b->x.places[step->place]->name, facts))
        step->run = NULL, status = BERTH_OK;
    if (status) {
        bool named = b->error && strncmp(b->error->message, "node '", 6) == 0;
        if (!named) bt_error_prefix(b->error, "node '%s' (%s)", step->node->name, step->node->op);
        return status;
    }
    step->state = p.state;
    for (int i = 0; i < step->n_in; i++)
        if (i >= 64 || !(p.consumed >> i & 1)) plan->slots[step->in[i]].is_read = true;
    return BERTH_OK;
}

static berth_status prepare_all(builder *b)
{
    bt_plan *plan = b->plan;
    berth_status status = BERTH_OK;
    for (int32_t s = 0; s < plan->n_steps && !status; s++) status = prepare_step(b, &plan->steps[s]);
    for (int i = 0; i < plan->n_fetches; i++) plan->slots[plan->fetches[i]].is_read = true;
    return status ? status : bt_plan_settle(plan, b->error);
}

/* ---- The whole ---------------------------------------------------------------------------------------- */

static bool dump_here(const bt_plan_request *r, builder *b, const char *stage)
{
    if (!r->dump_stage || strcmp(r->dump_stage, stage)) return false;
    bt_graph_dump(&b->x.graph, NULL, NULL, r->dump);
    return true;
}

static bool has_loops(const bt_graph *g)
{
    for (size_t i = 0; i < g->n_nodes; i++)
        if (is_op(&g->nodes[i], "Enter") || is_op(&g->nodes[i], "RefEnter")) return true;
    return false;
}

/* Passes may add functions: to a map of the plan's own, so that the model's is never written. */
static berth_status own_functions(builder *b)
{
    if (b->x.functions == &b->own_functions || !has_loops(&b->x.graph)) return BERTH_OK;
    const bt_map *from = b->x.functions;
    for (size_t i = 0; i < from->capacity; i++)
        if (from->entries[i].value &&
            !bt_map_put(&b->own_functions, from->entries[i].key, from->entries[i].value))
            return bt_fail_memory(b->error);
    b->x.functions = &b->own_functions;
    return BERTH_OK;
}

static berth_status run_passes(builder *b, const bt_plan_request *r, bool *dumped)
{
    berth_status status = bt_pass_prune(&b->x, r->graph, r->as_written);
    if (status) return status;
    if ((*dumped = dump_here(r, b, "prune"))) return BERTH_OK;
    bool placed = false;
    for (const bt_pass *pass = bt_passes; pass->name && !status; pass++) {
        status = own_functions(b);
        if (!status && pass->for_device && !placed) {
            placed = true;
            status = bt_pass_infer(&b->x);
            if (!status) status = bt_plan_assign(&b->x, &b->plan->env);
        }
        if (!status) status = pass->run(&b->x);
        if (!status && (*dumped = dump_here(r, b, pass->name))) return BERTH_OK;
    }
    if (!status) status = bt_pass_infer(&b->x);
    size_t n_nodes = b->x.graph.n_nodes;
    if (!status) status = bt_plan_add_copies(&b->x, &b->plan->env, &b->plan->n_copies);
    return status || b->x.graph.n_nodes == n_nodes ? status : bt_pass_infer(&b->x);
}

/* -1 for a feed whose value is known for good: what a run gives for it is not looked at. */
static int32_t feed_slot(const builder *b, int32_t node)
{
    return node >= 0 && is_op(&b->x.graph.nodes[node], "_Feed") ? b->first_slot[node] : -1;
}

static berth_status make_steps(builder *b)
{
    bt_plan *plan = b->plan;
    const bt_graph *g = &b->x.graph;
    for (size_t i = 0; i < g->n_nodes; i++)
        plan->guarded |= is_op(&g->nodes[i], "Switch") || is_op(&g->nodes[i], "Merge");
    berth_status status = bt_plan_order(&b->x, &b->order, &b->n_order);
    if (!status) status = make_slots(b);
    const bt_node *nodes = status ? NULL : keep_nodes(b);
    if (!status && !nodes) status = bt_fail_memory(b->error);
    for (size_t i = 0; i < b->n_order && !status; i++) status = add_node(b, nodes, b->order[i]);
    if (!status && plan->guarded) status = add_controls(b);
    for (int i = 0; i < b->x.n_feeds && !status; i++) plan->feeds[i] = feed_slot(b, b->x.feeds[i].node);
    for (int i = 0; i < b->x.n_fetches && !status; i++)
        plan->fetches[i] = b->first_slot[b->x.fetches[i].node] + b->x.fetches[i].slot;
    if (status) return status;
    find_lives(plan);
    return prepare_all(b);
}

static berth_status copy_request(builder *b, const bt_plan_request *r)
{
    bt_arena *arena = &b->plan->arena;
    bt_pass_context *x = &b->x;
    bt_plan *plan = b->plan;
    x->n_feeds = plan->n_feeds = r->n_feeds, x->n_fetches = plan->n_fetches = r->n_fetches,
    x->n_targets = r->n_targets;
    x->feeds = bt_arena_array(arena, bt_edge, (size_t)r->n_feeds + 1);
    x->feed_facts = bt_arena_array(arena, bt_fact, (size_t)r->n_feeds + 1);
    x->fetches = bt_arena_array(arena, bt_edge, (size_t)r->n_fetches + 1);
    x->targets = bt_arena_array(arena, int32_t, (size_t)r->n_targets + 1);
    plan->feeds = bt_arena_array(arena, int32_t, (size_t)r->n_feeds + 1);
    plan->fetches = bt_arena_array(arena, int32_t, (size_t)r->n_fetches + 1);
    plan->feed_names = bt_arena_array(arena, const char *, (size_t)r->n_feeds + 1);
    if (!x->feeds || !x->feed_facts || !x->fetches || !x->targets || !plan->feeds || !plan->fetches ||
        !plan->feed_names)
        return bt_fail_memory(b->error);
    for (int i = 0; i < r->n_feeds; i++) {
        x->feeds[i] = r->feeds[i], x->feed_facts[i] = r->feed_facts[i];
        plan->feed_names[i] = bt_arena_copy(arena, r->feed_names[i], strlen(r->feed_names[i]));
        if (!plan->feed_names[i]) return bt_fail_memory(b->error);
    }
    for (int i = 0; i < r->n_fetches; i++) x->fetches[i] = r->fetches[i];
    for (int i = 0; i < r->n_targets; i++) x->targets[i] = r->targets[i];
    return BERTH_OK;
}

static berth_status build(builder *b, const bt_plan_request *r)
{
    bool dumped = false;
    berth_status status = copy_request(b, r);
    if (!status) status = run_passes(b, r, &dumped);
    if (status || dumped) return status;
    status = make_steps(b);
    if (!status && r->dump_stage && !strcmp(r->dump_stage, "plan")) bt_plan_dump(b->plan, r->dump);
    return status;
}

bt_plan *bt_plan_new(const bt_plan_env *env, const bt_plan_request *request, berth_error *error)
{
    berth_error own = {0};
    if (!error) error = &own;
    bt_plan *plan = bt_calloc(1, sizeof *plan);
    if (!plan) return bt_fail_memory(error), NULL;
    bt_arena_init(&plan->arena);
    pthread_mutex_init(&plan->begin, NULL);
    pthread_mutex_init(&plan->lock, NULL);
    pthread_cond_init(&plan->ended, NULL);
    plan->env = *env;
    builder b = {.host = {host_pack, host_body, host_function}, .plan = plan, .error = error};
    b.x = (bt_pass_context){.source = env->source,
                            .functions = env->functions,
                            .arena = &plan->arena,
                            .written = env->written,
                            .fates = request->fates,
                            .pool = env->pool,
                            .places = env->places,
                            .n_places = env->n_places,
                            .precision = env->precision,
                            .obstacles = env->obstacles,
                            .function = env->function,
                            .error = error};
    bt_graph_init(&b.x.graph, &plan->arena);
    berth_status status = build(&b, request);
    bt_graph_free(&b.x.graph);
    bt_map_free(&b.own_functions);
    plan->env.functions = env->functions;
    if (!status) return plan;
    bt_plan_free(plan);
    return NULL;
}

void bt_plan_free(bt_plan *plan)
{
    if (!plan) return;
    bt_plan_trim(plan);
    for (int i = 0; i < plan->n_layouts; i++) bt_layout_free(plan->layouts[i]);
    bt_free(plan->layouts);
    for (size_t i = 0; i < plan->n_bodies; i++) bt_plan_free(plan->bodies[i]);
    bt_free(plan->bodies);
    for (size_t i = 0; i < plan->n_held; i++)
        bt_packed_free(plan->env.stores[plan->held[i].place], plan->held[i].packed);
    bt_free(plan->held);
    pthread_mutex_destroy(&plan->begin);
    pthread_mutex_destroy(&plan->lock);
    pthread_cond_destroy(&plan->ended);
    bt_arena_free(&plan->arena);
    bt_free(plan);
}

void bt_plan_dump(const bt_plan *plan, bt_text *out)
{
    char shape[BT_SHAPE_TEXT];
    for (int32_t s = 0; s < plan->n_steps; s++) {
        const bt_step *step = &plan->steps[s];
        bt_text_print(out, "%4d %s = %s(", s, step->node->name, step->node->op);
        for (int i = 0; i < step->n_in; i++) {
            const bt_slot *slot = &plan->slots[step->in[i]];
            const char *kind = slot->kind == BT_SLOT_CONST  ? "const "
                               : slot->kind == BT_SLOT_FEED ? "feed "
                                                            : "";
            bt_text_print(out, "%s%s%d", i ? ", " : "", kind,
                          slot->kind == BT_SLOT_CONST ? step->in[i] : slot->step);
        }
        bt_text_print(out, ")%s", step->place ? plan->env.places[step->place]->name : "");
        for (int i = 0; i < step->n_out; i++) {
            const bt_fact *fact = &plan->slots[step->out[i]].fact;
            bt_text_print(out, " %s%s", bt_dtype_name(fact->dtype), bt_shape_text(&fact->shape, shape));
        }
        bt_text_print(out, "\n");
    }
}
