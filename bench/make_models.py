#!/usr/bin/env python3
"""Write the models of the benchmarks as frozen GraphDefs, with random weights, by numpy alone.

    bench/make_models.py FOLDER [mobilenet_v2] [resnet50] [bert_base]

makes FOLDER/NAME.pb. The architectures are those of TensorFlow's Keras applications (mobilenet_v2, resnet50: 224x224
pictures, NHWC, FusedBatchNormV3) and BERT base (12 layers of 768, 12 heads, 128 tokens, layer norms and GELU in the
primitive ops that TensorFlow writes them in). Weights come of one seed, scaled so that activations keep their size; the
same name always makes the same file. gpu.py builds the same in PyTorch from the weights that `make` gives.
"""
import os
import sys

import numpy as np

DT = {np.dtype(np.float32): 1, np.dtype(np.int32): 3}


# ---- The wire format of protocol buffers: what a GraphDef needs of it ------------------------------------------------


def varint(n):
    out, n = bytearray(), n & (1 << 64) - 1
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes([n])


def number(field, n):
    return varint(field << 3) + varint(n)


def message(field, *parts):
    """A field of text, bytes or a message, in parts that are not joined yet: weights are large."""
    parts = [p.encode() if isinstance(p, str) else p for p in parts]
    return varint(field << 3 | 2) + varint(sum(len(p) for p in parts)) + b"".join(parts)


def shape_proto(dims):
    return b"".join(message(2, number(1, d)) for d in dims)


class Type(int):
    """A dtype as an attribute."""


class Shape(tuple):
    """A shape as an attribute; -1 is not known."""


def attribute(value):
    """The fields of an AttrValue."""
    if isinstance(value, Type):
        return number(6, value)
    if isinstance(value, Shape):
        return message(7, shape_proto(value))
    if isinstance(value, bool):
        return number(5, value)
    if isinstance(value, int):
        return number(3, value)
    if isinstance(value, float):
        return varint(4 << 3 | 5) + np.float32(value).tobytes()
    if isinstance(value, str):
        return message(2, value)
    if isinstance(value, list):
        return message(1, message(3, *map(varint, value)))
    data = memoryview(np.ascontiguousarray(value)).cast("B") if value.size else b""
    return message(8, number(1, DT[value.dtype]), message(2, shape_proto(value.shape)), message(4, data))


class Graph:
    """A GraphDef node by node; `weights` keeps what PyTorch's twin of the model needs, by name."""

    def __init__(self, seed):
        self.random, self.nodes, self.weights, self.names = np.random.default_rng(seed), [], {}, set()

    def node(self, op, name, inputs=(), **attrs):
        """Adds a node; `name` gets a number where it is taken. Returns the name."""
        base, n = name, 0
        while name in self.names:
            n += 1
            name = f"{base}_{n}"
        self.names.add(name)
        fields = [message(1, name), message(2, op), *(message(3, i) for i in inputs)]
        fields += [message(5, message(1, k), message(2, attribute(v))) for k, v in attrs.items()]
        self.nodes.append(message(1, *fields))
        return name

    def const(self, name, value):
        value = np.asarray(value)
        if value.dtype not in DT:
            value = value.astype(np.int32 if value.dtype.kind == "i" else np.float32)
        return self.node("Const", name, dtype=Type(DT[value.dtype]), value=value)

    def weight(self, name, value):
        self.weights[name] = value
        return self.const(name, value)

    def normal(self, name, shape, scale):
        value = self.random.standard_normal(shape, np.float32)
        value *= np.float32(scale)
        return self.weight(name, value)

    def uniform(self, name, n, low, high):
        return self.weight(name, self.random.uniform(low, high, n).astype(np.float32))

    def placeholder(self, name, dtype, *dims):
        return self.node("Placeholder", name, dtype=Type(dtype), shape=Shape(dims))

    def op(self, op, name, *inputs, **attrs):
        """A node of floats: attribute T besides those that are given."""
        return self.node(op, name, inputs, T=Type(1), **attrs)

    def reshape(self, name, x, *dims):
        return self.op("Reshape", name, x, self.const(f"{name}/shape", dims), Tshape=Type(3))

    def mean(self, name, x, axes, keep):
        return self.op("Mean", name, x, self.const(f"{name}/reduction_indices", axes), Tidx=Type(3), keep_dims=keep)

    def matmul(self, name, x, w):
        return self.op("MatMul", name, x, w, transpose_a=False, transpose_b=False)

    def bytes(self):
        return b"".join([*self.nodes, message(4, number(1, 1882))])  # versions: producer


