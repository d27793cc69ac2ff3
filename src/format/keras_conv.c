/* Keras: convolutions of one to three spatial axes, depthwise, separable, transposed and unshared.
 * TensorFlow's ops take the channels last (its CPU kernels know nothing else); channels_first is transposed
 * there and back. A kernel is [size..., channels / groups, filters]. */
#include "format/keras_layers.h"

/* ---- Configuration ------------------------------------------------------------------------------------ */

static int axes_of(const btk_call *c) { return c->layer->class->detail[0] - '0'; }

/* Keras 1 has nb_row and nb_col, filter_length, subsample, atrous_rate, border_mode. */
static void old_window(btk_call *c, btk_window *w)
{
    static const char *const sizes[3][3] = {
        {"filter_length"}, {"nb_row", "nb_col"}, {"kernel_dim1", "kernel_dim2", "kernel_dim3"}};
    if (c->k->version > 1) return;
    for (int i = 0; i < w->n; i++) w->size[i] = btk_int_of(c, sizes[w->n - 1][i], 1);
    if (btk_of(c, "subsample_length")) w->stride[0] = btk_int_of(c, "subsample_length", 1);
    else btk_ints_of(c, "subsample", w->n, w->stride, 1);
    btk_ints_of(c, "atrous_rate", w->n, w->rate, 1);
}

btk_window btk_window_of(btk_call *c, int n)
{
    btk_window w = {.n = n, .channels_first = btk_channels_first(c)};
    w.padding = btk_text_of(c, "padding", btk_text_of(c, "border_mode", "valid"));
    btk_ints_of(c, "kernel_size", n, w.size, 1);
    btk_ints_of(c, "strides", n, w.stride, 1);
    btk_ints_of(c, "dilation_rate", n, w.rate, 1);
    old_window(c, &w);
    for (int i = 0; i < n; i++)
        if (w.size[i] < 1 || w.stride[i] < 1 || w.rate[i] < 1)
            btk_damaged(c->k, "a window of no size or stride");
    return w;
}

static int64_t filters_of(const btk_call *c)
{
    return btk_int_of(c, "filters", btk_int_of(c, "nb_filter", 0));
}
static bool has_bias(const btk_call *c) { return btk_bool_of(c, "use_bias", btk_bool_of(c, "bias", true)); }

static btk_tensor biased(btk_call *c, btk_tensor x, int64_t filters)
{
    if (has_bias(c)) x = btk_add_bias(c->k, x, btk_weight_of(c, "bias", true, BT_SHAPE(filters)));
    return btk_activate(c->k, btk_of(c, "activation"), x);
}

static btk_tensor input_of(btk_call *c, const btk_window *w)
{
    btk_rank(c->k, c->x, w->n + 2, w->n + 2);
    return w->channels_first ? btk_channels_last(c->k, c->x) : c->x;
}

static void give(btk_call *c, const btk_window *w, btk_tensor y)
{
    btk_return(c, w->channels_first ? btk_channels_back(c->k, y) : y);
}

/* ---- One convolution ---------------------------------------------------------------------------------- */

static int64_t output_size(const btk_window *w, int i, int64_t in)
{
    if (in < 0 || w->stride[i] < 1) return -1;
    int64_t span = strcmp(w->padding, "same") ? (w->size[i] - 1) * w->rate[i] : 0;
    return in <= span ? 0 : (in - span + w->stride[i] - 1) / w->stride[i];
}

/* Zeros before a causal signal, so that step t sees none after t. */
static btk_tensor causal(btk *k, btk_tensor x, btk_window *w)
{
    int64_t pads[BT_MAX_RANK][2] = {{0}};
    pads[1][0] = (w->size[0] - 1) * w->rate[0];
    w->padding = "valid";
    return btk_pad(k, x, pads);
}

static void window_attributes(btk *k, btk_tensor y, const btk_window *w, bool dilated)
{
    int64_t strides[5] = {1, 1, 1, 1, 1}, rates[5] = {1, 1, 1, 1, 1};
    memcpy(strides + 1, w->stride, (size_t)w->n * sizeof *strides);
    memcpy(rates + 1, w->rate, (size_t)w->n * sizeof *rates);
    btk_attr_ints(k, y, "strides", w->n + 2, strides);
    if (dilated) btk_attr_ints(k, y, "dilations", w->n + 2, rates);
    btk_attr_text(k, y, "padding", strcmp(w->padding, "same") ? "VALID" : "SAME");
    btk_attr_text(k, y, "data_format", w->n == 3 ? "NDHWC" : "NHWC");
}

