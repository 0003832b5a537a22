"""Tag a folder with a plain pool of processes over ONNX Runtime: open, resize, run, write.

python -m benchmarks.rivals.onnx_pool FOLDER out.csv model.onnx --size 224 --processes 2

Each process has a session of one thread, so that the processes do not wait for each other.
"""

from __future__ import annotations

import argparse
import csv
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

SESSION: list[onnxruntime.InferenceSession] = []


def start(model: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    SESSION.append(session)


def probabilities(given: tuple[Path, int]) -> list[float]:
    path, size = given
    image = Image.open(path).convert("RGB").resize((size, size))
    (found,) = SESSION[0].run(["probabilities"], {"pixels": np.array(image)[None]})
    return found[0].tolist()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    paths = sorted(options.folder.glob("*.jpg"))

    started = time.perf_counter()
    context = get_context("fork")
    with (
        options.out.open("w", newline="") as file,
        context.Pool(options.processes, start, (options.model,)) as pool,
    ):
        table = csv.writer(file)
        table.writerow(("image", "label", "probability"))
        tasks = [(path, options.size) for path in paths]
        for path, row in zip(paths, pool.imap(probabilities, tasks, 8), strict=True):
            for number, score in enumerate(row):
                if score >= 0.5:
                    table.writerow((path, number, f"{score:.6f}"))
    print(f"{len(paths) / (time.perf_counter() - started):.3f} images/s")


if __name__ == "__main__":
    main()
