"""Images in every form that a run on many workers takes."""

from __future__ import annotations

import pytest

from colour_tagger import paint
from imlgcn.batch import BatchTagger
from imlgcn.prediction import predict

from .samples import rows_of


@pytest.fixture
def onnx(onnx_file):
    """An exported tagger; read only."""
    return onnx_file


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """Twelve images below `in`, one of them damaged; the working folder is that of `in`."""
    paths = [paint(tmp_path / "in" / f"{n:02}.png", 20 * n, 255 - 20 * n, 90) for n in range(12)]
    paths[4].write_bytes(b"no image at all")
    monkeypatch.chdir(tmp_path)
    return [f"in/{path.name}" for path in paths]


@pytest.fixture
def tag(onnx):
    return BatchTagger(onnx, threshold=0.4)


@pytest.fixture
def expected(onnx, pictures, tmp_path):
    predict(onnx, pictures, out=tmp_path / "one.parquet", threshold=0.4)
    return rows_of(tmp_path / "one.parquet")
