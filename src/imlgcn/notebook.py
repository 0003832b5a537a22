"""What objects show of themselves in a notebook: small HTML without scripts, links or files.

A card has its own surface in the colours of the report, dark where the notebook is dark:
JupyterLab, VS Code and Colab say so in attributes of the page, others leave it to the system. All
text is escaped; images are data within the HTML.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import NamedTuple

from markupsafe import Markup
from PIL import Image

from imlgcn.numbers import percent, plural
from imlgcn.palette import DARK, LIGHT, css_variables

MOST = 12  # bars of a card
QUALITY = 82  # of JPEGs

IS_DARK = (
    '[data-jp-theme-light="false"] .imlgcn, .vscode-dark .imlgcn, html[theme="dark"] .imlgcn, '
    '[data-theme="dark"] .imlgcn'
)
BY_SYSTEM = (
    'html:not([theme="light"]):not([data-theme="light"]) '
    'body:not([data-jp-theme-light="true"]):not(.vscode-light) .imlgcn'
)
STYLE = f"""<style>
.imlgcn {{ {css_variables(LIGHT)} color-scheme: light; }}
{IS_DARK} {{ {css_variables(DARK)} color-scheme: dark; }}
@media (prefers-color-scheme: dark) {{
{BY_SYSTEM} {{ {css_variables(DARK)} color-scheme: dark; }} }}
.imlgcn {{ box-sizing: border-box; max-width: 46rem; padding: 0.9rem 1.1rem 1rem;
  border: 1px solid var(--line); border-radius: 10px; background: var(--surface);
  color: var(--ink); font: 14px/1.45 system-ui, sans-serif; }}
.imlgcn * {{ box-sizing: border-box; margin: 0; padding: 0; }}
.imlgcn .head {{ font-weight: 650; font-size: 15px; overflow-wrap: anywhere; }}
.imlgcn .sub, .imlgcn .note {{ color: var(--muted); font-size: 12.5px; overflow-wrap: anywhere; }}
.imlgcn .sides {{ display: flex; flex-wrap: wrap; align-items: flex-start; gap: 1.1rem;
  margin-top: 0.7rem; }}
.imlgcn .side {{ flex: 1 1 16rem; min-width: 0; }}
.imlgcn img {{ display: block; border-radius: 6px; border: 1px solid var(--line); }}
.imlgcn .bar {{ display: grid; grid-template-columns: minmax(5rem, 9rem) 1fr 3.2rem;
  gap: 0.7rem; align-items: center; padding: 2px 0; }}
.imlgcn .name {{ overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }}
.imlgcn .faint {{ color: var(--muted); }}
.imlgcn .track {{ position: relative; height: 10px; border-radius: 5px; background: var(--line); }}
.imlgcn .fill {{ height: 100%; border-radius: 5px; background: var(--tagger); }}
.imlgcn .faint + .track .fill {{ background: var(--muted); opacity: 0.55; }}
.imlgcn .mark {{ position: absolute; top: -3px; bottom: -3px; width: 2px; margin-left: -1px;
  background: var(--ink); }}
.imlgcn .value {{ text-align: right; font-variant-numeric: tabular-nums; }}
.imlgcn .tiles {{ display: flex; flex-wrap: wrap; gap: 0.4rem 1.8rem; margin-top: 0.7rem; }}
.imlgcn .tile b {{ display: block; font-size: 21px; font-weight: 600; color: var(--tagger);
  font-variant-numeric: tabular-nums; line-height: 1.2; }}
.imlgcn .tile span {{ color: var(--muted); font-size: 12.5px; }}
.imlgcn .chips {{ display: flex; flex-wrap: wrap; gap: 0.3rem; margin-top: 0.7rem; }}
.imlgcn .chip {{ padding: 0.05rem 0.55rem; border-radius: 999px; border: 1px solid var(--line);
  background: var(--page); font-size: 12.5px; overflow-wrap: anywhere; }}
.imlgcn .for {{ color: var(--tagger); }}
.imlgcn .against {{ color: var(--control-text); }}
</style>"""


class Bar(NamedTuple):
    """A fraction from 0 to 1 with a name; a threshold is marked, and what is below it is pale."""

    name: str
    value: float
    threshold: float | None = None


def card(title: str, sub: str, *parts: Markup) -> str:
    """Return a card: a title, a line below it, and parts that are HTML already."""
    frame = Markup(
        '<div class="imlgcn"><div class="head">{}</div><div class="sub">{}</div>{}</div>'
    )
    return STYLE + str(frame.format(title, sub, Markup("").join(parts)))


def bars(rows: Sequence[Bar], *, most: int = MOST) -> Markup:
    """Return a bar for each of the first rows, and how many there are besides.

    >>> "&lt;b&gt;" in bars([Bar("<b>", 0.5)])
    True
    """
    shown = [_bar(row) for row in rows[:most]]
    if more := len(rows) - most if len(rows) > most else 0:
        shown.append(Markup('<div class="note">and {} more</div>').format(more))
    return Markup('<div class="side">{}</div>').format(Markup("").join(shown))


def _bar(row: Bar) -> Markup:
    value = min(max(row.value, 0.0), 1.0)
    faint = row.threshold is not None and row.value < row.threshold
    mark = Markup("")
    limit = ""
    if row.threshold is not None:
        at = 100 * min(max(row.threshold, 0.0), 1.0)
        mark = Markup('<div class="mark" style="left:{:.1f}%"></div>').format(at)
        limit = f", threshold {percent(row.threshold)}"
    return Markup(
        '<div class="bar" title="{name}: {shown}{limit}"><div class="name{faint}">{name}</div>'
        '<div class="track"><div class="fill" style="width:{width:.1f}%"></div>{mark}</div>'
        '<div class="value">{shown}</div></div>'
    ).format(
        name=row.name,
        shown=percent(row.value),
        limit=limit,
        faint=" faint" if faint else "",
        width=100 * value,
        mark=mark,
    )


def tiles(values: Iterable[tuple[str, str]]) -> Markup:
    """Return numbers in large type, each over what it is: pairs of the number and its name."""
    tile = Markup('<div class="tile"><b>{}</b><span>{}</span></div>')
    return Markup('<div class="tiles">{}</div>').format(
        Markup("").join(tile.format(*each) for each in values)
    )


def chips(names: Sequence[str], *, most: int = 24) -> Markup:
    """Return names in a row of chips, and how many there are besides."""
    shown = [
        *names[:most],
        *([f"and {plural(len(names) - most, 'more', 'more')}"] * (len(names) > most)),
    ]
    chip = Markup('<span class="chip">{}</span>')
    return Markup('<div class="chips">{}</div>').format(
        Markup("").join(chip.format(name) for name in shown)
    )


def note(text: str) -> Markup:
    """Return a line of small text."""
    return Markup('<div class="note" style="margin-top:0.5rem">{}</div>').format(text)


def sides(*parts: Markup) -> Markup:
    """Return parts beside each other, below each other where there is no room."""
    return Markup('<div class="sides">{}</div>').format(Markup("").join(parts))


def picture(
    image: Image.Image | bytes, words: str, width: int, *, quality: int = QUALITY
) -> Markup:
    """Return an image, or the WebP that is its bytes, as data; ``words`` say what it shows."""
    kind = "webp"
    if isinstance(image, bytes):
        data = image
    else:
        kind = "jpeg"
        file = BytesIO()
        image.convert("RGB").save(file, "JPEG", quality=quality)
        data = file.getvalue()
    return Markup('<img src="data:image/{};base64,{}" alt="{}" width="{}">').format(
        kind, b64encode(data).decode(), words, width
    )
