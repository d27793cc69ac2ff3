"""tf.Example and tf.SequenceExample, from their bytes or as JSON."""
import json
import base64

import numpy as np
from google.protobuf import message
from tensorflow.core.example import example_pb2

from draws.draw import draws

TYPES = ("float32", "int64", "string")
KEYS = ("a", "b", "c", "ident", "x/y", "\u00e9")


def values_of(d, dtype, n):
    if dtype == "string":
        return [d.one(b"", b"a", b"xyz", b"\xff\xfe", b"hello") for _ in range(n)]
    if dtype == "int64":
        return [d.int(-9, 9) if d.chance(0.9) else d.int(-(1 << 62), 1 << 62) for _ in range(n)]
    return [float(np.float32(d.rng.uniform(-3, 3))) for _ in range(n)]


def fill(feature, dtype, values):
    field = {"float32": feature.float_list, "int64": feature.int64_list, "string": feature.bytes_list}[dtype]
    field.SetInParent()
    field.value.extend(values)


class Plan:
    """What the op asks for: sparse {key: dtype}, dense {key: (dtype, shape, default or None)}, ragged {key: (dtype, splits)}."""

    def __init__(self, d, ragged=False):
        keys = [KEYS[i] for i in d.rng.permutation(len(KEYS))]
        self.sparse = {keys.pop(): d.one(*TYPES) for _ in range(d.int(0, 2))}
        self.dense, self.ragged = {}, {}
        for _ in range(d.int(0, 2)):
            dtype, shape = d.one(*TYPES), [d.int(1, 3) for _ in range(d.int(0, 2))]
            if d.chance(0.2):
                shape = [-1] + shape[1:]
            default = None
            if d.chance(0.7):
                default = values_of(d, dtype, int(np.prod(shape)) if shape[:1] != [-1] else 1)
            self.dense[keys.pop()] = (dtype, shape, default)
        if ragged:
            self.ragged = {keys.pop(): (d.one(*TYPES), d.one("int32", "int64")) for _ in range(d.int(0, 2))}

    def default(self, d, key):
        """The default as a tensor: without elements where there is none."""
        dtype, shape, default = self.dense[key]
        kind = object if dtype == "string" else dtype
        if default is None:
            return d.put(np.zeros([0], kind), dtype)
        array = np.empty(len(default), object) if dtype == "string" else None
        if array is not None:
            array[:] = default
        else:
            array = np.array(default, dtype)
        return d.put(array.reshape([] if shape[:1] == [-1] else shape), dtype)


def feature_of(d, plan, key):
    """[dtype, values] that fits, mostly; None where there is none."""
    if d.chance(0.2 if plan.dense.get(key, [0, 0, 0])[2] is not None or key not in plan.dense else 0.03):
        return None
    if key in plan.dense:
        dtype, shape, _ = plan.dense[key]
        n = int(np.prod(shape[1:])) * d.int(0, 3) if shape[:1] == [-1] else int(np.prod(shape))
        n += 0 if d.chance(0.98) else 1
    else:
        dtype, n = plan.sparse[key] if key in plan.sparse else plan.ragged[key][0], d.int(0, 3)
    if d.chance(0.02):
        dtype = d.one(*TYPES)
    return dtype, values_of(d, dtype, n)


def example(d, plan):
    out = example_pb2.Example()
    keys = [*plan.sparse, *plan.dense, *plan.ragged]
    for key in keys:
        found = feature_of(d, plan, key)
        if found:
            fill(out.features.feature[key], *found)
    if d.chance(0.3):
        fill(out.features.feature["unused"], "int64", [1, 2])
    if keys and d.chance(0.05):
        out.features.feature[keys[0]].SetInParent()  # a feature of no kind
    raw = out.SerializeToString()
    return raw if d.chance(0.98) else raw[:-1] if d.chance(0.5) else raw + b"\x0b"


def several(d, plan, make=None):
    raws = [(make or example)(d, plan) for _ in range(d.size(3))]
    array = np.empty(len(raws), object)
    array[:] = raws
    return array


def words(*items):
    array = np.empty(len(items), object)
    array[:] = [i.encode() for i in items]
    return array


def keys_scalar(keys, d):
    return [d.const(np.array(k.encode(), object)) for k in keys]


