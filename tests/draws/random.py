"""Random numbers: those of given seeds are TensorFlow's own."""
import numpy as np

from draws.draw import FLOATS, INTS, draws
from draws.variables import by_handle, read


def seeds(d):
    """Seeds of a stateful op; not both 0, or nothing is to be compared."""
    attrs = {"seed": d.one(1, 42, d.int(0, 1 << 40), -7)} if d.chance(0.85) else {}
    if not attrs or d.chance(0.7):
        attrs["seed2"] = d.one(1, 87654321, d.int(1, 1 << 40), -3)
    return attrs


def size_vector(d, index, most=6):
    """A shape as a vector, now and then long, as numbers are drawn in groups."""
    shape = d.shape(most_rank=4) if d.chance(0.85) else [d.int(200, 700)]
    if d.chance(0.02) and shape:
        shape[0] = -1
    return np.array(shape, index)


def close_enough(d):
    d.tolerance = {"float16": (4e-3, 2e-3), "bfloat16": (2e-2, 1e-2), "float32": (1e-4, 1e-5), "float64": (1e-10, 1e-12)}


@draws("RandomStandardNormal", "RandomUniform", "TruncatedNormal")
def stateful(d):
    dtype, index = d.type("dtype"), d.one("int32", "int64")
    close_enough(d)
    d.node(d.op, [d.put(size_vector(d, index))], dtype=dtype, **seeds(d))


def bounds(d, dtype):
    low = d.one(0, d.int(-99, 99), d.int(-(1 << 31), 0))
    high = low + d.one(1, 2, 10, d.int(1, 1 << 20), (1 << 31) - 1 - low if low >= 0 else 1)
    if d.chance(0.05):
        low, high = high, low
    return [d.put(np.array(low, dtype)), d.put(np.array(high, dtype))]


@draws("RandomUniformInt")
def uniform_int(d):
    dtype = d.type("Tout")
    d.node(d.op, [d.put(size_vector(d, d.one("int32", "int64")))] + bounds(d, dtype), **seeds(d))


@draws("RandomShuffle")
def shuffle(d):
    dtype = d.type("T")
    shape = d.shape(most_rank=3, most=9)
    d.node(d.op, [d.put(d.values(dtype, shape), dtype)], **seeds(d))


def seed_of(d):
    index = d.one("int32", "int64")
    seed = d.values(index, [2 if d.chance(0.98) else 3], wild=False) if d.chance(0.5) else d.rng.integers(-(1 << 31), 1 << 31, 2).astype(index)
    return d.put(seed)


@draws("StatelessRandomNormal", "StatelessRandomUniform", "StatelessTruncatedNormal", "StatelessRandomUniformFullInt")
def stateless(d):
    dtype = d.type("dtype")
    close_enough(d)
    d.node(d.op, [d.put(size_vector(d, d.one("int32", "int64"))), seed_of(d)], dtype=dtype)


@draws("StatelessRandomUniformInt")
def stateless_int(d):
    dtype = d.type("dtype")
    d.node(d.op, [d.put(size_vector(d, d.one("int32", "int64"))), seed_of(d)] + bounds(d, dtype))


def generator(d):
    """[key, counter, algorithm]"""
    alg = d.one(1, 1, 1, 2, 3)
    key = d.rng.integers(0, 1 << 63, [1], np.uint64)
    counter = d.rng.integers(0, 1 << 63, [1 if alg == 2 else 2], np.uint64)
    if d.chance(0.02):
        alg = d.one(0, 4)
    if d.chance(0.02):
        counter = counter[:0]
    return [d.put(key), d.put(counter), d.put(np.array(alg, np.int32))]


@draws("RngReadAndSkip", "RngSkip")
def moved_on(d):
    size = d.one(3, 3, 3, 2)
    handle, last = by_handle(d, "int64", [size], d.rng.integers(-1 << 63, (1 << 63) - 1, [size], np.int64))
    whole = np.int64 if d.op == "RngSkip" else np.int32
    delta = d.rng.integers(0, 1 << d.one(4, 20, 62), [], np.int64)
    out = d.node(d.op, [handle, d.put(np.array(d.one(1, 1, 3), whole)), d.put(delta if d.op == "RngSkip" else delta.astype(np.uint64))],
                 controls=last, fetch=False)
    d.fetch(*out, *read(d, handle, "int64", [d.graph.node[-1].name]))


