"""What keeps shards from being merged: each is one sentence that names the shard and what to do."""

from __future__ import annotations

import json
import resource
import tracemalloc
from types import SimpleNamespace

import pytest

from colour_tagger import SUFFIXES, ColourTagger, paint
from imlgcn.errors import InputError
from imlgcn.files import only_writer
from imlgcn.prediction import PredictSummary, Row, merge_predictions, predict
from imlgcn.prediction.images import NamedImage
from imlgcn.prediction.journal import hashed_content, hashed_line
from imlgcn.prediction.rows import COLUMNS, open_rows
from imlgcn.prediction.shard_record import Maker, ShardFile
from imlgcn.prediction.shards import Shard, ShardImages

MAKER = Maker("tagger", "engine", "rows", COLUMNS, False)


@pytest.fixture
def photos(tmp_path):
    for number in range(12):
        paint(tmp_path / "photos" / f"{number:02}.png", 20 * number, 255 - 20 * number, 90)
    return tmp_path / "photos"


@pytest.fixture
def out(photos, tmp_path):
    """Three shards of twelve images: ``tags.1-of-3.csv`` and so on."""
    for number in (1, 2, 3):
        predict(ColourTagger(), photos, out=tmp_path / "tags.csv", shard=(number, 3))
    return tmp_path / "tags.csv"


def refused(out, words, shards="tags.*-of-3.csv", **options):
    """Merging ends in one sentence, and leaves nothing."""
    before = sorted(out.parent.iterdir())
    with pytest.raises(InputError, match=words) as found:
        merge_predictions(out.parent / shards, options.pop("to", out), **options)
    assert "\n" not in str(found.value)
    assert sorted(out.parent.iterdir()) == before


def again(out, photos, tagger=None, **options):
    """Tag the second shard another way."""
    tagger = tagger or ColourTagger()
    predict(tagger, photos, out=out, overwrite=True, **{"shard": "2/3"} | options)


def test_a_missing_shard_is_named(out):
    (second,) = out.parent.glob("tags.2-of-3.csv")
    refused(out, r"shard 2/3 is missing: give .*tags\.2-of-3\.csv, too", "tags.[13]-of-3.csv")
    second.unlink()
    refused(out, r"shard 2/3 is missing: run predict with shard=2/3, too")
    (out.parent / "tags.2-of-3.csv.partial").write_text("")
    refused(out, r"shard 2/3 is missing: .*tags\.2-of-3\.csv is unfinished, .* resume=True")
    (out.parent / "tags.2-of-3.csv.shard").unlink()
    (out.parent / "tags.3-of-3.csv").unlink()
    refused(out, r"tags\.3-of-3\.csv is gone, .* resume=True", "tags.3*")
    refused(out, r"shards 2/3, 3/3 are missing")
    refused(out, r"tags\.2-of-3\.csv is unfinished: .* resume=True", "tags.*")


def test_of_a_million_missing_shards_the_first_are_named_at_once(tmp_path):
    write_shards(tmp_path / "tags.csv", 1, 1)
    own = ShardImages(Shard(1, 999_999_999))
    file = tmp_path / "renamed.csv"
    (tmp_path / "tags.1-of-1.csv").rename(file)
    ShardFile(file, MAKER, own, []).finish(PredictSummary(0, 0, 0, 0, ()))
    words = "shards 2/999999999, 3/9.* and 999,999,993 more are missing: run predict with shard=2/9"
    refused(tmp_path / "tags.csv", words, "renamed.csv")


def test_a_shard_that_is_there_twice_is_named(out):
    for end in ("csv", "csv.shard"):
        copy = out.parent / f"copy.{end}"
        copy.write_bytes((out.parent / f"tags.2-of-3.{end}").read_bytes())
    refused(out, r"copy\.csv and .*tags\.2-of-3\.csv are both shard 2/3: give one", "*.csv")
    shards = [*out.parent.glob("tags.*-of-3.csv"), out.parent / "tags.2-of-3.csv.shard"]
    merge_predictions([*shards, *map(str, shards)], out)  # one file, given again


