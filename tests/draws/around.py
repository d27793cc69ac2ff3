"""The same ops within something: a draw's nodes moved into a function that is called, branched to, looped over or mapped, or
into a loop's frame of TensorFlow 1. What is fed stays outside. ../differential.py asks for it with --around.

The outputs stay those of the draw (of a loop those of its last round, of a map as many as it has rows)."""
import numpy as np
from tensorflow.core.framework import graph_pb2
from tensorflow.python.framework import dtypes, op_def_registry

from draws.draw import Draw, add_function, enum, set_attr, tensor_proto

ALONE = {"Enter", "Exit", "LoopCond", "NextIteration", "RefSwitch", "RefMerge"}  # in no function


def arguments(node):
    """[(output argument, its dtypes)] of a node."""
    out = []
    for arg in op_def_registry.get(node.op).output_arg:
        if arg.type_list_attr:
            out.append((arg, [dtypes.as_dtype(t).name for t in node.attr[arg.type_list_attr].list.type]))
        else:
            out.append((arg, [Draw.type_of_arg(arg, node)] * Draw.count_of_arg(arg, node)))
    return out


def movable(graph):
    """Whether all of it may stand in a function."""
    return not any(n.op in ALONE or any(a.is_ref for a in op_def_registry.get(n.op).output_arg) for n in graph.node)