# ---- Pictures --------------------------------------------------------------------------------------------------------


def conv(g, name, x, n_in, n_out, size, stride, padding, gain=2.0):
    w = g.normal(f"{name}/kernel", (size, size, n_in, n_out), (gain / (size * size * n_in)) ** 0.5)
    return g.op("Conv2D", name, x, w, strides=[1, stride, stride, 1], dilations=[1, 1, 1, 1], padding=padding,
                explicit_paddings=[], data_format="NHWC", use_cudnn_on_gpu=True)


def norm(g, name, x, n, epsilon):
    parts = [g.uniform(f"{name}/gamma", n, 0.8, 1.2), g.uniform(f"{name}/beta", n, -0.1, 0.1),
             g.uniform(f"{name}/moving_mean", n, -0.1, 0.1), g.uniform(f"{name}/moving_variance", n, 0.8, 1.2)]
    return g.op("FusedBatchNormV3", name, x, *parts, U=Type(1), epsilon=epsilon, is_training=False, data_format="NHWC",
                exponential_avg_factor=1.0)


def pad(g, name, x, before, after):
    paddings = g.const(f"{name}/paddings", [[0, 0], [before, after], [before, after], [0, 0]])
    return g.op("Pad", name, x, paddings, Tpaddings=Type(3))


def bias(g, name, x, n):
    return g.op("BiasAdd", f"{name}/BiasAdd", x, g.uniform(f"{name}/bias", n, -0.1, 0.1), data_format="NHWC")


def head(g, x, n, gain=1.0):
    x = g.mean("avg_pool", x, [1, 2], False)
    x = g.matmul("predictions/MatMul", x, g.normal("predictions/kernel", (n, 1000), (gain / n) ** 0.5))
    g.node("Identity", "probability", [g.op("Softmax", "predictions/Softmax", bias(g, "predictions", x, 1000))], T=Type(1))


# Expansion, channels, repetitions, stride of the first.
MOBILENET = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def mobilenet_v2(g):
    def whole(name, x, n_in, n_out, size, stride):
        x = norm(g, f"{name}_BN", conv(g, name, x, n_in, n_out, size, stride, "SAME"), n_out, 1e-3)
        return g.op("Relu6", f"{name}_relu", x)

    x, n, block = whole("Conv1", g.placeholder("image", 1, -1, 224, 224, 3), 3, 32, 3, 2), 32, 0
    for expand, n_out, repeat, first in MOBILENET:
        for i in range(repeat):
            name, stride, start, wide = f"block_{block}", first if i == 0 else 1, x, n * expand
            if expand > 1:
                x = whole(f"{name}_expand", x, n, wide, 1, 1)
            if stride == 2:
                x = pad(g, f"{name}_pad", x, 0, 1)
            w = g.normal(f"{name}_depthwise/kernel", (3, 3, wide, 1), (2 / 9) ** 0.5)
            x = g.op("DepthwiseConv2dNative", f"{name}_depthwise", x, w, strides=[1, stride, stride, 1], dilations=[1, 1, 1, 1],
                     padding="VALID" if stride == 2 else "SAME", explicit_paddings=[], data_format="NHWC")
            x = g.op("Relu6", f"{name}_depthwise_relu", norm(g, f"{name}_depthwise_BN", x, wide, 1e-3))
            x = norm(g, f"{name}_project_BN", conv(g, f"{name}_project", x, wide, n_out, 1, 1, "SAME", 1.0), n_out, 1e-3)
            if stride == 1 and n == n_out:
                x = g.op("AddV2", f"{name}_add", start, x)
            n, block = n_out, block + 1
    head(g, whole("Conv_1", x, n, 1280, 1, 1), 1280)


RESNET = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))  # channels, blocks, stride of the first


