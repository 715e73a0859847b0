"use strict";
// The page's data, and its slices, unpacked when they are needed and all of them in the end.

const view = JSON.parse(document.getElementById("view").textContent);
const packed = JSON.parse(document.getElementById("pixels").textContent);
const COUNT = packed.length;

async function inflate(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// The inverse of packing.py: each value is the median of left, above, and their plane, and what that missed.
function unpack(bytes, rows, columns) {
  const size = rows * columns;
  const values = new Int16Array(size);
  for (let i = 0, y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++, i++) {
      const left = x ? values[i - 1] : 0;
      const above = y ? values[i - columns] : 0;
      const corner = x && y ? values[i - columns - 1] : 0;
      const plane = left + above - corner;
      const lower = left < above ? left : above;
      const upper = left < above ? above : left;
      const code = bytes[i] | (bytes[size + i] << 8);
      const missed = code & 1 ? -(code + 1) / 2 : code / 2;
      values[i] = (plane < lower ? lower : plane > upper ? upper : plane) + missed;
    }
  }
  return values;
}

const volume = {
  slices: new Array(COUNT).fill(null), // Int16Array of values above view.low, row by row
  done: 0,
  waiting: new Map(),

  // A slice's values, once they are there.
  async read(index) {
    if (this.slices[index]) return this.slices[index];
    if (!this.waiting.has(index)) {
      this.waiting.set(index, inflate(packed[index]).then((bytes) => {
        this.slices[index] = unpack(bytes, view.rows, view.columns);
        this.done += 1;
        packed[index] = null;
        this.waiting.delete(index);
        return this.slices[index];
      }));
    }
    return this.waiting.get(index);
  },

  // Unpack what is left, in order; `tell` hears of every slice.
  async readAll(tell) {
    for (let index = 0; index < COUNT; index++) {
      await this.read(index);
      tell();
      await new Promise((resolve) => setTimeout(resolve)); // the page stays awake
    }
  },
};
