"""Operations of Keras 3 (keras.ops) on symbolic tensors: a draw of each class, by its name. `d` makes the inputs and chooses
(tests/keras_layers.py). Not layers: layers.py. What berth refuses stands in refused.py."""
import keras
import numpy as np
from keras import ops as K

OPERATIONS = {}


def add(names, draw):
    for name in names.split():
        OPERATIONS.setdefault(name, []).append(draw(name))


def function(name):
    """keras.ops' function for a class: ArcTan2 -> arctan2, LogicalAnd -> logical_and."""
    snake = "".join("_" * (i > 0 and c.isupper()) + c.lower() for i, c in enumerate(name))
    special = {"Isfinite": K.isfinite, "HardSilu": K.hard_silu, "I0": K.i0}
    return special.get(name) or getattr(K, snake, None) or getattr(K, name.lower())


# ---- Elementwise ----------------------------------------------------------------------------------------

DOMAIN = {"Arccos": "unit", "Arcsin": "unit", "Arctanh": "unit", "Erfinv": "unit", "Arccosh": "large", "Log": "positive",
          "Log10": "positive", "Log1p": "positive", "Log2": "positive", "Sqrt": "positive", "Rsqrt": "positive",
          "Reciprocal": "positive", "Sign": "whole", "Signbit": "normal", "Isnan": "odd", "Isinf": "odd", "Isfinite": "odd",
          "Isneginf": "odd", "Isposinf": "odd", "NanToNum": "odd"}
add("Absolute Fabs Angle Arccos Arccosh Arcsin Arcsinh Arctan Arctanh Cbrt Ceil Conjugate Copy Cos Cosh Deg2rad "
    "Rad2deg Exp Exp2 Expm1 Floor I0 Imag Isfinite Isinf Isnan Isneginf Isposinf Isreal Log Log10 Log1p Log2 LogicalNot "
    "Negative Real Reciprocal Sign Signbit Sin Sinc Sinh Sqrt Square Tan Tanh Trunc Rsqrt Erf Erfc Erfinv Relu Relu6 Sigmoid "
    "SparseSigmoid Softplus Softsign SparsePlus Silu LogSigmoid HardSigmoid HardSilu Selu TanhShrink HardTanh StopGradient "
    "ZerosLike OnesLike EmptyLike Size Ravel Fliplr Flipud",
    lambda name: lambda d: function(name)(d.x(2, 3, 4, like=DOMAIN.get(name, "normal"))))
add("Absolute Negative Sign Square LogicalNot Isfinite Isreal ZerosLike OnesLike Sin Sqrt Exp Ceil Size Copy Tanh",
    lambda name: lambda d: function(name)(d.i(2, 5, low=1)))
add("BitwiseInvert BitwiseNot", lambda name: lambda d: function(name)(d.i(2, 5, low=-9)))
add("Add Subtract Multiply Maximum Minimum Fmax Fmin Equal NotEqual Greater GreaterEqual Less LessEqual LogicalAnd LogicalOr "
    "LogicalXor Hypot Arctan2 Logaddexp Logaddexp2 Isclose DivideNoNan Divide TrueDivide AllClose",
    lambda name: lambda d: function(name)(*d.pair()))
add("Mod Fmod FloorDivide Heaviside", lambda name: lambda d: function(name)(d.x(2, 3, 4), d.x(2, 3, 4, like="positive")))
add("Nextafter", lambda name: lambda d: function(name)(d.x(2, 3), d.x(2, 3)))
add("Power", lambda name: lambda d: K.power(d.x(2, 3, 4, like="positive"), d.pick(2, 0.5, d.x(2, 3, 4))))
add("BitwiseAnd BitwiseOr BitwiseXor", lambda name: lambda d: function(name)(d.i(2, 5, low=-9), d.i(2, 5, low=-9)))
add("LeftShift BitwiseLeftShift RightShift BitwiseRightShift",
    lambda name: lambda d: function(name)(d.i(2, 5), d.i(2, 5, high=4)))
add("Gcd Lcm", lambda name: lambda d: function(name)(d.i(2, 5, low=-30, high=30), d.i(2, 5, low=-20, high=20)))
add("Ldexp", lambda _: lambda d: K.ldexp(d.x(2, 3), d.i(2, 3, low=-3, high=4)))
add("Clip", lambda _: lambda d: K.clip(d.x(2, 3, 4), d.pick(-1, -0.5), d.pick(0.5, 2)))
add("Round", lambda _: lambda d: K.round(d.x(2, 3, 4), decimals=d.pick(0, 0, 1, 2, -1)))
add("NanToNum", lambda _: lambda d: K.nan_to_num(d.x(2, 3, like="odd"), nan=d.pick(0.0, 2.0), posinf=d.pick(None, 3.0)))
add("Cast", lambda _: lambda d: K.cast(d.x(2, 3, like="large"), d.pick("int32", "float16", "float64", "bool", "uint8")))
add("SaturateCast", lambda _: lambda d: K.saturate_cast(d.pick(d.x(2, 3), d.i(2, 3, low=-500, high=500)) * d.pick(100, 1),
                                                        d.pick("uint8", "int8", "int32", "float16")))
