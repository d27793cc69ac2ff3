#!/usr/bin/env python3
"""Makes a file of kernels a C string: embed.py x.cl x.c defines `const char bt_cl_x[]`. Called by the build."""
import pathlib
import sys

source, target = map(pathlib.Path, sys.argv[1:])
lines = (line.replace('\\', '\\\\').replace('"', '\\"') for line in source.read_text().splitlines())
target.write_text(
    f'/* Made from {source.name}. */\n#include "device/dialect.h"\n\nconst char bt_cl_{source.stem}[] =\n'
    + ''.join(f'    "{line}\\n"\n' for line in lines)
    + '    "";\n'
)
