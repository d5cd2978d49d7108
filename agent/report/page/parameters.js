// Metrics against parameters, of the runs that the filters leave.

const MOST_TICKS = 14;
const MOST_DOTS = 4000;
// A slot that failed counts as 0, as in the table of configs; one that was cut does not count.
const counted = (node, metric) => (node.status === "cut" ? null : node.failure ? 0 : measured(node, metric));

// Few values stand side by side, whatever their distance, and configs of one value beside each other; many on an axis.
function places(nodes, index) {
  const valueOf = (node) => data.configs[node.config].values[index];
  const used = [...new Set(nodes.map(valueOf))].sort((a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a) < String(b) ? -1 : 1,
  );
  if (used.length > MOST_TICKS && used.every((value) => typeof value === "number")) {
    return { at: valueOf, axis: { type: data.keys[index].log && used[0] > 0 ? "log" : "linear" } };
  }
  const configs = used.map((value) => [
    ...new Set(nodes.filter((node) => valueOf(node) === value).map((node) => node.config)),
  ]);
  const at = (node) => {
    const i = used.indexOf(valueOf(node)),
      beside = configs[i];
    return i + (beside.length > 1 ? (beside.indexOf(node.config) / (beside.length - 1) - 0.5) * 0.7 : 0);
  };
  const columns = used.map((_, i) => ({
    type: "rect",
    xref: "x",
    yref: "paper",
    x0: i - 0.45,
    x1: i + 0.45,
    y0: 0,
    y1: 1,
    line: { width: 0 },
    fillcolor: colour("grid"),
    opacity: 0.45,
    layer: "below",
  }));
  return {
    at,
    columns,
    axis: {
      tickvals: used.map((_, i) => i),
      ticktext: used.map((value) => plain(value)),
      range: [-0.6, Math.max(used.length, 2) - 0.4],
      zeroline: false,
      showgrid: false,
    },
  };
}

function spreads(nodes, at, metric) {
  const groups = new Map();
  for (const node of nodes) {
    const y = counted(node, metric);
    if (y === null) continue;
    if (!groups.has(node.config)) groups.set(node.config, { x: at(node), y: [] });
    groups.get(node.config).y.push(y);
  }
  const found = { x: [], y: [], std: [], names: [] };
  for (const [name, { x, y }] of groups) {
    if (y.length < 2) continue;
    const mean = y.reduce((a, b) => a + b) / y.length;
    found.x.push(x);
    found.y.push(mean);
    found.std.push(Math.sqrt(y.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (y.length - 1)));
    found.names.push(`${name}: ${mean.toFixed(3)} over ${y.length} runs`);
  }
  return found;
}

function drawParameters() {
  const index = Number(byId("par-key").value),
    metric = byId("par-metric").value;
  const nodes = filtered().filter((node) => counted(node, metric) !== null),
    { at, axis, columns } = places(nodes, index);
  const bars = spreads(nodes, at, metric),
    dots = nodes.slice(-MOST_DOTS);
  const tint = { converged: colour("good"), partial: colour("middle"), failed: colour("bad") };
  draw(
    byId("par-plot"),
    [
      {
        x: bars.x,
        y: bars.y,
        error_y: { array: bars.std, color: colour("edge"), thickness: 1.5, width: 4 },
        mode: "markers",
        name: "config, mean ± std",
        marker: { symbol: "line-ew-open", size: 12, color: colour("ink"), line: { width: 2 } },
        hovertext: bars.names,
        hoverinfo: "text",
      },
      {
        x: dots.map(at),
        y: dots.map((node) => counted(node, metric)),
        mode: "markers",
        name: `${dots.length < nodes.length ? "a late run" : "run"} (a cross: the slot failed and counts as 0)`,
        customdata: dots.map((n) => n.id),
        hovertext: dots.map(treeLabel),
        hoverinfo: "text",
        marker: {
          size: 7,
          opacity: 0.65,
          color: dots.map((node) => tint[node.status]),
          symbol: dots.map((n) => (n.failure ? "x" : "circle")),
        },
      },
    ],
    {
      height: 420,
      showlegend: true,
      shapes: columns || [],
      margin: { l: 50, r: 12, t: 34, b: 40 },
      xaxis: { title: { text: plain(data.keys[index].key) }, ...axis },
      yaxis: { title: { text: metric } },
    },
  );
}

// The parameter that was tried at the most values is the one to look at first.
function mostTried() {
  const tried = data.keys.map((_, i) => new Set(Object.values(data.configs).map((config) => config.values[i])).size);
  return String(tried.indexOf(Math.max(...tried)));
}

function setUpParameters() {
  if (!data.keys.length) return;
  fill(
    byId("par-key"),
    data.keys.map((key, i) => [String(i), key.name]),
    mostTried(),
  );
  fill(
    byId("par-metric"),
    data.metrics.map((name) => [name, name]),
    data.primary,
  );
  for (const id of ["par-key", "par-metric"]) byId(id).addEventListener("change", drawParameters);
  drawParameters();
  for (const what of ["filter", "look"]) when(what, drawParameters);
  chooseByClick("par-plot");
}
