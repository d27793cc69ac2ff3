/* Keras 3: operations by windows: convolutions and poolings as functions, whose kernels are arguments, and normalisations
 * over axes. Strides, padding and the rest are members of the configuration, as layers have them. */
#include "format/keras_operation.h"

#include <math.h>

/* The window of a kernel [size..., channels, filters]; x with its channels last. */
static btk_window window_of(btk_call *c, btk_tensor *x, btk_tensor kernel)
{
    int n = x->shape.rank - 2;
    btk_window w = {.padding = "valid"};
    if (!btk_rank(c->k, *x, 3, 5) || !btk_rank(c->k, kernel, n + 2, n + 2)) return w;
    w = btk_window_of(c, n);
    for (int i = 0; i < n; i++) w.size[i] = btk_known(c->k, kernel, i, "the size of a kernel");
    if (w.channels_first) *x = btk_channels_last(c->k, *x);
    return w;
}

static void give(btk_call *c, const btk_window *w, btk_tensor y)
{
    btk_return(c, w->channels_first ? btk_channels_back(c->k, y) : y);
}

static btk_tensor input(btk_call *c) { return btk_operand(c, 0, "inputs|x", BERTH_NO_DTYPE); }

static void convolution(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = input(c), kernel = btk_cast(c->k, btk_operand(c, 1, "kernel", x.dtype), x.dtype);
    btk_window w = window_of(c, &x, kernel);
    if (!c->k->failed) give(c, &w, btk_convolve(c->k, x, kernel, &w));
}

static void convolution_by_channel(btk_call *c, const char *pointwise)
{
    btk *k = c->k;
    btk_tensor x = input(c), point = {0};
    btk_tensor kernel =
        btk_cast(k, btk_operand(c, 1, pointwise ? "depthwise_kernel" : "kernel", x.dtype), x.dtype);
    if (pointwise) point = btk_cast(k, btk_operand(c, 2, pointwise, x.dtype), x.dtype);
    btk_window w = window_of(c, &x, kernel), one = {w.n, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, "valid", false};
    if (k->failed || w.n > 2) return btk_unsupported(k, "a depthwise convolution of %d axes", w.n);
    btk_known(k, kernel, -2, "the number of channels"), btk_known(k, kernel, -1, "the multiplier");
    if (k->failed) return;
    btk_tensor y = btk_convolve_by_channel(k, x, kernel, &w);
    give(c, &w, pointwise ? btk_convolve(k, y, point, &one) : y);
}

static void pool(btk_call *c, const char *op)
{
    btk_tensor x = input(c);
    if (!btk_rank(c->k, x, 3, 5)) return;
    c->x = x;
    btk_pool_window(c, x.shape.rank - 2, *op == 'M');
}

/* gamma (x - mean) / sqrt(variance + epsilon) + beta; of "RMS" x gamma / sqrt(mean of squares + epsilon). */
static void normalise(btk_call *c, const char *kind)
{
    btk *k = c->k;
    bool rms = kind != NULL;
    btk_tensor x = input(c);
    double epsilon = bt_json_double(btk_operand_json(c, -1, "epsilon"), 1e-7);
    const bt_json *axis = btk_operand_json(c, -1, "axis");
    uint32_t axes = axis ? btk_operand_axes(c, x, -1) : btk_last_axis(x);
    btk_value gamma = btk_operand_value(c, 1, "gamma|scale"), beta = btk_operand_value(c, 2, "beta");
    if (bt_json_bool(btk_operand_json(c, -1, "rms_scaling"), false))
        return btk_unsupported(k, "a layer normalisation that is scaled by squares");
    if (axes != btk_last_axis(x) && (!btk_is_none(&gamma) || !btk_is_none(&beta)))
        return btk_unsupported(k, "a normalisation with weights over axes but the last");
    if (!rms) x = btk_binary(k, "Sub", x, btk_reduce(k, "Mean", x, axes, true));
    btk_tensor variance = btk_reduce(k, "Mean", btk_unary(k, "Square", x), axes, true);
    btk_tensor y = btk_binary(k, "Mul", x, btk_unary(k, "Rsqrt", btk_shifted(k, variance, epsilon)));
    if (!btk_is_none(&gamma)) y = btk_binary(k, "Mul", y, btk_operand(c, 1, "gamma|scale", x.dtype));
    if (!btk_is_none(&beta) && !rms) y = btk_binary(k, "AddV2", y, btk_operand(c, 2, "beta", x.dtype));
    btk_return(c, y);
}

/* The elements of each window of an image in a row: [batch, rows, columns, size channels]. */
static void patches(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = input(c);
    btk_window w = {0};
    if (!btk_rank(k, x, 4, 4)) return btk_unsupported(k, "patches of what is no batch of images");
    w = btk_window_of(c, 2);
    btk_ints_of(c, "size", 2, w.size, 1);
    if (!btk_of(c, "strides")) memcpy(w.stride, w.size, sizeof w.stride);
    if (!k->failed) give(c, &w, btk_patches(k, w.channels_first ? btk_channels_last(k, x) : x, &w));
}

const btk_operation btk_window_operations[] = {
    {"conv", convolution, NULL},
    {"depthwise_conv", convolution_by_channel, NULL},
    {"separable_conv", convolution_by_channel, "pointwise_kernel"},
    {"max_pool", pool, "Max"},
    {"average_pool", pool, "Average"},
    {"layer_norm", normalise, NULL},
    {"r_m_s_norm", normalise, "RMS"},
    {"extract_patches", patches, NULL},
    {NULL, NULL, NULL},
};
