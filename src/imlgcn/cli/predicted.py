"""What `predict` and its relatives say when they are done, and what they do not overwrite."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from imlgcn.errors import InputError
from imlgcn.numbers import number, plural
from imlgcn.progress import TerminalProgress

if TYPE_CHECKING:
    from imlgcn.prediction import PredictSummary

COLUMNS = "image,label,probability,threshold,error"
HEADERS = tuple(COLUMNS + more for more in ("", ",name", ",tag", ",name,tag"))


def say_summary(summary: PredictSummary, xmp: bool, progress: TerminalProgress) -> None:
    """Print what was done, and what could not be."""
    read = summary.images - summary.failed
    sidecars = plural(summary.sidecars, "sidecar")
    progress.say(
        f"{plural(read, 'image')} read, {plural(summary.tags, 'tag')}"
        f"{f'; {number(summary.untagged, 0)} without any' if summary.untagged else ''}"
        f"{f'; {sidecars} written' if xmp else ''}"
    )
    if summary.took_over:
        from imlgcn.prediction.xmp import about_taking_over

        progress.say(about_taking_over(summary.took_over))
    for error in summary.errors:
        progress.say(f"not done: {error}")
    if summary.failed:
        progress.say(
            f"{number(summary.failed, 0)} of {plural(summary.images, 'file')} could not be read"
        )
    if summary.sidecars_failed:
        progress.say(f"{plural(summary.sidecars_failed, 'sidecar')} could not be written")


def refuse_to_overwrite(out: Path | None) -> None:
    """Refuse to overwrite a CSV that does not hold predictions."""
    if out is None or out.suffix.lower() != ".csv" or not out.is_file():
        return
    with out.open(encoding="utf-8", errors="replace") as file:
        if file.readline().strip() not in ("", *HEADERS):
            raise InputError(f"{out} exists and does not hold predictions; give another --out")


def parse_known(text: str | None) -> dict[str, int] | None:
    """Return the labels that `--known` says of all images.

    Raises:
        InputError: it is not of the form ``dog=1,cat=0``.
    """
    if text is None:
        return None
    pairs = [pair.rpartition("=") for pair in text.split(",")]
    if any(not name or value not in ("0", "1") for name, _, value in pairs):
        raise InputError(f"--known takes name=1 or name=0, separated by commas; got {text!r}")
    return {name.strip(): int(value) for name, _, value in pairs}
