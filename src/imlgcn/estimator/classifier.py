"""`TaggerClassifier`: what scikit-learn asks of a classifier, by :func:`imlgcn.train`.

Letters: N images, L labels, H height, W width.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from imlgcn.config import AUTO
from imlgcn.data.dataset import PRESENT, UNKNOWN
from imlgcn.data.formats.base import Record
from imlgcn.data.image_input import ImageLike
from imlgcn.data.image_store import image_file
from imlgcn.errors import InputError
from imlgcn.estimator.images import images_of
from imlgcn.estimator.kept import KeptTagger
from imlgcn.estimator.labels import labelling_of
from imlgcn.extras import require
from imlgcn.growing.tagger import Tagger
from imlgcn.numbers import first_of, plural
from imlgcn.pipeline import train
from imlgcn.progress import SILENT, TerminalProgress
from imlgcn.tagger import Tagger as FixedTagger


class TaggerClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # no types there
    """A tagger as a classifier of scikit-learn, for images with several labels or with one class.

    >>> from sklearn.model_selection import cross_val_score  # doctest: +SKIP
    >>> classifier = TaggerClassifier(head="linear")  # doctest: +SKIP
    >>> cross_val_score(classifier, paths, Y, scoring="average_precision")  # doctest: +SKIP

    Args:
        head, backbone, weights, size, fine_tune, threshold, epochs, seed, device: as for
            :func:`imlgcn.train`; None is its default.
        settings: its other settings, ``{"head_training": {"weight_decay": 0.5}}``.
        labels: names of the columns of ``y``, or the labels that lists may have. None: the names of
            a DataFrame's columns, the numbers of an array's, all labels that lists have.
        folder: where ``fit`` writes the tagger; an earlier one there is replaced. None: a temporary
            folder that ends with the estimator. For searches, which fit often, leave it None.
        export: write the exported file, too, which tags faster and takes seconds to make.
        threads: of PyTorch in ``fit`` and ``predict``; None takes all.
        verbose: print what ``train`` prints.

    ``X`` is a list, Series or array ``(N,)`` of paths, PIL images or arrays, an array ``(N, H, W,
    C)`` of uint8 or floats from 0 to 1, or a table with one column of paths. ``y`` is one of

    - an indicator ``(N, L)``, array, sparse matrix or DataFrame: 1 present, 0 absent, -1 or NaN
      unknown, which nothing is learnt from;
    - a list of labels for each image: those that are not in it are absent;
    - one class for each image ``(N,)``: then the most probable class is predicted, and a row of
      probabilities sums to 1.

    Attributes:
        classes_: the labels ``(L,)`` in the order of all columns: as in ``y``, those of lists and
            of classes sorted.
        tagger_: the :class:`imlgcn.Tagger`, in ``tagger_.path``: to explain, export or serve. It
            knows its labels as text, and lacks those that no image of ``y`` shows.

    ``n_features_in_`` does not exist: images have no number of features, and may differ in size.
    All images of ``fit`` are learnt; calibration and thresholds come from folds among them.
    """

    def __init__(
        self,
        head: str = AUTO,
        backbone: str = "efficientnet_lite0",
        *,
        weights: str | None = None,
        size: int | None = None,
        fine_tune: bool = False,
        threshold: str = "f1",
        epochs: int | None = None,
        seed: int = 0,
        device: str = "auto",
        settings: Mapping[str, Any] | None = None,
        labels: Sequence[Any] | None = None,
        folder: str | Path | None = None,
        export: bool = False,
        threads: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.head = head
        self.backbone = backbone
        self.weights = weights
        self.size = size
        self.fine_tune = fine_tune
        self.threshold = threshold
        self.epochs = epochs
        self.seed = seed
        self.device = device
        self.settings = settings
        self.labels = labels
        self.folder = folder
        self.export = export
        self.threads = threads
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> Self:
        """Train a tagger on all images of ``X``; return the estimator.

        A label that no image of ``y`` shows gets the probability 0, with a warning; so are images
        reported that cannot be read, and left out.

        Raises:
            InputError: ``X`` or ``y`` has no form that is accepted, there are too few images, or a
                parameter has a value that ``train`` refuses.
        """
        require("torch", "fitting a TaggerClassifier")
        images = self._images(X)
        if y is not None and len(images) < 2:
            raise InputError(f"found {plural(len(images), 'sample')}: give two images at least")
        labelling = labelling_of(y, self.labels)
        targets = labelling.targets(y)
        check_consistent_length(images, targets)
        kept = KeptTagger(self.folder)
        with self._threads():
            tagger = train(
                records_of(images, targets, labelling.names),
                kept.path,
                label_names=labelling.names,
                replace=self.folder is not None,
                export=self.export,
                force=True,  # y says what the labels are
                progress=TerminalProgress() if self.verbose else SILENT,
                **self._settings(),
            )
        _warn(tagger, labelling.names)
        self._kept, self._labelling = kept, labelling
        self.classes_ = labelling.classes
        return self

    @property
    def tagger_(self) -> Tagger:
        """The trained tagger."""
        check_is_fitted(self, "classes_")
        return self._kept.tagger

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the calibrated probability of every label ``(N, L)``, in the order of `classes_`.

        Where ``y`` had one class for each image, rows are divided by their sums.

        Raises:
            ImageError: an image cannot be read.
        """
        check_is_fitted(self, "classes_")
        found = self._all_columns(self._scores(X))
        if self._labelling.kind == "classes":
            sums = found.sum(axis=1, keepdims=True)
            found = np.divide(
                found, sums, out=np.full_like(found, 1 / found.shape[1]), where=sums > 0
            )
        return found

    def predict(self, X: Any) -> Any:
        """Return the labels of each image in the form that ``y`` had in ``fit``.

        That is an indicator ``(N, L)`` of the labels at or above the tagger's thresholds, or these
        as lists; or the most probable class of each image ``(N,)``.

        Raises:
            ImageError: an image cannot be read.
        """
        check_is_fitted(self, "classes_")
        if self._labelling.kind == "classes":
            return self.classes_[self.predict_proba(X).argmax(axis=1)]
        tagger = self.tagger_
        column = {name: index for index, name in enumerate(tagger.labels)}
        scores = self._scores(X)
        chosen = np.zeros(scores.shape, np.bool_)
        for row, each in enumerate(scores):
            chosen[row, [column[tag.label] for tag in tagger.tags(each)]] = True
        return self._labelling.labels(self._all_columns(chosen))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy of scikit-learn: the fraction of images with all labels right.

        Unknown targets of ``y`` are not compared. For the mean average precision, use
        ``scoring="average_precision"``.
        """
        check_is_fitted(self, "classes_")
        right = self._labelling.right(y, self.predict(X))
        return float(np.average(right, weights=sample_weight))

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn may give: images and labels, not rows of numbers."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = tags.input_tags.string = True
        tags.target_tags.two_d_labels = tags.classifier_tags.multi_label = True
        return tags

    def _images(self, X: Any) -> list[ImageLike]:
        return images_of(X)

    def _scores(self, X: Any) -> NDArray[np.float64]:
        """Return the tagger's probabilities, in the order of its own labels."""
        with self._threads():
            return self.tagger_.predict_proba(self._images(X))

    def _all_columns(self, found: NDArray[Any]) -> NDArray[Any]:
        """Return columns of the tagger's labels as columns of `classes_`; 0 for the others."""
        column = {name: index for index, name in enumerate(self._labelling.names)}
        whole = np.zeros((len(found), len(column)), found.dtype)
        whole[:, [column[name] for name in self.tagger_.labels]] = found
        return whole

    def _settings(self) -> dict[str, Any]:
        names = ("head", "backbone", "weights", "size", "fine_tune", "threshold", "epochs", "seed")
        given = {name: getattr(self, name) for name in (*names, "device")}
        if both := given.keys() & (self.settings or {}).keys():
            raise InputError(
                f"the parameter settings repeats {first_of(sorted(both))}: give each once"
            )
        return {k: v for k, v in given.items() if v is not None} | dict(self.settings or {})

    def _threads(self) -> AbstractContextManager[None]:
        if self.threads is None:
            return nullcontext()
        from imlgcn.engines.torch import torch_threads

        return torch_threads(self.threads)


