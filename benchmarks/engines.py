"""Images/s of one network in every engine, float32 and int8, decoding left out.

python -m benchmarks.engines --out benchmarks/results/engines.md

Weights are random but EfficientNet-Lite0's: no trained ones of TResNet and ResNet-101 are at hand
here. Speed does not depend on them, mAP of int8 does, so none is given. Every way to run a network
gets its turn in each of the rounds; the table has medians and, beside them, how many times as fast
as the first row, and which share of the machine's peak its multiply-adds reach (`benchmarks.peak`,
measured in the same rounds).
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does

import numpy as np
import torch

from benchmarks.peak import flops, products
from imlgcn.comparison.environment import describe
from imlgcn.data.dataset import load_dataset
from imlgcn.data.transforms import load_input
from imlgcn.engines.base import cores
from imlgcn.engines.onnxruntime import OnnxEngine
from imlgcn.engines.openvino import OpenVinoEngine
from imlgcn.engines.openvino_file import save_openvino
from imlgcn.engines.torch import TorchEngine
from imlgcn.exporting.formats import write_onnx
from imlgcn.exporting.network import ExportedNetwork
from imlgcn.exporting.quantize import has_vnni, quantize_onnx, quantize_openvino
from imlgcn.labels.context import LabelContext
from imlgcn.metrics.calibration import Calibration
from imlgcn.models import MultiLabelClassifier, create_backbone, create_head
from imlgcn.models.folding import fold_classifier

MODELS = (
    ("efficientnet_lite0", 224),
    ("tresnet_m", 224),
    ("tresnet_m", 448),
    ("resnet101", 448),
)
LABELS = 80
BATCH = 4
CALIBRATION = 8  # images: enough to time int8, not to use it
SECONDS = 0.7  # of a turn, one run at least
Run = Callable[[], float]  # images/s of one turn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", nargs="*", default=[f"{n}:{s}" for n, s in MODELS])
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    arguments = parser.parse_args()
    parts = [header(arguments.rounds, not arguments.no_compile)]
    for name in arguments.models:
        backbone, _, side = name.partition(":")
        parts.append(section(backbone, int(side), arguments.rounds, not arguments.no_compile))
        print(parts[-1], flush=True)
    text = "\n\n".join(parts)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


def header(rounds: int, compiled: bool) -> str:
    others = ", ".join(f"{n} {version(n)}" for n in ("onnxruntime", "openvino", "nncf"))
    return "\n".join(
        (
            "# Engines",
            "",
            describe("python -m benchmarks.engines --out benchmarks/results/engines.md"),
            f"- runtimes: {others}; 8-bit instructions (VNNI): {'yes' if has_vnni() else 'no'}",
            f"- {cores()} cores used; batch {BATCH} unless a row says 1; {rounds} rounds in turns, "
            f"{SECONDS} s each; {LABELS} labels, linear head; pixels already decoded",
            "- weights are random but EfficientNet-Lite0's; int8 is timed, its mAP not measured",
            "- `predict` and `serve` run a network as the rows with a stream or a thread for each "
            "core do, `--latency` as the others",
            *([] if compiled else ["- torch.compile was left out (`--no-compile`)"]),
        )
    )


def section(name: str, size: int, rounds: int, compiled: bool) -> str:
    classifier = network(name, size)
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, size, size, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        ways = dict(every_way(classifier, size, pixels, Path(folder), compiled))
        peaks = dict(products())
        turns = {**ways, **peaks}
        rates: dict[str, list[float]] = {label: [] for label in turns}
        for turn in turns.values():
            turn()  # the first run allocates and compiles
        for _ in range(rounds):
            for label, turn in turns.items():
                rates[label].append(turn())
    medians = {label: statistics.median(found) for label, found in rates.items()}
    best = max(peaks, key=lambda label: medians[label])
    work = flops(classifier, torch.zeros(1, 3, size, size)) / 1e9
    first = rates[next(iter(ways))]
    others = ", ".join(f"{label} {medians[label]:.0f}" for label in peaks if label != best)
    return "\n".join(
        (
            f"## {name}, {size} px",
            "",
            f"{work / 2:.2f} billion multiply-adds an image. Peak here: {medians[best]:.0f} "
            f"billion operations/s in float32 ({best}; {others}).",
            "",
            "| engine | images/s | times | range | of peak |",
            "|---|--:|--:|--:|--:|",
            *(row(label, rates[label], first, work / medians[best]) for label in ways),
        )
    )


def row(label: str, rates: list[float], first: list[float], share: float) -> str:
    """Return a row; ``share`` of the peak is what one image a second takes in float32."""
    rate = statistics.median(rates)
    times = rate / statistics.median(first)
    of_peak = "" if "int8" in label else f"{rate * share:.0%}"
    spread = f"{min(rates):.2f} to {max(rates):.2f}"
    return f"| {label} | {rate:.2f} | {times:.2f} | {spread} | {of_peak} |"


def network(name: str, size: int) -> MultiLabelClassifier:
    torch.manual_seed(0)
    backbone = create_backbone(name, pretrained=name == "efficientnet_lite0", size=size)
    context = LabelContext.placeholder(LABELS, image=backbone.out_channels)
    head = create_head("linear", backbone.out_channels, context, preset="paper")
    return MultiLabelClassifier(backbone, head).eval()


def every_way(
    classifier: MultiLabelClassifier, size: int, pixels: Any, folder: Path, compiled: bool
) -> Iterator[tuple[str, Run]]:
    """Yield the name of each way to run the network, and what runs it for one turn."""
    settings = classifier.backbone.image_settings
    folded = fold_classifier(classifier)
    exported = ExportedNetwork(
        folded, Calibration(np.ones(LABELS), np.zeros(LABELS), np.ones(LABELS, int)), size=size
    )
    images = torch.randn(BATCH, 3, size, size)
    last = images.to(memory_format=torch.channels_last)
    yield "torch, eager", eager(classifier, images)
    channels_last = copy.deepcopy(classifier).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    yield "torch, eager, channels-last", eager(channels_last, last)
    engine = TorchEngine(folded, settings, device="cpu")
    yield "torch engine: folded, channels-last, a stream a core", streams(engine, pixels)
    if compiled:
        yield "torch.compile, channels-last", eager(torch.compile(channels_last), last)
    files = {"float32": folder / "model.onnx", "int8": folder / "int8.onnx"}
    write_onnx(exported, files["float32"], {})
    paths = load_dataset("openclipart").split("train").paths
    chosen = paths[:: len(paths) // CALIBRATION][:CALIBRATION]
    samples = [load_input(path, settings) for path in chosen]
    quantize_onnx(files["float32"], files["int8"], samples)
    yield from openvino_ways(files["float32"], folder, samples, pixels)
    n = cores()
    for kind, file in files.items():
        yield (
            f"ONNX Runtime {kind}, 1 x {n} threads",
            streams(OnnxEngine(file, latency=True), pixels),
        )
        yield f"ONNX Runtime {kind}, {n} x 1 threads", streams(OnnxEngine(file), pixels)
    yield (
        "ONNX Runtime float32, batch 1, 1 stream",
        streams(OnnxEngine(files["float32"], latency=True), pixels[:1]),
    )


def openvino_ways(
    onnx: Path, folder: Path, samples: list[Any], pixels: Any
) -> Iterator[tuple[str, Run]]:
    import openvino

    whole, small = folder / "model.openvino", folder / "int8.openvino"
    save_openvino(openvino.convert_model(onnx), whole, {})
    quantize_openvino(whole, small, samples)
    for kind, file in (("float32", whole), ("int8", small)):
        yield f"OpenVINO {kind}, throughput", streams(OpenVinoEngine(file), pixels)
        yield (
            f"OpenVINO {kind}, latency, batch 1",
            streams(OpenVinoEngine(file, latency=True), pixels[:1]),
        )


def eager(module: Any, images: torch.Tensor) -> Run:
    """Return a turn of a torch loop, as people write it."""

    def turn() -> float:
        count, start = 0, time.perf_counter()
        with torch.inference_mode():
            while not count or time.perf_counter() - start < SECONDS:
                module(images)
                count += len(images)
        return count / (time.perf_counter() - start)

    return turn


def streams(engine: Any, pixels: Any) -> Run:
    """Return a turn of as many threads as the engine asks for."""

    def turn() -> float:
        def work(_: int) -> int:
            count = 0
            while not count or time.perf_counter() - start < SECONDS:
                engine.logits(pixels)
                count += len(pixels)
            return count

        with engine.streaming() as number, ThreadPoolExecutor(number) as pool:
            start = time.perf_counter()
            total = sum(pool.map(work, range(number)))
            return total / (time.perf_counter() - start)

    return turn


if __name__ == "__main__":
    main()
