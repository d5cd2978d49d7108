// What is shown: the data, the filters, the chosen run. Those who draw subscribe and are told.

const data = JSON.parse(byId("data").textContent);

// The runs of a very long night of which the page holds only a line, made like the others; the server has the rest.
function briefNodes({ words, metrics, ...columns }) {
  const told = ["role", "status", "config", "mutation", "verdict", "failure"];
  const word = (name, i) => words[columns[name][i]] ?? null;
  return columns.id.map((id, i) => {
    const node = Object.fromEntries(["id", "parent", "ucb", "batch", "slot"].map((name) => [name, columns[name][i]]));
    for (const name of told) node[name] = word(name, i);
    if (node.failure) node.failure = [node.failure, ""];
    return {
      ...node,
      brief: true,
      metrics: metrics.map((column) => column[i]),
      curve: [],
      times: [],
      pictures: [],
      missing: {},
      changes: [],
      checks: [],
      hypothesis: "",
      rule: "",
      entry: null,
    };
  });
}
// The tree and the timeline show those that the page holds whole.
const wholeNodes = data.nodes;
if (data.brief.id.length) data.nodes = [...data.nodes, ...briefNodes(data.brief)].sort((a, b) => a.id - b.id);
const nodeOf = new Map(data.nodes.map((node) => [node.id, node]));
const metricIndex = Object.fromEntries(data.metrics.map((name, index) => [name, index]));
const measured = (node, metric) => node.metrics[metricIndex[metric]];

const state = { status: "", role: "", config: "", verdict: "", text: "", chosen: null };
const listeners = { filter: [], choose: [], look: [] };
const when = (what, listener) => listeners[what].push(listener);
const tell = (what) => listeners[what].forEach((listener) => listener());

for (const node of data.nodes) {
  node.words = [node.id, node.config, node.mutation, node.hypothesis, node.rule, node.entry].join("\n").toLowerCase();
  node.children = [];
}
// A parent that was imported is no run of the page.
for (const node of data.nodes) if (nodeOf.has(node.parent)) nodeOf.get(node.parent).children.push(node.id);

function passes(node) {
  return (
    ["status", "role", "config", "verdict"].every((name) => !state[name] || node[name] === state[name]) &&
    (!state.text || node.words.includes(state.text))
  );
}

let left = null;
const filtered = () => (left ||= data.nodes.filter(passes));

function setFilter(name, value) {
  state[name] = name === "text" ? value.trim().toLowerCase() : value;
  const control = byId("f-" + name);
  if (control.value !== value) control.value = value;
  left = null;
  tell("filter");
}

function clearFilters() {
  for (const name of ["status", "role", "config", "verdict", "text"]) {
    state[name] = "";
    byId("f-" + name).value = "";
  }
  left = null;
  tell("filter");
}

function choose(id, show) {
  if (!nodeOf.has(id)) return;
  state.chosen = id;
  history.replaceState(null, "", "#run=" + id);
  tell("choose");
  if (!show) return;
  byId("details").scrollIntoView({ block: "nearest" });
  byId("details").querySelector("h3").focus({ preventScroll: true });
}

function setUpFilters() {
  const kinds = (name) => [...new Set(data.nodes.map((node) => node[name]).filter(Boolean))].sort();
  for (const name of ["status", "role", "verdict"])
    fill(
      byId("f-" + name),
      kinds(name).map((kind) => [kind, kind]),
    );
  const number = (id) => Number(id.slice(1));
  const configs = kinds("config").sort((a, b) => number(a) - number(b));
  fill(
    byId("f-config"),
    configs.map((id) => [id, `${id} (${data.configs[id].runs})`]),
  );
  for (const name of ["status", "role", "config", "verdict"]) {
    byId("f-" + name).addEventListener("change", (event) => setFilter(name, event.target.value));
  }
  byId("f-text").addEventListener("input", (event) => setFilter("text", event.target.value));
  byId("f-clear").addEventListener("click", clearFilters);
  const count = () => {
    byId("f-count").textContent = `${filtered().length} of ${data.nodes.length} runs`;
  };
  when("filter", count);
  count();
  byId("filters").hidden = false;
}
