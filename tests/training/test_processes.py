"""Several processes reach what one reaches; one that is lost ends them all, and they go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

import rank_trials
from imlgcn.progress import SILENT
from imlgcn.training.launch import _free_port, launch
from imlgcn.training.layout import Layout
from imlgcn.training.ranks import ALONE, NO_RESULT
from kills import Command, run
from runs import BACKBONE

pytestmark = pytest.mark.scale
TESTS = Path(rank_trials.__file__).parent
FINE = ("epochs=3", "batch_size=10", "workers=1", "ema_decay=0.3", "learning_rate=1e-3")


@pytest.fixture(scope="module")
def damaged(tmp_path_factory, shapes):
    """The shapes, of which one training and one validation image cannot be read."""
    rows = shapes.read_text().splitlines()
    broken = tmp_path_factory.mktemp("damaged")
    for split in ("train", "val"):
        (broken / f"{split}.png").write_bytes(b"no image")
        rows.insert(5, f"{broken}/{split}.png,red,{split}")
    absolute = [rows[0], *(r if r.startswith("/") else f"{shapes.parent}/{r}" for r in rows[1:])]
    (broken / "data.csv").write_text("\n".join(absolute))
    return broken / "data.csv"


@pytest.fixture(scope="module")
def results(tmp_path_factory, damaged, weights):
    """Return a function from a number of processes and a reduction to what came of the trial."""
    known = {}

    def result(count, reduction="sum"):
        if (count, reduction) not in known:
            folder = tmp_path_factory.mktemp(f"{count}")
            arguments = {"data": damaged, "weights": weights, "out": folder / reduction}
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("IMLGCN_CACHE", str(folder / "cache"))
                if count == 1:
                    rank_trials.trial(ALONE, **arguments)
                else:
                    launch(rank_trials.in_processes, arguments, Layout(count), SILENT)
            found = dict(np.load(folder / f"{reduction}.npz"))
            shards = (folder / "cache").glob("features/*/*.npz")
            found["cached rows"] = sum(len(np.load(shard)["sha256"]) for shard in shards)
            known[count, reduction] = found
        return known[count, reduction]

    return result


@pytest.mark.parametrize(("count", "reduction"), [(2, "mean"), (4, "sum")])
def test_several_processes_reach_what_one_reaches(results, count, reduction):
    one, several = results(1, reduction), results(count, reduction)
    assert len(one["losses"]) == 20
    np.testing.assert_allclose(several["losses"], one["losses"], rtol=1e-5)
    np.testing.assert_allclose(several["mAP"], one["mAP"], atol=1e-6)
    assert (several["pairs"] == one["pairs"]).all()
    assert list(several["failed"]) == list(one["failed"])
    assert len(one["failed"]) == 2
    assert list(several["names"]) == list(one["names"])
    for key in one.keys() - {"losses", "mAP", "pairs", "failed", "names"}:
        np.testing.assert_allclose(several[key], one[key], rtol=1e-4, atol=1e-5, err_msg=key)
    assert several["cached rows"] == 72, "each image once"


def ranks_of(command) -> dict[int, int]:
    """Return rank -> process id of the processes that a command has started."""
    found = {}
    for pid in children(command.process.pid):
        values = dict(
            each.split("=", 1)
            for each in Path(f"/proc/{pid}/environ").read_text().split("\0")
            if "=" in each
        )
        if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text():
            found[int(values["RANK"])] = pid
    return found


def runs(pid: int) -> bool:
    """Return whether a process runs; a dead one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def children(pid: int) -> list[int]:
    """Return the process ids of what a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_one_killed_process_ends_all_with_one_message_and_two_nodes_go_on(
    tmp_path, damaged, weights
):
    given = ["train", damaged, "--backbone", BACKBONE, "--weights", weights, "--size", 64]
    given += ["--force", "--fine-tune", "--head", "iml_gcn", "--checkpoint-minutes", 0]
    given += [word for each in FINE for word in ("--set", f"fine_tuning.{each}")]
    out = tmp_path / "run"
    command = Command(tmp_path / "killed", *given, "--out", out, "--processes-per-node", 2)
    third = out / "checkpoints" / "linear-000000003.checkpoint"
    while command.process.is_alive() and not third.exists():
        time.sleep(0.01)
    others = ranks_of(command)
    loaders = [loader for rank in others.values() for loader in children(rank)]
    assert loaders, "each has a process that loads images"
    os.kill(others.pop(1), signal.SIGKILL)
    killed = time.monotonic()
    assert command.wait() == NO_RESULT, command.text()
    assert time.monotonic() - killed < 30
    left = [pid for pid in (*others.values(), *loaders) if runs(pid)]
    assert not left, [Path(f"/proc/{pid}/cmdline").read_text() for pid in left]
    lines = command.text().splitlines()
    assert max(Counter(lines).values()) == 1, "nothing is said twice"
    assert [line for line in lines if line.startswith("imlgcn: ")] == [lines[-1]]
    assert "process 1 of 2 was killed by signal 9" in lines[-1]
    assert "--resume" in lines[-1]

    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    there = {**where, "GLOO_SOCKET_IFNAME": "lo", "cache": tmp_path / "resumed"}
    again = [*given, "--out", out, "--resume", "--nodes", 2]
    nodes = [
        Command(tmp_path / f"node {rank}", *again, **there, NODE_RANK=rank) for rank in ("0", "1")
    ]
    assert [node.wait() for node in nodes] == [0, 0], nodes[0].text()
    assert nodes[1].text() == "", "the first process speaks for all"
    run(tmp_path / "whole", *given, "--out", tmp_path / "one")
    resumed, whole = (load_file(f / "model.safetensors") for f in (out, tmp_path / "one"))
    for key, value in whole.items():
        np.testing.assert_allclose(resumed[key], value, rtol=1e-3, atol=1e-5, err_msg=key)


def test_nodes_with_different_options_end_at_once_and_the_first_says_what_differs(
    tmp_path, shapes, weights
):
    there = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "GLOO_SOCKET_IFNAME": "lo",
    }
    given = [
        "train",
        shapes,
        "--backbone",
        BACKBONE,
        "--weights",
        weights,
        "--out",
        tmp_path / "run",
    ]
    nodes = [
        Command(tmp_path / rank, *given, "--nodes", 2, "--seed", seed, **there, NODE_RANK=rank)
        for rank, seed in (("0", 0), ("1", 5))
    ]
    assert nodes[0].wait() == 2
    assert nodes[1].wait() == NO_RESULT
    assert "seed is 0 on node 0 and 5 on node 1; give the same" in nodes[0].text()
    assert "on another node, which says why" in nodes[1].text()
    assert not (tmp_path / "run").exists()


def slurm(rank: int, port: int) -> dict[str, str]:
    """Return the environment that `srun` gives to a task on one node of two tasks."""
    return {
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NAME": "train",
        "SLURM_STEP_ID": "0",
        "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "2",
        "SLURM_NNODES": "1",
        "SLURM_NODELIST": "localhost",
        "SLURM_NODEID": "0",
        "SLURM_PROCID": str(rank),
        "SLURM_LOCALID": str(rank),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def test_torchrun_and_slurm_give_each_process_its_place():
    start = [sys.executable, str(TESTS / "rank_trials.py")]
    common = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "GLOO_SOCKET_IFNAME": "lo"}
    elastic = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    by_torchrun = subprocess.run([*elastic, start[1]], env=common, capture_output=True, text=True)
    port = _free_port()
    tasks = [
        subprocess.Popen(start, env=common | slurm(rank, port), stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    by_slurm = [task.communicate()[0] for task in tasks]
    said = "[(0, 0), (1, 1)] 2\n"
    assert by_torchrun.stdout.endswith(said), by_torchrun.stderr
    assert by_slurm[0].endswith(said)
    assert "(0, 0)" not in by_slurm[1]


def test_no_warning_of_torch_reaches_who_trains_by_torchrun(tmp_path, shapes, weights):
    workers = len(os.sched_getaffinity(0)) + 1  # torch has a word for that
    given = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    given += ["-m", "imlgcn", "train", shapes, "--backbone", BACKBONE, "--weights", weights]
    given += ["--size", 64, "--force", "--fine-tune", "--head", "linear", "--no-export"]
    given += ["--out", tmp_path / "run", "--set", "fine_tuning.epochs=1"]
    given += ["--set", f"fine_tuning.workers={workers}"]
    own = {"PYTHONPATH": os.pathsep.join(sys.path), "IMLGCN_CACHE": str(tmp_path / "cache")}
    own |= {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*map(str, given)], env={**os.environ, **own}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr.lower(), done.stderr
