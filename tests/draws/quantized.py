"""Quantised tensors, and floats rounded as if they were."""
import numpy as np

from draws.conv import window
from draws.draw import QUANTIZED, draws

ALL = tuple(QUANTIZED)


def numbers(d, dtype, shape):
    info = np.iinfo(QUANTIZED[dtype])
    if 0 in shape:
        return np.zeros(shape, QUANTIZED[dtype])
    return d.rng.integers(info.min, info.max, tuple(shape), QUANTIZED[dtype], endpoint=True)


def quantized(d, dtype, shape):
    """[tensor, least, most] of a quantised tensor."""
    low, high = sorted(d.rng.uniform(-4, 4, 2).astype(np.float32).tolist())
    if d.chance(0.5):
        low, high = -abs(low), abs(high)
    if d.chance(0.2):
        low = 0.0
        high = abs(high) + 0.1
    return [d.put(numbers(d, dtype, shape), dtype), d.put(np.array(low, np.float32)), d.put(np.array(high + 0.01, np.float32))]


@draws("QuantizeV2")
def quantize(d):
    dtype = d.type("T", of=ALL)
    mode = d.one("MIN_COMBINED", "MIN_FIRST", "SCALED")
    shape = d.shape(most_rank=3)
    attrs = {"mode": mode}
    axis = None
    if d.chance(0.5):
        attrs["round_mode"] = d.one("HALF_AWAY_FROM_ZERO", "HALF_TO_EVEN") if mode == "SCALED" else "HALF_AWAY_FROM_ZERO"
    if d.chance(0.3) and mode == "SCALED":
        attrs["narrow_range"] = d.chance(0.7)
    if d.chance(0.3):
        attrs["ensure_minimum_range"] = d.one(0.01, 0.5, 0.0)
    if d.chance(0.3) and mode != "MIN_FIRST" and shape and 0 not in shape:
        axis = attrs["axis"] = d.int(0, len(shape) - 1)
    n = [] if axis is None else [shape[axis]]
    low = -np.abs(d.values("float32", n, 0.1, 3, False)) if d.chance(0.8) else np.zeros(n, np.float32)
    high = np.abs(d.values("float32", n, 0.1, 3, False))
    d.node(d.op, [d.put(d.values("float32", shape, -5, 5, False)), d.put(low), d.put(high)], T=dtype, **attrs)


@draws("Dequantize")
def dequantize(d):
    dtype = d.type("T", of=ALL)
    mode = d.one("MIN_COMBINED", "MIN_FIRST", "SCALED")
    shape = d.shape(most_rank=3)
    attrs = {"mode": mode}
    axis = None
    if d.chance(0.3) and mode == "SCALED":
        attrs["narrow_range"] = d.chance(0.7)
    if d.chance(0.3) and mode != "MIN_FIRST" and shape and 0 not in shape:
        axis = attrs["axis"] = d.int(0, len(shape) - 1)
    if d.chance(0.4):
        attrs["dtype"] = d.one("float32", "bfloat16") if mode != "MIN_FIRST" or axis is not None else "float32"
    n = [] if axis is None else [shape[axis]]
    low = -np.abs(d.values("float32", n, 0.1, 3, False)) if d.chance(0.8) else np.zeros(n, np.float32)
    d.node(d.op, [d.put(numbers(d, dtype, shape), dtype, ranked=True), d.put(low), d.put(np.abs(d.values("float32", n, 0.1, 3, False)))], **attrs)


@draws("FakeQuantWithMinMaxArgs", "FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel")
def fake_quant(d):
    shape = d.shape(rank=d.int(1, 4), empty=0.02)
    attrs = {}
    if d.chance(0.6):
        attrs["num_bits"] = d.int(2, 16)
    if d.chance(0.6):
        attrs["narrow_range"] = d.chance(0.5)
    x = d.put(d.values("float32", shape, -8, 8))
    low, high = (-6.0, 6.0) if d.chance(0.3) else (float(d.rng.uniform(-4, 1)), float(d.rng.uniform(1.1, 5)))
    if d.op.endswith("Args"):
        d.node(d.op, [x], min=low, max=high, **attrs)
    elif d.op.endswith("Vars"):
        d.node(d.op, [x, d.put(np.array(low, np.float32)), d.put(np.array(high, np.float32))], **attrs)
    else:
        n = shape[-1]
        d.node(d.op, [x, d.put(d.values("float32", [n], low, low + .3, False)), d.put(d.values("float32", [n], high - .3, high, False))], **attrs)