add("Where", lambda _: lambda d: d.pick(lambda: K.where(d.x(2, 3, 4) > 0, d.x(2, 3, 4), d.pick(0.0, 1.0)),
                                        lambda: K.where(d.b(2, 3), d.x(2, 3), d.x(2, 3)))())
add("Where", lambda _: lambda d: K.where(d.b(2, 3)))
add("Nonzero", lambda _: lambda d: K.nonzero(d.b(2, 3)))
add("Array", lambda _: lambda d: K.array(d.x(2, 3), dtype=d.pick(None, "float16")))
add("ConvertToTensor", lambda _: lambda d: K.convert_to_tensor(d.x(2, 3), dtype=d.pick(None, "float32")))
add("View", lambda _: lambda d: K.view(d.x(2, 3, 4), dtype=d.pick("int32", "int16", "float64")))
add("FullLike", lambda _: lambda d: K.full_like(d.x(2, 3), d.pick(3, 0.5)))
add("Full", lambda _: lambda d: K.full((2, 3), d.x(like="normal"), dtype=d.pick(None, "int32")))
add("Threshold", lambda _: lambda d: K.threshold(d.x(2, 3), d.pick(0.0, 0.5), d.pick(-1, 2.0)))

# ---- Activations ----------------------------------------------------------------------------------------

add("SoftShrink HardShrink", lambda name: lambda d: function(name)(d.x(2, 3, 4), threshold=d.pick(0.5, 0.2)))
add("Squareplus", lambda _: lambda d: K.squareplus(d.x(2, 3), b=d.pick(4, 2)))
add("LeakyRelu", lambda _: lambda d: K.leaky_relu(d.x(2, 3), negative_slope=d.pick(0.2, 0.01)))
add("Elu Celu", lambda name: lambda d: function(name)(d.x(2, 3), alpha=d.pick(1.0, 0.4)))
add("Gelu", lambda _: lambda d: K.gelu(d.x(2, 3), approximate=d.flag()))
add("Glu", lambda _: lambda d: K.glu(d.x(2, 4, 6), axis=d.pick(-1, 1)))
add("Softmax LogSoftmax Sparsemax", lambda name: lambda d: function(name)(d.x(2, 4, 6), axis=d.pick(-1, 1)))
add("ReLU", lambda _: lambda d: keras.activations.relu(d.x(2, 3), negative_slope=d.pick(0.1, 0.3), max_value=1.0))

# ---- Folds ----------------------------------------------------------------------------------------------

AXES = (None, 0, 1, -1, (1, 2))
add("All Any Amax Amin Max Min Mean Sum Prod Std Var Logsumexp Ptp",
    lambda name: lambda d: function(name)(d.x(2, 3, 4), axis=d.pick(*AXES), keepdims=d.flag()))
add("Mean Sum Max Min Prod", lambda name: lambda d: function(name)(d.i(2, 3), axis=d.pick(None, 1)))
add("Max Min", lambda name: lambda d: function(name)(d.x(2, 3, 4), axis=1, initial=d.pick(0.5, -2.0)))
add("Nanmax Nanmin Nanmean Nansum Nanprod Nanstd Nanvar Nanmedian",
    lambda name: lambda d: function(name)(d.x(2, 3, 4, like="holes"), axis=d.pick(None, 1, -1, (1, 2)), keepdims=d.flag()))
add("Argmax Argmin", lambda name: lambda d: function(name)(d.x(2, 3, 4), axis=d.pick(None, 1, -1), keepdims=d.flag()))
add("Nanargmax Nanargmin", lambda name: lambda d: function(name)(d.x(2, 3, 4, like="holes"), axis=d.pick(None, 1, -1)))
add("Nancumsum Nancumprod", lambda name: lambda d: function(name)(d.x(2, 3, 4, like="holes"), axis=d.pick(None, 1, -1)))
add("Cumsum Cumprod", lambda name: lambda d: function(name)(d.x(2, 3, 4), axis=d.pick(None, 1, -1)))
add("CountNonzero", lambda _: lambda d: K.count_nonzero(d.i(2, 3, 4, high=3), axis=d.pick(None, 1, (1, 2))))
add("Median", lambda _: lambda d: K.median(d.x(2, 3, 4), axis=d.pick(None, 1, -1), keepdims=d.flag()))
METHODS = ("linear", "lower", "higher", "nearest", "midpoint")
add("Nanquantile Nanpercentile", lambda name: lambda d: function(name)(
    d.x(2, 3, 5, like="holes"), d.pick(0.5, 0.25) if "q" in name else 30.0, axis=d.pick(1, -1, (1, 2)), method=d.pick(*METHODS)))
