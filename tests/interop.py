#!/usr/bin/env python3
"""interop.py TOOL --berth PROGRAM [--only REGEX] [--each] [--jobs N]

What `berth convert` writes, read by TensorFlow: every acceptance case with a model is converted, loaded in TensorFlow on the
CPU, and run on the case's inputs; the answers are held against the case's outputs. TOOL is run_cases.py, whose cases and
comparison these are. Without --each a model is converted once, with all options, to one of the two kinds of file in turn; with
it in every way that fits. A model with an op that TensorFlow itself does not have is read by berth again. Needs tensorflow and
numpy. Ends with `N passed, N failed`."""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

from case_tool import at_once, count, find_cases, load_tool, parser

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

ALL = ["--clear-devices", "--strip-training", "--freeze", "--cpu"]
# What to write, with which options. Models that name devices which are not there are converted in the ways with --clear-devices or
# --cpu, and where neither is given TensorFlow may move nodes; what TensorFlow has for GPUs alone is converted with --cpu.
WAYS = {
    "graphdef": ("graphdef", []),
    "pbtxt": ("pbtxt", []),
    "savedmodel": ("savedmodel", []),
    "training": ("savedmodel", ["--strip-training"]),
    "freeze": ("savedmodel", ["--freeze"]),
    "cpu": ("savedmodel", ["--cpu"]),
    "all-graphdef": ("graphdef", ALL),
    "all-savedmodel": ("savedmodel", ALL),
}
GROUPS = ("frozen/", "savedmodel_v1/", "savedmodel_v2/", "keras_h5/", "keras_v3/", "checkpoint/", "real/")
ON_GPU = {"gpu-only", "nchw"}      # cases that TensorFlow's CPU build runs after --cpu
SUFFIX = {"graphdef": "model.pb", "pbtxt": "model.pbtxt", "savedmodel": "model"}


def models_of(tool, only):
    """Cases by what they convert: (model, arguments)."""
    models = {}
    for case in find_cases(tool, only):
        if not case["path"].startswith(GROUPS) or not case.get("outputs"):
            continue
        args = tuple(arg.replace("{folder}", case["folder"]) for arg in case.get("args", []))
        models.setdefault((os.path.join(case["folder"], case["model"]), args), []).append(case)
    return models


def convert(berth, model, args, cases, way, folder):
    to, options = WAYS[way]
    out = os.path.join(folder, SUFFIX[to])
    if model.endswith((".pb", ".pbtxt", ".meta")):  # no signature: what is wanted must be named
        options = options + [f"--output={name}" for name in sorted({name for case in cases for name in case["outputs"]})]
    command = [berth, "convert", model, out, "--to", to, *args, *options]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    error = done.stderr.decode(errors="replace").strip()
    return out, f"convert: {error}" if done.returncode else None


class Loaded:
    """A session of a converted model; names are those of a case."""

    def __init__(self, tf, path, to, soft, is_for_cpu):
        self.tf, self.inputs, self.outputs = tf, {}, {}
        self.graph = tf.Graph()
        with self.graph.as_default():
            config = tf.compat.v1.ConfigProto(allow_soft_placement=soft)
            if not is_for_cpu:  # TensorFlow's remapper makes fused grouped convolutions, which its own kernels refuse.
                config.graph_options.rewrite_options.remapping = 2
            self.session = tf.compat.v1.Session(graph=self.graph, config=config)
            if to == "savedmodel":
                meta = tf.compat.v1.saved_model.load(self.session, ["serve"], path)
                for signature in meta.signature_def.values():
                    self.inputs.update({key: info.name for key, info in signature.inputs.items()})
                    self.outputs.update({key: info.name for key, info in signature.outputs.items()})
            else:
                self.import_graph(path, to)

    def import_graph(self, path, to):
        graph = self.tf.compat.v1.GraphDef()
        with open(path, "rb") as f:
            if to == "pbtxt":
                from google.protobuf import text_format

                text_format.Parse(f.read(), graph)
            else:
                graph.ParseFromString(f.read())
        self.tf.import_graph_def(graph, name="")
        init = [op for op in self.graph.get_operations() if op.type.startswith(("InitializeTable", "LookupTableImport"))]
        self.session.run(init)

    def tensor(self, name, ports):
        name = re.sub(":0$", "", name)
        if name in ports:
            return self.graph.get_tensor_by_name(ports[name])
        name = name if ":" in name else re.sub(r"[^A-Za-z0-9_./\\>-]", "_", name) + ":0"
        return self.graph.get_tensor_by_name(name)

    def run(self, np, inputs, outputs):
        # In a graph an output cannot have the name of an input.
        outputs = [f"{name}_1" if name in inputs and not self.outputs else name for name in outputs]
        feeds = {self.tensor(name, self.inputs): value for name, value in inputs.items()}
        feeds = {tensor: to_tensorflow(np, tensor.dtype, value) for tensor, value in feeds.items()}
        fetches = [self.tensor(name, self.outputs) for name in outputs]
        return [from_tensorflow(np, t.dtype, v) for t, v in zip(fetches, self.session.run(fetches, feeds))]

    def close(self):
        self.session.close()


