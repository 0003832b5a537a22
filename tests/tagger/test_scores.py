"""The scores of a run come back as they were written, whatever order is asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from imlgcn.errors import InputError
from imlgcn.parquet_files import read_parquet
from imlgcn.tagger.scores import ScoredSplit, Scores, write_predictions
from imlgcn.tagger.scores_sample import OUT_OF_FOLD

NAMES = ("cat", "dog", "tree")


def scored(split: str, count: int) -> ScoredSplit:
    generator = np.random.default_rng(count)
    logits = generator.normal(size=(count, 3)).astype(np.float32)
    return ScoredSplit(
        split,
        tuple(f"{split}/{number}.jpg" for number in range(count)),
        logits,
        1 / (1 + np.exp(-logits.astype(np.float64))),
        generator.integers(-1, 2, (count, 3)).astype(np.int8),
    )


@pytest.fixture
def written(tmp_path):
    parts = {"val": scored("val", 4), "test": scored("test", 7)}
    path = tmp_path / "predictions.parquet"
    write_predictions(path, NAMES, list(parts.values()))
    return path, parts


@pytest.mark.parametrize("split", ["val", "test"])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1,), (2, 1)])
def test_a_split_comes_back_with_its_labels_matched_by_name(written, split, order):
    path, parts = written
    found, wanted = Scores(path, [NAMES[i] for i in order]).split(split), parts[split]
    assert found.split == split
    assert found.images == wanted.images
    np.testing.assert_array_equal(found.logits, wanted.logits[:, order])
    np.testing.assert_array_equal(found.targets, wanted.targets[:, order])
    np.testing.assert_allclose(found.probabilities, wanted.probabilities[:, order], atol=1e-7)
    assert (found.logits.dtype, found.targets.dtype) == (np.float32, np.int8)


def test_two_images_of_one_name_stay_two_rows(tmp_path):
    part = ScoredSplit("val", ("a", "a"), *(scored("val", 2).__dict__[k] for k in FIELDS))
    write_predictions(tmp_path / "p.parquet", NAMES, [part])
    found = Scores(tmp_path / "p.parquet", NAMES).split("val")
    assert found.images == ("a", "a")
    np.testing.assert_array_equal(found.logits, part.logits)


FIELDS = ("logits", "probabilities", "targets")


def test_the_scores_of_a_control_come_back_where_there_is_one(tmp_path, written):
    assert Scores(written[0], NAMES).split("val").control is None
    control = np.arange(12, dtype=np.float32).reshape(4, 3)
    part = replace(written[1]["val"], control=control)
    write_predictions(tmp_path / "p.parquet", NAMES, [part])
    found = Scores(tmp_path / "p.parquet", (NAMES[2], NAMES[0])).split("val")
    np.testing.assert_array_equal(found.control, control[:, [2, 0]])


def test_the_file_is_one_row_per_image_and_label_for_other_programs(written):
    import pyarrow.parquet as pq

    path, parts = written
    table = pq.read_table(path).to_pylist()
    assert len(table) == 3 * (4 + 7)
    assert list(table[0]) == ["image", "split", "label", "target", "logit", "probability", "fold"]
    row = table[3 * 2 + 1]  # third image of val, second label
    part = parts["val"]
    assert (row["image"], row["split"], row["label"]) == ("val/2.jpg", "val", "dog")
    assert row["target"] == part.targets[2, 1]
    assert row["logit"] == part.logits[2, 1]


@pytest.mark.parametrize(
    ("names", "split", "message"),
    [(NAMES, "train", "no scores of the split 'train'"), (("cat", "cow"), "val", "labels cow")],
)
def test_what_is_not_in_the_file_is_named(written, names, split, message):
    with pytest.raises(InputError, match=message):
        Scores(written[0], names).split(split)


def test_a_missing_or_damaged_file_is_one_sentence(written, tmp_path):
    with pytest.raises(InputError, match="is missing; `imlgcn train` writes it"):
        Scores(tmp_path / "none.parquet", NAMES).split("val")
    path = written[0]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="is damaged"):
        Scores(path, NAMES).split("val")


@pytest.fixture
def cut(tmp_path):
    """Scores of two splits in row groups that end in the middle of images."""
    import pyarrow.parquet as pq

    parts = {"val": scored("val", 40), "test": scored("test", 60)}
    whole, path = tmp_path / "whole.parquet", tmp_path / "cut.parquet"
    write_predictions(whole, NAMES, list(parts.values()))
    pq.write_table(pq.read_table(whole), path, row_group_size=16)
    return path, parts


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_sample_has_whole_images_from_all_over_the_split(cut, split):
    path, parts = cut
    wanted = parts[split]
    found = Scores(path, NAMES[::-1]).sample(split, most=wanted.targets.size // 2)
    rows = [wanted.images.index(image) for image in found.images]
    assert rows == sorted(rows)
    assert 0.2 * len(wanted.images) < len(rows) < 0.8 * len(wanted.images)
    assert max(rows) - min(rows) > 0.6 * len(wanted.images)
    np.testing.assert_array_equal(found.logits, wanted.logits[rows][:, ::-1])
    np.testing.assert_array_equal(found.targets, wanted.targets[rows][:, ::-1])


def test_a_sample_of_few_scores_is_all_of_them(written):
    path, parts = written
    assert Scores(path, NAMES).sample("test", most=21 + 12).images == parts["test"].images
    assert Scores(path, NAMES).sample(None, most=1000).split == "val"


def test_a_sample_of_out_of_fold_scores_joins_the_splits(tmp_path, cut):
    import pyarrow.parquet as pq

    _, parts = cut
    held = [replace(part, folds=np.arange(len(part.images)) % 5) for part in parts.values()]
    write_predictions(tmp_path / "folds.parquet", NAMES, held)
    path = tmp_path / "groups.parquet"
    pq.write_table(pq.read_table(tmp_path / "folds.parquet"), path, row_group_size=16)
    found = Scores(path, NAMES).sample(None, most=150)
    assert found.split == OUT_OF_FOLD
    assert {name.split("/")[0] for name in found.images} == {"val", "test"}
    assert found.folds is not None


def test_a_sample_of_a_small_split_beside_a_large_one_is_not_missed(tmp_path):
    import pyarrow.parquet as pq

    parts = [scored("train", 200), scored("val", 12), scored("test", 200)]
    write_predictions(tmp_path / "whole.parquet", NAMES, parts)
    path = tmp_path / "cut.parquet"
    pq.write_table(pq.read_table(tmp_path / "whole.parquet"), path, row_group_size=16)
    found = Scores(path, NAMES).sample("val", most=100)
    assert found.images == parts[1].images


def test_a_sample_of_what_is_not_there_is_refused(cut):
    path, _ = cut
    with pytest.raises(InputError, match="no scores of the split 'train'"):
        Scores(path, NAMES).sample("train", most=150)
    with pytest.raises(InputError, match="no scores of the labels cow"):
        Scores(path, ("cat", "cow")).sample("val", most=150)


@pytest.fixture
def in_row_groups(tmp_path, monkeypatch):
    """A file in row groups of ten rows, which cut images in two, and its splits."""
    for module in ("imlgcn.parquet_files", "imlgcn.tagger.scores_rows"):
        monkeypatch.setattr(f"{module}.ROW_GROUP", 10)
    parts = [
        replace(scored("train", 11), folds=np.arange(11) % 5, control=np.ones((11, 3), np.float32)),
        replace(scored("val", 4), folds=np.arange(4), control=np.zeros((4, 3), np.float32)),
        replace(scored("test", 7), control=np.zeros((7, 3), np.float32)),
    ]
    write_predictions(tmp_path / "p.parquet", NAMES, parts)
    return tmp_path / "p.parquet", parts


def test_row_groups_are_the_rows_and_hashes_of_one_table(in_row_groups, tmp_path, monkeypatch):
    import pyarrow.parquet as pq

    path, parts = in_row_groups
    assert pq.ParquetFile(path).num_row_groups == 7
    for module in ("imlgcn.parquet_files", "imlgcn.tagger.scores_rows"):
        monkeypatch.setattr(f"{module}.ROW_GROUP", 1_000)
    write_predictions(tmp_path / "one.parquet", NAMES, parts)
    one, several = (read_parquet(file) for file in (tmp_path / "one.parquet", path))
    assert one.to_pydict() == several.to_pydict()
    assert one.schema.equals(several.schema, check_metadata=True)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0)])
def test_splits_come_back_from_row_groups(in_row_groups, order):
    path, parts = in_row_groups
    scores = Scores(path, [NAMES[i] for i in order])
    joined = ScoredSplit(
        OUT_OF_FOLD,
        parts[0].images + parts[1].images,
        *(np.concatenate([getattr(p, key) for p in parts[:2]]) for key in (*FIELDS, "control")),
        folds=np.concatenate([parts[0].folds, parts[1].folds]),
    )
    for found, wanted in zip([*scores.splits(), scores.fitted()], [*parts, joined], strict=True):
        assert (found.split, found.images) == (wanted.split, wanted.images)
        for key in (*FIELDS, "control"):
            whole = getattr(wanted, key)[:, order]
            np.testing.assert_array_equal(getattr(found, key), whole.astype(np.float32), key)
        assert np.array_equal(found.folds, wanted.folds) or found.folds is wanted.folds is None


def test_a_row_group_that_was_changed_is_noticed(in_row_groups):
    import pyarrow.parquet as pq

    path, _ = in_row_groups
    table = pq.read_table(path)
    changed = table["logit"].to_numpy().copy()
    changed[-1] += 1
    column = table.column_names.index("logit")
    pq.write_table(table.set_column(column, table.schema.field("logit"), [changed]), path)
    with pytest.raises(InputError, match="'logit' is not as it was written"):
        Scores(path, NAMES).split("val")
    pq.write_table(table.drop_columns(["target"]), path)
    with pytest.raises(InputError, match="'target' is missing"):
        Scores(path, NAMES).split("val")


def test_a_file_without_images_has_no_splits(tmp_path):
    write_predictions(tmp_path / "p.parquet", NAMES, [scored("val", 0)])
    assert Scores(tmp_path / "p.parquet", NAMES).splits() == []


def test_a_table_is_written_without_being_whole(tmp_path, monkeypatch):
    for module in ("imlgcn.parquet_files", "imlgcn.tagger.scores_rows"):
        monkeypatch.setattr(f"{module}.ROW_GROUP", 10_000)
    labels = [f"a label with a long name {number}" for number in range(1_000)]
    logits = np.zeros((200, 1_000), np.float32)
    part = ScoredSplit("val", tuple(map(str, range(200))), logits, logits, logits.astype(np.int8))
    tables = []

    def watched(table, *_, **__):
        tables.append(table.nbytes)
        return table

    monkeypatch.setattr("pyarrow.parquet.ParquetWriter.write_table", lambda _, t, **k: watched(t))
    write_predictions(tmp_path / "p.parquet", labels, [part])
    assert len(tables) == 20
    assert max(tables) < 1_000_000  # all rows have 6 MB
