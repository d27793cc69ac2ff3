/* Keras: activations, by name and as layers. */
#include "format/keras_layers.h"

#include <math.h>

static btk_tensor zero_like(btk *k, btk_tensor x) { return btk_number(k, x.dtype, 0); }
static btk_tensor relu(btk *k, btk_tensor x) { return btk_unary(k, "Relu", x); }
static btk_tensor linear(btk *k, btk_tensor x) { return (void)k, x; }
static btk_tensor relu6(btk *k, btk_tensor x) { return btk_unary(k, "Relu6", x); }
static btk_tensor sigmoid(btk *k, btk_tensor x) { return btk_unary(k, "Sigmoid", x); }
static btk_tensor hyperbolic(btk *k, btk_tensor x) { return btk_unary(k, "Tanh", x); }
static btk_tensor softplus(btk *k, btk_tensor x) { return btk_unary(k, "Softplus", x); }
static btk_tensor softsign(btk *k, btk_tensor x) { return btk_unary(k, "Softsign", x); }
static btk_tensor selu(btk *k, btk_tensor x) { return btk_unary(k, "Selu", x); }
static btk_tensor elu(btk *k, btk_tensor x) { return btk_unary(k, "Elu", x); }
static btk_tensor exponential(btk *k, btk_tensor x) { return btk_unary(k, "Exp", x); }
static btk_tensor softmax(btk *k, btk_tensor x) { return btk_softmax(k, x, -1); }
static btk_tensor silu(btk *k, btk_tensor x) { return btk_binary(k, "Mul", x, sigmoid(k, x)); }
static btk_tensor mish(btk *k, btk_tensor x)
{
    return btk_binary(k, "Mul", x, hyperbolic(k, softplus(k, x)));
}
static btk_tensor hard_tanh(btk *k, btk_tensor x) { return btk_clip(k, x, -1, 1); }
static btk_tensor tanh_shrink(btk *k, btk_tensor x) { return btk_binary(k, "Sub", x, hyperbolic(k, x)); }

/* relu6(x + 3) / 6; until Keras 3 clip(0.2 x + 0.5, 0, 1). */
static btk_tensor hard_sigmoid(btk *k, btk_tensor x)
{
    if (k->version >= 3)
        return btk_binary(k, "RealDiv", relu6(k, btk_shifted(k, x, 3)), btk_number(k, x.dtype, 6));
    return btk_clip(k, btk_shifted(k, btk_scaled(k, x, 0.2), 0.5), 0, 1);
}

static btk_tensor hard_silu(btk *k, btk_tensor x)
{
    btk_tensor gate = btk_binary(k, "RealDiv", relu6(k, btk_shifted(k, x, 3)), btk_number(k, x.dtype, 6));
    return btk_binary(k, "Mul", x, gate);
}

/* x (1 + erf(x / sqrt 2)) / 2 */
static btk_tensor gelu(btk *k, btk_tensor x)
{
    btk_tensor e = btk_unary(k, "Erf", btk_binary(k, "RealDiv", x, btk_number(k, x.dtype, sqrt(2))));
    return btk_binary(k, "Mul", btk_scaled(k, x, 0.5), btk_shifted(k, e, 1));
}

/* x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 */
static btk_tensor gelu_tanh(btk *k, btk_tensor x)
{
    btk_tensor cube = btk_binary(k, "Mul", x, btk_binary(k, "Mul", x, x));
    btk_tensor inner =
        btk_scaled(k, btk_binary(k, "AddV2", x, btk_scaled(k, cube, 0.044715)), sqrt(2 / M_PI));
    return btk_binary(k, "Mul", btk_scaled(k, x, 0.5), btk_shifted(k, hyperbolic(k, inner), 1));
}

static btk_tensor leaky_relu(btk *k, btk_tensor x)
{
    btk_tensor out = btk_unary(k, "LeakyRelu", x);
    btk_attr_float(k, out, "alpha", 0.2);
    return out;
}

static btk_tensor log_softmax(btk *k, btk_tensor x) { return btk_unary(k, "LogSoftmax", x); }

