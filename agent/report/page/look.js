"use strict";
// Small tools: elements built without HTML strings, numbers as text, and Plotly in the page's own colours.

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "on") for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const byId = (id) => document.getElementById(id);
const colour = (name) =>
  getComputedStyle(document.documentElement)
    .getPropertyValue("--" + name)
    .trim();
const figure = (value, digits = 3) => (value === null || value === undefined ? "n/a" : value.toFixed(digits));
const shortKey = (key) => key.slice(key.lastIndexOf(".") + 1);
const onTouch = matchMedia("(pointer: coarse)").matches;

// A plot does not shrink by itself when a wide window goes to paper: this many pixels fit on A4 and on Letter.
const PAPER_WIDTH = 660,
  paper = matchMedia("print");
let printing = false;
const paperWidth = () => (printing || paper.matches ? PAPER_WIDTH : undefined);

// Plotly reads <b>, <a href> and entities in every text it is given; what a model wrote must stay text there too.
const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

function layoutOf(extra) {
  const axis = {
    gridcolor: colour("grid"),
    linecolor: colour("line"),
    zerolinecolor: colour("line"),
    automargin: true,
  };
  const { xaxis, yaxis, ...rest } = extra;
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    hovermode: "closest",
    showlegend: false,
    font: { color: colour("ink"), size: 12, family: "system-ui, DejaVu Sans, sans-serif" },
    margin: { l: 50, r: 12, t: 10, b: 40 },
    dragmode: onTouch ? false : "pan",
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("quiet"), activecolor: colour("ink") },
    hoverlabel: {
      bgcolor: colour("sheet"),
      bordercolor: colour("line"),
      font: { color: colour("ink") },
      align: "left",
    },
    legend: { orientation: "h", x: 0, y: 1.01, yanchor: "bottom", font: { size: 11 } },
    xaxis: { ...axis, ...xaxis },
    yaxis: { ...axis, ...yaxis },
    ...rest,
  };
}

const plotConfig = {
  responsive: true,
  displayModeBar: onTouch ? false : "hover",
  displaylogo: false,
  scrollZoom: !onTouch,
  doubleClick: "reset",
  modeBarButtons: [["zoomIn2d", "zoomOut2d", "resetScale2d", "toImage"]],
};

function draw(element, traces, layout, config) {
  // When the window changes Plotly forgets the layout's height and takes the element's.
  element.style.height = layout.height + "px";
  return Plotly.react(element, traces, layoutOf({ ...layout, width: paperWidth() }), { ...plotConfig, ...config });
}

function fill(select, values, chosen) {
  for (const [value, text] of values)
    select.append(make("option", { value, selected: value === chosen ? "" : null }, text));
}
