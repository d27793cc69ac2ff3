"""Ragged tensors: row splits and their values."""
import numpy as np

from draws.draw import COMPLEXES, FLOATS, INTS, QUANTIZED, draws
from draws.sparse import a_sparse, puts, rows_of

ANY = FLOATS + INTS + COMPLEXES + ("bool", "string") + tuple(QUANTIZED)


def nested(d, index, depth):
    """Row splits of `depth` ragged dimensions."""
    out = [rows_of(d, index)]
    for _ in range(depth - 1):
        out.append(rows_of(d, index, int(out[-1][-1]), 3))
    return out


@draws("RaggedCross")
def cross(d):
    batch, split = d.int(0, 3), d.one("int32", "int64")
    hashed = d.chance(0.6)
    of_batch = lambda: batch if d.chance(0.99) else batch + 1
    order, ragged, sparse, dense = "", [], [], []
    for _ in range(d.int(1, 3) if d.chance(0.97) else 0):
        way, dtype = d.one("R", "S", "D"), d.one("int64", "string")
        order += way
        if way == "R":
            splits = rows_of(d, split, of_batch(), 2)
            ragged.append((dtype, d.values(dtype, [int(splits[-1])], wild=False), splits))
        elif way == "S":
            at, values, shape = a_sparse(d, dtype, [of_batch(), d.int(1, 3)], 4, ordered=d.chance(0.9))
            if d.chance(0.1):  # rows that are not there; more columns
                at = np.concatenate([at + d.values("int64", at.shape, -1, 2), d.values("int64", [len(at), d.int(0, 1)])], 1)
            sparse.append((dtype, puts(d, (at, values, shape), dtype)))
        else:
            dense.append((dtype, d.values(dtype, [of_batch(), d.int(0, 2)], wild=False)))
    d.node(d.op, [[d.put(v, t) for t, v, _ in ragged], [d.put(s) for _, _, s in ragged], [p[0] for _, p in sparse], [p[1] for _, p in sparse],
                  [p[2] for _, p in sparse], [d.put(v, t) for t, v in dense]],
           input_order=order, hashed_output=hashed if d.chance(0.9) else not hashed, num_buckets=d.one(0, 10, 1000), hash_key=d.int(0, 1 << 40),
           ragged_values_types=[t for t, _, _ in ragged], ragged_splits_types=[s.dtype.name for _, _, s in ragged],
           sparse_values_types=[t for t, _ in sparse], dense_types=[t for t, _ in dense], out_values_type="int64" if hashed else "string",
           out_row_splits_type=split)


@draws("RaggedFillEmptyRows")
def fill_rows(d):
    dtype, rows = d.type("T"), d.int(0, 5)
    ids = np.sort(d.values("int64", [d.int(0, 6) if rows else 0], 0, max(rows - (1 if d.chance(0.96) else 0), 0), False))
    d.node(d.op, [d.put(ids), d.put(d.values(dtype, [len(ids)], wild=False), dtype), d.put(np.array(rows, np.int64)),
                  d.put(d.values(dtype, [], wild=False), dtype)])


@draws("RaggedGather")
def gather(d):
    dtype, index, split = d.one(*ANY), d.one("int32", "int64"), d.one("int32", "int64")
    depth = d.int(1, 3)
    splits = nested(d, split, depth)
    rows = len(splits[0]) - 1
    values = d.values(dtype, [int(splits[-1][-1])] + d.shape(most_rank=2, most=3), wild=False)
    indices = d.values(index, d.shape(most_rank=2, most=4), 0, max(rows - (1 if d.chance(0.96) else 0), 0), False) if rows else np.zeros([0], index)
    d.node(d.op, [[d.put(s) for s in splits], d.put(values, dtype), d.put(indices)], OUTPUT_RAGGED_RANK=depth + indices.ndim - 1)


