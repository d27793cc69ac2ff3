// The page of `berth place --html`. The data: steps of the plan (node, op, device, from, inputs, caller, weights, runs, ns,
// bytes), nodes of the model as written (name, op, device, requested, reason), and devices. Names are hostile: they become
// text nodes alone.

const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const MOST_SHOWN = 4000; // nodes; above it scopes are shown as one

function element(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes)) if (v !== undefined) e.setAttribute(k, v);
  e.append(...children);
  return e;
}
function shape(tag, attributes = {}, text) {
  const e = document.createElementNS(SVG, tag);
  for (const [k, v] of Object.entries(attributes)) if (v !== undefined) e.setAttribute(k, v);
  if (text !== undefined) e.textContent = text;
  return e;
}

// ---- Numbers as text ----

const digits = (x) => (x < 9.995 ? x.toFixed(2) : x < 99.95 ? x.toFixed(1) : x.toFixed(0));
function timeText(ns) {
  return ns >= 999.5e6 ? digits(ns / 1e9) + " s" : ns >= 999.5e3 ? digits(ns / 1e6) + " ms" : digits(ns / 1e3) + " µs";
}
function sizeText(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let u = 0;
  for (; bytes >= 999.5 && u < 4; u++) bytes /= 1000;
  const text = u && bytes < 99.95 ? bytes.toFixed(1) : bytes.toFixed(0);
  return text + " " + (text === "1" && !u ? "byte" : units[u]);
}
const count = (n, one, many = one + "s") => n.toLocaleString("en") + " " + (n === 1 ? one : many);

// ---- The model: what is shown of the steps ----

const runs = Math.max(1, data.runs), isTimed = data.runs > 0;
const steps = data.steps.map(([node, op, device, from, inputs, caller, weights, n, ns, bytes], index) =>
  ({ node, op, device, from, inputs, caller, weights, times: n, ns: ns / runs, bytes: bytes / runs, index, parts: [], parent: false }));
for (const s of steps) if (s.caller >= 0) steps[s.caller].parent = true;
const isCopy = (s) => s.op === "_Copy" && s.inputs.length > 0; // drawn as an edge
const isPort = (s) => s.op === "_Feed" || s.op === "_Fetch";

const written = new Map(data.nodes.map((n) => [n[0], n]));
const fused = new Map();
for (const [name, , , , reason] of data.nodes)
  if (reason.startsWith("fused into ")) fused.set(reason.slice(11), [...(fused.get(reason.slice(11)) || []), name]);
for (const s of steps) if (!isPort(s)) s.parts = fused.get(s.node) || [];

// "/GPU:1" to a colour; those of a kind differ in hue, and kinds from one another.
const colour = (device) => {
  const name = data.devices[device].name, kind = name.startsWith("/CPU") ? "d" : "g";
  return `var(--${kind}${Number(/(\d+)$/.exec(name)?.[1] ?? 0) % 4})`;
};

// Scopes that all names begin with say nothing.
const common = (() => {
  const names = steps.filter((s) => !isPort(s) && !isCopy(s)).map((s) => s.node.split("/"));
  let n = 0;
  while (names.length > 1 && names.every((p) => p.length > n + 1 && p[n] === names[0][n])) n++;
  return n;
})();
const scope = (s) => s.node.split("/").slice(isCopy(s) ? 0 : common);
const shortName = (s) => (isPort(s) ? s.node : scope(s).join("/"));
const opName = (op) => (op === "_Feed" ? "input" : op === "_Fetch" ? "output" : op.startsWith("_Fused") ? op.slice(6) + " +" : op.replace(/^_/, ""));
const tail = (text, n) => (text.length > n ? "…" + text.slice(text.length - n + 1) : text);
const head = (text, n) => (text.length > n ? text.slice(0, n - 1) + "…" : text);

// ---- Groups: nodes of a scope and a device as one ----

let level = 0; // of scopes that are shown as one; 0: none are
const open = new Set();

function groupOf(s) {
  if (!level || isPort(s) || scope(s).length <= level) return null;
  const key = `${s.caller} ${s.device} ${scope(s).slice(0, level).join("/")}`;
  return open.has(key) ? null : key;
}

