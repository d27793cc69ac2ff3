#!/usr/bin/env python3
"""keras_first.py --berth PROGRAM --keras FOLDER [--only REGEX] [--seed N]

Every layer of Keras 1.2 with its options, and how models are put together there, in small models saved as .h5 and run by berth, the
answers held against Keras 1.2's own. FOLDER: its source (`pip download --no-deps --no-binary :all: keras==1.2.2`, unpacked), which
runs here on today's TensorFlow by the names that it knew. Needs tensorflow, numpy and h5py. Ends with `N passed, N failed`."""
import argparse
import collections
import collections.abc
import inspect
import os
import re
import sys
import tempfile
import types
import warnings

warnings.filterwarnings("ignore")


def old_tensorflow():
    """The module `tensorflow` as Keras 1.2 imports it."""
    import importlib
    import tensorflow
    tf = tensorflow.compat.v1
    tf.disable_v2_behavior()
    for name in ("training.moving_averages", "ops.ctc_ops", "ops.tensor_array_ops", "ops.functional_ops", "ops.control_flow_ops"):
        importlib.import_module(f"tensorflow.python.{name}")
    sys.modules["tensorflow.python.ops.control_flow_ops"].while_loop = tf.while_loop
    old = types.ModuleType("tensorflow")
    old.__dict__.update({k: getattr(tf, k) for k in dir(tf) if not k.startswith("__")})
    old.__path__, old.__version__, old.python = [], "1.0.0", sys.modules["tensorflow.python"]
    old.contrib = types.ModuleType("tensorflow.contrib")
    for name in [n for n in sys.modules if n == "keras" or n.startswith("keras.")]:
        del sys.modules[name]
    sys.modules["tensorflow"] = old


def old_python():
    """What the language and numpy had when Keras 1.2 was written."""
    import numpy as np
    spec = collections.namedtuple("ArgSpec", "args varargs keywords defaults")
    inspect.getargspec = lambda f: spec(*inspect.getfullargspec(f)[:4])
    for name in ("Iterable", "Callable", "Mapping"):
        setattr(collections, name, getattr(collections.abc, name))
    for kind in (bool, int, float, object):
        if kind.__name__ not in vars(np):
            setattr(np, kind.__name__, kind)


class Trial:
    """Models, each saved and compared."""

    def __init__(self, options, common):
        self.options, self.common = options, common
        self.folder = tempfile.mkdtemp()
        self.passed = self.failed = 0

    def randomise(self, model, rng):
        import numpy as np
        model.set_weights([rng.standard_normal(w.shape).astype(np.float32) * 0.3 if w.ndim else w for w in model.get_weights()])
        self.positive(model)

    def positive(self, layer):
        """Variances are."""
        import numpy as np
        if type(layer).__name__ == "BatchNormalization":
            weights = layer.get_weights()
            weights[3] = np.abs(weights[3]) + 0.5
            layer.set_weights(weights)
        for inner in getattr(layer, "layers", []):
            self.positive(inner)

    def wrong(self, make, values, rng):
        import numpy as np
        path = f"{self.folder}/m.h5"
        model = make()
        self.randomise(model, rng)
        want = model.predict(values if len(values) > 1 else values[0])
        want = want if isinstance(want, list) else [want]
        model.save(path)
        inputs, outputs, error = self.common.ports(self.options.berth, path)
        if error:
            return error
        got, error = self.common.run(self.options.berth, path, dict(zip(inputs, values)), outputs, self.folder)
        if error:
            return error
        return next(filter(None, (self.common.difference(np.asarray(w), g, 1e-4) for w, g in zip(want, got))), None)

    def check(self, name, make, *values):
        import numpy as np
        from keras import backend
        if not re.search(self.options.only, name):
            return
        backend.clear_session()
        wrong = self.wrong(make, list(values), np.random.default_rng(self.options.seed))
        if wrong:
            print(f"FAIL {name}: {wrong}", flush=True)
        self.passed, self.failed = self.passed + (not wrong), self.failed + bool(wrong)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--berth", required=True)
    parser.add_argument("--keras", required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    home = tempfile.mkdtemp()
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0", CUDA_VISIBLE_DEVICES="-1", KERAS_BACKEND="tensorflow", HOME=home)
    os.mkdir(f"{home}/.keras")
    with open(f"{home}/.keras/keras.json", "w", encoding="utf-8") as f:
        f.write('{"epsilon": 1e-07, "floatx": "float32", "image_dim_ordering": "tf", "backend": "tensorflow"}')
    old_python()
    old_tensorflow()
    sys.path.insert(0, options.keras)
    from keras_cases import common, first
    trial = Trial(options, common)
    first.every(trial.check)
    print(f"{trial.passed} passed, {trial.failed} failed")
    return trial.failed > 0


if __name__ == "__main__":
    sys.exit(main())
