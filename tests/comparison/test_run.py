"""Heads compared on equal terms: the search, the cells that are kept, the table and the figure."""

from __future__ import annotations

import csv
import re

import numpy as np
import pytest

from imlgcn.comparison import cells as cells_module
from imlgcn.comparison import compare, parse_entries, table
from imlgcn.comparison.figure import cost_figure
from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from imlgcn.metrics.ranking import mean_average_precision
from imlgcn.models import HEADS
from runs import few_samples

HEADS_COMPARED = "mlp,iml_gcn:graph=identity:hidden=8,csra"


@pytest.fixture(scope="module", autouse=True)
def _few_samples():
    """Most of the time of a tiny comparison is its intervals."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "paired_bootstrap", few_samples)
        yield


@pytest.fixture(scope="module")
def run(shapes, weights):
    """Return `compare` with the tiny backbone on the drawn shapes."""

    def call(out, heads=HEADS_COMPARED, data=shapes, **options):
        tiny = {"backbone": "test_efficientnet", "weights": weights, "size": 64, "epochs": 2}
        return compare(data, heads, out, **{**tiny, "seeds": 2, **options})

    return call


@pytest.fixture(scope="module")
def found(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("compare")
    return out, run(out)


def test_the_table_has_every_entry_and_the_control_first(found):
    out, comparison = found
    names = ["linear", "mlp", "iml_gcn:graph=identity:hidden=8", "csra"]
    assert [row.entry for row in comparison.rows] == names
    with (out / "compare.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [row["entry"] for row in table] == names
    page = (out / "compare.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert [row.split(" |")[0] for row in rows[1:]] == [f"| {name}" for name in names]
    assert "mean of 2 seeds" in page
    assert "- machine: " in page
    assert (out / "compare.png").stat().st_size > 1000
    assert "<svg" in (out / "compare.svg").read_text()
    report = (out / "report.html").read_text(encoding="utf-8")
    assert all(f"<h3>{name}</h3>" in report for name in names)


def test_the_numbers_of_a_row_are_those_of_its_cells(found, shapes):
    _, comparison = found
    targets = load_dataset(shapes).split("test").targets
    for row in comparison.rows:
        cells = comparison.cells[row.entry]
        values = [100 * mean_average_precision(cell.test, targets)[0] for cell in cells]
        assert row.mAP == pytest.approx(np.mean(values))
        assert row.mAP_std == pytest.approx(np.std(values))
    control = comparison.rows[0]
    assert (control.difference, control.low, control.high) == (None, None, None)
    for row in comparison.rows[1:]:
        assert row.difference == pytest.approx(row.mAP - control.mAP)
        assert row.low <= row.difference <= row.high
    graph = comparison.rows[2]
    assert graph.parameters > graph.folded == control.folded


def test_the_best_on_validation_is_taken_and_every_head_is_searched(found, shapes):
    out, comparison = found
    targets = load_dataset(shapes).split("val").targets
    for row in comparison.rows:
        slug = re.sub(r"[^a-z0-9]+", "_", row.entry)
        stored = [np.load(path) for path in (out / "cells").glob(f"{slug}-*.npz")]
        assert len(stored) >= 5 + 1  # the preset, its neighbours, and the second seed
        best = max(mean_average_precision(cell["val"], targets)[0] for cell in stored)
        first = mean_average_precision(comparison.cells[row.entry][0].val, targets)[0]
        second = mean_average_precision(comparison.cells[row.entry][1].val, targets)[0]
        assert first == best or second == best


def test_a_finished_cell_is_not_trained_again_and_a_lost_one_is(found, run, tmp_path, monkeypatch):
    out, comparison = found
    trained = []
    train = cells_module._train
    monkeypatch.setattr(cells_module, "_train", lambda *a: trained.append(a[0].name) or train(*a))
    again = run(out)
    assert trained == []
    assert again.rows == comparison.rows
    paths = sorted((out / "cells").glob("mlp-*.npz"))
    contents = [path.read_bytes() for path in paths]
    paths[0].unlink()
    paths[1].write_bytes(contents[1][:200])  # cut off
    rerun = run(out)
    assert trained == ["mlp", "mlp"]
    for row, other in zip(comparison.rows, rerun.rows, strict=True):
        assert (row.mAP, row.low, row.of1) == (other.mAP, other.low, other.of1)


@pytest.mark.thorough
def test_another_seed_epoch_or_image_is_another_cell(found, run, monkeypatch, rewrite, tmp_path):
    out, _ = found
    trained = []
    train = cells_module._train
    monkeypatch.setattr(cells_module, "_train", lambda *a: trained.append(a[4]) or train(*a))
    run(out, "linear", seeds=3)
    assert trained == [2]
    run(out, "linear", seeds=1, epochs=3, trials=2)
    assert len(trained) == 1 + 2
    fewer = rewrite(lambda row: None if row[0] == "03.png" else row)
    run(out, "linear", fewer, seeds=1, trials=3)
    assert len(trained) == 1 + 2 + 3


def test_the_test_images_can_be_left_alone(run, tmp_path, rewrite):
    data = rewrite(lambda row: row if row[2] != "test" else None)
    comparison = run(tmp_path / "val", "mlp", data, seeds=1, split="val")
    assert comparison.rows[1].difference is not None
    with pytest.raises(InputError, match="has no split 'test' to report"):
        run(tmp_path / "test", "mlp", data, seeds=1)


def test_labels_that_train_does_not_show_are_left_out(run, tmp_path, rewrite):
    data = rewrite(lambda row: (row[0], row[1] + ";cow" * (row[2] == "test"), row[2]))
    run(tmp_path / "run", "linear", data, seeds=1, trials=1)
    assert " 5 labels," in (tmp_path / "run" / "compare.md").read_text()
    data = rewrite(lambda row: (row[0], "" if row[2] == "test" else row[1], row[2]))
    with pytest.raises(InputError, match="no image of the split 'test' is known to show any label"):
        run(tmp_path / "none", "linear", data, seeds=1)


def test_entries_are_written_as_they_are_read():
    entries = parse_entries(" linear, iml_gcn:graph=identity ,mlp:hidden=7")
    assert [entry.name for entry in entries] == ["linear", "iml_gcn:graph=identity", "mlp:hidden=7"]
    assert entries[2].options == {"hidden": 7}
    assert [entry.name for entry in parse_entries("all")] == list(HEADS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lienar", "did you mean 'linear'"),
        ("mlp:hiden=3", "did you mean 'hidden'"),
        ("mlp,mlp", "mlp is named twice"),
        ("mlp:hidden", "KEY=VALUE"),
        ("", "unknown head ''"),
    ],
)
def test_entries_that_make_no_sense_are_refused(text, message):
    with pytest.raises(InputError, match=message):
        parse_entries(text)


@pytest.mark.parametrize("given", [{"split": "train"}, {"seeds": 0}, {"epochs": 0}])
def test_settings_that_make_no_sense_are_refused(run, tmp_path, given):
    with pytest.raises(InputError, match=r"train|got"):
        run(tmp_path, **given)
    assert not list(tmp_path.iterdir())


def test_the_backbone_of_a_tagger_can_be_compared_on(run, tagger, tmp_path):
    comparison = run(tmp_path, "mlp", backbone=str(tagger.path), weights=None, size=None, seeds=1)
    assert comparison.rows[1].parameters > 0
    with pytest.raises(InputError, match="is a tagger with its own weights"):
        run(tmp_path, "mlp", backbone=str(tagger.path))


def test_a_closed_form_has_no_rate_to_choose_and_one_fit_for_every_seed(run, tmp_path):
    comparison = run(tmp_path, "kernel")
    row = comparison.rows[1]
    assert (row.entry, row.chosen) == ("kernel", "a closed form")
    assert row.parameters > 0
    first, second = comparison.cells["kernel"]
    assert (first.test == second.test).all()
    assert len(list((tmp_path / "cells").glob("kernel-*.npz"))) == 2


def test_the_figure_names_every_head(found):
    figure = cost_figure(found[1].rows)
    left = figure.axes[0]
    assert {text.get_text() for text in left.get_yticklabels()} == {
        row.entry for row in found[1].rows
    }


def test_the_command_prints_the_table(cli, shapes, weights, tmp_path):
    arguments = ["--heads", "mlp", "--backbone", "test_efficientnet", "--weights", weights]
    arguments += ["--size", 64, "--epochs", 1, "--seeds", 1, "--out", tmp_path / "run"]
    result = cli("compare", shapes, *arguments)
    assert result.code == 0, result.err
    assert "linear" in result.out
    assert "validation mAP" in result.err
    cli("compare", shapes, "--heads", "mlpp", "--out", tmp_path / "x").assert_refused("'mlp'")
