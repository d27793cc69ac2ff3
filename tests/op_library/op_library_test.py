#!/usr/bin/env python3
"""Ops of the user's own, from shared libraries, through the program. Standard library only.

usage: op_library_test.py BERTH MISH.so MISH.pbtxt GOOD.so OTHER_VERSION.so TAKEN.so NO_OPS.so
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

BERTH, MISH, MODEL, GOOD, OTHER_VERSION, TAKEN, NO_OPS = sys.argv[1:8]


def berth(*args, **environment):
    return subprocess.run([BERTH, *args], capture_output=True, text=True, env={**os.environ, **environment})


def graph(op, inputs, attributes=""):
    text = "".join('node { name: "in%d" op: "Const" attr { key: "dtype" value { type: %s } } attr { key: "value" value '
                   '{ tensor { dtype: %s tensor_shape { } %s } } } }\n' % (i, dtype, dtype, value)
                   for i, (dtype, value) in enumerate(inputs))
    names = " ".join('input: "in%d"' % i for i in range(len(inputs)))
    return text + 'node { name: "y" op: "%s" %s %s }\n' % (op, names, attributes)


class OpLibrary(unittest.TestCase):
    def run_graph(self, text, *args):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "graph.pbtxt")
            with open(path, "w") as f:
                f.write(text)
            return berth("run", path, *args)

    def refused(self, done, status, words):
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, r"\Aberth: [^\n]*" + words + r"[^\n]*\n\Z")

    def check_mish(self, *args, **environment):
        done = berth("run", MODEL, "--op-library", MISH, "--input", "x=[-1, 0, 2]", "--json", *args, **environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        for got, wanted in zip(json.loads(done.stdout)["y:0"]["values"], (-0.2525014826957089, 0, 3.9974128069762385)):
            self.assertAlmostEqual(got, wanted, 5)

    def test_the_example(self):
        self.check_mish("--device", "/CPU:0")

    def test_the_example_on_a_device(self):
        if "/GPU:0" not in berth("devices", BERTH_OPENCL="cpu").stdout:
            self.skipTest("no OpenCL device")
        self.check_mish("--device", "/GPU:0", "--no-soft-placement", BERTH_OPENCL="cpu")

    def test_without_the_library(self):
        self.refused(berth("run", MODEL, "--input", "x=[1]"), 1, "Mish.*'y'")

    def test_strings_scratch_and_two_outputs(self):
        text = graph("Repeat", [("DT_STRING", 'string_val: "ab"'), ("DT_INT32", "int_val: 3")])
        done = self.run_graph(text, "--op-library", GOOD, "--output", "y:0", "--output", "y:1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("abab", done.stdout)
        self.assertRegex(done.stdout, r"\[4 4 4\]|\[4, 4, 4\]")

    def test_an_attribute_beats_the_input(self):
        text = graph("Repeat", [("DT_STRING", 'string_val: "ab"'), ("DT_INT32", "int_val: 3")],
                     'attr { key: "times" value { i: 1 } }')
        done = self.run_graph(text, "--op-library", GOOD, "--output", "y:1")
        self.assertRegex(done.stdout, r"\[4\]")

    def test_its_own_errors_name_the_node(self):
        self.refused(self.run_graph(graph("Repeat", [("DT_STRING", 'string_val: "ab"')]), "--op-library", GOOD), 1,
                     "'y'.*has 1 inputs")

    def test_kernels_at_fault(self):
        float_in = [("DT_FLOAT", "float_val: 1")]
        self.refused(self.run_graph(graph("Forgetful", float_in), "--op-library", GOOD), 1, "'y'.*left output 0 out")
        self.refused(self.run_graph(graph("Wild", float_in), "--op-library", GOOD), 1, "'y'.*cannot be -5")

    def test_libraries_that_do_not_fit(self):
        for library, words in ((OTHER_VERSION, "built for version 2 of the op interface, this berth has version 1"),
                               (TAKEN, "op 'Add': there is one of this name already"), (NO_OPS, "exports no berth_ops"),
                               ("absent.so", "absent.so"), (MODEL, "mish.pbtxt")):
            self.refused(berth("run", MODEL, "--op-library", library, "--input", "x=[1]"), 1, words)

    def test_the_same_library_twice(self):
        self.check_mish("--op-library", MISH)


unittest.main(argv=sys.argv[:1] + sys.argv[8:])
