"""Element by element: one input, two, several; Cast, Bitcast, selection, gradients of activations."""
import numpy as np

from draws.draw import COMPLEXES, FLOATS, INTS, KNOWN, QUANTIZED, draws

UNARY = """Abs Acos Acosh Asin Asinh Atan Atanh BesselI0 BesselI0e BesselI1 BesselI1e BesselJ0 BesselJ1 BesselK0 BesselK0e
BesselK1 BesselK1e BesselY0 BesselY1 Ceil Conj Cos Cosh Dawsn Digamma Elu Erf Erfc Erfinv Exp Expint Expm1 Floor FresnelCos
FresnelSin Inv Invert IsFinite IsInf IsNan Lgamma Log Log1p LogicalNot Ndtri Neg OnesLike PopulationCount Reciprocal Relu
Relu6 Rint Round Rsqrt Selu Sigmoid Sign Sin Sinh Softplus Softsign Spence Sqrt Square Tan Tanh ToBool ZerosLike L2Loss""".split()
# The vector and the scalar code of TensorFlow take NaN differently in these.
TAME = {"Relu", "Relu6", "Elu", "Selu", "Softplus", "Softsign", "Sigmoid", "Tanh", "Sign", "Maximum", "Minimum", "ClipByValue"}
NEAR = {"Acos": (-1, 1), "Asin": (-1, 1), "Atanh": (-1, 1), "Erfinv": (-1, 1), "Ndtri": (0, 1), "Acosh": (1, 9)}


@draws(*UNARY)
def unary(d):
    dtype = "bool" if d.op == "LogicalNot" else d.type("T", of=KNOWN)
    low, high = NEAR.get(d.op, (None, None)) if d.chance(0.8) else (-40, 40)
    d.tolerance = {"float32": (1e-4, 2e-5)}
    d.node(d.op, [d.put(d.values(dtype, d.shape(), low, high, d.op not in TAME), dtype)])


@draws("Angle", "ComplexAbs", "Imag", "Real")
def parts(d):
    dtype = d.type("T", of=COMPLEXES)
    d.node(d.op, [d.put(d.values(dtype, d.shape()))], Tout="float32" if dtype == "complex64" else "float64")


@draws("CheckNumerics", "CheckNumericsV2")
def check_numerics(d):
    d.node(d.op, [d.put(d.values(d.type(), d.shape()))], message=d.one("", "bad numbers"))


@draws("LeakyRelu")
def leaky(d):
    attrs = {"alpha": d.one(0.0, 0.1, -0.5, 1.5)} if d.chance(0.7) else {}
    d.node(d.op, [d.put(d.values(d.type(), d.shape(), wild=False))], **attrs)


@draws("EluGrad", "InvGrad", "LeakyReluGrad", "ReciprocalGrad", "Relu6Grad", "ReluGrad", "RsqrtGrad", "SeluGrad", "SigmoidGrad",
       "SoftplusGrad", "SoftsignGrad", "SqrtGrad", "TanhGrad")
def gradient(d):
    dtype, shape = d.type(), d.shape()
    attrs = {"alpha": d.one(0.1, 0.7)} if d.op == "LeakyReluGrad" and d.chance(0.6) else {}
    first = d.values(dtype, shape, wild=False)
    if d.op == "SqrtGrad" and dtype.startswith("complex"):
        first = np.where(first == 0, 1, first).astype(first.dtype)  # divided by 0 is nan in TensorFlow's vectors, and inf behind them
    d.node(d.op, [d.put(first), d.put(d.values(dtype, shape, wild=False))], **attrs)


BINARY = """Add AddV2 Atan2 BitwiseAnd BitwiseOr BitwiseXor Div DivNoNan FloorDiv FloorMod Greater GreaterEqual Igamma Igammac
LeftShift Less LessEqual LogicalAnd LogicalOr Maximum Minimum Mod Mul MulNoNan NextAfter Polygamma Pow RealDiv RightShift
SquaredDifference Sub TruncateDiv TruncateMod Xdivy Xlog1py Xlogy Zeta""".split()


