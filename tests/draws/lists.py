"""Tensors kept aside: lists, arrays, stacks, queues."""
import numpy as np

from draws.draw import COMPLEXES, FLOATS, INTS, QUANTIZED, draws

ANY = FLOATS + INTS + COMPLEXES + ("bool", "string") + tuple(QUANTIZED)
INT = np.int32


def number(d, n, index=INT):
    return d.put(np.array(n, index))


def shape_arg(d, shape, loose=0.3, index=None):
    """An element's shape as a tensor, now and then with less said."""
    index = index or d.one("int32", "int64")
    if d.chance(loose):
        return d.put(np.array(-1, index)) if d.chance(0.4) else d.put(np.array([-1 if d.chance(0.5) else s for s in shape], index))
    return d.put(np.array(shape, index))


def element(d):
    return d.one("float32", "int32", "string", "bool", "float64") if d.chance(0.5) else d.one(*ANY), d.shape(most_rank=3, most=3)


def make_list(d, dtype, shape, n):
    """A list of n elements, some way; elements not set are zeros."""
    way = d.one("reserve", "from", "push", "scatter", "scatter2")
    if way == "from":
        return d.node("TensorListFromTensor", [d.put(d.values(dtype, [n] + shape, wild=False), dtype), shape_arg(d, shape)], fetch=False)[0]
    if way.startswith("scatter"):
        order = d.rng.permutation(n).astype(INT)
        tensor = d.put(d.values(dtype, [n] + shape, wild=False), dtype)
        if way == "scatter":
            return d.node("TensorListScatter", [tensor, d.put(order), shape_arg(d, shape)], fetch=False)[0]
        return d.node("TensorListScatterV2", [tensor, d.put(order), shape_arg(d, shape), number(d, n + d.one(0, 0, 1) if d.chance(0.8) else -1)],
                      fetch=False)[0]
    if way == "push":
        at = d.node("EmptyTensorList", [shape_arg(d, shape), number(d, -1 if d.chance(0.7) else n)], fetch=False, element_dtype=dtype)[0]
        for _ in range(n):
            at = d.node("TensorListPushBack", [at, d.put(d.values(dtype, shape, wild=False), dtype)], fetch=False)[0]
        return at
    at = d.node("TensorListReserve", [shape_arg(d, shape), number(d, n)], fetch=False, element_dtype=dtype)[0]
    for i in d.some(range(n)):
        at = d.node("TensorListSetItem", [at, number(d, i), d.put(d.values(dtype, shape, wild=False), dtype)], fetch=False)[0]
    return at


LISTS = ("EmptyTensorList", "TensorListConcat", "TensorListConcatLists", "TensorListConcatV2", "TensorListElementShape", "TensorListFromTensor",
         "TensorListGather", "TensorListGetItem", "TensorListLength", "TensorListPopBack", "TensorListPushBack", "TensorListReserve",
         "TensorListResize", "TensorListScatter", "TensorListScatterIntoExistingList", "TensorListScatterV2", "TensorListSetItem",
         "TensorListSplit", "TensorListStack")


