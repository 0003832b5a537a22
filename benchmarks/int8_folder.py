"""Tag a folder of 640 x 480 photographs in 8-bit integers, against a plain pool of processes.

python -m benchmarks.int8_folder runs/demo --out benchmarks/results/int8.md

The pool (`benchmarks.rivals.onnx_pool`) runs the tagger's float32 file in two processes of one
thread. Whole processes, start included, in turns. The int8 file is that of `imlgcn export --int8`,
which keeps it only where it passes its proof.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.photos import photo_folder
from benchmarks.predict import IMLGCN, ours, rival
from benchmarks.processes import Run, System, alternate, run
from imlgcn.comparison.environment import describe

POOL = "pool of two onnxruntime processes, float32"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tagger", type=Path, help="a tagger folder with its model.onnx")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images", type=int, nargs="*", default=[400, 1200])
    parser.add_argument("--int8", type=Path, help="the file of an earlier `export --int8`")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BENCH_OUT"] = folder
        quantized = options.int8 or Path(folder) / "int8.onnx"
        if options.int8 is None:
            run([*IMLGCN, "export", str(options.tagger), "--int8", "--out", str(quantized)])
        load, texts = os.getloadavg()[0], []
        for images in options.images:
            texts.append(_compared(options, quantized, images))
            print(texts[-1], file=sys.stderr)
    command = f"python -m benchmarks.int8_folder {options.tagger} --rounds {options.rounds}"
    head = (
        "# A folder in 8-bit integers",
        "",
        describe(command),
        f"- load average at the start: {load:.1f}, at the end: {os.getloadavg()[0]:.1f}",
    )
    text = "\n\n".join(("\n".join(head), *texts))
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


def _compared(options: argparse.Namespace, quantized: Path, images: int) -> str:
    photos = photo_folder(images, 640, 480)
    model = str(options.tagger / "model.onnx")
    systems = [
        System(POOL, rival("onnx_pool", photos, model)),
        System("imlgcn predict, float32", ours(options.tagger, photos, "onnxruntime")),
        System("imlgcn predict, int8", ours(quantized, photos, "onnxruntime")),
    ]
    found = alternate(systems, options.rounds)
    lines = [
        f"## {images} JPEGs of 640 x 480",
        "",
        "| system | whole process, s | of the pool | CPU s | of the pool |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, runs in found.items():
        wall, cpu = (_of_pool(runs, found[POOL], field) for field in ("wall", "cpu"))
        lines.append(f"| {name} | {wall} | {cpu} |")
    return "\n".join(lines)


def _of_pool(runs: Sequence[Run], pool: Sequence[Run], field: str) -> str:
    """Return the median, and the median of the ratios to the pool's run of the same round."""
    values = [getattr(each, field) for each in runs]
    ratios = [value / getattr(each, field) for value, each in zip(values, pool, strict=True)]
    return f"{median(values):.2f} | {median(ratios):.2f}"


if __name__ == "__main__":
    sys.exit(main())
