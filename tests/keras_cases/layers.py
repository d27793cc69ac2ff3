"""Built-in layers of Keras 3: draws of each class, by its name. `d` makes the inputs and chooses (tests/keras_layers.py). Not
operations: operations.py. What berth refuses stands in refused.py."""
import keras
import numpy as np
from keras import layers as L

LAYERS = {}
NUMBERS, SERIES, IMAGE, VOLUME = (3, 6), (2, 7, 4), (2, 9, 8, 3), (2, 6, 5, 6, 2)
SPACES = {1: SERIES, 2: IMAGE, 3: VOLUME}


def add(names, draw):
    for name in names.split():
        LAYERS.setdefault(name, []).append(draw(name))


def layer(names, shape, **options):
    """Layers of one input; an option that is a tuple is one of several."""
    def make(name):
        def draw(d):
            chosen = {k: d.pick(*v) if isinstance(v, tuple) else v for k, v in options.items()}
            return getattr(L, name)(**{k: v for k, v in chosen.items() if v != "default"})(d.x(*shape))
        return draw
    add(names, make)


# ---- Core -----------------------------------------------------------------------------------------------

ACTIVATIONS = ("elu", "gelu", "selu", "mish", "silu", "hard_sigmoid", "hard_silu", "log_softmax", "softplus", "softsign", "exponential",
               "leaky_relu", "relu6", "celu", "glu", "hard_shrink", "soft_shrink", "sparse_plus", "sparsemax", "squareplus",
               "tanh_shrink", "threshold", "log_sigmoid", "hard_tanh", "sparse_sigmoid", "linear", "tanh", "sigmoid", "relu", "softmax")
layer("Dense", NUMBERS, units=4, activation=ACTIVATIONS, use_bias=(True, False))
layer("Dense", SERIES, units=3, activation=(None, "relu"))
add("Dense", lambda _: lambda d: (L.Dense(3, dtype=d.pick("float64", "mixed_float16", "bfloat16", "float16"))(d.x(*NUMBERS)), {"close": 3e-2}))
layer("EinsumDense", SERIES, equation="abc,cd->abd", output_shape=[None, 5], bias_axes=(None, "d"))
layer("EinsumDense", NUMBERS, equation="ab,bc->ac", output_shape=4, bias_axes=("c", None), activation="relu")
layer("EinsumDense", SERIES, equation="...x,xy->...y", output_shape=5, bias_axes="y")
layer("Activation", SERIES, activation=ACTIVATIONS)
layer("Identity Dropout GaussianDropout GaussianNoise AlphaDropout", SERIES, **{})
LAYERS["Dropout"] = [lambda d: L.Dropout(d.pick(0.2, 0.5))(d.x(*SERIES))]
LAYERS["GaussianDropout"] = [lambda d: L.GaussianDropout(0.3)(d.x(*SERIES))]
LAYERS["GaussianNoise"] = [lambda d: L.GaussianNoise(0.3)(d.x(*SERIES))]
LAYERS["AlphaDropout"] = [lambda d: L.AlphaDropout(0.3)(d.x(*SERIES))]
for n in (1, 2, 3):
    layer(f"SpatialDropout{n}D", SPACES[n], rate=0.3)
