"""Each image exactly once, whatever happens to the workers, the driver and their files."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from imlgcn.batch import BatchTagger, run
from imlgcn.batch.cutting import cut
from imlgcn.batch.inputs import find_inputs
from imlgcn.batch.output import OutputFolder
from imlgcn.batch.run import TRIES
from imlgcn.batch.shard import ShardTagger
from imlgcn.errors import InputError
from imlgcn.stopping import Stopped
from runs import Said

from . import driver
from .driver import Here, go, manifest
from .samples import rows_of


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


def test_a_signal_keeps_what_is_done_and_says_how_to_go_on(tag, expected, monkeypatch):
    from imlgcn import stopping

    class Signalled(Here):
        def done(self, timeout):
            if len(self.begun) == 4:
                stopping._State.asked = 15
            return super().done(timeout)

    with monkeypatch.context() as patch:
        patch.setattr(driver, "Here", Signalled)
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
