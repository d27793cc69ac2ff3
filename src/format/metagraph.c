/* MetaGraphDef: a graph with its signatures, its assets and the ops that initialise and restore it. A SavedModel
 * holds some (savedmodel.c), a checkpoint's .meta file is one (checkpoint.c). The graph itself: graphdef.c. */
#include "format/metagraph.h"

#include <stdlib.h>

#include "format/archive.h"
#include "format/graphdef.h"

static const char init_key[] = "__saved_model_init_op", train_key[] = "__saved_model_train_op";

typedef struct reading {
    bt_source *source;
    const char *folder; /* that the assets are in */
    bt_str meta;        /* the MetaGraphDef */
    const bt_str *functions;
    size_t n_functions;
    bt_str init_op; /* a node's or tensor's name; empty: none */
    int init_rank;  /* which of the three ways to name it this came from */
    bt_port *ports; /* of the signature being read */
    size_t n_ports, ports_capacity;
    berth_error *error;
} reading;

static berth_status damaged(reading *r, const char *what)
{
    return bt_fail(r->error, BERTH_BAD_MODEL, "damaged %s", what);
}

static const char *keep(reading *r, bt_str text)
{
    const char *copy = bt_arena_copy(&r->source->arena, text.p, text.n);
    if (!copy) bt_fail_memory(r->error);
    return copy;
}

/* ---- Signatures --------------------------------------------------------------------------------------- */

static berth_status add_port(reading *r, const char *key, bt_str tensor, berth_dtype dtype,
                             const bt_shape *shape)
{
    if (!bt_grow(&r->ports, &r->ports_capacity, r->n_ports + 1, sizeof *r->ports))
        return bt_fail_memory(r->error);
    bt_port *port = &r->ports[r->n_ports++];
    *port = (bt_port){.key = key, .tensor = keep(r, tensor), .dtype = dtype, .shape = *shape};
    return key ? r->error->status : bt_fail_memory(r->error);
}

/* CooSparse: values, indices and dense shape = 1, 2, 3. Each becomes a port of its own. */
static berth_status add_sparse(reading *r, const char *key, bt_str message, berth_dtype dtype)
{
    static const char *const names[] = {"values", "indices", "dense_shape"};
    for (uint32_t i = 0; i < 3; i++) {
        bool failed = false;
        bt_str tensor = bt_wire_field(message, i + 1, &failed);
        const char *part = bt_arena_print(&r->source->arena, "%s/%s", key, names[i]);
        if (failed) return damaged(r, "sparse tensor");
        if (add_port(r, part, tensor, i == 0 ? dtype : BERTH_INT64, &BT_SHAPE_UNKNOWN))
            return r->error->status;
    }
    return BERTH_OK;
}

/* TensorInfo: name = 1, dtype = 2, tensor_shape = 3, coo_sparse = 4, composite_tensor = 5 { components = 2 } */
static berth_status add_info(reading *r, const char *key, bt_str message, bool nested)
{
    bt_str name = {"", 0}, sparse = {0}, composite = {0};
    berth_dtype dtype = BERTH_NO_DTYPE;
    bt_shape shape = BT_SHAPE_UNKNOWN;
    int rank;
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w)) {
        if (w.field == 1) name = bt_wire_bytes(&w);
        if (w.field == 2) dtype = bt_dtype_read(bt_wire_uint(&w));
        if (w.field == 3) w.failed |= !bt_shape_read(bt_wire_bytes(&w), &shape, &rank);
        if (w.field == 4) sparse = bt_wire_bytes(&w);
        if (w.field == 5) composite = bt_wire_bytes(&w);
    }
    if (w.failed) return damaged(r, "signature");
    if (sparse.p) return add_sparse(r, key, sparse, dtype);
    if (!composite.p) return add_port(r, key, name, dtype, &shape);
    if (nested) return bt_fail(r->error, BERTH_UNSUPPORTED, "composite tensor '%s' holds another one", key);
    w = bt_wire_of(composite);
    for (int i = 0; bt_wire_next(&w);) {
        if (w.field != 2) continue;
        const char *part = bt_arena_print(&r->source->arena, "%s/%d", key, i++);
        if (!part) return bt_fail_memory(r->error);
        if (add_info(r, part, bt_wire_bytes(&w), true)) return r->error->status;
    }
    return w.failed ? damaged(r, "signature") : BERTH_OK;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const bt_port *)a)->key, ((const bt_port *)b)->key);
}

