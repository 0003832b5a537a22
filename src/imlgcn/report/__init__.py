"""``report.html``: a tagger's labels, metrics and errors in one page.

The figures in :mod:`imlgcn.views` can be called from a notebook on their own.
"""

from imlgcn.report.page import render, write_evaluation_report, write_report

__all__ = ["render", "write_evaluation_report", "write_report"]
