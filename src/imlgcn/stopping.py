"""SIGTERM and Ctrl-C end a command at a safe point: what is done is kept, and it can go on.

The command line calls :func:`listen` once. Work that has something to save runs in
:func:`safe_points` and asks between its steps; everywhere else a signal ends the command at once,
as a second signal does anywhere. Without :func:`listen`, as in Python, nothing is changed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PR_SET_PDEATHSIG = 1  # of Linux's prctl.h


class Stopped(BaseException):  # KeyboardInterrupt is taken by the command-line library
    """A signal asked this process to end; ``str()`` says how to go on, if that is known."""

    def __init__(self, number: int, how_to_go_on: str = "") -> None:
        super().__init__(how_to_go_on)
        self.number = number

    @property
    def exit_code(self) -> int:
        """The usual one of a process that ends by the signal: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + self.number


class _State:
    process = 0  # that listens; it ends its copies and workers
    waiting = 0  # how many `safe_points` are open
    asked: int | None = None  # the signal that waits for a safe point
    done = ""  # how to go on, once something is done that a signal leaves as it is
    silent = False  # one of several processes: another one speaks


def listen() -> None:
    """End this process at a safe point on SIGTERM and Ctrl-C."""
    _State.process, _State.done = os.getpid(), ""
    for number in SIGNALS:
        signal.signal(number, _on_signal)


def _on_signal(number: int, frame: FrameType | None) -> None:
    if os.getpid() != _State.process:  # a copy, such as a worker that loads images
        if number == signal.SIGTERM:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        return  # Ctrl-C reaches all at once: the process that listens ends its copies
    if _State.waiting and _State.asked is None:
        _State.asked = number
        if not _State.silent:
            sys.stderr.write("imlgcn: stopping after this step\n")
        return
    raise Stopped(number, _State.done)


def be_silent() -> None:
    """Say nothing of a signal: another process of the same command does."""
    _State.silent = True


def is_asked() -> bool:
    """Return whether a signal waits for a safe point."""
    return _State.asked is not None


def remember(done: str) -> None:
    """Say ``done`` of a signal from now on: it is what the command was for."""
    _State.done = done


def leave_to_the_parent(parent: int, number: int = 0) -> None:
    """Let a process that loads images outlive the first SIGTERM, and not its parent.

    A terminal or a job's system signals the whole group: the parent could not finish its step
    without its workers. ``parent`` is its process id; the number of the worker is not used.
    """
    end_with_the_parent(parent)

    def once(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, once)


def end_with_the_parent(parent: int) -> None:
    """Have the system kill this process when ``parent``, a process id, is gone; on Linux only.

    A killed parent cannot end the copies it has made, and they hold its connections open: whoever
    waits at the other end would not notice.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before
        os._exit(1)


@contextmanager
def safe_points(how_to_go_on: str = "") -> Iterator[Callable[[], int | None]]:
    """Yield a function that returns the signal that has asked to stop, or None.

    Whoever sees one finishes what must be whole and raises :class:`Stopped` with it; what is asked
    after the last look is raised on leaving, with ``how_to_go_on``.
    """
    number = None
    _State.waiting += 1
    try:
        yield lambda: _State.asked
    finally:
        _State.waiting -= 1
        if not _State.waiting:
            number, _State.asked = _State.asked, None
    if number is not None:
        raise Stopped(number, how_to_go_on)
