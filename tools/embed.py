#!/usr/bin/env python3
"""Makes a text file a C string: embed.py x.cl x.c HEADER PREFIX [x.d] defines `const char PREFIXx[]`, which HEADER declares.
Called by the build.

A line `#include "y.cl"` is replaced by that file, which lies beside the first; x.d tells the build what was read.
"""
import pathlib
import re
import sys


def lines(path, read=None):
    """Of a file and those that it includes, whose paths are added to the list `read`."""
    if read is not None:
        read.append(path)
    for line in path.read_text().splitlines():
        include = re.fullmatch(r'#include "(\w+\.\w+)"', line)
        if include:
            yield from lines(path.parent / include[1], read)
        else:
            yield line


def main(source, target, header, prefix, depfile=None):
    read = []
    escaped = (line.replace('\\', '\\\\').replace('"', '\\"') for line in lines(source, read))
    target.write_text(
        f'/* Made from {source.name}. */\n#include "{header}"\n\nconst char {prefix}{source.stem}[] =\n'
        + ''.join(f'    "{line}\\n"\n' for line in escaped)
        + '    "";\n'
    )
    if depfile:
        pathlib.Path(depfile).write_text(f'{target}: {" ".join(map(str, read))}\n')


if __name__ == '__main__':
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), *sys.argv[3:])
