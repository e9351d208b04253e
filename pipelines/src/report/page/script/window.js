/** The windows that radiologists know, as level and width in Hounsfield units. */
const CT_WINDOWS = [["Lung", -600, 1500], ["Soft tissue", 40, 400], ["Bone", 400, 1800]];

/** Level and width from the values that are black and white. */
function levelAndWidth(black, white) {
  return { level: (black + white) / 2, width: Math.max(white - black, Number.MIN_VALUE) };
}

/** The values that are black and white. */
function ends({ level, width }) {
  return { black: level - width / 2, white: level + width / 2 };
}

/** From the share `low` to the share `high` of a picture's values. */
function spread(picture, low, high) {
  const values = picture.values.filter(value => !Number.isNaN(value)).sort();
  if (!values.length) return { level: 0.5, width: 1 };
  const at = share => values[Math.round(share * (values.length - 1))];
  return levelAndWidth(at(low), at(high) > at(low) ? at(high) : at(low) + 1);
}

/** What can be chosen for a layer: a name, and level and width for a picture of it. */
function presetsOf(layer) {
  const known = layer.unit === "HU" ? CT_WINDOWS : [];
  return [
    ["Default", () => levelAndWidth(layer.black, layer.white)],
    ...known.map(([name, level, width]) => [name, () => ({ level, width })]),
    ["Auto", picture => spread(picture, 0.01, 0.995)],
    ["Full", picture => spread(picture, 0, 1)],
  ];
}

/** A round number of at most a 500th of a range. */
function fineness(range) {
  return range > 0 && Number.isFinite(range) ? 10 ** Math.floor(Math.log10(range / 500)) : 1;
}

/** A value with as many digits as a step of it tells apart. */
function rounded(value, step) {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const decimals = Math.ceil(-Math.log10(step));
  return Math.abs(decimals) > 8 ? value.toExponential(3) : value.toFixed(Math.max(0, decimals));
}