// Nodes and edges that are drawn. An edge has the copies that lie on it.
function graphOf() {
  const nodes = [], of = new Map(), groups = new Map();
  for (const s of steps) {
    if (isCopy(s)) continue;
    const key = groupOf(s);
    let node = key === null ? null : groups.get(key);
    if (!node) {
      node = { steps: [], key, device: s.device, ns: 0, id: nodes.length };
      nodes.push(node);
      if (key !== null) groups.set(key, node);
    }
    node.steps.push(s), node.ns += s.parent && key !== null ? 0 : s.ns;
    of.set(s.index, node);
  }
  for (const n of nodes) if (n.steps.length === 1) n.key = null;
  return { nodes, edges: edgesOf(of), of };
}

function edgesOf(of) {
  const edges = new Map();
  const add = (from, to, copies, body) => {
    if (!from || !to || from === to) return;
    const crosses = from.device !== to.device && !body, key = `${from.id} ${to.id} ${crosses}`;
    const e = edges.get(key) || { from: from.id, to: to.id, copies: new Set(), crosses, body, isWide: false };
    copies.forEach((c) => e.copies.add(c));
    e.isWide = e.copies.size > 0;
    edges.set(key, e);
  };
  for (const s of steps) {
    if (isCopy(s)) continue;
    for (let i of s.inputs) {
      const copies = [];
      for (; isCopy(steps[i]); i = steps[i].inputs[0]) copies.push(steps[i]);
      add(of.get(i), of.get(s.index), copies, false);
    }
    if (s.caller >= 0 && !s.inputs.length) add(of.get(s.caller), of.get(s.index), [], true);
  }
  return [...edges.values()];
}

// ---- Drawing ----

const world = $("world"), box = $("graph");
let shown, chosen = null, extent = { width: 1, height: 1 }, slowest = 1;

function title(node) {
  if (node.key !== null) return scope(node.steps[0]).slice(0, level).join("/") + "/";
  return shortName(node.steps[0]);
}

function drawNode(node) {
  const s = node.steps[0], isGroup = node.key !== null, W = SIZE.width, H = SIZE.height;
  const g = shape("g", { class: "node" + (isGroup ? " group" : isPort(s) ? " port" : ""), id: "n" + node.id,
    transform: `translate(${node.x - W / 2} ${node.y - H / 2})`, style: `--c:${colour(node.device)}` });
  const share = isTimed ? node.ns / slowest : 0, radius = isPort(s) ? H / 2 : 7;
  g.append(shape("title", {}, isGroup ? title(node) : s.node), shape("rect", { class: "box", width: W, height: H, rx: radius }),
    shape("rect", { class: "tint", width: W, height: H, rx: radius, "fill-opacity": (0.07 + 0.33 * Math.sqrt(share)).toFixed(3) }));
  if (share > 0.004) g.append(shape("rect", { class: "time", x: 7, y: H - 5, width: ((W - 14) * share).toFixed(1), height: 3, rx: 1.5 }));
  const ms = node.steps.some((x) => x.times) ? timeText(node.ns) : ""; // what is known beforehand does not run
  const indent = isPort(s) ? 16 : 9;
  g.append(shape("text", { class: "op", x: indent, y: 18 }, head(isGroup ? count(node.steps.length, "step") : opName(s.op), ms ? 13 : 21)),
    shape("text", { class: "name", x: indent, y: 33 }, tail(title(node), isPort(s) ? 22 : 25)));
  if (ms) g.append(shape("text", { class: "ms", x: W - 9, y: 18 }, ms));
  node.g = g;
  return g;
}

// Down, or through the space between columns and down again.
function pathOf(points, gutters) {
  let d = `M${points[0].x.toFixed(1)} ${points[0].y.toFixed(1)}`;
  const f = (...numbers) => numbers.map((x) => x.toFixed(1)).join(" ");
  for (let i = 1; i < points.length; i++) {
    const a = points[i - 1], b = points[i], bend = Math.max(Math.abs(b.y - a.y) / 2, 12), way = b.y >= a.y ? 1 : -1;
    if (a.column === b.column) {
      d += a.x === b.x ? `L${f(b.x, b.y)}` : `C${f(a.x, a.y + way * bend, b.x, b.y - way * bend, b.x, b.y)}`;
      continue;
    }
    const x = gutters[Math.max(a.column, b.column)] + ((i * 7919 + Math.round(a.x)) % 5 - 2) * 5;
    d += `C${f(a.x, a.y + 34, x, a.y + 34, x, a.y)}L${f(x, b.y)}C${f(x, b.y - 34, b.x, b.y - 34, b.x, b.y)}`;
  }
  return d;
}

