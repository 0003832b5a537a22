"""``report.html`` of a tagger folder: one file without network, script from elsewhere or pickle."""

from __future__ import annotations

import base64
import hashlib
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from imlgcn.files import write_atomic
from imlgcn.progress import SILENT, Progress

if TYPE_CHECKING:
    from imlgcn.tagger import Tagger

NAME = "report.html"
MOST_ISOLATED = 60  # names in the list; the rest is counted


def write_report(tagger: Tagger, *, progress: Progress = SILENT) -> Path:
    """Write ``report.html`` into the folder of a finished tagger and return its path.

    It is made from that folder alone, so it can be written again at any time; the same folder
    gives the same bytes. A piece that is missing (no control, no test split, no log) costs its
    section, which then says so.
    """
    from matplotlib import style

    from imlgcn.report import sections
    from imlgcn.report.labels_table import label_rows
    from imlgcn.report.run_folder import read_run_folder

    run = read_run_folder(tagger)
    makers = {
        "headline": sections.headline,
        "labels": label_rows,
        "calibration": sections.calibration,
        "training": sections.training,
        "graph": sections.label_graph,
        "provenance": sections.provenance,
    }
    parts: dict[str, object] = {"run": run, "info": run.info, "metrics": run.metrics}
    # the reader's own matplotlib settings (LaTeX, dark styles) must not reach the figures
    own_style = style.context("default")
    with own_style, progress.bar("report", len(makers), "sections") as advance:
        for name, make in makers.items():
            parts[name] = make(run)
            advance(1)
    path = tagger.path / NAME
    write_atomic(path, _render(parts))
    return path


def _render(parts: dict[str, object]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    from imlgcn.report import wording
    from imlgcn.report.labels_table import FEW
    from imlgcn.report.palette import DARK, LIGHT, css_variables

    # label and file names come from others: everything is escaped unless it is our own Markup
    environment = Environment(
        loader=PackageLoader("imlgcn.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": wording.number,
        "integer": partial(wording.number, digits=0),
        "plural": wording.plural,
    }
    script = _own_text("report.js")
    digest = hashlib.sha256(script.encode()).digest()
    return environment.get_template("report.html.j2").render(
        parts,
        light=Markup(css_variables(LIGHT)),
        dark=Markup(css_variables(DARK)),
        style=Markup(_own_text("report.css")),
        script=Markup(script),
        few=FEW,
        most_isolated=MOST_ISOLATED,
        script_hash=base64.b64encode(digest).decode(),  # no other script may run
    )


def _own_text(name: str) -> str:
    return (files("imlgcn.report") / name).read_text(encoding="utf-8")
