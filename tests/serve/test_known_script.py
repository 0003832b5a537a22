"""The page's script moves labels by known ones as Python does, and says why."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import imlgcn
from imlgcn.labels import LabelContext
from imlgcn.labels.known import KnownLabels, PairCounts
from imlgcn.metrics.known_calibration import KnownCalibration

STATIC = Path(imlgcn.__file__).parent / "serve" / "static"
NAMES = ["sea", "beach", "city", "dog", "rare"]
SETTINGS = {"beta": 0.9, "surprise": 0.3, "smoothing": 5.0}
PAIRS = {"slope": [1.1, 0.9, 0.7, 0.5], "offset": [0.25, -1.5, -2.5, -2.75]}

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def targets(unknown: bool) -> np.ndarray:
    generator = np.random.default_rng(3)
    drawn = (generator.random((80, 5)) < (0.4, 0.3, 0.3, 0.2, 0.0)).astype(np.int8)
    drawn[:, 1] |= drawn[:, 0] & (generator.random(80) < 0.8)
    drawn[:, 2] &= 1 - drawn[:, 0]
    return (
        np.where(generator.random((80, 5)) < 0.2, -1, drawn).astype(np.int8) if unknown else drawn
    )


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a script which imports the page's module, and reads its JSON."""
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for name in ("known.js", "numbers.js"):
        shutil.copy(STATIC / name, tmp_path / name)

    def node(counts: PairCounts, code: str):
        facts = SETTINGS | PAIRS | json.loads(counts.to_text())
        start = f"""
        import {{ makeUpdate, probabilities, why }} from "./known.js";
        const update = await makeUpdate({json.dumps(facts)}, {json.dumps(NAMES)});
        """
        file = tmp_path / "test.js"
        file.write_text(start + code, encoding="utf-8")
        done = subprocess.run(["node", file], capture_output=True, encoding="utf-8", timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return node


@pytest.mark.parametrize("unknown", [False, True], ids=["complete", "unknown"])
def test_the_script_gives_the_probabilities_of_python(run, unknown):
    counts = PairCounts.from_context(LabelContext.from_targets(NAMES, targets(unknown)))
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(60, 5)) * 4
    logits[0] = (40, -40, 0, 300, -300)
    known = generator.integers(-1, 2, (60, 5)).astype(np.int8)
    known[1] = -1
    answers = [
        [[int(j), int(row[j])] for j in generator.permutation(np.flatnonzero(row >= 0))]
        for row in known
    ]
    found = run(
        counts,
        f"""
        const logits = {json.dumps(logits.tolist())}, answers = {json.dumps(answers)};
        const rows = logits.map((row, i) => probabilities(update, row, new Map(answers[i])));
        console.log(JSON.stringify(rows));
        """,
    )
    ranked = KnownLabels(counts, **SETTINGS).update(logits, known)
    calibration = KnownCalibration(np.array(PAIRS["slope"]), np.array(PAIRS["offset"]))
    expected = np.where(known >= 0, known, calibration.apply(ranked, known))
    told = (known >= 0).any(axis=1)  # with no answer the page shows the server's own numbers
    np.testing.assert_allclose(np.array(found)[told], expected[told], rtol=1e-9, atol=1e-12)


def test_the_words_say_which_images_show_it(run):
    drawn = targets(unknown=False)
    counts = PairCounts.from_context(LabelContext.from_targets(NAMES, drawn))
    found = run(
        counts,
        """
        const said = (pairs, c) => why(update, [0, 0, 0, 0, 0], new Map(pairs), c);
        console.log(JSON.stringify([
          said([[0, 1]], 1), said([[0, 1]], 2), said([[0, 0]], 1), said([[0, 1]], 0),
          said([], 1), said([[3, 0], [0, 1]], 1),
        ]));
        """,
    )
    sea = drawn[:, 0] == 1

    def percent(rows, label):
        return f"{round(100 * float(drawn[rows, label].mean()))} %"

    raised, lowered, without, same, nothing, strongest = found
    assert raised == {
        "raises": True,
        "text": f"sea raises beach: {percent(sea, 1)} of images with sea show it, "
        f"{percent(~sea, 1)} of the others",
    }
    assert lowered["text"].startswith("sea lowers city: 0 % of images with sea show it, ")
    assert without["text"] == (
        f"no sea lowers beach: {percent(~sea, 1)} of images without sea show it, "
        f"{percent(sea, 1)} of the others"
    )
    assert (same, nothing) == (None, None)
    assert strongest["text"] == raised["text"]
