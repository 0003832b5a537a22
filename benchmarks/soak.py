"""The server under load, hostile requests and killed decoders, for long: nothing lost or wrong.

python -m benchmarks.soak runs/demo --out benchmarks/results/soak.md

Each answer is compared with the one that the tagger gives in this process. A closed loop of
clients, as in `benchmarks.serve`; one in fifty of their requests is hostile (`benchmarks.hostile`).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import signal
import socket
import statistics
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from benchmarks.hostile import Answer, Hostile, kinds, read_answer
from benchmarks.serve import connect, post, resident, served
from imlgcn.comparison.environment import describe
from imlgcn.data.openclipart import unpack
from imlgcn.tagger import Tagger

HOSTILE = 0.02  # fraction of all requests
KILL = 30.0  # seconds between two kills of a decoder
SAMPLE = 2.0  # seconds between two looks at the memory
SETTLED = 120.0  # seconds after the start; the memory there is what the end is compared with
WINDOW = 20.0  # seconds whose median is taken there and at the end
NEAR = 1e-4  # probabilities are equal within it, whatever images were scored together
SHOWN = 20  # faults that are written out
DECODER = b"imlgcn.data.decode_worker"


class Expected(NamedTuple):
    """What an image should get: the probability of every label, and the thresholds of the tags."""

    probabilities: dict[str, float]
    thresholds: dict[str, float]


@dataclass
class Found:
    """What the clients and the watcher saw; lists grow from several threads."""

    milliseconds: list[float] = field(default_factory=list)  # of every answer with tags
    failures: list[str] = field(default_factory=list)  # answers that are wrong, or lost
    busy: int = 0  # refused with 503: not accepted
    hostile: Counter[tuple[str, int]] = field(default_factory=Counter)  # by kind and status
    unexpected: list[str] = field(default_factory=list)  # what a hostile request should not get
    memory: list[tuple[float, float, float]] = field(default_factory=list)  # s, MB server, MB all
    kills: int = 0
    log: list[str] = field(default_factory=list)  # lines of the server


def main() -> None:
    """Run, write the table, and exit with 1 where a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tagger", type=Path)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--images", type=int, default=None, help="how many; all without it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    paths = sorted((unpack() / "images").glob("*.jpg"))[: given.images]
    expected = offline(given.tagger, given.engine, paths)
    images = [(post(path.read_bytes()), right) for path, right in zip(paths, expected, strict=True)]
    hostile = kinds(paths[0].read_bytes())
    found, end = Found(), threading.Event()
    with served(given.tagger, given.engine) as (port, process):
        assert process.stderr is not None
        threads = [
            threading.Thread(target=client, args=(port, images, hostile, seed, end, found))
            for seed in range(given.seed, given.seed + given.clients)
        ]
        threads += [
            threading.Thread(target=watch, args=(process.pid, end, found)),
            threading.Thread(target=kill_decoders, args=(process.pid, given.seed, end, found)),
        ]
        reader = threading.Thread(target=found.log.extend, args=(process.stderr,), daemon=True)
        for thread in (*threads, reader):
            thread.start()
        time.sleep(60 * given.minutes)
        end.set()
        for thread in threads:
            thread.join()
    text = table(given, found)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    raise SystemExit(1 if found.failures or found.unexpected or growth(found) > 0.1 else 0)


def offline(tagger: Path, engine: str, paths: list[Path]) -> list[Expected]:
    """Return what each image should get, scored one by one in this process."""
    opened = Tagger.load(tagger, engine=engine)
    limits = dict(zip(opened.labels, opened.thresholds.tolist(), strict=True))
    rows = (opened.predict_proba(path)[0].tolist() for path in paths)
    return [Expected(dict(zip(opened.labels, row, strict=True)), limits) for row in rows]


def client(
    port: int,
    images: list[tuple[bytes, Expected]],
    hostile: list[Hostile],
    seed: int,
    end: threading.Event,
    found: Found,
) -> None:
    """Send requests one after the other, a few of them hostile, until the end."""
    draw = random.Random(seed)
    connection: socket.socket | None = None
    while not end.is_set():
        if draw.random() < HOSTILE:
            attack(port, draw.choice(hostile), found)
            _close(connection)
            connection = None  # it was idle, perhaps longer than the server waits
        request, expected = draw.choice(images)
        started = time.perf_counter()
        try:
            connection = connection or connect(port)
            connection.sendall(request)
            answer = read_answer(connection)
        except OSError as error:
            answer = Answer(0, repr(error).encode())
        if answer.status == 200:
            found.milliseconds.append(1000 * (time.perf_counter() - started))
        else:
            _close(connection)
            connection = None
            end.wait(1)
        if answer.status == 503:  # not accepted
            found.busy += 1
        elif fault := fault_of(answer, expected):
            found.failures.append(fault)
    _close(connection)


def _close(connection: socket.socket | None) -> None:
    if connection:
        connection.close()