/* A signal as an image of one row. */
static btk_window as_image(const btk_window *w)
{
    btk_window image = *w;
    image.n = 2;
    image.size[1] = w->size[0], image.stride[1] = w->stride[0], image.rate[1] = w->rate[0];
    image.size[0] = image.stride[0] = image.rate[0] = 1;
    return image;
}

btk_tensor btk_convolve(btk *k, btk_tensor x, btk_tensor kernel, const btk_window *window)
{
    btk_window w = *window;
    if (!btk_rank(k, x, w.n + 2, w.n + 2)) return x;
    if (!strcmp(w.padding, "causal")) x = causal(k, x, &w);
    if (w.n == 1) {
        /* TensorFlow takes strides of all axes only where they are equal for some kernels: a row of one needs
         * none. */
        btk_window image = as_image(&w);
        btk_tensor y = btk_convolve(k, btk_expand(k, x, 1), btk_expand(k, kernel, 0), &image);
        return btk_squeeze(k, y, 1);
    }
    bt_shape shape = btk_with_dim(x.shape, -1, btk_dim(kernel, -1));
    for (int i = 0; i < w.n; i++) shape.dim[i + 1] = output_size(&w, i, x.shape.dim[i + 1]);
    btk_tensor y = btk_node(k, w.n == 3 ? "Conv3D" : "Conv2D", 2, (btk_tensor[]){x, kernel}, x.dtype, shape);
    window_attributes(k, y, &w, true);
    if (w.n == 2) {
        btk_attr_bool(k, y, "use_cudnn_on_gpu", true);
        btk_attr_ints(k, y, "explicit_paddings", 0, NULL);
    }
    return y;
}

/* [size..., channels, filters] */
static bt_shape kernel_shape(const btk_window *w, int64_t channels, int64_t filters)
{
    bt_shape shape = {.rank = w->n + 2};
    memcpy(shape.dim, w->size, (size_t)w->n * sizeof *shape.dim);
    shape.dim[w->n] = channels;
    shape.dim[w->n + 1] = filters;
    return shape;
}

/* Keras 1 has kernels as [filters, channels, size...] where channels come first, and that of a signal as one of an
 * image of one column. */
btk_tensor btk_kernel_of(btk_call *c, const btk_window *w, const char *name, bt_shape shape)
{
    btk *k = c->k;
    bool first = k->version == 1 && w->channels_first, image = k->version == 1 && w->n == 1;
    int perm[BT_MAX_RANK];
    bt_shape stored = shape;
    for (int i = 0; i < w->n + 2; i++) perm[i] = i < w->n ? i + 2 : w->n + 1 - i;
    for (int i = 0; i < w->n + 2 && first; i++) stored.dim[perm[i]] = shape.dim[i];
    if (image) stored = BT_SHAPE(shape.dim[0], 1, shape.dim[1], shape.dim[2]);
    btk_tensor kernel = btk_weight_of(c, name, true, stored);
    if (image) kernel = btk_squeeze(k, kernel, 1);
    else if (first) kernel = btk_transpose(k, kernel, perm);
    for (int i = 0; i < w->n && k->weights->turned_over; i++) kernel = btk_reverse(k, kernel, i);
    return kernel;
}

void btk_conv(btk_call *c)
{
    btk_window w = btk_window_of(c, axes_of(c));
    btk_tensor x = input_of(c, &w);
    int64_t channels = btk_known(c->k, x, -1, "the number of channels"), groups = btk_int_of(c, "groups", 1);
    if (groups < 1 || channels % groups)
        btk_damaged(c->k, "%lld channels in %lld groups", (long long)channels, (long long)groups);
    if (c->k->failed) return;
    if (btk_of(c, "lora_rank")) btk_unsupported(c->k, "adapters (LoRA) must be merged first");
    bt_shape shape = kernel_shape(&w, channels / groups, filters_of(c));
    btk_tensor kernel = btk_kernel_of(c, &w, "kernel", shape);
    give(c, &w, biased(c, btk_convolve(c->k, x, kernel, &w), filters_of(c)));
}

/* ---- Depthwise ---------------------------------------------------------------------------------------- */

