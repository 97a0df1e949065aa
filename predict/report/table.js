// Sorts and filters the table of patients. Works on what the page holds; fetches and stores nothing.
"use strict";
(() => {
  const table = document.getElementById("patients");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  const find = document.getElementById("find");
  const decision = document.getElementById("decision");
  const shown = document.getElementById("shown");
  const words = new Intl.Collator("en", { numeric: true });

  const value = (row, column) => row.cells[column].dataset.v ?? row.cells[column].textContent;

  function compare(a, b, numeric) {
    if (!numeric) return words.compare(a, b);
    return Number(a) - Number(b);
  }

  function sort(column, direction) {
    const numeric = heads[column].classList.contains("n");
    const unknown = (row) => numeric && !(value(row, column).trim() !== "" && Number.isFinite(Number(value(row, column))));
    // what is not known stands last, whichever way the rest is sorted; ties keep the order of the input
    rows.sort((a, b) => unknown(a) - unknown(b)
      || (unknown(a) ? 0 : direction * compare(value(a, column), value(b, column), numeric))
      || a.dataset.at - b.dataset.at);
    body.append(...rows);
    heads.forEach((head, i) => {
      if (i === column) head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    });
  }

  function filter() {
    const wanted = find.value.trim().toLowerCase();
    let count = 0;
    for (const row of rows) {
      const keep = (!wanted || row.textContent.toLowerCase().includes(wanted))
        && (!decision.value || row.dataset.decision === decision.value);
      row.hidden = !keep;
      count += keep;
    }
    shown.textContent = `${count} of ${rows.length} shown`;
  }

  function open() {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") {
      target.open = true;
      target.scrollIntoView();
      target.querySelector("summary").focus({ preventScroll: true });
    }
  }

  rows.forEach((row, i) => { row.dataset.at = i; });
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      sort(column, head.getAttribute("aria-sort") === "ascending" ? -1 : 1);
    });
    // arrows walk along the heads, so that a keyboard need not tab through them
    button.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      const next = step && heads[column + step];
      if (next) {
        next.querySelector("button").focus();
        event.preventDefault();
      }
    });
  });
  find.addEventListener("input", filter);
  find.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      find.value = "";
      filter();
    }
  });
  decision.addEventListener("change", filter);
  window.addEventListener("hashchange", open);
  document.querySelector(".controls").hidden = false;
  filter();
  open();
})();