layer("ActivityRegularization", SERIES, l1=0.1)
add("Embedding", lambda _: lambda d: L.Embedding(9, 4, mask_zero=d.flag())(d.i(2, 5, high=9)))
add("Embedding", lambda _: lambda d: L.GlobalAveragePooling1D()(L.Embedding(9, 4, mask_zero=True)(d.i(2, 5, high=4))))
add("ReversibleEmbedding", lambda _: lambda d: L.ReversibleEmbedding(9, 4, tie_weights=d.flag())(d.i(2, 5, high=9)))
layer("Masking", SERIES, mask_value=(0.0, 1.0))
layer("Flatten", IMAGE, data_format=("channels_last", "channels_first"))
layer("Reshape", SERIES, target_shape=((4, 7), (-1, 2), (2, -1, 2)))
layer("Permute", SERIES, dims=((2, 1), (1, 2)))
layer("RepeatVector", NUMBERS, n=(2, 3))
layer("ReLU", SERIES, max_value=(None, 1.0), negative_slope=(0.0, 0.1), threshold=(0.0, 0.2))
layer("LeakyReLU", SERIES, negative_slope=(0.3, 0.01))
layer("PReLU", IMAGE, shared_axes=(None, [1], [1, 2]))
layer("ELU", SERIES, alpha=(1.0, 0.3))
layer("Softmax", SERIES, axis=(-1, 1, [1, 2]))

# ---- Convolutions and pools -----------------------------------------------------------------------------

FORMATS = ("channels_last", "channels_first")
WINDOW = ({}, {"strides": 2}, {"dilation_rate": 2})


def window(d):
    return {**d.pick(*WINDOW), "padding": d.pick("valid", "same"), "data_format": d.pick(*FORMATS)}


for n in (1, 2, 3):
    add(f"Conv{n}D", lambda name, n=n: lambda d: getattr(L, name)(4, 3, use_bias=d.flag(), activation=d.pick(None, "relu"),
                                                                 **window(d))(d.x(*SPACES[n])))
    add(f"Conv{n}DTranspose", lambda name, n=n: lambda d: getattr(L, name)(4, 3, **window(d))(d.x(*SPACES[n])))
    add(f"Conv{n}DTranspose", lambda name, n=n: lambda d: getattr(L, name)(4, 3, strides=2, output_padding=1,
                                                                          padding=d.pick("valid", "same"))(d.x(*SPACES[n])))
    layer(f"MaxPooling{n}D AveragePooling{n}D", SPACES[n], pool_size=(2, 3), strides=(None, 1, 2), padding=("valid", "same"),
          data_format=("channels_last",) if n == 3 else FORMATS)
    layer(f"GlobalMaxPooling{n}D GlobalAveragePooling{n}D", SPACES[n], keepdims=(True, False), data_format=FORMATS)
    layer(f"AdaptiveMaxPooling{n}D AdaptiveAveragePooling{n}D", SPACES[n], output_size=(2, 3), data_format=FORMATS)
for n in (1, 2):
    add(f"DepthwiseConv{n}D", lambda name, n=n: lambda d: getattr(L, name)(3, depth_multiplier=d.pick(1, 2), **window(d))(d.x(*SPACES[n])))
    add(f"SeparableConv{n}D", lambda name, n=n: lambda d: getattr(L, name)(4, 3, depth_multiplier=d.pick(1, 2), **window(d))(d.x(*SPACES[n])))
layer("Conv1D", SERIES, filters=4, kernel_size=3, padding="causal", dilation_rate=(1, 2), groups=(1, 2))
layer("Conv2D", (2, 9, 8, 6), filters=6, kernel_size=((3, 2), (1, 5)), groups=(1, 3), strides=((1, 1), (2, 1)))
layer("ZeroPadding1D", SERIES, padding=(1, (1, 2)))
layer("ZeroPadding2D", IMAGE, padding=(1, ((1, 2), (0, 3))), data_format=FORMATS)
layer("ZeroPadding3D", VOLUME, padding=(2, ((1, 2), (0, 3), (1, 1))), data_format=FORMATS)
layer("Cropping1D", SERIES, cropping=(1, (1, 2)))
layer("Cropping2D", IMAGE, cropping=(1, ((1, 2), (0, 1))), data_format=("channels_last",))
layer("Cropping3D", (2, 6, 6, 6, 5), cropping=(1, ((1, 2), (0, 3), (1, 1))), data_format=FORMATS)
layer("UpSampling1D", SERIES, size=(2, 3))
layer("UpSampling2D", IMAGE, size=(2, (2, 3)), interpolation=("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"),
      data_format=FORMATS)
