/* SavedModel, of TensorFlow 1 and 2: a folder with saved_model.pb (or .pbtxt), variables/ and assets/. One of its
 * MetaGraphs is taken, by its tags, and read by metagraph.c. All that runs stands in graph and signatures; where there are
 * none of these, or one is asked for, in the functions of the object graph of TensorFlow 2 (saved_functions.c). */
#include "format/archive.h"
#include "format/bundle.h"
#include "format/format.h"
#include "format/metagraph.h"
#include "format/pbtxt.h"
#include "format/saved_functions.h"

/* ---- MetaGraphs --------------------------------------------------------------------------------------- */

static bool has_tag(bt_str info, bt_str tag)
{
    bt_wire w = bt_wire_of(info);
    while (bt_wire_next(&w))
        if (w.field == INFO_TAGS && bt_str_equal(bt_wire_bytes(&w), tag)) return true;
    return false;
}

/* The tags are those of a comma-separated list, and no others. */
static bool tags_are(bt_str info, const char *list)
{
    size_t n = 0, length;
    for (const char *p = list; *p; p += length + (p[length] == ',')) {
        length = strcspn(p, ",");
        if (length && !has_tag(info, (bt_str){p, length})) return false;
        n += length > 0;
    }
    return n == bt_wire_count(info, INFO_TAGS);
}

/* "'serve', 'serve,gpu'": the tag sets of all MetaGraphs. */
static void list_tags(bt_str model, bt_text *out)
{
    bt_wire w = bt_wire_of(model);
    while (bt_wire_next(&w)) {
        bool failed = false, first = true;
        if (w.field != 2) continue;
        bt_text_add(out, out->n ? ", '" : "'", out->n ? 3 : 1);
        bt_wire info = bt_wire_of(bt_wire_field(bt_wire_bytes(&w), META_INFO, &failed));
        while (bt_wire_next(&info)) {
            if (info.field != INFO_TAGS) continue;
            bt_str tag = bt_wire_bytes(&info);
            if (!first) bt_text_add(out, ",", 1);
            bt_text_add(out, tag.p, tag.n);
            first = false;
        }
        bt_text_add(out, "'", 1);
    }
}

/* SavedModel: meta_graphs = 2. *meta becomes the MetaGraph whose tags are asked for; without a wish the one for
 * serving, or the only one. */
static berth_status choose(bt_str model, const char *tags, bt_source *source, bt_str *meta,
                           berth_error *error)
{
    size_t n = 0;
    bool found = false, failed = false;
    bt_wire w = bt_wire_of(model);
    while (bt_wire_next(&w)) {
        if (w.field != 2) continue;
        bt_str message = bt_wire_bytes(&w), info = bt_wire_field(message, META_INFO, &failed);
        if (!found) *meta = message;
        if (!found && tags_are(info, tags ? tags : "serve")) found = true;
        n++;
    }
    if (w.failed || failed) return bt_fail(error, BERTH_BAD_MODEL, "damaged or cut short");
    if (n == 0) return bt_fail(error, BERTH_BAD_MODEL, "no MetaGraph");
    bt_text there = {0};
    list_tags(model, &there);
    source->tags = bt_arena_copy(&source->arena, there.p ? there.p : "", there.n);
    if (!source->tags || there.failed) bt_fail_memory(error);
    if (!found && (tags || n > 1))
        bt_fail(error, BERTH_NOT_FOUND, "no MetaGraph has exactly the tags '%s'; there are: %.300s",
                tags ? tags : "serve", there.p ? there.p : "");
    bt_text_free(&there);
    return error->status;
}

/* ---- Files -------------------------------------------------------------------------------------------- */

/* Values of variables, when the folder has some. */
static berth_status read_variables(bt_str meta, const char *folder, bt_source *source, bt_restored *restored,
                                   berth_error *error)
{
    static const char name[] = "variables/variables";
    const char *prefix = bt_arena_print(&source->arena, "%s/%s", folder, name);
    if (!prefix) return bt_fail_memory(error);
    return bt_bundle_is_there(source, prefix)
               ? bt_metagraph_restore(meta, prefix, name, source, restored, error)
               : BERTH_OK;
}

