"""What runs a tagger's network: one small protocol, one file per runtime."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Engine(Protocol):
    """Turns a batch of preprocessed images into logits.

    Shape:
        - images float32 ``(B, 3, S, S)``, output float32 ``(B, L)``
    """

    name: str

    def logits(
        self, images: NDArray[np.float32], known: NDArray[np.int8] | None = None
    ) -> NDArray[np.float32]:
        """Return the logits of a batch of any length, 0 included.

        ``known`` ``(B, L)`` (1, 0, or -1 not known) is for networks whose head can use it.
        """
        ...
