// Trajectories by phase, of the runs that the filters leave.

const MOST_CURVES = 160;

function curveTraces(nodes, column, inPhase) {
  const x = [],
    y = [],
    ids = [];
  for (const node of nodes) {
    const [at, phase] = node.curve,
      values = node.curve[column];
    let open = false;
    for (let i = 0; i < at.length; i++) {
      const mine = inPhase(data.phases[phase[i]]);
      // A phase's line begins at the last point of the phase before, so that the two join.
      if (mine && !open && i) {
        x.push(at[i - 1]);
        y.push(values[i - 1]);
        ids.push(node.id);
      }
      if (mine) {
        x.push(at[i]);
        y.push(values[i]);
        ids.push(node.id);
      }
      if (!mine && open) {
        x.push(null);
        y.push(null);
        ids.push(null);
      }
      open = mine;
    }
    x.push(null);
    y.push(null);
    ids.push(null);
  }
  return { x, y, customdata: ids };
}

function drawCurves() {
  const metric = byId("curve-metric").value,
    column = CURVES.find(([name]) => name === metric)[1];
  const all = filtered().filter((node) => node.curve.length && node.curve[0].length),
    nodes = all.slice(-MOST_CURVES);
  const chosen = nodeOf.get(state.chosen),
    few = nodes.length <= 24;
  const style = {
    mode: "lines",
    hovertemplate: "run %{customdata}<br>iteration %{x}<br>%{y:.3f}<extra></extra>",
    opacity: few ? 0.9 : 0.35,
  };
  const traces = [
    {
      ...curveTraces(nodes, column, (phase) => phase !== "V_rest"),
      ...style,
      name: "joint or standard",
      line: { color: colour("accent"), width: few ? 1.8 : 1 },
    },
    {
      ...curveTraces(nodes, column, (phase) => phase === "V_rest"),
      ...style,
      name: "V_rest phase",
      line: { color: colour("model"), width: few ? 1.8 : 1 },
    },
  ];
  if (chosen && chosen.curve.length) {
    traces.push({
      x: chosen.curve[0],
      y: chosen.curve[column],
      mode: "lines+markers",
      name: `run ${chosen.id}`,
      line: { color: colour("ink"), width: 3 },
    });
  }
  const values = traces
    .flatMap((trace) => trace.y)
    .filter((value) => value !== null && value !== undefined)
    .sort((a, b) => a - b);
  const low = values.length ? Math.max(-1, values[Math.floor(values.length * 0.01)]) : 0;
  const note =
    all.length > nodes.length
      ? [
          {
            text: `the latest ${nodes.length} of ${all.length} runs`,
            xref: "paper",
            yref: "paper",
            x: 1,
            y: 0,
            xanchor: "right",
            yanchor: "bottom",
            showarrow: false,
            font: { color: colour("quiet") },
          },
        ]
      : [];
  draw(byId("curve-plot"), traces, {
    height: 420,
    showlegend: true,
    margin: { l: 50, r: 12, t: 34, b: 40 },
    annotations: note,
    xaxis: { title: { text: "training iteration" } },
    yaxis: { title: { text: metric }, range: [Math.min(0, low) - 0.03, 1.03] },
  });
}

function chooseByClick(id) {
  byId(id).on("plotly_click", (event) => {
    if (event.points[0].customdata) choose(event.points[0].customdata, true);
  });
}

function setUpCurves() {
  fill(
    byId("curve-metric"),
    CURVES.map(([name]) => [name, name]),
    data.reward,
  );
  byId("curve-metric").addEventListener("change", drawCurves);
  drawCurves();
  for (const what of ["filter", "look", "choose"]) when(what, drawCurves);
  chooseByClick("curve-plot");
}
