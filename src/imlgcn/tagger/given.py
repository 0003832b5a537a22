"""A tagger as a function is given it: opened already, or a path to open as the function is told."""

from __future__ import annotations

from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING

from imlgcn.errors import InputError
from imlgcn.tagger.opened import table_of
from imlgcn.tagger.tagger import Tagger

if TYPE_CHECKING:
    from imlgcn.labels.label_table import LabelTable


def given_tagger(
    tagger: Tagger | str | Path,
    *,
    engine: str | None = None,
    latency: bool = False,
    device: str = "auto",
    label_table: LabelTable | str | Path | None = None,
    known_by: str | None = None,
) -> Tagger:
    """Return an opened tagger; one that was opened before stays as it is.

    ``known_by`` as for :meth:`Tagger.with_known_by`, the others as for :meth:`Tagger.load`.

    Raises:
        InputError: what `Tagger.load` refuses, or what it alone can choose, for an opened tagger.
    """
    if isinstance(tagger, str | Path):
        opened = Tagger.load(
            tagger, engine=engine, latency=latency, device=device, label_table=label_table
        )
        return opened.with_known_by(known_by)
    chosen = {
        "engine": engine,
        "latency": latency or None,
        "device": None if device == "auto" else device,
    }
    if late := [f"{name}=" for name, value in chosen.items() if value is not None]:
        raise InputError(
            f"{' and '.join(late)} can be chosen when a tagger is opened: give its path instead of "
            "the opened tagger"
        )
    if label_table is not None:
        tagger = copy(tagger)
        tagger.label_table = table_of(label_table, tagger.info, None) or tagger.label_table
    return tagger if known_by is None else tagger.with_known_by(known_by)
