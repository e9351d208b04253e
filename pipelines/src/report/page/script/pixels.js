/** The bytes that base64 text stands for. */
function fromBase64(text) {
  return Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
}

/** The bytes that deflate made small. */
async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The median of left, above and left + above - corner. */
function expected(left, above, corner) {
  const least = Math.min(left, above), most = Math.max(left, above);
  return corner >= most ? least : corner <= least ? most : left + above - corner;
}

/** Codes from their differences to what was expected of them: high bytes of all pixels, then low bytes. */
function codesOf(bytes, rows, cols) {
  const count = rows * cols, codes = new Uint16Array(count);
  for (let at = 0; at < count; at++) {
    const number = bytes[at] << 8 | bytes[count + at];
    const difference = number >> 1 ^ -(number & 1);
    const row = Math.floor(at / cols), col = at % cols;
    const left = col ? codes[at - 1] : 0, above = row ? codes[at - cols] : 0;
    const guess = !row ? left : !col ? above : expected(left, above, codes[at - cols - 1]);
    codes[at] = guess + difference;
  }
  return codes;
}

/** The picture in a block of the page: its values, NaN where there is none. */
async function unpack(block) {
  const [rows, cols, low, step] = ["rows", "cols", "low", "step"].map(name => Number(block.dataset[name]));
  const bytes = await inflated(fromBase64(block.textContent));
  if (bytes.length !== 2 * rows * cols) throw new Error("a picture of another size");
  const values = Float32Array.from(codesOf(bytes, rows, cols), code => code ? low + (code - 1) * step : NaN);
  return { rows, cols, step, values };
}
