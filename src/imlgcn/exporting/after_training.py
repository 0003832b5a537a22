"""The exported file that training writes by itself, so that tagging is fast from the start."""

from __future__ import annotations

import time

from imlgcn.exporting import ExportRefused, export
from imlgcn.extras import installed
from imlgcn.numbers import number
from imlgcn.progress import SILENT, Progress
from imlgcn.stopping import remember
from imlgcn.tagger import Tagger

NEEDS = ("onnx", "onnxscript", "onnxruntime")


def export_trained(tagger: Tagger, progress: Progress = SILENT) -> None:
    """Write ``model.onnx`` into the folder of a new tagger, where its libraries are installed.

    The proof is that of :func:`imlgcn.exporting.export`. Whatever goes wrong is said and ends
    nothing: the tagger is complete, and tags with PyTorch.
    """
    if not all(map(installed, NEEDS)):
        return
    remember(f"the tagger is complete; `imlgcn export {tagger.path}` makes it tag faster")
    started = time.perf_counter()
    try:
        done = export(tagger)
    except ExportRefused as refused:
        progress.say(f"warning: not exported, so tagging stays with PyTorch: {refused}")
    except Exception as error:  # a head or a library that the exporter does not know
        what = str(error).strip().partition("\n")[0] or type(error).__name__
        progress.say(f"warning: not exported, so tagging stays with PyTorch: {what[:200]}")
    else:
        seconds = number(time.perf_counter() - started)
        progress.say(
            f"exported: {done.path.name}, {number(done.size / 1e6)} MB, with the tags of the "
            f"trained network, in {seconds} s; predict and serve use it"
        )
