"""What `predict` takes, and the tags that it gives back in Python."""

from __future__ import annotations

import io
import os

import numpy as np
import pytest
from PIL import Image

from colour_tagger import ColourTagger, paint
from imlgcn.data.image_input import ImageTypeError
from imlgcn.errors import InputError
from imlgcn.prediction import expand_paths, predict, predict_rows

from .conftest import predicting


def names_of(found):
    return [os.path.basename(tags.image) for tags in found]


class LoadsAnything(ColourTagger):
    """Takes what the real one takes."""

    def load_input(self, image):
        from imlgcn.data.image_input import as_image

        self.loaded += 1
        pixels = np.asarray(as_image(image, size=2), np.float32)
        return pixels[:1, :1].transpose(2, 0, 1) / 255


def test_the_tags_of_many_images_come_one_by_one_with_name_and_error(images):
    found = predict(ColourTagger(), images)
    first = next(found)
    assert first.image == str(images[0])
    assert [tag.label for tag in first] == ["dog", "cat"]
    assert [tag.probability for tag in first] == pytest.approx([0.8, 0.6])
    rest = list(found)
    assert names_of(rest) == ["b.png", "c.png", "d.png"]
    assert [tags.error is None for tags in rest] == [True, False, True]
    assert rest[0] == [], "an image without tags has an empty list"
    assert found.summary()[:4] == (4, 1, 3, 1)
    assert (found.images, found.failed, found.tags) == (4, 1, 3)


def test_probabilities_are_not_rounded_as_those_in_files_are(images):
    tagger = ColourTagger()
    tagger.probabilities = lambda inputs, known=None: np.array([[2 / 3, 0.0, 0.0]])
    ((tag,),) = predict(tagger, images[:1])
    assert tag.probability == 2 / 3


def test_tags_are_made_as_they_are_read(images):
    tagger = ColourTagger()
    found = predict(tagger, iter(lambda: images[0], None), batch_size=1, workers=1)
    next(found)
    found.close()
    assert tagger.loaded < 20
    assert not predicting()


def test_a_string_is_one_path_and_a_folder_a_pattern_and_a_table_stand_for_their_images(
    images, tmp_path
):
    folder = images[0].parent
    names = ["a.png", "b.png", "c.png", "d.png"]
    assert names_of(predict(ColourTagger(), str(images[0]))) == ["a.png"]
    for given in (folder, str(folder), [folder], f"{folder}/*.png", [f"{folder}/*.png"]):
        assert names_of(predict(ColourTagger(), given)) == names
    table = tmp_path / "table.csv"
    table.write_text("labels;image\ncat;images/d.png\n;a.png\n;images/d.png\n")
    assert names_of(predict(ColourTagger(), table)) == ["d.png", "a.png"]
    assert names_of(predict(ColourTagger(), [images[1], table])) == ["b.png", "d.png", "a.png"]


def test_a_lonely_path_that_stands_for_nothing_is_an_error_and_one_of_many_a_row(images, tmp_path):
    for wrong in (tmp_path / "none.jpg", str(tmp_path / "*.xyz")):
        with pytest.raises(InputError, match=r"none\.jpg|xyz"):
            predict(ColourTagger(), wrong)
        found = list(predict(ColourTagger(), [wrong, images[0]]))
        assert found[0].error
        assert len(found[1]) == 2


def test_images_in_memory_are_called_by_their_number(images):
    array = np.asarray(Image.open(images[0]))
    given = [
        array,
        Image.open(images[0]),
        images[0].read_bytes(),
        io.BytesIO(images[0].read_bytes()),
    ]
    found = list(predict(LoadsAnything(), given))
    assert [tags.image for tags in found] == ["image 1", str(images[0]), "image 3", "image 4"]
    assert all(tags == found[0] for tags in found)
    assert [row.image for row in predict_rows(LoadsAnything(), array)] == ["image 1"] * 2
    assert predict(LoadsAnything(), (a for a in given), out=io.StringIO()).images == 4


