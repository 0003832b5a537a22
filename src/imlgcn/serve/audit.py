"""Doubtful labels of a data set, to be answered on the page: `imlgcn audit` beside a tagger.

The data are audited once, before the server starts; each set of answers becomes a new CSV.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from imlgcn.data.source import DataSource
from imlgcn.errors import InputError
from imlgcn.numbers import plural
from imlgcn.progress import SILENT, Progress
from imlgcn.serve.errors import LOG, ApiError
from imlgcn.serve.limits import check_table
from imlgcn.tagger.folder import MODEL, TaggerFolder

ANSWERS = "/v1/audit/answers"  # where the page sends them
POLICY = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class Review:
    """The page of an audit and the data that its answers correct.

    Attributes:
        page: HTML.
        policy: what a browser may do for it.
    """

    def __init__(
        self,
        data: str,
        *,
        sends_to: str = ANSWERS,
        device: str = "auto",
        progress: Progress = SILENT,
    ) -> None:
        """Audit the data: as for :func:`imlgcn.audit`, a tagger's folder included.

        ``sends_to`` is the path to which the page sends the answers.

        Raises:
            InputError: they cannot be audited.
        """
        from imlgcn.auditing import audit
        from imlgcn.auditing.page import content_policy, render_page

        own = (Path(data) / MODEL).is_file()
        found = audit(Path(data) if own else data, device=device, progress=progress)
        source = _trained_on(Path(data)) if own else DataSource.of(data)
        self._source, name = source, Path(source.path).stem
        self._target = _beside(Path(source.path))
        self.page = render_page(found, name, sends_to=sends_to, progress=progress)
        self.policy = f"{content_policy(sends_to)}; {POLICY}"

    def save(self, answers: bytes) -> dict[str, Any]:
        """Write the data with answers, a CSV, to a new file beside them; return what was done.

        Raises:
            ApiError: 422, answers that the data do not fit; 500, the file cannot be written.
        """
        from imlgcn.auditing import correct

        check_table(answers, "the answers")
        out = _free(self._target)
        try:
            changed = correct(self._source, answers, out)
        except InputError as error:
            message = str(error).replace(str(out), out.name)
            raise ApiError(422, "bad_answers", message) from None
        except OSError as error:
            LOG.error("the corrected data cannot be written", exc_info=error)
            why = error.strerror or type(error).__name__
            message = f"the corrected data cannot be written: {why}"
            raise ApiError(500, "not_written", message) from None
        says = f"{plural(changed, 'label')} changed; saved as {out.name}, beside the data."
        return {"changed": changed, "file": out.name, "says": says}


def _trained_on(folder: Path) -> DataSource:
    source = DataSource.from_config(TaggerFolder(folder, ()).config)
    assert source is not None, "the audit has read it"
    return source


def _beside(data: Path) -> Path:
    """Return where corrected data go: beside the data, or here where these are built in."""
    folder = data.absolute().parent if data.exists() else Path.cwd()
    return folder / f"{data.stem}-corrected.csv"


def _free(path: Path) -> Path:
    """Return the path, or the same with the first number that is free."""
    found, number = path, 1
    while found.exists():
        number += 1
        found = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return found
