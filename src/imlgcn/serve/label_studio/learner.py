"""Has the served tagger learn what people have submitted, one round after another.

A round takes all that is new since the last one, so that many annotations in a row cost few rounds.
What it could not learn, such as an image that Label Studio does not give, it tries again with the
next event, when training is started in Label Studio, and when the server starts.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from imlgcn.errors import InputError
from imlgcn.files import content_number
from imlgcn.numbers import plural
from imlgcn.serve.current import Current
from imlgcn.serve.errors import LOG, ApiError
from imlgcn.serve.grow import refusal, take_back
from imlgcn.serve.label_studio.images import TaskImages
from imlgcn.serve.label_studio.journal import UNKNOWN, Journal
from imlgcn.serve.label_studio.labeling import label_names
from imlgcn.serve.service import Service

if TYPE_CHECKING:
    from imlgcn.growing.annotated import Taught
    from imlgcn.growing.examples import DecodedFile

PAUSE = 0.2  # seconds that a round waits for more events
AGAIN = 1.0  # seconds until it tries again while the tagger is being changed
LATER = 60.0  # seconds until it tries again what went wrong
AT_ONCE = 256  # images that a round fetches, and that are kept for the next
Answers = dict[str, int]


class _Round(NamedTuple):
    """What is to be learnt: by the name of the image, and the images that are new."""

    answers: dict[str, Answers]
    files: dict[str, DecodedFile]
    settled: dict[str, Answers]  # by address: what will have been said
    is_all: bool


class _NothingError(Exception):
    """Nothing of the tagger has changed."""


class Learner:
    """Learns in the background; `wake` may be called from the event loop only."""

    def __init__(self, journal: Journal, images: TaskImages, threads: ThreadPoolExecutor) -> None:
        self.journal = journal
        self._images, self._threads = images, threads
        self._event = asyncio.Event()
        self._event.set()  # what was accepted before the server stopped
        self._settled: dict[str, Answers] = {}
        self._kept: OrderedDict[str, DecodedFile] = OrderedDict()
        self._fixed: set[str] = set()  # labels that this tagger cannot learn
        self._failed: set[str] = set()  # addresses of images that could not be had

    def wake(self) -> None:
        """Say that there is something new, or that what failed may be tried again."""
        self._event.set()

    async def run(self, current: Current) -> None:
        """Learn whenever there is something new, until cancelled."""
        while True:
            await self._event.wait()
            self._event.clear()
            await asyncio.sleep(PAUSE)
            try:
                await self._learn(current)
            except Exception as error:  # the next event is to be learnt all the same
                LOG.error("learning from Label Studio failed", exc_info=error)

    async def _learn(self, current: Current) -> None:
        with current.use() as service:
            found = await asyncio.to_thread(self._next, service)
            if not found.answers:
                return
            work = partial(self._teach, service, found)
            try:
                await self._change(current, work, partial(take_back, service))
            except ApiError as error:
                LOG.warning("learning from Label Studio: %s", error.message)
                asyncio.get_running_loop().call_later(LATER, self.wake)
                return
        self._settled |= found.settled
        if not found.is_all:
            self.wake()

    async def _change(
        self, current: Current, work: Callable[[], Taught], back: Callable[[], object]
    ) -> None:
        """Change the tagger as soon as nobody else does; what cannot be served is taken back."""
        while True:
            try:
                taught = await current.change(work, back)
            except _NothingError:
                return
            except ApiError as error:
                if error.code != "busy":
                    raise
                await asyncio.sleep(AGAIN)
            else:
                learnt, gone = (plural(len(x), "label") for x in (taught.learnt, taught.gone))
                LOG.info("learnt %s from Label Studio; %s taken out", learnt, gone)
                return

    def _teach(self, service: Service, found: _Round) -> Taught:
        """Have the tagger learn.

        Raises:
            _NothingError: nothing has changed.
            ApiError: it cannot.
        """
        from imlgcn.growing.annotated import learn_answers

        try:
            _, taught = learn_answers(service.tagger.path, found.answers, found.files)
        except (InputError, OSError) as error:
            raise refusal(error, service, "not_learnt") from None
        for name, why in (taught.fixed or {}).items():
            if name not in self._fixed:
                LOG.warning("the label %r does not learn from Label Studio: %s", name, why)
                self._fixed.add(name)
        if not taught.learnt and not taught.gone:
            raise _NothingError
        return taught

    def _next(self, service: Service) -> _Round:
        """Return what is new, with the images that the tagger does not have yet."""
        wanted, names = self.journal.wanted(), label_names(service.tagger.label_table)
        if all(self._settled.get(image) == answers for image, answers in wanted.items()):
            return _Round({}, {}, {}, is_all=True)
        support = service.tagger.folder.support()
        there = set() if support is None else set(support.images)
        read = {image: _as_labels(answers, names) for image, answers in wanted.items()}
        known = [image for image in read if self.journal.named(image) in there]
        news = {image for image in wanted if self._settled.get(image) != wanted[image]}
        if _is_ready(read.values(), service):  # a new label learns from all images
            news = set(wanted)
        missing = [
            image
            for image, answers in read.items()
            if self.journal.named(image) not in there and image in news and self._is_of_use(answers)
        ]
        missing.sort(key=lambda image: image in self._failed)  # those that could be had come first
        taken, later = missing[:AT_ONCE], missing[AT_ONCE:]
        files = dict(
            zip(taken, self._threads.map(partial(self._file, service), taken), strict=True)
        )
        had = [image for image, file in files.items() if file is not None]
        answers: dict[str, Answers] = {}
        for image in (*known, *had):
            name = self.journal.named(image)
            assert name is not None
            _join(answers.setdefault(name, {}), read[image])
        useless = [image for image in wanted if image not in known and image not in missing]
        settled = {image: wanted[image] for image in (*known, *had, *useless)}
        found = {self.journal.named(image) or "": file for image, file in files.items() if file}
        return _Round(answers, found, settled, is_all=self._failed.issuperset(later))

    def _is_of_use(self, answers: Mapping[str, int]) -> bool:
        return any(v != UNKNOWN and label not in self._fixed for label, v in answers.items())

    def _file(self, service: Service, image: str) -> DecodedFile | None:
        """Return an image as the closed forms take it; None where it cannot be had, which is said.

        The journal keeps its name first: it is that of its content.
        """
        from imlgcn.growing.examples import DecodedFile

        name = self.journal.named(image)
        if name is not None and (file := self._kept.get(name)) is not None:
            return file
        try:
            data = self._images.get(image, self.journal.task(image))
            pixels = service.decode(data)
        except (ApiError, InputError) as error:
            LOG.warning("an image of Label Studio's is not learnt yet: %s", error)
            self._failed.add(image)
            return None
        digest = hashlib.sha256(data)
        name = f"label-studio/{digest.hexdigest()[:16]}"
        self.journal.name(image, name)
        file = self._kept[name] = DecodedFile(pixels, content_number(digest.digest()))
        self._failed.discard(image)
        while len(self._kept) > AT_ONCE:
            self._kept.popitem(last=False)
        return file


def _is_ready(all_answers: Iterable[Answers], service: Service) -> bool:
    """Return whether enough images show a label that the tagger does not have."""
    from imlgcn.growing.annotated import ENOUGH

    known = set(service.tagger.labels)
    shown = Counter(
        label for answers in all_answers for label, value in answers.items() if value == 1
    )
    return any(count >= ENOUGH for label, count in shown.items() if label not in known)


def _as_labels(answers: Mapping[str, int], names: Mapping[str, str]) -> Answers:
    """Return what is said of choices as labels; a choice that is none is a new label."""
    found: Answers = {}
    for choice, value in answers.items():
        _join(found, {names.get(choice, choice): value})
    return found


def _join(into: Answers, answers: Mapping[str, int]) -> None:
    """Add answers; two that differ are not known."""
    for label, value in answers.items():
        known = into.get(label, value)
        into[label] = value if known in (value, UNKNOWN) else known if value == UNKNOWN else UNKNOWN
