"""Progress: a bar on a terminal, plain lines elsewhere, silence by default.

The library never prints; its caller passes a :class:`Progress`. Rich is imported on first use: the
command line starts without it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from imlgcn.numbers import number

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import ProgressColumn

FORCED = {"FORCE_COLOR", "TTY_COMPATIBLE"}  # by which Rich takes a pipe for a terminal
CONTROL_CODES = dict.fromkeys((7, 8, 11, 12, 13))  # that Rich leaves out of what it prints
Advance = Callable[[int], None]


class Progress:
    """Says nothing. The base of the others and the default everywhere in the library."""

    @contextmanager
    def bar(self, stage: str, total: int, unit: str = "images") -> Iterator[Advance]:
        """Yield a function to call with the number of ``unit`` done since the last call."""
        yield lambda count: None

    def say(self, text: str) -> None:
        """Report one line."""


class TerminalProgress(Progress):
    """Bars with stage, rate and time left on a terminal; elsewhere a line every few seconds."""

    def __init__(
        self,
        console: Console | None = None,
        *,
        interval: float = 5.0,
        wording: Callable[[str], str] = str,
    ) -> None:
        self._given = console
        self.interval = interval
        self._wording = wording  # of every line, such as arguments as the reader's flags

    @cached_property
    def console(self) -> Console:
        """Where it writes: standard error by default."""
        from rich.console import Console

        return self._given or Console(stderr=True, highlight=False)

    def say(self, text: str) -> None:
        """Print one line beside the bars."""
        line = self._wording(text)
        if self._needs_rich:
            self.console.print(line, markup=False, soft_wrap=True)
        else:
            sys.stderr.write(line.translate(CONTROL_CODES).expandtabs() + "\n")

    @contextmanager
    def bar(self, stage: str, total: int, unit: str = "images") -> Iterator[Advance]:
        """Yield the function that moves the bar (or prints the lines)."""
        with (
            self._rich(stage, total, unit)
            if self._draws(total, unit)
            else self._plain(stage, total, unit) as advance
        ):
            yield advance

    @property
    def _needs_rich(self) -> bool:
        """Whether something is drawn already, or elsewhere than on standard error."""
        return bool(self._given) or "console" in self.__dict__ or "IPython" in sys.modules

    def _draws(self, total: int, unit: str) -> bool:
        """Return whether there is a terminal for a bar, and more than one image to wait for."""
        if (total, unit) == (1, "images") and not self._needs_rich:
            return False
        may_draw = sys.stderr.isatty() or bool(os.environ.keys() & FORCED)
        return (self._needs_rich or may_draw) and self.console.is_terminal

    @contextmanager
    def _rich(self, stage: str, total: int, unit: str) -> Iterator[Advance]:
        from rich import progress as bars

        columns = (
            bars.TextColumn("{task.description}"),
            bars.BarColumn(bar_width=28),
            bars.MofNCompleteColumn(),
            _rate_column(unit),
            bars.TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        )
        with bars.Progress(*columns, console=self.console) as progress:
            task = progress.add_task(f"{stage:<28}", total=total)
            yield lambda count: progress.advance(task, count)

    @contextmanager
    def _plain(self, stage: str, total: int, unit: str) -> Iterator[Advance]:
        started = last = time.monotonic()
        done = 0

        def advance(count: int) -> None:
            nonlocal done, last
            done += count
            now = time.monotonic()
            if now - last >= self.interval and done < total:
                last, rate = now, done / (now - started)
                left = (total - done) / rate
                self.say(
                    f"{stage}: {number(done, 0)}/{number(total, 0)} {unit}, {speed(rate, unit)}, "
                    f"{number(left, 0)} s left"
                )

        yield advance
        seconds = time.monotonic() - started
        if seconds >= 1:
            self.say(
                f"{stage}: {number(done, 0)} {unit} in {number(seconds)} s "
                f"({speed(done / seconds, unit)})"
            )


def speed(rate: float, unit: str) -> str:
    """Return a number of units per second in words; a slow one in seconds per unit.

    >>> speed(1234.5, "images"), speed(2.4, "fits"), speed(0.08, "fits"), speed(0.0, "fits")
    ('1,235 images/s', '2.4 fits/s', '12.5 s per fit', '- fits/s')
    """
    if not rate > 0:
        return f"- {unit}/s"
    if rate < 1:
        return f"{number(1 / rate)} s per {unit.removesuffix('s')}"
    return f"{number(rate, 0 if rate >= 10 else 1)} {unit}/s"


def _rate_column(unit: str) -> ProgressColumn:
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            rate = task.finished_speed or task.speed
            return Text(speed(rate, unit) if rate else f"- {unit}/s", style="dim")

    return Rate()


SILENT = Progress()
