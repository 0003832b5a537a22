"""Another label table for a tagger: written into its folder, and taken back by undo."""

from __future__ import annotations

from pathlib import Path

from imlgcn.data.label_table_file import write_label_table
from imlgcn.errors import InputError
from imlgcn.files import write_atomic
from imlgcn.growing.alone import alone
from imlgcn.growing.exports import export_again
from imlgcn.growing.history import keep_state
from imlgcn.labels.label_table import LabelTable
from imlgcn.progress import SILENT, Progress
from imlgcn.tagger import Tagger
from imlgcn.tagger.folder import LABEL_TABLE, MODEL, SCORES, SUPPORT, WEIGHTS

WHAT = "use another label table"


@alone
def use_label_table(
    tagger: str | Path, table: LabelTable, *, progress: Progress = SILENT
) -> Tagger:
    """Give a tagger another label table; exported files, which hold it, are written anew.

    Raises:
        InputError: an exported file, no tagger, or a table of other labels.
    """
    path = Path(tagger)
    if path.is_file():
        raise InputError(f"{path} is an exported file; give the folder it was exported from")
    opened = Tagger.load(path)
    table = LabelTable.of(opened.labels, table.rows)
    if not (path / LABEL_TABLE).is_file():  # of an older version: undo puts this one back
        write_label_table(path / LABEL_TABLE, opened.label_table)
    exported = [name for name in opened.info.sha256 if name != WEIGHTS]
    keep_state(path, WHAT, (MODEL, WEIGHTS, SCORES, SUPPORT, LABEL_TABLE, *exported))
    write_label_table(path / LABEL_TABLE, table)
    hashes = {WEIGHTS: opened.info.sha256[WEIGHTS]}
    info = opened.info.model_copy(update={"sha256": hashes})
    write_atomic(path / MODEL, info.model_dump_json(indent=1) + "\n")
    for name in exported:
        (path / name).unlink(missing_ok=True)
    return export_again(path, exported, progress)
