"""Along axes: reductions, arguments of the best, running sums, softmax, losses."""
import numpy as np

from draws.draw import COMPLEXES, FLOATS, INTS, KNOWN, draws


@draws("All", "Any", "EuclideanNorm", "Max", "Mean", "Min", "Prod", "Sum")
def reduce(d):
    index = d.one("int32", "int64")
    if d.op in ("All", "Any"):
        dtype = "bool"
    else:
        dtype = d.type("T", of=FLOATS + INTS + COMPLEXES)
    shape = d.shape(most_rank=5)
    if dtype in ("float16", "bfloat16") and np.prod(shape) > 1000:  # which TensorFlow sums as halves, and loses more than is allowed here
        shape = [min(s, 5) for s in shape]
    axes = d.some(range(len(shape)))
    axes = [int(a) - len(shape) if d.chance(0.3) else int(a) for a in axes]
    if d.chance(0.04):
        axes.append(d.int(-9, 9))
    axes = np.array(axes[0] if len(axes) == 1 and d.chance(0.4) else axes, index)
    attrs = {"keep_dims": d.chance(0.6)} if d.chance(0.7) else {}
    wild = d.op in ("Sum", "Mean") and dtype in FLOATS
    narrow = (-2, 2) if d.op == "Prod" else (None, None)
    d.scaled = d.op in ("Sum", "Mean", "Prod")
    d.tolerance = {"float16": (1e-2, 1e-2), "bfloat16": (4e-2, 4e-2)}
    d.node(d.op, [d.put(d.values(dtype, shape, *narrow, wild), dtype), d.put(axes)], **attrs)


@draws("ArgMax", "ArgMin")
def arg(d):
    dtype = d.type("T", of=KNOWN)
    shape = d.shape(rank=d.int(1, 5), empty=0.02)
    axis = d.int(-len(shape), len(shape) - 1) if d.chance(0.96) else d.int(-9, 9)
    attrs = {"output_type": d.one(*(["int32", "int64", "int16", "uint16"] if d.op == "ArgMax" else ["int32", "int64"]))} if d.chance(0.7) else {}
    d.node(d.op, [d.put(d.values(dtype, shape, wild=False), dtype), d.put(np.array(axis, d.one("int32", "int64")))], **attrs)


@draws("Cumprod", "Cumsum", "CumulativeLogsumexp")
def scan(d):
    dtype = d.type("T", of=FLOATS + INTS + COMPLEXES)
    shape = d.shape(rank=d.int(1, 5) if d.chance(0.97) else 0)
    axis = d.int(-len(shape), max(0, len(shape) - 1)) if d.chance(0.96) else d.int(-9, 9)
    attrs = {k: d.chance(0.5) for k in d.some(["exclusive", "reverse"])}
    d.scaled = True
    d.tolerance = {"float16": (1e-2, 1e-2), "bfloat16": (4e-2, 4e-2)}
    d.node(d.op, [d.put(d.values(dtype, shape, wild=False), dtype), d.put(np.array(axis, d.one("int32", "int64")))], **attrs)


@draws("Softmax", "LogSoftmax")
def softmax(d):
    d.tolerance = {"float16": (2e-2, 2e-2), "bfloat16": (6e-2, 6e-2)}
    d.node(d.op, [d.put(d.values(d.type(), d.shape(rank=d.int(1, 4) if d.chance(0.97) else 0), -9, 9, False))])


@draws("SoftmaxCrossEntropyWithLogits")
def cross_entropy(d):
    dtype, shape = d.type(), d.shape(rank=2)
    other = d.like(shape) if d.chance(0.2) else shape
    other = [1] * (2 - len(other)) + list(other)
    d.tolerance = {"float16": (2e-2, 2e-2), "bfloat16": (6e-2, 6e-2)}
    d.node(d.op, [d.put(d.values(dtype, shape, -5, 5, False), dtype), d.put(d.values(dtype, other, 0, 1, False), dtype)])


@draws("SparseSoftmaxCrossEntropyWithLogits")
def sparse_cross_entropy(d):
    dtype, (n, classes) = d.type(), d.shape(rank=2)
    labels = d.values(d.type("Tlabels"), [n], 0, max(classes - 1, 0), False)
    d.tolerance = {"float16": (2e-2, 2e-2), "bfloat16": (6e-2, 6e-2)}
    d.node(d.op, [d.put(d.values(dtype, [n, classes], -5, 5, False), dtype), d.put(labels)])
