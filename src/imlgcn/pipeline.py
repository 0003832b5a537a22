"""From data to a tagger folder: training, evaluation and report; and the demo.

Shapes: N images, L labels.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.arguments import also_called
from imlgcn.config import TrainSettings
from imlgcn.data.dataset import Dataset, load_dataset
from imlgcn.data.guard import refuse_misread
from imlgcn.data.ready import (
    in_old_order,
    say_what_is_thin,
    unknown_as_absent,
    with_learnable_labels,
    with_splits,
)
from imlgcn.data.written_split import write_split_csv
from imlgcn.files import write_atomic
from imlgcn.labels.label_table import LabelTable
from imlgcn.numbers import plural
from imlgcn.progress import SILENT, Progress
from imlgcn.tagger import Tag, Tagger, save_tagger
from imlgcn.tagger.folder import CHECKPOINTS, LEARNT, METRICS, SCORES, SPLIT, SUPPORT
from imlgcn.tagger.info import Part, TaggerInfo, library_versions
from imlgcn.tagger.learnt import write_learnt
from imlgcn.tagger.scores import write_predictions
from imlgcn.tagger.support import write_support
from imlgcn.training.label_table import choose_label_table, close_dataset, write_run_table
from imlgcn.training.output import (
    RunLog,
    close_run_folder,
    discarded_if_useless,
    locked_run_folder,
    open_run_folder,
)
from imlgcn.training.resolve import Plan, plan_run

if TYPE_CHECKING:
    from imlgcn.models import Backbone
    from imlgcn.training.run import Trained
    from imlgcn.training.start import Start

DEMO_FOLDER = Path("runs/demo")
CONTROL_NOTE = "linear head of stage 1 on the same features, its own calibration and thresholds"
FINE_TUNED_NOTE = (
    "linear head of stage 1 with the backbone as tuned in that stage, half of all epochs; "
    "its own calibration and thresholds"
)
HEADLINE = ("protocol", "split", "num_images", "mAP", "micro_AP", "CF1", "OF1", "ECE", "log_loss")


@also_called(overwrite="replace", **{"from": "start"})
def train(
    data: Any,
    out: str | Path,
    *,
    config: str | Path | None = None,
    start: str | Path | None = None,
    resume: bool = False,
    replace: bool = False,
    checkpoint_minutes: float = 5.0,
    keep_checkpoints: bool = False,
    force: bool = False,
    label_table: LabelTable | str | Path | None = None,
    progress: Progress = SILENT,
    **settings: Any,
) -> Tagger:
    """Train a tagger on ``data`` and write it to the folder ``out``.

    Args:
        data: a CSV, COCO JSON, folder, zip, or ``openclipart``; or data in Python, as
            :func:`imlgcn.data.dataset.load_dataset` takes it. Without splits, a stratified one is
            made and written to ``split.csv``, which data in Python always gets. Labels that no
            training image is known to show are left out.
        out: a folder that is empty or does not exist.
        config: a YAML file of settings, such as a recipe or an earlier run's ``config.yaml``.
        start: an existing tagger to continue from; labels are matched by name, and those that the
            data does not teach are not in the new tagger.
        resume: continue an interrupted run in ``out``.
        replace: replace an earlier run in ``out`` once this one is done (also ``overwrite``).
        checkpoint_minutes: how often the state of tuning is saved, besides after every epoch.
        keep_checkpoints: keep the saved states of a finished run.
        force: train although the labels look misread.
        label_table: names, parents and thresholds of labels, and what to hide: a table or its CSV
            file. The targets get the parents, the tagger's folder a copy. None takes over that
            of the run which is resumed, replaced or started from.
        progress: receives bars and messages.
        settings: fields of :class:`imlgcn.config.TrainSettings`, nested ones as dicts, how the data
            is read, as for :func:`imlgcn.data.dataset.load_dataset`, and any flag of the command
            line by its name: ``graph``, ``embedding``, ``words``, ``epochs`` (of every stage),
            ``preset`` (by default chosen by the number of training images), ``device``, ``freeze``.

    Raises:
        InputError: the data, a setting or the folder cannot be used; nothing is left half-written.
    """
    from imlgcn.report import write_report
    from imlgcn.training.checks import check_settings
    from imlgcn.training.loop import create_fabric
    from imlgcn.training.method import train_method
    from imlgcn.training.run import Run

    out = Path(out)
    file = None if isinstance(label_table, LabelTable) else label_table
    plan = plan_run(data, settings, config=config, start=start, label_table=file)
    plan.settings()  # a wrong setting is refused before any work
    dataset = _load(plan, progress, force=force)
    table = choose_label_table(
        *(label_table or plan.label_table, dataset.names, out, progress),
        start=plan.start,
        resume=resume,
        replace=replace,
    )
    dataset = close_dataset(dataset, table, progress)
    options = plan.settings(plan.choose_preset(dataset, progress))
    backbone, begin = _backbone(options, plan)
    whole, own_split, dataset = _make_ready(dataset, options, plan, begin, progress)
    heads = plan.heads(options)
    probes = {
        name: check_settings(each, backbone, len(dataset.names)) for name, each in heads.items()
    }
    if options.label_embeddings.words and options.head_options.get("embedding") != "words":
        progress.say(
            f"the vectors of words= are not used: {options.head} does not use word vectors"
        )
    existed = out.exists()
    table = table.aligned(dataset.names)
    origin = plan.to_config() | {"label_parents": table.parents or None}
    with locked_run_folder(out):
        open_run_folder(out, options, origin, resume=resume, replace=replace)
        run = Run(
            options,
            heads,
            create_fabric(plan.device),
            plan.device,
            out / CHECKPOINTS,
            checkpoint_minutes,
            log=RunLog(out, keep=resume),
            progress=progress,
        )
        with discarded_if_useless(out, resumed=resume, existed=existed):
            write_run_table(out, table)
            if own_split or plan.data.held is not None:
                write_split_csv(whole, [str(r.split) for r in whole.records], out / SPLIT)
            trained = train_method(
                run, backbone, dataset, probe=probes.get(options.head), start=begin
            )
        saved = _save(out, trained, backbone, options, plan.start, progress)
        tagger = _keep_labels(saved, plan.start, begin, progress)
        close_run_folder(out, keep_checkpoints=keep_checkpoints)
    write_report(tagger, images=trained.dataset.files, progress=progress)
    return tagger


def _load(plan: Plan, progress: Progress, *, force: bool) -> Dataset:
    """Read the data, say what was taken for labels, and stop if they look misread."""
    dataset = plan.data.load(progress)
    names = dataset.names
    progress.say(
        f"data: {plural(len(dataset), 'image')}, {plural(len(names), 'label')} ({dataset.reason})"
    )
    progress.say(f"labels: {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}")
    if not force:
        refuse_misread(dataset)
    return dataset


class Demo(NamedTuple):
    """The tagger of the demo, and test images of several labels with their true and found tags."""

    tagger: Tagger
    examples: list[tuple[str, list[str], list[Tag]]]


def demo(out: str | Path = DEMO_FOLDER, *, progress: Progress = SILENT, **settings: Any) -> Demo:
    """Train on the embedded Open Clip Art and tag six images of its test split.

    They are those with two labels or more, evenly spaced.

    An earlier demo in ``runs/demo`` is replaced; any other folder must be empty or new.
    """
    replace = Path(out) == DEMO_FOLDER
    tagger = train("openclipart", out, replace=replace, progress=progress, **settings)
    test = load_dataset("openclipart").split("test")
    names = np.array(test.names)
    several = np.flatnonzero((test.targets == 1).sum(axis=1) > 1)
    rows = several if len(several) < 6 else several[_spread(len(several), 6)]
    examples = []
    for row in rows:
        truth = names[test.targets[row] == 1].tolist()
        examples.append((test.records[row].name, truth, tagger(test.paths[row])))
    return Demo(tagger, examples)


def _spread(images: int, count: int) -> NDArray[np.int64]:
    """Return so many positions in 0 .. images - 1, evenly spaced, without the ends."""
    return np.linspace(0, images - 1, count + 2).astype(np.int64)[1:-1]


def _make_ready(
    dataset: Dataset, options: TrainSettings, plan: Plan, begin: Start | None, progress: Progress
) -> tuple[Dataset, bool, Dataset]:
    """Return the data with splits, whether they were made here, and the data to train on."""
    # where the backbone is tuned, something must be left that it has not learnt
    validation = not options.refit or options.fine_tune or (begin is not None and begin.tuned)
    old = plan.start / SPLIT if plan.start else None
    whole, own_split = with_splits(dataset, options.seed, progress, validation=validation, old=old)
    learnt = ("train", "val") if options.refit else ("train",)
    dataset = with_learnable_labels(whole, progress, splits=learnt)
    taught = dataset
    if options.unknown_as == "negative":
        taught = unknown_as_absent(dataset, learnt)
    say_what_is_thin(taught, progress, refit=options.refit)
    if begin is not None:
        dataset = in_old_order(dataset, begin.context.names, progress)
    return whole, own_split, dataset


def _save(
    out: Path,
    trained: Trained,
    backbone: Backbone,
    options: TrainSettings,
    start: Path | None,
    progress: Progress,
) -> Tagger:
    """Judge what was trained and write it."""
    from imlgcn.outcome import fit_known_settings, judge, scored_splits
    from imlgcn.training.support import fitted_support, learnt_images

    if trained.failed:
        progress.say(f"left out, could not be read: {plural(len(trained.failed), 'image')}")
    names = trained.dataset.names
    calibration, metrics = judge(trained, options, progress)
    splits = scored_splits(trained, calibration, named=options.keep_support)
    write_predictions(out / SCORES, names, splits)
    write_atomic(out / METRICS, json.dumps(metrics, indent=1) + "\n")
    if options.keep_support and trained.lesson.features.stay_in_files:
        progress.say(f"{SUPPORT} is not written: the features are larger than memory")
    elif options.keep_support:
        head, thumbnails = trained.classifier.head, options.keep_thumbnails
        write_support(out / SUPPORT, fitted_support(trained.lesson, head, thumbnails=thumbnails))
    if options.keep_support and (learnt := learnt_images(trained.lesson, start)) is not None:
        write_learnt(out / LEARNT, learnt)
    info = TaggerInfo(
        labels=list(names),
        backbone=Part(name=backbone.name, weights=backbone.weights_id),
        head=Part(name=trained.head, options=trained.options),
        image=backbone.image_settings,
        calibration=calibration,
        known=fit_known_settings(trained, calibration, options.preset),
        metrics={key: metrics[key] for key in HEADLINE},
        versions=library_versions(),
    )
    return save_tagger(out, trained.classifier, trained.context, info)


def _keep_labels(
    tagger: Tagger, start: Path | None, begin: Start | None, progress: Progress
) -> Tagger:
    """Keep the labels of the older tagger that the data lack."""
    if start is None or begin is None:
        return tagger
    lost = [name for name in begin.context.names if name not in tagger.labels]
    if not lost:
        return tagger
    from imlgcn.growing.carry import carry_labels

    return carry_labels(tagger, start, lost, progress)


def _backbone(options: TrainSettings, plan: Plan) -> Any:
    """Return the backbone to train and, when continuing from a tagger, its network."""
    import torch

    from imlgcn.models import create_backbone
    from imlgcn.tagger import load_classifier
    from imlgcn.training.start import Start, backbone_has_learnt

    begin = None
    if plan.start is None:
        with torch.random.fork_rng(
            devices=[]
        ):  # initial weights are replaced by the pretrained ones
            backbone = create_backbone(options.backbone, weights=options.weights, size=options.size)
    else:
        classifier, context = load_classifier(plan.start)
        backbone = classifier.backbone
        begin = Start(classifier, context, backbone_has_learnt(plan.start))
    size = options.size or backbone.image_settings.size
    backbone.check_size(size)
    changes = {"fit": options.fit, "size": size}
    backbone.image_settings = backbone.image_settings.model_copy(update=changes)
    return backbone, begin