@draws(*BINARY)
def binary(d):
    dtype = "bool" if d.op.startswith("Logical") else d.type("T", of=KNOWN)
    out = d.shape()
    low = {"Igamma": 0.1, "Igammac": 0.1, "Zeta": 1.1, "Xlogy": 0, "LeftShift": 0, "RightShift": 0}.get(d.op)
    high = None if low is None else 8
    if d.op == "Polygamma":
        a, b = np.asarray(d.values(dtype, out, 0, 5, False)).round(), d.values(dtype, d.like(out), 0.1, 9, False)
    else:
        wild = d.op not in TAME and low is None
        a, b = d.values(dtype, d.like(out), low, high, wild), d.values(dtype, out, low, high, wild)
    if dtype in INTS and d.op in ("Div", "FloorDiv", "FloorMod", "Mod", "TruncateDiv", "TruncateMod") and d.chance(0.8):
        b = np.where(b == 0, np.ones_like(b), b)
        if d.chance(0.8) and dtype.startswith("int"):
            b = np.where(b == -1, np.ones_like(b), b) if dtype in ("int32", "int64") else b
    if dtype in COMPLEXES and d.op in ("Div", "RealDiv", "Xdivy"):  # by zero: not the same in TensorFlow's two loops
        b = np.where(b == 0, np.ones_like(b), b)
    if dtype in INTS and d.op == "Pow" and d.chance(0.9):
        b = np.abs(b)
    if d.chance(0.05):
        b = d.values(dtype, d.shape(), low, high, False)
    if d.chance(0.5):
        a, b = b, a
        if d.op in ("Div", "FloorDiv", "FloorMod", "Mod", "RealDiv", "TruncateDiv", "TruncateMod", "Polygamma", "Pow", "Xdivy"):
            a, b = b, a
    d.node(d.op, [d.put(a, dtype), d.put(b, dtype)])


@draws("Equal", "NotEqual")
def equal(d):
    dtype, out = d.type("T", of=KNOWN), d.shape()
    a = d.values(dtype, d.like(out))
    b = a.copy() if d.chance(0.3) else d.values(dtype, out)
    if d.chance(0.1):
        b = d.values(dtype, d.shape())
    attrs = {"incompatible_shape_error": d.chance(0.5)} if d.chance(0.6) else {}
    d.node(d.op, [d.put(a, dtype), d.put(b, dtype)], **attrs)


@draws("ApproximateEqual")
def approximate(d):
    dtype, shape = d.type("T", of=FLOATS + INTS), d.shape()
    attrs = {"tolerance": d.one(0.1, 1e-5, 2.0)} if d.chance(0.7) else {}
    d.node(d.op, [d.put(d.values(dtype, shape)), d.put(d.values(dtype, shape if d.chance(0.95) else d.shape()))], **attrs)


@draws("Betainc")
def betainc(d):
    dtype, shape = d.type(), d.shape()
    scalar = [d.chance(0.25) for _ in range(3)]
    ranges = [(0.1, 9), (0.1, 9), (0, 1)]
    d.node(d.op, [d.put(d.values(dtype, [] if s else shape, *r, False)) for s, r in zip(scalar, ranges)])


@draws("AddN", "AccumulateNV2")
def add_n(d):
    dtype, shape = d.type("T", of=FLOATS + INTS + COMPLEXES), d.shape()
    n = d.one(1, 2, 3, 5, 9, 12)
    parts = [d.values(dtype, shape if d.chance(0.98) else d.shape()) for _ in range(n)]
    attrs = {"shape": shape} if d.op == "AccumulateNV2" else {}
    if attrs:  # in any order
        d.scaled, d.tolerance = True, {"float16": (2e-2, 2e-2), "bfloat16": (8e-2, 8e-2)}
    d.node(d.op, [[d.put(p, exact=1 if attrs else 0.4) for p in parts]], **attrs)


