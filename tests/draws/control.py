"""Control flow: branches and loops of TensorFlow 1 as frames, and of TensorFlow 2 as functions; calls; effects in order."""
import numpy as np

from draws.draw import KNOWN, add_function, draws, enum, set_attr, attr_type
from tensorflow.python.framework import op_def_registry

KINDS = ("float32", "float64", "int32", "int64")
BINARY = ("AddV2", "Sub", "Mul", "Maximum", "Minimum")
UNARY = ("Neg", "Abs", "Square", "Identity", "Sign")


def scalar(d, value, dtype="int32"):
    return d.put(np.array(value, dtype))


def calmed(d, at):
    """Keeps a value small, so that loops don't overflow."""
    dtype = d.dtype_of(at)
    return d.node("ClipByValue", [at, d.const(np.array(-9, dtype)), d.const(np.array(9, dtype))], fetch=False)[0]


def some_op(d, names):
    """A node over tensors of one dtype and shape, dead where the first of them is."""
    if d.chance(0.5):
        return calmed(d, d.node(d.one(*BINARY), [names[0], d.one(*names)], fetch=False)[0])
    return calmed(d, d.node(d.one(*UNARY), [names[0]], fetch=False)[0])


# ---- TensorFlow 1: Switch and Merge


@draws("Switch", "Merge")
def branches(d):
    dtype = d.one(*KINDS, "bool", "string") if d.chance(0.7) else d.one(*KNOWN)
    x = d.put(d.values(dtype, d.shape(most_rank=2), wild=False), dtype)
    pred = d.put(np.array(d.chance(0.5)) if d.chance(0.96) else np.array([True]))
    no, yes = d.node("Switch", [x, pred], fetch=False)
    if d.op == "Switch" and d.chance(0.3):
        d.fetch(d.one(no, yes))
        return
    sides = [no, yes]
    for i in range(2):
        if dtype in KINDS and d.chance(0.7):
            sides[i] = some_op(d, [sides[i], x] if d.chance(0.5) else [sides[i]])
        if d.chance(0.2):
            p = d.node("Switch", [sides[i], d.put(np.array(d.chance(0.5)))], fetch=False)
            sides[i] = d.node("Merge", [p if d.chance(0.7) else p[::-1]], fetch=False)[0]
    if d.chance(0.3):  # several ends that meet at once
        i = d.int(0, len(sides) - 1)
        sides[i:i + 1] = d.node("Switch", [sides[i], d.put(np.array(d.chance(0.5)))], fetch=False)
    order = d.rng.permutation(len(sides)).tolist() if d.chance(0.4) else range(len(sides))
    merged = d.node("Merge", [[sides[i] for i in order]], fetch=False)
    d.fetch(*merged)
    if d.chance(0.2):  # what waits for an end that may be dead
        d.fetch(*merged, *d.node("Identity", [merged[0]], controls=[d.one(*sides)] if d.chance(0.3) else [], fetch=False))