/* A kernel [size..., channels, multiplier], channel by channel. TensorFlow's op has no dilation on a CPU:
 * there a grouped convolution stands for it, whose kernel is [size..., 1, channels multiplier]. */
btk_tensor btk_convolve_by_channel(btk *k, btk_tensor x, btk_tensor kernel, const btk_window *window)
{
    btk_window w = *window;
    if (w.n == 1) {
        if (!strcmp(w.padding, "causal")) x = causal(k, x, &w);
        btk_window image = as_image(&w);
        image.stride[0] = image.stride[1]; /* the op wants equal strides; of one row they leave one row */
        return btk_squeeze(
            k, btk_convolve_by_channel(k, btk_expand(k, x, 1), btk_expand(k, kernel, 0), &image), 1);
    }
    int64_t channels = btk_dim(kernel, 2), multiplier = btk_dim(kernel, 3);
    if (w.rate[0] != 1 || w.rate[1] != 1 || w.stride[0] != w.stride[1]) {
        int64_t dims[4] = {w.size[0], w.size[1], 1, channels * multiplier};
        return btk_convolve(k, x, btk_reshape(k, kernel, 4, dims, NULL), &w);
    }
    bt_shape shape = btk_with_dim(x.shape, -1, channels * multiplier);
    for (int i = 0; i < 2; i++) shape.dim[i + 1] = output_size(&w, i, x.shape.dim[i + 1]);
    btk_tensor y = btk_node(k, "DepthwiseConv2dNative", 2, (btk_tensor[]){x, kernel}, x.dtype, shape);
    window_attributes(k, y, &w, true);
    btk_attr_ints(k, y, "explicit_paddings", 0, NULL);
    return y;
}

void btk_depthwise(btk_call *c)
{
    btk_window w = btk_window_of(c, axes_of(c));
    btk_tensor x = input_of(c, &w);
    int64_t channels = btk_known(c->k, x, -1, "the number of channels"),
            multiplier = btk_int_of(c, "depth_multiplier", 1);
    btk_tensor kernel = btk_weight_of(c, "depthwise_kernel", true, kernel_shape(&w, channels, multiplier));
    if (c->k->failed) return;
    give(c, &w, biased(c, btk_convolve_by_channel(c->k, x, kernel, &w), channels * multiplier));
}

void btk_separable(btk_call *c)
{
    btk_window w = btk_window_of(c, axes_of(c)),
               point = {w.n, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, "valid", w.channels_first};
    btk_tensor x = input_of(c, &w);
    int64_t channels = btk_known(c->k, x, -1, "the number of channels"),
            multiplier = btk_int_of(c, "depth_multiplier", 1);
    btk_tensor deep = btk_kernel_of(c, &w, "depthwise_kernel", kernel_shape(&w, channels, multiplier));
    bt_shape shape = kernel_shape(&point, channels * multiplier, filters_of(c));
    btk_tensor wide = btk_kernel_of(c, &point, "pointwise_kernel", shape);
    if (c->k->failed) return;
    btk_tensor y = btk_convolve_by_channel(c->k, x, deep, &w);
    give(c, &w, biased(c, btk_convolve(c->k, y, wide, &point), filters_of(c)));
}

/* ---- Transposed --------------------------------------------------------------------------------------- */

/* Keras: the size that a convolution of that window would have made `in` of; output_padding settles which. */
static int64_t grown_size(const btk_window *w, int i, int64_t in, int64_t output_padding)
{
    if (in < 0) return -1;
    int64_t span = (w->size[i] - 1) * w->rate[i] + 1;
    bool same = !strcmp(w->padding, "same");
    if (output_padding >= 0)
        return (in - 1) * w->stride[i] + span - (same ? 2 * (span / 2) : 0) + output_padding;
    return same ? in * w->stride[i] : in * w->stride[i] + (span > w->stride[i] ? span - w->stride[i] : 0);
}

/* The same as an int32 scalar, for a size that is known at run time only: in stride + (size for in = 0). */
static btk_tensor grown(btk *k, btk_tensor x, const btk_window *w, int i, int64_t output_padding)
{
    int64_t in = btk_dim(x, i + 1);
    if (in >= 0) return btk_int(k, grown_size(w, i, in, output_padding));
    btk_tensor scaled = btk_binary(k, "Mul", btk_size(k, x, i + 1), btk_int(k, w->stride[i]));
    return btk_binary(k, "AddV2", scaled, btk_int(k, grown_size(w, i, 0, output_padding)));
}