@draws("QuantizeAndDequantizeV2", "QuantizeAndDequantizeV3", "QuantizeAndDequantizeV4")
def quantize_and_back(d):
    dtype, shape = d.type("T", of=("float32", "float64", "float16", "bfloat16")), d.shape(rank=d.int(1, 3), empty=0)
    attrs = {"signed_input": d.chance(0.6), "range_given": d.chance(0.6)}
    if d.chance(0.4):
        attrs["narrow_range"] = d.chance(0.6)
    if not d.op.endswith("V3"):
        attrs["num_bits"] = d.int(3, 12)
        if d.chance(0.6):
            attrs["round_mode"] = d.one("HALF_TO_EVEN", "HALF_UP")
    axis = None
    if d.chance(0.4):
        axis = attrs["axis"] = d.int(0, len(shape) - 1)
    n = [] if axis is None else [shape[axis]]
    low, high = -np.abs(d.values(dtype, n, 0.2, 3, False)), np.abs(d.values(dtype, n, 0.2, 3, False))
    if not attrs["signed_input"] and d.chance(0.7):
        low = np.zeros_like(low)
    names = [d.put(d.values(dtype, shape, -4, 4, False)), d.put(low), d.put(high)]
    if d.op.endswith("V3"):
        names.append(d.put(np.array(d.int(3, 12), np.int32)))
    d.tolerance = {"float16": (2e-2, 2e-2), "bfloat16": (6e-2, 6e-2)}
    step = 8.0 / ((1 << attrs.get("num_bits", 3)) - 1)
    if dtype in ("float16", "bfloat16"):
        d.tolerance = {dtype: (2e-2, 1.1 * step)}
    d.node(d.op, names, **attrs)


@draws("QuantizeDownAndShrinkRange", "RequantizationRange")
def shrink(d):
    attrs = {"out_type": "quint8"} if d.op.startswith("Q") else {}
    x = quantized(d, "qint32", d.shape(most_rank=3, empty=0))
    d.node(d.op, x, **attrs)


@draws("Requantize")
def requantize(d):
    low, high = sorted(d.rng.uniform(-4, 4, 2).astype(np.float32).tolist())
    x = quantized(d, "qint32", d.shape(most_rank=3))
    d.node(d.op, x + [d.put(np.array(min(low, 0), np.float32)), d.put(np.array(high + 0.1, np.float32))], out_type=d.type("out_type"))


@draws("QuantizedRelu", "QuantizedRelu6", "QuantizedReshape")
def same(d):
    dtype, shape = d.one("quint8", "qint32") if d.op != "QuantizedReshape" else d.one("quint8", "qint32"), d.shape(most_rank=3)
    x = quantized(d, dtype, shape)
    if d.op == "QuantizedReshape":
        total = int(np.prod(shape))
        to = d.one([total], [-1] if total else [0], shape[::-1], [1] + shape, [total, 1, -1] if total else [0, 3], [total + 1] if d.chance(0.1) else [1, total])
        d.node(d.op, [x[0], d.put(np.array(to, d.one("int32", "int64")))] + x[1:])
    else:
        d.node(d.op, x, out_type=dtype)


@draws("QuantizedAdd", "QuantizedMul")
def pair(d):
    out = d.shape(most_rank=3, empty=0)
    kinds = d.one((out, out), (out, []), ([], out), (out, out[-1:]), (out[-1:], out))
    a, b = (quantized(d, "quint8", s) for s in kinds)
    d.node(d.op, [a[0], b[0]] + a[1:] + b[1:], Toutput="qint32")


@draws("QuantizedBiasAdd")
def bias(d):
    shape = d.shape(rank=d.int(2, 4), empty=0)
    dtype = d.type("T1")
    a, b = quantized(d, dtype, shape), quantized(d, dtype, shape[-1:])
    d.node(d.op, [a[0], b[0]] + a[1:] + b[1:], out_type="qint32")


@draws("QuantizedAvgPool", "QuantizedMaxPool")
def pool(d):
    image = [d.int(1, 6), d.int(1, 6)]
    size = [d.int(1, min(3, n)) for n in image]
    stride = d.int(1, 3)
    x = quantized(d, d.type("T"), [d.int(1, 2)] + image + [d.int(1, 20)])
    d.node(d.op, x, ksize=[1] + size + [1], strides=[1, stride, stride, 1], padding=d.one("SAME", "VALID"))