add("Quantile Percentile",
    lambda name: lambda d: function(name)(d.x(2, 3, 5),
                                          d.pick(0.5, 0.25, [0.25, 0.9]) if "Q" in name else d.pick(50.0, [10.0, 75.0]),
                                          axis=d.pick(1, -1, (1, 2)), method=d.pick(*METHODS), keepdims=d.flag()))
add("Average", lambda _: lambda d: d.pick(lambda: K.average(d.x(2, 3, 4), axis=d.pick(None, 1)),
                                          lambda: K.average(d.x(2, 3, 4), axis=1, weights=d.x(2, 3, 4, like="positive")))())
add("Diff", lambda _: lambda d: K.diff(d.x(2, 5, 4), n=d.pick(1, 2), axis=d.pick(-1, 1)))
add("Trapezoid", lambda _: lambda d: K.trapezoid(d.x(2, 5, 4), dx=d.pick(1.0, 0.5), axis=d.pick(-1, 1)))
add("SegmentSum SegmentMax SegmentMin SegmentProd",
    lambda name: lambda d: d.pick(lambda: function(name)(d.x(6, 2), d.given(np.array([2, 0, 1, 0, 2, 2], np.int32)),
                                                         num_segments=d.pick(3, 4)),
                                  lambda: function(name)(d.x(6, 2), d.given(np.array([0, 0, 1, 1, 2, 2], np.int32)), sorted=True),
                                  lambda: function(name)(d.x(6, 2), d.given(np.array([2, 0, 1, 0, 2, 2], np.int32))))())
add("Bincount", lambda _: lambda d: K.bincount(d.i(2, 6), minlength=d.pick(8, 12)))
add("Bincount", lambda _: lambda d: K.bincount(d.i(6), minlength=d.pick(0, 8, 12)))

# ---- Moving elements ------------------------------------------------------------------------------------

add("Append", lambda _: lambda d: K.append(d.fixed(2, 3), d.fixed(2, 3), axis=d.pick(None, 0, 1)))
add("Concatenate", lambda _: lambda d: K.concatenate([d.x(2, 3), d.x(2, 3)], axis=d.pick(0, 1, -1)))
add("Stack", lambda _: lambda d: K.stack([d.x(2, 3), d.x(2, 3)], axis=d.pick(0, 1, -1)))
add("Hstack Vstack", lambda name: lambda d: function(name)([d.x(2, 3), d.x(2, 3)]))
add("Dstack", lambda _: lambda d: K.dstack(d.pick(lambda: [d.x(2, 3), d.x(2, 3)], lambda: [d.x(2, 3, 4), d.x(2, 3, 2)])()))
add("Hsplit", lambda _: lambda d: K.hsplit(d.x(2, 6, 4), d.pick(2, [1, 4])))
add("Dsplit", lambda _: lambda d: K.dsplit(d.x(2, 3, 6), d.pick(3, [2, 3])))
add("Vsplit", lambda _: lambda d: K.vsplit(d.fixed(4, 3), d.pick(2, [1, 3])))
add("Split ArraySplit", lambda name: lambda d: function(name)(d.x(2, 6, 4), 2 if name == "ArraySplit" else d.pick(2, [1, 3]), axis=d.pick(1, -2)))
add("ArraySplit", lambda _: lambda d: K.array_split(d.x(2, 7), 3, axis=1))
add("Unstack", lambda _: lambda d: K.unstack(d.x(2, 3, 4), axis=d.pick(1, -1)))
add("Tile", lambda _: lambda d: K.tile(d.x(2, 3), d.pick((1, 2), (2, 1, 3), (2,), 2)))
add("Repeat", lambda _: lambda d: K.repeat(d.x(2, 3, 4), d.pick(2, 3), axis=d.pick(None, 0, 1)))
add("Repeat", lambda _: lambda d: K.repeat(d.x(2, 3, 4), [1, 0, 3], axis=1))
add("Roll", lambda _: lambda d: K.roll(d.x(2, 3, 4), d.pick(1, -2), axis=d.pick(None, 1)))
add("Roll", lambda _: lambda d: K.roll(d.x(2, 3, 4), (1, 2), axis=(1, 2)))
add("Flip", lambda _: lambda d: K.flip(d.x(2, 3, 4), axis=d.pick(None, 1, (1, 2))))
add("Rot90", lambda _: lambda d: K.rot90(d.x(2, 3, 3), k=d.pick(1, 2, 3, -1), axes=d.pick((1, 2), (2, 1))))
add("Transpose", lambda _: lambda d: K.transpose(d.x(2, 3, 4), d.pick(None, (0, 2, 1))))
add("Swapaxes", lambda _: lambda d: K.swapaxes(d.x(2, 3, 4), 1, -1))
add("Moveaxis", lambda _: lambda d: K.moveaxis(d.x(2, 3, 4, 5), 1, d.pick(2, 3)) if d.flag() else
    K.moveaxis(d.x(2, 3, 4, 5), (1, 2), (3, 1)))
