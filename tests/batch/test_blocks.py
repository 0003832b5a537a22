"""Folders, tables, tars and addresses become blocks that hold each image once."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pytest

from imlgcn.batch.blocks import Block, images_of
from imlgcn.batch.cutting import cut
from imlgcn.batch.inputs import Inputs, find_inputs
from imlgcn.data.unpack import BROKEN
from imlgcn.errors import InputError
from imlgcn.prediction import expand_paths

from .samples import pack, table

fsspec = pytest.importorskip("fsspec")


def blocks_of(*paths, most=5, folder="."):
    return list(cut(find_inputs(list(map(str, paths))), str(folder), workers=1, most=most))


def images(*paths, **options):
    """Return the images of all blocks, as they come from what each has written down."""
    found = [Block.of(block.line()) for block in blocks_of(*paths, **options)]
    return [image for block in found for image in images_of(block, str(options.get("folder", ".")))]


def contents(pictures):
    return [Path(path).read_bytes() for path in pictures]


@pytest.fixture
def shelf(pictures, tmp_path):
    """A folder of files, two tables (of bytes, and of paths) and a tar in a folder."""
    (tmp_path / "in" / "deep").mkdir()
    (tmp_path / "in" / ".hidden").mkdir()
    data = contents(pictures)
    pack(tmp_path / "in" / "deep" / "x.tar", [("k/a.png", data[0]), ("k/b.png", data[1])])
    pack(tmp_path / "in" / ".hidden" / "y.tar", [("a.png", data[0])])
    table(tmp_path / "in" / "bytes.parquet", image=data, id=range(12))
    table(tmp_path / "in" / "paths.parquet", path=["00.png", "missing.png", None])
    return tmp_path / "in"


def test_a_folder_is_its_images_as_predict_names_them_and_those_of_its_packs(shelf, pictures):
    found = images("in")
    assert [image.name for image in found[:12]] == expand_paths(["in"])
    packed = [image.name for image in found[12:]]
    rows = [f"in/bytes.parquet#{number}" for number in range(12)]
    others = ["in/missing.png", "in/paths.parquet#2"]  # in/00.png is there as a file
    assert packed == [*rows, *others, "in/deep/x.tar/k/a.png", "in/deep/x.tar/k/b.png"]
    assert [image.image for image in found[12:24]] == contents(pictures)
    assert found[25].error == "there is no image in this row"


@pytest.mark.parametrize("most", [1, 4, 5, 100])
def test_blocks_are_no_larger_than_asked_and_lose_nothing(shelf, most):
    found = blocks_of("in", most=most)
    assert [block.number for block in found] == list(range(len(found)))
    assert all(block.count <= max(most, 3) for block in found)  # a row group has three rows
    assert images("in", most=most) == images("in", most=5)


def test_by_default_there_are_blocks_for_every_worker_to_share():
    many = Inputs([f"{n}.png" for n in range(4_000)], [], None)
    sizes = [block.count for block in cut(many, ".", workers=2)]
    assert sizes == [250] * 16
    assert [b.count for b in cut(many._replace(images=["a.png"] * 40), ".", workers=2)] == [
        16,
        16,
        8,
    ]
    assert max(b.count for b in cut(many._replace(images=["a"] * 90_000), ".", workers=2)) == 1_000


def test_tables_name_their_images_by_what_they_hold(pictures, tmp_path):
    data = contents(pictures)[:2]
    struct = [{"bytes": data[0], "path": "x.png"}, {"bytes": data[1], "path": None}]
    table(tmp_path / "a.parquet", image=struct)
    table(tmp_path / "b.parquet", blob=data, file_name=["p", None])
    assert [image.name for image in images("a.parquet")] == ["x.png", "a.parquet#1"]
    assert [image.name for image in images("b.parquet")] == ["p", "b.parquet#1"]
    table(tmp_path / "c.parquet", url=["file:///etc/passwd", "ftp://x.test/a.png"])
    found = list(images_of(blocks_of("c.parquet")[0], "."))
    assert all("addresses of s3" in image.error for image in found)
    for columns in ({"a": data, "b": data}, {"n": [1, 2]}):
        table(tmp_path / "d.parquet", **columns)
        with pytest.raises(InputError, match="call the one with the bytes or the paths 'image'"):
            blocks_of("d.parquet")


def test_a_table_of_pack_calls_its_images_as_the_data_called_them(pictures, tmp_path):
    struct = [{"bytes": b"a", "path": f"00000000{n}.png"} for n in range(4)]
    said = ['{"name": "cats/a.png", "labels": []}', '{"labels": []}', "no JSON", None]
    table(tmp_path / "p.parquet", image=struct, row=range(4), record=said)
    assert [image.name for image in images("p.parquet")] == [
        "cats/a.png", "000000001.png", "000000002.png", "000000003.png"
    ]  # fmt: skip


def test_a_table_of_failed_images_with_empty_cells_is_read_as_others(pictures, tmp_path):
    cells = {"image": ["in/00.png", None], "error": ["e", "e"], "pack": [None, "x.tar"]}
    text = {name: pa.array(values, pa.string()) for name, values in cells.items()}
    table(tmp_path / "f.parquet", **text, working_folder=pa.array([None, None], pa.string()))
    found = images("f.parquet")
    assert [(image.image, image.error) for image in found] == [
        ("./in/00.png", None), (None, "there is no image in this row")
    ]  # fmt: skip


def test_a_tar_that_is_cut_off_gives_what_is_before_the_cut(pictures, tmp_path):
    whole = pack(tmp_path / "x.tar", [(f"{n}.png", c) for n, c in enumerate(contents(pictures))])
    whole.write_bytes(whole.read_bytes()[:4000])
    names = []
    given = images_of(blocks_of("x.tar")[0], ".")
    with suppress(BROKEN):
        while image := next(given):
            names.append(image.name)
    assert names == [f"x.tar/{n}.png" for n in range(len(names))]
    assert 2 <= len(names) < 12


def test_a_table_of_paths_that_ends_in_an_error_gives_what_is_before_it(pictures, monkeypatch):
    from imlgcn.batch import blocks

    def failing(*_):
        yield blocks.Found("in/00.png", "in/00.png")
        raise OSError("the network is gone")

    monkeypatch.setattr(blocks, "images_in_table", failing)
    given = images_of(Block(0, pack="x.parquet", groups=(0,)), ".")
    assert next(given).name == "in/00.png"
    with pytest.raises(OSError, match="gone"):
        next(given)


@pytest.fixture
def served(shelf):
    """The folder by http, from this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(shelf)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_addresses_of_a_server_give_what_the_files_do(served, pictures):
    data = contents(pictures)
    names = [f"{served}/00.png", f"{served}/gone.png", f"{served}/bytes.parquet"]
    found = images(*names, f"{served}/deep/x.tar", f"{served}/paths.parquet")
    assert [image.image for image in found[:1]] == data[:1]
    assert found[1].image is None
    assert found[1].error
    assert [image.image for image in found[2:14]] == data
    assert [image.name for image in found[14:16]] == [
        f"{served}/deep/x.tar/k/{n}.png" for n in "ab"
    ]
    assert found[16].name == f"{served}/missing.png"  # beside the table; 00.png is there already
    (beside, *_) = images(f"{served}/paths.parquet?page=a/b")
    assert beside == (f"{served}/00.png", data[0], None)


