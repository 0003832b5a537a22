"""What a tagger takes and gives: one image and many, probabilities, bounds, thresholds."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from imlgcn.data.image_input import ImageTypeError
from imlgcn.errors import InputError
from imlgcn.prediction import predict
from imlgcn.tagger import Tag
from imlgcn.tagger.choice import TagBounds


@pytest.fixture
def photos(shapes):
    return [shapes.parent / f"{number:02}.png" for number in range(6)]


def names(tags):
    return [tag.label for tag in tags]


def test_one_image_gives_a_list_of_tags_and_many_a_list_of_lists(tagger, photos):
    alone = [tagger(photo, threshold=0.1) for photo in photos]
    assert all(isinstance(tag, Tag) for tags in alone for tag in tags)
    for many in (photos, tuple(photos), (photo for photo in photos)):
        found = tagger(many, threshold=0.1)
        assert [names(tags) for tags in found] == [names(tags) for tags in alone]
    assert tagger([]) == []
    assert tagger(photos[:1]) == [tagger(photos[0])]


def test_every_form_gives_the_same_tags(tagger, photos):
    expected = tagger(photos[3], threshold=0)
    data = photos[3].read_bytes()
    opened = Image.open(photos[3])
    for form in (str(photos[3]), data, bytearray(data), io.BytesIO(data), np.asarray(opened)):
        assert tagger(form, threshold=0) == expected
    both = tagger(np.stack([np.asarray(opened)] * 2), threshold=0)
    assert [names(tags) for tags in both] == [names(expected)] * 2


def test_what_is_no_image_is_refused_at_once(tagger, photos):
    for given in (None, 5, {"a": 1}):
        with pytest.raises(ImageTypeError, match="is not accepted as an image; expected a path"):
            tagger(given)
    with pytest.raises(ImageTypeError, match="image 2: NoneType"):
        tagger([photos[0], None])


def test_predict_proba_is_the_probability_of_every_label(tagger, photos):
    found = tagger.predict_proba(photos)
    assert found.shape == (6, len(tagger.labels))
    tags = tagger(photos[2], threshold=0)
    row = dict(zip(tagger.labels, found[2], strict=True))
    assert {tag.label: pytest.approx(tag.probability) for tag in tags} == row
    assert tagger.predict_proba(photos[2]).shape == (1, len(tagger.labels))
    assert tagger.predict_proba([]).shape == (0, len(tagger.labels))


def test_top_k_are_the_most_probable_whatever_their_thresholds(tagger, photos):
    ranked = names(tagger(photos[0], threshold=0))
    assert names(tagger(photos[0], threshold=1, top_k=2)) == ranked[:2]
    assert names(tagger(photos[0], threshold=0, top_k=2)) == ranked[:2]
    assert names(tagger(photos[0], top_k=99)) == ranked


def test_at_least_fills_up_and_at_most_cuts(tagger, photos):
    ranked = names(tagger(photos[0], threshold=0))
    assert names(tagger(photos[0], threshold=1, at_least=2)) == ranked[:2]
    assert names(tagger(photos[0], threshold=0, at_least=2)) == ranked
    assert names(tagger(photos[0], threshold=0, at_most=3)) == ranked[:3]
    assert tagger(photos[0], threshold=1, at_most=3) == []
    assert names(tagger(photos[0], threshold=1, at_least=1, at_most=1)) == ranked[:1]


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ({"top_k": 0}, "top_k= takes a whole number from 1 on; got 0"),
        ({"at_most": 1.5}, "at_most= takes a whole number"),
        ({"at_least": True}, "at_least= takes a whole number from 0 on; got True"),
        ({"at_least": 3, "at_most": 2}, "at_least=3 is more than at_most=2"),
        ({"top_k": 1, "at_most": 2}, "leave at_least= and at_most= out"),
    ],
)
def test_bounds_that_cannot_be_are_refused(bounds, words):
    with pytest.raises(InputError, match=words):
        TagBounds(**bounds)


def test_a_dictionary_has_thresholds_of_single_labels(tagger):
    own = tagger.thresholds
    first, second = tagger.labels[:2]
    found = tagger.thresholds_for({first: 0.123, second: "f1"})
    assert found[0] == 0.123
    assert found[1] == tagger.thresholds_for("f1")[1]
    np.testing.assert_array_equal(found[2:], own[2:])
    with pytest.raises(InputError, match="unknown label 'zebra'"):
        tagger.thresholds_for({"zebra": 0.5})
    with pytest.raises(InputError, match="unknown threshold 'high'"):
        tagger.thresholds_for({first: "high"})


def test_its_text_names_the_labels_and_the_quality(tagger):
    text = repr(tagger)
    assert str(tagger.path) in text
    assert f"5 labels ({', '.join(tagger.labels[:3])}, ...)" in text
    assert f"mAP {tagger.info.metrics['mAP']:.1f}" in text


def test_a_column_of_a_table_is_many_images(tagger, photos):
    expected = [names(tags) for tags in tagger(photos[:2], threshold=0.1)]
    for kind in (object, str):
        column = np.array([str(photo) for photo in photos[:2]], kind)
        assert [names(tags) for tags in tagger(column, threshold=0.1)] == expected


def test_a_list_within_a_list_is_refused_with_a_word(tagger, photos):
    with pytest.raises(ImageTypeError, match=r"image 1: list is not .* but no list within a list"):
        tagger([photos[:2]])


def test_predict_opens_a_tagger_as_it_is_told_and_an_opened_one_stays(tagger, photos, tmp_path):
    table = tmp_path / "names.csv"
    table.write_text(f"label,show\n{tagger.labels[0]},no\n")
    for given in (tagger.path, tagger):
        (found,) = predict(given, photos[0], top_k=9, label_table=table, known_by="counts")
        assert set(names(found)) == set(tagger.labels[1:])
    assert tagger.label_table.shown.all()
    assert names(next(predict(tagger.path, photos[0], engine="torch", topk=2, device="cpu")))
    with pytest.raises(InputError, match="engine= and device= can be chosen when"):
        predict(tagger, photos[0], engine="torch", device="cpu")


def test_predict_counts_pictures_of_formats_that_are_not_read(tagger, photos, tmp_path):
    (tmp_path / "a.png").write_bytes(photos[0].read_bytes())
    for name in ("b.CR2", "c.nef"):
        (tmp_path / name).write_bytes(b"x")
    assert predict(tagger, tmp_path).not_read == 2
    assert predict(tagger, [photos[0], tmp_path], out=tmp_path / "a.csv").not_read == 2
