"use strict";
// The series from the side, cut out of the slices, and beside it curves over the same axis.

const SIDE_HEIGHT = 420; // CSS pixels at most
const EDGE = 20; // CSS pixels around the cut: its letters stand there, and cover neither anatomy nor the box's lines
const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3]];

// mm from one slice to the next, on average; null where it is not known
function betweenSlices() {
  const [first, last] = [view.positions[0], view.positions[COUNT - 1]];
  return first === null || last === null || first === last ? null : Math.abs(last - first) / (COUNT - 1);
}

// Positions grow towards the head in axial slices seen from the feet; of others nobody knows where the head is.
function headIsKnown() {
  return betweenSlices() !== null && view.letters !== null && view.letters.join("") === "RLAP";
}

function headIsLast() {
  return headIsKnown() && view.positions[0] < view.positions[COUNT - 1];
}

const side = {
  canvas: document.createElement("canvas"), // slices x rows of the cut
  tall: 1,

  rowOf(slice) {
    return headIsLast() ? COUNT - 1 - slice : slice;
  },

  sliceAt(y) {
    const row = Math.max(0, Math.min(COUNT - 1, Math.floor(((y - EDGE) / this.tall) * COUNT)));
    return this.rowOf(row);
  },

  cut(column, table) {
    const values = new Int16Array(COUNT * view.rows);
    for (let slice = 0; slice < COUNT; slice++) {
      const from = volume.slices[slice];
      const start = this.rowOf(slice) * view.rows;
      if (from) for (let y = 0; y < view.rows; y++) values[start + y] = from[y * view.columns + column];
    }
    drawGreys(this.canvas, values, view.rows, COUNT, table);
  },

  draw(canvas, state, table) {
    this.cut(state.column, table);
    const width = canvas.clientWidth;
    const between = betweenSlices();
    const ratio = between && view.pixelMm ? (COUNT * between) / (view.rows * view.pixelMm[0]) : 1; // height to width
    const wide = Math.min((view.curves.length ? width * 0.5 : width) - 2 * EDGE, SIDE_HEIGHT / ratio);
    this.tall = wide * ratio;
    canvas.style.height = `${this.tall + 2 * EDGE}px`;
    const context = fit(canvas, width, this.tall + 2 * EDGE);
    context.translate(EDGE, EDGE);
    context.imageSmoothingQuality = "high";
    context.drawImage(this.canvas, 0, 0, wide, this.tall);
    this.drawBoxes(context, state, wide);
    this.drawLetters(context, wide);
    const [curves, beside, end] = [view.curves[state.curves], wide + EDGE, width - EDGE - 8];
    if (curves) this.drawCurves(context, curves, beside, end - beside);
    const y = this.heightOf(state.index);
    context.setLineDash([]);
    context.strokeStyle = "#e69f00";
    context.lineWidth = 2;
    context.beginPath();
    for (const [from, to] of curves ? [[0, wide], [beside, end]] : [[0, wide]]) {
      context.moveTo(from, y);
      context.lineTo(to, y);
    }
    context.stroke();
  },

  // Where the boxes are cut, too: from front to back in each slice, and only in those that have one.
  drawBoxes(context, state, wide) {
    const scale = wide / view.rows;
    const height = this.tall / COUNT;
    view.boxes.forEach((one, i) => {
      const [front, back] = [[], []];
      for (let row = 0; row < COUNT; row++) {
        const [left, top, right, bottom] = one.corners[this.rowOf(row)];
        if (left === null || state.column < left || state.column >= right) continue;
        for (const y of [row * height, (row + 1) * height]) {
          front.push([top * scale, y]);
          back.push([bottom * scale, y]);
        }
      }
      const outline = [...front, ...back.reverse()];
      if (state.boxes[i] && outline.length) drawLines(context, [outline], view.contours.length + i, 1, 1);
    });
  },

  drawLetters(context, wide) {
    context.font = "600 14px system-ui, 'DejaVu Sans', sans-serif";
    context.textBaseline = "middle";
    context.textAlign = "center";
    context.fillStyle = styleOf("--ink");
    if (headIsKnown()) {
      context.fillText("H", wide / 2, -EDGE / 2);
      context.fillText("F", wide / 2, this.tall + EDGE / 2);
    }
    if (!view.letters) return;
    context.fillText(view.letters[2], -EDGE / 2, this.tall / 2);
    context.fillText(view.letters[3], wide + EDGE / 2, this.tall / 2);
  },

  // Names stand where their curve peaks; a curve has a colour and a dash of its own.
  drawCurves(context, curves, left, width) {
    context.fillStyle = styleOf("--raised");
    context.fillRect(left, 0, width, this.tall);
    context.font = "600 12px system-ui, 'DejaVu Sans', sans-serif";
    context.textAlign = "left";
    context.textBaseline = "middle";
    const room = width - 34; // the names' place
    curves.labels.forEach((label, k) => {
      const column = view.names.indexOf(label); // a class has one colour everywhere
      context.strokeStyle = context.fillStyle = colourOf(column < 0 ? k : column);
      context.lineWidth = 2;
      context.setLineDash(DASHES[k % DASHES.length]);
      context.beginPath();
      let best = 0;
      curves.values.forEach((row, slice) => {
        const value = row[k] ?? 0;
        if (value > (curves.values[best][k] ?? 0)) best = slice;
        context.lineTo(left + value * room, this.heightOf(slice));
      });
      context.stroke();
      context.fillText(label, left + (curves.values[best][k] ?? 0) * room + 6, this.heightOf(best));
    });
  },

  heightOf(slice) {
    return ((this.rowOf(slice) + 0.5) / COUNT) * this.tall;
  },
};
