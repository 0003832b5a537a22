"""Training with a head that is fitted by a formula: frozen, tuned, resumed, from a tagger."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from imlgcn.evaluation import evaluate
from imlgcn.exporting import export
from imlgcn.models import PixelInput, create_head, kernel_fit
from imlgcn.models.heads.kernel import KernelHead
from imlgcn.models.kernel_rows import Kept
from imlgcn.models.kernel_stages import joined_units
from imlgcn.progress import Progress
from imlgcn.report import write_report
from imlgcn.tagger import Tagger
from runs import TUNED, log_of, metrics_of, scores_of

FINE_TUNED = {key: value for key, value in TUNED.items() if key != "head_options"}


class Saying(Progress):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)


@pytest.fixture(scope="module")
def kernel(once, train_tiny):
    """A trained tagger with the kernel head; read only."""
    return Tagger.load(once("kernel", lambda folder: train_tiny(folder, head="kernel", whole=True)))


def test_the_tagger_stores_how_many_images_it_holds_and_loads_them(kernel, shapes):
    splits = load_dataset(shapes).splits
    images = splits["train"] + splits["val"]
    fixed = {"gamma": 2.0, "ridge": 0.1, "stage_weight": 0.5}
    assert kernel.info.head.options == {"support": images, "stages": 2, **fixed}
    test = load_dataset(shapes).split("test")
    inputs = np.stack([kernel.load_input(path) for path in test.paths])
    found = Tagger.load(kernel.path).engine.logits(inputs)
    np.testing.assert_allclose(found, scores_of(kernel), atol=1e-4)


def test_without_stages_the_deepest_map_alone_is_used(kernel, train_tiny, tmp_path):
    found = train_tiny(tmp_path / "run", head="kernel", head_options={"stages": 0})
    head = found.classifier().head
    assert found.info.head.options["stages"] == 0
    assert head.support.shape[1] == head.in_channels
    assert head.stage_support.shape[1] == 0 < kernel.classifier().head.stage_support.shape[1]
    assert metrics_of(found)["control"] == metrics_of(kernel)["control"]


def test_the_linear_control_stands_beside_it(kernel, linear_tagger):
    assert metrics_of(kernel)["control"]["head"] == "linear"
    assert metrics_of(kernel)["control"]["mAP"] == pytest.approx(metrics_of(linear_tagger)["mAP"])


def test_the_formula_has_no_epochs_in_the_log(kernel):
    assert log_of(kernel)[-1] == {"stage": "kernel head"}


def test_without_a_refit_validation_is_watched_and_not_learnt(train_tiny, tmp_path, shapes):
    found = train_tiny(tmp_path / "run", head="kernel", refit=False)
    assert found.info.head.options["support"] == load_dataset(shapes).splits["train"]
    last = log_of(found)[-1]
    assert last["val_mAP"] == pytest.approx(metrics_of(found)["validation"]["mAP"], abs=0.01)


def test_the_same_data_gives_the_same_bytes(kernel, train_tiny, tmp_path):
    again = train_tiny(tmp_path / "again", head="kernel", seed=0)
    assert again.info.sha256 == kernel.info.sha256


def test_beyond_the_exact_solution_it_is_calibrated_on_scores_without_the_fold(
    kernel, train_tiny, tmp_path, monkeypatch
):
    """All folds are held out at once: the head itself is fitted once."""
    fits, fit = [], KernelHead.fit
    monkeypatch.setattr(KernelHead, "fit", lambda *given: fits.append(1) or fit(*given))
    monkeypatch.setattr(kernel_fit, "EXACT_IMAGES", 0)
    found = train_tiny(tmp_path / "run", head="kernel", whole=True)
    assert found.info.head == kernel.info.head  # here every image is a landmark
    np.testing.assert_allclose(scores_of(found), scores_of(kernel), atol=1e-3)
    assert len(fits) == 1
    assert metrics_of(found)["mAP"] == pytest.approx(metrics_of(kernel)["mAP"], abs=0.01)


@pytest.mark.thorough
def test_it_reports_evaluates_and_exports_like_any_other(kernel, shapes):
    pytest.importorskip("onnxscript")
    write_report(kernel)
    assert "kernel" in (kernel.path / "report.html").read_text(encoding="utf-8")
    found = evaluate(kernel, load_dataset(shapes))
    assert found["mAP"] == pytest.approx(metrics_of(kernel)["mAP"], abs=0.01)
    done = export(kernel.path, "onnx", kernel.path.parent / "kernel.onnx")
    assert done.agreement.holds


def test_it_serves_tags_and_maps_by_occlusion(kernel, shapes):
    client = pytest.importorskip("fastapi.testclient").TestClient
    from imlgcn.serve import ServeSettings, create_app

    image = (shapes.parent / "03.png").read_bytes()
    with client(create_app(kernel, ServeSettings()), base_url="http://127.0.0.1:8000") as served:
        tags = served.post("/v1/tags?all=1", content=image)
        maps = served.post("/v1/maps?label=red", content=image)
    assert tags.status_code == 200
    assert (maps.status_code, maps.json()["kind"]) == (200, "occlusion")
    assert "do not add up" in maps.json()["meaning"]


def test_fine_tuned_it_is_fitted_on_the_features_of_the_tuned_backbone(
    train_tiny, tmp_path, shapes
):
    found = train_tiny(tmp_path / "run", head="kernel", **FINE_TUNED)
    stages = list(dict.fromkeys(row["stage"] for row in log_of(found)))
    assert stages == ["linear head", "fine-tuning, linear head", "kernel head"]
    classifier = found.classifier().eval()
    dataset = load_dataset(shapes)
    path = dataset.split("train").paths[3]
    learnt = [record.path for record in dataset.records if record.split != "test"]
    row = learnt.index(path)
    pixels = torch.from_numpy(found.load_input(path)[None])
    with torch.inference_mode():
        images = PixelInput(found.info.image)(pixels)
        levels = classifier.backbone(images, classifier.levels, means=True)
    head = classifier.head
    means = [level.mean((2, 3)) for level in levels]
    units = joined_units(means, head.stage_mean, head.stage_rate, head.stage_weight)[0]
    rows = Kept(head.support, head.stage_support, head.stage_step).units(torch.float32)
    torch.testing.assert_close(rows[row], units, atol=3e-3, rtol=0)


def test_an_interrupted_run_is_resumed(kernel, train_tiny, tmp_path, monkeypatch):
    from imlgcn.training.output import RunLog

    original = RunLog.__call__

    def stop(self, row):
        if row["stage"] == "kernel head":
            raise KeyboardInterrupt
        original(self, row)

    monkeypatch.setattr(RunLog, "__call__", stop)
    with pytest.raises(KeyboardInterrupt):
        train_tiny(tmp_path / "run", head="kernel")
    monkeypatch.setattr(RunLog, "__call__", original)
    resumed = train_tiny(tmp_path / "run", head="kernel", resume=True)
    assert resumed.info.sha256 == kernel.info.sha256


def test_going_on_from_it_fits_anew_on_the_new_images_and_says_so(
    kernel, train_tiny, tmp_path, rewrite
):
    data = rewrite(lambda row: None if row[0] == "00.png" else row)
    progress = Saying()
    again = train_tiny(tmp_path / "again", data, start=kernel.path, progress=progress)
    splits = load_dataset(data).splits
    images = splits["train"] + splits["val"]
    assert again.info.head.options["support"] == images
    assert images < kernel.info.head.options["support"]
    (said,) = [line for line in progress.said if "from scratch" in line]
    assert "the kernel head is trained from scratch, because a formula fits it" in said
    assert any(f"fitted on {images} images in" in line for line in progress.said)


def test_another_head_goes_on_from_its_backbone(kernel, train_tiny, tmp_path):
    found = train_tiny(tmp_path / "linear", start=kernel.path, head="linear")
    assert found.info.backbone == kernel.info.backbone


def test_a_state_of_another_size_is_not_loaded_in_silence(kernel):
    from imlgcn.labels.context import LabelContext

    head = kernel.classifier().head
    other = create_head("kernel", head.in_channels, LabelContext.placeholder(5), support=2)
    with pytest.raises(RuntimeError, match="size mismatch for support"):
        other.load_state_dict(head.state_dict())


def test_an_option_that_cannot_be_is_refused_before_any_work(train_tiny, tmp_path):
    with pytest.raises(InputError, match="gamma, ridge and stage_weight are above 0"):
        train_tiny(tmp_path / "run", head="kernel", head_options={"ridge": 0.0})
    assert not (tmp_path / "run").exists()
