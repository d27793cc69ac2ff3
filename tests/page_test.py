#!/usr/bin/env python3
"""The page of `berth place --html` in a headless Chromium: what is drawn of which graph, what keys and clicks do, hostile
names. Skipped where there is no Chromium. Standard library only.

usage: page_test.py BERTH SOURCE_ROOT [unittest's arguments]
"""
import html
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BERTH, ROOT = sys.argv[1], sys.argv[2]
DIGITS = os.path.join(ROOT, "examples", "digits", "digits")
CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
FLOAT = "attr { key: 'T' value { type: DT_FLOAT } }"


def placeholder(name, shape="shape { dim { size: 2 } }"):
    return ("node { name: '%s' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } "
            "attr { key: 'shape' value { %s } } }\n" % (name, shape))


def escape(name):
    return "".join("\\%03o" % b for b in name.encode())


def loop():
    """y = x doubled until a counter has passed n: While, whose steps belong to it."""
    def function(name, nodes, result, kind):
        return ("function { signature { name: '%s' input_arg { name: 'i' type: DT_FLOAT } input_arg { name: 'x' type: DT_FLOAT } "
                "%s } %s }\n" % (name, kind, nodes + result))
    more = function("more", "node_def { name: 'less' op: 'Less' input: 'i' input: 'x' %s } " % FLOAT,
                    "ret { key: 'r' value: 'less:z:0' }", "output_arg { name: 'r' type: DT_BOOL }")
    twice = function("twice", "node_def { name: 'next' op: 'AddV2' input: 'i' input: 'i' %s } " % FLOAT,
                     "ret { key: 'a' value: 'next:z:0' } ret { key: 'b' value: 'x' }",
                     "output_arg { name: 'a' type: DT_FLOAT } output_arg { name: 'b' type: DT_FLOAT }")
    return (placeholder("i", "shape { }") + placeholder("x", "shape { }") +
            "node { name: 'loop' op: 'StatelessWhile' input: 'i' input: 'x' "
            "attr { key: 'T' value { list { type: DT_FLOAT type: DT_FLOAT } } } "
            "attr { key: 'cond' value { func { name: 'more' } } } attr { key: 'body' value { func { name: 'twice' } } } }\n"
            "node { name: 'y' op: 'Sqrt' input: 'loop' %s }\n" % FLOAT + "library { " + more + twice + "}\n")


