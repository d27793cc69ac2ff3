"""Convolutions and pooling: strides, dilations, paddings, groups, formats."""
import numpy as np

from draws.draw import FLOATS, INTS, draws


def window(d, image, sizes, first, explicit, dilations=True, most=3):
    """Attributes of a window of these sizes over an image of these, either way of channels."""
    n = len(sizes)
    spread = lambda v: [1, 1] + v if first else [1] + v + [1]
    attrs = {"strides": spread([d.int(1, most) for _ in range(n)])}
    attrs["padding"] = d.one(*(["SAME", "VALID"] + (["EXPLICIT"] if explicit else [])))
    if attrs["padding"] == "EXPLICIT":
        pads = [[d.int(0, 2), d.int(0, 2)] for _ in range(n)]
        attrs["explicit_paddings"] = [p for pair in spread2(pads, first) for p in pair]
    if dilations and d.chance(0.4):
        attrs["dilations"] = spread([d.int(1, 3) for _ in range(n)])
    return attrs


def spread2(pads, first):
    return [[0, 0], [0, 0]] + pads if first else [[0, 0]] + pads + [[0, 0]]


def loose(d):
    d.scaled = True
    d.tolerance = {"float16": (2e-2, 2e-2), "bfloat16": (6e-2, 6e-2)}


def maybe_first(d, **which):
    if d.chance(0.25):
        d.channels_first(**which)


@draws("Conv2D", weight=2)
def conv2d(d):
    dtype = d.type("T", of=FLOATS + ("int32",))
    image = [d.some_size(9, 30), d.some_size(9, 30)]
    size = [d.int(1, min(4, image[0])), d.int(1, min(4, image[1]))] if d.chance(0.9) else [d.int(1, 5), d.int(1, 5)]
    groups = d.one(1, 1, 1, 2, 3)
    depth, out = d.some_size(4, 40), groups * d.some_size(3, 40)
    attrs = window(d, image, size, False, True)
    loose(d)
    if d.chance(0.3):
        attrs["data_format"] = "NHWC"
    if d.chance(0.1):
        attrs["use_cudnn_on_gpu"] = False
    x = d.values(dtype, [d.size(3)] + image + [groups * depth], wild=False)
    d.node(d.op, [d.put(x), d.put(d.values(dtype, size + [depth if d.chance(0.97) else depth + 1, out], wild=False), dtype)], **attrs)
    maybe_first(d)


@draws("Conv3D")
def conv3d(d):
    dtype = d.type("T", of=FLOATS)
    image = [d.int(1, 5) for _ in range(3)]
    size = [d.int(1, min(3, n)) for n in image]
    loose(d)
    attrs = window(d, image, size, False, False, dilations=False)
    if d.chance(0.2):
        # TensorFlow has no kernel for more on a CPU, and its shape function takes those of height and width for each other's.
        attrs["dilations"] = [1] * 5
    depth = d.int(1, 3)
    if d.chance(0.2):
        attrs["data_format"] = "NDHWC"
    d.node(d.op, [d.put(d.values(dtype, [d.size(2)] + image + [depth], wild=False), dtype),
                  d.put(d.values(dtype, size + [depth, d.some_size(3, 30)], wild=False), dtype)], **attrs)
    maybe_first(d)


