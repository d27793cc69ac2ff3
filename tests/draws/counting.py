"""Counting, sorting, sets: bins, the best k, unique values, set operations."""
import numpy as np

from draws.draw import COMPLEXES, FLOATS, INTS, KNOWN, carrier, draws
from draws.sparse import coordinates, rows_of

WEIGHTS = ("int32", "int64", "float32", "float64")


@draws("Bincount")
def bincount(d):
    dtype, shape = d.type("T", of=WEIGHTS), d.shape(most_rank=3)
    values = d.values("int32", shape, 0 if d.chance(0.95) else -2, 8, False)
    weights = d.values(dtype, shape if d.chance(0.6) else [0], wild=False)
    d.node(d.op, [d.put(values), d.put(np.array(d.int(0, 9), np.int32)), d.put(weights)])


@draws("DenseBincount")
def dense_bincount(d):
    index, dtype = d.one("int32", "int64"), d.type("T", of=WEIGHTS)
    shape = d.shape(rank=d.int(1, 2))
    values = d.values(index, shape, 0 if d.chance(0.95) else -2, 8, False)
    weights = d.values(dtype, shape if d.chance(0.6) else [0], wild=False)
    attrs = {"binary_output": d.chance(0.6)} if d.chance(0.6) else {}
    d.node(d.op, [d.put(values), d.put(np.array(d.int(0, 9), index)), d.put(weights)], **attrs)


@draws("RaggedBincount")
def ragged_bincount(d):
    index, dtype = d.one("int32", "int64"), d.type("T", of=WEIGHTS)
    splits = rows_of(d, np.int64)
    n = int(splits[-1])
    attrs = {"binary_output": d.chance(0.6)} if d.chance(0.6) else {}
    d.node(d.op, [d.put(splits), d.put(d.values(index, [n], 0, 8, False)), d.put(np.array(d.int(0, 9), index)),
                  d.put(d.values(dtype, [n] if d.chance(0.6) else [0], wild=False))], **attrs)


@draws("SparseBincount")
def sparse_bincount(d):
    index, dtype = d.one("int32", "int64"), d.type("T", of=WEIGHTS)
    shape = d.shape(rank=d.int(1, 2), empty=0)
    at = coordinates(d, shape)
    attrs = {"binary_output": d.chance(0.6)} if d.chance(0.6) else {}
    d.node(d.op, [d.put(at), d.put(d.values(index, [len(at)], 0, 8, False)), d.put(np.array(shape, np.int64)),
                  d.put(np.array(d.int(0, 9), index)), d.put(d.values(dtype, [len(at)] if d.chance(0.6) else [0], wild=False))], **attrs)


def count_attrs(d, binary):
    attrs = {"minlength": d.int(-1, 6)} if d.chance(0.5) else {}
    if d.chance(0.5):
        attrs["maxlength"] = d.int(-1, 8)
    return {"binary_output": binary, **attrs}


@draws("DenseCountSparseOutput")
def dense_count(d):
    index, dtype = d.one("int32", "int64"), d.one(*WEIGHTS)
    binary, shape = d.chance(0.4), d.shape(rank=d.int(1, 2))
    weights = d.values(dtype, shape if d.chance(0.5) and not binary else [0], wild=False)
    d.node(d.op, [d.put(d.values(index, shape, 0, 8, False), exact=1), d.put(weights, exact=1)], **count_attrs(d, binary))


@draws("SparseCountSparseOutput")
def sparse_count(d):
    index, dtype = d.one("int32", "int64"), d.one(*WEIGHTS)
    binary, shape = d.chance(0.4), d.shape(rank=d.int(1, 2), empty=0)
    at = coordinates(d, shape)
    weights = d.values(dtype, [len(at)] if d.chance(0.5) and not binary else [0], wild=False)
    d.node(d.op, [d.put(at), d.put(d.values(index, [len(at)], 0, 8, False)), d.put(np.array(shape, np.int64)), d.put(weights)],
           **count_attrs(d, binary))


@draws("RaggedCountSparseOutput")
def ragged_count(d):
    index, dtype = d.one("int32", "int64"), d.one(*WEIGHTS)
    binary, splits = d.chance(0.4), rows_of(d, np.int64)
    n = int(splits[-1])
    weights = d.values(dtype, [n] if d.chance(0.5) and not binary else [0], wild=False)
    d.node(d.op, [d.put(splits), d.put(d.values(index, [n], 0, 8, False)), d.put(weights)], **count_attrs(d, binary))


