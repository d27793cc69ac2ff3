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
    *unit = (bt_unit){.from = from, .index = p->n_units};
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
    unit->x.function = f->name;
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

bt_str bt_portable_copy(bt_portable *p, size_t unit)
{
    const bt_pass_context *x = &p->units[unit]->x;
    bt_function *f = bt_arena_new(p->arena, bt_function);
    int32_t *args = bt_arena_array(p->arena, int32_t, (size_t)x->n_feeds + 1);
    bt_str none = {NULL, 0};
    if (!f || !args) return bt_fail_memory(p->error), none;
    *f = *p->units[unit]->from;
    for (int n = 1; n == 1 || (f->name && bt_map_get(&p->functions, bt_str_of(f->name))); n++)
        f->name = bt_arena_print(p->arena, "%s_%d", p->units[unit]->from->name, n);
    for (int i = 0; i < x->n_feeds; i++) args[i] = x->feeds[i].node;
    f->graph = x->graph, f->args = args; /* as long as the copy is being made */
    f->results = x->fetches, f->controls = x->targets, f->n_controls = x->n_targets;
    if (!f->name || !bt_map_put(&p->functions, bt_str_of(f->name), f)) return bt_fail_memory(p->error), none;
    if (add_function(p, f)) return none;
    bt_graph_init(&f->graph, p->arena);
    return bt_str_of(f->name);
}

/* Puts a function's unit, which is made if there is none yet, in the queue. */
static berth_status reach_function(bt_portable *p, const bt_node *node, bt_str name)
{
    const bt_function *f = bt_map_get(&p->functions, name);
    if (!f)
        return bt_fail(p->error, BERTH_BAD_MODEL, "node '%s' (%s): there is no function '%.*s'", node->name,
                       node->op, (int)name.n, name.p);
    ptrdiff_t index = bt_map_get_index(&p->unit_of, name);
    if (index < 0 && add_function(p, f)) return p->error->status;
    bt_unit *unit = p->units[index < 0 ? p->n_units - 1 : (size_t)index];
    if (unit->is_reached) return BERTH_OK;
    if (!bt_grow(&p->reached, &p->reached_room, p->n_reached + 1, sizeof *p->reached))
        return bt_fail_memory(p->error);
    unit->is_reached = true;
    p->reached[p->n_reached++] = unit;
    return BERTH_OK;
}

static berth_status reach_functions(bt_portable *p, const bt_graph *g)
{
    berth_status status = BERTH_OK;
    for (size_t i = 0; i < g->n_nodes; i++)
        for (int a = 0; a < g->nodes[i].n_attrs; a++) {
            const bt_attr *attr = &g->nodes[i].attrs[a];
            if (attr->kind != BT_ATTR_FUNC) continue;
            for (int k = 0; k < (attr->is_list ? attr->n : 1) && !status; k++)
                status = reach_function(p, &g->nodes[i], attr->is_list ? attr->list[k].s : attr->value.s);
        }
    return status;
}

/* A unit's functions are looked for when the pass has run on it. */
berth_status bt_portable_each(bt_portable *p, bt_pass_fn *pass)
{
    berth_status status = BERTH_OK;
    for (size_t u = 0; u < p->n_units; u++) p->units[u]->is_reached = false;
    if (!bt_grow(&p->reached, &p->reached_room, 1, sizeof *p->reached)) return bt_fail_memory(p->error);
    p->reached[0] = p->units[0], p->n_reached = 1;
    for (size_t k = 0; k < p->n_reached && !status; k++) {
        bt_unit *unit = p->reached[k];
        if (pass) status = pass(&unit->x);
        if (status && unit->from) bt_error_prefix(p->error, "function '%s'", unit->from->name);
        if (!status) status = reach_functions(p, &unit->x.graph);
    }
    return status;
}

/* ---- The end ------------------------------------------------------------------------------------------ */

/* What TensorFlow would check against a graph that is another by now, or does not know in older versions. */
static bool is_stale(const char *attr)
{
    static const char *const names[] = {"_output_shapes", "_read_only_resource_inputs", "debug_name", NULL};
    for (int i = 0; names[i]; i++)
        if (!strcmp(attr, names[i])) return true;
    return false;
}