layer("UpSampling3D", VOLUME, size=(2, (1, 2, 3)), data_format=FORMATS)

# ---- Normalisation --------------------------------------------------------------------------------------

layer("BatchNormalization", IMAGE, axis=(-1, 1), scale=(True, False), center=(True, False), epsilon=(1e-3, 1e-2))
layer("LayerNormalization", IMAGE, axis=(-1, 1, [1, 2], [2, 3]), scale=(True, False), center=(True, False))
layer("RMSNormalization", SERIES, axis=(-1, [1, 2]), epsilon=(1e-6, 1e-3))
layer("UnitNormalization", SERIES, axis=(-1, 1))
layer("GroupNormalization", (2, 9, 6, 4), groups=(1, 2, -1, 4), scale=(True, False))
add("SpectralNormalization", lambda _: lambda d: d.pick(
    lambda: L.SpectralNormalization(L.Dense(4))(d.x(*NUMBERS)), lambda: L.SpectralNormalization(L.Conv2D(4, 3), power_iterations=2)(d.x(*IMAGE)))())

# ---- Recurrent ------------------------------------------------------------------------------------------

RECURRENT = ({}, {"return_sequences": True}, {"return_state": True}, {"go_backwards": True, "return_sequences": True}, {"unroll": True},
             {"activation": "relu", "use_bias": False}, {"dropout": 0.3, "recurrent_dropout": 0.2})
add("SimpleRNN GRU LSTM", lambda name: lambda d: getattr(L, name)(3, **d.pick(*RECURRENT))(d.x(*SERIES)))
add("SimpleRNN GRU LSTM", lambda name: lambda d: getattr(L, name)(3, return_sequences=d.flag(), zero_output_for_mask=d.flag())(
    L.Masking()(d.given(np.pad(d.numbers((2, 4, 4), "normal"), ((0, 0), (0, 3), (0, 0)))))))
add("GRU", lambda _: lambda d: L.GRU(3, reset_after=False, return_sequences=True)(d.x(*SERIES)))
add("RNN", lambda _: lambda d: L.RNN(d.pick(L.SimpleRNNCell, L.GRUCell, L.LSTMCell)(3), return_sequences=d.flag())(d.x(*SERIES)))
add("RNN", lambda _: lambda d: L.RNN([L.LSTMCell(3), L.GRUCell(2)], return_sequences=d.flag())(d.x(*SERIES)))
add("ConvLSTM1D", lambda name: lambda d: L.ConvLSTM1D(2, 3, padding=d.pick("valid", "same"), return_sequences=d.flag())(d.x(2, 3, 7, 2)))
add("ConvLSTM2D", lambda name: lambda d: L.ConvLSTM2D(2, 3, padding=d.pick("valid", "same"), strides=d.pick(1, 2))(d.x(2, 3, 7, 6, 2)))
add("ConvLSTM3D", lambda name: lambda d: L.ConvLSTM3D(2, 2, padding="same", return_sequences=d.flag())(d.x(2, 3, 4, 3, 4, 2)))
add("Bidirectional", lambda _: lambda d: L.Bidirectional(d.pick(L.LSTM, L.GRU)(3, return_sequences=d.flag()),
                                                         merge_mode=d.pick("concat", "sum", "mul", "ave", None))(d.x(*SERIES)))
add("TimeDistributed", lambda _: lambda d: d.pick(lambda: L.TimeDistributed(L.Dense(3))(d.x(*SERIES)),
                                                  lambda: L.TimeDistributed(L.Conv2D(3, 2))(d.x(2, 3, 6, 5, 2)))())

# ---- Attention and merging ------------------------------------------------------------------------------

