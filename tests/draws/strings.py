"""Strings: splits, joins, regular expressions, hashes, numbers, bytes, Unicode."""
import atexit
import base64
import functools
import gzip
import pathlib
import shutil
import tempfile
import zlib

import numpy as np

from draws.draw import FLOATS, INTS, KNOWN, draws
from draws.sparse import coordinates, rows_of


def texts(d, most_rank=3, words=None):
    return d.texts(d.shape(most_rank=most_rank), words)


@draws("AsString")
def as_string(d):
    dtype = d.one("bool", "string", "complex64", "complex128", *FLOATS, *INTS)
    attrs = {}
    if dtype in FLOATS + ("complex64", "complex128"):
        if d.chance(0.4):
            attrs["precision"] = d.int(0, 12) if d.chance(0.95) else -2
        kind = d.one("", "", "scientific", "shortest")
        if kind:
            attrs[kind] = True
    if d.chance(0.4):
        attrs["width"] = d.int(0, 12)
    if d.chance(0.3):
        attrs["fill"] = d.one("0", " ", "-", "+", "0" if d.chance(0.9) else "00", "x")
    values = d.values(dtype, d.shape(most_rank=3))
    if dtype in FLOATS and d.chance(0.3):
        values = (values.astype("float64") * 10.0 ** d.int(-8, 12)).astype(values.dtype)
    d.node(d.op, [d.put(values, dtype)], **attrs)


@draws("EncodeBase64")
def encode_base64(d):
    d.node(d.op, [d.put(texts(d))], **({"pad": d.chance(0.6)} if d.chance(0.7) else {}))


@draws("DecodeBase64")
def decode_base64(d):
    shape = d.shape(most_rank=2)
    out = np.empty(shape, object)
    for i in np.ndindex(*shape):
        text = base64.urlsafe_b64encode(d.rng.bytes(d.int(0, 7)))
        if d.chance(0.5):
            text = text.rstrip(b"=")
        out[i] = text if d.chance(0.95) else text[:-1] + d.one(b"", b"+", b"/", b"=", b" ", b"AA=A")
    d.node(d.op, [d.put(out)])


def csv_field(d, dtype, quotes):
    if d.chance(0.12):
        return b""
    if dtype == "string":
        text = d.one(b"a", b"hello", b" x ", b"NA", b"12", b"\xc3\xa9")
        if quotes and d.chance(0.3):
            text = b'"' + d.one(b"a,b", b'say ""hi""', b"", b"two\nlines", b";|") + b'"'
        return text
    if d.chance(0.03):
        return d.one(b"x", b"1e", b"--1", b"99999999999", b"1e400", b"1.5", b" ")
    if dtype.startswith("int"):
        return d.one(b"%d" % d.int(-99, 99), b" %d" % d.int(0, 9), b"%d " % d.int(0, 9), b"NA")if d.chance(0.3) else b"%d" % d.int(-9, 99)
    return d.one(b"%g" % d.rng.uniform(-9, 9), b"1e-3", b".5", b"inf", b"nan", b"-0", b"7", b"1E5", b" 2.5 ")


@draws("DecodeCSV")
def decode_csv(d):
    types = [d.one("float32", "float64", "int32", "int64", "string") for _ in range(d.int(1, 4))]
    columns = list(range(len(types)))
    attrs = {}
    if d.chance(0.3):
        total = len(types) + d.int(0, 3)
        columns = sorted(d.rng.permutation(total)[:len(types)].tolist())
        attrs["select_cols"] = columns
    else:
        total = len(types)
    kinds = {c: t for c, t in zip(columns, types)}
    quotes = d.chance(0.8)
    delim = d.one(b",", b";", b"\t", b"|", b" ") if d.chance(0.4) else b","
    if d.chance(0.4) or delim != b",":
        attrs["field_delim"] = delim.decode()
    if not quotes or d.chance(0.2):
        attrs["use_quote_delim"] = quotes
    if d.chance(0.4):
        attrs["na_value"] = d.one("NA", "", "-")
    shape = d.shape(most_rank=2)
    out = np.empty(shape, object)
    for i in np.ndindex(*shape):
        n = total if d.chance(0.98) else total - 1
        out[i] = delim.join(csv_field(d, kinds.get(c, "string"), quotes) for c in range(n))
        if delim != b" " and d.chance(0.02):
            out[i] += d.one(b'"', b'x"y', b"\n", b"\r\n")
    defaults = [d.put(d.values(t, d.one([1], [1], [1], [0], []), wild=False) if t != "string" else
                      d.texts(d.one([1], [1], [0], [])), t) for t in types]
    d.node(d.op, [d.put(out), defaults], **attrs)


