/* Keras: what all files with Keras models have in common: an architecture in JSON, of the file or of one beside it, and
 * the model that is built of it. */
#include "format/keras.h"

berth_status btk_structure(const char *path, bt_source *source, bt_str *text, berth_error *error)
{
    bt_file *file = bt_file_open(path, error);
    if (!file) return error->status;
    *text = (bt_str){(const char *)file->data, file->size};
    return bt_source_add_file(source, file) ? BERTH_OK : bt_fail_memory(error);
}

/* Whether a layer says so, of Keras 1. */
static bool says_channels_first(const bt_json *j)
{
    if (bt_json_is_text(bt_json_get(j, "dim_ordering"), "th")) return true;
    for (const bt_json *item = bt_json_first(j); item; item = item->next)
        if (says_channels_first(item)) return true;
    return false;
}

berth_status btk_load(bt_source *source, const btk_weights *weights, bt_str text, const char *what,
                      bt_str version, berth_error *error)
{
    const bt_json *json = bt_json_parse(&source->arena, text, error);
    if (!json) return bt_error_prefix(error, "%s", what), BERTH_BAD_MODEL;
    const char *written =
        bt_json_text(bt_json_get(json, "keras_version"), bt_json_get(json, "module") ? "3" : "2");
    btk k = {.source = source,
             .arena = &source->arena,
             .graph = &source->graph,
             .weights = weights,
             .scope = "",
             .error = error};
    k.version = version.n ? version.p[0] - '0' : written[0] - '0';
    if (k.version < 1 || k.version > 9) k.version = 2;
    k.channels_first = k.version == 1 && says_channels_first(json);
    return btk_model(&k, json);
}
