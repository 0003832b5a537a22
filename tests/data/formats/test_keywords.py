"""Keywords of photos as labels: where they are, their levels, and what is left out."""

import pytest

from colour_tagger import ColourTagger, paint
from imlgcn.data.dataset import load_dataset
from imlgcn.data.pack import pack
from imlgcn.errors import InputError
from imlgcn.prediction import predict
from photos import dataset, photo, xmp


def labels(data):
    return {record.name: record.labels for record in data.records}


@pytest.mark.parametrize("name", ["a.jpg.xmp", "a.xmp", "a.XMP"])
def test_keywords_are_read_from_either_sidecar(tmp_path, name):
    photo(tmp_path / "a.jpg")
    (tmp_path / name).write_bytes(xmp(["sea", "sun & sand"]))
    data = load_dataset(tmp_path)
    assert (data.reader, labels(data)) == ("keywords", {"a.jpg": ("sea", "sun & sand")})


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "avif"])
def test_embedded_keywords_are_read_from_every_format(tmp_path, suffix):
    photo(tmp_path / f"a.{suffix}", inside=xmp(["sea"]))
    assert load_dataset(tmp_path).names == ("sea",)


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_iptc_keywords_are_read_in_the_encoding_they_name_or_show(tmp_path, suffix):
    utf_8 = dataset(90, b"\x1b%G", record=1) + dataset(25, "Пляж".encode())
    photo(tmp_path / f"marked.{suffix}", iptc=utf_8)
    photo(tmp_path / f"unmarked.{suffix}", iptc=dataset(25, "Café".encode()))
    photo(tmp_path / f"windows.{suffix}", iptc=dataset(25, "Œuvre".encode("cp1252")))
    photo(tmp_path / f"others.{suffix}", iptc=dataset(5, b"title") + dataset(25, b"a;b"))
    assert list(labels(load_dataset(tmp_path)).values()) == [
        ("Пляж",), ("a;b",), ("Café",), ("Œuvre",)
    ]  # fmt: skip


def test_the_tags_of_windows_are_read(tmp_path):
    photo(tmp_path / "a.jpg", windows="sea;Größe")
    assert load_dataset(tmp_path).names == ("Größe", "sea")


def test_in_an_image_xmp_counts_before_iptc_which_cuts_and_loses_letters(tmp_path):
    photo(tmp_path / "a.jpg", inside=xmp(["Пляж"]), iptc=dataset(25, b"????"))
    assert load_dataset(tmp_path).names == ("Пляж",)


def test_a_sidecar_and_its_image_are_read_together_and_a_difference_is_said(tmp_path):
    photo(tmp_path / "a.jpg", inside=xmp(["Sea", "sun"]))
    (tmp_path / "a.jpg.xmp").write_bytes(xmp(["sea"]))
    data = load_dataset(tmp_path)
    assert labels(data) == {"a.jpg": ("sea", "sun")}
    assert "1 have keywords inside that their sidecars lack: both count" in data.reason


def test_images_without_keywords_are_left_out_and_counted(tmp_path):
    photo(tmp_path / "a.jpg", inside=xmp(["sea"]))
    photo(tmp_path / "b.jpg")
    photo(tmp_path / "c.jpg", inside=xmp(lr_hierarchicalSubject=["darktable|exported"]))
    (tmp_path / "d.jpg").write_bytes(b"not a picture")
    data = load_dataset(tmp_path)
    assert list(labels(data)) == ["a.jpg"]
    assert "1 of 4 images have keywords; left out: 3 without any; 1 could not" in data.reason


@pytest.mark.parametrize(
    "lists",
    [
        {"lr_hierarchicalSubject": ["Places|Coast|sea"]},
        {"digiKam_TagsList": ["Places/Coast/sea"]},
        {"digiKam_TagsList": ["Places", "Places/Coast", "Places/Coast/sea"]},
        {"MicrosoftPhoto_LastKeywordXMP": ["Places/Coast/sea"]},
        {"subject": ["sea"], "lr_hierarchicalSubject": ["Places|Coast|sea"]},
        {"subject": ["sea", "Coast", "Places"], "lr_hierarchicalSubject": ["Places|Coast|sea"]},
        {"subject": ["Places|Coast|sea"]},
    ],
)
def test_the_last_level_is_the_label_however_the_levels_are_written(tmp_path, lists):
    photo(tmp_path / "a.jpg", inside=xmp(**lists))
    data = load_dataset(tmp_path)
    assert data.names == ("sea",)
    assert "levels above a keyword are not labels (Coast, Places)" in data.reason
    assert load_dataset(tmp_path, variant="parents").names == ("Coast", "Places", "sea")
    assert load_dataset(tmp_path, variant="paths").names == ("Places/Coast/sea",)