@draws("DecodeCompressed")
def decode_compressed(d):
    kind = d.one("", "ZLIB", "GZIP", "ZLIB", "GZIP", "zlib" if d.chance(0.2) else "ZLIB")
    shape = d.shape(most_rank=2)
    out = np.empty(shape, object)
    for i in np.ndindex(*shape):
        raw = d.rng.bytes(d.int(0, 40)) if d.chance(0.5) else b"abc" * d.int(0, 300)
        out[i] = {"ZLIB": zlib.compress, "GZIP": gzip.compress}.get(kind, lambda b: b)(raw)
        if kind and d.chance(0.03):
            out[i] = out[i][:-2] if d.chance(0.5) else b"not so"
    d.node(d.op, [d.put(out, fed=0)], **({"compression_type": kind} if kind or d.chance(0.5) else {}))


RAW = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "complex64", "complex128", "bool", "bfloat16")


@draws("DecodeRaw")
def decode_raw(d):
    dtype = d.type("out_type", of=RAW)
    size = np.dtype("uint16" if dtype == "bfloat16" else dtype).itemsize
    n, shape = d.int(0, 4) * size, d.shape(most_rank=2)
    if d.chance(0.04):
        n += 1
    out = np.empty(shape, object)
    for i in np.ndindex(*shape):
        out[i] = bytes(d.rng.integers(0, 2, n, np.uint8)) if dtype == "bool" else d.rng.bytes(n if d.chance(0.98) else n + size)
    d.node(d.op, [d.put(out, fed=0)], out_type=dtype, **({"little_endian": d.chance(0.5)} if d.chance(0.6) else {}))


@draws("DecodePaddedRaw")
def decode_padded_raw(d):
    dtype = d.type("out_type", of=RAW)
    size = np.dtype("uint16" if dtype == "bfloat16" else dtype).itemsize
    n = d.int(1, 5) * size
    out = d.texts(d.shape(most_rank=2))
    if dtype == "bool":
        for i in np.ndindex(*out.shape):
            out[i] = b"\0\1" * d.int(0, 3)
    fixed = n if d.chance(0.93) else d.one(0, -size, n + 1)
    d.node(d.op, [d.put(out, fed=0), d.put(np.array(fixed, np.int32))], out_type=dtype, **({"little_endian": d.chance(0.5)} if d.chance(0.6) else {}))


@draws("EditDistance")
def edit_distance(d):
    dtype = d.type("T")
    group = d.shape(rank=d.int(0, 2), most=3, empty=0)
    names = []
    for _ in range(2):
        shape = list(group) + [d.int(1, 4)]
        full = d.rng.random(group + [1]) * (shape[-1] + 1)
        at = np.array([i for i in np.ndindex(*shape) if i[-1] < full[i[:-1]]], np.int64).reshape(-1, len(shape))
        if d.chance(0.03) and len(at) > 1:
            at = at[::-1]
        values = d.values(dtype, [len(at)], 0, 2, False) if dtype != "string" else d.texts([len(at)], [b"a", b"b", b"c"])
        shape = [s + d.one(0, 0, 1) for s in shape] if d.chance(0.1) else shape
        names += [d.put(at), d.put(values, dtype), d.put(np.array(shape, np.int64))]
    d.node(d.op, names, **({"normalize": d.chance(0.5)} if d.chance(0.7) else {}))


@draws("Fingerprint")
def fingerprint(d):
    dtype = d.one(*INTS, *FLOATS, "string", "bool", "complex64")
    shape = d.shape(rank=d.int(1, 4) if d.chance(0.95) else 0)
    method = b"farmhash64" if d.chance(0.95) else b"farmhash32"
    d.node(d.op, [d.put(d.values(dtype, shape), dtype), d.put(np.array(method, object))])


