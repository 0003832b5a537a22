"""The whole audit on drawn images: planted errors first, files written, hostile data refused."""

import json

import numpy as np
import pytest

from imlgcn import audit
from imlgcn.auditing import write_findings, write_page, write_tasks
from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError


@pytest.fixture
def run(monkeypatch):
    """Return the audit with the mean colours of the image's parts in place of a network."""
    from imlgcn.auditing import run as module
    from imlgcn.data.images import open_image
    from imlgcn.training.extract import ImageFeatures

    def colours_of(backbone, dataset, **how):
        small = [open_image(path).resize((4, 4)) for path in dataset.paths]
        values = np.stack([np.asarray(image, np.float32).ravel() / 255 for image in small])
        return ImageFeatures(dataset, values[:, None].repeat(2, 1), {})

    class Network:
        image_settings = type("Settings", (), {"model_copy": lambda self, update: self})()
        out_channels = 48

        def num_levels(self, means=False):
            return 1

        def channels(self, levels, means=False):
            return self.out_channels

    monkeypatch.setattr(module, "extract_features", colours_of)
    monkeypatch.setattr(module, "create_backbone", lambda name: Network())
    return audit


PLANTED = {3: "blue;green;red", 8: "blue;green;red"}  # none has three colours


def test_planted_errors_are_found_first(run, change, clean):
    solo = [row for row, record in enumerate(clean.records) if len(record.labels) == 2][:3]
    cells = PLANTED | {row: clean.records[row].labels[0] for row in solo}
    found = run(change(cells))
    wanted = set()
    for row, cell in cells.items():
        wanted |= {(row, label) for label in set(cell.split(";")) ^ set(clean.records[row].labels)}
    first = {(each.row, each.label) for each in found.findings[: len(wanted)]}
    assert len(first & wanted) >= len(wanted) - 1
    by_entry = {(each.row, each.label): each.kind for each in found.findings}
    assert {by_entry[entry] for entry in first & wanted} == {"wrong", "missing"}


def test_any_head_can_judge_by_folds(run, change):
    found = run(change(PLANTED), head="linear")
    assert found.findings[0].kind in ("wrong", "missing")


def test_findings_become_a_csv_a_page_and_tasks(run, change, tmp_path):
    data = change(PLANTED)
    found = run(data)
    write_findings(found, tmp_path / "findings.csv")
    lines = (tmp_path / "findings.csv").read_text().splitlines()
    assert lines[0].startswith("image,label,answer,kind,sure")
    assert len(lines) == 1 + len(found.findings)
    write_page(found, tmp_path / "page.html", "halves")
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/webp;base64,") >= 2
    assert "http://" not in page
    assert "https://" not in page
    write_tasks(found, tmp_path / "tasks.json")
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    assert tasks[0]["data"]["image"].endswith(found.findings[0].image)
    scores = [task["predictions"][0]["score"] for task in tasks]
    assert scores == sorted(scores, reverse=True)


def test_a_label_cannot_end_the_script_of_the_page(run, change, tmp_path):
    found = run(change({3: "blue;</script><b>;red", 5: "</script><b>", 7: "</script><b>"}))
    write_page(found, tmp_path / "page.html", "</title>")
    page = (tmp_path / "page.html").read_text()
    assert page.count("</script>") == 2
    assert "</title></title>" not in page


def test_splits_play_no_part(run, change, colours):
    text = colours.read_text().splitlines()
    with_split = [f"{text[0]},split", *(f"{line},test" for line in text[1:])]
    path = colours.parent / "split.csv"
    path.write_text("\n".join(with_split))
    try:
        assert len(run(path).dataset) == len(load_dataset(colours))
    finally:
        path.unlink()


def test_one_label_and_unknown_targets_are_judged(run, colours):
    path = colours.parent / "one.csv"
    rows = [f"{number:02}.png,{(1, 0, '?')[number % 3]}" for number in range(30)]
    path.write_text("\n".join(["image,thing", *rows]))
    try:
        found = run(path)
        assert all(number % 3 != 2 for number in (each.row for each in found.findings))
    finally:
        path.unlink()


@pytest.mark.parametrize(
    ("cell", "message"),
    [("1", "no label is known to be absent anywhere"), ("0", "no label has a positive")],
)
def test_data_that_say_nothing_are_refused_in_one_sentence(run, colours, cell, message):
    path = colours.parent / "all.csv"
    path.write_text("\n".join(["image,thing", *(f"{n:02}.png,{cell}" for n in range(9))]))
    try:
        with pytest.raises(InputError, match=message):
            run(path)
    finally:
        path.unlink()


def test_images_of_one_group_alone_are_refused(run, colours):
    path = colours.parent / "group.csv"
    path.write_text("\n".join(["image,labels,group", "00.png,red,a", "01.png,blue,a"]))
    try:
        with pytest.raises(InputError, match="nothing can be left out"):
            run(path)
    finally:
        path.unlink()
