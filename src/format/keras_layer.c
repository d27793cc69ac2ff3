/* Keras: layers: made from their entries, and called. */
#include "format/keras_layers.h"

#include <ctype.h>

btk_layer *btk_layer_new(btk *k, const bt_json *entry)
{
    btk_layer *layer = k->failed ? NULL : bt_arena_new(k->arena, btk_layer);
    if (!layer) {
        btk_fail(k, BERTH_NO_MEMORY, "out of memory");
        return NULL;
    }
    layer->json = entry;
    layer->path = "";
    layer->config = bt_json_get(entry, "config");
    layer->class_name = bt_json_text(bt_json_get(entry, "class_name"), NULL);
    const char *name = bt_json_text(bt_json_get(entry, "name"), NULL);
    layer->name = bt_json_text(bt_json_get(layer->config, "name"), layer->class_name);
    if (name) layer->name = name;
    if (!layer->class_name) {
        btk_damaged(k, "a layer without a class in the configuration");
        return NULL;
    }
    btk_layer *caller = k->layer;
    k->layer = layer;
    layer->trainable = bt_json_bool(bt_json_get(layer->config, "trainable"), true);
    const bt_json *dtype = bt_json_get(layer->config, "dtype");
    layer->class = btk_class_find(layer);
    layer->compute = layer->variable = BERTH_FLOAT;
    if (layer->class && !bt_starts(layer->class_name, "Input")) {
        layer->compute = btk_dtype_of(k, dtype, BERTH_FLOAT, false);
        layer->variable = btk_dtype_of(k, dtype, BERTH_FLOAT, true);
    }
    if (!layer->class)
        btk_unsupported(
            k, "berth does not know this class of layers: export a SavedModel instead (model.export)");
    k->layer = caller;
    return k->failed ? NULL : layer;
}

btk_layer *btk_child(btk_call *c, const bt_json *entry, const char *role)
{
    btk_layer *child = c->layer->next_child;
    if (child) return c->layer->next_child = child->next, child;
    if (!(child = btk_layer_new(c->k, entry))) return NULL;
    if (c->k->weights->of_path) child->path = bt_arena_print(c->k->arena, "%s/%s", c->layer->path, role);
    if (!child->path) return btk_fail(c->k, BERTH_NO_MEMORY, "out of memory"), NULL;
    btk_layer **last = &c->layer->children;
    while (*last) last = &(*last)->next;
    return *last = child;
}

/* ---- Paths -------------------------------------------------------------------------------------------- */

char *btk_snake_case(btk *k, const char *name)
{
    char *out = bt_arena_alloc(k->arena, 2 * strlen(name) + 1);
    for (size_t i = 0, n = 0; out && name[i]; i++) {
        bool begins = i && isupper((unsigned char)name[i]) &&
                      (islower((unsigned char)name[i + 1]) || islower((unsigned char)name[i - 1]));
        if (begins) out[n++] = '_';
        if (isalnum((unsigned char)name[i]) || name[i] == '_')
            out[n++] = (char)tolower((unsigned char)name[i]);
    }
    return out;
}

const char *btk_role_in_list(btk_call *c, const char *list_name, const bt_json *list, const bt_json *item)
{
    int place = 0, same = 0;
    btk *k = c->k;
    const char *class = bt_json_text(bt_json_get(item, "class_name"), "");
    for (const bt_json *j = list->first; j && j != item; j = j->next, place++)
        same += bt_json_is_text(bt_json_get(j, "class_name"), class);
    const char *name = btk_snake_case(k, class), *role = NULL;
    if (k->weights->by_place) role = bt_arena_print(k->arena, "%s/%d", list_name, place);
    else if (name) role = bt_arena_print(k->arena, same ? "%s/%s_%d" : "%s/%s", list_name, name, same);
    if (!role) btk_fail(k, BERTH_NO_MEMORY, "out of memory");
    return role;
}

/* "layers/dense", "layers/dense_1" ...: numbered among those of their class. */
static char *path_by_class(btk *k, const btk_layer *model, const btk_layer *layer, bt_map *classes)
{
    /* the one class that has another name in configurations */
    bool grouped = layer->class->build == btk_grouped_query;
    const char *name = btk_snake_case(k, grouped ? "GroupedQueryAttention" : layer->class_name),
               *slash = *model->path ? "/" : "";
    ptrdiff_t last = name ? bt_map_get_index(classes, bt_str_of(name)) : -1;
    if (!name || !bt_map_put_index(classes, bt_str_of(name), (size_t)(last + 1))) return NULL;
    return last < 0 ? bt_arena_print(k->arena, "%s%slayers/%s", model->path, slash, name)
                    : bt_arena_print(k->arena, "%s%slayers/%s_%td", model->path, slash, name, last + 1);
}

