"""Does the label graph pay? Regimes in which it might, each against the linear head and the MLP.

    python -m benchmarks.graph --out benchmarks/results/graph.md

Every regime is repeated over random splits of Open Clip Art (near duplicates stay together); in
each, learning rates are chosen on that split's validation part, from the same grid for every head,
and the test part is read once. Differences are means over splits; the interval is the corrected
resampled t interval of Nadeau & Bengio (2003), at 95 % and, corrected for the number of comparisons
in the table (Bonferroni), at the level that decides. A regime that is done is not run again.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.competing import COMPETING
from imlgcn.comparison import compare, parse_entries
from imlgcn.comparison.environment import describe
from imlgcn.data.dataset import Dataset, load_dataset
from imlgcn.data.groups import find_groups
from imlgcn.data.split import stratify
from imlgcn.files import cache_dir
from imlgcn.labels.embeddings import image_embeddings
from imlgcn.metrics.ranking import mean_average_precision
from imlgcn.models import HEADS, Backbone, create_backbone
from imlgcn.progress import Progress, TerminalProgress
from imlgcn.training.extract import extract_features

PARTS = {"train": 0.7, "val": 0.12, "test": 0.18}  # about the shares of the data's own split
CONTROLS = ("linear", "mlp")
# what is asked -> a head, and the same head without it
QUESTIONS = {
    "the graph": ("iml_gcn", "iml_gcn:graph=identity"),
    "the graph, residual form": ("iml_gcn:residual=True", "iml_gcn:residual=True:graph=identity"),
    "learned edges": ("iml_gcn:graph=adaptive", "iml_gcn"),
    "image-based nodes": ("iml_gcn", "iml_gcn:embedding=onehot"),
}
POOLED = (
    "mlp,iml_gcn,iml_gcn:graph=identity,iml_gcn:graph=adaptive,iml_gcn:residual=true,"
    "iml_gcn:residual=true:graph=identity,iml_gcn:embedding=onehot"
)
BRIEF = "mlp,iml_gcn,iml_gcn:graph=identity,iml_gcn:residual=true"
JOINED = "efficientnet_lite0+efficientnet_lite1+efficientnet_lite2"

Change = Callable[[Dataset, np.random.Generator], Dataset]


@dataclass(frozen=True)
class Regime:
    """A way of making the problem one in which the graph might help."""

    what: str
    heads: str = BRIEF
    change: Change | None = None  # of the training targets
    backbone: str = "efficientnet_lite0"
    size: int | None = None
    embedding: Mapping[str, Any] = field(default_factory=dict)
    nodes_from: str | None = None  # backbone whose F_I, by file, are the nodes
    splits: int | None = None  # fewer than asked for, where maps make it slow


def few(positives: int) -> Change:
    """Keep training images until every label has about so many positives."""

    def change(dataset: Dataset, rng: np.random.Generator) -> Dataset:
        part = np.array([record.split for record in dataset.records])
        counts = np.zeros(len(dataset.names), int)
        kept = part != "train"
        for row in rng.permutation(np.flatnonzero(part == "train")):
            labels = dataset.targets[row] == 1
            if (counts[labels] < positives).any():
                kept[row] = True
                counts += labels
        return dataset.select(np.flatnonzero(kept))

    return change


def hidden(share: float) -> Change:
    """Make a share of the training targets unknown; every label keeps two positives."""

    def change(dataset: Dataset, rng: np.random.Generator) -> Dataset:
        train = np.array([record.split == "train" for record in dataset.records])
        hide = train[:, None] & (rng.random(dataset.targets.shape) < share)
        for label, column in enumerate(dataset.targets.T):
            positives = rng.permutation(np.flatnonzero(train & (column == 1)))
            hide[positives[:2], label] = False
        return replace(dataset, targets=np.where(hide, -1, dataset.targets).astype(np.int8))

    return change


def by_folder(dataset: Dataset) -> Dataset:
    """Return the data with many labels: the folders in the names of the files, 8 images or more."""
    folders = [set(Path(record.name).stem.split("__")[:-1]) for record in dataset.records]
    counts: dict[str, int] = {}
    for found in folders:
        for name in found:
            counts[name] = counts.get(name, 0) + 1
    names = tuple(sorted(name for name, count in counts.items() if count >= 8))
    targets = np.array([[name in found for name in names] for found in folders], np.int8)
    records = tuple(
        replace(record, labels=tuple(sorted(found & set(names))), unknown=())
        for record, found in zip(dataset.records, folders, strict=True)
    )
    return replace(dataset, names=names, targets=targets, records=records)


REGIMES = {
    "plain": Regime("all training images, 38 labels", POOLED),
    "few-5": Regime("about 5 positives a label", change=few(5)),
    "few-10": Regime("about 10 positives a label", change=few(10)),
    "few-20": Regime("about 20 positives a label", change=few(20)),
    "few-50": Regime("about 50 positives a label", change=few(50)),
    "hidden-30": Regime("30 % of the training targets unknown", change=hidden(0.3)),
    "hidden-60": Regime("60 % of the training targets unknown", change=hidden(0.6)),
    "hidden-90": Regime("90 % of the training targets unknown", change=hidden(0.9)),
    "whitened": Regime(
        "whitened F_PCA", "mlp,iml_gcn,iml_gcn:graph=identity", embedding={"whiten": True}
    ),
    "other-nodes": Regime(
        "nodes from the F_I of three backbones",
        "mlp,iml_gcn:embedding=words,iml_gcn:embedding=words:graph=identity",
        nodes_from=JOINED,
    ),
    "joined": Regime("three backbones joined", backbone=JOINED),
    "many": Regime("many labels: the folders of the pictures"),
    "sequence": Regime(
        "labels one after another or competing, not on a graph",
        "mlp,cnn_rnn,competing,competing_mlp",
    ),
    "maps": Regime("heads on maps, side 320", "mlp,iml_gcn,ssgrl,csra", size=320, splits=1),
}


def main() -> None:
    """Run the regimes and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=4)
    parser.add_argument("--regime", action="append", choices=REGIMES)
    parser.add_argument(
        "--split",
        type=int,
        action="append",
        help="run only this one (from 0), write no table; for several processes at once",
    )
    parser.add_argument("--runs", type=Path, default=cache_dir() / "benchmarks" / "graph")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    HEADS.update(COMPETING)
    progress = TerminalProgress()
    chosen = arguments.regime or list(REGIMES)
    numbers = arguments.split or list(range(arguments.splits))
    scores = {name: run(name, REGIMES[name], numbers, arguments.runs, progress) for name in chosen}
    if arguments.split:
        return
    text = table(scores, arguments.splits)
    print(text)
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")


