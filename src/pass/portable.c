/* Working graphs of a whole model: see portable.h. */
#include "pass/portable.h"

#include "pass/clone.h"

void bt_pass_change(bt_pass_context *x, const char *what, size_t n)
{
    bt_changes *c = x->changes;
    if (!c || !n) return;
    for (size_t i = 0; i < c->n; i++)
        if (!strcmp(c->list[i].what, what)) {
            c->list[i].n += n;
            return;
        }
    if (c->n < BT_MAX_CHANGES) c->list[c->n++] = (bt_change){what, n};
}

/* ---- Units -------------------------------------------------------------------------------------------- */

static bt_unit *add_unit(bt_portable *p, const bt_function *from, int n_feeds, int n_fetches, int n_targets)
{
    bt_arena *arena = p->arena;
    bt_unit *unit = bt_arena_new(arena, bt_unit);
    if (!unit || !bt_grow(&p->units, &p->room, p->n_units + 1, sizeof *p->units))
        return bt_fail_memory(p->error), NULL;
    *unit = (bt_unit){.from = from};
    unit->x = (bt_pass_context){.source = p->source,
                                .functions = &p->functions,
                                .arena = arena,
                                .feeds = bt_arena_array(arena, bt_edge, (size_t)n_feeds + 1),
                                .n_feeds = n_feeds,
                                .feed_facts = bt_arena_array(arena, bt_fact, (size_t)n_feeds + 1),
                                .fetches = bt_arena_array(arena, bt_edge, (size_t)n_fetches + 1),
                                .n_fetches = n_fetches,
                                .targets = bt_arena_array(arena, int32_t, (size_t)n_targets + 1),
                                .n_targets = n_targets,
                                .written = &p->written,
                                .pool = p->pool,
                                .changes = &p->changes,
                                .has_loops = true,
                                .error = p->error};
    bt_graph_init(&unit->x.graph, arena);
    p->units[p->n_units++] = unit;
    bool got = unit->x.feeds && unit->x.feed_facts && unit->x.fetches && unit->x.targets;
    return got ? unit : (bt_fail_memory(p->error), NULL);
}

berth_status bt_portable_begin(bt_portable *p, const bt_edge *feeds, const bt_fact *facts, int n_feeds,
                               const bt_edge *fetches, int n_fetches, const int32_t *targets, int n_targets)
{
    for (size_t i = 0; i < p->source->functions.count; i++)
        if (!bt_map_put(&p->functions, p->source->functions.entries[i].key,
                        p->source->functions.entries[i].value))
            return bt_fail_memory(p->error);
    bt_unit *unit = add_unit(p, NULL, n_feeds, n_fetches, n_targets);
    if (!unit) return p->error->status;
    for (int i = 0; i < n_feeds; i++) unit->x.feeds[i] = feeds[i], unit->x.feed_facts[i] = facts[i];
    for (int i = 0; i < n_fetches; i++) unit->x.fetches[i] = fetches[i];
    for (int i = 0; i < n_targets; i++) unit->x.targets[i] = targets[i];
    return bt_pass_prune(&unit->x, &p->source->graph, false);
}

static berth_status add_function(bt_portable *p, const bt_function *f)
{
    bt_unit *unit = add_unit(p, f, f->n_args, f->n_results, f->n_controls);
    if (!unit) return p->error->status;
    if (!bt_map_put_index(&p->unit_of, bt_str_of(f->name), p->n_units - 1)) return bt_fail_memory(p->error);
    for (int i = 0; i < f->n_args; i++) {
        unit->x.feeds[i] = (bt_edge){f->args[i], 0};
        unit->x.feed_facts[i] =
            (bt_fact){.dtype = bt_attr_type(&f->graph.nodes[f->args[i]], "T", BERTH_NO_DTYPE),
                      .shape = BT_SHAPE_UNKNOWN};
    }
    for (int i = 0; i < f->n_results; i++) unit->x.fetches[i] = f->results[i];
    for (int i = 0; i < f->n_controls; i++) unit->x.targets[i] = f->controls[i];
    berth_status status = bt_pass_prune(&unit->x, &f->graph, false);
    if (status) bt_error_prefix(p->error, "function '%s'", f->name);
    return status;
}

