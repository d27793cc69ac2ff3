/* Keras: pooling by windows, and over all of an input. */
#include "format/keras_layers.h"

/* "2Max": number of axes, and what is done. */
static bool is_max(const btk_call *c) { return c->layer->class->detail[1] == 'M'; }
static int axes_of(const btk_call *c) { return c->layer->class->detail[0] - '0'; }

/* A size as an attribute of four or five numbers; a signal is an image of one row. */
static void pool_attributes(btk_call *c, btk_tensor y, int n, const int64_t *size, const int64_t *stride,
                            const char *padding, bool max)
{
    int64_t window[5] = {1, 1, 1, 1, 1}, strides[5] = {1, 1, 1, 1, 1};
    int first = n == 1 ? 2 : 1;
    memcpy(window + first, size, (size_t)n * sizeof *size);
    memcpy(strides + first, stride, (size_t)n * sizeof *stride);
    btk_attr_ints(c->k, y, "ksize", n == 3 ? 5 : 4, window);
    btk_attr_ints(c->k, y, "strides", n == 3 ? 5 : 4, strides);
    btk_attr_text(c->k, y, "padding", strcmp(padding, "same") ? "VALID" : "SAME");
    btk_attr_text(c->k, y, "data_format", n == 3 ? "NDHWC" : "NHWC");
    if (n < 3 && max) btk_attr_ints(c->k, y, "explicit_paddings", 0, NULL);
}

void btk_pool(btk_call *c) { btk_pool_window(c, axes_of(c), is_max(c)); }

void btk_pool_window(btk_call *c, int n, bool max)
{
    btk *k = c->k;
    int64_t size[3], stride[3];
    const char *padding = btk_text_of(c, "padding", btk_text_of(c, "border_mode", "valid"));
    const char *old = btk_of(c, "pool_length") ? "pool_length" : "pool_size";
    btk_ints_of(c, old, n, size, 2);
    btk_ints_of(c, btk_of(c, "stride") ? "stride" : "strides", n, stride, 0);
    bool first = btk_channels_first(c);
    btk_tensor x = first ? btk_channels_last(k, c->x) : c->x;
    if (!btk_rank(k, x, n + 2, n + 2)) return;
    bt_shape shape = x.shape;
    for (int i = 0; i < n; i++) {
        if (stride[i] < 1) stride[i] = size[i];
        if (size[i] < 1) btk_damaged(k, "a window of no size");
        int64_t in = shape.dim[i + 1], span = strcmp(padding, "same") ? size[i] - 1 : 0;
        if (in >= 0 && stride[i] > 0)
            shape.dim[i + 1] = in <= span ? 0 : (in - span + stride[i] - 1) / stride[i];
    }
    static const char *const ops[2][2] = {{"AvgPool", "AvgPool3D"}, {"MaxPool", "MaxPool3D"}};
    if (n == 1) {
        x = btk_expand(k, x, 1);
        shape = BT_SHAPE(shape.dim[0], 1, shape.dim[1], shape.dim[2]);
    }
    btk_tensor y = btk_node(k, ops[max][n == 3], 1, &x, x.dtype, shape);
    pool_attributes(c, y, n, size, stride, padding, max);
    if (n == 1) y = btk_squeeze(k, y, 1);
    btk_return(c, first ? btk_channels_back(k, y) : y);
}

/* Over all places; where a mask is given, over those that it keeps. */
void btk_global_pool(btk_call *c)
{
    btk *k = c->k;
    int n = axes_of(c), first = btk_channels_first(c) ? 2 : 1;
    bool keep = btk_bool_of(c, "keepdims", false);
    uint32_t axes = ((1u << n) - 1) << first;
    btk_tensor x = c->x, mask = btk_mask_of(c);
    if (!btk_rank(k, x, n + 2, n + 2)) return;
    if (n > 1 || is_max(c) || !mask.dtype) {
        btk_return(c, btk_reduce(k, is_max(c) ? "Max" : "Mean", x, axes, keep));
        return;
    }
    mask = btk_cast(k, btk_expand(k, mask, first == 1 ? 2 : 1), x.dtype);
    btk_tensor sum = btk_reduce(k, "Sum", btk_binary(k, "Mul", x, mask), axes, keep);
    btk_return(c, btk_binary(k, "RealDiv", sum, btk_reduce(k, "Sum", mask, axes, keep)));
}

/* Bin i of n over an axis of a size: from floor(i size / n) to ceil((i + 1) size / n). The axes fold one
 * after another, which is the same for means and maxima of boxes. */
void btk_adaptive_pool(btk_call *c) { btk_adaptive_pool_over(c, axes_of(c), is_max(c)); }

void btk_adaptive_pool_over(btk_call *c, int n, bool max)
{
    btk *k = c->k;
    int first = btk_channels_first(c) ? 2 : 1;
    int64_t bins[3];
    btk_tensor x = c->x, part[255];
    btk_ints_of(c, "output_size", n, bins, 1);
    if (!btk_rank(k, x, n + 2, n + 2)) return;
    for (int axis = first; axis < first + n && !k->failed; axis++) {
        int64_t size = btk_known(k, x, axis, "the size of a pooled axis"), count = bins[axis - first];
        if (count < 1 || count > 255) return btk_unsupported(k, "%lld bins", (long long)count);
        for (int64_t i = 0; i < count && !k->failed; i++) {
            btk_tensor bin = btk_slice(k, x, axis, i * size / count, ((i + 1) * size + count - 1) / count);
            part[i] = btk_reduce(k, max ? "Max" : "Mean", bin, 1u << axis, true);
        }
        x = btk_concat(k, (int)count, part, axis);
    }
    btk_return(c, x);
}
