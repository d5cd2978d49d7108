(() => {
  "use strict";
  // Keeps the list of runs fresh without loading the page anew: place, focus and marked text stay where they are.

  const EVERY_S = 15;
  const silent = document.getElementById("silent");

  async function refresh() {
    if (document.hidden) return;
    let text;
    try {
      const answer = await fetch("./", { cache: "no-store" });
      text = answer.ok ? await answer.text() : null;
    } catch {
      text = null;
    }
    silent.hidden = text !== null;
    if (text !== null) show(new DOMParser().parseFromString(text, "text/html").querySelector("main"));
  }

  function show(fresh) {
    const shown = document.querySelector("main");
    if (fresh === null || fresh.innerHTML === shown.innerHTML) return;
    const across = shown.querySelector(".wide")?.scrollLeft ?? 0;
    const focused = shown.contains(document.activeElement) ? nameOf(document.activeElement) : null;
    shown.replaceChildren(...fresh.childNodes);
    shown.querySelector(".wide")?.scrollTo({ left: across, behavior: "instant" });
    if (focused) shown.querySelector(focused)?.focus({ preventScroll: true });
  }

  // Links are known by where they lead; else only the table itself can have the focus.
  const nameOf = (element) => (element.href ? `a[href="${CSS.escape(element.getAttribute("href"))}"]` : ".wide");

  setInterval(refresh, EVERY_S * 1000);
  document.addEventListener("visibilitychange", refresh);
})();
