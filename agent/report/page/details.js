// All that is known of the chosen run. Everything a model wrote is set as text, never as HTML.

function stepButton(text, id) {
  return make(
    "button",
    { type: "button", disabled: id === undefined ? "" : null, on: { click: () => choose(id) } },
    text,
  );
}

function steps(node) {
  const row = make(
    "p",
    { class: "steps" },
    stepButton("‹ before", nodeOf.has(node.id - 1) ? node.id - 1 : undefined),
    stepButton("after ›", nodeOf.has(node.id + 1) ? node.id + 1 : undefined),
  );
  if (importedOf.has(node.parent)) row.append(make("span", { class: "quiet" }, `parent ${node.parent}, imported`));
  else if (node.parent !== null)
    row.append(
      stepButton(`parent ${node.parent}`, node.parent),
      make("button", { type: "button", on: { click: () => showTwo(node.parent, node.id) } }, "beside its parent"),
    );
  for (const child of node.children.slice(0, 8)) row.append(stepButton(`child ${child}`, child));
  if (node.children.length > 8)
    row.append(make("span", { class: "quiet" }, `and ${node.children.length - 8} more children`));
  return row;
}

function showTwo(left, right) {
  putBeside(left, right);
  byId("two").scrollIntoView({ block: "start" });
}

const VERDICTS = { supported: "✓", falsified: "✗", inconclusive: "?" };
const verdictText = (node) => (node.verdict ? `${VERDICTS[node.verdict]} ${node.verdict}` : "");
const verdictMark = (node) => make("span", { class: node.verdict }, verdictText(node));

function table(head, rows) {
  const line = (cells, tag) =>
    make("tr", {}, ...cells.map((cell, i) => make(tag, { class: i ? "number" : null }, cell)));
  return make(
    "div",
    { class: "wide" },
    make("table", {}, make("thead", {}, line(head, "th")), make("tbody", {}, ...rows.map((row) => line(row, "td")))),
  );
}

// A difference that is rounded away has no sign.
const signed = (value, digits) =>
  (Number(value.toFixed(digits)) === 0 ? "" : value > 0 ? "+" : "") +
  value.toFixed(digits).replace(/^-(?=0\.?0*$)/, "");

function metricsTable(node) {
  const parent = nodeOf.get(node.parent);
  const rows = data.metrics.map((name) => {
    const value = measured(node, name),
      before = parent && !parent.failure ? measured(parent, name) : null;
    const digits = data.digits[metricIndex[name]];
    const change = value === null || before === null ? "" : signed(value - before, digits);
    return [
      make("span", { title: data.meanings[metricIndex[name]] }, name),
      value === null ? node.missing[name] || "undefined" : figure(value, digits),
      parent ? figure(before, digits) : "",
      change,
    ];
  });
  return table(["metric", "value", parent ? `parent ${parent.id}` : "", parent ? "difference" : ""], rows);
}

function changesTable(node) {
  const rows = node.changes.map(([key, old, value]) => [shortKey(key), String(old), String(value)]);
  if (!rows.length) return make("p", {}, "The parent's config, unchanged but for the seeds.");
  return table(["parameter", node.parent === null ? "default" : `parent ${node.parent}`, "this run"], rows);
}

function againstDefaults(node) {
  const values = data.configs[node.config].values;
  const rows = data.keys.map((key, i) => [key, values[i]]).filter(([key, value]) => value !== key.default);
  if (!rows.length || node.parent === null) return null;
  return make(
    "details",
    {},
    make("summary", {}, `Departures from the defaults: ${rows.length}`),
    table(
      ["parameter", "default", "this run"],
      rows.map(([key, value]) => [key.name, String(key.default), String(value)]),
    ),
  );
}

function pictures(node) {
  return node.pictures.map(({ name, source, href }) =>
    make(
      "figure",
      { style: "margin:.5rem 0" },
      make(
        "a",
        { href: data.base + href, target: "_blank", rel: "noopener" },
        source ? make("img", { src: source, alt: `${name} of run ${node.id}` }) : `${name}.png`,
      ),
      make(
        "figcaption",
        { class: "quiet" },
        source ? `${name}: a small copy; the link leads to the picture itself` : "not copied into this page",
      ),
    ),
  );
}

function batchPicture(batch) {
  const source = data.batch_pictures[batch];
  if (!source) return null;
  const alt = `trajectories of batch ${batch} and all runs so far by config`;
  return make(
    "figure",
    { style: "margin:.5rem 0" },
    make("a", { href: source, download: `batch_${batch}.webp` }, make("img", { src: source, alt })),
    make("figcaption", { class: "quiet" }, `What the program drew of batch ${batch} for Claude, as Claude sees it`),
  );
}

