"""Random uses of ops, a module a family: draw.py has the tools, ../differential.py runs them."""
from draws import conv, counting, elementwise, image, linalg, quantized, reduction, scatter, segment, shape, sparse  # noqa: F401  (each fills its part of the table)
