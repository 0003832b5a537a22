"""The folder that a run on many workers writes, and its manifest: what counts, and nothing else.

``tags/000000.parquet`` and so on hold the rows, ``failed.parquet`` the images without tags and
why, ``inputs.jsonl`` the blocks, and ``manifest.jsonl`` a line about the run and one for each block
that is done, with the hash of its file. Only the driver writes here: a worker's file lies in
``unfinished/`` until it is renamed to its place; then its line is written. Whatever is killed
between the two, the block is done again. A block that is done never is.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from imlgcn.batch.blocks import Block
from imlgcn.batch.shard import Report
from imlgcn.batch.tables import FAILED_COLUMNS
from imlgcn.errors import InputError
from imlgcn.files import atomic_path, sha256_file, write_atomic
from imlgcn.prediction.results import SHOWN_ERRORS, PredictSummary

TAGS, UNFINISHED = "tags", "unfinished"
MANIFEST, INPUTS, FAILED = "manifest.jsonl", "inputs.jsonl", "failed.parquet"
OURS = {TAGS, UNFINISHED, MANIFEST, INPUTS, FAILED}
COUNTS = ("images", "failed", "tags", "untagged", "rows")


class OutputFolder:
    """The output of one run; open it while holding the lock of its path.

    ``header`` is the first line of the manifest: what the run is of. ``done`` has the line of each
    block that is done, by its number; ``damaged`` counts the files that are not as their line says.

    Raises:
        InputError: the folder holds something else, or a run that is neither to be resumed nor to
            be replaced, or to be resumed and not as it was written.
    """

    def __init__(self, path: Path, *, resume: bool = False, overwrite: bool = False) -> None:
        self.path, self.damaged = path, 0
        self.done: dict[int, dict[str, Any]] = {}
        self.header: dict[str, Any] = {}
        self._file: BinaryIO | None = None
        self._has_ended = False
        if path.exists() and (not path.is_dir() or _others(path)):
            raise InputError(f"{path} exists and holds no predictions; give another out=")
        if (path / MANIFEST).exists():
            if not (resume or overwrite):
                raise InputError(
                    f"{path} holds predictions; give resume=True to go on, overwrite=True to "
                    "replace them, or another out="
                )
            if resume:
                self._read()

    @property
    def is_complete(self) -> bool:
        """Whether an earlier run, to be resumed, has tagged all, and its files are all there."""
        is_all = self._has_ended and len(self.done) == self.header["shards"]
        return is_all and (self.path / FAILED).is_file()

    @property
    def unfinished(self) -> Path:
        """The folder for the files of workers."""
        return self.path / UNFINISHED

    def start(self, header: dict[str, Any], blocks: Iterator[Block]) -> None:
        """Begin the run that ``header`` describes, or go on with it if it was begun before.

        ``blocks`` are asked for only by a run that begins; one that is complete stays as it is.

        Raises:
            InputError: the run to go on with is another.
        """
        if self.header:
            changed = [key for key, value in header.items() if self.header.get(key) != value]
            if changed:
                raise InputError(
                    f"{self.path} was begun with other {' and '.join(changed)}: repeat that run "
                    "with resume=True, or give overwrite=True to start anew"
                )
        else:
            self._begin(header, blocks)
        if self.is_complete:
            return
        shutil.rmtree(self.unfinished, ignore_errors=True)
        self.unfinished.mkdir(parents=True)
        for left in self.path.glob(".*.tmp"):  # by a driver that was killed
            left.unlink(missing_ok=True)
        (self.path / TAGS).mkdir(exist_ok=True)
        self._file = (self.path / MANIFEST).open("ab")

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks that are not done."""
        with (self.path / INPUTS).open(encoding="utf-8") as lines:
            for number, line in enumerate(lines):
                if number not in self.done:
                    yield Block.of(line)

    def add(self, report: Report) -> bool:
        """Give the file of a block its place; False if another of the same block has it."""
        made = self.unfinished / Path(report.file).name
        if report.shard in self.done:
            made.unlink(missing_ok=True)
            return False
        name = f"{TAGS}/{report.shard:06}.parquet"
        try:
            made.replace(self.path / name)
        except FileNotFoundError:
            raise InputError(
                f"{report.file} was written by a worker and is not here: give an out= in a folder "
                "that all machines share"
            ) from None
        self._note({**report._asdict(), "file": name})
        return True

    def finish(self) -> PredictSummary:
        """Write the table of failed images and the last line; return the counts of all."""
        assert len(self.done) == self.header["shards"]
        self._write_failed()
        summary = self.summary()
        self._write_line({"complete": True, **{n: self._sum(n) for n in COUNTS}})
        shutil.rmtree(self.unfinished, ignore_errors=True)
        return summary

    def summary(self) -> PredictSummary:
        """Return the counts of what is done."""
        errors = [error for _, line in sorted(self.done.items()) for error in line["errors"]]
        return PredictSummary(
            images=self._sum("images"),
            failed=self._sum("failed"),
            tags=self._sum("tags"),
            untagged=self._sum("untagged"),
            errors=tuple(errors[:SHOWN_ERRORS]),
        )

    def close(self) -> None:
        """Close the manifest."""
        if self._file is not None:
            self._file.close()

    def _sum(self, name: str) -> int:
        return sum(int(line[name]) for line in self.done.values())

    def _begin(self, header: dict[str, Any], blocks: Iterator[Block]) -> None:
        for name in (MANIFEST, INPUTS, FAILED):  # the manifest first: without it nothing counts
            (self.path / name).unlink(missing_ok=True)
        shutil.rmtree(self.path / TAGS, ignore_errors=True)
        shards, images, are_known = 0, 0, True
        with atomic_path(self.path / INPUTS) as temporary, temporary.open("w") as file:
            for block in blocks:
                file.write(block.line() + "\n")
                shards, images = shards + 1, images + block.count
                are_known = are_known and block.count > 0
        whole = {
            "shards": shards,
            "images": images if are_known else 0,
            INPUTS: sha256_file(self.path / INPUTS),
        }
        self.header = {**header, **whole}
        write_atomic(self.path / MANIFEST, json.dumps(self.header) + "\n")

    def _read(self) -> None:
        """Read the manifest of an earlier run; a line that is half written is cut off."""
        with (self.path / MANIFEST).open("rb+") as file:
            with suppress(ValueError):
                self.header = json.loads(file.readline())
            end = file.tell()
            for text in file:
                if not text.endswith(b"\n"):
                    file.truncate(end)
                    break
                end += len(text)
                self._take(text)
        plan = self.path / INPUTS
        if not plan.is_file() or sha256_file(plan) != self.header.get(INPUTS):
            raise InputError(f"{plan} is not as it was written: give overwrite=True to start anew")

    def _take(self, text: bytes) -> None:
        line: dict[str, Any] = {}
        with suppress(ValueError):
            line = json.loads(text)
        if line.get("complete"):
            self._has_ended = True
            return
        try:
            is_whole = sha256_file(self.path / line["file"]) == line["sha256"]
        except (OSError, KeyError):
            is_whole = False
        if is_whole:
            self.done[line["shard"]] = line
        else:
            self.damaged += 1

    def _note(self, line: dict[str, Any]) -> None:
        self._write_line(line)
        self.done[line["shard"]] = line

    def _write_line(self, line: dict[str, Any]) -> None:
        assert self._file is not None
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _write_failed(self) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        schema = pa.schema([(n, pa.string()) for n in ("image", "error", *FAILED_COLUMNS)])
        folder = self.header["working folder"]
        with (
            (self.path / INPUTS).open(encoding="utf-8") as blocks,
            atomic_path(self.path / FAILED) as temporary,
            pq.ParquetWriter(temporary, schema) as file,
        ):
            for text, (_, line) in zip(blocks, sorted(self.done.items()), strict=True):
                if line["failed"]:
                    block = Block.of(text)
                    rows = pq.read_table(self.path / line["file"], columns=["image", "error"])
                    rows = rows.filter(pc.is_valid(rows["error"]))
                    packs = [
                        block.pack if block.holds(name) else None
                        for name in rows["image"].to_pylist()
                    ]
                    columns = [*rows.columns, [folder] * len(rows), packs]
                    file.write_table(pa.table(columns, names=schema.names).cast(schema))


def _others(path: Path) -> set[str]:
    """Return what lies in a folder beside a run's own; hidden files are those of writers."""
    return {name for name in os.listdir(path) if not name.startswith(".")} - OURS
