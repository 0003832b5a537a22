"""Which image files the given files, folders, patterns and lists stand for."""

import errno
import io
import os
import sys
from pathlib import Path

import pytest

from colour_tagger import paint
from imlgcn.errors import InputError
from imlgcn.prediction import expand_paths


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A working folder of empty files; only names matter here."""
    names = ["b.JPG", "a.png", "notes.txt", "sub/c.webp", "sub/deep/d.jpeg", "x[1].png"]
    for name in [*names, ".hidden.png", ".thumbs/t.png", "sub/._c.jpg", "odd"]:
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path / "tree")
    return tmp_path / "tree"


def names_of(*patterns, **options):
    return [Path(path).as_posix() for path in expand_paths(patterns, **options)]


BELOW = ["a.png", "b.JPG", "sub/c.webp", "sub/deep/d.jpeg", "x[1].png"]


def test_a_folder_stands_for_all_images_below_it_sorted_and_not_hidden(tree):
    assert names_of(".") == BELOW
    assert names_of(tree) == [f"{tree.as_posix()}/{name}" for name in BELOW]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", ["a.png", "b.JPG", "x[1].png"]),
        ("*.[pP]*", ["a.png", "x[1].png"]),
        ("?.*", ["a.png", "b.JPG"]),
        ("**", BELOW),
        ("**/*.jpeg", ["sub/deep/d.jpeg"]),
        ("x[1].png", ["x[1].png"]),  # there is a file of that very name
    ],
)
def test_a_pattern_stands_for_the_images_it_matches(tree, pattern, expected):
    assert names_of(pattern) == expected


def test_a_named_file_is_taken_whatever_it_is_called(tree):
    assert names_of("odd", "notes.txt", Path(".hidden.png")) == ["odd", "notes.txt", ".hidden.png"]


def test_a_list_on_standard_input_may_hold_anything_but_patterns(tree):
    stdin = io.StringIO("sub\nmissing.png\r\n\n with spaces \n*.png\nodd")
    assert names_of("a.png", "-", "b.JPG", stdin=stdin) == [
        "a.png",
        *("sub/c.webp", "sub/deep/d.jpeg", "missing.png", " with spaces ", "*.png", "odd"),
        "b.JPG",
    ]


def test_standard_input_is_the_default_list(tree, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("a.png\n"))
    assert names_of("-") == ["a.png"]


def test_each_file_comes_once_where_it_was_first_named(tree):
    assert names_of("x[1].png", "a.png", ".", tree / "x[1].png", "sub/../a.png") == [
        *("x[1].png", "a.png", "b.JPG", "sub/c.webp", "sub/deep/d.jpeg"),
    ]


def test_a_folder_may_be_empty_beside_others(tree):
    (tree / "empty").mkdir()
    assert names_of("empty", "a.png") == ["a.png"]


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (["a.png", "photo.jpg"], "no such file or folder: .*tree.photo.jpg"),
        (["."], "no images in . "),
        (["*.gif"], r"no image matches '\*.gif' \(working folder .*tree"),
        (["no" * 200], "no such file or folder"),
        (["-"], "no images in standard input"),
        ([], "no images in an empty list"),
    ],
)
def test_nothing_found_says_where_it_looked(tree, patterns, message):
    if patterns == ["."]:
        os.chdir(paint(tree / "text" / "a.png", 0, 0, 0).parent)
        Path("a.png").rename("a.txt")
    with pytest.raises(InputError, match=message):
        expand_paths(patterns, stdin=io.StringIO(""))


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.parquet"])
def test_who_gives_packs_is_told_what_tags_the_images_in_them(tree, name):
    (tree / "packs" / "below").mkdir(parents=True)
    (tree / "packs" / "below" / name).write_bytes(b"content")
    for given in ("packs", f"packs/below/{name}", "packs/below/a.*", "packs/**"):
        with pytest.raises(
            InputError, match=r"; imlgcn predict --cluster ray tags the images in .*s$"
        ):
            expand_paths([given])
    (tree / "packs" / "below" / name).rename(tree / "packs" / "a.txt")
    for given in ("packs", "packs/*"):
        with pytest.raises(InputError, match="no image") as error:
            expand_paths([given])
        assert "ray" not in str(error.value)
    (tree / f"{name}.png").write_bytes(b"")
    assert names_of(f"{name}.png") == [f"{name}.png"]


def test_a_disk_that_fails_is_not_taken_for_an_empty_folder(tree, monkeypatch):
    def fail(folder):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "scandir", fail)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        expand_paths(["."])


def test_a_list_on_standard_input_may_hold_names_of_any_bytes(tree, monkeypatch):
    raw = io.TextIOWrapper(io.BytesIO(b"a.png\ncaf\xe9.png\n"), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", raw)
    assert [os.fsencode(path) for path in expand_paths(["-"])] == [b"a.png", b"caf\xe9.png"]


def test_files_are_not_looked_at_one_by_one(tree, monkeypatch):
    """A folder of a million images on a far disk is listed in seconds."""
    looked = []
    real = os.stat
    monkeypatch.setattr(os, "stat", lambda path, **how: looked.append(path) or real(path, **how))
    assert names_of(".", str(tree)) == BELOW
    assert [path for path in looked if os.path.splitext(path)[1]] == []
    del looked[:]
    table = tree / "list.csv"
    table.write_text("image\n" + "".join(f"{tree / name}\n" for name in BELOW))
    assert len(expand_paths([table])) == len(BELOW)
    assert [path for path in looked if str(path) != str(table)] == []


def test_a_link_that_leads_nowhere_is_an_image_that_cannot_be_read(tree):
    (tree / "gone.png").symlink_to(tree / "no such file")
    (tree / "round.png").symlink_to(tree / "round.png")
    assert names_of(".") == sorted([*BELOW, "gone.png", "round.png"])


def test_a_linked_folder_is_not_followed_twice(tree):
    (tree / "sub" / "up").symlink_to(tree, target_is_directory=True)
    assert names_of(".") == BELOW


def test_a_folder_that_may_not_be_listed_is_left_out(tree, monkeypatch):
    real = os.scandir

    def scandir(folder):
        if os.path.basename(os.path.normpath(folder)) == "deep":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), folder)
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    assert names_of(".") == [name for name in BELOW if "deep" not in name]
