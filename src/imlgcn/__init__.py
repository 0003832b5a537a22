"""imlgcn: teach a small network to tag images with all their labels.

>>> from imlgcn import Tagger, train  # doctest: +SKIP
>>> tagger = train("photos.csv", "runs/photos")  # doctest: +SKIP
>>> tagger("photo.jpg")  # doctest: +SKIP
[Tag(label='food', probability=0.97, threshold=0.41), Tag(label='fruit', ...)]
"""

from __future__ import annotations

from importlib import import_module
from sys import modules
from types import ModuleType
from typing import TYPE_CHECKING, Any

from imlgcn.privacy import send_nothing

if TYPE_CHECKING:
    from imlgcn.auditing import audit
    from imlgcn.comparison import compare
    from imlgcn.data.check import check_dataset
    from imlgcn.data.dataset import Dataset, load_dataset
    from imlgcn.data.pack import pack
    from imlgcn.data.source import DataSource
    from imlgcn.data.split import split_dataset
    from imlgcn.demonstration import demo
    from imlgcn.errors import InputError
    from imlgcn.estimator import TaggerClassifier
    from imlgcn.evaluation import evaluate
    from imlgcn.explanation import explain
    from imlgcn.exporting import export
    from imlgcn.growing import Tagger
    from imlgcn.labels.context import LabelContext
    from imlgcn.models import HEADS, MultiLabelClassifier, create_backbone, create_head
    from imlgcn.official.checkpoint import import_checkpoint
    from imlgcn.pipeline import train
    from imlgcn.prediction import merge_predictions, predict
    from imlgcn.progress import TerminalProgress
    from imlgcn.publishing.copying import pull
    from imlgcn.publishing.sending import push
    from imlgcn.suggestion import similar, suggest
    from imlgcn.tagger import Tag

send_nothing()

__version__ = "0.2.0"

# Where each public name lives; imported on first use, so that `import imlgcn` is quick.
_HOMES = {
    "audit": "auditing",
    "predict": "prediction",
    "export": "exporting",
    "explain": "explanation",
    "evaluate": "evaluation",
    "compare": "comparison",
    "HEADS": "models",
    "DataSource": "data.source",
    "Dataset": "data.dataset",
    "InputError": "errors",
    "LabelContext": "labels.context",
    "MultiLabelClassifier": "models",
    "Tag": "tagger",
    "Tagger": "growing.tagger",
    "TaggerClassifier": "estimator",
    "TerminalProgress": "progress",
    "check_dataset": "data.check",
    "create_backbone": "models",
    "create_head": "models",
    "demo": "demonstration",
    "import_checkpoint": "official.checkpoint",
    "load_dataset": "data.dataset",
    "merge_predictions": "prediction",
    "pack": "data.pack",
    "pull": "publishing.copying",
    "push": "publishing.sending",
    "similar": "suggestion",
    "split_dataset": "data.split",
    "suggest": "suggestion",
    "train": "pipeline",
}

__all__ = [
    "HEADS",
    "DataSource",
    "Dataset",
    "InputError",
    "LabelContext",
    "MultiLabelClassifier",
    "Tag",
    "Tagger",
    "TaggerClassifier",
    "TerminalProgress",
    "audit",
    "check_dataset",
    "compare",
    "create_backbone",
    "create_head",
    "demo",
    "evaluate",
    "explain",
    "export",
    "import_checkpoint",
    "load_dataset",
    "merge_predictions",
    "pack",
    "predict",
    "pull",
    "push",
    "similar",
    "split_dataset",
    "suggest",
    "train",
]


class _FormerModule(ModuleType):
    """A module by its former name, ``from imlgcn.predict import predict_rows``.

    It is never an attribute of the package: ``imlgcn.predict`` is the function.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        own = self.__name__.rpartition(".")[2]
        return getattr(import_module(f"imlgcn.{_HOMES[own]}"), name)


for _own in ("evaluate", "export", "explain", "predict"):
    modules[f"imlgcn.{_own}"] = _FormerModule(f"imlgcn.{_own}")


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'imlgcn' has no attribute {name!r}")
    try:
        value = getattr(import_module(f"imlgcn.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        from imlgcn.extras import missing

        raise missing(error.name or "") or error from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
