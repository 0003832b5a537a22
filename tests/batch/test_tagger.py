"""A batch in, the rows that `predict` writes out: in every form and on every worker."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from imlgcn.batch import BatchTagger
from imlgcn.errors import InputError
from imlgcn.prediction import predict

from .samples import rows_of

pd = pytest.importorskip("pandas")


@pytest.fixture
def expected(onnx, pictures, tmp_path):
    """The rows of the one-machine path."""
    predict(onnx, pictures, out=tmp_path / "one.parquet", threshold=0.4)
    return rows_of(tmp_path / "one.parquet")


def frames(table):
    return (
        table.to_pylist()
        if isinstance(table, pa.Table)
        else [
            {k: None if pd.isna(v) else v for k, v in row.items()}
            for row in table.to_dict("records")
        ]
    )


def test_every_form_of_batch_gives_the_rows_of_predict_in_its_own_form(onnx, pictures, expected):
    tag = BatchTagger(onnx, threshold=0.4)
    given = {"image": pictures, "other": range(12)}
    found = tag(given)
    assert isinstance(found, dict)
    assert pa.table(found).to_pylist() == expected
    assert frames(tag(pa.table({"image": pictures}))) == expected
    assert frames(tag(pa.record_batch({"image": pictures}))) == expected
    assert frames(tag(pd.DataFrame({"image": pictures}))) == expected
    assert tag({"image": np.array(pictures)}) == found


def test_contents_and_structs_give_what_paths_give(onnx, pictures, expected):
    contents = [Path(path).read_bytes() for path in pictures]
    tag = BatchTagger(onnx, threshold=0.4, image="content", name="path")
    assert frames(tag(pa.table({"content": contents, "path": pictures}))) == expected
    assert frames(tag(pd.DataFrame({"content": contents, "path": pictures}))) == expected
    structs = [{"bytes": c, "path": p} for c, p in zip(contents, pictures, strict=True)]
    assert frames(BatchTagger(onnx, threshold=0.4)(pa.table({"image": structs}))) == expected


def test_arrays_are_images_too(onnx):
    pixels = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3), np.uint8)
    tag = BatchTagger(onnx, name="id", all_labels=True)
    found = tag({"image": pixels, "id": [7, 8]})
    pictures = [Image.fromarray(image) for image in pixels]
    one = list(predict(onnx, pictures, all_labels=True))
    assert found["image"] == ["7"] * 5 + ["8"] * 5
    assert found["label"] == [tag.label for tags in one for tag in tags]


def test_one_row_for_each_image_holds_the_same_in_lists(onnx, pictures, expected):
    found = BatchTagger(onnx, threshold=0.4, per_image=True)(pa.table({"image": pictures}))
    assert found.column("image").to_pylist() == pictures
    again = []
    for row in found.to_pylist():
        lists = [row[name] for name in ("labels", "probabilities", "thresholds")]
        names = ("image", "label", "probability", "threshold", "error")
        tags = [*zip(*lists, strict=True)] or [("", None, None)]
        again += [dict(zip(names, (row["image"], *t, row["error"]), strict=True)) for t in tags]
    assert again == expected


def test_bounds_and_a_label_table_bring_the_columns_that_files_have(onnx, pictures, tmp_path):
    table = tmp_path / "names.csv"
    table.write_text("label,name,parents\nred,Red,\nblue,Blue,red\n")
    for options in ({"top_k": 2}, {"all_labels": True, "at_most": 1}, {"label_table": table}):
        predict(onnx, pictures, out=tmp_path / "o.parquet", overwrite=True, **options)
        tag = BatchTagger(onnx, **options)
        found = tag(pa.table({"image": pictures}))
        assert found.to_pylist() == rows_of(tmp_path / "o.parquet")
        assert found.schema == tag.schema
        lists = BatchTagger(onnx, per_image=True, **options)
        assert lists(pa.table({"image": pictures})).schema == lists.schema


@pytest.mark.parametrize(
    "bad", [None, float("nan"), 3, "no/such.png", b"", [1], pd.NA, b"\xff\xd8"]
)
@pytest.mark.parametrize("per_image", [False, True])
def test_no_image_whatever_it_is_fails_its_batch(onnx, pictures, bad, per_image):
    tag = BatchTagger(onnx, name="id", per_image=per_image)
    frame = pd.DataFrame({"image": [pictures[0], bad, pictures[1]], "id": list("abc")})
    found = tag(frame)
    failed = found[found["error"].notna()]
    assert list(failed["image"]) == ["b"]
    is_empty = bad is None or bad is pd.NA or isinstance(bad, float)
    assert (failed["error"].item() == "there is no image in this row") is is_empty
    assert set(found["image"]) == set("abc")
    alone = tag(frame.drop(1)).reset_index(drop=True)
    pd.testing.assert_frame_equal(
        found[found["error"].isna()].reset_index(drop=True), alone, check_dtype=False
    )


def test_an_empty_batch_has_the_columns_and_no_rows(onnx):
    found = BatchTagger(onnx)(pa.table({"image": pa.array([], pa.string())}))
    assert found.num_rows == 0
    assert found.schema == BatchTagger(onnx).schema


def test_a_copy_on_a_worker_gives_the_same_and_opens_the_network_once(onnx, pictures, expected):
    from imlgcn.engines.shared import SHARED

    tag = BatchTagger(onnx, threshold=0.4)
    tag({"image": pictures[:1]})
    text = pickle.dumps(tag)
    assert len(text) < 20_000  # the tagger's facts, without a network
    before = len(SHARED)
    for _ in range(3):
        assert frames(pickle.loads(text)(pa.table({"image": pictures}))) == expected
    assert len(SHARED) <= max(before, 1) + 1


def test_a_worker_loads_no_torch_where_there_is_an_exported_file(onnx, pictures):
    code = (
        "import pickle, sys; tag = pickle.loads(sys.stdin.buffer.read());"
        f"tag({{'image': {pictures!r}}});"
        "print([name for name in ('torch', 'timm', 'ray') if name in sys.modules])"
    )
    given = pickle.dumps(BatchTagger(onnx))
    done = subprocess.run(
        [sys.executable, "-c", code], input=given, capture_output=True, check=True
    )
    assert done.stdout.split() == [b"[]"]


@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_threads_work_than_it_has(onnx, pictures, threads, monkeypatch):
    import threading

    monkeypatch.setenv("OMP_NUM_THREADS", "4")  # what the machine has
    tag, seen = BatchTagger(onnx, threads=threads), set()
    load = type(tag.tagger).load_input
    monkeypatch.setattr(
        type(tag.tagger),
        "load_input",
        lambda self, image: seen.add(threading.get_ident()) or load(self, image),
    )
    tag({"image": pictures * 4})
    assert 1 <= len(seen) <= threads


def test_torch_gets_as_many_threads_as_the_tagger_has_and_keeps_its_own_after(
    make_untrained, tmp_path
):
    import torch

    tag, before, seen = BatchTagger(make_untrained(tmp_path, "linear").path), 2, []
    module = tag.tagger.engine.module
    module.register_forward_hook(lambda *_: seen.append(torch.get_num_threads()))
    limit = tag.maker.limit
    tag.maker.limit = lambda streams: seen.append(streams) or limit(streams)
    own = torch.get_num_threads()
    torch.set_num_threads(before)
    try:
        list(tag.rows([("a", np.zeros((8, 8, 3), np.uint8), None)]))
        assert torch.get_num_threads() == before
    finally:
        torch.set_num_threads(own)
    assert seen == [1, 1]  # one stream, of one thread


def test_what_is_wrong_with_all_images_is_said_at_once(onnx, pictures):
    with pytest.raises(InputError, match="no column 'image'; it has path"):
        BatchTagger(onnx)({"path": pictures})
    with pytest.raises(InputError, match="have no names"):
        BatchTagger(onnx)({"image": [b"content"]})
    with pytest.raises(InputError, match="list is not a batch"):
        BatchTagger(onnx)(pictures)
    with pytest.raises(InputError, match="at least 1; got 0"):
        BatchTagger(onnx, threads=0)
    with pytest.raises(InputError, match="unknown"):
        BatchTagger(onnx, threshold="nonsense")
    with pytest.raises(InputError, match="nowhere"):
        BatchTagger("nowhere")
