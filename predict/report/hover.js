// Tells the value behind a mark of a figure: under the pointer, and by arrow keys once the figure has the focus.
// Works on what the page holds; fetches and stores nothing.
"use strict";
(() => {
  const NEAR = 9; // pixels from a mark that still mean it
  const MANY = 300; // marks that stand side by side, so that each is hit by itself
  const steps = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
  const tip = document.createElement("p");
  tip.className = "tip";
  tip.setAttribute("role", "status");
  document.querySelector("main").append(tip);
  let mark = null;

  const middle = (e) => {
    const box = e.getBoundingClientRect();
    return [(box.left + box.right) / 2, (box.top + box.bottom) / 2, box];
  };

  function place() {
    const [x, , box] = middle(mark);
    const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
    tip.style.left = `${Math.max(8, Math.min(x - tip.offsetWidth / 2, room))}px`;
    const above = box.top - tip.offsetHeight - 8;
    tip.style.top = `${above < 4 ? box.bottom + 8 : above}px`;
  }

  function show(next) {
    if (next === mark) return;
    mark?.classList.remove("on");
    mark = next;
    tip.textContent = mark ? mark.dataset.tip : "";
    if (!mark) return;
    mark.classList.add("on");
    place();
  }

  function near(marks, x, y) {
    let best = null, least = NEAR;
    for (const e of marks) {
      const box = e.getBoundingClientRect();
      const far = Math.hypot(Math.max(box.left - x, x - box.right, 0), Math.max(box.top - y, y - box.bottom, 0));
      if (far < least) [best, least] = [e, far];
    }
    return best;
  }

  // left and right follow the order of the marks; up and down go to the nearest mark of the next row
  function walk(marks, [along, across]) {
    if (!marks.includes(mark)) return marks[0];
    if (along) return marks[marks.indexOf(mark) + along] ?? mark;
    const [x, y, own] = middle(mark);
    const rows = marks.map((e) => [e, ...middle(e)]).filter(([, , b]) => across * (b - y) > Math.max(own.height, 8) / 2);
    const first = Math.min(...rows.map(([, , b]) => Math.abs(b - y)));
    const row = rows.filter(([, , b]) => Math.abs(b - y) < first + 8);
    row.sort((p, q) => Math.abs(p[1] - x) - Math.abs(q[1] - x));
    return row.length ? row[0][0] : mark;
  }

  for (const figure of document.querySelectorAll(".marks")) {
    const marks = [...figure.querySelectorAll("[data-tip]")];
    if (!marks.length) continue;
    figure.setAttribute("aria-label", `${figure.getAttribute("aria-label")}; arrow keys tell the values`);
    const point = (event) => show(event.target.closest("[data-tip]")
      ?? (marks.length < MANY ? near(marks, event.clientX, event.clientY) : null));
    figure.addEventListener("pointermove", point);
    figure.addEventListener("pointerdown", point);
    figure.addEventListener("pointerleave", () => show(null));
    figure.addEventListener("blur", () => show(null));
    figure.addEventListener("focus", () => { if (figure.matches(":focus-visible")) show(marks[0]); });
    figure.addEventListener("keydown", (event) => {
      if (event.key === "Escape") show(null);
      if (!steps[event.key] || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      show(walk(marks, steps[event.key]));
      mark.scrollIntoView({ block: "nearest", inline: "nearest" });
    });
  }
  window.addEventListener("scroll", () => { if (mark) place(); }, { capture: true, passive: true });
})();
