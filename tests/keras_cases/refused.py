"""What berth refuses of Keras, class by class, with the reason; and what no draw can show."""

import keras
from keras import ops as K

CODE = "holds a Python function"

# Refused by name: the message says to export a SavedModel.
OPERATIONS = {
    "AssociativeScan": CODE, "Cond": CODE, "ForiLoop": CODE, "JVP": CODE, "Map": CODE, "Scan": CODE, "Switch": CODE,
    "VectorizedMap": CODE, "WhileLoop": CODE,
    "ElasticTransform": "draws at random",
    "Histogram": "Keras itself can't run it with TensorFlow",
}

LAYERS = {
    "Lambda": CODE, "JaxLayer": CODE, "FlaxLayer": CODE, "TorchModuleWrapper": CODE,
    "TFSMLayer": "is a SavedModel elsewhere",
}

# Nothing to compare with.
UNDRAWN = {
    "Operation": "a base class", "Function": "a base class", "SegmentReduction": "a base class", "Abs": "made as Absolute",
    "Conj": "made as Conjugate", "Arange": "takes numbers, not tensors", "Ndim": "Keras gives a Python number",
    "ConvTranspose": "Keras mistakes its own arguments", "ViewAsComplex": "Keras itself can't run it with TensorFlow",
    "Mish": "made as a layer",
    "Layer": "a base class", "Wrapper": "a base class", "InputLayer": "in every model", "SimpleRNNCell": "in an RNN",
    "GRUCell": "in an RNN", "LSTMCell": "in an RNN", "StackedRNNCells": "in an RNN", "Equalization": "makes no functional model",
}

# Some of them drawn, to see that they are refused by name.
DRAWS = {
    "ElasticTransform": lambda d: K.image.elastic_transform(d.x(2, 6, 7, 3)),
    "Lambda": lambda d: keras.layers.Lambda(lambda x: x * 2)(d.x(2, 3)),
}