@draws("ReduceJoin")
def reduce_join(d):
    shape = d.shape(most_rank=4, most=3)
    rank = len(shape)
    axes = d.rng.permutation(rank)[:d.int(0, rank)].astype(np.int32)
    axes = np.where(d.rng.random(len(axes)) < 0.4, axes - rank, axes).astype(np.int32)
    if d.chance(0.04):
        axes = np.append(axes, d.int(-rank - 1, rank)).astype(np.int32)
    if len(axes) == 1 and d.chance(0.4):
        axes = axes.reshape([])
    attrs = {"keep_dims": d.chance(0.5)} if d.chance(0.6) else {}
    if d.chance(0.6):
        attrs["separator"] = d.one("", "-", ", ")
    d.node(d.op, [d.put(d.texts(shape)), d.put(axes)], **attrs)


PATTERNS = ("a", "a+", "[a-z]+", r"\d+", r"\s*", ".", ".*", "(a)(b)?", "^a", "b$", "(?i)HELLO", "é|日", r"\pL+", "[^a-c]", "a{1,2}", "(a|ab)(c|bcd)?",
            r"\bx\b", "x*", "(?s).+", r"(\w+) (\w+)", "", r"\xff", r"\C", "[[:alpha:]]+", "(?P<name>[a-z])", "a*?", r"(?m)^\w", r"\z", "[é-日]",
            r"\PL", r"(\d+)(?:\.(\d+))?", "(((a)))", r"\Qa+b\E")
BAD = ("(", "[a", "*a", r"\8", "a{2,1}", "(?<n>", "a**", r"\pZz{", "(?=a)", "a{1001}")
REWRITES = ("", "x", r"<\0>", r"\1", r"\1-\2", r"\\", "é", "two words", r"\2\1\0")


def pattern_of(d):
    if d.chance(0.04):
        return d.one(*BAD)
    return "".join(d.one(*PATTERNS) for _ in range(d.one(1, 1, 1, 2)))


@draws("RegexFullMatch", "RegexReplace", "StaticRegexFullMatch", "StaticRegexReplace", weight=2)
def regex(d):
    pattern, rewrite = pattern_of(d), d.one(*REWRITES) if d.chance(0.96) else d.one(r"\9", "\\", r"\q")
    static, replaces = d.op.startswith("Static"), d.op.endswith("Replace")
    names, attrs = [d.put(texts(d))], {}
    if replaces and d.chance(0.6):
        attrs["replace_global"] = d.chance(0.5)
    if static:
        attrs["pattern"] = pattern
        attrs.update({"rewrite": rewrite} if replaces else {})
    else:
        names.append(d.put(np.array(pattern.encode(), object)))
        names += [d.put(np.array(rewrite.encode(), object))] if replaces else []
    d.node(d.op, names, **attrs)


@draws("StringFormat")
def string_format(d):
    n = d.int(0, 3) if d.chance(0.9) else 4
    names = []
    for _ in range(n):
        dtype = d.one("bool", "string", *FLOATS, *INTS, "complex64")
        names.append(d.put(d.values(dtype, d.shape(most_rank=3, most=7), wild=False), dtype))
    mark = d.one("%s", "{}", "@@")
    attrs = {"template": d.one("", "a ", "\n") + "".join(mark + d.one("", " ", ", b=", "\t") for _ in range(n if d.chance(0.95) else n + 1))}
    if mark != "%s" or d.chance(0.5):
        attrs["placeholder"] = mark
    if d.chance(0.6):
        attrs["summarize"] = d.one(-1, 1, 2, 3, 4, 100)
    d.node(d.op, [names], T=[d.dtype_of(n) for n in names], **attrs)


@draws("StringJoin")
def string_join(d):
    shape = d.shape(most_rank=3)
    parts = [d.put(d.texts(shape if d.chance(0.7) else [])) for _ in range(d.int(1, 4) if d.chance(0.97) else 0)]
    d.node(d.op, [parts], **({"separator": d.one("", " ", "--", "é")} if d.chance(0.6) else {}))


