"""Prior knowledge about the labels, as the one object that heads receive.

Shapes: N images, L labels, D width of an embedding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imlgcn.errors import InputError, unknown_name
from imlgcn.labels.embeddings import FloatArray, one_hot, random_embeddings
from imlgcn.labels.graph import CountArray, count_known_pairs, count_pairs
from imlgcn.labels.on_demand import DenseOnDemand, stored
from imlgcn.labels.sparse import MANY_LABELS, PARTS, SparseMatrix
from imlgcn.labels.sparse_pairs import OffsetMatrix, count_sparse_known_pairs, count_sparse_pairs
from imlgcn.labels.targets import TargetArray, all_known, few_entries

# Kinds that must be stored because they are learnt or read from a file, and where they come from.
PROVIDERS = {
    "image": "train with embedding=image, which computes it after the linear stage",
    "image_pca": "train with embedding=image_pca, which computes it after the linear stage",
    "words": "train with embedding=words, which needs `pip install 'imlgcn[words]'`, a GloVe text "
    "file or a text encoder's vectors (words=FILE)",
}
EMBEDDINGS = (*PROVIDERS, "onehot", "random")
OPTIONAL = ("shown_where_known", "known_pairs")  # counts that only data with unknown targets have
OFFSETS = ("rows", "columns")

Counts = CountArray | SparseMatrix | OffsetMatrix
OptionalCounts = DenseOnDemand[CountArray | None, Counts | None]


@dataclass(frozen=True, eq=False)
class LabelContext:
    """Names, raw counts and embeddings of the labels; each head derives what it needs from them.

    Labels are always matched by name: their order depends on the file.

    Attributes:
        names: the L label names, all different.
        pair_counts: int64 ``(L, L)``, images with both labels; the diagonal equals ``occurrences``.
        occurrences: int64 ``(L,)``, images with the label.
        num_images: number of images counted.
        shown_where_known, known_pairs: int64 ``(L, L)``, S and K of
            :func:`~imlgcn.labels.graph.count_known_pairs`; None where every target is known.
            Of more than 1,000 labels these three are mostly kept sparse, and made dense when read.
        embeddings: kind -> float32 ``(L, D)``, one row per label; kinds are in :data:`EMBEDDINGS`.

    Raises:
        InputError: no name, a duplicate name, or an array that does not fit the number of names.
    """

    names: tuple[str, ...]
    pair_counts: DenseOnDemand[CountArray, Counts] = DenseOnDemand()  # noqa: RUF009
    occurrences: CountArray  # type: ignore[misc]  # pair_counts has no default
    num_images: int  # type: ignore[misc]
    embeddings: Mapping[str, FloatArray] = field(default_factory=dict)
    shown_where_known: OptionalCounts = DenseOnDemand(optional=True)  # noqa: RUF009
    known_pairs: OptionalCounts = DenseOnDemand(optional=True)  # noqa: RUF009

    def __post_init__(self) -> None:
        L = self.num_labels
        if not L:
            raise InputError("the label context has no label; give at least one name")
        if len(set(self.names)) != L:
            twice = sorted({name for name in self.names if self.names.count(name) > 1})
            raise InputError(f"label names must be unique; rename or merge: {', '.join(twice)}")
        _expect_shape("pair_counts", stored(self, "pair_counts"), (L, L))
        _expect_shape("occurrences", self.occurrences, (L,))
        for name in OPTIONAL:
            if (counts := stored(self, name)) is not None:
                _expect_shape(name, counts, (L, L))
        for kind, vectors in self.embeddings.items():
            _expect_shape(f"embedding {kind!r}", vectors, (L, vectors.shape[-1]))

    @classmethod
    def from_targets(
        cls,
        names: Sequence[str],
        targets: TargetArray,
        embeddings: Mapping[str, FloatArray] | None = None,
    ) -> LabelContext:
        """Return a context with the counts of targets ``(N, L)``: 1 present, 0 absent, -1 unknown.

        Of more than 1,000 labels, few of them on an image, only pairs that occur are counted.

        >>> LabelContext.from_targets(["cat", "dog"], np.array([[1, 1], [0, 1]])).occurrences
        array([1, 2])
        """
        vectors = dict(embeddings or {})
        known: tuple[Counts, ...]
        if (few := few_entries(targets)) is not None:
            pairs = count_sparse_pairs(few)
            known = () if few.all_known else count_sparse_known_pairs(few)
            return cls(tuple(names), pairs, few.occurrences, len(few), vectors, *known)
        pair_counts, occurrences = count_pairs(targets)
        known = () if all_known(targets) else count_known_pairs(targets)
        return cls(tuple(names), pair_counts, occurrences, len(targets), vectors, *known)

    @classmethod
    def placeholder(cls, num_labels: int, **dimensions: int) -> LabelContext:
        """Return a context of zeros with labels "label 1", ..., to count parameters with.

        ``dimensions`` are the widths of the embeddings: ``placeholder(80, words=300)``.
        """
        if num_labels < 1:
            raise InputError(f"the number of labels must be at least 1; got {num_labels}")
        context = cls.named([f"label {number}" for number in range(1, num_labels + 1)])
        zeros = {kind: np.zeros((num_labels, D), np.float32) for kind, D in dimensions.items()}
        return context.with_embeddings(**zeros)

    @classmethod
    def named(cls, names: Sequence[str]) -> LabelContext:
        """Return a context of names alone, with counts of zero."""
        L = len(names)
        nothing = np.zeros(0, np.int64)
        counts = SparseMatrix.from_entries(nothing, nothing, nothing, (L, L))
        return cls(
            tuple(names), counts if L > MANY_LABELS else counts.dense(), np.zeros(L, np.int64), 0
        )

    @property
    def num_labels(self) -> int:
        """L, the number of labels."""
        return len(self.names)

    @property
    def sparse_pairs(self) -> SparseMatrix:
        """``pair_counts`` as a sparse matrix: what many labels leave room for."""
        counts = stored(self, "pair_counts")
        return counts if isinstance(counts, SparseMatrix) else SparseMatrix.from_dense(counts)

    def embedding(self, kind: str, *, dimension: int | None = None, seed: int = 0) -> FloatArray:
        """Return the label vectors of one kind, float32 ``(L, D)``.

        "onehot" and "random" are computed unless stored; ``dimension`` (default L) and ``seed``
        apply to "random" alone.

        Raises:
            InputError: an unknown kind, or one that is not stored; the message tells how to get it.
        """
        if kind in self.embeddings:
            return self.embeddings[kind]
        if kind == "onehot":
            return one_hot(self.num_labels)
        if kind == "random":
            return random_embeddings(self.num_labels, dimension or self.num_labels, seed)
        if kind not in PROVIDERS:
            raise unknown_name("embedding", kind, {*EMBEDDINGS, *self.embeddings})
        raise InputError(f"the label context holds no embedding {kind!r}; {PROVIDERS[kind]}")

    def with_embeddings(self, **new: FloatArray) -> LabelContext:
        """Return a context with the embeddings ``new`` added (an existing kind is replaced)."""
        return replace(self, embeddings={**self.embeddings, **new}, **self._as_stored)

    def renamed(self, names: Sequence[str]) -> LabelContext:
        """Return a context of the same labels by other names."""
        return replace(self, names=tuple(names), **self._as_stored)

    def reordered(self, names: Sequence[str]) -> LabelContext:
        """Return the context of ``names``, matched by name and in that order.

        Labels of this context that are not in ``names`` are dropped.

        Raises:
            InputError: a name is not in this context; the message lists all of them.
        """
        position = {name: index for index, name in enumerate(self.names)}
        if missing := [name for name in names if name not in position]:
            raise InputError(
                f"the label context has no label {', '.join(map(repr, missing))}; "
                f"it has {', '.join(self.names)}"
            )
        rows = np.array([position[name] for name in names], np.int64)
        return LabelContext(
            tuple(names),
            _chosen(stored(self, "pair_counts"), rows),
            self.occurrences[rows],
            self.num_images,
            {kind: vectors[rows] for kind, vectors in self.embeddings.items()},
            **{name: _chosen(counts, rows) for name, counts in self._optional.items()},
        )

    @property
    def _as_stored(self) -> dict[str, Any]:
        """What `dataclasses.replace` would make dense."""
        return {name: stored(self, name) for name in ("pair_counts", *OPTIONAL)}

    @property
    def _optional(self) -> dict[str, Counts]:
        found = {name: stored(self, name) for name in OPTIONAL}
        return {name: counts for name, counts in found.items() if counts is not None}

    def to_arrays(self) -> dict[str, NDArray[np.int64] | FloatArray]:
        """Return everything but the names as contiguous arrays, for a safetensors file."""
        arrays: dict[str, NDArray[np.int64] | FloatArray] = {
            **_to_arrays("pair_counts", stored(self, "pair_counts")),
            "occurrences": np.ascontiguousarray(self.occurrences),
            "num_images": np.array([self.num_images], np.int64),
        }
        for name, counts in self._optional.items():
            arrays |= _to_arrays(name, counts)
        for kind, vectors in self.embeddings.items():
            arrays[f"embeddings.{kind}"] = np.ascontiguousarray(vectors)
        return arrays

    @classmethod
    def from_arrays(
        cls, names: Sequence[str], arrays: Mapping[str, NDArray[np.int64] | FloatArray]
    ) -> LabelContext:
        """Return the context of :meth:`to_arrays`; arrays with other names are ignored.

        Raises:
            InputError: an array is missing, or does not fit the number of names.
        """
        required = ("occurrences", "num_images")
        pairs = _from_arrays("pair_counts", arrays, len(names))
        missing = [key for key in required if key not in arrays]
        if pairs is None or missing:
            missing = [*(["pair_counts"] if pairs is None else []), *missing]
            raise InputError(f"the stored label context lacks {', '.join(missing)}")
        return cls(
            tuple(names),
            pairs,
            arrays["occurrences"].astype(np.int64),
            int(arrays["num_images"].item()),
            {
                key.removeprefix("embeddings."): vectors.astype(np.float32)
                for key, vectors in arrays.items()
                if key.startswith("embeddings.")
            },
            **{name: _from_arrays(name, arrays, len(names)) for name in OPTIONAL},
        )


def _chosen(counts: Counts, rows: NDArray[np.int64]) -> Counts:
    """Return the counts of some labels with each other."""
    if isinstance(counts, SparseMatrix):
        return counts.take_rows(rows).take_columns(rows)
    if isinstance(counts, OffsetMatrix):
        entries = counts.entries.take_rows(rows).take_columns(rows)
        return OffsetMatrix(counts.rows[rows], counts.columns[rows], entries)
    return counts[np.ix_(rows, rows)]


def _to_arrays(name: str, counts: Counts) -> dict[str, NDArray[np.int64]]:
    if isinstance(counts, SparseMatrix):
        return {f"{name}.{part}": array for part, array in counts.to_arrays().items()}
    if isinstance(counts, OffsetMatrix):
        offsets = {f"{name}.offset.{side}": getattr(counts, side) for side in OFFSETS}
        return offsets | _to_arrays(name, counts.entries)
    return {name: np.ascontiguousarray(counts)}


def _from_arrays(name: str, arrays: Mapping[str, NDArray[Any]], L: int) -> Counts | None:
    """Return the counts of :func:`_to_arrays`; None if there are none of this name."""
    if name in arrays:
        return arrays[name].astype(np.int64)
    if any(f"{name}.{part}" not in arrays for part in PARTS):
        return None
    entries = SparseMatrix.from_arrays({part: arrays[f"{name}.{part}"] for part in PARTS}, (L, L))
    if any(f"{name}.offset.{side}" not in arrays for side in OFFSETS):
        return entries
    rows, columns = (arrays[f"{name}.offset.{side}"].astype(np.int64) for side in OFFSETS)
    return OffsetMatrix(rows, columns, entries)


def _expect_shape(what: str, array: Counts | NDArray[np.floating], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise InputError(f"{what} of {shape[0]} labels must have shape {shape}; got {array.shape}")
