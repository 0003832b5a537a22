"""A change of labels written, and the exported files of the tagger with it, proved anew."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from imlgcn.exporting import FORMATS, ExportRefused, export
from imlgcn.growing.state import State, write_state
from imlgcn.progress import SILENT, Progress
from imlgcn.stopping import remember, safe_points
from imlgcn.tagger import Tagger
from imlgcn.tagger.folder import WEIGHTS, exported_name


def finish(state: State, what: str, progress: Progress = SILENT, *, keep: bool = True) -> Tagger:
    """Write a changed tagger and, where it had exported files, these again; return it.

    One that disagrees with the network is left out, and that is said. Without ``keep`` the state
    before this change is not kept: it is one with the last change, and taken back with it.
    """
    done = f"the change ({what}) is made, and `imlgcn label undo` takes it back"
    missing = [name for name in state.info.sha256 if name != WEIGHTS]
    if missing:
        done += f"; `imlgcn export` writes {' and '.join(missing)} again"
    with safe_points(done):  # its files belong together
        tagger = write_state(state, what if keep else None)
        remember(done)
    return export_again(tagger.path, state.info.sha256, progress)


def export_again(path: Path, exported: Collection[str], progress: Progress = SILENT) -> Tagger:
    """Write the files that were ``exported`` into a tagger's folder anew; return the tagger."""
    for format, facts in FORMATS.items():
        if exported_name(facts.suffix) not in exported:
            continue
        try:
            export(path, format, progress=progress)
        except ExportRefused as refused:
            progress.say(f"{exported_name(facts.suffix)} is left out: {refused}")
    return Tagger.load(path)
