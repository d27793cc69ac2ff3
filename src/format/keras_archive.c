/* Keras archives (`model.save("x.keras")`): a zip of config.json, metadata.json (the version), model.weights.h5, read where
 * it lies (keras_tree.c), and assets/, vocabularies among them. */
#include "format/keras_tree.h"
#include "format/zip.h"

typedef struct archive {
    bt_zip zip;
    bt_hdf5 h5;
    btk_tree tree;
} archive;

static bool sniff(const bt_source *source, const char *path, const bt_file *file)
{
    (void)source, (void)path;
    return file && bt_zip_sniff(file->data, file->size);
}

/* A member that must be there. */
static berth_status read_member(const archive *a, const char *name, bt_str *out, berth_error *error)
{
    if (bt_zip_read(&a->zip, name, out, error)) return error->status;
    return out->p ? BERTH_OK : bt_fail(error, BERTH_BAD_MODEL, "no whole Keras archive: it has no %s", name);
}

static berth_status weight(void *user, const char *path, int i, const char *name, bt_tensor *value,
                           berth_error *error)
{
    archive *a = user;
    return btk_tree_weight(&a->tree, path, i, name, value, error);
}

static berth_status asset(void *user, const char *path, const char *name, bt_str *text, berth_error *error)
{
    const archive *a = user;
    const char *member = bt_arena_print(a->zip.arena, "assets/%s/%s", path, name);
    return member ? bt_zip_read(&a->zip, member, text, error) : bt_fail_memory(error);
}

static berth_status build(archive *a, bt_source *source, berth_error *error)
{
    bt_str text, about, bytes;
    if (read_member(a, "config.json", &text, error) || bt_zip_read(&a->zip, "metadata.json", &about, error) ||
        read_member(a, "model.weights.h5", &bytes, error))
        return error->status;
    const bt_json *json = about.p ? bt_json_parse(&source->arena, about, error) : NULL;
    if (about.p && !json) return bt_error_prefix(error, "metadata.json"), error->status;
    if (bt_hdf5_open(&a->h5, bytes.p, bytes.n, &source->arena, error))
        return bt_error_prefix(error, "model.weights.h5"), error->status;
    btk_weights weights = {.user = a, .of_path = weight, .asset = asset};
    bt_str version = bt_str_of(bt_json_text(bt_json_get(json, "keras_version"), "3"));
    a->tree.h5 = &a->h5;
    return btk_load(source, &weights, text, "config.json", version, error);
}

static berth_status load(const char *path, bt_file *file, const bt_format_options *options, bt_source *source,
                         berth_error *error)
{
    archive a = {0};
    (void)path, (void)options;
    if (!bt_source_add_file(source, bt_file_ref(file))) return bt_fail_memory(error);
    berth_status status = bt_zip_open(&a.zip, file->data, file->size, &source->arena, error);
    if (!status) status = build(&a, source, error);
    btk_tree_free(&a.tree);
    bt_zip_free(&a.zip);
    return status;
}

const bt_format bt_format_keras_archive = {"Keras archive", sniff, load};
