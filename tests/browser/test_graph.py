"""The label graph of the page: what is lit, what is not drawn, and all of it in words."""

from __future__ import annotations

import pytest

pytest.importorskip("playwright.sync_api", reason="needs pip install 'imlgcn[browser]'")

from playwright.sync_api import expect

from .test_page import add, tags


@pytest.fixture
def page_of(page):
    """Return a function that opens the page with another graph."""

    def show(**changes):
        content = {"threshold": 0.4, "images": 1200, "size": [200, 100]}
        content |= {"nodes": [], "edges": [], "isolated": []} | changes
        linked = {end for each in content["edges"] for end in (each["source"], each["target"])}
        counts = {"num_edges": len(content["edges"]), "num_isolated": len(content["isolated"])}
        content |= counts | {"num_linked": len(linked)}
        page.route("**/v1/graph", lambda route: route.fulfill(json=content))
        page.reload()
        expect(page.locator("#graph")).to_be_visible()
        return page

    return show


def lit(page):
    return set(
        page.locator(".lit").evaluate_all(
            "all => all.filter(e => e.matches('g, li'))"
            ".map(e => (e.querySelector('text') ?? e).textContent)"
        )
    )


def node(label, x):
    return {"label": label, "x": x, "y": 50, "radius": 9, "name_below": True, "images": 20}


def edge(source, target, probability, images):
    return {"source": source, "target": target, "probability": probability, "images": images}


def test_the_graph_lights_the_labels_that_were_found(page, pictures):
    add(page, pictures[:6])
    for place in range(6):
        page.locator(".card").nth(place).click()
        assert lit(page) == tags(page, place)


def test_labels_that_are_not_drawn_are_counted_and_never_called_lit(page_of, pictures):
    page = page_of(
        nodes=[node("red", 50), node("blue", 150)],
        edges=[edge("circle", "square", 0.9, 8), edge("red", "blue", 0.437, 1)],
        isolated=["dark"],
    )
    says = page.locator("#graph-says")
    expect(says).to_contain_text("2 of 4 labels are drawn")
    add(page, pictures[0])
    for name in ("circle", "red"):
        page.locator("#find").fill(name)
        page.get_by_role("button", name=f"yes, {name}", exact=True).click()
    assert "circle" not in lit(page)
    text = says.inner_text()
    named, others = text.split("Found as well, but not drawn: ")
    assert "red" in named.split("Highlighted for this image: ")[1]
    assert "circle" in others
    assert "circle" not in named


def test_the_arrows_stand_in_words(page_of):
    edges = [edge("circle", "square", 0.9, 1800), edge("red", "blue", 0.437, 1)]
    page = page_of(nodes=[node("red", 50), node("blue", 150)], edges=edges)
    page.get_by_text("2 arrows in words").click()
    assert page.locator("#arrows li").all_inner_texts() == [
        "90 % of the images with circle also show square: 1,800 images",
        "44 % of the images with red also show blue: 1 image",
    ]
    page = page_of(nodes=[node("red", 50)], edges=edges * 160)
    expect(page.locator("#arrows summary")).to_have_text("The 300 strongest of 320 arrows in words")


def test_labels_without_any_arrow_are_shown_as_well(page_of, pictures):
    page = page_of(isolated=["blue", "circle", "dark", "red", "square"])
    expect(page.locator("#graph-frame")).to_be_hidden()
    expect(page.locator("#graph-says")).to_contain_text("No label is in 40 % or more of another’s")
    expect(page.locator("#arrows")).to_be_hidden()
    add(page, pictures[0])
    assert lit(page) == tags(page) != set()
