/* Keras: models. A Sequential is a chain of layers; a functional model ("Functional", "Model") is a list of
 * layers, each with the calls that were made of it, in any order. Nested models are layers
 * (btk_nested_model). */
#include "format/keras.h"

#include <ctype.h>
#include <stdio.h>

/* ---- References --------------------------------------------------------------------------------------- */

static bool is_input(const btk_layer *layer) { return !strcmp(layer->class_name, "InputLayer"); }
static bool is_model(const btk_layer *layer) { return layer->class->build == btk_nested_model; }
static bool is_sequential(const btk_layer *layer) { return !strcmp(layer->class_name, "Sequential"); }

/* "config" is the list itself in old Sequential models. */
static const bt_json *layers_of(const btk_layer *model)
{
    const bt_json *layers = bt_json_get(model->config, "layers");
    return layers ? layers : model->config;
}

static const bt_json *batch_shape(const bt_json *config)
{
    const bt_json *j = bt_json_get(config, "batch_shape");
    return bt_json_is(j, BT_JSON_ARRAY) ? j : bt_json_get(config, "batch_input_shape");
}

/* Whether a Sequential was built with an input: its first layer, maybe some models deeper, says its shape. Those of Keras 1
 * always are. */
static bool has_input(const btk *k, const btk_layer *model)
{
    const bt_json *layers = layers_of(model);
    for (int depth = 0; k->version > 1 && depth < BTK_MAX_DEPTH; depth++) {
        const bt_json *config = bt_json_get(bt_json_first(layers), "config");
        if (batch_shape(config)) return true;
        if (!(layers = bt_json_get(config, "layers"))) return false;
    }
    return k->version == 1;
}

/* Calls of a model that was built with an input count from 1: call 0 is the one that built it, which is not
 * stored. Keras 3 counts so among the outputs of a model, for functional ones alone. */
static int first_call(const btk *k, const btk_layer *layer, bool output)
{
    if (!is_model(layer)) return 0;
    if (k->version >= 3) return output && !is_sequential(layer);
    return !is_sequential(layer) || has_input(k, layer);
}

/* The first of that name, or NULL. */
static btk_layer *layer_named(const btk_layer *model, const char *name)
{
    size_t mask = model->index_size - 1, i = bt_hash(name, strlen(name));
    for (; model->index_size && model->index[i & mask]; i++)
        if (!strcmp(model->index[i & mask]->name, name)) return model->index[i & mask];
    return NULL;
}

static void index_layers(btk *k, btk_layer *model)
{
    size_t n = 4;
    for (const btk_layer *layer = model->children; layer; layer = layer->next) n += 2;
    for (model->index_size = 8; model->index_size < n;) model->index_size *= 2;
    model->index = bt_arena_array(k->arena, btk_layer *, model->index_size);
    if (!model->index) {
        model->index_size = 0;
        btk_fail(k, BERTH_NO_MEMORY, "out of memory");
        return;
    }
    for (btk_layer *layer = model->children; layer; layer = layer->next) {
        size_t i = bt_hash(layer->name, strlen(layer->name)), mask = model->index_size - 1;
        if (layer_named(model, layer->name)) continue;
        while (model->index[i & mask]) i++;
        model->index[i & mask] = layer;
    }
}

/* [layer, call, tensor] among the layers of a model; NULL when there is none such. */
static btk_result *result_of(const btk *k, const btk_layer *model, const bt_json *reference, bool output)
{
    const char *name = bt_json_text(bt_json_at(reference, 0), NULL);
    int64_t call = bt_json_int(bt_json_at(reference, 1), 0);
    btk_layer *layer = name ? layer_named(model, name) : NULL;
    if (!layer) return NULL;
    call -= first_call(k, layer, output);
    return call >= 0 && call < layer->n_results ? &layer->results[call] : NULL;
}

