/* Keras: Dense and its kin, Embedding, Masking, and layers that do nothing when a model is used and not
 * trained. */
#include "format/keras_layers.h"

#include <stdio.h>

void btk_identity(btk_call *c)
{
    if (!c->n_x) btk_damaged(c->k, "is called without a tensor");
    btk_returns(c, c->xs, c->n_x);
}

/* x[..., m] by kernel [m, n]: a matrix product over all leading axes at once. */
btk_tensor btk_dense_product(btk *k, btk_tensor x, btk_tensor kernel)
{
    int lead = x.shape.rank - 1;
    if (!btk_rank(k, x, 2, BT_MAX_RANK)) return x;
    if (lead == 1) return btk_matmul(k, x, kernel, false, false);
    return btk_unfold_leading(k, btk_matmul(k, btk_fold_leading(k, x, lead), kernel, false, false), x, lead);
}

/* Where weights lie by paths, Keras has merged adapters into them. */
static void refuse_adapters(btk_call *c)
{
    if (btk_of(c, "lora_rank") && !c->k->weights->of_path)
        btk_unsupported(c->k, "adapters (LoRA) must be merged first");
}

void btk_dense(btk_call *c)
{
    btk *k = c->k;
    int64_t units = btk_int_of(c, "units", btk_int_of(c, "output_dim", 0)),
            n = btk_known(k, c->x, -1, "the last dimension");
    refuse_adapters(c);
    if (btk_is_quantized(c)) return btk_quantized_dense(c);
    btk_tensor kernel = btk_weight_of(c, "kernel", true, BT_SHAPE(n, units));
    btk_tensor x = c->x;
    bool is_sparse = x.parts && x.shape.rank == 2 && btk_of(c, "units");
    btk_tensor out =
        is_sparse ? btk_sparse_product(k, x, kernel) : btk_dense_product(k, btk_dense_of(k, x), kernel);
    if (btk_bool_of(c, "use_bias", btk_bool_of(c, "bias", true)))
        out = btk_add_bias(k, out, btk_weight_of(c, "bias", true, BT_SHAPE(units)));
    btk_return(c, btk_activate(k, btk_of(c, "activation"), out));
}

/* Keras 1: t act(x W + b) + (1 - t) x, with t = sigmoid(x Wt + bt). */
void btk_highway(btk_call *c)
{
    btk *k = c->k;
    int64_t n = btk_known(k, c->x, -1, "the last dimension");
    bool bias = btk_bool_of(c, "bias", true);
    btk_tensor w = btk_weight_of(c, "W", true, BT_SHAPE(n, n)),
               wt = btk_weight_of(c, "W_carry", true, BT_SHAPE(n, n));
    btk_tensor t = btk_matmul(k, c->x, wt, false, false), y = btk_matmul(k, c->x, w, false, false);
    if (bias) {
        y = btk_add_bias(k, y, btk_weight_of(c, "b", true, BT_SHAPE(n)));
        t = btk_add_bias(k, t, btk_weight_of(c, "b_carry", true, BT_SHAPE(n)));
    }
    t = btk_activate_named(k, "sigmoid", t);
    y = btk_binary(k, "Mul", t, btk_activate(k, btk_of(c, "activation"), y));
    btk_tensor rest = btk_binary(k, "Sub", btk_number(k, t.dtype, 1), t);
    btk_return(c, btk_binary(k, "AddV2", y, btk_binary(k, "Mul", rest, c->x)));
}

/* Keras 1: the largest of nb_feature products x W + b; W [features, m, n]. */
void btk_maxout_dense(btk_call *c)
{
    btk *k = c->k;
    int64_t units = btk_int_of(c, "output_dim", 0), features = btk_int_of(c, "nb_feature", 4);
    int64_t n = btk_known(k, c->x, -1, "the last dimension");
    btk_tensor w = btk_weight_of(c, "W", true, BT_SHAPE(features, n, units));
    btk_tensor y = btk_matmul(k, btk_expand(k, c->x, 0), w, false, false); /* [features, batch, units] */
    if (btk_bool_of(c, "bias", true))
        y = btk_binary(k, "AddV2", y,
                       btk_expand(k, btk_weight_of(c, "b", true, BT_SHAPE(features, units)), 1));
    btk_return(c, btk_reduce(k, "Max", y, 1, false));
}

