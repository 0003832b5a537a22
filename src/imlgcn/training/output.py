"""The folder of a run: refused when it holds something else, resumed when it is unfinished."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from imlgcn.config import TrainSettings
from imlgcn.errors import InputError
from imlgcn.files import LOCK, only_writer, write_atomic
from imlgcn.stopping import Stopped
from imlgcn.tagger.config_file import read_config
from imlgcn.tagger.folder import (
    CHECKPOINTS,
    CONFIG,
    FILES,
    FOLDERS,
    LOG,
    MODEL,
    REPLACED,
)


@contextmanager
def locked_run_folder(out: Path) -> Iterator[None]:
    """Be the only run that writes ``out``, and say of an interruption how to go on.

    Raises:
        InputError: another process writes it.
    """
    try:
        with only_writer(out):
            yield
    except BlockingIOError:
        raise InputError(
            f"another run is writing {out}: wait until it has ended, or give another out="
        ) from None
    except Stopped as stopped:
        if (out / CONFIG).is_file():
            how = f"{out} holds what is done: resume=True with the same options goes on from there"
            raise Stopped(stopped.number, how) from None
        raise


def open_run_folder(
    out: Path,
    settings: TrainSettings,
    origin: Mapping[str, Any],
    *,
    resume: bool = False,
    replace: bool = False,
) -> None:
    """Make ``out`` ready and write ``config.yaml``: ``origin`` (keys of ORIGIN), then settings.

    ``resume`` continues an unfinished run with the same settings; ``replace`` sets an earlier run
    aside (only the files a run writes) until :func:`close_run_folder`.

    Raises:
        InputError: ``out`` is a file, or not empty, or was started with other settings.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"out= takes a folder; {out} is a file")
    known = {key: value for key, value in origin.items() if value is not None}
    content = {**known, **settings.model_dump(mode="json")}
    config = out / CONFIG
    if resume and config.is_file():
        begun = read_config(config)
        changed = [k for k in {**begun, **content} if begun.get(k) != content.get(k)]
        if changed:
            raise InputError(
                f"{out} was started with other settings ({', '.join(changed)}): give the same ones "
                "to resume it, or another out="
            )
        return
    _remove_half_written(out)
    if replace:
        _set_aside(out)
    if out.is_dir() and any(path.name not in (REPLACED, LOCK) for path in out.iterdir()):
        if replace:
            _restore(out)
            raise InputError(
                f"the output folder {out} is not empty: it holds files that no run "
                "wrote, and replace=True keeps those; give another out="
            )
        hint = "it holds an unfinished run: add resume=True to continue it, or "
        unfinished = config.is_file() and not (out / MODEL).is_file()
        raise InputError(
            f"the output folder {out} is not empty; "
            f"{hint if unfinished else ''}give another out=, or replace=True to replace a run"
        )
    write_atomic(config, yaml.safe_dump(content, sort_keys=False))


def remove_run(out: Path) -> None:
    """Delete the files a run writes from ``out``, and nothing else."""
    _remove_half_written(out)
    for name in FILES:
        (out / name).unlink(missing_ok=True)
    for folder in FOLDERS:
        if (out / folder).is_dir():
            shutil.rmtree(out / folder)


def _remove_half_written(out: Path) -> None:
    """Delete what a killed run was writing: before its settings are there, nothing resumes it."""
    for name in FILES:
        for path in out.glob(f".{name}.*.tmp"):
            path.unlink(missing_ok=True)


def _set_aside(out: Path) -> None:
    present = [out / name for name in (*FILES, *FOLDERS) if (out / name).exists()]
    finished = (out / MODEL).is_file()
    if present and (finished or not (out / REPLACED).is_dir()):  # a killed run replaced nothing
        shutil.rmtree(out / REPLACED, ignore_errors=True)
        (out / REPLACED).mkdir()
        for path in present:
            path.rename(out / REPLACED / path.name)
    remove_run(out)


def _restore(out: Path) -> None:
    if (out / REPLACED).is_dir():
        for path in (out / REPLACED).iterdir():
            path.rename(out / path.name)
        (out / REPLACED).rmdir()


def close_run_folder(out: Path, *, keep_checkpoints: bool = False) -> None:
    """Delete the run that the finished one replaces, and the states that nobody resumes."""
    shutil.rmtree(out / REPLACED, ignore_errors=True)
    if not keep_checkpoints:
        shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)


@contextmanager
def discarded_if_useless(out: Path, *, resumed: bool, existed: bool) -> Iterator[None]:
    """Delete what a run has written that cannot continue; an earlier run is restored.

    That is where its input cannot be used. What it saved before its loss became infinite stays, as
    does a run that was resumed. ``existed``: the folder was there before the run.
    """
    from imlgcn.training.loop import DivergedError

    try:
        yield
    except InputError as error:
        if not resumed and not (isinstance(error, DivergedError) and (out / CHECKPOINTS).is_dir()):
            discard_run(out, folder=not existed)
        raise


def discard_run(out: Path, *, folder: bool) -> None:
    """Delete what a run that cannot continue has written; an earlier run is restored.

    With ``folder``, an empty folder is deleted as well.
    """
    remove_run(out)
    _restore(out)
    if folder and not any(out.iterdir()):
        out.rmdir()


class RunLog:
    """``log.jsonl``: one line per event, in the order they happened; NaN is written as null.

    ``keep`` adds to the lines of an interrupted run.
    """

    def __init__(self, out: Path, *, keep: bool = False) -> None:
        self.path = out / LOG
        if not keep:
            self.path.unlink(missing_ok=True)

    def __call__(self, row: dict[str, Any]) -> None:
        """Append one line."""
        row = {key: None if value != value else value for key, value in row.items()}
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from error
