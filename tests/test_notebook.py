"""What objects show of themselves in a notebook: safe, small, and the numbers they hold."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from PIL import Image

from imlgcn import evaluate, predict
from imlgcn.explanation import explain
from imlgcn.explanation.support import SupportEffect, SupportImage
from imlgcn.notebook import Bar, bars, card, chips
from imlgcn.tagger import Tag
from imlgcn.tagger.tags import Tags

EVIL = "<script>alert('1')</script> & \"x\""


class Page(HTMLParser):
    """Counts tags and keeps text, widths and addresses; closing tags have to match."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text, self.open, self.data = [], [], [], []
        self.widths, self.marks = [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append(tag)
        style = given.get("style") or ""
        if given.get("class") in ("fill", "mark"):
            side = {"fill": self.widths, "mark": self.marks}[given["class"]]
            side.append(float(re.search(r"(?:width|left):([\d.]+)%", style)[1]))
        self.data += [given["src"]] if "src" in given else []
        assert "href" not in given
        assert not any(name.startswith("on") for name in given)
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)


def safe(html: str) -> Page:
    """Return a card that has no script, nothing from elsewhere, and is small."""
    page = Page(html)
    assert "script" not in page.tags
    assert all(address.startswith("data:image/") for address in page.data)
    assert "url(" not in html
    assert "@import" not in html
    assert len(html) < 100_000
    return page


def test_names_are_text_and_never_markup():
    page = safe(card(EVIL, EVIL, bars([Bar(EVIL, 0.5)]), chips([EVIL])))
    assert page.text.count(EVIL) == 4


def test_bars_are_as_long_as_their_numbers_and_thresholds_are_marked():
    page = Page(str(bars([Bar("a", 0.25, 0.5), Bar("b", 1.5), Bar("c", 0.75, 0.5)])))
    assert (page.widths, page.marks) == ([25.0, 100.0, 75.0], [50.0, 50.0])
    pale = re.findall(r'class="name( faint)?">(\w)<', str(bars([Bar("a", 0.25, 0.5), Bar("c", 1)])))
    assert pale == [(" faint", "a"), ("", "c")]
    assert "and 3 more" in str(bars([Bar("a", 0.5)] * 15))


def test_tags_are_a_list_as_before_and_show_the_image_beside_bars(tagger, shapes):
    file = shapes.parent / "03.png"
    tags = tagger(str(file))
    assert tags == list(tags)
    page = safe(tags._repr_html_())
    assert [text for text in page.text if text in tagger.labels] == [tag.label for tag in tags]
    assert page.widths == pytest.approx([100 * tag.probability for tag in tags], abs=0.06)
    assert len(page.data) == 1
    several = tagger([str(file), Image.open(shapes.parent / "04.png").copy()])
    assert [each.image for each in several] == [str(file), ""]
    assert not safe(several[1]._repr_html_()).data
    (row,) = predict(tagger, [file])
    assert page.widths == safe(row._repr_html_()).widths


def test_tags_of_a_file_that_is_gone_have_no_image_and_none_has_a_sentence():
    assert not safe(Tags([Tag("sea", 0.5, 0.25)], "gone.jpg")._repr_html_()).data
    assert "no tag" in safe(Tags()._repr_html_()).text


def test_a_file_that_cannot_be_read_shows_why(tagger, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    (row,) = predict(tagger, [tmp_path / "bad.jpg"])
    assert any(text.startswith("not read: ") for text in safe(row._repr_html_()).text)


def test_a_tagger_shows_its_labels_and_quality(tagger):
    page = safe(tagger._repr_html_())
    assert {*tagger.labels, f"{tagger.info.metrics['mAP']:.1f}"} <= set(page.text)


def test_an_evaluation_shows_the_precision_of_each_label(tagger, shapes):
    found = evaluate(tagger, shapes)
    page = safe(found._repr_html_())
    APs = [each["AP"] for each in found["per_label"].values() if each["AP"] is not None]
    assert page.widths == pytest.approx(sorted(APs, reverse=True), abs=0.06)


def test_an_explanation_shows_each_map_and_what_adds_to_the_score(tagger, shapes):
    found = explain(tagger, shapes.parent / "03.png", ["red", "blue"])
    page = safe(found._repr_html_())
    assert len(page.data) == 1 + len(found.labels)
    assert "picture" not in found.to_dict()
    for label in found.labels:
        assert {label.label, *(n.label for n in label.graph.neighbours)} <= set(page.text)


def test_an_explanation_of_four_labels_with_training_images_stays_small(tagger, shapes):
    def shown(bytes_each, sigma):
        named = [
            SupportImage(n, 0.5 - n / 4, f"photos/{n} {EVIL}", True, b"RIFF" + bytes(bytes_each))
            for n in range(8)
        ]
        support = SupportEffect(0.0, tuple(named[:4]), tuple(named[4:]), 0.25, 7)
        labels = tuple(replace(label, support=support, graph=None) for label in found.labels)
        noise = Image.effect_noise((200, 200), sigma).convert("RGB")
        return safe(replace(found, labels=labels, picture=noise)._repr_html_()).data

    found = explain(tagger, shapes.parent / "03.png", tagger.labels[:4])
    maps = 1 + len(found.labels)
    assert len(shown(1_000, 2)) == maps + 6 * len(found.labels)
    assert len(shown(5_000, 2)) == maps
    assert len(shown(5_000, 120)) == maps
