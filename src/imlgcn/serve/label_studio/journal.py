"""What people have submitted in Label Studio, kept in the tagger's folder before it is confirmed.

One line of JSON for each event, written to the disk before the answer: a server that is killed
afterwards learns from it when it starts again. The file says which labels people gave which image,
by the address of the image in Label Studio; no image is in it. The last event of an annotation
counts, so one that is delivered twice counts once, and one that was deleted no longer, by itself or
with its task.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imlgcn.errors import InputError
from imlgcn.parsing import ParseError, parse_json
from imlgcn.tagger.folder import JOURNAL

UNKNOWN = -1


@dataclass
class Submitted:
    """One annotation: of which image and task, what it says (label -> 1 or 0); none if deleted."""

    image: str
    answers: dict[str, int]
    task: int | None


class Journal:
    """The file of events, and what they say together; any thread may call it."""

    def __init__(self, folder: Path) -> None:
        """Read the journal of a tagger's folder.

        Raises:
            InputError: a line of it is damaged.
        """
        self.path = folder / JOURNAL
        self._lock = threading.Lock()
        self._annotations: dict[str, Submitted] = {}
        self._images: dict[str, str] = {}  # the name by which the tagger knows it, by address
        self._said: dict[str, set[str]] = {}  # labels that were ever said of an image, by address
        self._tasks: dict[str, int] = {}
        self._size = 0  # bytes of whole lines
        if self.path.is_file():
            self._read()

    def submit(
        self, annotation: str, image: str, task: int | None, answers: Mapping[str, int]
    ) -> bool:
        """Keep an annotation, new or changed; return whether it says anything new."""
        with self._lock:
            old = self._annotations.get(annotation)
            if old is not None and (old.image, old.answers) == (image, dict(answers)):
                return False
            event = {"annotation": annotation, "image": image, "task": task}
            self._write([{**event, "answers": dict(answers)}])
            return True

    def withdraw(self, *annotations: str) -> int:
        """Keep that annotations are gone; return how many of them said something."""
        with self._lock:
            return self._withdraw(annotations)

    def withdraw_tasks(self, tasks: Collection[int], of: str = "") -> int:
        """Keep that tasks are gone with their annotations; return how many said something.

        Of the annotations whose names begin with ``of``, those of one project; else of all: in one
        Label Studio no two tasks have the same number.
        """
        with self._lock:
            return self._withdraw(
                [n for n, a in self._annotations.items() if a.task in tasks and n.startswith(of)]
            )

    def _withdraw(self, annotations: Iterable[str]) -> int:
        found = {name: self._annotations.get(name) for name in annotations}
        gone = {name: old.image for name, old in found.items() if old and old.answers}
        self._write([{"annotation": n, "image": image, "answers": {}} for n, image in gone.items()])
        return len(gone)

    def name(self, image: str, name: str) -> None:
        """Keep the name by which the tagger knows an image."""
        with self._lock:
            if self._images.get(image) != name:
                self._write([{"image": image, "name": name}])

    def named(self, image: str) -> str | None:
        """Return the name of an image; None where it was never had."""
        with self._lock:
            return self._images.get(image)

    def wanted(self) -> dict[str, dict[str, int]]:
        """Return what is to be learnt: address -> label -> 1, 0, or -1.

        -1 is a label on which people disagree, or that nobody says any longer.
        """
        with self._lock:
            found: dict[str, dict[str, int]] = {
                image: dict.fromkeys(sorted(labels), UNKNOWN)
                for image, labels in self._said.items()
            }
            seen: set[tuple[str, str]] = set()
            for one in self._annotations.values():
                for label, value in one.answers.items():
                    values = found[one.image]
                    differs = (one.image, label) in seen and values[label] != value
                    values[label] = UNKNOWN if differs else value
                    seen.add((one.image, label))
            return found

    def task(self, image: str) -> int | None:
        """Return the number of a task of an image."""
        with self._lock:
            return self._tasks.get(image)

    def _write(self, events: Sequence[dict[str, Any]]) -> None:
        if not events:
            return
        lines = b"".join(json.dumps(e, ensure_ascii=False).encode() + b"\n" for e in events)
        with self.path.open("ab") as file:
            if file.tell() > self._size:  # a writer was killed within a line: it was not confirmed
                file.truncate(self._size)
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        self._size += len(lines)
        for event in events:
            self._take(event)

    def _read(self) -> None:
        content = self.path.read_bytes()
        self._size = content.rfind(b"\n") + 1
        for number, line in enumerate(content[: self._size].splitlines(), 1):
            try:
                self._take(_event(line))
            except (ParseError, UnicodeDecodeError) as error:
                raise InputError(
                    f"{self.path}, line {number} is damaged ({error}): delete the line, or the "
                    "file to forget what Label Studio has sent"
                ) from None

    def _take(self, event: dict[str, Any]) -> None:
        image, task = event["image"], event.get("task")
        if "name" in event:
            self._images[image] = event["name"]
            return
        self._said.setdefault(image, set()).update(event["answers"])
        if task is not None:
            self._tasks[image] = task
        elif (old := self._annotations.get(event["annotation"])) is not None:
            task = old.task
        self._annotations[event["annotation"]] = Submitted(image, event["answers"], task)


def _event(line: bytes) -> dict[str, Any]:
    """Return what a line says.

    Raises:
        ParseError, UnicodeDecodeError: it is damaged.
    """
    event = parse_json(line.decode())
    if not isinstance(event, dict) or not isinstance(event.get("image"), str):
        raise ParseError("it names no image")
    answers, task = event.get("answers"), event.get("task")
    named = isinstance(event.get("name"), str)
    answered = isinstance(event.get("annotation"), str) and (task is None or isinstance(task, int))
    answered &= isinstance(answers, dict) and all(v in (0, 1) for v in answers.values())
    if not named and not answered:
        raise ParseError("it says nothing of its image")
    return event