static bool is_reference(const btk *k, const btk_layer *model, const bt_json *j)
{
    return bt_json_is(j, BT_JSON_ARRAY) && j->n >= 3 && bt_json_is(bt_json_at(j, 1), BT_JSON_INT) &&
           bt_json_is(bt_json_at(j, 2), BT_JSON_INT) && result_of(k, model, j, false);
}

static const bt_json *keras_tensor(const bt_json *j)
{
    if (!bt_json_is_text(bt_json_get(j, "class_name"), "__keras_tensor__")) return NULL;
    return bt_json_get(bt_json_get(j, "config"), "keras_history");
}

/* Fills *out; false when a tensor that it names is not there yet. */
static bool tensor_at(btk *k, const btk_layer *model, const bt_json *reference, bool output, btk_value *out)
{
    const btk_result *r = result_of(k, model, reference, output);
    int64_t i = bt_json_int(bt_json_at(reference, 2), 0);
    if (!r) {
        btk_damaged(k, "the configuration names a tensor of layer '%s' that it does not have",
                    bt_json_text(bt_json_at(reference, 0), "?"));
        return false;
    }
    if (!r->is_done) return false;
    if (i < 0 || i >= r->n) {
        btk_damaged(k, "the configuration names output %lld of layer '%s', which has %d", (long long)i,
                    bt_json_text(bt_json_at(reference, 0), "?"), r->n);
        return false;
    }
    *out = (btk_value){.kind = BTK_TENSOR, .key = out->key, .tensor = r->tensors[i]};
    return true;
}

static bool value_of(btk *k, const btk_layer *model, const bt_json *j, btk_value *out)
{
    const bt_json *reference = keras_tensor(j);
    *out = (btk_value){.key = j->key, .json = j};
    if (!reference && k->version < 3 && is_reference(k, model, j)) reference = j;
    if (reference) return tensor_at(k, model, reference, false, out);
    if (j->kind < BT_JSON_ARRAY || bt_json_is_text(bt_json_get(j, "class_name"), "__slice__")) return true;
    btk_value *items = bt_arena_array(k->arena, btk_value, (size_t)j->n + 1);
    bool tensors = false;
    int n = 0;
    if (!items) return btk_fail(k, BERTH_NO_MEMORY, "out of memory"), false;
    for (const bt_json *item = j->first; item; item = item->next, n++) {
        if (!value_of(k, model, item, &items[n])) return false;
        tensors |= items[n].kind != BTK_JSON;
    }
    if (tensors) out->kind = BTK_LIST, out->items = items, out->n = n;
    return true;
}

/* {"args": [...], "kwargs": {...}}. */
static bool new_arguments(btk *k, const btk_layer *model, const bt_json *node, btk_value **out, int *n)
{
    const bt_json *args = bt_json_get(node, "args"), *keywords = bt_json_get(node, "kwargs");
    size_t total = (size_t)(args ? args->n : 0) + (size_t)(keywords ? keywords->n : 0);
    *n = 0;
    *out = bt_arena_array(k->arena, btk_value, total + 1);
    if (!*out) return btk_fail(k, BERTH_NO_MEMORY, "out of memory"), false;
    for (const bt_json *j = bt_json_first(args); j; j = j->next)
        if (!value_of(k, model, j, &(*out)[(*n)++])) return false;
    for (const bt_json *j = bt_json_first(keywords); j; j = j->next)
        if (!value_of(k, model, j, &(*out)[(*n)++])) return false;
    return true;
}

/* [[layer, call, tensor, {keywords}], ...]: one is the argument itself, several a list. "_CONSTANT_VALUE" is
 * no layer but a value in the third place. */
static bool old_entry(btk *k, const btk_layer *model, const bt_json *entry, btk_value *out)
{
    bt_str key = bt_json_is(entry, BT_JSON_ARRAY) ? entry->key : (bt_str){0};
    *out = (btk_value){.key = key};
    if (bt_json_is_text(bt_json_at(entry, 0), "_CONSTANT_VALUE"))
        return out->json = bt_json_at(entry, 2), true;
    if (bt_json_is(bt_json_at(entry, 0), BT_JSON_STRING)) return tensor_at(k, model, entry, false, out);
    return value_of(k, model, entry, out);
}

