"""What is taken home: tags and corrections as CSV, and that neither is lost or made ambiguous."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="needs pip install 'imlgcn[browser]'")

from playwright.sync_api import expect

from imlgcn.data.dataset import load_dataset

from .test_page import add, drop, encoded, paste, tags


def save(page, button, folder):
    """Press a button that saves a table; return the file."""
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    target = folder / download.value.suggested_filename
    download.value.save_as(target)
    return target


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def answer(page, word, place=0):
    """Say yes or no to a label of the chosen image; return its name."""
    name = page.locator(".label-name").nth(place).inner_text()
    page.locator(f".answer.{word}").nth(place).click()
    return name


def test_yes_and_no_correct_the_tags_and_train_reads_them_back(page, pictures, tagger, tmp_path):
    add(page, pictures[:3])
    named = page.locator(".label-name").all_inner_texts()
    yes, no = named[-1], named[0]
    page.get_by_role("button", name=f"yes, {yes}", exact=True).click()
    page.get_by_role("button", name=f"no, {no}", exact=True).click()
    assert yes in tags(page)
    assert no not in tags(page)
    for path in pictures[:3]:
        shutil.copy(path, tmp_path)
    tagged = load_dataset(save(page, "Tags as CSV", tmp_path))
    assert len(tagged) == 3
    assert yes in tagged.records[0].labels
    assert no not in tagged.records[0].labels
    corrected = load_dataset(save(page, "Corrections as CSV", tmp_path))
    (record,) = corrected.records
    assert record.name == Path(pictures[0]).name
    assert record.labels == (yes,)
    assert record.unknown == ()
    assert set(corrected.names) == {yes, no}


def test_corrections_have_columns_only_of_the_labels_that_were_answered(page, pictures, tmp_path):
    add(page, pictures[:3])
    no = answer(page, "no", 1)
    page.locator(".card").nth(2).click()
    page.get_by_role("button", name="yes, square", exact=True).click()
    page.get_by_role("button", name="yes, circle", exact=True).click()
    header, *table = rows(save(page, "Corrections as CSV", tmp_path))
    answered = {no, "circle", "square"}
    assert header == ["image", *(name for name in sorted(answered))]  # in the tagger's order
    third = ["1" if name in ("circle", "square") else "?" for name in header[1:]]
    first = ["0" if name == no else "?" for name in header[1:]]
    assert table == [[Path(pictures[0]).name, *first], [Path(pictures[2]).name, *third]]


def test_images_of_one_name_are_left_out_of_the_corrections_and_named(page, pictures, tmp_path):
    files = [["IMG.png", "image/png", encoded(path)] for path in pictures[:2]]
    drop(page, "body", [*files, ["c.png", "image/png", encoded(pictures[2])]])
    expect(page.locator(".card.done")).to_have_count(3)
    answer(page, "no")
    page.get_by_role("button", name="Corrections as CSV").click()
    notice = page.locator("#notice")
    expect(notice).to_contain_text("Left out of corrections.csv: 1 image.")
    expect(notice).to_contain_text("share a name (IMG.png): drop their folders")
    page.locator(".card").nth(2).click()
    answer(page, "yes")
    _, *table = rows(save(page, "Corrections as CSV", tmp_path))
    assert [row[0] for row in table] == ["c.png"]
    assert len(rows(save(page, "Tags as CSV", tmp_path))) == 4
    expect(notice).to_contain_text("In tags.csv some names do not identify one file.")


def test_a_folder_s_path_tells_images_of_one_name_apart(page, pictures, tmp_path):
    page.evaluate(
        """async (pictures) => { const { add } = await import("/static/store.js");
        add(pictures.map((data, n) => {
          const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
          return Object.assign(new File([bytes], "IMG.png"), { path: `${"AB"[n]}/IMG.png` });
        })); }""",
        [encoded(path) for path in pictures[:2]],
    )
    expect(page.locator(".card.done")).to_have_count(2)
    answer(page, "no")
    _, row = rows(save(page, "Corrections as CSV", tmp_path))
    assert row[0] == "A/IMG.png"
    assert [row[0] for row in rows(save(page, "Tags as CSV", tmp_path))[1:]] == [
        "A/IMG.png",
        "B/IMG.png",
    ]
    expect(page.locator("#notice")).to_be_hidden()


def test_a_pasted_image_has_no_file_and_is_left_out_of_the_corrections(page, pictures):
    paste(page, pictures[0])
    expect(page.locator(".card.done")).to_have_count(1)
    answer(page, "no")
    page.get_by_role("button", name="Corrections as CSV").click()
    expect(page.locator("#notice")).to_contain_text("Pasted images have no file (pasted-")


def test_corrections_are_not_thrown_away_without_a_question(page, pictures, tmp_path):
    asked = []
    accept = False

    def decide(dialog):
        asked.append(dialog.type)
        dialog.accept() if accept else dialog.dismiss()

    page.on("dialog", decide)
    add(page, pictures[:2])
    answer(page, "no")
    page.get_by_role("button", name="Remove this image").click()
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".card")).to_have_count(2)
    assert asked == ["confirm", "confirm"]
    accept = True
    page.reload()
    assert asked[2:] == ["beforeunload"]
    page.wait_for_selector("html[data-ready]", state="attached")
    asked.clear()
    add(page, pictures[:2])
    answer(page, "no")
    save(page, "Corrections as CSV", tmp_path)
    page.get_by_role("button", name="Remove this image").click()  # it is in the file
    expect(page.locator(".card")).to_have_count(1)
    page.reload()
    assert asked == []
    page.wait_for_selector("html[data-ready]", state="attached")
    add(page, pictures[:2])
    answer(page, "no")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".card")).to_have_count(0)
    assert asked == ["confirm"]


def test_a_label_that_holds_a_separator_comes_back_whole(page):
    text = page.evaluate(
        """async () => { const { tagsTable } = await import("/static/csv.js");
        const items = [{ name: "a.png", tags: [0] }, { name: 'b "x", y.png', tags: [] }];
        return tagsTable(items, ["ball, tennis", "dog;cat"], item => item.tags); }"""
    )
    table = list(csv.reader(text.splitlines()))
    assert table[0] == ["image", "ball, tennis", "dog;cat"]
    assert table[1:] == [["a.png", "1", "0"], ['b "x", y.png', "0", "0"]]
