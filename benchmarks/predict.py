"""Predict against what people write instead: images/s, latency, start, memory, and the floor.

python -m benchmarks.predict --out benchmarks/results/predict.md

Whole processes, one after the other in turns, so that a busy minute hits all of them; the median
counts. `--rounds` and `--images` make it shorter or longer, `--only` takes some of the parts,
`--many 100000` adds that number of files to the memory test. Taggers and photographs are kept in
the cache folder: the first run makes them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from benchmarks.bench_taggers import int8_file, tagger_with_onnx
from benchmarks.photos import photo_folder
from benchmarks.processes import System, alternate, run, table
from imlgcn.comparison.environment import describe

IMLGCN = (sys.executable, "-c", "from imlgcn.cli import main; main()")
TUNED = {  # what glibc reads: the thresholds of its allocator, raised
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**31),
    "MALLOC_TOP_PAD_": str(2**26),
}


def main() -> None:
    """Run the parts that are wanted and write their tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--all-rivals", action="store_true", help="the slow ones in every round")
    parser.add_argument("--many", type=int, default=0, help="files in the memory test")
    options = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BENCH_OUT"] = folder
        texts = []
        for name in options.only:
            texts.append(PARTS[name](options))
            print(texts[-1], file=sys.stderr)  # what is done is not lost when the next part fails
    minutes = (time.perf_counter() - started) / 60
    text = "\n\n".join((_head(options), *texts, f"Took {minutes:.1f} minutes."))
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