@draws("Bucketize")
def bucketize(d):
    dtype = d.type("T")
    d.node(d.op, [d.put(d.values(dtype, d.shape(), wild=False))], boundaries=sorted(d.values("float32", [d.int(0, 5)], -4, 4, False).tolist()))


@draws("HistogramFixedWidth")
def histogram(d):
    dtype = d.type("T", of=("int32", "int64", "float32", "float64"))
    low = d.int(-4, 2)
    attrs = {"dtype": d.one("int32", "int64")} if d.chance(0.5) else {}
    d.node(d.op, [d.put(d.values(dtype, d.shape(), wild=False)), d.put(np.array([low, low + d.int(1, 6)], dtype)),
                  d.put(np.array(d.int(1, 8), np.int32))], **attrs)


@draws("InTopK", "InTopKV2")
def in_top_k(d):
    index, (n, classes) = d.type("T", of=("int32", "int64")), d.shape(rank=2, empty=0)
    k = np.array(d.int(0, 4), index)
    targets = d.values(index, [n], 0 if d.chance(0.9) else -1, classes - 1 if d.chance(0.9) else classes, False)
    names = [d.put(d.values("float32", [n, classes])), d.put(targets)]
    if d.op == "InTopK":
        d.node(d.op, names, k=int(k))
    else:
        d.node(d.op, names + [d.put(k)])


@draws("IsotonicRegression")
def isotonic(d):
    dtype = d.type("T", of=FLOATS + INTS)
    attrs = {"output_dtype": d.one("float32", "float64")} if dtype in INTS and d.chance(0.3) else {}
    if not attrs and dtype in FLOATS:
        attrs = {"output_dtype": dtype}
    d.scaled = True
    d.node(d.op, [d.put(d.values(dtype, d.shape(rank=2, empty=0), wild=False))], **attrs)


@draws("ListDiff")
def list_diff(d):
    dtype = d.type("T", of=KNOWN)
    attrs = {"out_idx": d.one("int32", "int64")} if d.chance(0.6) else {}
    a, b = (d.values(dtype, [d.size(8)], -3, 3, False) if dtype != "string" else d.texts((d.size(8),)) for _ in range(2))
    d.node(d.op, [d.put(a, dtype), d.put(b, dtype)], **attrs)


@draws("LowerBound", "UpperBound")
def bound(d):
    dtype = d.type("T")
    rows = d.size(3)
    inputs = np.sort(d.values(dtype, [rows, d.size(6)], wild=False), axis=1)
    attrs = {"out_type": d.one("int32", "int64")} if d.chance(0.6) else {}
    d.node(d.op, [d.put(inputs), d.put(d.values(dtype, [rows if d.chance(0.96) else rows + 1, d.size(5)], wild=False))], **attrs)


@draws("NthElement")
def nth(d):
    dtype, shape = d.type(), d.shape(rank=d.int(1, 4), empty=0)
    attrs = {"reverse": d.chance(0.5)} if d.chance(0.6) else {}
    d.node(d.op, [d.put(d.values(dtype, shape, wild=False)), d.put(np.array(d.int(0, shape[-1] - (0 if d.chance(0.05) else 1)), np.int32))], **attrs)


@draws("ApproxTopK")
def approximate_top_k(d):
    shape = d.shape(rank=d.int(1, 3))
    dtype = d.type("T", of=("float16", "float32", "float64", "int16", "int32", "int64", "uint16"))
    count = int(np.prod(shape))
    values = d.rng.permutation(max(count, 1))[:count] if count < 250 or dtype in ("float32", "float64", "int32") else np.arange(count) % 250
    k = d.int(0, shape[-1] if d.chance(0.95) else shape[-1] + 2)
    attrs = {"recall_target": d.one(0.5, 0.99)} if d.chance(0.3) else {}
    if d.chance(0.3):
        attrs["aggregate_to_topk"] = d.chance(0.5)
    d.compare = in_any_order
    d.node(d.op, [d.put(values.astype(carrier(dtype)).reshape(shape), dtype, fed=0)], k=k, **attrs)  # whose shape must be known


def in_any_order(name, got, want):
    got, want = (np.sort(np.asarray(a).astype("f8"), -1) for a in (got, want))
    return None if got.shape == want.shape and np.array_equal(got, want) else f"{name}: {got.ravel()[:9]} wanted {want.ravel()[:9]}"


