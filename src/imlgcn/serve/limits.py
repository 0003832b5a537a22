"""How deep, how long and how many: the bounds of what a request may say besides its images.

They hold before a text is parsed, where parsing would cost: 64 MB of JSON can be 30 million lists.
"""

from __future__ import annotations

import re

from imlgcn.serve.errors import ApiError

QUERY = 16_384  # bytes; uvicorn takes no longer head of a request
DEPTH = 8  # of JSON; nothing here needs more than 3
VALUES = 50_000  # of JSON: 8,000 images to choose from are 24,000
ESCAPES = 4_000_000  # backslashes in JSON: some programs write / in base64 as \/
TEXT = 8_000_000  # bytes of a label table, or of answers
HEADER = 10_000  # bytes of a table's first line
SPARE_LINES = 200  # of a label table, besides one for each label
LABEL = 200  # characters of a new label's name, as on the page
FILE_NAME = 4096  # characters of a file's name in a form
POINT = 64  # characters of an operating point
COUNT = 1_000_000  # of tags or images that are asked for

STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
OPENS, CLOSES = "[{", "]}"


def check_query(query: bytes) -> None:
    """Refuse a query that is too long.

    Raises:
        ApiError: 422.
    """
    if len(query) > QUERY:
        message = f"the parameters take {len(query):,} bytes, and {QUERY:,} are taken at most"
        raise ApiError(422, "too_long", message)


def checked_json(
    body: bytes, what: str = "the body", code: str = "bad_json", depth: int = DEPTH
) -> str:
    """Return the text of JSON that is safe to parse; ``what`` and ``code`` are for its errors.

    Raises:
        ApiError: 400, it is not UTF-8; 413, it has too many values; 422, it nests too deep.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ApiError(400, code, f"{what} is not JSON: it is not UTF-8 text") from None
    if text.count('"') > 8 * VALUES or text.count("\\") > ESCAPES:
        raise _too_many(what)
    bare = STRING.sub("", text)
    if sum(map(bare.count, ",[{")) > VALUES or sum(map(bare.count, CLOSES)) > VALUES:
        raise _too_many(what)
    deep = 0
    for sign in re.findall(r"[\[{\]}]", bare):
        deep += 1 if sign in OPENS else -1
        if deep > depth:
            raise ApiError(422, code, f"{what} nests deeper than {depth} lists and objects")
    return text


def check_table(data: bytes, what: str, rows: int | None = None) -> None:
    """Refuse a table with a header beyond all measure, or with more than so many ``rows``.

    Raises:
        ApiError: 422.
    """
    lines = data.count(b"\n") + data.count(b"\r")
    if rows is not None and lines > 2 * rows + SPARE_LINES:  # a line may end in two signs
        raise ApiError(
            422, "too_long", f"{what} has {lines:,} lines, and there are {rows:,} labels"
        )
    header = len(re.split(rb"[\n\r]", data.lstrip(), maxsplit=1)[0])
    if header > HEADER:
        message = f"{what}: its first line has {header:,} bytes, and {HEADER:,} are taken at most"
        raise ApiError(422, "too_long", message)


def _too_many(what: str) -> ApiError:
    message = f"{what} holds more than {VALUES:,} values; send several requests"
    return ApiError(413, "too_large", message)