def run(
    name: str, regime: Regime, numbers: Sequence[int], folder: Path, progress: Progress
) -> dict[str, NDArray[np.float64]]:
    """Return test mAP in percent of every entry in every split: entry -> (splits,).

    Args:
        numbers: of the random splits; a regime that has fewer leaves out the others.
    """
    dataset = load_dataset("openclipart")
    groups = _groups(dataset, folder, progress)
    if name == "many":
        dataset = by_folder(dataset)
    backbone = create_backbone(regime.backbone, size=regime.size)
    found: dict[str, list[float]] = {}
    for number in numbers:
        if regime.splits is not None and number >= regime.splits:
            continue
        progress.say(f"{name}, split {number + 1}")
        part = stratify(dataset.targets == 1, groups, np.array(list(PARTS.values())), seed=number)
        split = dataset.with_splits([list(PARTS)[index] for index in part])
        split = _with_enough(split)
        if regime.change is not None:
            split = regime.change(split, np.random.default_rng(number))
        out = folder / name / str(number)
        words = _nodes(regime, split, out, progress) if regime.nodes_from else None
        done = compare(
            split,
            parse_entries(regime.heads),
            out,
            backbone=backbone,
            seeds=1,
            epochs=30,
            words=words,
            label_embeddings=regime.embedding,
            progress=progress,
        )
        targets = split.split("test").targets
        for entry, cells in done.cells.items():
            value = mean_average_precision(cells[0].test, targets)[0]
            found.setdefault(entry, []).append(100 * value)
    return {entry: np.array(values) for entry, values in found.items()}


def _groups(dataset: Dataset, folder: Path, progress: Progress) -> NDArray[np.int64]:
    """Find near duplicates once: it looks at every image."""
    names = "\0".join(record.name for record in dataset.records)
    path = folder / f"groups-{hashlib.sha256(names.encode()).hexdigest()[:12]}.npy"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        np.save(path, find_groups(dataset, progress=progress))
    groups: NDArray[np.int64] = np.load(path, allow_pickle=False)
    return groups


