"""Docstrings as Markdown: the code writes formulas, names and examples as Sphinx does.

Used twice: by the pages on heads, and as an extension of griffe by the reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

import griffe

ROLE = re.compile(r":(?:class|func|meth|attr|data|mod|exc):`~?([^`]+)`")
MATH = re.compile(r":math:`([^`]+)`")
CODE = re.compile(r"(?<!`)``(?!`)")
DIRECTIVE = ".. math::"


def to_markdown(text: str) -> str:
    r"""Return a docstring without its indentation as Markdown.

    >>> to_markdown("Scale ``v`` by :math:`\\sqrt C`; see :class:`~imlgcn.models.heads.base.Head`.")
    'Scale `v` by $\\sqrt C$; see `Head`.'
    >>> to_markdown(".. math:: y = x\n\n>>> 1 + 1\n2")
    '$$\ny = x\n$$\n\n```pycon\n>>> 1 + 1\n2\n```'
    """
    text = "\n".join(_blocks(text.splitlines()))
    text = MATH.sub(lambda found: f"${' '.join(found[1].split())}$", text)
    text = ROLE.sub(lambda found: f"`{_last_name(found[1])}`", text)
    return CODE.sub("`", text)


def _blocks(lines: list[str]) -> Iterator[str]:
    """Yield the lines with formulas between dollars, examples fenced, shapes as a list."""
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if line.startswith(DIRECTIVE):
            body = _indented(lines[number:])
            number += len(body)
            formula = " ".join(" ".join([line.removeprefix(DIRECTIVE), *body]).split())
            yield from ("$$", formula, "$$", "")
        elif line.startswith(">>> "):
            body = list(takewhile(str.strip, lines[number:]))
            number += len(body)
            yield from ("```pycon", line, *body, "```")
        elif line == "Shape:":
            body = _indented(lines[number:])
            number += len(body)
            yield from ("**Shapes**", "", *(row.strip() for row in body))
        else:
            yield line


def _indented(lines: list[str]) -> list[str]:
    """Return the lines up to the first that starts at the margin; blank ones do not count."""
    return list(takewhile(lambda line: not line or line[0] == " ", lines))


def _last_name(role: str) -> str:
    """Return what to print of a role: its title, or the last part of the name.

    >>> _last_name("imlgcn.labels.graph.build_adjacency"), _last_name("here <a.b>")
    ('build_adjacency', 'here')
    """
    title, _, _ = role.partition(" <")
    return title.rsplit(".", 1)[-1]


class AsMarkdown(griffe.Extension):
    """Rewrites every docstring that griffe loads."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Replace the text of one object."""
        if obj.docstring is not None:
            obj.docstring.value = to_markdown(obj.docstring.value)
