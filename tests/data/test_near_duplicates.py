import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from imlgcn.data.images import MAX_PIXELS, ImageError
from imlgcn.data.near_duplicates import clusters, difference_hash, duplicate_pairs, near_pairs
from imlgcn.data.scan import Scan, scan_image, scan_images


def picture(seed: int, size=(160, 120)) -> Image.Image:
    """Draw ten random boxes and discs."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    for shape in [draw.rectangle, draw.ellipse] * 5:
        x, y = random.integers(0, size[0] - 40), random.integers(0, size[1] - 40)
        width, height = random.integers(20, 70, 2)
        shape((x, y, x + width, y + height), fill=tuple(random.integers(0, 256, 3).tolist()))
    return image


def jpeg(image: Image.Image, quality: int = 75) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(io.BytesIO(file.getvalue()))


def scan(tmp_path, image: Image.Image, name="x.png") -> Scan:
    image.save(tmp_path / name)
    return scan_image(tmp_path / name)


CHANGES = {
    "quality": lambda image: jpeg(image, 25),
    "size": lambda image: jpeg(image.resize((110, 83))),
    "shape": lambda image: image.resize((160, 110)),
    "brightness": lambda image: ImageEnhance.Brightness(image).enhance(0.9),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_same_picture_saved_otherwise_is_found(tmp_path, change):
    for seed in range(5):
        images = (picture(seed), CHANGES[change](picture(seed)))
        thumbnails = np.stack([scan(tmp_path, image).thumbnail for image in images])
        assert near_pairs(thumbnails) == [(0, 1)]


def test_different_pictures_are_not_taken_for_one(tmp_path):
    thumbnails = np.stack([scan(tmp_path, picture(seed)).thumbnail for seed in range(60)])
    assert near_pairs(thumbnails) == []


def flag(*colours: str) -> Image.Image:
    image = Image.new("RGB", (90, 60))
    for index, colour in enumerate(colours):
        image.paste(colour, (30 * index, 0, 30 * index + 30, 60))
    return image


FLAGS = flag("#ff0000", "white", "#0000aa"), flag("#008800", "white", "#0000aa")


def test_the_same_layout_in_other_colours_is_another_picture(tmp_path):
    scans = [scan(tmp_path, image) for image in FLAGS]
    bits = difference_hash(np.stack([scan.thumbnail for scan in scans]))
    assert (bits[0] == bits[1]).all()  # the hash alone cannot tell
    assert duplicate_pairs(scans) == ([], [])


def test_the_hash_marks_where_a_picture_gets_brighter_to_the_right():
    ramp = np.broadcast_to(np.arange(17, dtype=np.uint8)[None, :, None], (16, 17, 3))
    thumbnails = np.stack([ramp, ramp[:, ::-1]])
    np.testing.assert_array_equal(difference_hash(thumbnails), [[1] * 256, [-1] * 256])


def test_pairs_are_found_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("imlgcn.data.near_duplicates.BLOCK", 3)
    seeds = [0, 1, 2, 3, 0, 4, 5, 1, 0]
    thumbnails = np.stack([scan(tmp_path, picture(seed)).thumbnail for seed in seeds])
    assert sorted(near_pairs(thumbnails)) == [(0, 4), (0, 8), (1, 7), (4, 8)]


def test_equal_files_are_exact_pairs_and_stand_once_among_the_near_ones():
    def fake(digest, seed):
        image = picture(seed).resize((17, 16), Image.Resampling.BILINEAR)
        return Scan(digest, np.asarray(image))

    scans = [fake("a", 1), Scan(problem="missing"), fake("a", 1), fake("b", 1), fake("c", 2)]
    assert duplicate_pairs(scans) == ([(0, 2)], [(0, 3)])
    assert duplicate_pairs([Scan(problem="missing")] * 2) == ([], [])


def test_plain_images_pair_with_nothing_and_are_blank(tmp_path):
    def plain(side):
        image = Image.new("RGB", (side, side), "#f0f0f0")
        image.paste("#f1f1f1", (side // 4, 0, side, side))  # a step that nobody sees
        return scan(tmp_path, image)

    scans = [plain(40), plain(80)]
    assert duplicate_pairs(scans) == ([], [])
    assert [scan.is_blank for scan in scans] == [True, True]
    assert not scan(tmp_path, picture(0)).is_blank


def test_clusters_join_what_is_joined_by_others():
    assert clusters(6, [(5, 4), (0, 2), (4, 2)]).tolist() == [0, 1, 0, 3, 0, 0]
    assert clusters(2, []).tolist() == [0, 1]


def test_each_way_a_file_can_be_bad_has_its_name(tmp_path, monkeypatch):
    picture(1).save(tmp_path / "good.jpg")
    whole = (tmp_path / "good.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    picture(2).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:900])
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "empty.jpg").touch()
    names = ["good.jpg", "cut.jpg", "cut.png", "text.jpg", "empty.jpg", "gone.jpg"]
    scans = scan_images([tmp_path / name for name in names])
    assert [scan.problem for scan in scans] == [
        *("", "truncated", "truncated", "unreadable", "unreadable", "missing")
    ]
    assert all(name in scan.message for name, scan in zip(names[1:], scans[1:], strict=True))
    assert MAX_PIXELS > 1e8
    monkeypatch.setattr("imlgcn.data.scan.MAX_PIXELS", 160 * 120 - 1)
    assert scan_image(tmp_path / "good.jpg").problem == "too_large"


def test_what_is_in_the_cache_is_not_decoded_again(tmp_path, monkeypatch):
    generator = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for path in paths:
        Image.fromarray(generator.integers(0, 255, (30, 40, 3), np.uint8)).save(path)
    (tmp_path / "bad.png").write_bytes(b"no image")
    paths += [tmp_path / "bad.png", tmp_path / "missing.png"]
    first = scan_images(paths, cache=tmp_path / "cache")

    def refuse(*given, **more):
        raise ImageError("decoded")

    monkeypatch.setattr("imlgcn.data.thumbnails.open_image", refuse)
    again = scan_images(paths, cache=tmp_path / "cache")
    for one, other in zip(first[:5], again[:5], strict=True):
        assert one.digest == other.digest
        np.testing.assert_array_equal(one.thumbnail, other.thumbnail)
    assert [scan.problem for scan in again[5:]] == [scan.problem for scan in first[5:]]
    assert scan_images(paths[:1])[0].problem == "unreadable", "without a cache it is decoded"


def test_of_many_images_the_same_pairs_are_found(tmp_path, monkeypatch):
    seeds = [0, 1, 2, 3, 0, 4, 5, 1, 0]
    images = [picture(seed) for seed in seeds] + [Image.new("RGB", (9, 9), "grey")] * 3
    images += [CHANGES[change](picture(2)) for change in CHANGES] + [*FLAGS]
    thumbnails = np.stack([scan(tmp_path, image).thumbnail for image in images])
    expected = near_pairs(thumbnails)
    monkeypatch.setattr("imlgcn.data.near_duplicates.EXACT", 5)
    assert near_pairs(thumbnails) == expected
    monkeypatch.setattr("imlgcn.data.near_duplicates.REACH", 2.0)  # hash and correlation decide
    assert near_pairs(thumbnails) == expected
    assert (2, 12) in expected
    assert near_pairs(thumbnails[9:12].repeat(2, axis=0)) == []  # nothing to compare