def change_list(d, at, n, dtype, shape):
    """[list, its length] after the op under test, if it makes lists."""
    values = lambda lead: d.put(d.values(dtype, lead + shape, wild=False), dtype)
    if d.op == "EmptyTensorList":
        return d.node(d.op, [shape_arg(d, shape), number(d, d.one(-1, 0, 2))], fetch=False, element_dtype=dtype)[0], 0
    if d.op == "TensorListReserve":
        n = d.int(0, 3) if d.chance(0.96) else -1
        return d.node(d.op, [shape_arg(d, shape), number(d, n)], fetch=False, element_dtype=dtype)[0], n
    if d.op == "TensorListFromTensor":
        return d.node(d.op, [values([n]), shape_arg(d, shape)], fetch=False)[0], n
    if d.op == "TensorListPushBack":
        return d.node(d.op, [at, values([])], fetch=False)[0], n + 1
    if d.op == "TensorListResize":
        n = d.int(0, 5) if d.chance(0.96) else -1
        return d.node(d.op, [at, number(d, n)], fetch=False)[0], n
    if d.op == "TensorListConcatLists":
        other = d.int(0, 3)
        return d.node(d.op, [at, make_list(d, dtype, shape, other)], fetch=False, element_dtype=dtype)[0], n + other
    if d.op == "TensorListSetItem":
        i = d.int(0, max(n - 1, 0)) if d.chance(0.9) else d.one(-1, n, n + 2)
        attrs = {"resize_if_index_out_of_bounds": d.chance(0.7)} if d.chance(0.4) else {}
        return d.node(d.op, [at, number(d, i), values([])], fetch=False, **attrs)[0], max(n, i + 1)
    if d.op == "TensorListScatterIntoExistingList":
        order = d.rng.permutation(max(n, 1))[:d.int(0, n)].astype(INT)
        if d.chance(0.05):
            order = np.append(order, n).astype(INT)
        return d.node(d.op, [at, values([len(order)]), d.put(order)], fetch=False)[0], max(n, int(order.max(initial=-1)) + 1)
    if d.op == "TensorListScatter":
        order = d.rng.permutation(n + d.one(0, 0, 2))[:n].astype(INT)
        return d.node(d.op, [values([n]), d.put(order), shape_arg(d, shape)], fetch=False)[0], int(order.max(initial=-1)) + 1
    if d.op == "TensorListScatterV2":
        order = d.rng.permutation(n + d.one(0, 0, 2))[:n].astype(INT)
        total = d.one(-1, n + 2, n)
        return d.node(d.op, [values([n]), d.put(order), shape_arg(d, shape), number(d, total)], fetch=False)[0], \
            total if total >= 0 else int(order.max(initial=-1)) + 1
    if d.op == "TensorListSplit":
        lengths = np.array([d.int(0, 2) for _ in range(n)], np.int64)
        rows = int(lengths.sum()) + (0 if d.chance(0.95) else 1)
        return d.node(d.op, [values([rows]), shape_arg(d, [-1] + shape), d.put(lengths)], fetch=False)[0], n
    return at, n


@draws(*LISTS, "ZerosLike")
def tensor_list(d):
    dtype, shape = element(d)
    n = d.int(0, 4)
    if d.op == "TensorListConcat":
        shape = shape or [d.int(1, 3)]  # whether scalars are joined depends on what is known of their shape
    at, n = change_list(d, make_list(d, dtype, shape, n), n, dtype, shape)
    out = []
    if d.op == "ZerosLike":
        at = d.node(d.op, [at], fetch=False)[0]
    if d.op == "TensorListPopBack":
        at, popped = d.node(d.op, [at, shape_arg(d, shape, index="int32")], fetch=False, element_dtype=dtype)
        out.append(popped)
    if d.op == "TensorListLength" or d.chance(0.4):
        out += d.node("TensorListLength", [at], fetch=False)
    if d.op == "TensorListElementShape" or d.chance(0.2):
        out += d.node("TensorListElementShape", [at], fetch=False, shape_type=d.one("int32", "int64"))
    if d.op == "TensorListGetItem":
        i = d.int(0, max(n - 1, 0)) if d.chance(0.9) else d.one(-1, n)
        out += d.node(d.op, [at, number(d, i), shape_arg(d, shape, index="int32")], fetch=False, element_dtype=dtype)
    if d.op == "TensorListGather":
        indices = d.values("int32", [d.size(4) if n else 0], 0, max(n - 1, 0), False)
        out += d.node(d.op, [at, d.put(indices), shape_arg(d, shape, index="int32")], fetch=False, element_dtype=dtype)
    if d.op == "TensorListConcat":
        # Of unknown rank it fails in TensorFlow where the list knows its own.
        attrs = {"element_shape": d.one([-1] + shape[1:], shape)}
        out += d.node(d.op, [at], fetch=False, element_dtype=dtype, **attrs)
    if d.op == "TensorListConcatV2":
        lead = d.put(np.array([d.one(1, 2, 3)] * d.int(0, n), np.int64)) if d.chance(0.3) else d.put(np.zeros([0], np.int64))
        out += d.node(d.op, [at, shape_arg(d, shape), lead], fetch=False, element_dtype=dtype)
    if not out or d.op == "TensorListStack" or (d.op != "TensorListSplit" and d.chance(0.5)):
        attrs = {"num_elements": d.one(-1, n)} if d.chance(0.5) and n >= 0 else {}
        out += d.node("TensorListStack", [at, shape_arg(d, shape, index="int32")], fetch=False, element_dtype=dtype, **attrs)
    d.fetch(*out)


