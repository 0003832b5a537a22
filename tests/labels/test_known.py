"""Known labels move the others by counts of pairs; a second implementation checks every number."""

from __future__ import annotations

import base64
import json
import math
import zlib
from pathlib import Path

import numpy as np
import pytest

from imlgcn.errors import InputError
from imlgcn.labels import LabelContext
from imlgcn.labels.graph import count_known_pairs
from imlgcn.labels.known import KnownLabels, PairCounts
from imlgcn.labels.sparse import MANY_LABELS

TARGETS = np.array(
    [[1, 1, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0]], np.int8
)
UNKNOWN = np.array([[1, -1, 0], [1, 1, -1], [-1, 0, 0], [0, 1, 0], [0, -1, 1], [0, 0, 0]], np.int8)

with np.load(Path(__file__).parents[1] / "golden" / "closed_forms.npz", allow_pickle=False) as file:
    GOLDEN = dict(file)


def counts_of(targets: np.ndarray) -> PairCounts:
    names = [f"label {index}" for index in range(targets.shape[1])]
    return PairCounts.from_context(LabelContext.from_targets(names, targets))


def logit(p: float) -> float:
    p = min(max(p, 1e-6), 1 - 1e-6)
    return math.log(p / (1 - p))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def slow(targets, logits, known, *, beta, surprise, smoothing):
    """The update by loops over images and labels, from targets instead of counts."""
    N, L = targets.shape
    out = np.array(logits, float)
    for i in range(len(logits)):
        for c in range(L):
            for j in range(L):
                if j == c or known[i, j] < 0:
                    continue
                seen = targets[:, j] >= 0
                p = (targets[:, j] == 1).sum() / max(seen.sum(), 1)
                with_c = [targets[n, j] for n in range(N) if seen[n] and targets[n, c] == 1]
                without = [targets[n, j] for n in range(N) if seen[n] and targets[n, c] == 0]
                found = []
                for group in (with_c, without):
                    q = (group.count(1) + smoothing * p) / (len(group) + smoothing)
                    u = surprise * logits[i, j] + (1 - surprise) * logit(p)
                    q = sigmoid(u + logit(q) - logit(p))
                    found.append(q if known[i, j] == 1 else 1 - q)
                out[i, c] += beta * math.log(found[0] / found[1])
    return out


def test_the_update_is_that_of_the_golden_arrays():
    names = [str(index) for index in range(len(GOLDEN["occurrences"]))]
    context = LabelContext(
        tuple(names),
        GOLDEN["pair_counts"].astype(np.int64),
        GOLDEN["occurrences"].astype(np.int64),
        int(GOLDEN["num_images"]),
    )
    update = KnownLabels(PairCounts.from_context(context), beta=float(GOLDEN["beta"]))
    found = update.update(GOLDEN["logits"], GOLDEN["known"])
    np.testing.assert_allclose(found, GOLDEN["updated"], rtol=1e-9, atol=1e-9)


def test_one_known_label_by_hand():
    """4 of 7 images show label 0, 3 label 1, 2 both: P(1|0) = (2 + 3/7) / 5, P(1|not 0) = 10/28."""
    update = KnownLabels(counts_of(TARGETS), beta=0.5)
    present = update.update([0.25, -1.0, 2.0], np.array([-1, 1, -1]))
    absent = update.update([0.25, -1.0, 2.0], np.array([-1, 0, -1]))
    given, without = (2 + 3 / 7) / 5, (1 + 3 / 7) / 4
    assert present[0] == pytest.approx(0.25 + 0.5 * math.log(given / without))
    assert absent[0] == pytest.approx(0.25 + 0.5 * math.log((1 - given) / (1 - without)))
    assert present[1] == absent[1] == -1


