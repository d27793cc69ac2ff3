/* Keras: attention: Attention, AdditiveAttention, MultiHeadAttention, GroupedQueryAttention. Scores are
 * softmaxed over the keys; masks are bool, true where attention is paid. Heads go in front of time, so that
 * all is batched products. */
#include "format/keras_layers.h"

#include <math.h>

/* ---- Masks -------------------------------------------------------------------------------------------- */

/* Both, where both are given. */
static btk_tensor both(btk *k, btk_tensor a, btk_tensor b)
{
    if (!a.dtype || !b.dtype) return a.dtype ? a : b;
    return btk_logical(k, "LogicalAnd", a, b);
}

/* 0, 1, ... n - 1 for axis 1 of x, as [n, 1] or [1, n]. */
static btk_tensor positions(btk *k, btk_tensor x, int axis)
{
    btk_tensor in[3] = {btk_int(k, 0), btk_size(k, x, 1), btk_int(k, 1)};
    btk_tensor range = btk_bare(k, "Range", 3, in, BERTH_INT32, BT_SHAPE(btk_dim(x, 1)));
    btk_attr_type(k, range, "Tidx", BERTH_INT32);
    return btk_expand(k, range, axis);
}

/* [queries, keys]: each step sees itself and those before it. */
static btk_tensor causal_mask(btk *k, btk_tensor query, btk_tensor key)
{
    return btk_compare(k, "GreaterEqual", positions(k, query, 1), positions(k, key, 0));
}

/* [queries, keys]: at most `reach` - 1 steps apart. */
static btk_tensor sliding_mask(btk *k, btk_tensor query, btk_tensor key, int64_t reach)
{
    btk_tensor apart = btk_binary(k, "Sub", positions(k, query, 1), positions(k, key, 0));
    return btk_compare(k, "Less", btk_unary(k, "Abs", apart), btk_int(k, reach));
}

static btk_tensor as_bool(btk *k, btk_tensor mask)
{
    return mask.dtype ? btk_cast(k, mask, BERTH_BOOL) : mask;
}

/* Zeros stand for what is masked, even where all is. */
static btk_tensor masked_softmax(btk *k, btk_tensor scores, btk_tensor mask, bool zeros)
{
    if (!mask.dtype) return btk_softmax(k, scores, -1);
    double low = scores.dtype == BERTH_HALF ? -3e4 : -1e9;
    btk_tensor y = btk_softmax(k, btk_select(k, mask, scores, btk_number(k, scores.dtype, low)), -1);
    return zeros ? btk_select(k, mask, y, btk_number(k, y.dtype, 0)) : y;
}

static bool flag(const btk_call *c, const char *keyword)
{
    const btk_value *v = btk_arg(c, -1, keyword);
    return v && v->kind == BTK_JSON && bt_json_bool(v->json, false);
}

/* ---- Attention and AdditiveAttention ------------------------------------------------------------------ */

static btk_tensor scores_of(btk_call *c, btk_tensor q, btk_tensor key)
{
    btk *k = c->k;
    bool additive = !strcmp(c->layer->class_name, "AdditiveAttention"),
         scaled = btk_bool_of(c, "use_scale", additive);
    bool concat = !strcmp(btk_text_of(c, "score_mode", "dot"), "concat");
    bt_shape shape = additive ? BT_SHAPE(btk_known(k, q, -1, "the last dimension")) : BT_SCALAR;
    btk_tensor scale = {0}, weight = {0};
    if (scaled) scale = btk_weight_of(c, "scale", true, shape);
    if (!additive && concat) weight = btk_weight_of(c, "concat_score_weight", true, BT_SCALAR);
    if (!additive && !concat) {
        btk_tensor product = btk_matmul(k, q, key, false, true);
        return scaled ? btk_binary(k, "Mul", product, scale) : product;
    }
    btk_tensor sum =
        btk_binary(k, "AddV2", btk_expand(k, q, -2), btk_expand(k, key, -3)); /* [batch, q, v, dim] */
    if (!additive && scaled) sum = btk_binary(k, "Mul", scale, sum);
    sum = btk_unary(k, "Tanh", sum);
    if (additive && scaled) sum = btk_binary(k, "Mul", scale, sum);
    sum = btk_reduce(k, "Sum", sum, btk_last_axis(sum), false);
    return weight.dtype ? btk_binary(k, "Mul", weight, sum) : sum;
}

