// An activation map over the image, in the colours of `imlgcn explain`.

const VIRIDIS = [
  [68, 1, 84], [72, 24, 106], [71, 45, 123], [66, 64, 134], [59, 82, 139], [51, 99, 141],
  [44, 114, 142], [38, 130, 142], [33, 145, 140], [31, 160, 136], [40, 174, 128], [63, 188, 115],
  [94, 201, 98], [132, 212, 75], [173, 220, 48], [216, 226, 25], [253, 231, 37],
];
const HALF = 0.5; // strength from which a pixel is opaque
const SIDE = 240; // pixels of the drawing's longer side

/** Draw the strengths (rows of numbers 0 to 1 over the network input) in the image's `region`. */
export function paint(canvas, rows, region, aspect) {
  const width = Math.round(aspect >= 1 ? SIDE : SIDE * aspect);
  const height = Math.round(aspect >= 1 ? SIDE / aspect : SIDE);
  canvas.width = width;
  canvas.height = height;
  const [left, top, right, bottom] = region;
  const across = samples(width, left, right, rows[0].length);
  const down = samples(height, top, bottom, rows.length);
  const image = new ImageData(width, height);
  const wide = rows.map((row) => across.map(([cells, weights]) => mix(row, cells, weights)));
  for (let y = 0; y < height; y += 1) {
    const [cells, weights] = down[y];
    for (let x = 0; x < width; x += 1) {
      let value = 0;
      for (let k = 0; k < 4; k += 1) value += weights[k] * wide[cells[k]][x];
      colour(image.data, 4 * (y * width + x), Math.min(Math.max(value, 0), 1));
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

const mix = (row, cells, weights) =>
  weights.reduce((sum, weight, k) => sum + weight * row[cells[k]], 0);

/** For each pixel of an axis, the four cells around it and their weights (cubic convolution). */
function samples(pixels, start, end, cells) {
  return Array.from({ length: pixels }, (_, pixel) => {
    const at = (start + ((pixel + 0.5) / pixels) * (end - start)) * cells - 0.5;
    const first = Math.floor(at) - 1;
    const around = [0, 1, 2, 3].map((k) => first + k);
    const inside = around.map((cell) => Math.min(Math.max(cell, 0), cells - 1));
    return [inside, around.map((cell) => cubic(Math.abs(at - cell)))];
  });
}

function cubic(x) {
  if (x < 1) return 1.5 * x ** 3 - 2.5 * x ** 2 + 1;
  return x < 2 ? -0.5 * x ** 3 + 2.5 * x ** 2 - 4 * x + 2 : 0;
}

function colour(data, offset, strength) {
  const step = strength * (VIRIDIS.length - 1);
  const low = Math.min(Math.floor(step), VIRIDIS.length - 2);
  for (let channel = 0; channel < 3; channel += 1) {
    const [a, b] = [VIRIDIS[low][channel], VIRIDIS[low + 1][channel]];
    data[offset + channel] = a + (step - low) * (b - a);
  }
  data[offset + 3] = 255 * Math.min(strength / HALF, 1); // the page blends it with the image
}