static bool old_arguments(btk *k, const btk_layer *model, const bt_json *node, btk_value **out, int *n)
{
    bool bare = bt_json_is(bt_json_at(node, 0), BT_JSON_STRING);
    const bt_json *first = bare ? node : bt_json_first(node), *keywords = bt_json_at(first, 3);
    int n_inputs = bare ? 1 : node->n;
    if (bt_json_is(node, BT_JSON_OBJECT)) keywords = NULL;
    *out = bt_arena_array(k->arena, btk_value, (size_t)(keywords ? keywords->n : 0) + 1);
    btk_value *items = bt_arena_array(k->arena, btk_value, (size_t)n_inputs + 1);
    if (!*out || !items) return btk_fail(k, BERTH_NO_MEMORY, "out of memory"), false;
    int i = 0;
    for (const bt_json *entry = first; entry && i < n_inputs; entry = entry->next, i++)
        if (!old_entry(k, model, entry, &items[i])) return false;
    *n = 1;
    (*out)[0] = n_inputs == 1 ? items[0] : (btk_value){.kind = BTK_LIST, .items = items, .n = i};
    (*out)[0].key = (bt_str){0};
    for (const bt_json *j = bt_json_first(keywords); j; j = j->next)
        if (!value_of(k, model, j, &(*out)[(*n)++])) return false;
    return true;
}

/* ---- Functional models -------------------------------------------------------------------------------- */

/* Makes the layers, and room for what each of their calls gives. */
static void make_layers(btk *k, btk_layer *model, const bt_json *layers)
{
    btk_layer **last = &model->children;
    if (model->children) return;
    for (const bt_json *j = bt_json_first(layers); j && !k->failed; j = j->next) {
        if (!(*last = btk_layer_new(k, j))) return;
        last = &(*last)->next;
    }
    if (!k->failed) index_layers(k, model);
    btk_place_layers(k, model);
}

static void clear_results(btk *k, btk_layer *model)
{
    for (btk_layer *layer = model->children; layer && !k->failed; layer = layer->next) {
        const bt_json *nodes = bt_json_get(layer->json, "inbound_nodes");
        layer->n_results = nodes && nodes->n && nodes->kind == BT_JSON_ARRAY ? nodes->n : 1;
        layer->results = bt_arena_array(k->arena, btk_result, (size_t)layer->n_results);
        if (!layer->results) {
            btk_fail(k, BERTH_NO_MEMORY, "out of memory");
            return;
        }
        const bt_json *node = bt_json_first(nodes);
        for (int i = 0; i < layer->n_results; i++, node = node ? node->next : NULL)
            layer->results[i].layer = layer, layer->results[i].node = node;
    }
}

static bool make_call(btk *k, btk_layer *model, btk_result *r, int depth);

/* Makes all calls whose results are named somewhere in j; false when one cannot be made (yet). */
static bool make_named(btk *k, btk_layer *model, const bt_json *j, bool old, int depth)
{
    const bt_json *reference = keras_tensor(j);
    if (!reference && old && is_reference(k, model, j)) reference = j;
    if (reference) {
        btk_result *r = result_of(k, model, reference, false);
        if (r && !make_call(k, model, r, depth + 1)) return false;
        if (reference != j) return true;
    }
    for (const bt_json *c = bt_json_first(j); c; c = c->next)
        if (!make_named(k, model, c, old, depth)) return false;
    return true;
}

/* One call of a layer, and before it those that it needs: what is in order costs no depth. */
static bool make_call(btk *k, btk_layer *model, btk_result *r, int depth)
{
    enum { MAX_AHEAD = 500 };
    btk_value *args;
    btk_result out;
    int n;
    if (r->is_done) return true;
    if (!r->node || r->is_awaited || depth > MAX_AHEAD || k->failed) return false;
    bool old = !(bt_json_is(r->node, BT_JSON_OBJECT) && bt_json_get(r->node, "args"));
    r->is_awaited = true;
    bool ready = make_named(k, model, r->node, old, depth);
    r->is_awaited = false;
    if (!ready) return false;
    if (!(old ? old_arguments : new_arguments)(k, model, r->node, &args, &n)) return false;
    btk_layer_call(k, r->layer, args, n, &out);
    r->tensors = out.tensors;
    r->n = out.n;
    return r->is_done = !k->failed;
}

