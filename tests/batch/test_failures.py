"""Damaged packs are rows, and failed images are tagged again."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from imlgcn.batch.run import TRIES
from imlgcn.errors import InputError

from .driver import go
from .samples import pack, rows_of, table


def test_images_in_packs_are_tagged_and_a_damaged_pack_is_a_failed_one(tag, expected, pictures):
    data = [Path(path).read_bytes() for path in pictures]
    table("b.parquet", image=data, path=pictures)
    pack(Path("whole.tar"), list(zip(pictures, data, strict=True)))
    for name in ("b.parquet", "whole.tar"):
        go(tag, "out", given=(name,), overwrite=True)
        short = [
            {**row, "image": row["image"].removeprefix("whole.tar/")} for row in rows_of("out/tags")
        ]
        assert short == expected
    cut_off = pack(Path("cut.tar"), list(zip(pictures, data, strict=True)))
    cut_off.write_bytes(cut_off.read_bytes()[:9000])
    _, summary = go(tag, "out", given=("cut.tar",), overwrite=True)
    failed = {row["image"]: row["error"] for row in rows_of("out/failed.parquet")}
    assert failed["cut.tar"].startswith("cannot be read to its end")
    assert summary.failed == len(failed)
    assert 2 < summary.images < 12


def test_a_damaged_or_empty_pack_is_a_failed_row_and_the_rest_is_tagged(tag, expected, pictures):
    data = [Path(path).read_bytes() for path in pictures]
    names = [f"{number}.png" for number in range(12)]
    whole = table("whole.parquet", image=data, path=names, group=4)
    content = Path(whole).read_bytes()
    Path("end.parquet").write_bytes(content[:-40])
    Path("page.parquet").write_bytes(content[:30] + bytes(200) + content[230:])
    Path("text.parquet").write_text("no table")
    Path("nothing.parquet").touch()
    Path("text.tar").write_text("no tar at all" * 99)
    table("none.parquet", image=pa.array([], pa.binary()))
    pack(Path("none.tar"), [])
    Path("link.tar").symlink_to("gone.tar")
    damaged = [f"{name}.parquet" for name in ("end", "page", "text", "nothing")]
    _, summary = go(tag, "out", given=("in", "*.parquet", ".", "text.tar"))
    failed = {row["image"]: row["error"] for row in rows_of("out/failed.parquet")}
    for name in [*damaged, "text.tar", "link.tar"]:
        assert failed.pop(name).startswith("cannot be read to its end: "), name
    assert failed.pop("none.tar") == failed.pop("none.parquet") == "holds no images"
    assert sorted(failed) == ["4.png", "in/04.png"]
    rows = rows_of("out/tags")
    assert [row for row in rows if row["image"].startswith("in/")] == expected
    tagged = {row["image"] for row in rows} - {"text.tar"}
    assert {*names, *pictures} <= tagged
    assert summary.failed == len(rows_of("out/failed.parquet"))
    table("other.parquet", size=[1, 2])
    with pytest.raises(InputError, match=r"other\.parquet: no column holds images \(it has size\)"):
        go(tag, "new", given=("in", "*.parquet"))


def test_the_table_of_failed_images_tags_them_again_under_their_names(
    tag, expected, pictures, tmp_path, monkeypatch
):
    bad = Path(pictures[4]).read_bytes()
    pack(Path("x.tar"), [("k/a.png", bad)])
    table("x.parquet", image=[bad, None])
    (tmp_path / "deep").mkdir()
    table("deep/list.parquet", path=["../in/04.png", "gone.png", None])
    packs = ("x.tar", "x.parquet", "deep/list.parquet")
    go(tag, "out", given=(*pictures, *packs))
    rows = rows_of("out/failed.parquet")
    assert [(row["image"], row["pack"]) for row in rows] == [
        ("in/04.png", None), ("x.tar/k/a.png", "x.tar"),
        ("x.parquet#0", "x.parquet"), ("x.parquet#1", "x.parquet"), ("deep/gone.png", None),
        ("deep/list.parquet#2", "deep/list.parquet"),
    ]  # fmt: skip
    for path in (pictures[4], "deep/gone.png"):
        shutil.copy(pictures[0], path)
    monkeypatch.chdir(tmp_path / "deep")
    _, summary = go(tag, "again", given=("../out/failed.parquet",))
    first = [row for row in expected if row["image"] == "in/00.png"]
    again = rows_of("again/tags")
    for name in (pictures[4], "deep/gone.png"):
        assert [row for row in again if row["image"] == name] == [
            {**row, "image": name} for row in first
        ]
    failed = {row["image"]: row["error"] for row in again if row["error"]}
    assert sorted(failed) == sorted(row["image"] for row in rows if row["pack"])
    assert failed["x.tar/k/a.png"] == "is in x.tar: mend that, and give it itself"
    assert (summary.images, summary.failed) == (6, 4)


def test_what_a_run_has_written_is_not_taken_for_tables_of_images(tag, expected):
    go(tag, "out", given=(".",))
    assert rows_of("out/tags") == expected
    Path("one.parquet").unlink()
    go(tag, "again", given=(".",))
    assert rows_of("again/tags") == expected


def test_a_pack_that_the_network_fails_is_read_again_before_it_counts_as_failed(
    tag, expected, pictures, monkeypatch
):
    from imlgcn.batch import shard

    table("b.parquet", image=[Path(path).read_bytes() for path in pictures], path=pictures)
    read, calls = shard.images_of, Counter()

    def failing(block, folder):
        calls[block.number] += 1
        yield from list(read(block, folder))[:1]
        if calls[block.number] < 3 or block.number == 1:
            raise ConnectionError("the network is gone")
        yield from list(read(block, folder))[1:]

    monkeypatch.setattr(shard, "images_of", failing)
    go(tag, "out", given=("b.parquet",))
    rows = rows_of("out/tags")
    assert calls[1] == TRIES
    failed = {row["image"]: row["error"] for row in rows_of("out/failed.parquet")}
    assert failed["b.parquet"] == "cannot be read to its end: the network is gone"
    lost = {"in/04.png", "in/05.png"}  # of row group 1, after its first
    assert [row for row in rows if row["image"] != "b.parquet"] == [
        row for row in expected if row["image"] not in lost
    ]
