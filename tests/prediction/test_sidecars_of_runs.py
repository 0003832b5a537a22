"""Sidecars of one run after another, read back by exiftool and by a strict XML reader."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from xml.etree import ElementTree

import numpy as np
import pytest

from colour_tagger import ColourTagger, paint
from imlgcn.data.dataset import load_dataset
from imlgcn.data.xmp import DC, DIGIKAM, LIGHTROOM, RDF
from imlgcn.errors import InputError
from imlgcn.files import only_writer
from imlgcn.labels.label_rows import LabelRow
from imlgcn.labels.label_table import LabelTable
from imlgcn.prediction import predict
from photos import photo, xmp

EXIFTOOL = shutil.which("exiftool")
GROUPS = {"dc": DC, "digiKam": DIGIKAM, "lr": LIGHTROOM}


class Zoo(ColourTagger):
    """A tagger with a cat and a dog below others, one of them with signs between levels."""

    label_table = LabelTable.of(
        ColourTagger.labels,
        [
            LabelRow("cat", name="Käfer 24/7", parents=("dog", "tree")),
            LabelRow("dog", parents=("tree",)),
        ],
    )


def strictly(path):
    """Return the lists of a file as RDF has them: bags of items, each list once."""
    root = ElementTree.parse(path).getroot()
    found = {}
    for prefix, name in (("dc", "Subject"), ("digiKam", "TagsList"), ("lr", "HierarchicalSubject")):
        tag = f"{{{GROUPS[prefix]}}}{name[0].lower() if prefix != 'digiKam' else 'T'}{name[1:]}"
        for element in root.iter(tag):
            assert [child.tag for child in element] == [f"{{{RDF}}}Bag"]
            assert name not in found
            found[name] = [item.text for item in element[0]]
    return found


def by_exiftool(path):
    """Return the lists of a file as exiftool reads them."""
    if EXIFTOOL is None:
        pytest.skip("exiftool is not installed (Debian: libimage-exiftool-perl)")
    command = [EXIFTOOL, "-j", "-struct", "-XMP-dc:all", "-XMP-digiKam:all", "-XMP-lr:all", path]
    (found,) = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    del found["SourceFile"]
    return {name: [one] if isinstance(one, str) else one for name, one in found.items()}


@pytest.mark.parametrize("reader", [strictly, by_exiftool])
def test_readers_find_the_levels_of_every_tag(tmp_path, reader):
    image = paint(tmp_path / "a.png", 255, 255, 255)
    predict(Zoo(), [image], xmp=True)
    assert reader(tmp_path / "a.png.xmp") == {
        "Subject": ["Käfer 24/7", "dog", "tree"],
        "TagsList": ["tree/dog/Käfer 24\\7", "tree/Käfer 24\\7", "tree/dog", "tree"],
        "HierarchicalSubject": ["tree|dog|Käfer 24/7", "tree|Käfer 24/7", "tree|dog", "tree"],
    }


@pytest.mark.skipif(EXIFTOOL is None, reason="exiftool is not installed")
def test_what_exiftool_takes_out_stays_out_and_what_it_adds_stays_in(tmp_path):
    image, sidecar = paint(tmp_path / "a.png", 255, 255, 255), tmp_path / "a.png.xmp"
    predict(Zoo(), [image], xmp=True)
    edit = ("-XMP-dc:Subject-=dog", "-XMP-lr:HierarchicalSubject+=mine|tree", "-XMP-dc:Title=x")
    subprocess.run([EXIFTOOL, "-q", "-overwrite_original", *edit, sidecar], check=True)
    predict(Zoo(), [image], xmp=True)
    assert by_exiftool(sidecar)["Subject"] == ["Käfer 24/7", "tree"]
    assert by_exiftool(sidecar)["TagsList"] == ["tree/dog/Käfer 24\\7", "tree/Käfer 24\\7", "tree"]
    paint(image, 0, 0, 0)
    predict(Zoo(), [image], xmp=True)
    assert by_exiftool(sidecar) == {
        "Title": ["x"],
        "Subject": ["tree"],
        "TagsList": ["tree"],
        "HierarchicalSubject": ["tree", "mine|tree"],
    }


def test_a_second_run_replaces_the_tags_of_the_first_in_the_file_it_made(tmp_path):
    image = paint(tmp_path / "a.png", 153, 204, 51)
    assert predict(ColourTagger(), [image], xmp=True).sidecars == 1
    assert strictly(tmp_path / "a.png.xmp") == {"Subject": ["dog", "cat"]}
    assert predict(ColourTagger(), [image], xmp=True).sidecars == 0
    paint(image, 0, 0, 255)
    assert predict(ColourTagger(), [image], xmp=True).sidecars == 1
    assert strictly(tmp_path / "a.png.xmp") == {"Subject": ["tree"]}
    paint(image, 0, 0, 0)
    assert predict(ColourTagger(), [image], xmp=True).sidecars == 1
    assert strictly(tmp_path / "a.png.xmp") == {}


def test_tags_of_a_file_without_memory_are_a_persons(tmp_path):
    image = paint(tmp_path / "a.png", 0, 0, 255)
    (tmp_path / "a.png.xmp").write_bytes(xmp(["cat"]))  # as versions without a memory wrote it
    predict(ColourTagger(), [image], xmp=True)
    assert strictly(tmp_path / "a.png.xmp") == {"Subject": ["cat", "tree"]}


def test_an_image_that_cannot_be_read_keeps_its_tags(tmp_path):
    image = paint(tmp_path / "a.png", 0, 0, 255)
    predict(ColourTagger(), [image], xmp=True)
    before = (tmp_path / "a.png.xmp").read_bytes()
    image.write_bytes(b"damaged")
    assert predict(ColourTagger(), [image], xmp=True).failed == 1
    assert (tmp_path / "a.png.xmp").read_bytes() == before


def test_a_new_sidecar_takes_over_the_keywords_inside_the_image_and_says_so(tmp_path):
    inside = xmp(["Beach"], lr_hierarchicalSubject=["Places|Beach"])
    image = photo(tmp_path / "a.jpg", inside=inside)
    plain = photo(tmp_path / "b.jpg")
    tagger = ColourTagger()
    tagger.thresholds_for = lambda goal: np.array([0.0, 1.1, 1.1])
    summary = predict(tagger, [image, plain], xmp=True)
    assert (summary.sidecars, summary.took_over) == (2, 1)
    assert strictly(tmp_path / "a.jpg.xmp") == {
        "Subject": ["Beach", "cat"],
        "TagsList": ["Places/Beach", "cat"],
        "HierarchicalSubject": ["Places|Beach", "cat"],
    }
    assert strictly(tmp_path / "b.jpg.xmp") == {"Subject": ["cat"]}
    assert predict(tagger, [image, plain], xmp=True).took_over == 0


def test_levels_inside_the_image_do_not_hide_the_keywords_of_a_plain_sidecar(tmp_path):
    image = photo(tmp_path / "a.png", inside=xmp(["Beach"], lr_hierarchicalSubject=["Sea|Beach"]))
    (tmp_path / "a.png.xmp").write_bytes(xmp(["mine"]))
    tagger = ColourTagger()
    tagger.thresholds_for = lambda goal: np.array([0.0, 1.1, 1.1])
    assert predict(tagger, [image], xmp=True).took_over == 1
    assert strictly(tmp_path / "a.png.xmp") == {
        "Subject": ["mine", "cat"],
        "TagsList": ["Sea/Beach", "mine", "cat"],
        "HierarchicalSubject": ["Sea|Beach", "mine", "cat"],
    }


def test_keywords_with_signs_between_levels_come_back_as_one_label(tmp_path):
    image = paint(tmp_path / "a.png", 255, 255, 255)
    predict(Zoo(), [image], xmp=True)
    data = load_dataset(tmp_path, variant="parents,reviewed")
    assert set(data.names) == {"Käfer 24/7", "dog", "tree"}


def test_what_a_killed_run_left_goes_and_another_run_is_not_disturbed(tmp_path):
    image = paint(tmp_path / "a.png", 0, 0, 255)
    (tmp_path / ".a.png.xmp.tmp").write_bytes(b"half")
    with only_writer(tmp_path / "a.png.xmp"):
        summary = predict(ColourTagger(), [image], xmp=True)
    assert (summary.sidecars, summary.sidecars_failed) == (0, 1)
    assert "another run is writing this file" in summary.errors[0]
    assert predict(ColourTagger(), [image], xmp=True).sidecars == 1
    assert sorted(os.listdir(tmp_path)) == ["a.png", "a.png.xmp"]


@pytest.mark.parametrize("name", ["photo.jpg.xmp", "photo.xmp"])
def test_the_name_of_sidecars_can_be_chosen(tmp_path, name):
    image = paint(tmp_path / "a.png", 0, 0, 255)
    other = tmp_path / ("a.xmp" if name == "photo.jpg.xmp" else "a.png.xmp")
    other.write_bytes(xmp(["mine"]))
    predict(ColourTagger(), [image], xmp=True, sidecar_name=name)
    own = tmp_path / ("a.png.xmp" if name == "photo.jpg.xmp" else "a.xmp")
    assert strictly(own) == {"Subject": ["tree"]}
    assert strictly(other) == {"Subject": ["mine"]}


RENAMED = [("photo.jpg.xmp", "photo.xmp"), ("photo.xmp", "photo.jpg.xmp")]


@pytest.mark.parametrize(("before", "after"), RENAMED)
def test_tags_move_to_a_sidecar_of_another_name_and_an_empty_one_goes(tmp_path, before, after):
    image = paint(tmp_path / "a.png", 153, 204, 51)
    predict(ColourTagger(), [image], xmp=True, sidecar_name=before)
    assert predict(ColourTagger(), [image], xmp=True, sidecar_name=after).sidecars == 1
    own = "a.xmp" if after == "photo.xmp" else "a.png.xmp"
    assert sorted(os.listdir(tmp_path)) == sorted(["a.png", own])
    assert strictly(tmp_path / own) == {"Subject": ["dog", "cat"]}
    assert predict(ColourTagger(), [image], xmp=True, sidecar_name=after).sidecars == 0


@pytest.mark.parametrize("colour", [(0, 0, 255), (0, 0, 0)])
def test_a_sidecar_of_another_name_keeps_what_a_person_gave(tmp_path, colour):
    image, former = paint(tmp_path / "a.png", 153, 204, 51), tmp_path / "a.xmp"
    former.write_bytes(xmp(["mine", "cat"]))
    predict(ColourTagger(), [image], xmp=True, sidecar_name="photo.xmp")
    assert strictly(former) == {"Subject": ["mine", "cat", "dog"]}
    paint(image, *colour)
    predict(ColourTagger(), [image], xmp=True, sidecar_name="photo.jpg.xmp")
    assert strictly(former) == {"Subject": ["mine", "cat"]}
    assert (tmp_path / "a.png.xmp").exists() == (colour == (0, 0, 255))


def test_a_tag_that_was_taken_out_of_a_sidecar_of_another_name_stays_out(tmp_path):
    image, former = paint(tmp_path / "a.png", 153, 204, 51), tmp_path / "a.xmp"
    predict(ColourTagger(), [image], xmp=True, sidecar_name="photo.xmp")
    former.write_text(former.read_text().replace("<rdf:li>dog</rdf:li>", "", 1))
    for _ in range(2):  # also when it is the memory of the first run alone
        predict(ColourTagger(), [image], xmp=True, sidecar_name="photo.jpg.xmp")
        assert strictly(former) == {}
        assert strictly(tmp_path / "a.png.xmp") == {"Subject": ["cat"]}


def test_a_read_only_sidecar_of_another_name_is_said_and_no_link_to_the_own_one_is_emptied(
    tmp_path,
):
    image, former = paint(tmp_path / "a.png", 0, 0, 255), tmp_path / "a.xmp"
    predict(ColourTagger(), [image], xmp=True, sidecar_name="photo.xmp")
    former.chmod(0o444)
    summary = predict(ColourTagger(), [image], xmp=True, sidecar_name="photo.jpg.xmp")
    expected = f"{former}: is read-only; the tags that an earlier run wrote there stay"
    assert (summary.errors, summary.sidecars_failed) == ((expected,), 1)
    former.unlink()
    former.symlink_to("a.png.xmp")
    assert predict(ColourTagger(), [image], xmp=True, sidecar_name="photo.jpg.xmp").sidecars == 0
    assert strictly(former) == {"Subject": ["tree"]}


def test_one_sidecar_is_never_of_two_images(tmp_path):
    images = [paint(tmp_path / f"a.{ending}", 0, 0, 255) for ending in ("png", "bmp")]
    summary = predict(ColourTagger(), images, xmp=True, sidecar_name="photo.xmp")
    assert (summary.sidecars, summary.sidecars_failed) == (0, 2)
    assert "a.xmp would be of two images" in summary.errors[0]
    assert sorted(os.listdir(tmp_path)) == ["a.bmp", "a.png"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"xmp": True, "sidecar_name": "a.xmp"}, "unknown name of sidecars 'a.xmp'"),
        ({"out": "t.csv", "sidecar_name": "photo.xmp"}, "give xmp=True, too"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        predict(ColourTagger(), [paint(tmp_path / "a.png", 0, 0, 255)], **options)
