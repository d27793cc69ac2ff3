/* Keras: layers that join several tensors, and Keras 1's Merge, which is all of them. */
#include "format/keras_layers.h"

btk_tensor btk_mask_of(const btk_call *c)
{
    btk_tensor given = btk_arg_tensor(c, -1, "mask");
    if (given.dtype || !c->x.mask) return given;
    return *c->x.mask;
}

/* Tensors of fewer axes get the missing ones behind the batch. */
static bool level(btk_call *c)
{
    int rank = 0;
    if (c->n_x < 1) btk_damaged(c->k, "joins no tensors");
    for (int i = 0; i < c->n_x; i++)
        if (c->xs[i].shape.rank > rank) rank = c->xs[i].shape.rank;
    for (int i = 0; i < c->n_x && !c->k->failed; i++)
        while (!c->k->failed && c->xs[i].shape.rank < rank) c->xs[i] = btk_expand(c->k, c->xs[i], 1);
    return !c->k->failed;
}

/* A step is masked out by all (Keras 3: and nothing is masked unless all are), by any (Keras 2). */
static const btk_tensor *joint_mask(btk_call *c)
{
    btk_tensor *mask = NULL;
    for (int i = 0; i < c->n_x; i++) {
        const btk_tensor *m = c->xs[i].mask;
        if (!m && c->k->version >= 3) return NULL;
        if (m && mask) *mask = btk_logical(c->k, c->k->version >= 3 ? "LogicalOr" : "LogicalAnd", *mask, *m);
        else if (m && (mask = bt_arena_new(c->k->arena, btk_tensor))) *mask = *m;
    }
    return mask;
}

static btk_tensor chain(btk_call *c, const char *op)
{
    btk_tensor y = c->xs[0];
    for (int i = 1; i < c->n_x; i++) y = btk_binary(c->k, op, y, c->xs[i]);
    return y;
}

/* Keras 3: where an input is masked it counts as ones; where all are, the product is zeros. */
static btk_tensor masked_product(btk_call *c, const btk_tensor *joint)
{
    btk *k = c->k;
    for (int i = 0; i < c->n_x; i++)
        if (c->xs[i].mask && c->xs[i].mask->shape.rank == c->xs[i].shape.rank - 1)
            c->xs[i] =
                btk_select(k, btk_expand(k, *c->xs[i].mask, -1), c->xs[i], btk_number(k, c->xs[i].dtype, 1));
    btk_tensor y = chain(c, "Mul");
    if (!joint || joint->shape.rank != y.shape.rank - 1) return y;
    return btk_select(k, btk_expand(k, *joint, -1), y, btk_number(k, y.dtype, 0));
}

/* detail: the op, "Mean" for the average. */
void btk_merge(btk_call *c)
{
    const char *op = c->layer->class->detail;
    const btk_tensor *mask = joint_mask(c);
    if (!level(c)) return;
    bool masked = c->k->version >= 3 && !strcmp(op, "Mul");
    btk_tensor y = masked ? masked_product(c, mask) : chain(c, strcmp(op, "Mean") ? op : "AddV2");
    if (!strcmp(op, "Mean")) y = btk_binary(c->k, "RealDiv", y, btk_number(c->k, y.dtype, c->n_x));
    if (!strcmp(op, "Sub") && c->n_x != 2) btk_damaged(c->k, "takes two tensors");
    y.mask = mask;
    btk_return(c, y);
}

/* x + y scale: the residual of keras.applications' InceptionResNetV2, a class of Keras' own. */
void btk_custom_scale(btk_call *c)
{
    if (c->n_x != 2) btk_damaged(c->k, "takes two tensors");
    if (c->k->failed) return;
    btk_tensor scaled = btk_scaled(c->k, c->xs[1], btk_double_of(c, "scale", 1));
    btk_return(c, btk_binary(c->k, "AddV2", c->xs[0], scaled));
}

/* Of steps (axis 1): the masks joined, unmasked inputs being all true. Of features: a step stays that all
 * keep. */
static const btk_tensor *concatenated_mask(btk_call *c, int axis)
{
    btk *k = c->k;
    btk_tensor masks[64], *out = NULL;
    bool any = false;
    for (int i = 0; i < c->n_x; i++) any |= c->xs[i].mask != NULL;
    if (!any || c->n_x > 64 || c->x.shape.rank < 3 || !(out = bt_arena_new(k->arena, btk_tensor)))
        return NULL;
    for (int i = 0; i < c->n_x; i++) {
        btk_tensor x = c->xs[i], sizes[2] = {btk_size(k, x, 0), btk_size(k, x, 1)};
        bt_shape shape = BT_SHAPE(x.shape.dim[0], x.shape.dim[1]);
        masks[i] = x.mask ? *x.mask : btk_broadcast(k, btk_number(k, BERTH_BOOL, 1), 2, sizes, shape);
    }
    *out = masks[0];
    if (axis == 1) *out = btk_concat(k, c->n_x, masks, 1);
    else
        for (int i = 1; i < c->n_x; i++) *out = btk_logical(k, "LogicalAnd", *out, masks[i]);
    return out;
}

void btk_concatenate(btk_call *c)
{
    int64_t axis = btk_int_of(c, "axis", -1);
    if (c->n_x < 1) btk_damaged(c->k, "joins no tensors");
    if (c->k->failed) return;
    const btk_tensor *mask = concatenated_mask(c, (int)axis);
    for (int i = 1; i < c->n_x; i++) c->xs[i] = btk_cast(c->k, c->xs[i], c->xs[0].dtype);
    btk_tensor y = btk_concat(c->k, c->n_x, c->xs, (int)axis);
    y.mask = mask;
    btk_return(c, y);
}

