"""Linear algebra: products, factors, solutions; and normalisation."""
import numpy as np

from draws.draw import COMPLEXES, FLOATS, INTS, draws

WIDE = {"float16": (2e-2, 1e-2), "bfloat16": (5e-2, 5e-2), "float32": (1e-3, 1e-4), "complex64": (1e-3, 1e-4), "float64": (1e-7, 1e-8),
        "complex128": (1e-7, 1e-8)}


def loose(d):
    d.scaled, d.tolerance = True, WIDE


@draws("MatMul")
def matmul(d):
    dtype = d.type("T", of=FLOATS + INTS + COMPLEXES)
    m, k, n = (d.size(7) if d.chance(0.85) else d.int(8, 90) for _ in range(3))
    ta, tb = d.chance(0.4), d.chance(0.4)
    loose(d)
    a, b = d.values(dtype, [k, m] if ta else [m, k], wild=False), d.values(dtype, [n, k] if tb else [k, n], wild=False)
    d.node(d.op, [d.put(a), d.put(b)], transpose_a=ta, transpose_b=tb)


@draws("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")
def batch_matmul(d):
    mixed = d.op.endswith("V3")
    if mixed:
        found = [("int8", "int8", "int32"), ("uint8", "int8", "int32"), ("int8", "uint8", "int32"), ("uint8", "uint8", "int32"),
                 ("bfloat16", "bfloat16", "bfloat16"), ("float32", "float32", "float32"), ("float64", "float64", "float64"),
                 ("int32", "int32", "int32"), ("int64", "int64", "int64"), ("float16", "float16", "float16"), ("complex64", "complex64", "complex64"),
                 ("complex128", "complex128", "complex128"), ("int16", "int16", "int16")]
        left, right, out = found[d.int(0, len(found) - 1)]
    else:
        left = right = d.type("T", of=FLOATS + INTS + COMPLEXES)
    lead = d.shape(most_rank=3, most=3, beside=2)
    other = lead if d.op == "BatchMatMul" else d.like(lead)
    if d.op != "BatchMatMul" and d.chance(0.5):
        lead, other = other, lead
    m, k, n = (d.size(5) if d.chance(0.9) else d.int(6, 40) for _ in range(3))
    ta, tb = d.chance(0.4), d.chance(0.4)
    loose(d)
    a = d.values(left, list(lead) + ([k, m] if ta else [m, k]), wild=False)
    b = d.values(right, list(other) + ([n, k] if tb else [k, n]), wild=False)
    attrs = {"Tout": out} if mixed else {}
    d.node(d.op, [d.put(a), d.put(b)], adj_x=ta, adj_y=tb, **attrs)


@draws("Cross")
def cross(d):
    dtype, shape = d.type(), d.shape(most_rank=3) + [3 if d.chance(0.97) else 2]
    loose(d)
    d.node(d.op, [d.put(d.values(dtype, shape, wild=False), dtype), d.put(d.values(dtype, shape, wild=False), dtype)])


EQUATIONS = ["ij,jk->ik", "ij,jk", "ij->ji", "ii->i", "i,i->", "ij,ij->ij", "i,j->ij", "bij,bjk->bik", "bij,bkj->bik", "ij->", "ij->j", "...ij,...jk->...ik",
             "...ij->...ji", "abc,bcd->ad", "bhwc,cd->bhwd", "abc,acd->abd", "ii->", "iij->ij", "...->...", "...i->...", "...i,i->...", "ab,bc,cd->ad",
             "BTNH,BFNH->BNFT", "abcd,ed->abce", "ba,b->ab", "i->", "a,ab,abc->abc", "...ii->...i", "...,...->...", "ij, jk -> ik", "acb,...b->...ac"]


@draws("Einsum", weight=1)
def einsum(d):
    equation = d.one(*EQUATIONS)
    dtype = d.type("T", of=FLOATS + ("int32", "int64") + COMPLEXES)
    sizes = {}
    shapes = []
    lead = d.shape(most_rank=2, most=3, empty=0.01)
    for term in equation.replace(" ", "").split("->")[0].split(","):
        shape = []
        part = d.like(lead)
        for label in term.replace("...", "."):
            shape += part if label == "." else [sizes.setdefault(label, d.size(4, 0.02))]
        shapes.append(shape)
    loose(d)
    d.node(d.op, [[d.put(d.values(dtype, s, wild=False), dtype) for s in shapes]], equation=equation)