@draws("NearestNeighbors")
def nearest(d):
    n, m, size = d.size(6), d.size(9), d.int(1, 20)
    if d.chance(0.05):
        m = 1500
    points = d.rng.integers(-4, 5, [n, size]).astype("f4")
    centers = d.rng.integers(-4, 5, [m, size if d.chance(0.97) else size + 1]).astype("f4")
    d.node(d.op, [d.put(points), d.put(centers), d.put(np.array(d.int(0, 5) if d.chance(0.6) else 1, np.int64))])


@draws("TopKV2")
def top_k(d):
    dtype, shape = d.type("T", of=FLOATS + INTS), d.shape(rank=d.int(1, 4))
    k = d.int(0, shape[-1] if d.chance(0.95) else shape[-1] + 2)
    attrs = {"sorted": d.chance(0.8)} if d.chance(0.5) else {}
    if "sorted" in attrs and not attrs["sorted"]:
        k = min(k, 1)  # the order is not defined
    if d.chance(0.4):
        attrs["index_type"] = d.one("int16", "int32", "int64")
    d.node(d.op, [d.put(d.values(dtype, shape, wild=False)), d.put(np.array(k, d.one("int16", "int32", "int64") if d.chance(0.3) else np.int32))], **attrs)


@draws("Unique", "UniqueWithCounts", "UniqueV2", "UniqueWithCountsV2")
def unique(d):
    dtype = d.type("T", of=KNOWN)
    v2 = d.op.endswith("V2")
    shape = [d.size(9) if d.chance(0.9) else d.int(10, 200)] if not v2 or d.chance(0.4) else d.shape(rank=d.int(1, 3), most=3)
    values = d.values(dtype, shape, -2, 2, False) if dtype != "string" else d.texts(shape, [b"a", b"b", b"", b"xyz"])
    if dtype in FLOATS:
        values = (values.astype("float32").round() + 0).astype(values.dtype)  # -0 is 0 to TensorFlow's comparison, not to its hash of halves
    attrs = {"out_idx": d.one("int32", "int64")} if d.chance(0.6) else {}
    names = [d.put(values, dtype)]
    if v2:
        axis = d.int(-len(shape), len(shape) - 1)
        names.append(d.put(np.array([] if len(shape) == 1 and d.chance(0.5) else [axis], d.one("int32", "int64"))))
    d.node(d.op, names, **attrs)


@draws("Where")
def where(d):
    dtype = d.type("T", of=KNOWN)
    values = d.values(dtype, d.shape(rank=d.int(1, 5) if d.chance(0.97) else 0), -1, 1, False)
    if dtype in FLOATS + COMPLEXES:
        values = np.where(d.rng.random(values.shape) < 0.4, np.zeros_like(values), values)
    d.node(d.op, [d.put(values, dtype)])


def sets_of(d, dtype, lead, top):
    """A dense tensor [lead, n] of small sets."""
    shape = list(lead) + [d.size(4)]
    return d.values(dtype, shape, 0, 5, False) if dtype != "string" else d.texts(shape, [b"a", b"b", b"c", b"dd"])


def sparse_sets(d, dtype, lead):
    shape = list(lead) + [d.int(1, 4)]
    at = coordinates(d, shape, most=8)
    values = d.values(dtype, [len(at)], 0, 5, False) if dtype != "string" else d.texts([len(at)], [b"a", b"b", b"c", b"dd"])
    return [d.put(at), d.put(values, dtype), d.put(np.array(shape, np.int64))]


@draws("DenseToDenseSetOperation", "DenseToSparseSetOperation", "SparseToSparseSetOperation", "SetSize")
def set_operation(d):
    dtype = d.type("T", of=INTS + ("string",))
    lead = d.shape(rank=d.int(1, 2), most=3, empty=0)
    attrs = {"validate_indices": d.chance(0.7)} if d.chance(0.4) else {}
    if d.op == "SetSize":
        d.node(d.op, sparse_sets(d, dtype, lead), **attrs)
        return
    a = sparse_sets(d, dtype, lead) if d.op.startswith("Sparse") else [d.put(sets_of(d, dtype, lead, 5), dtype)]
    b = sparse_sets(d, dtype, lead) if "ToSparse" in d.op else [d.put(sets_of(d, dtype, lead, 5), dtype)]
    d.node(d.op, a + b, set_operation=d.one("a-b", "b-a", "intersection", "union", "UNION"), **attrs)