/* A map from keys to TensorInfos, as ports in the order of the keys. */
static berth_status read_ports(reading *r, bt_str signature, uint32_t field, bt_port **ports, int *n)
{
    r->n_ports = 0;
    bt_wire w = bt_wire_of(signature);
    while (bt_wire_next(&w)) {
        bool failed = false;
        if (w.field != field) continue;
        bt_str entry = bt_wire_bytes(&w), info = bt_wire_field(entry, 2, &failed);
        const char *key = keep(r, bt_wire_field(entry, 1, &failed));
        if (failed) return damaged(r, "signature");
        if (!key || add_info(r, key, info, false)) return r->error->status;
    }
    if (w.failed || r->n_ports > INT32_MAX) return damaged(r, "signature");
    *n = (int)r->n_ports;
    *ports = bt_arena_array(&r->source->arena, bt_port, r->n_ports);
    if (!*ports) return bt_fail_memory(r->error);
    if (!r->n_ports) return BERTH_OK;
    qsort(r->ports, r->n_ports, sizeof *r->ports, by_key);
    memcpy(*ports, r->ports, r->n_ports * sizeof *r->ports);
    return BERTH_OK;
}

/* What names the op that initialises tables: in the order of TensorFlow's preference. */
enum { INIT_LEGACY = 1, INIT_MAIN, INIT_SIGNATURE };

static void set_init(reading *r, int rank, bt_str name)
{
    if (rank >= r->init_rank && name.n) r->init_rank = rank, r->init_op = name;
}

/* SignatureDef: inputs = 1, outputs = 2, method_name = 3 */
static berth_status read_signature(reading *r, bt_str name, bt_str message)
{
    bool failed = false;
    if (bt_str_is(name, init_key)) {
        bt_str entry = bt_wire_field(message, 2, &failed);
        set_init(r, INIT_SIGNATURE, bt_wire_field(bt_wire_field(entry, 2, &failed), 1, &failed));
        return failed ? damaged(r, "signature") : BERTH_OK;
    }
    if (bt_str_is(name, train_key)) return BERTH_OK;
    bt_signature *s = &r->source->signatures[r->source->n_signatures++];
    s->name = keep(r, name);
    s->method = keep(r, bt_wire_field(message, 3, &failed));
    if (r->error->status) return r->error->status;
    if (read_ports(r, message, 1, &s->inputs, &s->n_inputs) ||
        read_ports(r, message, 2, &s->outputs, &s->n_outputs))
        bt_error_prefix(r->error, "signature '%s'", s->name);
    return r->error->status;
}

/* ---- Assets and initialisers -------------------------------------------------------------------------- */

static bool leaves_folder(const char *path)
{
    return path[0] == '/' || strcmp(path, "..") == 0 || bt_starts(path, "../") || strstr(path, "/../") ||
           bt_ends(path, "/..");
}

/* AssetFileDef: tensor_info = 1, filename = 2 */
static berth_status read_asset(reading *r, bt_str message)
{
    bool failed = false;
    bt_port *port = &r->source->asset_feeds[r->source->n_asset_feeds];
    const char *name = keep(r, bt_wire_field(message, 2, &failed));
    port->tensor = keep(r, bt_wire_field(bt_wire_field(message, 1, &failed), 1, &failed));
    if (r->error->status) return r->error->status;
    if (failed) return damaged(r, "asset");
    if (leaves_folder(name))
        return bt_fail(r->error, BERTH_BAD_MODEL, "asset '%s' lies outside the model's folder", name);
    port->key = bt_arena_print(&r->source->arena, "%s/assets/%s", r->folder, name);
    if (!port->key) return bt_fail_memory(r->error);
    if (!bt_files_has(r->source, port->key))
        return bt_fail(r->error, BERTH_NOT_FOUND, "asset 'assets/%s' is not there", name);
    if (!(port->key = bt_files_path(r->source, port->key, r->error))) return r->error->status;
    port->dtype = BERTH_STRING;
    r->source->n_asset_feeds++;
    return BERTH_OK;
}

/* CollectionDef: node_list = 1 { value = 1 }, any_list = 5 { value = 1 { value = 2 } } */
static berth_status read_collection(reading *r, bt_str key, bt_str message)
{
    bool failed = false;
    if (bt_str_is(key, "saved_model_main_op") || bt_str_is(key, "legacy_init_op"))
        set_init(r, bt_str_is(key, "legacy_init_op") ? INIT_LEGACY : INIT_MAIN,
                 bt_wire_field(bt_wire_field(message, 1, &failed), 1, &failed));
    if (bt_str_is(key, "saved_model_assets") && r->source->n_asset_feeds == 0) {
        bt_str list = bt_wire_field(message, 5, &failed);
        r->source->asset_feeds = bt_arena_array(&r->source->arena, bt_port, bt_wire_count(list, 1));
        if (!r->source->asset_feeds) return bt_fail_memory(r->error);
        bt_wire w = bt_wire_of(list);
        while (bt_wire_next(&w))
            if (w.field == 1 && read_asset(r, bt_wire_field(bt_wire_bytes(&w), 2, &failed)))
                return r->error->status;
    }
    return failed ? damaged(r, "collection") : BERTH_OK;
}

