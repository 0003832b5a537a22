"""What the hub's client raises, as one sentence with what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from imlgcn.errors import InputError
from imlgcn.files import DISK_ERRORS

LOG_IN = "`hf auth login`, or the variable HF_TOKEN"
DENIED = (401, 403)
DONE = {"read": "read", "write": "written"}
OFFLINE = "the hub cannot be asked while HF_HUB_OFFLINE is set"


class HubError(InputError):
    """The hub cannot be reached, or does not give or take what was asked for."""


def is_unreachable(error: Exception) -> bool:
    """Return whether the hub gave no answer: offline, no connection, or a fault of its own."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    if isinstance(error, HfHubHTTPError):
        return status_of(error) >= 500
    return isinstance(error, OfflineModeIsEnabled | ConnectionError | TimeoutError) or (
        type(error).__module__.partition(".")[0] in ("httpx", "httpx2", "httpcore")
    )


def status_of(error: Exception) -> int:
    """Return the status of the hub's answer; 0 where there was none."""
    return int(getattr(getattr(error, "response", None), "status_code", None) or 0)


@contextmanager
def explained(what: str, right: str = "read") -> Iterator[None]:
    """Raise what the client raises as :class:`HubError`.

    Args:
        what: the repository, as the sentence names it.
        right: what is done with it: ``read`` or ``write``.
    """
    try:
        yield
    except (InputError, KeyboardInterrupt):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            raise  # of this machine; it names the file
        if (sentence := _sentence(error, what, right)) is None:
            raise
        raise HubError(sentence) from error


def _sentence(error: Exception, what: str, right: str) -> str | None:
    from huggingface_hub import errors

    known: list[tuple[type[Exception], str]] = [
        (errors.OfflineModeIsEnabled, f"{OFFLINE}: {what} is not in the cache"),
        (
            errors.GatedRepoError,
            f"{what} is gated: ask for access on its page, and log in: {LOG_IN}",
        ),
        (
            errors.RepositoryNotFoundError,
            f"the hub has no {what}, or it is private and you may not {right} it ({LOG_IN})",
        ),
        (errors.RevisionNotFoundError, f"{what} has no such revision on the hub"),
        (errors.LocalTokenNotFoundError, f"there is no token for the hub: {LOG_IN}"),
        (errors.HFValidationError, f"the hub's client refuses {what}: {_first(error)}"),
    ]
    for kind, sentence in known:
        if isinstance(error, kind):
            return sentence
    if status_of(error) in DENIED:
        return f"you may not {right} {what}: log in with a token that may ({LOG_IN})"
    if is_unreachable(error) and not status_of(error):
        return f"the hub cannot be reached ({type(error).__name__}): check the network, try again"
    if isinstance(error, RuntimeError) and isinstance(error.__cause__, Exception):  # of an upload
        return _sentence(error.__cause__, what, right)
    if isinstance(error, (OSError, ValueError, RuntimeError)):  # what the client raises itself
        return f"the hub did not let {what} be {DONE[right]}: {_first(error)}"
    return None


def _first(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
