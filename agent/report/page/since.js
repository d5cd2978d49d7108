// What is new since this browser last showed the page: a line at its top, and a mark at each new run.

const LOOKED_S = 5;
const seenKey = "nightfly " + data.night;
let seen = null;
const isNew = (node) => seen !== null && node.id > seen.last;

function readSeen() {
  try {
    seen = JSON.parse(localStorage.getItem(seenKey));
  } catch {
    // A browser may keep nothing for a page that was opened as a file.
  }
}

function keepSeen() {
  // A page that was closed at once was not read.
  if (performance.now() < LOOKED_S * 1000) return;
  const last = data.nodes.length ? data.nodes[data.nodes.length - 1].id : 0;
  try {
    localStorage.setItem(seenKey, JSON.stringify({ last, end: data.end, best: data.best }));
  } catch {
    // As above.
  }
}

function sayWhatIsNew() {
  if (seen === null || seen.end === data.end) return;
  const fresh = data.nodes.filter(isNew),
    known = new Set(data.nodes.filter((node) => !isNew(node)).map((node) => node.config));
  const configs = [...new Set(fresh.map((node) => node.config))].filter((name) => !known.has(name));
  const parts = [`${fresh.length} new run${fresh.length === 1 ? "" : "s"}`];
  if (configs.length) parts.push(`new configs ${configs.slice(0, 6).join(", ")}${configs.length > 6 ? ", …" : ""}`);
  if (seen.best !== data.best && data.best !== null) parts.push(`run ${data.best} is now shown first`);
  const since = byId("since");
  since.textContent = `Since you last looked (the night at ${seen.end.slice(0, 16).replace("T", " ")} UTC): `;
  since.append(`${parts.join("; ")}. New runs are marked in the table of runs and ringed in the tree.`);
  since.hidden = false;
}

function setUpSince() {
  sayWhatIsNew();
  addEventListener("pagehide", keepSeen);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") keepSeen();
  });
}

readSeen();
