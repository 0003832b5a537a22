"""Which images to label next, for the API and the page: `imlgcn suggest` over HTTP.

A client gets an opaque text for each image and gives all of them back, so that the server keeps
nothing. The trained network makes them: it is loaded, and with it torch, when they are first asked
for.
"""

from __future__ import annotations

import base64
import binascii
import threading
from typing import TYPE_CHECKING, Any

from imlgcn.data.decode_pool import DecodedImage
from imlgcn.errors import InputError
from imlgcn.extras import installed
from imlgcn.serve.errors import LOG, ApiError
from imlgcn.serve.suggest_schema import Wanted
from imlgcn.tagger import Tagger

if TYPE_CHECKING:
    from imlgcn.suggestion.parts import ImageReader

IN_A_FILE = "an exported file has no features of images: serve the tagger's folder for suggestions"
NO_TORCH = (
    "suggestions need PyTorch, which is not installed where the server runs: "
    "pip install 'imlgcn[train]'"
)
NO_NETWORK = "this tagger's folder lacks its network: copy the whole folder again"


class Suggester:
    """Makes the texts and chooses by them; any thread may call it.

    ``refusal`` says why it cannot; it is empty if it can.
    """

    def __init__(self, tagger: Tagger) -> None:
        self._tagger = tagger
        self._lock = threading.Lock()
        self._reader: ImageReader | None = None
        self.refusal = ""
        if tagger.path.is_file():
            self.refusal = IN_A_FILE
        elif not installed("torch"):
            self.refusal = NO_TORCH

    def check(self) -> None:
        """Refuse what cannot be answered.

        Raises:
            ApiError: 404, there are no suggestions.
        """
        if self.refusal:
            raise ApiError(404, "no_suggestions", self.refusal)

    def vector(self, image: DecodedImage) -> str:
        """Return the text of an image, decoded with its thumbnail.

        Raises:
            ApiError: 404, as in `check`.
        """
        assert image.thumbnail is not None
        return base64.b64encode(self._opened().read(image.pixels, image.thumbnail)).decode()

    def choose(self, wanted: Wanted) -> dict[str, Any]:
        """Return the choice as JSON, as ``imlgcn suggest --json`` prints it.

        Raises:
            ApiError: 404, as in `check`; 422, texts of another tagger, or nothing to choose from.
        """
        reader = self._opened()
        try:
            seen = [base64.b64decode(image.vector, validate=True) for image in wanted.images]
            found = reader.suggest(
                [image.name for image in wanted.images],
                seen,
                budget=wanted.budget,
                rare=wanted.rare,
            )
        except binascii.Error:
            message = "a vector is damaged; send what /v1/vectors gave, unchanged"
            raise ApiError(422, "bad_vectors", message) from None
        except InputError as error:
            raise ApiError(422, "bad_vectors", str(error)) from None
        return found.to_dict()

    def _opened(self) -> ImageReader:
        from imlgcn.suggestion.parts import ImageReader

        with self._lock:
            self.check()
            if self._reader is None:
                try:
                    self._reader = ImageReader(self._tagger)
                except InputError as error:  # it may name a file of this machine
                    LOG.warning("%s", error)
                    self.refusal = NO_NETWORK
                    self.check()
            assert self._reader is not None
            return self._reader
