"""One spelling of numbers for every reader: terminal, report, page and figures."""

from __future__ import annotations

import math

MISSING = "–"


def number(value: float | None, digits: int = 1) -> str:
    """Format a number for a reader; undefined ones are a dash, and minus is a real minus sign.

    >>> number(61.402), number(-0.04), number(None), number(40137, 0)
    ('61.4', '0.0', '–', '40,137')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    rounded = round(value, digits) + 0.0  # + 0.0 turns -0.0 into 0.0
    return f"{rounded:,.{digits}f}".replace("-", "−")


def signed(value: float, digits: int = 1) -> str:
    """Format a difference with its sign.

    >>> signed(0.92), signed(-3.25, 2), signed(0.0)
    ('+0.9', '−3.25', '0.0')
    """
    text = number(value, digits)
    return f"+{text}" if value > 0 and float(text) else text


def plural(count: int, noun: str) -> str:
    """Count a noun.

    >>> plural(1, "image"), plural(1629, "image")
    ('1 image', '1,629 images')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def percent(share: float) -> str:
    """Return a share as percent, without rounding to certainty.

    >>> percent(0.956), percent(0.9999), percent(0.0004), percent(0.0)
    ('96 %', '>99 %', '<1 %', '0 %')
    """
    if 0.995 <= share < 1:
        return ">99 %"
    if 0 < share < 0.005:
        return "<1 %"
    return f"{100 * share:.0f} %"
