"""Running berth on a saved model and comparing tensors: what tests/keras_layers.py and tests/keras_first.py share."""
import json
import subprocess

import numpy as np


def bytes_of(value):
    """As an array that numpy can save and berth gives."""
    value = np.asarray(value)
    if value.dtype.kind in "OU":
        value = np.array([v if isinstance(v, bytes) else str(v).encode() for v in value.ravel()]).reshape(value.shape)
    return value.view(np.uint16) if value.dtype.name == "bfloat16" else value


def difference(want, got, close):
    want = bytes_of(want)
    if want.shape != got.shape:
        return f"shape {got.shape}, not {want.shape}"
    if want.dtype != got.dtype and not want.dtype.kind == got.dtype.kind == "S":
        return f"dtype {got.dtype}, not {want.dtype}"
    if want.dtype.kind not in "fc":
        return None if (want == got).all() else f"{got.ravel()[:6]}, not {want.ravel()[:6]}"
    if np.allclose(want, got, rtol=close, atol=close, equal_nan=True):
        return None
    with np.errstate(all="ignore"):
        wide = np.complex128 if want.dtype.kind == "c" else np.float64
        return f"values differ by {np.nanmax(np.abs(want.astype(wide) - got.astype(wide))):.3g} of {np.nanmax(np.abs(want)):.3g}"


def run(berth, path, inputs, outputs, folder):
    command = [berth, "run", path]
    for i, (name, value) in enumerate(inputs.items()):
        np.save(f"{folder}/in{i}.npy", bytes_of(value))
        command += ["--input", f"{name}={folder}/in{i}.npy"]
    for i, name in enumerate(outputs):
        command += ["--output", f"{name}={folder}/out{i}.npy"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120, check=False)
    if done.returncode:
        return None, done.stderr.strip().replace(f"{folder}/", "") or f"exit status {done.returncode}"
    return [np.load(f"{folder}/out{i}.npy") for i in range(len(outputs))], None


def ports(berth, path):
    """Names of the inputs and outputs of a model's one signature, and what is wrong, or None."""
    done = subprocess.run([berth, "inspect", path, "--json"], capture_output=True, text=True, errors="replace", timeout=120, check=False)
    if done.returncode:
        return None, None, done.stderr.strip()
    (signature,) = json.loads(done.stdout)["signatures"].values()
    return [x["name"] for x in signature["inputs"]], [x["name"] for x in signature["outputs"]], None
