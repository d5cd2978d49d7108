// Whatever can be scrolled and goes on says so: it fades where it is cut, and the filters' height is known to headings.

function markMore(box) {
  // The keyboard can scroll only what it can reach.
  if (box.scrollWidth > box.clientWidth + 4 || box.scrollHeight > box.clientHeight + 4) box.tabIndex = 0;
  else box.removeAttribute("tabindex");
  box.classList.toggle("more-right", box.scrollWidth - box.clientWidth - box.scrollLeft > 4);
  box.classList.toggle("more-below", box.scrollHeight - box.clientHeight - box.scrollTop > 4);
}

const markAll = () => requestAnimationFrame(() => document.querySelectorAll(".wide, #details, pre").forEach(markMore));

function setUpMore() {
  const bar = byId("filters");
  const measureBar = () => {
    const sticks = getComputedStyle(bar).position === "sticky";
    document.documentElement.style.setProperty("--bar", `${sticks ? bar.offsetHeight : 0}px`);
  };
  new ResizeObserver(() => {
    measureBar();
    markAll();
  }).observe(document.body);
  new ResizeObserver(measureBar).observe(bar);
  const boxes = ".wide, #details, pre";
  document.addEventListener("scroll", (event) => event.target.matches?.(boxes) && markMore(event.target), true);
  document.addEventListener("toggle", markAll, true);
  for (const what of ["filter", "choose"]) when(what, markAll);
  measureBar();
  markAll();
}
