"""berth's library from Python, as far as tests want it: a model, one session, runs of NumPy arrays."""
import ctypes
import os
import pathlib

import numpy as np

STRING = 7
CODES = {1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 7: "S", 8: "complex64", 9: "int64", 10: "bool",
         11: "int8", 12: "uint8", 13: "int32", 14: "uint16", 15: "int16", 16: "uint16", 17: "uint16", 18: "complex128", 19: "float16",
         22: "uint32", 23: "uint64"}


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("message", ctypes.c_char * 512)]


class Feed(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("tensor", ctypes.c_void_p)]


class Spec(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("tensor", ctypes.c_char_p), ("dtype", ctypes.c_int), ("rank", ctypes.c_int), ("dims", ctypes.c_int64 * 8)]


class LoadOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("context", ctypes.c_void_p), ("tags", ctypes.c_char_p), ("structure", ctypes.c_char_p),
                ("rest", ctypes.c_char * 256)]


class SessionOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("signature", ctypes.c_char_p), ("device", ctypes.c_char_p), ("rest", ctypes.c_char * 256)]


class RunOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("targets", ctypes.POINTER(ctypes.c_char_p)), ("n_targets", ctypes.c_size_t),
                ("cancel", ctypes.c_void_p), ("max_iterations", ctypes.c_int64), ("device", ctypes.c_char_p)]


class Fails(Exception):
    """The library's one line."""


class Library:
    def __init__(self, program):
        own = os.RTLD_NOW | os.RTLD_DEEPBIND  # its own libre2, beside TensorFlow's
        self.c = ctypes.CDLL(str(pathlib.Path(program).resolve().parent / "libberth.so"), own)
        for name in ("berth_model_load", "berth_model_load_memory", "berth_session_new", "berth_tensor_new", "berth_tensor_data", "berth_tensor_get_string"):
            getattr(self.c, name).restype = ctypes.c_void_p
        self.c.berth_tensor_dim.restype = self.c.berth_tensor_count.restype = ctypes.c_int64
        self.c.berth_model_input_count.restype = ctypes.c_size_t


class Session:
    """One model and one session of it. model: a path, or the bytes of a GraphDef, which stay as long as this does."""

    def __init__(self, library, model, tags=None, structure=None, signature=None, device=None):
        self.c, self.bytes, error = library.c, model, Error()
        self.model = self.session = None
        text = lambda s: s if s is None else os.fsencode(s)
        load, options = LoadOptions(), SessionOptions()
        self.c.berth_load_options_init(ctypes.byref(load))
        self.c.berth_session_options_init(ctypes.byref(options))
        load.tags, load.structure = text(tags), text(structure)
        self.signature = options.signature = text(signature)
        options.device = text(device) or options.device
        if isinstance(model, bytes):
            self.model = self.c.berth_model_load_memory(model, ctypes.c_size_t(len(model)), None, None, ctypes.byref(load), ctypes.byref(error))
        else:
            self.model = self.c.berth_model_load(text(model), ctypes.byref(load), ctypes.byref(error))
        if self.model:
            self.session = self.c.berth_session_new(ctypes.c_void_p(self.model), ctypes.byref(options), ctypes.byref(error))
        if not self.session:
            self.close()
            raise Fails(error.message.decode(errors="replace"))

    def inputs(self):
        """{name: dtype's number}."""
        spec, found = Spec(), {}
        for i in range(self.c.berth_model_input_count(ctypes.c_void_p(self.model), self.signature)):
            self.c.berth_model_input(ctypes.c_void_p(self.model), self.signature, ctypes.c_size_t(i), ctypes.byref(spec), None)
            found[spec.name.decode()] = spec.dtype
        return found

    def ops(self):
        op, count, found = ctypes.c_char_p(), ctypes.c_size_t(), []
        while self.c.berth_model_op(ctypes.c_void_p(self.model), ctypes.c_size_t(len(found)), ctypes.byref(op), ctypes.byref(count)):
            found.append(op.value.decode())
        return found

    def reset(self):
        self.c.berth_session_reset(ctypes.c_void_p(self.session), None)

    def close(self):
        self.c.berth_session_free(ctypes.c_void_p(self.session))
        self.c.berth_model_free(ctypes.c_void_p(self.model))

    def tensor(self, array, dtype):
        dims, error = (ctypes.c_int64 * 9)(*array.shape), Error()
        made = self.c.berth_tensor_new(dtype, array.ndim, dims, ctypes.byref(error))
        if not made:
            raise Fails(error.message.decode(errors="replace"))
        if dtype == STRING:
            for i, s in enumerate(array.ravel().tolist()):
                self.c.berth_tensor_set_string(ctypes.c_void_p(made), ctypes.c_int64(i), s, ctypes.c_size_t(len(s)), ctypes.byref(error))
        elif array.nbytes:
            ctypes.memmove(self.c.berth_tensor_data(ctypes.c_void_p(made)), np.ascontiguousarray(array).ctypes.data, array.nbytes)
        return made

    def array(self, tensor):
        t = ctypes.c_void_p(tensor)
        dtype, shape = self.c.berth_tensor_dtype(t), [self.c.berth_tensor_dim(t, i) for i in range(self.c.berth_tensor_rank(t))]
        if dtype == STRING:
            out, n = np.empty(shape, object), ctypes.c_size_t()
            for i, at in enumerate(np.ndindex(*shape)):
                p = self.c.berth_tensor_get_string(t, ctypes.c_int64(i), ctypes.byref(n))
                out[at] = ctypes.string_at(p, n.value)
            return out
        out = np.empty(shape, CODES[dtype])
        if out.nbytes:
            ctypes.memmove(out.ctypes.data, self.c.berth_tensor_data(t), out.nbytes)
        return out

    def outputs(self, fetches):
        """For run: tensors that stay from run to run."""
        return (Feed * (len(fetches) + 1))(*((name.encode(), None) for name in fetches))

    def run(self, feeds, fetches, targets=(), into=None):
        """feeds: {name: (array, dtype's number)}; gives {name: array}. into: of outputs(fetches)."""
        ins, outs, error = (Feed * (len(feeds) + 1))(), into or self.outputs(fetches), Error()
        options = RunOptions(ctypes.sizeof(RunOptions), (ctypes.c_char_p * (len(targets) + 1))(*(t.encode() for t in targets)), len(targets))
        try:
            for i, (name, (array, dtype)) in enumerate(feeds.items()):
                ins[i] = Feed(name.encode(), self.tensor(array, dtype))
            status = self.c.berth_session_run(ctypes.c_void_p(self.session), ins, ctypes.c_size_t(len(feeds)), outs,
                                              ctypes.c_size_t(len(fetches)), ctypes.byref(options), ctypes.byref(error))
            if status:
                raise Fails(error.message.decode(errors="replace"))
            return {name: self.array(outs[i].tensor) for i, name in enumerate(fetches)}
        finally:
            for feed in (*ins, *(() if into else outs)):
                self.c.berth_tensor_free(ctypes.c_void_p(feed.tensor))
