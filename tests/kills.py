"""The command line in a process that can be killed, started fast: its libraries are loaded once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

LOADED = ("torch", "timm", "pyarrow.parquet", "rich.progress", "imlgcn.cli", "imlgcn.pipeline")
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([*LOADED, "kills"])
LONGEST = 300  # seconds of a run that ends by itself
PAUSE = 0.001  # seconds between two looks at what a run has written


def _command(arguments: list[str], environment: dict[str, str], said: str) -> None:
    """Run `imlgcn` with ``arguments`` in this process; what it says goes to the file ``said``."""
    os.setsid()  # a group of its own
    with open(said, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.update(environment)
    sys.argv = ["imlgcn", *arguments]
    from imlgcn.cli import main

    main()


class Command:
    """`imlgcn` with ``arguments``, running; its cache and what it says are in ``folder``.

    More names are variables of its environment.
    """

    def __init__(
        self, folder: Path, *arguments: object, cache: Path | None = None, **environment: str
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.said = folder / "said"
        environment |= {"IMLGCN_CACHE": str(cache or folder / "cache")}
        given = ([*map(str, arguments)], environment, str(self.said))
        self.process = CONTEXT.Process(target=_command, args=given)
        self.started = time.monotonic()
        self.process.start()

    def wait(self, longest: float = LONGEST) -> int:
        """Return its exit code, negative where a signal has ended it; it must end in time."""
        self.process.join(longest)
        if self.process.exitcode is None:
            self.process.kill()
            raise AssertionError(f"it did not end:\n{self.text()}")
        self.seconds = time.monotonic() - self.started
        return self.process.exitcode

    def text(self) -> str:
        """Return what it said."""
        return self.said.read_text(encoding="utf-8", errors="replace") if self.said.exists() else ""

    def after(self, seconds: float, number: int = signal.SIGKILL) -> int:
        """Send a signal so long after the start, or when it has ended; return the exit code."""
        self.process.join(seconds)
        return self._send(number)

    def when(self, seen: Callable[[], bool], number: int = signal.SIGKILL) -> int:
        """Send a signal as soon as something is seen, or when it has ended; as `after`."""
        while self.process.exitcode is None and not seen():
            self.process.join(PAUSE)
        return self._send(number)

    def _send(self, number: int) -> int:
        if self.process.is_alive():
            os.kill(self.process.pid, number)
        return self.wait()


def run(
    folder: Path, *arguments: object, cache: Path | None = None, longest: float = LONGEST
) -> Command:
    """Return a command that has ended well, within so many seconds."""
    command = Command(folder, *arguments, cache=cache)
    assert command.wait(longest) == 0, command.text()
    return command
