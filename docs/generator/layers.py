"""Draw the layers of the package from its real imports: docs/images/layers.svg.

python docs/generator/layers.py

One line per part in the order of docs/architecture.md, lowest layer last, with what its docstring
says it is; an arc goes down from a part to each part it imports from, bold where no other import
implies it. Text only, so that the page's colours apply.
"""

from __future__ import annotations

import ast
import re
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "imlgcn"
PAGE = ROOT / "docs" / "architecture.md"
DRAWING = ROOT / "docs" / "images" / "layers.svg"
ROW, TOP, LEFT, NAME, ARCS = 30, 24, 20, 164, 792  # pixels; ARCS: where arcs begin
STYLE = """<style>
.walk { --ink: #1f2733; --soft: #5f6a79; --line: #c3cad4; --face: #f4f6f9; --one: #2f6db3; }
@media (prefers-color-scheme: dark) {
.walk { --ink: #e8ecf2; --soft: #a3aebd; --line: #4a5566; --face: #222936; --one: #7fb3ea; } }
.walk text { fill: var(--ink); } .walk .strong { font-weight: 600; }
.walk .soft { fill: var(--soft); }
.walk .band { fill: var(--face); } .walk circle { fill: var(--one); }
.walk .arc { fill: none; stroke: var(--line); stroke-width: 1; opacity: .6; }
.walk .only { stroke: var(--one); stroke-width: 1.5; opacity: 1; }
</style>"""


def order() -> list[list[str]]:
    """Return the layers as the page lists them, lowest first; parts of a layer are equals."""
    listed = re.search(r"```text\n(parsing.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert listed, f"{PAGE} lists no layers"
    return [line.split(", ") for line in listed[1].splitlines() if line != "__main__"]


def imports() -> dict[str, set[str]]:
    """Return, for each part of the package, the other parts that it imports from anywhere."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if part in ("__init__", "__main__"):
            continue
        names = set()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        tree.body = [node for node in tree.body if not isinstance(node, ast.If)]  # TYPE_CHECKING
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
        used = {name.split(".")[1] for name in names if name.startswith("imlgcn.")}
        found.setdefault(part, set()).update(used - {part})
    return found


def implied(arrows: dict[str, set[str]]) -> set[tuple[str, str]]:
    """Return the imports that follow from others: a uses b, and something else a uses reaches b."""

    def reached(part: str) -> set[str]:
        below = arrows.get(part, set())
        return below.union(*(reached(other) for other in below)) if below else set()

    return {
        (part, other)
        for part, used in arrows.items()
        for other in used
        if any(other in reached(between) for between in used - {other})
    }


def summary(part: str) -> str:
    """Return what a part says it is: the first sentence of its docstring."""
    file = PACKAGE / part / "__init__.py" if (PACKAGE / part).is_dir() else PACKAGE / f"{part}.py"
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return re.sub(r"[`]+", "", text.split("\n\n")[0].replace("\n", " ")).rstrip(".")


def draw() -> str:
    """Return the drawing as SVG."""
    layers = order()[::-1]
    rows = {part: row for row, part in enumerate(part for layer in layers for part in layer)}
    known = {part: used & set(rows) for part, used in imports().items() if part in rows}
    follows = implied(known)
    width, height = ARCS + 250, TOP + ROW * len(rows) + 12
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="system-ui, sans-serif" font-size="14">',
        STYLE,
        '<g class="walk">',
    ]
    for number, layer in enumerate(layers):
        top = TOP + ROW * rows[layer[0]] - 15
        if number % 2:
            lines.append(
                f'<rect class="band" x="8" y="{top}" width="{ARCS - 20}" '
                f'height="{ROW * len(layer)}" rx="4"/>'
            )
    for part, row in rows.items():
        y = TOP + ROW * row
        lines.append(f'<text class="strong" x="{LEFT}" y="{y + 5}">{part}</text>')
        words = escape(summary(part))
        lines.append(f'<text class="soft" x="{NAME}" y="{y + 5}" font-size="12.5">{words}</text>')
        lines.append(f'<circle cx="{ARCS}" cy="{y}" r="3.2"/>')
    arcs = [(part, other) for part in sorted(known) for other in sorted(known[part])]
    for part, other in sorted(arcs, key=lambda arc: arc not in follows):
        start, end = TOP + ROW * rows[part], TOP + ROW * rows[other]
        reach = ARCS + 18 + 2.2 * abs(end - start) ** 0.76
        kind = "arc" if (part, other) in follows else "arc only"
        lines.append(
            f'<path class="{kind}" d="M{ARCS} {start}C{reach:.0f} {start} {reach:.0f} {end} '
            f'{ARCS} {end}"/>'
        )
    return "\n".join([*lines, "</g>", "</svg>", ""])


if __name__ == "__main__":
    DRAWING.write_text(draw(), encoding="utf-8")
