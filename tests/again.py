#!/usr/bin/env python3
"""usage: again.py TOOL --library LIBRARY [--only REGEX] [--device DEVICE] [--jobs N]

Runs each acceptance case several times in one session, where `berth run` runs it once: on its inputs, on others, on its own
again into the tensors of before, on ones of another shape, and from two threads at once. Its own inputs must give what
TensorFlow gave each time; of a model that keeps something from run to run, after the session is reset. Needs numpy, and
run_cases.py, whose path is TOOL. Ends with `N passed, N failed`.
"""
import argparse
import concurrent.futures
import ctypes
import multiprocessing
import os
import pathlib
import sys
import tempfile
import threading

import numpy as np

from case_tool import load_tool

CODES = {"float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int16": 5, "int8": 6, "complex64": 8, "int64": 9, "bool": 10, "uint16": 17,
         "complex128": 18, "float16": 19, "uint32": 22, "uint64": 23}
NAMES = {code: name for name, code in CODES.items()} | {11: "int8", 12: "uint8", 13: "int32", 14: "uint16", 15: "int16", 16: "uint16"}
STRING = 7
# What a run changes, by the ops that do: the answers of the next may be others.
KEEPING = ("Assign", "Random", "Multinomial", "Scatter", "Queue", "Stack", "Barrier", "Insert", "Import", "Stateful", "TruncatedNormal", "Sampler")


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("message", ctypes.c_char * 512)]


class Spec(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("tensor", ctypes.c_char_p), ("dtype", ctypes.c_int), ("rank", ctypes.c_int), ("dims", ctypes.c_int64 * 8)]


class Feed(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("tensor", ctypes.c_void_p)]


class LoadOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("context", ctypes.c_void_p), ("tags", ctypes.c_char_p), ("structure", ctypes.c_char_p),
                ("rest", ctypes.c_char * 256)]


class SessionOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("signature", ctypes.c_char_p), ("device", ctypes.c_char_p), ("rest", ctypes.c_char * 256)]


class Fault(Exception):
    pass


class Berth:
    """The library, as far as it is needed here."""

    def __init__(self, path):
        self.library = ctypes.CDLL(os.path.abspath(path))
        for name in ("berth_tensor_new", "berth_tensor_data", "berth_model_load", "berth_session_new"):
            getattr(self.library, name).restype = ctypes.c_void_p
        self.library.berth_tensor_get_string.restype = ctypes.POINTER(ctypes.c_char)
        self.library.berth_tensor_dim.restype = ctypes.c_int64
        self.library.berth_tensor_bytes.restype = ctypes.c_size_t

    def call(self, name, *args):
        """What the function gives; a Fault where it says that it failed."""
        error = Error()
        result = getattr(self.library, name)(*args, ctypes.byref(error))
        if error.status:
            raise Fault(error.message.decode())
        return result

    def tensor(self, array, dtype):
        dims = (ctypes.c_int64 * max(array.ndim, 1))(*array.shape)
        t = self.call("berth_tensor_new", dtype, array.ndim, dims)
        if dtype == STRING:
            for i, value in enumerate(array.ravel()):
                self.call("berth_tensor_set_string", ctypes.c_void_p(t), ctypes.c_int64(i), bytes(value), ctypes.c_size_t(len(value)))
        elif array.size:
            ctypes.memmove(self.library.berth_tensor_data(ctypes.c_void_p(t)), np.ascontiguousarray(array).ctypes.data, array.nbytes)
        return t

    def array(self, t):
        t = ctypes.c_void_p(t)
        shape = [self.library.berth_tensor_dim(t, i) for i in range(self.library.berth_tensor_rank(t))]
        dtype = self.library.berth_tensor_dtype(t)
        if dtype == STRING:
            n, values = ctypes.c_size_t(), []
            for i in range(int(np.prod(shape))):
                p = self.library.berth_tensor_get_string(t, ctypes.c_int64(i), ctypes.byref(n))
                values.append(ctypes.string_at(p, n.value))
            return np.array(values, "S" if any(values) else "S1").reshape(shape)
        data = ctypes.string_at(self.library.berth_tensor_data(t), self.library.berth_tensor_bytes(t)) if np.prod(shape) else b""
        return np.frombuffer(data, NAMES[dtype]).reshape(shape).copy()


