"""Figures as inline SVG: in the page's colours, words and ids, whatever labels are called."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from imlgcn import views as figures
from imlgcn.labels.context import LabelContext
from imlgcn.palette import DARK, LIGHT, SERIES
from imlgcn.views.context_check import Pair, Side
from imlgcn.views.cooccurrence import CoOccurrence
from imlgcn.views.curves import Reliability
from imlgcn.views.label_graph import summarise_graph
from imlgcn.views.plane import label_plane
from imlgcn.views.svg import inline_svg

NASTY = (
    "<script>alert(1)</script>",
    "$\\frac{1",
    "#0072b2",
    'a" onload="x',
    "lin\ne\x00",
    "寿司 🍣",
)


def label_graph(names):
    chain = np.eye(len(names), dtype=np.int8) + np.eye(len(names), k=1, dtype=np.int8)
    return summarise_graph(LabelContext.from_targets(names, chain), 0.4).drawn


DRAWINGS = {
    "difference": lambda: figures.difference_figure(figures.Difference(-1.1, -3.3, 0.9)),
    "curves": lambda: figures.curve_figure(
        {"linear head": [(1, 3.0), (2, float("nan")), (3, 1.0)], "$x$": [(0, 2.0)]}, "loss"
    ),
    "reliability": lambda: figures.reliability_figure(
        Reliability(np.array([0.1, 0.8]), np.array([0.2, 0.7]), np.array([900, 3])),
        Reliability(np.array([0.4]), np.array([0.4]), np.array([903])),
    ),
    "graph": lambda: figures.graph_figure(label_graph(NASTY)),
    "heat map": lambda: figures.heat_map_figure(CoOccurrence(NASTY, np.eye(len(NASTY)) * 0.4)),
    "plane": lambda: figures.plane_figure(
        label_plane(NASTY, np.eye(len(NASTY)), np.arange(len(NASTY)))
    ),
    "context": lambda: figures.context_figure(
        [Pair(name, NASTY[0], 0.5, Side(20, 9, 80, 75), Side(9, 5, 60, 65)) for name in NASTY]
    ),
}


@pytest.mark.parametrize("labels", [2, 8, 40])
def test_no_word_of_the_heat_map_is_cut_at_its_edge(labels):
    names = tuple(f"l{number}" for number in range(labels))
    figure = figures.heat_map_figure(CoOccurrence(names, np.eye(labels) * 0.4))
    FigureCanvasAgg(figure).draw()
    whole = figure.bbox.padded(2)
    for text in figure.findobj(Text):
        corners = text.get_window_extent().corners()
        assert not text.get_text() or all(whole.contains(*c) for c in corners), text.get_text()


@pytest.mark.parametrize("name", DRAWINGS)
def test_every_figure_is_well_formed_says_what_it_shows_and_follows_the_theme(name):
    text = inline_svg(DRAWINGS[name](), name, 'what "it" shows')
    root = ElementTree.fromstring(text)
    assert root.tag == "svg"
    assert (root.get("role"), root.get("aria-label")) == ("img", 'what "it" shows')
    styles = " ".join(element.get("style", "") for element in root.iter())
    assert "var(--" in styles
    assert not re.search(r"#[0-9a-f]{6}", styles)  # every colour is a variable
    assert "font-family" not in styles
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert all(each.startswith(f"{name}-") for each in ids)
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', text)) <= set(ids)


def test_names_are_text_and_nothing_but_text():
    root = ElementTree.fromstring(inline_svg(DRAWINGS["graph"](), "graph", "x"))
    texts = ["".join(element.itertext()).strip() for element in root.iter("text")]
    assert len(texts) == len(NASTY)
    assert {"$\\frac{1", "#0072b2", 'a" onload="x', "寿司 🍣", "lin e"} <= set(texts)
    assert "<script>alert(1)</scr…" in texts  # shortened
    assert not list(root.iter("script"))


def test_the_same_figure_gives_the_same_bytes():
    first, second = (inline_svg(DRAWINGS["curves"](), "loss", "x") for _ in range(2))
    assert first == second


def test_mutual_arrows_are_bent_so_that_both_are_seen():
    pairs = np.array([[1, 1], [1, 1], [0, 1], [1, 0]], np.int8)
    drawn = summarise_graph(LabelContext.from_targets(["a", "b"], pairs), 0.4).drawn
    assert [edge.mutual for edge in drawn.edges] == [True, True]


def test_of_too_many_labels_the_pairs_on_most_images_are_drawn():
    """Label i comes with label 100 + i alone, on i + 1 images: no frequent label with another."""
    rows = np.repeat(np.eye(100, dtype=np.int8), np.arange(1, 101), axis=0)
    context = LabelContext.from_targets(list(map(str, range(200))), np.hstack([rows, rows]))
    drawn = summarise_graph(context, 0.4).drawn
    assert set(drawn.names) == {str(i) for start in (70, 170) for i in range(start, start + 30)}
    assert len(drawn.edges) == 60


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    dark, light = sorted((luminance(a), luminance(b)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_text_and_lines_stand_out_enough_in_both_themes(theme):
    for paper in ("surface", "page"):
        for text in ("ink", "muted", "tagger", "control-text"):  # links have the tagger's colour
            assert contrast(theme[text], theme[paper]) >= 4.5, (text, paper)
    for line in SERIES:
        assert contrast(theme[line], theme["surface"]) >= 3, line


def test_themes_name_the_same_colours_and_no_colour_has_two_roles():
    assert LIGHT.keys() == DARK.keys()
    assert len(set(LIGHT.values())) == len(LIGHT)


def test_importing_the_report_loads_nothing_heavy():
    heavy = ("torch", "matplotlib", "jinja2", "pyarrow", "PIL", "yaml")
    code = f"import sys, imlgcn.report; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_arrows_run_from_the_first_label_of_a_rule_to_the_second():
    targets = np.array([[1, 1]] * 3 + [[0, 1]] * 9, np.int8)
    drawn = summarise_graph(LabelContext.from_targets(["pie", "food"], targets), 0.4).drawn
    (axes,) = figures.graph_figure(drawn).axes
    (arrow,) = [patch for patch in axes.patches if hasattr(patch, "get_arrowstyle")]
    np.testing.assert_allclose(arrow._posA_posB, drawn.nodes)
