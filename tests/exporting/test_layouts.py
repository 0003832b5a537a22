"""The layouts of other programs: read as they read them, they give the tags of the tagger.

Each reader is tried first on a folder made by hand, whose tags are known.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from imlgcn.tagger import Tagger
from imlgcn.tagger.folder import LABEL_TABLE

from .layout_readers import PhotoPrism, Rejected, Wd14Folder, open_photoprism

pytestmark = pytest.mark.thorough

pytest.importorskip("onnxscript")
onnx = pytest.importorskip("onnx")
RULES = """label,show,name,parents,threshold,exclusive
red,,Rot,,{red},
circle,,,,{circle},form
square,no,,,{square},form
blue,,"blau, hell",,{blue},
dark,,,red,{dark},
"""


@pytest.fixture(scope="module")
def squares(shapes) -> list[Image.Image]:
    """Images as large as the network's input, so that nobody resizes them."""
    photos = [Image.open(shapes.parent / f"{number:02}.png") for number in range(30)]
    return [photo.convert("RGB").resize((64, 64), Image.Resampling.BICUBIC) for photo in photos]


@pytest.fixture(scope="module")
def ruled(once, tagger, squares) -> Tagger:
    """The trained tagger with a label table: names, a parent, a hidden label, a set; read only.

    Of each label a third to two thirds of the images are above the threshold.
    """

    def make(folder: Path) -> None:
        shutil.copytree(tagger.path, folder, dirs_exist_ok=True)
        found = dict(zip(tagger.labels, np.sort(tagger.predict_proba(squares), 0).T, strict=True))
        found["red"] = np.sort(np.maximum(found["red"], found["dark"]))
        limits = {}
        for name, sorted_ in found.items():
            widest = 10 + np.diff(sorted_[10:20]).argmax()  # no score near it
            limits[name] = sorted_[widest : widest + 2].mean()
        (folder / LABEL_TABLE).write_text(RULES.format(**limits))

    return Tagger.load(once("ruled", make))


@pytest.fixture(scope="module")
def layouts(once, ruled) -> Path:
    """Both layouts of that tagger; read only."""
    from imlgcn.exporting import export

    def make(folder: Path) -> None:
        export(ruled, layout="wd14", out=folder / "wd14")
        export(ruled, layout="photoprism", out=folder / "my_shapes")

    return once("layouts", make)


def names_of(tagger, image, **bounds) -> list[str]:
    return [tagger.label_table.name_of(tag.label) for tag in tagger(image, **bounds)]


def graph(path: Path, shape, nodes, width: int, constants) -> None:
    """Write an ONNX file by hand: input ``x``, output ``y``."""
    helper, numpy_helper, float_ = onnx.helper, onnx.numpy_helper, onnx.TensorProto.FLOAT
    made = helper.make_graph(
        [helper.make_node(*node[:3], **node[3]) for node in nodes],
        "by hand",
        [helper.make_tensor_value_info("x", float_, shape)],
        [helper.make_tensor_value_info("y", float_, [shape[0], width])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = helper.make_opsetid("", 17)
    path.write_bytes(
        helper.make_model(made, opset_imports=[opset], ir_version=8).SerializeToString()
    )


# WD14


@pytest.fixture
def by_hand(tmp_path) -> Path:
    """The first rows of a published tag list; each general tag is the mean of a channel."""
    (tmp_path / "selected_tags.csv").write_text(
        "tag_id,name,category,count\n"
        "9999999,general,9,807858\n9999998,sensitive,9,3771700\n"
        "9999997,questionable,9,769899\n9999996,explicit,9,560281\n"
        "470575,1girl,0,4225150\n212816,solo,0,3515897\n13197,long_hair,0,2982517\n"
        "87788,hatsune_miku,4,87371\n"
    )
    weights = np.zeros((3, 8), np.float32)
    weights[[0, 1, 2], [4, 5, 6]] = 1 / 255  # blue, green, red
    weights[2, [1, 7]] = 0.9 / 255
    nodes = [
        ("ReduceMean", ["x"], ["mean"], {"axes": [1, 2], "keepdims": 0}),
        ("MatMul", ["mean", "weights"], ["y"], {}),
    ]
    graph(tmp_path / "model.onnx", ["batch", 8, 8, 3], nodes, 8, {"weights": weights})
    return tmp_path


@pytest.mark.parametrize(
    ("colour", "tags", "rating"),
    [
        ((0, 0, 255), ["1girl"], "general"),
        ((0, 200, 80), ["solo"], "general"),
        ((255, 0, 0), ["hatsune_miku", "long_hair"], "sensitive"),
    ],
)
def test_the_wd14_readers_find_what_a_folder_made_by_hand_shows(by_hand, colour, tags, rating):
    read = Wd14Folder(by_hand)
    fed = read.fed(Image.new("RGB", (20, 20), colour))
    assert read.comfy(fed) == tags
    assert read.sd_scripts(fed) == (rating, sorted(tags, key=read.names.index))


def test_wd14_clients_give_the_tags_of_the_tagger(layouts, ruled, squares):
    read, seen = Wd14Folder(layouts / "wd14"), set()
    for image in squares:
        fed, wanted = read.fed(image), sorted(names_of(ruled, image))
        assert sorted(read.comfy(fed)) == wanted
        assert read.sd_scripts(fed) == ("general", sorted(wanted, key=read.names.index))
        seen |= set(wanted)
    assert seen == {"Rot", "dark", "blau, hell"}, "the hidden square is always surer than circle"


def test_of_any_image_they_give_the_tags_of_the_pixels_that_they_make(layouts, ruled, shapes):
    read = Wd14Folder(layouts / "wd14")
    for number in range(6):
        fed = read.fed(Image.open(shapes.parent / f"{number:02}.png"))
        pixels = np.ascontiguousarray(fed[..., ::-1].astype(np.uint8))
        tags = ruled.tags(ruled.probabilities(pixels)[0])
        wanted = [ruled.label_table.name_of(tag.label) for tag in tags]
        assert sorted(read.comfy(fed)) == sorted(wanted)


def test_rows_that_only_clients_need_are_never_given(layouts, ruled, squares):
    read = Wd14Folder(layouts / "wd14")
    assert read.names[:4] == ["general", "sensitive", "questionable", "explicit"]
    assert read.categories == ["9"] * 4 + ["0"] * 4 + ["4"] * 2
    assert "square" not in read.names, "the label table hides it"
    numbers = np.stack([read.numbers(read.fed(image)) for image in squares])
    assert not numbers[:, [0, 1, 2, 3, -2, -1]].any()
    tags = read.comfy(read.fed(squares[0]), threshold=0.01, character_threshold=0.01)
    assert len(tags) == len(set(tags))


@pytest.mark.thorough
def test_with_threshold_none_the_numbers_are_the_taggers_probabilities(tagger, squares, tmp_path):
    from imlgcn.exporting import export

    done = export(tagger, layout="wd14", out=tmp_path / "as is", client_threshold="none")
    read = Wd14Folder(done.path)
    for image in squares[:5]:
        numbers = read.numbers(read.fed(image))[4:-2]
        np.testing.assert_allclose(numbers, tagger.predict_proba(image)[0], atol=1e-5)


# PhotoPrism


@pytest.fixture
def published(tmp_path) -> Path:
    """The example of the developer guide, smaller: one class for each channel, as logits."""
    folder = tmp_path / "my_classifier"
    folder.mkdir()
    (folder / "labels.txt").write_text("Red Thing\ngreen thing\ntench\nbackground\n")
    (tmp_path / "vision.yml").write_text(
        """
Models:
  - Type: labels
    Name: my_classifier
    Engine: onnx
    Run: on-index
    LabelFile: labels.txt
    ONNX:
      File: my_classifier.onnx
      Input:
        Width: 8
        Height: 8
        Layout: NCHW
        ColorOrder: RGB
        Normalization:
          Mean: [123.675, 116.28, 103.53]
          StdDev: [58.395, 57.12, 57.375]
        Resize:
          Mode: center-crop
          ShortEdge: 9
          CropRatio: 0.95
          Interpolation: bicubic
      Output:
        Logits: true
"""
    )
    weights = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], np.float32)
    nodes = [
        ("ReduceMean", ["x"], ["mean"], {"axes": [2, 3], "keepdims": 0}),
        ("MatMul", ["mean", "weights"], ["y"], {}),
    ]
    graph(folder / "my_classifier.onnx", [1, 3, 8, 8], nodes, 4, {"weights": weights})
    return tmp_path