static btk_tensor transposed(btk *k, btk_tensor x, btk_tensor kernel, const btk_window *w,
                             const int64_t *padding)
{
    btk_tensor sizes[5], in[3];
    bt_shape shape = btk_with_dim(x.shape, -1, btk_dim(kernel, -2));
    sizes[0] = btk_size(k, x, 0);
    for (int i = 0; i < w->n; i++) {
        sizes[i + 1] = grown(k, x, w, i, padding[i]);
        shape.dim[i + 1] = grown_size(w, i, x.shape.dim[i + 1], padding[i]);
    }
    sizes[w->n + 1] = btk_int(k, btk_dim(kernel, -2));
    in[0] = btk_pack(k, w->n + 2, sizes);
    in[1] = kernel;
    in[2] = x;
    btk_tensor y =
        btk_node(k, w->n == 3 ? "Conv3DBackpropInputV2" : "Conv2DBackpropInput", 3, in, x.dtype, shape);
    btk_attr_type(k, y, "T", x.dtype);
    window_attributes(k, y, w, true);
    if (w->n == 3) {
        btk_attr_type(k, y, "Tshape", BERTH_INT32);
    } else {
        btk_attr_bool(k, y, "use_cudnn_on_gpu", true);
        btk_attr_ints(k, y, "explicit_paddings", 0, NULL);
    }
    return y;
}

btk_tensor btk_convolve_transposed(btk *k, btk_tensor x, btk_tensor kernel, const btk_window *w,
                                   const int64_t *padding)
{
    if (w->n != 1) return transposed(k, x, kernel, w, padding);
    btk_window image = as_image(w);
    btk_tensor y =
        transposed(k, btk_expand(k, x, 1), btk_expand(k, kernel, 0), &image, (int64_t[]){-1, padding[0]});
    return btk_squeeze(k, y, 1);
}

void btk_conv_transpose(btk_call *c)
{
    btk *k = c->k;
    btk_window w = btk_window_of(c, axes_of(c));
    int64_t padding[3] = {-1, -1, -1}, filters = filters_of(c);
    btk_tensor x = input_of(c, &w);
    if (btk_of(c, "output_padding")) btk_ints_of(c, "output_padding", w.n, padding, 0);
    if (btk_int_of(c, "groups", 1) != 1) btk_unsupported(k, "a transposed convolution in groups");
    bt_shape shape = kernel_shape(&w, filters, btk_known(k, x, -1, "the number of channels"));
    btk_tensor kernel = btk_kernel_of(c, &w, "kernel", shape);
    if (!k->failed) give(c, &w, biased(c, btk_convolve_transposed(k, x, kernel, &w, padding), filters));
}

/* ---- Unshared ----------------------------------------------------------------------------------------- */

btk_tensor btk_patches(btk *k, btk_tensor x, const btk_window *w)
{
    int64_t sizes[4] = {1, w->size[0], w->size[1], 1}, strides[4] = {1, w->stride[0], w->stride[1], 1},
            rates[4] = {1, w->rate[0], w->rate[1], 1}, channels = btk_dim(x, -1);
    if (w->size[0] > INT16_MAX || w->size[1] > INT16_MAX) btk_damaged(k, "a window too large");
    if (k->failed) return x;
    bt_shape shape = btk_with_dim(x.shape, -1, channels < 0 ? -1 : w->size[0] * w->size[1] * channels);
    for (int i = 0; i < 2; i++) shape.dim[i + 1] = output_size(w, i, x.shape.dim[i + 1]);
    btk_tensor y = btk_node(k, "ExtractImagePatches", 1, &x, x.dtype, shape);
    btk_attr_ints(k, y, "ksizes", 4, sizes);
    btk_attr_ints(k, y, "strides", 4, strides);
    btk_attr_ints(k, y, "rates", 4, rates);
    btk_attr_text(k, y, "padding", strcmp(w->padding, "same") ? "VALID" : "SAME");
    return y;
}

