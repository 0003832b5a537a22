"""When the server fails, is slow or answers in another order: nothing is lost, nothing is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="needs pip install 'imlgcn[browser]'")

from playwright.sync_api import expect

from .test_page import add, tags
from .test_tables import rows, save

TAGS, MAPS = "**/v1/tags?*", "**/v1/maps"


def hold(page, where):
    """Keep the requests to an address back; return the list they come into."""
    held = []
    page.route(where, lambda route: held.append(route))
    return held


def wait_for(page, held, number):
    for _ in range(200):
        if len(held) >= number:
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"{len(held)} requests came, {number} were to come")


def answer_with(route, *probabilities):
    route.fulfill(json={"images": [{"name": "", "tags": [], "probabilities": probabilities}]})


def values(page):
    names = page.locator(".label-name").all_inner_texts()
    return dict(zip(names, page.locator(".value").all_inner_texts(), strict=True))


@pytest.fixture
def knowing(page):
    """The page of a head that takes known labels."""

    def change(route):
        answer = route.fetch()
        model = answer.json()
        model["known_by"] = "head"
        model["can"]["known_here"] = False  # which a server says of counts only
        route.fulfill(response=answer, json=model)

    page.route("**/v1/model", change)
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    return page


def test_what_failed_is_tried_again_by_adding_it_again_or_by_the_button(page, pictures):
    retry = page.get_by_role("button", name="Try again", exact=True)
    page.route(TAGS, lambda route: route.abort())
    add(page, pictures[:2])
    expect(page.locator(".card.failed")).to_have_count(2)
    expect(page.locator(".tag.failed").first).to_have_text("not tagged: try again")
    expect(page.locator("#problem")).to_contain_text("does not answer")
    expect(page.locator("#problem")).to_contain_text("not the image’s fault")
    page.unroute(TAGS)
    page.set_input_files("#files", pictures[0])
    expect(page.locator(".card.done")).to_have_count(1)
    expect(page.locator(".card")).to_have_count(2)
    expect(page.locator("#problem")).to_be_hidden()
    retry.click()
    expect(page.locator(".card.done")).to_have_count(2)
    expect(retry).to_be_hidden()
    assert page.evaluate("document.activeElement.classList.contains('card')")


def test_an_image_that_cannot_be_tagged_says_why_beside_it(page, pictures, tmp_path):
    broken, raw = tmp_path / "broken.png", tmp_path / "photo.png"
    broken.write_bytes(b"no picture at all")
    raw.write_bytes(Path(pictures[0]).read_bytes()[:300])
    page.set_input_files("#files", [pictures[0], str(broken), str(raw)])
    expect(page.locator(".card.failed")).to_have_count(2)
    for path in (broken, raw):
        card = page.locator(".card", has=page.get_by_text(path.name, exact=True))
        octets = {"content-type": "application/octet-stream"}
        answer = page.request.post(f"{page.url}v1/tags", data=path.read_bytes(), headers=octets)
        said = answer.json()["error"]["message"]
        expect(card.locator(".why")).to_have_text(said.removeprefix("image: "))
        card.click()
        expect(page.locator("#problem")).to_have_text(said.removeprefix("image: "))
    expect(page.locator(".card.done .why")).to_have_count(0)


def test_a_file_that_is_gone_is_not_blamed_on_the_server(page, pictures, tmp_path):
    held = hold(page, TAGS)
    path = tmp_path / "gone.png"
    path.write_bytes(Path(pictures[0]).read_bytes())
    page.set_input_files("#files", str(path))
    wait_for(page, held, 1)
    path.unlink()
    held[0].abort()
    expect(page.locator("#problem")).to_contain_text("changed or moved")
    expect(page.locator(".tag.failed")).to_have_text("cannot be tagged")


def test_the_answer_to_the_last_correction_counts_whichever_comes_last(knowing, pictures):
    page = knowing
    add(page, pictures[0])
    held = hold(page, TAGS)
    page.locator(".answer.yes").nth(0).click()
    wait_for(page, held, 1)
    page.locator(".answer.yes").nth(1).click()
    wait_for(page, held, 2)
    answer_with(held[1], 0.11, 0.12, 0.13, 0.14, 0.15)
    expect(page.locator(".value", has_text="13 %")).to_have_count(1)
    answer_with(held[0], 0.91, 0.92, 0.93, 0.94, 0.95)
    page.wait_for_timeout(200)
    assert values(page)["dark"] == "13 %"


def test_a_correction_that_the_head_cannot_weigh_keeps_what_was_known(knowing, pictures, tmp_path):
    page = knowing
    add(page, pictures[0])
    before = values(page)
    page.route(TAGS, lambda route: route.abort())
    page.locator(".answer.yes").last.click()
    name = page.locator(".label-name").last.inner_text()
    expect(page.locator("#problem")).to_contain_text("has not used the last answer")
    expect(page.locator(".card.done")).to_have_count(1)
    assert values(page) == before
    assert name in tags(page)
    page.unroute(TAGS)
    header, row = rows(save(page, "Corrections as CSV", tmp_path))
    assert (header[1:], row[1:]) == ([name], ["1"])
    page.unroute_all()
    held = hold(page, TAGS)
    page.get_by_role("button", name="Try again").click()
    wait_for(page, held, 1)
    assert "known=" in held[0].request.url
    answer_with(held[0], 0.11, 0.12, 0.13, 0.14, 0.15)
    expect(page.locator("#problem")).to_be_hidden()


def test_maps_that_failed_are_asked_for_again(page, pictures):
    page.route(MAPS, lambda route: route.abort())
    add(page, pictures[0])
    page.locator(".label").first.hover()
    expect(page.locator("#map-says")).to_contain_text("does not answer")
    page.unroute(MAPS)
    page.locator(".label").nth(1).hover()
    expect(page.locator("#stage.heated")).to_have_count(1)


def test_a_map_that_failed_says_so_only_at_its_own_image(page, pictures):
    held = hold(page, MAPS)
    add(page, pictures[:2])
    page.locator("[data-key=show-3]").focus()
    wait_for(page, held, 1)
    page.locator(".card").nth(1).click()
    page.locator("[data-key=show-3]").focus()
    wait_for(page, held, 2)
    held[0].abort()
    page.wait_for_timeout(200)
    assert page.locator("#map-says").inner_text() == ""
    held[1].continue_()
    expect(page.locator("#stage.heated")).to_have_count(1)
