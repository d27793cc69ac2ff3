/* The list of formats, and the choice among them: content decides, not the name. To add a format: one file that
 * ends in its record, declared in format.h, and one row here. */
#include "format/format.h"

/* In the order that they are asked; those that are surest about their content stand first. */
static const bt_format *const formats[] = {
    &bt_format_savedmodel,
    &bt_format_checkpoint,
    &bt_format_objects,
    &bt_format_keras_h5,
    &bt_format_keras_archive,
    &bt_format_pbtxt,
    &bt_format_graphdef,
};

#define N_FORMATS (sizeof formats / sizeof formats[0])

/* What a name promises, for the message when the content does not keep it. */
static const struct {
    const char *ending, *content;
} endings[] = {
    {".pb", "a GraphDef"},     {".pbtxt", "a GraphDef in text form"}, {".h5", "an HDF5 file"},
    {".hdf5", "an HDF5 file"}, {".keras", "a Keras archive"},
};

static berth_status unrecognised(const char *path, const bt_file *file, berth_error *error)
{
    if (!file && !bt_path_exists(path)) return bt_fail(error, BERTH_NOT_FOUND, "no such file or folder");
    if (!file)
        return bt_fail(error, BERTH_BAD_MODEL,
                       "a folder without a model: it has no saved_model.pb or saved_model.pbtxt");
    if (file->size == 0) return bt_fail(error, BERTH_BAD_MODEL, "an empty file");
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (bt_ends(path, endings[i].ending))
            return bt_fail(error, BERTH_BAD_MODEL, "not %s: the content is damaged or something else",
                           endings[i].content);
    return bt_fail(error, BERTH_BAD_MODEL, "not a model of any format that berth knows");
}

static berth_status load(const char *path, bt_file *file, const bt_format_options *options, bt_source *source,
                         berth_error *error)
{
    for (size_t i = 0; i < N_FORMATS; i++) {
        if (!formats[i]->sniff(path, file)) continue;
        source->format = formats[i]->name;
        return formats[i]->load(path, file, options, source, error);
    }
    return unrecognised(path, file, error);
}

berth_status bt_format_load(const char *path, const bt_format_options *options, bt_source *source,
                            berth_error *error)
{
    static const bt_format_options none = {0};
    berth_error own;
    if (!error) error = &own;
    bt_error_clear(error);
    bt_file *file = NULL;
    bool is_file = bt_path_exists(path) && !bt_path_is_folder(path);
    if (is_file && !(file = bt_file_open(path, error))) return error->status;
    source->path = bt_arena_copy(&source->arena, path, strlen(path));
    if (!source->path) bt_fail_memory(error);
    else load(path, file, options ? options : &none, source, error);
    if (error->status && !bt_starts(error->message, path)) bt_error_prefix(error, "%s", path);
    if (file) bt_file_free(file);
    return error->status;
}
