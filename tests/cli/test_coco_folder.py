"""A folder as COCO's own is read alike by every command: its test split, its variants."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def coco_folder(shapes, tmp_path):
    """A folder as COCO's own, made of a few of the shapes: 30 train, 12 val."""
    import shutil

    from imlgcn.data.dataset import load_dataset

    data = load_dataset(shapes)
    ids = {name: 3 * number + 1 for number, name in enumerate(data.names)}  # ids with gaps
    (tmp_path / "annotations").mkdir()
    for part, records in (("train", data.records[:30]), ("val", data.records[30:42])):
        (tmp_path / f"{part}2017").mkdir()
        content = {"images": [], "annotations": [], "categories": []}
        for number, record in enumerate(records):
            shutil.copy(record.path, tmp_path / f"{part}2017" / record.name)
            content["images"].append({"id": number, "file_name": record.name})
            for label in record.labels:
                content["annotations"].append({"image_id": number, "category_id": ids[label]})
        content["categories"] = [{"id": ids[name], "name": name} for name in data.names]
        path = tmp_path / f"annotations/instances_{part}2017.json"
        path.write_text(json.dumps(content))
    return tmp_path


def test_a_published_test_split_can_be_kept(cli, coco_folder):
    from imlgcn.data.dataset import load_dataset

    out = coco_folder / "split.csv"
    done = cli("split", coco_folder, "--out", out, "--keep-test", "--val", "0.2")
    assert done.code == 0, done.err
    back = load_dataset(out)
    assert back.splits == {"train": 24, "val": 6, "test": 12}
    assert {path.parent.name for path in back.split("test").paths} == {"val2017"}


def test_a_variant_reaches_the_reader_from_every_command(cli, coco_folder, tagger):
    plain = cli("check", coco_folder, "--json")
    assert json.loads(plain.out)["splits"] == {"train": 30, "test": 12}
    kept = cli("check", coco_folder, "--json", "--variant", "keep-val", "--reader", "coco")
    assert json.loads(kept.out)["splits"] == {"train": 30, "val": 12}
    cli("graph", coco_folder, "--variant", "kep-val").assert_refused("did you mean 'keep-val'")
    cli("split", coco_folder, "--out", coco_folder / "s.csv", "--variant", "x").assert_refused("x")
    val = ("--split", "val", "--variant", "keep-val", "--anyway")
    scored = cli("evaluate", tagger.path, coco_folder, *val)
    assert "val split, 12 images" in scored.out, scored.err
    refused = cli("evaluate", tagger.path, coco_folder, "--split", "val", "--reader", "coco")
    refused.assert_refused("no split 'val'")