class Around:
    def __init__(self, graph, fetches, feeds, rng):
        self.old, self.old_fetches, self.rng = graph, fetches, rng
        self.fed = [n for n in graph.node if n.op == "Placeholder" and n.name + ":0" in feeds]
        self.graph = graph_pb2.GraphDef()
        self.graph.versions.CopyFrom(graph.versions)
        self.graph.library.CopyFrom(graph.library)
        self.graph.node.extend(self.fed)
        self.types = {f"{n.name}:{i}": t for n in graph.node
                      for i, t in enumerate(t for _, ts in arguments(n) for t in ts)}
        self.ins = [n.name + ":0" for n in self.fed]
        self.in_types = [self.types[t] for t in self.ins]
        self.out_types = [self.types[t] for t in fetches]
        self.effects = any(op_def_registry.get(n.op).is_stateful for n in graph.node)

    def one(self, *choices):
        return choices[int(self.rng.integers(len(choices)))]

    def caller(self, stateful, plain):
        """Which of two ops: TensorFlow may compute one without effects beforehand, once."""
        return stateful if self.effects else self.one(stateful, plain)

    # ---- Nodes, in the graph or in a function

    def node(self, to, op, name, inputs, **attrs):
        node = to.add(op=op, name=name)
        node.input.extend(inputs)
        kinds = {a.name: a.type for a in op_def_registry.get(op).attr}
        for key, value in attrs.items():
            set_attr(node.attr[key], kinds[key], value)
        return node

    def const(self, to, name, value, dtype="int32", controls=()):
        node = self.node(to, "Const", name, ["^" + c for c in controls], dtype=dtype)
        node.attr["value"].tensor.CopyFrom(tensor_proto(np.asarray(value, dtype), dtype))
        return name + ":0"

    def nothing(self, to, name, dtype, controls=()):
        """A tensor of the dtype without elements."""
        node = self.node(to, "Const", name, ["^" + c for c in controls], dtype=dtype)
        node.attr["value"].tensor.dtype = enum(dtype)
        node.attr["value"].tensor.tensor_shape.dim.add().size = 0
        return name + ":0"

    def function(self, name, args, outs):
        made = add_function(self.graph.library, name, args, outs)
        made.signature.is_stateful = self.effects
        return made

    def whole(self):
        """The old graph as the function `whole`."""
        within = {}
        for node in self.old.node:
            k = 0
            for arg, types in arguments(node):
                for i in range(len(types)):
                    within[f"{node.name}:{k}"] = f"{node.name}:{arg.name}:{i}"
                    k += 1
        within.update({n.name + ":0": n.name for n in self.fed})
        full = lambda t: within[t if ":" in t else t + ":0"]
        made = self.function("whole", [(n.name, t) for n, t in zip(self.fed, self.in_types)],
                             [(t, full(name)) for t, name in zip(self.out_types, self.old_fetches)])
        for node in self.old.node:
            if node in self.fed:
                continue
            copy = made.node_def.add()
            copy.CopyFrom(node)
            copy.input[:] = [t if t.startswith("^") else full(t) for t in node.input]
        return "whole"

    # ---- What may stand around it; each gives the tensors to fetch

    def call(self):
        node = self.node(self.graph.node, self.caller("StatefulPartitionedCall", "PartitionedCall"), "the_call", self.ins,
                         Tin=self.in_types, Tout=self.out_types, f=self.whole())
        return [f"{node.name}:{i}" for i in range(len(self.out_types))]

    def branch(self):
        whole = self.whole()
        args = [(f"a{i}", t) for i, t in enumerate(self.in_types)]
        other = self.function("other", args, [(t, f"none{i}:output:0") for i, t in enumerate(self.out_types)])
        for i, t in enumerate(self.out_types):
            self.nothing(other.node_def, f"none{i}", t)
        if self.one(0, 1):
            self.const(self.graph.node, "which", True, "bool")
            self.node(self.graph.node, self.caller("If", "StatelessIf"), "the_branch", ["which:0", *self.ins], Tcond="bool",
                      Tin=self.in_types, Tout=self.out_types, then_branch=whole, else_branch="other")
        else:
            self.const(self.graph.node, "which", 1)
            self.node(self.graph.node, self.caller("Case", "StatelessCase"), "the_branch", ["which:0", *self.ins],
                      Tin=self.in_types, Tout=self.out_types, branches=["other", whole])
        return [f"the_branch:{i}" for i in range(len(self.out_types))]

    def loop(self):
        whole, rounds = self.whole(), self.one(1, 2, 3)
        types = ["int32", *self.in_types, *self.out_types]
        args = [(f"a{i}", t) for i, t in enumerate(types)]
        cond = self.function("loop_cond", args, [("bool", "less:z:0")])
        self.const(cond.node_def, "limit", rounds)
        self.node(cond.node_def, "Less", "less", ["a0", "limit:output:0"], T="int32")
        n = len(self.in_types)
        body = self.function("loop_body", args, [("int32", "next:z:0"), *((t, f"a{i + 1}") for i, t in enumerate(self.in_types)),
                                                 *((t, f"call:output:{i}") for i, t in enumerate(self.out_types))])
        self.const(body.node_def, "one", 1)
        self.node(body.node_def, "AddV2", "next", ["a0", "one:output:0"], T="int32")
        self.node(body.node_def, "StatefulPartitionedCall", "call", [f"a{i + 1}" for i in range(n)], Tin=self.in_types,
                  Tout=self.out_types, f=whole)
        start = [self.const(self.graph.node, "start", 0), *self.ins]
        start += [self.nothing(self.graph.node, f"none{i}", t) for i, t in enumerate(self.out_types)]
        self.node(self.graph.node, self.caller("While", "StatelessWhile"), "the_loop", start, T=types, cond="loop_cond", body="loop_body")
        return [f"the_loop:{i + 1 + n}" for i in range(len(self.out_types))]

    def frame(self):
        to, rounds, outside = self.graph.node, self.one(1, 2, 3), self.one(True, True, False)
        enter = lambda name, tensor, dtype, **more: self.node(to, "Enter", name, [tensor], T=dtype, frame_name="frame", **more).name + ":0"
        held = {t: enter("held_" + t[:-2], t, kind, is_constant=True) for t, kind in zip(self.ins, self.in_types)}
        limit = enter("held_limit", self.const(to, "limit", rounds), "int32", is_constant=True)
        starts = [self.const(to, "start", 0)] + [self.nothing(to, f"none{i}", t) for i, t in enumerate(self.out_types)]
        types = ["int32", *self.out_types]
        merges, sides = [], []
        for i, (start, t) in enumerate(zip(starts, types)):
            merges.append(self.node(to, "Merge", f"merge{i}", [enter(f"enter{i}", start, t), f"next{i}:0"], T=t, N=2))
        self.node(to, "Less", "less", ["merge0:0", limit], T="int32")
        self.node(to, "LoopCond", "go", ["less:0"])
        for i, t in enumerate(types):
            sides.append(self.node(to, "Switch", f"switch{i}", [f"merge{i}:0", "go:0"], T=t))
            self.node(to, "Exit", f"exit{i}", [f"switch{i}:0"], T=t)
        self.node(to, "Identity", "round", ["switch0:1"], T="int32")
        self.const(to, "one", 1, controls=["round"])
        self.node(to, "AddV2", "after", ["round:0", "one:0"], T="int32")
        for node in self.old.node:
            if node in self.fed:
                continue
            copy = to.add()
            copy.CopyFrom(node)
            if node.op == "Const" and outside:
                held[node.name + ":0"] = enter("held_" + node.name, node.name, self.types[node.name + ":0"], is_constant=True)
                continue
            copy.input[:] = [held.get(t if ":" in t else t + ":0", t) if t[0] != "^" else
                             "^" + held.get(t[1:] + ":0", t[1:]).split(":")[0] for t in node.input]
            copy.input.extend([] if any(not t.startswith("^") for t in node.input) else ["^round"])
        for i, (t, tensor) in enumerate(zip(types, ["after:0", *self.old_fetches])):
            self.node(to, "NextIteration", f"next{i}", [held.get(tensor, tensor), "^round"], T=t)  # else it never ends
        return [f"exit{i + 1}:0" for i in range(len(self.out_types))]

    def map(self):
        """As tf.map_fn does it: each row of each input is the input."""
        whole, rounds = self.whole(), self.one(1, 2, 3)
        n = len(self.in_types)
        types = ["int32"] + ["variant"] * (n + len(self.out_types))
        args = [(f"a{i}", t) for i, t in enumerate(types)]
        cond = self.function("map_cond", args, [("bool", "less:z:0")])
        self.const(cond.node_def, "limit", rounds)
        self.node(cond.node_def, "Less", "less", ["a0", "limit:output:0"], T="int32")
        body = self.function("map_body", args, [("int32", "next:z:0"), *(("variant", f"a{i + 1}") for i in range(n)),
                                                *(("variant", f"set{i}:output_handle:0") for i in range(len(self.out_types)))])
        self.const(body.node_def, "one", 1)
        node = body.node_def.add(op="Const", name="any")
        node.attr["dtype"].type = enum("int32")
        node.attr["value"].tensor.CopyFrom(tensor_proto(np.asarray(-1, np.int32), "int32"))
        self.node(body.node_def, "AddV2", "next", ["a0", "one:output:0"], T="int32")
        for i, t in enumerate(self.in_types):
            self.node(body.node_def, "TensorListGetItem", f"get{i}", [f"a{i + 1}", "a0", "any:output:0"], element_dtype=t)
        self.node(body.node_def, "StatefulPartitionedCall", "call", [f"get{i}:item:0" for i in range(n)], Tin=self.in_types,
                  Tout=self.out_types, f=whole)
        for i, t in enumerate(self.out_types):
            self.node(body.node_def, "TensorListSetItem", f"set{i}", [f"a{i + 1 + n}", "a0", f"call:output:{i}"], element_dtype=t)
        to, start = self.graph.node, [self.const(self.graph.node, "start", 0)]
        any_shape, count = self.const(to, "any_shape", -1), self.const(to, "count", rounds)
        for i, (tensor, t) in enumerate(zip(self.ins, self.in_types)):
            self.node(to, "Pack", f"rows{i}", [tensor] * rounds, T=t, N=rounds)
            self.node(to, "TensorListFromTensor", f"list{i}", [f"rows{i}:0", any_shape], element_dtype=t, shape_type="int32")
            start.append(f"list{i}:0")
        for i, t in enumerate(self.out_types):
            self.node(to, "TensorListReserve", f"room{i}", [any_shape, count], element_dtype=t, shape_type="int32")
            start.append(f"room{i}:0")
        self.node(to, "While", "the_map", start, T=types, cond="map_cond", body="map_body")
        for i, t in enumerate(self.out_types):
            self.node(to, "TensorListStack", f"stack{i}", [f"the_map:{i + 1 + n}", any_shape], element_dtype=t, num_elements=self.one(-1, rounds))
        return [f"stack{i}:0" for i in range(len(self.out_types))]


