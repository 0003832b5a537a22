"""From data to a tagger folder: training, evaluation and report; and the demo.

Shapes: N images, L labels.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from imlgcn.config import CONTROL, InputError, TrainSettings
from imlgcn.data.dataset import load_dataset
from imlgcn.data.ready import (
    in_old_order,
    say_what_is_thin,
    with_learnable_labels,
    with_splits,
)
from imlgcn.data.source import DataSource
from imlgcn.data.split import write_split_csv
from imlgcn.evaluation import evaluate_split, fit_label_calibration
from imlgcn.files import write_atomic
from imlgcn.metrics.protocol import paired_bootstrap
from imlgcn.numbers import plural
from imlgcn.progress import SILENT, Progress
from imlgcn.tagger import Tag, Tagger, save_tagger
from imlgcn.tagger.folder import CHECKPOINTS, METRICS, SCORES, SPLIT, SUPPORT
from imlgcn.tagger.info import LabelCalibration, Part, TaggerInfo, library_versions
from imlgcn.tagger.scores import ScoredSplit, write_predictions
from imlgcn.tagger.support import write_support
from imlgcn.training.output import RunLog, close_run_folder, discard_run, open_run_folder
from imlgcn.training.resolve import plan_run

DEMO_FOLDER = Path("runs/demo")
CONTROL_NOTE = "linear head of stage 1 on the same features, its own calibration and thresholds"
FINE_TUNED_NOTE = (
    "linear head of stage 1 with the backbone as tuned in that stage, half of all epochs; "
    "its own calibration and thresholds"
)
HEADLINE = ("protocol", "split", "num_images", "mAP", "micro_AP", "CF1", "OF1", "ECE", "log_loss")


def train(
    data: str | Path | DataSource,
    out: str | Path,
    *,
    config: str | Path | None = None,
    start: str | Path | None = None,
    resume: bool = False,
    replace: bool = False,
    progress: Progress = SILENT,
    **settings: Any,
) -> Tagger:
    """Train a tagger on ``data`` and write it to the folder ``out``.

    Args:
        data: a CSV, COCO JSON, folder, zip, or ``openclipart``; without splits, a stratified one is
            made and written to ``split.csv``. Labels that no training image is known to show are
            left out.
        out: a folder that is empty or does not exist.
        config: a YAML file of settings, such as a recipe or an earlier run's ``config.yaml``.
        start: an existing tagger to continue from; labels are matched by name, and those that the
            data does not teach are not in the new tagger.
        resume: continue an interrupted run in ``out``.
        replace: replace an earlier run in ``out`` once this one is finished.
        progress: receives bars and messages.
        settings: fields of :class:`imlgcn.config.TrainSettings`, nested ones as dicts, or the short
            names that the command line has as flags: ``graph``, ``embedding``, ``words``,
            ``epochs`` (of every stage), ``preset`` (``small`` or ``paper``; by default chosen by
            the number of training images), ``device`` (``auto``, ``cpu``, ``cuda``, ``cuda:1``,
            ``mps``), and ``reader``, ``variant``, ``delimiter`` as for
            :func:`imlgcn.data.dataset.load_dataset`.

    Raises:
        InputError: the data, a setting or the folder cannot be used; nothing is left half-written.
    """
    from imlgcn.report import write_report
    from imlgcn.training.checks import check_settings
    from imlgcn.training.method import train_method

    out = Path(out)
    plan = plan_run(data, settings, config=config, start=start)
    seed = plan.settings().seed  # a wrong setting is refused before any work
    dataset = plan.data.load(progress)
    progress.say(
        f"data: {plural(len(dataset), 'image')}, {plural(len(dataset.names), 'label')} "
        f"({dataset.reason})"
    )
    old_split = plan.start / SPLIT if plan.start else None
    whole, own_split = with_splits(dataset, seed, progress, old=old_split)
    dataset = with_learnable_labels(whole, progress)
    say_what_is_thin(dataset, progress)
    options = plan.settings(plan.choose_preset(dataset, progress))
    backbone, begin = _backbone(options, plan.start)
    probe = check_settings(options, backbone, len(dataset.names))
    if options.label_embeddings.words and options.head_options.get("embedding") != "words":
        progress.say(
            f"the vectors of words= are not used: {options.head} does not use word vectors"
        )
    if begin is not None:
        dataset = in_old_order(dataset, begin.context.names, progress)
    existed = out.exists()
    open_run_folder(out, options, plan.to_config(), resume=resume, replace=replace)
    try:
        if own_split:
            write_split_csv(whole, [str(r.split) for r in whole.records], out / SPLIT)
        trained = train_method(
            backbone,
            dataset,
            options,
            probe=probe,
            checkpoints=out / CHECKPOINTS,
            start=begin,
            device=plan.device,
            log=RunLog(out, keep=resume),
            progress=progress,
        )
    except InputError:  # the input cannot be used: there is nothing to resume
        if not resume:
            discard_run(out, folder=not existed)
        raise
    if trained.failed:
        progress.say(f"left out, could not be read: {plural(len(trained.failed), 'image')}")

    calibration, metrics = _evaluate(trained, options, progress)
    _write(out, trained, options, calibration, metrics)
    info = TaggerInfo(
        labels=list(dataset.names),
        backbone=Part(name=backbone.name, weights=backbone.weights_id),
        head=Part(name=options.head, options=trained.options),
        image=backbone.image_settings,
        calibration=calibration,
        metrics={key: metrics[key] for key in HEADLINE},
        versions=library_versions(),
    )
    tagger = save_tagger(out, trained.classifier, trained.context, info)
    close_run_folder(out)
    write_report(tagger, images=trained.dataset.files, progress=progress)
    return tagger


class Demo(NamedTuple):
    """The result of the demo: the tagger, and six test images with their true and found tags."""

    tagger: Tagger
    examples: list[tuple[str, list[str], list[Tag]]]


def demo(out: str | Path = DEMO_FOLDER, *, progress: Progress = SILENT, **settings: Any) -> Demo:
    """Train IML-GCN on the embedded Open Clip Art and tag six images of its test split.

    An earlier demo in ``runs/demo`` is replaced; any other folder must be empty or new.
    """
    replace = Path(out) == DEMO_FOLDER
    tagger = train("openclipart", out, replace=replace, progress=progress, **settings)
    test = load_dataset("openclipart").split("test")
    names = np.array(test.names)
    rows = np.linspace(0, len(test) - 1, 8).astype(int)[1:-1]
    examples = []
    for row in rows:
        truth = names[test.targets[row] == 1].tolist()
        examples.append((test.records[row].name, truth, tagger(test.paths[row])))
    return Demo(tagger, examples)


def _backbone(options: TrainSettings, start: Path | None) -> Any:
    """Return the backbone to train and, when continuing from a tagger, its network."""
    import torch

    from imlgcn.models import create_backbone
    from imlgcn.tagger import load_classifier
    from imlgcn.training.start import Start

    begin = None
    if start is None:
        with torch.random.fork_rng(
            devices=[]
        ):  # initial weights are replaced by the pretrained ones
            backbone = create_backbone(options.backbone, weights=options.weights, size=options.size)
    else:
        classifier, context = load_classifier(start)
        begin, backbone = Start(classifier, context), classifier.backbone
    size = options.size or backbone.image_settings.size
    backbone.check_size(size)
    changes = {"fit": options.fit, "size": size}
    backbone.image_settings = backbone.image_settings.model_copy(update=changes)
    return backbone, begin


def _evaluate(
    trained: Any, options: TrainSettings, progress: Progress
) -> tuple[LabelCalibration, dict[str, Any]]:
    """Calibrate on validation; return metrics of test (or validation), the control beside them."""
    dataset = trained.dataset
    targets = {name: dataset.split(name).targets for name in trained.scores}
    calibration = fit_label_calibration(trained.scores["val"], targets["val"], options.threshold)
    split = "test" if "test" in trained.scores else "val"
    final = evaluate_split(trained.scores[split], targets[split], dataset.names, calibration)
    metrics: dict[str, Any] = {"split": split, **final, "head": options.head}
    if split != "val":
        metrics["validation"] = evaluate_split(
            trained.scores["val"], targets["val"], dataset.names, calibration
        )
    if trained.control is not None:
        own = fit_label_calibration(trained.control["val"], targets["val"], options.threshold)
        control = evaluate_split(trained.control[split], targets[split], dataset.names, own)
        note = FINE_TUNED_NOTE if options.fine_tune else CONTROL_NOTE
        metrics["control"] = {"head": CONTROL, "note": note, **control}
        if final["mAP"] is not None:  # None: no label of the split has a positive image
            difference = paired_bootstrap(
                trained.scores[split],
                trained.control[split],
                targets[split],
                # a resample of COCO's 40,137 x 80 takes most of a second
                samples=int(np.clip(5e7 / max(targets[split].size, 1), 100, 1000)),
                progress=progress,
            )
            metrics["difference_to_control"] = dict(
                zip(("mAP", "low", "high"), difference, strict=True),
                interval="95 %, paired bootstrap",
            )
    metrics["failed_images"] = trained.failed
    return calibration, metrics


def _write(
    out: Path,
    trained: Any,
    options: TrainSettings,
    calibration: LabelCalibration,
    metrics: dict[str, Any],
) -> None:
    """Write scores, metrics and, unless switched off, the images that the head was fitted on."""
    from imlgcn.training.support import fitted_support

    write_predictions(out / SCORES, trained.dataset.names, _scored(trained, calibration))
    write_atomic(out / METRICS, json.dumps(metrics, indent=1) + "\n")
    if options.keep_support:
        head, thumbnails = trained.classifier.head, options.keep_thumbnails
        write_support(out / SUPPORT, fitted_support(trained.fitted, head, thumbnails=thumbnails))


def _scored(trained: Any, calibration: LabelCalibration) -> list[ScoredSplit]:
    parts = []
    for name, logits in trained.scores.items():
        part = trained.dataset.split(name)
        images = tuple(record.name for record in part.records)
        control = None if trained.control is None else trained.control[name]
        probabilities = calibration.platt.apply(logits)
        parts.append(
            ScoredSplit(name, images, logits, probabilities, part.targets, control=control)
        )
    return parts
