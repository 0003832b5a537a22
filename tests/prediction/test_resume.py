"""An interrupted run goes on where it stopped, and ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from colour_tagger import SUFFIXES, ColourTagger, paint
from imlgcn.errors import InputError
from imlgcn.prediction import predict
from imlgcn.prediction.journal import Journal
from imlgcn.progress import Progress
from runs import Said


@pytest.fixture
def images(tmp_path):
    """Twelve images, one of them damaged, one without a tag."""
    paths = [paint(tmp_path / "in" / f"{n:02}.png", 20 * n, 255 - 20 * n, 90) for n in range(12)]
    paths[4].write_bytes(b"no image at all")
    paint(paths[7], 0, 0, 0)
    return paths


def stopping_after(count):
    """Return a tagger that is interrupted once it has scored `count` images."""
    tagger = ColourTagger()

    def probabilities(inputs, known=None):
        if sum(tagger.batches) >= count:
            raise KeyboardInterrupt
        return ColourTagger.probabilities(tagger, inputs)

    tagger.probabilities = probabilities
    return tagger


def interrupt(images, out, count, **options):
    with pytest.raises(KeyboardInterrupt):
        predict(stopping_after(count), images, out=out, workers=1, batch_size=1, **options)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("all_labels", [False, True])
def test_a_resumed_file_is_the_uninterrupted_one_and_no_image_is_scored_twice(
    tmp_path, images, suffix, all_labels
):
    whole, out = tmp_path / f"whole{suffix}", tmp_path / f"tags{suffix}"
    expected = predict(ColourTagger(), images, out=whole, all_labels=all_labels)
    interrupt(images, out, 5, all_labels=all_labels)
    interrupt(images, out, 3, all_labels=all_labels, resume=True)
    tagger = ColourTagger()
    assert (
        predict(tagger, images, out=out, all_labels=all_labels, resume=True, batch_size=3)
        == expected
    )
    assert sum(tagger.batches) == 11 - 5 - 3
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["in", whole.name, out.name])


def test_a_line_that_a_crash_has_cut_is_scored_again(tmp_path, images):
    out, journal = tmp_path / "tags.csv", tmp_path / "tags.csv.partial"
    interrupt(images, out, 6)
    journal.write_bytes(journal.read_bytes()[:-4])
    tagger = ColourTagger()
    predict(tagger, images, out=out, resume=True)
    assert sum(tagger.batches) == 11 - 5
    predict(ColourTagger(), images, out=tmp_path / "whole.csv")
    assert out.read_text() == (tmp_path / "whole.csv").read_text()


def test_a_run_that_was_killed_at_its_first_line_is_resumed(tmp_path, images):
    out = tmp_path / "tags.csv"
    for text in ("", '{"rows of": "0'):
        (tmp_path / "tags.csv.partial").write_text(text)
        predict(ColourTagger(), images, out=out, resume=True)
        assert len(out.read_text().splitlines()) == 1 + 14
        out.unlink()


def test_an_image_that_has_changed_since_is_scored_again(tmp_path, images):
    out = tmp_path / "tags.csv"
    interrupt(images, out, 6)
    paint(images[0], 255, 0, 255)
    os.utime(images[0], ns=(1, 1))
    predict(ColourTagger(), images, out=out, resume=True)
    predict(ColourTagger(), images, out=tmp_path / "whole.csv")
    assert out.read_text() == (tmp_path / "whole.csv").read_text()


def test_another_exported_file_does_not_go_on_with_it(tmp_path, images):
    """Files of one folder say the same of themselves, in 8-bit integers or not."""
    out, first, other = (tmp_path / name for name in ("tags.csv", "a.onnx", "b.onnx"))
    first.write_bytes(b"float32")
    other.write_bytes(b"int8")
    tagger = stopping_after(5)
    tagger.path = first
    with pytest.raises(KeyboardInterrupt):
        predict(tagger, images, out=out, workers=1, batch_size=1)
    tagger = ColourTagger()
    tagger.path = other
    with pytest.raises(InputError, match="left by a run with other settings"):
        predict(tagger, images, out=out, resume=True)


def test_images_may_have_come_and_gone_since(tmp_path, images):
    out = tmp_path / "tags.csv"
    interrupt(images, out, 6)
    changed = [paint(tmp_path / "in" / "new.png", 255, 255, 0), *images[:1:-1]]
    tagger = ColourTagger()
    predict(tagger, changed, out=out, resume=True)
    predict(ColourTagger(), changed, out=tmp_path / "whole.csv")
    assert out.read_text() == (tmp_path / "whole.csv").read_text()
    assert sum(tagger.batches) == 1 + 11 - 6


@pytest.mark.parametrize(
    "options", [{"threshold": "0.7"}, {"all_labels": True}, {"tagger": "other"}], ids=str
)
def test_rows_made_otherwise_are_not_mixed_in(tmp_path, images, options):
    out = tmp_path / "tags.jsonl"
    interrupt(images, out, 4)
    before = (tmp_path / "tags.jsonl.partial").read_bytes()
    tagger = ColourTagger()
    if options.pop("tagger", None):
        tagger.info = tagger.info.model_copy(update={"sha256": {"model.safetensors": "0"}})
    with pytest.raises(InputError, match="left by a run with other settings"):
        predict(tagger, images, out=out, resume=True, **options)
    assert (tmp_path / "tags.jsonl.partial").read_bytes() == before
    assert tagger.loaded == 0


def test_without_resume_a_run_starts_anew(tmp_path, images):
    out = tmp_path / "tags.csv"
    interrupt(images, out, 4)
    tagger = ColourTagger()
    predict(tagger, images, out=out)
    assert sum(tagger.batches) == 11


def test_resume_without_an_interrupted_run_starts_or_says_that_all_is_done(tmp_path, images):
    out = tmp_path / "tags.csv"
    predict(ColourTagger(), images, out=out, resume=True)
    with pytest.raises(InputError, match=r"tags\.csv is complete: there is no tags\.csv\.partial"):
        predict(ColourTagger(), images, out=out, resume=True)
    with pytest.raises(InputError, match="say which with out="):
        predict(ColourTagger(), images, resume=True)


def test_a_run_that_stops_before_its_first_image_leaves_nothing(tmp_path, images):
    interrupt(images, tmp_path / "tags.csv", 0)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_an_interrupted_run_says_how_to_continue_and_counts_each_image_once(tmp_path, images):
    said = []

    class Saying(Progress):
        def say(self, text):
            said.append(text)

    interrupt(images, tmp_path / "tags.csv", 5, progress=Saying())
    assert "5 images kept in" in said[-1]
    assert "resume=True" in said[-1]
    interrupt(images, tmp_path / "tags.csv", 2, progress=Saying(), resume=True)
    assert said[-2] == "already done: 5 images"
    assert "7 images kept in" in said[-1]


def test_pre_annotations_hold_the_images_of_both_runs(tmp_path, images):
    out, tasks, whole = (tmp_path / name for name in ("tags.csv", "tasks.json", "whole.json"))
    interrupt(images, out, 5, label_studio=tasks)
    assert not tasks.exists()
    predict(ColourTagger(), images, out=out, resume=True, label_studio=tasks)
    predict(ColourTagger(), images, label_studio=whole)
    assert json.loads(tasks.read_text()) == json.loads(whole.read_text())
    assert len(json.loads(whole.read_text())) == 11


# killed, and two at once

SCRIPT = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from colour_tagger import ColourTagger
from imlgcn.prediction import predict
from imlgcn.prediction.journal import Journal
tagger, (images, out, tasks) = ColourTagger(), map(Path, sys.argv[2:])
score = tagger.probabilities
def probabilities(inputs, known=None):
    if sum(tagger.batches) == 6:
        while out.with_name(out.name + ".partial").read_bytes().count(b"\\n") < 1 + 6:
            time.sleep(0.01)
        print("six are scored", flush=True)
        time.sleep(60)
    return score(inputs)
tagger.probabilities = probabilities
paths = sorted(images.iterdir())
predict(tagger, paths, out=out, label_studio=tasks, batch_size=1, workers=1)
"""


