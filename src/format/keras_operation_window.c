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

static void convolution_transposed(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = input(c), kernel = btk_cast(c->k, btk_operand(c, 1, "kernel", x.dtype), x.dtype);
    int64_t padding[3] = {-1, -1, -1};
    btk_window w = window_of(c, &x, kernel);
    btk_known(c->k, kernel, -2, "the number of filters");
    if (btk_of(c, "output_padding")) btk_ints_of(c, "output_padding", w.n, padding, 0);
    if (!c->k->failed) give(c, &w, btk_convolve_transposed(c->k, x, kernel, &w, padding));
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

static void adaptive_pool(btk_call *c, const char *op)
{
    btk_tensor x = input(c);
    if (!btk_rank(c->k, x, 3, 5)) return;
    c->x = x;
    btk_adaptive_pool_over(c, x.shape.rank - 2, *op == 'M');
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

/* What fold and unfold say of windows on images, channels first. */
typedef struct blocks {
    int64_t size[2], step[2], rate[2], margin[2];
} blocks;

static bool blocks_of(btk_call *c, blocks *b)
{
    btk_ints_of(c, "kernel_size", 2, b->size, 1), btk_ints_of(c, "stride", 2, b->step, 1);
    btk_ints_of(c, "dilation", 2, b->rate, 1), btk_ints_of(c, "padding", 2, b->margin, 0);
    for (int i = 0; i < 2; i++)
        if (b->size[i] < 1 || b->step[i] < 1 || b->rate[i] < 1)
            btk_damaged(c->k, "a window of no size or stride");
    return !c->k->failed;
}

static btk_tensor with_margin(btk *k, btk_tensor x, const blocks *b)
{
    int64_t pads[BT_MAX_RANK][2] = {{0}, {0}, {b->margin[0], b->margin[0]}, {b->margin[1], b->margin[1]}};
    return btk_pad(k, x, (const int64_t(*)[2])pads);
}

/* [batch, channels, height, width] as [batch, channels size, windows]. */
static void unfold(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = input(c);
    blocks b;
    if (!btk_rank(k, x, 4, 4) || !blocks_of(c, &b)) return;
    btk_window w = {
        2, {b.size[0], b.size[1], 1}, {b.step[0], b.step[1], 1}, {b.rate[0], b.rate[1], 1}, "valid", false};
    int64_t channels = btk_known(k, x, 1, "the number of channels"), n = b.size[0] * b.size[1];
    btk_known(k, x, 2, "the height"), btk_known(k, x, 3, "the width");
    x = btk_patches(k, btk_channels_last(k, with_margin(k, x, &b)), &w);
    int64_t windows = btk_dim(x, 1) * btk_dim(x, 2);
    if (k->failed || n * channels > INT32_MAX) return btk_unsupported(k, "so large a window");
    x = btk_reshape(k, x, 4, (int64_t[]){-1, windows, n, channels}, (int[]){-1, -1, -1, -1});
    x = btk_transpose(k, x, (int[]){0, 3, 2, 1});
    btk_return(c, btk_reshape(k, x, 3, (int64_t[]){-1, n * channels, windows}, (int[]){-1, -1, -1}));
}

/* Every `step`-th number along an axis, zeros between, `before` zeros in front, `size` in all. */
static btk_tensor spaced(btk *k, btk_tensor x, int axis, int64_t step, int64_t before, int64_t size)
{
    int64_t n = btk_dim(x, axis), pads[BT_MAX_RANK][2] = {{0}}, dims[BT_MAX_RANK];
    if (step > 1) {
        pads[axis + 1][1] = step - 1;
        x = btk_pad(k, btk_expand(k, x, axis + 1), (const int64_t(*)[2])pads);
        pads[axis + 1][1] = 0;
        for (int i = 0; i < x.shape.rank - 1; i++)
            dims[i] = i == axis ? n * step : btk_dim(x, i + (i > axis));
        x = btk_slice(k, btk_reshape(k, x, x.shape.rank - 1, dims, NULL), axis, 0, (n - 1) * step + 1);
    }
    pads[axis][0] = before, pads[axis][1] = size - before - (n - 1) * step - 1;
    return btk_pad(k, x, (const int64_t(*)[2])pads);
}

/* Back: windows laid where they were, and added where they meet. */
static void fold(btk_call *c, const char *detail)
{
    (void)detail;
    enum { MAX_PARTS = 256 };
    btk *k = c->k;
    btk_tensor x = input(c), sum = {0};
    blocks b;
    int64_t size[2], n[2];
    btk_ints_of(c, "output_size", 2, size, 1);
    if (!btk_rank(k, x, 3, 3) || !blocks_of(c, &b)) return;
    int64_t taps = b.size[0] * b.size[1], channels = btk_known(k, x, 1, "the number of channels") / taps;
    for (int i = 0; i < 2; i++) {
        size[i] += 2 * b.margin[i];
        n[i] = (size[i] - b.rate[i] * (b.size[i] - 1) - 1) / b.step[i] + 1;
        if (n[i] < 1 || size[i] < b.rate[i] * (b.size[i] - 1) + 1)
            return btk_damaged(k, "a window larger than the image");
    }
    if (taps > MAX_PARTS || channels < 1) return btk_unsupported(k, "so large a window");
    int64_t dims[5] = {-1, channels, taps, n[0], n[1]};
    x = btk_reshape(k, x, 5, dims, (int[]){-1, -1, -1, -1, -1});
    for (int64_t i = 0; i < taps && !k->failed; i++) {
        btk_tensor one = btk_pick(k, x, 2, i);
        one = spaced(k, one, 2, b.step[0], i / b.size[1] * b.rate[0], size[0]);
        one = spaced(k, one, 3, b.step[1], i % b.size[1] * b.rate[1], size[1]);
        sum = i ? btk_binary(k, "AddV2", sum, one) : one;
    }
    for (int i = 0; i < 2; i++) sum = btk_slice(k, sum, 2 + i, b.margin[i], size[i] - b.margin[i]);
    btk_return(c, sum);
}

const btk_operation btk_window_operations[] = {
    {"conv", convolution, NULL},
    {"conv_transpose", convolution_transposed, NULL},
    {"adaptive_max_pool", adaptive_pool, "Max"},
    {"adaptive_average_pool", adaptive_pool, "Average"},
    {"unfold", unfold, NULL},
    {"fold", fold, NULL},
    {"depthwise_conv", convolution_by_channel, NULL},
    {"separable_conv", convolution_by_channel, "pointwise_kernel"},
    {"max_pool", pool, "Max"},
    {"average_pool", pool, "Average"},
    {"layer_norm", normalise, NULL},
    {"r_m_s_norm", normalise, "RMS"},
    {"extract_patches", patches, NULL},
    {NULL, NULL, NULL},
};
