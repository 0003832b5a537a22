"""The colours of the report, once for light and once for dark; figures and page share them.

Data colours are those of Okabe & Ito, which colour-blind readers can tell apart
(https://jfly.uni-koeln.de/color/). Orange and sky blue are too pale on white and blue is too dark
on black, so the two themes take different ones for the same role.
"""

from __future__ import annotations

LIGHT = {
    "ink": "#17202a",
    "muted": "#55606c",
    "line": "#dde2e7",
    "surface": "#fefefe",
    "page": "#f4f6f8",
    "tagger": "#0072b2",  # blue
    "control": "#d55e00",  # vermilion
    "control-text": "#b34e00",  # the same, dark enough for letters
    "third": "#009e73",  # bluish green
    "fourth": "#c46a9b",  # reddish purple, a little darker for white paper
}
DARK = {
    "ink": "#e7ebef",
    "muted": "#9fabb6",
    "line": "#2d3741",
    "surface": "#181f26",
    "page": "#10151a",
    "tagger": "#56b4e9",  # sky blue
    "control": "#e69f00",  # orange
    "control-text": "#e6a010",
    "third": "#1fb58c",
    "fourth": "#cc79a7",
}
SERIES = ("tagger", "control", "third", "fourth")  # in the order lines are drawn


def css_variables(theme: dict[str, str]) -> str:
    """Return a theme as CSS declarations.

    >>> css_variables({"ink": "#17202a"})
    '--ink: #17202a;'
    """
    return " ".join(f"--{name}: {colour};" for name, colour in theme.items())