def test_notes_of_a_program_are_no_labels(tmp_path):
    photo(
        tmp_path / "a.jpg",
        inside=xmp(
            ["sea", "exported", "darktable"], lr_hierarchicalSubject=["sea", "darktable|exported"]
        ),
    )
    assert load_dataset(tmp_path).names == ("sea",)


def test_a_level_that_is_some_images_own_keyword_is_a_label_of_all_below_it(tmp_path):
    photo(tmp_path / "a.jpg", inside=xmp(lr_hierarchicalSubject=["Animal|Dog"]))
    photo(tmp_path / "b.jpg", inside=xmp(["Animal"]))
    assert labels(load_dataset(tmp_path)) == {"a.jpg": ("Animal", "Dog"), "b.jpg": ("Animal",)}


LEVELS = [
    ("a.jpg", ["Places|France|Paris", "Birds|crane"]),
    ("b.jpg", ["Places|France|Lyon", "Machines|crane"]),
    ("c.jpg", ["Places", "up|down", "down|up"]),
]


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("parents", {"Paris": "France", "Lyon": "France", "France": "Places"}),
        (None, {"Paris": "Places", "Lyon": "Places"}),  # France is not a label
        ("paths", {}),
    ],
)
def test_levels_are_parents_but_of_keywords_in_two_places_or_in_a_circle(
    tmp_path, variant, expected
):
    for name, entries in LEVELS:
        photo(tmp_path / name, inside=xmp(lr_hierarchicalSubject=entries))
    data = load_dataset(tmp_path, variant=variant)
    assert dict(data.parents) == expected
    assert ("below another" in data.reason) == bool(expected)
    assert dict(load_dataset(pack(data, tmp_path / "pack").path).parents) == expected


def test_parents_have_the_composed_form_of_their_labels(tmp_path):
    photo(tmp_path / "a.jpg", inside=xmp(lr_hierarchicalSubject=["Cafe\u0301|Th\u00e9"]))
    data = load_dataset(tmp_path, variant="parents")
    assert data.parents == (("Th\u00e9", "Caf\u00e9"),)
    assert set(data.parents[0]) == set(data.names)


def test_one_keyword_in_two_places_is_said(tmp_path):
    photo(tmp_path / "a.jpg", inside=xmp(lr_hierarchicalSubject=["Birds|crane"]))
    photo(tmp_path / "b.jpg", inside=xmp(lr_hierarchicalSubject=["Machines|crane"]))
    assert "'crane' is below Birds and Machines, but one label" in load_dataset(tmp_path).reason
    named = load_dataset(tmp_path, variant="paths").names
    assert named == ("Birds/crane", "Machines/crane")


def test_a_keyword_with_a_slash_stays_whole(tmp_path):
    photo(tmp_path / "a.jpg", inside=xmp(["24/7"], digiKam_TagsList=["24/7"]))
    assert load_dataset(tmp_path).names == ("24/7",)


def test_a_delimiter_takes_keywords_apart(tmp_path):
    photo(tmp_path / "a.jpg", iptc=dataset(25, b"sea; sun"))
    assert load_dataset(tmp_path, delimiter=";").names == ("sea", "sun")


def test_what_predict_writes_is_read_as_the_same_labels(tmp_path):
    colours = {"dark": (9, 9, 9), "dog": (9, 99, 9), "both": (200, 99, 9)}
    for name, colour in colours.items():
        paint(tmp_path / f"{name}.png", *colour)
    (tmp_path / "dog.png.xmp").write_bytes(xmp(digiKam_TagsList=["Holiday/beach"]))
    predict(ColourTagger(), sorted(tmp_path.glob("*.png")), out=tmp_path / "a.jsonl", xmp=True)
    (tmp_path / "a.jsonl").unlink()
    read = labels(load_dataset(tmp_path, variant="reviewed"))
    assert {name: sorted(found) for name, found in read.items()} == {
        "both.png": ["cat", "dog"],
        "dog.png": ["beach", "dog"],
    }