@draws("StatefulStandardNormalV2", "StatefulTruncatedNormal", "StatefulUniform", "StatefulUniformFullInt", "StatefulUniformInt")
def of_state(d):
    dtype = d.type("dtype")
    handle, last = by_handle(d, "int64", [3], d.rng.integers(-1 << 63, (1 << 63) - 1, [3], np.int64))
    close_enough(d)
    range_ = bounds(d, dtype) if d.op == "StatefulUniformInt" else []
    out = d.node(d.op, [handle, d.put(np.array(1 if d.chance(0.97) else 2, np.int64)), d.put(size_vector(d, d.one("int32", "int64")))] + range_,
                 controls=last, fetch=False, dtype=dtype)
    d.fetch(*out, *read(d, handle, "int64", [d.graph.node[-1].name]))


@draws("StatelessRandomNormalV2", "StatelessRandomUniformV2", "StatelessTruncatedNormalV2", "StatelessRandomUniformFullIntV2")
def stateless_v2(d):
    dtype = d.type("dtype")
    close_enough(d)
    d.node(d.op, [d.put(size_vector(d, d.one("int32", "int64")))] + generator(d), dtype=dtype)


@draws("StatelessRandomUniformIntV2")
def stateless_int_v2(d):
    dtype = d.type("dtype")
    d.node(d.op, [d.put(size_vector(d, d.one("int32", "int64")))] + generator(d) + bounds(d, dtype))


@draws("StatelessShuffle")
def stateless_shuffle(d):
    dtype = d.type("T")
    d.node(d.op, [d.put(d.values(dtype, d.shape(most_rank=3, most=9)), dtype)] + generator(d))


@draws("StatelessRandomGetKeyCounter", "StatelessRandomGetKeyCounterAlg")
def key_counter(d):
    d.node(d.op, [seed_of(d)])


@draws("RandomIndexShuffle")
def index_shuffle(d):
    dtype, seed = d.type("dtype"), d.one("int32", "int64", "uint32", "uint64")
    top = d.int(0, 50) if d.chance(0.7) else d.int(0, 1 << 30)
    shape = [] if d.chance(0.4) else [d.size()]
    index = d.values(dtype, shape, 0, min(top, 99) + (0 if d.chance(0.96) else 2), False)
    key = d.values(seed, [3] if not shape or d.chance(0.6) else shape + [3], 0, 99, False)
    attrs = {"rounds": d.int(2, 6) * 2} if d.chance(0.6) else {}
    # A seed's shape is known, or nothing of it: TensorFlow refuses -1 in it.
    d.node(d.op, [d.put(index), d.put(key, exact=1), d.put(np.array(top, dtype) if not shape or d.chance(0.6) else np.full(shape, top, dtype))], **attrs)


@draws("Multinomial", "StatelessMultinomial")
def multinomial(d):
    dtype = d.type("T")
    logits = d.values(dtype, [d.size(4), d.size(6)], wild=False)
    if d.chance(0.2) and logits.size:
        logits[0, 0] = -np.inf
    names = [d.put(logits), d.put(np.array(d.int(0, 9) if d.chance(0.97) else -1, np.int32))]
    attrs = {"output_dtype": d.one("int32", "int64")} if d.chance(0.6) else {}
    if d.op == "Multinomial":
        d.node(d.op, names, **attrs, **seeds(d))
    else:
        d.node(d.op, names + [seed_of(d)], **attrs)


@draws("SobolSample")
def sobol(d):
    dtype = d.type("dtype")
    pick = lambda low, high: d.put(np.array(d.int(low, high), np.int32))
    d.node(d.op, [pick(1 if d.chance(0.97) else 0, 8) if d.chance(0.9) else pick(8, 1111), pick(1 if d.chance(0.95) else -1, 12),
                  pick(0, 40)], dtype=dtype)


