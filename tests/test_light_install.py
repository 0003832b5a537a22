"""Without PyTorch: what uses a tagger works, and what trains one says which command installs it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from imlgcn.extras import EXTRAS

# run in a process in which the libraries of the extras cannot be found, as in a light installation
SCRIPT = """
import contextlib, io, json, os, sys
os.chdir(sys.argv[1])
for library in json.loads(sys.argv[2]):
    sys.modules[library] = None
from imlgcn import cli
found = {}
for command in json.loads(sys.argv[3]):
    out, sys.argv = io.StringIO(), ["imlgcn", *command.split()]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = ended.code or 0
    found[command] = [code, out.getvalue()]
import imlgcn
for name in imlgcn.__all__:
    try:
        getattr(imlgcn, name)
    except ImportError as error:
        found[name] = str(error)
print(json.dumps(found))
"""
USES = (
    "predict TAGGER 00.png",
    "predict FILE 00.png",
    "check shapes.csv",
    "split shapes.csv --out split.csv",
    "graph shapes.csv",
    "evaluate TAGGER shapes.csv",
    "explain TAGGER 00.png",
    "report TAGGER",
)
NEEDS = (
    "train shapes.csv --out new",
    "compare shapes.csv --out new",
    "export TAGGER",
    "predict BARE 00.png",
    "explain BARE 00.png",
    "suggest TAGGER .",
    "similar TAGGER 00.png .",
    "audit shapes.csv",
    "label rename TAGGER red scarlet",
    "systems",
    "push TAGGER user/name --dry-run",
)
OF_THE_HUB = ("predict hf-hub:user/name 00.png", "pull user/name --out new")


@pytest.fixture(scope="module")
def light(shapes, tagger, onnx_folder, onnx_file, tmp_path_factory):
    """What each command prints, with its exit code, and each public name that cannot be had."""
    folder = tmp_path_factory.mktemp("light")
    for file in shapes.parent.iterdir():
        (folder / file.name).symlink_to(file)
    places = {"TAGGER": onnx_folder, "FILE": onnx_file, "BARE": tagger.path}
    commands = [_with(command, places) for command in (*USES, *NEEDS, *OF_THE_HUB)]
    extras = ("train", "openvino", "hub", "sklearn")
    absent = [library for extra in extras for library in EXTRAS[extra]]
    given = [str(folder), json.dumps([*absent, "onnx", "onnxscript"]), json.dumps(commands)]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *given], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    names = {name: text for name, text in found.items() if isinstance(text, str)}
    asked = (*USES, *NEEDS, *OF_THE_HUB)
    return dict(zip(asked, (found[command] for command in commands), strict=True)), names


def _with(command, places):
    return " ".join(str(places.get(word, word)) for word in command.split())


@pytest.mark.parametrize("command", USES)
def test_what_uses_a_tagger_works_without_pytorch(light, command):
    code, said = light[0][command]
    assert (code, "Error" in said) == (0, False), said


@pytest.mark.parametrize("command", NEEDS)
def test_what_needs_pytorch_says_so_in_one_line_with_the_command(light, command):
    code, said = light[0][command]
    assert code == 2, said
    last = said.strip().splitlines()[-1]
    assert last.startswith("imlgcn: ")
    assert last.endswith("is not installed: pip install 'imlgcn[train]'")


@pytest.mark.parametrize("command", OF_THE_HUB)
def test_what_needs_the_hub_says_so_in_one_line_with_the_command(light, command):
    code, said = light[0][command]
    assert code == 2, said
    assert said.strip().endswith("which is not installed: pip install 'imlgcn[hub]'")


def test_a_public_name_that_needs_pytorch_says_so_and_every_other_can_be_had(light):
    assert set(light[1]) == {
        *("HEADS", "MultiLabelClassifier", "audit", "compare", "create_backbone", "create_head"),
        *("TaggerClassifier", "export", "push", "similar", "suggest"),
    }
    own = light[1].pop("TaggerClassifier")
    assert own == "this needs sklearn, which is not installed: pip install 'imlgcn[sklearn]'"
    assert {text.rpartition(": ")[2] for text in light[1].values()} == {
        "pip install 'imlgcn[train]'"
    }