/* More passes than one are only needed where calls stand very much out of order. */
static void run_functional(btk *k, btk_layer *model)
{
    bool any = true, left = true;
    while (any && left && !k->failed) {
        any = left = false;
        for (btk_layer *layer = model->children; layer && !k->failed; layer = layer->next) {
            for (int i = 0; i < layer->n_results && !k->failed; i++) {
                btk_result *r = &layer->results[i];
                if (r->is_done || is_input(layer) || !r->node) continue;
                if (make_call(k, model, r, 0)) any = true;
                else left = true;
            }
        }
    }
    if (left && !k->failed)
        btk_damaged(k, "the calls of the layers of model '%s' wait for each other", model->name);
}

/* input_layers and output_layers: one reference, a list of them, or a dictionary. Counts them, and keeps the
 * first ones. */
static void each_reference(const bt_json *j, const bt_json **out, int max, int *n)
{
    if (bt_json_is(bt_json_at(j, 0), BT_JSON_STRING)) {
        if (*n < max) out[*n] = j;
        ++*n;
        return;
    }
    for (const bt_json *c = bt_json_first(j); c; c = c->next) each_reference(c, out, max, n);
}

enum { MAX_PORTS = 4096 };

/* The references in an array of the arena. */
static const bt_json **references(btk *k, const bt_json *j, int *n)
{
    int kept = 0;
    *n = 0;
    each_reference(j, NULL, 0, n);
    const bt_json **out = bt_arena_array(k->arena, const bt_json *, (size_t)*n + 1);
    if (*n > MAX_PORTS) btk_unsupported(k, "%d inputs or outputs", *n);
    if (!out) btk_fail(k, BERTH_NO_MEMORY, "out of memory");
    else each_reference(j, out, *n, &kept);
    return out;
}

static void set_result(btk *k, btk_layer *layer, btk_tensor t)
{
    btk_tensor *copy = bt_arena_new(k->arena, btk_tensor);
    if (!copy) {
        btk_fail(k, BERTH_NO_MEMORY, "out of memory");
        return;
    }
    *copy = t;
    layer->results[0] = (btk_result){.tensors = copy, .n = 1, .is_done = true};
}

/* The layers one behind the other, the first one called with `value`. */
static void run_chain(btk_call *c, btk_layer *model, btk_value value)
{
    btk_result r = {.tensors = &value.tensor, .n = value.kind == BTK_TENSOR, .is_done = true};
    for (btk_layer *layer = model->children; layer && !c->k->failed; layer = layer->next) {
        if (is_input(layer)) continue;
        btk_layer_call(c->k, layer, &value, 1, &r);
        if (r.n == 1) value = btk_tensor_value(r.tensors[0]);
    }
    if (!c->k->failed) btk_returns(c, r.tensors, r.n);
}

/* The keyed item of a dictionary argument, else number i. */
static btk_tensor input_of(const btk_call *c, const bt_json *reference, int i)
{
    const btk_value *first = c->n_args ? &c->args[0] : NULL;
    for (int j = 0; first && first->kind == BTK_LIST && j < first->n; j++) {
        const btk_value *item = &first->items[j];
        if (item->key.n && item->kind == BTK_TENSOR &&
            (bt_str_equal(item->key, reference->key) ||
             bt_str_is(item->key, bt_json_text(bt_json_at(reference, 0), ""))))
            return item->tensor;
    }
    return i < c->n_x ? c->xs[i] : (btk_tensor){0};
}

