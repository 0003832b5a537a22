"""The hash of a column that is made a part at a time is that of the whole column."""

from __future__ import annotations

from functools import partial

import numpy as np
import pyarrow as pa
import pytest

from imlgcn import parquet_hashes
from imlgcn.parquet_hashes import hash_column, hash_parts

TYPES = [pa.int8(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.string()]
NAMES = pa.array(["", "a", "é.jpg", "long/name of a file.png"])


@pytest.mark.parametrize("names_once", [False, True], ids=["plain", "dictionary"])
@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_parts_have_the_hash_of_the_whole(kind, names_once):
    generator = np.random.default_rng(0)
    for rows in (1, 2, 3, 7, 8, 9, 30, 1_000):
        values = generator.integers(0, 4, rows).astype(np.int8)
        whole = NAMES.take(values) if pa.types.is_string(kind) else pa.array(values).cast(kind)
        cuts = np.sort(generator.integers(0, rows + 1, 3)).tolist()
        bounds = zip([0, *cuts], [*cuts, rows], strict=True)
        parts = [whole.slice(start, end - start) for start, end in bounds]  # some begin later
        if names_once and pa.types.is_string(kind):  # each with names of its own, in another order
            parts, whole = [p.dictionary_encode() for p in parts], whole.dictionary_encode()
        assert hash_parts(partial(iter, parts)) == hash_column(pa.table({"": whole}), "")


def test_text_that_is_too_long_for_one_column_is_hashed_in_pieces(monkeypatch):
    names = pa.array([f"{number}.jpg" for number in range(23)]).dictionary_encode()
    once = hash_column(pa.table({"": names}), "")
    monkeypatch.setattr(parquet_hashes, "MOST_TEXT", 100)
    monkeypatch.setattr(parquet_hashes, "ROWS", 5)
    parts = [names.slice(0, 3), names.slice(3, 12), names.slice(15, 8)]
    assert hash_parts(lambda: parts) == hash_column(pa.table({"": names}), "") != once


def test_a_changed_number_or_order_changes_the_hash():
    numbers = np.arange(6, dtype=np.float32)
    other = [hash_parts(lambda each=each: [pa.array(each)]) for each in (numbers, numbers[::-1])]
    assert len({*other, hash_parts(lambda: [pa.array(numbers[:5])])}) == 3


def test_a_missing_entry_is_refused():
    with pytest.raises(ValueError, match="missing"):
        hash_parts(lambda: [pa.array([1, None])])


def test_text_longer_than_one_piece_is_cut_with_a_dictionary_or_without(monkeypatch):
    monkeypatch.setattr(parquet_hashes, "MOST_TEXT", 30)
    monkeypatch.setattr(parquet_hashes, "ROWS", 4)
    plain = [pa.array(["test", "train", "val"]), pa.array(["test"] * 7)]
    coded = [part.dictionary_encode() for part in plain]
    assert parquet_hashes.hash_parts(plain.copy) == parquet_hashes.hash_parts(coded.copy)
    whole = pa.table({"split": pa.chunked_array(plain)})
    assert parquet_hashes.hash_column(whole, "split") == parquet_hashes.hash_parts(plain.copy)