@pytest.mark.parametrize("targets", [TARGETS, UNKNOWN], ids=["complete", "unknown"])
@pytest.mark.parametrize(
    "settings",
    [
        {"beta": 0.6, "surprise": 0.0, "smoothing": 1.0},
        {"beta": 1.0, "surprise": 0.3, "smoothing": 5.0},
        {"beta": 0.25, "surprise": 1.0, "smoothing": 0.5},
    ],
    ids=str,
)
def test_the_update_is_that_of_slow_loops(targets, settings):
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(9, 3)) * 3
    known = generator.integers(-1, 2, (9, 3)).astype(np.int8)
    found = KnownLabels(counts_of(targets), **settings).update(logits, known)
    np.testing.assert_allclose(found, slow(targets, logits, known, **settings), rtol=1e-9)


def test_nothing_known_changes_no_bit_and_other_images_are_of_no_account():
    generator = np.random.default_rng(1)
    logits = generator.normal(size=(4, 3))
    known = np.full((4, 3), -1, np.int8)
    known[1, 2] = 1
    update = KnownLabels(counts_of(TARGETS), surprise=0.3)
    found = update.update(logits, known)
    assert found[[0, 2, 3]].tobytes() == logits[[0, 2, 3]].tobytes()
    assert found[1].tobytes() == update.update(logits[1], known[1]).tobytes()


def test_labels_in_another_order_give_the_same_numbers():
    order = [2, 0, 1]
    logits, known = np.array([[0.5, -2.0, 1.0]]), np.array([[1, -1, 0]], np.int8)
    found = KnownLabels(counts_of(UNKNOWN), surprise=0.5).update(logits, known)
    turned = KnownLabels(counts_of(UNKNOWN[:, order]), surprise=0.5)
    np.testing.assert_allclose(turned.update(logits[:, order], known[:, order]), found[:, order])


def test_what_the_head_was_sure_of_says_less_the_more_surprise_counts():
    known = np.array([[-1, 1, -1]], np.int8)
    seen, unseen = np.array([[0.0, 6.0, 0.0]]), np.array([[0.0, -6.0, 0.0]])

    def moved(logits, surprise):
        return KnownLabels(counts_of(TARGETS), surprise=surprise).update(logits, known)[0, 0]

    assert moved(seen, 0.0) == moved(unseen, 0.0) > 0
    assert 0 < moved(seen, 0.5) < moved(seen, 0.2) < moved(seen, 0.0) < moved(unseen, 0.5)


def test_an_unknown_target_is_not_taken_for_absent():
    complete = counts_of(np.where(UNKNOWN < 0, 0, UNKNOWN))
    found = counts_of(UNKNOWN)
    assert found.both.tolist() == complete.both.tolist()
    assert found.known.tolist() == [[5, 3, 4], [3, 4, 3], [4, 3, 5]]
    assert found.shown.tolist() == [[2, 2, 1], [1, 2, 0], [1, 1, 1]]
    shown, known = count_known_pairs(TARGETS)
    assert known.tolist() == [[7] * 3] * 3
    assert shown.tolist() == [TARGETS.sum(0).tolist()] * 3


def test_a_context_keeps_the_counts_of_known_pairs():
    context = LabelContext.from_targets("abc", UNKNOWN)
    back = LabelContext.from_arrays("abc", context.to_arrays())
    turned = back.reordered("cab")
    expected = LabelContext.from_targets("cab", UNKNOWN[:, [2, 0, 1]])
    for name in ("shown_where_known", "known_pairs"):
        np.testing.assert_array_equal(getattr(turned, name), getattr(expected, name))
    plain = LabelContext.from_targets("abc", TARGETS)
    assert plain.known_pairs is None
    assert set(plain.to_arrays()) == {"pair_counts", "occurrences", "num_images"}


