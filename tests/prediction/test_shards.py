"""Shards of the images, merged: each image once, byte for byte the file of one machine."""

from __future__ import annotations

import json
import os
import shutil
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import imlgcn
from colour_tagger import LABELS, SUFFIXES, ColourTagger, paint
from imlgcn.errors import InputError
from imlgcn.labels.label_rows import LabelRow
from imlgcn.labels.label_table import LabelTable
from imlgcn.prediction import merge_predictions, predict
from imlgcn.prediction.images import named_images
from imlgcn.prediction.label_studio import image_address
from imlgcn.prediction.path_keys import PathKeys
from imlgcn.prediction.paths import GivenPaths, expand_paths
from imlgcn.prediction.shards import Shard, ShardImages, key_of

from .conftest import NAMES, tag_shards


class NamedTagger(ColourTagger):
    """One whose labels are called otherwise, so that rows have a column more."""

    label_table = LabelTable.of(
        LABELS, [LabelRow("cat", name="=cat", parents=("dog",)), LabelRow("dog", name="Hund")]
    )


OPTIONS = {
    "all_labels": st.booleans(),
    "at_most": st.integers(0, 3),
    "threshold": st.floats(0, 1),
    "bare": st.booleans(),
}


def assert_merged_is_whole(photos, folder, written, merged, total, **options):
    whole, out = folder / f"whole{merged}", folder / f"tags{merged}"
    expected = predict(ColourTagger(), photos, out=whole, **options)
    files = tag_shards(photos, folder / f"tags{written}", total, **options)
    assert merge_predictions(files[::-1], out) == expected
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("written", "merged", "total", "options"),
    [
        (".csv", ".csv", 3, {}),
        (".csv", ".csv", 2, {"bare": True, "all_labels": True}),
        (".csv", ".jsonl", 2, {"all_labels": True, "at_most": 1}),
        (".csv", ".parquet", 2, {"threshold": 0.1}),
        (".jsonl", ".csv", 2, {"all_labels": True, "at_most": 1}),
        (".jsonl", ".jsonl", 5, {}),
        (".jsonl", ".parquet", 1, {}),
        (".parquet", ".csv", 2, {}),
        (".parquet", ".jsonl", 3, {"all_labels": True, "at_most": 1}),
        (".parquet", ".parquet", 4, {"all_labels": True, "at_most": 1}),
    ],
)
def test_merged_shards_are_byte_for_byte_the_file_of_one_machine(
    photos, tmp_path, written, merged, total, options
):
    assert_merged_is_whole(photos, tmp_path, written, merged, total, **options)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    total=st.integers(1, 40),
    written=st.sampled_from(SUFFIXES),
    merged=st.sampled_from(SUFFIXES),
    options=st.fixed_dictionaries({}, optional=OPTIONS),
)
def test_so_they_are_for_any_number_and_options(
    photos, tmp_path_factory, total, written, merged, options
):
    folder = tmp_path_factory.mktemp("out")
    assert_merged_is_whole(photos, folder, written, merged, total, **options)
    shutil.rmtree(folder)


def test_shards_without_images_are_merged_too(photos, tmp_path):
    assert_merged_is_whole(photos / "sub", tmp_path, ".csv", ".csv", 9)
    files = list(tmp_path.glob("tags.*-of-9.csv"))
    assert sum(len(path.read_text().splitlines()) == 1 for path in files) >= 7


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_name_that_is_no_text_is_merged_as_it_is_written(tmp_path, suffix):
    folder = tmp_path / "photos"
    for name in (b"\xff.png", b"a.png"):
        paint(folder / os.fsdecode(name), 1, 200, 3)
    assert_merged_is_whole(folder, tmp_path, suffix, suffix, 2)


@pytest.mark.parametrize("written", SUFFIXES)
def test_further_columns_are_merged_as_well(photos, tmp_path, written):
    for number in (1, 2):
        out = tmp_path / f"tags{written}"
        predict(NamedTagger(), photos, out=out, shard=(number, 2), all_labels=True)
    for suffix in SUFFIXES:
        whole, out = tmp_path / f"whole{suffix}", tmp_path / f"merged{suffix}"
        predict(NamedTagger(), photos, out=whole, all_labels=True)
        merge_predictions(str(tmp_path / f"tags.*-of-2{written}"), out)
        assert out.read_bytes() == whole.read_bytes()


