"""The card: a YAML head for the hub's search, and the text for people.

The head follows the hub's page "Model Cards" and its ``modelcard.md``: ``license``,
``library_name``, ``pipeline_tag``, ``tags``, and results as ``model-index``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from imlgcn.errors import InputError
from imlgcn.model_card import facts
from imlgcn.model_card.sources import OPENCLIPART, UNKNOWN, data_source, weights_source
from imlgcn.model_card.text import plain
from imlgcn.numbers import first_of, plural
from imlgcn.tagger import Tagger
from imlgcn.wording import caution, verdict

if TYPE_CHECKING:
    from jinja2 import Template

IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9.+-]{0,49}")
RESULTS = {"mAP": "mean_average_precision", "OF1": "f1", "CF1_per_label": "f1"}


@dataclass(frozen=True)
class Licences:
    """What the publisher says of licences; None is "unknown".

    Attributes:
        tagger: of what is published, as the hub spells it: ``apache-2.0``, ``cc-by-4.0``, ...
        data: of the images and labels that it learnt, in words.

    Raises:
        InputError: ``tagger`` is not an identifier.
    """

    tagger: str | None = None
    data: str | None = None

    def __post_init__(self) -> None:
        if self.tagger is not None and not IDENTIFIER.fullmatch(self.tagger):
            raise InputError(
                f"licence= takes an identifier of the hub such as apache-2.0, cc-by-4.0 or other; "
                f"got {self.tagger!r}"
            )


def model_card(
    tagger: Tagger,
    repository: str,
    licences: Licences | None = None,
    *,
    with_support: bool = False,
    onnx: bool = True,
) -> str:
    """Return the card of a tagger as Markdown.

    Args:
        tagger: of a folder.
        repository: where it is published, ``user/name``.
        licences: of the tagger and of its data.
        with_support: it is published with the names of its images.
        onnx: with ``onnx/model.onnx`` for other programs.
    """
    licences = licences or Licences()
    metrics, info = tagger.folder.metrics or dict(tagger.info.metrics), tagger.info
    source = data_source(
        tagger.folder.config, None if licences.data is None else plain(licences.data)
    )
    control = metrics.get("control") or {}
    shown = facts.shown_labels(tagger)
    text = _template().render(
        name=plain(repository.partition("/")[2] or repository),
        repository=repository,
        labels=[plain(tagger.label_table.name_of(tagger.labels[at])) for at in shown],
        version=f" {plain(info.versions['imlgcn'])}" if "imlgcn" in info.versions else "",
        backbone=info.backbone.name,
        head=info.head.name,
        size=info.image.size,
        onnx=onnx,
        evaluated=facts.evaluated_on(metrics),
        rows=facts.measures(metrics),
        control=control and plain(str(control.get("note") or "a linear head")),
        verdict=verdict(metrics, imported=bool(info.origin)),
        caution=caution(metrics) if metrics else None,
        thresholds=facts.threshold_sentence(tagger),
        table=facts.label_facts(tagger, metrics),
        more=max(0, len(shown) - facts.MOST_LABELS),
        data=facts.data_sentences(tagger, source.name),
        limits=facts.limits(tagger, metrics),
        licences={"tagger": licences.tagger or UNKNOWN},
        source=source,
        weights=weights_source(info),
        contents=facts.contents(tagger, with_support=with_support),
    )
    return f"---\n{_head(tagger, repository, licences, metrics)}---\n\n{text.strip()}\n"


def _head(tagger: Tagger, repository: str, licences: Licences, metrics: dict[str, Any]) -> str:
    """Return the YAML that the hub reads."""
    import yaml

    head: dict[str, Any] = {
        "license": licences.tagger or UNKNOWN,
        "library_name": "imlgcn",
        "pipeline_tag": "image-classification",
        "tags": ["imlgcn", "multi-label", "image-tagging", "onnx"],
    }
    results = [
        {"type": kind, "name": _measure(key), "value": value}
        for key, kind in RESULTS.items()
        if (value := facts.value_of(metrics, key)) is not None
    ]
    if results:
        known = tagger.folder.config.get("data") == OPENCLIPART
        head["metrics"] = ["f1"]
        head["model-index"] = [
            {
                "name": repository.partition("/")[2] or repository,
                "results": [
                    {
                        "task": {
                            "type": "image-classification",
                            "name": "Multi-label image classification",
                        },
                        "dataset": {
                            "name": "Open Clip Art" if known else "data of its author",
                            "type": OPENCLIPART if known else "own",
                            "split": str(metrics.get("split") or UNKNOWN),
                        },
                        "metrics": results,
                    }
                ],
            }
        ]
    text: str = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    return text


def _measure(key: str) -> str:
    return next(name for known, name, _ in facts.MEASURES if known == key)


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    # plain Markdown: names are made harmless by `plain`, HTML would not be
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, autoescape=False)
    environment.filters |= {"plural": plural, "first_of": first_of}
    return environment.from_string((files(__package__) / "card.md.j2").read_text(encoding="utf-8"))
