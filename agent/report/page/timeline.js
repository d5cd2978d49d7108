// Slots, requests to Claude and drivers along the night.

const instant = (text) => Date.parse(text);

function slotBars() {
  const rows = { x: [], base: [], y: [], color: [], id: [], text: [] };
  // Once the driver has ended, a slot without a result is no longer running.
  const open = data.stopped ? "without a result" : "running";
  const tint = {
    converged: colour("good"),
    partial: colour("middle"),
    failed: colour("bad"),
    cut: colour("quiet"),
    running: colour("accent"),
  };
  const now = instant(data.end);
  const add = (node, spans, status) =>
    spans.forEach(([began, ended], attempt) => {
      const last = attempt === spans.length - 1,
        end = ended ? instant(ended) : last && status === "running" ? now : instant(spans[attempt + 1]?.[0] || began);
      rows.base.push(began);
      rows.x.push(Math.max(1, end - instant(began)));
      rows.y.push(`slot ${node.slot}`);
      rows.color.push(last ? tint[status] : colour("edge"));
      rows.id.push(status === "running" ? undefined : node.id);
      rows.text.push(
        `run ${node.id}${spans.length > 1 ? `, attempt ${attempt + 1}` : ""}, ` +
          `${last ? (status === "running" ? open : status) : "begun anew"}<br>` +
          `${((end - instant(began)) / 60000).toFixed(1)} min`,
      );
    });
  for (const node of wholeNodes) add(node, node.times, node.status);
  for (const node of data.running) add(node, node.times, "running");
  return {
    type: "bar",
    orientation: "h",
    x: rows.x,
    base: rows.base,
    y: rows.y,
    customdata: rows.id,
    hovertext: rows.text,
    hoverinfo: "text",
    marker: { color: rows.color, line: { width: 0.5, color: colour("sheet") } },
    textposition: "none",
  };
}

function talkMarks() {
  const shown = data.talks.filter((talk) => talk.answered);
  const money = (talk) => (talk.cost_usd === null ? "" : `<br>$${talk.cost_usd.toFixed(4)}`);
  return {
    type: "scatter",
    mode: "markers",
    x: shown.map((talk) => talk.answered),
    y: shown.map(() => "Claude"),
    hoverinfo: "text",
    hovertext: shown.map(
      (t) =>
        `about batch ${t.batch}: ${t.kind}, ${t.reply ? fate(t) : "no reply"}<br>` +
          `${plain(t.model.slice(0, 80))} ${t.seconds === null ? "" : t.seconds.toFixed(1) + " s"}${money(t)}`,
    ),
    marker: {
      size: 9,
      symbol: shown.map((t) => (t.reply ? "diamond" : "x")),
      color: shown.map((t) => (t.rejected || !t.reply ? colour("bad") : colour("model"))),
    },
  };
}

function eventMarks() {
  return {
    type: "scatter",
    mode: "markers",
    x: data.events.map((event) => event.time),
    y: data.events.map(() => "night"),
    hoverinfo: "text",
    hovertext: data.events.map((event) => plain(event.text)),
    marker: { size: 10, symbol: "line-ns-open", color: colour("ink"), line: { width: 2 } },
  };
}

function drawTimeline() {
  const slots = [...new Set([...wholeNodes, ...data.running].map((node) => node.slot))]
    .sort((a, b) => b - a)
    .map((slot) => `slot ${slot}`);
  draw(byId("time-plot"), [slotBars(), talkMarks(), eventMarks()], {
    height: 130 + 34 * (slots.length + 2),
    bargap: 0.25,
    barmode: "overlay",
    xaxis: { type: "date" },
    yaxis: { type: "category", categoryorder: "array", categoryarray: [...slots, "Claude", "night"], fixedrange: true },
  });
}

function setUpTimeline() {
  drawTimeline();
  when("look", drawTimeline);
  chooseByClick("time-plot");
}
