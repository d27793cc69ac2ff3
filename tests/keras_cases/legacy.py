"""Layers of Keras 2, drawn with tf_keras, where they do other things than those of Keras 3, or keep their state elsewhere: sparse and
ragged tensors, what preprocessing layers have learnt. Run by tests/keras_layers.py --legacy. Layers of Keras 3: layers.py."""
import numpy as np
import tensorflow as tf
from keras import layers as L

LAYERS = {}
SERIES = (2, 7, 4)
WORDS = np.array([["a", "b", "z"], ["c", "a", "a"]])


def add(names, draw):
    for name in names.split():
        LAYERS.setdefault(name, []).append(draw(name))


# ---- Sparse and ragged tensors --------------------------------------------------------------------------

def tokens(d, empty=False):
    return d.ragged(3, d.rng.integers(0, 6, 9).astype(np.int32), empty)


def steps(d, empty=False):
    return d.ragged(3, d.numbers((9, 4), "normal"), empty)


def words(d):
    return d.ragged(3, np.array(["a", "b", "z", "a", "c", "y"]))


add("Dense", lambda _: lambda d: L.Dense(4, activation="relu")(d.sparse(3, 5)))
add("Concatenate", lambda _: lambda d: L.Concatenate()([d.sparse(3, 5), d.sparse(3, 5)]))
add("Embedding", lambda _: lambda d: L.Embedding(6, 3)(tokens(d, True)))
add("GlobalAveragePooling1D", lambda _: lambda d: L.GlobalAveragePooling1D()(L.Embedding(6, 3, mask_zero=True)(d.ragged(3, d.rng.integers(1, 6, 9).astype(np.int32)))))
add("GlobalMaxPooling1D", lambda _: lambda d: L.GlobalMaxPooling1D()(steps(d, True)))
add("SimpleRNN GRU LSTM", lambda name: lambda d: getattr(L, name)(3, return_sequences=d.flag())(steps(d)))
add("SimpleRNN GRU LSTM", lambda name: lambda d: getattr(L, name)(3, go_backwards=True)(steps(d)))
add("SimpleRNN GRU LSTM", lambda name: lambda d: getattr(L, name)(3, return_state=True)(steps(d)))
add("RNN", lambda _: lambda d: L.RNN(L.LSTMCell(3), return_sequences=d.flag())(steps(d)))
add("Bidirectional", lambda _: lambda d: L.Bidirectional(d.pick(L.LSTM, L.GRU)(3, return_sequences=d.flag()))(steps(d)))
add("Dense", lambda _: lambda d: L.Dense(3)(steps(d)))
add("TimeDistributed", lambda _: lambda d: L.TimeDistributed(L.Dense(3))(steps(d)))
add("Activation", lambda _: lambda d: L.Activation(d.pick("relu", "tanh", "softmax"))(steps(d)))
add("Dropout ReLU Softmax LayerNormalization", lambda name: lambda d: getattr(L, name)(*((0.5,) if name == "Dropout" else ()))(steps(d, True)))
add("StringLookup", lambda _: lambda d: L.StringLookup(vocabulary=["a", "b"])(words(d)))
add("StringLookup", lambda _: lambda d: L.StringLookup(vocabulary=["a", "b"], output_mode=d.pick("multi_hot", "count"))(words(d)))
add("CategoryEncoding", lambda _: lambda d: L.CategoryEncoding(6, output_mode=d.pick("multi_hot", "count"))(tokens(d)))
add("CategoryEncoding", lambda _: lambda d: L.CategoryEncoding(6, output_mode=d.pick("multi_hot", "count"), sparse=True)(d.i(3, 4)))
add("StringLookup", lambda _: lambda d: L.StringLookup(vocabulary=["a", "b"], output_mode=d.pick("multi_hot", "count"), sparse=True)(d.given(WORDS)))
add("Hashing", lambda _: lambda d: L.Hashing(5, output_mode=d.pick("int", "multi_hot", "count"))(words(d)))
add("Discretization", lambda _: lambda d: L.Discretization([-0.5, 0.5])(steps(d)))
add("TFOpLambda", lambda _: lambda d: d.pick(lambda x: x * 2.0 + 1.0, tf.nn.relu, tf.exp, lambda x: x - x * x, tf.math.square)(steps(d)))
add("TFOpLambda", lambda _: lambda d: d.pick(tf.reduce_mean, tf.reduce_sum, tf.reduce_max, tf.reduce_min)(steps(d), axis=1))
add("InstanceMethod", lambda _: lambda d: steps(d, True).to_tensor(**d.pick({}, {"default_value": -1.0}, {"default_value": 2.0, "shape": [None, 4, 4]})))
add("InstanceMethod", lambda _: lambda d: tokens(d).to_tensor())
add("InstanceMethod", lambda _: lambda d: steps(d, True).row_lengths())
add("InstanceProperty", lambda _: lambda d: (lambda x: d.pick(x.values, x.flat_values, x.row_splits))(steps(d)))
add("TextVectorization", lambda _: lambda d: L.Embedding(9, 3)(L.TextVectorization(vocabulary=["a", "b"], ragged=True)(d.given(np.array([["a b"], ["b"]])))))

