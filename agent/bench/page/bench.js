(() => {
const b = JSON.parse(document.getElementById("data").textContent);
const COLOURS = ["#1f6f8b", "#c0392b", "#1a7f4b", "#9a6700", "#6b4c9a"];
const arms = Object.values(b.arms);
const many = b.slots.length > 1;
const layout = (more) => ({
  margin: {l: 60, r: 20, t: 20, b: 50}, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
  font: {family: "system-ui, DejaVu Sans, sans-serif", size: 14}, legend: {orientation: "h", y: 1.1},
  yaxis: {title: {text: b.metric}, zeroline: false}, ...more,
});
const line = (axis, value) => ({
  type: "line", line: {color: "#98a2ab", width: 1, dash: "dash"},
  ...(axis === "x"
    ? {x0: value, x1: value, yref: "paper", y0: 0, y1: 1}
    : {y0: value, y1: value, xref: "paper", x0: 0, x1: 1}),
});
const ends = (arm, n) => arm.by_slots.map((one) => (one.interval ? one.interval[n] : one.mean));

const curves = arms.flatMap((arm, n) => {
  const colour = COLOURS[n % COLOURS.length], means = arm.by_slots.map((one) => one.mean);
  if (!many) {
    const half = ends(arm, 1)[0] - means[0];
    return [{x: [arm.title], y: means, name: arm.title, type: "scatter", mode: "markers",
      marker: {color: colour, size: 10},
      error_y: {array: [half], thickness: 2, width: 8, color: colour}, showlegend: false}];
  }
  return [
    {x: [...b.slots, ...[...b.slots].reverse()], y: [...ends(arm, 1), ...ends(arm, 0).reverse()], fill: "toself",
      fillcolor: `${colour}22`, line: {width: 0}, hoverinfo: "skip", showlegend: false, type: "scatter", mode: "lines"},
    {x: b.slots, y: means, name: arm.title, mode: "lines+markers", line: {color: colour, width: 2}, marker: {size: 5}},
  ];
});
const shapes = [line("y", b.defaults), ...(many ? [line("x", b.baseline_slots)] : [])];
const xaxis = many ? {title: {text: "slots used"}, zeroline: false} : {};
Plotly.newPlot("curves", curves, layout({shapes, xaxis}), {displaylogo: false, responsive: true});

const titles = arms.map((arm) => arm.title);
const last = (arm, night) => arm.curves[night][arm.curves[night].length - 1];
const joined = b.nights.map((number, night) => ({
  x: titles, y: arms.map((arm) => last(arm, night)), name: `night ${number}`, mode: "lines+markers",
  line: {color: "#b4bac0", width: 1}, marker: {color: COLOURS[0], size: 6}, showlegend: false,
}));
Plotly.newPlot("nights", joined, layout({shapes: [line("y", b.defaults)]}), {displaylogo: false, responsive: true});
document.documentElement.dataset.ready = "";
})();
