"""Each image exactly once, whatever happens to the workers, the driver and their files."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import threading
from collections import Counter, deque
from contextlib import nullcontext
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imlgcn.batch import BatchTagger, run
from imlgcn.batch.cutting import cut
from imlgcn.batch.inputs import find_inputs
from imlgcn.batch.output import OutputFolder
from imlgcn.batch.run import TRIES, tag_blocks
from imlgcn.batch.shard import ShardTagger
from imlgcn.errors import InputError
from imlgcn.prediction import predict
from imlgcn.stopping import Stopped
from runs import Said

from .samples import pack, rows_of, table


class Here:
    """Workers in this process: `script` says, for each block begun, what happens to it."""

    def __init__(self, worker, script=(), pick=0):
        self.worker, self.script, self.pick = worker, deque(script), pick
        self.begun, self.waiting = [], []

    @property
    def idle(self):
        return 2 - len(self.waiting)

    def submit(self, block, *, last):
        self.begun.append(block.number)
        self.waiting.append((block, last, self.script.popleft() if self.script else "done"))

    def done(self, timeout):
        block, last, what = self.waiting.pop(self.pick)
        if what == "lost before":
            return [(block, ConnectionError("the worker is gone"))]
        try:
            report = self.worker.tag(block, last)
        except Exception as error:
            return [(block, error)]
        if what == "lost after":  # its file is there, and nobody hears of it
            return [(block, ConnectionError("the worker is gone"))]
        if what == "twice":
            return [(block, report), (block, self.worker.tag(block, last))]
        if what == "stop":
            raise KeyboardInterrupt
        return [(block, report)] if what == "done" else []


@pytest.fixture
def tag(onnx):
    return BatchTagger(onnx, threshold=0.4)


@pytest.fixture
def expected(onnx, pictures, tmp_path):
    predict(onnx, pictures, out=tmp_path / "one.parquet", threshold=0.4)
    return rows_of(tmp_path / "one.parquet")


def go(tag, out, script=(), *, given=("in",), resume=False, overwrite=False, said=None, pick=0):
    """Run as `predict_on_ray` does, with workers in this process; return them and the counts."""
    folder = os.getcwd()
    output = OutputFolder(Path(out).absolute(), resume=resume, overwrite=overwrite)
    try:
        output.start(
            run._header(tag, given, folder), cut(find_inputs(given), folder, workers=1, most=2)
        )
        workers = Here(ShardTagger(tag, str(output.unfinished), folder), script, pick)
        return workers, tag_blocks(output, workers, said or Said())
    finally:
        output.close()


def manifest(out):
    return [json.loads(line) for line in (Path(out) / "manifest.jsonl").read_text().splitlines()]


def test_the_rows_are_those_of_one_machine_and_failures_have_their_table(tag, expected, pictures):
    workers, summary = go(tag, "out", pick=-1)
    assert rows_of("out/tags") == expected
    more = {"working_folder": os.getcwd(), "pack": None}
    assert rows_of("out/failed.parquet") == [
        {"image": row["image"], "error": row["error"], **more} for row in expected if row["error"]
    ]
    assert (summary.images, summary.failed) == (12, 1)
    assert pq.read_schema("out/tags/000000.parquet") == pq.read_schema("one.parquet")
    assert sorted(os.listdir("out")) == ["failed.parquet", "inputs.jsonl", "manifest.jsonl", "tags"]
    header, *shards, end = manifest("out")
    assert header["inputs"] == ["in"]
    assert header["shards"] == len(shards) == 6
    assert [row["shard"] for row in shards] != workers.begun  # done in another order
    assert end == {"complete": True, "images": 12, "failed": 1, "tags": summary.tags,
                   "untagged": summary.untagged, "rows": len(expected)}  # fmt: skip


@pytest.mark.parametrize(
    "script",
    [
        ["lost before"],
        ["lost after", "done", "lost after", "lost before"],
        ["lost before"] * (TRIES - 1),
        ["done", "lost after", "lost after", "lost before", "done", "lost after"],
    ],
)
def test_a_lost_worker_costs_no_image_and_doubles_none(tag, expected, script):
    said = Said()
    workers, summary = go(tag, "out", script, said=said)
    assert rows_of("out/tags") == expected
    assert summary.images == 12
    lost = sum(what.startswith("lost") for what in script)
    assert len(workers.begun) == 6 + lost
    assert sum("is tagged again" in line for line in said.lines) == lost
    assert not Path("out/unfinished").exists()


def test_a_block_that_is_reported_twice_counts_once(tag, expected, pictures):
    output = OutputFolder(Path("out").absolute())
    output.start({"working folder": "."}, cut(find_inputs(["in"]), os.getcwd(), workers=1, most=2))
    worker = ShardTagger(tag, str(output.unfinished), os.getcwd())
    for block in output.blocks():
        first, second = worker.tag(block), worker.tag(block)
        assert first.file != second.file
        assert output.add(second)
        assert not output.add(first)  # late, of a worker that was thought to be lost
    summary = output.finish()
    output.close()
    assert rows_of("out/tags") == expected
    assert summary.images == 12
    assert len(manifest("out")) == 8


def test_a_block_that_nobody_can_tag_ends_the_run_and_the_rest_is_kept(tag, expected):
    said = Said()
    with pytest.raises(InputError, match=rf"could not be tagged in {TRIES} tries: the worker is"):
        go(tag, "out", ["done"] * 5 + ["lost before"] * TRIES, said=said)
    assert said.about("10 images kept in")
    workers, _ = go(tag, "out", resume=True)
    assert workers.begun == [5]
    assert rows_of("out/tags") == expected


@pytest.mark.parametrize("count", range(6))
def test_a_driver_that_is_killed_goes_on_where_it_was(tag, expected, count):
    with pytest.raises(KeyboardInterrupt):
        go(tag, "out", ["done"] * count + ["stop"])
    done = [row["shard"] for row in manifest("out")[1:]]
    assert len(done) == count
    workers, summary = go(tag, "out", resume=True)
    assert not set(done) & set(workers.begun)
    assert Counter([*done, *workers.begun]) == Counter(range(6))
    assert rows_of("out/tags") == expected
    assert summary.images == 12


def test_what_a_kill_or_a_disk_leaves_half_is_done_again(tag, expected):
    with pytest.raises(KeyboardInterrupt):
        go(tag, "out", ["done"] * 4 + ["stop"])
    rows = manifest("out")[1:]
    path = Path("out/manifest.jsonl")
    path.write_bytes(path.read_bytes()[:-9])  # killed within the line of the last
    Path("out/.failed.parquet.0123.tmp").touch()  # and while it wrote a file
    Path("out", rows[0]["file"]).unlink()
    damaged = Path("out", rows[1]["file"])
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    shutil.copy("one.parquet", "out/unfinished/stray.parquet")
    workers, _ = go(tag, "out", resume=True)
    assert set(workers.begun) == set(range(6)) - {rows[2]["shard"]}
    assert rows_of("out/tags") == expected
    assert [row["shard"] for row in manifest("out")[1:-1]].count(rows[2]["shard"]) == 1
    assert sorted(os.listdir("out")) == ["failed.parquet", "inputs.jsonl", "manifest.jsonl", "tags"]


def test_files_that_come_or_change_between_do_not_change_what_is_done(tag, expected, pictures):
    with pytest.raises(KeyboardInterrupt):
        go(tag, "out", ["done", "stop"])
    shutil.copy(pictures[0], "in/000.png")
    go(tag, "out", resume=True)
    assert rows_of("out/tags") == expected


def test_another_run_is_neither_resumed_nor_replaced_unasked(tag, onnx, pictures, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        go(tag, "out", ["done", "stop"])
    with pytest.raises(InputError, match="resume=True to go on, overwrite=True"):
        go(tag, "out")
    with pytest.raises(InputError, match="begun with other settings"):
        go(BatchTagger(onnx, threshold=0.3), "out", resume=True)
    with pytest.raises(InputError, match="begun with other inputs"):
        go(tag, "out", given=("in/*.png",), resume=True)
    plan = Path("out/inputs.jsonl")
    whole = plan.read_text()
    plan.write_text(whole.replace("03.png", "04.png"))
    with pytest.raises(InputError, match="not as it was written"):
        go(tag, "out", resume=True)
    plan.unlink()
    with pytest.raises(InputError, match="not as it was written"):
        go(tag, "out", resume=True)
    plan.write_text(whole)
    go(tag, "out", resume=True)
    assert go(BatchTagger(onnx, top_k=1), "out", overwrite=True)[1].images == 12
    assert len(rows_of("out/tags")) == 12
    go(tag, "new", resume=True)  # nothing to go on with: as predict does
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").touch()
    with pytest.raises(InputError, match="holds no predictions"):
        go(tag, "other", overwrite=True)
    assert (tmp_path / "other" / "mine.txt").exists()


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


def test_a_signal_keeps_what_is_done_and_says_how_to_go_on(tag, expected, monkeypatch):
    from imlgcn import stopping

    class Signalled(Here):
        def done(self, timeout):
            if len(self.begun) == 4:
                stopping._State.asked = 15
            return super().done(timeout)

    with monkeypatch.context() as patch:
        patch.setitem(globals(), "Here", Signalled)
        with pytest.raises(Stopped, match=r"kept in .*out; repeat with resume=True") as caught:
            go(tag, "out")
    assert caught.value.exit_code == 143
    go(tag, "out", resume=True)
    assert rows_of("out/tags") == expected


def test_a_complete_run_is_resumed_without_a_cluster_and_stays(tag, expected, onnx, monkeypatch):
    monkeypatch.setattr(run, "check_ray", lambda: None)
    monkeypatch.setattr(run, "ray_workers", None)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    _, summary = go(tag, "out")
    before = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*")}
    said = Said()
    options = {"resume": True, "threshold": 0.4, "progress": said}
    assert run.predict_on_ray(onnx, "in", "out", **options) == summary
    assert said.lines == [f"{Path('out').absolute()} is complete: nothing is left to do"]
    assert {path: path.stat().st_mtime_ns for path in Path("out").rglob("*")} == before
    with pytest.raises(InputError, match="was begun with other settings"):
        run.predict_on_ray(onnx, "in", "out", **{**options, "threshold": 0.5})
    Path("out/tags/000001.parquet").unlink()
    workers, again = go(tag, "out", resume=True)
    assert (workers.begun, again) == ([1], summary)
    assert rows_of("out/tags") == expected
    assert manifest("out")[-1]["complete"]
    assert run.predict_on_ray(onnx, "in", "out", **options) == summary


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "[::1]:1"])
def test_an_address_where_nothing_answers_is_refused_before_there_is_an_output(
    onnx, pictures, monkeypatch, address
):
    monkeypatch.setattr(run, "check_ray", lambda: None)
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(InputError, match=f"no Ray cluster at RAY_ADDRESS={re.escape(address)}: "):
        run.predict_on_ray(onnx, "in", "out")
    assert sorted(os.listdir()) == ["in"]


@pytest.mark.parametrize(
    ("answer", "is_ray"),
    [(b"\0\0\6\4\0\0\0\0\0", True), (b"HTTP/1.0 400 Bad request", False), (b"", False)],
)
def test_an_address_where_something_else_answers_is_refused_before_ray_tries(
    monkeypatch, answer, is_ray
):
    from imlgcn.batch.ray_workers import HELLO, check_address

    heard = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with server.accept()[0] as connection:
                heard.append(connection.recv(99))
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        monkeypatch.setenv("RAY_ADDRESS", f"ray://127.0.0.1:{server.getsockname()[1]}")
        with nullcontext() if is_ray else pytest.raises(InputError, match="there is not Ray"):
            check_address()
        thread.join()
    assert heard == [HELLO]


def test_a_missing_ray_is_said_with_the_command_that_installs_it(onnx, pictures, monkeypatch):
    monkeypatch.setattr("imlgcn.extras.installed", lambda name: False)
    with pytest.raises(InputError, match=r"needs ray.*pip install 'imlgcn\[scale\]'"):
        run.predict_on_ray(onnx, "in", "out")
    assert not Path("out").exists()


def test_what_a_cluster_cannot_do_is_refused_before_any_work(cli, onnx, pictures):
    pytest.importorskip("ray")
    command = ("predict", onnx, "in", "--cluster")
    cli(*command, "slurm", "--out", "out").assert_refused("unknown cluster", "ray")
    cli(*command, "ray").assert_refused("folder", "--out")
    cli(*command, "ray", "--out", "o.parquet").assert_refused("folder", "--out")
    cli(*command, "ray", "--out", "o", "--xmp").assert_refused("--xmp", "--cluster ray")
    cli(*command, "ray", "--out", "o", "--device", "cuda").assert_refused("--device")
    cli(*command, "ray", "--out", "o", "--engine", "auto").assert_refused("--engine auto")
    cli(*command, "ray", "--out", "s3://bucket/o").assert_refused("folder that all machines share")
    assert sorted(os.listdir()) == ["in"]