/* The mask of input i: given by the keyword as a list, or the input's own. */
static btk_tensor mask_at(btk_call *c, int i)
{
    const btk_value *given = btk_arg(c, -1, "mask");
    if (given && given->kind == BTK_LIST)
        return i < given->n && given->items[i].kind == BTK_TENSOR ? given->items[i].tensor : (btk_tensor){0};
    return c->xs[i].mask ? *c->xs[i].mask : (btk_tensor){0};
}

void btk_attention(btk_call *c)
{
    btk *k = c->k;
    if (c->n_x < 2 || !btk_rank(k, c->x, 3, 3) || !btk_rank(k, c->xs[1], 3, 3)) {
        btk_damaged(k, "takes a query, a value and maybe a key");
        return;
    }
    btk_tensor q = c->x, v = c->xs[1], key = c->n_x > 2 ? c->xs[2] : v, q_mask = mask_at(c, 0),
               mask = mask_at(c, 1);
    btk_tensor scores = scores_of(c, q, key), out[2];
    if (mask.dtype) mask = btk_expand(k, mask, -2);
    if (flag(c, "use_causal_mask") || btk_bool_of(c, "causal", false))
        mask = both(k, mask, causal_mask(k, q, key));
    out[1] = scores;
    if (mask.dtype) { /* Keras takes a large number off, and leaves softmax of a row all masked as it is */
        btk_tensor low = btk_shifted(k, scores, scores.dtype == BERTH_HALF ? -65504 : -1e9);
        out[1] = btk_select(k, mask, scores, low);
    }
    out[1] = btk_softmax(k, out[1], -1);
    out[0] = btk_matmul(k, out[1], v, false, false);
    if (q_mask.dtype) {
        btk_tensor kept = btk_cast(k, btk_expand(k, q_mask, -1), out[0].dtype);
        btk_tensor *own = bt_arena_new(k->arena, btk_tensor);
        out[0] = btk_binary(k, "Mul", out[0], kept);
        if (own) *own = q_mask, out[0].mask = own;
    }
    btk_returns(c, out, flag(c, "return_attention_scores") ? 2 : 1);
}

/* ---- Heads -------------------------------------------------------------------------------------------- */

typedef struct heads {
    btk_call *c;
    int64_t query_heads, key_heads, key_dim, value_dim;
    bool bias;
} heads;

/* x[batch, time, m] by a kernel [m, heads, dim]: [batch, heads, time, dim]. */
static btk_tensor projected(heads *h, btk_tensor x, const char *name, int64_t n, int64_t dim,
                            const char *activation)
{
    btk *k = h->c->k;
    int64_t m = btk_known(k, x, -1, "the last dimension");
    const char *kernel = bt_arena_print(k->arena, "%s/kernel", name),
               *bias = bt_arena_print(k->arena, "%s/bias", name);
    if (!kernel || !bias) return btk_fail(k, BERTH_NO_MEMORY, "out of memory"), x;
    btk_tensor w = btk_weight_of(h->c, kernel, true, BT_SHAPE(m, n, dim));
    btk_tensor y = btk_dense_product(k, x, btk_reshape(k, w, 2, (int64_t[]){m, n * dim}, NULL));
    if (h->bias) {
        btk_tensor b = btk_weight_of(h->c, bias, true, BT_SHAPE(n, dim));
        y = btk_add_bias(k, y, btk_reshape(k, b, 1, (int64_t[]){n * dim}, NULL));
    }
    if (activation) y = btk_activate_named(k, activation, y);
    y = btk_reshape(k, y, 4, (int64_t[]){-1, -1, n, dim}, (int[]){0, 1, -1, -1});
    return btk_swap(k, y, 1, 2);
}

