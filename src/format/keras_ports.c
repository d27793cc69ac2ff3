/* Keras: the inputs and outputs of the outermost model, as placeholders and the signature's ports. One that is sparse or
 * ragged has a port a part. Which tensors these are: keras_model.c; what layers make of parts: keras_parts.c. */
#include "format/keras.h"

#include <stdio.h>

bool btk_ports_room(btk *k, bt_port **ports, int have, int more)
{
    bt_port *grown = bt_arena_array(k->arena, bt_port, (size_t)have + (size_t)more + 1);
    if (!grown) return btk_fail(k, BERTH_NO_MEMORY, "out of memory"), false;
    if (have) memcpy(grown, *ports, (size_t)have * sizeof *grown);
    *ports = grown;
    return true;
}

/* A placeholder that is an input of the signature. */
static btk_tensor placeholder(btk *k, const char *name, berth_dtype dtype, bt_shape shape,
                              bt_signature *signature)
{
    btk_tensor t = {.dtype = dtype, .shape = shape};
    t.edge.node = btk_add(k, name, "Placeholder");
    btk_attr_type(k, t, "dtype", t.dtype);
    if (!k->failed && !bt_set_shape(k->graph, t.edge.node, "shape", &shape))
        btk_fail(k, BERTH_NO_MEMORY, "out of memory");
    bt_port *port = &signature->inputs[signature->n_inputs++];
    *port = (bt_port){.key = name, .dtype = t.dtype, .shape = shape};
    if (!k->failed) port->tensor = bt_arena_print(k->arena, "%s:0", k->graph->nodes[t.edge.node].name);
    return t;
}

/* NAME_1, NAME_2: those of the further parts, as TensorFlow's export calls them. */
static const char *part_name(btk *k, const char *name, int i, const bt_signature *signature)
{
    const char *part = bt_arena_print(k->arena, "%s_%d", name, i);
    if (!part) btk_fail(k, BERTH_NO_MEMORY, "out of memory");
    for (int j = 0; part && j < signature->n_inputs; j++)
        if (!strcmp(signature->inputs[j].key, part))
            btk_unsupported(k, "input '%s' is called as a part of input '%s'", part, name);
    return part ? part : name;
}

static btk_tensor sparse_input(btk *k, const char *name, berth_dtype dtype, bt_shape shape,
                               bt_signature *signature)
{
    int rank = shape.rank;
    btk_parts *parts = bt_arena_new(k->arena, btk_parts);
    if (!parts) return btk_fail(k, BERTH_NO_MEMORY, "out of memory"), (btk_tensor){0};
    parts->is_sparse = true;
    parts->indices = placeholder(k, name, BERTH_INT64, BT_SHAPE(-1, rank), signature);
    btk_tensor t = placeholder(k, part_name(k, name, 1, signature), dtype, BT_SHAPE(-1), signature);
    parts->size = placeholder(k, part_name(k, name, 2, signature), BERTH_INT64, BT_SHAPE(rank), signature);
    t.shape = shape;
    t.parts = parts;
    return t;
}

/* Rows of any length, of steps of a known shape; Keras has rows in rows where a further dimension is open. */
static btk_tensor ragged_input(btk *k, const char *name, berth_dtype dtype, bt_shape shape,
                               bt_signature *signature)
{
    bt_shape rest = {.rank = shape.rank - 1, .dim = {-1}};
    bool is_open = shape.rank >= 2 && shape.dim[1] < 0;
    for (int i = 2; i < shape.rank; i++) is_open = is_open && (rest.dim[i - 1] = shape.dim[i]) >= 0;
    if (!is_open)
        return btk_unsupported(k,
                               "input '%s' is ragged in other than its second dimension: export a SavedModel "
                               "instead (model.export)",
                               name),
               (btk_tensor){0};
    btk_tensor values = placeholder(k, name, dtype, rest, signature);
    return btk_ragged(k, values,
                      placeholder(k, part_name(k, name, 1, signature), BERTH_INT64, BT_SHAPE(-1), signature),
                      shape.dim[0]);
}

btk_tensor btk_input(btk *k, const char *name, bt_shape shape, const bt_json *config, bt_signature *signature)
{
    const bt_json *dtype = bt_json_get(config, "dtype");
    if (!dtype || bt_json_is(dtype, BT_JSON_NULL)) dtype = bt_json_get(config, "input_dtype");
    berth_dtype type = btk_dtype_of(k, dtype, BERTH_FLOAT, false);
    if (bt_json_bool(bt_json_get(config, "sparse"), false))
        return sparse_input(k, name, type, shape, signature);
    if (bt_json_bool(bt_json_get(config, "ragged"), false))
        return ragged_input(k, name, type, shape, signature);
    return placeholder(k, name, type, shape, signature);
}

/* NAME, NAME_1, NAME_2 ... */
static const char *output_key(btk *k, const bt_signature *signature, const char *name)
{
    int same = 0;
    for (int i = 0; i < signature->n_outputs; i++) {
        const char *key = signature->outputs[i].key;
        size_t n = strlen(name);
        if (!strncmp(key, name, n) && (!key[n] || key[n] == '_' || key[n] == '/')) {
            char want[32];
            snprintf(want, sizeof want, "_%d", same);
            size_t length = same ? strlen(want) : 0;
            if (!strncmp(key + n, want, length) && (!key[n + length] || !strcmp(key + n + length, "/0")))
                same++;
        }
    }
    const char *key = same ? bt_arena_print(k->arena, "%s_%d", name, same) : name;
    if (!key) btk_fail(k, BERTH_NO_MEMORY, "out of memory");
    return key;
}

static void add_port(btk *k, bt_signature *signature, const char *key, btk_tensor t)
{
    if (k->failed) return;
    bt_port *port = &signature->outputs[signature->n_outputs++];
    *port = (bt_port){.key = key, .dtype = t.dtype, .shape = t.shape};
    port->tensor = bt_arena_print(k->arena, "%s:%d", k->graph->nodes[t.edge.node].name, t.edge.slot);
    if (!port->key || !port->tensor) btk_fail(k, BERTH_NO_MEMORY, "out of memory");
}

void btk_add_output(btk *k, bt_signature *signature, const char *name, btk_tensor t)
{
    const char *key = k->failed ? NULL : output_key(k, signature, name);
    bool is_ragged = t.parts && !t.parts->is_sparse;
    if (!key || k->failed) return;
    if (!is_ragged) return add_port(k, signature, key, btk_dense_of(k, t));
    add_port(k, signature, bt_arena_print(k->arena, "%s/0", key), btk_values_of(t));
    add_port(k, signature, bt_arena_print(k->arena, "%s/1", key), t.parts->splits);
}
