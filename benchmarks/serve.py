"""The server under a closed loop of clients, beside `imlgcn predict` on the same images.

python -m benchmarks.serve runs/demo --out benchmarks/results/serve.md

Clients and server share the machine, as they do in a trial on a laptop. A client is a thread that
writes prepared bytes to a socket that stays open and reads no more of an answer than it must.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from imlgcn.comparison.environment import describe
from imlgcn.data.openclipart import unpack

IMLGCN = (sys.executable, "-c", "from imlgcn.cli import main; main()")
# the library's function behind the command, without the seconds in which a process starts
PREDICT = """
import sys, time
from pathlib import Path
from imlgcn.prediction import predict
from imlgcn.tagger import Tagger
tagger = Tagger.load(sys.argv[1], engine=sys.argv[2])
paths = [Path(line) for line in sys.stdin.read().splitlines()]
predict(tagger, paths[:50]).summary()
started = time.perf_counter()
predict(tagger, paths).summary()
print(len(paths) / (time.perf_counter() - started))
"""
PAGE = ("/", "/static/colours.css", "/static/style.css", "/static/page.js", "/static/api.js")
PAGE += tuple(f"/static/{name}.js" for name in ("csv", "detail", "dom", "files", "gallery"))
PAGE += ("/static/graph.js", "/static/heat.js", "/static/numbers.js", "/static/store.js")
PAGE += ("/v1/model", "/v1/labels", "/v1/thresholds", "/v1/graph")
SAMPLES = 20  # of memory, over a loop
FIRST = 20  # single images


class Load(NamedTuple):
    """What one closed loop measured."""

    rate: float  # images/s
    errors: int
    milliseconds: list[float]  # of every request, sorted
    memory: list[float]  # MB of the server, over time
    processor: float  # ms of the server's processor time per image


def main() -> None:
    """Measure in alternating runs and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tagger", type=Path)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--images", type=int, default=None, help="how many; all without it")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    paths = sorted((unpack() / "images").glob("*.jpg"))[: given.images]
    requests = [post(path.read_bytes()) for path in paths]
    predicted, loads = [], []
    with served(given.tagger, given.engine) as (port, process):
        first = [timed(port, [requests[number]]) for number in range(FIRST)]
        page = [timed(port, [get(path) for path in PAGE]) for _ in range(FIRST)]
        for _ in range(given.rounds):
            predicted.append(predict_rate(given.tagger, given.engine, paths))
            loads.append(closed_loop(port, process.pid, requests, given.clients, given.seconds))
    text = table(given, predicted, loads, first, page)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")


