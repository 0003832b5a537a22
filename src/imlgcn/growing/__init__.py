"""Labels of a finished tagger: added, removed, renamed, merged, and each change taken back.

`add.py` learns new labels from a few images, `edit.py` changes those that are there, `state.py`
reads and writes what such a change touches, `history.py` keeps the state before it, and `ask.py` is
the table of images that a person answers. `tagger.py` has them as methods. `imlgcn label` is their
command line. Names are imported on first use: a tagger that only tags needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imlgcn.growing.add import Added, add_labels, read_new_labels
    from imlgcn.growing.ask import doubtful_images, read_answers, write_questions
    from imlgcn.growing.edit import merge_labels, remove_labels, rename_label
    from imlgcn.growing.history import Change, changes, undo
    from imlgcn.growing.pool import NewLabel
    from imlgcn.growing.table import use_label_table
    from imlgcn.growing.tagger import Tagger
    from imlgcn.growing.words import sentence

_HOMES = {
    "Added": "add",
    "Change": "history",
    "NewLabel": "pool",
    "Tagger": "tagger",
    "add_labels": "add",
    "changes": "history",
    "doubtful_images": "ask",
    "merge_labels": "edit",
    "read_answers": "ask",
    "read_new_labels": "add",
    "remove_labels": "edit",
    "rename_label": "edit",
    "sentence": "words",
    "undo": "history",
    "use_label_table": "table",
    "write_questions": "ask",
}

__all__ = [
    "Added",
    "Change",
    "NewLabel",
    "Tagger",
    "add_labels",
    "changes",
    "doubtful_images",
    "merge_labels",
    "read_answers",
    "read_new_labels",
    "remove_labels",
    "rename_label",
    "sentence",
    "undo",
    "use_label_table",
    "write_questions",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'imlgcn.growing' has no attribute {name!r}")
    return getattr(import_module(f"imlgcn.growing.{_HOMES[name]}"), name)
