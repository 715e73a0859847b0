"use strict";
// The slice: grey values in a canvas of its own matrix, and over it whatever is marked.

const INK = "#ffffff"; // on a slice, which is dark in both schemes
const CUT_INK = "#e69f00";
// Of outlines and boxes, in their order: each has a colour and a dash of its own
const LINES = [
  { ink: "#e69f00", dash: [], border: "solid" },
  { ink: "#56b4e9", dash: [9, 5], border: "dashed" },
  { ink: "#cc79a7", dash: [3, 4], border: "dotted" },
  { ink: "#009e73", dash: [12, 4, 3, 4], border: "double" },
];
// Dark to bright, from "inferno" of matplotlib: brighter is always more
const HEAT = [[87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]];
const NICE_MM = [200, 100, 50, 20, 10, 5];

// Grey for every value above view.low. Source: DICOM PS3.3 C.11.2.1.3 (LINEAR_EXACT), rounded half up.
function windowTable(level, width) {
  const table = new Uint32Array(view.high - view.low + 1);
  for (let i = 0; i < table.length; i++) {
    const share = (i + view.low - (level - width / 2)) / width;
    const grey = Math.floor(Math.min(1, Math.max(0, share)) * 255 + 0.5);
    table[i] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
  }
  return table;
}

function drawGreys(canvas, values, columns, rows, table) {
  if (canvas.width !== columns || canvas.height !== rows) Object.assign(canvas, { width: columns, height: rows });
  const context = canvas.getContext("2d");
  const picture = context.createImageData(columns, rows);
  const pixels = new Uint32Array(picture.data.buffer);
  for (let i = 0; i < pixels.length; i++) pixels[i] = table[values[i]];
  context.putImageData(picture, 0, 0);
}

// A canvas as large as it is shown, in the screen's own pixels, to be drawn on in CSS pixels.
function fit(canvas, width, height) {
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.font = "13px system-ui, 'DejaVu Sans', sans-serif";
  return context;
}

function outlined(context, text, x, y) {
  context.lineWidth = 3;
  context.strokeStyle = "#000000";
  context.strokeText(text, x, y);
  context.fillStyle = INK;
  context.fillText(text, x, y);
}

function drawLetters(context, width, height) {
  if (!view.letters) return;
  const [left, right, top, bottom] = view.letters;
  context.font = "600 16px system-ui, 'DejaVu Sans', sans-serif";
  context.textBaseline = "middle";
  context.textAlign = "left";
  outlined(context, left, 8, height / 2);
  context.textAlign = "right";
  outlined(context, right, width - 8, height / 2);
  context.textAlign = "center";
  outlined(context, top, width / 2, 14);
  outlined(context, bottom, width / 2, height - 14);
}

function drawScale(context, width, height) {
  if (!view.pixelMm) return;
  const perMm = width / (view.columns * view.pixelMm[1]);
  const length = NICE_MM.find((mm) => mm * perMm < width / 3);
  if (!length) return;
  const [x, y, end] = [12, height - 14, 12 + length * perMm];
  for (const [ink, thick] of [["#000000", 5], [INK, 2]]) {
    context.strokeStyle = ink;
    context.lineWidth = thick;
    context.beginPath();
    for (const [fromX, fromY, toX, toY] of [[x, y, end, y], [x, y - 5, x, y + 5], [end, y - 5, end, y + 5]]) {
      context.moveTo(fromX, fromY);
      context.lineTo(toX, toY);
    }
    context.stroke();
  }
  context.font = "13px system-ui, 'DejaVu Sans', sans-serif";
  context.textAlign = "left";
  context.textBaseline = "bottom";
  outlined(context, `${length} mm`, x, y - 7);
}

// Whether a map shows anything on a slice; null while it is not unpacked.
function heatIsEmpty(heat, index) {
  if (!heat || !heat.values) return null;
  const size = heat.rows * heat.columns;
  return heat.values.subarray(index * size, (index + 1) * size).every((value) => value === 0);
}

function heatColour(value) {
  const place = (value / 255) * (HEAT.length - 1);
  const first = Math.min(Math.floor(place), HEAT.length - 2);
  return HEAT[first].map((part, i) => part + (HEAT[first + 1][i] - part) * (place - first));
}

const heatCanvas = document.createElement("canvas");

// heat: its bytes for all slices are in heat.values once they are unpacked.
function drawHeat(context, heat, index, opacity, width, height) {
  if (!heat.values) return;
  Object.assign(heatCanvas, { width: heat.columns, height: heat.rows });
  const small = heatCanvas.getContext("2d");
  const picture = small.createImageData(heat.columns, heat.rows);
  const size = heat.rows * heat.columns;
  for (let i = 0; i < size; i++) {
    const value = heat.values[index * size + i];
    picture.data.set([...heatColour(value), value * opacity], 4 * i);
  }
  small.putImageData(picture, 0, 0);
  context.imageSmoothingQuality = "high";
  context.drawImage(heatCanvas, 0, 0, width, height);
}

function lineOf(number) {
  return LINES[number % LINES.length];
}

function drawLines(context, lines, number, scaleX, scaleY) {
  const { ink, dash } = lineOf(number);
  for (const [colour, thick] of [["#000000", 4], [ink, 2]]) {
    context.setLineDash(colour === ink ? dash : []);
    context.strokeStyle = colour;
    context.lineWidth = thick;
    for (const line of lines) {
      context.beginPath();
      for (const [x, y] of line) context.lineTo(x * scaleX, y * scaleY);
      context.closePath();
      context.stroke();
    }
  }
  context.setLineDash([]);
}

function drawCross(context, probe, scaleX, scaleY) {
  const [x, y] = [(probe.x + 0.5) * scaleX, (probe.y + 0.5) * scaleY];
  for (const [ink, thick] of [["#000000", 3], [INK, 1]]) {
    context.strokeStyle = ink;
    context.lineWidth = thick;
    context.beginPath();
    context.moveTo(x - 9, y);
    context.lineTo(x + 9, y);
    context.moveTo(x, y - 9);
    context.lineTo(x, y + 9);
    context.stroke();
  }
}

// Where the view from the side cuts the slice.
function drawCut(context, x, height) {
  context.strokeStyle = CUT_INK;
  context.lineWidth = 1;
  context.setLineDash([6, 6]);
  context.beginPath();
  context.moveTo(x, 0);
  context.lineTo(x, height);
  context.stroke();
  context.setLineDash([]);
}

// Everything over the slice. state: as in study.js.
function drawMarks(canvas, state) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const context = fit(canvas, width, height);
  const [scaleX, scaleY] = [width / view.columns, height / view.rows];
  if (state.heat >= 0) drawHeat(context, view.heats[state.heat], state.index, state.opacity, width, height);
  view.contours.forEach((one, i) => {
    if (state.contours[i]) drawLines(context, one.polygons[state.index], i, scaleX, scaleY);
  });
  view.boxes.forEach((one, i) => {
    const corners = one.corners[state.index];
    if (!state.boxes[i] || corners.includes(null)) return;
    const [left, top, right, bottom] = corners;
    const line = [[left, top], [right, top], [right, bottom], [left, bottom]];
    drawLines(context, [line], view.contours.length + i, scaleX, scaleY);
  });
  if (state.sideShown) drawCut(context, (state.column + 0.5) * scaleX, height);
  drawLetters(context, width, height);
  drawScale(context, width, height);
  if (state.probe && state.cross) drawCross(context, state.probe, scaleX, scaleY);
}
