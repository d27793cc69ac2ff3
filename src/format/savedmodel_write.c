/* SavedModel written, as TensorFlow 1 does and every version since reads: one MetaGraph with its signatures, the op that
 * initialises tables, the assets, and the ops that restore its variables from variables/. Read: savedmodel.c, metagraph.c. */
#include <stdlib.h>

#include "base/file.h"
#include "format/metagraph.h"
#include "format/write.h"
#include "ops/op.h"

typedef struct writing {
    bt_source source; /* the source with nodes of ours in its graph; the rest is borrowed */
    bt_arena arena;
    const char *folder;
    bt_bundle_item *items; /* variables that the graph has, by key */
    int32_t *handles;      /* the node of each, before they were sorted */
    size_t n_items;
    const char *filename, *restore, *init; /* nodes; init NULL: none */
    bt_save file;
    berth_error *error;
} writing;

/* ---- Nodes of ours ------------------------------------------------------------------------------------ */

static int32_t add_node(writing *w, const char *base, const char *op, const bt_edge *inputs, int n)
{
    bt_graph *g = &w->source.graph;
    const char *name = bt_graph_unique_name(g, base);
    int32_t node = name ? bt_graph_add(g, name, op) : -1;
    if (node < 0 || !bt_node_set_inputs(g, node, inputs, n)) return bt_fail_memory(w->error), -1;
    g->nodes[node].def = bt_op_find(op);
    return node;
}

/* A constant vector of strings, or with n 0 the scalar of the first. */
static int32_t add_strings(writing *w, const char *base, const char *const *strings, size_t n)
{
    bt_graph *g = &w->source.graph;
    int32_t node = add_node(w, base, "Const", NULL, 0);
    bt_tensor *t = bt_arena_new(&w->arena, bt_tensor);
    bt_string *s = bt_arena_array(&w->arena, bt_string, n + 1);
    if (node < 0 || !t || !s) return bt_fail_memory(w->error), -1;
    for (size_t i = 0; i < (n ? n : 1); i++)
        s[i] = (bt_string){(char *)(uintptr_t)strings[i], strlen(strings[i])};
    *t = (bt_tensor){.dtype = BERTH_STRING, .shape = n ? BT_SHAPE((int64_t)n) : BT_SCALAR, .data = s};
    if (!bt_set_type(g, node, "dtype", BERTH_STRING) || !bt_set_tensor(g, node, "value", t))
        return bt_fail_memory(w->error), -1;
    return node;
}

/* Restored values into a variable. */
static int32_t add_assign(writing *w, int32_t handle, bt_edge value, berth_dtype dtype)
{
    bt_graph *g = &w->source.graph;
    bool resource = !strcmp(g->nodes[handle].op, "VarHandleOp");
    bt_edge in[2] = {{handle, 0}, value};
    int32_t node = add_node(w, "save/Assign", resource ? "AssignVariableOp" : "Assign", in, 2);
    if (node < 0 || !bt_set_type(g, node, resource ? "dtype" : "T", dtype))
        return bt_fail_memory(w->error), -1;
    return node;
}

static berth_status add_restore(writing *w)
{
    static const char *const model = "model";
    size_t n = w->n_items;
    bt_graph *g = &w->source.graph;
    const char **keys = bt_arena_array(&w->arena, const char *, n),
               **slices = bt_arena_array(&w->arena, const char *, n);
    berth_dtype *types = bt_arena_array(&w->arena, berth_dtype, n);
    int32_t *assigns = bt_arena_array(&w->arena, int32_t, n);
    if (!keys || !slices || !types || !assigns) return bt_fail_memory(w->error);
    for (size_t i = 0; i < n; i++)
        keys[i] = w->items[i].key, slices[i] = "", types[i] = w->items[i].value->dtype;
    int32_t filename = add_strings(w, "save/Const", &model, 0),
            names = add_strings(w, "save/tensor_names", keys, n);
    int32_t parts = add_strings(w, "save/shape_and_slices", slices, n);
    if (filename < 0 || names < 0 || parts < 0) return w->error->status;
    bt_edge in[3] = {{filename, 0}, {names, 0}, {parts, 0}};
    int32_t restore = add_node(w, "save/RestoreV2", "RestoreV2", in, 3);
    if (restore < 0 || !bt_set_types(g, restore, "dtypes", types, (int)n)) return bt_fail_memory(w->error);
    for (size_t i = 0; i < n; i++) {
        assigns[i] = add_assign(w, w->handles[i], (bt_edge){restore, (int32_t)i}, types[i]);
        if (assigns[i] < 0) return w->error->status;
    }
    int32_t all = add_node(w, "save/restore_all", "NoOp", NULL, 0);
    if (all < 0 || !bt_node_set_controls(g, all, assigns, (int)n)) return bt_fail_memory(w->error);
    w->filename = bt_arena_print(&w->arena, "%s:0", g->nodes[filename].name);
    w->restore = g->nodes[all].name;
    return w->filename ? BERTH_OK : bt_fail_memory(w->error);
}