@draws("RaggedRange")
def range_(d):
    dtype, n = d.type("T"), d.int(0, 4)
    part = lambda low, high: d.values(dtype, [n] if d.chance(0.7) else [], low, high, False)
    deltas = part(1, 3) if d.chance(0.7) else part(-3, -1)
    if d.chance(0.04):
        deltas = np.zeros_like(deltas)
    attrs = {"Tsplits": d.one("int32", "int64")} if d.chance(0.6) else {}
    d.node(d.op, [d.put(part(-5, 5), dtype), d.put(part(-5, 5), dtype), d.put(deltas, dtype)], **attrs)


@draws("RaggedTensorToSparse")
def to_sparse(d):
    dtype, split = d.one(*ANY), d.one("int32", "int64")
    splits = nested(d, split, d.int(1, 3))
    if d.chance(0.04):
        splits[-1] = splits[-1] + 1
    values = d.values(dtype, [int(splits[-1][-1])] + d.shape(most_rank=2, most=3, beside=4), wild=False)
    d.node(d.op, [[d.put(s) for s in splits], d.put(values, dtype)])


@draws("RaggedTensorToTensor", weight=2)
def to_tensor(d):
    dtype, index, shaped = d.type("T", of=ANY), d.one("int32", "int64"), d.one("int32", "int64")
    depth, inner = d.int(1, 3), d.shape(most_rank=2, most=3, empty=0.03)
    splits = nested(d, index, depth)
    values = d.values(dtype, [int(splits[-1][-1])] + inner, wild=False)
    if d.chance(0.6):
        parts, kinds = splits, ["ROW_SPLITS"] * depth
    else:
        ids = [np.repeat(np.arange(len(s) - 1), np.diff(s)).astype(index) for s in splits]
        rowwise = [i == 0 or d.chance(0.7) for i in range(depth)]
        parts = [np.array(len(splits[0]) - 1 + (0 if d.chance(0.9) else d.int(-1, 1)), index)] + [i if r else s for i, s, r in zip(ids, splits, rowwise)]
        kinds = ["FIRST_DIM_SIZE"] + ["VALUE_ROWIDS" if r else "ROW_SPLITS" for r in rowwise]
    if d.chance(0.05):  # partitions that are none
        at = d.int(0, len(parts) - 1)
        parts[at] = np.minimum(parts[at] + d.values(index, parts[at].shape, -1, 1), len(values))  # TensorFlow would read more
    asked = lambda n: n if d.chance(0.95) else d.one(-1, n + 1)
    shape = np.array(d.one([-1] * (1 + depth + len(inner)),
                           [d.int(-1, 4)] + [d.one(-1, d.int(0, 4)) for _ in range(depth)] + [asked(n) for n in inner]), shaped)
    if d.chance(0.2):
        shape = np.array(-1, shaped)
    if d.chance(0.04):
        shape = np.append(shape, 2).astype(shaped)
    default = d.values(dtype, d.like(inner) if d.chance(0.4) else [], wild=False)
    d.node(d.op, [d.put(shape), d.put(values, dtype), d.put(default, dtype), [d.put(p) for p in parts]], row_partition_types=kinds)


@draws("RaggedTensorToVariant", "RaggedTensorFromVariant", weight=2)
def variant(d):
    dtype, split = d.one(*ANY), d.one("int32", "int64")
    depth = d.int(1, 3)
    splits = nested(d, split, depth)
    values = d.values(dtype, [int(splits[-1][-1])] + d.shape(most_rank=2, most=3), wild=False)
    batched = d.chance(0.7)
    kind = {"Tsplits": split}
    encoded = d.node("RaggedTensorToVariant", [[d.put(s) for s in splits], d.put(values, dtype)], fetch=False, batched_input=batched, **kind)
    inner = depth - 1 if batched else depth
    d.node("RaggedTensorFromVariant", encoded, input_ragged_rank=inner if d.chance(0.8) else -1, output_ragged_rank=depth if d.chance(0.97) else depth + 1,
           Tvalues=dtype, **kind)
