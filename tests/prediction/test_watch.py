"""Watched folders: each image once, whatever appears, changes, vanishes or ends the process."""

from __future__ import annotations

import csv
import json
import os
import shutil
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

from colour_tagger import ColourTagger, paint
from imlgcn.data.xmp import DC, RDF
from imlgcn.errors import InputError
from imlgcn.prediction import watch as watching
from imlgcn.prediction import watch_journal, watched_folders
from imlgcn.prediction.watch import watch
from imlgcn.prediction.xmp import Sidecars
from imlgcn.progress import Progress
from photos import photo, xmp


class Ended(BaseException):
    """The story that a test tells is over."""


class Said(Progress):
    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)


@pytest.fixture(autouse=True)
def clock(monkeypatch, tmp_path):
    """A clock that only resting moves on, by what the watching asks for."""
    now = SimpleNamespace(time=1e9, story=[], rests=[])

    def sleep(seconds):
        now.time += seconds
        now.rests.append(seconds)
        if not now.story:
            raise Ended
        if step := now.story.pop(0):
            step()

    fake = SimpleNamespace(
        sleep=sleep,
        monotonic=lambda: now.time,
        time=lambda: now.time,
        process_time=lambda: now.cpu,
    )
    now.cpu = 0.0
    monkeypatch.setattr(watching, "time", fake)
    monkeypatch.setattr(watched_folders, "time", fake)
    monkeypatch.setenv("IMLGCN_CACHE", str(tmp_path / "cache"))
    return now


@pytest.fixture
def tell(clock, tmp_path):
    """Return a function that watches while steps happen, one in each rest (None: nothing)."""
    (tmp_path / "photos").mkdir()

    def run(*steps, tagger=None, folders="photos", settled=True, **options):
        said = Said()
        clock.story = [*steps, *([None, None, None] if settled else [])]
        options = {"out": tmp_path / "tags.csv", **options}
        places = [folders] if isinstance(folders, str) else folders
        with pytest.raises(Ended):
            watch(
                tagger or ColourTagger(),
                [tmp_path / place for place in places],
                progress=said,
                **options,
            )
        return said.lines

    return run


def rows(path):
    """Return image and label of each row."""
    if path.suffix == ".jsonl":
        found = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    else:
        with path.open(encoding="utf-8", newline="") as file:
            found = list(csv.DictReader(file))
    return [(os.path.basename(row["image"]), row["label"]) for row in found]


def keywords(path):
    root = ElementTree.parse(path).getroot()
    return [item.text for one in root.iter(f"{{{DC}}}subject") for item in one.iter(f"{{{RDF}}}li")]


def test_what_is_there_appears_or_changes_is_tagged_once(tell, tmp_path):
    photos = tmp_path / "photos"
    paint(photos / "a.png", 0, 0, 255)
    tell(
        lambda: paint(photos / "new" / "b.png", 255, 0, 0),
        *[None] * 3,
        lambda: paint(photos / "a.png", 153, 204, 51),
        *[None] * 10,
    )
    assert rows(tmp_path / "tags.csv") == [
        ("a.png", "tree"),
        ("b.png", "cat"),
        ("a.png", "dog"),
        ("a.png", "cat"),
    ]


@pytest.mark.parametrize("options", [{}, {"out": None, "xmp": True}])
def test_nothing_is_tagged_again_after_a_restart(tell, tmp_path, options):
    photos = tmp_path / "photos"
    for name in "abc":
        paint(photos / f"{name}.png", 0, 0, 255)
    tell(**options)
    tagger = ColourTagger()
    said = tell(lambda: paint(photos / "d.png", 0, 0, 255), tagger=tagger, **options)
    assert tagger.loaded == 1
    assert "3 images done before" in said[0]
    if not options:
        assert [name for name, _ in rows(tmp_path / "tags.csv")] == [f"{n}.png" for n in "abcd"]


def test_a_file_that_is_being_written_is_waited_for(tell, tmp_path, clock):
    whole = paint(tmp_path / "whole.png", 0, 0, 255).read_bytes()
    slow, tagger, loaded = tmp_path / "photos" / "a.png", ColourTagger(), []

    def grow(size):
        def step():
            slow.write_bytes(whole[:size])
            clock.time = max(clock.time, slow.stat().st_mtime)
            loaded.append(tagger.loaded)

        return step

    tell(grow(0), None, None, None, grow(20), grow(40), grow(60), grow(len(whole)), tagger=tagger)
    assert loaded == [0] * 5
    assert tagger.loaded == 1
    assert rows(tmp_path / "tags.csv") == [("a.png", "tree")]


