#!/usr/bin/env python3
"""Run commands on a terminal of their own and draw what they print as an SVG picture.

usage: termshot.py OUT.svg [--folder DIR] [--path DIR] [--columns N] [--beside PICTURE.png]... -- COMMAND...
A PICTURE is drawn beside the line of output that starts with its path.

The README's picture, from the top folder:
  tools/termshot.py docs/images/digits.svg --folder examples/digits --path build --columns 78 \\
    --beside pictures/3.png --beside pictures/8.png --beside pictures/9.png -- \\
    'berth run digits --input image=pictures/3.png,pictures/8.png,pictures/9.png --labels labels.txt --top 3'
"""
import argparse
import base64
import html
import os
import pty
import re
import shlex
import subprocess

WIDTH, HEIGHT, MARGIN, BAR = 8.4, 20, 18, 34  # of a character cell, around the text, of the title bar
TEXT, DIM, BOLD, COLOURS = "#d5d9e0", "#8b93a1", "#ffffff", {36: "#56c2b6"}
FONT = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"


def run(command, folder):
    """What the command prints, standard output and error together, on a terminal."""
    master, slave = pty.openpty()
    env = dict(os.environ, TERM="xterm", LC_ALL="C.UTF-8")
    env.pop("NO_COLOR", None)
    with subprocess.Popen(shlex.split(command), stdout=slave, stderr=slave, cwd=folder, env=env) as process:
        os.close(slave)
        output = b""
        while True:
            try:
                chunk = os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            if not chunk:
                break
            output += chunk
        if process.wait():
            raise SystemExit("%s: exit status %d\n%s" % (command, process.returncode, output.decode()))
    return output.decode().replace("\r\n", "\n").rstrip("\n").split("\n")


def spans(line):
    """(column, text, style) of each stretch of one style; style: bold, dim and colour as a CSS class name."""
    column, style = 0, set()
    for part in re.split("(\x1b\\[[0-9;]*m)", line):
        match = re.fullmatch("\x1b\\[([0-9;]*)m", part)
        if match:
            for code in map(int, match.group(1).split(";") if match.group(1) else ["0"]):
                style = set() if code == 0 else style | {code}
        elif part:
            yield column, part, frozenset(style)
            column += len(part)


def draw_blocks(text, x, y, colour):
    """Block characters as rectangles: fonts leave gaps between them."""
    width = sum(1 if c == "\u2588" else (0x2590 - ord(c)) / 8 for c in text)
    return '<rect x="%.1f" y="%.1f" width="%.1f" height="10" rx="1" fill="%s"/>' % (x, y - 9.5, width * WIDTH, colour)


def draw_line(line, y):
    for column, text, style in spans(line):
        x = MARGIN + column * WIDTH
        colour = next((COLOURS[c] for c in style if c in COLOURS), BOLD if 1 in style else DIM if 2 in style else TEXT)
        if set(text) <= set(map(chr, range(0x2588, 0x2590))):
            yield draw_blocks(text, x, y, colour)
        elif text.strip():
            indent = len(text) - len(text.lstrip())
            text = text.strip()
            yield ('<text x="%.1f" y="%d" fill="%s" textLength="%.1f"%s xml:space="preserve">%s</text>' %
                   (x + indent * WIDTH, y, colour, len(text) * WIDTH, ' font-weight="600"' if 1 in style else "",
                    html.escape(text, quote=False)))


def prompt(command, columns):
    """The command as one would type it, broken before options where it is long."""
    start, line = "\x1b[2m$\x1b[0m ", ""
    for part in re.split(" (?=--)", command):
        if line and len(line) + len(part) > columns - 6:
            yield start + line + " \\"
            start, line = "    ", part
        else:
            line += " " * bool(line) + part
    yield start + line


def draw(lines, columns, pictures):
    width, height = 2 * MARGIN + columns * WIDTH, BAR + len(lines) * HEIGHT + MARGIN
    yield ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="%s" '
           'font-size="14">' % (width, height, width, height, FONT))
    yield '<rect width="%d" height="%d" rx="10" fill="#1d2129"/>' % (width, height)
    for i, colour in enumerate(["#ff5f57", "#febc2e", "#28c840"]):
        yield '<circle cx="%d" cy="17" r="6" fill="%s"/>' % (MARGIN + 6 + 20 * i, colour)
    for i, line in enumerate(lines):
        y = BAR + 18 + i * HEIGHT
        yield from draw_line(line, y)
        for name, data in pictures.items():
            if re.sub("\x1b\\[[0-9;]*m", "", line).startswith(name + " "):
                yield ('<image x="%.1f" y="%.1f" width="%d" height="%d" style="image-rendering: pixelated" '
                       'href="data:image/png;base64,%s"/>' %
                       (width - MARGIN - 3 * HEIGHT + 4, y - 15, 3 * HEIGHT - 4, 3 * HEIGHT - 4, data))
    yield "</svg>\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--folder", default=".", help="where the commands run")
    parser.add_argument("--path", default=".", help="where their programs are")
    parser.add_argument("--columns", type=int, default=80)
    parser.add_argument("--beside", action="append", default=[], metavar="PICTURE.png")
    parser.add_argument("commands", nargs="+")
    args = parser.parse_args()
    os.environ["PATH"] = os.path.abspath(args.path) + os.pathsep + os.environ["PATH"]
    lines, pictures = [], {}
    for command in args.commands:
        lines += [""] * bool(lines) + list(prompt(command, args.columns))
        lines += run(command, args.folder)
    for name in args.beside:
        with open(os.path.join(args.folder, name), "rb") as f:
            pictures[name] = base64.b64encode(f.read()).decode()
    with open(args.out, "w") as f:
        f.write("\n".join(draw(lines, args.columns, pictures)))


if __name__ == "__main__":
    main()