def chain(n, branch=7):
    """n steps in scopes of a hundred; every seventh takes the one before the last too."""
    nodes = [placeholder("x")]
    names = ["x"]
    for i in range(n):
        name = "block_%d/part_%d/op_%d" % (i // 100, i // 10 % 10, i)
        if i % branch:
            nodes.append("node { name: '%s' op: 'Reciprocal' input: '%s' %s }\n" % (name, names[-1], FLOAT))
        else:
            nodes.append("node { name: '%s' op: 'Maximum' input: '%s' input: '%s' %s }\n"
                         % (name, names[-1], names[-2] if i > 1 else "x", FLOAT))
        names.append(name)
    return "".join(nodes)


class Page:
    """A page, and what is left of it after the browser has run it and a further script."""

    def __init__(self, path, script=""):
        with open(path, encoding="utf-8") as f:
            self.text = f.read()
        self.data = json.loads(re.search(r'<script type="application/json" id="data">\n(.*?)</script>', self.text, re.S)[1])
        if script:
            path += ".script.html"
            with open(path, "w", encoding="utf-8") as f:
                f.write(self.text.replace("</body>", "<script>%s</script></body>" % script))
        done = subprocess.run([CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
                               "--window-size=1400,900", "--user-data-dir=" + os.path.dirname(path) + "/browser", "--dump-dom",
                               "file://" + path], capture_output=True, text=True, timeout=240)
        self.dom = done.stdout
        self.console = [line for line in done.stderr.split("\n") if "CONSOLE" in line]

    def count(self, pattern):
        return len(re.findall(pattern, self.dom))

    def said(self, key):
        """What the script left in document.documentElement.dataset; or the summary."""
        found = re.search(r'<html[^>]* data-%s="([^"]*)"|<p id="%s">([^<]*)' % (key, key), self.dom)
        return html.unescape(found[1] or found[2]) if found else None


def expected(data):
    """Nodes, edges by kind, of the steps: the same as the page must find, done otherwise."""
    steps = data["steps"]
    is_copy = [s[1] == "_Copy" and bool(s[4]) for s in steps]
    edges = {}
    for i, s in enumerate(steps):
        if is_copy[i]:
            continue
        for source in s[4]:
            copied = False
            while is_copy[source]:
                source, copied = steps[source][4][0], True
            kind = "copy" if copied else "cross" if steps[source][2] != s[2] else ""
            if edges.get((source, i)) != "copy":
                edges[source, i] = kind
        if s[5] >= 0 and not s[4]:
            edges[s[5], i] = "body"
    return is_copy.count(False), list(edges.values())


class Pages(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.tmp, True)

    def model(self, text):
        path = os.path.join(self.tmp, "model.pbtxt")
        with open(path, "w") as f:
            f.write(text + "versions { producer: 1000 }\n")
        return path

    def write(self, *args, env=None):
        path = os.path.join(self.tmp, "page.html")
        done = subprocess.run([BERTH, "place", *args, "--html", path], capture_output=True, text=True,
                              env=dict(os.environ, **(env or {})))
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        return path

    def page(self, *args, script="", env=None):
        page = Page(self.write(*args, env=env), script)
        self.assertEqual(page.console, [])
        self.assertEqual(page.said("ready"), "yes")
        return page

    def check_drawn(self, page):
        nodes, edges = expected(page.data)
        self.assertEqual(page.count(r'<g class="node[ "]'), nodes)
        for kind in ("copy", "cross", "body"):
            self.assertEqual(page.count(r'<path class="edge %s"' % kind), edges.count(kind), kind)
        self.assertEqual(page.count(r'<path class="edge[ "]'), len(edges))

    def test_two_cpus(self):
        page = self.page(DIGITS, "--logical", "CPU:0=0,0", "--device", "/CPU:0", "--rule", "op:MatMul=/CPU:1")
        self.check_drawn(page)
        self.assertGreater(page.data["runs"], 0)
        self.assertGreaterEqual(page.count(r'<path class="edge cross"'), 1)
        self.assertEqual(page.count("<b>/CPU:1</b>"), 1)
        self.assertIn(" a run (", page.said("summary"))
        times = [s[8] for s in page.data["steps"] if s[1] not in ("_Feed", "_Fetch")]
        self.assertTrue(all((s[8] > 0) == (s[7] > 0) for s in page.data["steps"]))
        # in the order of the steps' times
        rows = [int(r) for r in re.findall(r'<tr id="row(\d+)"', page.dom)]
        self.assertEqual(sorted(rows, key=lambda r: (-page.data["steps"][r][8], r)), rows)
        self.assertEqual(len(rows), len(times))

    def test_alone(self):
        """Nothing is fetched: no address but the names of XML's spaces and no source."""
        with open(self.write(DIGITS), encoding="utf-8") as f:
            text = f.read()
        self.assertEqual(set(re.findall(r"https?://[^\"' ]*", text)), {"http://www.w3.org/2000/svg"})
        self.assertNotRegex(text, r"<(link|img|iframe|object|embed)\b|@import|url\(|\bsrc=|\bimport\b")
        self.assertIn("default-src 'none'", text)

    def test_gpu(self):
        env = {"BERTH_OPENCL": "cpu"}
        devices = subprocess.run([BERTH, "devices"], capture_output=True, text=True, env=dict(os.environ, **env)).stdout
        if "/GPU:0" not in devices:
            self.skipTest("no OpenCL device")
        page = self.page(DIGITS, "--device", "/GPU:0", "--rule", "op:MatMul=/CPU:0", env=env)
        self.check_drawn(page)
        self.assertGreaterEqual(page.data["copies"], 3)
        self.assertEqual(page.count('<path class="edge copy"'), page.data["copies"])
        self.assertEqual(page.count(r"copy from /CPU:0 to /GPU:0: 256 bytes · [\d.]+ µs"), 1)

    def test_loop(self):
        page = self.page(self.model(loop()), "--input", "i:0=1", "--input", "x:0=100")
        self.check_drawn(page)
        steps = {s[0]: s for s in page.data["steps"]}
        self.assertEqual(page.data["steps"][steps["next"][5]][0], "loop")
        self.assertEqual(steps["next"][7], 7 * page.data["runs"])
        self.assertGreaterEqual(page.count('<path class="edge body"'), 1)

    def test_not_run(self):
        text = placeholder("x", "shape { unknown_rank: true }") + "node { name: 'y' op: 'Sqrt' input: 'x' %s }\n" % FLOAT
        page = self.page(self.model(text))
        self.check_drawn(page)
        self.assertEqual(page.data["runs"], 0)
        self.assertIn("not run: input 'x:0' may have any rank", page.said("summary"))
        # a run that fails
        text = placeholder("x") + ("node { name: 'y' op: 'CheckNumerics' input: 'x' %s attr { key: 'message' value { s: 'no' } } }\n"
                                   % FLOAT)
        page = self.page(self.model(text), "--input", "x:0=[NaN, 1]")
        self.check_drawn(page)
        self.assertIn("not run: node 'y'", page.said("summary"))

    def test_hostile_names(self):
        names = ["</script><script>document.title='owned'</script>", "<img src=x onerror=\"document.title='owned'\">",
                 "a\"b'c&amp;<!--", "\\u003cb\\n", "\u2028\u2029\u00e9\u202e", "constructor", "__proto__", "x" * 3000, "]]>"]
        text, last = placeholder("x"), "x"
        for name in names:
            text += "node { name: '%s' op: 'Reciprocal' input: '%s' %s }\n" % (escape(name), escape(last), FLOAT)
            last = name
        page = self.page(self.model(text), script="""
            for (const node of shown.nodes) choose(node);
            $("search").value = "<" + "/script>"; search(true);
            document.documentElement.dataset.scripts = document.scripts.length;
            document.documentElement.dataset.images = document.images.length;""")
        self.check_drawn(page)
        self.assertEqual(page.count('<g class="node[ "]'), len(names) + 2)
        self.assertEqual((page.said("scripts"), page.said("images")), ("3", "0"))
        self.assertEqual(page.count("<title>owned"), 0)
        self.assertEqual([s[0] for s in page.data["steps"] if s[1] == "Reciprocal"], names)

    def test_thousands(self):
        page = self.page(self.model(chain(3500)), script="""
            const d = document.documentElement.dataset, every = shown.nodes.length;
            $("scopes").value = 1; $("scopes").onchange();
            d.grouped = shown.nodes.length;
            const group = shown.nodes.find((n) => n.key !== null);
            choose(group); box.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
            d.opened = shown.nodes.length;
            d.times = shown.nodes.filter((n) => n.key !== null).every((n) => Math.abs(n.ns - n.steps.reduce((a, s) => a + s.ns, 0)) < 1);
            $("scopes").value = 0; $("scopes").onchange();
            $("more").onclick();
            d.every = every;""")
        self.check_drawn(page)
        self.assertEqual(page.said("every"), "3502")
        self.assertEqual(page.said("grouped"), "37")  # 35 scopes, the input, the output
        self.assertEqual(page.said("opened"), "136")
        self.assertEqual(page.said("times"), "true")
        self.assertEqual(page.count('<tr id="row'), 3500)

    def test_more_than_is_shown(self):
        page = self.page(self.model(chain(6000)))
        self.assertEqual(page.count('<g class="node[ "]'), 602)

    def test_use(self):
        page = self.page(DIGITS, script="""
            const d = document.documentElement.dataset;
            const key = (k, target = box) => target.dispatchEvent(new KeyboardEvent("keydown", { key: k, bubbles: true, cancelable: true }));
            d.start = world.getAttribute("transform");
            key("+"); d.closer = view.k; key("-"); key("-"); d.farther = view.k; key("0"); d.fit = world.getAttribute("transform");
            key("ArrowDown"); d.first = chosen.steps[0].node; key("ArrowDown"); d.second = chosen.steps[0].op;
            key("ArrowUp"); d.back = chosen.steps[0].node; d.live = $("chosen").textContent;
            key("Escape"); d.none = chosen === null;
            key("/", document.body); d.focus = document.activeElement.id;
            $("search").value = "matmul"; $("search").dispatchEvent(new Event("input")); d.found = found.length;
            key("Enter", $("search")); d.hit = chosen.steps[0].op;
            d.dimmed = document.querySelectorAll(".searching .node:not(.found)").length;
            key("Escape", $("search")); d.after = document.querySelectorAll(".searching").length;
            document.querySelector("th button").click(); d.sorted = document.querySelector("th[aria-sort]").textContent;
            key("Enter", document.querySelector("tbody tr")); d.row = document.querySelector('tr[aria-selected="true"]').rowIndex;
            shown.nodes[1].g.dispatchEvent(new MouseEvent("click", { bubbles: true })); d.clicked = chosen === shown.nodes[1];
            const at = view.x, move = (type, x) => box.dispatchEvent(new PointerEvent(type, { clientX: x, clientY: 90, pointerId: 1 }));
            box.setPointerCapture = () => {};
            move("pointerdown", 100); move("pointermove", 150); move("pointerup", 150); d.dragged = view.x - at;
            box.dispatchEvent(new WheelEvent("wheel", { deltaY: -100, clientX: 200, clientY: 200, cancelable: true })); d.wheel = view.k;""")
        said = page.said
        self.assertEqual(said("fit"), said("start"))
        self.assertGreater(float(said("closer")), float(said("farther")))
        self.assertEqual((said("first"), said("second"), said("back")), ("image", "_FusedConv2D", "image"))
        self.assertIn("image", said("live"))
        self.assertEqual((said("none"), said("focus")), ("true", "search"))
        matmuls = sum("MatMul" in s[1] for s in page.data["steps"])
        self.assertGreaterEqual(int(said("found")), 1)
        self.assertGreaterEqual(int(said("found")), matmuls)
        self.assertIn("MatMul", said("hit"))
        self.assertGreater(int(said("dimmed")), 0)
        self.assertEqual((said("after"), said("sorted"), said("row"), said("clicked")), ("0", "Node ▴", "1", "true"))
        self.assertEqual(float(said("dragged")), 50)
        self.assertGreater(float(said("wheel")), 0)

    def test_layout(self):
        """No two nodes of a page overlap, and edges begin and end at their nodes."""
        page = self.page(self.model(chain(300, 3)), script="""
            let overlaps = 0, loose = 0;
            shown.nodes.forEach((a, i) => shown.nodes.slice(i + 1).forEach((b) => {
              overlaps += Math.abs(a.x - b.x) < SIZE.width && Math.abs(a.y - b.y) < SIZE.height;
            }));
            for (const e of shown.edges) {
              const a = shown.nodes[e.from], b = shown.nodes[e.to], p = e.points[0], q = e.points[e.points.length - 1];
              loose += p.x !== a.x || Math.abs(p.y - a.y) !== SIZE.height / 2 || q.x !== b.x || Math.abs(q.y - b.y) !== SIZE.height / 2;
            }
            Object.assign(document.documentElement.dataset, { overlaps, loose });""")
        self.assertEqual((page.said("overlaps"), page.said("loose")), ("0", "0"))


if __name__ == "__main__":
    if not CHROMIUM:
        print("skipped: no Chromium")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
