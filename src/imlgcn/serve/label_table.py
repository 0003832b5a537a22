"""Another label table for the served tagger: shown to whoever asks, or kept if the server may."""

from __future__ import annotations

from copy import copy
from typing import Any

from imlgcn.data.label_table_file import check_label_table
from imlgcn.errors import InputError
from imlgcn.labels.label_table import LabelTable
from imlgcn.numbers import plural
from imlgcn.serve import knowledge
from imlgcn.serve.errors import ApiError
from imlgcn.serve.grow import refusal
from imlgcn.serve.limits import check_table
from imlgcn.serve.service import Service
from imlgcn.tagger.folder import TaggerFolder

NAMED = 12  # problems in an answer
NAME = "the label table"


def read(service: Service, data: bytes) -> LabelTable:
    """Read the content of a table's file, for the tagger's labels.

    Raises:
        ApiError: 422, it is not a table, or has wrong rows: their lines are named.
    """
    check_table(data, NAME, len(service.tagger.labels))
    try:
        table, problems = check_label_table(NAME, service.tagger.labels, data)
    except InputError as error:
        raise ApiError(422, "bad_label_table", str(error)) from None
    if table is None:
        count = f"{plural(len(problems), 'problem')}: " if len(problems) > 1 else ""
        left = len(problems) - NAMED
        more = f"; and {left} more" if left > 0 else ""
        message = f"the label table: {count}{'; '.join(problems[:NAMED])}{more}"
        raise ApiError(422, "bad_label_table", message)
    return table


def shown(service: Service, table: LabelTable) -> dict[str, Any]:
    """Return what `/v1/labels` and `/v1/thresholds` would say with another table."""
    other = copy(service.tagger)
    other.label_table = table
    return {"labels": knowledge.labels(other), "thresholds": knowledge.tradeoff(other)}


def keep(service: Service, table: LabelTable) -> dict[str, Any]:
    """Write a table into the tagger folder and return what was done, as JSON.

    Raises:
        ApiError: 409, the server was started with a table of its own; 500, it cannot be written.
    """
    from imlgcn.growing import changes, use_label_table

    path = service.tagger.path
    if TaggerFolder(path, service.tagger.labels).label_table != service.tagger.label_table:
        message = (
            "this server was started with another label table than the tagger's own (or that was "
            "edited since): start it again without --label-table"
        )
        raise ApiError(409, "other_table", message)
    try:
        use_label_table(path, table)
        return {"done": changes(path)[-1].what}
    except (InputError, OSError) as error:
        raise refusal(error, service, "not_changed") from None
