// The list of runs that the filters leave, sorted by any column.

const PAGE = 50;
const COLUMNS = [
  ["run", (node) => node.id],
  ["config", (node) => Number(node.config.slice(1)), (node) => node.config],
  ["role", (node) => node.role],
  ["status", (node) => node.status],
  ...data.columns.map(([name, label]) => [
    label,
    (node) => measured(node, name),
    (node) => figure(measured(node, name), Math.min(3, data.digits[metricIndex[name]])),
  ]),
  ["verdict", (node) => node.verdict || "", verdictText],
  ["mutation", (node) => node.mutation],
];
const order = { column: 0, down: true, shown: PAGE };

function compareBy(value) {
  // What is not known comes last, whichever way the rest is sorted.
  return (a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === null || y === null) return (x === null) - (y === null);
    return (x < y ? -1 : x > y ? 1 : 0) * (order.down ? -1 : 1) || b.id - a.id;
  };
}

function runRow(node) {
  const cells = COLUMNS.map(([name, value, show]) =>
    make(
      "td",
      {
        class: ["role", "mutation", "config"].includes(name)
          ? null
          : `number ${name === "status" || name === "verdict" ? value(node) : ""}`,
      },
      name === "run"
        ? make("button", { type: "button", class: "link", "data-node": node.id }, String(node.id))
        : String((show || value)(node)),
      name === "run" && isNew(node) ? make("span", { class: "new" }, " new") : null,
    ),
  );
  return make("tr", { class: node.id === state.chosen ? "chosen" : null }, ...cells);
}

function drawRuns() {
  const focused = document.activeElement?.closest("#run-table tbody") ? document.activeElement.dataset.node : undefined;
  const nodes = [...filtered()].sort(compareBy(COLUMNS[order.column][1]));
  byId("run-table").tBodies[0].replaceChildren(...nodes.slice(0, order.shown).map(runRow));
  if (focused !== undefined)
    byId("run-table").querySelector(`button[data-node="${focused}"]`)?.focus({ preventScroll: true });
  byId("run-more").hidden = nodes.length <= order.shown;
  byId("run-more").textContent = `Show more (${nodes.length - order.shown} left)`;
  [...byId("run-table").tHead.rows[0].cells].forEach((cell, i) =>
    cell.setAttribute("aria-sort", i === order.column ? (order.down ? "descending" : "ascending") : "none"),
  );
}

function setUpRuns() {
  const sortBy = (column) => () => {
    order.down = order.column === column ? !order.down : true;
    order.column = column;
    drawRuns();
  };
  byId("run-table").tHead.append(
    make(
      "tr",
      {},
      ...COLUMNS.map(([name], i) => make("th", {}, make("button", { type: "button", on: { click: sortBy(i) } }, name))),
    ),
  );
  byId("run-more").addEventListener("click", () => {
    order.shown += 4 * PAGE;
    drawRuns();
  });
  drawRuns();
  when("filter", () => {
    order.shown = PAGE;
    drawRuns();
  });
  when("choose", drawRuns);
}
