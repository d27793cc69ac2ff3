"""Models of Keras 1.2: every layer with its options, and the ways in which models join. Run by tests/keras_first.py. Later versions:
layers.py, legacy.py. Left out: options that Keras 1.2 does not write into the file (dim_ordering of paddings, croppings and
upsamplings by themselves), masks that it can't join."""
import numpy as np
from keras.engine import InputLayer
from keras.layers import *  # noqa: F403
from keras.layers import advanced_activations as A
from keras.layers.convolutional_recurrent import ConvLSTM2D
from keras.layers.local import LocallyConnected1D, LocallyConnected2D
from keras.models import Model, Sequential

# ruff: noqa: F405
RNG = np.random.default_rng(1)


def numbers(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def tokens(high=3):
    return RNG.integers(0, high, (2, 5)).astype(np.float32)


def chain(*layers):
    """A Sequential of what these make."""
    def make():
        model = Sequential()
        for layer in layers:
            model.add(layer())
        return model
    return make


ROWS, SERIES, IMAGE, VOLUME = numbers(3, 6), numbers(2, 7, 4), numbers(2, 9, 8, 3), numbers(2, 6, 5, 6, 2)
MASKED = numbers(2, 7, 4) * RNG.integers(0, 2, (2, 7, 1)).astype(np.float32)


def branch(width=6, units=4):
    return chain(lambda: Dense(units, input_dim=width))()


def graph(width=6, units=4):
    x = Input(shape=(width,))
    return Model(x, Dense(units)(x))


def plain_layers(one):
    for kind in ("softmax", "softplus", "softsign", "relu", "tanh", "sigmoid", "hard_sigmoid", "linear", "elu"):
        one(f"Activation {kind}", lambda kind=kind, **k: Activation(kind, **k), ROWS)
    one("Activation of steps", lambda **k: Activation("softmax", **k), SERIES)
    for bias in (True, False):
        one(f"Dense {bias}", lambda bias=bias, **k: Dense(4, bias=bias, activation="tanh", **k), ROWS)
        one(f"MaxoutDense {bias}", lambda bias=bias, **k: MaxoutDense(4, nb_feature=3, bias=bias, **k), ROWS)
        one(f"Highway {bias}", lambda bias=bias, **k: Highway(activation="relu", bias=bias, **k), ROWS)
        one(f"TimeDistributedDense {bias}", lambda bias=bias, **k: TimeDistributedDense(4, bias=bias, activation="relu", **k), SERIES)
    one("Dense of steps", lambda **k: Dense(4, **k), SERIES)
    one("ActivityRegularization", lambda **k: ActivityRegularization(l1=0.1, **k), ROWS)
    one("Dropout", lambda **k: Dropout(0.3, **k), ROWS)
    one("SpatialDropout1D", lambda **k: SpatialDropout1D(0.3, **k), SERIES)
    one("SpatialDropout2D", lambda **k: SpatialDropout2D(0.3, **k), IMAGE)
    one("SpatialDropout3D", lambda **k: SpatialDropout3D(0.3, **k), VOLUME)
    one("GaussianNoise", lambda **k: GaussianNoise(0.3, **k), ROWS)
    one("GaussianDropout", lambda **k: GaussianDropout(0.3, **k), ROWS)
    one("Reshape", lambda **k: Reshape((-1, 2), **k), SERIES)
    one("Permute", lambda **k: Permute((2, 1), **k), SERIES)
    one("Flatten", lambda **k: Flatten(**k), IMAGE)
    one("RepeatVector", lambda **k: RepeatVector(3, **k), ROWS)
    one("PReLU", lambda **k: A.PReLU(**k), IMAGE)
    one("PReLU shared", lambda **k: A.PReLU(shared_axes=[1, 2], **k), IMAGE)
    one("SReLU", lambda **k: A.SReLU(**k), IMAGE)
    one("SReLU shared", lambda **k: A.SReLU(shared_axes=[1], **k), IMAGE)
    one("LeakyReLU", lambda **k: A.LeakyReLU(0.2, **k), ROWS)
    one("ELU", lambda **k: A.ELU(0.7, **k), ROWS)
    one("ParametricSoftplus", lambda **k: A.ParametricSoftplus(0.3, 0.8, **k), ROWS)
    one("ParametricSoftplus shared", lambda **k: A.ParametricSoftplus(0.3, 0.8, shared_axes=[1, 2], **k), IMAGE)
    one("ThresholdedReLU", lambda **k: A.ThresholdedReLU(0.5, **k), ROWS)
    for mode in (0, 1, 2):
        one(f"BatchNormalization {mode}", lambda mode=mode, **k: BatchNormalization(mode=mode, epsilon=0.01, **k), ROWS)


def images(one, border, order):
    first = order == "th"
    image = IMAGE.transpose(0, 3, 1, 2).copy() if first else IMAGE
    volume = VOLUME.transpose(0, 4, 1, 2, 3).copy() if first else VOLUME
    said = {"border_mode": border, "dim_ordering": order}
    name = f"{border} {order}"
    one(f"Convolution2D {name}", lambda **k: Convolution2D(4, 3, 2, subsample=(2, 1), activation="relu", **said, **k), image)
    one(f"AtrousConvolution2D {name}", lambda **k: AtrousConvolution2D(4, 3, 3, atrous_rate=(2, 2), **said, **k), image)
    one(f"SeparableConvolution2D {name}", lambda **k: SeparableConvolution2D(4, 3, 3, depth_multiplier=2, **said, **k), image)
    one(f"Convolution3D {name}", lambda **k: Convolution3D(4, 3, 2, 2, subsample=(2, 1, 1), **said, **k), volume)
    sizes = (18, 16) if border == "same" else (19, 17)
    shape = (None, 4, *sizes) if first else (None, *sizes, 4)
    one(f"Deconvolution2D {name}", lambda **k: Deconvolution2D(4, 3, 3, (2, *shape[1:]), subsample=(2, 2), **said, **k), image)
    for kind, axes in ((MaxPooling2D, 2), (AveragePooling2D, 2), (MaxPooling3D, 3), (AveragePooling3D, 3)):
        one(f"{kind.__name__} {name}", lambda kind=kind, axes=axes, **k: kind(
            pool_size=(2, 3, 2)[:axes], strides=(1, 2, 1)[:axes], **said, **k), image if axes == 2 else volume)
    for kind, x in ((GlobalMaxPooling2D, image), (GlobalAveragePooling2D, image), (GlobalMaxPooling3D, volume), (GlobalAveragePooling3D, volume)):
        one(f"{kind.__name__} {order}", lambda kind=kind, **k: kind(dim_ordering=order, **k), x)
    one(f"LocallyConnected2D {order}", lambda **k: LocallyConnected2D(4, 3, 2, subsample=(2, 1), dim_ordering=order, **k), image)
    one(f"BatchNormalization {order}", lambda **k: BatchNormalization(axis=1 if first else -1, **k), image)
    film = numbers(2, 3, 2, 7, 6) if first else numbers(2, 3, 7, 6, 2)
    for sequences in (True, False):
        one(f"ConvLSTM2D {name} {sequences}", lambda sequences=sequences, **k: ConvLSTM2D(2, 3, 3, return_sequences=sequences, **said, **k), film)


def frames(one):
    one("UpSampling1D", lambda **k: UpSampling1D(3, **k), SERIES)
    one("UpSampling2D", lambda **k: UpSampling2D((2, 3), **k), IMAGE)
    one("UpSampling3D", lambda **k: UpSampling3D((2, 1, 2), **k), VOLUME)
    for n, padding in enumerate((2, (1, 2), {"left_pad": 1})):
        one(f"ZeroPadding1D {n}", lambda padding=padding, **k: ZeroPadding1D(padding, **k), SERIES)
    for n, padding in enumerate(((1, 2), {"top_pad": 1, "left_pad": 2}, (1, 2, 3, 0))):
        one(f"ZeroPadding2D {n}", lambda padding=padding, **k: ZeroPadding2D(padding, **k), IMAGE)
    one("ZeroPadding3D", lambda **k: ZeroPadding3D((1, 2, 1), **k), VOLUME)
    one("Cropping1D", lambda **k: Cropping1D((1, 2), **k), SERIES)
    one("Cropping2D", lambda **k: Cropping2D(((1, 2), (0, 1)), **k), IMAGE)
    one("Cropping3D", lambda **k: Cropping3D(((1, 2), (0, 1), (1, 1)), **k), VOLUME)
    one("GlobalMaxPooling1D", lambda **k: GlobalMaxPooling1D(**k), SERIES)
    one("GlobalAveragePooling1D", lambda **k: GlobalAveragePooling1D(**k), SERIES)
    one("LocallyConnected1D", lambda **k: LocallyConnected1D(4, 3, subsample_length=2, **k), SERIES)
    for border in ("valid", "same"):
        one(f"Convolution1D {border}", lambda border=border, **k: Convolution1D(4, 3, border_mode=border, subsample_length=2, **k), SERIES)
        one(f"AtrousConvolution1D {border}", lambda border=border, **k: AtrousConvolution1D(
            4, 3, border_mode=border, atrous_rate=2, bias=False, **k), SERIES)
        one(f"MaxPooling1D {border}", lambda border=border, **k: MaxPooling1D(3, stride=2, border_mode=border, **k), SERIES)
        one(f"AveragePooling1D {border}", lambda border=border, **k: AveragePooling1D(2, border_mode=border, **k), SERIES)


def recurrent(check, one):
    ways = ({}, {"return_sequences": True}, {"go_backwards": True}, {"go_backwards": True, "return_sequences": True}, {"unroll": True},
            {"consume_less": "mem"}, {"consume_less": "gpu"}, {"activation": "relu"}, {"dropout_W": 0.2, "dropout_U": 0.1})
    for kind in (SimpleRNN, GRU, LSTM):
        name = kind.__name__
        for n, way in enumerate(ways + (() if kind is SimpleRNN else ({"inner_activation": "sigmoid"},))):
            one(f"{name} {n}", lambda way=way, kind=kind, **k: kind(3, **way, **k), SERIES)
        check(f"{name} stateful", chain(lambda kind=kind: kind(3, stateful=True, batch_input_shape=(2, 7, 4))), SERIES)
        check(f"Embedding {name}", chain(lambda: Embedding(9, 4, input_length=5, mask_zero=True, dropout=0.2), lambda kind=kind: kind(3)), tokens())
        check(f"Embedding {name} sequences", chain(lambda: Embedding(9, 4, mask_zero=True), lambda kind=kind: kind(3, return_sequences=True),
                                                   lambda: TimeDistributed(Dense(2))), tokens())
        for mode in ("sum", "mul", "ave", "concat"):
            for sequences in (True, False):
                check(f"Bidirectional {name} {mode} {sequences}", chain(lambda kind=kind, mode=mode, sequences=sequences: Bidirectional(
                    kind(3, return_sequences=sequences), merge_mode=mode, input_shape=(7, 4))), SERIES)
    check("Embedding of any length", chain(lambda: Embedding(9, 4)), tokens(9))
    one("TimeDistributed Dense", lambda **k: TimeDistributed(Dense(3), **k), SERIES)
    one("TimeDistributed Convolution2D", lambda **k: TimeDistributed(Convolution2D(3, 2, 2), **k), numbers(2, 3, 6, 5, 2))
    check("TimeDistributed model", chain(lambda: TimeDistributed(branch(4, 3), input_shape=(7, 4)), lambda: LSTM(2)), SERIES)
    check("Masking", chain(lambda: Masking(0.0, input_shape=(7, 4)), lambda: TimeDistributed(Dense(3)), lambda: LSTM(2)), MASKED)
    check("Masking Bidirectional", chain(lambda: Masking(0.0, input_shape=(7, 4)), lambda: Bidirectional(LSTM(3, return_sequences=True)),
                                         lambda: Bidirectional(GRU(2))), MASKED)


def joined(*models, mode="concat", axes=-1, last=lambda: Dense(2)):
    """A Sequential that begins with a Merge of models."""
    return chain(lambda: Merge([make() for make in models], mode=mode, dot_axes=axes), last)


def pair():
    a, b = Input(shape=(6,)), Input(shape=(6,))
    return Model([a, b], merge([Dense(4)(a), Dense(4)(b)], mode="sum"))


def of_function(mode, shape, axes=-1, axis=-1):
    def make():
        a, b = Input(shape=shape), Input(shape=shape)
        return Model([a, b], merge([a, b], mode=mode, dot_axes=axes, concat_axis=axis))
    return make


def normed(model, width):
    """A model, and a BatchNormalization behind it."""
    def make():
        x = Input(shape=(width,))
        return Model(x, BatchNormalization()(model()(x)))
    return make


def three():
    return joined(joined(graph, chain(lambda: Dense(3, input_dim=6), BatchNormalization), last=lambda: Dense(3)), normed(branch, 6))()


def within(make, n):
    """A functional model that calls another one."""
    def outer():
        inputs = [Input(shape=(6,)) for _ in range(n)]
        return Model(inputs, Dense(3)(make()(inputs if n > 1 else inputs[0])))
    return outer


def shared():
    a, b, layer = Input(shape=(6,)), Input(shape=(6,)), Dense(3)
    return Model([a, b], [merge([layer(a), layer(b)], mode="sum"), layer(a)])


def called_twice():
    a, b, model = Input(shape=(6,)), Input(shape=(6,)), pair()
    return Model([a, b], merge([model([a, b]), model([b, a])], mode="concat"))


def frozen():
    inner = chain(lambda: Dense(3, input_dim=6), BatchNormalization)()
    inner.trainable = False
    return chain(lambda: inner, lambda: Dense(2))()


def merges(check):
    x = [numbers(3, 6) for _ in range(3)]
    for mode in ("sum", "mul", "ave", "max", "concat", "dot", "cos"):
        axes = 1 if mode in ("dot", "cos") else -1
        check(f"Merge {mode}", joined(branch, branch, mode=mode, axes=axes), *x[:2])
        check(f"Merge of functional models {mode}", joined(graph, graph, mode=mode, axes=axes), *x[:2])
        check(f"merge {mode}", of_function(mode, (6,), axes), *x[:2])
        check(f"merge of steps {mode}", of_function(mode, (5, 4), 2 if axes > 0 else -1, 1), numbers(2, 5, 4), numbers(2, 5, 4))
    check("Merge of both kinds", joined(branch, graph), *x[:2])
    check("Merge of two inputs and one", joined(pair, graph), *x)
    check("Merge of one input and two", joined(branch, pair), *x)
    check("Merge in a Merge", joined(joined(branch, branch, mode="sum"), branch), *x)
    check("Merge in a Merge, of both kinds", three, *x)
    check("Merge in a functional model", within(three, 3), *x)
    for name, make in (("of a functional model", chain(graph, lambda: Dense(3))), ("of a Sequential", chain(branch, lambda: Dense(3))),
                       ("in the middle", chain(lambda: Dense(4, input_dim=6), lambda: graph(4, 5), lambda: Dense(3))),
                       ("deeper", chain(lambda: Dense(6, input_dim=6), chain(chain(lambda: Dense(3, input_dim=6), BatchNormalization), lambda: Dense(2)),
                                        lambda: Dense(3))),
                       ("with an input", chain(lambda: InputLayer(input_shape=(6,), name="given"), lambda: Dense(2))),
                       ("that is not trained", frozen), ("in a functional model", within(branch, 1))):
        check(f"Sequential {name}", make, x[0])
    check("shared layer", shared, *x[:2])
    check("model called twice", called_twice, *x[:2])
    embedded = chain(lambda: Embedding(9, 4, input_length=5, mask_zero=True))
    for mode in ("sum", "mul", "ave", "concat"):
        check(f"Merge of masks {mode}", joined(embedded, embedded, mode=mode, last=lambda: LSTM(2)), tokens(), tokens())


def channels_first(check):
    from keras import backend
    backend.set_image_dim_ordering("th")
    check("channels first", chain(lambda: ZeroPadding2D((1, 1), input_shape=(3, 9, 8)), lambda: Convolution2D(4, 3, 3, activation="relu"), UpSampling2D,
                                  MaxPooling2D, lambda: BatchNormalization(axis=1), lambda: Cropping2D(((1, 1), (1, 1))), Flatten,
                                  lambda: Dense(3, activation="softmax")), numbers(2, 3, 9, 8))
    backend.set_image_dim_ordering("tf")


def every(check):
    def one(name, make, x):
        check(name, chain(lambda: make(input_shape=x.shape[1:])), x)
    plain_layers(one)
    frames(one)
    for border in ("valid", "same"):
        for order in ("tf", "th"):
            images(one, border, order)
    recurrent(check, one)
    merges(check)
    channels_first(check)