@draws("ParseExample")
def parse_example(d):
    plan = Plan(d)
    raws = several(d, plan)
    names = words(*[f"n{i}" for i in range(len(raws))]) if d.chance(0.3) else words()
    if not plan.sparse and not plan.dense:
        plan.sparse["a"] = "int64"
    d.node(d.op, [d.put(raws, fed=0), d.put(names), keys_scalar(plan.sparse, d), keys_scalar(plan.dense, d),
                  [plan.default(d, k) for k in plan.dense]], sparse_types=list(plan.sparse.values()),
           Tdense=[v[0] for v in plan.dense.values()], dense_shapes=[v[1] for v in plan.dense.values()])


@draws("ParseExampleV2", weight=2)
def parse_example_v2(d):
    plan = Plan(d, ragged=True)
    if not plan.sparse and not plan.dense and not plan.ragged:
        plan.ragged["a"] = ("int64", "int64")
    raws = several(d, plan)
    if d.chance(0.2):
        raws = np.array(example(d, plan), object)
    names = words(*[f"n{i}" for i in range(raws.size)]) if d.chance(0.2) and raws.ndim else words()
    d.node(d.op, [d.put(raws, fed=0), d.put(names), d.const(words(*plan.sparse)), d.const(words(*plan.dense)), d.const(words(*plan.ragged)),
                  [plan.default(d, k) for k in plan.dense]], num_sparse=len(plan.sparse), sparse_types=list(plan.sparse.values()),
           ragged_value_types=[v[0] for v in plan.ragged.values()], ragged_split_types=[v[1] for v in plan.ragged.values()],
           Tdense=[v[0] for v in plan.dense.values()], dense_shapes=[v[1] for v in plan.dense.values()])


@draws("ParseSingleExample")
def parse_single(d):
    plan = Plan(d)
    if not plan.sparse and not plan.dense:
        plan.sparse["a"] = "int64"
    d.node(d.op, [d.put(np.array(example(d, plan), object), fed=0), [plan.default(d, k) for k in plan.dense]], num_sparse=len(plan.sparse),
           sparse_keys=list(plan.sparse), sparse_types=list(plan.sparse.values()), dense_keys=list(plan.dense),
           Tdense=[v[0] for v in plan.dense.values()], dense_shapes=[v[1] for v in plan.dense.values()])


def sequence(d, plan, lists, empty):
    """A SequenceExample; dense lists of `empty` may be missing."""
    out = example_pb2.SequenceExample()
    for key in (*plan.sparse, *plan.dense, *plan.ragged):
        found = feature_of(d, plan, key)
        if found:
            fill(out.context.feature[key], *found)
    for key in (*lists.sparse, *lists.dense, *lists.ragged):
        if d.chance(0.02 if key in lists.dense and key not in empty else 0.15):
            continue
        feature_list = out.feature_lists.feature_list[key]
        feature_list.SetInParent()
        for _ in range(d.int(0, 3)):
            dtype = lists.sparse.get(key) or (lists.dense.get(key) or lists.ragged.get(key))[0]
            n = int(np.prod(lists.dense[key][1])) if key in lists.dense else d.int(0, 2)
            fill(feature_list.feature.add(), dtype, values_of(d, dtype, n + (0 if d.chance(0.99) else 1)))
    return out.SerializeToString()


def sequence_plans(d, ragged=False):
    plan, lists = Plan(d, ragged), Plan(d, ragged)
    if not any((plan.sparse, plan.dense, plan.ragged, lists.sparse, lists.dense, lists.ragged)):
        plan.sparse["a"] = "int64"
    lists.dense = {k: (t, [abs(s) for s in shape], [0]) for k, (t, shape, _) in lists.dense.items()}
    return plan, lists, [k for k in lists.dense if d.chance(0.3)]


def sequence_types(plan, lists):
    return {"context_sparse_types": list(plan.sparse.values()), "Tcontext_dense": [v[0] for v in plan.dense.values()],
            "context_dense_shapes": [v[1] for v in plan.dense.values()], "feature_list_sparse_types": list(lists.sparse.values()),
            "feature_list_dense_types": [v[0] for v in lists.dense.values()], "feature_list_dense_shapes": [v[1] for v in lists.dense.values()]}


@draws("ParseSingleSequenceExample")
def parse_sequence(d):
    plan, lists, empty = sequence_plans(d)
    raw = sequence(d, plan, lists, empty)
    d.node(d.op, [d.put(np.array(raw, object), fed=0), d.const(words(*empty)), keys_scalar(plan.sparse, d), keys_scalar(plan.dense, d),
                  keys_scalar(lists.sparse, d), keys_scalar(lists.dense, d), [plan.default(d, k) for k in plan.dense],
                  d.const(np.array(b"name", object))], **sequence_types(plan, lists))


