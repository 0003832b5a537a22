"""A disk that is full: one sentence that names the file, whoever writes, and the old file is kept.

A limit on the size of files stands for the end of the disk.
"""

from __future__ import annotations

import errno
import resource
import signal
import sys
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from pyarrow import parquet
from safetensors.torch import save_file

from imlgcn import cli
from imlgcn.files import atomic_path

MUCH = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)


def numpy_writes(path):
    with path.open("wb") as file:
        np.savez(file, a=MUCH)


WRITERS = {
    "text": lambda path: path.write_text("x" * 200_000),
    "safetensors": lambda path: save_file({"a": torch.from_numpy(MUCH)}, path),
    "parquet": lambda path: parquet.write_table(pa.table({"a": MUCH.ravel()}), path),
    "numpy": numpy_writes,
    "pillow": lambda path: Image.fromarray(MUCH).save(path, format="png"),
}


@contextmanager
def end_of_disk(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_every_library_s_error_names_the_file_and_leaves_the_last_good_one(tmp_path, writer):
    path = tmp_path / "kept"
    path.write_text("good")
    with end_of_disk(50_000), pytest.raises(OSError) as refused, atomic_path(path) as temporary:
        writer(temporary)
    assert refused.value.filename == str(path)
    assert refused.value.errno == errno.EFBIG
    assert [found.name for found in tmp_path.iterdir()] == ["kept"]
    assert path.read_text() == "good"


def test_an_error_of_another_kind_stays_what_it_is(tmp_path):
    with pytest.raises(ZeroDivisionError), atomic_path(tmp_path / "a"):
        _ = 1 / 0


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "tags.csv"),
            "imlgcn: tags.csv: No space left on device; free some space and give the command again",
        ),
        (OSError(errno.EROFS, "Read-only file system", "a"), "imlgcn: a: Read-only file system"),
        (OSError("odd"), "imlgcn: a file or the output: odd"),
    ],
)
def test_the_command_line_says_it_in_one_sentence(monkeypatch, capsys, error, said):
    def fail(*_):
        raise error

    monkeypatch.setattr(cli, "commands", lambda wanted: fail)
    monkeypatch.setattr(cli, "listen", lambda: None)
    monkeypatch.setattr(sys, "argv", ["imlgcn"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == said + "\n"
