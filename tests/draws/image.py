"""Pictures: resizing, colours, crops, patches, boxes, detection; and their files."""
import base64
import ctypes
import ctypes.util
import functools
import struct

import numpy as np
import tensorflow as tf

from draws.draw import COMPLEXES, FLOATS, INTS, draws


@draws("ResizeArea", "ResizeBicubic", "ResizeBilinear", "ResizeNearestNeighbor", weight=2)
def resize(d):
    dtype = d.type("T", of=FLOATS + INTS)
    shape = [d.size(2), d.some_size(7, 30), d.some_size(7, 30), d.size(4, 0.01) if d.chance(0.95) else 35]
    attrs = {}
    if d.chance(0.7):
        attrs["align_corners"] = d.chance(0.5)
    if d.op != "ResizeArea" and d.chance(0.7):
        attrs["half_pixel_centers"] = d.chance(0.5) and (not attrs.get("align_corners") or d.chance(0.05))
    size = [d.some_size(10, 40) if d.chance(0.99) else 0, d.some_size(10, 40)]
    if d.chance(0.1):
        size = shape[1:3]
    d.scaled, d.tolerance = True, {"float16": (2e-2, 2e-2), "bfloat16": (6e-2, 6e-2)}
    d.node(d.op, [d.put(d.values(dtype, shape, wild=False)), d.put(np.array(size, np.int32))], **attrs)


@draws("ScaleAndTranslate")
def scale_translate(d):
    dtype = d.type("T", of=FLOATS + INTS)
    shape = [d.int(1, 2), d.int(1, 7), d.int(1, 7), d.int(1, 3)]
    attrs = {"kernel_type": d.one("lanczos1", "lanczos3", "lanczos5", "gaussian", "box", "triangle", "keyscubic", "mitchellcubic")}
    if d.chance(0.6):
        attrs["antialias"] = d.chance(0.5)
    d.scaled = True
    d.tolerance = {"float32": (1e-3, 1e-4)}
    d.node(d.op, [d.put(d.values(dtype, shape, wild=False)), d.put(np.array([d.int(1, 9), d.int(1, 9)], np.int32)),
                  d.put(d.rng.uniform(0.3, 2.5, 2).astype(np.float32)), d.put(d.rng.uniform(-3, 3, 2).astype(np.float32))], **attrs)


@draws("AdjustContrastv2", "AdjustHue", "AdjustSaturation")
def adjust(d):
    dtype = d.type("T", of=("float32", "float16"))
    shape = d.shape(most_rank=2) + [d.size(4), d.size(4), 3] if d.op != "AdjustContrastv2" else d.shape(rank=d.int(3, 5))
    value = d.rng.uniform(-1, 1) if d.op == "AdjustHue" else d.rng.uniform(0, 3)
    d.tolerance = {"float16": (2e-2, 2e-2), "float32": (1e-3, 1e-4)}
    d.node(d.op, [d.put(d.values(dtype, shape, 0, 1, False)), d.put(np.array(value, np.float32))])


@draws("HSVToRGB", "RGBToHSV")
def colours(d):
    dtype = d.type()
    d.tolerance = {"float16": (2e-2, 2e-2), "bfloat16": (6e-2, 6e-2), "float32": (1e-3, 1e-4)}
    d.node(d.op, [d.put(d.values(dtype, d.shape(most_rank=3) + [3 if d.chance(0.97) else 4], 0, 1, False))])


@draws("CropAndResize")
def crop(d):
    dtype = d.type("T", of=FLOATS + INTS)
    shape, n = [d.int(1, 3), d.int(1, 7), d.int(1, 7), d.int(1, 3)], d.size(4)
    attrs = {}
    if d.chance(0.5):
        attrs["method"] = d.one("bilinear", "nearest")
    if d.chance(0.5):
        attrs["extrapolation_value"] = d.one(-1.0, 3.5)
    boxes = d.rng.uniform(-0.3, 1.3, (n, 4)).astype(np.float32)
    which = d.values("int32", [n], 0, shape[0] - (1 if d.chance(0.97) else 0), False)
    d.node(d.op, [d.put(d.values(dtype, shape, wild=False)), d.put(boxes), d.put(which), d.put(np.array([d.int(1, 6), d.int(1, 6)], np.int32))], **attrs)


