"""Labels of a tagger removed, renamed and merged; scores of all others stay to the last bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from imlgcn.errors import InputError
from imlgcn.growing.alone import alone
from imlgcn.growing.exports import finish
from imlgcn.growing.picking import pick_labels
from imlgcn.growing.state import read_state
from imlgcn.progress import SILENT, Progress
from imlgcn.tagger import Tagger


@alone
def remove_labels(
    tagger: str | Path, labels: Sequence[str], *, progress: Progress = SILENT
) -> Tagger:
    """Take labels out of a tagger: it no longer gives them.

    Their names stay where the past is told: among the labels of the head in ``model.json``, in
    ``metrics.json`` and the report of the training, and in ``history/``.

    Raises:
        InputError: the tagger lacks one of them, or would be left without labels.
    """
    state = read_state(tagger)
    gone = {state.place(label) for label in labels}
    if not gone:
        raise InputError("no label to remove was given; name at least one")
    left = [label for label in range(len(state.info.labels)) if label not in gone]
    if not left:
        raise InputError("a tagger needs at least one label; leave one, or train another tagger")
    names = [state.info.labels[label] for label in left]
    table = state.table
    for label in sorted(gone):
        table = table.without(state.info.labels[label])
    picked = pick_labels(state, names, [[label] for label in left])
    return finish(replace(picked, table=table), f"remove {', '.join(labels)}", progress)


@alone
def rename_label(tagger: str | Path, old: str, new: str, *, progress: Progress = SILENT) -> Tagger:
    """Give a label another name.

    Raises:
        InputError: there is no label ``old``, or ``new`` is empty or another label's name.
    """
    state = read_state(tagger)
    place = state.place(old)
    new = checked_name(new)
    if new in state.info.labels and new != old:
        raise InputError(
            f"there is a label {new!r} already; `imlgcn label merge` joins two labels into one"
        )
    names = [*state.info.labels]
    names[place] = new
    every = [[label] for label in range(len(names))]
    picked = replace(pick_labels(state, names, every), table=state.table.renamed(old, new))
    return finish(picked, f"rename {old} to {new}", progress)


@alone
def merge_labels(
    tagger: str | Path, labels: Sequence[str], into: str, *, progress: Progress = SILENT
) -> Tagger:
    """Make one label of several: it is given where one of them would be.

    Its score is the largest of theirs, each calibrated, and is calibrated anew on the stored scores
    of images that show one of them.

    Args:
        tagger: the folder.
        labels: two or more; ``into`` may be one of them.
        into: the name of the new label, in the place of the first of them.

    Raises:
        InputError: fewer than two, an unknown one, or a name that another label has.
    """
    state = read_state(tagger)
    gone = sorted({state.place(label) for label in labels})
    if len(gone) < 2:
        raise InputError(f"merging takes two labels or more; got {', '.join(labels) or 'none'}")
    into = checked_name(into)
    if into in state.info.labels and state.place(into) not in gone:
        raise InputError(f"{into!r} is the name of another label; merge it too, or choose another")
    columns = [[label] for label in range(len(state.info.labels)) if label not in gone[1:]]
    first = columns.index([gone[0]])
    columns[first] = gone
    names = [state.info.labels[group[0]] for group in columns]
    names[first] = into
    members = [state.info.labels[label] for label in gone]
    picked = replace(pick_labels(state, names, columns), table=state.table.merged(members, into))
    return finish(picked, f"merge {', '.join(labels)} into {into}", progress)


def checked_name(name: str) -> str:
    """Return a label's name without spaces around it.

    Raises:
        InputError: it is empty, or holds a line break.
    """
    plain = name.strip()
    if not plain or any(ord(letter) < 32 for letter in plain):
        raise InputError(f"a label's name is one line of text; got {name!r}")
    return plain
