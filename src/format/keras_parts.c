/* Keras: tensors in parts, in functional models: sparse ones (indices, values, the dense shape) and ragged ones (values of all
 * rows one behind the other, and where each row begins). What a layer that knows nothing of them is given in their place, and
 * what becomes of its results: the flags of a class (keras.h) say which of these it is.
 *   sparse: the dense tensor;
 *   steps: the values as the steps of one row; its results are rows again;
 *   padded: the rows padded to one length, with a mask; sequences become rows again.
 * Any other layer is refused. Where such tensors come from: keras_ports.c. */
#include "format/keras_layers.h"

#include <float.h>

static const btk_parts *ragged_in(const btk_value *v)
{
    const btk_parts *found = v->kind == BTK_TENSOR ? v->tensor.parts : NULL;
    if (found && found->is_sparse) found = NULL;
    for (int i = 0; v->kind == BTK_LIST && i < v->n && !found; i++) found = ragged_in(&v->items[i]);
    return found;
}

/* ---- Sparse tensors ----------------------------------------------------------------------------------- */

btk_tensor btk_dense_of(btk *k, btk_tensor x)
{
    const btk_parts *p = x.parts;
    if (!p || !p->is_sparse) return x;
    btk_tensor in[4] = {p->indices, p->size, x, btk_number(k, x.dtype, 0)};
    if (x.dtype == BERTH_STRING) btk_unsupported(k, "sparse strings");
    btk_tensor y = btk_bare(k, "SparseToDense", 4, in, x.dtype, x.shape);
    btk_attr_type(k, y, "T", x.dtype);
    btk_attr_type(k, y, "Tindices", BERTH_INT64);
    btk_attr_bool(k, y, "validate_indices", true);
    return y;
}

btk_tensor btk_sparse_product(btk *k, btk_tensor x, btk_tensor kernel)
{
    btk_tensor in[4] = {x.parts->indices, x, x.parts->size, kernel};
    btk_tensor y =
        btk_bare(k, "SparseTensorDenseMatMul", 4, in, x.dtype, BT_SHAPE(btk_dim(x, 0), btk_dim(kernel, 1)));
    btk_attr_type(k, y, "T", x.dtype);
    btk_attr_type(k, y, "Tindices", BERTH_INT64);
    btk_attr_bool(k, y, "adjoint_a", false);
    btk_attr_bool(k, y, "adjoint_b", false);
    return y;
}

/* ---- Ragged tensors ----------------------------------------------------------------------------------- */

btk_tensor btk_ragged(btk *k, btk_tensor values, btk_tensor splits, int64_t batch)
{
    btk_parts *parts = bt_arena_new(k->arena, btk_parts);
    btk_tensor t = values;
    if (!btk_rank(k, values, 1, BT_MAX_RANK - 1)) return values;
    if (!parts) return btk_fail(k, BERTH_NO_MEMORY, "out of memory"), values;
    *parts = (btk_parts){.splits = splits};
    t.parts = parts;
    t.mask = NULL;
    t.shape = (bt_shape){.rank = values.shape.rank + 1, .dim = {batch, -1}};
    memcpy(t.shape.dim + 2, values.shape.dim + 1, (size_t)(values.shape.rank - 1) * sizeof *t.shape.dim);
    return t;
}

btk_tensor btk_values_of(btk_tensor t)
{
    btk_tensor values = {.edge = t.edge, .dtype = t.dtype, .shape = {.rank = t.shape.rank - 1, .dim = {-1}}};
    memcpy(values.shape.dim + 1, t.shape.dim + 2, (size_t)(t.shape.rank - 2) * sizeof *t.shape.dim);
    return values;
}

btk_tensor btk_padded_rows(btk *k, btk_tensor values, btk_tensor splits, btk_tensor fill, int64_t batch,
                           int64_t length)
{
    bt_shape shape = {.rank = values.shape.rank + 1, .dim = {batch, length}};
    double sizes[BT_MAX_RANK] = {-1, (double)length};
    if (!btk_rank(k, values, 1, BT_MAX_RANK - 1)) return values;
    for (int i = 2; i < shape.rank; i++) sizes[i] = (double)(shape.dim[i] = values.shape.dim[i - 1]);
    btk_tensor in[4] = {btk_numbers(k, BERTH_INT64, BT_SHAPE(shape.rank), sizes), values, fill, splits};
    btk_tensor y = btk_bare(k, "RaggedTensorToTensor", 4, in, values.dtype, shape);
    btk_attr_type(k, y, "T", values.dtype);
    btk_attr_type(k, y, "Tindex", BERTH_INT64);
    btk_attr_type(k, y, "Tshape", BERTH_INT64);
    btk_attr_int(k, y, "num_row_partition_tensors", 1);
    btk_attr_texts(k, y, "row_partition_types", 1, (const char *const[]){"ROW_SPLITS"});
    return y;
}

