/** A canvas of the size of a picture. */
function fit(canvas, picture) {
  if (canvas.width !== picture.cols) canvas.width = picture.cols;
  if (canvas.height !== picture.rows) canvas.height = picture.rows;
}

/** Draws values in a window, `{ black, white }`, with `over` laid over them: `{ picture, white, opacity }`. */
function paint(canvas, picture, window, colours, over) {
  fit(canvas, picture);
  // Pixels are put one by one, which is quicker where they lie in the memory of the processor.
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const image = context.createImageData(picture.cols, picture.rows);
  picture.values.forEach((value, at) => {
    const colour = Number.isNaN(value) ? NO_VALUE : TABLES[colours][shade(value, window.black, window.white)];
    image.data.set(colour, 4 * at);
    image.data[4 * at + 3] = 255;
  });
  if (over) layOver(image.data, over);
  context.putImageData(image, 0, 0);
}

/** Mixes in the heat of a deviation: the larger it is, the less is left of what lies below. */
function layOver(data, { picture, white, opacity }) {
  picture.values.forEach((value, at) => {
    if (Number.isNaN(value)) return;
    const n = shade(value, 0, white), share = opacity * n / 255, colour = TABLES.heat[n];
    for (let k = 0; k < 3; k++) data[4 * at + k] += share * (colour[k] - data[4 * at + k]);
  });
}

/** A strip of the colours of a table, from left to right. */
function strip(colours) {
  const canvas = document.createElement("canvas");
  canvas.className = "strip";
  const values = Float32Array.from({ length: 256 }, (_, n) => n);
  paint(canvas, { rows: 1, cols: 256, values }, { black: 0, white: 255 }, colours);
  return canvas;
}
