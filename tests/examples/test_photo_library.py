"""The unit for systemd: its form, and that it fits what `imlgcn` does."""

from __future__ import annotations

import configparser
import shlex
import signal
from pathlib import Path

import pytest
import typer

from imlgcn.cli import commands
from imlgcn.stopping import Stopped

UNIT = Path(__file__).parents[2] / "examples" / "photo-library" / "imlgcn-watch.service"
KNOWN = {
    "Unit": {"Description", "StartLimitIntervalSec"},
    "Service": {
        *("ExecStart", "SuccessExitStatus", "TimeoutStopSec", "Restart", "RestartSec"),
        *("Nice", "NoNewPrivileges"),
    },
    "Install": {"WantedBy"},
}  # of systemd.unit(5), systemd.service(5) and systemd.exec(5)


@pytest.fixture
def unit():
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str
    parser.read_string(UNIT.read_text(encoding="utf-8"))
    return parser


def test_its_sections_and_keys_are_those_of_systemd(unit):
    assert {name: set(unit[name]) for name in unit.sections()} == KNOWN


def test_it_runs_a_command_line_that_imlgcn_takes(unit):
    program, name, *words = shlex.split(unit["Service"]["ExecStart"])
    assert program.endswith("/imlgcn")
    options = typer.main.get_command(commands()).commands[name].make_context(name, words).params
    assert options["watch"] is True
    assert options["xmp"] is True


def test_its_end_by_sigterm_is_no_failure(unit):
    assert int(unit["Service"]["SuccessExitStatus"]) == Stopped(signal.SIGTERM).exit_code
