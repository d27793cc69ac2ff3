#!/usr/bin/env python3
"""keras_layers.py --berth PROGRAM [--only REGEX] [--draws N] [--all] [--seed N] [--both] [--keep FOLDER] [--legacy]

Every built-in layer of Keras 3 and every operation of keras.ops, each in a small functional model with random legal options: saved
as .keras or .h5 (--both: as both) and run by berth, the answers held against Keras's own. Classes of the installed Keras that are
neither drawn nor listed in keras_cases/refused.py with a reason are failures: what is refused can't grow unseen. --legacy: what
Keras 2 does in another way, by tf_keras (keras_cases/legacy.py). Needs tensorflow, keras and numpy. Ends with `N passed, N failed`."""
import argparse
import importlib
import inspect
import logging
import os
import pkgutil
import re
import shutil
import sys
import tempfile
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
warnings.filterwarnings("ignore")

if "--legacy" in sys.argv:
    import tf_keras
    sys.modules["keras"] = tf_keras
import keras  # noqa: E402  (the environment first)
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from keras_cases.common import bytes_of, difference, run  # noqa: E402

tf.get_logger().setLevel(logging.ERROR)
logging.getLogger("absl").setLevel(logging.ERROR)


class Draw:
    """Inputs of a model with their values, and choices."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.inputs, self.values, self.loose = [], [], False

    def pick(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def flag(self):
        return bool(self.rng.integers(2))

    def given(self, value, is_fixed=False):
        """An input of this value; its first dimension is open unless is_fixed."""
        value = np.asarray(value)
        dtype = "string" if value.dtype.kind in "SU" else value.dtype.name
        shape = value.shape if is_fixed or not value.shape else (None, *value.shape[1:])
        x = keras.Input(batch_shape=shape, dtype=dtype, name=f"in{len(self.inputs)}")
        self.inputs.append(x)
        self.values.append(value)
        return x

    def parts(self, value, shape, **options):
        """An input of this sparse or ragged tensor."""
        x = keras.Input(shape, dtype=value.dtype.name, name=f"in{len(self.inputs)}", **options)
        self.inputs.append(x)
        self.values.append(value)
        return x

    def sparse(self, *shape, dtype=np.float32):
        x = self.numbers(shape, "normal").astype(dtype) * self.rng.integers(0, 2, shape).astype(dtype)
        return self.parts(tf.sparse.from_dense(x), shape[1:], sparse=True)

    def ragged(self, rows, values, empty=False):
        """Rows of steps, whose values these are, one behind the other; with one of no steps, or not."""
        ends = np.sort(self.rng.choice(np.arange(1, len(values)), rows - 1 - empty, replace=False))
        if empty:
            ends = np.insert(ends, 1, ends[0])
        splits = np.array([0, *ends, len(values)], np.int64)
        return self.parts(tf.RaggedTensor.from_row_splits(values, splits), (None, *np.shape(values)[1:]), ragged=True)

    def numbers(self, shape, like):
        x = self.rng.standard_normal(shape)
        if like == "positive":
            x = np.abs(x) + 0.1
        elif like == "unit":
            x = np.clip(x, -0.9, 0.9)
        elif like == "large":
            x = np.abs(x) + 1.1
        elif like == "whole":
            x = np.round(x)
        elif like == "share":
            x = self.rng.uniform(0.05, 0.95, shape)
        elif like == "spread":
            x = self.rng.uniform(-1.5, 7.5, shape)
        elif like == "within":
            x = self.rng.uniform(-4.9, 4.9, shape)
        elif like == "odd":
            x.ravel()[:3] = np.nan, np.inf, -np.inf
        elif like == "holes":
            x.ravel()[::5] = np.nan
        return x.astype(np.float32)

    def x(self, *shape, like="normal"):
        return self.given(self.numbers(shape, like))

    def fixed(self, *shape, like="normal"):
        return self.given(self.numbers(shape, like), True)

    def i(self, *shape, low=0, high=6, dtype=np.int32):
        return self.given(self.rng.integers(low, high, shape).astype(dtype))

    def b(self, *shape):
        return self.given(self.rng.integers(0, 2, shape).astype(bool))

    def pair(self):
        """Two operands: tensors of one shape, broadcast, or a tensor and a number."""
        one = self.x(2, 3, 4)
        return one, self.pick(lambda: self.x(2, 3, 4), lambda: self.fixed(3, 1), lambda: 1.5)()

    def definite(self, n, size):
        x = self.numbers((n, size, size), "normal")
        return self.given(x @ x.transpose(0, 2, 1) + 4 * np.eye(size, dtype=np.float32))

    def triangle(self, n, size):
        x = self.numbers((n, size, size), "normal")
        return self.given(np.tril(x) + 3 * np.eye(size, dtype=np.float32))

    @staticmethod
    def signless(outputs, i):
        """Eigenvectors but for their sign."""
        outputs = list(outputs)
        outputs[i] = keras.ops.abs(outputs[i])
        return outputs

    @staticmethod
    def spectrum(x, outputs):
        """Of eigenvalues in any order, with vectors of any phase: sums of their powers, and x v - v e."""
        e, v = outputs
        wide = keras.ops.cast(x, "complex64")
        rest = keras.ops.matmul(wide, v) - v * keras.ops.expand_dims(e, -2)
        return [keras.ops.sum(e, -1), keras.ops.sum(e * e, -1), keras.ops.sum(e * e * e, -1), rest]

    @staticmethod
    def product(outputs):
        """u s v of a decomposition, whose factors are free in sign, and s."""
        u, s, v = outputs
        return [keras.ops.matmul(u * keras.ops.expand_dims(s, -2), v), s]


def output_names(model):
    """Names of a signature's outputs: the layer's, a further one as NAME_1."""
    seen, names = {}, []
    for output in model.outputs:
        name = output._keras_history[0].name
        names.append(f"{name}_{seen[name]}" if name in seen else name)
        seen[name] = seen.get(name, 0) + 1
    return names


def parts_of(name, value, is_output=False):
    """The tensors, by their names in a signature, that a tensor is in berth: what is sparse comes dense."""
    if isinstance(value, tf.RaggedTensor):
        parts = [value.values, value.row_splits]
    elif isinstance(value, tf.SparseTensor):
        parts = [tf.sparse.to_dense(value)] if is_output else [value.indices, value.values, value.dense_shape]
    else:
        return {name: value}
    names = [f"{name}/{i}" if is_output else f"{name}_{i}" if i else name for i in range(len(parts))]
    return dict(zip(names if len(parts) > 1 else [name], [p.numpy() for p in parts]))


def randomise(model, rng):
    """Weights that show where they are used; counts, seeds and vocabularies stay."""
    for weight in model.weights:
        value = np.asarray(weight)
        if value.dtype.name not in ("float16", "float32", "float64", "bfloat16") or getattr(weight, "keeps", False):
            continue
        path = getattr(weight, "path", weight.name)
        if path.split("/")[-1] in ("mean:0", "variance:0", "summary:0", "mean", "variance", "idf_weights") or "seed" in path:
            continue
        drawn = rng.standard_normal(value.shape) * 0.3
        weight.assign((np.abs(drawn) + 0.5 if "variance" in path else drawn).astype(np.float32).astype(value.dtype))


class Trial:
    """One model, drawn, saved and compared."""

    def __init__(self, options):
        self.options = options
        self.folder = tempfile.mkdtemp()
        self.classes = set()

    def compare(self, model, inputs, form, close):
        path = f"{self.folder}/m.{form}"
        try:
            model.save(path)
        except Exception as e:  # what Keras itself can't write in this form
            return f"cannot save: {e}" if form == "keras" else self.compare(model, inputs, "keras", close)
        try:
            given = [v if isinstance(v, (tf.RaggedTensor, tf.SparseTensor)) else tf.constant(bytes_of(v)) for v in inputs.values()]
            want = model(given, training=False)
        except Exception as e:
            return f"Keras itself fails: {type(e).__name__}: {str(e)[:300]}"
        feeds, fetches = {}, {}
        for name, value in inputs.items():
            feeds.update(parts_of(name, value))
        for name, value in zip(output_names(model), tf.nest.flatten(want)):
            fetches.update(parts_of(name, value, True))
        got, error = run(self.options.berth, path, feeds, list(fetches), self.folder)
        if error:
            return error
        for w, g in zip(fetches.values(), got):
            found = difference(w, g, close)
            if found:
                return found
        return None

    def draw(self, case, seed):
        """None, or what is wrong; classes that were met are added."""
        keras.backend.clear_session()
        d = Draw(seed)
        close = 1e-4
        try:
            outputs = case(d)
            if isinstance(outputs, tuple) and isinstance(outputs[-1], dict):
                outputs, extra = outputs[0], outputs[-1]
                close = extra.get("close", close)
            else:
                extra = {}
            flat = [t for t in tf.nest.flatten(outputs) if keras.backend.is_keras_tensor(t)]
            model = keras.Model(d.inputs, flat)
            randomise(model, d.rng)
            if "quantize" in extra:
                mode = extra["quantize"]
                model.quantize(**{"mode" if isinstance(mode, str) else "config": mode})
        except Exception as e:
            return f"cannot be drawn: {type(e).__name__}: {str(e)[:300]}"
        self.note(model)
        inputs = {x.name: v for x, v in zip(d.inputs, d.values)}
        inputs = {k.split(":")[0]: v for k, v in inputs.items()}
        forms = ("keras", "h5") if self.options.both else (("keras", "h5")[seed % 2],)
        for form in forms:
            wrong = self.compare(model, inputs, form, close)
            if wrong:
                if self.options.keep:
                    os.makedirs(self.options.keep, exist_ok=True)
                    shutil.copy(f"{self.folder}/m.{form}", f"{self.options.keep}/{len(os.listdir(self.options.keep))}.{form}")
                return f".{form}: {wrong}"
        return None

    def note(self, model):
        for operation in getattr(model, "operations", model.layers):
            self.classes.add(type(operation).__name__)


def all_operations():
    """Classes of keras.src.ops that a symbolic call makes."""
    import keras.src.ops as package
    from keras.src.ops.operation import Operation
    names = set()
    for module in pkgutil.iter_modules(package.__path__):
        if not module.name.endswith("_test"):
            module = importlib.import_module(f"{package.__name__}.{module.name}")
            names |= {n for n, v in vars(module).items()
                      if isinstance(v, type) and issubclass(v, Operation) and v.__module__ == module.__name__}
    return names


def all_layers():
    return {v.__name__ for v in vars(keras.layers).values() if inspect.isclass(v) and issubclass(v, keras.layers.Layer)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--berth", required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--all", action="store_true", help="every kind of draw of a class, not one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--both", action="store_true")
    parser.add_argument("--keep")
    parser.add_argument("--legacy", action="store_true")
    options = parser.parse_args()
    if options.legacy:
        from keras_cases import legacy
        tables, refusals = [("layer ", legacy.LAYERS, {}, set())], legacy.DRAWS
    else:
        from keras_cases import layers, operations, refused
        tables = [("", operations.OPERATIONS, refused.OPERATIONS, all_operations()),
                  ("layer ", layers.LAYERS, refused.LAYERS, all_layers())]
        refusals = refused.DRAWS
    trial, passed, failed = Trial(options), 0, 0
    for kind, cases, known, classes in tables:
        for name, draws in cases.items():
            if not re.search(options.only, name):
                continue
            trial.classes.clear()
            wrong = []
            for n in range(options.draws):
                first = options.seed + n + len(name)
                for i in range(len(draws) if options.all else 1):
                    said = trial.draw(draws[(first + i) % len(draws)], options.seed * 1000 + n * 7 + i + len(name))
                    if said and said not in wrong:
                        wrong.append(said)
            if name not in trial.classes and not wrong:
                wrong.append("its draws make no such thing")
            for said in wrong:
                print(f"FAIL {kind}{name}: {said}", flush=True)
            passed, failed = passed + (not wrong), failed + bool(wrong)
        if classes and not options.only:
            for name in sorted(classes - set(cases) - set(known) - set(refused.UNDRAWN)):
                print(f"FAIL {kind}{name}: neither drawn nor refused", flush=True)
                failed += 1
    for name, case in refusals.items() if not options.only else ():
        said = trial.draw(case, options.seed)
        is_refused = bool(said) and "export a SavedModel" in said and name in said
        if not is_refused:
            print(f"FAIL {name}: should be refused by name, and is not: {said}", flush=True)
        passed, failed = passed + is_refused, failed + (not is_refused)
    shutil.rmtree(trial.folder)
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