/* One node that waits for all initialisers. */
static berth_status add_init(writing *w)
{
    const bt_source *s = &w->source;
    if (s->n_init_targets < 2) return w->init = s->n_init_targets ? s->init_targets[0] : NULL, BERTH_OK;
    int32_t *waits = bt_arena_array(&w->arena, int32_t, (size_t)s->n_init_targets);
    int32_t init = add_node(w, "init_all", "NoOp", NULL, 0);
    if (!waits || init < 0) return bt_fail_memory(w->error);
    for (int i = 0; i < s->n_init_targets; i++)
        waits[i] = bt_graph_find(&s->graph, bt_str_of(s->init_targets[i]));
    if (!bt_node_set_controls(&w->source.graph, init, waits, s->n_init_targets))
        return bt_fail_memory(w->error);
    w->init = s->graph.nodes[init].name;
    return BERTH_OK;
}

/* ---- Variables ---------------------------------------------------------------------------------------- */

/* Keys, and by each the node: two nodes of one variable restore it twice, from the same tensor. */
static berth_status find_variables(writing *w)
{
    const bt_source *s = &w->source;
    w->items = bt_arena_array(&w->arena, bt_bundle_item, s->graph.n_nodes + 1);
    w->handles = bt_arena_array(&w->arena, int32_t, s->graph.n_nodes + 1);
    if (!w->items || !w->handles) return bt_fail_memory(w->error);
    for (size_t i = 0; i < s->graph.n_nodes; i++) {
        const bt_variable *v = bt_source_variable(s, &s->graph.nodes[i]);
        if (!v) continue;
        w->items[w->n_items] = (bt_bundle_item){v->name, &v->value};
        w->handles[w->n_items++] = (int32_t)i;
    }
    return BERTH_OK;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const bt_bundle_item *)a)->key, ((const bt_bundle_item *)b)->key);
}

static berth_status save_variables(writing *w)
{
    const char *folder = bt_arena_print(&w->arena, "%s/variables", w->folder);
    const char *prefix = bt_arena_print(&w->arena, "%s/variables/variables", w->folder);
    size_t n = 0;
    if (!folder || !prefix) return bt_fail_memory(w->error);
    if (!w->n_items) return BERTH_OK;
    if (bt_save_make_folder(folder, w->error)) return w->error->status;
    qsort(w->items, w->n_items, sizeof *w->items, by_key);
    for (size_t i = 0; i < w->n_items; i++)
        if (!n || strcmp(w->items[i].key, w->items[n - 1].key)) w->items[n++] = w->items[i];
    return bt_bundle_save(&w->source, w->items, n, prefix, w->error);
}

/* ---- Messages ----------------------------------------------------------------------------------------- */

static void put_graph(void *user, bt_str head, bt_str behind)
{
    bt_save_add(user, head.p, head.n);
    bt_save_add(user, behind.p, behind.n);
}

/* A message in the file itself: its length, five bytes of a varint, is filled in at its end. */
static uint64_t begin_message(writing *w, uint32_t field)
{
    bt_text head = {0};
    bt_wire_begin(&head, field);
    if (head.failed) bt_fail_memory(w->error);
    bt_save_add(&w->file, head.p, head.n);
    bt_text_free(&head);
    return w->file.n;
}

