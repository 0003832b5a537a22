"""Every sample, and the other texts that are read, damaged: only documented errors come out."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from file_samples import FILE_SAMPLES
from imlgcn.config import parse_setting, train_settings
from imlgcn.data.dataset import load_dataset
from imlgcn.data.formats.layout import is_image
from imlgcn.data.label_table_file import check_label_table
from imlgcn.data.scan import find_images
from imlgcn.errors import InputError
from imlgcn.tagger.config_file import read_config
from imlgcn.tagger.info import parse_info
from tool_samples import SAMPLES

RUNS = int(os.environ.get("IMLGCN_FUZZ", "4"))  # of each sample; 500 take minutes
BITS = [b"\0", b'"', b"'", b",", b";", b"[", b"]", b"{", b"}", b":", b"\n", b"-1", b"1e400", b"NaN"]
BITS += [
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b"\\ud800",
    b"9" * 5_000,
    b"[" * 2_000,
    b"\xff",
    b"<",
]
BITS += [
    "²".encode(),
    "e\u0301".encode(),
    b"2024-99-99",
    b"&a",
    b"*a",
    b"=1+1",
    b"../../x",
    b" " * 50,
]
TEXTS = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".lst", ".xmp", ".cls")
MODEL = Path(__file__).parents[2] / "golden" / "format_1" / "model.json"
SETTINGS = (
    b"seed: 3\nhead_training: {epochs: 4}\nloss: {name: asymmetric, options: {gamma_neg: 2.0}}"
)
TABLE = b"label,show,name,parents,threshold,exclusive\nsea,yes,Sea,water,0.5,\nwater,no,,,50 %,a\n"
short = settings(
    max_examples=25 * RUNS,
    derandomize=RUNS < 100,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
changes = st.lists(
    st.tuples(
        st.floats(0, 1), st.sampled_from(BITS), st.sampled_from(["put", "over", "cut", "word"])
    ),
    min_size=1,
    max_size=3,
)


def damaged(content: bytes, edits) -> bytes:
    for where, bit, how in edits:
        at = int(where * len(content))
        if how == "cut":
            content = content[:at]
        elif how == "word":  # in the place of all letters and digits around
            start = end = at
            while start and content[start - 1 : start].isalnum():
                start -= 1
            while end < len(content) and content[end : end + 1].isalnum():
                end += 1
            content = content[:start] + bit + content[end:]
        else:
            content = content[:at] + bit + content[at + len(bit) * (how == "over") :]
    return content


def chance_of(random_: random.Random):
    ways = ("put", "over", "cut", "word", "word")
    return [
        (random_.random(), random_.choice(BITS), random_.choice(ways))
        for _ in range(random_.randint(1, 3))
    ]


@pytest.mark.parametrize("sample", [*SAMPLES, *FILE_SAMPLES], ids=lambda sample: sample.have)
def test_damaged_files_are_read_or_refused(tmp_path, monkeypatch, sample):
    monkeypatch.setenv("IMLGCN_CACHE", str(tmp_path / "cache"))
    good = tmp_path / "good"
    good.mkdir()
    sample.write(good)
    files = [file for file in sorted(good.rglob("*")) if file.suffix.lower() in TEXTS]
    source = random.Random(sample.have)
    for _ in range(RUNS if files else 0):
        folder = tmp_path / "bad"
        shutil.copytree(good, folder)
        file = folder / source.choice(files).relative_to(good)
        file.write_bytes(damaged(file.read_bytes(), chance_of(source)))
        for data, reader in ((folder, None), (file, None), (folder, sample.reader)):
            with suppress(InputError):
                load_dataset(data, reader=reader)
        shutil.rmtree(folder)


@short
@given(changes)
def test_a_damaged_model_json_is_read_or_refused(edits):
    text = damaged(MODEL.read_bytes(), edits).decode("utf-8", "replace")
    with suppress(InputError):
        parse_info(text, MODEL)


@short
@given(changes)
def test_damaged_settings_are_read_or_refused(tmp_path_factory, edits):
    path = tmp_path_factory.getbasetemp() / "fuzzed.yaml"
    path.write_bytes(damaged(SETTINGS, edits))
    with suppress(InputError):
        train_settings(read_config(path))


@short
@given(changes)
def test_a_damaged_setting_is_read_or_refused(edits):
    text = damaged(b"head_training.epochs=5", edits).decode("utf-8", "replace")
    with suppress(InputError):
        train_settings(parse_setting(text))


@short
@given(changes)
def test_a_damaged_label_table_is_read_or_refused(tmp_path_factory, edits):
    path = tmp_path_factory.getbasetemp() / "fuzzed.csv"
    path.write_bytes(damaged(TABLE, edits))
    with suppress(InputError):
        check_label_table(path, ["sea", "water"])


def test_the_sample_of_model_json_is_good():
    assert json.loads(MODEL.read_text())["labels"] == list(
        parse_info(MODEL.read_text(), MODEL).labels
    )


@pytest.mark.parametrize("sample", [*SAMPLES, *FILE_SAMPLES], ids=lambda sample: sample.have)
def test_a_name_that_is_too_long_for_a_file_is_missing_or_refused(tmp_path, sample):
    sample.write(tmp_path)
    name = next(file.stem for file in sorted(tmp_path.rglob("*")) if is_image(file))
    for file in sorted(tmp_path.rglob("*")):
        if file.suffix.lower() in TEXTS:
            content = file.read_bytes()
            file.write_bytes(content.replace(name.encode(), 300 * b"x" + name.encode()))
    with suppress(InputError):
        records = load_dataset(tmp_path, reader=sample.reader).records
        missing = [scan for scan in find_images([r.path for r in records]) if scan.problem]
        assert len(missing) < len(records)


@pytest.mark.parametrize("sample", [*SAMPLES, *FILE_SAMPLES], ids=lambda sample: sample.have)
def test_numbers_of_5000_digits_are_read_or_refused(tmp_path, sample):
    sample.write(tmp_path)
    for file in tmp_path.rglob("*"):
        if file.suffix.lower() in TEXTS:
            file.write_bytes(re.sub(rb"(?<![\w.])\d+(?![\w.])", b"9" * 5_000, file.read_bytes()))
    with suppress(InputError):
        load_dataset(tmp_path, reader=sample.reader)
