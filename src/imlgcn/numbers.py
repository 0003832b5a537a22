"""One spelling of numbers for every reader: terminal, messages, report, page and figures.

The web page spells them alike (``serve/static/numbers.js``); a test compares the two.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal

MISSING = "–"
EXACT = Context(prec=400)  # digits: the largest float has 309


def number(value: float | None, digits: int = 1) -> str:
    """Format a number; undefined ones are a dash, and minus is a real minus sign.

    Halves are rounded away from zero, as in JavaScript.

    >>> number(61.402), number(-0.04), number(None), number(40137, 0), number(0.25)
    ('61.4', '0.0', '–', '40,137', '0.3')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    exact = Decimal(int(value) if value == int(value) else float(value))
    rounded = exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, EXACT)
    return f"{rounded if rounded else abs(rounded):,}".replace("-", "−")


def signed(value: float | None, digits: int = 1) -> str:
    """Format a difference with its sign.

    >>> signed(0.92), signed(-3.25, 2), signed(0.0)
    ('+0.9', '−3.25', '0.0')
    """
    text = number(value, digits)
    return f"+{text}" if text[0].isdecimal() and text.strip("0.") else text


def percent(fraction: float | None, digits: int = 0) -> str:
    """Format a fraction, 0 to 1, as percent, without rounding to certainty.

    >>> percent(0.956), percent(0.9999), percent(0.0004), percent(0.0), percent(0.0321, 1)
    ('96 %', '>99 %', '<1 %', '0 %', '3.2 %')
    """
    if fraction is None or not math.isfinite(fraction):
        return MISSING
    value, step = 100 * float(fraction), 10.0**-digits
    if 0 < value < step / 2:
        return f"<{number(step, digits)} %"
    if 100 - step / 2 <= value < 100:
        return f">{number(100 - step, digits)} %"
    return f"{number(value, digits)} %"


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    """Count a noun; ``nouns`` is its plural where that is not the noun with an s.

    >>> plural(1, "image"), plural(1629, "image"), plural(2, "entry", "entries")
    ('1 image', '1,629 images', '2 entries')
    """
    return f"{count:,} {noun if count == 1 else nouns or f'{noun}s'}"


def first_of(names: Sequence[str], most: int = 3) -> str:
    """List the first of some names, and count the others.

    >>> first_of(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest:,} more" if rest > 0 else "")


def shortened(text: str, most: int = 200) -> str:
    """Return a text for a message, without the middle of one that would fill the screen.

    >>> shortened("abcdefghij", most=7)
    'abc…hij'
    """
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[:half]}…{text[-half:]}"
