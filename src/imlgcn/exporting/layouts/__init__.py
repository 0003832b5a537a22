"""Folders in the layout that another program loads: one module each, with a function ``write``.

A new one is a line in `LAYOUTS` and a module whose ``write(given, folder)`` fills the empty
``folder``, proves what it wrote and returns a :class:`~imlgcn.exporting.layouts.base.Written`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from imlgcn.data.dataset import Dataset, load_dataset
from imlgcn.errors import InputError, unknown_name
from imlgcn.exporting.agreement import sample_images
from imlgcn.exporting.layouts.base import Given, Layout, Written, check_free, new_folder
from imlgcn.exporting.layouts.client_network import about
from imlgcn.exporting.one_file import Exported, at_size, check_exportable
from imlgcn.progress import SILENT, Progress
from imlgcn.tagger import Tagger

__all__ = ["LAYOUTS", "Given", "Layout", "Written", "write_layout"]

AS_IS = "none"  # client_threshold: the probabilities stay as they are


def _writer(module: str) -> Callable[[], Callable[[Given, Path], Written]]:
    def load() -> Callable[[Given, Path], Written]:
        found: Callable[[Given, Path], Written] = import_module(f"{__name__}.{module}").write
        return found

    return load


LAYOUTS: dict[str, Layout] = {
    "hf": Layout(_writer("hf"), "the hub of Hugging Face"),
    "photoprism": Layout(
        _writer("photoprism"), "PhotoPrism", threshold=0.2, bounds=(0.1, 0.2), as_is=False
    ),
    "wd14": Layout(_writer("wd14"), "clients of WD14 taggers", threshold=0.35),
}


def write_layout(
    tagger: Tagger,
    layout: str,
    out: str | Path | None,
    *,
    size: int | None = None,
    client_threshold: float | str | None = None,
    calibration: Dataset | str | Path | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> Exported:
    """Write a tagger as the folder ``out`` that another program loads; see `imlgcn.export`.

    Raises:
        InputError: an unknown layout, no ``out`` or one that may not be replaced, an option that
            the layout does not have.
        ExportRefused: the layout disagrees with the tagger; nothing is written.
    """
    if layout not in LAYOUTS:
        raise unknown_name("layout", layout, LAYOUTS)
    chosen = LAYOUTS[layout]
    if out is None:
        raise InputError(f"layout={layout!r} writes a folder: give out=")
    out = Path(out).absolute()
    check_exportable(tagger, "onnx")
    threshold = _threshold(layout, chosen, client_threshold)
    check_free(out, overwrite=overwrite)
    data = None if calibration is None else load_dataset(calibration)
    info = at_size(tagger.info, size)
    samples = sample_images(tagger, info.image, data)
    given = Given(tagger, info, samples, out.name, threshold, data)
    progress.say(f"writing {out}")
    with new_folder(out, overwrite=overwrite, about=about(given, layout)) as folder:
        written = chosen.writer()(given, folder)
    total = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return Exported(out, total, samples.origin, written.agreement, notes=written.notes)


def _threshold(name: str, layout: Layout, wanted: float | str | None) -> float | None:
    """Return the client's threshold c, 0 < c < 1; None: probabilities stay as they are."""
    if wanted is None:
        return layout.threshold
    if layout.threshold is None:
        raise InputError(f"client_threshold= has no meaning for layout={name!r}; leave it out")
    if wanted == AS_IS and layout.as_is:
        return None
    try:
        value = float(wanted)
    except ValueError:
        value = -1.0
    low, high = layout.bounds
    if not low <= value <= high:
        raise InputError(
            f"client_threshold= of layout={name!r} takes a number from {low} to {high}"
            f"{', or none' if layout.as_is else ''}; got {wanted}"
        )
    return value