add("Attention", lambda _: lambda d: L.Attention(use_scale=d.flag(), score_mode=d.pick("dot", "concat"))([d.x(2, 5, 4), d.x(2, 7, 4)]))
add("AdditiveAttention", lambda _: lambda d: L.AdditiveAttention(use_scale=d.flag())([d.x(2, 5, 4), d.x(2, 7, 4)]))
add("MultiHeadAttention", lambda _: lambda d: L.MultiHeadAttention(2, 3, value_dim=d.pick(None, 5), use_bias=d.flag())(
    d.x(2, 5, 4), d.x(2, 5, 4), use_causal_mask=d.flag()))
add("GroupedQueryAttention", lambda _: lambda d: L.GroupQueryAttention(3, 4, 2, use_bias=d.flag())(d.x(2, 5, 4), d.x(2, 7, 4)))
add("Add Multiply Average Maximum Minimum", lambda name: lambda d: getattr(L, name)()([d.x(2, 3, 4), d.x(2, 3, 4), d.fixed(1, 3, 4)]))
add("Subtract", lambda _: lambda d: L.Subtract()([d.x(2, 3, 4), d.x(2, 3, 4)]))
add("Concatenate", lambda _: lambda d: L.Concatenate(axis=d.pick(1, -1))([d.x(2, 3, 4), d.x(2, 3, 4)]))
add("Dot", lambda _: lambda d: L.Dot(axes=d.pick(2, (2, 2), -1), normalize=d.flag())([d.x(2, 3, 4), d.x(2, 5, 4)]))

# ---- Preprocessing --------------------------------------------------------------------------------------

PICTURE = (2, 9, 8, 3)
WORDS = np.array([["a", "b", "z"], ["c", "a", "a"]])
layer("Rescaling", IMAGE, scale=(0.5, 1 / 255.0), offset=(0.0, -1.0))


def normalised(d):
    made = L.Normalization(axis=d.pick(-1, None, 1), invert=d.flag())
    made.adapt(d.numbers(SERIES, "normal"))
    return made(d.x(*SERIES))


add("Normalization", lambda _: normalised)
add("Normalization", lambda _: lambda d: L.Normalization(mean=0.5, variance=2.0)(d.x(*SERIES)))
add("Discretization", lambda _: lambda d: L.Discretization(bin_boundaries=[-1.0, 0.0, 0.5], output_mode=d.pick("int", "one_hot", "multi_hot", "count"))(d.x(3, 4)))


def discretised(d):
    made = L.Discretization(num_bins=4)
    made.adapt(d.numbers((50,), "normal"))
    return made(d.x(3, 4))


add("Discretization", lambda _: discretised)
add("CategoryEncoding", lambda _: lambda d: L.CategoryEncoding(6, output_mode=d.pick("multi_hot", "count", "one_hot"))(d.i(3, 1)))
add("Hashing", lambda _: lambda d: L.Hashing(5, salt=d.pick(None, 7, [3, 4]))(d.pick(lambda: d.given(WORDS), lambda: d.i(2, 3, dtype=np.int64))()))
add("HashedCrossing", lambda _: lambda d: L.HashedCrossing(7, output_mode=d.pick("int", "one_hot"))((d.given(WORDS[:, :1]), d.i(2, 1, dtype=np.int64))))
add("StringLookup", lambda _: lambda d: L.StringLookup(vocabulary=["a", "b", "c"], output_mode=d.pick("int", "multi_hot", "count"),
                                                       num_oov_indices=d.pick(1, 2))(d.given(WORDS)))
add("StringLookup", lambda _: lambda d: L.StringLookup(vocabulary=["a", "b", "c"], invert=True)(d.i(2, 3, high=4, dtype=np.int64)))
add("IntegerLookup", lambda _: lambda d: L.IntegerLookup(vocabulary=[3, 5, 7], mask_token=d.pick(None, 0), output_mode=d.pick("int", "multi_hot"))(
    d.i(2, 4, high=9, dtype=np.int64)))
