"""Labels of a finished tagger: added, removed, renamed, merged, and each change taken back.

`add.py` learns new labels from a few images, `edit.py` changes those that are there, `state.py`
reads and writes what such a change touches and keeps the state before it, `ask.py` is the table of
images that a person answers. `imlgcn label` is their command line.
"""

from imlgcn.growing.add import Added, add_labels, read_new_labels
from imlgcn.growing.ask import doubtful_images, read_answers, write_questions
from imlgcn.growing.edit import merge_labels, remove_labels, rename_label
from imlgcn.growing.history import Change, changes, undo
from imlgcn.growing.pool import NewLabel
from imlgcn.growing.wording import sentence

__all__ = [
    "Added",
    "Change",
    "NewLabel",
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
    "write_questions",
]
