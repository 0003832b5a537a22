"""What every layout has: its input, its outcome, and the one way its folder is written.

Letters: L labels, S input size.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from imlgcn.data.dataset import Dataset
from imlgcn.errors import InputError
from imlgcn.exporting.agreement import Agreement, Samples
from imlgcn.labels.label_table import LabelTable
from imlgcn.parsing import ParseError, parse_json
from imlgcn.tagger import Tagger, TaggerInfo

MARKER = "imlgcn.json"  # in each folder: what wrote it, and its files


@dataclass(frozen=True, eq=False)
class Given:
    """What a layout is made of.

    Attributes:
        tagger: the tagger folder, opened.
        info: its ``model.json`` at the input size of the export.
        samples: the images that the layout is compared on, ``(N, S, S, 3)``.
        name: what the model is called in the client: the name of the folder to write.
        client_threshold: the client's one threshold, on which each label's own falls; None: the
            calibrated probabilities stay as they are.
        calibration: the data that was given to compare on, for `imlgcn.exporting.export`.
    """

    tagger: Tagger
    info: TaggerInfo
    samples: Samples
    name: str
    client_threshold: float | None = None
    calibration: Dataset | None = None

    @cached_property
    def _kept(self) -> tuple[LabelTable, list[str]]:
        from imlgcn.exporting.layouts.scores import kept_exclusive

        return kept_exclusive(self.tagger.label_table)

    @property
    def table(self) -> LabelTable:
        """The label table as far as a graph keeps it; by its rules tags are compared."""
        return self._kept[0]

    @property
    def notes(self) -> list[str]:
        """What of the label table is lost, a sentence each."""
        return [
            f"At most one label of the exclusive set {name!r} is given by `imlgcn predict`; here "
            "there may be more, because one of them is the parent of another label."
            for name in self._kept[1]
        ]

    @cached_property
    def shown(self) -> list[int]:
        """The positions of the labels that are ever given out, in their order."""
        return [number for number, row in enumerate(self.table.rows) if row.show]

    @cached_property
    def names(self) -> list[str]:
        """What users read for each of `shown`.

        Raises:
            InputError: two of them are the same, or one cannot stand on a line of a file.
        """
        found = [self.table.name_of(self.table.rows[number].label) for number in self.shown]
        if not found:
            raise InputError("the label table hides every label; a layout needs one at least")
        for name in found:
            if not name.strip() or len(name.splitlines()) != 1:
                raise InputError(
                    f"a layout has a line for each label, and {name!r} is none; give it another "
                    "name (`imlgcn label rename`)"
                )
        if twice := sorted({name for name in found if found.count(name) > 1}):
            raise InputError(
                f"two labels are called {twice[0]!r} in the label table; a client cannot tell them "
                "apart: rename one"
            )
        return found


class Written(NamedTuple):
    """What a layout's writer returns."""

    agreement: Agreement
    notes: tuple[str, ...] = ()  # what the user has to know, a sentence each


@dataclass(frozen=True)
class Layout:
    """A folder that another program loads.

    Attributes:
        writer: returns the function that writes it into an empty folder and proves it, or raises
            `imlgcn.exporting.agreement.ExportRefused`; loaded when it is needed.
        client: the program, for messages.
        threshold: the client's own threshold by default; None: it takes no threshold.
        bounds: the thresholds that it may be given.
        as_is: whether calibrated probabilities may stay as they are (``client_threshold="none"``).
    """

    writer: Callable[[], Callable[[Given, Path], Written]] = field(repr=False)
    client: str
    threshold: float | None = None
    bounds: tuple[float, float] = (0.01, 0.99)
    as_is: bool = True


@contextmanager
def new_folder(out: Path, *, overwrite: bool, about: dict[str, object]) -> Iterator[Path]:
    """Yield an empty folder beside ``out``; on success it gets the marker and becomes ``out``.

    On an error nothing remains of it, and ``out`` stays as it was.

    Raises:
        InputError: ``out`` is there and may not be replaced.
    """
    check_free(out, overwrite=overwrite)
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(f".{out.name}.{secrets.token_hex(6)}")
    new, old = beside.with_suffix(".tmp"), beside.with_suffix(".old")
    new.mkdir()
    try:
        yield new
        files = sorted(
            path.relative_to(new).as_posix() for path in new.rglob("*") if path.is_file()
        )
        text = json.dumps(about | {"files": [*files, MARKER]}, indent=1, ensure_ascii=False)
        (new / MARKER).write_text(text + "\n", encoding="utf-8")
        for path in new.rglob("*"):
            if path.is_file():
                with path.open("rb+") as file:
                    os.fsync(file.fileno())
        if out.exists():
            out.rename(old)
            _check_replaceable(old, out)  # a person may have added a file meanwhile
        new.rename(out)
    finally:
        if old.exists() and not out.exists():  # it was not replaced, whatever the reason
            old.rename(out)
        for left in (new, old):
            shutil.rmtree(left, ignore_errors=True)


def check_free(out: Path, *, overwrite: bool) -> None:
    """Refuse a folder that is there, unless ``overwrite`` and an export wrote all that it holds.

    Raises:
        InputError: it may not be replaced; the message says why.
    """
    if out.is_symlink():
        raise InputError(f"{out} is a link, which cannot be replaced; give the folder itself, out=")
    if out.is_dir() and not any(out.iterdir()):
        return
    if not out.exists():
        return
    if out.is_file():
        raise InputError(f"a layout is a folder, and {out} is a file; give another out=")
    if not overwrite:
        raise InputError(f"{out} exists; give overwrite=True to replace it, or another out=")
    _check_replaceable(out, out)


def _check_replaceable(folder: Path, out: Path) -> None:
    """Refuse a folder, ``out`` for the user, with anything that no export wrote."""
    if not any(folder.iterdir()):
        return
    try:
        named = parse_json((folder / MARKER).read_bytes()).get("files")
    except (OSError, ParseError, AttributeError):
        named = None
    if not isinstance(named, list):
        raise InputError(
            f"{out} was not written by an export with layout=, so it is not replaced; give "
            "another out="
        )
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    there = {path.relative_to(folder).as_posix() for path in found}
    if others := sorted(there - set(map(str, named))):
        raise InputError(
            f"{out} holds a file that no export wrote ({others[0]}), so it is not replaced; move "
            "it, or give another out="
        )
