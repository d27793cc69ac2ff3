"""Random uses of ops, a module a family: draw.py has the tools, ../differential.py runs them."""
from draws import conv, elementwise, reduction, segment  # noqa: F401  (each fills its part of the table)