static void bind_inputs(btk_call *c, btk_layer *model)
{
    int n;
    const bt_json **inputs = references(c->k, bt_json_get(model->config, "input_layers"), &n);
    if (!c->k->failed && n != c->n_x) btk_damaged(c->k, "a model of %d inputs is called with %d", n, c->n_x);
    for (int i = 0; i < n && !c->k->failed; i++) {
        btk_result *r = result_of(c->k, model, inputs[i], false);
        for (btk_layer *layer = model->children; r && layer; layer = layer->next)
            if (layer->results == r && is_input(layer)) set_result(c->k, layer, input_of(c, inputs[i], i));
        if (!r) btk_damaged(c->k, "an input that is no layer of the model");
    }
}

static void give_outputs(btk_call *c, btk_layer *model)
{
    int n;
    const bt_json **outputs = references(c->k, bt_json_get(model->config, "output_layers"), &n);
    btk_tensor *tensors = bt_arena_array(c->k->arena, btk_tensor, (size_t)n + 1);
    if (!tensors) btk_fail(c->k, BERTH_NO_MEMORY, "out of memory");
    for (int i = 0; i < n && !c->k->failed; i++) {
        btk_value value = {0};
        if (!tensor_at(c->k, model, outputs[i], true, &value))
            btk_damaged(c->k, "output %d of the model is never computed", i);
        tensors[i] = value.tensor;
    }
    if (!c->k->failed) btk_returns(c, tensors, n);
}

/* Keras 1: the first layer of a Sequential may join what other models give, and holds them. NULL: it does not. */
static btk_layer *joint_of(btk *k, btk_layer *model)
{
    btk_layer *first = model->children;
    const bt_json *models = first ? bt_json_get(first->config, "layers") : NULL;
    if (strcmp(first ? first->class_name : "", "Merge") || !bt_json_is(models, BT_JSON_ARRAY)) return NULL;
    make_layers(k, first, models);
    for (const btk_layer *each = first->children; each && !k->failed; each = each->next)
        if (!is_model(each)) btk_unsupported(k, "a Merge of layers that are no models");
    return k->failed ? NULL : first;
}

/* How many tensors a model takes. */
static int count_inputs(btk *k, btk_layer *model)
{
    int n = 0;
    if (++k->depth > BTK_MAX_DEPTH) btk_unsupported(k, "layers nested too deep");
    if (!k->failed) make_layers(k, model, layers_of(model));
    btk_layer *joint = !k->failed && is_sequential(model) ? joint_of(k, model) : NULL;
    if (!is_sequential(model)) each_reference(bt_json_get(model->config, "input_layers"), NULL, 0, &n);
    else if (!joint) n = 1;
    for (btk_layer *each = joint ? joint->children : NULL; each && !k->failed; each = each->next)
        n += count_inputs(k, each);
    k->depth--;
    return n;
}

/* What each of the models gives that are joined, of those tensors that are its own. */
static void run_joined(btk_call *c, btk_layer *joint, btk_value *out)
{
    btk *k = c->k;
    int n = 0, at = 0;
    for (const btk_layer *model = joint->children; model; model = model->next) n++;
    *out = (btk_value){.kind = BTK_LIST, .items = bt_arena_array(k->arena, btk_value, (size_t)n + 1)};
    if (!out->items) btk_fail(k, BERTH_NO_MEMORY, "out of memory");
    if (++k->depth > BTK_MAX_DEPTH) btk_unsupported(k, "layers nested too deep");
    for (btk_layer *model = joint->children; model && !k->failed; model = model->next) {
        int needed = count_inputs(k, model);
        btk_call inner = {.k = k, .layer = model, .config = model->config, .n_x = needed};
        if (k->failed) break;
        if (needed < 1 || at + needed > c->n_x)
            return btk_damaged(k, "joined models of more inputs than %d", c->n_x);
        inner.xs = c->xs + at, inner.x = *inner.xs;
        btk_nested_model(&inner);
        if (inner.n_out && is_sequential(model)) inner.out->mask = NULL; /* as Keras 1 forgets it */
        if (inner.n_out == 1) out->items[out->n++] = btk_tensor_value(inner.out[0]);
        at += needed;
    }
    k->depth--;
}

