"""Published checkpoints as taggers: `imlgcn import`.

The logits are those of the published code on the same input; probabilities are their sigmoid, not
calibrated, and every label has the published threshold. Shapes: L labels, D width of a vector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imlgcn.config import ImageSettings, InputError, train_settings, unknown_name
from imlgcn.files import sha256_file
from imlgcn.labels.context import LabelContext
from imlgcn.labels.embeddings import FloatArray
from imlgcn.labels.known_names import NAMES, label_names
from imlgcn.labels.word_vectors import word_embeddings
from imlgcn.numbers import plural
from imlgcn.progress import SILENT, Progress
from imlgcn.tagger import Tagger, save_tagger
from imlgcn.tagger.info import LabelCalibration, Part, TaggerInfo, library_versions

if TYPE_CHECKING:
    from imlgcn.models import Backbone, Head, MultiLabelClassifier
    from imlgcn.models.checkpoint_files import StateDict
    from imlgcn.official.sources import Source


def import_checkpoint(
    file: str | Path,
    source: str,
    out: str | Path,
    *,
    data_names: str | Path | None = None,
    backbone: str | None = None,
    size: int | None = None,
    words: str | Path | None = None,
    graph: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    replace: bool = False,
    progress: Progress = SILENT,
) -> Tagger:
    """Turn a checkpoint with a published system's entry names into a tagger folder.

    Args:
        file: the checkpoint; only tensors and plain values are read from it.
        source: ``asl``, ``ml_decoder``, ``ml_gcn``, ``ssgrl``, ``c_tran``, ``query2label`` or
            ``csra``.
        out: the folder to write; empty or new.
        data_names: ``coco``, ``voc``, ``vg500`` or a text file with a name on each line: the labels
            in the checkpoint's own order. None takes the names stored in the checkpoint.
        backbone: timm's name of it; None recognises it by its entries.
        size: network input size in pixels; None is that of the published evaluation.
        words: the label vectors of ML-GCN and SSGRL, which no checkpoint holds: a GloVe text
            file, a text encoder's vectors by name, or a ``.npy`` ``(L, D)`` in the labels' order.
        graph: SSGRL's matrix of P(j|i), a ``.npy`` ``(L, L)``.
        options: head options that are in no checkpoint, such as CSRA's ``lam``.
        replace: write into a tagger folder that exists.
        progress: receives notes.

    Raises:
        InputError: another system's checkpoint or backbone (with the entries that differ), pickled
            code, a wrong number of names, or a missing file.
    """
    import torch

    from imlgcn.models import MultiLabelClassifier
    from imlgcn.models.checkpoint_files import read_checkpoint
    from imlgcn.official.sources import SOURCES

    if source not in SOURCES:
        raise unknown_name("published system", source, SOURCES)
    chosen, file, out = SOURCES[source], Path(file), Path(out)
    state, beside = read_checkpoint(file)
    converted = _convert(state, source, file)
    names = _names(data_names, beside, chosen)
    _check_count(names, converted, chosen, file)
    given = {"words": words, "graph": graph}
    if missing := [what for need, what in chosen.needs.items() if given[need] is None]:
        raise InputError(f"a checkpoint of {source} needs {' and '.join(missing)}")
    context = LabelContext.named(names)
    if words is not None:
        context = context.with_embeddings(words=_vectors(Path(words), names, progress))
    if graph is not None:
        converted["adjacency"] = torch.from_numpy(_read_array(Path(graph), (len(names),) * 2))
    network = _backbone(chosen, state, file, backbone, size)
    settings = {**chosen.options(state), **(options or {})}
    head = _head(chosen, settings, network, context, converted, file)
    classifier = MultiLabelClassifier(network, head)
    tagger = _save(out, classifier, context, chosen, settings, _origin(source, file), replace)
    progress.say(
        f"{source}: {network.name}, {plural(len(names), 'label')}, input {size or chosen.size} "
        "pixels"
    )
    if chosen.note:
        progress.say(f"note: {chosen.note}")
    return tagger


def _convert(state: StateDict, source: str, file: Path) -> StateDict:
    from imlgcn.official.sources import SOURCES, systems_of

    try:
        return SOURCES[source].convert(state)
    except InputError as error:
        others = " or ".join(f"source={name!r}" for name in systems_of(state))
        hint = f"; its entries look like {others}" if others else ""
        raise InputError(f"{file}: {error}{hint}") from error


def _names(given: str | Path | None, beside: Mapping[str, Any], source: Source) -> tuple[str, ...]:
    """Return the labels in the checkpoint's order: those asked for, or those stored in it."""
    if given is not None:
        return label_names(given, alphabetical=source.alphabetical)
    stored = beside.get("idx_to_class")
    if not isinstance(stored, Mapping):
        known = ", ".join(NAMES)
        raise InputError(
            f"the checkpoint holds no label names; give them in its own order with data_names=: "
            f"{known}, or a text file with a name on each line"
        )
    return tuple(str(stored[index]) for index in sorted(stored))


