"""Shapes and moving elements about: reshaping, joining, cutting, padding, gathering, diagonals."""
import numpy as np

from draws.draw import COMPLEXES, FLOATS, INTS, KNOWN, QUANTIZED, draws
from draws.draw import enum, tensor_proto

ANY = FLOATS + INTS + COMPLEXES + ("bool", "string") + tuple(QUANTIZED)


def anything(d, shape):
    """Elements of any dtype that the op has, as (array, dtype)."""
    dtype = d.type("T", of=ANY)
    return d.values(dtype, shape), dtype


def axis_of(d, rank, wrong=0.03):
    return d.int(-rank, rank - 1) if rank and not d.chance(wrong) else d.int(-9, 9)


@draws("BroadcastTo")
def broadcast_to(d):
    out = d.shape(most_rank=5)
    array, dtype = anything(d, d.like(out) if d.chance(0.95) else d.shape())
    d.node(d.op, [d.put(array, dtype), d.put(np.array(out, d.one("int32", "int64")))])


@draws("BroadcastArgs", "BroadcastGradientArgs")
def broadcast_args(d):
    out, index = d.shape(), d.one("int32", "int64")
    a, b = d.like(out), d.like(out)
    if d.chance(0.05):
        b = d.shape()
    d.node(d.op, [d.put(np.array(a, index)), d.put(np.array(b, index))])


@draws("Concat", "ConcatV2")
def concat(d):
    dtype = d.type("T", of=ANY)
    shape = d.shape(rank=d.int(1, 4) if d.chance(0.97) else 6)
    axis = d.int(0, len(shape) - 1)
    parts = []
    for _ in range(d.int(2, 5)):
        part = list(shape)
        part[axis if d.chance(0.99) else d.int(0, len(shape) - 1)] = d.size(4, 0.1)
        parts.append(d.put(d.values(dtype, part), dtype))
    at = d.put(np.array(axis - (len(shape) if d.chance(0.4) else 0), d.one("int32", "int64") if d.op == "ConcatV2" else "int32"))
    d.node(d.op, [at, parts] if d.op == "Concat" else [parts, at])


@draws("ConcatOffset")
def concat_offset(d):
    rank = d.int(1, 4)
    shape = d.shape(rank=rank)
    axis = d.int(0, rank - 1)
    index = d.type("shape_type", of=("int32", "int64"))
    parts = []
    for _ in range(d.int(2, 4)):
        part = list(shape)
        part[axis] = d.size()
        parts.append(d.put(np.array(part, index)))
    d.node(d.op, [d.put(np.array(axis - (rank if d.chance(0.4) else 0), np.int32)), parts])


@draws("ParallelConcat")
def parallel_concat(d):
    dtype, rest, n = d.type("T", of=ANY), d.shape(most_rank=2, empty=0), d.int(1, 4)
    d.node(d.op, [[d.put(d.values(dtype, [1] + rest, wild=False), dtype, exact=1) for _ in range(n)]], shape=[n] + rest)


@draws("Const")
def const(d):
    dtype, shape = d.one(*ANY, *QUANTIZED), d.shape()
    array = d.values(dtype, shape)
    proto = tensor_proto(array, dtype)
    if dtype not in ("float16", "bfloat16") + tuple(QUANTIZED) + COMPLEXES + ("string",) and array.size and d.chance(0.4):
        field = {"float32": proto.float_val, "float64": proto.double_val, "int64": proto.int64_val, "bool": proto.bool_val,
                 "uint32": proto.uint32_val, "uint64": proto.uint64_val}.get(dtype, proto.int_val)
        proto.ClearField("tensor_content")
        few = array.ravel()[:d.int(1, array.size)] if d.chance(0.5) else array.ravel()  # the last one repeats
        field.extend(few.tolist())
    elif dtype == "string" and array.size and d.chance(0.4):
        del proto.string_val[d.int(1, array.size):]
    node = d.add("Const", "the_Const")
    node.attr["dtype"].type = enum(dtype)
    node.attr["value"].tensor.CopyFrom(proto)
    d.node_name = node.name
    d.fetch("the_Const:0")
    d.tolerance = {t: (0, 0) for t in FLOATS + COMPLEXES}


