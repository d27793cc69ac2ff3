// Where the nodes of a graph are drawn: in layers from top to bottom, in an order with few crossings, and in several columns
// where the whole would be much taller than the window. Nothing here knows the page. (Sugiyama, Tagawa and Toda's method:
// layers by longest path, order by barycentres, positions by least squares.)

const SIZE = { width: 176, height: 46, gap: 22, rise: 40, copyRise: 58, gutter: 76, thread: 12, mostThreads: 40000, far: 4 };

// nodes: [{...}], in an order in which most edges point forwards; edges: [{from, to, isWide}], indices of nodes.
// Sets x and y (the middle) of each node and `points` of each edge: [{x, y, column}] from its start to its end, where an end
// at a node is the middle of its lower or upper side. Gives {width, height, gutters}: the x of the space before each column.
function layOut(nodes, edges, aspect) {
  const graph = inLayers(nodes, edges);
  order(graph);
  straighten(graph);
  return place(graph, nodes, edges, aspect);
}

// Vertices are the nodes, and threads: a node whose readers stand farther down has one vertex in every layer on the way, from
// which its edges branch off, so that edges join neighbouring layers alone.
function inLayers(nodes, edges) {
  const graph = { layer: layersOf(nodes, edges), width: nodes.map(() => SIZE.width), up: nodes.map(() => []), down: nodes.map(() => []),
    nNodes: nodes.length };
  const reach = [...graph.layer];
  for (const e of edges) {
    const [a, b] = downwards(graph.layer, e);
    reach[a] = Math.max(reach[a], graph.layer[b] - 1);
  }
  const threads = reach.reduce((sum, l, v) => sum + l - graph.layer[v], 0), trunks = new Map();
  graph.chains = edges.map((e) => chain(graph, e, trunks, threads <= SIZE.mostThreads));
  graph.layers = [];
  graph.layer.forEach((l, v) => (graph.layers[l] = graph.layers[l] || []).push(v));
  graph.layers = Array.from(graph.layers, (l) => l || []);
  return graph;
}

const downwards = (layer, e) => (layer[e.from] <= layer[e.to] ? [e.from, e.to] : [e.to, e.from]);

// By longest path; then what stands far above its readers, and has no more inputs than it has readers,
// goes down to them.
function layersOf(nodes, edges) {
  const layer = nodes.map(() => 0), readers = nodes.map(() => []), inputs = nodes.map(() => 0);
  for (const e of edges) {
    const [a, b] = e.from < e.to ? [e.from, e.to] : [e.to, e.from];
    if (a !== b) readers[a].push(b), inputs[b]++;
  }
  for (let v = 0; v < nodes.length; v++) for (const w of readers[v]) layer[w] = Math.max(layer[w], layer[v] + 1);
  for (let v = nodes.length - 1; v >= 0; v--) {
    const below = Math.min(...readers[v].map((w) => layer[w])) - 1;
    if (readers[v].length && inputs[v] <= readers[v].length && (!inputs[v] || below - layer[v] > SIZE.far)) layer[v] = below;
  }
  return layer;
}

// The vertices along an edge. trunks: by node, its threads by layer.
function chain(graph, e, trunks, threaded) {
  const { layer } = graph, [a, b] = downwards(layer, e), path = [a];
  if (!trunks.has(a)) trunks.set(a, new Map());
  const trunk = trunks.get(a), join = (v, w) => { graph.down[v].push(w), graph.up[w].push(v); };
  for (let l = layer[a] + 1; threaded && l < layer[b]; l++) {
    if (!trunk.has(l)) {
      trunk.set(l, layer.length);
      layer.push(l), graph.width.push(SIZE.thread), graph.up.push([]), graph.down.push([]);
      join(path[path.length - 1], trunk.get(l));
    }
    path.push(trunk.get(l));
  }
  if (layer[a] !== layer[b]) join(path[path.length - 1], b);
  path.push(b);
  return a === e.from ? path : path.reverse();
}

function order(graph) {
  const at = new Float64Array(graph.layer.length);
  const number = (l) => l.forEach((v, i) => { at[v] = i; });
  graph.layers.forEach(number);
  const sort = (l, near) => {
    const wish = new Map(l.map((v) => {
      let sum = 0;
      for (const w of near[v]) sum += at[w];
      return [v, near[v].length ? sum / near[v].length : at[v]];
    }));
    l.sort((a, b) => wish.get(a) - wish.get(b) || at[a] - at[b]);
    number(l);
  };
  for (let sweep = 0; sweep < (graph.layer.length > 15000 ? 3 : 10); sweep++) {
    for (let i = 1; i < graph.layers.length; i++) sort(graph.layers[i], graph.up);
    for (let i = graph.layers.length - 2; i >= 0; i--) sort(graph.layers[i], graph.down);
  }
}

// Least squares with the order kept and room between neighbours: pool adjacent violators.
function settle(graph, l, wish, weight) {
  const blocks = [];
  let offset = 0, last = null;
  for (const v of l) {
    if (last !== null) offset += (graph.width[last] + graph.width[v]) / 2 + SIZE.gap;
    let block = { sum: (wish(v) - offset) * weight(v), weight: weight(v), list: [[v, offset]] };
    while (blocks.length && blocks[blocks.length - 1].sum / blocks[blocks.length - 1].weight > block.sum / block.weight) {
      const former = blocks.pop();
      if (former.list.length < block.list.length) for (const item of former.list) block.list.push(item);
      else { for (const item of block.list) former.list.push(item); block.list = former.list; }
      block.sum += former.sum, block.weight += former.weight;
    }
    blocks.push(block);
    last = v;
  }
  for (const b of blocks) for (const [v, o] of b.list) graph.x[v] = b.sum / b.weight + o;
}

