// The tree of runs: columns are batches, colour is a metric, shape is a role, a cross has failed. What was imported
// from a predecessor's log stands open before the first batch.

const importedOf = new Map(data.imported.map((node) => [node.id, node]));
const treeRoot = { x: -data.tree.before, y: data.tree.root };

function treeEdges() {
  const x = [],
    y = [];
  for (const node of [...data.imported, ...wholeNodes]) {
    const parent = node.parent === null ? treeRoot : nodeOf.get(node.parent) || importedOf.get(node.parent);
    x.push(parent.x, node.x, null);
    y.push(parent.y, node.y, null);
  }
  return {
    x,
    y,
    mode: "lines",
    hoverinfo: "skip",
    showlegend: false,
    line: { color: colour("edge"), width: wholeNodes.length > 200 ? 0.7 : 1.2 },
  };
}

function treeLabel(node) {
  const numbers = data.main.map((name) => `${name} ${figure(measured(node, name))}`);
  const told = node.status === "cut"
    ? "cut at a third of its training"
    : node.failure
      ? `failed: ${plain(node.failure[0])}`
      : numbers.join("<br>");
  return `<b>${node.id}</b> · ${node.config} · ${node.role}<br>${plain(node.mutation.slice(0, 160))}<br>${told}`;
}

function treeNodes(metric) {
  const many = wholeNodes.length,
    size = many <= 60 ? 15 : many <= 400 ? 10 : 7;
  const values = wholeNodes.map((node) => measured(node, metric));
  const [low, high] = scaleEnds(metric);
  return {
    showlegend: false,
    x: wholeNodes.map((node) => node.x),
    y: wholeNodes.map((node) => node.y),
    mode: many <= 60 ? "markers+text" : "markers",
    text: wholeNodes.map((node) => String(node.id)),
    textposition: "top center",
    textfont: { size: 10, color: colour("quiet") },
    hovertext: wholeNodes.map(treeLabel),
    hoverinfo: "text",
    customdata: wholeNodes.map((node) => node.id),
    marker: {
      size,
      symbol: wholeNodes.map((node) => (node.failure ? "x" : data.shapes[node.role])),
      color: values.map((value, i) =>
        wholeNodes[i].status === "cut"
          ? colour("quiet")
          : wholeNodes[i].failure || value === null
            ? colour("bad")
            : scaleColour(value, low, high),
      ),
      opacity: wholeNodes.map((node) => (passes(node) ? 1 : 0.12)),
      line: {
        width: wholeNodes.map((node) => (isNew(node) ? 2.5 : 1)),
        color: wholeNodes.map((node) => colour(isNew(node) ? "ink" : "edge")),
      },
    },
  };
}

// A few wrong runs must not wash out all differences: runs of failed status are left out while there are others, and
// the scale begins at the lowest of the rest within Tukey's fence.
function scaleEnds(metric) {
  const of = (nodes) =>
    nodes
      .map((node) => measured(node, metric))
      .filter((value) => value !== null)
      .sort((a, b) => a - b);
  const good = of(wholeNodes.filter((node) => node.status !== "failed")),
    known = good.length ? good : of(wholeNodes);
  if (!known.length) return [0, 1];
  const [low, high] = [0.25, 0.75].map((share) => known[Math.floor((known.length - 1) * share)]);
  return [known.find((value) => value >= low - 1.5 * (high - low)), known[known.length - 1]];
}

function treeScale(metric) {
  const [cmin, cmax] = scaleEnds(metric);
  const bar = { thickness: 10, len: 0.9, outlinewidth: 0, tickfont: { size: 10 }, nticks: 5 };
  return {
    x: [null],
    y: [null],
    mode: "markers",
    showlegend: false,
    marker: {
      color: [cmin],
      cmin,
      cmax,
      colorscale: VIRIDIS.map((rgb, i) => [i / (VIRIDIS.length - 1), `rgb(${rgb})`]),
      showscale: true,
      colorbar: bar,
    },
  };
}

// Viridis, by hand: failed runs keep their own colour, which a colour axis would not let them.
const VIRIDIS = [
  [68, 1, 84],
  [59, 82, 139],
  [33, 145, 140],
  [94, 201, 98],
  [253, 231, 37],
];
function scaleColour(value, low, high) {
  const at = Math.min(1, Math.max(0, high > low ? (value - low) / (high - low) : 1)) * (VIRIDIS.length - 1);
  const i = Math.min(VIRIDIS.length - 2, Math.floor(at)),
    part = at - i;
  return `rgb(${VIRIDIS[i].map((a, c) => Math.round(a + (VIRIDIS[i + 1][c] - a) * part)).join(",")})`;
}