@draws("DrawBoundingBoxes", "DrawBoundingBoxesV2")
def draw_boxes(d):
    dtype = d.type("T")
    n, depth = d.int(1, 2), d.one(1, 3, 4) if d.op == "DrawBoundingBoxes" else d.one(1, 3, 4)
    shape = [n, d.int(2, 9), d.int(2, 9), depth]
    boxes = np.sort(d.rng.uniform(-0.2, 1.2, (n, d.int(0, 4), 2, 2)), axis=2).reshape(n, -1, 4).astype(np.float32)
    names = [d.put(d.values(dtype, shape, 0, 1, False)), d.put(boxes)]
    if d.op.endswith("V2"):
        names.append(d.put(d.rng.uniform(0, 1, (d.int(0, 3), depth if d.chance(0.9) else d.int(0, 5))).astype(np.float32)))
    d.node(d.op, names)


@draws("ExtractGlimpse", "ExtractGlimpseV2")
def glimpse(d):
    shape, n = [d.int(1, 2), d.int(1, 7), d.int(1, 7), d.int(1, 3)], 0
    attrs = {"centered": d.chance(0.5), "normalized": d.chance(0.5), "uniform_noise": False, "noise": "zero"}
    offsets = d.rng.uniform(-1.2, 1.2, (shape[0], 2)).astype(np.float32) if attrs["normalized"] else d.rng.uniform(-2, 7, (shape[0], 2)).astype(np.float32)
    d.node(d.op, [d.put(d.values("float32", shape, wild=False)), d.put(np.array([d.int(1, 5), d.int(1, 5)], np.int32)), d.put(offsets)], **attrs)


@draws("ExtractImagePatches", "ExtractVolumePatches")
def patches(d):
    n = 3 if "Volume" in d.op else 2
    dtype = d.type("T", of=FLOATS + INTS + COMPLEXES + ("bool",))
    image = [d.int(1, 7 if n == 2 else 4) for _ in range(n)]
    size = [d.int(1, min(3, k)) for k in image]
    attrs = {"ksizes": [1] + size + [1], "strides": [1] + [d.int(1, 3) for _ in image] + [1], "padding": d.one("SAME", "VALID")}
    if n == 2:
        attrs["rates"] = [1, d.int(1, 2), d.int(1, 2), 1]
        if attrs["padding"] == "VALID":
            attrs["rates"] = [1] + [1 if (k - 1) * 2 + 1 > i else r for k, i, r in zip(size, image, attrs["rates"][1:3])] + [1]
    d.node(d.op, [d.put(d.values(dtype, [d.size(2)] + image + [d.int(1, 3)], wild=False), dtype)], **attrs)


@draws("ImageProjectiveTransformV2", "ImageProjectiveTransformV3")
def projective(d):
    dtype = d.type("dtype")
    shape = [d.int(1, 3), d.int(1, 6), d.int(1, 6), d.int(1, 3)]
    base = np.array([1, 0, 0, 0, 1, 0, 0, 0], np.float32)
    t = base + d.rng.uniform(-0.4, 0.4, (d.one(1, shape[0]), 8)).astype(np.float32) * [1, 1, 4, 1, 1, 4, 0.05, 0.05]
    attrs = {"interpolation": d.one("NEAREST", "BILINEAR")}
    if d.chance(0.8):
        attrs["fill_mode"] = d.one("REFLECT", "WRAP", "CONSTANT", "NEAREST") if d.op.endswith("V3") else d.one("REFLECT", "WRAP", "CONSTANT")
    names = [d.put(d.values(dtype, shape, wild=False)), d.put(t.astype(np.float32)), d.put(np.array([d.int(1, 7), d.int(1, 7)], np.int32))]
    if d.op.endswith("V3"):
        names.append(d.put(np.array(d.one(0.0, 2.0), np.float32)))
    d.tolerance = {"float16": (2e-2, 2e-2), "float32": (1e-3, 1e-3)}
    d.node(d.op, names, **attrs)


# ---- Detection


def boxes_of(d, n, lead=()):
    b = d.rng.uniform(0, 1, tuple(lead) + (n, 2, 2))
    return np.concatenate([b.min(-2), b.max(-2)], -1).astype(np.float32) if n or lead else np.zeros((0, 4), np.float32)


