"""Where the weights are in a checkpoint: under which key, averaged or not, and in which wrappers.

Training scripts store a state dict under a key of their own, beside an optimizer and often beside
an average over the steps (EMA); DataParallel, torch.compile and Lightning put prefixes before its
entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from imlgcn.errors import InputError

StateDict = dict[str, Tensor]

RAW = ("model", "state_dict", "model_state_dict", "net")
AVERAGED = ("state_dict_ema", "model_ema", "ema_state_dict", "ema")
WRAPPERS = ("module.", "_orig_mod.")  # DataParallel, torch.compile
OWNERS = ("model.", "net.")  # the network as an attribute of a training module
LIGHTNING = "pytorch-lightning_version"


class Weights(NamedTuple):
    """The entries of a network.

    Attributes:
        state: name -> tensor, without prefixes of wrappers.
        key: under which they are in the checkpoint; empty: at its top.
        other: the key of a second set, averaged if the first is not and the other way round.
    """

    state: StateDict
    key: str = ""
    other: str = ""


def find_weights(content: object, *, averaged: bool = False) -> Weights:
    """Return the weights in the content of a file; ``averaged`` takes those averaged over steps.

    Without any tensor the state is empty.

    Raises:
        InputError: ``averaged``, and there are none.
    """
    path: list[str] = []
    other = ""
    inside = content
    while isinstance(inside, Mapping):
        raw, mean = _first(inside, RAW), _first(inside, AVERAGED)
        chosen = mean if mean and (averaged or not raw) else raw
        if not chosen:
            break
        if raw and mean:
            other = ".".join([*path, raw if chosen == mean else mean])
        path.append(chosen)
        inside = inside[chosen]
    if averaged and not set(path) & set(AVERAGED):
        raise InputError("it holds no averaged weights; leave ema=True out")
    lightning = isinstance(content, Mapping) and LIGHTNING in content
    tensors = inside.items() if isinstance(inside, Mapping) else ()
    state = {str(key): value for key, value in tensors if isinstance(value, Tensor)}
    return Weights(unwrapped(state, lightning=lightning), ".".join(path), other)


def unwrapped(state: StateDict, *, lightning: bool = False) -> StateDict:
    """Return entries without the prefixes of wrappers, whatever their order.

    A prefix of :data:`OWNERS` is removed where all entries have it; of a Lightning module, whose
    other entries are of losses and metrics, these are left out.

    >>> list(unwrapped({"module.module.a": 1, "module.module._orig_mod.b": 2}))
    ['a', 'b']
    >>> list(unwrapped({"model._orig_mod.a": 1, "loss.w": 2}, lightning=True))
    ['a']
    """
    before: StateDict = {}
    while before.keys() != state.keys():
        before = state
        state = {_without_wrappers(key): value for key, value in state.items()}
        for owner in OWNERS:
            owned = {k.removeprefix(owner): v for k, v in state.items() if k.startswith(owner)}
            if owned and (lightning or len(owned) == len(state)):
                state = owned
    return state


def _without_wrappers(key: str) -> str:
    while key.startswith(WRAPPERS):
        key = key.partition(".")[2]
    return key.replace("._orig_mod.", ".")


def _first(content: Mapping[object, object], keys: tuple[str, ...]) -> str:
    return next((key for key in keys if _holds_tensors(content.get(key))), "")


def _holds_tensors(content: object) -> bool:
    if not isinstance(content, Mapping):
        return False
    return any(isinstance(value, Tensor) or _holds_tensors(value) for value in content.values())