def square(d, dtype, kind="any", least=1):
    n = d.int(least, 4)
    lead = d.shape(most_rank=2, most=3)
    a = d.values(dtype, lead + [n, n], -2, 2, False)
    if kind == "definite":
        a = a @ np.conj(np.swapaxes(a, -1, -2)) + np.eye(n, dtype=a.dtype)
    elif kind == "regular":
        a = a + 4 * np.eye(n, dtype=a.dtype)
    return np.asarray(a, a.dtype), lead, n


@draws("Cholesky")
def cholesky(d):
    dtype = d.type()
    loose(d)
    d.node(d.op, [d.put(square(d, dtype, "definite")[0])])


@draws("LogMatrixDeterminant", "MatrixDeterminant", "MatrixInverse", "MatrixSquareRoot", "MatrixLogarithm")
def of_square(d):
    dtype = d.type("T", of=FLOATS + COMPLEXES)
    loose(d)
    attrs = {"adjoint": d.chance(0.5)} if d.op == "MatrixInverse" and d.chance(0.6) else {}
    a, _, n = square(d, dtype, "any" if d.op == "MatrixSquareRoot" and dtype in FLOATS and d.chance(0.2) else "regular")
    if d.op == "MatrixSquareRoot" and a.size and np.max(np.linalg.cond(np.linalg.eig(a.astype(np.complex128))[1])) > 100:
        # Of matrices with too few eigenvectors, or nearly, Eigen's roots are not such: it inverts those that there are.
        a = np.asarray((a + np.conj(np.swapaxes(a, -1, -2))) / 2, a.dtype)
    if d.op == "MatrixSquareRoot" and a.size and np.min(np.abs(np.linalg.eigvals(a.astype(np.complex128)))) < 0.05:
        # An eigenvalue of 0 is one below it or not as it is rounded.
        a = np.asarray(a + 8 * np.eye(n), a.dtype)
    if d.op == "MatrixInverse" and d.chance(0.03) and a.size:
        a[..., 0, :] = 0
    d.node(d.op, [d.put(a)], **attrs)


@draws("Lu")
def lu(d):
    dtype = d.type("T", of=FLOATS + COMPLEXES)
    loose(d)
    attrs = {"output_idx_type": d.one("int32", "int64")} if d.chance(0.5) else {}
    d.node(d.op, [d.put(square(d, dtype)[0])], **attrs)


@draws("MatrixSolve")
def solve(d):
    dtype = d.type("T", of=FLOATS + COMPLEXES)
    a, lead, n = square(d, dtype, "regular")
    loose(d)
    d.node(d.op, [d.put(a), d.put(d.values(dtype, lead + [n, d.size(3)], wild=False), dtype)], adjoint=d.chance(0.4))


@draws("MatrixSolveLs")
def solve_ls(d):
    dtype, lead = d.type("T", of=FLOATS + COMPLEXES), d.shape(most_rank=1, most=3, empty=0)
    m, n = d.int(1, 5), d.int(1, 4)
    fast = d.chance(0.7)
    loose(d)
    if dtype in ("float32", "complex64"):
        d.tolerance = {dtype: (5e-3, 1e-3)}
    d.node(d.op, [d.put(d.values(dtype, lead + [m, n], wild=False), dtype), d.put(d.values(dtype, lead + [m, d.int(1, 3)], wild=False), dtype),
                  d.const(np.array(d.one(0.1, 0.5) if fast else 0.0, np.float64))], fast=fast)


@draws("MatrixTriangularSolve")
def triangular(d):
    dtype = d.type("T", of=FLOATS + COMPLEXES)
    a, lead, n = square(d, dtype, "regular")
    loose(d)
    other = d.like(lead) if d.chance(0.3) else lead
    d.node(d.op, [d.put(a), d.put(d.values(dtype, list(other) + [n, d.size(3)], wild=False), dtype)], lower=d.chance(0.5), adjoint=d.chance(0.4))


@draws("BandedTriangularSolve")
def banded(d):
    dtype, lead = d.type("T", of=FLOATS + COMPLEXES), d.shape(most_rank=1, most=3, empty=0)
    n = d.int(1, 5)
    k = d.int(1, n)
    a = d.values(dtype, lead + [k, n], -1, 1, False)
    lower = d.chance(0.5)
    a[..., 0 if lower else -1, :] += 3
    loose(d)
    d.node(d.op, [d.put(a), d.put(d.values(dtype, lead + [n, d.int(1, 3)], wild=False), dtype)], lower=lower, adjoint=d.chance(0.4))