add("Reshape", lambda _: lambda d: K.reshape(d.x(2, 3, 4), d.pick((-1, 12), (-1, 4, 3), (-1, 2, 6))))
add("ExpandDims", lambda _: lambda d: K.expand_dims(d.x(2, 3), d.pick(0, 1, -1, (1, 3))))
add("Squeeze", lambda _: lambda d: K.squeeze(d.x(2, 1, 4, 1), axis=d.pick(1, -1, (1, 3))))
add("BroadcastTo", lambda _: lambda d: K.broadcast_to(d.fixed(1, 3), d.pick((4, 3), (2, 5, 3))))
add("GetItem", lambda _: lambda d: d.x(2, 3, 4)[d.pick((slice(None), slice(1, None), slice(None, None, 2)),
                                                     (slice(None), None, Ellipsis, -1), (Ellipsis, 0), 1)])
add("Take", lambda _: lambda d: K.take(d.x(2, 3, 4), d.pick(lambda: [0, 2], lambda: d.i(2, 2, high=3))(), axis=d.pick(1, -1)))
add("TakeAlongAxis", lambda _: lambda d: K.take_along_axis(d.x(2, 3, 4), d.i(2, 3, 4, high=3), axis=d.pick(1, -1)))
add("Slice", lambda _: lambda d: K.slice(d.fixed(2, 3, 4), (0, 1, 1), (2, 2, 3)))
add("Slice", lambda _: lambda d: K.slice(d.fixed(4, 5), d.given(np.array([1, 2], np.int32)), (2, 3)))
add("SliceUpdate", lambda _: lambda d: K.slice_update(d.fixed(4, 5), d.pick(lambda: (1, 2), lambda: d.given(
    np.array([1, 2], np.int32)))(), d.fixed(2, 3)))
add("Scatter", lambda _: lambda d: K.scatter(d.given(np.array([[1], [3], [1]], np.int32)), d.x(3, 2), (5, 2)))
add("ScatterUpdate", lambda _: lambda d: K.scatter_update(d.x(5, 2), d.given(np.array([[1], [3]], np.int32)), d.x(2, 2),
                                                         reduction=d.pick(None, "add", "max", "min", "mul")))