def test_names_that_begin_as_formulas_do_are_read_back(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(photos)
    assert_merged_is_whole("[=-]*.png", tmp_path, ".csv", ".csv", 2)
    assert_merged_is_whole("[=-]*.png", tmp_path, ".csv", ".jsonl", 2, overwrite=True)


def keys(images):
    return [key_of(image) for image in named_images(images)]


def path_keys(*patterns):
    given = GivenPaths(patterns)
    made = PathKeys(given)
    return [made.of(name).key for name in given]


def test_every_image_is_in_exactly_one_shard_wherever_the_folder_is(photos, tmp_path, monkeypatch):
    elsewhere = tmp_path / "another mount" / "of it"
    shutil.copytree(photos, elsewhere)
    expected = keys(str(photos))
    assert len(set(expected)) == len(NAMES)
    monkeypatch.chdir(elsewhere)
    for folder in (elsewhere, f"{elsewhere}/", ".", "./", "../of it//", f"{elsewhere}/sub/.."):
        assert keys(expand_paths([str(folder)])) == expected, folder
        assert keys([str(folder)]) == expected, "from Python as from the command line"
        assert path_keys(folder) == expected, "without a list of all"
    for total in (1, 2, 7, 100):
        owned = [sum(Shard(n, total).owns(key) for n in range(1, total + 1)) for key in expected]
        assert owned == [1] * len(expected)


def test_a_pattern_and_a_table_are_counted_from_their_folder_a_file_and_a_list_as_given(
    photos, tmp_path, monkeypatch
):
    elsewhere = tmp_path / "mount"
    shutil.copytree(photos, elsewhere)
    for folder in (photos, elsewhere):
        (folder / "list.csv").write_text("image\n00.png\nsub/deeper/00.png\n")
    monkeypatch.chdir(elsewhere)
    for name in ("0[01].png", "**/00.png", "list.csv"):
        expected = keys(expand_paths([name]))
        assert keys(expand_paths([photos / name])) == expected, name
        assert path_keys(photos / name) == path_keys(name) == expected, name
    for way in (lambda *given: keys(expand_paths(given)), path_keys):
        assert way(photos / "list.csv") == [b"0/00.png", b"0/sub/deeper/00.png"]
        assert way("00.png", "./01.png") == [b"00.png", b"01.png"]
        assert way(elsewhere / "00.png") == [os.fsencode(elsewhere / "00.png")]
    assert keys([b"content", b"content"]) == [b"image 1", b"image 2"]
    two = keys(expand_paths(["sub/deeper", ".", photos]))
    assert two[:2] == [b"0/00.png", b"1/-1.png"], "folders of equal names are told apart"
    (photos / "list.csv").unlink()


def test_a_file_that_is_named_in_several_ways_is_in_one_shard_and_once(
    photos, tmp_path, monkeypatch
):
    """The whole has it where it was first named, and so has what is merged of any shards."""
    monkeypatch.chdir(photos)
    names = ("00.png", "01.png", "sub/../02.png", "sub/deeper/00.png", "../photos/03.png")
    table, other = tmp_path / "list.csv", tmp_path / "relative" / "other.csv"
    other.parent.mkdir()
    table.write_text("image\n" + "".join(f"{photos / name}\n{name}\n" for name in names))
    other.write_text("image\n" + "".join(f"{name}\n" for name in names[::-1]))
    spelt = [*names, *(str(photos / name) for name in names)]
    (photos / "twice").symlink_to(photos / "sub", target_is_directory=True)
    for number, patterns in enumerate(
        (
            [".", "sub", "*.png", str(photos)],
            ["sub/deeper", "**/*.png", str(table)],
            [str(table), str(other)],
            [str(other), str(table), "00.png"],
            spelt,
            [*spelt[::-1], str(table)],
            ["twice", "sub", "sub/*/../*.png", "0*.png", "sub/../0[0-5].png"],
        )
    ):
        whole, out = tmp_path / f"whole{number}.csv", tmp_path / f"tags{number}.csv"
        summary = predict(ColourTagger(), GivenPaths(patterns), out=whole)
        assert summary.images == len(expand_paths(patterns))
        for shard in (1, 2, 3):
            predict(ColourTagger(), GivenPaths(patterns), out=out, shard=(shard, 3))
        assert merge_predictions(str(tmp_path / f"tags{number}.*-of-3.csv"), out) == summary
        assert out.read_bytes() == whole.read_bytes(), patterns
    (photos / "twice").unlink()


def test_a_shard_holds_no_names_but_its_own(tmp_path):
    """Of a list of 10,000 names it has some ten, in 20 bytes for each of the others at most."""
    table = tmp_path / "list.csv"
    table.write_text("image\n" + "".join(f"/{number:0100}.jpg\n" for number in range(10_000)))
    given, own = GivenPaths([table]), ShardImages(Shard(7, 1000))
    tracemalloc.start()
    found = named_images(given, own=own)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert own.listed == 10_000
    assert 3 < len(found) < 25
    assert peak < 20 * own.listed


def test_a_shard_of_no_image_at_all_is_refused_as_the_whole_is(tmp_path):
    with pytest.raises(InputError, match="no images in"):
        predict(ColourTagger(), tmp_path, out=tmp_path / "tags.csv", shard="1/2")


def test_shards_of_two_machines_with_other_mounts_are_merged(photos, tmp_path):
    elsewhere = tmp_path / "mount"
    shutil.copytree(photos, elsewhere)
    for number, folder in ((1, photos), (2, elsewhere)):
        predict(ColourTagger(), folder, out=tmp_path / "tags.jsonl", shard=(number, 2))
    out = tmp_path / "tags.jsonl"
    merge_predictions(tmp_path / "tags.*-of-2.jsonl", out)
    names = list(dict.fromkeys(json.loads(line)["image"] for line in out.read_text().splitlines()))
    found = [name.replace(str(elsewhere), str(photos)) for name in names]
    assert found == expand_paths([photos])


def test_the_hash_of_a_path_never_changes():
    """Shards of two versions of the package fit together."""
    owners = [
        next(n for n in range(1, 9) if Shard(n, 8).owns(b"0/photos/%d.jpg" % k)) for k in range(10)
    ]
    assert owners == [8, 8, 8, 2, 7, 3, 6, 1, 8, 3]


def test_an_image_that_comes_moves_no_other_to_another_shard(photos):
    before = {key: Shard(1, 3).owns(key) for key in keys(str(photos))}
    new = paint(photos / "00000.png", 1, 2, 3)
    after = {key: Shard(1, 3).owns(key) for key in keys(str(photos))}
    new.unlink()
    assert {key: after[key] for key in before} == before


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("0/8", "count from 1 to n, so add 1 to an index that counts from 0"),
        ("9/8", "shard=9/8: there is no such shard"),
        ((1, 0), "there is no such shard"),
        ("3", "takes i/n, such as 3/8 for the third of eight; got '3'"),
        ("3/8/2", "takes i/n"),
        ("-1/8", "takes i/n"),
        ("a/b", "takes i/n"),
        ("1" * 5000 + "/8", "takes i/n"),
        ("٣/8", "takes i/n"),
        ((True, 2), "takes i/n"),
        ((1.0, 2), "takes i/n"),
        (3, "takes i/n"),
    ],
)
def test_what_is_no_shard_is_refused_before_anything_is_read(tmp_path, wrong, words):
    with pytest.raises(InputError, match=words):
        predict(ColourTagger(), "no such folder", out=tmp_path / "tags.csv", shard=wrong)