# ---- Tensor arrays: the handle goes everywhere, the flow tells the order


ARRAYS = ("TensorArrayCloseV3", "TensorArrayConcatV3", "TensorArrayGatherV3", "TensorArrayReadV3", "TensorArrayScatterV3", "TensorArraySizeV3",
          "TensorArraySplitV3", "TensorArrayV3", "TensorArrayWriteV3")


@draws(*ARRAYS)
def tensor_array(d):
    dtype, shape = element(d)
    n = d.int(0, 4)
    attrs = {k: d.chance(0.5) for k in d.some(["clear_after_read", "identical_element_shapes"])}
    if d.chance(0.4):
        attrs["dynamic_size"] = d.chance(0.8)
    if d.chance(0.5):
        attrs["element_shape"] = d.one(None, shape, [-1] * len(shape))
    size = n if not attrs.get("dynamic_size") else d.int(0, n)
    if d.op == "TensorArraySplitV3" and attrs.get("element_shape"):
        attrs["element_shape"][:1] = [-1]
    if d.chance(0.1):
        attrs["tensor_array_name"] = "rows"
    handle, flow = d.node("TensorArrayV3", [number(d, size)], fetch=False, dtype=dtype, **attrs)
    values = lambda lead: d.put(d.values(dtype, lead + shape, wild=False), dtype)
    if d.op == "TensorArraySplitV3":
        lengths = np.array([d.int(0, 3) for _ in range(n)], np.int64) if d.chance(0.5) else np.full(n, d.int(0, 3), np.int64)
        total = int(lengths.sum()) + (0 if d.chance(0.96) else 1)
        shape = shape or [1]
        value = d.put(d.values(dtype, [total] + shape[1:], wild=False), dtype)
        flow = d.node(d.op, [handle, value, d.put(lengths), flow], fetch=False)[0]
    elif d.op == "TensorArrayScatterV3" or d.chance(0.3):
        order = d.rng.permutation(n).astype(INT)
        if d.chance(0.04):
            order = d.one(order + 1, order[:-1])
        flow = d.node("TensorArrayScatterV3", [handle, d.put(order), values([n]), flow], fetch=False)[0]
    else:
        for i in d.rng.permutation(n).tolist() if d.chance(0.8) else d.some(range(n)):
            i = i if d.chance(0.98) else d.one(-1, n, 0)
            flow = d.node("TensorArrayWriteV3", [handle, number(d, i), values([]), flow], fetch=False)[0]
    out = []
    shapes = {"element_shape": d.one(None, shape, [-1] * len(shape))} if d.chance(0.5) else {}
    if d.op == "TensorArrayReadV3" or d.chance(0.15):
        i = d.int(0, max(n - 1, 0)) if d.chance(0.95) else d.one(-1, n)
        out += d.node("TensorArrayReadV3", [handle, number(d, i), flow], fetch=False, dtype=dtype)
    elif d.op in ("TensorArrayConcatV3", "TensorArraySplitV3") and d.chance(0.8) or d.op == "TensorArrayConcatV3":
        attrs = {"element_shape_except0": d.one(None, shape[1:])} if d.chance(0.5) else {}
        out += d.node("TensorArrayConcatV3", [handle, flow], fetch=False, dtype=dtype, **attrs)
    elif d.op == "TensorArraySizeV3" or d.chance(0.2):
        out += d.node("TensorArraySizeV3", [handle, flow], fetch=False)
    else:
        picked = d.rng.permutation(n)[:d.int(0, n)] if d.chance(0.5) else np.arange(n)
        out += d.node("TensorArrayGatherV3", [handle, d.put(picked.astype(INT)), flow], fetch=False, dtype=dtype, **shapes)
    if d.op == "TensorArrayCloseV3":
        d.node(d.op, [handle], controls=out[:1], fetch=False)
        out += d.node("Const", fetch=False, controls=[d.graph.node[-1].name], dtype="int32", value=constant(1)) if d.chance(0.9) else \
            d.node("TensorArraySizeV3", [handle, flow], controls=[d.graph.node[-1].name], fetch=False)
    d.fetch(*out)


