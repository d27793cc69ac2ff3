/* The inputs and outputs of a graph without signatures: placeholders, what pipelines of inputs bring, and what nothing
 * consumes. To read next: ../pass/clone.h, by which the outputs' shapes are told. */
#include "session/model.h"

#include "pass/clone.h"

/* Facts of the whole graph, as far as its ops are known; a graph that cannot be planned has none. */
static void infer_ports(berth_model *model, const bt_edge *edges, bt_port *ports, int n)
{
    bt_arena arena;
    bt_map written = {0};
    berth_error ignored = {0};
    bt_arena_init(&arena);
    bt_pass_context x = {.source = &model->source,
                         .functions = &model->source.functions,
                         .arena = &arena,
                         .written = &written,
                         .n_fetches = n,
                         .error = &ignored};
    bt_graph_init(&x.graph, &arena);
    const bt_signature *inputs = &model->whole;
    x.feeds = bt_arena_array(&arena, bt_edge, (size_t)inputs->n_inputs + 1);
    x.feed_facts = bt_arena_array(&arena, bt_fact, (size_t)inputs->n_inputs + 1);
    x.fetches = bt_arena_array(&arena, bt_edge, (size_t)n + 1);
    if (x.feeds && x.feed_facts && x.fetches) {
        for (x.n_feeds = 0; x.n_feeds < inputs->n_inputs; x.n_feeds++) {
            const bt_port *port = &inputs->inputs[x.n_feeds];
            bt_str node;
            int slot;
            bt_tensor_name(bt_str_of(port->tensor), &node, &slot);
            x.feeds[x.n_feeds] = (bt_edge){bt_graph_find(&model->source.graph, node), slot};
            x.feed_facts[x.n_feeds] = (bt_fact){port->dtype, port->shape, NULL};
        }
        memcpy(x.fetches, edges, (size_t)n * sizeof *edges);
        if (!bt_pass_prune(&x, &model->source.graph, false) && !bt_pass_infer(&x))
            for (int i = 0; i < n; i++) {
                const bt_fact *fact = bt_pass_fact(&x, x.fetches[i]);
                ports[i].dtype = fact->dtype, ports[i].shape = fact->shape;
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

bool bt_model_is_pipeline(const bt_node *node) { return pipeline_of(node) >= 0; }

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
    const bt_attr *attr = bt_attr_find(from, name), *dtypes = bt_attr_find(node, pipelines[row].types);
    if (dtypes->kind == BT_ATTR_TYPE) port->dtype = types[i].type;
    if (bt_attr_list(from, name, &shapes) > i && attr->kind == BT_ATTR_SHAPE) port->shape = shapes[i].shape;
    if (pipelines[row].is_many) put_rows(&port->shape);
}

/* ---- The whole ---------------------------------------------------------------------------------------- */

static bool add_port(bt_arena *arena, const bt_node *node, int slot, bt_port *port)
{
    port->tensor = port->key = bt_arena_print(arena, "%s:%d", node->name, slot);
    port->shape = BT_SHAPE_UNKNOWN;
    return port->key != NULL;
}

static bool add_inputs(berth_model *model, const bt_node *node)
{
    bt_signature *whole = &model->whole;
    int n = (int)count_inputs(node), row = pipeline_of(node);
    for (int i = 0; i < n; i++) {
        bt_port *port = &whole->inputs[whole->n_inputs++];
        if (!add_port(&model->source.arena, node, i, port)) return false;
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
static berth_status add_outputs(berth_model *model, const bool *consumed, bt_edge *sinks, bool answers)
{
    bt_graph *g = &model->source.graph;
    bt_signature *whole = &model->whole;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const bt_node *node = &g->nodes[i];
        const bt_op *op = bt_op_find(node->op);
        if (consumed[i] || count_inputs(node) || !strcmp(node->op, "Const") || !strcmp(node->op, "NoOp") ||
            (op && op->outputs && !*op->outputs) || (answers && !is_answer(g, node)))
            continue;
        if (!add_port(&model->source.arena, node, 0, &whole->outputs[whole->n_outputs]))
            return BERTH_NO_MEMORY;
        sinks[whole->n_outputs++] = (bt_edge){(int32_t)i, 0};
    }
    return whole->n_outputs || !answers ? BERTH_OK : add_outputs(model, consumed, sinks, false);
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
    bt_edge *sinks = bt_arena_array(arena, bt_edge, g->n_nodes + 1);
    if (!whole->inputs || !whole->outputs || !sinks) return bt_fail_memory(error);
    for (size_t i = 0; i < g->n_nodes; i++)
        if (!add_inputs(model, &g->nodes[i])) return bt_fail_memory(error);
    if (add_outputs(model, consumed, sinks, true)) return bt_fail_memory(error);
    infer_ports(model, sinks, whole->outputs, whole->n_outputs);
    return BERTH_OK;
}