static btk_tensor log_sigmoid(btk *k, btk_tensor x)
{
    return btk_unary(k, "Neg", softplus(k, btk_unary(k, "Neg", x)));
}

/* max(x, 0) + alpha expm1(min(x, 0) / alpha) */
static btk_tensor celu_of(btk *k, btk_tensor x, double alpha)
{
    btk_tensor zero = zero_like(k, x), below = btk_scaled(k, btk_binary(k, "Minimum", x, zero), 1 / alpha);
    below = btk_scaled(k, btk_unary(k, "Expm1", below), alpha);
    return btk_binary(k, "AddV2", btk_binary(k, "Maximum", x, zero), below);
}

static btk_tensor celu(btk *k, btk_tensor x) { return celu_of(k, x, 1); }

/* alpha (exp(x) - 1) below 0, else x */
static btk_tensor elu_of(btk *k, btk_tensor x, double alpha)
{
    btk_tensor out = btk_unary(k, "Elu", x);
    if (alpha == 1) return out;
    return btk_select(k, btk_compare(k, "Greater", x, zero_like(k, x)), out, btk_scaled(k, out, alpha));
}

/* x - bound above it, x + bound below its negative, else 0 */
static btk_tensor soft_shrink_of(btk *k, btk_tensor x, double bound)
{
    btk_tensor plus = btk_number(k, x.dtype, bound), minus = btk_number(k, x.dtype, -bound),
               zero = zero_like(k, x);
    btk_tensor below = btk_select(k, btk_compare(k, "Less", x, minus), btk_binary(k, "AddV2", x, plus), zero);
    return btk_select(k, btk_compare(k, "Greater", x, plus), btk_binary(k, "Sub", x, plus), below);
}

static btk_tensor soft_shrink(btk *k, btk_tensor x) { return soft_shrink_of(k, x, 0.5); }

static btk_tensor hard_shrink_of(btk *k, btk_tensor x, double bound)
{
    btk_tensor large = btk_compare(k, "Greater", btk_unary(k, "Abs", x), btk_number(k, x.dtype, bound));
    return btk_select(k, large, x, zero_like(k, x));
}

static btk_tensor hard_shrink(btk *k, btk_tensor x) { return hard_shrink_of(k, x, 0.5); }

/* 0 up to -1, (x + 1)^2 / 4 up to 1, then x */
static btk_tensor sparse_plus(btk *k, btk_tensor x)
{
    btk_tensor one = btk_number(k, x.dtype, 1), minus = btk_number(k, x.dtype, -1);
    btk_tensor square = btk_scaled(k, btk_unary(k, "Square", btk_shifted(k, x, 1)), 0.25);
    btk_tensor above = btk_select(k, btk_compare(k, "Less", x, one), square, x);
    return btk_select(k, btk_compare(k, "LessEqual", x, minus), zero_like(k, x), above);
}

static btk_tensor sparse_sigmoid(btk *k, btk_tensor x)
{
    return btk_clip(k, btk_scaled(k, btk_shifted(k, x, 1), 0.5), 0, 1);
}

/* (x + sqrt(x^2 + b)) / 2 */
static btk_tensor squareplus_of(btk *k, btk_tensor x, double b)
{
    btk_tensor root = btk_unary(k, "Sqrt", btk_shifted(k, btk_unary(k, "Square", x), b));
    return btk_scaled(k, btk_binary(k, "AddV2", x, root), 0.5);
}

static btk_tensor squareplus(btk *k, btk_tensor x) { return squareplus_of(k, x, 4); }

/* The first half of the last axis times the sigmoid of the second. */
static btk_tensor glu(btk *k, btk_tensor x)
{
    int64_t n = btk_known(k, x, -1, "the last dimension");
    return btk_binary(k, "Mul", btk_slice(k, x, -1, 0, n / 2),
                      sigmoid(k, btk_slice(k, x, -1, n / 2, INT64_MAX)));
}

/* max(x - tau, 0): of the values z in falling order with running sums s, the first k for which 1 + k z > s
 * count. Keras's tau is (sum of these s - 1) / k, which is not that of the paper (s_k - 1) / k. */