add("TextVectorization", lambda _: lambda d: L.TextVectorization(
    vocabulary=["the", "cat", "sat", "the cat"], ngrams=d.pick(None, 2), output_mode=d.pick("int", "multi_hot", "count"))(
        d.given(np.array([["The cat sat!"], ["a cat"]]))))
add("STFTSpectrogram", lambda _: lambda d: L.STFTSpectrogram(mode=d.pick("log", "magnitude", "psd", "real", "stft"), frame_length=16, frame_step=8,
                                                             fft_length=d.pick(16, 32))(d.x(2, 64, 1)))
add("MelSpectrogram", lambda _: lambda d: (L.MelSpectrogram(fft_length=64, sequence_stride=32, num_mel_bins=8, sampling_rate=8000)(d.x(2, 200)), {"close": 1e-3}))
layer("Resizing", PICTURE, height=(4, 12), width=(6, 11), interpolation=("bilinear", "nearest", "bicubic", "lanczos3"),
      crop_to_aspect_ratio=(True, False), antialias=(True, False), data_format=("channels_last",))
layer("CenterCrop", PICTURE, height=(4, 7), width=5)
layer("RandomFlip RandomContrast RandomBrightness RandomSaturation RandomRotation RandomShear RandomZoom RandomTranslation RandomHue "
      "RandomColorJitter RandomColorDegeneration RandomGrayscale RandomPosterization RandomSharpness RandomInvert RandomErasing "
      "RandomPerspective RandomElasticTransform RandomGaussianBlur MixUp CutMix AugMix RandAugment Solarization RandomCrop", PICTURE)
ARGUMENTS = {"RandomContrast": {"factor": 0.2}, "RandomBrightness": {"factor": 0.2}, "RandomSaturation": {"factor": 0.5},
             "RandomRotation": {"factor": 0.1}, "RandomZoom": {"height_factor": 0.1}, "RandomTranslation": {"height_factor": 0.1, "width_factor": 0.1},
             "RandomHue": {"factor": 0.1}, "RandomColorDegeneration": {"factor": 0.3}, "RandomPosterization": {"factor": 4},
             "RandomSharpness": {"factor": 0.3}, "RandomCrop": {"height": 5, "width": 5}}
for one, options in ARGUMENTS.items():
    LAYERS[one] = []
    layer(one, PICTURE, **options)
add("AutoContrast", lambda _: lambda d: L.AutoContrast(value_range=(0, 255))(d.given(
    d.rng.integers(0, 256, PICTURE).astype(np.float32))))
add("AutoContrast", lambda _: lambda d: L.AutoContrast(value_range=(0, 1))(d.x(*PICTURE, like="share")))
add("MaxNumBoundingBoxes", lambda _: lambda d: L.MaxNumBoundingBoxes(3)(d.x(*PICTURE)))
add("ContrastLimitedAdaptiveHistogramEqualization", lambda _: lambda d: L.ContrastLimitedAdaptiveHistogramEqualization(
    tile_grid_size=d.pick((2, 3), (1, 1), (4, 4)), clip_limit=d.pick(4.0, 1.5, 0.0))(d.given(d.rng.integers(0, 256, (2, 17, 18, 3)).astype(d.pick(np.float32, np.int32)))))
add("ContrastLimitedAdaptiveHistogramEqualization", lambda _: lambda d: L.ContrastLimitedAdaptiveHistogramEqualization(
    value_range=(0, 1), data_format=d.pick("channels_last", "channels_first"), tile_grid_size=(2, 2))(d.x(2, 8, 9, 8, like="share")))
add("Pipeline", lambda _: lambda d: L.Pipeline([L.Rescaling(0.5), L.RandomFlip(), L.CenterCrop(5, 5)])(d.x(*PICTURE)))

# ---- Sparse and ragged tensors --------------------------------------------------------------------------