static berth_status reach_function(bt_portable *p, const bt_node *node, bt_str name)
{
    const bt_function *f = bt_map_get(&p->functions, name);
    if (!f)
        return bt_fail(p->error, BERTH_BAD_MODEL, "node '%s' (%s): there is no function '%.*s'", node->name,
                       node->op, (int)name.n, name.p);
    return bt_map_get_index(&p->unit_of, name) >= 0 ? BERTH_OK : add_function(p, f);
}

/* Calls f for each function that the node names. */
typedef berth_status function_fn(bt_portable *p, const bt_node *node, bt_str name);

static berth_status each_function(bt_portable *p, const bt_node *node, function_fn *f)
{
    berth_status status = BERTH_OK;
    for (int a = 0; a < node->n_attrs; a++) {
        const bt_attr *attr = &node->attrs[a];
        if (attr->kind != BT_ATTR_FUNC) continue;
        for (int i = 0; i < (attr->is_list ? attr->n : 1) && !status; i++)
            status = f(p, node, attr->is_list ? attr->list[i].s : attr->value.s);
    }
    return status;
}

berth_status bt_portable_reach(bt_portable *p)
{
    berth_status status = BERTH_OK;
    for (size_t u = 0; u < p->n_units && !status; u++) {
        const bt_graph *g = &p->units[u]->x.graph;
        for (size_t i = 0; i < g->n_nodes && !status; i++)
            status = each_function(p, &g->nodes[i], reach_function);
    }
    return status;
}

berth_status bt_portable_each(bt_portable *p, bt_pass_fn *pass)
{
    berth_status status = bt_portable_reach(p);
    for (size_t u = 0; u < p->n_units && !status; u++) {
        status = pass(&p->units[u]->x);
        if (status && p->units[u]->from) bt_error_prefix(p->error, "function '%s'", p->units[u]->from->name);
        if (!status) status = bt_portable_reach(p);
    }
    return status;
}

/* ---- The end ------------------------------------------------------------------------------------------ */

/* What TensorFlow would check against a graph that is another by now. */
static void drop_stale_attrs(bt_node *node)
{
    int kept = 0;
    for (int a = 0; a < node->n_attrs; a++)
        if (strcmp(node->attrs[a].name, "_output_shapes") && strcmp(node->attrs[a].name, "debug_name"))
            node->attrs[kept++] = node->attrs[a];
    node->n_attrs = kept;
}

/* A `_Feed` node becomes what it stands for. */
static bool settle_feed(bt_unit *unit, int32_t node, int i)
{
    bt_graph *g = &unit->x.graph;
    const bt_fact *fact = &unit->x.feed_facts[i];
    g->nodes[node].n_attrs = 0;
    g->nodes[node].op = unit->from ? "_Arg" : "Placeholder";
    g->nodes[node].def = bt_op_find(g->nodes[node].op);
    if (unit->from) return bt_set_type(g, node, "T", fact->dtype) && bt_set_int(g, node, "index", i);
    return bt_set_type(g, node, "dtype", fact->dtype) && bt_set_shape(g, node, "shape", &fact->shape);
}

static berth_status settle_unit(bt_unit *unit)
{
    bt_pass_context *x = &unit->x;
    for (size_t i = 0; i < x->graph.n_nodes; i++) drop_stale_attrs(&x->graph.nodes[i]);
    for (int i = 0; i < x->n_feeds; i++)
        if (x->feeds[i].node < 0 || !settle_feed(unit, x->feeds[i].node, i)) return bt_fail_memory(x->error);
    return BERTH_OK;
}