def sequences(d, plan, lists, empty):
    """Of how many dimensions; serialized ones, and their names."""
    raws = several(d, plan, lambda d, plan: sequence(d, plan, lists, empty))
    if d.chance(0.25):
        raws = np.array(sequence(d, plan, lists, empty), object)
    if raws.size and d.chance(0.03):
        raws.ravel()[0] = raws.ravel()[0][:-1]
    names = [f"n{i}" for i in range(raws.size)] if d.chance(0.2) else []
    return raws.ndim, d.put(raws, fed=0), d.const(np.array(names[0].encode(), object) if names and not raws.ndim else words(*names))


@draws("ParseSequenceExample")
def parse_sequences(d):
    plan, lists, empty = sequence_plans(d)
    d.node(d.op, [*sequences(d, plan, lists, empty)[1:], [plan.default(d, k) for k in plan.dense]], feature_list_dense_missing_assumed_empty=empty,
           context_sparse_keys=list(plan.sparse), context_dense_keys=list(plan.dense), feature_list_sparse_keys=list(lists.sparse),
           feature_list_dense_keys=list(lists.dense), Ncontext_sparse=len(plan.sparse), Ncontext_dense=len(plan.dense),
           Nfeature_list_sparse=len(lists.sparse), Nfeature_list_dense=len(lists.dense), **sequence_types(plan, lists))


@draws("ParseSequenceExampleV2", weight=2)
def parse_sequences_v2(d):
    plan, lists, empty = sequence_plans(d, ragged=True)
    keys = [d.const(words(*k)) for k in (plan.sparse, plan.dense, plan.ragged, lists.sparse, lists.dense, lists.ragged)]
    rank, raws, names = sequences(d, plan, lists, empty)
    out = d.node(d.op, [raws, names, *keys, d.const(np.array([k in empty for k in lists.dense], bool)),
                  [plan.default(d, k) for k in plan.dense]], Ncontext_sparse=len(plan.sparse), Nfeature_list_sparse=len(lists.sparse),
           Nfeature_list_dense=len(lists.dense), context_ragged_value_types=[v[0] for v in plan.ragged.values()],
           context_ragged_split_types=[v[1] for v in plan.ragged.values()], feature_list_ragged_value_types=[v[0] for v in lists.ragged.values()],
           feature_list_ragged_split_types=[v[1] for v in lists.ragged.values()], **sequence_types(plan, lists))
    if rank == 0:  # outer splits that TensorFlow never wrote
        context, flat = 3 * len(plan.sparse) + len(plan.dense) + len(plan.ragged), len(lists.ragged)
        d.fetch(*[o for i, o in enumerate(out) if not (context <= i < context + len(plan.ragged) or len(out) - 2 * flat <= i < len(out) - flat)] or
                [d.node("Rank", [raws], fetch=False)[0]])


@draws("DecodeJSONExample")
def decode_json(d):
    def one():
        features = {}
        for key in d.some(KEYS[:3]):
            kind = d.one("bytesList", "floatList", "int64List", "int64_list", "float_list")
            n = d.int(0, 3)
            if kind.startswith("bytes"):
                values = [base64.b64encode(d.rng.bytes(d.int(0, 5))).decode() for _ in range(n)]
            elif kind.startswith("float"):
                values = [d.one(1.5, -2, 0.1, "NaN", "-Infinity", 1e10) for _ in range(n)]
            else:
                values = [d.one(1, "-7", 1 << 40, str(-(1 << 62)), 0) for _ in range(n)]
            features[key] = {kind: {"value": values}}
        text = json.dumps({"features": {"feature": features}} if features or d.chance(0.5) else {}, indent=d.one(None, 1))
        return text.encode() if d.chance(0.97) else text[:-1].encode()
    shape = d.shape(most_rank=2, most=3)
    out = np.empty(shape, object)
    for i in np.ndindex(*shape):
        out[i] = one()
    d.compare = same_example
    d.node(d.op, [d.put(out)])


def parsed(text):
    """.npy took zeros off the end."""
    for zeros in range(16):
        try:
            return example_pb2.Example.FromString(bytes(text) + bytes(zeros))
        except message.DecodeError:
            pass
    return text


def same_example(name, got, want):
    """Maps have no order."""
    for a, b in zip(got.ravel(), np.asarray(want, object).ravel()):
        if a != b and parsed(a) != parsed(b):
            return f"{name}: {bytes(a)!r} wanted {b!r}"
    return None
