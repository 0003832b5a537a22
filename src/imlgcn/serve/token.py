"""The token that clients of a server need, where it has one, and who may do without."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from collections.abc import Collection
from pathlib import Path

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.types import Scope

from imlgcn.errors import InputError
from imlgcn.serve.errors import ApiError
from imlgcn.serve.prefix import own_path

VARIABLE = "IMLGCN_TOKEN"
SHORTEST, LONGEST = 16, 1024  # characters
ASK_BROWSER = {"/audit"}  # a page that holds data: the browser itself asks, with a password field
HEALTH = {"/healthz", "/readyz", "/health", "/openapi.json"}
HOW = "python -c 'import secrets; print(secrets.token_urlsafe())' makes one"


def read_token(file: Path | None) -> str | None:
    """Return the token in a file, else that of the environment, None without either.

    Raises:
        InputError: the file cannot be read, or it is not a token.
    """
    if file is None:
        given = os.environ.get(VARIABLE)
        return None if given is None else checked(given, f"${VARIABLE}")
    try:
        with file.open(encoding="utf-8") as opened:
            return checked(opened.read(LONGEST + 2), str(file))
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{file} is not text; expected a token in one line") from None


def checked(text: str, where: str) -> str:
    """Return a token without the line's end; the message of an error does not repeat it.

    Raises:
        InputError: too short or too long, or with spaces or signs that a header cannot hold.
    """
    token = text.strip()
    if not SHORTEST <= len(token) <= LONGEST or not all("!" <= sign <= "~" for sign in token):
        raise InputError(
            f"{where}: expected a token of {SHORTEST} to {LONGEST} ASCII characters without "
            f"spaces; got {len(token)} characters; {HOW}"
        )
    return token


class Access:
    """Decides whether a request has the token that it needs."""

    def __init__(self, token: SecretStr | None, free: Collection[str]) -> None:
        """Ask for ``token`` (None: for nothing), but not at the paths ``free`` and for health."""
        self._token = None if token is None else token.get_secret_value().encode()
        self._free = {*free, *HEALTH}

    def refusal(self, headers: Headers, scope: Scope) -> ApiError | None:
        """Return why a request is not answered; None where it is."""
        path = own_path(scope)
        if self._token is None or path in self._free or self._is_right(headers):
            return None
        scheme = "Basic" if path in ASK_BROWSER else "Bearer"
        asks = {"www-authenticate": f'{scheme} realm="imlgcn", charset="UTF-8"'}
        message = "this server needs its token: send it in a header, Authorization: Bearer TOKEN"
        return ApiError(401, "no_token", message, asks)

    def _is_right(self, headers: Headers) -> bool:
        """Compare what a request has with the token, in a time that tells nothing."""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        said = given.strip().encode("latin-1", "replace")
        if scheme.lower() == "basic":  # user and password; any user
            try:
                said = base64.b64decode(said, validate=True).partition(b":")[2]
            except binascii.Error:
                return False
        elif scheme.lower() != "bearer":
            return False
        assert self._token is not None
        return hmac.compare_digest(said, self._token)