def loop(d, name, state, invariants, depth):
    """A while loop as a frame: a counter and these tensors; returns what comes out of it."""
    within = [] if depth == 2 else state[:1]  # constants of a loop inside belong to the frame around it
    start = lambda n: d.node("Const", fetch=False, controls=within, dtype="int32", value=number(n))[0]
    frame = {"frame_name": name, **({"parallel_iterations": d.one(1, 10)} if d.chance(0.4) else {})}
    enter = lambda t, **more: d.node("Enter", [t], fetch=False, **frame, **more)[0]
    limit = enter(scalar(d, d.int(0, 4)) if not within else start(d.int(0, 3)), is_constant=True)
    held = [enter(t, is_constant=True) for t in invariants]
    merges = []
    for at in [start(0)] + state:
        merge = d.add("Merge", f"{name}_merge_{len(d.graph.node)}", [enter(at), "later"])
        merge.attr["T"].type, merge.attr["N"].i = enum(d.dtype_of(at)), 2
        merges.append(merge)
    values = [m.name + ":0" for m in merges]
    less = d.node("Less", [values[0], limit], fetch=False)[0]
    go = d.node("LoopCond", [less], fetch=False)[0]
    sides = [d.node("Switch", [v, go], fetch=False) for v in values]
    inside = [d.node("Identity", [s[1]], fetch=False)[0] for s in sides]
    one = d.node("Const", fetch=False, controls=[inside[0]], dtype="int32", value=number(1))[0]
    after = [d.node("AddV2", [inside[0], one], fetch=False)[0]]
    body = inside[1:]
    if depth and d.chance(0.7):
        body = loop(d, name + "_in", body, [held[0]] if held and d.chance(0.5) else [], depth - 1)
    for at in body:
        if d.chance(0.3):
            picked = d.node("Switch", [at, d.node("Equal", [inside[0], one], fetch=False)[0]], fetch=False)
            at = d.node("Merge", [[some_in_frame(d, picked[0], []), picked[1]]], fetch=False)[0]
        after.append(some_in_frame(d, at, [t for t in held + body if d.dtype_of(t) == d.dtype_of(at)]))
    for merge, value in zip(merges, after):
        merge.input[1] = d.node("NextIteration", [value], fetch=False)[0]
    return [d.node("Exit", [s[0]], fetch=False)[0] for s in sides[1:]]


def number(n):
    from draws.draw import tensor_proto
    return tensor_proto(np.array(n, np.int32), "int32")


def some_in_frame(d, at, others):
    """As some_op, without constants: these would be outside of the frame. What doesn't come from `at` would never end."""
    if d.chance(0.5):
        return d.node(d.one("Maximum", "Minimum", "AddV2"), [at, d.one(at, *others)], fetch=False)[0]
    return d.node(d.one("Neg", "Abs", "Identity"), [at], fetch=False)[0]


@draws("Enter", "Exit", "LoopCond", "NextIteration", weight=2)
def frames(d):
    shape, dtype = d.shape(most_rank=2), d.one("float32", "int32", "float64")
    put = lambda: d.fed(d.values(dtype, shape, wild=False), dtype)
    state, invariants = [put() for _ in range(d.int(1, 2))], [put() for _ in range(d.int(0, 1))]
    d.fetch(*loop(d, "frame", state, invariants, 2))


@draws("Assert", "NoOp", "ControlTrigger", "Print", "PrintV2")
def effects(d):
    dtype = d.one(*KINDS)
    x = d.put(d.values(dtype, d.shape(most_rank=2), wild=False), dtype)
    if d.op == "Print":
        attrs = {"message": "here: "} if d.chance(0.5) else {}
        d.node(d.op, [x, [d.put(d.texts([2])), x][:d.int(0, 2)]], **attrs, **({"summarize": d.int(1, 5)} if d.chance(0.3) else {}), **({"first_n": d.int(-1, 2)} if d.chance(0.3) else {}))
        return
    if d.op == "Assert":
        ok = np.array(d.chance(0.7)) if d.chance(0.97) else np.array([True])
        attrs = {"summarize": d.one(-1, 1, 5)} if d.chance(0.5) else {}
        d.node(d.op, [d.put(ok), [x, d.put(d.texts([2]))][:d.int(1, 2)]], fetch=False, **attrs)
    elif d.op == "PrintV2":
        text = d.put(d.texts([]))
        d.node(d.op, [text], fetch=False, **({"output_stream": d.one("stderr", "stdout", "log(info)")} if d.chance(0.2) else {"output_stream": "log(info)"}))
    else:
        d.node(d.op, fetch=False, controls=[x] if d.chance(0.5) else [])
    d.fetch(*d.node("Identity", [x], controls=[d.graph.node[-1].name], fetch=False))


# ---- TensorFlow 2: functions