static void end_message(writing *w, uint64_t begin)
{
    uint64_t n = w->file.n - begin;
    char length[5];
    for (int i = 0; i < 5; i++, n >>= 7) length[i] = (char)((n & 0x7f) | (i < 4 ? 0x80 : 0));
    bt_save_patch(&w->file, begin - 5, length, 5);
}

/* TensorInfo: name = 1, dtype = 2, tensor_shape = 3 */
static void put_info(bt_text *out, uint32_t field, const bt_port *port)
{
    size_t begin = bt_wire_begin(out, field);
    bt_wire_put_bytes(out, 1, bt_str_of(port->tensor));
    bt_wire_put_uint(out, 2, (uint64_t)port->dtype);
    bt_shape_write(out, 3, &port->shape);
    bt_wire_end(out, begin);
}

static void put_ports(bt_text *out, uint32_t field, const bt_port *ports, int n)
{
    for (int i = 0; i < n; i++) {
        size_t entry = bt_wire_begin(out, field);
        bt_wire_put_bytes(out, 1, bt_str_of(ports[i].key));
        put_info(out, 2, &ports[i]);
        bt_wire_end(out, entry);
    }
}

/* SignatureDef: inputs = 1, outputs = 2, method_name = 3 */
static void put_signature(bt_text *out, const bt_signature *s)
{
    static const char predict[] = "tensorflow/serving/predict";
    size_t entry = bt_wire_begin(out, 5);
    bt_wire_put_bytes(out, 1, bt_str_of(*s->name ? s->name : "serving_default"));
    size_t value = bt_wire_begin(out, 2);
    put_ports(out, 1, s->inputs, s->n_inputs);
    put_ports(out, 2, s->outputs, s->n_outputs);
    bt_wire_put_bytes(out, 3, bt_str_of(s->method && *s->method ? s->method : predict));
    bt_wire_end(out, value);
    bt_wire_end(out, entry);
}

/* SaverDef: filename_tensor_name = 1, save_tensor_name = 2, restore_op_name = 3, version = 7 (V2: 2) */
static void put_saver(const writing *w, bt_text *out)
{
    size_t begin = bt_wire_begin(out, 3);
    bt_wire_put_bytes(out, 1, bt_str_of(w->filename));
    bt_wire_put_bytes(out, 2, bt_str_of(w->filename));
    bt_wire_put_bytes(out, 3, bt_str_of(w->restore));
    bt_wire_put_uint(out, 7, 2);
    bt_wire_end(out, begin);
}

/* The entry of collection_def: a CollectionDef whose node_list is one name. */
static void put_collection(bt_text *out, const char *key, const char *node)
{
    size_t entry = bt_wire_begin(out, 4);
    bt_wire_put_bytes(out, 1, bt_str_of(key));
    size_t value = bt_wire_begin(out, 2), list = bt_wire_begin(out, 1);
    bt_wire_put_bytes(out, 1, bt_str_of(node));
    bt_wire_end(out, list), bt_wire_end(out, value), bt_wire_end(out, entry);
}

/* The file's name below assets/, in which it needs no folders. */
static const char *asset_name(writing *w, const bt_port *asset, int i)
{
    const char *from = asset->key, *slash = strrchr(from, '/');
    for (const char *p = from; (p = strstr(p, "/assets/")); p++) from = p + 8;
    if (strchr(from, '/') || from == asset->key)
        return bt_arena_print(&w->arena, "%d_%s", i, slash ? slash + 1 : asset->key);
    return from;
}

