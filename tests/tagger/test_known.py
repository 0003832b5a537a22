"""Known labels of any tagger: every head, every engine, a folder or an exported file."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache

import numpy as np
import pytest

import imlgcn.exporting as exporting
from imlgcn.errors import InputError
from imlgcn.extras import installed
from imlgcn.labels.known import KnownLabels, PairCounts
from imlgcn.models import HEADS
from imlgcn.tagger import Tagger
from imlgcn.tagger.info import KnownSettings

KNOWN = {"red": 1, "circle": 0}
SETTINGS = KnownSettings(
    beta=0.8, surprise=0.3, smoothing=5.0, slope=[1.1, 0.9, 0.7, 0.6], offset=[0.1, -1, -2, -3]
)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)


@pytest.mark.parametrize("head", HEADS)
def test_every_head_gives_known_labels_back_and_moves_the_others(head, untrained, pixels):
    tagger = untrained(head)
    by = "head" if HEADS[head].uses_known else "counts"
    assert tagger.known_by == by
    free = tagger.probabilities(pixels)
    row = tagger.known_row(KNOWN)
    told = tagger.probabilities(pixels, row)
    red, circle = (tagger.labels.index(name) for name in KNOWN)
    assert told[:, red].tolist() == [1] * 4
    assert told[:, circle].tolist() == [0] * 4
    rest = np.delete(np.arange(5), [red, circle])
    open_ones = (free[:, rest] > 1e-12) & (free[:, rest] < 1 - 1e-12)  # not rounded to certainty
    assert (told[:, rest] != free[:, rest])[open_ones].all()
    assert ((told >= 0) & (told <= 1)).all()
    # the order in which labels are given does not matter, nor do other images of the batch
    turned = tagger.known_row(dict(reversed(KNOWN.items())))
    assert tagger.probabilities(pixels, turned).tobytes() == told.tobytes()
    mixed = np.stack([row, np.full(5, -1, np.int8), row, row])
    found = tagger.probabilities(pixels, mixed)
    np.testing.assert_allclose(found[[0, 2, 3]], told[[0, 2, 3]], rtol=1e-6)
    if by == "counts":
        assert found[1].tobytes() == free[1].tobytes(), "nothing known, nothing changed"
    assert tagger.known_row({}) is None
    assert tagger.probabilities(pixels).tobytes() == free.tobytes()


def test_the_numbers_are_those_of_the_closed_form(tagger, pixels):
    row = tagger.known_row(KNOWN)
    counts = PairCounts.from_context(tagger.folder.context)
    settings = tagger.info.known
    assert settings.by == "counts"
    update = KnownLabels(
        counts, beta=settings.beta, surprise=settings.surprise, smoothing=settings.smoothing
    )
    logits = tagger.calibration.logits(tagger.engine.logits(pixels))
    rows = np.tile(row, (4, 1))
    ranked = update.update(logits, rows)
    pair = settings.slope[1] * ranked + settings.offset[1]  # one known positive
    expected = np.where(rows >= 0, rows, 1 / (1 + np.exp(-pair)))
    np.testing.assert_allclose(tagger.probabilities(pixels, row), expected, rtol=1e-12)


def test_tags_of_an_image_have_the_known_ones_for_certain(tagger, photo):
    tags = {tag.label: tag.probability for tag in tagger(photo, known=KNOWN, threshold="0")}
    assert (tags["red"], tags["circle"]) == (1.0, 0.0)
    assert tagger(photo, known=KNOWN)[0].label == "red"
    assert tagger(photo, known={}) == tagger(photo)


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"rde": 1}, "unknown label 'rde'; did you mean 'red'"),
        ({"red": 2}, r"1 \(present\) or 0 \(absent\); got 'red': 2"),
        ({"red": None}, r"got 'red': None"),
        ({"red": "yes"}, r"got 'red': yes"),
        ({"": 1}, "unknown label ''"),
    ],
    ids=str,
)
def test_labels_that_cannot_be_known_are_refused(tagger, photo, known, words):
    with pytest.raises(InputError, match=words):
        tagger(photo, known=known)


def test_an_older_tagger_has_the_closed_form_of_the_paper(own_tagger, pixels):
    tagger = Tagger.load(own_tagger)
    tagger.info = tagger.info.model_copy(update={"known": None})
    update = tagger.known_update
    assert (update.labels.beta, update.labels.surprise) == (0.6, 0.0)
    assert update.calibration.slope.tolist() == [1.0] * 4
    told = tagger.probabilities(pixels, tagger.known_row(KNOWN))
    assert told[:, tagger.labels.index("red")].tolist() == [1] * 4


def test_maps_show_the_image_whatever_is_known(tagger, pixels):
    free, told = tagger.maps(pixels), tagger.maps(pixels, known=tagger.known_row(KNOWN))
    np.testing.assert_array_equal(told.maps, free.maps)
    np.testing.assert_array_equal(told.logits, free.logits)


# engines and files


@pytest.fixture(scope="module")
def exported(tagger, tmp_path_factory):
    """A tagger with constants unlike the defaults, and a function that exports it once a kind."""
    pytest.importorskip("onnxscript")
    folder = tmp_path_factory.mktemp("known") / "tagger"
    shutil.copytree(tagger.path, folder)
    info = tagger.info.model_copy(update={"known": SETTINGS})
    (folder / "model.json").write_text(info.model_dump_json())

    @cache
    def file(kind):
        return exporting.export(folder, kind, folder.with_name(f"a.{kind}")).path

    return Tagger.load(folder, engine="torch"), file


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("kind", "engine"),
    [
        ("onnx", "onnxruntime"),
        ("onnx", "openvino"),
        pytest.param("openvino", "openvino", marks=pytest.mark.slow),
    ],
)
def test_an_exported_file_gives_the_numbers_of_the_folder(exported, pixels, kind, engine):
    folder, file = exported
    if not installed(engine):
        pytest.skip(f"needs {engine}")
    alone = Tagger.load(file(kind), engine=engine)
    row = alone.known_row(KNOWN)
    expected = folder.probabilities(pixels, row)
    np.testing.assert_allclose(alone.probabilities(pixels, row), expected, rtol=1e-4, atol=1e-6)
    assert alone.info.known == SETTINGS


def test_known_labels_of_an_exported_file_need_no_torch(exported):
    _, file = exported
    code = f"""