def test_folders_and_patterns_of_a_store_are_listed(pictures):
    store = fsspec.filesystem("memory")
    data = contents(pictures)
    for number in (0, 1, 2):
        store.pipe(f"/bucket/a/{number}.png", data[number])
    store.pipe("/bucket/a/notes.txt", b"")
    found = images("memory://bucket/a")
    assert [image.name for image in found] == [f"memory:///bucket/a/{n}.png" for n in (0, 1, 2)]
    assert [image.image for image in found] == data[:3]
    assert len(images("memory://bucket/a/[01].png")) == 2
    store.rm("/bucket", recursive=True)
    with pytest.raises(InputError, match=r"no images at|cannot be listed"):
        blocks_of("memory://bucket/a")


def test_an_address_that_cannot_be_opened_is_said_with_what_helps(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="fsspec cannot open it"):
        blocks_of("nosuch://bucket/a.png")
    with pytest.raises(InputError, match="chained"):
        blocks_of("simplecache::https://x.test/a.png")
    with pytest.raises(InputError, match="no such file"):
        blocks_of("gone.tar")
    with pytest.raises(InputError, match="no images in"):
        blocks_of()


def test_a_failing_network_is_asked_again_and_a_missing_file_is_not(monkeypatch):
    from imlgcn.batch import remote

    monkeypatch.setattr(remote, "PAUSE", 0.0)
    asked = []

    def fails(error, times):
        def work():
            asked.append(1)
            if len(asked) <= times:
                raise error
            return "content"

        asked.clear()
        return work

    assert remote.tried(fails(ConnectionResetError(), 2)) == "content"
    with pytest.raises(ConnectionResetError):
        remote.tried(fails(ConnectionResetError(), 3))
    with pytest.raises(FileNotFoundError):
        remote.tried(fails(FileNotFoundError(), 1))
    assert len(asked) == 1


