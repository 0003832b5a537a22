"""What runs a tagger's network: one small protocol, one file per runtime."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Engine(Protocol):
    """Turns a batch of squares of pixels into logits, on any number of threads at once.

    Shape:
        - pixels uint8 ``(B, S, S, 3)``, output float32 ``(B, L)``, not calibrated
    """

    name: str
    streams: int
    """How many threads should call it at once to use the whole machine."""

    def logits(
        self, pixels: NDArray[np.uint8], known: NDArray[np.int8] | None = None
    ) -> NDArray[np.float32]:
        """Return the logits of a batch of any length, 0 included.

        ``known`` ``(B, L)`` (1, 0, or -1 not known) is for networks whose head can use it.
        """
        ...