def records_of(
    images: Sequence[ImageLike], targets: NDArray[np.int8], names: Sequence[str]
) -> list[Record]:
    """Return images with targets ``(N, L)`` as training data; those without a file get one."""
    rows = []
    for row, (image, known) in enumerate(zip(images, targets, strict=True)):
        file = image_file(image, f"X, row {row}: ").absolute()
        by = {
            value: tuple(names[i] for i in np.flatnonzero(known == value).tolist())
            for value in VALUES
        }
        name = f"{row}/{file.name}"  # an image may be there twice
        rows.append(Record(name, file, by[PRESENT], by[UNKNOWN], split="train"))
    return rows


VALUES = (PRESENT, UNKNOWN)


def _warn(tagger: FixedTagger, names: Sequence[str]) -> None:
    """Warn of labels that were not learnt, and of images that were left out."""
    if lost := [name for name in names if name not in tagger.labels]:
        warnings.warn(
            f"no image shows {plural(len(lost), 'label')} ({first_of(lost)}): the probability of "
            "each will be 0",
            stacklevel=3,
        )
    if failed := tagger.folder.metrics.get("failed_images"):
        first = next(iter(failed.values()))
        warnings.warn(
            f"left out, could not be read: {plural(len(failed), 'image')}; first: {first}",
            stacklevel=3,
        )
