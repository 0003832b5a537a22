"""Prediction: which files are taken, and which rows come out."""

import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colour_tagger import LABELS, ColourTagger, paint
from imlgcn.errors import InputError
from imlgcn.prediction import Row, expand_paths, predict, predict_rows, stream
from imlgcn.progress import Progress

from .conftest import predicting, read

# rows


def test_rows_are_the_tags_of_each_image_most_probable_first(images):
    a, b, c, d = map(str, images)
    found = list(predict_rows(ColourTagger(), images))
    assert found[:3] == [Row(a, "dog", 0.8, 0.25), Row(a, "cat", 0.6, 0.5), Row(b)]
    assert found[3].image == c
    assert found[3][1:4] == ("", None, None)
    assert found[3].error.startswith("is not an image")  # the name stands in its own column
    assert found[4:] == [Row(d, "tree", 1.0, 0.9)]


def test_all_labels_gives_every_label_with_its_own_threshold(images):
    found = list(predict_rows(ColourTagger(), images[:1], all_labels=True))
    assert [row[1:4] for row in found] == [
        ("dog", 0.8, 0.25),
        ("cat", 0.6, 0.5),
        ("tree", 0.2, 0.9),
    ]
    assert [row.is_tag for row in found] == [True, True, False]


def test_a_probability_equal_to_its_threshold_is_a_tag(images):
    tagger = ColourTagger()
    tagger.probabilities = lambda inputs, known=None: np.array([[0.5, np.nextafter(0.25, 0), 0.9]])
    assert [row.label for row in predict_rows(tagger, images[:1])] == ["tree", "cat"]


def test_the_wanted_threshold_replaces_the_stored_ones(images):
    found = list(predict_rows(ColourTagger(), images[:2], threshold="0.7"))
    assert found == [Row(str(images[0]), "dog", 0.8, 0.7), Row(str(images[1]))]


def test_probabilities_and_thresholds_have_six_digits(images):
    tagger = ColourTagger()
    tagger.thresholds_for = lambda goal: np.full(3, 1 / 3)
    tagger.probabilities = lambda inputs, known=None: np.array([[2 / 3, 0.0, 0.0]])
    assert list(predict_rows(tagger, images[:1])) == [
        Row(str(images[0]), "cat", 0.666667, 0.333333)
    ]


def test_an_unreadable_file_costs_one_row_and_never_the_run(tmp_path, images):
    empty = tmp_path / "empty.jpg"
    empty.touch()
    paths = [tmp_path / "missing.jpg", empty, tmp_path, "nul\0.jpg", images[3]]
    found = list(predict_rows(ColourTagger(), paths))
    assert [row.image for row in found] == list(map(str, paths))
    assert all(row.error for row in found[:4])
    assert found[0].error == os.strerror(2)  # no such file
    assert found[4].label == "tree"


# the stream


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 1), (3, 4), (16, 2), (1000, 2)])
def test_order_and_rows_do_not_depend_on_batches_and_threads(tmp_path, images, batch_size, workers):
    paths = images[:1] + [paint(tmp_path / f"{i}.png", i, 200 - i, 0) for i in range(40)]
    paths.insert(17, images[2])
    expected = [row for path in paths for row in predict_rows(ColourTagger(), [path])]
    tagger = ColourTagger()
    assert list(predict_rows(tagger, paths, batch_size=batch_size, workers=workers)) == expected
    assert max(tagger.batches) <= batch_size
    assert sum(tagger.batches) == 41


def test_a_long_list_is_read_only_a_few_batches_ahead(images):
    tagger = ColourTagger()
    endless = iter(lambda: images[0], None)
    found = predict_rows(tagger, endless, batch_size=4, workers=2)
    for _ in range(2 * 12):  # two tags for each of 12 images
        next(found)
    found = None
    assert tagger.loaded <= 12 + stream.AHEAD * 2 * 4
    assert not predicting()


def test_a_slow_image_does_not_hold_up_the_others(images):
    """While the first is decoded, as many others are done as may wait for it."""
    tagger, done = ColourTagger(), []
    load = tagger.load_input

    def slow(path):
        for _ in range(500 if path == images[0] else 0):
            if len(done) >= 6:
                break
            time.sleep(0.01)
        done.append(path)
        return load(path)

    tagger.load_input = slow
    list(predict_rows(tagger, [images[0], *[images[3]] * 20], batch_size=1, workers=2))
    assert done.index(images[0]) >= 6


def test_decoding_and_scoring_use_all_workers_at_once(images):
    tagger, meeting = ColourTagger(), threading.Barrier(3)
    tagger.engine.streaming = lambda: nullcontext(3)
    load, score = tagger.load_input, tagger.probabilities
    tagger.load_input = lambda path: (meeting.wait(timeout=10), load(path))[1]
    tagger.probabilities = lambda *given: (meeting.wait(timeout=10), score(*given))[1]
    assert len(list(predict_rows(tagger, [images[3]] * 6, batch_size=1, workers=3))) == 6


