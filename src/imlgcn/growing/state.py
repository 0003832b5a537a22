"""All that a change of labels touches: read from a tagger folder, written back in one go.

Shapes: N images the head was fitted on, Q images that were added, H labels of the head, A added
ones, L labels of the tagger.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imlgcn.data.label_table_file import write_label_table
from imlgcn.errors import InputError, unknown_name
from imlgcn.files import sha256_file, write_atomic
from imlgcn.growing.history import keep_state
from imlgcn.labels.context import LabelContext
from imlgcn.labels.label_table import LabelTable
from imlgcn.tagger import Tagger, TaggerInfo, load_classifier
from imlgcn.tagger.folder import LABEL_TABLE, LEARNT, MODEL, SCORES, SUPPORT, WEIGHTS
from imlgcn.tagger.info import Growth
from imlgcn.tagger.learnt import LearntImages, write_learnt
from imlgcn.tagger.network import save_weights, trained_context
from imlgcn.tagger.scores import ScoredSplit, write_predictions
from imlgcn.tagger.support import Support, write_support

if TYPE_CHECKING:
    from imlgcn.models.classifier import MultiLabelClassifier
    from imlgcn.models.grown import AddedLabels
    from imlgcn.models.scorer import Scorer


@dataclass(frozen=True, eq=False)
class State:
    """A tagger whose labels change.

    Attributes:
        path: its folder.
        info: ``model.json``, always with `growth`.
        classifier: the network.
        head: its head, as it was trained.
        added: the labels that were added; None: there are none.
        context: counts of the tagger's labels.
        trained: the context the head was trained with.
        splits: the stored scores, all of the tagger's labels; empty where there are none.
        support: the images, N and then Q; None where they are not kept.
        table: the label table.
        learnt: the images that it has learnt; None where that is not known.
    """

    path: Path
    info: TaggerInfo
    classifier: MultiLabelClassifier
    head: Scorer
    added: AddedLabels | None
    context: LabelContext
    trained: LabelContext
    splits: tuple[ScoredSplit, ...]
    support: Support | None
    table: LabelTable
    learnt: LearntImages | None = None

    @property
    def growth(self) -> Growth:
        """How the labels come from the scores."""
        assert self.info.growth is not None
        return self.info.growth

    @property
    def fitted(self) -> int:
        """N."""
        return self.growth.fitted

    def place(self, label: str) -> int:
        """Return the number of a label.

        Raises:
            InputError: the tagger has no such label.
        """
        if label not in self.info.labels:
            raise unknown_name("label", label, self.info.labels)
        return self.info.labels.index(label)


def read_state(tagger: str | Path) -> State:
    """Read a tagger folder.

    Raises:
        InputError: an exported file, or no tagger, or a damaged one.
    """
    from imlgcn.models.grown import GrownHead

    path = Path(tagger)
    if path.is_file():
        raise InputError(
            f"{path} is an exported file, and its labels are fixed; give the tagger folder it was "
            "exported from"
        )
    opened = Tagger.load(path)
    info, folder = opened.info, opened.folder
    classifier, context = load_classifier(path, info)
    grown = classifier.head if isinstance(classifier.head, GrownHead) else None
    support = folder.support()
    if info.growth is None:
        calibration = info.calibration
        growth = Growth(
            head_labels=info.labels,
            fitted=0 if support is None else len(support.images),
            outputs=[[label] for label in range(len(info.labels))],
            slope=calibration.slope,
            intercept=calibration.intercept,
        )
        info = info.model_copy(update={"growth": growth})
    if info.known is not None and info.known.by == "head":  # its input is for its own labels
        info = info.model_copy(update={"known": info.known.model_copy(update={"by": "counts"})})
    return State(
        path=path,
        info=info,
        classifier=classifier,
        head=classifier.head if grown is None else grown.head,
        added=None if grown is None else grown.added,
        context=context,
        trained=context if opened.info.growth is None else trained_context(path, info),
        splits=tuple(folder.scores.splits()),
        support=support,
        table=folder.label_table,
        learnt=folder.learnt(),
    )


def write_state(state: State, what: str | None) -> Tagger:
    """Write a changed tagger; the state before ``what`` is kept (None: it is not). Return it.

    Exported files no longer fit: they are set aside with that state.
    """
    from imlgcn.models import MultiLabelClassifier
    from imlgcn.models.grown import GrownHead, platt

    path = state.path
    exported = [name for name in state.info.sha256 if name != WEIGHTS]
    if what is not None:
        kept = (MODEL, WEIGHTS, SCORES, SUPPORT, LEARNT, LABEL_TABLE)
        keep_state(path, what, (*kept, *exported))
    growth = state.growth
    head = GrownHead(
        state.head, state.added, growth.outputs, *platt(growth.slope, growth.intercept)
    )
    classifier = MultiLabelClassifier(state.classifier.backbone, head)
    save_weights(path, classifier, state.context, state.trained)
    if state.splits:
        write_predictions(path / SCORES, state.info.labels, state.splits)
    if (path / LABEL_TABLE).is_file() or not state.table.is_default:
        write_label_table(path / LABEL_TABLE, state.table)
    if state.support is not None:
        write_support(path / SUPPORT, state.support)
    if state.learnt is not None:
        write_learnt(path / LEARNT, state.learnt)
    info = state.info.model_copy(update={"sha256": {WEIGHTS: sha256_file(path / WEIGHTS)}})
    write_atomic(path / MODEL, info.model_dump_json(indent=1) + "\n")
    for name in exported:
        (path / name).unlink(missing_ok=True)
    return Tagger(path, info)