def test_a_shard_has_a_name_of_its_own(photos, tmp_path):
    with pytest.raises(
        InputError, match=r"is the name of a shard: give that of the whole, tags.cs"
    ):
        predict(ColourTagger(), photos, out=tmp_path / "tags.2-of-8.csv", shard="3/8")
    with pytest.raises(InputError, match="all shards need the same: name one"):
        predict(tmp_path, photos, engine="auto", shard="3/8")
    out = tmp_path / "tags.csv"
    out.write_text("mine")
    predict(ColourTagger(), photos, out=out, shard="3/8")
    with pytest.raises(InputError, match=r"tags\.3-of-8\.csv exists; give overwrite=True"):
        predict(ColourTagger(), photos, out=out, shard="3/8")
    assert out.read_text() == "mine"


def test_a_tagger_that_was_opened_with_the_fastest_engine_here_is_refused_before_any_work(photos):
    class Measured(ColourTagger):
        measures_engines = True

    with pytest.raises(InputError, match="all shards need the same: name one"):
        predict(Measured(), photos, shard="1/2")
    assert next(predict(Measured(), photos)).image


def test_a_shard_is_also_a_filter_of_tags_that_are_iterated_or_printed(photos, tmp_path):
    names = [
        tags.image
        for number in (1, 2, 3)
        for tags in imlgcn.predict(ColourTagger(), photos, shard=(number, 3))
    ]
    assert sorted(names) == sorted(map(str, expand_paths([photos])))
    given = [(photos / name).read_bytes() for name in NAMES]
    parts = [list(predict(ColourTagger(), iter(given), shard=(n, 2))) for n in (1, 2)]
    assert len(parts[0]) + len(parts[1]) == len(NAMES)
    assert not {tags.image for tags in parts[0]} & {tags.image for tags in parts[1]}
    with (tmp_path / "printed").open("w") as stream:
        summary = predict(ColourTagger(), photos, out=stream, shard="1/2")
    assert 0 < summary.images < len(NAMES)


