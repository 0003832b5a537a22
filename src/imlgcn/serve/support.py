"""The training images that decide about a label, for the API and the page.

The trained network finds them, so it is loaded, and with it torch, when they are first asked for.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imlgcn.errors import InputError
from imlgcn.explanation.support import Ledger, SupportEffect, SupportImage
from imlgcn.explanation.words import image_name
from imlgcn.serve.errors import LOG, ApiError
from imlgcn.tagger import Tagger

if TYPE_CHECKING:
    from imlgcn.explanation.network import SupportNetwork

HELD = "support"  # the option of a head that says how many training images it scores by
MEANING = "what each training image adds to the label's score, for the label or against it"
NOT_BY_IMAGES = "this tagger's head does not score by training images"
NOT_IN_A_FILE = (
    "an exported file does not hold the training images that this tagger scores by: serve its "
    "folder to see them"
)
NOT_KEPT = (
    "this tagger scores by its training images, but its folder does not keep which they are "
    "(support.parquet): training without --no-support keeps them"
)
NOT_ITS_OWN = (
    "this tagger's folder lacks its network, or the file of its training images (support.parquet) "
    "is damaged or of another tagger: copy the whole folder again"
)


class SupportFinder:
    """Answers which training images speak for and against labels; any thread may call it.

    ``by_images`` says whether the head scores by them, ``refusal`` why they cannot be shown; it is
    empty if they can.
    """

    def __init__(self, tagger: Tagger) -> None:
        self._tagger = tagger
        self._lock = threading.Lock()
        self._network: SupportNetwork | None = None
        self.by_images = HELD in tagger.info.head.options
        self.refusal = self._why_not()

    def _why_not(self) -> str:
        if not self.by_images:
            return NOT_BY_IMAGES
        if not self._tagger.path.is_dir():
            return NOT_IN_A_FILE
        return "" if self._tagger.folder.keeps_support else NOT_KEPT

    def check(self) -> None:
        """Refuse what cannot be answered.

        Raises:
            ApiError: 404, there are no training images to show.
        """
        if self.refusal:
            raise ApiError(404, "no_support", self.refusal)

    def __call__(self, pixels: NDArray[np.uint8], labels: Sequence[int]) -> dict[str, Any]:
        """Return the training images of each label for one image ``(1, S, S, 3)``.

        Raises:
            ApiError: 404, as in `check`.
        """
        found = self._opened()(pixels, labels)
        names = self._tagger.labels
        return {
            "meaning": MEANING,
            "support": {names[index]: _as_json(effect) for index, effect in found.items()},
        }

    def _opened(self) -> SupportNetwork:
        from imlgcn.explanation.network import SupportNetwork

        with self._lock:
            self.check()
            if self._network is None:
                try:
                    opened = SupportNetwork(self._tagger)
                    why = opened.note
                except InputError as error:
                    why = str(error)
                if why:  # it may name a file of this machine
                    LOG.warning("%s", why)
                    self.refusal = NOT_ITS_OWN
                    self.check()
                self._network = opened
            return self._network


def _as_json(support: SupportEffect) -> dict[str, Any]:
    """Return the account of a score in two decimals, which add up as they are."""
    ledger = Ledger.of(support)
    images = [_image(*pair) for pair in zip(support.shown, ledger.shown, strict=True)]
    half = len(support.speaks_for)
    return {
        "score": ledger.score,
        "bias": ledger.bias,
        "for": images[:half],
        "against": images[half:],
        "rest": ledger.rest,
        "others": support.others,
    }


def _image(image: SupportImage, effect: float) -> dict[str, Any]:
    picture = image.thumbnail
    return {
        "name": image_name(image),
        "effect": effect,
        "present": image.present,
        "thumbnail": picture and f"data:image/webp;base64,{base64.b64encode(picture).decode()}",
    }
