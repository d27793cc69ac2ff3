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
