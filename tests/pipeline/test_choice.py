"""Training without a head named: several are tried, the best is shipped, and all of it is told."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from imlgcn.errors import InputError
from imlgcn.metrics import mean_average_precision
from imlgcn.models import CANDIDATES
from imlgcn.report import write_report
from imlgcn.tagger import Tagger
from imlgcn.tagger.scores_sample import OUT_OF_FOLD
from imlgcn.training.start import backbone_has_learnt
from runs import TUNED, Said, config_of, metrics_of, scores_of

TESTS = Path(__file__).parents[1]
FINE_TUNED = {key: value for key, value in TUNED.items() if key != "head_options"}


@pytest.fixture(scope="module")
def auto(once, train_tiny):
    """A tagger whose head was chosen; read only."""
    return Tagger.load(once("auto", lambda folder: train_tiny(folder, head="auto", whole=True)))


def test_every_candidate_was_tried_and_one_was_chosen(auto):
    tried = metrics_of(auto)["tried"]
    assert {row["head"] for row in tried} == set(CANDIDATES)
    (chosen,) = [row["head"] for row in tried if row["chosen"]]
    assert auto.info.head.name == metrics_of(auto)["head"] == chosen
    assert [row["mAP"] for row in tried] == sorted((r["mAP"] for r in tried), reverse=True)
    assert config_of(auto)["head"] == "auto"
    for row in tried:
        assert {"mAP", "OF1", "CF1_per_label", "ECE", "log_loss"} == row["test"].keys()
        assert row["multiply_adds"] > 0
        assert row["seconds"] > 0
    own = next(row["test"] for row in tried if row["chosen"])
    assert own["mAP"] == pytest.approx(metrics_of(auto)["mAP"])


def test_the_chosen_head_is_the_one_that_is_trained_when_it_is_named(auto, train_tiny, tmp_path):
    again = train_tiny(tmp_path / "run", head=auto.info.head.name)
    assert again.info.sha256 == auto.info.sha256
    np.testing.assert_array_equal(scores_of(again), scores_of(auto))
    assert "tried" not in metrics_of(again)


def test_learnt_images_are_stored_with_scores_of_heads_that_had_not_learnt_them(auto):
    held, test = (auto.folder.scores.split(name) for name in (OUT_OF_FOLD, "test"))
    assert len(held.images) == 42 + 18
    assert set(held.folds) == set(range(5))
    assert test.folds is None
    value, _ = mean_average_precision(held.logits, held.targets)
    assert metrics_of(auto)["out_of_fold"]["mAP"] == pytest.approx(100 * value, abs=1e-3)


def test_the_report_begins_with_what_was_tried(auto):
    write_report(auto)
    page = (auto.path / "report.html").read_text(encoding="utf-8")
    assert page.index("What was tried") < page.index(">Result<")
    assert f"{auto.info.head.name}, chosen" in page


def test_a_report_of_a_named_head_has_no_such_section(tagger):
    write_report(tagger)
    assert "What was tried" not in (tagger.path / "report.html").read_text(encoding="utf-8")


def test_going_on_from_it_keeps_the_head(auto, train_tiny, tmp_path):
    again = train_tiny(tmp_path / "run", start=auto.path)
    assert again.info.head.name == auto.info.head.name
    assert "tried" not in metrics_of(again)


def test_an_option_of_one_head_needs_its_name(train_tiny, tmp_path):
    with pytest.raises(InputError, match=r"graph=: for one head.*name the head \(.*iml_gcn"):
        train_tiny(tmp_path / "run", head="auto", graph="identity")
    with pytest.raises(InputError, match=r"head_options.hidden: for one head"):
        train_tiny(tmp_path / "run", head="auto", head_options={"hidden": 3})


def test_without_a_refit_the_choice_is_made_on_the_training_images(train_tiny, tmp_path):
    found = train_tiny(tmp_path / "run", head="auto", refit=False)
    assert metrics_of(found)["validation"]["num_images"] == 18
    assert found.folder.scores.split("val").folds is None
    assert found.folder.support().images
    assert len(found.folder.support().images) == 42


def test_on_a_tuned_backbone_only_validation_is_held_out(train_tiny, tmp_path):
    found = train_tiny(tmp_path / "run", head="auto", **FINE_TUNED)
    assert metrics_of(found)["out_of_fold"]["num_images"] == 18
    assert len(found.folder.support().images) == 60, "learnt are both"
    assert metrics_of(found)["tried"]
    stored = found.folder.scores.split("val").folds
    assert set(stored) == set(range(5))


def test_going_on_from_a_tuned_backbone_holds_out_validation_only(fine_tuned, train_tiny, tmp_path):
    found = train_tiny(tmp_path / "run", start=fine_tuned.path, fine_tune=False)
    assert metrics_of(found)["out_of_fold"]["num_images"] == 18


def test_a_backbone_that_was_tuned_two_runs_ago_has_still_learnt_its_images(
    fine_tuned, train_tiny, tmp_path
):
    once = train_tiny(tmp_path / "once", start=fine_tuned.path, fine_tune=False)
    twice = train_tiny(tmp_path / "twice", start=once.path)
    assert metrics_of(twice)["out_of_fold"]["num_images"] == 18
    shutil.rmtree(once.path)
    assert backbone_has_learnt(twice.path), "nobody knows: it may have"


def test_what_is_chosen_is_said_in_one_line(train_tiny, tmp_path):
    said = Said()
    found = train_tiny(tmp_path / "run", head="auto", progress=said)
    assert said.about(f"head '{found.info.head.name}': out-of-fold mAP")


@pytest.mark.thorough
def test_the_same_seed_gives_the_same_bytes_in_another_process(auto, tmp_path, shapes, weights):
    code = (
        f"import sys, json; sys.path.append({str(TESTS)!r}); from runs import quick;"
        "from imlgcn.pipeline import train\n"
        "with quick(): train(sys.argv[1], sys.argv[2], **json.loads(sys.argv[3]))"
    )
    settings = {"backbone": "test_efficientnet", "weights": str(weights), "size": 64}
    settings |= {
        "linear_training": {"epochs": 4},
        "head_training": {"epochs": 4, "learning_rate": 0.01},
        "export": False,
    }
    arguments = [str(shapes), str(tmp_path / "again"), json.dumps(settings)]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, timeout=120)
    again = Tagger.load(tmp_path / "again")
    assert again.info.sha256 == auto.info.sha256
    for name in ("predictions.parquet", "support.parquet"):
        assert (again.path / name).read_bytes() == (auto.path / name).read_bytes(), name


def test_a_candidate_that_cannot_be_fitted_is_left_out_with_a_word(train_tiny, tmp_path, rewrite):
    """With one image of the second label, a fold without it has no F_PCA."""
    first = iter(range(72))
    data = rewrite(lambda row: (row[0], "red;dark" if next(first) == 0 else "red", row[2]))
    said = Said()
    found = train_tiny(tmp_path / "run", data, head="auto", progress=said)
    assert said.about("the iml_gcn head cannot be tried on these images: F_PCA needs labels")
    assert {row["head"] for row in metrics_of(found)["tried"]} == set(CANDIDATES) - {"iml_gcn"}
    with pytest.raises(InputError, match="F_PCA needs labels"):
        train_tiny(tmp_path / "named", data, head="iml_gcn")
