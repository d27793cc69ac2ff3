"""One random legal (or nearly legal) use of an op: a GraphDef with its inputs and fetches. draws/*.py fill it, a
function a family; ../differential.py runs it. Everything drawn comes from d.rng, so that a draw is its seed.

    @draws("Cross")
    def cross(d):
        dtype = d.type("T")
        shape = d.shape() + [3]
        d.node(d.op, [d.put(d.values(dtype, shape)), d.put(d.values(dtype, shape))])

The outputs of the last node are fetched, unless d.fetch() says otherwise.
"""
import functools

import ml_dtypes
import numpy as np
from tensorflow.core.framework import attr_value_pb2, graph_pb2, op_def_pb2, types_pb2
from tensorflow.python.framework import dtypes, kernels, op_def_registry

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
QUANTIZED = {"qint8": np.int8, "quint8": np.uint8, "qint16": np.int16, "quint16": np.uint16, "qint32": np.int32}
FLOATS = ("float16", "bfloat16", "float32", "float64")
INTS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
COMPLEXES = ("complex64", "complex128")
KNOWN = FLOATS + INTS + COMPLEXES + ("bool", "string") + tuple(QUANTIZED)
UNFETCHABLE = ("resource", "variant")

TABLE = {}  # op: generators


def draws(*ops, weight=1):
    """Says that a function draws these ops."""
    def add(function):
        for op in ops:
            TABLE.setdefault(op, []).extend([function] * weight)
        return function
    return add


def carrier(dtype):
    """The numpy dtype that holds elements of a TensorFlow dtype, given by name."""
    if dtype in QUANTIZED:
        return np.dtype(QUANTIZED[dtype])
    return BFLOAT16 if dtype == "bfloat16" else np.dtype(object) if dtype == "string" else np.dtype(dtype)


def enum(dtype):
    return dtypes.as_dtype(dtype).as_datatype_enum


def tensor_proto(array, dtype):
    proto = attr_value_pb2.AttrValue().tensor
    proto.dtype = enum(dtype)
    for size in np.shape(array):
        proto.tensor_shape.dim.add().size = size
    if dtype == "string":
        proto.string_val.extend(np.asarray(array, object).ravel().tolist())
    else:
        proto.tensor_content = np.ascontiguousarray(array).tobytes()
    return proto


@functools.cache
def allowed(op, attr):
    """The dtypes that the op's definition takes for an attribute."""
    for definition in op_def_registry.get(op).attr:
        if definition.name == attr and definition.allowed_values.list.type:
            return [n for n in (dtypes.as_dtype(t).name for t in definition.allowed_values.list.type) if n in KNOWN]
    return list(KNOWN)


@functools.cache
def kernel_types(op):
    """A dict {attribute: dtypes} a CPU kernel that TensorFlow has for op."""
    found = []
    for kernel in kernels.get_registered_kernels_for_op(op).kernel:
        if kernel.device_type == "CPU":
            found.append({c.name: [t for t in (dtypes.as_dtype(t).name for t in c.allowed_values.list.type)
                                   if t in allowed(op, c.name)] for c in kernel.constraint if c.allowed_values.list.type})
    return [types for types in found if all(types.values())]


