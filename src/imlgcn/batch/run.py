"""Tag with many machines: blocks of images on the workers of a cluster, each exactly once."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from imlgcn.batch.blocks import Block
from imlgcn.batch.cutting import cut
from imlgcn.batch.inputs import find_inputs
from imlgcn.batch.output import OutputFolder
from imlgcn.batch.ray_workers import check_address, check_ray, ray_workers
from imlgcn.batch.shard import Report
from imlgcn.batch.tagger import BatchTagger
from imlgcn.engines.base import cores
from imlgcn.errors import InputError
from imlgcn.files import only_writer
from imlgcn.numbers import plural
from imlgcn.prediction.journal import fingerprint, raise_interrupted
from imlgcn.prediction.results import PredictSummary
from imlgcn.progress import SILENT, Progress
from imlgcn.stopping import Stopped, safe_points

if TYPE_CHECKING:
    from imlgcn.labels.label_table import LabelTable
    from imlgcn.tagger.thresholds import Threshold

TRIES = 5  # of a block: workers are lost, networks fail, and a file may kill whoever reads it
WAIT = 1.0  # seconds between two looks at whether a signal has come
ADDRESS_AS_PATH = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+:/")  # a Path has one slash of two
Outcome = tuple[Block, Report | Exception]


class Workers(Protocol):
    """What tags blocks: one at a time each, in any order."""

    @property
    def idle(self) -> int:
        """How many blocks it takes at once, now."""
        ...

    def submit(self, block: Block, *, last: bool) -> None:
        """Begin a block; ``last`` as for :meth:`imlgcn.batch.shard.ShardTagger.tag`."""
        ...

    def done(self, timeout: float) -> list[Outcome]:
        """Wait until a block is done, or for so many seconds; return those, with what came."""
        ...


def predict_on_ray(
    tagger: str | Path,
    paths: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    threshold: Threshold | None = None,
    top_k: int | None = None,
    at_least: int | None = None,
    at_most: int | None = None,
    known: Mapping[str, int] | None = None,
    known_by: str | None = None,
    all_labels: bool = False,
    label_table: LabelTable | str | Path | None = None,
    engine: str | None = None,
    workers: int | None = None,
    block_size: int | None = None,
    progress: Progress = SILENT,
) -> PredictSummary:
    """Tag images on a Ray cluster; the rows are those of `predict`, each image exactly once.

    Without ``$RAY_ADDRESS`` a cluster of this machine is started and ended here. Each worker has a
    core, the tagger's network and a block of images at a time. A block that a worker was lost with
    is tagged again, by another. Ray's usage statistics and its dashboard are off.

    Args:
        tagger: a folder or an exported file, at the same path on every machine.
        paths: files, folders, patterns, ``.parquet`` tables of images or of their paths, tars, and
            addresses (``s3://``, ``gs://``, ``https://``) of these.
        out: a folder, shared by all machines: ``tags/*.parquet`` with the rows, ``failed.parquet``
            with the images that could not be read, and the manifest.
        resume: go on with the run that an interruption left in ``out``: blocks that are done stay,
            and a run that is complete.
        overwrite: replace the run in ``out``.
        threshold, top_k, at_least, at_most, known, known_by, all_labels, label_table, engine: as
            for `predict`.
        workers: how many at once; by default one for each core of the machine or cluster.
        block_size: images of a block; None: 16 to 1,000, so that there are several for each worker.
        progress: receives a bar and messages.

    Returns:
        The counts of all images, those of the resumed run included.

    Raises:
        InputError: what `predict` refuses; Ray is not installed; an ``out`` that holds something
            else; or a block that no worker could tag, after 5 tries.
    """
    for name, value in (("workers", workers), ("block_size", block_size)):
        if value is not None and value < 1:
            raise InputError(f"{name}= must be at least 1; got {value}")
    if ADDRESS_AS_PATH.match(str(out)):
        raise InputError(f"out={out!s} is an address; give a folder that all machines share")
    if engine == "auto":
        raise InputError(
            "engine='auto' measures one machine, and a cluster may have others: name an engine, or "
            "leave engine= out"
        )
    check_ray()
    given = [str(p) for p in ([paths] if isinstance(paths, str | Path) else paths)]
    options = {"threshold": threshold, "known": known, "all_labels": all_labels}
    bounds = {"top_k": top_k, "at_least": at_least, "at_most": at_most}
    opening = {"known_by": known_by, "label_table": label_table, "engine": engine, "device": "cpu"}
    tag = BatchTagger(tagger, **options, **bounds, **opening)  # type: ignore[arg-type]
    folder, path = os.getcwd(), Path(out).absolute()
    try:
        with (
            only_writer(path),
            closing(OutputFolder(path, resume=resume, overwrite=overwrite)) as output,
        ):
            blocks = _blocks(given, folder, workers or cores(), block_size, progress)
            if not output.is_complete:
                check_address()  # before there is an output
            output.start(_header(tag, given, folder), blocks)
            if output.is_complete:
                progress.say(f"{path} is complete: nothing is left to do")
                return output.summary()
            with ray_workers(tag, output.unfinished, folder, workers) as pool:
                return tag_blocks(output, pool, progress)
    except BlockingIOError:
        raise InputError(
            f"another run is writing {path}; wait until it is done, or give another out="
        ) from None


def tag_blocks(output: OutputFolder, workers: Workers, progress: Progress) -> PredictSummary:
    """Have the workers tag every block that is not done, and finish the output.

    Raises:
        InputError: a block that no worker could tag.
        Stopped: a signal has come.
    """
    try:
        with (
            progress.bar("Tagging", output.header["images"]) as advance,
            safe_points() as asked,
        ):
            if output.done:
                progress.say(f"already done: {plural(output.summary().images, 'image')}")
                advance(output.summary().images)
            for report in _reports(output.blocks(), workers, progress):
                if report is not None and output.add(report):
                    advance(report.images)
                if (number := asked()) is not None:
                    raise Stopped(number)
        return output.finish()
    except BaseException as error:
        raise_interrupted(error, output.summary().images, output.path, progress)


def _reports(
    blocks: Iterator[Block], workers: Workers, progress: Progress
) -> Iterator[Report | None]:
    """Yield the report of each block as it comes, and None now and then while none does."""
    again: list[Block] = []
    tries: Counter[int] = Counter()
    running = 0
    while True:
        while workers.idle and (block := again.pop() if again else next(blocks, None)):
            workers.submit(block, last=tries[block.number] == TRIES - 1)
            running += 1
        if not running:
            return
        outcomes = workers.done(WAIT)
        if not outcomes:
            yield None
        for block, outcome in outcomes:
            running -= 1
            if isinstance(outcome, Report):
                yield outcome
                continue
            tries[block.number] += 1
            _refuse_or_say(block, outcome, tries[block.number], progress)
            again.append(block)


def _refuse_or_say(block: Block, error: Exception, tries: int, progress: Progress) -> None:
    """Raise what is no use to try again; say of the rest that it is."""
    if isinstance(error, InputError):
        raise error
    what = block.pack or f"{block.names[0]} and {plural(len(block.names) - 1, 'image')} after it"
    reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
    if tries == TRIES:
        raise InputError(
            f"block {block.number} ({what}) could not be tagged in {TRIES} tries: {reason}"
        )
    progress.say(f"block {block.number} is tagged again, by another worker: {reason}")


def _header(tag: BatchTagger, given: Sequence[str], folder: str) -> dict[str, Any]:
    """Return what a run must have in common with the one that it goes on with."""
    settings = [tag.known, tag.all_labels, asdict(tag.bounds), tag.tagger.known_by]
    made_by = fingerprint(tag.tagger, tag.maker.thresholds.tolist(), *settings)
    return {"settings": made_by, "inputs": list(given), "working folder": folder}


def _blocks(
    given: Sequence[str], folder: str, workers: int, size: int | None, progress: Progress
) -> Iterator[Block]:
    """List the inputs, when the first block is asked for, and yield the blocks."""
    inputs = find_inputs(given)
    if inputs.skipped:
        files = plural(inputs.skipped.total(), "file")
        progress.say(f"not read: {files} of a format that is not read")
    yield from cut(inputs, folder, workers=workers, most=size)
