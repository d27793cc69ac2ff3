#!/usr/bin/env python3
"""usage: answers.py --berth PROGRAM FILE...

Runs graphs of an op or two whose answers TensorFlow gave, and compares: data/answers.jsonl holds what berth once got
wrong. A row is a JSON object:

    op     what it is about
    graph  the GraphDef as text
    in     {input: tensor}; a tensor is [dtype as .npy has it, shape, values], complex numbers as two values each
    out    {output: tensor}, or, where TensorFlow fails, {output: null}: berth must fail, in one line that names a node
    close  [rtol, atol] for the floats, and "bfloat16" where uint16 holds such

differential.py --keep writes such rows. Needs Python alone. Ends with `N passed, N failed`.
"""
import argparse
import ast
import json
import math
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

CODES = {"b1": "?", "i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I", "i8": "q", "u8": "Q", "f2": "e", "f4": "f",
         "f8": "d", "c8": "f", "c16": "d"}


def write_npy(path, tensor):
    descr, shape, values = tensor
    kind = descr.lstrip("<|")
    if kind[0] == "S":
        data = b"".join(v.encode("latin-1").ljust(int(kind[1:]), b"\0") for v in values)
    else:
        data = struct.pack(f"<{len(values)}{CODES[kind]}", *values)
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + data)


def read_npy(path):
    raw = path.read_bytes()
    start = 10 + struct.unpack("<H", raw[8:10])[0]
    header = ast.literal_eval(raw[10:start].decode())
    kind, data = header["descr"].lstrip("<|"), raw[start:]
    if kind[0] == "S":
        size = int(kind[1:])
        values = [data[i:i + size].rstrip(b"\0").decode("latin-1") for i in range(0, len(data), size or 1)]
        return "S", list(header["shape"]), values
    code = CODES[kind]
    return kind, list(header["shape"]), list(struct.unpack(f"<{len(data) // struct.calcsize(code)}{code}", data))


def close(got, want, rtol, atol):
    if got == want or math.isnan(got) and math.isnan(want):
        return True
    return math.isfinite(got) and math.isfinite(want) and abs(got - want) <= atol + rtol * abs(want)


def compare(row, name, got, want):
    kind, shape, values = want[0].lstrip("<|"), want[1], want[2]
    if kind[0] == "S":
        kind, values = "S", [v.rstrip("\0") for v in values]
    if (got[0], got[1]) != (kind, shape):
        return f"{name}: {got[0]} {got[1]}, wanted {kind} {shape}"
    rtol, atol, *bits = row.get("close", [0, 0])
    if bits and kind == "u2":
        widen = lambda v: struct.unpack("<f", struct.pack("<I", v << 16))[0]
        pairs = [(widen(a), widen(b)) for a, b in zip(got[2], values)]
    else:
        pairs = list(zip(got[2], values))
    same = close if bits and kind == "u2" or kind[0] in "fc" else lambda a, b, *_: a == b
    for i, (a, b) in enumerate(pairs):
        if not same(a, b, rtol, atol):
            return f"{name}: value {i} is {a!r}, wanted {b!r}"
    return None


def run(row, berth, device):
    """A fault, or None."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        (folder / "graph.pbtxt").write_text(row["graph"])
        command = [berth, "run", folder / "graph.pbtxt", "--device", device]
        for i, (name, tensor) in enumerate(row["in"].items()):
            write_npy(folder / f"in_{i}.npy", tensor)
            command += ["--input", f"{name}={folder}/in_{i}.npy"]
        for i, name in enumerate(row["out"]):
            command += ["--output", f"{name}={folder}/out_{i}.npy"]
        done = subprocess.run(command, stderr=subprocess.PIPE, timeout=60)
        stderr = done.stderr.decode(errors="replace").strip()
        if None in row["out"].values():
            names = re.findall(r'^ +name: "(.*)"$', row["graph"], re.M)
            good = 1 <= done.returncode <= 125 and done.returncode != 70 and stderr.startswith("berth: ") and "\n" not in stderr
            return None if good and any(n in stderr for n in names) else f"status {done.returncode}, wanted an error: {stderr}"
        if done.returncode:
            return f"status {done.returncode}: {stderr}"
        faults = [compare(row, name, read_npy(folder / f"out_{i}.npy"), want) for i, (name, want) in enumerate(row["out"].items())]
        return "; ".join(filter(None, faults)) or None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=pathlib.Path, help="rows of JSON")
    parser.add_argument("--berth", required=True, help="path of the program")
    parser.add_argument("--device", default="/CPU:0", help="device to run on (default %(default)s)")
    args = parser.parse_args()
    passed = failed = 0
    for file in args.files:
        for number, line in enumerate(file.read_text().splitlines(), 1):
            row = json.loads(line)
            fault = run(row, args.berth, args.device)
            passed, failed = passed + (fault is None), failed + (fault is not None)
            if fault:
                print(f"FAIL {file.name}:{number} {row['op']}: {fault}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


sys.exit(main())
