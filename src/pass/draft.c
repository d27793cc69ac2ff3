/* Functions that passes make: see draft.h. */
#include "pass/draft.h"

static const char *name_of(bt_pass_context *x, const char *node, const char *what)
{
    char *name = bt_arena_print(x->arena, "%s_%s", node, what);
    size_t n = name ? strlen(name) : 0;
    for (char *p = name; p && *p; p++)
        if (*p == '/') *p = '_';
    for (int i = 1; name && bt_map_get(x->functions, bt_str_of(name)); i++)
        name = bt_arena_print(x->arena, "%.*s_%d", (int)n, name, i);
    return name;
}

void bt_draft_begin(bt_draft *d, const bt_builder *caller, const char *node, const char *what,
                    const berth_dtype *types, int n)
{
    bt_pass_context *x = caller->x;
    bt_function *f = bt_arena_new(x->arena, bt_function);
    *d = (bt_draft){
        .x = {.arena = x->arena, .functions = x->functions, .source = x->source, .error = x->error}, .f = f};
    d->b = (bt_builder){.x = &d->x, .scope = what, .beside = -1, .failed = caller->failed || !f};
    bt_graph_init(&d->x.graph, x->arena);
    if (d->b.failed) return;
    f->name = name_of(x, node, what);
    f->args = bt_arena_array(x->arena, int32_t, (size_t)n + 1);
    f->arg_names = bt_arena_array(x->arena, const char *, (size_t)n + 1);
    d->b.failed = !f->name || !f->args || !f->arg_names;
    for (int i = 0; i < n && !d->b.failed; i++) {
        const char *arg = bt_arena_print(x->arena, "arg_%d", i);
        int32_t index = arg ? bt_graph_add(&d->x.graph, arg, "_Arg") : -1;
        d->b.failed = index < 0 || !bt_set_int(&d->x.graph, index, "index", i) ||
                      !bt_set_type(&d->x.graph, index, "T", types[i]);
        if (d->b.failed) return;
        d->x.graph.nodes[index].def = bt_op_find("_Arg");
        d->x.graph.nodes[index].device = "";
        f->args[i] = index, f->arg_names[f->n_args++] = arg;
    }
}

const char *bt_draft_end(bt_draft *d, const bt_edge *results, const berth_dtype *types, int n)
{
    bt_graph *g = &d->x.graph;
    bt_function *f = d->f;
    if (f) {
        f->n_results = n;
        f->results = bt_arena_array(g->arena, bt_edge, (size_t)n);
        f->result_names = bt_arena_array(g->arena, const char *, (size_t)n);
        f->result_types = bt_arena_array(g->arena, berth_dtype, (size_t)n);
        d->b.failed |= !f->results || !f->result_names || !f->result_types;
    }
    for (int i = 0; i < n && !d->b.failed; i++) {
        f->results[i] = results[i], f->result_types[i] = types[i];
        d->b.failed = !(f->result_names[i] = bt_arena_print(g->arena, "result_%d", i));
    }
    bt_node *nodes = d->b.failed ? NULL : bt_arena_array(g->arena, bt_node, g->n_nodes + 1);
    if (nodes) memcpy(nodes, g->nodes, g->n_nodes * sizeof *nodes);
    size_t count = g->n_nodes;
    bt_graph_free(g); /* the tables: the nodes are the arena's */
    if (!nodes) return NULL;
    f->graph = (bt_graph){.arena = g->arena, .nodes = nodes, .n_nodes = count};
    return bt_map_put(d->x.functions, bt_str_of(f->name), f) ? f->name : NULL;
}

bt_edge bt_build_loop(bt_builder *b, const char *more, const char *step, const bt_edge *vars,
                      const berth_dtype *types, int n)
{
    bt_edge loop = bt_build(b, "StatelessWhile", BERTH_NO_DTYPE, vars, n);
    b->failed = b->failed || !more || !step || !bt_set_func(&b->x->graph, loop.node, "cond", more) ||
                !bt_set_func(&b->x->graph, loop.node, "body", step) ||
                !bt_set_types(&b->x->graph, loop.node, "T", types, n);
    return loop;
}
