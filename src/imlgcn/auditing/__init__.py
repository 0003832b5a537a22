"""Which labels of the data are probably wrong or missing, and how the answers come back."""

from __future__ import annotations

from imlgcn.auditing.answers import correct
from imlgcn.auditing.findings import Audit, Finding, LabelNoise
from imlgcn.auditing.outputs import check_new_file, write_findings, write_tasks
from imlgcn.auditing.page import write_page
from imlgcn.auditing.run import audit

__all__ = [
    "Audit",
    "Finding",
    "LabelNoise",
    "audit",
    "check_new_file",
    "correct",
    "write_findings",
    "write_page",
    "write_tasks",
]
