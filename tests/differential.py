#!/usr/bin/env python3
"""usage: differential.py --berth PROGRAM [--seconds N] [--only REGEX] [--seed N] [--draw N] [--keep FOLDER]

Holds berth against TensorFlow: draws a random legal use of an op (draws/*.py), runs the same GraphDef with the same
inputs in both, and compares. Where TensorFlow fails, berth must fail too, in one line that names the node. Draw N of
a seed is always the same; the smallest draws that differ are kept in FOLDER, as rows for answers.py.

Needs TensorFlow, which runs in a process of its own (some graphs make it abort); without it, says so and exits 77.
Ends with `N same, N differ` and exits 1 when one differs.
"""
import argparse
import importlib.util
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
# TensorFlow has no CPU kernel, or none that is whole: what berth does there is its own affair.
ABSENT = re.compile(r"No OpKernel|not supported|nimplemented|not yet support|No registered|NotImplemented|only supports? NHWC|"
                    r"not implemented|Unsupported|unsupported|Could not find|currently only|Op does not support|"
                    r"NodeDef: \{\{node ArithmeticOptimizer/")  # its optimisation made a node of a type that there is not
USUAL = {"float16": (4e-3, 2e-3), "bfloat16": (2e-2, 1e-2), "float32": (1e-4, 1e-5), "complex64": (1e-4, 1e-5),
         "float64": (1e-8, 1e-9), "complex128": (1e-8, 1e-9)}


# ---- The worker: draws, runs both sides, compares ------------------------------------------------------------------


class Fails(Exception):
    """TensorFlow refuses the graph."""


def reference(tf, config, draw, more=()):
    """TensorFlow's outputs, {tensor name: (array, dtype)}; with `more`, other feeds, a list of what each run of one session gave:
    such, or at its end why the last failed."""
    runs = []
    try:
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(draw.reference or draw.graph, name="")
            types = [graph.get_tensor_by_name(n).dtype.base_dtype for n in draw.fetches]
            with tf.compat.v1.Session(graph=graph, config=config) as session:
                for fed in (draw.feeds, *more):
                    feeds = {}
                    for name, (array, dtype) in fed.items():
                        want = tf.as_dtype(dtype).as_numpy_dtype
                        feeds[name] = array.view(want) if tf.as_dtype(dtype).is_quantized else array
                    out = {}
                    for name, value, dtype in zip(draw.fetches, session.run(draw.fetches, feeds), types):
                        value = value if dtype == tf.string and not isinstance(value, bytes) else __import__("numpy").asarray(value)
                        out[name] = (value, dtype.name)
                    runs.append(out)
    except (tf.errors.OpError, ValueError) as error:
        if isinstance(error, ValueError) and re.search(r"missing attr|mentions attr|allowed values|[Ii]nputs? .*expected|type mismatch",
                                                       str(error)):
            raise  # the draw is at fault
        runs.append(Fails(f"{type(error).__name__}: {getattr(error, 'message', error)}"))
        if not more:
            raise runs[-1] from error
    return runs if more else runs[0]


def other_feeds(np, draw):
    """Feeds of other sizes and values, of which the graph may not be able to take some; the draw's own again."""
    feeds = {}
    for name, (array, dtype) in draw.feeds.items():
        array = np.asarray(array, object) if dtype == "string" else array
        for axis in range(array.ndim):
            n = array.shape[axis]
            if n and draw.chance(0.25):
                array = np.take(array, draw.rng.integers(0, n, draw.one(n, n, n + 1, n - 1, 1, 2, 0)), axis)
        feeds[name] = (array, dtype)
    return [feeds, draw.feeds]


def several(np, tf, config, library, draw):
    """(how it ended, what differs or None) of several runs in one session."""
    from library import Fails as Refused, Session
    more = other_feeds(np, draw)
    want, session = reference(tf, config, draw, more), None
    try:
        session = Session(library, draw.graph.SerializeToString())
        for i, (fed, one) in enumerate(zip((draw.feeds, *more), want)):
            feeds = {n: (as_fed(np, a, t), tf.as_dtype(t).as_datatype_enum) for n, (a, t) in fed.items()}
            refused = one if isinstance(one, Fails) else None
            try:
                outcome = 0, "", {n: as_npy(np, a, "string") if a.dtype == object else a for n, a in session.run(feeds, draw.fetches).items()}
            except Refused as error:
                outcome = 1, f"berth: {error}", {}
            if refused and ABSENT.search(str(refused)):
                return "absent", None
            fault = judge(np, draw, one, refused, outcome)
            if fault:
                return "differ", f"run {i + 1} {[list(a.shape) for a, _ in fed.values()]}: {fault}"
    except Refused as error:
        return "fails", None if isinstance(want[0], Fails) else f"berth does not load it: {error}"
    finally:
        if session:
            session.close()
    return "fails" if isinstance(want[-1], Fails) else "same", None