add("Sort", lambda _: lambda d: K.sort(d.x(2, 3, 4), axis=d.pick(-1, 1)))
add("Argsort", lambda _: lambda d: K.argsort(d.x(2, 3, 4), axis=d.pick(-1, 1)))
add("Argpartition", lambda _: lambda d: K.argpartition(d.i(7, high=50), d.pick(2, 4)))
add("TopK", lambda _: lambda d: K.top_k(d.x(2, 7), d.pick(1, 3)))
add("InTopK", lambda _: lambda d: K.in_top_k(d.i(3, high=6), d.x(3, 6), d.pick(1, 3)))
add("IsIn", lambda _: lambda d: K.isin(d.i(2, 5), d.pick(lambda: [1, 2, 3], lambda: d.i(4))(), invert=d.flag()))
add("SearchSorted", lambda _: lambda d: K.searchsorted(np.array([-1.0, 0.0, 1.0], np.float32), d.x(5), side=d.pick("left", "right")))
add("Digitize", lambda _: lambda d: K.digitize(d.x(2, 5), np.array([-1.0, 0.0, 1.0], np.float32)))
add("Unique", lambda _: lambda d: K.unique(d.i(8, high=5), return_inverse=d.flag(), return_counts=d.flag(), return_index=d.flag()))
add("Unique", lambda _: lambda d: K.unique(d.i(2, 4, high=5), sorted=d.flag(), size=d.pick(4, 9), fill_value=d.pick(None, 7)))
add("Unique", lambda _: lambda d: K.unique(d.given(np.array([[1, 2], [0, 5], [1, 2]], np.int32)), axis=0, return_inverse=True))
add("UnravelIndex", lambda _: lambda d: K.unravel_index(d.i(5, high=24), (2, 3, 4)))
add("OneHot", lambda _: lambda d: K.one_hot(d.i(2, 3), 6, axis=d.pick(-1, 1), dtype=d.pick(None, "int32")))
add("MultiHot", lambda _: lambda d: K.multi_hot(d.i(2, 3), 6))
add("Pad", lambda _: lambda d: K.pad(d.x(2, 3, 4), ((0, 0), (1, 2), (0, 1)), mode=d.pick("constant", "reflect", "symmetric")))
add("Pad", lambda _: lambda d: K.pad(d.x(2, 3), d.pick(((1, 1), (0, 2)), ((0, 0), (2, 1))), constant_values=d.pick(None, 3)))
add("Linspace", lambda _: lambda d: K.linspace(d.x(2, 3), d.x(2, 3), num=d.pick(5, 2), endpoint=d.flag(), axis=d.pick(0, -1)))
add("Logspace", lambda _: lambda d: K.logspace(d.x(2, 3, like="unit"), d.x(2, 3, like="unit"), num=4, base=d.pick(10, 2)))
add("Geomspace", lambda _: lambda d: K.geomspace(d.x(2, 3, like="positive"), d.x(2, 3, like="positive"), num=4, endpoint=d.flag()))
add("Meshgrid", lambda _: lambda d: K.meshgrid(d.x(3), d.x(2), indexing=d.pick("xy", "ij")))
add("Vander", lambda _: lambda d: K.vander(d.x(4), N=d.pick(None, 3), increasing=d.flag()))
add("Rearrange", lambda _: lambda d: keras.ops.rearrange(d.fixed(2, 4, 6, 3), d.pick("b h w c -> b c h w", "b h w c -> b (h w) c")))
add("Rearrange", lambda _: lambda d: keras.ops.rearrange(d.fixed(2, 4, 6, 3), "b (h p) (w q) c -> b h w (p q c)", p=2, q=3))
add("Select", lambda _: lambda d: K.select([d.b(2, 3), d.b(2, 3)], [d.x(2, 3), d.x(2, 3)], default=d.pick(0, 1)))

# ---- Products and matrices ------------------------------------------------------------------------------

add("Dot Matmul", lambda name: lambda d: function(name)(d.x(2, 4), d.fixed(4, 5)))
add("Matmul", lambda _: lambda d: K.matmul(d.x(2, 3, 4), d.x(2, 4, 5)))
add("Inner", lambda _: lambda d: K.inner(d.x(2, 4), d.fixed(3, 4)))
add("Outer Vdot", lambda name: lambda d: function(name)(d.x(4), d.x(4)))
add("Kron", lambda _: lambda d: K.kron(d.x(2, 3), d.pick(lambda: d.x(2, 2), lambda: d.x(3))()))
add("Cross", lambda _: lambda d: K.cross(d.x(2, 4, 3), d.x(2, 4, 3)))
add("Tensordot", lambda _: lambda d: K.tensordot(d.x(2, 3, 4), d.fixed(4, 3), axes=d.pick(1, [[1, 2], [1, 0]])))
add("Einsum", lambda _: lambda d: K.einsum(d.pick("bij,bkj->bik", "...ij,...kj->...ik", "bij,bkj->b"), d.x(2, 3, 4), d.x(2, 3, 4)))
add("Einsum", lambda _: lambda d: K.einsum(d.pick("bii->bi", "bij->bji", "bij->b"), d.x(2, 3, 3)))
add("Diag", lambda _: lambda d: K.diag(d.pick(lambda: d.x(4), lambda: d.fixed(4, 4))(), k=d.pick(0, 1, -1)))
add("Diagflat", lambda _: lambda d: K.diagflat(d.fixed(2, 2), k=d.pick(0, 2, -1)))
add("Diagonal Trace", lambda name: lambda d: function(name)(d.x(2, 3, 4), offset=d.pick(0, 1, -1), axis1=1, axis2=2))
add("Tril Triu", lambda name: lambda d: function(name)(d.x(2, 3, 4), k=d.pick(0, 1, -1)))
add("Corrcoef", lambda _: lambda d: K.corrcoef(d.x(3, 6)))
add("Correlate", lambda _: lambda d: K.correlate(d.fixed(7), d.fixed(d.pick(3, 4)), mode=d.pick("valid", "same", "full")))
add("CDist", lambda _: lambda d: K.cdist(d.x(2, 4, 3), d.x(2, 5, 3)))
add("Norm", lambda _: lambda d: K.norm(d.x(2, 3, 4), ord=d.pick(None, 1, 2, np.inf, 3), axis=1, keepdims=d.flag()))
add("Norm", lambda _: lambda d: K.norm(d.x(2, 3, 4), ord=d.pick(None, "fro", 1, -1, 2, -2, "nuc", np.inf, -np.inf), axis=(1, 2),
                                       keepdims=d.flag()))
