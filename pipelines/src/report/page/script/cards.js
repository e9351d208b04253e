/** Which case is open: that of the address, `#case-3`; none for all cases. */
class Cards {
  constructor(table, viewer) {
    Object.assign(this, { table, viewer, open: null });
    addEventListener("hashchange", () => this.follow());
    addEventListener("DOMContentLoaded", () => this.begin());
    find("back").addEventListener("click", () => this.close());
    find("previous").addEventListener("click", () => this.go(-1));
    find("next").addEventListener("click", () => this.go(1));
    table.body.addEventListener("click", event => this.click(event));
  }

  /** A click anywhere in a row opens its case, unless text was being selected. */
  click(event) {
    const row = event.target.closest("tr");
    if (row && !event.target.closest("a") && getSelection().isCollapsed) location.hash = `case-${row.dataset.case}`;
  }

  /** When all cards are there. Without their names the browser does not scroll to them, which stand beside pictures. */
  begin() {
    document.querySelectorAll("#cards > article").forEach(card => card.removeAttribute("id"));
    this.follow();
  }

  follow() {
    const number = /^#case-(\d+)$/.exec(location.hash)?.[1];
    const card = number && document.querySelector(`#cards > [data-case="${number}"]`);
    document.querySelectorAll("#cards > .open").forEach(other => other.classList.remove("open"));
    document.documentElement.classList.toggle("one", Boolean(card));
    if (card) this.show(card);
    else this.leave();
  }

  show(card) {
    this.open = card.dataset.case;
    card.classList.add("open");
    const order = this.table.order(), at = order.indexOf(this.open);
    find("place").textContent = at < 0 ? "not in the list" : `${at + 1} of ${order.length}`;
    find("previous").disabled = !this.neighbour(-1);
    find("next").disabled = !this.neighbour(1);
    this.viewer.show(card);
    // From here, Tab leads through the controls in front of the card.
    find("case").setAttribute("aria-label", `Case ${card.querySelector("h2").textContent}`);
    find("case").focus({ preventScroll: true });
    scrollTo(0, 0);
  }

  leave() {
    const last = this.open;
    this.open = null;
    if (last) this.table.link(last)?.focus();
  }

  /** The case so many places further on in the table; the first one when the open one is not in it. */
  neighbour(step) {
    const order = this.table.order(), at = order.indexOf(this.open);
    return at < 0 ? order[0] : order[at + step];
  }

  /** Without a new entry in the history: going back leads to all cases. */
  go(step) {
    const number = this.neighbour(step);
    if (number) location.replace(`#case-${number}`);
  }

  close() {
    location.hash = "";
  }

  /** In all cases: the focus to the next link. */
  move(step) {
    const order = this.table.order(), row = document.activeElement?.closest?.("tr[data-case]");
    const at = row ? order.indexOf(row.dataset.case) + step : 0;
    this.table.link(order[Math.max(0, Math.min(order.length - 1, at))])?.focus();
  }
}