@draws("NonMaxSuppression", "NonMaxSuppressionV2", "NonMaxSuppressionV3", "NonMaxSuppressionV4", "NonMaxSuppressionV5")
def nms(d):
    n = d.size(12) if d.chance(0.9) else d.int(13, 90)
    version = d.op[-1]
    dtype = d.one("float32", "float16") if version in "2345" else "float32"
    boxes, scores = boxes_of(d, n).astype(dtype), d.rng.permutation(n).astype(dtype) / max(n, 1)
    most = d.put(np.array(d.int(0, 12), np.int32))
    iou = float(d.rng.uniform(0, 1)) if d.chance(0.97) else 1.5
    names = [d.put(boxes), d.put(np.asarray(scores, dtype)), most]
    if d.op == "NonMaxSuppression":
        d.node(d.op, names, iou_threshold=iou)
        return
    names.append(d.put(np.array(iou, dtype if version != "2" else dtype)))
    if version in "345":
        names.append(d.put(np.array(d.one(-9, 0.2, 0.5), dtype)))
    if version == "5":
        names.append(d.put(np.array(d.one(0.0, 0.5, 1.0), dtype)))
    attrs = {"pad_to_max_output_size": d.chance(0.5)} if version in "45" and d.chance(0.6) else {}
    d.node(d.op, names, **attrs)


@draws("NonMaxSuppressionWithOverlaps")
def nms_overlaps(d):
    n = d.size(9)
    overlaps = d.rng.uniform(0, 1, (n, n)).astype(np.float32)
    d.node(d.op, [d.put(overlaps), d.put((d.rng.permutation(n) / max(n, 1)).astype(np.float32)), d.put(np.array(d.int(0, 9), np.int32)),
                  d.put(np.float32(d.rng.uniform(0, 1))), d.put(np.float32(d.one(-9, 0.3)))])


@draws("CombinedNonMaxSuppression")
def combined_nms(d):
    batch, n, classes = d.int(1, 2), d.int(1, 7), d.int(1, 3)
    q = d.one(1, classes)
    boxes = np.stack([boxes_of(d, n, (batch,)) for _ in range(q)], 2)
    scores = (d.rng.permutation(batch * n * classes) / (batch * n * classes)).reshape(batch, n, classes).astype(np.float32)
    attrs = {k: d.chance(0.5) for k in d.some(["pad_per_class", "clip_boxes"])}
    d.node(d.op, [d.put(boxes), d.put(scores), d.put(np.array(d.int(1, 4), np.int32)), d.put(np.array(d.int(1, 8), np.int32)),
                  d.put(np.float32(d.rng.uniform(0, 1))), d.put(np.float32(d.one(-9, 0.3)))], **attrs)


# ---- Files


