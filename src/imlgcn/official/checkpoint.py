"""Published checkpoints as taggers: `imlgcn import`.

The logits are those of the published code on the same input; probabilities are their sigmoid, not
calibrated, and every label has the published threshold. Shapes: L labels, D width of a vector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imlgcn.config import train_settings
from imlgcn.errors import InputError, unknown_name
from imlgcn.files import sha256_file
from imlgcn.image_settings import ImageSettings
from imlgcn.labels.context import LabelContext
from imlgcn.labels.known_names import NAMES, label_names
from imlgcn.numbers import plural
from imlgcn.official.arrays import read_array, read_vectors
from imlgcn.progress import SILENT, Progress
from imlgcn.tagger import Tagger, save_tagger
from imlgcn.tagger.info import KnownSettings, LabelCalibration, Part, TaggerInfo, library_versions

if TYPE_CHECKING:
    from imlgcn.models import Backbone, Head, MultiLabelClassifier
    from imlgcn.models.containers import StateDict, Weights
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
    ema: bool = False,
    label_masking: bool | None = None,
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
        ema: take the weights averaged over training steps, where the file holds both.
        label_masking: whether C-Tran was trained with known labels as an input, as published. None
            asks where its entries look as if it was not.
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
    weights, beside = read_checkpoint(file, averaged=ema)
    state = weights.state
    converted = _convert(state, source, file, label_masking)
    names = _names(data_names, beside, chosen)
    _check_count(names, converted, chosen, file)
    given = {"words": words, "graph": graph}
    if missing := [what for need, what in chosen.needs.items() if given[need] is None]:
        raise InputError(f"a checkpoint of {source} needs {' and '.join(missing)}")
    context = LabelContext.named(names)
    if words is not None:
        context = context.with_embeddings(words=read_vectors(Path(words), names, progress))
    if graph is not None:
        converted["adjacency"] = torch.from_numpy(read_array(Path(graph), (len(names),) * 2))
    network = _backbone(chosen, state, file, backbone, size, str(data_names))
    settings = {**chosen.options(state), **(options or {})}
    head = _head(chosen, settings, network, context, converted, file)
    classifier = MultiLabelClassifier(network, head)
    origin = _origin(source, file) | ({"weights": weights.key} if weights.key else {})
    blind = source == "c_tran" and label_masking is False
    tagger = _save(out, classifier, context, chosen, settings, origin, replace, blind=blind)
    progress.say(
        f"{source}: {network.name}, {plural(len(names), 'label')}, input "
        f"{network.image_settings.size} pixels"
    )
    _say_which(weights, progress, ema=ema)
    if chosen.note:
        progress.say(f"note: {chosen.note}")
    return tagger


def _say_which(weights: Weights, progress: Progress, *, ema: bool) -> None:
    if weights.other:
        how = "without ema=True they are taken" if ema else "ema=True takes them"
        progress.say(f"weights: {weights.key}; the file holds {weights.other} as well ({how})")


def _convert(state: StateDict, source: str, file: Path, label_masking: bool | None) -> StateDict:
    from imlgcn.official.convert import c_tran
    from imlgcn.official.sources import SOURCES, systems_of

    if source != "c_tran" and label_masking is not None:
        raise InputError(f"label_masking= is for c_tran; leave it out for {source}")
    try:
        converted = SOURCES[source].convert(state)
    except InputError as error:
        others = " or ".join(f"source={name!r}" for name in systems_of(state))
        hint = f"; its entries look like {others}" if others else ""
        raise InputError(f"{file}: {error}{hint}") from error
    return c_tran.with_masking(converted, label_masking) if source == "c_tran" else converted


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


def _backbone(
    source: Source,
    state: StateDict,
    file: Path,
    name: str | None,
    size: int | None,
    data_names: str,
) -> Backbone:
    from imlgcn.models import create_backbone
    from imlgcn.models.unfilled import Unfilled
    from imlgcn.models.weights import load_backbone
    from imlgcn.official.backbones import native_size, recognize
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
    side = size or native_size(entries) or source.size
    with Unfilled():
        network = create_backbone(found, pretrained=False, size=side)
    load_backbone(network.model, entries, file)
    network.weights_id = f"file:{sha256_file(file)}"
    mean, std = UNIT if found.startswith("tresnet") else source.normalization
    mean, std = source.normalization_of.get(data_names, (mean, std))
    network.image_settings = ImageSettings(
        size=side, mean=mean, std=std, interpolation="bilinear", fit="squash"
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
    *,
    blind: bool,
) -> Tagger:
    """Write the tagger; a ``blind`` head does not use known labels although it takes them."""
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
        known=KnownSettings(by="counts") if blind else None,
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
