"use strict";
// Every class at every slice: a row of bars per model, labels and flags below; a click goes to a slice.

const FONT = "12px system-ui, 'DejaVu Sans', sans-serif";
const ROW = 15; // CSS pixels
const TRUTH_ROW = 13;
const GAP = 5;
const BESIDE = 10; // between a class, its models and their bars
const STRIPES = 4; // wide

// A custom property of the page's style, as it stands in this scheme.
function styleOf(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function colourOf(column) {
  return styleOf(`--colour-${column % view.colours}`);
}

// Where colours come round again, the classes are striped.
function isStriped(column) {
  return Math.floor(column / view.colours) % 2 === 1;
}

function swatchOf(column) {
  const colour = colourOf(column);
  const [thin, wide] = [STRIPES / 2, STRIPES];
  if (!isStriped(column)) return colour;
  return `repeating-linear-gradient(90deg, ${colour} 0 ${thin}px, transparent ${thin}px ${wide}px)`;
}

function barsOf(context, column) {
  if (!isStriped(column)) return colourOf(column);
  const tile = document.createElement("canvas");
  tile.width = tile.height = STRIPES;
  const painter = tile.getContext("2d");
  painter.fillStyle = colourOf(column);
  painter.fillRect(0, 0, STRIPES, STRIPES / 2);
  return context.createPattern(tile, "repeat");
}

function modelValues(model, state) {
  return state.calibrated && model.calibrated ? model.calibrated : model.raw;
}

// What a model is called: among calibrated ones it is said which is not.
function modelTitle(model, state) {
  return state.calibrated && !model.calibrated ? `${model.title}, raw` : model.title;
}

// What stands in the strip, from top to bottom: { top, height, label, kind, and the values by slice }.
// above: whether a class is named above its models, where both do not fit side by side.
function stripRows(state, above) {
  const rows = [];
  let top = 0;
  view.names.forEach((name, column) => {
    if (above) {
      rows.push({ top, height: ROW, label: name, model: "", kind: "name", values: [] });
      top += ROW + 1;
    }
    view.models.forEach((model, i) => {
      const values = modelValues(model, state).map((row) => row[column]);
      const label = i === 0 && !above ? name : "";
      rows.push({ top, height: ROW, label, model: modelTitle(model, state), kind: "bars", column, values });
      top += ROW + 1;
    });
    if (view.truth) {
      const label = view.models.length || above ? "" : name;
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
    const width = canvas.clientWidth;
    const text = canvas.getContext("2d");
    text.font = FONT;
    const widest = (words) => Math.max(0, ...words.map((word) => text.measureText(word).width));
    const names = widest([...view.names, "flags"]);
    const models = widest([...view.models.map((model) => modelTitle(model, state)), view.truth ? "truth" : ""]);
    const above = names + models + 2 * BESIDE > width / 2;
    const beside = above ? 0 : names + BESIDE; // where models are named
    const { rows, height } = stripRows(state, above);
    canvas.style.height = `${height}px`;
    const context = fit(canvas, width, height);
    context.font = FONT;
    context.textBaseline = "middle";
    context.textAlign = "left";
    const ink = styleOf("--ink");
    this.left = Math.min(width / 2, beside + models + BESIDE);
    this.cell = (width - this.left - 2) / COUNT;
    for (const row of rows) {
      const room = row.kind === "name" ? width : this.left - BESIDE;
      context.fillStyle = ink;
      context.fillText(shortened(context, row.label, room), 0, row.top + row.height / 2);
      context.fillStyle = styleOf("--muted");
      context.fillText(shortened(context, row.model, room - beside), beside, row.top + row.height / 2);
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
    const colour = row.kind === "bars" ? barsOf(context, row.column) : ink;
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

// As much of a text as there is room for: what tells names apart stands at their ends.
function shortened(context, text, room) {
  let shown = text;
  for (let kept = text.length - 1; kept > 1 && context.measureText(shown).width > room + 0.5; kept--) {
    shown = `${text.slice(0, Math.ceil(kept / 2))}…${text.slice(text.length - Math.floor(kept / 2))}`;
  }
  return shown;
}

function percent(value) {
  return value === null || value === undefined || value < 0 ? "–" : value.toFixed(3);
}