def resnet50(g):
    def whole(name, x, n_in, n_out, size, stride, padding="VALID", gain=2.0):
        x = bias(g, f"{name}_conv", conv(g, f"{name}_conv", x, n_in, n_out, size, stride, padding, gain), n_out)
        return norm(g, f"{name}_bn", x, n_out, 1.001e-5)

    x = pad(g, "conv1_pad", g.placeholder("image", 1, -1, 224, 224, 3), 3, 3)
    x = pad(g, "pool1_pad", g.op("Relu", "conv1_relu", whole("conv1", x, 3, 64, 7, 2)), 1, 1)
    x = g.op("MaxPool", "pool1_pool", x, ksize=[1, 3, 3, 1], strides=[1, 2, 2, 1], padding="VALID", data_format="NHWC",
             explicit_paddings=[])
    n = 64
    for stage, (width, blocks, first) in enumerate(RESNET, 2):
        for i in range(blocks):
            name, stride = f"conv{stage}_block{i + 1}", first if i == 0 else 1
            short = whole(f"{name}_0", x, n, 4 * width, 1, stride, gain=1.0) if i == 0 else x
            x = g.op("Relu", f"{name}_1_relu", whole(f"{name}_1", x, n, width, 1, stride))
            x = g.op("Relu", f"{name}_2_relu", whole(f"{name}_2", x, width, width, 3, 1, "SAME"))
            x = whole(f"{name}_3", x, width, 4 * width, 1, 1, gain=0.5)
            x = g.op("Relu", f"{name}_out", g.op("AddV2", f"{name}_add", short, x))
            n = 4 * width
    head(g, x, n, 0.03)  # what it gets has grown block by block


# ---- BERT ------------------------------------------------------------------------------------------------------------

LAYERS, WIDTH, HEADS, INNER, TOKENS, VOCABULARY = 12, 768, 12, 3072, 128, 30522


def dense(g, name, x, n_in, n_out):
    x = g.matmul(f"{name}/MatMul", x, g.normal(f"{name}/kernel", (n_in, n_out), n_in ** -0.5))
    return g.op("AddV2", f"{name}/add", x, g.uniform(f"{name}/bias", n_out, -0.1, 0.1))


def layer_norm(g, name, x):
    mean = g.mean(f"{name}/mean", x, [-1], True)
    apart = g.op("SquaredDifference", f"{name}/SquaredDifference", x, g.op("StopGradient", f"{name}/StopGradient", mean))
    variance = g.mean(f"{name}/variance", apart, [-1], True)
    scale = g.op("Rsqrt", f"{name}/Rsqrt", g.op("AddV2", f"{name}/add", variance, g.const(f"{name}/epsilon", 1e-12)))
    scale = g.op("Mul", f"{name}/mul", scale, g.uniform(f"{name}/gamma", WIDTH, 0.8, 1.2))
    shift = g.op("Sub", f"{name}/sub", g.uniform(f"{name}/beta", WIDTH, -0.1, 0.1), g.op("Mul", f"{name}/mul_2", mean, scale))
    return g.op("AddV2", f"{name}/add_1", g.op("Mul", f"{name}/mul_1", x, scale), shift)


def gelu(g, name, x):
    half = g.op("Mul", f"{name}/half", x, g.const(f"{name}/0.5", 0.5))
    erf = g.op("Erf", f"{name}/Erf", g.op("RealDiv", f"{name}/truediv", x, g.const(f"{name}/sqrt2", 2 ** 0.5)))
    return g.op("Mul", f"{name}/mul", half, g.op("AddV2", f"{name}/add", g.const(f"{name}/one", 1.0), erf))


def piece(g, name, x, begin, end, begin_mask, end_mask, new_mask, shrink_mask):
    """A StridedSlice of int32."""
    ends = [g.const(f"{name}/{k}", v) for k, v in (("stack", begin), ("stack_1", end), ("stack_2", [1] * len(begin)))]
    return g.node("StridedSlice", name, [x, *ends], T=Type(3), Index=Type(3), begin_mask=begin_mask, end_mask=end_mask,
                  ellipsis_mask=0, new_axis_mask=new_mask, shrink_axis_mask=shrink_mask)