/* Patches times kernels, place by place: [places, size... channels, filters]. */
static btk_tensor unshared(btk_call *c, btk_tensor x, const btk_window *w, const int64_t *out,
                           int64_t filters)
{
    btk *k = c->k;
    int64_t channels = btk_dim(x, -1);
    bool first = w->channels_first; /* also in the taps of a kernel */
    int64_t taps = w->size[0] * w->size[1] * channels, n = out[0] * out[1];
    btk_tensor kernel = btk_weight_of(c, "kernel", true, BT_SHAPE(n, taps, filters));
    if (first) {
        int64_t dims[4] = {n, channels, w->size[0] * w->size[1], filters};
        kernel = btk_reshape(k, btk_swap(k, btk_reshape(k, kernel, 4, dims, NULL), 1, 2), 3,
                             (int64_t[]){n, taps, filters}, NULL);
    }
    btk_tensor y = btk_patches(k, x, w);
    y = btk_reshape(k, y, 3, (int64_t[]){-1, n, taps}, (int[]){0, -1, -1});
    y = btk_matmul(k, btk_transpose(k, y, (int[]){1, 0, 2}), kernel, false,
                   false); /* [places, batch, filters] */
    y = btk_transpose(k, y, (int[]){1, 0, 2});
    if (axes_of(c) == 2)
        y = btk_reshape(k, y, 4, (int64_t[]){-1, out[0], out[1], filters}, (int[]){0, -1, -1, -1});
    return y;
}

/* Every place has a kernel of its own. */
void btk_locally_connected(btk_call *c)
{
    btk *k = c->k;
    btk_window w = btk_window_of(c, axes_of(c));
    btk_tensor x = input_of(c, &w);
    int64_t channels = btk_known(k, x, -1, "the number of channels"), filters = filters_of(c),
            out[2] = {1, 1};
    int64_t implementation = btk_int_of(c, "implementation", 1);
    if (implementation < 1 || implementation > 3)
        btk_damaged(k, "implementation %lld", (long long)implementation);
    bool first = w.channels_first, old = k->version == 1;
    if (w.n == 1) x = btk_expand(k, x, 1), w = as_image(&w);
    for (int i = 0; i < 2 && !k->failed; i++)
        out[i] = output_size(&w, i, btk_known(k, x, i + 1, "the size of the input"));
    if (out[0] > INT16_MAX || out[1] > INT16_MAX) btk_damaged(k, "an input too large");
    if (w.size[0] > INT16_MAX || w.size[1] > INT16_MAX) btk_damaged(k, "a window too large");
    if (k->failed) return;
    bt_shape bias = axes_of(c) == 1 ? BT_SHAPE(out[1], filters) : BT_SHAPE(out[0], out[1], filters);
    if (first && old) bias = BT_SHAPE(-1, -1, -1); /* versions of Keras 1 differ */
    btk_tensor y;
    if (implementation == 1) {
        y = unshared(c, x, &w, out, filters);
        if (first) y = btk_channels_back(k, y);
    } else {
        btk_window said = btk_window_of(c, axes_of(c));
        y = k->failed ? x : btk_local_product(c, &said, channels, filters, (int)implementation);
    }
    if (has_bias(c)) {
        btk_tensor b = btk_weight_of(c, "bias", true, bias);
        if (first) { /* Keras takes the numbers as they lie for others of another shape */
            int64_t dims[3] = {filters, axes_of(c) == 1 ? out[1] : out[0], out[1]};
            b = btk_reshape(k, b, axes_of(c) + 1, dims, NULL);
        }
        y = btk_binary(k, "AddV2", y, b);
    }
    btk_return(c, btk_activate(k, btk_of(c, "activation"), y));
}

/* Keras 1 names the size of the result; its kernel is [rows, columns, channels, filters] and turned over in
 * use. */
void btk_deconvolution(btk_call *c)
{
    btk *k = c->k;
    btk_window w = btk_window_of(c, 2);
    btk_tensor x = input_of(c, &w);
    int64_t filters = filters_of(c), padding[3] = {-1, -1, -1};
    const bt_json *sizes = btk_of(c, "output_shape");
    btk_tensor kernel = btk_kernel_of(
        c, &w, "kernel", kernel_shape(&w, btk_known(k, x, -1, "the number of channels"), filters));
    for (int i = 0; i < 2; i++) { /* such an output padding that the size comes out */
        int64_t want = bt_json_int(bt_json_at(sizes, i + (w.channels_first ? 2 : 1)), -1),
                have = grown_size(&w, i, x.shape.dim[i + 1], 0);
        if (want >= have && have >= 0) padding[i] = want - have;
    }
    if (k->failed) return;
    give(c, &w, biased(c, transposed(k, x, btk_swap(k, kernel, 2, 3), &w, padding), filters));
}