static btk_tensor sparsemax(btk *k, btk_tensor x)
{
    int64_t n = btk_known(k, x, -1, "the last dimension");
    if (!btk_rank(k, x, 1, BT_MAX_RANK)) return x;
    double *numbers = bt_arena_array(k->arena, double, (size_t)n + 1);
    for (int64_t i = 0; numbers && i < n; i++) numbers[i] = (double)i + 1;
    if (!numbers) return btk_fail(k, BERTH_NO_MEMORY, "out of memory"), x;
    btk_tensor sorted = btk_node(k, "TopKV2", 2, (btk_tensor[]){x, btk_int(k, n)}, x.dtype, x.shape);
    btk_attr_bool(k, sorted, "sorted", true);
    btk_tensor sums =
        btk_node(k, "Cumsum", 2, (btk_tensor[]){sorted, btk_int(k, x.shape.rank - 1)}, x.dtype, x.shape);
    btk_attr_type(k, sums, "Tidx", BERTH_INT32);
    btk_attr_bool(k, sums, "exclusive", false);
    btk_attr_bool(k, sums, "reverse", false);
    btk_tensor place = btk_numbers(k, x.dtype, BT_SHAPE(n), numbers);
    btk_tensor within =
        btk_compare(k, "Greater", btk_shifted(k, btk_binary(k, "Mul", place, sorted), 1), sums);
    uint32_t last = btk_last_axis(x);
    btk_tensor count = btk_reduce(k, "Sum", btk_cast(k, within, x.dtype), last, true);
    btk_tensor sum = btk_reduce(k, "Sum", btk_select(k, within, sums, zero_like(k, x)), last, true);
    btk_tensor tau = btk_binary(k, "RealDiv", btk_shifted(k, sum, -1), count);
    return btk_binary(k, "Maximum", btk_binary(k, "Sub", x, tau), zero_like(k, x));
}

static const struct activation {
    const char *name;
    btk_tensor (*make)(btk *k, btk_tensor x);
} activations[] = {
    {"linear", linear},
    {"relu", relu},
    {"relu6", relu6},
    {"sigmoid", sigmoid},
    {"hard_sigmoid", hard_sigmoid},
    {"tanh", hyperbolic},
    {"softmax", softmax},
    {"softplus", softplus},
    {"softsign", softsign},
    {"selu", selu},
    {"elu", elu},
    {"exponential", exponential},
    {"exp", exponential},
    {"gelu", gelu},
    {"gelu_new", gelu_tanh},
    {"silu", silu},
    {"swish", silu},
    {"mish", mish},
    {"hard_silu", hard_silu},
    {"hard_swish", hard_silu},
    {"hard_tanh", hard_tanh},
    {"tanh_shrink", tanh_shrink},
    {"leaky_relu", leaky_relu},
    {"log_softmax", log_softmax},
    {"log_sigmoid", log_sigmoid},
    {"celu", celu},
    {"soft_shrink", soft_shrink},
    {"hard_shrink", hard_shrink},
    {"sparse_plus", sparse_plus},
    {"sparse_sigmoid", sparse_sigmoid},
    {"squareplus", squareplus},
    {"glu", glu},
    {"sparsemax", sparsemax},
};

btk_tensor btk_activate_with(btk *k, const char *name, btk_tensor x, double number)
{
    static const struct {
        const char *name;
        btk_tensor (*make)(btk *k, btk_tensor x, double number);
    } ways[] = {{"elu", elu_of},
                {"celu", celu_of},
                {"soft_shrink", soft_shrink_of},
                {"hard_shrink", hard_shrink_of},
                {"squareplus", squareplus_of}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (!strcmp(ways[i].name, name)) return ways[i].make(k, x, number);
    return btk_activate_named(k, name, x);
}

btk_tensor btk_activate_named(btk *k, const char *name, btk_tensor x)
{
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) {
        if (strcmp(activations[i].name, name)) continue;
        btk_tensor out = activations[i].make(k, x);
        out.mask = NULL;
        return out;
    }
    btk_unsupported(k, "activation '%s' is not one of Keras's: export a SavedModel instead (model.export)",
                    name);
    return x;
}

