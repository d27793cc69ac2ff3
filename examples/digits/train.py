#!/usr/bin/env python3
"""Train a small convolutional net on scikit-learn's handwritten digits and save it in the forms that berth loads.

Needs tensorflow (2.16 or later), scikit-learn and pillow; takes under a minute on a CPU. Writes, beside itself:
digits/ (SavedModel), digits.pb (frozen GraphDef), digits.h5 (Keras), labels.txt, and pictures/0.png ... 9.png,
the first of each class among the test images.
"""
import os
import shutil

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
EPOCHS = 30
HERE = os.path.dirname(os.path.abspath(__file__))


def build():
    return keras.Sequential([
        keras.Input((8, 8, 1), name="image"),
        layers.Conv2D(16, 3, padding="same", activation="relu"),
        layers.Conv2D(32, 3, padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.MaxPooling2D(),
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.Flatten(),
        layers.Dropout(0.3),
        layers.Dense(10, activation="softmax", name="probability"),
    ], name="digits")


class Export(tf.Module):
    """The signature: image in, probability out. Only what `call` captures is saved, each weight once."""

    def __init__(self, model):
        super().__init__()
        self.weights = [v.value for v in model.variables]
        self.call = tf.function(lambda image: {"probability": model(image, training=False)},
                                input_signature=[tf.TensorSpec((None, 8, 8, 1), tf.float32, name="image")])


def save_frozen(function, path):
    graph = convert_variables_to_constants_v2(function).graph.as_graph_def()
    for node in graph.node:
        node.name = "probability" if node.name == "Identity" else node.name
    graph.library.Clear()
    with open(path, "wb") as f:
        f.write(graph.SerializeToString(deterministic=True))


def main():
    keras.utils.set_random_seed(1)
    digits = load_digits()
    images = (digits.images / 16).astype("float32")[..., None]
    x, x_test, y, y_test = train_test_split(images, digits.target, test_size=0.25, random_state=1,
                                            stratify=digits.target)
    model = build()
    rate = keras.optimizers.schedules.CosineDecay(3e-3, EPOCHS * (len(x) // 32))
    model.compile(keras.optimizers.Adam(rate), keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
                  metrics=["accuracy"])  # smoothed labels keep it from being surer than it can be
    model.fit(x, np.eye(10)[y], batch_size=32, epochs=EPOCHS, verbose=2)
    print("test accuracy: %.4f" % model.evaluate(x_test, np.eye(10)[y_test], verbose=0)[1])

    os.chdir(HERE)
    shutil.rmtree("digits", ignore_errors=True)
    export = Export(model)
    tf.saved_model.save(export, "digits", signatures={"serving_default": export.call})
    save_frozen(export.call.get_concrete_function(), "digits.pb")
    model.save("digits.h5", include_optimizer=False)
    with open("labels.txt", "w") as f:
        f.write("\n".join(NAMES) + "\n")
    os.makedirs("pictures", exist_ok=True)
    for digit in range(10):
        image = x_test[np.argmax(y_test == digit), ..., 0]
        Image.fromarray((image * 255).round().astype("uint8")).resize((64, 64), Image.NEAREST).save(
            f"pictures/{digit}.png", optimize=True)


if __name__ == "__main__":
    main()
