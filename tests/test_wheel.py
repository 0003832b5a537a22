"""The wheel alone, in an environment of its own: it is small, and tags with an exported file."""

from __future__ import annotations

import json
import subprocess

import pytest
from tools.measure_install import install, parts

MOST = 520  # MB, without what only makes the environment
MAKES_IT = {"pip", "setuptools", "wheel"}


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    return install(tmp_path_factory.mktemp("wheel"))


@pytest.mark.thorough
def test_it_is_small_and_has_no_pytorch(python):
    found = {part.name: part.megabytes for part in parts(python)}
    assert "torch" not in found
    assert sum(size for name, size in found.items() if name not in MAKES_IT) < MOST


@pytest.mark.thorough
def test_it_tags_as_where_the_tagger_was_trained(python, onnx_file, tagger, shapes):
    image = shapes.parent / "00.png"
    command = [str(python), "-P", "-m", "imlgcn", "predict", str(onnx_file), str(image)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = {json.loads(line)["label"] for line in done.stdout.splitlines()}
    assert said == {tag.label for tag in tagger(image)}