/* "relu"; {"class_name": "function", "config": "relu"}; {"class_name": "LeakyReLU", "config": {...}}. */
btk_tensor btk_activate(btk *k, const bt_json *j, btk_tensor x)
{
    if (!j || bt_json_is(j, BT_JSON_NULL) || k->failed) return x;
    if (bt_json_is(j, BT_JSON_STRING)) return btk_activate_named(k, j->s.p, x);
    const bt_json *config = bt_json_get(j, "config");
    if (bt_json_is(config, BT_JSON_STRING)) return btk_activate_named(k, config->s.p, x);
    const char *class = bt_json_text(bt_json_get(j, "class_name"), "?");
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (!strcmp(activations[i].name, class)) return activations[i].make(k, x);
    return btk_layer_apply(k, btk_layer_new(k, j), x);
}

btk_tensor btk_softmax(btk *k, btk_tensor x, int axis)
{
    if (!btk_rank(k, x, 1, BT_MAX_RANK)) return x;
    if (axis < 0) axis += x.shape.rank;
    if (axis == x.shape.rank - 1) return btk_unary(k, "Softmax", x);
    return btk_swap(k, btk_unary(k, "Softmax", btk_swap(k, x, axis, -1)), axis, -1);
}

/* ---- Layers ------------------------------------------------------------------------------------------- */

void btk_activation(btk_call *c) { btk_return(c, btk_activate(c->k, btk_of(c, "activation"), c->x)); }

void btk_leaky_relu(btk_call *c)
{
    btk_tensor out = btk_unary(c->k, "LeakyRelu", c->x);
    double slope = btk_double_of(c, "alpha", 0.3);
    btk_attr_float(c->k, out, "alpha", btk_double_of(c, "negative_slope", slope));
    btk_return(c, out);
}

/* A layer that gives what it takes, whatever is known of its weights' shapes. */
static void give(btk_call *c, btk_tensor y)
{
    y.shape = c->x.shape;
    btk_return(c, y);
}

/* A weight for each feature, or for all along the axes that share it. */
static btk_tensor slope_of(btk_call *c, const char *name)
{
    bt_shape shape = {.rank = c->x.shape.rank - 1};
    if (!btk_rank(c->k, c->x, 1, BT_MAX_RANK)) return c->x;
    memcpy(shape.dim, c->x.shape.dim + 1, (size_t)shape.rank * sizeof *shape.dim);
    for (const bt_json *j = bt_json_first(btk_of(c, "shared_axes")); j; j = j->next) {
        int64_t axis = bt_json_int(j, 0);
        if (axis < 1 || axis > shape.rank) btk_damaged(c->k, "shared_axes out of range");
        else shape.dim[axis - 1] = 1;
    }
    for (int i = 0; i < shape.rank && c->k->version == 1; i++) shape.dim[i] = -1; /* does not say which share */
    return btk_weight_of(c, name, true, shape);
}

/* relu(x) - alpha relu(-x) */
void btk_prelu(btk_call *c)
{
    btk *k = c->k;
    btk_tensor alpha = slope_of(c, "alpha"), x = c->x;
    btk_tensor below = btk_binary(k, "Mul", alpha, btk_unary(k, "Relu", btk_unary(k, "Neg", x)));
    give(c, btk_binary(k, "Sub", btk_unary(k, "Relu", x), below));
}

/* Keras 1: x between t and t + |u|, with a slope of its own on each side. */
void btk_srelu(btk_call *c)
{
    btk *k = c->k;
    btk_tensor t = slope_of(c, "t_left"), a = slope_of(c, "a_left"), u = slope_of(c, "t_right"),
               b = slope_of(c, "a_right"), width = btk_unary(k, "Abs", u), x = btk_binary(k, "Sub", c->x, t);
    btk_tensor inner = btk_binary(k, "Minimum", btk_unary(k, "Relu", x), width);
    btk_tensor below = btk_binary(k, "Mul", a, btk_unary(k, "Relu", btk_unary(k, "Neg", x)));
    btk_tensor above = btk_binary(k, "Mul", b, btk_unary(k, "Relu", btk_binary(k, "Sub", x, width)));
    give(c,
               btk_binary(k, "AddV2", btk_binary(k, "AddV2", t, btk_binary(k, "Sub", inner, below)), above));
}

