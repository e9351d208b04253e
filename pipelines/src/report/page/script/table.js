const STATUSES = ["failed", "running", "pending", "done"];

/** What a cell is sorted by: a number, the rank of a status, or text; nothing where there is none. */
function sortKey(cell) {
  if (cell.classList.contains("status")) return STATUSES.indexOf(cell.parentNode.dataset.status);
  if (cell.classList.contains("number")) return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
  return cell.textContent || null;
}

/** Numbers by size, text as people sort it, and what is missing last in either direction. */
function compare(a, b, sign, collator) {
  if (a === null || b === null) return (a === null) - (b === null);
  return sign * (typeof a === "number" ? a - b : collator.compare(a, b));
}

/** The middle of some numbers. */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b), half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Seconds in words. */
function duration(seconds) {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const sum = values => values.reduce((a, b) => a + b, 0);
const middle = digits => values => `median ${median(values).toFixed(digits)}`;

/** What stands below a column, from the numbers that are shown in it. */
const TOTALS = {
  Time: values => duration(sum(values)),
  Calls: values => sum(values).toLocaleString("en").replaceAll(",", "\u202f"),
  Residual: values => `median ${Number(median(values).toPrecision(3))}`,
  Typicality: middle(3),
  PSNR: middle(2),
  SSIM: middle(4),
  Warnings: values => String(sum(values)),
};

/** The table of all cases: sorted, searched, summed up. */
class CaseTable {
  constructor(table) {
    this.table = table;
    this.body = table.tBodies[0];
    this.rows = [...this.body.rows];
    this.words = new Map(this.rows.map(row => [row, row.textContent.toLowerCase()]));
    this.collator = new Intl.Collator("en", { numeric: true });
    this.headings = [...table.tHead.rows[0].cells];
    this.headings.forEach((heading, n) => heading.firstElementChild.addEventListener("click", () => this.sort(n)));
    this.form = document.querySelector("form.toolbar");
    this.form.addEventListener("input", () => this.filter());
    this.form.addEventListener("submit", event => event.preventDefault());
    this.filter();
  }

  /** By a column: upwards, and downwards when it is sorted upwards already. */
  sort(column) {
    const heading = this.headings[column], down = heading.getAttribute("aria-sort") === "ascending";
    this.headings.forEach(other => { other.setAttribute("aria-sort", "none"); });
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const keys = new Map(this.rows.map(row => [row, sortKey(row.cells[column])]));
    this.rows.sort((a, b) => compare(keys.get(a), keys.get(b), down ? -1 : 1, this.collator));
    this.body.append(...this.rows);
  }

  filter() {
    const status = this.form.elements.status.value, words = find("find").value.toLowerCase().split(/\s+/);
    const warned = find("warned").checked;
    for (const row of this.rows) {
      row.hidden = !((status === "all" || row.dataset.status === status)
        && (!warned || row.querySelector(".warned"))
        && words.every(word => this.words.get(row).includes(word)));
    }
    this.sumUp(this.shown());
  }

  shown() {
    return this.rows.filter(row => !row.hidden);
  }

  sumUp(rows) {
    find("shown").textContent = `${rows.length} of ${this.rows.length} cases`;
    find("nothing").hidden = rows.length > 0;
    [...this.table.tFoot.rows[0].cells].forEach((cell, n) => {
      const total = TOTALS[cell.dataset.total];
      const values = rows.map(row => row.cells[n].dataset.value).filter(value => value !== undefined).map(Number);
      cell.textContent = n === 0 ? `${rows.length} shown` : total && values.length ? total(values) : "";
    });
  }

  /** Numbers of the cases in the order that is seen. */
  order() {
    return this.shown().map(row => row.dataset.case);
  }

  link(number) {
    return this.body.querySelector(`tr[data-case="${number}"] a`);
  }
}
