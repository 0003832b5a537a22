"""The content of the report's sections, from the run folder."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from imlgcn import views
from imlgcn.config import CONTROL
from imlgcn.data.source import IN_PYTHON
from imlgcn.metrics.calibration import (
    classwise_calibration_error,
    expected_calibration_error,
    log_loss_per_image,
    sigmoid,
)
from imlgcn.numbers import MISSING, number, signed
from imlgcn.report.run import RunFolder
from imlgcn.tagger.folder import WEIGHTS
from imlgcn.tagger.scores import ScoredSplit
from imlgcn.views.curves import reliability
from imlgcn.views.svg import inline_svg
from imlgcn.wording import caution, choice, verdict

# key, name, what it means, decimals
METRICS = (
    ("mAP", "mAP", "do images with a label rank above those without; mean over labels", 1),
    ("micro_AP", "micro AP", "the same, with all labels of all images in one ranking", 1),
    ("OF1", "F1 of all tags (OF1)", "precision and recall of all tags at their thresholds", 1),
    ("CF1", "F1 by label (CF1)", "F1 of the precision and recall averaged over labels", 1),
    ("CF1_per_label", "mean F1 of labels", "each label's own F1, averaged", 1),
    ("ECE", "calibration error (ECE)", "gap between probability and frequency; lower is better", 1),
    ("log_loss", "log-loss per image", "in nats; penalises confident errors; lower is better", 2),
)
CALIBRATED = (
    ("ECE", "calibration error (ECE), points", 1),
    ("classwise_ECE", "the same label by label, mean", 1),
    ("log_loss", "log-loss per image, nats", 2),
    ("CF1_per_label", "mean F1 of labels (before: all thresholds 0.5)", 1),
)


def tried(run: RunFolder) -> dict[str, Any] | None:
    """The heads that were tried, best first, with a figure of their differences to the control.

    None: the head was given, or the metrics are not those of the training.
    """
    attempts = run.metrics.get("tried")
    if not attempts or run.data is not None:
        return None
    values = {
        row["head"]: views.Difference(row["difference"], row["low"], row["high"])
        for row in attempts
        if row["head"] != CONTROL and None not in (row["difference"], row["low"], row["high"])
    }
    chosen = next(row["head"] for row in attempts if row["chosen"])
    rows = [
        {
            "head": row["head"],
            "chosen": row["chosen"],
            "mAP": number(row["mAP"]),
            "difference": MISSING if row["head"] == CONTROL else signed(row["difference"]),
            "interval": MISSING
            if row["head"] == CONTROL
            else f"{signed(row['low'])} to {signed(row['high'])}",
            "test": number((row.get("test") or {}).get("mAP")),
            "multiply_adds": number(row["multiply_adds"], 0),
            "seconds": number(row["seconds"]),
        }
        for row in attempts
    ]
    sentence = choice(attempts)
    figure = None
    if values:
        figure = inline_svg(views.differences_figure(values, chosen), "tried", sentence)
    return {"rows": rows, "sentence": sentence, "figure": figure, "control": CONTROL}


def result(run: RunFolder) -> dict[str, Any]:
    """The mAP with its protocol, the control beside it, and the difference with its interval."""
    metrics, control = run.metrics, run.metrics.get("control")
    rows = [
        (name, meaning, number(metrics.get(key), digits), number((control or {}).get(key), digits))
        for key, name, meaning, digits in METRICS
        if metrics.get(key) is not None
    ]
    sentence = verdict(metrics, trained=run.data is None, imported=run.imported)
    figure = None
    difference = metrics.get("difference_to_control")
    if control and difference and "interval" in sentence and difference.get("mAP") is not None:
        values = views.Difference(*(float(difference[key]) for key in ("mAP", "low", "high")))
        figure = inline_svg(views.difference_figure(values), "difference", sentence)
    return {
        "rows": rows,
        "verdict": sentence,
        "caution": caution(metrics, trained=run.data is None),
        "figure": figure,
        "control": control,
        "failed": metrics.get("failed_images") or {},
        "left_out": metrics.get("left_out") or [],
        "undefined": metrics.get("undefined") or [],
    }


def calibration(run: RunFolder) -> dict[str, Any] | None:
    """How probabilities compare with frequencies, before calibration and after.

    Where the metrics do not compare the two (a paper's protocol), they are computed here.
    """
    before, after = run.metrics.get("before_calibration"), run.metrics
    scored = run.scored if run.scored is not None and (run.scored.targets >= 0).any() else None
    if scored is not None and not before:
        before = _quality(sigmoid(scored.logits), scored.targets)
        after = _quality(scored.probabilities, scored.targets)
    if not before:
        return None
    rows = [
        (name, number(before.get(key), digits), number(after.get(key), digits))
        for key, name, digits in CALIBRATED
        if key in before and not (run.imported and key == "CF1_per_label")
    ]
    figure = None if scored is None else _diagram(scored, rows[0], calibrated=not run.imported)
    return {"rows": rows, "figure": figure}


def _diagram(scored: ScoredSplit, errors: tuple[str, str, str], *, calibrated: bool) -> Markup:
    raw = reliability(sigmoid(scored.logits), scored.targets)
    final = reliability(scored.probabilities, scored.targets) if calibrated else None
    _, before, after = errors
    numbers = (
        f"{before} points before calibration, {after} after" if calibrated else f"{after} points"
    )
    description = (
        f"Reliability diagram. Calibration error, the mean distance from the diagonal: {numbers}."
    )
    return inline_svg(views.reliability_figure(raw, final), "reliability", description)


def _quality(probabilities: NDArray[np.float64], targets: NDArray[np.int8]) -> dict[str, float]:
    """Return the metrics of `CALIBRATED` that need probabilities (N, L) only, no thresholds."""
    return {
        "ECE": 100 * expected_calibration_error(probabilities, targets),
        "classwise_ECE": 100 * classwise_calibration_error(probabilities, targets),
        "log_loss": log_loss_per_image(probabilities, targets),
    }


def training(run: RunFolder) -> list[Markup]:
    """The curves of loss and validation mAP; none where nothing was logged."""
    kinds = (("loss", "training loss", 2), ("val_mAP", "validation mAP, %", 1))
    found = []
    for key, title, digits in kinds:
        if not (curves := run.curves.get(key)):
            continue
        ends = "; ".join(
            f"{stage}: {number(points[0][1], digits)} in epoch {points[0][0]:.0f}, "
            f"{number(points[-1][1], digits)} in epoch {points[-1][0]:.0f}"
            for stage, points in curves.items()
        )
        description = f"{title} by epoch. {ends}."
        figure = inline_svg(views.curve_figure(curves, title), key, description)
        found.append(figure)
    return found


def settings(run: RunFolder) -> list[tuple[str, str]]:
    """The provenance of the tagger: data, parts, versions, hashes."""
    info = run.info
    config = {} if run.imported else run.settings  # an import writes only defaults
    weights = info.sha256.get(WEIGHTS, "")
    facts = [
        ("evaluated on", run.data),
        ("data" if run.data is None else "trained on", config.get("data") or config.get(IN_PYTHON)),
        ("head", info.head.name),
        ("head options", _listing(info.head.options)),
        ("backbone", info.backbone.name),
        ("backbone weights", info.backbone.weights),
        ("backbone trained", _yes_no(config.get("fine_tune"))),
        ("imported from", _listing(info.origin)),
        ("input", f"{info.image.size} × {info.image.size} pixels, {info.image.fit}"),
        ("preset", config.get("preset")),
        ("seed", config.get("seed")),
        ("thresholds for", info.calibration.operating_point),
        ("scored by engine", info.engine),
        ("versions", _listing(info.versions, " ")),
        ("SHA-256 of model.safetensors", weights),
    ]
    return [(name, str(value)) for name, value in facts if value not in (None, "")]


def _listing(values: dict[str, Any], joint: str = " = ") -> str:
    return ", ".join(f"{key}{joint}{value}" for key, value in values.items())


def _yes_no(value: object) -> str | None:
    return None if value is None else "yes, fine-tuned" if value else "no, frozen"
