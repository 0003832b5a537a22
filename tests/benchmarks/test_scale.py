"""The benchmark of growth: every stage runs, exponents are right, a run goes on where it ended."""

from __future__ import annotations

import json
import sys

import pytest
from benchmarks.scale import STAGES, Cell, exponent, measure, page, rows, stage_of

from benchmarks import scale
from imlgcn.models import falkon

WRITTEN = ("save", "load", "report", "predict", "linear", "iml_gcn")  # half a second each


@pytest.fixture(autouse=True)
def landmarks_as_before(monkeypatch):
    """The stages of the kernel head take fewer."""
    monkeypatch.setattr(falkon, "SHARE_KEPT", falkon.SHARE_KEPT)
    monkeypatch.setitem(falkon.Falkon.__init__.__kwdefaults__, "most", falkon.LANDMARKS)


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage not in WRITTEN])
def test_a_stage_runs_on_few_images(stage):
    stage_of(stage)(Cell(stage, 120, 12))()


@pytest.mark.slow
@pytest.mark.parametrize("stage", WRITTEN)
def test_a_stage_that_writes_or_trains_runs_on_few_images(stage):
    stage_of(stage)(Cell(stage, 120, 12))()


def test_an_exponent_is_that_between_the_last_two_that_were_measured():
    sizes = (1_000, 10_000, 30_000, 100_000, 1_000_000)
    square = [(n / 1e4) ** 2 for n in sizes]
    assert exponent(sizes, square, 20_000) == 2.0
    assert exponent(sizes, [*square[:3], square[2] * 100 / 30, None], 20_000) == 1.0
    assert exponent(sizes, [*square[:3], None, None], 20_000) is None


def test_what_a_smaller_size_could_not_do_is_not_tried():
    first, *_, last = rows("count")[0]
    assert measure(last, {first.key: {"cut": "over 8 GiB"}}, 1) == {"cut": "not tried"}


def test_what_was_measured_is_kept_and_written(tmp_path, monkeypatch, capsys):
    kept, out = tmp_path / "cache.json", tmp_path / "scale.md"
    cells = [cell for row in rows("duplicates") for cell in row]
    took = {"seconds": 1.5, "memory": 700.0, "load": 1.0, "date": "2026-11-26"}
    kept.write_text(json.dumps({cell.key: took for cell in cells[:-1]}))
    asked = []
    monkeypatch.setattr(
        scale, "measure", lambda cell, *_: asked.append(cell) or {"cut": "over 8 GiB"}
    )
    given = ["scale", "--stage", "duplicates", "--cache", str(kept), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", given)
    scale.main()
    assert asked == cells[-1:]
    assert "| 1.50 | 1.50 | 1.50 | 1.50 | over 8 GiB | 0.0 |" in out.read_text()
    assert page(json.loads(kept.read_text())).strip() == out.read_text().strip()
    capsys.readouterr()
