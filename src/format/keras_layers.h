/* Keras: the build functions of the classes of layers, and what families lend each other. The table that
 * names them is in keras_layers.c. */
#ifndef BT_KERAS_LAYERS_H
#define BT_KERAS_LAYERS_H

#include "format/keras.h"

/* keras_activation.c */
void btk_activation(btk_call *c), btk_leaky_relu(btk_call *c), btk_prelu(btk_call *c), btk_elu(btk_call *c);
void btk_thresholded_relu(btk_call *c), btk_relu(btk_call *c), btk_softmax_layer(btk_call *c);
void btk_srelu(btk_call *c), btk_parametric_softplus(btk_call *c);
btk_tensor btk_general_relu(btk *k, btk_tensor x, double slope, double max, double threshold);

/* keras_core.c */
void btk_identity(btk_call *c), btk_dense(btk_call *c), btk_highway(btk_call *c),
    btk_maxout_dense(btk_call *c);
void btk_embedding(btk_call *c), btk_masking(btk_call *c), btk_einsum_dense(btk_call *c);
void btk_reversible_embedding(btk_call *c);
btk_tensor btk_dense_product(btk *k, btk_tensor x, btk_tensor kernel); /* x[..., m] kernel[m, n] */

/* keras_quantized.c */
bool btk_is_quantized(btk_call *c); /* fails for ways that are not read */
void btk_quantized_dense(btk_call *c);
/* bias: its shape, or NULL. */
void btk_quantized_einsum(btk_call *c, const char *equation, const char *x_axes, const char *y_axes,
                          bt_shape kernel, const bt_shape *bias);
btk_tensor btk_quantized_rows(btk_call *c, btk_tensor x); /* of an embedding */
btk_tensor btk_quantized_reverse(btk_call *c);            /* the products of its rows with the input */

/* keras_conv.c */
void btk_conv(btk_call *c), btk_depthwise(btk_call *c), btk_separable(btk_call *c),
    btk_locally_connected(btk_call *c);
void btk_conv_transpose(btk_call *c), btk_deconvolution(btk_call *c);
/* What the layers of a number of spatial axes say, by the names of all versions. */
typedef struct btk_window {
    int n; /* spatial axes */
    int64_t size[3], stride[3], rate[3];
    const char *padding; /* "valid", "same", "causal" */
    bool channels_first;
} btk_window;
btk_window btk_window_of(btk_call *c, int n);
/* A weight that is a kernel of this shape, [size..., channels, filters], however the file has it. */
btk_tensor btk_kernel_of(btk_call *c, const btk_window *w, const char *name, bt_shape shape);
/* The elements of each window of an image, [batch, rows, columns, size channels]. */
btk_tensor btk_patches(btk *k, btk_tensor x, const btk_window *w);
/* Channel by channel, by a kernel [size..., channels, multiplier]; one or two spatial axes. */
btk_tensor btk_convolve_by_channel(btk *k, btk_tensor x, btk_tensor kernel, const btk_window *w);
/* One convolution of x (channels last, n spatial axes) by a kernel [size..., channels / groups, filters]. */
btk_tensor btk_convolve(btk *k, btk_tensor x, btk_tensor kernel, const btk_window *w);
/* Back from it, by a kernel [size..., filters, channels]; padding: Keras's output_padding on each axis, -1: none. */
btk_tensor btk_convolve_transposed(btk *k, btk_tensor x, btk_tensor kernel, const btk_window *w,
                                   const int64_t *padding);

/* keras_local.c: the product of a locally connected layer of implementation 2 or 3, without its bias. */
btk_tensor btk_local_product(btk_call *c, const btk_window *w, int64_t channels, int64_t filters,
                             int implementation);

/* keras_pool.c */
void btk_pool(btk_call *c), btk_global_pool(btk_call *c), btk_adaptive_pool(btk_call *c);
void btk_pool_window(btk_call *c, int n, bool max);        /* over n spatial axes */
void btk_adaptive_pool_over(btk_call *c, int n, bool max); /* the same into a number of bins */

/* keras_shape.c */
void btk_flatten(btk_call *c), btk_reshape_layer(btk_call *c), btk_permute(btk_call *c),
    btk_repeat_vector(btk_call *c);
