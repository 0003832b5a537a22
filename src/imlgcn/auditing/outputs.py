"""Findings as files: a CSV, and tasks for Label Studio. No file that exists is replaced."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imlgcn.auditing.findings import Audit, Finding
from imlgcn.errors import InputError
from imlgcn.files import write_atomic
from imlgcn.prediction.label_studio import image_address
from imlgcn.spreadsheets import inert_rows

COLUMNS = (
    "image",
    "label",
    "answer",
    "kind",
    "sure",
    "probability",
    "with_label",
    "without_label",
    "duplicate",
)
BETWEEN = " | "  # names of images in a cell


def check_new_file(path: Path, suffix: str, argument: str) -> None:
    """Refuse a name of another kind of file, or of one that exists.

    Raises:
        InputError: so that nothing is lost, and before any work.
    """
    if path.suffix.lower() != suffix:
        raise InputError(f"{argument}= takes the name of a {suffix} file; got {path}")
    if path.exists():
        raise InputError(f"{path} exists and is not replaced; give another {argument}=")


def write_findings(audit: Audit, path: Path) -> None:
    """Write all findings as a CSV: one row each, the surest first.

    The column ``answer`` is empty: yes or no there is what :func:`imlgcn.auditing.correct` reads.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(inert_rows(_row(finding) for finding in audit.findings))
    write_atomic(path, text.getvalue())


def _row(finding: Finding) -> list[str]:
    return [
        finding.image,
        finding.label,
        "",
        finding.kind,
        f"{finding.sure:.3f}",
        f"{finding.probability:.3f}",
        BETWEEN.join(finding.with_label),
        BETWEEN.join(finding.without_label),
        finding.duplicate or "",
    ]


def write_tasks(audit: Audit, path: Path) -> None:
    """Write a JSON list of Label Studio tasks: one for each image with a finding, surest first.

    A task shows the labels as they would be with every finding corrected that is more likely right
    than not; its score is how sure the surest finding is. For the labelling interface see
    :mod:`imlgcn.prediction.label_studio`.
    """
    by_row: dict[int, list[Finding]] = {}
    for finding in audit.findings:
        by_row.setdefault(finding.row, []).append(finding)
    tasks = [_task(audit, row, found) for row, found in by_row.items()]
    write_atomic(path, json.dumps(tasks, indent=1) + "\n")


def _task(audit: Audit, row: int, found: list[Finding]) -> dict[str, Any]:
    dataset = audit.dataset
    labels = {name for name, t in zip(dataset.names, dataset.targets[row], strict=True) if t == 1}
    for finding in found:
        if finding.sure > 0.5:
            labels ^= {finding.label}
    value: Mapping[str, Any] = {"choices": [name for name in dataset.names if name in labels]}
    answer = {"from_name": "labels", "to_name": "image", "type": "choices", "value": value}
    doubts = ", ".join(f"{each.label} {each.kind}" for each in found)
    return {
        "data": {"image": image_address(dataset.records[row].path), "doubts": doubts},
        "predictions": [
            {
                "model_version": "imlgcn audit",
                "result": [answer] if value["choices"] else [],
                "score": found[0].sure,
            }
        ],
    }
