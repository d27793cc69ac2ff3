/* Keras HDF5: whole models (`model.save("x.h5")` of Keras 1 to 3): the configuration in the attribute
 * model_config, the weights in the group model_weights, a group a layer, in the order of its attribute
 * weight_names. Files of weights alone take their configuration from --structure; those of Keras 3
 * (".weights.h5") go by paths (keras_tree.c). Knows nothing of layers: keras_model.c. */
#include "format/keras_tree.h"

#include <stdlib.h>

typedef struct names {
    bt_str *list;
    int n;
} names;

/* The group of a layer. */
typedef struct stored {
    uint64_t place;
    names weights;
} stored;

typedef struct keras_file {
    bt_hdf5 h5;
    bt_hdf5_group root, weights; /* "model_weights", or the root of a file of weights, */
    uint64_t place;              /* where that lies */
    stored *layers;              /* those that have weights, in their order */
    int n_layers;
    bt_arena *arena;
} keras_file;

static bool sniff(const bt_source *source, const char *path, const bt_file *file)
{
    (void)source, (void)path;
    return file && bt_hdf5_sniff(file->data, file->size);
}

/* An attribute of one text; *out is empty when it is absent. */
static berth_status text_attribute(bt_hdf5 *h5, uint64_t address, const char *name, bt_str *out)
{
    bt_tensor t;
    berth_status status = bt_hdf5_attribute(h5, address, name, &t);
    *out = (bt_str){0};
    if (!status && t.dtype == BERTH_STRING && bt_tensor_count(&t) == 1)
        *out = (bt_str){((bt_string *)t.data)->p, ((bt_string *)t.data)->n};
    return status;
}

/* ---- Weights ------------------------------------------------------------------------------------------ */

static berth_status add_names(keras_file *f, const bt_tensor *t, names *out)
{
    int64_t more = bt_tensor_count(t);
    if (t->dtype != BERTH_STRING && more)
        return bt_fail(f->h5.error, BERTH_BAD_MODEL, "weight_names are no text");
    if (more > INT32_MAX - out->n) return bt_fail_memory(f->h5.error);
    bt_str *list = bt_arena_array(f->arena, bt_str, (size_t)(out->n + more + 1));
    if (!list) return bt_fail_memory(f->h5.error);
    if (out->n) memcpy(list, out->list, (size_t)out->n * sizeof *list);
    for (int64_t i = 0; i < more; i++) {
        const bt_string *s = (const bt_string *)t->data + i;
        list[out->n++] = (bt_str){s->p ? s->p : "", s->n};
    }
    out->list = list;
    return BERTH_OK;
}

/* An attribute of several texts, "weight_names", or where they would be too long for one weight_names0, weight_names1 ... */
static berth_status names_of(keras_file *f, uint64_t group, const char *attribute, names *out)
{
    bt_tensor t;
    *out = (names){0};
    berth_status status = bt_hdf5_attribute(&f->h5, group, attribute, &t);
    if (!status && t.dtype) return add_names(f, &t, out);
    for (int i = 0; !status; i++) {
        const char *name = bt_arena_print(f->arena, "%s%d", attribute, i);
        if (!name) return bt_fail_memory(f->h5.error);
        status = bt_hdf5_attribute(&f->h5, group, name, &t);
        if (!status && !t.dtype) break;
        if (!status) status = add_names(f, &t, out);
    }
    return status;
}

static berth_status list_layers(keras_file *f)
{
    names layers;
    berth_status status = names_of(f, f->place, "layer_names", &layers);
    f->layers = status ? NULL : bt_arena_array(f->arena, stored, (size_t)layers.n + 1);
    if (!status && !f->layers) return bt_fail_memory(f->h5.error);
    for (int i = 0; i < layers.n && !status; i++) {
        stored *layer = &f->layers[f->n_layers];
        status = bt_hdf5_find(&f->h5, &f->weights, layers.list[i], &layer->place);
        if (!status && layer->place) status = names_of(f, layer->place, "weight_names", &layer->weights);
        if (!status && layer->place && layer->weights.n) f->n_layers++;
    }
    return status;
}

