"""The command `predict --watch`: its options, and how a signal ends it."""

from __future__ import annotations

import csv
import inspect
import shutil
import signal
import time
from types import SimpleNamespace

import pytest

from imlgcn import stopping
from imlgcn.cli import watching
from imlgcn.cli.predict import predict
from imlgcn.prediction import watch as module


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--resume", "--out", "t.csv"], "--resume cannot be used with --watch"),
        (["--shard", "1/2", "--out", "t.csv"], "--shard cannot be used with --watch"),
        (["--known-from", "k.csv"], "--known-from cannot be used with --watch"),
        (["--label-studio", "t.json"], "--label-studio cannot be used with --watch"),
        (["--engine", "auto", "--xmp"], "--engine auto cannot be used with --watch"),
        ([], "give --xmp, --out, or both"),
        (["--out", "t.parquet"], "is complete only when it is closed"),
    ],
)
def test_options_that_cannot_be_used_are_refused_as_flags(cli, tmp_path, words, message):
    cli("predict", "run", tmp_path, "--watch", *words).assert_refused(message)


def test_settle_is_for_watching(cli, tmp_path):
    cli("predict", "run", tmp_path, "--settle", "2").assert_refused("--settle is for --watch")


@pytest.mark.parametrize("number", stopping.SIGNALS)
def test_a_signal_while_it_rests_ends_it_at_once(
    kernel_tagger, crosses, tmp_path, monkeypatch, number
):
    photos, out = tmp_path / "photos", tmp_path / "tags.csv"
    photos.mkdir()
    shutil.copy(crosses[0], photos / "a.png")
    handlers = {one: signal.getsignal(one) for one in stopping.SIGNALS}

    def rest(seconds):
        if out.exists() and out.read_text().count("\n") > 1:
            signal.raise_signal(number)
        time.sleep(0.01)

    clock = SimpleNamespace(sleep=rest, process_time=time.process_time)
    monkeypatch.setattr(module, "time", clock)
    try:
        stopping.listen()
        with pytest.raises(stopping.Stopped) as stopped:
            module.watch(kernel_tagger, photos, out=out, all_labels=True, settle=0)
    finally:
        for one, handler in handlers.items():
            signal.signal(one, handler)
    assert stopped.value.exit_code == 128 + number
    assert str(stopped.value) == "1 done; the same command goes on from there"
    with out.open(newline="") as file:
        assert {row["image"] for row in csv.DictReader(file)} == {str(photos / "a.png")}
    assert not list(tmp_path.glob(".*"))


def test_every_option_of_predict_is_passed_on_or_refused():
    given = set(inspect.signature(predict).parameters)
    passed = {*watching.OPTIONS, *watching.NOT_WHILE_WATCHING}
    assert given - passed == {"tagger", "paths", "known", "settle", "watch"}
