"""The page of an audit: one self-contained HTML file that asks about one label after another.

Small pictures are in the file; answers stay in the browser until they are downloaded as a CSV.
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
    write_atomic(path, _render(audit, name, progress))


def _render(audit: Audit, name: str, progress: Progress) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    from imlgcn.views.palette import DARK, LIGHT, css_variables

    found = audit.findings[:MOST]
    rows = [_row(audit, finding) for finding in found]
    digest = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    content = {
        "key": f"imlgcn audit {digest[:16]}",
        "findings": rows,
        "pictures": _pictures(audit, rows, progress),
    }
    script = _own_text("audit.js")
    environment = Environment(
        loader=PackageLoader("imlgcn.auditing", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters |= {"plural": plural, "integer": lambda value: number(value, 0)}
    hashed = hashlib.sha256(script.encode()).digest()
    return environment.get_template("audit.html.j2").render(
        name=name,
        shown=len(found),
        left=len(audit.findings) - len(found),
        light=Markup(css_variables(LIGHT)),
        dark=Markup(css_variables(DARK)),
        style=Markup(_own_text("audit.css")),
        script=Markup(script),
        script_hash=base64.b64encode(hashed).decode(),
        # a name with </script> must not end the element
        data=Markup(json.dumps(content).replace("<", "\\u003c")),
    )


def _row(audit: Audit, finding: Finding) -> dict[str, Any]:
    targets = audit.dataset.targets[finding.row]
    names = [name for name, t in zip(audit.dataset.names, targets, strict=True) if t == 1]
    facts = (
        f"{finding.image}: the data says that it {SAYS[finding.present]}. "
        f"Error: {percent(finding.sure)}; by the other images, the label: "
        f"{percent(finding.probability)}. Labels: {', '.join(names) or 'none'}."
    )
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
