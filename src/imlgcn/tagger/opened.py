"""A tagger that is opened: its folder or exported file, its network, and the engine that runs it.

Loading needs no training dependency, and torch only when the engine is torch. `Tagger` adds what
one does with it. Shapes: L labels.
"""

from __future__ import annotations

from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from imlgcn.engines import open_file
from imlgcn.engines.device import check_device
from imlgcn.errors import InputError
from imlgcn.files import sha256_file
from imlgcn.hub.address import snapshot_of
from imlgcn.labels.label_table import LabelTable
from imlgcn.numbers import number, plural
from imlgcn.tagger.fetched import local_path
from imlgcn.tagger.folder import TaggerFolder
from imlgcn.tagger.info import KnownSettings, TaggerInfo, parse_info, read_info
from imlgcn.tagger.known import KnownUpdate, Way, make_update, way_of
from imlgcn.tagger.runtime import TaggerRuntime

if TYPE_CHECKING:
    from imlgcn.tagger.learnt import LearntImages

SHOWN = 3  # labels that the text of a tagger names
INFO_KEY = "imlgcn"  # in the metadata of an exported file: the text of model.json
LABEL_TABLE_KEY = "label_table"  # there, too


class OpenedTagger(TaggerRuntime):
    """The parts of a tagger: ``path``, ``info`` (its ``model.json``), folder, network, engine.

    It can be pickled: the copy finds the network at the same ``path``.
    """

    def __init__(
        self,
        path: Path,
        info: TaggerInfo,
        *,
        engine: str | None = None,
        latency: bool = False,
        device: str = "auto",
        label_table: LabelTable | None = None,
    ) -> None:
        self.path = path
        self.info = info
        if label_table is not None:
            self.label_table = label_table
        if engine == "openvino" and device not in ("auto", "cpu"):
            raise InputError(f"engine={engine!r} runs on the CPU; leave device={device!r} out")
        self._wanted, self._latency, self._device = engine, latency, device
        self._in_process = None

    def __repr__(self) -> str:
        """Return where it is, its labels, its network and its quality."""
        shown = ", ".join(self.labels[:SHOWN]) + (", ..." if len(self.labels) > SHOWN else "")
        quality, split = (self.info.metrics.get(key) for key in ("mAP", "split"))
        measured = isinstance(quality, int | float) and quality == quality  # no NaN
        return (
            f"<{type(self).__name__} {self.hub_address or str(self.path)!r}: "
            f"{plural(len(self.labels), 'label')} ({shown}); "
            f"{self.info.backbone.name} + {self.info.head.name}, {self.info.image.size} px; "
            + (f"mAP {quality:.1f} ({split})>" if measured else "not evaluated>")
        )

    def _repr_html_(self) -> str:
        """Return a card of its labels, its network and its quality."""
        from imlgcn.notebook import card, chips, tiles

        info = self.info
        network = f"{info.backbone.name} + {info.head.name}, {info.image.size} px; {self.path}"
        named = {"mAP": "mAP", "OF1": "OF1", "CF1": "CF1", "ECE": "calibration error"}
        found = {called: info.metrics.get(name) for name, called in named.items()}
        split = info.metrics.get("split", "")
        quality = [(number(x), f"{n} ({split})") for n, x in found.items() if x is not None]
        shown = [self.label_table.name_of(name) for name in self.labels]
        title = f"{type(self).__name__} with {plural(len(self.labels), 'label')}"
        return card(title, network, tiles(quality), chips(shown))

    def __copy__(self) -> Self:
        other = type(self).__new__(type(self))
        other.__dict__ = dict(self.__dict__)
        return other

    def __getstate__(self) -> dict[str, Any]:
        """Return what to pickle: where the tagger is, not its network."""
        kept = ("info", "label_table", "_wanted", "_latency", "_device")
        state = {name: self.__dict__[name] for name in kept if name in self.__dict__}
        return {**state, "path": self.path.absolute(), "_in_process": None, "_is_unpickled": True}

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        engine: str | None = None,
        latency: bool = False,
        device: str = "auto",
        label_table: LabelTable | str | Path | None = None,
        revision: str | None = None,
    ) -> Self:
        """Open a tagger folder written by ``imlgcn train``, a file exported from one, or the hub's.

        Args:
            path: the folder, a ``.onnx`` or ``.openvino`` file, or ``hf-hub:user/name``, which is
                downloaded into the hub's cache (:mod:`imlgcn.hub.fetch`).
            engine: ``onnxruntime``, ``openvino`` (of an exported file) or ``torch``; ``auto`` takes
                the fastest here, measured on first use and remembered; None takes the first
                available.
            latency: optimise for one image at a time, not for throughput.
            device: ``cpu``, ``cuda``, ``cuda:1`` or, of torch, ``mps``. ``auto`` is a CUDA GPU
                where the engine runs on one; see :func:`imlgcn.engines.device.choose_device` for
                torch, :func:`imlgcn.engines.providers.open_session` for ONNX Runtime. OpenVINO runs
                on the CPU.
            label_table: which labels are given out, under what name and with which parents: a
                table or its CSV file; None takes the tagger's own.
            revision: a branch, a tag or a commit of the hub, as in ``hf-hub:user/name@revision``.

        Raises:
            MissingLibraryError, HubError: as for :func:`imlgcn.hub.fetch.fetch`.
            InputError: no such folder, an unfinished one or one with an unfinished change, a
                ``model.json`` this version cannot read, an engine that is not installed or has no
                file to run, or a label table with wrong rows.
        """
        check_device(device)
        path = local_path(path, revision)
        if not path.is_file():
            from imlgcn.tagger.unfinished import refuse_unfinished

            info = read_info(path)
            refuse_unfinished(path, info)
            table = table_of(label_table, info, None)
            tagger = cls(
                *(path, info), engine=engine, latency=latency, device=device, label_table=table
            )
            _ = tagger.label_table  # a wrong row is refused before any work
            return tagger
        opened = open_file(path, engine, latency=latency, device=device)
        if INFO_KEY not in opened.metadata:
            raise InputError(
                f"{path} is not a tagger: `imlgcn export` did not write it, or wrote it with "
                "layout= for another program; give the tagger's folder, or a file exported "
                "without layout="
            )
        info = parse_info(opened.metadata[INFO_KEY], path)
        table = table_of(label_table, info, opened.metadata.get(LABEL_TABLE_KEY))
        tagger = cls(
            *(path, info), engine=engine, latency=latency, device=device, label_table=table
        )
        if engine != "auto":
            tagger.engine = opened
        return tagger

    @property
    def labels(self) -> tuple[str, ...]:
        """The label names, in the order of every array here."""
        return tuple(self.info.labels)

    @property
    def hub_address(self) -> str | None:
        """``hf-hub:user/name@commit`` of a tagger of the hub, by which it is found again."""
        address = snapshot_of(self.path)
        return None if address is None else str(address)

    @cached_property
    def label_table(self) -> LabelTable:
        """Which labels are given out, under what name, and with which parents."""
        return self.folder.label_table

    @cached_property
    def training_folder(self) -> TaggerFolder | None:
        """The folder of this tagger: of an exported file the one that it lies in, else None."""
        if not self.path.is_file():
            return self.folder
        try:
            named = read_info(self.path.parent).sha256.get(self.path.name)
        except InputError:
            return None
        if named != sha256_file(self.path):
            return None
        return TaggerFolder(self.path.parent, self.labels)

    def learnt_images(self) -> LearntImages | None:
        """Return which images the tagger has learnt; None where that is not kept.

        Raises:
            InputError: the list is damaged.
        """
        if not self.path.is_file():
            return self.folder.learnt()
        from imlgcn.tagger.learnt import KEY, learnt_from_text

        text = self.engine.metadata.get(KEY)
        return None if text is None else learnt_from_text(text, self.path)

    @property
    def known_by(self) -> Way:
        """What uses known labels: ``counts`` of label pairs, or the ``head`` where it takes them.

        The first is :mod:`imlgcn.labels.known`, for any head and engine.
        """
        return way_of(self)

    def with_known_by(self, way: str | None) -> Self:
        """Return the same tagger with another way to use known labels; None: itself.

        Raises:
            InputError: no such way, or a head that does not take known labels.
        """
        if way is None:
            return self
        if way not in ("counts", "head"):
            raise InputError(f"known_by= takes counts or head; got {way!r}")
        if way == "head" and not self.engine.takes_known:
            raise InputError(
                f"the head {self.info.head.name!r} does not take known labels; give "
                "known_by='counts'"
            )
        known = (self.info.known or KnownSettings()).model_copy(update={"by": way})
        other = copy(self)
        other.info = self.info.model_copy(update={"known": known})
        return other

    @cached_property
    def known_update(self) -> KnownUpdate:
        """How known labels move the others by counts.

        Raises:
            InputError: an imported checkpoint, or an old exported file, which has no counts.
        """
        return make_update(self)


def table_of(
    given: LabelTable | str | Path | None, info: TaggerInfo, exported: str | None
) -> LabelTable | None:
    """Return the table that was given, or that of an exported file; None: that of the folder."""
    if isinstance(given, LabelTable):
        return LabelTable.of(info.labels, given.rows)
    if given is not None:
        from imlgcn.data.label_table_file import read_label_table

        return read_label_table(given, info.labels)
    return None if exported is None else LabelTable.from_json(exported, info.labels)