@contextmanager
def another_run(folder, out, tasks):
    """Run `predict` in a process that stops working after six images, and kill it at the end."""
    tests = str(Path(__file__).parents[1])
    arguments = map(str, (tests, folder, out, tasks))
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *arguments], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "six are scored\n"
        yield
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_killed_run_is_resumed_byte_for_byte_and_nothing_of_it_stays(
    tmp_path, images, suffix, resume
):
    out, tasks = tmp_path / f"tags{suffix}", tmp_path / "tasks.json"
    with another_run(images[0].parent, out, tasks):
        pass
    assert len(list(tmp_path.glob(".*"))) == 4  # a temporary file and a lock for each output
    tagger = ColourTagger()
    predict(tagger, images, out=out, label_studio=tasks, resume=resume)
    assert sum(tagger.batches) == 11 - (6 if resume else 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", out.name, tasks.name]
    whole, whole_tasks = tmp_path / f"whole{suffix}", tmp_path / "whole.json"
    predict(ColourTagger(), images, out=whole, label_studio=whole_tasks)
    assert out.read_bytes() == whole.read_bytes()
    assert tasks.read_bytes() == whole_tasks.read_bytes()


@pytest.mark.parametrize("resume", [True, False])
def test_of_two_runs_on_one_output_the_second_is_refused_and_harms_nothing(
    tmp_path, images, resume
):
    out, tasks = tmp_path / "tags.csv", tmp_path / "tasks.json"
    with another_run(images[0].parent, out, tasks):
        before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
        assert len(before) == 5
        with pytest.raises(InputError, match=r"tags\.csv: another run is writing this file; wait"):
            predict(ColourTagger(), images, out=out, resume=resume)
        with pytest.raises(InputError, match=r"tasks\.json: another run is writing this file"):
            predict(ColourTagger(), images, label_studio=tasks)
        assert before == {p: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}
        predict(ColourTagger(), images, out=tmp_path / "other.csv")  # that one is free


def test_a_changed_byte_anywhere_costs_its_line_and_is_said(tmp_path, images):
    out, journal, said = tmp_path / "tags.csv", tmp_path / "tags.csv.partial", Said()
    predict(ColourTagger(), images, out=tmp_path / "whole.csv")
    interrupt(images, out, 5)
    sound = journal.read_bytes()
    first = sound.index(b"\n") + 1
    for place in range(0, len(sound) - 1, 7):
        broken = bytearray(sound)
        broken[place] ^= 2
        journal.write_bytes(broken)
        tagger, said = ColourTagger(), Said()
        predict(tagger, images, out=out, resume=True, overwrite=True, progress=said)
        assert out.read_text() == (tmp_path / "whole.csv").read_text()
        redone = 5 if place < first else 1
        assert sum(tagger.batches) - (11 - 5) in (redone, 2)  # 2: the end of a line was hit
        assert "damaged line" in said.lines[0]
        out.unlink()


def test_a_line_that_changes_while_the_run_lasts_is_not_used(tmp_path, images):
    out, journal = tmp_path / "tags.csv", tmp_path / "tags.csv.partial"
    interrupt(images, out, 5)
    opened = Journal(
        journal, json.loads(journal.read_bytes()[17:].splitlines()[0])["rows of"], resume=True
    )
    broken = bytearray(journal.read_bytes())
    broken[-3] ^= 1
    journal.write_bytes(broken)
    assert [opened.find(str(path)) is None for path in images[:6]] == [False] * 4 + [True, True]
    opened.close()