@draws("Conv")
def conv(d):
    dtype, n = d.type("T", of=FLOATS + ("int32",)), d.one(2, 2, 3)
    if n == 3 and dtype == "int32":
        dtype = "float32"
    image = [d.int(1, 6) for _ in range(n)]
    size = [d.int(1, min(3, k)) for k in image]
    lead = [d.size(2)]
    attrs = window(d, image, size, False, n == 2, dilations=n == 2)
    groups = d.one(1, 1, 2)
    depth = d.int(1, 3)
    if groups > 1 or d.chance(0.3):
        attrs["groups"] = groups
    if d.chance(0.3):
        attrs["data_format"] = "CHANNELS_LAST"
    # TensorFlow leaves several dimensions of batch as one where nothing comes out.
    if d.chance(0.2) and min(windowed(image[i], size[i], attrs["strides"][1 + i], attrs.get("dilations", [1] * 9)[1 + i], attrs["padding"],
                                      attrs.get("explicit_paddings", [0] * 12)[2 + 2 * i:4 + 2 * i]) for i in range(n)) > 0:
        lead = [d.size(2, 0), d.size(2, 0)]
        attrs["batch_dims"] = 2
    loose(d)
    d.node(d.op, [d.put(d.values(dtype, lead + image + [groups * depth], wild=False), dtype),
                  d.put(d.values(dtype, size + [depth, groups * d.int(1, 3)], wild=False), dtype)], **attrs)
    if len(lead) == 1:
        maybe_first(d)


@draws("DepthwiseConv2dNative")
def depthwise(d):
    dtype = d.type("T", of=FLOATS)
    image = [d.some_size(8, 30), d.some_size(8, 30)]
    size = [d.int(1, min(4, k)) for k in image]
    attrs = window(d, image, size, False, True, dilations=d.chance(0.1))
    stride = d.int(1, 3)
    if d.chance(0.2):
        attrs["data_format"] = "NHWC"
    attrs["strides"] = [1, stride, stride, 1]
    depth = d.some_size(9, 70)
    loose(d)
    d.node(d.op, [d.put(d.values(dtype, [d.size(3)] + image + [depth], wild=False), dtype),
                  d.put(d.values(dtype, size + [depth, d.int(1, 3)], wild=False), dtype)], **attrs)
    maybe_first(d)