def test_one_command_is_named_for_a_shard_whose_record_is_lost_and_it_works(out, photos):
    (out.parent / "tags.2-of-3.csv.shard").unlink()
    words = (
        r"no tags\.2-of-3\.csv\.shard .* with (shard=2/3 and overwrite=True) in place of resume="
    )
    refused(out, words)
    with pytest.raises(InputError, match=words):  # what every script gives
        predict(ColourTagger(), photos, out=out, shard="2/3", resume=True)
    predict(ColourTagger(), photos, out=out, shard="2/3", overwrite=True)
    merge_predictions(out.parent / "tags.*-of-3.csv", out)


def test_a_file_that_is_no_shard_is_named(out):
    (out.parent / "mine.csv").write_text("image,label\n")
    refused(out, r"mine\.csv is not a complete shard: there is no mine\.csv\.shard", "*.csv")
    refused(out, r"no such file: .*nothing\*", "nothing*")
    refused(out, r"photos is a folder: give the files in it", "photos")
    with pytest.raises(InputError, match="no shards are given"):
        merge_predictions([], out)


def other_tagger():
    tagger = ColourTagger()
    tagger.info = tagger.info.model_copy(update={"sha256": {"model.safetensors": "other"}})
    return tagger


def other_engine():
    tagger = ColourTagger()
    tagger.engine = SimpleNamespace(**vars(tagger.engine) | {"name": "other"})
    return tagger


@pytest.mark.parametrize(
    ("tagger", "options", "words"),
    [
        (other_tagger, {}, r"tags\.2-of-3\.csv was made by another tagger than .*tags\.1-of-3"),
        (other_engine, {}, r"tags\.2-of-3\.csv was made by another engine than .*tags\.1-of-3"),
        (None, {"threshold": 0.5}, r"tags\.2-of-3\.csv was made with other settings than"),
        (None, {"all_labels": True}, r"tags\.2-of-3\.csv was made with other settings than"),
        (None, {"bare": True}, r"tags\.2-of-3\.csv was made with other settings than"),
    ],
)
def test_a_shard_that_was_made_otherwise_is_named(out, photos, tagger, options, words):
    again(out, photos, tagger and tagger(), **options)
    refused(out, words)


def test_shards_of_other_images_are_named(out, photos):
    paint(photos / "new.png", 1, 2, 3)
    again(out, photos)
    refused(out, r"tags\.2-of-3\.csv was picked from other images than .*1-of-3.csv \(13 and 12\)")
    (photos / "new.png").unlink()
    (photos / "00.png").rename(photos / "99.png")
    again(out, photos)
    refused(out, r"tags\.2-of-3\.csv was picked from other images than .* \(12 and 12\)")


def test_shards_of_another_number_are_named(out, photos):
    again(out, photos, shard="2/4")
    refused(out, r"tags\.2-of-4\.csv is one of 4 shards, .*-of-3\.csv one of 3", "tags.*-of-*.csv")


def test_every_byte_of_a_shard_and_its_record_counts(out):
    for name in ("tags.2-of-3.csv", "tags.2-of-3.csv.shard"):
        file = out.parent / name
        whole = file.read_bytes()
        for index in range(0, len(whole), 7):
            file.write_bytes(whole[:index] + bytes([whole[index] ^ 4]) + whole[index + 1 :])
            refused(out, rf"{name.replace('.', '[.]')} is damaged.*again with overwrite=True")
        for part in (whole[:-1], whole + b"\n", b""):
            file.write_bytes(part)
            refused(out, rf"{name.replace('.', '[.]')} is damaged.*again with overwrite=True")
        file.write_bytes(whole)
    merge_predictions(out.parent / "tags.*-of-3.csv", out)


