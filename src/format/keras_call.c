/* Keras: what a layer is given when it is built - members of its configuration, its arguments, its weights -
 * and what it gives back. */
#include "format/keras.h"

#include <stdio.h>

void btk_fail(btk *k, berth_status status, const char *format, ...)
{
    char text[384];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (!k->failed && k->layer)
        bt_fail(k->error, status, "layer '%s' (%s): %s", k->layer->name, k->layer->class_name, text);
    else if (!k->failed) bt_fail(k->error, status, "%s", text);
    k->failed = true;
}

/* ---- Configuration ------------------------------------------------------------------------------------ */

const bt_json *btk_of(const btk_call *c, const char *key)
{
    const bt_json *j = bt_json_get(c->config, key);
    return bt_json_is(j, BT_JSON_NULL) ? NULL : j;
}

int64_t btk_int_of(const btk_call *c, const char *key, int64_t otherwise)
{
    int64_t n = bt_json_int(btk_of(c, key), otherwise);
    if (n >= INT32_MIN && n <= INT32_MAX) return n;
    btk_damaged(c->k, "'%s' is out of range", key);
    return otherwise;
}

double btk_double_of(const btk_call *c, const char *key, double otherwise)
{
    const bt_json *j = btk_of(c, key);
    if (bt_json_get(j, "value")) j = bt_json_get(j, "value"); /* {"type": "ndarray", "value": 0.1} */
    return bt_json_double(j, otherwise);
}

bool btk_bool_of(const btk_call *c, const char *key, bool otherwise)
{
    return bt_json_bool(btk_of(c, key), otherwise);
}

const char *btk_text_of(const btk_call *c, const char *key, const char *otherwise)
{
    return bt_json_text(btk_of(c, key), otherwise);
}

void btk_ints_of(btk_call *c, const char *key, int n, int64_t *out, int64_t otherwise)
{
    const bt_json *j = btk_of(c, key);
    bool list = bt_json_is(j, BT_JSON_ARRAY);
    if (list && j->n != n && !(j->n == 1 && bt_json_is(j->first, BT_JSON_INT)))
        btk_damaged(c->k, "'%s' has %d members, not %d", key, j->n, n);
    for (int i = 0; i < n; i++) {
        out[i] = bt_json_int(list ? bt_json_at(j, j->n == 1 ? 0 : i) : j, otherwise);
        if (out[i] < 0 || out[i] > INT32_MAX) btk_damaged(c->k, "'%s' is out of range", key);
    }
}

bool btk_channels_first(const btk_call *c)
{
    const char *format = btk_text_of(c, "data_format", NULL), *old = btk_text_of(c, "dim_ordering", NULL);
    return (format && !strcmp(format, "channels_first")) || (old && !strcmp(old, "th"));
}

/* A name, or {"class_name": "DTypePolicy", "config": {"name": ...}}. */
berth_dtype btk_dtype_of(btk *k, const bt_json *j, berth_dtype otherwise, bool variable)
{
    const bt_json *config = bt_json_get(j, "config");
    const char *class = bt_json_text(bt_json_get(j, "class_name"), "");
    if (!strcmp(class, "DTypePolicyMap"))
        return btk_dtype_of(k, bt_json_get(config, "default_policy"), otherwise, variable);
    const bt_json *source = bt_json_get(config, "source_name"); /* what quantized weights were */
    const char *name =
        config ? bt_json_text(source ? source : bt_json_get(config, "name"), NULL) : bt_json_text(j, NULL);
    const char *from = name ? strstr(name, "_from_") : NULL;
    if (from) name = from + strlen("_from_");
    if (!name || !strcmp(name, "infer") || !strcmp(name, "_infer") ||
        !strcmp(name, "infer_with_float32_vars"))
        return otherwise;
    if (bt_starts(name, "mixed_")) {
        if (variable) return BERTH_FLOAT;
        name += strlen("mixed_");
    }
    berth_dtype dtype = bt_dtype_named(bt_str_of(name));
    if (!dtype) btk_unsupported(k, "dtype policy '%s'", name);
    return dtype;
}

/* ---- Arguments ---------------------------------------------------------------------------------------- */

const btk_value *btk_arg(const btk_call *c, int i, const char *keyword)
{
    const btk_value *found = NULL;
    if (i >= 0 && i < c->n_args && !c->args[i].key.n) found = &c->args[i];
    for (int j = 0; keyword && j < c->n_args; j++)
        if (bt_str_is(c->args[j].key, keyword)) found = &c->args[j];
    return found && found->kind == BTK_JSON && (!found->json || bt_json_is(found->json, BT_JSON_NULL))
               ? NULL
               : found;
}

btk_tensor btk_arg_tensor(const btk_call *c, int i, const char *keyword)
{
    const btk_value *v = btk_arg(c, i, keyword);
    if (v && v->kind == BTK_LIST && v->n == 1) v = v->items;
    return v && v->kind == BTK_TENSOR ? v->tensor : (btk_tensor){0};
}

btk_value btk_tensor_value(btk_tensor t) { return (btk_value){.kind = BTK_TENSOR, .tensor = t}; }

void btk_returns(btk_call *c, const btk_tensor *t, int n)
{
    c->out = bt_arena_array(c->k->arena, btk_tensor, (size_t)n + 1);
    if (!c->out) {
        btk_fail(c->k, BERTH_NO_MEMORY, "out of memory");
        return;
    }
    if (n) memcpy(c->out, t, (size_t)n * sizeof *t);
    c->n_out = n;
}

void btk_return(btk_call *c, btk_tensor t) { btk_returns(c, &t, 1); }

/* ---- Weights ------------------------------------------------------------------------------------------ */

static btk_weight *declare(btk_call *c, const char *name, bool trainable, bt_shape shape)
{
    btk *k = c->k;
    btk_layer *layer = c->layer;
    btk_weight *w = layer->next_weight;
    if (w) return layer->next_weight = w->next, w;
    if (k->failed) return NULL;
    bt_graph *graph = k->graph;
    k->graph = &k->source->graph;
    w = bt_arena_new(k->arena, btk_weight);
    int32_t node = w ? btk_add(k, name, "Const") : -1;
    k->graph = graph;
    if (node < 0) return k->failed = true, bt_fail_memory(k->error), NULL;
    *w = (btk_weight){
        .name = name, .node = node, .shape = shape, .dtype = layer->variable, .trainable = trainable};
    w->tensor = (btk_tensor){.edge = {node, 0}, .dtype = layer->variable, .shape = shape};
    btk_weight **last = &layer->weights;
    while (*last) last = &(*last)->next;
    return *last = w;
}

btk_tensor btk_weight_raw(btk_call *c, const char *name, bool trainable, bt_shape shape)
{
    btk_weight *w = declare(c, name, trainable, shape);
    return w ? w->tensor : (btk_tensor){.edge = {-1, 0}, .dtype = BERTH_FLOAT};
}

btk_tensor btk_weight_of(btk_call *c, const char *name, bool trainable, bt_shape shape)
{
    btk_tensor t = btk_weight_raw(c, name, trainable, shape);
    return bt_dtype_is_float(t.dtype) ? btk_cast(c->k, t, c->layer->compute) : t;
}
