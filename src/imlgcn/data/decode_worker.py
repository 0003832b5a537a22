"""A process that only decodes: images come in on its standard input, network inputs go out.

It is started by :mod:`imlgcn.data.decode_pool`, imports numpy and Pillow and little else, and may
take so much memory, write no file and open few. What a decoder does to this process, the one that
answers requests does not notice.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
import traceback
from functools import lru_cache
from typing import Any, BinaryIO

from imlgcn.data.image_input import as_image
from imlgcn.data.images import ImageError, image_info
from imlgcn.data.thumbnails import thumbnail_of
from imlgcn.data.transforms import EvalTransform
from imlgcn.errors import InputError
from imlgcn.image_settings import ImageSettings

HEAD = struct.Struct("<IQ")  # the lengths of a message's JSON and of the bytes after it
GROWN = 384 * 2**20  # bytes; a process that once held more ends, so that the system has them back
OPEN_FILES = 64


def main(memory: int, seconds: float) -> None:
    """Answer each image on standard input until it ends.

    Args:
        memory: bytes that the process may take beyond what it holds at the start.
        seconds: for one image; the parent watches, and this is for one that is gone.
    """
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a decoder prints is not an answer
    _limit(memory)
    send(answers, {"ready": True})
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)  # decoders print what the image makes them print
    while (message := receive(sys.stdin.buffer)) is not None:
        asked, data = message
        _alarm(seconds)
        facts, pixels = _answer(data, asked)
        _alarm(None)
        facts["last"] = "limit" in facts or _held("VmHWM") > GROWN
        send(answers, facts, pixels)
        if facts["last"]:
            return


def send(file: BinaryIO, facts: dict[str, Any], data: bytes = b"") -> None:
    """Write a message: a JSON object and bytes."""
    text = json.dumps(facts).encode()
    file.write(HEAD.pack(len(text), len(data)) + text)
    file.write(data)
    file.flush()


def receive(file: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """Return the next message; None where there is no whole one."""
    head = file.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    lengths = HEAD.unpack(head)
    text, data = (file.read(length) for length in lengths)
    return (json.loads(text), data) if (len(text), len(data)) == lengths else None


def _answer(data: bytes, asked: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    transform = _transform(json.dumps(asked["image"]))
    wanted = transform.settings
    try:
        image = as_image(data, size=wanted.size, fit=wanted.fit, max_pixels=asked["max_pixels"])
        small = thumbnail_of(data).tobytes() if asked["thumbnail"] else b""
        return {"size": image.size}, transform(image).tobytes() + small
    except MemoryError:
        return {"limit": "memory"}, b""
    except InputError as error:
        if isinstance(error.__cause__, MemoryError):
            return {"limit": "memory"}, b""
        return {"error": str(error), "info": _info(data)}, b""
    except Exception:
        return {"bug": traceback.format_exc()}, b""


def _info(data: bytes) -> tuple[int, int, str] | None:
    try:
        return image_info(data)
    except ImageError:
        return None


@lru_cache(8)
def _transform(settings: str) -> EvalTransform:
    return EvalTransform(ImageSettings.model_validate_json(settings))


def _alarm(seconds: float | None) -> None:
    if hasattr(signal, "setitimer"):  # its default action ends the process, whatever it does
        signal.setitimer(signal.ITIMER_REAL, 2 * seconds if seconds else 0)


def _limit(memory: int) -> None:
    if sys.platform == "win32":
        return
    import resource

    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: 0, resource.RLIMIT_NOFILE: OPEN_FILES}
    if sys.platform == "linux":  # elsewhere the system does not enforce it
        limits[resource.RLIMIT_DATA] = _held("VmData") + memory
    for which, most in limits.items():
        hard = resource.getrlimit(which)[1]
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (allowed, allowed))


def _held(what: str) -> int:
    """Return the bytes that Linux says this process holds: VmData is what RLIMIT_DATA counts.

    Not getrusage: its peak is also that of the process that started this one.
    """
    if sys.platform != "linux":
        return 0
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        found = [line.split()[1] for line in file if line.startswith(f"{what}:")]
    return 1024 * int(found[0]) if found else 0
