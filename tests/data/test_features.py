import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from imlgcn.data import shards
from imlgcn.data.features import features_for
from imlgcn.data.transforms import load_input
from imlgcn.image_settings import ImageSettings
from imlgcn.progress import Progress

SETTINGS = ImageSettings(size=16)


class Extractor:
    """Mean and maximum of each channel; remembers the size of every batch it was given."""

    def __init__(self, fail_at: int | None = None, factor: float = 1.0) -> None:
        self.batches: list[int] = []
        self.fail_at, self.factor = fail_at, factor

    def __call__(self, images: np.ndarray) -> np.ndarray:
        if len(self.batches) == self.fail_at:
            raise RuntimeError("power cut")
        self.batches.append(len(images))
        flat = images.reshape(len(images), -1, 3)
        return np.concatenate([flat.mean(1), flat.max(1)], 1) * np.float32(self.factor)  # (B, 6)


@pytest.fixture
def paths(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    random = np.random.default_rng(0)
    made = []
    for number in range(10):
        pixels = random.integers(0, 255, (20, 12 + number, 3), dtype=np.uint8)
        made.append(folder / f"{number}.png")
        Image.fromarray(pixels).save(made[-1])
    return made


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def extract(paths, extractor, cache, *, key="weights 1", settings=SETTINGS, **options):
    options = {"batch_size": 4} | options
    return features_for(
        paths, extractor=extractor, settings=settings, key=key, cache=cache, **options
    )


def expected(paths):
    return Extractor()(np.stack([load_input(path, SETTINGS) for path in paths]))


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_rows_come_in_the_order_of_the_paths_in_full_batches(paths, workers):
    extractor = Extractor()
    table = extract(paths, extractor, None, workers=workers)
    np.testing.assert_array_equal(table.features, expected(paths))
    assert table.rows.tolist() == list(range(10))
    assert table.rows.dtype == np.int64
    assert table.failed == {}
    assert extractor.batches == [4, 4, 2]


def test_a_cached_row_is_the_same_to_the_bit_and_never_decoded_again(paths, cache, monkeypatch):
    first = extract(paths, Extractor(factor=1 / 3), cache)
    monkeypatch.setattr("imlgcn.data.features.load_input", None)
    again = extract(paths[::-1], Extractor(fail_at=0), cache)
    assert first.features.dtype == again.features.dtype == np.float32
    assert first.features.tobytes() == again.features[::-1].tobytes()


def test_a_renamed_file_is_found_and_a_changed_one_is_extracted(paths, cache):
    extract(paths, Extractor(), cache)
    renamed = paths[3].rename(paths[3].with_name("renamed.png"))
    Image.new("RGB", (5, 9), "red").save(paths[5])
    now = [*paths[:3], renamed, *paths[4:]]
    extractor = Extractor()
    np.testing.assert_array_equal(extract(now, extractor, cache).features, expected(now))
    assert extractor.batches == [1]


@pytest.mark.parametrize(
    "change",
    [
        {"key": "weights 2"},
        {"settings": ImageSettings(size=16, fit="squash")},
        {"settings": ImageSettings(size=17)},
        {"settings": ImageSettings(size=16, mean=(0.4, 0.5, 0.5))},
        {"dtype": "float16"},
    ],
    ids=str,
)
def test_another_key_or_other_settings_find_nothing(paths, cache, change):
    extract(paths, Extractor(), cache)
    extractor = Extractor()
    extract(paths, extractor, cache, **change)
    assert sum(extractor.batches) == 10


def test_bad_files_are_named_and_have_no_row(paths, cache):
    broken, text, missing = paths[2], paths[6], paths[9]
    broken.write_bytes(broken.read_bytes()[:60])
    text.write_text("not an image")
    missing.unlink()
    for extractor in (Extractor(), Extractor(fail_at=0)):  # from the cache it is the same
        table = extract(paths, extractor, cache)
        assert table.rows.tolist() == [0, 1, 3, 4, 5, 7, 8]
        np.testing.assert_array_equal(table.features, expected([paths[i] for i in table.rows]))
        assert list(table.failed) == [2, 6, 9]
        for index, message in table.failed.items():
            assert message.startswith(f"{paths[index]}: ")
        assert "no such file" in table.failed[9].lower()


def test_when_every_image_fails_there_are_no_rows(tmp_path, cache):
    table = extract([tmp_path / "a.png", tmp_path / "b.png"], Extractor(), cache)
    assert len(table.features) == len(table.rows) == 0
    assert list(table.failed) == [0, 1]


def test_an_empty_list_gives_an_empty_table_and_writes_nothing(cache):
    table = extract([], Extractor(fail_at=0), cache)
    assert len(table.features) == len(table.rows) == len(table.failed) == 0
    assert not cache.exists()


@pytest.mark.parametrize("cached", [False, True])
def test_equal_files_are_extracted_once_wherever_they_stand(paths, cache, cached):
    copy = paths[0].with_name("copy.png")
    copy.write_bytes(paths[4].read_bytes())
    listed = [*paths, copy, paths[0], paths[0]]
    extractor = Extractor()
    table = extract(listed, extractor, cache if cached else None)
    assert sum(extractor.batches) == 10
    np.testing.assert_array_equal(table.features, expected(listed))
    if cached:
        again = extract(listed, Extractor(fail_at=0), cache)
        np.testing.assert_array_equal(again.features, table.features)


def test_an_interrupted_run_keeps_every_batch_it_finished(paths, cache):
    with pytest.raises(RuntimeError, match="power cut"):
        extract(paths, Extractor(fail_at=2), cache)
    extractor = Extractor()
    np.testing.assert_array_equal(extract(paths, extractor, cache).features, expected(paths))
    assert sum(extractor.batches) == 2


def test_writers_at_the_same_time_lose_nothing(paths, cache):
    start = threading.Barrier(4)

    def write(part: list) -> None:
        start.wait()
        extract(part, Extractor(), cache, batch_size=1)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, [paths[:4], paths[3:7], paths[6:], paths]))
    again = extract(paths, Extractor(fail_at=0), cache)
    np.testing.assert_array_equal(again.features, expected(paths))
    assert not list(cache.rglob("*.tmp"))


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flip_a_feature(data: bytes) -> bytes:
    position = data.index(b"NUMPY", data.index(b"features.npy")) + 130
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


