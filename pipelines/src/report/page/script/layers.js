const TITLES = { truth: "Truth", baseline: "Baseline", result: "Result", deviation: "Standard deviation" };
const ORDER = Object.keys(TITLES);

/** What all blocks of one layer have in common, and a promise for each of its pictures when it is first asked for. */
function layerOf(blocks) {
  const { layer: kind, label, unit, black, white } = blocks[0].dataset;
  const name = label ? `${TITLES[kind]}: ${label}` : TITLES[kind];
  const numbers = key => blocks.map(block => Number(block.dataset[key]));
  const pictures = new Map();
  const picture = slice => {
    const block = blocks.find(block => Number(block.dataset.slice) === slice);
    if (block && !pictures.has(slice)) pictures.set(slice, unpack(block));
    return pictures.get(slice) ?? Promise.resolve(null);
  };
  return { kind, name, label, unit, black: Number(black), white: Number(white), slices: blocks.length,
    low: Math.min(...numbers("low")), high: Math.max(...numbers("high")), colours: "grey", picture };
}

/** How far a layer is from the truth. */
function errorOf(layer, truth) {
  const picture = async slice => {
    const [a, b] = await Promise.all([layer.picture(slice), truth.picture(slice)]);
    if (!a || !b || a.rows !== b.rows || a.cols !== b.cols) return null;
    return { ...a, values: a.values.map((value, at) => Math.abs(value - b.values[at])) };
  };
  const name = `Error of ${layer.label || layer.name.toLowerCase()}`;
  return { ...layer, kind: "error", name, colours: "heat", of: layer, picture };
}

/** The layers of a card: those to choose from, and the standard deviation. */
function layersOf(card) {
  const groups = new Map();
  for (const block of card.querySelectorAll("script[data-layer]")) {
    const key = `${block.dataset.layer} ${block.dataset.label}`;
    groups.set(key, [...groups.get(key) ?? [], block]);
  }
  const all = [...groups.values()].map(layerOf).sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
  const plain = all.filter(layer => layer.kind !== "deviation");
  const truth = plain.find(layer => layer.kind === "truth");
  const errors = truth ? plain.filter(layer => layer !== truth).map(layer => errorOf(layer, truth)) : [];
  return { plain, choices: [...plain, ...errors], deviation: all.find(layer => layer.kind === "deviation") };
}