/* x / sqrt(max(sum of squares, 1e-12)) along an axis */
static btk_tensor unit(btk *k, btk_tensor x, int axis)
{
    btk_tensor sum = btk_reduce(k, "Sum", btk_unary(k, "Square", x), 1u << axis, true);
    return btk_binary(k, "Mul", x,
                      btk_unary(k, "Rsqrt", btk_binary(k, "Maximum", sum, btk_number(k, x.dtype, 1e-12))));
}

/* Axis to the place `to`, the others in their order. */
static btk_tensor moved(btk *k, btk_tensor x, int axis, int to)
{
    int perm[BT_MAX_RANK], n = 0;
    for (int i = 0; i < x.shape.rank; i++) {
        if (n == to) perm[n++] = axis;
        if (i != axis) perm[n++] = i;
    }
    if (n == to) perm[n] = axis;
    return btk_transpose(k, x, perm);
}

/* Per sample, the sum over axis a of x and b of y: [batch, x without a, y without b]. */
static btk_tensor batch_dot(btk *k, btk_tensor x, btk_tensor y, int a, int b)
{
    int rx = x.shape.rank, ry = y.shape.rank;
    if (!btk_rank(k, x, 2, 3) || !btk_rank(k, y, 2, 3)) return x;
    if (a < 1 || b < 1 || a >= rx || b >= ry) return btk_damaged(k, "axes beyond the rank of the inputs"), x;
    x = rx == 2 ? btk_expand(k, x, 1) : moved(k, x, a, 2);
    y = ry == 2 ? btk_expand(k, y, 2) : moved(k, y, b, 1);
    btk_tensor out = btk_matmul(k, x, y, false, false);
    if (rx == 2) out = btk_squeeze(k, out, 1);
    else if (ry == 2) out = btk_squeeze(k, out, -1);
    return out;
}

static btk_tensor dot(btk_call *c, const char *key, bool normalize)
{
    btk *k = c->k;
    int64_t axes[2];
    const bt_json *j = btk_of(c, key);
    if (c->n_x != 2) return btk_damaged(k, "takes two tensors"), c->x;
    for (int i = 0; i < 2; i++) {
        axes[i] = bt_json_int(bt_json_is(j, BT_JSON_ARRAY) ? bt_json_at(j, i) : j, -1);
        if (axes[i] < 0) axes[i] += c->xs[i].shape.rank;
        if (axes[i] < 1 || axes[i] >= c->xs[i].shape.rank)
            return btk_damaged(k, "axes beyond the rank of the inputs"), c->x;
    }
    btk_tensor x = c->xs[0], y = c->xs[1];
    if (normalize) x = unit(k, x, (int)axes[0]), y = unit(k, y, (int)axes[1]);
    return batch_dot(k, x, y, (int)axes[0], (int)axes[1]);
}

void btk_dot(btk_call *c) { btk_return(c, dot(c, "axes", btk_bool_of(c, "normalize", false))); }

/* Keras 1: xy / sqrt(max(xx yy, 0)), element by element of the products, and an axis more. */
static btk_tensor old_cosine(btk_call *c)
{
    btk *k = c->k;
    btk_tensor xy = dot(c, "dot_axes", false), in[2] = {c->xs[0], c->xs[1 % c->n_x]}, squares[2];
    for (int i = 0; i < 2 && !k->failed; i++) {
        c->xs[0] = c->xs[1] = in[i];
        squares[i] = dot(c, "dot_axes", false);
    }
    if (k->failed) return xy;
    btk_tensor lengths =
        btk_unary(k, "Sqrt", btk_unary(k, "Relu", btk_binary(k, "Mul", squares[0], squares[1])));
    return btk_expand(
        k,
        btk_binary(k, "RealDiv", xy, btk_binary(k, "Maximum", lengths, btk_number(k, lengths.dtype, 1e-7))),
        1);
}

/* Keras 1. */
void btk_merge_old(btk_call *c)
{
    static const struct {
        const char *mode, *op;
    } modes[] = {{"sum", "AddV2"}, {"mul", "Mul"}, {"ave", "AddV2"}, {"max", "Maximum"}};
    btk *k = c->k;
    const char *mode = btk_text_of(c, "mode", "sum");
    if (c->n_x < 1 || k->failed) {
        btk_damaged(k, "joins no tensors");
        return;
    }
    if (!strcmp(mode, "concat")) {
        int axis = (int)btk_int_of(c, "concat_axis", -1);
        const btk_tensor *mask = concatenated_mask(c, axis);
        btk_tensor y = btk_concat(k, c->n_x, c->xs, axis);
        y.mask = mask;
        return btk_return(c, y);
    }
    if (!strcmp(mode, "dot")) return btk_return(c, dot(c, "dot_axes", false));
    if (!strcmp(mode, "cos")) return btk_return(c, old_cosine(c));
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(modes[i].mode, mode)) continue;
        btk_tensor y = chain(c, modes[i].op);
        if (!strcmp(mode, "ave")) y = btk_binary(k, "RealDiv", y, btk_number(k, y.dtype, c->n_x));
        y.mask = joint_mask(c);
        return btk_return(c, y);
    }
    btk_unsupported(k, "mode '%s'", mode);
}
