/* Keras: layers: made from their entries, and called. */
#include "format/keras.h"

btk_layer *btk_layer_new(btk *k, const bt_json *entry)
{
    btk_layer *layer = k->failed ? NULL : bt_arena_new(k->arena, btk_layer);
    if (!layer) {
        btk_fail(k, BERTH_NO_MEMORY, "out of memory");
        return NULL;
    }
    layer->json = entry;
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

btk_layer *btk_child(btk_call *c, const bt_json *entry)
{
    btk_layer *child = c->layer->next_child;
    if (child) return c->layer->next_child = child->next, child;
    if (!(child = btk_layer_new(c->k, entry))) return NULL;
    btk_layer **last = &c->layer->children;
    while (*last) last = &(*last)->next;
    return *last = child;
}

/* All tensors of an argument, cast to the compute dtype of the layer. */
static void flatten(btk_call *c, btk_value *v, int *capacity)
{
    for (int i = 0; v->kind == BTK_LIST && i < v->n; i++) flatten(c, &v->items[i], capacity);
    if (v->kind != BTK_TENSOR) return;
    if (c->n_x == *capacity) {
        btk_tensor *more = bt_arena_array(c->k->arena, btk_tensor, (size_t)*capacity * 2 + 4);
        if (!more) {
            btk_fail(c->k, BERTH_NO_MEMORY, "out of memory");
            return;
        }
        if (c->n_x) memcpy(more, c->xs, (size_t)c->n_x * sizeof *more);
        c->xs = more;
        *capacity = *capacity * 2 + 4;
    }
    c->xs[c->n_x++] = v->tensor;
}

static void cast_floats(btk_call *c, btk_value *v)
{
    for (int i = 0; v->kind == BTK_LIST && i < v->n; i++) cast_floats(c, &v->items[i]);
    if (v->kind == BTK_TENSOR && bt_dtype_is_float(v->tensor.dtype))
        v->tensor = btk_cast(c->k, v->tensor, c->layer->compute);
}

static void finish(btk_call *c, btk_result *out)
{
    const btk_class *class = c->layer->class;
    if (!c->k->failed && !c->n_out) btk_fail(c->k, BERTH_INTERNAL, "gave no output");
    for (int i = 0; i < c->n_out; i++) {
        if (class->flags & BTK_MASK) c->out[i].mask = c->x.mask;
        else if (!(class->flags & BTK_OWN_MASK)) c->out[i].mask = NULL;
    }
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
        int capacity = 0;
        if (n_args) memcpy(own, args, (size_t)n_args * sizeof *own);
        for (int i = 0; i < n_args; i++)
            if (!(layer->class->flags & BTK_NO_CAST)) cast_floats(&c, &own[i]);
        if (n_args) flatten(&c, &own[0], &capacity);
        if (c.n_x) c.x = c.xs[0];
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