def as_fed(np, array, dtype):
    return np.asarray(array, object) if dtype == "string" else as_npy(np, array, dtype)


def as_npy(np, array, dtype):
    if dtype == "string":
        return np.asarray(array, object).astype("S") if np.size(array) else np.zeros(np.shape(array), "S1")
    if dtype == "bfloat16":
        return np.asarray(array).view(np.uint16)
    return np.asarray(array)


def berth(np, args, draw, folder):
    """(status, stderr, {tensor name: array})."""
    (folder / "model.pb").write_bytes(draw.graph.SerializeToString())
    command = [args.berth, "run", str(folder / "model.pb"), "--device", args.device, *draw.berth_args]
    for i, (name, (array, dtype)) in enumerate(draw.feeds.items()):
        np.save(folder / f"in_{i}.npy", as_npy(np, array, dtype))
        command += ["--input", f"{name}={folder}/in_{i}.npy"]
    for i, name in enumerate(draw.fetches):
        command += ["--output", f"{name}={folder}/got_{i}.npy"]
    try:
        mine = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}  # empty for TensorFlow's sake
        done = subprocess.run(command, capture_output=True, timeout=30, env=mine)
    except subprocess.TimeoutExpired:
        return -1, "no answer in 30 s", {}
    got = {}
    if done.returncode == 0:
        for i, name in enumerate(draw.fetches):
            file = folder / f"got_{i}.npy"
            got[name] = np.load(file) if file.exists() else None
    return done.returncode, done.stderr.decode(errors="replace").strip(), got


def compare(np, draw, name, got, want, dtype):
    """A fault, or None."""
    if got is None:
        return f"{name}: not written"
    if got.shape != np.shape(want):
        return f"{name}: shape {got.shape}, wanted {np.shape(want)}"
    if draw.compare:
        return draw.compare(name, got, want)
    if dtype == "string":
        same = (got == as_npy(np, want, dtype)).all()
        return None if same else f"{name}: strings {got.ravel()[:4]}, wanted {np.ravel(want)[:4]}"
    want = np.asarray(want)
    if dtype.startswith("q"):
        want = want.view(got.dtype) if want.dtype.itemsize == got.dtype.itemsize else want
    if dtype == "bfloat16":
        got, want = got.view(want.dtype).astype(np.float32), want.astype(np.float32)
    if got.dtype != want.dtype:
        return f"{name}: dtype {got.dtype}, wanted {want.dtype}"
    if dtype not in USUAL:
        same = (got == want).all()
        return None if same else f"{name}: {int((got != want).sum())} of {want.size} differ: {got[got != want][:3]}, " \
                                 f"wanted {want[got != want][:3]}"
    rtol, atol = draw.tolerance.get(dtype, USUAL[dtype])
    if draw.scaled:
        finite = np.abs(want[np.isfinite(want)]).astype(np.float64)
        atol *= max(1.0, finite.max()) if finite.size else 1.0
    wide = np.complex128 if np.iscomplexobj(want) else np.float64
    with np.errstate(all="ignore"):
        close = np.isclose(got.astype(wide), want.astype(wide), rtol=rtol, atol=atol, equal_nan=True)
    if close.all():
        return None
    return f"{name}: {int((~close).sum())} of {want.size} off: {got[~close][:3]}, wanted {want[~close][:3]}"


def judge(np, draw, want, refused, outcome):
    """What differs, or None."""
    status, stderr, got = outcome
    if status < 0 or status > 125 or status == 70:
        return f"berth ended with status {status}: {stderr[-300:]}"
    if refused is None:
        if status:
            return f"berth fails: {stderr[-300:]}"
        return "; ".join(filter(None, (compare(np, draw, n, got[n], *want[n]) for n in draw.fetches))) or None
    if status == 0:
        return f"berth runs, TensorFlow fails: {str(refused)[:300]}"
    if not stderr.startswith("berth: ") or "\n" in stderr:
        return f"stderr is not one line: {stderr[-300:]!r}"
    nodes = [*draw.graph.node, *(n for f in draw.graph.library.function for n in f.node_def)]
    if not any(node.name in stderr for node in nodes):
        return f"no node in: {stderr[-300:]}"
    return None


def size_of(draw):
    return draw.graph.ByteSize() + sum(a.nbytes for a, _ in draw.feeds.values())


