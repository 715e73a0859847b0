"use strict";
// Every class at every slice: a row of bars per model, labels and flags below; a click goes to a slice.

const ROW = 15; // CSS pixels
const TRUTH_ROW = 13;
const GAP = 5;

// A custom property of the page's style, as it stands in this scheme.
function styleOf(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function colourOf(column) {
  return styleOf(`--colour-${column % 7}`);
}

function modelValues(model, state) {
  return state.calibrated && model.calibrated ? model.calibrated : model.raw;
}

// What a model is called: among calibrated ones it is said which is not.
function modelTitle(model, state) {
  return state.calibrated && !model.calibrated ? `${model.title}, raw` : model.title;
}

// What stands in the strip, from top to bottom: { top, height, label, kind, and the values by slice }.
function stripRows(state) {
  const rows = [];
  let top = 0;
  view.names.forEach((name, column) => {
    view.models.forEach((model, i) => {
      const values = modelValues(model, state).map((row) => row[column]);
      const label = i === 0 ? name : "";
      rows.push({ top, height: ROW, label, model: modelTitle(model, state), kind: "bars", column, values });
      top += ROW + 1;
    });
    if (view.truth) {
      const label = view.models.length ? "" : name;
      const values = view.truth.map((row) => row[column]);
      rows.push({ top, height: TRUTH_ROW, label, model: "truth", kind: "truth", column, values });
      top += TRUTH_ROW + 1;
    }
    top += GAP;
  });
  if (view.flags.some((text) => text)) {
    rows.push({ top, height: ROW, label: "flags", model: "", kind: "flags", values: view.flags.map(Boolean) });
    top += ROW + GAP;
  }
  return { rows, height: top };
}

const strip = {
  left: 0, // of the first slice's cell
  cell: 1, // width

  sliceAt(x) {
    return Math.max(0, Math.min(COUNT - 1, Math.floor((x - this.left) / this.cell)));
  },

  draw(canvas, state) {
    const { rows, height } = stripRows(state);
    const width = canvas.clientWidth;
    canvas.style.height = `${height}px`;
    const context = fit(canvas, width, height);
    context.font = "12px system-ui, 'DejaVu Sans', sans-serif";
    context.textBaseline = "middle";
    const ink = styleOf("--ink");
    const widest = (key) => Math.max(0, ...rows.map((row) => context.measureText(row[key]).width));
    const names = widest("label");
    this.left = Math.min(width / 2, names + widest("model") + 20);
    this.cell = (width - this.left - 2) / COUNT;
    for (const row of rows) {
      context.fillStyle = ink;
      context.textAlign = "left";
      context.fillText(row.label, 0, row.top + row.height / 2);
      context.fillStyle = styleOf("--muted");
      context.fillText(row.model, names + 10, row.top + row.height / 2);
      this.drawRow(context, row, ink);
    }
    context.strokeStyle = ink;
    context.lineWidth = 2;
    context.strokeRect(this.left + state.index * this.cell - 0.5, 1, Math.max(this.cell, 2) + 1, height - GAP);
  },

  drawRow(context, row, ink) {
    const middle = row.top + row.height / 2;
    if (row.kind === "bars") {
      context.fillStyle = styleOf("--raised");
      context.fillRect(this.left, row.top, this.cell * COUNT, row.height);
    }
    const gap = this.cell > 4 ? 1 : 0;
    const colour = row.kind === "bars" ? colourOf(row.column) : ink;
    row.values.forEach((value, slice) => {
      const x = this.left + slice * this.cell;
      const wide = Math.max(this.cell - gap, 0.5);
      context.fillStyle = colour;
      context.strokeStyle = ink;
      context.lineWidth = 1;
      const centre = x + wide / 2;
      const side = Math.min(wide, 7);
      if (row.kind === "bars" && value !== null) {
        const tall = value > 0 ? Math.max(0.75, value * row.height) : 0;
        context.fillRect(x, row.top + row.height - tall, wide, tall);
      } else if (row.kind === "truth" && value === null) {
        context.fillRect(centre - 0.5, middle - 0.5, 1, 1);
      } else if (row.kind === "truth" && value >= 0.5) {
        context.fillRect(x, middle - 3.5, wide, 7);
      } else if (row.kind === "truth" && side > 2) {
        context.strokeRect(centre - side / 2 + 0.5, middle - side / 2 + 0.5, side - 1, side - 1);
      } else if (row.kind === "flags" && value) {
        context.beginPath();
        context.moveTo(centre, middle - 5);
        context.lineTo(centre - 4, middle + 4);
        context.lineTo(centre + 4, middle + 4);
        context.fill();
      }
    });
  },

  // The same for those who hear the page: where each class is highest.
  describe(state) {
    const said = view.names.map((name, column) => view.models.map((model) => {
      const values = modelValues(model, state).map((row) => row[column] ?? -1);
      const highest = Math.max(...values);
      return `${name}, ${modelTitle(model, state)}: highest ${percent(highest)} at slice ${values.indexOf(highest) + 1}`;
    }).join("; "));
    return `Along the series: ${said.join(". ")}`;
  },
};

function percent(value) {
  return value === null || value === undefined || value < 0 ? "–" : value.toFixed(3);
}