def windowed(n, k, stride, dilation, padding, pads):
    k = (k - 1) * dilation + 1
    if padding == "SAME":
        return -(-n // stride)
    return (n + sum(pads) - k) // stride + 1


@draws("Conv2DBackpropInput", "DepthwiseConv2dNativeBackpropInput", "Conv3DBackpropInputV2")
def backprop_input(d):
    deep, depthwise_ = d.op.startswith("Conv3D"), d.op.startswith("Depthwise")
    n = 3 if deep else 2
    dtype = d.type("T", of=FLOATS + ("int32",))
    image = [d.int(1, 7 if n == 2 else 4) for _ in range(n)]
    size = [d.int(1, min(3, k)) for k in image]
    attrs = window(d, image, size, False, not deep, dilations=not deep and not depthwise_)
    if depthwise_:
        stride = d.int(1, 3)
        attrs["strides"] = [1, stride, stride, 1]
    if d.op == "Conv2DBackpropInput" and "dilations" in attrs and d.chance(0.7):
        del attrs["dilations"]
    dil = attrs.get("dilations", [1] * (n + 2))[1:-1]
    pads = attrs.get("explicit_paddings", [0] * (2 * n + 4))
    out = [windowed(image[i], size[i], attrs["strides"][1 + i], dil[i], attrs["padding"], pads[2 + 2 * i:4 + 2 * i]) for i in range(n)]
    if min(out) < 1:
        attrs["padding"], out = "SAME", [windowed(image[i], size[i], attrs["strides"][1 + i], dil[i], "SAME", (0, 0)) for i in range(n)]
        attrs.pop("explicit_paddings", None)
    batch, depth, many = d.size(2), d.some_size(4, 30), d.some_size(4, 30)
    groups = d.one(1, 1, 1, 2) if d.op == "Conv2DBackpropInput" else 1
    filters = size + ([depth, many] if not depthwise_ else [depth, d.int(1, 2)])
    channels = groups * depth
    if depthwise_:
        many = depth * filters[-1]
    else:
        many *= groups
        filters[-1] = many
    loose(d)
    sizes = np.array([batch] + image + [channels], d.one("int32", "int64") if deep else "int32")
    if d.op == "Conv2DBackpropInput" and d.chance(0.15):
        sizes = sizes[1:3]  # spatial sizes alone
    d.node(d.op, [d.put(sizes), d.put(d.values(dtype, filters, wild=False), dtype), d.put(d.values(dtype, [batch] + out + [many], wild=False), dtype)], **attrs)
    maybe_first(d, images=[2], vectors=[0] if len(sizes) > 2 else [])


@draws("Dilation2D")
def dilation(d):
    dtype = d.type("T", of=FLOATS + INTS)
    image = [d.int(1, 7), d.int(1, 7)]
    size = [d.int(1, min(3, k)) for k in image]
    depth = d.int(1, 4)
    d.node(d.op, [d.put(d.values(dtype, [d.size(3)] + image + [depth], wild=False), dtype), d.put(d.values(dtype, size + [depth], wild=False), dtype)],
           strides=[1, d.int(1, 3), d.int(1, 3), 1], rates=[1, d.int(1, 3), d.int(1, 3), 1], padding=d.one("SAME", "VALID"))


@draws("FusedPadConv2D", "FusedResizeAndPadConv2D")
def conv_pad(d):
    dtype, resizes = d.type("T"), d.op.startswith("FusedResize")
    image = [d.int(1, 7), d.int(1, 7)]
    resized = [d.int(1, 9), d.int(1, 9)] if resizes else image
    mode = d.one("REFLECT", "SYMMETRIC")
    room = [max(0, min(3, n - (mode == "REFLECT"))) for n in resized]
    pads = [[0, 0]] + [[d.int(0, r), d.int(0, r)] for r in room] + [[0, 0]]
    if d.chance(0.04):
        pads[d.int(0, 3)][d.int(0, 1)] += 4
    depth = d.int(1, 4)
    size = [d.int(1, min(4, resized[i] + sum(pads[i + 1]))) for i in range(2)]
    loose(d)
    names = [d.put(d.values(dtype, [d.size(2)] + image + [depth], wild=False), ranked=True)]
    if resizes:
        names.append(d.put(np.array(resized, np.int32)))
    # The shape function of TensorFlow fails where the shape of the paddings isn't known.
    names += [d.put(np.array(pads, np.int32), exact=1), d.put(d.values(dtype, size + [depth, d.int(1, 3)], wild=False), dtype)]
    attrs = {"resize_align_corners": d.chance(0.5)} if resizes and d.chance(0.7) else {}
    d.node(d.op, names, mode=mode, strides=[1, d.int(1, 4), d.int(1, 4), 1], padding=d.one("SAME", "VALID"), **attrs)


@draws("_FusedConv2D")
def fused_conv(d):
    dtype = d.type("T", of=("float32", "float64")) if d.chance(0.3) else "float32"  # others TensorFlow has by oneDNN alone
    image = [d.int(2, 7), d.int(2, 7)]
    size = [d.int(1, 3) for _ in image]
    depth, out = d.int(1, 4), d.int(1, 4)
    attrs = window(d, image, [min(a, b) for a, b in zip(size, image)], False, True)
    size = [min(a, b) for a, b in zip(size, image)]
    kind = d.one(["BiasAdd"], ["BiasAdd", "Relu"], ["BiasAdd", "Relu6"], ["BiasAdd", "Elu"], ["BiasAdd", "LeakyRelu"], ["FusedBatchNorm"],
                 ["FusedBatchNorm", "Relu"], ["FusedBatchNorm", "LeakyRelu"])
    args = [d.values(dtype, [out], 0.2, 2, False) for _ in range(1 if kind[0] == "BiasAdd" else 4)]
    if "LeakyRelu" in kind:
        attrs["leakyrelu_alpha"] = d.one(0.1, 0.3)
    loose(d)
    x, w = d.put(d.values(dtype, [d.size(2, 0)] + image + [depth], wild=False), dtype), d.put(d.values(dtype, size + [depth, out], wild=False), dtype)
    d.node(d.op, [x, w, [d.put(a) for a in args]], fused_ops=kind, num_args=len(args), epsilon=d.one(1e-4, 1e-2), TArgs=[dtype] * len(args),
           **attrs)


@draws("_FusedMatMul")
def fused_matmul(d):
    m, k, n = (d.int(1, 5) for _ in range(3))
    ta, tb = d.chance(0.5), d.chance(0.5)
    kind = d.one(["BiasAdd"], ["BiasAdd", "Relu"], ["BiasAdd", "Relu6"], ["BiasAdd", "Elu"], ["BiasAdd", "LeakyRelu"], ["BiasAdd", "Tanh"],
                 ["BiasAdd", "Sigmoid"])
    attrs = {"leakyrelu_alpha": 0.3} if "LeakyRelu" in kind else {}
    dtype = d.type("T")
    a, b = d.values(dtype, [k, m] if ta else [m, k], wild=False), d.values(dtype, [n, k] if tb else [k, n], wild=False)
    loose(d)
    d.node(d.op, [d.put(a), d.put(b), [d.put(d.values(dtype, [n], wild=False))]], fused_ops=kind, num_args=1, transpose_a=ta,
           transpose_b=tb, **attrs)


@draws("AvgPool", "MaxPool", "AvgPool3D", "MaxPool3D", "MaxPoolV2", "MaxPoolWithArgmax")
def pool(d):
    n = 3 if d.op.endswith("3D") else 2
    dtype = d.type("T", of=FLOATS + INTS)
    image = [d.some_size(8 if n == 2 else 5, 20 if n == 2 else 9) for _ in range(n)]
    size = [d.int(1, min(4, k)) for k in image] if d.chance(0.9) else [d.int(1, 5) for _ in image]
    attrs = window(d, image, size, False, d.op == "MaxPool", dilations=False)
    ksize = [1] + size + [1]
    depth = d.some_size(5, 60)
    if d.op in ("MaxPool", "MaxPoolV2") and d.chance(0.15):  # over channels
        k = d.int(1, 3)
        depth = k * d.int(1, 3)
        ksize, attrs = [1, 1, 1, k], {"strides": [1, 1, 1, k], "padding": d.one("SAME", "VALID")}
    x = d.put(d.values(dtype, [d.size(3)] + image + [depth], wild=False), dtype)
    loose(d)
    if d.chance(0.2):
        attrs["data_format"] = "NDHWC" if n == 3 else "NHWC"
    if d.op == "MaxPoolWithArgmax":
        attrs.pop("data_format", None)
    if d.op == "MaxPoolV2":
        d.node(d.op, [x, d.put(np.array(ksize, np.int32)), d.put(np.array(attrs["strides"], np.int32))], padding=attrs["padding"])
        if ksize[-1] == 1:
            maybe_first(d, vectors=(1, 2))
        return
    if d.op == "MaxPoolWithArgmax":
        if d.chance(0.6):
            attrs["Targmax"] = d.one("int32", "int64")
        if d.chance(0.6):
            attrs["include_batch_in_index"] = d.chance(0.6)
    d.node(d.op, [x], ksize=ksize, **attrs)
    if d.op != "MaxPoolWithArgmax" and ksize[-1] == 1:
        maybe_first(d)


@draws("FractionalAvgPool", "FractionalMaxPool")
def fractional(d):
    shape = [d.int(1, 3), d.int(1, 12), d.int(1, 12), d.int(1, 4)]
    ratio = [1.0, float(d.rng.uniform(1, 3)), float(d.rng.uniform(1, 3)), 1.0]
    if d.chance(0.3):
        ratio[d.int(1, 2)] = d.one(1.0, 2.0, 3.0, 1.5)
    if d.chance(0.05):
        ratio[d.int(0, 3)] = d.one(0.5, 2.5)
    attrs = {k: d.chance(0.6) for k in d.some(["pseudo_random", "overlapping"])}
    seeds = {"seed": d.int(1, 1 << 40), "seed2": d.int(0, 99)}
    if d.chance(0.95):
        seeds["deterministic"] = True
    d.node(d.op, [d.put(d.values(d.type(), shape, wild=False))], pooling_ratio=ratio, **attrs, **seeds)
