"""A tagger for other programs: one file, or the folder that one of them loads.

Kept only if its scores are those of the trained network.
"""

from __future__ import annotations

from pathlib import Path

from imlgcn.arguments import also_called
from imlgcn.data.dataset import Dataset
from imlgcn.errors import InputError
from imlgcn.exporting.agreement import ExportRefused
from imlgcn.exporting.formats import FORMATS
from imlgcn.exporting.one_file import MAX_DROP, Exported, export_file, metadata_of
from imlgcn.progress import SILENT, Progress
from imlgcn.tagger import Tagger

__all__ = ["FORMATS", "ExportRefused", "Exported", "export", "metadata_of"]


@also_called(no_maps="not maps")
def export(
    tagger: Tagger | str | Path,
    format: str = "onnx",
    out: str | Path | None = None,
    *,
    size: int | None = None,
    maps: bool | None = None,
    int8: bool = False,
    calibration: Dataset | str | Path | None = None,
    max_drop: float = MAX_DROP,
    layout: str | None = None,
    client_threshold: float | str | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> Exported:
    """Write a tagger as one self-contained file, or as a folder, proven by the trained network.

    The file takes pixels uint8 ``(B, S, S, 3)`` (and, of a head that uses them, known labels int8
    ``(B, L)``) and gives ``logits`` and calibrated ``probabilities``, both ``(B, L)``; the
    tagger's ``model.json`` and label table are in its metadata. It is opened again and must agree
    on 8 real images, at batch sizes 1 and 3.

    Args:
        tagger: a tagger folder.
        format: ``onnx``, ``openvino`` (a zip) or ``torch`` (a program for `torch.export.load`).
        out: the file; None writes it into the folder, where prediction finds it.
        size: network input size in pixels; None is the tagger's.
        maps: a third output ``maps`` ``(B, L, h, w)``, the activation maps. None: in the tagger's
            folder if the head has them, so that the page shows them; not in a file elsewhere, in
            8-bit integers, or by occlusion, which makes tagging slower.
        int8: compute in 8-bit integers: about twice as fast, a quarter of the size.
        calibration: data whose images it is compared on; by default the training data, if it is
            still there, or Open Clip Art, which never serves ``int8``: there, ranges are fitted on
            the split ``train`` and mAP is measured on ``val``, or on ``test`` where val was learnt.
        max_drop: how many points of mAP (percent) ``int8`` may cost.
        layout: instead of one file, the folder ``out`` as another program loads it: ``photoprism``,
            ``wd14``, ``hf`` (:mod:`imlgcn.exporting.layouts`).
        client_threshold: of a layout: the one threshold that its client applies to every label;
            each label's own is mapped onto it. None: the client's usual one. ``"none"``: the
            calibrated probabilities as they are.
        overwrite: replace a folder that such an export wrote.

    Raises:
        InputError: an unknown format or layout, a runtime that is not installed, a wrong file name
            or input size, a folder that may not be replaced.
        ExportRefused: the file disagrees with the tagger or, with ``int8``, loses too much or is
            not faster on this machine; nothing is written.
    """
    opened = tagger if isinstance(tagger, Tagger) else Tagger.load(tagger)
    _refuse(["max_drop="] * (max_drop != MAX_DROP and not int8), "is for int8=True")
    if layout is None:
        _refuse(["client_threshold="] * (client_threshold is not None), "is for layout=")
        _refuse(["overwrite="] * overwrite, "is for layout=; a file is replaced without it")
        return export_file(
            *(opened, format, out),
            size=size,
            maps=maps,
            int8=int8,
            calibration=calibration,
            max_drop=max_drop,
            progress=progress,
        )
    others = {"format=": format != "onnx", "maps=": bool(maps), "int8=": int8}
    _refuse([name for name, given in others.items() if given], "is for a file, not for layout=")
    from imlgcn.exporting.layouts import write_layout

    return write_layout(
        *(opened, layout, out),
        size=size,
        client_threshold=client_threshold,
        calibration=calibration,
        overwrite=overwrite,
        progress=progress,
    )


def _refuse(names: list[str], why: str) -> None:
    if names:
        raise InputError(f"{names[0]} {why}; leave it out")
