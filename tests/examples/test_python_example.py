"""examples/python/tag.py gives the tags of the tagger, without imlgcn."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnxscript")
SCRIPT = Path(__file__).parents[2] / "examples" / "python" / "tag.py"


def test_the_example_needs_numpy_pillow_and_onnxruntime_only():
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"))
    names = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    names |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert names - set(sys.stdlib_module_names) == {"numpy", "onnxruntime", "PIL"}


def test_the_example_prints_the_tags_of_the_tagger(tagger, onnx_file, shapes):
    photos = [shapes.parent / f"{number:02}.png" for number in range(4)]
    command = [sys.executable, str(SCRIPT), str(onnx_file), *map(str, photos)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    lines = done.stdout.splitlines()
    assert len(lines) == len(photos)
    for photo, line in zip(photos, lines, strict=True):
        name, *found = line.split("\t")
        assert name == str(photo)
        expected = [f"{tag.label}={tag.probability:.3f}" for tag in tagger(photo)]
        assert [item.split("=")[0] for item in found] == [item.split("=")[0] for item in expected]
        for ours, theirs in zip(found, expected, strict=True):
            assert abs(float(ours.split("=")[1]) - float(theirs.split("=")[1])) <= 0.0011