/* The dtype of each result: as the file has it, else as the shape functions tell. */
static berth_status result_types(bt_unit *unit, berth_dtype *types)
{
    bt_pass_context *x = &unit->x;
    bool known = unit->from->result_types != NULL;
    for (int i = 0; i < x->n_fetches && known; i++) known = (types[i] = unit->from->result_types[i]);
    if (known) return BERTH_OK;
    berth_status status = bt_pass_infer(x);
    for (int i = 0; i < x->n_fetches && !status; i++) types[i] = bt_pass_fact(x, x->fetches[i])->dtype;
    return status;
}

/* A function's nodes move into the arena, where the function lives. */
static berth_status settle_function(bt_portable *p, bt_unit *unit, bt_source *made)
{
    bt_pass_context *x = &unit->x;
    const bt_function *from = unit->from;
    bt_function *f = bt_arena_new(p->arena, bt_function);
    berth_dtype *types = bt_arena_array(p->arena, berth_dtype, (size_t)x->n_fetches + 1);
    int32_t *args = bt_arena_array(p->arena, int32_t, (size_t)x->n_feeds + 1);
    if (!f || !types || !args) return bt_fail_memory(p->error);
    berth_status status = result_types(unit, types);
    if (!status) status = settle_unit(unit);
    if (status) return bt_error_prefix(p->error, "function '%s'", from->name), status;
    *f = (bt_function){.name = from->name,
                       .graph = x->graph,
                       .n_args = x->n_feeds,
                       .n_results = x->n_fetches,
                       .args = args,
                       .arg_names = bt_arena_array(p->arena, const char *, (size_t)x->n_feeds + 1),
                       .results = x->fetches,
                       .result_names = from->result_names,
                       .result_types = types,
                       .controls = x->targets,
                       .n_controls = x->n_targets};
    bt_graph_init(&x->graph, p->arena); /* it is the function's now */
    for (int i = 0; f->arg_names && i < x->n_feeds; i++) {
        args[i] = x->feeds[i].node;
        f->arg_names[i] = f->graph.nodes[args[i]].name;
    }
    for (size_t i = 0; i < f->graph.n_nodes; i++)
        f->is_stateful |= !f->graph.nodes[i].def || f->graph.nodes[i].def->flags & BT_OP_STATEFUL;
    if (f->arg_names && bt_map_put(&made->functions, bt_str_of(f->name), f)) return BERTH_OK;
    bt_graph_free(&f->graph);
    return bt_fail_memory(p->error);
}

static berth_status keep_function(bt_portable *p, const bt_node *node, bt_str name)
{
    (void)node;
    ptrdiff_t unit = bt_map_get_index(&p->unit_of, name);
    if (unit >= 0 && !p->units[unit]->is_needed) {
        p->units[unit]->is_needed = true;
        p->needed[p->n_needed++] = (size_t)unit;
    }
    return BERTH_OK;
}

berth_status bt_portable_end(bt_portable *p, bt_source *made)
{
    berth_status status = bt_portable_reach(p);
    p->needed = bt_arena_array(p->arena, size_t, p->n_units + 1);
    if (status || !p->needed) return status ? status : bt_fail_memory(p->error);
    p->needed[p->n_needed++] = 0;
    for (size_t k = 0; k < p->n_needed && !status; k++) {
        const bt_graph *g = &p->units[p->needed[k]]->x.graph;
        for (size_t i = 0; i < g->n_nodes && !status; i++)
            status = each_function(p, &g->nodes[i], keep_function);
    }
    for (size_t k = 1; k < p->n_needed && !status; k++)
        status = settle_function(p, p->units[p->needed[k]], made);
    if (!status) status = settle_unit(p->units[0]);
    if (status) return status;
    bt_graph_free(&made->graph);
    made->graph = p->units[0]->x.graph;
    bt_graph_init(&p->units[0]->x.graph, p->arena);
    return BERTH_OK;
}

void bt_portable_free(bt_portable *p)
{
    for (size_t u = 0; u < p->n_units; u++) bt_graph_free(&p->units[u]->x.graph);
    bt_free(p->units);
    bt_map_free(&p->functions);
    bt_map_free(&p->written);
    bt_map_free(&p->unit_of);
}
