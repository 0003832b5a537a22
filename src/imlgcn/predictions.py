"""The scores a tagger was judged by, as one Parquet file: one row per image and label.

Columns: ``image, split, label, target, logit, probability``, and ``control``, the logit of the
control, where one was trained. Targets are 1, 0 or -1 (unknown), probabilities are calibrated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imlgcn.config import InputError
from imlgcn.files import atomic_path


@dataclass(frozen=True, eq=False)
class ScoredSplit:
    """Scores of one split: N images by L labels."""

    split: str
    images: tuple[str, ...]
    logits: NDArray[np.float32]  # (N, L)
    probabilities: NDArray[np.float64]  # (N, L)
    targets: NDArray[np.int8]  # (N, L)
    control: NDArray[np.float32] | None = None  # logits of the control (N, L)


def write_predictions(path: Path, names: Sequence[str], splits: Sequence[ScoredSplit]) -> None:
    """Write all splits to ``path`` in one step."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    L = len(names)
    tables = []
    for part in splits:
        images = np.repeat(np.arange(len(part.images), dtype=np.int32), L)
        labels = np.tile(np.arange(L, dtype=np.int32), len(part.images))
        columns = {
            "image": pa.DictionaryArray.from_arrays(images, pa.array(part.images, pa.string())),
            "split": pa.array([part.split] * len(images), pa.string()),
            "label": pa.DictionaryArray.from_arrays(labels, pa.array(names, pa.string())),
            "target": part.targets.astype(np.int8).ravel(),
            "logit": part.logits.astype(np.float32).ravel(),
            "probability": part.probabilities.astype(np.float32).ravel(),
        }
        if part.control is not None:
            columns["control"] = part.control.astype(np.float32).ravel()
        tables.append(pa.table(columns))
    with atomic_path(path) as temporary:
        pq.write_table(pa.concat_tables(tables).unify_dictionaries(), temporary)


def read_predictions(path: Path, names: Sequence[str], split: str) -> ScoredSplit:
    """Read one split back, its columns in the order of ``names``.

    Raises:
        InputError: there is no such file, or it has no such split.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise InputError(f"{path} is missing; it is written by `imlgcn train` with the tagger")
    try:
        table = pq.read_table(path, filters=[("split", "==", split)])
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is damaged ({str(error).splitlines()[0]}); train anew") from None
    if not table.num_rows:
        raise InputError(f"{path} holds no scores of the split {split!r}")
    stored = table["label"].unique().to_pylist()  # in the order of the rows
    L = len(stored)
    if missing := [name for name in names if name not in stored]:
        raise InputError(f"{path} holds no scores of the labels {', '.join(missing)}")
    images = tuple(table["image"].take(np.arange(0, table.num_rows, L)).to_pylist())
    order = [stored.index(name) for name in names]

    def column(name: str) -> NDArray[np.float64]:
        values: NDArray[np.float64] = table[name].to_numpy().reshape(-1, L)[:, order]
        return values

    return ScoredSplit(
        split=split,
        images=images,
        logits=column("logit").astype(np.float32),
        probabilities=column("probability").astype(np.float64),
        targets=column("target").astype(np.int8),
        control=column("control").astype(np.float32) if "control" in table.column_names else None,
    )