@draws("ConjugateTranspose", "Transpose")
def transpose(d):
    shape = d.shape(most_rank=6)
    array, dtype = anything(d, shape)
    perm = d.rng.permutation(len(shape)) if d.chance(0.96) else d.values("int32", [len(shape)], 0, 3, False)
    d.node(d.op, [d.put(array, dtype), d.put(np.array(perm, d.one("int32", "int64")))])


@draws("DataFormatDimMap")
def dim_map(d):
    index = d.one("int32", "int64")
    five = d.chance(0.3)
    source, target = d.one(("NHWC", "NCHW"), ("NCHW", "NHWC"), ("NHWC", "HWNC")) if not five else d.one(("NDHWC", "NCDHW"), ("NCDHW", "NDHWC"))
    n = len(source)
    d.node(d.op, [d.put(d.values(index, d.shape(most_rank=2), -n, n - 1, False))], src_format=source, dst_format=target)


@draws("DataFormatVecPermute")
def vec_permute(d):
    index = d.one("int32", "int64")
    source, target = d.one(("NHWC", "NCHW"), ("NCHW", "NHWC"), ("NHWC", "HWNC"), ("NDHWC", "NCDHW"), ("NCDHW", "NDHWC"))
    n = len(source)
    shape = d.one([n], [n, 2], [n - 2], [n - 2, 2])
    d.node(d.op, [d.put(d.values(index, shape, wild=False))], src_format=source, dst_format=target)


PASSED = ["DebugGradientIdentity", "DeepCopy", "GuaranteeConst", "Identity", "PreventGradient", "Snapshot", "StopGradient", "Rank", "Size",
          "Shape"]


@draws(*PASSED)
def passed(d):
    array, dtype = anything(d, d.shape())
    attrs = {}
    if d.op in ("Size", "Shape") and d.chance(0.6):
        attrs["out_type"] = d.one("int32", "int64")
    if d.op == "PreventGradient" and d.chance(0.5):
        attrs["message"] = "no way"
    d.node(d.op, [d.put(array, dtype)], **attrs)


@draws("IdentityN", "ShapeN")
def several(d):
    if d.op == "ShapeN":
        dtype = d.type("T", of=ANY)
        kinds = [dtype] * d.int(1, 4)
        attrs = {"out_type": d.one("int32", "int64")} if d.chance(0.6) else {}
    else:
        kinds, attrs = [d.one(*ANY) for _ in range(d.int(1, 4))], {}
    d.node(d.op, [[d.put(d.values(t, d.shape()), t) for t in kinds]], **attrs)


@draws("PlaceholderWithDefault")
def with_default(d):
    array, dtype = anything(d, d.shape())
    shape = [-1 if d.chance(0.4) else n for n in array.shape] if d.chance(0.7) else None
    d.node(d.op, [d.put(array, dtype)], shape=shape)


@draws("DepthToSpace", "SpaceToDepth")
def depth_space(d):
    dtype, block = d.type("T", of=ANY), d.int(2, 3) if d.chance(0.96) else d.one(0, 1)
    k = max(block, 1)
    n, h, w, c = d.size(2), d.size(3), d.size(3), d.size(3)
    shape = [n, h, w, c * k * k] if d.op == "DepthToSpace" else [n, h * k, w * k, c]
    if d.chance(0.04):
        shape[d.int(1, 3)] += 1
    attrs = {"data_format": "NHWC"} if d.chance(0.4) else {}
    d.node(d.op, [d.put(d.values(dtype, shape), dtype)], block_size=block, **attrs)
    if dtype != "string" and d.chance(0.25):
        d.channels_first()


