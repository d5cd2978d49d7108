// Starts everything, in the order in which a reader meets it.

function listenForChoices() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-node], button[data-config]");
    if (!button) return;
    if (button.dataset.node) choose(Number(button.dataset.node), true);
    else setFilter("config", state.config === button.dataset.config ? "" : button.dataset.config);
  });
}

const DRAWN_UNSEEN = 2000;

// What is far below the screen is drawn when a reader comes near it.
function whenNear(section, setUp) {
  const drawOnce = () => {
    if ("drawn" in section.dataset) return;
    observer.disconnect();
    setUp();
    section.dataset.drawn = "";
  };
  const observer = new IntersectionObserver(
    (entries) => {
      if (entries.some((entry) => entry.isIntersecting)) drawOnce();
    },
    { rootMargin: "600px" },
  );
  observer.observe(section);
  addEventListener("beforeprint", drawOnce);
  // Also without a reader: a picture of the whole page shows what nobody has scrolled to.
  if (data.nodes.length <= DRAWN_UNSEEN) (window.requestIdleCallback || setTimeout)(drawOnce);
}

function askForNews() {
  byId("news")
    .querySelector("a")
    .addEventListener("click", (event) => {
      event.preventDefault();
      location.reload();
    });
  setInterval(async () => {
    try {
      const answer = await fetch("version", { cache: "no-store" });
      if (answer.ok && (await answer.text()).trim() !== data.head) byId("news").hidden = false;
    } catch {
      // The server has ended; the page stays as it is.
    }
  }, 5000);
}

// Paper is light and narrow, whatever the screen is. The printer's colours are known only after beforeprint, when the
// media changes.
function lookAgain() {
  tell("look");
  if (paperWidth()) return;
  // Redrawn without a width of its own a plot keeps the last one.
  for (const plot of document.querySelectorAll(".js-plotly-plot")) if (plot.offsetParent) Plotly.Plots.resize(plot);
}

function listenForLooks() {
  for (const media of [matchMedia("(prefers-color-scheme: dark)"), paper]) media.addEventListener("change", lookAgain);
  for (const [event, now] of [
    ["beforeprint", true],
    ["afterprint", false],
  ]) {
    addEventListener(event, () => {
      printing = now;
      lookAgain();
    });
  }
}

function start() {
  setUpFilters();
  setUpTree();
  setUpDetails();
  setUpRuns();
  for (const [id, setUp] of [
    ["two", setUpBeside],
    ["curves", setUpCurves],
    ["parameters", setUpParameters],
    ["timeline", setUpTimeline],
  ]) {
    whenNear(byId(id), setUp);
  }
  listenForChoices();
  setUpSince();
  const asked = /^#run=(\d+)$/.exec(location.hash),
    last = data.nodes[data.nodes.length - 1];
  if (asked) choose(Number(asked[1]), true);
  else if (last && data.best !== null) choose(data.best, false);
  listenForLooks();
  setUpMore();
  if (data.live) askForNews();
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
}

// What the page offers to a console, and to its tests.
window.nightfly = { data, choose, measured, treeLabel, byId, colour, signed, make, scaleEnds };

start();