@contextmanager
def served(tagger: Path, engine: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Yield the port and process of a server that is up."""
    command = [*IMLGCN, "serve", str(tagger), "--port", "0", "--engine", engine]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    line = process.stderr.readline()
    found = re.search(r"http://\S+:(\d+)", line)
    if not found:
        raise SystemExit(line + process.stderr.read())
    try:
        ask(connect(int(found[1])), get("/readyz"))
        yield int(found[1]), process
    finally:
        process.terminate()
        process.wait()


def get(path: str) -> bytes:
    """Return a request for a path."""
    return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()


def post(image: bytes) -> bytes:
    """Return a request to tag one JPEG image."""
    lines = ("POST /v1/tags HTTP/1.1", "host: 127.0.0.1", "content-type: image/jpeg")
    head = "\r\n".join((*lines, f"content-length: {len(image)}", "", ""))
    return head.encode() + image


def connect(port: int) -> socket.socket:
    """Return an open connection; it waits while the server starts."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=120)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def ask(connection: socket.socket, request: bytes) -> bool:
    """Send a request, read the whole answer, and return whether it is a 200."""
    connection.sendall(request)
    answer = b""
    while (end := answer.find(b"\r\n\r\n")) < 0:
        answer += _receive(connection)
    length = int(re.search(rb"content-length: (\d+)", answer[:end])[1])  # type: ignore[index]
    left = end + 4 + length - len(answer)
    while left > 0:
        left -= len(_receive(connection))
    return answer.startswith(b"HTTP/1.1 200")


def _receive(connection: socket.socket) -> bytes:
    if not (part := connection.recv(65536)):
        raise ConnectionError("the server closed the connection")
    return part


def timed(port: int, requests: list[bytes]) -> float:
    """Return the milliseconds of requests on a new connection.

    Raises:
        SystemExit: one was not answered with 200.
    """
    started = time.perf_counter()
    with connect(port) as connection:
        for request in requests:
            if not ask(connection, request):
                words = request.split(b" ", 2)
                raise SystemExit(
                    f"{words[1].decode()} was not answered with 200: measure a tagger folder that "
                    "`imlgcn train` wrote, which has thresholds to fit and a label graph"
                )
    return 1000 * (time.perf_counter() - started)


def predict_rate(tagger: Path, engine: str, paths: list[Path]) -> float:
    """Return the images/s of `predict` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", PREDICT, str(tagger), engine],
        input="\n".join(map(str, paths)),
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def closed_loop(
    port: int, process: int, requests: list[bytes], clients: int, seconds: float
) -> Load:
    """Let each client send its next image as soon as the last one is answered."""
    milliseconds: list[float] = []
    errors = [0]
    end = time.perf_counter() + seconds

    def client(number: int) -> None:
        connection, turn, own = connect(port), number, []
        while (started := time.perf_counter()) < end:
            errors[0] += not ask(connection, requests[turn % len(requests)])
            own.append(1000 * (time.perf_counter() - started))
            turn += clients
        milliseconds.extend(own)
        connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    before, started = processor_seconds(process), time.perf_counter()
    for thread in threads:
        thread.start()
    memory = []
    for _ in range(SAMPLES):
        time.sleep(max((end - time.perf_counter()) / SAMPLES, 0))
        memory.append(resident(process))
    for thread in threads:
        thread.join()
    elapsed, used = time.perf_counter() - started, processor_seconds(process) - before
    total = len(milliseconds)
    return Load(total / elapsed, errors[0], sorted(milliseconds), memory, 1000 * used / total)


def processor_seconds(process: int) -> float:
    """Return the processor time a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(process: int) -> float:
    """Return the memory of a process in MB."""
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def table(
    given: argparse.Namespace,
    predicted: list[float],
    loads: list[Load],
    first: list[float],
    page: list[float],
) -> str:
    """Return the results as Markdown."""
    rows = [
        f"| {number} | {rate:.0f} | {load.rate:.0f} | {100 * load.rate / rate:.0f} % | "
        f"{load.errors} | {quantile(load, 0.5):.0f} | {quantile(load, 0.99):.0f} | "
        f"{load.processor:.1f} | {load.memory[len(load.memory) // 4]:.0f} | {load.memory[-1]:.0f} |"
        for number, (rate, load) in enumerate(zip(predicted, loads, strict=True), 1)
    ]
    share = statistics.median(load.rate / rate for rate, load in zip(predicted, loads, strict=True))
    return "\n".join(
        (
            "# The server under load",
            "",
            describe(
                f"python -m benchmarks.serve {given.tagger} --out benchmarks/results/serve.md"
            ),
            "",
            f"A closed loop of {given.clients} clients, one image a request, {given.seconds:g} s a "
            f"round, on the machine the server runs on; in turn with `predict` on the same images "
            "(its process is started and warm when the clock starts).",
            "",
            "| round | predict, images/s | served, images/s | share | errors | p50, ms | p99, ms | "
            "processor, ms/image | memory after a quarter, MB | at the end, MB |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            f"Median share: {100 * share:.0f} %.",
            "",
            "| alone, on a new connection | median, ms | slowest, ms |",
            "|---|---|---|",
            f"| tags of one image | {statistics.median(first):.0f} | {max(first):.0f} |",
            f"| everything the page loads ({len(PAGE)} requests, one after the other) | "
            f"{statistics.median(page):.0f} | {max(page):.0f} |",
        )
    )


def quantile(load: Load, share: float) -> float:
    """Return a quantile of the times of all requests."""
    return load.milliseconds[int(share * (len(load.milliseconds) - 1))]


if __name__ == "__main__":
    main()
