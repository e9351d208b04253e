document.documentElement.classList.add("js");
const viewer = new Viewer();
listenToKeys(new Cards(new CaseTable(find("cases")), viewer), viewer);
