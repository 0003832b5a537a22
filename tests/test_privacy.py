"""No library below reports to its maker, and none leaves an identifier of the machine."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from imlgcn.privacy import REPORTER, VARIABLES

USE = """
import sys
from imlgcn import Tagger
tagger = Tagger.load(sys.argv[1], engine=sys.argv[2])
print(tagger.engine.name, len(tagger(sys.argv[3])))
"""


def use(home, *arguments) -> str:
    """Tag an image in a process of its own, with a home that is empty."""
    outside = {k: v for k, v in os.environ.items() if k not in {*VARIABLES, "CI", "TF_BUILD"}}
    environment = outside | {
        "HOME": str(home),
        "XDG_CACHE_HOME": "",
        "IMLGCN_CACHE": str(home / "own"),
    }
    command = [sys.executable, "-c", USE, *map(str, arguments)]
    return subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_tagging_leaves_nothing_in_the_home_of_the_user(onnx_file, shapes, tmp_path, engine):
    pytest.importorskip(engine)
    said = use(tmp_path, onnx_file, engine, shapes.parent / "00.png")
    assert said.startswith(engine)
    left = {path.name for path in tmp_path.rglob("*") if path.is_file() and "own" not in path.parts}
    assert left == set()


def test_what_the_user_has_set_stays(onnx_file):
    code = f"import os, imlgcn; print(*(os.environ[name] for name in {list(VARIABLES)}))"
    chosen = dict.fromkeys(VARIABLES, "0")
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | chosen, capture_output=True, text=True
    )
    assert done.stdout.split() == list(chosen.values())


def test_the_reporter_of_openvino_cannot_be_loaded():
    assert sys.modules[REPORTER] is None
