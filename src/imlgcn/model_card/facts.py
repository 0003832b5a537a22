"""The facts of a model card: numbers beside the control's, labels, data, limits.

Letters: L labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from imlgcn.model_card.sources import OPENCLIPART
from imlgcn.model_card.text import plain
from imlgcn.numbers import MISSING, first_of, number, plural
from imlgcn.tagger import Tagger
from imlgcn.tagger.scores_sample import OUT_OF_FOLD

MOST_LABELS = 200  # rows of the table
FEW = 10  # held-out images with a label, below which its numbers say little
MEASURES = (
    ("mAP", "mAP %", "how well each label ranks images, averaged over labels"),
    ("OF1", "F1 % of all tags (OF1)", "of all tags of all images together"),
    ("CF1_per_label", "F1 % of a label (macro)", "averaged over labels, rare ones count alike"),
    ("OP", "precision % of all tags", "how many tags are right"),
    ("OR", "recall % of all tags", "how many labels are found"),
    ("ECE", "calibration error %", "how far probabilities are from frequencies; 0 is best"),
)


class Measure(NamedTuple):
    """A row of the table of results."""

    name: str
    value: str
    control: str
    meaning: str


class LabelFacts(NamedTuple):
    """A row of the table of labels."""

    label: str
    learnt: str
    AP: str
    precision: str
    recall: str
    threshold: str


def measures(metrics: Mapping[str, Any]) -> list[Measure]:
    """Return the results, each beside the control's."""
    control = metrics.get("control") or {}
    return [
        Measure(name, number(metrics[key], 2), number(control.get(key), 2), meaning)
        for key, name, meaning in MEASURES
        if metrics.get(key) is not None
    ]


def evaluated_on(metrics: Mapping[str, Any]) -> str:
    """Return what the numbers were measured on."""
    images = plural(int(metrics.get("num_images") or 0), "image")
    split = metrics.get("split")
    kinds = {
        "test": "of the test split",
        "val": "of the validation split",
        OUT_OF_FOLD: "of train and val, each scored by a head that had not learnt it",
    }
    return f"{images} {kinds.get(str(split), '')}".strip()


def shown_labels(tagger: Tagger) -> list[int]:
    """Return the positions of the labels that are given out, most frequent first."""
    shown = [number for number, row in enumerate(tagger.label_table.rows) if row.show]
    counts = occurrences(tagger)
    return sorted(shown, key=lambda at: -counts.get(tagger.labels[at], 0))


def occurrences(tagger: Tagger) -> dict[str, int]:
    """Return how many images of each label were learnt from; empty where that is not kept."""
    context = tagger.folder.context
    if context is None or not context.num_images:
        return {}
    return dict(zip(tagger.labels, map(int, context.occurrences), strict=True))


def label_facts(tagger: Tagger, metrics: Mapping[str, Any]) -> list[LabelFacts]:
    """Return a row for each label that is given out, most frequent first, at most 200."""
    counts, measured = occurrences(tagger), metrics.get("per_label") or {}
    rows = []
    for at in shown_labels(tagger)[:MOST_LABELS]:
        label = tagger.labels[at]
        found: Mapping[str, Any] = measured.get(label) or {}
        rows.append(
            LabelFacts(
                plain(tagger.label_table.name_of(label)),
                number(counts.get(label), 0),
                number(found.get("AP")),
                number(found.get("precision")),
                number(found.get("recall")),
                number(float(tagger.thresholds[at]), 3),
            )
        )
    return rows


def data_sentences(tagger: Tagger, name: str) -> list[str]:
    """Return what the tagger learnt from, a sentence each."""
    found = [f"Data: {name}."]
    context, counts = tagger.folder.context, occurrences(tagger)
    if context is None or not counts:
        return [*found, "How many images it learnt from is not known."]
    total = sum(counts.values())
    found.append(
        f"It learnt from {plural(context.num_images, 'image')} with {plural(total, 'label')}: "
        f"{number(total / context.num_images, 2)} on each, on average."
    )
    order = sorted(counts, key=lambda label: -counts[label])
    if len(order) > 1:
        most, least = order[0], order[-1]
        found.append(
            f"The most frequent label is {plain(most)} ({plural(counts[most], 'image')}), the "
            f"rarest {plain(least)} ({plural(counts[least], 'image')})."
        )
    if context.known_pairs is not None:
        found.append("Not every label was known of every image; what was unknown was not learnt.")
    return found


def threshold_sentence(tagger: Tagger) -> str:
    """Return how thresholds were chosen."""
    calibration = tagger.info.calibration
    if tagger.info.origin:
        return f"The threshold of every label is {plain(calibration.operating_point)}."
    point = plain(calibration.operating_point)
    own = sum(row.threshold is not None for row in tagger.label_table.rows)
    text = (
        f"A label is given where its calibrated probability reaches its threshold; thresholds were "
        f"fitted for the operating point {point} on images that the scoring head had not learnt."
    )
    return text + (f" {plural(own, 'threshold')} were set by hand." if own else "")


def limits(tagger: Tagger, metrics: Mapping[str, Any]) -> list[str]:
    """Return what the tagger is for, and what not, a sentence each."""
    found = [
        "For images like those it learnt from: to sort and find them, and to suggest tags that a "
        "person looks at.",
        "It knows the labels above and no other; an image without a tag may show anything.",
        "What is missing or wrong in the labels that it learnt is in its tags, too.",
    ]
    if tagger.folder.config.get("data") == OPENCLIPART:
        found.append("It learnt drawings: how it does on photographs is not known.")
    measured = metrics.get("per_label") or {}
    few = [plain(name) for name, row in measured.items() if 0 < (row.get("positives") or 0) < FEW]
    if few:
        found.append(
            f"{plural(len(few), 'label')} had fewer than {FEW} images in the evaluation, so their "
            f"numbers are uncertain: {first_of(few, 8)}."
        )
    found.append("Nothing that concerns a person should rest on a tag alone.")
    return found


def contents(tagger: Tagger, *, with_support: bool) -> list[str]:
    """Return what of the tagger is published, and what of its images, a sentence each."""
    found = ["Data only: safetensors, JSON, YAML, CSV and ONNX; no code, no pickle."]
    if with_support:
        found[0] = "Data only: safetensors, JSON, YAML, CSV, ONNX and Parquet; no code, no pickle."
        found.append(
            "With the names of the images that it learnt and was evaluated on, their features, and "
            "small pictures of some where the tagger had kept them."
        )
    else:
        found.append("No images, and no names or hashes of images.")
    kept = tagger.info.head.options.get("support")
    if isinstance(kept, int):
        found.append(
            f"The head compares an image with {plural(kept, 'training image')}: their features "
            "(numbers) are in its weights. Whoever has such an image can tell that it was learnt."
        )
    return found


def value_of(metrics: Mapping[str, Any], key: str) -> float | None:
    """Return a number of the metrics, rounded as it is printed; None where there is none."""
    value = metrics.get(key)
    return None if value is None or number(value) == MISSING else round(float(value), 2)
