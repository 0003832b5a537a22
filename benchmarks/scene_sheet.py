"""A sheet of example scenes: one row for each strength of the law, labels coloured by theme."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea, VPacker
from PIL import Image

from benchmarks.scene_images import THEMES
from imlgcn.data.dataset import Dataset
from imlgcn.files import atomic_path
from imlgcn.palette import LIGHT, SERIES

COLUMNS = 6
OBJECTS = (3, 4)  # labels of the scenes shown: the mean and one more


def draw_sheet(scenes: Mapping[float, Dataset], path: Path) -> None:
    """Write a PNG with the first test scenes of three or four labels at every strength."""
    figure = Figure(figsize=(11, 2.35 * len(scenes) + 0.4), layout="constrained", dpi=110)
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.02, hspace=0.0, wspace=0.02)
    grid = figure.subplots(len(scenes), COLUMNS, squeeze=False)
    for row, (strength, data) in zip(grid, scenes.items(), strict=True):
        test = data.split("test")
        shown = np.flatnonzero(np.isin(test.targets.sum(axis=1), OBJECTS))[:COLUMNS]
        row[0].set_ylabel(f"strength {strength:g}", color=LIGHT["ink"], fontsize=11)
        for axes, index in zip(row, shown, strict=False):
            with Image.open(test.paths[index]) as image:
                axes.imshow(image.convert("RGB"), interpolation="lanczos")
            axes.add_artist(_caption(test.records[index].labels, axes.transAxes))
    for axes in grid.ravel():
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_color(LIGHT["line"])
    _legend(figure)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", facecolor=LIGHT["surface"], bbox_inches="tight")


def _colour(label: str) -> str:
    for number, theme in enumerate(THEMES.values()):
        if label in theme:
            return LIGHT[SERIES[number]]
    raise AssertionError(label)


def _caption(labels: tuple[str, ...], transform: object) -> AnchoredOffsetbox:
    """Two labels a line, under the picture; those of one theme beside each other."""
    order = [label for theme in THEMES.values() for label in theme if label in labels]
    words = [TextArea(label, textprops={"color": _colour(label), "fontsize": 9}) for label in order]
    rows = [HPacker(children=words[i : i + 2], pad=0, sep=8) for i in range(0, len(words), 2)]
    return AnchoredOffsetbox(
        loc="upper center",
        child=VPacker(children=rows, align="center", pad=0, sep=2),
        bbox_to_anchor=(0.5, 0.0),
        bbox_transform=transform,
        frameon=False,
        pad=0.2,
    )


def _legend(figure: Figure) -> None:
    for number, (theme, labels) in enumerate(THEMES.items()):
        figure.text(
            (number + 0.5) / len(THEMES),
            1.01,
            f"{theme}: {', '.join(labels)}",
            color=LIGHT[SERIES[number]],
            fontsize=9,
            ha="center",
            va="bottom",
        )
