#!/usr/bin/env python3
"""Runs what docs/placement.md says: the commands of its console blocks, against the output shown below them, and its C
fragments, in the page's own program, against the text block that follows. In the output shown, `...` stands for any text, and
alone in a line for any lines. What needs /GPU:0 is left out where there is none, also as PoCL. Standard library only.

usage: docs_test.py BERTH SOURCE_ROOT
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap

BERTH, ROOT = map(os.path.abspath, sys.argv[1:3])
BUILD = os.path.dirname(BERTH)
PAGE = os.path.join(ROOT, "docs", "placement.md")
ENV = dict(os.environ, BERTH_OPENCL="cpu", PATH=BUILD + ":" + os.environ["PATH"], LD_LIBRARY_PATH=BUILD, LC_ALL="C.UTF-8")
MARK = "    /* here */\n"


def blocks(text):
    """(line, language, text) of each fenced block."""
    for found in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S):
        yield text[:found.start()].count("\n") + 2, found[1], found[2]


def commands(block):
    """(command, output shown) of a console block; lines that begin with "> " continue a command."""
    done = []
    for line in block.splitlines(True):
        if line.startswith("$ "):
            done.append([line[2:], ""])
        elif line.startswith("> ") and not done[-1][1]:
            done[-1][0] += line[2:]
        else:
            done[-1][1] += line
    return done


def matches(shown, got):
    """Lines in any order of standard output and standard error are one text here: the one that the shell gives."""
    lines = [r"(?:.*\n)*?" if line == "...\n" else ".*".join(map(re.escape, line.split("..."))) for line in shown.splitlines(True)]
    return re.fullmatch("".join(lines), got)


class Tester:
    def __init__(self, folder):
        self.folder, self.passed, self.failed, self.skipped = folder, 0, 0, 0
        devices = subprocess.run([BERTH, "devices"], capture_output=True, text=True, env=ENV).stdout
        self.has_gpu = "/GPU:0" in devices

    def judge(self, line, what, ok, details):
        if ok:
            self.passed += 1
            return
        self.failed += 1
        print("placement.md:%d: %s\n%s" % (line, what.strip().split("\n")[0], details))

    def leaves_out(self, text):
        needs = re.search(r"GPU:0\b(?!\.)", re.sub(r'"?/?device:GPU:0"?|GPU=-1|task:0/device:GPU:\d', "", text))
        if needs and not self.has_gpu:
            self.skipped += 1
        return bool(needs) and not self.has_gpu

    def console(self, line, block):
        for command, shown in commands(block):
            if command.startswith(("./setup.sh", "export ")) or self.leaves_out(command + shown):
                continue
            done = subprocess.run(["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.folder,
                                  env=ENV, timeout=120)
            ok = done.returncode == 0 and matches(shown, done.stdout)
            self.judge(line, command, ok, "status %d, gave:\n%s" % (done.returncode, done.stdout))

    def fragment(self, line, program, block, shown):
        if self.leaves_out(block):
            return
        source, binary = os.path.join(self.folder, "program.c"), os.path.join(self.folder, "program")
        with open(source, "w") as f:
            f.write(program.replace(MARK, textwrap.indent(block, "    ")))
        built = subprocess.run([os.environ.get("CC", "cc"), "-Wall", "-Wextra", "-Werror", "-I" + os.path.join(ROOT, "include"), source, "-L" + BUILD,
                                "-lberth", "-o", binary], capture_output=True, text=True)
        self.judge(line, "the fragment does not compile", built.returncode == 0, built.stderr)
        if built.returncode:
            return
        done = subprocess.run([binary], capture_output=True, text=True, cwd=self.folder, env=ENV, timeout=120)
        ok = done.returncode == 0 and not done.stderr and (shown is None or matches(shown, done.stdout))
        self.judge(line, "the fragment", ok, "status %d, gave:\n%s%s" % (done.returncode, done.stdout, done.stderr))


def main():
    with open(PAGE, encoding="utf-8") as f:
        found = list(blocks(f.read()))
    programs = [text for _, kind, text in found if kind == "c" and MARK in text]
    assert len(programs) == 1, "the page has not one program for its fragments"
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(os.path.join(ROOT, "examples"), os.path.join(folder, "examples"))
        tester = Tester(folder)
        for (line, kind, text), follower in zip(found, found[1:] + [(0, "", "")]):
            if kind == "console":
                tester.console(line, text)
            elif kind == "c" and MARK not in text:
                tester.fragment(line, programs[0], text, follower[2] if follower[1] == "text" else None)
    print("%d passed, %d failed, %d left out without /GPU:0" % (tester.passed, tester.failed, tester.skipped))
    assert tester.passed > 15
    return tester.failed > 0


sys.exit(main())
