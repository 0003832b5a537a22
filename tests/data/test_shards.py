import numpy as np
import pytest

from imlgcn.data import shards
from imlgcn.data.shards import FeatureShards
from imlgcn.errors import InputError

FLOAT = np.dtype(np.float32)


def digest(number: int) -> bytes:
    return bytes([number]) * 32


def write(folder, numbers: range, *, at_once: int = 2) -> None:
    with FeatureShards(folder, FLOAT) as writer:
        for start in range(numbers.start, numbers.stop, at_once):
            part = range(start, min(start + at_once, numbers.stop))
            rows = np.array([[number, number / 3] for number in part], np.float32)
            writer.append([digest(number) for number in part], rows)


def read_all(folder) -> dict[bytes, list[float]]:
    reader = FeatureShards(folder, FLOAT)
    return {key: reader.read(shard)[row].tolist() for key, (shard, row) in reader.index().items()}


def row_of(number: int) -> list[float]:
    return [number, float(np.float32(number / 3))]


def test_every_row_is_found_under_its_own_digest_whatever_shard_it_is_in(tmp_path):
    write(tmp_path, range(3))
    write(tmp_path, range(3, 8))
    assert len(list(tmp_path.iterdir())) == 2
    assert read_all(tmp_path) == {digest(number): row_of(number) for number in range(8)}


@pytest.mark.parametrize(
    ("limit", "value", "count"), [("SHARD_ROWS", 4, 3), ("SHARD_BYTES", 2 * 8, 5)]
)
def test_a_shard_is_written_when_it_is_full(tmp_path, monkeypatch, limit, value, count):
    monkeypatch.setattr(shards, limit, value)
    write(tmp_path, range(10))
    assert len(list(tmp_path.iterdir())) == count
    assert len(read_all(tmp_path)) == 10


def test_what_was_appended_is_written_when_an_error_ends_the_run(tmp_path):
    def run() -> None:
        with FeatureShards(tmp_path, FLOAT) as writer:
            writer.append([digest(7)], np.array([[7, 7 / 3]], np.float32))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert read_all(tmp_path) == {digest(7): row_of(7)}


def test_nothing_new_writes_no_file_and_no_folder_keeps_nothing(tmp_path):
    write(tmp_path / "cache", range(0))
    assert list((tmp_path / "cache").iterdir()) == []
    write(None, range(3))
    assert FeatureShards(None, FLOAT).index() == {}


def test_a_file_left_by_a_killed_writer_is_not_read(tmp_path):
    write(tmp_path, range(3))
    (shard,) = tmp_path.iterdir()
    (tmp_path / f".{shard.name}.0123.tmp").write_bytes(shard.read_bytes()[:50])
    assert len(read_all(tmp_path)) == 3


def test_a_pickle_in_the_cache_is_never_loaded(tmp_path):
    with (tmp_path / "shard.npz").open("wb") as file:
        np.savez(file, sha256=np.array([print], dtype=object), features=np.zeros(1))
    assert FeatureShards(tmp_path, FLOAT).index() == {}


def test_a_folder_that_cannot_be_made_is_refused_at_the_start(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match=r"cannot write to the cache .*IMLGCN_CACHE"),
        FeatureShards(tmp_path / "file" / "cache", FLOAT),
    ):
        pass


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    def no_space(*arguments, **arrays):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", no_space)
    with pytest.raises(InputError, match="No space left on device; free some space"):
        write(tmp_path, range(3))
    assert list(tmp_path.iterdir()) == []


CHANGES = {
    "rows in another order": lambda found: found | {"features": found["features"][::-1]},
    "fewer rows": lambda found: {
        **found,
        "features": found["features"][:-1],
        "sha256": found["sha256"][:-1],
    },
    "another width": lambda found: found | {"features": found["features"][:, :1]},
    "not a number": lambda found: found | {"features": found["features"] * np.float32("nan")},
    "another type": lambda found: found | {"features": found["features"].astype(np.float16)},
    "no proof": lambda found: {key: found[key] for key in ("sha256", "features")},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_shard_that_is_well_formed_but_not_what_was_written_is_never_used(tmp_path, change):
    write(tmp_path, range(3), at_once=3)
    (shard,) = tmp_path.iterdir()
    with np.load(shard) as arrays:
        found = dict(arrays)
    np.savez(shard, **change(found))
    reader = FeatureShards(tmp_path, FLOAT)
    assert reader.read(shard) is None
    assert not shard.exists(), "it is written anew"