/* [batch, heads, time, dim] by a kernel [heads, dim, m]: [batch, time, m]. */
static btk_tensor gathered(heads *h, btk_tensor x, int64_t m)
{
    btk *k = h->c->k;
    int64_t n = btk_dim(x, 1), dim = btk_dim(x, 3);
    btk_tensor w = btk_weight_of(h->c, "attention_output/kernel", true, BT_SHAPE(n, dim, m));
    btk_tensor flat =
        btk_reshape(k, btk_swap(k, x, 1, 2), 3, (int64_t[]){-1, -1, n * dim}, (int[]){0, 1, -1});
    btk_tensor y = btk_dense_product(k, flat, btk_reshape(k, w, 2, (int64_t[]){n * dim, m}, NULL));
    return h->bias ? btk_add_bias(k, y, btk_weight_of(h->c, "attention_output/bias", true, BT_SHAPE(m))) : y;
}

/* Each of the key's heads serves as many of the query's. */
static btk_tensor repeated(heads *h, btk_tensor x)
{
    btk *k = h->c->k;
    int64_t times = h->query_heads / h->key_heads, tiles[5] = {1, 1, times, 1, 1};
    if (times == 1) return x;
    btk_tensor wide = btk_tile(k, btk_expand(k, x, 2), tiles);
    return btk_reshape(k, wide, 4, (int64_t[]){-1, h->query_heads, -1, btk_dim(x, 3)}, (int[]){0, -1, 3, -1});
}

/* The mask of all that Keras knows: of the steps of query, value and key, given, causal, of a window; [.., 1,
 * q, k]. */
static btk_tensor whole_mask(btk_call *c, btk_tensor q, btk_tensor v, btk_tensor key)
{
    btk *k = c->k;
    btk_tensor mask = as_bool(k, btk_arg_tensor(c, -1, "attention_mask")),
               of_q = btk_arg_tensor(c, -1, "query_mask");
    btk_tensor of_v = btk_arg_tensor(c, -1, "value_mask"), of_k = btk_arg_tensor(c, -1, "key_mask");
    if (!of_q.dtype && q.mask) of_q = *q.mask;
    if (!of_v.dtype && v.mask) of_v = *v.mask;
    if (!of_k.dtype && key.mask && key.edge.node != v.edge.node) of_k = *key.mask;
    if (of_q.dtype) mask = both(k, mask, btk_expand(k, as_bool(k, of_q), -1));
    if (of_v.dtype) mask = both(k, mask, btk_expand(k, as_bool(k, of_v), -2));
    if (of_k.dtype) mask = both(k, mask, btk_expand(k, as_bool(k, of_k), -2));
    if (flag(c, "use_causal_mask")) mask = both(k, mask, causal_mask(k, q, v));
    if (btk_of(c, "sliding_window"))
        mask = both(k, mask, sliding_mask(k, q, v, btk_int_of(c, "sliding_window", 1)));
    if (mask.dtype && mask.shape.rank == 3) mask = btk_expand(k, mask, 1);
    return mask;
}

/* Weights: query, key, [gate], value, attention_output (GroupedQueryAttention the same). */
static void attend(heads *h, int64_t output)
{
    btk_call *c = h->c;
    btk *k = c->k;
    btk_tensor q = c->x, v = btk_arg_tensor(c, 1, "value"), key = btk_arg_tensor(c, 2, "key"), gate = {0},
               out[2];
    if (!v.dtype && c->n_x > 1) v = c->xs[1];
    if (!v.dtype) btk_damaged(k, "is called without a value");
    if (!key.dtype) key = c->n_x > 2 ? c->xs[2] : v;
    if (!btk_rank(k, q, 3, 3) || !btk_rank(k, v, 3, 3)) return btk_unsupported(k, "attention over such axes");
    if (h->query_heads < 1 || h->key_heads < 1 || h->query_heads % h->key_heads || h->key_dim < 1)
        return btk_damaged(k, "heads that cannot be");
    btk_tensor mask = whole_mask(c, q, v, key);
    btk_tensor heads_q = projected(h, q, "query", h->query_heads, h->key_dim, NULL);
    btk_tensor heads_k = projected(h, key, "key", h->key_heads, h->key_dim, NULL);
    if (btk_bool_of(c, "use_gate", false))
        gate = projected(h, q, "gate", h->query_heads, h->value_dim, "sigmoid");
    btk_tensor heads_v = projected(h, v, "value", h->key_heads, h->value_dim, NULL);
    heads_q = btk_scaled(k, heads_q, 1 / sqrt((double)h->key_dim));
    btk_tensor scores = btk_matmul(k, heads_q, repeated(h, heads_k), false, true);
    bool zeros =
        k->version >= 3 && (btk_double_of(c, "dropout", 0) > 0 || flag(c, "return_attention_scores"));
    out[1] = masked_softmax(k, scores, mask, zeros);
    btk_tensor y = btk_matmul(k, out[1], repeated(h, heads_v), false, false);
    if (gate.dtype) y = btk_binary(k, "Mul", y, gate);
    out[0] = gathered(h, y, output);
    if (c->x.mask) out[0].mask = c->x.mask;
    btk_returns(c, out, flag(c, "return_attention_scores") ? 2 : 1);
}

