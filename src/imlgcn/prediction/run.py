"""Predict many images: their tags one by one, or rows to a file, sidecars, pre-annotations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, Unpack, overload

from imlgcn.arguments import also_called
from imlgcn.data.image_input import ImageLike, each_image, is_image, name_of
from imlgcn.errors import InputError
from imlgcn.files import sha256_file
from imlgcn.prediction.images import count_of, named_images
from imlgcn.prediction.outputs import Outputs, write_outputs
from imlgcn.prediction.results import Predictions, PredictSummary, Total
from imlgcn.prediction.rows import Row, columns_for
from imlgcn.prediction.stream import DIGITS, Item, RowMaker, stream_rows
from imlgcn.progress import SILENT, Progress
from imlgcn.tagger.choice import TagBounds

if TYPE_CHECKING:
    from imlgcn.labels.label_table import LabelTable
    from imlgcn.prediction.known import KnownTable
    from imlgcn.prediction.options import FileOptions, PredictOptions
    from imlgcn.prediction.shards import ShardImages
    from imlgcn.prediction.xmp import Sidecars
    from imlgcn.tagger import Tagger
    from imlgcn.tagger.thresholds import Threshold


@overload
def predict(  # without a file among the options
    tagger: Tagger | str | Path,
    images: ImageLike | Iterable[ImageLike],
    **options: Unpack[PredictOptions],
) -> Predictions: ...


@overload
def predict(
    tagger: Tagger | str | Path,
    images: ImageLike | Iterable[ImageLike],
    **options: Unpack[FileOptions],
) -> PredictSummary: ...


@also_called(topk="top_k", all="all_labels")  # type: ignore[misc]  # it takes these as well
def predict(
    tagger: Tagger | str | Path,
    images: ImageLike | Iterable[ImageLike],
    *,
    out: str | Path | TextIO | None = None,
    overwrite: bool = False,
    bare: bool = False,
    threshold: Threshold | None = None,
    top_k: int | None = None,
    at_least: int | None = None,
    at_most: int | None = None,
    known: Mapping[str, int] | None = None,
    known_from: str | Path | None = None,
    known_by: str | None = None,
    all_labels: bool = False,
    label_table: LabelTable | str | Path | None = None,
    engine: str | None = None,
    device: str = "auto",
    latency: bool = False,
    resume: bool = False,
    xmp: bool = False,
    sidecar_name: str | None = None,
    label_studio: str | Path | None = None,
    shard: str | tuple[int, int] | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> Predictions | PredictSummary:
    """Tag many images with all cores; a file that cannot be read never ends the run.

    Args:
        tagger: a tagger, or the path of one.
        images: a folder, a pattern such as ``"photos/*.jpg"``, a ``.csv`` with a column of images,
            or an image in any form that :mod:`imlgcn.data.image_input` takes; or a list, tuple or
            generator of these.
        out: a file ending in ``.jsonl``, ``.csv`` or ``.parquet``, which appears when it is
            complete, or an open text stream, which gets JSON lines.
        overwrite: replace a file that is there already.
        bare: write cells of a ``.csv`` as they are; else an apostrophe goes before one that a
            spreadsheet would take for a formula (:mod:`imlgcn.spreadsheets`).
        threshold: as for :meth:`imlgcn.Tagger.thresholds_for`.
        top_k, at_least, at_most: as for :class:`imlgcn.tagger.choice.TagBounds` (also ``topk``).
        known: labels that are known of all images: 1 present, 0 absent.
        known_from: a table of known labels of each image (`imlgcn.prediction.known`); what it says
            of an image goes before ``known``, which is of all.
        known_by: as for :meth:`imlgcn.Tagger.with_known_by`.
        all_labels: every label that is shown, not only tags (also ``all``).
        label_table: as for :meth:`imlgcn.Tagger.load`.
        engine, device, latency: as for :meth:`imlgcn.Tagger.load`, of a tagger that is a path.
        resume: take the images that an interrupted run left in ``out`` + ``.partial`` from there;
            the finished file is the one that run would have written.
        xmp: also make the tags keywords in the XMP sidecars of the images, in the place of those
            of an earlier run (`imlgcn.prediction.xmp`).
        sidecar_name: of sidecars, ``"photo.jpg.xmp"`` or ``"photo.xmp"``; by default the existing
            one, or else the first.
        label_studio: a ``.json`` to write pre-annotations to (`imlgcn.prediction.label_studio`).
        shard: tag only one of n shards of the images: ``"3/8"`` or ``(3, 8)`` is the third of
            eight (:mod:`imlgcn.prediction.shards`). ``out="tags.csv"`` then writes
            ``tags.3-of-8.csv``, and `merge_predictions` makes ``tags.csv`` of all. With ``resume``,
            a shard that is complete is not tagged again.
        batch_size, workers: as for `predict_rows`.
        progress: receives bars and messages.

    Returns:
        With ``out``, ``xmp`` or ``label_studio``, the counts when all is written. Else an iterator
        of the tags of each image, in order, which tags as it is read.

    Raises:
        InputError: an option that the tagger or the files do not allow, a file that is there, or
            another run that is writing it; before any work is done.
        ImageTypeError: something among ``images`` is not an image in a form that is accepted.
    """
    from imlgcn.tagger.given import given_tagger

    own = None if shard is None else _shard_images(shard)
    if own is not None:
        own.check_engine(tagger, engine)
    tagger = given_tagger(
        tagger,
        engine=engine,
        latency=latency,
        device=device,
        label_table=label_table,
        known_by=known_by,
    )
    how = {"resume": resume, "overwrite": overwrite, "bare": bare, "xmp": xmp}
    outputs = Outputs.of(out, label_studio, own, **how)
    outputs.check()
    sidecars = _sidecars(tagger, sidecar_name) if xmp else None
    if sidecar_name is not None and not xmp:
        raise InputError("sidecar_name= is of sidecars: give xmp=True, too")
    skipped: Counter[str] = Counter()  # files of formats that are not read
    table: KnownTable | None = None
    if known_from is None:
        named = named_images(images, skipped, own)
    else:
        from imlgcn.prediction.known import KnownTable  # it loads every reader

        every = list(named_images(images, skipped))  # a name stands for one image of all
        table = KnownTable(Path(known_from), tagger, [image.name for image in every])
        progress.say(table.sentence())
        named = every if own is None else own.pick(every)
    is_iterated = out is None and not xmp and label_studio is None
    maker = RowMaker(
        tagger,
        threshold=threshold,
        bounds=TagBounds(top_k=top_k, at_least=at_least, at_most=at_most),
        known=known,
        known_from=table,
        all_labels=all_labels,
        digits=None if is_iterated else DIGITS,
    )
    if is_iterated:
        items: Iterator[Item] = ((image.name, image.image, None) for image in named)
        found = stream_rows(tagger, maker, items, batch_size=batch_size, workers=workers)
        return Predictions(_watched(found, count_of(named), progress), skipped)
    told = _told(tagger, maker, known, known_from)
    settings = (maker.thresholds.tolist(), known, all_labels, *told)
    return write_outputs(
        outputs,
        tagger,
        named,
        partial(stream_rows, tagger, maker, batch_size=batch_size, workers=workers),
        columns=columns_for(
            tagger.label_table, all_labels=all_labels, are_bounded=maker.bounds.are_set
        ),
        settings=settings,
        total=Total(sidecars, skipped),
        progress=progress,
    )


def predict_rows(
    tagger: Tagger,
    images: ImageLike | Iterable[ImageLike],
    *,
    threshold: Threshold | None = None,
    top_k: int | None = None,
    at_least: int | None = None,
    at_most: int | None = None,
    known: Mapping[str, int] | None = None,
    all_labels: bool = False,
    batch_size: int | None = None,
    workers: int | None = None,
) -> Iterator[Row]:
    """Yield the rows of each image, most probable label first, in the order of ``images``.

    Only tags, or every label that is shown with ``all_labels``; an image without any yields one row
    with an empty label, one that cannot be read a row with ``error``. A path is one file here: it
    is `predict` that takes folders. ``batch_size`` images at a time are decoded and scored by each
    of ``workers`` threads; by default as many as suit the engine and the machine.

    Raises:
        InputError: the tagger does not support the threshold, the bounds or the known labels.
        ImageTypeError: something among ``images`` is not an image in a form that is accepted.
    """
    bounds = TagBounds(top_k=top_k, at_least=at_least, at_most=at_most)
    maker = RowMaker(tagger, threshold=threshold, bounds=bounds, known=known, all_labels=all_labels)
    is_image(images)  # what is neither an image nor a collection is refused at once
    items: Iterator[Item] = (
        (name_of(image) or f"image {number}", image, None)
        for number, image in enumerate(each_image(images), 1)
    )
    return chain.from_iterable(
        stream_rows(tagger, maker, items, batch_size=batch_size, workers=workers)
    )


def _shard_images(shard: str | tuple[int, int]) -> ShardImages:
    from imlgcn.prediction.shards import Shard, ShardImages

    return ShardImages(Shard.of(shard))


def _sidecars(tagger: Tagger, name: str | None) -> Sidecars:
    from imlgcn.prediction.xmp import Sidecars

    return Sidecars(tagger.label_table, name)


def _watched(rows: Generator[list[Row]], total: int, progress: Progress) -> Generator[list[Row]]:
    with closing(rows), progress.bar("Tagging", total) as advance:
        for found in rows:
            yield found
            advance(1)


def _told(
    tagger: Tagger,
    maker: RowMaker,
    known: Mapping[str, int] | None,
    known_from: str | Path | None,
) -> list[object]:
    """Return what decides the rows beside thresholds, where anything does."""
    told: list[object] = []
    if known or known_from is not None:
        settings = tagger.info.known and tagger.info.known.model_dump(mode="json")
        told += [settings, known_from and sha256_file(Path(known_from))]
    if maker.bounds.are_set:
        told.append(asdict(maker.bounds))
    return told
