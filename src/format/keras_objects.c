/* A checkpoint of TensorFlow 2 (`model.save_weights("ckpt")`): PREFIX.index and PREFIX.data-*, without a graph: the
 * architecture comes from --structure. What lies where, the checkpoint's graph of objects says: the model leads to its
 * layers ("layer-3"), these to what they own ("cell", "kernel"), and variables to keys of the tables (bundle.c). */
#include "format/archive.h"
#include "format/bundle.h"
#include "format/keras.h"
#include "format/object_graph.h"

typedef struct objects {
    bt_source *source;
    bt_bundle *bundle;
    bt_objects graph;
    bt_str *keys, *names; /* of each object: of the variable that it is, and its full name; else empty */
    size_t model;
} objects;

static bt_str graph_key(void) { return bt_str_of("_CHECKPOINTABLE_OBJECT_GRAPH"); }

/* ---- The graph of objects ----------------------------------------------------------------------------- */

static berth_status read_nodes(objects *o, bt_str message, berth_error *error)
{
    if (bt_objects_read(&o->graph, message, &o->source->arena, error)) return error->status;
    o->keys = bt_arena_array(&o->source->arena, bt_str, o->graph.n + 1);
    o->names = bt_arena_array(&o->source->arena, bt_str, o->graph.n + 1);
    if (!o->keys || !o->names) return bt_fail_memory(error);
    for (size_t i = 0; i < o->graph.n; i++) o->keys[i] = bt_objects_variable(&o->graph, i, &o->names[i]);
    return BERTH_OK;
}

/* Members are also found by the last word of their variable's full name, where Keras calls the member otherwise
 * ("adapt_mean", whose variable is "normalization/mean"). */
static berth_status add_names(objects *o, berth_error *error)
{
    size_t n = o->graph.children.count, other;
    for (size_t i = 0; i < n; i++) {
        uint32_t parent;
        memcpy(&parent, o->graph.children.entries[i].key.p, sizeof parent);
        size_t child = (size_t)(uintptr_t)o->graph.children.entries[i].value - 1;
        bt_str name = o->names[child];
        while (name.n && memchr(name.p, '/', name.n)) name.p++, name.n--;
        if (name.n && !bt_objects_find(&o->graph, parent, name, &other) &&
            !bt_objects_add(&o->graph, parent, name, child))
            return bt_fail_memory(error);
    }
    return BERTH_OK;
}

/* The model is the root, or a member of it: tf.train.Checkpoint(model=model). */
static void find_model(objects *o)
{
    size_t ignored;
    bt_str layer = bt_str_of("layer-0");
    for (size_t i = 0; !bt_objects_find(&o->graph, 0, layer, &ignored) && i < o->graph.children.count; i++) {
        uint32_t parent;
        memcpy(&parent, o->graph.children.entries[i].key.p, sizeof parent);
        o->model = (size_t)(uintptr_t)o->graph.children.entries[i].value - 1;
        if (parent == 0 && bt_objects_find(&o->graph, o->model, layer, &ignored)) return;
        o->model = 0;
    }
}

static berth_status read_graph(objects *o, berth_error *error)
{
    bt_tensor t;
    if (!bt_bundle_has(o->bundle, graph_key()))
        return bt_fail(error, BERTH_BAD_MODEL,
                       "a checkpoint of names, not of objects: its graph (.meta) is missing");
    if (bt_bundle_read(o->bundle, graph_key(), (bt_str){"", 0}, &t, error)) return error->status;
    const bt_string *s = t.dtype == BERTH_STRING && bt_tensor_count(&t) == 1 ? t.data : NULL;
    if (!s || !s->n) return bt_fail(error, BERTH_BAD_MODEL, "a damaged graph of objects");
    if (read_nodes(o, (bt_str){s->p, s->n}, error) || add_names(o, error)) return error->status;
    find_model(o);
    return BERTH_OK;
}

/* btk_weights.of_path */
static berth_status weight(void *user, const char *path, int i, const char *name, bt_tensor *value,
                           berth_error *error)
{
    objects *o = user;
    size_t at = o->model;
    (void)i;
    for (const char *p = path; *p;) {
        size_t n = strcspn(p, "/");
        if (!bt_objects_find(&o->graph, at, (bt_str){p, n}, &at)) return BERTH_OK;
        p += n + (p[n] == '/');
    }
    if (!name || !bt_objects_find(&o->graph, at, bt_str_of(name), &at) || !o->keys[at].n) return BERTH_OK;
    return bt_bundle_read(o->bundle, o->keys[at], (bt_str){"", 0}, value, error);
}

/* ---- The format --------------------------------------------------------------------------------------- */

static bool sniff(const bt_source *source, const char *path, const bt_file *file)
{
    bt_text name = {0};
    if (file) return false;
    bt_text_print(&name, "%s.index", path);
    bool found = !name.failed && bt_files_has(source, name.p);
    bt_text_free(&name);
    return found;
}

static berth_status load(const char *path, bt_file *file, const bt_format_options *options, bt_source *source,
                         berth_error *error)
{
    (void)file;
    bt_str text;
    const char *slash = strrchr(path, '/');
    objects o = {.source = source};
    btk_weights weights = {.user = &o, .of_path = weight, .by_place = true};
    if (!options->structure)
        return bt_fail(error, BERTH_BAD_MODEL,
                       "a checkpoint without its graph needs the model's architecture: "
                       "--structure ARCH.json");
    o.bundle = bt_bundle_open(path, slash ? slash + 1 : path, source, error);
    if (!o.bundle) return error->status;
    if (!read_graph(&o, error) && !btk_structure(options->structure, source, &text, error))
        btk_load(source, &weights, text, options->structure, (bt_str){0}, error);
    bt_objects_free(&o.graph);
    bt_bundle_free(o.bundle);
    return error->status;
}

const bt_format bt_format_objects = {.name = "TensorFlow 2 checkpoint", .sniff = sniff, .load = load};