/* [batch, a, b, n] as [batch, a b, n]. */
static btk_tensor in_a_row(btk *k, btk_tensor x)
{
    int64_t size = 1, n = btk_known(k, x, -1, "the last dimension");
    bool known = true;
    for (int i = 1; i < x.shape.rank - 1; i++) {
        known &= x.shape.dim[i] >= 0;
        size *= known ? x.shape.dim[i] : 1;
    }
    if (k->failed) return x;
    if (known) x = btk_reshape(k, x, 3, (int64_t[]){-1, size, n}, (int[]){0, -1, -1});
    else btk_unsupported(k, "attention over axes of unknown sizes");
    x.mask = NULL;
    return x;
}

/* Attention over all axes but the batch: they are one, and apart again in the result. */
static void attend_grid(heads *h, int64_t output)
{
    btk_call *c = h->c;
    btk *k = c->k;
    btk_tensor x = c->x;
    int rank = x.shape.rank;
    int64_t dims[BT_MAX_RANK];
    int from[BT_MAX_RANK];
    btk_value args[3] = {{.kind = BTK_TENSOR}, {.kind = BTK_TENSOR}, {.kind = BTK_TENSOR}};
    btk_tensor v = btk_arg_tensor(c, 1, "value"), key = btk_arg_tensor(c, 2, "key");
    bool masked = flag(c, "use_causal_mask") || btk_arg_tensor(c, -1, "attention_mask").dtype;
    if (rank < 4 || !v.dtype || v.shape.rank < 4 || masked || flag(c, "return_attention_scores"))
        return btk_unsupported(k, "attention over several axes with a mask, or for its scores");
    c->x = args[0].tensor = in_a_row(k, x);
    args[1].tensor = in_a_row(k, v);
    args[2].tensor = key.dtype ? in_a_row(k, key) : args[1].tensor;
    c->args = args, c->n_args = 3, c->xs = &c->x, c->n_x = 1;
    attend(h, output);
    if (k->failed) return;
    for (int i = 0; i < rank; i++) dims[i] = i ? x.shape.dim[i] : -1, from[i] = i ? -1 : 0;
    dims[rank - 1] = output;
    btk_return(c, btk_reshape(k, c->out[0], rank, dims, from));
}

void btk_multi_head(btk_call *c)
{
    int64_t n = btk_int_of(c, "num_heads", 0), dim = btk_int_of(c, "key_dim", 0), output = btk_dim(c->x, -1);
    heads h = {c, n, n, dim, btk_int_of(c, "value_dim", dim), btk_bool_of(c, "use_bias", true)};
    const bt_json *shape = btk_of(c, "output_shape"), *axes = btk_of(c, "attention_axes");
    if (shape) output = bt_json_int(shape->kind == BT_JSON_ARRAY ? bt_json_at(shape, 0) : shape, -1);
    if ((shape && shape->kind == BT_JSON_ARRAY && shape->n != 1) ||
        (bt_json_is(axes, BT_JSON_ARRAY) && axes->n != c->x.shape.rank - 2))
        return btk_unsupported(c->k, "attention over such axes");
    if (c->x.shape.rank == 3) attend(&h, output);
    else attend_grid(&h, output);
}

void btk_grouped_query(btk_call *c)
{
    int64_t dim = btk_int_of(c, "head_dim", 0);
    heads h = {c,   btk_int_of(c, "num_query_heads", 0), btk_int_of(c, "num_key_value_heads", 0), dim,
               dim, btk_bool_of(c, "use_bias", true)};
    attend(&h, btk_dim(c->x, -1));
}
