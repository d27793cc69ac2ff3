#!/usr/bin/env python3
"""Makes a file of kernels a C string: embed.py x.cl x.c defines `const char bt_cl_x[]`. Called by the build.

A line `#include "y.cl"` is replaced by that file, which lies beside the first.
"""
import pathlib
import re
import sys

source, target = map(pathlib.Path, sys.argv[1:])


def lines(path):
    for line in path.read_text().splitlines():
        include = re.fullmatch(r'#include "(\w+\.cl)"', line)
        if include:
            yield from lines(path.parent / include[1])
        else:
            yield line.replace('\\', '\\\\').replace('"', '\\"')


target.write_text(
    f'/* Made from {source.name}. */\n#include "device/dialect.h"\n\nconst char bt_cl_{source.stem}[] =\n'
    + ''.join(f'    "{line}\\n"\n' for line in lines(source))
    + '    "";\n'
)
