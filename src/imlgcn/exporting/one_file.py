"""A tagger as one file, kept only if its logits are those of the trained network."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from imlgcn.activation_maps import MapKind
from imlgcn.data.dataset import Dataset, load_dataset
from imlgcn.engines import check_engine
from imlgcn.errors import InputError, unknown_name
from imlgcn.exporting.agreement import (
    Agreement,
    ExportRefused,
    Samples,
    compare,
    compare_maps,
    sample_images,
)
from imlgcn.exporting.formats import FORMATS, Format, Quantize
from imlgcn.exporting.int8 import (
    Int8Report,
    calibration_images,
    evaluate_int8,
    judging_split,
    training_data,
)
from imlgcn.exporting.network import ExportedNetwork
from imlgcn.extras import installed
from imlgcn.files import atomic_path, sha256_file, write_atomic
from imlgcn.hub.address import refuse_hub
from imlgcn.labels.known import PairCounts
from imlgcn.numbers import number, plural
from imlgcn.progress import Progress
from imlgcn.tagger import Tagger, TaggerInfo
from imlgcn.tagger.folder import MODEL, exported_name
from imlgcn.tagger.info import read_info
from imlgcn.tagger.known import PAIR_COUNTS
from imlgcn.tagger.learnt import KEY as LEARNT_KEY
from imlgcn.tagger.network import without_maps
from imlgcn.tagger.opened import LABEL_TABLE_KEY

MAX_DROP = 0.5  # points of mAP that 8-bit integers may cost
INT8_BATCH = 4  # images at a time: a fifth faster than one by one; in float32 nothing is gained


class Exported(NamedTuple):
    """A file that was written, and the proof that it equals the tagger."""

    path: Path
    size: int  # bytes
    origin: str  # of the images that it was compared on
    agreement: Agreement  # of the file before it was quantised, if it was
    maps: MapKind | None = None  # what its maps are
    int8: Int8Report | None = None
    notes: tuple[str, ...] = ()  # of a layout: what to know where it is used


def export_file(
    tagger: Tagger,
    format: str,
    out: str | Path | None,
    *,
    size: int | None,
    maps: bool | None,
    int8: bool,
    calibration: Dataset | str | Path | None,
    max_drop: float,
    progress: Progress,
) -> Exported:
    """Write a tagger as one self-contained file; the arguments are those of `imlgcn.export`.

    Raises:
        InputError: an unknown format, a runtime that is not installed, a wrong file name or size.
        ExportRefused: the file disagrees with the tagger or, with ``int8``, loses too much or is
            not faster on this machine; nothing is written.
    """
    chosen = check_exportable(tagger, format)
    if out is not None and Path(out).resolve() == tagger.path.resolve() / f"model{chosen.suffix}":
        out = None
    path = _destination(tagger, chosen, out, size)
    data = None if calibration is None else load_dataset(calibration)
    if int8 and chosen.quantize is not None and data is None:
        data = training_data(tagger)
    quantize = _quantizer(chosen, data) if int8 else None
    info = at_size(tagger.info, size)
    folded = tagger.folded()
    if maps is None:
        maps = out is None and not int8 and folded.map_kind not in (None, "occlusion")
    if maps and folded.map_kind is None:
        raise without_maps(info, tagger.path)
    folded.backbone.check_size(info.image.size)
    samples = sample_images(tagger, info.image, data)
    images = calibration_images(data, info.image) if quantize and data is not None else []
    progress.say(f"writing {path}")
    report = None
    with TemporaryDirectory() as folder, atomic_path(path) as kept:
        file = Path(folder) / f"float32{chosen.suffix}"
        network = ExportedNetwork(folded, tagger.calibration, size=info.image.size, maps=maps)
        batch = max(folded.head.exported_batch, INT8_BATCH if int8 else 1)
        metadata = metadata_of(tagger, info, network.map_kind, batch)
        chosen.write(network, file, metadata)
        agreed = _prove(chosen, file, tagger, info, samples, network.map_kind)
        if quantize and data is not None:
            whole, file = file, Path(folder) / f"int8{chosen.suffix}"
            progress.say(f"calibrating on {plural(len(images), 'training image')}")
            quantize(whole, file, images)
            split = judging_split(data, learnt=bool(tagger.folder.config.get("refit")))
            runtimes = tuple(chosen.runtimes)
            report = evaluate_int8(
                whole, file, data, split, max_drop, len(images), progress, runtimes
            )
        shutil.copyfile(file, kept)
    if out is None:
        _enter(tagger, path)
    return Exported(path, path.stat().st_size, samples.origin, agreed, network.map_kind, report)


def metadata_of(
    tagger: Tagger, info: TaggerInfo, maps: MapKind | None = None, batch: int = 1
) -> dict[str, str]:
    """Return the metadata of an exported file.

    ``imlgcn`` is the tagger's ``model.json``, here ``info``; ``maps`` the kind of its maps,
    ``label_table`` what its label table says besides the defaults, ``batch`` how many images at a
    time tag fastest, ``pair_counts`` the counts of label pairs, which known labels need,
    ``learnt_images`` what `imlgcn evaluate` knows training images by: each only where there is
    something to say. An imported checkpoint has neither of the last two.
    """
    found = {"imlgcn": info.model_dump_json()} | ({} if maps is None else {"maps": str(maps)})
    if not tagger.label_table.is_default:
        found[LABEL_TABLE_KEY] = tagger.label_table.to_json()
    if (learnt := tagger.learnt_images()) is not None:
        found[LEARNT_KEY] = learnt.to_text()
    if batch > 1:
        found["batch"] = str(batch)
    context = tagger.folder.context
    if context is not None and context.num_images:
        found[PAIR_COUNTS] = PairCounts.from_context(context).to_text()
    return found


def check_exportable(tagger: Tagger, format: str) -> Format:
    """Return the format of that name.

    Raises:
        InputError: there is none, its runtime is missing, or the tagger is an exported file.
    """
    if format not in FORMATS:
        raise unknown_name("format", format, FORMATS)
    if tagger.path.is_file():
        raise InputError(
            f"{tagger.path} is an exported file; give the tagger folder it was exported from"
        )
    for needed in FORMATS[format].needs:
        check_engine(needed)
    return FORMATS[format]


def _quantizer(chosen: Format, data: Dataset | None) -> Quantize:
    if chosen.quantize is None:
        raise InputError("int8=True is for format='onnx' and format='openvino'")
    if data is None:
        raise InputError(
            "int8=True needs images to fit its ranges on, and the training data is not where it "
            "was: give calibration="
        )
    return chosen.quantize


def _destination(tagger: Tagger, chosen: Format, out: str | Path | None, size: int | None) -> Path:
    if out is None:
        refuse_hub(tagger.path, "an export without out=")
        if size not in (None, tagger.info.image.size):
            raise InputError(
                f"the file in a tagger folder has the tagger's own input size, "
                f"{tagger.info.image.size}; for another size, give out="
            )
        return tagger.path / exported_name(chosen.suffix)
    if Path(out).suffix != chosen.suffix:
        raise InputError(f"out= takes a file that ends in {chosen.suffix}; got {out}")
    return Path(out)


def at_size(info: TaggerInfo, size: int | None) -> TaggerInfo:
    """Return ``model.json`` for another input size, in pixels; None: its own."""
    if size is None:
        return info
    if not 16 <= size <= 4096:
        raise InputError(f"size= is a network input size from 16 to 4096 pixels; got {size}")
    image = info.image.model_copy(update={"size": size})
    return info.model_copy(update={"image": image})


def _prove(
    chosen: Format,
    path: Path,
    tagger: Tagger,
    info: TaggerInfo,
    samples: Samples,
    maps: MapKind | None,
) -> Agreement:
    """Compare a file with the trained network, not folded.

    Every installed runtime that prediction may choose for the file has to agree.

    Raises:
        ExportRefused: one does not.
    """
    from imlgcn.engines.torch import TorchEngine

    reference = TorchEngine(tagger.classifier(), info.image, device="cpu", latency=True)
    worst = Agreement()
    for runtime, opener in chosen.runtimes.items():
        if not installed(runtime):
            continue
        opened = opener(path)
        agreed = compare(opened, reference, tagger, samples.pixels)
        if maps is not None:
            apart = compare_maps(opened, reference, maps, samples.pixels)
            agreed = agreed._replace(maps=apart)
        if not agreed.holds:
            raise ExportRefused(
                f"the file run by {runtime} disagrees with the trained network on "
                f"{samples.origin}: logits differ by up to {agreed.difference:.2g} (largest: "
                f"{agreed.largest:.2g}), {number(agreed.other_tags, 0)} of "
                f"{plural(agreed.tags, 'tag')}, and maps by "
                f"{agreed.maps:.2g} of the largest value; nothing was written"
            )
        worst = max(worst, agreed)
    return worst


def _enter(tagger: Tagger, path: Path) -> None:
    """Add the file's hash to ``model.json``, so that prediction uses it."""
    info = read_info(tagger.path)  # read again: another export may have added its own file
    hashes = info.sha256 | {path.name: sha256_file(path)}
    tagger.info = info.model_copy(update={"sha256": hashes})
    write_atomic(tagger.path / MODEL, tagger.info.model_dump_json(indent=1) + "\n")
