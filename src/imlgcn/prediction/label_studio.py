"""Tags as pre-annotations for Label Studio: a JSON list of tasks, https://labelstud.io.

A labelling interface of the project that has
``<Choices name="labels" toName="image" choice="multiple">`` and ``<Image name="image"
value="$image"/>`` shows them ticked. Images are named as its local storage does, by their absolute
path: start it with ``LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true`` and
``LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT=/``, and add the folder as a local storage.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from imlgcn.errors import InputError
from imlgcn.files import atomic_path
from imlgcn.prediction.rows import Row, Write

OURS = '[\n{"data": {"image": "/data/local-files/'  # the start of a file of ours


def check_tasks_file(path: Path) -> None:
    """Refuse a file that tasks cannot be written to, before any work is done."""
    if path.suffix.lower() != ".json" or path.is_dir():
        raise InputError(f"{path}: Label Studio's tasks are written to a file ending in .json")
    if path.is_file() and not _is_ours(path):
        raise InputError(f"{path} exists and holds no pre-annotations; give another name")


def _is_ours(path: Path) -> bool:
    """Return whether the file starts as one that `open_tasks` wrote."""
    with path.open(encoding="utf-8", errors="replace") as file:
        start = file.read(64)
    return not start.strip() or start.startswith((OURS, "[]\n"))


@contextmanager
def open_tasks(path: Path, model: str) -> Iterator[Write]:
    """Yield the function that writes one image's rows as a task; files with an error are left out.

    ``model`` names the tagger in Label Studio. The file takes its name when the block ends.
    """
    check_tasks_file(path)
    with (
        atomic_path(path, exclusive=True) as temporary,
        temporary.open("w", encoding="utf-8") as stream,
    ):
        before = "[\n"

        def write(rows: Sequence[Row]) -> None:
            nonlocal before
            if rows[0].error is None:
                stream.write(before + json.dumps(_task(rows, model), ensure_ascii=True))
                before = ",\n"

        yield write
        stream.write("\n]\n" if before == ",\n" else "[]\n")


def _task(rows: Sequence[Row], model: str) -> dict[str, Any]:
    tags = [row for row in rows if row.is_tag]
    prediction: dict[str, Any] = {"model_version": model, "result": []}
    if tags:
        choices = {"choices": [row.label for row in tags]}
        answer = {"from_name": "labels", "to_name": "image", "type": "choices", "value": choices}
        prediction["result"].append(answer)
        # its data manager sorts by this: the images with the least certain tags come first
        prediction["score"] = min(row.probability for row in tags if row.probability is not None)
    return {"data": {"image": image_address(rows[0].image)}, "predictions": [prediction]}


def image_address(image: str | Path) -> str:
    """Return the address under which Label Studio's local storage finds an image file."""
    location = os.fsencode(os.path.abspath(image)).lstrip(b"/")
    return f"/data/local-files/?d={quote(location)}"