def picture(d, channels, dtype=np.uint8):
    h, w = d.some_size(20, 90), d.some_size(20, 90)
    top = np.iinfo(dtype).max
    if d.chance(0.5):  # smooth
        y, x = np.mgrid[0:h, 0:w]
        base = np.stack([(y * d.int(1, 9) + x * d.int(1, 9)) * top // 400 + d.int(0, 90) for _ in range(channels)], -1)
        return np.clip(base, 0, top).astype(dtype)
    return d.rng.integers(0, top, (h, w, channels), dtype, endpoint=True)


def gif_data(pixels):
    """LZW as codes of 9 bits that never grow, for the table is cleared in time."""
    bits, n = 0, 0
    for i, p in enumerate(pixels):
        if i % 200 == 0:
            bits |= 256 << n
            n += 9
        bits |= int(p) << n
        n += 9
    bits |= 257 << n
    data = bits.to_bytes((n + 9 + 7) // 8, "little")
    return b"\x08" + b"".join(bytes([len(data[i:i + 255])]) + data[i:i + 255] for i in range(0, len(data), 255)) + b"\0"


def gif_file(d):
    h, w = d.int(1, 9), d.int(1, 9)
    two = lambda *v: b"".join(int(x).to_bytes(2, "little") for x in v)
    out = b"GIF89a" + two(w, h) + b"\xf7\0\0" + d.rng.integers(0, 255, 768, np.uint8).tobytes()
    for k in range(d.int(1, 3)):
        if d.chance(0.6):  # how the picture gives way to the next, and a colour that is not painted
            out += b"\x21\xf9\4" + bytes([d.int(0, 3) << 2 | d.int(0, 1)]) + two(5) + bytes([d.int(0, 255)]) + b"\0"
        x, y = (0, 0) if k == 0 and d.chance(0.8) else (d.int(0, w - 1), d.int(0, h - 1))
        fw, fh = w - x, h - y
        out += b"\x2c" + two(x, y, fw, fh) + b"\0" + gif_data(d.rng.integers(0, 255, fw * fh))
    return out + b"\x3b"


def bmp_file(d, channels):
    a = picture(d, channels)
    h, w, _ = a.shape
    rows = b""
    for row in (a if d.chance(0.3) else a[::-1]):
        line = (row[:, :3][:, ::-1] if channels == 3 else row[:, [2, 1, 0, 3]] if channels == 4 else row).tobytes()
        rows += line + b"\0" * (-len(line) % 4)
    palette = b"" if channels > 1 else b"".join(bytes([i, i, i, 0]) for i in range(256))
    start = 54 + len(palette)
    sign = 1 if d.chance(0.8) else -1
    head = b"BM" + (start + len(rows)).to_bytes(4, "little") + bytes(4) + start.to_bytes(4, "little") + (40).to_bytes(4, "little")
    head += w.to_bytes(4, "little") + (sign * h).to_bytes(4, "little", signed=True) + (1).to_bytes(2, "little") + (8 * channels).to_bytes(2, "little")
    return head + bytes(4) + len(rows).to_bytes(4, "little") + bytes(16) + palette + rows


@functools.cache
def webp_library():
    """libwebp, which encodes; None where it is not installed."""
    name = ctypes.util.find_library("webp")
    return name and ctypes.CDLL(name)


def webp_still(d, size, channels):
    """A file of one picture, lossless or not."""
    library, (height, width) = webp_library(), size
    if not library:
        return base64.b64decode("UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA")
    samples = d.rng.integers(0, 256, size + [channels], np.uint8).tobytes()
    if d.chance(0.5):  # smooth
        samples = (np.add.outer(np.arange(height) * 9, np.arange(width) * 5)[..., None] + np.arange(channels) * 40).astype(np.uint8).tobytes()
    out = ctypes.POINTER(ctypes.c_uint8)()
    lossless = d.chance(0.5)
    encode = getattr(library, f"WebPEncode{'Lossless' if lossless else ''}RGB{'A' if channels == 4 else ''}")
    encode.restype = ctypes.c_size_t
    n = encode(samples, width, height, width * channels, *([] if lossless else [ctypes.c_float(d.int(1, 99))]), ctypes.byref(out))
    return ctypes.string_at(out, n)


def webp_file(d):
    """A picture, or an animation of pictures that cover a part of the canvas each."""
    def chunk(name, data):
        return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

    def three(*numbers):
        return b"".join(struct.pack("<I", n)[:3] for n in numbers)
    height, width = d.int(1, 20), d.int(1, 20)
    if d.chance(0.6):
        return webp_still(d, [height, width], d.one(3, 4))
    frames = b""
    for _ in range(d.int(1, 3)):
        size = [d.int(1, height), d.int(1, width)] if webp_library() else [1, 1]
        still = webp_still(d, size, d.one(3, 4))[12:]
        still = still[18:] if still[:4] == b"VP8X" else still
        place = three(d.int(0, width - size[1]) // 2, d.int(0, height - size[0]) // 2, size[1] - 1, size[0] - 1, 40)
        frames += chunk(b"ANMF", place + bytes([d.int(0, 3)]) + still)
    # Without the bit of alpha TensorFlow writes four channels into room for three.
    whole = b"WEBP" + chunk(b"VP8X", bytes([0x12, 0, 0, 0]) + three(width - 1, height - 1)) + chunk(b"ANIM", d.rng.bytes(4) + b"\0\0") + frames
    return chunk(b"RIFF", whole)


def image_file(d, kind):
    if kind == "webp":
        return webp_file(d)
    if kind == "jpeg":
        a = picture(d, d.one(1, 3))
        return tf.io.encode_jpeg(a, quality=d.int(30, 100), progressive=d.chance(0.3), optimize_size=d.chance(0.3), chroma_downsampling=d.chance(0.6)).numpy()
    if kind == "png":
        return tf.io.encode_png(picture(d, d.int(1, 4), d.one(np.uint8, np.uint16))).numpy()
    return gif_file(d) if kind == "gif" else bmp_file(d, d.one(1, 3, 4))


def damaged(d, data):
    if d.chance(0.95):
        return data
    return data[:d.int(0, len(data))] if d.chance(0.5) else b"nothing"


def within(steps):
    """A JPEG decoder may round otherwise."""
    return lambda name, got, want: None if got.shape == want.shape and np.allclose(got.astype("f8"), want.astype("f8"), 0, steps) else \
        f"{name}: {got.shape} {got.ravel()[:9]} wanted {want.shape} {want.ravel()[:9]}"


@draws("DecodeJpeg", "DecodeAndCropJpeg", "DecodePng", "DecodeGif", "DecodeBmp", "DecodeWebP", "DecodeImage", "ExtractJpegShape")
def decode(d):
    kinds = {"DecodeWebP": "webp", "DecodeJpeg": "jpeg", "DecodeAndCropJpeg": "jpeg", "DecodePng": "png", "DecodeGif": "gif", "DecodeBmp": "bmp", "ExtractJpegShape": "jpeg"}
    kind = kinds.get(d.op) or d.one("jpeg", "png", "gif", "bmp", "webp")
    if d.op in ("DecodeJpeg", "DecodePng", "DecodeGif", "DecodeWebP", "DecodeBmp") and d.chance(0.1):
        kind = d.one("jpeg", "png", "gif", "webp", "bmp")
    data = damaged(d, image_file(d, kind))
    attrs = {}
    names = [d.put(np.array(data, object), fed=0)]
    if d.op in ("DecodeJpeg", "DecodeAndCropJpeg", "DecodePng", "DecodeImage", "DecodeBmp", "DecodeWebP") and d.chance(0.4 if kind == "webp" else 0.6):
        attrs["channels"] = d.one(0, 1, 3, 4) if d.op not in ("DecodeJpeg", "DecodeAndCropJpeg") else d.one(0, 1, 3)
    if d.op in ("DecodeJpeg", "DecodeAndCropJpeg"):
        if d.chance(0.4):
            attrs["ratio"] = d.one(1, 2, 4, 8)
        if d.chance(0.4):
            attrs["fancy_upscaling"] = d.chance(0.5)
        if d.chance(0.4):
            attrs["dct_method"] = d.one("INTEGER_ACCURATE", "INTEGER_FAST", "")
        if d.chance(0.2):
            attrs["try_recover_truncated"] = d.chance(0.6)
            if d.chance(0.7):
                attrs["acceptable_fraction"] = d.one(0.1, 0.5, 1.0)
            if kind == "jpeg" and d.chance(0.7) and b"\xff\xda" in data:  # cut earlier, TensorFlow may read headers forever
                d.graph.node[0].attr["value"].tensor.string_val[0] = data[:d.int(min(data.index(b"\xff\xda") + 20, len(data)), len(data))]
    if d.op == "DecodeAndCropJpeg":
        names.append(d.put(np.array([d.int(0, 9), d.int(0, 9), d.int(1, 10), d.int(1, 10)], np.int32)))
    if d.op == "DecodePng" and d.chance(0.5):
        attrs["dtype"] = d.one("uint8", "uint16")
    if d.op == "DecodeImage":
        if d.chance(0.5):
            attrs["dtype"] = d.one("uint8", "uint16", "float32")
        if d.chance(0.4):
            attrs["expand_animations"] = d.chance(0.5)
    if d.op == "ExtractJpegShape" and d.chance(0.5):
        attrs["output_type"] = d.one("int32", "int64")
    if kind == "jpeg" and d.op != "ExtractJpegShape":
        d.compare = within(3 if attrs.get("dtype") not in ("uint16", "float32") else 900 if attrs["dtype"] == "uint16" else 0.02)
    d.node(d.op, names, **attrs)


@draws("EncodeJpegVariableQuality")
def encode_quality(d):
    quality = d.int(0, 100) if d.chance(0.95) else 101
    text = d.node(d.op, [d.put(picture(d, d.one(1, 3))), d.put(np.array(quality, np.int32))])
    d.compare = within(3 if quality > 50 else 12)
    d.node("DecodeJpeg", text)


@draws("EncodeJpeg", "EncodePng")
def encode(d):
    if d.op == "EncodePng":
        text = d.node(d.op, [d.put(picture(d, d.int(1, 4), d.one(np.uint8, np.uint16)))], compression=d.int(-1, 9))
        d.node("DecodePng", text, channels=0, dtype="uint16")
    else:
        channels = d.one(1, 3)
        attrs = {"quality": d.int(40, 100)} if d.chance(0.6) else {}
        attrs.update({k: d.chance(0.5) for k in d.some(["progressive", "optimize_size", "chroma_downsampling"])})
        if d.chance(0.2):
            attrs.update(density_unit=d.one("in", "cm"), x_density=d.int(1, 600), y_density=d.int(1, 600))
        if d.chance(0.1):
            attrs["xmp_metadata"] = "<x/>"
        if d.chance(0.3):
            attrs["format"] = d.one("", "rgb" if channels == 3 else "grayscale")
        text = d.node(d.op, [d.put(picture(d, channels))], **attrs)
        d.compare = within(3)
        d.node("DecodeJpeg", text, channels=0, dct_method="INTEGER_ACCURATE")
    d.node_name = text[0].split(":")[0]