def test_a_file_that_changes_while_it_is_tagged_is_tagged_when_it_is_done(tell, tmp_path):
    image = paint(tmp_path / "photos" / "a.png", 0, 0, 255)

    class Slow(ColourTagger):
        def load_input(self, path):
            found = super().load_input(path)
            if self.loaded == 1:
                paint(image, 255, 0, 0)
                os.utime(image, ns=(1, 1))
            return found

    tell(*[None] * 4, tagger=Slow())
    assert rows(tmp_path / "tags.csv") == [("a.png", "cat")]


def test_a_file_that_vanishes_while_it_is_tagged_leaves_no_row(tell, tmp_path):
    image = paint(tmp_path / "photos" / "a.png", 0, 0, 255)

    class Slow(ColourTagger):
        def load_input(self, path):
            image.unlink()
            return super().load_input(path)

    said = tell(tagger=Slow())
    assert rows(tmp_path / "tags.csv") == []
    assert len(said) == 1


def test_a_file_that_cannot_be_read_is_said_once_until_it_changes(tell, tmp_path):
    image = tmp_path / "photos" / "a.png"
    image.write_bytes(b"no image")
    said = tell(*[None] * 5)
    assert [line for line in said if "not read" in line] == [said[1]]
    assert str(image) in said[1]
    assert not [line for line in tell() if "not read" in line]
    tell(lambda: paint(image, 0, 0, 255))
    assert rows(tmp_path / "tags.csv") == [("a.png", ""), ("a.png", "tree")]


def test_a_file_that_may_not_be_opened_is_tagged_once_it_may(tell, tmp_path, monkeypatch):
    image = paint(tmp_path / "photos" / "a.png", 0, 0, 255)
    opened = []

    class Locked(ColourTagger):
        def load_input(self, path):
            self.loaded += 1
            if not opened:
                raise PermissionError(13, "Permission denied")
            return super().load_input(path)

    monkeypatch.setattr(watching, "_can_be_opened", lambda path: bool(opened))

    def allow():
        opened.append(True)
        image.chmod(0o600)

    tagger = Locked()
    said = tell(*[None] * 9, allow, tagger=tagger)
    assert [line for line in said if "not read" in line] == [said[1]]
    assert rows(tmp_path / "tags.csv") == [("a.png", "tree")]


def test_hidden_files_partial_downloads_and_thumbnails_of_servers_are_passed_by(tell, tmp_path):
    names = (".a.png", "b.png.part", "c.png.crdownload", ".hidden/d.png", "@eaDir/a.png/e.png")
    paint(tmp_path / "one.png", 0, 0, 255)
    for name in names:
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / "one.png", path)
    tell(lambda: os.rename(tmp_path / "photos" / "b.png.part", tmp_path / "photos" / "b.png"))
    assert rows(tmp_path / "tags.csv") == [("b.png", "tree")]


def test_a_folder_that_vanishes_is_waited_for_and_nothing_is_done_twice(tell, tmp_path):
    photos, away = tmp_path / "photos", tmp_path / "away"
    paint(photos / "a.png", 0, 0, 255)

    def back():
        paint(away / "b.png", 0, 0, 255)
        away.rename(photos)

    said = tell(None, lambda: photos.rename(away), *[None] * 3, back, *[None] * 3)
    assert [line for line in said if "waiting for it" in line] == [
        f"{photos} cannot be read (No such file or directory): waiting for it"
    ]
    assert said.count(f"{photos} is back") == 1
    assert rows(tmp_path / "tags.csv") == [("a.png", "tree"), ("b.png", "tree")]


def test_a_folder_inside_another_is_not_watched_twice(tell, tmp_path):
    paint(tmp_path / "photos" / "in" / "a.png", 0, 0, 255)
    tell(folders=["photos", "photos/in", "photos"])
    assert rows(tmp_path / "tags.csv") == [("a.png", "tree")]


def test_own_files_in_a_watched_folder_start_nothing(tell, tmp_path, clock):
    paint(tmp_path / "photos" / "a.png", 0, 0, 255)
    tagger = ColourTagger()
    tell(*[None] * 6, tagger=tagger, out=tmp_path / "photos" / "tags.csv", xmp=True)
    assert tagger.loaded == 1
    assert keywords(tmp_path / "photos" / "a.png.xmp") == ["tree"]


def test_a_sidecar_follows_a_changed_image_and_a_foreign_one_is_said_once(tell, tmp_path):
    photos = tmp_path / "photos"
    image = paint(photos / "a.png", 0, 0, 255)
    paint(photos / "b.png", 0, 0, 255)
    (photos / "b.png.xmp").write_text("no XMP")
    said = tell(*[None] * 3, lambda: paint(image, 255, 0, 0), xmp=True)
    assert keywords(photos / "a.png.xmp") == ["cat"]
    assert sum("b.png.xmp" in line for line in said) == 1
    assert (photos / "b.png.xmp").read_text() == "no XMP"


