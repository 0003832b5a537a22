"""Whole runs on Open Clip Art: the demo from nothing, from the cache, and fine-tuning at 160 px.

python -m benchmarks.runs --out benchmarks/results/runs.md
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from imlgcn.comparison.environment import describe

IMLGCN = (sys.executable, "-c", "from imlgcn.cli import main; main()")
FINE_TUNE = ("train", "openclipart", "--fine-tune", "--size", "160", "--epochs", "2")


def main() -> None:
    """Run everything once and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        cold = measure(work, "demo", "--out", str(work / "demo"))
        warm = measure(work, "demo", "--out", str(work / "again"))
        tuned = measure(work, *FINE_TUNE, "--out", str(work / "tuned"))
        text = table(cold, warm, tuned, read_log(work / "tuned"))
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


def measure(work: Path, *command: str) -> float:
    """Return the seconds of one command as a whole process, with its own cache folder."""
    environment = {**os.environ, "IMLGCN_CACHE": str(work / "cache")}
    started = time.perf_counter()
    subprocess.run([*IMLGCN, *command], check=True, env=environment, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def read_log(run: Path) -> list[dict[str, Any]]:
    """Return the validation lines of fine-tuning."""
    lines = (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [row for row in rows if row["stage"].startswith("fine-tuning")]


def table(cold: float, warm: float, tuned: float, log: list[dict[str, Any]]) -> str:
    """Return the results as Markdown."""
    rows = [f"| {r['stage']} | {r['epoch']} | {r['val_mAP']:.1f} |" for r in log]
    return "\n".join(
        (
            "# Whole runs on Open Clip Art",
            "",
            describe("python -m benchmarks.runs --out benchmarks/results/runs.md"),
            "",
            "| command, as a whole process | seconds |",
            "|---|---|",
            "| `imlgcn demo`, empty cache: unpack, 2,073 images through the backbone, three "
            f"stages, calibration, test, report | {cold:.0f} |",
            f"| `imlgcn demo`, features from the cache | {warm:.0f} |",
            f"| `imlgcn {' '.join(FINE_TUNE)}` (two epochs in stage 1, two in stage 3) | "
            f"{tuned:.0f} |",
            "",
            "Fine-tuning, validation mAP (protocol default). Epoch 0 of the linear head is the "
            "frozen probe at 160 px; epoch 0 of the graph head is where the linear head ended. The "
            "best epoch on validation is kept.",
            "",
            "| stage | epoch | mAP, validation |",
            "|---|---|---|",
            *rows,
        )
    )


if __name__ == "__main__":
    main()
