"use strict";
// What the page shows: one state, drawn whole whenever it changes, and the ways in which it changes.

const $ = (id) => document.getElementById(id);
const SAY_AFTER = 350; // ms after the last change: no slice of a quick run is read out

// The middle of the first box, where there is one: what is looked for lies there.
function middleColumn() {
  const box = view.boxes.flatMap((one) => one.corners).find((corners) => corners[0] !== null);
  return Math.floor((box ? box[0] + box[2] : view.columns) / 2);
}

const state = {
  index: 0,
  ...view.presets[0], // level, width
  calibrated: false,
  heat: -1,
  opacity: 0.6,
  contours: view.contours.map(() => true),
  boxes: view.boxes.map(() => true),
  sideShown: view.curves.length > 0,
  curves: 0, // which of them
  column: middleColumn(),
  probe: null, // the pixel that is read
  cross: false, // whether it was chosen by keys, and is marked
};

let table = windowTable(state.level, state.width);
let asked = false;
let saying = 0;

function change(changes) {
  Object.assign(state, changes);
  if (!asked) {
    asked = true;
    requestAnimationFrame(draw);
  }
}

async function draw() {
  asked = false;
  table = windowTable(state.level, state.width);
  drawControls();
  drawMarks($("marks"), state);
  if ($("strip")) {
    strip.draw($("strip"), state);
    $("strip").setAttribute("aria-label", strip.describe(state));
  }
  if ($("values")) drawValues();
  if ($("side-panel")) {
    $("side-panel").hidden = !state.sideShown;
    if (state.sideShown) side.draw($("section"), state, table);
  }
  const wanted = state.index;
  const values = await volume.read(wanted);
  if (wanted !== state.index) return; // a later one has been asked for meanwhile
  drawGreys($("image"), values, view.columns, view.rows, table);
  $("image").dataset.slice = wanted;
  $("unpacking").hidden = true;
  drawProbe();
  clearTimeout(saying);
  saying = setTimeout(say, SAY_AFTER);
}

// The one that is shown: by its number where there are several.
function pictureName() {
  return COUNT > 1 ? `${view.picture} ${state.index + 1}` : view.picture;
}

function drawControls() {
  if ($("slice")) {
    $("slice").value = state.index + 1;
    $("slice").setAttribute("aria-valuetext", `${pictureName()} of ${COUNT}`);
    $("number").textContent = `${state.index + 1} / ${COUNT}`;
  }
  for (const [id, value] of [["level", state.level], ["width", state.width]]) {
    if (document.activeElement !== $(id)) $(id).value = Math.round(value * 10) / 10;
  }
  document.querySelectorAll(".preset").forEach((button, i) => {
    const { level, width } = view.presets[i];
    button.setAttribute("aria-pressed", level === state.level && width === state.width);
  });
  const position = view.positions[state.index];
  $("position").textContent = position === null ? "not known" : `${position.toFixed(1)} mm`;
  $("file").textContent = view.files[state.index];
  $("flags").textContent = view.flags[state.index] || "none";
  $("calibrated")?.setAttribute("aria-pressed", state.calibrated);
  $("side")?.setAttribute("aria-pressed", state.sideShown);
  if ($("column")) $("column").value = state.column;
  if ($("heat")) {
    $("heat").value = state.heat;
    $("heat-empty").hidden = !heatIsEmpty(view.heats[state.heat], state.index);
  }
}

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function drawValues() {
  const head = document.createElement("tr");
  head.append(element("th", pictureName(), { scope: "col" }));
  const body = view.names.map((name, column) => {
    const row = document.createElement("tr");
    const first = element("th", name, { scope: "row" });
    const swatch = element("span", "", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = swatchOf(column);
    first.prepend(swatch);
    row.append(first);
    for (const model of view.models) row.append(element("td", percent(modelValues(model, state)[state.index][column])));
    if (view.truth) row.append(element("td", truthWords(view.truth[state.index][column])));
    return row;
  });
  for (const model of view.models) {
    head.append(element("th", modelTitle(model, state), { scope: "col", title: modelMeaning(model) }));
  }
  if (view.truth) head.append(element("th", "truth", { scope: "col", title: `What the labels of the ${view.picture} say` }));
  $("values").replaceChildren(head, ...body);
}

function modelMeaning(model) {
  const kind = state.calibrated && model.calibrated ? "calibrated" : "as the model gives it";
  return `Probability by ${model.title}, ${kind}`;
}

function truthWords(value) {
  return { null: "unknown", 0: "absent", 1: "present" }[value] ?? percent(value);
}

function probeWords() {
  const values = volume.slices[state.index];
  if (!state.probe || !values) return "point at the picture";
  const { x, y } = state.probe;
  const value = values[y * view.columns + x] + view.low;
  const bound = value === view.low ? "≤ " : value === view.high ? "≥ " : "";
  const side = view.reduction;
  const averaged = side > 1 ? `, the mean of ${side} × ${side} pixels,` : "";
  return `${bound}${value} ${view.unit}${averaged} at column ${x * side + 1}, row ${y * side + 1}`;
}

function drawProbe() {
  $("probe").textContent = probeWords();
}

function say() {
  const values = view.models.slice(-1).flatMap((model) => view.names.map((name, column) =>
    `${name} ${percent(modelValues(model, state)[state.index][column])}`));
  const title = view.models.length ? `${modelTitle(view.models.at(-1), state)}: ` : "";
  const name = pictureName();
  $("live").textContent = [
    name[0].toUpperCase() + name.slice(1) + (COUNT > 1 ? ` of ${COUNT}` : ""), $("position").textContent, title + values.join(", "),
    view.flags[state.index] && `flags: ${view.flags[state.index]}`, state.cross && probeWords(),
  ].filter(Boolean).join(". ");
}

// ---- changes --------------------------------------------------------------------------------------------------------

function goTo(index) {
  change({ index: Math.max(0, Math.min(COUNT - 1, index)) });
}

function setWindow(level, width) {
  if (!Number.isFinite(level) || !Number.isFinite(width)) return;
  const span = view.high - view.low;
  change({
    level: Math.max(view.low, Math.min(view.high, level)),
    width: Math.max(1, Math.min(span, width)),
  });
}

function moveProbe(right, down) {
  const { x, y } = state.probe ?? { x: Math.floor(view.columns / 2), y: Math.floor(view.rows / 2) };
  const inside = (value, edge) => Math.max(0, Math.min(edge - 1, value));
  change({ probe: { x: inside(x + right, view.columns), y: inside(y + down, view.rows) }, cross: true });
}

function showHeat(chosen) {
  change({ heat: chosen });
  const heat = view.heats[chosen];
  if (heat && !heat.values) {
    inflate(heat.packed).then((bytes) => {
      heat.values = bytes;
      change({});
    });
  }
}

function toggleMarks() {
  const shown = !(state.contours.some(Boolean) || state.boxes.some(Boolean));
  change({ contours: state.contours.map(() => shown), boxes: state.boxes.map(() => shown) });
  document.querySelectorAll("#overlays input[type=checkbox]").forEach((box) => { box.checked = shown; });
}