/* Rows of a table. With mask_zero, 0 is no token. */
void btk_embedding(btk_call *c)
{
    btk *k = c->k;
    btk_tensor x = c->x, *mask = bt_arena_new(k->arena, btk_tensor);
    bt_shape shape = BT_SHAPE(btk_int_of(c, "input_dim", -1), btk_int_of(c, "output_dim", -1));
    refuse_adapters(c);
    if (x.dtype != BERTH_INT32 && x.dtype != BERTH_INT64) x = btk_cast(k, x, BERTH_INT32);
    btk_tensor out = btk_is_quantized(c) ? btk_quantized_rows(c, x)
                                         : btk_gather(k, btk_weight_of(c, "embeddings", true, shape), x, 0);
    if (btk_bool_of(c, "mask_zero", false) && mask) {
        *mask = btk_compare(k, "NotEqual", x, btk_number(k, x.dtype, 0));
        out.mask = mask;
    }
    btk_return(c, out);
}

/* x[..., width] by a table [n, width], or one of its own [width, n]. */
static btk_tensor products_with_rows(btk_call *c, int64_t n, int64_t width)
{
    btk *k = c->k;
    btk_tensor table = btk_weight_of(c, "embeddings", true, BT_SHAPE(n, width)), kernel;
    if (btk_bool_of(c, "tie_weights", true)) kernel = btk_swap(k, table, 0, 1);
    else kernel = btk_weight_of(c, "reverse_embeddings", true, BT_SHAPE(width, n));
    berth_dtype dtype = btk_dtype_of(k, btk_of(c, "reverse_dtype"), c->layer->compute, false);
    return btk_dense_product(k, btk_cast(k, c->x, dtype), btk_cast(k, kernel, dtype));
}

/* An embedding that, called with reverse=True, gives the products with its rows. */
void btk_reversible_embedding(btk_call *c)
{
    btk *k = c->k;
    const btk_value *flag = btk_arg(c, 1, "reverse");
    bool reverse = flag && flag->kind == BTK_JSON && bt_json_bool(flag->json, false);
    int64_t n = btk_int_of(c, "input_dim", -1), width = btk_int_of(c, "output_dim", -1);
    bool tied = btk_bool_of(c, "tie_weights", true);
    if (!tied && btk_is_quantized(c))
        return btk_unsupported(
            k, "a quantized embedding whose reverse has weights of its own: export a SavedModel instead "
               "(model.export)");
    if (!reverse) {
        btk_embedding(c);
        if (!tied) btk_weight_of(c, "reverse_embeddings", true, BT_SHAPE(width, n));
        return;
    }
    btk_tensor y = btk_is_quantized(c) ? btk_quantized_reverse(c) : products_with_rows(c, n, width);
    double cap = btk_double_of(c, "logit_soft_cap", 0);
    if (cap) y = btk_scaled(k, btk_unary(k, "Tanh", btk_scaled(k, y, 1 / cap)), cap);
    btk_return(c, y);
}

/* Steps whose every feature is mask_value become zeros, and are masked. */
void btk_masking(btk_call *c)
{
    btk *k = c->k;
    btk_tensor *mask = bt_arena_new(k->arena, btk_tensor);
    if (!mask || !btk_rank(k, c->x, 2, BT_MAX_RANK)) return;
    btk_tensor other =
        btk_compare(k, "NotEqual", c->x, btk_number(k, c->x.dtype, btk_double_of(c, "mask_value", 0)));
    btk_tensor kept = btk_reduce(k, "Any", other, btk_last_axis(c->x), true);
    btk_tensor out = btk_binary(k, "Mul", c->x, btk_cast(k, kept, c->x.dtype));
    *mask = btk_squeeze(k, kept, -1);
    out.mask = mask;
    btk_return(c, out);
}