@draws("StringLength", "StringStrip", "StringLower", "StringUpper")
def simple(d):
    attrs = {}
    if d.op == "StringLength" and d.chance(0.7):
        attrs["unit"] = d.one("BYTE", "UTF8_CHAR")
    if d.op in ("StringLower", "StringUpper") and d.chance(0.6):
        attrs["encoding"] = "utf-8" if d.chance(0.9) else d.one("", "latin-1")
    extra = [b"\xc3\x9f\xc4\xb0", b"\xce\xa3\xce\x91\xcf\x82", b"\xf0\x90\x90\x80Q", b"\t a\v\f\r\n", b"\xef\xac\x81", b"\xc7\x85\xc7\x86", b"\0a b\0"]
    fed = {"fed": 0} if d.chance(0.3) else {}
    words = list(d.WORDS) + (extra if fed or d.op != "StringLength" else extra[:-1])
    d.node(d.op, [d.put(texts(d, words=words), **fed)], **attrs)


@draws("StringNGrams")
def ngrams(d):
    splits = rows_of(d, d.one("int32", "int64"))
    data = d.texts([int(splits[-1])])
    if d.chance(0.04):
        splits = d.one(splits[::-1].copy(), splits + 1, splits[:0])
    widths = [d.int(1, 4) for _ in range(d.int(1, 3))] if d.chance(0.95) else []
    d.node(d.op, [d.put(data), d.put(splits)], separator=d.one(" ", "", "|"), ngram_widths=widths, left_pad=d.one("", "L", "<s>"),
           right_pad=d.one("", "R", "</s>"), pad_width=d.one(-1, 0, 1, 2, 5), preserve_short_sequences=d.chance(0.5))


@draws("StringSplit", "StringSplitV2")
def split(d):
    words = [b"a b c", b" a  b ", b"", b"x,y;z", b",,a,,", b"a\tb\nc", b"\xc3\xa9 \xe6\x97\xa5", b"one", b"a::b::", b"::"]
    data = d.texts([d.size(5)], words) if d.chance(0.97) else d.texts(d.shape(rank=2), words)
    sep = d.one(b"", b" ", b",", b",;", b"::", b"a")
    if d.op == "StringSplit":
        attrs = {"skip_empty": d.chance(0.5)} if d.chance(0.7) else {}
    else:
        attrs = {"maxsplit": d.int(-1, 3)} if d.chance(0.6) else {}
    d.node(d.op, [d.put(data), d.put(np.array(sep, object) if d.chance(0.97) else np.array([sep], object))], **attrs)


@draws("StringToHashBucket", "StringToHashBucketFast", "StringToHashBucketStrong")
def hash_bucket(d):
    attrs = {"num_buckets": d.one(1, 2, 10, 1000, 1 << 40, (1 << 63) - 1)}
    if d.op.endswith("Strong"):
        attrs["key"] = [d.int(-9, 1 << 40) for _ in range(2 if d.chance(0.96) else d.one(0, 1, 3))]
    data = texts(d)
    if d.chance(0.3) and data.ndim:
        for i in np.ndindex(*data.shape):
            data[i] = bytes(d.rng.integers(1, 256, d.int(0, 200), np.uint8))
    d.node(d.op, [d.put(data)], **attrs)


@draws("StringToNumber")
def string_to_number(d):
    dtype = d.type("out_type")
    words = [b"0", b"1", b"-7", b" 12 ", b"+3", b"007"]
    if dtype in FLOATS:
        words += [b"1.5", b".5", b"-1e-3", b"inf", b"-Infinity", b"nan", b"1e40", b"1e-320", b"0x1p3", b"1e", b"3.14159265358979"]
    words = words if d.chance(0.9) else words + [b"", b"x", b"1 2", b"99999999999999999999", b"1.5", b"4294967295", b"- 1", b"18446744073709551615", b"18446744073709551616", b"-0", b"+-1", b"--1", b"+ 1"]
    shape = d.shape(most_rank=3)
    out = np.empty(shape, object)
    for i in np.ndindex(*shape):
        out[i] = d.one(*words)
    d.node(d.op, [d.put(out)], **({} if dtype == "float32" and d.chance(0.5) else {"out_type": dtype}))


