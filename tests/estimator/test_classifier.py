"""`TaggerClassifier` as users of scikit-learn use it: every form of images and labels, and back."""

from __future__ import annotations

import csv
import pickle

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MultiLabelBinarizer

from imlgcn import InputError, TaggerClassifier, train
from imlgcn.extras import EXTRAS
from imlgcn.metrics import mean_average_precision
from runs import BACKBONE, LABELS

SIZE = 64


@pytest.fixture(scope="module")
def drawn(shapes):
    """The files of the shapes and the labels of each."""
    with shapes.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    files = [str(shapes.parent / row["image"]) for row in rows]
    return files, [[label for label in row["labels"].split(";") if label] for row in rows]


@pytest.fixture(scope="module")
def indicator(drawn):
    return MultiLabelBinarizer().fit_transform(drawn[1])


@pytest.fixture(scope="module")
def new(weights):
    """Return a function that makes an untrained estimator with the tiny backbone."""

    def make(**parameters):
        given = {"head": "kernel", "backbone": BACKBONE, "weights": str(weights), "size": SIZE}
        return TaggerClassifier(**given | parameters)

    return make


@pytest.fixture(scope="module")
def fitted(new, drawn, indicator):
    """An estimator that has learnt the shapes from an indicator; read only."""
    from runs import quick

    with quick():
        return new(labels=LABELS).fit(drawn[0], indicator)


def arrays(files):
    return np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])


# what is learnt


def test_it_is_the_tagger_of_train_on_the_same_images(fitted, drawn, new, weights, quick_runs):
    pairs = dict(zip(*drawn, strict=True))
    data = {"train": {"image": list(pairs), "labels": list(pairs.values())}}
    same = train(
        *(data, f"{fitted.tagger_.path}-same"),
        **{"head": "kernel", "backbone": BACKBONE, "weights": str(weights), "size": SIZE},
        export=False,
    )
    assert same.labels == tuple(fitted.classes_)
    np.testing.assert_allclose(
        same.predict_proba(drawn[0]), fitted.predict_proba(drawn[0]), atol=1e-5
    )


def test_every_form_of_images_gives_the_same_probabilities(fitted, drawn):
    import pandas

    files, pixels = drawn[0][:4], arrays(drawn[0][:4])
    expected = fitted.predict_proba(files)
    assert expected.shape == (4, len(LABELS))
    for same in (
        *(tuple(files), np.array(files), np.array(files)[:, None], pixels, list(pixels)),
        *(pixels / 255, [Image.open(file) for file in files], pandas.Series(files)),
        *(pandas.DataFrame({"any": files}), pandas.DataFrame({"n": range(4), "path": files})),
    ):
        np.testing.assert_allclose(fitted.predict_proba(same), expected, atol=1e-6)


def test_tags_are_those_of_the_tagger_in_the_columns_of_classes(fitted, drawn):
    given = fitted.predict(drawn[0])
    for row, tags in zip(given, fitted.tagger_(drawn[0]), strict=True):
        assert {fitted.classes_[i] for i in np.flatnonzero(row)} == {tag.label for tag in tags}
    assert given.dtype.kind == "i"
    assert 0 < given.mean() < 1


@pytest.mark.thorough
def test_lists_come_back_as_lists_and_a_label_nobody_shows_is_never_given(
    new, drawn, fitted, quick_runs
):
    files, lists = drawn
    named = ["square", "zebra", "red", "dark", "circle", "blue"]
    with pytest.warns(UserWarning, match=r"no image shows 1 label \(zebra\)"):
        found = new(labels=named).fit(files, lists)
    assert found.classes_.tolist() == named
    scores, own = found.predict_proba(files), [LABELS.index(n) for n in named if n != "zebra"]
    assert not scores[:, 1].any()
    expected = fitted.predict_proba(files)[:, own]
    np.testing.assert_allclose(np.delete(scores, 1, axis=1), expected, atol=1e-6)
    rows = [[n for n in named if n in LABELS and r[LABELS.index(n)]] for r in fitted.predict(files)]
    assert found.predict(files) == rows
    right = np.mean([set(a) == set(b) for a, b in zip(lists, rows, strict=True)])
    assert found.score(files, lists) == right


@pytest.mark.thorough
def test_one_class_for_each_image_is_the_most_probable_and_rows_sum_to_one(new, drawn, quick_runs):
    files, lists = drawn
    y = np.array([7 if "square" in labels else 3 for labels in lists])
    found = new().fit(files, y)
    scores = found.predict_proba(files)
    assert found.classes_.tolist() == [3, 7]
    assert found.tagger_.labels == ("3", "7")
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    predicted = found.predict(files)
    assert predicted.tolist() == [[3, 7][i] for i in scores.argmax(axis=1)]
    assert found.score(files, y) == accuracy_score(y, predicted)
    assert found.score(files[:1], [5]) == 0  # a class that fit has not seen


