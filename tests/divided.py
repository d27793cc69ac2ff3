#!/usr/bin/env python3
"""usage: divided.py TOOL --berth PROGRAM [--devices /CPU:0,/CPU:1] [--only REGEX] [--update]

Runs the acceptance cases of whole models with the batch divided over devices, by default two logical CPUs, and holds the
answers, which are those of TensorFlow for the whole batch, against theirs. divided.txt names the cases that must be divided;
--update adds those that are and are not on it yet. A part's sums may run in another order than the whole's: numbers may
be off by two millionths of the largest, too. The others must be refused: a case that is divided and gives another
answer fails, on the list or not. Prints how many are refused for which reason, and ends with `N passed, N failed`. TOOL is
run_cases.py, which needs numpy.
"""
import collections
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

from case_tool import count, find_cases, load_tool, parser

LIST = pathlib.Path(__file__).with_name("divided.txt")
MODELS = re.compile(r"frozen|savedmodel_|keras_|checkpoint|real")


def compare(tool, case, name, got, want):
    largest = np.abs(np.load(want)).max(initial=0) if np.load(want).dtype.kind == "f" else 0
    close = 2e-6 * float(largest) if np.isfinite(largest) else 0
    return tool.compare({**case, "atol": max(case.get("atol", 1e-5), close)}, name, got, want)


def run(tool, args, case):
    """'divided', 'one row' (which one device has; it could be divided), or why it is neither; and whether that is a fault."""
    with tempfile.TemporaryDirectory() as folder:
        command = [args.berth, "run", os.path.join(case["folder"], case["model"]), "--device", args.devices, "--log-placement"]
        command += ["--logical", "CPU:0=0,0"] if "/CPU:1" in args.devices else []
        command += [arg.replace("{folder}", case["folder"]) for arg in case.get("args", [])]
        for name, file in case["inputs"].items():
            command += ["--input", f"{name}={os.path.join(case['folder'], file)}"]
        outputs = {name: os.path.join(folder, f"{i}.npy") for i, name in enumerate(case["outputs"])}
        for name, file in outputs.items():
            command += ["--output", f"{name}={file}"]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=args.timeout)
        if done.returncode:
            last = done.stderr.strip().rsplit("\n", 1)[-1]
            refused = "cannot be divided" in last or "no batch that could be divided" in last
            return (re.sub(r"(node|output|input) '[^']*'", r"\1", last.split("CPU:1: ")[-1]) if refused else last), not refused
        wants = {name: os.path.join(case["folder"], file) for name, file in case["outputs"].items()}
        faults = [compare(tool, case, name, outputs[name], wants[name]) for name in wants]
        fault = "; ".join(filter(None, faults))
        parts = len(re.findall(r"\(part of a batch\): [1-9]", done.stderr))
        return fault or ("divided" if parts > 1 else "one row"), bool(fault)


def faults(args):
    """(path, fault or None) a case; at its end prints the reasons, and writes the list where that is asked for."""
    tool = load_tool(args.tool)
    listed = set(LIST.read_text().split("\n")) - {""} if LIST.exists() else set()
    divided, reasons = set(), collections.Counter()
    for case in find_cases(tool, args.only):
        path = case["path"]
        if not MODELS.match(path):
            continue
        outcome, fault = run(tool, args, case)
        reasons[outcome] += 1
        if outcome == "divided":
            divided.add(path)
        yield path, outcome if outcome != "divided" and (fault or path in listed) else None
    if args.update:
        LIST.write_text("".join(f"{path}\n" for path in sorted(listed | divided)))
    for outcome, n in reasons.most_common():
        print(f"{n:4} {outcome}")


def main():
    options = parser(__doc__, timeout=120)
    options.add_argument("--devices", default="/CPU:0,/CPU:1", help="default %(default)s")
    options.add_argument("--update", action="store_true", help="add the cases that are divided to the list")
    args = options.parse_args()
    _, failed = count(faults(args))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
