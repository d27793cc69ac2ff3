/* The inputs and outputs of a graph without signatures: placeholders, what pipelines of inputs bring, and what nothing
 * consumes. To read next: ../pass/clone.h, by which the outputs' shapes are told. */
#include "session/model.h"

#include "pass/clone.h"

/* Facts of the whole graph, as far as its ops are known; a graph that cannot be planned has none. */
static void infer_outputs(berth_model *model)
{
    const bt_signature *whole = &model->whole;
    bt_arena arena;
    bt_map written = {0};
    berth_error ignored = {0};
    bt_arena_init(&arena);
    bt_pass_context x = {.source = &model->source,
                         .functions = &model->source.functions,
                         .arena = &arena,
                         .written = &written,
                         .n_fetches = whole->n_outputs,
                         .error = &ignored};
    bt_graph_init(&x.graph, &arena);
    x.feeds = bt_arena_array(&arena, bt_edge, (size_t)whole->n_inputs + 1);
    x.feed_facts = bt_arena_array(&arena, bt_fact, (size_t)whole->n_inputs + 1);
    x.fetches = bt_arena_array(&arena, bt_edge, (size_t)whole->n_outputs + 1);
    if (x.feeds && x.feed_facts && x.fetches) {
        for (; x.n_feeds < whole->n_inputs; x.n_feeds++) {
            const bt_port *port = &whole->inputs[x.n_feeds];
            x.feeds[x.n_feeds] = port->at;
            x.feed_facts[x.n_feeds] = (bt_fact){port->dtype, port->shape, NULL};
        }
        for (int i = 0; i < whole->n_outputs; i++) x.fetches[i] = whole->outputs[i].at;
        if (!bt_pass_prune(&x, &model->source.graph, false) && !bt_pass_infer(&x))
            for (int i = 0; i < whole->n_outputs; i++) {
                const bt_fact *fact = bt_pass_fact(&x, x.fetches[i]);
                whole->outputs[i].dtype = fact->dtype, whole->outputs[i].shape = fact->shape;
            }
    }
    bt_graph_free(&x.graph);
    bt_map_free(&written);
    bt_arena_free(&arena);
}

/* ---- Pipelines ---------------------------------------------------------------------------------------- */

/* The ends of pipelines, in whose place a model is fed: which attribute has the types of their tensors, and which the shapes, if they
 * are not at the queue. */
static const struct {
    const char *op, *types, *shapes;
    bool is_many; /* rows of what the queue holds */
} pipelines[] = {{"IteratorGetNext", "output_types", "output_shapes", false},
                 {"IteratorGetNextSync", "output_types", "output_shapes", false},
                 {"QueueDequeue", "component_types", NULL, false},
                 {"QueueDequeueMany", "component_types", NULL, true},
                 {"QueueDequeueUpTo", "component_types", NULL, true},
                 {"Unstage", "dtypes", NULL, false}};

/* Its row there, -1: none. A queue that the run itself puts something into is no pipeline: a control edge says so. */
static int pipeline_of(const bt_node *node)
{
    size_t n = strlen(node->op) - (bt_ends(node->op, "V2") ? 2 : 0);
    for (size_t i = 0; !node->n_controls && i < sizeof pipelines / sizeof *pipelines; i++)
        if (strlen(pipelines[i].op) == n && !memcmp(pipelines[i].op, node->op, n)) return (int)i;
    return -1;
}

/* How many inputs a node is. */
static size_t count_inputs(const bt_node *node)
{
    const bt_attr_value *types;
    int row = pipeline_of(node), n = row < 0 ? 0 : bt_attr_list(node, pipelines[row].types, &types);
    return row < 0 ? !strcmp(node->op, "Placeholder") : n > 0 ? (size_t)n : 0;
}

/* [n] before the shape of one. */
static void put_rows(bt_shape *shape)
{
    if (shape->rank < 0 || shape->rank == BT_MAX_RANK) return (void)(*shape = BT_SHAPE_UNKNOWN);
    memmove(shape->dim + 1, shape->dim, (size_t)shape->rank++ * sizeof *shape->dim);
    shape->dim[0] = -1;
}

/* Dtype and shape of output i. */
static void describe(const bt_graph *g, const bt_node *node, int row, int i, bt_port *port)
{
    const bt_attr_value *types, *shapes;
    const char *name = pipelines[row].shapes ? pipelines[row].shapes : "shapes";
    const bt_node *from = pipelines[row].shapes || !node->n_inputs ? node : &g->nodes[node->inputs[0].node];
    bt_attr_list(node, pipelines[row].types, &types);
    const bt_attr *dtypes = bt_attr_find(node, pipelines[row].types);
    if (dtypes->kind == BT_ATTR_TYPE) port->dtype = types[i].type;
    if (bt_attr_shapes(from, name, &shapes) > i) port->shape = *shapes[i].shape;
    if (pipelines[row].is_many) put_rows(&port->shape);
}