def beside_exact(a, part, full, dtype):
    """compare() for factors of `a`. TensorFlow's may be off by the last bit times what matrices magnify it by, for its sums are
    rounded to dtype; berth's are rounded once, and so held against the factors in double as well."""
    bit = {"float16": 1e-3, "bfloat16": 8e-3}.get(dtype, 1e-6 if dtype in ("float32", "complex64") else 1e-12)
    wide = a.astype(np.complex128)
    worst = float(np.max(np.linalg.cond(wide), initial=1))
    exact = np.abs(np.linalg.qr(wide, "complete" if full else "reduced")[part])

    def compare(name, got, want):
        got, want = np.abs(got), np.abs(want)
        if not np.allclose(got, want, 1e-2, max(1e-3, 4 * bit * worst)):
            return f"{name}: {got} wanted {want}"
        if worst < 1e4 and not np.allclose(got, exact, 2 * bit, 2 * bit * max(1, exact.max(initial=0))):
            return f"{name}: {got}, exactly {exact}"
        return None
    return compare


@draws("Qr")
def qr(d):
    dtype = d.type("T", of=FLOATS + COMPLEXES)
    shape = d.shape(most_rank=1, most=2, empty=0) + [d.int(1, 4), d.int(1, 4)]
    attrs = {"full_matrices": d.chance(0.5)} if d.chance(0.7) else {}
    a = d.values(dtype, shape, wild=False)
    out = d.node(d.op, [d.put(a, dtype)], **attrs)
    full = attrs.get("full_matrices", False)
    part = d.one(0, 1) if not full else 1  # of the whole Q some columns are anybody's
    d.compare = beside_exact(a, part, full, dtype)
    d.fetch(out[part])


@draws("Svd")
def svd(d):
    dtype = d.type("T", of=FLOATS + COMPLEXES)
    shape = d.shape(most_rank=1, most=2, empty=0) + [d.int(1, 4), d.int(1, 4)]
    attrs = {"compute_uv": d.chance(0.6), "full_matrices": d.chance(0.3)}
    out = d.node(d.op, [d.put(d.values(dtype, shape, wild=False), dtype)], **attrs)
    loose(d)
    if not attrs["compute_uv"] or attrs["full_matrices"]:
        d.fetch(out[0])
    else:
        d.compare = lambda name, got, want: None if np.allclose(np.abs(got), np.abs(want), 1e-2, 2e-3) else f"{name}: {got} wanted {want}"


@draws("SelfAdjointEigV2")
def eig(d):
    dtype = d.type("T", of=FLOATS + COMPLEXES)
    a = square(d, dtype)[0]
    a = a + np.conj(np.swapaxes(a, -1, -2))
    vectors = d.chance(0.5)
    out = d.node(d.op, [d.put(a)], compute_v=vectors)
    loose(d)
    d.compare = None if not vectors else lambda name, got, want: None if np.allclose(np.abs(got), np.abs(want), 1e-2, 2e-3) else f"{name}: {got} wanted {want}"
    if not vectors:
        d.fetch(out[0])


def same_set(name, got, want):
    """Of one order in TensorFlow and of another here: each value has its own near it."""
    for g, w in zip(got.reshape(-1, got.shape[-1]), want.reshape(-1, want.shape[-1])):
        left = list(g)
        for value in w:
            near = min(range(len(left)), key=lambda i: abs(left[i] - value))
            if abs(left.pop(near) - value) > 2e-2 * (1 + np.abs(w).max()):
                return f"{name}: {g} wanted {w}"
    return None


@draws("Eig")
def general_eig(d):
    """The eigenvalues, and that A V - V E is zero: vectors may have any phase."""
    dtype = d.type("T", of=("float32", "float64") + COMPLEXES)
    out = "complex128" if dtype in ("float64", "complex128") else "complex64"
    a = square(d, dtype)[0]
    vectors = d.chance(0.6)
    x = d.put(a)
    e, v = d.node(d.op, [x], fetch=False, Tout=out, compute_v=vectors)
    d.compare = same_set
    if not vectors or not a.size:
        return d.fetch(e)
    wide = x if dtype == out else d.node("Cast", [x], fetch=False, SrcT=dtype, DstT=out)[0]
    product = d.node("BatchMatMulV2", [wide, v], fetch=False)[0]
    scaled = d.node("Mul", [v, d.node("ExpandDims", [e, d.put(np.asarray(-2, np.int32))], fetch=False)[0]], fetch=False)[0]
    d.node("Sub", [product, scaled])


