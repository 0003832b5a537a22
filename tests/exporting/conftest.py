"""Exports that several files of tests look at; each takes seconds."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def kernel_exports(once, make_untrained, shapes) -> Path:
    """A folder with a kernel tagger, untrained, and what it exports; read only.

    ``plain.onnx`` is what its own folder gets, ``maps.onnx`` what it gets if maps are asked for.
    """
    from imlgcn.exporting import export

    def make(folder: Path) -> None:
        tagger = make_untrained(folder, "kernel")
        for wanted, name in ((None, "plain.onnx"), (True, "maps.onnx")):
            done = export(tagger, "onnx", maps=wanted, calibration=shapes)
            assert done.maps == ("occlusion" if wanted else None)
            shutil.copy(done.path, folder / name)

    return once("kernel_exports", make)
