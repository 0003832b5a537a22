"""The log of a run as TensorBoard reads it: event files in the run's folder, and nowhere else.

A file holds records as TensorFlow frames them (its guide "TFRecord and tf.train.Example"): eight
bytes of length and four of their checksum, then an ``Event`` and four of its checksum. tensorboardX
writes them. A row is on the disk when the call returns: a killed run has all its epochs, and a
resumed one adds a second file with what the first does not have.
"""

from __future__ import annotations

import re
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from imlgcn.errors import unknown_name
from imlgcn.extras import require
from imlgcn.parsing import ParseError, parse_json
from imlgcn.tagger.folder import EVENTS, LOG
from imlgcn.training.output import RunLog

TENSORBOARD = "tensorboard"
KINDS = (TENSORBOARD,)  # what `log=` knows
QUANTITIES = ("loss", "learning_rate", "val_mAP")  # of a row of log.jsonl; mAP in percent
FINAL = ("mAP", "micro_AP", "CF1", "OF1", "ECE", "log_loss")  # of metrics.json
LENGTH, CHECKSUM = 8, 4  # bytes
VERSION = "brain.Event:2"  # of the form of the files
FILES = "events.out.tfevents.*"
SESSION = "_hparams_/session_start_info"  # the tag of the settings, in TensorBoard's own plugin

Point = tuple[str, int]  # a tag and a step


def check_log(log: str | None) -> None:
    """Refuse an unknown ``log=``, and one whose library is missing, before any work.

    Raises:
        InputError: there is no such log, or it cannot be written here.
    """
    if log is None:
        return
    if log not in KINDS:
        raise unknown_name("log", str(log), KINDS)
    require("tensorboardX", f"log={log!r}")


class Logs:
    """The logs of a run: ``log.jsonl``, and the event files where ``kind`` asks for them."""

    def __init__(self, out: Path, kind: str | None = None, *, keep: bool = False) -> None:
        self._lines = RunLog(out, keep=keep)
        self._events = None if kind is None else EventLog(out)

    def __call__(self, row: dict[str, Any]) -> None:
        """Append one row to each."""
        self._lines(row)
        if self._events is not None:
            self._events(row)

    def finish(self, settings: Mapping[str, Any], metrics: Mapping[str, Any]) -> None:
        """End the event files with the final metrics, and the settings to compare runs by."""
        if self._events is not None:
            self._events.finish(settings, metrics)


class EventLog:
    """Writes rows of ``log.jsonl`` as scalars by epoch, such as ``loss/kernel_head``.

    What ``log.jsonl`` holds already and no event file of the folder does is written at once: the
    run has begun without this log. Rows that a resumed run repeats are written once.
    """

    def __init__(self, out: Path) -> None:
        from tensorboardX.record_writer import RecordWriter

        folder = (out / EVENTS).resolve()
        folder.mkdir(exist_ok=True)
        self._known = {point for file in folder.glob(FILES) for point in points(file)}
        # found by the start of its name; the usual one ends with that of the machine
        self._records = RecordWriter(str(folder / f"events.out.tfevents.{time.time_ns()}.imlgcn"))
        self._add(file_version=VERSION)
        for row in _rows(out / LOG):
            self(row)

    def __call__(self, row: Mapping[str, Any]) -> None:
        """Write what a row has of the quantities at its epoch; 0 is before the first."""
        stage, step = _in_tag(str(row.get("stage", "training"))), int(row.get("epoch", 0))
        found = {f"{name}/{stage}": row.get(name) for name in QUANTITIES}
        self._scalars(found, step)

    def finish(self, settings: Mapping[str, Any], metrics: Mapping[str, Any]) -> None:
        """Write the final metrics, and the settings to compare runs by; nothing comes after."""
        from tensorboardX.summary import hparams

        final = {f"{_in_tag(str(metrics['split']))}/{name}": metrics.get(name) for name in FINAL}
        final = {tag: value for tag, value in final.items() if value is not None}
        tried = {
            f"out_of_fold_mAP/{_in_tag(x['head'])}": x["mAP"] for x in metrics.get("tried", ())
        }
        self._scalars(final | tried, 0)
        if (SESSION, 0) not in self._known:
            for summary in hparams(flat(settings), final):
                self._add(summary=summary)
        self._records.flush()
        self._records.close()

    def _scalars(self, values: Mapping[str, float | None], step: int) -> None:
        from tensorboardX.proto.summary_pb2 import Summary

        for tag, value in values.items():
            if value is not None and value == value and (tag, step) not in self._known:
                self._known.add((tag, step))
                one = Summary.Value(tag=tag, simple_value=value)
                self._add(step=step, summary=Summary(value=[one]))
        self._records.flush()

    def _add(self, **content: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event

        self._records.write(Event(wall_time=time.time(), **content).SerializeToString())


def points(file: Path) -> Iterator[Point]:
    """Yield the tag and step of each value in an event file, up to where it is cut or damaged."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    content, at = file.read_bytes(), 0
    while at + LENGTH <= len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        start = at + LENGTH + CHECKSUM
        at = start + length + CHECKSUM
        if at > len(content):
            return
        record = content[start : start + length]
        if content[start + length : at] != struct.pack("<I", masked_crc32c(record)):
            return  # TensorBoard ends there, too
        event = Event.FromString(record)
        yield from ((value.tag, event.step) for value in event.summary.value)


def flat(settings: Mapping[str, Any], before: str = "") -> dict[str, str | float | bool]:
    """Return nested settings by their names as in ``--set``; those without a value are left out.

    >>> flat({"head": "mlp", "size": None, "loss": {"options": {"gamma_neg": 2.0}}})
    {'head': 'mlp', 'loss.options.gamma_neg': 2.0}
    """
    found: dict[str, str | float | bool] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{before}{key}.")
        elif value is not None:
            found[before + key] = value if isinstance(value, bool | int | float) else str(value)
    return found


def _in_tag(stage: str) -> str:
    """Return a stage as a part of a tag: TensorBoard takes letters, digits, ``_``, ``-``, ``.``."""
    return re.sub(r"[^-.\w]+", "_", stage)


def _rows(log: Path) -> Iterator[Mapping[str, Any]]:
    text = log.read_text(encoding="utf-8") if log.is_file() else ""
    for line in text.splitlines():
        try:
            row = parse_json(line)
        except ParseError:  # the last line of a run that was killed
            continue
        if isinstance(row, dict):
            yield row