@draws("SparseMatMul")
def sparse_matmul(d):
    a, b = d.one("float32", "bfloat16"), d.one("float32", "bfloat16")
    m, k, n = (d.int(1, 6) for _ in range(3))
    ta, tb = d.chance(0.4), d.chance(0.4)
    x, y = d.values(a, [k, m] if ta else [m, k], wild=False), d.values(b, [n, k] if tb else [k, n], wild=False)
    x = np.where(d.rng.random(x.shape) < 0.5, np.zeros_like(x), x)
    d.scaled, d.tolerance = True, {"float32": (1e-2, 1e-2)} if "bfloat16" in (a, b) else {}
    d.node(d.op, [d.put(x), d.put(y)], transpose_a=ta, transpose_b=tb, a_is_sparse=d.chance(0.5), b_is_sparse=d.chance(0.5))


@draws("TridiagonalMatMul")
def tridiagonal_matmul(d):
    dtype, lead, n = d.type("T", of=FLOATS + COMPLEXES), d.shape(most_rank=2, most=3), d.int(1, 5)
    loose(d)
    d.node(d.op, [d.put(d.values(dtype, lead + [1, n], wild=False), dtype) for _ in range(3)] + [d.put(d.values(dtype, lead + [n, d.int(1, 3)], wild=False), dtype)])


@draws("TridiagonalSolve")
def tridiagonal_solve(d):
    dtype, lead, n = d.type("T", of=FLOATS + COMPLEXES), d.shape(most_rank=2, most=3), d.int(1, 5)
    a = d.values(dtype, lead + [3, n], -1, 1, False)
    a[..., 1, :] += 4
    loose(d)
    attrs = {"partial_pivoting": d.chance(0.6)} if d.chance(0.7) else {}
    if d.chance(0.2):
        attrs["perturb_singular"] = d.chance(0.7)
        if attrs["perturb_singular"] and d.chance(0.8):
            attrs["partial_pivoting"] = True
            if d.chance(0.5):  # singular, and of numbers that make no rounding
                a = d.values(dtype, lead + [3, n], 0, 2, False)
                a = np.round(a.real).astype(dtype)
                a[..., 2, :] = 0
    d.node(d.op, [d.put(a), d.put(d.values(dtype, lead + [n, d.int(1, 3)], wild=False), dtype)], **attrs)


@draws("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
def batch_norm(d):
    dtype = "float32" if d.op == "FusedBatchNorm" else d.type("T")
    channels = d.int(1, 4)
    deep = d.op == "FusedBatchNormV3" and d.chance(0.25)
    shape = [d.int(1, 3)] + [d.int(1, 4) for _ in range(3 if deep else 2)] + [channels]
    training = d.chance(0.4)
    attrs = {"is_training": training}
    if d.chance(0.5):
        attrs["epsilon"] = d.one(1e-3, 1e-2)
    if deep or d.chance(0.3):
        first = d.chance(0.6)
        attrs["data_format"] = ("NCDHW" if deep else "NCHW") if first else "NDHWC" if deep else "NHWC"
        shape = shape[:1] + shape[-1:] + shape[1:-1] if first else shape
    if training and d.chance(0.3):
        attrs["exponential_avg_factor"] = d.one(1.0, 0.5)
    side = lambda low, high: d.put(d.values("float32", [channels if d.chance(0.99) else channels + 1], low, high, False))
    mean, variance = side(-1, 1), side(0.3, 2)
    if training and attrs.get("exponential_avg_factor", 1.0) == 1.0:
        mean = variance = d.put(np.zeros([0], np.float32))
    out = d.node(d.op, [d.put(d.values(dtype, shape, wild=False), dtype), side(0.5, 2), side(-1, 1), mean, variance], **attrs)
    d.tolerance = {"float16": (2e-2, 2e-2), "bfloat16": (6e-2, 6e-2), "float32": (1e-3, 1e-3)}
    d.fetch(out[:3] if not training else out[:5])


@draws("LRN")
def lrn(d):
    dtype = d.type("T")
    attrs = {k: v for k, v in (("depth_radius", d.int(0, 4)), ("bias", d.one(1.0, 0.5)), ("alpha", d.one(0.1, 1.0)), ("beta", d.one(0.5, 0.75, 1.0)))
             if d.chance(0.6)}
    d.tolerance = {"float16": (2e-2, 2e-2), "bfloat16": (6e-2, 6e-2)}
    d.node(d.op, [d.put(d.values(dtype, d.shape(rank=4), wild=False), dtype)], **attrs)
