"""The figure of an explanation: what it shows, and what its file says in words."""

from __future__ import annotations

import pytest
from PIL import Image

from imlgcn.explanation import explain
from imlgcn.explanation.figure import explanation_figure, save_figure


def words(figure):
    own = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        own += [text.get_text() for text in (*axes.texts, *axes.get_yticklabels())]
    return own


@pytest.fixture
def photo(shapes):
    return shapes.parent / "03.png"


def drawn(tagger, photo, labels=None):
    explanation = explain(tagger, photo, labels)
    with Image.open(photo) as image:
        return explanation, explanation_figure(explanation, image.convert("RGB"))


def test_every_explained_label_has_its_map_its_numbers_and_its_neighbours(tagger, photo):
    explanation, figure = drawn(tagger, photo, ["red", "dark"])
    shown = words(figure)
    for label in explanation.labels:
        assert label.label in shown
        for neighbour in label.graph.neighbours[:2]:
            assert neighbour.label in shown
    assert shown.count("Through the label graph") == len(explanation.labels)
    pictures = [axes for axes in figure.axes if axes.images]
    assert len(pictures) == 1 + len(explanation.labels) + 1, "the image, the maps, the legend"


def test_the_scores_show_every_threshold_and_the_score_without_the_graph(tagger, photo):
    explanation, figure = drawn(tagger, photo)
    (scores,) = [axes for axes in figure.axes if axes.get_xlim() == (0, 1)]
    assert len(scores.patches) == len(explanation.names)
    lines = {tuple(line.get_xdata()) for line in scores.lines}
    for threshold in explanation.thresholds:
        assert (threshold, threshold) in lines
    alone = {x[0] for x in lines if len(x) == 1}
    assert alone == set(explanation.without_graph)


@pytest.mark.parametrize("head", ["linear", "c_tran", "kggr"])
def test_figures_of_other_heads_have_only_what_those_can_say(head, untrained, photo, tmp_path):
    explanation, figure = drawn(untrained(head), photo)
    save_figure(figure, explanation, tmp_path / "a.png")
    graph = "Through the label graph" in words(figure)
    assert graph == (explanation.without_graph is not None) == (head == "kggr")


@pytest.mark.parametrize("size", [(3, 400), (400, 3), (1, 1)])
def test_images_of_any_shape_are_drawn(size, tagger, tmp_path):
    image = Image.new("RGB", size, "red")
    explanation = explain(tagger, image)
    save_figure(explanation_figure(explanation, image), explanation, tmp_path / "a.png")
    assert Image.open(tmp_path / "a.png").width > 500


def test_names_are_shown_as_they_are(untrained, tmp_path):
    """No mathematics, no line breaks, and not wider than their column."""
    names = ("a$x_1$", "line\nbreak", "l" * 90)
    tagger = untrained("linear", names)
    image = Image.new("RGB", (40, 30), "red")
    explanation = explain(tagger, image, names)
    figure = explanation_figure(explanation, image)
    save_figure(figure, explanation, tmp_path / "a.svg")
    assert {"a$x_1$", "line break", "l" * 23 + "…"} <= set(words(figure))


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
@pytest.mark.thorough
def test_the_file_holds_the_explanation_in_words(suffix, tagger, photo, tmp_path):
    explanation, figure = drawn(tagger, photo, ["red"])
    path = tmp_path / f"why{suffix}"
    save_figure(figure, explanation, path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    if suffix == ".png":
        assert Image.open(path).text["Description"].startswith("red: ")
    if suffix == ".svg":
        assert "red: " in path.read_text()
