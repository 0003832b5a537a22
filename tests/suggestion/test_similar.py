"""`imlgcn.similar`: copies come first, the image itself does not, mistakes are named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from imlgcn import similar
from imlgcn.data.images import ImageError
from imlgcn.errors import InputError
from imlgcn.suggestion.folder import in_words


@pytest.mark.parametrize("name", ["kernel", "linear_tagger"])
def test_a_copy_is_first_then_the_same_drawing_saved_again(name, request, folder, saved_again):
    tagger, image = request.getfixturevalue(name), folder / "new05.png"
    shutil.copy(image, folder / "a copy.png")
    saved_again(image, folder / "again.jpg")
    found = similar(tagger, image, folder)
    assert [Path(each.image).name for each in found.images][:2] == ["a copy.png", "again.jpg"]
    assert found.images[0].similarity == pytest.approx(1, abs=1e-4)
    assert found.images[0].words == "nearly the same picture"


def test_the_image_itself_is_not_among_them_and_they_are_sorted(kernel, folder):
    found = similar(kernel, folder / "new05.png", folder, top=6)
    assert len(found.images) == 6
    assert found.considered == 23
    assert str(folder / "new05.png") not in [each.image for each in found.images]
    values = [each.similarity for each in found.images]
    assert values == sorted(values, reverse=True)
    assert all(0 <= value <= 1 for value in values)


def test_an_image_elsewhere_is_compared_with_the_whole_folder(kernel, folder, shapes):
    assert similar(kernel, shapes.parent / "00.png", folder).considered == 24


def test_two_images_are_as_similar_one_way_as_the_other(kernel, folder):
    one, other = folder / "new01.png", folder / "new02.png"
    there, back = similar(kernel, one, other), similar(kernel, other, one)
    assert there.images[0].similarity == pytest.approx(back.images[0].similarity, abs=1e-5)


def test_a_file_of_the_folder_that_cannot_be_read_is_named(kernel, folder):
    (folder / "bad.png").write_bytes(b"no image")
    found = similar(kernel, folder / "new05.png", folder)
    assert list(found.failed) == [str(folder / "bad.png")]
    assert found.considered == 23


def test_mistakes_are_refused_in_words(kernel, onnx_file, folder, tmp_path):
    image = folder / "new05.png"
    with pytest.raises(InputError, match="top=1 or more images; got 0"):
        similar(kernel, image, folder, top=0)
    with pytest.raises(InputError, match="exported file"):
        similar(onnx_file, image, folder)
    with pytest.raises(InputError, match="no image but"):
        similar(kernel, image, image)
    (tmp_path / "bad.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"bad\.png"):
        similar(kernel, tmp_path / "bad.png", folder)


def test_words_never_say_less_of_a_smaller_distance():
    order = ["nearly the same picture", "very similar", "similar", "somewhat similar"]
    order.append("no more similar than any two")
    found = [in_words(step / 100) for step in range(130)]
    assert list(dict.fromkeys(found)) == order