function drawEdge(e, layer, tags, gutters) {
  const kind = e.copies.size ? "copy" : e.crosses ? "cross" : e.body ? "body" : "";
  e.path = shape("path", { class: "edge " + kind, d: pathOf(e.points, gutters) });
  layer.append(e.path);
  if (!e.copies.size) return;
  const copies = [...e.copies], bytes = copies.reduce((sum, c) => sum + c.bytes, 0), ns = copies.reduce((sum, c) => sum + c.ns, 0);
  const text = isTimed ? `${sizeText(bytes)} · ${timeText(ns)}` : "copy", end = e.points[e.points.length - 1];
  const from = e.points[e.points.length - 2], x = end.column === from.column ? (end.x + from.x) / 2 : end.x;
  const y = end.column === from.column ? (end.y + from.y) / 2 : end.y - 24, w = text.length * 5.9 + 14;
  e.path.append(shape("title", {}, `${copies.length > 1 ? copies.length + " copies" : "copy"} from ${data.devices[copies[0].from].name} to ` +
    `${data.devices[copies[copies.length - 1].device].name}: ${text}`));
  const tag = shape("g", { class: "tag", transform: `translate(${x} ${y})` });
  tag.append(shape("rect", { x: -w / 2, y: -9, width: w, height: 18, rx: 9 }), shape("text", { y: 4 }, text));
  tags.append(tag);
}

function draw() {
  shown = graphOf();
  slowest = Math.max(1, ...shown.nodes.map((n) => (n.steps[0].parent ? 0 : n.ns)));
  for (const n of shown.nodes) n.ins = [], n.outs = [];
  const room = box.getBoundingClientRect();
  extent = layOut(shown.nodes, shown.edges, (room.width || 900) / (room.height || 600));
  for (const e of shown.edges) shown.nodes[e.from].outs.push(e), shown.nodes[e.to].ins.push(e);
  const plain = shape("g"), standing = shape("g"), nodes = shape("g"), tags = shape("g");
  for (const e of shown.edges) drawEdge(e, e.copies.size || e.crosses ? standing : plain, tags, extent.gutters);
  for (const n of shown.nodes) nodes.append(drawNode(n));
  world.replaceChildren(plain, standing, nodes, tags);
  search();
  fit();
  choose(null);
}

// ---- Moving about ----

const view = { x: 0, y: 0, k: 1 };
const apply = () => world.setAttribute("transform", `translate(${view.x.toFixed(2)} ${view.y.toFixed(2)}) scale(${view.k.toFixed(5)})`);

function fit() {
  const room = box.getBoundingClientRect(), margin = 28;
  view.k = Math.min((room.width - 2 * margin) / extent.width, (room.height - 2 * margin - 10) / extent.height, 1.25);
  if (!(view.k > 0)) view.k = 1;
  view.x = (room.width - extent.width * view.k) / 2, view.y = Math.max(margin, (room.height - 10 - extent.height * view.k) / 2);
  apply();
}
function zoom(factor, x = box.clientWidth / 2, y = box.clientHeight / 2) {
  const k = Math.min(4, Math.max(0.01, view.k * factor));
  view.x = x - (x - view.x) * k / view.k, view.y = y - (y - view.y) * k / view.k, view.k = k;
  apply();
}
function bringIn(node) {
  const room = box.getBoundingClientRect();
  if (view.k < 0.6) view.k = 0.9;
  const x = node.x * view.k + view.x, y = node.y * view.k + view.y, margin = 90;
  if (x < margin || x > room.width - margin || y < margin || y > room.height - margin)
    view.x = room.width / 2 - node.x * view.k, view.y = room.height / 2 - node.y * view.k;
  apply();
}

