"""A Markdown extension that writes TeX as MathML, so that pages need no script for formulas.

``$...$`` stands in the line, ``$$...$$`` in a paragraph of its own. Lines of a block that are
aligned with ``&`` and end with two back-slashes stay aligned.
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert
from markdown import Extension, Markdown
from markdown.blockprocessors import BlockProcessor
from markdown.inlinepatterns import InlineProcessor

# as in pandoc: no space inside the dollars and no digit after them, so that prices stay prices
INLINE = r"(?<![\\$\w])\$(?=\S)([^$]*?\S)\$(?![\d$])"


def to_mathml(tex: str, *, block: bool = False) -> str:
    """Return MathML of a formula.

    >>> to_mathml("x").partition(" display=")[2]
    '"inline"><mrow><mi>x</mi></mrow></math>'
    """
    tex = " ".join(tex.split())
    if block and "&" in tex:
        tex = rf"\begin{{align*}}{tex}\end{{align*}}"
    return str(convert(tex, display="block" if block else "inline"))


class _Inline(InlineProcessor):
    def handleMatch(self, m: re.Match[str], data: str) -> tuple[str, int, int]:  # type: ignore[override]  # noqa: N802
        return self.md.htmlStash.store(to_mathml(m[1])), m.start(0), m.end(0)


class _Block(BlockProcessor):
    def test(self, parent: Element, block: str) -> bool:
        return block.startswith("$$")

    def run(self, parent: Element, blocks: list[str]) -> bool:
        taken = []
        for number, block in enumerate(blocks):
            taken.append(block)
            if block.rstrip().endswith("$$") and (number or len(block.strip()) > 2):
                del blocks[: number + 1]
                tex = "\n".join(taken).strip().strip("$")
                paragraph = Element("div", {"class": "formula"})
                paragraph.text = self.parser.md.htmlStash.store(to_mathml(tex, block=True))
                parent.append(paragraph)
                return True
        return False  # never closed: plain text


class MathsExtension(Extension):
    """Formulas between dollars."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802
        """Register both forms: after code (190), before emphasis and escapes."""
        md.inlinePatterns.register(_Inline(INLINE, md), "maths", 186)
        md.parser.blockprocessors.register(_Block(md.parser), "maths_block", 110)


def makeExtension(**options: Any) -> MathsExtension:  # noqa: N802
    """Return the extension; Markdown calls it by this name."""
    return MathsExtension(**options)