/* The init op's name may be a node's ("init") or a tensor's ("init:0"). */
static berth_status set_init_target(reading *r)
{
    bt_str node;
    int slot;
    if (!r->init_op.n) return BERTH_OK;
    int32_t i = bt_tensor_name(r->init_op, &node, &slot) ? bt_graph_find(&r->source->graph, node) : -1;
    if (i < 0)
        return bt_fail(r->error, BERTH_BAD_MODEL, "the initialiser '%.*s' is not in the graph",
                       (int)(r->init_op.n < 200 ? r->init_op.n : 200), r->init_op.p);
    r->source->init_targets = bt_arena_array(&r->source->arena, const char *, 1);
    if (!r->source->init_targets) return bt_fail_memory(r->error);
    r->source->init_targets[r->source->n_init_targets++] = r->source->graph.nodes[i].name;
    return BERTH_OK;
}

/* ---- The whole ---------------------------------------------------------------------------------------- */

static berth_status read_all(reading *r)
{
    bt_source *source = r->source;
    size_t n_signatures = bt_wire_count(r->meta, META_SIGNATURE),
           n_assets = bt_wire_count(r->meta, META_ASSET);
    source->signatures = bt_arena_array(&source->arena, bt_signature, n_signatures);
    source->asset_feeds = bt_arena_array(&source->arena, bt_port, n_assets);
    if (!source->signatures || !source->asset_feeds) return bt_fail_memory(r->error);
    bt_wire w = bt_wire_of(r->meta);
    while (!r->error->status && bt_wire_next(&w)) {
        bool failed = false;
        bt_str bytes = w.type == BT_WIRE_BYTES ? w.bytes : (bt_str){"", 0};
        if (w.field == META_GRAPH) {
            bt_graphdef_read_with(bytes, r->functions, r->n_functions, source, r->error);
        } else if (w.field == META_ASSET) {
            read_asset(r, bytes);
        } else if (w.field == META_COLLECTION || w.field == META_SIGNATURE) {
            bt_str key = bt_wire_field(bytes, 1, &failed), value = bt_wire_field(bytes, 2, &failed);
            if (failed) damaged(r, "entry");
            else if (w.field == META_COLLECTION) read_collection(r, key, value);
            else read_signature(r, key, value);
        }
    }
    if (w.failed) damaged(r, "or cut short");
    if (!r->error->status && source->graph.n_nodes == 0)
        bt_fail(r->error, BERTH_BAD_MODEL, "a MetaGraph without a graph");
    return r->error->status ? r->error->status : set_init_target(r);
}

berth_status bt_metagraph_read(bt_str message, const char *folder, const bt_str *functions,
                               size_t n_functions, bt_source *source, berth_error *error)
{
    reading r = {.source = source,
                 .folder = folder,
                 .meta = message,
                 .functions = functions,
                 .n_functions = n_functions,
                 .error = error};
    read_all(&r);
    bt_free(r.ports);
    return error->status;
}

bool bt_metagraph_has_signatures(bt_str message)
{
    bool failed = false, found = false;
    bt_wire w = bt_wire_of(message);
    while (!found && bt_wire_next(&w)) {
        bt_str key = w.field == META_SIGNATURE ? bt_wire_field(bt_wire_bytes(&w), 1, &failed) : (bt_str){0};
        found = w.field == META_SIGNATURE && !bt_str_is(key, init_key) && !bt_str_is(key, train_key);
    }
    return found || failed || w.failed;
}

/* SaverDef: restore_op_name = 3 */
berth_status bt_metagraph_restore(bt_str message, const char *prefix, const char *name, bt_source *source,
                                  bt_restored *restored, berth_error *error)
{
    bool failed = false;
    bt_str restore_op = bt_wire_field(bt_wire_field(message, META_SAVER, &failed), 3, &failed);
    const char *text = bt_arena_copy(&source->arena, restore_op.p, restore_op.n);
    if (failed) return bt_fail(error, BERTH_BAD_MODEL, "damaged saver");
    if (!text) return bt_fail_memory(error);
    bt_bundle *bundle = bt_bundle_open(prefix, name, source, error);
    if (!bundle) return error->status;
    bt_restore_variables(source, *text ? text : NULL, bundle, restored, error);
    bt_bundle_free(bundle);
    return error->status;
}
