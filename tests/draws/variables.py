"""Variables: of references and of handles, read, assigned, scattered into; what comes first is told by control edges."""
import numpy as np

from draws.draw import COMPLEXES, FLOATS, INTS, KNOWN, draws, kernel_types

NUMBERS = ("float16", "float32", "float64", "int32", "int64")


def dtype_of(d, attr, of=KNOWN):
    return d.type(attr, of=of)


def by_handle(d, dtype, shape, value=None):
    """[handle, the node that set it]"""
    attrs = {"shared_name": "v"} if d.chance(0.5) else {}
    handle = d.node("VarHandleOp", fetch=False, dtype=dtype, shape=shape if d.chance(0.7) else None, **attrs)[0]
    value = d.values(dtype, shape, wild=False) if value is None else value
    attrs = {"validate_shape": d.chance(0.5)} if d.chance(0.2) else {}
    d.node("AssignVariableOp", [handle, d.put(value, dtype)], fetch=False, **attrs)
    return handle, [d.graph.node[-1].name]


def by_ref(d, dtype, shape, value=None):
    ref = d.node("VariableV2", fetch=False, dtype=dtype, shape=shape)[0]
    value = d.values(dtype, shape, wild=False) if value is None else value
    attrs = {"validate_shape": d.chance(0.7)} if d.chance(0.3) else {}
    return ref, d.node("Assign", [ref, d.put(value, dtype, exact=1)], fetch=False, **attrs)


def read(d, handle, dtype, last):
    return d.node("ReadVariableOp", [handle], controls=last, fetch=False, dtype=dtype)


@draws("VarHandleOp", "AssignVariableOp", "ReadVariableOp", "AssignAddVariableOp", "AssignSubVariableOp", "VarIsInitializedOp", "VariableShape",
       "DestroyResourceOp")
def handles(d):
    op = d.op if d.op in ("AssignAddVariableOp", "AssignSubVariableOp") else d.one("AssignAddVariableOp", "AssignSubVariableOp", "AssignVariableOp")
    kinds = [t for k in kernel_types(op) for t in k["dtype"]]
    dtype, shape = d.one(*kinds), d.shape(most_rank=3)
    handle, last = by_handle(d, dtype, shape)
    if d.chance(0.8):
        # TensorFlow compares shapes that it knows beforehand, whatever validate_shape says, and else when it runs.
        other = shape if d.chance(0.95) or not d.graph.node[0].attr["shape"].shape.unknown_rank else d.shape()
        d.node(op, [handle, d.put(d.values(dtype, other, wild=False), dtype)], controls=last, fetch=False)
        last = [d.graph.node[-1].name]
    out = read(d, handle, dtype, last)
    if d.op == "VariableShape" or d.chance(0.2):
        out += d.node("VariableShape", [handle], controls=last, fetch=False, **({"out_type": d.one("int32", "int64")} if d.chance(0.6) else {}))
    if d.op == "DestroyResourceOp":
        d.node(d.op, [handle], controls=out, fetch=False, **({"ignore_lookup_error": d.chance(0.5)} if d.chance(0.5) else {}))
        last = [d.graph.node[-1].name]
        if d.chance(0.1):
            d.node(d.op, [handle], controls=last, fetch=False, ignore_lookup_error=d.chance(0.5))
            last = [d.graph.node[-1].name]
        if d.chance(0.2):
            out += read(d, handle, dtype, last)
    if d.op in ("VarIsInitializedOp", "DestroyResourceOp") or d.chance(0.2):
        out += d.node("VarIsInitializedOp", [handle], controls=last, fetch=False)
    if d.op == "VarIsInitializedOp" and d.chance(0.3):
        out = d.node(d.op, [handle], fetch=False)
    d.fetch(*out)


@draws("VariableV2", "Assign", "AssignAdd", "AssignSub", "IsVariableInitialized", "RefIdentity", "RefSwitch", "RefMerge")
def references(d):
    op = d.op if d.op in ("AssignAdd", "AssignSub", "Assign") else d.one("AssignAdd", "AssignSub", "Assign")
    kinds = [t for k in kernel_types(op) for t in k["T"] if t != "string"]  # of references such can't be fetched
    dtype, shape = d.one(*kinds), d.shape(most_rank=3, empty=0)
    ref, last = by_ref(d, dtype, shape)
    if d.op == "IsVariableInitialized":
        d.fetch(*d.node(d.op, [ref], controls=last if d.chance(0.7) else [], fetch=False))
        return
    if d.op == "RefIdentity":
        last = d.node(d.op, last, fetch=False)
    elif d.op == "RefSwitch":
        last = [d.node(d.op, [last[0], d.put(np.array(d.chance(0.5)))], fetch=False)[d.int(0, 1)]]
    elif d.op == "RefMerge":
        sides = d.node("RefSwitch", [last[0], d.put(np.array(d.chance(0.5)))], fetch=False)
        last = d.node(d.op, [sides], fetch=False)
        if d.chance(0.5):
            d.fetch(*last)
            return
    value = d.put(d.values(dtype, shape if d.chance(0.95) else d.shape(), wild=False), dtype)
    attrs = {"use_locking": d.chance(0.5)} if d.chance(0.3) else {}
    out = d.node(op, [last[0], value], fetch=False, **attrs) if d.chance(0.8) or d.op == op else last[:1]
    d.fetch(*out)