add("Cholesky", lambda _: lambda d: K.cholesky(d.definite(2, 4), upper=d.flag()))
add("CholeskyInverse", lambda _: lambda d: K.linalg.cholesky_inverse(d.triangle(2, 4), upper=False))
add("Det Inv Logdet", lambda name: lambda d: function(name)(d.definite(2, 4)))
add("Slogdet", lambda _: lambda d: K.slogdet(d.x(2, 4, 4)))
add("Eig", lambda _: lambda d: (lambda x: (d.spectrum(x, K.eig(x)), {"close": 1e-3}))(d.x(2, 4, 4)))
add("Eigh", lambda _: lambda d: d.signless(K.eigh(d.definite(2, 4)), 1))
add("Qr", lambda _: lambda d: K.qr(d.x(2, 4, 3), mode=d.pick("reduced", "complete")))
add("SVD", lambda _: lambda d: K.svd(d.x(2, 4, 3), compute_uv=False))
add("SVD", lambda _: lambda d: d.product(K.svd(d.x(2, 4, 3), full_matrices=False)))
add("LuFactor", lambda _: lambda d: K.lu_factor(d.fixed(4, 4)))
add("Solve", lambda _: lambda d: K.solve(d.definite(2, 4), d.pick(lambda: d.x(2, 4, 3), lambda: d.x(2, 4))()))
add("SolveTriangular", lambda _: lambda d: K.solve_triangular(d.triangle(2, 4), d.x(2, 4, 3), lower=True))
add("Lstsq", lambda _: lambda d: K.lstsq(d.fixed(5, 3), d.pick(lambda: d.fixed(5), lambda: d.fixed(5, 2))()))
add("MatrixRank", lambda _: lambda d: K.matrix_rank(d.x(2, 4, 3), tol=d.pick(None, 0.5)))
add("Pinv", lambda _: lambda d: K.pinv(d.x(2, 4, 3), rcond=d.pick(None, 0.1)))

# ---- Signals --------------------------------------------------------------------------------------------

add("FFT", lambda _: lambda d: K.fft((d.x(2, 8), d.x(2, 8))))
add("FFT2 IFFT2", lambda name: lambda d: getattr(K, name.lower())((d.x(2, 4, 8), d.x(2, 4, 8))))
add("RFFT", lambda _: lambda d: K.rfft(d.x(2, 16), fft_length=d.pick(None, 12, 20)))
add("IRFFT", lambda _: lambda d: K.irfft((d.x(2, 9), d.x(2, 9)), fft_length=d.pick(None, 12, 20)))
add("STFT", lambda _: lambda d: K.stft(d.x(2, 3, 64), 16, 8, 32, window=np.linspace(0.1, 1, 16).tolist(), center=d.flag()))
add("STFT", lambda _: lambda d: K.stft(d.x(2, 64), 16, 8, d.pick(16, 32), window=d.pick("hann", "hamming", None), center=d.flag()))
add("ISTFT", lambda _: lambda d: K.istft((d.x(2, 7, 9), d.x(2, 7, 9)), 16, d.pick(4, 8), 16, window=d.pick("hann", "hamming"),
                                         length=d.pick(None, 30), center=True))
add("ExtractSequences", lambda _: lambda d: K.extract_sequences(d.x(2, 20), d.pick(4, 8), d.pick(2, 4)))
add("Polar ViewAsReal", lambda _: lambda d: K.view_as_real(K.nn.polar(d.x(2, 3, like="positive"), d.x(2, 3))))

# ---- Networks -------------------------------------------------------------------------------------------

IMAGE = (2, 8, 9, 3)
add("Conv", lambda _: lambda d: K.conv(d.x(*IMAGE), d.fixed(3, 3, 3, 4), strides=d.pick(1, 2, (1, 2)), padding=d.pick("same", "valid")))
add("Conv", lambda _: lambda d: K.conv(d.x(2, 7, 3), d.fixed(3, 3, 4), padding="same", dilation_rate=d.pick(1, 2)))
add("DepthwiseConv", lambda _: lambda d: K.depthwise_conv(d.x(*IMAGE), d.fixed(3, 3, 3, 2), padding=d.pick("same", "valid")))
add("SeparableConv", lambda _: lambda d: K.separable_conv(d.x(*IMAGE), d.fixed(3, 3, 3, 2), d.fixed(1, 1, 6, 4), padding="same"))
add("MaxPool AveragePool", lambda name: lambda d: function(name)(d.x(*IMAGE), d.pick(2, (3, 2)), strides=d.pick(None, 1),
                                                                 padding=d.pick("same", "valid")))
