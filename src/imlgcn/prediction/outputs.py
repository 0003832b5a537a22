"""The files of a run: they are opened, written image by image, and can be resumed."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

from imlgcn.errors import InputError
from imlgcn.prediction.images import NamedImage, count_of
from imlgcn.prediction.results import PredictSummary, Total
from imlgcn.prediction.rows import Row, Write, check_output, jsonl_writer, open_rows
from imlgcn.prediction.stream import Item
from imlgcn.progress import Progress
from imlgcn.stopping import Stopped, safe_points

if TYPE_CHECKING:
    from imlgcn.prediction.journal import Journal
    from imlgcn.prediction.shard_record import ShardFile
    from imlgcn.prediction.shards import ShardImages
    from imlgcn.tagger import Tagger

Tag = Callable[[Iterable[Item]], Generator[list[Row]]]


@contextmanager
def one_writer(says: str | None = None) -> Iterator[None]:
    """Say that a file is being written by another run, where it is; or ``says``."""
    try:
        yield
    except BlockingIOError as error:
        raise InputError(
            says
            or f"{error.filename}: {error.strerror}; wait until it is done, or give another name"
        ) from None


class Outputs(NamedTuple):
    """What is written where; of a shard, the files have its own names."""

    file: Path | None
    stream: TextIO | None
    tasks: Path | None
    own: ShardImages | None  # the images of the shard
    resume: bool
    overwrite: bool
    bare: bool = False
    xmp: bool = False

    @classmethod
    def of(
        cls,
        out: str | Path | TextIO | None,
        tasks: str | Path | None,
        own: ShardImages | None,
        **how: bool,
    ) -> Outputs:
        """Return the files of a run, or of one shard of it."""
        file = Path(out) if isinstance(out, str | Path) else None
        stream = None if out is None or isinstance(out, str | Path) else out
        file_of_tasks = None if tasks is None else Path(tasks)
        if own is not None:
            file, file_of_tasks = own.shard.name(file), own.shard.name(file_of_tasks)
        return cls(file, stream, file_of_tasks, own, **how)

    def check(self) -> None:
        """Refuse files that cannot be written, before any work is done."""
        if (out := self.file) is not None:
            check_output(out)
            if not (self.resume or self.overwrite) and out.exists() and out.stat().st_size:
                raise InputError(
                    f"{out} exists; give overwrite=True to replace it, or another out="
                )
        elif self.resume:
            raise InputError("resume= continues a file; say which with out=")
        if self.tasks is not None:
            from imlgcn.prediction.label_studio import check_tasks_file

            check_tasks_file(self.tasks)

    def writers(self, stack: ExitStack, tagger: Tagger, columns: Sequence[str]) -> list[Write]:
        """Open the files."""
        writers: list[Write] = [] if self.own is None else [self.own.write]
        with one_writer():
            if self.file is not None:
                writers.append(stack.enter_context(open_rows(self.file, columns, bare=self.bare)))
            elif self.stream is not None:
                writers.append(jsonl_writer(self.stream, columns))
            if self.tasks is not None:
                from imlgcn.prediction.label_studio import open_tasks

                model = "imlgcn " + next(iter(tagger.info.sha256.values()), "")[:8]
                writers.append(stack.enter_context(open_tasks(self.tasks, model.strip())))
        return writers

    def shard_file(
        self, tagger: Tagger, made_by: str, columns: tuple[str, ...]
    ) -> ShardFile | None:
        """Return the file of a shard with what merging compares; None if it is of all images."""
        if self.file is None or self.own is None:
            return None
        from imlgcn.prediction.journal import fingerprint
        from imlgcn.prediction.shard_record import Maker, ShardFile

        maker = Maker(fingerprint(tagger), tagger.engine.name, made_by, columns, self.bare)
        also = {"xmp": self.xmp, "label_studio": self.tasks is not None}
        return ShardFile(self.file, maker, self.own, [name for name, on in also.items() if on])


def write_outputs(
    outputs: Outputs,
    tagger: Tagger,
    images: Iterable[NamedImage],
    tag: Tag,
    *,
    columns: tuple[str, ...],
    settings: Sequence[object],
    total: Total,
    progress: Progress,
) -> PredictSummary:
    """Write the rows of all images, those of an interrupted run first; return the counts.

    ``tag`` makes the rows, ``settings`` are what decides them beside the tagger.
    """
    file = outputs.file
    made_by = "" if file is None else _made_by(tagger, settings)
    shard = outputs.shard_file(tagger, made_by, columns)
    if shard is not None and outputs.resume and (done := shard.complete(images)):
        progress.say(f"{file} is complete: nothing is left to do")
        return done
    journal: Journal | None = None
    with ExitStack() as stack:
        writers = [*outputs.writers(stack, tagger, columns), total.add]
        if file is not None:
            from imlgcn.prediction.journal import open_journal

            journal = stack.enter_context(
                open_journal(file, made_by, resume=outputs.resume, progress=progress)
            )
            writers.insert(0, journal.add)
        if shard is not None:
            shard.begin()
        advance = stack.enter_context(progress.bar("Tagging", count_of(images)))
        for rows in stack.enter_context(closing(_until_asked(tag(_items(images, journal))))):
            for write in writers:
                write(rows)
            advance(1)
    if shard is not None:
        shard.finish(total.summary())
    if journal is not None:  # the output has its name now
        journal.path.unlink(missing_ok=True)
    return total.summary()


def _made_by(tagger: Tagger, settings: Sequence[object]) -> str:
    from imlgcn.prediction.journal import fingerprint

    return fingerprint(tagger, *settings)


def _items(images: Iterable[NamedImage], journal: Journal | None) -> Iterator[Item]:
    for image in images:
        yield image.name, image.image, journal.find(image.name) if journal else None


def _until_asked(rows: Generator[list[Row]]) -> Generator[list[Row]]:
    """Yield the rows until a signal asks to stop: each image is written as a whole."""
    with safe_points() as asked, closing(rows):
        for found in rows:
            yield found
            if (number := asked()) is not None:
                raise Stopped(number)
