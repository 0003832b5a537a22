"""Push: a tagger to a repository of the hub, as one commit."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from imlgcn.errors import InputError
from imlgcn.exporting.agreement import sample_images
from imlgcn.exporting.layouts.base import Given
from imlgcn.exporting.one_file import check_exportable
from imlgcn.extras import require
from imlgcn.files import write_atomic
from imlgcn.hub.address import REVISION, HubAddress, refuse_hub, repository_name
from imlgcn.hub.bars import bars_on_terminals
from imlgcn.hub.errors import LOG_IN, OFFLINE, HubError, explained
from imlgcn.model_card import Licences
from imlgcn.progress import SILENT, Progress
from imlgcn.publishing.sent import SentFile, is_stale, left_out, sent_files
from imlgcn.tagger import Tagger

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, ModelInfo

CARD = "README.md"
MAIN = "main"


class Pushed(NamedTuple):
    """What was sent, or would be.

    Attributes:
        address: the repository and the commit; of a dry run, the branch.
        url: of the repository; None for a dry run.
        files: name in the repository -> bytes.
        left_out: what the tagger's folder holds besides -> why it stays here.
        private: whether only its owner sees it; None: not known, in a dry run.
        created: whether the repository is new.
        card: the model card's text.
    """

    address: HubAddress
    url: str | None
    files: Mapping[str, int]
    left_out: Mapping[str, str]
    private: bool | None
    created: bool
    card: str


def push(
    tagger: Tagger | str | Path,
    repository: str,
    *,
    branch: str = MAIN,
    private: bool = True,
    licence: str | None = None,
    data_licence: str | None = None,
    card: str | Path | None = None,
    with_support: bool = False,
    message: str | None = None,
    dry_run: bool = False,
    progress: Progress = SILENT,
) -> Pushed:
    """Send a tagger to the hub of Hugging Face, as data that `Tagger.load` and others read.

    Sent are safetensors, JSON, ONNX, the label table, settings and a model card, in one commit:
    an interrupted push leaves the repository as it was. Names and hashes of images and paths of
    this machine stay here.

    Args:
        tagger: a tagger folder.
        repository: ``user/name``; made if it is not there.
        branch: which to commit to; made if it is not there.
        private: a new repository is seen by its owner only. One that is there stays as it is.
        licence: of the tagger, as the hub spells it: ``apache-2.0``. None: unknown.
        data_licence: of its images and labels, in words. None: unknown, but for Open Clip Art.
        card: a Markdown file to send as the card; None: one made from the tagger's folder.
        with_support: also send what names the images it learnt and was evaluated on.
        message: of the commit.
        dry_run: send nothing, and ask the hub nothing.
        progress: receives messages.

    Raises:
        InputError: no tagger folder, or a wrong name, branch, licence or card.
        ExportRefused: what would be sent disagrees with the tagger.
        MissingLibraryError: huggingface_hub, PyTorch or onnx is not installed.
        HubError: no token, no right, no answer; nothing is sent.
    """
    given = check_push(
        *(tagger, repository),
        branch=branch,
        licence=licence,
        data_licence=data_licence,
        card=card,
        dry_run=dry_run,
    )
    opened, name = given.tagger, given.repository
    with TemporaryDirectory() as place:
        folder = Path(place)
        progress.say("writing what is sent, and comparing it with the tagger")
        _write(opened, folder, name, given.licences, with_support)
        if given.card is not None:
            write_atomic(folder / CARD, given.card)
        files = sent_files(folder)
        sent = {file.name: file.size for file in files}
        text = (folder / CARD).read_text(encoding="utf-8")
        stays = left_out(opened.path, set(sent))
        if dry_run:
            return Pushed(HubAddress(name, branch), None, sent, stays, None, False, text)
        title = message or f"Send a tagger of {len(opened.labels)} labels"
        with explained(name, "write"), bars_on_terminals(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that Parquet is unusual in a repository of a model
            commit, info, created = _send(name, branch, private, files, title, progress)
    from huggingface_hub import constants

    url = f"{constants.ENDPOINT}/{name}" + ("" if branch == MAIN else f"/tree/{branch}")
    address = HubAddress(name, commit)
    return Pushed(address, url, sent, stays, bool(info.private), created, text)


class Checked(NamedTuple):
    """What a push is given, once there is nothing to mend in it.

    Attributes:
        tagger: opened.
        repository: ``user/name``.
        licences: of the tagger and of its data.
        card: the text of the card to send; None: one is made.
    """

    tagger: Tagger
    repository: str
    licences: Licences
    card: str | None


def check_push(
    tagger: Tagger | str | Path,
    repository: str,
    *,
    branch: str = MAIN,
    licence: str | None = None,
    data_licence: str | None = None,
    card: str | Path | None = None,
    dry_run: bool = False,
) -> Checked:
    """Check what :func:`push` is given: first what was written wrong, then what is missing here.

    Nothing is written and the hub is not asked.

    Raises:
        InputError, MissingLibraryError, HubError: as for :func:`push`.
    """
    refuse_hub(tagger.path if isinstance(tagger, Tagger) else tagger, "a push")
    name = repository_name(repository)
    if not REVISION.fullmatch(branch):
        raise InputError(f"branch= takes the name of a branch; got {branch!r}")
    licences = Licences(licence, data_licence)
    own_card = None if card is None else _read_card(Path(card))
    if own_card is not None and (licence or data_licence):
        raise InputError("licence= is for the card that is made; write it into the one of card=")
    opened = tagger if isinstance(tagger, Tagger) else Tagger.load(tagger)
    require("torch", "a push")
    check_exportable(opened, "onnx")
    if not dry_run:
        _check_token()
    return Checked(opened, name, licences, own_card)


def _write(tagger: Tagger, folder: Path, name: str, licences: Licences, with_support: bool) -> None:
    from imlgcn.exporting.layouts.hf import write_hub

    samples = sample_images(tagger, tagger.info.image, None)
    given = Given(tagger, tagger.info, samples, name.partition("/")[2])
    write_hub(given, folder, name, licences, with_support=with_support)


def _read_card(path: Path) -> str:
    if not path.is_file():
        raise InputError(f"no file {path}: card= takes a Markdown file")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text; card= takes a Markdown file") from None
    if not text.startswith("---\n"):
        raise InputError(
            f"{path} has no head for the hub (a first line '---'): start from the card that "
            "dry_run=True writes"
        )
    return text


def _check_token() -> None:
    require("huggingface_hub", "a push")
    from huggingface_hub import constants, get_token

    if constants.HF_HUB_OFFLINE:
        raise HubError(f"{OFFLINE}: nothing was sent")
    if get_token() is None:
        raise HubError(f"there is no token for the hub, so nothing was sent: {LOG_IN}")


def _send(
    name: str, branch: str, private: bool, files: list[SentFile], title: str, progress: Progress
) -> tuple[str, ModelInfo, bool]:
    """Send the files as one commit; return it, what the hub knows then, and if it is new there."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import RepositoryNotFoundError

    api = HfApi(endpoint=constants.ENDPOINT)
    try:
        info, created = api.model_info(name), False
        progress.say(f"{name} is on the hub already, {'private' if info.private else 'public'}")
    except RepositoryNotFoundError:
        api.create_repo(name, private=private)
        info, created = api.model_info(name), True
        progress.say(f"{name} is new on the hub, {'private' if private else 'public'}")
    if branch != MAIN:
        api.create_branch(name, branch=branch, exist_ok=True)
        info = api.model_info(name, revision=branch)
    done = api.create_commit(
        name,
        _operations(info, files),
        commit_message=title,
        revision=branch,
        parent_commit=info.sha,
    )
    return str(done.oid), api.model_info(name, revision=branch), created


def _operations(
    info: ModelInfo, files: list[SentFile]
) -> list[CommitOperationAdd | CommitOperationDelete]:
    """Return what the commit does: all files, and none of an earlier push that named images."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    names = {file.name for file in files}
    there = [sibling.rfilename for sibling in info.siblings or ()]
    return [
        *(CommitOperationAdd(file.name, str(file.path)) for file in files),
        *(CommitOperationDelete(name) for name in there if is_stale(name, names)),
    ]
