#!/usr/bin/env python3
"""Models in archives, through the program: zip and tar, gzipped or not, whole and damaged. Standard library only.

usage: archive_test.py BERTH SOURCE_ROOT [unittest's arguments]
"""
import gzip
import io
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zipfile

BERTH, ROOT = sys.argv[1], sys.argv[2]
DIGITS = os.path.join(ROOT, "examples", "digits")
IMAGE = "[" + ",".join(["[" + ",".join("[%g]" % ((x * y) % 5 / 5) for x in range(8)) + "]" for y in range(8)]) + "]"


def files_of(folder):
    """Path in the folder and content of every file."""
    paths = [os.path.join(at, name) for at, _, names in os.walk(folder) for name in sorted(names)]
    return [(os.path.relpath(path, folder), pathlib.Path(path).read_bytes()) for path in paths]


def zipped(files, compression=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return out.getvalue()


def tarred(files, form=tarfile.GNU_FORMAT, extra=()):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for info in extra:
            archive.addfile(info)
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def below(folder, files):
    return [(folder + name, content) for name, content in files]


class Archives(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.tmp)
        self.model = files_of(os.path.join(DIGITS, "digits"))

    def run_on(self, path, name="image", output="probability", stdin=None):
        return subprocess.run([BERTH, "run", path, "--input", f"{name}=[{IMAGE}]", "--output", output, "--json"],
                              input=stdin, capture_output=True, timeout=60)

    def put(self, name, content):
        path = os.path.join(self.tmp, name)
        with open(path, "wb") as f:
            f.write(content)
        return path

    def check(self, name, content):
        wanted = self.run_on(os.path.join(DIGITS, "digits"))
        done = self.run_on(self.put(name, content))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, wanted.stdout)

    def refused(self, words, name, content):
        done = self.run_on(self.put(name, content))
        line = done.stderr.decode()
        self.assertEqual(done.returncode, 1, line)
        self.assertRegex(line, r"\Aberth: [^\n]*\n\Z")
        for word in (name, *words):
            self.assertIn(word, line)

    def test_zip(self):
        self.check("stored.zip", zipped(self.model))
        self.check("deflated.zip", zipped(self.model, zipfile.ZIP_DEFLATED))
        self.check("deep.zip", zipped(below("a/b/digits/", self.model)))
        self.check("named_otherwise", zipped(self.model))

    def test_tar(self):
        for form in tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT:
            self.check("model.tar", tarred(below("./digits/", self.model), form))
        long = "d" * 90 + "/" + "e" * 90 + "/"
        for form in tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT:
            self.check("long.tar", tarred(below(long[:91] if form == tarfile.USTAR_FORMAT else long, self.model), form))

    def test_gzip(self):
        self.check("model.tar.gz", gzip.compress(tarred(self.model)))
        with open(os.path.join(DIGITS, "digits.h5"), "rb") as f:
            done = self.run_on(self.put("digits.h5.gz", gzip.compress(f.read())))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_links_and_folders_are_passed_over(self):
        link, folder = tarfile.TarInfo("digits/link"), tarfile.TarInfo("digits")
        link.type, link.linkname, folder.type = tarfile.SYMTYPE, "/etc/passwd", tarfile.DIRTYPE
        self.check("model.tar", tarred(below("digits/", self.model), extra=[link, folder]))

    def test_the_later_of_two(self):
        self.check("twice.tar", tarred([("saved_model.pb", b"not this one")] + self.model))

    def test_single_files(self):
        for name in "digits.h5", "digits.pb":
            with open(os.path.join(DIGITS, name), "rb") as f:
                content = f.read()
            done = self.run_on(self.put("one.zip", zipped([("read me", b""), ("x/" + name, content)])),
                               "image" + ":0" * name.endswith("pb"), "probability" + ":0" * name.endswith("pb"))
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_standard_input(self):
        done = self.run_on("-", stdin=tarred(self.model))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_without_a_model(self):
        self.refused(["without a model"], "none.zip", zipped([("read me", b"nothing")]))
        self.refused(["several models"], "two.tar", tarred([("a.pb", b"x"), ("b.h5", b"y")]))
        self.refused(["several models"], "two.zip", zipped(below("a/", self.model) + below("b/", self.model)))

    def test_hostile_names(self):
        for name in "../saved_model.pb", "/saved_model.pb", "a/../../b":
            self.refused(["leads out"], "bad.tar", tarred([(name, b"x")] + self.model))

    def test_missing_parts(self):
        for part, _ in self.model:
            if "fingerprint" in part:
                continue
            left = [(name, content) for name, content in self.model if name != part]
            if part == "saved_model.pb":  # what is left looks like a checkpoint
                self.refused(["--structure"], "part.zip", zipped(left))
            elif part.endswith(".index"):  # a graph without values is a model, until a variable is read
                done = self.run_on(self.put("part.zip", zipped(left)))
                self.assertRegex(done.stderr.decode(), r"\Aberth: [^\n]*has no value in the file[^\n]*\n\Z")
            else:
                self.refused(["data-00000-of-00001", "not in the archive"], "part.zip", zipped(left))

    def test_damage(self):
        whole = tarred(self.model)
        for n in range(1, len(whole), len(whole) // 60):
            done = self.run_on(self.put("cut.tar", whole[:n]))
            if done.returncode:  # a cut in the padding at the end is none
                self.assertRegex(done.stderr.decode(), r"\Aberth: [^\n]*\n\Z")
        packed = gzip.compress(whole)
        for n in range(1, len(packed), len(packed) // 30):
            self.refused([], "cut.tar.gz", packed[:n])
        packed = bytearray(packed)
        packed[-1] = 0xff  # says that there are 4 GB in it
        self.refused(["gzip"], "large.tar.gz", bytes(packed))


unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
