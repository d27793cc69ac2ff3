#!/usr/bin/env python3
"""The program from outside: every verb, every way to give an input, every class of fault. Standard library only.

usage: cli_test.py BERTH SOURCE_ROOT [unittest's arguments]
"""
import base64
import io
import json
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zipfile
import zlib

BERTH, ROOT = sys.argv[1], sys.argv[2]
EXAMPLE = os.path.join(ROOT, "examples", "digits")
FEATURES = subprocess.run([BERTH, "--version"], capture_output=True, text=True).stdout
HAS_PNG, HAS_JPEG = "PNG" in FEATURES.split("\n")[1].split(";")[0], "JPEG" in FEATURES.split("\n")[1].split(";")[0]

# 16 x 8, left half red and right half blue.
JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMU"
    "FRUVDA8XGBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
    "FBQUFBQUFBT/wAARCAAIABADAREAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAABwj/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QA"
    "FQEBAQAAAAAAAAAAAAAAAAAACQf/xAAUEQEAAAAAAAAAAAAAAAAAAAAA/9oADAMBAAIRAxEAPwCdEMKmAjjB0f/Z")


def npy(descr, shape, data, fortran=False, version=1):
    header = ("{'descr': '%s', 'fortran_order': %s, 'shape': %s, }" % (descr, fortran, tuple(shape))).encode()
    size = 2 if version == 1 else 4
    header += b" " * (-(8 + size + len(header) + 1) % 64) + b"\n"
    return (b"\x93NUMPY" + bytes([version, 0]) + len(header).to_bytes(size, "little") + header + data)


def read_npy(path):
    """descr, shape and data of a file that berth wrote."""
    with open(path, "rb") as f:
        content = f.read()
    n = int.from_bytes(content[8:10], "little")
    header = eval(content[10:10 + n], {"__builtins__": {}}, {})
    assert (10 + n) % 64 == 0 and not header["fortran_order"]
    return header["descr"], header["shape"], content[10 + n:]


def floats(shape, values):
    return npy("<f4", shape, struct.pack("<%df" % len(values), *values))


def npy_zeros(path, n):
    """The path of n black pictures of 8 x 8."""
    with open(path, "wb") as f:
        f.write(npy("<f4", (n, 8, 8, 1), bytes(n * 256)))
    return path


def identity(*placeholders):
    """A text GraphDef: for each (name, dtype, shape or None) a Placeholder and an Identity NAME_out of it."""
    nodes = []
    for name, dtype, shape in placeholders:
        dims = "unknown_rank: true" if shape is None else " ".join("dim { size: %d }" % d for d in shape)
        nodes.append('''node { name: "%s" op: "Placeholder"
          attr { key: "dtype" value { type: %s } } attr { key: "shape" value { shape { %s } } } }
        node { name: "%s_out" op: "Identity" input: "%s" attr { key: "T" value { type: %s } } }
        ''' % (name, dtype, dims, name, name, dtype))
    return "".join(nodes) + "versions { producer: 1000 }\n"


def png(width, height, rows, colour):
    """Rows of bytes to a PNG; colour 0 grey, 2 RGB, 6 RGBA."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))) + chunk(b"IEND", b""))


class Case(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.tmp)

    def path(self, name):
        return os.path.join(self.tmp, name)

    def put(self, name, content):
        with open(self.path(name), "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return self.path(name)

    def berth(self, *args, stdin=b"", **more):
        return subprocess.run([BERTH, *args], input=stdin, capture_output=True, timeout=60, **more)

    def good(self, *args, **more):
        done = self.berth(*args, **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode()

    def bad(self, status, needles, *args, **more):
        """Fails with this status and one line that has these words; nothing on stdout, no new file."""
        before = sorted(os.listdir(self.tmp))
        done = self.berth(*args, **more)
        line = done.stderr.decode()
        self.assertEqual(done.returncode, status, line)
        self.assertTrue(line.startswith("berth: ") and line.count("\n") == 1 and line.endswith("\n"), line)
        for needle in [needles] if isinstance(needles, str) else needles:
            self.assertIn(needle, line)
        self.assertEqual(done.stdout, b"")
        self.assertEqual(sorted(os.listdir(self.tmp)), before)
        return line

    def identity(self, dtype, shape=None):
        return self.put("identity.pbtxt", identity(("x", dtype, shape)))

    def values(self, source, dtype="DT_FLOAT", shape=None, *args):
        out = json.loads(self.good("run", self.identity(dtype, shape), "--input", "x:0=" + source, "--json", *args))
        return out["x_out:0"]["values"]

    def gpus(self, *args, **env):
        """Name and limit of each, where OpenCL's CPU counts as one."""
        text = self.good("devices", "--json", *args, env={**os.environ, "BERTH_OPENCL": "cpu", **env})
        return [(d["name"], d["memory_limit"]) for d in json.loads(text)["devices"] if "GPU" in d["name"]]


