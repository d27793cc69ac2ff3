/* A checkpoint of TensorFlow 1 with its graph: PREFIX.meta is a MetaGraphDef (metagraph.c), PREFIX.index and PREFIX.data-*,
 * or in the old format PREFIX itself, hold its variables (bundle.c). Named by its prefix or by the .meta file, or by the folder,
 * whose file "checkpoint" tells the last prefix. */
#include "format/archive.h"
#include "format/format.h"
#include "format/graphdef.h"
#include "format/metagraph.h"
#include "format/pbtxt.h"
#include "format/sstable.h"

static bool is_meta(const char *path) { return bt_ends(path, ".meta"); }

/* The prefix of a checkpoint's name; for shards of the old format that is a pattern, "PREFIX-?????-of-00002". */
static bt_str without_pattern(bt_str name)
{
    static const char pattern[] = "-?????"
                                  "-of-"; /* and five digits; in two for want of trigraphs */
    size_t n = sizeof pattern - 1 + 5;
    bool is_pattern = name.n > n && !memcmp(name.p + name.n - n, pattern, sizeof pattern - 1);
    return is_pattern ? (bt_str){name.p, name.n - n} : name;
}

const char *bt_checkpoint_latest(bt_source *source, const char *folder, berth_error *error)
{
    const char *slash = bt_ends(folder, "/") ? "" : "/",
               *name = bt_arena_print(&source->arena, "%s%scheckpoint", folder, slash);
    if (!name) return bt_fail_memory(error), NULL;
    if (!bt_files_has(source, name)) return NULL;
    bt_file *file = bt_files_open(source, name, error);
    bt_text state = {0};
    bool failed = false;
    const char *prefix = NULL;
    if (file && !bt_pbtxt_encode((bt_str){(const char *)file->data, file->size}, BT_PBTXT_CHECKPOINT, &state,
                                 error)) {
        bt_str last = without_pattern(bt_wire_field((bt_str){state.p, state.n}, 1, &failed));
        for (size_t i = last.n; last.n && *last.p == '/' && i-- > 0;)
            if (last.p[i] == '/') last = (bt_str){last.p + i + 1, last.n - i - 1};
        prefix = bt_arena_print(&source->arena, "%s%s%.*s", folder, slash, (int)last.n, last.p);
        if (!prefix) bt_fail_memory(error);
    }
    bt_text_free(&state);
    bt_file_free(file);
    if (error->status) bt_error_prefix(error, "checkpoint");
    return error->status ? NULL : prefix;
}

/* In the old format a file has the prefix's very name. */
static bool sniff(const bt_source *source, const char *path, const bt_file *file)
{
    if (file && is_meta(path))
        return bt_wire_count((bt_str){(const char *)file->data, file->size}, META_INFO) > 0;
    if (file && !bt_sstable_sniff((bt_str){(const char *)file->data, file->size})) return false;
    bt_text name = {0};
    bt_text_print(&name, "%s.meta", path);
    bool found = !name.failed && bt_files_has(source, name.p);
    bt_text_free(&name);
    return found;
}

static berth_status read_checkpoint(bt_file *meta, const char *prefix, bt_source *source, berth_error *error)
{
    const char *slash = strrchr(prefix, '/');
    bt_str message = {(const char *)meta->data, meta->size};
    if (!bt_source_add_file(source, bt_file_ref(meta))) return bt_fail_memory(error);
    if (bt_metagraph_read(message, ".", NULL, 0, source, error)) return error->status;
    if (bt_graphdef_find_init(source, error)) return error->status;
    return bt_metagraph_restore(message, prefix, slash ? slash + 1 : prefix, source, NULL, error);
}

static berth_status load(const char *path, bt_file *file, const bt_format_options *options, bt_source *source,
                         berth_error *error)
{
    (void)options;
    size_t n = strlen(path);
    const char *prefix = bt_arena_copy(&source->arena, path, file && is_meta(path) ? n - strlen(".meta") : n);
    const char *meta = bt_arena_print(&source->arena, "%s.meta", prefix);
    if (!prefix || !meta) return bt_fail_memory(error);
    bt_file *opened = bt_files_open(source, meta, error);
    if (opened) read_checkpoint(opened, prefix, source, error);
    bt_file_free(opened);
    return error->status;
}

const bt_format bt_format_checkpoint = {.name = "TensorFlow checkpoint", .sniff = sniff, .load = load};
