"""Exported activation maps are the network's, in every runtime, and proven before one is kept."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

import imlgcn.exporting.one_file as exporting
from imlgcn.engines.onnxruntime import OnnxEngine
from imlgcn.engines.openvino import OpenVinoEngine
from imlgcn.errors import InputError
from imlgcn.explanation import explain
from imlgcn.exporting import FORMATS, ExportRefused, export
from imlgcn.exporting.agreement import compare_maps
from imlgcn.files import sha256_file
from imlgcn.models import HEADS
from imlgcn.tagger import Tagger

pytest.importorskip("onnxscript")
pytest.importorskip("openvino")

LARGE = [n for n, h in HEADS.items() if h.neighbour_effect == "edges" or n in ("srn", "csra")]
CASES = [
    pytest.param("c_tran", {}, marks=pytest.mark.thorough),
    pytest.param("linear", {"pooling": "max"}, marks=pytest.mark.slow),
    *(pytest.param(name, {}, marks=pytest.mark.slow) for name in (*LARGE, "mlp", "ml_decoder")),
    pytest.param("query2label", {"dec_layers": 2}, marks=pytest.mark.slow),
]


@pytest.fixture
def file(onnx_folder):
    """The trained tagger as an ONNX file with maps."""
    return onnx_folder / "model.onnx"


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_file_gives_the_maps_of_the_folder(engine, file, tagger, pixels):
    alone = Tagger.load(file, engine=engine)
    expected = tagger.maps(pixels, [(20, 10)] * 3)
    for count in (1, 3):
        found = alone.maps(pixels[:count], [(20, 10)] * count)
        assert (found.kind, found.regions) == ("score", expected.regions[:count])
        np.testing.assert_allclose(found.maps, expected.maps[:count], atol=1e-4)
        np.testing.assert_allclose(found.logits, expected.logits[:count], atol=1e-4)
    assert alone.engine.logits(pixels).shape == expected.logits.shape


@pytest.mark.parametrize(("head", "options"), CASES)
def test_the_maps_of_a_head_are_the_same_in_every_runtime(
    head, options, untrained, shapes, pixels, tmp_path
):
    tagger = untrained(head, **options)
    done = export(tagger, "onnx", tmp_path / "a.onnx", maps=True, calibration=shapes)
    assert 0 < done.agreement.maps < 1e-3
    assert_maps_alike(Tagger.load(tagger.path), done.path, pixels)


@pytest.mark.thorough
def test_so_are_those_by_occlusion(kernel_exports, pixels):
    tagger = Tagger.load(kernel_exports / "untrained-kernel", engine="torch")
    assert_maps_alike(tagger, kernel_exports / "maps.onnx", pixels)


def assert_maps_alike(trained, path, pixels):
    known = None
    if HEADS[trained.info.head.name].uses_known:
        known = trained.known_row({"red": 1})
    expected = trained.maps(pixels, known=known)
    rows = None if known is None else np.tile(known, (3, 1))
    for engine in (OnnxEngine(path), OpenVinoEngine(path)):
        assert engine.map_kind == expected.kind
        logits, maps = engine.maps(pixels, rows)
        tolerance = 1e-4 * np.abs(expected.maps).max()
        np.testing.assert_allclose(logits, expected.logits, rtol=1e-4, atol=1e-4)
        if expected.kind == "winner":  # rounding decides between positions that are as good
            maps, expected_maps = maps.mean((2, 3)), expected.maps.mean((2, 3))
        else:
            expected_maps = expected.maps
        np.testing.assert_allclose(maps, expected_maps, atol=tolerance)


@pytest.mark.slow
def test_an_archive_holds_maps_too(tagger, pixels, tmp_path):
    path = export(tagger, "openvino", tmp_path / "a.openvino", maps=True).path
    np.testing.assert_allclose(
        Tagger.load(path).maps(pixels).maps, tagger.maps(pixels).maps, atol=1e-4
    )


def test_a_file_without_maps_says_how_to_get_them(onnx_file, pixels):
    with pytest.raises(InputError, match=r"holds no activation maps; export with maps=True"):
        Tagger.load(onnx_file).maps(pixels)


def test_a_folder_whose_file_has_no_maps_gives_those_of_the_network(own_tagger, onnx_file, pixels):
    expected = Tagger.load(own_tagger).maps(pixels)
    shutil.copy(onnx_file, own_tagger / "model.onnx")
    content = json.loads((own_tagger / "model.json").read_text())
    content["sha256"]["model.onnx"] = sha256_file(onnx_file)
    (own_tagger / "model.json").write_text(json.dumps(content))
    tagger = Tagger.load(own_tagger, engine="onnxruntime")
    assert tagger.engine.map_kind is None
    np.testing.assert_allclose(tagger.maps(pixels).maps, expected.maps, atol=1e-5)


def test_a_head_without_maps_is_exported_only_without(untrained, tmp_path):
    with pytest.raises(InputError, match="'cnn_rnn' has no activation maps"):
        export(untrained("cnn_rnn"), "onnx", tmp_path / "a.onnx", maps=True)
    assert list(tmp_path.glob("*.onnx")) == []


@pytest.mark.thorough
def test_a_folders_own_file_has_maps_by_occlusion_only_if_they_are_asked_for(kernel_exports):
    """They cost a forward pass of the head for every position, whenever an image is tagged."""
    for name, kind in (("plain", None), ("maps", "occlusion")):
        assert OnnxEngine(kernel_exports / f"{name}.onnx").map_kind == kind


def test_maps_that_disagree_are_refused(tagger, file, tmp_path, monkeypatch):
    written = FORMATS["onnx"]._replace(write=lambda network, path, _: shutil.copy(file, path))
    monkeypatch.setattr(exporting, "FORMATS", {"onnx": written})
    monkeypatch.setattr(exporting, "compare_maps", lambda *_: 0.01)
    with pytest.raises(ExportRefused, match=r"maps by 0\.01 of the largest value"):
        export(tagger, "onnx", tmp_path / "a.onnx", maps=True)
    assert list(tmp_path.iterdir()) == []


class Fixed:
    """A scorer that always gives the same maps."""

    takes_known = False

    def __init__(self, maps):
        self.given = np.array(maps, np.float32)

    def maps(self, pixels, known=None):
        return self.given.mean((2, 3)), self.given


def test_maps_are_compared_place_by_place_but_those_of_winners_as_a_whole():
    one, moved = Fixed([[[[4.0, 0.0]]]]), Fixed([[[[0.0, 4.0]]]])
    assert compare_maps(one, moved, "score", None) == 1.0
    assert compare_maps(one, moved, "winner", None) == 0.0
    assert compare_maps(Fixed([[[[3.0, 0.0]]]]), one, "score", None) == 0.25
    assert compare_maps(Fixed([[[[4.0], [0.0]]]]), one, "score", None) == float("inf")
    half = Fixed([[[[4.0, 0.5]]]])  # its logit is 2.25, so falls are compared with that
    assert compare_maps(one, half, "occlusion", None) == pytest.approx(0.5 / 2.25)
    assert compare_maps(Fixed([[[[np.nan, 0.0]]]]), one, "score", None) == float("inf")


def test_a_file_explains_itself_without_torch_or_its_graph(file, tagger, shapes):
    photo = shapes.parent / "03.png"
    code = (
        "import sys, json; from imlgcn import Tagger; from imlgcn.explanation import explain;"
        f"found = explain(Tagger.load({str(file)!r}), {str(photo)!r}, ['red']).to_dict();"
        "found['modules'] = [m for m in ('torch', 'timm', 'matplotlib') if m in sys.modules];"
        "print(json.dumps(found))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found, expected = json.loads(done.stdout), explain(tagger, photo, ["red"]).to_dict()
    assert found["modules"] == []
    red, from_folder = found["labels"][0], expected["labels"][0]
    assert red["graph"] is None
    assert from_folder["graph"] is not None
    np.testing.assert_allclose(red["map"], from_folder["map"], atol=1e-4)