/* "...b" becomes letters that nobody else uses, one an axis. */
static void expand_ellipsis(char *x, char *y, size_t size, int rank)
{
    char letters[BT_MAX_RANK + 1] = {0}, text[64];
    char *in_x = strstr(x, "..."), *in_y = strstr(y, "...");
    int n = in_x ? rank - ((int)strlen(x) - 3) : 0;
    for (int i = 0; i < n && i < BT_MAX_RANK; i++) letters[i] = (char)('Z' - i);
    if (in_x)
        snprintf(text, sizeof text, "%.*s%s%s", (int)(in_x - x), x, letters, in_x + 3),
            snprintf(x, size, "%.15s", text);
    if (in_y)
        snprintf(text, sizeof text, "%.*s%s%s", (int)(in_y - y), y, letters, in_y + 3),
            snprintf(y, size, "%.15s", text);
}

/* "abc,cd->abd" with an ellipsis or not; the kernel has the axes that the middle term names. */
void btk_einsum_dense(btk_call *c)
{
    btk *k = c->k;
    char text[64], x_axes[16] = {0}, w_axes[16] = {0}, y_axes[16] = {0};
    const char *equation = btk_text_of(c, "equation", "");
    const char *comma = strchr(equation, ','), *arrow = strstr(equation, "->");
    bt_shape kernel = {.rank = 0}, bias = {.rank = 0};
    if (!comma || !arrow || arrow < comma || strlen(equation) > 40 || comma - equation > 12 ||
        arrow - comma > 12) {
        btk_unsupported(k, "equation '%s'", equation);
        return;
    }
    memcpy(x_axes, equation, (size_t)(comma - equation));
    memcpy(w_axes, comma + 1, (size_t)(arrow - comma - 1));
    snprintf(y_axes, sizeof y_axes, "%s", arrow + 2);
    expand_ellipsis(x_axes, y_axes, sizeof x_axes, c->x.shape.rank);
    const bt_json *output = btk_of(c, "output_shape");
    for (const char *p = w_axes; *p && kernel.rank < BT_MAX_RANK; p++) {
        const char *in = strchr(x_axes, *p), *out = strchr(y_axes, *p);
        int64_t dim = in ? btk_dim(c->x, (int)(in - x_axes)) : -1;
        if (!in && out) {
            int from_end = (int)strlen(y_axes) - (int)(out - y_axes);
            int n = output && output->kind == BT_JSON_ARRAY ? output->n : 1;
            dim = bt_json_int(n >= from_end && output && output->kind == BT_JSON_ARRAY
                                  ? bt_json_at(output, n - from_end)
                                  : output,
                              -1);
        }
        kernel.dim[kernel.rank++] = dim;
    }
    snprintf(text, sizeof text, "%s,%s->%s", x_axes, w_axes, y_axes);
    const char *axes = btk_text_of(c, "bias_axes", "");
    for (const char *p = y_axes; *p;
         p++) { /* over the axes it names, in the output's order; 1 between them */
        const char *in = strchr(x_axes, *p), *of_w = strchr(w_axes, *p);
        if (!strchr(axes, *p) && !bias.rank) continue;
        int64_t dim = of_w ? kernel.dim[of_w - w_axes] : in ? btk_dim(c->x, (int)(in - x_axes)) : -1;
        if (bias.rank < BT_MAX_RANK) bias.dim[bias.rank++] = strchr(axes, *p) ? dim : 1;
    }
    if (btk_is_quantized(c)) {
        if (k->failed || !btk_rank(k, c->x, (int)strlen(x_axes), (int)strlen(x_axes))) return;
        return btk_quantized_einsum(c, text, x_axes, y_axes, kernel, *axes ? &bias : NULL);
    }
    btk_tensor y = btk_einsum(k, text, c->x, btk_weight_of(c, "kernel", true, kernel));
    if (*axes) y = btk_binary(k, "AddV2", y, btk_weight_of(c, "bias", true, bias));
    btk_return(c, btk_activate(k, btk_of(c, "activation"), y));
}