def test_no_more_threads_use_the_engine_at_once_than_it_wants(images):
    tagger, inside, most = ColourTagger(), [], []
    tagger.engine.streaming = lambda: nullcontext(1)

    def score(inputs, known=None):
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.005)
        inside.pop()
        return np.zeros((len(inputs), 3))

    tagger.probabilities = score
    list(predict_rows(tagger, [images[0]] * 12, batch_size=1, workers=4))
    assert max(most) == 1


def test_an_engine_is_given_the_batches_it_likes(images):
    tagger = ColourTagger()
    tagger.engine.batch = 3
    list(predict_rows(tagger, [images[0]] * 7))
    assert sorted(tagger.batches) == [1, 3, 3]


def test_no_image_readable_means_nothing_is_scored(images):
    tagger = ColourTagger()
    summary = predict(tagger, [images[2]] * 3).summary()
    assert summary[:4] == (3, 3, 0, 0)
    assert tagger.batches == []


# the door


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"out": "tags.xlsx"}, r"ending in \.jsonl, \.csv, \.parquet; got '\.xlsx'"),
        ({"out": "tags"}, "got 'no ending'"),
        ({"out": "folder.csv"}, "folder.csv is a folder"),
        ({"threshold": "nonsense"}, "unknown goal"),
        ({"known": {"dog": 1}}, "cannot use known labels"),
        ({"batch_size": 0}, "at least 1; got 0 and None"),
        ({"workers": -1}, "at least 1; got None and -1"),
    ],
)
def test_bad_options_are_refused_before_any_work(tmp_path, monkeypatch, images, options, message):
    monkeypatch.chdir(tmp_path)
    Path("folder.csv").mkdir()
    before = sorted(tmp_path.rglob("*"))
    tagger = ColourTagger()
    with pytest.raises(InputError, match=message):
        predict(tagger, images, **{"out": "tags.csv", **options})
    if "out" not in options:
        with pytest.raises(InputError, match=message):
            predict_rows(tagger, images, **options)
    assert tagger.loaded == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_progress_counts_every_image_once(images):
    counted = []

    class Counting(Progress):
        @contextmanager
        def bar(self, stage, total, unit="images"):
            counted.append(f"{total} {unit}")
            yield counted.append

    list(predict(ColourTagger(), images, progress=Counting()))
    assert counted == ["4 images", 1, 1, 1, 1]


def test_only_the_first_errors_are_kept_in_the_summary(images):
    summary = predict(ColourTagger(), [images[2]] * 9)
    assert summary.failed == 9
    assert len(summary.errors) == 5
    assert summary.errors[0].startswith(f"{images[2]}: is not")


def test_predicting_needs_no_torch():
    code = "import sys, imlgcn.prediction; sys.exit(bool({'torch', 'pyarrow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# the real thing


def test_a_saved_tagger_predicts_what_it_says_of_single_images(tmp_path):
    from imlgcn.labels.context import LabelContext
    from imlgcn.models import MultiLabelClassifier, create_backbone, create_head
    from imlgcn.tagger import LabelCalibration, Part, Tagger, TaggerInfo, save_tagger

    random = np.random.default_rng(0)
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    for path in paths:
        pixels = random.integers(0, 256, (40, 60, 3), np.uint8)
        Image.fromarray(pixels).save(path)
    context = LabelContext.from_targets(LABELS, np.eye(3, dtype=np.int8))
    backbone = create_backbone("test_efficientnet", pretrained=False)
    head = create_head("linear", backbone.out_channels, context)
    info = TaggerInfo(
        labels=list(LABELS),
        backbone=Part(name="test_efficientnet"),
        head=Part(name="linear"),
        image=backbone.image_settings.model_copy(update={"size": 64}),
        calibration=LabelCalibration(
            slope=[1.0, 2.0, 3.0], intercept=[0.1, 0.0, 4.0], threshold=[0.1] * 3, positives=[1] * 3
        ),
    )
    save_tagger(tmp_path / "tagger", MultiLabelClassifier(backbone, head), context, info)
    tagger = Tagger.load(tmp_path / "tagger")
    paths.insert(2, tmp_path / "missing.png")
    summary = predict(tagger, paths, out=tmp_path / "tags.csv", batch_size=2)
    assert (summary.images, summary.failed) == (6, 1)
    assert summary.tags > 5
    written = read(tmp_path / "tags.csv")
    for path in paths[:2] + paths[3:]:
        found = [row[1:4] for row in written if row.image == str(path)]
        assert [label for label, _, _ in found] == [tag.label for tag in tagger(path)]
        np.testing.assert_allclose(
            [row[1:] for row in found], [tag[1:] for tag in tagger(path)], atol=2e-6
        )


def test_a_file_that_goes_while_others_are_tagged_becomes_a_row(images):
    paths = expand_paths(images)
    images[3].unlink()
    found = list(predict_rows(ColourTagger(), paths))
    assert found[-1].image == str(images[3])
    assert found[-1].error == os.strerror(2)
