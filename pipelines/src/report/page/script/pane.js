/** One picture with its title and, where it has colours, their legend. */
class Pane {
  constructor(layer, aspect) {
    this.layer = layer;
    this.aspect = aspect;
    this.picture = null;
    this.canvas = element("canvas", "", { className: "picture" });
    this.canvas.setAttribute("role", "img");
    this.caption = element("figcaption", layer.name);
    this.figure = element("figure");
    this.figure.append(this.canvas, this.caption);
  }

  place(column, row) {
    Object.assign(this.figure.style, { gridColumn: column, gridRow: row });
  }

  /** Draws a slice, unless something else is to be drawn by the time it is unpacked. */
  async draw(slice, window, over, wanted) {
    const picture = await this.layer.picture(slice).catch(() => null);
    if (!wanted()) return;
    this.picture = picture;
    this.canvas.hidden = !picture;
    this.canvas.setAttribute("aria-label", `${this.layer.name}, slice ${slice + 1}`);
    this.caption.replaceChildren(picture ? this.layer.name : `${this.layer.name}: no picture that this browser can show`);
    if (picture) this.paint(window(), over);
  }

  paint(window, over) {
    const { picture, layer } = this;
    const fits = over && over.picture.values.length === picture.values.length;
    // Errors are shown from zero to a quarter of the window.
    const shown = layer.of ? { black: 0, white: window.width / 4 } : ends(window);
    // Side by side, only over the result that it belongs to.
    const laid = fits && !layer.of && (over.alone || layer.kind === "result") ? over : null;
    paint(this.canvas, picture, shown, layer.colours, laid);
    this.figure.style.setProperty("--ratio", picture.cols / (picture.rows * this.aspect));
    const white = layer.of ? shown.white : laid?.white;
    if (white !== undefined) this.caption.append(legend(laid ? "std." : "", white, layer.unit));
  }

  valueAt(row, col, step) {
    const value = this.picture?.values[row * this.picture.cols + col];
    if (value === undefined) return "";
    return `${this.layer.name} ${Number.isNaN(value) ? "no value" : `${rounded(value, step)} ${this.layer.unit}`}`;
  }
}

/** From zero to a value in the colours of heat. */
function legend(name, white, unit) {
  const line = element("span", "", { className: "legend-line" });
  line.append(`${name} 0`, strip("heat"), `${Number(white.toPrecision(3))} ${unit}`);
  return line;
}