let drag = null;
box.addEventListener("pointerdown", (e) => { drag = { x: e.clientX, y: e.clientY, moved: false }; });
box.addEventListener("pointermove", (e) => {
  if (!drag) return;
  if (!drag.moved && Math.hypot(e.clientX - drag.x, e.clientY - drag.y) < 4) return;
  if (!drag.moved) box.setPointerCapture(e.pointerId), box.classList.add("drag");
  view.x += e.clientX - drag.x, view.y += e.clientY - drag.y;
  drag = { x: e.clientX, y: e.clientY, moved: true };
  apply();
});
const drop = () => { setTimeout(() => { drag = null; }), box.classList.remove("drag"); };
box.addEventListener("pointerup", drop);
box.addEventListener("pointercancel", drop);
box.addEventListener("wheel", (e) => {
  e.preventDefault();
  const room = box.getBoundingClientRect();
  zoom(Math.exp(-e.deltaY * (e.deltaMode ? 0.05 : 0.0015)), e.clientX - room.left, e.clientY - room.top);
}, { passive: false });
const nodeAt = (target) => { const g = target.closest?.(".node"); return g ? shown.nodes[Number(g.id.slice(1))] : null; };
box.addEventListener("click", (e) => { if (!drag?.moved) choose(nodeAt(e.target)); });
box.addEventListener("dblclick", (e) => enter(nodeAt(e.target)));
$("in").onclick = () => zoom(1.4);
$("out").onclick = () => zoom(1 / 1.4);
$("fit").onclick = fit;

// Along an edge, or to the nearest node that way.
function step(way) {
  if (!chosen) return choose(shown.nodes[0], true);
  const across = way === "ArrowLeft" || way === "ArrowRight", sign = way === "ArrowRight" || way === "ArrowDown" ? 1 : -1;
  const near = across ? shown.nodes : (sign > 0 ? chosen.outs.map((e) => shown.nodes[e.to]) : chosen.ins.map((e) => shown.nodes[e.from]));
  const distance = (n) => Math.abs(n.x - chosen.x) + (across ? 4 * Math.abs(n.y - chosen.y) : 0);
  const next = near.filter((n) => n !== chosen && (!across || sign * (n.x - chosen.x) > 1));
  if (next.length) choose(next.reduce((a, b) => (distance(b) < distance(a) ? b : a)), true);
}
function enter(node) {
  if (!node || node.key === null) return;
  const first = node.steps[0];
  open.add(node.key);
  draw();
  choose(shown.of.get(first.index), true);
}
const keys = {
  "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: fit, Escape: () => choose(null), Enter: () => enter(chosen),
  ArrowUp: step, ArrowDown: step, ArrowLeft: step, ArrowRight: step,
};
box.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || !Object.hasOwn(keys, e.key)) return;
  e.preventDefault();
  keys[e.key](e.key);
});
document.addEventListener("keydown", (e) => {
  if (e.key !== "/" || e.target.closest("input, select")) return;
  e.preventDefault();
  $("search").focus();
});

// ---- The chosen one ----

function link(s) {
  const b = element("button", { type: "button", class: "link", title: s.node }, isPort(s) ? `${opName(s.op)} ${s.node}` : shortName(s));
  b.onclick = () => choose(shown.of.get(s.index), true);
  return b;
}
const items = (list) => element("ul", {}, ...list.map((x) => element("li", {}, x)));
function facts(pairs) {
  const dl = element("dl");
  for (const [name, value] of pairs) if (value !== "" && value !== undefined && value !== null) dl.append(element("dt", {}, name), element("dd", {}, value));
  return dl;
}
function source(i) {
  while (isCopy(steps[i])) i = steps[i].inputs[0];
  return steps[i];
}