@draws("StatelessParameterizedTruncatedNormal")
def parameterized(d):
    dtype = d.type("dtype")
    out = [d.int(1, 4) for _ in range(d.int(1, 3))]
    many = lambda low, high: d.values(dtype, d.like(out) if d.chance(0.5) else [], low, high, False)
    low = many(-3, 0) if d.chance(0.7) else many(1, 3) if d.chance(0.5) else many(-9, -5)
    close_enough(d)
    d.node(d.op, [d.put(np.array(out, d.one("int32", "int64"))), seed_of(d), d.put(many(-1, 1)), d.put(many(0.3, 2)), d.put(low),
                  d.put(np.array(float(np.max(low)) + d.one(0.5, 2.0, 20.0), dtype))])


def rates(d, dtype):
    top = d.one(3, 30, 500)  # below 10 by another way
    return d.values(dtype, d.shape(most_rank=2), 0, top, False)


@draws("RandomGamma", "RandomPoissonV2")
def sampled(d):
    attr = "T" if d.op == "RandomGamma" else "R"
    dtype = d.type(attr)
    parameters = d.values(dtype, d.shape(most_rank=2), 0.5, 4, False) if attr == "T" else rates(d, dtype)
    close_enough(d)
    attrs = {"dtype": d.type("dtype")} if attr == "R" else {}
    d.node(d.op, [d.put(np.array([d.int(0, 4) for _ in range(d.int(0, 2))], d.one("int32", "int64"))), d.put(parameters)], **attrs, **seeds(d))


@draws("StatefulRandomBinomial", "StatelessRandomBinomial")
def binomial(d):
    dtype, each = d.type("T"), d.shape(most_rank=2, empty=0)
    counts = np.floor(d.values(dtype, d.like(each), -1, d.one(9, 60, 900), False))
    chances = d.rng.uniform(0, 1, d.like(each)).astype(dtype)
    if chances.size and d.chance(0.1):
        chances.ravel()[0] = d.one(0, 1, 0.5)
    both = list(np.broadcast_shapes(counts.shape, chances.shape))
    shape = np.array([d.int(1, 4) for _ in range(d.int(0, 2))] + both, np.int32)  # TensorFlow reads int64 as int32
    parameters = [d.put(counts.astype(dtype)), d.put(chances)]
    if d.op == "StatelessRandomBinomial":
        d.node(d.op, [d.put(shape), seed_of(d), *parameters], dtype=d.type("dtype"))
        return
    handle, last = by_handle(d, "int64", [3], d.rng.integers(-1 << 63, (1 << 63) - 1, [3], np.int64))
    # TensorFlow moves the state on where it lay: lost where the bytes are shared with what was assigned. In functions it
    # leaves out what adds zeros.
    d.node("AssignAddVariableOp", [handle, d.const(np.ones(3, np.int64))], controls=last, fetch=False, dtype="int64")
    last = [d.graph.node[-1].name]
    out = d.node(d.op, [handle, d.put(np.array(1, np.int64)), d.put(shape), *parameters], controls=last, fetch=False, dtype=d.type("dtype"))
    d.fetch(*out, *read(d, handle, "int64", [d.graph.node[-1].name]))


@draws("StatelessRandomPoisson")
def poisson(d):
    rate = rates(d, d.type("Rtype"))
    shape = [d.int(0, 4) for _ in range(d.int(0, 2))] + list(rate.shape)
    if d.chance(0.03):
        shape = shape + [3]
    d.node(d.op, [d.put(np.array(shape, d.one("int32", "int64"))), seed_of(d), d.put(rate)], dtype=d.type("dtype"))


@draws("StatelessRandomGammaV2")
def gamma(d):
    dtype = d.type("dtype")
    out = [d.int(0, 4) for _ in range(d.int(0, 2))]
    alpha = d.values(dtype, d.shape(most_rank=2), 0.05, 4, False)
    if dtype == "float16":
        alpha = np.maximum(alpha, np.array(0.5, dtype))  # powers below that are rounded otherwise
    close_enough(d)
    shape = np.array(out + list(alpha.shape), d.one("int32", "int64"))
    d.node(d.op, [d.put(shape), seed_of(d), d.put(alpha)])
