"""Every format holds the same rows, and no file is half-written."""

import io
import json
import os
from pathlib import Path

import pytest

from colour_tagger import SUFFIXES, ColourTagger, paint
from imlgcn.prediction import PredictSummary, Row, predict, predict_rows, rows

from .conftest import predicting, read


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("all_labels", [False, True])
def test_every_format_holds_the_same_rows(tmp_path, images, suffix, all_labels):
    out = tmp_path / "new" / f"tags{suffix}"
    summary = predict(ColourTagger(), images, out=out, all_labels=all_labels)
    assert read(out) == list(predict_rows(ColourTagger(), images, all_labels=all_labels))
    assert summary[:3] == (4, 1, 3)
    assert summary.untagged == 1
    assert summary.errors == (f"{images[2]}: {read(out)[-4 if all_labels else -2].error}",)
    assert [path.name for path in out.parent.iterdir()] == [out.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_names_of_any_bytes_and_signs_can_be_written(tmp_path, suffix):
    if os.name == "nt":
        pytest.skip("file names are Unicode there")
    names = ['comma, "quote".png', "zwölf 猫.png", "line\nbreak.png", os.fsdecode(b"latin\xff.png")]
    paths = [paint(tmp_path / "plain.png", 0, 0, 255).rename(tmp_path / names[0])]
    for name in names[1:]:
        (tmp_path / name).write_bytes(paths[0].read_bytes())
        paths.append(tmp_path / name)
    predict(ColourTagger(), paths, out=tmp_path / f"tags{suffix}")
    found = [Path(row.image).name for row in read(tmp_path / f"tags{suffix}")]
    assert found[:3] == names[:3]
    assert found[3] == (names[3] if suffix == ".jsonl" else r"latin\udcff.png")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_images_make_a_file_without_rows(tmp_path, suffix):
    out = tmp_path / f"tags{suffix}"
    assert predict(ColourTagger(), [], out=out) == PredictSummary(0, 0, 0, 0, ())
    assert read(out) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_interrupted_run_leaves_the_old_file_and_what_to_resume(tmp_path, images, suffix):
    out = tmp_path / "out" / f"tags{suffix}"
    predict(ColourTagger(), images[:1], out=out)
    before = out.read_bytes()
    tagger = ColourTagger()

    def fail(inputs, known=None):
        if len(tagger.batches) >= 2:
            raise KeyboardInterrupt
        return ColourTagger.probabilities(tagger, inputs)

    tagger.probabilities = fail
    with pytest.raises(KeyboardInterrupt):
        # one worker: of two, the first might be the one that is stopped
        predict(tagger, images * 3, out=out, overwrite=True, batch_size=1, workers=1)
    assert out.read_bytes() == before
    assert sorted(out.parent.iterdir()) == [out, out.with_name(f"tags{suffix}.partial")]
    assert not predicting()


def test_parquet_is_written_in_groups_so_that_memory_stays_bounded(tmp_path, images, monkeypatch):
    import pyarrow.parquet as pq

    monkeypatch.setattr(rows, "ROW_GROUP", 4)
    out = tmp_path / "tags.parquet"
    predict(ColourTagger(), [images[3]] * 10, out=out)
    file = pq.ParquetFile(out)
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [4, 4, 2]
    assert read(out) == [Row(str(images[3]), "tree", 1.0, 0.9)] * 10


def test_a_text_stream_gets_json_lines_without_empty_errors(images):
    stream = io.StringIO()
    predict(ColourTagger(), [str(path) for path in images], out=stream)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    first = {"image": str(images[0]), "label": "dog", "probability": 0.8, "threshold": 0.25}
    assert lines[0] == first
    assert [("error" in line) for line in lines] == [False, False, False, True, False]


def test_a_stream_that_is_not_unicode_gets_escapes():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="cp1252")
    rows.jsonl_writer(stream)([Row("猫.png", "cat", 1.0, 0.5)])
    assert json.loads(raw.getvalue())["image"] == "猫.png"
    assert rb"\u732b.png" in raw.getvalue()
