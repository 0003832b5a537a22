"""Read the images of a request within the limits. Nothing in a request names a file here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from imlgcn.data.decode_pool import LimitError, RefusedError
from imlgcn.errors import InputError
from imlgcn.serve.batcher import QueueFullError
from imlgcn.serve.errors import ApiError
from imlgcn.serve.json_body import images_in_json
from imlgcn.serve.limits import FILE_NAME
from imlgcn.serve.settings import ServeSettings

JSON = "application/json"
# what clients call a body of bytes; the second is curl's word for --data-binary
RAW_TYPES = ("", "application/octet-stream", "application/x-www-form-urlencoded", JSON)
WHAT = (
    "send one as the body (content type image/jpeg or the like), several as the files of a "
    'multipart form, or JSON: {"image": "<base64>"}'
)


class Upload(NamedTuple):
    """One image as received, with the name and the form's field that the client gave it."""

    name: str
    data: bytes
    field: str = ""


class _InMemory(MultiPartParser):
    """A parser whose files stay in memory, where all are bounded: images never touch the disk."""

    spool_max_size = 0  # Python's word for no limit


class HeldBytes:
    """Limits the bytes of all bodies in memory, however many clients send at once."""

    def __init__(self, most: int) -> None:
        self._left = most

    @contextmanager
    def reserve(self) -> Iterator[Callable[[int], bool]]:
        """Yield a function that reserves a number of bytes and returns whether they fit.

        They are released when the block ends.
        """
        taken = 0

        def take(count: int) -> bool:
            nonlocal taken
            if count > self._left:
                return False
            self._left -= count
            taken += count
            return True

        try:
            yield take
        finally:
            self._left += taken


async def read_uploads(
    request: Request, settings: ServeSettings, take: Callable[[int], bool]
) -> list[Upload]:
    """Return the images of a body: the files of a form, those of JSON, or else the whole body.

    ``take`` reserves room for the bytes of each chunk before it is kept.

    Raises:
        ApiError: 408 too slow, 413 too many bytes, 422 too many images or none, 400 a malformed
            form or JSON, 415 another content type.
        QueueFullError: there is no room.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.startswith("multipart/"):
        uploads = await _read_form(request, settings, take)
    elif not kind.startswith("image/") and kind not in RAW_TYPES:
        await discard_body(request, settings)
        raise ApiError(
            415, "content_type", f"the content type {kind!r} is not taken for images; {WHAT}"
        )
    else:
        data = await read_body(request, settings, take)
        uploads = [Upload("", data)] if data else []
        if data and kind == JSON:
            uploads = await _of_json(data, settings, take)
    if not uploads:
        raise ApiError(
            422,
            "no_image",
            f"the request holds no image; {WHAT}",
        )
    return uploads


async def read_body(
    request: Request,
    settings: ServeSettings,
    take: Callable[[int], bool],
    most: int | None = None,
) -> bytes:
    """Return a whole body; ``take`` as for `read_uploads`, at ``most`` so many bytes.

    Raises:
        ApiError: 408 too slow, 413 too many bytes.
        QueueFullError: there is no room.
    """
    return b"".join([chunk async for chunk in _stream(request, settings, take, most)])


async def _of_json(
    body: bytes, settings: ServeSettings, take: Callable[[int], bool]
) -> list[Upload]:
    images = await asyncio.to_thread(images_in_json, body)
    if len(images) > settings.max_files:
        raise _too_many(settings)
    if not take(sum(map(len, images))):
        raise QueueFullError("the server's memory for uploads is full")
    return [Upload("", data) for data in images]


def _too_many(settings: ServeSettings) -> ApiError:
    message = f"a request may have at most {settings.max_files} images; send several requests"
    return ApiError(422, "too_many_images", message)


async def _read_form(
    request: Request, settings: ServeSettings, take: Callable[[int], bool]
) -> list[Upload]:
    stream = _stream(request, settings, take)
    parser = _InMemory(request.headers, stream, max_files=settings.max_files, max_fields=16)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            raise _too_many(settings) from None
        raise ApiError(400, "bad_form", f"the form cannot be read: {error.message}") from None
    except UnicodeError:  # some encodings that a client may name, such as punycode, raise it
        message = "the form cannot be read: a name of a file is not in the encoding that it says"
        raise ApiError(400, "bad_form", message) from None
    try:
        return [
            Upload(_checked_name(part.filename or ""), await part.read(), field)
            for field, part in form.multi_items()
            if isinstance(part, UploadFile)
        ]
    finally:
        await form.close()


def _checked_name(name: str) -> str:
    """Return the name of a file as UTF-8 can write it: a client may choose how it is decoded."""
    if len(name) > FILE_NAME:
        message = f"the name of a file has {len(name):,} characters, and {FILE_NAME:,} are taken"
        raise ApiError(422, "too_long", message)
    return name.encode(errors="replace").decode()


async def _stream(
    request: Request,
    settings: ServeSettings,
    take: Callable[[int], bool],
    most: int | None = None,
) -> AsyncGenerator[bytes, None]:
    most = min(most or settings.max_bytes, settings.max_bytes)
    announced = request.headers.get("content-length", "0")
    size = int(announced) if announced.isdecimal() else 0
    fits = True
    if size <= most:
        size = 0
        async for chunk in _in_time(request, settings):
            if (size := size + len(chunk)) > most:
                break
            fits = fits and take(len(chunk))
            if fits:  # else the rest is read and dropped: a client cut off sees no response
                yield chunk
    if not fits:
        raise QueueFullError("the server's memory for uploads is full")
    if size > most:
        raise ApiError(
            413,
            "too_large",
            f"this takes {most / 1e6:g} MB at most; send less, or several requests",
        )


async def _in_time(request: Request, settings: ServeSettings) -> AsyncGenerator[bytes, None]:
    """Yield the chunks of a body that arrives fast enough, however it is cut into pieces."""
    chunks = request.stream()
    clock = asyncio.get_running_loop().time
    started, size = clock(), 0
    while True:
        allowed = min(settings.body_seconds + size / settings.body_rate, settings.timeout)
        try:
            async with asyncio.timeout_at(started + allowed):
                chunk = await anext(chunks, None)
        except TimeoutError:
            message = (
                f"the body arrived too slowly: {size:,} bytes in {clock() - started:.0f} seconds; "
                "send a smaller image"
            )
            raise ApiError(408, "too_slow", message, {"connection": "close"}) from None
        if chunk is None:
            return
        size += len(chunk)
        yield chunk


async def discard_body(request: Request, settings: ServeSettings) -> None:
    """Read and drop a body: a client that is cut off while sending sees no response."""
    async for _ in _stream(request, settings, lambda count: True):
        pass


def image_refusal(error: InputError, upload: Upload, settings: ServeSettings) -> ApiError:
    """Return the error for an image that could not be decoded."""
    name = upload.name or "image"
    reason = str(error).removeprefix("image: ")
    if isinstance(error, LimitError):
        return ApiError(422, "too_costly", f"{name}: {reason}; save it anew, or smaller")
    info = error.info if isinstance(error, RefusedError) else None
    if info is None:
        return ApiError(415, "not_an_image", f"{name}: {reason}")
    if info.width * info.height > settings.max_pixels:
        return ApiError(
            422,
            "too_many_pixels",
            f"{name}: {info.width} x {info.height} pixels are more than the "
            f"{settings.max_pixels / 1e6:g} megapixels this server accepts; make the image smaller",
        )
    return ApiError(422, "damaged_image", f"{name}: cannot be decoded ({reason})")