@pytest.mark.thorough
def test_unknown_targets_are_not_learnt_and_not_scored(new, fitted, drawn, indicator, quick_runs):
    import pandas

    y = indicator.astype(float)
    y[::3, 1] = np.nan
    found = new().fit(drawn[0], pandas.DataFrame(y, columns=LABELS))
    assert found.classes_.tolist() == list(LABELS)
    counted = found.tagger_.folder.scored("train").targets
    np.testing.assert_array_equal(counted, np.where(np.isnan(y), -1, y))
    assert np.abs(found.predict_proba(drawn[0]) - fitted.predict_proba(drawn[0])).max() > 1e-3
    predicted = fitted.predict(drawn[0])
    assert fitted.score(drawn[0], indicator) == accuracy_score(indicator, predicted)
    wrong = np.where(predicted == indicator, predicted, -1)
    assert fitted.score(drawn[0], wrong) == 1


# scikit-learn around it


def test_average_precision_of_scikit_learn_is_the_map_of_this_package(fitted, drawn, indicator):
    from sklearn.metrics import get_scorer

    value = get_scorer("average_precision")(fitted, drawn[0], indicator)
    own, _ = mean_average_precision(fitted.predict_proba(drawn[0]), indicator)
    assert value == pytest.approx(own)


@pytest.mark.thorough
def test_a_pickled_copy_outlives_the_folder_of_the_original(new, drawn, indicator, quick_runs):
    first = new(labels=LABELS).fit(drawn[0][:24], indicator[:24])
    expected, path = first.predict_proba(drawn[0]), first.tagger_.path
    content = pickle.dumps(first)
    del first
    assert not path.exists()
    copy = pickle.loads(content)
    np.testing.assert_array_equal(copy.predict_proba(drawn[0]), expected)
    assert copy.tagger_.path != path
    assert copy.get_params()["labels"] == LABELS
    with pytest.raises(NotFittedError):
        clone(copy).predict(drawn[0])


@pytest.mark.thorough
def test_it_is_cross_validated_in_a_pipeline(new, drawn, indicator, quick_runs):
    opened = FunctionTransformer(lambda paths: [Image.open(path) for path in paths])
    scores = cross_val_score(make_pipeline(opened, new()), drawn[0], indicator, cv=2)
    assert ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.thorough
def test_a_grid_is_searched_by_several_processes(new, drawn, indicator, quick_runs):
    grid = {"head": ["kernel", "linear"], "settings": [None, {"refit": True}]}
    search = GridSearchCV(new(epochs=2), grid, cv=2, scoring="f1_samples", n_jobs=2)
    search.fit(drawn[0], indicator)
    assert search.best_params_["head"] in grid["head"]
    assert search.predict(drawn[0]).shape == indicator.shape


@pytest.mark.thorough
def test_the_folder_of_the_user_is_kept_and_replaced(new, drawn, indicator, tmp_path, quick_runs):
    folder = tmp_path / "run"
    first = new(folder=folder).fit(drawn[0][:24], indicator[:24])
    before = (folder / "model.safetensors").read_bytes()
    del first
    again = new(folder=folder).fit(drawn[0], indicator)
    assert again.tagger_.path == folder
    assert (folder / "model.safetensors").read_bytes() != before


# what is refused


@pytest.mark.parametrize(
    ("X", "words"),
    [
        ("photo.jpg", "one image: put it into a list"),
        (np.zeros((4, 8)), "rows of numbers are not images"),
        (np.zeros((8, 8, 3), np.uint8), r"for grey images give X\[\.\.\., None\], for one image"),
        ([1, 2], "row 0 is a int, which is not an image"),
        (None, "got None"),
        ({"image": ["a.jpg"]}, "got dict"),
    ],
)
def test_what_is_no_collection_of_images_is_refused(fitted, X, words):
    with pytest.raises(InputError, match=words):
        fitted.predict(X)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([[0, 2], [1, 0]], "expected y as an indicator .* got 2"),
        ([[1, -1], [-1, 1]], "1 and -1 and no 0, so -1 may mean absent"),
        ([["a", "b"], ["c", 1]], "labels of y are of several types"),
        ([0.5, 1.5], "Unknown label type: continuous"),
        (["a", "a"], "single class, 'a'"),
        ([1.0, np.nan], "NaN"),
        (["1", "2", "1"], "inconsistent"),
        (None, "requires y"),
    ],
)
def test_labels_in_no_known_form_are_refused_before_any_work(new, drawn, y, words):
    with pytest.raises(ValueError, match=words):
        new().fit(drawn[0][:2], y)


def test_a_parameter_that_is_given_twice_or_wrong_is_refused(new, drawn, indicator):
    with pytest.raises(InputError, match="settings repeats seed"):
        new(settings={"seed": 1}).fit(drawn[0], indicator)
    with pytest.raises(InputError, match="unknown head 'kernl'; did you mean 'kernel'"):
        new(head="kernl").fit(drawn[0], indicator)
    with pytest.raises(InputError, match="labels has 2 names for 5 columns"):
        new(labels=["a", "b"]).fit(drawn[0], indicator)


def test_its_library_is_an_extra():
    assert EXTRAS["sklearn"] == ("sklearn",)