@pytest.mark.parametrize("given", [5, {"a": 1}, ["a.png", 5]])
def test_what_is_no_image_is_refused_before_any_work(given, images, tmp_path):
    tagger = ColourTagger()
    with pytest.raises(ImageTypeError, match="is not accepted as an image"):
        predict(tagger, given, out=tmp_path / "tags.csv")
    assert (tagger.loaded, list(tmp_path.glob("tags*"))) == (0, [])


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("image,labels\na.png,cat\n", ["a.png"]),
        ("Path\tlabels\na.png\tcat\n", ["a.png"]),
        ("labels,photo\ncat,a.png\n,b.png\n", ["a.png", "b.png"]),
        ("\ufefffilename,labels\na.png,cat\n", ["a.png"]),
    ],
)
def test_the_column_of_images_is_found_by_its_name_or_what_is_in_it(text, names, images):
    table = images[0].parent / "t.csv"
    table.write_text(text, encoding="utf-8")
    assert [os.path.basename(path) for path in expand_paths([table])] == names


def test_other_tables_are_refused_with_what_to_give(tmp_path):
    for name, text in (("t.csv", "id,labels\n1,cat\n"), ("t.json", "[]"), ("t.xlsx", "")):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=r"is a table.* give the images"):
            expand_paths([tmp_path / name])


def test_pictures_of_other_formats_are_counted(images):
    folder = images[0].parent
    for name in ("x.CR2", "y.CR2", "z.nef", "notes.txt", ".hidden.nef"):
        (folder / name).touch()
    found = expand_paths([folder])
    assert len(found) == 4
    assert "3 files of a format that is not read: .CR2 (2), .nef (1)" in found.sentence()
    for path in images:
        path.unlink()
    with pytest.raises(InputError, match=r"no images in .*\.CR2 \(2\), \.nef \(1\)"):
        expand_paths([folder])


def test_bounds_hold_for_files_sidecars_and_a_resumed_run(images, tmp_path):
    out = tmp_path / "tags.csv"
    summary = predict(ColourTagger(), images, out=out, at_least=1, at_most=1, xmp=True)
    assert (summary.tags, summary.untagged, summary.sidecars) == (3, 0, 3)
    lines = out.read_text().splitlines()
    assert [line.split(",")[1] for line in lines[1:]] == ["dog", "cat", "", "tree"]
    every = tmp_path / "all.csv"
    predict(ColourTagger(), images[:1], out=every, all_labels=True, at_most=1)
    assert every.read_text().splitlines()[0].endswith(",tag")
    assert [line.rsplit(",", 1)[1] for line in every.read_text().splitlines()[1:]] == [
        "True",
        "False",
        "False",
    ]

    class Stops(ColourTagger):
        def load_input(self, path):
            if path == images[3]:
                raise KeyboardInterrupt
            return super().load_input(path)

    again = tmp_path / "again.csv"
    with pytest.raises(KeyboardInterrupt):
        predict(Stops(), images, out=again, at_least=1, batch_size=1, workers=1)
    with pytest.raises(InputError, match="other settings"):
        predict(ColourTagger(), images, out=again, resume=True)
    predict(ColourTagger(), images, out=again, at_least=1, resume=True)
    predict(ColourTagger(), images, out=tmp_path / "whole.csv", at_least=1)
    assert again.read_text() == (tmp_path / "whole.csv").read_text()


def test_a_file_is_replaced_only_when_that_is_asked_for(images, tmp_path):
    out = tmp_path / "tags.csv"
    predict(ColourTagger(), images[:1], out=out)
    text, tagger = out.read_text(), ColourTagger()
    with pytest.raises(InputError, match=r"tags.csv exists; give overwrite=True"):
        predict(tagger, images, out=out)
    assert (out.read_text(), tagger.loaded) == (text, 0)
    assert predict(tagger, images, out=out, overwrite=True).images == 4
    out.write_text("")
    assert predict(tagger, images, out=out).images == 4, "an empty file has nothing to lose"


def test_an_interrupted_run_that_was_to_replace_a_file_is_resumed_without_asking(images, tmp_path):
    out = tmp_path / "tags.csv"
    predict(ColourTagger(), images[:1], out=out)
    paint(tmp_path / "more" / "e.png", 0, 0, 0)

    class Stops(ColourTagger):
        def load_input(self, path):
            if path == images[3]:
                raise KeyboardInterrupt
            return super().load_input(path)

    with pytest.raises(KeyboardInterrupt):
        predict(Stops(), images, out=out, overwrite=True, batch_size=1, workers=1)
    assert predict(ColourTagger(), images, out=out, resume=True).images == 4
