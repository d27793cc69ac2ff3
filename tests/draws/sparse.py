"""Sparse tensors: [n, rank] coordinates, values, shape. And what ragged ones share: row splits."""
import numpy as np

from draws.draw import COMPLEXES, FLOATS, INTS, KNOWN, draws


def coordinates(d, shape, most=6, ordered=True):
    """Distinct places of a dense shape, sorted unless told otherwise: int64 [n, rank]."""
    total = int(np.prod(shape, dtype=np.int64))
    n = min(total, d.int(0, most))
    flat = d.rng.permutation(total)[:n]
    if ordered:
        flat = np.sort(flat)
    at = np.stack(np.unravel_index(flat, shape), -1) if n and len(shape) else np.zeros([n, len(shape)])
    return at.astype(np.int64).reshape(n, len(shape))


def rows_of(d, dtype, rows=None, most=4):
    """Row splits of a ragged dimension."""
    rows = d.int(0, 4) if rows is None else rows
    return np.cumsum([0] + [d.int(0, most) for _ in range(rows)]).astype(dtype)


def a_sparse(d, dtype, shape, most=6, ordered=True):
    at = coordinates(d, shape, most, ordered)
    return at, d.values(dtype, [len(at)], wild=False), np.array(shape, np.int64)


def puts(d, sparse, dtype):
    return [d.put(sparse[0]), d.put(sparse[1], dtype), d.put(sparse[2])]


