#!/usr/bin/env python3
"""usage: direction.py ROOT

The folders of src/ stand in one order, and a file includes only its own folder and those before it. The program
and its like see the public header alone. What a rule is for stands in docs/architecture.md.
"""
import pathlib
import re
import sys

ORDER = ["base", "simd", "device", "tensor", "graph", "ops", "format", "pass", "plan", "session"]
OUTSIDE = ["cli", "server", "tensorflow", "examples"]  # public header, own headers, the system's
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def sources(folder):
    return sorted(p for p in folder.rglob("*") if p.suffix in (".c", ".h", ".cc", ".cl", ".inc", ".def"))


def main():
    root = pathlib.Path(sys.argv[1])
    faults, n_files = [], 0
    for path in sources(root / "src"):
        n_files += 1
        parts = path.relative_to(root / "src").parts
        if len(parts) > 1 and parts[0] not in ORDER:
            faults.append(f"{path.relative_to(root)}: folder {parts[0]} has no place in the order")
            continue
        is_test = path.name.endswith("_test.c")  # a test may use what lies above to bring its subject to work
        rank = ORDER.index(parts[0]) if len(parts) > 1 and not is_test else len(ORDER)
        for _, name in INCLUDE.findall(path.read_text()):
            folder = name.split("/")[0]
            if folder in ORDER and ORDER.index(folder) > rank:
                faults.append(f"{path.relative_to(root)}: includes {name}, but {folder} comes after {parts[0]}")
    for folder in OUTSIDE:
        for path in sources(root / folder):
            n_files += 1
            for quote, name in INCLUDE.findall(path.read_text()):
                inside = name.split("/")[0] in ORDER and (root / "src" / name).exists()
                own = quote == '"' and (name == "berth.h" or (path.parent / name).exists() or (root / folder / name).exists())
                if inside or (quote == '"' and not own):
                    faults.append(f"{path.relative_to(root)}: includes {name}, which is not public")
    print("\n".join(faults) or f"{n_files} files: all includes go the right way")
    return bool(faults)


sys.exit(main())
