"""Labels of the served tagger added, changed and taken back: off unless asked for.

The functions work for seconds and write into the tagger folder: they run in a thread, one at a
time. Uploaded images are decoded by the server's decode pool, and never are files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from imlgcn.errors import InputError
from imlgcn.files import content_number
from imlgcn.serve.current import public
from imlgcn.serve.errors import LOG, ApiError
from imlgcn.serve.service import Service
from imlgcn.serve.uploads import Upload, image_refusal

if TYPE_CHECKING:
    from imlgcn.growing.examples import DecodedFile

ABSENT = "not"  # the name of a form's files that do not show the label


class Example(NamedTuple):
    """An uploaded image, decoded, what the client calls it, and whether it shows the label."""

    image: DecodedFile
    name: str
    shows: bool


def check(service: Service) -> None:
    """Refuse changes unless the server was started for them.

    Raises:
        ApiError: 403.
    """
    if not service.settings.grow:
        message = "this server does not change its tagger; start it with --grow if it should"
        raise ApiError(403, "not_growing", message)


def examples(uploads: Sequence[Upload], service: Service) -> list[Example]:
    """Decode uploaded images.

    Raises:
        ApiError: one cannot be decoded.
    """
    from imlgcn.growing.examples import DecodedFile

    found = []
    for upload in uploads:
        try:
            pixels = service.decode(upload.data)
        except InputError as error:
            raise image_refusal(error, upload, service.settings) from None
        content = content_number(hashlib.sha256(upload.data).digest())
        image = DecodedFile(pixels, content)
        found.append(Example(image, upload.name or "image", upload.field != ABSENT))
    return found


def add(service: Service, name: str, images: Sequence[Example]) -> dict[str, Any]:
    """Teach the tagger a label and return what to expect of it, as JSON.

    Raises:
        ApiError: 422, a name or images that it cannot be learnt from; 500, the folder cannot be
            written.
    """
    from imlgcn.growing import NewLabel, add_labels, sentence

    numbered = {Path(f"{number:04}"): image for number, image in enumerate(images)}
    shown, other = (
        tuple(path for path, image in numbered.items() if image.shows is wanted)
        for wanted in (True, False)
    )
    names = {path: image.name for path, image in numbered.items()}
    decoded = {path: image.image for path, image in numbered.items()}
    try:
        label = NewLabel(name, shown, other)
        _, (added,) = add_labels(service.tagger.path, [label], names=names, decoded=decoded)
    except (InputError, OSError) as error:
        raise refusal(error, service, "not_added") from None
    return {
        "label": added.name,
        "images": added.images,
        "expectation": sentence(added),
        "expected_AP": added.expectation.AP,
    }


def remove(service: Service, labels: Sequence[str]) -> dict[str, Any]:
    """Take labels out of the tagger and return what was done, as JSON.

    Raises:
        ApiError: 422, an unknown label, or all of them; 500, the folder cannot be written.
    """
    from imlgcn.growing import remove_labels

    return _edited(service, lambda path: remove_labels(path, labels))


def rename(service: Service, label: str, name: str) -> dict[str, Any]:
    """Give a label another name and return what was done, as JSON.

    Raises:
        ApiError: 422, an unknown label, or a name that is taken; 500, as for `remove`.
    """
    from imlgcn.growing import rename_label

    return _edited(service, lambda path: rename_label(path, label, name))


def merge(service: Service, labels: Sequence[str], into: str) -> dict[str, Any]:
    """Make one label of several and return what was done, as JSON.

    Raises:
        ApiError: 422, fewer than two labels, an unknown one, or a name that another has; 500, as
            for `remove`.
    """
    from imlgcn.growing import merge_labels

    return _edited(service, lambda path: merge_labels(path, labels, into))


def _edited(service: Service, edit: Callable[[Path], object]) -> dict[str, Any]:
    from imlgcn.growing import changes

    try:
        edit(service.tagger.path)
        return {"done": changes(service.tagger.path)[-1].what}
    except (InputError, OSError) as error:
        raise refusal(error, service, "not_changed") from None


def take_back(service: Service) -> dict[str, Any]:
    """Take the last change of the tagger's labels back and return what it was, as JSON.

    Raises:
        ApiError: 409, there is none; 500, the folder cannot be written.
    """
    from imlgcn.growing import changes, undo

    path = service.tagger.path
    if not changes(path):
        raise ApiError(409, "nothing_to_undo", "there is no change of labels to take back")
    try:
        return {"taken_back": undo(path).what}
    except (InputError, OSError) as error:
        raise refusal(error, service, "not_undone") from None


def refusal(error: InputError | OSError, service: Service, code: str) -> ApiError:
    """Return why the tagger was not changed: 422 for a mistake, 500 for a folder that is closed."""
    if isinstance(error, OSError):
        LOG.error("the tagger folder cannot be written", exc_info=error)
        why = error.strerror or type(error).__name__
        return ApiError(500, "not_written", f"the tagger folder cannot be written: {why}")
    return ApiError(422, code, public(error, service))