@draws("SpaceToBatch", "BatchToSpace")
def space_batch(d):
    dtype, block = d.type("T", of=ANY), d.int(2, 3)
    shape = [d.size(2), d.int(1, 4), d.int(1, 4), d.size(3)]
    pads = [[d.int(0, 2), 0], [d.int(0, 2), 0]]
    for i in range(2):
        pads[i][1] = -(shape[1 + i] + pads[i][0]) % block if d.chance(0.96) else 0
    if d.op == "BatchToSpace":
        shape = [shape[0] * block * block, (shape[1] + sum(pads[0]) + block - 1) // block, (shape[2] + sum(pads[1]) + block - 1) // block, shape[3]]
    d.node(d.op, [d.put(d.values(dtype, shape, wild=False), dtype), d.put(np.array(pads, d.one("int32", "int64")))], block_size=block)


@draws("SpaceToBatchND", "BatchToSpaceND")
def space_batch_nd(d):
    dtype, m = d.type("T", of=ANY), d.int(1, 3)
    block = [d.int(1, 3) for _ in range(m)]
    space, rest, batch = [d.int(1, 4) for _ in range(m)], d.shape(most_rank=2, beside=m + 1), d.size(2)
    pads = [[d.int(0, 2), 0] for _ in range(m)]
    for i in range(m):
        pads[i][1] = -(space[i] + pads[i][0]) % block[i] if d.chance(0.96) else 0
    shape = [batch] + space + rest
    if d.op == "BatchToSpaceND":
        shape = [batch * int(np.prod(block))] + [(space[i] + sum(pads[i]) + block[i] - 1) // block[i] for i in range(m)] + rest
    d.node(d.op, [d.put(d.values(dtype, shape, wild=False), dtype), d.put(np.array(block, d.one("int32", "int64")), exact=1),
                  d.put(np.array(pads, d.one("int32", "int64")), exact=1)])


@draws("Diag", "DiagPart")
def diag(d):
    dtype = d.type("T", of=ANY)
    shape = d.shape(rank=d.int(1, 3), most=3)
    d.node(d.op, [d.put(d.values(dtype, shape if d.op == "Diag" else shape + shape, wild=False), dtype)])


@draws("DynamicPartition")
def partition(d):
    dtype, shape, n = d.type("T", of=ANY), d.shape(), d.int(1, 4)
    where = d.values("int32", shape[:d.int(len(shape) // 8, len(shape))], 0, n - 1 if d.chance(0.97) else n, False)
    d.node(d.op, [d.put(d.values(dtype, shape), dtype), d.put(where)], num_partitions=n)


@draws("DynamicStitch", "ParallelDynamicStitch")
def stitch(d):
    dtype, rest = d.type("T", of=ANY), d.shape(most_rank=2)
    shapes = [d.shape(most_rank=2, most=3) for _ in range(d.int(1, 3))]
    total = sum(int(np.prod(s)) for s in shapes)
    order = d.rng.permutation(total)  # places that nothing is put in are not defined
    at, indices = 0, []
    for s in shapes:
        n = int(np.prod(s))
        indices.append(np.array(order[at:at + n], np.int32).reshape(s))
        at += n
    if d.op == "DynamicStitch" and total > 1 and d.chance(0.4):  # the last of equal indices wins
        flat = np.concatenate([i.ravel() for i in indices])
        most = flat.max()
        flat[flat == most] = 0
        at = 0
        for k, s in enumerate(shapes):
            n = int(np.prod(s))
            indices[k] = flat[at:at + n].reshape(s).astype(np.int32)
            at += n
    d.node(d.op, [[d.put(i) for i in indices], [d.put(d.values(dtype, list(s) + rest), dtype) for s in shapes]])


@draws("Empty")
def empty(d):
    shape, dtype = d.shape(), d.type("dtype")
    attrs = {"init": True}  # else there is nothing to compare
    d.node(d.op, [d.put(np.array(shape, np.int32))], dtype=dtype, **attrs)


@draws("EnsureShape")
def ensure(d):
    array, dtype = anything(d, d.shape())
    shape = [-1 if d.chance(0.4) else n + (1 if d.chance(0.02) else 0) for n in array.shape]
    d.node(d.op, [d.put(array, dtype)], shape=shape)


@draws("ExpandDims")
def expand(d):
    array, dtype = anything(d, d.shape(rank=d.int(0, 6)))
    r = array.ndim + 1
    d.node(d.op, [d.put(array, dtype), d.put(np.array(axis_of(d, r), d.one("int32", "int64")) if d.chance(0.8) else np.array([axis_of(d, r)], "int32"))])


@draws("Fill")
def fill(d):
    array, dtype = anything(d, [])
    d.node(d.op, [d.put(np.array(d.shape() if d.chance(0.97) else [2, -1], d.one("int32", "int64"))), d.put(array, dtype)])


@draws("Gather", "GatherV2")
def gather(d):
    dtype = d.type("Tparams", of=ANY)
    shape = d.shape(rank=d.int(1, 4))
    index = d.one("int32", "int64") if d.op == "Gather" or d.chance(0.9) else "int16"
    batch = d.int(0, min(2, len(shape) - 1)) if d.op == "GatherV2" and d.chance(0.3) else 0
    axis = d.int(batch, len(shape) - 1) if d.op == "GatherV2" else 0
    size = shape[axis]
    lead = shape[:batch]
    low = 0 if d.chance(0.97) else -1
    at = d.values(index, lead + (d.shape(most_rank=2, most=3) if size else [0]), low, max(size - (1 if d.chance(0.97) else 0), 0), False)
    names = [d.put(d.values(dtype, shape), dtype), d.put(at)]
    if d.op == "Gather":
        d.node(d.op, names, **({"validate_indices": d.chance(0.5)} if d.chance(0.3) else {}))
        return
    if index == "int16":
        d.kernel = None
    names.append(d.put(np.array(axis - (len(shape) if d.chance(0.3) else 0), d.one("int32", "int64"))))
    attrs = {"batch_dims": batch - (at.ndim if batch and d.chance(0.3) else 0)} if batch or d.chance(0.3) else {}
    d.node(d.op, names, **attrs)


@draws("GatherNd")
def gather_nd(d):
    dtype, shape = d.type("Tparams", of=ANY), d.shape(rank=d.int(1, 5), empty=0.02)
    depth = d.int(0, len(shape))
    lead = d.shape(most_rank=2, beside=len(shape))
    at = np.zeros(lead + [depth], d.type("Tindices"))
    for k in range(depth):
        at[..., k] = d.rng.integers(0, max(shape[k], 1), lead)
    if d.chance(0.04) and at.size:
        at.flat[0] = d.one(-1, 99)
    attrs = {"bad_indices_policy": d.one("ERROR", "IGNORE", "")} if d.chance(0.2) else {}
    d.node(d.op, [d.put(d.values(dtype, shape), dtype), d.put(at)], **attrs)


@draws("InplaceAdd", "InplaceSub", "InplaceUpdate")
def inplace(d):
    dtype, shape = d.type("T", of=ANY) if d.op == "InplaceUpdate" else d.one("float32", "int32", "float64", "int64", "float16"), d.shape(rank=d.int(1, 3), empty=0)
    rows = d.int(1, 3)
    at = d.rng.integers(0, shape[0], rows).astype(np.int32) if d.op != "InplaceUpdate" else d.rng.permutation(shape[0])[:rows].astype(np.int32)
    x = d.node("Identity", [d.put(d.values(dtype, shape, wild=False), dtype, fed=0)], fetch=False)
    x = d.node("DeepCopy", x, fetch=False)
    d.node(d.op, [x[0], d.put(at), d.put(d.values(dtype, [len(at)] + shape[1:], wild=False), dtype)])


@draws("InvertPermutation")
def invert(d):
    index, n = d.one("int32", "int64"), d.size(7)
    perm = d.rng.permutation(n) if d.chance(0.93) else d.rng.integers(-1, n + 1, n)
    d.node(d.op, [d.put(perm.astype(index))])


@draws("LinSpace")
def lin_space(d):
    dtype = d.type("T")
    d.node(d.op, [d.put(d.values(dtype, [], wild=False), dtype), d.put(d.values(dtype, [], wild=False), dtype),
                  d.put(np.array(d.int(1 if d.chance(0.97) else 0, 9), d.one("int32", "int64")))])


@draws("MatrixBandPart")
def band_part(d):
    array, dtype = anything(d, d.shape(rank=d.int(2, 4)))
    index = d.one("int32", "int64")
    rows, columns = array.shape[-2:]
    d.node(d.op, [d.put(array, dtype), d.put(np.array(d.int(-1, rows), index)), d.put(np.array(d.int(-1, columns), index))])


@draws("MatrixDiag", "MatrixDiagPart", "MatrixSetDiag")
def matrix_diag(d):
    dtype = d.type("T", of=ANY)
    if d.op == "MatrixDiag":
        d.node(d.op, [d.put(d.values(dtype, d.shape(rank=d.int(1, 3))), dtype)])
        return
    shape = d.shape(rank=d.int(2, 4))
    names = [d.put(d.values(dtype, shape), dtype)]
    if d.op == "MatrixSetDiag":
        names.append(d.put(d.values(dtype, shape[:-2] + [min(shape[-2:])]), dtype))
    d.node(d.op, names)


ALIGN = ("LEFT_RIGHT", "RIGHT_LEFT", "LEFT_LEFT", "RIGHT_RIGHT")


def band(d, rows, columns):
    low = d.int(-rows + 1, columns - 1)
    high = d.int(low, columns - 1) if d.chance(0.7) else low
    return low, high


def diagonals(rows, columns, low, high):
    return min(rows + min(high, 0), columns - max(low, 0))


@draws("MatrixDiagPartV2", "MatrixDiagPartV3")
def diag_part_v2(d):
    dtype, shape = d.type("T", of=ANY), d.shape(rank=d.int(2, 4), empty=0)
    low, high = band(d, *shape[-2:])
    k = np.array([low, high] if low != high or d.chance(0.3) else low, np.int32)
    attrs = {"align": d.one(*ALIGN)} if d.op.endswith("V3") and d.chance(0.8) else {}
    d.node(d.op, [d.put(d.values(dtype, shape), dtype), d.put(k), d.put(d.values(dtype, [], wild=False), dtype)], **attrs)


@draws("MatrixDiagV2", "MatrixDiagV3")
def diag_v2(d):
    dtype, lead = d.type("T", of=ANY), d.shape(most_rank=2, empty=0)
    rows, columns = d.int(1, 4), d.int(1, 4)
    low, high = band(d, rows, columns)
    n = diagonals(rows, columns, low, high)
    shape = lead + ([high - low + 1] if low != high else []) + [n]
    sizes = (rows, columns) if d.chance(0.5) else (-1, -1)
    if sizes == (-1, -1) and low == high == 0:
        pass
    k = np.array([low, high] if low != high or d.chance(0.3) else low, np.int32)
    attrs = {"align": d.one(*ALIGN)} if d.op.endswith("V3") and d.chance(0.8) else {}
    # The shape function of TensorFlow goes astray where the shape of the diagonals isn't known.
    d.node(d.op, [d.put(d.values(dtype, shape), dtype, exact=1), d.put(k), d.put(np.array(sizes[0], np.int32)), d.put(np.array(sizes[1], np.int32)),
                  d.put(d.values(dtype, [], wild=False), dtype)], **attrs)


@draws("MatrixSetDiagV2", "MatrixSetDiagV3")
def set_diag_v2(d):
    dtype, shape = d.type("T", of=ANY), d.shape(rank=d.int(2, 4), empty=0)
    low, high = band(d, *shape[-2:])
    n = diagonals(*shape[-2:], low, high)
    diagonal = shape[:-2] + ([high - low + 1] if low != high else []) + [n]
    k = np.array([low, high] if low != high else low, np.int32)
    attrs = {"align": d.one(*ALIGN)} if d.op.endswith("V3") and d.chance(0.8) else {}
    # Where the input's shape is known in part, TensorFlow's shape function takes a band for one diagonal.
    d.node(d.op, [d.put(d.values(dtype, shape), dtype, exact=1), d.put(d.values(dtype, diagonal), dtype), d.put(k)], **attrs)


@draws("Pad", "PadV2", "MirrorPad", "MirrorPadGrad")
def pad(d):
    dtype, mirror = d.type("T", of=ANY), d.op.startswith("Mirror")
    shape = d.shape(rank=d.int(0, 5), empty=0.02)
    mode = d.one("REFLECT", "SYMMETRIC")
    most = [3] * len(shape) if not mirror else [max(0, n - (mode == "REFLECT")) for n in shape]
    pads = [[d.int(0, min(3, m)), d.int(0, min(3, m))] for m in most]
    if d.chance(0.03) and pads:
        pads[0][0] = d.one(-1, 9)
    if d.op == "MirrorPadGrad":
        shape = [n + sum(p) for n, p in zip(shape, pads)]
    names = [d.put(d.values(dtype, shape, wild=d.op != "MirrorPadGrad"), dtype), d.put(np.array(pads, d.one("int32", "int64")).reshape(-1, 2))]
    if d.op == "PadV2":
        names.append(d.put(d.values(dtype, [], wild=False), dtype))
    d.tolerance = {"float16": (1e-2, 1e-2), "bfloat16": (4e-2, 4e-2)}
    d.node(d.op, names, **({"mode": mode} if mirror else {}))


@draws("OneHot")
def one_hot(d):
    dtype, index = d.type("T", of=ANY), d.one("uint8", "int8", "int32", "int64")
    shape = d.shape(most_rank=3)
    attrs = {"axis": d.int(-1, len(shape))} if d.chance(0.7) else {}
    d.node(d.op, [d.put(d.values(index, shape, -1, 5, False)), d.put(np.array(d.int(0 if d.chance(0.97) else -1, 5), np.int32)),
                  d.put(d.values(dtype, [], wild=False), dtype), d.put(d.values(dtype, [], wild=False), dtype)], **attrs)


@draws("Pack")
def pack(d):
    dtype, shape = d.type("T", of=ANY), d.shape()[:7]  # 8 with the new one
    n = d.int(1, 5)
    attrs = {"axis": axis_of(d, len(shape) + 1)} if d.chance(0.7) else {}
    d.node(d.op, [[d.put(d.values(dtype, shape if d.chance(0.99) else d.shape()), dtype) for _ in range(n)]], **attrs)


@draws("Unpack")
def unpack(d):
    array, dtype = anything(d, d.shape(rank=d.int(1, 4)))
    axis = axis_of(d, array.ndim)
    n = max(1, array.shape[axis]) if -array.ndim <= axis < array.ndim else 2
    d.node(d.op, [d.put(array, dtype)], num=n if d.chance(0.98) else n + 1, axis=axis)


@draws("ParseTensor")
def parse_tensor(d):
    dtype = d.one(*ANY)
    text = tensor_proto(d.values(dtype, d.shape()), dtype).SerializeToString() if d.chance(0.95) else b"\x08\x01\xff"
    d.node(d.op, [d.put(np.array(text, object), fed=0)], out_type=dtype if d.chance(0.96) else "uint8")


@draws("SerializeTensor")
def serialize_tensor(d):
    array, dtype = anything(d, d.shape())
    text = d.node(d.op, [d.put(array, dtype)])
    if d.chance(0.5):
        d.node("ParseTensor", text, out_type=dtype)
        d.node_name = text[0].split(":")[0]


@draws("Range")
def span(d):
    dtype = d.type("Tidx")
    start, step = d.values(dtype, [], wild=False), d.values(dtype, [], -3, 3, False)
    limit = start + step * np.asarray(d.int(0, 6), step.dtype) if d.chance(0.8) else d.values(dtype, [], wild=False)
    if dtype in FLOATS:
        step = np.where(np.abs(step.astype("float32")) < 0.2, 0.5, step.astype("float32")).astype(step.dtype)
        count = d.int(0, 6) if d.chance(0.9) else d.int(0, 2000)
        limit = (start.astype("float32") + step.astype("float32") * (count + 0.5)).astype(step.dtype)
    d.node(d.op, [d.put(np.asarray(v)) for v in (start, np.asarray(limit, start.dtype), step)])


@draws("Reshape")
def reshape(d):
    array, dtype = anything(d, d.shape())
    sizes = [int(n) for n in array.shape]
    d.rng.shuffle(sizes)
    if len(sizes) > 1 and d.chance(0.5):
        sizes = sizes[:-2] + [sizes[-1] * sizes[-2]]
    if d.chance(0.3):
        sizes.insert(d.int(0, len(sizes)), 1)
    if sizes and d.chance(0.5):
        sizes[d.int(0, len(sizes) - 1)] = -1
    if d.chance(0.04):
        sizes.append(d.one(-1, 2, 0))
    d.node(d.op, [d.put(array, dtype), d.put(np.array(sizes, d.one("int32", "int64")))])


@draws("Reverse", "ReverseV2")
def reverse(d):
    array, dtype = anything(d, d.shape(most_rank=5, empty=0.03 if d.op == "ReverseV2" else 0))
    if d.op == "Reverse":
        which = d.values("bool", [array.ndim])
    else:
        which = d.some(range(array.ndim))
        which = np.array([a - array.ndim if d.chance(0.4) else a for a in which] + ([0] if d.chance(0.03) else []), d.one("int32", "int64"))
    d.node(d.op, [d.put(array, dtype), d.put(which)])


@draws("ReverseSequence")
def reverse_sequence(d):
    dtype, shape = d.type("T", of=ANY), d.shape(rank=d.int(2, 4))
    batch, seq = (int(i) for i in d.rng.permutation(len(shape))[:2])
    n = d.values(d.one("int32", "int64"), [shape[batch]], 0, shape[seq] if d.chance(0.97) else shape[seq] + 1, False)
    attrs = {"batch_dim": batch} if batch or d.chance(0.5) else {}
    d.node(d.op, [d.put(d.values(dtype, shape), dtype), d.put(n)], seq_dim=seq, **attrs)


@draws("Roll")
def roll(d):
    array, dtype = anything(d, d.shape(rank=d.int(1, 4)))
    n = d.int(1, 3)
    axes = d.rng.integers(-array.ndim, array.ndim, n)
    shifts = d.rng.integers(-7, 8, n)
    if n == 1 and d.chance(0.5):
        axes, shifts = axes[0], shifts[0]
    d.node(d.op, [d.put(array, dtype), d.put(np.array(shifts, d.one("int32", "int64"))), d.put(np.array(axes, d.one("int32", "int64")))])


@draws("Slice")
def cut(d):
    array, dtype = anything(d, d.shape(most_rank=6))
    index = d.one("int32", "int64")
    begin = [d.int(0, n) for n in array.shape]
    size = [-1 if d.chance(0.2) else d.int(0, n - b) for n, b in zip(array.shape, begin)]
    if begin and d.chance(0.03):
        size[0] += 9
    d.node(d.op, [d.put(array, dtype), d.put(np.array(begin, index)), d.put(np.array(size, index))])


@draws("Split", "SplitV")
def split(d):
    dtype, shape = d.type("T", of=ANY), d.shape(rank=d.int(1, 4))
    axis, n = d.int(0, len(shape) - 1), d.int(1, 4)
    at = np.array(axis - (len(shape) if d.chance(0.4) else 0), np.int32)
    if d.op == "Split":
        shape[axis] = n * d.size(3)
        if d.chance(0.02):
            shape[axis] += 1
        d.node(d.op, [d.put(at), d.put(d.values(dtype, shape), dtype)], num_split=n)
        return
    sizes = [d.int(0, 3) for _ in range(n)]
    shape[axis] = sum(sizes)
    if n > 1 and d.chance(0.4):  # of a single part TensorFlow takes it only where it has optimised the graph
        sizes[d.int(0, n - 1)] = -1
    # The shape function of TensorFlow goes astray where the axis is not known.
    if d.chance(0.03):
        sizes[0] += 5
    d.node(d.op, [d.put(d.values(dtype, shape), dtype), d.put(np.array(sizes, d.type("Tlen"))), d.const(at)], num_split=n)


@draws("Squeeze")
def squeeze(d):
    shape = [1 if d.chance(0.5) else n for n in d.shape(most_rank=5)]
    array, dtype = anything(d, shape)
    ones = [i for i, n in enumerate(shape) if n == 1]
    attrs = {"squeeze_dims": [i - (len(shape) if d.chance(0.3) else 0) for i in d.some(ones)]} if d.chance(0.6) else {}
    if d.chance(0.03):
        attrs["squeeze_dims"] = [d.int(-6, 6)]
    d.node(d.op, [d.put(array, dtype)], **attrs)


def slice_spec(d, shape, most=3):
    """begin, end, strides and masks of a strided slice of `shape`."""
    n = d.int(0, len(shape))
    begin, end, step = [], [], []
    ellipsis, new, shrink, kept = 0, 0, 0, 0
    i = axis = 0
    while axis < n or (d.chance(0.15) and i < 7):
        size = shape[axis] if axis < len(shape) else 1
        begin.append(d.int(-size - 1, size + 1))
        end.append(d.int(-size - 1, size + 1))
        step.append(d.one(1, 1, 1, 2, -1, -2, 3) if d.chance(0.99) else 0)
        if not ellipsis and d.chance(0.12):
            ellipsis = 1 << i
        elif d.chance(0.12) and len(shape) + new.bit_count() < 8:
            new |= 1 << i
        elif axis >= n:
            begin.pop(), end.pop(), step.pop()
            break
        else:
            if d.chance(0.2):
                shrink |= 1 << i
                begin[-1] = d.int(-size, size - 1) if size and d.chance(0.98) else 0
                step[-1] = 1
            axis += 1
        i += 1
    masks = {"begin_mask": int(d.rng.integers(0, 1 << max(i, 1))) if d.chance(0.5) else 0,
             "end_mask": int(d.rng.integers(0, 1 << max(i, 1))) if d.chance(0.5) else 0,
             "ellipsis_mask": ellipsis, "new_axis_mask": new, "shrink_axis_mask": shrink}
    return begin, end, step, masks


@draws("StridedSlice", weight=1)
def strided_slice(d):
    array, dtype = anything(d, d.shape(most_rank=5))
    begin, end, step, masks = slice_spec(d, array.shape)
    index = d.one("int16", "int32", "int64") if d.chance(0.2) else d.one("int32", "int64")
    d.node(d.op, [d.put(array, dtype)] + [d.put(np.array(v, index)) for v in (begin, end, step)], **masks)


def sliced_shape(shape, begin, end, step, masks):
    """The shape that a slice has, in numpy's terms; None where it is an error."""
    index, axis, out = [], 0, []
    for i in range(len(begin)):
        bit = 1 << i
        if masks["ellipsis_mask"] & bit:
            index.append(Ellipsis)
        elif masks["new_axis_mask"] & bit:
            index.append(None)
        elif masks["shrink_axis_mask"] & bit:
            index.append(0 if masks["begin_mask"] & bit else begin[i])
        else:
            index.append(slice(None if masks["begin_mask"] & bit else begin[i], None if masks["end_mask"] & bit else end[i], step[i]))
    try:
        return list(np.zeros(shape)[tuple(index)].shape)
    except (IndexError, ValueError):
        return None


@draws("StridedSliceGrad", "TensorStridedSliceUpdate")
def strided_slice_grad(d):
    dtype, shape = d.type("T", of=ANY), d.shape(rank=d.int(0, 4))
    begin, end, step, masks = slice_spec(d, shape)
    out = sliced_shape(shape, begin, end, step, masks)
    if out is None:
        begin, end, step, masks, out = [], [], [], {}, shape
    index = d.one("int32", "int64")
    spec = [d.put(np.array(v, index)) for v in (begin, end, step)]
    value = d.put(d.values(dtype, out), dtype)
    if d.op == "StridedSliceGrad":
        d.node(d.op, [d.put(np.array(shape, index))] + spec + [value], **masks)
    else:
        d.node(d.op, [d.put(d.values(dtype, shape), dtype)] + spec + [value], **masks)


@draws("Tile")
def tile(d):
    array, dtype = anything(d, d.shape(most_rank=5))
    d.node(d.op, [d.put(array, dtype), d.put(np.array([d.int(0, 3) for _ in array.shape] + ([2] if d.chance(0.03) else []), d.one("int32", "int64")))])


@draws("UnravelIndex")
def unravel(d):
    index, dims = d.one("int32", "int64"), d.shape(rank=d.int(1, 4), empty=0)
    total = int(np.prod(dims))
    d.node(d.op, [d.put(d.values(index, d.shape(most_rank=1), 0, total - 1 if d.chance(0.95) else total, False)), d.put(np.array(dims, index))])
