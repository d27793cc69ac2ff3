/* Keras: weights of a model that is built get their values, from a store that has them in Keras's order, or from one
 * that has them by paths (`btk_weights`). */
#include "format/keras_layers.h"

/* The constant gets its value; one stored in another dtype is cast. */
static void set_value(btk *k, const char *layer, btk_weight *w, const bt_tensor *value)
{
    char have[BT_SHAPE_TEXT], want[BT_SHAPE_TEXT];
    int32_t node = w->node;
    if (!bt_shape_compatible(&w->shape, &value->shape)) {
        btk_damaged(k, "layer '%s': weight '%s' has shape %s in the file, and the model needs %s", layer,
                    w->name, bt_shape_text(&value->shape, have), bt_shape_text(&w->shape, want));
        return;
    }
    if (value->dtype == BERTH_STRING || !bt_dtype_size(value->dtype)) {
        btk_damaged(k, "layer '%s': weight '%s' is no number", layer, w->name);
        return;
    }
    if (value->dtype != w->dtype) {
        const char *name = bt_arena_print(k->arena, "%s/stored", k->graph->nodes[node].name);
        name = name ? bt_graph_unique_name(k->graph, name) : NULL;
        int32_t stored = name ? bt_graph_add(k->graph, name, "Const") : -1;
        bt_edge edge = {stored, 0};
        if (stored < 0 || !bt_node_set_inputs(k->graph, node, &edge, 1) ||
            !bt_set_type(k->graph, node, "SrcT", value->dtype) ||
            !bt_set_type(k->graph, node, "DstT", w->dtype)) {
            btk_fail(k, BERTH_NO_MEMORY, "out of memory");
            return;
        }
        k->graph->nodes[node].op = "Cast";
        node = stored;
    }
    if (!bt_set_type(k->graph, node, "dtype", value->dtype) || !bt_set_tensor(k->graph, node, "value", value))
        btk_fail(k, BERTH_NO_MEMORY, "out of memory");
    w->is_set = true;
}

/* ---- In order ------------------------------------------------------------------------------------------ */

typedef struct fill {
    btk *k;
    const char *layer; /* of the outermost model */
    const bt_tensor *values;
    int n, next;
} fill;

static int count(const btk_layer *layer)
{
    int n = 0;
    for (const btk_weight *w = layer->weights; w; w = w->next) n++;
    for (const btk_layer *child = layer->children; child; child = child->next) n += count(child);
    return n;
}

/* Keras stores the trainable weights of a layer and of all inside it, then the others: of each layer first
 * its own trainable ones. */
static void fill_some(fill *f, btk_layer *layer, bool trainable, bool above)
{
    bool free = above && layer->trainable;
    for (int own = 1; own >= 0; own--)
        for (btk_weight *w = layer->weights; w && !f->k->failed; w = w->next)
            if (w->trainable == own && (w->trainable && free) == trainable)
                set_value(f->k, f->layer, w, &f->values[f->next++]);
    for (btk_layer *child = layer->children; child; child = child->next) fill_some(f, child, trainable, free);
}

/* place: of the layer in the file, or -1: it is the one of that name. */
static void fill_whole(btk *k, btk_layer *layer, int place)
{
    fill f = {.k = k, .layer = layer->name};
    int needed = count(layer);
    if (k->weights->of_layer(k->weights->user, layer->name, place, &f.values, &f.n, k->error)) {
        k->failed = true;
    } else if (f.n != needed) {
        btk_damaged(k, "layer '%s' (%s): the model needs %d weights, and the file has %d", layer->name,
                    layer->class_name, needed, f.n);
    } else {
        fill_some(&f, layer, true, true);
        fill_some(&f, layer, false, true);
    }
}

/* The layers that have weights, as files list them, to *list, which may be NULL; gives their number. Keras 1 stores the layers of
 * models that a Merge holds by themselves; it is the first of a Sequential. */
