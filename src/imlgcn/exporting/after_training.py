"""The exported file that training writes by itself, so that tagging is fast from the start."""

from __future__ import annotations

import time
from pathlib import Path

from imlgcn.data.dataset import Dataset
from imlgcn.exporting import ExportRefused, export
from imlgcn.exporting.int8_gain import Int8Gain, TooSlowError, int8_gain
from imlgcn.exporting.one_file import MAX_DROP
from imlgcn.extras import installed
from imlgcn.numbers import number, plural, signed
from imlgcn.progress import SILENT, Progress
from imlgcn.stopping import remember
from imlgcn.tagger import Tagger

NEEDS = ("onnx", "onnxscript", "onnxruntime")


def export_trained(
    tagger: Tagger, data: Dataset | None = None, progress: Progress = SILENT
) -> None:
    """Write ``model.onnx`` into the folder of a new tagger, where its libraries are installed.

    The proof is that of :func:`imlgcn.exporting.export`. Whatever goes wrong is said and ends
    nothing: the tagger is complete, and tags with PyTorch. With the ``data`` it was trained on, and
    where somebody listens, one more line says what 8-bit integers would bring.
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
        progress.say(f"warning: not exported, so tagging stays with PyTorch: {_first_line(error)}")
    else:
        seconds = number(time.perf_counter() - started)
        progress.say(
            f"exported: {done.path.name}, {number(done.size / 1e6)} MB, with the tags of the "
            f"trained network, in {seconds} s; predict and serve use it"
        )
        if data is not None and progress is not SILENT:
            remember("the tagger is complete, with the exported file")
            say_int8_gain(tagger, done.path, data, progress)


def say_int8_gain(tagger: Tagger, whole: Path, data: Dataset, progress: Progress) -> None:
    """Say in one line what 8-bit integers would bring; nothing where that cannot be judged."""
    started = time.perf_counter()
    command = f"`imlgcn export {tagger.path} --int8`"
    try:
        gain = int8_gain(tagger, whole, data)
    except TooSlowError as slow:
        progress.say(f"8-bit integers: not tried here ({slow}); {command} does it")
        return
    except Exception as error:  # a network that the quantiser does not know: only a hint is lost
        progress.say(f"8-bit integers: they cannot be tried here: {_first_line(error)}")
        return
    if gain is None:
        return
    seconds = number(time.perf_counter() - started)
    progress.say(f"8-bit integers: {describe_gain(gain, command)} (tried in {seconds} s)")


def describe_gain(gain: Int8Gain, command: str) -> str:
    """Return what they would bring, with float32 beside it, and the command; or why not.

    >>> text = describe_gain(Int8Gain(90.0, 180.0, 71.6, 71.3, 457, "test"), "`make it`")
    >>> text.partition(", ")[0]
    'about 2.0x faster here (90 to 180 images/s a core)'
    >>> text.partition(", ")[2]
    '−0.3 mAP (71.6 to 71.3 on 457 images of test): `make it`'
    """
    judged = (
        f"{signed(-gain.drop)} mAP ({number(gain.mAP_before)} to {number(gain.mAP)} on "
        f"{plural(gain.images, 'image')} of {gain.split})"
    )
    rates = f"({number(gain.rate_before, 0)} to {number(gain.rate, 0)} images/s a core)"
    if gain.drop > MAX_DROP:
        return f"no gain, they cost too much: {judged}"
    if gain.rate <= gain.rate_before:
        return f"no gain, they are not faster on this machine {rates}"
    return f"about {number(gain.rate / gain.rate_before)}x faster here {rates}, {judged}: {command}"


def _first_line(error: Exception) -> str:
    return (str(error).strip().partition("\n")[0] or type(error).__name__)[:200]
