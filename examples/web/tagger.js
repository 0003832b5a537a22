// Runs a file of `imlgcn export --format onnx` with onnxruntime-web, which is the global `ort`.

// Loads the network. The file says itself what side its images have and what its labels are.
export async function loadTagger(bytes) {
  const info = JSON.parse(readMetadata(bytes).get("imlgcn"));
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  return { session, info };
}

// Fits an image into the network's white square, drawn on `canvas`; returns its pixels, RGB.
export function fitImage(image, canvas, { size, fit }) {
  canvas.width = canvas.height = size;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, size, size);
  context.imageSmoothingQuality = "high";
  const longest = Math.max(image.width, image.height);
  const [width, height] = fit === "pad"
    ? [image.width, image.height].map((side) => Math.max(1, Math.round((side * size) / longest)))
    : [size, size];
  const left = Math.floor((size - width) / 2);
  const top = Math.floor((size - height) / 2);
  context.drawImage(image, left, top, width, height);
  const { data } = context.getImageData(0, 0, size, size); // RGBA
  return Uint8Array.from({ length: size * size * 3 }, (_, i) => data[4 * Math.floor(i / 3) + (i % 3)]);
}

// Returns the tags of one image, most probable first.
export async function tag({ session, info }, pixels) {
  const { size } = info.image;
  const given = { pixels: new ort.Tensor("uint8", pixels, [1, size, size, 3]) };
  if (session.inputNames.includes("known")) { // a head that can be told labels: nothing is known
    given.known = new ort.Tensor("int8", new Int8Array(info.labels.length).fill(-1), [1, info.labels.length]);
  }
  const { probabilities } = await session.run(given);
  return info.labels
    .map((label, i) => ({ label, probability: probabilities.data[i], threshold: info.calibration.threshold[i] }))
    .filter((found) => found.probability >= found.threshold)
    .sort((a, b) => b.probability - a.probability);
}

// Reads the metadata of an ONNX file, field 14 of its protocol buffer, which ort does not show.
export function readMetadata(bytes) {
  const found = new Map();
  for (const [field, content] of fields(bytes)) {
    if (field !== 14) continue;
    const entry = new Map(fields(content));
    const text = new TextDecoder();
    found.set(text.decode(entry.get(1)), text.decode(entry.get(2)));
  }
  return found;
}

// Yields [number, bytes] of a message's fields; numbers that are not bytes are skipped.
function* fields(bytes) {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const kind = key % 8;
    if (kind === 0) varint();
    else if (kind === 1) at += 8;
    else if (kind === 5) at += 4;
    else {
      const length = varint();
      yield [Math.floor(key / 8), bytes.subarray(at, at + length)];
      at += length;
    }
  }
}
