"""A tagger in other processes: forked and spawned pools, workers of a data loader."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from imlgcn.engines import shared
from imlgcn.tagger import Tagger

# as a user's program: its own processes, none of pytest's
PROGRAM = """
import multiprocessing as mp, sys
from concurrent.futures import ProcessPoolExecutor
import torch
from torch.utils.data import DataLoader, Dataset
from imlgcn import Tagger

class Tags(Dataset):
    def __init__(self, tagger, paths):
        self.tagger, self.paths = tagger, paths
    def __len__(self):
        return len(self.paths)
    def __getitem__(self, index):
        return [tag.label for tag in self.tagger(self.paths[index], top_k=2)]

def pool(way):
    with ProcessPoolExecutor(1, mp_context=mp.get_context(way)) as workers:
        return [[t.label for t in tags[:2]] for tags in workers.map(tagger, paths, timeout=90)]

if __name__ == "__main__":
    path, *paths = sys.argv[1:]
    torch.set_num_threads(2)  # whose pool a fork does not take along
    tagger = Tagger.load(path)
    before = pool("fork")
    x = torch.randn(300, 300)
    (x @ x).sum()
    expected = [[t.label for t in tags[:2]] for tags in map(tagger, paths)]
    assert before == expected, (before, expected)
    assert pool("fork") == expected
    assert pool("spawn") == expected
    tagger = Tagger.load(path)
    tagger(paths[0])
    loader = DataLoader(Tags(tagger, paths), num_workers=1, batch_size=None,
                        multiprocessing_context="fork")
    assert [labels[:len(e)] for labels, e in zip(loader, expected)] == expected
    print("the same in all")
"""


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_pool_tags_as_its_parent_before_and_after_its_first_image(tagger, shapes, tmp_path):
    """Forked and spawned; and workers of a data loader do."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    photos = [str(shapes.parent / name) for name in ("00.png", "03.png")]
    done = subprocess.run(
        [sys.executable, str(program), str(tagger.path), *photos],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
    )
    assert done.stdout.strip() == "the same in all", done.stderr[-2000:]


def test_a_pickled_tagger_is_small_and_the_same(tagger, shapes):
    photo = shapes.parent / "03.png"
    expected = tagger(photo, threshold=0)
    data = pickle.dumps(tagger)
    assert len(data) < 20_000, "the network stays in its folder"
    again = pickle.loads(data)
    assert again.path.is_absolute()
    assert again(photo, threshold=0) == expected
    np.testing.assert_array_equal(again.thresholds, tagger.thresholds)


def test_copies_of_one_process_share_an_engine_and_settings_are_kept(tagger):
    loaded = Tagger.load(tagger.path, engine="torch", label_table=tagger.label_table)
    first, second = (pickle.loads(pickle.dumps(loaded)) for _ in range(2))
    assert first.engine is second.engine
    assert first.label_table.rows == loaded.label_table.rows
    assert first.engine is not loaded.engine
    assert len(shared.SHARED) <= shared.MOST


def test_another_operating_point_shares_the_engine(tagger):
    assert tagger.at("0.5").engine is tagger.engine


def test_an_exported_file_is_pickled_as_its_path(onnx_file, shapes):
    photo = shapes.parent / "03.png"
    tagger = Tagger.load(onnx_file)
    again = pickle.loads(pickle.dumps(tagger))
    assert again.engine.name == "onnxruntime"
    assert again(photo, threshold=0) == tagger(photo, threshold=0)
