"""One spelling of numbers: terminal, report and web page print the same text for the same value."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import imlgcn
from imlgcn.numbers import number, percent, plural, signed

ROOT = Path(imlgcn.__file__).parent
SCRIPT = ROOT / "serve" / "static" / "numbers.js"
FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "numbers.py")
FRACTIONS = [0.0, 1e-9, 0.004, 0.0049, 0.005, 0.015, 0.125, 0.145, 0.991, 0.995, 0.9999, 1.0]
VALUES = [0.0, 0.04, 0.05, 0.25, 0.35, 2.5, 61.402, 999.95, 1234.5, 40_137, 1_234_567.89]


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0.991, "99 %"),
        (0.996, ">99 %"),
        (1.0, "100 %"),
        (0.125, "13 %"),
        (0.005, "1 %"),
        (0.0049, "<1 %"),
        (0.0, "0 %"),
        (None, "–"),
        (float("nan"), "–"),
    ],
)
def test_a_probability_below_certainty_never_prints_as_certainty(fraction, text):
    assert percent(fraction) == text


def test_decimals_move_the_bounds_of_certainty():
    found = [percent(value, 1) for value in (0.0004, 0.0005, 0.9994, 0.9996)]
    assert found == ["<0.1 %", "0.1 %", "99.9 %", ">99.9 %"]


def test_a_number_of_any_kind_and_size_is_printed():
    assert number(np.float32(0.25)) == "0.3"
    assert number(np.int64(40_137), 0) == "40,137"
    assert number(1e300, 0).startswith("1,000,000")
    assert number(float("inf")) == number(None) == "–"


def test_a_difference_shows_its_sign_unless_it_prints_as_zero():
    found = [signed(value) for value in (1234.56, 0.05, 0.04, 0.0, -0.04, -0.05, None)]
    assert found == ["+1,234.6", "+0.1", "0.0", "0.0", "0.0", "−0.1", "–"]


def test_one_is_singular():
    assert [plural(n, "image") for n in (0, 1, 2)] == ["0 images", "1 image", "2 images"]
    assert plural(1200, "entry", "entries") == "1,200 entries"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_web_page_spells_numbers_as_python_does(tmp_path):
    module = tmp_path / "numbers.mjs"
    module.write_text(SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
    fractions = FRACTIONS + [step / 997 for step in range(998)]
    values = [sign * value for value in VALUES for sign in (1, -1)]
    values += [step / 8 - 60 for step in range(998)]  # with many halves
    code = f"""
    import {{ number, percent, plural }} from {json.dumps(module.as_uri())};
    const fractions = {json.dumps(fractions)}, values = {json.dumps(values)};
    const texts = fractions.flatMap((f) => [percent(f), percent(f, 1)]);
    texts.push(...values.flatMap((v) => [number(v, 0), number(v), number(v, 2)]));
    texts.push(percent(null), number(null), number(undefined), number(NaN));
    texts.push(...[0, 1, 1629].map((n) => plural(n, "image")));
    console.log(JSON.stringify(texts));
    """
    done = subprocess.run(
        ["node", "--input-type=module", "-e", code],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    expected = [text for f in fractions for text in (percent(f), percent(f, 1))]
    expected += [text for v in values for text in (number(v, 0), number(v), number(v, 2))]
    expected += ["–"] * 4 + ["0 images", "1 image", "1,629 images"]
    assert json.loads(done.stdout) == expected


def own_spellings(text: str) -> list[str]:
    """Every f-string that formats a percentage, or a difference with its sign, by itself."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.JoinedStr):
            continue
        for value, after in zip(node.values, [*node.values[1:], None], strict=True):
            if not isinstance(value, ast.FormattedValue):
                continue
            spec = ast.unparse(value.format_spec)[2:-1] if value.format_spec else ""
            sign = isinstance(after, ast.Constant) and str(after.value).startswith((" %", "%"))
            ours = ast.unparse(value.value).startswith("number(")
            if spec.endswith("%") or spec.startswith("+") or (sign and not ours):
                found.append(ast.unparse(value))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_formats_a_percentage_or_a_difference_by_itself(path):
    assert own_spellings(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("text", ['f"{x:.0%}"', 'f"{x:.1f} %"', 'f"{round(x)}%"', 'f"{x:+.1f}"'])
def test_a_percentage_formatted_by_itself_is_found(text):
    assert own_spellings(text) != []