@draws("BiasAdd", "BiasAddV1")
def bias(d):
    dtype = d.type("T", of=FLOATS + INTS + COMPLEXES)
    shape = d.shape(rank=d.one(2, 2, 3, 4, 5, 1 if d.chance(0.2) else 4))
    first = d.op == "BiasAdd" and len(shape) != 2 and d.chance(0.4)
    n = shape[1 if first and len(shape) > 2 else -1]
    attrs = {"data_format": "NCHW" if first else "NHWC"} if first or d.op == "BiasAdd" and d.chance(0.5) else {}
    d.node(d.op, [d.put(d.values(dtype, shape)), d.put(d.values(dtype, [n if d.chance(0.95) else n + 1]))], **attrs)


@draws("ClipByValue")
def clip(d):
    dtype, shape = d.type("T", of=FLOATS + INTS + COMPLEXES), d.shape()
    sides = [d.values(dtype, [] if d.chance(0.6) else shape, a, b, False) for a, b in ((-6, 0), (0, 6))]
    d.node(d.op, [d.put(d.values(dtype, shape, wild=False))] + [d.put(s) for s in sides])


@draws("Complex")
def make_complex(d):
    part = d.one("float32", "float64")
    out = d.shape()
    d.node(d.op, [d.put(d.values(part, d.like(out))), d.put(d.values(part, out))],
           Tout="complex64" if part == "float32" else "complex128")


@draws("Select", "SelectV2")
def select(d):
    dtype, out = d.type("T", of=KNOWN), d.shape()
    if d.op == "SelectV2":
        shapes = [d.like(out), d.like(out), out]
        shapes = [shapes[i] for i in d.rng.permutation(3)]
    else:
        shapes = [d.one(out, out, [], out[:1]), out, out]
    if d.chance(0.05):
        shapes[d.int(0, 2)] = d.shape()
    names = [d.put(d.values("bool", shapes[0]))] + [d.put(d.values(dtype, s), dtype) for s in shapes[1:]]
    d.node(d.op, names)


@draws("Cast", weight=1)
def cast(d):
    source = d.one(*FLOATS, *INTS, *COMPLEXES, "bool", *QUANTIZED)
    target = d.one(*FLOATS, *INTS, *COMPLEXES, "bool", *QUANTIZED)
    array = d.values(source, d.shape(), *d.one((None, None), (-300, 300), (-1e5, 1e5)) if source not in QUANTIZED else (None, None),
                     wild=source not in FLOATS + COMPLEXES or target in FLOATS + COMPLEXES)
    if source in FLOATS + COMPLEXES and target in INTS + ("bool",) + tuple(QUANTIZED):
        # What lies beyond the range isn't defined: TensorFlow's vectors and what is left over differ.
        info = np.iinfo(QUANTIZED.get(target, target if target != "bool" else "int8"))
        wide = array if source in COMPLEXES else array.astype("float64")
        part = np.clip(wide.real, max(info.min, -6e4), min(info.max * (0.98 if info.max > 255 else 1), 6e4))
        array = (part + 1j * wide.imag if source in COMPLEXES else part).astype(array.dtype)
    attrs = {"Truncate": d.chance(0.5)} if d.chance(0.5) else {}
    d.node(d.op, [d.put(array, source)], DstT=target, **attrs)
    if source in COMPLEXES and target not in COMPLEXES:
        d.tolerance = {"float32": (1e-6, 0)}


@draws("Bitcast")
def bitcast(d):
    sizes = {t: np.dtype(QUANTIZED.get(t, "u2" if t == "bfloat16" else t)).itemsize for t in
             ("bfloat16", "float16", "float32", "float64", "complex64", "complex128", *INTS, *QUANTIZED)}
    source, target = d.one(*sizes), d.one(*sizes)
    shape = d.shape(beside=1)
    ratio = sizes[target] // sizes[source]
    if ratio > 1 and d.chance(0.9):
        shape = shape + [ratio]
    if target not in INTS and target not in QUANTIZED:
        array = d.values(source, shape, wild=False) if source in INTS else d.values(source, shape)
    else:
        array = d.values(source, shape)
    d.tolerance = {t: (0, 0) for t in FLOATS + COMPLEXES}
    d.node(d.op, [d.put(array, source)], type=target)