# ---- What preprocessing layers have learnt --------------------------------------------------------------

def learnt(make, data):
    def draw(d):
        layer = make(d)
        layer.adapt(data(d))
        return layer
    return draw


add("Normalization", lambda _: lambda d: learnt(lambda d: L.Normalization(axis=d.pick(-1, None, 1), invert=d.flag()), lambda d: d.numbers(SERIES, "normal"))(d)(
    d.x(*SERIES)))
add("Discretization", lambda _: lambda d: learnt(lambda d: L.Discretization(num_bins=d.pick(2, 4, 49), output_mode=d.pick("int", "multi_hot", "count")),
                                                 lambda d: d.numbers((d.pick(3, 40, 200), 1), "normal"))(d)(d.x(3, 4)))
add("Discretization", lambda _: lambda d: L.Discretization([-1.0, 0.5], output_mode=d.pick("int", "multi_hot", "count"))(d.x(3, 4)))
add("CategoryEncoding", lambda _: lambda d: L.CategoryEncoding(6, output_mode=d.pick("multi_hot", "count", "one_hot"))(d.i(3, 1)))
add("Hashing", lambda _: lambda d: L.Hashing(5, salt=d.pick(None, 7, [3, 4]), mask_value=d.pick(None, "a"), output_mode=d.pick("int", "multi_hot", "count"))(d.given(WORDS)))
add("HashedCrossing", lambda _: lambda d: L.HashedCrossing(7, output_mode=d.pick("int", "one_hot"))((d.given(WORDS[:, :1]), d.i(2, 1, dtype=np.int64))))
add("StringLookup", lambda _: lambda d: learnt(lambda d: L.StringLookup(num_oov_indices=d.pick(1, 2), output_mode=d.pick("int", "multi_hot", "count", "tf_idf")),
                                               lambda d: np.array([["a", "b"], ["b", "c"]]))(d)(d.given(WORDS)))
add("IntegerLookup", lambda _: lambda d: learnt(lambda d: L.IntegerLookup(num_oov_indices=d.pick(1, 2), output_mode=d.pick("int", "multi_hot", "count", "tf_idf")),
                                                lambda d: np.array([[3, 5], [5, 1]]))(d)(d.i(2, 4, dtype=np.int64)))
add("TextVectorization", lambda _: lambda d: learnt(lambda d: L.TextVectorization(ngrams=d.pick(None, 2), split=d.pick("whitespace", "character"),
                                                                                  output_mode=d.pick("int", "multi_hot", "count", "tf_idf")),
                                                    lambda d: np.array(["The cat sat!", "a cat"]))(d)(d.given(np.array([["The cat sat!"], ["a cat"]]))))

# Refused by name.
DRAWS = {
    "MultiHeadAttention": lambda d: L.MultiHeadAttention(1, 2)(*[steps(d)] * 2),
    "Flatten": lambda d: L.Flatten()(steps(d)),
    "Masking": lambda d: L.Masking()(steps(d)),
}
