"""All that a change of labels touches: read from a tagger folder, written back in one go.

Shapes: N images the head was fitted on, Q images that were added, H labels of the head, A added
ones, L labels of the tagger.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imlgcn.config import InputError, unknown_name
from imlgcn.data.label_table_file import write_label_table
from imlgcn.evaluation import fit_label_calibration
from imlgcn.files import sha256_file, write_atomic
from imlgcn.growing.history import keep_state
from imlgcn.labels.context import LabelContext
from imlgcn.labels.label_table import LabelTable
from imlgcn.tagger import Tagger, TaggerInfo, load_classifier
from imlgcn.tagger.folder import LABEL_TABLE, MODEL, SCORES, SUPPORT, WEIGHTS
from imlgcn.tagger.info import Growth
from imlgcn.tagger.network import save_weights, trained_context
from imlgcn.tagger.scores import OUT_OF_FOLD, ScoredSplit, write_predictions
from imlgcn.tagger.support import Support, write_support

if TYPE_CHECKING:
    from imlgcn.models.classifier import MultiLabelClassifier
    from imlgcn.models.grown import AddedLabels
    from imlgcn.models.scorer import Scorer


@dataclass(frozen=True, eq=False)
class State:
    """A tagger whose labels change.

    Attributes:
        path: its folder.
        info: ``model.json``, always with `growth`.
        classifier: the network.
        head: its head, as it was trained.
        added: the labels that were added; None: there are none.
        context: counts of the tagger's labels.
        trained: the context the head was trained with.
        splits: the stored scores, all of the tagger's labels; empty where there are none.
        support: the images, N and then Q; None where they are not kept.
        table: the label table.
    """

    path: Path
    info: TaggerInfo
    classifier: MultiLabelClassifier
    head: Scorer
    added: AddedLabels | None
    context: LabelContext
    trained: LabelContext
    splits: tuple[ScoredSplit, ...]
    support: Support | None
    table: LabelTable

    @property
    def growth(self) -> Growth:
        """How the labels come from the scores."""
        assert self.info.growth is not None
        return self.info.growth

    @property
    def fitted(self) -> int:
        """N."""
        return self.growth.fitted

    def place(self, label: str) -> int:
        """Return the number of a label.

        Raises:
            InputError: the tagger has no such label.
        """
        if label not in self.info.labels:
            raise unknown_name("label", label, self.info.labels)
        return self.info.labels.index(label)


def read_state(tagger: str | Path) -> State:
    """Read a tagger folder.

    Raises:
        InputError: an exported file, or no tagger, or a damaged one.
    """
    from imlgcn.models.grown import GrownHead

    path = Path(tagger)
    if path.is_file():
        raise InputError(
            f"{path} is an exported file, and its labels are fixed; give the tagger folder it was "
            "exported from"
        )
    opened = Tagger.load(path)
    info, folder = opened.info, opened.folder
    classifier, context = load_classifier(path, info)
    grown = classifier.head if isinstance(classifier.head, GrownHead) else None
    support = folder.support()
    if info.growth is None:
        calibration = info.calibration
        growth = Growth(
            head_labels=info.labels,
            fitted=0 if support is None else len(support.images),
            outputs=[[label] for label in range(len(info.labels))],
            slope=calibration.slope,
            intercept=calibration.intercept,
        )
        info = info.model_copy(update={"growth": growth})
    if info.known is not None and info.known.by == "head":  # its input is for its own labels
        info = info.model_copy(update={"known": info.known.model_copy(update={"by": "counts"})})
    return State(
        path=path,
        info=info,
        classifier=classifier,
        head=classifier.head if grown is None else grown.head,
        added=None if grown is None else grown.added,
        context=context,
        trained=context if opened.info.growth is None else trained_context(path, info),
        splits=tuple(folder.scores.splits()),
        support=support,
        table=folder.label_table,
    )


def write_state(state: State, what: str | None) -> Tagger:
    """Write a changed tagger; the state before ``what`` is kept (None: it is not). Return it.

    Exported files no longer fit: they are set aside with that state.
    """
    from imlgcn.models import MultiLabelClassifier
    from imlgcn.models.grown import GrownHead, platt

    path = state.path
    exported = [name for name in state.info.sha256 if name != WEIGHTS]
    if what is not None:
        keep_state(path, what, (MODEL, WEIGHTS, SCORES, SUPPORT, LABEL_TABLE, *exported))
    growth = state.growth
    head = GrownHead(
        state.head, state.added, growth.outputs, *platt(growth.slope, growth.intercept)
    )
    classifier = MultiLabelClassifier(state.classifier.backbone, head)
    save_weights(path, classifier, state.context, state.trained)
    if state.splits:
        write_predictions(path / SCORES, state.info.labels, state.splits)
    if (path / LABEL_TABLE).is_file() or not state.table.is_default:
        write_label_table(path / LABEL_TABLE, state.table)
    if state.support is not None:
        write_support(path / SUPPORT, state.support)
    info = state.info.model_copy(update={"sha256": {WEIGHTS: sha256_file(path / WEIGHTS)}})
    write_atomic(path / MODEL, info.model_dump_json(indent=1) + "\n")
    for name in exported:
        (path / name).unlink(missing_ok=True)
    return Tagger(path, info)


def pick_labels(state: State, names: list[str], columns: list[list[int]]) -> State:
    """Return the state with labels made of the present ones: each the largest of ``columns``.

    One column: the label as it is. Several: a merged label, whose targets are present where one of
    them is, and which is calibrated anew.
    """
    growth = state.growth
    outputs = [sorted({o for c in group for o in growth.outputs[c]}) for group in columns]
    single = [len(scores) == 1 for scores in growth.outputs]  # of a merged label: calibrated
    first = [scores[0] for scores in growth.outputs]
    slope = np.where(single, np.array(growth.slope)[first], 1.0)
    intercept = np.where(single, np.array(growth.intercept)[first], 0.0)
    splits = tuple(
        replace(
            part,
            logits=_merge(part.logits, columns, slope, intercept),
            probabilities=np.stack([part.probabilities[:, g].max(1) for g in columns], 1),
            targets=merge_targets(part.targets, columns),
            control=None
            if part.control is None
            else np.stack([part.control[:, g].max(1) for g in columns], 1),
        )
        for part in state.splits
    )
    support = state.support
    if support is not None:
        targets = merge_targets(support.targets, columns)
        support = replace(support, labels=tuple(names), targets=targets)
    info = state.info.model_copy(
        update={
            "labels": names,
            "growth": growth.model_copy(update={"outputs": outputs}),
            "calibration": _calibration(state.info, columns),
        }
    )
    context = _context(state.context, names, columns, support, state.fitted)
    changed = replace(state, info=info, splits=splits, support=support, context=context)
    merged = [label for label, group in enumerate(columns) if len(group) > 1]
    return recalibrate(changed, merged) if merged else changed


def recalibrate(state: State, labels: list[int]) -> State:
    """Return the state with some labels calibrated on their stored scores, where there are any."""
    held = [part for part in state.splits if part.folds is not None]
    held = held or [part for part in state.splits if part.split == "val"]
    if not held:
        return state
    logits = np.concatenate([part.logits for part in held])
    targets = np.concatenate([part.targets for part in held])
    folds = [part.folds for part in held if part.folds is not None]
    old = state.info.calibration
    new = fit_label_calibration(
        logits[:, labels],
        targets[:, labels],
        old.operating_point,
        folds=np.concatenate(folds) if folds else None,
    )
    values = {
        name: _replaced(getattr(old, name), labels, getattr(new, name))
        for name in ("slope", "intercept", "threshold", "positives")
    }
    calibration = old.model_copy(update=values)
    splits = tuple(
        replace(part, probabilities=calibration.platt.apply(part.logits)) for part in state.splits
    )
    info = state.info.model_copy(update={"calibration": calibration})
    return replace(state, info=info, splits=splits)


def merge_targets(targets: NDArray[np.int8], columns: list[list[int]]) -> NDArray[np.int8]:
    """Return targets of merged labels: present where one is, absent where all are, else unknown.

    >>> merge_targets(np.array([[1, -1, 0], [0, -1, 0]], np.int8), [[0, 1], [2]]).tolist()
    [[1, 0], [-1, 0]]
    """
    found = []
    for group in columns:
        part = targets[:, group]
        absent = np.where((part == 0).all(1), 0, -1)
        found.append(np.where((part == 1).any(1), 1, absent))
    return np.stack(found, 1).astype(np.int8)


def _merge(
    logits: NDArray[np.float32],
    columns: list[list[int]],
    slope: NDArray[np.float64],
    intercept: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Return logits as `GrownHead` makes them: of a merged label the largest calibrated one."""
    alike = logits * slope + intercept
    rows = [logits[:, g[0]] if len(g) == 1 else alike[:, g].max(1) for g in columns]
    return np.stack(rows, 1).astype(np.float32)