def test_what_predict_has_written_and_nobody_given_is_unknown(tmp_path):
    for name, colour in {"both": (200, 99, 9), "dog": (9, 99, 9), "dark": (9, 9, 9)}.items():
        paint(tmp_path / f"{name}.png", *colour)
    (tmp_path / "dog.png.xmp").write_bytes(xmp(digiKam_TagsList=["Holiday/beach"]))
    (tmp_path / "dark.png.xmp").write_bytes(xmp(["Dog"]))
    predict(ColourTagger(), sorted(tmp_path.glob("*.png")), out=tmp_path / "a.jsonl", xmp=True)
    (tmp_path / "a.jsonl").unlink()
    found = load_dataset(tmp_path)
    records = {record.name: (record.labels, record.unknown) for record in found.records}
    assert records == {"dark.png": (("Dog",), ()), "dog.png": (("beach",), ("Dog",))}
    assert "2 images with tags that imlgcn wrote: these are unknown" in found.reason


def test_a_folder_that_only_imlgcn_has_tagged_is_refused_with_what_to_do(tmp_path):
    paint(tmp_path / "both.png", 200, 99, 9)
    predict(ColourTagger(), [tmp_path / "both.png"], out=tmp_path / "a.jsonl", xmp=True)
    (tmp_path / "a.jsonl").unlink()
    with pytest.raises(InputError, match=r"tags that imlgcn wrote; .*variant=reviewed takes them"):
        load_dataset(tmp_path)
    assert load_dataset(tmp_path, variant="reviewed").names == ("cat", "dog")


def test_a_txt_or_a_table_is_read_before_keywords(tmp_path):
    photo(tmp_path / "a.jpg", inside=xmp(["sea"]))
    (tmp_path / "a.txt").write_text("sun")
    assert load_dataset(tmp_path).names == ("sun",)
    assert load_dataset(tmp_path, reader="keywords").names == ("sea",)


def test_folders_of_labels_are_read_as_keywords_only_where_most_images_have_some(tmp_path):
    for number in range(4):
        photo(tmp_path / "sea" / f"{number}.jpg", inside=xmp(["wave"]) if number < 2 else b"")
        photo(tmp_path / "sun" / f"{number}.jpg")
    assert load_dataset(tmp_path).reader == "label_folders"
    for number in range(2):
        photo(tmp_path / "sun" / f"{number}.jpg", inside=xmp(["sky"]))
    assert load_dataset(tmp_path).reader == "keywords"


def test_sidecars_of_raw_files_are_said(tmp_path):
    photo(tmp_path / "a.jpg", inside=xmp(["sea"]))
    (tmp_path / "b.nef").write_bytes(b"raw")
    (tmp_path / "b.xmp").write_bytes(xmp(["sun"]))
    assert "1 sidecar of no image of a known format" in load_dataset(tmp_path).reason


def test_a_damaged_or_hostile_sidecar_is_refused_by_name(tmp_path):
    photo(tmp_path / "a.jpg")
    (tmp_path / "a.xmp").write_text("<x:xmpmeta")
    with pytest.raises(InputError, match=r"a\.xmp: is not well-formed XML .*move it away"):
        load_dataset(tmp_path, reader="keywords")
    (tmp_path / "a.xmp").write_text('<!DOCTYPE a [<!ENTITY b "c">]><a/>')
    with pytest.raises(InputError, match="document type"):
        load_dataset(tmp_path, reader="keywords")


@pytest.mark.parametrize("reader", ["keywords", "label_folders", "label_lists"])
def test_a_file_is_refused_where_a_folder_is_needed(tmp_path, reader):
    with pytest.raises(InputError, match=r"a\.jpg: is not a folder"):
        load_dataset(photo(tmp_path / "a.jpg"), reader=reader)


def test_photos_without_keywords_are_refused_with_what_to_do(tmp_path):
    photo(tmp_path / "a.jpg")
    with pytest.raises(InputError, match=r"1 image and no tags; .* keywords in your photo manager"):
        load_dataset(tmp_path)
    with pytest.raises(InputError, match=r"none of 1 image has keywords, in an \.xmp beside it"):
        load_dataset(tmp_path, reader="keywords")
