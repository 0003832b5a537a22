"""The demo: a tagger of the embedded clip art, and what it says of six test images."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.data.dataset import load_dataset
from imlgcn.pipeline import train
from imlgcn.progress import SILENT, Progress
from imlgcn.tagger import Tag, Tagger

DEMO_FOLDER = Path("runs/demo")


class Demo(NamedTuple):
    """The tagger of the demo, and test images of several labels with their true and found tags."""

    tagger: Tagger
    examples: list[tuple[str, list[str], list[Tag]]]


def demo(out: str | Path = DEMO_FOLDER, *, progress: Progress = SILENT, **settings: Any) -> Demo:
    """Train on the embedded Open Clip Art and tag six images of its test split.

    They are those with two labels or more, evenly spaced.

    An earlier demo in ``runs/demo`` is replaced; any other folder must be empty or new.
    """
    replace = Path(out) == DEMO_FOLDER
    tagger = train("openclipart", out, replace=replace, progress=progress, **settings)
    test = load_dataset("openclipart").split("test")
    names = np.array(test.names)
    several = np.flatnonzero((test.targets == 1).sum(axis=1) > 1)
    rows = several if len(several) < 6 else several[_spread(len(several), 6)]
    examples = []
    for row in rows:
        truth = names[test.targets[row] == 1].tolist()
        examples.append((test.records[row].name, truth, tagger(test.paths[row])))
    return Demo(tagger, examples)


def _spread(images: int, count: int) -> NDArray[np.int64]:
    """Return so many positions in 0 .. images - 1, evenly spaced, without the ends."""
    return np.linspace(0, images - 1, count + 2).astype(np.int64)[1:-1]
