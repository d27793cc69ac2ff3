/* For a GraphDef, which has no files beside it: a table that is filled from a text file is filled from constants, and whatever
 * fills tables is all that must run before the rest. */
#include "ops/table.h"
#include "pass/portable.h"

static bool op_is(const bt_node *node, const char *op) { return strcmp(node->op, op) == 0; }

/* The only value that is ever assigned to the variable behind a handle; node -1: there is no such. */
static bt_edge assigned(const bt_graph *g, bt_edge handle)
{
    bt_edge value = {-1, 0};
    int n = 0;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const bt_node *node = &g->nodes[i];
        bool is_assign =
            op_is(node, "AssignVariableOp") && node->n_inputs == 2 && node->inputs[0].node == handle.node;
        if (is_assign && n++ == 0) value = node->inputs[1];
    }
    return n == 1 ? value : (bt_edge){-1, 0};
}

/* The path that an edge is: an asset of the model, or a constant; NULL: neither. */
static const char *path_of(const bt_portable *p, const bt_graph *g, bt_edge e)
{
    for (int hops = 0; hops < 64 && e.node >= 0; hops++) {
        const bt_node *node = &g->nodes[e.node];
        if (op_is(node, "Identity")) e = node->inputs[0];
        else if (op_is(node, "ReadVariableOp")) e = assigned(g, node->inputs[0]);
        else break;
    }
    if (e.node < 0) return NULL;
    const bt_node *node = &g->nodes[e.node];
    for (int i = 0; i < p->source->n_asset_feeds; i++) {
        bt_str asset;
        int slot;
        if (bt_tensor_name(bt_str_of(p->source->asset_feeds[i].tensor), &asset, &slot) &&
            bt_str_is(asset, node->name))
            return p->source->asset_feeds[i].key;
    }
    const bt_tensor *value = op_is(node, "Const") ? bt_attr_tensor(node, "value") : NULL;
    if (!value || value->dtype != BERTH_STRING || bt_tensor_count(value) != 1) return NULL;
    const bt_string *s = value->data;
    return bt_arena_copy(p->arena, s->p ? s->p : "", s->n);
}

/* The two columns of a table. */
typedef struct columns {
    bt_arena *arena;
    bt_tensor *side[2];
    int64_t n, room;
} columns;

static berth_status put_line(void *user, const void *key, const void *value, berth_error *error)
{
    columns *c = user;
    if (c->n == c->room) return bt_fail(error, BERTH_BAD_MODEL, "the file has grown");
    for (int i = 0; i < 2; i++) {
        bt_tensor *t = c->side[i];
        const bt_string *text = i ? value : key;
        int64_t number = 0;
        if (t->dtype == BERTH_STRING) {
            bt_string *to = (bt_string *)t->data + c->n;
            *to = (bt_string){bt_arena_copy(c->arena, text->p ? text->p : "", text->n), text->n};
            if (!to->p) return bt_fail_memory(error);
            continue;
        }
        memcpy(&number, i ? value : key, sizeof number); /* the low bytes are the element's */
        size_t element = bt_dtype_size(t->dtype);
        memcpy((char *)t->data + (size_t)c->n * element, &number, element);
    }
    c->n++;
    return BERTH_OK;
}

static bt_tensor *column(bt_arena *arena, berth_dtype dtype, int64_t n)
{
    bt_tensor *t = bt_arena_new(arena, bt_tensor);
    void *data = bt_arena_alloc_n(arena, (size_t)n + 1, bt_dtype_size(dtype));
    if (!t || !data) return NULL;
    *t = (bt_tensor){.dtype = dtype, .shape = BT_SHAPE(n), .data = data};
    return t;
}

