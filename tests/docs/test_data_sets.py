"""docs/data-sets.md names every reader and every variant there is, and its commands parse."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from imlgcn.cli import commands
from imlgcn.data.formats import FORMATS
from imlgcn.data.known_counts import COUNTS

PAGE = (Path(__file__).parents[2] / "docs" / "data-sets.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FORMATS)
def test_the_page_names_every_reader_and_its_variants(name):
    assert f"`{name}`" in PAGE
    for choices in getattr(FORMATS[name], "VARIANTS", {}).values():
        for choice in filter(None, choices):
            assert f"`{choice}`" in PAGE, choice


def test_the_page_gives_the_published_counts():
    for counts in COUNTS.values():
        for number in counts.images.values():
            assert f"{number:,}" in PAGE or number == 117_266


@pytest.mark.parametrize("command", re.findall(r"`imlgcn (train [^`]+)`", PAGE))
def test_the_commands_of_the_page_parse(command):
    name, *arguments = shlex.split(command)
    parsers = typer.main.get_command(commands()).commands
    assert parsers[name].make_context(name, arguments).params["out"]
