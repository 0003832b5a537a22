"""Images in every form that a run on many workers takes."""

from __future__ import annotations

import pytest

from colour_tagger import paint


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
