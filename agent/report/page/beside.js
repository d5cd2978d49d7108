// Two runs side by side: what differs between their configs, their metrics, their trajectories, their pictures.

const pair = () => ["left", "right"].map((side) => nodeOf.get(Number(byId("two-" + side).value)));

function putBeside(left, right) {
  byId("two-left").value = left;
  byId("two-right").value = right;
  if ("drawn" in byId("two").dataset) drawTwo();
}

function differences(a, b) {
  const [one, other] = [a, b].map((node) => data.configs[node.config].values);
  const rows = data.keys
    .map((key, i) => [key.name, String(one[i]), String(other[i])])
    .filter(([, left, right]) => left !== right);
  const seeds = ["simulation seed", "training seed"].map((name, i) => [name, String(a.seeds[i]), String(b.seeds[i])]);
  return [...rows, ...seeds.filter(([, left, right]) => left !== right)];
}

function metricsBeside(a, b) {
  return data.metrics.map((name, i) => {
    const [one, other] = [a, b].map((node) => measured(node, name));
    const digits = data.digits[i];
    const apart = one === null || other === null ? "" : signed(other - one, digits);
    return [name, figure(one, digits), figure(other, digits), apart];
  });
}

function drawTwoCurves() {
  const box = byId("two-plot"),
    [a, b] = pair();
  const drawn = [a, b].filter((node) => node && node.curve.length && node.curve[0].length);
  box.hidden = !drawn.length;
  if (!drawn.length) return;
  const column = CURVES.find(([name]) => name === byId("two-metric").value)[1];
  const traces = drawn.map((node) => ({
    x: node.curve[0],
    y: node.curve[column],
    mode: "lines+markers",
    name: `run ${node.id}, ${node.config}`,
    line: { color: colour(node === a ? "accent" : "model"), width: 2, dash: node === a ? "solid" : "dash" },
    marker: { size: 4 },
  }));
  draw(box, traces, {
    height: 280,
    showlegend: true,
    margin: { l: 50, r: 12, t: 30, b: 42 },
    xaxis: { title: { text: "training iteration" } },
    yaxis: { title: { text: byId("two-metric").value } },
  });
}

function drawTwo() {
  const [a, b] = pair(),
    place = byId("two-facts");
  if (!a || !b) {
    place.replaceChildren(make("p", { class: "quiet" }, "Give the numbers of two runs that have finished."));
    byId("two-plot").hidden = true;
    byId("two-pictures").replaceChildren();
    return;
  }
  const brief = [a, b].filter((node) => node.brief);
  if (brief.length) {
    place.replaceChildren(make("p", { class: "quiet" }, data.live ? "Asking for both." : NOT_HERE));
    if (data.live) Promise.all(brief.map(askFor)).then(drawTwo, (error) => place.replaceChildren(error.message));
    return;
  }
  const heads = [a, b].map((node) => `run ${node.id}, ${node.config}`),
    rows = differences(a, b);
  place.replaceChildren(
    make("h3", {}, "Config"),
    rows.length ? table(["parameter", ...heads], rows) : make("p", {}, "Neither config nor seeds differ."),
    make("h3", {}, "Outcome"),
    table(["word", ...heads], [
      ["status", a.status, b.status],
      ["verdict", a.verdict || "n/a", b.verdict || "n/a"],
      ["pattern", a.pattern, b.pattern],
    ]),
    table(["metric", ...heads, "difference"], metricsBeside(a, b)),
    make("p", { class: "quiet" }, "Two runs are one sample of each config: a difference here is no effect."),
  );
  byId("two-pictures").replaceChildren(
    ...[a, b]
      .filter((node) => node.pictures.length)
      .map((node) => make("div", {}, make("h3", {}, `Run ${node.id}`), ...pictures(node))),
  );
  drawTwoCurves();
}

function setUpBeside() {
  const ids = data.nodes.map((node) => node.id);
  if (ids.length < 2) {
    byId("two").hidden = true;
    return;
  }
  for (const side of ["left", "right"]) byId("two-" + side).addEventListener("change", drawTwo);
  fill(
    byId("two-metric"),
    CURVES.map(([name]) => [name, name]),
    data.primary,
  );
  byId("two-metric").addEventListener("change", drawTwoCurves);
  when("look", drawTwoCurves);
  const shown = wholeNodes.find((node) => node.id === data.best) || wholeNodes.at(-1);
  // On the baseline's own data, where it can be had.
  const baseline = wholeNodes.filter((node) => node.config === "C1" && node !== shown && !node.failure);
  const beside = baseline.find((node) => node.seeds[0] === shown.seeds[0]) || baseline.at(-1) || wholeNodes[0];
  if (!byId("two-left").value) putBeside(beside.id, shown.id);
  drawTwo();
}
