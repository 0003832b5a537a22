"""Training writes the exported file by itself; whatever goes wrong with it ends nothing."""

from __future__ import annotations

import pytest

import imlgcn.exporting.after_training as module
from imlgcn import Tagger
from imlgcn.exporting import ExportRefused
from imlgcn.exporting.after_training import export_trained
from runs import Said


@pytest.fixture
def fresh(own_tagger) -> Tagger:
    """A tagger that was just trained."""
    return Tagger.load(own_tagger)


@pytest.mark.thorough
def test_tagging_uses_the_file_from_then_on(fresh):
    said = Said()
    assert fresh.engine.name == "torch"
    export_trained(fresh, progress=said)
    assert said.about("exported: model.onnx")
    assert Tagger.load(fresh.path).engine.name == "onnxruntime"


@pytest.mark.parametrize(
    "error", [ExportRefused("the file disagrees"), RuntimeError("unknown operation\nat line 3")]
)
def test_a_failure_is_a_warning_and_tagging_stays_with_pytorch(fresh, error, monkeypatch):
    def fail(tagger):
        raise error

    monkeypatch.setattr(module, "export", fail)
    said = Said()
    export_trained(fresh, progress=said)
    first = str(error).splitlines()[0]
    assert said.lines[-1] == f"warning: not exported, so tagging stays with PyTorch: {first}"
    assert Tagger.load(fresh.path).engine.name == "torch"


def test_nothing_is_tried_or_said_where_the_libraries_are_missing(fresh, monkeypatch):
    monkeypatch.setattr(module, "NEEDS", ("onnx", "library_that_nobody_has"))
    said = Said()
    export_trained(fresh, progress=said)
    assert said.lines == []
    assert not (fresh.path / "model.onnx").exists()


@pytest.mark.parametrize("wanted", [True, False])
def test_train_exports_unless_told_not_to(train_tiny, tmp_path, monkeypatch, wanted):
    exported = []
    monkeypatch.setattr("imlgcn.pipeline._export", lambda tagger, *_: exported.append(tagger))
    options = {} if wanted else {"no_export": True}
    tagger = train_tiny(tmp_path / "run", **options)
    assert exported == ([tagger] if wanted else [])