void btk_nested_model(btk_call *c)
{
    btk_layer *model = c->layer;
    make_layers(c->k, model, layers_of(model));
    if (!c->k->failed && !model->children) btk_damaged(c->k, "a model without layers");
    if (c->k->failed) return;
    if (is_sequential(model)) {
        btk_value first = btk_tensor_value(c->x);
        btk_layer *joint = joint_of(c->k, model);
        if (joint) run_joined(c, joint, &first);
        if (!c->k->failed) run_chain(c, model, first);
        return;
    }
    clear_results(c->k, model);
    if (!c->k->failed) bind_inputs(c, model);
    run_functional(c->k, model);
    if (!c->k->failed) give_outputs(c, model);
}

/* ---- The outermost model ------------------------------------------------------------------------------ */

/* [null, 8, 8, 3]; false when there is none such. */
static bool shape_of(btk *k, const bt_json *j, bt_shape *out)
{
    if (!bt_json_is(j, BT_JSON_ARRAY)) return false;
    if (j->n > BT_MAX_RANK) return btk_unsupported(k, "an input of %d dimensions", j->n), false;
    *out = (bt_shape){.rank = 0};
    for (const bt_json *d = j->first; d; d = d->next) {
        int64_t dim = bt_json_int(d, -1);
        if (dim > INT32_MAX) return btk_damaged(k, "an input too large"), false;
        out->dim[out->rank++] = dim < 0 ? -1 : dim;
    }
    return true;
}

/* In Keras 1 of the innermost layer that opens the model: its name if it is an input, else its class in small letters
 * and a number. */
static const char *old_input_name(btk *k, const char *class, const bt_json *config,
                                  const bt_signature *before)
{
    if (!strcmp(class, "InputLayer")) return bt_json_text(bt_json_get(config, "name"), "input_1");
    char *name = bt_arena_print(k->arena, "%s_input_", class);
    int same = 1;
    for (char *p = name; p && *p; p++) *p = (char)tolower((unsigned char)*p);
    for (int i = 0; name && i < before->n_inputs; i++) same += bt_starts(before->inputs[i].key, name);
    return name ? bt_arena_print(k->arena, "%s%d", name, same) : NULL;
}

/* A Sequential that opens with another layer has its shape there, maybe some models deeper, or in
 * build_input_shape. */
static btk_tensor sequential_input(btk *k, btk_layer *model, bt_signature *signature)
{
    btk_layer *first = model->children;
    bt_shape shape;
    const bt_json *config = first->config;
    const char *class = first->class_name;
    if (is_input(first)) {
        if (!shape_of(k, batch_shape(config), &shape)) btk_damaged(k, "input '%s' has no shape", first->name);
        if (!btk_ports_room(k, &signature->inputs, signature->n_inputs, BTK_MAX_PARTS))
            return (btk_tensor){0};
        return btk_input(k, first->name, shape, config, signature);
    }
    const char *name = k->version == 1 ? NULL : bt_arena_print(k->arena, "%s_input", first->name);
    for (int depth = 0; depth < BTK_MAX_DEPTH && !batch_shape(config); depth++) {
        const bt_json *layers = bt_json_get(config, "layers");
        const bt_json *inner = bt_json_first(layers                              ? layers
                                             : bt_json_is(config, BT_JSON_ARRAY) ? config
                                                                                 : NULL);
        if (!inner) break;
        class = bt_json_text(bt_json_get(inner, "class_name"), "");
        config = bt_json_get(inner, "config");
    }
    if (k->version == 1) name = old_input_name(k, class, config, signature);
    if (!shape_of(k, batch_shape(config), &shape) &&
        !shape_of(k, bt_json_get(model->config, "build_input_shape"), &shape))
        btk_damaged(k, "the model does not say the shape of its input");
    if (k->version == 1) config = NULL; /* fed with floats, even an Embedding's indices */
    if (!k->failed && name && btk_ports_room(k, &signature->inputs, signature->n_inputs, 1))
        return btk_input(k, name, shape, config, signature);
    return (btk_tensor){0};
}

