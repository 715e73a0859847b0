"use strict";
// What the page does: one state, drawn whole whenever it changes, and the events that change it.

const $ = (id) => document.getElementById(id);
const PAGE_STEP = 5; // slices
const WINDOW_STEP = 1.1; // times as wide, or a share of the width up and down
const DRAG_STEP = 1.5; // values per CSS pixel, at the width of the usual windows
const WHEEL_STEP = 50; // CSS pixels of scrolling per slice: a wheel's notch, or a stroke on a touch pad
const LINE = 40; // CSS pixels, where a browser counts lines
const SLICES_PER_DRAW = 16; // of the side view, while slices are being unpacked
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

function drawControls() {
  if ($("slice")) {
    $("slice").value = state.index + 1;
    $("slice").setAttribute("aria-valuetext", `slice ${state.index + 1} of ${COUNT}`);
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
  head.append(element("th", "slice " + (state.index + 1), { scope: "col" }));
  const body = view.names.map((name, column) => {
    const row = document.createElement("tr");
    const first = element("th", name, { scope: "row" });
    const swatch = element("span", "", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = colourOf(column);
    first.prepend(swatch);
    row.append(first);
    for (const model of view.models) row.append(element("td", percent(modelValues(model, state)[state.index][column])));
    if (view.truth) row.append(element("td", truthWords(view.truth[state.index][column])));
    return row;
  });
  for (const model of view.models) head.append(element("th", modelTitle(model, state), { scope: "col", title: modelMeaning(model) }));
  if (view.truth) head.append(element("th", "truth", { scope: "col", title: "What the labels of the slice say" }));
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
  $("live").textContent = [
    `Slice ${state.index + 1} of ${COUNT}`, $("position").textContent, title + values.join(", "),
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

// ---- events ---------------------------------------------------------------------------------------------------------

const KEYS = {
  ArrowUp: () => goTo(state.index - 1),
  ArrowLeft: () => goTo(state.index - 1),
  ArrowDown: () => goTo(state.index + 1),
  ArrowRight: () => goTo(state.index + 1),
  PageUp: () => goTo(state.index - PAGE_STEP),
  PageDown: () => goTo(state.index + PAGE_STEP),
  Home: () => goTo(0),
  End: () => goTo(COUNT - 1),
  "-": () => setWindow(state.level, state.width / WINDOW_STEP),
  "+": () => setWindow(state.level, state.width * WINDOW_STEP),
  ",": () => setWindow(state.level - state.width * (WINDOW_STEP - 1), state.width),
  ".": () => setWindow(state.level + state.width * (WINDOW_STEP - 1), state.width),
  c: () => $("calibrated")?.click(),
  h: () => view.heats.length && showHeat(state.heat + 1 < view.heats.length ? state.heat + 1 : -1),
  o: toggleMarks,
  s: () => $("side")?.click(),
  "?": () => {
    $("keys").open = !$("keys").open;
    $("keys").scrollIntoView({ block: "nearest" });
  },
};
const CROSS_KEYS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const control = event.target;
  // these take keys for themselves
  if (control.tagName === "SELECT" || control.type === "number" || (control.type === "range" && control.id !== "slice")) return;
  const preset = view.presets[Number(event.key) - 1];
  if (event.shiftKey && CROSS_KEYS[event.key]) moveProbe(...CROSS_KEYS[event.key]);
  else if (preset) setWindow(preset.level, preset.width);
  else if (KEYS[event.key]) KEYS[event.key]();
  else return;
  event.preventDefault();
}

// From the pointer to a pixel of the slice.
function pixelAt(event) {
  const box = $("image").getBoundingClientRect();
  const place = (share, edge) => Math.max(0, Math.min(edge - 1, Math.floor(share * edge)));
  return {
    x: place((event.clientX - box.left) / box.width, view.columns),
    y: place((event.clientY - box.top) / box.height, view.rows),
  };
}

function listenToStage(stage) {
  let scrolled = 0; // CSS pixels since the last slice
  let dragged = null; // where the drag began, and the window then
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    dragged = { x: event.clientX, y: event.clientY, level: state.level, width: state.width };
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (dragged) {
      const step = DRAG_STEP * Math.max(0.2, dragged.width / 400); // wide windows move faster
      setWindow(
        Math.round(dragged.level - (event.clientY - dragged.y) * step),
        Math.round(dragged.width + (event.clientX - dragged.x) * step),
      );
    } else {
      if (state.cross) change({ cross: false });
      state.probe = pixelAt(event);
      drawProbe();
    }
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => { dragged = null; });
  stage.addEventListener("wheel", (event) => {
    if (event.ctrlKey || COUNT === 1) return; // the browser's own zoom, and the page's scrolling
    event.preventDefault();
    scrolled += event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE : 1);
    if (Math.abs(scrolled) < WHEEL_STEP) return;
    goTo(state.index + Math.sign(scrolled));
    scrolled = 0;
  }, { passive: false });
}

function listenToControls() {
  document.querySelectorAll(".preset").forEach((button, i) => button.addEventListener("click", () => {
    setWindow(view.presets[i].level, view.presets[i].width);
  }));
  for (const id of ["level", "width"]) {
    $(id).addEventListener("input", () => setWindow($("level").valueAsNumber, $("width").valueAsNumber));
    $(id).addEventListener("blur", () => change({}));
  }
  $("slice")?.addEventListener("input", () => goTo(Number($("slice").value) - 1));
  $("strip")?.addEventListener("click", (event) => goTo(strip.sliceAt(event.offsetX)));
  $("calibrated")?.addEventListener("click", () => change({ calibrated: !state.calibrated }));
  $("side")?.addEventListener("click", () => change({ sideShown: !state.sideShown }));
  $("section")?.addEventListener("click", (event) => goTo(side.sliceAt(event.offsetY)));
  $("column")?.addEventListener("input", () => change({ column: Number($("column").value) }));
  $("curves")?.addEventListener("change", () => change({ curves: Number($("curves").value) }));
  $("opacity")?.addEventListener("input", () => change({ opacity: $("opacity").valueAsNumber / 100 }));
  $("heat")?.addEventListener("change", () => showHeat(Number($("heat").value)));
}

function addOverlayControls() {
  view.heats.forEach((heat, i) => $("heat").append(element("option", `${heat.label} (${heat.name})`, { value: i })));
  let number = 0; // as picture.js counts lines
  for (const [kind, overlays] of [["contours", view.contours], ["boxes", view.boxes]]) {
    overlays.forEach((one, i) => {
      const { ink, border } = lineOf(number++);
      const sample = element("span", "", { class: "sample", "aria-hidden": "true" });
      sample.style.borderTop = `4px ${border} ${ink}`;
      const label = element("label", ` ${one.name}`, { title: $("overlays").dataset[kind] });
      const box = element("input", "", { type: "checkbox", checked: "", "data-kind": kind });
      box.addEventListener("change", () => {
        state[kind][i] = box.checked;
        change({});
      });
      label.prepend(box);
      label.append(sample);
      $("overlays").append(label);
    });
  }
}

// The stage has the slice's proportions and fits the window.
function setProportions() {
  const [tall, wide] = view.pixelMm ?? [1, 1];
  const ratio = (view.columns * wide) / (view.rows * tall);
  $("stage").style.aspectRatio = ratio;
  $("stage").style.width = `calc(max(20rem, 100vh - 15rem) * ${ratio})`;
}

function start() {
  setProportions();
  listenToStage($("stage"));
  listenToControls();
  if ($("overlays")) addOverlayControls();
  $("viewer").addEventListener("keydown", onKey);
  new ResizeObserver(() => change({})).observe($("viewer"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => change({}));
  $("stage").focus({ preventScroll: true });
  change({});
  return volume.read(0).then(() => volume.readAll(() => {
    if (state.sideShown && (volume.done % SLICES_PER_DRAW === 0 || volume.done === COUNT)) change({});
  }));
}

start().then(() => { document.documentElement.dataset.unpacked = "all"; }, (error) => {
  $("problem").textContent =
    `The slices cannot be unpacked (${error.message}). This page needs a browser of 2023 or newer, and its whole file.`;
  $("problem").hidden = false;
});