def flip_a_digest(data: bytes) -> bytes:
    position = data.index(b"NUMPY") + 140
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


@pytest.mark.parametrize(
    "damage", [cut, flip_a_feature, flip_a_digest, lambda data: b"", bytes.hex]
)
def test_a_damaged_shard_is_forgotten_and_its_images_extracted_again(
    paths, cache, damage, monkeypatch
):
    monkeypatch.setattr(shards, "SHARD_ROWS", 4)
    extract(paths, Extractor(), cache)
    sizes = {shard: shard.stat().st_size for shard in cache.rglob("*.npz")}
    victim = min(sizes, key=sizes.__getitem__)  # the one with two rows
    damaged = damage(victim.read_bytes())
    victim.write_bytes(damaged.encode() if isinstance(damaged, str) else damaged)
    extractor = Extractor()
    np.testing.assert_array_equal(extract(paths, extractor, cache).features, expected(paths))
    assert extractor.batches == [2]
    assert not victim.exists()
    np.testing.assert_array_equal(
        extract(paths, Extractor(fail_at=0), cache).features, expected(paths)
    )


def test_a_shard_that_cannot_be_read_just_now_is_left_alone(paths, cache, monkeypatch):
    extract(paths, Extractor(), cache)
    (shard,) = cache.rglob("*.npz")
    read = np.lib.npyio.NpzFile.__getitem__

    def fail(arrays, name):
        if name == "features":
            raise OSError(5, "Input/output error")
        return read(arrays, name)

    monkeypatch.setattr(np.lib.npyio.NpzFile, "__getitem__", fail)
    extractor = Extractor()
    np.testing.assert_array_equal(extract(paths, extractor, cache).features, expected(paths))
    assert sum(extractor.batches) == 10
    assert shard.exists()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_maps_are_kept_with_their_shape_in_the_wanted_type(paths, cache, dtype):
    def maps(images: np.ndarray) -> np.ndarray:
        return images[:, ::8, ::4, :2]  # (B, 2, 4, 2), not contiguous

    first = extract(paths, maps, cache, dtype=dtype)
    assert first.features.shape == (10, 2, 4, 2)
    assert first.features.dtype == dtype
    again = extract(paths, Extractor(fail_at=0), cache, dtype=dtype)
    assert first.features.tobytes() == again.features.tobytes()


def test_an_extractor_may_reuse_its_output(paths, cache):
    output = np.empty((4, 6), np.float32)

    def reusing(images: np.ndarray) -> np.ndarray:
        output[: len(images)] = Extractor()(images)
        return output[: len(images)]

    np.testing.assert_array_equal(extract(paths, reusing, cache).features, expected(paths))
    again = extract(paths, Extractor(fail_at=0), cache)
    np.testing.assert_array_equal(again.features, expected(paths))


def test_an_extractor_that_loses_rows_or_changes_their_shape_is_stopped(paths):
    with pytest.raises(ValueError, match="3 rows for 4 images"):
        extract(paths, lambda images: np.zeros((len(images) - 1, 2)), None)
    with pytest.raises(ValueError, match=r"\(2,\) after rows of shape \(4,\)"):
        extract(paths, lambda images: np.zeros((len(images), len(images))), None)


def test_decoding_runs_ahead_of_the_extractor_but_not_far(paths, monkeypatch):
    decoded, seen_ahead = [], []

    def counting(source, settings):
        decoded.append(source.name)
        return load_input(source, settings)

    def slow(images: np.ndarray) -> np.ndarray:
        threading.Event().wait(0.05)
        seen_ahead.append(len(decoded))
        return Extractor()(images)

    monkeypatch.setattr("imlgcn.data.features.load_input", counting)
    extract(paths, slow, None, batch_size=1, workers=2)
    assert seen_ahead[0] > 1
    assert all(ahead <= number + 1 + 2 + 1 for number, ahead in enumerate(seen_ahead))


def test_progress_counts_every_image_cached_or_failed(paths, cache):
    counts: list[int] = []

    class Counting(Progress):
        @contextmanager
        def bar(self, stage, total, unit="images"):
            assert (stage, total, unit) == ("train images", 10, "images")
            yield counts.append

    paths[1].write_bytes(b"")
    for extractor in (Extractor(), Extractor(fail_at=0)):
        extract(paths, extractor, cache, progress=Counting(), stage="train images")
    assert sum(counts) == 20
