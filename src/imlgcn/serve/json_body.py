"""Images in a JSON body: ``{"image": "..."}`` or ``{"images": ["...", "..."]}``, in base64."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from imlgcn.parsing import ParseError, parse_json
from imlgcn.serve.errors import ApiError
from imlgcn.serve.limits import checked_json

DATA_URL = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)
WHAT = 'send {"image": "<base64>"} or {"images": ["<base64>", ...]}; data: URLs are taken, too'


def images_in_json(body: bytes) -> list[bytes]:
    """Return the images of a JSON body, decoded from base64 or from ``data:`` URLs.

    Raises:
        ApiError: 400 no JSON, 413 too many values, 422 another content, or text that is not base64.
    """
    text = checked_json(body)
    try:
        content = parse_json(text)
    except ParseError:
        raise ApiError(400, "bad_json", f"the body is not JSON; {WHAT}") from None
    return [decoded_image(text, number) for number, text in enumerate(_texts(content), 1)]


def _texts(content: Any) -> list[Any]:
    keys = content.keys() if isinstance(content, dict) else None
    if keys == {"image"}:
        return [content["image"]]
    if keys == {"images"} and isinstance(content["images"], list):
        return list(content["images"])
    raise ApiError(422, "bad_json", f"the JSON holds no images as they are expected; {WHAT}")


def decoded_image(text: Any, number: int) -> bytes:
    """Return image ``number`` of a body, from base64 or a ``data:`` URL.

    Raises:
        ApiError: 422, it is not base64.
    """
    if not isinstance(text, str):
        raise ApiError(422, "bad_json", f"image {number} is not text; {WHAT}")
    if re.match(r"https?://", text, re.IGNORECASE):
        message = f"image {number} is an address, and this server fetches nothing; {WHAT}"
        raise ApiError(422, "bad_base64", message)
    plain = DATA_URL.sub("", text, count=1) if text[:5].lower() == "data:" else text
    try:
        return base64.b64decode("".join(plain.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        message = f"image {number} is not base64 ({error}); {WHAT}"
        raise ApiError(422, "bad_base64", message) from None
