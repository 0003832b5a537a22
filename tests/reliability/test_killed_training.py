"""A training that is killed anywhere is resumed and ends with the weights of an unbroken one."""

from __future__ import annotations

import random
import signal
import time

import pytest

from kills import Command, run
from runs import BACKBONE

KINDS = {
    "frozen": ["--head", "auto"],
    "fine-tuned": ["--fine-tune", "--checkpoint-minutes", 0]
    + [word for each in ("epochs=2", "batch_size=4", "workers=0", "ema_decay=0.3")
       for word in ("--set", f"fine_tuning.{each}")],
}  # fmt: skip


@pytest.fixture(scope="session")
def few(once, shapes):
    """The first 24 images of the shapes."""
    lines = shapes.read_text().splitlines()[:25]
    rows = [lines[0], *(f"{shapes.parent}/{line}" for line in lines[1:])]
    folder = once("few", lambda folder: (folder / "few.csv").write_text("\n".join(rows) + "\n"))
    return folder / "few.csv"


class Trials:
    """Trainings of one kind, each killed and resumed, and the one that was not."""

    def __init__(self, folder, kind, data, weights):
        base = ["--backbone", BACKBONE, "--weights", weights, "--size", 64, "--force"]
        self.folder, self.arguments = folder, ["train", data, "--no-export", *KINDS[kind], *base]
        self.random = random.Random(kind)
        first = self.run("whole")  # the fork server starts with it
        self.expected = self.weights("whole")
        self.seconds = min(first.seconds, self.run("again").seconds)
        assert self.weights("again") == self.expected

    def run(self, name, *more):
        return run(self.folder / name, *self.given(name), *more)

    def given(self, name):
        return [*self.arguments, "--out", self.folder / name / "run"]

    def weights(self, name):
        return (self.folder / name / "run" / "model.safetensors").read_bytes()

    def killed(self, name, kill):
        """Return whether a run was killed by ``kill``, which gets the running command."""
        return kill(Command(self.folder / name, *self.given(name))) == -signal.SIGKILL

    def resumes(self, name):
        """Return whether a killed run can be resumed and ends with the same weights."""
        resumed = Command(self.folder / name, *self.given(name), "--resume")
        ended = resumed.wait()
        assert ended == 0, f"{name}: {resumed.text()}"
        return self.weights(name) == self.expected

    def at_random(self, count):
        """Return how often ``count`` runs, each killed at a random moment, end the same."""
        good = done = 0
        while done < count:
            name = f"random {done}"
            moment = self.random.uniform(0, self.seconds)
            if self.killed(name, lambda command, moment=moment: command.after(moment)):
                good += self.resumes(name)
                done += 1
            else:
                self.folder.joinpath(name).rename(self.folder / f"ended {time.monotonic_ns()}")
        return good

    def inside_saves(self, count):
        """Return the same of kills while a file was half written."""
        good = done = tries = 0
        while done < count:
            tries += 1
            assert tries < 10 * count, "no kill came within a save"
            name = f"save {tries}"
            out = self.folder / name / "run"
            moment = time.monotonic() + self.random.uniform(0, 0.8 * self.seconds)

            def half(out=out, moment=moment):
                return time.monotonic() > moment and any(out.glob("**/.*.tmp"))

            if self.killed(name, lambda command, half=half: command.when(half)) and half():
                good += self.resumes(name)
                done += 1
        return good


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_20_of_20_killed_runs_end_with_the_bytes_of_an_unbroken_one(
    tmp_path, kind, shapes, few, weights
):
    trials = Trials(tmp_path, kind, few if kind == "fine-tuned" else shapes, weights)
    assert trials.at_random(20) == 20


@pytest.mark.slow
def test_10_of_10_runs_killed_inside_a_save_do_so_too(tmp_path, few, weights):
    trials = Trials(tmp_path, "fine-tuned", few, weights)
    assert trials.inside_saves(10) == 10
