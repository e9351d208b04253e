/** Turns a checkbox over as a click would. */
function toggle(id) {
  if (find(id).closest("[hidden]")) return;
  find(id).click();
}

/** What keys do while a case is open. */
function keysOfCase(cards, viewer) {
  return {
    j: () => cards.go(1), ArrowRight: () => cards.go(1),
    k: () => cards.go(-1), ArrowLeft: () => cards.go(-1),
    ArrowDown: () => viewer.setSlice(viewer.slice + 1), ArrowUp: () => viewer.setSlice(viewer.slice - 1),
    Escape: () => cards.close(), c: () => toggle("together"), o: () => toggle("overlay"),
  };
}

/** What keys do in all cases. */
function keysOfTable(cards) {
  return {
    j: () => cards.move(1), ArrowDown: () => cards.move(1),
    k: () => cards.move(-1), ArrowUp: () => cards.move(-1),
    "/": () => find("find").focus(),
  };
}

/** Whether an element uses a key itself. `Escape` leaves it. */
function takesKey(target, key) {
  if (target.matches("input[type=search], input[type=number]")) return key !== "Escape";
  return target.matches("input[type=range], input[type=radio]") && key.startsWith("Arrow");
}

/** Keys for the whole page. Those that a control uses, or that belong to the browser, are left to them. */
function listenToKeys(cards, viewer) {
  const ofCase = keysOfCase(cards, viewer), ofTable = keysOfTable(cards);
  addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (takesKey(event.target, event.key)) return;
    const digit = cards.open && /^[1-9]$/.test(event.key);
    const action = digit ? () => viewer.choose(Number(event.key) - 1) : (cards.open ? ofCase : ofTable)[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
