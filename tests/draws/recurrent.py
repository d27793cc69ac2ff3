"""Recurrent cells and layers, and connectionist temporal classification."""
import numpy as np

from draws.draw import draws


def loose(d):
    d.scaled = True
    d.tolerance = {"float16": (2e-2, 1e-2), "float32": (1e-4, 1e-5)}


def cell(d, dtype, inputs, cells, batch, gates):
    put = lambda *shape: d.put(d.values(dtype, shape, -1, 1, False))
    ways = cells if d.chance(0.97) else d.int(0, cells + 1)  # weights of peepholes
    return [put(batch, cells), put(batch, cells), put(inputs + cells, gates * cells)] + [put(ways) for _ in range(3)] + [put(gates * cells)]


@draws("LSTMBlockCell", "BlockLSTM", "BlockLSTMV2", weight=2)
def lstm(d):
    dtype = d.type("T")
    large = 40 if dtype == "float32" else 5  # sums of halves are rounded at each step
    batch, inputs, cells = d.some_size(3, 9), d.some_size(5, large), d.some_size(5, large)
    attrs = {"cell_clip": d.one(0.0, 0.5, 3.0, -1.0)} if d.chance(0.6) else {}
    if d.op != "BlockLSTMV2" and d.chance(0.6):
        attrs["forget_bias"] = d.one(0.0, 1.0, 0.3)
    if d.chance(0.6):
        attrs["use_peephole"] = d.chance(0.6)
    loose(d)
    if d.op == "LSTMBlockCell":
        d.node(d.op, [d.put(d.values(dtype, [batch, inputs], wild=False))] + cell(d, dtype, inputs, cells, batch, 4), **attrs)
        return
    steps = d.int(1, 5)
    length = np.array(d.int(0, steps) if d.chance(0.5) else steps, np.int64)
    n = int(length)  # what lies behind is not written by TensorFlow
    d.compare = lambda name, got, want: None if np.allclose(got[:n].astype(float), want[:n].astype(float), *d.tolerance[dtype], True) else \
        f"{name}: {got[:n].ravel()[:5]} wanted {want[:n].ravel()[:5]}"
    d.node(d.op, [d.put(length), d.put(d.values(dtype, [steps, batch, inputs], wild=False))] + cell(d, dtype, inputs, cells, batch, 4), **attrs)


@draws("GRUBlockCell")
def gru(d):
    dtype, batch, inputs, cells = d.type("T"), d.int(1, 3), d.int(1, 5), d.int(1, 5)
    put = lambda *shape: d.put(d.values(dtype, shape, -1, 1, False))
    loose(d)
    d.node(d.op, [put(batch, inputs), put(batch, cells), put(inputs + cells, 2 * cells if d.chance(0.97) else cells), put(inputs + cells, cells),
                  put(2 * cells), put(cells)])


def logits(d, steps, batch, classes):
    d.tolerance = {"float64": (1e-4, 1e-6), "float32": (1e-4, 1e-5)}  # partly computed in float
    return d.rng.uniform(-4, 4, [steps, batch, classes]).astype(d.type("T"))


@draws("CTCGreedyDecoder")
def greedy(d):
    steps, batch, classes = d.int(1, 6), d.int(1, 3), d.int(1, 5)
    length = d.values("int32", [batch], 0, steps if d.chance(0.97) else steps + 1, False)
    attrs = {"merge_repeated": d.chance(0.6)} if d.chance(0.7) else {}
    if d.chance(0.4):
        attrs["blank_index"] = d.int(-classes, classes - 1) if d.chance(0.95) else classes
    d.node(d.op, [d.put(logits(d, steps, batch, classes)), d.put(length)], **attrs)


@draws("CTCBeamSearchDecoder")
def beam(d):
    steps, batch, classes = d.int(1, 6), d.int(1, 3), d.int(2, 5)
    length = d.values("int32", [batch], 1, steps, False)
    width = d.int(1, 9)
    attrs = {"merge_repeated": d.chance(0.6)} if d.chance(0.7) else {}
    d.node(d.op, [d.put(logits(d, steps, batch, classes)), d.put(length)], beam_width=width,
           top_paths=d.int(1, min(width, 3)) if d.chance(0.95) else width + 1, **attrs)


@draws("CTCLoss")
def ctc_loss(d):
    steps, batch, classes = d.int(2, 7), d.int(1, 3), d.int(2, 5)
    length = d.values("int32", [batch], 1, steps, False)
    most = d.int(0, 3)
    at = np.array([[b, t] for b in range(batch) for t in range(d.int(0, min(most, int(length[b]) // 2 + 1)))], np.int64).reshape(-1, 2)
    labels = d.values("int32", [len(at)], 0, classes - 2 if d.chance(0.9) else classes, False)
    labels[at[:, 1] == 0] %= classes - 1  # of a sequence without labels TensorFlow writes before its table
    attrs = {k: d.chance(0.5) for k in d.some(["preprocess_collapse_repeated", "ctc_merge_repeated", "ignore_longer_outputs_than_inputs"])}
    d.scaled = True
    d.node(d.op, [d.put(logits(d, steps, batch, classes)), d.put(at), d.put(labels), d.put(length)], **attrs)
