"""Each input is there exactly once, in whatever ways and spellings it is given."""

from __future__ import annotations

import io
import os
from contextlib import chdir
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imlgcn.batch.blocks import Block, images_of
from imlgcn.batch.cutting import cut
from imlgcn.batch.inputs import find_inputs
from imlgcn.errors import InputError
from imlgcn.prediction import expand_paths

from .samples import pack, table

fsspec = pytest.importorskip("fsspec")

FILES = {"00.png", "01.png", "deep/02.png", "link.png"}
A_TAR, B_TAR = {"a.tar/k/x.png", "a.tar/y.png"}, {"deep/b.tar/z.png"}
CELLS = {"bytes.parquet#0", "bytes.parquet#1"}
OF_PATHS = {"00.png", "deep/02.png", "gone.png", "paths.parquet#3"}
OF_STRUCTS = {"structs.parquet#0", "01.png"}
TABLES = CELLS | OF_PATHS | OF_STRUCTS
LINKED = {"linked/02.png", "linked/b.tar/z.png"}
PLAIN = ["two", "./two/", "{here}/two", "two/*.png"]
WAYS = {  # an argument, with what it stands for, below `two`
    "two": FILES | A_TAR | B_TAR | TABLES,
    "./two/": FILES | A_TAR | B_TAR | TABLES,
    "two/../two": FILES | A_TAR | B_TAR | TABLES,
    "{here}/two": FILES | A_TAR | B_TAR | TABLES,
    "file://{here}/two": FILES | A_TAR | B_TAR | TABLES,
    "two/*": {"00.png", "01.png", "link.png"} | A_TAR | TABLES,
    "./two/**/*": FILES | A_TAR | B_TAR | TABLES | LINKED,  # ** follows links
    "two/*.tar": A_TAR,
    "two/*.png": {"00.png", "01.png", "link.png"},
    "two/00.png": {"00.png"},
    "two/deep/../link.png": {"link.png"},
    "two/a.tar": A_TAR,
    "file://{here}/two/a.tar": A_TAR,
    "two/paths.parquet": OF_PATHS,
    "two//structs.parquet": OF_STRUCTS,
    "{here}/two/bytes.parquet": CELLS,
    "two/list.csv": {"00.png", "01.png"} | A_TAR,
    "two/linked": LINKED,  # a folder of its own
    "-": {"00.png", "deep/02.png"} | A_TAR | B_TAR,
}
LINES = "two/./00.png\ntwo/deep\n\n{here}/two/a.tar\n"


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A folder that holds everything, with a working folder beside it."""
    here = tmp_path_factory.mktemp("inputs")
    two = here / "two"
    (two / "deep").mkdir(parents=True)
    for name in ("00.png", "01.png", "deep/02.png", ".hidden.png", "notes.txt"):
        (two / name).write_bytes(name.encode())
    (two / "link.png").symlink_to("00.png")
    (two / "linked").symlink_to("deep")
    pack(two / "a.tar", [("k/x.png", b"x"), ("y.png", b"y")])
    pack(two / "deep" / "b.tar", [("z.png", b"z")])
    table(two / "bytes.parquet", group=1, image=[b"0", b"1"])
    paths = ["00.png", "deep/02.png", "./gone.png", None, "../two/00.png", "deep/02.png"]
    table(two / "paths.parquet", group=2, path=paths)
    structs = [{"bytes": b"s", "path": None}, {"bytes": None, "path": "01.png"}]
    table(two / "structs.parquet", image=structs)
    (two / "list.csv").write_text("image,labels\n00.png,a\n./01.png,b\na.tar,c\n")
    return here


def found_in(paths, most=4):
    blocks = cut(find_inputs(paths), ".", workers=1, most=most)
    written = [Block.of(block.line()) for block in blocks]
    return written, [list(images_of(block, ".")) for block in written]


@settings(max_examples=30, deadline=None)
@given(ways=st.lists(st.sampled_from(sorted(WAYS)), min_size=1, max_size=7), most=st.integers(1, 9))
def test_each_input_is_there_once_in_any_mixture_of_ways_to_give_it(tree, ways, most):
    expected = {f"{tree}/two/{name}" for way in ways for name in WAYS[way]}
    lines = io.StringIO(LINES.format(here=tree))
    with chdir(tree), mock.patch("sys.stdin", lines):
        blocks, images = found_in([way.format(here=tree) for way in ways], most)
        found = [
            os.path.abspath(image.image if isinstance(image.image, str) else image.name)
            for block in images
            for image in block
        ]
    assert sorted(found) == sorted(expected)
    assert all(block.count in (0, len(given)) for block, given in zip(blocks, images, strict=True))


@settings(max_examples=20, deadline=None)
@given(ways=st.lists(st.sampled_from(PLAIN), min_size=1, max_size=4))
def test_files_are_called_as_one_machine_calls_them(tree, ways):
    given = [way.format(here=tree) for way in ways]
    with chdir(tree):
        assert find_inputs(given).images == expand_paths(given)
        assert len(find_inputs(given).packs) == (0 if set(given) == {"two/*.png"} else 5)


def test_what_no_pattern_matches_and_folders_without_images_are_refused(tree):
    with chdir(tree):
        Path("empty").mkdir()
        for given in ("two/*.jpg", "nothing/*"):
            with pytest.raises(InputError, match="no image matches"):
                find_inputs(["two", given])
        with pytest.raises(InputError, match="no images in empty"):
            find_inputs(["empty"])
        assert find_inputs(["empty", "two/00.png"]).images == ["two/00.png"]


def test_files_at_an_address_are_there_once_however_it_is_spelt(tmp_path, monkeypatch):
    store = fsspec.filesystem("memory")
    store.pipe("/inputs/a.png", b"a")
    store.pipe("/inputs/t.tar", b"")
    given = ["memory://inputs/a.png", "memory://inputs", "memory:///inputs/*", "memory://inputs/"]
    try:
        found = find_inputs(given)
    finally:
        store.rm("/inputs", recursive=True)
    assert found.images == ["memory://inputs/a.png"]
    assert found.packs == ["memory:///inputs/t.tar"]


def test_addresses_in_lists_stay_as_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["http://a.test/b.png", "https://a.test//c.png?x=1", "https://a.test/d.tar?sig=a/b"]
    Path("list.csv").write_text("image\n" + "\n".join(names) + "\n")
    lines = "\n".join(names) + "\ns3://bucket/a.parquet\n"
    with mock.patch("sys.stdin", io.StringIO(lines)):
        found = find_inputs(["list.csv", "-", names[2]])
    assert found.images == names[:2]
    assert found.packs == [names[2], "s3://bucket/a.parquet"]
    Path("list.csv").write_text("image\nftp://a.test/b.png\n")
    with pytest.raises(InputError, match=r"ftp://a\.test/b\.png: a table may name addresses of s3"):
        find_inputs(["list.csv"])
