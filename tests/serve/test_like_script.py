"""The page's script sorts images by their scores as NumPy does."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import imlgcn

STATIC = Path(imlgcn.__file__).parent / "serve" / "static"

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


@pytest.fixture
def order(tmp_path):
    """Return a function that gives the places of the items, most alike first."""
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for path in STATIC.glob("*.js"):
        shutil.copy(path, tmp_path)

    def node(items: list[dict[str, object]], place: int) -> list[int]:
        file = tmp_path / "test.js"
        file.write_text(
            f"""
            import {{ likeness }} from "./like.js";
            const items = {json.dumps(items)};
            const order = likeness(items, items[{place}]);
            console.log(JSON.stringify(order.map((item) => items.indexOf(item))));
            """,
            encoding="utf-8",
        )
        done = subprocess.run(["node", file], capture_output=True, encoding="utf-8", timeout=60)
        assert done.returncode == 0, done.stderr
        found: list[int] = json.loads(done.stdout)
        return found

    return node


def item(logits=None, free=None):
    """Return an item as store.js has it: with logits, only probabilities, or neither."""
    free = free if logits is None else [0.5] * len(logits)
    return {"probabilities": free, "free": free, "logits": logits}


def test_the_order_is_that_of_the_cosine_of_centred_scores(order):
    scores = np.random.default_rng(1).normal(loc=(-9, 2, 0, -4), scale=(1, 2, 3, 1), size=(30, 4))
    centred = scores - scores.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    expected = np.argsort(-(unit @ unit[7]), kind="stable").tolist()
    assert expected[0] == 7
    assert order([item(row) for row in scores.tolist()], 7) == expected
    odds = [item(free=row) for row in (1 / (1 + np.exp(-scores))).tolist()]
    assert order(odds, 7) == expected


def test_the_image_is_first_before_its_copies_and_those_without_scores_are_last(order):
    one, other = item([3.0, -1.0]), item([-2.0, 0.5])
    assert order([item(), one, other, item(), one | {}, one | {}], 4) == [4, 1, 5, 2, 0, 3]


def test_scores_that_say_nothing_keep_the_order_they_came_in(order):
    assert order([item([1.0, 2.0]) for _ in range(4)], 2) == [2, 0, 1, 3]
    certain = [item(free=[1.0, 0.0]), item(free=[0.0, 1.0]), item(free=[1.0, 0.0])]
    assert order(certain, 2) == [2, 0, 1]