static berth_status find_layer(keras_file *f, const char *name, int place, stored *out)
{
    *out = place >= 0 && place < f->n_layers ? f->layers[place] : (stored){0};
    berth_status status =
        place >= 0 ? BERTH_OK : bt_hdf5_find(&f->h5, &f->weights, bt_str_of(name), &out->place);
    if (status || place >= 0 || !out->place) return status;
    return names_of(f, out->place, "weight_names", &out->weights);
}

static berth_status of_layer(void *user, const char *layer, int place, const bt_tensor **weights, int *n,
                             berth_error *error)
{
    keras_file *f = user;
    stored of;
    bt_hdf5_group group;
    *n = 0;
    berth_status status = find_layer(f, layer, place, &of);
    if (status || !of.place) return status;
    const names *names = &of.weights;
    bt_tensor *values = bt_arena_array(f->arena, bt_tensor, (size_t)names->n + 1);
    if (!values) return bt_fail_memory(error);
    if ((status = bt_hdf5_group_open(&f->h5, of.place, &group))) return status;
    for (int i = 0; i < names->n && !status; i++) {
        uint64_t address;
        bt_str name = names->list[i];
        status = bt_hdf5_find(&f->h5, &group, name, &address);
        if (!status && !address)
            status = bt_fail(error, BERTH_BAD_MODEL, "layer '%s': the file lacks weight '%.*s'", layer,
                             (int)(name.n < 200 ? name.n : 200), name.p);
        if (!status) status = bt_hdf5_dataset(&f->h5, address, &values[i]);
    }
    bt_hdf5_group_free(&group);
    *weights = values;
    *n = names->n;
    return status;
}

/* ---- The model ---------------------------------------------------------------------------------------- */

/* The architecture: of the file, else of the one given beside it, which *what names. */
static berth_status configuration(keras_file *f, const bt_format_options *options, bt_source *source,
                                  bt_str *text, const char **what)
{
    const char *path = options ? options->structure : NULL;
    berth_status status = text_attribute(&f->h5, f->h5.root, "model_config", text);
    *what = path ? path : "model_config";
    if (status || (text->n && !path)) return status;
    if (path) return btk_structure(path, source, text, f->h5.error);
    return bt_fail(f->h5.error, BERTH_BAD_MODEL,
                   "no Keras model: the file has no model_config (a file of weights alone "
                   "needs its architecture: --structure ARCH.json)");
}

static berth_status build(keras_file *f, const bt_format_options *options, bt_source *source,
                          berth_error *error)
{
    bt_str text, version, backend;
    const char *what;
    uint64_t place;
    berth_status status = configuration(f, options, source, &text, &what);
    if (!status) status = text_attribute(&f->h5, f->h5.root, "keras_version", &version);
    if (!status) status = text_attribute(&f->h5, f->h5.root, "backend", &backend);
    if (!status) status = bt_hdf5_find(&f->h5, &f->root, bt_str_of("model_weights"), &place);
    if (!status) status = bt_hdf5_group_open(&f->h5, f->place = place ? place : f->h5.root, &f->weights);
    bool is_tree = !status && !place && btk_tree_sniff(&f->weights);
    if (!status && !is_tree) status = list_layers(f);
    if (status) return status;
    btk_tree tree = {.h5 = &f->h5};
    btk_weights weights = {.user = f,
                           .n_layers = f->n_layers,
                           .of_layer = of_layer,
                           .turned_over = bt_str_is(backend, "theano")};
    if (is_tree) weights = (btk_weights){.user = &tree, .of_path = btk_tree_weight};
    status = btk_load(source, &weights, text, what, version, error);
    btk_tree_free(&tree);
    return status;
}

static berth_status load(const char *path, bt_file *file, const bt_format_options *options, bt_source *source,
                         berth_error *error)
{
    (void)path;
    keras_file f = {.arena = &source->arena};
    berth_status status = bt_hdf5_open(&f.h5, file->data, file->size, f.arena, error);
    if (!status && !bt_source_add_file(source, bt_file_ref(file))) status = bt_fail_memory(error);
    if (!status) status = bt_hdf5_group_open(&f.h5, f.h5.root, &f.root);
    if (!status) status = build(&f, options, source, error);
    bt_hdf5_group_free(&f.root);
    bt_hdf5_group_free(&f.weights);
    source->format = "Keras HDF5";
    return status;
}

const bt_format bt_format_keras_h5 = {"Keras HDF5", sniff, load};