static int list_stored(btk_layer *model, btk_layer **list)
{
    int n = 0;
    for (btk_layer *layer = model->children; layer; layer = layer->next) {
        bool is_merge = layer->class->build == btk_merge_old && layer->children;
        for (btk_layer *joined = is_merge ? layer->children : NULL; joined; joined = joined->next)
            n += list_stored(joined, list ? list + n : NULL);
        if (is_merge || !count(layer)) continue;
        if (list) list[n] = layer;
        n++;
    }
    return n;
}

/* As Keras does it: layer by layer, whatever their names are; they may be those of another model of the same form. Where the file
 * has more or fewer layers, by their names, and those that have none (models of Keras 1) by their place. */
static void fill_in_order(btk *k, btk_layer *top)
{
    int n = list_stored(top, NULL);
    btk_layer **list = bt_arena_array(k->arena, btk_layer *, (size_t)n + 1);
    if (!list) k->failed = true, bt_fail_memory(k->error);
    else list_stored(top, list);
    for (int i = 0; i < n && !k->failed; i++) {
        bool by_place = n == k->weights->n_layers || list[i]->name == list[i]->class_name;
        fill_whole(k, list[i], by_place ? i : -1);
    }
}

/* ---- By paths ----------------------------------------------------------------------------------------- */

/* "query/kernel" is the kernel of a layer inside: the letters before the slash. */
static size_t part_of(const btk_weight *w)
{
    const char *slash = strchr(w->name, '/');
    return slash ? (size_t)(slash - w->name) : 0;
}

/* Where the weights of a part lie: of a recurrent layer in its cell, of attention in the layers inside it, which Keras
 * calls query_dense, or _query_dense. NULL: there is no further place. */
static const char *place_of(btk *k, const btk_layer *layer, const btk_weight *w, int i)
{
    int n = (int)part_of(w);
    const char *part = w->name;
    if (n && bt_starts(part, "attention_")) part += strlen("attention_"), n -= (int)strlen("attention_");
    if (i > (n > 0)) return NULL;
    if (n) return bt_arena_print(k->arena, i ? "%s/_%.*s_dense" : "%s/%.*s_dense", layer->path, n, part);
    return layer->class->build == btk_rnn ? bt_arena_print(k->arena, "%s/cell", layer->path) : layer->path;
}

/* Number i of those of its part. */
static void fill_one(btk *k, const btk_layer *layer, btk_weight *w, int i)
{
    const btk_weights *from = k->weights;
    bt_tensor value = {0};
    const char *place;
    for (int form = 0; !value.dtype && !k->failed && (place = place_of(k, layer, w, form)); form++)
        if (from->of_path(from->user, place, i, w->name + part_of(w) + (part_of(w) > 0), &value, k->error))
            k->failed = true;
    if (k->failed) return;
    if (value.dtype) set_value(k, layer->name, w, &value);
    else
        btk_damaged(k, "layer '%s' (%s): the file lacks weight '%s'", layer->name, layer->class_name,
                    w->name);
}

/* The trainable ones are numbered first. */
static void fill_layer(btk *k, btk_layer *layer)
{
    int n = 0;
    btk_weight *last = NULL;
    for (int own = 1; own >= 0; own--)
        for (btk_weight *w = layer->weights; w && !k->failed; w = w->next) {
            if (w->trainable != own) continue;
            if (last && (part_of(w) != part_of(last) || memcmp(w->name, last->name, part_of(w)))) n = 0;
            fill_one(k, layer, w, n++);
            last = w;
        }
    bt_tensor more = {0};
    const char *place = last && !k->failed ? place_of(k, layer, last, 0) : NULL;
    if (place && k->weights->of_path(k->weights->user, place, n, NULL, &more, k->error)) k->failed = true;
    else if (more.dtype)
        btk_damaged(k, "layer '%s' (%s): the model needs %d weights, and the file has more", layer->name,
                    layer->class_name, n);
}

static void fill_by_path(btk *k, btk_layer *layer)
{
    if (layer->weights) fill_layer(k, layer);
    for (btk_layer *child = layer->children; child && !k->failed; child = child->next) fill_by_path(k, child);
}

void btk_weights_fill(btk *k, btk_layer *top)
{
    if (k->weights->of_path) fill_by_path(k, top);
    else fill_in_order(k, top);
}
