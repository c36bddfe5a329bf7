"use strict";

// Sorting: a click on a column's title sorts by it, a second one the other way, a third restores the order.
const number = /[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?/i;

function value(row, column) {
  const text = row.cells[column].textContent.trim();
  const plain = text.replace(/\u2212/g, "-").replace(/(\d)[\u00a0\u202f ](?=\d{3}\b)/g, "$1");
  const found = plain.match(number);
  return { text, number: found && /^[[<]?\s*[-+]?\d/.test(plain) ? Number(found[0]) : null };
}

function compare(a, b) {
  if (a.number !== null && b.number !== null) return a.number - b.number;
  return a.text.localeCompare(b.text, "en", { numeric: true });
}

// What has no number comes last in a column of numbers, whichever way it is sorted.
function rank(entry, numeric) {
  return numeric && entry.number === null ? 1 : 0;
}

function sort(table, header, column) {
  const order = { none: "ascending", ascending: "descending", descending: "none" };
  const next = order[header.getAttribute("aria-sort") || "none"];
  for (const other of table.tHead.querySelectorAll("[aria-sort]")) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", next);
  const body = table.tBodies[0];
  const rows = [...body.rows].sort((a, b) => a.dataset.place - b.dataset.place);
  if (next !== "none") {
    const values = new Map(rows.map((row) => [row, value(row, column)]));
    const numeric = header.classList.contains("r");
    const sign = next === "ascending" ? 1 : -1;
    rows.sort((a, b) => {
      const [x, y] = [values.get(a), values.get(b)];
      return rank(x, numeric) - rank(y, numeric) || sign * compare(x, y) || a.dataset.place - b.dataset.place;
    });
  }
  table.classList.toggle("sorted", next !== "none");
  body.append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tBodies[0].rows].forEach((row, place) => { row.dataset.place = place; });
  const titles = table.tHead.rows[table.tHead.rows.length - 1].cells;
  [...titles].forEach((header, column) => {
    if (!header.textContent.trim()) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    header.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => sort(table, header, column));
  });
}