def as_row(np, array, dtype):
    """A tensor as answers.py has it."""
    array = as_npy(np, array, dtype)
    values = array.ravel()
    if dtype == "string":
        values = [v.decode("latin-1") for v in values.tolist()]
    elif np.iscomplexobj(array):
        values = values.view(array.real.dtype).tolist()
    elif array.dtype.names:  # quantised numbers
        array = values = values.view(array.dtype[0])
    return [array.dtype.str, list(np.shape(array)), values if isinstance(values, list) else values.tolist()]


def keep(np, draw, want, number, fault, path):
    """Leaves a draw as a row of answers.py."""
    types = {draw.feeds[n][1] for n in draw.feeds} | {want[n][1] for n in want or ()}
    rtol, atol = next((draw.tolerance.get(t, USUAL[t]) for t in USUAL if t in types), (0, 0))
    row = {"op": draw.op, "fault": fault[:300], "draw": number, "graph": str(draw.graph),
           "in": {n: as_row(np, a, t) for n, (a, t) in draw.feeds.items()},
           "out": {n: as_row(np, *want[n]) if want else None for n in draw.fetches},
           "close": [rtol, atol] + (["bfloat16"] if "bfloat16" in types else [])}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(row) + "\n")


def worker(args):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    import numpy as np
    import tensorflow as tf
    from tensorflow.core.protobuf import config_pb2

    sys.path.insert(0, str(HERE))
    import draws  # noqa: F401  (fills the table)
    from draws.around import around
    from draws.draw import TABLE, Draw

    np.seterr(all="ignore")
    if args.runs:
        from library import Library
        library = Library(args.berth)
    threads = 4 if args.around else 1  # functions wait for each other
    config = config_pb2.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=threads)
    if not args.optimised:
        config.graph_options.optimizer_options.opt_level = -1
        config.graph_options.rewrite_options.disable_meta_optimizer = True

    ops = sorted(op for op in TABLE if re.search(args.only, op))
    say = lambda **row: print(json.dumps(row), flush=True)
    say(ops=ops)
    number = args.draw if args.draw is not None else args.start
    while True:
        rng = np.random.default_rng([args.seed, number])
        op = ops[int(rng.integers(len(ops)))]
        say(draw=number, op=op)
        draw = Draw(op, rng)
        function = TABLE[op][int(rng.integers(len(TABLE[op])))]
        want = refused = None
        signal.alarm(30)  # TensorFlow may wait forever: that ends the worker, as an abort does
        try:
            function(draw)
            how = around(draw) if args.around else None
            if args.runs:
                result, fault = several(np, tf, config, library, draw)
                signal.alarm(0)
                say(done=number, op=op, result="differ" if fault else result, what=f"in a {how}: {fault}" if fault and how else fault, size=size_of(draw), kept="")
                if args.draw is not None:
                    print(draw.graph, draw.feeds, fault)
                    return
                number += 1
                continue
            want = reference(tf, config, draw)
        except Fails as error:
            refused = error
        except Exception as error:  # the generator's own fault
            say(done=number, op=op, result="broken", what=f"{type(error).__name__} in {function.__name__}: {str(error)[:300]}")
            if args.draw is not None:
                raise
            number += 1
            continue
        signal.alarm(0)
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary)
            outcome = berth(np, args, draw, folder)
            absent = refused is not None and ABSENT.search(str(refused))
            if absent and (outcome[0] == 0 or 1 <= outcome[0] <= 125 and outcome[0] != 70):
                say(done=number, op=op, result="absent", what=str(refused)[:200])
            else:
                fault = judge(np, draw, want, refused, outcome)
                fault = f"in a {how}: {fault}" if fault and how else fault
                where = pathlib.Path(args.keep) / f"{op}_{number}.json"
                if fault and args.keep:
                    keep(np, draw, want, number, fault, where)
                say(done=number, op=op, result="differ" if fault else "fails" if refused else "same",
                    what=fault or refused and str(refused)[:300], size=size_of(draw), kept=str(where))
            if args.draw is not None:
                print(draw.graph, {k: (v[0], v[1]) for k, v in draw.feeds.items()}, "\nwant:", want or refused, "\ngot:", outcome)
                return
        number += 1


# ---- The parent: counts, starts TensorFlow again when it aborts ----------------------------------------------------


