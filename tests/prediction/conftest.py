"""Four images, and what a run over them leaves behind."""

import csv
import json
import threading

import pytest

from colour_tagger import ColourTagger, paint
from imlgcn.prediction import Row, predict
from imlgcn.prediction.shards import Shard


@pytest.fixture
def images(tmp_path):
    """One image with two tags, one with none, one damaged, one with one tag."""
    folder = tmp_path / "images"
    paths = [
        paint(folder / "a.png", 153, 204, 51),  # 0.6, 0.8, 0.2
        paint(folder / "b.png", 51, 51, 51),  # 0.2 each
        folder / "c.png",
        paint(folder / "d.png", 0, 0, 255),
    ]
    paths[2].write_bytes(b"no image at all")
    return paths


def predicting():
    """Return the threads that are still at it."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("predict")]


def read(path):
    """Return the rows of a written file as `Row`, whatever its format."""
    if path.suffix == ".jsonl":
        return [Row(**json.loads(line)) for line in path.read_text("utf-8").splitlines()]
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return [Row(**fields) for fields in pq.read_table(path).to_pylist()]
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Row(
                fields["image"],
                fields["label"],
                float(fields["probability"]) if fields["probability"] else None,
                float(fields["threshold"]) if fields["threshold"] else None,
                fields["error"] or None,
            )
            for fields in csv.DictReader(file)
        ]


NAMES = (
    *(f"{number:02}.png" for number in range(12)),
    *("=SUM(1).png", "a,b.png", 'quoted "x".png', "two\nlines.png", "two\rlines.png", "-1.png"),
    *("Möwe.png", "sub/'@a.png", "sub/deeper/00.png", "_broken.png"),
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Images with odd names, one damaged, one without a tag."""
    folder = tmp_path_factory.mktemp("photos") / "photos"
    for number, name in enumerate(NAMES):
        paint(folder / name, 11 * number, 255 - 11 * number, 90)
    (folder / "_broken.png").write_bytes(b"no image at all")
    paint(folder / "07.png", 0, 0, 0)
    return folder


def tag_shards(images, out, total, **options):
    """Tag every shard; return their files."""
    for number in range(1, total + 1):
        predict(ColourTagger(), images, out=out, shard=(number, total), **options)
    return [Shard(number, total).name(out) for number in range(1, total + 1)]
