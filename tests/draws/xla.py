"""XLA's ops that TensorFlow runs on a CPU as they are: it compiles each node for its shapes."""
import numpy as np

from draws.draw import FLOATS, INTS, draws

TYPES = FLOATS + INTS + ("bool", "complex64")


@draws("XlaDynamicSlice", "XlaDynamicUpdateSlice")
def dynamic(d):
    dtype, index = d.type("T", of=TYPES), d.one("int32", "int64")
    shape = d.shape(rank=d.int(1, 4), empty=0.02)
    part = [d.int(0 if d.chance(0.05) else min(1, n), n) for n in shape]
    places = d.put(d.values(index, [len(shape)], -2, 6, False))
    whole = d.put(d.values(dtype, shape), dtype)
    if d.op == "XlaDynamicSlice":
        d.node(d.op, [whole, places, d.const(np.asarray(part, index))])
    else:
        d.node(d.op, [whole, d.put(d.values(dtype, part), dtype), places])


@draws("XlaPad")
def pad(d):
    dtype, index = d.type("T", of=TYPES), d.one("int32", "int64")
    shape = d.shape(rank=d.int(1, 4), empty=0.02)
    inner = [d.one(0, 0, 1, 2) for _ in shape]
    wide = [n + max(n - 1, 0) * i for n, i in zip(shape, inner)]
    low = [d.int(-min(2, w), 3) for w in wide]
    high = [d.int(-min(2, max(w + l, 0)), 3) for w, l in zip(wide, low)]
    d.node(d.op, [d.put(d.values(dtype, shape), dtype), d.put(d.values(dtype, [], wild=False), dtype),
                  *(d.const(np.asarray(v, index)) for v in (low, high, inner))])


@draws("XlaSharding")
def sharding(d):
    dtype = d.type("T", of=TYPES)
    d.node(d.op, [d.put(d.values(dtype, d.shape()), dtype)])


@draws("XlaOptimizationBarrier")
def barrier(d):
    types = [d.one(*TYPES) for _ in range(d.int(1, 3))]
    d.node(d.op, [[d.put(d.values(t, d.shape(most_rank=3)), t) for t in types]])


@draws("XlaEinsum")
def einsum(d):
    dtype = d.type("T", of=("float32", "bfloat16"))
    m, k, n = d.size(4, 0), d.size(4, 0), d.size(4, 0)
    d.scaled, d.tolerance = True, {"bfloat16": (5e-2, 5e-2), "float32": (1e-3, 1e-4)}
    d.node(d.op, [d.put(d.values(dtype, [m, k], wild=False), dtype), d.put(d.values(dtype, [k, n], wild=False), dtype)], equation="ij,jk->ik")