@draws("QuantizedBatchNormWithGlobalNormalization")
def batch_norm(d):
    channels = d.int(1, 4)
    parts = [quantized(d, "quint8", [d.int(1, 2), d.int(1, 3), d.int(1, 3), channels])] + [quantized(d, "quint8", [channels]) for _ in range(4)]
    # A variance below zero is not to be had.
    parts[2][1] = d.put(np.array(0.1, np.float32))
    parts[2][2] = d.put(np.array(3, np.float32))
    d.node(d.op, [n for p in parts for n in p], out_type="qint32", variance_epsilon=d.one(1e-3, 1e-5, 0.1), scale_after_normalization=d.chance(0.5))


@draws("QuantizedConcat")
def concat(d):
    dtype, n = d.type("T", of=ALL), d.int(2, 4)
    shape = d.shape(rank=d.int(1, 4))
    axis = d.int(0, len(shape) - 1)
    parts = []
    for _ in range(n):
        part = list(shape)
        part[axis] = d.size(4)
        parts.append(quantized(d, dtype, part))
    if d.chance(0.3):
        parts = [[p[0]] + parts[0][1:] for p in parts]
    d.node(d.op, [d.put(np.array(axis, np.int32)), [p[0] for p in parts], [p[1] for p in parts], [p[2] for p in parts]])


@draws("QuantizedConv2D")
def conv(d):
    image = [d.int(1, 6), d.int(1, 6)]
    size = [d.int(1, min(3, n)) for n in image]
    depth = d.int(1, 4)
    stride = d.int(1, 3)
    a, b = quantized(d, "quint8", [d.int(1, 2)] + image + [depth]), quantized(d, "quint8", size + [depth, d.int(1, 4)])  # with qint8 TensorFlow gives no output
    d.node(d.op, [a[0], b[0]] + a[1:] + b[1:], out_type="qint32", strides=[1, stride, stride, 1], padding=d.one("SAME", "VALID"))


@draws("QuantizedMatMul")
def matmul(d):
    m, k, n = (d.int(1, 6) for _ in range(3))
    ta, tb = d.chance(0.4), d.chance(0.4)
    a, b = quantized(d, "quint8", [k, m] if ta else [m, k]), quantized(d, "quint8", [n, k] if tb else [k, n])
    d.node(d.op, [a[0], b[0]] + a[1:] + b[1:], Toutput="qint32", transpose_a=ta, transpose_b=tb)


@draws("QuantizedInstanceNorm")
def instance(d):
    attrs = {"variance_epsilon": d.one(1e-5, 1e-2)} if d.chance(0.5) else {}
    if d.chance(0.4):
        attrs.update(output_range_given=True, given_y_min=-2.0, given_y_max=d.one(1.5, 3.0))
    if d.chance(0.3):
        attrs["min_separation"] = d.one(1e-3, 0.5)
    d.compare = lambda name, got, want: None if got.shape == want.shape and np.allclose(got.astype("f4"), want.view(got.dtype).astype("f4"), 1e-3, 1.01) \
        else f"{name}: {got.ravel()[:6]} wanted {want.ravel()[:6]}"
    d.node(d.op, quantized(d, "quint8", [d.int(1, 2), d.int(1, 5), d.int(1, 5), d.int(1, 35)]), **attrs)


@draws("QuantizedResizeBilinear")
def resize(d):
    dtype = d.type("T")
    shape = [d.int(1, 2), d.int(1, 6), d.int(1, 6), d.int(1, 4)]
    x = quantized(d, dtype, shape) if dtype in QUANTIZED else [d.put(d.values(dtype, shape, wild=False)), d.put(np.float32(0)), d.put(np.float32(1))]
    attrs = {k: d.chance(0.5) for k in d.some(["align_corners", "half_pixel_centers"])}
    d.node(d.op, [x[0], d.put(np.array([d.int(1, 9), d.int(1, 9)], np.int32))] + x[1:], **attrs)


# ---- Uniform quantisation


