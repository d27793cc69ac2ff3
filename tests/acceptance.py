#!/usr/bin/env python3
"""usage: acceptance.py TOOL --berth PROGRAM [--only REGEX] [--timeout S] [--update]

Runs the acceptance cases with their own tool (run_cases.py, which needs numpy) and holds the answers against
acceptance.txt: the cases that must pass, sorted, one path a line. The list only grows: --update adds the
cases that pass and are not on it yet. Ends with `N passed, N failed`, counted over the cases on the list.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

from case_tool import count, parser

LIST = pathlib.Path(__file__).with_name("acceptance.txt")


def run(args):
    """A fault, or None, a case."""
    with tempfile.TemporaryDirectory() as folder:
        rows = pathlib.Path(folder) / "rows.json"
        command = [sys.executable, args.tool, "--berth", args.berth, "--json", rows, "--quiet"]
        command += ["--only", args.only, "--timeout", str(args.timeout)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        print(done.stdout.rsplit("\n", 2)[0])
        if not rows.exists():
            sys.exit(f"{args.tool} ended with status {done.returncode} and no answers")
        return {row["case"]: row["fault"] for row in json.loads(rows.read_text())}


def main():
    options = parser(__doc__, timeout=60)
    options.add_argument("--update", action="store_true", help="add the cases that pass to the list")
    args = options.parse_args()

    listed = set(LIST.read_text().split("\n")) - {""} if LIST.exists() else set()
    faults = run(args)
    passing = {case for case, fault in faults.items() if fault is None}
    new = sorted(passing - listed)
    if new and args.update:
        listed |= passing
        LIST.write_text("".join(f"{case}\n" for case in sorted(listed)))
        print(f"{len(new)} cases are new on the list")
    required = listed & set(faults)
    if not args.only and listed - set(faults):
        print(f"{len(listed - set(faults))} listed cases are not among those run")
    if new and not args.update:
        print(f"{len(new)} cases pass that are not on the list (--update adds them):", *new[:10], "..." if new[10:] else "")
    _, failed = count((case, faults[case]) for case in sorted(required))
    return failed > 0


sys.exit(main())