def constant(n):
    from draws.draw import tensor_proto
    return tensor_proto(np.array(n, INT), "int32")


@draws("StackCloseV2", "StackPopV2", "StackPushV2", "StackV2")
def stack(d):
    dtype, shape = element(d)
    n = d.int(1, 3)
    handle = d.node("StackV2", [number(d, d.one(-1, n, 5) if d.chance(0.95) else n - 1)], fetch=False, elem_type=dtype,
                    **({"stack_name": "s"} if d.chance(0.3) else {}))[0]
    last, out = [], []
    for _ in range(n):
        attrs = {"swap_memory": d.chance(0.5)} if d.chance(0.3) else {}
        out += d.node("StackPushV2", [handle, d.put(d.values(dtype, shape if d.chance(0.7) else d.shape(), wild=False), dtype)], controls=last,
                      fetch=False, **attrs)
        last = [out[-1]]
    for _ in range(d.int(1, n) if d.chance(0.95) else n + 1):
        out += d.node("StackPopV2", [handle], controls=last, fetch=False, elem_type=dtype)
        last = [out[-1]]
    if d.op == "StackCloseV2":
        d.node("StackCloseV2", [handle], controls=last, fetch=False)
        out += d.node("Const", fetch=False, controls=[d.graph.node[-1].name], dtype="int32", value=constant(1))
    d.fetch(*out)


@draws("OptionalFromValue", "OptionalGetValue", "OptionalHasValue", "OptionalNone", "ZerosLike")
def optional(d):
    parts = [element(d) for _ in range(d.int(1, 3))]
    types = [t for t, _ in parts]
    has_value = d.op != "OptionalNone" and (d.op != "ZerosLike" or d.chance(0.8))
    if has_value:
        values = [d.put(d.values(t, s, wild=False), t) for t, s in parts]
        held = d.node("OptionalFromValue", [values], fetch=False, Toutput_types=types)[0]
    else:
        held = d.node("OptionalNone", fetch=False)[0]
    if d.op == "ZerosLike":
        held = d.node(d.op, [held], fetch=False)[0]
    out = d.node("OptionalHasValue", [held], fetch=False)
    if d.op == "OptionalGetValue" or d.op == "ZerosLike" and has_value or not has_value and d.chance(0.2):
        out += d.node("OptionalGetValue", [held], fetch=False, output_types=types, output_shapes=[s for _, s in parts])
    d.fetch(*out)


@draws("FIFOQueueV2", "QueueDequeueManyV2", "QueueDequeueV2", "QueueEnqueueManyV2", "QueueSizeV2")
def queue(d):
    parts = [element(d) for _ in range(d.int(1, 2))]
    types, n = [t for t, _ in parts], d.int(1, 4)
    attrs = {"shapes": [s for _, s in parts]}  # TensorFlow waits forever for what cannot come, so all of this is legal
    handle = d.node("FIFOQueueV2", fetch=False, component_types=types, **attrs, **({"capacity": 9} if d.chance(0.4) else {}))[0]
    d.node("QueueEnqueueManyV2", [handle, [d.put(d.values(t, [n] + s, wild=False), t) for t, s in parts]], fetch=False)
    last, out, left = [d.graph.node[-1].name], [], n
    if d.op != "QueueDequeueManyV2":
        for _ in range(d.int(0, n)):
            got = d.node("QueueDequeueV2", [handle], controls=last, fetch=False, component_types=types)
            out, last, left = out + got, got[:1], left - 1
    if d.op == "QueueDequeueManyV2" or d.chance(0.3):
        many = d.int(0, left)
        got = d.node("QueueDequeueManyV2", [handle, number(d, many)], controls=last, fetch=False, component_types=types)
        out, last = out + got, got[:1]
    out += d.node("QueueSizeV2", [handle], controls=last, fetch=False)
    d.fetch(*out)
