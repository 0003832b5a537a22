"""The tagger folder has one owner: it alone spells its files' names and reads each file once."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import imlgcn
from imlgcn.tagger import Tagger, folder
from imlgcn.tagger.folder import CHECKPOINTS, FILES, TaggerFolder

ROOT = Path(imlgcn.__file__).parent
OTHERS = [path for path in sorted(ROOT.rglob("*.py")) if path.name != "folder.py"]
# files of that name which are not in a tagger folder: a comparison's own report, and what other
# programs call their network
ELSEWHERE = {
    "comparison/report.py": {"report.html"},
    "exporting/layouts/hf.py": {"model.onnx"},
    "exporting/layouts/wd14.py": {"model.onnx"},
}


def spelled(path: Path) -> set[str]:
    """The names of the folder's files that a module writes as a whole string."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    exported = {folder.exported_name(suffix) for suffix in (".onnx", ".openvino", ".pt2")}
    return strings & {*FILES, CHECKPOINTS, *exported}


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_other_module_spells_the_name_of_a_file_of_the_folder(path):
    assert spelled(path) <= ELSEWHERE.get(path.relative_to(ROOT).as_posix(), set())


def test_each_file_is_read_once(tagger, monkeypatch):
    read = []
    own_text = folder._text

    def counted(path):
        read.append(path.name)
        return own_text(path)

    monkeypatch.setattr(folder, "_text", counted)
    opened = Tagger.load(tagger.path).folder
    for _ in range(2):
        assert opened.config["head"] == "iml_gcn"
        assert opened.metrics["split"] == "test"
        assert opened.curves["loss"]
        assert "head: iml_gcn" in opened.config_text
    assert sorted(read) == ["config.yaml", "log.jsonl", "metrics.json"]


def test_what_is_missing_or_damaged_reads_as_empty(tmp_path):
    (tmp_path / "config.yaml").write_text("a: [")
    (tmp_path / "metrics.json").write_text("{")
    (tmp_path / "log.jsonl").write_text('{"epoch": 1, "loss": 2.5}\n{"epoch')
    (tmp_path / "model.safetensors").write_bytes(b"garbage")
    found = TaggerFolder(tmp_path, ("cat", "dog"))
    assert found.config == {}
    assert found.metrics == {}
    assert found.curves["loss"] == {"training": [(1.0, 2.5)]}
    assert found.context is None
    assert found.scored("val") is None