function describe(node) {
  const s = node.steps[0], isGroup = node.key !== null, note = written.get(s.node);
  const sum = (key) => node.steps.reduce((total, x) => total + x[key], 0);
  const readers = steps.filter((r) => !isCopy(r) && r.inputs.some((i) => node.steps.includes(source(i)) && !node.steps.includes(r)));
  const inputs = node.steps.flatMap((x) => x.inputs.map(source)).filter((x) => !node.steps.includes(x));
  return facts([
    [isGroup ? "scope" : "node", isGroup ? title(node) : s.node],
    ["op", isGroup ? count(node.steps.length, "step") : opName(s.op)],
    ["device", data.devices[node.device].name + (note?.[3] ? ` (asked for: ${note[3]})` : "")],
    ["why", isGroup ? "" : note?.[4]],
    ["time", node.steps.some((x) => x.times) ? `${timeText(node.ns)} a run` + (!isGroup && s.times > runs ? `, in ${(s.times / runs).toFixed(0)} parts` : "") : ""],
    ["results", sum("bytes") ? sizeText(sum("bytes")) : ""],
    ["weights", sum("weights") ? sizeText(sum("weights")) : ""],
    ["in", inputs.length ? items([...new Set(inputs)].map(link)) : ""],
    ["out", readers.length ? items(readers.map(link)) : ""],
    ["fused", !isGroup && s.parts.length ? items(s.parts.map((n) => `${written.get(n)[1]}: ${n.split("/").slice(common).join("/") || n}`)) : ""],
    ["steps", isGroup ? items(node.steps.map((x) => `${opName(x.op)}: ${shortName(x)}`)) : ""],
  ]);
}

function choose(node, bring) {
  if (chosen) {
    chosen.g.classList.remove("chosen");
    for (const e of [...chosen.ins, ...chosen.outs]) e.path.classList.remove("near");
  }
  chosen = node || null;
  document.querySelectorAll('#table tr[aria-selected="true"]').forEach((r) => r.removeAttribute("aria-selected"));
  if (!chosen) return $("chosen").replaceChildren(element("p", {}, "Nothing: click a node, or a row below."));
  chosen.g.classList.add("chosen");
  for (const e of [...chosen.ins, ...chosen.outs]) e.path.classList.add("near");
  for (const s of chosen.steps) $("row" + s.index)?.setAttribute("aria-selected", "true");
  $("chosen").replaceChildren(describe(chosen));
  if (bring) bringIn(chosen);
}

// ---- Search: in the names of steps, and of the nodes that went into them ----

let found = [];
function search(next) {
  const text = $("search").value.trim().toLowerCase();
  const has = (s) => [s.node, s.op, ...s.parts].some((t) => t.toLowerCase().includes(text));
  found = text ? shown.nodes.filter((n) => n.steps.some((s) => has(s))) : [];
  const marked = new Set(found);
  world.classList.toggle("searching", text !== "");
  for (const n of shown.nodes) n.g.classList.toggle("found", marked.has(n));
  const gone = text && !found.length ? data.nodes.find((n) => n[0].toLowerCase().includes(text)) : null;
  $("summary").textContent = !text ? summary() : gone ? `${gone[0]} (${gone[1]}): ${gone[4]}` : `${count(found.length, "node")} found`;
  if (next && found.length) choose(found[(found.indexOf(chosen) + 1) % found.length], true);
}
$("search").addEventListener("input", () => search());
$("search").addEventListener("keydown", (e) => {
  if (e.key === "Enter") search(true);
  if (e.key === "Escape") $("search").value = "", search(), box.focus();
});

// ---- Devices, the table, the head ----

function summary() {
  const working = steps.filter((s) => !isPort(s) && !isCopy(s)).length, all = isTimed ? `${timeText(data.run_ns)} a run (${count(data.runs, "run")} measured)` : data.note;
  return `${count(data.nodes.length, "node")} as written, ${count(working, "step")} after planning, ` +
    `${count(data.copies, "tensor crosses devices", "tensors cross devices")}; ${all}`;
}

function legendRow(name, model, c, ns, whole, lines, isLine) {
  const row = element("div", { class: "device", style: `--c:${c}` }, element("i", isLine ? { class: "line" } : {}), element("b", {}, name),
    element("span", {}, isTimed ? `${timeText(ns)} · ${(100 * ns / whole).toFixed(0)} %` : ""));
  if (model) row.append(element("span", { class: "more" }, model));
  if (isTimed) row.append(element("span", { class: "bar" }, element("span", { style: `width:${(100 * ns / whole).toFixed(1)}%` })));
  row.append(element("span", { class: "more" }, lines));
  return row;
}

