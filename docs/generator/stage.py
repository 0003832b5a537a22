"""Gather the pages of the site in one folder, in the form the generator takes.

Pages are written to be read in the repository as well; here the parts that come from the code are
put in, figures become part of the page, and links that leave the documentation become names.
"""

from __future__ import annotations

import posixpath
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import heads

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
# further pages, at the same place on the site as in the repository
OTHERS = ("recipes/README.md", "CHANGELOG.md", "CONTRIBUTING.md")
RESULTS = "benchmarks/results"
ASSETS = ("*.png", "*.svg", "*.css", "*.js", "*.webp")

LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
GENERATED = re.compile(r"^<!-- from the code: (\w+) -->$", re.MULTILINE)
FIGURE = re.compile(r"^!\[([^\]]*)\]\(([\w/.-]+\.svg)\)$", re.MULTILINE)
FENCE = re.compile(r"^(```.*?^```$)", re.MULTILINE | re.DOTALL)


def stage(target: Path) -> list[Path]:
    """Write all pages and their images below ``target``; return the pages."""
    shutil.rmtree(target, ignore_errors=True)
    pages = {path: site_path(path) for path in sources()}
    for path, place in pages.items():
        to = target / place
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(convert(path.read_text(encoding="utf-8"), path, pages), encoding="utf-8")
    for path in assets():
        to = target / site_path(path)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to)
    return [target / place for place in pages.values()]


def sources() -> list[Path]:
    """Return the Markdown files of the site."""
    others = [ROOT / name for name in OTHERS]
    return [*sorted(DOCS.rglob("*.md")), *others, *sorted((ROOT / RESULTS).rglob("*.md"))]


def assets() -> list[Path]:
    """Return what pages show or offer besides text."""
    found = [path for pattern in ASSETS for path in DOCS.rglob(pattern)]
    found += [path for pattern in ASSETS for path in (ROOT / RESULTS).rglob(pattern)]
    return sorted([*found, *(ROOT / "recipes").glob("*.yaml")])


def site_path(path: Path) -> Path:
    """Return where a file of the repository stands on the site."""
    return path.relative_to(DOCS if path.is_relative_to(DOCS) else ROOT)


def convert(text: str, path: Path, pages: Mapping[Path, Path]) -> str:
    """Return the text of a page as the site has it."""
    parts = FENCE.split(text)  # what is fenced stays as it is
    for number in range(0, len(parts), 2):
        part = GENERATED.sub(lambda found: heads.reference(found[1]), parts[number])
        part = FIGURE.sub(lambda found: figure(path.parent / found[2], found[1]), part)
        parts[number] = LINK.sub(lambda found: link(found, path), part)
    return "".join(parts)


def figure(path: Path, description: str) -> str:
    """Return a drawing as part of the page, so that it takes the page's colours."""
    drawing = re.sub(r"^<\?xml.*?\?>\s*", "", path.read_text(encoding="utf-8")).strip()
    lines = " ".join(line.strip() for line in drawing.splitlines())  # Markdown ends HTML at a gap
    return f'<figure class="drawing" role="img" aria-label="{description}">{lines}</figure>'


def link(found: re.Match[str], path: Path) -> str:
    """Return a link as the site has it; one that leaves the site becomes the name of the file."""
    mark, title, target = found.groups()
    place, hash_, anchor = target.partition("#")
    if not place or ":" in place:
        return found[0]
    file = Path((path.parent / place).resolve())
    inside = (DOCS, ROOT / "recipes", ROOT / RESULTS)
    on_site = file.is_file() and any(file.is_relative_to(folder) for folder in inside)
    if not (on_site or file in {ROOT / name for name in OTHERS}):
        name = file.relative_to(ROOT).as_posix()
        return title if name in title else f"{title} (`{name}`)"
    here = site_path(path).parent.as_posix()
    there = posixpath.relpath(site_path(file).as_posix(), here)
    return f"{mark}[{title}]({there}{hash_}{anchor})"
