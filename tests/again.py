#!/usr/bin/env python3
"""usage: again.py TOOL --berth PROGRAM [--only REGEX] [--device DEVICE] [--jobs N]

Runs each acceptance case several times in one session, where `berth run` runs it once: on its inputs, on others, on its own
again into the tensors of before, on ones of another shape, and from two threads at once. Its own inputs must give what
TensorFlow gave each time; of a model that keeps something from run to run, after the session is reset. Needs numpy, and
run_cases.py, whose path is TOOL. Ends with `N passed, N failed`.
"""
import multiprocessing
import os
import sys
import tempfile
import threading

import numpy as np

from case_tool import at_once, count, find_cases, load_tool, parser
from library import CODES, STRING, Fails, Library, Session

# What a run changes, by the ops that do: the answers of the next may be others.
KEEPING = ("Assign", "Random", "Multinomial", "Scatter", "Queue", "Stack", "Barrier", "Insert", "Import", "Stateful", "TruncatedNormal", "Sampler")


class Case:
    """A case of run_cases.py and its session."""

    def __init__(self, tool, library, case, device):
        args = [a.replace("{folder}", case["folder"]) for a in case.get("args", [])]
        options = dict(zip(args[::2], args[1::2]))
        self.tool, self.case, self.names = tool, case, list(case["outputs"])
        self.session = Session(library, os.path.join(case["folder"], case["model"]), options.get("--tag"), options.get("--structure"),
                               options.get("--signature"), device)
        self.dtypes = self.session.inputs()
        self.keeps = any(word in op and not op.startswith("Stateless") for op in self.session.ops() for word in KEEPING)

    def run(self, inputs, into=None):
        return self.session.run({name: (a, self.dtype(name, a)) for name, a in inputs.items()}, self.names, into=into)

    def dtype(self, name, array):
        """bfloat16 and quantized types travel as others in .npy: the model knows."""
        told = self.dtypes.get(name)
        if array.dtype.kind == "S":
            return STRING
        return told if CODES.get(told) == array.dtype.name else next(code for code, n in CODES.items() if n == array.dtype.name)

    def check(self, outputs, when):
        with tempfile.TemporaryDirectory() as folder:
            for name, got in outputs.items():
                path = os.path.join(folder, "got.npy")
                np.save(path, (got.astype("S") if got.size else np.zeros(got.shape, "S1")) if got.dtype == object else got)
                fault = self.tool.compare(self.case, name, path, os.path.join(self.case["folder"], self.case["outputs"][name]))
                if fault:
                    raise Fails(f"{when}: {fault}")


def others(inputs):
    """Inputs of the same shapes, and of others: the model may refuse them."""
    yield {name: np.ascontiguousarray(np.flip(a)) for name, a in inputs.items()}
    yield {name: np.concatenate([a, a]) if a.ndim else a for name, a in inputs.items()}


def run_case(tool, library, case, device):
    inputs = {name: np.load(os.path.join(case["folder"], file)) for name, file in case.get("inputs", {}).items()}
    one = Case(tool, library, case, device)
    into = one.session.outputs(one.names)
    one.check(one.run(inputs, into), "the first run")
    for i, other in enumerate(others(inputs)):
        try:
            one.run(other)
        except Fails:
            pass
        if one.keeps:
            one.session.reset()
        try:
            one.check(one.run(inputs, into), f"run {i + 2} on these inputs")
        except Fails:
            if not one.keeps:
                raise
    if one.keeps:
        return
    faults = []

    def some():
        try:
            for _ in range(3):
                one.check(one.run(inputs), "two threads")
        except Fails as fault:
            faults.append(fault)
    threads = [threading.Thread(target=some) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]


def alone(args, case, pipe):
    try:
        run_case(load_tool(args.tool), Library(args.berth), case, args.device)
        pipe.send(None)
    except Fails as fault:
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
    options = parser(__doc__, timeout=120)
    options.add_argument("--device", default="/CPU:0", help="where to (default %(default)s)")
    options.add_argument("--jobs", type=int, default=os.cpu_count())
    args = options.parse_args()
    cases = [c for c in find_cases(load_tool(args.tool), args.only) if c.get("outputs")]
    faults = at_once(lambda case: in_process(args, case), cases, args.jobs)
    _, failed = count((case["path"], fault) for case, fault in faults)
    return failed > 0 or not cases


if __name__ == "__main__":
    sys.exit(main())