add("Dense", lambda _: lambda d: L.Dense(4, activation="relu")(d.sparse(3, 5)))
add("Identity", lambda _: lambda d: L.Identity()(d.sparse(3, 5)))
add("Reshape", lambda _: lambda d: L.Dense(3)(L.Reshape((6,))(d.sparse(3, 2, 3))))
add("Add Multiply Average Maximum Minimum Concatenate", lambda name: lambda d: getattr(L, name)()([d.sparse(3, 5), d.sparse(3, 5)]))
add("Dropout", lambda _: lambda d: L.Dropout(0.5)(d.sparse(3, 5)))

add("CategoryEncoding", lambda _: lambda d: L.CategoryEncoding(6, output_mode=d.pick("multi_hot", "count"), sparse=True)(d.i(3, 4)))
add("StringLookup", lambda _: lambda d: L.StringLookup(vocabulary=["a", "b"], output_mode="multi_hot", sparse=True)(d.given(WORDS)))


def tokens(d, empty=False):
    return d.ragged(3, d.rng.integers(0, 6, 9).astype(np.int32), empty)


def steps(d, empty=False):
    return d.ragged(3, d.numbers((9, 4), "normal"), empty)


add("Embedding", lambda _: lambda d: L.Embedding(6, 3)(tokens(d, True)))
add("GlobalAveragePooling1D GlobalMaxPooling1D", lambda name: lambda d: getattr(L, name)(keepdims=d.flag())(L.Embedding(6, 3)(tokens(d))))
add("GlobalAveragePooling1D GlobalMaxPooling1D", lambda name: lambda d: getattr(L, name)()(steps(d, True)))
add("Activation", lambda _: lambda d: L.Activation(d.pick("relu", "tanh", "softmax"))(steps(d)))
add("Softmax LayerNormalization BatchNormalization", lambda name: lambda d: getattr(L, name)()(steps(d, True)))
add("Rescaling", lambda _: lambda d: L.Rescaling(2.0, 1.0)(steps(d)))


def together(name):
    def draw(d):
        x = steps(d, True)
        return getattr(L, name)()([x, L.Dropout(0.5)(x)])
    return draw


add("Add Multiply Average Maximum Minimum Concatenate", together)

# ---- Quantized weights ----------------------------------------------------------------------------------

def ways(d, *more):
    """Of weights that are quantized: bytes, half bytes in blocks or not, with inputs as bytes or as they are."""
    four, at_once = keras.quantizers.Int4QuantizationConfig, keras.quantizers.AbsMaxQuantizer
    return {"quantize": d.pick("int8", "int4", four(block_size=-1), four(block_size=2), four(block_size=None, activation_quantizer=at_once(axis=-1)), *more)}


def quantized(names, make):
    add(names, lambda _: lambda d: (make(d), ways(d, "float8")))


quantized("Dense", lambda d: L.Dense(d.pick(4, 5), activation="relu", use_bias=d.flag())(d.pick(lambda: d.x(*NUMBERS), lambda: d.x(*SERIES))()))
quantized("EinsumDense", lambda d: L.EinsumDense("abc,cde->abde", output_shape=(None, 3, 5), bias_axes=d.pick(None, "de"))(d.x(*SERIES)))
quantized("EinsumDense", lambda d: L.EinsumDense("abcd,cde->abe", output_shape=(None, 3), bias_axes="e")(d.x(2, 5, 3, 4)))
add("Embedding", lambda _: lambda d: (L.Embedding(9, d.pick(4, 5))(d.i(2, 5, high=9)), ways(d)))
add("ReversibleEmbedding", lambda _: lambda d: (L.ReversibleEmbedding(9, d.pick(4, 5))(d.i(2, 5, high=9)), ways(d)))
add("ReversibleEmbedding", lambda _: lambda d: (L.ReversibleEmbedding(9, 5, logit_soft_cap=d.pick(None, 2.0))(d.x(2, 3, 5), reverse=True), ways(d)))