@pytest.fixture
def answering():
    """A server that answers ``/503`` with that status, and ``/503/2`` so twice and then well."""
    asked = Counter()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            status, *times = self.path.strip("/").split("/")
            asked[self.path] += 1
            is_there = bool(times) and asked[self.path] > int(times[0])
            self.send_response(200 if is_there else int(status))
            self.send_header("Content-Length", "4" if is_there else "0")
            self.end_headers()
            if is_there:
                self.wfile.write(b"file")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_an_image_that_is_not_fetched_has_the_reason_of_the_server_or_the_network(
    answering, monkeypatch
):
    from imlgcn.batch import remote

    monkeypatch.setattr(remote, "PAUSE", 0.0)
    server, asked = answering
    paths = ["404", "403", "503", "429", "500/2"]
    names = [*(f"{server}/{path}" for path in paths), "http://127.0.0.1:1/a.png"]
    found = list(images_of(Block(0, names=tuple(names)), "."))
    assert [image.error for image in found] == [
        "HTTP 404 Not Found", "HTTP 403 Forbidden", "HTTP 503 Service Unavailable",
        "HTTP 429 Too Many Requests", None, "Connection refused",
    ]  # fmt: skip
    assert found[4].image == b"file"
    (tries,) = {asked["/503"], asked["/429"]}
    assert tries == 3 * asked["/404"] == 3 * asked["/403"]
    store = fsspec.filesystem("memory")
    (gone,) = images_of(Block(0, names=("memory://bucket/gone.png",)), ".")
    assert gone.error == "No such file or directory"
    assert not store.exists("/bucket/gone.png")


def test_columns_that_store_each_value_once_are_read_as_others(pictures, tmp_path):
    data = pa.array(contents(pictures)).dictionary_encode()
    names = pa.array(pictures).dictionary_encode()
    table(tmp_path / "bytes.parquet", image=data, path=names)
    assert [tuple(image) for image in images("bytes.parquet")] == [
        (name, content, None) for name, content in zip(pictures, contents(pictures), strict=True)
    ]
    table(tmp_path / "paths.parquet", image=names)
    assert [image.name for image in images("paths.parquet")] == pictures


def test_columns_of_large_types_are_read_as_well(pictures, tmp_path):
    data = pa.array(contents(pictures), pa.large_binary())
    table(tmp_path / "l.parquet", image=data, path=pa.array(pictures, pa.large_string()))
    assert [image.name for image in images("l.parquet")] == pictures