def test_a_record_that_was_forged_is_found_out(out):
    """Two shards with the same image, though every hash is right."""
    import hashlib

    record = out.parent / "tags.2-of-3.csv.shard"
    head, *lines = record.read_bytes().splitlines(keepends=True)
    first = (out.parent / "tags.1-of-3.csv.shard").read_bytes().splitlines()[1]
    for changed, words in (
        ([first.split()[0] + b" 1\n", *lines[1:]], "does not fit the other shards"),
        ([*lines[:-1], lines[-1].split()[0] + b" 9\n"], "has too few rows"),
    ):
        content = hashed_content(head)
        content["lines"] = hashlib.sha256(b"".join(changed)).hexdigest()
        record.write_bytes(hashed_line(content) + b"".join(changed))
        refused(out, words)
    content = hashed_content(head) | {"version": 2}
    record.write_bytes(hashed_line(content) + b"".join(lines))
    refused(out, "was written by another version of imlgcn")


def test_the_output_is_refused_before_any_work(out):
    refused(out, "one of the shards", to=out.parent / "tags.2-of-3.csv", overwrite=True)
    refused(out, r"written to a file ending in", to=out.with_suffix(".txt"))
    with only_writer(out):
        refused(out, "another run is writing this file")
    out.write_text("mine")
    refused(out, r"tags\.csv exists; give overwrite=True")
    assert out.read_text() == "mine"
    merge_predictions(out.parent / "tags.*-of-3.csv", out, overwrite=True)
    assert out.read_text().startswith("image,label")


def test_the_counts_of_all_shards_are_added_up(photos, tmp_path):
    (photos / "03.png").write_bytes(b"no image")
    (photos / "raw.CR2").write_bytes(b"raw")
    whole = predict(ColourTagger(), photos, out=tmp_path / "whole.csv")
    for number in (1, 2, 3):
        predict(ColourTagger(), photos, out=tmp_path / "tags.csv", shard=(number, 3), xmp=True)
    found = merge_predictions(tmp_path / "tags.*-of-3.csv", tmp_path / "tags.csv")
    sidecars = len(list(photos.glob("*.xmp")))
    assert found == whole._replace(sidecars=sidecars)
    assert found.not_read == 1
    assert sidecars > 3


def write_shards(out, total, images, rows=2):
    """Write shards of invented rows, without a tagger."""
    for number in range(1, total + 1):
        own = ShardImages(Shard(number, total))
        file = own.shard.name(out)
        named = (NamedImage(f"photos/{k:06}.jpg", b"") for k in range(images))
        with open_rows(file) as write:
            for image in own.pick(named):
                found = [Row(image.name, f"label {n}", 0.5, 0.25) for n in range(rows)]
                write(found)
                own.write(found)
        ShardFile(file, MAKER, own, []).finish(PredictSummary(0, 0, 0, 0, ()))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_more_shards_than_files_may_be_open_are_merged(tmp_path, suffix):
    out = tmp_path / f"tags{suffix}"
    write_shards(out, 40, 100)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with (tmp_path / "x").open("w") as file:
        resource.setrlimit(resource.RLIMIT_NOFILE, (file.fileno() + 15, hard))
    try:
        merge_predictions(tmp_path / f"tags.*-of-40{suffix}", out)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.thorough
def test_memory_does_not_grow_with_the_number_of_images(tmp_path, monkeypatch):
    monkeypatch.setattr("imlgcn.prediction.shard_record.BLOCK", 1 << 12)
    peaks = []
    for images in (2_000, 6_000):
        out = tmp_path / f"{images}.jsonl"
        write_shards(out, 2, images)
        tracemalloc.start()
        merge_predictions(tmp_path / f"{images}.*-of-2.jsonl", out)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        lines = out.read_text().splitlines()
        names = [json.loads(line)["image"] for line in lines[::2]]
        assert names == [f"photos/{k:06}.jpg" for k in range(images)]
    assert peaks[1] < 1.3 * peaks[0]
