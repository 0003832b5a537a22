"""The certificate and key of a server that answers over https."""

from __future__ import annotations

import ssl
from pathlib import Path

from imlgcn.errors import InputError


class _AskedError(Exception):
    """The key has a passphrase."""


def check_pair(cert: Path | None, key: Path | None) -> None:
    """See that a certificate and its key can be used; None twice: there is neither.

    Raises:
        InputError: one without the other, a file that cannot be read or holds something else, a
            key of another certificate, or one with a passphrase.
    """
    if cert is None and key is None:
        return
    if cert is None or key is None:
        raise InputError("a certificate and its key belong together: give both cert= and key=")
    for path in (cert, key):
        try:
            path.open("rb").close()
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        server_context(cert, key)
    except _AskedError:
        message = f"{key}: has a passphrase, which nobody could enter; give a key without one"
        raise InputError(message) from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise InputError(f"{key} is not the key of the certificate {cert}") from None
        raise InputError(
            f"{cert} and {key}: expected a certificate and its key in PEM files (-----BEGIN ...); "
            f"{error.reason or error}"
        ) from None


def server_context(cert: Path, key: Path) -> ssl.SSLContext:
    """Return what a server with this pair encrypts with; for errors, see `check_pair`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key, password=_no_passphrase)
    return context


def _no_passphrase() -> str:
    raise _AskedError
