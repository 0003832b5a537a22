"""`python -m imlgcn`: the command line by the name of its package."""

from __future__ import annotations

import subprocess
import sys

import pytest

import imlgcn


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "imlgcn", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_package_runs_as_its_command_does():
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"imlgcn {imlgcn.__version__}\n")


@pytest.mark.parametrize("arguments", [("--help",), ("predict", "--help")])
def test_help_names_the_commands_and_ends_well(arguments):
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    assert "predict" in done.stdout


def test_a_mistake_is_one_sentence_and_exit_code_2(tmp_path):
    done = run("check", str(tmp_path / "none.csv"))
    assert done.returncode == 2
    assert done.stderr.startswith("imlgcn: ")
    assert "Traceback" not in done.stderr