add("MaxPool AveragePool", lambda name: lambda d: function(name)(d.x(2, 7, 3), 2))
add("AdaptiveMaxPool AdaptiveAveragePool", lambda name: lambda d: function(name)(d.x(*IMAGE), d.pick((2, 2), (2, 4))))
add("AdaptiveMaxPool AdaptiveAveragePool", lambda name: lambda d: function(name)(d.x(2, 7, 3), (3,)))
add("BinaryCrossentropy", lambda _: lambda d: K.binary_crossentropy(d.x(2, 3, like="share"), d.x(2, 3, like="share"), from_logits=d.flag()))
add("CategoricalCrossentropy", lambda _: lambda d: K.categorical_crossentropy(d.x(2, 3, 4, like="share"), d.x(2, 3, 4, like="share"),
                                                                             from_logits=d.flag(), axis=d.pick(-1, 1)))
add("SparseCategoricalCrossentropy", lambda _: lambda d: K.sparse_categorical_crossentropy(
    d.pick(lambda: d.i(2, 3, high=4), lambda: d.i(2, 3, 1, high=4))(), d.x(2, 3, 4, like="share"), from_logits=d.flag()))
add("CTCLoss", lambda _: lambda d: K.ctc_loss(d.given(np.array([[1, 2], [2, 1]], np.int32)), d.x(2, 6, 4),
                                              d.given(np.array([2, 1], np.int32)), d.given(np.array([6, 5], np.int32)),
                                              mask_index=d.pick(0, 3)))
add("CTCDecode", lambda _: lambda d: K.ctc_decode(d.x(2, 6, 4), d.given(np.array([6, 5], np.int32)), strategy=d.pick("greedy", "beam_search"),
                                                  mask_index=d.pick(0, 3), merge_repeated=True))
add("Moments", lambda _: lambda d: K.moments(d.x(2, 3, 4), axes=d.pick([1], [0, 1], [-1]), keepdims=d.flag()))
add("BatchNorm", lambda _: lambda d: K.batch_normalization(d.x(2, 3, 4), d.fixed(4), d.fixed(4, like="positive"), axis=-1))
add("BatchNorm", lambda _: lambda d: K.batch_normalization(d.x(2, 3, 4), d.fixed(3), d.fixed(3, like="positive"), axis=1,
                                                           offset=d.fixed(3), scale=d.fixed(3), epsilon=d.pick(1e-3, 1e-2)))
add("LayerNorm", lambda _: lambda d: K.layer_normalization(d.x(2, 3, 4), axis=d.pick(-1, (1, 2)), epsilon=d.pick(None, 1e-2)))
add("LayerNorm", lambda _: lambda d: K.layer_normalization(d.x(2, 3, 4), gamma=d.fixed(4), beta=d.fixed(4)))
add("RMSNorm", lambda _: lambda d: K.rms_normalization(d.x(2, 3, 4), scale=d.pick(lambda: None, lambda: d.fixed(4))()))
add("Normalize", lambda _: lambda d: K.normalize(d.x(2, 3, 4), axis=d.pick(-1, 1), order=d.pick(2, 1, 3)))
add("DotProductAttention", lambda _: lambda d: K.dot_product_attention(d.x(2, 4, 2, 3), d.x(2, 4, 2, 3), d.x(2, 4, 2, 3), is_causal=d.flag()))
add("DotProductAttention", lambda _: lambda d: K.dot_product_attention(d.x(2, 4, 4, 3), d.x(2, 5, 2, 3), d.x(2, 5, 2, 3), scale=0.5))
add("PSNR", lambda _: lambda d: K.psnr(d.x(2, 3), d.x(2, 3), d.pick(1.0, 255.0)))
add("Unfold", lambda _: lambda d: K.nn.unfold(d.x(2, 3, 8, 9), d.pick(2, (3, 2)), stride=d.pick(1, 2), padding=d.pick(0, 1), dilation=d.pick(1, 2)))
add("Fold", lambda _: lambda d: K.nn.fold(d.x(2, 12, 9), (4, 4), 2))
add("Fold", lambda _: lambda d: K.nn.fold(d.x(2, 12, 9), (6, 6), 2, stride=2))
add("DepthToSpace", lambda _: lambda d: K.nn.depth_to_space(d.x(2, 3, 4, 8), 2))
add("SpaceToDepth", lambda _: lambda d: K.nn.space_to_depth(d.x(2, 4, 6, 3), 2))

# ---- Images ---------------------------------------------------------------------------------------------