function legend() {
  const work = steps.filter((s) => !isPort(s) && !s.parent), whole = Math.max(1, work.reduce((sum, s) => sum + s.ns, 0));
  data.devices.forEach((d, i) => {
    const mine = work.filter((s) => s.device === i && !isCopy(s));
    if (!mine.length && !d.weights && !d.activations && !steps.some((s) => s.device === i)) return;
    $("legend").append(legendRow(d.name, d.model, colour(i), mine.reduce((sum, s) => sum + s.ns, 0), whole,
      `${count(mine.length, "step")}; ${sizeText(d.weights)} of weights, ${sizeText(d.activations)} of activations` +
      (d.workspace ? `, ${sizeText(d.workspace)} of workspace` : "")));
  });
  const copies = steps.filter(isCopy), crosses = shown.edges.some((e) => e.crosses && !e.copies.size);
  if (copies.length) $("legend").append(legendRow("copies", "", "var(--copy)", copies.reduce((sum, s) => sum + s.ns, 0), whole,
    count(copies.length, "tensor") + (isTimed ? `, ${sizeText(copies.reduce((sum, s) => sum + s.bytes, 0))} a run` : ""), true));
  if (crosses) $("legend").append(element("div", { class: "note" }, "Dashed: from one device to another in the same memory, nothing is copied."));
}

const columns = [
  { name: "Node", of: (s) => tail(shortName(isCopy(s) ? source(s.index) : s), 24), key: (s) => shortName(s) },
  { name: "Op", of: (s) => opName(s.op), key: (s) => s.op },
  { name: "Time", of: (s) => (s.times ? timeText(s.ns) : ""), key: (s) => -s.ns, right: true },
  { name: "Results", of: (s) => (s.bytes ? sizeText(s.bytes) : ""), key: (s) => -s.bytes, right: true },
];
let sorted = isTimed ? 2 : -1, rows = 100;

function table() {
  const list = steps.filter((s) => !isPort(s)), column = columns[sorted];
  if (column) list.sort((a, b) => (column.key(a) < column.key(b) ? -1 : column.key(a) > column.key(b) ? 1 : a.index - b.index));
  $("table").tHead.rows[0].replaceChildren(...columns.map((c, i) => {
    const b = element("button", { type: "button", title: "Sort by this" }, c.name + (i === sorted ? (c.right ? " ▾" : " ▴") : ""));
    b.onclick = () => { sorted = i, table(); };
    return element("th", { class: c.right ? "n" : undefined, scope: "col", "aria-sort": i === sorted ? (c.right ? "descending" : "ascending") : undefined }, b);
  }));
  $("table").tBodies[0].replaceChildren(...list.slice(0, rows).map((s) => {
    const row = element("tr", { id: "row" + s.index, tabindex: "0", style: `--c:${isCopy(s) ? "var(--copy)" : colour(s.device)}`, title: s.node },
      ...columns.map((c) => element("td", { class: c.right ? "n" : undefined }, c.of(s))));
    const go = () => choose(shown.of.get(isCopy(s) ? source(s.index).index : s.index), true);
    row.onclick = go;
    row.onkeydown = (e) => { if (e.key === "Enter" || e.key === " ") e.preventDefault(), go(); };
    return row;
  }));
  $("more").hidden = list.length <= rows;
  $("more").textContent = `All ${list.length}`;
}
$("more").onclick = () => { rows = Infinity, table(); };

function scopes() {
  const depth = Math.min(8, Math.max(1, ...steps.filter((s) => !isPort(s)).map((s) => scope(s).length)));
  const counts = Array.from({ length: depth }, (_, l) => { level = l; return graphOf().nodes.length; });
  counts.forEach((n, l) => $("scopes").append(element("option", { value: l }, `${l ? `scopes of ${count(l, "level")}` : "every step"} (${n})`)));
  const finest = [0, ...counts.keys()].filter((l, i) => i === 0 || l > 0).sort((a, b) => (a && b ? b - a : a - b));
  level = finest.find((l) => counts[l] <= MOST_SHOWN) ?? Math.min(1, depth - 1);
  $("scopes").value = level;
  $("scopes").onchange = () => { level = Number($("scopes").value), open.clear(), draw(); };
}

document.title = `berth: ${data.model}`;
$("title").textContent = data.model;
$("summary").textContent = summary();
scopes();
draw();
legend();
table();
addEventListener("resize", fit);
document.documentElement.dataset.ready = "yes";
