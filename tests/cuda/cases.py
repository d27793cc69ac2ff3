#!/usr/bin/env python3
"""usage: cases.py TOOL --berth PROGRAM [--device /GPU:0] [--only REGEX] [--seconds S] [--jobs N]

Runs the acceptance cases of ../acceptance.txt on a device, several at once, until the time is up: whole models first,
then the ops. TOOL is their own tool, run_cases.py, which needs numpy. Prints what failed and what was left out, and
`N passed, N failed` last.
"""
import os
import pathlib
import sys
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))
from case_tool import at_once, count, find_cases, load_tool, parser  # noqa: E402


def main():
    options = parser(__doc__, timeout=60)
    options.add_argument("--device", default="/GPU:0")
    options.add_argument("--seconds", type=float, default=1e9, help="no case starts after these")
    options.add_argument("--jobs", type=int, default=os.cpu_count())
    args = options.parse_args()
    args.berth = os.path.abspath(args.berth)

    tool, until = load_tool(args.tool), time.monotonic() + args.seconds
    listed = set((TESTS / "acceptance.txt").read_text().split("\n"))
    cases = [case for case in find_cases(tool, args.only, refused=True) if case["path"] in listed]
    cases.sort(key=lambda case: case["path"].startswith("ops/"))

    def run(case):
        return tool.run_case(case, args)[0] if time.monotonic() < until else "left out"

    def faults():
        late = []
        for case, fault in at_once(run, cases, args.jobs):
            if fault == "left out":
                late.append(case["path"])
            else:
                yield case["path"], fault and fault[:300]
        if late:
            print(f"{len(late)} left out for want of time, the first {late[0]}")

    _, failed = count(faults())
    return failed > 0 or not cases


sys.exit(main())