/* How many steps each row has. */
static btk_tensor lengths_of(btk *k, btk_tensor splits, int64_t batch)
{
    btk_tensor n =
        btk_binary(k, "Sub", btk_slice(k, splits, 0, 1, INT64_MAX), btk_slice(k, splits, 0, 0, -1));
    n.shape = BT_SHAPE(batch);
    return n;
}

/* [batch, longest]: true where x, which is padded, has steps of its own. */
static btk_tensor kept(btk *k, btk_tensor x, btk_tensor splits)
{
    btk_tensor bounds[3] = {btk_int(k, 0), btk_size(k, x, 1), btk_int(k, 1)};
    btk_tensor steps = btk_bare(k, "Range", 3, bounds, BERTH_INT32, BT_SHAPE(-1));
    btk_attr_type(k, steps, "Tidx", BERTH_INT32);
    btk_tensor lengths = lengths_of(k, splits, x.shape.dim[0]);
    return btk_compare(k, "Less", btk_expand(k, btk_cast(k, steps, BERTH_INT64), 0),
                       btk_expand(k, lengths, 1));
}

static btk_tensor padded(btk_call *c, btk_tensor t)
{
    btk *k = c->k;
    btk_tensor splits = t.parts->splits, *mask = bt_arena_new(k->arena, btk_tensor);
    bool max = c->layer->class->detail && !strcmp(c->layer->class->detail, "1Max");
    /* of a row without steps TensorFlow's segments give the least number that there is */
    double least = t.dtype == BERTH_DOUBLE ? -DBL_MAX
                   : t.dtype == BERTH_HALF ? -65504
                                           : -FLT_MAX,
           fill = max ? least : 0;
    btk_tensor y =
        btk_padded_rows(k, btk_values_of(t), splits, btk_number(k, t.dtype, fill), t.shape.dim[0], -1);
    if (!mask) return btk_fail(k, BERTH_NO_MEMORY, "out of memory"), y;
    if (t.mask)
        *mask = btk_padded_rows(k, btk_values_of(*t.mask), splits, btk_number(k, BERTH_BOOL, 0),
                                t.shape.dim[0], -1);
    else *mask = kept(k, y, splits);
    y.mask = mask;
    return y;
}

/* The steps that `kept` names of a sequence, one behind the other. */
static btk_tensor unpadded(btk *k, btk_tensor x, btk_tensor splits)
{
    btk_tensor mask = kept(k, x, splits), in[2] = {x, x};
    bt_shape shape = {.rank = x.shape.rank - 1, .dim = {-1}};
    memcpy(shape.dim + 1, x.shape.dim + 2, (size_t)(x.shape.rank - 2) * sizeof *shape.dim);
    in[1] = btk_bare(k, "Where", 1, &mask, BERTH_INT64, BT_SHAPE(-1, 2));
    btk_attr_type(k, in[1], "T", BERTH_BOOL);
    btk_tensor values = btk_bare(k, "GatherNd", 2, in, x.dtype, shape);
    btk_attr_type(k, values, "Tparams", x.dtype);
    btk_attr_type(k, values, "Tindices", BERTH_INT64);
    return btk_ragged(k, values, splits, x.shape.dim[0]);
}

/* One row whose steps are those of all rows. */
static btk_tensor joined(btk_call *c, btk_tensor t)
{
    btk *k = c->k;
    btk_tensor y = btk_expand(k, btk_values_of(t), 0),
               *mask = t.mask ? bt_arena_new(k->arena, btk_tensor) : NULL;
    if (mask) *mask = btk_expand(k, btk_values_of(*t.mask), 0);
    y.mask = mask;
    return y;
}

static btk_tensor parted(btk_call *c, btk_tensor t)
{
    btk *k = c->k;
    btk_tensor y = btk_ragged(k, btk_squeeze(k, t, 0), c->ragged->splits, c->batch);
    btk_tensor *mask = t.mask ? bt_arena_new(k->arena, btk_tensor) : NULL;
    if (mask) *mask = btk_ragged(k, btk_squeeze(k, *t.mask, 0), c->ragged->splits, c->batch);
    y.mask = mask;
    return y;
}

/* ---- Calls -------------------------------------------------------------------------------------------- */

/* An axis that the layer names is the last, and not that of the steps. */
static bool of_features(const btk_call *c, int rank)
{
    const bt_json *axis = btk_of(c, "axis");
    if (bt_json_is(axis, BT_JSON_ARRAY) && axis->n == 1) axis = axis->first;
    int64_t n = bt_json_int(axis, axis ? 0 : -1);
    return rank > 2 && (n == -1 || n == rank - 1);
}