@draws("Substr")
def substr(d):
    dtype, shape = d.type("T"), d.shape(most_rank=3)
    words = [b"hello", b"abcdef", b"\xc3\xa9t\xc3\xa9x", b"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"]
    at = d.like(shape) if d.chance(0.6) else []
    data = d.texts(shape if d.chance(0.7) else d.like(shape), words)
    pos = d.values(dtype, at, -2, 3 if d.chance(0.85) else 7, False)
    n = d.values(dtype, at if d.chance(0.97) else d.shape(), 0, 9, False)
    # TensorFlow's shape function takes two shapes that are not known alike for different ones.
    d.node(d.op, [d.put(data), d.put(pos, exact=1), d.put(n, exact=1)], **({"unit": d.one("BYTE", "UTF8_CHAR")} if d.chance(0.7) else {}))


@functools.cache
def some_files():
    """Paths: of files, an empty one among them, of a folder and of nothing."""
    folder = pathlib.Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    for name, content in {"text": b"one two\n\xc3\xa9\n", "bytes": bytes(range(256)) * 9, "empty": b"", "a name": b"x"}.items():
        (folder / name).write_bytes(content)
    return [str(folder / name) for name in ("text", "bytes", "empty", "a name", "", "none", "text/below")]


@draws("ReadFile")
def read_file(d):
    name = d.one(*some_files()).encode()
    at = d.node(d.op, [d.put(np.array(name if d.chance(0.95) else [name], object), "string", fed=0)], fetch=False)
    d.fetch(*(d.node("StringLength", at) if d.chance(0.3) else d.node("EncodeBase64", at)))  # as the bytes end in any


CHARSETS = """ISO-8859-2 latin3 ISO_8859-4 iso-8859-5 ISO-8859-6 iso-8859-7 ISO-8859-8 latin5 ISO-8859-10 ISO-8859-13 iso8859-15 windows-1250
cp1251 windows-1253 windows-1254 windows-1255 windows-1256 windows-1257 windows-1258 windows-874 KOI8-R KOI8-U ibm-437 cp850 IBM852 ibm-864 cp866
macintosh x-mac-cyrillic x-mac-greek x-mac-CentralEurRoman hp-roman8""".split()
UNICODE = (b"", b"abc", b"\xc3\xa9", b"\xe6\x97\xa5\xe6\x9c\xac", b"\xf0\x9f\x98\x80", b"a\tb\x01", b"\xff", b"\xe6\x97", b"\xed\xa0\x80", b"\xc0\x80",
           b"\xf4\x90\x80\x80", b"\xef\xbb\xbfx", b"\x00a", b"\xd8\x3d\xde\x00", b"\x00\x00\x00a", b"\xfe\xff\x00b", b"\xff\xfea\x00", b"\xff\xfe", b"\xfe\xff", b"\xd8\x3d\xde", b"\xff\xfe\x00\x00a\x00\x00\x00", b"\x1b\x7f\xc2\x85")


# Encodings of several bytes a character, and some of one that only ICU has; what Python writes them as, where it does.
WIDE = {"Shift_JIS": "shift_jis", "EUC-JP": "euc_jp", "GBK": "gbk", "gb18030": "gb18030", "Big5": "big5", "EUC-KR": "euc_kr", "windows-949": "cp949",
        "ISO-2022-JP": "iso2022_jp", "ISO-2022-JP-2": "iso2022_jp_2", "ISO-2022-KR": "iso2022_kr", "HZ": "hz", "UTF-7": "utf_7", "IMAP-mailbox-name": "utf_7",
        "Big5-HKSCS": "big5hkscs", "ibm-943": "cp932", "EUC-TW": None, "ISO-2022-CN": None, "SCSU": None, "BOCU-1": None, "CESU-8": "utf_8",
        "x11-compound-text": "iso2022_jp", "ibm-1047": "cp500", "ibm-37": "cp037", "ibm-1390": None, "LMBCS-1": None, "johab": "johab",
        "UTF-16,version=1": "utf_16", "UTF-8,version=1": "utf_8", "ISCII,version=0": None, "iso-8859_16": "iso8859_16", "mac-turkish": "mac_turkish"}
WIDE_TEXTS = ("日本語", "かなABC ｱｲ", "中文繁體字", "简体", "한국어 텍스트", "é😀", "Ελλ", "か゚b", "Ê̄x", "a\n\x01漢")