def test_keywords_inside_images_that_sidecars_took_over_are_said(tell, tmp_path):
    photo(tmp_path / "photos" / "a.png", inside=xmp(["Beach"]))
    tagger = ColourTagger()
    tagger.thresholds_for = lambda goal: np.array([0.0, 1.1, 1.1])
    said = tell(xmp=True, tagger=tagger)
    assert sum("1 sidecar also took over the keywords inside" in line for line in said) == 1
    assert keywords(tmp_path / "photos" / "a.png.xmp") == ["Beach", "cat"]


@pytest.mark.parametrize("kind", ["folder", "link", "loop"])
def test_a_sidecar_that_is_no_file_is_said_once_and_costs_only_itself(tell, tmp_path, kind):
    photos = tmp_path / "photos"
    for name in "ab":
        paint(photos / f"{name}.png", 255, 0, 0)
    sidecar = photos / "a.png.xmp"
    if kind == "folder":
        sidecar.mkdir()
    else:
        sidecar.symlink_to(sidecar if kind == "loop" else tmp_path / "gone.xmp")
    said = tell(xmp=True)
    assert sum(line.startswith(f"not done: {sidecar}: ") for line in said) == 1
    assert keywords(photos / "b.png.xmp") == ["cat"]
    assert rows(tmp_path / "tags.csv") == [("a.png", "cat"), ("b.png", "cat")]


@pytest.mark.parametrize("is_there", [True, False])
def test_a_disk_that_fails_ends_it_unless_the_image_has_gone(tell, tmp_path, monkeypatch, is_there):
    image = paint(tmp_path / "photos" / "a.png", 0, 0, 255)

    def fail(self, rows):
        if not is_there:
            image.unlink()
        raise OSError(28, "No space left on device", "a.png.xmp")

    monkeypatch.setattr(Sidecars, "write", fail)
    if not is_there:
        assert len(tell(xmp=True)) == 1
    else:
        with pytest.raises(OSError, match="No space left"):
            tell(xmp=True)
        monkeypatch.undo()
    assert rows(tmp_path / "tags.csv") == []


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.parametrize("cut", [0, 1, 9])
def test_rows_that_were_written_and_not_noted_are_made_once(tell, tmp_path, suffix, cut):
    out = tmp_path / f"tags{suffix}"
    for name in "ab":
        paint(tmp_path / "photos" / f"{name}.png", 153, 204, 51)
    tell(out=out)
    whole = out.read_bytes()
    journal = out.with_name(out.name + ".watched")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]) + lines[-1][:20])  # killed while it was noted
    out.write_bytes(whole[: len(whole) - cut])
    tell(out=out)
    assert out.read_bytes() == whole
    assert journal.read_bytes() == b"".join(lines)


@pytest.mark.parametrize("lost", [1, 40, 60])
def test_rows_that_a_power_cut_took_are_made_again(tell, tmp_path, lost):
    for name in "abc":
        paint(tmp_path / "photos" / f"{name}.png", 0, 0, 255)
    out = tmp_path / "tags.csv"
    tell()
    whole = out.read_bytes()
    out.write_bytes(whole[:-lost])
    said = tell()
    assert "shorter than it was" in said[0]
    assert out.read_bytes() == whole


def test_rows_that_a_person_added_stay(tell, tmp_path):
    image = paint(tmp_path / "photos" / "a.png", 0, 0, 255)
    tell()
    with (tmp_path / "tags.csv").open("a") as file:
        file.write(f"{image},mine,1,0,")
    tell(lambda: paint(tmp_path / "photos" / "b.png", 0, 0, 255))
    assert rows(tmp_path / "tags.csv") == [("a.png", "tree"), ("a.png", "mine"), ("b.png", "tree")]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_rows_that_a_person_has_made_longer_stay_whole(tell, tmp_path, suffix):
    out = tmp_path / f"tags{suffix}"
    for name in "ab":
        paint(tmp_path / "photos" / f"{name}.png", 0, 0, 255)
    tell(out=out)
    edited = out.read_text().replace("tree", "a tree", 1)
    out.write_text(edited)
    tell(lambda: paint(tmp_path / "photos" / "c.png", 0, 0, 255), out=out)
    assert out.read_text().startswith(edited)
    assert rows(out) == [("a.png", "a tree"), ("b.png", "tree"), ("c.png", "tree")]


