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
add("Hashing", lambda _: lambda d: L.Hashing(5)(words(d)))
add("Discretization", lambda _: lambda d: L.Discretization([-0.5, 0.5])(steps(d)))
add("TextVectorization", lambda _: lambda d: L.Embedding(9, 3)(L.TextVectorization(vocabulary=["a", "b"], ragged=True)(d.given(np.array([["a b"], ["b"]])))))

# Refused by name.
DRAWS = {
    "MultiHeadAttention": lambda d: L.MultiHeadAttention(1, 2)(*[steps(d)] * 2),
    "Flatten": lambda d: L.Flatten()(steps(d)),
    "Discretization": lambda d: L.Discretization([0.0])(d.sparse(3, 5)),
    "StringLookup": lambda d: L.StringLookup(vocabulary=["a", "b"], output_mode="multi_hot")(words(d)),
}
