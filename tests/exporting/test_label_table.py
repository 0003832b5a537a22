"""An exported file alone follows the label table of the folder it is from."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from imlgcn.exporting import export, metadata_of
from imlgcn.labels.label_rows import LabelRow
from imlgcn.labels.label_table import LabelTable
from imlgcn.prediction import predict_rows
from imlgcn.tagger import Tagger
from imlgcn.tagger.folder import LABEL_TABLE

pytest.importorskip("onnxscript")
RULES = """label,show,name,parents,threshold,exclusive
red,,rot,dark,0.05,
circle,,,,0.01,form
square,no,,,,form
blue,,"blau, hell",,0,
"""


@pytest.fixture
def ruled(tagger, tmp_path):
    folder = shutil.copytree(tagger.path, tmp_path / "ruled")
    (folder / LABEL_TABLE).write_text(RULES)
    return Tagger.load(folder)


@pytest.mark.thorough
@pytest.mark.parametrize("format", ["onnx", pytest.param("openvino", marks=pytest.mark.slow)])
def test_the_file_alone_gives_the_tags_and_names_of_the_folder(ruled, format, shapes, tmp_path):
    if format == "openvino":
        pytest.importorskip("openvino")
    alone = Tagger.load(export(ruled, format, tmp_path / f"alone.{format}").path)
    assert alone.label_table == ruled.label_table
    photos = [shapes.parent / f"{number:02}.png" for number in range(12)]
    for photo in photos:
        assert [tag.label for tag in alone(photo)] == [tag.label for tag in ruled(photo)]
    for all_labels in (False, True):
        found, wanted = (
            [row[1:2] + row[4:] for row in predict_rows(each, photos, all_labels=all_labels)]
            for each in (alone, ruled)
        )
        assert found == wanted
    other = Tagger.load(alone.path, label_table=LabelTable.of(alone.labels))
    assert other.label_table.is_default


def test_a_file_of_a_tagger_without_rules_says_nothing_of_them(tagger, ruled):
    assert "label_table" not in metadata_of(tagger, tagger.info)
    found = json.loads(metadata_of(ruled, ruled.info)["label_table"])
    assert found[1] == {"label": "circle", "threshold": 0.01, "exclusive": "form"}


def test_tags_follow_the_table_and_without_it_nothing_changes(tagger, ruled, shapes):
    p = np.array([0.3, 0.2, 0.01, 0.04, 0.9])
    tags = {tag.label: tag for tag in ruled.tags(p)}
    assert tags.keys() == {"blue"}, "square excludes circle, and is hidden"
    p = np.array([0.3, 0.2, 0.01, 0.06, 0.1])
    assert {tag.label for tag in ruled.tags(p, ruled.thresholds)} >= {"blue", "red", "dark"}
    dark = next(tag for tag in ruled.tags(p) if tag.label == "dark")
    assert dark.probability == 0.06
    photo = shapes.parent / "03.png"
    plain = tagger.folder.path / LABEL_TABLE
    assert plain.is_file()
    bare = Tagger(tagger.path, tagger.info, label_table=LabelTable.of(tagger.labels))
    assert bare(photo) == tagger(photo)


def test_a_threshold_of_the_table_stays_at_every_operating_point(ruled, tagger):
    red = ruled.labels.index("red")
    for point in (None, "0.5", "precision=0.9", "f1"):
        found, fitted = ruled.thresholds_for(point), tagger.thresholds_for(point)
        assert found[red] == 0.05
        assert found[2] == fitted[2]
        again = ruled.at(point)
        assert again.thresholds.tolist() == found.tolist()
        if point is not None:
            assert again.info.calibration.threshold == fitted.tolist(), "evaluation is of these"


def test_a_table_with_a_wrong_row_is_refused_when_the_tagger_is_loaded(ruled, tmp_path):
    from imlgcn.errors import InputError

    (ruled.path / LABEL_TABLE).write_text("label,parents\nred,drak\n")
    with pytest.raises(InputError, match=r"label-table\.csv: line 2: .*did you mean 'dark'"):
        Tagger.load(ruled.path)
    table = LabelTable.of(ruled.labels, [LabelRow("red", name="rot")])
    assert Tagger.load(ruled.path, label_table=table).label_table is not None