/* A Sequential's InputLayer is none of its layers. */
void btk_place_layers(btk *k, btk_layer *model)
{
    bt_map classes = {0};
    int place = 0;
    if (!k->weights->of_path) return;
    for (btk_layer *layer = model->children; layer && !k->failed; layer = layer->next) {
        bool counts = strcmp(model->class_name, "Sequential") || strcmp(layer->class_name, "InputLayer");
        layer->path = k->weights->by_place ? bt_arena_print(k->arena, "%s%slayer-%d", model->path,
                                                            *model->path ? "/" : "", place)
                                           : path_by_class(k, model, layer, &classes);
        if (!layer->path) btk_fail(k, BERTH_NO_MEMORY, "out of memory");
        place += counts;
    }
    bt_map_free(&classes);
}

/* ---- Calls -------------------------------------------------------------------------------------------- */

void btk_take(btk_call *c, btk_tensor t)
{
    int n = c->n_x;
    if (n ? n >= 4 && !(n & (n - 1)) : true) { /* full: there is room for 4, 8, 16 ... */
        btk_tensor *more = bt_arena_array(c->k->arena, btk_tensor, (size_t)(n ? 2 * n : 4));
        if (!more) return btk_fail(c->k, BERTH_NO_MEMORY, "out of memory");
        if (n) memcpy(more, c->xs, (size_t)n * sizeof *more);
        c->xs = more;
    }
    c->xs[c->n_x++] = t;
    c->x = c->xs[0];
}

/* All tensors of an argument. */
static void flatten(btk_call *c, const btk_value *v)
{
    for (int i = 0; v->kind == BTK_LIST && i < v->n; i++) flatten(c, &v->items[i]);
    if (v->kind == BTK_TENSOR) btk_take(c, v->tensor);
}

static void cast_floats(btk_call *c, btk_value *v)
{
    for (int i = 0; v->kind == BTK_LIST && i < v->n; i++) cast_floats(c, &v->items[i]);
    if (v->kind == BTK_TENSOR && bt_dtype_is_float(v->tensor.dtype)) {
        const btk_tensor from = v->tensor;
        v->tensor = btk_cast(c->k, from, c->layer->compute);
        v->tensor.shape = from.shape, v->tensor.parts = from.parts;
    }
}

static void finish(btk_call *c, btk_result *out)
{
    const btk_class *class = c->layer->class;
    if (!c->k->failed && !c->n_out) btk_fail(c->k, BERTH_INTERNAL, "gave no output");
    for (int i = 0; i < c->n_out; i++) {
        if (class->flags & BTK_MASK) c->out[i].mask = c->x.mask;
        else if (!(class->flags & BTK_OWN_MASK)) c->out[i].mask = NULL;
    }
    btk_parts_close(c);
    *out = (btk_result){.tensors = c->out, .n = c->n_out, .is_done = true};
}

void btk_layer_call(btk *k, btk_layer *layer, const btk_value *args, int n_args, btk_result *out)
{
    btk_layer *caller = k->layer;
    const char *scope = k->scope;
    *out = (btk_result){0};
    if (k->failed || !layer) return;
    k->layer = layer;
    if (++k->depth > BTK_MAX_DEPTH) btk_unsupported(k, "layers nested too deep");
    k->scope = bt_arena_print(k->arena, "%s%s/", scope, layer->name);
    btk_value *own = bt_arena_array(k->arena, btk_value, (size_t)n_args + 1);
    if (!own || !k->scope) btk_fail(k, BERTH_NO_MEMORY, "out of memory");
    if (!k->failed) {
        btk_call c = {.k = k, .layer = layer, .config = layer->config, .args = own, .n_args = n_args};
        if (n_args) memcpy(own, args, (size_t)n_args * sizeof *own);
        for (int i = 0; i < n_args; i++)
            if (!(layer->class->flags & BTK_NO_CAST)) cast_floats(&c, &own[i]);
        btk_parts_open(&c, own);
        if (n_args) flatten(&c, &own[0]);
        layer->next_weight = layer->weights;
        layer->next_child = layer->children;
        layer->class->build(&c);
        layer->next_weight = NULL;
        finish(&c, out);
    }
    k->depth--;
    k->scope = scope;
    k->layer = caller;
}

btk_tensor btk_layer_apply(btk *k, btk_layer *layer, btk_tensor x)
{
    btk_result out;
    btk_value value = btk_tensor_value(x);
    btk_layer_call(k, layer, &value, 1, &out);
    return out.n && !k->failed ? out.tensors[0] : x;
}