def _calibration(info: TaggerInfo, columns: list[list[int]]) -> object:
    """Return the calibration of each label; of a merged one its score is calibrated already."""
    old = info.calibration
    single = [len(group) == 1 for group in columns]
    first = [group[0] for group in columns]
    return old.model_copy(
        update={
            "slope": [old.slope[c] if one else 1.0 for c, one in zip(first, single, strict=True)],
            "intercept": [
                old.intercept[c] if one else 0.0 for c, one in zip(first, single, strict=True)
            ],
            "threshold": [min(old.threshold[c] for c in group) for group in columns],
            "positives": [max(old.positives[c] for c in group) for group in columns],
        }
    )


def _context(
    old: LabelContext,
    names: list[str],
    columns: list[list[int]],
    support: Support | None,
    fitted: int,
) -> LabelContext:
    """Return the counts of the labels; of merged ones counted anew where targets are kept.

    Else they are the largest they can be: the sums, and at most what the label itself has.
    """
    if all(len(group) == 1 for group in columns):
        first = [group[0] for group in columns]
        kept = old.reordered([old.names[c] for c in first])
        return replace(kept, names=tuple(names))
    if support is not None:
        return LabelContext.from_targets(names, support.targets[:fitted])
    member = np.zeros((len(columns), len(old.names)), np.int64)
    for row, group in enumerate(columns):
        member[row, group] = 1
    pairs = member @ old.pair_counts @ member.T
    counts = np.minimum(member @ old.occurrences, old.num_images)
    pairs = np.minimum(pairs, np.minimum(counts[:, None], counts))
    np.fill_diagonal(pairs, counts)
    return LabelContext(tuple(names), pairs, counts, old.num_images)


def _replaced(values: list[float], places: list[int], new: list[float]) -> list[float]:
    found = list(values)
    for place, value in zip(places, new, strict=True):
        found[place] = value
    return found


__all__ = [
    "OUT_OF_FOLD",
    "State",
    "merge_targets",
    "pick_labels",
    "read_state",
    "recalibrate",
    "write_state",
]
