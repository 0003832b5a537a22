"""One tagger for many clients: its engine behind the batcher, its facts computed once.

Shapes: B batch, S input size, L labels.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imlgcn.activation_maps import MEANING
from imlgcn.data.decode_pool import DecodedImage, DecodePool
from imlgcn.engines.base import cores
from imlgcn.errors import InputError, unknown_name
from imlgcn.explanation.heat_map import strength
from imlgcn.explanation.words import where_strong
from imlgcn.metrics.thresholds import parse_operating_point
from imlgcn.serve import knowledge, known
from imlgcn.serve.about import about
from imlgcn.serve.answers import Answer
from imlgcn.serve.batcher import Batcher, Known, Pixels, Row
from imlgcn.serve.errors import LOG, ApiError
from imlgcn.serve.monitor import Monitor
from imlgcn.serve.settings import ServeSettings
from imlgcn.serve.suggest import Suggester
from imlgcn.serve.support import SupportFinder
from imlgcn.serve.uploads import HeldBytes, Upload, image_refusal
from imlgcn.tagger import Tagger
from imlgcn.tagger.choice import TagBounds

CACHED_GOALS = 64


class Service:
    """Turns uploads into answers. Open it before use and close it after.

    ``decoders`` outlive it.
    """

    def __init__(self, tagger: Tagger, settings: ServeSettings, decoders: DecodePool) -> None:
        self.tagger, self.settings, self.monitor = tagger, settings, Monitor()
        self.decoders = decoders
        self._answers: dict[str, Answer] = {}
        self.thresholds_for = lru_cache(CACHED_GOALS)(tagger.thresholds_for)
        self.support = SupportFinder(tagger)
        self.suggester = Suggester(tagger)
        self.batcher: Batcher | None = None
        self.held = HeldBytes(settings.max_held)
        # not in the batcher, and as many at once as there are cores
        self._mapping = ThreadPoolExecutor(cores(), thread_name_prefix="maps")
        self._engine = ExitStack()

    def successor(self, tagger: Tagger) -> Service:
        """Return a service of another tagger that counts on and shares the limit of memory."""
        service = Service(tagger, self.settings, self.decoders)
        service.monitor, service.held = self.monitor, self.held
        return service

    def open(self) -> None:
        """Start the engine and run it once, so that the first request is not slower."""
        engine, size = self.tagger.engine, self.tagger.info.image.size
        streams = self._engine.enter_context(engine.streaming())
        self.tagger.probabilities(np.zeros((1, size, size, 3), np.uint8))
        options = self.settings
        self.batcher = Batcher(
            self.decode,
            self._score,
            streams=streams,
            workers=cores(),
            max_batch=options.max_batch,
            max_wait_ms=options.max_wait_ms,
            queue=options.queue,
            on_batch=self.monitor.on_batch,
        )
        self.monitor.queue.set_function(lambda: self.batcher.accepted if self.batcher else 0)

    def close(self) -> None:
        """Finish the accepted images, then close the engine."""
        if self.batcher is not None:
            self.batcher.close()
        self._mapping.shutdown(cancel_futures=True)
        self._engine.close()

    async def score(self, upload: Upload, given: Known) -> Row | ApiError:
        """Return the probabilities (L,) of one image, or why there are none."""
        assert self.batcher is not None
        try:
            row = await asyncio.wrap_future(self.batcher.submit(upload.data, given))
        except InputError as error:
            self.monitor.images.labels("refused").inc()
            return image_refusal(error, upload, self.settings)
        self.monitor.images.labels("tagged").inc()
        return row

    def map_labels(self, names: Sequence[str] | None) -> list[int]:
        """Return the indices of the labels whose maps are wanted: all without ``names``.

        Raises:
            ApiError: 404, the tagger has no maps; 422, no such label.
        """
        if self.tagger.engine.map_kind is None:
            message = "this tagger's head, or its exported file, has no activation maps"
            raise ApiError(404, "no_maps", message)
        return self.label_indices(names or self.tagger.labels)

    def label_indices(self, names: Sequence[str]) -> list[int]:
        """Return the indices of labels.

        Raises:
            ApiError: 422, no such label.
        """
        labels = self.tagger.labels
        if missing := [name for name in names if name not in labels]:
            error = unknown_name("label", missing[0], labels)
            raise ApiError(422, "unknown_label", str(error))
        return [labels.index(name) for name in names]

    async def maps(self, upload: Upload, chosen: Sequence[int]) -> dict[str, Any]:
        """Return the maps of one image.

        Raises:
            ApiError: the image cannot be used.
        """
        return await self._explained(self._maps, upload, chosen)

    async def supported(self, upload: Upload, chosen: Sequence[int]) -> dict[str, Any]:
        """Return the training images that decide about labels of one image.

        Raises:
            ApiError: the image cannot be used, or there are no training images to show.
        """
        return await self._explained(self._supported, upload, chosen)

    async def vector(self, upload: Upload) -> dict[str, Any]:
        """Return what suggestions need of one image, or why there is nothing.

        Raises:
            ApiError: 404, there are no suggestions.
        """
        try:
            return await self._explained(self._vector, upload, ())
        except ApiError as error:
            if error.status == 404:
                raise
            return {"error": error.body()}

    async def _explained(
        self,
        explain: Callable[[bytes, Sequence[int]], dict[str, Any]],
        upload: Upload,
        chosen: Sequence[int],
    ) -> dict[str, Any]:
        work = self._mapping.submit(explain, upload.data, chosen)
        try:
            return await asyncio.wrap_future(work)
        except InputError as error:
            raise image_refusal(error, upload, self.settings) from None

    def _supported(self, data: bytes, chosen: Sequence[int]) -> dict[str, Any]:
        return self.support(self.decode(data)[None], chosen)

    def _vector(self, data: bytes, chosen: Sequence[int]) -> dict[str, Any]:
        return {"vector": self.suggester.vector(self._decoded(data, with_thumbnail=True))}

    def _maps(self, data: bytes, chosen: Sequence[int]) -> dict[str, Any]:
        pixels, size, _ = self._decoded(data)
        found = self.tagger.maps(pixels[None], [size])
        ((maps, region),) = found  # (L, h, w)
        rows, where = {}, {}
        for index in chosen:
            name = self.tagger.labels[index]
            rows[name] = strength(maps[index], found.kind).round(3).tolist()
            where[name] = where_strong(maps[index], region, found.kind)
        return {
            "kind": found.kind,
            "meaning": MEANING[found.kind],
            "region": list(region),
            "maps": rows,
            "where": where,
        }

    def answer(
        self,
        upload: Upload,
        result: Row | ApiError,
        thresholds: NDArray[np.float64],
        with_all: bool,
        *,
        bounds: TagBounds | None = None,
        given: Known = None,
        with_logits: bool = False,
    ) -> dict[str, Any]:
        """Return the result of one image as JSON; ``given`` are its known labels."""
        if isinstance(result, ApiError):
            return {"name": upload.name, "error": result.body()}
        table = self.tagger.label_table
        tags = [
            {
                "label": tag.label,
                **knowledge.name_of(table, tag.label),
                "probability": round(tag.probability, knowledge.DIGITS),
                "threshold": round(tag.threshold, knowledge.DIGITS),
            }
            for tag in self.tagger.tags(result, thresholds, bounds)
        ]
        content: dict[str, Any] = {"name": upload.name, "tags": tags}
        if with_all:
            content["probabilities"] = table.close(result).round(knowledge.DIGITS).tolist()
        if with_logits:
            content["logits"] = known.logits_of(result)
        if given is not None:
            content["known"] = known.named(given, self.tagger.labels)
        return content

    def thresholds(self, goal: str | None) -> NDArray[np.float64]:
        """Return the thresholds (L,) for an operating point.

        Raises:
            ApiError: 422, unknown operating point, or no scores to fit thresholds on.
        """
        try:
            if goal is not None:
                parse_operating_point(goal)
        except InputError as error:
            raise ApiError(422, "bad_threshold", str(error)) from None
        try:
            return self.thresholds_for(goal)
        except InputError as error:  # it names a file of this machine
            LOG.warning("%s", error)
            message = "this tagger has no held-out scores to fit thresholds on; give a number"
            raise ApiError(422, "bad_threshold", f"{message}, such as 0.5") from None

    def fact(self, name: str) -> Answer | None:
        """Return a fact below, such as ``labels``, as an answer that is made once; None: not there.

        Making one may take a second: not in the event loop.
        """
        if name not in self._answers:
            content = getattr(self, name)
            if content is None:
                return None
            self._answers[name] = Answer.of(content)
        return self._answers[name]

    @cached_property
    def labels(self) -> dict[str, Any]:
        """All labels, in the order of every array."""
        return {"labels": knowledge.labels(self.tagger)}

    @cached_property
    def graph(self) -> dict[str, Any] | None:
        """The label graph, where the tagger has one."""
        return knowledge.graph(self.tagger)

    @cached_property
    def known(self) -> dict[str, Any] | None:
        """What known labels are computed with, where counts of label pairs are used."""
        return known.facts(self.tagger)

    @cached_property
    def tradeoff(self) -> dict[str, Any] | None:
        """The precision-recall trade-off, where the tagger has held-out scores."""
        return knowledge.tradeoff(self.tagger)

    @cached_property
    def model(self) -> dict[str, Any]:
        """The tagger, what it can do, and the limits of this server."""
        return about(self)

    def decode(self, data: bytes) -> Pixels:
        """Return an image as network input ``(S, S, 3)``.

        Raises:
            InputError: it cannot be decoded.
        """
        return self._decoded(data).pixels

    def _decoded(self, data: bytes, *, with_thumbnail: bool = False) -> DecodedImage:
        most, wanted = self.settings.max_pixels, self.tagger.info.image
        return self.decoders(data, wanted, max_pixels=most, with_thumbnail=with_thumbnail)

    def _score(self, pixels: Pixels, given: Sequence[Known]) -> Row:
        if all(row is None for row in given):
            return self.tagger.probabilities(pixels)
        nothing = np.full(len(self.tagger.labels), -1, np.int8)
        return self.tagger.probabilities(
            pixels, np.stack([nothing if row is None else row for row in given])
        )
