"""The options for Label Studio, from the command line and the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from imlgcn.errors import InputError
from imlgcn.serve.label_studio.images import checked_url

VARIABLE = "LABEL_STUDIO_API_KEY"  # as Label Studio's own programs call it
LONGEST = 4096  # characters of a token; personal ones have some 300


def studio_options(
    is_on: bool, url: str | None, token_file: Path | None, files: Path | None
) -> dict[str, Any]:
    """Return the settings of `ServeSettings` for Label Studio.

    Raises:
        InputError: an option without ``is_on``, no such folder, an address that is none, or a
            token that cannot be read.
    """
    if not is_on:
        if (url, token_file, files) != (None, None, None):
            raise InputError(
                "label_studio_url=, label_studio_token_file= and label_studio_files= go with "
                "label_studio=True; give it as well"
            )
        return {}
    if url is not None:
        url = checked_url(url)
    if files is not None and not files.is_dir():
        raise InputError(f"label_studio_files= takes a folder; there is none at {files}")
    token = _token(token_file)
    if token_file is not None and url is None:
        raise InputError("label_studio_token_file= goes with label_studio_url=; give both")
    return {
        "label_studio": True,
        "label_studio_url": url,
        "label_studio_token": token,
        "label_studio_files": files,
    }


def _token(file: Path | None) -> str | None:
    where, text = f"${VARIABLE}", os.environ.get(VARIABLE)
    if file is not None:
        try:
            with file.open(encoding="utf-8") as opened:
                where, text = str(file), opened.read(LONGEST + 1)
        except OSError as error:
            raise InputError(f"{file}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise InputError(f"{file} is not text; expected a token in one line") from None
    if text is None:
        return None
    token = text.strip()
    if not 0 < len(token) < LONGEST or not all("!" <= sign <= "~" for sign in token):
        raise InputError(f"{where}: expected Label Studio's access token, in one line")
    return token