@draws("VarHandleOp", "ReadVariableOp", "VariableV2", "MutableHashTableV2", "LookupTableFindV2")
def shared(d):
    """Two nodes that name one thing, or two of the same name in different containers."""
    names = {"shared_name": "thing", **({"container": d.one("", "a")} if d.chance(0.5) else {})}
    others = {"shared_name": d.one("thing", "thing", "other", ""), **({"container": d.one("", "a")} if d.chance(0.5) else {})}
    dtype, shape = d.one("float32", "int64"), d.shape(most_rank=2, empty=0)
    value = lambda: d.values(dtype, shape, wild=False)
    if d.op == "VariableV2":
        one, two = (d.node("VariableV2", fetch=False, dtype=dtype, shape=shape, **n)[0] for n in (names, others))
        at = d.node("Assign", [one, d.put(value(), dtype, exact=1)], fetch=False)
        d.fetch(*d.node("Identity", [two], controls=at, fetch=False), *d.node("IsVariableInitialized", [two], controls=at, fetch=False)
                if d.chance(0.5) else [])
    elif "Table" in d.op:
        one, two = (d.node("MutableHashTableV2", fetch=False, key_dtype="int64", value_dtype=dtype, **n)[0] for n in (names, others))
        keys = d.put(d.values("int64", [3], 0, 5, False))
        d.node("LookupTableInsertV2", [one, keys, d.put(d.values(dtype, [3], wild=False), dtype)], fetch=False)
        d.fetch(*d.node("LookupTableFindV2", [two, d.put(d.values("int64", [4], 0, 5, False)), d.put(np.array(7, dtype))],
                        controls=[d.graph.node[-1].name], fetch=False))
    else:
        one, two = (d.node("VarHandleOp", fetch=False, dtype=dtype, shape=shape if d.chance(0.7) else None, **n)[0] for n in (names, others))
        d.node("AssignVariableOp", [one, d.put(value(), dtype)], fetch=False)
        d.fetch(*read(d, two, dtype, [d.graph.node[-1].name]))


@draws("TemporaryVariable", "DestroyTemporaryVariable")
def temporary(d):
    kinds = [t for k in kernel_types("AssignAdd") for t in k["T"] if t != "string"]
    dtype, shape = d.one(*kinds), d.shape(most_rank=3, empty=0)
    ref = d.node("TemporaryVariable", fetch=False, dtype=dtype, shape=shape, var_name="tmp")[0]
    at = d.node("Assign", [ref, d.put(d.values(dtype, shape, wild=False), dtype)], fetch=False)
    if d.chance(0.6):
        at = d.node("AssignAdd", [at[0], d.put(d.values(dtype, shape, wild=False), dtype)], fetch=False)
    d.fetch(*d.node("DestroyTemporaryVariable", at, fetch=False, var_name="tmp"))


@draws("ResourceGather", "ResourceGatherNd")
def gather(d):
    dtype, index = dtype_of(d, "dtype"), d.one("int32", "int64")
    shape = d.shape(rank=d.int(1, 4), empty=0.02 if d.op == "ResourceGatherNd" else 0)
    handle, last = by_handle(d, dtype, shape)
    attrs = {}
    if d.op == "ResourceGather":
        batch = d.int(0, min(2, len(shape) - 1)) if d.chance(0.4) else 0
        attrs = {"batch_dims": batch} if batch or d.chance(0.2) else {}
        if d.chance(0.1):
            attrs["validate_indices"] = d.chance(0.5)
        over = 1 if not batch and d.chance(0.04) else 0  # of batches, TensorFlow takes one too many for the next batch's first
        indices = d.values(index, shape[:batch] + d.shape(most_rank=2, beside=len(shape)), 0, shape[batch] - 1 + over, False)
    else:
        depth = d.int(0, len(shape)) if d.chance(0.97) else len(shape) + 1
        lead = d.shape(most_rank=2, beside=len(shape) + 1)
        columns = [d.values(index, lead, 0, max(s - 1, 0) if d.chance(0.98) else s, False) for s in (shape + [1])[:depth]]
        indices = np.stack(columns, -1) if depth else np.zeros(lead + [0], index)
    d.node(d.op, [handle, d.put(indices)], controls=last, dtype=dtype, **attrs)


ROWS = tuple(f"{r}Scatter{k}" for r in ("", "Resource") for k in ("Add", "Div", "Max", "Min", "Mul", "Sub", "Update"))
NDS = tuple(f"{r}ScatterNd{k}" for r in ("", "Resource") for k in ("Add", "Max", "Min", "Sub", "Update"))


