"""A head is one file and one line: a head that nothing else knows runs through every command."""

from __future__ import annotations

import ast
import json
import re
from importlib import import_module
from pathlib import Path

import pytest
from safetensors.numpy import load_file

import imlgcn
from imlgcn.config import CONTROL
from imlgcn.models.heads import CANDIDATES, HEADS
from imlgcn.tagger import Tagger

ROOT = Path(imlgcn.__file__).parent
# the registry itself, and tables of what others published, which name the heads they are for
AT_HOME = ("models/heads/", "official/")
MAKERS = ("create_head", "head_options")
OUTSIDE = [
    path
    for path in sorted(ROOT.rglob("*.py"))
    if not path.relative_to(ROOT).as_posix().startswith(AT_HOME)
]


@pytest.fixture
def _head(monkeypatch, tmp_path, page_files):
    """A package of somebody else's with the head of docs/adding-a-head.md, and its line."""
    package = tmp_path / "heads_of_somebody"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "wildcat.py").write_text(page_files["src/imlgcn/models/heads/wildcat.py"])
    monkeypatch.syspath_prepend(tmp_path)
    module = import_module("heads_of_somebody.wildcat")
    monkeypatch.setitem(HEADS, "wildcat", module.WildcatHead)


@pytest.mark.usefixtures("_head")
def test_a_new_head_trains_reports_explains_exports_and_serves(cli, tmp_path, shapes, weights):
    pytest.importorskip("onnxscript")
    client = pytest.importorskip("fastapi.testclient").TestClient
    from imlgcn.serve import ServeSettings, create_app

    folder, image = tmp_path / "run", shapes.parent / "03.png"

    def run(*arguments) -> str:
        done = cli(*arguments)
        assert done.code == 0, done.err
        return done.out

    tiny = ("--backbone", "test_efficientnet", "--weights", weights, "--size", 64, "--epochs", 1)
    told = run("train", shapes, "--head", "wildcat", "--out", folder, *tiny)
    assert f"control: {CONTROL}" in told
    (folder / "report.html").unlink()
    run("report", folder)
    assert "wildcat" in (folder / "report.html").read_text(encoding="utf-8")
    found = json.loads(run("explain", folder, image, "--label", "red", "--json"))
    assert (found["head"], found["map"]["kind"]) == ("wildcat", "winner")
    run("export", folder, "--format", "onnx")
    tagger = Tagger.load(folder, engine="onnxruntime")
    with client(create_app(tagger, ServeSettings()), base_url="http://127.0.0.1:8000") as served:
        tags = served.post("/v1/tags?all=1", content=image.read_bytes())
        maps = served.post("/v1/maps?label=red", content=image.read_bytes())
    assert tags.status_code == maps.status_code == 200
    assert maps.json()["maps"].keys() == {"red"}
    assert load_file(folder / "model.safetensors")["head.weight"].shape[1] == len(tagger.labels)


def names_of_heads(text: str) -> list[str]:
    """Return the places of a source that ask which head one is: by name, by class, by module."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            about = any("head" in ast.unparse(side).lower() for side in sides if not _name(side))
            found += [ast.unparse(node)] if about and any(map(_name, sides)) else []
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in MAKERS:
            found += [ast.unparse(node)] if node.args and _name(node.args[0]) else []
        elif isinstance(node, ast.Tuple | ast.List | ast.Set) and len(node.elts) > 1:
            found += [ast.unparse(node)] if all(map(_name, node.elts)) else []
        elif isinstance(node, ast.ImportFrom):
            module = (node.module or "").removeprefix("imlgcn.models.heads.")
            found += [ast.unparse(node)] if module in HEADS else []
            classes = {head.__name__ for head in HEADS.values()}
            found += [alias.name for alias in node.names if alias.name in classes]
    return found


def _name(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value in HEADS


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_outside_asks_which_head_one_is(path):
    assert names_of_heads(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "if settings.head == 'linear': pass",
        "if info.head.name in ('x', y) or metrics.get('head') != 'mlp': pass",
        "create_head('linear', 3, labels)",
        "WHOLE_GRAPH = ('ssgrl', 'kggr')",
        "from imlgcn.models.heads.ml_gcn import anything",
        "def f():\n    from imlgcn.models import MLGCNHead",
    ],
)
def test_a_question_for_a_head_is_found(text):
    assert len(names_of_heads(text)) == 1


def test_the_control_is_one_of_the_heads():
    assert CONTROL in HEADS


def test_the_heads_that_the_help_names_are_heads_and_do_what_it_says():
    """The command line names a few, without loading torch; this holds them to the registry."""

    def texts(module: str) -> str:
        return (ROOT / "cli" / f"{module}.py").read_text(encoding="utf-8")

    pattern = r'help="([\w, ]+), \.\.\.; `imlgcn systems` lists all "\s+"\(default: auto, the best'
    (listed,) = re.findall(pattern, texts("train"))
    assert tuple(sorted(listed.split(", "))) == tuple(sorted(CANDIDATES))
    (listed,) = re.findall(r'help="([\w,]+):[\w=]+,\.\.\.; all = every head', texts("compare"))
    assert set(listed.split(",")) <= set(HEADS)
    (known,) = re.findall(r"them, as (\w+) does;", texts("options"))
    assert [name for name, head in HEADS.items() if head.uses_known] == [known]