def move(graph, fetches, feeds, how, rng):
    """(graph, {old fetch: new one})"""
    made = Around(graph, fetches, feeds, rng)
    return made.graph, dict(zip(fetches, getattr(made, how)()))


def around(d):
    """Moves a draw; says what it did, or None where it stays as it was."""
    if not d.fetches or not movable(d.graph) or d.reference and not movable(d.reference):
        return None
    most = max((d.feeds[n][0].ndim for n in d.feeds), default=0)
    effects = any(op_def_registry.get(n.op).is_stateful or n.op == "ParallelConcat" for n in d.graph.node)
    how = d.one("call", "branch", "loop", *([] if effects else ["frame"]), *(["map"] if most < 8 and not d.compare else []))
    seed = d.int(0, 1 << 30)
    fetches = list(dict.fromkeys(d.fetches))
    graph, names = move(d.graph, fetches, d.feeds, how, np.random.default_rng(seed))
    if d.reference:
        d.reference = move(d.reference, fetches, d.feeds, how, np.random.default_rng(seed))[0]
    d.graph, d.fetches = graph, [names[f] for f in fetches]
    if d.compare:
        old, compare = {v: k for k, v in names.items()}, d.compare
        d.compare = lambda name, got, want: compare(old[name], got, want)
    return how
