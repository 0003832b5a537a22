"""From data to a tagger folder: training, evaluation and report.

Shapes: N images, L labels.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from imlgcn.arguments import also_called
from imlgcn.config import TrainSettings
from imlgcn.data.written_split import write_split_csv
from imlgcn.extras import require
from imlgcn.files import write_atomic
from imlgcn.labels.label_table import LabelTable
from imlgcn.numbers import plural
from imlgcn.progress import SILENT, Progress
from imlgcn.tagger import Tagger, save_tagger
from imlgcn.tagger.folder import CHECKPOINTS, LEARNT, METRICS, SCORES, SPLIT, SUPPORT
from imlgcn.tagger.info import Part, TaggerInfo, library_versions
from imlgcn.tagger.learnt import write_learnt
from imlgcn.tagger.scores import write_predictions
from imlgcn.tagger.support import write_support
from imlgcn.training.event_log import Logs, check_log
from imlgcn.training.label_table import choose_label_table, close_dataset, write_run_table
from imlgcn.training.layout import Layout
from imlgcn.training.output import (
    close_run_folder,
    discarded_if_useless,
    locked_run_folder,
    open_run_folder,
)
from imlgcn.training.prepare import load_data, make_ready
from imlgcn.training.resolve import Plan, plan_run

if TYPE_CHECKING:
    from imlgcn.data.dataset import Dataset
    from imlgcn.models import Backbone
    from imlgcn.training.ranks import Ranks
    from imlgcn.training.run import Trained
    from imlgcn.training.start import Start

CONTROL_NOTE = "linear head of stage 1 on the same features, its own calibration and thresholds"
FINE_TUNED_NOTE = (
    "linear head of stage 1 with the backbone as tuned in that stage, half of all epochs; "
    "its own calibration and thresholds"
)
HEADLINE = ("protocol", "split", "num_images", "mAP", "micro_AP", "CF1", "OF1", "ECE", "log_loss")


@also_called(overwrite="replace", no_export="not export", **{"from": "start"})
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
    export: bool = True,
    log: str | None = None,
    force: bool = False,
    label_table: LabelTable | str | Path | None = None,
    processes_per_node: int | None = None,
    nodes: int | None = None,
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
        export: also write the ``model.onnx`` that tags faster, where onnx and onnxscript are
            installed (also ``no_export=True`` for False).
        log: ``tensorboard`` writes losses, learning rates, validation mAP and final metrics as
            event files as well, in the folder ``tensorboard`` of ``out``; nothing is sent anywhere.
        force: train although the labels look misread.
        label_table: names, parents and thresholds of labels, and what to hide: a table or its CSV
            file. The targets get the parents, the tagger's folder a copy. None takes over that
            of the run which is resumed, replaced or started from.
        processes_per_node: processes on each node, a CUDA GPU each, or a share of the cores; they
            are started here, unless torchrun or SLURM has done so. One by default.
        nodes: machines; the same call runs on each, with ``out`` and the cache on a shared disk.
        progress: receives bars and messages.
        settings: fields of :class:`imlgcn.config.TrainSettings`, nested ones as dicts, how the data
            is read, as for :func:`imlgcn.data.dataset.load_dataset`, and any flag of the command
            line by its name: ``graph``, ``embedding``, ``words``, ``epochs`` (of every stage),
            ``preset`` (by default chosen by the number of training images), ``device``, ``freeze``.

    Raises:
        InputError: the data, a setting or the folder cannot be used, or several processes were
            started with different options; nothing is left half-written.
        LostProcessError: one of several processes has ended; ``resume=True`` goes on.
    """
    require("torch", "training")
    check_log(log)
    given = {key: value for key, value in locals().items() if key not in ("settings", "progress")}
    layout = Layout.of(processes_per_node, nodes)
    file = None if isinstance(label_table, LabelTable) else label_table
    if layout.starts:
        from imlgcn.training.launch import launch

        plan_run(data, settings, config=config, start=start, label_table=file).settings()
        launch(train, given | settings, layout, progress)
        return Tagger.load(out)
    layout.quiet_torch()
    from imlgcn.training.follow import follow
    from imlgcn.training.ranks import joined
    from imlgcn.training.same_options import check_same_options, options_of

    how = _How(resume, replace, checkpoint_minutes, keep_checkpoints, export, log, force)
    with joined(layout) as ranks:
        plan = plan_run(data, settings, config=config, start=start, label_table=file)
        options = options_of(plan, how._asdict() | {"out": str(Path(out))})
        ranks.connect(plan.device)
        check_same_options(ranks, options)
        if ranks.first:
            tagger = _lead(ranks, plan, Path(out), label_table, how, progress)
        else:
            follow(ranks, plan, Path(out) / CHECKPOINTS)
        ranks.wait()
    return tagger if ranks.first else Tagger.load(out)


class _How(NamedTuple):
    """Arguments of :func:`train` that change nothing in what is learnt."""

    resume: bool
    replace: bool
    checkpoint_minutes: float
    keep_checkpoints: bool
    export: bool
    log: str | None
    force: bool


def _lead(
    ranks: Ranks,
    plan: Plan,
    out: Path,
    label_table: LabelTable | str | Path | None,
    how: _How,
    progress: Progress,
) -> Tagger:
    """Train in the first process, which reads, writes and speaks."""
    from imlgcn.report import write_report
    from imlgcn.training.checks import check_settings
    from imlgcn.training.loop import create_fabric
    from imlgcn.training.method import train_method
    from imlgcn.training.run import Run
    from imlgcn.training.start import open_backbone

    dataset = load_data(plan, progress, force=how.force)
    table = choose_label_table(
        *(label_table or plan.label_table, dataset.names, out, progress),
        start=plan.start,
        resume=how.resume,
        replace=how.replace,
    )
    dataset = close_dataset(dataset, table, progress)
    options = plan.settings(plan.choose_preset(dataset, progress))
    backbone, begin = open_backbone(options, plan.start)
    whole, own_split, dataset = make_ready(dataset, options, plan, begin, progress)
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
        open_run_folder(out, options, origin, resume=how.resume, replace=how.replace)
        device = ranks.device(plan.device)
        log = Logs(out, how.log, keep=how.resume)
        run = Run(
            options,
            heads,
            create_fabric(device),
            device,
            out / CHECKPOINTS,
            how.checkpoint_minutes,
            log=log,
            progress=progress,
            ranks=ranks,
        )
        with discarded_if_useless(out, resumed=how.resume, existed=existed):
            write_run_table(out, table)
            if own_split or plan.data.held is not None:
                write_split_csv(whole, [str(r.split) for r in whole.records], out / SPLIT)
            ranks.send((options, dataset))  # the others begin
            trained = train_method(
                run, backbone, dataset, probe=probes.get(options.head), start=begin
            )
        assert trained is not None  # it is the first process
        saved = _save(out, trained, backbone, options, plan.start, progress)
        log.finish(options.model_dump(), saved.folder.metrics)
        tagger = _keep_labels(saved, plan.start, begin, progress)
        close_run_folder(out, keep_checkpoints=how.keep_checkpoints)
        if how.export:
            _export(tagger, trained.dataset, progress)
    write_report(tagger, images=trained.dataset.files, progress=progress)
    return tagger


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


def _export(tagger: Tagger, data: Dataset, progress: Progress) -> None:
    """Write the file that tags faster, if that is possible here."""
    from imlgcn.exporting.after_training import export_trained

    export_trained(tagger, data, progress)


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