def wide_words(d, code):
    """Text in the encoding or one of the others, whole, cut short, with a byte changed or one more; and bytes of which many switch."""
    words = []
    for _ in range(8):
        codec = WIDE[code] if d.chance(0.7) and WIDE[code] else d.one(*[c for c in WIDE.values() if c])
        word = bytearray(d.one(*WIDE_TEXTS).encode(codec, "ignore"))
        if d.chance(0.3):
            word = word[:d.int(0, len(word))]
        if word and d.chance(0.2):
            word[d.int(0, len(word) - 1)] = d.int(0, 255)
        if d.chance(0.15):
            word = bytearray(d.one(0x1B, 0x24, 0x42, 0x28, 0x0E, 0x0F, 0x7E, 0x7B, 0x2B, 0x2D, 0x81, 0x30, 0xFE, 0xFF, 0x0A, 0x8E, 0xA1) for _ in range(d.int(0, 9)))
        words.append(bytes(word))
    return words


def coded_texts(d, code):
    """Strings for an encoding."""
    if code in WIDE:
        return texts(d, 2, wide_words(d, code))
    return texts(d, 2, [bytes(d.rng.integers(0, 256, d.int(0, 9), np.uint8)) for _ in range(9)] if code in CHARSETS else UNICODE)


def unicode_attrs(d):
    attrs = {}
    if d.chance(0.6):
        attrs["errors"] = d.one("replace", "ignore", "replace", "strict")
    if d.chance(0.4):
        attrs["replacement_char"] = d.one(32, 63, 0x1F600, 65533, 0 if d.chance(0.5) else 65533)
    if d.chance(0.3):
        attrs["replace_control_characters"] = d.chance(0.7)
    return attrs


@draws("UnicodeDecode", "UnicodeDecodeWithOffsets")
def unicode_decode(d):
    attrs = unicode_attrs(d)
    if d.chance(0.6):
        attrs["Tsplits"] = "int64" if d.op.endswith("Offsets") else d.one("int32", "int64")  # TensorFlow aborts on the other
    code = d.one("UTF-8", "UTF-8", "UTF-8", "UTF-16-BE", "UTF-32-BE", "utf8", "UTF-16", "UTF-16", "UTF-32", "UTF-16LE", "UTF-32-LE", d.one(*CHARSETS), "ISO-8859-1", "windows-1252", "US-ASCII" if d.chance(0.3) else "UTF-8",
                 "nonsense" if d.chance(0.1) else "UTF-8", *[d.one(*WIDE) for _ in range(10)])
    d.node(d.op, [d.put(coded_texts(d, code), fed=0)], input_encoding=code, **attrs)


@draws("UnicodeTranscode")
def unicode_transcode(d):
    code = d.one("UTF-8", "UTF-8", "UTF-8", "UTF-16-BE", "UTF-32-BE", "UTF-16", "ISO-8859-1", "UTF-16-LE", "UTF-32", "windows-1252", "cp1252", *[d.one(*WIDE) for _ in range(8)])
    d.node(d.op, [d.put(coded_texts(d, code), fed=0)], input_encoding=code, output_encoding=d.one("UTF-8", "UTF-16-BE", "UTF-32-BE"), **unicode_attrs(d))


@draws("UnicodeEncode")
def unicode_encode(d):
    splits = rows_of(d, d.one("int32", "int64"))
    choices = [97, 233, 0x65E5, 0x1F600, 10, 0] + ([0xD800, 0x110000, -1, 0xFFFF, 0xFDD0] if d.chance(0.3) else [])
    values = np.array([d.one(*choices) for _ in range(int(splits[-1]))], np.int32)
    if d.chance(0.04):
        splits = d.one(splits[::-1].copy(), splits + 1, splits[:-1])
    attrs = {}
    if d.chance(0.6):
        attrs["errors"] = d.one("replace", "ignore", "strict")
    if d.chance(0.4):
        attrs["replacement_char"] = d.one(32, 63, 0x1F600, 65533)
    d.node(d.op, [d.put(values), d.put(splits)], output_encoding=d.one("UTF-8", "UTF-16-BE", "UTF-32-BE"), **attrs)


@draws("UnicodeScript")
def unicode_script(d):
    shape = d.shape(most_rank=3)
    top = d.one(0x80, 0x600, 0x3000, 0x11000, 0x20000, 0x110000)
    d.node(d.op, [d.put(d.values("int32", shape, 0 if d.chance(0.9) else -3, top, False))])
