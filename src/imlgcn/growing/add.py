"""New labels for a finished tagger, from a few images each; the scores of the others stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from imlgcn.growing.alone import alone
from imlgcn.growing.examples import NOTHING, DecodedFile, bare_ground, features_of, ground_of
from imlgcn.growing.exports import finish
from imlgcn.growing.learn import learn
from imlgcn.growing.pool import NewLabel, check_labels, gather, was_added
from imlgcn.growing.state import State, read_state
from imlgcn.growing.widen import widen
from imlgcn.models.new_label.practice import Expectation
from imlgcn.numbers import plural
from imlgcn.progress import SILENT, Progress
from imlgcn.tagger import Tagger
from imlgcn.tagger.learnt import contents_of

ASKED = 200  # doubtful images that are named


@dataclass(frozen=True)
class Added:
    """A label that was added.

    Attributes:
        name: of the label.
        images: how many images show it.
        expectation: what labels of the tagger reached when they were tried as if they were new.
        share: how frequent it was taken to be, 0 to 1.
        doubtful: training images that look most like it, the most likely first: names, as the
            tagger knows them. Nobody has said whether they show it.
        probe_only: it was learnt without the images that the tagger was fitted on.
    """

    name: str
    images: int
    expectation: Expectation
    share: float
    doubtful: tuple[str, ...] = ()
    probe_only: bool = False


@alone
def add_labels(
    tagger: str | Path,
    labels: Sequence[NewLabel],
    *,
    known: Mapping[Path, Mapping[str, int]] | None = None,
    share: float | None = None,
    names: Mapping[Path, str] | None = None,
    decoded: Mapping[Path, DecodedFile] = NOTHING,
    progress: Progress = SILENT,
) -> tuple[Tagger, list[Added]]:
    """Teach a tagger new labels; the scores of the others stay, to the last bit.

    In closed form (:mod:`imlgcn.models.new_label`): discriminant analysis, a probe, the kernel, and
    a graph over the labels that are known. Images that the tagger was fitted on are negatives but
    for those that look like the label.

    Args:
        tagger: a tagger folder; files exported into it are written and proved anew.
        labels: what to add.
        known: other labels of the new images, by file: 1 present, 0 absent. None: not known.
        share: how frequent the labels are among the images to tag, 0 to 1. None: as the median of
            the tagger's labels.
        names: under which the tagger remembers images, by file. None: their paths.
        decoded: all images, where they are not files: their paths only tell them apart.
        progress: told what is done.

    Returns:
        The tagger, and what is expected of each new label.

    Raises:
        InputError: no image, a label that was trained with the tagger, an image that cannot be
            read, an answer about an image that the tagger does not know; nothing is changed.
    """
    if share is not None and not 0 < share < 1:
        raise InputError(f"share= is above 0 and below 1; got {share}")
    state = read_state(tagger)
    labels = check_labels(state, labels)
    paths = list(dict.fromkeys(p for label in labels for p in (*label.images, *label.absent)))
    features = features_of(state, paths, progress, decoded)
    pool = gather(state, labels, paths, features, known or {}, names or {})
    found = ground_of(state)
    if found is None:
        absent = [row for row, values in enumerate(pool.targets) if (values == 0).any()]
        ground = bare_ground(state, pool.units[absent])
    else:
        ground = found.ground
    share = share or usual_share(state)
    progress.say(f"learning {plural(len(labels), 'label')} from {plural(len(paths), 'image')}")
    learnt = learn(ground, found, pool, [label.name for label in labels], share)
    reports = []
    for one in learnt:
        doubtful: tuple[str, ...] = ()
        if found is not None and state.support is not None:
            order = np.argsort(-one.formula.held_out.numpy(), kind="stable")
            open_ = pool.answers[found.rows[order], pool.labels.index(one.name)] < 0
            doubtful = tuple(state.support.images[row] for row in found.rows[order[open_]][:ASKED])
        reports.append(Added(one.name, one.images, one.expectation, share, doubtful, found is None))
    what = ", ".join(label.name for label in labels[:3]) + (", ..." if len(labels) > 3 else "")
    wider = with_learnt(widen(state, learnt, pool, found), paths, decoded)
    return finish(wider, f"add {what}", progress), reports


def with_learnt(state: State, paths: Sequence[Path], decoded: Mapping[Path, DecodedFile]) -> State:
    """Return the state with images ``paths`` among those that it has learnt, if it knows them."""
    if state.learnt is None:
        return state
    if decoded:
        contents = np.array([decoded[path].content for path in paths], np.uint64)
    else:
        contents = contents_of(paths)
    return replace(state, learnt=state.learnt.joined(contents))


def usual_share(state: State) -> float:
    """Return the median frequency of the tagger's labels; one in fifty without counts."""
    context = state.context
    shares = context.occurrences[context.occurrences > 0] / max(context.num_images, 1)
    return float(np.clip(np.median(shares), 0.002, 0.5)) if len(shares) else 0.02


def read_new_labels(
    tagger: str | Path, data: str | Path
) -> tuple[list[NewLabel], dict[Path, dict[str, int]] | None]:
    """Return the labels of a data set that a tagger was not trained with, and what else is known.

    Every image shows the labels that the data lists for it. Labels that the tagger was trained with
    are known of these images where the data lists any of them, else they are not known.

    Raises:
        InputError: the data cannot be read, or has no label that is new.
    """
    state = read_state(tagger)
    dataset = load_dataset(data)
    trained = [n for n in dataset.names if n in state.info.labels and not was_added(state, n)]
    new = [name for name in dataset.names if name not in trained]
    if not new:
        raise InputError(
            f"{data} has no label that the tagger lacks; to learn its own labels from more images, "
            f"train with start={str(tagger)!r}"
        )
    column = {name: place for place, name in enumerate(dataset.names)}
    paths = dataset.paths

    def showing(name: str) -> tuple[Path, ...]:
        return tuple(paths[row] for row in np.flatnonzero(dataset.targets[:, column[name]] == 1))

    labels = [NewLabel(name, showing(name)) for name in new]
    if not trained:
        return labels, None
    known = {
        path: {name: int(row[column[name]]) for name in trained if row[column[name]] >= 0}
        for path, row in zip(paths, dataset.targets, strict=True)
    }
    return labels, known
