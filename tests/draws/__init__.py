"""Random uses of ops, a module a family: draw.py has the tools, ../differential.py runs them."""
from draws import (conv, control, counting, elementwise, image, linalg, lists, parsing, program, quantized, ragged, random, recurrent, reduction, scatter, segment, shape, signal, sparse, strings, tables, variables, xla)  # noqa: F401
