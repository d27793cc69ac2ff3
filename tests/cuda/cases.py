#!/usr/bin/env python3
"""usage: cases.py TOOL --berth PROGRAM [--device /GPU:0] [--only REGEX] [--seconds S] [--jobs N]

Runs the acceptance cases of ../acceptance.txt on a device, several at once, until the time is up: whole models first,
then the ops. TOOL is their own tool, run_cases.py, which needs numpy. Prints what failed and what was left out, and
`N passed, N failed` last.
"""
import argparse
import concurrent.futures
import os
import pathlib
import sys
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))
from case_tool import load_tool  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tool")
    parser.add_argument("--berth", required=True, type=os.path.abspath)
    parser.add_argument("--device", default="/GPU:0")
    parser.add_argument("--only", default="", help="regular expression on a case's path and tags")
    parser.add_argument("--seconds", type=float, default=1e9, help="no case starts after these")
    parser.add_argument("--timeout", type=float, default=60, help="seconds a case may take (default %(default)g)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    args = parser.parse_args()

    tool, until = load_tool(args.tool), time.monotonic() + args.seconds
    listed = set((TESTS / "acceptance.txt").read_text().split("\n"))
    root = os.path.join(os.path.dirname(os.path.abspath(args.tool)), "cases")
    cases = [case for case in tool.find_cases(root, args.only) if case["path"] in listed]
    cases.sort(key=lambda case: case["path"].startswith("ops/"))

    def run(case):
        return tool.run_case(case, args)[0] if time.monotonic() < until else "left out"

    faults = {}
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for case, fault in zip(cases, pool.map(run, cases)):
            faults[case["path"]] = fault
            if fault and fault != "left out":
                print(f"FAIL {case['path']}: {fault[:300]}", flush=True)
    late = [path for path, fault in faults.items() if fault == "left out"]
    failed = sum(fault is not None for fault in faults.values()) - len(late)
    if late:
        print(f"{len(late)} left out for want of time, the first {late[0]}")
    print(f"{len(faults) - len(late) - failed} passed, {failed} failed")
    return failed > 0 or not faults


sys.exit(main())