class CommandLine(Case):
    def test_help(self):
        text = self.good("--help")
        for verb in "run", "inspect", "bench", "place", "check", "devices":
            self.assertIn("berth " + verb, text)
            self.assertIn("berth " + verb, self.good(verb, "--help"))
        self.assertIn("--input", self.good("run", "--help"))
        self.assertTrue(self.good("--version").startswith("berth "))

    def test_manual_names_every_option(self):
        with open(os.path.join(ROOT, "docs", "berth.1")) as f:
            manual = f.read().replace("\\-", "-")
        for verb in "run", "inspect", "bench", "place", "check", "devices":
            for line in self.good(verb, "--help").split("\n"):
                if line.startswith("  --"):
                    self.assertIn(line.split()[0], manual)

    def test_readme_shows_the_quick_start(self):
        with open(os.path.join(ROOT, "README.md")) as readme, open(os.path.join(ROOT, "examples/quickstart.c")) as c:
            self.assertIn("```c\n" + c.read() + "```", readme.read())

    def test_faults(self):
        self.bad(2, "which command")
        self.bad(2, ["rum", "did you mean 'run'"], "rum")
        self.bad(2, "which model", "run")
        self.bad(2, ["--inptu", "--input"], "run", "m", "--inptu", "x=1")
        self.bad(2, "--top", "run", "m", "--top")
        self.bad(2, "--json takes no value", "run", "m", "--json=yes")
        self.bad(2, "unexpected argument 'other'", "run", "m", "other")
        self.bad(2, "'x'", "run", "m", "--input", "x")
        self.bad(2, "twice", "run", "m", "--input", "x=1", "--input", "x=2")
        self.bad(2, "twice", "run", "m", "--output", "x=a.npy", "--output", "y=a.npy")
        for option, value in [("--threads", "0"), ("--threads", "two"), ("--threads", "1.5"), ("--top", "-1"),
                              ("--image-range", "1"), ("--image-range", "1,1"), ("--image-order", "rbg")]:
            self.bad(2, option, "run", "m", option, value)
        self.bad(2, "--seconds", "bench", "m", "--seconds", "-1")
        self.bad(2, "--seconds", "run", "m", "--seconds", "1")

    def test_convert(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        pb, text, model = (os.path.join(folder, name) for name in ("d.pb", "d.pbtxt", "d"))
        self.assertIn("variables made constants", self.good("convert", EXAMPLE + "/digits", pb))
        self.good("convert", pb, text, "--output", "probability:0", "--clear-devices")
        self.good("convert", EXAMPLE + "/digits", model, "--input-shape", "image=3,8,8,1")
        answers = [self.good("run", m, "--input", "image=" + EXAMPLE + "/pictures/0.png", "--output", "probability:0", "--json")
                   for m in (pb, text)]
        self.assertEqual(answers[0], answers[1])
        inputs = json.loads(self.good("inspect", model, "--json"))["signatures"]["serving_default"]["inputs"]
        self.assertEqual([(i["name"], i["shape"]) for i in inputs], [("image", [3, 8, 8, 1])])
        self.bad(2, "to which file", "convert", pb)
        self.bad(2, "onnx", "convert", pb, "x", "--to", "onnx")
        self.bad(2, "is there already", "convert", pb, model)
        self.bad(1, "nothing:0", "convert", pb, os.path.join(folder, "x.pb"), "--output", "nothing:0")
        self.bad(1, "--input-shape", "convert", pb, os.path.join(folder, "x.pb"), "--input-shape", "image=3,9,8,1")
        self.assertEqual(sorted(os.listdir(folder)), ["d", "d.pb", "d.pbtxt"])

    def test_pipelines(self):
        """What a pipeline of inputs brings is an input, and a placeholder of what is written."""
        floats_of = 'attr { key: "T" value { type: DT_FLOAT } }'
        one = '{ dim { size: -1 } dim { size: 2 } }'
        text = self.put("train.pbtxt", f"""node {{ name: "it" op: "IteratorV2" }}
            node {{ name: "next" op: "IteratorGetNext" input: "it"
              attr {{ key: "output_types" value {{ list {{ type: [DT_INT32, DT_FLOAT] }} }} }}
              attr {{ key: "output_shapes" value {{ list {{ shape {{ dim {{ size: -1 }} }} shape {one} }} }} }} }}
            node {{ name: "q" op: "RandomShuffleQueueV2" attr {{ key: "shapes" value {{ list {{ shape {{ dim {{ size: 2 }} }} }} }} }} }}
            node {{ name: "n" op: "Const" attr {{ key: "dtype" value {{ type: DT_INT32 }} }}
              attr {{ key: "value" value {{ tensor {{ dtype: DT_INT32 tensor_shape {{ }} int_val: 3 }} }} }} }}
            node {{ name: "batch" op: "QueueDequeueManyV2" input: ["q", "n"] attr {{ key: "component_types" value {{ list {{ type: DT_FLOAT }} }} }} }}
            node {{ name: "open" op: "PlaceholderWithDefault" input: "n" attr {{ key: "dtype" value {{ type: DT_INT32 }} }}
              attr {{ key: "shape" value {{ shape {{ unknown_rank: true }} }} }} }}
            node {{ name: "shape" op: "Pack" input: ["open", "n"] attr {{ key: "N" value {{ i: 2 }} }} attr {{ key: "T" value {{ type: DT_INT32 }} }} }}
            node {{ name: "y" op: "AddV2" input: ["next:1", "batch"] {floats_of} }}""")
        inputs = lambda path: {i["name"]: (i["dtype"], i["shape"]) for i in json.loads(self.good("inspect", path, "--json"))["graph"]["inputs"]}
        self.assertEqual(inputs(text), {"next:0": ("int32", [-1]), "next:1": ("float32", [-1, 2]), "batch:0": ("float32", [-1, 2])})
        out, x = self.path("clean.pb"), self.put("x.npy", floats((1, 2), [1, 2]))
        self.good("convert", text, out, "--output", "y:0", "--strip-training")
        self.assertEqual(inputs(out), {"next_1:0": ("float32", [-1, 2]), "batch:0": ("float32", [-1, 2])})
        runs = [self.good("run", path, "--input", name + "=" + x, "--input", "batch:0=" + x, "--output", "y:0", "--json")
                for path, name in ((text, "next:1"), (out, "next_1:0"))]
        self.assertEqual(json.loads(runs[0])["y:0"]["values"], [[2, 4]])
        self.assertEqual(*runs)
        self.good("convert", text, self.path("open.pb"), "--output", "shape:0", "--strip-training", "--cpu")
        fed = self.good("run", self.path("open.pb"), "--input", "open:0=7", "--output", "shape:0", "--json")
        self.assertEqual(json.loads(fed)["shape:0"]["values"], [7, 3])

    def test_training_by_key(self):
        """A placeholder that the signature calls `training`, whatever its own name."""
        port = lambda key, name, dtype: f'{{ key: "{key}" value {{ name: "{name}:0" dtype: {dtype} tensor_shape {{ }} }} }}'
        node = lambda name, op, inputs: f'node {{ name: "{name}" op: "{op}" input: [{inputs}] attr {{ key: "T" value {{ type: DT_FLOAT }} }} }}\n'
        given = lambda name, dtype: f'node {{ name: "{name}" op: "Placeholder" attr {{ key: "dtype" value {{ type: {dtype} }} }} }}\n'
        os.mkdir(self.path("m"))
        self.put("m/saved_model.pbtxt", 'saved_model_schema_version: 1 meta_graphs { meta_info_def { tags: "serve" } graph_def {\n' +
                 given("x", "DT_FLOAT") + given("serving_default_training", "DT_BOOL") + node("s", "Switch", '"x", "serving_default_training"') +
                 node("trained", "Neg", '"s:1"') + node("as_is", "Identity", '"s"') + node("y", "Merge", '"as_is", "trained"') +
                 '} signature_def { key: "serving_default" value { inputs ' + port("x", "x", "DT_FLOAT") + "inputs " +
                 port("training", "serving_default_training", "DT_BOOL") + "outputs " + port("y", "y", "DT_FLOAT") + "} } }")
        self.good("convert", self.path("m"), self.path("out"), "--strip-training")
        self.assertFalse({"Switch", "Merge", "Neg"} & set(json.loads(self.good("inspect", self.path("out"), "--json"))["ops"]))
        self.assertEqual(json.loads(self.good("run", self.path("out"), "--input", "x=3", "--json"))["y"]["values"], 3)

    def test_set_by_initialiser(self):
        """A variable that has its value of an initialiser: a SavedModel keeps both, a GraphDef cannot."""
        node = lambda name, op, inputs="", attrs="": f'node {{ name: "{name}" op: "{op}" input: [{inputs}] {attrs} }}\n'
        typed = lambda key: f'attr {{ key: "{key}" value {{ type: DT_FLOAT }} }}'
        port = lambda key: f'{{ key: "{key}" value {{ name: "{key}:0" dtype: DT_FLOAT tensor_shape {{ }} }} }}'
        os.mkdir(self.path("m"))
        self.put("m/saved_model.pbtxt", 'saved_model_schema_version: 1 meta_graphs { meta_info_def { tags: "serve" } graph_def {\n' +
                 node("x", "Placeholder", attrs=typed("dtype")) + node("v", "VarHandleOp", attrs=typed("dtype")) +
                 node("c", "Const", attrs=typed("dtype") + 'attr { key: "value" value { tensor { dtype: DT_FLOAT tensor_shape { } float_val: 5 } } }') +
                 node("init", "AssignVariableOp", '"v", "c"', typed("dtype")) + node("r", "ReadVariableOp", '"v"', typed("dtype")) +
                 node("y", "AddV2", '"x", "r"', typed("T")) + '} collection_def { key: "saved_model_main_op" value { node_list { value: "init" } } } '
                 'signature_def { key: "serving_default" value { inputs ' + port("x") + "outputs " + port("y") + "} } }")
        self.bad(1, "variable 'v': an initialiser sets it", "convert", self.path("m"), self.path("m.pb"))
        self.good("convert", self.path("m"), self.path("out"))
        for model in ("m", "out"):
            self.assertEqual(json.loads(self.good("run", self.path(model), "--input", "x=2", "--json"))["y"]["values"], 7)

    def test_views_of_refs(self):
        """What an Identity gives of a ref is the variable's memory, in which AssignAdd writes."""
        shutil.copytree(EXAMPLE + "/digits/variables", self.path("m/variables"))
        strings = lambda name, value: f"""node {{ name: "{name}" op: "Const" attr {{ key: "value" value {{ tensor {{ dtype: DT_STRING
            tensor_shape {{ dim {{ size: 1 }} }} string_val: "{value}" }} }} }} }}\n"""
        node = lambda name, op, inputs: f'node {{ name: "{name}" op: "{op}" input: [{inputs}] attr {{ key: "T" value {{ type: DT_FLOAT }} }} }}\n'
        self.put("m/saved_model.pbtxt", 'saved_model_schema_version: 1 meta_graphs { meta_info_def { tags: "serve" } graph_def {\n'
                 'node { name: "v" op: "VariableV2" attr { key: "dtype" value { type: DT_FLOAT } } }\n' +
                 strings("names", "weights/1/.ATTRIBUTES/VARIABLE_VALUE") + strings("slices", "") +
                 'node { name: "p" op: "Placeholder" } node { name: "r" op: "RestoreV2" input: ["p", "names", "slices"] attr { key: "dtypes" '
                 'value { list { type: DT_FLOAT } } } } node { name: "all" op: "Assign" input: ["v", "r"] }\n' +
                 node("read", "Identity", '"v"') + node("twice", "AssignAdd", '"v", "read"') + node("y", "Neg", '"read", "^twice"') +
                 '} saver_def { restore_op_name: "all" } }')
        value = lambda name: json.loads(self.good("run", self.path("m"), "--output", name, "--json"))[name]["values"]
        flat = lambda v: [n for row in v for n in flat(row)] if isinstance(v, list) else [v]
        before, after = flat(value("read:0")), flat(value("y:0"))
        self.assertTrue(any(before))
        for n, m in zip(before, after, strict=True):
            self.assertAlmostEqual(m, -2 * n, places=6)

    def test_locally_connected(self):
        """Layers of Keras 2 whose weights are a masked matrix, then the connected numbers alone; answers of tf_keras."""
        model, x = os.path.join(ROOT, "tests/data/keras_local.h5"), self.put("x.npy", floats((1, 5, 2), [i / 4 for i in range(10)]))
        out = json.loads(self.good("run", model, "--input", "x=" + x, "--json"))
        self.assertEqual(out["places"]["values"], [[[1.3632812], [38.898438], [167.50781]]])

    def test_no_outputs(self):
        path = self.put("cycle.pbtxt", """node { name: "a" op: "Neg" input: "b" attr { key: "T" value { type: DT_FLOAT } } }
            node { name: "b" op: "Neg" input: "a" attr { key: "T" value { type: DT_FLOAT } } }""")
        for verb in ("run", "check", "bench", "place"):
            self.bad(1, "cycle.pbtxt: the graph has no outputs", verb, path)
        self.bad(1, "cycle.pbtxt: the graph has no outputs", "convert", path, path + ".pb")
        self.bad(1, "is part of a cycle", "run", path, "--output", "a:0=" + path + ".npy")

    def test_constant_of_two_types(self):
        path = self.put("c.pbtxt", """node { name: "c" op: "Const" attr { key: "dtype" value { type: DT_FLOAT } } attr { key: "value"
            value { tensor { dtype: DT_INT32 tensor_shape { } int_val: 1 } } } }""")
        self.bad(1, "node 'c' (Const): a constant of float32 whose value is of int32", "run", path, "--output", "c:0=" + path + ".npy")

    def test_convert_stopped(self):
        """A signal leaves neither what was half written nor the thing itself, unless it came too late."""
        def field(number, value):
            n, size = len(value), b""
            while n > 127:
                size, n = size + bytes([n & 127 | 128]), n >> 7
            return bytes([number << 3 | 2]) + size + bytes([n]) + value
        attr = lambda key, value: field(5, field(1, key) + field(2, value))
        count = 1 << 25
        tensor = b"\x08\x01" + field(2, field(2, b"\x08\x80\x80\x80\x10")) + field(4, bytes(4 * count))
        model = self.put("big.pb", field(1, field(1, b"c") + field(2, b"Const") + attr(b"dtype", b"\x30\x01") + attr(b"value", field(8, tensor))) +
                         field(1, field(1, b"y") + field(2, b"Identity") + field(3, b"c") + attr(b"T", b"\x30\x01")))
        stopped = 0
        for number, out in [(signal.SIGINT, "out"), (signal.SIGTERM, "out.pb")] * 5:
            work = subprocess.Popen([BERTH, "convert", model, self.path(out)], stdout=subprocess.DEVNULL)
            while work.poll() is None and not any(name.endswith(".part") for name in os.listdir(self.tmp)):
                time.sleep(0.001)
            work.send_signal(number)
            self.assertIn(work.wait(60), (0, -number))
            stopped += work.returncode != 0
            there = os.path.exists(self.path(out))
            self.assertEqual(sorted(os.listdir(self.tmp)), ["big.pb"] + [out] * there)
            self.assertTrue(there or work.returncode)
            if there:  # whole, even where the signal came right behind the last step
                self.good("inspect", self.path(out))
                (shutil.rmtree if os.path.isdir(self.path(out)) else os.remove)(self.path(out))
        self.assertGreater(stopped, 0)

    def test_weights_of_one_tensor(self):
        """Two variables with one value in the checkpoint are no more bytes than one."""
        bytes_of = []
        for second in ("Assign", "Identity"):
            folder = self.path(second)
            shutil.copytree(EXAMPLE + "/digits/variables", folder + "/variables")
            strings = lambda name, value: f"""node {{ name: "{name}" op: "Const" attr {{ key: "value" value {{ tensor {{ dtype: DT_STRING
                tensor_shape {{ dim {{ size: 2 }} }} string_val: "{value}" }} }} }} }}\n"""
            variable = lambda name: f'node {{ name: "{name}" op: "VariableV2" attr {{ key: "dtype" value {{ type: DT_FLOAT }} }} }}\n'
            inputs = 'input: ["w", "r:1"]' if second == "Assign" else 'input: "r:1"'
            self.put(second + "/saved_model.pbtxt", 'saved_model_schema_version: 1 meta_graphs { meta_info_def { tags: "serve" } graph_def {' +
                     variable("v") + variable("w") + strings("names", "weights/1/.ATTRIBUTES/VARIABLE_VALUE") + strings("slices", "") +
                     'node { name: "p" op: "Placeholder" } node { name: "r" op: "RestoreV2" input: ["p", "names", "slices"] attr { key: "dtypes" '
                     'value { list { type: [DT_FLOAT, DT_FLOAT] } } } } node { name: "a" op: "Assign" input: ["v", "r"] }\n'
                     f'node {{ name: "b" op: "{second}" {inputs} }} node {{ name: "all" op: "NoOp" input: ["^a", "^b"] }} }}'
                     'saver_def { restore_op_name: "all" } }')
            bytes_of.append(json.loads(self.good("inspect", folder, "--json"))["weight_bytes"])
        self.assertEqual(*bytes_of)
        self.assertGreater(bytes_of[0], 64)

    def test_weights_of_another_model_of_the_form(self):
        """Keras loads .h5 layer by layer: names are of the model that was saved, one of several made in that process, say."""
        with open(EXAMPLE + "/digits.h5", "rb") as f:
            content = f.read()
        model, _ = json.JSONDecoder().raw_decode(content[content.index(b'{"class_name": "Sequential"'):].decode("latin-1"))
        for layer in model["config"]["layers"]:
            kind, number = re.fullmatch(r"(.*?)(?:_(\d+))?", layer["config"]["name"]).groups()
            layer["config"]["name"] = f"{kind}_{int(number or 0) + 1}"
        with open(self.path("arch.json"), "w") as f:
            json.dump(model, f)
        picture = self.put("picture.npy", floats((1, 8, 8, 1), [i % 7 / 7 for i in range(64)]))
        for end, more in ("", []), ("_1", ["--structure", self.path("arch.json")]):
            self.good("run", EXAMPLE + "/digits.h5", f"--input=image{end}={picture}", f"--output=probability{end}={self.path('image' + end + '.npy')}", *more)
        with open(self.path("image.npy"), "rb") as one, open(self.path("image_1.npy"), "rb") as other:
            self.assertEqual(one.read(), other.read())

    def test_folder_of_checkpoints(self):
        """Its file "checkpoint" tells the last one, whose prefix may be a path of where the folder was, and end with a slash."""
        with open(EXAMPLE + "/digits.pb", "rb") as f:
            graph = f.read()
        size = bytes([len(graph) >> 7 * i & 127 | (128 if len(graph) >> 7 * (i + 1) else 0) for i in range(5) if len(graph) >> 7 * i])
        folder = self.path("run")
        shutil.copytree(EXAMPLE + "/digits/variables", folder)
        for prefix, state in ("variables", "variables"), ("", "/was/here/run/"), ("variables", "/was/here/run/variables"), ("variables", "variables-?????-of-00001"):
            self.put("run/checkpoint", f'model_checkpoint_path: "{state}"\nall_model_checkpoint_paths: "{state}"\n')
            for end in ".index", ".data-00000-of-00001":
                shutil.copyfile(EXAMPLE + "/digits/variables/variables" + end, f"{folder}/{prefix}{end}")
            with open(f"{folder}/{prefix}.meta", "wb") as f:
                f.write(b"\x0a\0\x12" + size + graph)
            for path in folder, folder + "/", f"{folder}/{prefix}":
                self.assertIn("TensorFlow checkpoint", self.good("inspect", path))
        self.put("run/checkpoint", 'model_checkpoint_path: "other"')
        self.bad(1, ["run/other'", "no checkpoint"], "inspect", folder)
        self.put("run/checkpoint", "no state")
        self.bad(1, ["checkpoint: "], "inspect", folder)

    def test_what_cannot_be_written(self):
        """Each fault is one line, and leaves what was there and nothing else."""
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        place = lambda name: os.path.join(folder, name)
        shutil.copytree(EXAMPLE + "/digits", place("m"))
        with open(place("old.pb"), "w") as f:
            f.write("as it was")
        os.mkdir(place("full"))
        os.mkdir(place("empty"))
        with open(place("full/other"), "w"):
            pass
        before = sorted(os.walk(folder))
        small = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
        for out in ("old.pb", "new.pb", "new.pbtxt", "new", "empty", "m/new", "m/new.pb"):
            self.bad(1, place(out) + ": ", "convert", place("m"), place(out), preexec_fn=small)
            self.assertEqual(sorted(os.walk(folder)), before)
        self.bad(1, "y.npy: File too large", "run", EXAMPLE + "/digits", "--input", "image=" + npy_zeros(place("x.npy"), 2000),
                 "--output", "probability=" + place("y.npy"), preexec_fn=small)
        os.remove(place("x.npy"))
        for out, options in (("full", ()), ("m", ()), ("old.pb", ("--to", "savedmodel")), ("full", ("--to", "graphdef"))):
            self.bad(2, "is there already", "convert", place("m"), place(out), *options)
        for out in ("none/new.pb", "none/new", "old.pb/new", "old.pb/new.pb"):
            self.bad(1, place(out), "convert", place("m"), place(out))
        self.bad(1, "none", "convert", place("none"), place("new.pb"))
        self.assertEqual(sorted(os.walk(folder)), before)
        with open(place("old.pb")) as f:
            self.assertEqual(f.read(), "as it was")
        self.good("convert", place("m"), place("m/inside"))  # beside the model's own files
        self.good("convert", place("m/inside"), place("empty"))
        self.good("convert", place("m"), place("old.pb"))
        self.good("convert", place("old.pb"), place("old.pb"))  # over itself
        self.good("inspect", place("old.pb"))

    def test_devices_are_configured(self):
        def devices(*args, **env):
            text = self.good("devices", "--json", *args, env={**os.environ, **env})
            return [(d["name"], d["hardware"], d["memory_limit"]) for d in json.loads(text)["devices"] if "CPU" in d["name"]]

        self.assertEqual(devices("--logical", "CPU:0=0,1MiB"), [("/CPU:0", "CPU:0", 0), ("/CPU:1", "CPU:0", 1 << 20)])
        text = self.good("devices", "--logical", "CPU:0=0,1MiB", "--visible-devices", "GPU=-1")
        self.assertEqual(text.count("\n  on      CPU:0\n"), 2)
        self.assertEqual(len(devices("--device-count", "CPU=3")), 3)
        self.assertEqual(devices("--memory-limit", "/cpu:0=2kB", "--memory-growth"), [("/CPU:0", "CPU:0", 2000)])
        self.assertGreater(devices("--memory-fraction", "CPU:0=0.5")[0][2], 1 << 20)
        gpus = self.good("devices", "--visible-devices", "GPU=-1")
        self.assertNotIn("GPU", gpus)
        self.assertNotIn("GPU", self.good("devices", env={**os.environ, "CUDA_VISIBLE_DEVICES": ""}))
        for status, words, *args in [
                (2, ["XPU", "not a device"], "--memory-limit", "XPU:0=1GiB"),
                (3, ["CPU:7", "not there"], "--memory-limit", "CPU:7=1GiB"),
                (2, "no size", "--memory-limit", "CPU:0=much"),
                (2, "leaves nothing", "--memory-limit", "CPU:0=0"),
                (2, "one device", "--memory-limit", "auto=1"),
                (2, "1.5", "--memory-fraction", "CPU:0=1.5"),
                (2, "no number", "--memory-fraction", "CPU:0=half"),
                (2, "set already", "--memory-fraction", "CPU:0=0.5", "--memory-limit", "CPU:0=1GiB"),
                (2, "twice", "--memory-growth", "--memory-growth"),
                (2, "twice", "--visible-devices", "CPU=0,0"),
                (3, "there is no CPU 4", "--visible-devices", "CPU=4"),
                (2, "set already", "--logical", "CPU:0=0,0", "--logical", "/CPU:0=0"),
                (2, "overlap", "--logical", "CPU:0=999999GiB"),
                (2, "of their own", "--logical", "CPU:0=0,0", "--memory-limit", "CPU:0=1GiB"),
                (2, "count", "--device-count", "CPU=0"), (2, "count", "--device-count", "GPU=-1")]:
            self.bad(status, words, "devices", *args)

    def test_config(self):
        def devices(path, *args):
            found = json.loads(self.good("devices", "--json", "--config", path, *args))["devices"]
            return [d["threads"] for d in found if "CPU" in d["name"]]

        text = self.put("config.pbtxt", """# a ConfigProto
            device_count { key: "CPU" value: 2 } intra_op_parallelism_threads: 1 allow_soft_placement: true
            gpu_options { allow_growth: true visible_device_list: "0"
                          experimental { virtual_devices { memory_limit_mb: [100, 200] } } }
            graph_options { rewrite_options { disable_meta_optimizer: true } }""")
        binary = self.put("config.bin", b"\n\x07\n\x03GPU\x10\x01\n\x07\n\x03CPU\x10\x02\x10\x012\x13 \x01*\x010J\x0c\n\n\n\x08"
                                        b"\x00\x00\xc8B\x00\x00HC@\x01")
        for path in text, binary:
            self.assertEqual(devices(path), [1, 1])
            self.assertEqual(devices(path, "--device-count", "CPU=1", "--threads", "2"), [2])
        for words, content in [("0 to 1", "gpu_options { per_process_gpu_memory_fraction: 1.5 }"),
                               ("cannot be", "device_count { key: 'GPU' value: -2 }"),
                               ("cannot be", "intra_op_parallelism_threads: -1"),
                               ("memory_limit_mb", "gpu_options { experimental { virtual_devices { memory_limit_mb: -1 } } }"),
                               ("allow_growth is set twice", "gpu_options { allow_growth: true allow_growth: false }"),
                               ("limits of their own", "gpu_options { per_process_gpu_memory_fraction: 0.5 experimental "
                                                       "{ virtual_devices { memory_limit_mb: 100 } } }"),
                               ("line 1", "allow_soft_placement: maybe"), ("ConfigProto", b"\x08\xff")]:
            path = self.put("bad.pbtxt", content)
            self.bad(1, ["bad.pbtxt", words], "devices", "--config", path)
        self.bad(1, "none.pbtxt", "devices", "--config", "none.pbtxt")

    def test_gpus_are_configured(self):
        if not self.gpus():
            self.skipTest("no OpenCL device")
        total = json.loads(self.good("devices", "--json", env={**os.environ, "BERTH_OPENCL": "cpu"}))["devices"][-1]["memory_total"]
        one, split = [("/GPU:0", 0)], [("/GPU:0", 100 << 20), ("/GPU:1", 200 << 20)]
        self.assertEqual(self.gpus("--visible-devices", "GPU=0"), one)
        self.assertEqual(self.gpus("--visible-devices", "GPU=-1"), [])
        self.assertEqual(self.gpus("--device-count", "GPU=0"), [])
        self.assertEqual(self.gpus("--device-count", "GPU=1", "--memory-growth"), one)
        self.assertEqual(self.gpus("--memory-limit", "GPU:0=64MiB"), [("/GPU:0", 64 << 20)])
        self.assertEqual(self.gpus("--memory-fraction", "GPU:0=0.25"), [("/GPU:0", total // 4)])
        self.assertEqual(self.gpus("--logical", "GPU:0=100MiB,200MiB"), split)
        for visible, found in ("", []), ("-1", []), ("0", one), ("0,-1", one), ("7", []), ("none", []):
            self.assertEqual(self.gpus(CUDA_VISIBLE_DEVICES=visible), found)
        for growth in "true", "false":
            self.assertEqual(self.gpus(TF_FORCE_GPU_ALLOW_GROWTH=growth), one)

        def config(text, *args):
            return self.gpus("--config", self.put("config.pbtxt", text), *args)

        self.assertEqual(config("gpu_options { per_process_gpu_memory_fraction: 0.25 }"), [("/GPU:0", total // 4)])
        self.assertEqual(config("gpu_options { per_process_gpu_memory_fraction: 0.25 }", "--memory-limit", "GPU:0=1MiB"),
                         [("/GPU:0", 1 << 20)])
        self.assertEqual(config("device_count { key: 'GPU' value: 0 }"), [])
        self.assertEqual(config("gpu_options { visible_device_list: '0' allow_growth: true experimental "
                                "{ virtual_devices { memory_limit_mb: [100, 200] } } }"), split)
        self.assertEqual(config(b"2\x13 \x01*\x010J\x0c\n\n\n\x08\x00\x00\xc8B\x00\x00HC"), split)
        bad = {**os.environ, "BERTH_OPENCL": "cpu"}
        for status, words, *args in [
                (2, "overlap", "--logical", "GPU:0=9TiB,1MiB"), (2, "overlap", "--logical", "GPU:0=%d,1" % total),
                (2, "leaves nothing", "--memory-limit", "GPU:0=0"), (2, "1.5", "--memory-fraction", "GPU:0=1.5"),
                (2, "of 0 is", "--memory-fraction", "GPU:0=0"), (2, "set already", "--memory-limit", "GPU:0=1", "--memory-limit", "/GPU:0=2"),
                (2, "of their own", "--logical", "GPU:0=1MiB", "--memory-limit", "GPU:0=1MiB"),
                (3, ["GPU 4", "there are 1"], "--visible-devices", "GPU=4"), (2, "twice", "--visible-devices", "GPU=0,0"),
                (3, ["GPU:1", "not there"], "--memory-limit", "GPU:1=1MiB"),
                (3, ["GPU 3", "visible"], "--config", self.put("list.pbtxt", "gpu_options { visible_device_list: '3' }"))]:
            self.bad(status, words, "devices", *args, env=bad)

    def test_copies_between_logical_devices(self):
        def copies(*args):
            return json.loads(self.good("place", EXAMPLE + "/digits", "--json", "--logical", "CPU:0=0,0", *args))["copies"]

        self.assertEqual(copies("--device", "/CPU:0"), 0)
        self.assertEqual(copies("--device", "/CPU:1"), 2)  # one in, one out
        self.assertEqual(copies("--device", "/CPU:1", "--rule", "op:MatMul=/CPU:0"), 4)

    def test_batch_over_several_devices(self):
        model, two = EXAMPLE + "/digits", ["--logical", "CPU:0=0,0", "--device", "/CPU:0,/CPU:1"]
        images = "image=" + json.dumps([[[[i / 5 + x / 9] for x in range(8)] for _ in range(8)] for i in range(5)])
        want = json.loads(self.good("run", model, "--json", "--input", images))["probability"]
        done = self.berth("run", model, "--json", "--input", images, "--log-placement", *two)
        self.assertEqual(done.returncode, 0, done.stderr)
        got = json.loads(done.stdout)["probability"]
        self.assertEqual(got["shape"], [5, 10])
        flat = lambda rows: [value for row in rows for value in row]
        for a, b in zip(flat(got["values"]), flat(want["values"])):
            self.assertAlmostEqual(a, b, delta=1e-5)
        log = done.stderr.decode()
        self.assertIn("(MaxPool): /CPU:0,/CPU:1\n", log)
        self.assertIn("/CPU:0: (part of a batch): 3 of 5 rows\n/CPU:1: (part of a batch): 2 of 5 rows\n", log)
        placed = json.loads(self.good("place", model, "--json", "--input-shape", "image=5,8,8,1", *two))
        self.assertEqual(placed["parts"], [{"device": "/CPU:0", "rows": 3}, {"device": "/CPU:1", "rows": 2}])
        self.assertEqual(placed["copies"], 2)
        self.assertEqual([n["device"] for n in placed["nodes"] if n["op"] == "MaxPool"], ["/CPU:0,/CPU:1"])
        self.assertGreater(placed["bytes"]["/CPU:1"]["weights"], 0)
        self.assertIn("/CPU:1: 2 rows of the batch", self.good("place", model, "--input-shape", "image=5,8,8,1", *two))
        self.assertEqual(json.loads(self.good("bench", model, "--json", "--seconds", "0.05", *two))["device"], "/CPU:0,/CPU:1")
        one = self.put("sum.pbtxt", """
            node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } }
                   attr { key: "shape" value { shape { dim { size: -1 } } } } }
            node { name: "to" op: "Const" attr { key: "dtype" value { type: DT_INT32 } }
                   attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape { } int_val: 0 } } } }
            node { name: "y" op: "Sum" input: "x" input: "to" attr { key: "T" value { type: DT_FLOAT } } }""")
        self.bad(1, ["/CPU:0,/CPU:1", "'y' (Sum)", "mixes rows"], "run", one, "--input", "x=[1,2]", *two)
        self.bad(2, "twice", "run", model, "--device", "/CPU:0,/CPU:0", "--input", images)
        self.bad(3, "/GPU:7", "run", model, "--device", "/CPU:0,/GPU:7", "--input", images)

    def test_fall_back(self):
        model = EXAMPLE + "/digits"
        args = ["run", model, "--input", "image=" + json.dumps([[[[0.0]] * 8] * 8]), "--json"]
        want = self.good(*args, "--device", "/CPU:0")
        self.bad(3, ["/GPU:7", "not there"], *args, "--device", "/GPU:7")
        self.bad(3, ["/CPU:1", "does not fit", "1000"], *args, "--device", "/CPU:1", "--logical", "CPU:0=0,1000")
        for more in ["--device", "/GPU:7"], ["--device", "/CPU:1", "--logical", "CPU:0=0,1000"]:
            done = self.berth(*args, *more, "--fallback", "/CPU:0")
            self.assertEqual((done.returncode, done.stdout.decode()), (0, want))
            line = done.stderr.decode()
            self.assertTrue(line.startswith("berth: ") and line.count("\n") == 1 and "/CPU:0" in line, line)
        self.bad(2, ["fall-back", "XPU"], *args, "--fallback", "XPU")

    def test_devices(self):
        self.assertIn("/CPU:0", self.good("devices"))
        devices = json.loads(self.good("devices", "--json"))["devices"]
        self.assertEqual(devices[0]["name"], "/CPU:0")
        self.assertGreater(devices[0]["memory_total"], 0)

    def test_device_faults(self):
        model = self.identity("DT_FLOAT", [2])
        self.bad(2, "XPU", "run", model, "--device", "/XPU:0", "--input", "x=[1,2]")
        self.bad(3, "GPU:7", "run", model, "--device", "/GPU:7", "--input", "x=[1,2]")
        self.assertEqual(self.values("[1,2]", "DT_FLOAT", [2], "--device", "/CPU:0", "--threads", "1"), [1, 2])

    def test_full_disk(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        with open("/dev/full", "w") as full:
            done = subprocess.run([BERTH, "--help"], stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"standard output", done.stderr)


class Arrays(Case):
    def through(self, dtype, content, name="x.npy", key="x:0"):
        """An array through an identity graph; what berth wrote of it."""
        out = self.path("out.npy")
        self.good("run", self.identity(dtype), "--input", key + "=" + self.put(name, content), "--output",
                  "x_out:0=" + out)
        return read_npy(out)

    TYPES = [("DT_FLOAT", "<f4"), ("DT_DOUBLE", "<f8"), ("DT_HALF", "<f2"), ("DT_INT8", "|i1"), ("DT_INT16", "<i2"),
             ("DT_INT32", "<i4"), ("DT_INT64", "<i8"), ("DT_UINT8", "|u1"), ("DT_UINT16", "<u2"),
             ("DT_UINT32", "<u4"), ("DT_UINT64", "<u8"), ("DT_COMPLEX64", "<c8"), ("DT_COMPLEX128", "<c16"),
             ("DT_BFLOAT16", "<u2"), ("DT_QUINT8", "|u1"), ("DT_QINT8", "|i1"), ("DT_QINT32", "<i4"),
             ("DT_QINT16", "<i2"), ("DT_QUINT16", "<u2")]

    def test_every_type(self):
        for dtype, descr in self.TYPES:
            width = int(descr[2:])
            data = bytes(range(1, 6 * width + 1))
            self.assertEqual(self.through(dtype, npy(descr, (2, 3), data)), (descr, (2, 3), data), dtype)
        self.assertEqual(self.through("DT_BOOL", npy("|b1", (3,), b"\0\1\7")), ("|b1", (3,), b"\0\1\1"))

    def test_byte_order(self):
        self.assertEqual(self.through("DT_INT32", npy(">i4", (2,), b"\0\0\0\1\0\0\1\0"))[2], b"\1\0\0\0\0\1\0\0")
        self.assertEqual(self.through("DT_COMPLEX64", npy(">c8", (1,), struct.pack(">2f", 1, 2)))[2],
                         struct.pack("<2f", 1, 2))

    def test_fortran_order(self):
        got = self.through("DT_UINT8", npy("|u1", (2, 3, 2), bytes(range(12)), fortran=True))
        self.assertEqual(got[2], bytes(k * 6 + j * 2 + i for i in range(2) for j in range(3) for k in range(2)))
        self.assertEqual(self.through("DT_STRING", npy("|S2", (2, 2), b"aabbccdd", fortran=True))[2], b"aaccbbdd")

    def test_shapes_and_versions(self):
        for shape in [(), (0,), (2, 0, 3), (1,) * 8]:
            count = 0 if 0 in shape else 1
            self.assertEqual(self.through("DT_FLOAT", floats(shape, [1.5] * count))[1], shape)
        for version in 1, 2, 3:
            self.assertEqual(self.through("DT_UINT8", npy("|u1", (2,), b"ab", version=version))[2], b"ab")

    def test_strings(self):
        self.assertEqual(self.through("DT_STRING", npy("|S3", (2,), b"ab\0cde")), ("|S3", (2,), b"ab\0cde"))
        self.assertEqual(self.through("DT_STRING", npy("|S3", (1,), b"\0\0\0")), ("|S1", (1,), b"\0"))
        text = "h\u00e9\u20ac\U0001f600"
        self.assertEqual(self.through("DT_STRING", npy("<U4", (1,), text.encode("utf-32-le")))[2], text.encode())

    def npz(self, method, **arrays):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as z:
            for name, content in arrays.items():
                with z.open(name + ".npy", "w", force_zip64=True) as f:
                    f.write(content)
        return file.getvalue()

    def test_npz(self):
        x, y = floats((100,), [1.0] * 100), floats((100,), [2.0] * 100)
        for method in zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED:
            both = self.npz(method, y=y, x=x)
            self.assertEqual(self.through("DT_FLOAT", both, "x.npz")[2], x[-400:])
            self.assertEqual(self.through("DT_FLOAT", self.npz(method, other=y), "x.npz")[2], y[-400:])
            model, file = self.identity("DT_FLOAT"), self.put("none.npz", self.npz(method, a=x, b=y))
            self.bad(1, ["none.npz", "'x"], "run", model, "--input", "x=" + file)
            for n in range(0, len(both), 29):
                file = self.put("cut.npz", both[:n])
                self.bad(1, "cut.npz", "run", model, "--input", "x=" + file, "--output", "x_out:0=" + self.path("o"))
        broken = bytearray(both)
        broken[both.index(b"x.npy") + 40] ^= 64
        self.bad(1, "broken.npz", "run", model, "--input", "x=" + self.put("broken.npz", bytes(broken)))

    def test_faults(self):
        model, out = self.identity("DT_FLOAT"), self.path("out.npy")
        good = floats((3,), [1, 2, 3])
        files = {"cut": good[:n] for n in range(len(good))}
        files = [good[:n] for n in range(0, len(good), 7)] + [
            npy("|O", (1,), b"12345678"), npy("<f16", (1,), b"0" * 16), npy("<f4", (1 << 40, 1 << 40), b""),
            npy("<f4", (-1,), b""), npy("<f4", (1,) * 9, b"1234"), good[:6] + b"\x09" + good[7:],
            npy("<M8", (1,), b"12345678"), good.replace(b"shape", b"shale"), good.replace(b"descr", b"desks"),
            npy("|S0", (1 << 60,), b""), good.replace(b"'<f4'", b"[('a')]")]
        for content in files:
            file = self.put("bad.npy", content)
            self.bad(1, ["bad.npy", "'x'"], "run", model, "--input", "x=" + file, "--output", "x_out:0=" + out)
        self.bad(1, ["absent.npy", "No such file"], "run", model, "--input", "x=absent.npy")
        self.bad(1, [self.tmp, "folder"], "run", model, "--input", "x=" + self.tmp)
        two = self.put("two.npy", good)
        self.bad(1, "two.npy", "run", model, "--input", "x=%s,%s" % (two, two))


class Json(Case):
    def test_values(self):
        for source, dtype, want in [
                ("[1, 2.5, -3e2]", "DT_FLOAT", [1, 2.5, -300]), ("7", "DT_INT32", 7), ("-0.5", "DT_DOUBLE", -0.5),
                ("[[1,2],[3,4],[5,6]]", "DT_INT64", [[1, 2], [3, 4], [5, 6]]), ("[]", "DT_FLOAT", []),
                ("[[],[]]", "DT_FLOAT", [[], []]), ("[true, false]", "DT_BOOL", [True, False]),
                ("[18446744073709551615]", "DT_UINT64", [18446744073709551615]),
                ("[-9223372036854775808, 9223372036854775807]", "DT_INT64", [-2**63, 2**63 - 1]),
                ("[255, 3.0]", "DT_UINT8", [255, 3]), ("[0.1]", "DT_FLOAT", [0.1]), ("[0, 1.5, 1e9]", "DT_HALF", [0, 1.5, float("inf")]),
                ("[0.333]", "DT_HALF", [0.333]), ("[3.14]", "DT_BFLOAT16", [3.14]), ("[6e-8]", "DT_HALF", [6e-8]),
                ("[[1, -2], [0.5, 0]]", "DT_COMPLEX64", [[1, -2], [0.5, 0]]),
                ('["a", "\\u20ac\\n\\"", ""]', "DT_STRING", ["a", "\u20ac\n\"", ""]),
                ('"\\ud83d\\ude00"', "DT_STRING", "\U0001f600"), ('{"b64": "gAA="}', "DT_STRING", {"b64": "gAA="}),
                ('{"y": [3], "x": [[4]]}', "DT_FLOAT", [[4]])]:
            self.assertEqual(self.values(source, dtype), want, source)
        self.assertEqual(str(self.values("[NaN, Infinity, -Infinity]")), "[nan, inf, -inf]")
        self.assertEqual(self.values(self.put("x.json", " [1, 2]\n")), [1, 2])

    def test_faults(self):
        for source, dtype, needle in [
                ("[1, [2]]", "DT_FLOAT", "unequal"), ("[[1], [2, 3]]", "DT_FLOAT", "unequal"),
                ("[[1], []]", "DT_FLOAT", "unequal"), ("[1", "DT_FLOAT", "JSON"), ("[1] 2", "DT_FLOAT", "JSON"),
                ("[1,]", "DT_FLOAT", "JSON"), ("[0x10]", "DT_FLOAT", "JSON"), ("[256]", "DT_UINT8", "256"),
                ("[-1]", "DT_UINT8", "-1"), ("[1.5]", "DT_INT32", "1.5"), ('["a"]', "DT_FLOAT", '"a"'),
                ("[1]", "DT_STRING", "string"), ("[1]", "DT_BOOL", "bool"), ("[" * 1000, "DT_FLOAT", "deep"),
                ('["\\ud83d\\u0041"]', "DT_STRING", "surrogate"), ('["a', "DT_STRING", "JSON"),
                ('{"y": [1]}', "DT_FLOAT", "'x"), ('{"b64": "*"}', "DT_STRING", "base64"),
                ("[1, 2, 3]", "DT_COMPLEX64", "pair"), ("[9223372036854775808]", "DT_INT64", "int64")]:
            self.bad(1, ["'x'", needle], "run", self.identity(dtype), "--input", "x=" + source)


class Pictures(Case):
    def setUp(self):
        super().setUp()
        if not HAS_PNG:
            self.skipTest("built without libpng")

    def test_grey(self):
        file = self.put("a.png", png(2, 2, [[0, 51], [102, 255]], 0))
        self.assertEqual(self.values(file, "DT_UINT8", [1, 2, 2, 1]), [[[[0], [51]], [[102], [255]]]])
        got = self.values(file, "DT_FLOAT", [-1, 2, 2, 3])
        self.assertEqual(got[0][0][1], [0.2, 0.2, 0.2])
        self.assertEqual(self.values(file, "DT_FLOAT", [-1, 2, 2], "--image-range", "-1,1")[0][0][0], -1)

    def test_colour_layout_order(self):
        file = self.put("a.png", png(2, 1, [[255, 0, 0, 0, 0, 255]], 2))
        self.assertEqual(self.values(file, "DT_UINT8", [1, 1, 2, 3]), [[[[255, 0, 0], [0, 0, 255]]]])
        self.assertEqual(self.values(file, "DT_UINT8", [1, 1, 2, 3], "--image-order", "bgr")[0][0][0], [0, 0, 255])
        self.assertEqual(self.values(file, "DT_UINT8", [1, 3, 1, 2]), [[[[255, 0]], [[0, 0]], [[0, 255]]]])
        self.assertEqual(self.values(file, "DT_UINT8", [1, 1, 2, 1]), [[[[76], [29]]]])
        alpha = self.put("b.png", png(1, 1, [[10, 20, 30, 0]], 6))
        self.assertEqual(self.values(alpha, "DT_UINT8", [-1, -1, -1, 3]), [[[[10, 20, 30]]]])

    def test_scaling(self):
        file = self.put("a.png", png(2, 1, [[0, 100]], 0))
        self.assertEqual(self.values(file, "DT_UINT8", [1, 1, 4, 1]), [[[[0], [25], [75], [100]]]])
        file = self.put("b.png", png(4, 1, [[0, 10, 20, 30]], 0))
        self.assertEqual(self.values(file, "DT_UINT8", [1, 1, 2, 1]), [[[[5], [25]]]])
        self.assertEqual(self.values(file, "DT_UINT8", [-1, -1, -1, 1], "--input-shape", "x=1,1,2,1"), [[[[5], [25]]]])

    def test_batch_and_bytes(self):
        a, b = (self.put(n + ".png", png(1, 1, [[v]], 0)) for n, v in (("a", 1), ("b", 2)))
        self.assertEqual(self.values(a + "," + b, "DT_UINT8", [-1, 1, 1, 1]), [[[[1]]], [[[2]]]])
        with open(a, "rb") as f:
            content = f.read()
        self.assertEqual(base64.b64decode(self.values(a, "DT_STRING", [-1])[0]["b64"]), content)

    def test_jpeg(self):
        if not HAS_JPEG:
            self.skipTest("built without libjpeg")
        got = self.values(self.put("a.jpg", JPEG), "DT_UINT8", [1, 8, 16, 3])[0]
        for pixel, want in (got[4][1], [254, 0, 0]), (got[4][14], [0, 0, 254]):
            self.assertTrue(all(abs(p - w) < 4 for p, w in zip(pixel, want)), pixel)
        for n in range(4, len(JPEG) - 8, 23):
            self.bad(1, "cut.jpg", "run", self.identity("DT_UINT8", [1, 8, 16, 3]), "--input",
                     "x=" + self.put("cut.jpg", JPEG[:n]))

    def test_faults(self):
        content = png(2, 2, [[0, 51], [102, 255]], 0)
        model = self.identity("DT_FLOAT", [1, 2, 2, 1])
        good = self.put("good.png", content)
        for n in range(4, len(content) - 12, 3):
            self.bad(1, ["cut.png", "'x'"], "run", model, "--input", "x=" + self.put("cut.png", content[:n]))
        self.bad(1, "absent.png", "run", model, "--input", "x=%s,absent.png" % good)
        huge = content[:16] + struct.pack(">II", 1 << 30, 1 << 30) + content[24:29]
        huge += struct.pack(">I", zlib.crc32(huge[12:29])) + content[33:]
        self.bad(1, "huge.png", "run", model, "--input", "x=" + self.put("huge.png", huge))
        self.bad(1, "picture", "run", self.identity("DT_FLOAT", [4]), "--input", "x=" + good)
        wide = self.put("wide.png", png(3, 1, [[1, 2, 3]], 0))
        self.bad(1, "--input-shape", "run", self.identity("DT_FLOAT", [-1, -1, -1, 1]), "--input",
                 "x=%s,%s" % (good, wide))


class Runs(Case):
    PICTURES = ",".join(os.path.join(EXAMPLE, "pictures", "%d.png" % d) for d in range(10))

    def digits(self, model):
        with open(os.path.join(EXAMPLE, "labels.txt")) as f:
            names = f.read().split()
        file = os.path.join(EXAMPLE, model)
        entry = next(i for i in self.good("inspect", file).split("\n") if " in " in i).split()[1]
        text = self.good("run", file, "--input", entry + "=" + self.PICTURES, "--labels",
                         os.path.join(EXAMPLE, "labels.txt"), "--top", "1")
        lines = text.strip().split("\n")
        self.assertEqual([line.split()[1] for line in lines], names)
        top = json.loads(self.good("run", file, "--input", entry + "=" + self.PICTURES, "--top", "2", "--json"))
        ranked = next(iter(top.values()))["top"]
        self.assertEqual([row[0]["index"] for row in ranked], list(range(10)))
        self.assertTrue(all(row[0]["value"] > 0.5 > row[1]["value"] for row in ranked))

    def test_saved_model(self):
        if HAS_PNG:
            self.digits("digits")

    def test_frozen(self):
        if HAS_PNG:
            self.digits("digits.pb")

    def test_keras(self):
        if HAS_PNG:
            self.digits("digits.h5")

    def test_labels_must_fit(self):
        labels = self.put("labels.txt", "a\nb\n")
        zeros = self.put("zeros.npy", floats((1, 8, 8, 1), [0] * 64))
        self.bad(1, ["labels.txt", "2 names"], "run", EXAMPLE + "/digits", "--input", "image=" + zeros, "--labels",
                 labels)

    def test_two_outputs_and_a_note(self):
        model = self.put("two.pbtxt", identity(("a", "DT_FLOAT", [2]), ("b", "DT_INT32", [1])))
        done = self.berth("run", model, "--input", "a=[1.5,2.5]", "--input", "b=[7]")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"nothing consumes", done.stderr)
        for needle in b"a_out:0", b"[1.5 2.5]", b"b_out:0", b"int32 [1]", b"[7]":
            self.assertIn(needle, done.stdout)
        a, b = self.path("a.npy"), self.path("b.npy")
        self.good("run", model, "--input", "a=[1.5,2.5]", "--input", "b=[7]", "--output", "a_out:0=" + a, "--output",
                  "b_out:0=" + b)
        self.assertEqual((read_npy(a)[2], read_npy(b)[2]), (struct.pack("<2f", 1.5, 2.5), struct.pack("<i", 7)))

    def test_long_outputs_are_abridged(self):
        model, x = self.identity("DT_INT32"), self.put("x.npy", npy("<i4", (30, 40), struct.pack("<1200i", *range(1200))))
        text = self.good("run", model, "--input", "x=" + x)
        self.assertIn("...", text)
        self.assertLess(len(text), 1000)
        self.assertIn("[[   0    1    2 ...   37   38   39]", text)

    def test_control_characters_do_not_reach_the_terminal(self):
        text = self.good("run", self.identity("DT_STRING"), "--input", 'x=["\\u001b[31m"]')
        self.assertNotIn("\x1b", text)
        self.assertNotIn("\x1b", self.bad(1, "[31m", "run", self.identity("DT_FLOAT", [1]), "--input", "\x1b[31m=[1]"))

    def test_output_files(self):
        model, out = self.identity("DT_FLOAT", [2]), self.put("out.npy", b"old")
        for args in [("--input", "x=[1,2]", "--output", "x_out:0=" + out, "--output", "none:0=" + self.path("b.npy")),
                     ("--input", "x=[1,2,3]", "--output", "x_out:0=" + out),
                     ("--input", "x=[1,2]", "--output", "x_out:0=" + out, "--output", "x_out:0=" + self.tmp),
                     ("--input", "x=[1,2]", "--output", "x_out:0=" + self.path("none/out.npy"))]:
            self.bad(1, "", "run", model, *args)
            with open(out, "rb") as f:
                self.assertEqual(f.read(), b"old")
        self.good("run", model, "--input", "x=[1,2]", "--output", "x_out:0=" + out)
        self.assertEqual(sorted(os.listdir(self.tmp)), ["identity.pbtxt", "out.npy"])
        with open(self.path("plain"), "w"):
            self.assertEqual(os.stat(out).st_mode, os.stat(self.path("plain")).st_mode)
        piped = self.berth("run", model, "--input", "x=[1,2]", "--output", "x_out:0=/dev/stdout").stdout
        self.assertTrue(piped.startswith(b"\x93NUMPY"))

    def test_wrong_names_types_shapes(self):
        model = self.identity("DT_INT32", [2])
        self.bad(1, "other", "run", model, "--input", "other=[1,2]")
        self.bad(1, "other:0", "run", model, "--input", "x=[1,2]", "--output", "other:0=" + self.path("o.npy"))
        self.bad(1, "x_out:4", "run", model, "--input", "x=[1,2]", "--output", "x_out:4=" + self.path("o.npy"))
        self.bad(1, "x", "run", model, "--output", "x_out:0=" + self.path("o.npy"))
        self.bad(1, ["x", "3", "2"], "run", model, "--input", "x=[1,2,3]")
        wide = self.put("wide.npy", npy("<i8", (2,), bytes(16)))
        self.bad(1, ["x", "int64", "int32"], "run", model, "--input", "x=" + wide)
        self.bad(1, "none", "run", EXAMPLE + "/digits", "--signature", "none", "--input", "image=1")
        self.bad(1, "none", "run", EXAMPLE + "/digits", "--tag", "none", "--input", "image=1")

    def test_standard_input(self):
        with open(EXAMPLE + "/digits.pb", "rb") as f:
            content = f.read()
        self.assertIn("Conv2D", self.good("inspect", "-", stdin=content))
        with open(EXAMPLE + "/digits.pb", "rb") as f:
            done = subprocess.run([BERTH, "inspect", "-"], stdin=f, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.bad(1, "standard input", "inspect", "-", stdin=b"")


class Models(Case):
    def test_inspect(self):
        text = self.good("inspect", EXAMPLE + "/digits")
        for needle in "SavedModel", "serving_default", "image", "float32", "[?, 8, 8, 1]", "probability", "Conv2D":
            self.assertIn(needle, text)
        page = json.loads(self.good("inspect", EXAMPLE + "/digits", "--json"))
        entry = page["signatures"]["serving_default"]["inputs"][0]
        self.assertEqual((entry["name"], entry["dtype"], entry["shape"]), ("image", "float32", [-1, 8, 8, 1]))
        self.assertEqual(page["tags"], ["serve"])
        self.assertEqual(page["ops"]["Conv2D"], 3)
        self.assertGreater(page["weight_bytes"], 50000)
        self.assertIn("Conv2D", self.good("inspect", EXAMPLE + "/digits.pb", "--stage", "source"))
        self.assertTrue(self.good("inspect", EXAMPLE + "/digits.pb", "--stage", "plan"))
        self.bad(2, "nowhere", "inspect", EXAMPLE + "/digits.pb", "--stage", "nowhere")

    def test_functions(self):
        """Functions of a SavedModel that has a signature of its own."""
        names = lambda *more: list(json.loads(self.good("inspect", EXAMPLE + "/digits", "--json", *more))["signatures"])
        self.assertEqual(names(), ["serving_default"])
        self.assertEqual(names("--functions"), ["serving_default", "call"])
        self.assertEqual(names("--signature", "call"), ["serving_default", "call"])
        text = self.good("inspect", EXAMPLE + "/digits", "--signature", "call")
        self.assertIn("call", text)
        self.assertNotIn("serving_default", text)
        image = self.put("image.npy", npy("<f4", (1, 8, 8, 1), struct.pack("<64f", *(i / 64 for i in range(64)))))
        expected = self.good("run", EXAMPLE + "/digits", "--input", "image=" + image)
        entry = json.loads(self.good("inspect", EXAMPLE + "/digits", "--json", "--signature", "call"))["signatures"]["call"]
        image = entry["inputs"][0]["name"] + "=" + image
        self.assertEqual(self.good("run", EXAMPLE + "/digits", "--input", image, "--signature", "call").split("\n")[1:],
                         expected.split("\n")[1:])
        self.bad(1, "'cal'", "run", EXAMPLE + "/digits", "--signature", "cal")

    def test_trace(self):
        file = self.path("trace.json")
        self.good("run", EXAMPLE + "/digits.pb", "--input", "image:0=" + EXAMPLE + "/pictures/3.png", "--trace", file)
        with open(file) as f:
            events = json.load(f)["traceEvents"]
        steps = [e for e in events if e["ph"] == "X"]
        self.assertIn("_FusedConv2D", [e["name"] for e in steps])
        self.assertTrue(all(e["dur"] >= 0 and e["pid"] == 1 for e in steps))
        names = {e["name"]: e["args"]["name"] for e in events if e["ph"] == "M" and "name" in e["args"]}
        self.assertTrue(names["process_name"].startswith("/CPU:0: "))
        self.assertEqual(names["thread_name"], "thread 1")
        self.assertTrue([e for e in events if e["ph"] == "C" and e["args"]["bytes"] > 0])
        self.bad(1, "absent", "run", EXAMPLE + "/digits.pb", "--input", "image:0=" + EXAMPLE + "/pictures/3.png", "--trace",
                 "absent/trace.json")

    def test_trace_of_hostile_names(self):
        """A timeline is JSON whatever nodes are called, and names come back as they were."""
        names = ['a"b\\\\c', "\\n\\t\\001", "\\303\\251", "\\377\\376", "</script>"]
        text, last = identity(("x", "DT_FLOAT", (2,))), "x"
        for name in names:
            text += ("node { name: '%s' op: 'Neg' input: '%s' attr { key: 'T' value { type: DT_FLOAT } } }\n" % (name, last))
            last = name
        model, file = self.put("hostile.pbtxt", text), self.path("trace.json")
        self.good("run", model, "--input", "x:0=[1, 2]", "--output", "</script>:0", "--trace", file)
        with open(file, encoding="utf-8") as f:
            nodes = [e["args"]["node"] for e in json.load(f)["traceEvents"] if e.get("name") == "Neg"]
        self.assertEqual(nodes, ['a"b\\c', "\n\t\x01", "\u00e9", "??", "</script>"])

    def test_html(self):
        """The page's file; what it shows is page_test.py's."""
        file = self.path("page.html")
        self.assertEqual(self.good("place", EXAMPLE + "/digits.pb", "--html", file), "")
        with open(file, encoding="utf-8") as f:
            self.assertIn('"runs": ', f.read())
        nodes = json.loads(self.good("place", EXAMPLE + "/digits.pb", "--json", "--html", file))["nodes"]
        self.assertTrue(nodes)
        self.bad(1, "absent", "place", EXAMPLE + "/digits.pb", "--html", "absent/page.html")
        self.bad(2, "--html needs a value", "place", EXAMPLE + "/digits.pb", "--html")
        self.bad(1, "nothing", "place", EXAMPLE + "/digits.pb", "--input", "nothing=1", "--html", self.path("none.html"))
        self.assertFalse(os.path.exists(self.path("none.html")))

    def test_bench(self):
        result = json.loads(self.good("bench", EXAMPLE + "/digits.pb", "--seconds", "0.1", "--json"))
        self.assertEqual(sorted(result), sorted(["runs", "min_us", "median_us", "p90_us", "p99_us", "load_us",
                                                 "first_run_us", "peak_rss_bytes", "device_bytes", "threads",
                                                 "device"]))
        self.assertLessEqual(result["min_us"], result["median_us"])
        self.assertLessEqual(result["median_us"], result["p99_us"])
        self.assertEqual(result["device"], "/CPU:0")
        self.assertIn("median", self.good("bench", EXAMPLE + "/digits", "--seconds", "0.01", "--input-shape",
                                          "image=4,8,8,1", "--threads", "1"))
        self.bad(1, "image", "bench", EXAMPLE + "/digits", "--input-shape", "image=4,8,9,1")
        self.bad(1, "none", "bench", EXAMPLE + "/digits", "--input-shape", "none=4,8,9,1")

    def test_place(self):
        self.assertIn("Conv2D", self.good("place", EXAMPLE + "/digits"))
        result = json.loads(self.good("place", EXAMPLE + "/digits.pb", "--json"))
        self.assertEqual(sorted(result["nodes"][0]), ["device", "node", "op", "reason", "requested"])
        self.assertIn("Conv2D", [node["op"] for node in result["nodes"]])
        self.assertEqual(result["copies"], 0)
        need = result["bytes"]["/CPU:0"]
        self.assertEqual(sorted(need), ["activations", "weights", "workspace"])
        self.assertGreater(need["weights"], 70000)  # 19 thousand floats
        eight = json.loads(self.good("place", EXAMPLE + "/digits.pb", "--json", "--input-shape", "image=8,8,8,1"))["bytes"]["/CPU:0"]
        self.assertEqual(eight["weights"], need["weights"])
        self.assertGreater(eight["activations"], 4 * need["activations"])

    def test_check(self):
        def check(status, words, *args):
            done = self.berth("check", *args)
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertEqual(done.stderr.count(b"\n"), status != 0)
            for word in words:
                self.assertIn(word, done.stderr.decode())
            return done.stdout.decode()

        digits = EXAMPLE + "/digits.pb"
        self.assertIn("it can run", check(0, [], digits))
        good = json.loads(check(0, [], digits, "--json", "--device", "/CPU:0", "--input-shape", "image=3,8,8,1"))
        self.assertEqual(sorted(good), ["devices", "fits", "largest_batch", "measured", "obstacles", "runs"])
        self.assertTrue(good["runs"] and good["fits"] and good["measured"])
        self.assertEqual(good["obstacles"], [])
        self.assertGreater(good["largest_batch"], 1000)
        self.assertEqual(good["devices"]["/CPU:0"]["weights"],
                         json.loads(self.good("place", digits, "--json", "--device", "/CPU:0"))["bytes"]["/CPU:0"]["weights"])

        small = digits, "--device", "/CPU:1", "--logical", "CPU:0=0,150000", "--input-shape", "image=99,8,8,1"
        full = json.loads(check(3, ["/CPU:1", "does not fit", "150000"], *small, "--json"))
        self.assertTrue(full["runs"] and not full["fits"])
        self.assertEqual(full["devices"]["/CPU:1"]["room"], 150000)
        self.assertTrue(0 < full["largest_batch"] < 99)
        text = check(3, ["/CPU:1"], *small)
        self.assertIn("the largest batch that fits: %d" % full["largest_batch"], text)
        fitting = "image=%d,8,8,1" % full["largest_batch"]
        check(0, [], *small[:-1], fitting)
        values = self.put("x.npy", floats((full["largest_batch"], 8, 8, 1), [0] * 64 * full["largest_batch"]))
        self.good("run", *small[:-2], "--input", "image=" + values)

        node = "node { name: '%s' op: '%s' input: 'x' attr { key: 'T' value { type: %s } } }\n"
        broken = self.put("broken.pbtxt", identity(("x", "DT_FLOAT", [2])) + node % ("a", "Frob", "DT_FLOAT") +
                          node % ("b", "Abs", "DT_STRING") + node % ("c", "Frob", "DT_FLOAT"))
        found = json.loads(check(1, ["3 nodes are at fault", "broken.pbtxt", "'"], broken, "--json"))
        self.assertFalse(found["runs"])
        self.assertEqual(sorted((o["node"], o["op"]) for o in found["obstacles"]), [("a", "Frob"), ("b", "Abs"), ("c", "Frob")])
        self.assertEqual({o["moved"] for o in found["obstacles"]}, {False})
        self.assertIn("a (Frob): this build does not have the op", check(1, ["cannot run"], broken))
        check(0, [], broken, "--output", "x_out:0")
        odd = self.put("odd.pbtxt", identity(("x", "DT_INT32", [2])) + node % ("a", "Relu", "DT_FLOAT") +
                       node % ("b", "AddV2", "DT_INT32") + node % ("c", "Neg", "DT_INT32"))
        types = "input 0 was passed int32 from 'x:0', incompatible with expected float32"
        found = json.loads(check(1, ["2 nodes are at fault"], odd, "--json"))
        self.assertEqual([(o["node"], o["reason"]) for o in found["obstacles"]], [("a", types), ("b", "has 1 input, not 2")])
        self.bad(1, "node 'a' (Relu): " + types, "run", odd, "--output", "a")
        check(0, [], odd, "--output", "c")
        self.bad(1, "none", "check", broken, "--output", "none:0")
        self.bad(1, "no input 'q'", "check", digits, "--input-shape", "q=1")
        self.bad(3, "/GPU:7", "check", digits, "--device", "/GPU:7")
        self.bad(2, "XPU", "check", digits, "--device", "/XPU:0")

    def test_precision(self):
        digits = EXAMPLE + "/digits.pb"
        self.good("check", digits, "--precision", "f32")
        for lower in "tf32", "bf16", "f16":
            self.bad(1, [lower, "/CPU:0 does not compute in it"], "place", digits, "--device", "/CPU:0", "--precision", lower)
        self.bad(2, "'f8'", "place", digits, "--precision", "f8")
        if not self.gpus():
            return
        env = {**os.environ, "BERTH_OPENCL": "cpu", "BERTH_CUDA": "off"}
        args = ["run", EXAMPLE + "/digits", "--input", "image=" + json.dumps([[[[0.3], [0.9]] * 4] * 8]), "--json"]
        want = json.loads(self.good(*args, "--device", "/GPU:0", env=env))["probability"]["values"][0]
        for lower, most in ("f16", 2e-3), ("bf16", 2e-2):
            got = json.loads(self.good(*args, "--device", "/GPU:0", "--precision", lower, env=env))["probability"]["values"][0]
            self.assertNotEqual(got, want)
            for a, b in zip(got, want):
                self.assertAlmostEqual(a, b, delta=most)
        self.bad(1, ["tf32", "/GPU:0 does not compute in it"], *args, "--device", "/GPU:0", "--precision", "tf32", env=env)

    def test_stream_weights(self):
        if not self.gpus():
            self.skipTest("no OpenCL device")
        env = {**os.environ, "BERTH_OPENCL": "cpu"}
        args = ["run", EXAMPLE + "/digits", "--input", "image=" + json.dumps([[[[0.5]] * 8] * 8]), "--json"]
        gpu = ["--device", "/GPU:0", "--memory-limit", "GPU:0=60000"]
        want = json.loads(self.good(*args, "--device", "/CPU:0"))
        line = self.bad(3, ["/GPU:0", "does not fit", "bytes of weights", "60000", "--stream-weights", "fall-back"],
                        *args, *gpu, env=env)
        self.assertLess(len(line), 300)
        got = json.loads(self.good(*args, *gpu, "--stream-weights", env=env))
        for a, b in zip(got["probability"]["values"][0], want["probability"]["values"][0]):
            self.assertAlmostEqual(a, b, delta=1e-5)

    def cut(self, name, content, step):
        for n in list(range(0, min(len(content), 64), 9)) + list(range(64, len(content), step)):
            done = self.berth("run", self.put(name, content[:n]), "--input", "x=1", "--output",
                              "y=" + self.path("y.npy"))
            self.assertIn(done.returncode, (1,), (name, n, done.stderr))
            self.assertEqual(done.stderr.count(b"\n"), 1)
            self.assertTrue(done.stderr.startswith(b"berth: "))
            self.assertFalse(os.path.exists(self.path("y.npy")))

    def test_truncated_files(self):
        for name in "digits.pb", "digits.h5":
            with open(os.path.join(EXAMPLE, name), "rb") as f:
                content = f.read()
            self.cut(name, content, len(content) // 40)
        self.cut("x.pbtxt", identity(("x", "DT_FLOAT", [2])).encode().rstrip()[:-30], 17)

    def test_truncated_saved_model(self):
        for part in "saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001":
            folder = self.path("model")
            shutil.copytree(EXAMPLE + "/digits", folder)
            with open(os.path.join(folder, part), "r+b") as f:
                f.truncate(os.path.getsize(os.path.join(folder, part)) // 2)
            self.bad(1, "", "run", folder, "--input", "image=" + self.put("z.npy", floats((1, 8, 8, 1), [0] * 64)),
                     "--output", "probability=" + self.path("p.npy"))
            shutil.rmtree(folder)

    def test_no_model(self):
        self.bad(1, "absent.pb", "run", "absent.pb")
        self.bad(1, "empty", "run", self.put("empty", b""))
        os.mkdir(self.path("folder"))
        self.bad(1, "folder", "inspect", self.path("folder"))
        self.bad(1, "noise", "inspect", self.put("noise", b"neither model nor picture"))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
