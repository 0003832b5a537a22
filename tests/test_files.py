import errno
import fcntl
import os
import stat
from pathlib import Path

import pytest

from imlgcn.files import atomic_path, cache_dir, sha256_file, write_atomic


def test_a_written_file_has_the_text_and_nothing_lies_beside_it(tmp_path):
    write_atomic(tmp_path / "new" / "a.txt", "Grüße\n")
    assert (tmp_path / "new" / "a.txt").read_bytes() == "Grüße\n".encode()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.txt"]


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:  # noqa: PT012
        temporary.write_text("half of the new")
        assert target.read_text() == "old"
        raise RuntimeError
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_the_new_content_appears_only_at_the_end(tmp_path):
    with atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
        assert temporary.parent == tmp_path, "a rename is atomic only within one file system"
        assert not (tmp_path / "a.txt").exists()
    assert (tmp_path / "a.txt").read_text() == "new"


def test_a_file_is_as_readable_as_the_umask_says_whatever_the_writer_made(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_path(tmp_path / "a.txt") as temporary:
            temporary.write_text("x")
            temporary.chmod(0o600)  # as some writers do
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_two_writers_of_one_file_do_not_share_a_temporary_file(tmp_path):
    with atomic_path(tmp_path / "a") as one, atomic_path(tmp_path / "a") as two:
        one.write_text("1")
        two.write_text("2")
        assert one != two
    assert (tmp_path / "a").read_text() == "1"  # the outer one ends last


def test_an_exclusive_writer_replaces_what_a_killed_one_left_and_refuses_a_second(tmp_path):
    (tmp_path / ".a.tmp").write_text("half")
    (tmp_path / ".a.lock").touch()
    with atomic_path(tmp_path / "a", exclusive=True) as one:
        assert one == tmp_path / ".a.tmp"
        assert one.read_text() == ""
        with pytest.raises(BlockingIOError) as refused, atomic_path(tmp_path / "a", exclusive=True):
            pass
        assert refused.value.filename == str(tmp_path / "a")
        one.write_text("1")
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "1"


def test_a_file_system_without_locks_has_one_temporary_name_all_the_same(tmp_path, monkeypatch):
    def fail(file, how):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", fail)
    with atomic_path(tmp_path / "a", exclusive=True) as one:
        one.write_text("1")
    assert os.listdir(tmp_path) == ["a"]


def test_what_was_written_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(os, "fsync", lambda fd: seen.append((tmp_path / "a").exists()))
    write_atomic(tmp_path / "a", b"x")
    assert seen == [False]


def test_the_hash_is_that_of_the_content(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_file(tmp_path / "a") == expected


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("IMLGCN_CACHE", "~/mine")
    assert cache_dir() == Path.home() / "mine"
    monkeypatch.delenv("IMLGCN_CACHE")
    assert cache_dir() == tmp_path / "xdg" / "imlgcn"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir().parts[-2:] == (".cache", "imlgcn")


def test_a_cache_that_cannot_be_written_is_a_temporary_one_with_a_word(monkeypatch, tmp_path):
    from imlgcn import files

    files._temporary_cache.cache_clear()
    (tmp_path / "file").touch()
    monkeypatch.delenv("IMLGCN_CACHE", raising=False)
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "below"))
    monkeypatch.setattr(files, "_NOTES", [])
    cache = cache_dir()
    assert cache.is_dir()
    assert cache_dir() == cache
    assert "set IMLGCN_CACHE to a folder to keep them" in files.cache_note()
    assert files.cache_note() == "", "once is enough"
    monkeypatch.setenv("IMLGCN_CACHE", str(tmp_path / "file" / "below"))
    assert cache_dir() == tmp_path / "file" / "below", "what was asked for is never replaced"
    files._temporary_cache.cache_clear()
