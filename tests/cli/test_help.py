"""Help is complete at 80 columns: every option says what it takes, and what happens without it."""

from __future__ import annotations

import re

import pytest
import typer

from imlgcn.cli import PANELS, commands

LISTED = [name for names in PANELS.values() for name in names]
GROUP = typer.main.get_command(commands())


def _every_command():
    """Yield each command with its words; of a group, those inside."""
    for name in LISTED:
        command = GROUP.commands[name]
        for inner, one in getattr(command, "commands", {"": command}).items():
            yield f"{name} {inner}".strip(), one


COMMANDS = [words for words, _ in _every_command()]
OPTIONS = [
    (words, option)
    for words, command in _every_command()
    for option in command.params
    if option.param_type_name == "option" and option.name != "help"
]


@pytest.fixture
def help_of(cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    return lambda *command: cli(*command, "--help").out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example_and_nothing_is_cut(help_of, command):
    found = help_of(*command.split())
    assert f"Example: imlgcn {command}" in " ".join(found.split())
    assert "…" not in found
    assert max(map(len, found.splitlines())) <= 80


def test_every_command_is_listed_in_its_panel_on_one_line(help_of):
    lines = help_of().splitlines()
    listed = [line.strip("│ ") for line in lines if re.match(r"│ +\S", line) and "--" not in line]
    assert [line.split()[0] for line in listed] == LISTED
    assert all(line.endswith(".") for line in listed)
    for panel in PANELS:
        assert any(line.startswith(f"╭─ {panel} ") for line in lines)


@pytest.mark.parametrize(("command", "option"), OPTIONS, ids=lambda x: getattr(x, "name", x))
def test_every_option_says_what_it_takes_and_what_is_done_without_it(command, option):
    assert option.help.endswith(".")
    if option.is_flag and not option.secondary_opts:
        return  # without it, it is off
    shown = option.default is not None and option.show_default
    assert option.required or shown or "default" in option.help
    assert option.is_flag or option.metavar, "the type alone does not say what is given"


@pytest.mark.parametrize(("command", "option"), OPTIONS, ids=lambda x: getattr(x, "name", x))
def test_a_flag_has_an_opposite_only_where_leaving_it_out_means_something_else(command, option):
    if option.secondary_opts:
        assert option.default is None


@pytest.mark.parametrize("command", ["check", "train", "split", "evaluate", "audit"])
def test_help_and_refusals_name_what_people_have(cli, help_of, tmp_path, command):
    (tmp_path / "notes.docx").touch()
    (tmp_path / "empty").mkdir()
    words = ("folder", "keywords", ".txt", "CSV", "Excel", "COCO", "JSON", "XML", "YOLO", ".zip")
    shown = help_of(command)
    assert all(word in shown for word in words)
    for name in ("notes.docx", "nowhere.csv", "empty"):
        cli("check", tmp_path / name).assert_refused(*words)
