"""How counting and training grow with the number of labels: CPU seconds and peak memory.

python -m benchmarks.many_labels --out benchmarks/results/many-labels.md

Everything is simulated: labels with Zipf's frequencies, as in Open Images, and random features.
Each line is a process of its own, on one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np

from imlgcn.labels.sparse import SparseMatrix
from imlgcn.labels.targets import Targets

CHANNELS = 1280  # of EfficientNet-Lite0
PER_IMAGE = 8  # labels
COUNTED = (9_000_000, 9_605)  # images, labels: of Open Images
LABELS = (38, 323, 1_000, 10_000)
HEADS = ("linear", "iml_gcn")


def main() -> None:
    """Measure every case in a process of its own and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--images", type=int, default=20_000, help="to train on")
    parser.add_argument("--labels", type=int, nargs="+", default=LABELS)
    parser.add_argument("--counted", type=int, nargs=2, default=COUNTED, metavar=("N", "L"))
    parser.add_argument("--before", action="store_true", help="train the graph head as before, too")
    parser.add_argument("--case", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(run_case(*arguments.case)))
        return
    counts = [measure("count", *map(str, arguments.counted))]
    ways = ("now", "before") if arguments.before else ("now",)
    trained = [
        measure("train", head, str(labels), str(arguments.images), way)
        for labels in arguments.labels
        for head in HEADS
        for way in (ways if head == "iml_gcn" else ("now",))
    ]
    text = table(counts, trained)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


def measure(*case: str) -> dict[str, Any]:
    """Return what :func:`run_case` finds in a new process on one thread."""
    command = (sys.executable, "-m", "benchmarks.many_labels", "--case", *case)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def run_case(what: str, *given: str) -> dict[str, Any]:
    """Count or train, and return numbers with the peak memory of this process in GiB."""
    if what == "count":
        found = count(int(given[0]), int(given[1]))
    else:
        found = train(given[0], int(given[1]), int(given[2]), before=given[3] == "before")
    return {**found, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def zipf_targets(images: int, labels: int, seed: int = 0) -> Targets:
    """Return targets with up to 8 labels an image, of which the k-th is drawn 1/k as often."""
    random = np.random.default_rng(seed)
    share = 1 / np.arange(1, labels + 1)
    ends = np.cumsum(share / share.sum())
    columns, lengths = [], [np.zeros(1, np.int64)]
    for start in range(0, images, 500_000):
        draws = random.random((min(500_000, images - start), PER_IMAGE + 4), np.float32)
        drawn = np.searchsorted(ends, draws).clip(max=labels - 1).astype(np.int32)
        drawn.sort(axis=1)
        kept = np.ones(drawn.shape, bool)
        kept[:, 1:] = drawn[:, 1:] != drawn[:, :-1]
        kept &= kept.cumsum(axis=1) <= PER_IMAGE
        columns.append(drawn[kept])
        lengths.append(kept.sum(axis=1))
    joined = np.concatenate(columns)
    starts = np.concatenate(lengths).cumsum()
    entries = SparseMatrix((images, labels), starts, joined, np.ones(len(joined), np.int8))
    return Targets(entries, np.zeros(images, np.int8))


def count(images: int, labels: int) -> dict[str, Any]:
    """Count the pairs of labels and build the graph."""
    from imlgcn.labels.sparse_graph import build_sparse_adjacency
    from imlgcn.labels.sparse_pairs import count_sparse_pairs

    targets = zipf_targets(images, labels)
    began = time.process_time()
    pairs = count_sparse_pairs(targets)
    counted = time.process_time()
    edges = build_sparse_adjacency(pairs, targets.occurrences)
    return {
        "images": images,
        "labels": labels,
        "count": counted - began,
        "graph": time.process_time() - counted,
        "pairs": len(pairs.values),
        "edges": len(edges.values),
    }


def train(kind: str, labels: int, images: int, *, before: bool = False) -> dict[str, Any]:
    """Train a head for one epoch on features in memory; ``before``: as version 0.2 did."""
    import torch

    from imlgcn.config import EmbeddingSettings, HeadTraining, LossSettings
    from imlgcn.data.dataset import Dataset, Record
    from imlgcn.labels.context import LabelContext
    from imlgcn.models import create_head
    from imlgcn.models.heads import ml_gcn
    from imlgcn.training.extract import ImageFeatures
    from imlgcn.training.loop import create_fabric
    from imlgcn.training.stages import embed_labels, train_head

    torch.set_num_threads(1)
    names = tuple(f"label {index}" for index in range(labels))
    records = tuple(Record(str(index), Path(str(index))) for index in range(images))
    data = Dataset(names, records, zipf_targets(images, labels), "made", "made")
    values = np.random.default_rng(0).standard_normal((images, 2, CHANNELS), np.float32)
    features = ImageFeatures(data, values, {})
    began = time.process_time()
    context = LabelContext.from_targets(names, data.stored_targets)
    if kind != "linear":
        context = embed_labels(context, features, EmbeddingSettings())
    described = time.process_time()
    if before:
        ml_gcn.MANY_LABELS = labels
    head = create_head(kind, CHANNELS, context)
    if before:
        head._hidden_first = MethodType(lambda head, batch: False, head)
    settings = HeadTraining(epochs=1)
    if before:  # a few steps are enough to see
        few = np.arange(min(images, max(5, 4_000 // labels) * settings.batch_size))
        features = features.select(few)
    losses: list[dict[str, Any]] = []
    fabric = create_fabric("cpu")  # imports take seconds
    started = time.process_time()
    train_head(
        head,
        features,
        None,
        settings=settings,
        loss=LossSettings(),
        seed=0,
        fabric=fabric,
        log=losses.append,
    )
    seconds = time.process_time() - started
    steps = -(-len(features.dataset) // settings.batch_size)
    return {
        "head": kind,
        "labels": labels,
        "before": before,
        "describe": described - began,
        "step": seconds / steps,
        "rate": len(features.dataset) / seconds,
        "loss": losses[-1]["loss"],
    }


def table(counts: list[dict[str, Any]], trained: list[dict[str, Any]]) -> str:
    """Return the results as Markdown."""
    from imlgcn.comparison.environment import describe

    lines = [
        "# Many labels",
        "",
        describe("python -m benchmarks.many_labels --out benchmarks/results/many-labels.md"),
        "- simulated: labels with Zipf's frequencies, 8 an image; random features of "
        f"{CHANNELS} channels; CPU seconds on one thread; peak memory of the whole process, "
        "simulated data included",
        "",
        "## Counting pairs, and the graph",
        "",
        "| images | labels | pairs that occur | counting, s | edges | graph, s | peak, GiB |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {c['images']:,} | {c['labels']:,} | {c['pairs']:,} | {c['count']:.1f} "
        f"| {c['edges']:,} | {c['graph']:.2f} | {c['peak']:.1f} |"
        for c in counts
    ]
    lines += [
        "",
        "## One epoch of a head on frozen features, batches of 128",
        "",
        "| labels | head | images/s | ms a step | counts and embeddings, s | peak, GiB |",
        "|--:|---|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {t['labels']:,} | {t['head']}{', as before' if t['before'] else ''} "
        f"| {t['rate']:,.0f} | {1000 * t['step']:.1f} | {t['describe']:.1f} | {t['peak']:.1f} |"
        for t in trained
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