class Tally:
    def __init__(self, args):
        self.args, self.ops = args, []
        self.listed = re.findall(r"^\| (\w+) \|", pathlib.Path(args.ops).read_text(), re.M) if args.ops else []
        self.counts = {}  # op: {result: n}
        self.faults = {}  # (op, kind of fault): [n, size, what, kept]
        self.refusals = {}  # op: TensorFlow's last one

    def take(self, row):
        if "ops" in row:
            self.ops = row["ops"]
        if "done" not in row:
            return
        count = self.counts.setdefault(row["op"], {})
        count[row["result"]] = count.get(row["result"], 0) + 1
        if row["result"] == "differ":
            self.fault(row)
        if row["result"] in ("fails", "absent"):
            self.refusals[row["op"]] = row["what"]
        if row["result"] == "broken":
            print(f"BROKEN DRAW {row['op']} (draw {row['done']}): {row['what']}", flush=True)

    def fault(self, row):
        kind = (row["op"], re.sub(r"the_\w+|[-+]?\d[\d.e+-]*|\[.*?\]|'[^']*'", "#", row["what"])[:60])
        if kind not in self.faults:
            self.faults[kind] = [0, row["size"], row["what"], row["kept"]]
            print(f"DIFFER {row['op']} (draw {row['done']}): {row['what']}", flush=True)
        entry = self.faults[kind]
        entry[0] += 1
        if row["size"] < entry[1]:
            if entry[3]:
                pathlib.Path(entry[3]).unlink(missing_ok=True)
            entry[1:] = row["size"], row["what"], row["kept"]
        elif row["kept"] and row["kept"] != entry[3]:
            pathlib.Path(row["kept"]).unlink(missing_ok=True)

    def total(self, result):
        return sum(count.get(result, 0) for count in self.counts.values())

    def close(self):
        if self.faults:
            print("\nthe smallest of each kind:")
        for (op, _), (n, _, what, kept) in sorted(self.faults.items()):
            print(f"{op} x{n} {kept}: {what[:200]}")
        bare = [op for op in self.listed if op != "op" and re.search(self.args.only, op) and op not in self.ops]
        never = [op for op in self.ops if op in self.counts and not self.counts[op].get("same")
                 and sum(self.counts[op].values()) >= 5]
        if bare:
            print(f"{len(bare)} ops without a generator:", *bare)
        for op in never:
            print(f"never the same: {op}: {self.refusals.get(op)}")
        print(f"{self.total('fails')} fail on both sides, {self.total('absent')} that TensorFlow has no kernel for, "
              f"{self.total('aborts')} that make it abort")
        print(f"{self.total('same') + self.total('fails')} same, {self.total('differ')} differ")


def watch(args):
    """Runs workers until the time is over."""
    tally, end, start = Tally(args), time.monotonic() + args.seconds, 0
    while time.monotonic() < end:
        command = [sys.executable, __file__, "--worker", "--start", str(start), "--berth", args.berth, "--device", args.device,
                   "--only", args.only, "--seed", str(args.seed), "--keep", args.keep, *(["--around"] if args.around else []),
                   *(["--runs"] if args.runs else []), *(["--optimised"] if args.optimised else [])]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace")  # TensorFlow prints as well
        last = None
        for line in child.stdout:
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if not isinstance(row, dict):
                continue
            tally.take(row)
            last = row if "draw" in row else last
            if time.monotonic() > end:
                child.kill()
                break
        child.wait()
        if time.monotonic() > end:
            break
        if last is None or child.returncode > 0:
            sys.exit(f"the worker ended with status {child.returncode} at draw {last}")
        tally.counts.setdefault(last["op"], {})["aborts"] = tally.counts.get(last["op"], {}).get("aborts", 0) + 1
        if args.verbose:
            print(f"TensorFlow aborts on {last['op']} (draw {last['draw']})")
        start = last["draw"] + 1
    tally.close()
    return 1 if tally.total("differ") or tally.total("broken") or not tally.total("same") else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--berth", required=True, help="path of the program")
    parser.add_argument("--device", default="/CPU:0", help="device to run on (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=60, help="how long to draw (default %(default)g)")
    parser.add_argument("--only", default="", help="regular expression on the op")
    parser.add_argument("--ops", default="", help="a file with a row `| Op |` an op that should have a generator")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draw", type=int, help="this draw of the seed alone, shown whole (with the same --only)")
    parser.add_argument("--around", action="store_true", help="with the op in a function, branch, loop or map")
    parser.add_argument("--runs", action="store_true", help="several runs of one session, with feeds of other sizes, by the library")
    parser.add_argument("--optimised", action="store_true", help="with TensorFlow's own graph optimisations, as its users have them")
    parser.add_argument("--keep", default="", help="folder for the draws that differ")
    parser.add_argument("--verbose", action="store_true", help="tell also where TensorFlow aborts")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--start", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.berth = os.path.abspath(args.berth)
    if importlib.util.find_spec("tensorflow") is None:
        print("skipped: TensorFlow is not installed")
        return 77
    return worker(args) if args.worker or args.draw is not None else watch(args)


if __name__ == "__main__":
    sys.exit(main())
