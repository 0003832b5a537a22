"""Tag a folder with a plain loop over ONNX Runtime: open, resize, run, write.

python -m benchmarks.rivals.onnx_loop FOLDER out.csv model.onnx --size 224
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=1)
    options = parser.parse_args()

    session = onnxruntime.InferenceSession(options.model, providers=["CPUExecutionProvider"])
    paths = sorted(options.folder.glob("*.jpg"))

    started = time.perf_counter()
    with options.out.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("image", "label", "probability"))
        for first in range(0, len(paths), options.batch_size):
            batch = paths[first : first + options.batch_size]
            square = (options.size, options.size)
            images = [Image.open(path).convert("RGB").resize(square) for path in batch]
            (logits,) = session.run(["logits"], {"pixels": np.stack([np.array(i) for i in images])})
            for path, row in zip(batch, 1 / (1 + np.exp(-logits)), strict=True):
                for number, score in enumerate(row.tolist()):
                    if score >= 0.5:
                        table.writerow((path, number, f"{score:.6f}"))
    print(f"{len(paths) / (time.perf_counter() - started):.3f} images/s")


if __name__ == "__main__":
    main()