import sys, numpy as np
from imlgcn.tagger import Tagger
tagger = Tagger.load({str(file("onnx"))!r}, engine="onnxruntime")
pixels = np.zeros((1, 64, 64, 3), np.uint8)
assert tagger.probabilities(pixels, tagger.known_row({KNOWN!r}))[0, tagger.labels.index("red")] == 1
assert not {{"torch", "timm"}} & set(sys.modules), "torch was imported"
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (None, "an earlier version exported it; export the tagger's folder again"),
        ("{}", "counts of label pairs are damaged"),
    ],
    ids=["old", "damaged"],
)
def test_a_file_without_counts_tags_and_says_what_is_missing(exported, pixels, counts, words):
    _, file = exported
    alone = Tagger.load(file("onnx"), engine="onnxruntime")
    alone.engine.metadata = {"imlgcn": "{}"} | ({} if counts is None else {"pair_counts": counts})
    assert alone.probabilities(pixels).shape == (4, 5)
    with pytest.raises(InputError, match=words):
        alone.known_row(KNOWN)


def test_an_imported_checkpoint_has_no_counts(untrained, pixels):
    tagger = untrained("linear")
    tagger.info = tagger.info.model_copy(update={"origin": {"from": "somewhere"}})
    tagger.folder.context = None
    with pytest.raises(InputError, match="an imported checkpoint has none"):
        tagger.known_row(KNOWN)


# a head that takes known labels


def test_a_head_that_takes_known_labels_may_leave_them_to_the_counts(untrained, pixels):
    tagger = untrained("c_tran")
    row = tagger.known_row(KNOWN)
    other = tagger.with_known_by("counts")
    assert (tagger.known_by, other.known_by) == ("head", "counts")
    own, by_counts = tagger.probabilities(pixels, row), other.probabilities(pixels, row)
    assert np.abs(own - by_counts).max() > 1e-3
    assert other.probabilities(pixels).tobytes() == tagger.probabilities(pixels).tobytes()
    assert other.with_known_by("head").probabilities(pixels, row).tobytes() == own.tobytes()
    assert other.with_known_by(None) is other
    with pytest.raises(InputError, match="known_by= takes counts or head; got 'graph'"):
        tagger.with_known_by("graph")
    with pytest.raises(InputError, match="'linear' does not take known labels"):
        untrained("linear").with_known_by("head")
