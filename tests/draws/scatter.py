"""Scattering into new tensors: ScatterNd and its kin. Into variables: variable.py."""
import numpy as np

from draws.draw import COMPLEXES, FLOATS, INTS, draws

ANY = FLOATS + INTS + COMPLEXES + ("bool", "string")


def places(d, shape, distinct=False, wrong=0.03):
    """Indices [..., depth] into a shape, and the shape of what belongs there."""
    depth = d.int(1, max(len(shape), 1)) if shape else 0
    lead = d.shape(most_rank=2, most=3)
    n = int(np.prod(lead))
    total = int(np.prod(shape[:depth], dtype=np.int64))
    if total == 0:
        lead, n = [0], 0
    if distinct and n > total:
        lead, n = [total], total
    flat = d.rng.permutation(total)[:n] if distinct else d.rng.integers(0, max(total, 1), n)
    at = np.stack(np.unravel_index(flat, shape[:depth]), -1) if n and depth else np.zeros([n, depth])
    at = at.reshape(list(lead) + [depth]).astype(d.one("int32", "int64"))
    if at.size and d.chance(wrong):
        at.flat[0] = d.one(-1, 99)
    return at, list(lead) + list(shape[depth:])


@draws("ScatterNd")
def scatter_nd(d):
    dtype, shape = d.type("T", of=ANY), d.shape(rank=d.int(1, 4))
    at, update = places(d, shape, distinct=dtype in ("bool", "string"))
    if d.chance(0.03):
        update = d.shape()
    attrs = {"bad_indices_policy": d.one("ERROR", "IGNORE", "")} if d.chance(0.2) else {}
    d.scaled, d.tolerance = True, {"float16": (1e-2, 1e-2), "bfloat16": (4e-2, 4e-2)}
    d.node(d.op, [d.put(at), d.put(d.values(dtype, update, wild=False), dtype), d.put(np.array(shape, at.dtype))], **attrs)


@draws("ScatterNdNonAliasingAdd", "TensorScatterAdd", "TensorScatterMax", "TensorScatterMin", "TensorScatterSub", "TensorScatterUpdate")
def tensor_scatter(d):
    dtype, shape = d.type("T", of=ANY), d.shape(rank=d.int(1, 4))
    at, update = places(d, shape, distinct=d.op == "TensorScatterUpdate" or dtype == "bool")
    if d.chance(0.03):
        update = d.shape()
    attrs = {"bad_indices_policy": d.one("ERROR", "IGNORE", "")} if d.chance(0.2) else {}
    d.scaled, d.tolerance = True, {"float16": (1e-2, 1e-2), "bfloat16": (4e-2, 4e-2)}
    d.node(d.op, [d.put(d.values(dtype, shape, wild=False), dtype), d.put(at), d.put(d.values(dtype, update, wild=False), dtype)], **attrs)
