/* Keras: the one table of classes of layers. A class is a row: its name, what builds it, how masks and dtypes
 * pass, and what a build function that serves several classes has to know ("2Max"). Names of all versions
 * stand side by side. */
#include "format/keras_layers.h"

static void refuse_lambda(btk_call *c)
{
    btk_unsupported(c->k, "a Lambda layer holds Python code, which berth does not run: export a SavedModel "
                          "instead (model.export)");
}

static void refuse_input(btk_call *c) { btk_damaged(c->k, "an InputLayer is called"); }

static void refuse_cell(btk_call *c) { btk_unsupported(c->k, "a cell is called by itself"); }

static const btk_class classes[] = {
    /* Models */
    {"Functional", btk_nested_model, BTK_OWN_MASK | BTK_NO_CAST | BTK_PARTS, NULL},
    {"Model", btk_nested_model, BTK_OWN_MASK | BTK_NO_CAST | BTK_PARTS, NULL},
    {"Sequential", btk_nested_model, BTK_OWN_MASK | BTK_NO_CAST | BTK_PARTS, NULL},
    {"InputLayer", refuse_input, 0, NULL},
    {"Lambda", refuse_lambda, 0, NULL},

    /* Functions of tf in a model of Keras 2 */
    {"TFOpLambda", btk_run_operation, BTK_NO_CAST, NULL},
    {"SlicingOpLambda", btk_run_operation, BTK_NO_CAST, NULL},
    {"InstanceMethod", btk_ragged_member, BTK_NO_CAST | BTK_PARTS, NULL},
    {"InstanceProperty", btk_ragged_member, BTK_NO_CAST | BTK_PARTS, NULL},

    /* Nothing, when a model is used */
    {"Dropout", btk_identity, BTK_MASK | BTK_SPARSE | BTK_STEPS, NULL},
    {"SpatialDropout1D", btk_identity, BTK_MASK | BTK_STEPS, NULL},
    {"SpatialDropout2D", btk_identity, BTK_MASK, NULL},
    {"SpatialDropout3D", btk_identity, BTK_MASK, NULL},
    {"AlphaDropout", btk_identity, BTK_MASK | BTK_SPARSE | BTK_STEPS, NULL},
    {"GaussianDropout", btk_identity, BTK_MASK | BTK_SPARSE | BTK_STEPS, NULL},
    {"GaussianNoise", btk_identity, BTK_MASK | BTK_SPARSE | BTK_STEPS, NULL},
    {"ActivityRegularization", btk_identity, BTK_MASK | BTK_STEPS, NULL},
    {"StochasticDepth", btk_identity, BTK_MASK, NULL},
    {"Identity", btk_identity, BTK_MASK | BTK_SPARSE | BTK_STEPS, NULL},

    /* Core */
    {"Dense", btk_dense, BTK_MASK | BTK_STEPS | BTK_FEATURES | BTK_PARTS, NULL},
    {"EinsumDense", btk_einsum_dense, BTK_MASK, NULL},
    {"TimeDistributedDense", btk_dense, BTK_MASK, NULL},
    {"Highway", btk_highway, BTK_MASK, NULL},
    {"MaxoutDense", btk_maxout_dense, 0, NULL},
    {"Embedding", btk_embedding, BTK_NO_CAST | BTK_OWN_MASK | BTK_SPARSE | BTK_STEPS, NULL},
    {"ReversibleEmbedding", btk_reversible_embedding, BTK_NO_CAST | BTK_OWN_MASK, NULL},
    {"Masking", btk_masking, BTK_OWN_MASK, NULL},

    /* Activations */
    {"Activation", btk_activation, BTK_MASK | BTK_STEPS | BTK_FEATURES, NULL},
    {"ReLU", btk_relu, BTK_MASK | BTK_STEPS, NULL},
    {"LeakyReLU", btk_leaky_relu, BTK_MASK | BTK_STEPS, NULL},
    {"PReLU", btk_prelu, BTK_MASK, NULL},
    {"SReLU", btk_srelu, BTK_MASK, NULL},
    {"ParametricSoftplus", btk_parametric_softplus, BTK_MASK, NULL},
    {"ELU", btk_elu, BTK_MASK | BTK_STEPS, NULL},
    {"ThresholdedReLU", btk_thresholded_relu, BTK_MASK | BTK_STEPS, NULL},
    {"Softmax", btk_softmax_layer, BTK_MASK | BTK_STEPS | BTK_FEATURES, NULL},

    /* Convolutions: spatial axes */
    {"Conv1D", btk_conv, 0, "1"},
    {"Conv2D", btk_conv, 0, "2"},
    {"Conv3D", btk_conv, 0, "3"},
    {"Convolution1D", btk_conv, 0, "1"},
    {"Convolution2D", btk_conv, 0, "2"},
    {"Convolution3D", btk_conv, 0, "3"},
    {"AtrousConvolution1D", btk_conv, 0, "1"},
    {"AtrousConvolution2D", btk_conv, 0, "2"},
    {"Conv1DTranspose", btk_conv_transpose, 0, "1"},
    {"Conv2DTranspose", btk_conv_transpose, 0, "2"},
    {"Conv3DTranspose", btk_conv_transpose, 0, "3"},
    {"Convolution2DTranspose", btk_conv_transpose, 0, "2"},
    {"Convolution1DTranspose", btk_conv_transpose, 0, "1"},
    {"Convolution3DTranspose", btk_conv_transpose, 0, "3"},
    {"Deconvolution2D", btk_deconvolution, 0, "2"},
    {"DepthwiseConv1D", btk_depthwise, 0, "1"},
    {"DepthwiseConv2D", btk_depthwise, 0, "2"},
    {"SeparableConv1D", btk_separable, 0, "1"},
    {"SeparableConv2D", btk_separable, 0, "2"},
    {"SeparableConvolution1D", btk_separable, 0, "1"},
    {"SeparableConvolution2D", btk_separable, 0, "2"},
    {"LocallyConnected1D", btk_locally_connected, 0, "1"},
    {"LocallyConnected2D", btk_locally_connected, 0, "2"},

    /* Pooling */
    {"MaxPooling1D", btk_pool, 0, "1Max"},
    {"MaxPooling2D", btk_pool, 0, "2Max"},
    {"MaxPooling3D", btk_pool, 0, "3Max"},
    {"AveragePooling1D", btk_pool, 0, "1Average"},
    {"AveragePooling2D", btk_pool, 0, "2Average"},
    {"AveragePooling3D", btk_pool, 0, "3Average"},
    {"GlobalMaxPooling1D", btk_global_pool, BTK_PADDED, "1Max"},
    {"GlobalMaxPooling2D", btk_global_pool, 0, "2Max"},
    {"GlobalMaxPooling3D", btk_global_pool, 0, "3Max"},
    {"GlobalAveragePooling1D", btk_global_pool, BTK_PADDED, "1Average"},
    {"GlobalAveragePooling2D", btk_global_pool, 0, "2Average"},
    {"GlobalAveragePooling3D", btk_global_pool, 0, "3Average"},
    {"AdaptiveAveragePooling1D", btk_adaptive_pool, 0, "1Average"},
    {"AdaptiveAveragePooling2D", btk_adaptive_pool, 0, "2Average"},
    {"AdaptiveAveragePooling3D", btk_adaptive_pool, 0, "3Average"},
    {"AdaptiveMaxPooling1D", btk_adaptive_pool, 0, "1Max"},
    {"AdaptiveMaxPooling2D", btk_adaptive_pool, 0, "2Max"},
    {"AdaptiveMaxPooling3D", btk_adaptive_pool, 0, "3Max"},

    /* Shapes */
    {"Flatten", btk_flatten, BTK_SPARSE, NULL},
    {"Reshape", btk_reshape_layer, BTK_SPARSE, NULL},
    {"Permute", btk_permute, 0, NULL},
    {"RepeatVector", btk_repeat_vector, 0, NULL},
    {"Cropping1D", btk_crop, 0, "1"},
    {"Cropping2D", btk_crop, 0, "2"},
    {"Cropping3D", btk_crop, 0, "3"},
    {"ZeroPadding1D", btk_zero_pad, 0, "1"},
    {"ZeroPadding2D", btk_zero_pad, 0, "2"},
    {"ZeroPadding3D", btk_zero_pad, 0, "3"},
    {"UpSampling1D", btk_upsample, 0, "1"},
    {"UpSampling2D", btk_upsample, 0, "2"},
    {"UpSampling3D", btk_upsample, 0, "3"},

    /* Normalisation */
    {"BatchNormalization", btk_batch_norm, BTK_MASK | BTK_STEPS | BTK_FEATURES, NULL},
    {"BatchNormalizationV1", btk_batch_norm, BTK_MASK, NULL},
    {"BatchNormalizationV2", btk_batch_norm, BTK_MASK, NULL},
    {"SyncBatchNormalization", btk_batch_norm, BTK_MASK, NULL},
    {"LayerNormalization", btk_layer_norm, BTK_MASK | BTK_STEPS | BTK_FEATURES, NULL},
    {"GroupNormalization", btk_group_norm, BTK_MASK, NULL},
    {"UnitNormalization", btk_unit_norm, BTK_MASK | BTK_STEPS | BTK_FEATURES, NULL},
    {"LayerScale", btk_layer_scale, 0, NULL},
    {"SpectralNormalization", btk_spectral_norm, 0, NULL},
    {"RMSNormalization", btk_rms_norm, BTK_MASK | BTK_STEPS | BTK_FEATURES, NULL},

    /* Recurrent; cells are called by their layer alone (keras_cell.c) */
    {"SimpleRNN", btk_rnn, BTK_OWN_MASK | BTK_PADDED, NULL},
    {"GRU", btk_rnn, BTK_OWN_MASK | BTK_PADDED, NULL},
    {"LSTM", btk_rnn, BTK_OWN_MASK | BTK_PADDED, NULL},
    {"RNN", btk_rnn, BTK_OWN_MASK | BTK_PADDED, NULL},
    {"ConvLSTM1D", btk_rnn, BTK_OWN_MASK, "1"},
    {"ConvLSTM2D", btk_rnn, BTK_OWN_MASK, "2"},
    {"ConvLSTM3D", btk_rnn, BTK_OWN_MASK, "3"},
    {"SimpleRNNCell", refuse_cell, 0, NULL},
    {"GRUCell", refuse_cell, 0, NULL},
    {"LSTMCell", refuse_cell, 0, NULL},
    {"StackedRNNCells", refuse_cell, 0, NULL},
    {"Bidirectional", btk_bidirectional, BTK_OWN_MASK | BTK_PADDED, NULL},
    {"TimeDistributed", btk_time_distributed, BTK_MASK | BTK_STEPS | BTK_FEATURES, NULL},

    /* Attention */
    {"Attention", btk_attention, BTK_OWN_MASK, NULL},
    {"AdditiveAttention", btk_attention, BTK_OWN_MASK, NULL},
    {"MultiHeadAttention", btk_multi_head, BTK_OWN_MASK, NULL},
    {"GroupedQueryAttention", btk_grouped_query, BTK_OWN_MASK, NULL},
    {"GroupQueryAttention", btk_grouped_query, BTK_OWN_MASK, NULL},

    /* Preprocessing */
    {"Rescaling", btk_rescaling, BTK_MASK | BTK_NO_CAST | BTK_STEPS, NULL},
    {"Normalization", btk_normalization, BTK_NO_CAST, NULL},
    {"Discretization", btk_discretization, BTK_NO_CAST | BTK_STEPS, NULL},
    {"CategoryEncoding", btk_category_encoding, BTK_NO_CAST | BTK_STEPS, NULL},
    {"Hashing", btk_hashing, BTK_NO_CAST | BTK_STEPS, NULL},
    {"HashedCrossing", btk_hashed_crossing, BTK_NO_CAST, NULL},
    {"StringLookup", btk_lookup, BTK_NO_CAST | BTK_STEPS, NULL},
    {"IntegerLookup", btk_lookup, BTK_NO_CAST | BTK_STEPS, NULL},
    {"TextVectorization", btk_text_vectorization, BTK_NO_CAST, NULL},
    {"STFTSpectrogram", btk_stft_spectrogram, 0, NULL},
    {"MelSpectrogram", btk_mel_spectrogram, 0, NULL},
    {"Resizing", btk_resizing, BTK_NO_CAST, NULL},
    {"CenterCrop", btk_center_crop, BTK_NO_CAST, NULL},
    {"RandomCrop", btk_center_crop, BTK_NO_CAST, NULL},
    {"RandomFlip", btk_random, BTK_NO_CAST, NULL},
    {"RandomRotation", btk_random, BTK_NO_CAST, NULL},
    {"RandomTranslation", btk_random, BTK_NO_CAST, NULL},
    {"RandomZoom", btk_random, BTK_NO_CAST, NULL},
    {"RandomContrast", btk_random, BTK_NO_CAST, "as it is"},
    {"RandomBrightness", btk_random, BTK_NO_CAST, "as it is"},
    {"RandomHeight", btk_random, BTK_NO_CAST, NULL},
    {"RandomWidth", btk_random, BTK_NO_CAST, NULL},
    {"RandomShear", btk_random, BTK_NO_CAST, NULL},
    {"RandomHue", btk_random, BTK_NO_CAST, "as it is"},
    {"RandomSaturation", btk_random, BTK_NO_CAST, "as it is"},
    {"RandomColorJitter", btk_random, BTK_NO_CAST, "as it is"},
    {"RandomColorDegeneration", btk_random, BTK_NO_CAST, "as it is"},
    {"RandomGrayscale", btk_random, BTK_NO_CAST, "as it is"},
    {"RandomPosterization", btk_random, BTK_NO_CAST, "as it is"},
    {"RandomSharpness", btk_random, BTK_NO_CAST, NULL},
    {"RandomInvert", btk_random, BTK_NO_CAST, "as it is"},
    {"RandomErasing", btk_random, BTK_NO_CAST, NULL},
    {"RandomPerspective", btk_random, BTK_NO_CAST, NULL},
    {"RandomElasticTransform", btk_random, BTK_NO_CAST, NULL},
    {"RandomGaussianBlur", btk_random, BTK_NO_CAST, NULL},
    {"MixUp", btk_random, BTK_NO_CAST, "as it is"},
    {"CutMix", btk_random, BTK_NO_CAST, NULL},
    {"AugMix", btk_random, BTK_NO_CAST, NULL},
    {"RandAugment", btk_random, BTK_NO_CAST, NULL},
    {"Equalization", btk_random, BTK_NO_CAST, NULL},
    {"ContrastLimitedAdaptiveHistogramEqualization", btk_equalize_tiles, BTK_NO_CAST, NULL},
    {"MaxNumBoundingBoxes", btk_random, BTK_NO_CAST, "as it is"},
    {"AutoContrast", btk_auto_contrast, BTK_NO_CAST, NULL},
    {"Pipeline", btk_pipeline, BTK_OWN_MASK | BTK_NO_CAST, NULL},
    {"Solarization", btk_random, BTK_NO_CAST, NULL},

    /* Merging: the op */
    {"Add", btk_merge, BTK_OWN_MASK | BTK_SPARSE | BTK_STEPS, "AddV2"},
    {"Subtract", btk_merge, BTK_OWN_MASK | BTK_SPARSE | BTK_STEPS, "Sub"},
    {"Multiply", btk_merge, BTK_OWN_MASK | BTK_SPARSE | BTK_STEPS, "Mul"},
    {"Average", btk_merge, BTK_OWN_MASK | BTK_SPARSE | BTK_STEPS, "Mean"},
    {"Maximum", btk_merge, BTK_OWN_MASK | BTK_SPARSE | BTK_STEPS, "Maximum"},
    {"Minimum", btk_merge, BTK_OWN_MASK | BTK_SPARSE | BTK_STEPS, "Minimum"},
    {"Concatenate", btk_concatenate, BTK_OWN_MASK | BTK_SPARSE | BTK_STEPS | BTK_FEATURES, NULL},
    {"Dot", btk_dot, BTK_SPARSE, NULL},
    {"Merge", btk_merge_old, BTK_OWN_MASK, NULL},
    {"CustomScaleLayer", btk_custom_scale, 0, NULL},
    {"Custom>CustomScaleLayer", btk_custom_scale, 0, NULL}, /* as Keras 2 registers it */
};

/* An operation is no class of layers, though some have the names of one ("Add"). */
static const btk_class operation = {"", btk_run_operation, BTK_NO_CAST | BTK_SPARSE, NULL};

const btk_class *btk_class_find(const btk_layer *layer)
{
    if (btk_is_operation(layer)) return &operation;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (!strcmp(classes[i].name, layer->class_name)) return &classes[i];
    return NULL;
}
