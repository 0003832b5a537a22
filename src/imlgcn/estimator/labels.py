"""The forms of ``y`` in scikit-learn, as targets of this package, and back.

Letters: N images, L labels.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from imlgcn.data.dataset import ABSENT, PRESENT, UNKNOWN
from imlgcn.errors import InputError
from imlgcn.numbers import plural

Kind = Literal["classes", "columns", "lists"]
WANTED = "expected y as an indicator (N, L) of 1 present, 0 absent and -1 or NaN unknown"


@dataclass(frozen=True, eq=False)
class Labelling:
    """The form of ``y``, and its labels.

    Attributes:
        kind: ``classes``: one class for each image, ``(N,)``; ``columns``: an indicator ``(N, L)``;
            ``lists``: the labels of each image.
        classes: the labels ``(L,)`` as ``y`` has them, in the order of every array.
    """

    kind: Kind
    classes: NDArray[Any]

    @property
    def names(self) -> list[str]:
        """The labels as a tagger has them: text.

        Raises:
            InputError: two are the same as text, or one is empty.
        """
        names = [str(label) for label in self.classes]
        if len(set(names)) < len(names) or not all(name.strip() for name in names):
            raise InputError("the labels of y have to differ as text, and none may be empty")
        return names

    def targets(self, y: Any) -> NDArray[np.int8]:
        """Return ``y`` of this form as targets ``(N, L)``: 1 present, 0 absent, -1 unknown.

        Raises:
            InputError: it has another form, or other labels.
        """
        if self.kind == "columns":
            return _indicator(y, len(self.classes))
        rows = [[label] for label in _flat(y)] if self.kind == "classes" else _lists(y)
        column = {label: index for index, label in enumerate(self.classes.tolist())}
        targets = np.zeros((len(rows), len(column)), np.int8)
        for row, labels in enumerate(rows):
            for label in labels:
                if label not in column:
                    raise InputError(f"y, row {row}: {label!r} is none of the labels of fit")
                targets[row, column[label]] = PRESENT
        return targets

    def right(self, y: Any, predicted: Any) -> NDArray[np.bool_]:
        """Return which images have all labels right ``(N,)``; what is unknown is not asked.

        A label that ``fit`` has not seen is wrong.
        """
        if self.kind == "classes":
            return np.asarray(_flat(y) == predicted)
        if self.kind == "columns":
            targets = self.targets(y)
            return np.asarray(((targets == predicted) | (targets == UNKNOWN)).all(axis=1))
        pairs = zip(_lists(y), predicted, strict=True)
        return np.array([set(true) == set(given) for true, given in pairs], bool)

    def labels(self, chosen: NDArray[np.bool_]) -> Any:
        """Return an indicator ``(N, L)`` in the form of ``y``; of classes each row has one."""
        if self.kind == "columns":
            return chosen.astype(np.int64)
        if self.kind == "classes":
            return self.classes[chosen.argmax(axis=1)]
        return [self.classes[row].tolist() for row in chosen]


def labelling_of(y: Any, labels: Sequence[Any] | None = None) -> Labelling:
    """Return the form of ``y``; ``labels`` name its columns, or say which ones lists may have.

    Raises:
        InputError: ``y`` has none of the forms, or not those labels.
    """
    if y is None:
        raise InputError("TaggerClassifier requires y to be passed, but the target y is None")
    y = y if hasattr(y, "__iter__") else np.asarray(y)
    if _has_lists(y):
        return Labelling("lists", _array(_sorted(_lists(y)) if labels is None else labels))
    if getattr(y, "ndim", np.ndim(y)) == 2 and (hasattr(y, "columns") or y_width(y) > 1):
        width = y_width(y)
        names = list(getattr(y, "columns", range(width))) if labels is None else list(labels)
        if len(names) != width:
            raise InputError(
                f"the parameter labels has {plural(len(names), 'name')} for {width} columns of y"
            )
        return Labelling("columns", _array(names))
    from sklearn.utils.multiclass import check_classification_targets

    flat = _flat(y)
    check_classification_targets(flat)
    classes = np.unique(flat)
    if len(classes) < 2:
        raise InputError(
            f"y has a single class, {classes.tolist()[0]!r}: there is nothing to tell apart"
        )
    if labels is not None:
        raise InputError(
            "the parameter labels is for y of several columns or lists; y here has one class a row"
        )
    return Labelling("classes", classes)


def y_width(y: Any) -> int:
    """Return how many columns ``y`` of two dimensions has."""
    return int(y.shape[1] if hasattr(y, "shape") else np.shape(y)[1])


def _sorted(rows: Sequence[Sequence[Any]]) -> list[Any]:
    try:
        return sorted({label for row in rows for label in row})
    except TypeError:
        raise InputError("the labels of y are of several types: make all of them text") from None


def _array(labels: Sequence[Any]) -> NDArray[Any]:
    """Return labels as an array; those of several types keep them."""
    kinds = {type(label) for label in labels}
    return np.array(labels) if len(kinds) == 1 else np.array(labels, dtype=object)


def _has_lists(y: Any) -> bool:
    """Return whether each image has a list of labels: not numbers, which are an indicator."""
    if hasattr(y, "columns") or hasattr(y, "toarray") or getattr(y, "ndim", 1) != 1:
        return False
    rows = list(y)
    if not rows or not all(isinstance(row, list | tuple | set | frozenset) for row in rows):
        return False
    numbers = all(isinstance(label, int | float | np.number) for row in rows for label in row)
    same = len({len(row) for row in rows}) == 1
    return not (numbers and same)


def _lists(y: Any) -> list[list[Any]]:
    if not all(isinstance(row, list | tuple | set | frozenset) for row in y):
        raise InputError("expected y as in fit: a list of labels for each image")
    return [list(row) for row in y]


def _flat(y: Any) -> NDArray[Any]:
    """Return one class for each image ``(N,)``; a single column is one, with a warning."""
    from sklearn.utils import column_or_1d

    values = column_or_1d(y, warn=True)
    numbers = values.dtype.kind == "f" or values.dtype == object
    if numbers and not all(value == value and value is not None for value in values.tolist()):
        raise InputError("y contains NaN: of one class for each image none may be unknown")
    if values.dtype.kind == "f" and np.isinf(values).any():
        raise InputError("y contains infinity")
    return np.asarray(values)


def _indicator(y: Any, width: int) -> NDArray[np.int8]:
    """Return an indicator with its unknown targets, -1, NaN or None, as targets ``(N, L)``."""
    values = y.toarray() if hasattr(y, "toarray") else np.asarray(y, dtype=object)
    if values.ndim != 2 or values.shape[1] != width:
        raise InputError(f"expected y of shape (N, {width}); got {values.shape}")
    nothing = getattr(sys.modules.get("pandas"), "NA", None)  # who has it has imported pandas
    missing = np.array([v is None or v is nothing or v != v for v in values.flat], bool)
    missing = missing.reshape(values.shape)
    try:
        known = np.where(missing, UNKNOWN, values).astype(np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{WANTED}; got text or other objects") from None
    if wrong := sorted(set(np.unique(known).tolist()) - {ABSENT, PRESENT, UNKNOWN}):
        raise InputError(f"{WANTED}; got {wrong[0]:g}")
    minus = ((known == UNKNOWN) & ~missing).any()
    if minus and (known == PRESENT).any() and not (known == ABSENT).any():
        raise InputError(
            "y holds 1 and -1 and no 0, so -1 may mean absent: write absent as 0, unknown as NaN"
        )
    return known.astype(np.int8)