def scattered(d, dtype, shape, inputs, attrs):
    """Adds the op under test to a variable of either kind and fetches it."""
    value = d.values(dtype, shape, 1, 9, False)
    if d.op.startswith("Resource"):
        handle, last = by_handle(d, dtype, shape, value)
        kind = {"dtype": dtype} if d.op in ROWS else {}
        d.node(d.op, [handle, *inputs], controls=last, fetch=False, **kind, **attrs)
        d.fetch(*read(d, handle, dtype, [d.graph.node[-1].name]))
    else:
        ref, last = by_ref(d, dtype, shape, value)
        d.fetch(*d.node(d.op, [last[0], *inputs], fetch=False, **attrs))
    d.tolerance = {"float16": (1e-2, 1e-2), "bfloat16": (5e-2, 5e-2)}


@draws(*ROWS)
def scatter(d):
    dtype = dtype_of(d, "dtype" if d.op.startswith("Resource") else "T")
    index, shape = d.one("int32", "int64"), d.shape(rank=d.int(1, 3), empty=0)
    lead = d.shape(most_rank=2, most=3, empty=0.15)
    indices = d.values(index, lead, 0, shape[0] - (1 if d.chance(0.95) else 0), False)
    if d.op.endswith("Update"):  # which of two is last isn't defined
        indices = d.rng.permutation(shape[0])[:d.int(0, shape[0])].astype(index)
        lead = [len(indices)]
    given = lead + shape[1:] if d.chance(0.75) else []
    if d.chance(0.06 if indices.size else 0.4):
        if not d.op.startswith("Resource") or not indices.size:
            given = d.one(given[1:], given + [1], [1] * len(given), shape, given[:-1] + [2])
        elif lead:  # of rows with more or fewer elements TensorFlow reads beyond the end
            given = [lead[0] + 1] + given[1:]
    updates = d.values(dtype, given, 1, 4, False)
    scattered(d, dtype, shape, [d.put(indices), d.put(updates, dtype)], {})


@draws(*NDS)
def scatter_nd(d):
    dtype, index = dtype_of(d, "T"), d.one("int32", "int64")
    shape = d.shape(rank=d.int(1, 4), most=4, empty=0)
    depth, n = d.int(1, len(shape)), d.int(0, 4)
    total = int(np.prod(shape[:depth]))
    flat = d.rng.permutation(total)[:n] if d.op.endswith("Update") else d.rng.integers(0, total, n)
    at = np.stack(np.unravel_index(flat, shape[:depth]), -1).astype(index).reshape(len(flat), depth)
    if d.chance(0.04) and len(at):
        at[-1, 0] = d.one(-1, shape[0])
    given = [len(at)] + shape[depth:]
    if d.chance(0.06):
        given = d.one([len(at) + 1] + shape[depth:], given + [1], given[1:], [1] * len(given), [], shape)
    updates = d.values(dtype, given, 1, 4, False)
    attrs = {"use_locking": d.chance(0.5)} if d.chance(0.3) else {}
    if d.chance(0.15):
        attrs["bad_indices_policy"] = d.one("", "DEFAULT", "ERROR", "IGNORE")
    scattered(d, dtype, shape, [d.put(at), d.put(updates, dtype)], attrs)


@draws("StridedSliceAssign", "ResourceStridedSliceAssign")
def slice_assign(d):
    dtype, index = dtype_of(d, "T"), d.one("int32", "int64")
    shape = d.shape(rank=d.int(1, 3), empty=0)
    begin, end, step, out, masks = [], [], [], [], {"begin_mask": 0, "end_mask": 0, "shrink_axis_mask": 0}  # of bits
    for i, n in enumerate(shape[:d.int(1, len(shape))]):
        a = d.int(0, n - 1)
        if d.chance(0.2):
            masks["shrink_axis_mask"] |= 1 << i
            begin, end, step = begin + [a], end + [a + 1], step + [1]
            continue
        b, s = d.int(a, n), d.int(1, 2)
        if d.chance(0.2):
            masks["begin_mask"] |= 1 << i
        if d.chance(0.2):
            masks["end_mask"] |= 1 << i
        low, high = 0 if masks["begin_mask"] >> i & 1 else a, n if masks["end_mask"] >> i & 1 else b
        begin, end, step, out = begin + [a], end + [b - (n if d.chance(0.3) and b < n else 0)], step + [s], out + [len(range(low, high, s))]
    out += shape[len(begin):]
    if d.chance(0.2):  # all of the dimensions behind, then a new one
        step = step + [1, 1]
        begin, end = begin + [0, 0], end + [0, 0]
        masks["ellipsis_mask"], masks["new_axis_mask"] = 1 << len(step) - 2, 1 << len(step) - 1
        out = out + [1]
    given = out if d.chance(0.8) else d.one([], d.like(out), [1] + out, out + [2])
    inputs = [d.put(np.array(v, index)) for v in (begin, end, step)] + [d.put(d.values(dtype, given, wild=False), dtype)]
    scattered(d, dtype, shape, inputs, {k: v for k, v in masks.items() if v})
