"""A process that watches a folder is killed again and again: each image has its rows once."""

from __future__ import annotations

import csv
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from imlgcn.prediction.xmp import sidecar_of
from kills import Command

MANY = int(os.environ.get("IMLGCN_FILES", "2000"))


def images_of(out):
    with out.open(newline="", encoding="utf-8") as file:
        return [row["image"] for row in csv.DictReader(file)]


def watched_and_killed(tmp_path, tagger, crosses, count, kills):
    """Kill it so often while it tags and files arrive; end it with SIGTERM when all are done."""
    photos, out = tmp_path / "photos", tmp_path / "tags.csv"
    photos.mkdir()
    words = ("predict", tagger, photos, "--watch", "--xmp", "--out", out, "--all", "--settle", "0")
    chance = random.Random(count)

    def size():
        return out.stat().st_size if out.exists() else 0

    def arrive(numbers):
        for number in numbers:
            shutil.copy(crosses[number % len(crosses)], photos / f"{number:06}.png")

    each = count // (kills + 1)
    for kill in range(kills):
        arrive(range(kill * each, (kill + 1) * each))
        goal = size() + chance.randrange(1, 100 * each)
        command = Command(tmp_path / f"kill {kill}", *words, cache=tmp_path / "cache")
        assert command.when(lambda goal=goal: size() >= goal) == -signal.SIGKILL, command.text()
    arrive(range(kills * each, count))
    last = photos / f"{count - 1:06}.png.xmp"
    command = Command(tmp_path / "last", *words, cache=tmp_path / "cache")
    code = command.when(lambda: last.exists() and settled(out), signal.SIGTERM)
    assert code == 143, command.text()
    assert "the same command goes on from there" in command.text()
    found = images_of(out)
    labels = len(found) // count
    assert sorted(found) == sorted(str(p) for p in photos.glob("*.png") for _ in range(labels))
    assert len(found) == labels * count
    assert all(sidecar_of(path).exists() for path in photos.glob("*.png"))
    assert not list(photos.glob(".*.tmp"))


def settled(path: Path, seconds: float = 0.5) -> bool:
    """Return whether a file has not grown for a while."""
    before = path.stat().st_size
    time.sleep(seconds)
    return path.stat().st_size == before


@pytest.mark.thorough
def test_each_of_60_images_has_its_rows_once_after_three_kills(tmp_path, onnx_folder, crosses):
    watched_and_killed(tmp_path, onnx_folder, crosses, 60, 3)


@pytest.mark.slow
def test_each_of_many_images_has_its_rows_once_after_ten_kills(tmp_path, onnx_folder, crosses):
    watched_and_killed(tmp_path, onnx_folder, crosses, MANY, 10)