PICTURE = (2, 6, 7, 3)
add("RGBToGrayscale RGBToHSV HSVToRGB", lambda name: lambda d: getattr(K.image, {
    "RGBToGrayscale": "rgb_to_grayscale", "RGBToHSV": "rgb_to_hsv", "HSVToRGB": "hsv_to_rgb"}[name])(
        *([d.x(*PICTURE, like="share")] if d.flag() else [d.x(2, 3, 6, 7, like="share"), "channels_first"])))
add("Resize", lambda _: lambda d: K.image.resize(d.x(*PICTURE), d.pick((3, 4), (12, 10)), antialias=d.flag(),
                                                 interpolation=d.pick("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5", "area")))
add("Resize", lambda _: lambda d: K.image.resize(d.x(*PICTURE), d.pick((3, 4), (12, 9)), crop_to_aspect_ratio=True))
add("Resize", lambda _: lambda d: K.image.resize(d.x(*PICTURE), d.pick((3, 5), (12, 9)), pad_to_aspect_ratio=True, fill_value=d.pick(0.0, 1.0)))
add("AffineTransform", lambda _: lambda d: K.image.affine_transform(
    d.x(*PICTURE), d.given(np.array([[1, 0.2, -1, 0.1, 0.9, 1, 0, 0], [0.9, 0, 1, -0.2, 1, 0.5, 0.01, 0]], np.float32)),
    interpolation=d.pick("bilinear", "nearest"), fill_mode=d.pick("constant", "nearest", "wrap", "reflect"), fill_value=d.pick(0, 1.5)))
POINTS = np.array([[[0, 0], [0, 5], [6, 0], [6, 5]]] * 2, np.float32)
add("PerspectiveTransform", lambda _: lambda d: K.image.perspective_transform(
    d.x(*PICTURE), d.given(POINTS), d.given(POINTS + np.array([[[0, 1], [1, 0], [-1, 0], [0, -1]]], np.float32)),
    interpolation=d.pick("bilinear", "nearest"), fill_value=d.pick(0, 1.5)))
add("MapCoordinates", lambda _: lambda d: K.image.map_coordinates(
    d.fixed(6, 7), d.fixed(2, 3, 4, like="spread"), order=d.pick(0, 1), fill_value=d.pick(0, 2.0),
    fill_mode=d.pick("constant", "nearest", "wrap", "reflect")))
add("MapCoordinates", lambda _: lambda d: K.image.map_coordinates(d.fixed(6, 7), d.fixed(2, 5, like="within"), order=1, fill_mode="mirror"))
add("GaussianBlur", lambda _: lambda d: K.image.gaussian_blur(d.x(*PICTURE), kernel_size=d.pick((3, 3), (5, 3)), sigma=d.pick((1.0, 1.0), (0.5, 2.0))))
add("ScaleAndTranslate", lambda _: lambda d: K.image.scale_and_translate(
    d.fixed(6, 7, 3), (d.pick(8, 4), 10, 3), np.array([1.5, 1.2], np.float32), np.array([0.5, -1.0], np.float32), (0, 1),
    d.pick("linear", "cubic", "lanczos3", "lanczos5"), antialias=d.flag()))
add("SobelEdges", lambda _: lambda d: K.image.sobel_edges(d.x(*PICTURE)))
add("SSIM", lambda _: lambda d: K.image.ssim(d.x(2, 12, 13, 3, like="share"), d.x(2, 12, 13, 3, like="share"), filter_size=d.pick(11, 7)))
add("ExtractPatches", lambda _: lambda d: K.image.extract_patches(d.x(*PICTURE), d.pick(2, (3, 2)), padding=d.pick("valid", "same")))
add("CropImages", lambda _: lambda d: K.image.crop_images(d.x(*PICTURE), top_cropping=1, bottom_cropping=d.pick(1, 2), left_cropping=0, target_width=4))
add("PadImages", lambda _: lambda d: K.image.pad_images(d.x(*PICTURE), top_padding=1, bottom_padding=d.pick(1, 2), left_padding=0, target_width=9))

# ---- Sparse tensors -------------------------------------------------------------------------------------

add("Multiply", lambda _: lambda d: d.sparse(3, 5) * 2.0)
add("Absolute Negative Sqrt Tanh Sin Ceil Sign Square Expm1", lambda name: lambda d: function(name)(K.square(d.sparse(3, 5))))
add("Exp Cos", lambda name: lambda d: function(name)(d.sparse(3, 5)))
add("Add Subtract Multiply Maximum Minimum", lambda name: lambda d: function(name)(d.sparse(3, 5), d.pick(lambda: d.sparse(3, 5), lambda: d.x(3, 5))()))
add("Matmul", lambda _: lambda d: K.matmul(d.sparse(3, 5), d.numbers((5, 2), "normal")))
add("Sum", lambda _: lambda d: K.sum(d.sparse(3, 5), axis=d.pick(None, 1, 0)))
