"""The export command: what it writes, what it proves, what it refuses."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

import imlgcn.exporting.one_file as exporting
from imlgcn.engines import open_file
from imlgcn.engines.base import batch_of
from imlgcn.errors import InputError
from imlgcn.exporting import FORMATS, ExportRefused, export
from imlgcn.exporting.agreement import agreement, sample_images
from imlgcn.files import sha256_file
from imlgcn.tagger import Tagger

pytest.importorskip("onnxscript")
pytest.importorskip("openvino")


@pytest.fixture(scope="module")
def exported(tagger, tmp_path_factory):
    """The tagger in every format: format -> what `export` returned."""
    folder = tmp_path_factory.mktemp("exported")
    return {
        name: export(tagger, name, folder / f"small{made.suffix}") for name, made in FORMATS.items()
    }


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_is_compared_on_eight_real_images_and_gives_the_same_tags(exported, format, shapes):
    done = exported[format]
    assert done.path.stat().st_size == done.size > 100_000
    assert done.origin == f"8 images of {shapes}"  # what the tagger was trained on
    assert done.agreement.difference < 1e-4
    assert done.agreement.other_tags == 0
    assert done.agreement.tags > 0


@pytest.mark.parametrize("format", ["onnx", "openvino"])
def test_the_file_alone_is_a_tagger_that_tags_like_the_folder(exported, format, tagger, shapes):
    alone = Tagger.load(exported[format].path)
    assert alone.labels == tagger.labels
    for number in range(5):
        photo = shapes.parent / f"{number:02}.png"
        found, expected = alone(photo), tagger(photo)
        assert [tag.label for tag in found] == [tag.label for tag in expected]
        np.testing.assert_allclose(
            [tag[1:] for tag in found], [tag[1:] for tag in expected], atol=1e-5
        )


def test_the_onnx_file_gives_calibrated_probabilities_and_says_all_about_itself(exported, tagger):
    import onnxruntime

    session = onnxruntime.InferenceSession(exported["onnx"].path)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    logits, probabilities = session.run(["logits", "probabilities"], {"pixels": pixels})
    np.testing.assert_allclose(probabilities, tagger.calibration.apply(logits), atol=1e-5)
    info = json.loads(session.get_modelmeta().custom_metadata_map["imlgcn"])
    assert info["labels"] == list(tagger.labels)
    assert info["calibration"]["threshold"] == tagger.thresholds.tolist()
    assert info["image"] == tagger.info.image.model_dump(mode="json")


@pytest.mark.thorough
def test_only_a_kernels_file_asks_for_two_images_at_a_time(exported, kernel_exports):
    """Every run reads all the images it was fitted on."""
    for runtime in FORMATS["onnx"].runtimes:
        assert open_file(kernel_exports / "plain.onnx", runtime).batch == 2
        assert open_file(exported["onnx"].path, runtime).batch == 1


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "openvino"])
def test_so_does_a_kernels_file_of_any_format(exported, format, untrained, shapes, tmp_path):
    path = tmp_path / f"kernel{FORMATS[format].suffix}"
    export(untrained("kernel"), format, path, calibration=shapes)
    for runtime in FORMATS[format].runtimes:
        assert open_file(path, runtime).batch == 2
        assert open_file(exported[format].path, runtime).batch == 1


@pytest.mark.parametrize("asked", ["", "0", "-1", "2.0", "1000000"])
def test_a_batch_in_the_metadata_that_makes_no_sense_is_one_image(asked):
    assert batch_of({"batch": asked}) == 1


def test_no_file_holds_a_path_of_this_machine(exported):
    import torch

    where = torch.__file__.split("/torch/")[0].encode()
    assert where not in exported["onnx"].path.read_bytes()
    for format in ("openvino", "torch"):
        with zipfile.ZipFile(exported[format].path) as archive:
            assert not any(where in archive.read(name) for name in archive.namelist())


def test_another_side_gets_a_file_of_its_own(tagger, tmp_path):
    done = export(tagger, "torch", tmp_path / "large.pt2", size=96)
    assert done.agreement.holds
    with zipfile.ZipFile(done.path) as archive:
        info = next(name for name in archive.namelist() if name.endswith("extra/imlgcn"))
        assert json.loads(archive.read(info))["image"]["size"] == 96


def test_without_out_the_folder_gets_the_file_and_its_hash(onnx_folder):
    pytest.importorskip("onnxruntime")
    again = Tagger.load(onnx_folder)
    assert again.info.sha256["model.onnx"] == sha256_file(onnx_folder / "model.onnx")
    assert again.engine.name == "onnxruntime"
    assert again.engine.map_kind == "score", "the page keeps its heat maps"
    assert Tagger.load(onnx_folder, engine="torch").engine.name == "torch"


def test_a_file_that_changed_since_it_was_exported_is_not_run(own_onnx_folder):
    file = own_onnx_folder / "model.onnx"
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(InputError, match="changed since it was exported"):
        _ = Tagger.load(own_onnx_folder).engine


@pytest.fixture
def broken(monkeypatch):
    """Make the torch writer write a network whose logits of the first label are off by 0.01."""

    def write(network, path, metadata):
        head = network.classifier.head
        head.linear.bias.data[0] += 0.01
        FORMATS["torch"].write(network, path, metadata)

    changed = {"torch": FORMATS["torch"]._replace(write=write)}
    monkeypatch.setattr(exporting, "FORMATS", changed)


@pytest.mark.thorough
def test_a_file_that_disagrees_is_not_kept(own_tagger, broken, cli):
    before = (own_tagger / "model.json").read_bytes()
    names = sorted(path.name for path in own_tagger.iterdir())
    with pytest.raises(ExportRefused, match=r"differ by up to 0.01 .* nothing was written"):
        export(own_tagger, "torch")
    outcome = cli("export", own_tagger, "--format", "torch")
    assert outcome.code == 4
    assert "disagrees with the trained network" in outcome.err
    assert sorted(path.name for path in own_tagger.iterdir()) == names
    assert (own_tagger / "model.json").read_bytes() == before


def test_logits_that_are_no_numbers_agree_with_nothing(tagger):
    wanted = np.zeros((2, 5), np.float32)
    assert agreement(wanted, wanted, tagger).holds
    assert not agreement(wanted * np.nan, wanted, tagger).holds
    assert not agreement(wanted + 1e-2, wanted, tagger).holds


def test_another_tag_alone_is_a_disagreement(tagger):
    limit = np.log(tagger.thresholds / (1 - tagger.thresholds))
    edge = (limit - tagger.calibration.intercept) / tagger.calibration.slope
    wanted = np.tile(edge, (2, 1)).astype(np.float32)
    found = agreement(wanted - 1e-4, wanted + 1e-4, tagger)
    assert found.other_tags == 10
    assert not found.holds
    assert found._replace(other_tags=0).holds
    assert agreement(wanted - 1e-5, wanted + 1e-5, tagger).holds, "a threshold met by rounding"


def test_images_come_from_the_data_that_is_named(tagger, rewrite, tmp_path):
    from imlgcn.data.dataset import load_dataset

    few = load_dataset(rewrite(lambda row: row if row[0] < "07" else None))
    with pytest.raises(InputError, match="compared on 8 images; the calibration data has 7"):
        sample_images(tagger, tagger.info.image, few)
    gone = replace(few.records[0], path=tmp_path / "gone.png")
    with pytest.raises(InputError, match="has 6 that can be read"):
        sample_images(tagger, tagger.info.image, replace(few, records=(gone, *few.records[1:])))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("onx",), "unknown format 'onx'; did you mean 'onnx'"),
        (("onnx", "small.zip"), r"ends in \.onnx; got small.zip"),
        (("onnx", None, 96), "own input size, 64; for another size, give out="),
        (("onnx", "a.onnx", 8), "a network input size from 16 to 4096 pixels; got 8"),
    ],
)
def test_what_cannot_be_exported_is_refused_before_any_work(tagger, arguments, message):
    format, out, size = (*arguments, None, None)[:3]
    with pytest.raises(InputError, match=message):
        export(tagger, format, out, size=size)


def test_an_exported_file_is_not_exported_again(exported):
    with pytest.raises(InputError, match="give the tagger folder it was exported from"):
        export(exported["onnx"].path)


def test_the_command_prints_what_it_proved(tagger, tmp_path, cli):
    outcome = cli("export", tagger.path, "--format", "torch", "--out", tmp_path / "small.pt2")
    assert outcome.code == 0
    assert "small.pt2: 0." in outcome.out
    assert "at batch 1 and 3" in outcome.out
    assert "tags are identical" in outcome.out
    refused = cli("export", tagger.path, "-f", "openvno")
    refused.assert_refused("unknown format 'openvno'; did you mean 'openvino'")
