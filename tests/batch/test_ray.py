"""A real Ray cluster of two workers: one is killed, then the driver, and each image counts once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from imlgcn.batch import predict_on_ray
from imlgcn.prediction import predict

from .samples import rows_of, table

pytest.importorskip("ray")
pytestmark = [pytest.mark.scale, pytest.mark.timeout(180)]
BLOCK, IMAGES = 2, 24
DRIVER = """
import sys
from imlgcn.batch import predict_on_ray
from imlgcn.progress import Progress

class Said(Progress):
    def say(self, text):
        print(text, flush=True)

onnx, given, out = sys.argv[1:]
predict_on_ray(onnx, given, out, workers=2, block_size=2, threshold=0.4, progress=Said())
"""


def actors(driver):
    """Return the processes of the workers that descend from a driver."""
    parents, names = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                stat = (entry / "stat").read_text()
                names[int(entry.name)] = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])

    def descends(process):
        while process in parents:
            process = parents[process]
            if process == driver:
                return True
        return False

    return [pid for pid, name in names.items() if b"ray::ShardTagger" in name and descends(pid)]


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come in time"
        time.sleep(0.05)
    return found


@pytest.fixture
def gate(pictures):
    """A server of the images that answers as many requests as the gate lets through."""
    allowed = threading.Semaphore(0)
    asked = []

    class Gated(SimpleHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            if not self.path.endswith(".parquet"):
                allowed.acquire()
            super().do_GET()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Gated, directory="in"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", allowed, asked
    for _ in range(10_000):
        allowed.release()
    server.shutdown()
    server.server_close()


def done(out):
    path = Path(out, "manifest.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()[1:]] if path.exists() else []


def test_each_image_counts_once_though_a_worker_and_the_driver_are_killed(
    onnx, pictures, gate, tmp_path
):
    url, allowed, asked = gate
    names = [f"{n % 12:02}.png" for n in range(IMAGES)]
    table(Path("in", "list.parquet"), group=BLOCK, path=[f"{n}?{i}" for i, n in enumerate(names)])
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("RAY_ADDRESS", None)
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, onnx, f"{url}/list.parquet", "out"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        two = wait_for(lambda: len(set(asked)) > 2 and actors(driver.pid))
        assert len(two) == 2  # each waits for an image of its first block
        os.kill(two[0], signal.SIGKILL)
        assert any("is tagged again" in line for line in driver.stdout)  # up to that line
        new = wait_for(lambda: [pid for pid in actors(driver.pid) if pid not in two])
        for _ in range(IMAGES):  # a killed worker's requests take some
            allowed.release()
        kept = wait_for(lambda: len(done("out")) >= 3 and done("out"))
        assert new
    finally:
        driver.kill()
        driver.wait()
    assert len(done("out")) < IMAGES / BLOCK
    wait_for(lambda: not any(Path(f"/proc/{p}").exists() for p in two + new))
    for _ in range(1_000):
        allowed.release()
    summary = predict_on_ray(
        onnx, f"{url}/list.parquet", "out", workers=2, block_size=BLOCK, threshold=0.4, resume=True
    )
    shards = [line["shard"] for line in done("out")[:-1]]
    assert sorted(shards) == list(range(IMAGES // BLOCK))
    assert [row["sha256"] for row in kept] == [row["sha256"] for row in done("out")[: len(kept)]]
    predict(onnx, pictures, out="one.parquet", threshold=0.4)
    expected = {}
    for row in rows_of("one.parquet"):
        expected.setdefault(row.pop("image"), []).append(row)
    found = {}
    for row in rows_of("out/tags"):
        found.setdefault(row.pop("image"), []).append(row)
    assert sorted(found) == sorted(f"{url}/{n}?{i}" for i, n in enumerate(names))
    for number, name in enumerate(names):
        assert found[f"{url}/{name}?{number}"] == expected[f"in/{name}"]
    assert (summary.images, summary.failed) == (IMAGES, 2)
    assert pq.read_table("out/failed.parquet").num_rows == 2
