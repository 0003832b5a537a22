"""Every head and its controls on Open Clip Art, frozen efficientnet_lite0 at 224, five seeds.

    python -m benchmarks.heads --out benchmarks/results/heads.md

All settings were chosen on the validation split. This command reads the test split, once, at the
end, to write the table.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.environment import describe
from imlgcn.config import train_settings
from imlgcn.data.dataset import load_dataset
from imlgcn.evaluate import fit_scale, judge
from imlgcn.labels.context import LabelContext
from imlgcn.metrics.average_precision import mean_average_precision
from imlgcn.metrics.protocol import paired_bootstrap
from imlgcn.models import HEADS, count_parameters, create_backbone, create_head, head_options
from imlgcn.progress import TerminalProgress
from imlgcn.training.extract import ImageFeatures, extract_features
from imlgcn.training.loop import create_fabric, score_features
from imlgcn.training.stages import add_words, embed_labels, train_head

SYSTEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "linear (the control)": ("linear", {}),
    "linear, max pooling": ("linear", {"pooling": "max"}),
    "mlp of the same size": ("mlp", {}),
    "iml_gcn: F_PCA, label graph": ("iml_gcn", {}),
    "iml_gcn: F_PCA, identity graph": ("iml_gcn", {"graph": "identity"}),
    "iml_gcn: F_I, label graph": ("iml_gcn", {"embedding": "image"}),
    "iml_gcn: one-hot nodes, label graph": ("iml_gcn", {"embedding": "onehot"}),
    "iml_gcn: random nodes, label graph": ("iml_gcn", {"embedding": "random"}),
    "ml_gcn: GloVe 50-d, label graph": ("ml_gcn", {}),
    "ml_gcn: GloVe 50-d, average pooling": ("ml_gcn", {"pooling": "avg"}),
}


@dataclass
class Result:
    """What five runs of one system left."""

    val: NDArray[np.float32]  # (S, N, L) logits
    test: NDArray[np.float32]  # (S, M, L)
    seconds: float  # of one training
    images_per_second: float
    stored: int  # parameters of the head
    folded: int


def main() -> None:
    """Train all systems and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="", help="systems whose name contains this")
    parser.add_argument("--validation-only", action="store_true", help="do not read the test split")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()

    progress = TerminalProgress()
    backbone = create_backbone("efficientnet_lite0")
    data = load_dataset("openclipart", progress=progress)
    features = extract_features(backbone, data, progress=progress)
    train, val, test = (features.split(name)[1] for name in ("train", "val", "test"))
    context = LabelContext.from_targets(data.names, train.dataset.targets)
    context = embed_labels(context, train, train_settings().embedding)
    context = add_words(context, None, progress)

    results = {}
    for name, (head, options) in SYSTEMS.items():
        if arguments.only in name:
            results[name] = run(head, options, context, train, val, test, arguments.seeds)
            values = [mean_average_precision(s, val.dataset.targets)[0] for s in results[name].val]
            progress.say(
                f"{name:<38} val {100 * np.mean(values):.2f} +- {100 * np.std(values):.2f}"
            )
    if arguments.validation_only:
        return
    text = table(results, val, test, arguments.seeds)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


def run(
    name: str,
    options: dict[str, Any],
    context: LabelContext,
    train: ImageFeatures,
    val: ImageFeatures,
    test: ImageFeatures,
    seeds: int,
) -> Result:
    """Train one system with every seed."""
    complete = head_options(name, "small", **options)
    settings = train_settings({"graph": HEADS[name].TRAINING.get("small", {})})
    stage = settings.linear if name == "linear" else settings.graph
    C = train.values.shape[-1]
    scores: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
    seconds = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        head = create_head(name, C, context, **complete)
        started = time.perf_counter()
        train_head(
            head,
            train,
            val,
            settings=stage,
            loss=settings.loss,
            seed=seed,
            fabric=create_fabric(),
        )
        seconds.append(time.perf_counter() - started)
        pooling = head.pooling or "avg"
        val_logits, test_logits = (score_features(head, x.pooled(pooling)) for x in (val, test))
        scores.append((val_logits, test_logits))
    median = float(np.median(seconds))
    return Result(
        val=np.stack([pair[0] for pair in scores]),
        test=np.stack([pair[1] for pair in scores]),
        seconds=median,
        images_per_second=stage.epochs * len(train.values) / median,
        stored=count_parameters(head),
        folded=count_parameters(head.fold()),
    )


def table(results: dict[str, Result], val: ImageFeatures, test: ImageFeatures, seeds: int) -> str:
    """Return the results as Markdown."""
    targets = test.dataset.targets
    names = test.dataset.names
    control = next(iter(results.values()))
    rows = [
        "| head | mAP, test | difference to linear (95 % interval) | OF1 | CF1 per label | ECE % | "
        "log-loss | parameters | folded | training s | images/s |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        judged = [
            judge(t, targets, names, fit_scale(v, val.dataset.targets))
            for v, t in zip(result.val, result.test, strict=True)
        ]
        mean = {
            key: np.mean([m[key] for m in judged])
            for key in ("mAP", "OF1", "CF1_per_label", "ECE", "log_loss")
        }
        spread = np.std([m["mAP"] for m in judged])
        difference = "-"
        if result is not control:
            value, low, high = paired_bootstrap(result.test, control.test, targets)
            difference = f"{value:+.1f} ({low:+.1f} to {high:+.1f})"
        rows.append(
            f"| {name} | {mean['mAP']:.1f} ± {spread:.1f} | {difference} | {mean['OF1']:.1f} | "
            f"{mean['CF1_per_label']:.1f} | {mean['ECE']:.2f} | {mean['log_loss']:.2f} | "
            f"{result.stored:,} | {result.folded:,} | {result.seconds:.1f} | "
            f"{result.images_per_second:,.0f} |"
        )
    raw = judge(control.test[0], targets, names, fit_scale(control.val[0], val.dataset.targets))
    before = raw["before_calibration"]
    settings = train_settings().model_dump()
    return "\n".join(
        (
            "# Heads on Open Clip Art",
            "",
            f"Frozen `efficientnet_lite0` at 224, {len(test.values)} test images, "
            f"{len(names)} labels, mean of {seeds} seeds (± standard deviation over seeds), "
            'protocol "default", preset `small`. The interval resamples test images, paired, on '
            "the mean of the seeds. Settings were chosen on validation.",
            "",
            describe("python -m benchmarks.heads --out benchmarks/results/heads.md"),
            f"- linear: {settings['linear']}; others: {settings['graph']} with what their heads "
            "prescribe (`TRAINING` in `imlgcn/models/heads`)",
            "",
            *rows,
            "",
            f"Before calibration the first linear head has: ECE {before['ECE']:.1f} %, log-loss "
            f"{before['log_loss']:.2f}, OF1 {before['OF1']:.1f}, CF1 per label "
            f"{before['CF1_per_label']:.1f} (threshold 0.5). Class-wise ECE after: "
            f"{raw['classwise_ECE']:.2f} %. Log-loss is in nats per image, summed over labels.",
        )
    )


if __name__ == "__main__":
    main()