def function(d, name, args, nodes, outs):
    """Adds a function. nodes: [(op, name, inputs, attrs)]; the others as add_function has them."""
    made = add_function(d.graph.library, name, args, outs)
    for op, node_name, inputs, attrs in nodes:
        node = made.node_def.add(op=op, name=node_name)
        node.input.extend(inputs)
        for key, value in attrs.items():
            set_attr(node.attr[key], attr_type(op_def_registry.get(op), key), value)
    return name


OUT = {"AddV2": "z", "Sub": "z", "Mul": "z", "Maximum": "z", "Minimum": "z", "Neg": "y", "Abs": "y", "Square": "y", "Identity": "output", "Sign": "y"}


def arithmetic(d, name, types, kept=(), out=None):
    """A function of these args that gives as many, those of `kept` by themselves."""
    args = [(f"a{i}", t) for i, t in enumerate(types)]
    nodes, results = [], []
    for i, t in enumerate(types):
        at, same = f"a{i}", [a for a, k in args if k == t]
        if i not in kept and t in KINDS:
            for _ in range(d.int(0, 3)):
                op = d.one("AddV2", "Sub", "Maximum", "Minimum", "Neg", "Abs", "Identity")
                inputs = [at] if op in UNARY else [at, d.one(*same)]
                nodes.append((op, f"n{len(nodes)}", inputs, {"T": t}))
                at = f"n{len(nodes) - 1}:{OUT[op]}:0"
        results.append((t, at))
    return function(d, name, args, nodes, results if out is None else results[:out])


def arguments(d, least=1):
    shape, types = d.shape(most_rank=2), [d.one(*KINDS) for _ in range(d.int(least, 3))]
    return types, [d.put(d.values(t, shape, wild=False), t) for t in types]


@draws("BatchFunction")
def batch_function(d):
    n = d.int(1, 4)
    types = [d.one(*KINDS) for _ in range(d.int(1, 2))]
    inputs = [d.put(d.values(t, [n, 2], wild=False), t) for t in types]
    captured = [d.put(d.values(types[0], [2], wild=False), types[0])] if d.chance(0.5) else []
    args = [(f"a{i}", t) for i, t in enumerate(types)] + [("held", types[0])] * len(captured)
    f = function(d, "batched", args, [("AddV2", "sum", ["a0", "held" if captured else "a0"], {"T": types[0]})],
                 [(types[0], "sum:z:0")] + [(t, f"a{i}") for i, t in enumerate(types)])
    if d.chance(0.6):
        allowed = sorted(d.int(1, 8) for _ in range(d.int(1, 3))) + [8]
        sizes = {"allowed_batch_sizes": allowed if d.chance(0.9) else allowed[::-1], "max_batch_size": 8 if d.chance(0.9) else d.int(8, 10)}
    else:
        sizes = {"max_batch_size": d.int(n, 9)}
    more = {"enable_large_batch_splitting": d.chance(0.5)} if d.chance(0.5) else {}
    d.node(d.op, [inputs, captured], f=f, Tout=[types[0], *types], num_batch_threads=d.int(0, 2), batch_timeout_micros=0 if d.chance(0.95) else -1,
           **sizes, **more)


@draws("DeviceIndex", "FakeParam")
def which_device(d):
    if d.op == "DeviceIndex":
        d.node(d.op, device_names=d.some(["CPU", "GPU", "TPU"]))
    else:  # what it holds is not defined
        fake = d.node(d.op, fetch=False, dtype=d.one("float32", "int64", "bool", "complex64"), shape=d.shape())
        d.node("Shape", fake)


@draws("PartitionedCall", "StatefulPartitionedCall")
def call(d):
    types, inputs = arguments(d)
    f = arithmetic(d, "called", types)
    if d.chance(0.4):  # through another
        f = function(d, "outer", [(f"a{i}", t) for i, t in enumerate(types)],
                     [("PartitionedCall", "inner", [f"a{i}" for i in range(len(types))], {"Tin": types, "Tout": types, "f": f})],
                     [(t, f"inner:output:{i}") for i, t in enumerate(types)])
    d.node(d.op, [inputs], f=f, Tout=types)