/* Colocation with a node that is not there any more: "loc:@node". */
static bool is_lost(const bt_graph *g, const bt_attr *attr)
{
    if (strcmp(attr->name, "_class") || !attr->is_list || attr->kind != BT_ATTR_STRING) return false;
    for (int i = 0; i < attr->n; i++) {
        bt_str s = attr->list[i].s;
        if (s.n > 5 && !memcmp(s.p, "loc:@", 5) && bt_graph_find(g, (bt_str){s.p + 5, s.n - 5}) < 0)
            return true;
    }
    return false;
}

static bool drop_stale_attrs(bt_graph *g, bt_node *node)
{
    int kept = 0;
    bt_attr *attrs =
        bt_arena_array(g->arena, bt_attr, (size_t)node->n_attrs + 1); /* nodes may share theirs */
    for (int a = 0; attrs && a < node->n_attrs; a++)
        if (!is_stale(node->attrs[a].name) && !is_lost(g, &node->attrs[a])) attrs[kept++] = node->attrs[a];
    node->attrs = attrs, node->n_attrs = kept;
    return attrs != NULL;
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

/* Inputs before what they are for, as people and some readers like it. */
static berth_status sort(bt_pass_context *x)
{
    bt_graph *g = &x->graph;
    int32_t *order, *place = bt_arena_array(x->arena, int32_t, g->n_nodes + 1);
    bt_node *nodes = bt_arena_array(x->arena, bt_node, g->n_nodes + 1);
    size_t n;
    if (!place || !nodes) return bt_fail_memory(x->error);
    berth_status status = bt_pass_order(x, &order, &n);
    if (status) return status;
    if (g->n_nodes) memcpy(nodes, g->nodes, g->n_nodes * sizeof *nodes);
    for (size_t i = 0; i < n; i++) place[order[i]] = (int32_t)i;
    for (size_t i = 0; i < n; i++) {
        bt_node *node = &g->nodes[i];
        *node = nodes[order[i]];
        for (int j = 0; j < node->n_inputs; j++) node->inputs[j].node = place[node->inputs[j].node];
        for (int j = 0; j < node->n_controls; j++) node->controls[j] = place[node->controls[j]];
        if (!bt_map_put_index(&g->by_name, bt_str_of(node->name), i)) return bt_fail_memory(x->error);
    }
    for (int i = 0; i < x->n_feeds; i++)
        if (x->feeds[i].node >= 0) x->feeds[i].node = place[x->feeds[i].node];
    for (int i = 0; i < x->n_fetches; i++) x->fetches[i].node = place[x->fetches[i].node];
    for (int i = 0; i < x->n_targets; i++) x->targets[i] = place[x->targets[i]];
    return BERTH_OK;
}

static berth_status settle_unit(bt_unit *unit)
{
    bt_pass_context *x = &unit->x;
    if (sort(x)) return x->error->status;
    for (size_t i = 0; i < x->graph.n_nodes; i++)
        if (!drop_stale_attrs(&x->graph, &x->graph.nodes[i])) return bt_fail_memory(x->error);
    for (int i = 0; i < x->n_feeds; i++)
        if (x->feeds[i].node < 0 || !settle_feed(unit, x->feeds[i].node, i)) return bt_fail_memory(x->error);
    return BERTH_OK;
}

/* The dtype of each result: as the file has it, else as the shape functions tell. */
static berth_status result_types(bt_unit *unit, berth_dtype *types)
{
    bt_pass_context *x = &unit->x;
    bool known = unit->from->result_types && !unit->is_retyped;
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

berth_status bt_portable_end(bt_portable *p, bt_source *made)
{
    berth_status status = bt_portable_each(p, NULL);
    for (size_t k = 1; k < p->n_reached && !status; k++) status = settle_function(p, p->reached[k], made);
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
    bt_free(p->reached);
    bt_map_free(&p->functions);
    bt_map_free(&p->written);
    bt_map_free(&p->unit_of);
}
