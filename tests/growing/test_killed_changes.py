"""A change of labels, or its undoing, that is killed at any of its files: what is said mends it."""

from __future__ import annotations

import re
import shlex
import shutil

import pytest

from imlgcn.growing import NewLabel, add_labels, changes, rename_label, undo, use_label_table
from imlgcn.labels.label_rows import LabelRow
from imlgcn.labels.label_table import LabelTable
from imlgcn.tagger import Tagger
from imlgcn.tagger.folder import LABEL_TABLE, MODEL, SCORES, SUPPORT, WEIGHTS


class KilledError(BaseException):
    """Stands for `kill -9`."""


@pytest.fixture
def killed(monkeypatch):
    """Return a function that runs work and kills it before it writes the file of a name."""
    from pathlib import Path

    whole = Path.replace

    def killed(name, work) -> None:
        def replace(self, target):
            if Path(target).name == name:
                raise KilledError
            return whole(self, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", replace)
            with pytest.raises(KilledError):
                work()

    return killed


def content(folder) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def mend(cli, outcome) -> None:
    """Follow the hint of a message."""
    hint = re.search(r"`imlgcn (label undo [^`]+)`", outcome.err)
    assert hint, outcome.err
    assert cli(*shlex.split(hint[1])).code == 0


@pytest.mark.parametrize("name", [SCORES, SUPPORT, MODEL])
def test_a_change_killed_between_its_files_is_taken_back_as_the_next_command_says(
    own_kernel, crosses, shapes, cli, killed, name
):
    before = content(own_kernel)
    killed(name, lambda: add_labels(own_kernel, [NewLabel("cross", tuple(crosses[:3]))]))
    for command in (
        ("predict", own_kernel, crosses[0]),
        ("evaluate", own_kernel, shapes),
        ("export", own_kernel),
        ("report", own_kernel),
        ("serve", own_kernel, "--port", "0"),
        ("label", "rename", own_kernel, "red", "rot"),
    ):
        outcome = cli(*command)
        outcome.assert_refused("(add cross) is not finished", "`imlgcn label undo")
        assert content(own_kernel).keys() == before.keys()
    mend(cli, outcome)
    assert content(own_kernel) == before
    assert cli("predict", own_kernel, crosses[0]).code == 0


def test_a_name_that_leaves_the_weights_as_they_are_is_noticed_as_well(own_kernel, cli, killed):
    before = content(own_kernel)
    killed(MODEL, lambda: rename_label(own_kernel, "red", "rot"))
    outcome = cli("predict", own_kernel, "x.png")
    outcome.assert_refused("(rename red to rot) is not finished")
    mend(cli, outcome)
    assert content(own_kernel) == before


@pytest.mark.parametrize("name", [SCORES, SUPPORT, MODEL])
def test_an_undoing_that_is_killed_is_done_by_giving_it_again(
    own_kernel, crosses, cli, killed, name
):
    before = content(own_kernel)
    add_labels(own_kernel, [NewLabel("cross", tuple(crosses[:3]))])
    killed(name, lambda: undo(own_kernel))
    outcome = cli("predict", own_kernel, crosses[0])
    outcome.assert_refused("(add cross) is not finished", "`imlgcn label undo")
    mend(cli, outcome)
    assert {name: data for name, data in content(own_kernel).items() if name in before} == before


def test_finished_changes_and_copies_without_links_are_not_refused(own_kernel, crosses, tmp_path):
    add_labels(own_kernel, [NewLabel("cross", tuple(crosses[:3]))])
    labels = Tagger.load(own_kernel).labels
    use_label_table(own_kernel, LabelTable.of(labels, [LabelRow("red", name="rot")]))
    (own_kernel / SUPPORT).unlink()  # as people may
    assert Tagger.load(own_kernel).labels == labels
    undo(own_kernel)
    use_label_table(own_kernel, LabelTable.of(labels, [LabelRow("red", name="rot")]))
    rename_label(own_kernel, "red", "red")
    assert len(changes(own_kernel)) == 3
    copied = shutil.copytree(own_kernel, tmp_path / "copied")
    for folder in (own_kernel, copied):
        assert Tagger.load(folder).labels[-1] == "cross"
        assert (folder / WEIGHTS).is_file()
        assert (folder / LABEL_TABLE).is_file()


def test_a_change_killed_before_its_first_file_has_changed_nothing(
    own_kernel, crosses, cli, killed
):
    before = content(own_kernel)
    killed(WEIGHTS, lambda: add_labels(own_kernel, [NewLabel("cross", tuple(crosses[:3]))]))
    assert content(own_kernel) == before
    assert cli("predict", own_kernel, crosses[0]).code == 0