def _with_enough(dataset: Dataset) -> Dataset:
    """Leave out labels that a part of the split has no positive image of."""
    parts = [dataset.split(name).targets for name in PARTS]
    enough = np.all([(targets == 1).any(axis=0) for targets in parts], axis=0)
    names = tuple(n for n, kept in zip(dataset.names, enough, strict=True) if kept)
    return replace(dataset, names=names, targets=dataset.targets[:, enough])


def _nodes(regime: Regime, dataset: Dataset, out: Path, progress: Progress) -> Path:
    """Write F_I of another backbone, from the training images, as vectors by label name."""
    assert regime.nodes_from is not None
    other: Backbone = create_backbone(regime.nodes_from)
    train = extract_features(other, dataset, progress=progress).split("train")[1]
    f_i = image_embeddings(train.pooled("avg").flatten(1).numpy(), train.dataset.targets)
    out.mkdir(parents=True, exist_ok=True)
    np.savez(out / "nodes.npz", **dict(zip(dataset.names, f_i, strict=True)))
    return out / "nodes.npz"


def table(scores: Mapping[str, Mapping[str, NDArray[np.float64]]], splits: int) -> str:
    """Return the results as Markdown."""
    rows = [
        (regime, entry, control, values - entries[control])
        for regime, entries in scores.items()
        for entry, values in entries.items()
        for control in CONTROLS
        if entry not in CONTROLS
    ]
    asked = [
        (question, regime, entries[one] - entries[other])
        for question, (one, other) in QUESTIONS.items()
        for regime, entries in scores.items()
        if one in entries and other in entries
    ]
    comparisons = len(rows) + len(asked)
    lines = [
        "# Does the label graph pay?",
        "",
        f"Open Clip Art, frozen features, {splits} random splits, test mAP (protocol default). "
        f"Interval: 95 %, corrected resampled t; {comparisons} comparisons, so a difference counts "
        f"(**bold**) where the interval at {1 - 0.05 / comparisons:.4%} leaves out zero.",
        "",
        describe("python -m benchmarks.graph --out benchmarks/results/graph.md"),
        "",
    ]
    lines += ["## What each part adds", "", f"| regime | {' | '.join(QUESTIONS)} |"]
    lines += ["|---" * (1 + len(QUESTIONS)) + "|"]
    for regime in scores:
        found = {question: values for question, where, values in asked if where == regime}
        parts = [interval(found[q], comparisons) if q in found else "-" for q in QUESTIONS]
        if found:
            lines.append(f"| {regime} | {' | '.join(parts)} |")
    lines.append("")
    for regime, entries in scores.items():
        lines += [f"## {regime}: {REGIMES[regime].what}", ""]
        lines += ["| head | mAP | against linear | against mlp |", "|---|---|---|---|"]
        for entry, values in entries.items():
            against = [c for c in CONTROLS[: 1 if entry == "mlp" else 2] if entry != CONTROLS[0]]
            cells = [interval(values - entries[c], comparisons) for c in against]
            cells += ["-"] * (len(CONTROLS) - len(cells))
            spread = f"{values.mean():.1f} ± {values.std():.1f}"
            lines.append(f"| {entry} | {spread} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def interval(
    differences: NDArray[np.float64],
    comparisons: int,
    test_to_train: float = PARTS["test"] / PARTS["train"],
) -> str:
    """Return mean and interval of differences over random splits, bold where it counts.

    The splits share training images, so their variance is raised: 1 / K becomes 1 / K + test/train.
    """
    K = len(differences)
    if K < 2:
        return f"{differences.mean():+.1f}"
    spread = differences.std(ddof=1) * np.sqrt(1 / K + test_to_train)
    mean = differences.mean()
    reach = stats.t.ppf(0.975, K - 1) * spread
    strict = stats.t.ppf(1 - 0.025 / comparisons, K - 1) * spread
    text = f"{mean:+.1f} ({mean - reach:+.1f} to {mean + reach:+.1f})"
    return f"**{text}**" if abs(mean) > strict else text


if __name__ == "__main__":
    main()