def _check_count(names: Sequence[str], converted: StateDict, source: Source, file: Path) -> None:
    entry, axis = source.count
    if entry in converted and (found := converted[entry].shape[axis]) != len(names):
        raise InputError(
            f"{file} was trained on {plural(found, 'label')}, but {plural(len(names), 'name')} "
            "are given; give its own names, "
            "in its order (data_names=)"
        )


def _vectors(path: Path, names: Sequence[str], progress: Progress) -> FloatArray:
    """Return the label vectors (L, D): an array in the labels' order, or matched by name."""
    if path.suffix.lower() == ".npy":
        return _read_array(path, (len(names), None))
    vectors, missing = word_embeddings(names, path, progress=progress)
    if missing:
        progress.say(
            f"no word vector for: {', '.join(missing)} (replaced by the mean of the others)"
        )
    return vectors


def _read_array(path: Path, shape: tuple[int | None, ...]) -> FloatArray:
    wanted = " x ".join("D" if side is None else str(side) for side in shape)
    if not path.is_file():
        raise InputError(f"no file {path}; expected a .npy array, {wanted}")
    try:
        array = np.load(path, allow_pickle=False)
        numbers: FloatArray = np.array(array, np.float32)
    except (ValueError, TypeError, OSError, EOFError) as error:
        raise InputError(
            f"{path} is not a .npy file of numbers ({error}); convert a pickled array with "
            "numpy.save"
        ) from error
    fits = len(shape) == numbers.ndim and all(
        side in (None, found) for side, found in zip(shape, numbers.shape, strict=True)
    )
    if not fits or not np.isfinite(numbers).all():
        raise InputError(f"{path} must hold finite numbers, {wanted}; its shape is {numbers.shape}")
    return numbers


def _backbone(
    source: Source, state: StateDict, file: Path, name: str | None, size: int | None
) -> Backbone:
    from imlgcn.models import create_backbone
    from imlgcn.models.weights import load_backbone
    from imlgcn.official.backbones import recognize
    from imlgcn.official.sources import UNIT

    entries = source.backbone(state)
    found = name or recognize(entries)
    if found is None:
        some = ", ".join(list(entries)[:3]) or "none"
        raise InputError(
            f"{file} has no known backbone ({plural(len(entries), 'entry', 'entries')} "
            "beside the head: "
            f"{some}); if timm has it, give backbone="
        )
    network = create_backbone(found, pretrained=False, size=size or source.size)
    load_backbone(network.model, entries, file)
    network.weights_id = f"file:{sha256_file(file)}"
    mean, std = UNIT if found.startswith("tresnet") else source.normalization
    network.image_settings = ImageSettings(
        size=size or source.size, mean=mean, std=std, interpolation="bilinear", fit="squash"
    )
    return network


def _head(
    source: Source,
    options: Mapping[str, Any],
    network: Backbone,
    context: LabelContext,
    converted: StateDict,
    file: Path,
) -> Head:
    from imlgcn.models import create_head
    from imlgcn.models.checkpoint_files import load_strictly

    if source.width is not None:
        entry, axis = source.width
        expected, found = converted[entry].shape[axis], context.embedding("words").shape[1]
        if expected != found:
            raise InputError(
                f"{file} was trained on label vectors of width {expected}; those given have width "
                f"{found}; give the same vectors (words=)"
            )
    head = create_head(source.head, network.out_channels, context, preset="paper", **options)
    own = {name: value for name, value in head.named_buffers() if name in source.from_context}
    load_strictly(head, {**own, **converted}, file)
    return head


def _save(
    out: Path,
    classifier: MultiLabelClassifier,
    context: LabelContext,
    source: Source,
    options: Mapping[str, Any],
    origin: dict[str, str],
    replace: bool,
) -> Tagger:
    from imlgcn.models import head_options
    from imlgcn.training.label_table import choose_label_table, write_run_table
    from imlgcn.training.output import close_run_folder, open_run_folder

    network = classifier.backbone
    L = context.num_labels
    info = TaggerInfo(
        labels=list(context.names),
        backbone=Part(name=network.name, weights=network.weights_id),
        head=Part(name=source.head, options=head_options(source.head, "paper", **options)),
        image=network.image_settings,
        calibration=LabelCalibration(
            slope=[1.0] * L,
            intercept=[0.0] * L,
            threshold=[source.threshold] * L,
            operating_point=str(source.threshold),
            positives=[0] * L,
        ),
        versions=library_versions(),
        origin=origin,
    )
    settings = train_settings(
        {
            "head": source.head,
            "head_options": info.head.options,
            "backbone": network.name,
            "size": network.image_settings.size,
        },
        preset="paper",
    )
    table = choose_label_table(None, info.labels, out, SILENT, replace=replace)
    open_run_folder(out, settings, {}, replace=replace)
    write_run_table(out, table)
    tagger = save_tagger(out, classifier, context, info)
    close_run_folder(out)
    return tagger


def _origin(source: str, file: Path) -> dict[str, str]:
    return {"system": source, "file": file.name, "sha256": sha256_file(file)}