/* A table without a name, which TensorFlow makes once, when it loads the file, and a graph at every run: it gets one. */
static berth_status name_tables(bt_source *source, berth_error *error)
{
    bt_graph *g = &source->graph;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const char *op = bt_saved_table(g->nodes[i].op);
        if (!op) continue;
        const char *name = bt_arena_print(&source->arena, "anonymous/%s", g->nodes[i].name);
        g->nodes[i].op = op;
        if (!name || !bt_set_string(g, (int32_t)i, "shared_name", name)) return bt_fail_memory(error);
    }
    return BERTH_OK;
}

static bool is_text(bt_str model) { return bt_pbtxt_sniff(model, BT_PBTXT_SAVED_MODEL); }

/* name: of the file in its folder, for messages. wanted: see bt_format_options.functions. */
static berth_status read_meta(bt_str meta, const char *folder, const char *name, const char *wanted,
                              bt_source *source, berth_error *error)
{
    bt_saved_functions functions;
    bt_restored restored = {0};
    if (bt_saved_functions_find(&functions, meta, wanted, source, error) ||
        bt_metagraph_read(meta, folder, functions.needed, functions.n_needed, source, error) ||
        name_tables(source, error))
        bt_error_prefix(error, "%s", name);
    else if (!read_variables(meta, folder, source, functions.n_offered ? &restored : NULL, error) &&
             bt_saved_functions_offer(&functions, &restored))
        bt_error_prefix(error, "%s", name);
    bt_saved_functions_free(&functions);
    bt_map_free(&restored.handles);
    return error->status;
}

static berth_status read_model(bt_file *file, const char *folder, const char *name,
                               const bt_format_options *options, bt_source *source, berth_error *error)
{
    bt_str model = {(const char *)file->data, file->size}, meta;
    bt_arena *arena = &source->arena;
    bool text = bt_ends(name, ".pbtxt") || is_text(model);
    if (!bt_source_add_file(source, bt_file_ref(file))) return bt_fail_memory(error);
    if ((text && bt_pbtxt_keep(model, BT_PBTXT_SAVED_MODEL, arena, &model, error)) ||
        choose(model, options->tags, source, &meta, error)) {
        bt_error_prefix(error, "%s", name);
        return error->status;
    }
    return read_meta(meta, folder, name, options->functions, source, error);
}

static const char *const names[] = {"saved_model.pb", "saved_model.pbtxt"};

static berth_status load_folder(const char *folder, const bt_format_options *options, bt_source *source,
                                berth_error *error)
{
    for (size_t i = 0; i < 2; i++) {
        const char *path = bt_arena_print(&source->arena, "%s/%s", folder, names[i]);
        if (!path) return bt_fail_memory(error);
        if (!bt_files_has(source, path)) continue;
        bt_file *file = bt_files_open(source, path, error);
        if (file) read_model(file, folder, names[i], options, source, error);
        bt_file_free(file);
        return error->status;
    }
    return bt_fail(error, BERTH_NOT_FOUND, "%s is gone", names[0]);
}

static berth_status load(const char *path, bt_file *file, const bt_format_options *options, bt_source *source,
                         berth_error *error)
{
    if (!file) return load_folder(path, options, source, error);
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    const char *folder = slash ? bt_arena_copy(&source->arena, path, n ? n : 1) : ".";
    if (!folder) return bt_fail_memory(error);
    return read_model(file, folder, slash ? slash + 1 : path, options, source, error);
}

/* SavedModel: saved_model_schema_version = 1 stands first, then meta_graphs. */
static bool sniff_file(const bt_file *file)
{
    bt_str model = {(const char *)file->data, file->size};
    bt_wire w = bt_wire_of(model);
    if (!bt_wire_next(&w) || w.field != 1 || w.type != BT_WIRE_VARINT) return is_text(model);
    return bt_wire_next(&w) && w.field == 2;
}

static bool sniff(const bt_source *source, const char *path, const bt_file *file)
{
    bool found = false;
    if (file) return sniff_file(file);
    for (size_t i = 0; i < 2 && !found; i++) {
        bt_text name = {0};
        bt_text_print(&name, "%s/%s", path, names[i]);
        found = name.failed || bt_files_has(source, name.p); /* without memory, load says so */
        bt_text_free(&name);
    }
    return found;
}

const bt_format bt_format_savedmodel = {.name = "SavedModel", .sniff = sniff, .load = load};
