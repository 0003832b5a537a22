"""The blocks of code in the documentation, and the lines of a shell block."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^( *)```(\w+)([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
RUN = ("sh", "console", "python", "pycon")
OTHER = ("text", "csv", "json", "yaml", "http")  # what a reader sees, not what a reader types
NEEDS = re.compile(r'title="needs ([^"]+)"')


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, where it stands, and what it cannot run without."""

    language: str
    text: str
    line: int
    needs: str | None


def pages() -> list[Path]:
    """Return the files whose code a reader may type."""
    more = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "recipes" / "README.md")
    return [path for path in (*more, *sorted((ROOT / "docs").rglob("*.md"))) if path.is_file()]


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page that name their language."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in BLOCK.finditer(text):
        indent, language, info, body = match.groups()
        needs = NEEDS.search(info)
        lines = [line.removeprefix(indent) for line in body.splitlines()]
        number = text.count("\n", 0, match.start()) + 1
        found.append(Block(language, "\n".join(lines), number, needs and needs[1]))
    return found


def commands(block: Block) -> list[list[str]]:
    """Return the commands of a shell block as words; in a console they follow a dollar.

    >>> commands(Block("sh", "make x  # why\\nls \\\\\\n  a 'b c'", 1, None))
    [['make', 'x'], ['ls', 'a', 'b c']]
    """
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language == "console":
        lines = [line[2:] for line in lines if line.startswith("$ ")]
    words = [shlex.split(line, comments=True) for line in lines]
    return [line for line in words if line]