@pytest.mark.parametrize("spare", [1000, -9])
def test_a_table_that_is_moved_away_begins_anew_with_the_next_image(
    tell, tmp_path, monkeypatch, spare
):
    out, old = tmp_path / "tags.csv", tmp_path / "old.csv"
    for name in "abc":
        paint(tmp_path / "photos" / f"{name}.png", 0, 0, 255)
    tell(
        *[None] * 3,
        lambda: out.rename(old),
        lambda: paint(tmp_path / "photos" / "d.png", 0, 0, 255),
    )
    assert [name for name, _ in rows(old)] == ["a.png", "b.png", "c.png"]
    assert rows(out) == [("d.png", "tree")]
    monkeypatch.setattr(watch_journal, "SPARE", spare)
    assert len(tell()) == 1
    tagger, whole = ColourTagger(), out.read_bytes()
    out.write_bytes(whole[:-1])  # after a power cut
    tell(tagger=tagger)
    assert (out.read_bytes(), tagger.loaded) == (whole, 1)


def test_another_tagger_tags_all_anew_and_says_so(tell, tmp_path):
    paint(tmp_path / "photos" / "a.png", 0, 0, 255)
    tell()
    other = ColourTagger()
    other.info = other.info.model_copy(update={"sha256": {"model.safetensors": "fe" * 32}})
    said = tell(tagger=other)
    assert said[0] == "another tagger or other settings: all images are tagged anew"
    assert len(rows(tmp_path / "tags.csv")) == 2
    assert len(tell(tagger=other)) == 1


def test_overwrite_forgets_what_is_done(tell, tmp_path):
    paint(tmp_path / "photos" / "a.png", 0, 0, 255)
    tell()
    tell(overwrite=True)
    assert rows(tmp_path / "tags.csv") == [("a.png", "tree")]
    (tmp_path / "tags.csv").unlink()
    assert "tags.csv is gone: 1 image" in tell()[0]
    assert rows(tmp_path / "tags.csv") == [("a.png", "tree")]


def test_looks_at_many_files_are_rarer(tell, clock, monkeypatch):
    looked = watched_folders.WatchedFolders.settled

    def slowly(self, is_done):
        clock.cpu += 0.4
        return looked(self, is_done)

    monkeypatch.setattr(watched_folders.WatchedFolders, "settled", slowly)
    tell()
    assert clock.rests == pytest.approx([20.0] * len(clock.rests))


def test_the_journal_holds_one_line_for_each_image_when_it_is_opened(tell, tmp_path, monkeypatch):
    monkeypatch.setattr(watch_journal, "SPARE", 2)
    image = tmp_path / "photos" / "a.png"
    for shade in range(12):
        tell(lambda shade=shade: paint(image, shade, 0, 255))
    journal = tmp_path / "tags.csv.watched"
    assert len(journal.read_bytes().splitlines()) < 9
    assert len(rows(tmp_path / "tags.csv")) == 12


def test_a_table_lacks_only_rows_that_it_had_however_often_it_was_moved_away(tmp_path, monkeypatch):
    monkeypatch.setattr(watch_journal, "SPARE", -9)
    for opened in range(3):
        journal = watch_journal.WatchJournal(tmp_path / "journal", "made by")
        name, end = ("a", "b", "c")[opened], (90, 80, 70)[opened]
        journal.add(name, watched_folders.State(1, 1), end)
        journal.close()
    journal = watch_journal.WatchJournal(tmp_path / "journal", "made by")
    assert (journal.count, journal.length) == (3, 70)
    assert journal.forget_beyond(60) == 1
    assert journal.is_done("b", watched_folders.State(1, 1))
    assert not journal.is_done("c", watched_folders.State(1, 1))
    journal.close()


def test_two_processes_cannot_watch_for_one_table(tell, tmp_path):
    def second():
        with pytest.raises(InputError, match="another run is writing this file"):
            watch(ColourTagger(), tmp_path / "photos", out=tmp_path / "tags.csv")

    tell(second)


def test_two_processes_cannot_watch_one_folder_for_sidecars(tell, tmp_path):
    def second():
        with pytest.raises(InputError, match="photos: another process is watching already"):
            watch(ColourTagger(), tmp_path / "photos", xmp=True)

    tell(second, out=None, xmp=True)


@pytest.mark.parametrize(
    ("folders", "options", "message"),
    [
        ("photos", {}, "give xmp=True, out=, or both"),
        ("photos", {"out": "tags.parquet"}, r"ending in \.csv or \.jsonl"),
        ("photos", {"out": "mine.csv"}, "is not the table of a watched folder"),
        ("nowhere", {"xmp": True}, "nowhere does not exist: only folders can be watched"),
        ("mine.csv", {"xmp": True}, "mine.csv is not a folder: only folders can be watched"),
        ("photos", {"xmp": True, "settle": -1.0}, "settle= takes seconds from 0 to 3600"),
    ],
)
def test_what_cannot_be_watched_is_refused(tmp_path, folders, options, message):
    (tmp_path / "photos").mkdir()
    (tmp_path / "mine.csv").write_text("image,label\n")
    if "out" in options:
        options = {**options, "out": tmp_path / options["out"]}
    with pytest.raises(InputError, match=message):
        watch(ColourTagger(), tmp_path / folders, **options)
