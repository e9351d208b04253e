const find = id => document.getElementById(id);

/** An element with text and what else it has. */
function element(name, text, properties) {
  const made = Object.assign(document.createElement(name), properties);
  if (text) made.textContent = text;
  return made;
}

/** The pictures of the case that is open, and what changes them. */
class Viewer {
  constructor() {
    this.layers = { plain: [], choices: [], deviation: undefined };
    this.chosen = 0;
    this.slice = 0;
    this.window = { level: 0.5, width: 1 };
    this.unit = null;
    this.panes = [];
    this.numbers = [];
    this.drawn = Promise.resolve();
    this.listen();
  }

  listen() {
    find("slice").addEventListener("input", event => this.setSlice(Number(event.target.value)));
    for (const name of ["level", "width"]) {
      for (const id of [name, `${name}-exact`]) {
        find(id).addEventListener("input", event => this.setWindow({ [name]: event.target.valueAsNumber }));
      }
    }
    find("together").addEventListener("change", () => this.arrange());
    find("overlay").addEventListener("change", () => this.draw());
    find("opacity").addEventListener("input", () => this.draw());
    this.listenToPointer(find("stage"));
  }

  listenToPointer(stage) {
    let from = null;
    stage.addEventListener("pointerdown", event => {
      if (event.button || !event.target.matches("canvas.picture")) return;
      from = { x: event.clientX, y: event.clientY, ...this.window };
      stage.setPointerCapture(event.pointerId);
    });
    stage.addEventListener("pointermove", event => from ? this.drag(from, event) : this.probe(event));
    for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => { from = null; });
  }

  /** As on a console: to the right for wider, down for brighter. */
  drag(from, event) {
    const unit = Math.max(from.width, this.step) / 300;
    this.setWindow({
      width: Math.max(from.width + unit * (event.clientX - from.x), this.step),
      level: from.level - unit * (event.clientY - from.y),
    });
  }

  /** Shows a card. What was chosen stays chosen, and so does the window where units mean the same. */
  show(card) {
    const name = this.layers.choices[this.chosen]?.name;
    this.card = card;
    this.layers = layersOf(card);
    this.numbers = card.dataset.slices.split(" ").filter(Boolean);
    find("viewer").hidden = !this.layers.choices.length;
    if (!this.layers.choices.length) return;
    const { plain, choices } = this.layers;
    const same = choices.findIndex(layer => layer.name === name);
    this.chosen = same >= 0 ? same : Math.max(0, plain.findIndex(layer => layer.kind === "result"));
    this.limitSlices();
    this.limitWindow(plain);
    this.offer();
    this.arrange();
  }

  limitSlices() {
    const count = Math.max(...this.layers.plain.map(layer => layer.slices));
    find("slice").max = count - 1;
    find("slice-line").hidden = count < 2;
    this.setSlice(Math.floor((count - 1) / 2), false);
  }

  limitWindow(plain) {
    const first = plain.find(layer => layer.kind === "result") ?? plain[0];
    const low = Math.min(first.black, ...plain.map(layer => layer.low));
    const high = Math.max(first.white, ...plain.map(layer => layer.high));
    this.step = fineness(high - low);
    for (const [id, least, most] of [["level", low, high], ["width", this.step, high - low]]) {
      Object.assign(find(id), { min: least, max: Math.max(most, this.step), step: this.step });
    }
    const kept = first.unit === "HU" && this.unit === "HU";
    this.unit = first.unit;
    this.setWindow(kept ? this.window : levelAndWidth(first.black, first.white), false);
  }

  /** The layers and presets to choose from. */
  offer() {
    const layers = this.layers.choices.map((layer, n) => {
      const input = element("input", "", { type: "radio", name: "layer", value: n, checked: n === this.chosen });
      input.addEventListener("change", () => this.choose(n));
      const label = element("label");
      label.append(input, element("span", layer.name));
      return label;
    });
    find("layers").replaceChildren(find("layers").firstElementChild, ...layers);
    const presets = presetsOf(this.base()).map(([name, window]) => {
      const button = element("button", name, { type: "button" });
      button.addEventListener("click", () => this.preset(window));
      return button;
    });
    find("presets").replaceChildren(find("presets").firstElementChild, ...presets);
    find("overlay-line").hidden = !this.layers.deviation;
  }

  /** The layer whose values the window is about. */
  base() {
    const layer = this.layers.choices[this.chosen];
    return layer.of ?? layer;
  }

  async preset(window) {
    const picture = await this.base().picture(this.slice).catch(() => null);
    if (picture) this.setWindow(window(picture));
  }

  choose(n) {
    if (!this.layers.choices[n]) return;
    this.chosen = n;
    find("layers").querySelectorAll("input")[n].checked = true;
    this.arrange();
  }

  setSlice(slice, draw = true) {
    this.slice = Math.max(0, Math.min(Number(find("slice").max), slice));
    find("slice").value = this.slice;
    const number = this.numbers[this.slice];
    const name = `${this.slice + 1} of ${Number(find("slice").max) + 1}` + (number ? `, no. ${number}` : "");
    find("slice-name").textContent = name;
    find("slice").setAttribute("aria-valuetext", name);
    if (draw) this.draw();
  }

  setWindow(change, draw = true) {
    const window = { ...this.window, ...change };
    if (!Number.isFinite(window.level) || !(window.width > 0)) return;
    this.window = window;
    for (const name of ["level", "width"]) {
      find(name).value = window[name];
      find(name).setAttribute("aria-valuetext", `${rounded(window[name], this.step)} ${this.unit}`);
      const exact = find(`${name}-exact`);
      if (exact !== document.activeElement) exact.value = rounded(window[name], this.step);
    }
    if (draw) this.draw();
  }

  /** A pane for the layer that is chosen, or for each: errors below what they are the errors of. */
  arrange() {
    const together = find("together").checked, { plain, choices } = this.layers;
    const shown = together ? choices : [choices[this.chosen]];
    this.panes = shown.map(layer => new Pane(layer, Number(this.card.dataset.aspect)));
    if (together) {
      this.panes.forEach(pane => pane.place(plain.indexOf(pane.layer.of ?? pane.layer) + 1, pane.layer.of ? 2 : 1));
    }
    find("stage").classList.toggle("together", together);
    find("stage").replaceChildren(...this.panes.map(pane => pane.figure));
    this.draw();
  }

  /** Draws every pane; a later call overtakes an earlier one that still unpacks. */
  draw() {
    this.drawn = this.drawAll();
    return this.drawn;
  }

  async drawAll() {
    const { slice, panes } = this, over = await this.laidOver(slice);
    const wanted = () => this.slice === slice && this.panes === panes;
    await Promise.all(panes.map(pane => pane.draw(slice, () => this.window, over, wanted)));
    this.tellPrecision();
  }

  /** The standard deviation of a slice, if it is to be seen. */
  async laidOver(slice) {
    const { deviation } = this.layers, on = deviation && find("overlay").checked;
    find("opacity-name").textContent = `${find("opacity").value} %`;
    find("opacity").disabled = !on;
    const picture = on ? await deviation.picture(slice).catch(() => null) : null;
    const opacity = Number(find("opacity").value) / 100, alone = this.panes.length === 1;
    return picture && { picture, white: deviation.white, unit: deviation.unit, opacity, alone };
  }

  tellPrecision() {
    const steps = this.panes.map(pane => pane.picture?.step).filter(step => step > 0);
    const step = Math.max(...steps) / 2;
    const within = `Values are kept to within ${Number(step.toPrecision(2))} ${this.unit}`;
    find("precision").textContent = steps.length ? within : "";
  }

  /** The values of all panes where the pointer is. */
  probe(event) {
    const pane = this.panes.find(pane => pane.canvas === event.target);
    if (!pane?.picture) return;
    const { rows, cols } = pane.picture, box = pane.canvas.getBoundingClientRect();
    const row = Math.min(rows - 1, Math.floor(rows * (event.clientY - box.top) / box.height));
    const col = Math.min(cols - 1, Math.floor(cols * (event.clientX - box.left) / box.width));
    const values = this.panes.map(pane => pane.valueAt(row, col, this.step)).filter(Boolean);
    find("probe").textContent = `Row ${row}, column ${col} · ${values.join(" · ")}`;
  }
}
