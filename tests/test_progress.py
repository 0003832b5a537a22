"""Progress: bars on a terminal, plain lines elsewhere, silence in the library."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from imlgcn import progress as module
from imlgcn.progress import SILENT, TerminalProgress


def make(*, terminal: bool, interval: float = 5.0) -> tuple[TerminalProgress, io.StringIO]:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=120, highlight=False)
    return TerminalProgress(console, interval=interval), stream


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test moves."""

    class Clock:
        now = 100.0

        def __call__(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(module.time, "monotonic", clock)
    return clock


def test_the_library_says_nothing_by_default(capsys):
    with SILENT.bar("stage", 3) as advance:
        advance(3)
    SILENT.say("hello")
    assert capsys.readouterr() == ("", "")


def test_elsewhere_than_on_a_terminal_there_is_a_line_now_and_then(clock):
    progress, stream = make(terminal=False)
    with progress.bar("features", 100) as advance:
        for _ in range(4):
            clock.now += 2
            advance(20)
        clock.now += 2
        advance(20)
    assert stream.getvalue().splitlines() == [
        "features: 60/100 images, 10 images/s, 4 s left",
        "features: 100 images in 10.0 s (10 images/s)",
    ]


@pytest.mark.parametrize("terminal", [False, True])
def test_slow_work_is_told_in_seconds_for_each_never_as_none_a_second(clock, terminal):
    progress, stream = make(terminal=terminal)
    with progress.bar("out of fold", 5, "fits") as advance:
        for _ in range(5):
            clock.now += 20
            advance(1)
    assert not re.search(r"(?<![\d,.])0 fits/s", stream.getvalue())
    if not terminal:
        assert (
            stream.getvalue().splitlines()[-1] == "out of fold: 5 fits in 100.0 s (20.0 s per fit)"
        )


def test_what_takes_under_a_second_leaves_no_line(clock):
    progress, stream = make(terminal=False)
    with progress.bar("features", 100) as advance:
        clock.now += 0.9
        advance(100)
    assert stream.getvalue() == ""


def test_a_terminal_shows_stage_count_rate_and_time_left():
    progress, stream = make(terminal=True)
    with progress.bar("label embeddings", 8, "samples") as advance:
        for _ in range(3):
            advance(2)
    text = stream.getvalue()
    assert "label embeddings" in text
    assert "6/8" in text
    assert "samples/s" in text
    assert ":" in text.rsplit("samples/s", 1)[1], "the time left"


def test_a_line_beside_a_bar_is_printed_as_it_is():
    progress, stream = make(terminal=False)
    progress.say("[bold]not markup[/bold] " + "x" * 200)
    assert stream.getvalue() == "[bold]not markup[/bold] " + "x" * 200 + "\n"


@pytest.mark.parametrize("terminal", [False, True])
def test_a_bar_of_nothing_and_a_bar_that_breaks_end_quietly(terminal):
    progress, _ = make(terminal=terminal)
    with progress.bar("empty", 0):
        pass
    with pytest.raises(KeyError), progress.bar("broken", 3) as advance:  # noqa: PT012
        advance(1)
        raise KeyError
    with progress.bar("after", 1) as advance:  # rich refuses a second live display: the first ended
        advance(1)


def test_the_default_console_is_standard_error(capsys):
    TerminalProgress().say("hello")
    assert capsys.readouterr() == ("", "hello\n")