def said(d, tensors):
    """The attribute that says the shapes of outputs that are like these tensors, now and then."""
    if d.chance(0.6):
        return {}
    shapes = [list(d.array_of(t).shape) for t in tensors]
    return {"output_shapes": [None if d.chance(0.3) else [-1 if d.chance(0.3) else n for n in s] for s in shapes]}


@draws("If", "StatelessIf")
def if_(d):
    types, inputs = arguments(d)
    kind = d.one("bool", "int32", "float32", "string", "int64", "float64")
    cond = d.put(d.values(kind, [] if d.chance(0.6) else d.shape(most_rank=2), -1, 1, False), kind)
    d.node(d.op, [cond, inputs], then_branch=arithmetic(d, "then", types), else_branch=arithmetic(d, "else", types), Tout=types, **said(d, inputs))


@draws("Case", "StatelessCase")
def case(d):
    types, inputs = arguments(d)
    n = d.int(1, 4)
    index = d.int(-2, n + 1)
    d.node(d.op, [scalar(d, index), inputs], branches=[arithmetic(d, f"branch_{i}", types) for i in range(n)], Tout=types, **said(d, inputs))


@draws("While", "StatelessWhile")
def while_(d):
    types, inputs = arguments(d)
    all_types = ["int32", "int32"] + types
    args = [(f"a{i}", t) for i, t in enumerate(all_types)]
    cond = function(d, "cond", args, [("Less", "less", ["a0", "a1"], {"T": "int32"})], [("bool", "less:z:0")])
    inner = arithmetic(d, "inner", all_types, kept=(0, 1))
    nodes = [("Const", "one", [], {"dtype": "int32", "value": number(1)}), ("AddV2", "next", ["a0", "one:output:0"], {"T": "int32"}),
             ("PartitionedCall", "call", [a for a, _ in args], {"Tin": all_types, "Tout": all_types, "f": inner})]
    outs = [("int32", "next:z:0")] + [(t, f"call:output:{i + 1}") for i, t in enumerate(all_types[1:])]
    body = function(d, "body", args, nodes, outs)
    attrs = {"parallel_iterations": d.one(1, 10)} if d.chance(0.3) else {}
    counts = [scalar(d, 0), scalar(d, d.int(0, 5))]
    d.node(d.op, [counts + inputs], cond=cond, body=body, **attrs, **said(d, counts + inputs))


@draws("For")
def for_(d):
    types, inputs = arguments(d)
    args = [("i", "int32")] + [(f"a{k}", t) for k, t in enumerate(types)]
    nodes, outs = [], []
    for k, t in enumerate(types):
        nodes += [("Cast", f"cast{k}", ["i"], {"SrcT": "int32", "DstT": t}),
                  (d.one("AddV2", "Sub", "Maximum"), f"n{k}", [f"a{k}", f"cast{k}:y:0"], {"T": t})]
        outs.append((t, f"n{k}:z:0"))
    body = function(d, "for_body", args, nodes, outs)
    start, limit, delta = d.int(-3, 3), d.int(-3, 5), d.one(1, 2, -1, -2, 1)
    if d.chance(0.8):
        delta = abs(delta) if limit >= start else -abs(delta)
    d.node(d.op, [scalar(d, start), scalar(d, limit), scalar(d, delta if d.chance(0.97) else 0), inputs], body=body)


@draws("MapDefun")
def map_defun(d):
    n, rest = d.size(4), d.shape(most_rank=2, most=3, empty=0)
    types = [d.one("float32", "int32", "float64") for _ in range(d.int(1, 2))]
    inputs = [d.put(d.values(t, [n] + rest, wild=False), t) for t in types]
    captured = [d.put(d.values(types[0], rest, wild=False), types[0])] if d.chance(0.5) else []
    kinds = types + [types[0]] * len(captured)
    f = arithmetic(d, "mapped", kinds, out=len(types))
    d.node(d.op, [inputs, captured], f=f, output_types=types, output_shapes=[rest if d.chance(0.6) else None for _ in types])