function straighten(graph) {
  const isThread = (v) => v >= graph.nNodes;
  graph.x = new Float64Array(graph.layer.length);
  for (const l of graph.layers) settle(graph, l, () => 0, () => 1);
  const mean = (v, near) => {
    let sum = 0, all = 0;
    for (const w of near) {
      const much = isThread(w) === isThread(v) ? 8 : 1; // long edges run straight, and beside them what they pass
      sum += much * graph.x[w], all += much;
    }
    return all ? sum / all : graph.x[v];
  };
  const weight = (v) => (graph.up[v].length + graph.down[v].length || 0.1) * (isThread(v) ? 1 : 30); // threads give way
  for (let pass = 0; pass < (graph.layer.length > 15000 ? 4 : 12); pass++) {
    for (const l of graph.layers) settle(graph, l, (v) => mean(v, graph.up[v]), weight);
    for (const l of [...graph.layers].reverse()) settle(graph, l, (v) => mean(v, graph.down[v]), weight);
  }
  for (const l of graph.layers) settle(graph, l, (v) => mean(v, graph.up[v].concat(graph.down[v])), weight);
}

// The first layer of each of `columns` columns: near equal parts, where few edges pass.
function cuts(graph, passing, columns) {
  const n = graph.layers.length, starts = [0], reach = Math.floor(n / columns / 7);
  for (let c = 1; c < columns; c++) {
    const middle = Math.round(c * n / columns);
    let best = middle;
    for (let i = middle - reach; i <= middle + reach; i++) if (i > starts[c - 1] && i < n && passing[i] < passing[best]) best = i;
    starts.push(best);
  }
  return starts;
}

// The left and right end of each column, and how far it goes down.
function extents(graph, starts, heights) {
  const n = graph.layers.length;
  return starts.map((start, c) => {
    const column = { start, end: c + 1 < starts.length ? starts[c + 1] : n, low: Infinity, high: -Infinity, height: 0 };
    for (let l = start; l < column.end; l++) {
      column.height += heights[l] - (l === 0 ? heights[l] - SIZE.height : 0);
      for (const v of graph.layers[l]) {
        column.low = Math.min(column.low, graph.x[v] - graph.width[v] / 2);
        column.high = Math.max(column.high, graph.x[v] + graph.width[v] / 2);
      }
    }
    return column;
  });
}

// As many columns as show the whole at the largest scale.
function fold(graph, heights, aspect) {
  const n = graph.layers.length, passing = new Int32Array(n + 1);
  for (let v = 0; v < graph.layer.length; v++) passing[graph.layer[v] + 1] += graph.down[v].length;
  let best = null, most = 0;
  for (let c = 1; c <= Math.min(n, 60); c++) {
    const list = extents(graph, cuts(graph, passing, c), heights);
    const width = list.reduce((sum, x) => sum + x.high - x.low + SIZE.gutter, -SIZE.gutter), height = Math.max(...list.map((x) => x.height));
    const scale = Math.min(aspect / width, 1 / height);
    if (scale > most * 1.05) best = { list, width, height }, most = scale;
  }
  return best;
}

function place(graph, nodes, edges, aspect) {
  const n = graph.layers.length, isCopied = new Array(n + 1).fill(false);
  edges.forEach((e, i) => { if (e.isWide) isCopied[graph.layer[graph.chains[i][graph.chains[i].length - 1]]] = true; });
  const heights = graph.layers.map((_, l) => SIZE.height + (isCopied[l] ? SIZE.copyRise : SIZE.rise));
  const whole = fold(graph, heights, aspect), column = new Int32Array(n), top = new Float64Array(n), gutters = [], shift = [];
  let right = 0;
  whole.list.forEach(({ start, end, low, high }, c) => {
    for (let l = start, y = 0; l < end; l++) {
      if (l > 0) y += heights[l] - SIZE.height;
      column[l] = c, top[l] = y, y += SIZE.height;
    }
    gutters.push(right - SIZE.gutter / 2), shift.push(right - low);
    right += high - low + SIZE.gutter;
  });
  const at = (v) => ({ x: graph.x[v] + shift[column[graph.layer[v]]], y: top[graph.layer[v]] + SIZE.height / 2, column: column[graph.layer[v]] });
  nodes.forEach((node, v) => Object.assign(node, at(v)));
  edges.forEach((e, i) => {
    const path = graph.chains[i], isDown = graph.layer[path[0]] <= graph.layer[path[path.length - 1]];
    e.points = path.flatMap((v, k) => {
      const p = at(v), up = { ...p, y: p.y - SIZE.height / 2 }, down = { ...p, y: p.y + SIZE.height / 2 };
      if (k > 0 && k + 1 < path.length) return isDown ? [up, down] : [down, up];
      return (k === 0) === isDown ? [down] : [up];
    });
  });
  return { width: whole.width, height: whole.height, gutters };
}
