"""Several backbones as one: their maps are concatenated along the channels.

Shapes: B batch, C channels, H W map.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from imlgcn.errors import InputError
from imlgcn.models.backbones import Backbone

JOIN = "+"


class JoinedBackbone(Backbone):
    """Backbones with the same input at the same size; made by `create_backbone("a+b")`.

    Images are normalised with the first member's mean and std, and renormalised for the others.
    Pooling the joined map concatenates the pooled maps of the members.

    Shape:
        - images ``(B, 3, H, W)``, output ``(B, C_1 + C_2 + ..., h, w)``: all maps have one size

    Raises:
        InputError: maps of different sizes, which cannot be joined.
    """

    def __init__(self, members: Sequence[Backbone], size: int) -> None:
        nn.Module.__init__(self)
        self.name = JOIN.join(member.name for member in members)
        self.members = nn.ModuleList(members)
        self.out_channels = sum(member.out_channels for member in members)
        self.image_settings = members[0].image_settings.model_copy(update={"size": size})
        ids = " ".join(member.weights_id for member in members)
        self.weights_id = f"joined:{hashlib.sha256(ids.encode()).hexdigest()}"
        self.size_multiple = math.lcm(*(member.size_multiple for member in members))
        self.fixed_size = next((m.fixed_size for m in members if m.fixed_size), None)
        for member in members:
            member.check_size(size)

    def channels(self, levels: int = 1, *, means: bool = False) -> int | tuple[int, ...]:
        """Return C of the joined map or, for ``levels`` above 1, of each joined map or mean."""
        parts = [member.channels(levels, means=means) for member in self._members()]
        if levels == 1:
            return self.out_channels
        return tuple(sum(level) for level in zip(*parts, strict=True))

    def num_levels(self, *, means: bool = False) -> int:
        """Return the most ``levels`` that every member has."""
        return min(member.num_levels(means=means) for member in self._members())

    def forward(
        self, images: Tensor, levels: int = 1, *, means: bool = False
    ) -> Tensor | tuple[Tensor, ...]:
        """Return the joined map of a batch of images, or the last joined maps or means."""
        found = []
        for member in self._members():
            maps = member(self._as_for(member, images), levels, means=means)
            found.append(maps if isinstance(maps, tuple) else (maps,))
        joined = tuple(self._join(level) for level in zip(*found, strict=True))
        return joined[0] if levels == 1 else joined

    def _members(self) -> list[Backbone]:
        return [member for member in self.members if isinstance(member, Backbone)]

    def _as_for(self, member: Backbone, images: Tensor) -> Tensor:
        ours, theirs = self.image_settings, member.image_settings
        if (ours.mean, ours.std) == (theirs.mean, theirs.std):
            return images
        mean, std, new_mean, new_std = (
            torch.tensor(triple, device=images.device, dtype=images.dtype)[:, None, None]
            for triple in (ours.mean, ours.std, theirs.mean, theirs.std)
        )
        return (images * std + mean - new_mean) / new_std

    def _join(self, maps: tuple[Tensor, ...]) -> Tensor:
        sizes = [tuple(level.shape[2:]) for level in maps]
        if len(set(sizes)) > 1:
            raise InputError(
                f"{self.name} has maps of different sizes, {sizes}: join backbones of the same "
                "stride"
            )
        return torch.cat(maps, dim=1)