def bert_base(g):
    ids, segments, mask = (g.placeholder(name, 3, -1, TOKENS) for name in ("input_ids", "segment_ids", "input_mask"))
    batch = piece(g, "batch", g.node("Shape", "Shape", [ids], T=Type(3), out_type=Type(3)), [0], [1], 0, 0, 0, 1)

    def gather(name, rows, at):
        table = g.normal(name, (rows, WIDTH), 0.5)
        return g.node("GatherV2", f"{name}/Gather", [table, at, g.const(f"{name}/axis", 0)], Tparams=Type(1), Tindices=Type(3),
                      Taxis=Type(3), batch_dims=0)

    def heads(name, x, to=(HEADS, WIDTH // HEADS)):
        x = dense(g, name, x, WIDTH, WIDTH)
        parts = [batch, *(g.const(f"{name}/{n}", n) for n in (TOKENS, *to))]
        dims = g.node("Pack", f"{name}/Pack", parts, T=Type(3), N=4, axis=0)
        return swap(f"{name}/Transpose", g.op("Reshape", f"{name}/Reshape", x, dims, Tshape=Type(3)))

    def swap(name, x):
        return g.op("Transpose", name, x, g.const(f"{name}/perm", [0, 2, 1, 3]), Tperm=Type(3))

    def product(name, x, y, adjoint):
        return g.op("BatchMatMulV2", name, x, y, adj_x=False, adj_y=adjoint)

    words = gather("word_embeddings", VOCABULARY, ids)
    x = g.op("AddV2", "add", words, g.normal("position_embeddings", (TOKENS, WIDTH), 0.5))
    x = layer_norm(g, "embeddings_norm", g.op("AddV2", "add", x, gather("segment_embeddings", 2, segments)))
    masked = piece(g, "mask/strided_slice", mask, [0] * 4, [0] * 4, 0b1001, 0b1001, 0b0110, 0)  # (batch, 1, 1, TOKENS)
    masked = g.node("Cast", "mask/Cast", [masked], SrcT=Type(3), DstT=Type(1), Truncate=False)
    masked = g.op("Sub", "mask/sub", g.const("mask/one", 1.0), masked)
    masked = g.op("Mul", "mask/mul", masked, g.const("mask/far", -10000.0))
    x = g.reshape("flat", x, -1, WIDTH)
    for i in range(LAYERS):
        name = f"layer_{i}"
        q, k, v = (heads(f"{name}/{part}", x) for part in ("query", "key", "value"))
        scale = g.const(f"{name}/scale", (WIDTH // HEADS) ** -0.5)
        scores = g.op("Mul", f"{name}/scores", product(f"{name}/QK", q, k, True), scale)
        scores = g.op("Softmax", f"{name}/Softmax", g.op("AddV2", f"{name}/masked", scores, masked))
        y = g.reshape(f"{name}/context", swap(f"{name}/swap", product(f"{name}/AV", scores, v, False)), -1, WIDTH)
        x = layer_norm(g, f"{name}/attention_norm", g.op("AddV2", f"{name}/add", x, dense(g, f"{name}/output", y, WIDTH, WIDTH)))
        y = gelu(g, f"{name}/gelu", dense(g, f"{name}/inner", x, WIDTH, INNER))
        x = layer_norm(g, f"{name}/norm", g.op("AddV2", f"{name}/add", x, dense(g, f"{name}/outer", y, INNER, WIDTH)))
    g.node("Identity", "sequence", [g.reshape("unflat", x, -1, TOKENS, WIDTH)], T=Type(1))


# ---- All -------------------------------------------------------------------------------------------------------------

MODELS = {"mobilenet_v2": mobilenet_v2, "resnet50": resnet50, "bert_base": bert_base}


def make(name):
    """The Graph of a model: its .bytes() are the file, its .weights what is in it, {name: array}."""
    graph = Graph(list(MODELS).index(name))
    MODELS[name](graph)
    return graph


def inputs(name, batch, seed=7):
    """Inputs for a model, {placeholder: array}."""
    random = np.random.default_rng(seed)
    if name != "bert_base":
        return {"image": random.standard_normal((batch, 224, 224, 3), np.float32)}
    mask = np.ones((batch, TOKENS), np.int32)
    mask[:, TOKENS - 16:] = 0
    return {"input_ids": random.integers(0, VOCABULARY, (batch, TOKENS)).astype(np.int32),
            "segment_ids": np.repeat(np.arange(2, dtype=np.int32)[None], batch, 0).repeat(TOKENS // 2, 1), "input_mask": mask}


OUTPUT = {"mobilenet_v2": "probability", "resnet50": "probability", "bert_base": "sequence"}


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-") or set(sys.argv[2:]) - set(MODELS):
        sys.exit(__doc__)
    os.makedirs(sys.argv[1], exist_ok=True)
    for name in sys.argv[2:] or MODELS:
        data = make(name).bytes()
        with open(os.path.join(sys.argv[1], f"{name}.pb"), "wb") as file:
            file.write(data)
        print(f"{name}.pb: {len(data)} bytes")


if __name__ == "__main__":
    main()