static void open_value(btk_call *c, btk_value *v)
{
    btk *k = c->k;
    int flags = c->flags;
    for (int i = 0; v->kind == BTK_LIST && i < v->n; i++) open_value(c, &v->items[i]);
    const btk_parts *p = v->kind == BTK_TENSOR ? v->tensor.parts : NULL;
    bool beside = (v->kind == BTK_TENSOR && v->tensor.shape.rank) ||
                  (v->kind == BTK_JSON && bt_json_is(v->json, BT_JSON_ARRAY));
    if (!p && beside && c->ragged && (flags & BTK_STEPS))
        return btk_unsupported(k, "a ragged tensor beside a dense one");
    if (!p || k->failed) return;
    if (p->is_sparse) {
        if (flags & BTK_PARTS) return;
        if (!(flags & BTK_SPARSE))
            return btk_unsupported(k, "takes no sparse tensor: export a SavedModel instead (model.export)");
        v->tensor = btk_dense_of(k, v->tensor);
        return;
    }
    if (!(flags & (BTK_STEPS | BTK_PADDED)) || ((flags & BTK_PADDED) && btk_channels_first(c)) ||
        ((flags & BTK_FEATURES) && !of_features(c, v->tensor.shape.rank)) ||
        (v->tensor.shape.rank > 2 && strcmp(btk_text_of(c, "output_mode", "int"), "int")))
        return btk_unsupported(k, "takes no such ragged tensor: export a SavedModel instead (model.export)");
    if (p->splits.edge.node != c->ragged->splits.edge.node ||
        p->splits.edge.slot != c->ragged->splits.edge.slot)
        return btk_unsupported(k, "ragged tensors of different rows");
    c->batch = v->tensor.shape.dim[0];
    v->tensor = flags & BTK_STEPS ? joined(c, v->tensor) : padded(c, v->tensor);
}

void btk_parts_open(btk_call *c, btk_value *args)
{
    c->flags = c->layer->class->flags;
    if ((c->flags & BTK_PARTS) && !(c->flags & BTK_STEPS)) return;
    for (int i = 0; i < c->n_args && !c->ragged; i++) c->ragged = ragged_in(&args[i]);
    if (c->ragged) c->flags |= btk_operation_flags(c);
    for (int i = 0; i < c->n_args && !c->k->failed; i++) open_value(c, &args[i]);
}

void btk_parts_close(btk_call *c)
{
    btk *k = c->k;
    if (!c->ragged || k->failed) return;
    if (c->flags & BTK_STEPS) {
        for (int i = 0; i < c->n_out && !k->failed; i++) c->out[i] = parted(c, c->out[i]);
        return;
    }
    const bt_json *inner = bt_json_get(btk_of(c, "layer"), "config"), *config = inner ? inner : c->config;
    if (!bt_json_bool(bt_json_get(config, "return_sequences"), false)) return;
    if (!inner && btk_bool_of(c, "go_backwards", false))
        return btk_unsupported(k, "backward sequences of a ragged tensor");
    if (inner && bt_json_is(bt_json_get(c->config, "merge_mode"), BT_JSON_NULL))
        return btk_unsupported(k, "a ragged tensor in two directions that are not merged");
    c->out[0] = unpadded(k, c->out[0], c->ragged->splits);
}

/* The length that shape=[None, length, ...] says; -1: none. */
static int64_t length_of(btk_call *c, const bt_json *shape)
{
    int64_t n = bt_json_int(bt_json_at(shape, 1), -1);
    if (n > INT32_MAX) btk_damaged(c->k, "rows too long");
    return n < 0 ? -1 : n;
}

void btk_ragged_member(btk_call *c)
{
    btk *k = c->k;
    const char *name = btk_text_of(c, "attr_name", "");
    const btk_value *keywords = btk_arg(c, -1, "kwargs"), *list = btk_arg(c, -1, "args");
    const bt_json *json = keywords ? keywords->json : NULL;
    btk_tensor x = c->x;
    bool is_ragged = x.parts && !x.parts->is_sparse,
         plain = !list || (list->kind == BTK_JSON && !list->json->n);
    if (is_ragged && (!strcmp(name, "values") || !strcmp(name, "flat_values")))
        return btk_return(c, btk_values_of(x));
    if (is_ragged && !strcmp(name, "row_splits")) return btk_return(c, x.parts->splits);
    if (is_ragged && plain && !strcmp(name, "row_lengths"))
        return btk_return(c, lengths_of(k, x.parts->splits, x.shape.dim[0]));
    if (!is_ragged || !plain || strcmp(name, "to_tensor") || x.dtype == BERTH_STRING)
        return btk_unsupported(k, "a tensor's '%s': export a SavedModel instead (model.export)", name);
    btk_tensor fill = btk_number(k, x.dtype, bt_json_double(bt_json_get(json, "default_value"), 0));
    int64_t length = length_of(c, bt_json_get(json, "shape"));
    btk_return(c, btk_padded_rows(k, btk_values_of(x), x.parts->splits, fill, x.shape.dim[0], length));
}
