"""Of two commands on one folder or file the second is refused in one sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

HOLD = """
import sys; from imlgcn.files import only_writer
with only_writer(sys.argv[1]):
    print('held', flush=True); sys.stdin.read()
"""


@contextmanager
def owned(path):
    """Another process writes ``path``; it is killed at the end."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], **pipes) as other:
        assert other.stdout.readline() == b"held\n"
        yield
        os.kill(other.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    "words",
    [("label", "rename", "", "red", "pink"), ("label", "remove", "", "red"), ("label", "undo", "")],
    ids=lambda words: words[1],
)
def test_a_change_of_labels_is_refused_while_another_run_writes_the_tagger(cli, own_tagger, words):
    words = [word or own_tagger for word in words]
    with owned(own_tagger):
        cli(*words).assert_refused("another run is changing", str(own_tagger))
    done = cli(*words)  # the owner was killed: its lock is free
    assert "another run" not in done.err
    assert done.code == (2 if words[1] == "undo" else 0)  # nothing to take back


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_second_prediction_into_a_file_is_refused(cli, tagger, crosses, tmp_path, suffix):
    out = tmp_path / f"tags{suffix}"
    with owned(out):
        found = cli("predict", tagger.path, *crosses, "--out", out)
        found.assert_refused("another run is writing this file", out.name)
    assert cli("predict", tagger.path, *crosses, "--out", out).code == 0


@pytest.mark.parametrize("more", [(), ("--overwrite",), ("--resume",)])
def test_a_second_training_into_a_folder_is_refused(cli, own_tagger, shapes, weights, more):
    given = ("--backbone", "test_efficientnet", "--weights", weights, "--size", 64)
    before = {path: path.read_bytes() for path in own_tagger.rglob("*") if path.is_file()}
    with owned(own_tagger):
        found = cli("train", shapes, "--out", own_tagger, *given, *more)
        found.assert_refused("another run is writing", str(own_tagger))
    assert before == {path: path.read_bytes() for path in own_tagger.rglob("*") if path.is_file()}