class Draw:
    def __init__(self, op, rng):
        self.op, self.rng = op, rng
        self.graph = graph_pb2.GraphDef()
        self.graph.versions.producer = 2474
        self.feeds = {}    # tensor name: (array, dtype)
        self.fetches = []  # tensor names
        self.node_name = None
        self.tolerance = {}  # dtype: (rtol, atol), beside the usual ones
        self.scaled = False  # atol is of the largest number of an output: sums that cancel
        self.compare = None  # instead of the usual: f(name, got, want) gives a fault or None
        self.kernel = None
        self.berth_args = []
        self.long = True  # shapes may have a long dimension
        self.reference = None  # what TensorFlow runs instead of the graph

    # ---- Choices

    def one(self, *choices):
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, p):
        return bool(self.rng.random() < p)

    def int(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def some(self, choices, least=0):
        """A random subset in order."""
        n = self.int(least, len(choices))
        return [choices[i] for i in sorted(self.rng.permutation(len(choices))[:n])]

    def size(self, most=5, empty=0.03):
        return 0 if self.chance(empty) else self.int(1, most)

    def some_size(self, most, large):
        """Up to `most`, now and then up to `large`."""
        return self.int(1, most) if self.chance(0.85) else self.int(1, large)

    def shape(self, rank=None, most_rank=4, most=5, empty=0.03, beside=0):
        """Sizes; now and then of more dimensions than most_rank, as long as there is room for `beside` others."""
        if rank is None:
            more = 4 if most_rank >= 4 else 2
            rank = self.int(0, most_rank) if most_rank == 0 or not self.chance(0.03) else self.int(0, min(8 - beside, most_rank + more))
        most = most if rank <= 4 else min(most, 3)
        shape = [self.size(most, empty) for _ in range(rank)]
        if self.long and most_rank >= 3 and rank and self.chance(0.06):  # vectors and what is left over, several threads
            shape[self.int(0, rank - 1)] = self.one(self.int(6, 40), self.int(40, 300), self.int(300, 3000) if np.prod(shape) < 30 else 64)
        return shape

    def like(self, shape):
        """A shape that broadcasts with `shape`."""
        part = list(shape[self.int(0, len(shape)):]) if self.chance(0.4) else list(shape)
        return [1 if self.chance(0.25) else size for size in part]

    def type(self, attr="T", of=None):
        """A dtype that TensorFlow's CPU kernel takes for the attribute; later calls stay with the same kernel."""
        if self.kernel is None:
            found = kernel_types(self.op) or [{}]
            self.kernel = found[self.int(0, len(found) - 1)]
        choices = self.kernel.get(attr) or allowed(self.op, attr)
        if of is not None:
            choices = [t for t in choices if t in of]
            if not choices:
                found = [k for k in kernel_types(self.op) if set(k.get(attr, of)) & set(of)]
                self.kernel = found[self.int(0, len(found) - 1)]
                choices = [t for t in self.kernel.get(attr, of) if t in of]
        chosen = self.one(*choices)
        self.kernel = dict(self.kernel, **{attr: [chosen]})
        return chosen

    # ---- Values

    def values(self, dtype, shape, low=None, high=None, wild=True):
        """An array: small numbers; where wild, sometimes with NaN, infinities, extremes."""
        shape = tuple(shape)
        n = int(np.prod(shape, dtype=np.int64))
        if dtype == "string":
            return self.texts(shape)
        if dtype == "bool":
            return self.rng.random(shape) < 0.5
        kind = carrier(dtype)
        if dtype in FLOATS:
            low, high = -3 if low is None else low, 3 if high is None else high
            out = self.rng.uniform(low, high, shape)
            if self.chance(0.15):
                out = np.round(out)
            out = out.astype(kind)
            if wild and n and self.chance(0.12):
                special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30, -1e-30], kind)
                at = self.rng.random(shape) < 0.2
                out = np.where(at, special[self.rng.integers(0, len(special), shape)], out)
            return np.asarray(out, kind)
        if dtype in COMPLEXES:
            part = "float32" if dtype == "complex64" else "float64"
            return np.asarray(self.values(part, shape, low, high, False) +
                              1j * self.values(part, shape, low, high, False), kind)
        info = np.iinfo(kind)
        if low is None and high is None and wild and self.chance(0.1):
            return self.rng.integers(info.min, info.max, shape, kind, endpoint=True)
        low = max(info.min, -9 if low is None else low)
        high = min(info.max, 9 if high is None else high)
        return np.asarray(self.rng.integers(low, high + 1, shape), kind)

    WORDS = (b"", b"a", b"b", b"ab", b"abc", b"hello world", b" x ", b"A,b;c", b"\xc3\xa9t\xc3\xa9", b"12", b"-3.5",
             b"\xe6\x97\xa5\xe6\x9c\xac", b"\xff\xfe", b"Zz\n", b"the quick brown fox", b"0", b"TRUE", b"\xf0\x9f\x98\x80")

    def texts(self, shape, words=None, sep=b""):
        words = words or self.WORDS
        out = np.empty(shape, object)
        for i in np.ndindex(*shape):
            out[i] = sep.join(words[j] for j in self.rng.integers(0, len(words), self.int(1, 2)))
        return out

    # ---- The graph

    def add(self, op, name, inputs=(), controls=()):
        node = self.graph.node.add(op=op, name=name)
        node.input.extend(inputs)
        node.input.extend("^" + c.split(":")[0] for c in controls)
        return node

    def const(self, array, dtype=None):
        return self.put(array, dtype, fed=0)

    def fed(self, array, dtype=None):
        return self.put(array, dtype, fed=1)

    def put(self, array, dtype=None, fed=0.6, exact=0.4, ranked=False):
        """The name of a tensor with these elements: a constant, or an input whose shape is known in part (ranked: at least
        how many dimensions it has)."""
        array = np.asarray(array)
        if dtype is None:
            dtype = "string" if array.dtype == object else "bfloat16" if array.dtype == BFLOAT16 else array.dtype.name
        array = np.asarray(array, carrier(dtype))
        name = f"x{len(self.graph.node)}"
        if dtype == "string" and any(s.endswith(b"\0") for s in array.ravel()):
            fed = 0  # .npy cannot hold it
        if not self.chance(fed):
            node = self.add("Const", name)
            node.attr["dtype"].type = enum(dtype)
            node.attr["value"].tensor.CopyFrom(tensor_proto(array, dtype))
            return name + ":0"
        node = self.add("Placeholder", name)
        node.attr["dtype"].type = enum(dtype)
        known = node.attr["shape"].shape
        if self.chance(exact):
            for size in array.shape:
                known.dim.add().size = size
        elif ranked or self.chance(0.5):
            for size in array.shape:
                known.dim.add().size = -1 if self.chance(0.5) else size
        else:
            known.unknown_rank = True
        self.feeds[name + ":0"] = (array, dtype)
        return name + ":0"

    def node(self, op, inputs=(), name=None, controls=(), fetch=True, **attrs):
        """Adds a node; inputs are tensor names, or lists of them for list arguments. Type and number attributes are
        told from the inputs, others are given by name. Returns its outputs."""
        definition = op_def_registry.get(op)
        node = self.add(op, name or f"the_{op}_{len(self.graph.node)}")
        self.infer_attrs(definition, node, inputs, attrs)
        node.input.extend("^" + c.split(":")[0] for c in controls)
        for key, value in attrs.items():
            set_attr(node.attr[key], attr_type(definition, key), value)
        outs = []
        for arg in definition.output_arg:
            outs += [self.type_of_arg(arg, node)] * self.count_of_arg(arg, node) if not arg.type_list_attr else [
                dtypes.as_dtype(t).name for t in node.attr[arg.type_list_attr].list.type]
        names = [f"{node.name}:{i}" for i in range(len(outs))]
        if fetch:
            self.node_name = node.name
            self.fetches = [n for n, t in zip(names, outs) if t not in UNFETCHABLE]
        return names

    def channels_first(self, images=(0,), vectors=()):
        """Makes the last node, drawn with channels last, one with channels first. TensorFlow has no CPU kernel for that: there
        the node stays as it was, between transpositions. images, vectors: which inputs are such, or have a number for each
        dimension."""
        node = self.graph.node[-1]
        values = {i: self.array_of(node.input[i]) for i in (*images, *vectors)}
        rank = values[images[0]].ndim
        to_first, to_last = [0, rank - 1, *range(1, rank - 1)], [0, *range(2, rank), 1]
        whole, self.graph = self.graph, graph_pb2.GraphDef()
        self.graph.CopyFrom(whole)
        inner = self.graph.node[-1]
        inner.name += "_channels_last"
        for i in images:
            inner.input[i] = self.node("Transpose", [inner.input[i], self.const(np.array(to_last, np.int32))], fetch=False)[0]
        for i in vectors:
            inner.input[i] = self.node("Gather", [inner.input[i], self.const(np.array(to_last, np.int32))], fetch=False)[0]
        self.node("Transpose", [inner.name + ":0", self.const(np.array(to_first, np.int32))], name=node.name, fetch=False)
        self.reference, self.graph = self.graph, whole
        for i in images:
            self.put_array(node.input[i], values[i].transpose(to_first))
        for i in vectors:
            self.put_array(node.input[i], values[i][to_first])
        for key in {"strides", "dilations", "ksize"} & set(node.attr):
            node.attr[key].list.i[:] = [node.attr[key].list.i[k] for k in to_first]
        pads = node.attr["explicit_paddings"].list.i if "explicit_paddings" in node.attr else []
        if pads:
            pads[:] = [pads[2 * k + side] for k in to_first for side in (0, 1)]
        node.attr["data_format"].s = b"CHANNELS_FIRST" if node.op == "Conv" else b"NCHW" if rank == 4 else b"NCDHW"
        for one in self.reference.node:
            for known in (n for n in self.graph.node if n.name == one.name and n.op in ("Placeholder", "Const")):
                one.CopyFrom(known)

    def holder(self, tensor):
        return next(n for n in self.graph.node if n.name == tensor.split(":")[0])

    def array_of(self, tensor):
        """The elements of what put() has added."""
        node = self.holder(tensor)
        if tensor in self.feeds:
            return self.feeds[tensor][0]
        proto = node.attr["value"].tensor
        shape = [n.size for n in proto.tensor_shape.dim]
        return np.frombuffer(proto.tensor_content, carrier(dtypes.as_dtype(proto.dtype).name)).reshape(shape)

    def put_array(self, tensor, array):
        """Other elements of the same number of dimensions for it; of a shape that was known in part the rank stays."""
        node = self.holder(tensor)
        if tensor not in self.feeds:
            node.attr["value"].tensor.CopyFrom(tensor_proto(array, dtypes.as_dtype(node.attr["dtype"].type).name))
            return
        self.feeds[tensor] = (np.ascontiguousarray(array), self.feeds[tensor][1])
        known = node.attr["shape"].shape
        for dim, size in zip(known.dim, array.shape):
            dim.size = size if dim.size >= 0 else -1

    def fetch(self, *names):
        self.fetches = [n for name in names for n in ([name] if isinstance(name, str) else name)]

    def dtype_of(self, tensor):
        """The dtype, by name, of an output of a node added before."""
        name, index = tensor.split(":")
        node = next(n for n in self.graph.node if n.name == name)
        types = []
        for arg in op_def_registry.get(node.op).output_arg:
            if arg.type_list_attr:
                types += [dtypes.as_dtype(t).name for t in node.attr[arg.type_list_attr].list.type]
            else:
                types += [self.type_of_arg(arg, node)] * self.count_of_arg(arg, node)
        return types[int(index)]

    def infer_attrs(self, definition, node, inputs, attrs):
        for arg, given in zip(definition.input_arg, inputs):
            names = given if isinstance(given, (list, tuple)) else [given]
            node.input.extend(names)
            if arg.number_attr and arg.number_attr not in attrs:
                node.attr[arg.number_attr].i = len(names)
            if arg.type_list_attr and arg.type_list_attr not in attrs:
                node.attr[arg.type_list_attr].list.type.extend(enum(self.dtype_of(n)) for n in names)
            if arg.type_attr and arg.type_attr not in attrs and arg.type_attr not in node.attr and names:
                node.attr[arg.type_attr].type = enum(self.dtype_of(names[0]))

    @staticmethod
    def type_of_arg(arg, node):
        if arg.type_attr:
            if arg.type_attr in node.attr:
                return dtypes.as_dtype(node.attr[arg.type_attr].type).base_dtype.name
            for definition in op_def_registry.get(node.op).attr:
                if definition.name == arg.type_attr:
                    return dtypes.as_dtype(definition.default_value.type).name
        return dtypes.as_dtype(arg.type).base_dtype.name

    @staticmethod
    def count_of_arg(arg, node):
        return node.attr[arg.number_attr].i if arg.number_attr else 1


