"use strict";
// What changes the page: keys, pointer, wheel and controls.

const PAGE_STEP = 5; // slices
const WINDOW_STEP = 1.1; // times as wide, or a share of the width up and down
const DRAG_STEP = 1.5; // values per CSS pixel, at the width of the usual windows
const WHEEL_STEP = 50; // CSS pixels of scrolling per slice: a wheel's notch, or a stroke on a touch pad
const LINE = 40; // CSS pixels, where a browser counts lines
const SLICES_PER_DRAW = 16; // of the side view, while slices are being unpacked

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
  if (control.matches("select, input[type=number], input[type=range]:not(#slice)")) return;
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
    `The ${view.picture}s cannot be unpacked (${error.message}). This page needs a browser of 2023 or newer, and its whole file.`;
  $("problem").hidden = false;
});