/* Keras 1: alpha softplus(beta x). */
void btk_parametric_softplus(btk_call *c)
{
    btk_tensor alpha = slope_of(c, "alphas"), beta = slope_of(c, "betas");
    btk_tensor y = btk_unary(c->k, "Softplus", btk_binary(c->k, "Mul", beta, c->x));
    give(c, btk_binary(c->k, "Mul", alpha, y));
}

void btk_elu(btk_call *c) { btk_return(c, elu_of(c->k, c->x, btk_double_of(c, "alpha", 1))); }

void btk_thresholded_relu(btk_call *c)
{
    btk_tensor over =
        btk_compare(c->k, "Greater", c->x, btk_number(c->k, c->x.dtype, btk_double_of(c, "theta", 1)));
    btk_return(c, btk_binary(c->k, "Mul", c->x, btk_cast(c->k, over, c->x.dtype)));
}

/* x above the threshold, slope (x - threshold) below it, at most max_value */
btk_tensor btk_general_relu(btk *k, btk_tensor x, double slope, double max, double threshold)
{
    btk_tensor out;
    if (threshold != 0) {
        btk_tensor t = btk_number(k, x.dtype, threshold), over = btk_compare(k, "Greater", x, t);
        btk_tensor below = slope ? btk_scaled(k, btk_binary(k, "Sub", x, t), slope) : zero_like(k, x);
        out = btk_select(k, over, x, below);
    } else if (slope != 0) {
        out = btk_unary(k, "LeakyRelu", x);
        btk_attr_float(k, out, "alpha", slope);
    } else if (max == 6) {
        return relu6(k, x);
    } else {
        out = relu(k, x);
    }
    return isinf(max) ? out : btk_binary(k, "Minimum", out, btk_number(k, x.dtype, max));
}

void btk_relu(btk_call *c)
{
    double slope = btk_double_of(c, "negative_slope", 0), max = btk_double_of(c, "max_value", INFINITY);
    btk_return(c, btk_general_relu(c->k, c->x, slope, max, btk_double_of(c, "threshold", 0)));
}

/* Over one axis or several; where a mask is false the input is as good as minus infinity. */
void btk_softmax_layer(btk_call *c)
{
    btk *k = c->k;
    const bt_json *axis = btk_of(c, "axis");
    btk_tensor x = c->x, mask = btk_arg_tensor(c, 1, "mask");
    if (mask.dtype) {
        mask = btk_cast(k, mask, BERTH_BOOL);
        double low = x.dtype == BERTH_HALF ? -3e4 : -1e9;
        btk_tensor off = k->version >= 3 ? btk_number(k, x.dtype, low) : btk_shifted(k, x, low);
        x = btk_select(k, mask, x, off);
    }
    if (!bt_json_is(axis, BT_JSON_ARRAY) || axis->n == 1) {
        btk_return(
            c, btk_softmax(k, x,
                           (int)bt_json_int(axis && axis->kind == BT_JSON_ARRAY ? axis->first : axis, -1)));
        return;
    }
    uint32_t axes = 0;
    for (const bt_json *j = axis->first; j; j = j->next) {
        int64_t a = bt_json_int(j, -1) + (bt_json_int(j, -1) < 0 ? x.shape.rank : 0);
        if (a < 0 || a >= x.shape.rank) btk_damaged(k, "an axis beyond the rank of the input");
        else axes |= 1u << a;
    }
    btk_tensor e = btk_unary(k, "Exp", btk_binary(k, "Sub", x, btk_reduce(k, "Max", x, axes, true)));
    btk_return(c, btk_binary(k, "RealDiv", e, btk_reduce(k, "Sum", e, axes, true)));
}
