"""Tables: of keys and values given, that grow, of tensors, dense ones."""
import numpy as np

from draws.draw import draws, kernel_types

FIND = ("LookupTableFindV2", "LookupTableSizeV2", "LookupTableExportV2", "LookupTableInsertV2", "LookupTableRemoveV2", "LookupTableImportV2",
        "InitializeTableV2")
KINDS = ("HashTableV2", "MutableHashTableV2", "MutableHashTableOfTensorsV2", "MutableDenseHashTableV2", "HashTable", "MutableHashTable",
         "AnonymousHashTable")


def types_of(d, kind):
    pairs = [(k, v) for t in kernel_types(kind) for k in t["key_dtype"] for v in t["value_dtype"]]
    return pairs[d.int(0, len(pairs) - 1)]


def keys_of(d, dtype, shape, low=0):
    return d.texts(shape, [b"a", b"b", b"c", b"dd", b""]) if dtype == "string" else d.values(dtype, shape, low, 6, False)


def table(d, kind):
    """[handle, key dtype, value dtype, shape of a value, of a key]"""
    key, value = types_of(d, kind)
    shape, of_key, args, attrs = [], [], [], {"use_node_name_sharing": True} if d.chance(0.1) and not kind.startswith("Anonymous") else {}
    if kind in ("MutableHashTableOfTensorsV2", "MutableDenseHashTableV2"):
        shape = d.shape(rank=1 if d.chance(0.9) else d.int(0, 2), most=3, empty=0)
        attrs["value_shape"] = shape
    if kind == "MutableDenseHashTableV2":
        of_key = [d.int(1, 3)] if d.chance(0.3) else []
        for marker in (b"none", b"gone") if key == "string" else (99, -7):
            args.append(d.put(np.full(of_key, marker, object if key == "string" else key), key))
        if d.chance(0.85):
            attrs["initial_num_buckets"] = d.one(4, 8, 16) if d.chance(0.97) else 2
        if d.chance(0.3):
            attrs["max_load_factor"] = d.one(0.3, 0.9)
    handle = d.node(kind, args, fetch=False, key_dtype=key, value_dtype=value, **attrs)[0]
    return handle, key, value, shape, of_key


def by_key(name, got, want):
    """Elements come in any order."""
    key = lambda a: sorted(repr(x) for x in np.asarray(a).reshape(len(a), -1).tolist()) if np.size(a) else repr(a)
    if got.dtype.kind == "S":
        want = np.asarray(want, object).astype("S")
    return None if got.shape == np.shape(want) and key(got) == key(want) else f"{name}: {got.tolist()} wanted {np.asarray(want).tolist()}"


@draws(*FIND, *KINDS)
def tables(d):
    kind = d.op if d.op in KINDS else d.one("HashTableV2") if d.op == "InitializeTableV2" else d.one(*KINDS[1:4]) if d.op in FIND[3:5] else \
        d.one(*KINDS[:3], "AnonymousHashTable") if d.op == "LookupTableExportV2" else d.one(*KINDS[:4], "AnonymousHashTable")
    by_ref = kind in ("HashTable", "MutableHashTable")
    grows = kind.startswith("Mutable")
    handle, key, value, shape, of_key = table(d, kind)
    dense = kind == "MutableDenseHashTableV2"
    version = "" if by_ref else "V2"
    last, n = [], d.int(0, 6)
    for _ in range(d.int(1, 2) if grows else 1):
        keys = keys_of(d, key, [n] + of_key)
        if not grows:
            keys = np.array(sorted(set(keys.tolist())), keys.dtype) if n else keys
            if not grows and d.chance(0.05) and len(keys):
                keys = np.append(keys, keys[:1])
        op = ("LookupTableImport" if not dense and (d.op == "LookupTableImportV2" or d.chance(0.2)) else "LookupTableInsert") if grows else "InitializeTable"
        wide = d.values(value, [len(keys)] + shape, wild=False)
        name = d.node(op + version, [handle, d.put(keys, key, exact=1), d.put(wide, value, exact=1)], controls=last, fetch=False)
        last = [d.graph.node[-1].name]
    if grows and not by_ref and (d.op == "LookupTableRemoveV2" or d.chance(0.2)):
        d.node("LookupTableRemoveV2", [handle, d.put(keys_of(d, key, [d.int(0, 3)] + of_key), key)], controls=last, fetch=False)
        last = [d.graph.node[-1].name]
    if dense and (d.op == "LookupTableImportV2" or d.chance(0.2)):  # buckets, as a checkpoint has them
        first = d.holder(handle)
        other = d.graph.node.add()
        other.CopyFrom(first)
        other.name += "_other"
        bucket = d.node("LookupTableExportV2", [handle], controls=last, fetch=False, Tkeys=key, Tvalues=value)
        handle = other.name + ":0"
        d.node("LookupTableImportV2", [handle, *bucket], fetch=False)
        last = [d.graph.node[-1].name]
        if d.chance(0.5):
            more = keys_of(d, key, [d.int(1, 5)] + of_key)
            d.node("LookupTableInsertV2", [handle, d.put(more, key, exact=1), d.put(d.values(value, [len(more)] + shape, wild=False), value, exact=1)],
                   controls=last, fetch=False)
            last = [d.graph.node[-1].name]
    ops = d.some(["Find", "Size", "Export"], 1)
    if d.op.startswith("LookupTable") and d.op[11:-2] in ("Find", "Size", "Export"):
        ops = list({*ops, d.op[11:-2]})
    fetched = []
    for op in sorted(ops):
        if op == "Find":
            asked = keys_of(d, key, d.shape(most_rank=1 if of_key else 3) + of_key, 0)
            default = d.values(value, shape if d.chance(0.9) or kind != "MutableHashTableOfTensorsV2" else list(asked.shape)[:asked.ndim - len(of_key)] + shape, wild=False)
            fetched += d.node("LookupTableFind" + version, [handle, d.put(asked, key), d.put(default, value)], controls=last, fetch=False)
        elif op == "Size":
            fetched += d.node("LookupTableSize" + version, [handle], controls=last, fetch=False)
        elif grows:
            out = d.node("LookupTableExport" + version, [handle], controls=last, fetch=False, Tkeys=key, Tvalues=value)
            fetched += out
            exported = set(out)
    d.fetch(*fetched) if fetched else d.fetch(*d.node("LookupTableSize" + version, [handle], controls=last, fetch=False))
    if "Export" in ops and grows and not dense:
        d.compare = lambda name, got, want: by_key(name, got, want) if name in exported else \
            None if (np.asarray(got) == (np.asarray(want, object).astype("S") if got.dtype.kind == "S" else np.asarray(want))).all() else \
            f"{name}: {got.tolist()} wanted {np.asarray(want).tolist()}"