@draws("SparseAdd", "SparseSparseMaximum", "SparseSparseMinimum")
def two(d):
    dtype, shape = d.type("T"), d.shape(rank=d.int(1, 3), empty=0)
    a, b = a_sparse(d, dtype, shape), a_sparse(d, dtype, shape if d.chance(0.97) else d.shape(rank=len(shape)))
    names = puts(d, a, dtype) + puts(d, b, dtype)
    if d.op == "SparseAdd":
        real = {"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)
        names.append(d.put(np.array(d.one(0, 0, 1, 3), real), real))
    d.node(d.op, names)


@draws("SparseConcat")
def concat(d):
    dtype, shape = d.type("T"), d.shape(rank=d.int(1, 3), empty=0)
    axis = d.int(0, len(shape) - 1)
    parts = []
    for _ in range(d.int(2, 4)):
        part = list(shape)
        part[axis if d.chance(0.98) else 0] = d.int(1, 4)
        parts.append(puts(d, a_sparse(d, dtype, part, 4), dtype))
    at, values, shapes = (list(p) for p in zip(*parts))
    d.node(d.op, [at, values, shapes], concat_dim=axis - (len(shape) if d.chance(0.4) else 0))


@draws("SparseCross")
def cross(d):
    batch = d.int(1, 3)
    hashed = d.chance(0.6)
    kind = lambda: d.one("int64", "string")
    sparse = [(t, a_sparse(d, t, [batch, d.int(1, 3)], 4)) for t in (kind() for _ in range(d.int(0, 2)))]
    dense = [(t, d.values(t, [batch, d.int(1, 2)], wild=False)) for t in (kind() for _ in range(d.int(0, 2) if sparse else d.int(1, 2)))]
    parts = [puts(d, s, t) for t, s in sparse]
    at, values, shapes = ([p[i] for p in parts] for i in range(3))
    kinds = [t for t, _ in sparse] + [t for t, _ in dense]
    out = "int64" if hashed else "string"
    inner = "string" if "string" in kinds or not hashed and d.chance(0.5) else d.one("int64", "string") if not hashed else "int64"
    d.node(d.op, [at, values, shapes, [d.put(v, t) for t, v in dense]], hashed_output=hashed, num_buckets=d.one(0, 10, 1000) if hashed else 0,
           hash_key=d.int(0, 1 << 40), out_type=out, internal_type=inner, sparse_types=[t for t, _ in sparse], dense_types=[t for t, _ in dense])


@draws("SparseDenseCwiseAdd", "SparseDenseCwiseDiv", "SparseDenseCwiseMul", "SparseTensorDenseAdd")
def with_dense(d):
    dtype, shape = d.type("T"), d.shape(rank=d.int(1, 4), empty=0)
    whole = d.op == "SparseTensorDenseAdd"
    index = d.one("int32", "int64") if whole else "int64"
    dense = d.values(dtype, shape if whole else d.like(shape) if d.chance(0.97) else d.shape(), 1, 9, False)
    at, values, size = a_sparse(d, dtype, shape)
    d.node(d.op, [d.put(at.astype(index)), d.put(values, dtype), d.put(size.astype(index)), d.put(dense, dtype)])


@draws("SparseFillEmptyRows")
def fill_rows(d):
    dtype, shape = d.type("T"), [d.size(5, 0.05), d.int(1, 4)]
    at, values, size = a_sparse(d, dtype, shape)
    if d.chance(0.04) and len(at):
        at = at + d.one(9, -1)
    if d.chance(0.1):
        at, values = at[::-1].copy(), values[::-1].copy()
    default = d.values(dtype, [] if d.chance(0.97) else [1], wild=False)
    d.node(d.op, [d.put(at), d.put(values, dtype), d.put(size), d.put(default, dtype)])


@draws("SparseReduceMax", "SparseReduceMaxSparse", "SparseReduceSum", "SparseReduceSumSparse")
def reduce(d):
    dtype, shape = d.type("T"), d.shape(rank=d.int(1, 4), empty=0, most=4)
    rank = len(shape)
    axes = d.rng.permutation(rank)[:d.int(0, rank)].astype(np.int32)
    axes = np.where(d.rng.random(len(axes)) < 0.3, axes - rank, axes).astype(np.int32)
    if d.chance(0.04):
        axes = np.append(axes, rank).astype(np.int32)
    if len(axes) == 1 and d.chance(0.4):
        axes = axes.reshape([])
    attrs = {"keep_dims": d.chance(0.6)} if d.chance(0.6) else {}
    d.tolerance = {"float16": (1e-2, 1e-2), "bfloat16": (5e-2, 5e-2)}
    d.node(d.op, puts(d, a_sparse(d, dtype, shape), dtype) + [d.put(axes)], **attrs)


@draws("SparseReorder", "SparseSoftmax")
def one(d):
    soft = d.op == "SparseSoftmax"
    dtype, shape = d.type("T"), d.shape(rank=d.int(2 if soft else 1, 4), empty=0, most=4)
    d.node(d.op, puts(d, a_sparse(d, dtype, shape, ordered=soft), dtype))


@draws("SparseReshape")
def reshape(d):
    shape = d.shape(rank=d.int(1, 4), empty=0.02)
    total = int(np.prod(shape))
    new = d.one([total], [1, total], shape[::-1], [-1], [-1, 1], shape[:1] + [-1])
    if d.chance(0.04):
        new = d.one([total + 1], [-1, -1], [-2])
    at = coordinates(d, shape) if total else np.zeros([0, len(shape)], np.int64)
    d.node(d.op, [d.put(at), d.put(np.array(shape, np.int64)), d.put(np.array(new, np.int64))])


@draws("SparseSlice")
def slice_(d):
    dtype, shape = d.type("T"), d.shape(rank=d.int(1, 3), empty=0)
    start = [d.int(0, n) for n in shape]
    d.node(d.op, puts(d, a_sparse(d, dtype, shape), dtype) + [d.put(np.array(start, np.int64)),
           d.put(np.array([d.int(0 if d.chance(0.9) else -1, n + 1) for n in shape], np.int64))])


@draws("SparseSplit")
def split(d):
    dtype, shape = d.type("T"), d.shape(rank=d.int(1, 3), empty=0)
    axis = d.int(0, len(shape) - 1)
    n = d.int(1, shape[axis]) if d.chance(0.95) else shape[axis] + 1
    d.node(d.op, [d.put(np.array(axis, np.int64))] + puts(d, a_sparse(d, dtype, shape), dtype), num_split=n)


@draws("SparseTensorDenseMatMul")
def matmul(d):
    dtype, index = d.type("T"), d.one("int32", "int64")
    m, k, n = d.int(1, 5), d.int(1, 5), d.size(5)
    ta, tb = d.chance(0.4), d.chance(0.4)
    at, values, size = a_sparse(d, dtype, [k, m] if ta else [m, k], 9)
    if d.chance(0.03) and len(at):
        at[0, 0] = 9
    b = d.values(dtype, [n, k] if tb else [k, n], wild=False)
    attrs = {"adjoint_a": True} if ta else {}
    attrs.update({"adjoint_b": True} if tb else {})
    d.scaled = True
    d.tolerance = {"bfloat16": (5e-2, 5e-2)}
    d.node(d.op, [d.put(at.astype(index)), d.put(values, dtype), d.put(size), d.put(b, dtype)], **attrs)


@draws("SparseToDense")
def to_dense(d):
    dtype, index, shape = d.type("T"), d.one("int32", "int64"), d.shape(rank=d.int(1, 3))
    at = coordinates(d, shape)
    if d.chance(0.06) and len(at) > 1:
        at = d.one(at[::-1], np.repeat(at, 2, 0)[:len(at)], at + 5).copy()
    values = d.values(dtype, [len(at)] if d.chance(0.7) else [], wild=False)
    if len(shape) == 1 and d.chance(0.3):
        at = at[:, 0]
    attrs = {"validate_indices": d.chance(0.6)} if d.chance(0.5) else {}
    d.node(d.op, [d.put(at.astype(index)), d.put(np.array(shape, index)), d.put(values, dtype), d.put(d.values(dtype, [], wild=False), dtype)], **attrs)


@draws("SparseMatrixMatMul")
def matrix_matmul(d):
    dtype = d.one("float32", "float64", "complex64", "complex128")
    m, k, n = d.int(1, 4), d.int(1, 4), d.int(1, 4)
    lead = [d.int(1, 2)] if d.chance(0.3) else []
    at, values, size = a_sparse(d, dtype, lead + [m, k], 8)
    matrix = d.node("SparseTensorToCSRSparseMatrix", [d.put(at, exact=1), d.put(values, dtype, exact=1), d.const(size)], fetch=False)[0]  # shapes known in part are refused
    flips = {key: True for key in d.some(["transpose_output", "conjugate_output"]) if d.chance(0.5)}
    flips.update({d.one("transpose_", "adjoint_") + side: True for side in "ab" if d.chance(0.3)})
    if d.chance(0.02):
        flips.update(transpose_a=True, adjoint_a=True)
    d.scaled = True
    inner = m if {"transpose_a", "adjoint_a"} & set(flips) else k
    other = [n, inner] if {"transpose_b", "adjoint_b"} & set(flips) else [inner, n]
    d.node(d.op, [matrix, d.put(d.values(dtype, lead + other, wild=False), dtype)], **flips)
