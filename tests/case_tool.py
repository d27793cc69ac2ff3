"""The acceptance cases' own tool, run_cases.py, as a module."""
import importlib.util


def load_tool(path):
    spec = importlib.util.spec_from_file_location("run_cases", path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool
