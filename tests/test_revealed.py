"""What known labels are worth: the protocol, its control, and numbers worked by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from imlgcn import evaluate
from imlgcn.errors import InputError
from imlgcn.metrics.ranking import mean_average_precision
from imlgcn.revealed import DRAWS, DRAWS_BY_HEAD, evaluate_revealed
from imlgcn.tagger.scores import ScoredSplit


class Labelled:
    """Stands for a tagger of four labels, of which the first two always come together."""

    known_by = "counts"

    class calibration:  # noqa: N801
        @staticmethod
        def logits(logits):
            return np.asarray(logits, float)

    def __init__(self, N=400, seed=0):
        from imlgcn.labels import LabelContext
        from imlgcn.labels.known import KnownLabels, PairCounts
        from imlgcn.metrics.known_calibration import KnownCalibration
        from imlgcn.tagger.known import KnownUpdate

        generator = np.random.default_rng(seed)
        first = generator.random((N, 1)) < 0.3
        others = generator.random((N, 2)) < 0.3
        targets = np.concatenate([first, first, others], 1).astype(np.int8)
        counts = PairCounts.from_context(LabelContext.from_targets("abcd", targets))
        plain = KnownCalibration(np.ones(4), np.zeros(4))
        self.known_update = KnownUpdate(KnownLabels(counts, beta=1.0), plain, counts)
        logits = generator.normal(size=(N, 4)) + targets
        names = tuple(f"{n}.png" for n in range(N))
        p = 1 / (1 + np.exp(-logits))
        self.scored = ScoredSplit("test", names, logits.astype(np.float32), p, targets)


def test_a_label_that_always_comes_with_a_revealed_one_is_found():
    tagger = Labelled()
    found = evaluate_revealed(tagger, tagger.scored, {}, "1")
    json.dumps(found)
    assert (found["reveal"], found["by"], found["draws"]) == ("1", "counts", DRAWS)
    difference = found["after"]["mAP"] - found["before"]["mAP"]
    assert found["gain"]["mAP"] == pytest.approx(difference, abs=1e-6)
    assert 0 < found["gain"]["low"] < found["gain"]["mAP"] < found["gain"]["high"]
    assert found["after"]["first_suggestion"] > found["before"]["first_suggestion"]
    assert found["control"]["first_suggestion"] == found["before"]["first_suggestion"]
    assert found["control_gain"]["mAP"] < found["gain"]["low"]


def test_revealed_entries_are_left_out_of_every_number():
    tagger = Labelled()
    found = evaluate_revealed(tagger, tagger.scored, {}, "50%")
    assert found["revealed_per_image"] == pytest.approx(2, abs=0.1)
    from imlgcn.metrics.known_labels import Reveal

    draws = [
        Reveal(fraction=0.5).draw(tagger.scored.targets, np.random.default_rng(seed))
        for seed in range(DRAWS)
    ]
    values = [
        mean_average_precision(
            tagger.scored.logits, np.where(known >= 0, -1, tagger.scored.targets)
        )[0]
        for known in draws
    ]
    assert found["before"]["mAP"] == pytest.approx(100 * np.mean(values))


def test_data_without_anything_to_reveal_give_no_number():
    tagger = Labelled()
    empty = ScoredSplit(
        "test", ("a", "b"), np.zeros((2, 4), np.float32), np.full((2, 4), 0.5),
        np.full((2, 4), -1, np.int8),
    )  # fmt: skip
    for reveal in ("1", "25%"):
        found = evaluate_revealed(tagger, empty, {}, reveal)
        assert found["gain"]["mAP"] is None
        assert found["before"] == dict.fromkeys(("mAP", "first_suggestion", "ECE"), None) | {
            "log_loss": 0.0
        }
        json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("reveal", ["0", "none", "100%"])
def test_an_amount_that_is_none_is_refused_before_any_work(reveal):
    with pytest.raises(InputError, match="reveal= takes a number of true labels"):
        evaluate("no tagger", "no data", reveal=reveal)


def test_evaluate_prints_the_gain_and_keeps_it(cli, tagger, shapes, tmp_path):
    out = tmp_path / "m.json"
    found = cli("evaluate", tagger.path, shapes, "--reveal", "1", "--json", out)
    assert found.code == 0, found.err
    text = " ".join(found.out.split())
    assert "Known: 1 true label of each image; used by counts of label pairs" in text
    content = json.loads(out.read_text())["reveal"]
    gain = content["gain"]["mAP"]
    sign = "+" if gain >= 0 else "−"
    assert f"Gain: {sign}{abs(gain):.1f} mAP, 95 % interval" in text
    assert "Control, which knows only how many tags were revealed:" in text
    refused = cli("evaluate", tagger.path, shapes, "--reveal", "some")
    refused.assert_refused("--reveal takes a number of true labels")


def test_an_exported_file_is_measured_too(onnx_file, tagger, shapes):
    found = evaluate(onnx_file, shapes, reveal="25%")["reveal"]
    expected = evaluate(tagger, shapes, reveal="25%")["reveal"]
    assert found["gain"]["mAP"] == pytest.approx(expected["gain"]["mAP"], abs=0.05)


def test_a_head_that_takes_known_labels_is_asked_again(untrained, shapes):
    tagger = untrained("c_tran")
    own = evaluate(tagger, shapes, reveal="1")["reveal"]
    other = evaluate(tagger.with_known_by("counts"), shapes, reveal="1")["reveal"]
    assert (own["by"], own["draws"]) == ("head", DRAWS_BY_HEAD)
    assert (other["by"], other["draws"]) == ("counts", DRAWS)
    assert own["gain"]["mAP"] != other["gain"]["mAP"]