@pytest.mark.parametrize(
    ("colour", "wanted"),
    [
        ((255, 0, 0), ["red thing"]),
        ((255, 255, 0), ["green thing", "red thing"]),
        ((0, 0, 255), []),  # the rule of tench asks for more
        ((0, 0, 0), []),  # background
    ],
)
def test_the_photoprism_reader_finds_what_the_published_example_shows(published, colour, wanted):
    rules = {"background": 1.0, "tench": 0.97}
    read = open_photoprism(published, published, rules=rules)
    assert read.found(Image.new("RGB", (16, 12), colour)) == wanted


def test_the_photoprism_reader_refuses_what_photoprism_refuses(published):
    model = published / "my_classifier"
    settings = yaml.safe_load((published / "vision.yml").read_text())
    settings["Models"][0]["ONNX"]["Output"]["Logits"] = False
    with pytest.raises(Rejected, match="sum to"):
        PhotoPrism(published, settings).found(Image.new("RGB", (8, 8), "red"))
    (model / "labels.txt").write_text("one\ntwo\n")
    with pytest.raises(Rejected, match="4 outputs, 2 labels"):
        PhotoPrism(published, settings)


def test_photoprism_shows_the_tags_of_the_tagger_in_lower_case(layouts, ruled, squares):
    read, counts = open_photoprism(layouts, layouts / "my_shapes"), set()
    for image in squares:
        wanted = [name.lower() for name in names_of(ruled, image, at_most=5)]
        assert sorted(read.found(image)) == sorted(wanted)
        counts.add(len(wanted))
    assert len(counts) > 2, "images with few and with many tags"


def test_photoprism_shows_nothing_of_an_image_without_tags(layouts, ruled, squares):
    read = open_photoprism(layouts, layouts / "my_shapes")
    image = next(image for image in squares if not ruled(image))
    assert read.found(image) == []
    assert read.probabilities(image)[-1] == pytest.approx(0.99)


def test_the_settings_and_the_file_say_the_same_of_the_pixels(layouts):
    read = open_photoprism(layouts, layouts / "my_shapes")
    said = read.session.get_modelmeta().custom_metadata_map
    assert json.loads(said["photoprism.mean"]) == read.input["Normalization"]["Mean"]
    assert json.loads(said["photoprism.std_dev"]) == read.input["Normalization"]["StdDev"]
    assert said["photoprism.color_order"] == read.input["ColorOrder"] == "RGB"
    assert said["photoprism.resize_mode"] == read.input["Resize"]["Mode"] == "pad"
    assert said["photoprism.outputs_logits"] == "false"
    assert read.given.shape == [1, 3, 64, 64], "no axis is dynamic"
