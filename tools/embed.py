#!/usr/bin/env python3
"""Makes a text file a C string: embed.py x.cl x.c HEADER PREFIX [x.d] defines `const char PREFIXx[]`, which HEADER declares.
Called by the build.

A line `#include "y.cl"` is replaced by that file, which lies beside the first; x.d tells the build what was read.
"""
import pathlib
import re
import sys

source, target = map(pathlib.Path, sys.argv[1:3])
header, prefix = sys.argv[3:5]
read = []


def lines(path):
    read.append(path)
    for line in path.read_text().splitlines():
        include = re.fullmatch(r'#include "(\w+\.\w+)"', line)
        if include:
            yield from lines(path.parent / include[1])
        else:
            yield line.replace('\\', '\\\\').replace('"', '\\"')


target.write_text(
    f'/* Made from {source.name}. */\n#include "{header}"\n\nconst char {prefix}{source.stem}[] =\n'
    + ''.join(f'    "{line}\\n"\n' for line in lines(source))
    + '    "";\n'
)
if len(sys.argv) > 5:
    pathlib.Path(sys.argv[5]).write_text(f'{target}: {" ".join(map(str, read))}\n')
