"""``report.html``: one self-contained file, without network access or foreign scripts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imlgcn.files import write_atomic
from imlgcn.hub.address import refuse_hub
from imlgcn.progress import SILENT, Progress
from imlgcn.tagger.folder import REPORT

if TYPE_CHECKING:
    from imlgcn.evaluation import Evaluation
    from imlgcn.report.run import RunFolder
    from imlgcn.tagger import Tagger

MOST_ROWS = 200  # of the numbers of the context check
MOST_ISOLATED = 60  # names in the list; the rest is counted
# in the order of the page: the section's template, which has the facts under the same name -> title
SECTIONS = {
    "tried": "What was tried",
    "result": "Result",
    "labels": "Labels",
    "gallery": "Gallery",
    "calibration": "Calibration",
    "context": "Context check",
    "graph": "Label graph",
    "heatmap": "Co-occurrence",
    "plane": "Label plane",
    "training": "Training",
    "settings": "Settings",
}


def write_report(
    tagger: Tagger, *, images: Mapping[str, Path] | None = None, progress: Progress = SILENT
) -> Path:
    """Write ``report.html`` into the folder of a finished tagger and return its path.

    It is made from that folder, so it can be written again at any time; the same folder gives the
    same bytes. Only the gallery needs the images as well. If a piece is missing (no control, no
    test split, no log, no images), its section says so.

    Args:
        tagger: of a folder.
        images: the files of the evaluated images, by the names in ``predictions.parquet``; None
            looks for them where ``config.yaml`` says that the data is.
        progress: receives a bar of the sections.
    """
    from imlgcn.report.run import find_images, read_run_folder

    refuse_hub(tagger.path, "a report")
    run = read_run_folder(tagger)
    run = replace(run, images=find_images(run) if images is None else images)
    path = tagger.path / REPORT
    _write(tagger, run, path, progress)
    return path


def write_evaluation_report(
    tagger: Tagger,
    evaluation: Evaluation,
    path: str | Path,
    *,
    data: str | Path,
    progress: Progress = SILENT,
) -> Path:
    """Write the report of an evaluation to the file ``path`` and return it.

    The control is compared where the images are those that training evaluated both on.

    Args:
        tagger: what was evaluated.
        evaluation: what :func:`imlgcn.evaluation.evaluate` returned.
        path: the file to write; an existing one is replaced.
        data: the name of the data.
        progress: receives a bar of the sections.
    """
    from imlgcn.report.run import read_run_folder, with_evaluation

    run = with_evaluation(read_run_folder(tagger), evaluation, str(data))
    _write(tagger, run, Path(path), progress)
    return Path(path)


def _write(tagger: Tagger, run: RunFolder, path: Path, progress: Progress) -> None:
    from matplotlib import style

    from imlgcn.report import label_sections, sections
    from imlgcn.report.gallery import gallery
    from imlgcn.report.label_index import label_index
    from imlgcn.report.labels_table import label_rows
    from imlgcn.report.overlays import map_drawer

    makers: dict[str, Callable[[RunFolder], Any]] = {
        "tried": sections.tried,
        "result": sections.result,
        "labels": label_rows,
        "gallery": partial(gallery, draw=map_drawer(tagger)),
        "calibration": sections.calibration,
        "context": label_sections.context_check,
        "graph": label_sections.label_graph,
        "heatmap": label_sections.cooccurrence,
        "plane": label_sections.plane,
        "training": sections.training,
        "settings": sections.settings,
    }
    parts: dict[str, Any] = {"run": run, "info": run.info, "metrics": run.metrics}
    parts["sections"] = SECTIONS
    parts["many"] = many = label_index(run)
    if many is not None:
        makers["labels"] = lambda run: many.rows
    # ignore the user's matplotlib settings (LaTeX, dark styles)
    own_style = style.context("default")
    with own_style, progress.bar("report", len(SECTIONS), "sections") as advance:
        for name in SECTIONS:
            parts[name] = makers[name](run)
            advance(1)
    write_atomic(path, render("report.html.j2", parts))


def render(template: str, parts: Mapping[str, Any]) -> str:
    """Return a page from a template of this package, with the style and script that all share."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    from imlgcn import numbers
    from imlgcn.palette import DARK, LIGHT, css_variables
    from imlgcn.report.labels_table import FEW, MOST_CURVES
    from imlgcn.views.context_check import MOST_CHECKED

    # label and file names come from others: everything is escaped unless it is our own Markup
    environment = Environment(
        loader=PackageLoader("imlgcn.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": numbers.number,
        "integer": partial(numbers.number, digits=0),
        "plural": numbers.plural,
        "first_of": numbers.first_of,
        "percent": numbers.percent,
        "signed": numbers.signed,
    }
    script = _own_text("report.js")
    digest = hashlib.sha256(script.encode()).digest()
    environment.globals |= {
        "light": Markup(css_variables(LIGHT)),
        "dark": Markup(css_variables(DARK)),
        "style": Markup(_own_text("report.css")),
        "script": Markup(script),
        "few": FEW,
        "most_curves": MOST_CURVES,
        "most_isolated": MOST_ISOLATED,
        "most_rows": MOST_ROWS,
        "most_checked": MOST_CHECKED,
        "script_hash": base64.b64encode(digest).decode(),  # no other script may run
    }
    return environment.get_template(template).render(parts)


def _own_text(name: str) -> str:
    return (files("imlgcn.report") / "templates" / name).read_text(encoding="utf-8")
