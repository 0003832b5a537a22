"""What the server has for Label Studio while it runs: images, and what it learns."""

from __future__ import annotations

import asyncio
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from imlgcn.serve.current import Current
from imlgcn.serve.label_studio.images import TaskImages
from imlgcn.serve.label_studio.journal import Journal
from imlgcn.serve.label_studio.learner import Learner
from imlgcn.serve.settings import ServeSettings
from imlgcn.tagger import Tagger

FETCHED = 8  # images at once, for predictions and for learning: neither waits for the other


class Studio:
    """The images of tasks and, on a server that may change its tagger, the learner."""

    def __init__(self, tagger: Tagger, settings: ServeSettings) -> None:
        """Prepare for a tagger.

        Raises:
            InputError: an address that is none, or a damaged journal.
        """
        token = settings.label_studio_token
        self.images = TaskImages(
            settings.label_studio_url,
            None if token is None else token.get_secret_value(),
            settings.label_studio_files,
            settings.max_bytes,
        )
        self.threads = ThreadPoolExecutor(FETCHED, thread_name_prefix="label-studio")
        self.learner: Learner | None = None
        if settings.grow:
            self._of_learner = ThreadPoolExecutor(
                FETCHED, thread_name_prefix="label-studio-learner"
            )
            self.learner = Learner(Journal(tagger.path), self.images, self._of_learner)
        self._task: asyncio.Task[None] | None = None

    def open(self, current: Current) -> None:
        """Begin to learn, in the running event loop."""
        if self.learner is not None:
            self._task = asyncio.create_task(self.learner.run(current))

    async def close(self) -> None:
        """Stop learning; what was accepted and not learnt stays in the journal."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self.learner is not None:
            self._of_learner.shutdown(wait=False, cancel_futures=True)
        self.threads.shutdown(wait=False, cancel_futures=True)

    async def image(self, address: Any, task: Any) -> bytes:
        """Return the content of an image.

        Raises:
            ApiError: as for `TaskImages.get`.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.threads, self.images.get, address, task)


def model_version(tagger: Tagger) -> str:
    """Return the name of a tagger's state: another one as soon as it may give other tags."""
    info = tagger.info
    rows = [[row.label, row.name, row.parents, row.show] for row in tagger.label_table.rows]
    facts = [info.sha256, info.labels, tagger.thresholds.tolist(), rows]
    found = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return f"{tagger.path.resolve().name}-{found[:10]}"
