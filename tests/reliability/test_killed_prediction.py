"""A prediction that is killed again and again names each file once in the end; so do shards."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal

import pytest
from pyarrow import parquet

from kills import LONGEST, Command, run
from thorough import thorough_but

MANY = int(os.environ.get("IMLGCN_FILES", "20000"))  # a minute for each format
LINKS = 50_000  # to one copy of the files: a disk has a limit


def images_in(path):
    """Return the image of each row."""
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            return [row["image"] for row in csv.DictReader(file)]
    if path.suffix == ".jsonl":
        return [json.loads(line)["image"] for line in path.read_text().splitlines()]
    return parquet.read_table(path).column("image").to_pylist()


@pytest.fixture
def links(tmp_path, crosses):
    """Return a function that makes a folder of so many files, all links to a few."""

    def make(count):
        folder = tmp_path / "links"
        folder.mkdir()
        for number in range(count):
            if number % LINKS == 0:
                copied = tmp_path / f"copied {number}"
                copied.mkdir()
                files = [shutil.copy(path, copied) for path in crosses]
            os.link(files[number % len(files)], folder / f"{number:06}.png")
        return folder

    return make


def killed_and_resumed(tmp_path, tagger, folder, suffix, kills):
    """Kill a prediction so often while it tags, resume it to the end; return its rows' images."""
    out = tmp_path / f"tags{suffix}"
    words = ("predict", tagger.path, folder, "--out", out, "--all", "--resume")
    journal = out.with_name(out.name + ".partial")
    count = sum(1 for _ in folder.iterdir())
    points = sorted(random.Random(suffix).sample(range(1, int(0.9 * count)), kills))
    size = 0
    for number, point in enumerate(points):
        command = Command(tmp_path / f"{suffix} {number}", *words, cache=tmp_path / "cache")

        def far(point=point, size=size):
            return journal.exists() and journal.stat().st_size > point * max(size, 150)

        assert command.when(far) == -signal.SIGKILL, command.text()
        assert not out.exists()
        lines = journal.read_bytes().count(b"\n")
        size = journal.stat().st_size / lines
    run(tmp_path / "last", *words, cache=tmp_path / "cache", longest=LONGEST + count / 50)
    assert not journal.exists()
    found = images_in(out)
    each = len(found) // count
    assert found[::each] == sorted(map(str, folder.iterdir()))
    assert len(found) == each * count
    return found


@pytest.mark.parametrize("suffix", thorough_but([".csv"], [".csv", ".jsonl", ".parquet"]))
def test_each_of_300_files_is_there_once_after_two_kills(tmp_path, links, onnx_folder, suffix):
    from imlgcn.tagger import Tagger

    killed_and_resumed(tmp_path, Tagger.load(onnx_folder), links(300), suffix, 2)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_each_of_many_files_is_there_once_after_ten_kills(tmp_path, links, onnx_folder, suffix):
    from imlgcn.tagger import Tagger

    killed_and_resumed(tmp_path, Tagger.load(onnx_folder), links(MANY), suffix, 10)


def merged_after_kills(tmp_path, tagger, folder, suffix, total, kills):
    """Kill each shard so often at random points, restart it to the end; return the merged file."""
    random_ = random.Random(suffix)
    out = tmp_path / f"tags{suffix}"
    words = ("predict", tagger.path, folder, "--out", out, "--all", "--resume", "--shard")
    own = int(0.9 * sum(1 for _ in folder.iterdir()) / total)
    killed = 0
    for number in range(1, total + 1):
        file = out.with_name(f"tags.{number}-of-{total}{suffix}")
        journal = file.with_name(file.name + ".partial")
        for kill in range(kills):
            seen = moment(file, journal, number + kill, random_.randrange(own * 150))
            where = tmp_path / f"{suffix} {number} {kill}"
            command = Command(where, *words, f"{number}/{total}", cache=tmp_path / "cache")
            code = command.when(seen)
            assert code in (0, -signal.SIGKILL), command.text()
            killed += code != 0
        run(where, *words, f"{number}/{total}", cache=tmp_path / "cache")
        assert not journal.exists()
    assert killed > 0
    run(tmp_path / "merge", "merge-predictions", tmp_path / f"tags.*-of-{total}{suffix}", "-o", out)
    return out


def moment(file, journal, which, size):
    """Return what tells when to kill a shard: anywhere in its work, or where it ends."""
    record = file.with_name(file.name + ".shard")
    anywhere = (lambda: size_of(journal) > size, lambda: size_of(journal) > 0)
    return (*anywhere, file.exists, record.exists)[which % 4]


def size_of(path):
    return path.stat().st_size if path.exists() else 0


def assert_shards_name_each_file_once(tmp_path, tagger, folder, suffix, total, kills):
    out = merged_after_kills(tmp_path, tagger, folder, suffix, total, kills)
    whole = tmp_path / f"whole{suffix}"
    count = sum(1 for _ in folder.iterdir())
    words = ("predict", tagger.path, folder, "--out", whole, "--all")
    run(tmp_path / "whole", *words, longest=LONGEST + count / 50)
    assert out.read_bytes() == whole.read_bytes()
    found = images_in(out)
    assert found[:: len(found) // count] == sorted(map(str, folder.iterdir()))


def test_merged_shards_that_were_killed_have_each_of_60_files_once(tmp_path, links, onnx_folder):
    from imlgcn.tagger import Tagger

    tagger = Tagger.load(onnx_folder)
    assert_shards_name_each_file_once(tmp_path, tagger, links(60), ".jsonl", 2, 1)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_merged_shards_that_were_killed_have_each_of_many_files_once(
    tmp_path, links, onnx_folder, suffix
):
    from imlgcn.tagger import Tagger

    tagger = Tagger.load(onnx_folder)
    assert_shards_name_each_file_once(tmp_path, tagger, links(MANY), suffix, 8, 4)