/* ---- The whole ---------------------------------------------------------------------------------------- */

static bool add_port(berth_model *model, const bt_node *node, int slot, bt_port *port)
{
    port->tensor = port->key = bt_arena_print(&model->source.arena, "%s:%d", node->name, slot);
    port->at = (bt_edge){(int32_t)(node - model->source.graph.nodes), slot};
    port->shape = BT_SHAPE_UNKNOWN;
    return port->key != NULL;
}

static bool add_inputs(berth_model *model, const bt_node *node)
{
    bt_signature *whole = &model->whole;
    int n = (int)count_inputs(node), row = pipeline_of(node);
    for (int i = 0; i < n; i++) {
        bt_port *port = &whole->inputs[whole->n_inputs++];
        if (!add_port(model, node, i, port)) return false;
        if (row >= 0) {
            describe(&model->source.graph, node, row, i, port);
            continue;
        }
        port->dtype = bt_attr_type(node, "dtype", BERTH_NO_DTYPE);
        port->shape = bt_input_shape(node, model->source.producer);
    }
    return true;
}

/* Not so: what an assignment gives back, and which way a branch goes, be it an input. A graph as it was trained ends in many of these. */
static bool is_answer(const bt_graph *g, const bt_node *node)
{
    const bt_node *from = node->n_inputs ? &g->nodes[node->inputs[0].node] : NULL;
    const bt_op *op = bt_op_find(node->op);
    if (from && !strcmp(node->op, "Identity") && bt_starts(from->op, "Placeholder")) return false;
    if (from && !strcmp(node->op, "Identity") && !strcmp(from->op, "Switch") && from->n_inputs == 2)
        return from->inputs[0].node != from->inputs[1].node;
    bool changes = bt_starts(node->op, "Apply") || (op && op->flags & BT_OP_STATEFUL);
    return !(changes && from && bt_starts(from->op, "Variable"));
}

/* Outputs: of nodes whose results nothing consumes; answers alone, if there are any. */
static berth_status add_outputs(berth_model *model, const bool *consumed, bool answers)
{
    bt_graph *g = &model->source.graph;
    bt_signature *whole = &model->whole;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const bt_node *node = &g->nodes[i];
        const bt_op *op = bt_op_find(node->op);
        if (consumed[i] || count_inputs(node) || !strcmp(node->op, "Const") || !strcmp(node->op, "NoOp") ||
            (op && op->outputs && !*op->outputs) || (answers && !is_answer(g, node)))
            continue;
        if (!add_port(model, node, 0, &whole->outputs[whole->n_outputs++])) return BERTH_NO_MEMORY;
    }
    return whole->n_outputs || !answers ? BERTH_OK : add_outputs(model, consumed, false);
}

berth_status bt_model_whole(berth_model *model, berth_error *error)
{
    bt_graph *g = &model->source.graph;
    bt_arena *arena = &model->source.arena;
    bt_signature *whole = &model->whole;
    size_t n_inputs = 0;
    *whole = (bt_signature){.name = "", .method = ""};
    bool *consumed = bt_arena_array(arena, bool, g->n_nodes + 1);
    if (!consumed) return bt_fail_memory(error);
    for (size_t i = 0; i < g->n_nodes; i++) {
        n_inputs += count_inputs(&g->nodes[i]);
        for (int j = 0; j < g->nodes[i].n_inputs; j++) consumed[g->nodes[i].inputs[j].node] = true;
    }
    whole->inputs = bt_arena_array(arena, bt_port, n_inputs + 1);
    whole->outputs = bt_arena_array(arena, bt_port, g->n_nodes + 1);
    if (!whole->inputs || !whole->outputs) return bt_fail_memory(error);
    for (size_t i = 0; i < g->n_nodes; i++)
        if (!add_inputs(model, &g->nodes[i])) return bt_fail_memory(error);
    if (add_outputs(model, consumed, true)) return bt_fail_memory(error);
    infer_outputs(model);
    return BERTH_OK;
}

/* ---- What of it is written out ------------------------------------------------------------------------ */