def attack(port: int, kind: Hostile, found: Found) -> None:
    """Send one hostile request and note what came of it."""
    try:
        status = kind.send(port)
    except OSError as error:  # also a reset before all was sent, which is an answer, too
        status = -1 if isinstance(error, TimeoutError) else 0
    found.hostile[kind.name, status] += 1
    if status not in kind.right | {0, 503}:
        found.unexpected.append(f"{kind.name}: {status}")


def fault_of(answer: Answer, expected: Expected) -> str | None:
    """Return what is wrong with the answer to an image; None where nothing is."""
    if answer.status != 200:
        return f"lost: {answer.status} {answer.body[:200]!r}"
    tags = json.loads(answer.body)["images"][0].get("tags", [])
    given = {tag["label"]: tag["probability"] for tag in tags}
    for label, right in expected.probabilities.items():
        above = right - expected.thresholds[label]
        if label in given and (abs(given[label] - right) > NEAR or above < -NEAR):
            return f"wrong: {label} {given[label]} instead of {right}"
        if label not in given and above > NEAR:
            return f"wrong: without {label}, which has {right}"
    return None


def watch(server: int, end: threading.Event, found: Found) -> None:
    """Note the memory of the server, and of it with its decoders, until the end."""
    started = time.monotonic()
    while not end.wait(SAMPLE):
        own = resident(server)
        both = own
        for process in decoders(server):
            with suppress(OSError, IndexError):  # it has just ended
                both += resident(process)
        found.memory.append((time.monotonic() - started, own, both))


def kill_decoders(server: int, seed: int, end: threading.Event, found: Found) -> None:
    """Kill one of the processes that decode, drawn at random, again and again until the end."""
    draw = random.Random(seed)
    while not end.wait(KILL):
        if processes := decoders(server):
            with suppress(ProcessLookupError):
                os.kill(draw.choice(processes), signal.SIGKILL)
                found.kills += 1


def decoders(server: int) -> list[int]:
    """Return the processes of a server that decode images."""
    children = []
    for task in Path(f"/proc/{server}/task").iterdir():
        with suppress(OSError):
            children += (task / "children").read_text(encoding="ascii").split()
    found = []
    for child in children:
        with suppress(OSError):
            if DECODER in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
    return found


def growth(found: Found) -> float:
    """Return how much more memory the server has at the end than at minute 2, a fraction."""
    last = found.memory[-1][0]
    settled = min(SETTLED, last / 2)
    before = [own for at, own, _ in found.memory if abs(at - settled) <= WINDOW / 2]
    after = [own for at, own, _ in found.memory if at >= last - WINDOW]
    return statistics.median(after) / statistics.median(before) - 1


def table(given: argparse.Namespace, found: Found) -> str:
    """Return the results as Markdown."""
    times = sorted(found.milliseconds)
    seconds = 60 * given.minutes
    wrong = sum(fault.startswith("wrong") for fault in found.failures)
    tracebacks = sum("Traceback" in line for line in found.log)
    server, both = ([row[column] for row in found.memory] for column in (1, 2))
    statuses = [
        f"| {name} | {status or 'closed'} | {count} |"
        for (name, status), count in sorted(found.hostile.items())
    ]
    return "\n".join(
        (
            "# The server under load, attacked",
            "",
            describe(f"python -m benchmarks.soak {shlex.join(sys.argv[1:])}"),
            "",
            f"{given.clients} clients for {given.minutes:g} minutes on the machine the server runs "
            f"on; {100 * HOSTILE:g} % of the requests are hostile, and a decoding process is "
            f"killed every {KILL:g} s ({found.kills} kills).",
            "",
            "| what | |",
            "|---|---|",
            f"| images answered | {len(times):,} ({len(times) / seconds:.0f} a second) |",
            f"| wrong tags or probabilities (beyond {NEAR:g}) | {wrong} |",
            f"| accepted and lost | {len(found.failures) - wrong} |",
            f"| refused with 503 | {found.busy} |",
            f"| p50, p99, longest, ms | {quantile(times, 0.5):.0f}, {quantile(times, 0.99):.0f}, "
            f"{times[-1]:.0f} |",
            f"| memory of the server: end against minute 2 | {100 * growth(found):+.1f} % |",
            f"| its memory at the end, most, MB | {server[-1]:.0f}, {max(server):.0f} |",
            f"| most with its decoders, MB | {max(both):.0f} |",
            f"| tracebacks in its log | {tracebacks} |",
            f"| unexpected answers to hostile requests | {len(found.unexpected)} |",
            "",
            "| hostile request | answer | times |",
            "|---|---|---|",
            *statuses,
            *(f"\n- {fault}" for fault in [*found.failures, *found.unexpected][:SHOWN]),
        )
    )


def quantile(ordered: list[float], fraction: float) -> float:
    """Return a quantile of sorted numbers."""
    return ordered[int(fraction * (len(ordered) - 1))]


if __name__ == "__main__":
    main()
