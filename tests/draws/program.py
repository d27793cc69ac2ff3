"""Whole programs of nested control flow, as TensorFlow's own functions write them: branches, loops with arrays, growing tensors
and early ends, maps, scans, folds, calls; once with TensorFlow 1's frames, once with TensorFlow 2's functions."""
import contextlib

import numpy as np
import tensorflow as tf

from draws.draw import draws

v1 = tf.compat.v1


class Program:
    """Tensors by kind: "rows", float [?, 3]; "row", float [3]; "n", int scalars of small value."""

    def __init__(self, d, functions):
        self.d, self.functions, self.left = d, functions, d.int(4, 14)

    # ---- What has no control flow

    def number(self, env):
        d, a, b = self.d, self.pick(env, "n"), self.pick(env, "n")
        made = d.one(lambda: a + b, lambda: a - b, lambda: a * b, lambda: tf.maximum(a, b), lambda: -a, lambda: a + d.int(1, 4),
                     lambda: tf.shape(self.pick(env, "rows"))[0], lambda: tf.cast(tf.reduce_sum(tf.sign(self.pick(env, "row"))), tf.int32))()
        return tf.math.floormod(made, 7)

    def row(self, env):
        d, a, b = self.d, self.pick(env, "row"), self.pick(env, "row")
        return d.one(lambda: tf.tanh(a + b), lambda: a * 0.5 - b, lambda: tf.maximum(a, b), lambda: tf.reverse(a, [0]),
                     lambda: tf.tanh(tf.reduce_sum(self.pick(env, "rows"), 0)), lambda: a * tf.cast(self.pick(env, "n"), tf.float32) * 0.1)()

    def rows(self, env):
        d, a, r = self.d, self.pick(env, "rows"), self.pick(env, "row")
        return d.one(lambda: tf.tanh(a + r), lambda: a * 0.5, lambda: a[::-1], lambda: tf.concat([a[1:], r[tf.newaxis]], 0),
                     lambda: tf.where(a > 0, a, a * 0.1), lambda: tf.matmul(a, tf.constant(np.eye(3, k=1), tf.float32)) + r,
                     lambda: tf.gather(a, tf.range(tf.shape(a)[0])))()

    def pick(self, env, kind):
        return self.d.one(*env[kind])

    def plain(self, env):
        kind = self.d.one("n", "row", "rows")
        return {kind: getattr(self, {"n": "number", "row": "row", "rows": "rows"}[kind])(env)}

    def test(self, env):
        d, a, b = self.d, self.pick(env, "n"), self.pick(env, "n")
        return d.one(lambda: a > b, lambda: tf.equal(a % 2, 0), lambda: tf.logical_or(a < 3, b > 4), lambda: tf.constant(d.chance(0.5)))()

    # ---- Statements; each gives {kind: tensor}

    def block(self, env, depth):
        """env with some statements done."""
        env = {kind: list(tensors) for kind, tensors in env.items()}
        for _ in range(self.d.int(1, 3)):
            self.left -= 1
            if self.left < 0:
                break
            flows = [self.branch, self.cases, self.loop, self.grow, self.over_rows, self.fold, self.map, self.scan, self.array]
            flows += [self.call] if self.functions else []
            made = self.d.one(*flows)(env, depth - 1) if depth and self.d.chance(0.6) else self.plain(env)
            for kind, tensor in made.items():
                env[kind] = env[kind][-2:] + [tensor]
        return env

    def last(self, env, depth, kinds):
        """What a block leaves of these kinds; something of each is new."""
        env = self.block(env, depth)
        return [env[k][-1] + (0 if k == "n" else 0.0) if self.d.chance(0.5) else env[k][-1] for k in kinds]

    def kinds(self):
        return self.d.some(["n", "row", "rows"], 1)

    def branch(self, env, depth):
        kinds = self.kinds()
        out = tf.cond(self.test(env), lambda: self.last(env, depth, kinds), lambda: self.last(env, depth, kinds))
        return dict(zip(kinds, [out] if tf.is_tensor(out) else out))

    def cases(self, env, depth):
        kinds, n = self.kinds(), self.d.int(2, 3)
        branches = [lambda: self.last(env, depth, kinds) for _ in range(n)]
        out = tf.switch_case(self.pick(env, "n"), branches) if self.d.chance(0.6) else tf.case(
            [(self.test(env), branches[0]), (self.test(env), branches[1])], default=branches[-1])
        return dict(zip(kinds, [out] if tf.is_tensor(out) else out))

    def within(self, env, **given):
        """The names of a body: what is outside, and a loop's own tensors."""
        return {kind: tensors + [given[kind]] if given.get(kind) is not None else tensors for kind, tensors in env.items()}

    def while_(self, test, body, state, **more):
        state = [tf.convert_to_tensor(s) if not isinstance(s, tf.TensorArray) else s for s in state]
        return v1.while_loop(test, body, state, parallel_iterations=self.d.one(1, 10), **more)

    def loop(self, env, depth):
        """Counts, maybe ends early, and hands something through."""
        kinds, limit, early = self.kinds(), self.pick(env, "n"), self.d.chance(0.3)
        idle = self.pick(env, "row")

        def body(i, _, *state):
            inner = self.within(env, **dict(zip(kinds, state)))
            inner["n"] = inner["n"] + [i]
            return [i + 1, _] + self.last(inner, depth, kinds)

        def test(i, _, *state):
            go = i < limit
            return tf.logical_and(go, state[0] < 5) if early and kinds[0] == "n" else go

        state = [tf.constant(0), idle] + [self.pick(env, k) for k in kinds]
        shapes = [s.shape if k != "rows" else tf.TensorShape([None, 3]) for k, s in zip(["n", "row"] + kinds, state)]
        return dict(zip(kinds, self.while_(test, body, state, shape_invariants=shapes)[2:]))

    def grow(self, env, depth):
        """A cache that grows by a row a round."""
        limit = self.pick(env, "n")

        def body(i, cache, row):
            row, = self.last(self.within(env, n=i, row=row, rows=cache), depth, ["row"])
            return i + 1, tf.concat([cache, row[tf.newaxis]], 0), row

        start = [tf.constant(0), self.pick(env, "rows"), self.pick(env, "row")]
        shapes = [tf.TensorShape([]), tf.TensorShape([None, 3]), tf.TensorShape([3])]
        _, cache, row = self.while_(lambda i, *_: i < limit, body, start, shape_invariants=shapes)
        return {"rows": cache, "row": row}

    def over_rows(self, env, depth):
        """As dynamic_rnn: reads a row a round from an array, writes one to another."""
        rows = self.pick(env, "rows")
        n = tf.shape(rows)[0]
        given = tf.TensorArray(tf.float32, n, element_shape=self.d.one(None, [3])).unstack(rows)
        out = tf.TensorArray(tf.float32, self.d.one(0, n), dynamic_size=True, element_shape=[3])

        def body(i, state, out):
            row = given.read(i)
            state, = self.last(self.within(env, n=i, row=tf.tanh(state + row)), depth, ["row"])
            return i + 1, state, out.write(i, state)

        _, state, out = self.while_(lambda i, *_: i < n, body, [tf.constant(0), self.pick(env, "row"), out])
        return {"row": state, "rows": tf.reshape(out.stack(), [-1, 3])}

    def fold(self, env, depth):
        body = lambda a, row: self.last(self.within(env, row=a + row), depth, ["row"])[0]
        return {"row": self.d.one(tf.foldl, tf.foldr)(body, self.pick(env, "rows"), initializer=self.pick(env, "row"))}

    def map(self, env, depth):
        rows = self.pick(env, "rows")
        many = self.d.chance(0.4)
        if many:
            out = tf.map_fn(lambda x: tuple(self.last(self.within(env, row=x[0], n=x[1]), depth, ["row", "n"])),
                            (rows, tf.range(tf.shape(rows)[0])), fn_output_signature=(tf.float32, tf.int32))
            return {"rows": tf.ensure_shape(out[0], [None, 3]), "n": tf.math.floormod(tf.reduce_sum(out[1]), 7)}
        out = tf.map_fn(lambda x: self.last(self.within(env, row=x), depth, ["row"])[0], rows)
        return {"rows": tf.ensure_shape(out, [None, 3])}

    def scan(self, env, depth):
        body = lambda a, row: self.last(self.within(env, row=tf.tanh(a + row)), depth, ["row"])[0]
        out = tf.scan(body, self.pick(env, "rows"), initializer=self.pick(env, "row"), reverse=self.d.chance(0.3))
        return {"rows": tf.ensure_shape(out, [None, 3])}

    def array(self, env, depth):
        """An array written in rounds and in branches, read behind."""
        limit = self.pick(env, "n")
        start = tf.TensorArray(tf.float32, 0, dynamic_size=True, element_shape=[3], clear_after_read=False, infer_shape=False)
        start = start.write(0, self.pick(env, "row"))

        def body(i, ta):
            row = ta.read(tf.maximum(i - 1, 0))
            row, = self.last(self.within(env, n=i, row=row), depth, ["row"])
            return i + 1, ta.write(i, row)

        _, ta = self.while_(lambda i, _: i < limit, body, [tf.constant(1), start])
        return {"rows": tf.reshape(ta.stack(), [-1, 3]), "n": ta.size()}

    def call(self, env, depth):
        kinds = self.kinds()

        @tf.function(autograph=False)
        def called(*args):
            return self.last(self.within(env, **dict(zip(kinds, args))), depth, kinds)

        return dict(zip(kinds, called(*[self.pick(env, k) for k in kinds])))


