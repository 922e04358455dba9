"use strict";
for (const section of document.querySelectorAll("section.table")) {
  const body = section.querySelector("tbody");
  const rows = [...body.rows];
  const heads = [...section.querySelectorAll("thead th")];
  const count = section.querySelector("output");
  const input = section.querySelector("input");
  const key = (row, column) => {
    const value = row.cells[column].dataset.value;
    return value === undefined ? row.cells[column].textContent.trim() : value === "" ? null : Number(value);
  };
  // Rows without a value stay last, in either direction.
  const order = (column, sign) => (a, b) => {
    const [x, y] = [key(a, column), key(b, column)];
    if (x === null || y === null) return (x === null) - (y === null);
    return sign * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y)));
  };
  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const first = head.classList.contains("number") && !head.dataset.low ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const now = head.getAttribute("aria-sort") === first ? other : first;
      heads.forEach((each) => each.hasAttribute("aria-sort") && each.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", now);
      body.append(...rows.slice().sort(order(column, now === "ascending" ? 1 : -1)));
    });
  });
  const filter = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let seen = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      seen += !row.hidden;
    }
    count.textContent = `${seen} of ${rows.length} rows`;
  };
  input.addEventListener("input", filter);
}
// Paper cannot be unfolded.
addEventListener("beforeprint", () => document.querySelectorAll("details.more").forEach((more) => { more.open = true; }));
