"""Sums and the like over segments."""
import numpy as np

from draws.draw import COMPLEXES, FLOATS, INTS, draws


def rows(d, least=0):
    return d.shape(rank=d.int(1, 4))


@draws("SegmentMax", "SegmentMean", "SegmentMin", "SegmentProd", "SegmentSum")
def segment(d):
    dtype, index = d.type("T", of=FLOATS + INTS + COMPLEXES), d.one("int32", "int64")
    shape = rows(d)
    steps = np.array([d.one(0, 0, 1, 1, 2, 3 if d.chance(0.1) else 0) for _ in range(shape[0])], index)
    ids = np.cumsum(steps).astype(index)
    if d.chance(0.05):
        ids = ids[::-1].copy() if d.chance(0.5) else ids - 3
    if d.chance(0.03):
        ids = ids[1:]
    d.scaled = True
    d.tolerance = {"float16": (1e-2, 1e-2), "bfloat16": (4e-2, 4e-2)}
    d.node(d.op, [d.put(d.values(dtype, shape, wild=False), dtype), d.put(ids)])


@draws("UnsortedSegmentMax", "UnsortedSegmentMin", "UnsortedSegmentProd", "UnsortedSegmentSum")
def unsorted(d):
    dtype, index = d.type("T", of=FLOATS + INTS + COMPLEXES), d.type("Tindices", of=("int16", "int32", "int64"))
    shape = d.shape(most_rank=4, beside=1)
    n = d.int(0, 5)
    ids = d.values(index, shape[:d.int(0, len(shape))], -1 if d.chance(0.3) else 0, max(n - 1, 0) if d.chance(0.95) else n, False)
    d.scaled = True
    d.tolerance = {"float16": (1e-2, 1e-2), "bfloat16": (4e-2, 4e-2)}
    d.node(d.op, [d.put(d.values(dtype, shape, -2, 2, False), dtype), d.put(ids), d.put(np.array(n if d.chance(0.97) else -1, d.one("int32", "int64")))])


@draws("UnsortedSegmentJoin")
def join(d):
    index = d.one("int32", "int64")
    shape = d.shape(most_rank=3, beside=1)
    n = d.int(0, 4)
    ids = d.values(index, shape[:d.int(0, len(shape))], 0, max(n - 1, 0), False)
    attrs = {"separator": d.one("", ", ", "--")} if d.chance(0.6) else {}
    d.node(d.op, [d.put(d.texts(shape)), d.put(ids), d.put(np.array(n, d.one("int32", "int64")))], **attrs)


@draws("SparseSegmentMean", "SparseSegmentMeanWithNumSegments", "SparseSegmentSqrtN", "SparseSegmentSqrtNWithNumSegments",
       "SparseSegmentSum", "SparseSegmentSumWithNumSegments")
def sparse_segment(d):
    dtype = d.type("T", of=FLOATS + INTS)
    shape = rows(d)
    n = d.int(0, 7) if shape[0] else 0
    indices = d.values(d.one("int32", "int64"), [n], 0, max(shape[0] - 1, 0) if d.chance(0.97) else shape[0], False)
    ids = np.cumsum([d.one(0, 0, 1, 1, 2) for _ in range(n)]).astype(d.one("int32", "int64"))
    if d.chance(0.04) and n:
        ids = ids[::-1].copy()
    attrs = {"sparse_gradient": d.chance(0.5)} if d.chance(0.3) else {}
    names = [d.put(d.values(dtype, shape, wild=False), dtype), d.put(indices), d.put(ids)]
    if d.op.endswith("Segments"):
        names.append(d.put(np.array((ids[-1] + 1 if n else 0) + d.int(0, 3) - (1 if d.chance(0.1) else 0), d.one("int32", "int64"))))
    d.tolerance = {"float16": (1e-2, 1e-2), "bfloat16": (4e-2, 4e-2)}
    d.node(d.op, names, **attrs)