/* InitializeTableFromTextFileV2(table, path) becomes InitializeTableV2(table, keys, values). */
static berth_status fill_from_constants(bt_portable *p, int32_t index)
{
    bt_pass_context *x = &p->units[0]->x;
    const bt_node *node = &x->graph.nodes[index];
    const bt_node *table = node->n_inputs == 2 ? &x->graph.nodes[node->inputs[0].node] : NULL;
    for (int hops = 0; hops < 64 && table && op_is(table, "Identity"); hops++)
        table = &x->graph.nodes[table->inputs[0].node];
    const char *path = table ? path_of(p, &x->graph, node->inputs[1]) : NULL;
    berth_dtype types[2] = {table ? bt_attr_type(table, "key_dtype", 0) : 0,
                            table ? bt_attr_type(table, "value_dtype", 0) : 0};
    if (!path || !types[0] || !types[1])
        return bt_fail(p->error, BERTH_UNSUPPORTED,
                       "node '%s' (%s): which file it reads is not known beforehand", node->name, node->op);
    columns c = {.arena = p->arena};
    berth_status status = bt_table_lines(node, path, types[0], types[1], NULL, NULL, &c.room, p->error);
    for (int i = 0; i < 2 && !status; i++)
        if (!(c.side[i] = column(p->arena, types[i], c.room))) status = bt_fail_memory(p->error);
    if (!status) status = bt_table_lines(node, path, types[0], types[1], put_line, &c, &c.room, p->error);
    if (status) return status;
    bool second = bt_ends(node->op, "V2");
    bt_edge in[3] = {node->inputs[0]};
    for (int i = 0; i < 2; i++) {
        const char *name =
            bt_arena_print(p->arena, "%s/%s", x->graph.nodes[index].name, i ? "values" : "keys");
        in[i + 1].node = name ? bt_pass_const(x, name, c.side[i]) : -1;
        if (in[i + 1].node < 0) return bt_fail_memory(p->error);
    }
    bt_node *init = &x->graph.nodes[index];
    init->op = second ? "InitializeTableV2" : "InitializeTable", init->def = bt_op_find(init->op);
    init->n_attrs = 0;
    if (!bt_node_set_inputs(&x->graph, index, in, 3) || !bt_set_type(&x->graph, index, "Tkey", types[0]) ||
        !bt_set_type(&x->graph, index, "Tval", types[1]))
        return bt_fail_memory(p->error);
    bt_pass_change(x, "tables filled from constants", 1);
    return BERTH_OK;
}

/* Variables that the graph writes, by the handle's name. */
static bool find_written(const bt_graph *g, bt_map *written)
{
    bool ok = true;
    for (size_t i = 0; i < g->n_nodes && ok; i++) {
        const bt_node *node = &g->nodes[i];
        const bt_node *handle = node->n_inputs ? &g->nodes[node->inputs[0].node] : NULL;
        if (op_is(node, "AssignVariableOp") && handle && op_is(handle, "VarHandleOp"))
            ok = bt_map_put(written, bt_str_of(handle->name), written);
    }
    return ok;
}

/* A variable that had its value of an initialiser (the path of an asset, say) would be without one. */
static berth_status check_variables(bt_portable *p, const bt_map *initialised)
{
    const bt_graph *g = &p->units[0]->x.graph;
    bt_map written = {0};
    berth_status status = find_written(g, &written) ? BERTH_OK : bt_fail_memory(p->error);
    for (size_t i = 0; i < g->n_nodes && !status; i++) {
        const bt_node *node = &g->nodes[i];
        bt_str name = bt_str_of(node->name);
        if (op_is(node, "VarHandleOp") && bt_map_get(initialised, name) && !bt_map_get(&written, name))
            status =
                bt_fail(p->error, BERTH_UNSUPPORTED,
                        "variable '%s': an initialiser sets it, and a GraphDef has none; a SavedModel does",
                        node->name);
    }
    bt_map_free(&written);
    return status;
}

static berth_status fill_tables(bt_portable *p)
{
    bt_pass_context *x = &p->units[0]->x;
    size_t count = x->graph.n_nodes;
    int32_t *fills = bt_arena_array(p->arena, int32_t, count + 1);
    int n = 0;
    if (!fills) return bt_fail_memory(p->error);
    for (size_t i = 0; i < count; i++) {
        const char *op = x->graph.nodes[i].op;
        if (bt_starts(op, "InitializeTableFromTextFile") && fill_from_constants(p, (int32_t)i))
            return p->error->status;
        op = x->graph.nodes[i].op;
        if (bt_starts(op, "InitializeTable") || bt_starts(op, "LookupTableImport")) fills[n++] = (int32_t)i;
    }
    x->targets = fills, x->n_targets = n;
    return bt_pass_sweep(x);
}

berth_status bt_portable_tables(bt_portable *p)
{
    bt_map written = {0};
    berth_status status =
        find_written(&p->units[0]->x.graph, &written) ? fill_tables(p) : bt_fail_memory(p->error);
    if (!status) status = check_variables(p, &written);
    bt_map_free(&written);
    return status;
}