def _head(options: argparse.Namespace) -> str:
    engines = ", ".join(f"{name} {_version(name)}" for name in ("onnxruntime", "openvino"))
    return "\n".join(
        (
            "# Prediction",
            "",
            describe("python -m benchmarks.predict --out benchmarks/results/predict.md"),
            f"- engines: {engines}; ours with their defaults: one stream of one thread for each "
            "core",
            f"- medians of {options.rounds} alternating rounds unless the table says otherwise",
            f"- load average at the start: {os.getloadavg()[0]:.1f}",
        )
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def out(name: str) -> str:
    """Return a file to write predictions to."""
    return str(Path(os.environ["BENCH_OUT"]) / name)


def ours(tagger: Path, folder: Path, engine: str) -> list[str]:
    """Return our command."""
    command = [*IMLGCN, "predict", str(tagger), str(folder), "--engine", engine]
    return [*command, "--out", out("ours.csv"), "--overwrite"]


def rival(module: str, folder: Path, *arguments: str) -> list[str]:
    """Return the command of a rival."""
    program = (sys.executable, "-m", f"benchmarks.rivals.{module}")
    return [*program, str(folder), out("rival.csv"), *arguments]


def vga(options: argparse.Namespace) -> str:
    """Time `efficientnet_lite0` at 224 px on 640 x 480 photographs."""
    return _compared(options, "vga", options.images, (640, 480), "efficientnet_lite0", 224)


def big(options: argparse.Namespace) -> str:
    """Time the same on photographs of 12 megapixels."""
    return _compared(options, "big", 60, (4000, 3000), "efficientnet_lite0", 224)


def tresnet(options: argparse.Namespace) -> str:
    """Time `tresnet_m` at 448 px, float32 and int8."""
    return _compared(options, "tresnet", 40, (640, 480), "tresnet_m", 448)


def _compared(
    options: argparse.Namespace,
    part: str,
    images: int,
    photo: tuple[int, int],
    backbone: str,
    size: int,
) -> str:
    folder = photo_folder(images, *photo)
    tagger = tagger_with_onnx(backbone, size)
    timm_name = {"efficientnet_lite0": "tf_efficientnet_lite0"}.get(backbone, backbone)
    model = ("--model", timm_name, "--size", str(size))
    onnx = (str(tagger / "model.onnx"), "--size", str(size))
    last = (*model, "--channels-last")
    slow = options.all_rivals
    systems = [
        System("ours, onnxruntime", ours(tagger, folder, "onnxruntime")),
        System("ours, openvino", ours(tagger, folder, "openvino")),
        System("ours, torch", ours(tagger, folder, "torch"), every_round=part == "vga" or slow),
        System("eager, channels last, two workers, as written", rival("eager", folder, *last)),
        System("the same, allocator thresholds raised", rival("eager", folder, *last), TUNED),
        System("onnxruntime loop, one by one", rival("onnx_loop", folder, *onnx)),
        System(
            "onnxruntime loop, batches of 16",
            rival("onnx_loop", folder, *onnx, "--batch-size", "16"),
            every_round=slow,
        ),
        System("eager, contiguous", rival("eager", folder, *model), every_round=slow),
        System(
            "the same as tuned, one worker, batches of 8",
            rival("eager", folder, *last, "--workers", "1", "--batch-size", "8"),
            TUNED,
            every_round=slow,
        ),
        System("torch.compile", rival("eager", folder, *last, "--compile"), every_round=slow),
    ]
    if part != "vga" and not slow:  # it compiles for a minute, and again for the last batch
        systems = [s for s in systems if s.name != "torch.compile"]
    notes = []
    if part == "tresnet":
        quantized = int8_file(tagger)
        if isinstance(quantized, Path):
            systems.insert(1, System("ours, int8", ours(quantized, folder, "onnxruntime")))
        else:
            notes = ["", f"int8: {quantized}"]
    found = alternate(systems, options.rounds)
    text = table(found, images, "ours, onnxruntime")
    floors = [
        floor_line(tagger, folder, engine, median(r.rate for r in found[f"ours, {engine}"]))
        for engine in ("onnxruntime", "openvino")
        if f"ours, {engine}" in found
    ]
    title = f"## {images} JPEGs of {photo[0]} x {photo[1]}, `{backbone}` at {size}"
    return "\n".join((title, "", text, *notes, "", *floors))


FLOOR = """
import json, sys, time
import numpy
from pathlib import Path
from imlgcn.tagger import Tagger
tagger = Tagger.load(sys.argv[1], engine=sys.argv[3])
paths = sorted(Path(sys.argv[2]).glob("*.jpg"))[:40]
tagger.probabilities(tagger.load_input(paths[0])[None])
decode, score = [], []
for path in paths:
    a = time.process_time(); pixels = tagger.load_input(path)[None]
    b = time.process_time(); tagger.engine.logits(pixels)
    decode.append(b - a); score.append(time.process_time() - b)
print(json.dumps([1000 * float(numpy.median(decode)), 1000 * float(numpy.median(score))]))
"""


def floor_line(tagger: Path, folder: Path, engine: str, rate: float) -> str:
    """Return the work-conserving floor of one engine, and what part of it was reached."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", FLOOR, str(tagger), str(folder), engine],
        check=True, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    decode, score = json.loads(done.stdout)
    cores = len(os.sched_getaffinity(0))
    limit = 1000 * cores / (decode + score)
    return (
        f"- floor, {engine}: decode {decode:.2f} + engine {score:.2f} ms of CPU an image on one "
        f"thread (medians), {cores} cores: {limit:.1f} images/s; reached {rate / limit:.0%}"
    )


LATENCY = """
import json, sys, time
import numpy
from pathlib import Path
from imlgcn.tagger import Tagger
tagger = Tagger.load(sys.argv[1], engine=sys.argv[3], latency=True)
paths = sorted(Path(sys.argv[2]).glob("*.jpg"))[:20]
for path in paths: tagger(path)
times = []
for path in paths * 10:
    a = time.perf_counter(); tagger(path); times.append(time.perf_counter() - a)
print(json.dumps([1000 * float(numpy.percentile(times, p)) for p in (50, 99)]))
"""
IMPORTS = """
import time; started = time.perf_counter()
from imlgcn.cli import commands
commands("predict")
import imlgcn.prediction, imlgcn.tagger, onnxruntime
print(time.perf_counter() - started)
"""


def single(options: argparse.Namespace) -> str:
    """Time one image: from Python, and from the shell with everything that starts before it."""
    tagger = tagger_with_onnx("efficientnet_lite0", 224)
    folder = photo_folder(options.images, 640, 480)
    lines = ["## One image, `efficientnet_lite0` at 224", "", "| | p50 ms | p99 ms |"]
    lines.append("|---|---|---|")
    for engine in ("onnxruntime", "openvino", "torch"):
        done = subprocess.run(
            [sys.executable, "-c", LATENCY, str(tagger), str(folder), engine],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        p50, p99 = json.loads(done.stdout)
        lines.append(f"| `Tagger(..., latency=True)(path)`, {engine} | {p50:.1f} | {p99:.1f} |")
    image = next(iter(sorted(folder.glob("*.jpg"))))
    command = [*IMLGCN, "predict", str(tagger), str(image)]
    walls = [run(command).wall for _ in range(2 * options.rounds + 1)]
    imports = [seconds(IMPORTS) for _ in walls]
    lines += [
        "",
        f"- `imlgcn predict TAGGER photo.jpg` from the shell, onnxruntime: {median(walls):.2f} s "
        f"(slowest of {len(walls)}: {max(walls):.2f} s)",
        f"- of which imports: {median(imports):.2f} s",
    ]
    return "\n".join(lines)


def seconds(code: str) -> float:
    """Return what a program prints: the time it took for a part of itself."""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return float(done.stdout)


def memory(options: argparse.Namespace) -> str:
    """Measure peak memory for one file, for 1,000 and more (links to 64 small photographs)."""
    tagger = tagger_with_onnx("test_efficientnet", 32)
    originals = sorted(photo_folder(64, 96, 72).glob("*.jpg"))
    lines = ["## Peak memory, a tiny network at 32 px", "", "| files | MB, CSV | MB, Parquet |"]
    lines.append("|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        made = 0
        for number in (1, 1000, 10_000, *([options.many] if options.many else [])):
            for made in range(made, number):  # noqa: B020
                (Path(folder) / f"{made:08}.jpg").symlink_to(originals[made % 64])
            made = number
            peaks = []
            for suffix in ("csv", "parquet"):
                written = out(f"{number}.{suffix}")
                done = run([*IMLGCN, "predict", str(tagger), folder, "--all", "--out", written])
                peaks.append(done.memory)
            lines.append(f"| {number:,} | {peaks[0]:.0f} | {peaks[1]:.0f} |")
    return "\n".join(lines)


PARTS = {"vga": vga, "big": big, "tresnet": tresnet, "single": single, "memory": memory}

if __name__ == "__main__":
    main()