static void functional_inputs(btk *k, btk_layer *model, bt_signature *signature, btk_call *c)
{
    int n;
    const bt_json **inputs = references(k, bt_json_get(model->config, "input_layers"), &n);
    clear_results(k, model);
    if (!k->failed) btk_ports_room(k, &signature->inputs, signature->n_inputs, BTK_MAX_PARTS * n);
    for (int i = 0; i < n && !k->failed; i++) {
        btk_result *r = result_of(k, model, inputs[i], false);
        btk_layer *layer = model->children;
        bt_shape shape;
        while (layer && !(r && layer->results == r)) layer = layer->next;
        if (!layer || !is_input(layer) || !shape_of(k, batch_shape(layer->config), &shape))
            btk_damaged(k, "input %d of the model is no InputLayer with a shape", i);
        else if (!r->is_done)
            set_result(k, layer, btk_input(k, layer->name, shape, layer->config, signature));
        if (!k->failed) btk_take(c, r->tensors[0]);
    }
}

/* The inputs of a model, and of those that it joins, which c is to be called with. */
static void open_inputs(btk *k, btk_layer *model, bt_signature *signature, btk_call *c)
{
    if (++k->depth > BTK_MAX_DEPTH) btk_unsupported(k, "layers nested too deep");
    if (!k->failed) make_layers(k, model, layers_of(model));
    if (!k->failed && !model->children) btk_damaged(k, "a model without layers");
    btk_layer *joint = !k->failed && is_sequential(model) ? joint_of(k, model) : NULL;
    for (btk_layer *each = joint ? joint->children : NULL; each && !k->failed; each = each->next)
        open_inputs(k, each, signature, c);
    if (!k->failed && !joint && is_sequential(model)) btk_take(c, sequential_input(k, model, signature));
    if (!k->failed && !is_sequential(model)) functional_inputs(k, model, signature, c);
    k->depth--;
}

static void run_outermost(btk_call *c, bt_signature *signature)
{
    btk *k = c->k;
    btk_layer *model = c->layer, *last = model->children;
    const bt_json **outputs = NULL;
    int n = 0;
    open_inputs(k, model, signature, c);
    if (!k->failed) btk_nested_model(c);
    if (!is_sequential(model)) outputs = references(k, bt_json_get(model->config, "output_layers"), &n);
    while (last->next) last = last->next;
    if (!k->failed) btk_ports_room(k, &signature->outputs, 0, BTK_MAX_PARTS * c->n_out);
    for (int i = 0; i < c->n_out && !k->failed; i++)
        btk_add_output(k, signature, outputs ? bt_json_text(bt_json_at(outputs[i], 0), "output") : last->name,
                       c->out[i]);
}

berth_status btk_model(btk *k, const bt_json *json)
{
    bt_signature *signature = bt_arena_new(k->arena, bt_signature);
    btk_layer *model = btk_layer_new(k, json);
    if (!k->failed && (!signature || model->class->build != btk_nested_model))
        btk_unsupported(k,
                        "a %s is no model that berth can build: export a SavedModel instead (model.export)",
                        model->class_name);
    if (!k->failed) make_layers(k, model, layers_of(model));
    if (!k->failed && !model->children) btk_damaged(k, "a model without layers");
    if (!k->failed) {
        btk_call c = {.k = k, .layer = model, .config = model->config};
        *signature = (bt_signature){.name = "serving_default", .method = "tensorflow/serving/predict"};
        run_outermost(&c, signature);
    }
    if (!k->failed) btk_weights_fill(k, model);
    if (k->failed) return k->error && k->error->status ? k->error->status : BERTH_BAD_MODEL;
    k->source->signatures = signature;
    k->source->n_signatures = 1;
    return BERTH_OK;
}
