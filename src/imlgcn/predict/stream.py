"""Image files in, one row per image and label out.

Threads decode while the engine scores; a bounded number of images is in memory, in order.
Shapes: B batch, S image side, L labels.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

from imlgcn.config import InputError
from imlgcn.predict.rows import Row, Write, check_output, jsonl_writer, open_rows
from imlgcn.progress import SILENT, Progress

if TYPE_CHECKING:
    from imlgcn.tagger import Tagger

DIGITS = 6  # of probabilities and thresholds in rows
SHOWN_ERRORS = 5
Input = NDArray[np.uint8] | str  # one image (S, S, 3), or why it cannot be used
Scores = NDArray[np.float64] | str  # its probabilities (L,), or the same reason
Known = NDArray[np.int8] | None  # (L,), the same for all images
Scored = Generator[tuple[str, Scores], None, None]


class PredictSummary(NamedTuple):
    """What a run came to."""

    images: int  # all of them, failed ones included
    failed: int
    tags: int  # labels at or above their threshold
    untagged: int  # images that were read and got no tag
    errors: tuple[str, ...]  # the first few, each with the name of its file


def predict(
    tagger: Tagger,
    paths: Sequence[str | Path],
    *,
    out: str | Path | TextIO | None = None,
    threshold: str | None = None,
    known: Mapping[str, int] | None = None,
    all_labels: bool = False,
    batch_size: int = 16,
    workers: int = 2,
    progress: Progress = SILENT,
) -> PredictSummary:
    """Write the rows of the images ``paths`` to ``out`` and return what they came to.

    ``out`` is a file ending in ``.jsonl``, ``.csv`` or ``.parquet``, complete or not there at all,
    or an open text stream, which gets JSON lines. The rest is as in `predict_rows`.
    """
    if isinstance(out, str | Path):
        check_output(Path(out))
    to_rows = _row_maker(tagger, threshold, all_labels)
    failed = tags = untagged = 0
    errors: list[str] = []
    with (
        closing(_score(tagger, paths, known, batch_size, workers)) as scored,
        _open(out) as write,
        progress.bar("Tagging", len(paths)) as advance,
    ):
        for name, scores in scored:
            rows = to_rows(name, scores)
            write(rows)
            found = sum(row.is_tag for row in rows)
            tags += found
            if isinstance(scores, str):
                failed += 1
                errors.append(f"{name}: {scores}")
                del errors[SHOWN_ERRORS:]
            elif not found:
                untagged += 1
            advance(1)
    return PredictSummary(len(paths), failed, tags, untagged, tuple(errors))


def predict_rows(
    tagger: Tagger,
    paths: Iterable[str | Path],
    *,
    threshold: str | None = None,
    known: Mapping[str, int] | None = None,
    all_labels: bool = False,
    batch_size: int = 16,
    workers: int = 2,
) -> Iterator[Row]:
    """Yield the rows of each image, most probable label first, in the order of ``paths``.

    Only labels at or above their threshold, or every one with ``all_labels``; an image without any
    yields one row with an empty label, one that cannot be read a row with ``error``.

    Raises:
        InputError: the threshold or the known labels are not what the tagger can take.
    """
    to_rows = _row_maker(tagger, threshold, all_labels)
    scored = _score(tagger, paths, known, batch_size, workers)
    return chain.from_iterable(to_rows(name, scores) for name, scores in scored)


def _open(out: str | Path | TextIO | None) -> AbstractContextManager[Write]:
    if out is None:
        return nullcontext(lambda rows: None)
    return open_rows(Path(out)) if isinstance(out, str | Path) else nullcontext(jsonl_writer(out))


def _row_maker(
    tagger: Tagger, threshold: str | None, all_labels: bool
) -> Callable[[str, Scores], list[Row]]:
    labels, thresholds = tagger.labels, tagger.thresholds_for(threshold)  # (L,)

    def to_rows(name: str, scores: Scores) -> list[Row]:
        if isinstance(scores, str):
            return [Row(name, error=scores)]
        order = np.argsort(-scores, kind="stable")  # (L,)
        rows = [
            Row(
                name,
                labels[i],
                round(float(scores[i]), DIGITS),
                round(float(thresholds[i]), DIGITS),
            )
            for i in order
            if all_labels or scores[i] >= thresholds[i]
        ]
        return rows or [Row(name)]

    return to_rows


def _score(
    tagger: Tagger,
    paths: Iterable[str | Path],
    known: Mapping[str, int] | None,
    batch_size: int,
    workers: int,
) -> Scored:
    if min(batch_size, workers) < 1:
        raise InputError(
            f"batch size and workers must be at least 1; got {batch_size} and {workers}"
        )
    return _score_stream(tagger, paths, tagger.known_row(known), batch_size, workers)


def _score_stream(
    tagger: Tagger,
    paths: Iterable[str | Path],
    known: Known,
    batch_size: int,
    workers: int,
) -> Scored:
    """Yield each image's name and scores; while one batch is scored the next is decoded."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    pending: deque[tuple[str, Future[Input]]] = deque()
    try:
        for path in paths:
            pending.append((str(path), pool.submit(_load, tagger, path)))
            if len(pending) == 2 * batch_size:
                yield from _score_batch(
                    tagger, known, [pending.popleft() for _ in range(batch_size)]
                )
        while pending:
            batch = [pending.popleft() for _ in range(min(batch_size, len(pending)))]
            yield from _score_batch(tagger, known, batch)
    finally:
        pool.shutdown(cancel_futures=True)


def _score_batch(
    tagger: Tagger, known: Known, batch: list[tuple[str, Future[Input]]]
) -> list[tuple[str, Scores]]:
    loaded = [future.result() for _, future in batch]
    inputs = [item for item in loaded if not isinstance(item, str)]
    scores = iter(tagger.probabilities(np.stack(inputs), known) if inputs else ())  # rows of (B, L)
    return [
        (name, item if isinstance(item, str) else next(scores))
        for (name, _), item in zip(batch, loaded, strict=True)
    ]


def _load(tagger: Tagger, path: str | Path) -> Input:
    """Return the preprocessed image or what is wrong with it: one file never ends the run."""
    try:
        return tagger.load_input(path)
    except (OSError, ValueError) as error:
        return str(error).removeprefix(f"{path}: ") or type(error).__name__
