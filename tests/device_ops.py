#!/usr/bin/env python3
"""usage: device_ops.py TOOL --berth PROGRAM [--device /GPU:0] [--only REGEX] [--list] [--all] [--update]

Counts the ops of OPS.md that run on a device itself. One counts when, in strict mode, `berth place --json` shows a node of it on
the device in an acceptance case that has inputs, and the case passes there. device_ops.txt names such a case for each op
that must count, a line an op; these alone are run. With --all every op of the acceptance cases is tried: its own cases
first, the smallest first, then all others; --list prints those that do not count, and why; --update writes what is found
to device_ops.txt. Ends with `N passed, N failed`: ops that must count. TOOL is run_cases.py, which needs numpy. Without
BERTH_OPENCL in the environment the device is OpenCL's CPU.
"""
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys

from case_tool import count, find_cases, load_tool, parser

LIST = pathlib.Path(__file__).with_name("device_ops.txt")


def promised_ops(tool):
    """The first column of the tables in OPS.md, beside the tool."""
    text = pathlib.Path(tool.__file__).with_name("OPS.md").read_text()
    return set(re.findall(r"^\| (\w+) \|", text, re.M)) - {"op"}


def strict_cases(tool):
    """All cases with inputs and outputs to compare, to be run in strict mode, the smallest first."""
    def size(case):
        files = [os.path.join(case["folder"], file) for file in (case["model"], *case["inputs"].values())]
        return sum(os.path.getsize(file) for file in files if os.path.isfile(file))

    cases = [c for c in find_cases(tool) if c.get("inputs")]
    for case in cases:
        case["own"] = case["path"].split("/")[1] if case["path"].startswith("ops/") else None
        case["args"] = [*case.get("args", []), "--no-soft-placement"]
    return sorted(cases, key=size)


class Trial:
    """Cases placed and run on the device, each once."""

    def __init__(self, tool, args):
        self.tool, self.args, self.known = tool, args, {}

    def place(self, case):
        """The ops on the device, or why there are none."""
        command = [self.args.berth, "place", os.path.join(case["folder"], case["model"]), "--json"]
        command += ["--device", self.args.device]
        command += [arg.replace("{folder}", case["folder"]) for arg in case["args"]]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=self.args.timeout)
        except subprocess.TimeoutExpired:
            return set(), "no placement in time"
        if done.returncode:
            return set(), done.stderr.strip()[-300:]
        nodes = json.loads(done.stdout)["nodes"]
        away = next((n for n in nodes if n["op"] == case["own"] and n["device"] != self.args.device), None)
        return {n["op"] for n in nodes if n["device"] == self.args.device}, away and away["reason"]

    def ops(self, case):
        """The ops that count by this case, and why not others."""
        if case["path"] not in self.known:
            ops, fault = self.place(case)
            if ops and (wrong := self.tool.run_case(case, self.args)[0]):
                ops, fault = set(), wrong
            self.known[case["path"]] = ops, fault
        return self.known[case["path"]]

    def search(self, op, cases):
        """The first case by which the op counts; else None and the first fault."""
        first = None
        for case in cases:
            ops, fault = self.ops(case)
            if op in ops:
                return case["path"], None
            first = first or f"{case['path']}: {fault or 'not on the device'}"
        return None, first or "no case of its own"


def search_all(trial, cases, only, pool):
    names = sorted(op for op in promised_ops(trial.tool) if re.search(only, op))
    own = {op: [case for case in cases if case["own"] == op] for op in names}
    found = dict(zip(names, pool.map(lambda op: trial.search(op, own[op]), names)))
    if not only:
        list(pool.map(trial.ops, [case for case in cases if not case["own"]]))
    for path, (ops, _) in trial.known.items():
        for op in ops & found.keys():
            if not found[op][0]:
                found[op] = path, None
    return found


def search_listed(trial, cases, listed, pool):
    by_path = {case["path"]: case for case in cases}
    return dict(zip(listed, pool.map(lambda op: trial.search(op, [by_path[listed[op]]]), listed)))


def main():
    options = parser(__doc__, timeout=60, of="the op")
    options.add_argument("--device", default="/GPU:0", help="default: %(default)s")
    options.add_argument("--jobs", type=int, default=os.cpu_count())
    options.add_argument("--all", action="store_true", help="try every op, not those of the list alone")
    options.add_argument("--list", action="store_true", help="print the ops that do not count, and why")
    options.add_argument("--update", action="store_true", help="with --all: write the list")
    args = options.parse_args()
    args.berth = os.path.abspath(args.berth)
    os.environ.setdefault("BERTH_OPENCL", "cpu")

    listed = dict(line.split() for line in LIST.read_text().splitlines()) if LIST.exists() else {}
    must = {op: path for op, path in listed.items() if re.search(args.only, op)}
    tool = load_tool(args.tool)
    trial, cases = Trial(tool, args), strict_cases(tool)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        found = search_all(trial, cases, args.only, pool) if args.all else search_listed(trial, cases, must, pool)
    counted = {op: path for op, (path, _) in found.items() if path}
    if args.list:
        for op, (path, fault) in sorted(found.items()):
            if not path:
                print(f"{op}: {fault}")
    if args.all and args.update:
        LIST.write_text("".join(f"{op} {path}\n" for op, path in sorted((listed | counted).items())))
    print(f"{len(counted)} ops run on {args.device}" + (f", {len(counted.keys() - must.keys())} of them not on the list" if args.all else ""))
    _, failed = count((op, None if op in counted else found.get(op, (None, "no case"))[1]) for op in sorted(must))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
