#!/usr/bin/env python3
"""Time berth and other engines on the same frozen graphs, in turns, and print the ratios.

    bench/compare.py FOLDER... [--threads 1] [--rounds 5] [--seconds 1]

Each FOLDER holds frozen.pb, input.npz (an array a placeholder, by tensor name) and, for engines that need files of their
own, model.onnx and model.tflite; an engine that is not installed, or has no file, is left out. Every engine is loaded and
warm; in each round each gets the same share of time in its turn, so that what else the machine does hits all alike. A
figure is the least of the rounds' medians; the ratio is the best other engine's figure over berth's: above 1, berth leads.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np

BERTH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "build", "berth")


def openvino(folder, inputs, threads):
    import openvino as ov
    core = ov.Core()
    core.set_property("CPU", {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"})
    model = core.read_model(os.path.join(folder, "frozen.pb"))
    named = {port: inputs[next(n for n in inputs if n in port.get_names() or n.split(":")[0] in port.get_names())]
             for port in model.inputs}
    model.reshape({port: array.shape for port, array in named.items()})
    request = core.compile_model(model, "CPU").create_infer_request()
    request.set_tensors({port.get_any_name(): ov.Tensor(array) for port, array in named.items()})
    return request.infer


def onnxruntime(folder, inputs, threads):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = ort.InferenceSession(os.path.join(folder, "model.onnx"), options, providers=["CPUExecutionProvider"])
    feed = {i.name: next(iter(inputs.values())) if len(inputs) == 1 else inputs[i.name] for i in session.get_inputs()}
    return lambda: session.run(None, feed)


def litert(folder, inputs, threads):
    from ai_edge_litert.interpreter import Interpreter
    it = Interpreter(model_path=os.path.join(folder, "model.tflite"), num_threads=threads)
    details = it.get_input_details()
    arrays = [next(a for n, a in inputs.items() if len(inputs) == 1 or n.split(":")[0] in d["name"]) for d in details]
    for d, array in zip(details, arrays):
        it.resize_tensor_input(d["index"], array.shape)
    it.allocate_tensors()
    for d, array in zip(details, arrays):
        it.set_tensor(d["index"], array)
    return it.invoke


ENGINES = {"openvino": openvino, "onnxruntime": onnxruntime, "litert": litert}


def median(run, seconds):
    until, times = time.perf_counter() + seconds, []
    while time.perf_counter() < until or len(times) < 3:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def berth(folder, inputs, args):
    command = [BERTH, "bench", os.path.join(folder, "frozen.pb"), "--device", "/CPU:0", "--threads", str(args.threads), "--json",
               "--seconds", str(args.seconds)]
    for name, array in inputs.items():
        file = os.path.join(args.scratch, name.replace("/", "_").replace(":", "_") + ".npy")
        np.save(file, array)
        command += ["--input", f"{name}={file}"]
    return lambda: json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["median_us"]


def compare(folder, args):
    with np.load(os.path.join(folder, "input.npz")) as file:
        inputs = dict(file)
    rounds = {"berth": berth(folder, inputs, args)}
    for name, load in ENGINES.items():
        try:
            run = load(folder, inputs, args.threads)
            run()
            rounds[name] = lambda run=run: median(run, args.seconds)
        except Exception as fault:  # not installed, or it cannot take the model
            print(f"{os.path.basename(folder)}: {name}: {str(fault).splitlines()[0][:100]}", file=sys.stderr)
    best = {name: 1e18 for name in rounds}
    for _ in range(args.rounds):
        for name, measure in rounds.items():
            best[name] = min(best[name], measure())
    others = [us for name, us in best.items() if name != "berth"]
    ratio = f"{min(others) / best['berth']:.2f}" if others else "-"
    print(f"{os.path.basename(folder):<20}" + "  ".join(f"{n} {us / 1e3:.3f} ms" for n, us in best.items()) + f"  ratio {ratio}", flush=True)


def main():
    import tempfile
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as args.scratch:
        for folder in args.folders:
            compare(os.path.normpath(folder), args)


if __name__ == "__main__":
    main()
