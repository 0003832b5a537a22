"""A matplotlib figure as SVG that lives inside the page.

Its colours become the page's CSS variables (so it follows light and dark), its text stays text in
the page's own font, its ids are its own, and it says in words what it shows.
"""

from __future__ import annotations

import io
import re
import warnings
import xml.etree.ElementTree as ElementTree
from typing import TYPE_CHECKING

from markupsafe import Markup

from imlgcn.palette import LIGHT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VARIABLES = {colour: f"var(--{name})" for name, colour in LIGHT.items()}


def inline_svg(figure: Figure, name: str, description: str) -> Markup:
    """Return ``figure`` as one ``<svg>`` element.

    Args:
        figure: drawn in the colours of :data:`imlgcn.palette.LIGHT`.
        name: of this figure alone in its page; goes before every id.
        description: the text alternative: what a reader who does not see the figure should know.
    """
    root = ElementTree.fromstring(_draw(figure, name))
    for parent in root.iter():
        for child in list(parent):
            if _local(child.tag) == "metadata":
                parent.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {
            _local(key): _value(_local(key), value, name) for key, value in element.attrib.items()
        }
    width = float(root.attrib.pop("width").removesuffix("pt"))
    del root.attrib["height"], root.attrib["version"]
    # below this width the text could not be read: the frame around it scrolls instead
    style = f"max-width: {1.45 * width:.0f}px; min-width: {min(0.9 * width, 680):.0f}px"
    root.attrib |= {"role": "img", "aria-label": description, "style": style}
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # ElementTree escapes text


def _draw(figure: Figure, name: str) -> bytes:
    import matplotlib

    file = io.BytesIO()
    as_text = matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name})
    with as_text, warnings.catch_warnings():
        # text stays text: a letter that matplotlib's font lacks is drawn by the browser's
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return file.getvalue()


def _value(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return value.replace("#", f"#{name}-", 1)
    if key == "clip-path":
        return value.replace("url(#", f"url(#{name}-")
    if key == "style":
        value = re.sub(r"font: [^;]*?([\d.]+px)[^;]*", r"font-size: \1", value)
        value = re.sub(r"font-family: [^;]*;?", "", value)
        return re.sub(r"#[0-9a-f]{6}", lambda match: VARIABLES.get(match[0], match[0]), value)
    return value


def _local(name: str) -> str:
    return name.rpartition("}")[2]
