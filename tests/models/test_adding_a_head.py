"""docs/adding-a-head.md: its files run, its numbers hold, its head trains like any other."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from imlgcn.config import HeadTraining
from imlgcn.losses import create_loss
from imlgcn.models.counting import count_system
from imlgcn.models.heads import HEADS, Head, create_head
from imlgcn.models.scorer import Scorer
from imlgcn.official.systems import System

PAGE = (Path(__file__).parents[2] / "docs" / "adding-a-head.md").read_text(encoding="utf-8")
IN_CHANNELS = 12


@pytest.fixture(autouse=True)
def _registered(monkeypatch, page_head):
    monkeypatch.setitem(HEADS, "wildcat", page_head)


def test_the_line_registers_the_class_of_the_file(page_head):
    (line,) = re.findall(r'^```python\n    ("wildcat": \w+,)\n```$', PAGE, re.MULTILINE)
    assert eval(f"{{{line}}}", {page_head.__name__: page_head}) == {"wildcat": page_head}


def test_the_table_explains_every_attribute_of_a_head():
    rows = re.findall(r"^\| `(\w+)(?:\(.*?\))?` \| ", PAGE, re.MULTILINE)
    own = {name for base in (Head, Scorer) for name in {*vars(base), *base.__annotations__}}
    assert set(rows) == {name for name in own if not name.startswith("_")} - {"forward"}


def test_the_tests_of_the_page_pass(page_module, labels):
    module = page_module("tests/models/test_wildcat.py")
    tests = [test for name, test in vars(module).items() if name.startswith("test_")]
    assert len(tests) == 5
    for test in tests:
        test(labels)


def official_numbers(maps=8, num_labels=3, share=0.2, alpha=0.7) -> dict[str, np.ndarray]:
    """Return random weights in the published layout, and logits by a loop over channels."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((2, 6, 3, 4)).astype(np.float32)
    weight = rng.standard_normal((num_labels * maps, 6, 1, 1)).astype(np.float32)
    bias = rng.standard_normal(num_labels * maps).astype(np.float32)
    logits = np.zeros((2, num_labels), np.float32)
    kept = round(share * 12)
    for image, label in np.ndindex(logits.shape):
        channels = range(label * maps, (label + 1) * maps)
        scored = [np.tensordot(weight[c, :, 0, 0], features[image], 1) + bias[c] for c in channels]
        scores = np.sort(np.mean(scored, axis=0).ravel())
        logits[image, label] = (scores[-kept:].mean() + alpha * scores[:kept].mean()) / 2
    arrays = {"classifier.0.weight": weight, "classifier.0.bias": bias, "features.0.weight": bias}
    return {"features": features, "logits": logits} | {f"w/{k}": v for k, v in arrays.items()}


def test_the_golden_test_passes_on_numbers_in_the_published_layout(page_module, tmp_path):
    (tmp_path / "golden").mkdir()
    np.savez_compressed(tmp_path / "golden" / "head_wildcat.npz", **official_numbers())
    page_module("src/imlgcn/official/convert/wildcat.py")
    place = str(tmp_path / "models" / "test_golden_wildcat.py")
    page_module("tests/models/test_golden_wildcat.py", place).test_golden_wildcat()


@pytest.mark.parametrize("folded", [False, True])
def test_the_row_and_the_counts_of_the_page_are_right(folded):
    (row,) = re.findall(r"^```python\n(System\(.*?^\))$", PAGE, re.MULTILINE | re.DOTALL)
    system = eval(row, {"System": System})
    total = count_system(system.head, system.backbone, 80, options=system.options, folded=folded)
    counts = re.search(r"counts ([\d,]+) parameters, with\s+`--folded` ([\d,]+)\.", PAGE)
    assert counts[1 + folded] == f"{total['total']:,}"
    assert system.note


def test_a_moment_of_training_lowers_the_loss(page_head, labels):
    """As the page's TRAINING has it, with dropout, on features that tell the labels."""
    training = HeadTraining(**page_head.TRAINING["small"])
    head = create_head("wildcat", IN_CHANNELS, labels).train()
    features = torch.randn(64, IN_CHANNELS, 2, 2)
    targets = (features.mean((2, 3))[:, :5] > 0).float()
    criterion = create_loss("asymmetric", reduction="batch")
    rate, decay = training.learning_rate, training.weight_decay
    optimizer = torch.optim.AdamW(head.parameters(), rate, weight_decay=decay)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        losses.append(head.loss(features, targets, criterion))
        losses[-1].backward()
        optimizer.step()
    assert torch.stack(losses[-5:]).mean() < 0.75 * losses[0]


def test_the_command_line_of_the_page_trains_it_beside_the_control(cli, tmp_path, shapes, weights):
    (command,) = re.findall(r"^imlgcn (train openclipart .*)$", PAGE, re.MULTILINE)
    arguments = command.split()
    arguments[1] = str(shapes)
    arguments[arguments.index("--out") + 1] = str(tmp_path / "run")
    tiny = ["--backbone", "test_efficientnet", "--weights", weights, "--size", 64, "--epochs", 2]
    found = cli(*arguments, *tiny)
    assert found.code == 0, found.err
    assert "control: linear" in found.out
    assert "wildcat" in (tmp_path / "run" / "model.json").read_text()


def test_the_page_names_only_settings_there_are(page_head):
    for stage, key in re.findall(r"--set (head_options|graph)\.(\w+)=", PAGE):
        known = HeadTraining.model_fields if stage == "graph" else inspect.signature(page_head)
        assert key in getattr(known, "parameters", known)
