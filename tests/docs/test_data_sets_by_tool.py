"""Every row of the table by tool in docs/data-sets.md, typed in a folder that holds the export."""

import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
import typer

from file_samples import FILE_SAMPLES
from imlgcn import load_dataset, pack
from imlgcn.cli import commands
from imlgcn.cli.reading import OPTIONS
from imlgcn.data.formats import FORMATS, find_format
from imlgcn.data.formats.base import EVERY_OPTION, ReadOptions
from imlgcn.data.formats.ignored_options import options_of
from imlgcn.data.image_limits import open_image_file
from imlgcn.data.source import DataSource
from tool_samples import SAMPLES as TOOL_SAMPLES

SAMPLES = [*TOOL_SAMPLES, *FILE_SAMPLES]
PAGE = (Path(__file__).parents[2] / "docs" / "data-sets.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("\n## By tool\n")[2].partition("\n## ")[0]
ROWS = dict(re.findall(r"^\| (.+?) \| `imlgcn (check [^`]+)` \|$", SECTION, re.MULTILINE))
WITHIN = ("keywords", "label_folders")  # which the reader of folders chooses
# take what no other reader does; label_vectors also numbers that paddle_label has names for
GENERAL = ("csv", "folder", "json_list", "zip", "label_vectors")
each = pytest.mark.parametrize("sample", SAMPLES, ids=[sample.have for sample in SAMPLES])


def source_of(command):
    """Return the data source that a command names."""
    name, *arguments = shlex.split(command)
    parser = typer.main.get_command(commands()).commands[name]
    given = parser.make_context(name, arguments).params
    return DataSource.of(given["data"], **{key: given[key] for key in OPTIONS})


def test_every_row_of_the_table_has_a_sample_and_every_sample_a_row():
    assert list(ROWS) == [sample.have for sample in SAMPLES]


@each
def test_a_row_typed_as_it_stands_reads_the_labels_that_were_meant(sample, tmp_path, monkeypatch):
    sample.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    data = source_of(ROWS[sample.have]).load()
    assert data.reader == sample.reader
    assert {record.path.name: set(record.labels) for record in data.records} == sample.meant
    assert data.splits == sample.splits
    assert all(path.is_file() for path in data.paths)
    assert not any(record.unknown for record in data.records)


@each
@pytest.mark.parametrize("format", ["webdataset", "parquet"])
def test_an_export_that_is_packed_reads_back_the_same(sample, format, tmp_path, monkeypatch):
    sample.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    data = source_of(ROWS[sample.have]).load()
    pack(data, tmp_path / "shards", format=format)
    again = load_dataset(tmp_path / "shards")
    assert again.names == data.names
    assert again.targets.tolist() == data.targets.tolist()
    for ours, theirs in zip(again.records, data.records, strict=True):
        assert replace(ours, path=theirs.path) == theirs
        with open_image_file(ours.path) as file:
            assert file.read() == theirs.path.read_bytes()


@each
def test_an_export_is_recognised_by_its_reader_alone(sample, tmp_path, monkeypatch):
    sample.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    path = source_of(ROWS[sample.have]).path
    assert ("folder" if sample.reader in WITHIN else sample.reader) == find_format(path)[0].NAME
    found = {name for name, reader in FORMATS.items() if reader.recognise(path)}
    assert found - {*GENERAL} == {sample.reader} - {*GENERAL}


@each
def test_an_export_is_also_read_by_its_folder(sample, tmp_path, monkeypatch):
    if "--" in ROWS[sample.have]:
        pytest.skip("needs an option")
    sample.write(tmp_path)
    assert DataSource.of(tmp_path).load().names
    assert DataSource.of(tmp_path).load().reader == sample.reader


class Recorded(ReadOptions):
    """Options that remember which of them a reader asked for."""

    seen: ClassVar[set[str]] = set()

    def __getattribute__(self, name):
        file = Path(sys._getframe(1).f_code.co_filename)
        if name in EVERY_OPTION and file.parent.name == "formats" and file.stem not in NO_READERS:
            Recorded.seen.add(name)
        return super().__getattribute__(name)


NO_READERS = ("ignored_options", "json_splits", "folder")  # pass the options on


@pytest.mark.parametrize("reader", sorted({sample.reader for sample in SAMPLES} - {*NO_READERS}))
def test_a_reader_reads_the_options_that_it_declares_and_no_others(reader, tmp_path, monkeypatch):
    monkeypatch.setattr("imlgcn.data.dataset.ReadOptions", Recorded)
    Recorded.seen.clear()
    for number, sample in enumerate(each for each in SAMPLES if each.reader == reader):
        folder = tmp_path / str(number)
        folder.mkdir()
        sample.write(folder)
        monkeypatch.chdir(folder)
        source_of(ROWS[sample.have]).load()
    declared = {*options_of(FORMATS[reader])}
    assert declared - {"fields"} <= Recorded.seen <= declared  # fields: where no column has labels
