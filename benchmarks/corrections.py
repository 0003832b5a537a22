"""A tagger trained on corrections alone against the one that they correct.

    imlgcn train openclipart --no-refit --out runs/no-refit
    python -m benchmarks.corrections runs/no-refit --out benchmarks/results/corrections.md

The corrections are made from the truth of Open Clip Art's validation images, as a person on the
page might leave them: two of an image's labels get a yes, two others a no, the rest stays open. The
tagger that is corrected must not have learnt these images: one of ``--no-refit``.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from imlgcn import train
from imlgcn.comparison.environment import describe
from imlgcn.data.dataset import Dataset, load_dataset
from imlgcn.errors import InputError
from imlgcn.evaluation import evaluate
from imlgcn.tagger import Tagger

COUNTS = (24, 120, 240)  # corrected images, of 249
HEADS = ("linear", "iml_gcn")


def main() -> None:
    """Train and judge each tagger and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tagger", type=Path)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    data = load_dataset("openclipart")
    refuse_learnt(given.tagger)
    rows = [row(given.tagger, data, head, count) for head in HEADS for count in COUNTS]
    text = "\n".join(
        (
            "# Training on corrections alone",
            "",
            describe(
                f"python -m benchmarks.corrections {given.tagger} "
                "--out benchmarks/results/corrections.md"
            ),
            "- mAP on the test images (protocol default) of the labels both know; one run each",
            "",
            "| head | corrected images | labels left | mAP, new | mAP, the tagger corrected |",
            "|---|--:|--:|--:|--:|",
            *rows,
        )
    )
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")


def refuse_learnt(tagger: Path) -> None:
    """Refuse a tagger that has learnt the validation images, whose corrections then teach nothing.

    Raises:
        InputError: its validation scores are out-of-fold.
    """
    if Tagger.load(tagger).folder.scores.split("val").folds is not None:
        raise InputError(f"{tagger} has learnt validation: train it with --no-refit")


def row(old: Path, data: Dataset, head: str, count: int) -> str:
    """Return a row: train on so many corrected images from ``old`` and compare on test."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "corrections.csv"
        write_corrections(data.split("val"), count, table)
        train(table, Path(folder) / "run", head=head, start=old, seed=0)
        new = Tagger.load(Path(folder) / "run")
        test = data.split("test")
        places = [data.names.index(name) for name in new.labels]
        judged = replace(test, names=new.labels, targets=test.targets[:, places])
        ours, theirs = (evaluate(tagger, judged, split=None)["mAP"] for tagger in (new, old))
    return f"| {head} | {count} | {len(places)} | {ours:.1f} | {theirs:.1f} |"


def write_corrections(data: Dataset, count: int, path: Path) -> None:
    """Write what the page would: a column for each label that was judged, ? where it was not."""
    rng = np.random.default_rng(0)
    answers = np.full(data.targets.shape, -1)  # (N, L)
    chosen = rng.choice(len(data), min(count, len(data)), replace=False)
    for place in chosen:
        for value in (1, 0):
            found = rng.permutation(np.flatnonzero(data.targets[place] == value))[:2]
            answers[place, found] = value
    judged = np.flatnonzero((answers >= 0).any(axis=0))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", *(data.names[label] for label in judged)])
        for place in chosen:
            cells = ["?" if a < 0 else a for a in answers[place, judged]]
            writer.writerow([data.paths[place], *cells])


if __name__ == "__main__":
    main()
