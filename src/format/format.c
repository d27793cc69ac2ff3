/* The list of formats, and the choice among them: content decides, not the name. To add a format: one file that
 * ends in its record, declared in format.h, and one row here. */
#include "format/archive.h"
#include "format/format.h"

/* In the order that they are asked; those that are surest about their content stand first. HDF5 may begin at any power
 * of two, as it may by chance in a Keras archive, which holds such a file. */
static const bt_format *const formats[] = {
    &bt_format_savedmodel, &bt_format_checkpoint, &bt_format_objects,  &bt_format_keras_archive,
    &bt_format_keras_h5,   &bt_format_pbtxt,      &bt_format_graphdef,
};

#define N_FORMATS (sizeof formats / sizeof formats[0])

/* What a name promises, for the message when the content does not keep it. */
static const struct {
    const char *ending, *content;
} endings[] = {
    {".pb", "a GraphDef"},     {".pbtxt", "a GraphDef in text form"}, {".h5", "an HDF5 file"},
    {".hdf5", "an HDF5 file"}, {".keras", "a Keras archive"},
};

static berth_status unrecognised(const bt_source *source, const char *path, const bt_file *file,
                                 berth_error *error)
{
    if (!file && !bt_files_has(source, path) && !bt_files_has_folder(source, path))
        return bt_fail(error, BERTH_NOT_FOUND, "no such file or folder");
    if (!file)
        return bt_fail(error, BERTH_BAD_MODEL,
                       "a folder without a model: it has no saved_model.pb or saved_model.pbtxt, nor a checkpoint");
    if (file->size == 0) return bt_fail(error, BERTH_BAD_MODEL, "an empty file");
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (bt_ends(path, endings[i].ending))
            return bt_fail(error, BERTH_BAD_MODEL, "not %s: the content is damaged or something else",
                           endings[i].content);
    return bt_fail(error, BERTH_BAD_MODEL, "not a model of any format that berth knows");
}

static const bt_format *format_of(const bt_source *source, const char *path, const bt_file *file)
{
    for (size_t i = 0; i < N_FORMATS; i++)
        if (formats[i]->sniff(source, path, file)) return formats[i];
    return NULL;
}

static berth_status load_as(const bt_format *format, const char *path, bt_file *file,
                            const bt_format_options *options, bt_source *source, berth_error *error)
{
    source->format = format->name;
    return format->load(path, file, options, source, error);
}

/* Of a folder with checkpoints, the last one. */
static berth_status load_latest(const char *folder, const bt_format_options *options, bt_source *source,
                                berth_error *error)
{
    const char *prefix = bt_checkpoint_latest(source, folder, error);
    if (!prefix) return error->status ? error->status : unrecognised(source, folder, NULL, error);
    bool is_file = bt_files_has(source, prefix) && !bt_files_has_folder(source, prefix);
    bt_file *file = is_file ? bt_files_open(source, prefix, error) : NULL;
    const bt_format *format = error->status ? NULL : format_of(source, prefix, file);
    if (format) load_as(format, prefix, file, options, source, error);
    else if (!error->status)
        bt_fail(error, BERTH_NOT_FOUND,
                "its file 'checkpoint' names '%s', which is no checkpoint that can be read", prefix);
    bt_file_free(file);
    return error->status;
}

static berth_status load_plain(const char *path, bt_file *file, const bt_format_options *options,
                               bt_source *source, berth_error *error)
{
    const bt_format *format = format_of(source, path, file);
    if (format) return load_as(format, path, file, options, source, error);
    return file ? unrecognised(source, path, file, error) : load_latest(path, options, source, error);
}

/* What an archive holds is loaded as if it stood in the file system. */
static berth_status load_archived(const bt_format_options *options, bt_source *source, berth_error *error)
{
    const char *path = bt_archive_model(source, error);
    if (!path) return error->status;
    bt_file *file = bt_files_has(source, path) ? bt_files_open(source, path, error) : NULL;
    berth_status status = error->status ? error->status : load_plain(path, file, options, source, error);
    if (status && !bt_starts(error->message, path) && strcmp(path, ".")) bt_error_prefix(error, "%s", path);
    bt_file_free(file);
    return status;
}

static berth_status load(const char *path, bt_file *file, const bt_format_options *options, bt_source *source,
                         berth_error *error)
{
    bool is_archive = false;
    if (file && bt_gzip_sniff(file)) {
        bt_file *inner = bt_gzip_open(file, error);
        berth_status status = inner ? load(path, inner, options, source, error) : error->status;
        bt_file_free(inner);
        return status;
    }
    if (file && bt_archive_open(file, source, &is_archive, error)) return error->status;
    return is_archive ? load_archived(options, source, error)
                      : load_plain(path, file, options, source, error);
}

static berth_status load_named(const char *path, bt_file *file, const bt_format_options *options,
                               bt_source *source, berth_error *error)
{
    static const bt_format_options none = {0};
    source->path = bt_arena_copy(&source->arena, path, strlen(path));
    if (!source->path) bt_fail_memory(error);
    else load(path, file, options ? options : &none, source, error);
    if (error->status && !bt_starts(error->message, path)) bt_error_prefix(error, "%s", path);
    return error->status;
}

berth_status bt_format_load_file(bt_file *file, const bt_format_options *options, bt_source *source,
                                 berth_error *error)
{
    berth_error own;
    if (!error) error = &own;
    bt_error_clear(error);
    if (!file->size) return bt_fail(error, BERTH_BAD_MODEL, "%s: is empty", file->path);
    return load_named(file->path, file, options, source, error);
}

berth_status bt_format_load(const char *path, const bt_format_options *options, bt_source *source,
                            berth_error *error)
{
    berth_error own;
    if (!error) error = &own;
    bt_error_clear(error);
    bt_file *file = NULL;
    bool is_file = bt_path_exists(path) && !bt_path_is_folder(path);
    if (is_file && !(file = bt_file_open(path, error))) return error->status;
    load_named(path, file, options, source, error);
    bt_file_free(file);
    return error->status;
}
