"""The acceptance cases: their own tool, run_cases.py, as a module, and what the scripts that use it have in common."""
import argparse
import concurrent.futures
import importlib.util
import pathlib


def parser(doc, timeout=None, of="a case's path and tags"):
    """Of the arguments that all take; `timeout` in seconds, where they have one."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("tool", help="path of run_cases.py")
    made.add_argument("--berth", required=True, help="path of the program")
    made.add_argument("--only", default="", help=f"regular expression on {of}")
    if timeout:
        made.add_argument("--timeout", type=float, default=timeout, help="seconds a case may take (default %(default)g)")
    return made


def load_tool(path):
    spec = importlib.util.spec_from_file_location("run_cases", path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def find_cases(tool, only="", refused=False):
    """The cases beside the tool that give answers; with `refused`, those that must fail, too."""
    cases = tool.find_cases(pathlib.Path(tool.__file__).resolve().with_name("cases"), only)
    return [case for case in cases if refused or case.get("expect", "ok") == "ok"]


def at_once(function, items, jobs):
    """(item, function(item)) in order, as they come."""
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        yield from zip(items, pool.map(function, items))


def count(faults):
    """Prints the faults among (name, fault or None) as they come, and `N passed, N failed` last. Gives the two numbers."""
    passed = failed = 0
    for name, fault in faults:
        passed, failed = passed + (fault is None), failed + (fault is not None)
        if fault is not None:
            print(f"FAIL {name}: {fault}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return passed, failed
