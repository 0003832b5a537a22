"""A small tagger folder, written without torch, and a reader of the page it becomes."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest
from safetensors.numpy import save_file

from imlgcn.evaluation import evaluate_split, fit_label_calibration
from imlgcn.image_settings import ImageSettings
from imlgcn.labels.context import LabelContext
from imlgcn.report import write_report
from imlgcn.tagger import Part, Tagger, TaggerInfo
from imlgcn.tagger.scores import ScoredSplit, write_predictions

LABELS = ("food", "dessert", "dog", "never tested")
VOID = {"meta", "link", "img", "br", "input", "hr", "wbr"}


def draw_split(name, num_images, num_labels, seed):
    """Scores that are right more often than not; label 1 implies 0, the last has no test image."""
    generator = np.random.default_rng(seed)
    targets = (generator.random((num_images, num_labels)) < 0.3).astype(np.int8)
    targets[:, 0] |= targets[:, 1]
    targets[0] = 1
    if name == "test":
        targets[:, -1] = 0
    targets[1, 2] = -1
    logits = generator.normal(0, 1, targets.shape) + 2.0 * targets - 1
    return logits.astype(np.float32), targets


def write_tagger(path, labels=LABELS, *, judged="test", control=True, num_images=40, **info):
    """Write all that a report reads and return the tagger."""
    path.mkdir(parents=True, exist_ok=True)
    L = len(labels)
    _, train = draw_split("train", 3 * num_images, L, seed=1)
    splits = {name: draw_split(name, num_images, L, seed=2) for name in {"val", judged}}
    calibration = fit_label_calibration(*splits["val"])
    metrics = {"split": judged, "head": "iml_gcn", "failed_images": {}}
    metrics |= evaluate_split(*splits[judged], labels, calibration)
    if control:
        metrics["control"] = {
            "head": "linear",
            **evaluate_split(*splits[judged], labels, calibration),
        }
        metrics["difference_to_control"] = {"mAP": 1.25, "low": -0.5, "high": 3.5}
    (path / "metrics.json").write_text(json.dumps(metrics))
    scored = [
        ScoredSplit(
            n,
            tuple(f"{i}.jpg" for i in range(len(t))),
            x,
            calibration.platt.apply(x),
            t,
            control=x[::-1] if control else None,
        )
        for n, (x, t) in splits.items()
    ]
    write_predictions(path / "predictions.parquet", labels, scored)
    context = LabelContext.from_targets(labels, train)
    weights = {f"labels.{key}": value for key, value in context.to_arrays().items()}
    save_file(weights | {"head.weight": np.zeros(3, np.float32)}, path / "model.safetensors")
    rows = [
        {"stage": "graph head", "epoch": e, "loss": 3 / e, "val_mAP": 50 + e} for e in (1, 2, 3)
    ]
    (path / "log.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (path / "config.yaml").write_text("data: cats & dogs.csv\nseed: 7\nfine_tune: false\n")
    options = {"graph": "cooccurrence", "threshold": 0.4}
    content = {
        "head": Part(name="iml_gcn", options=options),
        "backbone": Part(name="efficientnet_lite0", weights="embedded:abc"),
        "metrics": {"protocol": "default", "split": judged, "num_images": 40, "mAP": 55.5},
        "versions": {"imlgcn": "0.1.0", "torch": "2.15.0"},
        "sha256": {"model.safetensors": "f00d"},
    } | info
    full = TaggerInfo(
        labels=list(labels), image=ImageSettings(), calibration=calibration, **content
    )
    return Tagger(path, full)


@pytest.fixture
def make_tagger(tmp_path):
    return lambda *args, **kwargs: write_tagger(tmp_path / "my run", *args, **kwargs)


@pytest.fixture
def tagger(make_tagger):
    return make_tagger()


@pytest.fixture(scope="session")
def reported(tmp_path_factory):
    """A tagger like `tagger`, with its report; read only."""
    tagger = write_tagger(tmp_path_factory.mktemp("reported") / "my run")
    write_report(tagger)
    return tagger


@pytest.fixture(scope="session")
def page(reported):
    """That report as a browser would read it."""
    return Page((reported.path / "report.html").read_text(encoding="utf-8"))


@pytest.fixture
def read():
    """Write the report of a tagger and read it as a browser would."""
    return lambda tagger: Page(write_report(tagger).read_text(encoding="utf-8"))


@pytest.fixture
def read_page():
    """Read a page that is already written."""
    return lambda path: Page(path.read_text(encoding="utf-8"))


class Page(HTMLParser):
    """What a browser would make of the file: elements with attributes, and the text outside."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text = [], [], ""
        self.rows = []  # of every table: lists of cell texts
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> without a start"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.text += data
            if self.rows and {"td", "th"} & set(self.open):
                self.rows[-1][-1] += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self):
        return " ".join(self.text.split())