/* AssetFileDef: tensor_info = 1, filename = 2. */
static berth_status put_assets(writing *w, bt_text *out)
{
    const bt_source *s = &w->source;
    const char *folder = bt_arena_print(&w->arena, "%s/assets", w->folder);
    if (!folder) return bt_fail_memory(w->error);
    if (s->n_asset_feeds && bt_save_make_folder(folder, w->error)) return w->error->status;
    for (int i = 0; i < s->n_asset_feeds; i++) {
        const char *name = asset_name(w, &s->asset_feeds[i], i);
        const char *path = name ? bt_arena_print(&w->arena, "%s/%s", folder, name) : NULL;
        if (!path) return bt_fail_memory(w->error);
        if (!bt_path_exists(path) && bt_save_copy(s->asset_feeds[i].key, path, w->error))
            return w->error->status;
        size_t begin = bt_wire_begin(out, 6), info = bt_wire_begin(out, 1);
        bt_wire_put_bytes(out, 1, bt_str_of(s->asset_feeds[i].tensor));
        bt_wire_end(out, info);
        bt_wire_put_bytes(out, 2, bt_str_of(name));
        bt_wire_end(out, begin);
    }
    return BERTH_OK;
}

/* All of the MetaGraphDef but for its graph. */
static berth_status put_rest(writing *w, bt_text *out)
{
    const bt_source *s = &w->source;
    size_t info = bt_wire_begin(out, META_INFO);
    bt_wire_put_bytes(out, INFO_TAGS, bt_str_of("serve"));
    bt_wire_end(out, info);
    if (w->restore) put_saver(w, out);
    if (w->init) put_collection(out, "saved_model_main_op", w->init);
    for (int i = 0; i < s->n_signatures; i++) put_signature(out, &s->signatures[i]);
    return put_assets(w, out);
}

/* SavedModel: saved_model_schema_version = 1, meta_graphs = 2 { graph_def = 2 } */
static berth_status save_model(writing *w)
{
    bt_text rest = {0};
    const char *path = bt_arena_print(&w->arena, "%s/saved_model.pb", w->folder);
    if (!path) return bt_fail_memory(w->error);
    if (bt_save_open(&w->file, path, w->error)) return w->error->status;
    bt_save_add(&w->file, "\x08\x01", 2);
    uint64_t meta = begin_message(w, 2), graph = begin_message(w, 2);
    berth_status status = bt_graphdef_write(&w->source, put_graph, &w->file, w->error);
    end_message(w, graph);
    if (!status) status = put_rest(w, &rest);
    if (!status && rest.failed) status = bt_fail_memory(w->error);
    bt_save_add(&w->file, rest.p, rest.n);
    end_message(w, meta);
    bt_text_free(&rest);
    if (!status) status = w->error->status;
    berth_status closed = bt_save_close(&w->file, !status, w->error);
    return status ? status : closed;
}

/* A graph of ours with the nodes of the source's. */
static berth_status copy_graph(writing *w, const bt_graph *from)
{
    bt_graph *g = &w->source.graph;
    bt_graph_init(g, &w->arena);
    for (size_t i = 0; i < from->n_nodes; i++) {
        int32_t node = bt_graph_add(g, from->nodes[i].name, from->nodes[i].op);
        if (node < 0) return bt_fail_memory(w->error);
        g->nodes[node] = from->nodes[i];
    }
    return BERTH_OK;
}

/* A message about a file in the folder that is not in its place yet is one about the folder as it is to be. */
static void say_place(const char *folder, const char *path, berth_error *error)
{
    size_t n = strlen(folder);
    if (!strncmp(error->message, folder, n) && error->message[n] == '/')
        memmove(error->message, error->message + n + 1, strlen(error->message + n));
    bt_error_prefix(error, "%s", path);
}

berth_status bt_savedmodel_save(const bt_source *source, const char *path, berth_error *error)
{
    writing w = {.source = *source, .error = error};
    char *folder = bt_save_folder(path, error);
    if (!folder) return error->status;
    w.folder = folder;
    bt_arena_init(&w.arena);
    berth_status status = copy_graph(&w, &source->graph);
    if (!status) status = find_variables(&w);
    if (!status && w.n_items) status = add_restore(&w);
    if (!status) status = add_init(&w);
    if (!status) status = save_model(&w);
    if (!status) status = save_variables(&w);
    if (status) say_place(folder, path, error);
    berth_status closed = bt_save_folder_close(folder, path, !status, error);
    bt_graph_free(&w.source.graph);
    bt_arena_free(&w.arena);
    return status ? status : closed;
}
