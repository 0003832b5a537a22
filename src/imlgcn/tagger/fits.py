"""Whether a weights file holds the network that ``model.json`` names, before any of it is built.

A tagger may come from anywhere, its hashes included. The network is built without memory (torch's
meta device) and compared with the header of the file: nothing larger than the file is ever built.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from imlgcn.errors import InputError, unknown_name
from imlgcn.labels.context import LabelContext
from imlgcn.tagger.folder import EDGES, GRAPH, HEAD, MODEL
from imlgcn.tagger.info import TaggerInfo

if TYPE_CHECKING:
    from torch import Tensor

BACKBONE = "backbone."  # prefix of the backbone's entries
MOST_JOINED = 8  # backbones
MOST_LAYERS, MOST_UNITS = 256, 1_000_000  # in an option of a head

Shapes = dict[str, tuple[int, ...]]  # entry -> its shape


def shapes_in(weights: Path) -> Shapes:
    """Return what a weights file holds, by its header alone.

    Raises:
        InputError: it is not a safetensors file, or damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="numpy") as file:
            names = list(file.keys())
            return {name: tuple(file.get_slice(name).get_shape()) for name in names}
    except SafetensorError as error:
        raise InputError(f"{weights} is damaged ({error}); copy the whole folder again") from None


def refuse_misfit(info: TaggerInfo, context: LabelContext, weights: Path) -> None:
    """Refuse a network of which the file does not hold exactly every number.

    Args:
        info: the content of ``model.json``.
        context: the labels that the head was trained with.
        weights: the file.

    Raises:
        InputError: it names another network than the file holds, or none that can be.
    """
    import torch

    from imlgcn.models import HEADS, create_backbone, create_head

    _bound(info, weights)
    shapes = shapes_in(weights)
    name, options = info.head.name, info.head.options
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            backbone = create_backbone(info.backbone.name, pretrained=False, size=info.image.size)
            _compare(backbone.state_dict(), BACKBONE, shapes, weights)
            channels = HEADS[name].channels_of(backbone, options)
            head = create_head(name, channels, context, **options)
    except InputError:
        raise
    except Exception as error:  # options of a wrong type or size: libraries raise almost anything
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{weights}: {MODEL} names a network that cannot be ({reason})") from None
    if info.growth is None:  # the head of a grown tagger has a state of its own
        _compare(head.state_dict(), HEAD, shapes, weights)


def _bound(info: TaggerInfo, weights: Path) -> None:
    """Refuse what would take long to build even without memory."""
    from imlgcn.models import HEADS
    from imlgcn.models.joined import JOIN

    if info.head.name not in HEADS:
        raise unknown_name("head", info.head.name, HEADS)
    joined = info.backbone.name.count(JOIN) + 1
    if joined > MOST_JOINED:
        raise InputError(f"{weights}: {joined} joined backbones; {MOST_JOINED} are the most")
    for key, value in info.head.options.items():
        most = MOST_LAYERS if key.endswith(("layers", "steps", "groups")) else MOST_UNITS
        if isinstance(value, int) and abs(value) > most:
            raise InputError(f"{weights}: a head with {key} {value}; {most:,} are the most")


def _with_edges_of(held: Shapes, wanted: Shapes) -> Shapes:
    """Return ``held`` with the edges of a label graph as they are wanted, if it has a graph at all.

    A graph that was given, not counted, may have any number of them; a version before edges were
    kept has the matrix.
    """
    starts, sources, weights = EDGES
    (L,) = wanted[starts]
    E = held.get(sources, ())
    edges_fit = len(E) == 1 and held.get(weights) == E and held.get(starts) == (L,)
    if not edges_fit and held.get(GRAPH) != (L, L):
        return held
    others = {key: shape for key, shape in held.items() if key not in (GRAPH, *EDGES)}
    return others | {key: wanted[key] for key in EDGES}


def _compare(state: Mapping[str, Tensor], prefix: str, shapes: Shapes, weights: Path) -> None:
    wanted = {prefix + key: tuple(value.shape) for key, value in state.items()}
    held = {key: shape for key, shape in shapes.items() if key.startswith(prefix)}
    if EDGES[0] in wanted:
        held = _with_edges_of(held, wanted)
    if wanted == held:
        return
    first = min(key for key in wanted.keys() | held.keys() if wanted.get(key) != held.get(key))
    raise InputError(
        f"{weights} does not hold the network that {MODEL} names: {first} is "
        f"{held.get(first, 'missing')} instead of {wanted.get(first, 'missing')}; copy the whole "
        "folder again, or train again"
    )