def limits(d, dtype, prefix=""):
    """The attributes of how small and large its numbers may be, now and then less than all of the dtype."""
    low, high = LIMITS[dtype]
    if d.chance(0.3):
        low, high = (low + d.int(0, 40), high - d.int(0, 40)) if dtype == "qint8" else (-d.int(1, 200), d.int(1, 200))
    return {prefix + "quantization_min_val": low, prefix + "quantization_max_val": high}


def scales(d, n):
    return d.rng.uniform(0.02, 0.5, [] if n is None else [n]).astype(np.float32), d.values("int32", [] if n is None else [n], -20, 20, False)


LIMITS = {"qint8": (-128, 127), "quint8": (0, 255), "qint32": (-(1 << 31), (1 << 31) - 1)}


@draws("UniformQuantize", "UniformDequantize", "UniformRequantize", "UniformQuantizedClipByValue")
def uniform(d):
    shape = d.shape(rank=d.int(1, 3), empty=0.03)
    axis = d.int(0, len(shape) - 1) if d.chance(0.5) else -1
    n = None if axis < 0 else shape[axis]
    side = lambda: [d.put(v) for v in scales(d, n)]
    if d.op == "UniformQuantize":
        dtype = d.type("Tout")
        d.node(d.op, [d.put(d.values("float32", shape, wild=False), ranked=True)] + side(), Tout=dtype, quantization_axis=axis, **limits(d, dtype))
    elif d.op == "UniformDequantize":
        dtype = d.type("Tin")
        array = numbers(d, dtype, shape) if dtype != "qint32" else d.values("int32", shape, -999, 999, False)
        d.node(d.op, [d.put(array, dtype)] + side(), Tout="float32", quantization_axis=axis, **limits(d, dtype))
    elif d.op == "UniformRequantize":
        source, target = d.one(("qint8", "qint8"), ("qint32", "qint8"), ("qint32", "qint32"), ("qint8", "qint32"))
        array = numbers(d, source, shape) if source == "qint8" else d.values("int32", shape, -999, 999, False)
        other = d.one(axis, -1) if axis >= 0 else -1
        m = None if other < 0 else n
        names = [d.put(array, source)] + side() + [d.put(v) for v in scales(d, m)]
        d.node(d.op, names, Tout=target, input_quantization_axis=axis, output_quantization_axis=other,
               **limits(d, source, "input_"), **limits(d, target, "output_"))
    else:
        size = [] if n is None else [n]
        d.node(d.op, [d.put(d.values("int32", shape, -99, 99, False), "qint32"), d.put(d.values("int32", size, -60, -1, False), "qint32"),
                      d.put(d.values("int32", size, 1, 60, False), "qint32")] + side(), quantization_axis=axis, **limits(d, "qint32"))


@draws("UniformQuantizedAdd")
def uniform_add(d):
    shape = d.shape(rank=d.int(1, 3), empty=0)
    axis = len(shape) - 1 if d.chance(0.4) else -1
    n = None if axis < 0 else shape[axis]
    other = shape[-1:] if axis >= 0 or d.chance(0.3) else d.one(shape, d.like(shape))
    b_axis = -1 if axis < 0 else len(other) - 1
    names = [d.put(d.values("int32", shape, -99, 99, False), "qint32"), d.put(d.values("int32", other, -99, 99, False), "qint32")]
    for _ in range(3):
        names += [d.put(v) for v in scales(d, n)]
    d.node(d.op, names, lhs_quantization_axis=axis, rhs_quantization_axis=b_axis, output_quantization_axis=axis,
           **limits(d, "qint32", "lhs_"), **limits(d, "qint32", "rhs_"), **limits(d, "qint32", "output_"))


@draws("UniformQuantizedDot")
def uniform_dot(d):
    m, k, n = (d.int(1, 5) for _ in range(3))
    axis = 1 if d.chance(0.5) else -1
    names = [d.put(numbers(d, "qint8", [m, k]), "qint8"), d.put(numbers(d, "qint8", [k, n]), "qint8")]
    names += [d.put(v) for v in scales(d, None)] + [d.put(v) for v in scales(d, None if axis < 0 else n)] + [d.put(v) for v in scales(d, None if axis < 0 else n)]
    d.node(d.op, names, Tout="qint32", rhs_quantization_axis=axis, output_quantization_axis=axis,
           **limits(d, "qint8", "lhs_"), **limits(d, "qint8", "rhs_"), **limits(d, "qint32", "output_"))
