"""The tagger folder: the one owner of its file names; reads each file once.

Only this module spells the names. A file that is missing or damaged reads as empty where it is only
shown (report, page) and is an :class:`InputError` where work depends on it. Letters: L labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imlgcn.errors import InputError
from imlgcn.labels.label_cells import table_text
from imlgcn.labels.label_rows import LabelRow
from imlgcn.labels.label_table import LabelTable
from imlgcn.parsing import ParseError, parse_json, parse_yaml

if TYPE_CHECKING:
    from imlgcn.labels.context import LabelContext
    from imlgcn.tagger.learnt import LearntImages
    from imlgcn.tagger.scores import ScoredSplit, Scores
    from imlgcn.tagger.support import Support

MODEL = "model.json"  # written last: a folder that has it is complete
WEIGHTS = "model.safetensors"
CONFIG = "config.yaml"
METRICS = "metrics.json"
LOG = "log.jsonl"
SCORES = "predictions.parquet"
REPORT = "report.html"
SPLIT = "split.csv"
SUPPORT = "support.parquet"
LEARNT = "learnt-images.bin"
LABEL_TABLE = "label-table.csv"  # which people edit
REPLACED_TABLE = "label-table.replaced.csv"  # that of a run which another one replaced
CHECKPOINTS = "checkpoints"  # a folder
REPLACED = ".replaced"  # a folder: the earlier run, until the one that replaces it is finished
HISTORY = "history"  # a folder: the states before each change of labels
JOURNAL = "label-studio.jsonl"  # annotations that the server was sent; no run deletes them
EVENTS = "tensorboard"  # a folder: the event files of `log="tensorboard"`
CHANGE = "change.json"  # in each of these: what was done
RESULTS = (WEIGHTS, MODEL, CONFIG, METRICS, LOG, SCORES, REPORT, SPLIT, SUPPORT)
# all that a run writes; nothing else in a folder is ever deleted
FILES = (*RESULTS, LEARNT, LABEL_TABLE, REPLACED_TABLE)
FOLDERS = (CHECKPOINTS, HISTORY, EVENTS)  # and these
# in config.yaml besides the settings: the data and the tagger it started from
ORIGIN = (
    *("data", "data_in_python", "reader", "variant", "delimiter", "images", "fields", "from"),
    *("image_column", "label_columns", "split_column", "group_column", "sheet"),
    *("label_names", "minus_one", "present_above", "no_label", "label_table", "label_parents"),
)

STORED = "labels."  # prefix of the label context in the weights file
TRAINED = "trained_labels."  # of the context the head was trained with, where labels have changed
HEAD = "head."  # prefix of the head's entries
GRAPH = f"{HEAD}adjacency"  # (L, L), of a head with a label graph
EDGES = tuple(f"{HEAD}edge_{part}" for part in ("starts", "sources", "weights"))  # of many labels
LABEL_VECTORS = "label_vectors"  # in its metadata: which entry (L, D) is one vector per label
LOGGED = ("loss", "val_mAP")
Curves = dict[str, dict[str, list[tuple[float, float]]]]  # what -> stage -> (epoch, value)


def exported_name(suffix: str) -> str:
    """Return what an exported file is called in a tagger folder.

    >>> exported_name(".onnx")
    'model.onnx'
    """
    return f"model{suffix}"


class TaggerFolder:
    """What a tagger folder holds besides the network; each file is read on first use, once.

    Args:
        path: the folder.
        labels: the tagger's labels: the order of the scores' columns.
    """

    def __init__(self, path: Path, labels: tuple[str, ...]) -> None:
        self.path = path
        self.labels = labels

    @cached_property
    def scores(self) -> Scores:
        """The scores in ``predictions.parquet``, read as they are asked for."""
        from imlgcn.tagger.scores import Scores

        return Scores(self.path / SCORES, self.labels)

    @cached_property
    def config_text(self) -> str:
        """The text of ``config.yaml``; empty without one."""
        return _text(self.path / CONFIG)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The content of ``config.yaml``; empty where it cannot be read."""
        try:
            content = parse_yaml(self.config_text)
        except ParseError:
            return {}
        return content if isinstance(content, dict) else {}

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The content of ``metrics.json``; empty where it cannot be read."""
        return read_metrics(self.path)

    @cached_property
    def curves(self) -> Curves:
        """The training curves in ``log.jsonl``; of a repeated epoch the later line counts."""
        return _curves(_text(self.path / LOG))

    @cached_property
    def context(self) -> LabelContext | None:
        """The label context in the weights file; None without one."""
        from imlgcn.labels.context import LabelContext

        stored = {
            key.removeprefix(STORED): array
            for key, array in self._arrays.items()
            if key.startswith(STORED)
        }
        try:
            return LabelContext.from_arrays(self.labels, stored)
        except InputError:
            return None

    @property
    def label_vectors(self) -> NDArray[Any] | None:
        """One vector per label ``(L, D)`` of a head that has them in its weights; else None."""
        return self._arrays.get(LABEL_VECTORS)

    @property
    def graph(self) -> NDArray[Any] | None:
        """The label graph ``(L, L)`` that the head was built on; None for a head without one."""
        if GRAPH in self._arrays or EDGES[0] not in self._arrays:
            return self._arrays.get(GRAPH)
        from imlgcn.labels.sparse import SparseMatrix

        starts, columns, values = (self._arrays[part] for part in EDGES)
        starts = np.append(starts, len(columns))
        return SparseMatrix((len(starts) - 1,) * 2, starts, columns, values).dense()

    @cached_property
    def _arrays(self) -> dict[str, NDArray[Any]]:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path / WEIGHTS, framework="numpy") as file:
                keys = list(file.keys())
                found = {key: file.get_tensor(key) for key in keys if key.startswith(STORED)}
                vectors = (file.metadata() or {}).get(LABEL_VECTORS)
                others = {GRAPH: GRAPH, LABEL_VECTORS: vectors, **{key: key for key in EDGES}}
                known = {name: key for name, key in others.items() if key in keys}
                found |= {name: file.get_tensor(key) for name, key in known.items()}
                return found
        except (SafetensorError, OSError):
            return {}

    def scored(self, split: object = None, *, most: int | None = None) -> ScoredSplit | None:
        """Return the scores of a split, for None those calibrated on; ``most``: or a sample."""
        try:
            return self.scores.sample(None if split is None else str(split), most)
        except InputError:
            return None

    @property
    def keeps_support(self) -> bool:
        """Whether the images that the head was fitted on are kept."""
        return (self.path / SUPPORT).is_file()

    def support(self, *, features: bool = True) -> Support | None:
        """Return the images that the head was fitted on; None where they are not kept.

        Raises:
            InputError: the file is damaged, or of other labels.
        """
        if not self.keeps_support:
            return None
        from imlgcn.tagger.support import read_support

        return read_support(self.path / SUPPORT, self.labels, features=features)

    def learnt(self) -> LearntImages | None:
        """Return which images the tagger has learnt; None where that is not kept.

        Raises:
            InputError: the file is damaged.
        """
        from imlgcn.tagger.learnt import read_learnt

        file = self.path / LEARNT
        return read_learnt(file) if file.is_file() else None

    @cached_property
    def label_table(self) -> LabelTable:
        """The label table; the default one where there is no file.

        Raises:
            InputError: the file has wrong rows; all of them are named, with lines.
        """
        return read_own_table(self.path, self.labels) or LabelTable.of(self.labels)

    def exported(self, hashes: Mapping[str, str]) -> dict[Path, str]:
        """Return the exported files among those that ``model.json`` names, with their SHA-256."""
        return {self.path / name: sha for name, sha in hashes.items() if name != WEIGHTS}


def read_own_table(path: Path, labels: Sequence[str] | None = None) -> LabelTable | None:
    """Return the label table in the folder ``path``; None if there is no file.

    ``labels``: those it is for; None: those that it lists.

    Raises:
        InputError: the file has wrong rows; all of them are named, with lines.
    """
    file = path / LABEL_TABLE
    if not file.is_file():
        return None
    if labels is not None:  # mostly the file is as it was written: it needs no reader then
        default = table_text([LabelRow(name) for name in labels]).encode()
        if file.read_bytes() == default:
            return LabelTable.of(labels)
    from imlgcn.data.label_table_file import read_label_table

    return read_label_table(file, labels)


def read_metrics(path: Path) -> dict[str, Any]:
    """Return the content of ``metrics.json`` in the folder ``path``; empty if it cannot be read."""
    try:
        content = parse_json(_text(path / METRICS))
    except ParseError:
        return {}
    return content if isinstance(content, dict) else {}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _curves(text: str) -> Curves:
    found: dict[str, dict[str, dict[float, float]]] = {key: {} for key in LOGGED}
    for line in text.splitlines():
        try:
            row = parse_json(line)
        except ParseError:  # the last line of a run that was cut off
            continue
        for key in LOGGED:
            if isinstance(row, dict) and row.get(key) is not None and "epoch" in row:
                stage = found[key].setdefault(str(row.get("stage", "training")), {})
                stage[float(row["epoch"])] = float(row[key])
    return {
        key: {stage: sorted(points.items()) for stage, points in stages.items()}
        for key, stages in found.items()
    }
