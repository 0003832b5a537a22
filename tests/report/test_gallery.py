"""Tiles of the gallery: pictures that are small and there, tags that say what is wrong."""

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from imlgcn.activation_maps import ActivationMaps, Region
from imlgcn.data.transforms import load_input
from imlgcn.image_settings import ImageSettings
from imlgcn.report import overlays, write_report
from imlgcn.report.gallery import SIDE, gallery
from imlgcn.report.overlays import Overlaid, map_drawer, read_picture
from imlgcn.report.run import read_run_folder

LABELS = ("food", "dessert", "dog", "never tested")


@pytest.fixture
def run(tagger, tmp_path):
    """The run of the small tagger, with a picture for every image but one that is damaged."""
    found = read_run_folder(tagger)
    files = {}
    for index, name in enumerate(found.scored.images):
        files[name] = tmp_path / name
        Image.new("RGB", (300, 150), (6 * index, 90, 30)).save(files[name])
    return replace(found, images=files)


def tiles(found):
    return [tile for row in found.rows for tile in row.tiles]


def picture(uri):
    kind, _, data = uri.partition(",")
    assert kind == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_every_tile_shows_the_square_that_the_network_sees(run):
    found = gallery(run)
    assert [row.title for row in found.rows][:2] == ["Best", "Worst"]
    assert found.missing == 0
    for tile in tiles(found):
        shown = picture(tile.picture)
        assert shown.size == (SIDE, SIDE)
        pixels = np.asarray(shown.convert("RGB")).astype(int)
        assert (pixels[:20] > 240).all()  # a wide picture is padded above and below
        red = int(tile.name.removesuffix(".jpg")) * 6
        assert abs(pixels[SIDE // 2, SIDE // 2] - (red, 90, 30)).max() < 12
        assert tile.overlay is None


def test_the_tags_of_a_tile_are_those_of_the_scores(run):
    thresholds, scored = np.array(run.info.calibration.threshold), run.scored
    for tile in tiles(gallery(run)):
        row = scored.images.index(tile.name)
        wanted = {}
        for index, label in enumerate(run.info.labels):
            tagged = scored.probabilities[row, index] >= thresholds[index]
            target = scored.targets[row, index]
            if tagged or target == 1:
                extra = "extra" if target == 0 else "right"
                wanted[label] = extra if tagged else "missed"
        assert {tag.label: tag.kind for tag in tile.tags} == wanted
        assert tile.tags[0].chosen
        assert sum(tag.chosen for tag in tile.tags) == 1
        assert tile.tags[0].label == tile.about


def test_a_tag_of_which_the_data_knows_nothing_is_neither_right_nor_extra(run):
    targets = run.scored.targets.copy()
    targets[:, 0] = -1
    tagged = 1 - 0.1 * np.random.default_rng(0).random(targets.shape)
    scored = replace(run.scored, targets=targets, probabilities=tagged)
    kinds = [
        (tag.kind, targets[scored.images.index(tile.name), LABELS.index(tag.label)])
        for tile in tiles(gallery(replace(run, scored=scored)))
        for tag in tile.tags
    ]
    assert set(kinds) == {("right", 1), ("extra", 0), ("unknown", -1)}


@pytest.mark.parametrize("fit", ["pad", "squash"])
def test_a_large_photograph_is_decoded_as_for_predicting(fit, tmp_path):
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (108, 192, 3), np.uint8))
    small.resize((1920, 1080)).save(tmp_path / "a.jpg")
    settings = ImageSettings(fit=fit)
    pixels = read_picture(tmp_path / "a.jpg", settings).pixels
    np.testing.assert_array_equal(pixels, load_input(tmp_path / "a.jpg", settings))


def test_an_image_that_is_missing_or_damaged_costs_its_picture_only(run):
    names = list(run.images)
    first, second = (tile.name for tile in tiles(gallery(run))[:2])
    run.images[first].write_bytes(b"no image")
    rest = {name: run.images[name] for name in names if name != second}
    found = gallery(replace(run, images=rest))
    gone = [tile for tile in tiles(found) if tile.picture is None]
    assert {tile.name for tile in gone} == {first, second}
    assert all(tile.tags for tile in gone)
    assert found.missing == 2


def test_overlays_are_asked_for_once_and_stand_in_their_own_tiles(run):
    asked = []

    def draw(pictures, labels):
        asked.append(labels)
        reds = [int(each.pixels[112, 112, 0]) for each in pictures]
        drawn = [
            Image.new("RGB", (224, 224), (*pair, 0)) for pair in zip(reds, labels, strict=True)
        ]
        return Overlaid(drawn, [f"place {red}" for red in reds], "what a map says")

    found = gallery(run, draw)
    assert len(asked) == 1
    assert found.meaning == "what a map says"
    for tile in tiles(found):
        red, green, _ = picture(tile.overlay).convert("RGB").getpixel((90, 90))
        assert abs(red - 6 * int(tile.name.removesuffix(".jpg"))) < 12
        assert abs(green - run.info.labels.index(tile.about)) < 8
        assert abs(int(tile.where.removeprefix("place ")) - red) < 12


class Maps:
    """A tagger that finds every label at the left of the image."""

    def maps(self, inputs):
        maps = np.zeros((len(inputs), 4, 7, 7), np.float32)
        maps[..., :3] = 9
        return ActivationMaps(maps[:, :, 0, 0], maps, "score", (Region(),) * len(inputs))


def test_a_map_is_laid_over_the_image_and_not_over_its_padding(run):
    for tile in tiles(gallery(run, map_drawer(Maps()))):
        pixels = np.asarray(picture(tile.overlay).convert("RGB")).astype(int)
        assert (pixels[:40] > 240).all()
        assert (pixels[-40:] > 240).all()
        middle = pixels[SIDE // 2]
        assert np.ptp(middle[20]) > 80  # coloured
        assert np.ptp(middle[-20]) < 20  # grey
        assert tile.where.startswith("left, ")


def test_the_page_says_of_each_map_where_it_is_strong(run, tagger, monkeypatch, read_page):
    monkeypatch.setattr(overlays, "map_drawer", lambda tagger: map_drawer(Maps()))
    page = read_page(write_report(tagger, images=run.images))
    maps = [each["alt"] for each in page.all("img") if each["alt"].startswith("Activation map of ")]
    assert len(maps) == len(page.all("img")) / 2
    assert all(re.search(r" in \d+\.jpg; strongest: left, \d+ % of the image$", m) for m in maps)


def test_a_head_without_maps_gives_a_gallery_without_overlays(run, tagger):
    found = gallery(run, map_drawer(tagger))  # its weights are not those of its model.json
    assert found.meaning == ""
    assert all(tile.picture and tile.overlay is None for tile in tiles(found))


def test_without_scores_there_is_no_gallery(run):
    assert gallery(replace(run, scored=None)) is None