def test_generators_of_images_without_paths_are_merged(photos, tmp_path):
    given = [(photos / name).read_bytes() for name in NAMES]
    for number in (1, 2, 3):
        images = iter(given)
        predict(ColourTagger(), images, out=tmp_path / "tags.csv", shard=(number, 3))
    merge_predictions(str(tmp_path / "tags.*-of-3.csv"), tmp_path / "tags.csv")
    predict(ColourTagger(), given, out=tmp_path / "whole.csv")
    assert (tmp_path / "tags.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    again = predict(
        ColourTagger(), iter(given), out=tmp_path / "tags.csv", shard="2/3", resume=True
    )
    assert again.images


def test_sidecars_and_tasks_of_all_shards_are_those_of_one_machine(photos, tmp_path):
    folder = tmp_path / "photos"
    shutil.copytree(photos, folder)
    whole = predict(ColourTagger(), folder, xmp=True, label_studio=tmp_path / "whole.json")
    expected = {path: path.read_bytes() for path in folder.rglob("*.xmp")}
    for path in expected:
        path.unlink()
    found = [
        predict(ColourTagger(), folder, xmp=True, label_studio=tmp_path / "a.json", shard=(n, 3))
        for n in (1, 2, 3)
    ]
    assert sum(summary.sidecars for summary in found) == whole.sidecars == len(expected) > 0
    assert {path: path.read_bytes() for path in folder.rglob("*.xmp")} == expected
    tasks = [
        task for n in (1, 2, 3) for task in json.loads((tmp_path / f"a.{n}-of-3.json").read_text())
    ]
    order = [image_address(path) for path in expand_paths([folder])]
    tasks.sort(key=lambda task: order.index(task["data"]["image"]))
    assert tasks == json.loads((tmp_path / "whole.json").read_text())


def test_a_name_in_a_table_of_known_labels_is_matched_against_the_images_of_all_shards(
    tmp_path, onnx_folder
):
    """One that two images end in stands for neither, also where they are in two shards."""
    folders = [tmp_path / "photos" / name for name in "abcdefgh"]
    for number, folder in enumerate(folders):
        paint(folder / "0.png", 30 * number, 90, 90)
    label = imlgcn.Tagger.load(onnx_folder).labels[0]
    (tmp_path / "known.csv").write_text(f"image,labels\n0.png,{label}\na/0.png,{label}\n")
    options = {"known_from": tmp_path / "known.csv", "all_labels": True}
    whole, out = tmp_path / "whole.csv", tmp_path / "tags.csv"
    predict(onnx_folder, tmp_path / "photos", out=whole, **options)
    for number in range(1, 7):
        predict(onnx_folder, tmp_path / "photos", out=out, shard=(number, 6), **options)
    merge_predictions(tmp_path / "tags.*-of-6.csv", out)
    assert out.read_bytes() == whole.read_bytes()
    certain = [line for line in out.read_text().splitlines() if f",{label},1.0," in line]
    assert len(certain) == 1