btk_tensor btk_repeat(btk *k, btk_tensor x, int axis, int64_t times); /* every element `times` times */
void btk_crop(btk_call *c), btk_zero_pad(btk_call *c), btk_upsample(btk_call *c);

/* keras_norm.c */
void btk_batch_norm(btk_call *c), btk_layer_norm(btk_call *c), btk_group_norm(btk_call *c),
    btk_unit_norm(btk_call *c);
void btk_rms_norm(btk_call *c), btk_spectral_norm(btk_call *c), btk_layer_scale(btk_call *c);

/* keras_merge.c */
void btk_merge(btk_call *c), btk_concatenate(btk_call *c), btk_dot(btk_call *c), btk_merge_old(btk_call *c);
void btk_custom_scale(btk_call *c);

/* keras_rnn.c */
void btk_rnn(btk_call *c), btk_bidirectional(btk_call *c), btk_time_distributed(btk_call *c);

/* keras_attention.c */
void btk_attention(btk_call *c), btk_multi_head(btk_call *c), btk_grouped_query(btk_call *c);

/* keras_preprocess.c */
void btk_rescaling(btk_call *c), btk_random(btk_call *c), btk_normalization(btk_call *c),
    btk_resizing(btk_call *c);
void btk_category_encoding(btk_call *c), btk_discretization(btk_call *c), btk_center_crop(btk_call *c);
void btk_auto_contrast(btk_call *c), btk_pipeline(btk_call *c);
/* x[batch, height, width, channels] to a size, as TensorFlow's image.resize without antialias. */
btk_tensor btk_resize(btk *k, btk_tensor x, int64_t height, int64_t width, const char *interpolation);
/* The same with antialias, and by Lanczos's and other kernels. */
btk_tensor btk_resize_smooth(btk *k, btk_tensor x, int64_t height, int64_t width, const char *interpolation,
                             bool antialias);
/* The middle part whose sides are as height to width, and as much around all that they are. */
btk_tensor btk_cropped_to_ratio(btk *k, btk_tensor x, int64_t height, int64_t width);
btk_tensor btk_padded_to_ratio(btk *k, btk_tensor x, int64_t height, int64_t width, double value);
btk_tensor btk_bucketize(btk_call *c, btk_tensor x, const bt_json *boundaries);
btk_tensor btk_encoded(btk_call *c, btk_tensor x, int64_t depth, const char *mode, berth_dtype dtype,
                       btk_tensor weights);

/* keras_equalize.c */
void btk_equalize_tiles(btk_call *c);

/* keras_audio.c */
void btk_stft_spectrogram(btk_call *c), btk_mel_spectrogram(btk_call *c);
/* Windows of a signal x[..., time], `length` long and every `step`: [..., windows, length]. */
btk_tensor btk_frames(btk *k, btk_tensor x, int64_t length, int64_t step);
btk_tensor btk_mirrored(btk *k, btk_tensor x, int64_t n); /* n more at both ends of the last axis */
/* "hann" or "hamming", periodic, in the middle of `size` numbers, the others 0; any other: ones. */
void btk_taper(const char *name, int64_t length, int64_t size, double *out);
/* keras_operation_signal.c: of n numbers of the last axis, cut or with zeros behind: [..., n / 2 + 1], complex. */
btk_tensor btk_real_fourier(btk *k, btk_tensor x, int64_t n);

/* keras_text.c */
void btk_lookup(btk_call *c), btk_hashing(btk_call *c), btk_text_vectorization(btk_call *c);
void btk_hashed_crossing(btk_call *c);

/* keras_operation.c: operations in a model are layers whose class is the operation's. */
void btk_run_operation(btk_call *c);
bool btk_is_operation(const btk_layer *layer);
int btk_operation_flags(const btk_call *c); /* BTK_STEPS, BTK_PADDED or 0, for it and no other class */
/* keras_parts.c: members of ragged tensors in models of Keras 2: values, row_splits, row_lengths, to_tensor. */
void btk_ragged_member(btk_call *c);

btk_tensor btk_mask_of(const btk_call *c); /* the keyword "mask", or that of the input; dtype 0: none */

#endif
