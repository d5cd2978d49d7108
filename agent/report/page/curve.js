// The curve of the chosen run: what is followed along its training, over its phases.

const CURVES = data.traced.map((name, i) => [name, i + 2]);
const CURVE_COLOURS = ["accent", "bad", "good", "middle", "model", "ink"];

const curvePlot = (node) => (node.curve.length && node.curve[0].length ? make("div", { class: "small-plot" }) : null);

function drawCurve() {
  const box = byId("details").querySelector(".small-plot"),
    node = nodeOf.get(state.chosen);
  if (!box) return;
  const x = node.curve[0],
    bands = phaseBands(node);
  const traces = CURVES.map(([name, column], i) => ({
    x,
    y: node.curve[column],
    mode: "lines+markers",
    name,
    line: { color: colour(CURVE_COLOURS[i % CURVE_COLOURS.length]), width: 2 },
    marker: { size: 4 },
  }));
  draw(box, traces, {
    height: 240,
    showlegend: true,
    shapes: bands,
    margin: { l: 40, r: 8, t: 30, b: 42 },
    xaxis: { title: { text: bands.length ? "iteration (shaded: V_rest phase)" : "iteration" } },
    yaxis: { range: [Math.min(-0.05, lowest(node)), 1.03] },
  });
}

const lowest = (node) =>
  Math.max(
    -1,
    ...[
      Math.min(
        ...node.curve
          .slice(2)
          .flat()
          .filter((value) => value !== null),
      ),
    ],
  );

function phaseBands(node) {
  const [x, phase] = node.curve,
    bands = [];
  for (let i = 0; i < x.length; i++) {
    if (data.phases[phase[i]] !== "V_rest") continue;
    const from = i ? x[i - 1] : 0,
      last = bands[bands.length - 1];
    if (last && last.x1 === from) last.x1 = x[i];
    else
      bands.push({
        type: "rect",
        xref: "x",
        yref: "paper",
        y0: 0,
        y1: 1,
        x0: from,
        x1: x[i],
        line: { width: 0 },
        fillcolor: colour("model"),
        opacity: 0.12,
        layer: "below",
      });
  }
  return bands;
}