def to_tensorflow(np, dtype, value):
    if value.dtype.kind == "S":
        return value.astype(object)
    if dtype.name == "bfloat16":
        return value.view(dtype.as_numpy_dtype)
    return value.astype(dtype.as_numpy_dtype) if dtype.is_quantized else value


def from_tensorflow(np, dtype, value):
    value = np.asarray(value)
    if dtype.name == "string":
        return value.astype("S")
    if dtype.name == "bfloat16":
        return value.view(np.uint16)
    if dtype.is_quantized:
        return value.view({1: np.uint8, 2: np.uint16, 4: np.int32}[dtype.size]).astype(value.dtype.fields and dtype.name[1:])
    return value


def check(tool, tf, np, loaded, case, folder):
    read = lambda files: {name: np.load(os.path.join(case["folder"], file)) for name, file in files.items()}
    outputs = list(case["outputs"])
    for name, value in zip(outputs, loaded.run(np, read(case.get("inputs", {})), outputs)):
        got = os.path.join(folder, "got.npy")
        np.save(got, value)
        wrong = tool.compare(case, name, got, os.path.join(case["folder"], case["outputs"][name]))
        if wrong:
            return wrong
    return None


def foreign_op(error):
    """The op that TensorFlow does not have: contrib's, or TensorFlow Addons', such as GatherTree."""
    found = re.search("Op type not registered '([^']*)'", str(error))
    return found and found[1]


def check_by_berth(tool, berth, out, case):
    """The converted model answers in berth as the model did."""
    args = argparse.Namespace(berth=berth, device="/CPU:0", timeout=120)
    return tool.run_case({**case, "model": out, "args": []}, args)[0]


def run_model(tool, tf, np, berth, model, cases, way):
    """A message for each case, None where it passed."""
    (path, args), folder = model, tempfile.mkdtemp()
    try:
        out, wrong = convert(berth, path, args, cases, way, folder)
        if wrong:
            return [wrong] * len(cases)
        options = WAYS[way][1]
        try:
            loaded = Loaded(tf, out, WAYS[way][0], not {"--clear-devices", "--cpu"} & set(options), "--cpu" in options)
        except (tf.errors.NotFoundError, ValueError) as error:
            if not foreign_op(error):
                raise
            print(f"{cases[0]['path']} ({way}): TensorFlow has no {foreign_op(error)}: read by berth", flush=True)
            return [check_by_berth(tool, berth, out, case) for case in cases]
        try:
            return [check(tool, tf, np, loaded, case, folder) for case in cases]
        finally:
            loaded.close()
    except Exception as error:  # whatever TensorFlow raises
        return [f"TensorFlow: {type(error).__name__}: {str(error).strip()[:600]}"] * len(cases)
    finally:
        shutil.rmtree(folder)


def ways_of(cases, index, each):
    tags = {tag for case in cases for tag in case.get("tags", [])}
    if not each:
        return [("all-graphdef", "all-savedmodel")[index % 2]]
    ways = [(way, options) for way, (_, options) in WAYS.items() if not ON_GPU & tags or "--cpu" in options]
    return [way for way, options in ways if "device" not in tags or {"--clear-devices", "--cpu"} & set(options)]


def main():
    options = parser(__doc__)
    options.add_argument("--each", action="store_true", help="every way that fits, instead of one")
    options.add_argument("--way", action="append", choices=WAYS, help="this way alone")
    options.add_argument("--jobs", type=int, default=2, help="models at a time (default 2)")
    args = options.parse_args()
    tool = load_tool(args.tool)
    import numpy as np
    import tensorflow as tf

    models = models_of(tool, args.only)
    jobs = [(model, cases, way) for index, (model, cases) in enumerate(models.items())
            for way in args.way or ways_of(cases, index, args.each)]
    runs = at_once(lambda job: run_model(tool, tf, np, args.berth, *job), jobs, args.jobs)
    passed, failed = count((f"{case['path']} ({way})", wrong) for (_, cases, way), results in runs
                           for case, wrong in zip(cases, results))
    return failed != 0 or passed == 0


if __name__ == "__main__":
    sys.exit(main())
