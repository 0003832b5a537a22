"""A Parquet file whose content is not what was written is refused, however well-formed it is."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyarrow import parquet

from imlgcn.parquet_files import read_parquet, write_parquet

IMAGES = pa.DictionaryArray.from_arrays(pa.array([0, 0, 1, 1]), pa.array(["a.jpg", "b.jpg"]))
TABLE = pa.table({"image": IMAGES, "logit": [0.5, None, 2.0, 3.0], "rows": [[1], [2], [3], [4]]})
CHANGES = {
    "rows in another order": lambda table: table.take([1, 0, 2, 3]),
    "fewer rows": lambda table: table.slice(0, 3),
    "a number": lambda table: table.set_column(1, "logit", pa.array([0.5, 1.0, 2.0, 3.5])),
    "another type": lambda table: table.set_column(1, "logit", table["logit"].cast(pa.float32())),
    "a column less": lambda table: table.drop_columns(["logit"]),
}


@pytest.mark.parametrize("chunks", [1, 2])
def test_what_was_written_comes_back(tmp_path, chunks):
    table = pa.concat_tables([TABLE] * chunks)
    write_parquet(tmp_path / "a", table)
    assert read_parquet(tmp_path / "a").to_pydict() == table.to_pydict()
    assert read_parquet(tmp_path / "a", ["logit", "other"]).column_names == ["logit"]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_noticed(tmp_path, change):
    write_parquet(tmp_path / "a", TABLE)
    read = parquet.read_table(tmp_path / "a")
    changed = change(read).replace_schema_metadata(read.schema.metadata)
    parquet.write_table(changed, tmp_path / "a")
    with pytest.raises(ValueError, match=r"is not as it was written|is missing"):
        read_parquet(tmp_path / "a")


def test_a_file_of_an_earlier_version_is_read(tmp_path):
    parquet.write_table(TABLE, tmp_path / "a")
    assert read_parquet(tmp_path / "a").num_rows == 4
