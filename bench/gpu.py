#!/usr/bin/env python3
"""Time berth and PyTorch on the same models on a GPU, and hold their answers against each other.

    bench/gpu.py [--only REGEX] [--device /GPU:0] [--seconds 0.4] [--compile S] [--json FILE]

Rows are models of make_models.py at a batch size and in a precision: f32 (TF32 off in both), tf32, f16. A time is the
median of whole runs after warm-up, each waited for. berth's (`berth bench`) are from an input in the host's memory to
the answer there, copies included; PyTorch is timed so too ("host": inputs in pinned memory), and with all on the device
("gpu"), each eager and as a CUDA graph, in the better of its two layouts of pictures (NCHW, channels_last); cuDNN may
search (cudnn.benchmark). `ratio` is PyTorch's best "host" time over berth's: above 1, berth leads; `ratio gpu` is the
same of its best "gpu" time, which has no copies in it. `error` is the largest difference to PyTorch's f32 answer, over
that answer's largest number. With --compile, torch.compile (mode reduce-overhead) follows, for S seconds in all. What
fails takes a line, and the others go on; without PyTorch, berth's times stand alone. berth gets the cuDNN that PyTorch has,
but for BERTH_CUDNN, which names another or says "off".
"""
import argparse
import glob
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

import make_models

try:
    import torch
    import torch_models
    HAS_TORCH, WHY = torch.cuda.is_available(), "it sees no GPU"
except Exception as fault:  # not installed, or its libraries are not
    HAS_TORCH, WHY = False, str(fault).splitlines()[0]

BERTH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "build", "berth")
ROWS = [(model, batch, precision) for model, batch in (("mobilenet_v2", 1), ("resnet50", 1), ("resnet50", 32), ("bert_base", 1))
        for precision in ("f32", "tf32", "f16")]


def say(*words):
    print(*words, flush=True)


def attempt(what, run, *args):
    """What run gives, or None and one line of why."""
    try:
        return run(*args)
    except Exception as fault:
        say(f"    {what}: {(str(fault).strip() or repr(fault)).splitlines()[0][:200]}")
        return None


def error_of(got, want):
    """None where either is not there."""
    if got is None or want is None:
        return None
    if got.shape != want.shape:
        raise ValueError(f"shape {got.shape}, wanted {want.shape}")
    return float(np.abs(got.astype(np.float64) - want).max() / np.abs(want).max())


# ---- berth -----------------------------------------------------------------------------------------------------------


def berth(args, verb, name, arrays, precision, *more):
    command = [args.berth, verb, os.path.join(args.folder, f"{name}.pb"), "--device", args.device, "--precision", precision]
    for key, array in arrays.items():
        file = os.path.join(args.folder, f"{key}.npy")
        np.save(file, array)
        command += ["--input", f"{key}:0={file}"]
    done = subprocess.run([*command, *more], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f"not supported: {done.stderr}" if "precision" in done.stderr else done.stderr)
    return done.stdout


def berth_times(args, name, arrays, precision):
    return json.loads(berth(args, "bench", name, arrays, precision, "--json", "--seconds", str(args.seconds)))


def berth_answer(args, name, arrays, precision):
    file = os.path.join(args.folder, "answer.npy")
    berth(args, "run", name, arrays, precision, "--output", f"{make_models.OUTPUT[name]}:0={file}")
    return np.load(file)


# ---- PyTorch ---------------------------------------------------------------------------------------------------------


def set_precision(precision):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = True
    return torch.float16 if precision == "f16" else torch.float32


def median_us(run, seconds):
    """Of runs that are waited for, after as many as warm it up."""
    until, times = time.perf_counter() + seconds / 4, []
    for _ in range(3):
        run()
    torch.cuda.synchronize()
    while time.perf_counter() < until:
        run()
        torch.cuda.synchronize()
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(times) < 5:
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