@pytest.mark.parametrize("targets", [TARGETS, UNKNOWN, TARGETS[:, :1]], ids=["all", "some", "one"])
def test_counts_come_back_from_their_text(targets):
    counts = counts_of(targets)
    back = PairCounts.from_text(counts.to_text(), targets.shape[1])
    for found, expected in zip(back, counts, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_counts_of_a_thousand_labels_are_a_short_text():
    generator = np.random.default_rng(0)
    rare = generator.random((5_000, 1_000)) < 1 / (1 + np.arange(1_000))
    assert len(counts_of(rare.astype(np.int8)).to_text()) < 300_000


def packed(raw: bytes, images: object = 7) -> str:
    return json.dumps({"images": images, "counts": base64.b64encode(zlib.compress(raw)).decode()})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"images": 7, "counts": "%%%"}',
        '{"images": 7, "counts": "aGVsbG8="}',
        '{"images": "many", "counts": ""}',
        packed(b""),
        packed(b"abc"),
        packed(bytes(4 * 4)),
        packed(bytes(2 * 4 * 9)),
        packed(bytes(50_000_000)),
        packed(np.full(9, -1, "<i4").tobytes()),
        packed(bytes(4 * 9))[:-20] + '"}',
        packed(bytes(4 * 9), None),
    ],
    ids=lambda text: text[:40],
)
def test_a_damaged_text_is_one_sentence(text):
    with pytest.raises(InputError, match="counts of label pairs are damaged"):
        PairCounts.from_text(text, 3)


@pytest.mark.parametrize(
    "settings",
    [{"beta": -0.1}, {"surprise": 1.5}, {"smoothing": 0.0}, {"beta": float("nan")}],
    ids=str,
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(InputError, match="beta is 0 or more"):
        KnownLabels(counts_of(TARGETS), **settings)


def test_counts_of_no_image_and_other_shapes_are_refused():
    with pytest.raises(InputError, match="of no image"):
        KnownLabels(PairCounts.from_context(LabelContext.placeholder(3)))
    update = KnownLabels(counts_of(TARGETS))
    with pytest.raises(InputError, match=r"for each of 3 labels; got \(1, 2\)"):
        update.update([[0.0, 1.0]], np.array([[1, 0]]))


def test_a_label_never_seen_and_one_on_every_image_stay_finite():
    targets = np.array([[1, 0, 1], [1, 0, 0]], np.int8)
    known = np.array([[1, 1, -1], [0, 0, -1], [-1, 1, 0]], np.int8)
    for surprise in (0.0, 1.0):
        update = KnownLabels(counts_of(targets), beta=1.0, surprise=surprise)
        assert np.isfinite(update.update(np.full((3, 3), 40.0), known)).all()
        assert np.isfinite(update.update(np.full((3, 3), -40.0), known)).all()


@pytest.mark.parametrize("unknown", [False, True], ids=["complete", "unknown"])
def test_the_update_of_many_labels_is_that_of_the_whole_matrix(unknown):
    L = MANY_LABELS + 5
    generator = np.random.default_rng(2)
    targets = (generator.random((40, L)) < 0.02).astype(np.int8)
    if unknown:
        targets[generator.random(targets.shape) < 0.985] = -1
    targets[:2, [3, 700, L - 1]] = 1
    context = LabelContext.from_targets([str(index) for index in range(L)], targets)
    sparse = PairCounts.from_context(context)
    assert not isinstance(sparse.both, np.ndarray)
    back = PairCounts.from_text(sparse.to_text(), L)
    whole = PairCounts(*(each if isinstance(each, np.ndarray) else each.dense() for each in sparse))
    logits = generator.normal(size=(2, L))
    known = np.full((2, L), -1, np.int8)
    known[0, [3, 700]], known[1, L - 1] = (1, 0), 1
    expected = KnownLabels(whole, surprise=0.3).update(logits, known)
    assert (expected != logits).any(axis=1).all()
    for counts in (sparse, back):
        found = KnownLabels(counts, surprise=0.3).update(logits, known)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_the_text_of_many_labels_lists_only_pairs_that_occur():
    L = 5_000
    targets = np.zeros((3, L), np.int8)
    targets[0, :8] = 1
    context = LabelContext.from_targets([str(index) for index in range(L)], targets)
    text = PairCounts.from_context(context).to_text()
    assert len(text) < 2_000
    with pytest.raises(InputError, match="counts of label pairs are damaged"):
        PairCounts.from_text(text, L + 1)
    with pytest.raises(InputError, match="counts of label pairs are damaged"):
        PairCounts.from_text(text.replace('"entries"', '"rows"'), L)
