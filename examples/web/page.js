// The page: reads model.onnx beside it, then tags each image that is chosen.
import { fitImage, loadTagger, tag } from "./tagger.js";

ort.env.wasm.wasmPaths = new URL("node_modules/onnxruntime-web/dist/", location.href).href;
const [status, chooser, canvas, list] = ["status", "image", "square", "tags"].map((id) => document.getElementById(id));

async function start() {
  const answer = await fetch("model.onnx");
  if (!answer.ok) throw new Error("put an exported file beside this page and call it model.onnx");
  const tagger = await loadTagger(new Uint8Array(await answer.arrayBuffer()));
  status.textContent = `Ready: ${tagger.info.labels.length} labels, images of ${tagger.info.image.size} pixels.`;
  chooser.disabled = false;
  chooser.addEventListener("change", () => show(tagger, chooser.files[0]).catch(fail));
}

async function show(tagger, file) {
  const image = await createImageBitmap(file);
  const pixels = fitImage(image, canvas, tagger.info.image);
  canvas.hidden = false;
  const begun = performance.now();
  const tags = await tag(tagger, pixels);
  status.textContent = `${tags.length} tags in ${Math.round(performance.now() - begun)} ms.`;
  list.replaceChildren(...tags.map(row));
}

function row({ label, probability }) {
  const item = document.createElement("li");
  const share = document.createElement("span");
  const meter = document.createElement("meter");
  share.textContent = `${Math.round(100 * probability)} %`;
  meter.value = probability;
  item.append(label, share, meter);
  return item;
}

function fail(error) {
  status.textContent = `This did not work: ${error.message}`;
}

start().catch(fail);