function facts(node) {
  const rows = [
    ["block, batch, slot", `${node.block}, ${node.batch}, ${node.slot}`],
    ["seeds", `simulation ${node.seeds[0]}, training ${node.seeds[1]} (${node.seeds[2]})`],
    ["UCB in its block", node.ucb === null ? "n/a" : figure(node.ucb)],
    ["pattern", node.pattern],
    ["device", node.device || "n/a"],
    [
      "data, training, evaluation",
      ["data", "training", "evaluation"]
        .map((k) => (node.seconds[k] === undefined ? "n/a" : `${node.seconds[k].toFixed(1)} s`))
        .join(", "),
    ],
  ];
  return make(
    "dl",
    { class: "facts" },
    ...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]),
  );
}

function logEntry(node) {
  if (node.entry) return make("details", {}, make("summary", {}, "Log entry"), make("pre", {}, node.entry));
  if (node.whole) return make("p", { class: "quiet" }, "No entry yet.");
  return make(
    "p",
    { class: "quiet" },
    "This page is too full for its log entry and trajectory: the entry stands in ",
    make("a", { href: data.base + "analysis.md" }, "analysis.md"),
    ", both in the journal.",
  );
}

// A line is all that the page holds of this run: a server is asked for the rest, a file says where it is.
function showBrief(node, place) {
  const note = make("p", { class: "quiet" }, data.live ? "Asking for all that is known of it." : NOT_HERE);
  place.replaceChildren(
    make(
      "h3",
      { tabindex: -1 },
      `Run ${node.id} · ${node.config} · ${node.role} · `,
      make("span", { class: node.status }, node.status),
    ),
    steps(node),
    make("p", {}, node.mutation),
    note,
    node.failure ? make("p", { class: "failed" }, node.failure[0]) : metricsTable(node),
  );
  byId("said").textContent = `Run ${node.id}, ${node.config}, ${node.role}, ${node.status}`;
  if (data.live) askFor(node).catch((error) => (note.textContent = `It could not be had: ${error.message}`));
}

const NOT_HERE =
  "This file holds only these figures of it. `nightfly serve` shows its trajectory, entry and pictures, " +
  "`nightfly export --table` writes every run as a row.";

async function askFor(node) {
  const answer = await fetch(`runs/${node.id}.json`, { cache: "no-store" });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  const told = await answer.json();
  Object.assign(node, told.node, { brief: false, ucb: node.ucb });
  const known = new Set(data.talks.map((talk) => talk.asked));
  data.talks.push(...told.talks.filter((talk) => !known.has(talk.asked)));
  Object.assign(data.texts, told.texts);
  if (state.chosen === node.id) tell("choose");
}

function showDetails() {
  const node = nodeOf.get(state.chosen),
    place = byId("details");
  if (!node) return;
  if (node.brief) return showBrief(node, place);
  const step = place.contains(document.activeElement) ? document.activeElement.textContent : null;
  const model = (text) => make("p", { class: "model prose" }, text);
  place.replaceChildren(
    ...[
      make(
        "h3",
        { tabindex: -1 },
        `Run ${node.id} · `,
        make(
          "button",
          { type: "button", class: "link", on: { click: () => setFilter("config", node.config) } },
          node.config,
        ),
        ` · ${node.role} · `,
        make("span", { class: node.status }, node.status),
      ),
      node.id === data.best ? make("p", { class: "quiet why" }, data.why) : null,
      steps(node),
      node.failure
        ? make("p", { class: node.status }, `${node.failure[0].replaceAll("_", " ")}: ${node.failure[1]}`)
        : null,
      !node.failure && node.status === "failed"
        ? make(
            "p",
            { class: "failed" },
            `It ran to its end; its ${data.reward} is too low, or undefined, for another status.`,
          )
        : null,
      changesTable(node),
      againstDefaults(node),
      node.failure ? null : metricsTable(node),
      curvePlot(node),
      facts(node),
      make("h3", {}, "Why"),
      model(node.rule),
      model(node.hypothesis),
      node.verdict ? make("p", {}, "Verdict on the hypothesis: ", verdictMark(node)) : null,
      ...node.checks.map((text) => make("p", { class: "failed" }, `Check: ${text}`)),
      ...pictures(node),
      logEntry(node),
      ...conversation(node.batch - 1, "Proposed in"),
      batchPicture(node.batch),
      ...conversation(node.batch, "Judged in"),
    ].filter(Boolean),
  );
  requestAnimationFrame(drawCurve);
  place.scrollTop = 0;
  byId("said").textContent = `Run ${node.id}, ${node.config}, ${node.role}, ${node.status}`;
  if (step !== null) stayOn(place, step);
}

// What was pressed has been drawn anew: who walks with the keyboard stands on the same button again, or on the heading.
function stayOn(place, step) {
  const same = [...place.querySelectorAll("button:not([disabled])")].find((button) => button.textContent === step);
  (same || place.querySelector("h3")).focus({ preventScroll: true });
}

function setUpDetails() {
  when("choose", showDetails);
  when("look", drawCurve);
  document.addEventListener("keydown", (event) => {
    if (
      event.target.closest("input, select, textarea") ||
      event.target.matches(".wide, pre") ||
      event.altKey ||
      event.ctrlKey ||
      event.metaKey
    )
      return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step && state.chosen !== null && nodeOf.has(state.chosen + step)) choose(state.chosen + step);
  });
}