function treeImported() {
  const label = (node) => `imported node ${node.id}, unverified<br>${plain(node.mutation.slice(0, 160))}`;
  return {
    x: data.imported.map((node) => node.x),
    y: data.imported.map((node) => node.y),
    mode: "markers",
    hovertext: data.imported.map(label),
    hoverinfo: "text",
    name: "imported, unverified",
    showlegend: data.imported.length > 0,
    marker: { size: 9, symbol: "circle-open", color: colour("quiet") },
  };
}

// Up to 30 batches each has its number, and root where nothing imported lies there.
function treeTicks() {
  const many = data.tree.batches > 30;
  if (many && !data.tree.before) return { tickformat: "d" };
  const step = Math.ceil(data.tree.batches / 30);
  const batches = Array.from({ length: data.tree.batches }, (_, i) => i + 1).filter((batch) => batch % step === 0);
  if (data.tree.before) return { tickvals: batches };
  return { tickvals: [0, ...batches], ticktext: ["root", ...batches.map(String)] };
}

function treeRing() {
  const node = nodeOf.get(state.chosen);
  return {
    x: node && node.x !== undefined ? [node.x] : [],
    y: node && node.x !== undefined ? [node.y] : [],
    mode: "markers",
    hoverinfo: "skip",
    showlegend: false,
    marker: { size: 24, symbol: "circle-open", color: colour("accent"), line: { width: 3 } },
  };
}

function treeLegend() {
  const shown = [...new Set(wholeNodes.map((node) => node.role))].map((role) => [
    role,
    data.shapes[role],
    colour("quiet"),
  ]);
  const without = wholeNodes.filter((node) => node.failure);
  if (without.some((node) => node.status !== "cut")) shown.push(["failed", "x", colour("bad")]);
  if (without.some((node) => node.status === "cut")) shown.push(["cut", "x", colour("quiet")]);
  return shown.map(([name, symbol, color]) => ({
    x: [null],
    y: [null],
    mode: "markers",
    name,
    showlegend: true,
    marker: { symbol, color, size: 10 },
  }));
}

// Only batches that have been: before the first stands the root.
function drawTree() {
  if (!wholeNodes.length) {
    byId("tree-plot").textContent = "Nothing has finished yet.";
    return;
  }
  const metric = byId("tree-metric").value,
    lanes = data.tree.lanes;
  const height = Math.min(760, Math.max(340, 110 + lanes * 38));
  const root = {
    x: [treeRoot.x],
    y: [treeRoot.y],
    mode: "markers",
    hovertext: "root: the campaign's defaults",
    hoverinfo: "text",
    showlegend: false,
    marker: { size: 12, symbol: "square-open", color: colour("ink") },
  };
  draw(
    byId("tree-plot"),
    [treeEdges(), root, treeNodes(metric), treeRing(), treeScale(metric), treeImported(), ...treeLegend()],
    {
      height,
      showlegend: true,
      margin: { l: 12, r: 12, t: onTouch ? 70 : 40, b: 40 },
      xaxis: {
        title: { text: "batch" },
        range: [-0.4 - data.tree.before, data.tree.batches + 0.6],
        zeroline: false,
        ...treeTicks(),
      },
      yaxis: { visible: false, range: [Math.max(lanes, 4) - 0.3, -1], zeroline: false },
    },
    { displayModeBar: onTouch ? true : "hover" },
  );
}

function setUpTree() {
  fill(
    byId("tree-metric"),
    data.metrics.map((name) => [name, name]),
    data.reward,
  );
  byId("tree-metric").addEventListener("change", drawTree);
  drawTree();
  if (!wholeNodes.length) return;
  byId("tree-plot").on("plotly_click", (event) => {
    const id = event.points[0].customdata;
    if (id !== undefined) choose(id, onTouch);
  });
  when("look", drawTree);
  when("filter", () =>
    Plotly.restyle(byId("tree-plot"), { "marker.opacity": [wholeNodes.map((n) => (passes(n) ? 1 : 0.12))] }, [2]),
  );
  when("choose", () => {
    const ring = treeRing();
    Plotly.restyle(byId("tree-plot"), { x: [ring.x], y: [ring.y] }, [3]);
  });
}
