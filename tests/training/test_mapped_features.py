"""Features larger than memory stay in the files of the cache; what is trained is the same."""

import hashlib
import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from imlgcn import memory
from imlgcn.config import EmbeddingSettings, HeadTraining, LossSettings
from imlgcn.data import extraction
from imlgcn.data.dataset import Dataset
from imlgcn.data.features import _namespace, features_for
from imlgcn.data.formats.base import Record
from imlgcn.data.mapped_rows import MappedRows
from imlgcn.data.shards import FeatureShards
from imlgcn.evaluation import evaluate_split, fit_label_calibration
from imlgcn.image_settings import ImageSettings
from imlgcn.labels import embeddings
from imlgcn.labels.context import LabelContext
from imlgcn.memory import available_memory
from imlgcn.models import create_head
from imlgcn.tagger.folder import WEIGHTS
from imlgcn.training.extract import ImageFeatures
from imlgcn.training.loop import create_fabric, score_features
from imlgcn.training.stages import embed_labels, fit_head, train_head

FILES, IMAGES, C, L = 1_500, 12_000, 2_048, 8  # each file eight times: 197 MB of rows
ROOM = 128 * 2**20  # bytes that a process may take beside what it has
SETTINGS = ImageSettings(size=16)
NAMES = tuple(f"label {number}" for number in range(L))


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Files whose features are in the cache, and that cache."""
    folder = tmp_path_factory.mktemp("mapped")
    random = np.random.default_rng(0)
    digests = []
    for number in range(FILES):
        content = f"no image, but its features are known: {number}".encode()
        (folder / f"{number}.jpg").write_bytes(content)
        digests.append(hashlib.sha256(content).digest())
    cache = folder / "cache"
    with FeatureShards(cache / _namespace("key", SETTINGS, "float32"), np.dtype("f4")) as shards:
        for start in range(0, FILES, 500):
            rows = random.standard_normal((500, 2 * C), dtype=np.float32)
            shards.append(digests[start : start + 500], rows)
            shards.flush()
    return images_in(folder)


def images_in(folder):
    paths = [folder / f"{number}.jpg" for number in range(FILES)]
    return paths * (IMAGES // FILES), folder / "cache"


def never(pixels):
    raise AssertionError("all is in the cache")


def table_of(paths, cache):
    how = {"extractor": never, "settings": SETTINGS, "key": "key"}
    return features_for(paths, cache=cache, **how).features


def trained(paths, cache, head_name):
    """Return whether the rows stayed in files, and the scores and metrics of a head."""
    rows = table_of(paths, cache)
    stay = isinstance(rows, MappedRows)
    values = rows.take_columns(0, 2 * C, (2, C)) if stay else rows.reshape(-1, 2, C)
    random = np.random.default_rng(1)
    targets = (random.random((IMAGES, L)) < 0.2).astype(np.int8)
    records = tuple(Record(path.name, path) for path in paths)
    dataset = Dataset(NAMES, records, targets, "", "")
    features = ImageFeatures(dataset, values, {})
    part = features.select(np.flatnonzero(np.arange(IMAGES) % 5))
    context = embed_labels(
        LabelContext.from_targets(NAMES, part.dataset.targets), part, EmbeddingSettings()
    )
    torch.manual_seed(0)
    head = create_head(head_name, C, context)
    settings = HeadTraining(epochs=1, batch_size=64)
    fabric = create_fabric("cpu")
    train_head(head, part, None, settings=settings, loss=LossSettings(), seed=0, fabric=fabric)
    logits = score_features(head, features.inputs(head), batch_size=512)
    metrics = evaluate_split(logits, targets, NAMES, fit_label_calibration(logits, targets))
    return stay, logits, metrics


def main(folder, head_name):
    """Train in a process that may take little memory; what is imported does not count."""
    create_fabric("cpu")
    np.ones((64, 64)) @ np.ones((64, 64))  # its library takes working memory with the first
    status = Path("/proc/self/status").read_text()
    limit = 1024 * int(re.search(r"VmData:\s+(\d+)", status)[1]) + ROOM
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    with pytest.raises(MemoryError):
        np.ones((IMAGES, 2 * C), np.float32)
    embeddings.IMAGES_PER_BLOCK = 1000
    stay, logits, metrics = trained(*images_in(folder), head_name)
    np.save(folder / f"{head_name}.npy", logits)
    print(json.dumps([stay, metrics]))


@pytest.mark.scale
@pytest.mark.parametrize("head", ["linear", "iml_gcn"])
def test_a_head_trained_in_less_memory_than_its_features_take_is_the_same(
    images, head, monkeypatch
):
    folder = images[1].parent
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, str(folder), head]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    monkeypatch.setattr(embeddings, "IMAGES_PER_BLOCK", 1000)
    in_memory, expected, metrics = trained(*images, head)
    np.testing.assert_array_equal(np.load(folder / f"{head}.npy"), expected)
    stay, found = json.loads(done.stdout)
    assert (stay, in_memory) == (True, False)
    # sums over blocks differ in their last digits
    assert _rounded(found) == _rounded(json.loads(json.dumps(metrics)))


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return float(f"{value:.10g}") if isinstance(value, float) else value


def test_a_changed_block_is_never_mapped(images, tmp_path, monkeypatch):
    paths, cache = images
    monkeypatch.setattr(extraction, "available_memory", lambda: 1000)
    folder = tmp_path / _namespace("key", SETTINGS, "float32")
    folder.mkdir()
    for shard in (cache / folder.name).iterdir():
        (folder / shard.name).write_bytes(shard.read_bytes())
    damaged = min(folder.iterdir())
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    shards = FeatureShards(folder, np.dtype("f4"))
    assert shards.map(damaged) is None
    assert not damaged.exists(), "it is written anew"
    damaged.write_bytes(content)
    table = features_for(
        paths[:FILES], extractor=never, settings=SETTINGS, key="key", cache=tmp_path
    )  # those of the damaged block are decoded again, and are not images
    assert len(table.failed) == FILES // 3
    expected = table_of(paths[:FILES], cache)
    np.testing.assert_array_equal(table.features[:], expected[table.rows])


def test_where_all_blocks_are_damaged_and_no_image_is_left_there_are_no_rows(
    images, tmp_path, monkeypatch
):
    paths, cache = images
    monkeypatch.setattr(extraction, "available_memory", lambda: 1000)
    folder = tmp_path / _namespace("key", SETTINGS, "float32")
    folder.mkdir()
    for shard in (cache / folder.name).iterdir():
        content = bytearray(shard.read_bytes())
        content[len(content) // 2] ^= 1
        (folder / shard.name).write_bytes(content)
    table = features_for(paths[:9], extractor=never, settings=SETTINGS, key="key", cache=tmp_path)
    assert (len(table.features), len(table.failed)) == (0, 9)


def test_rows_that_stay_in_files_are_those_in_memory(images, monkeypatch):
    paths, cache = images[0][: 2 * FILES], images[1]
    whole = table_of(paths, cache)
    monkeypatch.setattr(extraction, "available_memory", lambda: 1000)
    mapped = table_of(paths, cache)
    rows = np.random.default_rng(3).permutation(2 * FILES)[:500]
    part = mapped.take_columns(C, 2 * C, (C,)).select(rows)
    assert (part.shape, part.ndim, part.dtype) == ((500, C), 2, np.float32)
    np.testing.assert_array_equal(part[:], whole[rows, C:])
    np.testing.assert_array_equal(part[17:40], whole[rows[17:40], C:])
    np.testing.assert_array_equal(part[np.array([9, 3, 9])], whole[rows[[9, 3, 9]], C:])
    np.testing.assert_array_equal(
        part.take_columns(5, 9, (2, 2))[:2], whole[rows[:2], C + 5 : C + 9].reshape(2, 2, 2)
    )
    assert part[:0].shape == (0, C)


def test_a_run_whose_features_stay_in_files_ends_with_the_same_weights(
    tagger, train_tiny, tmp_path, monkeypatch
):
    monkeypatch.setenv("IMLGCN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(extraction, "available_memory", lambda: 1000)
    for again in ("new", "cached"):
        run = train_tiny(tmp_path / again)
        assert (run.path / WEIGHTS).read_bytes() == (tagger.path / WEIGHTS).read_bytes()
        assert not (run.path / "support.parquet").exists()
        assert (run.path / "learnt-images.bin").exists()


def test_the_memory_that_is_left_is_the_least_of_machine_container_and_process(
    tmp_path, monkeypatch
):
    (tmp_path / "max").write_text("1000000\n")
    (tmp_path / "current").write_text("300000\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 100000\n")
    monkeypatch.setattr(
        memory, "CGROUPS", ((str(tmp_path / "max"), str(tmp_path / "current")), ("none", "none"))
    )
    assert available_memory() == 800_000
    (tmp_path / "max").write_text("max\n")
    assert available_memory() > 2**20
    monkeypatch.setattr(memory, "_of_the_process", lambda: [5])
    assert available_memory() == 5


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])


def test_a_head_of_closed_form_is_fitted_to_mapped_rows_without_reading_all(monkeypatch):
    monkeypatch.setattr("imlgcn.models.heads.kernel.ROWS_AT_ONCE", 16)
    random = np.random.default_rng(0)
    table = random.random((50, 24), dtype=np.float32)
    targets = (random.random((50, 3)) < 0.4).astype(np.int8)
    records = tuple(Record(str(row), Path(str(row))) for row in range(50))
    dataset = Dataset(NAMES[:3], records, targets, "", "")
    row = np.arange(50, dtype=np.int32)
    mapped = MappedRows([table], 0 * row, row, slice(0, 24), (2, 12))
    asked, taken = [], MappedRows.__getitem__
    monkeypatch.setattr(
        MappedRows, "__getitem__", lambda self, rows: asked.append(rows) or taken(self, rows)
    )
    heads = []
    for values in (mapped, table.reshape(-1, 2, 12)):
        head = create_head("kernel", 12, LabelContext.named(NAMES[:3]))
        fit_head(head, ImageFeatures(dataset, values, {}), None, device=torch.device("cpu"))
        heads.append(head.state_dict())
    assert all(torch.equal(value, heads[1][name]) for name, value in heads[0].items())
    assert asked
    assert slice(None) not in asked
