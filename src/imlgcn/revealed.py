"""What known labels are worth: the scores of the rest before and after some are revealed.

Revealed entries count as unknown in every number here. mAP ranks images, so it is that of the
update's logits; calibration errors are those of its probabilities (`imlgcn.metrics.known_labels`
keeps the two apart). Letters: D draws, B resamples, N images, L labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.metrics.calibration import expected_calibration_error, log_loss_per_image, sigmoid
from imlgcn.metrics.intervals import interval, number_of_samples, resample, resampled_map
from imlgcn.metrics.known_calibration import KnownCalibration, number_known
from imlgcn.metrics.known_labels import Reveal, fit_by_number, parse_reveal
from imlgcn.metrics.ranking import mean_average_precision
from imlgcn.numbers import number
from imlgcn.progress import SILENT, Progress
from imlgcn.tagger import Tagger
from imlgcn.tagger.scores import ScoredSplit

Floats = NDArray[np.float64]
Known = NDArray[np.int8]

DRAWS = 10  # of what is revealed
DRAWS_BY_HEAD = 3  # each scores every image again
MOST_SAMPLES = 300  # of the bootstrap, for each draw
CONTROL = "knows only how many tags were revealed"


class Update(NamedTuple):
    """The scores of one draw: known entries ``(N, L)``, and the rest after the update."""

    known: Known
    ranking: Floats  # (N, L), logits that order the images
    probabilities: Floats  # (N, L)


def evaluate_revealed(
    tagger: Tagger,
    scored: ScoredSplit,
    images: Mapping[str, Path],
    reveal: str,
    *,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Return what is gained by labels revealed at random, ready for JSON; numbers in percent.

    ``gain`` has the difference of mAP to the head alone with its interval (95 %, bootstrap over
    images, means over draws), ``control`` the same for scores that know only how many tags were
    revealed, ``first_suggestion`` how often the highest label that is not revealed is true, on
    images with two labels or more. None: undefined on these images.

    Args:
        scored: the images' logits and targets.
        images: name in ``scored`` -> image file; used only where the head takes known labels.
        reveal: ``1``, a number of true labels of each image, or ``25%``, of all values.

    Raises:
        InputError: another ``reveal``, or a tagger that cannot use known labels.
    """
    wanted = parse_reveal(reveal)
    logits = tagger.calibration.logits(scored.logits)
    by_head = tagger.known_by == "head"
    draws = [
        wanted.draw(scored.targets, np.random.default_rng(seed))
        for seed in range(DRAWS_BY_HEAD if by_head else DRAWS)
    ]
    if by_head:
        updates = _by_head(tagger, [images[name] for name in scored.images], draws)
    else:
        updates = [_by_counts(tagger, logits, known) for known in draws]
    before = [Update(known, logits, sigmoid(logits)) for known in draws]
    control = [_control(update, scored.targets) for update in before]
    return {
        "reveal": _text(wanted),
        "by": tagger.known_by,
        "draws": len(draws),
        "num_images": len(scored.targets),
        "revealed_per_image": float(np.mean([(known >= 0).sum(axis=1) for known in draws])),
        "before": _numbers(before, scored.targets),
        "after": _numbers(updates, scored.targets),
        "control": {"what": CONTROL, **_numbers(control, scored.targets)},
        **_gains(before, {"gain": updates, "control_gain": control}, scored.targets, progress),
    }


def _text(reveal: Reveal) -> str:
    if reveal.tags:
        return str(reveal.tags)
    share = number(100 * reveal.fraction, 2).rstrip("0").rstrip(".")
    return share + "%"


def _by_counts(tagger: Tagger, logits: Floats, known: Known) -> Update:
    update = tagger.known_update
    ranking = update.labels.update(logits, known)
    return Update(known, ranking, update.calibration.apply(ranking, known))


def _by_head(tagger: Tagger, paths: list[Path], draws: list[Known]) -> list[Update]:
    """Score each image once for every draw."""
    rows = np.stack(draws)  # (D, N, L)
    found = np.empty(rows.shape)
    for index, path in enumerate(paths):
        pixels = np.repeat(tagger.load_input(path)[None], len(draws), axis=0)
        found[:, index] = tagger.engine.logits(pixels, np.ascontiguousarray(rows[:, index]))
    logits = tagger.calibration.logits(found)
    return [Update(known, part, sigmoid(part)) for known, part in zip(draws, logits, strict=True)]


def _control(update: Update, targets: NDArray[np.int8]) -> Update:
    """Return scores by the number of revealed tags alone.

    Fitted on the very images it is measured on, eight numbers: the control may be too good, and
    never too bad.
    """
    known, logits = update.known, update.ranking
    pair = fit_by_number(logits, _hidden(known, targets), *number_known(known))
    calibration = KnownCalibration(*pair)
    return Update(known, calibration.logits(logits, known), calibration.apply(logits, known))


def _hidden(known: Known, targets: NDArray[np.int8]) -> NDArray[np.int8]:
    return np.where(known >= 0, -1, targets).astype(np.int8)


def _numbers(updates: list[Update], targets: NDArray[np.int8]) -> dict[str, float | None]:
    """Return the means over draws."""

    def mean(measure: Callable[[Update, NDArray[np.int8]], float], factor: float) -> float | None:
        values = [measure(update, _hidden(update.known, targets)) for update in updates]
        return None if np.isnan(values).any() else factor * float(np.mean(values))

    return {
        "mAP": mean(lambda update, rest: mean_average_precision(update.ranking, rest)[0], 100),
        "first_suggestion": mean(lambda u, rest: _first_suggestion(u.ranking, rest, targets), 100),
        "ECE": mean(lambda u, rest: expected_calibration_error(u.probabilities, rest), 100),
        "log_loss": mean(lambda u, rest: log_loss_per_image(u.probabilities, rest), 1),
    }


def _first_suggestion(ranking: Floats, rest: NDArray[np.int8], targets: NDArray[np.int8]) -> float:
    rows = ((targets == 1).sum(axis=1) >= 2) & (rest >= 0).any(axis=1)
    if not rows.any():
        return float("nan")
    first = np.where(rest >= 0, ranking, -np.inf)[rows].argmax(axis=1)
    return float((rest[rows][np.arange(len(first)), first] == 1).mean())


def _gains(
    before: list[Update],
    after: Mapping[str, list[Update]],
    targets: NDArray[np.int8],
    progress: Progress,
) -> dict[str, Any]:
    """Return the differences of mAP with their intervals: the same resamples for all."""
    samples = min(number_of_samples(targets), MOST_SAMPLES)
    drawn = resample(np.arange(len(targets)), samples)
    whole = np.ones((1, len(targets)), np.float32)
    totals = {name: np.zeros(1 + samples) for name in after}
    with progress.bar("bootstrap", len(before), "draws") as advance:
        for index, update in enumerate(before):
            rest = _hidden(update.known, targets)
            weights = np.concatenate([whole, drawn])
            base = resampled_map(update.ranking, rest, weights)
            for name, updates in after.items():
                totals[name] += resampled_map(updates[index].ranking, rest, weights) - base
            advance(1)
    found = {}
    for name, total in totals.items():
        difference = 100 * total / len(before)
        low, high = interval(difference[1:])
        values = {"mAP": float(difference[0]), "low": low, "high": high}
        finite = {key: value if np.isfinite(value) else None for key, value in values.items()}
        found[name] = {**finite, "interval": "95 %, bootstrap over images"}
    return found