/* What is left of training: ops that berth does not know, and all that depends on one. */
static void find_unknown(const bt_source *from, bool *unknown)
{
    const bt_graph *g = &from->graph;
    bool more = true;
    for (size_t i = 0; i < g->n_nodes; i++)
        unknown[i] = !g->nodes[i].def && !bt_map_get(&from->functions, bt_str_of(g->nodes[i].op)) &&
                     pipeline_of(&g->nodes[i]) < 0;
    for (int round = 0; more && round < 1000; round++) {
        more = false;
        for (size_t i = 0; i < g->n_nodes; i++) {
            const bt_node *node = &g->nodes[i];
            bool is = unknown[i], is_input = pipeline_of(node) >= 0;
            if (is_input) continue;
            for (int j = 0; j < node->n_inputs && !is; j++) is = unknown[node->inputs[j].node];
            for (int j = 0; j < node->n_controls && !is; j++) is = unknown[node->controls[j]];
            more |= is && !unknown[i];
            unknown[i] = is;
        }
    }
}

berth_status bt_whole_drop_unknown(const berth_model *model, bt_arena *arena, bt_signature *s,
                                   berth_error *error)
{
    const bt_graph *g = &model->source.graph;
    bool *unknown = bt_arena_array(arena, bool, g->n_nodes + 1);
    bt_port *kept = bt_arena_array(arena, bt_port, (size_t)s->n_outputs + 1);
    int n = 0;
    if (!unknown || !kept) return bt_fail_memory(error);
    find_unknown(&model->source, unknown);
    for (int i = 0; i < s->n_outputs; i++) {
        int32_t node = s->outputs[i].at.node;
        const char *op = g->nodes[node].op;
        bool is_state = bt_starts(op, "Assign") || bt_starts(op, "Variable") || bt_starts(op, "VarHandle");
        if (!unknown[node] && !is_state) kept[n++] = s->outputs[i];
    }
    if (n) s->outputs = kept, s->n_outputs = n;
    return BERTH_OK;
}

/* Which ports of pipelines the outputs of a graph need. */
typedef struct reading {
    int32_t *port_of; /* by node: the first of a pipeline's ports, + 1 */
    bool *read;       /* by port */
    int n;            /* ports */
} reading;

/* A slot that a damaged file names may be none. */
static void mark_read(const reading *r, bt_edge e)
{
    if (r->port_of[e.node] && e.slot >= 0 && e.slot < r->n - (r->port_of[e.node] - 1))
        r->read[r->port_of[e.node] - 1 + e.slot] = true;
}

static void find_read(const bt_graph *g, const reading *r, bool *seen, int32_t *stack, size_t n)
{
    while (n) {
        const bt_node *node = &g->nodes[stack[--n]];
        for (int i = 0; i < node->n_inputs + node->n_controls; i++) {
            bool is_data = i < node->n_inputs;
            int32_t from = is_data ? node->inputs[i].node : node->controls[i - node->n_inputs];
            if (is_data) mark_read(r, node->inputs[i]);
            if (!seen[from]) seen[from] = true, stack[n++] = from;
        }
    }
}

berth_status bt_whole_drop_unread(const berth_model *model, bt_arena *arena, bt_signature *s,
                                  berth_error *error)
{
    const bt_graph *g = &model->source.graph;
    bool *seen = bt_arena_array(arena, bool, g->n_nodes + 1);
    int32_t *stack = bt_arena_array(arena, int32_t, g->n_nodes + 1);
    bt_port *kept = bt_arena_array(arena, bt_port, (size_t)s->n_inputs + 1);
    reading r = {bt_arena_array(arena, int32_t, g->n_nodes + 1),
                 bt_arena_array(arena, bool, (size_t)s->n_inputs + 1), s->n_inputs};
    size_t n = 0;
    int n_kept = 0;
    if (!seen || !stack || !kept || !r.port_of || !r.read) return bt_fail_memory(error);
    for (int i = 0; i < s->n_inputs; i++) {
        bt_edge e = s->inputs[i].at;
        bool is_pipeline = pipeline_of(&g->nodes[e.node]) >= 0;
        if (is_pipeline && e.slot == 0) r.port_of[e.node] = i + 1;
        r.read[i] = !is_pipeline;
    }
    for (int i = 0; i < s->n_outputs; i++) {
        bt_edge e = s->outputs[i].at;
        mark_read(&r, e);
        if (!seen[e.node]) seen[e.node] = true, stack[n++] = e.node;
    }
    find_read(g, &r, seen, stack, n);
    for (int i = 0; i < s->n_inputs; i++)
        if (r.read[i]) kept[n_kept++] = s->inputs[i];
    s->inputs = kept, s->n_inputs = n_kept;
    return BERTH_OK;
}