class Twin:
    """A model on the GPU in a precision and a layout, with its inputs there and in pinned memory."""

    def __init__(self, name, model, arrays, dtype, layout):
        self.dtype = dtype
        self.model = model.to(device="cuda", dtype=dtype, memory_format=layout)
        inputs = torch_models.arrange(name, arrays)
        inputs = [x.contiguous(memory_format=layout) if x.dim() == 4 else x for x in inputs]
        self.pinned = [x.pin_memory() for x in inputs]
        self.inputs = [self.cast(x.cuda()) for x in inputs]

    def cast(self, x):
        return x.to(self.dtype) if x.is_floating_point() else x

    def answer(self):
        return self.model(*self.inputs).float().cpu().numpy()

    def from_host(self, model):
        return model(*(self.cast(x.cuda(non_blocking=True)) for x in self.pinned)).float().cpu()

    def graph(self):
        """Runs that replay a CUDA graph: on the device, and from the host and back."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.model(*self.inputs)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = self.model(*self.inputs)

        def from_host():
            for there, here in zip(self.inputs, self.pinned):
                there.copy_(here, non_blocking=True)
            graph.replay()
            return out.float().cpu()

        return graph.replay, from_host


def layouts(name):
    return [torch.contiguous_format] if name == "bert_base" else [torch.contiguous_format, torch.channels_last]


def torch_times(args, name, weights, arrays, precision, answers):
    """Microseconds by way, {"eager gpu", ...: us}; the answer goes to answers."""
    dtype, best = set_precision(precision), {}
    for layout in layouts(name):
        twin = Twin(name, torch_models.build(name, weights), arrays, dtype, layout)
        answers.setdefault(precision, twin.answer())
        times = {"eager gpu": median_us(lambda: twin.model(*twin.inputs), args.seconds),
                 "eager host": median_us(lambda: twin.from_host(twin.model), args.seconds)}
        runs = attempt(f"{name} {precision} CUDA graph", twin.graph)
        if runs:
            times.update({"graph gpu": median_us(runs[0], args.seconds), "graph host": median_us(runs[1], args.seconds)})
        for way, us in times.items():
            best[way] = min(us, best.get(way, us))
    return best


def compiled(args, name, weights, arrays, precision):
    dtype, start = set_precision(precision), time.perf_counter()
    twin = Twin(name, torch_models.build(name, weights), arrays, dtype, layouts(name)[-1])
    model = torch.compile(twin.model, mode="reduce-overhead")
    model(*twin.inputs)
    torch.cuda.synchronize()
    took = time.perf_counter() - start
    return {"compiled gpu": median_us(lambda: model(*twin.inputs), args.seconds),
            "compiled host": median_us(lambda: twin.from_host(model), args.seconds), "compile_s": took}


# ---- Rows ------------------------------------------------------------------------------------------------------------

WAYS = ("eager gpu", "graph gpu", "eager host", "graph host")


def text(us):
    return f"{us / 1e3:.3f}" if us else "-"


def ratio(times, end, us):
    theirs = [t for way, t in times.items() if way.endswith(end)]
    return f"{min(theirs) / us:.2f}" if theirs and us else "-"


def measure(args, row, weights, answers):
    """One row of the table; answers: PyTorch's, by precision, of this model and batch."""
    name, batch, precision = row
    title, arrays = f"{name} {batch} {precision}", make_models.inputs(name, batch)
    times = HAS_TORCH and attempt(f"{title} PyTorch", torch_times, args, name, weights, arrays, precision, answers) or {}
    ours = attempt(f"{title} berth", berth_times, args, name, arrays, precision)
    got = ours and attempt(f"{title} berth's answer", berth_answer, args, name, arrays, precision)
    us, want = ours["median_us"] if ours else None, answers.get("f32")
    errors = [attempt(f"{title} comparison", error_of, x, want) for x in (got, answers.get(precision))]
    errors = ["-" if e is None else f"{e:.1e}" for e in errors]
    say(f"{name:<13}{batch:>4} {precision:>5}{text(us):>9}" + "".join(f"{text(times.get(way)):>12}" for way in WAYS) +
        f"{ratio(times, 'host', us):>7}{ratio(times, 'gpu', us):>11}{errors[0]:>13}{errors[1]:>13}")
    if args.json:
        with open(args.json, "a") as file:
            file.write(json.dumps({"row": title, "berth": ours, "torch": times, "errors": errors}) + "\n")


def each(args, rows, run):
    """run(row, weights, answers), with what rows of a model share made once."""
    graph, answers, made = None, {}, None
    for row in rows:
        if row[0] != made:
            graph, made = make_models.make(row[0]), row[0]
            if not args.compiling:
                with open(os.path.join(args.folder, f"{made}.pb"), "wb") as file:
                    file.write(graph.bytes())
        run(row, graph.weights, answers.setdefault(row[:2], {}))


def compile_all(args):
    """The rows again by torch.compile, in a process of their own that ends when the time is up."""
    say(f"\ntorch.compile, for {args.compile:g} s at most")
    command = [sys.executable, __file__, "--compiling", "--only", args.only, "--seconds", str(args.seconds)]
    child = subprocess.Popen(command, start_new_session=True)
    try:
        child.wait(args.compile)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        say("    the time is up")


def show_compiled(args, row, weights):
    title = "{} {} {}".format(*row)
    times = attempt(f"{title} torch.compile", compiled, args, row[0], weights, make_models.inputs(*row[:2]), row[2])
    if times:
        say(f"{row[0]:<13}{row[1]:>4} {row[2]:>5}  gpu {text(times['compiled gpu'])}  host {text(times['compiled host'])}"
            f"  (first run after {times['compile_s']:.0f} s)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--berth", default=BERTH, help="path of the program")
    parser.add_argument("--device", default="/GPU:0")
    parser.add_argument("--only", default="", help='regular expression on rows, as in "resnet50 32 f16"')
    parser.add_argument("--seconds", type=float, default=0.4, help="a figure takes (default %(default)s)")
    parser.add_argument("--compile", type=float, metavar="S", help="time torch.compile too, for S seconds in all")
    parser.add_argument("--json", help="add a line a row to this file")
    parser.add_argument("--compiling", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    rows = [row for row in ROWS if re.search(args.only, "{} {} {}".format(*row))]
    if HAS_TORCH:
        torch.set_grad_enabled(False)
        packages = os.path.dirname(os.path.dirname(torch.__file__))
        for library in glob.glob(os.path.join(packages, "nvidia/*/lib/libcudnn.so.9")):
            os.environ.setdefault("BERTH_CUDNN", library)
    if args.compiling:
        return each(args, rows, lambda row, weights, _: show_compiled(args, row, weights))
    say(f"PyTorch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}: "
        f"{torch.cuda.get_device_name()}" if HAS_TORCH else f"no PyTorch here ({WHY}): berth alone")
    devices = subprocess.run([args.berth, "devices"], capture_output=True, text=True)
    say((devices.stdout or devices.stderr).rstrip())
    say(f"\n{'model, batch':<17}{'':>6}{'berth':>9}" + "".join(f"{way:>12}" for way in WAYS) +
        f"{'ratio':>7}{'ratio gpu':>11}{'berth error':>13}{'torch error':>13}   (ms)")
    with tempfile.TemporaryDirectory() as args.folder:
        each(args, rows, lambda *row: measure(args, *row))
    if args.compile and HAS_TORCH:
        compile_all(args)


if __name__ == "__main__":
    main()