def program(d, functions):
    graph, names = tf.Graph(), []
    with graph.as_default(), switched(functions):
        put = lambda kind, value, shape: (v1.placeholder(value.dtype, shape, name=f"in_{kind}_{len(names)}"), names.append(value))[0]
        env = {"rows": [put("rows", d.values("float32", [d.int(0, 4), 3], -1, 1, False), d.one([None, 3], None))],
               "row": [put("row", d.values("float32", [3], -1, 1, False), d.one([3], [None], None))], "n": [tf.constant(d.int(0, 4))]}
        env["n"].append(put("n", np.array(d.int(0, 5), np.int32), d.one([], None)))
        ins = [env["rows"][0], env["row"][0], env["n"][1]]
        env = {"rows": [tf.ensure_shape(env["rows"][0], [None, 3])], "row": [tf.ensure_shape(env["row"][0], [3])],
               "n": [env["n"][0], tf.ensure_shape(env["n"][1], [])]}
        out = Program(d, functions).block(env, 3)
        for kind in out:
            d.fetches += [tf.identity(t, name=f"out_{kind}_{i}").name for i, t in enumerate(out[kind])]
    d.feeds = {t.name: (value, value.dtype.name) for t, value in zip(ins, names)}
    d.graph = graph.as_graph_def()
    d.tolerance = {"float32": (1e-3, 1e-4)}


@contextlib.contextmanager
def switched(functions):
    (v1.enable_control_flow_v2 if functions else v1.disable_control_flow_v2)()
    (v1.enable_tensor_equality)()
    try:
        yield
    finally:
        v1.enable_control_flow_v2()


@draws("While", "If", "Case", "TensorListStack", "TensorListSetItem")
def functions(d):
    program(d, True)


@draws("Enter", "Exit", "Switch", "Merge", "NextIteration", "TensorArrayWriteV3", "TensorArrayReadV3")
def frames(d):
    program(d, False)