class Session:
    def __init__(self, berth, case, device):
        self.berth, self.case = berth, case
        args = [a.replace("{folder}", case["folder"]) for a in case.get("args", [])]
        options = dict(zip(args[::2], args[1::2]))
        text = {key: value.encode() for key, value in options.items()}
        self.signature = text.get("--signature")
        load = LoadOptions()
        berth.library.berth_load_options_init(ctypes.byref(load))
        load.tags, load.structure = text.get("--tag"), text.get("--structure")
        self.model = berth.call("berth_model_load", os.path.join(case["folder"], case["model"]).encode(), ctypes.byref(load))
        chosen = SessionOptions()
        berth.library.berth_session_options_init(ctypes.byref(chosen))
        chosen.signature, chosen.device = self.signature, device.encode()
        self.session = berth.call("berth_session_new", ctypes.c_void_p(self.model), ctypes.byref(chosen))
        self.outputs = list(case["outputs"])

    def keeps(self):
        op, count, index = ctypes.c_char_p(), ctypes.c_size_t(), 0
        while self.berth.library.berth_model_op(ctypes.c_void_p(self.model), ctypes.c_size_t(index), ctypes.byref(op), ctypes.byref(count)):
            if any(word in op.value.decode() and not op.value.startswith(b"Stateless") for word in KEEPING):
                return True
            index += 1
        return False

    def dtype(self, name, array):
        """bfloat16 and quantized types travel as others in .npy: the model knows."""
        spec = Spec()
        if array.dtype.kind == "S":
            return STRING
        count = self.berth.library.berth_model_input_count
        count.restype = ctypes.c_size_t
        for i in range(count(ctypes.c_void_p(self.model), self.signature)):
            self.berth.call("berth_model_input", ctypes.c_void_p(self.model), self.signature, ctypes.c_size_t(i), ctypes.byref(spec))
            if spec.name.decode() == name and np.dtype(NAMES.get(spec.dtype, "V1")) == array.dtype:
                return spec.dtype
        return CODES[array.dtype.name]

    def run(self, inputs, fetches=None):
        """The outputs; with `fetches` from a run before, into its tensors."""
        feeds = (Feed * max(len(inputs), 1))()
        for feed, (name, array) in zip(feeds, inputs.items()):
            feed.name, feed.tensor = name.encode(), self.berth.tensor(array, self.dtype(name, array))
        if fetches is None:
            fetches = self.fetches()
        try:
            self.berth.call("berth_session_run", ctypes.c_void_p(self.session), feeds, ctypes.c_size_t(len(inputs)), fetches,
                            ctypes.c_size_t(len(self.outputs)), None)
            return [self.berth.array(f.tensor) for f in fetches[:len(self.outputs)]]
        finally:
            for feed in feeds[:len(inputs)]:
                self.berth.library.berth_tensor_free(ctypes.c_void_p(feed.tensor))

    def fetches(self):
        fetches = (Feed * max(len(self.outputs), 1))()
        for fetch, name in zip(fetches, self.outputs):
            fetch.name = name.encode()
        return fetches

    def reset(self):
        self.berth.call("berth_session_reset", ctypes.c_void_p(self.session))


def check(tool, case, outputs, when):
    with tempfile.TemporaryDirectory() as folder:
        for (name, file), got in zip(case["outputs"].items(), outputs):
            path = os.path.join(folder, "got.npy")
            np.save(path, got)
            fault = tool.compare(case, name, path, os.path.join(case["folder"], file))
            if fault:
                raise Fault(f"{when}: {fault}")


def others(inputs):
    """Inputs of the same shapes, and of others: the model may refuse them."""
    yield {name: np.ascontiguousarray(np.flip(a)) for name, a in inputs.items()}
    yield {name: np.concatenate([a, a]) if a.ndim else a for name, a in inputs.items()}


def run_case(tool, berth, case, device):
    inputs = {name: np.load(os.path.join(case["folder"], file)) for name, file in case.get("inputs", {}).items()}
    session = Session(berth, case, device)
    fetches = session.fetches()
    check(tool, case, session.run(inputs, fetches), "the first run")
    keeps = session.keeps()
    for i, other in enumerate(others(inputs)):
        try:
            session.run(other)
        except Fault:
            pass
        if keeps:
            session.reset()
        try:
            check(tool, case, session.run(inputs, fetches), f"run {i + 2} on these inputs")
        except Fault:
            if not keeps:
                raise
    if keeps:
        return
    faults = []

    def some():
        try:
            for _ in range(3):
                check(tool, case, session.run(inputs), "two threads")
        except Fault as fault:
            faults.append(fault)
    threads = [threading.Thread(target=some) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]


def alone(args, case, pipe):
    tool = load_tool(args.tool)
    try:
        run_case(tool, Berth(args.library), case, args.device)
        pipe.send(None)
    except Fault as fault:
        pipe.send(str(fault))


def in_process(args, case):
    """A fault, or None: a process each, since a crash is one too."""
    ours, theirs = multiprocessing.Pipe(False)
    child = multiprocessing.Process(target=alone, args=(args, case, theirs))
    child.start()
    theirs.close()
    try:
        return ours.recv() if ours.poll(args.timeout) else f"no answer in {args.timeout:g} s"
    except EOFError:
        return "it ended without an answer"
    finally:
        child.kill()
        child.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tool", help="path of run_cases.py")
    parser.add_argument("--library", required=True, help="path of libberth.so")
    parser.add_argument("--only", default="", help="regular expression on a case's path and tags")
    parser.add_argument("--device", default="/CPU:0", help="where to (default %(default)s)")
    parser.add_argument("--timeout", type=float, default=120, help="seconds a case may take (default %(default)g)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    args = parser.parse_args()
    tool = load_tool(args.tool)
    cases = [c for c in tool.find_cases(pathlib.Path(tool.HERE) / "cases", args.only) if c.get("expect", "ok") == "ok" and c.get("outputs")]
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        faults = list(pool.map(lambda case: in_process(args, case), cases))
    for case, fault in zip(cases, faults):
        if fault:
            print(f"FAIL {case['path']}: {fault}")
    failed = sum(fault is not None for fault in faults)
    print(f"{len(cases) - failed} passed, {failed} failed")
    return failed > 0 or not cases


if __name__ == "__main__":
    sys.exit(main())