def add_function(library, name, args, outs):
    """A function, as yet without nodes. args: [(name, dtype)]; outs: [(dtype, tensor within)]."""
    made = library.function.add()
    made.signature.name = name
    for arg, dtype in args:
        made.signature.input_arg.add(name=arg, type=enum(dtype))
    for i, (dtype, tensor) in enumerate(outs):
        made.signature.output_arg.add(name=f"out{i}", type=enum(dtype))
        made.ret[f"out{i}"] = tensor
    return made


def attr_type(definition, key):
    for attr in definition.attr:
        if attr.name == key:
            return attr.type
    return "bool" if key.startswith("_") else "missing"


def set_attr(to, kind, value):
    if kind.startswith("list("):
        kind = kind[5:-1]
        field = to.list
        field.SetInParent()
        for one in value:
            if kind == "shape":
                set_shape(field.shape.add(), one)
            elif kind == "func":
                field.func.add().name = one
            else:
                {"int": field.i, "float": field.f, "bool": field.b, "type": field.type, "string": field.s}[kind].append(
                    enum(one) if kind == "type" else one.encode() if isinstance(one, str) else one)
    elif kind == "type":
        to.type = enum(value)
    elif kind == "shape":
        to.shape.SetInParent()
        set_shape(to.shape, value)
    elif kind == "tensor":
        to.tensor.CopyFrom(value)
    elif kind == "func":
        to.func.name = value
    elif kind == "string":
        to.s = value.encode() if isinstance(value, str) else value
    else:
        setattr(to, {"int": "i", "float": "f", "bool": "b"}[kind], value)


def set_shape(to, dims):
    if dims is None:
        to.unknown_rank = True
    else:
        for size in dims:
            to.dim.add().size = size
