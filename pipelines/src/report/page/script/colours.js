/** Dark violet over orange to pale yellow, evenly brighter: for errors and deviations. */
const HEAT = [
  [0, 0, 4], [40, 11, 84], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21], [250, 193, 39], [252, 255, 164],
];
/** Of pixels without a value: neither a grey nor a heat. */
const NO_VALUE = [60, 110, 150];

/** The colour at a share of the way along a list of colours. */
function between(colours, share) {
  const place = share * (colours.length - 1), from = Math.min(Math.floor(place), colours.length - 2);
  return colours[from].map((value, n) => Math.round(value + (place - from) * (colours[from + 1][n] - value)));
}

/** 256 colours from the first to the last. */
function table(colours) {
  return Array.from({ length: 256 }, (_, n) => between(colours, n / 255));
}

const TABLES = { grey: table([[0, 0, 0], [255, 255, 255]]), heat: table(HEAT) };

/** Which of 256 colours a value has. */
function shade(value, black, white) {
  return Math.max(0, Math.min(255, Math.round(255 * (value - black) / (white - black))));
}
