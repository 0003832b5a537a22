"""The page of an audit: one self-contained HTML file that asks about one label after another.

Small pictures are in the file; answers stay in the browser until they are downloaded as a CSV, or
sent to the server that the page came from.
"""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from imlgcn.auditing.findings import Audit, Finding
from imlgcn.data.images import ImageError
from imlgcn.files import write_atomic
from imlgcn.numbers import number, percent, plural
from imlgcn.progress import SILENT, Progress
from imlgcn.training.support import thumbnail

MOST = 500  # findings on the page: about 3 MB
SIMILAR = 2  # images with the label, and as many without it
SAYS = {True: "has it", False: "does not have it"}


def write_page(audit: Audit, path: Path, name: str, *, progress: Progress = SILENT) -> None:
    """Write the page of the surest 500 findings.

    Args:
        audit: what was found.
        path: the file to write.
        name: of the data, for the title.
        progress: receives a bar of the pictures.
    """
    write_atomic(path, render_page(audit, name, progress=progress))


def content_policy(sends_to: str | None = None) -> str:
    """Return what a browser may do for the page: run its own script, and send to its server."""
    digest = hashlib.sha256(_own_text("audit.js").encode()).digest()
    own = base64.b64encode(digest).decode()
    parts = ["default-src 'none'", "img-src data:", "style-src 'unsafe-inline'"]
    parts += [f"script-src 'sha256-{own}'", *(["connect-src 'self'"] if sends_to else [])]
    return "; ".join(parts)


def render_page(
    audit: Audit, name: str, *, sends_to: str | None = None, progress: Progress = SILENT
) -> str:
    """Return the HTML of `write_page`.

    ``sends_to`` is where the page's own server takes answers, a path; None: there is none.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    from imlgcn.palette import DARK, LIGHT, css_variables

    found = audit.findings[:MOST]
    rows = [_row(audit, finding) for finding in found]
    digest = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    content = {
        "key": f"imlgcn audit {digest[:16]}",
        "findings": rows,
        "pictures": _pictures(audit, rows, progress),
        "sends_to": sends_to,
    }
    environment = Environment(
        loader=PackageLoader("imlgcn.auditing", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters |= {"plural": plural, "integer": lambda value: number(value, 0)}
    return environment.get_template("audit.html.j2").render(
        name=name,
        shown=len(found),
        left=len(audit.findings) - len(found),
        light=Markup(css_variables(LIGHT)),
        dark=Markup(css_variables(DARK)),
        style=Markup(_own_text("audit.css")),
        script=Markup(_own_text("audit.js")),
        policy=Markup(content_policy(sends_to)),
        served=sends_to is not None,
        # a name with </script> must not end the element
        data=Markup(json.dumps(content).replace("<", "\\u003c")),
    )


def _row(audit: Audit, finding: Finding) -> dict[str, Any]:
    targets = audit.dataset.targets[finding.row]
    names = [name for name, t in zip(audit.dataset.names, targets, strict=True) if t == 1]
    facts = (
        f"{finding.image}: the data says that it {SAYS[finding.present]}, wrongly with a "
        f"probability of {percent(finding.sure)}. Judged by the other images, it shows it with "
        f"{percent(finding.probability)}. Its labels: {', '.join(names) or 'none'}."
    ).replace(" %", "\u00a0%")
    return {
        "image": finding.image,
        "label": finding.label,
        "facts": facts,
        "duplicate": finding.duplicate,
        "with_label": finding.with_label[:SIMILAR],
        "without_label": finding.without_label[:SIMILAR],
    }


def _pictures(audit: Audit, rows: list[dict[str, Any]], progress: Progress) -> dict[str, str]:
    """Return the data URI of each image on the page that can be read."""
    names = dict.fromkeys(
        name
        for row in rows
        for name in (row["image"], row["duplicate"], *row["with_label"], *row["without_label"])
        if name
    )
    paths, found = audit.dataset.files, {}
    with progress.bar("pictures", len(names)) as advance:
        for name in names:
            try:
                picture = base64.b64encode(thumbnail(paths[name])).decode()
                found[name] = f"data:image/webp;base64,{picture}"
            except ImageError:  # it has changed since: its name is shown
                pass
            advance(1)
    return found


def _own_text(name: str) -> str:
    return (files("imlgcn.auditing") / "templates" / name).read_text(encoding="utf-8")
