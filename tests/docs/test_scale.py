"""The arithmetic of the page on scale: formulas give their results, rates stand in their files."""

import re

import pytest

from page_blocks import ROOT

PAGE = ROOT / "docs" / "scale.md"
SUM = re.compile(r"`([\d_.e]+(?: [\d_.e+*/()% -]+)|\([\d_.e+*/() -]+)` = \$?([\d,]+(?:\.\d+)?)")
RATE = re.compile(r"^\| [^|]+ \| ([\d.,]+) \| `[^`]+` \| \[[^]]+\]\((\S+)\) \|$", re.MULTILINE)

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the page is not here")


@pytest.fixture(scope="module")
def text():
    return PAGE.read_text(encoding="utf-8")


def agrees(formula, result):
    """Return whether a formula gives the result, to the digits that are shown."""
    value = eval(formula, {"__builtins__": {}})  # digits and signs alone, by the pattern
    shown = result.replace(",", "")
    digits = len(shown.partition(".")[2])
    return abs(value - float(shown)) <= 0.5000001 * 10**-digits


def test_every_formula_gives_the_result_behind_it(text):
    found = SUM.findall(text)
    assert len(found) > 25
    assert not [f"{formula} = {result}" for formula, result in found if not agrees(formula, result)]


def test_no_formula_is_without_its_result(text):
    sums = [
        code for code in re.findall(r"`([^`]+)`", text) if re.fullmatch(r"[\d_.e+*/() -]+", code)
    ]
    assert sums == [formula for formula, _ in SUM.findall(text)]


def test_a_wrong_result_is_seen():
    assert agrees("9e6 / 126 * 2 / 3600", "39.7")
    assert not agrees("9e6 / 126 * 2 / 3600", "39.8")
    assert not agrees("1e9 / 135.6 * 2 / 3600", "4,098")


def test_every_rate_stands_in_the_file_that_it_comes_from(text):
    rates = RATE.findall(text)
    assert len(rates) == text.split("## The rates")[1].split("\n\n")[1].count("\n") - 1
    for rate, file in rates:
        assert re.search(
            rf"(?<![\d.]){re.escape(rate)}(?![\d.]*\d)", (PAGE.parent / file).read_text()
        ), rate
