"""The page of a comparison: every head, its interval in words, and no claim beyond it."""

import re
from dataclasses import replace

import numpy as np
import pytest

from imlgcn.comparison.cells import Cell
from imlgcn.comparison.report import ENOUGH, verdict, write_report
from imlgcn.comparison.table import Row
from imlgcn.metrics.verdict import Verdict, conclude

ROW = Row(
    *("mlp", 64.1, 0.6, 1.8, 0.4, 3.1, 58.9, 66.7, 0.53, 3.03),
    *(337_702, 337_702, 6.7, 0.016, "lr 0.003, wd 1", Verdict.BETTER),
)
CONTROL = replace(ROW, entry="linear", difference=None, low=None, high=None, verdict=None)


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        ((1.8, 0.4, 3.1), "+1.8 mAP points (+0.4 to +3.1): better than the control"),
        ((-2.0, -3.0, -1.0), "−2.0 mAP points (−3.0 to −1.0): worse than the control"),
        ((0.5, -0.2, 1.2), "no measurable difference, beside the control"),
        ((0.5, 0.0, 1.2), "no measurable difference, beside the control"),
    ],
)
def test_a_difference_is_claimed_only_beside_zero(interval, said):
    row = replace(ROW, **dict(zip(("difference", "low", "high"), interval, strict=True)))
    many, few = (conclude(interval[1:], images=n, positives=99) for n in (457, 6))
    assert said in verdict(replace(row, verdict=many))
    assert "too few images for a verdict; a verdict takes" in verdict(replace(row, verdict=few))
    assert "control that every other head" in verdict(CONTROL)


@pytest.fixture
def page(tmp_path):
    """Label 0 is ranked better than by the control, 1 worse, and 2 has too few images to tell."""
    generator = np.random.default_rng(0)
    targets = np.zeros((200, 3), np.int8)
    targets[:40, :2] = 1
    targets[: ENOUGH - 1, 2] = 1
    weak = (generator.normal(size=targets.shape) + targets).astype(np.float32)
    other = weak.copy()
    other[:, 0], other[:, 1], other[:, 2] = targets[:, 0], -targets[:, 1], targets[:, 2]
    cells = {"linear": [Cell(weak, weak, 1, 1, 1, 1)], "mlp": [Cell(other, other, 1, 1, 1, 1)]}
    path = tmp_path / "my comparison" / "report.html"
    write_report(
        path,
        (CONTROL, ROW),
        cells,
        targets,
        ("better", "worse", "<b>rare</b>"),
        split="test",
        note="40 images, preset `small`",
        environment="- command: `imlgcn compare <data>`\n- machine: a laptop",
    )
    return path.read_text(encoding="utf-8")


def test_it_names_every_head_and_where_it_gains_and_loses(page):
    assert page.count('<th scope="row">') == 2
    assert "Two linear layers with a LeakyReLU between them" in page
    gains = re.search(r"Gains most on better \(\+[\d.]+, 40 images\)", page)
    losses = re.search(r"Loses most on worse \(−[\d.]+, 40 images\)", page)
    assert gains
    assert losses
    assert "rare" not in page


def test_it_is_one_file_that_says_where_it_comes_from(page):
    assert "my comparison" in page
    assert "preset small" in page
    assert "imlgcn compare &lt;data&gt;" in page
    assert 'role="img" aria-label="mAP of 2 heads' in page
    assert not re.search(r'(?:src|href)="(?!#|data:)', page)
