"""A signal in the middle of any command: its exit code, one sentence, and nothing half-written.

A command that is new to the command line fails here until it has a line in `COMMANDS`.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import sys

import pytest
import typer

from imlgcn import stopping
from imlgcn.cli import commands, main
from imlgcn.prediction import PredictSummary
from imlgcn.prediction.rows import COLUMNS, open_rows
from imlgcn.prediction.shard_record import Maker, ShardFile
from imlgcn.prediction.shards import Shard, ShardImages
from imlgcn.tagger import Tagger
from imlgcn.tagger.info import read_info
from runs import BACKBONE

HOW = ("--backbone", BACKBONE, "--weights", "{weights}", "--size", "64")
FEW = ("--set", "linear_training.epochs=2", "--set", "head_training.epochs=2")
COMMANDS = {
    "audit": ("run", "--out", "doubts.csv", "--page", "doubts.html"),
    "check": ("{data}",),
    "compare": ("{data}", "--heads", "linear,mlp", "--out", "compared", *HOW),
    "demo": ("--out", "new"),
    "evaluate": ("run", "{data}", "--json", "metrics.json", "--anyway"),
    "explain": ("run", "photo.png", "--out", "why.png"),
    "export": ("run",),
    "graph": ("{data}",),
    "import": ("official.pth", "--from", "asl", "--out", "imported"),
    "label add": ("run", "cross", "{crosses}"),
    "label merge": ("run", "red", "blue", "--into", "coloured"),
    "label remove": ("run", "red"),
    "label rename": ("run", "red", "rot"),
    "label undo": ("changed",),
    "merge-predictions": ("shards/tags.1-of-1.csv", "--out", "tags.csv"),
    "pack": ("{data}", "--out", "packed"),
    "params": ("--labels", "5"),
    "predict": ("run", "{images}", "--out", "tags.csv"),
    "pull": ("user/name", "--out", "new"),
    "push": ("run", "user/name", "--dry-run"),
    "report": ("run",),
    "serve": ("run", "--port", "0", "--engine", "torch"),
    "similar": ("run", "photo.png", "{images}", "--out", "similar.csv"),
    "split": ("{data}", "--out", "split.csv"),
    "suggest": ("run", "{images}", "--out", "next.csv"),
    "systems": (),
    "train": ("{data}", "--out", "new", *HOW, *FEW),
}
GOES_ON = {"train", "demo", "compare", "predict"}  # they keep what is done
NOT_SO = {("systems", "reading"), ("params", "reading")}  # they read nothing
NOT_SO |= {("demo", "reading")}  # its data are its own
NOT_SO |= {("import", "finishing")}  # of no checkpoint; it writes as train does
NOT_SO |= {("serve", "finishing")}  # it ends with what was accepted: tests/serve/test_run.py
NOT_SO |= {("pull", "reading"), ("pull", "finishing")}  # of a hub: tests/hub/test_load.py
SLOW = {
    ("push", "finishing"),
    ("export", "finishing"),
    ("demo", "finishing"),
    ("systems", "finishing"),
    ("report", "finishing"),
}
CHANGES = {"label add", "label merge", "label remove", "label rename", "label undo"}


def leaves(command, path=()):
    if inner := getattr(command, "commands", None):
        for name, one in inner.items():
            yield from leaves(one, (*path, name))
    else:
        yield " ".join(path)


EVERY = sorted(leaves(typer.main.get_command(commands())))
CASES = [
    pytest.param(command, at, marks=[pytest.mark.slow] if (command, at) in SLOW else [])
    for command in EVERY
    for at in ("reading", "finishing")
    if (command, at) not in NOT_SO
]
ASKED = {"is_on": False, "at": "", "times": 0}


def ask() -> None:
    """Send the signal, once."""
    if ASKED["is_on"]:
        ASKED["is_on"] = False
        ASKED["times"] += 1
        signal.raise_signal(signal.SIGTERM)


def on_open(event: str, given: tuple) -> None:
    """Ask when a file of the working folder, or of the data, is opened."""
    if ASKED["is_on"] and ASKED["at"] == "reading" and event == "open":
        path = given[0]
        if isinstance(path, str) and path.startswith(ASKED["places"]) and ".lock" not in path:
            ask()


class Printed(io.StringIO):
    """Standard output that asks when the first text is printed."""

    def write(self, text: str) -> int:
        if text.strip():
            ask()
        return super().write(text)


@pytest.fixture(scope="module")
def _hook():
    sys.addaudithook(on_open)  # for good; it does nothing while `ASKED` is off


@pytest.fixture
def place(own_kernel, kernel_tagger, crosses, tmp_path, monkeypatch):
    """A working folder with a tagger, one whose labels have changed, and an image."""
    from imlgcn.growing import rename_label

    folder = tmp_path / "work"
    folder.mkdir()
    own_kernel.rename(folder / "run")
    shutil.copytree(kernel_tagger.path, folder / "changed")
    rename_label(folder / "changed", "red", "rot")
    shutil.copy(crosses[0], folder / "photo.png")
    write_shard(folder / "shards" / "tags.csv")
    (folder / "official.pth").write_bytes(b"no checkpoint")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("IMLGCN_CACHE", str(tmp_path / "cache"))  # nothing is known of the images
    return folder


def write_shard(out) -> None:
    """Write the only shard of no images."""
    own = ShardImages(Shard(1, 1))
    file = own.shard.name(out)
    with open_rows(file):
        pass
    maker = Maker("tagger", "engine", "rows", COLUMNS, False)
    ShardFile(file, maker, own, []).finish(PredictSummary(0, 0, 0, 0, ()))


def stop(words, at, places, monkeypatch) -> tuple[int, str]:
    """Run a command that gets SIGTERM, and return its exit code and what it says last."""
    ASKED.update(is_on=True, at=at, times=0, places=places)
    handlers = {number: signal.getsignal(number) for number in stopping.SIGNALS}
    said = io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", ["imlgcn", *words])
        patch.setattr(sys, "stderr", said)
        if at == "finishing":
            whole = os.fsync
            patch.setattr(os, "fsync", lambda file: (ask(), whole(file)))
            patch.setattr(sys, "stdout", Printed())
        try:
            with pytest.raises(SystemExit) as ended:
                main()
        finally:
            ASKED["is_on"] = False
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return ended.value.code, said.getvalue()


@pytest.mark.usefixtures("_hook")
@pytest.mark.parametrize(("command", "at"), CASES)
def test_a_signal_ends_any_command_with_its_code_and_leaves_nothing_half_written(
    command, at, place, shapes, weights, crosses, monkeypatch
):
    given = {
        "data": str(shapes),
        "images": str(shapes.parent),
        "weights": str(weights),
        "crosses": str(crosses[0]),
    }
    words = [*command.split(), *(word.format(**given) for word in COMMANDS[command])]
    places = (
        str(shapes.parent),
        str(place),
        "run",
        "changed",
        "photo.png",
        "official.pth",
        "shards",
    )
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*") if path.is_file()}
    labels = {folder: read_info(place / folder).labels for folder in ("run", "changed")}
    code, said = stop(words, at, places, monkeypatch)
    assert ASKED["times"] == 1, said
    last = said.rstrip("\n").splitlines()[-1]
    assert "Traceback" not in said
    assert code == 143, said
    assert last.startswith("imlgcn: stopped; ")
    assert len(last) > len("imlgcn: stopped; ")
    after = {path for path in place.rglob("*") if path.is_file()}
    assert not [path for path in after if path.name.endswith((".tmp", ".lock"))]
    for folder in ("run", "changed"):
        assert Tagger.load(place / folder).labels  # whole, in one state or the other
    if command in CHANGES:
        folder = words[2]
        done = read_info(place / folder).labels != labels[folder]
        assert done is ("is made" in last or "is taken back" in last), last
        assert done is (at == "finishing" and command != "label add")  # that reads images first
    elif command not in GOES_ON:
        assert {path: path.stat().st_mtime_ns for path in after} == before
